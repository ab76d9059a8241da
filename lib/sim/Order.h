// Happens-before among threads: what each thread of a block knows to have been done before now.
#pragma once

#include "Program.h"

#include <array>
#include <map>

namespace treadle::sim {

// What somebody knew at some moment: for each thread of a block, the time before which all that it did is known; and
// the same of other blocks, for what came from them through global memory. Immutable, shared by all who know the same.
struct Knowledge {
  std::vector<uint32_t> times;                                // by warp * 32 + lane; empty: nothing of this block
  std::map<int64_t, std::shared_ptr<const Knowledge>> blocks; // theirs have times alone
  int64_t block = 0;                                          // whose threads `times` is about
};
using KnowledgePtr = std::shared_ptr<const Knowledge>; // null: nothing

// Time passes for a whole warp: an access is made at its warp's present time, and every release by one of its threads
// moves it on. Lanes of a warp are unordered but for syncLanes; whole warps but for the rest.
class Order {
public:
  Order(int64_t block, int threads);
  ~Order();
  Order(const Order &) = delete;
  Order &operator=(const Order &) = delete;

  int64_t block() const { return blockIndex; }
  int warps() const { return static_cast<int>(warpStates.size()); }
  uint32_t now(int warp) const { return warpStates[warp].now; } // 1 at first

  // Whether what thread (warp, lane) did at `time` happens before what thread (atWarp, atLane) does now. Its own acts
  // do.
  bool before(int warp, int lane, uint32_t time, int atWarp, int atLane) const;
  // The same for what a thread of another block did.
  bool foreignBefore(int64_t block, int warp, int lane, uint32_t time, int atWarp, int atLane) const;
  // Quickly: true only if before() holds for every lane of the two warps; false where it would have to look closer.
  bool surelyBefore(int warp, uint32_t time, int atWarp) const;

  // bar.warp.sync: these lanes learn all that any of them knows and did.
  void syncLanes(int warp, Mask lanes);
  // A barrier that these whole warps passed together.
  void syncWarps(const std::vector<int> &warps);
  // Release and acquire by one thread: mbarriers, atomics and fences.
  KnowledgePtr release(int warp, int lane);
  void acquire(int warp, int lane, const KnowledgePtr &known);
  static KnowledgePtr join(const KnowledgePtr &a, const KnowledgePtr &b);

  // How many barriers all warps of the block passed together. What came before one happens before what comes after.
  uint32_t rounds() const { return roundCount; }

  // Where Accessors keeps what it needs of each running block.
  struct Attachment {
    virtual ~Attachment() = default;
  };
  std::unique_ptr<Attachment> attachment;

private:
  // What lanes of one warp know while they do not all know the same.
  struct Apart {
    std::array<std::array<uint32_t, warpSize>, warpSize> times{}; // [who][of whom], of this warp
    std::array<KnowledgePtr, warpSize> known;
  };
  struct WarpState {
    uint32_t now = 1;
    uint32_t everybody = 0; // every thread of the block knows what this warp did before
    uint32_t together = 0;  // every lane of this warp does
    Mask present = 0;
    KnowledgePtr known; // by all lanes, while nothing sets them apart
    std::unique_ptr<Apart> apart;
  };

  Apart &setApart(WarpState &warp);
  KnowledgePtr joined(const WarpState &warp, Mask lanes) const;
  void bringTogether(WarpState &warp, KnowledgePtr known);

  int64_t blockIndex;
  uint32_t roundCount = 0;
  std::vector<WarpState> warpStates;
};

} // namespace treadle::sim
