//===-- Sharing.h - an axis that blocks share ------------------*- C++ -*-===//
#ifndef TREADLE_LIB_TREADLE_TRANSFORMS_SHARING_H
#define TREADLE_LIB_TREADLE_TRANSFORMS_SHARING_H

#include "treadle/IR/Treadle.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/IntEqClasses.h"

namespace treadle {

using AxisJoin = llvm::function_ref<void(mlir::Value, unsigned, mlir::Value, unsigned)>;
using AxisMeet = llvm::function_ref<void(mlir::Value, unsigned)>;

struct NormalForm;

/// Which axes of an op's results are which of its operands', and along which its elements meet or are counted.
void relateAxes(mlir::Operation *op, AxisJoin join, AxisMeet meet);

/// Which axes of a step's values run together element by element, and whether blocks can share one of them: an axis of
/// a state that is never summed over, reshaped or counted along gives blocks that need nothing of each other.
class Sharing {
public:
  /// `inPlace`: final states may be written to where others' initial ones are, so that all must have the axis.
  /// `maxBytes`: of states that a block should have. `form`: of the step, whose pieces run along axes of states.
  Sharing(ScanOp scan, const NormalForm &form, bool inPlace, int64_t maxBytes);

  /// How many blocks share the axis; 1 if none is shared.
  int64_t numBlocks() const { return blocks; }
  /// Elements of the axis that are a block's.
  int64_t width() const { return blockWidth; }
  bool isShared(mlir::Value value, unsigned axis) const {
    auto it = first.find(value);
    return blocks > 1 && it != first.end() && classes[it->second + axis] == chosen;
  }
  /// Whether every block has elements of its own.
  bool isShared(mlir::Value value) const;

private:
  void add(mlir::Value value);
  void join(mlir::Value a, unsigned i, mlir::Value b, unsigned j);
  void joinPiece(mlir::Value piece, mlir::Value state, llvm::ArrayRef<unsigned> axes);
  void relate(mlir::Operation *op);
  void mix(mlir::Value value, unsigned axis) { mixed.push_back(first.lookup(value) + axis); }
  void choose(ScanOp scan, bool inPlace, int64_t maxBytes);

  llvm::DenseMap<mlir::Value, unsigned> first; ///< the number of a value's first axis
  llvm::IntEqClasses classes;
  llvm::SmallVector<unsigned> mixed; ///< axes along which elements meet
  unsigned count = 0, chosen = 0;
  int64_t blocks = 1, blockWidth = 0;
};

/// Whether one shape is the other but for axes of size 1.
bool differInOnes(llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b);

} // namespace treadle

#endif
