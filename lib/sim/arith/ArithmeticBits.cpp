// Bits of integers: shifts, counts, fields and permutations. (Logic is in ArithmeticLogic.cpp.)
#include "Arith.h"
#include "Arithmetic.h"

namespace treadle::sim::arith {

namespace {

template <class T> void addUnsignedWidth(Opcodes &o, const std::string &width) {
  const auto add = [&](const char *opcode, const std::string &modifiers, const Form &form) {
    o[opcode].add(modifiers, form, Class::Integer);
  };
  using Signed = std::make_signed_t<T>;
  const std::string b = "b" + width;
  const std::string u = "u" + width;
  const std::string s = "s" + width;
  add("cnot", b, form<logicalNot<T>>());
  add("shl", b, form<shiftLeft<T>>());
  add("shr", b, form<shiftRight<T>>());
  add("shr", u, form<shiftRight<T>>());
  add("shr", s, form<shiftRight<Signed>>());
  if constexpr (sizeof(T) > 2) {
    add("popc", b, form<populationCount<T>>());
    add("clz", b, form<leadingZeros<T>>());
    add("brev", b, form<reverseBits<T>>());
    add("bfind", u, form<findHighest<T>>());
    add("bfind", s, form<findHighest<Signed>>());
    add("bfind", "shiftamt." + u, form<findShift<T>>());
    add("bfind", "shiftamt." + s, form<findShift<Signed>>());
    add("bfe", u, form<extractField<T>>());
    add("bfe", s, form<extractField<Signed>>());
    add("bfi", b, form<insertField<T>>());
  }
}

} // namespace

void addBits(Opcodes &o) {
  addUnsignedWidth<uint16_t>(o, "16");
  addUnsignedWidth<uint32_t>(o, "32");
  addUnsignedWidth<uint64_t>(o, "64");
  const auto add = [&](const char *opcode, const std::string &modifiers, const Form &form) {
    o[opcode].add(modifiers, form, Class::Integer);
  };
  add("shf", "l.clamp.b32", form<funnelLeft<true>>());
  add("shf", "l.wrap.b32", form<funnelLeft<false>>());
  add("shf", "r.clamp.b32", form<funnelRight<true>>());
  add("shf", "r.wrap.b32", form<funnelRight<false>>());
  add("fns", "b32", form<findNthSet>());
  add("szext", "clamp.u32", form<extend<uint32_t, true>>());
  add("szext", "wrap.u32", form<extend<uint32_t, false>>());
  add("szext", "clamp.s32", form<extend<int32_t, true>>());
  add("szext", "wrap.s32", form<extend<int32_t, false>>());
  add("bmsk", "clamp.b32", form<bitMask<true>>());
  add("bmsk", "wrap.b32", form<bitMask<false>>());
  add("prmt", "b32", form<permuteBytes<Permute::Any>>());
  add("prmt", "b32.f4e", form<permuteBytes<Permute::Forward4>>());
  add("prmt", "b32.b4e", form<permuteBytes<Permute::Backward4>>());
  add("prmt", "b32.rc8", form<permuteBytes<Permute::Replicate8>>());
  add("prmt", "b32.ecl", form<permuteBytes<Permute::ClampLeft>>());
  add("prmt", "b32.ecr", form<permuteBytes<Permute::ClampRight>>());
  add("prmt", "b32.rc16", form<permuteBytes<Permute::Replicate16>>());
}

} // namespace treadle::sim::arith
