//===-- Emitter.h - from scheduled tiles to the program of one thread ------===//
//
// The emitter walks a scheduled kernel once and writes the program of one thread: a tensor becomes the scalars in that
// thread's registers, in the register order of its layout. Everything about "who holds what" comes from lib/layout.
//
// Files: Emitter.cpp (control flow, element-wise ops), GlobalMemory.cpp, SharedMemory.cpp (rings, conversions,
// barriers), Dot.cpp, Combine.cpp (reductions and scans).
//
//===----------------------------------------------------------------------===//
#ifndef TREADLE_TARGET_NVPTX_EMITTER_H
#define TREADLE_TARGET_NVPTX_EMITTER_H

#include "layout/Plans.h"
#include "layout/Swizzle.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "tile/IR/Tile.h"
#include "llvm/ADT/SmallPtrSet.h"
#include <map>

namespace treadle::tile {

using Regs = llvm::SmallVector<mlir::Value>;

/// A size or stride of a view: known now, or an i64 argument of the kernel.
struct Extent {
  int64_t known = 0;
  mlir::Value value; // null if known
  bool isKnown() const { return !value; }
};

struct ViewInfo {
  mlir::Value pointer;
  llvm::SmallVector<Extent> sizes, strides;
};

/// The bits that the lane and the warp have a part in.
inline uint32_t orOf(const DistMap &map) {
  uint32_t mask = 0;
  for (const Layout::Bases *bases : {&map.lane, &map.warp})
    for (uint32_t basis : *bases)
      mask |= basis;
  return mask;
}

class Emitter {
public:
  Emitter(mlir::func::FuncOp kernel, llvm::StringRef chip);
  mlir::LogicalResult run();

private:
  using Value = mlir::Value;
  using Type = mlir::Type;

  //===-- Emitter.cpp ------------------------------------------------------===//
  mlir::LogicalResult emit(mlir::Block &block);
  mlir::LogicalResult emit(mlir::Operation *op);
  mlir::LogicalResult elementwise(mlir::Operation *op);
  mlir::LogicalResult emitFor(mlir::scf::ForOp op);
  mlir::LogicalResult emitIf(mlir::scf::IfOp op);
  mlir::LogicalResult emitWhile(mlir::scf::WhileOp op);
  void bindArguments();
  void setPlace(Value thread);
  void bind(Value value, Regs regs) { registers[value] = std::move(regs); }
  void bindAll(mlir::ValueRange values, mlir::ValueRange flat);
  Regs &regs(Value value) { return registers.find(value)->second; }
  Value scalar(Value value) { return registers.find(value)->second.front(); }
  void appendFlat(mlir::ValueRange values, Regs &out);
  llvm::SmallVector<Type> flatTypes(mlir::TypeRange types);
  static int64_t registerCount(Type type);

  // Little builders.
  Value i32(int64_t value);
  Value i64(int64_t value);
  Value index(int64_t value);
  Value asI64(Value index);
  Value asIndex(Value i64);
  /// The linear map `bases` of the bits of x (i32), without a multiplication.
  Value linear(const Layout::Bases &bases, Value x);
  /// The part of a linear map that the thread's lane and warp contribute.
  Value threadPart(const Layout::Bases &lane, const Layout::Bases &warp);
  Value both(Value a, Value b); // and of conditions; null = true
  /// Null (always) or: this thread holds no replica of what a lower thread holds.
  Value isFirstHolder(const Layout &layout);

  /// Words of 32 bits (or one narrower integer) <-> elements.
  llvm::SmallVector<Value> pack(llvm::ArrayRef<Value> elements);
  void unpack(llvm::ArrayRef<Value> words, Type element, llvm::MutableArrayRef<Value> elements);
  static unsigned bitsOf(Type element);
  Value assembly(Type result, mlir::ValueRange operands, llvm::StringRef text, llvm::StringRef constraints);

  //===-- GlobalMemory.cpp -------------------------------------------------===//
  /// One tile of a view as this thread sees it.
  struct Access {
    ViewInfo *view;
    llvm::SmallVector<int32_t> along;
    Layout layout;
    Value base;                      // pointer to the tile's first element for this thread
    Value always;                    // condition on the plain indices, null = true
    llvm::SmallVector<Value> coords; // thread's part of each coordinate, i32
    llvm::SmallVector<Value> below;  // coordinate < below, i32; null = always
    llvm::SmallVector<Value> from;   // coordinate >= from, i32; null = always
    int width;                       // elements per access
    Value partial;                   // the bounds cut through a vector; null = never
    int contiguous;                  // tile axis of the vectors, -1 for none
    unsigned elementBytes;
    bool shortOffsets; // 32 bits hold every offset
    /// Pointers by the registers' coordinates along axes of dynamic stride: one step from the nearest known one.
    std::map<llvm::SmallVector<int64_t>, Value> rows;
  };
  Access access(ViewType type, Value view, mlir::ValueRange indices, llvm::ArrayRef<int32_t> along,
                const Layout &layout, mlir::OperandRange original);
  Value offsetOf(const Extent &stride, bool shortOffsets);
  Value address(Access &access, uint32_t reg);
  Value inBounds(const Access &access, uint32_t reg);
  mlir::LogicalResult emitLoad(LoadOp op);
  mlir::LogicalResult emitStore(StoreOp op);
  Regs loadTile(Access &access, Type element, Value other);
  llvm::SmallVector<Value> loadWords(Value address, unsigned bytes, Value predicate, llvm::ArrayRef<Value> otherwise);
  void storeWords(Value address, llvm::ArrayRef<Value> words, unsigned bytes, Value predicate);
  mlir::LogicalResult emitAsyncLoad(AsyncLoadOp op);

  //===-- SharedMemory.cpp -------------------------------------------------===//
  struct Slot {
    Value offset;       // i32 bytes from the start of shared memory
    int64_t begin, end; // bytes of the whole ring, for hazards
  };
  void planRings();
  Slot slotOf(Value shared);
  int64_t scratch(int64_t bytes);
  /// Scratch for several tiles that are in use at one time.
  llvm::SmallVector<Slot> scratchTogether(llvm::ArrayRef<int64_t> sizes);
  Value sharedPointer(Value byteOffset, int64_t constant = 0);
  /// Shared address of an element offset that is `thread` xor `reg` (elements), from a slot.
  Value sharedAddress(Value slotOffset, Value thread, uint32_t threadMask, uint32_t reg, unsigned elementBytes);
  void barrier();
  void touchShared(int64_t begin, int64_t end, bool write);
  /// Several are read from here on.
  void readShared(llvm::ArrayRef<Slot> slots);
  /// Threads meet before one reads what another may have written to the view, or writes what another may read.
  void touchView(Value view, mlir::Operation *store);
  void sharedLoad(Value pointer, unsigned bytes, llvm::SmallVectorImpl<Value> &words);
  void sharedStore(Value pointer, llvm::ArrayRef<Value> words, unsigned bytes, Value predicate);
  mlir::LogicalResult emitConvert(ConvertLayoutOp op);
  void storeShared(llvm::ArrayRef<Value> values, const Layout &layout, const Layout &shared, Value slot);
  mlir::LogicalResult emitLocalLoad(LocalLoadOp op);
  mlir::LogicalResult emitLocalStore(LocalStoreOp op);

  /// A tile that lies in shared memory until the products that read it fetch its registers, step by step: few are
  /// alive.
  struct Lazy {
    Layout layout, shared;
    Slot slot;
  };
  /// Reads registers of a tile in shared memory, as few at a time as the hardware allows.
  class Fetcher {
  public:
    /// The bits of `step` are further warp bits of the places.
    Fetcher(Emitter &emitter, const TileAccess &access, const Layout &shared, Type element, Slot slot, Value step = {});
    Value get(unsigned reg);
    Regs all();

  private:
    void fetch(unsigned access);
    Emitter &e;
    Type element;
    unsigned bytes;
    Slot slot;
    std::optional<LdmatrixPlan> matrix;
    VectorAccess vectors;
    DistMap offsets;
    Value thread;
    uint32_t threadMask = 0;
    Regs cache;
    llvm::SmallVector<int> accessOf, copyOf;
  };
  friend class Fetcher;

  //===-- Dot.cpp ----------------------------------------------------------===//
  mlir::LogicalResult emitDot(DotOp op);
  mlir::LogicalResult emitDotOnTensorCores(DotOp op);
  mlir::LogicalResult emitDotOnLanes(DotOp op);

  //===-- Combine.cpp ------------------------------------------------------===//
  mlir::LogicalResult emitReduce(ReduceOp op);
  mlir::LogicalResult emitScan(ScanOp op);
  Regs combine(mlir::Region &region, llvm::ArrayRef<Value> first, llvm::ArrayRef<Value> second);
  /// The value that another lane holds: lane ^ mask, or any lane.
  Value shuffleXor(Value value, uint32_t mask);
  Value shuffleFrom(Value value, Value lane);
  Value shuffle(Value value, Value laneOrMask, mlir::NVVM::ShflKind kind);

  mlir::func::FuncOp kernel;
  std::string chip;
  mlir::ImplicitLocOpBuilder b;
  llvm::DenseMap<Value, Regs> registers;
  llvm::DenseMap<Value, ViewInfo> views;
  llvm::DenseMap<Value, Slot> slots;
  llvm::DenseMap<Value, Lazy> lazy;
  struct Place {
    Value thread, lane, warp; // i32
  } place;
  int warps;
  bool fast;

  int64_t ringBytes = 0, scratchTop = 0, sharedBytes = 0;
  struct Interval {
    int64_t begin, end;
  };
  /// What threads have accessed since they last met: bytes of shared memory; views read; views written, and by which
  /// op.
  struct Pending {
    llvm::SmallVector<Interval> reads, writes;
    llvm::SmallPtrSet<void *, 4> viewsRead;
    llvm::SmallDenseMap<Value, mlir::Operation *, 4> viewsWritten;
    void add(const Pending &other);
  } pending;
  /// All that the ops in the region may have left pending when it runs again.
  void assumeRepeated(mlir::Region &region);
};

} // namespace treadle::tile

#endif
