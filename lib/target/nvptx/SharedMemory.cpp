//===-- SharedMemory.cpp - rings, conversions and barriers ------------------===//
//
// Shared memory is one dynamic array: first the rings, then scratch for conversions. Scratch is handed out front to
// back and reused when it reaches its budget; which bytes have been read or written since the last barrier is known, so
// a barrier is emitted exactly when an access meets an earlier one of another thread.
//
//===----------------------------------------------------------------------===//

#include "Emitter.h"

#include "layout/Layouts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::tile;

/// Scratch beyond this is reused rather than extended.
static constexpr int64_t scratchBudget = 48 * 1024;

/// Only products of its block read the value, perhaps transposed.
static bool onlyFeedsProducts(Operation *op, Block *block) {
  return llvm::all_of(op->getUsers(), [&](Operation *user) {
    return user->getBlock() == block &&
           (isa<DotOp>(user) || (isa<TransposeOp>(user) && onlyFeedsProducts(user, block)));
  });
}

/// A conversion that goes through shared memory and whose result products fetch from there.
static bool staysInShared(ConvertLayoutOp op) {
  return onlyFeedsProducts(op, op->getBlock()) &&
         planConversion(layoutOf(cast<RankedTensorType>(op.getOperand().getType())),
                        layoutOf(cast<RankedTensorType>(op.getResult().getType())))
                 .kind == ConversionKind::SharedMemory;
}

namespace {
/// A tile in shared memory and the part of the program, in order of the walk, that needs it.
struct Placed {
  Value value;
  int64_t bytes, first, last, begin = 0;
};
} // namespace

/// The ops that access a tile in shared memory, through whichever slot or permutation of it.
static void collectUsers(Value value, SmallVectorImpl<Operation *> &users) {
  for (Operation *user : value.getUsers()) {
    if (isa<SlotOp, SharedTransposeOp, TransposeOp>(user))
      collectUsers(user->getResult(0), users);
    else
      users.push_back(user);
  }
}

void Emitter::planRings() {
  llvm::DenseMap<Operation *, std::pair<int64_t, int64_t>> spans; // of an op and what is in it
  int64_t position = 0;
  kernel.walk([&](Operation *op, const WalkStage &stage) {
    if (stage.isBeforeAllRegions())
      spans[op].first = position++;
    if (stage.isAfterAllRegions())
      spans[op].second = position;
  });
  SmallVector<Placed> tiles;
  kernel.walk([&](Operation *op) {
    int64_t bytes;
    if (auto alloc = dyn_cast<AllocOp>(op)) {
      SharedType type = alloc.getResult().getType();
      bytes = type.getSlots() * type.getSlotBytes();
    } else if (auto convert = dyn_cast<ConvertLayoutOp>(op); convert && staysInShared(convert)) {
      auto type = cast<RankedTensorType>(convert.getResult().getType());
      bytes = type.getNumElements() * (bitsOf(type.getElementType()) / 8);
    } else {
      return;
    }
    SmallVector<Operation *> users;
    collectUsers(op->getResult(0), users);
    if (isa<ConvertLayoutOp>(op))
      users.push_back(op);
    if (users.empty())
      return;
    // What one block writes before it reads is needed there only; a ring is in use as long as the loop around it runs.
    Block *block = users.front()->getBlock();
    bool local = isa<ConvertLayoutOp>(op) || llvm::any_of(users, llvm::IsaPred<LocalStoreOp>);
    for (Operation *user : users)
      local = local && user->getBlock() == block;
    Placed tile{op->getResult(0), bytes, INT64_MAX, 0};
    for (Operation *user : users) {
      Operation *whole = user;
      if (!local)
        for (Operation *parent = user->getParentOp(); parent != kernel; parent = parent->getParentOp())
          if (isa<scf::ForOp, scf::WhileOp>(parent))
            whole = parent;
      tile.first = std::min(tile.first, spans[whole].first);
      tile.last = std::max(tile.last, spans[whole].second);
    }
    tiles.push_back(tile);
  });
  // Large ones first, each at the lowest place that no tile needed at the same time has.
  llvm::stable_sort(tiles, [](const Placed &a, const Placed &c) { return a.bytes > c.bytes; });
  for (size_t i = 0; i < tiles.size(); ++i) {
    Placed &tile = tiles[i];
    bool moved = true;
    while (moved) {
      moved = false;
      for (size_t j = 0; j < i; ++j) {
        const Placed &other = tiles[j];
        bool meets = tile.first <= other.last && other.first <= tile.last && tile.begin < other.begin + other.bytes &&
                     other.begin < tile.begin + tile.bytes;
        if (meets) {
          // The swizzle of a row depends on its address: tiles start at multiples of 1024.
          tile.begin = (other.begin + other.bytes + 1023) / 1024 * 1024;
          moved = true;
        }
      }
    }
    slots[tile.value] = {i32(tile.begin), tile.begin, tile.begin + tile.bytes};
    ringBytes = std::max(ringBytes, tile.begin + tile.bytes);
  }
  ringBytes = (ringBytes + 1023) / 1024 * 1024;
  sharedBytes = scratchTop = ringBytes;
}

Emitter::Slot Emitter::slotOf(Value shared) { return slots.find(shared)->second; }

int64_t Emitter::scratch(int64_t bytes) {
  bytes = (bytes + 127) / 128 * 128;
  if (scratchTop + bytes > ringBytes + std::max(scratchBudget, bytes))
    scratchTop = ringBytes;
  int64_t begin = scratchTop;
  scratchTop += bytes;
  sharedBytes = std::max(sharedBytes, scratchTop);
  return begin;
}

SmallVector<Emitter::Slot> Emitter::scratchTogether(ArrayRef<int64_t> sizes) {
  auto padded = [](int64_t bytes) { return (bytes + 127) / 128 * 128; };
  int64_t total = 0;
  for (int64_t size : sizes)
    total += padded(size);
  int64_t begin = scratch(total);
  SmallVector<Slot> result;
  for (int64_t size : sizes) {
    result.push_back({i32(begin), begin, begin + size});
    begin += padded(size);
  }
  return result;
}

void Emitter::barrier() {
  pending = Pending();
  NVVM::Barrier0Op::create(b);
}

void Emitter::touchShared(int64_t begin, int64_t end, bool write) {
  auto meets = [&](const Interval &other) { return begin < other.end && other.begin < end; };
  if (llvm::any_of(pending.writes, meets) || (write && llvm::any_of(pending.reads, meets)))
    barrier();
  (write ? pending.writes : pending.reads).push_back({begin, end});
}

void Emitter::readShared(ArrayRef<Slot> slots) {
  // A barrier that one of them needs is not after the reads of another.
  for (int time = 0; time < 2; ++time)
    for (const Slot &slot : slots)
      touchShared(slot.begin, slot.end, /*write=*/false);
}

void Emitter::touchView(Value view, Operation *store) {
  view = sliced(view);
  auto written = pending.viewsWritten.find(view);
  bool wasWritten = written != pending.viewsWritten.end();
  // One op writes an element with the same thread each time, in order.
  bool conflict =
      store ? pending.viewsRead.contains(view.getAsOpaquePointer()) || (wasWritten && written->second != store)
            : wasWritten;
  if (conflict)
    barrier();
  if (store)
    pending.viewsWritten[view] = store;
  else
    pending.viewsRead.insert(view.getAsOpaquePointer());
}

void Emitter::Pending::add(const Pending &other) {
  llvm::append_range(reads, other.reads);
  llvm::append_range(writes, other.writes);
  viewsRead.insert(other.viewsRead.begin(), other.viewsRead.end());
  for (auto [view, op] : other.viewsWritten) {
    auto [it, isNew] = viewsWritten.try_emplace(view, op);
    if (!isNew && it->second != op)
      it->second = nullptr; // several
  }
}

void Emitter::assumeRepeated(Region &region) {
  Pending repeated;
  repeated.reads.push_back({0, INT64_MAX});
  repeated.writes.push_back({0, INT64_MAX});
  region.walk([&](Operation *op) {
    Pending one;
    if (auto store = dyn_cast<StoreOp>(op))
      one.viewsWritten[sliced(store.getView())] = op;
    else if (auto load = dyn_cast<LoadOp>(op))
      one.viewsRead.insert(sliced(load.getView()).getAsOpaquePointer());
    else if (auto copy = dyn_cast<AsyncLoadOp>(op))
      one.viewsRead.insert(sliced(copy.getView()).getAsOpaquePointer());
    repeated.add(one);
  });
  pending.add(repeated);
}

Value Emitter::sharedPointer(Value byteOffset, int64_t constant) {
  auto type = LLVM::LLVMPointerType::get(b.getContext(), 3);
  Value base = LLVM::AddressOfOp::create(b, type, "treadle_shared");
  Value pointer = LLVM::GEPOp::create(b, type, b.getI8Type(), base, ValueRange{byteOffset});
  if (constant)
    pointer = LLVM::GEPOp::create(b, type, b.getI8Type(), pointer, ArrayRef<LLVM::GEPArg>{int32_t(constant)});
  return pointer;
}

Value Emitter::sharedAddress(Value slotOffset, Value thread, uint32_t threadMask, uint32_t reg, unsigned elementBytes) {
  // Where thread and register share no bit, xor is addition, and the register's part is an immediate.
  uint32_t meeting = reg & threadMask, apart = reg & ~threadMask;
  Value element = meeting ? arith::XOrIOp::create(b, thread, i32(meeting)).getResult() : thread;
  Value bytes = elementBytes == 1 ? element : arith::MulIOp::create(b, element, i32(elementBytes)).getResult();
  return sharedPointer(arith::AddIOp::create(b, slotOffset, bytes), int64_t(apart) * elementBytes);
}

void Emitter::sharedStore(Value pointer, ArrayRef<Value> words, unsigned bytes, Value predicate) {
  auto store = [&] {
    Value value = words.front();
    if (words.size() > 1)
      value = vector::FromElementsOp::create(b, VectorType::get(words.size(), words.front().getType()), words);
    LLVM::StoreOp::create(b, value, pointer, /*alignment=*/bytes);
  };
  if (!predicate)
    return store();
  auto branch = scf::IfOp::create(b, predicate, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  store();
}

void Emitter::sharedLoad(Value pointer, unsigned bytes, SmallVectorImpl<Value> &words) {
  unsigned count = bytes >= 4 ? bytes / 4 : 1;
  Type word = b.getIntegerType(bytes >= 4 ? 32 : bytes * 8);
  Value loaded =
      LLVM::LoadOp::create(b, count == 1 ? word : Type(VectorType::get(count, word)), pointer, /*alignment=*/bytes);
  for (unsigned i = 0; i < count; ++i)
    words.push_back(count == 1 ? loaded : vector::ExtractOp::create(b, loaded, int64_t(i)).getResult());
}

//===-- reading ------------------------------------------------------------===//

Emitter::Fetcher::Fetcher(Emitter &emitter, const TileAccess &access, const Layout &shared, Type element, Slot slot,
                          Value step)
    : e(emitter), element(element), bytes(bitsOf(element) / 8), slot(slot), cache(access.places.numRegisters()),
      accessOf(cache.size(), -1), copyOf(cache.size(), -1) {
  const Layout &places = access.places;
  if (access.matrices)
    matrix = planLdmatrix(places, shared, bytes);
  if (matrix) {
    thread = e.threadPart(matrix->laneOffset, matrix->warpOffset);
    threadMask = orOf({{}, matrix->laneOffset, matrix->warpOffset});
    for (auto [i, load] : llvm::enumerate(matrix->loads))
      for (int reg : load.regs)
        accessOf[reg] = i;
  } else {
    offsets = offsetMap(places, shared);
    vectors = planVectors(offsets, access.maxElems, access.replicas());
    threadMask = orOf(offsets);
    if (step) {
      auto steps = offsets.warp.begin() + llvm::Log2_32(e.warps);
      thread = arith::XOrIOp::create(e.b, e.threadPart(offsets.lane, {offsets.warp.begin(), steps}),
                                     e.linear({steps, offsets.warp.end()}, step));
    } else {
      thread = e.threadPart(offsets.lane, offsets.warp);
    }
    for (auto [i, regs] : llvm::enumerate(vectors.accesses))
      for (int reg : regs)
        accessOf[reg] = i;
  }
  // Replicas: another register has the same element.
  llvm::DenseMap<uint32_t, int> byElement;
  for (size_t r = 0; r < cache.size(); ++r)
    if (accessOf[r] >= 0)
      byElement.try_emplace(places.apply(r, 0, 0), r);
  for (size_t r = 0; r < cache.size(); ++r)
    if (accessOf[r] < 0)
      copyOf[r] = byElement.lookup(places.apply(r, 0, 0));
}

void Emitter::Fetcher::fetch(unsigned number) {
  ImplicitLocOpBuilder &b = e.b;
  if (matrix) {
    const LdmatrixPlan::Load &load = matrix->loads[number];
    Value pointer = e.sharedAddress(slot.offset, thread, threadMask, load.regOffset, bytes);
    Type word = b.getI32Type();
    Type type = matrix->num == 1
                    ? word
                    : Type(LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(matrix->num, word)));
    auto *context = b.getContext();
    Value loaded = NVVM::LdMatrixOp::create(
        b, type, pointer, uint32_t(matrix->num), matrix->trans ? NVVM::MMALayout::col : NVVM::MMALayout::row,
        NVVM::LdStMatrixShapeAttr::get(context, 8, 8), NVVM::LdStMatrixEltType::B16);
    unsigned per = 4 / bytes;
    for (int j = 0; j < matrix->num; ++j) {
      Value part = matrix->num == 1 ? loaded : LLVM::ExtractValueOp::create(b, loaded, int64_t(j)).getResult();
      Regs values(per);
      e.unpack({part}, element, values);
      for (unsigned k = 0; k < per; ++k)
        cache[load.regs[j * per + k]] = values[k];
    }
    return;
  }
  const std::vector<int> &group = vectors.accesses[number];
  Value pointer = e.sharedAddress(slot.offset, thread, threadMask, offsets.apply(group.front(), 0, 0), bytes);
  SmallVector<Value> words;
  e.sharedLoad(pointer, group.size() * bytes, words);
  Regs values(group.size());
  e.unpack(words, element, values);
  for (auto [reg, value] : llvm::zip(group, values))
    cache[reg] = value;
}

Value Emitter::Fetcher::get(unsigned reg) {
  if (copyOf[reg] >= 0)
    return get(copyOf[reg]);
  if (!cache[reg])
    fetch(accessOf[reg]);
  return cache[reg];
}

Regs Emitter::Fetcher::all() {
  Regs result;
  for (size_t r = 0; r < cache.size(); ++r)
    result.push_back(get(r));
  return result;
}

//===-- writing ------------------------------------------------------------===//

void Emitter::storeShared(ArrayRef<Value> values, const Layout &layout, const Layout &shared, Value slot) {
  unsigned bytes = bitsOf(values.front().getType()) / 8;
  DistMap offsets = offsetMap(layout, shared);
  uint32_t replicas = freeVariableMasks(layout)[unsigned(In::Register)];
  VectorAccess vectors = planVectors(offsets, 16 / bytes, replicas);
  Value thread = threadPart(offsets.lane, offsets.warp), holder = isFirstHolder(layout);
  for (const std::vector<int> &group : vectors.accesses) {
    Regs elements;
    for (int reg : group)
      elements.push_back(values[reg]);
    Value pointer = sharedAddress(slot, thread, orOf(offsets), offsets.apply(group.front(), 0, 0), bytes);
    sharedStore(pointer, pack(elements), group.size() * bytes, holder);
  }
}

LogicalResult Emitter::emitLocalLoad(LocalLoadOp op) {
  auto type = cast<RankedTensorType>(op.getResult().getType());
  Slot slot = slotOf(op.getSource());
  if (onlyFeedsProducts(op, op->getBlock())) {
    lazy[op.getResult()] = {layoutOf(type), layoutOf(op.getSource().getType()), slot};
    return success();
  }
  touchShared(slot.begin, slot.end, /*write=*/false);
  Type element = type.getElementType();
  auto access = TileAccess::fragments(layoutOf(type), bitsOf(element) / 8);
  bind(op.getResult(), Fetcher(*this, access, layoutOf(op.getSource().getType()), element, slot).all());
  return success();
}

LogicalResult Emitter::emitLocalStore(LocalStoreOp op) {
  Slot slot = slotOf(op.getDest());
  touchShared(slot.begin, slot.end, /*write=*/true);
  storeShared(regs(op.getValue()), layoutOf(cast<RankedTensorType>(op.getValue().getType())),
              layoutOf(op.getDest().getType()), slot.offset);
  return success();
}

//===-- conversions --------------------------------------------------------===//

LogicalResult Emitter::emitConvert(ConvertLayoutOp op) {
  auto from = cast<RankedTensorType>(op.getOperand().getType()), to = cast<RankedTensorType>(op.getResult().getType());
  Layout source = layoutOf(from), target = layoutOf(to);
  ConversionPlan plan = planConversion(source, target);
  Regs values = regs(op.getOperand()), result;
  if (plan.kind == ConversionKind::Identity || plan.kind == ConversionKind::RegisterPermutation) {
    for (int reg : plan.srcReg)
      result.push_back(values[reg]);
    bind(op.getResult(), std::move(result));
    return success();
  }
  if (plan.kind == ConversionKind::WarpShuffle) {
    Value base = threadPart(plan.laneMap, plan.warpMap);
    for (int64_t r = 0; r < target.numRegisters(); ++r) {
      Value value = values[plan.srcReg[r]];
      if (plan.isLocal(r))
        result.push_back(value);
      else if (plan.isButterfly())
        result.push_back(shuffleXor(value, plan.laneXor[r]));
      else
        result.push_back(shuffleFrom(
            value, plan.laneXor[r] ? arith::XOrIOp::create(b, base, i32(plan.laneXor[r])).getResult() : base));
    }
    bind(op.getResult(), std::move(result));
    return success();
  }
  // Through scratch: rows that ldmatrix can read if the target is a fragment, else the tile with the fewest conflicts.
  Type element = from.getElementType();
  unsigned bytes = bitsOf(element) / 8;
  std::optional<Layout> shared;
  if (source.rank() == 2 && bytes == 2)
    for (Order order : {Order{1, 0}, Order{0, 1}}) {
      Layout candidate = sharedSwizzled(source.shape(), order, bytes, 128);
      auto matrix = planLdmatrix(target, candidate, bytes);
      if (matrix && matrix->conflicts == 0 && vectorWidth(source, order.front(), 8) > 1) {
        shared = candidate;
        break;
      }
    }
  if (!shared)
    shared = planSharedConversion(source, target, bytes).shared;
  auto kept = slots.find(op.getResult());
  Slot slot;
  if (kept != slots.end()) {
    slot = kept->second;
  } else {
    int64_t size = source.numElements() * bytes, begin = scratch((size + 1023) / 1024 * 1024);
    slot = {i32(begin), begin, begin + size};
  }
  touchShared(slot.begin, slot.end, /*write=*/true);
  storeShared(values, source, *shared, slot.offset);
  if (kept != slots.end()) {
    lazy[op.getResult()] = {target, *shared, slot};
    return success();
  }
  touchShared(slot.begin, slot.end, /*write=*/false);
  bind(op.getResult(), Fetcher(*this, TileAccess::fragments(target, bytes), *shared, element, slot).all());
  return success();
}
