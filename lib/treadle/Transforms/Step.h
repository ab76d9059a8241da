//===-- Step.h - a step on tiles -------------------------------*- C++ -*-===//
#ifndef TREADLE_LIB_TREADLE_TRANSFORMS_STEP_H
#define TREADLE_LIB_TREADLE_TRANSFORMS_STEP_H

#include "Sharing.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "tile/IR/Tile.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace treadle {

/// The ops that some values of a step need, in the order of the program, and the arguments that these ops use.
struct Slice {
  llvm::SetVector<mlir::Operation *> ops;
  llvm::MapVector<mlir::Value, mlir::Operation *> arguments; ///< with an op that uses each
};

/// What `end` yields as `wanted` needs, without what makes the values in `known`.
Slice sliceOf(ScanOp scan, mlir::ValueRange wanted, llvm::function_ref<bool(mlir::Value)> known);

/// Writes the ops of a step into a kernel: on tiles, whose sizes are powers of two, and of a shared axis one block's
/// part. With `rows` they are computed for so many tokens at once: their values have a first axis for the token.
class StepWriter {
public:
  /// `offset`: where the block's part of the shared axis begins; null if none is shared. `least`: the smallest size of
  /// an axis that is not 1. `isApproximate`: exponentials, quotients and square roots may be as exact as the
  /// hardware's, about 1e-6.
  StepWriter(const Sharing &sharing, mlir::Value offset, int64_t rows = 0, int64_t least = 1,
             bool isApproximate = false)
      : sharing(sharing), offset(offset), rows(rows), least(least), isApproximate(isApproximate) {}

  /// The type of a step's value in the kernel. An error, at `op`, if that is too large.
  llvm::FailureOr<mlir::Type> typeOf(mlir::Value value, mlir::Operation *op) const;

  /// `tile`, which the step's value `original` became, with the padding of one axis replaced.
  mlir::Value fill(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value original, unsigned axis, mlir::Value tile,
                   mlir::Attribute with) const;
  bool isPadded(mlir::Value value, unsigned axis) const;

  /// Copies the ops; `map` takes values of the step to those of the kernel.
  llvm::LogicalResult write(mlir::OpBuilder &builder, const Slice &slice, mlir::IRMapping &map) const;
  llvm::LogicalResult write(mlir::OpBuilder &builder, mlir::Operation *op, mlir::IRMapping &map) const;

private:
  int64_t padded(mlir::Value value, unsigned axis) const;
  void addRows(mlir::OpBuilder &builder, mlir::Operation *op, mlir::Operation *copy) const;
  llvm::LogicalResult prepare(mlir::OpBuilder &builder, mlir::Operation *op, mlir::Operation *copy) const;
  llvm::LogicalResult prepareReduce(mlir::OpBuilder &builder, tile::ReduceOp op, mlir::Operation *copy) const;

  const Sharing &sharing;
  mlir::Value offset;
  int64_t rows, least;
  bool isApproximate;
};

/// Lets exponentials, quotients and square roots be as exact as the hardware's, and products be fused with sums.
void approximate(mlir::Operation *op);

/// A tile repeated along new axes after its own, up to `shape`.
mlir::Value spread(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value tile, llvm::ArrayRef<int64_t> shape);

/// log(e^x + e^y) as max + log1p(e^-|x - y|); equal operands (infinities too) give x + log 2.
mlir::Value logAddExp(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value x, mlir::Value y);

} // namespace treadle

#endif
