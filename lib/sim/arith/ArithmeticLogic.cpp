// and, or, xor and not, of bits and of predicates; lop3.
#include "Arith.h"
#include "Arithmetic.h"

namespace treadle::sim::arith {

namespace {

using ptx::Type;

Mask predicateSource(const Warp &w, const Op &op, Slot slot, unsigned n) {
  return w.predicateValue(slot) ^ (op.flags >> n & 1 ? allLanes : 0);
}

template <auto f> void combinePredicates(Warp &w, const Op &op, Mask active) {
  const Mask value = f(predicateSource(w, op, op.a, 0), predicateSource(w, op, op.b, 1));
  Mask &d = w.predicate(op.d);
  d = (d & ~active) | (value & active);
}
void invertPredicate(Warp &w, const Op &op, Mask active) {
  const Mask value = ~predicateSource(w, op, op.a, 0);
  Mask &d = w.predicate(op.d);
  d = (d & ~active) | (value & active);
}

template <class T> void addWidth(Opcodes &o, const char *type) {
  o["and"].add(type, form<bitAnd<T>>(), Class::Integer);
  o["or"].add(type, form<bitOr<T>>(), Class::Integer);
  o["xor"].add(type, form<bitXor<T>>(), Class::Integer);
  o["not"].add(type, form<bitNot<T>>(), Class::Integer);
}

// Op::imm: the table.
uint32_t lookup(const Op &op, uint32_t a, uint32_t b, uint32_t c) { return lookup3(uint32_t(op.imm), a, b, c); }

// d|p: p = (d != 0) and/or q. Op::list: p, q. Op::flags: 1 and, 2 or; 4: q is negated.
void lookupTested(Warp &w, const Op &op, Mask active) {
  const uint32_t *a = w.source<uint32_t>(op.a);
  const uint32_t *b = w.source<uint32_t>(op.b);
  const uint32_t *c = w.source<uint32_t>(op.c);
  alignas(64) uint32_t values[warpSize];
  const auto table = uint32_t(op.imm);
  Mask nonZero = 0;
  TREADLE_FOR_LANES {
    values[i] = lookup3(table, a[i], b[i], c[i]);
    nonZero |= Mask(values[i] != 0) << i;
  }
  const Mask q = w.predicateValue(w.lists[op.list + 1]) ^ (op.flags & 4 ? allLanes : 0);
  const Mask tested = op.flags & 1 ? nonZero & q : nonZero | q;
  blend(w.lanes<uint32_t>(op.d), values, active);
  Mask &p = w.predicate(w.lists[op.list]);
  p = (p & ~active) | (tested & active);
}

} // namespace

void addLogic(Opcodes &o) {
  addWidth<uint16_t>(o, "b16");
  addWidth<uint32_t>(o, "b32");
  addWidth<uint64_t>(o, "b64");
  const auto add = [&](const char *opcode, Handler handler, unsigned sources) {
    o[opcode].add("pred", {handler, Type::Pred, sources, {Type::Pred, Type::Pred}}, Class::Predicate);
  };
  add("and", combinePredicates<bitAnd<Mask>>, 2);
  add("or", combinePredicates<bitOr<Mask>>, 2);
  add("xor", combinePredicates<bitXor<Mask>>, 2);
  add("not", invertPredicate, 1);
}

bool decodeLookup(Decoder &decoder, Op &op) {
  if (decoder.instruction().opcode != "lop3")
    return false;
  Modifiers modifiers(decoder);
  const std::string test = modifiers.takeOneOf({"and", "or"});
  modifiers.expect({"b32"});
  modifiers.expectNone();
  decoder.expectOperands(test.empty() ? 5 : 6);
  const std::vector<ptx::Operand> &operands = decoder.instruction().operands;
  if (operands[4].kind != ptx::Operand::Integer || operands[4].bits > 255)
    decoder.fail("expected a table from 0 to 255 as the fifth operand, found another");
  op.imm = int64_t(operands[4].bits);
  op.kind = Class::Integer;
  op.run = form<lookup>().run;
  const ptx::Operand *d = operands.data();
  if (!test.empty()) {
    if (d->kind != ptx::Operand::Pair)
      decoder.fail("expected d|p as the destination with ." + test + ", found one operand");
    bool negated = false;
    const Slot p = decoder.destination(d->elements[1], Type::Pred);
    const Slot q = decoder.predicate(operands[5], &negated);
    op.list = decoder.addList({p, q});
    op.flags = uint16_t((test == "and" ? 1 : 2) | (negated ? 4 : 0));
    op.run = lookupTested;
    d = d->elements.data();
  }
  op.d = decoder.destination(*d, Type::B32);
  op.a = decoder.source(operands[1], Type::B32);
  op.b = decoder.source(operands[2], Type::B32);
  op.c = decoder.source(operands[3], Type::B32);
  return true;
}

} // namespace treadle::sim::arith
