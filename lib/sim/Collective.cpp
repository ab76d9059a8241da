// Instructions with which the lanes of a warp exchange registers.
#include "Collective.h"

#include "arith/Arithmetic.h"

#include <algorithm>

namespace treadle::sim {

using arith::blend;
using arith::Modifiers;

void expectAllLanes(Warp &warp, const Op &op, Mask active) {
  if (active != 0 && active != allLanes)
    reportInvalid(warp, op, __builtin_ctz(active),
                  "is executed by " + std::to_string(__builtin_popcount(active)) + " of the 32 lanes of its warp");
}

namespace {

// What a lane gets that reads a lane which does not take part.
constexpr uint32_t poison = 0xdeadbeef;

void writePredicate(Warp &warp, Slot slot, Mask active, Mask value) {
  Mask &p = warp.predicate(slot);
  p = (p & ~active) | (value & active);
}

void writeLanes(Warp &warp, Slot slot, Mask active, uint32_t value) {
  uint32_t values[warpSize];
  std::fill(std::begin(values), std::end(values), value);
  blend(warp.lanes<uint32_t>(slot), values, active);
}

enum class Shuffle { Up, Down, Butterfly, Index };

template <Shuffle mode> void shuffle(Warp &warp, const Op &op, Mask active) {
  const uint32_t *a = warp.source<uint32_t>(op.a);
  const uint32_t *b = warp.source<uint32_t>(op.b);
  const uint32_t *c = warp.source<uint32_t>(op.c);
  alignas(64) int32_t from[warpSize];
  alignas(64) int32_t inRange[warpSize];
  alignas(64) uint32_t values[warpSize];
  for (int lane = 0; lane < warpSize; ++lane) {
    int offset = b[lane] & 31;
    int segment = c[lane] >> 8 & 31; // the bits of a lane's number that stay
    int first = lane & segment;
    int bound = first | (c[lane] & 31 & ~segment);
    int j = mode == Shuffle::Up          ? lane - offset
            : mode == Shuffle::Down      ? lane + offset
            : mode == Shuffle::Butterfly ? lane ^ offset
                                         : first | (offset & ~segment);
    inRange[lane] = mode == Shuffle::Up ? j >= bound : j <= bound;
    from[lane] = inRange[lane] ? j : lane;
  }
  for (int lane = 0; lane < warpSize; ++lane)
    values[lane] = a[from[lane]];

  uint32_t *d = warp.lanes<uint32_t>(op.d);
  if (active == allLanes) {
    memcpy(d, values, sizeof values);
  } else { // what does not take part has no value to give
    bool reported = false;
    forEachLane(active, [&](int lane) {
      bool absent = (active >> from[lane] & 1) == 0;
      if (absent && !reported)
        reportInvalid(warp, op, lane,
                      "shuffles from lane " + std::to_string(from[lane]) + ", which does not take part");
      reported |= absent;
      d[lane] = absent ? poison : values[lane];
    });
  }
  if (op.count != 0) {
    Mask p = 0;
    for (int lane = 0; lane < warpSize; ++lane)
      p |= Mask(inRange[lane]) << lane;
    writePredicate(warp, warp.lists[op.list], active, p);
  }
}

enum class Vote { All, Any, Uniform, Ballot };

template <Vote mode> void vote(Warp &warp, const Op &op, Mask active) {
  Mask votes = (warp.predicateValue(op.a) ^ (op.flags != 0 ? allLanes : 0)) & active;
  if (mode == Vote::Ballot)
    return writeLanes(warp, op.d, active, votes);
  bool all = votes == active, any = votes != 0;
  bool result = mode == Vote::All ? all : mode == Vote::Any ? any : all || !any;
  writePredicate(warp, op.d, active, result ? allLanes : 0);
}

// Which of `lanes` hold what `lane` holds.
template <class T> Mask equalTo(const T *a, int lane, Mask lanes) {
  Mask equal = 0;
  forEachLane(lanes, [&](int other) { equal |= Mask(a[other] == a[lane]) << other; });
  return equal;
}

template <class T> void matchAny(Warp &warp, const Op &op, Mask active) {
  alignas(64) T a[warpSize]; // d may be a
  memcpy(a, warp.source<T>(op.a), sizeof a);
  for (Mask rest = active; rest;) {
    Mask equal = equalTo(a, __builtin_ctz(rest), rest);
    writeLanes(warp, op.d, equal, equal);
    rest &= ~equal;
  }
}

template <class T> void matchAll(Warp &warp, const Op &op, Mask active) {
  bool all = active != 0 && equalTo(warp.source<T>(op.a), __builtin_ctz(active), active) == active;
  writeLanes(warp, op.d, active, all ? active : 0);
  if (op.count != 0)
    writePredicate(warp, warp.lists[op.list], active, all ? allLanes : 0);
}

enum class Reduce { Add, Min, Max, And, Or, Xor };

template <Reduce mode, class T> void reduce(Warp &warp, const Op &op, Mask active) {
  if (active == 0)
    return;
  const T *a = warp.source<T>(op.a);
  T result = a[__builtin_ctz(active)];
  forEachLane(active & (active - 1), [&](int lane) {
    result = mode == Reduce::Add   ? T(uint32_t(result) + uint32_t(a[lane]))
             : mode == Reduce::Min ? std::min(result, a[lane])
             : mode == Reduce::Max ? std::max(result, a[lane])
             : mode == Reduce::And ? result & a[lane]
             : mode == Reduce::Or  ? result | a[lane]
                                   : result ^ a[lane];
  });
  writeLanes(warp, op.d, active, result);
}

void activeMask(Warp &warp, const Op &op, Mask active) { writeLanes(warp, op.d, active, active); }

// The leader is the lowest lane.
void elect(Warp &warp, const Op &op, Mask active) {
  if (active == 0)
    return;
  writeLanes(warp, op.d, active, __builtin_ctz(active));
  writePredicate(warp, warp.lists[op.list], active, active & -active);
}

// Lane 4 * i + j holds elements 2 * j and 2 * j + 1 of row i.
void transpose8x8(Warp &warp, const Op &op, Mask active) {
  expectAllLanes(warp, op, active);
  const uint16_t *a = warp.source<uint16_t>(op.a);
  uint16_t transposed[8][8];
  for (int i = 0; i < 8; ++i)
    for (int j = 0; j < 8; ++j)
      transposed[j][i] = a[i * 8 + j];
  uint32_t words[warpSize];
  memcpy(words, transposed, sizeof words);
  blend(warp.lanes<uint32_t>(op.d), words, active);
}

// Which of these the next modifier is.
size_t choose(Modifiers &modifiers, const std::vector<std::string> &names) {
  return std::find(names.begin(), names.end(), modifiers.expect(names)) - names.begin();
}

// d or d|p: p is a further slot.
void decodeResults(Decoder &decoder, Op &op, bool mayHavePredicate) {
  const ptx::Operand &results = decoder.instruction().operands[0];
  if (results.kind != ptx::Operand::Pair) {
    op.d = decoder.destination(results, ptx::Type::B32);
    return;
  }
  if (!mayHavePredicate)
    decoder.fail("expected one result, found a pair");
  op.d = decoder.destination(results.elements[0], ptx::Type::B32);
  op.list = decoder.addList({decoder.destination(results.elements[1], ptx::Type::Pred)});
  op.count = 1;
}

void decodeMembers(Decoder &decoder, Op &op) {
  op.control = Control::Collective;
  op.members = decoder.source(decoder.instruction().operands.back(), ptx::Type::U32);
}

void decodeShuffle(Decoder &decoder, Op &op) {
  static constexpr Handler handlers[] = {shuffle<Shuffle::Up>, shuffle<Shuffle::Down>, shuffle<Shuffle::Butterfly>,
                                         shuffle<Shuffle::Index>};
  Modifiers modifiers(decoder);
  modifiers.expect({"sync"});
  op.run = handlers[choose(modifiers, {"up", "down", "bfly", "idx"})];
  modifiers.expect({"b32"});
  modifiers.expectNone();
  decoder.expectOperands(5);
  const std::vector<ptx::Operand> &operands = decoder.instruction().operands;
  decodeResults(decoder, op, /*mayHavePredicate=*/true);
  op.a = decoder.source(operands[1], ptx::Type::B32);
  op.b = decoder.source(operands[2], ptx::Type::B32);
  op.c = decoder.source(operands[3], ptx::Type::B32);
  decodeMembers(decoder, op);
}

void decodeVote(Decoder &decoder, Op &op) {
  static constexpr Handler handlers[] = {vote<Vote::All>, vote<Vote::Any>, vote<Vote::Uniform>, vote<Vote::Ballot>};
  Modifiers modifiers(decoder);
  modifiers.expect({"sync"});
  size_t mode = choose(modifiers, {"all", "any", "uni", "ballot"});
  bool ballot = mode == size_t(Vote::Ballot);
  modifiers.expect({ballot ? "b32" : "pred"});
  modifiers.expectNone();
  decoder.expectOperands(3);
  const std::vector<ptx::Operand> &operands = decoder.instruction().operands;
  op.run = handlers[mode];
  op.d = decoder.destination(operands[0], ballot ? ptx::Type::B32 : ptx::Type::Pred);
  bool negated = false;
  op.a = decoder.predicate(operands[1], &negated);
  op.flags = negated;
  decodeMembers(decoder, op);
}

void decodeMatch(Decoder &decoder, Op &op) {
  static constexpr Handler handlers[2][2] = {{matchAny<uint32_t>, matchAny<uint64_t>},
                                             {matchAll<uint32_t>, matchAll<uint64_t>}};
  Modifiers modifiers(decoder);
  size_t all = choose(modifiers, {"any", "all"});
  modifiers.expect({"sync"});
  size_t wide = choose(modifiers, {"b32", "b64"});
  modifiers.expectNone();
  decoder.expectOperands(3);
  op.run = handlers[all][wide];
  decodeResults(decoder, op, /*mayHavePredicate=*/all != 0);
  op.a = decoder.source(decoder.instruction().operands[1], wide != 0 ? ptx::Type::B64 : ptx::Type::B32);
  decodeMembers(decoder, op);
}

void decodeReduce(Decoder &decoder, Op &op) {
  static constexpr Handler arithmetic[3][2] = {
      {reduce<Reduce::Add, uint32_t>, reduce<Reduce::Add, int32_t>},
      {reduce<Reduce::Min, uint32_t>, reduce<Reduce::Min, int32_t>},
      {reduce<Reduce::Max, uint32_t>, reduce<Reduce::Max, int32_t>},
  };
  static constexpr Handler bitwise[] = {reduce<Reduce::And, uint32_t>, reduce<Reduce::Or, uint32_t>,
                                        reduce<Reduce::Xor, uint32_t>};
  Modifiers modifiers(decoder);
  modifiers.expect({"sync"});
  size_t mode = choose(modifiers, {"add", "min", "max", "and", "or", "xor"});
  if (mode < 3) {
    op.run = arithmetic[mode][choose(modifiers, {"u32", "s32"})];
  } else {
    modifiers.expect({"b32"});
    op.run = bitwise[mode - 3];
  }
  modifiers.expectNone();
  decoder.expectOperands(3);
  op.d = decoder.destination(decoder.instruction().operands[0], ptx::Type::B32);
  op.a = decoder.source(decoder.instruction().operands[1], ptx::Type::B32);
  decodeMembers(decoder, op);
}

void decodeActiveMask(Decoder &decoder, Op &op) {
  Modifiers modifiers(decoder);
  modifiers.expect({"b32"});
  modifiers.expectNone();
  decoder.expectOperands(1);
  op.run = activeMask;
  op.d = decoder.destination(decoder.instruction().operands[0], ptx::Type::B32);
}

void decodeElect(Decoder &decoder, Op &op) {
  Modifiers modifiers(decoder);
  modifiers.expect({"sync"});
  modifiers.expectNone();
  decoder.expectOperands(2);
  if (decoder.instruction().operands[0].kind != ptx::Operand::Pair)
    decoder.fail("expected a pair of results, d|p");
  op.run = elect;
  decodeResults(decoder, op, /*mayHavePredicate=*/true);
  decodeMembers(decoder, op);
}

void decodeTranspose(Decoder &decoder, Op &op) {
  Modifiers modifiers(decoder);
  for (const char *name : {"sync", "aligned", "m8n8", "trans", "b16"})
    modifiers.expect({name});
  modifiers.expectNone();
  decoder.expectOperands(2);
  op.run = transpose8x8;
  op.control = Control::Aligned;
  op.d = decoder.destination(decoder.instruction().operands[0], ptx::Type::B32);
  op.a = decoder.source(decoder.instruction().operands[1], ptx::Type::B32);
}

struct Family {
  const char *opcode;
  void (*decode)(Decoder &, Op &);
};
constexpr Family families[] = {
    {"shfl", decodeShuffle},          {"vote", decodeVote},   {"match", decodeMatch},         {"redux", decodeReduce},
    {"activemask", decodeActiveMask}, {"elect", decodeElect}, {"movmatrix", decodeTranspose},
};

} // namespace

bool decodeCollective(Decoder &decoder, Op &op) {
  if (decodeMma(decoder, op))
    return true;
  for (const Family &family : families)
    if (decoder.instruction().opcode == family.opcode) {
      op.kind = Class::Warp;
      family.decode(decoder, op);
      return true;
    }
  return false;
}

} // namespace treadle::sim
