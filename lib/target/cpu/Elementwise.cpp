//===-- Elementwise.cpp - one arithmetic op on a scalar or on lanes --------===//

#include "target/cpu/Elementwise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace treadle;

static bool isSmallFloat(Type type) { return type.isBF16() || type.isF16(); }

/// `type`'s shape with another element.
static Type like(Type type, Type element) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? Type(VectorType::get(vector.getShape(), element)) : element;
}

Type cpu::laneType(Type element, int lanes) {
  Type held = isSmallFloat(element) ? IntegerType::get(element.getContext(), 16) : element;
  return lanes > 1 ? Type(VectorType::get({lanes}, held)) : held;
}

Value cpu::splat(OpBuilder &b, Location loc, Value scalar, int lanes) {
  if (lanes == 1)
    return scalar;
  Type element = scalar.getType();
  auto type = VectorType::get({lanes}, element);
  if (auto constant = scalar.getDefiningOp<arith::ConstantOp>())
    return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, constant.getValue()));
  if (element.isIndex()) {
    Value wide = arith::IndexCastOp::create(b, loc, b.getI64Type(), scalar);
    return arith::IndexCastOp::create(b, loc, type, splat(b, loc, wide, lanes));
  }
  Value poison = LLVM::PoisonOp::create(b, loc, type);
  Value zero = LLVM::ConstantOp::create(b, loc, b.getI32IntegerAttr(0));
  Value one = LLVM::InsertElementOp::create(b, loc, type, poison, scalar, zero);
  return LLVM::ShuffleVectorOp::create(b, loc, one, poison, SmallVector<int32_t>(lanes, 0));
}

Value cpu::number(OpBuilder &b, Location loc, Type type, double value) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr attr = isa<FloatType>(element) ? TypedAttr(b.getFloatAttr(element, value))
                                           : TypedAttr(b.getIntegerAttr(element, int64_t(value)));
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, Attribute(attr));
  return arith::ConstantOp::create(b, loc, attr);
}

//===-- 16-bit floats ------------------------------------------------------===//

Value cpu::toF32(OpBuilder &b, Location loc, Value value, Type element) {
  if (!isSmallFloat(element))
    return value;
  Type f32 = like(value.getType(), b.getF32Type()), i32 = like(value.getType(), b.getI32Type());
  if (element.isF16())
    return arith::ExtFOp::create(b, loc, f32, Value(arith::BitcastOp::create(b, loc, like(f32, element), value)));
  Value bits = arith::ExtUIOp::create(b, loc, i32, value);
  return arith::BitcastOp::create(b, loc, f32, Value(arith::ShLIOp::create(b, loc, bits, number(b, loc, i32, 16))));
}

Value cpu::fromF32(OpBuilder &b, Location loc, Value value, Type element) {
  if (!isSmallFloat(element))
    return value;
  Type i32 = like(value.getType(), b.getI32Type()), i16 = like(value.getType(), b.getI16Type());
  if (element.isF16())
    return arith::BitcastOp::create(b, loc, i16, Value(arith::TruncFOp::create(b, loc, like(i16, element), value)));
  // To nearest, ties to even: add half of the last place less one, and one more when the last bit kept is odd.
  Value bits = arith::BitcastOp::create(b, loc, i32, value), sixteen = number(b, loc, i32, 16);
  Value high = arith::ShRUIOp::create(b, loc, bits, sixteen);
  Value odd = arith::AndIOp::create(b, loc, high, number(b, loc, i32, 1));
  Value sum = arith::AddIOp::create(b, loc, bits, arith::AddIOp::create(b, loc, odd, number(b, loc, i32, 0x7fff)));
  Value rounded = arith::ShRUIOp::create(b, loc, sum, sixteen);
  Value quiet = arith::OrIOp::create(b, loc, high, number(b, loc, i32, 0x40));
  Value nan = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, value, value);
  return arith::TruncIOp::create(b, loc, i16, Value(arith::SelectOp::create(b, loc, nan, quiet, rounded)));
}

//===-- integer division ---------------------------------------------------===//

/// A divisor on which the machine's division cannot trap: x / 0 and the most negative number / -1 have no result to
/// keep.
static Value safeDivisor(OpBuilder &b, Location loc, Value x, Value y, bool isSigned) {
  Type type = y.getType();
  Value one = cpu::number(b, loc, type, 1);
  auto equal = [&](Value v, Value w) { return b.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, v, w); };
  Value bad = equal(y, cpu::number(b, loc, type, 0));
  if (isSigned) {
    Type element = getElementTypeOrSelf(type);
    unsigned bits = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
    TypedAttr least = b.getIntegerAttr(element, APInt::getSignedMinValue(bits));
    if (auto vector = dyn_cast<VectorType>(type))
      least = DenseElementsAttr::get(vector, Attribute(least));
    Value overflow = b.createOrFold<arith::AndIOp>(loc, equal(y, cpu::number(b, loc, type, -1)),
                                                   equal(x, arith::ConstantOp::create(b, loc, least)));
    bad = b.createOrFold<arith::OrIOp>(loc, bad, overflow);
  }
  return b.createOrFold<arith::SelectOp>(loc, bad, one, y);
}

static Value emitDivision(OpBuilder &b, Operation *op, Value x, Value y) {
  Location loc = op->getLoc();
  bool isSigned = isa<arith::DivSIOp, arith::RemSIOp, arith::FloorDivSIOp, arith::CeilDivSIOp>(op);
  y = safeDivisor(b, loc, x, y, isSigned);
  if (isa<arith::DivSIOp>(op))
    return arith::DivSIOp::create(b, loc, x, y);
  if (isa<arith::DivUIOp>(op))
    return arith::DivUIOp::create(b, loc, x, y);
  if (isa<arith::RemSIOp>(op))
    return arith::RemSIOp::create(b, loc, x, y);
  if (isa<arith::RemUIOp>(op))
    return arith::RemUIOp::create(b, loc, x, y);
  // floor and ceil: correct the quotient that was rounded towards zero when there is a remainder on the wrong side.
  Value quotient = isSigned ? Value(arith::DivSIOp::create(b, loc, x, y)) : Value(arith::DivUIOp::create(b, loc, x, y));
  Value rest = arith::SubIOp::create(b, loc, x, arith::MulIOp::create(b, loc, quotient, y));
  Value zero = cpu::number(b, loc, x.getType(), 0), one = cpu::number(b, loc, x.getType(), 1);
  Value off = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, rest, zero);
  bool floor = isa<arith::FloorDivSIOp>(op);
  if (isSigned) {
    Value sign = arith::XOrIOp::create(b, loc, rest, y);
    auto side = floor ? arith::CmpIPredicate::slt : arith::CmpIPredicate::sge;
    off = arith::AndIOp::create(b, loc, off, arith::CmpIOp::create(b, loc, side, sign, zero));
  }
  Value moved =
      floor ? Value(arith::SubIOp::create(b, loc, quotient, one)) : Value(arith::AddIOp::create(b, loc, quotient, one));
  return arith::SelectOp::create(b, loc, off, moved, quotient);
}

//===-- any op -------------------------------------------------------------===//

static Value emitConstant(OpBuilder &b, arith::ConstantOp op, int lanes) {
  Attribute value = op.getValue();
  if (auto dense = dyn_cast<DenseElementsAttr>(value))
    value = dense.getSplatValue<Attribute>();
  if (auto number = dyn_cast<FloatAttr>(value); number && isSmallFloat(number.getType()))
    value = b.getIntegerAttr(b.getI16Type(), number.getValue().bitcastToAPInt());
  auto typed = cast<TypedAttr>(value);
  if (lanes > 1)
    typed = DenseElementsAttr::get(VectorType::get({lanes}, typed.getType()), value);
  return arith::ConstantOp::create(b, op.getLoc(), typed);
}

Value cpu::emitElementwise(OpBuilder &b, Operation *op, ValueRange operands, int lanes) {
  Location loc = op->getLoc();
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return emitConstant(b, constant, lanes);

  Type result = getElementTypeOrSelf(op->getResult(0).getType());
  Type held = laneType(result, lanes);
  Type first = getElementTypeOrSelf(op->getOperand(0).getType());
  if (isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp, arith::FloorDivSIOp, arith::CeilDivSIOp,
          arith::CeilDivUIOp>(op))
    return emitDivision(b, op, operands[0], operands[1]);
  if (isa<arith::BitcastOp>(op) && operands[0].getType() == held)
    return operands[0];
  bool moves = isa<arith::SelectOp, arith::BitcastOp>(op);
  if (isa<arith::ExtFOp>(op) && isSmallFloat(first) && result.isF32())
    return toF32(b, loc, operands[0], first);
  if (isa<arith::TruncFOp>(op) && isSmallFloat(result) && first.isF32())
    return fromF32(b, loc, operands[0], result);

  SmallVector<Value> wide;
  for (auto [value, original] : llvm::zip(operands, op->getOperandTypes()))
    wide.push_back(moves ? value : toF32(b, loc, value, getElementTypeOrSelf(original)));
  Type computed = isSmallFloat(result) && !moves ? laneType(b.getF32Type(), lanes) : held;
  Value out;
  if (wide.size() == 1 && getElementTypeOrSelf(computed).isF32())
    out = emitMath(b, loc, op->getName().getStringRef(), wide[0]);
  if (!out) {
    Operation *copy = Operation::create(loc, op->getName(), computed, wide, op->getAttrDictionary(),
                                        op->getPropertiesStorage(), BlockRange(), 0);
    out = b.insert(copy)->getResult(0);
  }
  return moves ? out : fromF32(b, loc, out, result);
}
