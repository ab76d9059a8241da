// One instruction built by hand, decoded by decodeArithmetic and run on registers of a test.
#pragma once

#include "Program.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace treadle::sim::test {

template <class T> using Lanes = std::array<T, warpSize>;

// Registers, operands and a decoder for one instruction: OneInstruction("add.f32"), reg() or a literal for each
// operand, then run().
class OneInstruction final : public Decoder {
public:
  explicit OneInstruction(const std::string &name) {
    size_t from = 0;
    for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', from)) {
      addPart(name.substr(from, dot - from));
      from = dot + 1;
    }
    addPart(name.substr(from));
  }

  static ptx::Operand empty(ptx::Operand::Kind kind) {
    ptx::Operand operand = {};
    operand.kind = kind;
    return operand;
  }
  // A new register; gives its operand.
  ptx::Operand reg(ptx::Type type) {
    ptx::Operand operand = empty(ptx::Operand::Register);
    operand.index = int(ent.registers.size());
    ent.registers.push_back({"%r" + std::to_string(operand.index), type});
    return operand;
  }
  template <class T> ptx::Operand reg(ptx::Type type, const Lanes<T> &values) {
    const ptx::Operand operand = reg(type);
    set(operand, values);
    return operand;
  }
  ptx::Operand pred(Mask value) {
    const ptx::Operand operand = reg(ptx::Type::Pred);
    set(operand, value);
    return operand;
  }
  template <class T> void set(const ptx::Operand &operand, const T &values) {
    std::memcpy(bytes.data() + slotOf(operand), &values, sizeof(values));
  }
  static ptx::Operand integer(uint64_t value) {
    ptx::Operand operand = empty(ptx::Operand::Integer);
    operand.bits = value;
    return operand;
  }
  static ptx::Operand single(uint32_t bits) {
    ptx::Operand operand = empty(ptx::Operand::Float);
    operand.bits = bits;
    return operand;
  }
  static ptx::Operand group(ptx::Operand::Kind kind, std::vector<ptx::Operand> elements) {
    ptx::Operand operand = empty(kind);
    operand.elements = std::move(elements);
    return operand;
  }
  static ptx::Operand negate(ptx::Operand operand) {
    operand.negated = true;
    return operand;
  }

  OneInstruction &with(std::vector<ptx::Operand> operands) {
    text.operands = std::move(operands);
    return *this;
  }
  // Whether it is arithmetic; errors are thrown.
  bool decode() { return decodeArithmetic(*this, op); }
  void execute(Mask active = allLanes) {
    Warp warp;
    warp.registers = bytes.data();
    warp.constants = constants.data();
    warp.lists = lists.data();
    op.run(warp, op, active);
  }
  void run(Mask active = allLanes) {
    if (!decode())
      fail("expected an arithmetic instruction, found another");
    execute(active);
  }
  // What decode() throws.
  std::string error() {
    try {
      return decode() ? "" : "not arithmetic";
    } catch (const Error &thrown) {
      return thrown.what();
    }
  }

  template <class T> Lanes<T> values(const ptx::Operand &operand) const {
    Lanes<T> result;
    std::memcpy(result.data(), bytes.data() + slotOf(operand), sizeof(result));
    return result;
  }
  Mask mask(const ptx::Operand &operand) const {
    Mask result = 0;
    std::memcpy(&result, bytes.data() + slotOf(operand), sizeof(result));
    return result;
  }

  Slot source(const ptx::Operand &operand, ptx::Type type) override {
    if (operand.kind == ptx::Operand::Integer)
      return constant(&operand.bits, sizeOf(type));
    if (operand.kind == ptx::Operand::Float) {
      if (type != ptx::Type::F32 && type != ptx::Type::B32 && type != ptx::Type::F64)
        fail("expected an operand of another type, found a floating-point literal");
      return constant(&operand.bits, sizeOf(type));
    }
    return checkedSlot(operand, type);
  }
  Slot destination(const ptx::Operand &operand, ptx::Type type) override {
    return operand.kind == ptx::Operand::Sink ? slotOf(reg(type)) : checkedSlot(operand, type);
  }
  Slot predicate(const ptx::Operand &operand, bool *negated) override {
    if (operand.kind == ptx::Operand::Integer) {
      const Mask value = operand.bits ? allLanes : 0;
      return constant(&value, 4);
    }
    if (operand.negated && !negated)
      fail("expected a predicate that is not negated, found one that is");
    if (negated)
      *negated = operand.negated;
    return checkedSlot(operand, ptx::Type::Pred);
  }
  Slot constant(const void *value, unsigned size) override {
    const size_t at = constants.size();
    constants.resize(at + rowBytes);
    for (size_t i = 0; i < warpSize; ++i)
      std::memcpy(constants.data() + at + i * size, value, size);
    return ~Slot(at);
  }
  uint32_t addList(const std::vector<Slot> &slots) override {
    const auto at = uint32_t(lists.size());
    lists.insert(lists.end(), slots.begin(), slots.end());
    return at;
  }
  [[noreturn]] void fail(const std::string &message) override {
    std::string name = text.opcode;
    for (const std::string &modifier : text.modifiers)
      name += "." + modifier;
    throw Error(name + ": " + message);
  }
  void expectOperands(size_t least, size_t most) override {
    if (text.operands.size() < least || text.operands.size() > std::max(least, most))
      fail("expected " + std::to_string(least) + " operands, found " + std::to_string(text.operands.size()));
  }
  const ptx::Module &module() const override { return mod; }
  const ptx::Entry &entry() const override { return ent; }
  const ptx::Instruction &instruction() const override { return text; }

  static unsigned sizeOf(ptx::Type type) {
    using ptx::Type;
    switch (type) {
    case Type::B8:
    case Type::U8:
    case Type::S8:
      return 1;
    case Type::B16:
    case Type::U16:
    case Type::S16:
    case Type::F16:
    case Type::BF16:
      return 2;
    case Type::B64:
    case Type::U64:
    case Type::S64:
    case Type::F64:
      return 8;
    case Type::B128:
      return 16;
    default:
      return 4;
    }
  }

  Op op;
  ptx::Instruction text;

private:
  static constexpr size_t rowBytes = 16 * warpSize;
  static constexpr size_t maxRegisters = 16;

  void addPart(const std::string &part) {
    if (text.opcode.empty())
      text.opcode = part;
    else
      text.modifiers.push_back(part);
  }
  static Slot slotOf(const ptx::Operand &operand) { return Slot(size_t(operand.index) * rowBytes); }
  Slot checkedSlot(const ptx::Operand &operand, ptx::Type type) {
    if (operand.kind != ptx::Operand::Register)
      fail("expected a register, found another operand");
    const ptx::Type found = ent.registers[size_t(operand.index)].type;
    if (sizeOf(found) != sizeOf(type) || (found == ptx::Type::Pred) != (type == ptx::Type::Pred))
      fail("expected a register of " + std::to_string(sizeOf(type)) + " bytes, found one of " +
           std::to_string(sizeOf(found)));
    return slotOf(operand);
  }

  ptx::Module mod;
  ptx::Entry ent;
  std::vector<std::byte> constants;
  std::vector<Slot> lists;
  std::array<std::byte, maxRegisters * rowBytes> bytes{};
};

// An instruction as a function of one lane's values. Operands: a destination and a source for each parameter.
template <class D, class... A> class Function {
public:
  explicit Function(const std::string &name) : instruction(name) {
    d = instruction.reg(bitsOf<D>());
    sources = {instruction.reg(bitsOf<A>())...};
    std::vector<ptx::Operand> operands = {d};
    operands.insert(operands.end(), sources.begin(), sources.end());
    instruction.with(operands);
    if (!instruction.decode())
      instruction.fail("expected an arithmetic instruction, found another");
  }
  D operator()(A... values) {
    size_t n = 0;
    ((instruction.set(sources[n++], filled(values))), ...);
    instruction.execute();
    return instruction.values<D>(d).back();
  }

private:
  template <class T> static Lanes<T> filled(T value) {
    Lanes<T> lanes;
    lanes.fill(value);
    return lanes;
  }
  template <class T> static constexpr ptx::Type bitsOf() {
    return sizeof(T) == 1   ? ptx::Type::B8
           : sizeof(T) == 2 ? ptx::Type::B16
           : sizeof(T) == 4 ? ptx::Type::B32
           : sizeof(T) == 8 ? ptx::Type::B64
                            : ptx::Type::B128;
  }
  OneInstruction instruction;
  ptx::Operand d{};
  std::vector<ptx::Operand> sources;
};

template <class To, class From> To bitCast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}
inline uint32_t bitsOf(float value) { return bitCast<uint32_t>(value); }
inline uint64_t bitsOf(double value) { return bitCast<uint64_t>(value); }
inline float single(uint32_t bits) { return bitCast<float>(bits); }
inline double wide(uint64_t bits) { return bitCast<double>(bits); }

} // namespace treadle::sim::test
