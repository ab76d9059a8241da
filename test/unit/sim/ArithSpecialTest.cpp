// Special functions against long doubles, and their special values.
#include "ArithReference.h"

#include <gtest/gtest.h>

namespace {

using namespace treadle::sim;
using namespace treadle::sim::test;

constexpr uint32_t nan32 = 0x7fffffff;
const float infinity = std::numeric_limits<float>::infinity();

// Correctly rounded for all but the rarest arguments, and never farther off than the other neighbour.
void expectRounded(const std::string &name, long double (*exact)(long double), float from, float to) {
  Function<uint32_t, float> f(name);
  std::mt19937_64 random(5);
  std::uniform_real_distribution<float> any(from, to);
  for (int i = 0; i < 20000; ++i) {
    const float x = any(random);
    ASSERT_EQ(f(x), bitsOf(float(exact(x)))) << name << " " << x;
  }
}

TEST(ArithSpecial, IsRounded) {
  expectRounded("ex2.approx.f32", std::exp2, -155, 130);
  expectRounded("ex2.approx.f32", std::exp2, -1, 1);
  expectRounded("lg2.approx.f32", std::log2, 0, 100);
  expectRounded("sin.approx.f32", std::sin, -10, 10);
  expectRounded("cos.approx.f32", std::cos, -10, 10);
  expectRounded("tanh.approx.f32", std::tanh, -5, 5);
  expectRounded("sqrt.approx.f32", std::sqrt, 0, 1e30F);
  expectRounded("rsqrt.approx.f32", [](long double x) { return 1 / std::sqrt(x); }, 0, 1e10F);
  expectRounded("rcp.approx.f32", [](long double x) { return 1 / x; }, -10, 10);
}

TEST(ArithSpecial, PowersOfTwo) {
  Function<uint32_t, float> ex2("ex2.approx.f32");
  for (int n = -149; n < 128; ++n)
    EXPECT_EQ(ex2(float(n)), bitsOf(std::ldexp(1.0F, n)));
  EXPECT_EQ(ex2(-150), 0U);
  EXPECT_EQ(ex2(single(0xc315ffff)), 1U); // just above -150
  EXPECT_EQ(ex2(128), bitsOf(infinity));
  EXPECT_EQ(ex2(infinity), bitsOf(infinity));
  EXPECT_EQ(ex2(-infinity), 0U);
  EXPECT_EQ(ex2(single(0x80000001)), bitsOf(1.0F));
  EXPECT_EQ(ex2(single(0xff812345)), nan32);
  // Whose nearest doubles are halfway between two floats.
  EXPECT_EQ(ex2(single(0x3b429d37)), bitsOf(0x1.00870ap+0F));
  EXPECT_EQ(ex2(single(0xbcf3a937)), bitsOf(0x1.f58d62p-1F));
  EXPECT_EQ(ex2(single(0xb52d1f9a)), bitsOf(0x1.fffffp-1F));
  Function<uint32_t, float> flushed("ex2.approx.ftz.f32");
  EXPECT_EQ(flushed(-126), bitsOf(0x1p-126F));
  EXPECT_EQ(flushed(-126.5F), 0U);
}

TEST(ArithSpecial, SpecialValues) {
  using F = Function<uint32_t, float>;
  EXPECT_EQ(F("lg2.approx.f32")(0), bitsOf(-infinity));
  EXPECT_EQ(F("lg2.approx.f32")(-0.0F), bitsOf(-infinity));
  EXPECT_EQ(F("lg2.approx.f32")(-1), nan32);
  EXPECT_EQ(F("lg2.approx.f32")(0x1p-149F), bitsOf(-149.0F));
  EXPECT_EQ(F("lg2.approx.ftz.f32")(0x1p-149F), bitsOf(-infinity));
  EXPECT_EQ(F("sin.approx.f32")(infinity), nan32);
  EXPECT_EQ(F("sin.approx.f32")(-0.0F), 0x80000000);
  EXPECT_EQ(F("cos.approx.f32")(-infinity), nan32);
  EXPECT_EQ(F("tanh.approx.f32")(infinity), bitsOf(1.0F));
  EXPECT_EQ(F("rsqrt.approx.f32")(-0.0F), bitsOf(-infinity));
  EXPECT_EQ(F("rsqrt.approx.f32")(-1), nan32);
  EXPECT_EQ(F("rsqrt.approx.ftz.f32")(0x1p-149F), bitsOf(infinity));
  EXPECT_EQ(F("sqrt.approx.f32")(-1), nan32);
  EXPECT_EQ(F("rcp.approx.ftz.f32")(single(0x80000001)), bitsOf(-infinity));
}

TEST(ArithSpecial, Divides) {
  Function<uint32_t, float, float> approximate("div.approx.f32");
  Function<uint32_t, float, float> full("div.full.f32");
  EXPECT_EQ(approximate(1, 3), bitsOf(1.0F / 3));
  EXPECT_EQ(approximate(-1, 0x1.8p126F), 0x80000000);
  EXPECT_EQ(approximate(infinity, 0x1.8p126F), nan32);
  EXPECT_EQ(approximate(0x1p127F, infinity), 0U);
  EXPECT_EQ(full(0x1p127F, 0x1p127F), bitsOf(1.0F));
  EXPECT_EQ(full(0, 0), nan32);
}

TEST(ArithSpecial, UpperHalvesOfDoubles) {
  Function<uint64_t, double> rcp("rcp.approx.ftz.f64");
  Function<uint64_t, double> rsqrt("rsqrt.approx.ftz.f64");
  EXPECT_EQ(rcp(4), bitsOf(0.25));
  EXPECT_EQ(rcp(3) & 0xffffffff, 0U);
  EXPECT_NEAR(wide(rcp(3)), 1.0 / 3, 1e-6);
  EXPECT_EQ(rcp(wide(1)), bitsOf(double(infinity)));
  EXPECT_EQ(rsqrt(16), bitsOf(0.25));
  EXPECT_EQ(rsqrt(-1), 0x7fffffff00000000);
}

TEST(ArithSpecial, Halves) {
  Function<uint16_t, uint16_t> ex2("ex2.approx.f16");
  Function<uint16_t, uint16_t> tanh("tanh.approx.bf16");
  Function<uint16_t, uint16_t> ftz("ex2.approx.ftz.bf16");
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const double x = valueOf(bits, halfFormat);
    const double y = valueOf(bits, bfloatFormat);
    if (std::isfinite(x) && std::fabs(x) < 30)
      ASSERT_EQ(ex2(uint16_t(bits)), roundBits(Quad(std::exp2((long double)(x))), halfFormat, Mode::Nearest)) << x;
    if (std::isfinite(y) && y != 0)
      ASSERT_EQ(tanh(uint16_t(bits)), roundBits(Quad(std::tanh((long double)(y))), bfloatFormat, Mode::Nearest)) << y;
  }
  EXPECT_EQ(ex2(0x7e01), 0x7fff);
  EXPECT_EQ(ftz(0xc2ff), 0);      // -127.5
  EXPECT_EQ(ftz(0xc2fc), 0x0080); // -126
  EXPECT_EQ((Function<uint32_t, uint32_t>("ex2.approx.f16x2")(0x3c00bc00)), 0x40003800U);
}

} // namespace
