//===-- Fusion.cpp - which tiles of a block get memory ---------------------===//

#include "target/cpu/Fusion.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "tile/IR/Tile.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::cpu;

/// Reading an element back costs about as much as this many instructions.
static constexpr int CheapCost = 4;
/// Longer expressions run out of registers.
static constexpr int LongCost = 400;

static bool isTile(Value value) { return isa<RankedTensorType>(value.getType()); }

bool cpu::isElementwise(Operation *op) {
  if (!op || op->getNumResults() != 1 || !isTile(op->getResult(0)))
    return false;
  if (isa<tile::SplatOp, tile::IotaOp, tile::ExpandDimsOp, tile::BroadcastOp, tile::TransposeOp, tile::ExtractOp>(op))
    return true;
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return isa<SplatElementsAttr>(constant.getValue());
  return op->hasTrait<OpTrait::Elementwise>();
}

/// Instructions per element, roughly, without the operands.
static int ownCost(Operation *op) {
  if (isa<tile::SplatOp, arith::ConstantOp, tile::ExpandDimsOp, tile::BroadcastOp, tile::ExtractOp>(op))
    return 0;
  if (isa<tile::TransposeOp>(op))
    return 16;
  if (isa<math::MathDialect>(op->getDialect()) && !isa<math::AbsFOp, math::AbsIOp, math::FmaOp>(op))
    return 20;
  if (isa<arith::DivFOp, arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp, arith::FloorDivSIOp,
          arith::CeilDivSIOp, arith::CeilDivUIOp, arith::TruncFOp>(op))
    return 8;
  return 1;
}

int cpu::lastAxis(ArrayRef<int64_t> shape, int except) {
  for (int axis = int(shape.size()) - 1; axis >= 0; --axis)
    if (shape[axis] > 1 && axis != except)
      return axis;
  return -1;
}

bool cpu::turnsLanes(tile::TransposeOp op) {
  int to = lastAxis(cast<RankedTensorType>(op.getType()).getShape());
  int from = lastAxis(cast<RankedTensorType>(op.getOperand().getType()).getShape());
  return to >= 0 && op.getPerm()[to] != from;
}

Fusion::Fusion(Block &block) {
  for (Operation &op : block)
    if (isElementwise(&op)) {
      int cost = ownCost(&op);
      for (Value operand : op.getOperands())
        if (isTile(operand))
          cost += costs.count(operand) ? costs[operand] : 1;
      costs[op.getResult(0)] = std::min(cost, 1 << 20);
    }
  for (Operation &op : llvm::reverse(block))
    for (Value result : op.getResults())
      if (isTile(result))
        visit(result, block);
  for (Value argument : block.getArguments())
    if (isTile(argument))
      visit(argument, block);
}

void Fusion::visit(Value tile, Block &block) {
  Readers mine;
  bool mustStore = false;
  for (OpOperand &use : tile.getUses()) {
    Operation *user = use.getOwner();
    if (user->getBlock() != &block) {
      if (Operation *ancestor = block.findAncestorOpInBlock(*user)) {
        mine.add({ancestor, 0});
        mine.nested = true;
      }
      continue;
    }
    if (isa<tile::ReshapeOp>(user)) { // shares its operand's memory
      for (Reader reader : readers[user->getResult(0)].list)
        mine.add(reader);
      mine.add({user, 0});
    } else if (isElementwise(user) && !stored.contains(user->getResult(0))) {
      Readers &further = readers[user->getResult(0)];
      for (Reader reader : further.list)
        mine.add(reader);
      mine.nested |= further.nested;
      mine.repeated |= further.repeated;
      if (auto broadcast = dyn_cast<tile::BroadcastOp>(user))
        mine.repeated |= broadcast.getOperand().getType() != broadcast.getType();
    } else {
      mine.add({user, user->hasTrait<OpTrait::IsTerminator>() ? int(use.getOperandNumber()) : 0});
    }
  }
  if (auto transpose = tile.getDefiningOp<tile::TransposeOp>())
    mustStore |= turnsLanes(transpose) && !llvm::all_of(tile.getUsers(), [&](Operation *user) {
                   return isa<tile::DotOp>(user) && user->getBlock() == &block; // copies its operands itself
                 });
  auto cost = costs.find(tile); // absent: not elementwise, has memory anyhow
  if (cost != costs.end() && (mustStore || cost->second > LongCost ||
                              (cost->second > CheapCost && (mine.list.size() > 1 || mine.nested || mine.repeated))))
    stored.insert(tile);
  readers[tile] = std::move(mine);
}

bool Fusion::lastReader(Value tile, Operation *op) const {
  auto it = readers.find(tile);
  return it == readers.end() || llvm::all_of(it->second.list, [&](Reader reader) {
           return reader.first == op || reader.first->isBeforeInBlock(op);
         });
}
