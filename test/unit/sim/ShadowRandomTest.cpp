// Random programs: the race detector against an oracle that keeps every thread's whole clock and every access.
#include "Shadow.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

using namespace treadle::sim;

namespace {

struct Event {
  int block = 0, warp = 0, lane = 0;
  size_t thread = 0;  // of all blocks
  uint32_t index = 0; // among its thread's
  AccessKind kind = AccessKind::Read;
  int op = 0;
};

bool conflict(AccessKind a, AccessKind b) { return a != b || a == AccessKind::Write; }

using Clock = std::vector<uint32_t>; // by thread: how many of its accesses are known

// All clocks and all accesses, of all blocks.
class Oracle {
public:
  struct Byte {
    bool written = false, pending = false;
    Event copy;
    std::vector<Event> history; // but what came before a write that raced with it
  };
  struct Verdict {
    Conflict::Kind kind = Conflict::None;
    unsigned byte = 0;
    std::vector<Event> earlier; // any may be named
  };

  Oracle(size_t threads, size_t bytes) : bytes(bytes), clocks(threads, Clock(threads)) {}

  bool before(const Event &e, size_t thread) const { return e.thread == thread || clocks[thread][e.thread] > e.index; }
  void join(size_t thread, const Clock &clock) {
    for (size_t i = 0; i < clock.size(); ++i)
      clocks[thread][i] = std::max(clocks[thread][i], clock[i]);
  }
  void sync(const std::vector<size_t> &threads) {
    Clock all(clocks.size());
    for (const size_t thread : threads)
      for (size_t i = 0; i < all.size(); ++i)
        all[i] = std::max(all[i], clocks[thread][i]);
    for (const size_t thread : threads)
      clocks[thread] = all;
  }

  // What is wrong with one thread's access.
  Verdict judge(const Event &e, size_t offset, unsigned count) const {
    Verdict verdict;
    for (unsigned i = 0; i < count; ++i) {
      const Byte &byte = bytes[offset + i];
      const std::vector<Event> racing = racingWith(e, byte);
      if (byte.pending)
        consider(verdict, Conflict::Pending, i, {byte.copy});
      else if (!racing.empty())
        consider(verdict, Conflict::Race, i, racing);
      else if (e.kind != AccessKind::Write && !byte.written)
        consider(verdict, Conflict::Uninitialised, i, {});
    }
    return verdict;
  }
  void note(Event e, size_t offset, unsigned count, bool copy = false) {
    e.index = clocks[e.thread][e.thread]++;
    for (unsigned i = 0; i < count; ++i) {
      Byte &byte = bytes[offset + i];
      if (byte.pending)
        continue;
      if (e.kind == AccessKind::Write && !racingWith(e, byte).empty())
        byte.history.clear();
      byte.written |= e.kind != AccessKind::Read;
      if (copy) {
        byte.pending = true;
        byte.copy = e;
      } else {
        byte.history.push_back(e);
      }
    }
  }
  void endCopy(Event e, size_t offset, unsigned count) {
    e.index = clocks[e.thread][e.thread]++;
    for (unsigned i = 0; i < count; ++i) {
      Byte &byte = bytes[offset + i];
      if (!byte.pending || byte.copy.thread != e.thread)
        byte.history.clear();
      byte.pending = false;
      byte.written = true;
      byte.history.push_back(e);
    }
  }

  std::vector<Byte> bytes;
  std::vector<Clock> clocks;

private:
  std::vector<Event> racingWith(const Event &e, const Byte &byte) const {
    std::vector<Event> racing;
    for (const Event &earlier : byte.history)
      if (conflict(earlier.kind, e.kind) && !before(earlier, e.thread))
        racing.push_back(earlier);
    return racing;
  }
  // The first byte at fault, but a race or a copy before bytes that nothing wrote.
  static void consider(Verdict &verdict, Conflict::Kind kind, unsigned byte, const std::vector<Event> &earlier) {
    if (verdict.kind == Conflict::None || (verdict.kind == Conflict::Uninitialised && kind != Conflict::Uninitialised))
      verdict = {kind, byte, earlier};
  }
};

bool isOneOf(const Conflict &found, const std::vector<Event> &events) {
  return std::any_of(events.begin(), events.end(), [&](const Event &e) {
    return e.block == found.block && e.warp == found.warp && e.lane == found.lane && e.op == found.op &&
           e.kind == found.earlier;
  });
}

class Random {
public:
  explicit Random(uint64_t seed) : engine(seed) {}
  uint32_t operator()(uint32_t below) { return static_cast<uint32_t>(engine() % below); }
  bool chance(uint32_t percent) { return (*this)(100) < percent; }
  Mask mask() {
    switch ((*this)(5)) {
    case 0:
      return allLanes;
    case 1:
      return Mask(1) << (*this)(warpSize);
    case 2:
      return 3U << (*this)(31);
    case 3:
      return 0xffU << (*this)(25);
    default:
      return static_cast<Mask>(engine());
    }
  }
  // Offsets of a warp's lanes, in a pattern that kernels have, or in none.
  void offsets(uint32_t *into, uint32_t memory, unsigned bytes) {
    const uint32_t room = memory - bytes + 1, start = (*this)(room), pattern = (*this)(5), step = 1U << (*this)(4);
    for (uint32_t lane = 0; lane < warpSize; ++lane) {
      const uint32_t at = pattern == 0   ? start
                          : pattern == 1 ? start + lane * bytes
                          : pattern == 2 ? start + lane / step * bytes
                          : pattern == 3 ? start + lane % step * bytes
                                         : (*this)(room);
      into[lane] = at % room;
    }
  }

private:
  std::mt19937_64 engine;
};

constexpr unsigned sizes[] = {1, 2, 4, 8, 16, 32, 12};

// One block's random life, in Order and SharedShadow and in the oracle.
class Program {
public:
  // Crowded: few lanes and few bytes.
  Program(uint64_t seed, size_t bound, bool crowded)
      : random(seed), threads(1 + static_cast<int>(random((crowded ? 2 : 4) * warpSize))),
        memory(32 + random(crowded ? 32 : 2048)), used(crowded ? 0x7 : allLanes), order(7, threads),
        shadow(order, memory, bound), oracle(static_cast<size_t>(threads), memory) {}

  void run(int steps) {
    racy = random(3) * 15;
    for (int step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
      const uint32_t what = random(100);
      if (what < 50)
        access(false);
      else if (what < 56)
        access(true);
      else if (what < 64)
        endCopy();
      else if (what < 72)
        syncLanes();
      else if (what < 86)
        syncWarps();
      else if (what < 92)
        release();
      else if (what < 98)
        acquire();
      else
        initialise();
    }
  }
  size_t verdicts[5] = {};

private:
  struct Copy {
    int warp, lane, op;
    uint32_t offset;
    unsigned bytes;
  };

  int randomLane(int warp) {
    return static_cast<int>(random(static_cast<uint32_t>(__builtin_popcount(present(warp)))));
  }
  int randomWarp() { return static_cast<int>(random(order.warps())); }
  Mask present(int warp) const { return used & allLanes >> (warpSize - std::min(threads - warp * warpSize, warpSize)); }
  static size_t thread(int warp, int lane) { return static_cast<size_t>(warp) * warpSize + lane; }
  Event event(int warp, int lane, AccessKind kind, int op) const {
    return {7, warp, lane, thread(warp, lane), 0, kind, op};
  }

  void access(bool copy) {
    const int warp = randomWarp(), op = static_cast<int>(random(70));
    const auto kind = copy                ? AccessKind::Write
                      : random.chance(50) ? AccessKind::Read
                      : random.chance(70) ? AccessKind::Write
                                          : AccessKind::Atomic;
    const unsigned bytes = sizes[random(7)];
    const Mask active = random.mask() & present(warp);
    uint32_t offsets[warpSize];
    random.offsets(offsets, memory, bytes);
    Mask lanes = active;
    if (!random.chance(racy)) {
      // Only lanes that do not, so that histories grow long.
      for (Mask rest = active; rest; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
        if (oracle.judge(event(warp, lane, kind, op), offsets[lane], bytes).kind >= Conflict::Race)
          lanes &= ~(rest & -rest);
      }
    }
    if (!lanes)
      return;

    Conflict found[warpSize];
    const Mask faults = copy ? shadow.beginCopy(warp, op, lanes, offsets, bytes, found)
                             : shadow.access(kind, warp, op, lanes, offsets, bytes, found);
    for (Mask rest = lanes; rest; rest &= rest - 1) {
      const int lane = __builtin_ctz(rest);
      const Event e = event(warp, lane, kind, op);
      const Oracle::Verdict expected = oracle.judge(e, offsets[lane], bytes);
      oracle.note(e, offsets[lane], bytes, copy);
      ++verdicts[expected.kind];
      ASSERT_EQ((faults >> lane & 1) != 0, expected.kind != Conflict::None) << "lane " << lane;
      if (copy)
        copies.push_back({warp, lane, op, offsets[lane], bytes});
      if (expected.kind == Conflict::None)
        continue;
      ASSERT_EQ(found[lane].kind, expected.kind) << "lane " << lane;
      ASSERT_EQ(found[lane].byte, expected.byte);
      if (expected.kind != Conflict::Uninitialised)
        ASSERT_TRUE(isOneOf(found[lane], expected.earlier));
    }
  }
  void endCopy() {
    if (copies.empty())
      return;
    const size_t which = random(static_cast<uint32_t>(copies.size()));
    const Copy copy = copies[which];
    copies.erase(copies.begin() + static_cast<std::ptrdiff_t>(which));
    shadow.endCopy(copy.warp, copy.lane, copy.op, copy.offset, copy.bytes);
    oracle.endCopy(event(copy.warp, copy.lane, AccessKind::Write, copy.op), copy.offset, copy.bytes);
  }
  void syncLanes() {
    const int warp = randomWarp();
    const Mask lanes = random.mask() & present(warp);
    order.syncLanes(warp, lanes);
    std::vector<size_t> members;
    for (Mask rest = lanes; rest; rest &= rest - 1)
      members.push_back(thread(warp, __builtin_ctz(rest)));
    oracle.sync(members);
  }
  void syncWarps() {
    std::vector<int> warps;
    std::vector<size_t> members;
    const bool all = random.chance(60);
    for (int warp = 0; warp < order.warps(); ++warp) {
      if (!all && random.chance(40))
        continue;
      warps.push_back(warp);
      for (Mask rest = present(warp); rest; rest &= rest - 1)
        members.push_back(thread(warp, __builtin_ctz(rest)));
    }
    if (warps.empty())
      return;
    order.syncWarps(warps);
    oracle.sync(members);
  }
  void release() {
    const int warp = randomWarp(), lane = randomLane(warp);
    KnowledgePtr known = order.release(warp, lane);
    Clock clock = oracle.clocks[thread(warp, lane)];
    if (!released.empty() && random.chance(40)) {
      const auto &[other, otherClock] = released[random(static_cast<uint32_t>(released.size()))];
      known = Order::join(known, other);
      for (size_t i = 0; i < clock.size(); ++i)
        clock[i] = std::max(clock[i], otherClock[i]);
    }
    released.emplace_back(known, clock);
  }
  void acquire() {
    if (released.empty())
      return;
    const auto &[known, clock] = released[released.size() - 1 - random(std::min<uint32_t>(released.size(), 3))];
    const int warp = randomWarp(), lane = randomLane(warp);
    order.acquire(warp, lane, known);
    oracle.join(thread(warp, lane), clock);
  }
  void initialise() {
    const uint32_t offset = random(memory), bytes = std::min(memory - offset, random(64));
    shadow.initialise(offset, bytes);
    for (uint32_t i = 0; i < bytes; ++i) {
      oracle.bytes[offset + i] = {};
      oracle.bytes[offset + i].written = true;
    }
  }

  Random random;
  int threads;
  uint32_t memory;
  Mask used; // lanes
  Order order;
  SharedShadow shadow;
  Oracle oracle;
  uint32_t racy = 0; // per cent of accesses that may race
  std::vector<Copy> copies;
  std::vector<std::pair<KnowledgePtr, Clock>> released;
};

TEST(ShadowRandom, SharedMemoryMatchesTheOracle) {
  size_t verdicts[5] = {};
  for (uint64_t seed = 0; seed < 6000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const bool crowded = seed % 4 != 0;
    // Tidying up all the time, sometimes, and never.
    Program program(seed, seed % 3 == 0 ? 0 : seed % 3 == 1 ? 200 : 1 << 16, crowded);
    program.run(crowded ? 200 : 80);
    if (HasFatalFailure())
      return;
    for (int i = 0; i < 5; ++i)
      verdicts[i] += program.verdicts[i];
  }
  // Not in vain.
  for (const auto kind : {Conflict::None, Conflict::Uninitialised, Conflict::Race, Conflict::Pending})
    EXPECT_GT(verdicts[kind], 1000U) << int(kind);
}

// Several blocks in global memory: nothing is reported that the oracle does not know of and, where nothing orders
// blocks, no race between them is missed.
void runBlocks(uint64_t seed, bool ordering, size_t &between, size_t &within) {
  Random random(seed);
  constexpr int blocks = 3, threads = 40, steps = 60;
  constexpr uint32_t memory = 4096 + 32, start = 4096 - 32; // across two pages
  GlobalShadow shadow(memory);
  shadow.markInside(start, memory - start, false);
  Accessors accessors(ordering);
  Oracle oracle(blocks * threads, memory);
  std::vector<std::unique_ptr<Order>> orders;
  for (int block = 0; block < blocks; ++block)
    orders.push_back(std::make_unique<Order>(block, threads));
  KnowledgePtr released;
  Clock releasedClock(blocks * threads);

  for (int step = 0; step < steps; ++step) {
    // Blocks that order themselves run one after another.
    const int block = ordering ? step * blocks / steps : static_cast<int>(random(blocks));
    Order &order = *orders[block];
    const int warp = static_cast<int>(random(2)), lane = static_cast<int>(random(8));
    const auto threadOf = [&](int which) { return static_cast<size_t>(block) * threads + warp * warpSize + which; };
    const size_t thread = threadOf(lane);
    const uint32_t what = random(100);
    if (what < 15) {
      order.syncWarps({0, 1});
      std::vector<size_t> members(threads);
      for (size_t i = 0; i < threads; ++i)
        members[i] = static_cast<size_t>(block) * threads + i;
      oracle.sync(members);
    } else if (what < 25 && ordering) {
      released = Order::join(released, order.release(warp, lane));
      for (size_t i = 0; i < releasedClock.size(); ++i)
        releasedClock[i] = std::max(releasedClock[i], oracle.clocks[thread][i]);
    } else if (what < 40 && ordering) {
      order.acquire(warp, lane, released);
      oracle.join(thread, releasedClock);
    } else {
      const auto kind = ordering && random.chance(30) ? AccessKind::Atomic
                        : random.chance(60)           ? AccessKind::Read
                                                      : AccessKind::Write;
      const unsigned bytes = sizes[random(5)];
      const int op = static_cast<int>(random(50));
      uint32_t narrow[warpSize];
      random.offsets(narrow, memory - start, bytes);
      uint64_t offsets[warpSize];
      std::transform(narrow, narrow + warpSize, offsets, [&](uint32_t offset) { return start + uint64_t(offset); });
      const Mask active = random.mask() & 0xff;
      Conflict found[warpSize];
      const Mask faults = shadow.access(kind, accessors, order, warp, op, active, offsets, bytes, found);
      for (Mask rest = active; rest; rest &= rest - 1) {
        const int at = __builtin_ctz(rest);
        const Event e{block, warp, at, threadOf(at), 0, kind, op};
        Oracle::Verdict expected = oracle.judge(e, offsets[at], bytes);
        const bool other = std::any_of(expected.earlier.begin(), expected.earlier.end(),
                                       [&](const Event &earlier) { return earlier.block != block; });
        if (!(faults >> at & 1)) {
          ASSERT_TRUE(ordering || !other);
          ASSERT_NE(expected.kind, Conflict::Uninitialised);
        } else if (found[at].kind == Conflict::Uninitialised) {
          ASSERT_TRUE(ordering || !other);
          ASSERT_FALSE(oracle.bytes[offsets[at] + found[at].byte].written);
        } else {
          expected = oracle.judge(e, offsets[at] + found[at].byte, 1);
          ASSERT_EQ(expected.kind, found[at].kind);
          ASSERT_TRUE(isOneOf(found[at], expected.earlier));
          ++within;
        }
        between += other;
        oracle.note(e, offsets[at], bytes);
      }
    }
  }
}

TEST(ShadowRandom, GlobalMemoryNeverSaysMoreThanTheOracle) {
  size_t between = 0, within = 0;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    runBlocks(seed, seed % 2 != 0, between, within);
    if (HasFatalFailure())
      return;
  }
  EXPECT_GT(between, 10000U);
  EXPECT_GT(within, 10000U);
}

} // namespace
