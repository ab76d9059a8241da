//===-- VerifyKernels.h - what a tile program may consist of -----*- C++ -*-===//
#ifndef TREADLE_COMPILER_VERIFY_KERNELS_H
#define TREADLE_COMPILER_VERIFY_KERNELS_H

#include "compiler/Phases.h"
#include "mlir/IR/BuiltinOps.h"

namespace treadle::compiler {

/// Checks every kernel and the functions that it calls: one block; the ops, types and uses of views that the phases
/// know; layouts on all tiles at phase `scheduled` and on none before. Errors are at the ops.
llvm::LogicalResult verifyKernels(mlir::ModuleOp module, Phase phase);

} // namespace treadle::compiler

#endif
