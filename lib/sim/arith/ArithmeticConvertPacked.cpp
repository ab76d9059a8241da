// cvt to and from several values in one register: f16x2, bf16x2, e4m3x2, e5m2x2 and cvt.pack.
#include "ArithFloat.h"
#include "Arithmetic.h"

#include <algorithm>

namespace treadle::sim::arith {

namespace {

constexpr unsigned none = 0, relu = 1, finite = 2;

template <unsigned modifiers, Rounding rounding, class T> T narrow(float value) {
  using Bits = typename Format<T>::Bits;
  const float a = modifiers & relu && value <= 0 ? 0 : value;
  const T rounded = rounding == Rounding::Nearest ? fromFloat<T>(a) : fromDouble<T>(a, rounding);
  const auto bits = bitCast<Bits>(rounded);
  if (modifiers & finite && !isNan(a) && Bits(bits & ~signOf<T>) == infinityOf<T>)
    return bitCast<T>(Bits(bits - 1));
  return rounded;
}
// The first operand is the upper half.
template <unsigned modifiers, Rounding rounding, class T> uint32_t narrowPair(float a, float b) {
  const T high = narrow<modifiers, rounding, T>(a);
  const T low = narrow<modifiers, rounding, T>(b);
  return uint32_t(high.bits) << 16 | low.bits;
}

// Formats of 8 bits. e4m3 has no infinity, and one NaN.
struct E4M3 {
  static constexpr int exponentBits = 4, mantissaBits = 3;
  static constexpr uint8_t largest = 0x7e, nan = 0x7f;
};
struct E5M2 {
  static constexpr int exponentBits = 5, mantissaBits = 2;
  static constexpr uint8_t largest = 0x7b, nan = 0x7f;
};

template <class T, bool isRelu> uint8_t toByte(float value) {
  if (isNan(value))
    return T::nan;
  const float a = isRelu && value <= 0 ? 0 : value;
  const uint8_t sign = std::signbit(a) ? 0x80 : 0;
  if (a == 0)
    return sign;
  if (std::isinf(a))
    return sign | T::largest;
  int exponent = 0;
  const auto m = uint64_t(std::ldexp(std::frexp(std::fabs(a), &exponent), 24));
  // One exponent more, so that what e4m3 uses infinity's for is in range.
  const int bias = (1 << (T::exponentBits - 1)) - 1;
  const int wideBias = (1 << T::exponentBits) - 1;
  const uint64_t bits =
      roundInto(T::exponentBits + 1, T::mantissaBits, false, m, exponent - 24 + bias - wideBias, Rounding::Nearest);
  return uint8_t(sign | std::min<uint64_t>(bits, T::largest));
}
template <class T> float fromByte(uint8_t bits) {
  const unsigned magnitude = bits & 0x7f;
  const float sign = bits & 0x80 ? -1.0F : 1.0F;
  const int exponent = int(magnitude >> T::mantissaBits);
  const int mantissa = int(magnitude & ((1U << T::mantissaBits) - 1));
  const int bias = (1 << (T::exponentBits - 1)) - 1;
  if (magnitude > T::largest)
    return T::exponentBits == 5 && mantissa == 0 ? sign * std::numeric_limits<float>::infinity()
                                                 : bitCast<float>(0x7fffffff);
  const int leading = exponent > 0 ? 1 << T::mantissaBits : 0;
  return sign * std::ldexp(float(leading + mantissa), std::max(exponent, 1) - bias - T::mantissaBits);
}
template <class T, bool isRelu> uint16_t bytesOfFloats(float a, float b) {
  return uint16_t(toByte<T, isRelu>(a) << 8 | toByte<T, isRelu>(b));
}
template <class T, bool isRelu> uint16_t bytesOfHalves(uint32_t pair) {
  return bytesOfFloats<T, isRelu>(toFloat(Half{uint16_t(pair >> 16)}), toFloat(Half{uint16_t(pair)}));
}
template <class T, bool isRelu> uint32_t halvesOfBytes(uint16_t bytes) {
  return narrowPair<isRelu ? relu : none, Rounding::Nearest, Half>(fromByte<T>(uint8_t(bytes >> 8)),
                                                                   fromByte<T>(uint8_t(bytes)));
}

// cvt.pack: saturated to so many bits.
template <bool isSigned, unsigned bits> uint32_t saturateBits(int32_t a) {
  const int32_t most = int32_t((1U << (isSigned ? bits - 1 : bits)) - 1);
  return uint32_t(std::clamp(a, isSigned ? -most - 1 : 0, most)) & ((1U << bits) - 1);
}
template <bool isSigned, unsigned bits> uint32_t packTwo(int32_t a, int32_t b) {
  return saturateBits<isSigned, bits>(a) << bits | saturateBits<isSigned, bits>(b);
}
template <bool isSigned, unsigned bits> uint32_t packOnto(int32_t a, int32_t b, uint32_t c) {
  return c << 2 * bits | packTwo<isSigned, bits>(a, b);
}

template <unsigned modifiers, class T> void addPairs(Variants &v, const std::string &names, const std::string &type) {
  v.add("rn." + names + type, form<narrowPair<modifiers, Rounding::Nearest, T>>(), Class::Convert);
  v.add("rz." + names + type, form<narrowPair<modifiers, Rounding::Zero, T>>(), Class::Convert);
}
template <class T> void addPairs(Variants &v, const std::string &type) {
  addPairs<none, T>(v, "", type);
  addPairs<relu, T>(v, "relu.", type);
  addPairs<finite, T>(v, "satfinite.", type);
  addPairs<relu | finite, T>(v, "relu.satfinite.", type);
}
template <class T, bool isRelu> void addBytes(Variants &v, const std::string &type) {
  const std::string names = isRelu ? "relu." : "";
  v.add("rn.satfinite." + names + type + ".f32", form<bytesOfFloats<T, isRelu>>(), Class::Convert);
  v.add("rn.satfinite." + names + type + ".f16x2", form<bytesOfHalves<T, isRelu>>(), Class::Convert);
  v.add("rn." + names + "f16x2." + type, form<halvesOfBytes<T, isRelu>>(), Class::Convert);
}

} // namespace

void addPackedConversions(Opcodes &o) {
  Variants &v = o["cvt"];
  addPairs<Half>(v, "f16x2.f32");
  addPairs<BFloat>(v, "bf16x2.f32");
  addBytes<E4M3, false>(v, "e4m3x2");
  addBytes<E4M3, true>(v, "e4m3x2");
  addBytes<E5M2, false>(v, "e5m2x2");
  addBytes<E5M2, true>(v, "e5m2x2");
  v.add("pack.sat.u16.s32", form<packTwo<false, 16>>(), Class::Convert);
  v.add("pack.sat.s16.s32", form<packTwo<true, 16>>(), Class::Convert);
  v.add("pack.sat.u8.s32.b32", form<packOnto<false, 8>>(), Class::Convert);
  v.add("pack.sat.s8.s32.b32", form<packOnto<true, 8>>(), Class::Convert);
  v.add("pack.sat.u4.s32.b32", form<packOnto<false, 4>>(), Class::Convert);
  v.add("pack.sat.s4.s32.b32", form<packOnto<true, 4>>(), Class::Convert);
  v.add("pack.sat.u2.s32.b32", form<packOnto<false, 2>>(), Class::Convert);
  v.add("pack.sat.s2.s32.b32", form<packOnto<true, 2>>(), Class::Convert);
}

} // namespace treadle::sim::arith
