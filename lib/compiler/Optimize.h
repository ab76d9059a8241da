//===-- Optimize.h - LLVM's optimiser, set up for kernels ------------------===//
#ifndef TREADLE_COMPILER_OPTIMIZE_H
#define TREADLE_COMPILER_OPTIMIZE_H

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace treadle::compiler {

/// -O3 without loop unrolling and vectorisation: tiles are already as wide as registers allow, and loops that are left
/// are the ones that were meant to stay loops.
void optimize(llvm::Module &module, llvm::TargetMachine &machine);

} // namespace treadle::compiler

#endif
