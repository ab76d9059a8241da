//===-- Passes.h - passes of the CPU target --------------------------------===//
#ifndef TREADLE_TARGET_CPU_PASSES_H
#define TREADLE_TARGET_CPU_PASSES_H

#include "mlir/Pass/Pass.h"

namespace treadle::cpu {

/// `tile-lower-to-cpu`: kernels in the pure stage become functions of one block,
///   func.func @NAME(%params: !llvm.ptr, %x: i64, %y: i64, %z: i64)
/// where entry i of `params` points to the value of argument i of `tile::kernelAbi`. The bodies are scf loops over
/// scalars and vectors, with tiles in stack memory of at most `tile.stack_bytes` bytes. `vectorBits`: width of the
/// machine's registers.
std::unique_ptr<mlir::Pass> createLowerToCpuPass(int vectorBits = 256);

/// `tile-cpu-to-llvm`: what remains to the LLVM dialect.
std::unique_ptr<mlir::Pass> createCpuToLLVMPass();

void registerCpuPasses();

} // namespace treadle::cpu

#endif
