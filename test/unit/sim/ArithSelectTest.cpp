// Comparisons, choices, logic and moves: predicates, partial masks, vectors and addresses.
#include "ArithReference.h"

#include <gtest/gtest.h>

#include <functional>

namespace {

using namespace treadle::sim;
using namespace treadle::sim::test;
using ptx::Operand;
using ptx::Type;

// Runs a setp with every pair of the values in a lane of its own, and compares p (and q).
template <class T>
void expectComparison(const std::string &type, Type registerType, const std::string &name, const std::vector<T> &values,
                      const std::function<bool(T, T)> &expected) {
  for (const T a : values) {
    Lanes<T> left;
    Lanes<T> right;
    left.fill(a);
    for (size_t i = 0; i < left.size(); ++i)
      right[i] = values[i % values.size()];
    OneInstruction setp("setp." + name + "." + type);
    const Operand p = setp.pred(0);
    setp.with({p, setp.reg(registerType, left), setp.reg(registerType, right)}).run();
    for (size_t i = 0; i < left.size(); ++i)
      ASSERT_EQ((setp.mask(p) >> i & 1) != 0, expected(a, right[i])) << name << type << " " << i;
  }
}

template <class T>
void expectOrder(const std::string &type, Type registerType, const std::vector<T> &values, bool unsignedNames) {
  const auto expect = [&](const std::string &name, const std::function<bool(T, T)> &f) {
    expectComparison<T>(type, registerType, name, values, f);
  };
  expect("eq", std::equal_to<T>());
  expect("ne", [](T a, T b) { return std::less<T>()(a, b) || std::less<T>()(b, a); });
  expect("lt", std::less<T>());
  expect("le", std::less_equal<T>());
  expect("gt", std::greater<T>());
  expect("ge", std::greater_equal<T>());
  if (unsignedNames) {
    expect("lo", std::less<T>());
    expect("ls", std::less_equal<T>());
    expect("hi", std::greater<T>());
    expect("hs", std::greater_equal<T>());
  }
}
template <class T> void expectUnordered(const std::string &type, Type registerType, const std::vector<T> &values) {
  const auto expect = [&](const std::string &name, const std::function<bool(T, T)> &f) {
    expectComparison<T>(type, registerType, name, values,
                        [f](T a, T b) { return std::isnan(a) || std::isnan(b) || f(a, b); });
  };
  expect("equ", std::equal_to<T>());
  expect("neu", std::not_equal_to<T>());
  expect("ltu", std::less<T>());
  expect("leu", std::less_equal<T>());
  expect("gtu", std::greater<T>());
  expect("geu", std::greater_equal<T>());
  expect("nan", [](T, T) { return false; });
  expectComparison<T>(type, registerType, "num", values, [](T a, T b) { return !std::isnan(a) && !std::isnan(b); });
}

TEST(ArithCompare, EveryTypeAndRelation) {
  expectOrder<uint16_t>("u16", Type::U16, {0, 1, 0x7fff, 0x8000, 0xffff}, true);
  expectOrder<int16_t>("s16", Type::S16, {0, 1, -1, 0x7fff, -0x8000}, false);
  expectOrder<uint32_t>("u32", Type::U32, {0, 1, 0x7fffffff, 0x80000000, 0xffffffff}, true);
  expectOrder<int32_t>("s32", Type::S32, {0, 1, -1, INT32_MAX, INT32_MIN}, false);
  expectOrder<uint64_t>("u64", Type::U64, {0, 1, uint64_t(1) << 32, uint64_t(1) << 63, ~uint64_t(0)}, true);
  expectOrder<int64_t>("s64", Type::S64, {0, 1, -1, INT64_MAX, INT64_MIN}, false);
  const std::vector<float> floats = {
      0, -0.0F, 1, -1, 0x1p-149F, single(0x7f800000), single(0xff800000), single(0x7fc00001)};
  expectOrder<float>("f32", Type::F32, floats, false);
  expectUnordered<float>("f32", Type::F32, floats);
  const std::vector<double> doubles(floats.begin(), floats.end());
  expectOrder<double>("f64", Type::F64, doubles, false);
  expectUnordered<double>("f64", Type::F64, doubles);
  expectComparison<uint32_t>("b32", Type::B32, "ne", {1, 2}, std::not_equal_to<uint32_t>());
  const auto half = [](uint16_t bits) { return valueOf(bits, halfFormat); };
  const auto bfloat = [](uint16_t bits) { return valueOf(bits, bfloatFormat); };
  const std::vector<uint16_t> bits = {0, 0x8000, 1, 0x3f80, 0xbf80, 0x7c00, 0x7f80, 0xffff};
  expectComparison<uint16_t>("f16", Type::B16, "lt", bits, [&](uint16_t a, uint16_t b) { return half(a) < half(b); });
  expectComparison<uint16_t>("bf16", Type::B16, "geu", bits,
                             [&](uint16_t a, uint16_t b) { return !(bfloat(a) < bfloat(b)); });
  expectComparison<uint16_t>("f16", Type::B16, "neu", bits, [&](uint16_t a, uint16_t b) { return half(a) != half(b); });
}

TEST(ArithCompare, FlushesSubnormals) {
  expectComparison<float>("f32", Type::F32, "eq", {0, 0x1p-149F}, std::equal_to<float>());
  expectComparison<float>("ftz.f32", Type::F32, "eq", {0, 0x1p-149F, -0x1p-130F}, [](float, float) { return true; });
  expectComparison<uint16_t>("ftz.f16", Type::B16, "lt", {0, 1}, [](uint16_t, uint16_t) { return false; });
}

TEST(ArithCompare, CombinesWithAThirdPredicate) {
  const Mask third = 0x33333333;
  const Mask holds = 0x55555555;
  Lanes<uint32_t> values;
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = holds >> i & 1;
  const std::vector<std::pair<std::string, std::function<Mask(Mask, Mask)>>> operations = {
      {"and", std::bit_and<Mask>()}, {"or", std::bit_or<Mask>()}, {"xor", std::bit_xor<Mask>()}};
  for (const auto &[name, combine] : operations)
    for (const bool negated : {false, true}) {
      OneInstruction setp("setp.eq." + name + ".u32");
      const Operand p = setp.pred(0);
      const Operand q = setp.pred(0);
      const Operand c = setp.pred(third);
      setp.with({setp.group(Operand::Pair, {p, q}), setp.reg(Type::U32, values), setp.integer(1),
                 negated ? setp.negate(c) : c})
          .run();
      EXPECT_EQ(setp.mask(p), combine(holds, negated ? ~third : third));
      EXPECT_EQ(setp.mask(q), combine(~holds, negated ? ~third : third));
    }
  // A destination may be a source, or nothing; other lanes keep what they had.
  OneInstruction setp("setp.ne.and.u32");
  const Operand p = setp.pred(0xffff0000);
  setp.with({setp.group(Operand::Pair, {OneInstruction::empty(Operand::Sink), p}), setp.reg(Type::U32, values),
             setp.integer(1), p})
      .run(0x00ffff00);
  EXPECT_EQ(setp.mask(p), (0xffff0000 & 0x55555555 & 0x00ffff00) | (0xffff0000 & ~0x00ffff00));
}

TEST(ArithCompare, PairsOfHalves) {
  OneInstruction setp("setp.lt.f16x2");
  const Operand p = setp.pred(0);
  const Operand q = setp.pred(0);
  setp.with({setp.group(Operand::Pair, {p, q}), setp.integer(0x3c004000), setp.integer(0x40003c00)}).run(0xff);
  EXPECT_EQ(setp.mask(p), 0U);    // the lower halves: 2 < 1
  EXPECT_EQ(setp.mask(q), 0xffU); // the upper halves: 1 < 2
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t>("set.lt.f16x2.f16x2")(0x3c004000, 0x40003c00)), 0x3c000000U);
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t>("set.gt.bf16x2.bf16x2")(0x3f804000, 0x40003f80)), 0x00003f80U);
}

TEST(ArithCompare, SetsValues) {
  EXPECT_EQ((Function<uint32_t, float, float>("set.lt.u32.f32")(1, 2)), ~0U);
  EXPECT_EQ((Function<uint32_t, float, float>("set.nan.s32.f32")(1, 2)), 0U);
  EXPECT_EQ((Function<uint32_t, double, double>("set.le.f32.f64")(2, 2)), bitsOf(1.0F));
  EXPECT_EQ((Function<uint16_t, uint16_t, uint16_t>("set.eq.u16.f16")(0x8000, 0)), 0xffff);
  EXPECT_EQ((Function<uint16_t, uint32_t, uint32_t>("set.hi.f16.u32")(2, 1)), 0x3c00);
  OneInstruction set("set.eq.and.u32.s32");
  const Operand d = set.reg(Type::U32);
  set.with({d, set.integer(1), set.integer(1), set.pred(2)}).run();
  EXPECT_EQ(set.values<uint32_t>(d)[0], 0U);
  EXPECT_EQ(set.values<uint32_t>(d)[1], ~0U);
}

TEST(ArithCompare, NamesWhatItDoesNotKnow) {
  const auto error = [](const std::string &name) {
    OneInstruction instruction(name);
    const Operand r = instruction.reg(Type::B32);
    const Operand p = instruction.pred(0);
    return instruction.with({p, r, r}).error();
  };
  EXPECT_EQ(error("setp.lo.s32"), "setp.lo.s32: expected one of eq, ne, lt, le, gt, ge for s32, found lo");
  EXPECT_EQ(error("setp.lt.b32"), "setp.lt.b32: expected one of eq, ne for b32, found lt");
  EXPECT_EQ(error("setp.ltu.u32"),
            "setp.ltu.u32: expected one of eq, ne, lt, le, gt, ge, lo, ls, hi, hs for u32, found ltu");
  EXPECT_EQ(error("setp.lt.ftz.u32"), "setp.lt.ftz.u32: expected no ftz for u32, found ftz");
  EXPECT_EQ(error("setp.lt.f16x2"), "setp.lt.f16x2: expected p|q as the destination for f16x2, found one operand");
  EXPECT_EQ(error("setp.lt.and.u32"), "setp.lt.and.u32: expected 4 operands, found 3");
  EXPECT_EQ(error("setp.lt.f8"),
            "setp.lt.f8: expected one of b16, b32, b64, u16, u32, u64, s16, s32, s64, f32, f64, f16, "
            "bf16, f16x2, bf16x2, found f8");
  EXPECT_EQ(error("set.lt.u64.u32"), "set.lt.u64.u32: expected one of u32, s32, f32, f16, found u64");
  EXPECT_EQ(error("set.lt.u32.f8"),
            "set.lt.u32.f8: expected a type that can be compared as the last modifier, found f8");
}

TEST(ArithSelect, Selects) {
  Lanes<uint32_t> ones;
  ones.fill(1);
  OneInstruction selp("selp.b32");
  const Operand d = selp.reg(Type::B32, ones);
  selp.with({d, d, selp.single(0x7f800001), selp.pred(0x0000ffff)}).run(0x00ffff00);
  EXPECT_EQ(selp.values<uint32_t>(d)[0], 1U);
  EXPECT_EQ(selp.values<uint32_t>(d)[15], 1U);
  EXPECT_EQ(selp.values<uint32_t>(d)[16], 0x7f800001U);
  EXPECT_EQ(selp.values<uint32_t>(d)[31], 1U);
  for (const bool full : {true, false}) {
    OneInstruction wide("selp.f64");
    const Operand e = wide.reg(Type::F64);
    wide.with({e, wide.integer(1), wide.integer(2), wide.pred(0x55555555)}).run(full ? allLanes : 0xff);
    for (size_t i = 0; i < 32; ++i)
      EXPECT_EQ(wide.values<uint64_t>(e)[i], full || i < 8 ? 1 + i % 2 : 0);
  }
  EXPECT_EQ((Function<uint16_t, uint16_t, uint16_t, int32_t>("slct.u16.s32")(3, 4, -1)), 4);
  EXPECT_EQ((Function<uint64_t, uint64_t, uint64_t, float>("slct.b64.f32")(3, 4, -0.0F)), 3U);
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t, float>("slct.f32.f32")(3, 4, single(0x7fc00000))), 4U);
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t, float>("slct.f32.f32")(3, 4, -0x1p-149F)), 4U);
  EXPECT_EQ((Function<uint32_t, uint32_t, uint32_t, float>("slct.ftz.f32.f32")(3, 4, -0x1p-149F)), 3U);
}

TEST(ArithSelect, Tests) {
  const std::vector<float> values = {0, 1, 0x1p-149F, -0x1p-126F, single(0xff800000), single(0x7fc00000)};
  const std::vector<std::pair<std::string, Mask>> expected = {{"finite", 0b001111}, {"infinite", 0b010000},
                                                              {"number", 0b011111}, {"notanumber", 0b100000},
                                                              {"normal", 0b001011}, {"subnormal", 0b000100}};
  Lanes<float> lanes{};
  std::copy(values.begin(), values.end(), lanes.begin());
  for (const auto &[name, mask] : expected) {
    OneInstruction testp("testp." + name + ".f32");
    const Operand p = testp.pred(0);
    testp.with({p, testp.reg(Type::F32, lanes)}).run(0x3f);
    EXPECT_EQ(testp.mask(p), mask) << name;
  }
}

TEST(ArithLogic, BitsAndPredicates) {
  EXPECT_EQ((Function<uint16_t, uint16_t, uint16_t>("and.b16")(0xff0f, 0x0ff0)), 0x0f00);
  EXPECT_EQ((Function<uint64_t, uint64_t, uint64_t>("xor.b64")(~uint64_t(0), 1)), ~uint64_t(1));
  EXPECT_EQ((Function<uint32_t, uint32_t>("not.b32")(5)), ~5U);
  const Mask a = 0x33333333;
  const Mask b = 0x55555555;
  const Mask active = 0x0000ffff;
  const std::vector<std::pair<std::string, Mask>> expected = {
      {"and.pred", a & ~b}, {"or.pred", a | ~b}, {"xor.pred", a ^ ~b}};
  for (const auto &[name, mask] : expected) {
    OneInstruction logic(name);
    const Operand p = logic.pred(a);
    logic.with({p, p, logic.negate(logic.pred(b))}).run(active);
    EXPECT_EQ(logic.mask(p), (mask & active) | (a & ~active)) << name;
  }
  OneInstruction invert("not.pred");
  const Operand p = invert.pred(a);
  invert.with({p, p}).run(active);
  EXPECT_EQ(invert.mask(p), a ^ active);
}

TEST(ArithLogic, AnyTable) {
  for (unsigned table = 0; table < 256; ++table) {
    OneInstruction lop3("lop3.b32");
    const Operand d = lop3.reg(Type::B32);
    lop3.with({d, lop3.integer(0xf0), lop3.integer(0xcc), lop3.integer(0xaa), lop3.integer(table)}).run();
    EXPECT_EQ(lop3.values<uint32_t>(d)[3] & 0xff, table);
  }
  OneInstruction tested("lop3.and.b32");
  const Operand d = tested.reg(Type::B32);
  const Operand p = tested.pred(allLanes);
  Lanes<uint32_t> values{};
  values[1] = values[2] = 4;
  tested
      .with({tested.group(Operand::Pair, {d, p}), tested.reg(Type::B32, values), tested.integer(~0U), tested.integer(0),
             tested.integer(0xc0), tested.negate(tested.pred(2))})
      .run(0xff);
  EXPECT_EQ(tested.values<uint32_t>(d)[2], 4U);
  EXPECT_EQ(tested.mask(p), 0xffffff04);
  OneInstruction wrong("lop3.b32");
  const Operand r = wrong.reg(Type::B32);
  EXPECT_EQ(wrong.with({r, r, r, r, wrong.integer(256)}).error(),
            "lop3.b32: expected a table from 0 to 255 as the fifth operand, found another");
  OneInstruction single("lop3.or.b32");
  EXPECT_EQ(single.with({r, r, r, r, single.integer(1), r}).error(),
            "lop3.or.b32: expected d|p as the destination with .or, found one operand");
}

TEST(ArithMove, KeepsBitsAndOtherLanes) {
  EXPECT_EQ((Function<uint32_t, uint32_t>("mov.f32")(0x7f800001)), 0x7f800001U);
  EXPECT_EQ((Function<uint16_t, uint16_t>("mov.b16")(0xfd23)), 0xfd23);
  EXPECT_EQ((Function<uint64_t, uint64_t>("mov.f64")(0xfff0000000000001)), 0xfff0000000000001);
  Lanes<uint64_t> old;
  old.fill(9);
  OneInstruction mov("mov.u64");
  const Operand d = mov.reg(Type::U64, old);
  mov.with({d, mov.integer(uint64_t(-5))}).run(0x80000001);
  EXPECT_EQ(mov.values<uint64_t>(d)[0], uint64_t(-5));
  EXPECT_EQ(mov.values<uint64_t>(d)[1], 9U);
  OneInstruction pred("mov.pred");
  const Operand p = pred.pred(0xff00);
  pred.with({p, pred.negate(pred.pred(0xf))}).run(0xff);
  EXPECT_EQ(pred.mask(p), 0xfff0U);
  OneInstruction constant("mov.pred");
  const Operand q = constant.pred(0);
  constant.with({q, constant.integer(1)}).run(3);
  EXPECT_EQ(constant.mask(q), 3U);
}

TEST(ArithMove, Vectors) {
  Lanes<uint32_t> whole;
  whole.fill(0x04030201);
  OneInstruction unpack("mov.b32");
  const Operand low = unpack.reg(Type::B16);
  const Operand high = unpack.reg(Type::B16);
  unpack.with({unpack.group(Operand::Vector, {low, high}), unpack.reg(Type::B32, whole)}).run(1);
  EXPECT_EQ(unpack.values<uint16_t>(low)[0], 0x0201);
  EXPECT_EQ(unpack.values<uint16_t>(high)[0], 0x0403);
  EXPECT_EQ(unpack.values<uint16_t>(high)[1], 0);

  OneInstruction half("mov.b32");
  const Operand upper = half.reg(Type::B16);
  half.with({half.group(Operand::Vector, {OneInstruction::empty(Operand::Sink), upper}), half.reg(Type::B32, whole)})
      .run();
  EXPECT_EQ(half.values<uint16_t>(upper)[31], 0x0403);

  OneInstruction pack("mov.b64");
  const Operand d = pack.reg(Type::B64);
  std::vector<Operand> elements;
  for (uint64_t i = 0; i < 4; ++i)
    elements.push_back(pack.integer(i + 0x10));
  pack.with({d, pack.group(Operand::Vector, elements)}).run(2);
  EXPECT_EQ(pack.values<uint64_t>(d)[0], 0U);
  EXPECT_EQ(pack.values<uint64_t>(d)[1], 0x0013001200110010);

  OneInstruction bytes("mov.b32");
  std::vector<Operand> parts;
  for (int i = 0; i < 4; ++i)
    parts.push_back(bytes.reg(Type::B8));
  bytes.with({bytes.group(Operand::Vector, parts), bytes.reg(Type::B32, whole)}).run();
  EXPECT_EQ(bytes.values<uint8_t>(parts[2])[7], 3);

  // {b, a} = {a, b}, through one register.
  OneInstruction exchange("mov.b128");
  Lanes<std::array<uint64_t, 2>> wide;
  wide.fill({1, 2});
  const Operand a = exchange.reg(Type::B64);
  const Operand b = exchange.reg(Type::B64);
  exchange.with({exchange.group(Operand::Vector, {b, a}), exchange.reg(Type::B128, wide)}).run();
  EXPECT_EQ(exchange.values<uint64_t>(a)[5], 2U);
  EXPECT_EQ(exchange.values<uint64_t>(b)[5], 1U);

  const auto error = [](const std::string &name, size_t count, bool both) {
    OneInstruction mov(name);
    const Operand vector = mov.group(Operand::Vector, std::vector<Operand>(count, mov.reg(Type::B32)));
    return mov.with({both ? vector : mov.reg(Type::B64), vector}).error();
  };
  EXPECT_EQ(error("mov.b64", 3, false), "mov.b64: expected a vector of 2 or 4 elements, found 3");
  EXPECT_EQ(error("mov.b16", 4, false), "mov.b16: expected a vector of 2 elements, found 4");
  EXPECT_EQ(error("mov.u64", 2, false),
            "mov.u64: expected one of b16, b32, b64, b128 with a vector operand, found u64");
  EXPECT_EQ(error("mov.b64", 2, true), "mov.b64: expected one vector operand, found two");
  EXPECT_EQ(error("mov.b8", 2, true), "mov.b8: expected one of pred, b16, u16, s16, b32, u32, s32, f32, b64, u64, s64, "
                                      "f64, b128, found b8");
}

TEST(ArithMove, GenericAddresses) {
  const uint64_t unit = uint64_t(1) << 56;
  const std::vector<std::pair<std::string, uint64_t>> bases = {
      {"global", 0},       {"shared", unit},    {"shared::cta", unit}, {"shared::cluster", unit},
      {"local", 2 * unit}, {"const", 3 * unit}, {"param", 4 * unit},   {"param::entry", 4 * unit}};
  for (const auto &[space, base] : bases) {
    EXPECT_EQ((Function<uint64_t, uint64_t>("cvta." + space + ".u64")(0x1234)), base + 0x1234) << space;
    EXPECT_EQ((Function<uint64_t, uint64_t>("cvta.to." + space + ".u64")(base + 0x1234)), 0x1234U) << space;
  }
  const auto error = [](const std::string &name) {
    OneInstruction cvta(name);
    const Operand r = cvta.reg(Type::B64);
    return cvta.with({r, r}).error();
  };
  EXPECT_EQ(error("cvta.tex.u64"), "cvta.tex.u64: expected one of const, global, local, param, param::entry, shared, "
                                   "shared::cta, shared::cluster, found tex");
  EXPECT_EQ(error("cvta.global.u32"), "cvta.global.u32: expected u64, found u32");
}

} // namespace
