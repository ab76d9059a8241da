//===- Layouts.cpp - Constructors of the common layouts -------------------===//

#include "layout/Layouts.h"
#include "layout/Algebra.h"

#include <algorithm>
#include <cassert>

namespace treadle {

static unsigned log2(int64_t x) {
  assert(x > 0 && (x & (x - 1)) == 0 && "not a power of two");
  unsigned bits = 0;
  while (x >>= 1)
    ++bits;
  return bits;
}

namespace {
/// Hands out the bits of each dimension, from the low to the high ones, to the
/// input bits of the layout under construction.
class Builder {
public:
  explicit Builder(const Shape &shape) : Tile(shape, {}, {}, {}) {
    for (int i = 0; i < Tile.rank(); ++i)
      Used.push_back(0);
  }

  unsigned left(int dim) const { return Tile.dimBits(dim) - Used[dim]; }

  /// The next `count` bits of `dim` go to `in`; over the edge of the tile, the
  /// input bits are broadcast.
  Builder &take(In in, int dim, unsigned count) {
    for (; count != 0; --count)
      push(in, left(dim) == 0 ? 0 : uint32_t(1) << (Tile.dimShift(dim) + Used[dim]++));
    return *this;
  }
  Builder &takeRest(In in, int dim) { return take(in, dim, left(dim)); }
  Builder &broadcast(In in, unsigned count) {
    for (; count != 0; --count)
      push(in, 0);
    return *this;
  }

  /// Set bits aside for somebody who takes them later, out of order: the
  /// highest `count` bits that are left, or as many as there are.
  Layout::Bases reserveTop(int dim, unsigned count) {
    Layout::Bases bits(count, 0);
    unsigned n = std::min(count, left(dim));
    for (unsigned i = 0; i < n; ++i)
      bits[i] = uint32_t(1) << (Tile.dimShift(dim) + Tile.dimBits(dim) - n + i);
    return bits;
  }
  Builder &push(In in, uint32_t basis) {
    Bases[unsigned(in)].push_back(basis);
    return *this;
  }
  Builder &push(In in, const Layout::Bases &bases) {
    for (uint32_t basis : bases)
      push(in, basis);
    return *this;
  }

  Layout build() const { return Layout(Tile.shape(), Bases[0], Bases[1], Bases[2], Bases[3]); }

private:
  Layout Tile;
  std::vector<unsigned> Used;
  Layout::Bases Bases[NumIn];
};
} // namespace

static void checkOrder([[maybe_unused]] const Shape &shape, [[maybe_unused]] const Order &order) {
  assert(order.size() == shape.size() && "the order must name each dimension");
}

Layout blocked(const Shape &shape, const Shape &sizePerThread, const Shape &threadsPerWarp, const Shape &warpsPerCta,
               const Order &order) {
  checkOrder(shape, order);
  Builder builder(shape);
  for (int dim : order)
    builder.take(In::Register, dim, std::min(log2(sizePerThread[dim]), builder.left(dim)));
  for (int dim : order)
    builder.take(In::Lane, dim, log2(threadsPerWarp[dim]));
  for (int dim : order)
    builder.take(In::Warp, dim, log2(warpsPerCta[dim]));
  for (int dim : order)
    builder.takeRest(In::Register, dim);
  return builder.build();
}

/// Split `count` units (lanes or warps) over the dimensions along `order`, as
/// many along each as `room` has bits for, which is used up. The surplus goes
/// to the last dimension, where it is broadcast.
static Shape distribute(int64_t count, const Order &order, std::vector<unsigned> &room) {
  Shape split(order.size(), 1);
  unsigned left = log2(count);
  for (int dim : order) {
    unsigned bits = std::min(left, room[dim]);
    split[dim] <<= bits;
    room[dim] -= bits;
    left -= bits;
  }
  if (!order.empty())
    split[order.back()] <<= left;
  return split;
}

/// The bits of each dimension that remain after `used` (counts of elements).
static std::vector<unsigned> roomAfter(const Shape &shape, std::initializer_list<Shape> used) {
  std::vector<unsigned> room;
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    unsigned bits = 0;
    for (const Shape &counts : used)
      bits += log2(counts[dim]);
    room.push_back(log2(shape[dim]) - std::min(bits, log2(shape[dim])));
  }
  return room;
}

Layout blocked(const Shape &shape, const Shape &sizePerThread, const Shape &threadsPerWarp, int64_t numWarps,
               const Order &order) {
  checkOrder(shape, order);
  auto room = roomAfter(shape, {sizePerThread, threadsPerWarp});
  return blocked(shape, sizePerThread, threadsPerWarp, distribute(numWarps, order, room), order);
}

Layout coalesced(const Shape &shape, const Order &order, int64_t maxVecElems, int64_t numWarps) {
  checkOrder(shape, order);
  Shape sizePerThread(shape.size(), 1);
  if (shape.empty()) {
    Builder builder(shape);
    return builder.broadcast(In::Lane, LaneBits).broadcast(In::Warp, log2(numWarps)).build();
  }
  int64_t elements = 1;
  for (int64_t dim : shape)
    elements *= dim;
  int fast = order.front();
  sizePerThread[fast] = std::max<int64_t>(1, std::min({maxVecElems, shape[fast], elements / (32 * numWarps)}));
  auto room = roomAfter(shape, {sizePerThread});
  Shape lanes = distribute(32, order, room);
  Shape warps = distribute(numWarps, order, room);
  return blocked(shape, sizePerThread, lanes, warps, order);
}

//===----------------------------------------------------------------------===//
// Tensor-core fragments
//===----------------------------------------------------------------------===//
//
// All fragments are made of rows of 4 lanes, and of 8 such rows ("groups").
// Along the dimension in which the fragment is packed, a lane first holds
// 32 bits' worth of elements, then come the 4 lanes, then (after 8 rows of
// lanes along the other dimension) the next fragment pieces.

/// `packBits`: log2 of the elements in 32 bits.
static Builder &packedRows(Builder &builder, int packed, int other, unsigned packBits) {
  return builder.take(In::Register, packed, packBits).take(In::Lane, packed, 2).take(In::Lane, other, 3);
}

static unsigned packBits(int elemBits) { return log2(32 / elemBits); }

/// Accumulators: fragments of 16x8 f32. A unit of warps (mma: one, wgmma: a
/// group of 4) covers 16 * warpsPerUnit rows.
static Layout accumulator(const Shape &shape, int64_t warpsPerUnit, int64_t unitsM, int64_t unitsN) {
  assert(shape.size() == 2 && "fragments are matrices");
  Builder builder(shape);
  packedRows(builder, /*packed=*/1, /*other=*/0, /*packBits=*/1)
      .take(In::Register, 0, 1)
      .take(In::Warp, 0, log2(warpsPerUnit));
  Layout::Bases warpM = builder.reserveTop(0, log2(unitsM));
  Layout::Bases warpN = builder.reserveTop(1, log2(unitsN));
  unsigned repeatsN = builder.left(1) - f2::rank(warpN);
  unsigned repeatsM = builder.left(0) - f2::rank(warpM);
  return builder.take(In::Register, 1, repeatsN)
      .take(In::Register, 0, repeatsM)
      .push(In::Warp, warpM)
      .push(In::Warp, warpN)
      .build();
}

static Layout operandA(const Shape &shape, int elemBits, int64_t warpsPerUnit, int64_t unitsM, int64_t unitsN) {
  assert(shape.size() == 2 && "fragments are matrices");
  Builder builder(shape);
  packedRows(builder, /*packed=*/1, /*other=*/0, packBits(elemBits))
      .take(In::Register, 0, 1)
      .take(In::Register, 1, 1)
      .take(In::Warp, 0, log2(warpsPerUnit))
      .takeRest(In::Register, 1);
  Layout::Bases warpM = builder.reserveTop(0, log2(unitsM));
  return builder.take(In::Register, 0, builder.left(0) - f2::rank(warpM))
      .push(In::Warp, warpM)
      .broadcast(In::Warp, log2(unitsN))
      .build();
}

Layout mmaAccumulator(const Shape &shape, int64_t warpsM, int64_t warpsN) {
  return accumulator(shape, 1, warpsM, warpsN);
}

Layout mmaOperandA(const Shape &shape, int elemBits, int64_t warpsM, int64_t warpsN) {
  return operandA(shape, elemBits, 1, warpsM, warpsN);
}

Layout mmaOperandB(const Shape &shape, int elemBits, int64_t warpsM, int64_t warpsN) {
  assert(shape.size() == 2 && "fragments are matrices");
  Builder builder(shape);
  packedRows(builder, /*packed=*/0, /*other=*/1, packBits(elemBits)).take(In::Register, 0, 1).takeRest(In::Register, 0);
  Layout::Bases warpN = builder.reserveTop(1, log2(warpsN));
  return builder.take(In::Register, 1, builder.left(1) - f2::rank(warpN))
      .broadcast(In::Warp, log2(warpsM))
      .push(In::Warp, warpN)
      .build();
}

Layout wgmmaAccumulator(const Shape &shape, int64_t numWarps, int64_t groupsN) {
  assert(numWarps % (4 * groupsN) == 0 && "warpgroups have 4 warps");
  return accumulator(shape, 4, numWarps / 4 / groupsN, groupsN);
}

Layout wgmmaOperandA(const Shape &shape, int elemBits, int64_t numWarps, int64_t groupsN) {
  assert(numWarps % (4 * groupsN) == 0 && "warpgroups have 4 warps");
  return operandA(shape, elemBits, 4, numWarps / 4 / groupsN, groupsN);
}

/// `axis` of the result is the same of the operand, the other is summed over.
static Layout laneOperand(const Layout &result, int axis, int64_t k) {
  assert(result.rank() == 2 && "products are matrices");
  Shape shape = result.shape();
  shape[1 - axis] = k;
  Layout operand(shape, {}, {}, {});
  auto place = [&](const Layout::Bases &bases) {
    Layout::Bases places;
    for (uint32_t basis : bases) {
      Shape coords = result.coords(basis);
      coords[1 - axis] = 0;
      places.push_back(operand.flat(coords));
    }
    return places;
  };
  Layout::Bases steps;
  for (unsigned bit = 0; bit < operand.dimBits(1 - axis); ++bit)
    steps.push_back(uint32_t(1) << (operand.dimShift(1 - axis) + bit));
  return Layout(shape, place(result.bases(In::Register)), place(result.bases(In::Lane)),
                f2::concat(place(result.bases(In::Warp)), steps));
}

Layout laneOperandA(const Layout &result, int64_t k) { return laneOperand(result, 0, k); }
Layout laneOperandB(const Layout &result, int64_t k) { return laneOperand(result, 1, k); }

Layout ldmatrixTile(int64_t num, bool trans) {
  assert((num == 1 || num == 2 || num == 4) && "ldmatrix has .x1, .x2, .x4");
  Builder builder({num * 8, 8});
  packedRows(builder, /*packed=*/trans ? 0 : 1, /*other=*/trans ? 1 : 0, 1).takeRest(In::Register, 0);
  return builder.build();
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

int effectiveSwizzle(const Shape &shape, const Order &order, int elemBytes, int swizzleBytes) {
  assert((swizzleBytes == 0 || swizzleBytes == 32 || swizzleBytes == 64 || swizzleBytes == 128) && "no such swizzle");
  while (swizzleBytes != 0 && (order.empty() || shape[order.front()] * elemBytes < swizzleBytes))
    swizzleBytes = swizzleBytes == 32 ? 0 : swizzleBytes / 2;
  return swizzleBytes;
}

Layout sharedSwizzled(const Shape &shape, const Order &order, int elemBytes, int swizzleBytes) {
  checkOrder(shape, order);
  swizzleBytes = effectiveSwizzle(shape, order, elemBytes, swizzleBytes);

  // The plain arrangement in pieces.
  Builder builder(shape);
  if (swizzleBytes != 0)
    builder.take(In::Offset, order[0], log2(swizzleBytes / elemBytes));
  else if (!order.empty())
    builder.takeRest(In::Offset, order[0]);
  if (order.size() > 1)
    builder.takeRest(In::Offset, order[1]);
  for (int dim : order)
    builder.takeRest(In::Offset, dim);
  Layout plain = builder.build();

  // The swizzle is an involution on the bits of the byte address: the chunk
  // bits, from bit 4, are XORed with the row bits, from bit 7.
  uint32_t rowBits = swizzleBytes == 0 ? 0 : uint32_t(swizzleBytes / 16 - 1) << 7;
  Layout::Bases swizzle;
  for (uint32_t bit : f2::identity(plain.outBits()))
    swizzle.push_back(bit ^ uint32_t(((uint64_t(bit) * elemBytes) & rowBits) >> 3) / uint32_t(elemBytes));
  return Layout::shared(shape, f2::compose(plain.bases(In::Offset), swizzle));
}

} // namespace treadle
