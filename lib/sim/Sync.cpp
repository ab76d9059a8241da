// Barriers, fences and mbarriers: who waits for whom, and what is ordered by it.
#include "MemoryOps.h"

#include <algorithm>

namespace treadle::sim {

using ptx::Space;
using ptx::Type;

namespace {

// ---- bar, barrier ----

enum class Reduce : uint8_t { None, Count, And, Or };
constexpr uint16_t arrivesOnly = 1, reduceShift = 1, reduceNegated = 1 << 4;

// op.a: the barrier's number; op.b: how many threads (or none); op.c: the predicate of a reduction; op.d: its result.
void arriveAtBarrier(Warp &warp, const Op &op, Mask active) {
  WarpState &state = stateOf(warp);
  Block &block = *warp.block;
  int lane = __builtin_ctz(active);
  Group &group = state.groups[state.current];
  uint32_t number = warp.source<uint32_t>(op.a)[lane];
  if (number >= block.barriers.size()) {
    reportInvalid(warp, op, lane, "uses barrier " + std::to_string(number) + ", but there are 16");
    ++group.pc;
    return;
  }
  Barrier &barrier = block.barriers[number];
  if (op.b != noSlot) {
    uint32_t expected = warp.source<uint32_t>(op.b)[lane];
    if (expected == 0 || expected % warpSize || expected > block.warps.size() * warpSize ||
        (barrier.expected && barrier.expected != expected)) {
      reportInvalid(warp, op, lane,
                    "expects " + std::to_string(expected) + " threads at barrier " + std::to_string(number) +
                        (barrier.expected ? ", where others expect " + std::to_string(barrier.expected)
                                          : ", no multiple of 32 up to the block's"));
      ++group.pc;
      return;
    }
    barrier.expected = expected;
  }
  auto reduce = static_cast<Reduce>(op.flags >> reduceShift & 7);
  if (reduce != Reduce::None) {
    Mask holds = warp.predicateValue(op.c);
    if (op.flags & reduceNegated)
      holds = ~holds;
    barrier.reduced += __builtin_popcount(holds & active);
    barrier.reducedOf += __builtin_popcount(active);
  }
  barrier.arrived += __builtin_popcount(op.b != noSlot ? allLanes : active);
  if (op.flags & arrivesOnly) {
    forEachLane(active,
                [&](int each) { barrier.known = Order::join(barrier.known, block.order.release(warp.index, each)); });
    ++group.pc;
  } else {
    barrier.waiting.push_back(warp.index);
    group.state = Group::Barrier;
    group.barrier = static_cast<int>(number);
  }
  block.completeBarrier(static_cast<int>(number));
}

void giveReduction(WarpState &warp, const Op &op, const Barrier &barrier, Mask lanes) {
  switch (static_cast<Reduce>(op.flags >> reduceShift & 7)) {
  case Reduce::None:
    return;
  case Reduce::Count:
    forEachLane(lanes, [&](int lane) { warp.lanes<uint32_t>(op.d)[lane] = barrier.reduced; });
    return;
  case Reduce::And:
  case Reduce::Or: {
    bool isAnd = static_cast<Reduce>(op.flags >> reduceShift & 7) == Reduce::And;
    bool holds = isAnd ? barrier.reduced == barrier.reducedOf : barrier.reduced != 0;
    Mask &result = warp.predicate(op.d);
    result = holds ? result | lanes : result & ~lanes;
    return;
  }
  }
}

bool decodeBarrier(Decoder &decoder, Op &op) {
  const ptx::Instruction &instruction = decoder.instruction();
  const std::vector<ptx::Operand> &operands = instruction.operands;
  bool isBar = instruction.opcode == "bar" && !instruction.has("warp");
  if (!isBar && (instruction.opcode != "barrier" || instruction.has("cluster")))
    return false;
  op.kind = Class::Sync;
  op.control = Control::Barrier;
  op.run = arriveAtBarrier;
  auto reduce = Reduce::None;
  std::string what;
  for (const std::string &modifier : instruction.modifiers) {
    if (modifier == "sync" || modifier == "arrive" || modifier == "red")
      what = modifier;
    else if (modifier == "popc")
      reduce = Reduce::Count;
    else if (modifier == "and")
      reduce = Reduce::And;
    else if (modifier == "or")
      reduce = Reduce::Or;
    else if (modifier != "aligned" && modifier != "cta" && modifier != "u32" && modifier != "pred")
      decoder.fail("modifier " + modifier + " is not simulated");
  }
  if (what.empty() || (what == "red") != (reduce != Reduce::None))
    decoder.fail("expected .sync, .arrive, or .red with .popc, .and or .or");
  size_t next = 0;
  if (what == "red") {
    decoder.expectOperands(3, 4);
    op.d = decoder.destination(operands[next++], reduce == Reduce::Count ? Type::U32 : Type::Pred);
  } else {
    decoder.expectOperands(what == "arrive" ? 2 : 1, 2);
  }
  op.a = decoder.source(operands[next++], Type::U32);
  if (next + (what == "red" ? 1 : 0) < operands.size())
    op.b = decoder.source(operands[next++], Type::U32);
  bool negated = false;
  if (what == "red")
    op.c = decoder.predicate(operands[next], &negated);
  op.flags = static_cast<uint16_t>((what == "arrive" ? arrivesOnly : 0) | static_cast<unsigned>(reduce) << reduceShift |
                                   (negated ? reduceNegated : 0));
  return true;
}

void syncLanes(Warp &warp, const Op &op, Mask active) {
  Mask members = warp.source<uint32_t>(op.members)[__builtin_ctz(active)];
  warp.block->order.syncLanes(warp.index, active & members);
}

bool decodeWarpBarrier(Decoder &decoder, Op &op) {
  const ptx::Instruction &instruction = decoder.instruction();
  if (instruction.opcode != "bar" || !instruction.has("warp"))
    return false;
  decoder.expectOperands(1);
  op.kind = Class::Sync;
  op.control = Control::Collective;
  op.members = decoder.source(instruction.operands[0], Type::U32);
  op.run = syncLanes;
  return true;
}

// ---- Fences ----

WarpState::Fenced &fencedOf(WarpState &warp) {
  if (!warp.fenced)
    warp.fenced = std::make_unique<WarpState::Fenced>();
  return *warp.fenced;
}

bool decodeFence(Decoder &decoder, Op &op) {
  const ptx::Instruction &instruction = decoder.instruction();
  if (instruction.opcode != "membar" && instruction.opcode != "fence")
    return false;
  static const char *const known[] = {
      "cta",   "cluster", "gpu",           "sys",           "gl",    "sc",      "acq_rel",
      "proxy", "async",   "async::global", "mbarrier_init", "alias", "release", "async::shared::cta"};
  for (const std::string &modifier : instruction.modifiers)
    if (std::find(std::begin(known), std::end(known), modifier) == std::end(known))
      decoder.fail("modifier " + modifier + " is not simulated");
  op.kind = Class::Sync;
  op.run = [](Warp &warp, const Op &, Mask active) { fence(warp, active); };
  return true;
}

// ---- mbarriers ----

// Flags beside those of the address.
constexpr uint16_t waits = 1 << 12, byParity = 1 << 13, addsArrival = 1 << 14;

MBarrier *findBarrier(Warp &warp, const Op &op, int lane, uint32_t address) {
  auto &all = warp.block->mbarriers;
  auto found = all.find(address);
  if (found != all.end())
    return &found->second;
  reportInvalid(warp, op, lane,
                "uses shared+" + std::to_string(address) + " as an mbarrier, which was not initialised");
  return nullptr;
}

uint32_t mbarrierAddress(uint64_t address) {
  return static_cast<uint32_t>(address >= sharedWindow ? address - sharedWindow : address);
}

void completePhase(Block &block, MBarrier &barrier) {
  if (barrier.pending || barrier.transactions)
    return;
  ++barrier.phase;
  barrier.pending = barrier.count;
  barrier.completed = std::move(barrier.gathering);
  barrier.gathering = nullptr;
  block.wakePolling();
}

// One arrival by a lane; false if the phase has had all of them.
bool arrive(Block &block, MBarrier &barrier, int warp, int lane, uint32_t count) {
  if (count > barrier.pending)
    return false;
  barrier.gathering = Order::join(barrier.gathering, block.order.release(warp, lane));
  barrier.pending -= count;
  completePhase(block, barrier);
  return true;
}

// The arrivals that come with copies: these land now, when somebody looks.
void landDeferred(Block &block, MBarrier &barrier) {
  std::vector<MBarrier::Deferred> deferred;
  deferred.swap(barrier.deferred);
  for (const auto &[warp, lane, copies] : deferred) {
    landCopies(block.warps[warp], lane, copies);
    arrive(block, barrier, warp, lane, 1);
  }
}

// The object's 8 bytes, as memory that is written, or used.
Mask touch(Warp &warp, const Op &op, Mask active, Access &access, AccessKind kind) {
  access.kind = kind;
  access.space = Space::Shared;
  access.bytes = 8;
  access.address = addresses(warp, op);
  for (uint64_t &address : access.address)
    address = mbarrierAddress(address);
  return checkAccess(warp, op, active, access);
}

void initialise(Warp &warp, const Op &op, Mask active) {
  Access access;
  forEachLane(touch(warp, op, active, access, AccessKind::Write), [&](int lane) {
    uint32_t count = warp.source<uint32_t>(op.b)[lane];
    MBarrier barrier;
    barrier.count = barrier.pending = count;
    if (count == 0)
      reportInvalid(warp, op, lane, "initialises an mbarrier for no arrivals");
    std::memset(access.host[lane], 0, access.bytes);
    warp.block->mbarriers[static_cast<uint32_t>(access.address[lane])] = barrier;
  });
}

void invalidate(Warp &warp, const Op &op, Mask active) {
  Access access;
  forEachLane(touch(warp, op, active, access, AccessKind::Write),
              [&](int lane) { warp.block->mbarriers.erase(static_cast<uint32_t>(access.address[lane])); });
}

// op.b: how many arrivals, or none for 1; op.c: bytes of transactions to expect, or none; op.d: the state, or none.
void arriveAt(Warp &warp, const Op &op, Mask active) {
  Access access;
  forEachLane(touch(warp, op, active, access, AccessKind::Atomic), [&](int lane) {
    MBarrier *barrier = findBarrier(warp, op, lane, static_cast<uint32_t>(access.address[lane]));
    if (!barrier)
      return;
    if (op.d != noSlot)
      warp.lanes<uint64_t>(op.d)[lane] = barrier->phase;
    uint32_t count = op.b == noSlot ? 1 : warp.source<uint32_t>(op.b)[lane];
    if (!arrive(*warp.block, *barrier, warp.index, lane, count))
      reportInvalid(warp, op, lane,
                    "arrives at an mbarrier whose phase has had all of its " + std::to_string(barrier->count) +
                        " arrivals");
  });
}

// cp.async.mbarrier.arrive: an arrival once the thread's copies so far have landed.
void arriveWithCopies(Warp &warp, const Op &op, Mask active) {
  WarpState &state = stateOf(warp);
  Access access;
  forEachLane(touch(warp, op, active, access, AccessKind::Atomic), [&](int lane) {
    MBarrier *barrier = findBarrier(warp, op, lane, static_cast<uint32_t>(access.address[lane]));
    if (!barrier)
      return;
    if (op.flags & addsArrival) // not .noinc: the arrival is one more than the phase expected
      ++barrier->pending;
    barrier->deferred.push_back({warp.index, lane, state.landed + state.copies.size()});
    warp.block->wakePolling();
  });
}

// op.d: the predicate; op.b: the state or the parity of the phase that is waited for.
void testPhase(Warp &warp, const Op &op, Mask active) {
  Block &block = *warp.block;
  Access access;
  Mask done = 0;
  Mask good = touch(warp, op, active, access, AccessKind::Atomic);
  forEachLane(good, [&](int lane) {
    MBarrier *barrier = findBarrier(warp, op, lane, static_cast<uint32_t>(access.address[lane]));
    if (!barrier) {
      done |= Mask(1) << lane;
      return;
    }
    landDeferred(block, *barrier);
    bool isOver = op.flags & byParity ? (barrier->phase & 1) != (warp.source<uint32_t>(op.b)[lane] & 1)
                                      : barrier->phase != warp.source<uint64_t>(op.b)[lane];
    if (isOver) {
      block.order.acquire(warp.index, lane, barrier->completed);
      done |= Mask(1) << lane;
    }
  });
  done |= active & ~good;
  if ((op.flags & waits) && done != active) {
    WarpState &state = stateOf(warp);
    state.groups[state.current].state = Group::Polling;
    return;
  }
  Mask &result = warp.predicate(op.d);
  result = (result & ~active) | done;
}

bool decodeMbarrier(Decoder &decoder, Op &op) {
  const ptx::Instruction &instruction = decoder.instruction();
  const std::vector<ptx::Operand> &operands = instruction.operands;
  bool isCopyArrival = instruction.opcode == "cp" && instruction.has("async") && instruction.has("mbarrier");
  if (instruction.opcode != "mbarrier" && !isCopyArrival)
    return false;
  std::string what;
  bool parity = false, noIncrement = false;
  static const char *const actions[] = {"init", "inval", "arrive", "test_wait", "try_wait"};
  for (const std::string &modifier : instruction.modifiers) {
    if (std::find(std::begin(actions), std::end(actions), modifier) != std::end(actions))
      what = modifier;
    else if (modifier == "parity")
      parity = true;
    else if (modifier == "noinc")
      noIncrement = true;
    else if (modifier != "shared" && modifier != "shared::cta" && modifier != "b64" && modifier != "async" &&
             modifier != "mbarrier" && modifier != "release" && modifier != "acquire" && modifier != "cta")
      decoder.fail("modifier " + modifier + " is not simulated");
  }
  MemoryModifiers modifiers;
  modifiers.space = Space::Shared;
  op.kind = Class::Sync;
  if (isCopyArrival) {
    decoder.expectOperands(1);
    setAddress(decoder, op, operands[0], modifiers);
    op.flags |= noIncrement ? 0 : addsArrival;
    op.run = arriveWithCopies;
  } else if (what == "init") {
    decoder.expectOperands(2);
    setAddress(decoder, op, operands[0], modifiers);
    op.b = decoder.source(operands[1], Type::U32);
    op.run = initialise;
  } else if (what == "inval") {
    decoder.expectOperands(1);
    setAddress(decoder, op, operands[0], modifiers);
    op.run = invalidate;
  } else if (what == "arrive") {
    decoder.expectOperands(2, 3);
    if (operands[0].kind != ptx::Operand::Sink)
      op.d = decoder.destination(operands[0], Type::B64);
    setAddress(decoder, op, operands[1], modifiers);
    if (operands.size() > 2)
      op.b = decoder.source(operands[2], Type::U32);
    op.run = arriveAt;
  } else if (what == "test_wait" || what == "try_wait") {
    bool isTry = what == "try_wait";
    decoder.expectOperands(3, isTry ? 4 : 3); // try_wait may have a time limit
    op.d = decoder.destination(operands[0], Type::Pred);
    setAddress(decoder, op, operands[1], modifiers);
    op.b = decoder.source(operands[2], parity ? Type::U32 : Type::B64);
    op.control = isTry ? Control::Poll : Control::Next;
    op.run = testPhase;
    op.flags |= static_cast<uint16_t>((isTry ? waits : 0) | (parity ? byParity : 0));
  } else {
    decoder.fail("expected init, inval, arrive, test_wait or try_wait");
  }
  return true;
}

// ---- The rest ----

bool decodeOther(Decoder &decoder, Op &op) {
  const std::string &opcode = decoder.instruction().opcode;
  op.kind = Class::Control;
  if (opcode == "trap" || opcode == "brkpt") {
    op.run = [](Warp &warp, const Op &op, Mask active) {
      reportInvalid(warp, op, __builtin_ctz(active), "stops the kernel");
      warp.block->stopped = true;
    };
    return true;
  }
  if (opcode == "nanosleep" || opcode == "setmaxnreg" || opcode == "griddepcontrol") {
    op.run = [](Warp &, const Op &, Mask) {};
    return true;
  }
  return false;
}

} // namespace

bool decodeSync(Decoder &decoder, Op &op) {
  return decodeBarrier(decoder, op) || decodeWarpBarrier(decoder, op) || decodeFence(decoder, op) ||
         decodeMbarrier(decoder, op) || decodeOther(decoder, op);
}

// Threads that a barrier waits for: those it was told, or all of the block that have not ended.
uint32_t Block::barrierSize(const Barrier &barrier) const {
  if (barrier.expected)
    return barrier.expected;
  uint32_t alive = 0;
  for (const WarpState &warp : warps)
    alive += __builtin_popcount(warp.alive());
  return alive;
}

void Block::completeBarrier(int number) {
  Barrier &barrier = barriers[number];
  if (barrier.arrived < barrierSize(barrier))
    return;
  std::vector<int> woken = std::move(barrier.waiting);
  if (!woken.empty())
    order.syncWarps(woken);
  for (int index : woken) {
    WarpState &warp = warps[index];
    for (Group &group : warp.groups) {
      if (group.state != Group::Barrier || group.barrier != number)
        continue;
      if (barrier.known)
        forEachLane(group.lanes, [&](int lane) { order.acquire(index, lane, barrier.known); });
      giveReduction(warp, program.ops[group.pc], barrier, group.lanes);
      group.state = Group::Ready;
      ++group.pc;
    }
  }
  barrier = Barrier();
}

void Block::completeBarriers() {
  for (int i = 0; i < static_cast<int>(barriers.size()); ++i)
    if (!barriers[i].expected)
      completeBarrier(i);
}

void Block::wakePolling() {
  for (WarpState &warp : warps)
    for (Group &group : warp.groups)
      if (group.state == Group::Polling)
        group.state = Group::Ready;
}

void fence(Warp &warp, Mask lanes) {
  Order &order = warp.block->order;
  WarpState::Fenced &fenced = fencedOf(stateOf(warp));
  forEachLane(lanes, [&](int lane) {
    if (fenced.seen[lane])
      order.acquire(warp.index, lane, fenced.seen[lane]);
    fenced.seen[lane] = nullptr;
    fenced.released[lane] = order.release(warp.index, lane);
  });
}

void orderStrong(Warp &warp, const Op &op, Mask lanes, const Access &access, bool reads, bool writes) {
  Block &block = *warp.block;
  Semantics semantics = semanticsOf(op);
  bool acquires = semantics == Semantics::Acquire || semantics == Semantics::AcquireRelease;
  bool releases = semantics == Semantics::Release || semantics == Semantics::AcquireRelease;
  WarpState::Fenced &fenced = fencedOf(stateOf(warp));
  const std::byte *shared = block.shared.data();
  forEachLane(lanes, [&](int lane) {
    const std::byte *host = access.host[lane];
    bool isShared = host >= shared && host < shared + block.shared.size();
    KnowledgePtr &clock = (isShared ? block.released : block.launch.released)[reinterpret_cast<uintptr_t>(host)];
    if (reads && acquires)
      block.order.acquire(warp.index, lane, clock);
    else if (reads)
      fenced.seen[lane] = Order::join(fenced.seen[lane], clock);
    KnowledgePtr mine = writes && releases ? block.order.release(warp.index, lane) : nullptr;
    if (writes && !releases)
      mine = fenced.released[lane];
    if (!writes)
      return;
    // A read-modify-write goes on with what was released before it; a plain store begins anew.
    clock = reads ? Order::join(clock, mine) : mine;
  });
}

} // namespace treadle::sim
