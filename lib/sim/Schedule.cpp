// Running a block: groups of lanes, warps, and what happens when none of them can go on.
#include "Block.h"
#include "Collective.h"

#include <algorithm>

namespace treadle::sim {

namespace {

// Instructions after which a warp lets the others run, so that one that spins does not spin for ever.
constexpr int quantum = 1 << 14;

std::string laneList(Mask lanes) {
  std::string text = __builtin_popcount(lanes) == 1 ? "lane " : "lanes ";
  const char *separator = "";
  for (int lane = 0; lane < warpSize; ++lane) {
    if (!(lanes >> lane & 1))
      continue;
    int last = lane;
    while (last + 1 < warpSize && (lanes >> (last + 1) & 1))
      ++last;
    text += separator + std::to_string(lane);
    if (last > lane)
      text += (last > lane + 1 ? "-" : ",") + std::to_string(last);
    separator = ",";
    lane = last;
  }
  return text;
}

int firstLane(Mask lanes) { return __builtin_ctz(lanes); }

Mask guarded(const Warp &warp, const Op &op, Mask lanes) {
  if (op.guard == noSlot)
    return lanes;
  Mask value = warp.predicateValue(op.guard);
  return lanes & (op.guardNegated ? ~value : value);
}

} // namespace

// One warp of a block, for one turn.
struct Scheduler {
  Block &block;
  WarpState &warp;
  bool furthestFirst; // instead of the group that is furthest back: so that none waits for ever

  const Op *ops = block.program.ops.data();
  bool moved = false;

  // Runs the warp until it waits, ends, or has had its turn; whether anything happened.
  bool run() {
    int left = quantum;
    while (left > 0 && !block.stopped) {
      if (!pick())
        break;
      Group &group = warp.groups[warp.current];
      left -= warp.groups.size() == 1 ? runAlone(group, left) : (step(group), 1);
      moved = true;
      if (warp.groups.size() > 1)
        merge();
    }
    return moved;
  }

  // Chooses a group that can run.
  bool pick() {
    int best = -1;
    for (int i = 0; i < static_cast<int>(warp.groups.size()); ++i) {
      const Group &group = warp.groups[i];
      if (group.state != Group::Ready)
        continue;
      if (best < 0 || (group.pc < warp.groups[best].pc) != furthestFirst)
        best = i;
    }
    if (best < 0)
      return releaseWarpBarrier();
    warp.current = best;
    return true;
  }

  // The warp's only group, until something splits it or stops it; gives the instructions run.
  int runAlone(Group &group, int limit) {
    int done = 0;
    while (done < limit) {
      const Op &op = ops[group.pc];
      if (op.control != Control::Next) {
        step(group);
        ++done;
        if (warp.groups.size() != 1 || group.state != Group::Ready || block.stopped)
          break;
        continue;
      }
      if (Mask active = guarded(warp, op, group.lanes))
        execute(op, active);
      ++group.pc;
      ++done;
    }
    return done;
  }

  void execute(const Op &op, Mask active) {
    count(op, active);
    op.run(warp, op, active);
  }

  void count(const Op &op, Mask active) {
    ++block.executed;
    if (!block.launch.options.counts)
      return;
    OpCounts &counts = block.counts[&op - ops];
    ++counts.warps;
    counts.lanes += __builtin_popcount(active);
    if (op.kind == Class::Tensor)
      counts.multiplyAdds += op.imm;
  }

  // One instruction of a group. The group may be gone afterwards.
  void step(Group &group) {
    if (block.executed > block.launch.options.maxInstructions)
      return limit(group);
    const Op &op = ops[group.pc];
    Mask active = guarded(warp, op, group.lanes);
    switch (op.control) {
    case Control::Next:
      if (active)
        execute(op, active);
      ++group.pc;
      return;
    case Control::Branch:
      branch(group, op, active);
      return;
    case Control::Exit:
      count(op, active);
      end(group, active);
      return;
    default:
      break;
    }
    if (!active) {
      ++group.pc;
      return;
    }
    if (active != group.lanes)
      split(group.lanes & ~active, group.pc + 1);
    Group &here = warp.groups[warp.current];
    if (op.control == Control::Collective)
      collective(here, op);
    else
      aligned(here, op);
  }

  void branch(Group &group, const Op &op, Mask active) {
    count(op, group.lanes);
    if (active == group.lanes) {
      group.pc = op.target;
    } else {
      Mask taken = active;
      ++group.pc;
      if (taken)
        split(taken, op.target);
    }
  }

  // Takes lanes from the present group into a new one.
  void split(Mask lanes, int pc) {
    warp.groups[warp.current].lanes &= ~lanes;
    warp.groups.push_back({pc, lanes});
  }

  void end(Group &group, Mask active) {
    Mask stay = group.lanes & ~active;
    warp.exited |= active;
    if (stay) {
      group.lanes = stay;
      ++group.pc;
    } else {
      warp.groups.erase(warp.groups.begin() + static_cast<long>(warp.current));
    }
    // Who waited for these lanes looks again.
    for (Group &other : warp.groups)
      if (other.state == Group::Converging)
        other.state = Group::Ready;
    block.completeBarriers();
  }

  // .aligned and barriers: when all the warp's lanes are here.
  void aligned(Group &group, const Op &op) {
    if (op.control != Control::Poll && (warp.alive() & ~group.lanes)) {
      group.state = Group::Converging;
      return;
    }
    execute(op, group.lanes);
    // A barrier moves on the lanes that it lets go.
    Group &after = warp.groups[warp.current];
    if (op.control != Control::Barrier && after.state == Group::Ready)
      ++after.pc;
  }

  // .sync with a member mask: those whose members are all here go on together; masks may differ between lanes.
  void collective(Group &group, const Op &op) {
    const auto *members = warp.source<uint32_t>(op.members);
    Mask ready = 0, left = group.lanes;
    std::vector<Mask> parts;
    while (left) {
      int first = firstLane(left);
      Mask mask = members[first], part = 0;
      for (int lane = 0; lane < warpSize; ++lane)
        if ((left >> lane & 1) && members[lane] == mask)
          part |= Mask(1) << lane;
      if (Mask strangers = part & ~mask)
        reportInvalid(warp, op, firstLane(strangers), "is not in its own member mask");
      if (Mask ended = mask & ~warp.alive())
        reportInvalid(warp, op, first,
                      "waits for " + laneList(ended) + " of its warp, which " +
                          ((ended & warp.present) ? "has ended" : "does not exist"));
      left &= ~part;
      if ((mask & warp.alive() & ~part) == 0) {
        ready |= part;
        parts.push_back(part);
      } else if (Mask others = mask & group.lanes & ~part) {
        reportInvalid(warp, op, first, "has another member mask than " + laneList(others));
        ready |= part;
        parts.push_back(part);
      }
    }
    if (!ready) {
      group.state = Group::Converging;
      return;
    }
    if (Mask waiting = group.lanes & ~ready) {
      split(waiting, group.pc);
      warp.groups.back().state = Group::Converging;
    }
    for (Mask part : parts)
      execute(op, part);
    ++warp.groups[warp.current].pc;
  }

  // Lanes may wait for each other at different bar.warp.sync.
  bool releaseWarpBarrier() {
    Mask waiting = 0;
    std::array<uint32_t, warpSize> members{};
    for (const Group &group : warp.groups) {
      const Op &op = ops[group.pc];
      if (group.state != Group::Converging || op.control != Control::Collective || op.kind != Class::Sync)
        continue;
      waiting |= group.lanes;
      for (int lane = 0; lane < warpSize; ++lane)
        if (group.lanes >> lane & 1)
          members[lane] = warp.source<uint32_t>(op.members)[lane];
    }
    for (Mask left = waiting; left; left &= left - 1) {
      Mask named = members[firstLane(left)], mask = named & warp.alive();
      bool agree = mask != 0;
      forEachLane(mask, [&](int lane) { agree &= members[lane] == named; });
      if (!agree) // some are not here, or wait for others
        continue;
      for (size_t i = 0, n = warp.groups.size(); i < n; ++i) {
        Mask lanes = warp.groups[i].lanes & mask;
        if (!lanes)
          continue;
        warp.current = i;
        const Op &op = ops[warp.groups[i].pc];
        count(op, lanes);
        split(lanes, warp.groups[i].pc + 1);
      }
      block.order.syncLanes(warp.index, mask);
      dropEmpty();
      merge();
      return pick();
    }
    return false;
  }

  void dropEmpty() {
    warp.groups.erase(
        std::remove_if(warp.groups.begin(), warp.groups.end(), [](const Group &group) { return group.lanes == 0; }),
        warp.groups.end());
  }

  // Groups that have come to the same instruction are one.
  void merge() {
    for (size_t i = 0; i < warp.groups.size(); ++i)
      for (size_t j = i + 1; j < warp.groups.size();) {
        Group &a = warp.groups[i], &b = warp.groups[j];
        if (a.pc != b.pc || a.state > Group::Converging || b.state > Group::Converging) {
          ++j;
          continue;
        }
        a.lanes |= b.lanes;
        a.state = Group::Ready;
        warp.groups.erase(warp.groups.begin() + static_cast<long>(j));
      }
  }

  void limit(const Group &group) {
    block.report(Finding::Kind::Limit, ops[group.pc], warp.index, firstLane(group.lanes),
                 "is still running after " + std::to_string(block.launch.options.maxInstructions) +
                     " warp instructions of its block, the most allowed; it may never end");
    block.stopped = true;
  }
};

Block::Block(Launch &launch, int64_t id, Findings &findings, std::vector<OpCounts> &counts)
    : launch(launch), program(launch.program), findings(findings), counts(counts), id(id),
      position{id % launch.grid.x, id / launch.grid.x % launch.grid.y, id / launch.grid.x / launch.grid.y},
      order(id, launch.threadsPerBlock()), shared(launch.sharedBytes, std::byte(0xA5)),
      shadow(order, launch.sharedBytes) {
  int threads = launch.threadsPerBlock(), count = (threads + warpSize - 1) / warpSize;
  size_t size = program.registerBytes;
  constexpr size_t alignment = 64;
  registers = std::make_unique<std::byte[]>(size * count + alignment);
  void *start = registers.get();
  size_t space = size * count + alignment;
  std::align(alignment, size * count, start, space);
  warps.resize(count);
  for (int i = 0; i < count; ++i) {
    WarpState &warp = warps[i];
    warp.registers = static_cast<std::byte *>(start) + size * i;
    std::memset(warp.registers, 0xA5, size); // what nothing wrote is garbage, the same in every run
    warp.constants = program.constants.data();
    warp.lists = program.lists.data();
    warp.block = this;
    warp.index = i;
    int lanes = std::min(warpSize, threads - i * warpSize);
    warp.present = lanes == warpSize ? allLanes : (Mask(1) << lanes) - 1;
    warp.groups.push_back({0, warp.present});
    for (const Program::SpecialRegister &special : program.specials)
      for (int lane = 0; lane < warpSize; ++lane)
        warp.lanes<uint32_t>(special.slot)[lane] = specialValue(special.name, i, lane);
  }
  local.resize(size_t(program.localBytes) * count * warpSize, std::byte(0xA5));
  localWritten.resize(local.size());
}

uint32_t Block::specialValue(const std::string &name, int warp, int lane) const {
  Thread here = thread(warp, lane);
  auto axis = [&](const Dim3 &value) {
    char last = name.back();
    return static_cast<uint32_t>(last == 'x' ? value.x : last == 'y' ? value.y : value.z);
  };
  auto is = [&](const char *prefix) { return name.rfind(prefix, 0) == 0; };
  Mask bit = Mask(1) << lane;
  if (is("%tid."))
    return axis(here.thread);
  if (is("%ntid."))
    return axis(launch.block);
  if (is("%ctaid."))
    return axis(position);
  if (is("%nctaid."))
    return axis(launch.grid);
  if (is("%laneid"))
    return lane;
  if (is("%warpid"))
    return warp;
  if (is("%nwarpid"))
    return static_cast<uint32_t>(warps.size());
  if (is("%lanemask_eq"))
    return bit;
  if (is("%lanemask_lt"))
    return bit - 1;
  if (is("%lanemask_le"))
    return bit | (bit - 1);
  if (is("%lanemask_gt"))
    return ~(bit | (bit - 1));
  if (is("%lanemask_ge"))
    return ~(bit - 1);
  if (is("%dynamic_smem_size"))
    return launch.sharedBytes - program.staticShared;
  if (is("%total_smem_size"))
    return launch.sharedBytes;
  if (is("%nsmid"))
    return 1;
  return 0; // %smid, %gridid
}

Thread Block::thread(int warp, int lane) const {
  int64_t index = int64_t(warp) * warpSize + lane;
  return {position,
          {index % launch.block.x, index / launch.block.x % launch.block.y, index / launch.block.x / launch.block.y}};
}

void Block::run() {
  bool furthestFirst = false;
  while (!stopped) {
    bool alive = false, moved = false;
    for (WarpState &warp : warps) {
      if (!warp.alive() || stopped)
        continue;
      alive = true;
      moved |= Scheduler{*this, warp, furthestFirst}.run();
    }
    if (!alive)
      break;
    if (!moved && !stopped) {
      reportStuck();
      return;
    }
    furthestFirst = !furthestFirst;
  }
  if (!stopped)
    reportUnwaited();
}

// What every lane that has not ended waits for.
void Block::reportStuck() {
  for (const WarpState &warp : warps)
    for (const Group &group : warp.groups) {
      const Op &op = program.ops[group.pc];
      Mask others = warp.alive() & ~group.lanes;
      int lane = firstLane(group.lanes);
      switch (group.state) {
      case Group::Converging:
        report(op.control == Control::Barrier ? Finding::Kind::DivergentBarrier : Finding::Kind::Deadlock, op,
               warp.index, lane,
               "waits, with " + laneList(group.lanes) + " of its warp, for " + laneList(others) + ", which never come");
        break;
      case Group::Barrier: {
        const Barrier &barrier = barriers[group.barrier];
        report(others ? Finding::Kind::DivergentBarrier : Finding::Kind::Deadlock, op, warp.index, lane,
               "waits at barrier " + std::to_string(group.barrier) + ", which " + std::to_string(barrier.arrived) +
                   " threads have reached and " + std::to_string(barrierSize(barrier)) + " must");
        break;
      }
      case Group::Polling:
        report(Finding::Kind::Deadlock, op, warp.index, lane, "waits for an mbarrier whose phase nobody completes");
        break;
      case Group::Ready:
        break;
      }
    }
  stopped = true;
}

void Block::reportUnwaited() {
  for (const WarpState &warp : warps)
    for (const Copy &copy : warp.copies)
      for (int lane = 0; lane < warpSize; ++lane)
        if (copy.pending & copy.reads & Mask(1) << lane) {
          report(Finding::Kind::UnwaitedCopy, program.ops[copy.op], warp.index, lane,
                 "starts a copy that it never waits for");
          break;
        }
}

void Block::report(Finding::Kind kind, const Op &op, int warp, int lane, std::string what, const Conflict *earlier) {
  Finding finding;
  finding.kind = kind;
  finding.op = index(op);
  finding.thread = thread(warp, lane);
  finding.what = std::move(what);
  if (earlier && earlier->op >= 0) {
    finding.otherOp = earlier->op;
    Thread other = thread(earlier->warp, earlier->lane);
    int64_t from = earlier->block;
    other.block = {from % launch.grid.x, from / launch.grid.x % launch.grid.y, from / launch.grid.x / launch.grid.y};
    finding.other = other;
  }
  findings.add(std::move(finding));
}

void reportInvalid(Warp &warp, const Op &op, int lane, const std::string &what) {
  warp.block->report(Finding::Kind::InvalidOperand, op, warp.index, lane, what);
}

} // namespace treadle::sim
