//===-- AssignLayouts.cpp - give every tensor of a kernel a layout ---------===//
//
// Layouts are demanded, not propagated. Some ops have a layout of their own ("home"): a product has the tensor-core
// accumulator, a read its coalesced layout, a reduction its operand's layout without the axis, a loop-carried value
// that of the product it comes from. Ops with effects then demand their operands: a product wants fragments, a write
// wants coalesced rows. A demand walks up through everything that can be computed in any layout (constants,
// element-wise ops, broadcasts, transpositions), clones it in the layout asked for, and stops at a home, where the
// value is converted. A read that a product asks for is staged in shared memory and read from there as fragments.
//
// How a tile lies in shared memory is decided last (SharedLayouts.cpp), when all that reads and writes it is known.
//
// What costs too much to compute twice is converted instead: the walk stops where a value depends on a home of its
// own size (`isRigid`).
//
//===----------------------------------------------------------------------===//

#include "SharedLayouts.h"

#include "layout/Layouts.h"
#include "layout/Plans.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"
#include "tile/IR/Tile.h"
#include "tile/Transforms/Passes.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/TypeSwitch.h"

namespace treadle::tile {
#define GEN_PASS_DEF_ASSIGNLAYOUTS
#include "tile/Transforms/Passes.h.inc"
} // namespace treadle::tile

using namespace mlir;
using namespace treadle;
using namespace treadle::tile;

namespace {

RankedTensorType tensorOf(Value value) { return dyn_cast<RankedTensorType>(value.getType()); }

/// Ops that compute element by element, in any layout.
bool isElementwise(Operation *op) {
  return OpTrait::hasElementwiseMappableTraits(op) && op->getNumResults() == 1 && op->getNumRegions() == 0;
}

/// Ops that can be computed in any layout of their result.
bool isFlexible(Operation *op) {
  return isa<arith::ConstantOp, IotaOp, SplatOp, ExpandDimsOp, BroadcastOp, TransposeOp, ReshapeOp, ExtractOp>(op) ||
         isElementwise(op);
}

std::vector<int> permOf(TransposeOp op) { return std::vector<int>(op.getPerm().begin(), op.getPerm().end()); }

std::vector<int> inverse(const std::vector<int> &perm) {
  std::vector<int> result(perm.size());
  for (size_t i = 0; i < perm.size(); ++i)
    result[perm[i]] = i;
  return result;
}

/// Clear the bits of the axes that have size 1 in `shape`: how a broadcast's operand is held.
Layout broadcastSource(const Layout &layout, ArrayRef<int64_t> shape) {
  Layout result = layout;
  for (int axis = 0; axis < layout.rank(); ++axis)
    if (shape[axis] == 1 && layout.shape()[axis] != 1)
      result = result.project(axis).expandDims(axis);
  return result.dropRedundantRegisters();
}

/// The tile that a block held as `layout` is part of: the block's places as they are, and the rest of the tile in
/// further registers, so that taking the block out is choosing registers.
Layout extractSource(const Layout &layout, ArrayRef<int64_t> shape) {
  Layout whole(shape.vec(), {}, {}, {});
  auto place = [&](Layout::Bases bases) {
    for (uint32_t &basis : bases)
      basis = whole.flat(layout.coords(basis));
    return bases;
  };
  Layout::Bases reg = place(layout.bases(In::Register));
  for (int axis = 0; axis < whole.rank(); ++axis)
    for (unsigned bit = layout.dimBits(axis); bit < whole.dimBits(axis); ++bit)
      reg.push_back(1u << (whole.dimShift(axis) + bit));
  return Layout(shape.vec(), reg, place(layout.bases(In::Lane)), place(layout.bases(In::Warp)));
}

class Assigner {
public:
  explicit Assigner(func::FuncOp func) : func(func), warps(numWarps(func)) {}
  LogicalResult run();

private:
  // What a value would like to be, before anything is assigned.
  std::optional<Layout> preferred(Value value);
  std::optional<Layout> preferredOf(Operation *op, unsigned result);
  bool inPipelinedLoop(LoadOp op);
  bool isRigid(Value value);
  bool rigid(Value value);
  bool feedsOperandA(Value value, bool transposed);
  Layout dotLayout(DotOp dot);
  Layout scanLayout(ScanOp scan);
  Layout fallback(RankedTensorType type);
  Layout homeOf(Value value);
  Layout coalescedFor(ViewType view, ArrayRef<int32_t> along, ArrayRef<int64_t> shape);

  // Giving a value in a layout.
  Value demand(Value value, const Layout &layout, bool forProduct = false);
  Value clone(Value value, const Layout &layout, bool forProduct);
  Value load(LoadOp op, const Layout &layout, bool forProduct);
  Value stage(LoadOp op);
  Value inShared(Value value);
  Value convert(Value value, const Layout &layout);
  bool isCostly(Value value);
  bool isSpread(Value value, const Layout &layout);
  Layout onePerThread(RankedTensorType type);
  Value fragments(Value value, const Layout &layout);

  // The ops that demand.
  void assign(Block &block);
  void assign(DotOp op);
  void assign(StoreOp op);
  void assignCombine(Operation *op, uint32_t axis);
  void assign(scf::ForOp op);
  void assign(scf::WhileOp op);
  void assign(scf::IfOp op);
  void demandOperands(Operation *terminator, ArrayRef<Value> like, unsigned skip = 0);
  void home(Value value) { setLayout(value, homeOf(value)); }
  void setLayout(Value value, const Layout &layout);

  func::FuncOp func;
  int64_t warps;
  DenseMap<Value, std::optional<Layout>> preference;
  DenseSet<Value> visiting;
  DenseMap<Value, bool> rigidity;
  DenseMap<Value, SmallVector<Value>> versions; // of a value, in further layouts
  DenseMap<Value, Value> staged, shared;        // a read's or a value's slot in shared memory
  SmallVector<Operation *> flexible;            // replaced by clones, erased at the end
};

//===-- preferences --------------------------------------------------------===//

Layout Assigner::fallback(RankedTensorType type) {
  Order order;
  for (int axis = type.getRank() - 1; axis >= 0; --axis)
    order.push_back(axis);
  int64_t bytes = std::max<int64_t>(1, type.getElementType().isIndex() ? 8 : type.getElementTypeBitWidth() / 8);
  return coalesced(type.getShape().vec(), order, std::max<int64_t>(1, 16 / bytes), warps);
}

Layout Assigner::coalescedFor(ViewType view, ArrayRef<int32_t> along, ArrayRef<int64_t> shape) {
  // The axis of stride 1 first, then from the last axis to the first.
  Order order;
  for (int i = along.size() - 1; i >= 0; --i)
    order.push_back(i);
  llvm::stable_sort(order,
                    [&](int a, int b) { return view.getStrides()[along[a]] == 1 && view.getStrides()[along[b]] != 1; });
  bool unit = view.getStrides()[along[order.front()]] == 1;
  int64_t vec = unit ? std::max<int64_t>(1, std::min<int64_t>(16, view.getAlign()) / view.getElementBytes()) : 1;
  return coalesced(shape.vec(), order, vec, warps);
}

/// Does this value, through element-wise ops and loops, become operand A of a product?
bool Assigner::feedsOperandA(Value value, bool transposed) {
  SmallVector<std::pair<Value, bool>> work{{value, transposed}};
  DenseSet<Value> seen;
  while (!work.empty()) {
    auto [v, t] = work.pop_back_val();
    if (!seen.insert(v).second)
      continue;
    for (OpOperand &use : v.getUses()) {
      Operation *op = use.getOwner();
      if (auto dot = dyn_cast<DotOp>(op)) {
        if (use.getOperandNumber() == 0 && !t)
          return true;
        if (use.getOperandNumber() == 2 && dot.getResult() != value)
          work.push_back({dot.getResult(), t});
      } else if (auto transpose = dyn_cast<TransposeOp>(op)) {
        work.push_back({transpose.getResult(), !t});
      } else if (isElementwise(op)) {
        work.push_back({op->getResult(0), t});
      } else if (auto yield = dyn_cast<scf::YieldOp>(op)) {
        if (auto loop = dyn_cast<scf::ForOp>(yield->getParentOp())) {
          work.push_back({loop.getRegionIterArg(use.getOperandNumber()), t});
          work.push_back({loop.getResult(use.getOperandNumber()), t});
        } else if (auto branch = dyn_cast<scf::IfOp>(yield->getParentOp())) {
          work.push_back({branch.getResult(use.getOperandNumber()), t});
        }
      } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
        if (use.getOperandNumber() >= loop.getNumControlOperands())
          work.push_back({loop.getTiedLoopRegionIterArg(&use), t});
      }
    }
  }
  return false;
}

Layout Assigner::dotLayout(DotOp dot) {
  auto type = cast<RankedTensorType>(dot.getResult().getType());
  auto shape = type.getShape().vec();
  bool tensorCores =
      !cast<RankedTensorType>(dot.getA().getType()).getElementType().isF32() || dot.getPrecision() != Precision::ieee;
  if (tensorCores) {
    // Two products into one accumulator share its layout.
    if (rigid(dot.getC()))
      if (auto layout = preferred(dot.getC()))
        return *layout;
  } else {
    int64_t columns = std::min<int64_t>(4, shape[1]), rows = std::min<int64_t>(4, shape[0]);
    return blocked(shape, {rows, columns}, {4, 8}, warps, {1, 0});
  }
  int64_t warpsM = 1, warpsN = 1;
  int64_t maxM = std::max<int64_t>(1, shape[0] / 16), maxN = std::max<int64_t>(1, shape[1] / 8);
  // An accumulator that becomes operand A again keeps whole rows in a warp: then the conversion moves nothing.
  if (feedsOperandA(dot.getResult(), false) || rigid(dot.getA())) {
    warpsM = std::min(warps, maxM);
    warpsN = warps / warpsM;
  } else {
    while (warpsM * warpsN < warps) {
      int64_t rows = shape[0] / warpsM, columns = shape[1] / warpsN;
      bool splitRows = warpsM < maxM && (rows >= columns || warpsN >= maxN);
      if (!splitRows && warpsN >= maxN) // more warps than fragments: replicas
        splitRows = true;
      (splitRows ? warpsM : warpsN) *= 2;
    }
  }
  return mmaAccumulator(shape, warpsM, warpsN);
}

/// A scan exchanges least between registers, little between lanes, most between warps. So lanes and warps are spent on
/// the other axes first, and the scanned axis takes registers, then what is left of the lanes, then of the warps. Where
/// the scanned axis is the contiguous one, it is dealt in pieces of one vector for the sake of the accesses.
Layout Assigner::scanLayout(ScanOp scan) {
  auto type = tensorOf(scan.getOperands()[0]);
  int axis = scan.getAxis(), last = type.getRank() - 1;
  Layout flat(type.getShape().vec(), {}, {}, {});
  unsigned laneBits = LaneBits, warpBits = llvm::Log2_64(warps);
  SmallVector<uint32_t> others, along;
  for (int dim = last; dim >= 0; --dim)
    for (unsigned bit = 0; bit < flat.dimBits(dim); ++bit)
      (dim == axis ? along : others).push_back(1u << (flat.dimShift(dim) + bit));
  Layout::Bases reg, lane, warp;
  auto take = [](SmallVectorImpl<uint32_t> &from, size_t count, Layout::Bases &to) {
    count = std::min(count, from.size());
    to.insert(to.end(), from.begin(), from.begin() + count);
    from.erase(from.begin(), from.begin() + count);
  };
  if (axis == last) {
    take(along, 3, reg);
    // Rows to warps, the row to lanes.
    take(others, warpBits, warp);
    take(along, laneBits, lane);
  } else {
    take(others, 1, reg); // two columns: 32 bits of 16-bit elements
    take(others, laneBits, lane);
    take(others, warpBits, warp);
    unsigned spare = (laneBits - lane.size()) + (warpBits - warp.size());
    take(along, along.size() - std::min<size_t>(spare, along.size()), reg);
  }
  take(others, others.size(), reg);
  take(along, laneBits - lane.size(), lane);
  size_t spread = std::min<size_t>(warpBits - warp.size(), along.size());
  take(along, along.size() - spread, reg);
  take(along, spread, warp);
  lane.resize(laneBits, 0);
  warp.resize(warpBits, 0);
  return Layout(type.getShape().vec(), reg, lane, warp);
}

std::optional<Layout> Assigner::preferred(Value value) {
  if (!tensorOf(value))
    return std::nullopt;
  if (hasLayout(value.getType()))
    return layoutOf(tensorOf(value));
  if (auto it = preference.find(value); it != preference.end())
    return it->second;
  if (!visiting.insert(value).second)
    return std::nullopt;
  std::optional<Layout> result;
  if (auto arg = dyn_cast<BlockArgument>(value)) {
    Operation *parent = arg.getOwner()->getParentOp();
    if (auto loop = dyn_cast<scf::ForOp>(parent)) {
      unsigned i = arg.getArgNumber() - loop.getNumInductionVars();
      Value yielded = loop.getYieldedValues()[i], init = loop.getInitArgs()[i];
      // What the loop computes decides; the initial value is converted once.
      result = rigid(yielded) || !rigid(init) ? preferred(yielded) : std::nullopt;
      if (!result)
        result = preferred(init);
    } else if (auto loop = dyn_cast<scf::WhileOp>(parent)) {
      unsigned i = arg.getArgNumber();
      if (arg.getOwner() == loop.getBeforeBody()) {
        result = preferred(loop.getYieldOp().getOperand(i));
        if (!result)
          result = preferred(loop.getInits()[i]);
      } else {
        result = preferred(loop.getConditionOp().getArgs()[i]);
      }
    }
  } else {
    result = preferredOf(value.getDefiningOp(), cast<OpResult>(value).getResultNumber());
  }
  visiting.erase(value);
  // While a cycle is open a missing answer is not final.
  if (result || visiting.empty())
    preference[value] = result;
  return result;
}

std::optional<Layout> Assigner::preferredOf(Operation *op, unsigned number) {
  return llvm::TypeSwitch<Operation *, std::optional<Layout>>(op)
      .Case([&](DotOp dot) { return dotLayout(dot); })
      .Case([&](LoadOp load) {
        return coalescedFor(load.getView().getType(), load.getAlong(), tensorOf(load.getResult()).getShape());
      })
      .Case([&](ReduceOp reduce) -> std::optional<Layout> {
        for (Value operand : reduce.getOperands())
          if (auto layout = preferred(operand))
            return layout->removeDim(reduce.getAxis());
        return fallback(tensorOf(reduce.getOperands()[0])).removeDim(reduce.getAxis());
      })
      .Case([&](ScanOp scan) -> std::optional<Layout> { return scanLayout(scan); })
      .Case([&](scf::ForOp loop) { return preferred(loop.getRegionIterArg(number)); })
      .Case([&](scf::WhileOp loop) { return preferred(loop.getConditionOp().getArgs()[number]); })
      .Case([&](scf::IfOp branch) -> std::optional<Layout> {
        for (Block *block : {branch.thenBlock(), branch.elseBlock()})
          if (block)
            if (auto layout = preferred(block->getTerminator()->getOperand(number)))
              return layout;
        return std::nullopt;
      })
      .Case([&](ExpandDimsOp expand) -> std::optional<Layout> {
        if (auto layout = preferred(expand.getOperand()))
          return layout->expandDims(expand.getAxis());
        return std::nullopt;
      })
      .Case([&](TransposeOp transpose) -> std::optional<Layout> {
        if (auto layout = preferred(transpose.getOperand()))
          return layout->transpose(permOf(transpose));
        return std::nullopt;
      })
      .Case([&](ReshapeOp reshape) -> std::optional<Layout> {
        if (auto layout = preferred(reshape.getOperand()))
          return layout->reshape(tensorOf(reshape.getResult()).getShape().vec());
        return std::nullopt;
      })
      .Case<arith::ConstantOp, IotaOp, SplatOp, BroadcastOp, ExtractOp>([](auto) { return std::nullopt; })
      .Default([&](Operation *other) -> std::optional<Layout> {
        std::optional<Layout> result;
        bool resultIsRigid = false;
        for (Value operand : other->getOperands()) {
          auto layout = preferred(operand);
          if (!layout)
            continue;
          bool operandIsRigid = rigid(operand);
          if (!result || (operandIsRigid && !resultIsRigid)) {
            result = layout;
            resultIsRigid = operandIsRigid;
          }
        }
        return result;
      });
}

/// Does the value depend, element by element, on a home that can only be converted?
bool Assigner::rigid(Value value) {
  if (!tensorOf(value))
    return false;
  if (auto it = rigidity.find(value); it != rigidity.end())
    return it->second;
  rigidity[value] = false; // for cycles
  return rigidity[value] = isRigid(value);
}

bool Assigner::isRigid(Value value) {
  if (auto arg = dyn_cast<BlockArgument>(value)) {
    if (auto loop = dyn_cast<scf::ForOp>(arg.getOwner()->getParentOp())) {
      unsigned i = arg.getArgNumber() - loop.getNumInductionVars();
      return tensorOf(value).getRank() > 1 || rigid(loop.getYieldedValues()[i]);
    }
    return true;
  }
  Operation *op = value.getDefiningOp();
  if (isa<DotOp, ReduceOp, ScanOp, scf::ForOp, scf::WhileOp, scf::IfOp>(op))
    return true;
  if (isa<BroadcastOp, LoadOp>(op))
    return false;
  return llvm::any_of(op->getOperands(), [&](Value operand) { return rigid(operand); });
}

Layout Assigner::homeOf(Value value) {
  if (auto layout = preferred(value))
    return *layout;
  return fallback(tensorOf(value));
}

//===-- demands ------------------------------------------------------------===//

void Assigner::setLayout(Value value, const Layout &layout) { value.setType(withLayout(tensorOf(value), layout)); }

Value Assigner::convert(Value value, const Layout &layout) {
  OpBuilder builder(func.getContext());
  builder.setInsertionPointAfterValue(value);
  return ConvertLayoutOp::create(builder, value.getLoc(), withLayout(tensorOf(value), layout), value);
}

Value Assigner::demand(Value value, const Layout &layout, bool forProduct) {
  RankedTensorType want = withLayout(tensorOf(value), layout);
  if (value.getType() == want)
    return value;
  SmallVector<Value> &known = versions[value];
  for (Value version : known)
    if (version.getType() == want)
      return version;
  Operation *def = value.getDefiningOp();
  Value result;
  if (auto op = dyn_cast_or_null<LoadOp>(def))
    result = load(op, layout, forProduct);
  else if (def && isFlexible(def)) {
    Layout own = homeOf(value);
    // Renaming moves nothing: what it renames is converted, as early as it is known.
    bool renames = isa<ExpandDimsOp, TransposeOp, ReshapeOp, ExtractOp>(def);
    if (rigid(value) && !renames && withLayout(want, own) != want)
      result = convert(demand(value, own), layout);
    else if (!renames && isSpread(value, layout))
      result = convert(demand(value, onePerThread(want)), layout);
    else
      result = clone(value, layout, forProduct);
  } else {
    // A home. Block arguments and results of control flow got theirs when the op was met.
    if (!hasLayout(value.getType()))
      home(value);
    result = value.getType() == want ? value : convert(value, layout);
  }
  if (result != value)
    versions[value].push_back(result);
  return result;
}

Value Assigner::clone(Value value, const Layout &layout, bool forProduct) {
  Operation *op = value.getDefiningOp();
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    auto type = tensorOf(operand);
    if (!type) {
      operands.push_back(operand);
      continue;
    }
    Layout source = layout;
    if (auto expand = dyn_cast<ExpandDimsOp>(op))
      source = layout.removeDim(expand.getAxis());
    else if (isa<BroadcastOp>(op))
      source = broadcastSource(layout, type.getShape());
    else if (auto transpose = dyn_cast<TransposeOp>(op))
      source = layout.transpose(inverse(permOf(transpose)));
    else if (isa<ReshapeOp>(op))
      source = layout.reshape(type.getShape().vec());
    else if (isa<ExtractOp>(op))
      source = extractSource(layout, type.getShape());
    // A broadcast operand is small: read it as it is, do not stage it.
    operands.push_back(demand(operand, source, forProduct && !isa<BroadcastOp>(op)));
  }
  OpBuilder builder(op->getContext());
  builder.setInsertionPointAfter(op);
  RankedTensorType type = withLayout(tensorOf(value), layout);
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
    return arith::ConstantOp::create(builder, op->getLoc(), type, dense.reshape(type));
  }
  Operation *copy = builder.clone(*op);
  copy->setOperands(operands);
  copy->getResult(0).setType(type);
  return copy->getResult(0);
}

/// The slot in shared memory that a read is staged in. Copies move at least 4 bytes, so rows need that alignment.
Value Assigner::stage(LoadOp op) {
  if (auto it = staged.find(op.getResult()); it != staged.end())
    return it->second;
  ViewType view = op.getView().getType();
  auto type = tensorOf(op.getResult());
  int64_t bytes = view.getElementBytes();
  bool unit = llvm::any_of(op.getAlong(), [&](int32_t axis) { return view.getStrides()[axis] == 1; });
  if (type.getRank() != 2 || op.getOther() || !unit || view.getAlign() < 4 || bytes > 4)
    return {};
  int fast = view.getStrides()[op.getAlong()[1]] == 1 ? 1 : 0;
  Layout layout = sharedSwizzled(type.getShape().vec(), {fast, 1 - fast}, bytes, 128);
  auto slotType =
      SharedType::get(func.getContext(), 1, type.getShape(), type.getElementType(), toAttr(func.getContext(), layout));
  OpBuilder builder(func.getContext());
  builder.setInsertionPointToStart(&func.getBody().front());
  Value slot = AllocOp::create(builder, op.getLoc(), slotType);
  builder.setInsertionPointAfter(op);
  AsyncLoadOp::create(builder, op.getLoc(), op.getView(), op.getIndices(), op.getAlong(), slot, Value());
  return staged[op.getResult()] = slot;
}

/// A read of a loop whose address needs no more than the induction variable: `tile-pipeline` can run it ahead. Where
/// one turn reads an array several times, as windows do, the cache has what one of them brought.
bool Assigner::inPipelinedLoop(LoadOp op) {
  auto loop = dyn_cast<scf::ForOp>(op->getParentOp());
  if (!loop || numStages(func) < 2)
    return false;
  for (LoadOp other : loop.getBody()->getOps<LoadOp>())
    if (other != op && tensorOf(other.getResult()) && sliced(other.getView()) == sliced(op.getView()))
      return false;
  SmallVector<Value> work(op.getIndices());
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (value == loop.getInductionVar() || !loop.getBodyRegion().isAncestor(value.getParentRegion()))
      continue;
    Operation *def = value.getDefiningOp();
    if (!def || !isMemoryEffectFree(def) || def->getNumRegions())
      return false;
    work.append(def->operand_begin(), def->operand_end());
  }
  return true;
}

Value Assigner::load(LoadOp op, const Layout &layout, bool forProduct) {
  OpBuilder builder(op);
  auto type = tensorOf(op.getResult());
  bool isLarge = type.getNumElements() * op.getView().getType().getElementBytes() > mostStagedBytes;
  if (forProduct || staged.count(op.getResult()) || (!isLarge && inPipelinedLoop(op)))
    if (Value slot = stage(op)) {
      // After the wait that follows the copy: the reads come last among what was inserted here.
      Operation *after = op;
      while (isa_and_nonnull<AsyncLoadOp, LocalLoadOp>(after->getNextNode()))
        after = after->getNextNode();
      builder.setInsertionPointAfter(after);
      return LocalLoadOp::create(builder, op.getLoc(), withLayout(tensorOf(op.getResult()), layout), slot);
    }
  // Small tiles, and layouts whose rows are long enough, are read as they are needed.
  Layout own = homeOf(op.getResult());
  ViewType view = op.getView().getType();
  auto quality = [&](const Layout &candidate) {
    int best = 1;
    for (auto [i, axis] : llvm::enumerate(op.getAlong()))
      if (view.getStrides()[axis] == 1)
        best = std::max(best, vectorWidth(candidate, i, 16 / view.getElementBytes()));
    return best;
  };
  // Fragments repeat elements in several warps: they come through shared memory even if no copy can bring them there.
  bool through = type.getRank() > 1 && (forProduct || quality(layout) < quality(own));
  if (through && withLayout(type, own) != withLayout(type, layout))
    return convert(demand(op.getResult(), own), layout);
  builder.setInsertionPointAfter(op);
  auto copy = cast<LoadOp>(builder.clone(*op));
  copy.getResult().setType(withLayout(type, layout));
  return copy.getResult();
}

/// The value in shared memory, for a product on ordinary units.
Value Assigner::inShared(Value value) {
  if (auto it = shared.find(value); it != shared.end())
    return it->second;
  auto type = tensorOf(value);
  if (auto op = value.getDefiningOp<LoadOp>())
    if (Value slot = stage(op))
      return shared[value] = slot;
  if (auto op = value.getDefiningOp<TransposeOp>()) {
    Value source = inShared(op.getOperand());
    auto sourceType = cast<SharedType>(source.getType());
    auto permuted = SharedType::get(func.getContext(), sourceType.getSlots(), type.getShape(), type.getElementType(),
                                    toAttr(func.getContext(), layoutOf(sourceType).transpose(permOf(op))));
    OpBuilder builder(op);
    return shared[value] = SharedTransposeOp::create(builder, op.getLoc(), permuted, source, op.getPerm());
  }
  Value held = demand(value, homeOf(value));
  Layout layout = sharedSwizzled(type.getShape().vec(), {1, 0}, type.getElementTypeBitWidth() / 8, 128);
  auto slotType =
      SharedType::get(func.getContext(), 1, type.getShape(), type.getElementType(), toAttr(func.getContext(), layout));
  OpBuilder builder(func.getContext());
  builder.setInsertionPointToStart(&func.getBody().front());
  Value slot = AllocOp::create(builder, value.getLoc(), slotType);
  builder.setInsertionPointAfterValue(held);
  LocalStoreOp::create(builder, value.getLoc(), held, slot);
  return shared[value] = slot;
}

/// Is this computed, through element-wise ops, with more than a few instructions?
bool Assigner::isCostly(Value value) {
  SmallVector<Value> work{value};
  DenseSet<Operation *> seen;
  while (!work.empty()) {
    Operation *op = work.pop_back_val().getDefiningOp();
    if (!op || isa<BroadcastOp, LoadOp>(op) || !isFlexible(op) || !seen.insert(op).second)
      continue;
    if (isa<math::MathDialect>(op->getDialect()) || isa<arith::DivFOp>(op))
      return true;
    work.append(op->operand_begin(), op->operand_end());
  }
  return false;
}

Layout Assigner::onePerThread(RankedTensorType type) { return coalesced(type.getShape().vec(), {0}, 1, warps); }

/// Whether a vector in this layout would be computed several times over, by threads that could share the work: they
/// compute an element each, and hand it on. What is the same each time around a loop is left to be moved out of it.
bool Assigner::isSpread(Value value, const Layout &layout) {
  auto type = tensorOf(value);
  if (type.getRank() != 1 || rigid(value) || layout.numRegisters() < 4 * onePerThread(type).numRegisters() ||
      !isCostly(value))
    return false;
  SmallVector<Value> work{value};
  DenseSet<Operation *> seen;
  while (!work.empty()) {
    Value next = work.pop_back_val();
    Operation *op = next.getDefiningOp();
    if (tensorOf(next) && (!op || isa<LoadOp>(op)))
      return true;
    if (op && isFlexible(op) && !isa<SplatOp>(op) && seen.insert(op).second)
      work.append(op->operand_begin(), op->operand_end());
  }
  return false;
}

/// An operand of a product on tensor cores. Fragments repeat elements in several warps: what takes work to compute, and
/// what other threads hold, is written to shared memory once and read from there, as copies are.
Value Assigner::fragments(Value value, const Layout &layout) {
  auto type = tensorOf(value);
  Value source = value;
  while (auto transpose = source.getDefiningOp<TransposeOp>())
    source = transpose.getOperand();
  bool isLoaded = source.getDefiningOp<LoadOp>() != nullptr;
  bool through =
      !isLoaded && type.getElementTypeBitWidth() == 16 &&
      (rigid(value) ? planConversion(homeOf(value), layout).kind == ConversionKind::SharedMemory : isCostly(source));
  if (!through)
    return demand(value, layout, true);
  Value slot = inShared(value);
  OpBuilder builder(func.getContext());
  builder.setInsertionPointAfterValue(slot);
  if (Operation *store = slot.getDefiningOp<AllocOp>())
    for (Operation *user : store->getUsers())
      if (isa<LocalStoreOp>(user))
        builder.setInsertionPointAfter(user);
  return LocalLoadOp::create(builder, value.getLoc(), withLayout(type, layout), slot);
}

//===-- the ops that demand ------------------------------------------------===//

void Assigner::assign(DotOp op) {
  Layout layout = dotLayout(op);
  auto a = cast<RankedTensorType>(op.getA().getType()), b = cast<RankedTensorType>(op.getB().getType());
  Value c = demand(op.getC(), layout);
  if (a.getElementType().isF32() && op.getPrecision() == Precision::ieee) {
    Value sharedA = inShared(op.getA()), sharedB = inShared(op.getB());
    op.getAMutable().assign(sharedA);
    op.getBMutable().assign(sharedB);
  } else {
    int bits = a.getElementTypeBitWidth();
    // The accumulator's own warp grid: the warp bits along M come first, those that only repeat it among them.
    int64_t warpsM = 1, warpsN = 1;
    for (uint32_t basis : layout.bases(In::Warp))
      (warpsN > 1 || basis & layout.dimMask(1) ? warpsN : warpsM) *= 2;
    op.getAMutable().assign(fragments(op.getA(), mmaOperandA(a.getShape().vec(), bits, warpsM, warpsN)));
    op.getBMutable().assign(fragments(op.getB(), mmaOperandB(b.getShape().vec(), bits, warpsM, warpsN)));
  }
  op.getCMutable().assign(c);
  op.getResult().setType(cast<RankedTensorType>(c.getType()));
}

void Assigner::assign(StoreOp op) {
  auto type = tensorOf(op.getValue());
  if (!type)
    return;
  ViewType view = op.getView().getType();
  Layout rows = coalescedFor(view, op.getAlong(), type.getShape());
  Layout own = preferred(op.getValue()).value_or(rows);
  // Write in the value's own layout if its rows are as wide, or if it fills whole sectors of 32 bytes.
  int64_t width = 1, wide = 1;
  for (auto [i, axis] : llvm::enumerate(op.getAlong()))
    if (view.getStrides()[axis] == 1) {
      width = vectorWidth(own, i, 16 / view.getElementBytes());
      wide = vectorWidth(rows, i, 16 / view.getElementBytes());
    }
  bool good = type.getRank() == 1 || width >= wide || (rigid(op.getValue()) && width * view.getElementBytes() >= 8);
  op.getValueMutable().assign(demand(op.getValue(), good ? own : rows));
}

void Assigner::assignCombine(Operation *op, uint32_t axis) {
  auto scan = dyn_cast<ScanOp>(op);
  Layout layout = scan ? scanLayout(scan) : fallback(tensorOf(op->getOperand(0)));
  if (!scan)
    for (Value operand : op->getOperands())
      if (auto own = preferred(operand)) {
        layout = *own;
        break;
      }
  for (OpOperand &operand : op->getOpOperands())
    operand.set(demand(operand.get(), layout));
  for (Value result : op->getResults())
    if (tensorOf(result))
      setLayout(result, isa<ReduceOp>(op) ? layout.removeDim(axis) : layout);
}

/// Each tensor operand of the terminator from `skip` on in the layout of its counterpart.
void Assigner::demandOperands(Operation *terminator, ArrayRef<Value> like, unsigned skip) {
  for (auto [i, value] : llvm::enumerate(like))
    if (tensorOf(value))
      terminator->setOperand(i + skip, demand(terminator->getOperand(i + skip), layoutOf(tensorOf(value))));
}

void Assigner::assign(scf::ForOp op) {
  for (auto [i, arg] : llvm::enumerate(op.getRegionIterArgs())) {
    if (!tensorOf(arg))
      continue;
    Layout layout = homeOf(arg);
    setLayout(arg, layout);
    setLayout(op.getResult(i), layout);
    OpOperand &init = op.getInitArgsMutable()[i];
    init.set(demand(init.get(), layout));
  }
  assign(*op.getBody());
  SmallVector<Value> results(op.getResults());
  demandOperands(op.getBody()->getTerminator(), results);
}

void Assigner::assign(scf::WhileOp op) {
  for (auto [i, arg] : llvm::enumerate(op.getBeforeArguments()))
    if (tensorOf(arg)) {
      Layout layout = homeOf(arg);
      setLayout(arg, layout);
      OpOperand &init = op.getInitsMutable()[i];
      init.set(demand(init.get(), layout));
    }
  assign(*op.getBeforeBody());
  for (auto [i, arg] : llvm::enumerate(op.getAfterArguments()))
    if (tensorOf(arg)) {
      Layout layout = homeOf(op.getConditionOp().getArgs()[i]);
      setLayout(arg, layout);
      setLayout(op.getResult(i), layout);
    }
  SmallVector<Value> after(op.getAfterArguments()), before(op.getBeforeArguments());
  demandOperands(op.getConditionOp(), after, 1);
  assign(*op.getAfterBody());
  demandOperands(op.getYieldOp(), before);
}

void Assigner::assign(scf::IfOp op) {
  for (Value result : op.getResults())
    if (tensorOf(result))
      home(result);
  SmallVector<Value> results(op.getResults());
  for (Block *block : {op.thenBlock(), op.elseBlock()})
    if (block) {
      assign(*block);
      demandOperands(block->getTerminator(), results);
    }
}

void Assigner::assign(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(block)) {
    if (isFlexible(&op) || isa<LoadOp>(op)) {
      if (op.getNumResults() && tensorOf(op.getResult(0)) && !hasLayout(op.getResult(0).getType()))
        flexible.push_back(&op);
      continue;
    }
    llvm::TypeSwitch<Operation *>(&op)
        .Case<DotOp, StoreOp, scf::ForOp, scf::WhileOp, scf::IfOp>([&](auto typed) { assign(typed); })
        .Case([&](ReduceOp reduce) { assignCombine(reduce, reduce.getAxis()); })
        .Case([&](ScanOp scan) { assignCombine(scan, scan.getAxis()); });
  }
}

LogicalResult Assigner::run() {
  WalkResult supported = func.walk([&](Operation *op) {
    auto constant = dyn_cast<arith::ConstantOp>(op);
    if (constant && tensorOf(constant.getResult()) && !isa<SplatElementsAttr>(constant.getValue())) {
      op->emitError() << "a constant tile has one value everywhere; build others from tile.iota";
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  if (supported.wasInterrupted())
    return failure();
  assign(func.getBody().front());
  // What was cloned has no use any more; users come after their operands.
  for (Operation *op : llvm::reverse(flexible)) {
    if (op->use_empty())
      op->erase();
    else
      return op->emitError() << "internal error: a value kept no layout";
  }
  return success();
}

struct AssignLayoutsPass : tile::impl::AssignLayoutsBase<AssignLayoutsPass> {
  void runOnOperation() override {
    if (!isKernel(getOperation()))
      return;
    if (failed(Assigner(getOperation()).run()))
      return signalPassFailure();
    assignSharedLayouts(getOperation());
  }
};

} // namespace
