// Happens-before: vector clocks that whole warps share while their lanes know the same.
#include "Order.h"

#include <algorithm>
#include <utility>

namespace treadle::sim {

namespace {

bool knows(const KnowledgePtr &known, int warp, int lane, uint32_t time) {
  const size_t thread = static_cast<size_t>(warp) * warpSize + lane;
  return known && thread < known->times.size() && known->times[thread] > time;
}

// The later of each two times into `into`. Says whether that changed it.
bool raise(std::vector<uint32_t> &into, const std::vector<uint32_t> &times) {
  if (into.size() < times.size())
    into.resize(times.size());
  bool changed = false;
  for (size_t i = 0; i < times.size(); ++i) {
    changed |= times[i] > into[i];
    into[i] = std::max(into[i], times[i]);
  }
  return changed;
}

// Knowledge that has only times, of the same block.
KnowledgePtr joinTimes(const KnowledgePtr &a, const KnowledgePtr &b) {
  if (!a || a == b)
    return b;
  if (!b)
    return a;
  auto result = std::make_shared<Knowledge>();
  result->block = a->block;
  result->times = a->times;
  if (!raise(result->times, b->times))
    return a;
  return result->times == b->times ? b : result;
}

// The times alone.
KnowledgePtr withoutBlocks(const KnowledgePtr &known) {
  if (known->blocks.empty())
    return known;
  auto result = std::make_shared<Knowledge>();
  result->block = known->block;
  result->times = known->times;
  return result;
}

// The same knowledge as seen from a thread of `block`.
KnowledgePtr seenFrom(int64_t block, const KnowledgePtr &known) {
  if (!known || known->block == block)
    return known;
  auto result = std::make_shared<Knowledge>();
  result->block = block;
  result->blocks = known->blocks;
  if (auto own = result->blocks.find(block); own != result->blocks.end()) {
    result->times = own->second->times;
    result->blocks.erase(own);
  }
  if (!known->times.empty())
    result->blocks[known->block] = withoutBlocks(known);
  return result;
}

} // namespace

Order::Order(int64_t block, int threads) : blockIndex(block), warpStates((threads + warpSize - 1) / warpSize) {
  for (int warp = 0; warp < warps(); ++warp) {
    const int lanes = std::min(threads - warp * warpSize, warpSize);
    warpStates[warp].present = allLanes >> (warpSize - lanes);
  }
}

Order::~Order() = default;

bool Order::before(int warp, int lane, uint32_t time, int atWarp, int atLane) const {
  const WarpState &at = warpStates[atWarp];
  if (warp == atWarp) {
    if (lane == atLane || time < at.together)
      return true;
    return at.apart && (time < at.apart->times[atLane][lane] || knows(at.apart->known[atLane], warp, lane, time));
  }
  return time < warpStates[warp].everybody || knows(at.apart ? at.apart->known[atLane] : at.known, warp, lane, time);
}

bool Order::foreignBefore(int64_t block, int warp, int lane, uint32_t time, int atWarp, int atLane) const {
  const WarpState &at = warpStates[atWarp];
  const KnowledgePtr &known = at.apart ? at.apart->known[atLane] : at.known;
  if (!known)
    return false;
  const auto foreign = known->blocks.find(block);
  return foreign != known->blocks.end() && knows(foreign->second, warp, lane, time);
}

bool Order::surelyBefore(int warp, uint32_t time, int atWarp) const {
  const WarpState &at = warpStates[atWarp];
  if (warp == atWarp)
    return time < at.together;
  if (time < warpStates[warp].everybody)
    return true;
  const size_t first = static_cast<size_t>(warp) * warpSize;
  if (at.apart || !at.known || at.known->times.size() < first + warpSize)
    return false;
  const uint32_t *times = at.known->times.data() + first;
  return *std::min_element(times, times + warpSize) > time;
}

Order::Apart &Order::setApart(WarpState &warp) {
  if (!warp.apart) {
    warp.apart = std::make_unique<Apart>();
    warp.apart->known.fill(warp.known);
    warp.known.reset();
  }
  return *warp.apart;
}

void Order::bringTogether(WarpState &warp, KnowledgePtr known) {
  warp.together = ++warp.now;
  warp.known = std::move(known);
  warp.apart.reset();
}

KnowledgePtr Order::joined(const WarpState &warp, Mask lanes) const {
  if (!warp.apart)
    return warp.known;
  KnowledgePtr result;
  const KnowledgePtr *last = nullptr;
  for (Mask rest = lanes & warp.present; rest; rest &= rest - 1) {
    const KnowledgePtr &known = warp.apart->known[__builtin_ctz(rest)];
    if (last && *last == known)
      continue;
    last = &known;
    result = join(result, known);
  }
  return result;
}

void Order::syncLanes(int warp, Mask lanes) {
  WarpState &state = warpStates[warp];
  lanes &= state.present;
  if (!(lanes & (lanes - 1)))
    return; // nobody to learn from
  if (lanes == state.present) {
    bringTogether(state, joined(state, lanes));
    return;
  }
  Apart &apart = setApart(state);
  const KnowledgePtr known = joined(state, lanes);
  ++state.now;
  std::array<uint32_t, warpSize> times{};
  for (Mask rest = lanes; rest; rest &= rest - 1)
    for (int lane = 0; lane < warpSize; ++lane)
      times[lane] = std::max(times[lane], apart.times[__builtin_ctz(rest)][lane]);
  for (Mask rest = lanes; rest; rest &= rest - 1)
    times[__builtin_ctz(rest)] = state.now;
  for (Mask rest = lanes; rest; rest &= rest - 1) {
    apart.times[__builtin_ctz(rest)] = times;
    apart.known[__builtin_ctz(rest)] = known;
  }
}

void Order::syncWarps(const std::vector<int> &warps) {
  KnowledgePtr known;
  for (const int warp : warps)
    known = join(known, joined(warpStates[warp], allLanes));

  if (warps.size() == warpStates.size()) {
    // All times are known to everybody; what remains is what came from other blocks.
    if (known && known->blocks.empty())
      known.reset();
    if (known && !known->times.empty()) {
      auto foreign = std::make_shared<Knowledge>(*known);
      foreign->times.clear();
      known = std::move(foreign);
    }
    for (WarpState &state : warpStates) {
      bringTogether(state, known);
      state.everybody = state.now;
    }
    ++roundCount;
    return;
  }

  auto shared = known ? std::make_shared<Knowledge>(*known) : std::make_shared<Knowledge>();
  shared->block = blockIndex;
  shared->times.resize(warpStates.size() * warpSize);
  for (const int warp : warps)
    std::fill_n(shared->times.begin() + warp * warpSize, warpSize, warpStates[warp].now + 1);
  for (const int warp : warps)
    bringTogether(warpStates[warp], shared);
}

KnowledgePtr Order::release(int warp, int lane) {
  const WarpState &state = warpStates[warp];
  const KnowledgePtr &known = state.apart ? state.apart->known[lane] : state.known;
  auto result = known ? std::make_shared<Knowledge>(*known) : std::make_shared<Knowledge>();
  result->block = blockIndex;
  result->times.resize(warpStates.size() * warpSize);
  uint32_t *times = result->times.data();
  for (const WarpState &other : warpStates) {
    for (int i = 0; i < warpSize; ++i)
      times[i] = std::max(times[i], other.everybody);
    times += warpSize;
  }
  uint32_t *own = result->times.data() + static_cast<size_t>(warp) * warpSize;
  for (int i = 0; i < warpSize; ++i)
    own[i] = std::max({own[i], state.together, state.apart ? state.apart->times[lane][i] : 0});
  own[lane] = ++warpStates[warp].now;
  return result;
}

void Order::acquire(int warp, int lane, const KnowledgePtr &known) {
  if (!known)
    return;
  const KnowledgePtr seen = seenFrom(blockIndex, known);
  KnowledgePtr &own = setApart(warpStates[warp]).known[lane];
  own = join(own, seen);
}

KnowledgePtr Order::join(const KnowledgePtr &a, const KnowledgePtr &b) {
  if (!a || a == b)
    return b;
  if (!b)
    return a;
  const KnowledgePtr other = seenFrom(a->block, b);
  auto result = std::make_shared<Knowledge>(*a);
  bool changed = raise(result->times, other->times);
  for (const auto &[block, times] : other->blocks) {
    KnowledgePtr &into = result->blocks[block];
    KnowledgePtr both = joinTimes(into, times);
    changed |= both != into;
    into = std::move(both);
  }
  if (!changed)
    return a;
  return result->times == other->times && result->blocks == other->blocks ? other : result;
}

} // namespace treadle::sim
