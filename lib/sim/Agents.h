// Agents: who touched memory. An agent is an instruction of a warp at a time; with a lane it is one thread's access.
#pragma once

#include "Order.h"

namespace treadle::sim {

enum class AccessKind : uint8_t { Read, Write, Atomic };

struct Agent {
  uint32_t time = 0;
  int op = -1;
  uint8_t warp = 0;
  AccessKind kind = AccessKind::Read;
};

struct Who {
  uint32_t agent = 0; // 0: nobody
  int lane = 0;
};

// An agent and a lane, as shadow memory has them: 26 and 5 bits, which leaves one.
constexpr uint32_t agentLimit = uint32_t(1) << 26;
inline uint32_t accessId(uint32_t agent, int lane) { return agent * warpSize + static_cast<uint32_t>(lane); }
inline Who whoIs(uint32_t id) { return {id / warpSize, static_cast<int>(id % warpSize)}; }

// The agents that the warps of a block have been lately; it may forget.
class RecentAgents {
public:
  explicit RecentAgents(int warps) : slots(static_cast<size_t>(warps) * perWarp) {}
  // Such an agent; a 0 there is for the caller to fill.
  uint32_t &find(int warp, uint32_t time, int op, AccessKind kind);

private:
  static constexpr unsigned perWarp = 32;
  struct Slot {
    uint64_t key = 0;
    uint32_t time = 0, agent = 0;
  };
  std::vector<Slot> slots;
};

// The accesses of one block's shared memory that its shadow speaks of: agents and, for bytes with several readers, sets
// of them. Both are entries of one table, in the order of their making, so that one comparison tells which are from
// before the last barrier of all warps.
//
// Readers are a number: 0 for nobody, an agent's access, entry * 32 + lane for a set all of whose members are of that
// lane (where several warps read the same rows, one set does for all lanes), or entry * 32 for any other set.
class AgentTable {
public:
  explicit AgentTable(const Order &order, uint32_t capacity = agentLimit);

  size_t size() const { return entries.size() + members.size(); }
  // All that is in the table happened before what follows.
  void newRound() { base = static_cast<uint32_t>(entries.size()); }
  // Accesses and readers below are from before this round.
  uint32_t limit() const { return base * warpSize; }

  // The agent for such an access at the warp's present time. Throws an Error when there are no more.
  uint32_t agent(int warp, int op, AccessKind kind);
  Agent operator[](uint32_t agent) const {
    const Entry &entry = entries[agent];
    return {entry.time, entry.op, entry.warp, static_cast<AccessKind>(entry.kinds / 2)};
  }

  // Whether what somebody did happens before what thread (atWarp, atLane) does now.
  bool before(Who who, int atWarp, int atLane) const {
    const Entry &entry = entries[who.agent];
    return who.agent < base || order->before(entry.warp, who.lane, entry.time, atWarp, atLane);
  }
  // Whether readers of this round include any that such an access can conflict with.
  bool mayConflict(uint32_t readers, AccessKind kind) const {
    return (entries[readers / warpSize].kinds & conflicts(kind)) != 0;
  }
  // One that it does conflict with, not ordered before it.
  Who conflicting(uint32_t readers, AccessKind kind, int atWarp, int atLane) const;

  // Whether it takes more than a look at the last transitions to add that lane.
  bool isApart(uint32_t readers, int lane) const {
    return readers % warpSize != static_cast<uint32_t>(lane) || entries[readers / warpSize].mixed;
  }
  // The readers when these lanes of the agent, of the present, have read as well. Who is ordered before them goes: what
  // conflicts with him conflicts with them.
  uint32_t extend(uint32_t readers, uint32_t agent, Mask lanes);

  class Mover;

private:
  struct Entry {
    uint32_t time = 0;  // of a set: where its members begin
    int op = -1;        // of an agent
    uint32_t count = 0; // members of a set; 0: an agent
    uint8_t warp = 0;
    uint8_t kinds = 0;  // 1 << AccessKind, of all members
    bool mixed = false; // a set of several lanes
  };
  struct Member {
    uint32_t agent;
    Mask lanes; // 0 in a set of one lane
    bool operator==(const Member &o) const { return agent == o.agent && lanes == o.lanes; }
  };
  struct Transition {
    uint32_t from = 0, agent = 0, to = 0;
  };

  // Kinds that conflict with that one, among readers.
  static uint8_t conflicts(AccessKind kind) {
    constexpr uint8_t read = 1, write = 2, atomic = 4;
    constexpr uint8_t table[] = {write | atomic, read | write | atomic, read | write};
    return table[static_cast<int>(kind)];
  }

  uint32_t add(const Entry &entry);
  void expand(uint32_t readers);
  uint32_t extendSet(uint32_t readers, uint32_t agent, Mask lanes);
  uint32_t internScratch();
  uint32_t findSet();
  void rehash();

  const Order *order;
  uint32_t capacity;
  uint32_t base = 1;
  std::vector<Entry> entries;
  std::vector<Member> members;
  std::vector<Member> scratch; // a set in the making, by agent
  std::vector<uint32_t> hash;  // sets by their members
  size_t setCount = 0;
  RecentAgents recent;
  std::array<Transition, 64> transitions; // of sets of one lane
};

// Moves what is still spoken of to a new table, which then takes the place of the old one.
class AgentTable::Mover {
public:
  explicit Mover(AgentTable &from);
  uint32_t moveAccess(uint32_t id);
  uint32_t moveReaders(uint32_t readers); // of this round
  void finish();

private:
  uint32_t moveAgent(uint32_t agent);

  AgentTable &from;
  AgentTable to;
  std::vector<uint32_t> moved; // by entry
};

} // namespace treadle::sim
