//===-- Step.cpp - a step on tiles -----------------------------------------===//
//
// Sizes become powers of two. What lies in the padding is whatever the elements there come to; it is seen by
// reductions, for which it is replaced by the neutral element, and by integer divisions, which must not divide by 0.
//
//===----------------------------------------------------------------------===//

#include "Step.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
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
    return value.getType();
  SmallVector<int64_t> shape;
  int64_t left = 1 << 20;
  for (auto [axis, size] : llvm::enumerate(tensor.getShape())) {
    shape.push_back(sharing.isShared(value, axis) ? sharing.width() : int64_t(llvm::PowerOf2Ceil(size)));
    left /= shape.back();
  }
  Type padded = tensor.clone(shape);
  if (left == 0)
    return op->emitError() << "a tile has at most 2^20 elements, found " << padded << ", which " << tensor
                           << " is padded to";
  return padded;
}

bool StepWriter::isPadded(Value value, unsigned axis) const {
  int64_t size = tensorOf(value).getDimSize(axis);
  return sharing.isShared(value, axis) ? size % sharing.width() != 0 : !llvm::isPowerOf2_64(size);
}

//===-- padding ------------------------------------------------------------===//

/// `tile`, which the step's value `original` became, with the padding of one axis replaced.
Value StepWriter::fill(OpBuilder &builder, Location loc, Value original, unsigned axis, Value tile,
                       Attribute with) const {
  auto type = cast<RankedTensorType>(tile.getType());
  auto places = RankedTensorType::get({type.getDimSize(axis)}, builder.getI32Type());
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
    if (other != axis) {
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
        auto isPadded = [](int64_t size) { return !llvm::isPowerOf2_64(size); };
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

LogicalResult StepWriter::write(OpBuilder &builder, Operation *op, IRMapping &map) const {
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
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(copy);
  return prepare(builder, op, copy);
}

LogicalResult StepWriter::write(OpBuilder &builder, const Slice &slice, IRMapping &map) const {
  for (Operation *op : slice.ops)
    if (failed(write(builder, op, map)))
      return failure();
  return success();
}
