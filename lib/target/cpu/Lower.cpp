//===-- Lower.cpp - tile kernels to loops over scalars and vectors ---------===//

#include "target/cpu/Elementwise.h"
#include "target/cpu/Fusion.h"
#include "target/cpu/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/TypeUtilities.h"
#include "tile/IR/Abi.h"
#include "tile/IR/Tile.h"
#include "llvm/ADT/TypeSwitch.h"
#include <map>

using namespace mlir;
using namespace treadle;
using namespace treadle::cpu;
using Pred = arith::CmpIPredicate;
using tile::ViewType;

/// Elements that are computed together.
static constexpr int Lanes = 16;

static RankedTensorType tileType(Value value) { return dyn_cast<RankedTensorType>(value.getType()); }

namespace {
/// A tile in memory: row-major, contiguous.
struct Buffer {
  Value pointer;
  SmallVector<int64_t> shape;
  Type element; ///< of the tile
  int64_t bytes = 0;

  int64_t stride(int axis) const {
    int64_t product = 1;
    for (int64_t size : ArrayRef(shape).drop_front(axis + 1))
      product *= size;
    return product;
  }
};

struct View {
  Value pointer;
  SmallVector<Value> sizes, strides;
};

/// The part of a tile that lies inside a view: elements [low, high) along every axis of the tile.
struct Window {
  Value origin; ///< pointer to element 0, perhaps outside the view
  SmallVector<Value> low, high, strides;
  bool contiguous = false; ///< along the last axis
};

using Indices = SmallVector<Value, 4>;

class Emitter {
public:
  Emitter(func::FuncOp kernel, func::FuncOp entry, int vectorBits);
  void run() { emitBlock(kernel.getBody().front(), {}); }
  int64_t stackBytes() const { return allocated; }

private:
  // Constants, addresses, loops.
  Value constant(int64_t value);
  Value add(Value x, Value y) { return b.createOrFold<arith::AddIOp>(loc, x, y); }
  Value mul(Value x, Value y) { return b.createOrFold<arith::MulIOp>(loc, x, y); }
  Value compare(Pred predicate, Value x, Value y) { return b.createOrFold<arith::CmpIOp>(loc, predicate, x, y); }
  Value smaller(Value x, Value y) { return b.createOrFold<arith::MinSIOp>(loc, x, y); }
  Value larger(Value x, Value y) { return b.createOrFold<arith::MaxSIOp>(loc, x, y); }
  Value toI64(Value index) { return b.createOrFold<arith::IndexCastOp>(loc, b.getI64Type(), index); }
  Value address(Value pointer, Type element, Value offset);
  Value loadAt(Value pointer, Type element, Value offset, int lanes);
  void storeAt(Value value, Value pointer, Type element, Value offset);
  using Body = function_ref<SmallVector<Value>(Value, ValueRange)>;
  SmallVector<Value> loop(Value low, Value high, int64_t step, ValueRange init, Body body);
  void loop(Value low, Value high, int64_t step, function_ref<void(Value)> body);
  void nest(ArrayRef<int64_t> shape, int axis, int lanes, function_ref<void(ArrayRef<Value>)> body, int skip = -1);

  // Tiles.
  Buffer allocate(ArrayRef<int64_t> shape, Type element);
  Buffer allocate(Value tile) { return allocate(tileType(tile).getShape(), tileType(tile).getElementType()); }
  /// The tile's last reader in this block frees the memory.
  void own(const Buffer &buffer, Value tile) { owned->push_back({buffer, tile}); }
  void release(const Buffer &buffer) { freeSlots[buffer.bytes].push_back(buffer.pointer); }
  Buffer target(Value result);
  Value read(const Buffer &buffer, ArrayRef<Value> at, int axis, int lanes);
  void write(Value value, const Buffer &buffer, ArrayRef<Value> at);
  Value eval(Value tile, ArrayRef<Value> at, int axis, int lanes);
  Value compute(Operation *op, ArrayRef<Value> at, int axis, int lanes);
  void fill(Value tile, const Buffer &buffer, bool asF32 = false);
  void fillTransposed(tile::TransposeOp op, const Buffer &buffer, bool asF32);
  Value scalar(Value value) { return scalars.lookup(value); }
  bool inMemory(Value tile) { return buffers.contains(tile); }
  bool reads(Value tile, Value pointer);
  bool readsInPlace(Value tile, Value pointer);

  // Ops.
  void emitBlock(Block &block, ArrayRef<std::optional<Buffer>> destinations);
  void chooseDestination(Operation *op, ValueRange yielded, ArrayRef<std::optional<Buffer>> destinations);
  void yieldInto(ValueRange yielded, ArrayRef<std::optional<Buffer>> destinations);
  SmallVector<Value> yieldedScalars(Operation *terminator);
  void emit(Operation *op);
  Window window(const View &view, ViewType type, ValueRange indices, ArrayRef<int32_t> along, ArrayRef<int64_t> shape);
  void emitLoad(tile::LoadOp op);
  void emitStore(tile::StoreOp op);
  void emitReduce(tile::ReduceOp op);
  void emitScan(tile::ScanOp op);
  void emitDot(tile::DotOp op);
  void emitFor(scf::ForOp op);
  void emitIf(scf::IfOp op);
  void emitWhile(scf::WhileOp op);
  SmallVector<Value> combine(Region &region, ValueRange left, ValueRange right, int lanes);
  SmallVector<std::optional<Buffer>> allocateEach(ValueRange tiles);
  SmallVector<Value> scalarsOf(ValueRange values);
  void bind(ValueRange values, ArrayRef<std::optional<Buffer>> tiles, ValueRange plain);

  func::FuncOp kernel;
  OpBuilder b;
  Location loc;
  Block *entry;
  int vectorBits;
  int64_t allocated = 0;
  DenseMap<int64_t, Value> constants;
  std::map<int64_t, SmallVector<Value>> freeSlots; ///< by size
  DenseMap<Value, Value> scalars;
  DenseMap<Value, Buffer> buffers;
  DenseMap<Value, Buffer> destination; ///< where a result is wanted
  DenseMap<Value, View> views;
  Value ids[3];
  Fusion *fusion = nullptr;
  SmallVector<std::pair<Buffer, Value>> *owned = nullptr; ///< memory of tiles of the block being emitted
  /// Values already computed at this place, by tile, indices and lanes.
  std::map<SmallVector<const void *, 6>, Value> memo;
};
} // namespace

//===-- constants, addresses, loops ----------------------------------------===//

Emitter::Emitter(func::FuncOp kernel, func::FuncOp function, int vectorBits)
    : kernel(kernel), b(kernel.getContext()), loc(kernel.getLoc()), entry(function.addEntryBlock()), vectorBits(vectorBits) {
  b.setInsertionPointToEnd(entry);
  auto ptr = LLVM::LLVMPointerType::get(b.getContext());
  for (int i = 0; i < 3; ++i)
    ids[i] = arith::IndexCastOp::create(b, loc, b.getIndexType(), entry->getArgument(i + 1));
  auto abi = tile::kernelAbi(kernel);
  SmallVector<Value> passed;
  for (auto [i, argument] : llvm::enumerate(abi)) {
    Value slot = LLVM::LoadOp::create(b, loc, ptr, address(entry->getArgument(0), ptr, constant(i)));
    passed.push_back(LLVM::LoadOp::create(b, loc, argument.kind == tile::AbiArg::Pointer ? Type(ptr) : argument.type, slot));
  }
  for (unsigned i = 0; i < kernel.getNumArguments(); ++i) {
    Value argument = kernel.getArgument(i);
    auto type = dyn_cast<ViewType>(argument.getType());
    auto position = [&](tile::AbiArg::Kind kind, int axis) {
      return llvm::find_if(abi, [&](auto &a) { return a.kind == kind && a.arg == i && int(a.axis) == axis; }) - abi.begin();
    };
    if (!type) {
      Value value = passed[position(tile::AbiArg::Scalar, 0)];
      scalars[argument] = argument.getType().isIndex() ? b.createOrFold<arith::IndexCastOp>(loc, b.getIndexType(), value) : value;
      continue;
    }
    View view{passed[position(tile::AbiArg::Pointer, 0)], {}, {}};
    for (int axis = 0; axis < type.getRank(); ++axis) {
      int64_t size = type.getShape()[axis], stride = type.getStrides()[axis];
      view.sizes.push_back(ShapedType::isDynamic(size) ? passed[tile::dimPosition(kernel, abi, i, axis)] : constant(size));
      view.strides.push_back(ShapedType::isDynamic(stride) ? passed[position(tile::AbiArg::Stride, axis)] : constant(stride));
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

/// `element` as it lies in memory.
static Type memoryType(Type element) {
  return element.isInteger(1) ? IntegerType::get(element.getContext(), 8) : laneType(element);
}

static int64_t elementBytes(Type element) { return std::max<int64_t>(1, element.getIntOrFloatBitWidth() / 8); }

Value Emitter::address(Value pointer, Type element, Value offset) {
  return LLVM::GEPOp::create(b, loc, pointer.getType(), isa<LLVM::LLVMPointerType>(element) ? element : memoryType(element),
                             pointer, ValueRange(offset));
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
  auto op = scf::ForOp::create(b, loc, low, high, constant(step), init, [&](OpBuilder &, Location, Value at, ValueRange carried) {
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

static int lanesAlong(ArrayRef<int64_t> shape, int axis) { return axis < 0 ? 1 : std::min<int64_t>(Lanes, shape[axis]); }

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
  buffer.pointer = LLVM::AllocaOp::create(top, loc, LLVM::LLVMPointerType::get(b.getContext()), b.getI8Type(), count, 64);
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
        Value offsets = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(cast<VectorType>(base.getType()), ArrayRef(steps)));
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
    Value value = inMemory(tile) ? eval(tile, at, axis, lanes)
                                 : compute(tile.getDefiningOp(), at, axis, lanes);
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
  nest(shape, along, side, [&](ArrayRef<Value> outer) {
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
  }, across);
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

//===-- blocks -------------------------------------------------------------===//

static ValueRange yieldedBy(Operation *terminator) {
  if (auto condition = dyn_cast<scf::ConditionOp>(terminator))
    return condition.getArgs();
  return terminator->getOperands();
}

/// A result that the terminator hands on is computed where it is wanted, if no later reader needs what is there.
void Emitter::chooseDestination(Operation *op, ValueRange yielded, ArrayRef<std::optional<Buffer>> destinations) {
  if (!isa<tile::LoadOp, tile::DotOp, tile::ReduceOp, tile::ScanOp>(op))
    return;
  for (auto [value, wanted] : llvm::zip(yielded, destinations)) {
    if (!wanted || value.getDefiningOp() != op || destination.contains(value))
      continue;
    Value pointer = wanted->pointer;
    bool free = true;
    for (Value argument : op->getBlock()->getArguments())
      if (inMemory(argument) && buffers[argument].pointer == pointer)
        free = fusion->lastReader(argument, op);
    if (auto dot = dyn_cast<tile::DotOp>(op))
      free = free && readsInPlace(dot.getC(), pointer) && !reads(dot.getA(), pointer) && !reads(dot.getB(), pointer);
    else if (!isa<tile::LoadOp>(op))
      free = free && llvm::none_of(op->getOperands(), [&](Value v) { return reads(v, pointer); });
    if (free)
      destination[value] = *wanted;
  }
}

void Emitter::emitBlock(Block &block, ArrayRef<std::optional<Buffer>> destinations) {
  Fusion here(block);
  SmallVector<std::pair<Buffer, Value>> mine;
  Fusion *outerFusion = std::exchange(fusion, &here);
  auto *outerOwned = std::exchange(owned, &mine);
  Operation *terminator = block.getTerminator();
  ValueRange yielded = yieldedBy(terminator);
  for (Operation &op : block.without_terminator()) {
    if (!destinations.empty())
      chooseDestination(&op, yielded, destinations);
    loc = op.getLoc();
    emit(&op);
    for (size_t i = 0; i < mine.size();) {
      if (!here.lastReader(mine[i].second, &op)) {
        ++i;
        continue;
      }
      release(mine[i].first);
      mine.erase(mine.begin() + i);
    }
  }
  loc = terminator->getLoc();
  if (!destinations.empty())
    yieldInto(yielded, destinations);
  for (const auto &entry : mine)
    release(entry.first);
  fusion = outerFusion;
  owned = outerOwned;
}

/// Copies what a terminator hands on to where it is wanted; all is read before any of it is overwritten.
void Emitter::yieldInto(ValueRange yielded, ArrayRef<std::optional<Buffer>> destinations) {
  SmallVector<std::pair<Buffer, size_t>> late;
  auto there = [&](size_t i) {
    return !destinations[i] || (inMemory(yielded[i]) && buffers[yielded[i]].pointer == destinations[i]->pointer);
  };
  SmallVector<size_t> direct;
  for (size_t i = 0; i < yielded.size(); ++i) {
    if (there(i))
      continue;
    Value pointer = destinations[i]->pointer;
    bool conflict = !readsInPlace(yielded[i], pointer);
    for (size_t j = 0; j < yielded.size(); ++j)
      conflict |= j != i && reads(yielded[j], pointer);
    if (!conflict) {
      direct.push_back(i);
      continue;
    }
    Buffer copy = allocate(yielded[i]);
    fill(yielded[i], copy);
    late.push_back({copy, i});
  }
  for (size_t i : direct)
    fill(yielded[i], *destinations[i]);
  for (auto &entry : late) {
    const Buffer &copy = entry.first, &to = *destinations[entry.second];
    int axis = lastAxis(to.shape), lanes = lanesAlong(to.shape, axis);
    nest(to.shape, axis, lanes, [&](ArrayRef<Value> at) { write(read(copy, at, axis, lanes), to, at); });
    release(copy);
  }
}

SmallVector<Value> Emitter::yieldedScalars(Operation *terminator) { return scalarsOf(yieldedBy(terminator)); }

SmallVector<Value> Emitter::scalarsOf(ValueRange values) {
  SmallVector<Value> out;
  for (Value value : values)
    if (!tileType(value))
      out.push_back(scalar(value));
  return out;
}

SmallVector<std::optional<Buffer>> Emitter::allocateEach(ValueRange tiles) {
  SmallVector<std::optional<Buffer>> out;
  for (Value value : tiles)
    out.push_back(tileType(value) ? std::optional<Buffer>(allocate(value)) : std::nullopt);
  return out;
}

/// Says where each of `values` is: tiles in memory, the others in `plain`.
void Emitter::bind(ValueRange values, ArrayRef<std::optional<Buffer>> tiles, ValueRange plain) {
  size_t next = 0;
  for (auto [value, buffer] : llvm::zip(values, tiles)) {
    if (buffer)
      buffers[value] = *buffer;
    else
      scalars[value] = plain[next++];
  }
}

void Emitter::emit(Operation *op) {
  TypeSwitch<Operation *>(op)
      .Case([&](tile::ProgramIdOp id) { scalars[id] = ids[id.getAxis()]; })
      .Case([&](tile::DimOp dim) {
        scalars[dim] = b.createOrFold<arith::IndexCastOp>(loc, b.getIndexType(), views[dim.getView()].sizes[dim.getAxis()]);
      })
      .Case([&](tile::LoadOp load) { emitLoad(load); })
      .Case([&](tile::StoreOp store) { emitStore(store); })
      .Case([&](tile::ReshapeOp reshape) {
        Buffer buffer;
        if (inMemory(reshape.getOperand())) {
          buffer = buffers[reshape.getOperand()];
        } else {
          buffer = allocate(reshape.getOperand());
          fill(reshape.getOperand(), buffer);
          own(buffer, reshape.getResult());
        }
        buffer.shape = SmallVector<int64_t>(tileType(reshape.getResult()).getShape());
        buffers[reshape.getResult()] = buffer;
      })
      .Case([&](tile::ReduceOp reduce) { emitReduce(reduce); })
      .Case([&](tile::ScanOp scan) { emitScan(scan); })
      .Case([&](tile::DotOp dot) { emitDot(dot); })
      .Case([&](scf::ForOp loop) { emitFor(loop); })
      .Case([&](scf::IfOp branch) { emitIf(branch); })
      .Case([&](scf::WhileOp loop) { emitWhile(loop); })
      .Default([&](Operation *) {
        if (isElementwise(op)) {
          if (fusion->needsMemory(op->getResult(0))) {
            Buffer buffer = allocate(op->getResult(0));
            fill(op->getResult(0), buffer);
            buffers[op->getResult(0)] = buffer;
            own(buffer, op->getResult(0));
          }
        } else if (op->hasTrait<OpTrait::Elementwise>() || isa<arith::ConstantOp>(op)) {
          scalars[op->getResult(0)] = emitElementwise(b, op, scalarsOf(op->getOperands()), 1);
        } else {
          IRMapping map;
          for (Value operand : op->getOperands())
            map.map(operand, scalar(operand));
          for (auto [from, to] : llvm::zip(op->getResults(), b.clone(*op, map)->getResults()))
            scalars[from] = to;
        }
      });
}

//===-- memory -------------------------------------------------------------===//

Window Emitter::window(const View &view, ViewType type, ValueRange indices, ArrayRef<int32_t> along, ArrayRef<int64_t> shape) {
  Window out;
  Value offset = constant(0), inside;
  for (size_t axis = 0; axis < indices.size(); ++axis) {
    Value index = toI64(scalar(indices[axis])), size = view.sizes[axis];
    offset = add(offset, mul(index, view.strides[axis]));
    const int32_t *entry = llvm::find(along, int32_t(axis));
    if (entry == along.end()) {
      Value in = compare(Pred::ult, index, size);
      inside = inside ? b.createOrFold<arith::AndIOp>(loc, inside, in) : in;
      continue;
    }
    // A tile that starts further out than its length is empty all the same; clamped, nothing below overflows.
    int64_t length = shape[entry - along.begin()];
    Value start = smaller(larger(index, constant(-length)), size);
    out.low.push_back(larger(b.createOrFold<arith::SubIOp>(loc, constant(0), start), constant(0)));
    out.high.push_back(smaller(b.createOrFold<arith::SubIOp>(loc, size, start), constant(length)));
    out.strides.push_back(view.strides[axis]);
  }
  if (inside) {
    if (along.empty()) {
      out.low.push_back(constant(0));
      out.high.push_back(constant(1));
    }
    out.high[0] = b.createOrFold<arith::SelectOp>(loc, inside, out.high[0], out.low[0]);
  }
  out.contiguous = !along.empty() && type.getStrides()[along.back()] == 1;
  out.origin = address(view.pointer, type.getElementType(), offset);
  return out;
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
    whole = b.createOrFold<arith::AndIOp>(
        loc, whole, compare(Pred::eq, b.createOrFold<arith::SubIOp>(loc, high, low), constant(size)));
  Value ragged = b.createOrFold<arith::XOrIOp>(loc, whole, arith::ConstantOp::create(b, loc, b.getBoolAttr(true)));
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
      Value rest = b.createOrFold<arith::AndIOp>(loc, b.createOrFold<arith::SubIOp>(loc, high, low), constant(lanes - 1));
      Value middle = b.createOrFold<arith::SubIOp>(loc, high, rest);
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
    Value first = b.createOrFold<arith::AndIOp>(loc, low, constant(-lanes));
    loop(first, high, lanes, [&](Value group) {
      at[axis] = group;
      Value value = eval(op.getValue(), at, axis, lanes), end = add(group, constant(lanes));
      auto elements = [&] {
        storeAt(value, edge.pointer, element, constant(0));
        loop(larger(group, low), smaller(end, high), 1, [&](Value index) {
          Value one = loadAt(edge.pointer, element, b.createOrFold<arith::SubIOp>(loc, index, group), 1);
          storeAt(one, part.origin, element, add(offset, mul(index, part.strides[axis])));
        });
      };
      if (lanes == 1)
        return storeAt(value, part.origin, element, add(offset, mul(group, part.strides[axis])));
      if (!part.contiguous)
        return elements();
      Value inside = b.createOrFold<arith::AndIOp>(loc, compare(Pred::sge, group, low), compare(Pred::sle, end, high));
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

//===-- reduce and scan ----------------------------------------------------===//

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

/// The value that a region of one op, such as an addition, leaves others unchanged by.
static TypedAttr neutralElement(Region &region) {
  Block &block = region.front();
  if (block.getOperations().size() != 2 || block.getNumArguments() != 2)
    return {};
  Operation *op = &block.front();
  if (op->getNumOperands() != 2 || op->getNumResults() != 1 || block.getTerminator()->getOperand(0) != op->getResult(0) ||
      op->getOperand(0) == op->getOperand(1) ||
      llvm::any_of(op->getOperands(), [&](Value v) { return v.getParentBlock() != &block; }))
    return {};
  return arith::getNeutralElement(op).value_or(TypedAttr());
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

  TypedAttr neutral = neutralElement(region);
  SmallVector<Value> init;
  for (Value operand : op.getOperands()) {
    Type type = laneType(tileType(operand).getElementType(), lanes);
    if (auto value = dyn_cast_or_null<FloatAttr>(neutral); value && !isa<FloatType>(getElementTypeOrSelf(type)))
      neutral = b.getIntegerAttr(b.getI16Type(), value.getValue().bitcastToAPInt());
    init.push_back(neutral ? splat(b, loc, arith::ConstantOp::create(b, loc, neutral), lanes) : number(b, loc, type, 0));
  }
  nest(shape, laneAxis, lanes, [&](ArrayRef<Value> outer) {
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
  }, axis);
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

  nest(shape, laneAxis, lanes, [&](ArrayRef<Value> outer) {
    Indices at(outer);
    loop(constant(0), constant(shape[axis]), step, init, [&](Value index, ValueRange carried) {
      at[axis] = reverse ? b.createOrFold<arith::SubIOp>(loc, constant(shape[axis] - step), index) : index;
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
          Value joined = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(VectorType::get({lanes}, b.getI1Type()), ArrayRef<bool>(has)));
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
  }, axis);
}

//===-- dot ----------------------------------------------------------------===//

void Emitter::emitDot(tile::DotOp op) {
  auto c = cast<RankedTensorType>(op.getC().getType());
  int64_t M = c.getDimSize(0), N = c.getDimSize(1), K = cast<RankedTensorType>(op.getA().getType()).getDimSize(1);
  // Operands in f32 memory are read where they are. A row of b must be contiguous; a may be the transpose of what is read.
  SmallVector<Buffer> copies;
  auto operand = [&](Value v) -> Buffer {
    if (inMemory(v) && tileType(v).getElementType().isF32())
      return buffers[v];
    Buffer buffer = allocate(tileType(v).getShape(), b.getF32Type());
    fill(v, buffer, /*asF32=*/true);
    copies.push_back(buffer);
    return buffer;
  };
  auto turned = op.getA().getDefiningOp<tile::TransposeOp>();
  if (turned && (inMemory(op.getA()) || !turnsLanes(turned)))
    turned = {};
  Buffer a = operand(turned ? turned.getOperand() : op.getA()), rhs = operand(op.getB()), to = target(op.getResult());

  // As many sums in registers as there are, with room for a row of b and one element of a.
  int lanes = std::min<int64_t>(vectorBits / 32, N);
  int columns = std::min<int64_t>(N / lanes, 2), rows = std::min<int64_t>(vectorBits == 512 ? 8 : 4, M);
  loop(constant(0), constant(M), rows, [&](Value i) {
    loop(constant(0), constant(N), rows > 0 ? lanes * columns : 1, [&](Value j) {
      SmallVector<Indices> at;
      SmallVector<Value> init;
      for (int row = 0; row < rows; ++row)
        for (int column = 0; column < columns; ++column) {
          at.push_back({add(i, constant(row)), add(j, constant(column * lanes))});
          init.push_back(eval(op.getC(), at.back(), 1, lanes));
        }
      auto sums = loop(constant(0), constant(K), 1, init, [&](Value k, ValueRange carried) {
        SmallVector<Value> out, right;
        for (int column = 0; column < columns; ++column)
          right.push_back(read(rhs, {k, at[column][1]}, 1, lanes));
        for (int row = 0; row < rows; ++row) {
          Value i = at[row * columns][0];
          Value left = splat(b, loc, turned ? read(a, {k, i}, -1, 1) : read(a, {i, k}, -1, 1), lanes);
          for (int column = 0; column < columns; ++column) {
            Value product = arith::MulFOp::create(b, loc, left, right[column]);
            out.push_back(arith::AddFOp::create(b, loc, carried[row * columns + column], product));
          }
        }
        return out;
      });
      for (auto [where, sum] : llvm::zip(at, sums))
        write(sum, to, where);
    });
  });
  for (const Buffer &buffer : copies)
    release(buffer);
}

//===-- control flow -------------------------------------------------------===//

void Emitter::emitFor(scf::ForOp op) {
  auto carried = allocateEach(op.getInitArgs());
  for (auto [value, buffer] : llvm::zip(op.getInitArgs(), carried))
    if (buffer)
      fill(value, *buffer);
  SmallVector<Value> init = scalarsOf(op.getInitArgs());
  auto loop = scf::ForOp::create(b, loc, scalar(op.getLowerBound()), scalar(op.getUpperBound()), scalar(op.getStep()), init,
                                 [&](OpBuilder &, Location, Value index, ValueRange plain) {
                                   auto outer = std::exchange(memo, {});
                                   scalars[op.getInductionVar()] = index;
                                   bind(op.getRegionIterArgs(), carried, plain);
                                   emitBlock(*op.getBody(), carried);
                                   scf::YieldOp::create(b, loc, yieldedScalars(op.getBody()->getTerminator()));
                                   memo = std::move(outer);
                                 });
  bind(op.getResults(), carried, loop.getResults());
  for (auto [result, buffer] : llvm::zip(op.getResults(), carried))
    if (buffer)
      own(*buffer, result);
}

void Emitter::emitIf(scf::IfOp op) {
  auto results = allocateEach(op.getResults());
  auto branch = [&](Region &region) {
    return [&](OpBuilder &, Location) {
      auto outer = std::exchange(memo, {});
      emitBlock(region.front(), results);
      scf::YieldOp::create(b, loc, yieldedScalars(region.front().getTerminator()));
      memo = std::move(outer);
    };
  };
  auto thenBuilder = branch(op.getThenRegion());
  scf::IfOp made;
  if (op.getElseRegion().empty())
    made = scf::IfOp::create(b, loc, scalar(op.getCondition()), thenBuilder);
  else
    made = scf::IfOp::create(b, loc, scalar(op.getCondition()), thenBuilder, branch(op.getElseRegion()));
  bind(op.getResults(), results, made.getResults());
  for (auto [result, buffer] : llvm::zip(op.getResults(), results))
    if (buffer)
      own(*buffer, result);
}

void Emitter::emitWhile(scf::WhileOp op) {
  auto carried = allocateEach(op.getInits()), results = allocateEach(op.getResults());
  for (auto [value, buffer] : llvm::zip(op.getInits(), carried))
    if (buffer)
      fill(value, *buffer);
  SmallVector<Value> init = scalarsOf(op.getInits());
  SmallVector<Type> types;
  for (Value result : op.getResults())
    if (!tileType(result))
      types.push_back(laneType(result.getType()));
  auto made = scf::WhileOp::create(
      b, loc, types, init,
      [&](OpBuilder &, Location, ValueRange plain) {
        auto outer = std::exchange(memo, {});
        bind(op.getBeforeArguments(), carried, plain);
        emitBlock(*op.getBeforeBody(), results);
        scf::ConditionOp end = op.getConditionOp();
        scf::ConditionOp::create(b, loc, scalar(end.getCondition()), yieldedScalars(end));
        memo = std::move(outer);
      },
      [&](OpBuilder &, Location, ValueRange plain) {
        auto outer = std::exchange(memo, {});
        bind(op.getAfterArguments(), results, plain);
        emitBlock(*op.getAfterBody(), carried);
        scf::YieldOp::create(b, loc, yieldedScalars(op.getAfterBody()->getTerminator()));
        memo = std::move(outer);
      });
  bind(op.getResults(), results, made.getResults());
  for (const auto &buffer : carried)
    if (buffer)
      release(*buffer);
  for (auto [result, buffer] : llvm::zip(op.getResults(), results))
    if (buffer)
      own(*buffer, result);
}

//===-- the pass -----------------------------------------------------------===//

static LogicalResult checkSupported(func::FuncOp kernel) {
  auto result = kernel.walk([&](Operation *op) -> WalkResult {
    auto refuse = [&]() { return op->emitError() << "'" << op->getName() << "' is not supported by the CPU target"; };
    if (op == kernel.getOperation() || isa<func::ReturnOp>(op))
      return WalkResult::advance();
    for (Type type : llvm::concat<const Type>(SmallVector<Type>(op->getOperandTypes()), SmallVector<Type>(op->getResultTypes())))
      if (auto tensor = dyn_cast<RankedTensorType>(type))
        if (tensor.getElementType().isIndex() || tensor.getEncoding() || !tensor.hasStaticShape())
          return refuse() << ": no tiles of type " << type;
    if (isa<tile::TileDialect>(op->getDialect())) {
      if (!isa<tile::ProgramIdOp, tile::DimOp, tile::LoadOp, tile::StoreOp, tile::IotaOp, tile::SplatOp, tile::ExpandDimsOp,
               tile::BroadcastOp, tile::TransposeOp, tile::ReshapeOp, tile::DotOp, tile::ReduceOp, tile::ScanOp, tile::YieldOp>(op))
        return refuse() << ": it belongs to the scheduled stage";
      return WalkResult::advance();
    }
    if (isa<scf::ForOp, scf::IfOp, scf::WhileOp, scf::YieldOp, scf::ConditionOp>(op) || isElementwise(op))
      return WalkResult::advance();
    bool tiles = llvm::any_of(op->getOperands(), tileType) || llvm::any_of(op->getResults(), tileType);
    if (tiles || op->getNumRegions() || !isa<arith::ArithDialect, math::MathDialect>(op->getDialect()))
      return refuse();
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

namespace {
struct LowerToCpu : PassWrapper<LowerToCpu, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerToCpu)
  LowerToCpu() = default;
  LowerToCpu(const LowerToCpu &other) : PassWrapper(other) {}
  StringRef getArgument() const override { return "tile-lower-to-cpu"; }
  StringRef getDescription() const override { return "kernels in the pure stage to loops for one block on the host"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<LLVM::LLVMDialect, arith::ArithDialect, math::MathDialect, scf::SCFDialect>();
  }
  Option<int> vectorBits{*this, "vector-bits", llvm::cl::desc("width of the machine's vector registers"), llvm::cl::init(256)};

  void runOnOperation() override {
    SmallVector<func::FuncOp> kernels;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (tile::isKernel(function))
        kernels.push_back(function);
    for (func::FuncOp kernel : kernels) {
      if (failed(checkSupported(kernel)))
        return signalPassFailure();
      OpBuilder b(kernel);
      Type i64 = b.getI64Type();
      auto type = b.getFunctionType({LLVM::LLVMPointerType::get(&getContext()), i64, i64, i64}, {});
      auto entry = func::FuncOp::create(b, kernel.getLoc(), kernel.getName(), type);
      Emitter emitter(kernel, entry, vectorBits);
      emitter.run();
      b.setInsertionPointToEnd(&entry.getBody().front());
      func::ReturnOp::create(b, kernel.getLoc());
      entry->setAttr("treadle.stack_bytes", b.getI64IntegerAttr(emitter.stackBytes()));
      kernel.erase();
    }
  }
};
} // namespace

std::unique_ptr<Pass> cpu::createLowerToCpuPass(int vectorBits) {
  auto pass = std::make_unique<LowerToCpu>();
  pass->vectorBits = vectorBits;
  return pass;
}

void cpu::registerCpuPasses() {
  PassRegistration<LowerToCpu>();
  registerPass([] { return createCpuToLLVMPass(); });
}
