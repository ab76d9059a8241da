//===- Plans.h - What to do, computed from the layouts ----------*- C++ -*-===//
//
// Plans answer the emitter's questions: how does data get from one layout to
// another, which threads take part in a reduction, how wide and how conflict
// free is an access to shared memory. They know no layout kind; everything
// follows from the bases.
//
//===----------------------------------------------------------------------===//

#ifndef TREADLE_LAYOUT_PLANS_H
#define TREADLE_LAYOUT_PLANS_H

#include "layout/Algebra.h"
#include "layout/Layout.h"

#include <optional>

namespace treadle {

//===----------------------------------------------------------------------===//
// Conversions between distributed layouts
//===----------------------------------------------------------------------===//

/// Identity and RegisterPermutation: each thread has already all that it
/// needs. WarpShuffle: one shuffle per destination register suffices, that is,
/// the source register does not depend on the lane and the element is in the
/// same warp. Everything else goes through shared memory.
enum class ConversionKind { Identity, RegisterPermutation, WarpShuffle, SharedMemory };

struct ConversionPlan {
  ConversionKind kind;
  /// For every destination register, the source register (not for
  /// SharedMemory). Identity: srcReg[r] == r and as many registers.
  std::vector<int> srcReg;
  /// WarpShuffle: destination register r of (lane, warp) comes from lane
  ///   laneMap(lane) ^ warpMap(warp) ^ laneXor[r].
  Layout::Bases laneMap, warpMap;
  std::vector<uint32_t> laneXor;

  uint32_t srcLane(int reg, uint32_t lane, uint32_t warp) const;
  /// Register r stays in its lane: a move, no shuffle.
  bool isLocal(int reg) const;
  /// The lanes only exchange (shfl.bfly with mask laneXor[r]).
  bool isButterfly() const;
};

/// Both layouts must be distributed, of one shape and number of warps.
ConversionPlan planConversion(const Layout &src, const Layout &dst);

/// Where \p src has size 1, \p dst may have any size. For each register of
/// dst, the register of src that holds its element, if the thread has it.
std::optional<std::vector<int>> planBroadcast(const Layout &src, const Layout &dst);

/// The accesses of one side of a trip through memory. Each access moves
/// 2^vecBits registers to or from consecutive elements.
struct VectorAccess {
  /// Register bit i of the vector: regBits[i] maps to offset 1 << i.
  std::vector<int> regBits;
  /// The registers of each access, in memory order.
  std::vector<std::vector<int>> accesses;
  int width() const { return 1 << regBits.size(); }
};

/// Group the registers to vectors, given the memory offset (in elements) of
/// each (register, lane, warp). Registers with a bit in \p skipRegs are
/// replicas and take no part. The vectors are aligned to their size, up to
/// XOR-ing: every base offset is a multiple of the width.
VectorAccess planVectors(const DistMap &offsets, int64_t maxElems, uint32_t skipRegs = 0);

/// A conversion by way of a scratch tile in shared memory. The tile's layout is
/// not one of the hardware's swizzles: it is computed from the two layouts so
/// that, where possible, neither the stores nor the loads conflict.
struct SharedConversion {
  Layout shared;
  int64_t bytes;
  /// store: by src, load: by dst. Registers that are replicas of others in the
  /// thread take no part; after the load, `loadReg` fills them in.
  VectorAccess store, load;
  DistMap storeOffsets, loadOffsets;
  /// A thread stores only if lane & storeLaneMask and warp & storeWarpMask
  /// are both zero: the other threads hold replicas.
  uint32_t storeLaneMask, storeWarpMask;
  /// For each dst register, the register among those of `load.accesses` that
  /// has its value.
  std::vector<int> loadReg;
  int storeConflicts, loadConflicts; // extra wavefronts per phase
  /// Total wavefronts of one warp, the figure that was minimised.
  int64_t wavefronts;
};

SharedConversion planSharedConversion(const Layout &src, const Layout &dst, int elemBytes);

//===----------------------------------------------------------------------===//
// Memory accesses
//===----------------------------------------------------------------------===//

/// How many consecutive registers (the low register bits, at most
/// \p maxElems) hold consecutive elements along \p axis in every thread,
/// aligned to their number.
int vectorWidth(const Layout &dist, unsigned axis, int64_t maxElems);

/// The same for any map of a thread's place to offsets.
int contiguousRegisters(const DistMap &offsets, int64_t maxElems);

/// Extra wavefronts of an access of all 32 lanes to vectors of \p vecElems
/// elements, per phase (16-byte accesses go in quarter-warps, 8-byte ones in
/// half-warps); 0 = free of conflicts. Since the map is linear, all phases,
/// registers and warps have the same number.
int bankConflicts(const Layout &dist, const Layout &shared, int elemBytes, int vecElems);
int bankConflicts(const DistMap &offsets, int elemBytes, int vecElems);
/// The same for the lanes of one phase, each at a byte address.
int bankConflicts(const Layout::Bases &lanes, int64_t bytes);

/// How many bits number the lanes whose accesses of \p bytes go together.
unsigned phaseLaneBits(int64_t bytes);

/// The same for the 8 row addresses (in bytes) of one matrix of ldmatrix.
int bankConflictsLdmatrix(const std::array<uint32_t, 8> &rowAddresses);

/// How the registers of an operand come from shared memory by ldmatrix.
/// Lane l provides the address of row l % 8 of matrix l / 8, in elements:
///   laneOffset(l) ^ warpOffset(warp) ^ load.regOffset.
/// (With num < 4 the lanes from num * 8 on repeat the addresses.)
struct LdmatrixPlan {
  bool trans;
  int num; // 1, 2, 4
  struct Load {
    /// Result j holds the registers regs[j*p] .. regs[j*p + p-1] from its low
    /// to its high bits, p = 4 / elemBytes.
    std::vector<int> regs;
    uint32_t regOffset;
  };
  std::vector<Load> loads;
  Layout::Bases laneOffset, warpOffset;
  int conflicts; // extra wavefronts per matrix

  uint32_t offset(uint32_t lane, uint32_t warp, const Load &load) const;
};

/// nullopt if the registers are no ldmatrix fragments of rows of 16
/// contiguous bytes. trans needs elemBytes == 2.
std::optional<LdmatrixPlan> planLdmatrix(const Layout &operand, const Layout &shared, int elemBytes);

//===----------------------------------------------------------------------===//
// Reductions and scans
//===----------------------------------------------------------------------===//

/// A reduction along an axis goes over registers, then lanes (one butterfly
/// shuffle per bit of laneMask), then warps (through shared memory, one
/// partner per bit of warpMask). After that, all the threads that the result
/// layout names hold the result.
struct ReductionPlan {
  /// The registers to combine for each register of the result, in increasing
  /// order of the register number. Replicas are left out.
  std::vector<std::vector<int>> groups;
  std::vector<int> regBits; // along the axis
  uint32_t laneMask, warpMask;
  Layout result; // layout.removeDim(axis)
};

/// nullopt if some basis is neither along the axis nor orthogonal to it.
std::optional<ReductionPlan> planReduction(const Layout &layout, int axis);

/// Which input bit is bit s of the position along the axis, for s = 0, 1, ...
/// A scan merges blocks of 2^s elements in this order: every element with
/// the bit set takes in the total of its partner's block.
struct ScanPlan {
  struct Step {
    In in;
    int bit;
  };
  std::vector<Step> steps;
};

/// nullopt if some bit of the position is no single input bit.
std::optional<ScanPlan> planScan(const Layout &layout, int axis);

} // namespace treadle

#endif // TREADLE_LAYOUT_PLANS_H
