//===-- Tiles.cpp - constants, loops, and the elements of tiles ----------===//

#include "target/cpu/Emitter.h"

#include "mlir/IR/Matchers.h"
#include "tile/IR/Abi.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::cpu;

Emitter::Emitter(func::FuncOp kernel, func::FuncOp function, int vectorBits)
    : kernel(kernel), b(kernel.getContext()), loc(kernel.getLoc()), entry(function.addEntryBlock()),
      vectorBits(vectorBits) {
  b.setInsertionPointToEnd(entry);
  auto ptr = LLVM::LLVMPointerType::get(b.getContext());
  for (int i = 0; i < 3; ++i)
    ids[i] = arith::IndexCastOp::create(b, loc, b.getIndexType(), entry->getArgument(i + 1));
  auto abi = tile::kernelAbi(kernel);
  SmallVector<Value> passed;
  for (auto [i, argument] : llvm::enumerate(abi)) {
    Value slot = LLVM::LoadOp::create(b, loc, ptr, address(entry->getArgument(0), ptr, constant(i)));
    passed.push_back(
        LLVM::LoadOp::create(b, loc, argument.kind == tile::AbiArg::Pointer ? Type(ptr) : argument.type, slot));
  }
  for (unsigned i = 0; i < kernel.getNumArguments(); ++i) {
    Value argument = kernel.getArgument(i);
    auto type = dyn_cast<ViewType>(argument.getType());
    auto position = [&](tile::AbiArg::Kind kind, int axis) {
      return llvm::find_if(abi, [&](auto &a) { return a.kind == kind && a.arg == i && int(a.axis) == axis; }) -
             abi.begin();
    };
    if (!type) {
      Value value = passed[position(tile::AbiArg::Scalar, 0)];
      scalars[argument] = argument.getType().isIndex() ? toIndex(value) : value;
      continue;
    }
    View view{passed[position(tile::AbiArg::Pointer, 0)], {}, {}};
    for (int axis = 0; axis < type.getRank(); ++axis) {
      int64_t size = type.getShape()[axis], stride = type.getStrides()[axis];
      view.sizes.push_back(ShapedType::isDynamic(size) ? passed[tile::dimPosition(kernel, abi, i, axis)]
                                                       : constant(size));
      view.strides.push_back(ShapedType::isDynamic(stride) ? passed[position(tile::AbiArg::Stride, axis)]
                                                           : constant(stride));
    }
    views[argument] = view;
  }
}

Value Emitter::constant(int64_t value) {
  Value &cached = constants[value];
  if (!cached) {
    OpBuilder top(entry, entry->begin());
    cached = arith::ConstantOp::create(top, loc, b.getI64IntegerAttr(value));
  }
  return cached;
}

/// Folding makes a new constant each time, the last op after `before`; the cached one is taken instead.
Value Emitter::shared(Value value, Operation *before) {
  APInt known;
  if (!value.getType().isInteger(64) || !matchPattern(value, m_ConstantInt(&known)))
    return value;
  Value cached = constant(known.getSExtValue());
  Operation *made = value.getDefiningOp();
  if (made != before && made == &b.getInsertionBlock()->back())
    made->erase();
  return cached;
}

/// `element` as it lies in memory.
static Type memoryType(Type element) {
  return element.isInteger(1) ? IntegerType::get(element.getContext(), 8) : laneType(element);
}

static int64_t elementBytes(Type element) { return std::max<int64_t>(1, element.getIntOrFloatBitWidth() / 8); }

Value Emitter::address(Value pointer, Type element, Value offset) {
  return LLVM::GEPOp::create(b, loc, pointer.getType(),
                             isa<LLVM::LLVMPointerType>(element) ? element : memoryType(element), pointer,
                             ValueRange(offset));
}

Value Emitter::loadAt(Value pointer, Type element, Value offset, int lanes) {
  Value value = LLVM::LoadOp::create(b, loc, laneType(memoryType(element), lanes), address(pointer, element, offset),
                                     elementBytes(element));
  return element.isInteger(1) ? Value(arith::TruncIOp::create(b, loc, laneType(element, lanes), value)) : value;
}

void Emitter::storeAt(Value value, Value pointer, Type element, Value offset) {
  auto vector = dyn_cast<VectorType>(value.getType());
  if (element.isInteger(1))
    value = arith::ExtUIOp::create(b, loc, laneType(b.getI8Type(), vector ? vector.getNumElements() : 1), value);
  LLVM::StoreOp::create(b, loc, value, address(pointer, element, offset), elementBytes(element));
}

SmallVector<Value> Emitter::loop(Value low, Value high, int64_t step, ValueRange init, Body body) {
  auto emitBody = [&](Value at, ValueRange carried) {
    auto outer = std::move(memo);
    memo.clear();
    SmallVector<Value> out = body(at, carried);
    memo = std::move(outer);
    return out;
  };
  APInt first, last;
  if (matchPattern(low, m_ConstantInt(&first)) && matchPattern(high, m_ConstantInt(&last)) &&
      (last - first).getSExtValue() == step)
    return emitBody(low, init);
  auto op = scf::ForOp::create(b, loc, low, high, constant(step), init,
                               [&](OpBuilder &, Location, Value at, ValueRange carried) {
                                 scf::YieldOp::create(b, loc, emitBody(at, carried));
                               });
  return SmallVector<Value>(op.getResults());
}

void Emitter::loop(Value low, Value high, int64_t step, function_ref<void(Value)> body) {
  loop(low, high, step, {}, [&](Value at, ValueRange) {
    body(at);
    return SmallVector<Value>();
  });
}

/// Loops over a shape, `lanes` elements at a time along `axis`; the index of `skip` stays 0.
void Emitter::nest(ArrayRef<int64_t> shape, int axis, int lanes, function_ref<void(ArrayRef<Value>)> body, int skip) {
  Indices at(shape.size(), constant(0));
  std::function<void(int)> descend = [&](int i) {
    if (i == int(shape.size()))
      return body(at);
    if (i == skip || shape[i] == 1)
      return descend(i + 1);
    loop(constant(0), constant(shape[i]), i == axis ? lanes : 1, [&](Value index) {
      at[i] = index;
      descend(i + 1);
    });
    at[i] = constant(0);
  };
  descend(0);
}

//===-- tiles --------------------------------------------------------------===//

Buffer Emitter::allocate(ArrayRef<int64_t> shape, Type element) {
  Buffer buffer{{}, SmallVector<int64_t>(shape), element, elementBytes(element)};
  for (int64_t size : shape)
    buffer.bytes *= size;
  buffer.bytes = (buffer.bytes + 63) / 64 * 64;
  SmallVector<Value> &slots = freeSlots[buffer.bytes];
  if (!slots.empty()) {
    buffer.pointer = slots.pop_back_val();
    return buffer;
  }
  Value count = constant(buffer.bytes);
  OpBuilder top(b.getContext());
  top.setInsertionPointAfterValue(count);
  buffer.pointer =
      LLVM::AllocaOp::create(top, loc, LLVM::LLVMPointerType::get(b.getContext()), b.getI8Type(), count, 64);
  allocated += buffer.bytes;
  return buffer;
}

/// Memory for a result, freed after its last reader in this block.
Buffer Emitter::target(Value result) {
  auto wanted = destination.find(result);
  if (wanted != destination.end())
    return buffers[result] = wanted->second;
  Buffer buffer = allocate(result);
  own(buffer, result);
  return buffers[result] = buffer;
}

Value Emitter::read(const Buffer &buffer, ArrayRef<Value> at, int axis, int lanes) {
  Value offset = constant(0);
  for (auto [i, index] : llvm::enumerate(at))
    offset = add(offset, mul(index, constant(buffer.stride(i))));
  if (lanes == 1 || buffer.stride(axis) == 1)
    return loadAt(buffer.pointer, buffer.element, offset, lanes);
  Value vector = LLVM::PoisonOp::create(b, loc, laneType(buffer.element, lanes));
  for (int lane = 0; lane < lanes; ++lane) {
    Value element = loadAt(buffer.pointer, buffer.element, add(offset, constant(lane * buffer.stride(axis))), 1);
    vector = LLVM::InsertElementOp::create(b, loc, vector, element, constant(lane));
  }
  return vector;
}

/// Lanes lie along the axis on which the buffer is contiguous.
void Emitter::write(Value value, const Buffer &buffer, ArrayRef<Value> at) {
  Value offset = constant(0);
  for (auto [i, index] : llvm::enumerate(at))
    offset = add(offset, mul(index, constant(buffer.stride(i))));
  storeAt(value, buffer.pointer, buffer.element, offset);
}

/// The elements of a tile from index `at` on, `lanes` of them along `axis`.
Value Emitter::eval(Value tile, ArrayRef<Value> at, int axis, int lanes) {
  if (!tileType(tile))
    return splat(b, loc, scalar(tile), lanes);
  SmallVector<const void *, 6> key{tile.getAsOpaquePointer(), reinterpret_cast<void *>(intptr_t(lanes > 1 ? axis : -1)),
                                   reinterpret_cast<void *>(intptr_t(lanes))};
  for (Value index : at)
    key.push_back(index.getAsOpaquePointer());
  if (Value known = memo.count(key) ? memo[key] : Value())
    return known;
  auto buffer = buffers.find(tile);
  Value value = buffer != buffers.end() ? read(Buffer(buffer->second), at, axis, lanes)
                                        : compute(tile.getDefiningOp(), at, axis, lanes);
  return memo[key] = value;
}

Value Emitter::compute(Operation *op, ArrayRef<Value> at, int axis, int lanes) {
  Indices from(at);
  return TypeSwitch<Operation *, Value>(op)
      .Case([&](tile::SplatOp splatOp) { return splat(b, loc, scalar(splatOp.getValue()), lanes); })
      .Case([&](tile::IotaOp) {
        Value base = splat(b, loc, arith::TruncIOp::create(b, loc, b.getI32Type(), at[0]), lanes);
        if (lanes == 1)
          return base;
        auto steps = llvm::to_vector(llvm::seq<int32_t>(0, lanes));
        Value offsets = arith::ConstantOp::create(
            b, loc, DenseElementsAttr::get(cast<VectorType>(base.getType()), ArrayRef(steps)));
        return add(base, offsets);
      })
      .Case([&](tile::ExpandDimsOp expand) {
        int inserted = expand.getAxis();
        from.erase(from.begin() + inserted);
        return eval(expand.getOperand(), from, axis > inserted ? axis - 1 : axis, lanes);
      })
      .Case([&](tile::BroadcastOp broadcast) {
        auto shape = tileType(broadcast.getOperand()).getShape();
        bool uniform = lanes > 1 && shape[axis] == 1;
        for (auto [i, size] : llvm::enumerate(shape))
          if (size == 1)
            from[i] = constant(0);
        if (uniform)
          return splat(b, loc, eval(broadcast.getOperand(), from, -1, 1), lanes);
        return eval(broadcast.getOperand(), from, axis, lanes);
      })
      .Case([&](tile::TransposeOp transpose) {
        for (auto [i, p] : llvm::enumerate(transpose.getPerm()))
          from[p] = at[i];
        return eval(transpose.getOperand(), from, axis < 0 ? -1 : transpose.getPerm()[axis], lanes);
      })
      .Case([&](tile::ExtractOp extract) {
        for (auto [i, offset] : llvm::enumerate(extract.getOffsets()))
          from[i] = add(at[i], constant(offset));
        return eval(extract.getOperand(), from, axis, lanes);
      })
      .Default([&](Operation *) {
        SmallVector<Value> operands;
        for (Value operand : op->getOperands())
          operands.push_back(eval(operand, at, axis, lanes));
        return emitElementwise(b, op, operands, lanes);
      });
}

/// Writes the elements of a tile to memory; `asF32`: widened from 16-bit floats.
void Emitter::fill(Value tile, const Buffer &buffer, bool asF32) {
  if (auto transpose = tile.getDefiningOp<tile::TransposeOp>(); transpose && !inMemory(tile) && turnsLanes(transpose))
    return fillTransposed(transpose, buffer, asF32);
  int axis = lastAxis(buffer.shape), lanes = lanesAlong(buffer.shape, axis);
  nest(buffer.shape, axis, lanes, [&](ArrayRef<Value> at) {
    Value value = inMemory(tile) ? eval(tile, at, axis, lanes) : compute(tile.getDefiningOp(), at, axis, lanes);
    write(asF32 ? toF32(b, loc, value, tileType(tile).getElementType()) : value, buffer, at);
  });
}

/// Squares of lanes are read along the operand's rows, turned in registers, and written along the result's.
void Emitter::fillTransposed(tile::TransposeOp op, const Buffer &buffer, bool asF32) {
  Value operand = op.getOperand();
  ArrayRef<int64_t> shape = buffer.shape;
  int fromAxis = lastAxis(tileType(operand).getShape()), along = lastAxis(shape);
  int across = llvm::find(op.getPerm(), fromAxis) - op.getPerm().begin(); // the operand's rows in the result
  int side = std::min<int64_t>({8, shape[along], shape[across]});
  nest(
      shape, along, side,
      [&](ArrayRef<Value> outer) {
        loop(constant(0), constant(shape[across]), side, [&](Value index) {
          SmallVector<Value> rows;
          for (int i = 0; i < side; ++i) {
            Indices at(outer), from(outer);
            at[along] = add(at[along], constant(i));
            at[across] = index;
            for (auto [axis, p] : llvm::enumerate(op.getPerm()))
              from[p] = at[axis];
            rows.push_back(eval(operand, from, fromAxis, side));
          }
          // Exchange the off-diagonal halves of 2x2, then 4x4, … squares.
          for (int d = 1; d < side; d *= 2)
            for (int i = 0; i < side; ++i) {
              if (i & d)
                continue;
              SmallVector<int32_t> upper, lower;
              for (int lane = 0; lane < side; ++lane) {
                upper.push_back(lane & d ? side + (lane ^ d) : lane);
                lower.push_back(lane & d ? side + lane : lane ^ d);
              }
              Value first = rows[i], second = rows[i + d];
              rows[i] = LLVM::ShuffleVectorOp::create(b, loc, first, second, upper);
              rows[i + d] = LLVM::ShuffleVectorOp::create(b, loc, first, second, lower);
            }
          for (int i = 0; i < side; ++i) {
            Indices at(outer);
            at[across] = add(index, constant(i));
            write(asF32 ? toF32(b, loc, rows[i], tileType(operand).getElementType()) : rows[i], buffer, at);
          }
        });
      },
      across);
}

/// True when computing the tile's elements reads that memory.
bool Emitter::reads(Value tile, Value pointer) {
  if (!tileType(tile))
    return false;
  if (auto it = buffers.find(tile); it != buffers.end())
    return it->second.pointer == pointer;
  return llvm::any_of(tile.getDefiningOp()->getOperands(), [&](Value v) { return reads(v, pointer); });
}

/// True when element i of the tile needs no element of that memory but i.
bool Emitter::readsInPlace(Value tile, Value pointer) {
  if (!reads(tile, pointer) || inMemory(tile))
    return true;
  Operation *op = tile.getDefiningOp();
  return op->hasTrait<OpTrait::Elementwise>() &&
         llvm::all_of(op->getOperands(), [&](Value v) { return !tileType(v) || readsInPlace(v, pointer); });
}
