//===-- Arch.cpp - the GPUs that can be compiled for -----------------------===//

#include "compiler/Arch.h"

#include "llvm/ADT/StringExtras.h"

using namespace treadle;
using namespace treadle::compiler;

static constexpr Arch archs[] = {
    {"sm_80", 70},  {"sm_86", 71},   {"sm_87", 74},   {"sm_89", 78},  {"sm_90", 78},   {"sm_90a", 80},
    {"sm_100", 86}, {"sm_100a", 86}, {"sm_100f", 88}, {"sm_103", 88}, {"sm_103a", 88}, {"sm_103f", 88},
    {"sm_120", 87}, {"sm_120a", 87}, {"sm_120f", 88}, {"sm_121", 88}, {"sm_121a", 88}, {"sm_121f", 88},
};

std::optional<Arch> compiler::findArch(llvm::StringRef chip) {
  for (const Arch &arch : archs)
    if (chip == arch.chip)
      return arch;
  return std::nullopt;
}

std::string compiler::knownArchs() {
  return llvm::join(llvm::map_range(archs, [](const Arch &arch) { return llvm::StringRef(arch.chip); }), ", ");
}
