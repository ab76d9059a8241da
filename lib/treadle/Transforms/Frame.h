//===-- Frame.h - what kernels of mixers have in common --------*- C++ -*-===//
#ifndef TREADLE_LIB_TREADLE_TRANSFORMS_FRAME_H
#define TREADLE_LIB_TREADLE_TRANSFORMS_FRAME_H

#include "Mixer.h"
#include "Step.h"

namespace treadle {

/// A kernel in the making, of one block for each head of each sequence, or several that share an axis of the states:
/// its arguments, what a block works on, and what it reads and writes at one time, or at `rows` times at once.
class Frame {
protected:
  using Value = mlir::Value;
  using Type = mlir::Type;
  using Location = mlir::Location;

  Frame(const Mixer &mixer, const NormalForm &form, int64_t rows = 0, int64_t least = 1);

  /// The kernel's signature, before the mixer. `suffix`: of its name.
  void begin(llvm::StringRef suffix = "");
  /// What this block works on.
  llvm::LogicalResult place();
  /// The inputs that are the same at every time, into `constants`.
  llvm::LogicalResult loadConstants();
  llvm::FailureOr<Value> initialState(unsigned state);
  llvm::FailureOr<llvm::SmallVector<Value>> initialStates();
  void storeFinals(mlir::ValueRange states);
  /// The step's outputs that the kernel has arrays for.
  llvm::SmallVector<Value> outputs();

  // Little builders.
  Value index(int64_t value);
  Value constant(Type type, double value);
  Value splat(Value scalar, Type type);
  Value row(Value vector, int64_t rows); ///< x[j] at [i, j]
  Value select(Value condition, Value yes, Value no);
  Value transposed(Value tile);
  Value exp(Value value);
  Value log(Value value);
  template <typename Op> Value op(Value a, Value b) {
    auto made = Op::create(builder, loc, a, b);
    if (isApproximate)
      approximate(made);
    return made;
  }

  /// An array's tile at one time, or from that time on; floats as they are stored.
  llvm::FailureOr<Value> loadStored(const Array &array, Value stepValue, Value time);
  /// The same as f32.
  llvm::FailureOr<Value> load(const Array &array, Value stepValue, Value time);
  /// Of a part of an array that lacks an axis: those from this one on, one for each row, from `at` on.
  llvm::FailureOr<Value> loadRest(const Array &array, Value stepValue, Value at);
  void store(const Array &array, Value stepValue, Value value, Value time, Location at);
  Value widened(Value stored);

  /// Of values at one time, and of values at `rows` times.
  StepWriter still() const { return StepWriter(sharing, offset, 0, least, isApproximate); }
  StepWriter moving() const { return StepWriter(sharing, offset, rows, least, isApproximate); }

  const Mixer &mixer;
  ScanOp scan;
  Sharing sharing;
  mlir::OpBuilder builder;
  Location loc;
  mlir::func::FuncOp kernel;
  int64_t rows, least;
  int64_t span = 0;               ///< tokens that a block works on, where nothing is carried from one to the next
  bool isApproximate = false;     ///< elementary functions may be the hardware's: results are rounded to 16 bits
  llvm::SmallVector<Value> views; ///< of the arrays
  Value zero, block, offset, head, group, sequence, entry; ///< places; `offset` and `group` where there are such
  Value segment, segments;                                 ///< of a sequence that is split, in the order of the walk
  Value first, length;                                     ///< of the sequence, in time; no `first`: 0
  mlir::IRMapping constants;                               ///< what is the same at every time

private:
  llvm::SmallVector<unsigned> numbers; ///< of the kernel's argument that an array is, or is a part of

  Value dim(llvm::StringRef name);
  llvm::FailureOr<Value> needDim(llvm::StringRef name);
  Value readIndex(Array::Role role, Value at);
  llvm::SmallVector<Value> indicesOf(const Array &array, Value time);
  llvm::SmallVector<Value> access(const Array &array, Value stepValue, Value time,
                                  llvm::SmallVectorImpl<int32_t> &along);
};

} // namespace treadle

#endif
