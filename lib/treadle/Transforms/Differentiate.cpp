//===-- Differentiate.cpp - the mixers of a backward -----------------------===//
//
// The step, and what its gradients are, token by token (`JointStep`):
//
//     outputs, new states = step(inputs, old states)
//     gradients of inputs and old states = pull(step, gradients of outputs and new states)
//
// What of this depends on old states is known walking as the forward does, what depends on gradients of new states
// walking back. So there are several mixers, whose walks follow each other:
//
//     past      from the initial states: gradients that need no later token, and what others have to know
//     final     of a noncausal scan, the same of what its outputs make of the final states
//     totals    of a noncausal scan: the gradients of the final states, sums over all tokens
//     ends      the products of final states and their gradients, where running sums begin
//     future    from the final states' gradients, in the other direction: most of the others; with treadle.apart in
//               several mixers, whose blocks can share what one block of all has to have
//     sums      in that direction as well: gradients of decays, which are running sums of what the others keep
//
// What a walk has to know of those before is kept, a value for each token, as few numbers as will do; everything else
// is computed again.
//
//===----------------------------------------------------------------------===//

#include "JointStep.h"
#include "Mixer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "treadle/Transforms/Passes.h"
#include <map>

namespace treadle {
#define GEN_PASS_DEF_DIFFERENTIATE
#include "treadle/Transforms/Passes.h.inc"
} // namespace treadle

using namespace mlir;
using namespace treadle;

namespace {

/// What a mixer that is written has for an array, or two for a state.
struct Field {
  FieldType type;
  Value value;          ///< in the joint step
  std::string argument; ///< the array that is read; of a state, where it starts, none: from a number
  std::string result;   ///< the array that is written; of a state, where it ends
  Value next{};         ///< of a state
  Value like{}; ///< what the forward has in this place: an argument, or of a state that starts from a number that
};

/// A mixer.
struct Sweep {
  SmallVector<Field> inputs, states, outputs;
  unsigned walk = JointStep::Past;
  llvm::SetVector<Value> cut{}; ///< what others have kept
};

class Differentiator : JointStep {
public:
  Differentiator(func::FuncOp function, ScanOp scan) : JointStep(function, scan) {}
  LogicalResult run();

private:
  void choose();
  SmallVector<bool> neededStates(SmallVectorImpl<Value> &roots, bool withStates, unsigned walk);
  SmallVector<SmallVector<unsigned>> groupsOfInputs();
  void fillForward(Sweep &sweep);
  void chooseForward(Sweep &sweep);
  void chooseTotals();
  void addBackward(ArrayRef<unsigned> ofInputs, bool withStates, unsigned walk);
  void addFinalDecay(DecayFactor &factor, const std::string &name);
  void addKept(Sweep &sweep, const DenseSet<Value> &known);
  void addCut(Sweep &sweep);
  void addInputs(Sweep &sweep, const DenseSet<Value> &values);
  void addGradient(Sweep &sweep, unsigned input);
  /// Of what is the same at all times, in a noncausal scan: the walk that has final states cannot sum as well.
  bool isTotal(unsigned input) {
    Value gradient = inputGradients[input];
    auto type = cast<FieldType>(scan.getInputs()[input].getType());
    return gradient && walkOf(gradient) == Final && !type.getIndices().contains('T');
  }
  FieldType fieldOf(StringRef indices, Value value);
  Value zeroOf(Type type);
  void write(const Sweep &sweep, StringRef suffix, bool isReverse);

  Cut kept;                         ///< by a walk, for a later one
  DenseSet<Value> begun;            ///< running sums that begin with final states
  DenseMap<unsigned, Value> finals; ///< of states: gradients of the final ones, where sums begin with them
  Sweep past, ofFinal, totals, ends;
  SmallVector<Sweep, 1> backward; ///< in order
};

} // namespace

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
  if (llvm::any_of(sweep.inputs, isTimed) || llvm::any_of(sweep.outputs, isTimed))
    return;
  for (auto [input, field] : llvm::zip(inputs, scan.getInputs()))
    if (auto type = cast<FieldType>(field.getType()); type.getIndices().contains('T')) {
      sweep.inputs.push_back({type, input, nameOf(field).str(), {}, {}, field});
      return;
    }
  for (auto [i, gradient] : llvm::enumerate(outputGradients))
    if (!outputNames[i].empty()) {
      auto type = cast<FieldType>(scan.getOutputs()[i].getType());
      sweep.inputs.push_back({type, gradient, outputNames[i] + "_grad", {}});
      return;
    }
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
          << "the backward keeps " << ShapedType::getNumElements(shapeOf(value))
          << " numbers of a matrix for every token";
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
  // Where all sum over one axis only, blocks share the other anyway.
  llvm::SmallSetVector<unsigned, 2> all;
  for (auto &[axes, group] : groups)
    all.insert(axes.begin(), axes.end());
  SmallVector<SmallVector<unsigned>> result;
  for (auto &[axes, group] : groups)
    if (all.size() > 1 || result.empty())
      result.push_back(std::move(group));
    else
      result.front().append(group);
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
    auto argument = dyn_cast_or_null<BlockArgument>(field.like);
    if (!argument)
      return arrayAttributes(field.type, array);
    NamedAttrList list(function.getArgAttrDict(argument.getArgNumber()));
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
  if (sweep.walk != Sums)
    markDiffering(wanted, map);
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
  if (failed(differentiate()))
    return failure();
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
      FailureOr<Mixer> mixer = Mixer::read(function); // checks names and uses
      if (failed(mixer))
        return signalPassFailure();
      bringConstants(mixer->scan);
      if (failed(Differentiator(function, mixer->scan).run()))
        return signalPassFailure();
    }
  }
};
} // namespace
