//===-- Chunk.h - a kernel that takes a chunk of tokens at once -*- C++ -*-===//
#ifndef TREADLE_LIB_TREADLE_TRANSFORMS_CHUNK_H
#define TREADLE_LIB_TREADLE_TRANSFORMS_CHUNK_H

#include "Segments.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include <map>

namespace treadle {

/// Sums of the log-decay g of a state over the tokens of a part, as weights.
struct Gate {
  enum Kind { None, Constant, Token, Channel } kind = None;
  Decay decay;
  StateForm::Reads reads = StateForm::New;
  // While the part's end is sought:
  mlir::Value sums;    ///< of log-decays, from the part's first token on
  mlir::Value reading; ///< of those of what a token reads, if that is not the new state: without its own
  mlir::Value first;   ///< that token's own log-decay, if sums are without it
  mlir::Value out;     ///< is a token out of bounds? [rows], or [rows, channels]
  // Of a running log-sum-exp z that decays telescope to (z - z', see `isSoftmax`), the sums themselves instead:
  mlir::Value base;  ///< what they are relative to, in logarithms
  mlir::Value terms; ///< e^(x - base)
  mlir::Value atWrite() const { return reads == StateForm::Sum ? reading : sums; }
  mlir::Value atRead() const { return reads == StateForm::New ? sums : reading; }
  // None has none of these. Otherwise, with b the sum up to a token, e^…:
  mlir::Value start;  ///< b: what is left at a token of the state before the part. Channel: b - r
  mlir::Value toEnd;  ///< total - b: what is left at the end of a token's share. Channel: r - b
  mlir::Value whole;  ///< total. Channel: total - r
  mlir::Value enter;  ///< Channel: r, with which the state before the part is multiplied
  mlir::Value within; ///< Constant, Token: b_i - b_j, at [i, j]
  mlir::Value change; ///< Token, Channel: the log-decay of the whole part
};

/// Tokens that are worked on together: a chunk or, where its decays are too strong for one set of factors, a part of
/// it. Rows of tiles are tokens in order of time; positions count in the order of the walk.
struct Part {
  mlir::IRMapping lifted;                          ///< the step's values at all rows
  std::map<unsigned, mlir::IRMapping> earlier;     ///< those of so many tokens before
  llvm::DenseMap<mlir::Value, mlir::Value> stored; ///< inputs as they are stored
  mlir::Value time;                                ///< of the first row
  mlir::Value walked;                              ///< tokens of the sequence before position 0
  mlir::Value from, to;                            ///< positions
  mlir::Value valid;                               ///< of each row: is its position in the part?
  bool isWhole = true;                             ///< it is the whole chunk: rows outside it hold no tokens
  llvm::SmallVector<mlir::Value> before, after;    ///< the states
  llvm::SmallVector<Gate> gates;
  /// Of query and key; strict ones by themselves, and those of each number of parts.
  std::map<std::tuple<void *, void *, const Gate *, bool, int64_t>, mlir::Value> scores;
  llvm::SmallVector<std::tuple<mlir::Value, mlir::Value, int64_t, mlir::Value>> products; ///< without weights
};

/// Walks the sequence in chunks. What is known at each token is computed for all of a chunk; running states are scans
/// along time; with S a state that is linear, a chunk's outputs and the next state are products:
///
///     o_i = e^{b_i} q_i S + sum_{j <= i} e^{b_i - b_j} (q_i · k_j) v_j
///     S   = e^{b_n} S + sum_j e^{b_n - b_j} k_j ⊗ v_j
///
/// with b the sum of log-decays since the chunk's start. Scalar weights are formed from the differences. Those of a
/// vector are factored: q_i e^{b_i - r} and k_j e^{r - b_j}, with r such that neither leaves the range of f32 as long
/// as b does not fall by more than a bound in a part; where it would, the chunk is worked on in several parts. So every
/// weight is right, however strong decays are, and a log-decay of -inf begins a part.
///
/// Where the old state is read, or the sum before it decays, b_i or both b are sums without the token's own g, and of
/// the old state j < i. Sums over the other axis of S are the same with keys and values exchanged.
///
/// Where S decays by a running log-sum-exp z of x, e^{b_i} is 1 / s_i, with s the sum of e^{x - base} so far: no
/// logarithm is taken and, of a key that is e^{x - z} itself, no second exponential.
class ChunkKernel : public Segmented {
public:
  /// The smallest operands of products on tensor cores.
  static constexpr int64_t leastSize = 16;

  /// How the tokens of a part are weighted against each other.
  enum class Weights { None, Differences, Factors, Sums };

  struct Schedule {
    int64_t rows = 0; ///< of a chunk; 0: no number fits
    int64_t warps = 4;
  };

  ChunkKernel(const Mixer &mixer, const NormalForm &form, const Schedule &schedule, Pass pass = Whole);

  /// Rows and warps, where they are not given (0), whose tiles fit into a block's registers and shared memory; or why
  /// there are none.
  static llvm::FailureOr<Schedule> choose(Mixer &mixer, const NormalForm &form, Schedule given, int64_t sharedBytes,
                                          NormalForm::Obstacle &why);
  llvm::LogicalResult write();
  Weights weightsOf(const StateForm &form);
  bool carriesNothing() const;

private:
  using Result = llvm::FailureOr<Value>;

  //===-- Chunk.cpp: the walk, and values that are lifted --------------------===//
  enum Phase { All, StatesOnly, OutputsOnly };
  llvm::FailureOr<llvm::SmallVector<Value>> walk(Phase phase, mlir::ValueRange states);
  llvm::LogicalResult loadInputs(Part &part, Phase phase, Value time);
  llvm::LogicalResult work(Part &part, Phase phase, Value time);
  llvm::LogicalResult workInParts(Part &chunk, Phase phase, Value time);
  llvm::LogicalResult storeOutputs(Part &part, Value time);
  void setRange(Part &part, Value from, Value to);
  bool isEarly(unsigned state);

  std::optional<unsigned> runningOf(Value value);
  Result lift(Part &part, Value value);
  Result liftEarlier(Part &part, Value value, unsigned tokens);
  std::optional<std::pair<mlir::BlockArgument, unsigned>> delayedInput(unsigned state);
  Result delayedInitials(Part &part, unsigned state);
  Result delayed(Part &part, unsigned state, unsigned tokens);
  llvm::LogicalResult finishDelays(llvm::MutableArrayRef<Value> states);
  Result running(Part &part, unsigned state);

  // Little builders.
  Value column(Value vector, int64_t columns);      ///< x[i] at [i, j]
  Value mask(Value rows, Value tile, double other); ///< `tile` where rows (of i1) say so
  Value isPosition(mlir::arith::CmpIPredicate predicate, Value position);
  Value at(Value position, Value tile); ///< the row at a position
  Value lastRow(Value tile);            ///< the last of the walk
  Value sum(Value tile, unsigned axis);
  Value scanned(llvm::ArrayRef<Value> tiles,
                llvm::function_ref<llvm::SmallVector<Value>(mlir::ValueRange, mlir::ValueRange)> combine);
  Value runningSum(Value tile);            ///< along time
  Value shifted(Value tile, Value before); ///< what each row's predecessor has; the first: `before`
  /// At [i, j]: what token i reads has what token j adds.
  Value sees(StateForm::Reads reads, bool isStrict = false);

  //===-- LinearScan.cpp: sums of products in chunks -------------------------===//
  llvm::LogicalResult openGates(Part &part, Phase phase, mlir::ValueRange telescopes);
  Value cut(Part &part, Value end);
  llvm::LogicalResult closeGates(Part &part);
  Gate *gateOf(Part &part, const StateForm &form);
  Gate::Kind kindOf(const Decay &decay);
  bool isSoftmax(const Decay &decay);
  bool needsParts(const Decay &decay);
  void outOfBounds(Gate &gate, Part &part);
  Value least(Value tile, unsigned axis);
  llvm::FailureOr<Value> logDecay(Part &part, const Decay &decay);
  Value lastOf(Part &part, Value tile);
  mlir::Type productType(const StateForm &form, int64_t parts);
  Result operand(Part &part, Value vector, mlir::Type element, bool masked);
  Result weighted(Part &part, Value vector, Value weights, mlir::Type element, bool masked);
  Result query(Part &part, const StateForm &form, const Gate *gate, const Readout &readout);
  Result key(Part &part, const StateForm &form, const Gate *gate, int64_t parts);
  Result acrossReadout(Part &part, unsigned state, const Readout &readout);
  Result softmaxKey(Part &part, const StateForm &form, const Gate *gate);
  Result values(Part &part, const StateForm &form, mlir::Type element);
  Result scalarProducts(Part &part, const StateForm &how, Value query, Value key, int64_t parts);
  Result channelScores(Part &part, const StateForm &form, const Gate *gate, const Readout &readout);
  Result scores(Part &part, const StateForm &form, const Gate *gate, const Readout &readout);
  Result entering(Part &part, unsigned state, const Gate *gate);
  Result readout(Part &part, unsigned state, const Readout &readout);
  Result advance(Part &part, unsigned state);
  Result ofFinal(Part &part, unsigned state, const Readout &readout);
  Value dot(Value a, Value b, Value c, int64_t parts);
  llvm::SmallVector<Value> partsOf(Value tile, int64_t count);
  Value rounded(Value tile, mlir::Type element);

  int64_t warps;
  Value positions; ///< of the rows: 0, 1, …, or the other way round
  Phase phase = All;
};

} // namespace treadle

#endif
