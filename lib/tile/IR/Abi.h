//===-- Abi.h - what a kernel's entry point takes --------------------------===//
//
// The one list that every target's entry point and the launcher agree on: for each argument of the kernel, in order,
//   view    its pointer, then each dynamic size whose name no earlier size had, then each dynamic stride (i64 each);
//   scalar  itself.
//
#ifndef TREADLE_TILE_IR_ABI_H
#define TREADLE_TILE_IR_ABI_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <string>

namespace treadle::tile {

struct AbiArg {
  enum Kind { Pointer, Dim, Stride, Scalar } kind;
  unsigned arg;     ///< argument of the kernel
  unsigned axis;    ///< Dim, Stride: axis of the view
  std::string name; ///< Dim: the size's name; otherwise the argument's
  mlir::Type type;  ///< Pointer: the view's element; Dim, Stride: i64; Scalar: its type, i64 for index
};

llvm::SmallVector<AbiArg> kernelAbi(mlir::func::FuncOp kernel);

/// The position in the list of the size of an axis, under whichever argument it is passed; -1 for a static axis.
int dimPosition(mlir::func::FuncOp kernel, llvm::ArrayRef<AbiArg> abi, unsigned arg, unsigned axis);

} // namespace treadle::tile

#endif
