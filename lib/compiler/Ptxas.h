//===-- Ptxas.h - NVIDIA's assembler, where there is one -------------------===//
#ifndef TREADLE_COMPILER_PTXAS_H
#define TREADLE_COMPILER_PTXAS_H

#include "compiler/Messages.h"
#include "llvm/ADT/StringMap.h"

namespace treadle::compiler {

/// What one kernel takes, as `ptxas -v` says it.
struct Resources {
  int64_t registers = 0, stack = 0, spillStores = 0, spillLoads = 0, staticShared = 0;
};

struct Assembled {
  std::string cubin;
  std::vector<std::pair<std::string, Resources>> resources; ///< by entry point
};

/// `$TREADLE_PTXAS`, else `ptxas` on the PATH, else in /usr/local/cuda/bin; empty when there is none.
std::string findPtxas();

/// Runs `ptxas`; nothing, with an error, when it refuses. Its warnings become messages.
std::optional<Assembled> assemble(llvm::StringRef ptxas, llvm::StringRef ptx, llvm::StringRef chip, Messages &messages);

} // namespace treadle::compiler

#endif
