//===-- Frame.cpp - what kernels of mixers have in common ------------------===//

#include "Frame.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace treadle;

/// Bytes of states that a block keeps in registers, token by token: few, as blocks are many and take turns.
static constexpr int64_t stateBytesByTokens = 20 << 10;

Frame::Frame(const Mixer &mixer, const NormalForm &form, int64_t rows, int64_t least)
    : mixer(mixer), scan(mixer.scan), sharing(scan, form, mixer.indexed, rows ? mixer.stateBytes : stateBytesByTokens),
      builder(mixer.function), loc(scan->getLoc()), rows(rows), least(least) {
  isApproximate = !narrowestOutput(scan).isF32();
}

//===-- little builders ----------------------------------------------------===//

Value Frame::constant(Type type, double value) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr attr = isa<FloatType>(element) ? TypedAttr(builder.getFloatAttr(element, value))
                                           : TypedAttr(builder.getIntegerAttr(element, int64_t(value)));
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    attr = DenseElementsAttr::get(tensor, Attribute(attr));
  return arith::ConstantOp::create(builder, loc, attr);
}

Value Frame::splat(Value scalar, Type type) {
  return isa<RankedTensorType>(type) ? tile::SplatOp::create(builder, loc, type, scalar).getResult() : scalar;
}

Value Frame::row(Value vector, int64_t count) {
  auto type = cast<RankedTensorType>(vector.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.insert(shape.begin(), 1);
  Value one = tile::ExpandDimsOp::create(builder, loc, type.clone(shape), vector, 0u);
  shape.front() = count;
  return tile::BroadcastOp::create(builder, loc, type.clone(shape), one);
}

Value Frame::select(Value condition, Value yes, Value no) {
  return arith::SelectOp::create(builder, loc, condition, yes, no);
}

Value Frame::transposed(Value tile) {
  auto type = cast<RankedTensorType>(tile.getType());
  return tile::TransposeOp::create(builder, loc, type.clone({type.getDimSize(1), type.getDimSize(0)}), tile,
                                   builder.getDenseI32ArrayAttr({1, 0}));
}

Value Frame::exp(Value value) {
  auto power = math::ExpOp::create(builder, loc, value);
  if (isApproximate)
    approximate(power);
  return power;
}

Value Frame::log(Value value) {
  auto result = math::LogOp::create(builder, loc, value);
  if (isApproximate)
    approximate(result);
  return result;
}

//===-- signature and places -----------------------------------------------===//

void Frame::begin(StringRef suffix) {
  SmallVector<Type> types;
  SmallVector<Location> locations;
  SmallVector<const Array *> distinct;
  for (const Array &array : mixer.arrays) {
    auto *known =
        llvm::find_if(distinct, [&](const Array *other) { return array.whole && other->whole == array.whole; });
    numbers.push_back(known - distinct.begin());
    if (known != distinct.end())
      continue;
    distinct.push_back(&array);
    types.push_back(array.view);
    locations.push_back(array.loc);
  }
  func::FuncOp function = mixer.function;
  kernel = func::FuncOp::create(builder, function.getLoc(), (function.getName() + suffix).str(),
                                builder.getFunctionType(types, {}));
  for (NamedAttribute attr : function->getDiscardableAttrs())
    if (attr.getName().getValue().starts_with("tile.") || attr.getName() == "treadle.derivation" ||
        attr.getName() == "treadle.walk")
      kernel->setAttr(attr.getName(), attr.getValue());
  for (auto [i, array] : llvm::enumerate(distinct)) {
    kernel.setArgAttr(i, "tile.name", builder.getStringAttr(array->name));
    kernel.setArgAttr(i, "tile.dims", array->dims);
  }
  AffineExpr heads = builder.getAffineSymbolExpr(0), sequences = builder.getAffineSymbolExpr(1);
  AffineExpr shares = builder.getAffineConstantExpr(sharing.numBlocks());
  SmallVector<StringRef> dims{"H", mixer.packed ? "N1" : "B"};
  if (mixer.isSplit()) {
    // Blocks that share an axis are neighbours: what all of them read is read at one time.
    shares = shares * builder.getAffineSymbolExpr(dims.size());
    dims.push_back("segments");
  } else if (span) {
    // One at least: a sequence without tokens has states.
    shares = shares * (builder.getAffineSymbolExpr(dims.size()).floorDiv(span) + 1);
    dims.push_back("T");
  }
  auto grid =
      AffineMap::get(0, dims.size(), {shares, heads, mixer.packed ? sequences - 1 : sequences}, builder.getContext());
  kernel->setAttr("tile.grid", AffineMapAttr::get(grid));
  kernel->setAttr("tile.grid_dims", builder.getStrArrayAttr(dims));
  kernel->setAttr("tile.kernel", builder.getUnitAttr());
  builder.setInsertionPointToStart(builder.createBlock(&kernel.getBody(), {}, types, locations));
  for (auto [number, array] : llvm::zip(numbers, mixer.arrays)) {
    Value view = kernel.getArgument(number);
    for (const Array::Narrow &narrow : array.narrows) {
      auto type = tile::NarrowOp::typeOf(cast<tile::ViewType>(view.getType()), narrow.axis, narrow.from, narrow.size);
      view = tile::NarrowOp::create(builder, array.loc, type, view, narrow.axis, uint32_t(narrow.from));
    }
    views.push_back(view);
  }
}

Value Frame::index(int64_t value) { return arith::ConstantIndexOp::create(builder, loc, value); }

/// The size of that name; null if no array has it.
Value Frame::dim(StringRef name) {
  for (auto [i, array] : llvm::enumerate(mixer.arrays))
    for (auto [axis, found] : llvm::enumerate(array.dims))
      if (auto text = dyn_cast<StringAttr>(found); text && text.getValue() == name)
        return tile::DimOp::create(builder, loc, builder.getIndexType(), kernel.getArgument(numbers[i]),
                                   uint32_t(axis));
  return {};
}

FailureOr<Value> Frame::needDim(StringRef name) {
  if (Value size = dim(name))
    return size;
  return scan.emitError() << "expected an argument or result of the mixer over " << name << ", found none";
}

/// One element of `cu_seqlens` or `state_indices`.
Value Frame::readIndex(Array::Role role, Value at) {
  Value view = kernel.getArgument(numbers[*mixer.find(role)]);
  Value element = tile::LoadOp::create(builder, loc, builder.getI64Type(), view, ValueRange{at},
                                       builder.getDenseI32ArrayAttr({}), Value());
  return arith::IndexCastOp::create(builder, loc, builder.getIndexType(), element);
}

LogicalResult Frame::place() {
  zero = index(0);
  head = tile::ProgramIdOp::create(builder, loc, 1);
  sequence = entry = tile::ProgramIdOp::create(builder, loc, 2);
  Value place = tile::ProgramIdOp::create(builder, loc, 0);
  if (mixer.isSplit() || span) {
    Value shares = index(sharing.numBlocks());
    segments = dim("segments");
    segment = arith::DivSIOp::create(builder, loc, place, shares);
    place = arith::RemSIOp::create(builder, loc, place, shares);
  }
  if (sharing.numBlocks() > 1) {
    block = place;
    offset = arith::MulIOp::create(builder, loc, block, index(sharing.width()));
  }
  FailureOr<Value> heads = needDim("H");
  if (failed(heads) || (!mixer.packed && failed(needDim("B"))))
    return failure();
  if (Value groups = dim("G")) {
    // At least one group, and one head to a group, whatever the arrays are: there is no dividing by 0.
    Value one = index(1);
    groups = arith::MaxSIOp::create(builder, loc, groups, one);
    Value each = arith::DivSIOp::create(builder, loc, *heads, groups);
    group = arith::DivSIOp::create(builder, loc, head, arith::MaxSIOp::create(builder, loc, each, one));
  }
  if (mixer.packed) {
    first = readIndex(Array::Lengths, sequence);
    Value next = arith::AddIOp::create(builder, loc, sequence, index(1));
    length = arith::SubIOp::create(builder, loc, readIndex(Array::Lengths, next), first);
  } else {
    FailureOr<Value> time = needDim("T");
    if (failed(time))
      return failure();
    length = *time;
  }
  if (mixer.indexed)
    entry = readIndex(Array::Entries, sequence);
  return success();
}

//===-- memory -------------------------------------------------------------===//

SmallVector<Value> Frame::indicesOf(const Array &array, Value time) {
  if (array.role == Array::Initial || array.role == Array::Final)
    return {entry, head};
  SmallVector<Value> indices;
  for (Attribute dim : array.dims.getValue().take_front(array.numIndices)) {
    auto name = dyn_cast<StringAttr>(dim);
    indices.push_back(!name                    ? zero // the only batch of packed sequences
                      : name.getValue() == "B" ? sequence
                      : name.getValue() == "T" ? time
                      : name.getValue() == "H" ? head
                                               : group);
  }
  return indices;
}

/// All indices of an access, and the axes that the tile runs along: time first, if there are rows.
SmallVector<Value> Frame::access(const Array &array, Value stepValue, Value time, SmallVectorImpl<int32_t> &along) {
  SmallVector<Value> indices = indicesOf(array, time);
  if (rows && time)
    for (auto [axis, dim] : llvm::enumerate(array.dims.getValue().take_front(array.numIndices)))
      if (auto name = dyn_cast<StringAttr>(dim); name && name.getValue() == "T")
        along.push_back(int32_t(axis));
  indices.append(array.dims.size() - indices.size(), zero);
  for (auto [at, axis] : llvm::enumerate(array.valueAxes())) {
    if (sharing.isShared(stepValue, at))
      indices[axis] = offset;
    along.push_back(int32_t(axis));
  }
  return indices;
}

/// The type of a tile, or scalar, with other elements.
static Type withElement(Type type, Type element) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? tensor.clone(element) : element;
}

FailureOr<Value> Frame::loadStored(const Array &array, Value stepValue, Value time) {
  FailureOr<Type> type = (time && rows ? moving() : still()).typeOf(stepValue, scan);
  if (failed(type))
    return failure();
  SmallVector<int32_t> along;
  SmallVector<Value> indices = access(array, stepValue, time, along);
  Value view = views[&array - mixer.arrays.begin()];
  return tile::LoadOp::create(builder, stepValue.getLoc(), withElement(*type, array.view.getElementType()), view,
                              indices, builder.getDenseI32ArrayAttr(along), Value())
      .getResult();
}

Value Frame::widened(Value stored) {
  Type element = getElementTypeOrSelf(stored.getType());
  if (!isa<FloatType>(element) || element.isF32())
    return stored;
  return arith::ExtFOp::create(builder, stored.getLoc(), withElement(stored.getType(), builder.getF32Type()), stored);
}

FailureOr<Value> Frame::load(const Array &array, Value stepValue, Value time) {
  FailureOr<Value> stored = loadStored(array, stepValue, time);
  if (succeeded(stored))
    *stored = widened(*stored);
  return stored;
}

FailureOr<Value> Frame::loadRest(const Array &array, Value stepValue, Value at) {
  FailureOr<Type> type = moving().typeOf(stepValue, scan);
  if (failed(type))
    return failure();
  const Array::Narrow &narrow = array.narrows.front();
  Value view = kernel.getArgument(numbers[&array - mixer.arrays.begin()]);
  int64_t rest = array.view.getShape()[narrow.axis] - narrow.from;
  auto narrowed = tile::NarrowOp::typeOf(array.view, narrow.axis, narrow.from, rest);
  {
    // Before loops, whose addresses are computed ahead.
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(&kernel.getBody().front());
    view = tile::NarrowOp::create(builder, loc, narrowed, view, narrow.axis, uint32_t(narrow.from));
  }
  SmallVector<int32_t> along;
  SmallVector<Value> indices = access(array, stepValue, {}, along);
  indices[narrow.axis] = at;
  along.insert(along.begin(), int32_t(narrow.axis));
  return tile::LoadOp::create(builder, loc, *type, view, indices, builder.getDenseI32ArrayAttr(along), Value())
      .getResult();
}

void Frame::store(const Array &array, Value stepValue, Value value, Value time, Location at) {
  SmallVector<int32_t> along;
  SmallVector<Value> indices = access(array, stepValue, time, along);
  Type stored = withElement(value.getType(), array.view.getElementType());
  OpBuilder::InsertionGuard guard(builder);
  if (block && !sharing.isShared(stepValue)) {
    // All blocks have it; one writes it.
    Value isFirst = arith::CmpIOp::create(builder, at, arith::CmpIPredicate::eq, block, zero);
    auto branch = scf::IfOp::create(builder, at, isFirst, /*withElseRegion=*/false);
    builder.setInsertionPointToStart(branch.thenBlock());
  }
  if (value.getType() != stored)
    value = arith::TruncFOp::create(builder, at, stored, value);
  tile::StoreOp::create(builder, at, value, views[&array - mixer.arrays.begin()], indices,
                        builder.getDenseI32ArrayAttr(along));
}

LogicalResult Frame::loadConstants() {
  for (auto [i, input, argument] : llvm::enumerate(scan.getInputs(), scan.getInputArguments())) {
    if (cast<FieldType>(input.getType()).getIndices().contains('T') || argument.use_empty())
      continue;
    FailureOr<Value> value = load(mixer.arrays[*mixer.find(Array::Input, i)], argument, {});
    if (failed(value))
      return failure();
    constants.map(argument, *value);
  }
  return success();
}

FailureOr<Value> Frame::initialState(unsigned state) {
  Value argument = scan.getStateArguments()[state];
  if (std::optional<unsigned> array = mixer.find(Array::Initial, state))
    return load(mixer.arrays[*array], argument, {});
  auto fill = scan.getInitials()[state].getDefiningOp<FillOp>();
  FailureOr<Type> type = still().typeOf(argument, scan);
  if (failed(type))
    return failure();
  TypedAttr value = fill.getValueAttr();
  if (auto tensor = dyn_cast<RankedTensorType>(*type))
    value = DenseElementsAttr::get(tensor, Attribute(value));
  return arith::ConstantOp::create(builder, fill.getLoc(), value).getResult();
}

FailureOr<SmallVector<Value>> Frame::initialStates() {
  SmallVector<Value> states;
  for (unsigned state = 0; state < scan.getNumStates(); ++state) {
    FailureOr<Value> value = initialState(state);
    if (failed(value))
      return failure();
    states.push_back(*value);
  }
  return states;
}

SmallVector<Value> Frame::outputs() {
  SmallVector<Value> values;
  for (auto [i, output] : llvm::enumerate(scan.getYield().getOutputs()))
    if (mixer.find(Array::Output, i))
      values.push_back(output);
  return values;
}

void Frame::storeFinals(ValueRange states) {
  for (auto [i, state] : llvm::enumerate(states))
    if (std::optional<unsigned> array = mixer.find(Array::Final, i))
      store(mixer.arrays[*array], scan.getStateArguments()[i], state, {}, scan.getYield().getLoc());
}
