//===-- Dialect.cpp - types, attributes and kernel conventions -----------===//

#include "tile/IR/Tile.h"

#include "layout/Layouts.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Transforms/InliningUtils.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::tile;

#include "tile/IR/TileDialect.cpp.inc"
#include "tile/IR/TileEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "tile/IR/TileAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "tile/IR/TileTypes.cpp.inc"

namespace {
struct AsmAliases : OpAsmDialectInterface {
  using OpAsmDialectInterface::OpAsmDialectInterface;
  AliasResult getAlias(Attribute attr, raw_ostream &os) const override {
    auto layout = dyn_cast<LayoutAttr>(attr);
    if (!layout)
      return AliasResult::NoAlias;
    os << (layout.getOffset().empty() ? "layout" : "shared");
    return AliasResult::FinalAlias;
  }
};

/// Functions of tile ops are inlined everywhere.
struct Inliner : DialectInlinerInterface {
  using DialectInlinerInterface::DialectInlinerInterface;
  bool isLegalToInline(Operation *, Region *, bool, IRMapping &) const override { return true; }
  bool isLegalToInline(Region *, Region *, bool, IRMapping &) const override { return true; }
};
} // namespace

void TileDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "tile/IR/TileAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "tile/IR/TileTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "tile/IR/TileOps.cpp.inc"
      >();
  addInterfaces<AsmAliases, Inliner>();
}

Operation *TileDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type, Location loc) {
  return arith::ConstantOp::materialize(builder, value, type, loc);
}

//===-- layout attribute ---------------------------------------------------===//

Attribute LayoutAttr::parse(AsmParser &parser, Type) {
  SmallVector<int32_t> bases[4];
  static constexpr StringLiteral names[] = {"reg", "lane", "warp", "offset"};
  auto group = [&]() -> ParseResult {
    StringRef name;
    SMLoc at = parser.getCurrentLocation();
    if (parser.parseKeyword(&name) || parser.parseEqual())
      return failure();
    auto *it = llvm::find(names, name);
    if (it == std::end(names))
      return parser.emitError(at, "expected 'reg', 'lane', 'warp' or 'offset', found '") << name << "'";
    auto &out = bases[it - std::begin(names)];
    return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&]() -> ParseResult {
      SMLoc where = parser.getCurrentLocation();
      if (parser.parseInteger(out.emplace_back()))
        return failure();
      if (out.back() < 0)
        return parser.emitError(where, "a basis is a row-major index and cannot be negative");
      if (out.size() > 31)
        return parser.emitError(where, "more than 31 bases");
      return success();
    });
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::LessGreater, group))
    return {};
  return LayoutAttr::get(parser.getContext(), bases[0], bases[1], bases[2], bases[3]);
}

void LayoutAttr::print(AsmPrinter &printer) const {
  auto list = [&](StringRef name, ArrayRef<int32_t> bases) {
    printer << name << " = [";
    llvm::interleaveComma(bases, printer.getStream());
    printer << "]";
  };
  printer << "<";
  if (!getOffset().empty()) {
    list("offset", getOffset());
  } else {
    list("reg", getReg());
    printer << ", ";
    list("lane", getLane());
    printer << ", ";
    list("warp", getWarp());
  }
  printer << ">";
}

static Layout::Bases toBases(ArrayRef<int32_t> list) { return Layout::Bases(list.begin(), list.end()); }

static Layout toLayout(ArrayRef<int64_t> shape, LayoutAttr attr) {
  return Layout(shape.vec(), toBases(attr.getReg()), toBases(attr.getLane()), toBases(attr.getWarp()),
                toBases(attr.getOffset()));
}

LogicalResult LayoutAttr::verifyEncoding(ArrayRef<int64_t> shape, Type,
                                         function_ref<InFlightDiagnostic()> error) const {
  std::string why;
  Layout layout = toLayout(shape, *this);
  if (!treadle::verify(layout, &why))
    return error() << "the layout does not fit a tile of shape [" << shape << "]: " << why;
  if (!layout.isDistributed())
    return error() << "a tensor's layout has reg, lane and warp, found " << *this;
  return success();
}

//===-- view type ----------------------------------------------------------===//

static SmallVector<int64_t> defaultStrides(size_t rank) {
  SmallVector<int64_t> strides(rank, ShapedType::kDynamic);
  if (rank)
    strides.back() = 1;
  return strides;
}

Type ViewType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape, strides;
  Type element;
  SMLoc at = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseDimensionList(shape, /*allowDynamic=*/true) || parser.parseType(element))
    return {};
  strides = defaultStrides(shape.size());
  if (!element.isIntOrFloat()) {
    parser.emitError(at, "a view's element must be an integer or a float, found ") << element;
    return {};
  }
  int64_t align = element.getIntOrFloatBitWidth() / 8, maxBytes = 0;
  while (succeeded(parser.parseOptionalComma())) {
    StringRef key;
    SMLoc where = parser.getCurrentLocation();
    if (parser.parseKeyword(&key) || parser.parseEqual())
      return {};
    if (key == "strides") {
      strides.clear();
      if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&]() -> ParseResult {
            if (succeeded(parser.parseOptionalQuestion())) {
              strides.push_back(ShapedType::kDynamic);
              return success();
            }
            return parser.parseInteger(strides.emplace_back());
          }))
        return {};
    } else if (key == "align") {
      if (parser.parseInteger(align))
        return {};
    } else if (key == "max_bytes") {
      if (parser.parseInteger(maxBytes))
        return {};
      if (maxBytes < 1) {
        parser.emitError(where, "max_bytes must be positive, found ") << maxBytes;
        return {};
      }
    } else {
      parser.emitError(where, "expected 'strides', 'align' or 'max_bytes', found '") << key << "'";
      return {};
    }
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<ViewType>(parser.getContext(), shape, element, strides, align, maxBytes);
}

void ViewType::print(AsmPrinter &printer) const {
  printer << "<";
  printer.printDimensionList(getShape());
  if (!getShape().empty())
    printer << "x";
  printer << getElementType();
  if (getStrides() != ArrayRef<int64_t>(defaultStrides(getShape().size()))) {
    printer << ", strides = [";
    llvm::interleaveComma(getStrides(), printer.getStream(), [&](int64_t stride) {
      if (ShapedType::isDynamic(stride))
        printer << "?";
      else
        printer << stride;
    });
    printer << "]";
  }
  if (getAlign() != getElementBytes())
    printer << ", align = " << getAlign();
  if (getMaxBytes())
    printer << ", max_bytes = " << getMaxBytes();
  printer << ">";
}

/// What memory holds.
static bool isStored(Type element) {
  return element.isF32() || element.isF16() || element.isBF16() || element.isSignlessInteger(8) ||
         element.isSignlessInteger(16) || element.isSignlessInteger(32) || element.isSignlessInteger(64);
}

LogicalResult ViewType::verify(function_ref<InFlightDiagnostic()> error, ArrayRef<int64_t> shape, Type element,
                               ArrayRef<int64_t> strides, int64_t align, int64_t maxBytes) {
  if (!isStored(element))
    return error() << "a view's element must be f32, f16, bf16, i64, i32, i16 or i8, found " << element;
  if (shape.size() > 8)
    return error() << "a view has at most 8 axes, found " << shape.size();
  if (strides.size() != shape.size())
    return error() << "expected " << shape.size() << " strides, found " << strides.size();
  for (int64_t size : shape)
    if (!ShapedType::isDynamic(size) && size < 0)
      return error() << "a view's size cannot be negative, found " << size;
  int64_t bytes = element.getIntOrFloatBitWidth() / 8;
  if (align < bytes || align > 4096 || !llvm::isPowerOf2_64(align))
    return error() << "align must be a power of two from " << bytes << " (one element) to 4096, found " << align;
  if (maxBytes < 0)
    return error() << "max_bytes cannot be negative, found " << maxBytes;
  return success();
}

//===-- shared type --------------------------------------------------------===//

LogicalResult SharedType::verify(function_ref<InFlightDiagnostic()> error, int64_t slots, ArrayRef<int64_t> shape,
                                 Type element, LayoutAttr layout) {
  if (slots < 1 || slots > 64)
    return error() << "a ring has 1 to 64 slots, found " << slots;
  if (!isStored(element))
    return error() << "a shared tile's element must be f32, f16, bf16, i64, i32, i16 or i8, found " << element;
  std::string why;
  Layout shared = toLayout(shape, layout);
  if (!treadle::verify(shared, &why))
    return error() << "the layout does not fit a tile of shape [" << shape << "]: " << why;
  if (!shared.isShared())
    return error() << "a shared tile's layout has offset alone, found " << layout;
  return success();
}

int64_t SharedType::getSlotBytes() const {
  return ShapedType::getNumElements(getShape()) * (getElementType().getIntOrFloatBitWidth() / 8);
}

//===-- layouts of types ---------------------------------------------------===//

static SmallVector<int32_t> fromBases(const Layout &layout, In in) {
  return SmallVector<int32_t>(layout.bases(in).begin(), layout.bases(in).end());
}

bool tile::hasLayout(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && isa_and_nonnull<LayoutAttr>(tensor.getEncoding());
}

Layout tile::layoutOf(RankedTensorType type) { return toLayout(type.getShape(), cast<LayoutAttr>(type.getEncoding())); }

Layout tile::layoutOf(SharedType type) { return toLayout(type.getShape(), type.getLayout()); }

LayoutAttr tile::toAttr(MLIRContext *context, const Layout &layout) {
  return LayoutAttr::get(context, fromBases(layout, In::Register), fromBases(layout, In::Lane),
                         fromBases(layout, In::Warp), fromBases(layout, In::Offset));
}

Layout tile::copyLayout(AsyncLoadOp op, int64_t warps) {
  ViewType view = op.getView().getType();
  bool lastIsFast = view.getStrides()[op.getAlong()[1]] == 1;
  int64_t elements = std::min<int64_t>(16, view.getAlign()) / view.getElementBytes();
  return coalesced(op.getDest().getType().getShape().vec(), lastIsFast ? Order{1, 0} : Order{0, 1}, elements, warps);
}

RankedTensorType tile::withLayout(RankedTensorType type, const Layout &layout) {
  return RankedTensorType::get(type.getShape(), type.getElementType(), toAttr(type.getContext(), layout));
}

//===-- kernels ------------------------------------------------------------===//

bool tile::isKernel(func::FuncOp func) { return func->hasAttr("tile.kernel"); }

static int intAttr(func::FuncOp func, StringRef name, int fallback) {
  auto attr = func->getAttrOfType<IntegerAttr>(name);
  return attr ? attr.getInt() : fallback;
}
int tile::numWarps(func::FuncOp func) { return intAttr(func, "tile.num_warps", 4); }
int tile::numStages(func::FuncOp func) { return intAttr(func, "tile.num_stages", 2); }
int64_t tile::sharedLimit(StringRef chip) {
  if (chip.starts_with("sm_80") || chip.starts_with("sm_87"))
    return 163 * 1024;
  if (chip.starts_with("sm_86") || chip.starts_with("sm_89") || chip.starts_with("sm_12"))
    return 99 * 1024;
  return 227 * 1024;
}
bool tile::fastMath(func::FuncOp func) { return func->hasAttr("tile.fast_math"); }

/// Whether the function has a type, and attributes of its arguments that fit it. Attributes are verified before the op.
static bool hasSignature(func::FuncOp func) {
  TypeAttr type = func.getFunctionTypeAttr();
  auto signature = type ? dyn_cast<FunctionType>(type.getValue()) : FunctionType();
  ArrayAttr args = func.getArgAttrsAttr();
  return signature &&
         (!args || (args.size() == signature.getNumInputs() && llvm::all_of(args, llvm::IsaPred<DictionaryAttr>)));
}

LogicalResult TileDialect::verifyOperationAttribute(Operation *op, NamedAttribute attr) {
  StringRef name = attr.getName();
  auto func = dyn_cast<func::FuncOp>(op);
  if (!func)
    return op->emitError() << "'" << name << "' belongs on a function";
  if (!hasSignature(func))
    return success(); // the function's own verifier says what is wrong
  if (name == "tile.num_warps") {
    auto value = dyn_cast<IntegerAttr>(attr.getValue());
    if (!value || value.getInt() < 1 || value.getInt() > 32 || !llvm::isPowerOf2_64(value.getInt()))
      return op->emitError() << "tile.num_warps must be 1, 2, 4, 8, 16 or 32, found " << attr.getValue();
  } else if (name == "tile.num_stages") {
    auto value = dyn_cast<IntegerAttr>(attr.getValue());
    if (!value || value.getInt() < 1 || value.getInt() > 16)
      return op->emitError() << "tile.num_stages must be from 1 to 16, found " << attr.getValue();
  } else if (name == "tile.grid") {
    auto map = dyn_cast<AffineMapAttr>(attr.getValue());
    auto dims = func->getAttrOfType<ArrayAttr>("tile.grid_dims");
    if (!map || map.getValue().getNumDims() || map.getValue().getNumResults() < 1 || map.getValue().getNumResults() > 3)
      return op->emitError() << "tile.grid must be an affine map of symbols with 1 to 3 results, found "
                             << attr.getValue();
    if (map.getValue().getNumSymbols() != (dims ? dims.size() : 0))
      return op->emitError() << "tile.grid has " << map.getValue().getNumSymbols()
                             << " symbols, but tile.grid_dims names " << (dims ? dims.size() : 0);
    SmallVector<StringRef> known;
    for (unsigned i = 0; i < func.getNumArguments(); ++i)
      if (auto names = func.getArgAttrOfType<ArrayAttr>(i, "tile.dims");
          names && isa<ViewType>(func.getArgumentTypes()[i]))
        for (Attribute axis : names)
          if (auto text = dyn_cast<StringAttr>(axis))
            known.push_back(text.getValue());
    if (dims)
      for (Attribute dim : dims) {
        auto text = dyn_cast<StringAttr>(dim);
        if (!text || !llvm::is_contained(known, text.getValue()))
          return op->emitError() << "tile.grid_dims names " << dim << ", which is no axis of any view argument";
      }
  } else if (name == "tile.kernel") {
    if (!func->hasAttr("tile.grid"))
      return op->emitError() << "a kernel needs tile.grid, the number of blocks along each axis";
    if (func.getNumResults())
      return op->emitError() << "a kernel returns nothing, found " << func.getNumResults() << " results";
    for (auto [i, type] : llvm::enumerate(func.getArgumentTypes())) {
      if (!func.getArgAttrOfType<StringAttr>(i, "tile.name"))
        return op->emitError() << "argument " << i << " of a kernel needs tile.name";
      if (auto view = dyn_cast<ViewType>(type)) {
        auto names = func.getArgAttrOfType<ArrayAttr>(i, "tile.dims");
        if (!names || int64_t(names.size()) != view.getRank())
          return op->emitError() << "argument " << i << " needs tile.dims with " << view.getRank() << " entries";
        for (auto [size, axis] : llvm::zip(view.getShape(), names)) {
          bool dynamic = ShapedType::isDynamic(size);
          auto fixed = dyn_cast<IntegerAttr>(axis);
          if (dynamic ? !isa<StringAttr>(axis) : !fixed || fixed.getInt() != size)
            return op->emitError() << "argument " << i << ": tile.dims entry " << axis << " does not fit the type "
                                   << type;
        }
      } else if (!type.isF32() && !type.isSignlessInteger(32) && !type.isSignlessInteger(64) && !type.isIndex()) {
        return op->emitError() << "argument " << i << " of a kernel must be a view, f32, i32, i64 or index, found "
                               << type;
      }
    }
  }
  return success();
}
