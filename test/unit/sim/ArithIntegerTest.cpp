// Integers and bits, against computations in wider integers and bit by bit.
#include "ArithTest.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace {

using namespace treadle::sim;
using namespace treadle::sim::test;
using Wide = __int128;

template <class T> std::vector<T> edges() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> values = {0,
                           1,
                           2,
                           3,
                           7,
                           T(-1),
                           T(-2),
                           Limits::min(),
                           Limits::max(),
                           T(Limits::min() + 1),
                           T(Limits::max() - 1),
                           T(Limits::max() / 2),
                           T(0x5a5a5a5a5a5a5a5a)};
  std::mt19937_64 random(7);
  for (int i = 0; i < 12; ++i)
    values.push_back(T(random()));
  return values;
}

template <class T> void expectBinary(const std::string &name, T (*expected)(Wide, Wide)) {
  Function<T, T, T> f(name);
  for (const T a : edges<T>())
    for (const T b : edges<T>())
      ASSERT_EQ(f(a, b), expected(a, b)) << name << " " << int64_t(a) << " " << int64_t(b);
}

template <class T> void expectAll(const std::string &type) {
  expectBinary<T>("add." + type, [](Wide a, Wide b) { return T(a + b); });
  expectBinary<T>("sub." + type, [](Wide a, Wide b) { return T(a - b); });
  expectBinary<T>("mul.lo." + type, [](Wide a, Wide b) { return T(uint64_t(a) * uint64_t(b)); });
  expectBinary<T>("min." + type, [](Wide a, Wide b) { return T(std::min(a, b)); });
  expectBinary<T>("max." + type, [](Wide a, Wide b) { return T(std::max(a, b)); });
  expectBinary<T>("div." + type, [](Wide a, Wide b) { return b == 0 ? T(-1) : T(a / b); });
  expectBinary<T>("rem." + type, [](Wide a, Wide b) { return b == 0 ? T(-1) : T(a % b); });
  if constexpr (std::is_signed_v<T>)
    expectBinary<T>("mul.hi." + type, [](Wide a, Wide b) { return T((a * b) >> (8 * sizeof(T))); });
  else
    expectBinary<T>("mul.hi." + type, [](Wide a, Wide b) {
      return T(((unsigned __int128)(a) * (unsigned __int128)(b)) >> (8 * sizeof(T)));
    });
  Function<T, T, T, T> sad("sad." + type);
  Function<T, T, T, T> mad("mad.lo." + type);
  for (const T a : edges<T>())
    for (const T b : edges<T>()) {
      const Wide difference = Wide(a) - Wide(b);
      ASSERT_EQ(sad(a, b, 5), T((difference < 0 ? -difference : difference) + 5));
      ASSERT_EQ(mad(a, b, 9), T(uint64_t(a) * uint64_t(b) + 9));
    }
}

TEST(Arith, Integers) {
  expectAll<uint16_t>("u16");
  expectAll<int16_t>("s16");
  expectAll<uint32_t>("u32");
  expectAll<int32_t>("s32");
  expectAll<uint64_t>("u64");
  expectAll<int64_t>("s64");
}

TEST(Arith, WideProducts) {
  Function<int64_t, int32_t, int32_t> s32("mul.wide.s32");
  Function<uint64_t, uint32_t, uint32_t> u32("mul.wide.u32");
  Function<int32_t, int16_t, int16_t> s16("mul.wide.s16");
  Function<int64_t, int32_t, int32_t, int64_t> mad("mad.wide.s32");
  EXPECT_EQ(s32(INT32_MIN, INT32_MIN), int64_t(1) << 62);
  EXPECT_EQ(u32(~0U, ~0U), 0xfffffffe00000001);
  EXPECT_EQ(s16(-32768, 32767), -32768 * 32767);
  EXPECT_EQ(mad(-2, 3, INT64_MIN), INT64_MAX - 5);
}

TEST(Arith, Saturation) {
  EXPECT_EQ((Function<int32_t, int32_t, int32_t>("add.sat.s32")(INT32_MAX, 1)), INT32_MAX);
  EXPECT_EQ((Function<int32_t, int32_t, int32_t>("add.sat.s32")(INT32_MIN, -1)), INT32_MIN);
  EXPECT_EQ((Function<int32_t, int32_t, int32_t>("sub.sat.s32")(INT32_MIN, 1)), INT32_MIN);
  EXPECT_EQ((Function<int32_t, int32_t, int32_t, int32_t>("mad.hi.sat.s32")(INT32_MAX, INT32_MAX, INT32_MAX)),
            INT32_MAX);
  EXPECT_EQ((Function<int32_t, int32_t, int32_t>("max.relu.s32")(-5, -7)), 0);
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t>("min.relu.s16x2")(0x7fff8000, 0x00010002)), 0x00010000);
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t>("add.u16x2")(0xffff0001, 0x00010001)), 0x00000002);
}

TEST(Arith, SignsAndTwentyFourBits) {
  EXPECT_EQ((Function<int32_t, int32_t>("abs.s32")(INT32_MIN)), INT32_MIN);
  EXPECT_EQ((Function<int64_t, int64_t>("neg.s64")(INT64_MIN)), INT64_MIN);
  EXPECT_EQ((Function<int16_t, int16_t>("neg.s16")(5)), -5);
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t>("mul24.hi.u32")(0x12ffffff, 0x34ffffff)), 0xfffffe00);
  EXPECT_EQ((Function<int32_t, int32_t, int32_t>("mul24.lo.s32")(0x00ffffff, 7)), -7);
  EXPECT_EQ((Function<int32_t, int32_t, int32_t, int32_t>("mad24.hi.sat.s32")(0x7fffff, 0x7fffff, INT32_MAX)),
            INT32_MAX);
}

TEST(Arith, DotProducts) {
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t, uint32_t>("dp4a.u32.u32")(0x01020304, 0x05060708, 10)),
            1 * 5 + 2 * 6 + 3 * 7 + 4 * 8 + 10);
  EXPECT_EQ((Function<int32_t, uint32_t, uint32_t, int32_t>("dp4a.s32.u32")(0x80ff7f01, 0xff02ff03, 0)),
            -128 * 255 - 1 * 2 + 127 * 255 + 3);
  EXPECT_EQ((Function<int32_t, uint32_t, uint32_t, int32_t>("dp2a.hi.s32.s32")(0x8000ffff, 0x80ff0000, 1)),
            -32768 * -128 + 1 + 1);
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t, uint32_t>("dp2a.lo.u32.u32")(0x00030004, 0x99990506, 0)),
            3 * 5 + 4 * 6);
}

TEST(Arith, ShiftsStopAtTheWidth) {
  Function<uint32_t, uint32_t, uint32_t> left("shl.b32");
  Function<int32_t, int32_t, uint32_t> right("shr.s32");
  Function<uint64_t, uint64_t, uint32_t> right64("shr.u64");
  Function<int16_t, int16_t, uint32_t> right16("shr.s16");
  EXPECT_EQ(left(3, 31), 0x80000000);
  EXPECT_EQ(left(3, 32), 0U);
  EXPECT_EQ(left(3, 0xffffff01), 0U);
  EXPECT_EQ(right(-8, 1), -4);
  EXPECT_EQ(right(-8, 77), -1);
  EXPECT_EQ(right(8, 77), 0);
  EXPECT_EQ(right64(~uint64_t(0), 63), 1U);
  EXPECT_EQ(right64(~uint64_t(0), 64), 0U);
  EXPECT_EQ(right16(-8, 16), -1);
  for (unsigned n = 0; n < 70; ++n) {
    const uint64_t both = 0x123456789abcdef1;
    const unsigned clamped = std::min(n, 32U);
    EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t, uint32_t>("shf.l.wrap.b32")(uint32_t(both), both >> 32, n)),
              uint32_t(both << (n & 31) >> 32));
    EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t, uint32_t>("shf.l.clamp.b32")(uint32_t(both), both >> 32, n)),
              uint32_t(both << clamped >> 32));
    EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t, uint32_t>("shf.r.wrap.b32")(uint32_t(both), both >> 32, n)),
              uint32_t(both >> (n & 31)));
    EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t, uint32_t>("shf.r.clamp.b32")(uint32_t(both), both >> 32, n)),
              uint32_t(both >> clamped));
  }
}

TEST(Arith, Counts) {
  EXPECT_EQ((Function<uint32_t, uint32_t>("popc.b32")(0xf0f00001)), 9U);
  EXPECT_EQ((Function<uint32_t, uint64_t>("popc.b64")(~uint64_t(0))), 64U);
  EXPECT_EQ((Function<uint32_t, uint32_t>("clz.b32")(0)), 32U);
  EXPECT_EQ((Function<uint32_t, uint64_t>("clz.b64")(1)), 63U);
  EXPECT_EQ((Function<uint32_t, uint32_t>("brev.b32")(0x80000002)), 0x40000001U);
  EXPECT_EQ((Function<uint64_t, uint64_t>("brev.b64")(1)), uint64_t(1) << 63);
  EXPECT_EQ((Function<uint32_t, uint32_t>("bfind.u32")(0)), ~0U);
  EXPECT_EQ((Function<uint32_t, uint32_t>("bfind.u32")(0x10000)), 16U);
  EXPECT_EQ((Function<uint32_t, int32_t>("bfind.s32")(-1)), ~0U);
  EXPECT_EQ((Function<uint32_t, int32_t>("bfind.s32")(-5)), 2U);
  EXPECT_EQ((Function<uint32_t, uint64_t>("bfind.shiftamt.u64")(0x10000)), 47U);
  EXPECT_EQ((Function<uint32_t, int64_t>("bfind.shiftamt.s64")(0)), ~0U);
  EXPECT_EQ((Function<uint16_t, uint16_t>("cnot.b16")(0)), 1);
  EXPECT_EQ((Function<uint64_t, uint64_t>("cnot.b64")(uint64_t(1) << 40)), 0U);
}

// As the manual writes them, a bit at a time.
template <class T> T fieldReference(T a, unsigned position, unsigned length, bool isSigned) {
  const unsigned top = 8 * sizeof(T) - 1;
  const bool sign = isSigned && length > 0 && (a >> std::min(position + length - 1, top) & 1);
  T d = 0;
  for (unsigned i = 0; i <= top; ++i)
    if (i < length && position + i <= top ? (a >> (position + i) & 1) != 0 : sign)
      d |= T(1) << i;
  return d;
}
template <class T> T insertReference(T a, T b, unsigned position, unsigned length) {
  const unsigned top = 8 * sizeof(T) - 1;
  for (unsigned i = 0; i < length && position + i <= top; ++i)
    b = (b & ~(T(1) << (position + i))) | (a >> i & 1) << (position + i);
  return b;
}
template <class T> void expectFields(const std::string &width) {
  Function<T, T, uint32_t, uint32_t> unsignedField("bfe.u" + width);
  Function<T, T, uint32_t, uint32_t> signedField("bfe.s" + width);
  Function<T, T, T, uint32_t, uint32_t> insert("bfi.b" + width);
  for (unsigned position = 0; position < 8 * sizeof(T) + 4; position += 3)
    for (unsigned length = 0; length < 8 * sizeof(T) + 6; ++length) {
      const auto a = T(0x9e3779b97f4a7c15);
      const auto b = T(0x0123456789abcdef);
      ASSERT_EQ(unsignedField(a, position, length), fieldReference(a, position, length, false));
      ASSERT_EQ(signedField(a, position, length), fieldReference(a, position, length, true))
          << position << " " << length;
      ASSERT_EQ(insert(a, b, position, length), insertReference(a, b, position, length));
    }
}
TEST(Arith, Fields) {
  expectFields<uint32_t>("32");
  expectFields<uint64_t>("64");
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t, uint32_t>("bfe.u32")(0xabcd, 0x104, 0x208)), 0xbcU);
}

TEST(Arith, FindsTheNthBit) {
  Function<uint32_t, uint32_t, uint32_t, int32_t> fns("fns.b32");
  EXPECT_EQ(fns(0b10110, 0, 1), 1U);
  EXPECT_EQ(fns(0b10110, 0, 3), 4U);
  EXPECT_EQ(fns(0b10110, 0, 4), ~0U);
  EXPECT_EQ(fns(0b10110, 3, -2), 1U);
  EXPECT_EQ(fns(0b10110, 2, 0), 2U);
  EXPECT_EQ(fns(0b10110, 3, 0), ~0U);
}

TEST(Arith, ExtendsAndMasks) {
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t>("szext.wrap.u32")(0xffff, 36)), 0xfU);
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t>("szext.clamp.u32")(0xffff, 36)), 0xffffU);
  EXPECT_EQ((Function<int32_t, int32_t, uint32_t>("szext.wrap.s32")(0x8, 4)), -8);
  EXPECT_EQ((Function<int32_t, int32_t, uint32_t>("szext.wrap.s32")(0x8, 0)), 0);
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t>("bmsk.clamp.b32")(4, 8)), 0xff0U);
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t>("bmsk.clamp.b32")(4, 40)), 0xfffffff0U);
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t>("bmsk.clamp.b32")(33, 1)), 0U);
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t>("bmsk.wrap.b32")(33, 33)), 2U);
}

TEST(Arith, Permutes) {
  const uint32_t a = 0x83828180;
  const uint32_t b = 0x07060504;
  const auto permute = [&](const std::string &mode, uint32_t selector) {
    return Function<uint32_t, uint32_t, uint32_t, uint32_t>("prmt.b32" + mode)(a, b, selector);
  };
  EXPECT_EQ(permute("", 0x7531), 0x07058381U);
  EXPECT_EQ(permute("", 0xb8c4), 0xffff0004U);
  EXPECT_EQ(permute(".f4e", 2), 0x05048382U);
  EXPECT_EQ(permute(".b4e", 1), 0x06078081U);
  EXPECT_EQ(permute(".rc8", 2), 0x82828282U);
  EXPECT_EQ(permute(".ecl", 2), 0x83828282U);
  EXPECT_EQ(permute(".ecr", 1), 0x81818180U);
  EXPECT_EQ(permute(".rc16", 3), 0x83828382U);
}

TEST(Arith, NamesWhatItDoesNotKnow) {
  const auto error = [](const std::string &name, size_t operands) {
    OneInstruction instruction(name);
    std::vector<ptx::Operand> list(operands, instruction.reg(ptx::Type::B32));
    return instruction.with(list).error();
  };
  EXPECT_EQ(error("popc.f128", 2), "popc.f128: expected one of b32, b64, found f128");
  EXPECT_EQ(error("add.wrap.s32", 3), "add.wrap.s32: expected one of s32, sat.s32, found wrap.s32");
  EXPECT_EQ(error("popc.b32", 3), "popc.b32: expected 2 operands, found 3");
  EXPECT_EQ(error("add.cc.u32", 3), "add.cc.u32: expected no carry flag, which is not simulated, found cc");
  EXPECT_EQ(error("addc.u32", 3), "addc.u32: expected no carry flag, which is not simulated, found addc");
  EXPECT_EQ(error("add.s64", 3), "add.s64: expected a register of 8 bytes, found one of 4");
  EXPECT_EQ(error("ld.s64", 3), "not arithmetic");
}

} // namespace
