//===-- Control.cpp - blocks, branches and loops of the kernel -----------===//

#include "target/cpu/Emitter.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::cpu;

static ValueRange yieldedBy(Operation *terminator) {
  if (auto condition = dyn_cast<scf::ConditionOp>(terminator))
    return condition.getArgs();
  return terminator->getOperands();
}

/// A result that the terminator hands on is computed where it is wanted, if no later reader needs what is there.
void Emitter::chooseDestination(Operation *op, ValueRange yielded, ArrayRef<std::optional<Buffer>> destinations) {
  if (!isa<tile::LoadOp, tile::DotOp, tile::ReduceOp, tile::ScanOp>(op))
    return;
  for (auto [value, wanted] : llvm::zip(yielded, destinations)) {
    if (!wanted || value.getDefiningOp() != op || destination.contains(value))
      continue;
    Value pointer = wanted->pointer;
    bool free = true;
    for (Value argument : op->getBlock()->getArguments())
      if (inMemory(argument) && buffers[argument].pointer == pointer)
        free = fusion->lastReader(argument, op);
    if (auto dot = dyn_cast<tile::DotOp>(op))
      free = free && readsInPlace(dot.getC(), pointer) && !reads(dot.getA(), pointer) && !reads(dot.getB(), pointer);
    else if (!isa<tile::LoadOp>(op))
      free = free && llvm::none_of(op->getOperands(), [&](Value v) { return reads(v, pointer); });
    if (free)
      destination[value] = *wanted;
  }
}

void Emitter::emitBlock(Block &block, ArrayRef<std::optional<Buffer>> destinations) {
  Fusion here(block);
  SmallVector<std::pair<Buffer, Value>> mine;
  Fusion *outerFusion = std::exchange(fusion, &here);
  auto *outerOwned = std::exchange(owned, &mine);
  Operation *terminator = block.getTerminator();
  ValueRange yielded = yieldedBy(terminator);
  for (Operation &op : block.without_terminator()) {
    if (!destinations.empty())
      chooseDestination(&op, yielded, destinations);
    loc = op.getLoc();
    emit(&op);
    for (size_t i = 0; i < mine.size();) {
      if (!here.lastReader(mine[i].second, &op)) {
        ++i;
        continue;
      }
      release(mine[i].first);
      mine.erase(mine.begin() + i);
    }
  }
  loc = terminator->getLoc();
  if (!destinations.empty())
    yieldInto(yielded, destinations);
  for (const auto &entry : mine)
    release(entry.first);
  fusion = outerFusion;
  owned = outerOwned;
}

/// Copies what a terminator hands on to where it is wanted; all is read before any of it is overwritten.
void Emitter::yieldInto(ValueRange yielded, ArrayRef<std::optional<Buffer>> destinations) {
  SmallVector<std::pair<Buffer, size_t>> late;
  auto there = [&](size_t i) {
    return !destinations[i] || (inMemory(yielded[i]) && buffers[yielded[i]].pointer == destinations[i]->pointer);
  };
  SmallVector<size_t> direct;
  for (size_t i = 0; i < yielded.size(); ++i) {
    if (there(i))
      continue;
    Value pointer = destinations[i]->pointer;
    bool conflict = !readsInPlace(yielded[i], pointer);
    for (size_t j = 0; j < yielded.size(); ++j)
      conflict |= j != i && reads(yielded[j], pointer);
    if (!conflict) {
      direct.push_back(i);
      continue;
    }
    Buffer copy = allocate(yielded[i]);
    fill(yielded[i], copy);
    late.push_back({copy, i});
  }
  for (size_t i : direct)
    fill(yielded[i], *destinations[i]);
  for (auto &entry : late) {
    const Buffer &copy = entry.first, &to = *destinations[entry.second];
    int axis = lastAxis(to.shape), lanes = lanesAlong(to.shape, axis);
    nest(to.shape, axis, lanes, [&](ArrayRef<Value> at) { write(read(copy, at, axis, lanes), to, at); });
    release(copy);
  }
}

SmallVector<Value> Emitter::yieldedScalars(Operation *terminator) { return scalarsOf(yieldedBy(terminator)); }

SmallVector<Value> Emitter::scalarsOf(ValueRange values) {
  SmallVector<Value> out;
  for (Value value : values)
    if (!tileType(value))
      out.push_back(scalar(value));
  return out;
}

SmallVector<std::optional<Buffer>> Emitter::allocateEach(ValueRange tiles) {
  SmallVector<std::optional<Buffer>> out;
  for (Value value : tiles)
    out.push_back(tileType(value) ? std::optional<Buffer>(allocate(value)) : std::nullopt);
  return out;
}

/// Says where each of `values` is: tiles in memory, the others in `plain`.
void Emitter::bind(ValueRange values, ArrayRef<std::optional<Buffer>> tiles, ValueRange plain) {
  size_t next = 0;
  for (auto [value, buffer] : llvm::zip(values, tiles)) {
    if (buffer)
      buffers[value] = *buffer;
    else
      scalars[value] = plain[next++];
  }
}

void Emitter::emit(Operation *op) {
  TypeSwitch<Operation *>(op)
      .Case([&](tile::ProgramIdOp id) { scalars[id] = ids[id.getAxis()]; })
      .Case([&](tile::DimOp dim) { scalars[dim] = toIndex(views[dim.getView()].sizes[dim.getAxis()]); })
      .Case([&](tile::SliceOp slice) { emitSlice(slice); })
      .Case([&](tile::NarrowOp narrow) { emitNarrow(narrow); })
      .Case([&](tile::LoadOp load) { emitLoad(load); })
      .Case([&](tile::StoreOp store) { emitStore(store); })
      .Case([&](tile::ReshapeOp reshape) {
        Buffer buffer;
        if (inMemory(reshape.getOperand())) {
          buffer = buffers[reshape.getOperand()];
        } else {
          buffer = allocate(reshape.getOperand());
          fill(reshape.getOperand(), buffer);
          own(buffer, reshape.getResult());
        }
        buffer.shape = SmallVector<int64_t>(tileType(reshape.getResult()).getShape());
        buffers[reshape.getResult()] = buffer;
      })
      .Case([&](tile::ReduceOp reduce) { emitReduce(reduce); })
      .Case([&](tile::ScanOp scan) { emitScan(scan); })
      .Case([&](tile::DotOp dot) { emitDot(dot); })
      .Case([&](scf::ForOp loop) { emitFor(loop); })
      .Case([&](scf::IfOp branch) { emitIf(branch); })
      .Case([&](scf::WhileOp loop) { emitWhile(loop); })
      .Default([&](Operation *) {
        if (isElementwise(op)) {
          if (fusion->needsMemory(op->getResult(0))) {
            Buffer buffer = allocate(op->getResult(0));
            fill(op->getResult(0), buffer);
            buffers[op->getResult(0)] = buffer;
            own(buffer, op->getResult(0));
          }
        } else if (op->hasTrait<OpTrait::Elementwise>() || isa<arith::ConstantOp>(op)) {
          scalars[op->getResult(0)] = emitElementwise(b, op, scalarsOf(op->getOperands()), 1);
        } else {
          IRMapping map;
          for (Value operand : op->getOperands())
            map.map(operand, scalar(operand));
          for (auto [from, to] : llvm::zip(op->getResults(), b.clone(*op, map)->getResults()))
            scalars[from] = to;
        }
      });
}

//===-- loops and branches -------------------------------------------------===//

void Emitter::emitFor(scf::ForOp op) {
  auto carried = allocateEach(op.getInitArgs());
  for (auto [value, buffer] : llvm::zip(op.getInitArgs(), carried))
    if (buffer)
      fill(value, *buffer);
  SmallVector<Value> init = scalarsOf(op.getInitArgs());
  auto loop = scf::ForOp::create(b, loc, scalar(op.getLowerBound()), scalar(op.getUpperBound()), scalar(op.getStep()),
                                 init, [&](OpBuilder &, Location, Value index, ValueRange plain) {
                                   auto outer = std::exchange(memo, {});
                                   scalars[op.getInductionVar()] = index;
                                   bind(op.getRegionIterArgs(), carried, plain);
                                   emitBlock(*op.getBody(), carried);
                                   scf::YieldOp::create(b, loc, yieldedScalars(op.getBody()->getTerminator()));
                                   memo = std::move(outer);
                                 });
  bind(op.getResults(), carried, loop.getResults());
  for (auto [result, buffer] : llvm::zip(op.getResults(), carried))
    if (buffer)
      own(*buffer, result);
}

void Emitter::emitIf(scf::IfOp op) {
  auto results = allocateEach(op.getResults());
  auto branch = [&](Region &region) {
    return [&](OpBuilder &, Location) {
      auto outer = std::exchange(memo, {});
      emitBlock(region.front(), results);
      scf::YieldOp::create(b, loc, yieldedScalars(region.front().getTerminator()));
      memo = std::move(outer);
    };
  };
  auto thenBuilder = branch(op.getThenRegion());
  scf::IfOp made;
  if (op.getElseRegion().empty())
    made = scf::IfOp::create(b, loc, scalar(op.getCondition()), thenBuilder);
  else
    made = scf::IfOp::create(b, loc, scalar(op.getCondition()), thenBuilder, branch(op.getElseRegion()));
  bind(op.getResults(), results, made.getResults());
  for (auto [result, buffer] : llvm::zip(op.getResults(), results))
    if (buffer)
      own(*buffer, result);
}

void Emitter::emitWhile(scf::WhileOp op) {
  auto carried = allocateEach(op.getInits()), results = allocateEach(op.getResults());
  for (auto [value, buffer] : llvm::zip(op.getInits(), carried))
    if (buffer)
      fill(value, *buffer);
  SmallVector<Value> init = scalarsOf(op.getInits());
  SmallVector<Type> types;
  for (Value result : op.getResults())
    if (!tileType(result))
      types.push_back(laneType(result.getType()));
  auto made = scf::WhileOp::create(
      b, loc, types, init,
      [&](OpBuilder &, Location, ValueRange plain) {
        auto outer = std::exchange(memo, {});
        bind(op.getBeforeArguments(), carried, plain);
        emitBlock(*op.getBeforeBody(), results);
        scf::ConditionOp end = op.getConditionOp();
        scf::ConditionOp::create(b, loc, scalar(end.getCondition()), yieldedScalars(end));
        memo = std::move(outer);
      },
      [&](OpBuilder &, Location, ValueRange plain) {
        auto outer = std::exchange(memo, {});
        bind(op.getAfterArguments(), results, plain);
        emitBlock(*op.getAfterBody(), carried);
        scf::YieldOp::create(b, loc, yieldedScalars(op.getAfterBody()->getTerminator()));
        memo = std::move(outer);
      });
  bind(op.getResults(), results, made.getResults());
  for (const auto &buffer : carried)
    if (buffer)
      release(*buffer);
  for (auto [result, buffer] : llvm::zip(op.getResults(), results))
    if (buffer)
      own(*buffer, result);
}
