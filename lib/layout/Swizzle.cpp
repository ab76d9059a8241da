//===- Swizzle.cpp - A shared tile that suits all who access it -----------===//

#include "layout/Swizzle.h"
#include "layout/Algebra.h"
#include "layout/Plans.h"

#include <algorithm>

namespace treadle {

using Bases = Layout::Bases;

TileAccess TileAccess::vectors(Layout places, int elemBytes, int64_t times) {
  return {std::move(places), 16 / elemBytes, /*matrices=*/false, times};
}
TileAccess TileAccess::fragments(Layout places, int elemBytes) {
  return {std::move(places), 16 / elemBytes, /*matrices=*/elemBytes == 2 || elemBytes == 4, 1};
}
uint32_t TileAccess::replicas() const { return f2::Solver(places.bases(In::Register)).redundant(); }

static constexpr unsigned chunkShift = 4, chunkBits = 3, turnShift = chunkShift + chunkBits;

namespace {
/// An access as the banks see it.
struct Pattern {
  Bases lanes;        // of one phase -> byte address
  int64_t bytes;      // of a lane
  int64_t accesses;   // instructions
  int64_t wavefronts; // without conflicts

  int64_t conflicts() const { return wavefronts * bankConflicts(lanes, bytes); }
};
} // namespace

static Pattern patternOf(const TileAccess &access, const Layout &shared, int elemBytes) {
  auto inBytes = [&](Bases bases, unsigned count) {
    bases.resize(count);
    for (uint32_t &basis : bases)
      basis *= uint32_t(elemBytes);
    return bases;
  };
  if (access.matrices)
    if (auto plan = planLdmatrix(access.places, shared, elemBytes)) {
      const auto loads = int64_t(plan->loads.size()) * access.times;
      return {inBytes(plan->laneOffset, 3), 16, loads, loads * plan->num};
    }
  DistMap offsets = offsetMap(access.places, shared);
  VectorAccess vectors = planVectors(offsets, access.maxElems, access.replicas());
  const int64_t bytes = int64_t(vectors.width()) * elemBytes;
  const auto count = int64_t(vectors.accesses.size()) * access.times;
  const unsigned phase = phaseLaneBits(bytes);
  return {inBytes(offsets.lane, phase), bytes, count, count << (LaneBits - phase)};
}

AccessCost accessCost(const std::vector<TileAccess> &accesses, const Layout &shared, int elemBytes) {
  AccessCost cost;
  for (const TileAccess &access : accesses) {
    Pattern pattern = patternOf(access, shared, elemBytes);
    cost.accesses += pattern.accesses;
    cost.conflicts += pattern.conflicts();
    cost.wavefronts += pattern.wavefronts;
  }
  cost.wavefronts += cost.conflicts;
  return cost;
}

static int64_t conflictsOf(const std::vector<Pattern> &patterns, const Bases &swizzle) {
  int64_t total = 0;
  for (const Pattern &pattern : patterns)
    total +=
        Pattern{f2::compose(swizzle, pattern.lanes), pattern.bytes, pattern.accesses, pattern.wavefronts}.conflicts();
  return total;
}

/// What each bit of the turn number adds (xor) to the number of the chunk, as a
/// map of byte addresses: always the one bit that helps most, while one helps.
/// Of exchanges equally good, the farthest, with which ptxas spills least.
/// This changes neither vectors nor fragments, only banks.
static Bases search(const std::vector<Pattern> &patterns, unsigned addressBits) {
  Bases swizzle = f2::identity(addressBits);
  int64_t best = conflictsOf(patterns, swizzle);
  for (bool improved = true; improved && best != 0;) {
    improved = false;
    const Bases before = swizzle;
    for (unsigned bit = turnShift; bit < addressBits; ++bit)
      for (uint32_t chunk = 1U << chunkBits; chunk-- != 0;) {
        Bases candidate = before;
        candidate[bit] = uint32_t(1) << bit | chunk << chunkShift;
        if (int64_t now = conflictsOf(patterns, candidate); now < best) {
          best = now;
          swizzle = std::move(candidate);
          improved = true;
        }
      }
  }
  return swizzle;
}

/// The layout in which offset x has what \p shared has at \p swizzle(x).
static Layout exchanged(const Layout &shared, const Bases &swizzle) {
  return Layout::shared(shared.shape(), f2::compose(shared.bases(In::Offset), swizzle));
}

/// The same with the chunks in order: each bit of the turn number goes straight
/// on along an axis, if exchanging chunks can make it so.
static Layout plain(const Layout &shared, int elemBytes) {
  Bases swizzle;
  for (uint32_t bit : f2::identity(shared.outBits())) {
    uint32_t best = bit;
    for (uint32_t chunk = 0; uint64_t(bit) * unsigned(elemBytes) >> turnShift && chunk < 1U << chunkBits; ++chunk) {
      uint32_t candidate = bit | (chunk << chunkShift) / unsigned(elemBytes);
      if (__builtin_popcount(shared.apply(0, 0, 0, candidate)) < __builtin_popcount(shared.apply(0, 0, 0, best)))
        best = candidate;
    }
    swizzle.push_back(best);
  }
  return exchanged(shared, swizzle);
}

Layout swizzledFor(const std::vector<TileAccess> &accesses, const Layout &shared, int elemBytes) {
  AccessCost before = accessCost(accesses, shared, elemBytes);
  if (before.conflicts == 0)
    return shared;
  // From the plain tile, so that only those turns are exchanged that must be:
  // the others are no more than a constant in the address.
  Layout start = plain(shared, elemBytes);
  std::vector<Pattern> patterns;
  for (const TileAccess &access : accesses)
    patterns.push_back(patternOf(access, start, elemBytes));
  const auto elemBits = unsigned(__builtin_ctz(unsigned(elemBytes)));
  Bases bytes = search(patterns, elemBits + shared.outBits()), swizzle;
  for (unsigned bit = elemBits; bit < bytes.size(); ++bit)
    swizzle.push_back(bytes[bit] >> elemBits);
  Layout result = exchanged(start, swizzle);
  return accessCost(accesses, result, elemBytes) < before ? result : shared;
}

} // namespace treadle
