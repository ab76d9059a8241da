// The state of a launch, of a block while it runs, and of its warps.
#pragma once

#include "Machine.h"

#include <array>
#include <deque>
#include <map>
#include <unordered_map>

namespace treadle::sim {

// Findings of one kind at one pair of instructions are one; the first in the order of blocks and threads stands for
// all.
class Findings {
public:
  void add(Finding finding);
  void merge(Findings other);
  std::vector<Finding> take(); // sorted

private:
  std::map<std::tuple<int, Finding::Kind, int>, Finding> found;
};

// What all blocks of a launch share.
struct Launch {
  const ptx::Module &module;
  const Program &program;
  GlobalMemory &memory;
  const Options &options;
  Dim3 grid, block;
  uint32_t sharedBytes;
  std::vector<std::byte> params;
  Accessors accessors;
  // Release clocks of global atomics; their kernels run one block at a time.
  std::unordered_map<uint64_t, KnowledgePtr> released;

  int threadsPerBlock() const { return static_cast<int>(block.x * block.y * block.z); }
};

// One warp instruction's cp.async, until every lane has waited for it.
struct Copy {
  int op;
  Mask pending; // lanes that have not waited
  Mask reads;   // lanes whose copy is not of zeros alone
  unsigned bytes;
  std::array<uint32_t, warpSize> offset; // in shared memory
  std::array<uint32_t, warpSize> group;  // number of the lane's group
  std::array<std::array<std::byte, 16>, warpSize> data;
};

// Lanes of a warp that run together.
struct Group {
  int pc;
  Mask lanes;
  enum State : uint8_t {
    Ready,
    Converging, // at a .sync or .aligned instruction, until the other lanes come
    Barrier,    // in a barrier of the block
    Polling,    // at an mbarrier's wait, until some phase completes
  } state = Ready;
  int barrier = 0; // Barrier: which
};

struct WarpState : Warp {
  std::vector<Group> groups;
  size_t current = 0; // the group whose instruction is being executed
  std::deque<Copy> copies;
  size_t landed = 0;                          // copies that are done and gone from the front
  std::array<uint32_t, warpSize> committed{}; // groups of cp.async, by lane

  // By lane: what a fence released, for later relaxed atomics to publish; what relaxed atomics saw, for a later fence.
  struct Fenced {
    std::array<KnowledgePtr, warpSize> released, seen;
  };
  std::unique_ptr<Fenced> fenced;

  Mask alive() const { return present & ~exited; }
};

// One of the block's sixteen barriers.
struct Barrier {
  uint32_t expected = 0; // threads; 0: all of the block that have not ended
  uint32_t arrived = 0;
  std::vector<int> waiting; // warps
  KnowledgePtr known;       // what those that do not wait released
  bool fixed = false;       // some warp said how many threads
  uint32_t reduced = 0;     // bar.red: lanes whose predicate holds, and all lanes
  uint32_t reducedOf = 0;
};

// An mbarrier object, kept beside the memory that holds it.
struct MBarrier {
  uint32_t count = 0; // arrivals that a phase takes
  uint32_t pending = 0;
  int64_t transactions = 0; // bytes expected and not yet come
  uint64_t phase = 0;
  KnowledgePtr gathering, completed; // what this phase's arrivals released; what the last phase's had
  // cp.async.mbarrier.arrive: arrivals that come with the copies that they follow.
  struct Deferred {
    int warp, lane;
    size_t copies; // how many of the warp's copies came before
  };
  std::vector<Deferred> deferred;
};

struct Block {
  Block(Launch &launch, int64_t id, Findings &findings, std::vector<OpCounts> &counts);

  // Runs every warp to its end, or until nothing can go on.
  void run();

  Launch &launch;
  const Program &program;
  Findings &findings;
  std::vector<OpCounts> &counts;
  int64_t id;
  Dim3 position;
  std::vector<WarpState> warps;
  Order order;
  std::vector<std::byte> shared;
  SharedShadow shadow;
  std::unique_ptr<std::byte[]> registers;
  std::vector<std::byte> local; // thread after thread
  std::vector<bool> localWritten;
  std::array<Barrier, 16> barriers;
  std::map<uint32_t, MBarrier> mbarriers;              // by address in shared memory
  std::unordered_map<uint64_t, KnowledgePtr> released; // release clocks of shared atomics
  uint64_t executed = 0;                               // warp-instructions
  bool stopped = false;                                // by a finding after which nothing can go on

  int index(const Op &op) const { return static_cast<int>(&op - program.ops.data()); }
  Thread thread(int warp, int lane) const;
  void report(Finding::Kind kind, const Op &op, int warp, int lane, std::string what,
              const Conflict *earlier = nullptr);

  // Barriers (Sync.cpp). A barrier that has all its threads lets them go.
  void completeBarrier(int number);
  void completeBarriers(); // after lanes have ended
  void wakePolling();      // some mbarrier completed a phase

private:
  uint32_t specialValue(const std::string &name, int warp, int lane) const;
  uint32_t barrierSize(const Barrier &barrier) const;
  void reportStuck();
  void reportUnwaited();
};

inline WarpState &stateOf(Warp &warp) { return static_cast<WarpState &>(warp); }

// One access a lane of a warp instruction, checked: which lanes may go on, and where their bytes lie in the host's
// memory.
struct Access {
  AccessKind kind;
  ptx::Space space;
  unsigned bytes; // a lane; also what the address must be a multiple of
  std::array<uint64_t, warpSize> address;
  std::array<std::byte *, warpSize> host;
  bool isCopy = false;             // of shared memory, by cp.async: begins now, ends at the wait
  bool isStore = false;            // an atomic access that reads nothing: a strong store
  const std::byte *data = nullptr; // of writes: what each lane writes, `bytes` apart
};
Mask checkAccess(Warp &warp, const Op &op, Mask active, Access &access);

// The operand [base+offset]: its place in op.a and op.imm. `wide`: whether the base has 64 bits.
struct AddressOperand {
  Slot base;
  bool wide;
  int64_t offset;
};
AddressOperand decodeAddress(Decoder &decoder, const ptx::Operand &operand, ptx::Space space);
std::array<uint64_t, warpSize> addresses(const Warp &warp, Slot base, bool wide, int64_t offset);

} // namespace treadle::sim
