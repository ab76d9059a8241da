//===-- Memory.cpp - tile.load and tile.store ----------------------------===//

#include "target/cpu/Emitter.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::cpu;

Window Emitter::window(const View &view, ViewType type, ValueRange indices, ArrayRef<int32_t> along,
                       ArrayRef<int64_t> shape) {
  Window out;
  Value offset = constant(0), inside;
  for (size_t axis = 0; axis < indices.size(); ++axis) {
    Value index = toI64(scalar(indices[axis])), size = view.sizes[axis];
    offset = add(offset, mul(index, view.strides[axis]));
    const int32_t *entry = llvm::find(along, int32_t(axis));
    if (entry == along.end()) {
      Value in = compare(Pred::ult, index, size);
      inside = inside ? both(inside, in) : in;
      continue;
    }
    // A tile that starts further out than its length is empty all the same; clamped, nothing below overflows.
    int64_t length = shape[entry - along.begin()];
    Value start = smaller(larger(index, constant(-length)), size);
    out.low.push_back(larger(sub(constant(0), start), constant(0)));
    out.high.push_back(smaller(sub(size, start), constant(length)));
    out.strides.push_back(view.strides[axis]);
  }
  if (inside) {
    if (along.empty()) {
      out.low.push_back(constant(0));
      out.high.push_back(constant(1));
    }
    out.high[0] = fold<arith::SelectOp>(inside, out.high[0], out.low[0]);
  }
  out.contiguous = !along.empty() && type.getStrides()[along.back()] == 1;
  out.origin = address(view.pointer, type.getElementType(), offset);
  return out;
}

void Emitter::emitSlice(tile::SliceOp op) {
  View view = views[op.getView()];
  Value &size = view.sizes[op.getAxis()];
  Value from = smaller(larger(toI64(scalar(op.getFrom())), constant(0)), size);
  size = smaller(larger(toI64(scalar(op.getSize())), constant(0)), sub(size, from));
  view.pointer = address(view.pointer, op.getView().getType().getElementType(), mul(from, view.strides[op.getAxis()]));
  views[op.getResult()] = view;
}

void Emitter::emitNarrow(tile::NarrowOp op) {
  View view = views[op.getView()];
  ViewType type = op.getType();
  view.sizes[op.getAxis()] = constant(type.getShape()[op.getAxis()]);
  int64_t offset = op.getFrom() * type.getStrides()[op.getAxis()];
  view.pointer = address(view.pointer, type.getElementType(), constant(offset));
  views[op.getResult()] = view;
}

void Emitter::emitLoad(tile::LoadOp op) {
  ViewType viewType = op.getView().getType();
  Type element = viewType.getElementType();
  auto type = tileType(op.getResult());
  SmallVector<int64_t> shape(type ? type.getShape() : ArrayRef<int64_t>());
  Window part = window(views[op.getView()], viewType, op.getIndices(), op.getAlong(), shape);
  Value other = op.getOther() ? scalar(op.getOther()) : number(b, loc, laneType(element), 0);
  if (!type) {
    if (part.high.empty()) { // a view without axes
      scalars[op.getResult()] = loadAt(part.origin, element, constant(0), 1);
      return;
    }
    auto branch = scf::IfOp::create(
        b, loc, compare(Pred::slt, part.low[0], part.high[0]),
        [&](OpBuilder &, Location) { scf::YieldOp::create(b, loc, loadAt(part.origin, element, constant(0), 1)); },
        [&](OpBuilder &, Location) { scf::YieldOp::create(b, loc, other); });
    scalars[op.getResult()] = branch.getResult(0);
    return;
  }

  Buffer to = target(op.getResult());
  Value whole = arith::ConstantOp::create(b, loc, b.getBoolAttr(true));
  for (auto [low, high, size] : llvm::zip(part.low, part.high, shape))
    whole = both(whole, compare(Pred::eq, sub(high, low), constant(size)));
  Value ragged = fold<arith::XOrIOp>(whole, arith::ConstantOp::create(b, loc, b.getBoolAttr(true)));
  scf::IfOp::create(b, loc, ragged, [&](OpBuilder &, Location) {
    int axis = lastAxis(shape), lanes = lanesAlong(shape, axis);
    Value filler = splat(b, loc, other, lanes);
    nest(shape, axis, lanes, [&](ArrayRef<Value> at) { write(filler, to, at); });
    scf::YieldOp::create(b, loc);
  });

  int last = shape.size() - 1;
  int lanes = part.contiguous ? std::min<int64_t>(Lanes, shape[last]) : 1;
  std::function<void(int, Value, Value)> copy = [&](int axis, Value from, Value into) {
    auto step = [&](Value index, int count) {
      Value source = add(from, mul(index, part.strides[axis])), dest = add(into, mul(index, constant(to.stride(axis))));
      if (axis < last)
        return copy(axis + 1, source, dest);
      storeAt(loadAt(part.origin, element, source, count), to.pointer, element, dest);
    };
    Value low = part.low[axis], high = part.high[axis];
    if (axis == last && lanes > 1) {
      Value rest = both(sub(high, low), constant(lanes - 1));
      Value middle = sub(high, rest);
      loop(low, middle, lanes, [&](Value index) { step(index, lanes); });
      low = middle;
    }
    loop(low, high, 1, [&](Value index) { step(index, 1); });
  };
  copy(0, constant(0), constant(0));
}

void Emitter::emitStore(tile::StoreOp op) {
  ViewType viewType = op.getView().getType();
  Type element = viewType.getElementType();
  auto type = tileType(op.getValue());
  SmallVector<int64_t> shape(type ? type.getShape() : ArrayRef<int64_t>());
  Window part = window(views[op.getView()], viewType, op.getIndices(), op.getAlong(), shape);
  if (!type) {
    Value value = scalar(op.getValue());
    if (part.high.empty())
      return storeAt(value, part.origin, element, constant(0));
    scf::IfOp::create(b, loc, compare(Pred::slt, part.low[0], part.high[0]), [&](OpBuilder &, Location) {
      storeAt(value, part.origin, element, constant(0));
      scf::YieldOp::create(b, loc);
    });
    return;
  }

  // The value is computed in whole groups of lanes; a group that is not all inside goes through `edge`.
  int last = shape.size() - 1, lanes = std::min<int64_t>(Lanes, shape[last]);
  Buffer edge = allocate({lanes}, element);
  Indices at(shape.size());
  std::function<void(int, Value)> copy = [&](int axis, Value offset) {
    Value low = part.low[axis], high = part.high[axis];
    if (axis < last)
      return loop(low, high, 1, [&](Value index) {
        at[axis] = index;
        copy(axis + 1, add(offset, mul(index, part.strides[axis])));
      });
    Value first = both(low, constant(-lanes));
    loop(first, high, lanes, [&](Value group) {
      at[axis] = group;
      Value value = eval(op.getValue(), at, axis, lanes), end = add(group, constant(lanes));
      auto elements = [&] {
        storeAt(value, edge.pointer, element, constant(0));
        loop(larger(group, low), smaller(end, high), 1, [&](Value index) {
          Value one = loadAt(edge.pointer, element, sub(index, group), 1);
          storeAt(one, part.origin, element, add(offset, mul(index, part.strides[axis])));
        });
      };
      if (lanes == 1)
        return storeAt(value, part.origin, element, add(offset, mul(group, part.strides[axis])));
      if (!part.contiguous)
        return elements();
      Value inside = both(compare(Pred::sge, group, low), compare(Pred::sle, end, high));
      scf::IfOp::create(
          b, loc, inside,
          [&](OpBuilder &, Location) {
            storeAt(value, part.origin, element, add(offset, group));
            scf::YieldOp::create(b, loc);
          },
          [&](OpBuilder &, Location) {
            elements();
            scf::YieldOp::create(b, loc);
          });
    });
  };
  copy(0, constant(0));
  release(edge);
}
