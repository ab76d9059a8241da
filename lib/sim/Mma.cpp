// mma: matrix products of a warp. Products are exact, sums are carried in double, and rounding comes once, at the end.
#include "Collective.h"

#include "arith/Arithmetic.h"

#include <algorithm>
#include <array>
#include <type_traits>

namespace treadle::sim {

using arith::Modifiers;

namespace {

// Eight values that are computed with together.
template <class T> struct EightOf {
  using Type __attribute__((vector_size(8 * sizeof(T)))) = T;
};
template <class T> using Eight = typename EightOf<T>::Type;

template <class To, class From> To bitCast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}
template <class To, class From> Eight<To> convert(From from) { return __builtin_convertvector(from, Eight<To>); }
template <class T> Eight<T> all(T x) { return x - Eight<T>{}; }

template <class T> Eight<T> load(const T *from) {
  Eight<T> x;
  memcpy(&x, from, sizeof x);
  return x;
}
template <class T> void store(T *to, Eight<T> x) { memcpy(to, &x, sizeof x); }

// What lies in the four lanes of each of eight rows, as four columns of eight: the even rows, then the odd ones.
template <class T> void loadColumns(const T *from, Eight<T> (&columns)[4]) {
  Eight<T> rows01 = load(from), rows23 = load(from + 8), rows45 = load(from + 16), rows67 = load(from + 24);
  Eight<T> left0123 = __builtin_shufflevector(rows01, rows23, 0, 8, 1, 9, 4, 12, 5, 13);
  Eight<T> left4567 = __builtin_shufflevector(rows45, rows67, 0, 8, 1, 9, 4, 12, 5, 13);
  Eight<T> right0123 = __builtin_shufflevector(rows01, rows23, 2, 10, 3, 11, 6, 14, 7, 15);
  Eight<T> right4567 = __builtin_shufflevector(rows45, rows67, 2, 10, 3, 11, 6, 14, 7, 15);
  columns[0] = __builtin_shufflevector(left0123, left4567, 0, 1, 8, 9, 4, 5, 12, 13);
  columns[1] = __builtin_shufflevector(left0123, left4567, 2, 3, 10, 11, 6, 7, 14, 15);
  columns[2] = __builtin_shufflevector(right0123, right4567, 0, 1, 8, 9, 4, 5, 12, 13);
  columns[3] = __builtin_shufflevector(right0123, right4567, 2, 3, 10, 11, 6, 7, 14, 15);
}

Eight<double> halves(Eight<uint16_t> x) { return convert<double>(convert<float>(bitCast<Eight<_Float16>>(x))); }

// Elements of A and B: `perWord` of them in a Word, which is a register; values(): the one at `index` of every word.
struct F16 {
  static constexpr const char *name = "f16";
  static constexpr int perWord = 2;
  using Word = uint32_t;
  static Eight<double> values(Eight<Word> words, int index) { return halves(convert<uint16_t>(words >> (16 * index))); }
};
struct BF16 {
  static constexpr const char *name = "bf16";
  static constexpr int perWord = 2;
  using Word = uint32_t;
  static Eight<double> values(Eight<Word> words, int index) {
    return convert<double>(bitCast<Eight<float>>(index == 0 ? words << 16 : words & 0xffff0000));
  }
};
struct TF32 {
  static constexpr const char *name = "tf32";
  static constexpr int perWord = 1;
  using Word = uint32_t;
  static Eight<double> values(Eight<Word> words, int /*index*/) {
    return convert<double>(bitCast<Eight<float>>(words & 0xffffe000)); // the other bits are not looked at
  }
};
struct F64 {
  static constexpr const char *name = "f64";
  static constexpr int perWord = 1;
  using Word = double;
  static Eight<double> values(Eight<Word> words, int /*index*/) { return words; }
};
struct U8 {
  static constexpr const char *name = "u8";
  static constexpr int perWord = 4;
  using Word = uint32_t;
  static Eight<double> values(Eight<Word> words, int index) {
    return convert<double>(bitCast<Eight<int32_t>>(words >> (8 * index) & 0xff));
  }
};
struct S8 {
  static constexpr const char *name = "s8";
  static constexpr int perWord = 4;
  using Word = uint32_t;
  static Eight<double> values(Eight<Word> words, int index) {
    return convert<double>(bitCast<Eight<int32_t>>(words << (24 - 8 * index)) >> 24);
  }
};

// Elements of C and D, one or two in a register of this type.
struct SumF32 {
  static constexpr const char *name = "f32";
  static constexpr ptx::Type type = ptx::Type::F32;
  using Stored = uint32_t;
  static Eight<double> values(Eight<Stored> x) { return convert<double>(bitCast<Eight<float>>(x)); }
  static Eight<Stored> rounded(Eight<double> x) {
    Eight<float> rounded = convert<float>(x);
    return rounded == rounded ? bitCast<Eight<uint32_t>>(rounded) : all<uint32_t>(0x7fffffff);
  }
};
struct SumF16 {
  static constexpr const char *name = "f16";
  static constexpr ptx::Type type = ptx::Type::B32;
  using Stored = uint16_t;
  static Eight<double> values(Eight<Stored> x) { return halves(x); }
  static Eight<Stored> rounded(Eight<double> x) {
    // To float first, an inexact result to its odd neighbour: so the second rounding sees on which side of a tie it is.
    Eight<float> nearest = convert<float>(x);
    Eight<double> error = x - convert<double>(nearest);
    Eight<uint32_t> bits = bitCast<Eight<uint32_t>>(nearest);
    // That of an infinity is not a number, and neither below zero nor above.
    Eight<uint32_t> evenInexact = bitCast<Eight<uint32_t>>(convert<int32_t>((error < 0) | (error > 0))) & ~bits & 1;
    Eight<int32_t> outwards = convert<int32_t>((error < 0) == (x < 0));
    bits += outwards != 0 ? evenInexact : -evenInexact;
    Eight<uint16_t> rounded = bitCast<Eight<uint16_t>>(convert<_Float16>(bitCast<Eight<float>>(bits)));
    return (rounded & 0x7fff) <= 0x7c00 ? rounded : all<uint16_t>(0x7fff);
  }
};
struct SumF64 {
  static constexpr const char *name = "f64";
  static constexpr ptx::Type type = ptx::Type::F64;
  using Stored = double;
  static Eight<double> values(Eight<Stored> x) { return x; }
  static Eight<Stored> rounded(Eight<double> x) { return x; }
};
template <bool saturates> struct SumS32 {
  static constexpr const char *name = "s32";
  static constexpr ptx::Type type = ptx::Type::B32;
  using Stored = int32_t;
  static Eight<double> values(Eight<Stored> x) { return convert<double>(x); }
  static Eight<Stored> rounded(Eight<double> x) {
    // The products alone are too small to wrap more than once.
    Eight<double> above = saturates ? all<double>(INT32_MAX) : x - 0x1p32;
    Eight<double> below = saturates ? all<double>(INT32_MIN) : x + 0x1p32;
    x = x > INT32_MAX ? above : x;
    return convert<int32_t>(x < INT32_MIN ? below : x);
  }
};

// A register of A, of B and of the sums holds 8 rows (of B: columns), each in four lanes, and each lane consecutive
// elements of its row. The registers of A follow each other down first, those of the sums across.
template <class A, class B, class Sum, int M, int K> struct Product {
  using Word = typename A::Word;
  using Stored = typename Sum::Stored;
  static constexpr int N = 8;
  static constexpr int width = 4 * A::perWord; // elements of a row in a register of A or B
  static constexpr int sumsPerLane = sizeof(Stored) == 2 ? 2 : 1;
  static constexpr int blocks = M / 8;
  static constexpr int countA = blocks * K / width; // registers
  static constexpr int countB = K / width;
  static constexpr int countSum = blocks * 2 / sumsPerLane;

  // Columns of B and of the sums stand in the order 0, 2, 4, 6, 1, 3, 5, 7: then what four lanes hold is consecutive.
  struct Tiles {
    alignas(64) double left[countA][A::perWord][warpSize];
    alignas(64) double right[K][N];
    alignas(64) double sums[M][N];
  };

  static double left(const Tiles &tiles, int m, int k) {
    return tiles.left[k / width * blocks + m / 8][k % A::perWord][m % 8 * 4 + k % width / A::perWord];
  }
  // The sum at `place` among those of register r, lane by lane.
  template <class T> static auto &sum(T &tiles, int r, int place) {
    int lane = place / sumsPerLane, part = r * sumsPerLane + place % sumsPerLane;
    return tiles.sums[part / 2 * 8 + lane / 4][part % 2 * 4 + lane % 4];
  }

  static void loadTiles(const Warp &warp, const Slot *a, const Slot *b, const Slot *c, Tiles &tiles) {
    for (int r = 0; r < countA; ++r)
      for (int lane = 0; lane < warpSize; lane += 8)
        for (int i = 0; i < A::perWord; ++i)
          store(&tiles.left[r][i][lane], A::values(load(warp.source<Word>(a[r]) + lane), i));
    for (int r = 0; r < countB; ++r) {
      Eight<Word> columns[4];
      loadColumns(warp.source<Word>(b[r]), columns);
      for (int j = 0; j < 4; ++j)
        for (int i = 0; i < A::perWord; ++i)
          store(tiles.right[r * width + j * A::perWord + i], B::values(columns[j], i));
    }
    for (int r = 0; r < countSum; ++r)
      for (int place = 0; place < warpSize * sumsPerLane; place += 8) {
        Eight<double> values = Sum::values(load(warp.source<Stored>(c[r]) + place));
        for (int i = 0; i < 8; ++i)
          sum(tiles, r, place + i) = values[i];
      }
  }

  static void multiply(Tiles &tiles) {
    constexpr int rows = 4; // at a time, so that their sums stay in registers
    for (int m = 0; m < M; m += rows) {
      double sums[rows][N];
      memcpy(sums, tiles.sums[m], sizeof sums);
      for (int k = 0; k < K; ++k)
        for (int i = 0; i < rows; ++i)
          for (int n = 0; n < N; ++n)
            sums[i][n] = __builtin_fma(left(tiles, m + i, k), tiles.right[k][n], sums[i][n]);
      memcpy(tiles.sums[m], sums, sizeof sums);
    }
  }

  static void storeSums(Warp &warp, const Slot *d, Mask active, const Tiles &tiles) {
    for (int r = 0; r < countSum; ++r) {
      alignas(64) Stored results[warpSize * sumsPerLane];
      for (int place = 0; place < warpSize * sumsPerLane; place += 8) {
        Eight<double> values;
        for (int i = 0; i < 8; ++i)
          values[i] = sum(tiles, r, place + i);
        store(results + place, Sum::rounded(values));
      }
      Stored *destination = warp.lanes<Stored>(d[r]);
      if (active == allLanes)
        memcpy(destination, results, sizeof results);
      else
        forEachLane(active, [&](int lane) {
          memcpy(destination + lane * sumsPerLane, results + lane * sumsPerLane, sumsPerLane * sizeof(Stored));
        });
    }
  }

  static void run(Warp &warp, const Op &op, Mask active) {
    expectAllLanes(warp, op, active);
    const Slot *d = warp.lists + op.list, *a = d + countSum, *b = a + countA, *c = b + countB;
    Tiles tiles;
    loadTiles(warp, a, b, c, tiles);
    multiply(tiles);
    storeSums(warp, d, active, tiles);
  }
};

// What is implemented: a shape, the types of its matrices, and how many registers they take.
struct Signature {
  int m, k;
  const char *a, *b, *sum;
  ptx::Type type, sumType; // of registers
  size_t countA, countB, countSum;
  Handler run, runSaturating;

  // As modifiers name it: "m16n8k8", "f32", "tf32", "tf32", "f32".
  std::array<std::string, 5> names() const {
    return {"m" + std::to_string(m) + "n8k" + std::to_string(k), sum, a, b, sum};
  }
};

template <class A, class B, class Sum, int M, int K, class SaturatingSum = void> constexpr Signature signature() {
  using P = Product<A, B, Sum, M, K>;
  Handler saturating = nullptr;
  if constexpr (!std::is_void_v<SaturatingSum>)
    saturating = Product<A, B, SaturatingSum, M, K>::run;
  ptx::Type type = sizeof(typename A::Word) == 8 ? ptx::Type::F64 : ptx::Type::B32;
  return {M, K, A::name, B::name, Sum::name, type, Sum::type, P::countA, P::countB, P::countSum, P::run, saturating};
}
template <class A, class B, int M, int K> constexpr Signature integers() {
  return signature<A, B, SumS32<false>, M, K, SumS32<true>>();
}

constexpr Signature signatures[] = {
    signature<F16, F16, SumF16, 16, 8>(),
    signature<F16, F16, SumF32, 16, 8>(),
    signature<F16, F16, SumF16, 16, 16>(),
    signature<F16, F16, SumF32, 16, 16>(),
    signature<BF16, BF16, SumF32, 16, 8>(),
    signature<BF16, BF16, SumF32, 16, 16>(),
    signature<TF32, TF32, SumF32, 16, 4>(),
    signature<TF32, TF32, SumF32, 16, 8>(),
    signature<F64, F64, SumF64, 8, 4>(),
    signature<F64, F64, SumF64, 16, 4>(),
    signature<F64, F64, SumF64, 16, 8>(),
    signature<F64, F64, SumF64, 16, 16>(),
    integers<U8, U8, 8, 16>(),
    integers<U8, S8, 8, 16>(),
    integers<S8, U8, 8, 16>(),
    integers<S8, S8, 8, 16>(),
    integers<U8, U8, 16, 16>(),
    integers<U8, S8, 16, 16>(),
    integers<S8, U8, 16, 16>(),
    integers<S8, S8, 16, 16>(),
    integers<U8, U8, 16, 32>(),
    integers<U8, S8, 16, 32>(),
    integers<S8, U8, 16, 32>(),
    integers<S8, S8, 16, 32>(),
};

// Adds the slots of operand `index`, which has to name that many registers.
template <class F> void addFragment(Decoder &decoder, size_t index, size_t count, std::vector<Slot> &slots, F slotOf) {
  const ptx::Operand &operand = decoder.instruction().operands[index];
  size_t found = operand.kind == ptx::Operand::Vector ? operand.elements.size() : 0;
  if (found != count)
    decoder.fail("operand " + std::to_string(index + 1) + ": expected a vector of " + std::to_string(count) +
                 ", found " + (found != 0 ? "one of " + std::to_string(found) : "none"));
  for (const ptx::Operand &element : operand.elements)
    slots.push_back(slotOf(element));
}

} // namespace

bool decodeMma(Decoder &decoder, Op &op) {
  if (decoder.instruction().opcode != "mma")
    return false;
  Modifiers modifiers(decoder);
  std::vector<Signature> candidates(std::begin(signatures), std::end(signatures));
  auto expectName = [&](size_t i) {
    std::vector<std::string> names;
    for (const Signature &candidate : candidates)
      if (std::find(names.begin(), names.end(), candidate.names()[i]) == names.end())
        names.push_back(candidate.names()[i]);
    std::string name = modifiers.expect(names);
    auto differs = [&](const Signature &candidate) { return candidate.names()[i] != name; };
    candidates.erase(std::remove_if(candidates.begin(), candidates.end(), differs), candidates.end());
  };
  modifiers.expect({"sync"});
  modifiers.expect({"aligned"});
  expectName(0);
  modifiers.expect({"row"});
  modifiers.expect({"col"});
  bool saturates = modifiers.take("satfinite");
  for (size_t i = 1; i < 5; ++i)
    expectName(i);
  modifiers.expectNone();
  const Signature &chosen = candidates.front();
  if (saturates && chosen.runSaturating == nullptr)
    decoder.fail("expected satfinite with integers only");
  decoder.expectOperands(4);

  auto source = [&](ptx::Type type) { return [&, type](const ptx::Operand &o) { return decoder.source(o, type); }; };
  std::vector<Slot> slots;
  addFragment(decoder, 0, chosen.countSum, slots,
              [&](const ptx::Operand &o) { return decoder.destination(o, chosen.sumType); });
  addFragment(decoder, 1, chosen.countA, slots, source(chosen.type));
  addFragment(decoder, 2, chosen.countB, slots, source(chosen.type));
  addFragment(decoder, 3, chosen.countSum, slots, source(chosen.sumType));
  op.run = saturates ? chosen.runSaturating : chosen.run;
  op.control = Control::Aligned;
  op.kind = Class::Tensor;
  op.list = decoder.addList(slots);
  op.imm = int64_t(chosen.m) * 8 * chosen.k;
  return true;
}

} // namespace treadle::sim
