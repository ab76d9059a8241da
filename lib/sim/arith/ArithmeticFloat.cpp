// f32 and f64: the operations that are rounded, min, max, and those on the sign.
#include "ArithFloat.h"
#include "Arithmetic.h"

namespace treadle::sim::arith {

namespace {

template <class Operation, bool ftz, bool sat, class T, class... A> Form nearestForm() {
  return form<nearest<Operation, ftz, sat, T, A...>>();
}

// .rn .rz .rm .rp (and none, if that means .rn) with .ftz and, where `saturates`, .sat.
template <class Operation, class T, class... A>
void addRounded(Opcodes &o, const char *opcode, bool bare, bool saturates, Class kind) {
  constexpr bool isSingle = sizeof(T) == 4;
  const std::string type = isSingle ? "f32" : "f64";
  const char *const names[] = {"rn.", "rz.", "rm.", "rp."};
  for (unsigned modifiers = 0; modifiers < (isSingle ? saturates ? 4 : 2 : 1); ++modifiers) {
    const bool ftz = (modifiers & 1) != 0;
    const bool sat = (modifiers & 2) != 0;
    const std::string rest = std::string(ftz ? "ftz." : "") + (sat ? "sat." : "") + type;
    Form nearest = nearestForm<Operation, false, false, T, A...>();
    if constexpr (isSingle) {
      if (sat)
        nearest = ftz ? nearestForm<Operation, true, true, T, A...>() : nearestForm<Operation, false, true, T, A...>();
      else if (ftz)
        nearest = nearestForm<Operation, true, false, T, A...>();
    }
    if (bare)
      o[opcode].add(rest, nearest, kind);
    o[opcode].add("rn." + rest, nearest, kind);
    for (unsigned rounding = 1; rounding < 4; ++rounding)
      o[opcode].add(names[rounding] + rest, form<directed<Operation, T, A...>>(), kind,
                    uint16_t(rounding | (ftz ? flagFlush : 0) | (sat ? flagSaturate : 0)));
  }
}

template <Extreme which> void addExtremes(Opcodes &o, const char *opcode) {
  const auto add = [&](const char *modifiers, const Form &form) { o[opcode].add(modifiers, form, Class::Float); };
  add("f32", form<extreme<which, false, false, false, float>>());
  add("ftz.f32", form<extreme<which, false, false, true, float>>());
  add("NaN.f32", form<extreme<which, true, false, false, float>>());
  add("ftz.NaN.f32", form<extreme<which, true, false, true, float>>());
  add("xorsign.abs.f32", form<extreme<which, false, true, false, float>>());
  add("ftz.xorsign.abs.f32", form<extreme<which, false, true, true, float>>());
  add("NaN.xorsign.abs.f32", form<extreme<which, true, true, false, float>>());
  add("ftz.NaN.xorsign.abs.f32", form<extreme<which, true, true, true, float>>());
  add("f64", form<extreme<which, false, false, false, double>>());
}

template <class T> T flushedMagnitude(T a) { return magnitude(flush(a)); }
template <class T> T flushedOpposite(T a) { return opposite(flush(a)); }

} // namespace

void addFloats(Opcodes &o) {
  addRounded<Add, float, float>(o, "add", true, true, Class::Float);
  addRounded<Add, double, double>(o, "add", true, false, Class::Float);
  addRounded<Subtract, float, float>(o, "sub", true, true, Class::Float);
  addRounded<Subtract, double, double>(o, "sub", true, false, Class::Float);
  addRounded<Multiply, float, float>(o, "mul", true, true, Class::Float);
  addRounded<Multiply, double, double>(o, "mul", true, false, Class::Float);
  for (const char *opcode : {"fma", "mad"}) {
    addRounded<FusedMultiplyAdd, float, float, float>(o, opcode, false, true, Class::Float);
    addRounded<FusedMultiplyAdd, double, double, double>(o, opcode, false, false, Class::Float);
  }
  addRounded<Divide, float, float>(o, "div", false, false, Class::Float);
  addRounded<Divide, double, double>(o, "div", false, false, Class::Float);
  addRounded<Reciprocal, float>(o, "rcp", false, false, Class::Special);
  addRounded<Reciprocal, double>(o, "rcp", false, false, Class::Special);
  addRounded<SquareRoot, float>(o, "sqrt", false, false, Class::Special);
  addRounded<SquareRoot, double>(o, "sqrt", false, false, Class::Special);
  addExtremes<Extreme::Minimum>(o, "min");
  addExtremes<Extreme::Maximum>(o, "max");
  const auto add = [&](const char *opcode, const char *modifiers, const Form &form) {
    o[opcode].add(modifiers, form, Class::Float);
  };
  add("abs", "f32", form<magnitude<float>>());
  add("abs", "ftz.f32", form<flushedMagnitude<float>>());
  add("abs", "f64", form<magnitude<double>>());
  add("neg", "f32", form<opposite<float>>());
  add("neg", "ftz.f32", form<flushedOpposite<float>>());
  add("neg", "f64", form<opposite<double>>());
  add("copysign", "f32", form<copySign<float>>());
  add("copysign", "f64", form<copySign<double>>());
}

} // namespace treadle::sim::arith
