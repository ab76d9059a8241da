//===-- Tile.h - the tile dialect ------------------------------*- C++ -*-===//
#ifndef TREADLE_TILE_IR_TILE_H
#define TREADLE_TILE_IR_TILE_H

#include "layout/Layout.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "tile/IR/TileDialect.h.inc"
#include "tile/IR/TileEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "tile/IR/TileAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "tile/IR/TileTypes.h.inc"
#define GET_OP_CLASSES
#include "tile/IR/TileOps.h.inc"

namespace mlir::func {
class FuncOp;
}

namespace treadle::tile {

/// A type that is a tensor must be a tile: static power-of-two axes and at most 2^20 elements. The error is the op's.
llvm::LogicalResult verifyTile(mlir::Operation *op, mlir::Type type);

/// The kernel's argument that a view is, or is a slice of.
mlir::Value sliced(mlir::Value view);

/// The layout of a scheduled tensor or shared tile.
Layout layoutOf(mlir::RankedTensorType type);
Layout layoutOf(SharedType type);
bool hasLayout(mlir::Type type);

/// How the threads of a block share a copy: rows of up to 16 bytes each.
Layout copyLayout(AsyncLoadOp op, int64_t warps);

/// `type` held as `layout` says.
mlir::RankedTensorType withLayout(mlir::RankedTensorType type, const Layout &layout);
LayoutAttr toAttr(mlir::MLIRContext *context, const Layout &layout);

/// The attributes of a kernel function; defaults where the function has none.
bool isKernel(mlir::func::FuncOp func);
int numWarps(mlir::func::FuncOp func);
int numStages(mlir::func::FuncOp func);
bool fastMath(mlir::func::FuncOp func);

/// Bytes of dynamic shared memory that a block can have on a chip.
int64_t sharedLimit(llvm::StringRef chip);

/// The most bytes of a tile that is read ahead by way of shared memory where no product needs it there. Of more, enough
/// are in flight as it is, and what else a kernel needs has room.
constexpr int64_t mostStagedBytes = 48 << 10;

} // namespace treadle::tile

#endif
