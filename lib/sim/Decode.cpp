// Decoding an entry: slots for its registers, constants and variables, and an op for every instruction.
#include "Machine.h"

#include <algorithm>
#include <map>

namespace treadle::sim {

using namespace ptx;

namespace {

constexpr unsigned slotAlignment = 64;

uint64_t alignTo(uint64_t value, uint64_t alignment) { return (value + alignment - 1) / alignment * alignment; }

bool isFloat(Type type) { return type == Type::F32 || type == Type::F64; }

// Special registers that a warp can be given when it starts. The others change while it runs.
const char *const startSpecials[] = {
    "%tid.x",          "%tid.y",       "%tid.z",   "%ntid.x",      "%ntid.y",      "%ntid.z",
    "%ctaid.x",        "%ctaid.y",     "%ctaid.z", "%nctaid.x",    "%nctaid.y",    "%nctaid.z",
    "%laneid",         "%warpid",      "%nwarpid", "%lanemask_eq", "%lanemask_lt", "%lanemask_le",
    "%lanemask_gt",    "%lanemask_ge", "%smid",    "%nsmid",       "%gridid",      "%dynamic_smem_size",
    "%total_smem_size"};

// Whether blocks may tell each other something by this instruction.
bool ordersBlocks(const Instruction &instruction) {
  if (instruction.has("shared") || instruction.has("shared::cta"))
    return false;
  const std::string &opcode = instruction.opcode;
  if (opcode == "atom" || opcode == "red")
    return true;
  return (opcode == "ld" || opcode == "st") && (instruction.has("volatile") || instruction.has("relaxed") ||
                                                instruction.has("acquire") || instruction.has("release"));
}

class EntryDecoder : public Decoder {
public:
  EntryDecoder(const Module &module, const Entry &entry) : parsed(module), function(entry) {
    program = std::make_shared<Program>();
    program->name = entry.name;
    slots.assign(entry.registers.size(), noSlot);
    layOutVariables();
  }

  std::shared_ptr<const Program> run() {
    for (const Instruction &instruction : function.instructions) {
      current = &instruction;
      Op op;
      if (!decodeControl(op) && !decodeArithmetic(*this, op) && !decodeCollective(*this, op) &&
          !decodeMemory(*this, op) && !decodeSync(*this, op))
        fail("not an instruction that is simulated");
      if (instruction.guard >= 0) {
        op.guard = slotOf(instruction.guard);
        op.guardNegated = instruction.guardNegated;
      }
      program->usesGlobalAtomics |= ordersBlocks(instruction);
      program->ops.push_back(op);
      program->locations.push_back(instruction.location);
      program->lines.push_back(instruction.line);
      program->names.push_back(instruction.name());
    }
    addEnd();
    program->registerBytes = registerBytes;
    return program;
  }

  Slot source(const Operand &operand, Type type) override {
    unsigned bytes = byteSize(type);
    switch (operand.kind) {
    case Operand::Register: {
      const Register &reg = function.registers[operand.index];
      if (operand.negated || reg.type == Type::Pred || byteSize(reg.type) != bytes)
        failOperand(operand, type);
      return slotOf(operand.index);
    }
    case Operand::Special:
      if (operand.name == "WARP_SZ")
        return integer(warpSize, type);
      if (bytes != 4)
        failOperand(operand, type);
      return special(operand.name);
    case Operand::Integer:
      if (isFloat(type))
        failOperand(operand, type);
      return integer(operand.bits, type);
    case Operand::Float:
      return floating(operand, type);
    case Operand::Symbol:
      if (bytes < 4 || isFloat(type))
        failOperand(operand, type);
      return integer(addressOf(operand.index) + operand.offset, type);
    default:
      failOperand(operand, type);
    }
  }

  Slot destination(const Operand &operand, Type type) override {
    if (operand.kind == Operand::Sink)
      return newSlot(byteSize(type) * warpSize);
    if (operand.kind != Operand::Register)
      failOperand(operand, type);
    const Register &reg = function.registers[operand.index];
    bool wantsPredicate = type == Type::Pred;
    if (operand.negated || wantsPredicate != (reg.type == Type::Pred) ||
        (!wantsPredicate && byteSize(reg.type) != byteSize(type)))
      failOperand(operand, type);
    return slotOf(operand.index);
  }

  Slot predicate(const Operand &operand, bool *negated) override {
    if (operand.kind == Operand::Integer) {
      Mask mask = operand.bits ? allLanes : 0;
      return constantBytes(&mask, sizeof mask, 1);
    }
    if (operand.kind != Operand::Register || function.registers[operand.index].type != Type::Pred ||
        (operand.negated && !negated))
      failOperand(operand, Type::Pred);
    if (negated)
      *negated = operand.negated;
    return slotOf(operand.index);
  }

  Slot constant(const void *value, unsigned bytes) override { return constantBytes(value, bytes, warpSize); }

  uint32_t addList(const std::vector<Slot> &list) override {
    auto start = static_cast<uint32_t>(program->lists.size());
    program->lists.insert(program->lists.end(), list.begin(), list.end());
    return start;
  }

  [[noreturn]] void fail(const std::string &message) override {
    throw Error(parsed.name + ":" + std::to_string(current->line) + ": " + current->name() + ": " + message,
                current->line);
  }

  void expectOperands(size_t least, size_t most) override {
    most = std::max(least, most);
    size_t found = current->operands.size();
    if (found >= least && found <= most)
      return;
    fail("expected " + std::to_string(least) + (most > least ? " to " + std::to_string(most) : "") +
         " operands, found " + std::to_string(found));
  }

  const Module &module() const override { return parsed; }
  const Entry &entry() const override { return function; }
  const Instruction &instruction() const override { return *current; }

private:
  // Which variables the entry's instructions name.
  std::vector<bool> usedVariables() const {
    std::vector<bool> used(parsed.variables.size());
    std::vector<const Operand *> left;
    for (const Instruction &instruction : function.instructions)
      for (const Operand &operand : instruction.operands)
        left.push_back(&operand);
    while (!left.empty()) {
      const Operand *operand = left.back();
      left.pop_back();
      if (operand->kind == Operand::Symbol)
        used[operand->index] = true;
      for (const Operand &element : operand->elements)
        left.push_back(&element);
    }
    return used;
  }

  // Offsets of parameters and of the variables of each space that the entry uses, in the order of declaration.
  void layOutVariables() {
    offsets.assign(parsed.variables.size(), 0);
    std::vector<bool> used = usedVariables();
    uint64_t shared = 0, local = 0, constants = 0, param = 0;
    uint64_t sharedAlignment = 1;
    for (size_t i = 0; i < parsed.variables.size(); ++i) {
      if (!used[i])
        continue;
      const Variable &variable = parsed.variables[i];
      auto place = [&](uint64_t &end) {
        offsets[i] = alignTo(end, variable.align);
        end = offsets[i] + variable.bytes;
      };
      switch (variable.space) {
      case Space::Shared:
        sharedAlignment = std::max<uint64_t>(sharedAlignment, variable.align);
        if (variable.bytes)
          place(shared);
        break;
      case Space::Local:
        place(local);
        break;
      case Space::Const:
        place(constants);
        program->constData.resize(constants);
        std::transform(variable.initial.begin(), variable.initial.end(), program->constData.begin() + offsets[i],
                       [](uint8_t byte) { return std::byte(byte); });
        break;
      case Space::Global:
        offsets[i] = moduleVariableAddress(i);
        break;
      default:
        break;
      }
    }
    // Dynamic shared memory: every array without a size begins where the others end.
    bool hasDynamic = false;
    for (size_t i = 0; i < parsed.variables.size(); ++i)
      if (used[i] && parsed.variables[i].space == Space::Shared && !parsed.variables[i].bytes)
        offsets[i] = alignTo(shared, sharedAlignment), hasDynamic = true;
    if (hasDynamic)
      shared = alignTo(shared, sharedAlignment);
    for (int index : function.params) {
      const Variable &variable = parsed.variables[index];
      offsets[index] = alignTo(param, variable.align);
      param = offsets[index] + variable.bytes;
      program->params.push_back({variable.name, static_cast<uint32_t>(offsets[index]),
                                 static_cast<uint32_t>(variable.bytes), variable.align});
    }
    constexpr uint64_t most = uint64_t(1) << 30;
    if (shared > most || local > most || param > most)
      throw Error(parsed.name + ":" + std::to_string(function.line) + ": " + function.name +
                      ": expected at most 1 GiB of variables in a space",
                  function.line);
    program->staticShared = static_cast<uint32_t>(shared);
    program->localBytes = static_cast<uint32_t>(alignTo(local, 16));
    program->paramBytes = static_cast<uint32_t>(param);
    program->hasDynamicShared = hasDynamic;
  }

  uint64_t addressOf(int variable) const { return offsets[variable]; }

  bool decodeControl(Op &op) {
    const std::string &opcode = current->opcode;
    op.kind = Class::Control;
    if (opcode == "bra") {
      for (const std::string &modifier : current->modifiers)
        if (modifier != "uni")
          fail("expected no modifier but uni, found " + modifier);
      expectOperands(1, 1);
      if (current->operands[0].kind != Operand::Label)
        fail("expected a label");
      op.control = Control::Branch;
      op.target = current->operands[0].index;
      return true;
    }
    if (opcode == "ret" || opcode == "exit") {
      expectOperands(0, 0);
      op.control = Control::Exit;
      return true;
    }
    op.kind = Class::Move;
    return false;
  }

  // Lanes that run past the last instruction end; so do branches to a label that stands there.
  void addEnd() {
    Op end;
    end.control = Control::Exit;
    end.kind = Class::Control;
    program->ops.push_back(end);
    program->locations.push_back(function.instructions.empty() ? Location{} : function.instructions.back().location);
    program->lines.push_back(function.instructions.empty() ? function.line : function.instructions.back().line);
    program->names.emplace_back("ret");
  }

  Slot newSlot(unsigned bytes) {
    auto slot = static_cast<Slot>(registerBytes);
    uint64_t end = registerBytes + alignTo(bytes, slotAlignment);
    if (end > (uint64_t(1) << 30))
      fail("expected at most 1 GiB of registers in a warp");
    registerBytes = static_cast<uint32_t>(end);
    return slot;
  }

  Slot slotOf(int reg) {
    if (slots[reg] == noSlot) {
      Type type = function.registers[reg].type;
      slots[reg] = newSlot(type == Type::Pred ? sizeof(Mask) : byteSize(type) * warpSize);
    }
    return slots[reg];
  }

  Slot special(const std::string &name) {
    for (const Program::SpecialRegister &known : program->specials)
      if (known.name == name)
        return known.slot;
    if (std::find(std::begin(startSpecials), std::end(startSpecials), name) == std::end(startSpecials))
      fail("special register " + name + " is not simulated");
    program->specials.push_back({name, newSlot(4 * warpSize)});
    return program->specials.back().slot;
  }

  Slot integer(uint64_t bits, Type type) {
    unsigned bytes = byteSize(type);
    std::array<uint64_t, 2> value{bits, (bits >> 63) ? ~uint64_t(0) : 0};
    return constant(value.data(), bytes);
  }

  Slot floating(const Operand &operand, Type type) {
    double value;
    if (operand.wide) {
      std::memcpy(&value, &operand.bits, sizeof value);
    } else {
      float narrow;
      auto bits = static_cast<uint32_t>(operand.bits);
      // As bits, so that a signalling NaN stays one.
      if (type == Type::F32 || type == Type::B32)
        return constant(&bits, sizeof bits);
      std::memcpy(&narrow, &bits, sizeof narrow);
      value = narrow;
    }
    if (type == Type::F64 || type == Type::B64)
      return constant(operand.wide ? static_cast<const void *>(&operand.bits) : &value, sizeof value);
    if (type != Type::F32 && type != Type::B32)
      failOperand(operand, type);
    auto narrow = static_cast<float>(value);
    return constant(&narrow, sizeof narrow);
  }

  Slot constantBytes(const void *value, unsigned bytes, unsigned copies) {
    std::string row;
    for (unsigned i = 0; i < copies; ++i)
      row.append(static_cast<const char *>(value), bytes);
    auto [found, isNew] = constants.try_emplace(row, 0);
    if (isNew) {
      std::vector<std::byte> &bank = program->constants;
      found->second = ~static_cast<Slot>(bank.size());
      size_t start = bank.size();
      bank.resize(start + alignTo(row.size(), slotAlignment));
      std::memcpy(bank.data() + start, row.data(), row.size());
    }
    return found->second;
  }

  [[noreturn]] void failOperand(const Operand &operand, Type type) {
    static const char *const kinds[] = {"a register", "a special register",
                                        "an integer", "a floating-point constant",
                                        "a variable", "a label",
                                        "an address", "a vector",
                                        "a pair p|q", "a list",
                                        "_"};
    std::string found = kinds[operand.kind];
    if (operand.kind == Operand::Register) {
      const Register &reg = function.registers[operand.index];
      found = (operand.negated ? "!" : "") + reg.name;
      found += reg.type == Type::Pred ? ", a predicate" : ", of " + std::to_string(byteSize(reg.type) * 8) + " bits";
    }
    fail("expected " +
         (type == Type::Pred ? "a predicate" : "an operand of " + std::to_string(byteSize(type) * 8) + " bits") +
         ", found " + found);
  }

  const Module &parsed;
  const Entry &function;
  const Instruction *current = nullptr;
  std::shared_ptr<Program> program;
  std::vector<Slot> slots;       // by register
  std::vector<uint64_t> offsets; // by variable
  std::map<std::string, Slot> constants;
  uint32_t registerBytes = 0;
};

} // namespace

std::shared_ptr<const Program> decode(const Module &module, const Entry &entry) {
  return EntryDecoder(module, entry).run();
}

} // namespace treadle::sim
