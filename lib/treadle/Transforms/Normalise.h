//===-- Normalise.h - the normal form of a step ----------------*- C++ -*-===//
#ifndef TREADLE_LIB_TREADLE_TRANSFORMS_NORMALISE_H
#define TREADLE_LIB_TREADLE_TRANSFORMS_NORMALISE_H

#include "treadle/IR/Treadle.h"
#include "llvm/ADT/SmallVector.h"
#include <string>

namespace treadle {

/// A factor e^g of a state, the same along all of its axes but perhaps the one that is summed over. All null: no decay.
struct Decay {
  mlir::Value scalar;  ///< the part of g that is a scalar
  mlir::Value channel; ///< the part of g that is a vector along the axis
  /// A state z that runs, with g = z_{t-1} - z_t, or z_t - z_{t-1} if `rises`: sums of g telescope to differences of z.
  std::optional<unsigned> telescope;
  bool rises = false;

  bool isNone() const { return !scalar && !channel && !telescope; }
  bool operator==(const Decay &other) const {
    return scalar == other.scalar && channel == other.channel && telescope == other.telescope && rises == other.rises;
  }
};

/// A sum over an axis of a state times a vector: q @ S.
struct Readout {
  mlir::Value result, query;
  unsigned axis;
  bool isStrict; ///< without what the token itself adds
  int64_t parts; ///< of operands of its products
};

/// How a state comes from its old value, and how it is read.
struct StateForm {
  enum Class {
    Linear,    ///< S = e^g S + key ⊗ value, read by sums over an axis; of rank 1: n = e^g n + key, read by q @ n
    Add,       ///< s = s + x
    Max,       ///< s = max(s, x)
    Min,       ///< s = min(s, x)
    LogAddExp, ///< s = log(e^s + e^x)
    Affine,    ///< s = a s + x
    Delay,     ///< s = x, of inputs and other delays: what x was at the token before
  } kind;
  // Linear:
  /// Which of its values readouts are of: the new one, the old one, or, of S = e^g (S + key ⊗ value), the sum.
  enum Reads { New, Old, Sum } reads = New;
  unsigned axis = 0; ///< that the key runs along, and the decay, if it is a vector
  Decay decay;
  mlir::Value key, value; ///< no value: the state has rank 1
  llvm::SmallVector<Readout> readouts;
  /// The most of any readout.
  int64_t parts() const;
  // The others:
  mlir::Value x, factor; ///< x may be null for Affine: 0
};

/// A step as maps of what is known at each time, and states in one of the forms above.
struct NormalForm {
  llvm::SmallVector<StateForm> states;

  /// The form of a step; what its pieces need that is not in it is added to its end. Nothing if it has none: then `why`
  /// is the op, or the step, that keeps it from one, and a reason.
  struct Obstacle {
    mlir::Operation *op = nullptr;
    std::string reason;
  };
  static std::optional<NormalForm> of(ScanOp scan, Obstacle &why);

  bool isDelay(unsigned state) const { return states[state].kind == StateForm::Delay; }

  /// The readout that a value is, with its state.
  std::optional<std::pair<unsigned, const Readout *>> readoutOf(mlir::Value value) const;
};

} // namespace treadle

#endif
