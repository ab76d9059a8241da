// Decodes the instructions that work lane by lane: finds the variant that opcode and modifiers name.
#include "Arithmetic.h"

#include <algorithm>
#include <set>

namespace treadle::sim::arith {

namespace {

template <class Range> std::string join(const Range &names, const char *separator) {
  std::string text;
  for (const std::string &name : names)
    text += (text.empty() ? "" : separator) + name;
  return text;
}

std::string lastOf(const std::string &modifiers) { return modifiers.substr(modifiers.rfind('.') + 1); }

[[noreturn]] void failUnknown(Decoder &decoder, const Variants &variants, const std::string &found) {
  // Either the type is wrong, or what is before it.
  std::set<std::string> types;
  std::vector<std::string> ofType;
  for (const auto &[modifiers, variant] : variants) {
    types.insert(lastOf(modifiers));
    if (lastOf(modifiers) == lastOf(found))
      ofType.push_back(modifiers);
  }
  if (ofType.empty())
    decoder.fail("expected one of " + join(types, ", ") + ", found " + lastOf(found));
  decoder.fail("expected one of " + join(ofType, ", ") + ", found " + found);
}

// The part of an instruction that asks for the carry flag; empty if none does.
std::string carryIn(const ptx::Instruction &instruction) {
  const std::string &opcode = instruction.opcode;
  if (opcode == "addc" || opcode == "subc" || opcode == "madc")
    return opcode;
  return (opcode == "add" || opcode == "sub" || opcode == "mad") && instruction.has("cc") ? "cc" : "";
}

} // namespace

bool Modifiers::take(std::string_view name) {
  const auto found = std::find(left.begin(), left.end(), name);
  if (found == left.end())
    return false;
  left.erase(found);
  return true;
}

std::string Modifiers::takeOneOf(const std::vector<std::string> &names) {
  for (const std::string &name : left)
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      std::string taken = name;
      take(taken);
      return taken;
    }
  return "";
}

std::string Modifiers::expect(const std::vector<std::string> &names) {
  if (left.empty() || std::find(names.begin(), names.end(), left.front()) == names.end())
    decoder.fail("expected " + std::string(names.size() > 1 ? "one of " : "") + join(names, ", ") + ", found " +
                 (left.empty() ? "no modifier" : left.front()));
  std::string taken = left.front();
  left.erase(left.begin());
  return taken;
}

void Modifiers::expectNone() {
  if (!left.empty())
    decoder.fail("expected no further modifier, found " + join(left, "."));
}

std::string modifiersOf(const ptx::Instruction &instruction) { return join(instruction.modifiers, "."); }

const Opcodes &arithmeticOpcodes() {
  static const Opcodes opcodes = [] {
    Opcodes all;
    addIntegers(all);
    addBits(all);
    addLogic(all);
    addSelections(all);
    addFloats(all);
    addHalves(all);
    addSpecial(all);
    addPackedConversions(all);
    return all;
  }();
  return opcodes;
}

void useVariant(Decoder &decoder, Op &op, const Variant &variant) {
  const Form &form = variant.form;
  decoder.expectOperands(1 + form.sources);
  const std::vector<ptx::Operand> &operands = decoder.instruction().operands;
  op.run = form.run;
  op.kind = variant.kind;
  op.flags = variant.flags;
  op.d = decoder.destination(operands[0], form.d);
  Slot *const slots[] = {&op.a, &op.b, &op.c};
  for (unsigned i = 0; i < form.sources; ++i) {
    Slot slot = noSlot;
    if (form.source[i] == ptx::Type::Pred) {
      bool negated = false;
      slot = decoder.predicate(operands[1 + i], &negated);
      op.flags |= uint16_t(negated ? 1U << i : 0);
    } else {
      slot = decoder.source(operands[1 + i], form.source[i]);
    }
    if (i < 3)
      *slots[i] = slot;
    else
      op.list = decoder.addList({slot});
  }
}

} // namespace treadle::sim::arith

bool treadle::sim::decodeArithmetic(Decoder &decoder, Op &op) {
  using namespace arith;
  const ptx::Instruction &instruction = decoder.instruction();
  if (const std::string found = carryIn(instruction); !found.empty())
    decoder.fail("expected no carry flag, which is not simulated, found " + found);
  if (decodeMove(decoder, op) || decodeLookup(decoder, op) || decodeCompare(decoder, op) || decodeConvert(decoder, op))
    return true;
  const auto variants = arithmeticOpcodes().find(instruction.opcode);
  if (variants == arithmeticOpcodes().end())
    return false;
  const std::string modifiers = modifiersOf(instruction);
  const auto variant = variants->second.find(modifiers);
  if (variant == variants->second.end())
    failUnknown(decoder, variants->second, modifiers);
  useVariant(decoder, op, variant->second);
  return true;
}
