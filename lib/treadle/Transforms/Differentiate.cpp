//===-- Differentiate.cpp - the mixers of a backward -----------------------===//
//
// The step, and what its gradients are, token by token:
//
//     outputs, new states = step(inputs, old states)
//     gradients of inputs and old states = pull(step, gradients of outputs and new states)
//
// What of this depends on old states is known walking as the forward does, what depends on gradients of new states
// walking back. So there are several mixers, whose walks follow each other:
//
// and of a noncausal one
//
//     final     the walk of the forward: gradients of what outputs are of, and what is kept of the final states
//     totals    the gradients of the final states, sums over all tokens
//     ends      the products of final states and their gradients, where running sums begin
//
// after the first of
//
//     past      from the initial states: gradients that need no later token, and what the other has to know
//     future    from the final states' gradients, in the other direction: most of the others; with treadle.apart in
//               several mixers, whose blocks can share what one block of all has to have
//     sums      in that direction as well: gradients of decays, which are running sums of what the others keep
//
// What a walk has to know of those before is kept, a value for each token, as few numbers as will do; everything else
// is computed again. A state as large as a matrix is not kept for the gradient of its decay: of S = e^g S + u, G being
// the gradient of the new S and w what the token itself reads of it,
//
//     S · G = w · S + (e^g S) · G  of the next token,      (e^g S) · G = S · G - u · G
//
// summed along the axes along which g is the same, so the gradient of g is a running sum from the end:
//
//     d = d of the next token + w · S - u · G
//
// in which w · u is in both products and left out, and where g is by how much a running state changed, its gradient
// that of this state, w · S - u · G alone.
//
//===----------------------------------------------------------------------===//

#include "Adjoint.h"
#include "Mixer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/TypeUtilities.h"
#include "treadle/Transforms/Passes.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"

namespace treadle {
#define GEN_PASS_DEF_DIFFERENTIATE
#include "treadle/Transforms/Passes.h.inc"
} // namespace treadle

using namespace mlir;
using namespace treadle;

namespace {

/// A factor e^g of a state, whose gradient is a running sum.
struct DecayFactor {
  unsigned state;
  Value power;                 ///< e^g, an op of its own
  SmallVector<unsigned> along; ///< axes of the state along which it differs
  Value before, after;         ///< the sum from the end up to the token
};

/// What a mixer that is written has for an array, or two for a state.
struct Field {
  FieldType type;
  Value value;          ///< in the joint step
  std::string argument; ///< the array that is read; of a state, where it starts, none: from a number
  std::string result;   ///< the array that is written; of a state, where it ends
  Value next{};         ///< of a state
  Value like{}; ///< what the forward has in this place: an argument, or of a state that starts from a number that
};

struct Sweep {
  SmallVector<Field> inputs, states, outputs;
  unsigned walk = 1;
  llvm::SetVector<Value> cut{}; ///< what others have kept
};

class Differentiator {
public:
  Differentiator(func::FuncOp function, ScanOp scan)
      : function(function), scan(scan), builder(function.getContext()), adjoint(builder) {}
  LogicalResult run();

private:
  LogicalResult check();
  void begin();
  void readFinalStates();
  SmallVector<DecayFactor> decaysOf(unsigned state);
  LogicalResult pullAll();
  Value summed(const DecayFactor &factor, Value value);
  tile::PrecisionAttr productsOf(const DenseSet<Value> &computed);
  std::optional<std::pair<unsigned, bool>> changeOf(const DecayFactor &factor);
  /// What a token adds and reads itself is in both sums of a decay's gradient: they are formed without it, as small as
  /// the decay makes them.
  bool isTakenApart(unsigned state) {
    return llvm::any_of(decays[state], [&](const DecayFactor &factor) { return !telescopes(factor); });
  }
  bool telescopes(const DecayFactor &factor) { return !hasInitial && !endsWeighed() && changeOf(factor); }
  /// Whether final states have gradients.
  bool endsWeighed() { return hasFinal || scan.getNoncausal(); }
  /// The array of a final state's gradient.
  std::string endOf(unsigned state) {
    bool isRead = finalStates[state] && adjoint.of(finalStates[state]);
    return isRead ? stateNames[state] + "_total_grad" : hasFinal ? stateNames[state] + "_final_grad" : "";
  }
  void pullDecays(unsigned state);
  void addFinalDecay(DecayFactor &factor, const std::string &name);
  bool isOfOld(Value value, unsigned state) {
    return value == oldStates[state] || decaying.contains(value.getDefiningOp());
  }
  void findDependence();
  /// Which walk computes a value; 0: any.
  unsigned walkOf(Value value) {
    unsigned all = depends.lookup(value);
    return all & InSums ? Sums : all & InFuture ? Future : all & InFinal ? Final : all & InPast ? Past : 0;
  }
  bool isBefore(Value value, unsigned walk) { return walkOf(value) && walkOf(value) < walk; }
  bool isComputedApart(const DecayFactor &factor) { return factor.along.empty() || function->hasAttr("treadle.split"); }
  void choose();
  using Cut = llvm::SetVector<Value>;
  Cut cutOf(ValueRange roots, unsigned walk);
  DenseSet<Value> used(ValueRange roots, const Cut &cut);
  DenseSet<Value> used(ValueRange roots) { return used(roots, Cut()); }
  SmallVector<bool> neededStates(SmallVectorImpl<Value> &roots, bool withStates, unsigned walk);
  void addBackward(ArrayRef<unsigned> ofInputs, bool withStates, unsigned walk);
  SmallVector<SmallVector<unsigned>> groupsOfInputs();
  void fillForward(Sweep &sweep);
  void chooseForward(Sweep &sweep);
  void chooseTotals();
  FieldType fieldOf(StringRef indices, Value value);
  bool isYielded(Value value) { return llvm::is_contained(outputs, value) || llvm::is_contained(newStates, value); }
  Value zeroOf(Type type);
  void addKept(Sweep &sweep, const DenseSet<Value> &known);
  void addCut(Sweep &sweep);
  /// Of what is the same at all times, in a noncausal scan: the walk that has final states cannot sum as well.
  bool isTotal(unsigned input) {
    Value gradient = inputGradients[input];
    auto type = cast<FieldType>(scan.getInputs()[input].getType());
    return gradient && walkOf(gradient) == Final && !type.getIndices().contains('T');
  }
  void addInputs(Sweep &sweep, const DenseSet<Value> &values);
  void addGradient(Sweep &sweep, unsigned input);
  void write(const Sweep &sweep, StringRef suffix, bool isReverse);
  StringRef nameOf(Value field) {
    return function.getArgAttrOfType<StringAttr>(cast<BlockArgument>(field).getArgNumber(), "treadle.name");
  }

  func::FuncOp function;
  ScanOp scan;
  OpBuilder builder;
  Adjoint adjoint;
  Region region;
  Block *joint = nullptr;
  SmallVector<Value> inputs, oldStates, newStates, outputs; ///< of the step, in the joint one
  SmallVector<Value> finalStates;                           ///< arguments: what outputs of a noncausal scan are of
  SmallVector<Value> outputGradients, newGradients;         ///< arguments of the joint step
  SmallVector<Value> inputGradients, oldGradients;          ///< found; null: none
  SmallVector<std::string> stateNames, outputNames;
  bool hasInitial = false, hasFinal = false;
  SmallVector<SmallVector<DecayFactor>> decays; ///< of every state
  DenseMap<Operation *, unsigned> decaying;     ///< products of factors with an old state
  enum Walk { Past = 1, Final, Totals, Future, Sums };
  enum : unsigned { InPast = 1, InFinal = 2, InFuture = 4, InSums = 8 };
  DenseMap<Value, unsigned> depends; ///< on old states, final ones, gradients of new ones, running sums apart
  DenseSet<Value> differing;         ///< sums that running sums of decays are of, whose differences matter
  DenseSet<Value> begun;             ///< running sums that begin with final states
  DenseMap<unsigned, Value> finals;  ///< of states: gradients of the final ones, where sums begin with them
  Cut kept;                          ///< by a walk, for a later one
  Sweep past, ofFinal, totals, ends;
  SmallVector<Sweep, 1> backward; ///< in order
};

} // namespace

static ArrayRef<int64_t> shapeOf(Value value) {
  auto tensor = dyn_cast<RankedTensorType>(value.getType());
  return tensor ? tensor.getShape() : ArrayRef<int64_t>();
}

static int64_t sizeOf(Value value) { return ShapedType::getNumElements(shapeOf(value)); }

LogicalResult Differentiator::check() {
  auto isFieldOf = [&](Value value) { return isa<BlockArgument>(value) || value.getDefiningOp<FillOp>(); };
  for (Value field : llvm::concat<Value>(SmallVector<Value>(scan.getInputs()), SmallVector<Value>(scan.getInitials())))
    if (!isFieldOf(field))
      return scan.emitError() << "a mixer whose arrays are taken apart has no backward; expected arguments and fills";
  Operation *end = function.getBody().front().getTerminator();
  outputNames.resize(scan.getNumOutputs());
  stateNames.resize(scan.getNumStates());
  for (auto [i, value] : llvm::enumerate(end->getOperands())) {
    auto result = dyn_cast<OpResult>(value);
    auto name = function.getResultAttrOfType<StringAttr>(i, "treadle.name");
    if (!result || result.getOwner() != scan || !name)
      return end->emitError() << "result " << i << " of a mixer with treadle.backward must be a result of the scan";
    unsigned number = result.getResultNumber();
    if (number < scan.getNumOutputs()) {
      outputNames[number] = name.str();
    } else {
      stateNames[number - scan.getNumOutputs()] = name.str();
      hasFinal = true;
    }
  }
  for (auto [state, initial] : llvm::enumerate(scan.getInitials()))
    if (isa<BlockArgument>(initial)) {
      stateNames[state] = nameOf(initial).str();
      hasInitial = true;
    }
  for (auto [i, name] : llvm::enumerate(stateNames))
    if (name.empty())
      name = ("state" + Twine(i)).str();
  return success();
}

/// The joint step: the step itself, and arguments for the gradients of its results.
void Differentiator::begin() {
  IRMapping map;
  scan.getStep().cloneInto(&region, map);
  joint = &region.front();
  auto yield = cast<YieldOp>(joint->getTerminator());
  outputs.assign(yield.getOutputs().begin(), yield.getOutputs().end());
  newStates.assign(yield.getStates().begin(), yield.getStates().end());
  unsigned numInputs = scan.getInputs().size();
  inputs.assign(joint->args_begin(), joint->args_begin() + numInputs);
  oldStates.assign(joint->args_begin() + numInputs, joint->args_end());
  for (Value output : outputs)
    outputGradients.push_back(joint->addArgument(output.getType(), output.getLoc()));
  for (Value state : newStates)
    newGradients.push_back(joint->addArgument(state.getType(), state.getLoc()));
  yield.erase();
  builder.setInsertionPointToEnd(joint);
  finalStates.resize(newStates.size());
  if (scan.getNoncausal())
    readFinalStates();
}

/// Outputs are of the final states, not of the new ones that the walk has at a token.
void Differentiator::readFinalStates() {
  IRMapping map;
  for (auto [final, next] : llvm::zip(finalStates, newStates)) {
    final = joint->addArgument(next.getType(), next.getLoc());
    map.map(next, final);
  }
  for (Operation &op : llvm::make_early_inc_range(*joint))
    if (llvm::none_of(op.getResults(), [&](Value v) { return map.contains(v); }) &&
        llvm::any_of(op.getOperands(), [&](Value v) { return map.contains(v); }))
      builder.clone(op, map);
  for (Value &output : outputs)
    output = map.lookupOrDefault(output);
}

/// A value without the broadcasts around it, with the axes of what is around that are its own.
static Value stripped(Value value, SmallVector<unsigned> &axes) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto broadcast = dyn_cast<tile::BroadcastOp>(op)) {
      value = broadcast.getOperand();
      for (auto [axis, size] : llvm::enumerate(shapeOf(value)))
        if (size == 1)
          axes[axis] = ~0u;
    } else if (auto expand = dyn_cast<tile::ExpandDimsOp>(op)) {
      value = expand.getOperand();
      axes.erase(axes.begin() + expand.getAxis());
    } else if (auto splat = dyn_cast<tile::SplatOp>(op)) {
      axes.clear();
      return splat.getValue();
    } else {
      break;
    }
  }
  return value;
}

/// The factors of S = e^g S + u, if that is how a matrix, or a vector that is summed over, goes on; else none.
SmallVector<DecayFactor> Differentiator::decaysOf(unsigned state) {
  Value old = oldStates[state], next = newStates[state];
  Operation *sum = next.getDefiningOp();
  auto hasOneUse = [&](Value value) { return value.hasOneUse() && !isYielded(value); };
  if (!isa_and_nonnull<arith::AddFOp, arith::SubFOp>(sum) || !hasOneUse(old) || shapeOf(old).empty())
    return {};
  bool isVector = shapeOf(old).size() == 1;
  auto isSummed = [](OpOperand &use) {
    return isa<arith::MulFOp>(use.getOwner()) && use.getOwner()->hasOneUse() &&
           isa<tile::ReduceOp>(*use.getOwner()->user_begin());
  };
  if (isVector && (next.use_empty() || !llvm::all_of(next.getUses(), isSummed)))
    return {};
  SmallVector<DecayFactor> found;
  Operation *product = *old.user_begin();
  Value inner = old;
  while (isa<arith::MulFOp>(product)) {
    Value other = product->getOperand(product->getOperand(0) == inner ? 1 : 0);
    SmallVector<unsigned> axes;
    for (unsigned axis = 0; axis < shapeOf(old).size(); ++axis)
      axes.push_back(axis);
    Value power = stripped(other, axes);
    llvm::erase(axes, ~0u);
    if (!power.getDefiningOp<math::ExpOp>() || axes.size() != shapeOf(power).size())
      return {};
    found.push_back({state, power, axes, {}, {}});
    if (!hasOneUse(product->getResult(0)))
      return {};
    inner = product->getResult(0);
    product = *product->user_begin();
  }
  if (product != sum || (isa<arith::SubFOp>(sum) && sum->getOperand(0) != inner))
    return {};
  return found;
}

/// The sum of a matrix along the axes along which a factor is the same.
Value Differentiator::summed(const DecayFactor &factor, Value value) {
  for (unsigned axis = shapeOf(value).size(); axis-- > 0;)
    if (!llvm::is_contained(factor.along, axis))
      value = adjoint.sumAlong(value, axis);
  for (Value sum : used(value))
    if (auto reduce = sum.getDefiningOp<tile::ReduceOp>();
        reduce && shapeOf(reduce.getOperand(0)).size() > 1 && !telescopes(factor))
      differing.insert(sum);
  return value;
}

/// How exact the products of a walk are that computes what running sums of decays add: the more so the longer the sum.
tile::PrecisionAttr Differentiator::productsOf(const DenseSet<Value> &computed) {
  if (llvm::none_of(differing, [&](Value value) { return computed.contains(value); }))
    return {};
  bool isSummed = false;
  for (auto [gradient, field] : llvm::zip(inputGradients, scan.getInputs()))
    if (gradient && !cast<FieldType>(field.getType()).getIndices().contains('T')) {
      DenseSet<Value> values = used(gradient);
      for (auto &factors : decays)
        for (DecayFactor &factor : factors)
          isSummed |= factor.after && values.contains(factor.after);
    }
  return tile::PrecisionAttr::get(builder.getContext(), isSummed ? tile::Precision::tf32x3 : tile::Precision::tf32);
}

/// The state by whose change, new - old if it rises and old - new if not, a decay is.
std::optional<std::pair<unsigned, bool>> Differentiator::changeOf(const DecayFactor &factor) {
  auto gap = factor.power.getDefiningOp()->getOperand(0).getDefiningOp<arith::SubFOp>();
  for (unsigned z = 0; gap && z < oldStates.size(); ++z) {
    if (gap.getLhs() == oldStates[z] && gap.getRhs() == newStates[z])
      return std::pair(z, false);
    if (gap.getLhs() == newStates[z] && gap.getRhs() == oldStates[z])
      return std::pair(z, true);
  }
  return std::nullopt;
}

/// The gradients of a state's decays, once all that reads its new value is known.
void Differentiator::pullDecays(unsigned state) {
  Value next = newStates[state];
  Operation *sum = next.getDefiningOp();
  Location loc = sum->getLoc();
  unsigned oldPlace = isOfOld(sum->getOperand(0), state) ? 0 : 1;
  Value decayed = sum->getOperand(oldPlace), added = sum->getOperand(1 - oldPlace);
  // What a token adds and reads itself is in both sums: without it they are as small as the decay makes them.
  bool isApart = isTakenApart(state);
  SmallVector<Value> reads;
  for (Value term : adjoint.termsOf(next))
    if (term != newGradients[state])
      reads.push_back(arith::MulFOp::create(builder, loc, isApart ? decayed : next, term));
  if (isApart) {
    Value own;
    for (Value term : adjoint.termsOf(next))
      if (term != newGradients[state])
        own = own ? arith::AddFOp::create(builder, loc, own, term).getResult() : term;
    if (own) {
      Value all = arith::AddFOp::create(builder, loc, newGradients[state], own);
      adjoint.setParts(all, newGradients[state], own);
      adjoint.setSum(next, all);
    }
  }
  Value written = arith::MulFOp::create(builder, loc, added, isApart ? newGradients[state] : adjoint.of(next));
  auto minus = [&](Value value) -> Value { return arith::NegFOp::create(builder, loc, value); };
  for (DecayFactor &factor : decays[state]) {
    if (telescopes(factor)) {
      // Sums of the change telescope, and so do the running sums of its gradient.
      auto [z, rises] = *changeOf(factor);
      SmallVector<Value> parts{summed(factor, written)};
      if (rises == isa<arith::AddFOp>(sum))
        parts[0] = minus(parts[0]);
      for (Value read : reads)
        parts.push_back(rises ? summed(factor, read) : minus(summed(factor, read)));
      for (Value part : parts)
        adjoint.add(newStates[z], part);
      continue;
    }
    if (isa<arith::AddFOp>(sum))
      factor.after = arith::SubFOp::create(builder, loc, factor.before, summed(factor, written));
    else
      factor.after = arith::AddFOp::create(builder, loc, factor.before, summed(factor, written));
    for (Value read : reads)
      factor.after = arith::AddFOp::create(builder, loc, factor.after, summed(factor, read));
    adjoint.add(factor.power.getDefiningOp()->getOperand(0), factor.after);
  }
}

LogicalResult Differentiator::pullAll() {
  SmallVector<Operation *> ops;
  for (Operation &op : *joint)
    ops.push_back(&op);
  for (auto [output, gradient] : llvm::zip(outputs, outputGradients))
    adjoint.add(output, gradient);
  for (unsigned state = 0; state < oldStates.size(); ++state) {
    adjoint.add(newStates[state], newGradients[state]);
    decays.push_back(decaysOf(state));
    for (DecayFactor &factor : decays.back())
      factor.before = joint->addArgument(factor.power.getType(), factor.power.getLoc());
    Operation *product = decays.back().empty() ? nullptr : *oldStates[state].user_begin();
    for (; product && isa<arith::MulFOp>(product); product = *product->user_begin())
      decaying[product] = state;
    if (isTakenApart(state)) {
      Operation *sum = newStates[state].getDefiningOp();
      unsigned place = isOfOld(sum->getOperand(0), state) ? 0 : 1;
      Value added = sum->getOperand(1 - place);
      if (isa<arith::SubFOp>(sum))
        added = arith::NegFOp::create(builder, sum->getLoc(), added);
      adjoint.setParts(newStates[state], sum->getOperand(place), added);
    }
  }
  for (Operation *op : llvm::reverse(ops)) {
    for (unsigned state = 0; state < newStates.size(); ++state)
      if (!decays[state].empty() && newStates[state].getDefiningOp() == op)
        pullDecays(state);
    if (auto it = decaying.find(op); it != decaying.end()) {
      // The factors have their gradients already.
      unsigned inner = isOfOld(op->getOperand(0), it->second) ? 0 : 1;
      if (Value gradient = adjoint.of(op->getResult(0)))
        adjoint.add(op->getOperand(inner), adjoint.product(gradient, op->getOperand(1 - inner)));
    } else if (failed(adjoint.pull(op))) {
      return failure();
    }
  }
  auto names = function->getAttrOfType<ArrayAttr>("treadle.gradients");
  for (auto [input, field] : llvm::zip(inputs, scan.getInputs())) {
    bool isWanted = !names || llvm::is_contained(names, builder.getStringAttr(nameOf(field)));
    bool isFloat = getElementTypeOrSelf(input.getType()).isF32();
    inputGradients.push_back(isWanted && isFloat ? adjoint.of(input) : Value());
  }
  for (Value state : oldStates)
    oldGradients.push_back(adjoint.of(state));
  return success();
}

void Differentiator::findDependence() {
  for (Value state : oldStates)
    depends[state] = InPast;
  for (Value state : finalStates)
    depends[state] = InFinal;
  for (Value gradient : newGradients)
    depends[gradient] = InFuture;
  for (auto &factors : decays)
    for (DecayFactor &factor : factors)
      depends[factor.before] = isComputedApart(factor) ? InSums : InFuture;
  // A state's gradient may depend on such sums.
  for (bool changed = true; changed;) {
    changed = false;
    for (Operation &op : *joint) {
      unsigned all = 0;
      op.walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          all |= depends.lookup(operand);
      });
      for (Value result : op.getResults())
        depends[result] = all;
    }
    auto raise = [&](Value from, Value to) {
      unsigned both = depends.lookup(from) | (depends.lookup(to) & InSums);
      changed |= to && both != depends.lookup(from);
      depends[from] = both;
    };
    for (auto [gradient, next] : llvm::zip(newGradients, oldGradients))
      raise(gradient, next);
    for (auto &factors : decays)
      for (DecayFactor &factor : factors)
        raise(factor.before, factor.after);
  }
}

/// All values that some values are computed from, themselves included; not beyond a cut.
DenseSet<Value> Differentiator::used(ValueRange roots, const Cut &cut) {
  DenseSet<Value> seen;
  SmallVector<Value> work(roots);
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (!seen.insert(value).second || cut.contains(value))
      continue;
    if (Operation *op = value.getDefiningOp())
      op->walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          if (operand.getParentBlock() == joint)
            work.push_back(operand);
      });
  }
  return seen;
}

/// What walks before compute and this one uses, as few numbers as can be found.
Differentiator::Cut Differentiator::cutOf(ValueRange roots, unsigned walk) {
  Cut found;
  DenseSet<Value> seen;
  SmallVector<Value> work(roots);
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    if (isBefore(value, walk))
      found.insert(value);
    else if (Operation *op = value.getDefiningOp())
      work.append(op->operand_begin(), op->operand_end());
  }
  // Kept earlier, where that takes no more: what an op needs, or the states that a value is computed from.
  auto replace = [&](Value value, ArrayRef<Value> instead) {
    int64_t size = 0;
    for (Value each : instead)
      size += found.contains(each) ? 0 : sizeOf(each);
    // Arrays are of floats.
    bool mustBe = !getElementTypeOrSelf(value.getType()).isF32();
    if (!value.getDefiningOp() || (size > sizeOf(value) && !mustBe))
      return false;
    found.remove(value);
    found.insert(instead.begin(), instead.end());
    return true;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (Value value : SmallVector<Value>(found.getArrayRef())) {
      Cut operands, states;
      auto isKnown = [&](Value v) { return isBefore(v, walk); };
      if (Operation *op = value.getDefiningOp())
        operands.insert_range(llvm::make_filter_range(op->getOperands(), isKnown));
      DenseSet<Value> all = used(value);
      for (Value argument : joint->getArguments())
        if (isKnown(argument) && all.contains(argument))
          states.insert(argument);
      changed |= replace(value, operands.getArrayRef()) || replace(value, states.getArrayRef());
    }
  }
  return found;
}

FieldType Differentiator::fieldOf(StringRef indices, Value value) {
  return FieldType::get(builder.getContext(), indices, shapeOf(value), builder.getF32Type());
}

void Differentiator::addInputs(Sweep &sweep, const DenseSet<Value> &values) {
  for (auto [input, field] : llvm::zip(inputs, scan.getInputs()))
    if (values.contains(input))
      sweep.inputs.push_back({cast<FieldType>(field.getType()), input, nameOf(field).str(), {}, {}, field});
  for (auto [i, gradient] : llvm::enumerate(outputGradients))
    if (values.contains(gradient))
      sweep.inputs.push_back({cast<FieldType>(scan.getOutputs()[i].getType()), gradient, outputNames[i] + "_grad", {}});
  // Something has to say how many tokens there are.
  auto isTimed = [](const Field &field) { return field.type.getIndices().contains('T'); };
  if (llvm::none_of(sweep.inputs, isTimed) && llvm::none_of(sweep.outputs, isTimed))
    sweep.inputs.push_back(
        {cast<FieldType>(scan.getOutputs()[0].getType()), outputGradients[0], outputNames[0] + "_grad", {}});
}

/// The gradient of an input: an output, or, of what is the same at all times, a sum.
void Differentiator::addGradient(Sweep &sweep, unsigned input) {
  Value field = scan.getInputs()[input], gradient = inputGradients[input];
  auto type = cast<FieldType>(field.getType());
  std::string name = (nameOf(field) + "_grad").str();
  if (type.getIndices() == "BTH") {
    sweep.outputs.push_back({type, gradient, {}, name});
  } else if (type.getIndices().contains('T')) {
    sweep.outputs.push_back({fieldOf("BTH", gradient), gradient, {}, name});
  } else {
    Value before = joint->addArgument(gradient.getType(), gradient.getLoc());
    Value after = arith::AddFOp::create(builder, gradient.getLoc(), before, gradient);
    sweep.states.push_back({fieldOf("BH", gradient), before, {}, name, after});
  }
}

/// Which gradients of new states a walk back has: those that are needed for what it computes, `roots`, which grows.
SmallVector<bool> Differentiator::neededStates(SmallVectorImpl<Value> &roots, bool withStates, unsigned walk) {
  SmallVector<bool> isNeeded(oldStates.size());
  for (unsigned state = 0; state < oldStates.size(); ++state)
    isNeeded[state] = withStates && walkOf(newGradients[state]) == walk;
  DenseSet<Value> found;
  for (size_t known = ~size_t(0); known != found.size();) {
    known = found.size();
    DenseSet<Value> values = used(roots);
    auto isUsed = [&](Value argument) { return walkOf(argument) == walk && values.contains(argument); };
    for (unsigned state = 0; state < oldStates.size(); ++state) {
      isNeeded[state] = isNeeded[state] || isUsed(newGradients[state]);
      if (isNeeded[state] && oldGradients[state] && found.insert(oldGradients[state]).second)
        roots.push_back(oldGradients[state]);
      for (DecayFactor &factor : decays[state])
        if (isUsed(factor.before) && found.insert(factor.after).second)
          roots.push_back(factor.after);
    }
  }
  return isNeeded;
}

/// Where the running sum of a decay's gradient begins: with S · G of the final state.
void Differentiator::addFinalDecay(DecayFactor &factor, const std::string &name) {
  Value next = newStates[factor.state];
  Location loc = next.getLoc();
  builder.setInsertionPointToEnd(joint);
  Value &final = finals[factor.state];
  if (!final) {
    final = joint->addArgument(next.getType(), loc);
    ends.states.push_back({fieldOf("BH", final), final, endOf(factor.state), {}, final});
  }
  Value total = summed(factor, arith::MulFOp::create(builder, loc, next, final));
  Value before = joint->addArgument(total.getType(), loc);
  ends.states.push_back({fieldOf("BH", total), before, {}, name, total});
}

void Differentiator::addKept(Sweep &sweep, const DenseSet<Value> &known) {
  for (auto [i, value] : llvm::enumerate(kept))
    if (walkOf(value) == sweep.walk && known.contains(value))
      sweep.outputs.push_back({fieldOf("BTH", value), value, {}, ("kept_" + Twine(i)).str()});
}

/// The states and inputs that a walk of the forward's direction needs for what it writes.
void Differentiator::fillForward(Sweep &sweep) {
  SmallVector<Value> roots;
  for (const Field &output : sweep.outputs)
    roots.push_back(output.value);
  for (const Field &sum : sweep.states)
    roots.push_back(sum.next);
  if (roots.empty())
    return;
  DenseSet<unsigned> known;
  for (size_t count = ~size_t(0); count != known.size();) {
    count = known.size();
    DenseSet<Value> values = used(roots, sweep.cut);
    for (unsigned state = 0; state < oldStates.size(); ++state) {
      bool isUsed = values.contains(oldStates[state]) || (finalStates[state] && values.contains(finalStates[state]));
      if (!isUsed || !known.insert(state).second)
        continue;
      Value initial = scan.getInitials()[state];
      std::string argument = isa<BlockArgument>(initial) ? stateNames[state] + "_initial" : std::string();
      sweep.states.push_back(
          {cast<FieldType>(initial.getType()), oldStates[state], argument, {}, newStates[state], initial});
      roots.push_back(newStates[state]);
    }
  }
  addInputs(sweep, used(roots, sweep.cut));
}

/// The walk of the forward, or, of a noncausal one, of its outputs: what is kept of it, and gradients.
void Differentiator::chooseForward(Sweep &sweep) {
  addKept(sweep, DenseSet<Value>(kept.begin(), kept.end()));
  for (unsigned input = 0; input < inputs.size(); ++input)
    if (Value gradient = inputGradients[input]; gradient && walkOf(gradient) == sweep.walk && !isTotal(input))
      addGradient(sweep, input);
  fillForward(sweep);
}

/// Sums over all tokens: the gradients of final states that outputs are of, and of inputs that are the same at all
/// times.
void Differentiator::chooseTotals() {
  totals.walk = Totals;
  SmallVector<Value> roots;
  for (unsigned state = 0; state < oldStates.size(); ++state) {
    Value own = finalStates[state] ? adjoint.of(finalStates[state]) : Value();
    if (!own)
      continue;
    builder.setInsertionPointToEnd(joint);
    Value before = joint->addArgument(own.getType(), own.getLoc());
    Value after = arith::AddFOp::create(builder, own.getLoc(), before, own);
    std::string from = hasFinal ? stateNames[state] + "_final_grad" : std::string();
    totals.states.push_back({fieldOf("BH", own), before, from, endOf(state), after});
    roots.push_back(after);
  }
  for (unsigned input = 0; input < inputs.size(); ++input)
    if (isTotal(input)) {
      roots.push_back(inputGradients[input]);
      addGradient(totals, input);
    }
  if (roots.empty())
    return;
  totals.cut = cutOf(roots, Totals);
  kept.insert(totals.cut.begin(), totals.cut.end());
  addCut(totals);
  addInputs(totals, used(roots, totals.cut));
}

/// A walk back for some inputs' gradients, and, with states, for those of initial states.
void Differentiator::addBackward(ArrayRef<unsigned> ofInputs, bool withStates, unsigned walk) {
  Sweep &sweep = backward.emplace_back();
  sweep.walk = walk;
  SmallVector<Value> roots;
  for (unsigned input : ofInputs)
    roots.push_back(inputGradients[input]);
  for (Value value : kept)
    if (withStates && walkOf(value) == walk)
      roots.push_back(value);
  SmallVector<bool> isNeeded = neededStates(roots, withStates && hasInitial, walk);
  sweep.cut = cutOf(roots, walk);
  DenseSet<Value> values = used(roots, sweep.cut);
  for (Value value : sweep.cut)
    if (kept.insert(value); shapeOf(value).size() > 1)
      (value.getDefiningOp() ? value.getDefiningOp() : scan.getOperation())->emitRemark()
          << "the backward keeps " << sizeOf(value) << " numbers of a matrix for every token";
  for (unsigned state = 0; state < oldStates.size(); ++state)
    if (isNeeded[state])
      sweep.states.push_back({fieldOf("BH", oldStates[state]), newGradients[state], endOf(state),
                              withStates && hasInitial ? stateNames[state] + "_initial_grad" : "",
                              oldGradients[state]});
  unsigned number = 0;
  for (auto &factors : decays)
    for (DecayFactor &factor : factors) {
      if (!factor.after)
        continue;
      std::string name = ("decay_" + Twine(number++) + "_final_grad").str();
      if (!llvm::is_contained(roots, factor.after))
        continue;
      bool begins = endOf(factor.state) != "";
      sweep.states.push_back(
          {fieldOf("BH", factor.before), factor.before, begins ? name : std::string(), {}, factor.after});
      if (begins && begun.insert(factor.before).second)
        addFinalDecay(factor, name);
    }
  for (unsigned input : ofInputs)
    addGradient(sweep, input);
  if (withStates)
    addKept(sweep, DenseSet<Value>(kept.begin(), kept.end()));
  addCut(sweep);
  addInputs(sweep, values);
}

/// Arrays that other walks have kept for this one.
void Differentiator::addCut(Sweep &sweep) {
  for (auto [i, value] : llvm::enumerate(kept))
    if (sweep.cut.contains(value))
      sweep.inputs.push_back({fieldOf("BTH", value), value, ("kept_" + Twine(i)).str(), {}});
}

/// The inputs whose gradients one walk computes: all, or, apart, those that sum over the same axes of matrices, which
/// blocks cannot share.
SmallVector<SmallVector<unsigned>> Differentiator::groupsOfInputs() {
  std::map<std::vector<unsigned>, SmallVector<unsigned>> groups;
  bool isApart = function->hasAttr("treadle.apart") && llvm::any_of(decays, [](auto &factors) {
                   return llvm::any_of(factors, [](DecayFactor &factor) { return !factor.along.empty(); });
                 });
  for (unsigned input = 0; input < inputs.size(); ++input) {
    Value gradient = inputGradients[input];
    if (!gradient || isBefore(gradient, Future) || walkOf(gradient) == Sums)
      continue;
    std::vector<unsigned> axes;
    SmallVector<Value> roots{gradient};
    if (isApart) {
      neededStates(roots, false, Future);
      for (Value value : used(roots))
        if (auto reduce = value.getDefiningOp<tile::ReduceOp>(); reduce && walkOf(value) == Future &&
                                                                 shapeOf(reduce.getOperand(0)).size() > 1 &&
                                                                 !llvm::is_contained(axes, reduce.getAxis()))
          axes.push_back(reduce.getAxis());
      llvm::sort(axes);
    }
    groups[axes].push_back(input);
  }
  SmallVector<SmallVector<unsigned>> result;
  for (auto &[axes, group] : groups)
    result.push_back(std::move(group));
  if (result.empty())
    result.emplace_back();
  return result;
}

void Differentiator::choose() {
  SmallVector<unsigned> last;
  for (unsigned input = 0; input < inputs.size(); ++input)
    if (inputGradients[input] && walkOf(inputGradients[input]) == Sums)
      last.push_back(input);
  addBackward(last, /*withStates=*/true, Sums);
  // The last group computes what sums take, and most of the states' gradients.
  SmallVector<SmallVector<unsigned>> groups = groupsOfInputs();
  while (!groups.empty()) {
    addBackward(groups.back(), /*withStates=*/backward.size() == 1, Future);
    groups.pop_back();
  }
  std::reverse(backward.begin(), backward.end());
  chooseTotals();
  ofFinal.walk = Final;
  if (scan.getNoncausal())
    chooseForward(ofFinal);
  chooseForward(past);
  fillForward(ends);
}

/// A mixer of one walk.
void Differentiator::write(const Sweep &sweep, StringRef suffix, bool isReverse) {
  Location loc = scan.getLoc();
  SmallVector<Type> argumentTypes, resultTypes, fieldTypes;
  SmallVector<Attribute> argumentAttributes, resultAttributes;
  auto attributesOf = [&](const Field &field, const std::string &array) {
    NamedAttrList list;
    if (auto argument = dyn_cast_or_null<BlockArgument>(field.like)) {
      list.append(function.getArgAttrDict(argument.getArgNumber()).getValue());
    } else {
      // Row-major.
      int64_t row = ShapedType::getNumElements(field.type.getShape());
      int64_t align = std::min<int64_t>(16, field.type.getElementType().getIntOrFloatBitWidth() / 8 * (row & -row));
      list.set("treadle.align", builder.getI32IntegerAttr(int32_t(align)));
    }
    list.set("treadle.name", builder.getStringAttr(array));
    list.set("treadle.array", builder.getUnitAttr());
    return list.getDictionary(builder.getContext());
  };
  for (const Field &field : llvm::concat<const Field>(sweep.inputs, sweep.states))
    if (!field.argument.empty()) {
      argumentTypes.push_back(field.type);
      argumentAttributes.push_back(attributesOf(field, field.argument));
    }
  for (const Field &field : llvm::concat<const Field>(sweep.outputs, sweep.states)) {
    fieldTypes.push_back(field.type);
    if (!field.result.empty()) {
      resultTypes.push_back(field.type);
      resultAttributes.push_back(attributesOf(field, field.result));
    }
  }
  OpBuilder outer(function);
  auto made = func::FuncOp::create(outer, function.getLoc(), (function.getName() + suffix).str(),
                                   outer.getFunctionType(argumentTypes, resultTypes));
  for (NamedAttribute attribute : function->getDiscardableAttrs())
    if (attribute.getName() != "treadle.backward" && attribute.getName() != "treadle.apart" &&
        attribute.getName() != "treadle.gradients")
      made->setDiscardableAttr(attribute.getName(), attribute.getValue());
  made->setAttr("treadle.walk", builder.getStringAttr(suffix.drop_front()));
  made.setAllArgAttrs(argumentAttributes);
  made.setAllResultAttrs(resultAttributes);
  Block *body = made.addEntryBlock();
  OpBuilder inner = OpBuilder::atBlockEnd(body);
  SmallVector<Value> fields(body->getArguments().take_front(sweep.inputs.size())), initials;
  unsigned next = fields.size();
  for (const Field &state : sweep.states) {
    if (!state.argument.empty()) {
      initials.push_back(body->getArgument(next++));
      continue;
    }
    FloatAttr value = inner.getF32FloatAttr(0);
    if (state.like)
      value = state.like.getDefiningOp<FillOp>().getValueAttr();
    initials.push_back(FillOp::create(inner, loc, state.type, value));
  }
  auto copy = ScanOp::create(inner, loc, fieldTypes, fields, initials, /*noncausal=*/&sweep == &ofFinal, isReverse);

  Block *step = inner.createBlock(&copy.getStep());
  IRMapping map;
  for (const Field &field : llvm::concat<const Field>(sweep.inputs, sweep.states))
    map.map(field.value, step->addArgument(field.value.getType(), field.value.getLoc()));
  SmallVector<Value> outputValues, stateValues;
  for (const Field &output : sweep.outputs)
    outputValues.push_back(output.value);
  for (const Field &state : sweep.states)
    stateValues.push_back(state.next ? state.next : zeroOf(state.value.getType()));
  SmallVector<Value> roots(outputValues);
  llvm::append_range(roots, stateValues);
  DenseSet<Value> wanted = used(roots, sweep.cut);
  auto mapFinals = [&] {
    for (auto [final, next] : llvm::zip(finalStates, newStates))
      if (final && !map.contains(final) && map.contains(next))
        map.map(final, map.lookup(next));
  };
  mapFinals();
  for (Operation &op : *joint)
    if (llvm::any_of(op.getResults(), [&](Value v) { return wanted.contains(v) && !map.contains(v); })) {
      inner.clone(op, map);
      mapFinals();
    }
  for (Value value : sweep.cut)
    wanted.erase(value);
  if (tile::PrecisionAttr products = productsOf(wanted); products && sweep.walk != Sums)
    made->setAttr("treadle.products", products);
  auto take = [&](SmallVector<Value> &values) {
    for (Value &value : values)
      value = map.lookup(value);
    return ValueRange(values);
  };
  YieldOp::create(inner, scan.getYield().getLoc(), take(outputValues), take(stateValues));

  inner.setInsertionPointToEnd(body);
  SmallVector<Value> returned;
  for (auto [field, result] : llvm::zip(llvm::concat<const Field>(sweep.outputs, sweep.states), copy.getResults()))
    if (!field.result.empty())
      returned.push_back(result);
  func::ReturnOp::create(inner, loc, returned);
}

Value Differentiator::zeroOf(Type type) {
  TypedAttr zero = builder.getF32FloatAttr(0);
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    zero = DenseElementsAttr::get(tensor, Attribute(zero));
  return arith::ConstantOp::create(builder, scan.getLoc(), zero);
}

LogicalResult Differentiator::run() {
  if (failed(check()))
    return failure();
  begin();
  if (failed(pullAll()))
    return failure();
  findDependence();
  choose();
  auto writeIf = [&](const Sweep &sweep, const Twine &suffix, bool isReverse) {
    bool isWanted =
        !sweep.outputs.empty() || llvm::any_of(sweep.states, [](const Field &state) { return !state.result.empty(); });
    if (isWanted)
      write(sweep, suffix.str(), isReverse);
  };
  writeIf(past, "_past", scan.getReverse());
  writeIf(ofFinal, "_final", scan.getReverse());
  writeIf(totals, "_totals", scan.getReverse());
  writeIf(ends, "_ends", scan.getReverse());
  for (auto [i, sweep] : llvm::enumerate(backward))
    writeIf(sweep, sweep.walk == Sums ? "_sums" : i ? "_future_" + Twine(i) : Twine("_future"), !scan.getReverse());
  function.erase();
  return success();
}

namespace {
struct DifferentiatePass : treadle::impl::DifferentiateBase<DifferentiatePass> {
  void runOnOperation() override {
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (!function->hasAttr("treadle.mixer") || !function->hasAttr("treadle.backward"))
        continue;
      SmallVector<ScanOp> scans(function.getOps<ScanOp>());
      if (scans.size() != 1) {
        function.emitError() << "a mixer has one treadle.scan, found " << scans.size();
        return signalPassFailure();
      }
      bringConstants(scans.front());
      if (failed(Differentiator(function, scans.front()).run()))
        return signalPassFailure();
    }
  }
};
} // namespace
