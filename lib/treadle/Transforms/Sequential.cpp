//===-- Sequential.cpp - kernels that walk the sequence --------------------===//
//
// One block for each head of each sequence, or several that share an axis of the states. The states stay in registers:
//
//     states = initial states
//     for i = 0 … length - 1 { load the inputs at time i + 1; the step at time i; store the outputs; carry both }
//     store the final states
//
//===----------------------------------------------------------------------===//

#include "Mixer.h"
#include "Step.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/AffineExpr.h"
#include "treadle/Transforms/Passes.h"

namespace treadle {
#define GEN_PASS_DEF_SEQUENTIAL
#include "treadle/Transforms/Passes.h.inc"
} // namespace treadle

using namespace mlir;
using namespace treadle;

namespace {

class Kernel {
public:
  explicit Kernel(const Mixer &mixer)
      : mixer(mixer), scan(mixer.scan), sharing(scan, mixer.indexed), builder(mixer.function), loc(scan->getLoc()) {}

  LogicalResult write();

private:
  void begin();
  LogicalResult place();
  FailureOr<SmallVector<Value>> initialStates();
  Value timeAt(Value i);
  FailureOr<SmallVector<Value>> walk(const Slice &slice, ValueRange states, function_ref<void(IRMapping &, Value)> body,
                                     ValueRange next);
  LogicalResult causal();
  LogicalResult noncausal();
  void storeFinals(ValueRange states);
  SmallVector<Value> outputs();

  Value index(int64_t value) { return arith::ConstantIndexOp::create(builder, loc, value); }
  Value dim(StringRef name);
  FailureOr<Value> needDim(StringRef name);
  Value readIndex(Array::Role role, Value at);
  SmallVector<Value> indicesOf(const Array &array, Value time);
  FailureOr<Value> load(const Array &array, Value stepValue, Value time);
  void store(const Array &array, Value stepValue, Value value, Value time, Location at);
  SmallVector<Value> alongValue(const Array &array, Value stepValue, Value time, SmallVectorImpl<int32_t> &along);
  void storeOutputs(IRMapping &map, Value time);

  const Mixer &mixer;
  ScanOp scan;
  Sharing sharing;
  OpBuilder builder;
  Location loc;
  func::FuncOp kernel;
  Value zero, block, offset, head, group, sequence, entry; ///< places; `offset` and `group` where there are such
  Value first, length;                                     ///< of the sequence, in time
  IRMapping constants;                                     ///< what is the same at every time
};

//===-- signature and places -----------------------------------------------===//

/// The kernel's signature, before the mixer.
void Kernel::begin() {
  SmallVector<Type> types;
  SmallVector<Location> locations;
  for (const Array &array : mixer.arrays) {
    types.push_back(array.view);
    locations.push_back(array.loc);
  }
  func::FuncOp function = mixer.function;
  kernel = func::FuncOp::create(builder, function.getLoc(), function.getName(), builder.getFunctionType(types, {}));
  for (NamedAttribute attr : function->getDiscardableAttrs())
    if (attr.getName().getValue().starts_with("tile."))
      kernel->setAttr(attr.getName(), attr.getValue());
  for (auto [i, array] : llvm::enumerate(mixer.arrays)) {
    kernel.setArgAttr(i, "tile.name", builder.getStringAttr(array.name));
    kernel.setArgAttr(i, "tile.dims", array.dims);
  }
  AffineExpr heads = builder.getAffineSymbolExpr(0), sequences = builder.getAffineSymbolExpr(1);
  AffineExpr shares = builder.getAffineConstantExpr(sharing.numBlocks());
  auto grid = AffineMap::get(0, 2, {shares, heads, mixer.packed ? sequences - 1 : sequences}, builder.getContext());
  kernel->setAttr("tile.grid", AffineMapAttr::get(grid));
  kernel->setAttr("tile.grid_dims", builder.getStrArrayAttr({"H", mixer.packed ? "N1" : "B"}));
  kernel->setAttr("tile.kernel", builder.getUnitAttr());
  builder.setInsertionPointToStart(builder.createBlock(&kernel.getBody(), {}, types, locations));
}

/// The size of that name; null if no array has it.
Value Kernel::dim(StringRef name) {
  for (auto [i, array] : llvm::enumerate(mixer.arrays))
    for (auto [axis, found] : llvm::enumerate(array.dims))
      if (auto text = dyn_cast<StringAttr>(found); text && text.getValue() == name)
        return tile::DimOp::create(builder, loc, builder.getIndexType(), kernel.getArgument(i), uint32_t(axis));
  return {};
}

FailureOr<Value> Kernel::needDim(StringRef name) {
  if (Value size = dim(name))
    return size;
  return scan.emitError() << "expected an argument or result of the mixer over " << name << ", found none";
}

/// One element of `cu_seqlens` or `state_indices`.
Value Kernel::readIndex(Array::Role role, Value at) {
  Value view = kernel.getArgument(*mixer.find(role));
  Value element = tile::LoadOp::create(builder, loc, builder.getI64Type(), view, ValueRange{at},
                                       builder.getDenseI32ArrayAttr({}), Value());
  return arith::IndexCastOp::create(builder, loc, builder.getIndexType(), element);
}

/// What this block works on.
LogicalResult Kernel::place() {
  zero = index(0);
  head = tile::ProgramIdOp::create(builder, loc, 1);
  sequence = entry = tile::ProgramIdOp::create(builder, loc, 2);
  if (sharing.numBlocks() > 1) {
    block = tile::ProgramIdOp::create(builder, loc, 0);
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

SmallVector<Value> Kernel::indicesOf(const Array &array, Value time) {
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

/// All indices of an access, and the axes that the tile runs along.
SmallVector<Value> Kernel::alongValue(const Array &array, Value stepValue, Value time,
                                      SmallVectorImpl<int32_t> &along) {
  SmallVector<Value> indices = indicesOf(array, time);
  for (unsigned axis = array.numIndices; axis < array.dims.size(); ++axis) {
    indices.push_back(sharing.isShared(stepValue, axis - array.numIndices) ? offset : zero);
    along.push_back(int32_t(axis));
  }
  return indices;
}

/// The type of a tile, or scalar, with other elements.
static Type withElement(Type type, Type element) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? tensor.clone(element) : element;
}

FailureOr<Value> Kernel::load(const Array &array, Value stepValue, Value time) {
  FailureOr<Type> type = StepWriter(sharing, offset).typeOf(stepValue, scan);
  if (failed(type))
    return failure();
  SmallVector<int32_t> along;
  SmallVector<Value> indices = alongValue(array, stepValue, time, along);
  Value view = kernel.getArgument(&array - mixer.arrays.begin());
  Value loaded = tile::LoadOp::create(builder, stepValue.getLoc(), withElement(*type, array.view.getElementType()),
                                      view, indices, builder.getDenseI32ArrayAttr(along), Value());
  return loaded.getType() == *type ? loaded : arith::ExtFOp::create(builder, stepValue.getLoc(), *type, loaded);
}

void Kernel::store(const Array &array, Value stepValue, Value value, Value time, Location at) {
  SmallVector<int32_t> along;
  SmallVector<Value> indices = alongValue(array, stepValue, time, along);
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
  tile::StoreOp::create(builder, at, value, kernel.getArgument(&array - mixer.arrays.begin()), indices,
                        builder.getDenseI32ArrayAttr(along));
}

//===-- the walk -----------------------------------------------------------===//

FailureOr<SmallVector<Value>> Kernel::initialStates() {
  SmallVector<Value> states;
  for (auto [i, argument] : llvm::enumerate(scan.getStateArguments())) {
    if (std::optional<unsigned> array = mixer.find(Array::Initial, i)) {
      FailureOr<Value> value = load(mixer.arrays[*array], argument, {});
      if (failed(value))
        return failure();
      states.push_back(*value);
      continue;
    }
    auto fill = scan.getInitials()[i].getDefiningOp<FillOp>();
    FailureOr<Type> type = StepWriter(sharing, offset).typeOf(argument, scan);
    if (failed(type))
      return failure();
    TypedAttr value = fill.getValueAttr();
    if (auto tensor = dyn_cast<RankedTensorType>(*type))
      value = DenseElementsAttr::get(tensor, Attribute(value));
    states.push_back(arith::ConstantOp::create(builder, fill.getLoc(), value));
  }
  return states;
}

/// The i-th time of the walk.
Value Kernel::timeAt(Value i) {
  if (scan.getReverse()) {
    Value last = arith::SubIOp::create(builder, loc, length, index(1));
    i = arith::SubIOp::create(builder, loc, last, i);
  }
  return first ? arith::AddIOp::create(builder, loc, first, i).getResult() : i;
}

/// A loop over the sequence that carries states, and the inputs of the time to come: they are on their way while a step
/// is computed. `body` gets the map from the step to the kernel, to which the slice is added, and the loop goes on with
/// `next`.
FailureOr<SmallVector<Value>> Kernel::walk(const Slice &slice, ValueRange states,
                                           function_ref<void(IRMapping &, Value)> body, ValueRange next) {
  SmallVector<unsigned> moving;
  for (auto [i, argument] : llvm::enumerate(scan.getInputArguments()))
    if (slice.arguments.contains(argument) && !constants.contains(argument))
      moving.push_back(i);
  auto loadAll = [&](Value time, SmallVectorImpl<Value> &values) -> LogicalResult {
    for (unsigned i : moving) {
      FailureOr<Value> value = load(mixer.arrays[*mixer.find(Array::Input, i)], scan.getInputArguments()[i], time);
      if (failed(value))
        return failure();
      values.push_back(*value);
    }
    return success();
  };
  SmallVector<Value> carried(states);
  if (failed(loadAll(timeAt(zero), carried)))
    return failure();
  auto loop = scf::ForOp::create(builder, loc, zero, length, index(1), carried);
  OpBuilder::InsertionGuard guard(builder);
  if (carried.empty())
    builder.setInsertionPoint(loop.getBody()->getTerminator());
  else
    builder.setInsertionPointToEnd(loop.getBody());
  Value i = loop.getInductionVar(), time = timeAt(i);
  SmallVector<Value> following;
  if (!moving.empty() && failed(loadAll(timeAt(arith::AddIOp::create(builder, loc, i, index(1))), following)))
    return failure();
  IRMapping map(constants);
  ValueRange args = loop.getRegionIterArgs();
  if (!states.empty())
    map.map(scan.getStateArguments(), args.take_front(states.size()));
  for (auto [input, value] : llvm::zip(moving, args.drop_front(states.size())))
    map.map(scan.getInputArguments()[input], value);
  if (failed(StepWriter(sharing, offset).write(builder, slice, map)))
    return failure();
  body(map, time);
  if (!carried.empty()) {
    SmallVector<Value> values(llvm::map_range(next, [&](Value value) { return map.lookup(value); }));
    llvm::append_range(values, following);
    scf::YieldOp::create(builder, scan.getYield().getLoc(), values);
  }
  return SmallVector<Value>(loop.getResults().take_front(states.size()));
}

/// The step's outputs that the kernel has arrays for.
SmallVector<Value> Kernel::outputs() {
  SmallVector<Value> values;
  for (auto [i, output] : llvm::enumerate(scan.getYield().getOutputs()))
    if (mixer.find(Array::Output, i))
      values.push_back(output);
  return values;
}

void Kernel::storeOutputs(IRMapping &map, Value time) {
  for (auto [i, output] : llvm::enumerate(scan.getYield().getOutputs()))
    if (std::optional<unsigned> array = mixer.find(Array::Output, i))
      store(mixer.arrays[*array], output, map.lookup(output), time, scan.getYield().getLoc());
}

void Kernel::storeFinals(ValueRange states) {
  for (auto [i, state] : llvm::enumerate(states))
    if (std::optional<unsigned> array = mixer.find(Array::Final, i))
      store(mixer.arrays[*array], scan.getStateArguments()[i], state, {}, scan.getYield().getLoc());
}

static bool isNothing(Value) { return false; }

/// Outputs and states in one walk.
LogicalResult Kernel::causal() {
  FailureOr<SmallVector<Value>> states = initialStates();
  if (failed(states))
    return failure();
  YieldOp yield = scan.getYield();
  SmallVector<Value> wanted(outputs());
  llvm::append_range(wanted, yield.getStates());
  Slice slice = sliceOf(scan, wanted, isNothing);
  auto body = [&](IRMapping &map, Value time) { storeOutputs(map, time); };
  FailureOr<SmallVector<Value>> finals = walk(slice, *states, body, yield.getStates());
  if (succeeded(finals))
    storeFinals(*finals);
  return finals;
}

/// A walk for the states, then one for the outputs.
LogicalResult Kernel::noncausal() {
  FailureOr<SmallVector<Value>> states = initialStates();
  if (failed(states))
    return failure();
  YieldOp yield = scan.getYield();
  for (Value next : yield.getStates())
    if (llvm::is_contained(scan.getInputArguments(), next))
      return yield.emitError() << "in a noncausal step a state's new value cannot be an input as it is: outputs could "
                                  "mean either";
  Slice updates = sliceOf(scan, yield.getStates(), isNothing);
  FailureOr<SmallVector<Value>> finals = walk(updates, *states, [](IRMapping &, Value) {}, yield.getStates());
  if (failed(finals))
    return failure();
  storeFinals(*finals);
  Slice rest = sliceOf(scan, outputs(), [&](Value v) { return llvm::is_contained(yield.getStates(), v); });
  for (auto [argument, user] : rest.arguments)
    if (llvm::is_contained(scan.getStateArguments(), argument))
      return user->emitError() << "an output of a noncausal step comes from its own time's inputs and the states' new "
                                  "values, found the old value of state "
                               << cast<BlockArgument>(argument).getArgNumber() - scan.getInputs().size();
  for (auto [next, final] : llvm::zip(yield.getStates(), *finals))
    constants.map(next, final);
  return walk(rest, {}, [&](IRMapping &map, Value time) { storeOutputs(map, time); }, {});
}

LogicalResult Kernel::write() {
  begin();
  if (failed(place()))
    return failure();
  // Inputs that are the same at every time.
  for (auto [i, input, argument] : llvm::enumerate(scan.getInputs(), scan.getInputArguments())) {
    if (cast<FieldType>(input.getType()).getIndices().contains('T') || argument.use_empty())
      continue;
    FailureOr<Value> value = load(mixer.arrays[*mixer.find(Array::Input, i)], argument, {});
    if (failed(value))
      return failure();
    constants.map(argument, *value);
  }
  if (failed(scan.getNoncausal() ? noncausal() : causal()))
    return failure();
  func::ReturnOp::create(builder, loc);
  return success();
}

struct SequentialPass : treadle::impl::SequentialBase<SequentialPass> {
  void runOnOperation() override {
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (!function->hasAttr("treadle.mixer"))
        continue;
      FailureOr<Mixer> mixer = Mixer::read(function);
      if (failed(mixer) || failed(Kernel(*mixer).write()))
        return signalPassFailure();
      function.erase();
    }
  }
};

} // namespace
