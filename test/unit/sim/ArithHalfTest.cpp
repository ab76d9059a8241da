// f16 and bf16 arithmetic against exact values rounded once.
#include "ArithReference.h"

#include <gtest/gtest.h>

namespace {

using namespace treadle::sim;
using namespace treadle::sim::test;

struct HalfKind {
  const char *type;
  FormatBits format;
  uint16_t infinity;
};
const HalfKind kinds[] = {{"f16", halfFormat, 0x7c00}, {"bf16", bfloatFormat, 0x7f80}};

using Binary = Function<uint16_t, uint16_t, uint16_t>;
using Ternary = Function<uint16_t, uint16_t, uint16_t, uint16_t>;

// Whether it rounds to something other than a zero, whose sign is another matter.
uint16_t rounded(Quad exact, const HalfKind &kind) { return uint16_t(roundBits(exact, kind.format, Mode::Nearest)); }

// A sum of values of few bits, or what is on the same side of every tie.
Quad sumOf(Quad a, Quad b) {
  const auto size = [](Quad value) { return value < 0 ? -value : value; };
  if (size(a) < size(b))
    std::swap(a, b);
  if (b == 0 || size(b) > size(a) * power(-60))
    return a + b;
  return (a > 0) == (b > 0) ? a * (1 + power(-80)) : a * (1 - power(-80));
}

TEST(ArithHalf, RoundsOnce) {
  std::mt19937_64 random(11);
  for (const HalfKind &kind : kinds) {
    const std::string type = kind.type;
    Binary add("add." + type);
    Binary sub("sub.rn." + type);
    Binary mul("mul." + type);
    Ternary fma("fma.rn." + type);
    Ternary relu("fma.rn.relu." + type);
    for (int i = 0; i < 30000; ++i) {
      const auto x = uint16_t(random());
      auto y = uint16_t(random());
      const auto z = uint16_t(random());
      if (i % 2 == 0) // near x, so that sums and ties are not rare
        y = uint16_t((x & kind.infinity) | (y & ~kind.infinity));
      const double a = valueOf(x, kind.format);
      const double b = valueOf(y, kind.format);
      const double c = valueOf(z, kind.format);
      if (!std::isfinite(a) || !std::isfinite(b) || !std::isfinite(c))
        continue;
      if (a + b != 0)
        ASSERT_EQ(add(x, y), rounded(Quad(a) + Quad(b), kind)) << type << " " << a << " " << b;
      if (a - b != 0)
        ASSERT_EQ(sub(x, y), rounded(Quad(a) - Quad(b), kind)) << type << " " << a << " " << b;
      if (a * b != 0)
        ASSERT_EQ(mul(x, y), rounded(Quad(a) * Quad(b), kind)) << type << " " << a << " " << b;
      const Quad sum = sumOf(Quad(a) * Quad(b), Quad(c));
      if (sum != 0) {
        ASSERT_EQ(fma(x, y, z), rounded(sum, kind)) << type << " " << a << " " << b << " " << c;
        ASSERT_EQ(relu(x, y, z), sum < 0 ? 0 : rounded(sum, kind));
      }
    }
  }
}

TEST(ArithHalf, TiesThatADoubleWouldNotSee) {
  // 1 + 2^-8 is a tie for bf16; a last operand of 2^-133 is below all bits of a double.
  Ternary fma("fma.rn.bf16");
  EXPECT_EQ(fma(0x3f81, 0x3f81, 0x0001), uint16_t(roundBits(Quad(1.0078125 * 1.0078125), bfloatFormat, Mode::Nearest)));
  EXPECT_EQ(fma(0x3fc0, 0x3f83, 0x0000), 0x3fc4); // 1.53515625, a tie: to even
  EXPECT_EQ(fma(0x3fc0, 0x3f83, 0x0001), 0x3fc5);
  EXPECT_EQ(fma(0x3fc0, 0x3f83, 0x8001), 0x3fc4);
  // A product too small for a float, just above half of the least bf16.
  EXPECT_EQ(Binary("mul.bf16")(0x0001, 0x3f01), 0x0001);
  EXPECT_EQ(Binary("mul.bf16")(0x0001, 0x3f00), 0x0000);
}

TEST(ArithHalf, Specials) {
  for (const HalfKind &kind : kinds) {
    const std::string type = kind.type;
    const auto infinity = kind.infinity;
    const auto nan = uint16_t(infinity + 1);
    EXPECT_EQ(Binary("add." + type)(nan, 0), 0x7fff);
    EXPECT_EQ(Binary("sub." + type)(infinity, infinity), 0x7fff);
    EXPECT_EQ(Binary("mul." + type)(infinity, 0), 0x7fff);
    EXPECT_EQ(Ternary("fma.rn.relu." + type)(nan, 0, 0), 0x7fff);
    EXPECT_EQ(Ternary("fma.rn." + type)(infinity, infinity, infinity | 0x8000), 0x7fff);
    EXPECT_EQ(Binary("add." + type)(0x8000, 0x8000), 0x8000);
    EXPECT_EQ(Ternary("fma.rn.relu." + type)(0x8000, 0, 0x8000), 0);
    EXPECT_EQ(Binary("max." + type)(0x8000, 0), 0);
    EXPECT_EQ(Binary("max." + type)(nan, 5), 5);
    EXPECT_EQ(Binary("max.NaN." + type)(nan, 5), 0x7fff);
    EXPECT_EQ(Binary("min.xorsign.abs." + type)(0x8005, 3), 0x8003);
    EXPECT_EQ((Function<uint16_t, uint16_t>("neg." + type)(5)), 0x8005);
    EXPECT_EQ((Function<uint16_t, uint16_t>("neg." + type)(nan)), 0x7fff);
    EXPECT_EQ((Function<uint16_t, uint16_t>("abs." + type)(0x8005)), 5);
  }
}

TEST(ArithHalf, FlushesAndSaturates) {
  EXPECT_EQ(Binary("add.ftz.f16")(0x83ff, 0x8000), 0x8000);
  EXPECT_EQ(Binary("mul.ftz.f16")(0x0400, 0x3bff), 0); // would be subnormal with more exponents
  EXPECT_EQ(Binary("mul.f16")(0x0400, 0x3bff), 0x0400);
  EXPECT_EQ(Ternary("fma.rn.ftz.f16")(0x8937, 0x8400, 0x8400), 0x8400);
  EXPECT_EQ(Binary("add.sat.f16")(0x4000, 0), 0x3c00);
  EXPECT_EQ(Binary("add.sat.f16")(0xc000, 0), 0);
  EXPECT_EQ(Binary("add.sat.f16")(0x7e00, 0), 0);
  EXPECT_EQ(Binary("max.ftz.f16")(0x83ff, 0xbc00), 0x8000);
  EXPECT_EQ((Function<uint16_t, uint16_t>("neg.ftz.f16")(0x03ff)), 0x8000);
}

TEST(ArithHalf, PairsAreTwo) {
  using Pairs = Function<uint32_t, uint32_t, uint32_t>;
  EXPECT_EQ(Pairs("add.f16x2")(0x3c004000, 0x40003c00), 0x42004200U);
  EXPECT_EQ(Pairs("mul.bf16x2")(0x3f804000, 0x40004000), 0x40004080U);
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t, uint32_t>("fma.rn.f16x2")(0x3c003c00, 0x40003c00, 0x3c000000)),
            0x42003c00U);
  EXPECT_EQ((Function<uint32_t, uint32_t>("neg.bf16x2")(0x3f80bf80)), 0xbf803f80U);
  OneInstruction add("add.f16x2");
  const ptx::Operand d = add.reg(ptx::Type::B32);
  Lanes<uint32_t> ones;
  ones.fill(0x3c003c00);
  const ptx::Operand a = add.reg(ptx::Type::B32, ones);
  add.with({d, a, a}).run(0x0000ffff);
  EXPECT_EQ(add.values<uint32_t>(d)[15], 0x40004000U);
  EXPECT_EQ(add.values<uint32_t>(d)[16], 0U);
}

} // namespace
