//===-- Emitter.h - writes the loops of one kernel -------------------------===//
//
// Tiles become loops over groups of lanes. A tile is either in memory (a Buffer) or computed where it is read: `eval`
// gives any few elements of it. Fusion.h decides which.
//
#ifndef TREADLE_TARGET_CPU_EMITTER_H
#define TREADLE_TARGET_CPU_EMITTER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "target/cpu/Elementwise.h"
#include "target/cpu/Fusion.h"
#include "tile/IR/Tile.h"
#include <map>

namespace treadle::cpu {

using namespace mlir; // a header of this folder's sources only
using Pred = arith::CmpIPredicate;
using tile::ViewType;

/// Elements that are computed together.
constexpr int Lanes = 16;

inline mlir::RankedTensorType tileType(mlir::Value value) {
  return llvm::dyn_cast<mlir::RankedTensorType>(value.getType());
}

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
  template <typename Op, typename... Args> Value fold(Args &&...args) {
    Block *block = b.getInsertionBlock();
    Operation *before = block->empty() ? nullptr : &block->back();
    return shared(b.createOrFold<Op>(loc, std::forward<Args>(args)...), before);
  }
  Value shared(Value value, Operation *before);
  Value add(Value x, Value y) { return fold<arith::AddIOp>(x, y); }
  Value sub(Value x, Value y) { return fold<arith::SubIOp>(x, y); }
  Value mul(Value x, Value y) { return fold<arith::MulIOp>(x, y); }
  Value both(Value x, Value y) { return fold<arith::AndIOp>(x, y); }
  Value compare(Pred predicate, Value x, Value y) { return fold<arith::CmpIOp>(predicate, x, y); }
  Value smaller(Value x, Value y) { return fold<arith::MinSIOp>(x, y); }
  Value larger(Value x, Value y) { return fold<arith::MaxSIOp>(x, y); }
  Value toI64(Value index) { return fold<arith::IndexCastOp>(b.getI64Type(), index); }
  Value toIndex(Value number) { return fold<arith::IndexCastOp>(b.getIndexType(), number); }
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
  void emitSlice(tile::SliceOp op);
  void emitNarrow(tile::NarrowOp op);
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
  std::map<int64_t, Value> constants;              ///< a DenseMap takes neither the least nor the greatest number
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

/// Lanes of a group along an axis of a tile; 1 where there is no axis.
inline int lanesAlong(ArrayRef<int64_t> shape, int axis) {
  return axis < 0 ? 1 : std::min<int64_t>(Lanes, shape[axis]);
}

} // namespace treadle::cpu

#endif
