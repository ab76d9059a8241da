//===-- Fusion.h - which tiles of a block get memory -----------------------===//
//
// An elementwise tile needs no memory: its consumers' loops can compute its elements where they read them. It gets
// memory when several loops would repeat work that costs more than reading it back.
//
#ifndef TREADLE_TARGET_CPU_FUSION_H
#define TREADLE_TARGET_CPU_FUSION_H

#include "mlir/IR/Operation.h"
#include "tile/IR/Tile.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallPtrSet.h"

namespace treadle::cpu {

/// True for a tile whose elements are functions of single elements of other tiles: arithmetic, splat, iota, axes moved
/// about.
bool isElementwise(mlir::Operation *op);

/// The last axis with more than one element, other than `except`; -1 when there is none.
int lastAxis(llvm::ArrayRef<int64_t> shape, int except = -1);

/// True when neighbours in the result were not neighbours in the operand: such a tile is written to memory block by
/// block.
bool turnsLanes(tile::TransposeOp op);

class Fusion {
public:
  explicit Fusion(mlir::Block &block);

  bool needsMemory(mlir::Value tile) const { return stored.contains(tile); }
  /// True when nothing in the block after `op` reads `tile`, directly or through other tiles computed from it.
  bool lastReader(mlir::Value tile, mlir::Operation *op) const;

private:
  /// A loop that reads a tile: an op, or one operand of the block's terminator.
  using Reader = std::pair<mlir::Operation *, int>;
  struct Readers {
    llvm::SmallVector<Reader, 2> list;
    bool nested = false; ///< read inside a region, perhaps many times
    bool repeated = false;
    void add(Reader reader) {
      if (!llvm::is_contained(list, reader))
        list.push_back(reader);
    }
  };
  void visit(mlir::Value tile, mlir::Block &block);

  llvm::DenseMap<mlir::Value, Readers> readers;
  llvm::DenseMap<mlir::Value, int> costs;
  llvm::DenseSet<mlir::Value> stored;
};

} // namespace treadle::cpu

#endif
