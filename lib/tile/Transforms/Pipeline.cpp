//===-- Pipeline.cpp - overlap copies with work -----------------------------===//
//
// A loop whose copies depend only on its induction variable runs them `stages` - 1 iterations ahead:
//
//     for i { async_load a(i) into s; …s… }
// becomes
//     async_load a(0) into ring[0]; commit; … (stages - 1 of them)
//     for i { wait until the copy of i is there; async_load a(i + stages - 1) into ring[w]; commit; …ring[r]… }
//
// The one barrier of `async_wait` does double duty: what it lets through has arrived for all warps, and every warp is
// done with the slot that the next copy overwrites, which the iteration before read. Other copies are waited for on the
// spot.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "tile/IR/Tile.h"
#include "tile/Transforms/Passes.h"
#include "llvm/ADT/SetVector.h"

namespace treadle::tile {
#define GEN_PASS_DEF_PIPELINE
#include "tile/Transforms/Passes.h.inc"
} // namespace treadle::tile

using namespace mlir;
using namespace treadle;
using namespace treadle::tile;

namespace {

SmallVector<AsyncLoadOp> copiesIn(Block &block) { return SmallVector<AsyncLoadOp>(block.getOps<AsyncLoadOp>()); }

/// The ops of the body that compute the copies' indices, in order; failure if they need more than the induction
/// variable.
LogicalResult addressSlice(scf::ForOp loop, ArrayRef<AsyncLoadOp> copies, SetVector<Operation *> &slice) {
  SmallVector<Value> work;
  for (AsyncLoadOp copy : copies)
    work.append(copy.getIndices().begin(), copy.getIndices().end());
  DenseSet<Operation *> needed;
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (value == loop.getInductionVar() || !loop.getBodyRegion().isAncestor(value.getParentRegion()))
      continue;
    Operation *op = value.getDefiningOp();
    if (!op || op->getBlock() != loop.getBody() || !isMemoryEffectFree(op) || op->getNumRegions())
      return failure();
    if (needed.insert(op).second)
      work.append(op->operand_begin(), op->operand_end());
  }
  for (Operation &op : *loop.getBody())
    if (needed.contains(&op))
      slice.insert(&op);
  return success();
}

/// The copies of the iteration `iv`, if `active`, into one slot of each ring.
void issue(OpBuilder &builder, scf::ForOp loop, ArrayRef<AsyncLoadOp> copies, const SetVector<Operation *> &slice,
           Value iv, Value slot, Value active) {
  IRMapping map;
  map.map(loop.getInductionVar(), iv);
  for (Operation *op : slice)
    builder.clone(*op, map);
  for (AsyncLoadOp copy : copies) {
    SmallVector<Value> indices;
    for (Value index : copy.getIndices())
      indices.push_back(map.lookupOrDefault(index));
    auto ring = copy.getDest();
    SharedType type = ring.getType();
    auto slotType = SharedType::get(type.getContext(), 1, type.getShape(), type.getElementType(), type.getLayout());
    Value dest = SlotOp::create(builder, copy.getLoc(), slotType, ring, slot);
    AsyncLoadOp::create(builder, copy.getLoc(), copy.getView(), indices, copy.getAlong(), dest, active);
  }
  CommitOp::create(builder, loop.getLoc());
}

/// Wait on the spot for all copies of a block: those that can start together do.
void waitInPlace(Block &block, ArrayRef<AsyncLoadOp> copies) {
  // Start as many as possible with the first: their indices must be known there. Cheap index arithmetic moves along.
  SmallVector<SmallVector<AsyncLoadOp>> groups;
  for (AsyncLoadOp copy : copies) {
    bool together = !groups.empty();
    if (together) {
      Operation *at = groups.back().back();
      SetVector<Operation *> moving;
      SmallVector<Value> work(copy.getIndices());
      while (together && !work.empty()) {
        Operation *op = work.pop_back_val().getDefiningOp();
        if (!op || op->getBlock() != &block || op->isBeforeInBlock(at))
          continue;
        together =
            isMemoryEffectFree(op) && op->getNumRegions() == 0 && !isa<RankedTensorType>(op->getResult(0).getType());
        moving.insert(op);
        work.append(op->operand_begin(), op->operand_end());
      }
      // A write in between could be to the same memory.
      for (Operation *op = at->getNextNode(); together && op && op != copy; op = op->getNextNode())
        if (!isMemoryEffectFree(op) && !isa<AsyncLoadOp, LocalLoadOp, LoadOp>(op))
          together = false;
      if (together) {
        SmallVector<Operation *> ordered(moving.begin(), moving.end());
        llvm::sort(ordered, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
        for (Operation *op : ordered) {
          op->moveAfter(at);
          at = op;
        }
        copy->moveAfter(at);
      }
    }
    if (!together)
      groups.emplace_back();
    groups.back().push_back(copy);
  }
  for (auto &group : groups) {
    // Everyone is done with what the slots held, then the copies, then everyone waits.
    OpBuilder builder(group.front());
    BarrierOp::create(builder, group.front().getLoc());
    builder.setInsertionPointAfter(group.back());
    CommitOp::create(builder, group.back().getLoc());
    WaitOp::create(builder, group.back().getLoc(), 0);
  }
}

LogicalResult pipeline(scf::ForOp loop, ArrayRef<AsyncLoadOp> copies, int stages) {
  SetVector<Operation *> slice;
  if (stages < 2 || failed(addressSlice(loop, copies, slice)))
    return failure();
  // Reads run ahead of writes: not those of memory that the loop writes, which must see the writes before them.
  WalkResult writes = loop.walk([&](StoreOp store) {
    bool reads =
        llvm::any_of(copies, [&](AsyncLoadOp copy) { return sliced(copy.getView()) == sliced(store.getView()); });
    return reads ? WalkResult::interrupt() : WalkResult::advance();
  });
  if (writes.wasInterrupted())
    return failure();
  // A ring belongs to one copy.
  for (AsyncLoadOp copy : copies) {
    auto alloc = copy.getDest().getDefiningOp<AllocOp>();
    if (!alloc)
      return failure();
    for (Operation *user : alloc->getUsers())
      if (user != copy && user->getBlock() != loop.getBody() &&
          !loop.getBodyRegion().isAncestor(user->getParentRegion()))
        return failure();
  }

  Location loc = loop.getLoc();
  OpBuilder builder(loop);
  auto index = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(builder, loc, value); };
  Value count = index(stages), one = index(1), zero = index(0);
  for (AsyncLoadOp copy : copies) {
    SharedType type = copy.getDest().getType();
    copy.getDest().setType(
        SharedType::get(type.getContext(), stages, type.getShape(), type.getElementType(), type.getLayout()));
  }
  Value iv = loop.getLowerBound();
  for (int stage = 0; stage + 1 < stages; ++stage) {
    Value active = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, iv, loop.getUpperBound());
    issue(builder, loop, copies, slice, iv, index(stage), active);
    iv = arith::AddIOp::create(builder, loc, iv, loop.getStep());
  }
  Value ahead = arith::MulIOp::create(builder, loc, loop.getStep(), index(stages - 1));

  // The slots to read and to fill are carried around.
  unsigned carried = loop.getNumRegionIterArgs();
  auto next = [&](OpBuilder &at, Value slot) -> Value {
    Value more = arith::AddIOp::create(at, loc, slot, one);
    Value wrap = arith::CmpIOp::create(at, loc, arith::CmpIPredicate::eq, more, count);
    return arith::SelectOp::create(at, loc, wrap, zero, more);
  };
  IRRewriter rewriter(builder.getContext());
  auto extended = loop.replaceWithAdditionalYields(
      rewriter, ValueRange{zero, index(stages - 1)}, /*replaceInitOperandUsesInLoop=*/false,
      [&](OpBuilder &at, Location, ArrayRef<BlockArgument> added) -> SmallVector<Value> {
        return {next(at, added[0]), next(at, added[1])};
      });
  if (failed(extended))
    return failure();
  auto newLoop = cast<scf::ForOp>(extended->getOperation());
  Value readSlot = newLoop.getRegionIterArg(carried), writeSlot = newLoop.getRegionIterArg(carried + 1);

  // The ops are the same, in a new loop.
  slice.clear();
  (void)addressSlice(newLoop, copies, slice);
  builder.setInsertionPointToStart(newLoop.getBody());
  WaitOp::create(builder, loc, stages - 2);
  Value later = arith::AddIOp::create(builder, loc, newLoop.getInductionVar(), ahead);
  Value active = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, later, newLoop.getUpperBound());
  issue(builder, newLoop, copies, slice, later, writeSlot, active);
  for (AsyncLoadOp copy : copies) {
    Value ring = copy.getDest();
    SharedType type = copy.getDest().getType();
    auto slotType = SharedType::get(type.getContext(), 1, type.getShape(), type.getElementType(), type.getLayout());
    Value current = SlotOp::create(builder, copy.getLoc(), slotType, ring, readSlot);
    ring.replaceUsesWithIf(current,
                           [&](OpOperand &use) { return isa<LocalLoadOp, DotOp, SharedTransposeOp>(use.getOwner()); });
  }
  for (AsyncLoadOp copy : copies)
    copy.erase();
  builder.setInsertionPointAfter(newLoop);
  WaitOp::create(builder, loc, 0);
  return success();
}

/// Each user reads its own copy from shared memory, just before: reading twice is cheaper than registers held long.
static void sinkReads(func::FuncOp func) {
  // So does what only widens a read, for users in loops and branches around which it would be held.
  SmallVector<arith::ExtFOp> widened;
  func.walk([&](arith::ExtFOp op) {
    if (op.getIn().getDefiningOp<LocalLoadOp>())
      widened.push_back(op);
  });
  for (arith::ExtFOp op : widened)
    for (OpOperand &use : llvm::make_early_inc_range(op->getUses()))
      if (use.getOwner()->getBlock() != op->getBlock())
        use.set(OpBuilder(use.getOwner()).clone(*op)->getResult(0));
  SmallVector<LocalLoadOp> reads;
  func.walk([&](LocalLoadOp read) { reads.push_back(read); });
  for (LocalLoadOp read : reads) {
    SmallVector<OpOperand *> uses;
    for (OpOperand &use : read.getResult().getUses())
      uses.push_back(&use);
    for (OpOperand *use : uses) {
      auto own = cast<LocalLoadOp>(OpBuilder(use->getOwner()).clone(*read));
      use->set(own.getResult());
    }
    read.erase();
  }
}

struct PipelinePass : tile::impl::PipelineBase<PipelinePass> {
  void runOnOperation() override {
    if (!isKernel(getOperation()))
      return;
    // Known beforehand: a pipelined loop leaves copies of its own in the block around it.
    SmallVector<SmallVector<AsyncLoadOp>> groups;
    getOperation().walk([&](Block *block) {
      if (auto copies = copiesIn(*block); !copies.empty())
        groups.push_back(std::move(copies));
    });
    int stages = numStages(getOperation());
    for (ArrayRef<AsyncLoadOp> copies : groups) {
      AsyncLoadOp first = copies.front();
      auto loop = dyn_cast<scf::ForOp>(first->getParentOp());
      if (!loop || failed(pipeline(loop, copies, stages)))
        waitInPlace(*first->getBlock(), copies);
    }
    sinkReads(getOperation());
  }
};

} // namespace
