//===- Plans.cpp - What to do, computed from the layouts ------------------===//

#include "layout/Plans.h"
#include "layout/Layouts.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <set>
#include <utility>

namespace treadle {

using Bases = Layout::Bases;

static unsigned log2(int64_t x) {
  unsigned bits = 0;
  while (x >>= 1)
    ++bits;
  return bits;
}

static bool isZero(const Bases &map) {
  return std::all_of(map.begin(), map.end(), [](uint32_t b) { return b == 0; });
}

/// The bases with those of the bits in \p mask set to zero.
static Bases withoutBits(Bases map, uint32_t mask) {
  for (size_t i = 0; i < map.size(); ++i)
    if (mask >> i & 1)
      map[i] = 0;
  return map;
}

//===----------------------------------------------------------------------===//
// Conversions
//===----------------------------------------------------------------------===//

uint32_t ConversionPlan::srcLane(int reg, uint32_t lane, uint32_t warp) const {
  if (kind != ConversionKind::WarpShuffle)
    return lane;
  return f2::apply(laneMap, lane) ^ f2::apply(warpMap, warp) ^ laneXor[reg];
}

bool ConversionPlan::isButterfly() const { return laneMap == f2::identity(LaneBits) && isZero(warpMap); }

bool ConversionPlan::isLocal(int reg) const {
  return kind == ConversionKind::Identity || kind == ConversionKind::RegisterPermutation ||
         (kind == ConversionKind::WarpShuffle && isButterfly() && laneXor[reg] == 0);
}

/// The element of the destination's (reg, lane, warp) has to be the one in the
/// source's (srcReg(reg), laneMap(lane) ^ warpMap(warp) ^ laneXor(reg), warp).
/// Both sides are linear, so it is enough to look at one bit at a time.
ConversionPlan planConversion(const Layout &src, const Layout &dst) {
  assert(src.shape() == dst.shape() && src.numWarps() == dst.numWarps() &&
         "no conversion changes the tile or the number of warps");
  ConversionPlan plan{ConversionKind::SharedMemory, {}, {}, {}, {}};
  const Bases &srcLane = src.bases(In::Lane), &dstLane = dst.bases(In::Lane);
  const Bases &srcWarp = src.bases(In::Warp), &dstWarp = dst.bases(In::Warp);

  // Data stays where it is if it can: bit i comes from bit i. Otherwise, take
  // registers before lanes; the solver prefers the low input bits.
  auto divide = [](const Bases &target, const Bases &map, size_t numSame) -> std::optional<Bases> {
    f2::Solver solver(map);
    Bases result;
    for (size_t i = 0; i < target.size(); ++i) {
      std::optional<uint32_t> from = i < numSame && map[i] == target[i] ? uint32_t(1) << i : solver.solve(target[i]);
      if (!from)
        return std::nullopt;
      result.push_back(*from);
    }
    return result;
  };
  const unsigned regBits = src.bits(In::Register);
  Bases warpShift = dstWarp;
  for (size_t i = 0; i < warpShift.size(); ++i)
    warpShift[i] ^= srcWarp[i];
  auto place = divide(dst.bases(In::Register), f2::concat(src.bases(In::Register), srcLane), regBits);
  auto laneMap = divide(dstLane, srcLane, LaneBits);
  auto warpMap = divide(warpShift, srcLane, 0);
  if (!place || !laneMap || !warpMap)
    return plan;
  plan.laneMap = *laneMap;
  plan.warpMap = *warpMap;

  for (uint32_t r = 0; r < dst.numRegisters(); ++r) {
    uint32_t from = f2::apply(*place, r);
    plan.srcReg.push_back(int(from & ((uint32_t(1) << regBits) - 1)));
    plan.laneXor.push_back(from >> regBits);
  }

  if (!plan.isButterfly() || !isZero(plan.laneXor)) {
    plan.kind = ConversionKind::WarpShuffle;
    return plan;
  }
  bool same = src.numRegisters() == dst.numRegisters();
  for (size_t r = 0; r < plan.srcReg.size(); ++r)
    same &= plan.srcReg[r] == int(r);
  plan.kind = same ? ConversionKind::Identity : ConversionKind::RegisterPermutation;
  return plan;
}

std::optional<std::vector<int>> planBroadcast(const Layout &src, const Layout &dst) {
  assert(src.rank() == dst.rank() && "broadcasting keeps the rank");
  // What dst wants of the source's tile is a layout of that tile.
  Layout wanted = dst;
  for (int axis = 0; axis < src.rank(); ++axis)
    if (src.shape()[axis] == 1)
      wanted = wanted.project(axis).expandDims(axis);
  ConversionPlan plan = planConversion(src, wanted);
  if (plan.kind != ConversionKind::Identity && plan.kind != ConversionKind::RegisterPermutation)
    return std::nullopt;
  return plan.srcReg;
}

//===----------------------------------------------------------------------===//
// Memory accesses
//===----------------------------------------------------------------------===//

/// Is every basis a multiple of 2^bits, up to those of the registers in
/// \p vector and \p skip?
static bool isAligned(const DistMap &offsets, unsigned bits, uint32_t vector, uint32_t skip) {
  uint32_t all = 0;
  for (const Bases &bases : {withoutBits(offsets.reg, vector | skip), offsets.lane, offsets.warp})
    for (uint32_t basis : bases)
      all |= basis;
  return (all & ((uint32_t(1) << bits) - 1)) == 0;
}

VectorAccess planVectors(const DistMap &offsets, int64_t maxElems, uint32_t skipRegs) {
  VectorAccess plan;
  std::vector<int> candidates;
  uint32_t inVector = 0;
  for (unsigned i = 0, e = log2(maxElems); i < e; ++i) {
    auto it = std::find(offsets.reg.begin(), offsets.reg.end(), uint32_t(1) << i);
    while (it != offsets.reg.end() && (skipRegs >> (it - offsets.reg.begin()) & 1))
      it = std::find(it + 1, offsets.reg.end(), uint32_t(1) << i);
    if (it == offsets.reg.end())
      break;
    candidates.push_back(int(it - offsets.reg.begin()));
    inVector |= uint32_t(1) << candidates.back();
    if (isAligned(offsets, i + 1, inVector, skipRegs))
      plan.regBits = candidates;
  }

  Bases vectorRegs; // element of the vector -> register
  inVector = 0;
  for (int bit : plan.regBits) {
    vectorRegs.push_back(uint32_t(1) << bit);
    inVector |= uint32_t(1) << bit;
  }
  for (uint32_t first = 0; first < uint32_t(1) << offsets.reg.size(); ++first) {
    if (first & (inVector | skipRegs))
      continue;
    std::vector<int> &regs = plan.accesses.emplace_back();
    for (uint32_t i = 0; i < uint32_t(1) << plan.regBits.size(); ++i)
      regs.push_back(int(first | f2::apply(vectorRegs, i)));
  }
  return plan;
}

int contiguousRegisters(const DistMap &offsets, int64_t maxElems) {
  unsigned best = 0;
  for (unsigned i = 0, e = log2(maxElems); i < e && i < offsets.reg.size() && offsets.reg[i] == uint32_t(1) << i; ++i)
    if (isAligned(offsets, i + 1, (uint32_t(2) << i) - 1, 0))
      best = i + 1;
  return 1 << best;
}

int vectorWidth(const Layout &dist, unsigned axis, int64_t maxElems) {
  std::vector<int> perm;
  for (int i = 0; i < dist.rank(); ++i)
    if (i != int(axis))
      perm.push_back(i);
  perm.push_back(int(axis));
  Layout fastest = dist.transpose(perm);
  maxElems = std::min(maxElems, dist.shape()[axis]);
  return contiguousRegisters({fastest.bases(In::Register), fastest.bases(In::Lane), fastest.bases(In::Warp)}, maxElems);
}

unsigned phaseLaneBits(int64_t bytes) { return bytes >= 16 ? 3 : bytes == 8 ? 4 : 5; }

int bankConflicts(const Bases &lanes, int64_t bytes) {
  assert(bytes <= 16 && "no such access");
  // The 4-byte words of a phase are a linear space, and so are their banks.
  // Each bank that is hit at all is hit by the same number of words.
  Bases words, banks;
  auto add = [&](uint32_t address) {
    words.push_back(address / 4);
    banks.push_back(address / 4 % 32);
  };
  for (int64_t byte = 1; byte < bytes; byte *= 2)
    add(uint32_t(byte));
  for (uint32_t lane : lanes)
    add(lane);
  return (1 << (f2::rank(words) - f2::rank(banks))) - 1;
}

int bankConflicts(const DistMap &offsets, int elemBytes, int vecElems) {
  int64_t bytes = int64_t(elemBytes) * vecElems;
  Bases lanes(offsets.lane.begin(), offsets.lane.begin() + phaseLaneBits(bytes));
  for (uint32_t &lane : lanes)
    lane *= uint32_t(elemBytes);
  return bankConflicts(lanes, bytes);
}

int bankConflicts(const Layout &dist, const Layout &shared, int elemBytes, int vecElems) {
  return bankConflicts(offsetMap(dist, shared), elemBytes, vecElems);
}

int bankConflictsLdmatrix(const std::array<uint32_t, 8> &rowAddresses) {
  std::map<uint32_t, std::set<uint32_t>> wordsOfBank;
  for (uint32_t address : rowAddresses)
    for (uint32_t word = address / 4; word < address / 4 + 4; ++word)
      wordsOfBank[word % 32].insert(word);
  size_t most = 1;
  for (const auto &entry : wordsOfBank)
    most = std::max(most, entry.second.size());
  return int(most) - 1;
}

/// Wavefronts of one warp for all its accesses.
static int64_t wavefronts(const VectorAccess &access, int elemBytes, int conflicts) {
  int64_t phases = int64_t(1) << (LaneBits - phaseLaneBits(access.width() * elemBytes));
  return int64_t(access.accesses.size()) * phases * (conflicts + 1);
}

/// The flat bases without those of the redundant bits.
static Bases independent(const Bases &map) {
  uint32_t redundant = f2::Solver(map).redundant();
  Bases result;
  for (size_t i = 0; i < map.size(); ++i)
    if (!(redundant >> i & 1))
      result.push_back(map[i]);
  return result;
}

/// A basis of the intersection of two spaces (given by independent bases): the
/// vectors of b that, modulo a, depend on the vectors of b before.
static Bases intersection(const Bases &a, const Bases &b) {
  Bases result;
  Bases both = f2::concat(a, b);
  f2::Solver solver(both);
  for (size_t i = a.size(); i < both.size(); ++i)
    if (solver.redundant() >> i & 1) {
      uint32_t inputs = *solver.solve(both[i]) ^ (uint32_t(1) << i);
      result.push_back(f2::apply(b, inputs >> a.size()));
    }
  return result;
}

/// The bases of `more` that extend `base` to a basis of the sum.
static Bases extension(const Bases &base, const Bases &more) {
  Bases all = independent(f2::concat(base, more));
  return Bases(all.begin() + base.size(), all.end());
}

/// A scratch tile in which one side's vectors are contiguous and both sides'
/// accesses are free of conflicts, as far as possible.
///
/// Offsets consist of the place in the vector, the place in the 128 bytes of
/// one turn over the banks, and the number of the turn. Two lanes conflict
/// exactly if their elements differ by a vector of `turns`, the space of the
/// bases of the high offset bits. So we want a space `turns` that meets the
/// span `a` of the lanes of a phase of one side and the span `b` of the other
/// in zero only. With the intersection c of a and b, a = c + a', b = c + b',
/// the largest such space is the sum of
///   - whatever is outside of a + b, and
///   - the vectors a'[i] ^ b'[i]: they are in a + b, but in neither a nor b.
/// All this happens in the space `rest`, spanned by all of the one side's
/// places except for the vector, to keep the vectors contiguous.
static Layout conflictFree(const std::vector<int64_t> &shape, const Bases &vector, const Bases &rest,
                           const Bases &lanesA, const Bases &lanesB, unsigned bankBits) {
  Bases a = intersection(rest, independent(lanesA));
  Bases b = intersection(rest, independent(lanesB));
  Bases c = intersection(a, b);
  Bases onlyA = extension(c, a), onlyB = extension(c, b);
  Bases turns = extension(f2::concat(a, onlyB), rest);
  for (size_t i = 0; i < std::min(onlyA.size(), onlyB.size()); ++i)
    turns.push_back(onlyA[i] ^ onlyB[i]);
  size_t bits = vector.size() + rest.size();
  turns.resize(std::min(turns.size(), bits - std::min<size_t>(bits, bankBits)));

  Bases low = f2::concat(vector, extension(turns, rest));
  return Layout::shared(shape, f2::concat(low, turns));
}

SharedConversion planSharedConversion(const Layout &src, const Layout &dst, int elemBytes) {
  assert(src.shape() == dst.shape() && "no conversion changes the tile");
  auto free = freeVariableMasks(src);
  uint32_t skipStore = free[unsigned(In::Register)];
  f2::Solver dstRegs(dst.bases(In::Register));
  uint32_t skipLoad = dstRegs.redundant();
  int64_t maxElems = 16 / elemBytes;

  SharedConversion best{};
  auto cost = [](const SharedConversion &plan) {
    return std::make_pair(plan.wavefronts, plan.store.accesses.size() + plan.load.accesses.size());
  };
  auto consider = [&](Layout shared) {
    SharedConversion plan{};
    plan.shared = std::move(shared);
    plan.bytes = src.numElements() * elemBytes;
    plan.storeLaneMask = free[unsigned(In::Lane)];
    plan.storeWarpMask = free[unsigned(In::Warp)];
    // Threads that do not store need no offset.
    plan.storeOffsets = offsetMap(src, plan.shared);
    plan.storeOffsets.lane = withoutBits(plan.storeOffsets.lane, plan.storeLaneMask);
    plan.storeOffsets.warp = withoutBits(plan.storeOffsets.warp, plan.storeWarpMask);
    plan.loadOffsets = offsetMap(dst, plan.shared);
    plan.store = planVectors(plan.storeOffsets, maxElems, skipStore);
    plan.load = planVectors(plan.loadOffsets, maxElems, skipLoad);
    plan.storeConflicts = bankConflicts(plan.storeOffsets, elemBytes, plan.store.width());
    plan.loadConflicts = bankConflicts(plan.loadOffsets, elemBytes, plan.load.width());
    plan.wavefronts =
        wavefronts(plan.store, elemBytes, plan.storeConflicts) + wavefronts(plan.load, elemBytes, plan.loadConflicts);
    if (best.bytes == 0 || cost(plan) < cost(best))
      best = std::move(plan);
  };

  // Vectors of either side, of any width, preferably of registers that are
  // contiguous on the other side as well.
  auto considerVectorsOf = [&](const Layout &one, const Layout &other) {
    Bases all = independent(allBases(one));
    const Bases &otherRegs = other.bases(In::Register);
    Bases regs, ownRegs;
    for (unsigned i = 0, e = f2::rank(one.bases(In::Register)); i < e; ++i) {
      bool common = std::count(otherRegs.begin(), otherRegs.end(), all[i]) != 0;
      (common ? regs : ownRegs).push_back(all[i]);
    }
    const size_t numCommon = regs.size();
    regs = f2::concat(regs, ownRegs);
    for (size_t width = 0; width <= std::min<size_t>(regs.size(), log2(maxElems)); ++width) {
      Bases vector(regs.begin(), regs.begin() + width);
      auto lanes = [&](const Layout &layout, size_t width) {
        Bases result = layout.bases(In::Lane);
        result.resize(phaseLaneBits(int64_t(elemBytes) << width));
        return result;
      };
      consider(conflictFree(src.shape(), vector, extension(vector, all), lanes(one, width),
                            lanes(other, std::min(width, numCommon)), log2(128 / elemBytes)));
    }
  };
  considerVectorsOf(src, dst);
  considerVectorsOf(dst, src);

  Bases representative = *f2::divide(dst.bases(In::Register), dst.bases(In::Register));
  for (uint32_t r = 0; r < dst.numRegisters(); ++r)
    best.loadReg.push_back(int(f2::apply(representative, r)));
  return best;
}

//===----------------------------------------------------------------------===//
// ldmatrix
//===----------------------------------------------------------------------===//
//
// One matrix is 8 rows of 16 bytes; thread T gets the 32 bits T % 4 of row
// T / 4, or, for .trans, the 16-bit elements T / 4 of the rows 2 * (T % 4) and
// 2 * (T % 4) + 1. As a linear map, the bits of the byte in the row and those
// of the row number come from these input bits of the operand:
//
//            byte in the row            row
//   plain    registers, lane 0, 1       lane 2, 3, 4
//   .trans   (2 bytes) lane 2, 3, 4     register, lane 0, 1
//
// The former must map to the offsets 1, 2, 4, ... of the shared tile, and
// everything else to multiples of 16 bytes. The latter say where the rows are,
// so their offsets are those of the address-providing lanes 0, 1, 2.

uint32_t LdmatrixPlan::offset(uint32_t lane, uint32_t warp, const Load &load) const {
  return f2::apply(laneOffset, lane) ^ f2::apply(warpOffset, warp) ^ load.regOffset;
}

static std::optional<LdmatrixPlan> planLdmatrix(const DistMap &offsets, int elemBytes, bool trans) {
  const unsigned rowBits = log2(16 / elemBytes), packBits = log2(4 / elemBytes);
  const auto numRegBits = unsigned(offsets.reg.size());
  if (trans && elemBytes != 2)
    return std::nullopt;

  // The registers in a 32-bit result: those that the row demands, or for
  // .trans any, so the lowest.
  std::vector<unsigned> packed, others;
  for (unsigned i = 0; i < packBits; ++i) {
    unsigned bit = 0;
    if (!trans)
      bit = unsigned(std::find(offsets.reg.begin(), offsets.reg.end(), uint32_t(1) << i) - offsets.reg.begin());
    if (bit >= numRegBits)
      return std::nullopt;
    packed.push_back(bit);
  }
  for (unsigned bit = 0; bit < numRegBits; ++bit)
    if (std::find(packed.begin(), packed.end(), bit) == packed.end())
      others.push_back(bit);

  // Who is where in the row, and which row.
  Bases inRow, row;
  for (unsigned bit : packed)
    (trans ? row : inRow).push_back(offsets.reg[bit]);
  for (unsigned i = 0; i < LaneBits; ++i)
    ((i < 2) == trans ? row : inRow).push_back(offsets.lane[i]);
  if (inRow != f2::identity(rowBits))
    return std::nullopt;

  // Up to 4 matrices per load, told apart by the lowest other registers.
  unsigned numBits = std::min<unsigned>(2, unsigned(others.size()));
  LdmatrixPlan plan{trans, 1 << numBits, {}, row, offsets.warp, 0};
  Bases resultRegs; // (packed, matrix) -> register
  Bases loadRegs;
  for (unsigned bit : packed)
    resultRegs.push_back(uint32_t(1) << bit);
  for (unsigned i = 0; i < others.size(); ++i)
    (i < numBits ? resultRegs : loadRegs).push_back(uint32_t(1) << others[i]);
  for (unsigned i = 0; i < 2; ++i)
    plan.laneOffset.push_back(i < numBits ? offsets.reg[others[i]] : 0);
  for (uint32_t i = 0; i < uint32_t(1) << loadRegs.size(); ++i) {
    uint32_t base = f2::apply(loadRegs, i);
    LdmatrixPlan::Load &load = plan.loads.emplace_back(LdmatrixPlan::Load{{}, 0});
    load.regOffset = f2::apply(offsets.reg, base);
    for (uint32_t j = 0; j < uint32_t(1) << resultRegs.size(); ++j)
      load.regs.push_back(int(base | f2::apply(resultRegs, j)));
  }

  // All rows begin at multiples of 16 bytes.
  uint32_t starts = 0;
  for (const Bases &bases : {plan.laneOffset, plan.warpOffset})
    for (uint32_t basis : bases)
      starts |= basis;
  for (const LdmatrixPlan::Load &load : plan.loads)
    starts |= load.regOffset;
  if (starts & ((uint32_t(1) << rowBits) - 1))
    return std::nullopt;

  std::array<uint32_t, 8> addresses;
  for (uint32_t i = 0; i < 8; ++i)
    addresses[i] = f2::apply(row, i) * uint32_t(elemBytes);
  plan.conflicts = bankConflictsLdmatrix(addresses);
  return plan;
}

std::optional<LdmatrixPlan> planLdmatrix(const Layout &operand, const Layout &shared, int elemBytes) {
  if (elemBytes > 4)
    return std::nullopt;
  DistMap offsets = offsetMap(operand, shared);
  if (auto plan = planLdmatrix(offsets, elemBytes, /*trans=*/false))
    return plan;
  return planLdmatrix(offsets, elemBytes, /*trans=*/true);
}

//===----------------------------------------------------------------------===//
// Reductions and scans
//===----------------------------------------------------------------------===//

std::optional<ReductionPlan> planReduction(const Layout &layout, int axis) {
  const uint32_t mask = layout.dimMask(axis);
  for (uint32_t basis : allBases(layout))
    if ((basis & mask) != 0 && (basis & ~mask) != 0)
      return std::nullopt;

  // The bits along the axis that are no replicas of each other: each of them
  // splits what remains in two halves.
  auto free = freeVariableMasks(layout);
  auto along = [&](In in) {
    uint32_t bits = 0;
    for (unsigned i = 0; i < layout.bits(in); ++i)
      if (layout.bases(in)[i] & mask)
        bits |= uint32_t(1) << i;
    return bits & ~free[unsigned(in)];
  };
  uint32_t regMask = along(In::Register);
  uint32_t skip = free[unsigned(In::Register)];
  ReductionPlan plan{{}, {}, along(In::Lane), along(In::Warp), layout.removeDim(axis)};

  for (unsigned i = 0; i < layout.bits(In::Register); ++i)
    if (regMask >> i & 1)
      plan.regBits.push_back(int(i));
  const auto numRegs = uint32_t(layout.numRegisters());
  for (uint32_t first = 0; first < numRegs; ++first) {
    if (first & (regMask | skip))
      continue;
    std::vector<int> &group = plan.groups.emplace_back();
    for (uint32_t r = 0; r < numRegs; ++r)
      if ((r & ~regMask) == first)
        group.push_back(int(r));
  }
  return plan;
}

std::optional<ScanPlan> planScan(const Layout &layout, int axis) {
  const uint32_t mask = layout.dimMask(axis);
  ScanPlan plan;
  unsigned involved = 0;
  for (In in : {In::Register, In::Lane, In::Warp})
    for (uint32_t basis : layout.bases(in))
      involved += (basis & mask) != 0;
  for (unsigned s = 0; s < layout.dimBits(axis); ++s)
    for (In in : {In::Register, In::Lane, In::Warp})
      for (unsigned i = 0; i < layout.bits(in); ++i)
        if (layout.bases(in)[i] == uint32_t(1) << (s + layout.dimShift(axis)))
          plan.steps.push_back({in, int(i)});
  // Each bit of the position is one input bit, and no other has a part in it.
  if (involved != layout.dimBits(axis) || plan.steps.size() != layout.dimBits(axis))
    return std::nullopt;
  return plan;
}

} // namespace treadle
