// The shadow of global memory, shared by blocks on several host threads: pages made when they are touched, each with a
// lock.
#include "Shadow.h"

#include <algorithm>
#include <cstring>
#include <thread>

namespace treadle::sim {

namespace {

constexpr uint64_t pageBytes = 4096;

// Writers besides accesses, which begin at warpSize.
constexpr uint32_t outside = 0;
constexpr uint32_t unwritten = 1;
constexpr uint32_t initially = 2; // before this launch, or by atomics alone
// Flag of a reader: the page knows more.
constexpr uint32_t more = 1U << 31;

uint32_t writerOf(uint64_t word) { return static_cast<uint32_t>(word >> 32); }
uint32_t readerOf(uint64_t word) { return static_cast<uint32_t>(word); }
uint64_t wordOf(uint32_t writer, uint32_t reader) { return static_cast<uint64_t>(writer) << 32 | reader; }

bool areSame(const uint64_t *words, unsigned count) {
  return !std::memcmp(words, words + 1, (count - 1) * sizeof(*words));
}

} // namespace

struct Accessors::OfBlock : Order::Attachment {
  OfBlock(const Accessors &owner, int warps) : owner(&owner), recent(warps) {}
  const Accessors *owner;
  RecentAgents recent;
  uint32_t next = 0, end = 0; // of its chunk
};

Accessors::Accessors(bool keepDetails, uint32_t capacity)
    : keepDetails(keepDetails), capacity(capacity), segments((capacity + segmentSize - 1) / segmentSize) {}

Accessors::~Accessors() = default;

uint32_t Accessors::takeChunk(int64_t block) {
  const std::lock_guard<std::mutex> guard(mutex);
  if (taken + chunkSize > capacity)
    throw Error("out of identifiers for accesses of global memory: expected at most " + std::to_string(capacity) +
                " warp instructions that access it in one launch");
  const uint32_t chunk = taken;
  taken += chunkSize;
  std::atomic<Segment *> &segment = segments[chunk / segmentSize];
  if (!segment.load(std::memory_order_relaxed)) {
    owned.push_back(std::make_unique<Segment>());
    segment.store(owned.back().get(), std::memory_order_release);
  }
  blockOf(chunk) = block;
  return chunk;
}

uint32_t Accessors::agent(Order &order, int warp, int op, AccessKind kind) {
  auto *mine = static_cast<OfBlock *>(order.attachment.get());
  if (!mine || mine->owner != this) {
    order.attachment = std::make_unique<OfBlock>(*this, order.warps());
    mine = static_cast<OfBlock *>(order.attachment.get());
  }
  const uint32_t time = order.now(warp);
  uint32_t &agent = mine->recent.find(warp, time, op, kind);
  if (!agent) {
    if (mine->next == mine->end) {
      mine->next = takeChunk(order.block());
      mine->end = mine->next + chunkSize;
    }
    agent = mine->next++;
    at(agent) = {time, op, static_cast<uint8_t>(warp), kind};
  }
  return agent;
}

// Further accesses of a byte since it was written, where the page's word has no room for them.
struct GlobalShadow::Extra {
  uint32_t reader = 0; // of another block than the word's
  uint32_t atomic = 0;
  bool operator==(const Extra &o) const { return reader == o.reader && atomic == o.atomic; }
};

// All that is known of a byte.
struct GlobalShadow::State {
  uint32_t writer = outside, reader = 0;
  Extra extra;
  bool operator==(const State &o) const { return writer == o.writer && reader == o.reader && extra == o.extra; }
};

struct GlobalShadow::Page {
  // What the words are made of, all the same, until there are any.
  uint32_t writer = outside;
  uint32_t launch = 0; // in which the accesses that it has were made
  std::unique_ptr<uint64_t[]> words;
  // Of bytes that more accesses are known of: the flagged reader is an index. Neighbours share what is alike.
  struct Shared {
    uint32_t reader;
    Extra extra;
  };
  std::vector<Shared> shared;
  size_t bound = leastShared; // of `shared`, when to forget what is out of use
  mutable std::atomic<bool> locked{false};

  uint64_t *makeWords() {
    if (!words) {
      words.reset(new uint64_t[pageBytes]);
      std::fill_n(words.get(), pageBytes, wordOf(writer, 0));
    }
    return words.get();
  }

  // Accesses of earlier launches are just what was there before.
  void bringTo(uint32_t present) {
    if (launch == present)
      return;
    launch = present;
    shared.clear();
    bound = leastShared;
    if (words)
      for (uint64_t *word = words.get(), *end = word + pageBytes; word != end; ++word)
        *word = wordOf(std::min(writerOf(*word), initially), 0);
  }

  State load(unsigned at) const {
    const uint64_t word = words[at];
    if (!(readerOf(word) & more))
      return {writerOf(word), readerOf(word), {}};
    const Shared &known = shared[readerOf(word) & ~more];
    return {writerOf(word), known.reader, known.extra};
  }
  void store(unsigned at, const State &state) {
    if (!(state.extra.reader | state.extra.atomic)) {
      words[at] = wordOf(state.writer, state.reader);
      return;
    }
    if (shared.empty() || shared.back().reader != state.reader || !(shared.back().extra == state.extra)) {
      if (shared.size() == bound)
        forget();
      shared.push_back({state.reader, state.extra});
    }
    words[at] = wordOf(state.writer, more | static_cast<uint32_t>(shared.size() - 1));
  }

private:
  static constexpr size_t leastShared = 64;

  void forget() {
    constexpr uint32_t unused = ~0U;
    std::vector<uint32_t> moved(shared.size(), unused);
    std::vector<Shared> kept;
    for (uint64_t *word = words.get(), *end = word + pageBytes; word != end; ++word) {
      if (!(readerOf(*word) & more))
        continue;
      uint32_t &to = moved[readerOf(*word) & ~more];
      if (to == unused) {
        to = static_cast<uint32_t>(kept.size());
        kept.push_back(shared[readerOf(*word) & ~more]);
      }
      *word = wordOf(writerOf(*word), more | to);
    }
    shared = std::move(kept);
    bound = std::max(leastShared, 2 * shared.size());
  }
};

// Holds one page at a time.
class GlobalShadow::Lock {
public:
  Lock() = default;
  ~Lock() { release(); }
  Lock(const Lock &) = delete;
  Lock &operator=(const Lock &) = delete;

  void take(const Page &page) {
    if (held == &page)
      return;
    release();
    while (page.locked.exchange(true, std::memory_order_acquire))
      while (page.locked.load(std::memory_order_relaxed))
        std::this_thread::yield();
    held = &page;
  }

private:
  void release() {
    if (held)
      held->locked.store(false, std::memory_order_release);
  }
  const Page *held = nullptr;
};

// One warp instruction, at one lane.
struct GlobalShadow::Call {
  AccessKind kind;
  const Accessors &accessors;
  const Order &order;
  int warp;
  uint32_t agent;
  Conflict *conflicts;
  Mask faults = 0;
  int lane = 0;

  bool isOurs(uint32_t id) const { return accessors.blockOf(whoIs(id).agent) == order.block(); }
  const Agent &agentOf(uint32_t id) const { return accessors.at(whoIs(id).agent); }

  // Whether that access is ordered before this one.
  bool follows(uint32_t id) const {
    const Who who = whoIs(id);
    const Agent &earlier = accessors.at(who.agent);
    if (isOurs(id))
      return order.before(earlier.warp, who.lane, earlier.time, warp, lane);
    return accessors.keepDetails &&
           order.foreignBefore(accessors.blockOf(who.agent), earlier.warp, who.lane, earlier.time, warp, lane);
  }

  void report(Conflict::Kind what, unsigned byte, uint32_t earlier = 0) {
    Conflict &conflict = conflicts[lane];
    const Mask bit = Mask(1) << lane;
    // The first byte at fault, but a race before bytes that nothing wrote.
    if (faults & bit && (conflict.kind != Conflict::Uninitialised || what == Conflict::Uninitialised))
      return;
    faults |= bit;
    conflict = {};
    conflict.kind = what;
    conflict.byte = byte;
    if (!earlier)
      return;
    const Agent &agent = agentOf(earlier);
    conflict.block = accessors.blockOf(whoIs(earlier).agent);
    conflict.warp = agent.warp;
    conflict.lane = whoIs(earlier).lane;
    conflict.op = agent.op;
    conflict.earlier = agent.kind;
  }

  // Notes this read in place of one of the same block or one ordered before. Of two that are not ordered, the later;
  // but rather one of another warp than the last writer's, who is likely to write again.
  void replaceReader(uint32_t &reader, uint32_t writer) const {
    if (reader && !follows(reader) && writer >= warpSize && isOurs(writer) && agentOf(writer).warp == warp &&
        agentOf(reader).warp != warp)
      return;
    reader = accessId(agent, lane);
  }
};

GlobalShadow::GlobalShadow(uint64_t bytes) : size(bytes), pages((bytes + pageBytes - 1) / pageBytes) {}

GlobalShadow::~GlobalShadow() = default;

void GlobalShadow::markInside(uint64_t offset, uint64_t bytes, bool initialised) {
  const uint32_t mark = initialised ? initially : unwritten;
  while (bytes) {
    Page &page = pages[offset / pageBytes];
    const uint64_t from = offset % pageBytes, count = std::min(bytes, pageBytes - from);
    page.bringTo(launch);
    if (count == pageBytes && !page.words) {
      page.writer = std::max(page.writer, mark);
    } else if (page.words || page.writer < mark) {
      uint64_t *words = page.makeWords();
      for (uint64_t i = from; i < from + count; ++i)
        words[i] = wordOf(std::max(writerOf(words[i]), mark), readerOf(words[i]));
    }
    offset += count;
    bytes -= count;
  }
}

bool GlobalShadow::isInitialised(uint64_t offset, uint64_t bytes) const {
  Lock lock;
  while (bytes) {
    if (offset >= size)
      return false;
    const Page &page = pages[offset / pageBytes];
    const uint64_t from = offset % pageBytes, count = std::min(bytes, pageBytes - from);
    lock.take(page);
    const auto written = [](uint64_t word) { return writerOf(word) >= initially; };
    if (page.words ? !std::all_of(&page.words[from], &page.words[from] + count, written) : page.writer < initially)
      return false;
    offset += count;
    bytes -= count;
  }
  return true;
}

// Whether bytes of the access are outside, and says which. Makes words for all where none is.
bool GlobalShadow::anyOutside(Call &call, Lock &lock, uint64_t offset, unsigned bytes) {
  for (unsigned byte = 0; byte < bytes;) {
    const uint64_t at = offset + byte, from = at % pageBytes;
    if (at >= size) {
      call.report(Conflict::Outside, byte);
      return true;
    }
    Page &page = pages[at / pageBytes];
    lock.take(page);
    page.bringTo(launch);
    const unsigned count = std::min({uint64_t(bytes - byte), pageBytes - from, size - at});
    const uint64_t *words = page.makeWords() + from;
    for (unsigned i = 0; i < (areSame(words, count) ? 1 : count); ++i) {
      if (writerOf(words[i]) == outside) {
        call.report(Conflict::Outside, byte + i);
        return true;
      }
    }
    byte += count;
  }
  return false;
}

void GlobalShadow::touch(Call &call, Lock &lock, uint64_t offset, unsigned bytes) {
  for (unsigned byte = 0; byte < bytes;) {
    const unsigned from = (offset + byte) % pageBytes;
    const unsigned end = from + std::min<uint64_t>(bytes - byte, pageBytes - from);
    Page &page = pages[(offset + byte) / pageBytes];
    lock.take(page);
    State last, now;
    const bool same = areSame(&page.words[from], end - from) && !(readerOf(page.words[from]) & more);
    for (unsigned at = from; at < end; ++at, ++byte) {
      if (!same || at == from) {
        const State state = page.load(at);
        if (!(state == last)) {
          last = now = state;
          next(call, now, byte);
        }
      }
      page.store(at, now);
    }
  }
}

// What becomes of a byte. Atomics do not count as its writer: what wrote it before may still race with others.
void GlobalShadow::next(Call &call, State &state, unsigned byte) {
  auto &[writer, reader, extra] = state;
  if (writer >= warpSize && !call.follows(writer))
    call.report(Conflict::Race, byte, writer);
  else if (call.kind != AccessKind::Atomic && extra.atomic && !call.follows(extra.atomic))
    call.report(Conflict::Race, byte, extra.atomic);
  else if (call.kind != AccessKind::Read && reader && !call.follows(reader))
    call.report(Conflict::Race, byte, reader);
  else if (call.kind != AccessKind::Read && extra.reader && !call.follows(extra.reader))
    call.report(Conflict::Race, byte, extra.reader);
  else if (call.kind != AccessKind::Write && writer == unwritten)
    call.report(Conflict::Uninitialised, byte);

  const uint32_t id = accessId(call.agent, call.lane);
  switch (call.kind) {
  case AccessKind::Write:
    state = {id, 0, {}};
    break;
  case AccessKind::Atomic:
    writer = std::max(writer, initially);
    // Of another block's, the first: its own block's later ones are not likely to race with it.
    if (!extra.atomic || call.isOurs(extra.atomic) || call.follows(extra.atomic))
      extra.atomic = id;
    break;
  case AccessKind::Read:
    if (!reader || call.isOurs(reader) || call.follows(reader))
      call.replaceReader(reader, writer);
    else if (!extra.reader || call.isOurs(extra.reader) || call.follows(extra.reader))
      call.replaceReader(extra.reader, writer);
  }
}

Mask GlobalShadow::access(AccessKind kind, Accessors &accessors, Order &order, int warp, int op, Mask active,
                          const uint64_t *offsets, unsigned bytes, Conflict *conflicts) {
  Call call{kind, accessors, order, warp, accessors.agent(order, warp, op, kind), conflicts};
  Lock lock;
  for (Mask rest = active; rest; rest &= rest - 1) {
    call.lane = __builtin_ctz(rest);
    const uint64_t offset = offsets[call.lane];
    if (!anyOutside(call, lock, offset, bytes))
      touch(call, lock, offset, bytes);
  }
  return call.faults;
}

} // namespace treadle::sim
