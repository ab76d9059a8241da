//===-- Adjoint.h - gradients of the values of a step ----------*- C++ -*-===//
#ifndef TREADLE_LIB_TREADLE_TRANSFORMS_ADJOINT_H
#define TREADLE_LIB_TREADLE_TRANSFORMS_ADJOINT_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/DenseMap.h"
#include <map>

namespace treadle {

/// Goes through a step from its end to its beginning. Of every value it knows the terms of its gradient: of what the
/// step's results are weighed with, summed, by that value.
class Adjoint {
public:
  explicit Adjoint(mlir::OpBuilder &builder) : builder(builder) {}

  /// A value's gradient has a term more; with its negative both vanish.
  void add(mlir::Value value, mlir::Value term);
  mlir::ArrayRef<mlir::Value> termsOf(mlir::Value value) { return terms[value]; }
  /// The sum of the terms; null: there are none.
  mlir::Value of(mlir::Value value);

  /// Adds to the gradients of an op's operands what comes from its results'. An error if the op has no rule.
  llvm::LogicalResult pull(mlir::Operation *op);

  /// All terms of a value's gradient are one.
  void setSum(mlir::Value value, mlir::Value term) { terms[value] = {term}; }
  /// A value is the sum of two, of which sums along axes are formed one by one; the first is not taken apart.
  void setParts(mlir::Value whole, mlir::Value first, mlir::Value second) { parts[whole] = {first, second}; }

  /// The sum along an axis. Factors that are the same along it are taken out.
  mlir::Value sumAlong(mlir::Value value, unsigned axis);
  mlir::Value product(mlir::Value a, mlir::Value b); ///< the same value for the same factors

private:
  template <typename Op, typename... Operands> mlir::Value make(const Operands &...operands) {
    return Op::create(builder, loc, operands...);
  }
  mlir::Value constant(mlir::Type type, double value);
  mlir::Value times(mlir::Value value, double factor) { return product(value, constant(value.getType(), factor)); }
  mlir::Value choose(mlir::Value condition, mlir::Value value, mlir::Value other);
  mlir::Value splat(mlir::Value scalar, mlir::Type type);
  mlir::Value dropAxis(mlir::Value value, unsigned axis);
  mlir::Value sameAlong(mlir::Value value, unsigned axis);
  mlir::Value plainSum(llvm::ArrayRef<mlir::Value> factors, unsigned axis);
  void appendFactors(mlir::Value value, llvm::SmallVectorImpl<mlir::Value> &factors);
  bool pullMath(mlir::Operation *op, mlir::Value gradient);
  bool pullShape(mlir::Operation *op, mlir::Value gradient);
  bool pullReduce(mlir::Operation *op, mlir::Value gradient);

  mlir::OpBuilder &builder;
  mlir::Location loc = builder.getUnknownLoc();
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value>> terms;
  std::map<std::pair<llvm::SmallVector<void *>, unsigned>, mlir::Value> sums; ///< of products, by factors and axis
  llvm::DenseMap<mlir::Value, std::pair<mlir::Value, mlir::Value>> parts;
  std::map<std::pair<void *, void *>, mlir::Value> products; ///< by factors
};

} // namespace treadle

#endif
