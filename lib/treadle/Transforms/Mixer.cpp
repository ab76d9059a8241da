//===-- Mixer.cpp - a mixer, and the arrays of its kernel ------------------===//

#include "Mixer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace treadle;

namespace {
class Reader {
public:
  explicit Reader(func::FuncOp function) : function(function), builder(function.getContext()) {}
  FailureOr<Mixer> read();

private:
  LogicalResult readBody();
  LogicalResult readArguments();
  LogicalResult readResults();
  void addIndices();
  LogicalResult add(Array::Role role, unsigned position, FieldType field, DictionaryAttr attributes, const Twine &what,
                    Location loc);
  SmallVector<Attribute> indexDims(Array::Role role, FieldType field);
  Attribute text(StringRef name) { return builder.getStringAttr(name); }

  func::FuncOp function;
  Builder builder;
  Mixer mixer;
};
} // namespace

LogicalResult Reader::readBody() {
  if (function.isDeclaration())
    return function.emitError() << "a mixer needs a body, found a declaration";
  if (size_t blocks = function.getBody().getBlocks().size(); blocks != 1)
    return function.emitError() << "a mixer has one block, found " << blocks;
  for (Operation &op : function.getBody().front()) {
    auto scan = dyn_cast<ScanOp>(op);
    if (!scan && !isa<FillOp, arith::ConstantOp, func::ReturnOp>(op))
      return op.emitError() << "'" << op.getName()
                            << "' is not part of a mixer; expected constants, treadle.fill, one treadle.scan and "
                               "func.return";
    if (scan && mixer.scan)
      return op.emitError() << "a mixer has one treadle.scan, found another";
    if (scan)
      mixer.scan = scan;
  }
  if (!mixer.scan)
    return function.emitError() << "a mixer has one treadle.scan, found none";
  for (auto [i, input] : llvm::enumerate(mixer.scan.getInputs()))
    if (!isa<BlockArgument>(input))
      return mixer.scan.emitError() << "input " << i << " of the scan must be an argument of the mixer";
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
  StringRef suffix = role == Array::Initial ? "_initial" : role == Array::Final ? "_final" : "";
  mixer.arrays.push_back(
      {role, position, (name.getValue() + suffix).str(), loc, view, builder.getArrayAttr(dims), numIndices});
  return success();
}

LogicalResult Reader::readArguments() {
  // Inputs come first, then initial states.
  unsigned numInputs = mixer.scan.getInputs().size();
  for (auto role : {Array::Input, Array::Initial})
    for (BlockArgument argument : function.getArguments()) {
      std::string what = ("argument " + Twine(argument.getArgNumber())).str();
      auto field = dyn_cast<FieldType>(argument.getType());
      if (!field)
        return function.emitError() << what << " of a mixer must be a field, found " << argument.getType();
      if (!argument.hasOneUse() || argument.use_begin()->getOwner() != mixer.scan)
        return function.emitError() << what << " is an input or an initial state of the scan, once; found "
                                    << std::distance(argument.use_begin(), argument.use_end()) << " uses";
      unsigned operand = argument.use_begin()->getOperandNumber();
      if ((operand < numInputs) != (role == Array::Input))
        continue;
      if (failed(add(role, role == Array::Input ? operand : operand - numInputs, field,
                     function.getArgAttrDict(argument.getArgNumber()), what, argument.getLoc())))
        return failure();
    }
  return success();
}

LogicalResult Reader::readResults() {
  unsigned numOutputs = mixer.scan.getNumOutputs();
  Operation *end = function.getBody().front().getTerminator();
  for (auto role : {Array::Output, Array::Final})
    for (auto [i, value] : llvm::enumerate(end->getOperands())) {
      std::string what = ("result " + Twine(i)).str();
      auto result = dyn_cast<OpResult>(value);
      if (!result || result.getOwner() != mixer.scan || llvm::is_contained(end->getOperands().take_front(i), value))
        return end->emitError() << what << " of a mixer must be a result of the scan that is not returned before";
      unsigned number = result.getResultNumber();
      if ((number < numOutputs) != (role == Array::Output))
        continue;
      if (failed(add(role, role == Array::Output ? number : number - numOutputs, cast<FieldType>(value.getType()),
                     function.getResultAttrDict(i), what, end->getLoc())))
        return failure();
    }
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

/// Each use its own: one value that is the same everywhere would tie together the axes of all that it meets.
static void separateConstants(ScanOp scan) {
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

FailureOr<Mixer> Mixer::read(func::FuncOp function) { return Reader(function).read(); }

std::optional<unsigned> Mixer::find(Array::Role role, unsigned position) const {
  for (auto [i, array] : llvm::enumerate(arrays))
    if (array.role == role && array.position == position)
      return i;
  return std::nullopt;
}
