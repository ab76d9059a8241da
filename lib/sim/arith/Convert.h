// Floating-point formats: what they are made of, and rounding into them. One rounding, whatever the source.
#pragma once

#include "Lanes.h"

#include <cmath>
#include <limits>

namespace treadle::sim::arith {

// .rn .rz .rm .rp
enum class Rounding : uint8_t { Nearest, Zero, Down, Up };

// A tf32 value: a float whose lower 13 bits are zero.
struct TF32 {
  uint32_t bits;
};

template <class T> struct Format;
template <> struct Format<Half> {
  using Bits = uint16_t;
  static constexpr int exponentBits = 5, mantissaBits = 10, unusedBits = 0;
};
template <> struct Format<BFloat> {
  using Bits = uint16_t;
  static constexpr int exponentBits = 8, mantissaBits = 7, unusedBits = 0;
};
template <> struct Format<TF32> {
  using Bits = uint32_t;
  static constexpr int exponentBits = 8, mantissaBits = 10, unusedBits = 13;
};
template <> struct Format<float> {
  using Bits = uint32_t;
  static constexpr int exponentBits = 8, mantissaBits = 23, unusedBits = 0;
};
template <> struct Format<double> {
  using Bits = uint64_t;
  static constexpr int exponentBits = 11, mantissaBits = 52, unusedBits = 0;
};

template <class T> constexpr int biasOf = (1 << (Format<T>::exponentBits - 1)) - 1;
template <class T>
constexpr typename Format<T>::Bits signOf = typename Format<T>::Bits(1) << (8 * sizeof(typename Format<T>::Bits) - 1);
// The exponent's bits, which are those of infinity.
template <class T>
constexpr typename Format<T>::Bits infinityOf =
    ((typename Format<T>::Bits(1) << Format<T>::exponentBits) - 1) << (Format<T>::mantissaBits + Format<T>::unusedBits);
// What operations give for what is not a number.
template <class T> constexpr typename Format<T>::Bits nanOf = typename Format<T>::Bits(~signOf<T>);
template <> inline constexpr uint64_t nanOf<double> = 0xfff8000000000000;
template <> inline constexpr uint32_t nanOf<TF32> = 0x7fffe000;

template <class T> inline bool isNan(T value) {
  const auto bits = bitCast<typename Format<T>::Bits>(value);
  return typename Format<T>::Bits(bits & ~signOf<T>) > infinityOf<T>;
}
template <class T> inline bool isNegative(T value) {
  return (bitCast<typename Format<T>::Bits>(value) & signOf<T>) != 0;
}

// Rounds ±m * 2^e, m not zero, into a format with so many bits of exponent and mantissa; the sign is not in the result.
// What is too large becomes the bits of infinity or, rounded towards zero, those before.
inline uint64_t roundInto(int exponentBits, int mantissaBits, bool negative, uint64_t m, int e, Rounding rounding) {
  const int zeros = __builtin_clzll(m);
  m <<= zeros;
  const int least = 2 - (1 << (exponentBits - 1)); // exponent of the smallest normal
  const int exponent = e + 63 - zeros;
  const int subnormal = exponent < least ? least - exponent : 0;
  const int drop = 63 - mantissaBits + subnormal;
  uint64_t kept = drop < 64 ? m >> drop : 0;
  // What is dropped, from the top bit down; sticky where nothing of it reaches there.
  const uint64_t dropped = drop < 64 ? m << (64 - drop) : drop == 64 ? m : 1;
  const uint64_t half = uint64_t(1) << 63;
  bool up = false;
  switch (rounding) {
  case Rounding::Nearest:
    up = dropped > half || (dropped == half && (kept & 1) != 0);
    break;
  case Rounding::Zero:
    break;
  case Rounding::Down:
    up = negative && dropped != 0;
    break;
  case Rounding::Up:
    up = !negative && dropped != 0;
    break;
  }
  kept += up ? 1 : 0; // a carry goes into the exponent, as it should
  const uint64_t infinity = ((uint64_t(1) << exponentBits) - 1) << mantissaBits;
  // The leading bit adds one to the exponent.
  const int64_t below = exponent < least ? 0 : exponent - least;
  if (below >= int64_t(1) << exponentBits || (uint64_t(below) << mantissaBits) + kept >= infinity) {
    const bool toZero = rounding == Rounding::Zero || (rounding == Rounding::Down && !negative) ||
                        (rounding == Rounding::Up && negative);
    return toZero ? infinity - 1 : infinity;
  }
  return (uint64_t(below) << mantissaBits) + kept;
}

template <class T> inline T roundTo(bool negative, uint64_t m, int e, Rounding rounding) {
  using Bits = typename Format<T>::Bits;
  uint64_t bits = 0;
  if (m != 0)
    bits = roundInto(Format<T>::exponentBits, Format<T>::mantissaBits, negative, m, e, rounding);
  return bitCast<T>(Bits((bits << Format<T>::unusedBits) | (negative ? signOf<T> : 0)));
}

template <class T> inline T fromDouble(double value, Rounding rounding) {
  using Bits = typename Format<T>::Bits;
  const auto bits = bitCast<uint64_t>(value);
  const bool negative = isNegative(value);
  if (isNan(value))
    return bitCast<T>(nanOf<T>);
  if (std::isinf(value))
    return bitCast<T>(Bits(infinityOf<T> | (negative ? signOf<T> : 0)));
  const int field = int(bits >> 52 & 0x7ff);
  const uint64_t m = (bits & ((uint64_t(1) << 52) - 1)) | (field > 0 ? uint64_t(1) << 52 : 0);
  return roundTo<T>(negative, m, (field > 0 ? field : 1) - 1075, rounding);
}

inline float toFloat(float value) { return value; }
inline float toFloat(Half value) { return float(bitCast<_Float16>(value)); }
inline float toFloat(BFloat value) { return bitCast<float>(uint32_t(value.bits) << 16); }
inline double toDouble(double value) { return value; }
template <class T> inline double toDouble(T value) { return double(toFloat(value)); }

// To nearest even, fast; NaN as it comes out.
inline Half halfOf(float value) { return bitCast<Half>(_Float16(value)); }
inline BFloat bfloatOf(float value) {
  const auto bits = bitCast<uint32_t>(value);
  return {uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
// With the canonical NaN.
template <class T> inline T fromFloat(float value);
template <> inline float fromFloat<float>(float value) { return isNan(value) ? bitCast<float>(nanOf<float>) : value; }
template <> inline Half fromFloat<Half>(float value) {
  const Half rounded = halfOf(value);
  return {isNan(value) ? nanOf<Half> : rounded.bits};
}
template <> inline BFloat fromFloat<BFloat>(float value) {
  const BFloat rounded = bfloatOf(value);
  return {isNan(value) ? nanOf<BFloat> : rounded.bits};
}

// sum + error, of which sum is the nearest double, rounded to odd: rounding that to a narrower format is rounding the
// exact value.
inline double roundToOdd(double sum, double error) {
  const bool inexact = error < 0 || error > 0; // NaN, where sum is not finite, is neither
  const bool smaller = (error < 0) != (sum < 0);
  const auto bits = bitCast<uint64_t>(sum);
  return bitCast<double>((bits - (inexact && smaller ? 1 : 0)) | (inexact ? 1 : 0));
}

// Subnormals become zeros of their sign.
template <class T> inline T flush(T value) {
  using Bits = typename Format<T>::Bits;
  const auto bits = bitCast<Bits>(value);
  return bitCast<T>(Bits((bits & infinityOf<T>) == 0 ? bits & signOf<T> : bits));
}

// Rounded to an integer, and the nearest one of the type.
inline double roundToInteger(double value, Rounding rounding) {
  switch (rounding) {
  case Rounding::Zero:
    return std::trunc(value);
  case Rounding::Down:
    return std::floor(value);
  case Rounding::Up:
    return std::ceil(value);
  default:
    return std::nearbyint(value);
  }
}
template <class T> inline T toInteger(double value, Rounding rounding) {
  constexpr T least = std::numeric_limits<T>::min();
  constexpr T most = std::numeric_limits<T>::max();
  const double rounded = roundToInteger(value, rounding);
  if (rounded >= std::ldexp(1.0, std::numeric_limits<T>::digits))
    return most;
  return rounded > double(least) ? T(rounded) : least; // NaN too
}
template <class T, class From> inline T fromInteger(From value, Rounding rounding) {
  const bool negative = value < 0;
  return roundTo<T>(negative, negative ? 0 - uint64_t(value) : uint64_t(value), 0, rounding);
}

} // namespace treadle::sim::arith
