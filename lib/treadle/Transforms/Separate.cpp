//===-- Separate.cpp - a mixer for each state ------------------------------===//
//
// The states of a step are put in groups: those that change with each other are one, and a group comes after those that
// its states change with. What a group's states make of a token is an array, which later ones read:
//
//     S0 = f(S0, x)          x: inputs
//     S1 = g(S1, x, h(S0))   mixer 1: S0 and h(S0); mixer 2: S1, with h(S0) as an input
//
// What depends on inputs only is computed in each mixer that needs it, and so is a matrix that is made of vectors. A
// matrix that a state is, or what has that for an operand, is no array: what is computed from it and from another state
// is computed where the matrix is, so that its group comes last of those, or is one with them.
//
//===----------------------------------------------------------------------===//

#include "Chunk.h"
#include "Mixer.h"
#include "Normalise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "treadle/Transforms/Passes.h"
#include "llvm/ADT/SetVector.h"

namespace treadle {
#define GEN_PASS_DEF_SEPARATE
#include "treadle/Transforms/Passes.h.inc"
} // namespace treadle

using namespace mlir;
using namespace treadle;

namespace {
class Separator {
public:
  Separator(func::FuncOp function, ScanOp scan)
      : function(function), scan(scan), step(&scan.getStep().front()), yield(scan.getYield()),
        builder(function.getContext()) {}
  /// Whether there is more than one group.
  bool plan();
  /// The mixers, in order, before the function.
  SmallVector<func::FuncOp> write();

private:
  /// A mixer: values of the step that are its inputs from others, and its outputs.
  struct Piece {
    llvm::SetVector<Value> inputs, read, kept;
    SmallVector<unsigned> outputs, states;
  };
  /// An argument or a result of a mixer.
  struct Field {
    FieldType type;
    DictionaryAttr attributes;
  };

  bool findGroups();
  void findStages();
  bool mergeMatrices();
  bool isOfState(Value value);
  void need(Piece &piece, unsigned stage, Value value, DenseSet<Value> &seen);
  func::FuncOp write(Piece &piece, unsigned stage);
  std::string nameOf(Value kept);
  Field arrayOf(Value kept);
  Field fieldOf(Value field, StringRef suffix);
  std::optional<unsigned> resultOf(Value field);

  bool isState(Value value) { return llvm::is_contained(scan.getStateArguments(), value); }
  template <typename Action> void forOperands(Operation *op, Action action) {
    op->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (operand.getParentBlock() == step)
          action(operand);
    });
  }

  func::FuncOp function;
  ScanOp scan;
  Block *step;
  YieldOp yield;
  OpBuilder builder;
  SmallVector<SmallVector<bool>> after; ///< of two states, that the first changes with the second
  SmallVector<unsigned> stages;         ///< of states, from 1
  unsigned last = 0;
  DenseMap<Value, unsigned> stageOf;
  DenseMap<Value, std::string> names; ///< of arrays
};
} // namespace

/// The stages of states; whether there are several.
bool Separator::findGroups() {
  unsigned count = scan.getNumStates();
  SmallVector<SmallVector<bool>> reached = after;
  for (unsigned via = 0; via < count; ++via)
    for (unsigned i = 0; i < count; ++i)
      for (unsigned j = 0; j < count; ++j)
        reached[i][j] = reached[i][j] || (reached[i][via] && reached[via][j]);
  stages.assign(count, 0);
  for (last = 0; llvm::is_contained(stages, 0u);) {
    ++last;
    for (unsigned first = 0; first < count; ++first) {
      auto isOne = [&](unsigned other) { return other == first || (reached[first][other] && reached[other][first]); };
      auto isKnown = [&](unsigned other) { return !reached[first][other] || stages[other] || isOne(other); };
      if (stages[first] || !llvm::all_of(llvm::seq(count), isKnown))
        continue;
      for (unsigned other = 0; other < count; ++other)
        if (isOne(other))
          stages[other] = last;
      break;
    }
  }
  return last > 1;
}

void Separator::findStages() {
  stageOf.clear();
  for (auto [state, stage] : llvm::zip(scan.getStateArguments(), stages))
    stageOf[state] = stage;
  for (Operation &op : *step) {
    unsigned stage = 0;
    forOperands(&op, [&](Value operand) { stage = std::max(stage, stageOf.lookup(operand)); });
    for (Value result : op.getResults())
      stageOf[result] = stage;
  }
}

/// With two axes, neither of size 1.
static bool isMatrix(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && llvm::count_if(type.getShape(), [](int64_t size) { return size > 1; }) > 1;
}

/// A matrix that is a state, or is computed from one.
bool Separator::isOfState(Value value) {
  SmallVector<Value> work{value};
  DenseSet<Value> seen;
  while (!work.empty()) {
    Value next = work.pop_back_val();
    if (!isMatrix(next) || !seen.insert(next).second)
      continue;
    if (isState(next))
      return true;
    if (Operation *op = next.getDefiningOp())
      forOperands(op, [&](Value operand) { work.push_back(operand); });
  }
  return false;
}

/// Where a matrix would be an array, its group is put after what it is used with; whether there was any.
bool Separator::mergeMatrices() {
  bool isChanged = false;
  auto together = [&](unsigned early, unsigned late) {
    for (auto [i, first] : llvm::enumerate(stages))
      for (auto [j, second] : llvm::enumerate(stages))
        if (first == early && second == late && !after[i][j]) {
          after[i][j] = true;
          isChanged = true;
        }
  };
  for (Operation &op : step->without_terminator())
    forOperands(&op, [&](Value operand) {
      unsigned early = stageOf.lookup(operand), late = stageOf.lookup(op.getResult(0));
      if (early && early < late && isOfState(operand))
        together(early, late);
    });
  for (auto [state, next] : llvm::zip(stages, yield.getStates()))
    if (unsigned early = stageOf.lookup(next); early && early < state && isOfState(next))
      together(early, state);
  return isChanged;
}

bool Separator::plan() {
  unsigned count = scan.getNumStates();
  if (count < 2 || scan.getNoncausal())
    return false;
  after.assign(count, SmallVector<bool>(count, false));
  for (auto [i, next] : llvm::enumerate(yield.getStates())) {
    SmallVector<Value> work{next};
    DenseSet<Value> seen;
    while (!work.empty()) {
      Value value = work.pop_back_val();
      if (!seen.insert(value).second)
        continue;
      for (auto [j, state] : llvm::enumerate(scan.getStateArguments()))
        if (value == state && i != j)
          after[i][j] = true;
      if (Operation *op = value.getDefiningOp())
        forOperands(op, [&](Value operand) { work.push_back(operand); });
    }
  }
  do {
    if (!findGroups())
      return false;
    findStages();
  } while (mergeMatrices());
  return true;
}

/// Adds what a value of a piece is computed from.
void Separator::need(Piece &piece, unsigned stage, Value value, DenseSet<Value> &seen) {
  if (!seen.insert(value).second)
    return;
  unsigned of = stageOf.lookup(value);
  Operation *def = value.getDefiningOp();
  bool isSpread = isa_and_nonnull<tile::ExpandDimsOp, tile::BroadcastOp, tile::SplatOp>(def);
  if (of && of != stage && getElementTypeOrSelf(value.getType()).isF32() && !isMatrix(value) && !isSpread) {
    piece.read.insert(value);
    return;
  }
  if (def)
    forOperands(def, [&](Value operand) { need(piece, stage, operand, seen); });
  else if (!isState(value))
    piece.inputs.insert(value);
}

/// An array's name, which no other of the program has.
std::string Separator::nameOf(Value kept) {
  std::string &name = names[kept];
  if (!name.empty())
    return name;
  llvm::DenseSet<StringAttr> taken;
  auto module = function->getParentOfType<ModuleOp>();
  for (auto other : module.getOps<func::FuncOp>()) {
    for (unsigned i = 0; i < other.getNumArguments(); ++i)
      taken.insert(other.getArgAttrOfType<StringAttr>(i, "treadle.name"));
    for (unsigned i = 0; i < other.getNumResults(); ++i)
      taken.insert(other.getResultAttrOfType<StringAttr>(i, "treadle.name"));
  }
  for (auto &[value, other] : names)
    taken.insert(builder.getStringAttr(other));
  for (unsigned number = 0;; ++number)
    if (std::string made = "kept_" + std::to_string(number); !taken.contains(builder.getStringAttr(made)))
      return name = made;
}

Separator::Field Separator::arrayOf(Value kept) {
  auto tensor = dyn_cast<RankedTensorType>(kept.getType());
  auto type = FieldType::get(builder.getContext(), "BTH", tensor ? tensor.getShape() : ArrayRef<int64_t>(),
                             builder.getF32Type());
  return {type, arrayAttributes(type, nameOf(kept))};
}

/// The number of the function's result that a field is.
std::optional<unsigned> Separator::resultOf(Value field) {
  Operation *end = function.getBody().front().getTerminator();
  for (auto [i, result] : llvm::enumerate(end->getOperands()))
    if (result == field)
      return i;
  return std::nullopt;
}

/// An argument or a result of the function, by the name that its array has.
Separator::Field Separator::fieldOf(Value field, StringRef suffix) {
  DictionaryAttr attributes;
  if (auto argument = dyn_cast<BlockArgument>(field))
    attributes = function.getArgAttrDict(argument.getArgNumber());
  else
    attributes = function.getResultAttrDict(*resultOf(field));
  NamedAttrList list(attributes);
  if (!attributes.contains("treadle.array")) {
    list.set("treadle.name", builder.getStringAttr(attributes.getAs<StringAttr>("treadle.name").getValue() + suffix));
    list.set("treadle.array", builder.getUnitAttr());
  }
  return {cast<FieldType>(field.getType()), list.getDictionary(builder.getContext())};
}

func::FuncOp Separator::write(Piece &piece, unsigned stage) {
  Location loc = scan.getLoc();
  SmallVector<Field> arguments, results;
  SmallVector<Type> fieldTypes;
  for (Value input : piece.inputs)
    arguments.push_back(fieldOf(scan.getInputs()[cast<BlockArgument>(input).getArgNumber()], ""));
  for (Value value : piece.read)
    arguments.push_back(arrayOf(value));
  for (unsigned state : piece.states)
    if (Value initial = scan.getInitials()[state]; isa<BlockArgument>(initial))
      arguments.push_back(fieldOf(initial, "_initial"));
  for (unsigned output : piece.outputs) {
    results.push_back(fieldOf(scan.getOutputs()[output], ""));
    fieldTypes.push_back(results.back().type);
  }
  for (Value value : piece.kept) {
    results.push_back(arrayOf(value));
    fieldTypes.push_back(results.back().type);
  }
  for (unsigned state : piece.states) {
    Value final = scan.getFinals()[state];
    fieldTypes.push_back(final.getType());
    if (resultOf(final))
      results.push_back(fieldOf(final, "_final"));
  }

  auto typesOf = [](ArrayRef<Field> fields) {
    return llvm::map_to_vector(fields, [](const Field &field) -> Type { return field.type; });
  };
  auto attributesOf = [](ArrayRef<Field> fields) {
    return llvm::map_to_vector(fields, [](const Field &field) -> Attribute { return field.attributes; });
  };
  builder.setInsertionPoint(function);
  std::string walk = "piece_" + std::to_string(stage);
  auto made = func::FuncOp::create(builder, function.getLoc(), (function.getName() + "_" + walk).str(),
                                   builder.getFunctionType(typesOf(arguments), typesOf(results)));
  for (NamedAttribute attribute : function->getDiscardableAttrs())
    if (attribute.getName() != "treadle.separate")
      made->setDiscardableAttr(attribute.getName(), attribute.getValue());
  made->setAttr("treadle.walk", builder.getStringAttr(walk));
  made.setAllArgAttrs(attributesOf(arguments));
  made.setAllResultAttrs(attributesOf(results));
  OpBuilder inner = OpBuilder::atBlockEnd(made.addEntryBlock());
  auto fields = made.getArguments();
  SmallVector<Value> initials;
  unsigned next = piece.inputs.size() + piece.read.size();
  SmallVector<Value> taken(fields.take_front(next));
  for (unsigned state : piece.states) {
    Value initial = scan.getInitials()[state];
    Operation *fill = initial.getDefiningOp();
    initials.push_back(fill ? inner.clone(*fill)->getResult(0) : Value(fields[next++]));
  }
  auto copy = ScanOp::create(inner, loc, fieldTypes, taken, initials, /*noncausal=*/false, scan.getReverse());

  Block *body = inner.createBlock(&copy.getStep());
  IRMapping map;
  auto take = [&](Value value) { map.map(value, body->addArgument(value.getType(), value.getLoc())); };
  llvm::for_each(piece.inputs, take);
  llvm::for_each(piece.read, take);
  for (unsigned state : piece.states)
    take(scan.getStateArguments()[state]);
  SmallVector<Value> yielded, states;
  for (unsigned output : piece.outputs)
    yielded.push_back(yield.getOutputs()[output]);
  llvm::append_range(yielded, piece.kept);
  for (unsigned state : piece.states)
    states.push_back(yield.getStates()[state]);
  // What is wanted, and of that what is not there.
  DenseSet<Value> wanted;
  SmallVector<Value> work(yielded);
  llvm::append_range(work, states);
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (map.contains(value) || !wanted.insert(value).second)
      continue;
    if (Operation *op = value.getDefiningOp())
      forOperands(op, [&](Value operand) { work.push_back(operand); });
  }
  for (Operation &op : step->without_terminator())
    if (llvm::any_of(op.getResults(), [&](Value result) { return wanted.contains(result); }))
      inner.clone(op, map);
  auto mapped = [&](SmallVector<Value> &values) {
    for (Value &value : values)
      value = map.lookup(value);
    return ValueRange(values);
  };
  YieldOp::create(inner, yield.getLoc(), mapped(yielded), mapped(states));

  inner.setInsertionPointToEnd(&made.getBody().front());
  SmallVector<Value> returned(copy.getOutputs());
  for (auto [i, state] : llvm::enumerate(piece.states))
    if (resultOf(scan.getFinals()[state]))
      returned.push_back(copy.getFinals()[i]);
  func::ReturnOp::create(inner, loc, returned);
  return made;
}

SmallVector<func::FuncOp> Separator::write() {
  SmallVector<Piece> pieces(last + 1);
  for (auto [i, output] : llvm::enumerate(yield.getOutputs()))
    if (resultOf(scan.getOutputs()[i])) {
      unsigned stage = stageOf.lookup(output);
      pieces[stage ? stage : last].outputs.push_back(i);
    }
  for (auto [i, stage] : llvm::enumerate(stages))
    pieces[stage].states.push_back(i);
  // From the last: what one reads, those before keep.
  for (unsigned stage = last; stage > 0; --stage) {
    Piece &piece = pieces[stage];
    DenseSet<Value> seen;
    for (unsigned output : piece.outputs)
      need(piece, stage, yield.getOutputs()[output], seen);
    for (Value value : piece.kept)
      need(piece, stage, value, seen);
    for (unsigned state : piece.states)
      need(piece, stage, yield.getStates()[state], seen);
    for (Value value : piece.read)
      pieces[stageOf.lookup(value)].kept.insert(value);
    // Something has to say how many tokens there are.
    auto isTimed = [&](Value input) {
      auto type = cast<FieldType>(scan.getInputs()[cast<BlockArgument>(input).getArgNumber()].getType());
      return type.getIndices().contains('T');
    };
    if (piece.read.empty() && llvm::none_of(piece.inputs, isTimed))
      for (Value input : scan.getInputArguments())
        if (isTimed(input)) {
          piece.inputs.insert(input);
          break;
        }
  }
  // All arrays are some mixer's.
  for (Value input : scan.getInputArguments())
    if (llvm::none_of(pieces, [&](const Piece &piece) { return piece.inputs.contains(input); }))
      pieces[last].inputs.insert(input);
  SmallVector<func::FuncOp> made;
  for (unsigned stage = 1; stage <= last; ++stage) {
    Piece &piece = pieces[stage];
    bool isWanted = stage == last || !piece.outputs.empty() || !piece.kept.empty() ||
                    llvm::any_of(piece.states, [&](unsigned state) {
                      return resultOf(scan.getFinals()[state]) || isa<BlockArgument>(scan.getInitials()[state]);
                    });
    if (isWanted)
      made.push_back(write(piece, stage));
  }
  return made;
}

/// Whether a mixer has a matrix for a state, and is computed in chunks.
static bool isMatrixInChunks(func::FuncOp function, int64_t sharedBytes) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(function.getLoc());
  auto copy = cast<func::FuncOp>(function->clone());
  module->push_back(copy);
  auto rows = copy->getAttrOfType<IntegerAttr>("treadle.chunk");
  auto warps = copy->getAttrOfType<IntegerAttr>("tile.num_warps");
  for (ScanOp scan : llvm::to_vector(copy.getOps<ScanOp>()))
    if (failed(splitAxes(scan)))
      return false;
  FailureOr<Mixer> mixer = Mixer::read(copy);
  if (failed(mixer))
    return false;
  NormalForm::Obstacle why;
  std::optional<NormalForm> form = NormalForm::of(mixer->scan, why);
  if (!form)
    return false;
  FailureOr<ChunkKernel::Schedule> schedule =
      ChunkKernel::choose(*mixer, *form, {rows.getInt(), warps ? warps.getInt() : 0}, sharedBytes, why);
  return succeeded(schedule) && schedule->rows &&
         llvm::any_of(form->states, [](const StateForm &how) { return how.kind == StateForm::Linear && how.value; });
}

namespace {
struct SeparatePass : treadle::impl::SeparateBase<SeparatePass> {
  using SeparateBase::SeparateBase;
  void runOnOperation() override {
    for (auto function : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (!function->hasAttr("treadle.mixer") || !function->hasAttr("treadle.chunk") ||
          function->hasAttr("treadle.walk"))
        continue;
      FailureOr<Mixer> mixer = Mixer::read(function);
      if (failed(mixer))
        return signalPassFailure();
      if (mixer->scan.getNumStates() < 2)
        continue;
      bringConstants(mixer->scan);
      Separator separator(function, mixer->scan);
      auto chunks = [&](func::FuncOp mixer) { return isMatrixInChunks(mixer, sharedBytes); };
      bool isAsked = function->hasAttr("treadle.separate");
      if (!separator.plan() || (!isAsked && chunks(function)))
        continue;
      SmallVector<func::FuncOp> made = separator.write();
      if (isAsked || llvm::any_of(made, chunks)) {
        function.erase();
        continue;
      }
      for (func::FuncOp each : made)
        each.erase();
    }
  }
};
} // namespace
