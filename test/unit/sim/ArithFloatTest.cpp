// f32 and f64 against exact arithmetic rounded by definition, and the special cases as the hardware has them.
#include "ArithReference.h"

#include <gtest/gtest.h>

namespace {

using namespace treadle::sim;
using namespace treadle::sim::test;

constexpr uint32_t nan32 = 0x7fffffff;
constexpr uint64_t nan64 = 0xfff8000000000000;

using Binary = Function<uint32_t, float, float>;

TEST(ArithFloat, SumsAndProductsInEveryDirection) {
  std::mt19937_64 random(1);
  for (int mode = 0; mode < 4; ++mode) {
    const std::string rounding = modeNames[mode];
    Binary add("add." + rounding + ".f32");
    Binary sub("sub." + rounding + ".f32");
    Binary mul("mul." + rounding + ".f32");
    Function<uint32_t, float, float, float> fma("fma." + rounding + ".f32");
    for (int i = 0; i < 4000; ++i) {
      const float a = anyFloat(random);
      // Near enough for the sum to be exact in a Quad.
      const float b = std::ldexp(a, int(random() % 40) - 20) * (1 + float(random() % 4096) / 4096);
      const float c = -std::ldexp(a * b, int(random() % 30) - 15) * (1 + float(random() % 4096) / 4096);
      const auto expect = [&](uint32_t found, Quad exact, const char *what) {
        if (exact != 0)
          ASSERT_EQ(found, roundBits(exact, singleFormat, Mode(mode))) << what << " " << a << " " << b << " " << c;
      };
      if (!std::isfinite(b))
        continue;
      expect(add(a, b), Quad(a) + Quad(b), "add");
      expect(sub(a, b), Quad(a) - Quad(b), "sub");
      expect(mul(a, b), Quad(a) * Quad(b), "mul");
      if (std::isfinite(c))
        expect(fma(a, b, c), Quad(a) * Quad(b) + Quad(c), "fma");
    }
  }
}

// Whether a candidate is what the exact quotient or root rounds to: its neighbours tell, without dividing.
TEST(ArithFloat, QuotientsInEveryDirection) {
  std::mt19937_64 random(2);
  for (int mode = 0; mode < 4; ++mode) {
    const std::string rounding = modeNames[mode];
    Binary div("div." + rounding + ".f32");
    Function<uint32_t, float> rcp("rcp." + rounding + ".f32");
    Function<uint32_t, float> sqrt("sqrt." + rounding + ".f32");
    for (int i = 0; i < 4000; ++i) {
      const float a = anyFloat(random);
      const float b = anyFloat(random);
      if (a == 0 || b == 0)
        continue;
      // 113 bits are more than enough to tell on which side of a tie of 25 bits a quotient of 24-bit numbers is.
      EXPECT_EQ(div(a, b), roundBits(Quad(a) / Quad(b), singleFormat, Mode(mode))) << a << " " << b;
      EXPECT_EQ(rcp(b), roundBits(1 / Quad(b), singleFormat, Mode(mode))) << b;
      const auto root = (long double)(std::fabs(a));
      EXPECT_EQ(sqrt(std::fabs(a)), roundBits(Quad(std::sqrt(root)), singleFormat, Mode(mode))) << a;
    }
  }
}

TEST(ArithFloat, DoublesInEveryDirection) {
  std::mt19937_64 random(3);
  for (int mode = 0; mode < 4; ++mode) {
    const std::string rounding = modeNames[mode];
    Function<uint64_t, double, double> add("add." + rounding + ".f64");
    Function<uint64_t, double, double> mul("mul." + rounding + ".f64");
    Function<uint64_t, double, double> div("div." + rounding + ".f64");
    for (int i = 0; i < 2000; ++i) {
      const double a = wide((random() & 0x800fffffffffffff) | (1000 + random() % 40) << 52);
      const double b = wide((random() & 0x800fffffffffffff) | (1000 + random() % 40) << 52);
      ASSERT_EQ(add(a, b), roundBits(Quad(a) + Quad(b), doubleFormat, Mode(mode)));
      ASSERT_EQ(mul(a, b), roundBits(Quad(a) * Quad(b), doubleFormat, Mode(mode)));
      ASSERT_EQ(div(a, b), roundBits(Quad(a) / Quad(b), doubleFormat, Mode(mode)));
    }
  }
}

TEST(ArithFloat, WithoutARoundingIsToNearest) {
  std::mt19937_64 random(4);
  Binary add("add.f32");
  Binary mul("mul.f32");
  Function<uint64_t, double, double> wideAdd("add.f64");
  for (int i = 0; i < 4000; ++i) {
    const float a = anyFloat(random);
    const float b = anyFloat(random);
    ASSERT_EQ(add(a, b), bitsOf(a + b));
    ASSERT_EQ(mul(a, b), bitsOf(a * b));
    ASSERT_EQ(wideAdd(a, b), bitsOf(double(a) + b));
  }
}

TEST(ArithFloat, NansAreCanonical) {
  const float nan = single(0xff812345);
  const float infinity = single(0x7f800000);
  for (const std::string rounding : {"", "rn.", "rz.", "rm.", "rp.", "ftz.", "sat.", "rm.ftz.sat."}) {
    const uint32_t expected = rounding.find("sat") == std::string::npos ? nan32 : 0;
    EXPECT_EQ(Binary("add." + rounding + "f32")(nan, 1), expected) << rounding;
    EXPECT_EQ(Binary("sub." + rounding + "f32")(infinity, infinity), expected) << rounding;
    EXPECT_EQ(Binary("mul." + rounding + "f32")(0, infinity), expected) << rounding;
  }
  for (const std::string rounding : {"rn.", "rz.", "rm.", "rp.", "rn.ftz."}) {
    EXPECT_EQ(Binary("div." + rounding + "f32")(0, 0), nan32);
    EXPECT_EQ((Function<uint32_t, float>("sqrt." + rounding + "f32")(-1)), nan32) << rounding;
    EXPECT_EQ((Function<uint32_t, float>("sqrt." + rounding + "f32")(nan)), nan32) << rounding;
    EXPECT_EQ((Function<uint32_t, float>("rcp." + rounding + "f32")(nan)), nan32);
    EXPECT_EQ((Function<uint32_t, float, float, float>("fma." + rounding + "f32")(infinity, 1, -infinity)), nan32);
  }
}

TEST(ArithFloat, NansOfDoublesKeepTheirPayload) {
  const double first = wide(0x7ff0000000000123);
  const double second = wide(0xfff8000000000456);
  const double infinity = wide(0x7ff0000000000000);
  using F = Function<uint64_t, double, double>;
  EXPECT_EQ(F("add.f64")(first, 1), 0x7ff8000000000123);
  EXPECT_EQ(F("add.f64")(first, second), 0xfff8000000000456);
  EXPECT_EQ(F("div.rn.f64")(first, second), 0x7ff8000000000123);
  EXPECT_EQ(F("sub.f64")(infinity, infinity), nan64);
  EXPECT_EQ(F("mul.rz.f64")(0, infinity), nan64);
  EXPECT_EQ((Function<uint64_t, double, double, double>("fma.rn.f64")(first, 1, second)), 0xfff8000000000456);
  EXPECT_EQ((Function<uint64_t, double, double, double>("fma.rn.f64")(0, infinity, 1)), nan64);
  EXPECT_EQ(F("min.f64")(first, second), 0xfff8000000000456);
  EXPECT_EQ(F("min.f64")(first, 2), bitsOf(2.0));
  EXPECT_EQ((Function<uint64_t, double>("abs.f64")(second)), 0xfff8000000000456);
  EXPECT_EQ((Function<uint64_t, double>("neg.f64")(first)), 0x7ff8000000000123);
}

TEST(ArithFloat, FlushesWithItsSign) {
  Binary mul("mul.ftz.f32");
  EXPECT_EQ(Binary("add.ftz.f32")(single(0x807fffff), 0.0F), 0U);
  EXPECT_EQ(Binary("add.ftz.f32")(single(0x807fffff), -0.0F), 0x80000000);
  EXPECT_EQ(Binary("add.f32")(single(0x807fffff), 0.0F), 0x807fffffU);
  EXPECT_EQ(mul(single(0x807fffff), 0x1p100F), 0x80000000);
  EXPECT_EQ(mul(-0x1p-100F, 0x1p-30F), 0x80000000);
  // What rounds to the least normal number is flushed if it would not with more exponents.
  EXPECT_EQ(mul(0x1p-126F, single(0x3f7fffff)), 0U);
  EXPECT_EQ(Binary("mul.f32")(0x1p-126F, single(0x3f7fffff)), bitsOf(0x1p-126F));
  Function<uint32_t, float, float, float> fma("fma.rn.ftz.f32");
  EXPECT_EQ(fma(0x1p-126F, -0x1p-60F, 0x1p-126F), bitsOf(0x1p-126F));
  EXPECT_EQ(fma(0x1p-126F, -0x1p-24F, 0x1p-126F), 0U);
  EXPECT_EQ((Function<uint32_t, float, float, float>("fma.rz.ftz.f32")(0x1p-126F, -0x1p-60F, 0x1p-126F)), 0U);
  EXPECT_EQ((Function<uint32_t, float, float, float>("fma.rp.ftz.f32")(0x1p-126F, -0x1p-60F, 0x1p-126F)),
            bitsOf(0x1p-126F));
  EXPECT_EQ((Function<uint32_t, float>("rcp.rp.ftz.f32")(single(0x7e800001))), 0U);
}

TEST(ArithFloat, Saturates) {
  Binary add("add.sat.f32");
  EXPECT_EQ(add(0.25F, 0.5F), bitsOf(0.75F));
  EXPECT_EQ(add(2, 3), bitsOf(1.0F));
  EXPECT_EQ(add(-2, 1), 0U);
  EXPECT_EQ(add(-0.0F, -0.0F), 0U);
}

TEST(ArithFloat, Extremes) {
  const float nan = single(0x7fc12345);
  Binary min("min.f32");
  Binary max("max.f32");
  for (const auto &[a, b] : std::vector<std::pair<float, float>>{{1, 2}, {-3, 2}, {1, 1}, {0x1p-140F, 0}}) {
    EXPECT_EQ(min(a, b), bitsOf(a < b ? a : b));
    EXPECT_EQ(max(b, a), bitsOf(a < b ? b : a));
  }
  EXPECT_EQ(min(0.0F, -0.0F), 0x80000000);
  EXPECT_EQ(min(-0.0F, 0.0F), 0x80000000);
  EXPECT_EQ(max(0.0F, -0.0F), 0U);
  EXPECT_EQ(max(-0.0F, 0.0F), 0U);
  EXPECT_EQ(min(nan, 3), bitsOf(3.0F));
  EXPECT_EQ(max(3, nan), bitsOf(3.0F));
  EXPECT_EQ(max(nan, nan), nan32);
  EXPECT_EQ(Binary("max.NaN.f32")(3, nan), nan32);
  EXPECT_EQ(Binary("min.NaN.f32")(nan, 3), nan32);
  EXPECT_EQ(Binary("min.NaN.f32")(3, 4), bitsOf(3.0F));
  EXPECT_EQ(Binary("max.xorsign.abs.f32")(-3, 2), bitsOf(-3.0F));
  EXPECT_EQ(Binary("min.xorsign.abs.f32")(-3, -2), bitsOf(2.0F));
  EXPECT_EQ(Binary("max.ftz.f32")(-1, single(0x80000001)), 0x80000000);
}

TEST(ArithFloat, Signs) {
  EXPECT_EQ((Function<uint32_t, float>("neg.f32")(0.0F)), 0x80000000);
  EXPECT_EQ((Function<uint32_t, float>("neg.f32")(single(0x7f800001))), nan32);
  EXPECT_EQ((Function<uint32_t, float>("abs.f32")(-5.0F)), bitsOf(5.0F));
  EXPECT_EQ((Function<uint32_t, float>("abs.ftz.f32")(single(0x80000001))), 0U);
  EXPECT_EQ(Binary("copysign.f32")(-1, single(0x7f800001)), 0xff800001);
  EXPECT_EQ((Function<uint64_t, double, double>("copysign.f64")(1, -7)), bitsOf(7.0));
}

TEST(ArithFloat, NamesWhatItDoesNotKnow) {
  const auto error = [](const std::string &name) {
    OneInstruction instruction(name);
    const ptx::Operand r = instruction.reg(ptx::Type::B32);
    return instruction.with({r, r, r}).error();
  };
  EXPECT_EQ(error("mul.rna.f64"), "mul.rna.f64: expected one of f64, rm.f64, rn.f64, rp.f64, rz.f64, found rna.f64");
  EXPECT_EQ(error("sqrt.f64"), "sqrt.f64: expected one of rm.f64, rn.f64, rp.f64, rz.f64, found f64");
  EXPECT_EQ(error("fma.rn.f128"), "fma.rn.f128: expected one of bf16, bf16x2, f16, f16x2, f32, f64, found f128");
}

} // namespace
