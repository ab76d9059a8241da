//===-- Segments.h - sequences that are split along time -------*- C++ -*-===//
#ifndef TREADLE_LIB_TREADLE_TRANSFORMS_SEGMENTS_H
#define TREADLE_LIB_TREADLE_TRANSFORMS_SEGMENTS_H

#include "Frame.h"
#include "Normalise.h"

namespace treadle {

/// A kernel of a step that may have a normal form, and may work on one segment of a sequence.
class Segmented : protected Frame {
public:
  /// A sequence that is split into segments takes two kernels: the first finds what each segment makes of no state, the
  /// second begins each with what those before it make of the initial one.
  enum Pass { Whole, FirstPass, SecondPass };

  static bool canSplit(ScanOp scan, const NormalForm &form);

  /// The mixers of the two kernels: the second has arrays for what the first hands on.
  static std::pair<Mixer, Mixer> split(const Mixer &mixer, const NormalForm &form, bool isTurned);

protected:
  /// `isTurned`: of matrices that are linear, the axis that readouts sum over comes last.
  Segmented(const Mixer &mixer, const NormalForm &form, Pass pass, bool isTurned, int64_t rows, int64_t least);

  bool isMoving(Value value);
  llvm::FailureOr<Value> stillValue(Value value);
  Value oldOf(unsigned state) { return scan.getStateArguments()[state]; }
  Value newOf(unsigned state) { return scan.getYield().getStates()[state]; }

  llvm::SmallVector<Value> viewsFrom(Value from, Value size);
  void sliceByLength();
  Value endsSequence();
  llvm::FailureOr<llvm::SmallVector<Value>> startStates();
  void storeSegment(mlir::ValueRange values);
  Value power(Value g, Value count);
  bool isTurnedState(unsigned state);

  const NormalForm &form;
  Pass pass;
  bool isTurned;
  mlir::Operation *loop = nullptr;        ///< the one over time, before which still values are computed
  llvm::SmallVector<unsigned> changes;    ///< states whose decay over a segment is kept, after the states
  llvm::SmallVector<Value> sequenceViews; ///< of the arrays: bounds are those of the sequence, not of a segment
  Value segmentFirst, total;              ///< where a segment begins, and the tokens of its sequence
  llvm::DenseMap<Value, bool> moves;

private:
  Value segmentStart(Value segment, Value &size);
  llvm::FailureOr<llvm::SmallVector<Value>> neutralStates();
  llvm::FailureOr<llvm::SmallVector<Value>> combineSegments(mlir::ValueRange initial);
  Value combined(unsigned state, mlir::ValueRange earlier, mlir::ValueRange later, Value size);
  Value readSegment(unsigned position, Type type, Value segment);
  bool isSharedAxis(unsigned position, unsigned axis);
};

} // namespace treadle

#endif
