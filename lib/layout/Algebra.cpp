//===- Algebra.cpp - Linear algebra over F2 for layouts -------------------===//

#include "layout/Algebra.h"

#include <algorithm>
#include <cassert>

namespace treadle {
namespace f2 {

/// The highest bit of x, as a mask.
static uint32_t leadingBit(uint32_t x) {
  while (x & (x - 1))
    x &= x - 1;
  return x;
}

uint32_t apply(const Bases &map, uint32_t x) {
  assert((map.size() >= 32 || x >> map.size() == 0) && "input out of range");
  uint32_t y = 0;
  for (size_t i = 0; i < map.size(); ++i)
    if (x >> i & 1)
      y ^= map[i];
  return y;
}

Bases compose(const Bases &outer, const Bases &inner) {
  Bases result;
  for (uint32_t basis : inner)
    result.push_back(apply(outer, basis));
  return result;
}

Bases identity(unsigned bits) {
  Bases result;
  for (unsigned i = 0; i < bits; ++i)
    result.push_back(uint32_t(1) << i);
  return result;
}

Bases concat(const Bases &a, const Bases &b) {
  Bases result = a;
  result.insert(result.end(), b.begin(), b.end());
  return result;
}

unsigned rank(const Bases &map) { return Solver(map).rank(); }

Solver::Solver(const Bases &map) {
  assert(map.size() <= 32 && "too many input bits");
  for (size_t i = 0; i < map.size(); ++i) {
    Row row{map[i], uint32_t(1) << i};
    for (const Row &other : Rows)
      if (row.value & leadingBit(other.value)) {
        row.value ^= other.value;
        row.inputs ^= other.inputs;
      }
    if (row.value == 0) {
      Redundant |= uint32_t(1) << i;
      continue;
    }
    // Decreasing leading bits, so that one pass reduces a vector.
    auto pos = std::find_if(Rows.begin(), Rows.end(), [&](const Row &other) { return other.value < row.value; });
    Rows.insert(pos, row);
  }
}

std::optional<uint32_t> Solver::solve(uint32_t y) const {
  uint32_t inputs = 0;
  for (const Row &row : Rows)
    if (y & leadingBit(row.value)) {
      y ^= row.value;
      inputs ^= row.inputs;
    }
  if (y != 0)
    return std::nullopt;
  return inputs;
}

std::optional<uint32_t> solve(const Bases &map, uint32_t y) { return Solver(map).solve(y); }

std::optional<Bases> divide(const Bases &target, const Bases &map) {
  Solver solver(map);
  Bases result;
  for (uint32_t basis : target) {
    std::optional<uint32_t> x = solver.solve(basis);
    if (!x)
      return std::nullopt;
    result.push_back(*x);
  }
  return result;
}

std::optional<Bases> rightInverse(const Bases &map, unsigned outBits) { return divide(identity(outBits), map); }

std::optional<Bases> invert(const Bases &map) { return rightInverse(map, unsigned(map.size())); }

} // namespace f2

uint32_t DistMap::apply(uint32_t r, uint32_t l, uint32_t w) const {
  return f2::apply(reg, r) ^ f2::apply(lane, l) ^ f2::apply(warp, w);
}

const Layout::Bases &DistMap::bases(In in) const {
  assert(in != In::Offset && "a DistMap has no offset bits");
  return in == In::Register ? reg : in == In::Lane ? lane : warp;
}

Layout::Bases allBases(const Layout &layout) {
  Layout::Bases result;
  for (unsigned in = 0; in < NumIn; ++in)
    result = f2::concat(result, layout.bases(In(in)));
  return result;
}

Layout::Bases invertShared(const Layout &shared) {
  assert(shared.isShared() && "not a shared layout");
  return *f2::invert(shared.bases(In::Offset));
}

DistMap offsetMap(const Layout &dist, const Layout &shared) {
  assert(dist.shape() == shared.shape() && "different tiles");
  Layout::Bases toOffset = invertShared(shared);
  return {f2::compose(toOffset, dist.bases(In::Register)), f2::compose(toOffset, dist.bases(In::Lane)),
          f2::compose(toOffset, dist.bases(In::Warp))};
}

std::array<uint32_t, NumIn> freeVariableMasks(const Layout &layout) {
  uint32_t redundant = f2::Solver(allBases(layout)).redundant();
  std::array<uint32_t, NumIn> masks{};
  unsigned shift = 0;
  for (unsigned in = 0; in < NumIn; ++in) {
    masks[in] = uint32_t(uint64_t(redundant) >> shift) & uint32_t(layout.size(In(in)) - 1);
    shift += layout.bits(In(in));
  }
  return masks;
}

} // namespace treadle
