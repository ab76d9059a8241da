// setp and set: every comparison of every type is one of a few, perhaps with its operands exchanged or its result
// inverted.
#include "ArithFloat.h"
#include "Arithmetic.h"

#include <algorithm>

namespace treadle::sim::arith {

namespace {

using ptx::Type;

// What op.imm is an index of.
struct Comparison {
  const char *name; // "lt.s32"
  Mask (*compare)(const void *a, const void *b);
  Handler setPredicate; // without anything to combine with
};

// Op::flags.
constexpr uint16_t inverted = 1, combineAnd = 2, combineOr = 4, combineXor = 8, combines = 14, negatedC = 16,
                   hasSecond = 32;

void writePredicate(Warp &w, Slot slot, Mask value, Mask active) {
  Mask &d = w.predicate(slot);
  d = (d & ~active) | (value & active);
}

template <auto f> struct Compare;
template <class T, bool (*f)(T, T)> struct Compare<f> {
  static Mask lanes(const void *a, const void *b) {
    return compareLanes<f>(static_cast<const T *>(a), static_cast<const T *>(b));
  }
  static void setPredicate(Warp &w, const Op &op, Mask active) {
    const Mask holds = compareLanes<f>(w.source<T>(op.a), w.source<T>(op.b));
    writePredicate(w, op.d, holds ^ (op.flags & inverted ? allLanes : 0), active);
  }
};
template <auto f> constexpr Comparison comparison(const char *name) {
  return {name, Compare<f>::lanes, Compare<f>::setPredicate};
}

template <class T> bool equal(T a, T b) { return a == b; }
template <class T> bool less(T a, T b) { return a < b; }

enum class Relation { Equal, Unequal, Less, LessOrEqual, Ordered };
template <Relation relation, bool ftz, class T> bool related(T a, T b) {
  const auto x = [&] {
    if constexpr (sizeof(T) == 8)
      return a;
    else
      return toFloat(ftz ? flush(a) : a);
  }();
  const auto y = [&] {
    if constexpr (sizeof(T) == 8)
      return b;
    else
      return toFloat(ftz ? flush(b) : b);
  }();
  switch (relation) {
  case Relation::Equal:
    return x == y;
  case Relation::Unequal:
    return x < y || x > y;
  case Relation::Less:
    return x < y;
  case Relation::LessOrEqual:
    return x <= y;
  case Relation::Ordered:
    return !std::isunordered(x, y);
  }
}

constexpr Comparison comparisons[] = {
    comparison<equal<uint16_t>>("eq.16"),
    comparison<equal<uint32_t>>("eq.32"),
    comparison<equal<uint64_t>>("eq.64"),
    comparison<less<uint16_t>>("lt.u16"),
    comparison<less<uint32_t>>("lt.u32"),
    comparison<less<uint64_t>>("lt.u64"),
    comparison<less<int16_t>>("lt.s16"),
    comparison<less<int32_t>>("lt.s32"),
    comparison<less<int64_t>>("lt.s64"),
    comparison<related<Relation::Equal, false, float>>("eq.f32"),
    comparison<related<Relation::Unequal, false, float>>("ne.f32"),
    comparison<related<Relation::Less, false, float>>("lt.f32"),
    comparison<related<Relation::LessOrEqual, false, float>>("le.f32"),
    comparison<related<Relation::Ordered, false, float>>("num.f32"),
    comparison<related<Relation::Equal, true, float>>("eq.ftz.f32"),
    comparison<related<Relation::Unequal, true, float>>("ne.ftz.f32"),
    comparison<related<Relation::Less, true, float>>("lt.ftz.f32"),
    comparison<related<Relation::LessOrEqual, true, float>>("le.ftz.f32"),
    comparison<related<Relation::Ordered, true, float>>("num.ftz.f32"),
    comparison<related<Relation::Equal, false, double>>("eq.f64"),
    comparison<related<Relation::Unequal, false, double>>("ne.f64"),
    comparison<related<Relation::Less, false, double>>("lt.f64"),
    comparison<related<Relation::LessOrEqual, false, double>>("le.f64"),
    comparison<related<Relation::Ordered, false, double>>("num.f64"),
    comparison<related<Relation::Equal, false, Half>>("eq.f16"),
    comparison<related<Relation::Unequal, false, Half>>("ne.f16"),
    comparison<related<Relation::Less, false, Half>>("lt.f16"),
    comparison<related<Relation::LessOrEqual, false, Half>>("le.f16"),
    comparison<related<Relation::Ordered, false, Half>>("num.f16"),
    comparison<related<Relation::Equal, true, Half>>("eq.ftz.f16"),
    comparison<related<Relation::Unequal, true, Half>>("ne.ftz.f16"),
    comparison<related<Relation::Less, true, Half>>("lt.ftz.f16"),
    comparison<related<Relation::LessOrEqual, true, Half>>("le.ftz.f16"),
    comparison<related<Relation::Ordered, true, Half>>("num.ftz.f16"),
    comparison<related<Relation::Equal, false, BFloat>>("eq.bf16"),
    comparison<related<Relation::Unequal, false, BFloat>>("ne.bf16"),
    comparison<related<Relation::Less, false, BFloat>>("lt.bf16"),
    comparison<related<Relation::LessOrEqual, false, BFloat>>("le.bf16"),
    comparison<related<Relation::Ordered, false, BFloat>>("num.bf16"),
};

// The comparisons of a kind of type, in terms of those above.
struct Meaning {
  const char *name;
  const char *base;
  bool exchanged, inverted;
};
const Meaning integerMeanings[] = {
    {"eq", "eq", false, false}, {"ne", "eq", false, true}, {"lt", "lt", false, false}, {"le", "lt", true, true},
    {"gt", "lt", true, false},  {"ge", "lt", false, true}, {"lo", "lt", false, false}, {"ls", "lt", true, true},
    {"hi", "lt", true, false},  {"hs", "lt", false, true},
};
const Meaning floatMeanings[] = {
    {"eq", "eq", false, false},   {"ne", "ne", false, false},  {"lt", "lt", false, false}, {"le", "le", false, false},
    {"gt", "lt", true, false},    {"ge", "le", true, false},   {"equ", "ne", false, true}, {"neu", "eq", false, true},
    {"ltu", "le", true, true},    {"leu", "lt", true, true},   {"gtu", "le", false, true}, {"geu", "lt", false, true},
    {"num", "num", false, false}, {"nan", "num", false, true},
};

// A type that is compared: the first so many meanings of its kind exist.
struct ComparedType {
  const char *name;
  Type type;
  const char *equal, *less; // the type in the names of base comparisons
  unsigned meanings;
  bool isFloat, isPair, flushes;
};
const ComparedType comparedTypes[] = {
    {"b16", Type::B16, "16", "", 2, false, false, false},
    {"b32", Type::B32, "32", "", 2, false, false, false},
    {"b64", Type::B64, "64", "", 2, false, false, false},
    {"u16", Type::U16, "16", "u16", 10, false, false, false},
    {"u32", Type::U32, "32", "u32", 10, false, false, false},
    {"u64", Type::U64, "64", "u64", 10, false, false, false},
    {"s16", Type::S16, "16", "s16", 6, false, false, false},
    {"s32", Type::S32, "32", "s32", 6, false, false, false},
    {"s64", Type::S64, "64", "s64", 6, false, false, false},
    {"f32", Type::F32, "f32", "f32", 14, true, false, true},
    {"f64", Type::F64, "f64", "f64", 14, true, false, false},
    {"f16", Type::F16, "f16", "f16", 14, true, false, true},
    {"bf16", Type::BF16, "bf16", "bf16", 14, true, false, false},
    {"f16x2", Type::B32, "f16", "f16", 14, true, true, true},
    {"bf16x2", Type::B32, "bf16", "bf16", 14, true, true, false},
};

struct Decoded {
  int index; // of comparisons
  bool exchanged;
  uint16_t flags;
};

template <class Range> std::vector<std::string> namesOf(const Range &range) {
  std::vector<std::string> names;
  for (const auto &entry : range)
    names.emplace_back(entry.name);
  return names;
}

const std::vector<std::string> &comparisonNames() {
  static const std::vector<std::string> names = {"eq", "ne",  "lt",  "le",  "gt",  "ge",  "lo",  "ls",  "hi",
                                                 "hs", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"};
  return names;
}

Decoded meaningOf(Decoder &decoder, const std::string &name, const ComparedType &type, bool ftz) {
  const Meaning *meanings = type.isFloat ? floatMeanings : integerMeanings;
  const Meaning *end = meanings + type.meanings;
  const Meaning *meaning = std::find_if(meanings, end, [&](const Meaning &m) { return name == m.name; });
  if (meaning == end) {
    std::string expected;
    for (const Meaning *m = meanings; m != end; ++m)
      expected += (m == meanings ? "" : ", ") + std::string(m->name);
    decoder.fail("expected one of " + expected + " for " + type.name + ", found " + name);
  }
  if (ftz && !type.flushes)
    decoder.fail("expected no ftz for " + std::string(type.name) + ", found ftz");
  const std::string base =
      meaning->base + std::string(ftz ? ".ftz." : ".") + (std::string(meaning->base) == "eq" ? type.equal : type.less);
  int index = 0;
  while (base != comparisons[index].name)
    ++index;
  return {index, meaning->exchanged, uint16_t(meaning->inverted ? inverted : 0)};
}

Mask combine(const Warp &w, const Op &op, Mask value) {
  if ((op.flags & combines) == 0)
    return value;
  const Mask c = w.predicateValue(op.c) ^ (op.flags & negatedC ? allLanes : 0);
  return op.flags & combineAnd ? value & c : op.flags & combineOr ? value | c : value ^ c;
}

Mask compared(const Op &op, const void *a, const void *b) {
  return comparisons[op.imm].compare(a, b) ^ (op.flags & inverted ? allLanes : 0);
}

// p|q with a third predicate. Op::list: q.
void setPredicates(Warp &w, const Op &op, Mask active) {
  const Mask holds = compared(op, w.source<uint8_t>(op.a), w.source<uint8_t>(op.b));
  const Mask first = combine(w, op, holds);
  const Mask second = combine(w, op, ~holds);
  writePredicate(w, op.d, first, active);
  if (op.flags & hasSecond)
    writePredicate(w, w.lists[op.list], second, active);
}

// The lower and the upper halves of pairs.
struct Halves {
  alignas(64) uint16_t low[warpSize];
  alignas(64) uint16_t high[warpSize];
  explicit Halves(const uint32_t *pairs) {
    TREADLE_FOR_LANES {
      low[i] = uint16_t(pairs[i]);
      high[i] = uint16_t(pairs[i] >> 16);
    }
  }
};
// p: of the lower halves; q: of the upper ones.
void setPredicatesOfPairs(Warp &w, const Op &op, Mask active) {
  const Halves a(w.source<uint32_t>(op.a));
  const Halves b(w.source<uint32_t>(op.b));
  const Mask low = combine(w, op, compared(op, a.low, b.low));
  const Mask high = combine(w, op, compared(op, a.high, b.high));
  writePredicate(w, op.d, low, active);
  writePredicate(w, w.lists[op.list], high, active);
}

// set: `yes` where it holds, else zero.
template <class T, uint64_t yes> void setValue(Warp &w, const Op &op, Mask active) {
  const Mask holds = combine(w, op, compared(op, w.source<uint8_t>(op.a), w.source<uint8_t>(op.b)));
  alignas(64) T values[warpSize];
  TREADLE_FOR_LANES values[i] = choose(holds, i, T(yes), T(0));
  blend(w.lanes<T>(op.d), values, active);
}
template <uint16_t yes> void setValueOfPairs(Warp &w, const Op &op, Mask active) {
  const Halves a(w.source<uint32_t>(op.a));
  const Halves b(w.source<uint32_t>(op.b));
  const Mask low = combine(w, op, compared(op, a.low, b.low));
  const Mask high = combine(w, op, compared(op, a.high, b.high));
  alignas(64) uint32_t values[warpSize];
  TREADLE_FOR_LANES values[i] = choose<uint32_t>(low, i, yes, 0) | choose<uint32_t>(high, i, uint32_t(yes) << 16, 0);
  blend(w.lanes<uint32_t>(op.d), values, active);
}

struct SetType {
  const char *name;
  Type type;
  Handler handler;
};
const SetType setTypes[] = {
    {"u32", Type::U32, setValue<uint32_t, 0xffffffff>},
    {"s32", Type::S32, setValue<uint32_t, 0xffffffff>},
    {"f32", Type::F32, setValue<uint32_t, 0x3f800000>},
};
const SetType halfSetTypes[] = {
    {"u16", Type::U16, setValue<uint16_t, 0xffff>},
    {"s16", Type::S16, setValue<uint16_t, 0xffff>},
    {"u32", Type::U32, setValue<uint32_t, 0xffffffff>},
    {"s32", Type::S32, setValue<uint32_t, 0xffffffff>},
};

// The destination types for what is compared.
std::vector<SetType> setTypesFor(const ComparedType &type) {
  const bool isBFloat = std::string_view(type.equal) == "bf16";
  const bool isHalf = std::string_view(type.equal) == "f16";
  std::vector<SetType> types;
  if (type.isPair) {
    if (isBFloat)
      types.push_back({"bf16x2", Type::B32, setValueOfPairs<0x3f80>});
    else
      types.push_back({"f16x2", Type::B32, setValueOfPairs<0x3c00>});
    types.push_back({"u32", Type::U32, setValueOfPairs<0xffff>});
    types.push_back({"s32", Type::S32, setValueOfPairs<0xffff>});
    return types;
  }
  if (isHalf || isBFloat)
    types.assign(std::begin(halfSetTypes), std::end(halfSetTypes));
  else
    types.assign(std::begin(setTypes), std::end(setTypes));
  if (isBFloat)
    types.push_back({"bf16", Type::BF16, setValue<uint16_t, 0x3f80>});
  else if (type.isFloat || type.meanings > 0)
    types.push_back({"f16", Type::F16, setValue<uint16_t, 0x3c00>});
  return types;
}

const ComparedType &comparedType(const std::string &name) {
  return *std::find_if(std::begin(comparedTypes), std::end(comparedTypes),
                       [&](const ComparedType &type) { return name == type.name; });
}

uint16_t combination(const std::string &name) {
  return name == "and" ? combineAnd : name == "or" ? combineOr : name == "xor" ? combineXor : uint16_t(0);
}

// The sources; the third is a predicate if there is something to combine with.
void decodeSources(Decoder &decoder, Op &op, const ComparedType &type, const Decoded &decoded, uint16_t combined) {
  decoder.expectOperands(combined ? 4 : 3);
  const std::vector<ptx::Operand> &operands = decoder.instruction().operands;
  op.imm = decoded.index;
  op.flags = uint16_t(decoded.flags | combined);
  op.a = decoder.source(operands[1], type.type);
  op.b = decoder.source(operands[2], type.type);
  if (decoded.exchanged)
    std::swap(op.a, op.b);
  if (combined) {
    bool negated = false;
    op.c = decoder.predicate(operands[3], &negated);
    op.flags |= negated ? negatedC : 0;
  }
}

void decodeSetp(Decoder &decoder, Op &op) {
  Modifiers modifiers(decoder);
  const std::string name = modifiers.expect(comparisonNames());
  const uint16_t combined = combination(modifiers.takeOneOf({"and", "or", "xor"}));
  const bool ftz = modifiers.take("ftz");
  const ComparedType &type = comparedType(modifiers.expect(namesOf(comparedTypes)));
  modifiers.expectNone();
  const Decoded decoded = meaningOf(decoder, name, type, ftz);
  decodeSources(decoder, op, type, decoded, combined);
  const ptx::Operand &d = decoder.instruction().operands[0];
  const bool pair = d.kind == ptx::Operand::Pair;
  if (type.isPair && !pair)
    decoder.fail("expected p|q as the destination for " + std::string(type.name) + ", found one operand");
  op.kind = Class::Predicate;
  op.d = decoder.destination(pair ? d.elements[0] : d, Type::Pred);
  if (pair) {
    op.list = decoder.addList({decoder.destination(d.elements[1], Type::Pred)});
    op.flags |= hasSecond;
  }
  op.run = type.isPair        ? setPredicatesOfPairs
           : pair || combined ? setPredicates
                              : comparisons[decoded.index].setPredicate;
}

void decodeSet(Decoder &decoder, Op &op) {
  Modifiers modifiers(decoder);
  const std::string name = modifiers.expect(comparisonNames());
  const uint16_t combined = combination(modifiers.takeOneOf({"and", "or", "xor"}));
  const bool ftz = modifiers.take("ftz");
  const std::vector<std::string> &written = decoder.instruction().modifiers;
  const std::vector<std::string> sourceNames = namesOf(comparedTypes);
  if (std::find(sourceNames.begin(), sourceNames.end(), written.back()) == sourceNames.end())
    decoder.fail("expected a type that can be compared as the last modifier, found " + written.back());
  const ComparedType &type = comparedType(written.back());
  const std::vector<SetType> destinations = setTypesFor(type);
  const std::string destination = modifiers.expect(namesOf(destinations));
  modifiers.expect({type.name});
  modifiers.expectNone();
  const Decoded decoded = meaningOf(decoder, name, type, ftz);
  decodeSources(decoder, op, type, decoded, combined);
  const SetType &set = *std::find_if(destinations.begin(), destinations.end(),
                                     [&](const SetType &candidate) { return destination == candidate.name; });
  op.kind = Class::Integer;
  op.run = set.handler;
  op.d = decoder.destination(decoder.instruction().operands[0], set.type);
}

} // namespace

bool decodeCompare(Decoder &decoder, Op &op) {
  if (decoder.instruction().opcode == "setp")
    decodeSetp(decoder, op);
  else if (decoder.instruction().opcode == "set")
    decodeSet(decoder, op);
  else
    return false;
  return true;
}

} // namespace treadle::sim::arith
