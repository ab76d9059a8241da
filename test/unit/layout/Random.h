//===- Random.h - Random maps for the layout tests --------------*- C++ -*-===//

#ifndef TREADLE_TEST_UNIT_LAYOUT_RANDOM_H
#define TREADLE_TEST_UNIT_LAYOUT_RANDOM_H

#include "layout/Algebra.h"
#include "layout/Layout.h"

#include <algorithm>
#include <random>

namespace treadle::test {

class Random {
public:
  explicit Random(unsigned seed) : Engine(seed) {}

  /// 0 <= result < bound.
  uint32_t below(uint32_t bound) { return uint32_t(Engine() % bound); }

  Layout::Bases map(unsigned inBits, unsigned outBits) {
    Layout::Bases result;
    for (unsigned i = 0; i < inBits; ++i)
      result.push_back(below(uint32_t(1) << outBits));
    return result;
  }

  Layout::Bases bijection(unsigned bits) {
    for (;;) {
      Layout::Bases result = map(bits, bits);
      if (f2::rank(result) == bits)
        return result;
    }
  }

  /// The unit vectors of `bits` bits in a random order.
  Layout::Bases permutation(unsigned bits) {
    Layout::Bases result = f2::identity(bits);
    std::shuffle(result.begin(), result.end(), Engine);
    return result;
  }

  /// A distributed layout. Its bases are unit vectors in random places and
  /// zeros; with `mixed`, anything that is surjective.
  Layout distributed(const std::vector<int64_t> &shape, unsigned warpBits, bool mixed) {
    unsigned bits = Layout(shape, {}, {}, {}).outBits();
    unsigned fixed = LaneBits + warpBits;
    unsigned regBits = (bits > fixed ? bits - fixed : 0) + below(3);
    unsigned total = regBits + fixed;
    Layout::Bases all = permutation(bits);
    while (all.size() < total)
      all.push_back(mixed ? below(uint32_t(1) << bits) : 0);
    std::shuffle(all.begin(), all.end(), Engine);
    if (mixed)
      all = f2::compose(bijection(bits), all);
    auto cut = [&](unsigned from, unsigned count) {
      return Layout::Bases(all.begin() + from, all.begin() + from + count);
    };
    return Layout(shape, cut(0, regBits), cut(regBits, LaneBits), cut(regBits + LaneBits, warpBits));
  }

private:
  std::mt19937 Engine;
};

/// Call fn(reg, lane, warp) for all places of a layout.
template <typename Fn> void forEachPlace(const Layout &layout, Fn fn) {
  for (uint32_t w = 0; w < layout.numWarps(); ++w)
    for (uint32_t l = 0; l < 32; ++l)
      for (uint32_t r = 0; r < layout.numRegisters(); ++r)
        fn(r, l, w);
}

} // namespace treadle::test

#endif // TREADLE_TEST_UNIT_LAYOUT_RANDOM_H
