//===-- Adjoint.cpp - gradients of the values of a step --------------------===//

#include "Adjoint.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "tile/IR/Tile.h"
#include "treadle/IR/Treadle.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace treadle;

static RankedTensorType tensorOf(Value value) { return dyn_cast<RankedTensorType>(value.getType()); }

static SmallVector<int64_t> without(ArrayRef<int64_t> shape, unsigned axis) {
  SmallVector<int64_t> rest(shape);
  rest.erase(rest.begin() + axis);
  return rest;
}

/// A tensor of that shape, or a scalar.
static Type typeOf(Type element, ArrayRef<int64_t> shape) {
  return shape.empty() ? element : Type(RankedTensorType::get(shape, element));
}

/// The only op of a reduction's region, if that combines two scalars.
static Operation *combineOf(tile::ReduceOp reduce) {
  Block &block = reduce.getCombine().front();
  if (reduce.getNumOperands() != 1 || block.getOperations().size() != 2 || block.front().getNumOperands() != 2 ||
      block.getTerminator()->getOperand(0) != block.front().getResult(0))
    return nullptr;
  return &block.front();
}

//===-- terms --------------------------------------------------------------===//

void Adjoint::add(Value value, Value term) {
  auto isNegative = [](Value a, Value b) {
    auto minus = a.getDefiningOp<arith::NegFOp>();
    return minus && minus.getOperand() == b;
  };
  SmallVector<Value> &all = terms[value];
  auto *opposite = llvm::find_if(all, [&](Value v) { return isNegative(v, term) || isNegative(term, v); });
  if (opposite == all.end())
    all.push_back(term);
  else
    all.erase(opposite);
}

Value Adjoint::of(Value value) {
  SmallVector<Value> &all = terms[value];
  while (all.size() > 1) {
    Value last = all.pop_back_val();
    all.back() = make<arith::AddFOp>(all.back(), last);
  }
  return all.empty() ? Value() : all.front();
}

//===-- builders -----------------------------------------------------------===//

Value Adjoint::constant(Type type, double value) {
  TypedAttr number = builder.getF32FloatAttr(float(value));
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    number = DenseElementsAttr::get(tensor, Attribute(number));
  return make<arith::ConstantOp>(number);
}

Value Adjoint::splat(Value scalar, Type type) {
  return isa<RankedTensorType>(type) ? make<tile::SplatOp>(type, scalar) : scalar;
}

Value Adjoint::choose(Value condition, Value value, Value other) {
  return make<arith::SelectOp>(condition, value, other);
}

static bool isConstant(Value value, double number) {
  FloatAttr scalar;
  DenseElementsAttr elements;
  if (matchPattern(value, m_Constant(&scalar)))
    return scalar.getValueAsDouble() == number;
  return matchPattern(value, m_Constant(&elements)) && elements.isSplat() &&
         isa<FloatType>(elements.getElementType()) &&
         elements.getSplatValue<APFloat>().convertToFloat() == float(number);
}

Value Adjoint::product(Value a, Value b) {
  if (isConstant(a, 1))
    return b;
  if (isConstant(b, 1))
    return a;
  auto [first, second] = std::minmax(a.getAsOpaquePointer(), b.getAsOpaquePointer());
  Value &known = products[{first, second}];
  return known ? known : known = make<arith::MulFOp>(a, b);
}

/// A value without an axis that has size 1.
Value Adjoint::dropAxis(Value value, unsigned axis) {
  RankedTensorType type = tensorOf(value);
  Type left = typeOf(type.getElementType(), without(type.getShape(), axis));
  if (auto expand = value.getDefiningOp<tile::ExpandDimsOp>()) {
    if (expand.getAxis() == axis)
      return expand.getOperand();
    if (isa<RankedTensorType>(left)) {
      unsigned inner = expand.getAxis() < axis ? axis - 1 : axis;
      Value rest = dropAxis(expand.getOperand(), inner);
      if (isa<RankedTensorType>(rest.getType()))
        return make<tile::ExpandDimsOp>(left, rest,
                                        uint32_t(expand.getAxis() < axis ? expand.getAxis() : expand.getAxis() - 1));
    }
  }
  return isa<RankedTensorType>(left) ? make<tile::ReshapeOp>(left, value) : plainSum(value, axis);
}

/// What a value is at every place along an axis, if that is the same; else null.
Value Adjoint::sameAlong(Value value, unsigned axis) {
  RankedTensorType type = tensorOf(value);
  Type left = typeOf(type.getElementType(), without(type.getShape(), axis));
  DenseElementsAttr elements;
  if (matchPattern(value, m_Constant(&elements)) && elements.isSplat())
    return constant(left, elements.getSplatValue<APFloat>().convertToFloat());
  if (auto op = value.getDefiningOp<tile::SplatOp>())
    return splat(op.getValue(), left);
  if (type.getDimSize(axis) == 1)
    return dropAxis(value, axis);
  auto broadcast = value.getDefiningOp<tile::BroadcastOp>();
  if (!broadcast || tensorOf(broadcast.getOperand()).getDimSize(axis) != 1)
    return {};
  Value rest = dropAxis(broadcast.getOperand(), axis);
  return rest.getType() == left ? rest : make<tile::BroadcastOp>(left, rest);
}

/// The sum along an axis of a product, the same value for the same factors.
Value Adjoint::plainSum(ArrayRef<Value> factors, unsigned axis) {
  std::pair<SmallVector<void *>, unsigned> key;
  for (Value factor : factors)
    key.first.push_back(factor.getAsOpaquePointer());
  llvm::sort(key.first);
  key.second = axis;
  if (Value known = sums[key])
    return known;
  // Along an axis along which all are the same, one place is enough.
  RankedTensorType type = tensorOf(factors.front());
  for (unsigned other = 0; other < type.getRank(); ++other) {
    if (other == axis || type.getDimSize(other) == 1)
      continue;
    SmallVector<Value> fewer;
    for (Value factor : factors)
      if (Value same = sameAlong(factor, other))
        fewer.push_back(same);
    if (fewer.size() != factors.size())
      continue;
    Value total = plainSum(fewer, other < axis ? axis - 1 : axis);
    unsigned place = other < axis ? other : other - 1;
    SmallVector<int64_t> shape = without(type.getShape(), axis);
    auto result = RankedTensorType::get(shape, type.getElementType());
    if (!isa<RankedTensorType>(total.getType()))
      return sums[key] = splat(total, result);
    shape[place] = 1;
    return sums[key] = make<tile::BroadcastOp>(result, make<tile::ExpandDimsOp>(result.clone(shape), total, place));
  }
  Value all = factors.front();
  for (Value factor : factors.drop_front())
    all = make<arith::MulFOp>(all, factor);
  Type element = type.getElementType();
  auto reduce = tile::ReduceOp::create(builder, loc, TypeRange{typeOf(element, without(type.getShape(), axis))},
                                       ValueRange{all}, axis);
  OpBuilder::InsertionGuard guard(builder);
  Block *block = builder.createBlock(&reduce.getCombine(), {}, {element, element}, {loc, loc});
  tile::YieldOp::create(builder, loc, make<arith::AddFOp>(block->getArgument(0), block->getArgument(1)));
  return sums[key] = reduce.getResult(0);
}

void Adjoint::appendFactors(Value value, SmallVectorImpl<Value> &factors) {
  bool isWhole = llvm::any_of(parts, [&](const auto &entry) { return entry.second.first == value; });
  if (auto product = value.getDefiningOp<arith::MulFOp>(); product && !isWhole) {
    appendFactors(product.getLhs(), factors);
    appendFactors(product.getRhs(), factors);
  } else {
    factors.push_back(value);
  }
}

Value Adjoint::sumAlong(Value value, unsigned axis) {
  SmallVector<Value> factors, inside;
  appendFactors(value, factors);
  for (Value &factor : factors) {
    auto it = parts.find(factor);
    if (it == parts.end())
      continue;
    auto [first, second] = it->second;
    Value sums[2];
    for (auto [sum, part] : {std::pair(&sums[0], first), std::pair(&sums[1], second)}) {
      factor = part;
      Value all = factors.front();
      for (Value other : ArrayRef(factors).drop_front())
        all = product(all, other);
      *sum = sumAlong(all, axis);
    }
    return make<arith::AddFOp>(sums[0], sums[1]);
  }
  Value outside;
  for (Value factor : factors) {
    if (Value same = sameAlong(factor, axis))
      outside = outside ? product(outside, same) : same;
    else
      inside.push_back(factor);
  }
  if (inside.empty())
    return times(outside, double(tensorOf(value).getDimSize(axis)));
  Value total = plainSum(inside, axis);
  return outside ? product(outside, total) : total;
}

//===-- rules --------------------------------------------------------------===//

bool Adjoint::pullMath(Operation *op, Value g) {
  Type type = g.getType();
  Value y = op->getResult(0), x = op->getOperand(0), other = op->getNumOperands() > 1 ? op->getOperand(1) : Value();
  auto number = [&](double value) { return constant(type, value); };
  auto compare = [&](arith::CmpFPredicate predicate, Value a, Value b) { return make<arith::CmpFOp>(predicate, a, b); };
  auto negative = [&](Value value) { return make<arith::NegFOp>(value); };
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](arith::AddFOp) { return add(x, g), add(other, g), true; })
      .Case([&](arith::SubFOp) { return add(x, g), add(other, negative(g)), true; })
      .Case([&](arith::NegFOp) { return add(x, negative(g)), true; })
      .Case([&](arith::MulFOp) { return add(x, product(g, other)), add(other, product(g, x)), true; })
      .Case([&](arith::DivFOp) {
        Value share = make<arith::DivFOp>(g, other);
        return add(x, share), add(other, negative(make<arith::MulFOp>(share, y))), true;
      })
      .Case<arith::MaximumFOp, arith::MinimumFOp>([&](auto) {
        // Of equals each gets half.
        auto before = isa<arith::MaximumFOp>(op) ? arith::CmpFPredicate::OGT : arith::CmpFPredicate::OLT;
        Value tie = choose(compare(arith::CmpFPredicate::OEQ, x, other), times(g, 0.5), number(0));
        add(x, choose(compare(before, x, other), g, tie));
        return add(other, choose(compare(before, other, x), g, tie)), true;
      })
      .Case([&](arith::SelectOp select) {
        add(select.getTrueValue(), choose(x, g, number(0)));
        return add(select.getFalseValue(), choose(x, number(0), g)), true;
      })
      .Case([&](LogAddExpOp) {
        // Infinities have no difference.
        auto weight = [&](Value a, Value b) {
          Value tie = choose(compare(arith::CmpFPredicate::OEQ, b, y), number(0.5), number(1));
          Value share = make<math::ExpOp>(make<arith::SubFOp>(a, y));
          return choose(compare(arith::CmpFPredicate::OEQ, a, y), tie, share);
        };
        return add(x, product(g, weight(x, other))), add(other, product(g, weight(other, x))), true;
      })
      .Case([&](math::ExpOp) { return add(x, product(g, y)), true; })
      .Case([&](math::Exp2Op) { return add(x, times(product(g, y), M_LN2)), true; })
      .Case([&](math::LogOp) { return add(x, make<arith::DivFOp>(g, x)), true; })
      .Case([&](math::Log2Op) { return add(x, make<arith::DivFOp>(g, times(x, M_LN2))), true; })
      .Case([&](math::Log1pOp) { return add(x, make<arith::DivFOp>(g, make<arith::AddFOp>(x, number(1)))), true; })
      .Case([&](math::SqrtOp) { return add(x, make<arith::DivFOp>(times(g, 0.5), y)), true; })
      .Case([&](math::RsqrtOp) { return add(x, product(times(g, -0.5), product(y, product(y, y)))), true; })
      .Case([&](math::SinOp) { return add(x, product(g, make<math::CosOp>(x))), true; })
      .Case([&](math::CosOp) { return add(x, negative(product(g, make<math::SinOp>(x)))), true; })
      .Case([&](math::TanhOp) {
        // 1 - y² would lose what is left near 1: 4e / (1 + e)², e = e^-2|x|.
        Value e = make<math::ExpOp>(times(make<math::AbsFOp>(x), -2)), sum = make<arith::AddFOp>(e, number(1));
        return add(x, product(g, make<arith::DivFOp>(times(e, 4), product(sum, sum)))), true;
      })
      .Case([&](math::ErfOp) {
        Value density = times(make<math::ExpOp>(negative(product(x, x))), M_2_SQRTPI);
        return add(x, product(g, density)), true;
      })
      .Case([&](math::AbsFOp) {
        Value below = choose(compare(arith::CmpFPredicate::OLT, x, number(0)), negative(g), number(0));
        return add(x, choose(compare(arith::CmpFPredicate::OGT, x, number(0)), g, below)), true;
      })
      .Default([](Operation *) { return false; });
}

bool Adjoint::pullShape(Operation *op, Value g) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](StopGradientOp) { return true; })
      .Case([&](tile::SplatOp splatOp) {
        while (isa<RankedTensorType>(g.getType()))
          g = sumAlong(g, tensorOf(g).getRank() - 1);
        return add(splatOp.getValue(), g), true;
      })
      .Case([&](tile::BroadcastOp broadcast) {
        auto from = tensorOf(broadcast.getOperand()), to = tensorOf(g);
        SmallVector<unsigned> axes;
        for (unsigned axis = 0; axis < unsigned(to.getRank()); ++axis)
          if (from.getDimSize(axis) != to.getDimSize(axis))
            axes.push_back(axis);
        SmallVector<int64_t> shape(to.getShape());
        for (unsigned axis : llvm::reverse(axes)) {
          g = sumAlong(g, axis);
          shape.erase(shape.begin() + axis);
        }
        for (unsigned axis : axes) {
          shape.insert(shape.begin() + axis, 1);
          Type type = typeOf(builder.getF32Type(), shape);
          g = isa<RankedTensorType>(g.getType()) ? make<tile::ExpandDimsOp>(type, g, uint32_t(axis)) : splat(g, type);
        }
        return add(broadcast.getOperand(), g), true;
      })
      .Case([&](tile::ExpandDimsOp expand) { return add(expand.getOperand(), dropAxis(g, expand.getAxis())), true; })
      .Case([&](tile::ReshapeOp reshape) {
        return add(reshape.getOperand(), make<tile::ReshapeOp>(reshape.getOperand().getType(), g)), true;
      })
      .Case([&](tile::TransposeOp transpose) {
        SmallVector<int32_t> inverse(transpose.getPerm().size());
        for (auto [to, from] : llvm::enumerate(transpose.getPerm()))
          inverse[from] = int32_t(to);
        Value back =
            make<tile::TransposeOp>(transpose.getOperand().getType(), g, builder.getDenseI32ArrayAttr(inverse));
        return add(transpose.getOperand(), back), true;
      })
      .Case([&](ConcatOp concat) {
        uint32_t at = 0, axis = concat.getAxis();
        int64_t rank = tensorOf(g).getRank();
        for (Value part : concat.getParts()) {
          add(part, make<PartOp>(part.getType(), g, axis, at));
          at += tensorOf(part) && tensorOf(part).getRank() == rank ? tensorOf(part).getDimSize(axis) : 1;
        }
        return true;
      })
      .Case([&](PartOp part) {
        RankedTensorType whole = tensorOf(part.getOperand());
        unsigned axis = part.getAxis();
        RankedTensorType own = dyn_cast<RankedTensorType>(g.getType());
        int64_t size = own && own.getRank() == whole.getRank() ? own.getDimSize(axis) : 1;
        SmallVector<Value> parts;
        auto addZeros = [&](int64_t count) {
          SmallVector<int64_t> shape(whole.getShape());
          shape[axis] = count;
          if (count)
            parts.push_back(constant(typeOf(builder.getF32Type(), shape), 0));
        };
        addZeros(part.getOffset());
        parts.push_back(g);
        addZeros(whole.getDimSize(axis) - part.getOffset() - size);
        return add(part.getOperand(), make<ConcatOp>(whole, parts, axis)), true;
      })
      .Default([](Operation *) { return false; });
}

bool Adjoint::pullReduce(Operation *op, Value g) {
  auto reduce = dyn_cast<tile::ReduceOp>(op);
  Operation *combine = reduce ? combineOf(reduce) : nullptr;
  if (!combine || !isa<arith::AddFOp, arith::MaximumFOp, arith::MinimumFOp>(combine))
    return false;
  Value x = reduce.getOperand(0);
  auto type = tensorOf(x);
  auto spread = [&](Value value) {
    if (!isa<RankedTensorType>(value.getType()))
      return splat(value, type);
    SmallVector<int64_t> shape(type.getShape());
    shape[reduce.getAxis()] = 1;
    Value column = make<tile::ExpandDimsOp>(type.clone(shape), value, reduce.getAxis());
    return shape == type.getShape() ? column : make<tile::BroadcastOp>(type, column);
  };
  if (isa<arith::AddFOp>(combine))
    return add(x, spread(g)), true;
  // Those that are equal share.
  Value isIt = make<arith::CmpFOp>(arith::CmpFPredicate::OEQ, x, spread(reduce.getResult(0)));
  Value count = plainSum(choose(isIt, constant(type, 1), constant(type, 0)), reduce.getAxis());
  return add(x, choose(isIt, spread(make<arith::DivFOp>(g, count)), constant(type, 0))), true;
}

LogicalResult Adjoint::pull(Operation *op) {
  loc = op->getLoc();
  SmallVector<Value> results;
  for (Value result : op->getResults())
    if (of(result))
      results.push_back(result);
  if (results.empty())
    return success();
  Value g = of(results.front());
  if (op->getNumResults() == 1 && (pullMath(op, g) || pullShape(op, g) || pullReduce(op, g)))
    return success();
  // Constants, and what is made of integers.
  if (llvm::none_of(op->getOperandTypes(), [](Type type) { return isa<FloatType>(getElementTypeOrSelf(type)); }))
    return success();
  if (isa<tile::ReduceOp>(op))
    return op->emitError() << "the gradient of this reduction is not known: of sums, maxima and minima it is";
  return op->emitError() << "the gradient of '" << op->getName() << "' is not known";
}
