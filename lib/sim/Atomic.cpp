// atom and red: each lane in turn reads, combines and writes.
#include "MemoryOps.h"
#include "arith/ArithFloat.h"

#include <algorithm>

namespace treadle::sim {

using ptx::Space;
using ptx::Type;

namespace {

// What is in memory, and the two operands, in the low bits; what memory has afterwards.
using Combine = uint64_t (*)(uint64_t old, uint64_t b, uint64_t c);

template <typename T> T as(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
template <typename T> uint64_t bitsOf(T value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

template <typename T> uint64_t add(uint64_t old, uint64_t b, uint64_t) {
  return bitsOf(static_cast<T>(as<T>(old) + as<T>(b)));
}
template <typename T, bool ftz = false> uint64_t addFloats(uint64_t old, uint64_t b, uint64_t) {
  return bitsOf(arith::nearest<arith::Add, ftz, false>(as<T>(b), as<T>(old))); // of two NaNs the old one
}
uint64_t addUnquieted(uint64_t old, uint64_t b, uint64_t) {
  if (arith::isNan(as<double>(b)))
    return b;
  return arith::isNan(as<double>(old)) ? old : addFloats<double>(old, b, 0);
}
// Half or BFloat. A float is wide enough for the second rounding to change nothing.
template <typename T> uint64_t addHalves(uint64_t old, uint64_t b, uint64_t) {
  return bitsOf(arith::fromFloat<T>(arith::toFloat(as<T>(old)) + arith::toFloat(as<T>(b))));
}
template <typename T> uint64_t addPairs(uint64_t old, uint64_t b, uint64_t) {
  return addHalves<T>(old, b, 0) | addHalves<T>(old >> 16, b >> 16, 0) << 16;
}
template <typename T> uint64_t least(uint64_t old, uint64_t b, uint64_t) {
  return bitsOf(std::min(as<T>(old), as<T>(b)));
}
template <typename T> uint64_t greatest(uint64_t old, uint64_t b, uint64_t) {
  return bitsOf(std::max(as<T>(old), as<T>(b)));
}
uint64_t both(uint64_t old, uint64_t b, uint64_t) { return old & b; }
uint64_t either(uint64_t old, uint64_t b, uint64_t) { return old | b; }
uint64_t differ(uint64_t old, uint64_t b, uint64_t) { return old ^ b; }
uint64_t exchange(uint64_t, uint64_t b, uint64_t) { return b; }
uint64_t compareAndSwap(uint64_t old, uint64_t b, uint64_t c) { return old == b ? c : old; }
uint64_t increment(uint64_t old, uint64_t b, uint64_t) { return old >= b ? 0 : old + 1; }
uint64_t decrement(uint64_t old, uint64_t b, uint64_t) { return old == 0 || old > b ? b : old - 1; }

struct Known {
  const char *operation;
  std::vector<Type> types;
  Combine combine;
  Combine inGlobal = nullptr; // where it differs in global memory
};

const std::vector<Known> &operations() {
  static const std::vector<Known> all{
      {"add", {Type::U32, Type::S32}, add<uint32_t>},
      {"add", {Type::U64}, add<uint64_t>},
      // In global memory subnormal operands and results become zeros of their sign; in shared memory they do not, and a
      // generic address is in one of the two.
      {"add", {Type::F32}, addFloats<float>, addFloats<float, true>},
      // The manual leaves open which NaN comes out. On the hardware: in global memory the operand, else what was there,
      // as it is; in shared memory the other way round, and quiet.
      {"add", {Type::F64}, addFloats<double>, addUnquieted},
      {"add", {Type::F16}, addHalves<arith::Half>},
      {"add", {Type::BF16}, addHalves<arith::BFloat>},
      {"add", {Type::F16x2}, addPairs<arith::Half>},
      {"add", {Type::BF16x2}, addPairs<arith::BFloat>},
      {"min", {Type::U32}, least<uint32_t>},
      {"min", {Type::S32}, least<int32_t>},
      {"min", {Type::U64}, least<uint64_t>},
      {"min", {Type::S64}, least<int64_t>},
      {"max", {Type::U32}, greatest<uint32_t>},
      {"max", {Type::S32}, greatest<int32_t>},
      {"max", {Type::U64}, greatest<uint64_t>},
      {"max", {Type::S64}, greatest<int64_t>},
      {"and", {Type::B32, Type::B64}, both},
      {"or", {Type::B32, Type::B64}, either},
      {"xor", {Type::B32, Type::B64}, differ},
      {"exch", {Type::B32, Type::B64}, exchange},
      {"cas", {Type::B16, Type::B32, Type::B64}, compareAndSwap},
      {"inc", {Type::U32}, increment},
      {"dec", {Type::U32}, decrement},
  };
  return all;
}

// The lanes whose address is in global memory.
Mask inGlobal(const Access &access, Mask active) {
  if (access.space != Space::Generic)
    return access.space == Space::Global ? active : 0;
  Mask lanes = 0;
  forEachLane(active, [&](int lane) { lanes |= access.address[lane] >> spaceShift == 0 ? Mask(1) << lane : 0; });
  return lanes;
}

// list: b, c (or none), and the operation's place in operations(); d: none for red.
template <typename T> void update(Warp &warp, const Op &op, Mask active) {
  const Slot *list = warp.lists + op.list;
  const Known &known = operations()[list[2]];
  const T *b = warp.source<T>(list[0]), *c = warp.source<T>(list[1]);
  Access access;
  access.kind = AccessKind::Atomic;
  access.space = spaceOf(op);
  access.bytes = sizeof(T);
  access.address = addresses(warp, op);
  Mask differing = known.inGlobal ? inGlobal(access, active) : 0; // of a generic address only its offset is left below
  Mask good = checkAccess(warp, op, active, access);
  std::array<T, warpSize> before{};
  forEachLane(good, [&](int lane) {
    std::memcpy(&before[lane], access.host[lane], sizeof(T));
    Combine combine = differing >> lane & 1 ? known.inGlobal : known.combine;
    auto after = static_cast<T>(combine(before[lane], b[lane], c[lane]));
    std::memcpy(access.host[lane], &after, sizeof(T));
  });
  if (op.d != noSlot)
    forEachLane(active, [&](int lane) { warp.lanes<T>(op.d)[lane] = before[lane]; });
  orderStrong(warp, op, good, access, true, true);
}

} // namespace

bool decodeAtomic(Decoder &decoder, Op &op) {
  const ptx::Instruction &instruction = decoder.instruction();
  bool returns = instruction.opcode == "atom";
  if (!returns && instruction.opcode != "red")
    return false;
  MemoryModifiers modifiers = readModifiers(decoder);
  if (modifiers.vector != 1)
    decoder.fail("vectors are not simulated");
  if (modifiers.space != Space::Global && modifiers.space != Space::Shared && modifiers.space != Space::Generic)
    decoder.fail("expected an address in global or shared memory");
  std::string operation;
  for (const std::string &modifier : modifiers.rest) {
    bool isKnown = std::any_of(operations().begin(), operations().end(),
                               [&](const Known &known) { return modifier == known.operation; });
    if (isKnown && operation.empty())
      operation = modifier;
    else if (modifier != "noftz")
      decoder.fail("modifier " + modifier + " is not simulated");
  }
  auto fits = [&](const Known &known) {
    return operation == known.operation &&
           std::find(known.types.begin(), known.types.end(), modifiers.type) != known.types.end();
  };
  auto found = std::find_if(operations().begin(), operations().end(), fits);
  if (found == operations().end())
    decoder.fail("expected an operation on a type that it has");
  bool hasC = operation == "cas";
  size_t first = returns ? 1 : 0;
  decoder.expectOperands(first + 2 + (hasC ? 1 : 0), first + 3 + (hasC ? 1 : 0)); // a cache policy may follow

  static constexpr Type types[] = {Type::B8, Type::B16, Type::B32, Type::B64};
  unsigned bytes = ptx::byteSize(modifiers.type);
  bool isFloat = modifiers.type == Type::F32 || modifiers.type == Type::F64;
  Type type = isFloat ? modifiers.type : types[__builtin_ctz(bytes)];
  if (returns)
    op.d = decoder.destination(instruction.operands[0], type);
  if (modifiers.semantics == Semantics::Weak)
    modifiers.semantics = Semantics::Relaxed;
  setAddress(decoder, op, instruction.operands[first], modifiers);
  Slot b = decoder.source(instruction.operands[first + 1], type);
  Slot c = hasC ? decoder.source(instruction.operands[first + 2], type) : b;
  op.list = decoder.addList({b, c, static_cast<Slot>(found - operations().begin())});
  op.kind = Class::Atomic;
  op.run = bytes == 2 ? update<uint16_t> : bytes == 4 ? update<uint32_t> : update<uint64_t>;
  return true;
}

} // namespace treadle::sim
