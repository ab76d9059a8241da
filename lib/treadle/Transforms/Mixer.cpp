//===-- Mixer.cpp - a mixer, and the arrays of its kernel ------------------===//

#include "Mixer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace treadle;

namespace {
class Reader {
public:
  explicit Reader(func::FuncOp function) : function(function), builder(function.getContext()) {}
  FailureOr<Mixer> read();

private:
  LogicalResult readBody();
  LogicalResult readUses(BlockArgument argument, Value field, ArrayRef<PartOp> parts, Array::Role role,
                         const Twine &what);
  LogicalResult readArguments();
  LogicalResult readResult(Value value, unsigned i, ArrayRef<std::pair<ConcatOp, unsigned>> wholes, Array::Role role);
  LogicalResult readResults();
  void addIndices();
  LogicalResult add(Array::Role role, unsigned position, FieldType field, DictionaryAttr attributes, const Twine &what,
                    Location loc);
  SmallVector<Attribute> indexDims(Array::Role role, FieldType field);
  Attribute text(StringRef name) { return builder.getStringAttr(name); }

  func::FuncOp function;
  Builder builder;
  Mixer mixer;
  DenseSet<Value> used; ///< arguments that are operands of the scan as they are
};
} // namespace

LogicalResult Reader::readBody() {
  if (function.isDeclaration())
    return function.emitError() << "a mixer needs a body, found a declaration";
  if (size_t blocks = function.getBody().getBlocks().size(); blocks != 1)
    return function.emitError() << "a mixer has one block, found " << blocks;
  for (Operation &op : function.getBody().front()) {
    auto scan = dyn_cast<ScanOp>(op);
    if (!scan && !isa<FillOp, PartOp, ConcatOp, arith::ConstantOp, func::ReturnOp>(op))
      return op.emitError() << "'" << op.getName()
                            << "' is not part of a mixer; expected constants, treadle.fill, part, concat, one "
                               "treadle.scan and func.return";
    if (scan && mixer.scan)
      return op.emitError() << "a mixer has one treadle.scan, found another";
    if (scan)
      mixer.scan = scan;
  }
  if (!mixer.scan)
    return function.emitError() << "a mixer has one treadle.scan, found none";
  auto isArgument = [](Value field) {
    while (auto part = field.getDefiningOp<PartOp>())
      field = part.getOperand();
    return isa<BlockArgument>(field);
  };
  for (auto [i, input] : llvm::enumerate(mixer.scan.getInputs()))
    if (!isArgument(input))
      return mixer.scan.emitError() << "input " << i << " of the scan must be an argument of the mixer";
  for (auto [i, initial] : llvm::enumerate(mixer.scan.getInitials()))
    if (!initial.getDefiningOp<FillOp>() && !isArgument(initial))
      return mixer.scan.emitError() << "initial state " << i
                                    << " of the scan must be an argument of the mixer, or treadle.fill";
  return success();
}

/// How the axes before those of the value are called; an integer is a fixed size.
SmallVector<Attribute> Reader::indexDims(Array::Role role, FieldType field) {
  if (role == Array::Initial || role == Array::Final)
    return {text(mixer.indexed ? "P" : mixer.packed ? "N" : "B"), text("H")};
  SmallVector<Attribute> dims;
  for (char index : field.getIndices())
    dims.push_back(index == 'B' && mixer.packed ? Attribute(builder.getI64IntegerAttr(1)) : text(StringRef(&index, 1)));
  return dims;
}

LogicalResult Reader::add(Array::Role role, unsigned position, FieldType field, DictionaryAttr attributes,
                          const Twine &what, Location loc) {
  auto name = attributes ? attributes.getAs<StringAttr>("treadle.name") : StringAttr();
  if (!name)
    return function.emitError() << what << " of a mixer needs treadle.name";
  SmallVector<Attribute> dims = indexDims(role, field);
  unsigned numIndices = dims.size();
  SmallVector<int64_t> shape, strides(numIndices, ShapedType::kDynamic);
  for (Attribute dim : dims)
    shape.push_back(isa<IntegerAttr>(dim) ? 1 : ShapedType::kDynamic);
  int64_t stride = ShapedType::getNumElements(field.getShape());
  for (int64_t size : field.getShape()) {
    shape.push_back(size);
    strides.push_back(stride /= size);
    dims.push_back(builder.getI64IntegerAttr(size));
  }
  int64_t align = field.getElementType().getIntOrFloatBitWidth() / 8;
  if (Attribute attr = attributes.get("treadle.align")) {
    auto value = dyn_cast<IntegerAttr>(attr);
    if (!value || value.getValue().getSignificantBits() > 64)
      return function.emitError() << what << ": expected an integer as treadle.align, found " << attr;
    align = value.getInt();
  }
  auto view = tile::ViewType::getChecked([&] { return function.emitError() << what << ": "; }, function.getContext(),
                                         ArrayRef<int64_t>(shape), field.getElementType(), ArrayRef<int64_t>(strides),
                                         align, int64_t(0));
  if (!view)
    return failure();
  StringRef suffix = attributes.contains("treadle.array") ? ""
                     : role == Array::Initial             ? "_initial"
                     : role == Array::Final               ? "_final"
                                                          : "";
  mixer.arrays.push_back(
      {role, position, (name.getValue() + suffix).str(), loc, view, builder.getArrayAttr(dims), numIndices});
  return success();
}

/// Adds what `part` of the last array added is, to those that it is a part of already. `axes`: of the array, that the
/// value has so far.
static void narrow(Array &array, SmallVectorImpl<unsigned> &axes, uint32_t axis, int64_t from, Type part) {
  auto shape = cast<FieldType>(part).getShape();
  bool isLeftOut = shape.size() < axes.size();
  array.narrows.push_back({axes[axis], from, isLeftOut ? 1 : shape[axis], isLeftOut});
  if (isLeftOut)
    axes.erase(axes.begin() + axis);
}

/// The scan's operands that are a field, or parts of it.
LogicalResult Reader::readUses(BlockArgument argument, Value field, ArrayRef<PartOp> parts, Array::Role role,
                               const Twine &what) {
  unsigned numInputs = mixer.scan.getInputs().size();
  for (OpOperand &use : field.getUses()) {
    if (auto part = dyn_cast<PartOp>(use.getOwner())) {
      SmallVector<PartOp> more(parts);
      more.push_back(part);
      if (failed(readUses(argument, part, more, role, what)))
        return failure();
      continue;
    }
    unsigned operand = use.getOperandNumber();
    if (use.getOwner() != mixer.scan)
      return function.emitError() << what << " is an input or an initial state of the scan, or parts of it are";
    if ((operand < numInputs) != (role == Array::Input))
      continue;
    if (parts.empty() && !used.insert(argument).second)
      return function.emitError() << what << " is an input or an initial state of the scan, once; found "
                                  << std::distance(argument.use_begin(), argument.use_end()) << " uses";
    if (failed(add(role, role == Array::Input ? operand : operand - numInputs, cast<FieldType>(argument.getType()),
                   function.getArgAttrDict(argument.getArgNumber()), what, argument.getLoc())))
      return failure();
    Array &array = mixer.arrays.back();
    array.whole = argument;
    SmallVector<unsigned> axes = array.valueAxes();
    for (PartOp part : parts)
      narrow(array, axes, part.getAxis(), part.getOffset(), part.getType());
  }
  return success();
}

LogicalResult Reader::readArguments() {
  // Inputs come first, then initial states.
  for (auto role : {Array::Input, Array::Initial})
    for (BlockArgument argument : function.getArguments()) {
      std::string what = ("argument " + Twine(argument.getArgNumber())).str();
      if (!isa<FieldType>(argument.getType()))
        return function.emitError() << what << " of a mixer must be a field, found " << argument.getType();
      if (argument.use_empty())
        return function.emitError() << what << " is an input or an initial state of the scan, once; found 0 uses";
      if (failed(readUses(argument, argument, {}, role, what)))
        return failure();
    }
  return success();
}

/// A result of the scan, or several that make up one field.
LogicalResult Reader::readResult(Value value, unsigned i, ArrayRef<std::pair<ConcatOp, unsigned>> wholes,
                                 Array::Role role) {
  Operation *end = function.getBody().front().getTerminator();
  std::string what = ("result " + Twine(i)).str();
  if (auto concat = value.getDefiningOp<ConcatOp>()) {
    for (unsigned part = 0; part < concat.getParts().size(); ++part) {
      SmallVector<std::pair<ConcatOp, unsigned>> more(wholes);
      more.emplace_back(concat, part);
      if (failed(readResult(concat.getParts()[part], i, more, role)))
        return failure();
    }
    return success();
  }
  auto result = dyn_cast<OpResult>(value);
  if (!result || result.getOwner() != mixer.scan)
    return end->emitError() << what << " of a mixer must be a result of the scan that is not returned before";
  unsigned number = result.getResultNumber(), numOutputs = mixer.scan.getNumOutputs();
  if ((number < numOutputs) != (role == Array::Output))
    return success();
  if (mixer.find(role, role == Array::Output ? number : number - numOutputs))
    return end->emitError() << what << " of a mixer must be a result of the scan that is not returned before";
  if (failed(add(role, role == Array::Output ? number : number - numOutputs,
                 cast<FieldType>(end->getOperand(i).getType()), function.getResultAttrDict(i), what, end->getLoc())))
    return failure();
  Array &array = mixer.arrays.back();
  array.whole = end->getOperand(i);
  SmallVector<unsigned> axes = array.valueAxes();
  for (auto [concat, place] : wholes) {
    int64_t from = 0;
    for (Value part : concat.getParts().take_front(place)) {
      auto shape = cast<FieldType>(part.getType()).getShape();
      from += shape.size() < axes.size() ? 1 : shape[concat.getAxis()];
    }
    narrow(array, axes, concat.getAxis(), from, concat.getParts()[place].getType());
  }
  return success();
}

LogicalResult Reader::readResults() {
  for (auto role : {Array::Output, Array::Final})
    for (auto [i, value] : llvm::enumerate(function.getBody().front().getTerminator()->getOperands()))
      if (failed(readResult(value, i, {}, role)))
        return failure();
  return success();
}

/// The arrays that say where sequences and states are.
void Reader::addIndices() {
  Type i64 = builder.getI64Type();
  auto view = tile::ViewType::get(builder.getContext(), {ShapedType::kDynamic}, i64, {ShapedType::kDynamic}, 8, 0);
  Location loc = function.getLoc();
  if (mixer.packed)
    mixer.arrays.push_back({Array::Lengths, 0, "cu_seqlens", loc, view, builder.getArrayAttr(text("N1")), 1});
  if (mixer.indexed)
    mixer.arrays.push_back(
        {Array::Entries, 0, "state_indices", loc, view, builder.getArrayAttr(text(mixer.packed ? "N" : "B")), 1});
}

void treadle::bringConstants(ScanOp scan) {
  scan.getStep().walk([&](Operation *op) {
    for (OpOperand &operand : op->getOpOperands())
      if (!scan.getStep().isAncestor(operand.get().getParentRegion()))
        operand.set(OpBuilder(op).clone(*operand.get().getDefiningOp())->getResult(0));
  });
}

DictionaryAttr treadle::arrayAttributes(FieldType type, StringRef name) {
  Builder builder(type.getContext());
  int64_t row = ShapedType::getNumElements(type.getShape());
  int64_t align = std::min<int64_t>(16, type.getElementType().getIntOrFloatBitWidth() / 8 * (row & -row));
  return builder.getDictionaryAttr({builder.getNamedAttr("treadle.align", builder.getI32IntegerAttr(int32_t(align))),
                                    builder.getNamedAttr("treadle.array", builder.getUnitAttr()),
                                    builder.getNamedAttr("treadle.name", builder.getStringAttr(name))});
}

Type treadle::narrowestOutput(ScanOp scan) {
  Type narrowest = Float32Type::get(scan.getContext());
  for (Type output : scan.getOutputs().getTypes())
    if (Type element = cast<FieldType>(output).getElementType(); !element.isF32())
      narrowest = element;
  return narrowest;
}

void treadle::separateConstants(ScanOp scan) {
  for (Operation &op : llvm::make_early_inc_range(scan.getStep().front())) {
    if (!isa<arith::ConstantOp, tile::SplatOp>(op))
      continue;
    for (OpOperand &use : llvm::make_early_inc_range(op.getUses()))
      if (!op.hasOneUse())
        use.set(OpBuilder(use.getOwner()).clone(op)->getResult(0));
  }
}

FailureOr<Mixer> Reader::read() {
  mixer.function = function;
  mixer.packed = function->hasAttr("treadle.packed");
  mixer.indexed = function->hasAttr("treadle.indexed");
  if (failed(readBody()) || failed(readArguments()) || failed(readResults()))
    return failure();
  addIndices();
  separateConstants(mixer.scan);
  return std::move(mixer);
}

SmallVector<unsigned> Array::valueAxes() const {
  SmallVector<unsigned> axes;
  for (unsigned axis = numIndices; axis < dims.size(); ++axis)
    if (llvm::none_of(narrows, [&](const Narrow &narrow) { return narrow.axis == axis && narrow.isLeftOut; }))
      axes.push_back(axis);
  return axes;
}

FailureOr<Mixer> Mixer::read(func::FuncOp function) { return Reader(function).read(); }

std::optional<unsigned> Mixer::find(Array::Role role, unsigned position) const {
  for (auto [i, array] : llvm::enumerate(arrays))
    if (array.role == role && array.position == position)
      return i;
  return std::nullopt;
}
