// What the floating-point instructions compute, of one lane.
#pragma once

#include "Convert.h"

#include <cfenv>

namespace treadle::sim::arith {

// Op::flags of floating-point instructions.
constexpr uint16_t flagRounding = 3, flagFlush = 8, flagSaturate = 16, flagRelu = 32, flagFinite = 64;
inline Rounding roundingOf(const Op &op) { return Rounding(op.flags & flagRounding); }

// The checks for NaN are made on bits: compilers take it that operations give any NaN, and drop a choice of another.
inline float canonical(float value) { return isNan(value) ? bitCast<float>(nanOf<float>) : value; }
inline double quiet(double nan) { return bitCast<double>(bitCast<uint64_t>(nan) | uint64_t(1) << 51); }
// What an operation on doubles gives instead of NaN: the first operand that is one, quiet.
inline double pickNan(double value, double first) {
  const double nan = isNan(first) ? quiet(first) : bitCast<double>(nanOf<double>);
  return isNan(value) ? nan : value;
}
template <class... A> inline double pickNan(double value, double first, A... more) {
  return isNan(first) ? quiet(first) : pickNan(value, more...);
}

// Into [0, 1]; NaN and -0 become +0.
template <class T> inline T saturateUnit(T value) { return value > 0 ? (value < 1 ? value : T(1)) : T(0); }

// Operations: `of` rounds as the processor is told to; `precise` is a double on the same side of every float as the
// exact value is; `finish` makes NaNs those that the hardware gives.
struct Finish {
  template <class... A> static float finish(float value, A... /*operands*/) { return canonical(value); }
  static double finish(double value, double a) { return pickNan(value, a); }
  static double finish(double value, double a, double b) { return pickNan(value, b, a); }
  static double finish(double value, double a, double b, double c) { return pickNan(value, b, c, a); }
};
struct Add : Finish {
  template <class T> static T of(T a, T b) { return a + b; }
  static double precise(double a, double b) { return a + b; }
};
struct Subtract : Finish {
  template <class T> static T of(T a, T b) { return a - b; }
  static double precise(double a, double b) { return a - b; }
};
struct Multiply : Finish {
  template <class T> static T of(T a, T b) { return a * b; }
  static double precise(double a, double b) { return a * b; }
};
struct Divide : Finish {
  template <class T> static T of(T a, T b) { return a / b; }
  static double precise(double a, double b) { return a / b; }
  using Finish::finish;
  static double finish(double value, double a, double b) { return pickNan(value, a, b); }
};
struct FusedMultiplyAdd : Finish {
  template <class T> static T of(T a, T b, T c) { return std::fma(a, b, c); }
  // Of values whose product is exact.
  static double precise(double a, double b, double c) {
    const double product = a * b;
    const double sum = product + c;
    const double rest = sum - product;
    return roundToOdd(sum, (product - (sum - rest)) + (c - rest));
  }
};
struct Reciprocal : Finish {
  template <class T> static T of(T a) { return T(1) / a; }
  static double precise(double a) { return 1 / a; }
};
struct SquareRoot : Finish {
  template <class T> static T of(T a) { return std::sqrt(a); }
  static double precise(double a) { return std::sqrt(a); }
};

// .ftz: the sign alone of what would be subnormal once it is rounded to as many bits as a normal value has.
template <class T> inline T flushTiny(T value, double precise, Rounding rounding = Rounding::Nearest) {
  using Bits = typename Format<T>::Bits;
  constexpr double leastNormal = 1.0 / (uint64_t(1) << (biasOf<T> - 1) / 2) / (uint64_t(1) << biasOf<T> / 2);
  constexpr double unit = leastNormal / (uint64_t(2) << Format<T>::mantissaBits);
  const bool away = rounding == (precise < 0 ? Rounding::Down : Rounding::Up);
  const double size = std::fabs(precise);
  const bool tiny = rounding == Rounding::Nearest ? size < leastNormal - unit / 2
                    : away                        ? size <= leastNormal - unit
                                                  : size < leastNormal;
  const auto bits = bitCast<Bits>(value);
  return bitCast<T>(Bits(tiny ? bits & signOf<T> : bits));
}

// Rounded to nearest even.
template <class Operation, bool ftz, bool sat, class T, class... A> inline T nearest(T a, A... more) {
  T value;
  if constexpr (ftz)
    value = flushTiny(Operation::finish(Operation::of(flush(a), flush(more)...), a, more...),
                      Operation::precise(flush(a), flush(more)...));
  else
    value = Operation::finish(Operation::of(a, more...), a, more...);
  return sat ? saturateUnit(value) : value;
}

// Rounded as the op's flags say. What is volatile is computed between the two changes of the rounding mode.
template <class Operation, class T, class... A> inline T directed(const Op &op, T a, A... more) {
  const bool ftz = (op.flags & flagFlush) != 0;
  const auto operand = [&](T value) { return ftz && sizeof(T) == 4 ? flush(value) : value; };
  constexpr int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
  const int before = std::fegetround();
  std::fesetround(modes[op.flags & flagRounding]);
  volatile T exact[] = {operand(a), operand(more)...};
  volatile T rounded = 0;
  if constexpr (sizeof...(A) == 0)
    rounded = Operation::of(T(exact[0]));
  else if constexpr (sizeof...(A) == 1)
    rounded = Operation::of(T(exact[0]), T(exact[1]));
  else
    rounded = Operation::of(T(exact[0]), T(exact[1]), T(exact[2]));
  std::fesetround(before);
  T value = Operation::finish(T(rounded), a, more...);
  if constexpr (sizeof(T) == 4)
    value = ftz ? flushTiny(value, Operation::precise(operand(a), operand(more)...), roundingOf(op)) : value;
  return op.flags & flagSaturate ? saturateUnit(value) : value;
}

// min and max: a number wins over NaN unless .NaN; -0 < +0; .xorsign.abs compares magnitudes, and the sign is that of
// the product.
enum class Extreme { Minimum, Maximum };
template <Extreme which, bool nan, bool xorsign, bool ftz, class T> inline T extreme(T a, T b) {
  using Bits = typename Format<T>::Bits;
  if (ftz) {
    a = flush(a);
    b = flush(b);
  }
  const Bits sign = (bitCast<Bits>(a) ^ bitCast<Bits>(b)) & signOf<T>;
  if (xorsign) {
    a = bitCast<T>(Bits(bitCast<Bits>(a) & ~signOf<T>));
    b = bitCast<T>(Bits(bitCast<Bits>(b) & ~signOf<T>));
  }
  constexpr bool least = which == Extreme::Minimum;
  const Bits zeros = least ? bitCast<Bits>(a) | bitCast<Bits>(b) : bitCast<Bits>(a) & bitCast<Bits>(b);
  T value = (least ? a < b : a > b) ? a : b;
  value = a == b ? bitCast<T>(zeros) : value;
  value = !nan && isNan(b) ? a : value;
  value = nan && isNan(a) ? a : value;
  const T signedValue = xorsign ? bitCast<T>(Bits(bitCast<Bits>(value) | sign)) : value;
  return isNan(value) ? Finish::finish(value, a, b) : signedValue;
}

// NaNs as the hardware gives them: its operation is an addition.
template <class T> inline T magnitude(T a) {
  using Bits = typename Format<T>::Bits;
  const T value = bitCast<T>(Bits(bitCast<Bits>(a) & ~signOf<T>));
  if constexpr (sizeof(T) == 8)
    return isNan(a) ? quiet(a) : value;
  else
    return isNan(a) ? bitCast<T>(nanOf<T>) : value;
}
template <class T> inline T opposite(T a) {
  using Bits = typename Format<T>::Bits;
  const T value = bitCast<T>(Bits(bitCast<Bits>(a) ^ signOf<T>));
  if constexpr (sizeof(T) == 8)
    return isNan(a) ? quiet(a) : value;
  else
    return isNan(a) ? bitCast<T>(nanOf<T>) : value;
}
// b with the sign of a.
template <class T> inline T copySign(T a, T b) {
  using Bits = typename Format<T>::Bits;
  return bitCast<T>(Bits((bitCast<Bits>(a) & signOf<T>) | (bitCast<Bits>(b) & ~signOf<T>)));
}

} // namespace treadle::sim::arith
