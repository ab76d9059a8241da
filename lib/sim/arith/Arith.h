// What the integer instructions compute, of one lane. Total functions: no input traps or is undefined.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace treadle::sim::arith {

template <class T> constexpr int bitsOf = 8 * int(sizeof(T));

// Wraps around and is not promoted to a signed type.
template <class T> using Modular = std::conditional_t<sizeof(T) <= 4, uint32_t, uint64_t>;

namespace detail {
template <class T> struct Widen;
template <> struct Widen<uint16_t> {
  using Type = uint32_t;
};
template <> struct Widen<int16_t> {
  using Type = int32_t;
};
template <> struct Widen<uint32_t> {
  using Type = uint64_t;
};
template <> struct Widen<int32_t> {
  using Type = int64_t;
};
template <> struct Widen<uint64_t> {
  using Type = unsigned __int128;
};
template <> struct Widen<int64_t> {
  using Type = __int128;
};
} // namespace detail
template <class T> using Wide = typename detail::Widen<T>::Type;

template <class T> inline T add(T a, T b) { return T(Modular<T>(a) + Modular<T>(b)); }
template <class T> inline T subtract(T a, T b) { return T(Modular<T>(a) - Modular<T>(b)); }
template <class T> inline T multiplyLow(T a, T b) { return T(Modular<T>(a) * Modular<T>(b)); }
template <class T> inline T multiplyHigh(T a, T b) { return T((Wide<T>(a) * Wide<T>(b)) >> bitsOf<T>); }
template <class T> inline Wide<T> multiplyWide(T a, T b) { return Wide<T>(a) * Wide<T>(b); }
template <class T> inline T multiplyAddLow(T a, T b, T c) { return add(multiplyLow(a, b), c); }
template <class T> inline T multiplyAddHigh(T a, T b, T c) { return add(multiplyHigh(a, b), c); }
template <class T> inline Wide<T> multiplyAddWide(T a, T b, Wide<T> c) { return add(multiplyWide(a, b), c); }

inline int32_t saturate(int64_t value) {
  return int32_t(std::clamp<int64_t>(value, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()));
}
inline int32_t addSaturating(int32_t a, int32_t b) { return saturate(int64_t(a) + b); }
inline int32_t subtractSaturating(int32_t a, int32_t b) { return saturate(int64_t(a) - b); }
inline int32_t multiplyAddHighSaturating(int32_t a, int32_t b, int32_t c) {
  return saturate(int64_t(multiplyHigh(a, b)) + c);
}

// The lower 24 bits of a value.
inline int64_t lower24(int32_t a) { return int32_t(uint32_t(a) << 8) >> 8; }
inline int64_t lower24(uint32_t a) { return a & 0xffffff; }
template <class T> inline T multiply24Low(T a, T b) { return T(lower24(a) * lower24(b)); }
template <class T> inline T multiply24High(T a, T b) { return T((lower24(a) * lower24(b)) >> 16); }
template <class T> inline T multiplyAdd24Low(T a, T b, T c) { return add(multiply24Low(a, b), c); }
template <class T> inline T multiplyAdd24High(T a, T b, T c) { return add(multiply24High(a, b), c); }
inline int32_t multiplyAdd24HighSaturating(int32_t a, int32_t b, int32_t c) {
  return saturate(int64_t(multiply24High(a, b)) + c);
}

template <class T> inline T sumOfAbsoluteDifference(T a, T b, T c) {
  return add(c, a < b ? subtract(b, a) : subtract(a, b));
}

template <class T> inline T negate(T a) { return subtract(T(0), a); }
template <class T> inline T absolute(T a) { return a < 0 ? negate(a) : a; }
template <class T> inline T minimum(T a, T b) { return b < a ? b : a; }
template <class T> inline T maximum(T a, T b) { return a < b ? b : a; }
template <class T> inline T minimumRelu(T a, T b) { return maximum(minimum(a, b), T(0)); }
template <class T> inline T maximumRelu(T a, T b) { return maximum(maximum(a, b), T(0)); }

// Division by zero gives all ones, as quotient and as remainder.
template <class T> inline T divide(T a, T b) {
  if (b == 0)
    return T(-1);
  if (std::is_signed_v<T> && b == T(-1))
    return negate(a);
  return T(a / b);
}
template <class T> inline T remainder(T a, T b) {
  if (b == 0)
    return T(-1);
  if (std::is_signed_v<T> && b == T(-1))
    return 0;
  return T(a % b);
}

template <class T> inline T bitAnd(T a, T b) { return T(a & b); }
template <class T> inline T bitOr(T a, T b) { return T(a | b); }
template <class T> inline T bitXor(T a, T b) { return T(a ^ b); }
template <class T> inline T bitNot(T a) { return T(~a); }
template <class T> inline T logicalNot(T a) { return a == 0 ? T(1) : T(0); }

// Amounts of the width or more shift everything out.
template <class T> inline T shiftLeft(T a, uint32_t n) {
  return n < uint32_t(bitsOf<T>) ? T(Modular<T>(a) << n) : T(0);
}
template <class T> inline T shiftRight(T a, uint32_t n) {
  if (std::is_signed_v<T>)
    return T(a >> (n < uint32_t(bitsOf<T>) ? n : uint32_t(bitsOf<T> - 1)));
  return n < uint32_t(bitsOf<T>) ? T(a >> n) : T(0);
}
// shf: b is the upper half of what is shifted.
template <bool clamp> inline uint32_t funnelLeft(uint32_t a, uint32_t b, uint32_t n) {
  const uint64_t both = uint64_t(b) << 32 | a;
  return uint32_t((both << (clamp ? std::min(n, 32U) : n & 31)) >> 32);
}
template <bool clamp> inline uint32_t funnelRight(uint32_t a, uint32_t b, uint32_t n) {
  const uint64_t both = uint64_t(b) << 32 | a;
  return uint32_t(both >> (clamp ? std::min(n, 32U) : n & 31));
}

// Any function of three bits: bit abc of the table.
inline uint32_t lookup3(uint32_t table, uint32_t a, uint32_t b, uint32_t c) {
  uint32_t d = 0;
  for (unsigned k = 0; k < 8; ++k)
    d |= (0 - (table >> k & 1)) & (k & 4 ? a : ~a) & (k & 2 ? b : ~b) & (k & 1 ? c : ~c);
  return d;
}

template <class T> inline uint32_t populationCount(T a) {
  // Written out: there is no vector instruction to call.
  uint64_t n = a;
  n -= n >> 1 & 0x5555555555555555;
  n = (n & 0x3333333333333333) + (n >> 2 & 0x3333333333333333);
  n = (n + (n >> 4)) & 0x0f0f0f0f0f0f0f0f;
  return uint32_t(n * 0x0101010101010101 >> 56);
}
template <class T> inline uint32_t leadingZeros(T a) {
  if (a == 0)
    return uint32_t(bitsOf<T>);
  return uint32_t(__builtin_clzll(a)) - uint32_t(64 - bitsOf<T>);
}
// The position of the highest bit that is not the sign's; all ones if there is none.
template <class T> inline uint32_t findHighest(T a) {
  const auto bits = std::make_unsigned_t<T>(a < 0 ? ~a : a);
  return uint32_t(bitsOf<T> - 1) - leadingZeros(bits);
}
// The same as the amount that would shift it to the top.
template <class T> inline uint32_t findShift(T a) {
  const uint32_t position = findHighest(a);
  return position == ~0U ? position : uint32_t(bitsOf<T> - 1) - position;
}
template <class T> inline T reverseBits(T a) {
  uint64_t n = __builtin_bswap64(a);
  n = (n >> 4 & 0x0f0f0f0f0f0f0f0f) | (n & 0x0f0f0f0f0f0f0f0f) << 4;
  n = (n >> 2 & 0x3333333333333333) | (n & 0x3333333333333333) << 2;
  n = (n >> 1 & 0x5555555555555555) | (n & 0x5555555555555555) << 1;
  return T(n >> (64 - bitsOf<T>));
}

// All bits from n upwards.
template <class T> inline T bitsFrom(uint32_t n) { return shiftLeft(T(~T(0)), n); }

// Of positions and lengths of 32-bit fields, the lower 8 bits count.
template <class T> inline uint32_t fieldBits(uint32_t n) { return sizeof(T) == 4 ? n & 0xff : n; }
template <class T> inline T extractField(T a, uint32_t position, uint32_t length) {
  length = fieldBits<T>(length);
  const T field = shiftRight(a, fieldBits<T>(position));
  if (std::is_signed_v<T> && length > 0 && length < uint32_t(bitsOf<T>)) {
    const uint32_t unused = uint32_t(bitsOf<T>) - length;
    return shiftRight(shiftLeft(field, unused), unused);
  }
  return T(field & ~bitsFrom<T>(length));
}
template <class T> inline T insertField(T a, T b, uint32_t position, uint32_t length) {
  position = fieldBits<T>(position);
  const T field = shiftLeft(T(~bitsFrom<T>(fieldBits<T>(length))), position);
  return T((shiftLeft(a, position) & field) | (b & ~field));
}

// fns: the offset'th set bit of mask from base on, upwards or downwards; 0: base itself.
inline uint32_t findNthSet(uint32_t mask, uint32_t base, int32_t offset) {
  if (offset == 0)
    return base < 32 && mask >> base & 1 ? base : ~0U;
  int64_t left = offset > 0 ? offset : -int64_t(offset);
  for (int64_t at = int32_t(base); at >= 0 && at < 32; at += offset > 0 ? 1 : -1)
    if (mask >> at & 1 && --left == 0)
      return uint32_t(at);
  return ~0U;
}

// szext: a value of n bits.
template <class T, bool clamp> inline T extend(T a, uint32_t n) {
  if (clamp && n >= 32)
    return a;
  n &= 31;
  if (std::is_signed_v<T> && n > 0)
    return shiftRight(shiftLeft(a, 32 - n), 32 - n);
  return T(a & ~bitsFrom<T>(n));
}
// bmsk: `length` ones from a position.
template <bool clamp> inline uint32_t bitMask(uint32_t position, uint32_t length) {
  if (!clamp)
    return (~0U << (position & 31)) & ~bitsFrom<uint32_t>((position & 31) + (length & 31));
  return bitsFrom<uint32_t>(position) & ~bitsFrom<uint32_t>(std::min(position, 32U) + std::min(length, 32U));
}

// prmt: which of the eight bytes {b, a} each byte of the result is, in the modes.
enum class Permute { Any, Forward4, Backward4, Replicate8, ClampLeft, ClampRight, Replicate16 };
template <Permute mode> inline uint32_t permuteBytes(uint32_t a, uint32_t b, uint32_t c) {
  const uint64_t bytes = uint64_t(b) << 32 | a;
  uint32_t d = 0;
  for (uint32_t i = 0; i < 4; ++i) {
    uint32_t from = c & 3;
    switch (mode) {
    case Permute::Any:
      from = c >> 4 * i & 7;
      break;
    case Permute::Forward4:
      from += i;
      break;
    case Permute::Backward4:
      from = (from - i) & 7;
      break;
    case Permute::Replicate8:
      break;
    case Permute::ClampLeft:
      from = std::max(from, i);
      break;
    case Permute::ClampRight:
      from = std::min(from, i);
      break;
    case Permute::Replicate16:
      from = 2 * (from & 1) + (i & 1);
      break;
    }
    uint32_t byte = uint32_t(bytes >> 8 * from) & 0xff;
    if (mode == Permute::Any && c >> (4 * i + 3) & 1) // the sign alone
      byte = byte & 0x80 ? 0xff : 0;
    d |= byte << 8 * i;
  }
  return d;
}

// Element n of a word that holds several.
template <class Element> inline int64_t element(uint32_t word, int n) {
  return Element(word >> (unsigned(n) * sizeof(Element) * 8));
}
template <class A, class B, class C> inline C dot4(uint32_t a, uint32_t b, C c) {
  int64_t sum = c;
  for (int i = 0; i < 4; ++i)
    sum += element<A>(a, i) * element<B>(b, i);
  return C(sum);
}
template <class A, class B, class C, bool high> inline C dot2(uint32_t a, uint32_t b, C c) {
  int64_t sum = c;
  for (int i = 0; i < 2; ++i)
    sum += element<A>(a, i) * element<B>(b, i + (high ? 2 : 0));
  return C(sum);
}

} // namespace treadle::sim::arith
