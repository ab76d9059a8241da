// Shuffles, votes, matches and reductions of a warp, against what each is defined as.
#include "OneWarp.h"

#include <algorithm>
#include <numeric>

using namespace treadle::sim;
using namespace treadle::sim::one_warp;

namespace {

constexpr uint32_t untouched = 0x55555555;

// What __shfl_*_sync(value, b, width) reads from; own lane and false where it is out of range.
std::pair<int, bool> shuffled(const std::string &mode, int lane, int b, int width) {
  int start = lane / width * width, end = start + width;
  int from = lane;
  bool inRange = true;
  if (mode == "up")
    from = lane - b, inRange = from >= start;
  else if (mode == "down")
    from = lane + b, inRange = from < end;
  else if (mode == "bfly")
    from = lane ^ b, inRange = from < end;
  else
    from = start + b % width;
  return {inRange ? from : lane, inRange};
}

TEST(Shuffle, EveryModeWidthAndOffset) {
  OneWarp w;
  w.set(1, [](int lane) { return 1000 + lane * lane; });
  for (const char *mode : {"up", "down", "bfly", "idx"})
    for (int width : {1, 2, 4, 8, 16, 32})
      for (int b = 0; b < 32; ++b) {
        int c = (32 - width) << 8 | (mode == std::string("up") ? 0 : 31);
        w.predicateAt(0) = 0;
        w.run("shfl.sync." + std::string(mode) + ".b32",
              {pairOf(reg(0), pred(0)), reg(1), integer(b), integer(c), integer(-1)});
        for (int lane = 0; lane < warpSize; ++lane) {
          auto [from, inRange] = shuffled(mode, lane, b, width);
          ASSERT_EQ(w.lanes(0)[lane], 1000 + from * from) << mode << width << " " << b << " lane " << lane;
          ASSERT_EQ(w.predicateAt(0) >> lane & 1, inRange) << mode << width << " " << b << " lane " << lane;
        }
      }
}

TEST(Shuffle, ClampsWithinASegment) {
  OneWarp w;
  w.set(1, [](int lane) { return lane; });
  // Segments of 8 in which only the first 6 are read from.
  w.run("shfl.sync.down.b32", {reg(0), reg(1), integer(2), integer(24 << 8 | 5), integer(-1)});
  for (int lane = 0; lane < warpSize; ++lane)
    EXPECT_EQ(w.lanes(0)[lane], lane % 8 + 2 <= 5 ? lane + 2 : lane);
  // Only bits 0 to 4 of b count.
  w.run("shfl.sync.idx.b32", {reg(0), reg(1), integer(32 + 3), integer(31), integer(-1)});
  EXPECT_EQ(w.lanes(0)[20], 3U);
  // Operands differ between lanes.
  w.set(2, [](int lane) { return 31 - lane; });
  w.set(3, [](int lane) { return lane < 16 ? 31 : 16 << 8 | 31; });
  w.run("shfl.sync.idx.b32", {reg(0), reg(1), reg(2), reg(3), integer(-1)});
  EXPECT_EQ(w.lanes(0)[1], 30U);
  EXPECT_EQ(w.lanes(0)[17], 16U + 14U);
}

TEST(Shuffle, WritesActiveLanesAndMayOverwriteItsSource) {
  OneWarp w;
  w.set(1, [](int lane) { return lane; });
  w.predicateAt(1) = 0xf0000000;
  w.run("shfl.sync.bfly.b32", {pairOf(reg(1), pred(1)), reg(1), integer(1), integer(31), integer(0xffff)}, 0xffff);
  for (int lane = 0; lane < warpSize; ++lane)
    EXPECT_EQ(w.lanes(1)[lane], lane < 16 ? lane ^ 1 : lane);
  EXPECT_EQ(w.predicateAt(1), 0xf000ffffU);
}

TEST(Vote, EveryMode) {
  struct Case {
    Mask active, votes;
    bool all, any, uniform;
  };
  for (Case c : {Case{allLanes, 0, false, false, true}, Case{allLanes, allLanes, true, true, true},
                 Case{allLanes, 0x10, false, true, false}, Case{0xff, 0xffff00ff, true, true, true},
                 Case{0xff, 0xffffff00, false, false, true}, Case{0x3, 0x2, false, true, false}}) {
    for (bool negated : {false, true}) {
      OneWarp w;
      w.predicateAt(1) = negated ? ~c.votes : c.votes;
      auto vote = [&](const char *mode) {
        w.predicateAt(0) = 0xaaaaaaaa;
        w.run(std::string("vote.sync.") + mode + ".pred", {pred(0), negated ? notPred(1) : pred(1), integer(c.active)},
              c.active);
        EXPECT_EQ(w.predicateAt(0) & ~c.active, 0xaaaaaaaa & ~c.active);
        Mask result = w.predicateAt(0) & c.active;
        EXPECT_TRUE(result == 0 || result == c.active);
        return result != 0;
      };
      EXPECT_EQ(vote("all"), c.all);
      EXPECT_EQ(vote("any"), c.any);
      EXPECT_EQ(vote("uni"), c.uniform);
      w.set(0, [](int) { return untouched; });
      w.run("vote.sync.ballot.b32", {reg(0), negated ? notPred(1) : pred(1), integer(c.active)}, c.active);
      for (int lane = 0; lane < warpSize; ++lane)
        EXPECT_EQ(w.lanes(0)[lane], c.active >> lane & 1 ? c.votes & c.active : untouched);
    }
  }
}

TEST(Match, AnyFindsEqualLanes) {
  OneWarp w;
  constexpr Mask active = 0x7fffffff;
  auto value = [](int lane) { return lane % 5 == 4 ? 7 : lane % 3; };
  auto check = [&] {
    for (int lane = 0; lane < warpSize; ++lane) {
      Mask equal = 0;
      for (int other = 0; other < warpSize; ++other)
        if (active >> other & 1 && value(other) == value(lane))
          equal |= Mask(1) << other;
      EXPECT_EQ(w.lanes(0)[lane], active >> lane & 1 ? equal : untouched);
    }
  };
  w.set(0, [](int) { return untouched; });
  w.set(1, value);
  w.run("match.any.sync.b32", {reg(0), reg(1), integer(active)}, active);
  check();
  w.set(0, [](int) { return untouched; });
  for (int lane = 0; lane < warpSize; ++lane)
    w.wideLanes(0)[lane] = uint64_t(value(lane)) << 32 | 5; // differ in the upper half alone
  w.run("match.any.sync.b64", {reg(0), wide(0), integer(active)}, active);
  check();
  // In place.
  w.set(0, [](int lane) { return lane / 16; });
  w.run("match.any.sync.b32", {reg(0), reg(0), integer(-1)});
  EXPECT_EQ(w.lanes(0)[0], 0xffffU);
  EXPECT_EQ(w.lanes(0)[31], 0xffff0000U);
}

TEST(Match, AllIsTheMaskOrNothing) {
  OneWarp w;
  w.set(1, [](int lane) { return lane == 3 ? 1 : 9; });
  w.predicateAt(0) = 0;
  w.run("match.all.sync.b32", {pairOf(reg(0), pred(0)), reg(1), integer(0xf0)}, 0xf0);
  EXPECT_EQ(w.lanes(0)[4], 0xf0U);
  EXPECT_EQ(w.predicateAt(0), 0xf0U);
  w.predicateAt(0) = allLanes;
  w.run("match.all.sync.b32", {pairOf(reg(0), pred(0)), reg(1), integer(0xff)}, 0xff);
  EXPECT_EQ(w.lanes(0)[4], 0U);
  EXPECT_EQ(w.predicateAt(0), ~Mask(0xff));
  for (int lane = 0; lane < warpSize; ++lane)
    w.wideLanes(0)[lane] = uint64_t(lane == 9) << 40;
  w.run("match.all.sync.b64", {reg(0), wide(0), integer(-1)});
  EXPECT_EQ(w.lanes(0)[4], 0U);
}

TEST(Reduce, EveryOperation) {
  constexpr Mask active = 0x0ffffff3;
  OneWarp w;
  auto value = [](int lane) { return 0x9e3779b9U * (lane + 1) ^ (lane == 0 ? 0x80000000 : 0); };
  std::vector<uint32_t> values;
  for (int lane = 0; lane < warpSize; ++lane)
    if (active >> lane & 1)
      values.push_back(value(lane));
  std::vector<int32_t> asSigned(values.begin(), values.end());
  auto reduce = [&](const char *mode) {
    w.set(0, [](int) { return untouched; });
    w.set(1, value);
    w.run(std::string("redux.sync.") + mode, {reg(0), reg(1), integer(active)}, active);
    EXPECT_EQ(w.lanes(0)[2], untouched);
    EXPECT_EQ(w.lanes(0)[0], w.lanes(0)[27]);
    return w.lanes(0)[27];
  };
  uint32_t sum = std::accumulate(values.begin(), values.end(), 0U);
  EXPECT_EQ(reduce("add.u32"), sum);
  EXPECT_EQ(reduce("add.s32"), sum);
  EXPECT_EQ(reduce("min.u32"), *std::min_element(values.begin(), values.end()));
  EXPECT_EQ(reduce("max.u32"), *std::max_element(values.begin(), values.end()));
  EXPECT_EQ(reduce("min.s32"), uint32_t(*std::min_element(asSigned.begin(), asSigned.end())));
  EXPECT_EQ(reduce("max.s32"), uint32_t(*std::max_element(asSigned.begin(), asSigned.end())));
  EXPECT_EQ(reduce("xor.b32"), std::accumulate(values.begin(), values.end(), 0U, std::bit_xor<>()));
  auto bits = [](int lane) { return lane == 8 ? 0xff00 : 0xfff3; };
  w.set(1, bits);
  w.run("redux.sync.and.b32", {reg(0), reg(1), integer(active)}, active);
  EXPECT_EQ(w.lanes(0)[0], 0xff00U);
  w.set(1, [](int lane) { return lane == 2 ? 0x100 : lane == 8 ? 2 : 1; }); // lane 2 takes no part
  w.run("redux.sync.or.b32", {reg(0), reg(1), integer(active)}, active);
  EXPECT_EQ(w.lanes(0)[0], 3U);
}

TEST(Collective, ActiveMaskElectAndTranspose) {
  OneWarp w;
  w.set(0, [](int) { return untouched; });
  w.run("activemask.b32", {reg(0)}, 0x70);
  EXPECT_EQ(w.lanes(0)[5], 0x70U);
  EXPECT_EQ(w.lanes(0)[7], untouched);

  w.predicateAt(0) = allLanes;
  w.run("elect.sync", {pairOf(reg(0), pred(0)), integer(0x70)}, 0x70);
  EXPECT_EQ(w.lanes(0)[6], 4U);
  EXPECT_EQ(w.predicateAt(0), ~Mask(0x60));
  w.run("elect.sync", {pairOf(sink(), pred(1)), integer(-1)});
  EXPECT_EQ(w.predicateAt(1), 1U);

  // Row r, column c holds 100 r + c; row r is in lanes 4 r to 4 r + 3, two elements each.
  w.set(0, [](int lane) {
    int r = lane / 4, c = lane % 4 * 2;
    return (100 * r + c) | (100 * r + c + 1) << 16;
  });
  w.run("movmatrix.sync.aligned.m8n8.trans.b16", {reg(0), reg(0)});
  for (int lane = 0; lane < warpSize; ++lane) {
    uint32_t r = lane / 4, c = lane % 4 * 2;
    EXPECT_EQ(w.lanes(0)[lane], (100 * c + r) | (100 * (c + 1) + r) << 16);
  }
}

TEST(Collective, HowItMovesTheWarpOn) {
  OneWarp w;
  Op op = w.decode("shfl.sync.idx.b32", {reg(0), reg(1), reg(2), integer(31), integer(0xff)});
  EXPECT_EQ(op.control, Control::Collective);
  EXPECT_EQ(op.kind, Class::Warp);
  EXPECT_EQ(w.memberMask(op), 0xffU);
  w.set(4, [](int) { return 0x1234; });
  for (const Op &op : {w.decode("vote.sync.any.pred", {pred(0), integer(1), reg(4)}),
                       w.decode("match.any.sync.b32", {reg(0), reg(1), reg(4)}),
                       w.decode("redux.sync.add.s32", {reg(0), reg(1), reg(4)}),
                       w.decode("elect.sync", {pairOf(reg(0), pred(0)), reg(4)})}) {
    EXPECT_EQ(op.control, Control::Collective);
    EXPECT_EQ(op.kind, Class::Warp);
    EXPECT_EQ(w.memberMask(op), 0x1234U);
  }
  EXPECT_EQ(w.decode("activemask.b32", {reg(0)}).control, Control::Next);
  EXPECT_EQ(w.decode("movmatrix.sync.aligned.m8n8.trans.b16", {reg(0), reg(1)}).control, Control::Aligned);
}

TEST(Collective, WhatIsNotDecoded) {
  OneWarp w;
  std::vector<ptx::Operand> five(5, reg(0)), three(3, reg(0));
  EXPECT_EQ(w.error("shfl.up.b32", five), "expected sync, found up");
  EXPECT_EQ(w.error("shfl.sync.rot.b32", five), "expected one of up, down, bfly, idx, found rot");
  EXPECT_EQ(w.error("shfl.sync.up", five), "expected b32, found no modifier");
  EXPECT_EQ(w.error("shfl.sync.up.b32.x", five), "expected no further modifier, found x");
  EXPECT_EQ(w.error("shfl.sync.up.b32", three), "wrong number of operands");
  EXPECT_EQ(w.error("vote.sync.some.pred", three), "expected one of all, any, uni, ballot, found some");
  EXPECT_EQ(w.error("vote.sync.ballot.pred", three), "expected b32, found pred");
  EXPECT_EQ(w.error("vote.sync.all.pred", three), "wrong kind of operand");
  EXPECT_EQ(w.error("match.sync.any.b32", three), "expected one of any, all, found sync");
  EXPECT_EQ(w.error("match.any.sync.b16", three), "expected one of b32, b64, found b16");
  EXPECT_EQ(w.error("match.all.sync.b64", three), "wrong size of operand");
  EXPECT_EQ(w.error("match.any.sync.b32", {pairOf(reg(0), pred(0)), reg(0), reg(0)}),
            "expected one result, found a pair");
  EXPECT_EQ(w.error("redux.sync.min.f32", three), "expected one of u32, s32, found f32");
  EXPECT_EQ(w.error("redux.sync.and.u32", three), "expected b32, found u32");
  EXPECT_EQ(w.error("redux.sync.mul.u32", three), "expected one of add, min, max, and, or, xor, found mul");
  EXPECT_EQ(w.error("activemask.u32", {reg(0)}), "expected b32, found u32");
  EXPECT_EQ(w.error("elect.sync", {reg(0), reg(1)}), "expected a pair of results, d|p");
  EXPECT_EQ(w.error("movmatrix.sync.aligned.m8n8.b16", {reg(0), reg(1)}), "expected trans, found b16");
}

TEST(Collective, ReportsAShuffleFromALaneThatTakesNoPart) {
  auto [out, findings] = runThreads("mov.u32 %r0, 7;\nsetp.lt.u32 %p0, %r9, 4;\n"
                                    "@%p0 shfl.sync.down.b32 %r0, %r9, 2, 31, 15;",
                                    32);
  EXPECT_EQ(std::vector<uint32_t>(out.begin(), out.begin() + 5),
            (std::vector<uint32_t>{2, 3, 0xdeadbeef, 0xdeadbeef, 7}));
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].kind, Finding::Kind::InvalidOperand);
  EXPECT_EQ(findings[0].what, "shuffles from lane 4, which does not take part");
  EXPECT_EQ(findings[0].thread.thread.x, 2);
  EXPECT_EQ(findings[0].times, 1U);
}

TEST(Collective, ReportsAMatrixOfAPartialWarp) {
  auto [out, findings] = runThreads("movmatrix.sync.aligned.m8n8.trans.b16 %r0, %r9;", 12);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].kind, Finding::Kind::InvalidOperand);
  EXPECT_EQ(findings[0].what, "is executed by 12 of the 32 lanes of its warp");
  EXPECT_EQ(runThreads("movmatrix.sync.aligned.m8n8.trans.b16 %r0, %r9;", 32).second.size(), 0U);
}

} // namespace
