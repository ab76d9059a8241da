// cvt between integers and floating-point formats of any width; the packed and the 8-bit ones are in
// ArithmeticConvertPacked.cpp.
#include "ArithFloat.h"
#include "Arithmetic.h"

#include <algorithm>

namespace treadle::sim::arith {

namespace {

using ptx::Type;

// A conversion of 32 values, and the handler for registers that are exactly as wide as the types.
struct Conversion {
  void (*convert)(const Op &op, const void *from, void *to);
  Handler run;
};

// D f(const Op &, A) or D f(A), as a conversion.
template <auto f> struct Convert;
template <class D, class A, D (*f)(const Op &, A)> struct Convert<f> {
  static void lanes(const Op &op, const void *from, void *to) {
    const A *a = static_cast<const A *>(from);
    D *d = static_cast<D *>(to);
    TREADLE_FOR_LANES d[i] = f(op, a[i]);
  }
};
template <class D, class A, D (*f)(A)> struct Convert<f> {
  static void lanes(const Op & /*op*/, const void *from, void *to) {
    const A *a = static_cast<const A *>(from);
    D *d = static_cast<D *>(to);
    TREADLE_FOR_LANES d[i] = f(a[i]);
  }
};
template <auto f> constexpr Conversion conversion() { return {Convert<f>::lanes, form<f>().run}; }

// Op::flags beside those of ArithFloat.h.
constexpr uint16_t flagIntegral = 128; // rounds to an integer, in the format

template <class D, class A> D truncate(A a) { return D(a); }
template <class D, class A> D saturateInteger(A a) {
  using Both = __int128;
  return D(std::clamp<Both>(a, std::numeric_limits<D>::min(), std::numeric_limits<D>::max()));
}

template <class D, class A> D integerToFloat(const Op &op, A a) {
  const D value = fromInteger<D>(a, roundingOf(op));
  return op.flags & flagSaturate ? fromDouble<D>(saturateUnit(toDouble(value)), Rounding::Nearest) : value;
}
// What the processor's own conversions do.
template <class D, class A> D integerToNearest(A a) { return D(a); }

// NaN is zero, but the top bit alone from or to 64 bits.
template <class D, class A> D floatToInteger(const Op &op, A a) {
  if (isNan(a))
    return sizeof(A) == 8 || sizeof(D) == 8 ? D(uint64_t(1) << (8 * sizeof(D) - 1)) : D(0);
  const A value = op.flags & flagFlush ? flush(a) : a;
  return toInteger<D>(toDouble(value), roundingOf(op));
}

// NaNs keep what fits of the payload if they come from or stay a double.
template <class D> D narrowNan(double nan) {
  using Bits = typename Format<D>::Bits;
  const auto bits = bitCast<uint64_t>(quiet(nan));
  const auto payload = Bits(bits >> (52 - Format<D>::mantissaBits) & ((Bits(1) << Format<D>::mantissaBits) - 1));
  return bitCast<D>(Bits(payload | infinityOf<D> | (isNegative(nan) ? signOf<D> : 0)));
}
// .ftz means the floats: on the way to f16 the hardware does not flush them.
template <class D, class A> D floatToFloat(const Op &op, A a) {
  const bool ftz = (op.flags & flagFlush) != 0;
  double value = toDouble(ftz && sizeof(A) == 4 && !std::is_same_v<D, Half> ? flush(a) : a);
  const bool nan = isNan(value);
  Rounding rounding = roundingOf(op);
  if (op.flags & flagIntegral) {
    value = roundToInteger(value, rounding);
    rounding = Rounding::Nearest;
  }
  if ((op.flags & flagRelu) && !(value > 0) && !nan)
    value = 0;
  D d = fromDouble<D>(value, rounding);
  using Bits = typename Format<D>::Bits;
  const auto bits = bitCast<Bits>(d);
  if ((op.flags & flagFinite) && !nan && Bits(bits & ~signOf<D>) == infinityOf<D>)
    d = bitCast<D>(Bits(bits - 1));
  if constexpr (sizeof(D) == 4)
    d = ftz ? flush(d) : d;
  if constexpr (sizeof(A) == 8)
    d = nan ? narrowNan<D>(a) : d;
  else if constexpr (sizeof(D) == 8)
    d = nan ? (ftz ? double(bitCast<float>(nanOf<float>)) : quiet(value)) : d;
  if (op.flags & flagSaturate)
    d = fromDouble<D>(saturateUnit(toDouble(d)), Rounding::Nearest);
  return d;
}
template <class D, class A> D widen(A a) {
  if constexpr (sizeof(D) == 8)
    return toDouble(a);
  else if constexpr (std::is_same_v<A, BFloat>)
    return toFloat(a); // NaNs as they are
  else
    return canonical(toFloat(a));
}
template <class D> D narrow(float a) { return fromFloat<D>(a); }
float narrowDouble(double a) { return isNan(a) ? narrowNan<float>(a) : float(a); }
template <class T> T same(T a) { return a; }

uint32_t roundToTF32(const Op &op, float a) {
  if ((op.flags & flagRelu) && a <= 0)
    return 0;
  return fromDouble<TF32>(a, roundingOf(op)).bits;
}
// Half a unit away from zero; infinities stay, NaNs are cut.
template <bool finite> uint32_t roundToTF32Away(float a) {
  const auto bits = bitCast<uint32_t>(a);
  const uint32_t rounded = ((bits & 0x7f800000) == 0x7f800000 ? bits : bits + 0x1000) & 0xffffe000;
  return finite && (rounded & 0x7f800000) == 0x7f800000 ? rounded - 0x2000 : rounded;
}

enum class Kind { Signed, Unsigned, Float };
struct ConvertType {
  const char *name;
  Type type;
  Kind kind;
  unsigned bytes;
};
const ConvertType convertTypes[] = {
    {"u8", Type::U8, Kind::Unsigned, 1},   {"u16", Type::U16, Kind::Unsigned, 2}, {"u32", Type::U32, Kind::Unsigned, 4},
    {"u64", Type::U64, Kind::Unsigned, 8}, {"s8", Type::S8, Kind::Signed, 1},     {"s16", Type::S16, Kind::Signed, 2},
    {"s32", Type::S32, Kind::Signed, 4},   {"s64", Type::S64, Kind::Signed, 8},   {"f16", Type::F16, Kind::Float, 2},
    {"bf16", Type::BF16, Kind::Float, 2},  {"f32", Type::F32, Kind::Float, 4},    {"f64", Type::F64, Kind::Float, 8},
};
constexpr unsigned typeCount = 12;

// The conversion from A to D: with modifiers as in the op's flags, and the fast one, if there is one, without (and
// rounding to nearest).
struct Conversions {
  Conversion general, plain;
};

template <class D, class A> constexpr Conversions conversionsOf() {
  constexpr bool toFloatingPoint = std::is_class_v<D> || std::is_floating_point_v<D>;
  constexpr bool fromFloatingPoint = std::is_class_v<A> || std::is_floating_point_v<A>;
  if constexpr (!toFloatingPoint && !fromFloatingPoint) {
    return {conversion<saturateInteger<D, A>>(), conversion<truncate<D, A>>()};
  } else if constexpr (!fromFloatingPoint) {
    if constexpr (std::is_class_v<D>)
      return {conversion<integerToFloat<D, A>>(), conversion<integerToFloat<D, A>>()};
    else
      return {conversion<integerToFloat<D, A>>(), conversion<integerToNearest<D, A>>()};
  } else if constexpr (!toFloatingPoint) {
    return {conversion<floatToInteger<D, A>>(), conversion<floatToInteger<D, A>>()};
  } else if constexpr (std::is_floating_point_v<D> && std::is_same_v<D, A>) {
    return {conversion<floatToFloat<D, A>>(), conversion<same<D>>()};
  } else if constexpr (std::is_floating_point_v<D> && sizeof(A) < sizeof(D)) {
    return {conversion<floatToFloat<D, A>>(), conversion<widen<D, A>>()};
  } else if constexpr (std::is_class_v<D> && std::is_same_v<A, float>) {
    return {conversion<floatToFloat<D, A>>(), conversion<narrow<D>>()};
  } else if constexpr (std::is_same_v<D, float> && std::is_same_v<A, double>) {
    return {conversion<floatToFloat<D, A>>(), conversion<narrowDouble>()};
  } else {
    return {conversion<floatToFloat<D, A>>(), conversion<floatToFloat<D, A>>()};
  }
}

#define TREADLE_FROM(D)                                                                                                \
  conversionsOf<D, uint8_t>(), conversionsOf<D, uint16_t>(), conversionsOf<D, uint32_t>(),                             \
      conversionsOf<D, uint64_t>(), conversionsOf<D, int8_t>(), conversionsOf<D, int16_t>(),                           \
      conversionsOf<D, int32_t>(), conversionsOf<D, int64_t>(), conversionsOf<D, Half>(), conversionsOf<D, BFloat>(),  \
      conversionsOf<D, float>(), conversionsOf<D, double>()

// By destination, then source, both in the order of convertTypes.
constexpr Conversions conversions[typeCount * typeCount] = {
    TREADLE_FROM(uint8_t), TREADLE_FROM(uint16_t), TREADLE_FROM(uint32_t), TREADLE_FROM(uint64_t),
    TREADLE_FROM(int8_t),  TREADLE_FROM(int16_t),  TREADLE_FROM(int32_t),  TREADLE_FROM(int64_t),
    TREADLE_FROM(Half),    TREADLE_FROM(BFloat),   TREADLE_FROM(float),    TREADLE_FROM(double),
};
#undef TREADLE_FROM

Type bitsOfSize(unsigned bytes) {
  return bytes == 1 ? Type::B8 : bytes == 2 ? Type::B16 : bytes == 4 ? Type::B32 : Type::B64;
}

// The width of the register that an operand names; of the type, if it names none.
unsigned widthOf(Decoder &decoder, const ptx::Operand &operand, const ConvertType &type) {
  if (operand.kind != ptx::Operand::Register)
    return type.bytes;
  switch (decoder.entry().registers[size_t(operand.index)].type) {
  case Type::B8:
  case Type::U8:
  case Type::S8:
    return 1;
  case Type::B16:
  case Type::U16:
  case Type::S16:
  case Type::F16:
  case Type::BF16:
    return 2;
  case Type::B64:
  case Type::U64:
  case Type::S64:
  case Type::F64:
    return 8;
  default:
    return 4;
  }
}

// Op::count: the conversion of the table, `general` or `plain` as flagPlain says. Op::bytes: the logarithms of the
// registers' widths, the source's in the upper half.
constexpr uint16_t flagPlain = 256;

template <class To, class From> void resize(const void *from, void *to) {
  TREADLE_FOR_LANES static_cast<To *>(to)[i] = truncate<To>(static_cast<const From *>(from)[i]);
}
template <class From> void resizeFrom(const void *from, void *to, unsigned width) {
  using S = std::is_signed<From>;
  switch (width) {
  case 1:
    return resize<uint8_t, From>(from, to);
  case 2:
    return resize<uint16_t, From>(from, to);
  case 4:
    return resize<std::conditional_t<S::value, int32_t, uint32_t>, From>(from, to);
  default:
    return resize<std::conditional_t<S::value, int64_t, uint64_t>, From>(from, to);
  }
}
// Integers of `bytes` bytes, extended or cut to `width` bytes each.
void resizeAll(const void *from, unsigned bytes, bool isSigned, void *to, unsigned width) {
  switch (bytes) {
  case 1:
    return isSigned ? resizeFrom<int8_t>(from, to, width) : resizeFrom<uint8_t>(from, to, width);
  case 2:
    return isSigned ? resizeFrom<int16_t>(from, to, width) : resizeFrom<uint16_t>(from, to, width);
  case 4:
    return isSigned ? resizeFrom<int32_t>(from, to, width) : resizeFrom<uint32_t>(from, to, width);
  default:
    return resizeFrom<uint64_t>(from, to, width);
  }
}
void blendAll(void *d, const void *values, unsigned width, Mask active) {
  switch (width) {
  case 1:
    return blend(static_cast<uint8_t *>(d), static_cast<const uint8_t *>(values), active);
  case 2:
    return blend(static_cast<uint16_t *>(d), static_cast<const uint16_t *>(values), active);
  case 4:
    return blend(static_cast<uint32_t *>(d), static_cast<const uint32_t *>(values), active);
  default:
    return blend(static_cast<uint64_t *>(d), static_cast<const uint64_t *>(values), active);
  }
}

// Registers that are wider than their types.
void convertWide(Warp &w, const Op &op, Mask active) {
  const ConvertType &to = convertTypes[op.count / typeCount];
  const ConvertType &from = convertTypes[op.count % typeCount];
  const unsigned toWidth = 1U << (op.bytes & 15);
  const unsigned fromWidth = 1U << (op.bytes >> 4);
  alignas(64) std::byte a[warpSize * 8];
  alignas(64) std::byte d[warpSize * 8];
  alignas(64) std::byte values[warpSize * 8];
  resizeAll(w.source<std::byte>(op.a), fromWidth, false, a, from.bytes);
  const Conversions &both = conversions[op.count];
  (op.flags & flagPlain ? both.plain : both.general).convert(op, a, d);
  resizeAll(d, to.bytes, to.kind == Kind::Signed, values, toWidth);
  blendAll(w.lanes<std::byte>(op.d), values, toWidth, active);
}

std::vector<std::string> typeNames() {
  std::vector<std::string> names;
  for (const ConvertType &type : convertTypes)
    names.emplace_back(type.name);
  return names;
}
const ConvertType &typeNamed(const std::string &name) {
  return *std::find_if(std::begin(convertTypes), std::end(convertTypes),
                       [&](const ConvertType &type) { return name == type.name; });
}

uint16_t roundingNamed(const std::string &name) {
  return uint16_t(name[1] == 'n'   ? Rounding::Nearest
                  : name[1] == 'z' ? Rounding::Zero
                  : name[1] == 'm' ? Rounding::Down
                                   : Rounding::Up);
}

// Which modifiers there have to be, or may be, for the types.
void checkModifiers(Decoder &decoder, const ConvertType &to, const ConvertType &from, const std::string &rounding,
                    uint16_t flags) {
  const std::string types = std::string(" for ") + to.name + "." + from.name;
  const auto found = [&](const std::string &name) { return ", found " + (name.empty() ? "none" : name); };
  const bool floats = to.kind == Kind::Float && from.kind == Kind::Float;
  const bool integral = rounding.size() == 3;
  const bool narrows = floats && (from.bytes > to.bytes || (from.bytes == to.bytes && to.type != from.type));
  if (to.kind != Kind::Float && from.kind != Kind::Float) {
    if (!rounding.empty())
      decoder.fail("expected no rounding" + types + found(rounding));
  } else if (to.kind != Kind::Float) {
    if (!integral)
      decoder.fail("expected one of rni, rzi, rmi, rpi" + types + found(rounding));
  } else if (from.kind != Kind::Float || narrows) {
    if (rounding.empty() || integral)
      decoder.fail("expected one of rn, rz, rm, rp" + types + found(rounding));
  } else if (to.type == from.type ? !rounding.empty() && !integral : !rounding.empty()) {
    decoder.fail(std::string("expected ") +
                 (to.type == from.type ? "no rounding or one of rni, rzi, rmi, rpi" : "no rounding") + types +
                 found(rounding));
  }
  if ((flags & flagFlush) && to.type != Type::F32 && from.type != Type::F32)
    decoder.fail("expected no ftz" + types + ", found ftz");
  const bool hasBFloat = to.type == Type::BF16 || from.type == Type::BF16;
  if (hasBFloat && (flags & flagSaturate))
    decoder.fail("expected no sat" + types + ", found sat");
  if (hasBFloat && (to.bytes == 1 || from.bytes == 1))
    decoder.fail("expected a type of at least 16 bits with bf16" + found(to.bytes == 1 ? to.name : from.name));
  const bool fromSingle = from.type == Type::F32 && to.kind == Kind::Float && to.bytes == 2;
  if ((flags & (flagRelu | flagFinite)) && (!fromSingle || (rounding != "rn" && rounding != "rz")))
    decoder.fail("expected " + std::string(flags & flagRelu ? "relu" : "satfinite") +
                 " only with rn or rz for f16.f32 or bf16.f32, found it" + types);
}

void decodeTF32(Decoder &decoder, Op &op, Modifiers &modifiers) {
  const std::string rounding = modifiers.expect({"rna", "rn", "rz"});
  const bool away = rounding == "rna";
  const bool relu = !away && modifiers.take("relu");
  const bool finite = away && modifiers.take("satfinite");
  modifiers.expect({"tf32"});
  modifiers.expect({"f32"});
  modifiers.expectNone();
  const Form roundAway = finite ? form<roundToTF32Away<true>>() : form<roundToTF32Away<false>>();
  const uint16_t flags = away ? 0 : uint16_t(roundingNamed(rounding) | (relu ? flagRelu : 0));
  useVariant(decoder, op, {away ? roundAway : form<roundToTF32>(), Class::Convert, flags});
}

} // namespace

bool decodeConvert(Decoder &decoder, Op &op) {
  const ptx::Instruction &instruction = decoder.instruction();
  if (instruction.opcode != "cvt")
    return false;
  const auto &packed = arithmeticOpcodes().at("cvt");
  if (const auto variant = packed.find(modifiersOf(instruction)); variant != packed.end()) {
    useVariant(decoder, op, variant->second);
    return true;
  }
  Modifiers modifiers(decoder);
  if (instruction.has("tf32")) {
    decodeTF32(decoder, op, modifiers);
    return true;
  }
  const std::string rounding = modifiers.takeOneOf({"rn", "rz", "rm", "rp", "rni", "rzi", "rmi", "rpi"});
  uint16_t flags = rounding.empty() ? 0 : roundingNamed(rounding);
  flags |= rounding.size() == 3 ? flagIntegral : 0;
  flags |= modifiers.take("ftz") ? flagFlush : 0;
  flags |= modifiers.take("sat") ? flagSaturate : 0;
  flags |= modifiers.take("relu") ? flagRelu : 0;
  flags |= modifiers.take("satfinite") ? flagFinite : 0;
  const ConvertType &to = typeNamed(modifiers.expect(typeNames()));
  const ConvertType &from = typeNamed(modifiers.expect(typeNames()));
  modifiers.expectNone();
  checkModifiers(decoder, to, from, rounding, flags);
  decoder.expectOperands(2);
  const ptx::Operand &d = instruction.operands[0];
  const ptx::Operand &a = instruction.operands[1];
  const unsigned toWidth = to.kind == Kind::Float ? to.bytes : std::max(widthOf(decoder, d, to), to.bytes);
  const unsigned fromWidth = from.kind == Kind::Float ? from.bytes : std::max(widthOf(decoder, a, from), from.bytes);
  const auto index = unsigned(&to - convertTypes) * typeCount + unsigned(&from - convertTypes);
  const bool plain = flags == 0;
  const Conversion &conversion = plain ? conversions[index].plain : conversions[index].general;
  op.kind = Class::Convert;
  op.count = uint8_t(index);
  op.flags = uint16_t(flags | (plain ? flagPlain : 0));
  op.bytes = uint8_t(__builtin_ctz(toWidth) | __builtin_ctz(fromWidth) << 4);
  const bool exact = toWidth == to.bytes && fromWidth == from.bytes;
  op.run = exact ? conversion.run : convertWide;
  op.d = decoder.destination(d, toWidth == to.bytes ? to.type : bitsOfSize(toWidth));
  op.a = decoder.source(a, fromWidth == from.bytes ? from.type : bitsOfSize(fromWidth));
  return true;
}

} // namespace treadle::sim::arith
