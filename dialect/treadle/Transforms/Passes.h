//===-- Passes.h - passes of the treadle dialect ---------------*- C++ -*-===//
#ifndef TREADLE_TREADLE_TRANSFORMS_PASSES_H
#define TREADLE_TREADLE_TRANSFORMS_PASSES_H

#include "mlir/Pass/Pass.h"

namespace mlir {
class ModuleOp;
namespace arith {
class ArithDialect;
}
namespace math {
class MathDialect;
}
namespace scf {
class SCFDialect;
}
} // namespace mlir

namespace treadle {
namespace tile {
class TileDialect;
}
#define GEN_PASS_DECL
#include "treadle/Transforms/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "treadle/Transforms/Passes.h.inc"
} // namespace treadle

#endif
