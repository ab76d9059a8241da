//===-- Sequential.cpp - kernels that walk the sequence --------------------===//
//
// One block for each head of each sequence, or several that share an axis of the states. The states stay in registers:
//
//     states = initial states
//     for i = 0 … length - 1 { load the inputs at time i + 1; the step at time i; store the outputs; carry both }
//     store the final states
//
//===----------------------------------------------------------------------===//

#include "Frame.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "treadle/Transforms/Passes.h"

namespace treadle {
#define GEN_PASS_DEF_SEQUENTIAL
#include "treadle/Transforms/Passes.h.inc"
} // namespace treadle

using namespace mlir;
using namespace treadle;

namespace {

class Kernel : Frame {
public:
  explicit Kernel(const Mixer &mixer) : Frame(mixer) {}

  LogicalResult write();

private:
  Value timeAt(Value i);
  FailureOr<SmallVector<Value>> walk(const Slice &slice, ValueRange states, function_ref<void(IRMapping &, Value)> body,
                                     ValueRange next);
  LogicalResult causal();
  LogicalResult noncausal();
  void storeOutputs(IRMapping &map, Value time);
};

//===-- the walk -----------------------------------------------------------===//

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
  if (failed(still().write(builder, slice, map)))
    return failure();
  body(map, time);
  if (!carried.empty()) {
    SmallVector<Value> values(llvm::map_range(next, [&](Value value) { return map.lookup(value); }));
    llvm::append_range(values, following);
    scf::YieldOp::create(builder, scan.getYield().getLoc(), values);
  }
  return SmallVector<Value>(loop.getResults().take_front(states.size()));
}

void Kernel::storeOutputs(IRMapping &map, Value time) {
  for (auto [i, output] : llvm::enumerate(scan.getYield().getOutputs()))
    if (std::optional<unsigned> array = mixer.find(Array::Output, i))
      store(mixer.arrays[*array], output, map.lookup(output), time, scan.getYield().getLoc());
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
  if (failed(place()) || failed(loadConstants()))
    return failure();
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
