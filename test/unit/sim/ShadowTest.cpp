// The shadow of shared memory: every kind of conflict, and what keeps accesses apart.
#include "Shadow.h"

#include <gtest/gtest.h>

using namespace treadle::sim;

namespace {

constexpr auto read = AccessKind::Read;
constexpr auto write = AccessKind::Write;
constexpr auto atomic = AccessKind::Atomic;

// A block of four warps with some shared memory.
struct Shared : testing::Test {
  Order order{7, 128};
  SharedShadow shadow{order, 4096};
  Conflict found[warpSize];

  // One thread's access.
  Conflict at(AccessKind kind, int warp, int lane, int op, uint32_t offset, unsigned bytes = 4) {
    uint32_t offsets[warpSize] = {};
    offsets[lane] = offset;
    const Mask bit = Mask(1) << lane;
    const Mask faults = shadow.access(kind, warp, op, bit, offsets, bytes, found);
    EXPECT_EQ(faults & ~bit, 0U);
    return faults ? found[lane] : Conflict();
  }
  Conflict copyAt(int warp, int lane, int op, uint32_t offset, unsigned bytes = 16) {
    uint32_t offsets[warpSize] = {};
    offsets[lane] = offset;
    return shadow.beginCopy(warp, op, Mask(1) << lane, offsets, bytes, found) ? found[lane] : Conflict();
  }
  // A whole warp's: lane i at offset + i * stride.
  Mask all(AccessKind kind, int warp, int op, uint32_t offset, uint32_t stride, unsigned bytes = 4) {
    uint32_t offsets[warpSize];
    for (uint32_t lane = 0; lane < warpSize; ++lane)
      offsets[lane] = offset + lane * stride;
    return shadow.access(kind, warp, op, allLanes, offsets, bytes, found);
  }
  void barrier() { order.syncWarps({0, 1, 2, 3}); }
  // What one thread did, another knows.
  void pass(int warp, int lane, int toWarp, int toLane) { order.acquire(toWarp, toLane, order.release(warp, lane)); }
};

void expectConflict(const Conflict &c, Conflict::Kind kind, int warp, int lane, int op, AccessKind earlier) {
  EXPECT_EQ(c.kind, kind);
  EXPECT_EQ(c.block, 7);
  EXPECT_EQ(c.warp, warp);
  EXPECT_EQ(c.lane, lane);
  EXPECT_EQ(c.op, op);
  EXPECT_EQ(c.earlier, earlier);
}

TEST_F(Shared, BytesThatNothingWroteAreUninitialised) {
  EXPECT_EQ(at(read, 0, 0, 1, 0).kind, Conflict::Uninitialised);
  EXPECT_EQ(at(read, 0, 0, 1, 0).kind, Conflict::Uninitialised); // reading does not write
  EXPECT_EQ(at(write, 0, 0, 2, 0, 2).kind, Conflict::None);
  const Conflict half = at(read, 0, 0, 1, 0);
  EXPECT_EQ(half.kind, Conflict::Uninitialised);
  EXPECT_EQ(half.byte, 2U);
  EXPECT_EQ(at(read, 0, 0, 1, 0, 2).kind, Conflict::None);
  // An atomic reads and writes.
  EXPECT_EQ(at(atomic, 0, 0, 3, 64).kind, Conflict::Uninitialised);
  EXPECT_EQ(at(atomic, 0, 0, 3, 64).kind, Conflict::None);
  EXPECT_EQ(at(read, 0, 0, 3, 64).kind, Conflict::None);
  shadow.initialise(128, 8);
  EXPECT_EQ(at(read, 3, 9, 4, 128, 8).kind, Conflict::None);
  EXPECT_EQ(at(read, 3, 9, 4, 128, 16).byte, 8U);
}

TEST_F(Shared, EachKindOfRace) {
  shadow.initialise(0, 4096);
  at(write, 0, 3, 1, 0);
  expectConflict(at(read, 1, 5, 2, 0), Conflict::Race, 0, 3, 1, write);
  at(write, 0, 3, 1, 64);
  expectConflict(at(write, 1, 5, 2, 64), Conflict::Race, 0, 3, 1, write);
  at(read, 0, 3, 1, 128);
  expectConflict(at(write, 1, 5, 2, 128), Conflict::Race, 0, 3, 1, read);
  at(write, 0, 3, 1, 192);
  expectConflict(at(atomic, 1, 5, 2, 192), Conflict::Race, 0, 3, 1, write);
  at(read, 0, 3, 1, 256);
  expectConflict(at(atomic, 1, 5, 2, 256), Conflict::Race, 0, 3, 1, read);
  at(atomic, 0, 3, 1, 320);
  expectConflict(at(read, 1, 5, 2, 320), Conflict::Race, 0, 3, 1, atomic);
  at(atomic, 0, 3, 1, 384);
  expectConflict(at(write, 1, 5, 2, 384), Conflict::Race, 0, 3, 1, atomic);
  at(atomic, 0, 3, 1, 448);
  EXPECT_EQ(at(atomic, 1, 5, 2, 448).kind, Conflict::None);
  at(read, 0, 3, 1, 512);
  EXPECT_EQ(at(read, 1, 5, 2, 512).kind, Conflict::None);
}

TEST_F(Shared, AnAtomicDoesNotHideTheOneBefore) {
  shadow.initialise(0, 64);
  at(atomic, 0, 0, 1, 0);
  at(atomic, 1, 0, 2, 0);
  pass(1, 0, 2, 0);
  expectConflict(at(read, 2, 0, 3, 0), Conflict::Race, 0, 0, 1, atomic);
  // Nor the read before it.
  at(read, 0, 0, 1, 32);
  pass(0, 0, 1, 0);
  EXPECT_EQ(at(atomic, 1, 0, 2, 32).kind, Conflict::None);
  expectConflict(at(atomic, 2, 1, 3, 32), Conflict::Race, 0, 0, 1, read);
}

TEST_F(Shared, TheFirstByteAtFaultAndRacesFirst) {
  at(write, 0, 0, 1, 8, 4);
  at(write, 0, 1, 2, 12, 4);
  const Conflict c = at(read, 1, 0, 3, 0, 16); // bytes 0 to 7 are uninitialised
  expectConflict(c, Conflict::Race, 0, 0, 1, write);
  EXPECT_EQ(c.byte, 8U);
}

TEST_F(Shared, AConflictIsNotReportedForEver) {
  at(write, 0, 0, 1, 0);
  EXPECT_EQ(at(write, 1, 0, 2, 0).kind, Conflict::Race);
  EXPECT_EQ(at(write, 1, 0, 2, 0).kind, Conflict::None);
  EXPECT_EQ(at(read, 1, 0, 3, 0).kind, Conflict::None);
  expectConflict(at(read, 0, 0, 3, 0), Conflict::Race, 1, 0, 2, write);
}

TEST_F(Shared, LanesOfOneInstruction) {
  shadow.initialise(0, 4096);
  EXPECT_EQ(all(read, 0, 1, 0, 0), 0U);
  EXPECT_EQ(all(atomic, 0, 2, 64, 0), 0U);
  EXPECT_EQ(all(write, 0, 3, 128, 4), 0U);
  EXPECT_EQ(all(write, 0, 4, 512, 0), allLanes - 1);
  expectConflict(found[9], Conflict::Race, 0, 8, 4, write);
  EXPECT_EQ(all(write, 0, 5, 1024, 2), allLanes - 1); // overlapping halves
  EXPECT_EQ(found[9].byte, 0U);
  EXPECT_EQ(all(atomic, 1, 2, 2048, 0), 0U);
  // One lane's atomic is the first to write.
  SharedShadow empty(order, 64);
  uint32_t offsets[warpSize] = {};
  EXPECT_EQ(empty.access(atomic, 0, 1, allLanes, offsets, 4, found), 1U);
  EXPECT_EQ(found[0].kind, Conflict::Uninitialised);
}

TEST_F(Shared, LanesAreOrderedByTheirSyncAlone) {
  all(write, 0, 1, 0, 4);
  EXPECT_EQ(at(read, 0, 1, 2, 0).kind, Conflict::Race);
  order.syncLanes(0, allLanes);
  EXPECT_EQ(at(read, 0, 1, 2, 0).kind, Conflict::None);
  EXPECT_EQ(at(read, 1, 1, 2, 0).kind, Conflict::Race); // another warp
  // Partial masks.
  all(write, 2, 3, 1024, 4);
  order.syncLanes(2, 0b0011);
  EXPECT_EQ(at(read, 2, 1, 4, 1024).kind, Conflict::None);
  EXPECT_EQ(at(read, 2, 0, 4, 1024 + 4).kind, Conflict::None);
  EXPECT_EQ(at(read, 2, 2, 4, 1024).kind, Conflict::Race);
  EXPECT_EQ(at(read, 2, 0, 4, 1024 + 8).kind, Conflict::Race);
}

TEST_F(Shared, Barriers) {
  all(write, 0, 1, 0, 4);
  barrier();
  for (int warp = 0; warp < 4; ++warp)
    EXPECT_EQ(all(read, warp, 2, 4, 4), allLanes >> 31 << 31) << warp; // past the end: uninitialised
  EXPECT_EQ(all(write, 0, 3, 0, 4), allLanes - 1);
  expectConflict(found[5], Conflict::Race, 0, 4, 2, read);
  barrier();
  EXPECT_EQ(all(write, 3, 4, 0, 4), 0U);
  // A named one, of two warps.
  order.syncWarps({3, 1});
  EXPECT_EQ(all(read, 1, 5, 0, 4), 0U);
  EXPECT_EQ(all(read, 2, 5, 0, 4), allLanes);
  expectConflict(found[5], Conflict::Race, 3, 5, 4, write);
}

TEST_F(Shared, ReleasesAndAcquires) {
  at(write, 0, 3, 1, 0);
  pass(0, 3, 1, 4);
  pass(1, 4, 2, 5); // through a third
  EXPECT_EQ(at(read, 2, 5, 2, 0).kind, Conflict::None);
  expectConflict(at(read, 2, 6, 3, 0), Conflict::Race, 0, 3, 1, write);
  at(write, 0, 3, 4, 64); // after the release
  expectConflict(at(read, 1, 4, 5, 64), Conflict::Race, 0, 3, 4, write);
}

TEST_F(Shared, OfSeveralReadersEachCounts) {
  shadow.initialise(0, 4096);
  // A broadcast to several warps, then one of the readers writes.
  for (int warp = 0; warp < 4; ++warp)
    EXPECT_EQ(all(read, warp, 10 + warp, 0, 0), 0U);
  pass(1, 0, 0, 0);
  pass(2, 0, 0, 0);
  order.syncLanes(3, allLanes);
  pass(3, 0, 0, 0); // knows all of warp 3
  order.syncLanes(0, allLanes);
  const Conflict c = at(write, 0, 0, 20, 0);
  EXPECT_EQ(c.kind, Conflict::Race);
  EXPECT_TRUE(c.warp == 1 || c.warp == 2);
  EXPECT_NE(c.lane, 0);
  // The same rows by the same lanes of all warps; all but one known.
  for (int warp = 0; warp < 4; ++warp)
    EXPECT_EQ(all(read, warp, 10 + warp, 1024, 16, 16), 0U);
  order.syncWarps({0, 1, 3});
  EXPECT_EQ(all(write, 0, 21, 1024, 16, 16), allLanes);
  expectConflict(found[17], Conflict::Race, 2, 17, 12, read);
  order.syncWarps({0, 2});
  for (int warp = 0; warp < 4; warp += 2)
    EXPECT_EQ(all(read, warp, 10 + warp, 1024, 16, 16), 0U);
  order.syncWarps({0, 2});
  EXPECT_EQ(all(write, 0, 21, 1024, 16, 16), 0U);
}

TEST_F(Shared, ReadingAgainCountsAgain) {
  shadow.initialise(0, 64);
  at(read, 0, 0, 1, 0);
  pass(0, 0, 1, 0);
  at(read, 0, 0, 2, 0);
  expectConflict(at(write, 1, 0, 3, 0), Conflict::Race, 0, 0, 2, read);
}

TEST_F(Shared, SetsAreNotConfused) {
  shadow.initialise(0, 4096);
  // A different set for every byte.
  for (int i = 0; i < 500; ++i) {
    at(read, 0, 0, 1000 + i, i, 1);
    at(read, 1, 0, 1, i, 1);
  }
  for (int i = 0; i < 500; ++i)
    at(read, 0, 0, 2, 2048 + i, 1);
  for (int i = 0; i < 500; ++i)
    at(read, 1, 0, 1000 + i, 2048 + i, 1);
  pass(1, 0, 2, 0);
  for (int i = 0; i < 500; ++i)
    expectConflict(at(write, 2, 0, 3, i, 1), Conflict::Race, 0, 0, 1000 + i, read);
  pass(0, 0, 3, 0);
  for (int i = 0; i < 500; ++i)
    expectConflict(at(write, 3, 0, 3, 2048 + i, 1), Conflict::Race, 1, 0, 1000 + i, read);
}

TEST_F(Shared, CopiesArePendingForEveryone) {
  EXPECT_EQ(copyAt(0, 3, 1, 0).kind, Conflict::None);
  expectConflict(at(read, 0, 3, 2, 0), Conflict::Pending, 0, 3, 1, write);
  expectConflict(at(write, 1, 0, 2, 12, 8), Conflict::Pending, 0, 3, 1, write);
  expectConflict(at(atomic, 1, 0, 2, 4), Conflict::Pending, 0, 3, 1, write);
  expectConflict(copyAt(0, 3, 5, 0), Conflict::Pending, 0, 3, 1, write);
  EXPECT_EQ(at(write, 0, 3, 2, 16).kind, Conflict::Race); // of warp 1's, after the copy's bytes
  barrier();
  expectConflict(at(read, 0, 3, 2, 0), Conflict::Pending, 0, 3, 1, write); // a barrier does not wait
  shadow.endCopy(0, 3, 1, 0, 16);
  EXPECT_EQ(at(read, 0, 3, 2, 0).kind, Conflict::None);
  expectConflict(at(read, 1, 3, 2, 0), Conflict::Race, 0, 3, 1, write);
  barrier();
  EXPECT_EQ(at(read, 1, 3, 2, 0).kind, Conflict::None);
}

TEST_F(Shared, ACopyIsAWrite) {
  shadow.initialise(0, 64);
  at(read, 1, 0, 1, 0);
  const Conflict c = copyAt(0, 3, 2, 0);
  expectConflict(c, Conflict::Race, 1, 0, 1, read);
  // What was known at its beginning is not enough at its end.
  EXPECT_EQ(copyAt(0, 3, 3, 16).kind, Conflict::None);
  pass(0, 3, 1, 0);
  shadow.endCopy(0, 3, 3, 16, 16);
  expectConflict(at(read, 1, 0, 4, 16), Conflict::Race, 0, 3, 3, write);
}

TEST_F(Shared, OddSizes) {
  EXPECT_EQ(at(write, 0, 0, 1, 0, 12).kind, Conflict::None);
  EXPECT_EQ(at(read, 0, 0, 1, 0, 12).kind, Conflict::None);
  EXPECT_EQ(at(read, 1, 0, 1, 0, 3).kind, Conflict::Race);
  EXPECT_EQ(all(write, 2, 1, 64, 32, 32), 0U);
  EXPECT_EQ(all(read, 2, 1, 64, 32, 32), 0U);
}

TEST(SharedTables, StaySmallOverManyRounds) {
  Order order(0, 64);
  SharedShadow shadow(order, 1024, 1000);
  Conflict found[warpSize];
  uint32_t offsets[warpSize], copied[warpSize];
  for (uint32_t lane = 0; lane < warpSize; ++lane) {
    offsets[lane] = lane * 16;
    copied[lane] = 512 + lane * 16;
  }
  EXPECT_EQ(shadow.beginCopy(1, 99, 1U << 30, copied, 16, found), 0U);
  for (int round = 0; round < 3000; ++round) {
    ASSERT_EQ(shadow.access(write, 0, 3 * round, allLanes, offsets, 16, found), 0U);
    order.syncWarps({0, 1});
    ASSERT_EQ(shadow.access(read, 0, 3 * round + 1, allLanes, offsets, 16, found), 0U);
    ASSERT_EQ(shadow.access(read, 1, 3 * round + 2, allLanes, offsets, 16, found), 0U);
    order.syncWarps({0, 1});
    ASSERT_LT(shadow.remembered(), 1010U);
  }
  // The copy of the first round is still not done, and then is.
  EXPECT_EQ(shadow.access(read, 1, 5, 1U << 30, copied, 16, found), 1U << 30);
  EXPECT_EQ(found[30].kind, Conflict::Pending);
  EXPECT_EQ(found[30].op, 99);
  shadow.endCopy(1, 30, 99, copied[30], 16);
  EXPECT_EQ(shadow.access(read, 1, 5, 1U << 30, copied, 16, found), 0U);
  EXPECT_EQ(shadow.access(read, 0, 5, 1U << 30, copied, 16, found), 1U << 30);
  EXPECT_EQ(found[30].kind, Conflict::Race);
  // With named barriers alone it is the same.
  Order others(0, 96);
  SharedShadow named(others, 1024, 1000);
  for (int round = 0; round < 3000; ++round) {
    ASSERT_EQ(named.access(write, 0, 0, allLanes, offsets, 16, found), 0U);
    others.syncWarps({0, 1});
    ASSERT_EQ(named.access(read, 1, 1, allLanes, offsets, 16, found), 0U);
    others.syncWarps({0, 1});
    ASSERT_LT(named.remembered(), 1010U);
  }
}

TEST(SharedTables, RunOutWithAnError) {
  Order order(0, 32);
  AgentTable table(order, 3);
  EXPECT_EQ(table.agent(0, 1, read), table.agent(0, 1, read));
  EXPECT_NE(table.agent(0, 1, read), table.agent(0, 2, read));
  try {
    table.agent(0, 3, read);
    FAIL() << "expected an error";
  } catch (const Error &error) {
    EXPECT_STREQ(error.what(), "out of identifiers for accesses of shared memory: expected at most 3 at a time");
  }
}

} // namespace
