// cp.async: copies from global to shared memory that land when they are waited for.
#include "MemoryOps.h"

#include <algorithm>

namespace treadle::sim {

using ptx::Space;
using ptx::Type;

namespace {

enum class SizeOperand : uint8_t { None, Bytes, Ignore };

// op.a, op.imm: where to, in shared memory. list: where from, its offset, and the source's size or the predicate.
void startCopy(Warp &warp, const Op &op, Mask active) {
  WarpState &state = stateOf(warp);
  Block &block = *warp.block;
  const Slot *list = warp.lists + op.list;
  unsigned bytes = op.bytes;

  Copy copy;
  copy.op = block.index(op);
  copy.bytes = bytes;
  copy.data = {};
  std::array<uint32_t, warpSize> sizes;
  sizes.fill(bytes);
  auto kind = static_cast<SizeOperand>(op.count);
  if (kind == SizeOperand::Bytes)
    std::copy_n(warp.source<uint32_t>(list[2]), warpSize, sizes.begin());
  else if (kind == SizeOperand::Ignore)
    for (int lane = 0; lane < warpSize; ++lane)
      if (warp.predicateValue(list[2]) >> lane & 1)
        sizes[lane] = 0;

  // The source, read now, in whole copies or bytes.
  Access source;
  source.kind = AccessKind::Read;
  source.space = Space::Global;
  source.bytes = bytes;
  source.address = addresses(warp, list[0], true, *warp.source<int64_t>(list[1]));
  Mask whole = 0, part = 0;
  forEachLane(active, [&](int lane) {
    if (sizes[lane] > bytes) {
      reportInvalid(warp, op, lane, "copies " + std::to_string(sizes[lane]) + " bytes of " + std::to_string(bytes));
      sizes[lane] = bytes;
    }
    if (sizes[lane])
      (sizes[lane] == bytes ? whole : part) |= Mask(1) << lane;
  });
  copy.reads = whole | part;
  forEachLane(checkAccess(warp, op, whole, source),
              [&](int lane) { std::memcpy(copy.data[lane].data(), source.host[lane], bytes); });
  source.bytes = 1;
  for (unsigned i = 0; i < bytes && part; ++i) {
    Mask more = 0;
    forEachLane(part, [&](int lane) { more |= Mask(i < sizes[lane]) << lane; });
    forEachLane(checkAccess(warp, op, more, source),
                [&](int lane) { std::memcpy(&copy.data[lane][i], source.host[lane], 1); });
    forEachLane(more, [&](int lane) { ++source.address[lane]; });
  }

  // The destination, taken from now on.
  Access to;
  to.kind = AccessKind::Write;
  to.space = Space::Shared;
  to.bytes = bytes;
  to.address = addresses(warp, op);
  to.isCopy = true;
  copy.pending = checkAccess(warp, op, active, to);
  forEachLane(copy.pending, [&](int lane) {
    copy.offset[lane] = static_cast<uint32_t>(to.address[lane]);
    copy.group[lane] = state.committed[lane];
  });
  if (copy.pending)
    state.copies.push_back(copy);
}

void land(WarpState &warp, Copy &copy, int lane) {
  Block &block = *warp.block;
  uint32_t offset = copy.offset[lane];
  std::memcpy(block.shared.data() + offset, copy.data[lane].data(), copy.bytes);
  block.shadow.endCopy(warp.index, lane, copy.op, offset, copy.bytes);
  copy.pending &= ~(Mask(1) << lane);
}

void dropLanded(WarpState &warp) {
  while (!warp.copies.empty() && !warp.copies.front().pending) {
    warp.copies.pop_front();
    ++warp.landed;
  }
}

void commit(Warp &warp, const Op &, Mask active) {
  forEachLane(active, [&](int lane) { ++stateOf(warp).committed[lane]; });
}

void waitGroup(Warp &warp, const Op &op, Mask active) {
  waitCopies(stateOf(warp), active, static_cast<uint32_t>(op.imm));
}

void waitAll(Warp &warp, const Op &op, Mask active) {
  commit(warp, op, active);
  waitCopies(stateOf(warp), active, 0);
}

} // namespace

void waitCopies(WarpState &warp, Mask lanes, uint32_t keep) {
  for (Copy &copy : warp.copies)
    forEachLane(copy.pending & lanes, [&](int lane) {
      if (copy.group[lane] + keep < warp.committed[lane])
        land(warp, copy, lane);
    });
  dropLanded(warp);
}

void landCopies(WarpState &warp, int lane, size_t count) {
  for (size_t i = warp.landed; i < count; ++i) {
    Copy &copy = warp.copies[i - warp.landed];
    if (copy.pending >> lane & 1)
      land(warp, copy, lane);
  }
  dropLanded(warp);
}

bool decodeCopy(Decoder &decoder, Op &op) {
  const ptx::Instruction &instruction = decoder.instruction();
  if (instruction.opcode != "cp" || !instruction.has("async") || instruction.has("mbarrier"))
    return false;
  op.kind = Class::Copy;
  if (instruction.has("commit_group")) {
    decoder.expectOperands(0);
    op.run = commit;
    return true;
  }
  if (instruction.has("wait_all")) {
    decoder.expectOperands(0);
    op.run = waitAll;
    return true;
  }
  if (instruction.has("wait_group")) {
    decoder.expectOperands(1);
    if (instruction.operands[0].kind != ptx::Operand::Integer)
      decoder.fail("expected a number of groups");
    op.imm = static_cast<int64_t>(instruction.operands[0].bits);
    op.run = waitGroup;
    return true;
  }
  for (const std::string &modifier : instruction.modifiers)
    if (modifier != "async" && modifier != "ca" && modifier != "cg" && modifier != "shared" &&
        modifier != "shared::cta" && modifier != "global" && modifier.rfind("L2::", 0) != 0)
      decoder.fail("modifier " + modifier + " is not simulated");
  decoder.expectOperands(3, 5);
  if (instruction.operands[2].kind != ptx::Operand::Integer)
    decoder.fail("expected a size of 4, 8 or 16 bytes");
  uint64_t bytes = instruction.operands[2].bits;
  bool isSize = instruction.has("cg") ? bytes == 16 : bytes == 4 || bytes == 8 || bytes == 16;
  if (!isSize)
    decoder.fail(std::string("expected a size of ") + (instruction.has("cg") ? "16" : "4, 8 or 16") + " bytes, found " +
                 std::to_string(bytes));
  MemoryModifiers modifiers;
  modifiers.space = Space::Shared;
  setAddress(decoder, op, instruction.operands[0], modifiers);
  AddressOperand source = decodeAddress(decoder, instruction.operands[1], Space::Global);
  auto kind = SizeOperand::None;
  Slot size = noSlot;
  if (instruction.operands.size() > 3 && !instruction.has("L2::cache_hint")) {
    const ptx::Operand &operand = instruction.operands[3];
    bool isPredicate =
        operand.kind == ptx::Operand::Register && decoder.entry().registers[operand.index].type == Type::Pred;
    kind = isPredicate ? SizeOperand::Ignore : SizeOperand::Bytes;
    size = isPredicate ? decoder.predicate(operand) : decoder.source(operand, Type::U32);
  } else if (instruction.operands.size() == 5) {
    kind = SizeOperand::Bytes;
    size = decoder.source(instruction.operands[3], Type::U32);
  }
  op.bytes = static_cast<uint8_t>(bytes);
  op.count = static_cast<uint8_t>(kind);
  op.list = decoder.addList({source.base, decoder.constant(&source.offset, sizeof source.offset), size});
  op.run = startCopy;
  return true;
}

} // namespace treadle::sim
