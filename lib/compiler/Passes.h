//===-- Passes.h - the compiler's own passes -------------------------------===//
#ifndef TREADLE_COMPILER_PASSES_H
#define TREADLE_COMPILER_PASSES_H

#include <memory>

namespace mlir {
class Pass;
class DialectRegistry;
} // namespace mlir

namespace treadle::compiler {

/// `treadle-lower-math`: what the chip has no instruction for, as arithmetic (see LowerMath.cpp for the error of each).
std::unique_ptr<mlir::Pass> createLowerMathPass();

/// `treadle-lower-to-llvm`: arith, math, vector, cf and func to the LLVM dialect, in one conversion.
std::unique_ptr<mlir::Pass> createLowerToLLVMPass();

/// `treadle-verify-kernels`: `verifyKernels` of a program at phase `tile`, for tests; the compiler calls it after
/// parsing.
std::unique_ptr<mlir::Pass> createVerifyKernelsPass();

/// Every pass that a phase names, and those that tests name. Once per process is enough.
void registerPasses();

/// Every dialect and extension that the phases need.
void registerDialects(mlir::DialectRegistry &registry);

} // namespace treadle::compiler

#endif
