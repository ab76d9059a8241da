// mma against plain matrix products; where the elements of a fragment lie is written here as the PTX manual tabulates
// it.
#include "OneWarp.h"

#include <cmath>
#include <random>

using namespace treadle::sim;
using namespace treadle::sim::one_warp;

namespace {

using Matrix = std::vector<std::vector<double>>;
using Place = std::pair<int, int>; // row and column

// Element i of lane (group g, thread t of the group) of A and B.
struct Shape {
  int m, k, bits; // bits: of an element
  Place (*a)(int g, int t, int i);
  Place (*b)(int g, int t, int i);
};
const Shape shapes[] = {
    {16, 8, 16, [](int g, int t, int i) { return Place(i < 2 ? g : g + 8, t * 2 + (i & 1)); },
     [](int g, int t, int i) { return Place(t * 2 + i, g); }},
    {16, 16, 16,
     [](int g, int t, int i) {
       return Place(i < 2 || (4 <= i && i < 6) ? g : g + 8, t * 2 + (i & 1) + (i >= 4 ? 8 : 0));
     },
     [](int g, int t, int i) { return Place(t * 2 + (i & 1) + (i >= 2 ? 8 : 0), g); }},
    {16, 4, 32, [](int g, int t, int i) { return Place(i == 0 ? g : g + 8, t); },
     [](int g, int t, int) { return Place(t, g); }},
    {16, 8, 32, [](int g, int t, int i) { return Place(i == 0 || i == 2 ? g : g + 8, i < 2 ? t : t + 4); },
     [](int g, int t, int i) { return Place(i == 0 ? t : t + 4, g); }},
    {8, 4, 64, [](int g, int t, int) { return Place(g, t); }, [](int g, int t, int) { return Place(t, g); }},
    {16, 4, 64, [](int g, int t, int i) { return Place(i == 0 ? g : g + 8, t); },
     [](int g, int t, int) { return Place(t, g); }},
    {16, 8, 64, [](int g, int t, int i) { return Place(i == 0 || i == 2 ? g : g + 8, i < 2 ? t : t + 4); },
     [](int g, int t, int i) { return Place(i == 0 ? t : t + 4, g); }},
    {16, 16, 64, [](int g, int t, int i) { return i % 2 == 0 ? Place(g, i * 2 + t) : Place(g + 8, i * 2 - 2 + t); },
     [](int g, int t, int i) { return Place(i * 4 + t, g); }},
    {8, 16, 8, [](int g, int t, int i) { return Place(g, t * 4 + i); },
     [](int g, int t, int i) { return Place(t * 4 + i, g); }},
    {16, 16, 8, [](int g, int t, int i) { return Place(i < 4 ? g : g + 8, t * 4 + (i & 3)); },
     [](int g, int t, int i) { return Place(t * 4 + i, g); }},
    {16, 32, 8,
     [](int g, int t, int i) {
       return Place(i < 4 || (8 <= i && i < 12) ? g : g + 8, t * 4 + (i & 3) + (i >= 8 ? 16 : 0));
     },
     [](int g, int t, int i) { return Place(t * 4 + (i & 3) + (i >= 4 ? 16 : 0), g); }},
};
// Of C and D.
Place sumPlace(int g, int t, int i) { return {i < 2 ? g : g + 8, t * 2 + (i & 1)}; }

const Shape &shapeOf(int m, int k, int bits) {
  for (const Shape &shape : shapes)
    if (shape.m == m && shape.k == k && shape.bits == bits)
      return shape;
  throw std::logic_error("no such shape");
}

template <class To, class From> To bitCast(From from) {
  To to;
  static_assert(sizeof to == sizeof from);
  memcpy(&to, &from, sizeof to);
  return to;
}

unsigned bitsOf(const std::string &type) {
  return type == "f64" ? 64 : type == "f16" || type == "bf16" ? 16 : type == "u8" || type == "s8" ? 8 : 32;
}
uint64_t encode(const std::string &type, double x) {
  if (type == "f64")
    return bitCast<uint64_t>(x);
  if (type == "f32" || type == "tf32")
    return bitCast<uint32_t>(float(x));
  if (type == "f16")
    return bitCast<uint16_t>(_Float16(x));
  if (type == "bf16")
    return bitCast<uint32_t>(float(x)) >> 16;
  return uint64_t(int64_t(x)) & (type == "s32" ? 0xffffffff : 0xff);
}
double decodeValue(const std::string &type, uint64_t bits) {
  if (type == "f64")
    return bitCast<double>(bits);
  if (type == "f32")
    return bitCast<float>(uint32_t(bits));
  if (type == "f16")
    return bitCast<_Float16>(uint16_t(bits));
  return int32_t(bits);
}

Matrix matrix(int rows, int columns, double value = 0) { return Matrix(rows, std::vector<double>(columns, value)); }

// One mma of given types on matrices.
struct Mma {
  int m, k;
  std::string a, b, sum;
  bool saturates = false;

  const Shape &shape() const { return shapeOf(m, k, bitsOf(a)); }
  std::string name() const {
    return "mma.sync.aligned.m" + std::to_string(m) + "n8k" + std::to_string(k) + ".row.col." +
           (saturates ? "satfinite." : "") + sum + "." + a + "." + b + "." + sum;
  }
  int registersA() const { return m * k * int(bitsOf(a)) / warpSize / (a == "f64" ? 64 : 32); }
  int registersB() const { return 8 * k * int(bitsOf(a)) / warpSize / (a == "f64" ? 64 : 32); }
  int registersSum() const { return m * 8 * int(bitsOf(sum)) / warpSize / (sum == "f64" ? 64 : 32); }

  // D in registers from 0, A from 10, B from 20 and C from 25, of the wide ones if they are f64.
  static int first(char which) { return which == 'd' ? 0 : which == 'a' ? 10 : which == 'b' ? 20 : 25; }
  static ptx::Operand fragment(char which, int count, const std::string &type) {
    std::vector<int> registers;
    for (int i = 0; i < count; ++i)
      registers.push_back(first(which) + i + (type == "f64" ? firstWide : 0));
    return vectorOf(registers);
  }
  std::vector<ptx::Operand> operands() const {
    return {fragment('d', registersSum(), sum), fragment('a', registersA(), a), fragment('b', registersB(), b),
            fragment('c', registersSum(), sum)};
  }

  // The bytes of element i of a lane in registers from `start`.
  static std::byte *element(OneWarp &w, int start, int lane, int i, const std::string &type) {
    int size = int(bitsOf(type)) / 8, word = type == "f64" ? 8 : 4, perWord = word / size;
    auto *base = w.lanes<std::byte>(start + i / perWord + (type == "f64" ? firstWide : 0));
    return base + lane * word + i % perWord * size;
  }
  void put(OneWarp &w, char which, const Matrix &x) const {
    const std::string &type = which == 'a' ? a : which == 'b' ? b : sum;
    int count = (which == 'a' ? m * k : which == 'b' ? 8 * k : m * 8) / warpSize;
    for (int lane = 0; lane < warpSize; ++lane)
      for (int i = 0; i < count; ++i) {
        auto place = which == 'a' ? shape().a : which == 'b' ? shape().b : sumPlace;
        auto [row, column] = place(lane / 4, lane % 4, i);
        uint64_t bits = encode(type, x[row][column]);
        memcpy(element(w, first(which), lane, i, type), &bits, bitsOf(type) / 8);
      }
  }
  // D as bits.
  std::vector<std::vector<uint64_t>> result(OneWarp &w, int start = 0) const {
    std::vector<std::vector<uint64_t>> d(m, std::vector<uint64_t>(8));
    for (int lane = 0; lane < warpSize; ++lane)
      for (int i = 0; i < m * 8 / warpSize; ++i) {
        auto [row, column] = sumPlace(lane / 4, lane % 4, i);
        memcpy(&d[row][column], element(w, start, lane, i, sum), bitsOf(sum) / 8);
      }
    return d;
  }
  std::vector<std::vector<uint64_t>> operator()(const Matrix &left, const Matrix &right, const Matrix &c) const {
    OneWarp w;
    put(w, 'a', left);
    put(w, 'b', right);
    put(w, 'c', c);
    w.run(name(), operands());
    return result(w);
  }
  // The first element, with row 0 of A, column 0 of B and c the only ones that are not 0.
  uint64_t dot(const std::vector<double> &x, const std::vector<double> &y, double c) const {
    Matrix left = matrix(m, k), right = matrix(k, 8), sums = matrix(m, 8);
    for (size_t i = 0; i < x.size(); ++i)
      left[0][i] = x[i], right[i][0] = y[i];
    sums[0][0] = c;
    return (*this)(left, right, sums)[0][0];
  }
};

const std::vector<Mma> everyFloat = {
    {16, 8, "f16", "f16", "f16"},   {16, 8, "f16", "f16", "f32"},   {16, 16, "f16", "f16", "f16"},
    {16, 16, "f16", "f16", "f32"},  {16, 8, "bf16", "bf16", "f32"}, {16, 16, "bf16", "bf16", "f32"},
    {16, 4, "tf32", "tf32", "f32"}, {16, 8, "tf32", "tf32", "f32"}, {8, 4, "f64", "f64", "f64"},
    {16, 4, "f64", "f64", "f64"},   {16, 8, "f64", "f64", "f64"},   {16, 16, "f64", "f64", "f64"},
};

double product(const Matrix &left, const Matrix &right, double c, int row, int column) {
  long double sum = c;
  for (size_t i = 0; i < right.size(); ++i)
    sum += static_cast<long double>(left[row][i]) * right[i][column];
  return double(sum); // exact for the tests that ask for equality
}

TEST(Mma, SumsAreExactAndRoundedOnce) {
  std::mt19937 random(1);
  // Few bits and exponents not far apart: sums fit into a double, but not into a float.
  auto value = [&] { return std::ldexp(int(random() % 255) - 127, -int(random() % 12)); };
  for (const Mma &mma : everyFloat)
    for (int round = 0; round < 20; ++round) {
      Matrix left = matrix(mma.m, mma.k), right = matrix(mma.k, 8), c = matrix(mma.m, 8);
      for (Matrix *x : {&left, &right, &c})
        for (auto &row : *x)
          for (double &element : row)
            element = value();
      auto d = mma(left, right, c);
      for (int row = 0; row < mma.m; ++row)
        for (int column = 0; column < 8; ++column)
          ASSERT_EQ(d[row][column], encode(mma.sum, product(left, right, c[row][column], row, column)))
              << mma.name() << " row " << row << " column " << column;
    }
}

TEST(Mma, WideRangesStayWithinTheBound) {
  std::mt19937 random(2);
  auto value = [&] { return std::ldexp(double(random() % 256) - 128, int(random() % 60) - 30); };
  for (const Mma &mma : {Mma{16, 16, "bf16", "bf16", "f32"}, Mma{16, 8, "tf32", "tf32", "f32"}}) {
    Matrix left = matrix(16, mma.k), right = matrix(mma.k, 8), c = matrix(16, 8);
    for (Matrix *x : {&left, &right, &c})
      for (auto &row : *x)
        for (double &element : row)
          element = value();
    auto d = mma(left, right, c);
    for (int row = 0; row < 16; ++row)
      for (int column = 0; column < 8; ++column) {
        double magnitude = std::fabs(c[row][column]);
        for (int i = 0; i < mma.k; ++i)
          magnitude += std::fabs(left[row][i] * right[i][column]);
        ASSERT_NEAR(decodeValue("f32", d[row][column]), product(left, right, c[row][column], row, column),
                    std::ldexp(magnitude, -20));
      }
  }
}

TEST(Mma, IntegersWrapOrSaturate) {
  std::mt19937 random(3);
  for (int m : {8, 16})
    for (int k : {16, 32})
      for (const char *a : {"u8", "s8"})
        for (const char *b : {"u8", "s8"})
          for (bool saturates : {false, true}) {
            if (m == 8 && k == 32)
              continue;
            Mma mma = {m, k, a, b, "s32", saturates};
            Matrix left = matrix(m, k), right = matrix(k, 8), c = matrix(m, 8);
            for (auto &row : left)
              for (double &x : row)
                x = int(random() % 256) - (a[0] == 's' ? 128 : 0);
            for (auto &row : right)
              for (double &x : row)
                x = int(random() % 256) - (b[0] == 's' ? 128 : 0);
            for (auto &row : c)
              for (double &x : row)
                x = random() % 3 == 0 ? INT32_MAX : random() % 2 == 0 ? INT32_MIN : int32_t(random());
            auto d = mma(left, right, c);
            for (int row = 0; row < m; ++row)
              for (int column = 0; column < 8; ++column) {
                auto sum = int64_t(product(left, right, c[row][column], row, column));
                int64_t expected = saturates ? std::min<int64_t>(std::max<int64_t>(sum, INT32_MIN), INT32_MAX) : sum;
                ASSERT_EQ(uint32_t(d[row][column]), uint32_t(expected)) << mma.name();
              }
          }
}

TEST(Mma, HalfSumsAreRoundedOnce) {
  Mma mma = {16, 16, "f16", "f16", "f16"};
  double tie = std::ldexp(1, -11), little = std::ldexp(1, -15);
  auto f16 = [](double x) { return encode("f16", x); };
  // Just above and below a tie, by what a float would lose.
  EXPECT_EQ(mma.dot({tie, little}, {1, little}, 1), f16(1 + 2 * tie));
  EXPECT_EQ(mma.dot({tie, -little}, {1, little}, 1), f16(1));
  EXPECT_EQ(mma.dot({tie, little}, {-1, -little}, -1), f16(-1 - 2 * tie));
  EXPECT_EQ(mma.dot({tie, -little}, {-1, -little}, -1), f16(-1));
  EXPECT_EQ(mma.dot({tie}, {3}, 1), f16(1 + 4 * tie)); // ties to even
  EXPECT_EQ(mma.dot({tie}, {1}, 1), f16(1));
  EXPECT_EQ(mma.dot({256}, {256}, -16), 0x7c00U); // 65520 is not below the greatest and half a step
  EXPECT_EQ(mma.dot({256, little}, {256, -little}, -16), 0x7bffU);
  EXPECT_EQ(mma.dot({256}, {-256}, -65504), 0xfc00U);
  EXPECT_EQ(mma.dot({little}, {little}, 0), 0U);
  EXPECT_EQ(mma.dot({little}, {std::ldexp(1, -9)}, 0), 1U); // denormal
  EXPECT_EQ(mma.dot({INFINITY}, {0}, 1), 0x7fffU);
  EXPECT_EQ(mma.dot({1}, {1}, -NAN), 0x7fffU);
  EXPECT_EQ(mma.dot({INFINITY}, {-1}, 1), 0xfc00U);
  EXPECT_EQ(mma.dot({INFINITY}, {1}, 1), 0x7c00U);
  EXPECT_EQ(mma.dot({1}, {1}, INFINITY), 0x7c00U);
  EXPECT_EQ(mma.dot({1}, {1}, -INFINITY), 0xfc00U);
  EXPECT_EQ(mma.dot({INFINITY, INFINITY}, {1, -1}, 0), 0x7fffU);
}

TEST(Mma, InfinitiesNansAndDenormals) {
  for (const Mma &mma :
       {Mma{16, 16, "f16", "f16", "f32"}, Mma{16, 8, "bf16", "bf16", "f32"}, Mma{16, 8, "tf32", "tf32", "f32"}}) {
    EXPECT_EQ(mma.dot({INFINITY, 1}, {2, 3}, 4), 0x7f800000U);
    EXPECT_EQ(mma.dot({INFINITY}, {-1}, 4), 0xff800000U);
    EXPECT_EQ(mma.dot({INFINITY, INFINITY}, {1, -1}, 0), 0x7fffffffU);
    EXPECT_EQ(mma.dot({INFINITY}, {0}, 0), 0x7fffffffU);
    EXPECT_EQ(mma.dot({1}, {1}, -INFINITY), 0xff800000U);
    EXPECT_EQ(mma.dot({-NAN}, {1}, 0), 0x7fffffffU);
    EXPECT_EQ(mma.dot({1}, {1}, bitCast<float>(0xffc01234)), 0x7fffffffU);
    EXPECT_EQ(mma.dot({1}, {1}, -1), 0U);
    EXPECT_EQ(mma.dot({0}, {0}, std::ldexp(-5, -149)), 0x80000005U); // a denormal accumulator
  }
  Mma half = {16, 16, "f16", "f16", "f32"}, brain = {16, 16, "bf16", "bf16", "f32"};
  EXPECT_EQ(half.dot({std::ldexp(3, -24)}, {std::ldexp(1, -24)}, 0), encode("f32", std::ldexp(3, -48)));
  EXPECT_EQ(brain.dot({std::ldexp(3, -133)}, {std::ldexp(1, 100)}, 0), encode("f32", std::ldexp(3, -33)));
  EXPECT_EQ(brain.dot({std::ldexp(1, -70)}, {std::ldexp(1, -79)}, 0), 1U); // the least denormal
  // Products beyond a float's range that cancel, and a sum beyond it.
  EXPECT_EQ(brain.dot({0x1p120, 0x1p120}, {0x1p100, -0x1p100}, 0), 0U);
  EXPECT_EQ(brain.dot({0x1p127, 0x1p127}, {1, 1}, 0), 0x7f800000U);
}

TEST(Mma, Tf32LooksAtTheUpperBits) {
  Mma mma = {16, 8, "tf32", "tf32", "f32"};
  EXPECT_EQ(mma.dot({1 + std::ldexp(1, -10)}, {1}, 0), encode("f32", 1 + std::ldexp(1, -10)));
  EXPECT_EQ(mma.dot({2 - std::ldexp(1, -23)}, {1}, 0), encode("f32", 2 - std::ldexp(1, -10)));
  EXPECT_EQ(mma.dot({1}, {-1 - std::ldexp(1, -11)}, 0), encode("f32", -1));
}

TEST(Mma, ResultsMayOverlapEveryOperand) {
  Mma mma = {16, 16, "bf16", "bf16", "f32"};
  Matrix left = matrix(16, 16), right = matrix(16, 8), c = matrix(16, 8);
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 16; ++j)
      left[i][j] = i - j, right[i][j % 8] = i + 2 * (j % 8), c[i][j % 8] = 100 * i + j % 8;
  auto expected = mma(left, right, c);
  // D over C in another order, over A, and over B.
  for (const std::vector<int> &d : {std::vector<int>{26, 27, 28, 25}, {10, 11, 12, 13}, {20, 21, 10, 25}}) {
    OneWarp w;
    mma.put(w, 'a', left);
    mma.put(w, 'b', right);
    mma.put(w, 'c', c);
    std::vector<ptx::Operand> operands = mma.operands();
    operands[0] = vectorOf(d);
    w.run(mma.name(), operands);
    for (int i = 0; i < 4; ++i)
      memcpy(w.lanes(i), w.lanes(d[i]), warpSize * 4);
    EXPECT_EQ(mma.result(w), expected);
  }
}

TEST(Mma, ConstantsRepeatedRegistersAndTheSink) {
  Mma mma = {16, 8, "bf16", "bf16", "f32"};
  OneWarp w;
  mma.put(w, 'a', matrix(16, 8, 2));
  mma.put(w, 'b', matrix(8, 8, 3));
  std::vector<ptx::Operand> operands = mma.operands();
  operands[0].elements[1] = sink();
  operands[3].elements[0] = operands[3].elements[1] = integer(int64_t(encode("f32", 0.5)));
  operands[3].elements[2] = operands[3].elements[3] = reg(40);
  w.set(40, [](int) { return uint32_t(encode("f32", 1)); });
  w.set(1, [](int) { return 77; });
  w.run(mma.name(), operands);
  EXPECT_EQ(w.lanes(0)[9], encode("f32", 48.5));
  EXPECT_EQ(w.lanes(1)[9], 77U);
  EXPECT_EQ(w.lanes(3)[9], encode("f32", 49));
}

TEST(Mma, HowItMovesTheWarpOn) {
  OneWarp w;
  Mma mma = {16, 8, "tf32", "tf32", "f32"};
  Op op = w.decode(mma.name(), mma.operands());
  EXPECT_EQ(op.control, Control::Aligned);
  EXPECT_EQ(op.kind, Class::Tensor);
  EXPECT_EQ(op.imm, 16 * 8 * 8);
}

TEST(Mma, WhatIsNotDecoded) {
  OneWarp w;
  Mma mma = {16, 8, "tf32", "tf32", "f32"};
  auto error = [&](const std::string &modifiers) { return w.error("mma." + modifiers, mma.operands()); };
  EXPECT_EQ(error("sp.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"), "expected sync, found sp");
  EXPECT_EQ(error("sync.m16n8k8"), "expected aligned, found m16n8k8");
  EXPECT_EQ(error("sync.aligned.m8n8k32.row.col.s32.s4.s4.s32"),
            "expected one of m16n8k8, m16n8k16, m16n8k4, m8n8k4, m8n8k16, m16n8k32, found m8n8k32");
  EXPECT_EQ(error("sync.aligned.m8n8k4.col.row.f32.f16.f16.f32"), "expected row, found col");
  EXPECT_EQ(error("sync.aligned.m16n8k8.row.row.f32.f16.f16.f32"), "expected col, found row");
  EXPECT_EQ(error("sync.aligned.m8n8k4.row.col.f32.f16.f16.f32"), "expected f64, found f32");
  EXPECT_EQ(error("sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32"), "expected s32, found f32");
  EXPECT_EQ(error("sync.aligned.m16n8k8.row.col.f32.s8.s8.f32"), "expected one of f16, bf16, tf32, found s8");
  EXPECT_EQ(error("sync.aligned.m16n8k16.row.col.f32.f16.bf16.f32"), "expected f16, found bf16");
  EXPECT_EQ(error("sync.aligned.m16n8k16.row.col.f16.f16.f16.f32"), "expected f16, found f32");
  EXPECT_EQ(error("sync.aligned.m16n8k8.row.col.f32.tf32.tf32"), "expected f32, found no modifier");
  EXPECT_EQ(error("sync.aligned.m16n8k4.row.col.f64.f64.f64.f64.rz"), "expected no further modifier, found rz");
  EXPECT_EQ(error("sync.aligned.m16n8k8.row.col.satfinite.f32.tf32.tf32.f32"), "expected satfinite with integers only");
  std::vector<ptx::Operand> operands = mma.operands();
  operands[1] = operands[2];
  EXPECT_EQ(w.error(mma.name(), operands), "operand 2: expected a vector of 4, found one of 2");
  operands = mma.operands();
  operands[3] = reg(1);
  EXPECT_EQ(w.error(mma.name(), operands), "operand 4: expected a vector of 4, found none");
  operands.pop_back();
  EXPECT_EQ(w.error(mma.name(), operands), "wrong number of operands");
  operands = mma.operands();
  operands[2].elements[0] = wide(0);
  EXPECT_EQ(w.error(mma.name(), operands), "wrong size of operand");
}

TEST(Mma, ReportsAPartialWarp) {
  // A and B of ones, and C of each thread's number.
  const char *body = "cvt.rn.f32.u32 %r1, %r9;\nmov.b32 %r2, 0x3c003c00;\n"
                     "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%r0, %r3, %r4, %r5}, {%r2, %r2}, {%r2}, "
                     "{%r1, %r1, %r1, %r1};";
  auto [whole, none] = runThreads(body, 32);
  EXPECT_EQ(none.size(), 0U);
  EXPECT_EQ(whole[31], encode("f32", 8 + 31));
  std::vector<Finding> findings = runThreads(body, 33).second; // the second warp has one lane
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].kind, Finding::Kind::InvalidOperand);
  EXPECT_EQ(findings[0].what, "is executed by 1 of the 32 lanes of its warp");
  EXPECT_EQ(findings[0].thread.thread.x, 32);
}

} // namespace
