//===- Layout.cpp - Linear layouts over F2 --------------------------------===//

#include "layout/Layout.h"
#include "layout/Algebra.h"

#include <algorithm>
#include <cassert>

namespace treadle {

static bool isPowerOfTwo(int64_t x) { return x > 0 && (x & (x - 1)) == 0; }

static unsigned log2(int64_t x) {
  assert(isPowerOfTwo(x) && "not a power of two");
  unsigned bits = 0;
  while (x >>= 1)
    ++bits;
  return bits;
}

Layout::Layout(std::vector<int64_t> shape, Bases reg, Bases lane, Bases warp, Bases offset)
    : Shape(std::move(shape)), In2Bases{std::move(reg), std::move(lane), std::move(warp), std::move(offset)} {}

Layout Layout::shared(std::vector<int64_t> shape, Bases offset) {
  return Layout(std::move(shape), {}, {}, {}, std::move(offset));
}

unsigned Layout::outBits() const {
  unsigned bits = 0;
  for (int64_t dim : Shape)
    bits += log2(dim);
  return bits;
}

uint32_t Layout::apply(uint32_t reg, uint32_t lane, uint32_t warp, uint32_t offset) const {
  return f2::apply(bases(In::Register), reg) ^ f2::apply(bases(In::Lane), lane) ^ f2::apply(bases(In::Warp), warp) ^
         f2::apply(bases(In::Offset), offset);
}

unsigned Layout::dimBits(int axis) const { return log2(Shape[axis]); }

unsigned Layout::dimShift(int axis) const {
  unsigned shift = 0;
  for (int i = axis + 1; i < rank(); ++i)
    shift += dimBits(i);
  return shift;
}

uint32_t Layout::dimMask(int axis) const { return uint32_t(Shape[axis] - 1) << dimShift(axis); }

std::vector<int64_t> Layout::coords(uint32_t flat) const {
  std::vector<int64_t> result;
  for (int i = 0; i < rank(); ++i)
    result.push_back((flat & dimMask(i)) >> dimShift(i));
  return result;
}

uint32_t Layout::flat(const std::vector<int64_t> &coords) const {
  assert(int(coords.size()) == rank() && "wrong rank");
  uint32_t result = 0;
  for (int i = 0; i < rank(); ++i) {
    assert(coords[i] >= 0 && coords[i] < Shape[i] && "out of the tile");
    result |= uint32_t(coords[i]) << dimShift(i);
  }
  return result;
}

bool Layout::isSurjective() const { return f2::rank(allBases(*this)) == outBits(); }

bool Layout::isInjective() const {
  Bases all = allBases(*this);
  return f2::rank(all) == all.size();
}

bool Layout::isDistributed() const { return bits(In::Lane) == LaneBits && bits(In::Offset) == 0 && isSurjective(); }

bool Layout::isShared() const {
  return bits(In::Register) == 0 && bits(In::Lane) == 0 && bits(In::Warp) == 0 && bits(In::Offset) == outBits() &&
         isSurjective();
}

bool Layout::operator==(const Layout &other) const { return Shape == other.Shape && In2Bases == other.In2Bases; }

std::string Layout::str() const {
  auto join = [](const std::vector<int64_t> &values, const char *separator) {
    std::string s;
    for (int64_t value : values)
      s += (s.empty() ? "" : separator) + std::to_string(value);
    return s;
  };
  static const char *const names[NumIn] = {"register", "lane", "warp", "offset"};
  std::string s = "[" + join(Shape, ", ") + "]";
  bool isSharedTile = bits(In::Offset) != 0;
  for (unsigned in = 0; in < NumIn; ++in) {
    if (isSharedTile != (In(in) == In::Offset))
      continue;
    std::string list;
    for (uint32_t basis : In2Bases[in])
      list += (list.empty() ? "(" : " (") + join(coords(basis), ",") + ")";
    s += std::string(" ") + names[in] + "=[" + list + "]";
  }
  return s;
}

/// Rename the flat index bits of all bases.
template <typename Fn> static Layout mapOutput(const Layout &layout, std::vector<int64_t> shape, Fn fn) {
  std::array<Layout::Bases, NumIn> bases;
  for (unsigned in = 0; in < NumIn; ++in)
    for (uint32_t basis : layout.bases(In(in)))
      bases[in].push_back(fn(basis));
  return Layout(std::move(shape), bases[0], bases[1], bases[2], bases[3]);
}

Layout Layout::transpose(const std::vector<int> &perm) const {
  assert(int(perm.size()) == rank() && "not a permutation of the dimensions");
  std::vector<int64_t> newShape;
  for (int dim : perm)
    newShape.push_back(Shape[dim]);
  Layout named(newShape, {}, {}, {}); // only for its coordinates
  return mapOutput(*this, newShape, [&](uint32_t basis) {
    std::vector<int64_t> from = coords(basis), to;
    for (int dim : perm)
      to.push_back(from[dim]);
    return named.flat(to);
  });
}

Layout Layout::reshape(std::vector<int64_t> newShape) const {
  Layout result = *this;
  result.Shape = std::move(newShape);
  assert(result.outBits() == outBits() && "different number of elements");
  return result;
}

Layout Layout::expandDims(int axis) const {
  std::vector<int64_t> newShape = Shape;
  newShape.insert(newShape.begin() + axis, 1);
  return reshape(std::move(newShape));
}

Layout Layout::project(int axis) const {
  std::vector<int64_t> newShape = Shape;
  newShape.erase(newShape.begin() + axis);
  uint32_t low = (uint32_t(1) << dimShift(axis)) - 1;
  unsigned bits = dimBits(axis);
  return mapOutput(*this, std::move(newShape),
                   [&](uint32_t basis) { return (basis & low) | ((basis >> bits) & ~low); });
}

Layout Layout::dropRedundantRegisters() const {
  uint32_t redundant = f2::Solver(bases(In::Register)).redundant();
  Layout result = *this;
  Bases &regs = result.In2Bases[unsigned(In::Register)];
  regs.clear();
  for (unsigned i = 0; i < bits(In::Register); ++i)
    if (!(redundant >> i & 1))
      regs.push_back(bases(In::Register)[i]);
  return result;
}

Layout Layout::removeDim(int axis) const { return project(axis).dropRedundantRegisters(); }

bool verify(const Layout &layout, std::string *why) {
  auto fail = [&](const std::string &message) {
    if (why)
      *why = message;
    return false;
  };
  uint64_t elements = 1;
  for (int64_t dim : layout.shape()) {
    if (!isPowerOfTwo(dim))
      return fail("dimension " + std::to_string(dim) + " is not a power of two");
    if (dim > (int64_t(1) << 31) || (elements *= uint64_t(dim)) >> 32)
      return fail("the tile is too large");
  }
  uint64_t inputBits = 0;
  for (unsigned in = 0; in < NumIn; ++in) {
    inputBits += layout.bits(In(in));
    for (uint32_t basis : layout.bases(In(in)))
      if (basis >= elements)
        return fail("basis " + std::to_string(basis) + " is outside of the tile");
  }
  if (inputBits > 32)
    return fail("more than 32 input bits");
  if (!layout.isSurjective())
    return fail("some elements are held nowhere");
  if (layout.bits(In::Offset) == 0 && layout.bits(In::Lane) == LaneBits)
    return true;
  if (layout.isShared())
    return true;
  return fail("neither distributed (5 lane bits, no offset bits) nor shared "
              "(offset bits only, bijective)");
}

} // namespace treadle
