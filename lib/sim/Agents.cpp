// Agents and sets of them, each once.
#include "Agents.h"

#include <algorithm>
#include <utility>

namespace treadle::sim {

uint32_t &RecentAgents::find(int warp, uint32_t time, int op, AccessKind kind) {
  const uint64_t key = static_cast<uint64_t>(static_cast<uint32_t>(op)) * 4 + static_cast<uint64_t>(kind);
  Slot &slot = slots[static_cast<size_t>(warp) * perWarp + static_cast<uint32_t>(op) % perWarp];
  if (slot.key != key || slot.time != time)
    slot = {key, time, 0};
  return slot.agent;
}

AgentTable::AgentTable(const Order &order, uint32_t capacity)
    : order(&order), capacity(capacity), entries(1), hash(256), recent(order.warps()) {}

uint32_t AgentTable::add(const Entry &entry) {
  if (entries.size() >= capacity)
    throw Error("out of identifiers for accesses of shared memory: expected at most " + std::to_string(capacity) +
                " at a time");
  entries.push_back(entry);
  return static_cast<uint32_t>(entries.size() - 1);
}

uint32_t AgentTable::agent(int warp, int op, AccessKind kind) {
  const uint32_t time = order->now(warp);
  uint32_t &agent = recent.find(warp, time, op, kind);
  if (!agent) {
    Entry entry;
    entry.time = time;
    entry.op = op;
    entry.warp = static_cast<uint8_t>(warp);
    entry.kinds = static_cast<uint8_t>(1U << static_cast<unsigned>(kind));
    agent = add(entry);
  }
  return agent;
}

Who AgentTable::conflicting(uint32_t readers, AccessKind kind, int atWarp, int atLane) const {
  if (readers < limit() || !mayConflict(readers, kind))
    return {};
  const Who single = whoIs(readers);
  const Entry &entry = entries[single.agent];
  if (!entry.count)
    return before(single, atWarp, atLane) ? Who() : single;
  for (const Member *member = &members[entry.time], *end = member + entry.count; member != end; ++member) {
    const Entry &agent = entries[member->agent];
    if (!(agent.kinds & conflicts(kind)))
      continue;
    if (!entry.mixed) {
      if (!before({member->agent, single.lane}, atWarp, atLane))
        return {member->agent, single.lane};
      continue;
    }
    if (order->surelyBefore(agent.warp, agent.time, atWarp))
      continue;
    for (Mask rest = member->lanes; rest; rest &= rest - 1)
      if (const Who who{member->agent, __builtin_ctz(rest)}; !before(who, atWarp, atLane))
        return who;
  }
  return {};
}

uint32_t AgentTable::extend(uint32_t readers, uint32_t agent, Mask lanes) {
  const int lane = __builtin_ctz(lanes);
  if (lanes & (lanes - 1) || readers < limit() || isApart(readers, lane)) {
    if (readers < limit() && !(lanes & (lanes - 1)))
      return accessId(agent, lane);
    return extendSet(readers, agent, lanes);
  }
  // All are of one lane, and what becomes of them does not depend on which.
  const uint32_t from = readers / warpSize;
  Transition &transition = transitions[(from * 0x9e3779b1U + agent * 0x85ebca6bU) >> 26];
  if (transition.from != from || transition.agent != agent)
    transition = {from, agent, extendSet(readers, agent, lanes) / warpSize};
  return accessId(transition.to, lane);
}

// The set's members into scratch, all with their lanes.
void AgentTable::expand(uint32_t readers) {
  scratch.clear();
  if (readers < limit())
    return;
  const Who who = whoIs(readers);
  const Entry &entry = entries[who.agent];
  if (!entry.count) {
    scratch.push_back({who.agent, Mask(1) << who.lane});
    return;
  }
  const auto first = members.begin() + entry.time;
  scratch.assign(first, first + entry.count);
  if (!entry.mixed)
    for (Member &member : scratch)
      member.lanes = Mask(1) << who.lane;
}

uint32_t AgentTable::extendSet(uint32_t readers, uint32_t agent, Mask lanes) {
  const Entry added = entries[agent];
  expand(readers);
  Mask missing = lanes;
  auto kept = scratch.begin();
  for (const Member &member : scratch) {
    const Entry &old = entries[member.agent];
    Mask stay = member.lanes;
    // Of different kinds, neither's conflicts include the other's.
    if (old.kinds == added.kinds) {
      if (order->surelyBefore(old.warp, old.time, added.warp))
        continue;
      if (old.warp == added.warp && old.time == added.time)
        missing &= ~stay; // nothing new
      else if (old.warp == added.warp)
        stay &= ~lanes;
    }
    if (stay)
      *kept++ = {member.agent, stay};
  }
  scratch.erase(kept, scratch.end());
  if (missing) {
    const auto at = std::lower_bound(scratch.begin(), scratch.end(), agent,
                                     [](const Member &member, uint32_t value) { return member.agent < value; });
    if (at != scratch.end() && at->agent == agent)
      at->lanes |= missing;
    else
      scratch.insert(at, {agent, missing});
  }
  return internScratch();
}

uint32_t AgentTable::internScratch() {
  const Mask lanes = scratch.front().lanes;
  const bool oneLane = !(lanes & (lanes - 1)) && std::all_of(scratch.begin(), scratch.end(), [&](const Member &member) {
    return member.lanes == lanes;
  });
  if (!oneLane)
    return accessId(findSet(), 0);
  const int lane = __builtin_ctz(lanes);
  if (scratch.size() == 1)
    return accessId(scratch.front().agent, lane);
  for (Member &member : scratch)
    member.lanes = 0;
  return accessId(findSet(), lane);
}

static size_t hashOf(uint64_t agent, uint64_t lanes, uint64_t seed) {
  uint64_t h = (seed ^ (agent << 32 | lanes)) * 0x9e3779b97f4a7c15U;
  return h ^ h >> 29;
}

uint32_t AgentTable::findSet() {
  size_t h = 0;
  uint8_t kinds = 0;
  for (const Member &member : scratch) {
    h = hashOf(member.agent, member.lanes, h);
    kinds |= entries[member.agent].kinds;
  }
  size_t slot = h & (hash.size() - 1);
  for (; hash[slot]; slot = (slot + 1) & (hash.size() - 1)) {
    const Entry &entry = entries[hash[slot]];
    if (entry.count == scratch.size() && std::equal(scratch.begin(), scratch.end(), members.begin() + entry.time))
      return hash[slot];
  }
  Entry entry;
  entry.time = static_cast<uint32_t>(members.size());
  entry.count = static_cast<uint32_t>(scratch.size());
  entry.kinds = kinds;
  entry.mixed = scratch.front().lanes != 0;
  const uint32_t set = add(entry);
  members.insert(members.end(), scratch.begin(), scratch.end());
  hash[slot] = set;
  if (++setCount * 2 > hash.size())
    rehash();
  return set;
}

void AgentTable::rehash() {
  std::vector<uint32_t> old(hash.size() * 2);
  old.swap(hash);
  for (const uint32_t set : old) {
    if (!set)
      continue;
    size_t h = 0;
    for (uint32_t i = 0; i < entries[set].count; ++i)
      h = hashOf(members[entries[set].time + i].agent, members[entries[set].time + i].lanes, h);
    size_t slot = h & (hash.size() - 1);
    while (hash[slot])
      slot = (slot + 1) & (hash.size() - 1);
    hash[slot] = set;
  }
}

AgentTable::Mover::Mover(AgentTable &from) : from(from), to(*from.order, from.capacity), moved(from.entries.size()) {}

uint32_t AgentTable::Mover::moveAgent(uint32_t agent) {
  if (!moved[agent])
    moved[agent] = to.add(from.entries[agent]);
  return moved[agent];
}

uint32_t AgentTable::Mover::moveAccess(uint32_t id) {
  const Who who = whoIs(id);
  return accessId(moveAgent(who.agent), who.lane);
}

uint32_t AgentTable::Mover::moveReaders(uint32_t readers) {
  const Who who = whoIs(readers);
  const Entry &entry = from.entries[who.agent];
  if (!entry.count)
    return moveAccess(readers);
  if (!moved[who.agent]) {
    const auto first = from.members.begin() + entry.time;
    to.scratch.assign(first, first + entry.count);
    for (Member &member : to.scratch)
      member.agent = moveAgent(member.agent);
    std::sort(to.scratch.begin(), to.scratch.end(), [](const Member &a, const Member &b) { return a.agent < b.agent; });
    moved[who.agent] = to.findSet();
  }
  return accessId(moved[who.agent], who.lane);
}

void AgentTable::Mover::finish() { from = std::move(to); }

} // namespace treadle::sim
