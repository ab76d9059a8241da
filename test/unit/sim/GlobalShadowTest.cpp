// The shadow of global memory: bounds, what is initialised, and races within and between blocks.
#include "Shadow.h"

#include <gtest/gtest.h>

#include <thread>

using namespace treadle::sim;

namespace {

constexpr auto read = AccessKind::Read;
constexpr auto write = AccessKind::Write;
constexpr auto atomic = AccessKind::Atomic;

struct Global : testing::Test {
  Global() { shadow.markInside(0, 3 * 4096, true); }

  // One thread's access.
  Conflict at(AccessKind kind, Order &order, int warp, int lane, int op, uint64_t offset, unsigned bytes = 4) {
    return with(accessors, kind, order, warp, lane, op, offset, bytes);
  }
  Conflict with(Accessors &who, AccessKind kind, Order &order, int warp, int lane, int op, uint64_t offset,
                unsigned bytes = 4) {
    uint64_t offsets[warpSize] = {};
    offsets[lane] = offset;
    Conflict found[warpSize];
    const Mask bit = Mask(1) << lane;
    const Mask faults = shadow.access(kind, who, order, warp, op, bit, offsets, bytes, found);
    EXPECT_EQ(faults & ~bit, 0U);
    return faults ? found[lane] : Conflict();
  }

  GlobalShadow shadow{4 * 4096 + 10};
  Accessors accessors{false}, serial{true};
  Order a{100, 64}, b{200, 64}, c{300, 64};
};

void expectRace(const Conflict &c, int64_t block, int warp, int lane, int op, AccessKind earlier) {
  EXPECT_EQ(c.kind, Conflict::Race);
  EXPECT_EQ(c.block, block);
  EXPECT_EQ(c.warp, warp);
  EXPECT_EQ(c.lane, lane);
  EXPECT_EQ(c.op, op);
  EXPECT_EQ(c.earlier, earlier);
}

TEST_F(Global, WhatIsOutside) {
  const uint64_t inside = 3 * 4096;
  EXPECT_EQ(at(write, a, 0, 0, 1, inside - 4).kind, Conflict::None);
  Conflict c = at(write, a, 0, 1, 1, inside - 4, 16);
  EXPECT_EQ(c.kind, Conflict::Outside); // and no race: it does not happen
  EXPECT_EQ(c.byte, 4U);
  EXPECT_EQ(at(read, a, 0, 0, 1, inside - 4).kind, Conflict::None);
  EXPECT_EQ(at(read, a, 0, 1, 1, inside).kind, Conflict::Outside);
  // Past the region's end, and far past it.
  shadow.markInside(4 * 4096, 10, true);
  EXPECT_EQ(at(read, a, 0, 0, 1, 4 * 4096, 8).kind, Conflict::None);
  c = at(read, a, 0, 0, 1, 4 * 4096 + 8, 4);
  EXPECT_EQ(c.kind, Conflict::Outside);
  EXPECT_EQ(c.byte, 2U);
  c = at(read, a, 0, 0, 1, ~uint64_t(0), 4);
  EXPECT_EQ(c.kind, Conflict::Outside);
  EXPECT_EQ(c.byte, 0U);
}

TEST_F(Global, HolesBetweenRows) {
  GlobalShadow rows(1024);
  for (uint64_t row = 0; row < 8; ++row)
    rows.markInside(row * 128, 100, false);
  EXPECT_FALSE(rows.isInitialised(0, 100));
  uint64_t offsets[warpSize];
  for (uint64_t lane = 0; lane < warpSize; ++lane)
    offsets[lane] = lane * 4;
  Conflict found[warpSize];
  EXPECT_EQ(rows.access(write, accessors, a, 0, 1, allLanes, offsets, 4, found), allLanes << 25);
  EXPECT_EQ(found[25].kind, Conflict::Outside);
  EXPECT_TRUE(rows.isInitialised(0, 100));
  EXPECT_FALSE(rows.isInitialised(0, 101));
  EXPECT_FALSE(rows.isInitialised(128, 1));
  rows.markInside(0, 256, false); // an overlapping view
  EXPECT_TRUE(rows.isInitialised(0, 100));
  EXPECT_FALSE(rows.isInitialised(100, 1));
  // A row's end, and what a later launch makes of it.
  rows.beginLaunch();
  uint64_t end = 128 + 98;
  EXPECT_EQ(rows.access(write, accessors, a, 0, 1, 1, &end, 4, found), 0U); // inside since the overlapping view
  end += 128;
  EXPECT_EQ(rows.access(write, accessors, a, 0, 1, 1, &end, 4, found), 1U);
  EXPECT_EQ(found[0].kind, Conflict::Outside);
  EXPECT_EQ(found[0].byte, 2U);
  end -= 2;
  EXPECT_EQ(rows.access(read, accessors, a, 0, 1, 1, &end, 4, found), 1U);
  EXPECT_EQ(found[0].kind, Conflict::Uninitialised);
}

TEST_F(Global, WhatIsInitialised) {
  shadow.markInside(0, 4096, false);
  EXPECT_TRUE(shadow.isInitialised(0, 3 * 4096));
  EXPECT_FALSE(shadow.isInitialised(0, 3 * 4096 + 1));
  EXPECT_FALSE(shadow.isInitialised(4 * 4096, 100));
  EXPECT_FALSE(shadow.isInitialised(uint64_t(1) << 40, 1));
  GlobalShadow fresh(3 * 4096);
  fresh.markInside(0, 3 * 4096, false);
  EXPECT_FALSE(fresh.isInitialised(0, 1));
  EXPECT_TRUE(fresh.isInitialised(0, 0));
  Conflict found[warpSize];
  uint64_t offset = 4094; // across two pages
  EXPECT_EQ(fresh.access(write, accessors, a, 0, 1, 1, &offset, 4, found), 0U);
  EXPECT_TRUE(fresh.isInitialised(4094, 4));
  EXPECT_FALSE(fresh.isInitialised(4094, 5));
  EXPECT_EQ(fresh.access(read, accessors, a, 0, 1, 1, &offset, 8, found), 1U);
  EXPECT_EQ(found[0].kind, Conflict::Uninitialised);
  EXPECT_EQ(found[0].byte, 4U);
  // Races come first; an atomic writes.
  Order other(1, 32);
  EXPECT_EQ(fresh.access(atomic, accessors, other, 0, 1, 1, &offset, 8, found), 1U);
  EXPECT_EQ(found[0].kind, Conflict::Race);
  EXPECT_TRUE(fresh.isInitialised(4094, 8));
  offset = 8190;
  EXPECT_EQ(fresh.access(atomic, accessors, other, 0, 1, 1, &offset, 4, found), 1U);
  EXPECT_EQ(found[0].kind, Conflict::Uninitialised);
  // It stays so in later launches.
  fresh.beginLaunch();
  EXPECT_TRUE(fresh.isInitialised(8190, 4));
  fresh.markInside(0, 4096, true);
  EXPECT_TRUE(fresh.isInitialised(0, 4098));
  fresh.markInside(0, 3 * 4096, false);
  EXPECT_TRUE(fresh.isInitialised(0, 4098));
}

TEST_F(Global, RacesBetweenBlocks) {
  at(write, a, 1, 3, 1, 0);
  expectRace(at(read, b, 0, 5, 2, 0), 100, 1, 3, 1, write);
  at(write, a, 1, 3, 1, 64);
  expectRace(at(write, b, 0, 5, 2, 64), 100, 1, 3, 1, write);
  at(read, a, 1, 3, 1, 128);
  expectRace(at(write, b, 0, 5, 2, 128), 100, 1, 3, 1, read);
  at(atomic, a, 1, 3, 1, 192);
  expectRace(at(read, b, 0, 5, 2, 192), 100, 1, 3, 1, atomic);
  expectRace(at(atomic, c, 0, 5, 2, 192), 200, 0, 5, 2, read);
  at(atomic, a, 1, 3, 1, 256);
  EXPECT_EQ(at(atomic, b, 0, 5, 2, 256).kind, Conflict::None);
  expectRace(at(write, b, 0, 5, 3, 256), 100, 1, 3, 1, atomic);
  at(read, a, 1, 3, 1, 320);
  expectRace(at(atomic, b, 0, 5, 2, 320), 100, 1, 3, 1, read);
  at(write, a, 1, 3, 1, 384);
  expectRace(at(atomic, b, 0, 5, 2, 384), 100, 1, 3, 1, write);
  // Barriers are of one block.
  at(write, a, 1, 3, 1, 448);
  a.syncWarps({0, 1});
  b.syncWarps({0, 1});
  EXPECT_EQ(at(read, b, 0, 5, 2, 448).kind, Conflict::Race);
}

TEST_F(Global, OfReadersOfSeveralBlocksOneIsAnothers) {
  // Whoever of two readers then writes, and whoever read first.
  at(read, a, 0, 1, 1, 0);
  at(read, b, 1, 2, 2, 0);
  expectRace(at(write, a, 0, 1, 3, 0), 200, 1, 2, 2, read);
  at(read, b, 1, 2, 2, 64);
  at(read, a, 0, 1, 1, 64);
  expectRace(at(write, a, 0, 1, 3, 64), 200, 1, 2, 2, read);
  // With a third, and a page's crossing.
  at(read, a, 0, 1, 1, 4094);
  at(read, b, 1, 2, 2, 4094);
  at(read, c, 0, 0, 4, 4094);
  EXPECT_EQ(at(write, c, 0, 0, 5, 4094).kind, Conflict::Race);
  EXPECT_EQ(at(read, c, 0, 0, 5, 4094).kind, Conflict::None);
}

TEST_F(Global, WithinABlockAsInSharedMemory) {
  at(write, a, 0, 0, 1, 0);
  EXPECT_EQ(at(read, a, 0, 0, 2, 0).kind, Conflict::None);
  expectRace(at(read, a, 0, 1, 2, 0), 100, 0, 0, 1, write);
  a.syncLanes(0, allLanes);
  EXPECT_EQ(at(read, a, 0, 1, 2, 0).kind, Conflict::None);
  EXPECT_EQ(at(write, a, 0, 2, 3, 0).kind, Conflict::Race);
  a.syncWarps({0, 1});
  EXPECT_EQ(at(write, a, 1, 2, 3, 0).kind, Conflict::None);
  // Of readers, another warp's than the writer's is remembered.
  a.syncWarps({0, 1});
  at(read, a, 0, 0, 5, 0);
  at(read, a, 1, 0, 4, 0);
  expectRace(at(write, a, 1, 2, 3, 0), 100, 0, 0, 5, read);
  // The lanes of an instruction.
  uint64_t offsets[warpSize] = {};
  Conflict found[warpSize];
  EXPECT_EQ(shadow.access(read, accessors, b, 0, 1, allLanes, offsets, 4, found), allLanes);
  a.syncWarps({0, 1});
  GlobalShadow other(64);
  other.markInside(0, 64, true);
  EXPECT_EQ(other.access(read, accessors, a, 0, 1, allLanes, offsets, 4, found), 0U);
  EXPECT_EQ(other.access(atomic, accessors, a, 0, 1, 1, offsets, 4, found), 1U); // with the last lane's read
  a.syncWarps({0, 1});
  EXPECT_EQ(other.access(atomic, accessors, a, 0, 1, allLanes, offsets, 4, found), 0U);
  EXPECT_EQ(other.access(read, accessors, a, 0, 1, 1, offsets, 4, found), 1U); // a counter read too early
  EXPECT_EQ(found[0].lane, 31);
  a.syncWarps({0, 1});
  EXPECT_EQ(other.access(write, accessors, a, 0, 1, allLanes, offsets, 4, found), allLanes - 1);
}

TEST_F(Global, EarlierLaunchesComeBefore) {
  at(write, a, 0, 0, 1, 0);
  at(read, a, 0, 0, 1, 64);
  at(read, b, 0, 0, 1, 64);
  at(atomic, a, 0, 0, 1, 128);
  shadow.beginLaunch();
  Accessors next(false);
  Order later(100, 64);
  EXPECT_EQ(with(next, read, later, 1, 9, 2, 0).kind, Conflict::None);
  EXPECT_EQ(with(next, write, later, 1, 9, 2, 64).kind, Conflict::None);
  EXPECT_EQ(with(next, read, later, 1, 9, 2, 128).kind, Conflict::None);
  EXPECT_EQ(with(next, write, later, 1, 8, 2, 64).kind, Conflict::Race);
}

TEST_F(Global, BlocksThatOrderThemselves) {
  with(serial, write, a, 0, 0, 1, 0);
  with(serial, read, a, 0, 0, 1, 64);
  const KnowledgePtr known = a.release(0, 0);
  with(serial, write, a, 0, 0, 2, 128);
  expectRace(with(serial, read, b, 1, 1, 3, 0), 100, 0, 0, 1, write);
  b.acquire(1, 1, known);
  EXPECT_EQ(with(serial, read, b, 1, 1, 3, 0).kind, Conflict::None);
  EXPECT_EQ(with(serial, write, b, 1, 1, 3, 64).kind, Conflict::None);
  expectRace(with(serial, read, b, 1, 1, 3, 128), 100, 0, 0, 2, write); // after the release
  // A block that cannot order itself does not.
  at(write, a, 0, 0, 1, 256);
  b.acquire(1, 1, a.release(0, 0));
  EXPECT_EQ(at(read, b, 1, 1, 3, 256).kind, Conflict::Race);
}

TEST_F(Global, TheLastBlockResetsItsCounter) {
  // Each counts itself and then learns what the others did; the last stores 0.
  KnowledgePtr counter;
  for (Order *block : {&a, &b, &c}) {
    EXPECT_EQ(with(serial, write, *block, 0, 0, 1, 1024 + block->block() * 4).kind, Conflict::None);
    counter = Order::join(counter, block->release(0, 0));
    EXPECT_EQ(with(serial, atomic, *block, 0, 0, 2, 0).kind, Conflict::None);
    counter = Order::join(counter, block->release(0, 0));
    block->acquire(0, 0, counter);
  }
  EXPECT_EQ(with(serial, read, c, 0, 0, 3, 1024 + 100 * 4).kind, Conflict::None);
  EXPECT_EQ(with(serial, read, c, 0, 0, 3, 1024 + 200 * 4).kind, Conflict::None);
  EXPECT_EQ(with(serial, write, c, 0, 0, 4, 0).kind, Conflict::None);
  expectRace(with(serial, write, c, 0, 1, 4, 1024 + 100 * 4), 100, 0, 0, 1, write);
}

TEST_F(Global, RunsOutWithAnError) {
  Accessors few(false, 48); // two chunks
  for (int op = 0; op < 16; ++op)
    with(few, read, a, 0, 0, op, 0);
  with(few, read, b, 0, 0, 1, 0);
  try {
    with(few, read, a, 0, 0, 99, 0);
    FAIL() << "expected an error";
  } catch (const Error &error) {
    EXPECT_STREQ(error.what(), "out of identifiers for accesses of global memory: expected at most 48 warp "
                               "instructions that access it in one launch");
  }
}

TEST(GlobalThreads, OfTwoBlocksTheSecondSeesTheFirst) {
  constexpr uint64_t words = 20000;
  GlobalShadow shadow(words * 4);
  shadow.markInside(0, words * 4, true);
  for (int launch = 0; launch < 40; ++launch) {
    shadow.beginLaunch();
    std::atomic<int> waiting{2};
    Accessors accessors(false);
    std::vector<uint8_t> reported[2] = {std::vector<uint8_t>(words), std::vector<uint8_t>(words)};
    // They meet half way, or go side by side.
    const auto backwards = [&](int which) { return which && launch % 4 < 2; };
    const auto block = [&](int which) {
      Order order(which, 32);
      Conflict found[warpSize];
      uint64_t offsets[warpSize];
      --waiting;
      while (waiting)
        std::this_thread::yield();
      for (uint64_t i = 0; i < words; i += warpSize) {
        const uint64_t start = backwards(which) ? words - warpSize - i : i;
        for (uint64_t lane = 0; lane < warpSize; ++lane)
          offsets[lane] = (start + lane) * 4;
        // Both write; or one reads.
        const AccessKind kind = launch % 2 && which ? read : write;
        const Mask faults =
            shadow.access(kind, accessors, order, 0, static_cast<int>(start / warpSize), allLanes, offsets, 4, found);
        for (int lane = 0; lane < warpSize; ++lane) {
          if (!(faults >> lane & 1))
            continue;
          ++reported[which][start + lane];
          EXPECT_EQ(found[lane].kind, Conflict::Race);
          EXPECT_EQ(found[lane].block, 1 - which);
          EXPECT_EQ(found[lane].lane, lane);
          EXPECT_EQ(found[lane].op, start / warpSize);
        }
      }
    };
    std::thread first(block, 0), second(block, 1);
    first.join();
    second.join();
    for (uint64_t i = 0; i < words; ++i)
      ASSERT_EQ(reported[0][i] + reported[1][i], 1) << i;
  }
}

} // namespace
