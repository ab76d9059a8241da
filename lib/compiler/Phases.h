//===-- Phases.h - the order of the compiler -------------------------------===//
#ifndef TREADLE_COMPILER_PHASES_H
#define TREADLE_COMPILER_PHASES_H

#include "compiler/Arch.h"
#include "llvm/ADT/ArrayRef.h"

namespace treadle::compiler {

/// The stages of a program, each with a name on the command line.
enum class Phase {
  Tile,      ///< `tile`: kernels, as parsed or derived from mixers; verified
  Canonical, ///< `canonical`: inlined and simplified
  Scheduled, ///< `scheduled`: layouts, shared memory, asynchronous copies
  GPU,       ///< `gpu`: the program of one thread: scf, arith, math, vector, nvvm
  LLVM,      ///< `llvm`: the LLVM and NVVM dialects
  LLVMIR,    ///< `llvmir`: LLVM IR, before its optimiser
  PTX,       ///< `ptx`
};

llvm::ArrayRef<Phase> allPhases();
llvm::StringRef nameOf(Phase phase);
std::optional<Phase> findPhase(llvm::StringRef name);
/// "tile, canonical, …", for messages.
std::string knownPhases();

/// The passes that lead to `phase` from the one before, as a pipeline on `builtin.module`. Nothing for `tile` and
/// `ptx`, which `readProgram` and LLVM make.
std::string pipelineTo(Phase phase, const Arch &arch);

} // namespace treadle::compiler

#endif
