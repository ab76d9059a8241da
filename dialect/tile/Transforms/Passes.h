//===-- Passes.h - passes of the tile dialect ------------------*- C++ -*-===//
#ifndef TREADLE_TILE_TRANSFORMS_PASSES_H
#define TREADLE_TILE_TRANSFORMS_PASSES_H

#include "mlir/Pass/Pass.h"

namespace mlir {
class ModuleOp;
namespace func {
class FuncOp;
}
namespace LLVM {
class LLVMDialect;
}
namespace NVVM {
class NVVMDialect;
}
namespace arith {
class ArithDialect;
}
namespace math {
class MathDialect;
}
namespace scf {
class SCFDialect;
}
namespace vector {
class VectorDialect;
}
} // namespace mlir

namespace treadle::tile {
class TileDialect;
#define GEN_PASS_DECL
#include "tile/Transforms/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "tile/Transforms/Passes.h.inc"
} // namespace treadle::tile

#endif
