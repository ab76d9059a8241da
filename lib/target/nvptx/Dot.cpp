//===-- Dot.cpp - products --------------------------------------------------===//

#include "Emitter.h"

#include "layout/Layouts.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::tile;

LogicalResult Emitter::emitDot(DotOp op) {
  return isa<SharedType>(op.getA().getType()) ? emitDotOnLanes(op) : emitDotOnTensorCores(op);
}

/// Registers of an operand: at hand, or fetched from shared memory when they are needed.
namespace {
struct Operand {
  Regs *values = nullptr;
  std::function<Value(unsigned)> fetch;
  Value get(unsigned reg) const { return values ? (*values)[reg] : fetch(reg); }
};
} // namespace

LogicalResult Emitter::emitDotOnTensorCores(DotOp op) {
  auto typeA = cast<RankedTensorType>(op.getA().getType());
  auto typeB = cast<RankedTensorType>(op.getB().getType());
  Type element = typeA.getElementType();
  bool wide = element.isF32();
  // Per fragment: registers of A and B, and the extent of K.
  int perA = wide ? 4 : 8, perB = wide ? 2 : 4, stepK = wide ? 8 : 16;
  int64_t k = typeA.getDimSize(1);
  if (k < stepK)
    return op.emitError() << "a product of " << element << " on tensor cores needs at least " << stepK
                          << " along the summed axis, found " << k;

  std::optional<Fetcher> fetchA, fetchB;
  SmallVector<Slot, 2> fetched;
  auto operand = [&](Value value, std::optional<Fetcher> &fetcher) {
    if (auto it = registers.find(value); it != registers.end())
      return Operand{&it->second, {}};
    // A transposition names the same registers; the fetch follows the names that they have in shared memory.
    while (auto transpose = value.getDefiningOp<TransposeOp>())
      value = transpose.getOperand();
    const Lazy &tile = lazy.find(value)->second;
    fetched.push_back(tile.slot);
    fetcher.emplace(*this, TileAccess::fragments(tile.layout, bitsOf(element) / 8), tile.shared, element, tile.slot);
    return Operand{nullptr, [&fetcher](unsigned reg) { return fetcher->get(reg); }};
  };
  Operand a = operand(op.getA(), fetchA), bOperand = operand(op.getB(), fetchB);
  readShared(fetched);

  Regs acc = regs(op.getC());
  int64_t stepsK = k / stepK;
  int64_t repeatsM = registerCount(typeA) / (perA * stepsK), repeatsN = registerCount(typeB) / (perB * stepsK);
  Type f32 = b.getF32Type();
  auto resultType = LLVM::LLVMStructType::getLiteral(b.getContext(), SmallVector<Type>(4, f32));
  NVVM::MMATypes kind = wide ? NVVM::MMATypes::tf32 : element.isBF16() ? NVVM::MMATypes::bf16 : NVVM::MMATypes::f16;

  // tf32 rounds to 10 bits of mantissa; what is left makes the second part of the split.
  auto toTF32 = [&](Value value) -> Value {
    Value bits = NVVM::ConvertFloatToTF32Op::create(b, b.getI32Type(), value, NVVM::FPRoundingMode::RNA,
                                                    NVVM::SaturationMode::NONE, false);
    return bits;
  };
  struct Fragment {
    SmallVector<Value> high, low;
  };
  bool split = wide && op.getPrecision() == Precision::tf32x3;
  auto fragment = [&](const Operand &from, int64_t first, int count) {
    Fragment result;
    Regs elements;
    for (int r = 0; r < count; ++r)
      elements.push_back(from.get(first + r));
    if (!wide) {
      result.high = pack(elements);
      if (element.isF16())
        for (Value &word : result.high)
          word = LLVM::BitcastOp::create(b, VectorType::get(2, element), word);
      return result;
    }
    for (Value value : elements) {
      Value high = toTF32(value);
      result.high.push_back(high);
      if (split) {
        Value rest = arith::SubFOp::create(b, value, arith::BitcastOp::create(b, f32, high));
        result.low.push_back(toTF32(rest));
      }
    }
    return result;
  };
  auto multiply = [&](ArrayRef<Value> left, ArrayRef<Value> right, MutableArrayRef<Value> sums) {
    Value out = NVVM::MmaOp::create(b, resultType, left, right, sums, ArrayRef<int64_t>{16, 8, stepK}, std::nullopt,
                                    std::nullopt, std::array<NVVM::MMATypes, 2>{kind, kind},
                                    std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
    for (int i = 0; i < 4; ++i)
      sums[i] = LLVM::ExtractValueOp::create(b, out, int64_t(i));
  };

  for (int64_t step = 0; step < stepsK; ++step) {
    SmallVector<Fragment> rows;
    for (int64_t m = 0; m < repeatsM; ++m)
      rows.push_back(fragment(a, (m * stepsK + step) * perA, perA));
    for (int64_t n = 0; n < repeatsN; ++n) {
      Fragment column = fragment(bOperand, (n * stepsK + step) * perB, perB);
      for (int64_t m = 0; m < repeatsM; ++m) {
        MutableArrayRef<Value> sums = MutableArrayRef<Value>(acc).slice((m * repeatsN + n) * 4, 4);
        if (!split) {
          multiply(rows[m].high, column.high, sums);
          continue;
        }
        // Small terms first; and the long sum by ordinary additions, which round to nearest where tensor cores
        // truncate.
        Regs part(4, arith::ConstantOp::create(b, b.getF32FloatAttr(0)));
        multiply(rows[m].low, column.high, part);
        multiply(rows[m].high, column.low, part);
        multiply(rows[m].high, column.high, part);
        for (int i = 0; i < 4; ++i)
          sums[i] = arith::AddFOp::create(b, sums[i], part[i]);
      }
    }
  }
  bind(op.getResult(), std::move(acc));
  return success();
}

/// Each thread sums its own elements, reading its part of a column of A and of a row of B from shared memory for each
/// k.
LogicalResult Emitter::emitDotOnLanes(DotOp op) {
  auto typeA = cast<SharedType>(op.getA().getType()), typeB = cast<SharedType>(op.getB().getType());
  auto typeC = cast<RankedTensorType>(op.getResult().getType());
  Layout layout = layoutOf(typeC);
  Slot slotA = slotOf(op.getA()), slotB = slotOf(op.getB());
  readShared({slotA, slotB});
  int64_t k = typeA.getShape()[1];

  auto loop = scf::ForOp::create(b, index(0), index(k), index(1), regs(op.getC()));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value step = arith::IndexCastOp::create(b, b.getI32Type(), loop.getInductionVar());
  Type element = typeA.getElementType();
  auto reader = [&](const Layout &places, SharedType type, Slot slot) {
    return Fetcher(*this, TileAccess::vectors(places, bitsOf(element) / 8), layoutOf(type), element, slot, step);
  };
  Fetcher rows = reader(laneOperandA(layout, k), typeA, slotA), columns = reader(laneOperandB(layout, k), typeB, slotB);
  Regs sums(loop.getRegionIterArgs());
  for (auto [r, sum] : llvm::enumerate(sums)) {
    Value left = rows.get(r), right = columns.get(r);
    sum = math::FmaOp::create(b, left, right, sum);
  }
  scf::YieldOp::create(b, sums);
  bind(op.getResult(), Regs(loop.getResults()));
  return success();
}
