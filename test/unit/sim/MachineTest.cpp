// Small kernels run whole: what they compute, what is counted, and launches that cannot be.
#include "SmallKernel.h"

using namespace treadle::sim;
using testing::HasSubstr;

TEST(Machine, loadsAndStores) {
  auto x = iota(100);
  std::vector<uint32_t> y(100, 7);
  Kernel kernel(entry(2, R"(
    setp.ge.u32 %p1, %r50, 100;
    @%p1 ret;
    ld.global.b32 %r1, [%d40];
    add.s32 %r1, %r1, 5;
    st.global.b32 [%d41], %r1;
    ret;)"));
  Report report = kernel.give(x).give(y, false).run(1, 128);
  EXPECT_CLEAN(report);
  for (uint32_t i = 0; i < 100; ++i)
    EXPECT_EQ(y[i], i + 5);
  EXPECT_GT(report.instructions, 100U);
}

TEST(Machine, lanesLoopOftenAsTheyMust) {
  std::vector<uint32_t> y(64, 0);
  Kernel kernel(entry(1, R"(
    mov.b32 %r1, 0;
    mov.b32 %r2, 0;
  $loop:
    setp.ge.u32 %p1, %r1, %r50;
    @%p1 bra $done;
    add.s32 %r2, %r2, %r1;
    and.b32 %r3, %r1, 1;
    setp.eq.s32 %p2, %r3, 0;
    @%p2 bra $even;
    add.s32 %r2, %r2, 100;
  $even:
    add.s32 %r1, %r1, 1;
    bra $loop;
  $done:
    bar.sync 0;
    st.global.b32 [%d40], %r2;
    ret;)"));
  EXPECT_CLEAN(kernel.give(y, false).run(1, 64));
  for (uint32_t i = 0; i < 64; ++i)
    EXPECT_EQ(y[i], i * (i - 1) / 2 + i / 2 * 100) << i;
}

TEST(Machine, barrierOrdersWarps) {
  std::vector<uint32_t> y(64);
  EXPECT_CLEAN(Kernel(exchange("bar.sync 0;", 32)).give(y, false).run(1, 64, 256));
  for (uint32_t i = 0; i < 64; ++i)
    EXPECT_EQ(y[i], i ^ 32);
}

TEST(Machine, endedLanesAreNotWaitedFor) {
  std::vector<uint32_t> y(64);
  Kernel kernel(entry(1, R"(
    setp.lt.u32 %p1, %r50, 40;
    @%p1 ret;
    bar.sync 0;
    st.global.b32 [%d40], %r50;
    ret;)"));
  EXPECT_CLEAN(kernel.give(y).run(1, 64));
  EXPECT_EQ(y[63], 63U);
}

namespace {

std::string copies(const std::string &wait) {
  return entry(2,
               "mov.u32 %r2, mem;\nshl.b32 %r1, %r50, 2;\nadd.s32 %r3, %r2, %r1;\n"
               "cp.async.ca.shared.global [%r3], [%d40], 4;\ncp.async.commit_group;\n"
               "cp.async.ca.shared.global [%r3+128], [%d40], 4, 0;\ncp.async.commit_group;\n" +
                   wait + "\nld.shared.b32 %r4, [%r3];\nst.global.b32 [%d41], %r4;\ncp.async.wait_all;\nret;",
               dynamicShared);
}

} // namespace

TEST(Machine, copiesLandWhenWaitedFor) {
  auto x = iota(32);
  std::vector<uint32_t> y(32);
  for (const char *wait : {"cp.async.wait_group 1;", "cp.async.wait_group 0;", "cp.async.wait_all;"}) {
    y.assign(32, 99);
    EXPECT_CLEAN(Kernel(copies(wait)).give(x).give(y, false).run(1, 32, 256));
    EXPECT_EQ(y, x) << wait;
  }
  for (const char *wait : {"", "cp.async.wait_group 2;"}) {
    Report report = Kernel(copies(wait)).give(x).give(y, false).run(1, 32, 256);
    ASSERT_EQ(report.findings.size(), 1U) << wait;
    EXPECT_EQ(report.findings[0].kind, Finding::Kind::UnwaitedCopy);
    EXPECT_EQ(report.findings[0].what, "reads 4 bytes at shared+0, which a copy of thread (0,0,0) still writes");
  }
}

TEST(Machine, copiesOfPartsAreFilledWithZeros) {
  auto x = iota(32);
  std::vector<uint32_t> y(32, 9);
  Kernel kernel(entry(2, R"(
    add.s32 %r9, %r50, 5;
    cp.async.ca.shared.global [0], [%d50+16], 16, 6;
    cp.async.wait_all;
    ld.shared.v4.b32 {%r1, %r2, %r3, %r4}, [0];
    st.global.v4.b32 [%d51], {%r1, %r2, %r3, %r4};
    ret;)",
                      dynamicShared));
  x[5] = 0xAABBCCDD;
  EXPECT_CLEAN(kernel.give(x).give(y, false).run(1, 1, 64));
  EXPECT_EQ(std::vector<uint32_t>(y.begin(), y.begin() + 4), (std::vector<uint32_t>{4, 0xCCDD, 0, 0}));
}

TEST(Machine, lastBlockReadsWhatOthersReleased) {
  // Every block writes its number, fences and counts itself; the last one adds them up.
  std::string sum = R"(
    mul.wide.u32 %d1, %r51, 4;
    add.s64 %d2, %d50, %d1;
    st.global.b32 [%d2], %r51;
    FENCE
    atom.global.add.u32 %r1, [%d51], 1;
    setp.ne.u32 %p1, %r1, 7;
    @%p1 ret;
    FENCE
    mov.b32 %r2, 0;
    mov.b32 %r3, 0;
    mov.b64 %d3, %d50;
  $loop:
    ld.global.b32 %r4, [%d3];
    add.s32 %r2, %r2, %r4;
    add.s64 %d3, %d3, 4;
    add.s32 %r3, %r3, 1;
    setp.lt.u32 %p2, %r3, 8;
    @%p2 bra $loop;
    st.global.b32 [%d52], %r2;
    ret;)";
  auto with = [&](const std::string &fence) {
    std::string text = sum;
    for (size_t at; (at = text.find("FENCE")) != std::string::npos;)
      text.replace(at, 5, fence);
    return entry(3, text);
  };
  std::vector<uint32_t> parts(8), count(1), result(1);
  EXPECT_CLEAN(Kernel(with("membar.gl;")).give(parts, false).give(count).give(result, false).run(8, 1));
  EXPECT_EQ(result[0], 28U);
  count[0] = 0;
  Report report = Kernel(with("")).give(parts, false).give(count).give(result, false).run(8, 1);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].kind, Finding::Kind::Race);
}

TEST(Machine, namedBarriersOrderProducersAndConsumers) {
  // Warp 0 writes and arrives; warp 1 waits and reads.
  std::string body = R"(
    shl.b32 %r1, %r50, 2;
    setp.ge.u32 %p1, %r50, 32;
    @%p1 bra $consumer;
    st.shared.b32 [%r1], %r50;
    ARRIVE
    ret;
  $consumer:
    bar.sync 1, 64;
    ld.shared.b32 %r2, [%r1+-128];
    st.global.b32 [%d40+-128], %r2;
    ret;)";
  std::vector<uint32_t> y(32);
  std::string good = body, bad = body;
  good.replace(good.find("ARRIVE"), 6, "bar.arrive 1, 64;");
  bad.replace(bad.find("ARRIVE"), 6, "");
  EXPECT_CLEAN(Kernel(entry(1, good, dynamicShared)).give(y, false).run(1, 64, 128));
  EXPECT_EQ(y, iota(32));
  EXPECT_FOUND(Kernel(entry(1, bad, dynamicShared)).give(y, false).run(1, 64, 128),
               "deadlock: waits at barrier 1, which 32 threads have reached and 64 must");
}

TEST(Machine, barrierReduces) {
  std::vector<uint32_t> y(64);
  Kernel kernel(entry(1, R"(
    setp.lt.u32 %p1, %r50, 40;
    bar.red.popc.u32 %r1, 0, %p1;
    bar.red.and.pred %p2, 0, %p1;
    bar.red.or.pred %p3, 0, !%p1;
    selp.b32 %r2, 1000, 0, %p2;
    selp.b32 %r3, 100, 0, %p3;
    add.s32 %r1, %r1, %r2;
    add.s32 %r1, %r1, %r3;
    st.global.b32 [%d40], %r1;
    ret;)"));
  EXPECT_CLEAN(kernel.give(y, false).run(1, 64));
  EXPECT_EQ(y[0], 140U);
  EXPECT_EQ(y[63], 140U);
}

TEST(Machine, mbarrierHandsOver) {
  std::string body = R"(
    shl.b32 %r1, %r50, 2;
    setp.ne.u32 %p1, %r50, 0;
    @%p1 bra $ready;
    mbarrier.init.shared.b64 [0], 32;
  $ready:
    bar.sync 0;
    setp.ge.u32 %p2, %r50, 32;
    @%p2 bra $wait;
    st.shared.b32 [%r1+64], %r50;
    ARRIVE
    ret;
  $wait:
    mbarrier.try_wait.parity.shared.b64 %p3, [0], 0;
    @!%p3 bra $wait;
    ld.shared.b32 %r2, [%r1+-64];
    st.global.b32 [%d40+-128], %r2;
    ret;)";
  auto with = [&](const std::string &arrive) {
    std::string text = body;
    text.replace(text.find("ARRIVE"), 6, arrive);
    return entry(1, text, dynamicShared);
  };
  std::vector<uint32_t> y(32);
  EXPECT_CLEAN(Kernel(with("mbarrier.arrive.shared.b64 %d1, [0];")).give(y, false).run(1, 64, 256));
  EXPECT_EQ(y, iota(32));
  Report report = Kernel(with("@%p1 mbarrier.arrive.shared.b64 %d1, [0];")).give(y, false).run(1, 64, 256);
  EXPECT_FOUND(report, "deadlock: waits for an mbarrier whose phase nobody completes");
  // One thread arrives for all, but only for what it did itself.
  report = Kernel(with("@!%p1 mbarrier.arrive.shared.b64 %d1, [0], 32;")).give(y, false).run(1, 64, 256);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].kind, Finding::Kind::Race);
}

TEST(Machine, mbarrierByToken) {
  std::vector<uint32_t> y(64);
  Kernel kernel(entry(1, R"(
    shl.b32 %r1, %r50, 2;
    setp.eq.u32 %p1, %r50, 0;
    @%p1 mbarrier.init.shared.b64 [0], 64;
    bar.sync 0;
    st.shared.b32 [%r1+64], %r50;
    mbarrier.arrive.shared.b64 %d1, [0];
  $wait:
    mbarrier.test_wait.shared.b64 %p3, [0], %d1;
    @!%p3 bra $wait;
    xor.b32 %r2, %r1, 4;
    ld.shared.b32 %r3, [%r2+64];
    st.global.b32 [%d40], %r3;
    ret;)",
                      dynamicShared));
  Report report = kernel.give(y, false).run(1, 64, 512);
  EXPECT_CLEAN(report);
  EXPECT_EQ(y[0], 1U);
  EXPECT_EQ(y[63], 62U);
}

TEST(Machine, copiesArriveAtAnMbarrier) {
  auto x = iota(32);
  std::vector<uint32_t> y(32);
  Kernel kernel(entry(2, R"(
    shl.b32 %r1, %r50, 2;
    setp.ne.u32 %p1, %r50, 0;
    @%p1 bra $ready;
    mbarrier.init.shared.b64 [0], 32;
  $ready:
    bar.sync 0;
    cp.async.ca.shared.global [%r1+64], [%d40], 4;
    cp.async.mbarrier.arrive.noinc.shared.b64 [0];
  $wait:
    mbarrier.test_wait.parity.shared.b64 %p3, [0], 0;
    @!%p3 bra $wait;
    xor.b32 %r2, %r1, 4;
    ld.shared.b32 %r3, [%r2+64];
    st.global.b32 [%d41], %r3;
    ret;)",
                      dynamicShared));
  EXPECT_CLEAN(kernel.give(x).give(y, false).run(1, 32, 256));
  EXPECT_EQ(y[6], 7U);
}

TEST(Machine, warpBarriersInDifferentPlaces) {
  std::vector<uint32_t> y(32);
  Kernel kernel(entry(1, R"(
    shl.b32 %r1, %r50, 2;
    st.shared.b32 [%r1], %r50;
    setp.lt.u32 %p1, %r50, 16;
    @%p1 bra $low;
    bar.warp.sync 0xffffffff;
    bra $read;
  $low:
    bar.warp.sync 0xffffffff;
  $read:
    xor.b32 %r1, %r1, 64;
    ld.shared.b32 %r2, [%r1];
    st.global.b32 [%d40], %r2;
    ret;)",
                      dynamicShared));
  EXPECT_CLEAN(kernel.give(y, false).run(1, 32, 128));
  EXPECT_EQ(y[0], 16U);
}

TEST(Machine, atomicsOnSharedMemory) {
  std::vector<uint32_t> y(1);
  Kernel kernel(entry(1, R"(
    setp.ne.u32 %p1, %r50, 0;
    @%p1 bra $go;
    st.shared.b32 [0], 0;
  $go:
    bar.sync 0;
    atom.shared.add.u32 %r1, [0], 1;
    bar.sync 0;
    ld.shared.b32 %r2, [0];
    st.global.b32 [%d50], %r2;
    ret;)",
                      dynamicShared));
  EXPECT_CLEAN(kernel.give(y, false).run(1, 96, 16));
  EXPECT_EQ(y[0], 96U);
}

TEST(Machine, genericAddressesAndLocalMemory) {
  std::vector<uint32_t> y(32);
  Kernel kernel(entry(1, R"(
    .local .align 8 .b8 depot[16];
    mov.u32 %r1, mem;
    cvt.u64.u32 %d1, %r1;
    cvta.shared.u64 %d2, %d1;
    add.s64 %d2, %d2, %d49;
    st.b32 [%d2], %r50;
    ld.b32 %r2, [%d2];
    mov.b64 %d3, depot;
    cvta.local.u64 %d4, %d3;
    st.b32 [%d4+4], %r2;
    ld.local.b32 %r3, [%d3+4];
    st.b32 [%d40], %r3;
    ld.local.b32 %r4, [%d3+8];
    ret;)",
                      dynamicShared));
  EXPECT_FOUND(kernel.give(y, false).run(1, 32, 128), "uninitialised: reads 4 bytes at local+8, which nothing wrote");
  EXPECT_EQ(y, iota(32));
}

TEST(Machine, moduleVariables) {
  std::vector<uint32_t> y(4);
  Kernel kernel(entry(1, R"(
    mov.u64 %d1, counter;
    ld.global.b32 %r1, [%d1];
    ld.const.b32 %r2, [table+4];
    add.s32 %r3, %r1, %r2;
    st.global.b32 [%d50], %r3;
    st.global.b32 [%d1], 100;
    ret;)",
                      ".global .align 4 .u32 counter = 7;\n.const .align 4 .u32 table[2] = {10, 20};"));
  kernel.give(y, false);
  EXPECT_CLEAN(kernel.run(1, 1));
  EXPECT_EQ(y[0], 27U);
  EXPECT_CLEAN(kernel.run(1, 1));
  EXPECT_EQ(y[0], 120U);
}

TEST(Machine, hostThreadsDoNotMatter) {
  auto x = iota(4096);
  std::vector<uint32_t> first(4096), second(4096);
  std::string text = entry(2, R"(
    mul.wide.u32 %d1, %r51, 256;
    add.s64 %d2, %d40, %d1;
    add.s64 %d3, %d41, %d1;
    ld.global.b32 %r1, [%d2];
    mul.lo.u32 %r1, %r1, %r1;
    st.global.b32 [%d3], %r1;
    ret;)");
  Kernel one(text), many(text);
  one.options.threads = 1;
  many.options.threads = 8;
  Report a = one.give(x).give(first, false).run(64, 64), b = many.give(x).give(second, false).run(64, 64);
  EXPECT_CLEAN(a);
  EXPECT_CLEAN(b);
  EXPECT_EQ(first, second);
  EXPECT_EQ(a.instructions, b.instructions);
}

TEST(Machine, countsSectorsAndBankConflicts) {
  auto x = iota(1024); // 16-byte aligned, so at a multiple of 256 for the kernel
  Kernel kernel(entry(1, R"(
    ld.global.b32 %r1, [%d40];
    mul.wide.u32 %d1, %r50, 32;
    add.s64 %d2, %d50, %d1;
    ld.global.b32 %r2, [%d2];
    shl.b32 %r3, %r50, 2;
    st.shared.b32 [%r3], %r1;
    shl.b32 %r4, %r50, 7;
    st.shared.b32 [%r4], %r1;
    shl.b32 %r5, %r50, 4;
    st.shared.v4.b32 [%r5], {%r1, %r1, %r1, %r1};
    ret;)",
                      dynamicShared));
  kernel.options.races = false;
  Report report = kernel.give(x).run(1, 32, 4096);
  std::vector<OpCounts> loads, stores;
  for (size_t i = 0; i < report.counts.size(); ++i) {
    if (report.counts[i].globalRead)
      loads.push_back(report.counts[i]);
    if (report.counts[i].sharedIdeal)
      stores.push_back(report.counts[i]);
  }
  ASSERT_EQ(loads.size(), 2U);
  EXPECT_EQ(loads[0].globalRead, 128U);
  EXPECT_EQ(loads[0].sectorsRead, 4U);
  EXPECT_EQ(loads[1].sectorsRead, 32U);
  ASSERT_EQ(stores.size(), 3U);
  EXPECT_EQ(stores[0].sharedWavefronts, 1U);
  EXPECT_EQ(stores[1].sharedWavefronts, 32U);
  EXPECT_EQ(stores[1].sharedIdeal, 1U);
  EXPECT_EQ(stores[2].sharedWavefronts, 4U);
  EXPECT_EQ(stores[2].sharedIdeal, 4U);
}

TEST(Machine, launchesThatCannotBe) {
  std::string text = entry(1, "ret;");
  EXPECT_EQ(errorOf([&] { Kernel(text).run(1, 32); }), "k: expected 1 parameters, found 0");
  EXPECT_EQ(errorOf([&] { Kernel(text).value(0).run(0, 32); }),
            "k: expected a grid from 1,1,1 to 2147483647,65535,65535, found 0,1,1");
  EXPECT_EQ(errorOf([&] { Kernel(text).value(0).run(1, 2000); }),
            "k: expected a block of 1 to 1024 threads, found 2000,1,1");
  EXPECT_EQ(errorOf([&] { Kernel(text).value(0).run(1, 32, 1 << 20); }),
            "k: expected at most 232448 bytes of shared memory, found 1048576");
  std::string required = text;
  required.replace(required.find(")\n{"), 1, ")\n.reqntid 64, 1, 1\n");
  EXPECT_EQ(errorOf([&] { Kernel(required).value(0).run(1, 32); }),
            "k: expected a block of 64,1,1, which .reqntid asks for, found 32,1,1");
  std::string most = text;
  most.replace(most.find(")\n{"), 1, ")\n.maxntid 16\n");
  EXPECT_EQ(errorOf([&] { Kernel(most).value(0).run(1, 32); }),
            "k: expected a block of at most 16,1,1, which .maxntid allows, found 32,1,1");
}

TEST(Machine, arraysThatTieTwoTogether) {
  std::vector<uint32_t> x(30);
  GlobalMemory memory;
  int64_t ten = 10, thirty = 30, one = 1;
  uint64_t first = memory.map(x.data(), 4, 1, &ten, &one, "a", true);
  memory.map(x.data() + 20, 4, 1, &ten, &one, "b", true);
  EXPECT_EQ(errorOf([&] { memory.map(x.data(), 4, 1, &thirty, &one, "c", true); }),
            "c: expected an array that overlaps one other, found one that overlaps a and b");
  int64_t fifteen = 15;
  EXPECT_EQ(memory.map(x.data() + 5, 4, 1, &fifteen, &one, "d", true), first + 20);
}

TEST(Decode, whatIsNotSimulatedIsNamed) {
  EXPECT_EQ(errorOf([] { Kernel(entry(0, "wgmma.fence.sync.aligned;\nret;")); }),
            "k.ptx:14: wgmma.fence.sync.aligned: not an instruction that is simulated");
  EXPECT_EQ(errorOf([] { Kernel(entry(0, "mov.u32 %r1, %clock;\nret;")); }),
            "k.ptx:14: mov.u32: special register %clock is not simulated");
  EXPECT_EQ(errorOf([] { Kernel(entry(0, "add.s32 %r1, %r2;\nret;")); }),
            "k.ptx:14: add.s32: expected 3 operands, found 2");
  EXPECT_EQ(errorOf([] { Kernel(entry(0, "add.s32 %r1, %r2, %d1;\nret;")); }),
            "k.ptx:14: add.s32: expected an operand of 32 bits, found %d1, of 64 bits");
  EXPECT_EQ(errorOf([] { Kernel(entry(0, "ld.global.b32 %r1, [%r2];\nret;")); }),
            "k.ptx:14: ld.global.b32: expected an address of 64 bits, found 32");
  EXPECT_EQ(errorOf([] { Kernel(entry(0, "cp.async.cg.shared.global [%r1], [%d1], 8;\nret;")); }),
            "k.ptx:14: cp.async.cg.shared.global: expected a size of 16 bytes, found 8");
  EXPECT_EQ(errorOf([] { Kernel(entry(0, "atom.global.add.b32 %r1, [%d1], 8;\nret;")); }),
            "k.ptx:14: atom.global.add.b32: expected an operation on a type that it has");
}
