//===-- Combine.cpp - reductions and scans ----------------------------------===//
//
// Both go from the near to the far: registers of a thread, lanes of a warp (shuffles), warps (scratch).
//
//===----------------------------------------------------------------------===//

#include "Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::tile;

Regs Emitter::combine(Region &region, ArrayRef<Value> first, ArrayRef<Value> second) {
  IRMapping map;
  Block &block = region.front();
  for (auto [i, argument] : llvm::enumerate(block.getArguments()))
    map.map(argument, i < first.size() ? first[i] : second[i - first.size()]);
  // Scalars from outside the region live in registers.
  region.walk([&](Operation *op) {
    for (Value operand : op->getOperands())
      if (!map.contains(operand) && !region.isAncestor(operand.getParentRegion()))
        map.map(operand, scalar(operand));
  });
  for (Operation &op : block.without_terminator())
    b.clone(op, map);
  Regs result;
  for (Value value : block.getTerminator()->getOperands())
    result.push_back(map.lookup(value));
  return result;
}

Value Emitter::shuffle(Value value, Value laneOrMask, NVVM::ShflKind kind) {
  Type element = value.getType();
  auto words = pack({value});
  for (Value &word : words) {
    Type type = word.getType();
    bool narrow = type.getIntOrFloatBitWidth() < 32;
    if (narrow)
      word = arith::ExtUIOp::create(b, b.getI32Type(), word);
    word = NVVM::ShflOp::create(b, b.getI32Type(), i32(-1), word, laneOrMask, i32(31), kind, UnitAttr());
    if (narrow)
      word = arith::TruncIOp::create(b, type, word);
  }
  Regs result(1);
  unpack(words, element, result);
  return result.front();
}
Value Emitter::shuffleXor(Value value, uint32_t mask) { return shuffle(value, i32(mask), NVVM::ShflKind::bfly); }
Value Emitter::shuffleFrom(Value value, Value from) { return shuffle(value, from, NVVM::ShflKind::idx); }

namespace {
/// A warp's part of a reduction in scratch.
struct PartTile {
  Layout shared;
  TileAccess access;
};
} // namespace

/// Row-major and element by element (the backend joins neighbours), unless that conflicts.
static PartTile partTile(const Layout &part, int elementBytes) {
  PartTile simple{Layout::shared(part.shape(), f2::identity(part.outBits())), {part, 1}};
  if (accessCost({simple.access}, simple.shared, elementBytes).conflicts == 0)
    return simple;
  return {planSharedConversion(part, part, elementBytes).shared, TileAccess::vectors(part, elementBytes)};
}

LogicalResult Emitter::emitReduce(ReduceOp op) {
  auto type = cast<RankedTensorType>(op.getOperands()[0].getType());
  Layout layout = layoutOf(type);
  auto plan = planReduction(layout, op.getAxis());
  if (!plan)
    return op.emitError() << "internal error: the layout cannot be reduced along axis " << op.getAxis();
  size_t n = op.getNumOperands();
  auto at = [&](int reg) {
    Regs values;
    for (Value operand : op.getOperands())
      values.push_back(regs(operand)[reg]);
    return values;
  };
  SmallVector<Regs> results; // by register of the result, then operand
  for (const std::vector<int> &group : plan->groups) {
    // A balanced tree: short chains, and sums that lose less.
    SmallVector<Regs> level;
    for (int reg : group)
      level.push_back(at(reg));
    while (level.size() > 1) {
      SmallVector<Regs> next;
      for (size_t i = 0; i + 1 < level.size(); i += 2)
        next.push_back(combine(op.getCombine(), level[i], level[i + 1]));
      if (level.size() % 2)
        next.push_back(level.back());
      level = std::move(next);
    }
    Regs total = level.front();
    for (uint32_t mask = plan->laneMask; mask; mask &= mask - 1) {
      uint32_t bit = mask & -mask;
      Regs other;
      for (Value value : total)
        other.push_back(shuffleXor(value, bit));
      total = combine(op.getCombine(), total, other);
    }
    results.push_back(std::move(total));
  }

  if (plan->warpMask) {
    // Every warp writes its part, everyone reads all parts. Slot p of the scratch is the part with the p-th choice of
    // warp bits.
    const Layout &out = plan->result;
    SmallVector<int> bits;
    for (int i = 0; i < 32; ++i)
      if (plan->warpMask >> i & 1)
        bits.push_back(i);
    Layout::Bases selector(layout.bits(In::Warp), 0);
    int64_t elements = out.numElements();
    for (auto [p, bit] : llvm::enumerate(bits))
      selector[bit] = uint32_t(elements) << p;
    auto masks = freeVariableMasks(out);
    Value holder;
    if (uint32_t lanes = masks[unsigned(In::Lane)])
      holder = both(holder, arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                                  arith::AndIOp::create(b, place.lane, i32(lanes)), i32(0)));
    if (uint32_t others = masks[unsigned(In::Warp)] & ~plan->warpMask)
      holder = both(holder, arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                                  arith::AndIOp::create(b, place.warp, i32(others)), i32(0)));
    Value part = linear(selector, place.warp);
    int64_t parts = int64_t(1) << bits.size();
    SmallVector<Type> types;
    SmallVector<int64_t> sizes;
    for (Value operand : op.getOperands()) {
      types.push_back(cast<RankedTensorType>(operand.getType()).getElementType());
      sizes.push_back(elements * parts * (bitsOf(types.back()) / 8));
    }
    SmallVector<Slot> buffers = scratchTogether(sizes);
    for (const Slot &buffer : buffers)
      touchShared(buffer.begin, buffer.end, /*write=*/true);
    for (size_t i = 0; i < n; ++i) {
      unsigned bytes = bitsOf(types[i]) / 8;
      PartTile tile = partTile(out, bytes);
      DistMap offsets = offsetMap(out, tile.shared);
      Value spot = arith::AddIOp::create(b, threadPart(offsets.lane, offsets.warp), part);
      for (const std::vector<int> &group : planVectors(offsets, tile.access.maxElems).accesses) {
        Regs values;
        for (int r : group)
          values.push_back(results[r][i]);
        uint32_t reg = offsets.apply(group.front(), 0, 0);
        sharedStore(sharedAddress(buffers[i].offset, spot, orOf(offsets), reg, bytes), pack(values),
                    group.size() * bytes, holder);
      }
    }
    for (const Slot &buffer : buffers)
      touchShared(buffer.begin, buffer.end, /*write=*/false);
    std::vector<std::vector<Fetcher>> fetchers(parts); // by part, then operand
    for (int64_t p = 0; p < parts; ++p)
      for (size_t i = 0; i < n; ++i) {
        int64_t bytes = bitsOf(types[i]) / 8;
        Slot slot = buffers[i];
        slot.offset = arith::AddIOp::create(b, slot.offset, i32(p * elements * bytes));
        PartTile tile = partTile(out, bytes);
        fetchers[p].emplace_back(*this, tile.access, tile.shared, types[i], slot);
      }
    for (auto [r, result] : llvm::enumerate(results)) {
      Regs total;
      for (int64_t p = 0; p < parts; ++p) {
        Regs part;
        for (Fetcher &fetcher : fetchers[p])
          part.push_back(fetcher.get(r));
        total = p ? combine(op.getCombine(), total, part) : part;
      }
      result = std::move(total);
    }
  }

  for (size_t i = 0; i < n; ++i) {
    Regs values;
    for (Regs &result : results)
      values.push_back(result[i]);
    if (!isa<RankedTensorType>(op.getResult(i).getType()))
      values.resize(1);
    bind(op.getResult(i), std::move(values));
  }
  return success();
}

LogicalResult Emitter::emitScan(ScanOp op) {
  auto type = cast<RankedTensorType>(op.getOperands()[0].getType());
  Layout layout = layoutOf(type);
  auto plan = planScan(layout, op.getAxis());
  if (!plan)
    return op.emitError() << "internal error: the layout cannot be scanned along axis " << op.getAxis();
  size_t n = op.getNumOperands();
  bool reverse = op.getReverse();
  int64_t count = layout.numRegisters();
  SmallVector<Regs> values(count); // by register, then operand
  for (int64_t r = 0; r < count; ++r)
    for (Value operand : op.getOperands())
      values[r].push_back(regs(operand)[r]);

  // Step s joins blocks of 2^s: an element of the later block takes in the total of the earlier one, which its far end
  // holds. "Later" is the half with the bit set, or clear if reversed; the far end has all lower bits set, or clear.
  uint32_t regDone = 0, laneDone = 0, warpDone = 0; // bits of the steps so far
  auto farEnd = [&](Value place, uint32_t mask) -> Value {
    if (!mask)
      return place;
    return reverse ? arith::AndIOp::create(b, place, i32(~mask)).getResult()
                   : arith::OrIOp::create(b, place, i32(mask)).getResult();
  };
  for (const ScanPlan::Step &step : plan->steps) {
    uint32_t bit = 1u << step.bit;
    // Which register holds the total that register r takes in; -1 if r is in the earlier half.
    auto sourceOf = [&](int64_t r) -> int64_t {
      if (step.in == In::Register) {
        if (bool(r & bit) == reverse)
          return -1;
        r ^= bit;
      }
      return reverse ? r & ~int64_t(regDone) : r | regDone;
    };
    SmallVector<int64_t> sources;
    for (int64_t r = 0; r < count; ++r)
      if (int64_t source = sourceOf(r); source >= 0 && !llvm::is_contained(sources, source))
        sources.push_back(source);
    Value otherLane = step.in == In::Lane ? arith::XOrIOp::create(b, place.lane, i32(bit)).getResult() : place.lane;
    Value otherWarp = step.in == In::Warp ? arith::XOrIOp::create(b, place.warp, i32(bit)).getResult() : place.warp;
    otherLane = farEnd(otherLane, laneDone);
    otherWarp = farEnd(otherWarp, warpDone);

    llvm::DenseMap<int64_t, Regs> totals;
    if (step.in == In::Warp || warpDone) {
      // Another warp's registers: through scratch, one place for each source register of each thread.
      int64_t perWarp = int64_t(sources.size()) * 32, size = perWarp * warps;
      Value mine = arith::AddIOp::create(b, arith::MulIOp::create(b, place.warp, i32(perWarp)), place.lane);
      Value theirs = arith::AddIOp::create(b, arith::MulIOp::create(b, otherWarp, i32(perWarp)), otherLane);
      SmallVector<int64_t> sizes;
      for (Value value : values[0])
        sizes.push_back(size * (bitsOf(value.getType()) / 8));
      SmallVector<Slot> buffers = scratchTogether(sizes);
      for (const Slot &buffer : buffers)
        touchShared(buffer.begin, buffer.end, /*write=*/true);
      for (size_t i = 0; i < n; ++i) {
        unsigned bytes = bitsOf(values[0][i].getType()) / 8;
        for (auto [e, r] : llvm::enumerate(sources))
          sharedStore(sharedAddress(buffers[i].offset, mine, 0, e * 32, bytes), pack({values[r][i]}), bytes, {});
      }
      for (const Slot &buffer : buffers)
        touchShared(buffer.begin, buffer.end, /*write=*/false);
      for (auto [e, r] : llvm::enumerate(sources))
        for (size_t i = 0; i < n; ++i) {
          Type element = values[0][i].getType();
          unsigned bytes = bitsOf(element) / 8;
          SmallVector<Value> words;
          sharedLoad(sharedAddress(buffers[i].offset, theirs, 0, e * 32, bytes), bytes, words);
          Regs value(1);
          unpack(words, element, value);
          totals[r].push_back(value.front());
        }
    } else {
      for (int64_t r : sources)
        for (Value value : values[r])
          totals[r].push_back(otherLane == place.lane ? value : shuffleFrom(value, otherLane));
    }

    Value isLater;
    if (step.in != In::Register)
      isLater = arith::CmpIOp::create(b, reverse ? arith::CmpIPredicate::eq : arith::CmpIPredicate::ne,
                                      arith::AndIOp::create(b, step.in == In::Lane ? place.lane : place.warp, i32(bit)),
                                      i32(0));
    SmallVector<Regs> next(values);
    for (int64_t r = 0; r < count; ++r) {
      int64_t source = sourceOf(r);
      if (source < 0)
        continue;
      next[r] = combine(op.getCombine(), totals[source], values[r]);
      if (isLater)
        for (size_t i = 0; i < n; ++i)
          next[r][i] = arith::SelectOp::create(b, isLater, next[r][i], values[r][i]);
    }
    values = std::move(next);
    (step.in == In::Register ? regDone : step.in == In::Lane ? laneDone : warpDone) |= bit;
  }

  for (size_t i = 0; i < n; ++i) {
    Regs column;
    for (int64_t r = 0; r < count; ++r)
      column.push_back(values[r][i]);
    bind(op.getResult(i), std::move(column));
  }
  return success();
}
