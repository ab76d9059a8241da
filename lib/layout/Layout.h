//===- Layout.h - Linear layouts over F2 ------------------------*- C++ -*-===//
//
// Who holds which element of a tile?
//
// Every tile has a power-of-two shape, so the row-major *flat index* of an
// element is a vector of n bits, and so are the register number, the lane
// number, the warp number and the offset in a shared-memory buffer. All
// layouts that GPUs care about (blocked, mma fragments, ldmatrix, the 128-byte
// swizzle) share one property: they are *linear* maps over the two-element
// field F2. Such a map is known as soon as it is known on the unit vectors:
//
//     flat(reg, lane, warp) = XOR of the bases of the bits set in the inputs
//
// so a Layout is just four short lists of flat indices. There is no list of
// layout kinds anywhere in the compiler; constructors (Layouts.h) fill in the
// bases, and all questions (does this conversion move data? how wide may the
// load be? does it conflict in shared memory?) are linear algebra on them
// (Algebra.h, Plans.h).
//
// A worked example: the f32 accumulator of mma.m16n8k16 for a 16x8 tile, one
// warp. The flat index has 7 bits, r3 r2 r1 r0 c2 c1 c0. The PTX manual says:
// a thread holds four values, row = lane/4 + 8*(i>=2), col = 2*(lane%4) + i%2.
//
//     register bit 0 -> 0b0000'001  (col + 1)      lane bit 0 -> 0b0000'010
//     register bit 1 -> 0b1000'000  (row + 8)      lane bit 1 -> 0b0000'100
//                                                  lane bit 2 -> 0b0001'000
//     no warp bits: one warp                       lane bit 3 -> 0b0010'000
//                                                  lane bit 4 -> 0b0100'000
//
//     register 3 of lane 6 = (1 ^ 64) ^ (4 ^ 8) = 0b1001'101 = (row 9, col 5)
//
// The basis 0 means *broadcast*: the bit does not matter, all its values hold
// the same element. Replication needs no further concept: the row sums of the
// tile above live in the layout whose bases have the column bits masked away,
// so the four lanes of a group hold the same sum.
//
// Terms: a *distributed* layout uses Register, Lane (always 5 bits) and Warp
// and is surjective: each element is held by somebody, maybe by several. A
// *shared* layout uses only Offset (counted in elements) and is bijective.
//
//===----------------------------------------------------------------------===//

#ifndef TREADLE_LAYOUT_LAYOUT_H
#define TREADLE_LAYOUT_LAYOUT_H

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace treadle {

/// The groups of input bits of a layout.
enum class In : uint8_t { Register, Lane, Warp, Offset };
constexpr unsigned NumIn = 4;
constexpr unsigned LaneBits = 5;

class Layout {
public:
  using Bases = std::vector<uint32_t>;

  /// An empty layout of the rank-0 tile; it exists for containers only.
  Layout() = default;
  Layout(std::vector<int64_t> shape, Bases reg, Bases lane, Bases warp, Bases offset = {});
  static Layout shared(std::vector<int64_t> shape, Bases offset);

  const std::vector<int64_t> &shape() const { return Shape; }
  int rank() const { return static_cast<int>(Shape.size()); }
  /// Number of bits of the flat index.
  unsigned outBits() const;
  int64_t numElements() const { return int64_t(1) << outBits(); }
  const Bases &bases(In in) const { return In2Bases[unsigned(in)]; }
  unsigned bits(In in) const { return unsigned(bases(in).size()); }
  int64_t size(In in) const { return int64_t(1) << bits(in); }
  /// Values that each thread holds, replicas included.
  int64_t numRegisters() const { return size(In::Register); }
  int64_t numWarps() const { return size(In::Warp); }

  /// The flat index of the element at this place.
  uint32_t apply(uint32_t reg, uint32_t lane, uint32_t warp, uint32_t offset = 0) const;

  std::vector<int64_t> coords(uint32_t flat) const;
  uint32_t flat(const std::vector<int64_t> &coords) const;
  /// The bits of the flat index that belong to dimension \p axis: `dimBits`
  /// of them, starting at bit `dimShift`.
  unsigned dimShift(int axis) const;
  unsigned dimBits(int axis) const;
  uint32_t dimMask(int axis) const;

  bool isSurjective() const;
  bool isInjective() const;
  bool isDistributed() const;
  bool isShared() const;

  bool operator==(const Layout &other) const;
  bool operator!=(const Layout &other) const { return !(*this == other); }
  /// For example "[16, 8] register=[(0,1) (8,0)] lane=[...] warp=[]".
  std::string str() const;

  // Reshaping the output side. Who holds what stays; only the names change.

  /// Dimension i of the result is dimension perm[i] of this layout.
  Layout transpose(const std::vector<int> &perm) const;
  /// The same flat index under another shape with as many elements.
  Layout reshape(std::vector<int64_t> newShape) const;
  /// Insert a dimension of size 1 in front of \p axis (0 <= axis <= rank).
  Layout expandDims(int axis) const;
  /// Forget the coordinate along \p axis. All input bits stay, those along
  /// the axis become broadcast.
  Layout project(int axis) const;
  /// `project`, then drop the registers that have become replicas: the layout
  /// of the result of a reduction.
  Layout removeDim(int axis) const;
  /// Drop the register bits that lie in the span of lower register bits.
  Layout dropRedundantRegisters() const;

private:
  std::vector<int64_t> Shape;
  std::array<Bases, NumIn> In2Bases;
};

/// Check the invariants: power-of-two dimensions, bases in range, and the
/// layout either distributed or shared. On failure \p why says what is wrong.
bool verify(const Layout &layout, std::string *why = nullptr);

} // namespace treadle

#endif // TREADLE_LAYOUT_LAYOUT_H
