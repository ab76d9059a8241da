// ld and st, and what all memory instructions read of their modifiers.
#include "MemoryOps.h"

#include <algorithm>

namespace treadle::sim {

using ptx::Space;
using ptx::Type;

MemoryModifiers readModifiers(Decoder &decoder) {
  static const std::pair<const char *, Space> spaces[] = {
      {"global", Space::Global}, {"shared", Space::Shared}, {"shared::cta", Space::Shared},
      {"local", Space::Local},   {"param", Space::Param},   {"param::entry", Space::Param},
      {"const", Space::Const}};
  static const std::pair<const char *, Semantics> orders[] = {
      {"weak", Semantics::Weak},       {"volatile", Semantics::Relaxed}, {"relaxed", Semantics::Relaxed},
      {"acquire", Semantics::Acquire}, {"release", Semantics::Release},  {"acq_rel", Semantics::AcquireRelease}};
  static const std::pair<const char *, unsigned> vectors[] = {{"v2", 2}, {"v4", 4}, {"v8", 8}};
  static const char *const hints[] = {"cta", "cluster", "gpu", "sys", "ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc"};
  MemoryModifiers result;
  for (const std::string &modifier : decoder.instruction().modifiers) {
    auto named = [&](const auto &item) { return modifier == item.first; };
    if (auto space = std::find_if(std::begin(spaces), std::end(spaces), named); space != std::end(spaces))
      result.space = space->second;
    else if (auto order = std::find_if(std::begin(orders), std::end(orders), named); order != std::end(orders))
      result.semantics = order->second;
    else if (auto vector = std::find_if(std::begin(vectors), std::end(vectors), named); vector != std::end(vectors))
      result.vector = vector->second;
    else if (auto type = ptx::parseType(modifier))
      result.type = *type;
    else if (std::find(std::begin(hints), std::end(hints), modifier) == std::end(hints) &&
             modifier.rfind("L1::", 0) != 0 && modifier.rfind("L2::", 0) != 0)
      result.rest.push_back(modifier);
  }
  return result;
}

void setAddress(Decoder &decoder, Op &op, const ptx::Operand &operand, const MemoryModifiers &modifiers) {
  AddressOperand address = decodeAddress(decoder, operand, modifiers.space);
  op.a = address.base;
  op.imm = address.offset;
  op.flags |= static_cast<uint16_t>(static_cast<unsigned>(modifiers.space) | (address.wide ? wideAddress : 0) |
                                    static_cast<unsigned>(modifiers.semantics) << semanticsShift);
}

namespace {

constexpr unsigned mostBytes = 32; // of an access

bool isSigned(Type type) { return type == Type::S8 || type == Type::S16 || type == Type::S32 || type == Type::S64; }

unsigned registerBytes(const Op &op) { return 1U << (op.flags >> registerShift & 7); }

Access makeAccess(const Warp &warp, const Op &op, AccessKind weak) {
  Access access;
  access.kind = semanticsOf(op) == Semantics::Weak ? weak : AccessKind::Atomic;
  access.space = spaceOf(op);
  access.bytes = unsigned(op.bytes) * op.count;
  access.address = addresses(warp, op);
  access.isStore = weak == AccessKind::Write;
  return access;
}

template <typename From, typename To>
void loadElements(Warp &warp, const Op &op, Mask active, Mask good, const Access &access) {
  const Slot *slots = warp.lists + op.list;
  for (unsigned element = 0; element < op.count; ++element) {
    auto *to = warp.lanes<To>(slots[element]);
    forEachLane(active, [&](int lane) {
      From value{};
      if (good >> lane & 1)
        std::memcpy(&value, access.host[lane] + element * sizeof value, sizeof value);
      to[lane] = static_cast<To>(value); // NOLINT(bugprone-signed-char-misuse): ld.s8 extends the sign
    });
  }
}

template <typename From, typename To> void load(Warp &warp, const Op &op, Mask active) {
  Access access = makeAccess(warp, op, AccessKind::Read);
  Mask good = checkAccess(warp, op, active, access);
  loadElements<From, To>(warp, op, active, good, access);
  if (semanticsOf(op) != Semantics::Weak)
    orderStrong(warp, op, good, access, true, false);
}

template <typename Element, typename Register> void store(Warp &warp, const Op &op, Mask active) {
  Access access = makeAccess(warp, op, AccessKind::Write);
  alignas(64) std::byte data[warpSize * mostBytes];
  access.data = data;
  const Slot *slots = warp.lists + op.list;
  for (unsigned element = 0; element < op.count; ++element) {
    const auto *from = warp.source<Register>(slots[element]);
    for (int lane = 0; lane < warpSize; ++lane) {
      auto value = static_cast<Element>(from[lane]);
      std::memcpy(data + size_t(lane) * access.bytes + element * sizeof value, &value, sizeof value);
    }
  }
  Mask good = checkAccess(warp, op, active, access);
  forEachLane(good,
              [&](int lane) { std::memcpy(access.host[lane], data + size_t(lane) * access.bytes, access.bytes); });
  if (semanticsOf(op) != Semantics::Weak)
    orderStrong(warp, op, good, access, false, true);
}

struct Wide {
  uint64_t low = 0, high = 0;
};

template <typename Narrow, template <typename, typename> class Make> Handler widen(unsigned bytes) {
  switch (bytes) {
  case 2:
    return sizeof(Narrow) <= 2 ? Make<Narrow, std::conditional_t<std::is_signed_v<Narrow>, int16_t, uint16_t>>::handler
                               : nullptr;
  case 4:
    return sizeof(Narrow) <= 4 ? Make<Narrow, std::conditional_t<std::is_signed_v<Narrow>, int32_t, uint32_t>>::handler
                               : nullptr;
  case 8:
    return Make<Narrow, std::conditional_t<std::is_signed_v<Narrow>, int64_t, uint64_t>>::handler;
  default:
    return nullptr;
  }
}

template <typename Element, typename Register> struct Load {
  static void handler(Warp &warp, const Op &op, Mask active) { load<Element, Register>(warp, op, active); }
};
template <typename Element, typename Register> struct Store {
  static void handler(Warp &warp, const Op &op, Mask active) { store<Element, Register>(warp, op, active); }
};

template <template <typename, typename> class Make> Handler choose(unsigned element, unsigned reg, bool isSigned) {
  switch (element) {
  case 1:
    return isSigned ? widen<int8_t, Make>(reg) : widen<uint8_t, Make>(reg);
  case 2:
    return isSigned ? widen<int16_t, Make>(reg) : widen<uint16_t, Make>(reg);
  case 4:
    return isSigned ? widen<int32_t, Make>(reg) : widen<uint32_t, Make>(reg);
  case 8:
    return isSigned ? widen<int64_t, Make>(reg) : widen<uint64_t, Make>(reg);
  case 16:
    return reg == 16 ? Make<Wide, Wide>::handler : nullptr;
  default:
    return nullptr;
  }
}

// The values moved: one, or a vector of them. Their registers may be wider than the elements.
void setValues(Decoder &decoder, Op &op, const ptx::Operand &operand, const MemoryModifiers &modifiers, bool isLoad) {
  std::vector<ptx::Operand> values{operand};
  if (operand.kind == ptx::Operand::Vector)
    values = operand.elements;
  if (values.size() != modifiers.vector)
    decoder.fail("expected " + std::to_string(modifiers.vector) + " values, found " + std::to_string(values.size()));
  unsigned bytes = ptx::byteSize(modifiers.type), width = 0;
  for (const ptx::Operand &value : values)
    if (value.kind == ptx::Operand::Register)
      width = std::max(width, ptx::byteSize(decoder.entry().registers[value.index].type));
  if (width < bytes)
    width = std::max(bytes, 2U);
  static constexpr Type types[] = {Type::B8, Type::B16, Type::B32, Type::B64, Type::B128};
  int exponent = __builtin_ctz(width);
  std::vector<Slot> slots;
  for (const ptx::Operand &value : values) {
    Type asFloat = modifiers.type == Type::F32 && width == 4   ? Type::F32
                   : modifiers.type == Type::F64 && width == 8 ? Type::F64
                                                               : types[exponent];
    slots.push_back(isLoad ? decoder.destination(value, asFloat) : decoder.source(value, asFloat));
  }
  op.list = decoder.addList(slots);
  op.bytes = static_cast<uint8_t>(bytes);
  op.count = static_cast<uint8_t>(modifiers.vector);
  op.flags |= static_cast<uint16_t>(exponent << registerShift);
}

bool decodeLoadStore(Decoder &decoder, Op &op) {
  const ptx::Instruction &instruction = decoder.instruction();
  bool isLoad = instruction.opcode == "ld" || instruction.opcode == "ldu";
  if (!isLoad && instruction.opcode != "st")
    return false;
  MemoryModifiers modifiers = readModifiers(decoder);
  if (!modifiers.rest.empty())
    decoder.fail("modifier " + modifiers.rest.front() + " is not simulated");
  if (modifiers.type == Type::None || modifiers.type == Type::Pred)
    decoder.fail("expected the type of a value");
  decoder.expectOperands(2, 3); // a cache policy may follow
  const ptx::Operand &value = instruction.operands[isLoad ? 0 : 1];
  setAddress(decoder, op, instruction.operands[isLoad ? 1 : 0], modifiers);
  setValues(decoder, op, value, modifiers, isLoad);
  if (unsigned(op.bytes) * op.count > mostBytes)
    decoder.fail("expected at most " + std::to_string(mostBytes) + " bytes a thread, found " +
                 std::to_string(unsigned(op.bytes) * op.count));
  op.kind = isLoad ? Class::Load : Class::Store;
  unsigned width = registerBytes(op);
  op.run = isLoad ? choose<Load>(op.bytes, width, isSigned(modifiers.type))
                  : choose<Store>(op.bytes, width, isSigned(modifiers.type));
  if (!op.run)
    decoder.fail("expected registers of " + std::to_string(op.bytes * 8) + " bits, found " + std::to_string(width * 8));
  return true;
}

// Hints that change nothing that a program can see.
bool decodeHint(Decoder &decoder, Op &op) {
  static const char *const hints[] = {"prefetch", "prefetchu", "applypriority"};
  const std::string &opcode = decoder.instruction().opcode;
  if (std::find(std::begin(hints), std::end(hints), opcode) == std::end(hints))
    return false;
  op.kind = Class::Load;
  op.run = [](Warp &, const Op &, Mask) {};
  return true;
}

} // namespace

bool decodeMemory(Decoder &decoder, Op &op) {
  return decodeLoadStore(decoder, op) || decodeAtomic(decoder, op) || decodeMatrix(decoder, op) ||
         decodeCopy(decoder, op) || decodeHint(decoder, op);
}

} // namespace treadle::sim
