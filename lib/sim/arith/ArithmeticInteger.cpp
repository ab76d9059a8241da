// Integers: add, sub, mul, mad, sad, div, rem, abs, neg, min, max and dot products.
#include "Arith.h"
#include "Arithmetic.h"

namespace treadle::sim::arith {

namespace {

// For every type.
template <class T> void addAll(Opcodes &o, const std::string &type) {
  const auto add = [&](const char *opcode, const std::string &modifiers, const Form &form) {
    o[opcode].add(modifiers + type, form, Class::Integer);
  };
  add("add", "", form<arith::add<T>>());
  add("sub", "", form<subtract<T>>());
  add("mul", "lo.", form<multiplyLow<T>>());
  add("mul", "hi.", form<multiplyHigh<T>>());
  add("mad", "lo.", form<multiplyAddLow<T>>());
  add("mad", "hi.", form<multiplyAddHigh<T>>());
  if constexpr (sizeof(T) < 8) {
    add("mul", "wide.", form<multiplyWide<T>>());
    add("mad", "wide.", form<multiplyAddWide<T>>());
  }
  add("sad", "", form<sumOfAbsoluteDifference<T>>());
  add("div", "", form<divide<T>>());
  add("rem", "", form<remainder<T>>());
  add("min", "", form<minimum<T>>());
  add("max", "", form<maximum<T>>());
  if constexpr (std::is_signed_v<T>) {
    add("abs", "", form<absolute<T>>());
    add("neg", "", form<negate<T>>());
  }
  if constexpr (sizeof(T) == 4) {
    add("mul24", "lo.", form<multiply24Low<T>>());
    add("mul24", "hi.", form<multiply24High<T>>());
    add("mad24", "lo.", form<multiplyAdd24Low<T>>());
    add("mad24", "hi.", form<multiplyAdd24High<T>>());
  }
  if constexpr (sizeof(T) == 2) {
    const std::string pair = type + "x2";
    o["add"].add(pair, pairForm<arith::add<T>>(), Class::Integer);
    o["min"].add(pair, pairForm<minimum<T>>(), Class::Integer);
    o["max"].add(pair, pairForm<maximum<T>>(), Class::Integer);
  }
}

template <class A, class B> void addDots(Opcodes &o, const std::string &types) {
  using C = std::conditional_t<std::is_signed_v<A> || std::is_signed_v<B>, int32_t, uint32_t>;
  using A2 = std::conditional_t<std::is_signed_v<A>, int16_t, uint16_t>;
  o["dp4a"].add(types, form<dot4<A, B, C>>(), Class::Integer);
  o["dp2a"].add("lo." + types, form<dot2<A2, B, C, false>>(), Class::Integer);
  o["dp2a"].add("hi." + types, form<dot2<A2, B, C, true>>(), Class::Integer);
}

} // namespace

void addIntegers(Opcodes &o) {
  addAll<uint16_t>(o, "u16");
  addAll<uint32_t>(o, "u32");
  addAll<uint64_t>(o, "u64");
  addAll<int16_t>(o, "s16");
  addAll<int32_t>(o, "s32");
  addAll<int64_t>(o, "s64");
  o["add"].add("sat.s32", form<addSaturating>(), Class::Integer);
  o["sub"].add("sat.s32", form<subtractSaturating>(), Class::Integer);
  o["mad"].add("hi.sat.s32", form<multiplyAddHighSaturating>(), Class::Integer);
  o["mad24"].add("hi.sat.s32", form<multiplyAdd24HighSaturating>(), Class::Integer);
  o["min"].add("relu.s32", form<minimumRelu<int32_t>>(), Class::Integer);
  o["max"].add("relu.s32", form<maximumRelu<int32_t>>(), Class::Integer);
  o["min"].add("relu.s16x2", pairForm<minimumRelu<int16_t>>(), Class::Integer);
  o["max"].add("relu.s16x2", pairForm<maximumRelu<int16_t>>(), Class::Integer);
  addDots<uint8_t, uint8_t>(o, "u32.u32");
  addDots<uint8_t, int8_t>(o, "u32.s32");
  addDots<int8_t, uint8_t>(o, "s32.u32");
  addDots<int8_t, int8_t>(o, "s32.s32");
}

} // namespace treadle::sim::arith
