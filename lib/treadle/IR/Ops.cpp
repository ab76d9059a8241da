//===-- Ops.cpp - verifiers of the treadle ops -----------------------------===//

#include "treadle/IR/Treadle.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"
#include "tile/IR/Tile.h"

using namespace mlir;
using namespace treadle;

/// `(type, type)`, which may be empty.
static ParseResult parseFields(OpAsmParser &parser, SmallVectorImpl<Type> &types) {
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren,
                                        [&] { return parser.parseType(types.emplace_back()); });
}

static void printFields(OpAsmPrinter &printer, Operation *, TypeRange types) { printer << "(" << types << ")"; }

#define GET_OP_CLASSES
#include "treadle/IR/TreadleOps.cpp.inc"

LogicalResult FillOp::verify() {
  if (!getType().isState())
    return emitOpError() << "expected a field over BH of f32, found " << getType();
  return success();
}

//===-- concat and part ----------------------------------------------------===//

/// Indices, shape and element of a tensor, a scalar or a field.
struct Whole {
  explicit Whole(Type type) : element(getElementTypeOrSelf(type)) {
    if (auto field = dyn_cast<FieldType>(type)) {
      isField = true;
      indices = field.getIndices();
      shape.assign(field.getShape().begin(), field.getShape().end());
      element = field.getElementType();
    } else if (auto tensor = dyn_cast<RankedTensorType>(type)) {
      shape.assign(tensor.getShape().begin(), tensor.getShape().end());
    }
  }
  bool isLike(const Whole &other) const {
    return isField == other.isField && indices == other.indices && element == other.element;
  }

  bool isField = false;
  StringRef indices;
  SmallVector<int64_t> shape;
  Type element;
};

/// The size of `part` along an axis of `whole`, which it is a part of: 1 if it lacks the axis; 0 if it is none.
static int64_t sizeOfPart(Type part, Type whole, uint32_t axis) {
  Whole a(part), b(whole);
  if (!a.isLike(b) || axis >= b.shape.size())
    return 0;
  if (a.shape.size() + 1 == b.shape.size())
    a.shape.insert(a.shape.begin() + axis, 1);
  if (a.shape.size() != b.shape.size())
    return 0;
  int64_t size = std::exchange(a.shape[axis], b.shape[axis]);
  return a.shape == b.shape ? size : 0;
}

LogicalResult ConcatOp::verify() {
  Whole whole(getType());
  if (getAxis() >= whole.shape.size())
    return emitOpError() << "axis " << getAxis() << " is out of range for " << getType();
  int64_t total = 0;
  for (Type part : getParts().getTypes()) {
    int64_t size = sizeOfPart(part, getType(), getAxis());
    if (!size)
      return emitOpError() << "expected parts of " << getType() << " along axis " << getAxis() << ", found " << part;
    total += size;
  }
  if (total != whole.shape[getAxis()])
    return emitOpError() << "the parts have " << total << " elements along axis " << getAxis() << ", the result "
                         << whole.shape[getAxis()];
  return success();
}

LogicalResult PartOp::verify() {
  Whole whole(getOperand().getType());
  if (getAxis() >= whole.shape.size())
    return emitOpError() << "axis " << getAxis() << " is out of range for " << getOperand().getType();
  int64_t size = sizeOfPart(getType(), getOperand().getType(), getAxis());
  if (!size)
    return emitOpError() << "expected a part of " << getOperand().getType() << " along axis " << getAxis() << ", found "
                         << getType();
  if (int64_t(getOffset()) + size > whole.shape[getAxis()])
    return emitOpError() << "elements " << getOffset() << " to " << getOffset() + size << " of axis " << getAxis()
                         << ", which has " << whole.shape[getAxis()];
  return success();
}

//===-- scan ---------------------------------------------------------------===//

YieldOp ScanOp::getYield() { return cast<YieldOp>(getStep().front().getTerminator()); }

LogicalResult ScanOp::verify() {
  auto function = dyn_cast_or_null<func::FuncOp>((*this)->getParentOp());
  if (!function || !function->hasAttr("treadle.mixer"))
    return emitOpError() << "expected to be in a function with treadle.mixer";
  for (Type type : getInitials().getTypes())
    if (!cast<FieldType>(type).isState())
      return emitOpError() << "an initial state is a field over BH of f32, found " << type;
  if (getNumResults() < getNumStates())
    return emitOpError() << "expected at least " << getNumStates() << " results, one for every state, found "
                         << getNumResults();
  for (Type type : getOutputs().getTypes())
    if (cast<FieldType>(type).getIndices() != "BTH")
      return emitOpError() << "an output is a field over BTH, found " << type;
  for (auto [initial, final] : llvm::zip(getInitials().getTypes(), getFinals().getTypes()))
    if (initial != final)
      return emitOpError() << "expected a final state of its initial state's type " << initial << ", found " << final;
  return success();
}

/// What a step computes with: scalars and tensors of f32, i1 and i32.
static bool isStepType(Type type) {
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    return tensor.hasStaticShape() && !tensor.getEncoding() && tensor.getRank() > 0 &&
           !isa<ShapedType>(tensor.getElementType()) && isStepType(tensor.getElementType());
  return type.isF32() || type.isSignlessInteger(1) || type.isSignlessInteger(32);
}

static bool isStepOp(Operation *op) {
  if (isa<tile::SplatOp, tile::ExpandDimsOp, tile::BroadcastOp, tile::TransposeOp, tile::ReshapeOp, tile::ReduceOp,
          tile::IotaOp, LogAddExpOp, StopGradientOp, ConcatOp, PartOp, YieldOp>(op))
    return true;
  if (isa<tile::YieldOp>(op))
    return isa<tile::ReduceOp>(op->getParentOp());
  return isa_and_nonnull<arith::ArithDialect, math::MathDialect>(op->getDialect());
}

/// One op of a step, and what it uses.
static LogicalResult verifyStepOp(Region &step, Operation *op) {
  if (!isStepOp(op))
    return op->emitError() << "'" << op->getName()
                           << "' is not part of a step; expected arith, math and tile.splat, expand_dims, broadcast, "
                              "transpose, reshape, reduce and iota";
  SmallVector<Type> types(op->getOperandTypes());
  types.append(op->result_type_begin(), op->result_type_end());
  for (Type type : types) {
    if (!isStepType(type))
      return op->emitError() << "a step's values are f32, i1 and i32, and tensors of them of static shape, found "
                             << type;
    if (failed(tile::verifyTile(op, type)))
      return failure();
  }
  for (Value operand : op->getOperands())
    if (!step.isAncestor(operand.getParentRegion()) && !operand.getDefiningOp<arith::ConstantOp>())
      return op->emitError() << "a step uses nothing from outside but constants; pass values as inputs of the scan";
  return success();
}

/// `what`s of the types that fields of these types have in a step.
static LogicalResult verifyStepTypes(Operation *op, StringRef what, TypeRange fields, TypeRange found) {
  if (fields.size() != found.size())
    return op->emitOpError() << "expected " << fields.size() << " " << what << "s, found " << found.size();
  for (auto [i, field, type] : llvm::enumerate(fields, found))
    if (Type expected = cast<FieldType>(field).getStepType(); expected != type)
      return op->emitOpError() << what << " " << i << ": expected " << expected << ", found " << type;
  return success();
}

LogicalResult ScanOp::verifyRegions() {
  Block &block = getStep().front();
  if (failed(verifyStepTypes(*this, "argument", getOperandTypes(), block.getArgumentTypes())))
    return failure();
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!yield)
    return emitOpError() << "expected the step to end with treadle.yield, found '" << block.getTerminator()->getName()
                         << "'";
  if (failed(verifyStepTypes(yield, "output", getOutputs().getTypes(), yield.getOutputs().getTypes())) ||
      failed(verifyStepTypes(yield, "state", getFinals().getTypes(), yield.getStates().getTypes())))
    return failure();
  WalkResult result = getStep().walk([&](Operation *op) {
    return succeeded(verifyStepOp(getStep(), op)) ? WalkResult::advance() : WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}
