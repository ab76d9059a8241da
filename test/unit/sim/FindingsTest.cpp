// What small kernels do wrong, and what is no fault.
#include "SmallKernel.h"

using namespace treadle::sim;
using testing::HasSubstr;

TEST(Findings, missingBarrierIsARace) {
  std::vector<uint32_t> y(64);
  Report report = Kernel(exchange("", 32)).give(y, false).run(1, 64, 256);
  ASSERT_FALSE(report.findings.empty());
  bool hasRace = false;
  for (const Finding &finding : report.findings)
    hasRace |= finding.kind == Finding::Kind::Race && finding.other;
  EXPECT_TRUE(hasRace);
}

TEST(Findings, onlyABarrierOrdersLanes) {
  std::vector<uint32_t> y(32);
  EXPECT_CLEAN(Kernel(exchange("bar.warp.sync 0xffffffff;", 1)).give(y, false).run(1, 32, 128));
  for (const char *between : {"", "shfl.sync.bfly.b32 %r9, %r50, 1, 31, 0xffffffff;", "membar.cta;"}) {
    Report report = Kernel(exchange(between, 1)).give(y, false).run(1, 32, 128);
    ASSERT_EQ(report.findings.size(), 1U) << between;
    EXPECT_EQ(report.findings[0].kind, Finding::Kind::Race);
    EXPECT_THAT(report.findings[0].what, HasSubstr("reads 4 bytes at shared+"));
  }
}

TEST(Findings, divergentBarrier) {
  std::vector<uint32_t> y(64);
  Kernel kernel(entry(1, R"(
    setp.lt.u32 %p1, %r50, 16;
    @%p1 bra $first;
    bar.sync 0;
    ret;
  $first:
    bar.sync 0;
    ret;)"));
  Report report = kernel.give(y).run(1, 32);
  ASSERT_FALSE(report.findings.empty());
  EXPECT_EQ(report.findings[0].kind, Finding::Kind::DivergentBarrier);
  EXPECT_THAT(report.findings[0].what, HasSubstr("waits, with lanes 16-31 of its warp, for lanes 0-15"));
}

TEST(Findings, barrierWithoutAWarpIsADeadlock) {
  std::vector<uint32_t> y(64);
  Kernel kernel(entry(1, R"(
    setp.lt.u32 %p1, %r50, 32;
    @%p1 bar.sync 0, 64;
    ret;)"));
  EXPECT_FOUND(kernel.give(y).run(1, 64), "deadlock: waits at barrier 0, which 32 threads have reached and 64 must");
}

TEST(Findings, outOfBounds) {
  auto x = iota(64), y = iota(64);
  Kernel kernel(entry(2, "ld.global.b32 %r1, [%d40+8];\nst.global.b32 [%d41+-4], %r1;\nret;"));
  EXPECT_FOUND(kernel.give(x).give(y).run(1, 64), "out-of-bounds: reads 4 bytes at x0+256, out of the 256 bytes it has",
               "out-of-bounds: writes 4 bytes at x1-4, out of the 256 bytes it has");
  EXPECT_EQ(y[63], 63U); // nothing was written for the last thread's neighbour but what thread 63 reads as 0
  EXPECT_EQ(y[62], 0U);
}

TEST(Findings, betweenTheRowsOfAView) {
  auto x = iota(64);
  Kernel kernel(entry(1, "ld.global.b32 %r1, [%d40];\nret;"));
  int64_t shape[] = {4, 8}, strides[] = {16, 1};
  kernel.value(kernel.memory.map(x.data(), 4, 2, shape, strides, "view", true));
  EXPECT_FOUND(kernel.run(1, 9), "out-of-bounds: reads 4 bytes at view+32, between the rows of the view");
}

TEST(Findings, misaligned) {
  auto x = iota(64);
  Kernel kernel(entry(1, "ld.global.v2.b32 {%r1, %r2}, [%d50+4];\nld.shared.b32 %r3, [2];\nret;", dynamicShared));
  Report report = kernel.give(x).run(1, 1, 64);
  ASSERT_EQ(report.findings.size(), 2U);
  EXPECT_EQ(report.findings[0].kind, Finding::Kind::Misaligned);
  EXPECT_THAT(report.findings[0].what, HasSubstr("reads 8 bytes at x0+4, whose address is no multiple of 8"));
  EXPECT_EQ(report.findings[1].what, "reads 4 bytes at shared+2, which is no multiple of 4");
}

TEST(Findings, nullPointer) {
  EXPECT_FOUND(Kernel(entry(1, "st.global.b32 [%d50+8], %r50;\nret;")).value(0).run(1, 1),
               "null-pointer: writes 4 bytes at 0x8, which is in no buffer");
  EXPECT_FOUND(Kernel(entry(1, "ld.b32 %r1, [%d50];\nret;")).value(uint64_t(99) << 56).run(1, 1),
               "null-pointer: reads 4 bytes at 0x6300000000000000, which is in no buffer");
}

TEST(Findings, uninitialised) {
  std::vector<uint32_t> y(32);
  EXPECT_FOUND(Kernel(entry(1, "ld.global.b32 %r1, [%d40];\nld.shared.b32 %r2, [16];\nret;", dynamicShared))
                   .give(y, false)
                   .run(1, 32, 64),
               "uninitialised: reads 4 bytes at x0+0, which nothing wrote",
               "uninitialised: reads 4 bytes at shared+16, which nothing wrote");
}

TEST(Findings, writtenByAnEarlierLaunchIsInitialised) {
  std::vector<uint32_t> y(32);
  Kernel kernel(entry(1, "st.global.b32 [%d40], %r50;\nld.global.b32 %r1, [%d40];\nret;"));
  kernel.give(y, false);
  EXPECT_CLEAN(kernel.run(1, 32));
  EXPECT_CLEAN(kernel.run(1, 32));
}

TEST(Findings, blocksThatWriteTheSameRace) {
  std::vector<uint32_t> y(32);
  Report report = Kernel(entry(1, "st.global.b32 [%d40], %r50;\nret;")).give(y, false).run(4, 32);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].kind, Finding::Kind::Race);
  EXPECT_THAT(report.findings[0].what, HasSubstr("of another block writes with nothing to order the two"));
}

TEST(Findings, threadsThatWriteTheSameValueDoNoHarm) {
  std::vector<uint32_t> y(1);
  EXPECT_CLEAN(Kernel(entry(1, "mov.b32 %r1, 3;\nst.global.b32 [%d50], %r1;\nret;")).give(y, false).run(1, 64));
  Report report = Kernel(entry(1, "st.global.b32 [%d50], %r50;\nret;")).give(y, false).run(1, 64);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].kind, Finding::Kind::Race);
}

TEST(Findings, copyNobodyWaitsFor) {
  auto x = iota(32);
  Kernel kernel(entry(1, "cp.async.ca.shared.global [0], [%d50], 16;\ncp.async.commit_group;\nret;", dynamicShared));
  EXPECT_FOUND(kernel.give(x).run(1, 1, 64), "unwaited-copy: starts a copy that it never waits for");
}

TEST(Findings, mbarrierMisuse) {
  EXPECT_FOUND(Kernel(entry(0, "mbarrier.arrive.shared.b64 %d1, [8];\nret;", dynamicShared)).run(1, 1, 64),
               "uninitialised: updates 8 bytes at shared+8, which nothing wrote",
               "invalid-operand: uses shared+8 as an mbarrier, which was not initialised");
  EXPECT_FOUND(Kernel(entry(0, "mbarrier.init.shared.b64 [8], 0;\nret;", dynamicShared)).run(1, 1, 64),
               "invalid-operand: initialises an mbarrier for no arrivals");
  EXPECT_FOUND(
      Kernel(entry(0, "mbarrier.init.shared.b64 [8], 1;\nmbarrier.arrive.shared.b64 %d1, [8], 2;\nret;", dynamicShared))
          .run(1, 1, 64),
      "invalid-operand: arrives at an mbarrier whose phase has had all of its 1 arrivals");
}

TEST(Findings, memberMasks) {
  std::vector<uint32_t> y(32);
  // Halves of a warp, each with its own mask, in different places.
  Kernel halves(entry(1, R"(
    setp.lt.u32 %p1, %r50, 16;
    @%p1 bra $low;
    shfl.sync.idx.b32 %r1, %r50, 20, 31, 0xffff0000;
    bra $store;
  $low:
    shfl.sync.idx.b32 %r1, %r50, 3, 31, 0x0000ffff;
  $store:
    st.global.b32 [%d40], %r1;
    ret;)"));
  EXPECT_CLEAN(halves.give(y, false).run(1, 32));
  EXPECT_EQ(y[0], 3U);
  EXPECT_EQ(y[31], 20U);
  Report report = Kernel(entry(0, "shfl.sync.idx.b32 %r1, %r50, 0, 31, 0x7fffffff;\nret;")).run(1, 32);
  ASSERT_FALSE(report.findings.empty());
  EXPECT_EQ(report.findings[0].what, "is not in its own member mask");
  report = Kernel(entry(0, "setp.eq.u32 %p1, %r50, 5;\n@%p1 ret;\nbar.warp.sync 0xffffffff;\nret;")).run(1, 32);
  EXPECT_FOUND(report, "invalid-operand: waits for lane 5 of its warp, which has ended");
  report = Kernel(entry(0, "bar.warp.sync 0xffffffff;\nret;")).run(1, 8);
  EXPECT_FOUND(report, "invalid-operand: waits for lanes 8-31 of its warp, which does not exist");
}

TEST(Findings, neverEnds) {
  Kernel kernel(entry(0, "$loop:\nbra $loop;\nret;"));
  kernel.options.maxInstructions = 1000;
  EXPECT_FOUND(kernel.run(1, 32),
               "limit: is still running after 1000 warp instructions of its block, the most allowed; it may never end");
}

TEST(Findings, trapStops) {
  EXPECT_FOUND(Kernel(entry(0, "trap;\nret;")).run(1, 32), "invalid-operand: stops the kernel");
}

TEST(Findings, warpBarriersThatNameOthers) {
  // Each half waits for all lanes as it names them, and they name different ones.
  Report report = Kernel(entry(0, R"(
    setp.lt.u32 %p1, %r50, 16;
    @%p1 bra $low;
    bar.warp.sync 0xffffffff;
    ret;
  $low:
    bar.warp.sync 0x0001ffff;
    ret;)"))
                      .run(1, 32);
  ASSERT_EQ(report.findings.size(), 2U);
  EXPECT_EQ(report.findings[0].kind, Finding::Kind::Deadlock);
  EXPECT_EQ(report.findings[0].what, "waits, with lanes 16-31 of its warp, for lanes 0-15, which never come");
}
