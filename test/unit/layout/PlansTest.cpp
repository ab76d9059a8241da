//===- PlansTest.cpp - Plans against simulations --------------------------===//

#include "layout/Plans.h"
#include "Random.h"
#include "layout/Layouts.h"

#include <gtest/gtest.h>
#include <map>
#include <set>

using namespace treadle;
using namespace treadle::test;

//===----------------------------------------------------------------------===//
// Conversions
//===----------------------------------------------------------------------===//

namespace {

/// Every thread gets the element that it should.
void checkConversion(const Layout &src, const Layout &dst, const ConversionPlan &plan) {
  if (plan.kind == ConversionKind::SharedMemory)
    return;
  ASSERT_EQ(int64_t(plan.srcReg.size()), dst.numRegisters());
  forEachPlace(dst, [&](uint32_t r, uint32_t l, uint32_t w) {
    EXPECT_EQ(src.apply(uint32_t(plan.srcReg[r]), plan.srcLane(int(r), l, w), w), dst.apply(r, l, w));
    if (plan.isLocal(int(r)))
      EXPECT_EQ(plan.srcLane(int(r), l, w), l);
    if (plan.isButterfly())
      EXPECT_EQ(plan.srcLane(int(r), l, w), l ^ plan.laneXor[r]);
  });
}

/// Extra wavefronts of the worst phase, counted address by address.
int simulateConflicts(const DistMap &offsets, const VectorAccess &plan, int elemBytes) {
  int bytes = elemBytes * plan.width();
  uint32_t lanes = bytes == 16 ? 8 : bytes == 8 ? 16 : 32;
  size_t worst = 1;
  for (uint32_t first = 0; first < 32; first += lanes)
    for (const auto &regs : plan.accesses) {
      std::map<uint32_t, std::set<uint32_t>> words;
      for (uint32_t l = first; l < first + lanes; ++l)
        for (int b = 0; b < bytes; ++b) {
          uint32_t address = offsets.apply(uint32_t(regs[0]), l, 0) * uint32_t(elemBytes) + uint32_t(b);
          words[address / 4 % 32].insert(address / 4);
        }
      for (const auto &entry : words)
        worst = std::max(worst, entry.second.size());
    }
  return int(worst) - 1;
}

/// Run the trip through memory.
void checkShared(const Layout &src, const Layout &dst, int elemBytes) {
  SharedConversion plan = planSharedConversion(src, dst, elemBytes);
  ASSERT_TRUE(plan.shared.isShared());
  EXPECT_EQ(plan.bytes, src.numElements() * elemBytes);
  EXPECT_EQ(plan.storeConflicts, simulateConflicts(plan.storeOffsets, plan.store, elemBytes));
  EXPECT_EQ(plan.loadConflicts, simulateConflicts(plan.loadOffsets, plan.load, elemBytes));
  std::vector<int64_t> memory(size_t(src.numElements()), -1);
  for (uint32_t w = 0; w < src.numWarps(); ++w)
    for (uint32_t l = 0; l < 32; ++l) {
      if ((l & plan.storeLaneMask) || (w & plan.storeWarpMask))
        continue;
      for (const auto &regs : plan.store.accesses) {
        uint32_t base = plan.storeOffsets.apply(uint32_t(regs[0]), l, w);
        EXPECT_EQ(base % regs.size(), 0u);
        for (size_t i = 0; i < regs.size(); ++i) {
          EXPECT_EQ(memory[base + i], -1) << "written twice";
          memory[base + i] = src.apply(uint32_t(regs[i]), l, w);
        }
      }
    }
  for (uint32_t w = 0; w < dst.numWarps(); ++w)
    for (uint32_t l = 0; l < 32; ++l) {
      std::map<int, int64_t> loaded;
      for (const auto &regs : plan.load.accesses) {
        uint32_t base = plan.loadOffsets.apply(uint32_t(regs[0]), l, w);
        EXPECT_EQ(base % regs.size(), 0u);
        for (size_t i = 0; i < regs.size(); ++i)
          loaded[regs[i]] = memory[base + i];
      }
      for (uint32_t r = 0; r < dst.numRegisters(); ++r) {
        ASSERT_TRUE(loaded.count(plan.loadReg[r]));
        EXPECT_EQ(loaded[plan.loadReg[r]], int64_t(dst.apply(r, l, w)));
      }
    }
}

bool staysInThread(ConversionKind kind) {
  return kind == ConversionKind::Identity || kind == ConversionKind::RegisterPermutation;
}

} // namespace

TEST(Conversion, RandomPairs) {
  Random random(11);
  for (int trial = 0; trial < 200; ++trial) {
    Layout src = random.distributed({16, 32}, 2, trial % 2);
    Layout dst = random.distributed({16, 32}, 2, trial % 4 >= 2);
    ConversionPlan plan = planConversion(src, dst);
    checkConversion(src, dst, plan);
    checkShared(src, dst, 1 << random.below(4));
    // Brute force: could a plan without memory exist?
    bool local = true;
    for (uint32_t r = 0; r < dst.numRegisters() && local; ++r) {
      bool found = false;
      for (uint32_t p = 0; p < src.numRegisters(); ++p) {
        bool agrees = true;
        for (uint32_t l = 0; l < 32 && agrees; ++l)
          for (uint32_t w = 0; w < 4; ++w)
            agrees &= src.apply(p, l, w) == dst.apply(r, l, w);
        found |= agrees;
      }
      local = found;
    }
    EXPECT_EQ(local, staysInThread(plan.kind));
  }
}

TEST(Conversion, RegisterPermutations) {
  Random random(12);
  for (int trial = 0; trial < 100; ++trial) {
    Layout src = random.distributed({32, 64}, 2, trial % 2);
    EXPECT_EQ(planConversion(src, src).kind, ConversionKind::Identity);
    // Any map onto the same registers, with replicas.
    unsigned bits = src.bits(In::Register);
    Layout dst(
        src.shape(),
        f2::compose(src.bases(In::Register), f2::concat(random.bijection(bits), random.map(random.below(2), bits))),
        src.bases(In::Lane), src.bases(In::Warp));
    ConversionPlan plan = planConversion(src, dst);
    EXPECT_TRUE(staysInThread(plan.kind));
    checkConversion(src, dst, plan);
  }
}

TEST(Conversion, WarpShuffles) {
  Random random(13);
  unsigned shuffles = 0;
  for (int trial = 0; trial < 100; ++trial) {
    Layout src = random.distributed({32, 64}, 2, trial % 2);
    const auto &reg = src.bases(In::Register), &lane = src.bases(In::Lane);
    auto add = [](Layout::Bases a, const Layout::Bases &b) {
      for (size_t i = 0; i < a.size(); ++i)
        a[i] ^= b[i];
      return a;
    };
    // Lanes move among themselves; registers and warps may shift them.
    Layout dst(src.shape(),
               add(f2::compose(reg, random.bijection(unsigned(reg.size()))),
                   f2::compose(lane, random.map(unsigned(reg.size()), 5))),
               f2::compose(lane, random.bijection(5)), add(src.bases(In::Warp), f2::compose(lane, random.map(2, 5))));
    ConversionPlan plan = planConversion(src, dst);
    EXPECT_NE(plan.kind, ConversionKind::SharedMemory);
    shuffles += plan.kind == ConversionKind::WarpShuffle;
    checkConversion(src, dst, plan);
    checkShared(src, dst, 4);
  }
  EXPECT_GT(shuffles, 90u);
}

TEST(Conversion, ButterflyAndLocalRegisters) {
  Layout src({64}, {32}, {1, 2, 4, 8, 16}, {});
  Layout dst({64}, {32 ^ 1}, {1, 2, 4, 8, 16}, {});
  ConversionPlan plan = planConversion(src, dst);
  EXPECT_EQ(plan.kind, ConversionKind::WarpShuffle);
  EXPECT_TRUE(plan.isButterfly());
  EXPECT_TRUE(plan.isLocal(0));
  EXPECT_FALSE(plan.isLocal(1));
  EXPECT_EQ(plan.laneXor, (std::vector<uint32_t>{0, 1}));
}

TEST(Conversion, AccumulatorIsAnOperand) {
  // The chained dot of attention: P = softmax(QK^T) is operand A of PV.
  for (auto [m, k, warps] :
       {std::array<int64_t, 3>{16, 16, 1}, {64, 64, 4}, {128, 64, 4}, {128, 32, 8}, {32, 128, 2}}) {
    Layout acc = mmaAccumulator({m, k}, warps, 1);
    Layout a = mmaOperandA({m, k}, 16, warps, 1);
    ConversionPlan plan = planConversion(acc, a);
    EXPECT_TRUE(staysInThread(plan.kind));
    checkConversion(acc, a, plan);
  }
  // wgmma likewise.
  for (auto [m, k, warps] : {std::array<int64_t, 3>{64, 64, 4}, {128, 128, 8}, {128, 64, 4}})
    EXPECT_TRUE(staysInThread(planConversion(wgmmaAccumulator({m, k}, warps), wgmmaOperandA({m, k}, 16, warps)).kind));
  // And the transposed accumulator of X^T is operand B of X.
  for (auto [n, k, warps] : {std::array<int64_t, 3>{16, 16, 1}, {64, 64, 1}, {128, 32, 1}}) {
    Layout acc = mmaAccumulator({n, k}, warps, 1).transpose({1, 0});
    Layout b = mmaOperandB({k, n}, 16, 1, warps);
    EXPECT_TRUE(staysInThread(planConversion(acc, b).kind));
  }
  // With several warps, they have to divide N in the same way.
  for (int64_t warps : {2, 4}) {
    Layout acc = mmaAccumulator({64, 32}, warps, 1).transpose({1, 0});
    EXPECT_TRUE(staysInThread(planConversion(acc, mmaOperandB({32, 64}, 16, 1, warps)).kind));
  }
}

TEST(Conversion, SharedIsFreeOfConflicts) {
  auto rows = [](int64_t vec) { return coalesced({64, 64}, {1, 0}, vec, 4); };
  auto cols = [](int64_t vec) { return coalesced({64, 64}, {0, 1}, vec, 4); };
  struct Case {
    Layout src, dst;
    int elemBytes;
  };
  for (const Case &c : {
           Case{mmaAccumulator({64, 64}, 2, 2), rows(8), 2},
           Case{mmaAccumulator({64, 64}, 2, 2), rows(4), 4},
           Case{wgmmaAccumulator({64, 64}, 4), rows(8), 2},
           Case{wgmmaAccumulator({64, 64}, 4), rows(4), 4},
           Case{rows(4), cols(4), 4},
           Case{rows(2), cols(2), 8},
           Case{rows(8), mmaOperandA({64, 64}, 16, 2, 2), 2},
           Case{rows(8), mmaOperandB({64, 64}, 16, 2, 2), 2},
           Case{cols(8), mmaOperandB({64, 64}, 16, 2, 2), 2},
           Case{rows(4), mmaOperandA({64, 64}, 32, 2, 2), 4},
       })
    for (bool back : {false, true}) {
      const Layout &src = back ? c.dst : c.src, &dst = back ? c.src : c.dst;
      SharedConversion plan = planSharedConversion(src, dst, c.elemBytes);
      EXPECT_EQ(plan.storeConflicts, 0) << src.str() << " -> " << dst.str();
      EXPECT_EQ(plan.loadConflicts, 0) << src.str() << " -> " << dst.str();
      checkShared(src, dst, c.elemBytes);
    }
}

/// The scratch tile is never worse than the hardware's swizzles would be.
TEST(Conversion, SharedIsAsGoodAsTheSwizzles) {
  Random random(17);
  for (int trial = 0; trial < 100; ++trial) {
    Layout src = random.distributed({32, 64}, 2, false);
    Layout dst = random.distributed({32, 64}, 2, false);
    const int elemBytes = 1 << trial % 4;
    SharedConversion plan = planSharedConversion(src, dst, elemBytes);
    auto count = [&](const Layout &layout, const DistMap &offsets) {
      VectorAccess access = planVectors(offsets, 16 / elemBytes, freeVariableMasks(layout)[unsigned(In::Register)]);
      int bytes = access.width() * elemBytes;
      int64_t phases = bytes == 16 ? 4 : bytes == 8 ? 2 : 1;
      return int64_t(access.accesses.size()) * phases * (1 + bankConflicts(offsets, elemBytes, access.width()));
    };
    for (int swizzle : {0, 32, 64, 128})
      for (Order order : {Order{0, 1}, Order{1, 0}}) {
        Layout shared = sharedSwizzled({32, 64}, order, elemBytes, swizzle);
        EXPECT_LE(plan.wavefronts, count(src, offsetMap(src, shared)) + count(dst, offsetMap(dst, shared)));
      }
  }
}

/// What a reduction leaves in each warp, and exchanges: 8 neighbours a lane.
TEST(Conversion, ToTheSameLayoutIsFreeOfConflicts) {
  for (const Layout &part :
       {Layout({64}, {1, 2, 4}, {8, 16, 32, 0, 0}, {0, 0}), Layout({128}, {1, 64}, {2, 4, 8, 16, 32}, {0, 0}),
        Layout({8}, {1, 2, 4}, {0, 0, 0, 0, 0}, {0, 0})})
    for (int elemBytes : {1, 2, 4, 8}) {
      SharedConversion plan = planSharedConversion(part, part, elemBytes);
      EXPECT_EQ(plan.storeConflicts, 0) << part.str();
      EXPECT_EQ(plan.loadConflicts, 0) << part.str();
      checkShared(part, part, elemBytes);
    }
}

TEST(Conversion, RedundantWritersSkip) {
  Layout src({64}, {0, 32}, {1, 2, 4, 8, 0}, {16, 1});
  Layout dst({64}, {1, 2}, {4, 8, 16, 32, 0}, {0, 0});
  SharedConversion plan = planSharedConversion(src, dst, 4);
  EXPECT_EQ(plan.storeLaneMask, 16u);
  EXPECT_EQ(plan.storeWarpMask, 2u);
  EXPECT_EQ(plan.load.width(), 4);
  checkShared(src, dst, 4);
  checkShared(dst, src, 4);
}

TEST(Conversion, TinyTiles) {
  for (auto shape : {Shape{1, 1}, Shape{1, 8}, Shape{4, 2}, Shape{16, 8}})
    for (int elemBytes : {1, 2, 4, 8}) {
      checkShared(mmaAccumulator(shape, 2, 1), coalesced(shape, {1, 0}, 8, 2), elemBytes);
      checkShared(coalesced(shape, {0, 1}, 8, 2), mmaOperandA(shape, 16, 2, 1), elemBytes);
    }
  Layout scalar = coalesced({}, {}, 1, 2);
  checkShared(scalar, scalar, 4);
  EXPECT_EQ(planConversion(scalar, scalar).kind, ConversionKind::Identity);
}

TEST(Conversion, Broadcast) {
  Layout full = mmaAccumulator({64, 32}, 2, 2);
  Layout rows = full.removeDim(1).expandDims(1);
  auto regs = planBroadcast(rows, full);
  ASSERT_TRUE(regs);
  forEachPlace(full, [&](uint32_t r, uint32_t l, uint32_t w) {
    EXPECT_EQ(rows.apply(uint32_t((*regs)[r]), l, w), full.coords(full.apply(r, l, w))[0]);
  });
  EXPECT_FALSE(planBroadcast(coalesced({64, 1}, {1, 0}, 1, 4), full));
}

//===----------------------------------------------------------------------===//
// Accesses
//===----------------------------------------------------------------------===//

TEST(Access, VectorWidth) {
  Layout layout = coalesced({64, 64}, {1, 0}, 8, 4);
  EXPECT_EQ(vectorWidth(layout, 1, 16), 8);
  EXPECT_EQ(vectorWidth(layout, 1, 4), 4);
  EXPECT_EQ(vectorWidth(layout, 0, 16), 1);
  EXPECT_EQ(vectorWidth(layout.transpose({1, 0}), 0, 16), 8);
  EXPECT_EQ(vectorWidth(mmaAccumulator({64, 64}, 2, 2), 1, 8), 2);
  // A lane that permutes the elements of the vector makes it unusable.
  EXPECT_EQ(vectorWidth(Layout({64}, {1, 2}, {4, 8, 16, 33, 0}, {}), 0, 4), 1);
  EXPECT_EQ(vectorWidth(Layout({64}, {1, 2}, {4, 8, 16, 34, 0}, {}), 0, 4), 2);
}

TEST(Access, BankConflictsKnownAnswers) {
  // One warp reads a column of 32 floats: 32-way, with the swizzle 4-way.
  Layout column = blocked({32, 32}, {1, 1}, {32, 1}, 1, {0, 1});
  Layout plain = sharedSwizzled({32, 32}, {1, 0}, 4, 0);
  EXPECT_EQ(bankConflicts(column, plain, 4, 1), 31);
  EXPECT_EQ(bankConflicts(column, sharedSwizzled({32, 32}, {1, 0}, 4, 128), 4, 1), 3);
  // A row, or 16 bytes of each lane, is free of conflicts.
  Layout row = blocked({32, 32}, {1, 1}, {1, 32}, 1, {1, 0});
  EXPECT_EQ(bankConflicts(row, plain, 4, 1), 0);
  Layout wide = blocked({32, 32}, {1, 4}, {4, 8}, 1, {1, 0});
  EXPECT_EQ(bankConflicts(wide, plain, 4, 4), 0);
  EXPECT_EQ(bankConflicts(wide, plain, 4, 1), 3);
  // All lanes read the same word.
  Layout same({2}, {1}, {0, 0, 0, 0, 0}, {});
  EXPECT_EQ(bankConflicts(same, sharedSwizzled({2}, {0}, 4, 0), 4, 1), 0);
  EXPECT_EQ(bankConflictsLdmatrix({0, 64, 128, 192, 256, 320, 384, 448}), 3);
  EXPECT_EQ(bankConflictsLdmatrix({0, 16, 32, 48, 64, 80, 96, 112}), 0);
}

TEST(Access, BankConflictsAgreeWithSimulation) {
  Random random(14);
  for (int trial = 0; trial < 200; ++trial) {
    Layout dist = random.distributed({32, 64}, 1, trial % 2);
    Layout shared =
        trial % 4 >= 2 ? sharedSwizzled({32, 64}, {1, 0}, 4, 128) : Layout::shared({32, 64}, random.permutation(11));
    for (int elemBytes : {1, 2, 4, 8})
      EXPECT_EQ(bankConflicts(dist, shared, elemBytes, 1),
                simulateConflicts(offsetMap(dist, shared), planVectors(offsetMap(dist, shared), 1), elemBytes));
  }
  for (int vec : {1, 2, 4, 8})
    for (int swizzle : {0, 32, 64, 128})
      for (const Layout &dist :
           {coalesced({64, 64}, {1, 0}, vec, 4), blocked({64, 64}, {1, vec}, {32, 1}, 4, {1, 0})}) {
        Layout shared = sharedSwizzled({64, 64}, {1, 0}, 2, swizzle);
        EXPECT_EQ(bankConflicts(dist, shared, 2, vec),
                  simulateConflicts(offsetMap(dist, shared), planVectors(offsetMap(dist, shared), vec), 2));
      }
}

//===----------------------------------------------------------------------===//
// ldmatrix
//===----------------------------------------------------------------------===//

namespace {

/// Execute the loads of all warps as the manual describes them.
void checkLdmatrix(const Layout &operand, const Layout &shared, int elemBytes, const LdmatrixPlan &plan) {
  const uint32_t pack = uint32_t(4 / elemBytes);
  std::vector<int> filled(size_t(operand.numRegisters()));
  for (const LdmatrixPlan::Load &load : plan.loads) {
    ASSERT_EQ(load.regs.size(), size_t(plan.num) * pack);
    for (int reg : load.regs)
      ++filled[size_t(reg)];
    for (uint32_t w = 0; w < operand.numWarps(); ++w)
      for (uint32_t j = 0; j < uint32_t(plan.num); ++j)
        for (uint32_t t = 0; t < 32; ++t)
          for (uint32_t e = 0; e < pack; ++e) {
            uint32_t row = plan.trans ? 2 * (t % 4) + e : t / 4;
            uint32_t col = plan.trans ? t / 4 : pack * (t % 4) + e;
            uint32_t start = plan.offset(8 * j + row, w, load);
            EXPECT_EQ(start * uint32_t(elemBytes) % 16, 0u);
            EXPECT_EQ(shared.apply(0, 0, 0, start + col), operand.apply(uint32_t(load.regs[j * pack + e]), t, w));
          }
  }
  for (int count : filled)
    EXPECT_EQ(count, 1);
}

} // namespace

TEST(Ldmatrix, OperandsOfBf16) {
  for (auto [m, k, warpsM, warpsN] :
       {std::array<int64_t, 4>{16, 16, 1, 1}, {64, 64, 2, 2}, {128, 32, 4, 1}, {128, 64, 2, 4}, {64, 128, 1, 4}})
    for (int swizzle : {32, 64, 128})
      for (bool isB : {false, true})
        for (bool contiguousK : {false, true}) {
          // Both operands with K last or first; "mn" is the other dimension.
          Layout operand = isB ? mmaOperandB({k, m}, 16, warpsN, warpsM) : mmaOperandA({m, k}, 16, warpsM, warpsN);
          int kAxis = isB ? 0 : 1;
          int fast = contiguousK ? kAxis : 1 - kAxis;
          Order order{fast, 1 - fast};
          if (effectiveSwizzle(operand.shape(), order, 2, swizzle) != swizzle)
            continue;
          Layout shared = sharedSwizzled(operand.shape(), order, 2, swizzle);
          auto plan = planLdmatrix(operand, shared, 2);
          ASSERT_TRUE(plan) << operand.str() << " / " << shared.str();
          EXPECT_EQ(plan->trans, !contiguousK);
          EXPECT_EQ(plan->num, operand.numRegisters() >= 8 ? 4 : 2);
          EXPECT_EQ(plan->conflicts, 0);
          checkLdmatrix(operand, shared, 2, *plan);
        }
}

TEST(Ldmatrix, OtherElementsAndWgmma) {
  Layout a = mmaOperandA({64, 32}, 32, 2, 2);
  Layout shared = sharedSwizzled({64, 32}, {1, 0}, 4, 128);
  auto plan = planLdmatrix(a, shared, 4);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->conflicts, 0);
  checkLdmatrix(a, shared, 4, *plan);
  // Only 16-bit elements can be transposed.
  EXPECT_FALSE(planLdmatrix(a, sharedSwizzled({64, 32}, {0, 1}, 4, 128), 4));

  Layout a8 = mmaOperandA({32, 128}, 8, 2, 1);
  Layout shared8 = sharedSwizzled({32, 128}, {1, 0}, 1, 128);
  plan = planLdmatrix(a8, shared8, 1);
  ASSERT_TRUE(plan);
  checkLdmatrix(a8, shared8, 1, *plan);

  Layout wa = wgmmaOperandA({128, 64}, 16, 8);
  Layout sharedW = sharedSwizzled({128, 64}, {1, 0}, 2, 128);
  plan = planLdmatrix(wa, sharedW, 2);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->conflicts, 0);
  checkLdmatrix(wa, sharedW, 2, *plan);
}

TEST(Ldmatrix, UnswizzledHasConflicts) {
  Layout a = mmaOperandA({64, 64}, 16, 4, 1);
  Layout shared = sharedSwizzled({64, 64}, {1, 0}, 2, 0);
  auto plan = planLdmatrix(a, shared, 2);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->conflicts, 7);
  checkLdmatrix(a, shared, 2, *plan);
  // A coalesced layout is no fragment.
  EXPECT_FALSE(planLdmatrix(coalesced({64, 64}, {1, 0}, 8, 4), shared, 2));
}

//===----------------------------------------------------------------------===//
// Reductions and scans
//===----------------------------------------------------------------------===//

namespace {

/// Sum along the axis as the plan says; the summands are bit sets of the
/// elements (as counts), so that doubles show.
void checkReduction(const Layout &layout, int axis) {
  auto plan = planReduction(layout, axis);
  ASSERT_TRUE(plan);
  const Layout &result = plan->result;
  EXPECT_TRUE(verify(result));
  ASSERT_EQ(int64_t(plan->groups.size()), result.numRegisters());
  using Sum = std::multiset<uint32_t>;
  // [warp][lane][register]
  std::vector<std::vector<std::vector<Sum>>> sums(
      size_t(layout.numWarps()), std::vector<std::vector<Sum>>(32, std::vector<Sum>(plan->groups.size())));
  for (uint32_t w = 0; w < layout.numWarps(); ++w)
    for (uint32_t l = 0; l < 32; ++l)
      for (size_t g = 0; g < plan->groups.size(); ++g)
        for (int r : plan->groups[g])
          sums[w][l][g].insert(layout.apply(uint32_t(r), l, w));
  auto butterfly = [&](unsigned laneXor, unsigned warpXor) {
    auto before = sums;
    for (size_t w = 0; w < sums.size(); ++w)
      for (size_t l = 0; l < 32; ++l)
        for (size_t g = 0; g < plan->groups.size(); ++g) {
          const Sum &other = before[w ^ warpXor][l ^ laneXor][g];
          sums[w][l][g].insert(other.begin(), other.end());
        }
  };
  for (unsigned i = 0; i < LaneBits; ++i)
    if (plan->laneMask >> i & 1)
      butterfly(1u << i, 0);
  for (unsigned i = 0; i < layout.bits(In::Warp); ++i)
    if (plan->warpMask >> i & 1)
      butterfly(0, 1u << i);

  std::vector<Sum> expected(size_t(result.numElements()));
  for (uint32_t f = 0; f < layout.numElements(); ++f) {
    auto coords = layout.coords(f);
    coords.erase(coords.begin() + axis);
    expected[result.flat(coords)].insert(f);
  }
  forEachPlace(result,
               [&](uint32_t r, uint32_t l, uint32_t w) { EXPECT_EQ(sums[w][l][r], expected[result.apply(r, l, w)]); });
}

} // namespace

TEST(Reduction, RandomLayouts) {
  Random random(15);
  for (int trial = 0; trial < 60; ++trial)
    checkReduction(random.distributed({8, 4, 16}, 2, false), trial % 3);
}

TEST(Reduction, DuplicateBasesCountOnce) {
  checkReduction(Layout({4, 16}, {1, 16, 1}, {1, 2, 4, 8, 16}, {32, 8, 0}), 1);
  checkReduction(Layout({4, 16}, {1, 16, 17 ^ 1}, {2, 2, 4, 8, 6}, {32, 8}), 1);
  checkReduction(Layout({4, 16}, {1, 16, 1}, {1, 2, 4, 8, 16}, {32, 8, 0}), 0);
}

TEST(Reduction, HardwareLayouts) {
  auto plan = planReduction(mmaAccumulator({64, 32}, 2, 2), 1);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->laneMask, 3u);
  EXPECT_EQ(plan->warpMask, 2u);
  EXPECT_EQ(plan->regBits, (std::vector<int>{0, 2}));
  EXPECT_EQ(plan->groups[0], (std::vector<int>{0, 1, 4, 5}));
  for (int axis : {0, 1}) {
    checkReduction(mmaAccumulator({64, 32}, 2, 2), axis);
    checkReduction(coalesced({16, 64}, {1, 0}, 4, 4), axis);
  }
  checkReduction(coalesced({64}, {0}, 4, 4), 0);
  // A diagonal basis is neither along the axis nor orthogonal to it.
  EXPECT_FALSE(planReduction(Layout({2, 32}, {33}, {1, 2, 4, 8, 16}, {}), 1));
}

TEST(Scan, StepsAreTheBitsOfThePosition) {
  Random random(16);
  unsigned found = 0;
  for (int trial = 0; trial < 60; ++trial) {
    Layout layout = random.distributed({8, 4, 16}, 2, false);
    int axis = trial % 3;
    auto plan = planScan(layout, axis);
    ASSERT_TRUE(plan);
    ++found;
    forEachPlace(layout, [&](uint32_t r, uint32_t l, uint32_t w) {
      int64_t position = 0;
      for (size_t s = 0; s < plan->steps.size(); ++s) {
        uint32_t input = plan->steps[s].in == In::Register ? r : plan->steps[s].in == In::Lane ? l : w;
        position |= int64_t(input >> plan->steps[s].bit & 1) << s;
      }
      EXPECT_EQ(position, layout.coords(layout.apply(r, l, w))[axis]);
    });
  }
  EXPECT_EQ(found, 60u);
  EXPECT_FALSE(planScan(Layout({32}, {1}, {1, 2, 4, 8, 16}, {}), 0));
  EXPECT_FALSE(planScan(Layout({32}, {}, {1, 3, 4, 8, 16}, {}), 0));
}
