//===-- Math.cpp - elementary functions of f32 -----------------------------===//
//
// Straight-line code on a scalar or on lanes, so that it costs a few cycles per element. Coefficients: Cephes (exp,
// log, sin, cos, tanh) and N. Juffa (erf). Errors are below 5e-7 relative; infinities, NaN, zeros and denormals are
// right.
//
#include "target/cpu/Elementwise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/TypeUtilities.h"
#include <limits>

using namespace mlir;
using namespace treadle;

namespace {
/// Writes arithmetic on values of one shape.
struct Writer {
  OpBuilder &b;
  Location loc;
  Type shape;

  Type of(Type element) const {
    auto vector = dyn_cast<VectorType>(shape);
    return vector ? Type(VectorType::get(vector.getShape(), element)) : element;
  }
  Type f32() { return of(b.getF32Type()); }
  Type i32() { return of(b.getI32Type()); }
  Type f64() { return of(b.getF64Type()); }
  Type i64() { return of(b.getI64Type()); }
  Value f(double value) { return cpu::number(b, loc, f32(), value); }
  Value i(int64_t value) { return cpu::number(b, loc, i32(), value); }
  Value d(double value) { return cpu::number(b, loc, f64(), value); }

  Value add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
  Value neg(Value x) { return arith::NegFOp::create(b, loc, x); }
  Value abs(Value x) { return math::AbsFOp::create(b, loc, x); }
  Value iadd(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
  Value isub(Value x, Value y) { return arith::SubIOp::create(b, loc, x, y); }
  Value ands(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }
  Value shl(Value x, int n) { return arith::ShLIOp::create(b, loc, x, i(n)); }
  Value sar(Value x, int n) { return arith::ShRSIOp::create(b, loc, x, i(n)); }
  Value bits(Value x) { return arith::BitcastOp::create(b, loc, i32(), x); }
  Value real(Value x) { return arith::BitcastOp::create(b, loc, f32(), x); }
  Value lt(Value x, Value y) { return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, y); }
  Value gt(Value x, Value y) { return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, y); }
  Value eq(Value x, Value y) { return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x, y); }
  Value pick(Value c, Value x, Value y) { return arith::SelectOp::create(b, loc, c, x, y); }
  Value copysign(Value x, Value sign) { return math::CopySignOp::create(b, loc, x, sign); }
  Value horner(Value x, ArrayRef<double> coefficients) {
    Value sum = f(coefficients.front());
    for (double c : coefficients.drop_front())
      sum = add(mul(sum, x), f(c));
    return sum;
  }

  /// y · 2^n for n in [-252, 254], in two steps so that the result may be denormal or overflow.
  Value scale(Value y, Value n) {
    Value half = sar(n, 1), rest = isub(n, half);
    auto power = [&](Value k) { return real(shl(iadd(k, i(127)), 23)); };
    return mul(mul(y, power(half)), power(rest));
  }
  /// e^r for |r| <= ln 2 / 2.
  Value expSmall(Value r) {
    Value p = horner(
        r, {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1});
    return add(add(mul(mul(p, r), r), r), f(1));
  }
  /// The nearest integer, as f32 and as i32; the sum with 1.5 · 2^23 rounds, also where a conversion would be
  /// undefined.
  std::pair<Value, Value> nearest(Value x) {
    Value magic = f(12582912.0), sum = add(x, magic);
    return {sub(sum, magic), isub(bits(sum), bits(magic))};
  }
  Value clamp(Value x, double low, double high) { // NaN stays
    x = pick(gt(x, f(high)), f(high), x);
    return pick(lt(x, f(low)), f(low), x);
  }

  Value exp(Value x) {
    x = clamp(x, -104.0, 89.0);
    auto [n, k] = nearest(mul(x, f(1.44269504088896341)));
    Value r = sub(sub(x, mul(n, f(0.693359375))), mul(n, f(-2.12194440e-4)));
    return scale(expSmall(r), k);
  }
  Value exp2(Value x) {
    x = clamp(x, -151.0, 129.0);
    auto [n, k] = nearest(x);
    return scale(expSmall(mul(sub(x, n), f(0.693147180559945309))), k);
  }
  Value expm1(Value x) {
    Value y = exp(x), less = sub(y, f(1));
    Value corrected = div(mul(less, x), log(y));
    Value out = pick(eq(y, f(1)), x, pick(lt(abs(x), f(1)), corrected, less));
    return out;
  }

  /// x = 2^e · m with m in [√½, √2): log m and e; x positive, finite, may be denormal.
  std::pair<Value, Value> logParts(Value x) {
    Value tiny = lt(x, f(1.17549435e-38));
    x = pick(tiny, mul(x, f(8388608.0)), x);
    Value e = sar(isub(bits(x), i(0x3f3504f3)), 23);
    Value m = sub(real(isub(bits(x), shl(e, 23))), f(1));
    e = pick(tiny, isub(e, i(23)), e);
    Value z = mul(m, m);
    Value p = horner(m, {7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
                         -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1});
    return {add(m, sub(mul(mul(p, m), z), mul(z, f(0.5)))), Value(arith::SIToFPOp::create(b, loc, f32(), e))};
  }
  Value logSpecial(Value x, Value y) {
    double inf = std::numeric_limits<double>::infinity();
    y = pick(eq(x, f(0)), f(-inf), y);
    y = pick(lt(x, f(0)), f(std::numeric_limits<double>::quiet_NaN()), y);
    return pick(lt(x, f(inf)), y, x); // inf and NaN
  }
  Value log(Value x) {
    auto [m, e] = logParts(x);
    return logSpecial(x, add(add(m, mul(e, f(-2.12194440e-4))), mul(e, f(0.693359375))));
  }
  Value logBase(Value x, double perLog, double perE) {
    auto [m, e] = logParts(x);
    return logSpecial(x, add(mul(m, f(perLog)), mul(e, f(perE))));
  }
  Value log1p(Value x) {
    Value u = add(x, f(1)), less = sub(u, f(1));
    Value y = mul(log(u), div(x, less));
    y = pick(eq(u, f(1)), x, y);
    return pick(eq(x, f(std::numeric_limits<double>::infinity())), x, y);
  }

  Value tanh(Value x) {
    Value z = mul(x, x), t = abs(x);
    Value p = horner(z, {-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1});
    Value small = add(mul(mul(p, z), x), x);
    Value big = sub(f(1), div(f(2), add(exp(add(t, t)), f(1))));
    return pick(lt(t, f(0.625)), small, copysign(big, x));
  }
  Value erf(Value x) {
    Value t = abs(x), s = mul(x, x);
    Value small =
        horner(s, {-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1});
    small = add(mul(small, x), x);
    Value u = pick(gt(t, f(4)), f(4), t);
    Value p = horner(u, {-1.72853470e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1,
                         -1.28717512e-1});
    Value big = sub(f(1), exp(sub(mul(p, u), u)));
    return pick(gt(t, f(0.927734375)), copysign(big, x), small);
  }

  /// The quarter turn is found in f64: exact enough up to 10^6; beyond, the C library's function.
  template <typename LibraryOp> Value sincos(Value x, int quarter) {
    Value wide = arith::ExtFOp::create(b, loc, f64(), x), magic = d(6755399441055744.0);
    Value sum = add(mul(wide, d(0.636619772367581343)), magic), n = sub(sum, magic);
    Value r64 = sub(sub(wide, mul(n, d(1.57079632673412561417e+00))), mul(n, d(6.07710050650619224932e-11)));
    Value r = arith::TruncFOp::create(b, loc, f32(), r64), z = mul(r, r);
    Value turn = arith::TruncIOp::create(b, loc, i32(), Value(arith::BitcastOp::create(b, loc, i64(), sum)));
    turn = iadd(turn, i(quarter));
    Value sine = add(mul(mul(horner(z, {-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1}), z), r), r);
    Value cosine = add(mul(mul(horner(z, {2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2}), z), z),
                       sub(f(1), mul(z, f(0.5))));
    auto bit = [&](int mask) {
      return Value(arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, ands(turn, i(mask)), i(0)));
    };
    Value y = pick(bit(1), cosine, sine);
    y = pick(bit(2), neg(y), y);
    Value large = gt(abs(x), f(1e6)), any = large;
    if (auto vector = dyn_cast<VectorType>(shape)) {
      Type mask = b.getIntegerType(vector.getNumElements());
      any = LLVM::BitcastOp::create(b, loc, mask, large);
      any = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, any, cpu::number(b, loc, mask, 0));
    }
    auto branch = scf::IfOp::create(
        b, loc, any,
        [&](OpBuilder &inner, Location) {
          Value exact = LibraryOp::create(inner, loc, x);
          scf::YieldOp::create(inner, loc, ValueRange(arith::SelectOp::create(inner, loc, large, exact, y)));
        },
        [&](OpBuilder &inner, Location) { scf::YieldOp::create(inner, loc, y); });
    return branch.getResult(0);
  }
};
} // namespace

Value cpu::emitMath(OpBuilder &b, Location loc, StringRef name, Value x) {
  Writer w{b, loc, x.getType()};
  if (!getElementTypeOrSelf(x.getType()).isF32() || !name.consume_front("math."))
    return {};
  if (name == "exp")
    return w.exp(x);
  if (name == "exp2")
    return w.exp2(x);
  if (name == "expm1")
    return w.expm1(x);
  if (name == "log")
    return w.log(x);
  if (name == "log2")
    return w.logBase(x, 1.44269504088896341, 1);
  if (name == "log10")
    return w.logBase(x, 0.434294481903251828, 0.301029995663981195);
  if (name == "log1p")
    return w.log1p(x);
  if (name == "tanh")
    return w.tanh(x);
  if (name == "erf")
    return w.erf(x);
  if (name == "sin")
    return w.sincos<math::SinOp>(x, 0);
  if (name == "cos")
    return w.sincos<math::CosOp>(x, 1);
  if (name == "rsqrt")
    return w.div(w.f(1), math::SqrtOp::create(b, loc, x));
  return {};
}
