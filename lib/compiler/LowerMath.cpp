//===-- LowerMath.cpp - functions the chip has no instruction for ----------===//
//
// `math` on scalars and vectors, as arithmetic that NVPTX selects. Relative error in f32 (`exp2` itself, the
// hardware's, has 2^-22), and what an op with `afn` (fast math) becomes instead:
//
//   exp            4e-7  ex2(x log2 e), the rounding of the product put back   afn: ex2(x log2 e), 0 below 2^-126
//   log, log2      3e-7  exponent, and a polynomial of the mantissa            afn: lg2.approx
//   log10, log1p   4e-7  through log                                           afn: log10: lg2.approx
//   sin, cos       3e-7  three-term reduction, for |x| < 1e5; 2e-7 absolute    afn: sin.approx, cos.approx
//   tan            1e-6  sin / cos
//   tanh           5e-7  upstream's rational function                          afn: 1 - 2 / (1 + ex2(2 x log2 e))
//   rsqrt          3e-7  rsqrt.approx
//   upstream's polynomials: erf, erfc, asin, acos, expm1 1e-6; cbrt 2e-6; atan, atan2 4e-6
//   upstream's expansions, through the above: sinh, cosh, asinh, acosh, atanh, powf
//
// f16 and bf16 are computed in f32. There is no f64. test/python/test_cli_math.py measures these errors on the host.
//
//===----------------------------------------------------------------------===//

#include "compiler/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include <limits>

using namespace mlir;
using arith::CmpFPredicate;
using arith::CmpIPredicate;

namespace {

constexpr float log2e = 0x1.715476p+0f, log2eLow = 0x1.4ae0bep-26f, ln2 = 0x1.62e430p-1f;
constexpr float infinity = std::numeric_limits<float>::infinity();

Type likeOf(Type type, Type element) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? Type(vector.clone(element)) : element;
}

/// Arithmetic on values of one f32 (or vector of f32) type, with as little text as a formula.
struct Arithmetic {
  Arithmetic(PatternRewriter &rewriter, Operation *op)
      : b(rewriter), loc(op->getLoc()), type(op->getResult(0).getType()), i32(likeOf(type, b.getI32Type())) {}

  Value constant(TypedAttr attr, Type of) {
    if (auto vector = dyn_cast<VectorType>(of))
      attr = DenseElementsAttr::get(vector, Attribute(attr));
    return arith::ConstantOp::create(b, loc, attr);
  }
  Value c(float value) { return constant(b.getF32FloatAttr(value), type); }
  Value ci(int32_t value) { return constant(b.getI32IntegerAttr(value), i32); }

  Value add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
  Value approximateDiv(Value x, Value y) {
    return arith::DivFOp::create(b, loc, x, y, arith::FastMathFlags::afn | arith::FastMathFlags::arcp);
  }
  Value neg(Value x) { return arith::NegFOp::create(b, loc, x); }
  Value min(Value x, Value y) { return arith::MinimumFOp::create(b, loc, x, y); }
  Value max(Value x, Value y) { return arith::MaximumFOp::create(b, loc, x, y); }
  Value fma(Value x, Value y, Value z) { return math::FmaOp::create(b, loc, x, y, z); }
  Value exp2(Value x) { return math::Exp2Op::create(b, loc, x); }
  Value abs(Value x) { return math::AbsFOp::create(b, loc, x); }
  Value round(Value x) { return math::RoundEvenOp::create(b, loc, x); }
  Value compare(CmpFPredicate p, Value x, Value y) { return arith::CmpFOp::create(b, loc, p, x, y); }
  Value compare(CmpIPredicate p, Value x, Value y) { return arith::CmpIOp::create(b, loc, p, x, y); }
  Value select(Value condition, Value x, Value y) { return arith::SelectOp::create(b, loc, condition, x, y); }
  Value bits(Value x) { return arith::BitcastOp::create(b, loc, i32, x); }
  Value floats(Value x) { return arith::BitcastOp::create(b, loc, type, x); }
  Value toFloat(Value x) { return arith::SIToFPOp::create(b, loc, type, x); }
  Value toInt(Value x) { return arith::FPToSIOp::create(b, loc, i32, x); }
  Value andI(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }
  Value addI(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
  Value subI(Value x, Value y) { return arith::SubIOp::create(b, loc, x, y); }

  /// c[0] x^n + … + c[n]
  Value polynomial(Value x, ArrayRef<float> coefficients) {
    Value sum = c(coefficients.front());
    for (float coefficient : coefficients.drop_front())
      sum = fma(sum, x, c(coefficient));
    return sum;
  }

  /// An intrinsic of the hardware, element by element.
  Value intrinsic(StringRef intrinsic, Value x) {
    StringAttr name = b.getStringAttr(intrinsic);
    auto one = [&](Value scalar) -> Value {
      return LLVM::CallIntrinsicOp::create(b, loc, scalar.getType(), name, ValueRange{scalar}).getResult(0);
    };
    auto vector = dyn_cast<VectorType>(type);
    if (!vector)
      return one(x);
    SmallVector<Value> elements;
    for (Value element : vector::ToElementsOp::create(b, loc, x).getResults())
      elements.push_back(one(element));
    return vector::FromElementsOp::create(b, loc, vector, elements);
  }
  Value approximateLog2(Value x) { return intrinsic("llvm.nvvm.lg2.approx.f", x); }
  /// 0 where it is below 2^-126.
  Value approximateExp2(Value x) { return intrinsic("llvm.nvvm.ex2.approx.ftz", x); }

  PatternRewriter &b;
  Location loc;
  Type type, i32;
};

Value exp(Arithmetic m, Value x, bool fast) {
  if (fast)
    return m.approximateExp2(m.mul(x, m.c(log2e)));
  // Beyond these bounds the result is 0 or inf anyway; within them what follows is finite. NaN stays.
  x = m.min(m.max(x, m.c(-110)), m.c(90));
  Value t = m.mul(x, m.c(log2e));
  Value rest = m.fma(x, m.c(log2eLow), m.fma(x, m.c(log2e), m.neg(t)));
  return m.mul(m.exp2(t), m.fma(rest, m.c(ln2), m.c(1)));
}

Value log(Arithmetic m, Value x, bool fast) {
  if (fast)
    return m.mul(m.approximateLog2(x), m.c(ln2));
  // x = 2^e (1 + f), f in [-1/3, 1/3]; subnormals are scaled first.
  Value tiny = m.compare(CmpFPredicate::OLT, x, m.c(0x1p-126f));
  Value a = m.select(tiny, m.mul(x, m.c(0x1p23f)), x);
  Value e = m.andI(m.subI(m.bits(a), m.ci(0x3f2aaaab)), m.ci(int32_t(0xff800000)));
  Value exponent = m.fma(m.toFloat(e), m.c(0x1p-23f), m.select(tiny, m.c(-23), m.c(0)));
  Value f = m.sub(m.floats(m.subI(m.bits(a), e)), m.c(1));
  Value s = m.mul(f, f);
  Value even = m.polynomial(s, {-0.130310059f, -0.121483512f, -0.166846126f, -0.249996200f});
  Value odd = m.polynomial(s, {0.140869141f, 0.139814854f, 0.200120345f});
  Value r = m.fma(m.fma(m.fma(odd, f, even), f, m.c(0.333331972f)), f, m.c(-0.5f));
  r = m.fma(exponent, m.c(ln2), m.fma(r, s, f));
  r = m.select(m.compare(CmpFPredicate::OLT, x, m.c(infinity)), r, m.add(x, x)); // inf, NaN
  r = m.select(m.compare(CmpFPredicate::OLT, x, m.c(0)), m.c(std::numeric_limits<float>::quiet_NaN()), r);
  return m.select(m.compare(CmpFPredicate::OEQ, x, m.c(0)), m.c(-infinity), r);
}

Value log2(Arithmetic m, Value x, bool fast) {
  return fast ? m.approximateLog2(x) : m.mul(log(m, x, false), m.c(log2e));
}

Value log10(Arithmetic m, Value x, bool fast) {
  return fast ? m.mul(m.approximateLog2(x), m.c(0x1.344136p-2f)) : m.mul(log(m, x, false), m.c(0x1.bcb7b2p-2f));
}

/// log(1 + x), with what the sum lost put back.
Value log1p(Arithmetic m, Value x, bool fast) {
  Value u = m.add(x, m.c(1));
  Value lost = m.div(m.sub(x, m.sub(u, m.c(1))), u);
  Value finite = m.andI(m.compare(CmpFPredicate::OLT, u, m.c(infinity)), m.compare(CmpFPredicate::OGT, u, m.c(0)));
  return m.add(log(m, u, false), m.select(finite, lost, m.c(0)));
}

/// sin x, or with `quarter` cos x.
Value sine(Arithmetic m, Value x, bool quarter) {
  Value k = m.round(m.mul(x, m.c(0.636619747f)));
  Value r = m.fma(k, m.c(-1.57079601e+00f), x);
  r = m.fma(k, m.c(-3.13916473e-07f), r);
  r = m.fma(k, m.c(-5.39030253e-15f), r);
  Value s = m.mul(r, r);
  Value sin = m.polynomial(s, {2.86567956e-6f, -1.98559923e-4f, 8.33338592e-3f, -1.66666672e-1f});
  sin = m.fma(sin, m.mul(r, s), r);
  Value cos = m.polynomial(s, {2.44677067e-5f, -1.38877297e-3f, 4.16666567e-2f, -0.5f, 1.0f});
  Value quadrant = m.toInt(k);
  if (quarter)
    quadrant = m.addI(quadrant, m.ci(1));
  Value odd = m.compare(CmpIPredicate::ne, m.andI(quadrant, m.ci(1)), m.ci(0));
  Value negative = m.compare(CmpIPredicate::ne, m.andI(quadrant, m.ci(2)), m.ci(0));
  Value value = m.select(odd, cos, sin);
  return m.select(negative, m.neg(value), value);
}

/// In f32 only: other types come through `InF32`.
template <typename Op> struct Lower : OpRewritePattern<Op> {
  using Formula = Value (*)(Arithmetic, Value, bool);
  Lower(MLIRContext *context, Formula formula) : OpRewritePattern<Op>(context, /*benefit=*/10), formula(formula) {}

  LogicalResult matchAndRewrite(Op op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return failure();
    bool fast = bitEnumContainsAny(op.getFastmath(), arith::FastMathFlags::afn);
    Value result = formula(Arithmetic(rewriter, op), op.getOperand(), fast);
    if (!result)
      return failure(); // the op stays: NVPTX has it
    rewriter.replaceOp(op, result);
    return success();
  }
  Formula formula;
};

Value sin(Arithmetic m, Value x, bool fast) { return fast ? Value() : sine(m, x, false); }
Value cos(Arithmetic m, Value x, bool fast) { return fast ? Value() : sine(m, x, true); }
Value tan(Arithmetic m, Value x, bool fast) { return m.div(sine(m, x, false), sine(m, x, true)); }

Value tanh(Arithmetic m, Value x, bool fast) {
  if (!fast)
    return {};
  Value e = m.approximateExp2(m.mul(x, m.c(2 * log2e)));
  return m.sub(m.c(1), m.approximateDiv(m.c(2), m.add(e, m.c(1))));
}

Value rsqrt(Arithmetic m, Value x, bool) {
  Value root = math::SqrtOp::create(m.b, m.loc, x, arith::FastMathFlags::afn);
  return m.approximateDiv(m.c(1), root);
}

/// f16 and bf16 functions are computed in f32.
struct InF32 : RewritePattern {
  InF32(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), /*benefit=*/20, context) {}

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!isa<math::MathDialect>(op->getDialect()) || isa<math::AbsFOp, math::CopySignOp>(op))
      return failure();
    auto isHalf = [](Type type) {
      Type element = getElementTypeOrSelf(type);
      return element.isF16() || element.isBF16();
    };
    if (llvm::none_of(op->getOperandTypes(), isHalf))
      return failure();
    Type f32 = rewriter.getF32Type();
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      if (isHalf(operand.getType()))
        operand = arith::ExtFOp::create(rewriter, op->getLoc(), likeOf(operand.getType(), f32), operand);
      operands.push_back(operand);
    }
    SmallVector<Type> types;
    for (Type type : op->getResultTypes())
      types.push_back(isHalf(type) ? likeOf(type, f32) : type);
    Operation *wide = rewriter.create(op->getLoc(), op->getName().getIdentifier(), operands, types, op->getAttrs());
    SmallVector<Value> results;
    for (auto [type, result] : llvm::zip(op->getResultTypes(), wide->getResults()))
      results.push_back(isHalf(type) ? arith::TruncFOp::create(rewriter, op->getLoc(), type, result).getResult()
                                     : Value(result));
    rewriter.replaceOp(op, results);
    return success();
  }
};

struct LowerMath : PassWrapper<LowerMath, OperationPass<>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerMath)
  StringRef getArgument() const override { return "treadle-lower-math"; }
  StringRef getDescription() const override { return "functions without an instruction, as arithmetic"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, LLVM::LLVMDialect, math::MathDialect, vector::VectorDialect>();
  }

  LogicalResult initialize(MLIRContext *context) override {
    RewritePatternSet set(context);
    set.add<InF32>(context);
    set.add<Lower<math::ExpOp>>(context, exp);
    set.add<Lower<math::LogOp>>(context, log);
    set.add<Lower<math::Log2Op>>(context, log2);
    set.add<Lower<math::Log10Op>>(context, log10);
    set.add<Lower<math::Log1pOp>>(context, log1p);
    set.add<Lower<math::SinOp>>(context, sin);
    set.add<Lower<math::CosOp>>(context, cos);
    set.add<Lower<math::TanOp>>(context, tan);
    set.add<Lower<math::TanhOp>>(context, tanh);
    set.add<Lower<math::RsqrtOp>>(context, rsqrt);
    populateMathPolynomialApproximationPatterns(set, [](StringRef name) {
      return llvm::is_contained(
          {math::AtanOp::getOperationName(), math::Atan2Op::getOperationName(), math::TanhOp::getOperationName(),
           math::ErfOp::getOperationName(), math::ErfcOp::getOperationName(), math::AsinOp::getOperationName(),
           math::AcosOp::getOperationName(), math::CbrtOp::getOperationName(), math::ExpM1Op::getOperationName()},
          name);
    });
    math::populateExpansionPatterns(set, {"sinh", "cosh", "asinh", "acosh", "atanh", "powf", "fpowi", "clampf"});
    patterns = std::move(set);
    return success();
  }

  void runOnOperation() override {
    SmallVector<Operation *> functions;
    getOperation()->walk([&](Operation *op) {
      if (isa_and_nonnull<math::MathDialect>(op->getDialect()))
        functions.push_back(op);
    });
    for (Operation *op : functions)
      if (llvm::any_of(op->getOperandTypes(), [](Type type) { return getElementTypeOrSelf(type).isF64(); })) {
        op->emitError() << "'" << op->getName() << "' of f64 is not available on the GPU; compute it in f32";
        return signalPassFailure();
      }
    GreedyRewriteConfig config;
    config.setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled);
    if (failed(applyOpPatternsGreedily(functions, patterns, config)))
      return signalPassFailure();
  }

  FrozenRewritePatternSet patterns;
};
} // namespace

std::unique_ptr<Pass> treadle::compiler::createLowerMathPass() { return std::make_unique<LowerMath>(); }
