//===-- Sharing.cpp - an axis that blocks share ----------------------------===//

#include "Sharing.h"
#include "Normalise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "tile/IR/Tile.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace treadle;

static ArrayRef<int64_t> shapeOf(Value value) {
  auto tensor = dyn_cast<RankedTensorType>(value.getType());
  return tensor ? tensor.getShape() : ArrayRef<int64_t>();
}

bool treadle::differInOnes(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  SmallVector<int64_t> left(a), right(b);
  llvm::erase(left, 1);
  llvm::erase(right, 1);
  return left == right;
}

void Sharing::add(Value value) {
  first[value] = count;
  count += shapeOf(value).size();
  classes.grow(count);
}

void Sharing::join(Value a, unsigned i, Value b, unsigned j) { classes.join(first[a] + i, first[b] + j); }

/// Axes of two shapes that differ in axes of size 1, or none that are the same.
static void relateReshape(Value from, Value to, AxisJoin join, AxisMeet meet) {
  ArrayRef<int64_t> a = shapeOf(from), b = shapeOf(to);
  if (!differInOnes(a, b)) {
    for (Value value : {from, to})
      for (unsigned axis = 0; axis < shapeOf(value).size(); ++axis)
        meet(value, axis);
    return;
  }
  for (unsigned i = 0, j = 0; i < a.size() && j < b.size();) {
    if (a[i] == 1)
      ++i;
    else if (b[j] == 1)
      ++j;
    else
      join(from, i++, to, j++);
  }
}

/// A part of a whole along an axis, which it may lack: the other axes.
static void relatePart(Value part, Value whole, unsigned axis, AxisJoin join) {
  bool lacksAxis = shapeOf(part).size() < shapeOf(whole).size();
  for (unsigned of = 0; of < shapeOf(whole).size(); ++of)
    if (of != axis)
      join(part, of - (lacksAxis && of > axis), whole, of);
}

void treadle::relateAxes(Operation *op, AxisJoin join, AxisMeet meet) {
  llvm::TypeSwitch<Operation *>(op)
      .Case([&](tile::IotaOp iota) { meet(iota, 0); })
      .Case<arith::ConstantOp, tile::SplatOp>([](auto) {})
      .Case([&](tile::ExpandDimsOp expand) {
        for (unsigned axis = 0; axis < shapeOf(expand.getOperand()).size(); ++axis)
          join(expand.getOperand(), axis, expand, axis + (axis >= expand.getAxis()));
      })
      .Case([&](tile::BroadcastOp broadcast) {
        for (auto [axis, from, to] : llvm::enumerate(shapeOf(broadcast.getOperand()), shapeOf(broadcast)))
          if (from == to)
            join(broadcast.getOperand(), axis, broadcast, axis);
      })
      .Case([&](tile::TransposeOp transpose) {
        for (auto [axis, from] : llvm::enumerate(transpose.getPerm()))
          join(transpose.getOperand(), from, transpose, axis);
      })
      .Case([&](tile::ReshapeOp reshape) { relateReshape(reshape.getOperand(), reshape, join, meet); })
      .Case([&](tile::ReduceOp reduce) {
        for (Value operand : reduce.getOperands()) {
          meet(operand, reduce.getAxis());
          for (unsigned axis = 0; axis < shapeOf(operand).size(); ++axis) {
            join(operand, axis, reduce.getOperand(0), axis);
            for (Value result : reduce.getResults())
              if (axis != reduce.getAxis())
                join(operand, axis, result, axis - (axis > reduce.getAxis()));
          }
        }
      })
      .Case([&](ConcatOp concat) {
        for (Value part : concat.getParts())
          relatePart(part, concat, concat.getAxis(), join);
      })
      .Case([&](PartOp part) { relatePart(part, part.getOperand(), part.getAxis(), join); })
      .Default([&](Operation *elementwise) {
        for (Value result : elementwise->getResults())
          for (Value operand : elementwise->getOperands())
            for (unsigned axis = 0; axis < shapeOf(operand).size(); ++axis)
              join(operand, axis, result, axis);
      });
}

void Sharing::relate(Operation *op) {
  for (Value operand : op->getOperands())
    if (!first.count(operand)) // a constant from outside
      relate(operand.getDefiningOp());
  for (Value result : op->getResults())
    add(result);
  relateAxes(
      op, [&](Value a, unsigned i, Value b, unsigned j) { join(a, i, b, j); },
      [&](Value value, unsigned axis) { mix(value, axis); });
}

/// A piece of a state's form, if there is one, runs along these axes of the state. Nothing else may say so of
/// constants.
void Sharing::joinPiece(Value piece, Value state, ArrayRef<unsigned> axes) {
  if (!piece)
    return;
  if (!first.count(piece))
    relate(piece.getDefiningOp());
  if (shapeOf(piece).size() == axes.size())
    for (auto [axis, of] : llvm::enumerate(axes))
      join(piece, axis, state, of);
}

Sharing::Sharing(ScanOp scan, const NormalForm &form, bool inPlace, int64_t maxBytes) {
  for (Value argument : scan.getStep().getArguments())
    add(argument);
  for (Operation &op : scan.getStep().front().without_terminator())
    relate(&op);
  for (auto [old, next] : llvm::zip(scan.getStateArguments(), scan.getYield().getStates())) {
    if (!first.count(next))
      relate(next.getDefiningOp());
    for (unsigned axis = 0; axis < shapeOf(old).size(); ++axis)
      join(old, axis, next, axis);
  }
  for (Value output : scan.getYield().getOutputs())
    if (!first.count(output))
      relate(output.getDefiningOp());
  for (auto [state, how] : llvm::zip(scan.getStateArguments(), form.states)) {
    auto all = llvm::to_vector(llvm::seq<unsigned>(shapeOf(state).size()));
    joinPiece(how.key, state, how.axis);
    joinPiece(how.value, state, 1 - how.axis);
    joinPiece(how.decay.channel, state, how.axis);
    for (const Readout &readout : how.readouts)
      joinPiece(readout.query, state, readout.axis);
    joinPiece(how.x, state, all);
    joinPiece(how.factor, state, all);
  }
  // Two axes of one value that run together are a diagonal, of which a block would need more than its own.
  for (auto [value, number] : first) {
    unsigned rank = shapeOf(value).size();
    for (unsigned i = 0; i < rank; ++i)
      for (unsigned j = 0; j < i; ++j)
        if (classes.findLeader(number + i) == classes.findLeader(number + j))
          mix(value, i);
  }
  classes.compress();
  choose(scan, inPlace, maxBytes);
}

/// The last axis of the first state that can be shared, if the states are too large for one block.
void Sharing::choose(ScanOp scan, bool inPlace, int64_t maxBytes) {
  llvm::DenseSet<unsigned> bad;
  for (unsigned axis : mixed)
    bad.insert(classes[axis]);
  auto has = [&](Value value, unsigned wanted) {
    for (unsigned axis = 0; axis < shapeOf(value).size(); ++axis)
      if (classes[first[value] + axis] == wanted)
        return true;
    return false;
  };
  // What is part of one array is read and written as a whole, perhaps in place.
  auto arrayOf = [&](unsigned state) {
    Value initial = scan.getInitials()[state];
    while (auto part = initial.getDefiningOp<PartOp>())
      initial = part.getOperand();
    return initial;
  };
  auto splitsArray = [&](unsigned candidate) {
    SmallVector<std::pair<Value, bool>> found;
    for (auto [i, state] : llvm::enumerate(scan.getStateArguments()))
      found.emplace_back(arrayOf(i), has(state, candidate));
    return llvm::any_of(found, [&](auto &a) {
      return llvm::any_of(found, [&](auto &b) { return a.first == b.first && a.second != b.second; });
    });
  };
  auto bytes = [](Value value) {
    int64_t total = 4;
    for (int64_t size : shapeOf(value))
      total *= int64_t(llvm::PowerOf2Ceil(size));
    return total;
  };
  for (Value state : scan.getStateArguments()) {
    for (int axis = int(shapeOf(state).size()) - 1; axis >= 0; --axis) {
      unsigned candidate = classes[first[state] + axis];
      int64_t size = shapeOf(state)[axis];
      bool isSafe = llvm::all_of(scan.getStateArguments(), [&](Value other) { return has(other, candidate); });
      if (size <= 32 || bad.contains(candidate) || (inPlace && !isSafe) || splitsArray(candidate))
        continue;
      int64_t padded = llvm::PowerOf2Ceil(size), whole = 0, along = 0;
      for (Value other : scan.getStateArguments())
        (has(other, candidate) ? along : whole) += bytes(other);
      int64_t width = padded;
      while (width > 32 && (width > 64 || whole + along / padded * width > maxBytes))
        width /= 2;
      chosen = candidate;
      blockWidth = width;
      blocks = llvm::divideCeil(size, width);
      return;
    }
  }
}

bool Sharing::isShared(Value value) const {
  for (unsigned axis = 0; axis < shapeOf(value).size(); ++axis)
    if (isShared(value, axis))
      return true;
  return false;
}
