//===-- Chunk.cpp - the walk over chunks -----------------------------------===//
//
//     states = initial states
//     for each chunk {
//       load the inputs
//       while tokens are left { choose a part; its outputs; its states }      (one part if no decay is computed)
//     }
//     store the final states
//
//===----------------------------------------------------------------------===//

#include "Chunk.h"
#include "Derivation.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/TypeUtilities.h"
#include "treadle/Transforms/Passes.h"
#include "llvm/ADT/DenseSet.h"

namespace treadle {
#define GEN_PASS_DEF_CHUNK
#include "treadle/Transforms/Passes.h.inc"
} // namespace treadle

using namespace mlir;
using namespace treadle;

ChunkKernel::ChunkKernel(const Mixer &mixer, const NormalForm &form, const Schedule &schedule, Pass pass)
    : Segmented(mixer, form, pass, /*isTurned=*/true, schedule.rows, leastSize), warps(schedule.warps) {
  if (carriesNothing() && !scan.getNoncausal())
    span = 4 * rows;
}

/// Whether every token can be computed by itself.
bool ChunkKernel::carriesNothing() const {
  return llvm::all_of(form.states, [](const StateForm &how) { return how.kind == StateForm::Delay; });
}

//===-- little builders ----------------------------------------------------===//

Value ChunkKernel::column(Value vector, int64_t columns) {
  int64_t size = cast<RankedTensorType>(vector.getType()).getDimSize(0);
  return spread(builder, loc, vector, {size, columns});
}

Value ChunkKernel::mask(Value which, Value tile, double other) {
  auto type = cast<RankedTensorType>(tile.getType());
  return select(spread(builder, loc, which, type.getShape()), tile, constant(type, other));
}

Value ChunkKernel::isPosition(arith::CmpIPredicate predicate, Value position) {
  Value number = arith::IndexCastOp::create(builder, loc, builder.getI32Type(), position);
  return arith::CmpIOp::create(builder, loc, predicate, positions, splat(number, positions.getType()));
}

Value ChunkKernel::sum(Value tile, unsigned axis) {
  auto type = cast<RankedTensorType>(tile.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.erase(shape.begin() + axis);
  Type result = shape.empty() ? type.getElementType() : Type(type.clone(shape));
  auto reduce = tile::ReduceOp::create(builder, loc, TypeRange{result}, ValueRange{tile}, axis);
  OpBuilder::InsertionGuard guard(builder);
  Type element = type.getElementType();
  Block *block = builder.createBlock(&reduce.getCombine(), {}, {element, element}, {loc, loc});
  tile::YieldOp::create(builder, loc, op<arith::AddFOp>(block->getArgument(0), block->getArgument(1)));
  return reduce.getResult(0);
}

Value ChunkKernel::at(Value position, Value tile) {
  return sum(mask(isPosition(arith::CmpIPredicate::eq, position), tile, 0), 0);
}

Value ChunkKernel::lastRow(Value tile) {
  auto type = cast<RankedTensorType>(tile.getType());
  if (type.getRank() == 1)
    return at(index(rows - 1), tile);
  SmallVector<int64_t> shape(type.getShape());
  SmallVector<int32_t> offsets(shape.size(), 0);
  offsets.front() = scan.getReverse() ? 0 : int32_t(rows) - 1;
  shape.front() = 1;
  Value last = tile::ExtractOp::create(builder, loc, type.clone(shape), tile, builder.getDenseI32ArrayAttr(offsets));
  return tile::ReshapeOp::create(builder, loc, type.clone(ArrayRef(shape).drop_front()), last);
}

/// The first result of a scan along time, in the direction of the walk.
Value ChunkKernel::scanned(ArrayRef<Value> tiles, function_ref<SmallVector<Value>(ValueRange, ValueRange)> combine) {
  SmallVector<Type> types(ValueRange(tiles).getTypes());
  auto scanOp = tile::ScanOp::create(builder, loc, types, tiles, 0u, scan.getReverse());
  OpBuilder::InsertionGuard guard(builder);
  SmallVector<Type> elements(2 * tiles.size(), builder.getF32Type());
  SmallVector<Location> locations(elements.size(), loc);
  Block *body = builder.createBlock(&scanOp.getCombine(), {}, elements, locations);
  ValueRange arguments = body->getArguments();
  tile::YieldOp::create(builder, loc, combine(arguments.take_front(tiles.size()), arguments.drop_front(tiles.size())));
  return scanOp.getResult(0);
}

Value ChunkKernel::runningSum(Value tile) {
  return scanned({tile}, [&](ValueRange a, ValueRange b) { return SmallVector<Value>{op<arith::AddFOp>(a[0], b[0])}; });
}

Value ChunkKernel::sees(StateForm::Reads reads, bool isStrict) {
  auto predicate = reads == StateForm::Old || isStrict ? arith::CmpIPredicate::sgt : arith::CmpIPredicate::sge;
  return arith::CmpIOp::create(builder, loc, predicate, column(positions, rows), row(positions, rows));
}

Value ChunkKernel::shifted(Value tile, Value before) {
  // Of neighbours that are put together, the last two are known: (last but one, last, whether there is one before it).
  auto combine = [&](ValueRange a, ValueRange b) {
    Value isLong = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OGT, b[2], constant(b[2].getType(), 0));
    return SmallVector<Value>{select(isLong, b[0], a[1]), b[1], constant(b[2].getType(), 1)};
  };
  Value none = constant(tile.getType(), 0);
  auto shape = cast<RankedTensorType>(tile.getType()).getShape();
  Value first = isa<RankedTensorType>(before.getType()) ? row(before, rows) : splat(before, tile.getType());
  return select(spread(builder, loc, isPosition(arith::CmpIPredicate::eq, zero), shape), first,
                scanned({none, tile, none}, combine));
}

//===-- values of the step at all rows -------------------------------------===//

FailureOr<Value> ChunkKernel::lift(Part &part, Value value) {
  if (Value known = part.lifted.lookupOrNull(value))
    return known;
  Value result;
  if (auto place = llvm::find(scan.getStateArguments(), value); place != scan.getStateArguments().end()) {
    unsigned state = place - scan.getStateArguments().begin();
    if (form.isDelay(state))
      return delayed(part, state, 0);
    FailureOr<Value> next = lift(part, newOf(state));
    if (failed(next))
      return failure();
    result = shifted(*next, part.before[state]);
    part.lifted.map(value, result);
    return result;
  }
  if (!isMoving(value)) {
    FailureOr<Value> one = stillValue(value);
    if (failed(one))
      return failure();
    if (isa<RankedTensorType>(one->getType())) {
      result = row(*one, rows);
    } else {
      result = splat(*one, RankedTensorType::get({rows}, one->getType()));
    }
  } else if (auto found = form.readoutOf(value)) {
    FailureOr<Value> made = phase == OutputsOnly ? ofFinal(part, found->first, *found->second)
                                                 : readout(part, found->first, *found->second);
    if (failed(made))
      return failure();
    result = *made;
  } else if (Value stored = part.stored.lookup(value)) {
    result = widened(stored);
  } else if (std::optional<unsigned> state = runningOf(value)) {
    return running(part, *state);
  } else {
    Operation *op = value.getDefiningOp();
    for (Value operand : op->getOperands())
      if (failed(lift(part, operand)))
        return failure();
    if (failed(moving().write(builder, op, part.lifted)))
      return failure();
    return part.lifted.lookup(value);
  }
  part.lifted.map(value, result);
  return result;
}

/// The running state whose new value this is.
std::optional<unsigned> ChunkKernel::runningOf(Value value) {
  for (unsigned state = 0; state < form.states.size(); ++state)
    if (newOf(state) == value && !form.isDelay(state))
      return state;
  return std::nullopt;
}

/// What a value was so many tokens before each of the rows: computed again from what the inputs were.
FailureOr<Value> ChunkKernel::liftEarlier(Part &part, Value value, unsigned tokens) {
  if (!isMoving(value))
    return lift(part, value);
  IRMapping &known = part.earlier[tokens];
  if (Value tile = known.lookupOrNull(value))
    return tile;
  if (auto state = llvm::find(scan.getStateArguments(), value); state != scan.getStateArguments().end())
    return delayed(part, state - scan.getStateArguments().begin(), tokens);
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    const Array &array = mixer.arrays[*mixer.find(Array::Input, argument.getArgNumber())];
    Value distance = index(tokens);
    Value time = op<arith::AddIOp>(part.time, segmentFirst ? segmentFirst : zero);
    time = scan.getReverse() ? op<arith::AddIOp>(time, distance) : op<arith::SubIOp>(time, distance);
    std::swap(views, sequenceViews);
    FailureOr<Value> tile = load(array, value, time);
    std::swap(views, sequenceViews);
    if (succeeded(tile))
      known.map(value, *tile);
    return tile;
  }
  for (Value operand : value.getDefiningOp()->getOperands()) {
    FailureOr<Value> tile = liftEarlier(part, operand, tokens);
    if (failed(tile))
      return failure();
    known.map(operand, *tile);
  }
  if (failed(moving().write(builder, value.getDefiningOp(), known)))
    return failure();
  return known.lookup(value);
}

/// The input that a delay is of, and over how many tokens.
std::optional<std::pair<BlockArgument, unsigned>> ChunkKernel::delayedInput(unsigned state) {
  unsigned numInputs = scan.getInputs().size();
  for (unsigned tokens = 1; tokens <= form.states.size(); ++tokens) {
    auto argument = dyn_cast<BlockArgument>(form.states[state].x);
    if (!argument)
      return std::nullopt;
    if (argument.getArgNumber() < numInputs)
      return isMoving(argument) ? std::optional(std::pair(argument, tokens)) : std::nullopt;
    state = argument.getArgNumber() - numInputs;
  }
  return std::nullopt;
}

/// Of delays of one input whose initial values are zeros, or neighbours in one array: what each is at the rows to which
/// no token was as many tokens before, 0 at others. Null: all zeros. Failure: they lie otherwise.
FailureOr<Value> ChunkKernel::delayedInitials(Part &part, unsigned state) {
  unsigned numInputs = scan.getInputs().size();
  const Array *first = nullptr;
  int64_t from = 0;
  for (unsigned at = state;;) {
    std::optional<unsigned> number = mixer.find(Array::Initial, at);
    const Array *array = number ? &mixer.arrays[*number] : nullptr;
    auto fill = scan.getInitials()[at].getDefiningOp<FillOp>();
    if (at == state) {
      first = array;
      from = array && !array->narrows.empty() ? array->narrows.back().from : 0;
    }
    if (first ? !array || array->whole != first->whole || array->narrows.size() != 1 || !array->narrows[0].isLeftOut ||
                    array->narrows[0].axis != array->numIndices || array->narrows[0].from != from++
              : !fill || !fill.getValue().isZero())
      return failure();
    auto argument = cast<BlockArgument>(form.states[at].x);
    if (argument.getArgNumber() < numInputs)
      break;
    at = argument.getArgNumber() - numInputs;
  }
  if (!first)
    return Value();
  if (scan.getReverse() || first->view.getShape()[first->numIndices] != from)
    return failure();
  return loadRest(*first, oldOf(state), part.walked);
}

/// The old value of a delay so many tokens before each of the rows; the initial one at the sequence's first token.
FailureOr<Value> ChunkKernel::delayed(Part &part, unsigned state, unsigned tokens) {
  FailureOr<Value> tile = failure();
  FailureOr<Value> initials = failure();
  std::optional<std::pair<BlockArgument, unsigned>> input = delayedInput(state);
  if (input && tokens == 0 && succeeded(initials = delayedInitials(part, state))) {
    tile = liftEarlier(part, input->first, input->second);
    if (succeeded(tile) && *initials)
      *tile = op<arith::AddFOp>(*tile, *initials);
  } else if (succeeded(tile = liftEarlier(part, form.states[state].x, tokens + 1))) {
    Value before = part.before[state];
    auto type = cast<RankedTensorType>(tile->getType());
    Value isFirst = isPosition(arith::CmpIPredicate::eq, op<arith::SubIOp>(index(tokens), part.walked));
    Value initial = isa<RankedTensorType>(before.getType()) ? row(before, rows) : splat(before, type);
    *tile = select(spread(builder, loc, isFirst, type.getShape()), initial, *tile);
  }
  if (succeeded(tile))
    (tokens ? part.earlier[tokens] : part.lifted).map(oldOf(state), *tile);
  return tile;
}

/// Delays after all tokens, from the rows of a chunk that ends with the last.
LogicalResult ChunkKernel::finishDelays(MutableArrayRef<Value> states) {
  Part part;
  bool isReverse = scan.getReverse();
  Value size = index(rows);
  part.walked = op<arith::SubIOp>(total, size);
  part.time = isReverse ? zero : part.walked;
  if (segmentFirst)
    part.time = op<arith::SubIOp>(part.time, segmentFirst);
  part.before.assign(states.begin(), states.end());
  Value any = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::sgt, total, zero);
  for (unsigned state = 0; state < form.states.size(); ++state) {
    if (!form.isDelay(state) || !mixer.find(Array::Final, state))
      continue;
    // Inputs are read where they are, with bounds of the sequence.
    FailureOr<Value> tile = liftEarlier(part, form.states[state].x, 0);
    if (failed(tile))
      return failure();
    states[state] = select(any, at(index(rows - 1), *tile), states[state]);
  }
  return success();
}

/// A running state's values after each token: a scan along time, which the state before the part joins.
FailureOr<Value> ChunkKernel::running(Part &part, unsigned state) {
  const StateForm &how = form.states[state];
  Value before = part.before[state];
  for (const Gate &gate : part.gates)
    if (gate.base && gate.decay.telescope == state) {
      Value z = op<arith::AddFOp>(row(gate.base, rows), log(gate.toEnd));
      part.lifted.map(newOf(state), z);
      return z;
    }
  auto lifted = [&](Value piece, double neutral) -> FailureOr<Value> {
    FailureOr<Value> tile = lift(part, piece);
    if (succeeded(tile))
      *tile = mask(part.valid, *tile, neutral);
    return tile;
  };
  double infinity = std::numeric_limits<double>::infinity();
  double neutral = how.kind == StateForm::Min                                    ? infinity
                   : how.kind == StateForm::Add || how.kind == StateForm::Affine ? 0
                                                                                 : -infinity;
  Value x;
  if (how.x) {
    FailureOr<Value> found = lifted(how.x, neutral);
    if (failed(found))
      return failure();
    x = *found;
  }
  auto spreadBefore = [&](Value like) {
    return isa<RankedTensorType>(before.getType()) ? row(before, rows) : splat(before, like.getType());
  };
  Value result;
  auto simple = [&](auto combine) {
    Value inside = scanned({x}, [&](ValueRange a, ValueRange b) { return SmallVector<Value>{combine(a[0], b[0])}; });
    return combine(spreadBefore(inside), inside);
  };
  switch (how.kind) {
  case StateForm::Add:
    result = simple([&](Value a, Value b) { return op<arith::AddFOp>(a, b); });
    break;
  case StateForm::Max:
    result = simple([&](Value a, Value b) { return op<arith::MaximumFOp>(a, b); });
    break;
  case StateForm::Min:
    result = simple([&](Value a, Value b) { return op<arith::MinimumFOp>(a, b); });
    break;
  case StateForm::LogAddExp: {
    // A maximum and a sum of what is relative to it: one exponential each time, one logarithm at the end.
    auto combine = [&](ValueRange a, ValueRange b) {
      Value gap = op<arith::SubFOp>(a[0], b[0]);
      Value small = exp(arith::NegFOp::create(builder, loc, math::AbsFOp::create(builder, loc, gap)));
      auto compare = [&](arith::CmpFPredicate predicate) -> Value {
        return arith::CmpFOp::create(builder, loc, predicate, a[0], b[0]);
      };
      // Equal infinities have no difference.
      small = select(compare(arith::CmpFPredicate::OEQ), constant(small.getType(), 1), small);
      Value first = compare(arith::CmpFPredicate::OGE);
      Value largest = op<arith::MaximumFOp>(a[0], b[0]);
      Value sum = op<arith::AddFOp>(select(first, a[1], b[1]), op<arith::MulFOp>(select(first, b[1], a[1]), small));
      return SmallVector<Value>{largest, sum};
    };
    Value one = constant(x.getType(), 1);
    auto scanOp = scanned({x, one}, combine).getDefiningOp<tile::ScanOp>();
    SmallVector<Value> all = combine({spreadBefore(x), one}, scanOp.getResults());
    result = op<arith::AddFOp>(all[0], log(all[1]));
    break;
  }
  case StateForm::Affine: {
    FailureOr<Value> factor = lifted(how.factor, 1);
    if (failed(factor))
      return failure();
    if (!x)
      x = constant(factor->getType(), 0);
    auto scanOp = scanned({*factor, x}, [&](ValueRange a, ValueRange b) {
                    return SmallVector<Value>{op<arith::MulFOp>(a[0], b[0]),
                                              op<arith::AddFOp>(op<arith::MulFOp>(a[1], b[0]), b[1])};
                  }).getDefiningOp<tile::ScanOp>();
    result = op<arith::AddFOp>(op<arith::MulFOp>(spreadBefore(x), scanOp.getResult(0)), scanOp.getResult(1));
    if (const auto *place = llvm::find(changes, state); pass == FirstPass && place != changes.end()) {
      unsigned i = form.states.size() + (place - changes.begin());
      part.after[i] = op<arith::MulFOp>(part.before[i], lastRow(scanOp.getResult(0)));
    }
    break;
  }
  case StateForm::Linear:
  case StateForm::Delay:
    llvm_unreachable("a linear state is read by sums only");
  }
  part.lifted.map(newOf(state), result);
  // Rows without tokens change nothing.
  part.after[state] = lastRow(result);
  return result;
}

//===-- the walk -----------------------------------------------------------===//

void ChunkKernel::setRange(Part &part, Value from, Value to) {
  part.from = from;
  part.to = to;
  part.valid =
      op<arith::AndIOp>(isPosition(arith::CmpIPredicate::sge, from), isPosition(arith::CmpIPredicate::slt, to));
}

LogicalResult ChunkKernel::loadInputs(Part &part, Phase phase, Value time) {
  SmallVector<Value> wanted;
  if (phase != StatesOnly)
    llvm::append_range(wanted, outputs());
  if (phase != OutputsOnly)
    llvm::append_range(wanted, scan.getYield().getStates());
  Slice slice = sliceOf(scan, wanted, [&](Value v) { return constants.contains(v); });
  for (auto [i, argument] : llvm::enumerate(scan.getInputArguments())) {
    if (!slice.arguments.contains(argument) || !isMoving(argument))
      continue;
    FailureOr<Value> tile = loadStored(mixer.arrays[*mixer.find(Array::Input, i)], argument, time);
    if (failed(tile))
      return failure();
    part.stored[argument] = *tile;
  }
  return success();
}

LogicalResult ChunkKernel::storeOutputs(Part &part, Value time) {
  SmallVector<Value> whole(views);
  for (auto [i, output] : llvm::enumerate(scan.getYield().getOutputs())) {
    std::optional<unsigned> array = mixer.find(Array::Output, i);
    if (!array)
      continue;
    FailureOr<Value> value = lift(part, output);
    if (failed(value))
      return failure();
    Value at = time;
    if (!part.isWhole) {
      // Other rows belong to other parts.
      Value size = op<arith::SubIOp>(part.to, part.from);
      Value low = scan.getReverse() ? op<arith::SubIOp>(index(rows), part.to) : part.from;
      at = op<arith::SubIOp>(zero, low);
      const Array &into = mixer.arrays[*array];
      unsigned axis = llvm::find(into.dims.getValue(), builder.getStringAttr("T")) - into.dims.begin();
      views[*array] = tile::SliceOp::create(builder, loc, views[*array].getType(), views[*array], uint32_t(axis),
                                            op<arith::AddIOp>(time, low), size);
    }
    store(mixer.arrays[*array], output, *value, at, scan.getYield().getLoc());
  }
  views = std::move(whole);
  return success();
}

/// Outputs and states of one part.
LogicalResult ChunkKernel::work(Part &part, Phase phase, Value time) {
  if (phase != StatesOnly && failed(storeOutputs(part, time)))
    return failure();
  if (phase == OutputsOnly)
    return success();
  for (unsigned state = 0; state < form.states.size(); ++state) {
    if (form.isDelay(state))
      part.after[state] = part.before[state]; // the initial one, throughout
    if (part.after[state])
      continue;
    FailureOr<Value> next = form.states[state].kind == StateForm::Linear ? advance(part, state) : running(part, state);
    if (failed(next))
      return failure();
    if (form.states[state].kind == StateForm::Linear)
      part.after[state] = *next;
  }
  if (pass == FirstPass)
    for (auto [i, state] : llvm::enumerate(changes))
      if (form.states[state].kind == StateForm::Linear) {
        Value before = part.before[form.states.size() + i];
        part.after[form.states.size() + i] = op<arith::AddFOp>(before, gateOf(part, form.states[state])->change);
      }
  return success();
}

/// Whether a state runs, and decays depend on it: then it is computed for the whole chunk, before its parts are known.
bool ChunkKernel::isEarly(unsigned state) {
  if (form.isDelay(state))
    return false;
  SmallVector<Value> work;
  DenseSet<Value> seen;
  for (const StateForm &other : form.states) {
    if (kindOf(other.decay) < Gate::Token)
      continue;
    if (isSoftmax(other.decay))
      work.push_back(form.states[*other.decay.telescope].x);
    else if (other.decay.telescope)
      work.push_back(newOf(*other.decay.telescope));
    for (Value g : {other.decay.scalar, other.decay.channel})
      if (g)
        work.push_back(g);
  }
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (value == newOf(state))
      return true;
    if (Operation *op = value.getDefiningOp(); op && seen.insert(value).second)
      work.append(op->operand_begin(), op->operand_end());
  }
  return false;
}

/// A loop over parts of the chunk, each as long as its decays allow.
LogicalResult ChunkKernel::workInParts(Part &chunk, Phase phase, Value time) {
  // What decays need is the same for all parts.
  SmallVector<unsigned> early, late, telescopes;
  for (unsigned state = 0; state < chunk.before.size(); ++state) {
    unsigned of = state < form.states.size() ? state : changes[state - form.states.size()];
    bool isState = form.states[of].kind != StateForm::Linear || state < form.states.size();
    (isState && isEarly(of) ? early : late).push_back(state);
  }
  for (unsigned state : early)
    if (state >= form.states.size())
      continue;
    else if (form.states[state].kind == StateForm::Linear || failed(lift(chunk, newOf(state))))
      return scan.emitError() << "internal error: a decay that depends on a linear state";
  for (const StateForm &how : form.states) {
    if (how.kind != StateForm::Linear || kindOf(how.decay) < Gate::Token)
      continue;
    if (how.decay.telescope && !isSoftmax(how.decay) && !llvm::is_contained(telescopes, *how.decay.telescope))
      telescopes.push_back(*how.decay.telescope);
    if (!how.decay.telescope && failed(logDecay(chunk, how.decay)))
      return failure();
  }
  SmallVector<Value> carried{chunk.from};
  for (unsigned state : late)
    carried.push_back(chunk.before[state]);
  for (unsigned state : telescopes)
    carried.push_back(chunk.before[state]);
  SmallVector<Type> types(ValueRange(carried).getTypes());
  SmallVector<Location> locations(types.size(), loc);
  auto loopOp = scf::WhileOp::create(builder, loc, types, carried);
  OpBuilder::InsertionGuard guard(builder);
  Block *test = builder.createBlock(&loopOp.getBefore(), {}, types, locations);
  Value more = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, test->getArgument(0), chunk.to);
  scf::ConditionOp::create(builder, loc, more, test->getArguments());
  Block *body = builder.createBlock(&loopOp.getAfter(), {}, types, locations);
  ValueRange arguments = body->getArguments();

  Part part = chunk;
  part.isWhole = false;
  part.from = arguments.front();
  for (auto [i, state] : llvm::enumerate(late))
    part.before[state] = arguments[1 + i];
  if (failed(openGates(part, phase, arguments.take_back(telescopes.size()))))
    return failure();
  setRange(part, part.from, cut(part, chunk.to));
  if (failed(closeGates(part)) || failed(work(part, phase, time)))
    return failure();
  SmallVector<Value> next{part.to};
  for (unsigned state : late)
    next.push_back(part.after[state]);
  for (unsigned state : telescopes)
    next.push_back(lastOf(part, part.lifted.lookup(newOf(state))));
  scf::YieldOp::create(builder, loc, next);
  for (auto [i, state] : llvm::enumerate(late))
    chunk.after[state] = loopOp.getResult(1 + i);
  return success();
}

FailureOr<SmallVector<Value>> ChunkKernel::walk(Phase what, ValueRange states) {
  phase = what;
  moves.clear();
  Value step = index(rows);
  auto loopOp = scf::ForOp::create(builder, loc, zero, length, step, states);
  loop = loopOp;
  OpBuilder::InsertionGuard guard(builder);
  if (states.empty())
    builder.setInsertionPoint(loopOp.getBody()->getTerminator());
  else
    builder.setInsertionPointToEnd(loopOp.getBody());

  Value time = loopOp.getInductionVar();
  bool isReverse = scan.getReverse();
  if (isReverse) {
    OpBuilder before(loopOp);
    Value last = arith::SubIOp::create(before, loc, length, arith::ConstantIndexOp::create(before, loc, 1));
    last = arith::MulIOp::create(before, loc, arith::DivSIOp::create(before, loc, last, step), step);
    time = op<arith::SubIOp>(last, time);
  }
  Part part;
  part.time = part.walked = segmentFirst ? op<arith::AddIOp>(segmentFirst, time) : time;
  if (isReverse)
    part.walked = op<arith::SubIOp>(op<arith::SubIOp>(total, part.walked), step);
  part.time = time;
  part.before.assign(loopOp.getRegionIterArgs().begin(), loopOp.getRegionIterArgs().end());
  part.after.resize(part.before.size());
  bool inParts = what != OutputsOnly && llvm::any_of(form.states, [&](const StateForm &how) {
                   return how.kind == StateForm::Linear && needsParts(how.decay);
                 });
  // Where nothing tells how long the last chunk was, it may as well be whole: what lies past its end reads as zeros.
  // What is computed from zeros may be anything.
  auto isLoaded = [](Value piece) { return !piece || isa<BlockArgument>(piece); };
  bool matters =
      isReverse || inParts || what == StatesOnly || llvm::any_of(llvm::enumerate(form.states), [&](auto each) {
        if (each.value().kind == StateForm::Delay)
          return false;
        return each.value().kind != StateForm::Linear || mixer.find(Array::Final, each.index()) ||
               each.value().decay.isNone() || !isLoaded(each.value().key) || !isLoaded(each.value().value);
      });
  if (what == OutputsOnly || !matters) {
    setRange(part, zero, step);
  } else {
    Value count = op<arith::MinSIOp>(op<arith::SubIOp>(length, time), step);
    setRange(part, isReverse ? op<arith::SubIOp>(step, count) : zero, isReverse ? step : count);
  }
  if (failed(loadInputs(part, what, time)))
    return failure();
  if (inParts) {
    if (failed(workInParts(part, what, time)))
      return failure();
  } else {
    if (failed(openGates(part, what, {})) || failed(closeGates(part)) || failed(work(part, what, time)))
      return failure();
  }
  if (!states.empty())
    scf::YieldOp::create(builder, scan.getYield().getLoc(), part.after);
  return SmallVector<Value>(loopOp.getResults());
}

LogicalResult ChunkKernel::write() {
  begin(pass == FirstPass ? "_segments" : "");
  kernel->setAttr("tile.num_warps", builder.getI32IntegerAttr(int32_t(warps)));
  if (failed(place()) || failed(loadConstants()))
    return failure();
  FailureOr<SmallVector<Value>> states = startStates();
  if (failed(states))
    return failure();
  sliceByLength();
  auto numbers = RankedTensorType::get({rows}, builder.getI32Type());
  positions = tile::IotaOp::create(builder, loc, numbers);
  if (scan.getReverse())
    positions = op<arith::SubIOp>(constant(numbers, double(rows - 1)), positions);
  bool statesFirst = scan.getNoncausal() || pass == FirstPass;
  FailureOr<SmallVector<Value>> finals = walk(statesFirst ? StatesOnly : All, *states);
  if (failed(finals))
    return failure();
  builder.setInsertionPointAfter(loop);
  if (pass == FirstPass) {
    storeSegment(*finals);
  } else {
    if (scan.getNoncausal()) {
      for (auto [next, final] : llvm::zip(scan.getYield().getStates(), *finals))
        constants.map(next, final);
      if (failed(walk(OutputsOnly, {})))
        return failure();
      builder.setInsertionPointAfter(loop);
    }
    OpBuilder::InsertionGuard guard(builder);
    if (segment) {
      auto branch = scf::IfOp::create(builder, loc, endsSequence(), /*withElseRegion=*/false);
      builder.setInsertionPointToStart(branch.thenBlock());
    }
    for (unsigned state = 0; state < form.states.size(); ++state)
      if (isTurnedState(state))
        (*finals)[state] = transposed((*finals)[state]);
    if (failed(finishDelays(*finals)))
      return failure();
    storeFinals(*finals);
  }
  func::ReturnOp::create(builder, loc);
  return success();
}

namespace {
struct ChunkPass : treadle::impl::ChunkBase<ChunkPass> {
  using ChunkBase::ChunkBase;
  void runOnOperation() override {
    auto shares = getOperation()->getAttrOfType<DictionaryAttr>("treadle.shared_bytes");
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      auto share = shares ? shares.getAs<IntegerAttr>(function.getName()) : IntegerAttr();
      int64_t most = share ? std::min<int64_t>(share.getInt(), sharedBytes) : int64_t(sharedBytes);
      auto rows = function->getAttrOfType<IntegerAttr>("treadle.chunk");
      auto warps = function->getAttrOfType<IntegerAttr>("tile.num_warps");
      if (!function->hasAttr("treadle.mixer") || !rows)
        continue;
      FailureOr<Mixer> mixer = Mixer::read(function);
      if (failed(mixer))
        return signalPassFailure();
      NormalForm::Obstacle why;
      std::optional<NormalForm> form = NormalForm::of(mixer->scan, why);
      FailureOr<ChunkKernel::Schedule> schedule = ChunkKernel::Schedule();
      if (form)
        schedule = ChunkKernel::choose(*mixer, *form, {rows.getInt(), warps ? warps.getInt() : 0}, most, why);
      if (failed(schedule))
        return signalPassFailure();
      if (!schedule->rows) {
        why.op->emitRemark() << "computed token by token, not in chunks: " << why.reason;
        function->setAttr("treadle.derivation", derivationByTokens(why));
        continue;
      }
      ChunkKernel planned(*mixer, *form, *schedule);
      function->setAttr("treadle.derivation", derivationInChunks(*mixer, *form, *schedule, [&](const StateForm &how) {
                          return planned.weightsOf(how);
                        }));
      bool isSplit = function->hasAttr("treadle.split") && !planned.carriesNothing();
      if (isSplit && !ChunkKernel::canSplit(mixer->scan, *form)) {
        mixer->scan->emitRemark() << "sequences are not split: a state changes by what another is at a token";
        isSplit = false;
      }
      if (isSplit) {
        if (mixer->scan.getNoncausal()) {
          function.emitError() << "treadle.split: a noncausal scan is not split into segments";
          return signalPassFailure();
        }
        auto [first, second] = ChunkKernel::split(*mixer, *form, /*isTurned=*/true);
        if (failed(ChunkKernel(first, *form, *schedule, ChunkKernel::FirstPass).write()) ||
            failed(ChunkKernel(second, *form, *schedule, ChunkKernel::SecondPass).write()))
          return signalPassFailure();
      } else if (failed(ChunkKernel(*mixer, *form, *schedule).write())) {
        return signalPassFailure();
      }
      function.erase();
    }
  }
};
} // namespace
