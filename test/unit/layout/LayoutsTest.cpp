//===- LayoutsTest.cpp - The hardware's layouts, element by element -------===//
//
// The formulas are those of the PTX ISA manual ("Matrix fragments for mma",
// "wgmma register fragments", "ldmatrix", "tensor-map swizzling modes").
//
//===----------------------------------------------------------------------===//

#include "layout/Layouts.h"
#include "Random.h"
#include "layout/Algebra.h"

#include <gtest/gtest.h>
#include <set>

using namespace treadle;
using namespace treadle::test;

namespace {

std::vector<int64_t> at(const Layout &layout, uint32_t r, uint32_t l, uint32_t w) {
  return layout.coords(layout.apply(r, l, w));
}
using Coords = std::vector<int64_t>;

} // namespace

//===----------------------------------------------------------------------===//
// blocked, coalesced
//===----------------------------------------------------------------------===//

TEST(Layouts, BlockedRowMajor) {
  // Threads 4x8, 2 warps down, 2x2 per thread, the tile repeats the pattern.
  Layout layout = blocked({32, 32}, {2, 2}, {4, 8}, Shape{2, 1}, {1, 0});
  EXPECT_TRUE(verify(layout));
  EXPECT_EQ(layout.numRegisters(), 16);
  forEachPlace(layout, [&](uint32_t r, uint32_t l, uint32_t w) {
    int64_t col = r % 2 + 2 * (l % 8) + 16 * (r / 4 % 2);
    int64_t row = r / 2 % 2 + 2 * (l / 8) + 8 * w + 16 * (r / 8);
    EXPECT_EQ(at(layout, r, l, w), (Coords{row, col}));
  });
}

TEST(Layouts, BlockedIsBroadcastOverTheEdge) {
  Layout layout = blocked({4, 8}, {1, 4}, {8, 4}, Shape{4, 1}, {1, 0});
  EXPECT_TRUE(verify(layout));
  EXPECT_EQ(layout.numRegisters(), 4);
  EXPECT_EQ(layout.bases(In::Lane), (Layout::Bases{4, 0, 8, 16, 0}));
  EXPECT_EQ(layout.bases(In::Warp), (Layout::Bases{0, 0}));
}

TEST(Layouts, BlockedPlacesWarpsWhereThereIsRoom) {
  EXPECT_EQ(blocked({64, 32}, {1, 4}, {4, 8}, 4, {1, 0}), blocked({64, 32}, {1, 4}, {4, 8}, Shape{4, 1}, {1, 0}));
  EXPECT_EQ(blocked({64, 64}, {1, 4}, {4, 8}, 4, {1, 0}), blocked({64, 64}, {1, 4}, {4, 8}, Shape{2, 2}, {1, 0}));
  EXPECT_EQ(blocked({4, 32}, {1, 4}, {4, 8}, 4, {1, 0}).bases(In::Warp), (Layout::Bases{0, 0}));
}

TEST(Layouts, Coalesced) {
  Layout layout = coalesced({64, 64}, {1, 0}, 8, 4);
  EXPECT_TRUE(verify(layout));
  forEachPlace(layout, [&](uint32_t r, uint32_t l, uint32_t w) {
    uint32_t unit = l + 32 * w + 128 * (r / 8);
    EXPECT_EQ(layout.apply(r, l, w), r % 8 + 8 * unit);
  });
  // Column-major: the same of the transposed tile.
  EXPECT_EQ(coalesced({32, 64}, {0, 1}, 4, 2), coalesced({64, 32}, {1, 0}, 4, 2).transpose({1, 0}));
  // Too small a tile for the full vector, and for all threads.
  EXPECT_EQ(coalesced({256}, {0}, 8, 4).numRegisters(), 2);
  EXPECT_EQ(coalesced({16}, {0}, 8, 4).bases(In::Lane), (Layout::Bases{1, 2, 4, 8, 0}));
  for (Shape shape : {Shape{1}, Shape{}, Shape{1, 1}, Shape{2, 1, 4}}) {
    Order order;
    for (int i = int(shape.size()) - 1; i >= 0; --i)
      order.push_back(i);
    std::string why;
    EXPECT_TRUE(verify(coalesced(shape, order, 4, 4), &why)) << why;
  }
}

//===----------------------------------------------------------------------===//
// mma
//===----------------------------------------------------------------------===//

TEST(Mma, AccumulatorMatchesTheManual) {
  for (auto p :
       {std::array<int64_t, 4>{16, 8, 1, 1}, {32, 32, 1, 1}, {64, 64, 2, 2}, {128, 64, 4, 1}, {128, 128, 2, 4}}) {
    const int64_t m = p[0], n = p[1], warpsM = p[2], warpsN = p[3];
    Layout layout = mmaAccumulator({m, n}, warpsM, warpsN);
    EXPECT_TRUE(verify(layout));
    EXPECT_TRUE(layout.isInjective());
    int64_t repeatsN = n / warpsN / 8;
    forEachPlace(layout, [&](uint32_t r, uint32_t l, uint32_t w) {
      int64_t groupID = l >> 2, threadIDInGroup = l % 4, i = r % 4;
      int64_t row = i < 2 ? groupID : groupID + 8;
      int64_t col = threadIDInGroup * 2 + (i & 1);
      int64_t repN = r / 4 % repeatsN, repM = r / 4 / repeatsN;
      int64_t warpM = w % warpsM, warpN = w / warpsM;
      EXPECT_EQ(at(layout, r, l, w),
                (Coords{row + 16 * repM + m / warpsM * warpM, col + 8 * repN + n / warpsN * warpN}));
    });
  }
}

TEST(Mma, OperandA16MatchesTheManual) {
  for (auto p : {std::array<int64_t, 4>{16, 16, 1, 1}, {64, 64, 2, 2}, {128, 32, 4, 1}}) {
    const int64_t m = p[0], k = p[1], warpsM = p[2], warpsN = p[3];
    Layout layout = mmaOperandA({m, k}, 16, warpsM, warpsN);
    EXPECT_TRUE(verify(layout));
    forEachPlace(layout, [&](uint32_t r, uint32_t l, uint32_t w) {
      int64_t groupID = l >> 2, threadIDInGroup = l % 4, i = r % 8;
      bool low = i < 2 || (i >= 4 && i < 6);
      int64_t row = low ? groupID : groupID + 8;
      int64_t col = threadIDInGroup * 2 + (i & 1) + (i >= 4 ? 8 : 0);
      int64_t repK = r / 8 % (k / 16), repM = r / 8 / (k / 16);
      EXPECT_EQ(at(layout, r, l, w), (Coords{row + 16 * repM + m / warpsM * (w % warpsM), col + 16 * repK}));
    });
  }
}

TEST(Mma, OperandB16MatchesTheManual) {
  for (auto p : {std::array<int64_t, 4>{16, 8, 1, 1}, {64, 64, 2, 2}, {32, 128, 1, 4}}) {
    const int64_t k = p[0], n = p[1], warpsM = p[2], warpsN = p[3];
    Layout layout = mmaOperandB({k, n}, 16, warpsM, warpsN);
    EXPECT_TRUE(verify(layout));
    forEachPlace(layout, [&](uint32_t r, uint32_t l, uint32_t w) {
      int64_t groupID = l >> 2, threadIDInGroup = l % 4, i = r % 4;
      int64_t row = threadIDInGroup * 2 + (i & 1) + (i >= 2 ? 8 : 0);
      int64_t col = groupID;
      int64_t repK = r / 4 % (k / 16), repN = r / 4 / (k / 16);
      EXPECT_EQ(at(layout, r, l, w), (Coords{row + 16 * repK, col + 8 * repN + n / warpsN * (w / warpsM)}));
    });
  }
}

TEST(Mma, OperandsTf32MatchTheManual) {
  Layout a = mmaOperandA({16, 8}, 32, 1, 1), b = mmaOperandB({8, 8}, 32, 1, 1);
  EXPECT_EQ(a.numRegisters(), 4);
  EXPECT_EQ(b.numRegisters(), 2);
  forEachPlace(a, [&](uint32_t i, uint32_t l, uint32_t w) {
    int64_t row = l / 4 + (i == 1 || i == 3 ? 8 : 0);
    int64_t col = l % 4 + (i >= 2 ? 4 : 0);
    EXPECT_EQ(at(a, i, l, w), (Coords{row, col}));
  });
  forEachPlace(b,
               [&](uint32_t i, uint32_t l, uint32_t w) { EXPECT_EQ(at(b, i, l, w), (Coords{l % 4 + 4 * i, l / 4})); });
}

TEST(Mma, Operands8MatchTheManual) {
  // m16n8k32.
  Layout a = mmaOperandA({16, 32}, 8, 1, 1), b = mmaOperandB({32, 8}, 8, 1, 1);
  forEachPlace(a, [&](uint32_t i, uint32_t l, uint32_t w) {
    bool low = i < 4 || (i >= 8 && i < 12);
    EXPECT_EQ(at(a, i, l, w), (Coords{l / 4 + (low ? 0 : 8), l % 4 * 4 + (i & 3) + (i >= 8 ? 16 : 0)}));
  });
  forEachPlace(b, [&](uint32_t i, uint32_t l, uint32_t w) {
    EXPECT_EQ(at(b, i, l, w), (Coords{l % 4 * 4 + (i & 3) + (i >= 4 ? 16 : 0), l / 4}));
  });
}

TEST(Mma, DotIsLocalToTheWarp) {
  for (int64_t m : {16, 64, 128})
    for (int64_t n : {8, 32, 128}) {
      const int64_t k = 32, warpsM = 4, warpsN = 2;
      Layout a = mmaOperandA({m, k}, 16, warpsM, warpsN);
      Layout b = mmaOperandB({k, n}, 16, warpsM, warpsN);
      Layout c = mmaAccumulator({m, n}, warpsM, warpsN);
      EXPECT_TRUE(verify(a) && verify(b) && verify(c));
      for (uint32_t w = 0; w < 8; ++w) {
        std::set<int64_t> rowsA, rowsC, colsB, colsC;
        for (uint32_t l = 0; l < 32; ++l) {
          for (uint32_t r = 0; r < a.numRegisters(); ++r)
            rowsA.insert(at(a, r, l, w)[0]);
          for (uint32_t r = 0; r < b.numRegisters(); ++r)
            colsB.insert(at(b, r, l, w)[1]);
          for (uint32_t r = 0; r < c.numRegisters(); ++r) {
            rowsC.insert(at(c, r, l, w)[0]);
            colsC.insert(at(c, r, l, w)[1]);
          }
        }
        EXPECT_EQ(rowsA, rowsC);
        EXPECT_EQ(colsB, colsC);
      }
    }
}

TEST(Mma, LdmatrixMatchesTheManual) {
  for (int64_t num : {1, 2, 4})
    for (bool trans : {false, true}) {
      Layout layout = ldmatrixTile(num, trans);
      EXPECT_TRUE(verify(layout));
      forEachPlace(layout, [&](uint32_t r, uint32_t l, uint32_t w) {
        int64_t row = l / 4, col = 2 * (l % 4) + r % 2;
        if (trans)
          std::swap(row, col);
        EXPECT_EQ(at(layout, r, l, w), (Coords{row + 8 * (r / 2), col}));
      });
    }
  // One ldmatrix.x4 is a fragment of operand A, cut into its 8x8 pieces.
  EXPECT_EQ(ldmatrixTile(4, false).reshape({2, 2, 8, 8}).transpose({1, 2, 0, 3}).reshape({16, 16}),
            mmaOperandA({16, 16}, 16, 1, 1));
}

//===----------------------------------------------------------------------===//
// wgmma
//===----------------------------------------------------------------------===//

TEST(Wgmma, AccumulatorMatchesTheManual) {
  for (auto p : {std::array<int64_t, 4>{64, 8, 4, 1},
                 {64, 256, 4, 1},
                 {128, 64, 4, 1},
                 {128, 128, 8, 1},
                 {256, 64, 8, 1},
                 {64, 128, 8, 2}}) {
    const int64_t m = p[0], n = p[1], warps = p[2], groupsN = p[3];
    Layout layout = wgmmaAccumulator({m, n}, warps, groupsN);
    EXPECT_TRUE(verify(layout));
    EXPECT_TRUE(layout.isInjective());
    int64_t groupsM = warps / 4 / groupsN, regsPerM = n / groupsN / 2;
    forEachPlace(layout, [&](uint32_t r, uint32_t l, uint32_t w) {
      int64_t i = r % regsPerM, group = w / 4;
      int64_t row = 16 * (w % 4) + l / 4 + 8 * (i / 2 % 2);
      int64_t col = 8 * (i / 4) + 2 * (l % 4) + i % 2;
      EXPECT_EQ(at(layout, r, l, w), (Coords{row + 64 * (r / regsPerM) + m / groupsM * (group % groupsM),
                                             col + n / groupsN * (group / groupsM)}));
    });
  }
}

TEST(Wgmma, OperandAMatchesTheManual) {
  for (auto p : {std::array<int64_t, 3>{64, 16, 4}, {64, 64, 4}, {256, 32, 8}}) {
    const int64_t m = p[0], k = p[1], warps = p[2];
    Layout layout = wgmmaOperandA({m, k}, 16, warps);
    EXPECT_TRUE(verify(layout));
    forEachPlace(layout, [&](uint32_t r, uint32_t l, uint32_t w) {
      int64_t i = r % 8, repK = r / 8 % (k / 16), repM = r / 8 / (k / 16);
      int64_t row = 16 * (w % 4) + l / 4 + 8 * (i / 2 % 2);
      int64_t col = 2 * (l % 4) + i % 2 + 8 * (i / 4);
      EXPECT_EQ(at(layout, r, l, w), (Coords{row + 64 * repM + m / (warps / 4) * (w / 4), col + 16 * repK}));
    });
  }
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

TEST(Shared, SwizzleMatchesTheFormula) {
  for (int elemBytes : {1, 2, 4})
    for (int swizzle : {0, 32, 64, 128})
      for (auto [rows, cols] : {std::pair<int64_t, int64_t>{64, 64}, {32, 128}, {128, 256}, {8, 128}, {4, 128}}) {
        int64_t width = swizzle ? swizzle : cols * elemBytes;
        if (cols * elemBytes < width)
          continue;
        Layout layout = sharedSwizzled({rows, cols}, {1, 0}, elemBytes, swizzle);
        EXPECT_TRUE(verify(layout));
        auto toOffset = invertShared(layout);
        for (int64_t row = 0; row < rows; ++row)
          for (int64_t col = 0; col < cols; ++col) {
            int64_t byte = col * elemBytes;
            int64_t address = byte / width * (width * rows) + row * width + byte % width;
            int64_t phase = address >> 7;
            address ^= swizzle == 128  ? (phase & 7) << 4
                       : swizzle == 64 ? (phase & 3) << 4
                       : swizzle == 32 ? (phase & 1) << 4
                                       : 0;
            EXPECT_EQ(f2::apply(toOffset, layout.flat({row, col})), address / elemBytes);
          }
      }
}

TEST(Shared, OrderAndLeadingDimensions) {
  EXPECT_EQ(sharedSwizzled({64, 32}, {0, 1}, 2, 128), sharedSwizzled({32, 64}, {1, 0}, 2, 128).transpose({1, 0}));
  // Leading dimensions are outermost: the slices are tiles of their own.
  Layout slice = sharedSwizzled({32, 128}, {1, 0}, 2, 128);
  Layout stack = sharedSwizzled({4, 32, 128}, {2, 1, 0}, 2, 128);
  for (uint32_t offset = 0; offset < 4 * 32 * 128; ++offset)
    EXPECT_EQ(stack.apply(0, 0, 0, offset), slice.apply(0, 0, 0, offset % 4096) + (offset & ~4095u));
}

TEST(Shared, FallsBackToTheNextSmallerSwizzle) {
  EXPECT_EQ(effectiveSwizzle({64, 32}, {1, 0}, 2, 128), 64);
  EXPECT_EQ(effectiveSwizzle({64, 16}, {1, 0}, 2, 128), 32);
  EXPECT_EQ(effectiveSwizzle({64, 8}, {1, 0}, 2, 128), 0);
  EXPECT_EQ(sharedSwizzled({64, 32}, {1, 0}, 2, 128), sharedSwizzled({64, 32}, {1, 0}, 2, 64));
  EXPECT_TRUE(verify(sharedSwizzled({1}, {0}, 4, 128)));
  EXPECT_TRUE(verify(sharedSwizzled({256}, {0}, 4, 128)));
}

//===----------------------------------------------------------------------===//
// Products without tensor cores
//===----------------------------------------------------------------------===//

TEST(LaneOperands, RowAndColumnOfEachElementStepByStep) {
  for (const Layout &result : {blocked({64, 32}, {4, 4}, {4, 8}, 4, {1, 0}), coalesced({16, 16}, {1, 0}, 4, 4)})
    for (int64_t k : {1, 2, 16}) {
      Layout a = laneOperandA(result, k), b = laneOperandB(result, k);
      EXPECT_EQ(a.shape(), (Shape{result.shape()[0], k}));
      EXPECT_EQ(b.shape(), (Shape{k, result.shape()[1]}));
      for (uint32_t step = 0; step < k; ++step)
        forEachPlace(result, [&](uint32_t r, uint32_t l, uint32_t w) {
          std::vector<int64_t> element = result.coords(result.apply(r, l, w));
          uint32_t warpAndStep = w | step << result.bits(In::Warp);
          EXPECT_EQ(a.coords(a.apply(r, l, warpAndStep)), (Shape{element[0], step}));
          EXPECT_EQ(b.coords(b.apply(r, l, warpAndStep)), (Shape{step, element[1]}));
        });
    }
}
