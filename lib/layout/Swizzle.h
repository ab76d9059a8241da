//===- Swizzle.h - A shared tile that suits all who access it ---*- C++ -*-===//
//
// A tile in shared memory is written by copies or stores and read as rows,
// columns or fragments. Which bank an element is in decides how many of these
// accesses can be served at once, and one rule for all tiles cannot please
// all readers. Here the rule is computed: the tile's 16-byte chunks are
// exchanged within their 128 bytes by a linear function of the number of the
// 128 bytes, chosen so that the accesses cost the fewest wavefronts.
//
//===----------------------------------------------------------------------===//

#ifndef TREADLE_LAYOUT_SWIZZLE_H
#define TREADLE_LAYOUT_SWIZZLE_H

#include "layout/Layout.h"

namespace treadle {

/// One way in which the threads of a block access a tile.
struct TileAccess {
  /// Who accesses which element; not everything need be accessed.
  Layout places;
  /// The widest vector, in elements.
  int64_t maxElems;
  /// By ldmatrix, if the places are its fragments.
  bool matrices = false;
  /// How often this happens, compared with the others.
  int64_t times = 1;

  static TileAccess vectors(Layout places, int elemBytes, int64_t times = 1);
  static TileAccess fragments(Layout places, int elemBytes);
  /// Registers that name the same element as others; those are not accessed.
  uint32_t replicas() const;
};

/// What the accesses of one warp cost.
struct AccessCost {
  int64_t wavefronts = 0, accesses = 0;
  /// The part of the wavefronts that is due to bank conflicts.
  int64_t conflicts = 0;

  bool operator<(const AccessCost &other) const {
    return wavefronts != other.wavefronts ? wavefronts < other.wavefronts : accesses < other.accesses;
  }
};

AccessCost accessCost(const std::vector<TileAccess> &accesses, const Layout &shared, int elemBytes);

/// \p shared itself if \p accesses are free of conflicts in it; else with its
/// chunks of 16 bytes exchanged so that they cost as little as possible.
Layout swizzledFor(const std::vector<TileAccess> &accesses, const Layout &shared, int elemBytes);

} // namespace treadle

#endif // TREADLE_LAYOUT_SWIZZLE_H
