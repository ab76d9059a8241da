//===-- Schedule.cpp - how many tokens and warps a chunk takes -------------===//
//
// Whatever is lifted to all tokens of a chunk has to fit into registers, what goes through shared memory into that.
//
//===----------------------------------------------------------------------===//

#include "Chunk.h"

#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace treadle;

/// Bytes of states that a block has, if there is an axis to share: as much as registers hold, but where shared memory
/// is less than this.
static constexpr int64_t stateBytes = 36 << 10, muchShared = 128 << 10, stateBytesOfLittle = 18 << 10;
/// Elements of the largest tile of a chunk, for each warp, that registers hold beside others.
static constexpr int64_t elementsPerWarp = 4096;
/// The same of what is computed for every token.
static constexpr int64_t computedPerWarp = 1024;
/// Elements of a state times rows, for each warp, where operands are split in parts: those of both are held beside it.
static constexpr int64_t exactPerWarp = 1 << 16;
/// States that change element by element, if no other are there.
static constexpr size_t mostRunning = 4;
/// Bytes of shared memory that changes of layout and reductions take.
static constexpr int64_t scratchBytes = 19 << 10;

/// Elements of a value, padded.
static int64_t elementsOf(const StepWriter &sizes, ScanOp scan, Value value) {
  FailureOr<Type> type = sizes.typeOf(value, scan);
  auto tensor = succeeded(type) ? dyn_cast<RankedTensorType>(*type) : RankedTensorType();
  return tensor ? tensor.getNumElements() : 1;
}

/// Bytes of shared memory, about: inputs in two stages, states on their way in and as operands; operands of products,
/// changes of layout and reductions, which take turns where operands are as they were loaded. Where it is too little,
/// the compiler asks again (`treadle.shared_bytes`).
static int64_t sharedBytesFor(const Mixer &mixer, const NormalForm &form, const Sharing &sharing, int64_t rows) {
  ScanOp scan = mixer.scan;
  StepWriter sizes(sharing, {}, 0, ChunkKernel::leastSize);
  auto elements = [&](Value value) { return elementsOf(sizes, scan, value); };
  int64_t result = 0, operands = 0;
  bool isF32 = narrowestOutput(scan).isF32(), takeTurns = !isF32;
  for (auto [input, argument] : llvm::zip(scan.getInputs(), scan.getInputArguments())) {
    auto field = cast<FieldType>(input.getType());
    if (field.getIndices().contains('T') && !argument.use_empty())
      result += 2 * rows * elements(argument) * (field.getElementType().getIntOrFloatBitWidth() / 8);
  }
  int64_t elementBytes = narrowestOutput(scan).getIntOrFloatBitWidth() / 8;
  for (const StateForm &how : form.states) {
    if (how.kind != StateForm::Linear || !how.value)
      continue;
    int64_t key = elements(how.key), value = elements(how.value), productBytes = how.parts() * elementBytes;
    // Of one that goes to registers directly, this stands for its change of layout.
    bool isStaged = key * value * 4 <= tile::mostStagedBytes;
    result += isStaged ? key * value * 4 : how.parts() > 1 ? 0 : tile::mostStagedBytes;
    // Sums along values have the state as an operand in shared memory, others in registers.
    if (isF32 || llvm::any_of(how.readouts, [&](const Readout &what) { return what.axis != how.axis; }))
      result += key * value * productBytes;
    operands += rows * rows * productBytes;
    // Factors of vectors take f16 to f32, whose fragments are not read from one copy.
    bool isVector = how.decay.channel || how.decay.telescope;
    bool isWide = isVector && narrowestOutput(scan).isF16();
    takeTurns &= !isVector;
    if (isVector || !isa<BlockArgument>(how.key))
      operands += 2 * rows * key * (isWide ? 8 : productBytes);
    if (!isa<BlockArgument>(how.value) || !how.decay.isNone())
      operands += rows * value * productBytes;
  }
  return result + (takeTurns ? std::max(operands, scratchBytes) : operands + scratchBytes);
}

/// Goes through all that will be lifted, and finds the largest.
FailureOr<ChunkKernel::Schedule> ChunkKernel::choose(Mixer &mixer, const NormalForm &form, Schedule given,
                                                     int64_t sharedBytes, NormalForm::Obstacle &why) {
  ScanOp scan = mixer.scan;
  for (auto [state, how] : llvm::enumerate(form.states)) {
    auto type = dyn_cast<RankedTensorType>(scan.getStateArguments()[state].getType());
    if (how.kind == StateForm::Linear || how.kind == StateForm::Delay)
      continue;
    // Such a state would be held once for every token of a chunk.
    Value next = scan.getYield().getStates()[state];
    Operation *at = next.getDefiningOp() ? next.getDefiningOp() : scan.getOperation();
    if (how.decay.telescope || (type && type.getRank() > 1)) {
      why = {at, how.decay.telescope ? "a state changes element by element with one that runs"
                                     : "a state that is a matrix changes element by element"};
      return Schedule();
    }
  }
  // Without products a walk over the tokens does the same with less in registers.
  auto isLinear = [](const StateForm &how) { return how.kind == StateForm::Linear; };
  if (form.states.size() > mostRunning && llvm::none_of(form.states, isLinear) &&
      !llvm::any_of(llvm::seq<unsigned>(form.states.size()), [&](unsigned state) { return form.isDelay(state); })) {
    why = {scan, "many states, all of which change element by element"};
    return Schedule();
  }
  mixer.stateBytes = sharedBytes < muchShared ? stateBytesOfLittle : stateBytes;
  Sharing sharing(scan, form, mixer.indexed, mixer.stateBytes);
  StepWriter sizes(sharing, {}, 0, ChunkKernel::leastSize);
  SmallVector<Value> work(scan.getYield().getOutputs());
  DenseSet<Value> seen;
  ChunkKernel weights(mixer, form, {leastSize, 4});
  for (const StateForm &how : form.states)
    for (Value piece : {how.key, how.value, how.decay.scalar, how.decay.channel, how.x, how.factor})
      if (piece)
        work.push_back(piece);
  int64_t largest = 1, computed = 1; // of all, and of what is computed for every token
  Operation *at = scan;
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    FailureOr<Type> type = sizes.typeOf(value, scan);
    if (failed(type))
      return failure();
    if (auto tensor = dyn_cast<RankedTensorType>(*type); tensor && tensor.getNumElements() > largest) {
      largest = tensor.getNumElements();
      at = value.getDefiningOp() ? value.getDefiningOp() : scan.getOperation();
    }
    if (auto found = form.readoutOf(value)) {
      work.push_back(found->second->query);
      continue;
    }
    if (weights.runningOf(value))
      continue; // its pieces are there already
    Operation *op = value.getDefiningOp();
    if (!op)
      continue;
    if (auto tensor = dyn_cast<RankedTensorType>(*type))
      computed = std::max(computed, tensor.getNumElements());
    if (auto reshape = dyn_cast<tile::ReshapeOp>(op)) {
      auto isSmall = [](int64_t size) { return !llvm::isPowerOf2_64(size) || (size > 1 && size < leastSize); };
      auto from = cast<RankedTensorType>(reshape.getOperand().getType()).getShape(),
           to = cast<RankedTensorType>(reshape.getResult().getType()).getShape();
      if (!differInOnes(from, to) && (llvm::any_of(from, isSmall) || llvm::any_of(to, isSmall))) {
        why = {op, "a reshape splits or joins axes that are padded"};
        return Schedule();
      }
    }
    if (auto reduce = dyn_cast<tile::ReduceOp>(op)) {
      bool captures = false;
      reduce.getCombine().walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          captures |= !reduce.getCombine().isAncestor(operand.getParentRegion());
      });
      if (captures) {
        why = {op, "a reduction combines with a value from outside"};
        return Schedule();
      }
    }
    work.append(op->operand_begin(), op->operand_end());
  }
  // Where a chunk is worked on in parts, weights are computed for every token, and of vectors the most.
  bool hasFactors = false;
  for (const StateForm &how : form.states) {
    if (how.kind != StateForm::Linear || !weights.needsParts(how.decay))
      continue;
    hasFactors |= weights.weightsOf(how) == Weights::Factors;
    if (FailureOr<Type> type = sizes.typeOf(how.key, scan); succeeded(type))
      computed = std::max(computed, cast<RankedTensorType>(*type).getNumElements());
  }
  // Work on vectors, and on parts of operands, is shared by more threads, products keep more rows in fewer.
  int64_t exactState = 0; // elements of the largest state whose products take parts
  for (const StateForm &how : form.states)
    if (how.parts() > 1 && how.value)
      exactState = std::max(exactState, elementsOf(sizes, scan, how.key) * elementsOf(sizes, scan, how.value));
  bool isHeavy = computed >= 128 || exactState || llvm::any_of(llvm::enumerate(form.states), [&](auto state) {
                   return state.value().kind != StateForm::Linear && !form.isDelay(state.index()) &&
                          seen.contains(scan.getStateArguments()[state.index()]);
                 });
  // Of numbers alone, loading many takes as long as loading few.
  int64_t rows = hasFactors ? 32 : largest == 1 ? 256 : 64;
  Schedule chosen{given.rows ? given.rows : rows, given.warps ? given.warps : isHeavy ? 8 : 4};
  auto fits = [&] {
    // Of what is computed, registers hold several tiles at a time.
    if (!given.rows && (chosen.rows * computed > computedPerWarp * chosen.warps ||
                        chosen.rows * exactState > exactPerWarp * chosen.warps))
      return false;
    return chosen.rows * largest <= elementsPerWarp * chosen.warps &&
           sharedBytesFor(mixer, form, sharing, chosen.rows) <= sharedBytes;
  };
  while (chosen.rows > leastSize && !fits())
    chosen.rows /= 2;
  if (fits())
    return chosen;
  why = {at, "the values of a chunk are too large for a block's registers and shared memory"};
  return Schedule();
}
