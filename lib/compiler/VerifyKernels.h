//===-- VerifyKernels.h - what a tile program may consist of -----*- C++ -*-===//
#ifndef TREADLE_COMPILER_VERIFY_KERNELS_H
#define TREADLE_COMPILER_VERIFY_KERNELS_H

#include "mlir/IR/BuiltinOps.h"

namespace treadle::compiler {

/// Checks every kernel and the functions that it calls: one block; the ops, types and uses of views that the phases
/// know; layouts on all tiles of a `scheduled` program and on none of another. Errors are at the ops.
llvm::LogicalResult verifyKernels(mlir::ModuleOp module, bool scheduled);

} // namespace treadle::compiler

#endif
