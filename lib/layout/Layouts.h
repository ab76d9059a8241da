//===- Layouts.h - Constructors of the common layouts -----------*- C++ -*-===//
//
// Each function fills in the bases of a linear layout (Layout.h). All of them
// work on tiles that are smaller than the pattern: a bit that would step over
// the edge of the tile is broadcast instead. (The registers of `blocked` are
// left out; those of a tensor-core fragment stay, for the instruction has
// them.)
//
//===----------------------------------------------------------------------===//

#ifndef TREADLE_LAYOUT_LAYOUTS_H
#define TREADLE_LAYOUT_LAYOUTS_H

#include "layout/Layout.h"

namespace treadle {

using Shape = std::vector<int64_t>;
/// Dimensions from the fastest to the slowest.
using Order = std::vector<int>;

/// Each thread holds a block `sizePerThread`, a warp is a grid
/// `threadsPerWarp` (product 32) of threads, and the CTA is a grid
/// `warpsPerCta` of warps; all three are counted in `order`. Where the tile is
/// larger than the CTA's pattern, the pattern repeats (further register bits).
Layout blocked(const Shape &shape, const Shape &sizePerThread, const Shape &threadsPerWarp, const Shape &warpsPerCta,
               const Order &order);

/// The same with `numWarps` warps placed along `order`, as many along each
/// dimension as it has room for; surplus warps are broadcast.
Layout blocked(const Shape &shape, const Shape &sizePerThread, const Shape &threadsPerWarp, int64_t numWarps,
               const Order &order);

/// The layout for wide, coalesced global accesses: up to `maxVecElems`
/// elements per thread along the fastest dimension (fewer when the tile is
/// too small to keep all threads busy), then lanes, then warps, then repeats,
/// each along `order`.
Layout coalesced(const Shape &shape, const Order &order, int64_t maxVecElems, int64_t numWarps);

// Tensor-core fragments.
//
// The warp number is warpM + warpsM * warpN. Each warp owns a contiguous range
// of M/warpsM rows and of N/warpsN columns, so the fragments that it needs
// from A and B are its own: a dot is local to the warp. When M < 16 * warpsM
// (or N < 8 * warpsN), the surplus warps are broadcast.

/// The f32 accumulator of mma.m16n8kX, shape [M, N]. Registers: c0..c3 of a
/// fragment, then N repeats, then M repeats.
Layout mmaAccumulator(const Shape &shape, int64_t warpsM, int64_t warpsN);

/// Operand A of mma.m16n8k16 (16-bit elements) or m16n8k8 (32-bit, tf32) or
/// m16n8k32 (8-bit), shape [M, K]. Registers: the fragment in hardware order
/// (16 bit: a0,a1 = k 2t,2t+1; a2,a3 = row + 8; a4..a7 = k + 8), then K
/// repeats, then M repeats. Warps along N are broadcast.
Layout mmaOperandA(const Shape &shape, int elemBits, int64_t warpsM, int64_t warpsN);

/// Operand B of the same instructions, shape [K, N]. Registers: the fragment
/// (16 bit: b0,b1 = k 2t,2t+1; b2,b3 = k + 8), then K repeats, then N repeats.
/// Warps along M are broadcast.
Layout mmaOperandB(const Shape &shape, int elemBits, int64_t warpsM, int64_t warpsN);

/// The accumulator of wgmma.m64nN, shape [M, N]. A warpgroup is 4 consecutive
/// warps of 16 rows each; the warpgroup number is groupM + groupsM * groupN
/// with groupsM = numWarps / 4 / groupsN, and each group owns a contiguous
/// range of M/groupsM rows and N/groupsN columns. Registers: d0..d3, then N
/// (8 columns each), then M repeats of 64 rows.
Layout wgmmaAccumulator(const Shape &shape, int64_t numWarps, int64_t groupsN = 1);

/// Operand A of wgmma from registers, shape [M, K]; registers as in
/// mmaOperandA, with M repeats of 64 rows.
Layout wgmmaOperandA(const Shape &shape, int elemBits, int64_t numWarps, int64_t groupsN = 1);

/// What the threads that hold a product's result read of its operand A [M, K]
/// or B [K, N] to add up their elements, step by step along K: at step 0, its
/// row of A or column of B for each register. Further warp bits count the
/// steps. Not all elements need be read.
Layout laneOperandA(const Layout &result, int64_t k);
Layout laneOperandB(const Layout &result, int64_t k);

/// What ldmatrix.xNum delivers: shape [num * 8, 8] of b16, the matrices
/// stacked along the rows. Register bit 0 is the half of the 32-bit result,
/// the further ones are the matrix.
Layout ldmatrixTile(int64_t num, bool trans);

/// A shared-memory tile with the hardware's 0/32/64/128-byte swizzle, as TMA
/// writes and as wgmma and ldmatrix read it. The fastest dimension is cut in
/// pieces of `swizzleBytes`; a piece of all rows (the next dimension of
/// `order`) is contiguous, the pieces follow each other, further dimensions
/// are outermost. In the resulting byte address, the 16-byte chunk number is
/// XORed with the row: 128: bits 4-6 ^= bits 7-9; 64: bits 4-5 ^= bits 7-8;
/// 32: bit 4 ^= bit 7. If the fastest dimension has less than `swizzleBytes`
/// bytes, the next smaller swizzle is used.
Layout sharedSwizzled(const Shape &shape, const Order &order, int elemBytes, int swizzleBytes);

/// The swizzle that sharedSwizzled really uses.
int effectiveSwizzle(const Shape &shape, const Order &order, int elemBytes, int swizzleBytes);

} // namespace treadle

#endif // TREADLE_LAYOUT_LAYOUTS_H
