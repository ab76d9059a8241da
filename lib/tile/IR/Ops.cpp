//===-- Ops.cpp - verifiers, folders and syntax of the tile ops -----------===//

#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"
#include "tile/IR/AnyTileShape.h"
#include "tile/IR/Tile.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::tile;

#define GET_OP_CLASSES
#include "tile/IR/TileOps.cpp.inc"

LogicalResult tile::verifyTile(Operation *op, Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return success();
  if (!tensor.hasStaticShape())
    return op->emitOpError() << "a tile has a static shape, found " << type;
  int64_t left = 1 << 20; // the product of all sizes could overflow
  for (int64_t size : tensor.getShape()) {
    if (size < 1 || (!llvm::isPowerOf2_64(size) && !op->getParentWithTrait<AnyTileShape>()))
      return op->emitOpError() << "a tile's sizes are powers of two, found " << size << " in " << type;
    left /= size;
  }
  if (left == 0)
    return op->emitOpError() << "a tile has at most 2^20 elements, found " << type;
  return success();
}

static LogicalResult verifyAccess(Operation *op, ViewType view, size_t numIndices, ArrayRef<int32_t> along,
                                  Type value) {
  if (failed(verifyTile(op, value)))
    return failure();
  if (int64_t(numIndices) != view.getRank())
    return op->emitOpError() << "expected " << view.getRank() << " indices, one per axis of the view, found "
                             << numIndices;
  int32_t last = -1;
  for (int32_t axis : along) {
    if (axis <= last || axis >= view.getRank())
      return op->emitOpError() << "'along' must list axes of the view in ascending order, found " << axis;
    last = axis;
  }
  auto tensor = dyn_cast<RankedTensorType>(value);
  size_t rank = tensor ? tensor.getRank() : 0;
  if (rank != along.size() || (tensor && along.empty()))
    return op->emitOpError() << "expected a tile of rank " << along.size() << ", one axis per entry of 'along', found "
                             << value;
  Type element = tensor ? tensor.getElementType() : value;
  if (element != view.getElementType())
    return op->emitOpError() << "expected elements of the view's type " << view.getElementType() << ", found "
                             << element;
  return success();
}

//===-- views --------------------------------------------------------------===//

LogicalResult DimOp::verify() {
  if (int64_t(getAxis()) >= getView().getType().getRank())
    return emitOpError() << "axis " << getAxis() << " is out of range for " << getView().getType();
  return success();
}

OpFoldResult DimOp::fold(FoldAdaptor) {
  int64_t size = getView().getType().getShape()[getAxis()];
  if (ShapedType::isDynamic(size))
    return {};
  return IntegerAttr::get(IndexType::get(getContext()), size);
}

LogicalResult SliceOp::verify() {
  ViewType type = getView().getType();
  if (int64_t(getAxis()) >= type.getRank())
    return emitOpError() << "axis " << getAxis() << " is out of range for " << type;
  if (!ShapedType::isDynamic(type.getShape()[getAxis()]))
    return emitOpError() << "expected an axis of dynamic size, found axis " << getAxis() << " of " << type;
  // Then the slice keeps what the view promises about addresses.
  if (!ShapedType::isDynamic(type.getStrides()[getAxis()]))
    return emitOpError() << "expected an axis of dynamic stride, found axis " << getAxis() << " of " << type;
  return success();
}

ViewType NarrowOp::typeOf(ViewType view, unsigned axis, int64_t from, int64_t size) {
  SmallVector<int64_t> shape(view.getShape());
  shape[axis] = size;
  // Whole rows may be aligned where parts of them are not.
  int64_t align = view.getAlign();
  auto divide = [&](int64_t elements) {
    if (int64_t bytes = elements * view.getElementBytes())
      align = std::min(align, bytes & -bytes);
  };
  divide(from * view.getStrides()[axis]);
  for (auto [at, stride] : llvm::enumerate(view.getStrides()))
    if (!ShapedType::isDynamic(stride) && at != axis && view.getStrides()[axis] == 1)
      divide(stride);
  return ViewType::get(view.getContext(), shape, view.getElementType(), view.getStrides(), align, view.getMaxBytes());
}

LogicalResult NarrowOp::verify() {
  ViewType view = getView().getType(), result = getType();
  unsigned axis = getAxis();
  if (int64_t(axis) >= view.getRank())
    return emitOpError() << "axis " << axis << " is out of range for " << view;
  if (ShapedType::isDynamic(view.getShape()[axis]) || ShapedType::isDynamic(view.getStrides()[axis]))
    return emitOpError() << "expected an axis of known size and stride, found axis " << axis << " of " << view;
  int64_t size = result.getRank() == view.getRank() ? result.getShape()[axis] : 0;
  if (ShapedType::isDynamic(size) || size < 1 || int64_t(getFrom()) + size > view.getShape()[axis])
    return emitOpError() << "expected a part of axis " << axis << " of " << view << " from " << getFrom()
                         << " on, found " << result;
  if (ViewType expected = typeOf(view, axis, getFrom(), size); result != expected)
    return emitOpError() << "expected " << expected << ", found " << result;
  return success();
}

Value tile::sliced(Value view) {
  while (isa_and_nonnull<SliceOp, NarrowOp>(view.getDefiningOp()))
    view = view.getDefiningOp()->getOperand(0);
  return view;
}

LogicalResult LoadOp::verify() {
  if (failed(verifyAccess(*this, getView().getType(), getIndices().size(), getAlong(), getResult().getType())))
    return failure();
  if (getOther() && getOther().getType() != getView().getType().getElementType())
    return emitOpError() << "expected 'other' of the view's type " << getView().getType().getElementType() << ", found "
                         << getOther().getType();
  return success();
}

LogicalResult StoreOp::verify() {
  return verifyAccess(*this, getView().getType(), getIndices().size(), getAlong(), getValue().getType());
}

/// A constant tile with one value everywhere has it under any shape.
static OpFoldResult foldSplat(Attribute operand, Type result) {
  auto type = cast<RankedTensorType>(result);
  if (auto splat = dyn_cast_or_null<SplatElementsAttr>(operand); splat && !type.getEncoding())
    return splat.resizeSplat(type);
  return {};
}

//===-- shape ops ----------------------------------------------------------===//

LogicalResult IotaOp::verify() {
  if (getType().getRank() != 1)
    return emitOpError() << "expected a rank-1 result, found " << getType();
  return verifyTile(*this, getType());
}

LogicalResult SplatOp::verify() {
  auto type = cast<RankedTensorType>(getResult().getType());
  if (type.getElementType() != getValue().getType())
    return emitOpError() << "expected a scalar of type " << type.getElementType() << ", found " << getValue().getType();
  return verifyTile(*this, type);
}

OpFoldResult SplatOp::fold(FoldAdaptor adaptor) {
  auto type = cast<RankedTensorType>(getResult().getType());
  if (!adaptor.getValue() || type.getEncoding())
    return {};
  return DenseElementsAttr::get(type, adaptor.getValue());
}

static LogicalResult sameElements(Operation *op, RankedTensorType from, RankedTensorType to) {
  if (failed(verifyTile(op, from)) || failed(verifyTile(op, to)))
    return failure();
  if (from.getElementType() != to.getElementType())
    return op->emitOpError() << "changes the element type from " << from.getElementType() << " to "
                             << to.getElementType();
  return success();
}

LogicalResult ExpandDimsOp::verify() {
  auto from = cast<RankedTensorType>(getOperand().getType()), to = cast<RankedTensorType>(getResult().getType());
  SmallVector<int64_t> expected(from.getShape());
  if (getAxis() > expected.size())
    return emitOpError() << "axis " << getAxis() << " is out of range for " << from;
  expected.insert(expected.begin() + getAxis(), 1);
  if (to.getShape() != ArrayRef<int64_t>(expected))
    return emitOpError() << "expected result shape [" << expected << "], found " << to;
  return sameElements(*this, from, to);
}

LogicalResult BroadcastOp::verify() {
  auto from = cast<RankedTensorType>(getOperand().getType()), to = cast<RankedTensorType>(getResult().getType());
  if (from.getRank() != to.getRank())
    return emitOpError() << "expected equal ranks, found " << from << " and " << to;
  for (auto [a, b] : llvm::zip(from.getShape(), to.getShape()))
    if (a != b && a != 1)
      return emitOpError() << "only axes of size 1 broadcast, found " << from << " to " << to;
  return sameElements(*this, from, to);
}

OpFoldResult BroadcastOp::fold(FoldAdaptor adaptor) {
  if (getOperand().getType() == getResult().getType())
    return getOperand();
  return foldSplat(adaptor.getOperand(), getResult().getType());
}

/// Whether `perm` is a permutation of the axes that takes one shape to the other.
static bool permutes(ArrayRef<int32_t> perm, ArrayRef<int64_t> from, ArrayRef<int64_t> to) {
  if (perm.size() != from.size() || to.size() != from.size())
    return false;
  SmallVector<bool> seen(from.size(), false);
  for (auto [size, p] : llvm::zip(to, perm)) {
    if (p < 0 || size_t(p) >= from.size() || seen[p] || size != from[p])
      return false;
    seen[p] = true;
  }
  return true;
}

LogicalResult TransposeOp::verify() {
  auto from = cast<RankedTensorType>(getOperand().getType()), to = cast<RankedTensorType>(getResult().getType());
  if (!permutes(getPerm(), from.getShape(), to.getShape()))
    return emitOpError() << "permutation [" << getPerm() << "] does not take " << from << " to " << to;
  return sameElements(*this, from, to);
}

OpFoldResult TransposeOp::fold(FoldAdaptor adaptor) { return foldSplat(adaptor.getOperand(), getResult().getType()); }

LogicalResult ReshapeOp::verify() {
  auto from = cast<RankedTensorType>(getOperand().getType()), to = cast<RankedTensorType>(getResult().getType());
  if (failed(sameElements(*this, from, to)))
    return failure();
  if (from.getNumElements() != to.getNumElements())
    return emitOpError() << "changes the number of elements from " << from.getNumElements() << " to "
                         << to.getNumElements();
  return success();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) { return foldSplat(adaptor.getOperand(), getResult().getType()); }

LogicalResult ExtractOp::verify() {
  auto from = cast<RankedTensorType>(getOperand().getType()), to = cast<RankedTensorType>(getResult().getType());
  if (failed(sameElements(*this, from, to)))
    return failure();
  if (from.getRank() != to.getRank() || int64_t(getOffsets().size()) != from.getRank())
    return emitOpError() << "expected one offset and one size for each of the " << from.getRank() << " axes, found "
                         << getOffsets().size() << " offsets and " << to;
  for (int64_t axis = 0; axis < from.getRank(); ++axis) {
    int64_t offset = getOffsets()[axis], size = to.getDimSize(axis);
    if (offset < 0 || offset + size > from.getDimSize(axis))
      return emitOpError() << "the block from " << offset << " to " << offset + size << " is not inside axis " << axis
                           << " of " << from;
    if (offset % size != 0)
      return emitOpError() << "offset " << offset << " on axis " << axis << " is no multiple of the block's size "
                           << size;
  }
  return success();
}

OpFoldResult ExtractOp::fold(FoldAdaptor adaptor) {
  if (getOperand().getType() == getResult().getType())
    return getOperand();
  return foldSplat(adaptor.getOperand(), getResult().getType());
}

//===-- dot ----------------------------------------------------------------===//

LogicalResult DotOp::verify() {
  auto shapeOf = [](Type type) {
    if (auto shared = dyn_cast<SharedType>(type))
      return shared.getShape();
    return cast<RankedTensorType>(type).getShape();
  };
  auto elementOf = [](Type type) {
    if (auto shared = dyn_cast<SharedType>(type))
      return shared.getElementType();
    return cast<RankedTensorType>(type).getElementType();
  };
  ArrayRef<int64_t> a = shapeOf(getA().getType()), b = shapeOf(getB().getType());
  auto c = cast<RankedTensorType>(getC().getType());
  for (Type type : getOperandTypes())
    if (failed(verifyTile(*this, type)))
      return failure();
  if (a.size() != 2 || b.size() != 2 || c.getRank() != 2)
    return emitOpError() << "expected operands of rank 2, found ranks " << a.size() << ", " << b.size() << " and "
                         << c.getRank();
  if (a[1] != b[0] || c.getDimSize(0) != a[0] || c.getDimSize(1) != b[1])
    return emitOpError() << "shapes do not agree: a is [" << a << "], b is [" << b << "], the accumulator is ["
                         << c.getShape() << "]";
  Type element = elementOf(getA().getType());
  if (element != elementOf(getB().getType()))
    return emitOpError() << "expected operands of one type, found " << element << " and "
                         << elementOf(getB().getType());
  if (!element.isBF16() && !element.isF16() && !element.isF32())
    return emitOpError() << "expected bf16, f16 or f32 operands, found " << element;
  if (!c.getElementType().isF32())
    return emitOpError() << "expected an f32 accumulator, found " << c.getElementType();
  if (c != getResult().getType())
    return emitOpError() << "expected a result of the accumulator's type " << c << ", found " << getResult().getType();
  if (!element.isF32() && getPrecision() != Precision::ieee)
    return emitOpError() << "precision applies to f32 operands, found " << element;
  return success();
}

//===-- reduce and scan ----------------------------------------------------===//

/// `(%x, %y) along 1 (reverse)? { region } : (types) -> (types)`
static ParseResult parseCombine(OpAsmParser &parser, OperationState &result, bool allowReverse) {
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  SMLoc at = parser.getCurrentLocation();
  int32_t axis;
  FunctionType type;
  if (parser.parseOperandList(operands, OpAsmParser::Delimiter::Paren) || parser.parseKeyword("along") ||
      parser.parseInteger(axis))
    return failure();
  result.addAttribute("axis", parser.getBuilder().getI32IntegerAttr(axis));
  if (allowReverse && succeeded(parser.parseOptionalKeyword("reverse")))
    result.addAttribute("reverse", parser.getBuilder().getUnitAttr());
  if (parser.parseRegion(*result.addRegion()) || parser.parseOptionalAttrDict(result.attributes) ||
      parser.parseColonType(type) || parser.resolveOperands(operands, type.getInputs(), at, result.operands))
    return failure();
  result.addTypes(type.getResults());
  return success();
}

static void printCombine(OpAsmPrinter &printer, Operation *op, uint32_t axis, bool reverse) {
  printer << " (" << op->getOperands() << ") along " << axis << (reverse ? " reverse " : " ");
  printer.printRegion(op->getRegion(0));
  printer.printOptionalAttrDict(op->getAttrs(), {"axis", "reverse"});
  printer << " : ";
  printer.printFunctionalType(op->getOperandTypes(), op->getResultTypes());
}

ParseResult ReduceOp::parse(OpAsmParser &parser, OperationState &result) { return parseCombine(parser, result, false); }
void ReduceOp::print(OpAsmPrinter &printer) { printCombine(printer, *this, getAxis(), false); }
ParseResult ScanOp::parse(OpAsmParser &parser, OperationState &result) { return parseCombine(parser, result, true); }
void ScanOp::print(OpAsmPrinter &printer) { printCombine(printer, *this, getAxis(), getReverse()); }

static LogicalResult verifyCombine(Operation *op, uint32_t axis) {
  if (op->getNumOperands() == 0)
    return op->emitOpError() << "expected at least one operand";
  if (op->getNumResults() != op->getNumOperands())
    return op->emitOpError() << "expected " << op->getNumOperands() << " results, one per operand, found "
                             << op->getNumResults();
  auto first = cast<RankedTensorType>(op->getOperand(0).getType());
  if (int64_t(axis) >= first.getRank())
    return op->emitOpError() << "axis " << axis << " is out of range for " << first;
  SmallVector<Type> elements;
  for (Type type : op->getOperandTypes()) {
    auto tensor = cast<RankedTensorType>(type);
    if (failed(verifyTile(op, tensor)))
      return failure();
    if (tensor.getShape() != first.getShape())
      return op->emitOpError() << "expected operands of one shape, found " << first << " and " << type;
    elements.push_back(tensor.getElementType());
  }
  Block &block = op->getRegion(0).front();
  SmallVector<Type> arguments(elements);
  arguments.append(elements);
  if (TypeRange(arguments) != TypeRange(block.getArgumentTypes()))
    return op->emitOpError() << "expected region arguments (" << arguments << "), found (" << block.getArgumentTypes()
                             << ")";
  if (!isa<YieldOp>(block.getTerminator()) || TypeRange(elements) != block.getTerminator()->getOperandTypes())
    return op->emitOpError() << "expected the region to yield (" << elements << "), found ("
                             << block.getTerminator()->getOperandTypes() << ")";
  // The region is copied for every two elements that meet, in whatever thread they do.
  Operation *other = nullptr;
  block.walk([&](Operation *inner) {
    auto scalar = [](Type type) { return type.isIntOrIndexOrFloat(); };
    bool fits = llvm::all_of(inner->getOperandTypes(), scalar) && llvm::all_of(inner->getResultTypes(), scalar) &&
                (isa<YieldOp>(inner) || !isa_and_nonnull<TileDialect>(inner->getDialect()));
    if (!fits)
      other = inner;
    return fits ? WalkResult::advance() : WalkResult::interrupt();
  });
  if (other)
    return op->emitOpError() << "expected a region of scalar ops that access no memory, found '" << other->getName()
                             << "'";
  return success();
}

LogicalResult ReduceOp::verify() {
  if (failed(verifyCombine(*this, getAxis())))
    return failure();
  for (auto [from, to] : llvm::zip(getOperandTypes(), getResultTypes())) {
    auto tensor = cast<RankedTensorType>(from);
    SmallVector<int64_t> shape(tensor.getShape());
    shape.erase(shape.begin() + getAxis());
    auto result = dyn_cast<RankedTensorType>(to);
    bool fits = shape.empty() ? to == tensor.getElementType()
                              : result && result.getShape() == ArrayRef<int64_t>(shape) &&
                                    result.getElementType() == tensor.getElementType();
    if (!fits)
      return emitOpError() << "reducing axis " << getAxis() << " of " << from << " does not give " << to;
  }
  return success();
}

LogicalResult ScanOp::verify() {
  if (failed(verifyCombine(*this, getAxis())))
    return failure();
  if (getOperandTypes() != getResultTypes())
    return emitOpError() << "expected results of the operands' types (" << getOperandTypes() << "), found ("
                         << getResultTypes() << ")";
  return success();
}

//===-- ops of the scheduled stage -----------------------------------------===//

LogicalResult ConvertLayoutOp::verify() {
  auto from = cast<RankedTensorType>(getOperand().getType()), to = cast<RankedTensorType>(getResult().getType());
  if (from.getShape() != to.getShape())
    return emitOpError() << "changes the shape from [" << from.getShape() << "] to [" << to.getShape() << "]";
  return sameElements(*this, from, to);
}

static LogicalResult verifyOneSlot(Operation *op, SharedType type) {
  if (type.getSlots() != 1)
    return op->emitOpError() << "expected one slot of a ring, found " << type;
  return success();
}

LogicalResult SlotOp::verify() {
  SharedType ring = getRing().getType();
  auto expected = SharedType::get(getContext(), 1, ring.getShape(), ring.getElementType(), ring.getLayout());
  if (getResult().getType() != expected)
    return emitOpError() << "expected a result of type " << expected << ", found " << getResult().getType();
  return success();
}

LogicalResult SharedTransposeOp::verify() {
  SharedType from = getSource().getType(), to = getResult().getType();
  if (!permutes(getPerm(), from.getShape(), to.getShape()) || from.getSlots() != to.getSlots() ||
      from.getElementType() != to.getElementType())
    return emitOpError() << "permutation [" << getPerm() << "] does not take " << from << " to " << to;
  return success();
}

LogicalResult AsyncLoadOp::verify() {
  SharedType dest = getDest().getType();
  if (getAlong().size() != 2)
    return emitOpError() << "expected 'along' to list 2 axes, found " << getAlong().size();
  if (failed(verifyOneSlot(*this, dest)))
    return failure();
  return verifyAccess(*this, getView().getType(), getIndices().size(), getAlong(),
                      RankedTensorType::get(dest.getShape(), dest.getElementType()));
}

/// A tile in registers and its place in shared memory.
static LogicalResult verifyLocal(Operation *op, Type type, SharedType shared) {
  auto tensor = cast<RankedTensorType>(type);
  if (tensor.getShape() != shared.getShape() || tensor.getElementType() != shared.getElementType())
    return op->emitOpError() << "expected one shape and one element type, found " << type << " and " << shared;
  return verifyOneSlot(op, shared);
}

LogicalResult LocalLoadOp::verify() { return verifyLocal(*this, getResult().getType(), getSource().getType()); }
LogicalResult LocalStoreOp::verify() { return verifyLocal(*this, getValue().getType(), getDest().getType()); }
