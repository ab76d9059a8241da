//===- LayoutTest.cpp - The algebra and the Layout class ------------------===//

#include "layout/Layout.h"
#include "Random.h"
#include "layout/Algebra.h"
#include "layout/Layouts.h"

#include <gtest/gtest.h>

using namespace treadle;
using namespace treadle::test;

TEST(F2, ComposeIsAssociativeAndAgreesWithApply) {
  Random random(1);
  for (int trial = 0; trial < 200; ++trial) {
    auto a = random.map(6, 8), b = random.map(7, 6), c = random.map(5, 7);
    auto left = f2::compose(f2::compose(a, b), c);
    EXPECT_EQ(left, f2::compose(a, f2::compose(b, c)));
    for (uint32_t x = 0; x < 32; ++x)
      EXPECT_EQ(f2::apply(left, x), f2::apply(a, f2::apply(b, f2::apply(c, x))));
  }
}

TEST(F2, InverseIsTwoSided) {
  Random random(2);
  for (int trial = 0; trial < 200; ++trial) {
    unsigned bits = random.below(12);
    auto map = random.bijection(bits);
    auto inverse = f2::invert(map);
    ASSERT_TRUE(inverse);
    EXPECT_EQ(f2::compose(map, *inverse), f2::identity(bits));
    EXPECT_EQ(f2::compose(*inverse, map), f2::identity(bits));
  }
  EXPECT_FALSE(f2::invert({1, 1}));
}

TEST(F2, SolveFindsExactlyTheImage) {
  Random random(3);
  for (int trial = 0; trial < 200; ++trial) {
    auto map = random.map(5, 6);
    std::vector<bool> inImage(64);
    for (uint32_t x = 0; x < 32; ++x)
      inImage[f2::apply(map, x)] = true;
    f2::Solver solver(map);
    unsigned reached = 0;
    for (uint32_t y = 0; y < 64; ++y) {
      auto x = solver.solve(y);
      EXPECT_EQ(bool(x), bool(inImage[y]));
      reached += inImage[y];
      if (!x)
        continue;
      EXPECT_EQ(f2::apply(map, *x), y);
      EXPECT_EQ(*x & solver.redundant(), 0u);
    }
    EXPECT_EQ(reached, 1u << solver.rank());
  }
}

TEST(F2, RightInverseAndDivide) {
  Random random(4);
  for (int trial = 0; trial < 200; ++trial) {
    auto map = f2::concat(random.bijection(6), random.map(3, 6));
    std::shuffle(map.begin(), map.end(), std::mt19937(unsigned(trial)));
    auto right = f2::rightInverse(map, 6);
    ASSERT_TRUE(right);
    EXPECT_EQ(f2::compose(map, *right), f2::identity(6));
    auto target = random.map(4, 6);
    auto quotient = f2::divide(target, map);
    ASSERT_TRUE(quotient);
    EXPECT_EQ(f2::compose(map, *quotient), target);
  }
  EXPECT_FALSE(f2::rightInverse({1, 2}, 3));
}

TEST(Layout, ApplyIsXorOfBases) {
  Layout layout({16, 8}, {1, 64}, {2, 4, 8, 16, 32}, {});
  EXPECT_EQ(layout.apply(3, 6, 0), layout.flat({9, 5}));
  EXPECT_EQ(layout.coords(layout.apply(3, 6, 0)), (std::vector<int64_t>{9, 5}));
  EXPECT_TRUE(layout.isSurjective());
  EXPECT_TRUE(layout.isInjective());
  EXPECT_TRUE(layout.isDistributed());
  EXPECT_FALSE(layout.isShared());
  EXPECT_EQ(layout.str(), "[16, 8] register=[(0,1) (8,0)] "
                          "lane=[(0,2) (0,4) (1,0) (2,0) (4,0)] warp=[]");
}

TEST(Layout, CoordsAndFlatAreInverse) {
  Layout layout({4, 1, 8, 2}, {}, {}, {});
  for (uint32_t flat = 0; flat < 64; ++flat)
    EXPECT_EQ(layout.flat(layout.coords(flat)), flat);
}

TEST(Layout, ReshapingKeepsThePlaces) {
  Random random(5);
  for (int trial = 0; trial < 50; ++trial) {
    Layout layout = random.distributed({4, 8, 16}, 2, trial % 2);
    Layout transposed = layout.transpose({2, 0, 1});
    Layout reshaped = layout.reshape({32, 16});
    Layout expanded = layout.expandDims(1);
    Layout projected = layout.project(1);
    EXPECT_EQ(transposed.shape(), (std::vector<int64_t>{16, 4, 8}));
    EXPECT_EQ(expanded.shape(), (std::vector<int64_t>{4, 1, 8, 16}));
    EXPECT_EQ(projected.shape(), (std::vector<int64_t>{4, 16}));
    EXPECT_EQ(transposed.transpose({1, 2, 0}), layout);
    EXPECT_EQ(expanded.project(1), layout);
    forEachPlace(layout, [&](uint32_t r, uint32_t l, uint32_t w) {
      auto at = layout.coords(layout.apply(r, l, w));
      EXPECT_EQ(transposed.coords(transposed.apply(r, l, w)), (std::vector<int64_t>{at[2], at[0], at[1]}));
      EXPECT_EQ(reshaped.apply(r, l, w), layout.apply(r, l, w));
      EXPECT_EQ(expanded.apply(r, l, w), layout.apply(r, l, w));
      EXPECT_EQ(projected.coords(projected.apply(r, l, w)), (std::vector<int64_t>{at[0], at[2]}));
    });
    // Dropping replicas leaves the same elements with each thread.
    Layout removed = layout.removeDim(1);
    EXPECT_TRUE(verify(removed));
    EXPECT_EQ(f2::rank(removed.bases(In::Register)), removed.bits(In::Register));
    EXPECT_EQ(f2::rank(f2::concat(removed.bases(In::Register), projected.bases(In::Register))),
              removed.bits(In::Register));
  }
}

TEST(Layout, Verify) {
  std::string why;
  EXPECT_TRUE(verify(Layout({16, 8}, {1, 64}, {2, 4, 8, 16, 32}, {}), &why));
  EXPECT_FALSE(verify(Layout({16, 6}, {}, {}, {}), &why));
  EXPECT_EQ(why, "dimension 6 is not a power of two");
  EXPECT_FALSE(verify(Layout({32}, {}, {1, 2, 4, 8, 32}, {}), &why));
  EXPECT_EQ(why, "basis 32 is outside of the tile");
  EXPECT_FALSE(verify(Layout({32}, {}, {1, 2, 4, 8, 8}, {}), &why));
  EXPECT_EQ(why, "some elements are held nowhere");
  EXPECT_FALSE(verify(Layout({16}, {}, {1, 2, 4, 8}, {}), &why));
  EXPECT_FALSE(verify(Layout({0}, {}, {}, {}), &why));
  EXPECT_FALSE(verify(Layout({int64_t(1) << 40}, {}, {}, {}), &why));
  EXPECT_TRUE(verify(Layout::shared({4, 4}, {2, 1, 4, 8}), &why));
  EXPECT_FALSE(verify(Layout::shared({4, 4}, {2, 1, 4, 8, 0}), &why));
}

TEST(Layout, FreeVariablesHoldEachElementOnce) {
  Random random(6);
  for (int trial = 0; trial < 100; ++trial) {
    Layout layout = random.distributed({8, 16}, 2, trial % 2);
    auto free = freeVariableMasks(layout);
    std::vector<int> holders(layout.numElements());
    forEachPlace(layout, [&](uint32_t r, uint32_t l, uint32_t w) {
      if (!(r & free[0]) && !(l & free[1]) && !(w & free[2]))
        ++holders[layout.apply(r, l, w)];
    });
    for (int count : holders)
      EXPECT_EQ(count, 1);
  }
}

TEST(Layout, OffsetMapIsTheInverseOfShared) {
  Random random(7);
  for (int trial = 0; trial < 50; ++trial) {
    Layout dist = random.distributed({16, 16}, 2, trial % 2);
    Layout shared = Layout::shared({16, 16}, random.bijection(8));
    DistMap offsets = offsetMap(dist, shared);
    forEachPlace(dist, [&](uint32_t r, uint32_t l, uint32_t w) {
      EXPECT_EQ(shared.apply(0, 0, 0, offsets.apply(r, l, w)), dist.apply(r, l, w));
    });
  }
}
