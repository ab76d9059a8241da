//===-- Segments.cpp - sequences in segments, one block each ---------------===//
//
// Where there are fewer heads and sequences than the GPU has room for, each sequence is split:
//
//     first kernel    each segment's states, from none, and by how much it decays
//     second kernel   for each segment, the initial state and the segments before it put together; then the walk
//
//===----------------------------------------------------------------------===//

#include "Segments.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace treadle;

/// An array over segments, sequences and heads for a value of that shape.
static Array segmentArray(Mixer &mixer, unsigned position, const Twine &name, ArrayRef<int64_t> value) {
  Builder builder(mixer.function.getContext());
  SmallVector<Attribute> dims;
  for (StringRef index : {"segments", mixer.packed ? "N" : "B", "H"})
    dims.push_back(builder.getStringAttr(index));
  SmallVector<int64_t> shape(3, ShapedType::kDynamic), strides(3, ShapedType::kDynamic);
  int64_t stride = ShapedType::getNumElements(value);
  int64_t align = std::min<int64_t>(16, 4 * (stride & -stride));
  for (int64_t size : value) {
    dims.push_back(builder.getI64IntegerAttr(size));
    shape.push_back(size);
    strides.push_back(stride /= size);
  }
  auto view = tile::ViewType::get(builder.getContext(), shape, builder.getF32Type(), strides, align, /*maxBytes=*/0);
  return {Array::Segment, position, name.str(), mixer.scan.getLoc(), view, builder.getArrayAttr(dims), 3};
}

static ArrayRef<int64_t> shapeOf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? tensor.getShape() : ArrayRef<int64_t>();
}

/// Whether the decay of a state over a segment has to be kept: it is neither none, nor the same for all tokens, nor
/// told by another state.
static bool keepsChange(ScanOp scan, const StateForm &how) {
  if (how.decay.telescope)
    return false;
  if (how.kind == StateForm::Affine)
    return true;
  auto isStill = [&](Value g) {
    Slice slice = sliceOf(scan, g, [](Value) { return false; });
    return llvm::all_of(slice.arguments, [&](auto &argument) {
      unsigned number = cast<BlockArgument>(argument.first).getArgNumber();
      return number < scan.getInputs().size() &&
             !cast<FieldType>(scan.getInputs()[number].getType()).getIndices().contains('T');
    });
  };
  return how.decay.channel || (how.decay.scalar && !isStill(how.decay.scalar));
}

Segmented::Segmented(const Mixer &mixer, const NormalForm &form, Pass pass, bool isTurned, int64_t rows, int64_t least)
    : Frame(mixer, form, rows, least), form(form), pass(pass), isTurned(isTurned) {
  if (pass != Whole)
    for (auto [state, how] : llvm::enumerate(form.states))
      if (keepsChange(scan, how))
        changes.push_back(state);
}

//===-- what is the same for all tokens ------------------------------------===//

/// Whether a value of the step may differ from token to token.
bool Segmented::isMoving(Value value) {
  if (constants.contains(value))
    return false;
  if (auto it = moves.find(value); it != moves.end())
    return it->second;
  bool result;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    unsigned number = argument.getArgNumber();
    result = argument.getOwner() == &scan.getStep().front() &&
             (number >= scan.getInputs().size() ||
              cast<FieldType>(scan.getInputs()[number].getType()).getIndices().contains('T'));
  } else {
    Operation *op = value.getDefiningOp();
    auto next = scan.getYield().getStates();
    bool runs = llvm::any_of(llvm::enumerate(next), [&](auto state) {
      return state.value() == value && (form.states.empty() || !form.isDelay(state.index()));
    });
    result = form.readoutOf(value) || runs ||
             llvm::any_of(op->getOperands(), [&](Value operand) { return isMoving(operand); });
  }
  return moves[value] = result;
}

/// A value that is the same for all tokens, computed once before the loop.
FailureOr<Value> Segmented::stillValue(Value value) {
  if (Value known = constants.lookupOrNull(value))
    return known;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(loop);
  Operation *op = value.getDefiningOp();
  for (Value operand : op->getOperands())
    if (failed(stillValue(operand)))
      return failure();
  if (failed(still().write(builder, op, constants)))
    return failure();
  return constants.lookup(value);
}

//===-- segments -----------------------------------------------------------===//

/// The arrays from one time on.
SmallVector<Value> Segmented::viewsFrom(Value from, Value size) {
  SmallVector<Value> sliced(views);
  for (auto [i, array] : llvm::enumerate(mixer.arrays))
    for (auto [axis, dim] : llvm::enumerate(array.dims.getValue().take_front(array.numIndices)))
      if (auto name = dyn_cast<StringAttr>(dim); name && name.getValue() == "T")
        sliced[i] = tile::SliceOp::create(builder, loc, views[i].getType(), views[i], uint32_t(axis), from, size);
  return sliced;
}

/// Packed or split sequences: the part of each array that is this block's, so that bounds are those of the walk.
void Segmented::sliceByLength() {
  if (first)
    views = viewsFrom(first, length);
  first = {};
  total = length;
  sequenceViews = views;
  if (!segment)
    return;
  Value size, start = segmentStart(segment, size);
  segmentFirst = start;
  length = size;
  if (pass == FirstPass) {
    // Nothing comes after the last.
    Value isLast =
        arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, segment, op<arith::SubIOp>(segments, index(1)));
    length = select(isLast, zero, size);
  }
  views = viewsFrom(segmentFirst, length);
}

/// e^(g count), 1 where count is 0 whatever g is.
Value Segmented::power(Value g, Value count) {
  Value some = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OGT, count, constant(count.getType(), 0));
  return exp(select(some, op<arith::MulFOp>(splat(g, count.getType()), count), constant(count.getType(), 0)));
}

/// Whether what segments make of no state can be put together: nothing depends on the running value of a state at a
/// token, of which a segment by itself knows its own part. Of S that decays by z - z', a key e^(x - z) is such that
/// S e^z does not depend on z.
bool Segmented::canSplit(ScanOp scan, const NormalForm &form) {
  YieldOp yield = scan.getYield();
  // The first of the kernels, which writes no outputs, has to know how many tokens there are.
  if (llvm::none_of(scan.getInputs().getTypes(),
                    [](Type input) { return cast<FieldType>(input).getIndices().contains('T'); }))
    return false;
  auto isFree = [&](Value piece) {
    SmallVector<Value> work{piece};
    DenseSet<Value> seen;
    while (!work.empty()) {
      Value value = work.pop_back_val();
      if (!value || !seen.insert(value).second)
        continue;
      if (auto *state = llvm::find(scan.getStateArguments(), value); state != scan.getStateArguments().end()) {
        if (!form.isDelay(state - scan.getStateArguments().begin()))
          return false;
        continue;
      }
      if (Operation *op = value.getDefiningOp())
        work.append(op->operand_begin(), op->operand_end());
    }
    return true;
  };
  return llvm::all_of(form.states, [&](const StateForm &how) {
    if (!how.decay.telescope)
      return isFree(how.x) && isFree(how.factor) && isFree(how.key) && isFree(how.value) && isFree(how.decay.scalar) &&
             isFree(how.decay.channel);
    SmallVector<Value> work{how.kind == StateForm::Affine ? how.x : how.key};
    unsigned found = 0;
    Value z = yield.getStates()[*how.decay.telescope];
    if (!work.front() || !isFree(how.value))
      return false;
    while (!work.empty()) {
      Value factor = work.pop_back_val();
      if (Operation *op = factor.getDefiningOp();
          isa_and_nonnull<arith::MulFOp, tile::BroadcastOp, tile::ExpandDimsOp>(op)) {
        work.append(op->operand_begin(), op->operand_end());
        continue;
      }
      auto power = factor.getDefiningOp<math::ExpOp>();
      auto gap = power ? power.getOperand().getDefiningOp<arith::SubFOp>() : arith::SubFOp();
      Value x = !gap                                    ? Value()
                : gap.getRhs() == z && !how.decay.rises ? gap.getLhs()
                : gap.getLhs() == z && how.decay.rises  ? gap.getRhs()
                                                        : Value();
      if (x && isFree(x))
        ++found;
      else if (!isFree(factor))
        return false;
    }
    return found == 1;
  });
}

std::pair<Mixer, Mixer> Segmented::split(const Mixer &whole, const NormalForm &form, bool isTurned) {
  Mixer mixer = whole;
  Segmented names(whole, form, SecondPass, isTurned, 0, 1);
  unsigned position = 0;
  // The walks of a backward are in one program.
  auto walk = mixer.function->getAttrOfType<StringAttr>("treadle.walk");
  std::string prefix = walk ? (walk.getValue() + "_segment_").str() : "segment_";
  for (auto [state, how] : llvm::enumerate(form.states)) {
    if (form.isDelay(state)) {
      ++position;
      continue;
    }
    SmallVector<int64_t> shape(shapeOf(names.oldOf(state).getType()));
    if (names.isTurnedState(state))
      std::swap(shape[0], shape[1]);
    mixer.arrays.push_back(segmentArray(mixer, position++, prefix + "state" + Twine(state), shape));
  }
  for (unsigned state : names.changes) {
    const StateForm &how = form.states[state];
    Value like = how.kind == StateForm::Affine ? names.oldOf(state) : how.decay.channel;
    ArrayRef<int64_t> shape = like ? shapeOf(like.getType()) : ArrayRef<int64_t>();
    mixer.arrays.push_back(segmentArray(mixer, position++, prefix + "decay" + Twine(state), shape));
  }
  Mixer first = mixer;
  llvm::erase_if(first.arrays, [&](const Array &array) {
    return (array.role == Array::Initial && !form.isDelay(array.position)) || array.role == Array::Output ||
           array.role == Array::Final;
  });
  return {std::move(first), std::move(mixer)};
}

/// Whether a state is held transposed.
bool Segmented::isTurnedState(unsigned state) {
  const StateForm &how = form.states[state];
  return isTurned && how.kind == StateForm::Linear && how.value && how.axis == 0;
}

/// Where a segment begins, and its size.
Value Segmented::segmentStart(Value number, Value &size) {
  Value step = index(std::max<int64_t>(rows, 16)), one = index(1);
  auto quotient = [&](Value a, Value b) {
    Value sum = op<arith::AddIOp>(a, op<arith::SubIOp>(b, one));
    return op<arith::DivSIOp>(sum, b);
  };
  // Of the walk, before bounds are those of a segment.
  Value whole = total ? total : length;
  Value most = span ? index(span) : op<arith::MulIOp>(quotient(quotient(whole, segments), step), step);
  if (scan.getReverse() && !span)
    number = op<arith::SubIOp>(op<arith::SubIOp>(segments, one), number);
  Value start = op<arith::MinSIOp>(op<arith::MulIOp>(number, most), whole);
  size = op<arith::MinSIOp>(most, op<arith::SubIOp>(whole, start));
  return start;
}

/// Whether this block's segment is the one with the last token, or the first of a sequence without any.
Value Segmented::endsSequence() {
  auto compare = [&](arith::CmpIPredicate predicate, Value a, Value b) -> Value {
    return arith::CmpIOp::create(builder, loc, predicate, a, b);
  };
  Value end = scan.getReverse() ? segmentFirst : op<arith::AddIOp>(segmentFirst, length);
  Value isEnd = compare(arith::CmpIPredicate::eq, end, scan.getReverse() ? zero : total);
  Value hasTokens = compare(arith::CmpIPredicate::sgt, length, zero);
  Value isFirst = compare(arith::CmpIPredicate::eq, segment, zero);
  return op<arith::AndIOp>(isEnd, op<arith::OrIOp>(hasTokens, isFirst));
}

/// States before any token, and decays of none.
FailureOr<SmallVector<Value>> Segmented::neutralStates() {
  SmallVector<Value> result;
  double infinity = std::numeric_limits<double>::infinity();
  for (auto [state, how] : llvm::enumerate(form.states)) {
    FailureOr<Type> type = still().typeOf(oldOf(state), scan);
    if (failed(type))
      return failure();
    if (auto matrix = dyn_cast<RankedTensorType>(*type); matrix && isTurnedState(state))
      *type = matrix.clone({matrix.getDimSize(1), matrix.getDimSize(0)});
    bool isLog = how.kind == StateForm::Max || how.kind == StateForm::LogAddExp;
    result.push_back(constant(*type, isLog ? -infinity : how.kind == StateForm::Min ? infinity : 0));
  }
  for (unsigned state : changes) {
    const StateForm &how = form.states[state];
    Value of = how.kind == StateForm::Affine ? oldOf(state) : how.decay.channel ? how.decay.channel : how.decay.scalar;
    FailureOr<Type> type = still().typeOf(of, scan);
    if (failed(type))
      return failure();
    result.push_back(constant(*type, how.kind == StateForm::Affine ? 1 : 0));
  }
  return result;
}

/// The value that the first kernel found for one of the states, or decays, of a segment.
Value Segmented::readSegment(unsigned position, Type type, Value number) {
  unsigned array = *mixer.find(Array::Segment, position);
  SmallVector<Value> indices{number, sequence, head};
  SmallVector<int32_t> along;
  for (int64_t axis = 0; axis < int64_t(shapeOf(type).size()); ++axis) {
    indices.push_back(isSharedAxis(position, axis) ? offset : zero);
    along.push_back(int32_t(3 + axis));
  }
  return tile::LoadOp::create(builder, loc, type, views[array], indices, builder.getDenseI32ArrayAttr(along), Value());
}

/// Whether blocks share an axis of what is kept of a segment.
bool Segmented::isSharedAxis(unsigned position, unsigned axis) {
  bool isState = position < form.states.size();
  unsigned state = isState ? position : changes[position - form.states.size()];
  const StateForm &how = form.states[state];
  if (isState && isTurnedState(state))
    axis = 1 - axis;
  if (!isState && how.kind == StateForm::Linear)
    axis = how.axis; // a decay of channels has one axis, this one of its state
  return sharing.isShared(oldOf(state), axis);
}

void Segmented::storeSegment(ValueRange values) {
  for (auto [position, value] : llvm::enumerate(values)) {
    std::optional<unsigned> array = mixer.find(Array::Segment, position);
    if (!array)
      continue;
    SmallVector<Value> indices{segment, sequence, head};
    SmallVector<int32_t> along;
    bool isShared = false;
    for (unsigned axis = 0; axis < shapeOf(value.getType()).size(); ++axis) {
      bool here = isSharedAxis(position, axis);
      isShared |= here;
      indices.push_back(here ? offset : zero);
      along.push_back(int32_t(3 + axis));
    }
    OpBuilder::InsertionGuard guard(builder);
    if (block && !isShared) {
      Value isFirst = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, block, zero);
      auto branch = scf::IfOp::create(builder, loc, isFirst, /*withElseRegion=*/false);
      builder.setInsertionPointToStart(branch.thenBlock());
    }
    tile::StoreOp::create(builder, loc, value, views[*array], indices, builder.getDenseI32ArrayAttr(along));
  }
}

/// A state after two stretches of a sequence, from what it is after each. `later` has decays after its states; `size`
/// is how many tokens it is of.
Value Segmented::combined(unsigned state, ValueRange earlier, ValueRange later, Value size) {
  const StateForm &how = form.states[state];
  Value a = earlier[state], b = later[state];
  switch (how.kind) {
  case StateForm::Add:
    return op<arith::AddFOp>(a, b);
  case StateForm::Max:
    return op<arith::MaximumFOp>(a, b);
  case StateForm::Min:
    return op<arith::MinimumFOp>(a, b);
  case StateForm::Delay:
    return a;
  case StateForm::LogAddExp:
    return logAddExp(builder, loc, a, b);
  case StateForm::Affine:
    if (how.decay.telescope)
      break;
    return op<arith::AddFOp>(
        op<arith::MulFOp>(a, later[form.states.size() + (llvm::find(changes, state) - changes.begin())]), b);
  case StateForm::Linear:
    break;
  }
  // A factor for each channel, or one for all.
  auto times = [&](Value value, Value g) {
    Value factor = exp(g);
    if (!isa<RankedTensorType>(factor.getType()))
      factor = splat(factor, value.getType());
    else if (factor.getType() != value.getType())
      factor = how.axis == 0 && !isTurnedState(state) ? spread(builder, loc, factor, shapeOf(value.getType()))
                                                      : row(factor, shapeOf(value.getType())[0]);
    return op<arith::MulFOp>(value, factor);
  };
  if (how.decay.isNone())
    return op<arith::AddFOp>(a, b);
  if (how.decay.telescope) {
    unsigned z = *how.decay.telescope;
    Value after = combined(z, earlier, later, size);
    // What has no tokens is at infinity, from which there is no difference.
    auto fall = [&](Value from) {
      Value gap = how.decay.rises ? op<arith::SubFOp>(after, from) : op<arith::SubFOp>(from, after);
      Value same = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OEQ, from, after);
      return select(same, constant(gap.getType(), 0), gap);
    };
    return op<arith::AddFOp>(times(a, fall(earlier[z])), times(b, fall(later[z])));
  }
  const auto *kept = llvm::find(changes, state);
  if (kept != changes.end())
    return op<arith::AddFOp>(times(a, later[form.states.size() + (kept - changes.begin())]), b);
  Value count = arith::SIToFPOp::create(builder, loc, builder.getF32Type(),
                                        arith::IndexCastOp::create(builder, loc, builder.getI32Type(), size));
  Value factor = power(constants.lookup(how.decay.scalar), count);
  return op<arith::AddFOp>(op<arith::MulFOp>(a, splat(factor, a.getType())), b);
}

/// The states at the start of this block's segment: of the first kernel, before any token.
FailureOr<SmallVector<Value>> Segmented::startStates() {
  FailureOr<SmallVector<Value>> states = pass == FirstPass ? neutralStates() : initialStates();
  if (failed(states))
    return failure();
  for (unsigned state = 0; state < form.states.size(); ++state) {
    if (pass == FirstPass && form.isDelay(state)) {
      FailureOr<Value> initial = initialState(state);
      if (failed(initial))
        return failure();
      (*states)[state] = *initial;
    } else if (pass != FirstPass && isTurnedState(state)) {
      (*states)[state] = transposed((*states)[state]);
    }
  }
  return pass == SecondPass ? combineSegments(*states) : states;
}

/// What `initial` and the segments before this block's come to.
FailureOr<SmallVector<Value>> Segmented::combineSegments(ValueRange initial) {
  // What a decay is, where it is the same for all tokens.
  for (const StateForm &how : form.states)
    if (how.kind == StateForm::Linear && how.decay.scalar && !isMoving(how.decay.scalar)) {
      OpBuilder::InsertionGuard guard(builder);
      Operation *here = tile::ProgramIdOp::create(builder, loc, 0);
      loop = here;
      if (failed(stillValue(how.decay.scalar)))
        return failure();
    }
  FailureOr<SmallVector<Value>> like = neutralStates();
  if (failed(like))
    return failure();
  // Several are read at once, but for matrices, which take too many registers.
  bool isSmall = llvm::all_of(*like, [](Value value) { return shapeOf(value.getType()).size() < 2; });
  int64_t together = isSmall ? 4 : 1;
  auto loopOp = scf::ForOp::create(builder, loc, zero, segment, index(together), initial);
  {
    OpBuilder::InsertionGuard guard(builder);
    if (initial.empty())
      builder.setInsertionPoint(loopOp.getBody()->getTerminator());
    else
      builder.setInsertionPointToEnd(loopOp.getBody());
    SmallVector<SmallVector<Value>> read;
    SmallVector<Value> sizes, states(loopOp.getRegionIterArgs());
    for (int64_t ahead = 0; ahead < together; ++ahead) {
      Value number = op<arith::AddIOp>(loopOp.getInductionVar(), index(ahead)), size;
      Value isBefore = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, number, segment);
      segmentStart(number, size);
      sizes.push_back(together == 1 ? size : select(isBefore, size, zero));
      SmallVector<Value> &later = read.emplace_back();
      for (auto [position, value] : llvm::enumerate(*like)) {
        Value found;
        if (mixer.find(Array::Segment, position))
          found = readSegment(position, value.getType(), number);
        later.push_back(found && together > 1 ? select(isBefore, found, value) : found);
      }
    }
    for (auto [later, size] : llvm::zip(read, sizes)) {
      SmallVector<Value> next;
      for (unsigned state = 0; state < form.states.size(); ++state)
        next.push_back(combined(state, states, later, size));
      states = next;
    }
    if (!initial.empty())
      scf::YieldOp::create(builder, loc, states);
  }
  return SmallVector<Value>(loopOp.getResults());
}
