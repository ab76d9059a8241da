//===-- JointStep.h - a step and its gradients -----------------*- C++ -*-===//
#ifndef TREADLE_LIB_TREADLE_TRANSFORMS_JOINTSTEP_H
#define TREADLE_LIB_TREADLE_TRANSFORMS_JOINTSTEP_H

#include "Adjoint.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "tile/IR/Tile.h"
#include "treadle/IR/Treadle.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"

namespace treadle {

inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) {
  auto tensor = mlir::dyn_cast<mlir::RankedTensorType>(value.getType());
  return tensor ? tensor.getShape() : llvm::ArrayRef<int64_t>();
}

/// A factor e^g of a state, whose gradient is a running sum.
struct DecayFactor {
  unsigned state;
  mlir::Value power;                 ///< e^g, an op of its own
  llvm::SmallVector<unsigned> along; ///< axes of the state along which it differs
  mlir::Value before, after;         ///< the sum from the end up to the token
};

/// The step of a mixer, and after it what the gradients of its inputs and old states are, as one block: its arguments
/// are the step's, and gradients of outputs and new states.
class JointStep {
public:
  /// The walks over the tokens that compute values, in order.
  enum Walk { Past = 1, Final, Totals, Future, Sums };

protected:
  using Value = mlir::Value;
  using Cut = llvm::SetVector<Value>;

  JointStep(mlir::func::FuncOp function, ScanOp scan)
      : function(function), scan(scan), builder(function.getContext()), adjoint(builder) {}

  /// Errors are at ops that have no gradient.
  llvm::LogicalResult differentiate();

  /// Which walk computes a value; 0: any.
  unsigned walkOf(Value value);
  bool isBefore(Value value, unsigned walk) { return walkOf(value) && walkOf(value) < walk; }
  /// All values that some values are computed from, themselves included; not beyond a cut.
  llvm::DenseSet<Value> used(mlir::ValueRange roots, const Cut &cut = {});
  /// What walks before compute and this one uses, as few numbers as can be found.
  Cut cutOf(mlir::ValueRange roots, unsigned walk);

  /// The sum of a matrix along the axes along which a factor is the same.
  Value summed(const DecayFactor &factor, Value value);
  /// Of copies of these values, says which are to be of exact products, where small differences of them matter.
  void markDiffering(const llvm::DenseSet<Value> &computed, mlir::IRMapping &copies);
  /// The array of a final state's gradient; none: there is no such.
  std::string endOf(unsigned state);

  llvm::StringRef nameOf(Value field) {
    return function.getArgAttrOfType<mlir::StringAttr>(mlir::cast<mlir::BlockArgument>(field).getArgNumber(),
                                                       "treadle.name");
  }
  mlir::func::FuncOp function;
  ScanOp scan;
  mlir::OpBuilder builder;
  Adjoint adjoint;
  mlir::Block *joint = nullptr;
  llvm::SmallVector<Value> inputs, oldStates, newStates, outputs; ///< of the step, in the joint one
  llvm::SmallVector<Value> finalStates;                   ///< arguments: what outputs of a noncausal scan are of
  llvm::SmallVector<Value> outputGradients, newGradients; ///< arguments of the joint step
  llvm::SmallVector<Value> inputGradients, oldGradients;  ///< found; null: none
  llvm::SmallVector<std::string> stateNames, outputNames;
  bool hasInitial = false, hasFinal = false;                ///< states are arguments, results
  llvm::SmallVector<llvm::SmallVector<DecayFactor>> decays; ///< of every state

private:
  llvm::LogicalResult check();
  void begin();
  void readFinalStates();
  llvm::SmallVector<DecayFactor> decaysOf(unsigned state);
  std::optional<std::pair<unsigned, bool>> changeOf(const DecayFactor &factor);
  bool isTakenApart(unsigned state);
  bool telescopes(const DecayFactor &factor);
  void pullDecays(unsigned state);
  llvm::LogicalResult pullAll();
  void findDependence();
  void findDifferences();
  bool isComputedApart(const DecayFactor &factor) { return factor.along.empty() || function->hasAttr("treadle.split"); }
  bool isWanted(unsigned input);
  bool hasWanted(Value value);
  bool isOfOld(Value value, unsigned state) {
    return value == oldStates[state] || decaying.contains(value.getDefiningOp());
  }
  bool isYielded(Value value) { return llvm::is_contained(outputs, value) || llvm::is_contained(newStates, value); }

  mlir::Region region;
  llvm::DenseMap<mlir::Operation *, unsigned> decaying; ///< products of factors with an old state
  enum : unsigned { InPast = 1, InFinal = 2, InFuture = 4, InSums = 8 };
  llvm::DenseMap<Value, unsigned> depends; ///< on old states, final ones, gradients of new ones, running sums apart
  llvm::DenseSet<Value> differing;         ///< sums along axes of matrices whose differences matter
};

} // namespace treadle

#endif
