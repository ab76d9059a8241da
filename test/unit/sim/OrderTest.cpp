// Happens-before: each kind of order by itself, and random programs against clocks that are kept for every thread.
#include "Order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

using namespace treadle::sim;

namespace {

TEST(Order, AThreadsOwnActsAreInOrder) {
  const Order order(0, 64);
  EXPECT_EQ(order.now(0), 1U);
  EXPECT_TRUE(order.before(1, 3, order.now(1), 1, 3));
  EXPECT_FALSE(order.before(1, 3, order.now(1), 1, 4));
  EXPECT_FALSE(order.before(1, 3, order.now(1), 0, 3));
}

TEST(Order, LanesLearnFromTheirSync) {
  Order order(0, 32);
  const uint32_t time = order.now(0);
  order.syncLanes(0, allLanes);
  EXPECT_GT(order.now(0), time);
  EXPECT_TRUE(order.before(0, 3, time, 0, 4));
  EXPECT_FALSE(order.before(0, 3, order.now(0), 0, 4));
}

TEST(Order, LanesOutsideAPartialSyncLearnNothing) {
  Order order(0, 32);
  const uint32_t time = order.now(0);
  order.syncLanes(0, 0b0011);
  EXPECT_TRUE(order.before(0, 0, time, 0, 1));
  EXPECT_FALSE(order.before(0, 0, order.now(0), 0, 1));
  EXPECT_FALSE(order.before(0, 0, time, 0, 2));
  EXPECT_FALSE(order.before(0, 2, time, 0, 0));
  // Through lane 1.
  const uint32_t later = order.now(0);
  order.syncLanes(0, 0b0110);
  EXPECT_TRUE(order.before(0, 0, time, 0, 2));
  EXPECT_FALSE(order.before(0, 0, later, 0, 2));
  EXPECT_FALSE(order.before(0, 2, later, 0, 0));
}

TEST(Order, ASyncOfOneLaneIsNone) {
  Order order(0, 32);
  order.syncLanes(0, 0b0100);
  EXPECT_EQ(order.now(0), 1U);
  EXPECT_FALSE(order.before(0, 2, 1, 0, 3));
}

TEST(Order, AllLanesOfAPartialWarpAreAll) {
  Order order(0, 40);
  order.syncLanes(1, 0xff);
  EXPECT_TRUE(order.surelyBefore(1, 1, 1));
  EXPECT_TRUE(order.before(1, 7, 1, 1, 0));
}

TEST(Order, BarriersOfAllWarpsAreRounds) {
  Order order(0, 96);
  order.syncWarps({0, 1, 2});
  EXPECT_EQ(order.rounds(), 1U);
  for (int warp = 0; warp < 3; ++warp) {
    EXPECT_TRUE(order.before(warp, 5, 1, (warp + 1) % 3, 9));
    EXPECT_TRUE(order.before(warp, 5, 1, warp, 9));
    EXPECT_TRUE(order.surelyBefore(warp, 1, (warp + 1) % 3));
    EXPECT_FALSE(order.before(warp, 5, order.now(warp), (warp + 1) % 3, 9));
  }
}

TEST(Order, NamedBarriersOrderTheirWarpsAlone) {
  Order order(0, 96);
  order.syncWarps({0, 1});
  EXPECT_EQ(order.rounds(), 0U);
  EXPECT_TRUE(order.before(0, 5, 1, 1, 9));
  EXPECT_TRUE(order.before(1, 5, 1, 0, 9));
  EXPECT_TRUE(order.surelyBefore(0, 1, 1));
  EXPECT_FALSE(order.before(0, 5, 1, 2, 5));
  EXPECT_FALSE(order.before(2, 5, 1, 0, 5));
  EXPECT_FALSE(order.surelyBefore(0, 1, 2));
  // What warp 0 did reaches warp 2 through warp 1.
  order.syncWarps({1, 2});
  EXPECT_TRUE(order.before(0, 5, 1, 2, 31));
  EXPECT_FALSE(order.before(0, 5, order.now(0), 2, 31));
  EXPECT_FALSE(order.before(2, 5, 1, 0, 5));
}

TEST(Order, ReleaseAndAcquireAreOfOneThreadEach) {
  Order order(0, 64);
  const KnowledgePtr known = order.release(0, 3);
  EXPECT_EQ(order.now(0), 2U);
  EXPECT_FALSE(order.before(0, 3, 1, 1, 0));
  order.acquire(1, 0, known);
  EXPECT_TRUE(order.before(0, 3, 1, 1, 0));
  EXPECT_FALSE(order.before(0, 3, 2, 1, 0)); // what came after the release
  EXPECT_FALSE(order.before(0, 4, 1, 1, 0)); // another lane
  EXPECT_FALSE(order.before(0, 3, 1, 1, 1)); // at another lane
  EXPECT_FALSE(order.surelyBefore(0, 1, 1));
  order.acquire(1, 2, nullptr);
  EXPECT_FALSE(order.before(0, 3, 1, 1, 2));
  // Within a warp as well.
  order.acquire(0, 9, known);
  EXPECT_TRUE(order.before(0, 3, 1, 0, 9));
  EXPECT_FALSE(order.before(0, 3, 1, 0, 8));
}

TEST(Order, WhatWasAcquiredGoesOn) {
  Order order(0, 96);
  order.acquire(1, 0, order.release(0, 3));
  order.acquire(2, 7, order.release(1, 0));
  EXPECT_TRUE(order.before(0, 3, 1, 2, 7));
  EXPECT_TRUE(order.before(1, 0, 1, 2, 7));
  order.syncLanes(2, 0b11 << 6);
  EXPECT_TRUE(order.before(0, 3, 1, 2, 6));
  EXPECT_FALSE(order.before(0, 3, 1, 2, 5));
  order.syncLanes(2, allLanes);
  EXPECT_TRUE(order.before(0, 3, 1, 2, 5));
  order.syncWarps({1, 2});
  EXPECT_TRUE(order.before(0, 3, 1, 1, 31));
  EXPECT_FALSE(order.before(0, 3, 2, 1, 31));
}

TEST(Order, JoinsKnowBoth) {
  Order order(0, 96);
  const KnowledgePtr a = order.release(0, 1), b = order.release(1, 2);
  EXPECT_EQ(Order::join(a, nullptr), a);
  EXPECT_EQ(Order::join(nullptr, b), b);
  EXPECT_EQ(Order::join(a, a), a);
  const KnowledgePtr both = Order::join(a, b);
  EXPECT_EQ(Order::join(both, a), both);
  EXPECT_EQ(Order::join(b, both), both);
  order.acquire(2, 0, both);
  EXPECT_TRUE(order.before(0, 1, 1, 2, 0));
  EXPECT_TRUE(order.before(1, 2, 1, 2, 0));
}

TEST(Order, BlocksLearnThroughGlobalMemory) {
  Order first(10, 64), second(20, 64), third(30, 64);
  first.syncWarps({0, 1});
  const KnowledgePtr one = first.release(0, 3);
  EXPECT_FALSE(second.foreignBefore(10, 0, 3, 1, 1, 0));
  second.acquire(1, 0, one);
  EXPECT_TRUE(second.foreignBefore(10, 0, 3, 2, 1, 0));
  EXPECT_FALSE(second.foreignBefore(10, 0, 3, 3, 1, 0));
  EXPECT_FALSE(second.foreignBefore(10, 0, 4, 2, 1, 0)); // after the barrier
  EXPECT_TRUE(second.foreignBefore(10, 1, 9, 1, 1, 0));  // before it
  EXPECT_FALSE(second.foreignBefore(10, 0, 3, 2, 1, 1));
  EXPECT_FALSE(second.foreignBefore(11, 0, 3, 1, 1, 0));
  EXPECT_FALSE(second.before(0, 3, 1, 1, 0)); // its own warp 0 is another

  // On to the third block, past a barrier of all warps and one of some.
  second.syncWarps({0, 1});
  EXPECT_TRUE(second.foreignBefore(10, 0, 3, 2, 0, 31));
  third.acquire(0, 0, second.release(0, 31));
  third.syncWarps({0});
  EXPECT_TRUE(third.foreignBefore(10, 0, 3, 2, 0, 1));
  EXPECT_TRUE(third.foreignBefore(20, 1, 0, 1, 0, 1));
  EXPECT_FALSE(third.foreignBefore(20, 0, 31, second.now(0), 0, 1));

  // A joined release of two blocks, and a block's own acts that come back.
  second.acquire(0, 0, Order::join(first.release(1, 1), third.release(1, 4)));
  EXPECT_TRUE(second.foreignBefore(10, 1, 1, 2, 0, 0));
  EXPECT_TRUE(second.foreignBefore(30, 1, 4, 1, 0, 0));
  Order fourth(40, 64);
  const KnowledgePtr own = fourth.release(0, 5);
  second.acquire(0, 0, own);
  fourth.acquire(1, 1, second.release(0, 0));
  EXPECT_TRUE(fourth.before(0, 5, 1, 1, 1));
  EXPECT_FALSE(fourth.before(0, 5, 2, 1, 1));
  EXPECT_TRUE(fourth.foreignBefore(30, 1, 4, 1, 1, 1));
}

// Threads of two blocks, each with its clock.
struct Clocks {
  explicit Clocks(size_t threads) : known(threads, std::vector<uint32_t>(threads)), acts(threads) {}
  void join(size_t thread, const std::vector<uint32_t> &clock) {
    for (size_t i = 0; i < clock.size(); ++i)
      known[thread][i] = std::max(known[thread][i], clock[i]);
  }
  void sync(const std::vector<size_t> &threads) {
    std::vector<uint32_t> all(acts.size());
    for (const size_t thread : threads)
      for (size_t i = 0; i < all.size(); ++i)
        all[i] = std::max(all[i], known[thread][i]);
    for (const size_t thread : threads)
      known[thread] = all;
  }
  std::vector<std::vector<uint32_t>> known; // [who][of whom]: how many of his acts
  std::vector<std::vector<uint32_t>> acts;  // their times in Order
};

TEST(Order, MatchesClocksOfAllThreads) {
  constexpr int blocks = 2;
  size_t yes = 0, no = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 engine(seed);
    const auto random = [&](uint64_t below) { return static_cast<int>(engine() % below); };
    const int threads = 1 + random(80), warps = (threads + warpSize - 1) / warpSize;
    Order orders[blocks] = {{5, threads}, {9, threads}};
    Clocks clocks(static_cast<size_t>(blocks * threads));
    std::vector<std::pair<KnowledgePtr, std::vector<uint32_t>>> released;
    for (int step = 0; step < 60; ++step) {
      const int block = random(blocks), local = random(threads), warp = local / warpSize, lane = local % warpSize;
      const size_t thread = static_cast<size_t>(block) * threads + local;
      Order &order = orders[block];
      std::vector<size_t> members;
      const auto addWarp = [&](int which, Mask lanes) {
        for (int i = which * warpSize; i < std::min(threads, (which + 1) * warpSize); ++i)
          if (lanes >> i % warpSize & 1)
            members.push_back(static_cast<size_t>(block * threads + i));
      };
      switch (random(6)) {
      case 0:
      case 1: {
        const Mask lanes = random(3) ? static_cast<Mask>(engine()) : allLanes;
        order.syncLanes(warp, lanes);
        addWarp(warp, lanes);
        break;
      }
      case 2: {
        std::vector<int> which;
        const bool all = random(4) == 0;
        for (int i = 0; i < warps; ++i)
          if (all || random(2))
            which.push_back(i);
        order.syncWarps(which);
        for (const int i : which)
          addWarp(i, allLanes);
        break;
      }
      case 3: {
        KnowledgePtr known = order.release(warp, lane);
        std::vector<uint32_t> clock = clocks.known[thread];
        if (!released.empty() && random(2)) {
          const auto &[other, otherClock] = released[static_cast<size_t>(random(released.size()))];
          known = random(2) ? Order::join(known, other) : Order::join(other, known);
          for (size_t i = 0; i < clock.size(); ++i)
            clock[i] = std::max(clock[i], otherClock[i]);
        }
        released.emplace_back(known, clock);
        break;
      }
      default:
        if (!released.empty()) {
          const auto &[known, clock] = released[static_cast<size_t>(random(released.size()))];
          order.acquire(warp, lane, known);
          clocks.join(thread, clock);
        }
      }
      clocks.sync(members);
      // Every thread acts once between any two steps.
      for (int i = 0; i < blocks * threads; ++i) {
        clocks.acts[i].push_back(orders[i / threads].now(i % threads / warpSize));
        ++clocks.known[i][i];
      }
      for (int check = 0; check < 200; ++check) {
        const int who = random(blocks * threads), at = random(blocks * threads);
        const auto act = static_cast<size_t>(random(clocks.acts[who].size()));
        const uint32_t time = clocks.acts[who][act];
        const int w = who % threads / warpSize, l = who % threads % warpSize;
        const int atW = at % threads / warpSize, atL = at % threads % warpSize;
        const Order &judge = orders[at / threads];
        const bool expected = who == at || clocks.known[at][who] > act;
        const bool found = who / threads == at / threads
                               ? judge.before(w, l, time, atW, atL)
                               : judge.foreignBefore(orders[who / threads].block(), w, l, time, atW, atL);
        ASSERT_EQ(found, expected);
        ++(expected ? yes : no);
        if (!found && who / threads == at / threads) {
          ASSERT_FALSE(judge.surelyBefore(w, time, atW));
        }
      }
    }
  }
  EXPECT_GT(yes, 100000U);
  EXPECT_GT(no, 100000U);
}

} // namespace
