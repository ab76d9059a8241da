//===-- Abi.cpp - what a kernel's entry point takes ------------------------===//

#include "tile/IR/Abi.h"

#include "tile/IR/Tile.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::tile;

static StringRef dimName(func::FuncOp kernel, unsigned arg, unsigned axis) {
  return cast<StringAttr>(kernel.getArgAttrOfType<ArrayAttr>(arg, "tile.dims")[axis]).getValue();
}

SmallVector<AbiArg> tile::kernelAbi(func::FuncOp kernel) {
  SmallVector<AbiArg> abi;
  llvm::StringSet<> dims;
  Type i64 = IntegerType::get(kernel.getContext(), 64);
  for (auto [arg, type] : llvm::enumerate(kernel.getArgumentTypes())) {
    std::string name = kernel.getArgAttrOfType<StringAttr>(arg, "tile.name").str();
    auto view = dyn_cast<ViewType>(type);
    if (!view) {
      abi.push_back({AbiArg::Scalar, unsigned(arg), 0, name, type.isIndex() ? i64 : type});
      continue;
    }
    abi.push_back({AbiArg::Pointer, unsigned(arg), 0, name, view.getElementType()});
    for (auto [axis, size] : llvm::enumerate(view.getShape())) {
      if (!ShapedType::isDynamic(size))
        continue;
      StringRef dim = dimName(kernel, arg, axis);
      if (dims.insert(dim).second)
        abi.push_back({AbiArg::Dim, unsigned(arg), unsigned(axis), dim.str(), i64});
    }
    for (auto [axis, stride] : llvm::enumerate(view.getStrides()))
      if (ShapedType::isDynamic(stride))
        abi.push_back({AbiArg::Stride, unsigned(arg), unsigned(axis), name, i64});
  }
  return abi;
}

int tile::dimPosition(func::FuncOp kernel, ArrayRef<AbiArg> abi, unsigned arg, unsigned axis) {
  if (!ShapedType::isDynamic(cast<ViewType>(kernel.getArgumentTypes()[arg]).getShape()[axis]))
    return -1;
  StringRef dim = dimName(kernel, arg, axis);
  for (auto [i, a] : llvm::enumerate(abi))
    if (a.kind == AbiArg::Dim && a.name == dim)
      return i;
  return -1;
}
