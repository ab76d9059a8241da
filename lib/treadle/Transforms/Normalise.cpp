//===-- Normalise.cpp - the normal form of a step --------------------------===//
//
// A state has a form if its new value is one of a few functions of its old one, with pieces that are free of old
// states. Sums of products are taken apart by the axes that their factors run along: with S of [K, V]
//
//     broadcast(d[K]) * S + broadcast(k[K]) * broadcast(v[V])      decay log d, key k, value v
//     reduce(broadcast(q[K]) * S) along 0                          a readout with query q
//
// What is read is the new value or the old one, or, where the decay comes last, as in what walks back from a forward,
// the sum that it is applied to. Old values of matrices appear in these places only, and in e^(z - z') of a running
// state z, whose sums telescope.
//
//===----------------------------------------------------------------------===//

#include "Normalise.h"
#include "Mixer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"
#include "tile/IR/Tile.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace treadle;

namespace {

using Obstacle = NormalForm::Obstacle;

/// `factors · x + addends`, or just `addends`.
struct Affine {
  bool hasState = false;
  SmallVector<Value> factors, addends;
};

/// A value without the broadcasts around it.
struct Core {
  Value value;
  std::optional<unsigned> axis; ///< that it runs along; none: it is a scalar
};

class Normaliser {
public:
  Normaliser(ScanOp scan, Obstacle &why)
      : scan(scan), why(why), yield(scan.getYield()), builder(scan.getContext()), loc(scan.getLoc()) {
    builder.setInsertionPoint(yield);
  }
  std::optional<NormalForm> run();

private:
  Value oldOf(unsigned state) { return scan.getStateArguments()[state]; }
  Value newOf(unsigned state) { return yield.getStates()[state]; }
  std::nullopt_t no(Value at, const Twine &reason);

  bool uses(Value value, Value what);
  std::optional<Affine> affine(Value value, Value state);
  std::optional<Core> core(Value value);
  std::optional<SmallVector<Core>> coresOf(Value product);
  void appendFactors(Value value, SmallVectorImpl<Value> &factors);
  Value productOf(ArrayRef<Value> values, Type type);
  bool isNonNegative(Value value);

  std::optional<StateForm> classify(unsigned state);
  std::optional<StateForm> extremum(unsigned state);
  bool isReadOnTheWay(Value value, ArrayRef<Value> reads, unsigned state);
  Value sumOf(unsigned state, SmallVectorImpl<Value> &addends);
  std::optional<StateForm> linear(unsigned state, Affine update);
  std::optional<unsigned> changing(Value factor);
  std::optional<Decay> decayOf(ArrayRef<Core> factors, Type vector);
  bool findReadouts(Value value, SmallVectorImpl<Value> &factors, unsigned state, StateForm &form, bool isStrict);
  bool check(Value value);
  bool comesFromItself(unsigned state);
  std::optional<unsigned> inCircle();

  ScanOp scan;
  Obstacle &why;
  YieldOp yield;
  OpBuilder builder;
  Location loc;
  SmallVector<std::optional<StateForm>> forms;
  DenseSet<Value> checked;
};

} // namespace

static RankedTensorType tensorOf(Value value) { return dyn_cast<RankedTensorType>(value.getType()); }

std::nullopt_t Normaliser::no(Value at, const Twine &reason) {
  Operation *op = at ? at.getDefiningOp() : nullptr;
  why = {op ? op : scan.getOperation(), reason.str()};
  return std::nullopt;
}

/// Whether a value is computed from another.
bool Normaliser::uses(Value value, Value what) {
  SmallVector<Value> work{value};
  DenseSet<Value> seen;
  while (!work.empty()) {
    Value next = work.pop_back_val();
    if (next == what)
      return true;
    if (Operation *op = next.getDefiningOp(); op && seen.insert(next).second)
      work.append(op->operand_begin(), op->operand_end());
  }
  return false;
}

//===-- sums and products --------------------------------------------------===//

std::optional<Affine> Normaliser::affine(Value value, Value state) {
  if (value == state)
    return Affine{true, {}, {}};
  if (!uses(value, state))
    return Affine{false, {}, {value}};
  Operation *op = value.getDefiningOp();
  if (isa<arith::AddFOp>(op)) {
    std::optional<Affine> left = affine(op->getOperand(0), state), right = affine(op->getOperand(1), state);
    if (!left || !right)
      return std::nullopt;
    if (left->hasState && right->hasState)
      return no(value, "the state is added to itself");
    Affine sum = left->hasState ? std::move(*left) : std::move(*right);
    sum.addends.append(left->hasState ? right->addends : left->addends);
    return sum;
  }
  if (isa<arith::SubFOp>(op) && !uses(op->getOperand(1), state)) {
    std::optional<Affine> left = affine(op->getOperand(0), state);
    if (left)
      left->addends.push_back(arith::NegFOp::create(builder, op->getLoc(), op->getOperand(1)));
    return left;
  }
  if (isa<arith::MulFOp>(op)) {
    unsigned other = uses(op->getOperand(0), state) ? 1 : 0;
    if (!uses(op->getOperand(other), state)) {
      std::optional<Affine> product = affine(op->getOperand(1 - other), state);
      if (!product)
        return std::nullopt;
      Value factor = op->getOperand(other);
      product->factors.push_back(factor);
      for (Value &addend : product->addends)
        addend = arith::MulFOp::create(builder, op->getLoc(), factor, addend);
      return product;
    }
  }
  return no(value, "the state's old value is used here other than in a product, a sum or a running function");
}

/// What a value is without broadcasts, if it runs along one axis at most.
std::optional<Core> Normaliser::core(Value value) {
  RankedTensorType type = tensorOf(value);
  if (!type)
    return Core{value, std::nullopt};
  SmallVector<int> axes; // of `value`, for each axis of what is inside
  for (int axis = 0; axis < type.getRank(); ++axis)
    axes.push_back(axis);
  for (bool inside = true; inside;) {
    Operation *op = value.getDefiningOp();
    DenseElementsAttr constant;
    if (auto broadcast = dyn_cast_or_null<tile::BroadcastOp>(op)) {
      value = broadcast.getOperand();
    } else if (auto expand = dyn_cast_or_null<tile::ExpandDimsOp>(op)) {
      value = expand.getOperand();
      axes.erase(axes.begin() + expand.getAxis());
    } else if (auto splat = dyn_cast_or_null<tile::SplatOp>(op)) {
      return Core{splat.getValue(), std::nullopt};
    } else if (matchPattern(value, m_Constant(&constant)) && constant.isSplat()) {
      return Core{arith::ConstantOp::create(builder, value.getLoc(), constant.getSplatValue<TypedAttr>()),
                  std::nullopt};
    } else {
      inside = false;
    }
  }
  RankedTensorType found = tensorOf(value);
  if (found && found.getRank() == 1 && found.getDimSize(0) > 1)
    return Core{value, unsigned(axes.front())};
  return std::nullopt;
}

void Normaliser::appendFactors(Value value, SmallVectorImpl<Value> &factors) {
  if (auto product = value.getDefiningOp<arith::MulFOp>()) {
    appendFactors(product.getLhs(), factors);
    appendFactors(product.getRhs(), factors);
  } else {
    factors.push_back(value);
  }
}

/// The factors of a product, each of which runs along one axis at most.
std::optional<SmallVector<Core>> Normaliser::coresOf(Value product) {
  SmallVector<Value> factors;
  appendFactors(product, factors);
  SmallVector<Core> cores;
  for (Value factor : factors) {
    std::optional<Core> found = core(factor);
    if (!found)
      return no(factor, "a factor runs along more than one axis of the state");
    cores.push_back(*found);
  }
  return cores;
}

/// The product, as a value of `type`.
Value Normaliser::productOf(ArrayRef<Value> values, Type type) {
  Value scalars, result;
  auto times = [&](Value &product, Value factor) {
    product = product ? arith::MulFOp::create(builder, loc, product, factor).getResult() : factor;
  };
  for (Value value : values)
    times(value.getType() == type ? result : scalars, value);
  if (!scalars && !result)
    scalars = arith::ConstantOp::create(builder, loc, builder.getF32FloatAttr(1));
  if (scalars && scalars.getType() != type)
    scalars = tile::SplatOp::create(builder, loc, type, scalars);
  if (scalars && scalars != result)
    times(result, scalars);
  return result;
}

bool Normaliser::isNonNegative(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  auto of = [&](unsigned i) { return isNonNegative(op->getOperand(i)); };
  if (isa<math::ExpOp, math::Exp2Op, math::AbsFOp, math::SqrtOp>(op))
    return true;
  if (isa<arith::AddFOp, arith::MulFOp, arith::DivFOp, arith::MinimumFOp>(op))
    return of(0) && of(1);
  if (isa<arith::MaximumFOp>(op))
    return of(0) || of(1);
  if (isa<arith::SelectOp>(op))
    return of(1) && of(2);
  if (isa<tile::BroadcastOp, tile::ExpandDimsOp, tile::SplatOp>(op))
    return of(0);
  FloatAttr number;
  DenseElementsAttr numbers;
  if (matchPattern(value, m_Constant(&number)))
    return !number.getValue().isNegative();
  return matchPattern(value, m_Constant(&numbers)) && numbers.isSplat() && isa<FloatType>(numbers.getElementType()) &&
         !numbers.getSplatValue<APFloat>().isNegative();
}

//===-- states -------------------------------------------------------------===//

/// A running maximum, minimum or log-sum-exp.
std::optional<StateForm> Normaliser::extremum(unsigned state) {
  Operation *op = newOf(state).getDefiningOp();
  if (!isa_and_nonnull<arith::MaximumFOp, arith::MinimumFOp, LogAddExpOp>(op))
    return std::nullopt;
  StateForm form;
  form.kind = isa<LogAddExpOp>(op)         ? StateForm::LogAddExp
              : isa<arith::MaximumFOp>(op) ? StateForm::Max
                                           : StateForm::Min;
  unsigned other = op->getOperand(0) == oldOf(state) ? 1 : 0;
  form.x = op->getOperand(other);
  if (op->getOperand(1 - other) != oldOf(state) || uses(form.x, oldOf(state)))
    return std::nullopt;
  return form;
}

/// The state by whose change, e^(z - z') or e^(z' - z), a factor is.
std::optional<unsigned> Normaliser::changing(Value factor) {
  auto power = factor.getDefiningOp<math::ExpOp>();
  auto gap = power ? power.getOperand().getDefiningOp<arith::SubFOp>() : arith::SubFOp();
  for (unsigned z = 0; gap && z < forms.size(); ++z)
    if ((gap.getLhs() == oldOf(z) && gap.getRhs() == newOf(z)) ||
        (gap.getLhs() == newOf(z) && gap.getRhs() == oldOf(z)))
      return z;
  return std::nullopt;
}

/// The logarithm of a product of factors. `vector`: the type of what runs along the axis.
std::optional<Decay> Normaliser::decayOf(ArrayRef<Core> factors, Type vector) {
  Decay decay;
  auto plus = [&](Value &sum, Value g) { sum = sum ? arith::AddFOp::create(builder, loc, sum, g).getResult() : g; };
  for (const Core &factor : factors) {
    auto exponential = factor.value.getDefiningOp<math::ExpOp>();
    if (!exponential && !isNonNegative(factor.value))
      return no(factor.value, "a factor of the state may be negative; write it as td.exp of its logarithm");
    if (std::optional<unsigned> z = changing(factor.value)) {
      if (!forms[*z] || forms[*z]->kind == StateForm::Linear)
        return no(factor.value, "a decay by the change of a state that does not run");
      if (factors.size() != 1)
        return no(factor.value, "a decay by a running state has another factor");
      decay.telescope = z;
      decay.rises = exponential.getOperand().getDefiningOp()->getOperand(0) == newOf(*z);
      return decay;
    }
    Value g = exponential ? exponential.getOperand()
                          : math::LogOp::create(builder, factor.value.getLoc(), factor.value).getResult();
    plus(factor.axis ? decay.channel : decay.scalar, g);
  }
  return decay;
}

/// Whether, from a value on, anything but `reads` and the new value is used for something else than the new value.
bool Normaliser::isReadOnTheWay(Value value, ArrayRef<Value> reads, unsigned state) {
  return value != newOf(state) && llvm::any_of(value.getUses(), [&](OpOperand &use) {
           Operation *op = use.getOwner();
           if (op->getNumResults() == 1 && uses(newOf(state), op->getResult(0)))
             return isReadOnTheWay(op->getResult(0), reads, state);
           return !llvm::is_contained(reads, value);
         });
}

/// Of a state that is e^g (S + addends): the sum. Null: it is none such.
Value Normaliser::sumOf(unsigned state, SmallVectorImpl<Value> &addends) {
  SmallVector<Value> factors;
  appendFactors(newOf(state), factors);
  auto *found = llvm::find_if(factors, [&](Value factor) { return uses(factor, oldOf(state)); });
  if (factors.size() < 2 || found == factors.end() || !found->getDefiningOp<arith::AddFOp>())
    return {};
  std::optional<Affine> sum = affine(*found, oldOf(state));
  if (!sum || !sum->factors.empty())
    return {};
  addends.assign(sum->addends);
  return *found;
}

/// Of how many bf16 parts, largest first, operands are sums: `treadle.parts` where small differences of results matter.
static int64_t partsOf(tile::ReduceOp read, ScanOp scan) {
  auto parts = read->getAttrOfType<IntegerAttr>("treadle.parts");
  return parts && !narrowestOutput(scan).isF32() ? parts.getInt() : 1;
}

/// Follows a value of a state through products to sums over one axis.
bool Normaliser::findReadouts(Value value, SmallVectorImpl<Value> &factors, unsigned state, StateForm &form,
                              bool isStrict) {
  for (OpOperand &use : value.getUses()) {
    Operation *op = use.getOwner();
    bool isUpdate = op == yield && use.getOperandNumber() == yield.getOutputs().size() + state;
    if (isUpdate || (factors.empty() && op->getNumResults() == 1 && uses(newOf(state), op->getResult(0))))
      continue;
    if (auto product = dyn_cast<arith::MulFOp>(op)) {
      Value other = op->getOperand(1 - use.getOperandNumber());
      if (uses(other, value))
        return no(product, "the state is multiplied by what is computed from it"), false;
      factors.push_back(other);
      if (!findReadouts(product, factors, state, form, isStrict))
        return false;
      factors.pop_back();
      continue;
    }
    auto reduce = dyn_cast<tile::ReduceOp>(op);
    if (!reduce || reduce.getNumOperands() != 1 || !isa<arith::AddFOp>(reduce.getCombine().front().front()) ||
        reduce.getCombine().front().getOperations().size() != 2)
      return no(op->getNumResults() ? op->getResult(0) : value,
                "the state is read other than by a sum of products along one of its axes"),
             false;
    unsigned axis = reduce.getAxis();
    SmallVector<Value> query;
    for (Value factor : factors) {
      std::optional<SmallVector<Core>> cores = coresOf(factor);
      if (!cores)
        return false;
      for (const Core &core : *cores) {
        if (core.axis && *core.axis != axis)
          return no(factor, "a factor of the state runs along another axis than the sum"), false;
        query.push_back(core.value);
      }
    }
    auto vector = RankedTensorType::get({tensorOf(value).getDimSize(axis)}, builder.getF32Type());
    form.readouts.push_back({reduce.getResult(0), productOf(query, vector), axis, isStrict, partsOf(reduce, scan)});
  }
  return true;
}

/// S = e^g S + key ⊗ value.
std::optional<StateForm> Normaliser::linear(unsigned state, Affine update) {
  RankedTensorType type = tensorOf(oldOf(state));
  if (!type || type.getRank() > 2 || llvm::is_contained(type.getShape(), 1))
    return no(newOf(state), "the state is no matrix or vector");
  StateForm form;
  form.kind = StateForm::Linear;
  // What is read, and the same without what the token adds.
  Value read = newOf(state), strict = newOf(state);
  if (Value sum = sumOf(state, update.addends)) {
    form.reads = StateForm::Sum;
    read = sum;
    strict = oldOf(state);
  } else if (update.addends.empty() && newOf(state).hasOneUse()) {
    form.reads = StateForm::Sum; // of nothing
    read = strict = oldOf(state);
  } else if (Operation *op = newOf(state).getDefiningOp(); isa_and_nonnull<arith::AddFOp, arith::SubFOp>(op)) {
    strict = op->getOperand(uses(op->getOperand(0), oldOf(state)) ? 0 : 1);
    if (strict != oldOf(state) && strict.hasOneUse() && newOf(state).hasOneUse() && !oldOf(state).hasOneUse()) {
      form.reads = StateForm::Old;
      read = strict = oldOf(state);
    }
  }
  if (form.reads != StateForm::New && (scan.getNoncausal() || !newOf(state).hasOneUse()))
    return no(newOf(state), "the state is read both before and after its decay");
  if (isReadOnTheWay(oldOf(state), {read, strict}, state))
    return no(newOf(state), "something else than the state's new value is computed on the way to it");
  SmallVector<Value> none;
  if (!findReadouts(read, none, state, form, /*isStrict=*/false) ||
      (strict != read && !findReadouts(strict, none, state, form, /*isStrict=*/true)))
    return std::nullopt;
  if (scan.getNoncausal() && llvm::any_of(form.readouts, [](const Readout &readout) { return readout.isStrict; }))
    return no(strict, "an output of a noncausal scan reads an old state");
  SmallVector<Core> decays;
  for (Value factor : update.factors) {
    std::optional<SmallVector<Core>> cores = coresOf(factor);
    if (!cores)
      return std::nullopt;
    decays.append(*cores);
  }
  if (!form.readouts.empty())
    form.axis = form.readouts.front().axis;
  std::optional<unsigned> along;
  for (const Core &decay : decays) {
    if (decay.axis && along.value_or(*decay.axis) != *decay.axis)
      return no(decay.value, "the state decays along several axes");
    if (decay.axis)
      along = form.axis = *decay.axis;
  }
  auto vectorAlong = [&](unsigned axis) {
    return RankedTensorType::get({type.getDimSize(axis)}, builder.getF32Type());
  };
  std::optional<Decay> decay = decayOf(decays, vectorAlong(form.axis));
  if (!decay)
    return std::nullopt;
  if (decay->telescope && oldOf(*decay->telescope).getType() != vectorAlong(form.axis) &&
      isa<RankedTensorType>(oldOf(*decay->telescope).getType()))
    return no(newOf(state), "the running state of the decay has another shape");
  form.decay = *decay;
  if (form.reads != StateForm::New && decay->telescope)
    return no(newOf(state), "the state is read before it decays by a running state");
  if (form.reads == StateForm::Old && decay->channel)
    return no(newOf(state), "the state's old value is read, and it decays by a vector");
  if (update.addends.empty()) {
    // It only decays.
    auto zero = [&](unsigned axis) {
      return arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(vectorAlong(axis), 0.0f)).getResult();
    };
    form.key = zero(form.axis);
    form.value = type.getRank() == 2 ? zero(1 - form.axis) : Value();
    return form;
  }
  if (type.getRank() == 1) {
    for (Value addend : update.addends)
      form.key = form.key ? arith::AddFOp::create(builder, loc, form.key, addend).getResult() : addend;
    return form;
  }
  if (update.addends.size() != 1)
    return no(newOf(state), "not one product of two vectors is added to the state");
  std::optional<SmallVector<Core>> cores = coresOf(update.addends.front());
  if (!cores)
    return std::nullopt;
  SmallVector<Value> key, value;
  for (const Core &core : *cores)
    (core.axis == 1 - form.axis ? value : key).push_back(core.value);
  form.key = productOf(key, vectorAlong(form.axis));
  form.value = productOf(value, vectorAlong(1 - form.axis));
  return form;
}

std::optional<StateForm> Normaliser::classify(unsigned state) {
  Value old = oldOf(state), next = newOf(state);
  if (next == old)
    return no(next, "the state never changes");
  if (std::optional<StateForm> form = extremum(state))
    return form;
  std::optional<Affine> update = affine(next, old);
  if (!update)
    return std::nullopt;
  if (!update->hasState) {
    if (scan.getNoncausal())
      return no(next, "the state's new value does not depend on its old one, in a noncausal scan");
    StateForm form;
    form.kind = StateForm::Delay;
    form.x = next;
    return form;
  }
  if (std::optional<StateForm> form = linear(state, *update))
    return form;
  // Element by element.
  Obstacle notLinear = why;
  StateForm form;
  form.kind = update->factors.empty() ? StateForm::Add : StateForm::Affine;
  if (!update->factors.empty()) {
    form.factor = productOf(update->factors, old.getType());
    if (std::optional<SmallVector<Core>> cores = coresOf(form.factor); cores && cores->size() == 1) {
      if (std::optional<unsigned> z = changing(cores->front().value); z && !forms[*z])
        return no(next, "a decay by the change of a state that does not run");
      if (std::optional<Decay> decay = decayOf(*cores, {}); decay && decay->telescope) {
        form.decay = *decay;
        form.axis = cores->front().axis.value_or(0);
      }
    }
  }
  why = notLinear;
  for (Value addend : update->addends)
    form.x = form.x ? arith::AddFOp::create(builder, loc, form.x, addend).getResult() : addend;
  if (!form.x)
    form.kind = StateForm::Affine;
  return form;
}

/// Whether a value can be computed for all tokens of a chunk at once: from inputs, running states and readouts.
bool Normaliser::check(Value value) {
  if (!value || !checked.insert(value).second)
    return true;
  for (unsigned z = 0; z < forms.size(); ++z) {
    bool isDelay = forms[z]->kind == StateForm::Delay;
    if (value == oldOf(z) && forms[z]->kind == StateForm::Linear)
      return no(value, "the old value of state " + Twine(z) + " is used"), false;
    if (value == oldOf(z))
      return scan.getNoncausal() ? (no(value, "the old value of state " + Twine(z) + " is used"), false)
                                 : check(isDelay ? forms[z]->x : newOf(z));
    if (isDelay)
      continue;
    if (forms[z]->kind == StateForm::Linear) {
      if (value == newOf(z))
        return no(value, "state " + Twine(z) + " is used other than by a sum of products"), false;
      for (const Readout &readout : forms[z]->readouts)
        if (value == readout.result)
          return check(readout.query);
    } else if (value == newOf(z)) {
      return check(forms[z]->x) && (forms[z]->decay.telescope || check(forms[z]->factor));
    }
  }
  Operation *op = value.getDefiningOp();
  return !op || llvm::all_of(op->getOperands(), [&](Value operand) {
    if (auto argument = dyn_cast<BlockArgument>(operand); argument && argument.getOwner() != &scan.getStep().front())
      return true;
    if (check(operand))
      return true;
    if (why.op == scan.getOperation())
      why.op = op; // the use of an argument
    return false;
  });
}

/// Whether a delay is of itself, at some distance.
bool Normaliser::comesFromItself(unsigned state) {
  SmallVector<unsigned> work{state};
  DenseSet<unsigned> seen;
  while (!work.empty()) {
    unsigned next = work.pop_back_val();
    for (unsigned other = 0; other < forms.size(); ++other) {
      if (forms[other]->kind != StateForm::Delay || !uses(forms[next]->x, oldOf(other)))
        continue;
      if (other == state)
        return true;
      if (seen.insert(other).second)
        work.push_back(other);
    }
  }
  return false;
}

/// A state that changes with one that changes with it, so that neither is known for a chunk before the other.
std::optional<unsigned> Normaliser::inCircle() {
  unsigned count = forms.size();
  SmallVector<SmallVector<bool>> after(count, SmallVector<bool>(count, false));
  for (unsigned state = 0; state < count; ++state) {
    const StateForm &form = *forms[state];
    SmallVector<Value> work{form.key, form.value, form.decay.scalar, form.decay.channel, form.x, form.factor};
    DenseSet<Value> seen;
    while (!work.empty()) {
      Value value = work.pop_back_val();
      if (!value || !seen.insert(value).second)
        continue;
      bool isOfState = false;
      for (unsigned z = 0; z < count; ++z) {
        bool isValue = value == oldOf(z) || value == newOf(z);
        after[state][z] |= isValue && z != state;
        isOfState |= isValue;
        for (const Readout &readout : forms[z]->readouts)
          if (value == readout.result) {
            after[state][z] |= z != state;
            isOfState = true;
            work.push_back(readout.query);
          }
      }
      if (Operation *op = isOfState ? nullptr : value.getDefiningOp())
        work.append(op->operand_begin(), op->operand_end());
    }
  }
  for (unsigned via = 0; via < count; ++via)
    for (unsigned i = 0; i < count; ++i)
      for (unsigned j = 0; j < count; ++j)
        after[i][j] = after[i][j] || (after[i][via] && after[via][j]);
  for (unsigned state = 0; state < count; ++state)
    if (after[state][state])
      return state;
  return std::nullopt;
}

std::optional<NormalForm> Normaliser::run() {
  unsigned count = scan.getNumStates();
  forms.resize(count);
  // Those that run come first: others may decay by them.
  for (bool changed = true; changed;) {
    changed = false;
    for (unsigned state = 0; state < count; ++state)
      if (!forms[state] && (forms[state] = classify(state)))
        changed = true;
  }
  for (unsigned state = 0; state < count; ++state)
    if (!forms[state])
      return classify(state), std::nullopt; // for the reason
  if (std::optional<unsigned> state = inCircle())
    return no(newOf(*state), "states change with each other");
  NormalForm result;
  for (unsigned state = 0; state < count; ++state) {
    const StateForm &form = *forms[state];
    result.states.push_back(form);
    if (form.kind == StateForm::Delay)
      for (unsigned other = 0; other < count; ++other)
        if (forms[other]->kind != StateForm::Delay && uses(form.x, oldOf(other)))
          return no(form.x, "a state keeps what comes from state " + Twine(other));
    if (form.kind == StateForm::Delay && comesFromItself(state))
      return no(form.x, "states are what others were before, in a circle");
    // A factor that telescopes is what it is by the states that run.
    Value factor = form.decay.telescope ? Value() : form.factor;
    for (Value piece : {form.key, form.value, form.decay.scalar, form.decay.channel, form.x, factor})
      if (!check(piece))
        return std::nullopt;
  }
  for (Value output : yield.getOutputs())
    if (!check(output))
      return std::nullopt;
  // Decays say how a chunk is cut, before anything is read from states.
  for (const StateForm &form : result.states) {
    Value z = form.decay.telescope ? newOf(*form.decay.telescope) : Value();
    for (Value piece : {form.decay.scalar, form.decay.channel, z})
      for (unsigned state = 0; piece && state < count; ++state)
        if (result.states[state].kind == StateForm::Linear && uses(piece, newOf(state)))
          return no(piece, "a decay depends on what is read from state " + Twine(state));
  }
  return result;
}

std::optional<NormalForm> NormalForm::of(ScanOp scan, Obstacle &why) { return Normaliser(scan, why).run(); }

int64_t StateForm::parts() const {
  int64_t most = 1;
  for (const Readout &readout : readouts)
    most = std::max(most, readout.parts);
  return most;
}

std::optional<std::pair<unsigned, const Readout *>> NormalForm::readoutOf(Value value) const {
  for (auto [state, form] : llvm::enumerate(states))
    for (const Readout &readout : form.readouts)
      if (readout.result == value)
        return std::pair(unsigned(state), &readout);
  return std::nullopt;
}
