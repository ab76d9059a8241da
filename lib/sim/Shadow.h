// What is known of every byte of memory: whether anything wrote it, who did last, and who has read it since. Eight
// bytes a byte.
#pragma once

#include "Agents.h"

#include <atomic>
#include <mutex>

namespace treadle::sim {

// What is wrong with one lane's access.
struct Conflict {
  enum Kind : uint8_t {
    None,
    Outside,       // bytes that belong to no view (global memory only)
    Uninitialised, // a read of a byte that nothing wrote
    Race,          // another thread's access of this byte is not ordered before this one, and one of the two is a write
    Pending,       // a cp.async that was not waited for writes this byte
  } kind = None;
  unsigned byte = 0; // the first byte at fault, from the start of the access
  // Race and Pending: the earlier access.
  int64_t block = 0;
  int warp = 0, lane = 0;
  int op = -1; // of Program::ops
  AccessKind earlier = AccessKind::Read;
};

// The shared memory of one block. All of it begins uninitialised. Finds every race, until the first on a byte: what is
// at fault becomes the byte's last access like any other, and what came before it is forgotten. An access of bytes that
// are pending leaves no trace.
class SharedShadow {
public:
  // leastBound: of remembered(), below which it does not tidy up.
  SharedShadow(Order &order, uint32_t bytes, size_t leastBound = size_t(1) << 16);

  // The accesses of one warp instruction: lane i of `active` touches `bytes` bytes at offsets[i], all inside, at the
  // warp's present time. Gives the lanes at fault and fills their conflicts; notes the accesses of all.
  Mask access(AccessKind kind, int warp, int op, Mask active, const uint32_t *offsets, unsigned bytes,
              Conflict *conflicts);
  // cp.async: from `begin` to `end` nobody may touch the bytes; beginning counts as a write, for races with what others
  // did before; at the end they are as if the thread had written them then.
  Mask beginCopy(int warp, int op, Mask active, const uint32_t *offsets, unsigned bytes, Conflict *conflicts);
  void endCopy(int warp, int lane, int op, uint32_t offset, unsigned bytes);
  // Bytes that the module initialises, or that something other than a thread has written.
  void initialise(uint32_t offset, uint32_t bytes);

  // How many agents and sets of them it remembers.
  size_t remembered() const { return agents.size(); }

private:
  // One warp instruction.
  struct Call {
    AccessKind kind;
    bool copy; // cp.async: a write that stays pending
    int warp;
    uint32_t agent;
    Mask active;
    const uint32_t *offsets;
    unsigned bytes;
    Conflict *conflicts;
    Mask faults = 0;
    uint32_t known = 0; // an agent that is before all lanes
  };

  void refresh();
  void collect();
  template <bool Writes> Mask run(Call &call);
  template <unsigned N, bool Writes> void runSized(Call &call);
  void slowly(Call &call, Mask lanes);
  uint64_t next(Call &call, uint64_t word, Mask lanes, unsigned byte);
  bool follows(Call &call, Who writer, int lane);
  void check(Call &call, uint64_t word, int lane, unsigned byte);
  void report(Call &call, Conflict::Kind kind, int lane, unsigned byte, Who earlier);

  Order &order;
  std::vector<uint64_t> words; // the writer above, the readers below
  AgentTable agents;
  uint32_t rounds = 0;
  const size_t leastBound;
  size_t bound; // of remembered(), when to forget what is out of use
};

// Who touched global memory during one launch; blocks may run on several host threads at once. An Order is for one
// Accessors.
class Accessors {
public:
  // keepDetails: whether blocks may order themselves by atomics and fences; such blocks run one after another.
  explicit Accessors(bool keepDetails, uint32_t capacity = agentLimit);
  ~Accessors();
  Accessors(const Accessors &) = delete;
  Accessors &operator=(const Accessors &) = delete;

private:
  friend class GlobalShadow;

  static constexpr uint32_t segmentSize = 1 << 14;
  static constexpr uint32_t chunkSize = 16; // agents that a block takes at once
  struct Segment {
    std::array<Agent, segmentSize> agents;
    std::array<int64_t, segmentSize / chunkSize> blocks;
  };
  struct OfBlock;

  // The agent for such an access at the warp's present time. Throws an Error when there are no more.
  uint32_t agent(Order &order, int warp, int op, AccessKind kind);
  uint32_t takeChunk(int64_t block);
  Segment &segmentOf(uint32_t agent) const { return *segments[agent / segmentSize].load(std::memory_order_acquire); }
  Agent &at(uint32_t agent) const { return segmentOf(agent).agents[agent % segmentSize]; }
  int64_t &blockOf(uint32_t agent) const { return segmentOf(agent).blocks[agent % segmentSize / chunkSize]; }

  const bool keepDetails;
  const uint32_t capacity;
  std::mutex mutex;
  uint32_t taken = chunkSize; // agent 0 is nobody
  std::vector<std::unique_ptr<Segment>> owned;
  std::vector<std::atomic<Segment *>> segments;
};

// One region of global memory, over all launches. Accesses of earlier launches happen before those of this one. Between
// blocks that nothing orders it finds every race. Within a block, and between blocks that atomics order in part, it may
// miss one: of a block's threads that read a byte since it was written it remembers one, and of all that touched it
// with atomics. It never reports one that is not there.
class GlobalShadow {
public:
  explicit GlobalShadow(uint64_t bytes); // all of it Outside at first
  ~GlobalShadow();
  GlobalShadow(const GlobalShadow &) = delete;
  GlobalShadow &operator=(const GlobalShadow &) = delete;

  // Not during a launch. What was initialised stays so.
  void markInside(uint64_t offset, uint64_t bytes, bool initialised);
  // Whether all these bytes are inside, and something wrote them.
  bool isInitialised(uint64_t offset, uint64_t bytes) const;
  void beginLaunch() { ++launch; }

  // As SharedShadow::access, of one block's warp; the block is the Order's. Thread-safe, and a race between two blocks
  // is found whichever host threads they run on: of two accesses of a byte one comes second, and it sees the first. A
  // lane with bytes Outside leaves no trace.
  Mask access(AccessKind kind, Accessors &accessors, Order &order, int warp, int op, Mask active,
              const uint64_t *offsets, unsigned bytes, Conflict *conflicts);

private:
  struct Page;
  struct Extra;
  struct State;
  struct Call;
  class Lock;

  bool anyOutside(Call &call, Lock &lock, uint64_t offset, unsigned bytes);
  void touch(Call &call, Lock &lock, uint64_t offset, unsigned bytes);
  static void next(Call &call, State &state, unsigned byte);

  uint64_t size;
  uint32_t launch = 1;
  std::vector<Page> pages;
};

} // namespace treadle::sim
