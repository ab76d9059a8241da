// The table of the arithmetic instructions whose modifiers name one handler, and what decodes the others.
#pragma once

#include "Lanes.h"

#include <map>
#include <string>

namespace treadle::sim::arith {

// One instruction: what "add.sat.s32" does.
struct Variant {
  Form form;
  Class kind;
  uint16_t flags;
};

// By the modifiers as they are written: "sat.s32".
struct Variants : std::map<std::string, Variant> {
  void add(const std::string &modifiers, const Form &form, Class kind, uint16_t flags = 0) {
    emplace(modifiers, Variant{form, kind, flags});
  }
};

using Opcodes = std::map<std::string, Variants>;
void addIntegers(Opcodes &opcodes);
void addBits(Opcodes &opcodes);
void addLogic(Opcodes &opcodes);
void addSelections(Opcodes &opcodes);
void addFloats(Opcodes &opcodes);
void addHalves(Opcodes &opcodes);
void addSpecial(Opcodes &opcodes);
void addPackedConversions(Opcodes &opcodes);

// All that the families above know.
const Opcodes &arithmeticOpcodes();
// Fills op from a variant: destination and sources in the order of the operands. Bit n of its flags: source n is a
// negated predicate.
void useVariant(Decoder &decoder, Op &op, const Variant &variant);
// The modifiers of the instruction being decoded, as written.
std::string modifiersOf(const ptx::Instruction &instruction);

// Families of instructions with more to decide; false for other opcodes.
bool decodeMove(Decoder &decoder, Op &op);
bool decodeLookup(Decoder &decoder, Op &op);
bool decodeCompare(Decoder &decoder, Op &op);
bool decodeConvert(Decoder &decoder, Op &op);

// The modifiers of an instruction, taken one after another; what is left over at the end is an error.
class Modifiers {
public:
  explicit Modifiers(Decoder &decoder) : decoder(decoder), left(decoder.instruction().modifiers) {}

  // Whether this is among those that are left, which it then no longer is.
  bool take(std::string_view name);
  // The first of these that is left; empty if there is none.
  std::string takeOneOf(const std::vector<std::string> &names);
  // The next modifier has to be one of these.
  std::string expect(const std::vector<std::string> &names);
  void expectNone();

private:
  Decoder &decoder;
  std::vector<std::string> left;
};

} // namespace treadle::sim::arith
