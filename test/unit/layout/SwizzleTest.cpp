//===- SwizzleTest.cpp - Chosen tiles against counted accesses ------------===//

#include "layout/Swizzle.h"
#include "Random.h"
#include "layout/Layouts.h"
#include "layout/Plans.h"

#include <gtest/gtest.h>
#include <map>
#include <set>

using namespace treadle;
using namespace treadle::test;

namespace {

/// The wavefronts of a phase: the most different words in one bank.
int64_t countBanks(const std::vector<uint32_t> &addresses, uint32_t bytes) {
  std::map<uint32_t, std::set<uint32_t>> words;
  for (uint32_t address : addresses)
    for (uint32_t byte = 0; byte < bytes; ++byte)
      words[(address + byte) / 4 % 32].insert((address + byte) / 4);
  size_t most = 0;
  for (const auto &entry : words)
    most = std::max(most, entry.second.size());
  return int64_t(most);
}

/// The wavefronts of warp 0, access by access and lane by lane.
int64_t count(const TileAccess &access, const Layout &shared, int elemBytes) {
  int64_t total = 0;
  if (access.matrices)
    if (auto plan = planLdmatrix(access.places, shared, elemBytes)) {
      for (const LdmatrixPlan::Load &load : plan->loads)
        for (uint32_t matrix = 0; matrix < uint32_t(plan->num); ++matrix) {
          std::vector<uint32_t> rows;
          for (uint32_t row = 0; row < 8; ++row)
            rows.push_back(plan->offset(8 * matrix + row, 0, load) * uint32_t(elemBytes));
          total += countBanks(rows, 16);
        }
      return total * access.times;
    }
  DistMap offsets = offsetMap(access.places, shared);
  VectorAccess vectors = planVectors(offsets, access.maxElems, access.replicas());
  const auto bytes = uint32_t(vectors.width() * elemBytes), together = bytes <= 4 ? 32 : 128 / bytes;
  for (const auto &regs : vectors.accesses)
    for (uint32_t first = 0; first < 32; first += together) {
      std::vector<uint32_t> lanes;
      for (uint32_t lane = first; lane < first + together; ++lane)
        lanes.push_back(offsets.apply(uint32_t(regs[0]), lane, 0) * uint32_t(elemBytes));
      total += countBanks(lanes, bytes);
    }
  return total * access.times;
}

int64_t conflicts(const std::vector<TileAccess> &accesses, const Layout &shared, int elemBytes) {
  return accessCost(accesses, shared, elemBytes).conflicts;
}

/// Copies of rows of a matrix, 16 bytes a lane.
TileAccess copied(const Shape &shape, int elemBytes) {
  return TileAccess::vectors(coalesced(shape, {1, 0}, 16 / elemBytes, 4), elemBytes);
}

/// Conflicts in the hardware's swizzle, and none in the chosen one.
void expectCure(const std::vector<TileAccess> &accesses, int elemBytes) {
  const Shape &shape = accesses.front().places.shape();
  Layout start = sharedSwizzled(shape, {1, 0}, elemBytes, 128);
  EXPECT_NE(conflicts(accesses, start, elemBytes), 0);
  Layout chosen = swizzledFor(accesses, start, elemBytes);
  EXPECT_EQ(conflicts(accesses, chosen, elemBytes), 0) << chosen.str();
  for (const TileAccess &access : accesses) {
    EXPECT_EQ(count(access, chosen, elemBytes), accessCost({access}, chosen, elemBytes).wavefronts);
    EXPECT_EQ(accessCost({access}, chosen, elemBytes).accesses, accessCost({access}, start, elemBytes).accesses);
  }
}

} // namespace

TEST(Swizzle, CostIsWhatTheBanksCount) {
  Random random(21);
  for (int trial = 0; trial < 100; ++trial) {
    const int elemBytes = 1 << trial % 4;
    Layout shared = trial % 8 < 4 ? sharedSwizzled({32, 64}, {trial % 2, 1 - trial % 2}, elemBytes, 128)
                                  : Layout::shared({32, 64}, random.permutation(11));
    TileAccess access = TileAccess::vectors(random.distributed({32, 64}, 1, trial % 3 == 0), elemBytes, 1 + trial % 3);
    EXPECT_EQ(accessCost({access}, shared, elemBytes).wavefronts, count(access, shared, elemBytes));
  }
  for (int swizzle : {0, 32, 64, 128})
    for (const Layout &operand : {mmaOperandA({64, 64}, 16, 2, 2), mmaOperandB({64, 64}, 16, 2, 2)}) {
      auto access = TileAccess::fragments(operand, 2);
      Layout shared = sharedSwizzled({64, 64}, {1, 0}, 2, swizzle);
      EXPECT_EQ(accessCost({access}, shared, 2).wavefronts, count(access, shared, 2));
    }
}

TEST(Swizzle, CostsAddUp) {
  Layout shared = sharedSwizzled({32, 32}, {1, 0}, 4, 0);
  // 32 lanes read a column: 31 conflicts; a row: none.
  TileAccess column{Layout({32, 32}, {}, {32, 64, 128, 256, 512}, {}), 1};
  TileAccess row{Layout({32, 32}, {}, {1, 2, 4, 8, 16}, {}), 1};
  AccessCost cost = accessCost({column, row}, shared, 4);
  EXPECT_EQ(cost.conflicts, 31);
  EXPECT_EQ(cost.wavefronts, 33);
  EXPECT_EQ(cost.accesses, 2);
  column.times = 10;
  EXPECT_EQ(accessCost({column, row}, shared, 4).conflicts, 310);
}

TEST(Swizzle, FewerAccessesBreakTies) {
  EXPECT_LT((AccessCost{4, 9, 0}), (AccessCost{5, 1, 0}));
  EXPECT_LT((AccessCost{4, 1, 0}), (AccessCost{4, 4, 0}));
  EXPECT_FALSE((AccessCost{4, 4, 0}) < (AccessCost{4, 4, 0}));
}

/// What is free of conflicts already stays as it is.
TEST(Swizzle, KeepsTheHardwaresForSixteenBits) {
  for (auto [m, k] : {std::array<int64_t, 2>{128, 32}, {64, 64}, {64, 128}, {32, 16}})
    for (bool transposed : {false, true}) {
      Layout operand = transposed ? mmaOperandB({m, k}, 16, 2, 2) : mmaOperandA({m, k}, 16, 2, 2);
      Layout start = sharedSwizzled({m, k}, {1, 0}, 2, 128);
      EXPECT_EQ(swizzledFor({copied({m, k}, 2), TileAccess::fragments(operand, 2)}, start, 2), start);
    }
}

/// So does what no exchange makes better: a column of 32 has 8 chunks to be in.
TEST(Swizzle, KeepsTheHardwaresIfNoneIsBetter) {
  TileAccess column{Layout({32, 32}, {}, {32, 64, 128, 256, 512}, {}), 1};
  Layout start = sharedSwizzled({32, 32}, {1, 0}, 4, 128);
  EXPECT_EQ(conflicts({column}, start, 4), 3);
  EXPECT_EQ(swizzledFor({column}, start, 4), start);
}

/// tf32 has no transposing ldmatrix: 4 rows of 8 neighbours are read at once.
TEST(Swizzle, OperandBOfTF32) {
  for (auto [k, n] : {std::array<int64_t, 2>{32, 128}, {64, 64}, {16, 32}, {64, 16}, {8, 64}}) {
    Layout operand = mmaOperandB({k, n}, 32, 2, 2);
    expectCure({copied({k, n}, 4), TileAccess::fragments(operand, 4)}, 4);
  }
}

/// Only the turns that conflict are exchanged; the others stay constants.
TEST(Swizzle, ExchangesNoMoreThanItMust) {
  Layout start = sharedSwizzled({32, 32}, {1, 0}, 4, 128);
  auto operand = TileAccess::fragments(mmaOperandB({32, 32}, 32, 1, 4), 4);
  Layout chosen = swizzledFor({operand}, start, 4);
  Layout::Bases offset = chosen.bases(In::Offset);
  EXPECT_EQ(offset, (Layout::Bases{1, 2, 4, 8, 16, 32 | 28, 64 | 20, 128, 256, 512}));
}

/// One tile is operand B of one product and, transposed, of another.
TEST(Swizzle, RowsAndColumnsOfTF32) {
  for (auto [k, n] : {std::array<int64_t, 2>{64, 64}, {64, 128}, {32, 32}}) {
    auto rows = TileAccess::fragments(mmaOperandB({n, k}, 32, 4, 1).transpose({1, 0}), 4);
    auto columns = TileAccess::fragments(mmaOperandB({k, n}, 32, 4, 1), 4);
    expectCure({copied({k, n}, 4), rows, columns}, 4);
  }
}

/// A scan's rows: each lane has 32 bytes.
TEST(Swizzle, PiecesOfRows) {
  Layout scan({4, 512}, {1, 2, 4, 256}, {8, 16, 32, 64, 128}, {512, 1024});
  expectCure({copied({4, 512}, 4), TileAccess::fragments(scan, 4)}, 4);
}

TEST(Swizzle, OperandsWithoutTensorCores) {
  Layout result = blocked({64, 64}, {4, 4}, {4, 8}, 4, {1, 0});
  auto a = TileAccess::vectors(laneOperandA(result, 32), 4, 32);
  auto b = TileAccess::vectors(laneOperandB(result, 32), 4, 32);
  expectCure({copied({64, 32}, 4), a}, 4);
  // Rows of B are read as they lie, four columns at a time.
  Layout start = sharedSwizzled({32, 64}, {1, 0}, 4, 128);
  EXPECT_EQ(swizzledFor({copied({32, 64}, 4), b}, start, 4), start);
  EXPECT_EQ(accessCost({b}, start, 4).accesses, 32);
  // Both transposed: A as it lies, B in columns.
  Layout startA = sharedSwizzled({64, 32}, {0, 1}, 4, 128);
  EXPECT_EQ(conflicts({a}, startA, 4), 0);
  EXPECT_EQ(accessCost({a}, startA, 4).accesses, 32 * 2);
  expectCure({copied({64, 32}, 4), TileAccess::vectors(laneOperandB(result, 32).transpose({1, 0}), 4, 32)}, 4);
}

/// Chunks of 16 bytes stay whole, and it is never worse than before.
TEST(Swizzle, RandomAccesses) {
  Random random(22);
  int better = 0, free = 0;
  for (int trial = 0; trial < 200; ++trial) {
    const int elemBytes = 1 << trial % 4;
    std::vector<TileAccess> accesses;
    for (int i = 0; i <= trial % 3; ++i)
      accesses.push_back(TileAccess::vectors(random.distributed({64, 64}, 2, trial % 5 == 0), elemBytes));
    Layout start = sharedSwizzled({64, 64}, {1, 0}, elemBytes, 128);
    Layout chosen = swizzledFor(accesses, start, elemBytes);
    ASSERT_TRUE(chosen.isShared());
    for (int bit = 0; elemBytes << bit < 16; ++bit)
      EXPECT_EQ(chosen.bases(In::Offset)[size_t(bit)], uint32_t(1) << bit);
    AccessCost before = accessCost(accesses, start, elemBytes), after = accessCost(accesses, chosen, elemBytes);
    EXPECT_FALSE(before < after);
    EXPECT_EQ(after.accesses, before.accesses);
    better += after < before;
    free += after.conflicts == 0;
  }
  EXPECT_GT(better, 50);
  EXPECT_GT(free, 20);
}

/// One step after the other finds what trying everything finds.
TEST(Swizzle, NoExchangeIsBetter) {
  Random random(23);
  int needed = 0;
  const Layout start = sharedSwizzled({16, 32}, {1, 0}, 4, 0);
  const Layout::Bases plain = start.bases(In::Offset);
  for (int trial = 0; trial < 40; ++trial) {
    std::vector<TileAccess> accesses;
    for (int i = 0; i <= trial % 3; ++i)
      accesses.push_back(TileAccess::vectors(random.distributed({16, 32}, 1, trial % 4 == 0), 4));
    int64_t least = conflicts(accesses, start, 4);
    needed += least != 0;
    for (uint32_t choice = 0; choice < 1 << 12; ++choice) {
      Layout::Bases offset = plain;
      for (uint32_t bit = 0; bit < 12; ++bit)
        if (choice >> bit & 1)
          offset[5 + bit / 3] ^= plain[2 + bit % 3];
      least = std::min(least, conflicts(accesses, Layout::shared({16, 32}, offset), 4));
    }
    EXPECT_EQ(conflicts(accesses, swizzledFor(accesses, start, 4), 4), least);
  }
  EXPECT_GT(needed, 20);
}
