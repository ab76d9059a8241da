//===-- Dialect.cpp - fields, and attributes of mixers ---------------------===//

#include "treadle/IR/Treadle.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "tile/IR/Tile.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace treadle;

#include "treadle/IR/TreadleDialect.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "treadle/IR/TreadleTypes.cpp.inc"

void TreadleDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "treadle/IR/TreadleTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "treadle/IR/TreadleOps.cpp.inc"
      >();
}

//===-- field type ---------------------------------------------------------===//

static Type namedElement(MLIRContext *context, StringRef name) {
  return llvm::StringSwitch<Type>(name)
      .Case("f32", Float32Type::get(context))
      .Case("f16", Float16Type::get(context))
      .Case("bf16", BFloat16Type::get(context))
      .Case("i32", IntegerType::get(context, 32))
      .Default({});
}

Type FieldType::parse(AsmParser &parser) {
  StringRef indices;
  SmallVector<int64_t> shape;
  if (parser.parseLess())
    return {};
  SMLoc at = parser.getCurrentLocation();
  Type element;
  // A name is a choice of indices, or the element of one scalar.
  if (succeeded(parser.parseOptionalKeyword(&indices))) {
    element = namedElement(parser.getContext(), indices);
    if (element)
      indices = "";
    else if (parser.parseComma())
      return {};
  }
  if (!element && (parser.parseDimensionList(shape, /*allowDynamic=*/false) || parser.parseType(element)))
    return {};
  if (parser.parseGreater())
    return {};
  return FieldType::getChecked([&] { return parser.emitError(at); }, parser.getContext(), indices, shape, element);
}

void FieldType::print(AsmPrinter &printer) const {
  printer << "<";
  if (!getIndices().empty())
    printer << getIndices() << ", ";
  printer.printDimensionList(getShape());
  if (!getShape().empty())
    printer << "x";
  printer << getElementType() << ">";
}

LogicalResult FieldType::verify(function_ref<InFlightDiagnostic()> error, StringRef indices, ArrayRef<int64_t> shape,
                                Type element) {
  StringRef rest = indices;
  rest.consume_front("B");
  rest.consume_front("T");
  if (!rest.consume_front("H"))
    rest.consume_front("G");
  if (!rest.empty())
    return error() << "a field's indices are a choice, in this order, of B, T and H or G, found '" << indices << "'";
  if (!element.isF32() && !element.isF16() && !element.isBF16() && !element.isSignlessInteger(32))
    return error() << "a field's element must be f32, f16, bf16 or i32, found " << element;
  if (shape.size() > 5)
    return error() << "a field's value has at most 5 axes, found " << shape.size();
  int64_t left = 1 << 20; // the product of all sizes could overflow
  for (int64_t size : shape) {
    if (size < 1)
      return error() << "a field's sizes are positive, found " << size;
    left /= size;
  }
  if (left == 0)
    return error() << "a field's value has at most 2^20 elements, found [" << shape << "]";
  return success();
}

Type FieldType::getStepType() const {
  Type element = getElementType();
  if (isa<FloatType>(element))
    element = Float32Type::get(getContext());
  return getShape().empty() ? element : RankedTensorType::get(getShape(), element);
}

bool FieldType::isState() const { return getIndices() == "BH" && getElementType().isF32(); }

//===-- attributes ---------------------------------------------------------===//

LogicalResult TreadleDialect::verifyOperationAttribute(Operation *op, NamedAttribute attr) {
  StringRef name = attr.getName();
  if (name == "treadle.parts") {
    auto parts = dyn_cast<IntegerAttr>(attr.getValue());
    if (!isa<tile::ReduceOp>(op))
      return op->emitError() << "'treadle.parts' belongs on a tile.reduce";
    if (!parts || !parts.getType().isSignlessInteger(64) || !llvm::is_contained({1, 2, 3}, parts.getInt()))
      return op->emitError() << "treadle.parts is 1, 2 or 3 as i64, found " << attr.getValue();
    return success();
  }
  if (name == "treadle.shared_bytes" && isa<ModuleOp>(op)) {
    auto shares = dyn_cast<DictionaryAttr>(attr.getValue());
    auto isBytes = [](NamedAttribute share) {
      auto bytes = dyn_cast<IntegerAttr>(share.getValue());
      return bytes && bytes.getType().isSignlessInteger(64);
    };
    if (!shares || !llvm::all_of(shares, isBytes))
      return op->emitError() << "treadle.shared_bytes of a module are numbers as i64 by names, found "
                             << attr.getValue();
    return success();
  }
  if (name != "treadle.mixer" && name != "treadle.packed" && name != "treadle.indexed" && name != "treadle.chunk" &&
      name != "treadle.split" && name != "treadle.separate" && name != "treadle.backward" && name != "treadle.apart" &&
      name != "treadle.gradients")
    return success();
  if (!isa<func::FuncOp>(op))
    return op->emitError() << "'" << name << "' belongs on a function";
  if (name == "treadle.chunk") {
    auto rows = dyn_cast<IntegerAttr>(attr.getValue());
    if (!rows || !rows.getType().isSignlessInteger(32) || !llvm::is_contained({0, 16, 32, 64, 128, 256}, rows.getInt()))
      return op->emitError() << "treadle.chunk is 16, 32, 64, 128 or 256 as i32, or 0, found " << attr.getValue();
  } else if (name == "treadle.gradients") {
    auto names = dyn_cast<ArrayAttr>(attr.getValue());
    if (!names || !llvm::all_of(names, llvm::IsaPred<StringAttr>))
      return op->emitError() << "treadle.gradients are names of inputs, found " << attr.getValue();
  } else if (!isa<UnitAttr>(attr.getValue())) {
    return op->emitError() << name << " has no value, found " << attr.getValue();
  }
  if (!op->hasAttr("treadle.mixer"))
    return op->emitError() << "'" << name << "' belongs on a function with treadle.mixer";
  if (op->hasAttr("tile.kernel"))
    return op->emitError() << "a function is a mixer or a kernel, found treadle.mixer and tile.kernel";
  return success();
}
