// Moves: mov, with vectors taken apart and put together, and cvta.
#include "Arith.h"
#include "Arithmetic.h"

#include <algorithm>

namespace treadle::sim::arith {

namespace {

using ptx::Type;

template <class T> T copy(T a) { return a; }
template <class T> Handler copyHandler() { return form<copy<T>>().run; }

struct MoveType {
  const char *name;
  Type type;
  Handler copy;
};

const std::vector<MoveType> &moveTypes() {
  static const std::vector<MoveType> types = {
      {"b16", Type::B16, copyHandler<uint16_t>()}, {"u16", Type::U16, copyHandler<uint16_t>()},
      {"s16", Type::S16, copyHandler<uint16_t>()}, {"b32", Type::B32, copyHandler<uint32_t>()},
      {"u32", Type::U32, copyHandler<uint32_t>()}, {"s32", Type::S32, copyHandler<uint32_t>()},
      {"f32", Type::F32, copyHandler<uint32_t>()}, {"b64", Type::B64, copyHandler<uint64_t>()},
      {"u64", Type::U64, copyHandler<uint64_t>()}, {"s64", Type::S64, copyHandler<uint64_t>()},
      {"f64", Type::F64, copyHandler<uint64_t>()}, {"b128", Type::B128, copyHandler<Bits128>()},
  };
  return types;
}

unsigned bytesOf(Type type) {
  switch (type) {
  case Type::B16:
    return 2;
  case Type::B32:
    return 4;
  case Type::B64:
    return 8;
  default:
    return 16;
  }
}
Type bitsOfSize(unsigned bytes) {
  return bytes == 1 ? Type::B8 : bytes == 2 ? Type::B16 : bytes == 4 ? Type::B32 : Type::B64;
}

// So many elements of so many bytes, at the slots of the list, from or into one value. All is read before anything is
// written.
template <class T, unsigned count> void unpack(Warp &w, const Op &op, Mask active) {
  alignas(64) T whole[warpSize * count];
  std::memcpy(whole, w.source<T>(op.a), sizeof(T) * count * warpSize);
  for (unsigned n = 0; n < count; ++n) {
    alignas(64) T values[warpSize];
    TREADLE_FOR_LANES values[i] = whole[unsigned(i) * count + n];
    blend(w.lanes<T>(w.lists[op.list + n]), values, active);
  }
}
template <class T, unsigned count> void pack(Warp &w, const Op &op, Mask active) {
  alignas(64) T whole[warpSize * count];
  std::memcpy(whole, w.lanes<T>(op.d), sizeof(T) * count * warpSize);
  for (unsigned n = 0; n < count; ++n) {
    const T *values = w.source<T>(w.lists[op.list + n]);
    TREADLE_FOR_LANES {
      T &element = whole[unsigned(i) * count + n];
      element = choose(active, i, values[i], element);
    }
  }
  std::memcpy(w.lanes<T>(op.d), whole, sizeof(T) * count * warpSize);
}

template <class T> Handler vectorHandler(bool packs, size_t count) {
  if (count == 2)
    return packs ? pack<T, 2> : unpack<T, 2>;
  return packs ? pack<T, 4> : unpack<T, 4>;
}
Handler vectorHandler(bool packs, unsigned bytes, size_t count) {
  switch (bytes) {
  case 1:
    return vectorHandler<uint8_t>(packs, count);
  case 2:
    return vectorHandler<uint16_t>(packs, count);
  case 4:
    return vectorHandler<uint32_t>(packs, count);
  default:
    return vectorHandler<uint64_t>(packs, count);
  }
}

void decodeVectorMove(Decoder &decoder, Op &op, Type type) {
  const std::vector<ptx::Operand> &operands = decoder.instruction().operands;
  const bool packs = operands[1].kind == ptx::Operand::Vector;
  const ptx::Operand &vector = operands[packs ? 1 : 0];
  const ptx::Operand &whole = operands[packs ? 0 : 1];
  if (whole.kind == ptx::Operand::Vector)
    decoder.fail("expected one vector operand, found two");
  const std::string &name = decoder.instruction().modifiers.front();
  if (name[0] != 'b')
    decoder.fail("expected one of b16, b32, b64, b128 with a vector operand, found " + name);
  const size_t count = vector.elements.size();
  const unsigned total = bytesOf(type);
  const bool fits = count == 2 || (count == 4 && (total == 4 || total == 8));
  if (!fits)
    decoder.fail("expected a vector of " + std::string(total == 4 || total == 8 ? "2 or 4" : "2") +
                 " elements, found " + std::to_string(count));
  const unsigned bytes = total / unsigned(count);
  std::vector<Slot> slots;
  for (const ptx::Operand &element : vector.elements)
    slots.push_back(packs ? decoder.source(element, bitsOfSize(bytes))
                          : decoder.destination(element, bitsOfSize(bytes)));
  op.list = decoder.addList(slots);
  if (packs)
    op.d = decoder.destination(whole, type);
  else
    op.a = decoder.source(whole, type);
  op.run = vectorHandler(packs, bytes, count);
}

void copyPredicate(Warp &w, const Op &op, Mask active) {
  Mask &d = w.predicate(op.d);
  d = (d & ~active) | ((w.predicateValue(op.a) ^ (op.flags ? allLanes : 0)) & active);
}

void decodeMov(Decoder &decoder, Op &op) {
  const std::vector<ptx::Operand> &operands = decoder.instruction().operands;
  Modifiers modifiers(decoder);
  std::vector<std::string> names = {"pred"};
  for (const MoveType &type : moveTypes())
    names.emplace_back(type.name);
  const std::string name = modifiers.expect(names);
  modifiers.expectNone();
  decoder.expectOperands(2);
  op.kind = Class::Move;
  if (name == "pred") {
    op.kind = Class::Predicate;
    bool negated = false;
    op.run = copyPredicate;
    op.d = decoder.destination(operands[0], Type::Pred);
    op.a = decoder.predicate(operands[1], &negated);
    op.flags = negated ? 1 : 0;
    return;
  }
  const MoveType &type = *std::find_if(moveTypes().begin(), moveTypes().end(),
                                       [&](const MoveType &candidate) { return name == candidate.name; });
  if (operands[0].kind == ptx::Operand::Vector || operands[1].kind == ptx::Operand::Vector) {
    decodeVectorMove(decoder, op, type.type);
    return;
  }
  op.run = type.copy;
  op.d = decoder.destination(operands[0], type.type);
  op.a = decoder.source(operands[1], type.type);
}

// Op::imm: what is added.
uint64_t shiftAddress(const Op &op, uint64_t address) { return address + uint64_t(op.imm); }

// Where the generic addresses of a space begin.
int64_t genericBase(const std::string &space) {
  const int64_t unit = int64_t(1) << 56;
  if (space == "global")
    return 0;
  if (space == "local")
    return 2 * unit;
  if (space == "const")
    return 3 * unit;
  if (space == "param" || space == "param::entry")
    return 4 * unit;
  return unit;
}

void decodeCvta(Decoder &decoder, Op &op) {
  Modifiers modifiers(decoder);
  const bool toSpace = modifiers.take("to");
  const int64_t base = genericBase(modifiers.expect(
      {"const", "global", "local", "param", "param::entry", "shared", "shared::cta", "shared::cluster"}));
  modifiers.expect({"u64"}); // generic addresses have 64 bits
  modifiers.expectNone();
  useVariant(decoder, op, {form<shiftAddress>(), Class::Move, 0});
  op.imm = toSpace ? -base : base;
}

} // namespace

bool decodeMove(Decoder &decoder, Op &op) {
  if (decoder.instruction().opcode == "mov")
    decodeMov(decoder, op);
  else if (decoder.instruction().opcode == "cvta")
    decodeCvta(decoder, op);
  else
    return false;
  return true;
}

} // namespace treadle::sim::arith
