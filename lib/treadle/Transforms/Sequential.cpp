//===-- Sequential.cpp - kernels that walk the sequence --------------------===//
//
// One block for each head of each sequence, or several that share an axis of the states. The states stay in registers:
//
//     states = initial states
//     for i = 0 … length - 1 { load the inputs at time i + 1; the step at time i; store the outputs; carry both }
//     store the final states
//
// Where a sequence is split into segments, a first kernel walks over each of them from no state.
//
//===----------------------------------------------------------------------===//

#include "Segments.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "treadle/Transforms/Passes.h"
#include "llvm/ADT/ScopeExit.h"

namespace treadle {
#define GEN_PASS_DEF_SEQUENTIAL
#include "treadle/Transforms/Passes.h.inc"
} // namespace treadle

using namespace mlir;
using namespace treadle;

namespace {

/// Steps of a segment that a loop takes at once.
constexpr int64_t timesAtOnce = 4;

class Kernel : public Segmented {
public:
  Kernel(const Mixer &mixer, const NormalForm &form, Pass pass)
      : Segmented(mixer, form, pass, /*isTurned=*/false, /*rows=*/0, /*least=*/1) {}

  LogicalResult write();

private:
  Value timeAt(Value i);
  using Body = function_ref<SmallVector<Value>(IRMapping &, ValueRange, Value)>;
  FailureOr<SmallVector<Value>> loopOver(Value begin, Value end, int64_t unroll, const Slice &slice, ValueRange states,
                                         Body body);
  FailureOr<SmallVector<Value>> walk(const Slice &slice, ValueRange states, Body body);
  LogicalResult causal();
  LogicalResult noncausal();
  LogicalResult segments();
  int64_t chooseWarps();
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

/// A loop over times from `begin` to `end` that carries states, and the inputs of the `unroll` times to come: they are
/// on their way while as many steps are computed. `body` gets the map from the step to the kernel, to which the slice
/// is added, and the time, and says with what the loop goes on.
FailureOr<SmallVector<Value>> Kernel::loopOver(Value begin, Value end, int64_t unroll, const Slice &slice,
                                               ValueRange states, Body body) {
  SmallVector<unsigned> moving;
  for (auto [i, argument] : llvm::enumerate(scan.getInputArguments()))
    if (slice.arguments.contains(argument) && !constants.contains(argument))
      moving.push_back(i);
  // Of several times, addresses are steps from that of the first.
  auto group = [&](Value from) {
    SmallVector<Value> whole(views);
    if (unroll > 1)
      views = viewsFrom(scan.getReverse() ? op<arith::SubIOp>(timeAt(from), index(unroll - 1)) : timeAt(from),
                        index(unroll));
    return whole;
  };
  auto timeIn = [&](Value from, int64_t ahead) {
    return unroll == 1 ? timeAt(from) : index(scan.getReverse() ? unroll - 1 - ahead : ahead);
  };
  auto loadAll = [&](Value from, SmallVectorImpl<Value> &values) -> LogicalResult {
    SmallVector<Value> whole = group(from);
    llvm::scope_exit restore([&] { views = whole; });
    for (int64_t ahead = 0; ahead < unroll && !moving.empty(); ++ahead) {
      Value time = timeIn(from, ahead);
      for (unsigned i : moving) {
        FailureOr<Value> value = load(mixer.arrays[*mixer.find(Array::Input, i)], scan.getInputArguments()[i], time);
        if (failed(value))
          return failure();
        values.push_back(*value);
      }
    }
    return success();
  };
  SmallVector<Value> carried(states);
  if (failed(loadAll(begin, carried)))
    return failure();
  auto loop = scf::ForOp::create(builder, loc, begin, end, index(unroll), carried);
  OpBuilder::InsertionGuard guard(builder);
  if (carried.empty())
    builder.setInsertionPoint(loop.getBody()->getTerminator());
  else
    builder.setInsertionPointToEnd(loop.getBody());
  Value i = loop.getInductionVar();
  SmallVector<Value> following, values(loop.getRegionIterArgs().take_front(states.size()));
  ValueRange inputs = loop.getRegionIterArgs().drop_front(states.size());
  if (!moving.empty() && failed(loadAll(op<arith::AddIOp>(i, index(unroll)), following)))
    return failure();
  SmallVector<Value> whole = group(i);
  llvm::scope_exit restore([&] { views = whole; });
  for (int64_t ahead = 0; ahead < unroll; ++ahead) {
    IRMapping map(constants);
    if (!states.empty())
      map.map(scan.getStateArguments(), ValueRange(values).take_front(scan.getNumStates()));
    for (auto [input, value] : llvm::zip(moving, inputs.slice(ahead * moving.size(), moving.size())))
      map.map(scan.getInputArguments()[input], value);
    if (failed(still().write(builder, slice, map)))
      return failure();
    values = body(map, values, timeIn(i, ahead));
  }
  if (!carried.empty()) {
    llvm::append_range(values, following);
    scf::YieldOp::create(builder, scan.getYield().getLoc(), values);
  }
  return SmallVector<Value>(loop.getResults().take_front(states.size()));
}

/// A loop over the sequence: of a segment, which is long, over several times at once.
FailureOr<SmallVector<Value>> Kernel::walk(const Slice &slice, ValueRange states, Body body) {
  if (pass == Whole)
    return loopOver(zero, length, 1, slice, states, body);
  Value rest = op<arith::RemSIOp>(length, index(timesAtOnce));
  Value middle = op<arith::SubIOp>(length, rest);
  FailureOr<SmallVector<Value>> after = loopOver(zero, middle, timesAtOnce, slice, states, body);
  return failed(after) ? after : loopOver(middle, length, 1, slice, *after, body);
}

void Kernel::storeOutputs(IRMapping &map, Value time) {
  for (auto [i, output] : llvm::enumerate(scan.getYield().getOutputs()))
    if (std::optional<unsigned> array = mixer.find(Array::Output, i))
      store(mixer.arrays[*array], output, map.lookup(output), time, scan.getYield().getLoc());
}

static bool isNothing(Value) { return false; }

static SmallVector<Value> lookup(IRMapping &map, ValueRange values) {
  return SmallVector<Value>(llvm::map_range(values, [&](Value value) { return map.lookup(value); }));
}

/// Outputs and states in one walk.
LogicalResult Kernel::causal() {
  FailureOr<SmallVector<Value>> states = startStates();
  if (failed(states))
    return failure();
  if (pass == SecondPass)
    sliceByLength();
  YieldOp yield = scan.getYield();
  SmallVector<Value> wanted(outputs());
  llvm::append_range(wanted, yield.getStates());
  FailureOr<SmallVector<Value>> finals =
      walk(sliceOf(scan, wanted, isNothing), *states, [&](IRMapping &map, ValueRange, Value time) {
        storeOutputs(map, time);
        return lookup(map, yield.getStates());
      });
  if (failed(finals))
    return failure();
  OpBuilder::InsertionGuard guard(builder);
  if (pass == SecondPass) {
    auto branch = scf::IfOp::create(builder, loc, endsSequence(), /*withElseRegion=*/false);
    builder.setInsertionPointToStart(branch.thenBlock());
  }
  storeFinals(*finals);
  return success();
}

/// What a segment makes of no state, and by how much it decays.
LogicalResult Kernel::segments() {
  FailureOr<SmallVector<Value>> states = startStates();
  if (failed(states))
    return failure();
  sliceByLength();
  SmallVector<Value> wanted(scan.getYield().getStates());
  for (unsigned state : changes)
    for (Value piece : {form.states[state].factor, form.states[state].decay.scalar, form.states[state].decay.channel})
      if (piece)
        wanted.push_back(piece);
  FailureOr<SmallVector<Value>> found =
      walk(sliceOf(scan, wanted, isNothing), *states, [&](IRMapping &map, ValueRange carried, Value) {
        SmallVector<Value> next = lookup(map, scan.getYield().getStates());
        for (auto [before, state] : llvm::zip(carried.take_back(changes.size()), changes)) {
          const StateForm &how = form.states[state];
          if (how.kind == StateForm::Affine) {
            next.push_back(op<arith::MulFOp>(before, map.lookup(how.factor)));
            continue;
          }
          Value change = how.decay.channel ? map.lookup(how.decay.channel) : map.lookup(how.decay.scalar);
          if (how.decay.channel && how.decay.scalar)
            change = op<arith::AddFOp>(change, splat(map.lookup(how.decay.scalar), change.getType()));
          next.push_back(op<arith::AddFOp>(before, change));
        }
        return next;
      });
  if (succeeded(found))
    storeSegment(*found);
  return found;
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
  FailureOr<SmallVector<Value>> finals =
      walk(updates, *states, [&](IRMapping &map, ValueRange, Value) { return lookup(map, yield.getStates()); });
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
  return walk(rest, {}, [&](IRMapping &map, ValueRange, Value time) {
    storeOutputs(map, time);
    return SmallVector<Value>();
  });
}

/// Warps that have one element of the largest state for each lane, of segments two; where states are matrices, as many
/// as kernels have.
int64_t Kernel::chooseWarps() {
  int64_t largest = 1;
  for (Value state : scan.getStateArguments())
    if (FailureOr<Type> type = still().typeOf(state, scan); succeeded(type) && isa<RankedTensorType>(*type))
      largest = std::max(largest, cast<RankedTensorType>(*type).getNumElements());
  return std::clamp<int64_t>(int64_t(llvm::PowerOf2Ceil(largest)) / (pass == Whole ? 32 : 64), 1, 4);
}

LogicalResult Kernel::write() {
  begin(pass == FirstPass ? "_segments" : "");
  if (!kernel->hasAttr("tile.num_warps"))
    kernel->setAttr("tile.num_warps", builder.getI32IntegerAttr(int32_t(chooseWarps())));
  func::FuncOp whole = mixer.function;
  auto shares = whole->getParentOfType<ModuleOp>()->getAttrOfType<DictionaryAttr>("treadle.shared_bytes");
  if (shares && shares.contains(whole.getName()))
    kernel->setAttr("tile.num_stages", builder.getI32IntegerAttr(1));
  if (failed(place()) || failed(loadConstants()))
    return failure();
  if (failed(pass == FirstPass ? segments() : scan.getNoncausal() ? noncausal() : causal()))
    return failure();
  func::ReturnOp::create(builder, loc);
  return success();
}

/// One kernel, or the two of a sequence that is split.
static LogicalResult writeKernels(const Mixer &mixer) {
  NormalForm none;
  ScanOp scan = mixer.scan;
  if (!mixer.function->hasAttr("treadle.split") || !scan.getNumStates())
    return Kernel(mixer, none, Kernel::Whole).write();
  if (scan.getNoncausal())
    return mixer.function->emitError() << "treadle.split: a noncausal scan is not split into segments";
  NormalForm::Obstacle why{scan, "a state changes by what another is at a token"};
  std::optional<NormalForm> form = NormalForm::of(scan, why);
  bool hasDelays =
      form && llvm::any_of(form->states, [](const StateForm &how) { return how.kind == StateForm::Delay; });
  if (!form || hasDelays || !Kernel::canSplit(scan, *form)) {
    why.op->emitRemark() << "sequences are not split: " << (hasDelays ? "a state is a delay" : why.reason);
    return Kernel(mixer, none, Kernel::Whole).write();
  }
  auto [first, second] = Kernel::split(mixer, *form, /*isTurned=*/false);
  if (failed(Kernel(first, *form, Kernel::FirstPass).write()))
    return failure();
  return Kernel(second, *form, Kernel::SecondPass).write();
}

struct SequentialPass : treadle::impl::SequentialBase<SequentialPass> {
  void runOnOperation() override {
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (!function->hasAttr("treadle.mixer"))
        continue;
      FailureOr<Mixer> mixer = Mixer::read(function);
      if (failed(mixer) || failed(writeKernels(*mixer)))
        return signalPassFailure();
      function.erase();
    }
  }
};

} // namespace
