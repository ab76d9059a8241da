//===-- Step.cpp - a step on tiles -----------------------------------------===//
//
// Sizes become powers of two. What lies in the padding is whatever the elements there come to; it is seen by
// reductions, for which it is replaced by the neutral element, and by integer divisions, which must not divide by 0.
//
//===----------------------------------------------------------------------===//

#include "Step.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "tile/IR/Combine.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace treadle;

static RankedTensorType tensorOf(Value value) { return dyn_cast<RankedTensorType>(value.getType()); }

//===-- slices -------------------------------------------------------------===//

Slice treadle::sliceOf(ScanOp scan, ValueRange wanted, function_ref<bool(Value)> known) {
  llvm::MapVector<Value, Operation *> arguments;
  DenseSet<Operation *> needed;
  SmallVector<std::pair<Value, Operation *>> work;
  for (Value value : wanted)
    work.emplace_back(value, scan.getYield());
  while (!work.empty()) {
    auto [value, user] = work.pop_back_val();
    if (known(value))
      continue;
    Operation *op = value.getDefiningOp();
    if (!op) {
      if (value.getParentRegion() == &scan.getStep())
        arguments.insert({value, user});
      continue;
    }
    // What a region uses, its op uses; what a region defines is the op's own.
    if (needed.insert(op).second)
      op->walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          if (!op->isAncestor(operand.getParentBlock()->getParentOp()))
            work.emplace_back(operand, inner);
      });
  }
  Slice slice;
  slice.arguments = std::move(arguments);
  for (Block *block : {scan->getBlock(), &scan.getStep().front()})
    for (Operation &op : *block)
      if (needed.contains(&op))
        slice.ops.insert(&op);
  return slice;
}

//===-- types --------------------------------------------------------------===//

FailureOr<Type> StepWriter::typeOf(Value value, Operation *op) const {
  RankedTensorType tensor = tensorOf(value);
  if (!tensor)
    return rows ? RankedTensorType::get({rows}, value.getType()) : value.getType();
  SmallVector<int64_t> shape;
  int64_t left = 1 << 20;
  if (rows) {
    shape.push_back(rows);
    left /= rows;
  }
  for (unsigned axis = 0; axis < tensor.getRank(); ++axis) {
    shape.push_back(this->padded(value, axis));
    left /= shape.back();
  }
  Type padded = tensor.clone(shape);
  if (left == 0)
    return op->emitError() << "a tile has at most 2^20 elements, found " << padded << ", which " << tensor
                           << " is padded to";
  return padded;
}

int64_t StepWriter::padded(Value value, unsigned axis) const {
  int64_t size = tensorOf(value).getDimSize(axis);
  if (sharing.isShared(value, axis))
    return sharing.width();
  return size == 1 ? 1 : std::max(least, int64_t(llvm::PowerOf2Ceil(size)));
}

bool StepWriter::isPadded(Value value, unsigned axis) const {
  int64_t size = tensorOf(value).getDimSize(axis);
  return sharing.isShared(value, axis) ? size % sharing.width() != 0 : size != padded(value, axis);
}

//===-- padding ------------------------------------------------------------===//

/// `tile`, which the step's value `original` became, with the padding of one axis replaced.
Value StepWriter::fill(OpBuilder &builder, Location loc, Value original, unsigned axis, Value tile,
                       Attribute with) const {
  auto type = cast<RankedTensorType>(tile.getType());
  unsigned along = axis + (rows ? 1 : 0);
  auto places = RankedTensorType::get({type.getDimSize(along)}, builder.getI32Type());
  Value place = tile::IotaOp::create(builder, loc, places);
  if (sharing.isShared(original, axis)) {
    Value start = arith::IndexCastOp::create(builder, loc, builder.getI32Type(), offset);
    place = arith::AddIOp::create(builder, loc, place, tile::SplatOp::create(builder, loc, places, start));
  }
  auto size = DenseElementsAttr::get(places, builder.getI32IntegerAttr(tensorOf(original).getDimSize(axis)));
  Value inside = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, place,
                                       arith::ConstantOp::create(builder, loc, size));
  SmallVector<int64_t> shape(places.getShape());
  for (int64_t other = 0; other < type.getRank(); ++other)
    if (other != along) {
      shape.insert(shape.begin() + other, 1);
      inside = tile::ExpandDimsOp::create(builder, loc, RankedTensorType::get(shape, builder.getI1Type()), inside,
                                          uint32_t(other));
    }
  auto whole = RankedTensorType::get(type.getShape(), builder.getI1Type());
  if (inside.getType() != whole)
    inside = tile::BroadcastOp::create(builder, loc, whole, inside);
  Value other = arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(type, with));
  return arith::SelectOp::create(builder, loc, inside, tile, other);
}

LogicalResult StepWriter::prepareReduce(OpBuilder &builder, tile::ReduceOp op, Operation *copy) const {
  Value operand = op.getOperand(0);
  unsigned axis = op.getAxis();
  if (!isPadded(operand, axis))
    return success();
  TypedAttr neutral = tile::neutralElement(op.getCombine());
  if (!neutral)
    return op->emitError() << "a reduction over an axis of size " << tensorOf(operand).getDimSize(axis)
                           << " needs add, mul, max or min";
  copy->setOperand(0, fill(builder, op.getLoc(), operand, axis, copy->getOperand(0), neutral));
  return success();
}

/// What must change in the copy of an op for tiles with padding.
LogicalResult StepWriter::prepare(OpBuilder &builder, Operation *op, Operation *copy) const {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](tile::ReduceOp reduce) { return prepareReduce(builder, reduce, copy); })
      .Case([&](arith::ConstantOp constant) -> LogicalResult {
        if (!tensorOf(constant))
          return success();
        auto splat = dyn_cast<SplatElementsAttr>(constant.getValue());
        if (!splat)
          return op->emitError() << "a constant tensor has one value everywhere; build others from tile.iota";
        cast<arith::ConstantOp>(copy).setValueAttr(
            splat.resizeSplat(cast<RankedTensorType>(copy->getResult(0).getType())));
        return success();
      })
      .Case([&](tile::ReshapeOp reshape) -> LogicalResult {
        ArrayRef<int64_t> from = tensorOf(reshape.getOperand()).getShape(), to = tensorOf(reshape).getShape();
        auto isPadded = [&](int64_t size) { return !llvm::isPowerOf2_64(size) || (size > 1 && size < least); };
        if (!differInOnes(from, to) && (llvm::any_of(from, isPadded) || llvm::any_of(to, isPadded)))
          return op->emitError() << "a reshape that splits or joins axes needs sizes that are powers of two, found ["
                                 << from << "] to [" << to << "]";
        return success();
      })
      .Case<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp, arith::CeilDivSIOp, arith::CeilDivUIOp,
            arith::FloorDivSIOp>([&](auto) {
        Value divisor = op->getOperand(1);
        RankedTensorType tensor = tensorOf(divisor);
        for (unsigned axis = 0; tensor && axis < tensor.getRank(); ++axis)
          if (isPadded(divisor, axis))
            copy->setOperand(1, fill(builder, op->getLoc(), divisor, axis, copy->getOperand(1),
                                     builder.getIntegerAttr(tensor.getElementType(), 1)));
        return success();
      })
      .Default([](Operation *) { return success(); });
}

Value treadle::spread(OpBuilder &builder, Location loc, Value tile, ArrayRef<int64_t> shape) {
  auto type = cast<RankedTensorType>(tile.getType());
  for (int64_t axis = type.getRank(); axis < int64_t(shape.size()); ++axis) {
    SmallVector<int64_t> more(cast<RankedTensorType>(tile.getType()).getShape());
    more.push_back(1);
    tile = tile::ExpandDimsOp::create(builder, loc, type.clone(more), tile, uint32_t(axis));
  }
  return tile.getType() == type.clone(shape) ? tile : tile::BroadcastOp::create(builder, loc, type.clone(shape), tile);
}

Value treadle::logAddExp(OpBuilder &builder, Location loc, Value x, Value y) {
  auto number = [&](double value) -> Value {
    TypedAttr attr = builder.getF32FloatAttr(value);
    if (auto tensor = dyn_cast<RankedTensorType>(x.getType()))
      attr = DenseElementsAttr::get(tensor, Attribute(attr));
    return arith::ConstantOp::create(builder, loc, attr);
  };
  Value gap = math::AbsFOp::create(builder, loc, arith::SubFOp::create(builder, loc, x, y));
  Value small = math::ExpOp::create(builder, loc, arith::SubFOp::create(builder, loc, number(0), gap));
  Value apart = arith::AddFOp::create(builder, loc, arith::MaximumFOp::create(builder, loc, x, y),
                                      math::Log1pOp::create(builder, loc, small));
  Value equal = arith::AddFOp::create(builder, loc, x, number(std::log(2.0)));
  Value same = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OEQ, x, y);
  return arith::SelectOp::create(builder, loc, same, equal, apart);
}

/// What must change in the copy of an op for tiles that have an axis for tokens first.
void StepWriter::addRows(OpBuilder &builder, Operation *op, Operation *copy) const {
  if (auto expand = dyn_cast<tile::ExpandDimsOp>(copy))
    expand.setAxis(expand.getAxis() + 1);
  else if (auto reduce = dyn_cast<tile::ReduceOp>(copy))
    reduce->setAttr("axis", builder.getI32IntegerAttr(reduce.getAxis() + 1));
  else if (auto transpose = dyn_cast<tile::TransposeOp>(copy)) {
    SmallVector<int32_t> perm{0};
    for (int32_t from : transpose.getPerm())
      perm.push_back(from + 1);
    transpose.setPerm(perm);
  } else if (isa<arith::SelectOp>(copy)) {
    // One condition may choose between tiles.
    if (auto result = tensorOf(copy->getResult(0)); tensorOf(op->getResult(0)) && !tensorOf(op->getOperand(0)))
      copy->setOperand(0, spread(builder, op->getLoc(), copy->getOperand(0), result.getShape()));
  }
}

LogicalResult StepWriter::write(OpBuilder &builder, Operation *op, IRMapping &map) const {
  if (auto sum = dyn_cast<LogAddExpOp>(op)) {
    Value x = map.lookupOrDefault(sum.getLhs()), y = map.lookupOrDefault(sum.getRhs());
    map.map(sum.getResult(), logAddExp(builder, op->getLoc(), x, y));
    return success();
  }
  if (auto splat = dyn_cast<tile::SplatOp>(op); splat && rows) {
    FailureOr<Type> type = typeOf(splat, op);
    if (succeeded(type))
      map.map(splat.getResult(), spread(builder, op->getLoc(), map.lookupOrDefault(splat.getValue()),
                                        cast<RankedTensorType>(*type).getShape()));
    return type;
  }
  SmallVector<Type> types;
  for (Value result : op->getResults()) {
    FailureOr<Type> type = typeOf(result, op);
    if (failed(type))
      return failure();
    types.push_back(*type);
  }
  Operation *copy = builder.clone(*op, map);
  for (auto [result, type] : llvm::zip(copy->getResults(), types))
    result.setType(type);
  if (isApproximate)
    approximate(copy);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(copy);
  if (rows)
    addRows(builder, op, copy);
  return prepare(builder, op, copy);
}

void treadle::approximate(Operation *op) {
  auto fast = dyn_cast<arith::ArithFastMathInterface>(op);
  if (!fast)
    return;
  // The hardware's sine of a large angle is wrong, its logarithm near 1 and tanh near 0 have few digits.
  auto flags = arith::FastMathFlags::contract;
  if (isa<math::ExpOp, math::Exp2Op, math::SqrtOp, arith::DivFOp>(op))
    flags = flags | arith::FastMathFlags::afn;
  if (isa<arith::DivFOp>(op))
    flags = flags | arith::FastMathFlags::arcp; // of constants
  op->setAttr(fast.getFastMathAttrName(), arith::FastMathFlagsAttr::get(op->getContext(), flags));
}

LogicalResult StepWriter::write(OpBuilder &builder, const Slice &slice, IRMapping &map) const {
  for (Operation *op : slice.ops)
    if (failed(write(builder, op, map)))
      return failure();
  return success();
}
