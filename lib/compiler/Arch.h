//===-- Arch.h - the GPUs that can be compiled for -------------------------===//
#ifndef TREADLE_COMPILER_ARCH_H
#define TREADLE_COMPILER_ARCH_H

#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace treadle::compiler {

/// A chip, with the lowest PTX version that knows it: the older the PTX, the older the drivers that load it.
struct Arch {
  const char *chip;
  unsigned ptx; ///< 80 for PTX 8.0
  std::string feature() const { return "+ptx" + std::to_string(ptx); }
};

std::optional<Arch> findArch(llvm::StringRef chip);

/// "sm_80, sm_86, …", for messages.
std::string knownArchs();

} // namespace treadle::compiler

#endif
