//===-- SharedLayouts.h - how tiles lie in shared memory -------*- C++ -*-===//
#ifndef TREADLE_TILE_TRANSFORMS_SHAREDLAYOUTS_H
#define TREADLE_TILE_TRANSFORMS_SHAREDLAYOUTS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace treadle::tile {

/// Give each tile in shared memory the layout in which the accesses to it cost least.
void assignSharedLayouts(mlir::func::FuncOp func);

} // namespace treadle::tile

#endif
