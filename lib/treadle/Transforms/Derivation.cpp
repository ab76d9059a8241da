//===-- Derivation.cpp - how a kernel was derived, for people --------------===//

#include "Derivation.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace treadle;

/// The names of states, from the arrays they are read from or written to.
static std::string nameOf(const Mixer &mixer, unsigned state) {
  for (auto role : {Array::Initial, Array::Final})
    if (std::optional<unsigned> array = mixer.find(role, state)) {
      StringRef whole = mixer.arrays[*array].name;
      std::string name = whole.take_front(whole.rfind('_')).str();
      for (const Array::Narrow &narrow : mixer.arrays[*array].narrows) {
        name += "[" + std::to_string(narrow.from);
        name += narrow.isLeftOut ? "]" : ":" + std::to_string(narrow.from + narrow.size) + "]";
      }
      return name;
    }
  return "state " + std::to_string(state);
}

static std::string decayOf(const Mixer &mixer, const StateForm &how) {
  const Decay &decay = how.decay;
  if (decay.isNone())
    return "none";
  if (decay.telescope)
    return "the change of " + nameOf(mixer, *decay.telescope) + ", whose sums telescope";
  std::string along = " of axis " + std::to_string(how.axis);
  if (decay.channel)
    return "one for each channel" + along + (decay.scalar ? ", and one for all" : "");
  return "one for the whole state";
}

/// A linear state: how it goes on, and how it is read.
static std::string linearOf(const StateForm &how) {
  std::string added = how.value ? "S + key ⊗ value" : "n + key";
  std::string text = "linear: e^g " + (how.reads == StateForm::Sum ? "(" + added + ")" : added) + ", ";
  if (how.reads != StateForm::New)
    text += how.reads == StateForm::Sum ? "before its decay " : "before the token ";
  text += "read by sums";
  if (!how.value)
    return text;
  bool isAcross = llvm::any_of(how.readouts, [&](const Readout &readout) { return readout.axis != how.axis; });
  bool isAlong = llvm::any_of(how.readouts, [&](const Readout &readout) { return readout.axis == how.axis; });
  if (isAcross && isAlong)
    return text + " over both axes";
  return text + " over axis " + std::to_string(isAcross ? 1 - how.axis : how.axis);
}

static std::string classOf(const StateForm &how) {
  switch (how.kind) {
  case StateForm::Linear:
    return linearOf(how);
  case StateForm::Add:
    return "running sum";
  case StateForm::Max:
    return "running maximum";
  case StateForm::Min:
    return "running minimum";
  case StateForm::LogAddExp:
    return "running log-sum-exp";
  case StateForm::Delay:
    return "a delay: a value of the token before";
  case StateForm::Affine:
    return "first-order recurrence, element by element";
  }
  return "";
}

static std::string weightsOf(ChunkKernel::Weights weights) {
  switch (weights) {
  case ChunkKernel::Weights::None:
    return "scores are masked";
  case ChunkKernel::Weights::Differences:
    return "scores are weighted by e^(b_i - b_j), formed from the differences of sums b of log-decays";
  case ChunkKernel::Weights::Factors:
    return "queries are weighted by e^(b - r), keys by e^(r - b); where b leaves the range of f32 the chunk is cut";
  case ChunkKernel::Weights::Sums:
    return "queries are divided by the running sum of e^(x - base), and keys are e^(x - base)";
  }
  return "";
}

static FileLineColLoc placeOf(Location location) {
  FileLineColLoc place;
  location->walk([&](Location at) {
    place = dyn_cast<FileLineColLoc>(at);
    return place ? WalkResult::interrupt() : WalkResult::advance();
  });
  return place;
}

DictionaryAttr treadle::derivationInChunks(const Mixer &mixer, const NormalForm &form,
                                           const ChunkKernel::Schedule &schedule,
                                           llvm::function_ref<ChunkKernel::Weights(const StateForm &)> weights) {
  Builder builder(mixer.function->getContext());
  SmallVector<Attribute> states;
  for (auto [i, how] : llvm::enumerate(form.states)) {
    NamedAttrList state;
    state.append("name", builder.getStringAttr(nameOf(mixer, i)));
    state.append("class", builder.getStringAttr(classOf(how)));
    if (how.kind == StateForm::Linear) {
      state.append("decay", builder.getStringAttr(decayOf(mixer, how)));
      state.append("chunk", builder.getStringAttr(weightsOf(weights(how))));
    }
    states.push_back(state.getDictionary(builder.getContext()));
  }
  NamedAttrList result;
  result.append("chunk", builder.getI64IntegerAttr(schedule.rows));
  result.append("states", builder.getArrayAttr(states));
  return result.getDictionary(builder.getContext());
}

DictionaryAttr treadle::derivationByTokens(const NormalForm::Obstacle &why) {
  Builder builder(why.op->getContext());
  NamedAttrList result;
  result.append("chunk", builder.getI64IntegerAttr(1));
  result.append("reason", builder.getStringAttr(why.reason));
  if (FileLineColLoc place = placeOf(why.op->getLoc())) {
    result.append("file", place.getFilename());
    result.append("line", builder.getI64IntegerAttr(place.getLine()));
  }
  return result.getDictionary(builder.getContext());
}
