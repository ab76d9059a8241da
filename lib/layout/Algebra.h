//===- Algebra.h - Linear algebra over F2 for layouts -----------*- C++ -*-===//
//
// A linear map is the list of the images (bases) of its input bits; vectors
// are uint32_t. That is all there is to it: composition applies one map to the
// bases of the other, and every "is there a place that holds this element?"
// is the solution of a small linear system.
//
//===----------------------------------------------------------------------===//

#ifndef TREADLE_LAYOUT_ALGEBRA_H
#define TREADLE_LAYOUT_ALGEBRA_H

#include "layout/Layout.h"

#include <optional>

namespace treadle {
namespace f2 {

using Bases = Layout::Bases;

/// XOR of the bases of the bits set in \p x.
uint32_t apply(const Bases &map, uint32_t x);
/// The map x -> outer(inner(x)).
Bases compose(const Bases &outer, const Bases &inner);
Bases identity(unsigned bits);
/// The map on the concatenated input bits (those of \p a are the low ones).
Bases concat(const Bases &a, const Bases &b);
unsigned rank(const Bases &map);

/// A linear system with all its eliminations done once.
class Solver {
public:
  explicit Solver(const Bases &map);
  /// Some x with map(x) == y, if there is one. Linear in y, and x uses none of
  /// the `redundant` bits.
  std::optional<uint32_t> solve(uint32_t y) const;
  unsigned rank() const { return unsigned(Rows.size()); }
  /// The input bits whose basis lies in the span of the lower ones.
  uint32_t redundant() const { return Redundant; }

private:
  struct Row {
    uint32_t value, inputs; // map(inputs) == value
  };
  std::vector<Row> Rows; // with distinct leading bits
  uint32_t Redundant = 0;
};

std::optional<uint32_t> solve(const Bases &map, uint32_t y);
/// The inverse of a bijection on map.size() bits.
std::optional<Bases> invert(const Bases &map);
/// Some r with map(r(y)) == y for all y of \p outBits bits.
std::optional<Bases> rightInverse(const Bases &map, unsigned outBits);
/// Some q with map(q(x)) == target(x) for all x ("target divided by map").
std::optional<Bases> divide(const Bases &target, const Bases &map);

} // namespace f2

/// A map from (register, lane, warp) to something else than a flat index.
struct DistMap {
  Layout::Bases reg, lane, warp;
  uint32_t apply(uint32_t r, uint32_t l, uint32_t w) const;
  const Layout::Bases &bases(In in) const;
};

/// All input bits in the order register, lane, warp, offset.
Layout::Bases allBases(const Layout &layout);

/// Flat index -> offset.
Layout::Bases invertShared(const Layout &shared);

/// (register, lane, warp) -> offset in elements of the element held there.
DistMap offsetMap(const Layout &dist, const Layout &shared);

/// Per In, the bits that hold only replicas: those whose basis lies in the
/// span of the bits before (register, then lane, then warp). The places where
/// all of them are zero hold each element exactly once.
std::array<uint32_t, NumIn> freeVariableMasks(const Layout &layout);

} // namespace treadle

#endif // TREADLE_LAYOUT_ALGEBRA_H
