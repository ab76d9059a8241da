// Special functions (ex2, lg2, sin, cos, tanh) and the approximate forms of div, rcp, sqrt and rsqrt: computed in
// double precision and rounded once, to what is the nearest value but for the rarest of cases.
#include "ArithFloat.h"
#include "Arithmetic.h"

namespace treadle::sim::arith {

namespace {

// 2^x for every float: exact range reduction, then the series of 2^f, |f| <= 1/2, whose first missing term is below
// 2^-56. Made of what vector instructions have.
double exp2(double x) {
  x = x < -160 ? -160 : x;
  x = x > 130 ? 130 : x;
  constexpr double shifter = 0x1.8p52; // adding it leaves the nearest integer in the lowest bits
  const double shifted = x + shifter;
  const double f = x - (shifted - shifter);
  double sum = 1.3691488853904128e-12; // ln(2)^13 / 13!
  for (const double term : {2.5678435993488206e-11, 4.4455382718708116e-10, 7.054911620801123e-09, 1.01780860092397e-07,
                            1.321548679014431e-06, 1.5252733804059841e-05, 0.0001540353039338161, 0.0013333558146428443,
                            0.009618129107628477, 0.05550410866482158, 0.24022650695910072, 0.6931471805599453})
    sum = std::fma(sum, f, term);
  // The nearest double may be halfway between two floats; the error tells on which side the power is.
  const double nearest = std::fma(sum, f, 1.0);
  const double power = roundToOdd(nearest, std::fma(sum, f, 1.0 - nearest));
  return bitCast<double>(bitCast<uint64_t>(power) + (bitCast<uint64_t>(shifted) << 52));
}

struct Exp2 {
  static double of(double x) { return isNan(x) ? x : exp2(x); }
};
struct Log2 {
  static double of(double x) { return std::log2(x); }
};
struct Sine {
  static double of(double x) { return std::sin(x); }
};
struct Cosine {
  static double of(double x) { return std::cos(x); }
};
struct Tanh {
  static double of(double x) { return std::tanh(x); }
};
struct ReciprocalRoot {
  static double of(double x) { return 1 / std::sqrt(x); }
};

template <class Function, bool ftz> float single(float a) {
  const float value = canonical(float(Function::of(double(ftz ? flush(a) : a))));
  return ftz ? flush(value) : value;
}
template <class Function, bool ftz, class T> T half(T a) {
  const T value = fromDouble<T>(Function::of(toDouble(ftz ? flush(a) : a)), Rounding::Nearest);
  return ftz ? flush(value) : value;
}

template <class Function> void addSingle(Opcodes &o, const char *opcode) {
  o[opcode].add("approx.f32", form<single<Function, false>>(), Class::Special);
  o[opcode].add("approx.ftz.f32", form<single<Function, true>>(), Class::Special);
}
template <class Function, bool ftz, class T> void addHalf(Opcodes &o, const char *opcode, const std::string &type) {
  o[opcode].add(type, form<half<Function, ftz, T>>(), Class::Special);
  o[opcode].add(type + "x2", pairForm<half<Function, ftz, T>>(), Class::Special);
}

// Multiplies by the reciprocal, which a large divisor does not have.
template <bool ftz> float divideApproximately(float a, float b) {
  const float x = ftz ? flush(a) : a;
  const float y = ftz ? flush(b) : b;
  const bool large = std::fabs(y) > 0x1p126F && !std::isinf(y);
  const float quotient = canonical(large ? x * copySign(y, 0.0F) : x / y);
  return ftz ? flushTiny(quotient, double(x) / y) : quotient;
}

// Of the upper halves alone, into the upper half.
double upperHalf(double a) { return bitCast<double>(bitCast<uint64_t>(a) & 0xffffffff00000000); }
template <class Function> double upperApproximate(double a) {
  const double value = Function::of(flush(upperHalf(a)));
  return isNan(value) ? bitCast<double>(uint64_t(0x7fffffff) << 32) : flush(upperHalf(value));
}
double reciprocalRoot(double a) { return pickNan(ReciprocalRoot::of(a), a); }

} // namespace

void addSpecial(Opcodes &o) {
  addSingle<Exp2>(o, "ex2");
  addHalf<Exp2, false, Half>(o, "ex2", "approx.f16");
  addHalf<Exp2, true, BFloat>(o, "ex2", "approx.ftz.bf16");
  addSingle<Log2>(o, "lg2");
  addSingle<Sine>(o, "sin");
  addSingle<Cosine>(o, "cos");
  o["tanh"].add("approx.f32", form<single<Tanh, false>>(), Class::Special);
  addHalf<Tanh, false, Half>(o, "tanh", "approx.f16");
  addHalf<Tanh, false, BFloat>(o, "tanh", "approx.bf16");
  const auto add = [&](const char *opcode, const char *modifiers, const Form &form) {
    o[opcode].add(modifiers, form, Class::Special);
  };
  add("rcp", "approx.f32", form<nearest<Reciprocal, false, false, float>>());
  add("rcp", "approx.ftz.f32", form<nearest<Reciprocal, true, false, float>>());
  add("rcp", "approx.ftz.f64", form<upperApproximate<Reciprocal>>());
  add("sqrt", "approx.f32", form<nearest<SquareRoot, false, false, float>>());
  add("sqrt", "approx.ftz.f32", form<nearest<SquareRoot, true, false, float>>());
  addSingle<ReciprocalRoot>(o, "rsqrt");
  add("rsqrt", "approx.f64", form<reciprocalRoot>());
  add("rsqrt", "approx.ftz.f64", form<upperApproximate<ReciprocalRoot>>());
  add("div", "approx.f32", form<divideApproximately<false>>());
  add("div", "approx.ftz.f32", form<divideApproximately<true>>());
  add("div", "full.f32", form<nearest<Divide, false, false, float, float>>());
  add("div", "full.ftz.f32", form<nearest<Divide, true, false, float, float>>());
}

} // namespace treadle::sim::arith
