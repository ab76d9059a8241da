// f16 and bf16, alone and in pairs: computed wider, exactly enough to be rounded once.
#include "ArithFloat.h"
#include "Arithmetic.h"

namespace treadle::sim::arith {

namespace {

constexpr unsigned none = 0, ftz = 1, sat = 2, relu = 4;

template <unsigned modifiers, class T> T operand(T a) { return modifiers & ftz ? flush(a) : a; }

template <unsigned modifiers, class T> T finish(T value) {
  if (modifiers & sat)
    return fromFloat<T>(saturateUnit(toFloat(value)));
  if (modifiers & relu)
    return isNan(value) || !isNegative(value) ? value : T{0};
  return value;
}
// Rounds what is exact, or nearly so.
template <unsigned modifiers, class T> T round(double precise) {
  T value = fromDouble<T>(precise, Rounding::Nearest);
  if (modifiers & ftz)
    value = flushTiny(value, precise);
  return finish<modifiers>(value);
}

// float has more than twice the bits, so rounding twice is rounding once; and sums are never subnormal and inexact.
template <class Operation, unsigned modifiers, class T> T sum(T a, T b) {
  const T value = fromFloat<T>(Operation::of(toFloat(operand<modifiers>(a)), toFloat(operand<modifiers>(b))));
  return finish<modifiers>(operand<modifiers>(value));
}
// But products of bfloats may be too small for a float.
template <unsigned modifiers, class T> T product(T a, T b) {
  return round<modifiers, T>(toDouble(operand<modifiers>(a)) * toDouble(operand<modifiers>(b)));
}
template <unsigned modifiers, class T> T fused(T a, T b, T c) {
  return round<modifiers, T>(FusedMultiplyAdd::precise(toDouble(operand<modifiers>(a)), toDouble(operand<modifiers>(b)),
                                                       toDouble(operand<modifiers>(c))));
}

template <unsigned modifiers, class T> T flushedMagnitude(T a) { return magnitude(operand<modifiers>(a)); }
template <unsigned modifiers, class T> T flushedOpposite(T a) { return opposite(operand<modifiers>(a)); }

template <Extreme which, bool nan, bool xorsign, unsigned modifiers, class T> T halfExtreme(T a, T b) {
  const T x = operand<modifiers>(a);
  const T y = operand<modifiers>(b);
  return fromFloat<T>(extreme<which, nan, xorsign, false>(toFloat(x), toFloat(y)));
}

struct Adder {
  Opcodes &opcodes;
  std::string type;
  template <auto f> void add(const char *opcode, const std::string &modifiers) const {
    opcodes[opcode].add(modifiers + type, form<f>(), Class::Float);
    opcodes[opcode].add(modifiers + type + "x2", pairForm<f>(), Class::Float);
  }
};

template <unsigned modifiers, class T> void addArithmetic(const Adder &o, const std::string &names) {
  for (const char *rounding : {"", "rn."}) {
    o.add<sum<Add, modifiers, T>>("add", rounding + names);
    o.add<sum<Subtract, modifiers, T>>("sub", rounding + names);
    o.add<product<modifiers, T>>("mul", rounding + names);
  }
  o.add<fused<modifiers, T>>("fma", "rn." + names);
}

template <Extreme which, unsigned modifiers, class T>
void addExtremes(const Adder &o, const char *opcode, const std::string &names) {
  o.add<halfExtreme<which, false, false, modifiers, T>>(opcode, names);
  o.add<halfExtreme<which, true, false, modifiers, T>>(opcode, names + "NaN.");
  o.add<halfExtreme<which, false, true, modifiers, T>>(opcode, names + "xorsign.abs.");
  o.add<halfExtreme<which, true, true, modifiers, T>>(opcode, names + "NaN.xorsign.abs.");
}

template <unsigned modifiers, class T> void addCommon(const Adder &o, const std::string &names) {
  o.add<fused<modifiers | relu, T>>("fma", "rn." + names + "relu.");
  addExtremes<Extreme::Minimum, modifiers, T>(o, "min", names);
  addExtremes<Extreme::Maximum, modifiers, T>(o, "max", names);
  o.add<flushedMagnitude<modifiers, T>>("abs", names);
  o.add<flushedOpposite<modifiers, T>>("neg", names);
}

} // namespace

void addHalves(Opcodes &opcodes) {
  const Adder half{opcodes, "f16"};
  addArithmetic<none, Half>(half, "");
  addArithmetic<ftz, Half>(half, "ftz.");
  addArithmetic<sat, Half>(half, "sat.");
  addArithmetic<ftz | sat, Half>(half, "ftz.sat.");
  addCommon<none, Half>(half, "");
  addCommon<ftz, Half>(half, "ftz.");
  const Adder bfloat{opcodes, "bf16"};
  addArithmetic<none, BFloat>(bfloat, "");
  addCommon<none, BFloat>(bfloat, "");
}

} // namespace treadle::sim::arith
