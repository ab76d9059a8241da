// What the families of memory instructions share.
#pragma once

#include "Block.h"
#include "Collective.h"

namespace treadle::sim {

// How an access orders others. Strong ones (all but Weak) do not race with each other.
enum class Semantics : uint8_t { Weak, Relaxed, Acquire, Release, AcquireRelease };

// The modifiers of a memory instruction.
struct MemoryModifiers {
  ptx::Space space = ptx::Space::Generic;
  ptx::Type type = ptx::Type::None;
  Semantics semantics = Semantics::Weak;
  unsigned vector = 1;
  std::vector<std::string> rest; // what is none of these, nor a hint to caches
};
MemoryModifiers readModifiers(Decoder &decoder);

// Where an op keeps the space, the width of its address's base, and the semantics.
constexpr uint16_t wideAddress = 1 << 3, signExtended = 1 << 4;
constexpr int semanticsShift = 5, registerShift = 8;
void setAddress(Decoder &decoder, Op &op, const ptx::Operand &operand, const MemoryModifiers &modifiers);
inline ptx::Space spaceOf(const Op &op) { return static_cast<ptx::Space>(op.flags & 7); }
inline Semantics semanticsOf(const Op &op) { return static_cast<Semantics>(op.flags >> semanticsShift & 7); }
inline std::array<uint64_t, warpSize> addresses(const Warp &warp, const Op &op) {
  return addresses(warp, op.a, op.flags & wideAddress, op.imm);
}

// After a strong access: what its lanes learn, and what they let others know.
void orderStrong(Warp &warp, const Op &op, Mask lanes, const Access &access, bool reads, bool writes);

// A fence by these lanes: what came before it may be published, and what was seen is known.
void fence(Warp &warp, Mask lanes);

// cp.async: the copies of these lanes whose groups are all but the last `keep`, or all that were issued, land.
void waitCopies(WarpState &warp, Mask lanes, uint32_t keep);
void landCopies(WarpState &warp, int lane, size_t count); // the lane's share of the first `count` copies

bool decodeAtomic(Decoder &decoder, Op &op);
bool decodeMatrix(Decoder &decoder, Op &op);
bool decodeCopy(Decoder &decoder, Op &op);

} // namespace treadle::sim
