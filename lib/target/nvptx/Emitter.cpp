//===-- Emitter.cpp - control flow and element-wise ops --------------------===//

#include "Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "tile/IR/Abi.h"
#include "tile/Transforms/Passes.h"
#include "llvm/ADT/TypeSwitch.h"

namespace treadle::tile {
#define GEN_PASS_DEF_LOWERTOGPU
#include "tile/Transforms/Passes.h.inc"
} // namespace treadle::tile

using namespace mlir;
using namespace treadle;
using namespace treadle::tile;

Emitter::Emitter(func::FuncOp kernel, StringRef chip)
    : kernel(kernel), chip(chip), b(kernel.getLoc(), kernel.getContext()), warps(numWarps(kernel)),
      fast(fastMath(kernel)) {}

//===-- little builders ----------------------------------------------------===//

Value Emitter::i32(int64_t value) { return arith::ConstantIntOp::create(b, value, 32); }
Value Emitter::i64(int64_t value) { return arith::ConstantIntOp::create(b, value, 64); }
Value Emitter::index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
Value Emitter::asI64(Value value) {
  return value.getType().isIndex() ? arith::IndexCastOp::create(b, b.getI64Type(), value).getResult() : value;
}
Value Emitter::asIndex(Value value) {
  return value.getType().isIndex() ? value : arith::IndexCastOp::create(b, b.getIndexType(), value).getResult();
}
Value Emitter::both(Value a, Value other) {
  if (!a || !other)
    return a ? a : other;
  return arith::AndIOp::create(b, a, other);
}

Value Emitter::linear(const Layout::Bases &bases, Value x) {
  // Output bit o takes input bit i: collect the pairs by their distance, one and and one shift for each.
  std::map<int, uint32_t> masks;
  for (auto [i, basis] : llvm::enumerate(bases))
    for (int o = 0; o < 32; ++o)
      if (basis >> o & 1)
        masks[o - int(i)] |= 1u << i;
  Value result;
  for (auto [shift, mask] : masks) {
    Value term = arith::AndIOp::create(b, x, i32(mask));
    if (shift > 0)
      term = arith::ShLIOp::create(b, term, i32(shift));
    else if (shift < 0)
      term = arith::ShRUIOp::create(b, term, i32(-shift));
    result = result ? arith::XOrIOp::create(b, result, term).getResult() : term;
  }
  return result ? result : i32(0);
}

Value Emitter::threadPart(const Layout::Bases &laneBases, const Layout::Bases &warpBases) {
  auto zero = [](const Layout::Bases &bases) { return llvm::all_of(bases, [](uint32_t basis) { return basis == 0; }); };
  if (zero(warpBases))
    return linear(laneBases, place.lane);
  if (zero(laneBases))
    return linear(warpBases, place.warp);
  return arith::XOrIOp::create(b, linear(laneBases, place.lane), linear(warpBases, place.warp));
}

Value Emitter::isFirstHolder(const Layout &layout) {
  auto masks = freeVariableMasks(layout);
  Value result;
  auto require = [&](Value x, uint32_t mask) {
    if (mask)
      result = both(result,
                    arith::CmpIOp::create(b, arith::CmpIPredicate::eq, arith::AndIOp::create(b, x, i32(mask)), i32(0)));
  };
  require(place.lane, masks[unsigned(In::Lane)]);
  require(place.warp, masks[unsigned(In::Warp)]);
  return result;
}

unsigned Emitter::bitsOf(Type element) {
  if (element.isIndex())
    return 64;
  return element.isInteger(1) ? 8 : element.getIntOrFloatBitWidth();
}

/// The element as an integer of its width; i1 as i8.
static Value asInteger(ImplicitLocOpBuilder &b, Value value) {
  Type type = value.getType();
  if (type.isIndex())
    return arith::IndexCastOp::create(b, b.getI64Type(), value);
  if (type.isInteger(1))
    return arith::ExtUIOp::create(b, b.getI8Type(), value);
  if (isa<IntegerType>(type))
    return value;
  return arith::BitcastOp::create(b, b.getIntegerType(type.getIntOrFloatBitWidth()), value);
}

static Value fromInteger(ImplicitLocOpBuilder &b, Value value, Type type) {
  if (type.isIndex())
    return arith::IndexCastOp::create(b, type, value);
  if (type.isInteger(1))
    return arith::TruncIOp::create(b, type, value);
  if (value.getType() == type)
    return value;
  return arith::BitcastOp::create(b, type, value);
}

SmallVector<Value> Emitter::pack(ArrayRef<Value> elements) {
  Type type = elements.front().getType();
  unsigned bits = bitsOf(type), total = bits * elements.size();
  SmallVector<Value> words;
  if (total < 32) {
    if (elements.size() == 1)
      return {asInteger(b, elements.front())};
    // Two i8 in an i16.
    Type whole = b.getIntegerType(total);
    Value vector =
        vector::FromElementsOp::create(b, VectorType::get(elements.size(), b.getIntegerType(bits)),
                                       llvm::map_to_vector(elements, [&](Value v) { return asInteger(b, v); }));
    return {LLVM::BitcastOp::create(b, whole, vector)};
  }
  if (bits == 64) {
    for (Value element : elements) {
      Value value = asInteger(b, element);
      words.push_back(arith::TruncIOp::create(b, b.getI32Type(), value));
      words.push_back(arith::TruncIOp::create(b, b.getI32Type(), arith::ShRUIOp::create(b, value, i64(32))));
    }
    return words;
  }
  unsigned per = 32 / bits;
  for (size_t i = 0; i < elements.size(); i += per) {
    if (per == 1) {
      words.push_back(asInteger(b, elements[i]));
      continue;
    }
    SmallVector<Value> group;
    for (unsigned j = 0; j < per; ++j)
      group.push_back(type.isInteger(1) ? asInteger(b, elements[i + j]) : elements[i + j]);
    Value vector = vector::FromElementsOp::create(b, VectorType::get(per, group.front().getType()), group);
    words.push_back(LLVM::BitcastOp::create(b, b.getI32Type(), vector));
  }
  return words;
}

void Emitter::unpack(ArrayRef<Value> words, Type element, MutableArrayRef<Value> elements) {
  unsigned bits = bitsOf(element);
  Type stored = element.isInteger(1) ? Type(b.getI8Type()) : element;
  if (bits == 64) {
    for (size_t i = 0; i < elements.size(); ++i) {
      Value low = arith::ExtUIOp::create(b, b.getI64Type(), words[2 * i]);
      Value high = arith::ShLIOp::create(b, arith::ExtUIOp::create(b, b.getI64Type(), words[2 * i + 1]), i64(32));
      elements[i] = fromInteger(b, arith::OrIOp::create(b, low, high), element);
    }
    return;
  }
  unsigned perWord = words.front().getType().getIntOrFloatBitWidth() / bits;
  for (size_t i = 0; i < elements.size(); i += perWord) {
    Value word = words[i / perWord];
    if (perWord == 1) {
      elements[i] = fromInteger(b, word, element);
      continue;
    }
    Value vector = LLVM::BitcastOp::create(b, VectorType::get(perWord, stored), word);
    for (unsigned j = 0; j < perWord; ++j) {
      Value part = vector::ExtractOp::create(b, vector, int64_t(j));
      elements[i + j] = element.isInteger(1) ? fromInteger(b, part, element) : part;
    }
  }
}

Value Emitter::assembly(Type result, ValueRange operands, StringRef text, StringRef constraints) {
  auto op = LLVM::InlineAsmOp::create(b, result ? TypeRange(result) : TypeRange(), operands, text, constraints,
                                      /*has_side_effects=*/true, /*is_align_stack=*/false, LLVM::TailCallKind::None,
                                      LLVM::AsmDialectAttr::get(b.getContext(), LLVM::AsmDialect::AD_ATT), ArrayAttr());
  return result ? op.getResult(0) : Value();
}

//===-- values and their registers -----------------------------------------===//

int64_t Emitter::registerCount(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? layoutOf(tensor).numRegisters() : 1;
}

SmallVector<Type> Emitter::flatTypes(TypeRange types) {
  SmallVector<Type> result;
  for (Type type : types) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    result.append(registerCount(type), tensor ? tensor.getElementType() : type);
  }
  return result;
}

void Emitter::appendFlat(ValueRange values, Regs &out) {
  for (Value value : values)
    llvm::append_range(out, regs(value));
}

void Emitter::bindAll(ValueRange values, ValueRange flat) {
  size_t next = 0;
  for (Value value : values) {
    int64_t count = registerCount(value.getType());
    bind(value, Regs(flat.slice(next, count)));
    next += count;
  }
}

void Emitter::setPlace(Value thread) {
  place = {thread, arith::AndIOp::create(b, thread, i32(31)), arith::ShRUIOp::create(b, thread, i32(5))};
}

void Emitter::bindArguments() {
  SmallVector<AbiArg> abi = kernelAbi(kernel);
  Block *entry = b.getInsertionBlock();
  for (auto [position, item] : llvm::enumerate(abi)) {
    Value incoming = entry->getArgument(position), argument = kernel.getArgument(item.arg);
    if (item.kind == AbiArg::Pointer) {
      auto type = cast<ViewType>(argument.getType());
      ViewInfo &info = views[argument];
      info.pointer = incoming;
      for (int64_t size : type.getShape())
        info.sizes.push_back({ShapedType::isDynamic(size) ? 0 : size, {}});
      for (int64_t stride : type.getStrides())
        info.strides.push_back({ShapedType::isDynamic(stride) ? 0 : stride, {}});
    } else if (item.kind == AbiArg::Stride) {
      views[argument].strides[item.axis].value = incoming;
    } else if (item.kind == AbiArg::Scalar) {
      bind(argument, {argument.getType().isIndex() ? asIndex(incoming) : incoming});
    }
  }
  for (auto &[argument, info] : views) {
    auto type = cast<ViewType>(argument.getType());
    for (int64_t axis = 0; axis < type.getRank(); ++axis)
      if (ShapedType::isDynamic(type.getShape()[axis]))
        info.sizes[axis].value =
            entry->getArgument(dimPosition(kernel, abi, cast<BlockArgument>(argument).getArgNumber(), axis));
  }
}

//===-- ops ----------------------------------------------------------------===//

LogicalResult Emitter::emit(Block &block) {
  for (Operation &op : block.without_terminator()) {
    b.setLoc(op.getLoc());
    if (failed(emit(&op)))
      return failure();
  }
  return success();
}

LogicalResult Emitter::elementwise(Operation *op) {
  if (op->getNumResults() != 1 || op->getNumRegions())
    return op->emitError() << "the GPU target has no lowering for '" << op->getName() << "'";
  auto tensor = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  int64_t count = registerCount(op->getResult(0).getType());
  Type element = tensor ? tensor.getElementType() : op->getResult(0).getType();
  SmallVector<NamedAttribute> attributes(op->getAttrs());
  if (fast && isa<arith::ArithFastMathInterface>(op))
    for (NamedAttribute &attribute : attributes)
      if (isa<arith::FastMathFlagsAttr>(attribute.getValue()))
        attribute.setValue(arith::FastMathFlagsAttr::get(
            b.getContext(), arith::FastMathFlags::afn | arith::FastMathFlags::contract | arith::FastMathFlags::arcp));
  Regs result(count);
  // Pairs of f32 are rounded to 16 bits by one instruction.
  if (isa<arith::TruncFOp>(op) && count % 2 == 0 && element.getIntOrFloatBitWidth() == 16) {
    Regs &source = regs(op->getOperand(0));
    for (int64_t r = 0; r < count; r += 2) {
      Value pair = vector::FromElementsOp::create(b, VectorType::get(2, source[r].getType()),
                                                  ValueRange{source[r], source[r + 1]});
      Value rounded = arith::TruncFOp::create(b, VectorType::get(2, element), pair);
      result[r] = vector::ExtractOp::create(b, rounded, int64_t(0));
      result[r + 1] = vector::ExtractOp::create(b, rounded, int64_t(1));
    }
    bind(op->getResult(0), std::move(result));
    return success();
  }
  for (int64_t r = 0; r < count; ++r) {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      Regs &from = regs(operand);
      operands.push_back(from.size() == 1 ? from.front() : from[r]);
    }
    OperationState state(op->getLoc(), op->getName(), operands, TypeRange(element), attributes);
    result[r] = b.create(state)->getResult(0);
  }
  bind(op->getResult(0), std::move(result));
  return success();
}

LogicalResult Emitter::emit(Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](ProgramIdOp id) {
        Type i32Type = b.getI32Type();
        Value value = id.getAxis() == 0   ? NVVM::BlockIdXOp::create(b, i32Type).getResult()
                      : id.getAxis() == 1 ? NVVM::BlockIdYOp::create(b, i32Type).getResult()
                                          : NVVM::BlockIdZOp::create(b, i32Type).getResult();
        bind(id.getResult(), {arith::IndexCastUIOp::create(b, b.getIndexType(), value)});
        return success();
      })
      .Case([&](DimOp dim) {
        const Extent &size = views[dim.getView()].sizes[dim.getAxis()];
        bind(dim.getResult(), {size.isKnown() ? index(size.known) : asIndex(size.value)});
        return success();
      })
      .Case([&](SliceOp slice) {
        // What lies outside the view is left off: addresses stay inside whatever the operands are.
        ViewInfo info = views[slice.getView()];
        Extent &size = info.sizes[slice.getAxis()], &stride = info.strides[slice.getAxis()];
        Value zero = i64(0), from = asI64(scalar(slice.getFrom()));
        from = arith::MinSIOp::create(b, arith::MaxSIOp::create(b, from, zero), size.value);
        Value rest = arith::SubIOp::create(b, size.value, from);
        size.value = arith::MinSIOp::create(b, arith::MaxSIOp::create(b, asI64(scalar(slice.getSize())), zero), rest);
        Type element = slice.getView().getType().getElementType();
        info.pointer = LLVM::GEPOp::create(b, info.pointer.getType(), element, info.pointer,
                                           ValueRange{arith::MulIOp::create(b, from, stride.value)});
        views[slice.getResult()] = std::move(info);
        return success();
      })
      .Case([&](NarrowOp narrow) {
        ViewInfo info = views[narrow.getView()];
        ViewType type = narrow.getType();
        info.sizes[narrow.getAxis()].known = type.getShape()[narrow.getAxis()];
        if (int64_t offset = narrow.getFrom() * type.getStrides()[narrow.getAxis()])
          info.pointer = LLVM::GEPOp::create(b, info.pointer.getType(), type.getElementType(), info.pointer,
                                             ArrayRef<LLVM::GEPArg>{int32_t(offset)});
        views[narrow.getResult()] = std::move(info);
        return success();
      })
      .Case([&](arith::ConstantOp constant) {
        auto dense = dyn_cast<SplatElementsAttr>(constant.getValue());
        Value value = arith::ConstantOp::create(b, dense ? dense.getSplatValue<TypedAttr>() : constant.getValue());
        bind(constant.getResult(), Regs(registerCount(constant.getType()), value));
        return success();
      })
      .Case([&](SplatOp splat) {
        bind(splat.getResult(), Regs(registerCount(splat.getResult().getType()), scalar(splat.getValue())));
        return success();
      })
      .Case([&](IotaOp iota) {
        Layout layout = layoutOf(cast<RankedTensorType>(iota.getResult().getType()));
        Value base = threadPart(layout.bases(In::Lane), layout.bases(In::Warp));
        Regs result;
        for (int64_t r = 0; r < layout.numRegisters(); ++r) {
          uint32_t part = layout.apply(r, 0, 0);
          result.push_back(part ? arith::XOrIOp::create(b, base, i32(part)).getResult() : base);
        }
        bind(iota.getResult(), std::move(result));
        return success();
      })
      .Case<ExpandDimsOp, TransposeOp, ReshapeOp>([&](auto same) {
        if (!registers.count(same.getOperand())) // a fragment that its product fetches
          return success();
        // The layout was carried along: the same registers under another name.
        Layout from = layoutOf(cast<RankedTensorType>(same.getOperand().getType())),
               to = layoutOf(cast<RankedTensorType>(same.getResult().getType()));
        Regs source = regs(same.getOperand());
        if (from.numRegisters() == to.numRegisters()) {
          bind(same.getResult(), std::move(source));
          return success();
        }
        // Only replicas differ (an axis of size 1 was dropped or added).
        Layout renamed = isa<ReshapeOp, ExpandDimsOp>(same.getOperation()) ? from.reshape(to.shape()) : from;
        auto map = planBroadcast(renamed, to);
        if (!map)
          return LogicalResult(same.emitOpError("internal error: layouts do not correspond"));
        Regs result;
        for (int r : *map)
          result.push_back(source[r]);
        bind(same.getResult(), std::move(result));
        return success();
      })
      .Case([&](ExtractOp extract) {
        Layout from = layoutOf(cast<RankedTensorType>(extract.getOperand().getType())),
               to = layoutOf(cast<RankedTensorType>(extract.getResult().getType()));
        llvm::DenseMap<uint32_t, int64_t> holder; // of an element, in the first lane of the first warp
        for (int64_t r = 0; r < from.numRegisters(); ++r)
          holder.try_emplace(from.apply(r, 0, 0), r);
        Regs source = regs(extract.getOperand()), result;
        for (int64_t r = 0; r < to.numRegisters(); ++r) {
          std::vector<int64_t> coords = to.coords(to.apply(r, 0, 0));
          for (auto [axis, offset] : llvm::enumerate(extract.getOffsets()))
            coords[axis] += offset;
          auto it = holder.find(from.flat(coords));
          if (it == holder.end())
            return LogicalResult(extract.emitOpError("internal error: the block is not where the result needs it"));
          result.push_back(source[it->second]);
        }
        bind(extract.getResult(), std::move(result));
        return success();
      })
      .Case([&](BroadcastOp broadcast) {
        Layout from = layoutOf(cast<RankedTensorType>(broadcast.getOperand().getType())),
               to = layoutOf(cast<RankedTensorType>(broadcast.getResult().getType()));
        auto map = planBroadcast(from, to);
        if (!map)
          return LogicalResult(broadcast.emitOpError("internal error: the operand is not where the result needs it"));
        Regs source = regs(broadcast.getOperand()), result;
        for (int r : *map)
          result.push_back(source[r]);
        bind(broadcast.getResult(), std::move(result));
        return success();
      })
      .Case([&](LoadOp load) { return emitLoad(load); })
      .Case([&](StoreOp store) { return emitStore(store); })
      .Case([&](AsyncLoadOp copy) { return emitAsyncLoad(copy); })
      .Case([&](CommitOp) {
        NVVM::CpAsyncCommitGroupOp::create(b);
        return success();
      })
      .Case([&](WaitOp wait) {
        NVVM::CpAsyncWaitGroupOp::create(b, wait.getPending());
        barrier();
        return success();
      })
      .Case([&](BarrierOp) {
        barrier();
        return success();
      })
      .Case<AllocOp>([&](auto) { return success(); })
      .Case([&](SlotOp slot) {
        Slot ring = slotOf(slot.getRing());
        Value number = arith::IndexCastOp::create(b, b.getI32Type(), scalar(slot.getIndex()));
        Value bytes = arith::MulIOp::create(b, number, i32(slot.getResult().getType().getSlotBytes()));
        slots[slot.getResult()] = {arith::AddIOp::create(b, ring.offset, bytes), ring.begin, ring.end};
        return success();
      })
      .Case([&](SharedTransposeOp transpose) {
        slots[transpose.getResult()] = slotOf(transpose.getSource());
        return success();
      })
      .Case([&](LocalLoadOp load) { return emitLocalLoad(load); })
      .Case([&](LocalStoreOp store) { return emitLocalStore(store); })
      .Case([&](ConvertLayoutOp convert) { return emitConvert(convert); })
      .Case([&](DotOp dot) { return emitDot(dot); })
      .Case([&](ReduceOp reduce) { return emitReduce(reduce); })
      .Case([&](ScanOp scan) { return emitScan(scan); })
      .Case([&](scf::ForOp loop) { return emitFor(loop); })
      .Case([&](scf::IfOp branch) { return emitIf(branch); })
      .Case([&](scf::WhileOp loop) { return emitWhile(loop); })
      .Default([&](Operation *other) { return elementwise(other); });
}

LogicalResult Emitter::emitFor(scf::ForOp op) {
  Regs inits;
  appendFlat(op.getInitArgs(), inits);
  auto loop =
      scf::ForOp::create(b, scalar(op.getLowerBound()), scalar(op.getUpperBound()), scalar(op.getStep()), inits);
  bind(op.getInductionVar(), {loop.getInductionVar()});
  bindAll(op.getRegionIterArgs(), loop.getRegionIterArgs());
  // Whatever any iteration does may have just happened.
  Pending before = pending;
  assumeRepeated(op.getRegion());
  OpBuilder::InsertionGuard guard(b);
  Block *body = loop.getBody();
  if (!body->empty())
    body->back().erase(); // the yield that the builder makes for a loop that carries nothing
  b.setInsertionPointToEnd(body);
  if (failed(emit(*op.getBody())))
    return failure();
  Regs yielded;
  appendFlat(op.getYieldedValues(), yielded);
  scf::YieldOp::create(b, yielded);
  bindAll(op.getResults(), loop.getResults());
  pending.add(before); // no iteration, perhaps
  return success();
}

LogicalResult Emitter::emitIf(scf::IfOp op) {
  SmallVector<Type> types = flatTypes(op.getResultTypes());
  auto branch = scf::IfOp::create(b, types, scalar(op.getCondition()), /*addThenBlock=*/true,
                                  /*addElseBlock=*/op.elseBlock() != nullptr);
  Pending start = pending, either;
  for (auto [from, to] :
       {std::pair(op.thenBlock(), branch.thenBlock()), std::pair(op.elseBlock(), branch.elseBlock())}) {
    if (!from)
      continue;
    OpBuilder::InsertionGuard guard(b);
    if (!to->empty())
      to->back().erase();
    b.setInsertionPointToEnd(to);
    pending = start;
    // A branch works out for itself where its thread is: what it shares with the code before it would stay in registers
    // through every loop in between.
    Place before = place;
    setPlace(assembly(b.getI32Type(), {place.thread}, "mov.b32 $0, $1;", "=r,r"));
    LogicalResult done = emit(*from);
    place = before;
    if (failed(done))
      return failure();
    Regs yielded;
    appendFlat(from->getTerminator()->getOperands(), yielded);
    scf::YieldOp::create(b, yielded);
    either.add(pending);
  }
  bindAll(op.getResults(), branch.getResults());
  if (!op.elseBlock())
    either.add(start);
  pending = std::move(either);
  return success();
}

LogicalResult Emitter::emitWhile(scf::WhileOp op) {
  Regs inits;
  appendFlat(op.getInits(), inits);
  SmallVector<Type> before = flatTypes(ValueRange(op.getBeforeArguments()).getTypes()),
                    after = flatTypes(op.getResultTypes());
  auto loop = scf::WhileOp::create(b, after, inits);
  SmallVector<Location> beforeLocs(before.size(), b.getLoc()), afterLocs(after.size(), b.getLoc());
  Pending atStart = pending;
  assumeRepeated(op.getBefore());
  assumeRepeated(op.getAfter());
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&loop.getBefore(), {}, before, beforeLocs);
  bindAll(op.getBeforeArguments(), loop.getBeforeArguments());
  if (failed(emit(*op.getBeforeBody())))
    return failure();
  Regs condition;
  appendFlat(op.getConditionOp().getArgs(), condition);
  scf::ConditionOp::create(b, scalar(op.getConditionOp().getCondition()), condition);
  b.createBlock(&loop.getAfter(), {}, after, afterLocs);
  bindAll(op.getAfterArguments(), loop.getAfterArguments());
  if (failed(emit(*op.getAfterBody())))
    return failure();
  Regs yielded;
  appendFlat(op.getYieldOp()->getOperands(), yielded);
  scf::YieldOp::create(b, yielded);
  bindAll(op.getResults(), loop.getResults());
  pending.add(atStart);
  assumeRepeated(op.getBefore());
  return success();
}

//===-- the kernel ---------------------------------------------------------===//

LogicalResult Emitter::run() {
  // The hardware has 255 registers a thread; far beyond it a program can only spill, and takes ages to compile.
  constexpr int64_t mostValues = 2048;
  WalkResult fits = kernel.walk([&](Operation *op) {
    for (Value result : op->getResults())
      if (hasLayout(result.getType()) && registerCount(result.getType()) > mostValues) {
        op->emitError() << "a tile of " << cast<RankedTensorType>(result.getType()).getNumElements() << " elements has "
                        << registerCount(result.getType()) << " values in each thread of " << warps
                        << " warps, expected at most " << mostValues << "; use a smaller tile or more warps";
        return WalkResult::interrupt();
      }
    return WalkResult::advance();
  });
  if (fits.wasInterrupted())
    return failure();
  b.setInsertionPoint(kernel);
  SmallVector<Type> types;
  for (const AbiArg &item : kernelAbi(kernel))
    types.push_back(item.kind == AbiArg::Pointer ? Type(LLVM::LLVMPointerType::get(b.getContext(), 1)) : item.type);
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), types);
  auto function = LLVM::LLVMFuncOp::create(b, kernel.getName(), type);
  function->setAttr("nvvm.kernel", b.getUnitAttr());
  function->setAttr("nvvm.minctasm", b.getI32IntegerAttr(1)); // otherwise ptxas may spill to fit a second block
  function->setAttr("nvvm.reqntid", b.getDenseI32ArrayAttr({warps * 32, 1, 1}));
  if (fast)
    function->setAttr("denormal_fp_math_f32", b.getStringAttr("preserve-sign"));
  function.addEntryBlock(b);
  b.setInsertionPointToStart(&function.getBody().front());

  setPlace(NVVM::ThreadIdXOp::create(b, b.getI32Type()));
  planRings();
  bindArguments();
  if (failed(emit(kernel.getBody().front())))
    return failure();
  LLVM::ReturnOp::create(b, ValueRange());

  if (sharedBytes > sharedLimit(chip)) {
    kernel->setAttr("tile.shared_bytes", b.getI64IntegerAttr(sharedBytes));
    return kernel.emitError() << "kernel '" << kernel.getName() << "' needs " << sharedBytes
                              << " bytes of shared memory, but a block of " << chip << " has " << sharedLimit(chip)
                              << "; use smaller tiles or a smaller num_stages";
  }
  function->setAttr("treadle.shared_bytes", b.getI64IntegerAttr(sharedBytes));
  return success();
}

namespace {
struct LowerToGPUPass : tile::impl::LowerToGPUBase<LowerToGPUPass> {
  using LowerToGPUBase::LowerToGPUBase;
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<func::FuncOp> kernels;
    for (auto func : module.getOps<func::FuncOp>())
      if (isKernel(func))
        kernels.push_back(func);
    OpBuilder builder(module.getBodyRegion());
    auto bytes = LLVM::LLVMArrayType::get(builder.getI8Type(), 0);
    auto shared = LLVM::GlobalOp::create(builder, module.getLoc(), bytes, /*isConstant=*/false, LLVM::Linkage::External,
                                         "treadle_shared", Attribute(), /*alignment=*/1024, /*addrSpace=*/3);
    bool used = false;
    for (func::FuncOp kernel : kernels) {
      std::string name = kernel.getName().str();
      if (failed(Emitter(kernel, chip).run()))
        return signalPassFailure();
      kernel.erase();
      used |= cast<LLVM::LLVMFuncOp>(module.lookupSymbol(name))
                  ->getAttrOfType<IntegerAttr>("treadle.shared_bytes")
                  .getInt() > 0;
    }
    if (!used)
      shared.erase();
  }
};
} // namespace
