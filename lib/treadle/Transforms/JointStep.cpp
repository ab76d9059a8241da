//===-- JointStep.cpp - a step and its gradients ---------------------------===//
//
// A state as large as a matrix is not kept for the gradient of its decay: of S = e^g S + u, G being the gradient of the
// new S and w what the token itself reads of it,
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

#include "JointStep.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/SetOperations.h"

using namespace mlir;
using namespace treadle;

static int64_t sizeOf(Value value) { return ShapedType::getNumElements(shapeOf(value)); }

LogicalResult JointStep::check() {
  auto isFieldOf = [&](Value value) { return isa<BlockArgument>(value) || value.getDefiningOp<FillOp>(); };
  for (Value field : llvm::concat<Value>(SmallVector<Value>(scan.getInputs()), SmallVector<Value>(scan.getInitials())))
    if (!isFieldOf(field))
      return scan.emitError() << "a mixer whose arrays are taken apart has no backward; expected arguments and fills";
  for (BlockArgument argument : function.getArguments())
    if (StringRef name = nameOf(argument); name.ends_with("_grad") || name.starts_with("kept_"))
      return function.emitError() << "a backward calls arrays of its own so: expected a name that neither begins "
                                     "with kept_ nor ends with _grad, found '"
                                  << name << "'; rename the parameter";
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
void JointStep::begin() {
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
void JointStep::readFinalStates() {
  IRMapping map;
  for (auto [final, next] : llvm::zip(finalStates, newStates)) {
    final = joint->addArgument(next.getType(), next.getLoc());
    map.map(next, final);
  }
  DenseSet<Value> read = used(outputs, Cut(newStates.begin(), newStates.end()));
  for (Operation &op : llvm::make_early_inc_range(*joint))
    if (llvm::any_of(op.getResults(), [&](Value v) { return read.contains(v) && !map.contains(v); }) &&
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
SmallVector<DecayFactor> JointStep::decaysOf(unsigned state) {
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
Value JointStep::summed(const DecayFactor &factor, Value value) {
  for (unsigned axis = shapeOf(value).size(); axis-- > 0;)
    if (!llvm::is_contained(factor.along, axis))
      value = adjoint.sumAlong(value, axis);
  for (Value sum : used(value))
    if (auto reduce = sum.getDefiningOp<tile::ReduceOp>();
        reduce && shapeOf(reduce.getOperand(0)).size() > 1 && !telescopes(factor))
      differing.insert(sum);
  return value;
}

/// Products of which running sums of decays are made are the more exact the longer the sum.
void JointStep::markDiffering(const DenseSet<Value> &computed, IRMapping &copies) {
  bool isSummed = false;
  for (auto [gradient, field] : llvm::zip(inputGradients, scan.getInputs()))
    if (gradient && !cast<FieldType>(field.getType()).getIndices().contains('T')) {
      DenseSet<Value> values = used(gradient);
      for (auto &factors : decays)
        for (DecayFactor &factor : factors)
          isSummed |= factor.after && values.contains(factor.after);
    }
  for (Value value : differing)
    if (computed.contains(value))
      copies.lookup(value).getDefiningOp()->setAttr("treadle.parts", builder.getI64IntegerAttr(isSummed ? 3 : 2));
}

/// The state by whose change, new - old if it rises and old - new if not, a decay is.
std::optional<std::pair<unsigned, bool>> JointStep::changeOf(const DecayFactor &factor) {
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
void JointStep::pullDecays(unsigned state) {
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

bool JointStep::isWanted(unsigned input) {
  auto names = function->getAttrOfType<ArrayAttr>("treadle.gradients");
  return getElementTypeOrSelf(inputs[input].getType()).isF32() &&
         (!names || llvm::is_contained(names, builder.getStringAttr(nameOf(scan.getInputs()[input]))));
}

/// Whether a value's gradient goes to an input whose gradient is wanted, or to a state.
bool JointStep::hasWanted(Value value) {
  DenseSet<Value> seen;
  SmallVector<Value> work{value};
  while (!work.empty()) {
    Value next = work.pop_back_val();
    if (!seen.insert(next).second)
      continue;
    auto *input = llvm::find(inputs, next);
    if (llvm::is_contained(oldStates, next) || (input != inputs.end() && isWanted(input - inputs.begin())))
      return true;
    if (Operation *op = next.getDefiningOp(); op && !isa<StopGradientOp>(op))
      work.append(op->operand_begin(), op->operand_end());
  }
  return false;
}

LogicalResult JointStep::pullAll() {
  SmallVector<Operation *> ops;
  for (Operation &op : *joint)
    ops.push_back(&op);
  for (auto [output, gradient, name] : llvm::zip(outputs, outputGradients, outputNames))
    if (!name.empty()) // it is returned
      adjoint.add(output, gradient);
  for (unsigned state = 0; state < oldStates.size(); ++state) {
    adjoint.add(newStates[state], newGradients[state]);
    decays.push_back(decaysOf(state));
    Operation *product = decays.back().empty() ? nullptr : *oldStates[state].user_begin();
    for (; product && isa<arith::MulFOp>(product); product = *product->user_begin())
      decaying[product] = state;
    llvm::erase_if(decays.back(), [&](const DecayFactor &factor) { return !hasWanted(factor.power); });
    for (DecayFactor &factor : decays.back())
      factor.before = joint->addArgument(factor.power.getType(), factor.power.getLoc());
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
  for (unsigned input = 0; input < inputs.size(); ++input)
    inputGradients.push_back(isWanted(input) ? adjoint.of(inputs[input]) : Value());
  for (Value state : oldStates)
    oldGradients.push_back(adjoint.of(state));
  return success();
}

void JointStep::findDependence() {
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
DenseSet<Value> JointStep::used(ValueRange roots, const Cut &cut) {
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
JointStep::Cut JointStep::cutOf(ValueRange roots, unsigned walk) {
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

/// Gradients that are sums of what is read of states in several ways, as those of a quotient are, which may be small
/// beside what is added.
void JointStep::findDifferences() {
  auto readsStates = [&](Value value) { return walkOf(value) == (scan.getNoncausal() ? Final : Past); };
  auto readsOf = [&](Value value) {
    llvm::SmallSetVector<Value, 8> reads;
    for (Value each : used(value))
      if (auto reduce = each.getDefiningOp<tile::ReduceOp>();
          reduce && readsStates(each) && shapeOf(reduce.getOperand(0)).size() > 1)
        reads.insert(each);
    return reads;
  };
  for (Value gradient : inputGradients) {
    if (!gradient || !readsStates(gradient))
      continue;
    for (Value value : used(gradient)) {
      auto sum = value.getDefiningOp<arith::AddFOp>();
      if (!sum || !readsStates(sum.getLhs()) || !readsStates(sum.getRhs()))
        continue;
      auto left = readsOf(sum.getLhs()), right = readsOf(sum.getRhs());
      if (left.empty() || right.empty() || (llvm::set_is_subset(left, right) && llvm::set_is_subset(right, left)))
        continue;
      differing.insert(left.begin(), left.end());
      differing.insert(right.begin(), right.end());
    }
  }
}

/// What a token adds and reads itself is in both sums of a decay's gradient: they are formed without it, as small as
/// the decay makes them.
bool JointStep::isTakenApart(unsigned state) {
  return llvm::any_of(decays[state], [&](const DecayFactor &factor) { return !telescopes(factor); });
}

/// Whether nothing is at the ends of the sequence that a running sum would begin or end with.
bool JointStep::telescopes(const DecayFactor &factor) {
  return !hasInitial && !hasFinal && !scan.getNoncausal() && changeOf(factor);
}

std::string JointStep::endOf(unsigned state) {
  bool isRead = finalStates[state] && adjoint.of(finalStates[state]);
  return isRead ? stateNames[state] + "_total_grad" : hasFinal ? stateNames[state] + "_final_grad" : "";
}

unsigned JointStep::walkOf(Value value) {
  unsigned all = depends.lookup(value);
  return all & InSums ? Sums : all & InFuture ? Future : all & InFinal ? Final : all & InPast ? Past : 0;
}

LogicalResult JointStep::differentiate() {
  if (failed(check()))
    return failure();
  begin();
  if (failed(pullAll()))
    return failure();
  findDependence();
  findDifferences();
  return success();
}
