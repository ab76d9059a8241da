//===-- GlobalMemory.cpp - reads and writes of views ------------------------===//
//
// Index arithmetic is split by who varies it: the tile's start is the same for the block (64 bits), the thread's part
// of each coordinate comes from its lane and warp once per access op, and a register adds a constant. Masks come from
// the view's bounds: `start + coordinate < size` becomes `coordinate < clamp(size - start)`, a 32-bit comparison.
//
//===----------------------------------------------------------------------===//

#include "Emitter.h"

#include "layout/Layouts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace mlir;
using namespace treadle;
using namespace treadle::tile;

/// A power of two that divides the value, at most 64; what can be read off the ops that compute it.
static int64_t divisor(Value value, int depth = 0) {
  static constexpr int64_t most = 64;
  auto lowBit = [](int64_t x) -> int64_t { return x == 0 || (x & -x) > most ? most : x & -x; };
  if (depth > 16)
    return 1;
  if (auto arg = dyn_cast<BlockArgument>(value)) {
    auto loop = dyn_cast<scf::ForOp>(arg.getOwner()->getParentOp());
    if (loop && arg == loop.getInductionVar())
      return std::min(divisor(loop.getLowerBound(), depth + 1), divisor(loop.getStep(), depth + 1));
    return 1;
  }
  Operation *op = value.getDefiningOp();
  auto of = [&](unsigned i) { return divisor(op->getOperand(i), depth + 1); };
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto attr = dyn_cast<IntegerAttr>(constant.getValue());
    return attr ? lowBit(attr.getInt()) : 1;
  }
  if (isa<arith::MulIOp>(op))
    return std::min(most, of(0) * of(1));
  if (isa<arith::AddIOp, arith::SubIOp, arith::MinSIOp, arith::MaxSIOp>(op))
    return std::min(of(0), of(1));
  if (isa<arith::SelectOp>(op))
    return std::min(of(1), of(2));
  return 1;
}

/// Certainly not negative.
static bool isNonNegative(Value value, int depth = 0) {
  if (depth > 16)
    return false;
  if (auto arg = dyn_cast<BlockArgument>(value)) {
    auto loop = dyn_cast<scf::ForOp>(arg.getOwner()->getParentOp());
    return loop && arg == loop.getInductionVar() && isNonNegative(loop.getLowerBound(), depth + 1);
  }
  Operation *op = value.getDefiningOp();
  auto of = [&](unsigned i) { return isNonNegative(op->getOperand(i), depth + 1); };
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto attr = dyn_cast<IntegerAttr>(constant.getValue());
    return attr && attr.getInt() >= 0;
  }
  if (isa<ProgramIdOp, DimOp>(op))
    return true;
  if (isa<arith::AddIOp, arith::MulIOp, arith::MinSIOp, arith::DivSIOp, arith::RemSIOp, arith::DivUIOp, arith::RemUIOp,
          arith::CeilDivSIOp, arith::FloorDivSIOp>(op))
    return of(0) && of(1);
  if (isa<arith::MaxSIOp>(op))
    return of(0) || of(1);
  if (isa<arith::SelectOp>(op))
    return of(1) && of(2);
  return false;
}

static std::optional<int64_t> constantOf(Value value) {
  if (auto constant = value.getDefiningOp<arith::ConstantOp>())
    if (auto attr = dyn_cast<IntegerAttr>(constant.getValue()))
      return attr.getInt();
  return std::nullopt;
}

Value Emitter::offsetOf(const Extent &stride, bool shortOffsets) {
  if (stride.isKnown())
    return shortOffsets ? i32(stride.known) : i64(stride.known);
  return shortOffsets ? arith::TruncIOp::create(b, b.getI32Type(), stride.value).getResult() : stride.value;
}

Emitter::Access Emitter::access(ViewType type, Value view, ValueRange indices, ArrayRef<int32_t> along,
                                const Layout &layout, OperandRange original) {
  Access result;
  result.view = &views[view];
  result.along.assign(along.begin(), along.end());
  result.layout = layout;
  result.elementBytes = type.getElementBytes();
  ViewInfo &info = *result.view;

  // Offsets in elements: 32 bits if the tensor promises to be small. What is out of bounds may wrap, but is not
  // accessed.
  result.shortOffsets = type.hasShortOffsets();
  Type offsetType = result.shortOffsets ? b.getI32Type() : b.getI64Type();
  auto times = [&](Value position, const Extent &stride) -> Value {
    if (stride.isKnown() && stride.known == 1)
      return position;
    return arith::MulIOp::create(b, position, offsetOf(stride, result.shortOffsets));
  };

  Value offset = arith::ConstantIntOp::create(b, offsetType, 0);
  result.contiguous = -1;
  int64_t vector = 1;
  for (int64_t axis = 0; axis < type.getRank(); ++axis) {
    Value start = asI64(indices[axis]);
    Value from = result.shortOffsets ? arith::TruncIOp::create(b, offsetType, start).getResult() : start;
    offset = arith::AddIOp::create(b, offset, times(from, info.strides[axis]));
    const Extent &size = info.sizes[axis];
    Value size64 = size.isKnown() ? i64(size.known) : size.value;
    const auto *at = llvm::find(along, int32_t(axis));
    if (at == along.end()) {
      auto known = constantOf(original[axis]);
      if (known && size.isKnown() && *known >= 0 && *known < size.known)
        continue;
      // Unsigned: a negative index is out of bounds too.
      result.always = both(result.always, arith::CmpIOp::create(b, arith::CmpIPredicate::ult, start, size64));
      continue;
    }
    int i = at - along.begin();
    int64_t extent = layout.shape()[i];
    unsigned shift = layout.dimShift(i);
    uint32_t mask = layout.dimMask(i);
    auto part = [&](Layout::Bases bases) {
      for (uint32_t &basis : bases)
        basis = (basis & mask) >> shift;
      return bases;
    };
    Value coordinate = threadPart(part(layout.bases(In::Lane)), part(layout.bases(In::Warp)));
    result.coords.push_back(coordinate);
    auto known = constantOf(original[axis]);
    bool inside = known && size.isKnown() && *known >= 0 && *known + extent <= size.known;
    Value below, atLeast;
    if (!inside) {
      Value room = arith::SubIOp::create(b, size64, start);
      room = arith::MaxSIOp::create(b, arith::MinSIOp::create(b, room, i64(extent)), i64(0));
      below = arith::TruncIOp::create(b, b.getI32Type(), room);
      if (!isNonNegative(original[axis])) {
        Value missing = arith::SubIOp::create(b, i64(0), start);
        missing = arith::MaxSIOp::create(b, arith::MinSIOp::create(b, missing, i64(extent)), i64(0));
        atLeast = arith::TruncIOp::create(b, b.getI32Type(), missing);
      }
    }
    result.below.push_back(below);
    result.from.push_back(atLeast);
    Value wide = result.shortOffsets ? coordinate : arith::ExtUIOp::create(b, offsetType, coordinate).getResult();
    offset = arith::AddIOp::create(b, offset, times(wide, info.strides[axis]));
    if (info.strides[axis].isKnown() && info.strides[axis].known == 1) {
      result.contiguous = i;
      // Where the size is known, vectors are wholly inside or wholly outside. Where it is not, the last may be cut.
      int64_t promised = type.getAlign() / type.getElementBytes();
      vector = std::min<int64_t>({16 / type.getElementBytes(), promised, divisor(original[axis])});
      if (size.isKnown() && !inside)
        vector = std::min<int64_t>(vector, size.known ? (size.known & -size.known) : 1);
    }
  }
  result.width = result.contiguous < 0 ? 1 : vectorWidth(layout, result.contiguous, std::max<int64_t>(1, vector));
  if (result.width > 1 && result.below[result.contiguous] && !info.sizes[along[result.contiguous]].isKnown()) {
    Value rest = arith::AndIOp::create(b, result.below[result.contiguous], i32(result.width - 1));
    result.partial = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, rest, i32(0));
  }
  result.base = LLVM::GEPOp::create(b, info.pointer.getType(), type.getElementType(), info.pointer, ValueRange{offset});
  return result;
}

Value Emitter::address(Access &access, uint32_t reg) {
  uint32_t flat = access.layout.apply(reg, 0, 0);
  Type bytes = b.getI8Type();
  int64_t constant = 0;
  SmallVector<int64_t> row;
  for (auto [i, axis] : llvm::enumerate(access.along)) {
    int64_t coordinate = (flat & access.layout.dimMask(i)) >> access.layout.dimShift(i);
    const Extent &stride = access.view->strides[axis];
    if (stride.isKnown())
      constant += coordinate * stride.known;
    row.push_back(stride.isKnown() ? 0 : coordinate);
  }
  // Steps of one size share one multiple of the stride, so few 64-bit values live long.
  Value &pointer = access.rows[row];
  if (!pointer) {
    pointer = access.base;
    SmallVector<int64_t> done(row.size(), 0);
    for (auto &[known, at] : access.rows)
      if (at && known != row && llvm::all_of_zip(known, row, [](int64_t a, int64_t c) { return a <= c; })) {
        pointer = at;
        done = known;
      }
    for (auto [i, axis] : llvm::enumerate(access.along))
      if (int64_t step = row[i] - done[i]) {
        Value stride = offsetOf(access.view->strides[axis], access.shortOffsets);
        Value bytesOf = arith::ConstantIntOp::create(b, stride.getType(), step * access.elementBytes);
        Value offset = arith::MulIOp::create(b, stride, bytesOf);
        pointer = LLVM::GEPOp::create(b, pointer.getType(), bytes, pointer, ValueRange{offset});
      }
  }
  if (!constant)
    return pointer;
  return LLVM::GEPOp::create(b, pointer.getType(), bytes, pointer,
                             ArrayRef<LLVM::GEPArg>{int32_t(constant * access.elementBytes)});
}

Value Emitter::inBounds(const Access &access, uint32_t reg) {
  Value result = access.always;
  uint32_t flat = access.layout.apply(reg, 0, 0);
  for (size_t i = 0; i < access.along.size(); ++i) {
    if (!access.below[i])
      continue;
    int64_t part = (flat & access.layout.dimMask(i)) >> access.layout.dimShift(i);
    Value coordinate = part ? arith::XOrIOp::create(b, access.coords[i], i32(part)).getResult() : access.coords[i];
    result = both(result, arith::CmpIOp::create(b, arith::CmpIPredicate::slt, coordinate, access.below[i]));
    if (access.from[i])
      result = both(result, arith::CmpIOp::create(b, arith::CmpIPredicate::sge, coordinate, access.from[i]));
  }
  return result;
}

/// "v4.b32", "b16"…, and how the words travel through inline assembly.
static std::string accessSuffix(unsigned words, unsigned wordBits) {
  std::string type = "b" + std::to_string(wordBits);
  return words == 1 ? type : "v" + std::to_string(words) + "." + type;
}

SmallVector<Value> Emitter::loadWords(Value address, unsigned bytes, Value predicate, ArrayRef<Value> otherwise) {
  unsigned words = bytes >= 4 ? bytes / 4 : 1, wordBits = bytes >= 4 ? 32 : bytes * 8;
  Type word = b.getIntegerType(wordBits);
  SmallVector<Value> result;
  if (!predicate) {
    Type type = words == 1 ? word : Type(VectorType::get(words, word));
    Value loaded = LLVM::LoadOp::create(b, type, address, /*alignment=*/bytes);
    if (words == 1)
      return {loaded};
    for (unsigned i = 0; i < words; ++i)
      result.push_back(vector::ExtractOp::create(b, loaded, int64_t(i)));
    return result;
  }
  // Bytes travel in 16-bit registers.
  SmallVector<Value> initial;
  for (Value value : otherwise)
    initial.push_back(wordBits == 8 ? arith::ExtUIOp::create(b, b.getI16Type(), value).getResult() : value);
  Type carried = wordBits == 8 ? Type(b.getI16Type()) : word;
  std::string letter = wordBits == 32 ? "r" : "h";
  std::string destinations, outputs, ties;
  for (unsigned i = 0; i < words; ++i) {
    destinations += (i ? ", $" : "$") + std::to_string(i);
    outputs += "=" + letter + ",";
    ties += "," + std::to_string(i);
  }
  std::string text = "@$" + std::to_string(words + 1) + " ld.global." + accessSuffix(words, wordBits) + " " +
                     (words > 1 ? "{" + destinations + "}" : destinations) + ", [$" + std::to_string(words) + "];";
  SmallVector<Value> operands{address, predicate};
  llvm::append_range(operands, initial);
  Type resultType =
      words == 1 ? carried : Type(LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(words, carried)));
  Value loaded = assembly(resultType, operands, text, outputs + "l,b" + ties);
  for (unsigned i = 0; i < words; ++i) {
    Value value = words == 1 ? loaded : LLVM::ExtractValueOp::create(b, loaded, int64_t(i)).getResult();
    result.push_back(wordBits == 8 ? arith::TruncIOp::create(b, word, value).getResult() : value);
  }
  return result;
}

void Emitter::storeWords(Value address, ArrayRef<Value> words, unsigned bytes, Value predicate) {
  unsigned wordBits = words.front().getType().getIntOrFloatBitWidth();
  if (!predicate) {
    Value value = words.front();
    if (words.size() > 1)
      value = vector::FromElementsOp::create(b, VectorType::get(words.size(), words.front().getType()), words);
    LLVM::StoreOp::create(b, value, address, /*alignment=*/bytes);
    return;
  }
  std::string sources, constraints = "l,b";
  SmallVector<Value> operands{address, predicate};
  for (auto [i, word] : llvm::enumerate(words)) {
    sources += (i ? ", $" : "$") + std::to_string(i + 2);
    constraints += wordBits == 32 ? ",r" : ",h";
    operands.push_back(wordBits == 8 ? arith::ExtUIOp::create(b, b.getI16Type(), word).getResult() : word);
  }
  std::string text = "@$1 st.global." + accessSuffix(words.size(), wordBits) + " [$0], " +
                     (words.size() > 1 ? "{" + sources + "}" : sources) + ";";
  assembly(Type(), operands, text, constraints);
}

/// Two versions of an access: element by element where the bounds cut through a vector, in whole vectors elsewhere.
/// The condition is the same for the whole block.
static Regs eitherWay(ImplicitLocOpBuilder &b, Value partial, TypeRange results,
                      function_ref<Regs(bool whole)> access) {
  if (!partial)
    return access(true);
  auto branch = scf::IfOp::create(b, results, partial, /*addThenBlock=*/true, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  for (bool whole : {false, true}) {
    Block *block = whole ? branch.elseBlock() : branch.thenBlock();
    if (!block->empty())
      block->back().erase();
    b.setInsertionPointToEnd(block);
    scf::YieldOp::create(b, access(whole));
  }
  return Regs(branch.getResults());
}

Regs Emitter::loadTile(Access &access, Type element, Value other) {
  int64_t count = access.layout.numRegisters();
  if (!other)
    other = arith::ConstantOp::create(b, b.getZeroAttr(element));
  return eitherWay(b, access.partial, SmallVector<Type>(count, element), [&](bool whole) {
    Access at = access;
    if (!whole)
      at.width = 1;
    unsigned bytes = at.width * at.elementBytes;
    SmallVector<Value> otherwise = pack(SmallVector<Value>(at.width, other));
    Regs result(count);
    for (int64_t r = 0; r < count; r += at.width) {
      SmallVector<Value> words = loadWords(address(at, r), bytes, inBounds(at, r), otherwise);
      unpack(words, element, MutableArrayRef<Value>(result).slice(r, at.width));
    }
    return result;
  });
}

LogicalResult Emitter::emitLoad(LoadOp op) {
  touchView(op.getView(), nullptr);
  Type type = op.getResult().getType();
  SmallVector<Value> indices;
  for (Value index : op.getIndices())
    indices.push_back(scalar(index));
  Value other = op.getOther() ? scalar(op.getOther()) : Value();
  auto tensor = dyn_cast<RankedTensorType>(type);
  Layout layout = tensor ? layoutOf(tensor) : Layout({}, {}, Layout::Bases(LaneBits, 0), {});
  Access at = access(op.getView().getType(), op.getView(), indices, op.getAlong(), layout, op.getIndices());
  bind(op.getResult(), loadTile(at, tensor ? tensor.getElementType() : type, other));
  return success();
}

LogicalResult Emitter::emitStore(StoreOp op) {
  touchView(op.getView(), op);
  SmallVector<Value> indices;
  for (Value index : op.getIndices())
    indices.push_back(scalar(index));
  auto tensor = dyn_cast<RankedTensorType>(op.getValue().getType());
  Layout layout =
      tensor ? layoutOf(tensor) : Layout({}, {}, Layout::Bases(LaneBits, 0), Layout::Bases(llvm::Log2_32(warps), 0));
  Access at = access(op.getView().getType(), op.getView(), indices, op.getAlong(), layout, op.getIndices());
  Regs values = regs(op.getValue());
  Value holder = isFirstHolder(layout);
  uint32_t replicas = freeVariableMasks(layout)[unsigned(In::Register)];
  eitherWay(b, at.partial, {}, [&](bool whole) {
    Access to = at;
    if (!whole)
      to.width = 1;
    for (int64_t r = 0; r < layout.numRegisters(); r += to.width) {
      if (r & replicas)
        continue;
      SmallVector<Value> words = pack(ArrayRef<Value>(values).slice(r, to.width));
      storeWords(address(to, r), words, to.width * to.elementBytes, both(inBounds(to, r), holder));
    }
    return Regs();
  });
  return success();
}

LogicalResult Emitter::emitAsyncLoad(AsyncLoadOp op) {
  touchView(op.getView(), nullptr);
  SharedType dest = op.getDest().getType();
  ViewType type = op.getView().getType();
  SmallVector<Value> indices;
  for (Value index : op.getIndices())
    indices.push_back(scalar(index));
  Layout layout = copyLayout(op, warps);
  Access at = access(type, op.getView(), indices, op.getAlong(), layout, op.getIndices());
  Layout shared = layoutOf(dest);
  DistMap offsets = offsetMap(layout, shared);
  at.width = std::min<int>(at.width, contiguousRegisters(offsets, at.width));
  Slot slot = slotOf(op.getDest());
  touchShared(slot.begin, slot.end, /*write=*/true);
  Value thread = threadPart(offsets.lane, offsets.warp);
  Value active = op.getPredicate() ? scalar(op.getPredicate()) : Value();
  Value holder = isFirstHolder(layout);
  unsigned bytes = at.width * at.elementBytes;
  for (int64_t r = 0; r < layout.numRegisters(); r += at.width) {
    Value to = sharedAddress(slot.offset, thread, orOf(offsets), offsets.apply(r, 0, 0), at.elementBytes);
    Value inside = both(active, inBounds(at, r));
    Value from = address(at, r);
    if (bytes >= 4) {
      auto cache = bytes == 16 ? NVVM::LoadCacheModifierKind::CG : NVVM::LoadCacheModifierKind::CA;
      // The rest of the source size is filled with zeros; with 0 nothing is read.
      Value size = inside ? i32(bytes) : Value();
      if (at.partial) {
        uint32_t flat = layout.apply(r, 0, 0) & layout.dimMask(at.contiguous);
        int64_t part = flat >> layout.dimShift(at.contiguous);
        Value coordinate =
            part ? arith::XOrIOp::create(b, at.coords[at.contiguous], i32(part)).getResult() : at.coords[at.contiguous];
        Value room = arith::SubIOp::create(b, at.below[at.contiguous], coordinate);
        size = arith::MinSIOp::create(b, arith::MulIOp::create(b, room, i32(at.elementBytes)), size);
      }
      if (inside)
        size = arith::SelectOp::create(b, inside, size, i32(0));
      OpBuilder::InsertionGuard guard(b);
      if (holder) // threads with replicas would write what is being written
        b.setInsertionPointToStart(scf::IfOp::create(b, holder, /*withElseRegion=*/false).thenBlock());
      NVVM::CpAsyncOp::create(b, to, from, bytes, cache, size);
      continue;
    }
    Type word = b.getIntegerType(bytes * 8);
    SmallVector<Value> zero{arith::ConstantOp::create(b, b.getZeroAttr(word))};
    sharedStore(to, loadWords(from, bytes, inside, zero), bytes, holder);
  }
  return success();
}
