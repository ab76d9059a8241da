//===-- Phases.cpp - the order of the compiler -----------------------------===//

#include "compiler/Phases.h"

#include "llvm/ADT/StringExtras.h"

using namespace llvm;
using namespace treadle;
using namespace treadle::compiler;

std::string compiler::pipelineTo(Phase phase, const Arch &arch) {
  switch (phase) {
  case Phase::Tile:
  case Phase::PTX:
    return "";
  case Phase::Canonical:
    return "inline,symbol-dce,canonicalize,cse";
  case Phase::Scheduled:
    return "func.func(tile-assign-layouts,canonicalize,cse,tile-pipeline)";
  case Phase::GPU:
    return ("tile-lower-to-gpu{chip=" + Twine(arch.chip) + "},cse").str();
  case Phase::LLVM:
    return "treadle-lower-math,convert-scf-to-cf,treadle-lower-to-llvm,convert-nvvm-to-llvm,cse";
  case Phase::LLVMIR:
    return "ensure-debug-info-scope-on-llvm-func{emission-kind=DebugDirectivesOnly}";
  }
  return "";
}

static constexpr StringLiteral names[] = {"tile", "canonical", "scheduled", "gpu", "llvm", "llvmir", "ptx"};
static constexpr Phase phases[] = {Phase::Tile, Phase::Canonical, Phase::Scheduled, Phase::GPU,
                                   Phase::LLVM, Phase::LLVMIR,    Phase::PTX};

ArrayRef<Phase> compiler::allPhases() { return phases; }
StringRef compiler::nameOf(Phase phase) { return names[int(phase)]; }
std::string compiler::knownPhases() { return join(std::begin(names), std::end(names), ", "); }

std::optional<Phase> compiler::findPhase(StringRef name) {
  for (Phase phase : phases)
    if (name == nameOf(phase))
      return phase;
  return std::nullopt;
}
