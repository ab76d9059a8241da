//===-- Manifest.cpp - what the runtime must know about a kernel -----------===//

#include "compiler/Manifest.h"

#include "compiler/Version.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "tile/IR/Abi.h"
#include "tile/IR/Tile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/SHA256.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::compiler;
using namespace treadle::tile;
using llvm::json::Array;
using llvm::json::Object;
using Json = llvm::json::Value;

static std::string dtypeOf(Type type) {
  std::string name;
  llvm::raw_string_ostream stream(name);
  type.print(stream);
  return name;
}

/// An affine expression over named sizes, as the runtime evaluates it.
static Json expression(AffineExpr expr, ArrayRef<Attribute> names) {
  auto text = [](StringRef name) { return Json(name.str()); };
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue();
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return text(cast<StringAttr>(names[symbol.getPosition()]).getValue());
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Json left = expression(binary.getLHS(), names);
  if (expr.getKind() == AffineExprKind::Add)
    if (auto product = dyn_cast<AffineBinaryOpExpr>(binary.getRHS());
        product && product.getKind() == AffineExprKind::Mul)
      if (auto minus = dyn_cast<AffineConstantExpr>(product.getRHS()); minus && minus.getValue() == -1)
        return Array{"-", std::move(left), expression(product.getLHS(), names)};
  StringRef op = expr.getKind() == AffineExprKind::Add        ? "+"
                 : expr.getKind() == AffineExprKind::Mul      ? "*"
                 : expr.getKind() == AffineExprKind::Mod      ? "mod"
                 : expr.getKind() == AffineExprKind::FloorDiv ? "floordiv"
                                                              : "ceildiv";
  return Array{op, std::move(left), expression(binary.getRHS(), names)};
}

static StringRef accessOf(BlockArgument view) {
  bool read = false, write = false;
  SmallVector<Operation *> users(view.getUsers());
  while (!users.empty()) {
    Operation *user = users.pop_back_val();
    if (isa<StoreOp>(user))
      write = true;
    else if (isa<LoadOp, AsyncLoadOp>(user))
      read = true;
    else if (isa<SliceOp, NarrowOp>(user))
      llvm::append_range(users, user->getUsers());
    else if (!isa<DimOp>(user))
      read = write = true; // passed on: anything may happen to it
  }
  return read && write ? "readwrite" : write ? "write" : "read";
}

static Json sizes(ArrayRef<int64_t> values, ArrayAttr names = {}) {
  Array result;
  for (auto [i, value] : llvm::enumerate(values)) {
    if (!ShapedType::isDynamic(value))
      result.push_back(value);
    else if (names)
      result.push_back(cast<StringAttr>(names[i]).getValue());
    else
      result.push_back(nullptr);
  }
  return result;
}

/// The shortest decimal that is this f32.
static double shortest(double value) {
  char text[32];
  for (int digits = 1; digits < 9; ++digits) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtof(text, nullptr) == float(value))
      return strtod(text, nullptr);
  }
  return value;
}

static Object describeArgument(func::FuncOp kernel, unsigned i) {
  StringRef name = kernel.getArgAttrOfType<StringAttr>(i, "tile.name").getValue();
  Type type = kernel.getArgumentTypes()[i];
  if (auto view = dyn_cast<ViewType>(type)) {
    Object tensor{{"kind", "tensor"},
                  {"name", name},
                  {"dtype", dtypeOf(view.getElementType())},
                  {"shape", sizes(view.getShape(), kernel.getArgAttrOfType<ArrayAttr>(i, "tile.dims"))},
                  {"strides", sizes(view.getStrides())},
                  {"align", view.getAlign()},
                  {"access", accessOf(kernel.getArgument(i))}};
    if (view.getMaxBytes())
      tensor["max_bytes"] = view.getMaxBytes();
    return tensor;
  }
  Object scalar{{"kind", "scalar"}, {"name", name}, {"dtype", dtypeOf(type)}};
  Attribute fallback = kernel.getArgAttr(i, "tile.default");
  if (auto value = dyn_cast_or_null<FloatAttr>(fallback); value && std::isfinite(value.getValueAsDouble()))
    scalar["default"] = shortest(value.getValueAsDouble());
  else if (auto value = dyn_cast_or_null<IntegerAttr>(fallback))
    scalar["default"] = value.getInt();
  return scalar;
}

static Object describeLaunch(func::FuncOp kernel) {
  Array args;
  for (const AbiArg &arg : kernelAbi(kernel)) {
    switch (arg.kind) {
    case AbiArg::Pointer:
      args.push_back(Object{{"pointer", arg.name}});
      break;
    case AbiArg::Dim:
      args.push_back(Object{{"dim", arg.name}});
      break;
    case AbiArg::Stride:
      args.push_back(Object{{"stride", Array{arg.name, int64_t(arg.axis)}}});
      break;
    case AbiArg::Scalar:
      args.push_back(Object{{"scalar", arg.name}});
      break;
    }
  }
  auto map = kernel->getAttrOfType<AffineMapAttr>("tile.grid").getValue();
  auto names = kernel->getAttrOfType<ArrayAttr>("tile.grid_dims");
  Array grid;
  for (AffineExpr axis : map.getResults())
    grid.push_back(expression(axis, names ? names.getValue() : ArrayRef<Attribute>()));
  while (grid.size() < 3)
    grid.push_back(1);
  return Object{{"entry", kernel.getName()},
                {"grid", std::move(grid)},
                {"block", Array{32 * numWarps(kernel), 1, 1}},
                {"shared_bytes", 0},
                {"args", std::move(args)}};
}

static bool isIdentifier(StringRef name) {
  return !name.empty() && !llvm::isDigit(name[0]) &&
         llvm::all_of(name, [](char c) { return llvm::isAlnum(c) || c == '_'; });
}

/// Numbers, texts, lists and what has names, as JSON.
static Json toJson(Attribute attribute) {
  if (auto number = dyn_cast<IntegerAttr>(attribute))
    return number.getInt();
  if (auto text = dyn_cast<StringAttr>(attribute))
    return text.str(); // a StringRef would be borrowed
  if (auto list = dyn_cast<ArrayAttr>(attribute)) {
    Array result;
    for (Attribute each : list)
      result.push_back(toJson(each));
    return result;
  }
  Object result;
  if (auto named = dyn_cast<DictionaryAttr>(attribute))
    for (NamedAttribute each : named)
      result[each.getName().str()] = toJson(each.getValue());
  return result;
}

std::optional<Object> compiler::describeKernels(ModuleOp module) {
  Array params, launches;
  std::optional<Json> derivation;
  Array walks; // of a backward
  llvm::StringMap<Object> known;
  for (auto kernel : module.getOps<func::FuncOp>()) {
    if (!isKernel(kernel))
      continue;
    if (!isIdentifier(kernel.getName())) {
      kernel.emitError() << "a kernel's name must be an identifier, found '" << kernel.getName() << "'";
      return std::nullopt;
    }
    llvm::StringSet<> own;
    for (unsigned i = 0; i < kernel.getNumArguments(); ++i) {
      StringRef name = kernel.getArgAttrOfType<StringAttr>(i, "tile.name").getValue();
      if (!isIdentifier(name) || !own.insert(name).second) {
        kernel.emitError() << "names of arguments must be identifiers, each used once; found '" << name << "'";
        return std::nullopt;
      }
      if (auto axes = kernel.getArgAttrOfType<ArrayAttr>(i, "tile.dims"))
        for (Attribute axis : axes)
          if (auto text = dyn_cast<StringAttr>(axis); text && !isIdentifier(text)) {
            kernel.emitError() << "names of axes must be identifiers; found '" << text.getValue() << "'";
            return std::nullopt;
          }
      Object param = describeArgument(kernel, i);
      auto [it, isNew] = known.try_emplace(name, param);
      if (isNew) {
        params.push_back(std::move(param));
        continue;
      }
      // What one kernel writes another may read.
      Object other = it->second;
      if (std::optional<StringRef> access = param.getString("access");
          access && *access != *other.getString("access")) {
        other["access"] = param["access"] = "readwrite";
        for (Json &listed : params)
          if (listed.getAsObject()->getString("name") == name)
            (*listed.getAsObject())["access"] = "readwrite";
        it->second["access"] = "readwrite";
      }
      if (other != param) {
        kernel.emitError() << "argument '" << name << "' differs from the argument of that name of another kernel";
        return std::nullopt;
      }
    }
    launches.push_back(describeLaunch(kernel));
    if (Attribute how = kernel->getAttr("treadle.derivation"))
      derivation = toJson(how);
    if (auto walk = kernel->getAttrOfType<StringAttr>("treadle.walk")) {
      Object how{{"chunk", 1}};
      if (Attribute known = kernel->getAttr("treadle.derivation"))
        how = *toJson(known).getAsObject();
      how["walk"] = walk.str();
      if (walks.empty() || *walks.back().getAsObject() != how)
        walks.push_back(std::move(how));
    }
  }
  if (launches.empty())
    return std::nullopt;
  Object result{{"params", std::move(params)}, {"launches", std::move(launches)}};
  if (!walks.empty())
    result["derivation"] = std::move(walks);
  else if (derivation)
    result["derivation"] = std::move(*derivation);
  return result;
}

void compiler::addSharedBytes(ModuleOp module, Object &manifest) {
  for (Json &value : *manifest.getArray("launches")) {
    Object &launch = *value.getAsObject();
    auto kernel = module.lookupSymbol<LLVM::LLVMFuncOp>(*launch.getString("entry"));
    if (!kernel)
      continue;
    if (auto bytes = kernel->getAttrOfType<IntegerAttr>(sharedBytesAttr))
      launch["shared_bytes"] = bytes.getInt();
  }
}

void compiler::beginManifest(Object &manifest, StringRef name, StringRef arch) {
  manifest["format"] = 1;
  manifest["compiler"] = versionText;
  manifest["name"] = name.str(); // a StringRef would be borrowed
  manifest["arch"] = arch.str();
}

void compiler::finishManifest(Object &manifest, StringRef name, StringRef ptx,
                              const std::optional<Assembled> &assembled) {
  manifest["ptx_version"] = ptx.substr(ptx.find(".version ")).drop_front(9).split('\n').first.trim().str();
  auto hash = llvm::SHA256::hash(llvm::arrayRefFromStringRef(ptx));
  manifest["hash"] = llvm::toHex(hash, /*LowerCase=*/true);
  Object files{{"ptx", (name + ".ptx").str()}, {"header", (name + ".h").str()}};
  if (assembled) {
    files["cubin"] = (name + ".cubin").str();
    Object resources;
    for (const auto &[entry, used] : assembled->resources)
      resources[entry] = Object{{"registers", used.registers},
                                {"stack", used.stack},
                                {"spill_loads", used.spillLoads},
                                {"spill_stores", used.spillStores},
                                {"static_shared", used.staticShared}};
    manifest["resources"] = std::move(resources);
  }
  manifest["files"] = std::move(files);
}

std::string compiler::printManifest(const Object &manifest) {
  static constexpr StringLiteral order[] = {"format",   "compiler",  "name",  "arch",       "ptx_version",
                                            "hash",     "constants", "dtype", "derivation", "params",
                                            "launches", "resources", "files"};
  std::string text = "{";
  llvm::raw_string_ostream stream(text);
  StringRef separator = "\n";
  for (StringRef key : order) {
    const Json *value = manifest.get(key);
    if (!value)
      continue;
    stream << separator << "  \"" << key << "\": ";
    separator = ",\n";
    const Array *list = value->getAsArray();
    if (!list) {
      stream << *value;
      continue;
    }
    stream << "[";
    llvm::interleave(*list, [&](const Json &entry) { stream << "\n    " << entry; }, [&] { stream << ","; });
    stream << "]";
  }
  stream << "\n}\n";
  return text;
}
