//===-- Combine.cpp - tile.reduce and tile.scan --------------------------===//

#include "target/cpu/Emitter.h"

#include "mlir/IR/TypeUtilities.h"
#include "tile/IR/Combine.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::cpu;

static bool onLanes(Region &region) {
  return llvm::all_of(region.front().without_terminator(), [](Operation &op) {
    return isa<arith::ConstantOp>(op) || (op.hasTrait<OpTrait::Elementwise>() && op.getNumResults() == 1);
  });
}

SmallVector<Value> Emitter::combine(Region &region, ValueRange left, ValueRange right, int lanes) {
  Block &block = region.front();
  DenseMap<Value, Value> local;
  auto value = [&](Value v) { return local.count(v) ? local[v] : splat(b, loc, scalar(v), lanes); };
  SmallVector<Value> arguments(left);
  arguments.append(right.begin(), right.end());
  for (auto [formal, actual] : llvm::zip(block.getArguments(), arguments))
    (lanes > 1 ? local : scalars)[formal] = actual;
  for (Operation &op : block.without_terminator()) {
    if (lanes == 1) {
      emit(&op);
      continue;
    }
    SmallVector<Value> operands(llvm::map_range(op.getOperands(), value));
    local[op.getResult(0)] = emitElementwise(b, &op, operands, lanes);
  }
  return SmallVector<Value>(llvm::map_range(block.getTerminator()->getOperands(), value));
}

void Emitter::emitReduce(tile::ReduceOp op) {
  Region &region = op.getCombine();
  SmallVector<int64_t> shape(tileType(op.getOperands()[0]).getShape());
  int axis = op.getAxis(), count = op.getNumOperands(), contiguous = lastAxis(shape);
  bool vectors = onLanes(region), within = vectors && contiguous == axis;
  // Lanes along the reduced axis are folded at the end; lanes along another axis are as many results.
  int laneAxis = within ? axis : vectors ? lastAxis(shape, axis) : -1;
  int lanes = lanesAlong(shape, laneAxis), step = within ? lanes : 1;
  SmallVector<Buffer> results;
  if (shape.size() > 1)
    for (Value result : op.getResults())
      results.push_back(target(result));

  TypedAttr neutral = tile::neutralElement(region);
  SmallVector<Value> init;
  for (Value operand : op.getOperands()) {
    Type type = laneType(tileType(operand).getElementType(), lanes);
    if (auto value = dyn_cast_or_null<FloatAttr>(neutral); value && !isa<FloatType>(getElementTypeOrSelf(type)))
      neutral = b.getIntegerAttr(b.getI16Type(), value.getValue().bitcastToAPInt());
    init.push_back(neutral ? splat(b, loc, arith::ConstantOp::create(b, loc, neutral), lanes)
                           : number(b, loc, type, 0));
  }
  nest(
      shape, laneAxis, lanes,
      [&](ArrayRef<Value> outer) {
        Indices at(outer);
        auto elements = [&] {
          SmallVector<Value> out;
          for (Value operand : op.getOperands())
            out.push_back(eval(operand, at, laneAxis, lanes));
          return out;
        };
        SmallVector<Value> sum;
        if (shape[axis] == step) {
          sum = elements();
        } else {
          sum = loop(constant(0), constant(shape[axis]), step, init, [&](Value index, ValueRange carried) {
            at[axis] = index;
            SmallVector<Value> here = elements(), next = combine(region, carried, here, lanes);
            if (!neutral) {
              Value first = compare(Pred::eq, index, constant(0));
              for (int i = 0; i < count; ++i)
                next[i] = arith::SelectOp::create(b, loc, first, here[i], next[i]);
            }
            return next;
          });
        }
        int left = lanes;
        if (within) {
          for (; left > 1; left /= 2) {
            SmallVector<Value> low, high;
            auto half = [&](Value v, int from) -> Value {
              if (left == 2)
                return LLVM::ExtractElementOp::create(b, loc, v, constant(from));
              auto mask = llvm::to_vector(llvm::seq<int32_t>(from, from + left / 2));
              return LLVM::ShuffleVectorOp::create(b, loc, v, v, mask);
            };
            for (Value v : sum) {
              low.push_back(half(v, 0));
              high.push_back(half(v, left / 2));
            }
            sum = combine(region, low, high, left / 2);
          }
        }
        Indices place(outer);
        place.erase(place.begin() + axis);
        for (int i = 0; i < count; ++i) {
          if (results.empty())
            scalars[op.getResult(i)] = sum[i];
          else
            write(sum[i], results[i], place);
        }
      },
      axis);
}

void Emitter::emitScan(tile::ScanOp op) {
  Region &region = op.getCombine();
  SmallVector<int64_t> shape(tileType(op.getOperands()[0]).getShape());
  int axis = op.getAxis(), count = op.getNumOperands();
  bool vectors = onLanes(region), within = vectors && lastAxis(shape) == axis, reverse = op.getReverse();
  int laneAxis = within ? axis : vectors ? lastAxis(shape, axis) : -1;
  // Results are written along their contiguous axis only.
  if (laneAxis != lastAxis(shape))
    laneAxis = -1;
  int lanes = lanesAlong(shape, laneAxis), step = within ? lanes : 1;
  SmallVector<Buffer> results;
  for (Value result : op.getResults())
    results.push_back(target(result));
  SmallVector<Value> init;
  for (Value operand : op.getOperands())
    init.push_back(number(b, loc, laneType(tileType(operand).getElementType(), within ? 1 : lanes), 0));

  nest(
      shape, laneAxis, lanes,
      [&](ArrayRef<Value> outer) {
        Indices at(outer);
        loop(constant(0), constant(shape[axis]), step, init, [&](Value index, ValueRange carried) {
          at[axis] = reverse ? sub(constant(shape[axis] - step), index) : index;
          Value first = compare(Pred::eq, index, constant(0));
          SmallVector<Value> here, before(carried);
          for (Value operand : op.getOperands())
            here.push_back(eval(operand, at, laneAxis, lanes));
          if (within) {
            for (int distance = 1; distance < lanes; distance *= 2) { // scan the lanes
              SmallVector<Value> shifted;
              SmallVector<int32_t> mask;
              SmallVector<bool> has;
              for (int lane = 0; lane < lanes; ++lane) {
                int from = reverse ? lane + distance : lane - distance;
                has.push_back(from >= 0 && from < lanes);
                mask.push_back(has.back() ? from : lane);
              }
              for (Value v : here)
                shifted.push_back(LLVM::ShuffleVectorOp::create(b, loc, v, v, mask));
              Value joined = arith::ConstantOp::create(
                  b, loc, DenseElementsAttr::get(VectorType::get({lanes}, b.getI1Type()), ArrayRef<bool>(has)));
              for (auto [i, v] : llvm::enumerate(combine(region, shifted, here, lanes)))
                here[i] = arith::SelectOp::create(b, loc, joined, v, here[i]);
            }
            for (Value &v : before)
              v = splat(b, loc, v, lanes);
          }
          for (auto [i, v] : llvm::enumerate(combine(region, before, here, lanes)))
            here[i] = arith::SelectOp::create(b, loc, first, here[i], v);
          for (int i = 0; i < count; ++i) {
            write(here[i], results[i], at);
            if (within && lanes > 1)
              here[i] = LLVM::ExtractElementOp::create(b, loc, here[i], constant(reverse ? 0 : lanes - 1));
          }
          return here;
        });
      },
      axis);
}
