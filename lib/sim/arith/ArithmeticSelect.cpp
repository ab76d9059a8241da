// Choices between two values (selp, slct), and testp.
#include "ArithFloat.h"
#include "Arithmetic.h"

namespace treadle::sim::arith {

namespace {

using ptx::Type;

template <class T> void select(Warp &w, const Op &op, Mask active) {
  const T *a = w.source<T>(op.a);
  const T *b = w.source<T>(op.b);
  const Mask chosen = w.predicateValue(op.c) ^ (op.flags ? allLanes : 0);
  T *d = w.lanes<T>(op.d);
  if (active == allLanes) {
    TREADLE_FOR_LANES d[i] = choose(chosen, i, a[i], b[i]);
    return;
  }
  alignas(64) T values[warpSize];
  TREADLE_FOR_LANES values[i] = choose(chosen, i, a[i], b[i]);
  blend(d, values, active);
}

template <class T> T chooseByInteger(T a, T b, int32_t c) { return c >= 0 ? a : b; }
template <class T> T chooseByFloat(T a, T b, float c) { return c >= 0 ? a : b; }
template <class T> T chooseByFlushed(T a, T b, float c) { return flush(c) >= 0 ? a : b; }

// The same with immediates of the type's own.
Form typed(Form form, Type type) {
  form.d = form.source[0] = form.source[1] = type;
  return form;
}

template <class T> void addWidth(Opcodes &o, const std::vector<std::pair<std::string, Type>> &types) {
  for (const auto &[name, type] : types) {
    o["selp"].add(name, {select<T>, type, 3, {type, type, Type::Pred}}, Class::Move);
    {
      o["slct"].add(name + ".s32", typed(form<chooseByInteger<T>>(), type), Class::Move);
      o["slct"].add(name + ".f32", typed(form<chooseByFloat<T>>(), type), Class::Move);
      o["slct"].add("ftz." + name + ".f32", typed(form<chooseByFlushed<T>>(), type), Class::Move);
    }
  }
}

struct Finite {
  template <class T> static bool holds(T a) { return std::isfinite(a); }
};
struct Infinite {
  template <class T> static bool holds(T a) { return std::isinf(a); }
};
struct Number {
  template <class T> static bool holds(T a) { return !std::isnan(a); }
};
struct NotANumber {
  template <class T> static bool holds(T a) { return std::isnan(a); }
};
// Zero counts as normal.
struct Normal {
  template <class T> static bool holds(T a) { return std::isnormal(a) || a == 0; }
};
struct Subnormal {
  template <class T> static bool holds(T a) { return std::fabs(a) < std::numeric_limits<T>::min() && a != 0; }
};

template <class Test, class T> void test(Warp &w, const Op &op, Mask active) {
  const T *a = w.source<T>(op.a);
  Mask holds = 0;
  TREADLE_FOR_LANES holds |= Mask(Test::holds(a[i])) << i;
  Mask &d = w.predicate(op.d);
  d = (d & ~active) | (holds & active);
}
template <class Test> void addTest(Opcodes &o, const std::string &name) {
  o["testp"].add(name + ".f32", {test<Test, float>, Type::Pred, 1, {Type::F32}}, Class::Predicate);
  o["testp"].add(name + ".f64", {test<Test, double>, Type::Pred, 1, {Type::F64}}, Class::Predicate);
}

} // namespace

void addSelections(Opcodes &o) {
  addWidth<uint16_t>(o, {{"b16", Type::B16}, {"u16", Type::U16}, {"s16", Type::S16}});
  addWidth<uint32_t>(o, {{"b32", Type::B32}, {"u32", Type::U32}, {"s32", Type::S32}, {"f32", Type::F32}});
  addWidth<uint64_t>(o, {{"b64", Type::B64}, {"u64", Type::U64}, {"s64", Type::S64}, {"f64", Type::F64}});
  addTest<Finite>(o, "finite");
  addTest<Infinite>(o, "infinite");
  addTest<Number>(o, "number");
  addTest<NotANumber>(o, "notanumber");
  addTest<Normal>(o, "normal");
  addTest<Subnormal>(o, "subnormal");
}

} // namespace treadle::sim::arith
