// Every access to memory goes through here: where its bytes lie, whether it may touch them, and what it costs.
#include "MemoryOps.h"

#include <algorithm>

namespace treadle::sim {

using ptx::Space;

namespace {

const char *verb(AccessKind kind) {
  switch (kind) {
  case AccessKind::Read:
    return "reads ";
  case AccessKind::Write:
    return "writes ";
  case AccessKind::Atomic:
    return "updates ";
  }
  return "";
}

const char *spaceName(Space space) {
  switch (space) {
  case Space::Shared:
    return "shared";
  case Space::Local:
    return "local";
  case Space::Const:
    return "const";
  case Space::Param:
    return "param";
  default:
    return "global";
  }
}

std::string hex(uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

// "reads 16 bytes at shared+2048"
std::string describe(const Access &access, const std::string &place, int64_t offset) {
  return verb(access.kind) + std::to_string(access.bytes) + (access.bytes == 1 ? " byte" : " bytes") + " at " + place +
         (offset < 0 ? "" : "+") + std::to_string(offset);
}

class Checker {
public:
  Checker(Warp &warp, const Op &op, Access &access)
      : warp(stateOf(warp)), block(*warp.block), op(op), access(access), options(block.launch.options) {}

  Mask run(Mask active) {
    switch (access.space) {
    case Space::Shared:
      return shared(active);
    case Space::Global:
      return global(active);
    case Space::Local:
      return local(active);
    case Space::Const:
      return readOnly(active, block.program.constData.data(), block.program.constData.size());
    case Space::Param:
      return readOnly(active, block.launch.params.data(), block.launch.params.size());
    default:
      return generic(active);
    }
  }

private:
  // Lanes by the space that their generic address is in.
  Mask generic(Mask active) {
    static constexpr std::pair<uint64_t, Space> windows[] = {{0, Space::Global},
                                                             {sharedWindow, Space::Shared},
                                                             {localWindow, Space::Local},
                                                             {constWindow, Space::Const},
                                                             {paramWindow, Space::Param}};
    Mask good = 0, left = active;
    for (const auto &item : windows) {
      uint64_t window = item.first;

      Mask here = 0;
      forEachLane(left, [&](int lane) {
        if (access.address[lane] >> spaceShift == window >> spaceShift) {
          here |= Mask(1) << lane;
          access.address[lane] -= window;
        }
      });
      if (!here)
        continue;
      left &= ~here;
      access.space = item.second;
      good |= run(here);
    }
    forEachLane(left, [&](int lane) { report(Finding::Kind::NullPointer, lane, noBuffer(lane)); });
    access.space = Space::Generic;
    return good;
  }

  std::string noBuffer(int lane) const {
    return verb(access.kind) + std::to_string(access.bytes) + " bytes at " + hex(access.address[lane]) +
           ", which is in no buffer";
  }

  void report(Finding::Kind kind, int lane, std::string what, const Conflict *earlier = nullptr) {
    block.report(kind, op, warp.index, lane, std::move(what), earlier);
  }

  // Drops the lanes whose accesses are misaligned or leave [0, size).
  Mask inside(Mask active, uint64_t size, const std::string &place) {
    Mask good = active;
    uint64_t unaligned = 0;
    bool outside = size < access.bytes;
    uint64_t last = outside ? 0 : size - access.bytes;
    forEachLane(active, [&](int lane) {
      unaligned |= access.address[lane];
      outside |= access.address[lane] > last;
    });
    if (!outside && !(unaligned & (access.bytes - 1)))
      return good;
    forEachLane(active, [&](int lane) {
      uint64_t address = access.address[lane];
      if (address & (access.bytes - 1)) {
        report(Finding::Kind::Misaligned, lane,
               describe(access, place, static_cast<int64_t>(address)) + ", which is no multiple of " +
                   std::to_string(access.bytes));
        good &= ~(Mask(1) << lane);
      } else if (size < access.bytes || address > last) {
        if (options.bounds)
          report(Finding::Kind::OutOfBounds, lane,
                 describe(access, place, static_cast<int64_t>(address)) + ", out of the " + std::to_string(size) +
                     " bytes there are");
        good &= ~(Mask(1) << lane);
      }
    });
    return good;
  }

  Mask shared(Mask active) {
    Mask good = inside(active, block.shared.size(), "shared");
    std::array<uint32_t, warpSize> offsets;
    forEachLane(good, [&](int lane) {
      offsets[lane] = static_cast<uint32_t>(access.address[lane]);
      access.host[lane] = block.shared.data() + offsets[lane];
    });
    if (options.counts)
      countBanks(good, offsets);
    int index = block.index(op);
    Mask bad = access.isCopy
                   ? block.shadow.beginCopy(warp.index, index, good, offsets.data(), access.bytes, conflicts)
                   : block.shadow.access(access.kind, warp.index, index, good, offsets.data(), access.bytes, conflicts);
    if (bad)
      forEachLane(bad, [&](int lane) { conflict(lane, "shared", offsets[lane]); });
    return good;
  }

  Mask global(Mask active) {
    Mask good = 0, left = active;
    while (left) {
      uint64_t address = access.address[__builtin_ctz(left)];
      GlobalMemory::Region *region = block.launch.memory.find(address);
      // Those in the same slice.
      Mask here = 0;
      forEachLane(left, [&](int lane) {
        if (access.address[lane] >> 40 == address >> 40)
          here |= Mask(1) << lane;
      });
      left &= ~here;
      if (region)
        good |= inRegion(here, *region);
      else
        forEachLane(here, [&](int lane) { report(Finding::Kind::NullPointer, lane, noBuffer(lane)); });
    }
    if (options.counts)
      countSectors(good);
    return good;
  }

  Mask inRegion(Mask active, GlobalMemory::Region &region) {
    Mask good = active;
    std::array<uint64_t, warpSize> offsets;
    forEachLane(active, [&](int lane) {
      uint64_t address = access.address[lane], offset = address - region.base;
      auto place = [&] { return describe(access, region.name, static_cast<int64_t>(offset)); };
      if (address & (access.bytes - 1)) {
        report(Finding::Kind::Misaligned, lane,
               place() + ", whose address is no multiple of " + std::to_string(access.bytes));
      } else if (offset > region.bytes || region.bytes - offset < access.bytes) {
        if (options.bounds)
          report(Finding::Kind::OutOfBounds, lane,
                 place() + ", out of the " + std::to_string(region.bytes) + " bytes it has");
      } else {
        offsets[lane] = offset;
        access.host[lane] = region.host + offset;
        return;
      }
      good &= ~(Mask(1) << lane);
    });
    Mask bad = region.shadow->access(access.kind, block.launch.accessors, block.order, warp.index, block.index(op),
                                     good, offsets.data(), access.bytes, conflicts);
    forEachLane(bad, [&](int lane) {
      if (conflicts[lane].kind == Conflict::Outside)
        good &= ~(Mask(1) << lane);
      conflict(lane, region.name, static_cast<int64_t>(offsets[lane]));
    });
    return good;
  }

  // Each thread's own memory: only what it wrote is known.
  Mask local(Mask active) {
    uint64_t size = block.program.localBytes;
    Mask good = inside(active, size, "local");
    forEachLane(good, [&](int lane) {
      size_t start = size * (warp.index * warpSize + lane) + access.address[lane];
      access.host[lane] = block.local.data() + start;
      if (access.kind != AccessKind::Read) {
        std::fill_n(block.localWritten.begin() + static_cast<long>(start), access.bytes, true);
        return;
      }
      for (unsigned i = 0; i < access.bytes; ++i)
        if (!block.localWritten[start + i]) {
          if (options.uninitialised)
            report(Finding::Kind::Uninitialised, lane,
                   describe(access, "local", static_cast<int64_t>(access.address[lane])) + ", which nothing wrote");
          break;
        }
    });
    return good;
  }

  Mask readOnly(Mask active, const std::byte *data, size_t size) {
    if (access.kind != AccessKind::Read) {
      forEachLane(active, [&](int lane) {
        report(Finding::Kind::OutOfBounds, lane, std::string("writes to ") + spaceName(access.space) + " memory");
      });
      return 0;
    }
    Mask good = inside(active, size, spaceName(access.space));
    forEachLane(good, [&](int lane) { access.host[lane] = const_cast<std::byte *>(data) + access.address[lane]; });
    return good;
  }

  void conflict(int lane, const std::string &place, int64_t offset) {
    const Conflict &found = conflicts[lane];
    std::string what = describe(access, place, offset);
    switch (found.kind) {
    case Conflict::None:
      return;
    case Conflict::Outside:
      if (options.bounds)
        report(Finding::Kind::OutOfBounds, lane, what + ", between the rows of the view");
      return;
    case Conflict::Uninitialised:
      if (options.uninitialised && !access.isStore)
        report(Finding::Kind::Uninitialised, lane, what + ", which nothing wrote");
      return;
    case Conflict::Race:
      if (options.races && !writesTheSame(lane))
        report(Finding::Kind::Race, lane, what + ", which " + other(found) + " with nothing to order the two", &found);
      return;
    case Conflict::Pending:
      report(Finding::Kind::UnwaitedCopy, lane, what + ", which a copy of " + threadName(found) + " still writes",
             &found);
      return;
    }
  }

  std::string threadName(const Conflict &earlier) const {
    const Thread thread = block.thread(earlier.warp, earlier.lane);
    std::string text = "thread (" + std::to_string(thread.thread.x) + "," + std::to_string(thread.thread.y) + "," +
                       std::to_string(thread.thread.z) + ")";
    if (earlier.block != block.id)
      text += " of another block";
    return text;
  }

  std::string other(const Conflict &earlier) const {
    static const char *const did[] = {" reads", " writes", " updates"};
    return threadName(earlier) + did[static_cast<int>(earlier.earlier)];
  }

  // Two threads of a block that write the same bytes do no harm.
  bool writesTheSame(int lane) const {
    const Conflict &found = conflicts[lane];
    if (access.kind != AccessKind::Write || found.earlier != AccessKind::Write || found.block != block.id ||
        !access.data)
      return false;
    const std::byte *mine = access.data + size_t(lane) * access.bytes;
    bool isThisInstruction = found.warp == warp.index && found.op == block.index(op);
    if (!isThisInstruction || access.address[found.lane] != access.address[lane])
      return std::memcmp(access.host[lane], mine, access.bytes) == 0;
    return std::memcmp(access.data + size_t(found.lane) * access.bytes, mine, access.bytes) == 0;
  }

  // Shared memory has 32 banks of 4 bytes, and serves 128 bytes at a time: so many lanes at once as ask for that much.
  void countBanks(Mask active, const std::array<uint32_t, warpSize> &offsets) {
    unsigned together = access.bytes <= 4 ? 32 : 128 / access.bytes;
    OpCounts &counts = block.counts[block.index(op)];
    Mask part = together == 32 ? allLanes : (Mask(1) << together) - 1;
    for (unsigned first = 0; first < warpSize; first += together) {
      Mask lanes = active & part << first;
      if (!lanes)
        continue;
      ++counts.sharedIdeal;
      counts.sharedWavefronts += wavefronts(lanes, offsets);
    }
  }

  // The most different words in one bank.
  uint64_t wavefronts(Mask lanes, const std::array<uint32_t, warpSize> &offsets) const {
    constexpr uint32_t banks = 32;
    unsigned words = std::max(1U, access.bytes / 4);
    // Mostly every lane has banks of its own.
    uint32_t used = 0, twice = 0, own = words == banks ? ~0U : (1U << words) - 1;
    forEachLane(lanes, [&](int lane) {
      uint32_t mine = own << (offsets[lane] / 4 % banks);
      twice |= used & mine;
      used |= mine;
    });
    if (!twice)
      return 1;
    std::array<std::array<uint32_t, warpSize>, banks> seen;
    std::array<uint8_t, banks> depth{};
    uint8_t most = 1;
    forEachLane(lanes, [&](int lane) {
      uint32_t word = offsets[lane] / 4;
      for (unsigned i = 0; i < words; ++i, ++word) {
        auto &bank = seen[word % banks];
        uint8_t &count = depth[word % banks];
        if (std::find(bank.begin(), bank.begin() + count, word) != bank.begin() + count)
          continue;
        bank[count++] = word;
        most = std::max(most, count);
      }
    });
    return most;
  }

  // Global memory moves in sectors of 32 bytes, each once for an instruction.
  void countSectors(Mask active) {
    constexpr uint64_t sectorBytes = 32;
    std::array<uint64_t, warpSize * 2> sectors;
    size_t count = 0;
    forEachLane(active, [&](int lane) {
      uint64_t last = (access.address[lane] + access.bytes - 1) / sectorBytes;
      for (uint64_t sector = access.address[lane] / sectorBytes; sector <= last; ++sector)
        if ((count == 0 || sectors[count - 1] != sector) &&
            std::find(sectors.begin(), sectors.begin() + static_cast<long>(count), sector) ==
                sectors.begin() + static_cast<long>(count))
          sectors[count++] = sector;
    });
    OpCounts &counts = block.counts[block.index(op)];
    uint64_t bytes = uint64_t(__builtin_popcount(active)) * access.bytes;
    if (access.kind != AccessKind::Write) {
      counts.globalRead += bytes;
      counts.sectorsRead += count;
    }
    if (access.kind != AccessKind::Read) {
      counts.globalWritten += bytes;
      counts.sectorsWritten += count;
    }
  }

  WarpState &warp;
  Block &block;
  const Op &op;
  Access &access;
  const Options &options;
  Conflict conflicts[warpSize];
};

} // namespace

Mask checkAccess(Warp &warp, const Op &op, Mask active, Access &access) {
  return Checker(warp, op, access).run(active);
}

AddressOperand decodeAddress(Decoder &decoder, const ptx::Operand &operand, Space space) {
  if (operand.kind != ptx::Operand::Address)
    decoder.fail("expected an address in brackets");
  const ptx::Operand &base = operand.elements[0];
  bool wide = true;
  if (base.kind == ptx::Operand::Register) {
    unsigned bytes = ptx::byteSize(decoder.entry().registers[base.index].type);
    bool mayBeNarrow = space != Space::Global && space != Space::Generic;
    if (bytes != 8 && !(bytes == 4 && mayBeNarrow))
      decoder.fail(std::string("expected an address of ") + (mayBeNarrow ? "32 or 64" : "64") + " bits, found " +
                   std::to_string(bytes * 8));
    wide = bytes == 8;
  }
  return {decoder.source(base, wide ? ptx::Type::B64 : ptx::Type::B32), wide, operand.offset};
}

std::array<uint64_t, warpSize> addresses(const Warp &warp, Slot base, bool wide, int64_t offset) {
  std::array<uint64_t, warpSize> result;
  if (wide) {
    const auto *from = warp.source<uint64_t>(base);
    for (int lane = 0; lane < warpSize; ++lane)
      result[lane] = from[lane] + static_cast<uint64_t>(offset);
  } else {
    const auto *from = warp.source<uint32_t>(base);
    for (int lane = 0; lane < warpSize; ++lane)
      result[lane] = from[lane] + static_cast<uint32_t>(offset);
  }
  return result;
}

} // namespace treadle::sim
