// Rounding as the definition says it, by exact arithmetic on values: what the instructions are compared with.
#pragma once

#include "ArithTest.h"

#include <cmath>
#include <random>

namespace treadle::sim::test {

#if defined(__x86_64__)
using Quad = __float128;
#else
using Quad = long double;
#endif

enum class Mode { Nearest, Zero, Down, Up };
constexpr const char *modeNames[] = {"rn", "rz", "rm", "rp"};

struct FormatBits {
  int exponent, mantissa;
};
constexpr FormatBits halfFormat = {5, 10}, bfloatFormat = {8, 7}, singleFormat = {8, 23}, doubleFormat = {11, 52};

inline Quad power(int exponent) {
  Quad value = 1;
  for (; exponent > 0; --exponent)
    value *= 2;
  for (; exponent < 0; ++exponent)
    value /= 2;
  return value;
}

// The bits of a finite value that is not zero, rounded.
inline uint64_t roundBits(Quad value, FormatBits format, Mode mode) {
  const bool negative = value < 0;
  const Quad size = negative ? -value : value;
  const int bias = (1 << (format.exponent - 1)) - 1;
  int exponent = 1 - bias;
  Quad unit = power(exponent - format.mantissa);
  const Quad limit = power(format.mantissa + 1);
  while (size >= unit * limit) {
    unit *= 2;
    ++exponent;
  }
  auto units = uint64_t(size / unit);
  const Quad rest = size / unit - Quad(units);
  const bool up = mode == Mode::Nearest ? rest > Quad(0.5) || (rest == Quad(0.5) && units % 2 == 1)
                  : mode == Mode::Zero  ? false
                                        : rest > 0 && (mode == Mode::Up) != negative;
  units += up ? 1 : 0;
  if (units == uint64_t(1) << (format.mantissa + 1)) {
    units /= 2;
    ++exponent;
  }
  const uint64_t sign = negative ? uint64_t(1) << (format.exponent + format.mantissa) : 0;
  const uint64_t infinity = ((uint64_t(1) << format.exponent) - 1) << format.mantissa;
  if (exponent > bias) {
    const bool away = mode == Mode::Nearest || (mode == Mode::Up && !negative) || (mode == Mode::Down && negative);
    return sign | (away ? infinity : infinity - 1);
  }
  const uint64_t one = uint64_t(1) << format.mantissa;
  return sign | (units < one ? units : uint64_t(exponent + bias) * one + (units - one));
}

inline double valueOf(uint64_t bits, FormatBits format) {
  const uint64_t mantissa = bits & ((uint64_t(1) << format.mantissa) - 1);
  const int field = int(bits >> format.mantissa & ((1U << format.exponent) - 1));
  const double sign = bits >> (format.exponent + format.mantissa) & 1 ? -1 : 1;
  const int bias = (1 << (format.exponent - 1)) - 1;
  if (field == (1 << format.exponent) - 1)
    return mantissa ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  const uint64_t whole = field ? mantissa | uint64_t(1) << format.mantissa : mantissa;
  return sign * std::ldexp(double(whole), std::max(field, 1) - bias - format.mantissa);
}

// Values of every kind, subnormal ones and those that round to ties among them.
inline float anyFloat(std::mt19937_64 &random) {
  const auto bits = uint32_t(random());
  switch (random() % 4) {
  case 0:
    return single(bits & 0x807fffff);
  case 1:
    return single((bits & 0x807fffff) | uint32_t(120 + random() % 16) << 23);
  case 2:
    return single((bits & ~0U << random() % 24) & 0xbfffffff);
  default:
    return single((bits & 0x7f800000) == 0x7f800000 ? bits & 0xff7fffff : bits);
  }
}

} // namespace treadle::sim::test
