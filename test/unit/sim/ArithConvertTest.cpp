// cvt among all types, against rounding by definition.
#include "ArithReference.h"

#include <gtest/gtest.h>

namespace {

using namespace treadle::sim;
using namespace treadle::sim::test;

constexpr uint32_t nan32 = 0x7fffffff;
const double infinity = std::numeric_limits<double>::infinity();

TEST(ArithConvert, EveryHalfToFloatAndBack) {
  Function<uint32_t, uint16_t> fromHalf("cvt.f32.f16");
  Function<uint32_t, uint16_t> fromBFloat("cvt.f32.bf16");
  Function<uint64_t, uint16_t> toDouble("cvt.f64.f16");
  Function<uint16_t, float> toHalf("cvt.rn.f16.f32");
  Function<uint16_t, float> toBFloat("cvt.rn.bf16.f32");
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const double half = valueOf(bits, halfFormat);
    const double bfloat = valueOf(bits, bfloatFormat);
    // The hardware shifts bf16, and so keeps its NaNs.
    ASSERT_EQ(fromBFloat(uint16_t(bits)), bits << 16);
    ASSERT_EQ(fromHalf(uint16_t(bits)), std::isnan(half) ? nan32 : bitsOf(float(half)));
    if (!std::isnan(half)) {
      ASSERT_EQ(toDouble(uint16_t(bits)), bitsOf(half));
      ASSERT_EQ(toHalf(float(half)), bits);
    }
    if (!std::isnan(bfloat))
      ASSERT_EQ(toBFloat(float(bfloat)), bits);
  }
  EXPECT_EQ(toHalf(single(0xff812345)), 0x7fff);
  EXPECT_EQ(toBFloat(single(0x7f800001)), 0x7fff);
}

// The bits that an unsigned function's result is compared with.
template <class D, class A>
void expectRounding(const std::string &types, FormatBits format, const std::vector<A> &values) {
  for (int mode = 0; mode < 4; ++mode) {
    Function<D, A> f(std::string("cvt.") + modeNames[mode] + "." + types);
    for (const A value : values)
      if (value != 0)
        ASSERT_EQ(f(value), D(roundBits(Quad(value), format, Mode(mode))))
            << modeNames[mode] << types << " " << double(value);
  }
}

std::vector<double> manyDoubles() {
  std::mt19937_64 random(21);
  std::vector<double> values = {65504,          65519.99,         65520,           0x1p-25,        0x1.8p-24,
                                0x1.000001p-25, 3.4e38,           0x1.fffffefp127, 0x1.ffffffp127, 0x1p-149,
                                0x1p-150,       0x1.0000001p-150, -0x1p-1074,      1.7e308,        0x1p-134};
  for (int i = 0; i < 5000; ++i) {
    uint64_t bits = random() & ~uint64_t(0) << random() % 53;
    bits = (bits & 0x800fffffffffffff) | (1023 - 160 + random() % 290) << 52;
    values.push_back(wide(bits));
  }
  return values;
}

TEST(ArithConvert, FloatsToNarrowerOnes) {
  std::mt19937_64 random(22);
  std::vector<float> floats;
  for (int i = 0; i < 5000; ++i)
    floats.push_back(anyFloat(random));
  expectRounding<uint16_t>("f16.f32", halfFormat, floats);
  expectRounding<uint16_t>("bf16.f32", bfloatFormat, floats);
  expectRounding<uint16_t>("f16.f64", halfFormat, manyDoubles());
  expectRounding<uint16_t>("bf16.f64", bfloatFormat, manyDoubles());
  expectRounding<uint32_t>("f32.f64", singleFormat, manyDoubles());
}

template <class T> std::vector<T> manyIntegers() {
  std::vector<T> values = {1,
                           T(-1),
                           std::numeric_limits<T>::min(),
                           std::numeric_limits<T>::max(),
                           T(0x1000001),
                           T(0x1000003),
                           T(0x20000000000001),
                           T(0x20000000000003),
                           T(0x8000008000000001),
                           T(0x7fffff4000000001),
                           T(65519),
                           T(65520),
                           T(257),
                           T(2049),
                           T(2051)};
  std::mt19937_64 random(23);
  for (int i = 0; i < 500; ++i)
    values.push_back(T(random() >> random() % 64));
  return values;
}
template <class T> void expectIntegers(const std::string &type) {
  expectRounding<uint32_t>("f32." + type, singleFormat, manyIntegers<T>());
  expectRounding<uint64_t>("f64." + type, doubleFormat, manyIntegers<T>());
  expectRounding<uint16_t>("f16." + type, halfFormat, manyIntegers<T>());
  expectRounding<uint16_t>("bf16." + type, bfloatFormat, manyIntegers<T>());
  for (const char *rounding : {"rn", "rz", "rm", "rp"})
    EXPECT_EQ((Function<uint64_t, T>(std::string("cvt.") + rounding + ".f64." + type)(0)), 0U);
}
TEST(ArithConvert, IntegersToFloats) {
  expectIntegers<uint16_t>("u16");
  expectIntegers<int16_t>("s16");
  expectIntegers<uint32_t>("u32");
  expectIntegers<int32_t>("s32");
  expectIntegers<uint64_t>("u64");
  expectIntegers<int64_t>("s64");
  EXPECT_EQ((Function<uint32_t, int32_t>("cvt.rn.sat.f32.s32")(7)), bitsOf(1.0F));
}

template <class D> void expectToInteger(const std::string &type) {
  const std::vector<std::pair<const char *, double (*)(double)>> roundings = {
      {"rni", std::nearbyint}, {"rzi", std::trunc}, {"rmi", std::floor}, {"rpi", std::ceil}};
  for (const auto &[rounding, apply] : roundings) {
    Function<D, double> f(std::string("cvt.") + rounding + "." + type + ".f64");
    Function<D, float> g(std::string("cvt.") + rounding + "." + type + ".f32");
    for (const double value : {0.0,    -0.0,    0.5,    1.5,      2.5,     -0.5,         -1.5,          127.5,
                               128.0,  -128.5,  255.5,  32767.5,  65535.5, 2147483647.5, -2147483648.5, 4294967295.5,
                               0x1p63, -0x1p63, 0x1p64, 0x1.8p52, 1e300,   -1e300,       infinity,      -infinity}) {
      const double whole = apply(value);
      const double most = std::ldexp(1.0, std::numeric_limits<D>::digits);
      const D expected = whole >= most                                    ? std::numeric_limits<D>::max()
                         : whole <= double(std::numeric_limits<D>::min()) ? std::numeric_limits<D>::min()
                                                                          : D(whole);
      ASSERT_EQ(f(value), expected) << type << rounding << " " << value;
      if (double(float(value)) == value)
        ASSERT_EQ(g(float(value)), expected) << type << rounding << " " << value;
    }
  }
  const D top = D(uint64_t(1) << (8 * sizeof(D) - 1));
  EXPECT_EQ((Function<D, float>("cvt.rzi." + type + ".f32")(single(nan32))), sizeof(D) == 8 ? top : D(0));
  EXPECT_EQ((Function<D, double>("cvt.rzi." + type + ".f64")(wide(0x7ff8000000000000))), top);
}
TEST(ArithConvert, FloatsToIntegers) {
  expectToInteger<int16_t>("s16");
  expectToInteger<uint16_t>("u16");
  expectToInteger<int32_t>("s32");
  expectToInteger<uint32_t>("u32");
  expectToInteger<int64_t>("s64");
  expectToInteger<uint64_t>("u64");
  EXPECT_EQ((Function<uint32_t, float>("cvt.rpi.u32.f32")(0x1p-140F)), 1U);
  EXPECT_EQ((Function<uint32_t, float>("cvt.rpi.ftz.u32.f32")(0x1p-140F)), 0U);
  EXPECT_EQ((Function<uint32_t, float>("cvt.rni.f32.f32")(2.5F)), bitsOf(2.0F));
  EXPECT_EQ((Function<uint32_t, float>("cvt.rmi.f32.f32")(-0.0F)), 0x80000000);
}

TEST(ArithConvert, Integers) {
  EXPECT_EQ((Function<uint64_t, uint32_t>("cvt.s64.s32")(0x80000000)), 0xffffffff80000000);
  EXPECT_EQ((Function<uint64_t, uint32_t>("cvt.u64.u32")(0x80000000)), 0x80000000);
  EXPECT_EQ((Function<uint32_t, uint64_t>("cvt.u32.u64")(0x123456789)), 0x23456789U);
  EXPECT_EQ((Function<int32_t, int64_t>("cvt.sat.s32.s64")(INT64_MIN)), INT32_MIN);
  EXPECT_EQ((Function<uint16_t, int32_t>("cvt.sat.u16.s32")(-1)), 0);
  EXPECT_EQ((Function<uint64_t, int64_t>("cvt.sat.u64.s64")(-1)), 0U);
  EXPECT_EQ((Function<int64_t, uint64_t>("cvt.sat.s64.u64")(~uint64_t(0))), INT64_MAX);
}

TEST(ArithConvert, RegistersWiderThanTheirTypes) {
  EXPECT_EQ((Function<uint32_t, uint16_t>("cvt.u32.u8")(0xab85)), 0x85U);
  EXPECT_EQ((Function<uint32_t, uint16_t>("cvt.s32.s8")(0xab85)), 0xffffff85U);
  EXPECT_EQ((Function<uint16_t, uint32_t>("cvt.s8.s32")(0x185)), 0xff85);
  EXPECT_EQ((Function<uint16_t, uint32_t>("cvt.u8.u32")(0x185)), 0x85);
  EXPECT_EQ((Function<uint64_t, uint32_t>("cvt.s16.s32")(0x18005)), 0xffffffffffff8005);
  EXPECT_EQ((Function<uint16_t, int32_t>("cvt.sat.s8.s32")(-1000)), 0xff80);
  EXPECT_EQ((Function<uint32_t, uint16_t>("cvt.rn.f32.s8")(0x10ff)), bitsOf(-1.0F));
  EXPECT_EQ((Function<uint16_t, float>("cvt.rzi.u8.f32")(300)), 255);
  EXPECT_EQ((Function<uint8_t, uint32_t>("cvt.u8.u32")(0x185)), 0x85);
  OneInstruction partial("cvt.u8.u32");
  Lanes<uint16_t> old;
  old.fill(7);
  const ptx::Operand d = partial.reg(ptx::Type::B16, old);
  partial.with({d, partial.reg(ptx::Type::B32)}).run(0x55555555);
  EXPECT_EQ(partial.values<uint16_t>(d)[0], 0);
  EXPECT_EQ(partial.values<uint16_t>(d)[1], 7);
}

TEST(ArithConvert, Modifiers) {
  EXPECT_EQ((Function<uint16_t, float>("cvt.rn.relu.f16.f32")(-3)), 0);
  EXPECT_EQ((Function<uint16_t, float>("cvt.rn.relu.bf16.f32")(single(nan32))), 0x7fff);
  EXPECT_EQ((Function<uint16_t, float>("cvt.rn.satfinite.f16.f32")(1e30F)), 0x7bff);
  EXPECT_EQ((Function<uint32_t, double>("cvt.rn.sat.f32.f64")(7)), bitsOf(1.0F));
  EXPECT_EQ((Function<uint32_t, double>("cvt.rn.ftz.f32.f64")(-0x1p-140)), 0x80000000);
  EXPECT_EQ((Function<uint32_t, uint16_t>("cvt.sat.f32.f16")(0xc000)), 0U);
  EXPECT_EQ((Function<uint32_t, float>("cvt.f32.f32")(single(0x7f800001))), 0x7f800001U);
  EXPECT_EQ((Function<uint32_t, double>("cvt.rn.f32.f64")(wide(0xfff4000000000000))), 0xffe00000);
  EXPECT_EQ((Function<uint16_t, double>("cvt.rz.bf16.f64")(wide(0x7ff0000000000001))), 0x7fc0);
  EXPECT_EQ((Function<uint64_t, float>("cvt.ftz.f64.f32")(single(0x7f800001))), 0x7fffffffe0000000);
}

TEST(ArithConvert, TF32) {
  Function<uint32_t, float> away("cvt.rna.tf32.f32");
  std::mt19937_64 random(24);
  for (int i = 0; i < 5000; ++i) {
    const float value = anyFloat(random);
    const uint32_t magnitude = bitsOf(std::fabs(value));
    const uint32_t rounded = magnitude / 0x2000 + (magnitude % 0x2000 >= 0x1000 ? 1 : 0);
    ASSERT_EQ(away(value), rounded * 0x2000 | (bitsOf(value) & 0x80000000));
    const uint32_t nearest = rounded - (magnitude % 0x2000 == 0x1000 && rounded % 2 == 1 ? 1 : 0);
    ASSERT_EQ((Function<uint32_t, float>("cvt.rn.tf32.f32")(value)), nearest * 0x2000 | (bitsOf(value) & 0x80000000));
  }
  EXPECT_EQ(away(float(-infinity)), 0xff800000);
  EXPECT_EQ(away(single(0x7f7fffff)), 0x7f800000U);
  EXPECT_EQ(away(single(nan32)), 0x7fffe000U);
  EXPECT_EQ((Function<uint32_t, float>("cvt.rna.satfinite.tf32.f32")(float(infinity))), 0x7f7fe000U);
  EXPECT_EQ((Function<uint32_t, float>("cvt.rz.relu.tf32.f32")(-1)), 0U);
  EXPECT_EQ((Function<uint32_t, float>("cvt.rz.tf32.f32")(single(0x3f803fff))), 0x3f802000U);
}

TEST(ArithConvert, Pairs) {
  EXPECT_EQ((Function<uint32_t, float, float>("cvt.rn.f16x2.f32")(1, 2)), 0x3c004000U);
  EXPECT_EQ((Function<uint32_t, float, float>("cvt.rn.bf16x2.f32")(1, -2)), 0x3f80c000U);
  EXPECT_EQ((Function<uint32_t, float, float>("cvt.rn.bf16x2.f32")(single(nan32), single(0x3f808000))), 0x7fff3f80U);
  EXPECT_EQ((Function<uint32_t, float, float>("cvt.rz.bf16x2.f32")(single(0x3f80ffff), 3e38F)), 0x3f807f61U);
  EXPECT_EQ((Function<uint32_t, float, float>("cvt.rn.relu.bf16x2.f32")(-1, 1)), 0x00003f80U);
  EXPECT_EQ((Function<uint32_t, float, float>("cvt.rn.relu.satfinite.f16x2.f32")(1e9F, -1e9F)), 0x7bff0000U);
}

double byteValue(unsigned bits, bool e4m3) {
  if (e4m3 && (bits & 0x78) == 0x78 && (bits & 7) != 7) // in place of infinities
    return (bits & 0x80 ? -1 : 1) * (256.0 + 32 * (bits & 7));
  const double value = valueOf(bits, e4m3 ? FormatBits{4, 3} : FormatBits{5, 2});
  return e4m3 && (bits & 0x7f) == 0x7f ? std::nan("") : value;
}
TEST(ArithConvert, Bytes) {
  for (const bool e4m3 : {true, false}) {
    const std::string type = e4m3 ? "e4m3x2" : "e5m2x2";
    Function<uint32_t, uint16_t> widen("cvt.rn.f16x2." + type);
    Function<uint16_t, float, float> narrow("cvt.rn.satfinite." + type + ".f32");
    Function<uint16_t, uint32_t> fromPair("cvt.rn.satfinite." + type + ".f16x2");
    std::vector<double> values;
    for (unsigned bits = 0; bits < 256; ++bits) {
      const double value = byteValue(bits, e4m3);
      const uint32_t halves = widen(uint16_t(bits << 8 | 1));
      if (std::isnan(value)) {
        EXPECT_EQ(halves >> 16, 0x7fffU);
        continue;
      }
      EXPECT_EQ(valueOf(halves >> 16, halfFormat), value) << bits;
      if (std::isfinite(value)) {
        EXPECT_EQ(narrow(float(value), 0), bits << 8);
        EXPECT_EQ(fromPair(halves) >> 8, bits);
        if (bits < 0x80)
          values.push_back(value);
      }
    }
    for (size_t i = 0; i + 1 < values.size(); ++i) { // ties are to even, everything else to the nearest
      const auto middle = float((values[i] + values[i + 1]) / 2);
      EXPECT_EQ(narrow(0, middle), i % 2 == 0 ? i : i + 1);
      EXPECT_EQ(narrow(0, std::nextafter(middle, 1e9F)), i + 1);
      EXPECT_EQ(narrow(0, std::nextafter(middle, 0.0F)), i);
    }
    EXPECT_EQ(narrow(1e30F, float(-infinity)), (values.size() - 1) << 8 | 0x80 | (values.size() - 1));
    EXPECT_EQ(narrow(single(nan32), -0.0F), 0x7f80);
    EXPECT_EQ((Function<uint16_t, float, float>("cvt.rn.satfinite.relu." + type + ".f32")(-1, -0.0F)), 0);
  }
}

TEST(ArithConvert, Packs) {
  EXPECT_EQ((Function<uint32_t, int32_t, int32_t>("cvt.pack.sat.s16.s32")(70000, -70000)), 0x7fff8000U);
  EXPECT_EQ((Function<uint32_t, int32_t, int32_t>("cvt.pack.sat.u16.s32")(70000, -5)), 0xffff0000U);
  EXPECT_EQ((Function<uint32_t, int32_t, int32_t, uint32_t>("cvt.pack.sat.u8.s32.b32")(300, 7, 0x12345678)),
            0x5678ff07U);
  EXPECT_EQ((Function<uint32_t, int32_t, int32_t, uint32_t>("cvt.pack.sat.s4.s32.b32")(-100, 7, 1)), 0x187U);
}

TEST(ArithConvert, NamesWhatItDoesNotKnow) {
  const auto error = [](const std::string &name) {
    OneInstruction instruction(name);
    const ptx::Operand r = instruction.reg(ptx::Type::B32);
    return instruction.with({r, r}).error();
  };
  const std::string types = "u8, u16, u32, u64, s8, s16, s32, s64, f16, bf16, f32, f64";
  EXPECT_EQ(error("cvt.f32"), "cvt.f32: expected one of " + types + ", found no modifier");
  EXPECT_EQ(error("cvt.rn.f8.f32"), "cvt.rn.f8.f32: expected one of " + types + ", found f8");
  EXPECT_EQ(error("cvt.f32.s32"), "cvt.f32.s32: expected one of rn, rz, rm, rp for f32.s32, found none");
  EXPECT_EQ(error("cvt.rn.s32.f32"), "cvt.rn.s32.f32: expected one of rni, rzi, rmi, rpi for s32.f32, found rn");
  EXPECT_EQ(error("cvt.rn.s32.u32"), "cvt.rn.s32.u32: expected no rounding for s32.u32, found rn");
  EXPECT_EQ(error("cvt.rn.f32.f16"), "cvt.rn.f32.f16: expected no rounding for f32.f16, found rn");
  EXPECT_EQ(error("cvt.rn.f32.f32"),
            "cvt.rn.f32.f32: expected no rounding or one of rni, rzi, rmi, rpi for f32.f32, found rn");
  EXPECT_EQ(error("cvt.ftz.s32.u32"), "cvt.ftz.s32.u32: expected no ftz for s32.u32, found ftz");
  EXPECT_EQ(error("cvt.rn.sat.bf16.f32"), "cvt.rn.sat.bf16.f32: expected no sat for bf16.f32, found sat");
  EXPECT_EQ(error("cvt.rzi.u8.bf16"), "cvt.rzi.u8.bf16: expected a type of at least 16 bits with bf16, found u8");
  EXPECT_EQ(error("cvt.rm.relu.f16.f32"),
            "cvt.rm.relu.f16.f32: expected relu only with rn or rz for f16.f32 or bf16.f32, found it for f16.f32");
  EXPECT_EQ(
      error("cvt.rn.satfinite.f32.f64"),
      "cvt.rn.satfinite.f32.f64: expected satfinite only with rn or rz for f16.f32 or bf16.f32, found it for f32.f64");
  EXPECT_EQ(error("cvt.u32.u32.u32"), "cvt.u32.u32.u32: expected no further modifier, found u32");
  EXPECT_EQ(error("cvt.rm.tf32.f32"), "cvt.rm.tf32.f32: expected one of rna, rn, rz, found rm");
  EXPECT_EQ(error("cvt.rn.tf32.f64"), "cvt.rn.tf32.f64: expected f32, found f64");
}

} // namespace
