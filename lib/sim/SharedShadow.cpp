// The shadow of a block's shared memory: for each byte its last writer and all who read it since.
#include "Shadow.h"

#include <algorithm>
#include <cstring>

namespace treadle::sim {

namespace {

// Writers besides accesses.
constexpr uint32_t nobody = 0;
constexpr uint32_t initially = 1;      // before anything
constexpr uint32_t pending = 1U << 31; // flag: a copy that has not ended

constexpr uint32_t writerOf(uint64_t word) { return static_cast<uint32_t>(word >> 32); }
constexpr uint32_t readersOf(uint64_t word) { return static_cast<uint32_t>(word); }
constexpr uint64_t wordOf(uint32_t writer, uint32_t readers) { return static_cast<uint64_t>(writer) << 32 | readers; }

} // namespace

SharedShadow::SharedShadow(Order &order, uint32_t bytes, size_t leastBound)
    : order(order), words(bytes), agents(order), rounds(order.rounds()), leastBound(leastBound), bound(leastBound) {}

void SharedShadow::refresh() {
  if (order.rounds() != rounds) {
    rounds = order.rounds();
    agents.newRound();
  }
  if (agents.size() > bound)
    collect();
}

// Rewrites all words and forgets the agents that none speaks of.
void SharedShadow::collect() {
  AgentTable::Mover mover(agents);
  const uint32_t limit = agents.limit();
  for (uint64_t &word : words) {
    uint32_t writer = writerOf(word), readers = readersOf(word);
    if (writer & pending)
      writer = mover.moveAccess(writer & ~pending) | pending;
    else if (writer >= limit)
      writer = mover.moveAccess(writer);
    else if (writer != nobody)
      writer = initially;
    word = wordOf(writer, readers < limit ? 0 : mover.moveReaders(readers));
  }
  mover.finish();
  bound = std::max(leastBound, agents.size() * 2);
}

void SharedShadow::report(Call &call, Conflict::Kind kind, int lane, unsigned byte, Who earlier) {
  Conflict &conflict = call.conflicts[lane];
  const Mask bit = Mask(1) << lane;
  // The first byte at fault, but a race before bytes that nothing wrote.
  if (call.faults & bit && (conflict.kind != Conflict::Uninitialised || kind == Conflict::Uninitialised))
    return;
  call.faults |= bit;
  conflict = {};
  conflict.kind = kind;
  conflict.byte = byte;
  if (!earlier.agent)
    return;
  const Agent agent = agents[earlier.agent];
  conflict.block = order.block();
  conflict.warp = agent.warp;
  conflict.lane = earlier.lane;
  conflict.op = agent.op;
  conflict.earlier = agent.kind;
}

// Whether that writer's access is ordered before the lane's. Mostly one instruction wrote what another touches.
bool SharedShadow::follows(Call &call, Who writer, int lane) {
  if (writer.agent == call.known)
    return true;
  const Agent agent = agents[writer.agent];
  if (order.surelyBefore(agent.warp, agent.time, call.warp)) {
    call.known = writer.agent;
    return true;
  }
  return agents.before(writer, call.warp, lane);
}

void SharedShadow::check(Call &call, uint64_t word, int lane, unsigned byte) {
  const uint32_t writer = writerOf(word);
  if (writer & pending) {
    report(call, Conflict::Pending, lane, byte, whoIs(writer & ~pending));
    return;
  }
  if (writer >= agents.limit() && !follows(call, whoIs(writer), lane)) {
    report(call, Conflict::Race, lane, byte, whoIs(writer));
    return;
  }
  if (const Who reader = agents.conflicting(readersOf(word), call.kind, call.warp, lane); reader.agent)
    report(call, Conflict::Race, lane, byte, reader);
  else if (call.kind != AccessKind::Write && writer == nobody)
    report(call, Conflict::Uninitialised, lane, byte, {});
}

// What becomes of a byte that these lanes touch; several only if they do not write.
uint64_t SharedShadow::next(Call &call, uint64_t word, Mask lanes, unsigned byte) {
  const int first = __builtin_ctz(lanes);
  check(call, word, first, byte);
  // The first lane's atomic has written it for the others.
  const bool fresh = call.kind == AccessKind::Atomic && writerOf(word) == nobody;
  const uint32_t writer = fresh ? initially : writerOf(word);
  for (Mask rest = lanes & (lanes - 1); rest; rest &= rest - 1)
    check(call, wordOf(writer, readersOf(word)), __builtin_ctz(rest), byte);
  if (writer & pending)
    return word;
  if (call.kind == AccessKind::Write)
    return wordOf(accessId(call.agent, first) | (call.copy ? pending : 0), 0);
  return wordOf(writer, agents.extend(readersOf(word), call.agent, lanes));
}

// Lanes with the same offset, byte by byte.
void SharedShadow::slowly(Call &call, Mask lanes) {
  uint64_t *at = words.data() + call.offsets[__builtin_ctz(lanes)];
  uint64_t last = 0, now = 0;
  for (unsigned byte = 0; byte < call.bytes; ++byte) {
    if (!byte || at[byte] != last) {
      last = at[byte];
      now = next(call, last, lanes, byte);
    }
    at[byte] = now;
  }
}

static Mask withOffset(uint32_t offset, Mask lanes, const uint32_t *offsets) {
  Mask same = 0;
  for (Mask rest = lanes; rest; rest &= rest - 1)
    same |= offsets[__builtin_ctz(rest)] == offset ? rest & -rest : 0;
  return same;
}

// Accesses of N bytes. Most often all that was done to them was before the last barrier; else all their words are the
// same, or at least their readers.
template <unsigned N, bool Writes> void SharedShadow::runSized(Call &call) {
  const uint32_t limit = agents.limit();
  const uint64_t written = wordOf(call.copy ? pending : 0, 0);
  for (Mask rest = call.active; rest;) {
    const int lane = __builtin_ctz(rest);
    const uint32_t id = accessId(call.agent, lane);
    uint64_t *at = words.data() + call.offsets[lane];

    // Of all writers and readers, wherever in their words. A reader minds that nobody wrote: less one, that is the
    // greatest number.
    uint32_t halves[2 * N];
    std::memcpy(halves, at, sizeof(halves));
    constexpr uint64_t less = wordOf(Writes ? 0 : 1, 0);
    uint32_t each[2];
    std::memcpy(each, &less, sizeof(each));
    uint32_t latest = 0;
    for (unsigned i = 0; i < 2 * N; ++i)
      latest = std::max(latest, halves[i] - each[i % 2]);
    if (latest < limit - 1) {
      for (unsigned i = 0; i < N; ++i)
        at[i] = Writes ? wordOf(id, 0) | written : wordOf(writerOf(at[i]), id);
      rest &= rest - 1;
      continue;
    }

    Mask lanes = rest & -rest;
    const uint64_t first = at[0];
    if (!Writes && readersOf(first) >= limit && agents.isApart(readersOf(first), lane))
      lanes = withOffset(call.offsets[lane], rest, call.offsets);
    rest ^= lanes;
    uint64_t differ = 0;
    uint32_t least = ~uint32_t(0);
    latest = 0;
    for (unsigned i = 0; i < N; ++i) {
      differ |= at[i] ^ first;
      least = std::min(least, writerOf(at[i]));
      latest = std::max(latest, writerOf(at[i]));
    }
    if (!Writes && !readersOf(differ) && least != nobody && latest < limit &&
        !agents.mayConflict(readersOf(first), call.kind)) {
      const uint32_t readers = agents.extend(readersOf(first), call.agent, lanes);
      for (unsigned i = 0; i < N; ++i)
        at[i] = wordOf(writerOf(at[i]), readers);
    } else if (!differ) {
      std::fill_n(at, N, next(call, first, lanes, 0));
    } else {
      slowly(call, lanes);
    }
  }
}

template <bool Writes> Mask SharedShadow::run(Call &call) {
  switch (call.bytes) {
  case 1:
    runSized<1, Writes>(call);
    break;
  case 2:
    runSized<2, Writes>(call);
    break;
  case 4:
    runSized<4, Writes>(call);
    break;
  case 8:
    runSized<8, Writes>(call);
    break;
  case 16:
    runSized<16, Writes>(call);
    break;
  case 32:
    runSized<32, Writes>(call);
    break;
  default:
    for (Mask rest = call.active; rest; rest &= rest - 1)
      slowly(call, rest & -rest);
  }
  return call.faults;
}

Mask SharedShadow::access(AccessKind kind, int warp, int op, Mask active, const uint32_t *offsets, unsigned bytes,
                          Conflict *conflicts) {
  refresh();
  Call call{kind, false, warp, agents.agent(warp, op, kind), active, offsets, bytes, conflicts};
  return kind == AccessKind::Write ? run<true>(call) : run<false>(call);
}

Mask SharedShadow::beginCopy(int warp, int op, Mask active, const uint32_t *offsets, unsigned bytes,
                             Conflict *conflicts) {
  refresh();
  Call call{AccessKind::Write, true,  warp,     agents.agent(warp, op, AccessKind::Write), active,
            offsets,           bytes, conflicts};
  return run<true>(call);
}

void SharedShadow::endCopy(int warp, int lane, int op, uint32_t offset, unsigned bytes) {
  refresh();
  const uint32_t id = accessId(agents.agent(warp, op, AccessKind::Write), lane);
  std::fill_n(words.begin() + offset, bytes, wordOf(id, 0));
}

void SharedShadow::initialise(uint32_t offset, uint32_t bytes) {
  std::fill_n(words.begin() + offset, bytes, wordOf(initially, 0));
}

} // namespace treadle::sim
