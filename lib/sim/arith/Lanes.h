// Handlers made of scalar functions: each is called for all 32 lanes, in a loop that the compiler turns into vector
// instructions, and lanes that are not active keep what they had.
#pragma once

#include "../Program.h"

#include <tuple>
#include <type_traits>
#include <utility>

// The lanes of a loop are independent, even where the destination is also a source. That a loop must stay scalar, since
// it calls something, is nothing to warn of.
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed"
#define TREADLE_FOR_LANES                                                                                              \
  _Pragma("clang loop vectorize(assume_safety) unroll(disable)") for (int i = 0; i < warpSize; ++i)
#else
#define TREADLE_FOR_LANES _Pragma("GCC ivdep") for (int i = 0; i < warpSize; ++i)
#endif

namespace treadle::sim::arith {

// Values of 16-bit formats, as their bits; a pair of them has the lower half first.
struct Half {
  uint16_t bits;
};
struct BFloat {
  uint16_t bits;
};
template <class T> struct Pair {
  T low, high;
};
struct Bits128 {
  uint64_t low, high;
};

// The type to ask Decoder for a register or constant with.
template <class T> constexpr ptx::Type typeOf();
template <> constexpr ptx::Type typeOf<uint8_t>() { return ptx::Type::U8; }
template <> constexpr ptx::Type typeOf<int8_t>() { return ptx::Type::S8; }
template <> constexpr ptx::Type typeOf<uint16_t>() { return ptx::Type::U16; }
template <> constexpr ptx::Type typeOf<int16_t>() { return ptx::Type::S16; }
template <> constexpr ptx::Type typeOf<uint32_t>() { return ptx::Type::U32; }
template <> constexpr ptx::Type typeOf<int32_t>() { return ptx::Type::S32; }
template <> constexpr ptx::Type typeOf<uint64_t>() { return ptx::Type::U64; }
template <> constexpr ptx::Type typeOf<int64_t>() { return ptx::Type::S64; }
template <> constexpr ptx::Type typeOf<float>() { return ptx::Type::F32; }
template <> constexpr ptx::Type typeOf<double>() { return ptx::Type::F64; }
template <> constexpr ptx::Type typeOf<Half>() { return ptx::Type::F16; }
template <> constexpr ptx::Type typeOf<BFloat>() { return ptx::Type::BF16; }
template <> constexpr ptx::Type typeOf<Bits128>() { return ptx::Type::B128; }
// Pairs have no literals of their own.
template <> constexpr ptx::Type typeOf<Pair<Half>>() { return ptx::Type::B32; }
template <> constexpr ptx::Type typeOf<Pair<BFloat>>() { return ptx::Type::B32; }
template <> constexpr ptx::Type typeOf<Pair<uint16_t>>() { return ptx::Type::B32; }
template <> constexpr ptx::Type typeOf<Pair<int16_t>>() { return ptx::Type::B32; }

template <class To, class From> inline To bitCast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

// yes in the lanes of the mask, no in the others; on bits, since compilers make a branch for each lane of a condition.
template <class T> inline T choose(Mask mask, int lane, T yes, T no) {
  if constexpr (sizeof(T) == 16) {
    return {choose(mask, lane, yes.low, no.low), choose(mask, lane, yes.high, no.high)};
  } else {
    using Bits = std::conditional_t<
        sizeof(T) == 8, uint64_t,
        std::conditional_t<sizeof(T) == 4, uint32_t, std::conditional_t<sizeof(T) == 2, uint16_t, uint8_t>>>;
    using Wide = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
    const Bits all = Bits(0 - (Wide(mask) >> lane & 1));
    return bitCast<T>(Bits((bitCast<Bits>(yes) & all) | (bitCast<Bits>(no) & ~all)));
  }
}

// d = values, in the active lanes.
template <class T> inline void blend(T *d, const T *values, Mask active) {
  TREADLE_FOR_LANES d[i] = choose(active, i, values[i], d[i]);
}

// A handler and the types of what it reads and writes.
struct Form {
  Handler run;
  ptx::Type d;
  unsigned sources;
  ptx::Type source[4];
};

// The slot of source n of an op. The fourth does not fit into an Op: it is the first of its list.
inline Slot sourceSlot(const Warp &w, const Op &op, size_t n) {
  return n == 0 ? op.a : n == 1 ? op.b : n == 2 ? op.c : w.lists[op.list];
}

namespace detail {

// D f(A...), called for each lane; D f(const Op &, A...) also sees the op.
template <auto f, class Signature = decltype(f)> struct Lanes;

template <auto f, class D, class... A> struct Lanes<f, D (*)(A...)> {
  static void run(Warp &w, const Op &op, Mask active) { run(w, op, active, std::index_sequence_for<A...>()); }
  template <size_t... n> static void run(Warp &w, const Op &op, Mask active, std::index_sequence<n...>) {
    D *d = w.lanes<D>(op.d);
    const std::tuple<const A *...> s{w.source<A>(sourceSlot(w, op, n))...};
    if (active == allLanes) {
      TREADLE_FOR_LANES d[i] = f(std::get<n>(s)[i]...);
      return;
    }
    alignas(64) D values[warpSize];
    TREADLE_FOR_LANES values[i] = f(std::get<n>(s)[i]...);
    blend(d, values, active);
  }
  static constexpr Form form() { return {run, typeOf<D>(), sizeof...(A), {typeOf<A>()...}}; }

  // The same on pairs: 64 values.
  static void runPairs(Warp &w, const Op &op, Mask active) { runPairs(w, op, active, std::index_sequence_for<A...>()); }
  template <size_t... n> static void runPairs(Warp &w, const Op &op, Mask active, std::index_sequence<n...>) {
    const std::tuple<const A *...> s{w.source<A>(sourceSlot(w, op, n))...};
    alignas(64) D values[2 * warpSize];
    for (int i = 0; i < 2 * warpSize; ++i)
      values[i] = f(std::get<n>(s)[i]...);
    alignas(64) uint32_t pairs[warpSize];
    std::memcpy(pairs, values, sizeof(pairs));
    blend(w.lanes<uint32_t>(op.d), pairs, active);
  }
  static constexpr Form pairForm() { return {runPairs, typeOf<Pair<D>>(), sizeof...(A), {typeOf<Pair<A>>()...}}; }
};

template <auto f, class D, class... A> struct Lanes<f, D (*)(const Op &, A...)> {
  static void run(Warp &w, const Op &op, Mask active) { run(w, op, active, std::index_sequence_for<A...>()); }
  template <size_t... n> static void run(Warp &w, const Op &op, Mask active, std::index_sequence<n...>) {
    const Op local = op; // which no store can change
    const std::tuple<const A *...> s{w.source<A>(sourceSlot(w, op, n))...};
    alignas(64) D values[warpSize];
    TREADLE_FOR_LANES values[i] = f(local, std::get<n>(s)[i]...);
    blend(w.lanes<D>(op.d), values, active);
  }
  static constexpr Form form() { return {run, typeOf<D>(), sizeof...(A), {typeOf<A>()...}}; }
};

} // namespace detail

template <auto f> constexpr Form form() { return detail::Lanes<f>::form(); }
template <auto f> constexpr Form pairForm() { return detail::Lanes<f>::pairForm(); }

// The lanes for which a predicate on two values holds.
template <auto f, class T> inline Mask compareLanes(const T *a, const T *b) {
  Mask holds = 0;
  TREADLE_FOR_LANES holds |= Mask(f(a[i], b[i])) << i;
  return holds;
}

} // namespace treadle::sim::arith
