//===-- LinearScan.cpp - sums of products in chunks ------------------------===//
//
// The state is held transposed, [value, key], so that it is an accumulator and a left operand in turn, and outputs are
// formed transposed as well.
//
//===----------------------------------------------------------------------===//

#include "Chunk.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace treadle;

/// How far the sum of log-decays may fall, and rise, in a part, from its first token on. For a vector of decays,
/// factors are then between e^-50 and e^50: products of three stay in the range of f32.
static constexpr double mostFall = 80, mostRise = 20, middle = -30;
/// How far a term of a running log-sum-exp may lie above what its sum is relative to, in logarithms.
static constexpr double mostTerm = 50;
/// A scalar log-decay below which e^g is 0 in f32. The sum of a chunk's is rounded to 5e-4, which 16-bit results bear.
static constexpr double scalarFall = -120;

//===-- gates --------------------------------------------------------------===//

Gate::Kind ChunkKernel::kindOf(const Decay &decay) {
  if (decay.isNone())
    return Gate::None;
  if (decay.telescope)
    return isa<RankedTensorType>(oldOf(*decay.telescope).getType()) ? Gate::Channel : Gate::Token;
  if (decay.channel)
    return Gate::Channel;
  return isMoving(decay.scalar) ? Gate::Token : Gate::Constant;
}

/// Whether a chunk may have to be worked on in parts. Scalars for 16-bit results do without: weights are formed from
/// differences of sums, in which only what rounding leaves of the largest matters.
bool ChunkKernel::needsParts(const Decay &decay) {
  return kindOf(decay) == Gate::Channel || (kindOf(decay) == Gate::Token && (decay.telescope || !isApproximate));
}

ChunkKernel::Weights ChunkKernel::weightsOf(const StateForm &how) {
  Gate::Kind kind = kindOf(how.decay);
  return kind == Gate::None      ? Weights::None
         : kind != Gate::Channel ? Weights::Differences
         : isSoftmax(how.decay)  ? Weights::Sums
                                 : Weights::Factors;
}

Gate *ChunkKernel::gateOf(Part &part, const StateForm &how) {
  return llvm::find_if(part.gates,
                       [&](const Gate &gate) { return gate.decay == how.decay && gate.reads == how.reads; });
}

/// A decay by the running log-sum-exp of a vector, which is worked with as the sum itself.
bool ChunkKernel::isSoftmax(const Decay &decay) {
  return decay.telescope && !decay.rises && form.states[*decay.telescope].kind == StateForm::LogAddExp &&
         kindOf(decay) == Gate::Channel;
}

/// The log-decay of every token, [rows] or [rows, channels].
FailureOr<Value> ChunkKernel::logDecay(Part &part, const Decay &decay) {
  FailureOr<Value> scalar = Value(), channel = Value();
  if ((decay.scalar && failed(scalar = lift(part, decay.scalar))) ||
      (decay.channel && failed(channel = lift(part, decay.channel))))
    return failure();
  if (!decay.channel)
    return scalar;
  Value g = *channel;
  if (decay.scalar)
    g = op<arith::AddFOp>(g, spread(builder, loc, *scalar, cast<RankedTensorType>(g.getType()).getShape()));
  if (moving().isPadded(decay.channel, 0))
    g = moving().fill(builder, loc, decay.channel, 0, g, builder.getF32FloatAttr(0));
  return g;
}

Value ChunkKernel::lastOf(Part &part, Value tile) { return at(op<arith::SubIOp>(part.to, index(1)), tile); }

/// Sums of log-decays from the part's first token on. `telescopes`: the running states that decays differ by, before
/// the part, in the order in which states name them.
LogicalResult ChunkKernel::openGates(Part &part, Phase phase, ValueRange telescopes) {
  part.gates.clear();
  part.scores.clear();
  part.products.clear();
  if (phase == OutputsOnly)
    return success();
  SmallVector<unsigned> known;
  for (const StateForm &how : form.states) {
    if (how.kind != StateForm::Linear || gateOf(part, how) != part.gates.end())
      continue;
    Gate gate;
    gate.decay = how.decay;
    gate.reads = how.reads;
    gate.kind = kindOf(how.decay);
    if (gate.kind >= Gate::Token) {
      if (isSoftmax(how.decay)) {
        // Relative to the larger of what there is before the part and its first token, the sum is at least 1.
        unsigned state = *how.decay.telescope;
        FailureOr<Value> x = lift(part, form.states[state].x);
        if (failed(x))
          return failure();
        gate.base = op<arith::MaximumFOp>(part.before[state], at(part.from, *x));
        gate.first = op<arith::SubFOp>(part.before[state], gate.base);
        gate.terms = op<arith::SubFOp>(*x, row(gate.base, rows));
        gate.out = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::UGT, gate.terms,
                                         constant(x->getType(), mostTerm));
      } else if (how.decay.telescope) {
        unsigned state = *how.decay.telescope;
        if (!llvm::is_contained(known, state))
          known.push_back(state);
        Value before = telescopes[llvm::find(known, state) - known.begin()];
        Value z = part.lifted.lookup(newOf(state));
        Value first = at(part.from, z);
        auto fall = [&](Value from, Value to) {
          return how.decay.rises ? op<arith::SubFOp>(to, from) : op<arith::SubFOp>(from, to);
        };
        gate.first = fall(before, first);
        Value isFirst = isPosition(arith::CmpIPredicate::eq, part.from);
        Value across = isa<RankedTensorType>(first.getType()) ? row(first, rows) : splat(first, z.getType());
        Value sums = fall(across, z);
        // Infinities have no difference.
        auto shape = cast<RankedTensorType>(z.getType()).getShape();
        gate.sums = select(spread(builder, loc, isFirst, shape), constant(z.getType(), 0), sums);
      } else if (part.isWhole) {
        FailureOr<Value> g = logDecay(part, how.decay);
        if (failed(g))
          return failure();
        Value bounded = op<arith::MaximumFOp>(*g, constant(g->getType(), scalarFall));
        gate.sums = runningSum(mask(part.valid, bounded, 0));
      } else {
        FailureOr<Value> g = logDecay(part, how.decay);
        if (failed(g))
          return failure();
        bool isBounded = how.reads != StateForm::Sum; // by what is read
        if (isBounded)
          gate.first = at(part.from, *g);
        auto after = isBounded ? arith::CmpIPredicate::sgt : arith::CmpIPredicate::sge;
        gate.sums = runningSum(mask(op<arith::AndIOp>(isPosition(after, part.from), part.valid), *g, 0));
      }
      if (how.reads != StateForm::New) {
        auto type = cast<RankedTensorType>(gate.sums.getType());
        Type row = type.getRank() == 1 ? type.getElementType() : Type(type.clone(type.getShape().drop_front()));
        gate.reading = shifted(gate.sums, constant(row, 0));
      }
      if (!gate.out && !part.isWhole)
        outOfBounds(gate, part);
    }
    part.gates.push_back(gate);
  }
  return success();
}

/// Which tokens' sums of log-decays are out of bounds. A NaN is, too.
void ChunkKernel::outOfBounds(Gate &gate, Part &part) {
  auto compare = [&](arith::CmpFPredicate predicate, double bound) -> Value {
    Value sums = gate.reads == StateForm::Sum ? gate.reading : gate.sums;
    return arith::CmpFOp::create(builder, loc, predicate, sums, constant(sums.getType(), bound));
  };
  gate.out =
      op<arith::OrIOp>(compare(arith::CmpFPredicate::ULT, -mostFall), compare(arith::CmpFPredicate::UGT, mostRise));
}

Value ChunkKernel::least(Value tile, unsigned axis) {
  auto type = cast<RankedTensorType>(tile.getType());
  Type i32 = builder.getI32Type();
  Type result = type.getRank() == 1 ? i32 : Type(RankedTensorType::get({type.getDimSize(1 - axis)}, i32));
  auto reduce = tile::ReduceOp::create(builder, loc, TypeRange{result}, ValueRange{tile}, axis);
  OpBuilder::InsertionGuard guard(builder);
  Block *block = builder.createBlock(&reduce.getCombine(), {}, {i32, i32}, {loc, loc});
  tile::YieldOp::create(builder, loc, op<arith::MinSIOp>(block->getArgument(0), block->getArgument(1)));
  return reduce.getResult(0);
}

/// Where a part that begins at `part.from` must end: before the first token after it that is out of bounds.
Value ChunkKernel::cut(Part &part, Value end) {
  Value last = arith::IndexCastOp::create(builder, loc, builder.getI32Type(), end);
  Value isAfter = isPosition(arith::CmpIPredicate::sgt, part.from);
  Value places = select(isAfter, op<arith::MinSIOp>(positions, splat(last, positions.getType())),
                        splat(last, positions.getType()));
  Value result = last;
  for (const Gate &gate : part.gates) {
    if (gate.kind < Gate::Token)
      continue;
    auto shape = cast<RankedTensorType>(gate.out.getType()).getShape();
    Value where = spread(builder, loc, places, shape);
    Value ends = select(gate.out, where, splat(last, where.getType()));
    while (isa<RankedTensorType>(ends.getType()))
      ends = least(ends, 0); // along time first, which lies in a thread's registers
    result = op<arith::MinSIOp>(result, ends);
  }
  return arith::IndexCastOp::create(builder, loc, builder.getIndexType(), result);
}

/// The weights, now that the part's range is known.
LogicalResult ChunkKernel::closeGates(Part &part) {
  Type f32 = builder.getF32Type();
  auto vector = RankedTensorType::get({rows}, f32);
  auto pairs = RankedTensorType::get({rows, rows}, f32);
  for (Gate &gate : part.gates) {
    if (gate.kind == Gate::None)
      continue;
    if (gate.kind == Gate::Constant) {
      FailureOr<Value> g = stillValue(gate.decay.scalar);
      if (failed(g))
        return failure();
      auto number = [&](Value i) -> Value {
        return arith::SIToFPOp::create(builder, loc, f32,
                                       arith::IndexCastOp::create(builder, loc, builder.getI32Type(), i));
      };
      Value n = number(op<arith::SubIOp>(part.to, part.from));
      Value place = arith::SIToFPOp::create(builder, loc, vector, positions);
      Value count = op<arith::SubFOp>(place, splat(number(op<arith::SubIOp>(part.from, index(1))), vector));
      count = op<arith::MaximumFOp>(op<arith::MinimumFOp>(count, splat(n, vector)), constant(vector, 0));
      Value without = op<arith::MaximumFOp>(op<arith::SubFOp>(count, constant(vector, 1)), constant(vector, 0));
      gate.start = power(*g, gate.reads == StateForm::New ? count : without);
      Value added = gate.reads == StateForm::Sum ? without : count;
      gate.toEnd = mask(part.valid, power(*g, op<arith::SubFOp>(splat(n, vector), added)), 0);
      gate.whole = power(*g, n);
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPoint(loop); // the same for all chunks
      place = arith::SIToFPOp::create(builder, loc, vector, positions);
      Value distance = op<arith::SubFOp>(column(place, rows), row(place, rows));
      if (gate.reads == StateForm::Old)
        distance = op<arith::SubFOp>(distance, constant(pairs, 1));
      gate.within = select(sees(gate.reads), power(*g, distance), constant(pairs, 0));
      continue;
    }
    if (gate.base) {
      Value terms = exp(mask(part.valid, gate.terms, -std::numeric_limits<double>::infinity()));
      Value before = exp(gate.first);
      Value sums = op<arith::AddFOp>(runningSum(terms), row(before, rows));
      Value all = lastRow(sums);
      gate.terms = terms;
      gate.toEnd = sums;
      gate.start = op<arith::DivFOp>(constant(sums.getType(), 1), sums);
      gate.whole = op<arith::DivFOp>(constant(all.getType(), 1), all);
      gate.enter = before;
      part.after[*gate.decay.telescope] = op<arith::AddFOp>(gate.base, log(all));
      continue;
    }
    Value total = lastOf(part, gate.sums);
    gate.change = gate.first ? op<arith::AddFOp>(total, gate.first) : total;
    if (gate.kind == Gate::Token) {
      Value start = gate.atRead();
      if (gate.first) {
        Value first = splat(gate.first, vector);
        if (gate.reads == StateForm::Old)
          first = mask(isPosition(arith::CmpIPredicate::ne, part.from), first, 0);
        start = op<arith::AddFOp>(start, first);
      }
      gate.start = exp(start);
      gate.toEnd = mask(part.valid, exp(op<arith::SubFOp>(splat(total, vector), gate.atWrite())), 0);
      gate.whole = exp(gate.change);
      Value gap = op<arith::SubFOp>(column(gate.atRead(), rows), row(gate.atWrite(), rows));
      gate.within = exp(select(sees(gate.reads), gap, constant(pairs, 0)));
      continue;
    }
    Type tile = gate.sums.getType();
    gate.start = exp(op<arith::SubFOp>(gate.atRead(), constant(tile, middle)));
    gate.toEnd = exp(op<arith::SubFOp>(constant(tile, middle), gate.atWrite()));
    Type channels = total.getType();
    gate.whole = exp(op<arith::SubFOp>(total, constant(channels, middle)));
    Value enter = constant(channels, middle);
    gate.enter = exp(gate.first ? op<arith::AddFOp>(gate.first, enter) : enter);
  }
  return success();
}

//===-- operands of products -----------------------------------------------===//

/// What products are of: the type of the results. A vector of decays takes factors out of the range of f16. Null: what
/// there is, of which a product takes parts.
Type ChunkKernel::productType(const StateForm &how, int64_t parts) {
  if (parts > 1)
    return Type();
  Type element = narrowestOutput(scan);
  if (element.isF16() && phase != OutputsOnly && kindOf(how.decay) == Gate::Channel)
    return builder.getF32Type();
  return element;
}

Value ChunkKernel::rounded(Value tile, Type element) {
  auto type = cast<RankedTensorType>(tile.getType());
  return !element || type.getElementType() == element
             ? tile
             : arith::TruncFOp::create(builder, loc, type.clone(element), tile).getResult();
}

Value ChunkKernel::dot(Value a, Value b, Value c, int64_t parts) {
  auto left = cast<RankedTensorType>(a.getType()), right = cast<RankedTensorType>(b.getType());
  if (!c)
    c = constant(RankedTensorType::get({left.getDimSize(0), right.getDimSize(1)}, builder.getF32Type()), 0);
  if (parts > 1) {
    // Small products first. A long sum of exact ones is by ordinary additions, where tensor cores truncate.
    SmallVector<Value> lefts = partsOf(a, parts), rights = partsOf(b, parts);
    Value sum = parts > 2 ? constant(c.getType(), 0) : c;
    for (int64_t order = parts; order-- > 0;)
      for (int64_t i = 0; i <= order; ++i)
        if (size_t(i) < lefts.size() && size_t(order - i) < rights.size())
          sum = tile::DotOp::create(builder, loc, c.getType(), lefts[i], rights[order - i], sum, tile::Precision::ieee);
    return parts > 2 ? op<arith::AddFOp>(c, sum) : sum;
  }
  bool isWide = left.getElementType().isF32() && !narrowestOutput(scan).isF32();
  auto precision = isWide ? tile::Precision::tf32 : tile::Precision::ieee;
  return tile::DotOp::create(builder, loc, c.getType(), a, b, c, precision);
}

/// bf16 tiles whose sum an operand is, largest first: to 8 bits each, exact if it was loaded with no more.
SmallVector<Value> ChunkKernel::partsOf(Value tile, int64_t count) {
  if (auto transpose = tile.getDefiningOp<tile::TransposeOp>()) {
    SmallVector<Value> parts = partsOf(transpose.getOperand(), count);
    for (Value &part : parts)
      part = transposed(part);
    return parts;
  }
  Type bf16 = builder.getBF16Type(), f32 = builder.getF32Type();
  auto type = cast<RankedTensorType>(tile.getType());
  if (type.getElementType() == bf16)
    return {tile};
  if (type.getElementType() != f32) {
    tile = arith::ExtFOp::create(builder, loc, type.clone(f32), tile);
    count = 2; // of f16's 11 bits
  }
  SmallVector<Value> parts;
  for (int64_t i = 0; i < count; ++i) {
    parts.push_back(rounded(tile, bf16));
    if (i + 1 < count)
      tile = op<arith::SubFOp>(tile, arith::ExtFOp::create(builder, loc, tile.getType(), parts.back()));
  }
  return parts;
}

/// A vector at all rows as an operand. Padding that is not loaded is 0; so are, if `masked`, rows outside the part.
FailureOr<Value> ChunkKernel::operand(Part &part, Value vector, Type element, bool masked) {
  if (Value stored = part.stored.lookup(vector);
      stored && (!element || cast<RankedTensorType>(stored.getType()).getElementType() == element))
    return masked && !part.isWhole ? mask(part.valid, stored, 0) : stored;
  return weighted(part, vector, {}, element, masked);
}

/// The same times weights, [rows, channels] or [rows].
FailureOr<Value> ChunkKernel::weighted(Part &part, Value vector, Value weights, Type element, bool masked) {
  FailureOr<Value> lifted = lift(part, vector);
  if (failed(lifted))
    return failure();
  Value tile = *lifted;
  if (weights)
    tile = op<arith::MulFOp>(tile, spread(builder, loc, weights, cast<RankedTensorType>(tile.getType()).getShape()));
  bool isLoaded = part.stored.lookup(vector) != Value();
  if (!isLoaded && moving().isPadded(vector, 0))
    tile = moving().fill(builder, loc, vector, 0, tile, builder.getF32FloatAttr(0));
  if (masked && !(isLoaded && part.isWhole))
    tile = mask(part.valid, tile, 0);
  return rounded(tile, element);
}

FailureOr<Value> ChunkKernel::query(Part &part, const StateForm &how, const Gate *gate, const Readout &what) {
  Type element = productType(how, what.parts);
  return gate->kind == Gate::Channel ? weighted(part, what.query, gate->start, element, false)
                                     : operand(part, what.query, element, false);
}

/// A key that is e^(x - z) times other factors, if it is, with z of a decay by z: times the sum it is e^(x - base).
FailureOr<Value> ChunkKernel::softmaxKey(Part &part, const StateForm &how, const Gate *gate) {
  SmallVector<Value> work{how.key}, others;
  Value x;
  while (!work.empty()) {
    Value factor = work.pop_back_val();
    auto power = factor.getDefiningOp<math::ExpOp>();
    auto gap = power ? power.getOperand().getDefiningOp<arith::SubFOp>() : arith::SubFOp();
    if (auto product = factor.getDefiningOp<arith::MulFOp>())
      work.append(product->operand_begin(), product->operand_end());
    else if (!x && gap && gap.getRhs() == newOf(*gate->decay.telescope))
      x = gap.getLhs();
    else
      others.push_back(factor);
  }
  if (!x)
    return Value();
  Value tile = gate->terms;
  if (x != form.states[*gate->decay.telescope].x) {
    FailureOr<Value> lifted = lift(part, x);
    if (failed(lifted))
      return failure();
    tile = exp(op<arith::SubFOp>(*lifted, row(gate->base, rows)));
  }
  for (Value other : others) {
    FailureOr<Value> lifted = lift(part, other);
    if (failed(lifted))
      return failure();
    tile = op<arith::MulFOp>(tile, *lifted);
  }
  if (moving().isPadded(how.key, 0))
    tile = moving().fill(builder, loc, how.key, 0, tile, builder.getF32FloatAttr(0));
  return mask(part.valid, tile, 0);
}

FailureOr<Value> ChunkKernel::key(Part &part, const StateForm &how, const Gate *gate, int64_t parts) {
  Type element = productType(how, parts);
  if (gate->base) {
    FailureOr<Value> tile = softmaxKey(part, how, gate);
    if (failed(tile))
      return failure();
    if (*tile)
      return rounded(*tile, element);
  }
  return gate->kind == Gate::Channel ? weighted(part, how.key, gate->toEnd, element, true)
                                     : operand(part, how.key, element, true);
}

/// Values as an operand. Keys are 0 outside the part, so these must be finite there, which what is loaded is.
FailureOr<Value> ChunkKernel::values(Part &part, const StateForm &how, Type element) {
  return operand(part, how.value, element, !part.stored.lookup(how.value));
}

namespace {
/// The vector of all products of two vectors' elements, times a number.
struct Outer {
  Value left, right;
  double scale = 1;
};
} // namespace

/// What is multiplied to the matrix that a vector is, if its factors run along one axis each.
static std::optional<Outer> outerOf(Value vector) {
  auto reshape = vector.getDefiningOp<tile::ReshapeOp>();
  if (!reshape || cast<RankedTensorType>(reshape.getOperand().getType()).getRank() != 2)
    return std::nullopt;
  Outer outer;
  SmallVector<Value> work{reshape.getOperand()};
  while (!work.empty()) {
    Value factor = work.pop_back_val();
    SplatElementsAttr number;
    if (auto product = factor.getDefiningOp<arith::MulFOp>()) {
      work.append({product.getLhs(), product.getRhs()});
      continue;
    }
    if (matchPattern(factor, m_Constant(&number))) {
      outer.scale *= number.getSplatValue<APFloat>().convertToFloat();
      continue;
    }
    auto broadcast = factor.getDefiningOp<tile::BroadcastOp>();
    auto expand = broadcast ? broadcast.getOperand().getDefiningOp<tile::ExpandDimsOp>() : tile::ExpandDimsOp();
    if (!expand)
      return std::nullopt;
    Value &side = expand.getAxis() == 1 ? outer.left : outer.right;
    if (side)
      return std::nullopt;
    side = expand.getOperand();
  }
  return outer.left && outer.right ? std::optional(outer) : std::nullopt;
}

/// The products of queries and keys, f32 [rows, rows]. Those of a ⊗ b and c ⊗ d are (a · c) (b · d).
FailureOr<Value> ChunkKernel::scalarProducts(Part &part, const StateForm &how, Value query, Value key, int64_t parts) {
  for (auto &[otherQuery, otherKey, otherParts, tile] : part.products)
    if (otherQuery == query && otherKey == key && otherParts == parts)
      return tile;
  Value tile;
  std::optional<Outer> a = outerOf(query), b = outerOf(key);
  if (a && b && a->left.getType() == b->left.getType() && a->right.getType() == b->right.getType()) {
    FailureOr<Value> left = scalarProducts(part, how, a->left, b->left, parts);
    FailureOr<Value> right = scalarProducts(part, how, a->right, b->right, parts);
    if (failed(left) || failed(right))
      return failure();
    tile = op<arith::MulFOp>(op<arith::MulFOp>(*left, *right), constant(left->getType(), a->scale * b->scale));
  } else {
    Type element = productType(how, parts);
    FailureOr<Value> q = operand(part, query, element, false), k = operand(part, key, element, true);
    if (failed(q) || failed(k))
      return failure();
    tile = dot(*q, transposed(*k), {}, parts);
  }
  part.products.push_back({query, key, parts, tile});
  return tile;
}

FailureOr<Value> ChunkKernel::channelScores(Part &part, const StateForm &how, const Gate *gate, const Readout &what) {
  FailureOr<Value> q = query(part, how, gate, what), k = key(part, how, gate, what.parts);
  if (failed(q) || failed(k))
    return failure();
  return dot(*q, transposed(*k), {}, what.parts);
}

/// The weighted products of queries and keys, or of what is read across and values, f32 [rows, rows], 0 where what the
/// key's token adds is not seen.
FailureOr<Value> ChunkKernel::scores(Part &part, const StateForm &how, const Gate *gate, const Readout &what) {
  bool isAcross = what.axis != how.axis;
  Value with = isAcross ? how.value : how.key;
  Value &known =
      part.scores[{what.query.getAsOpaquePointer(), with.getAsOpaquePointer(), gate, what.isStrict, what.parts}];
  if (known)
    return known;
  FailureOr<Value> product = gate->kind == Gate::Channel && !isAcross
                                 ? channelScores(part, how, gate, what)
                                 : scalarProducts(part, how, what.query, with, what.parts);
  if (failed(product))
    return failure();
  Value tile = *product;
  if (gate->within)
    tile = op<arith::MulFOp>(tile, gate->within);
  if (gate->kind != Gate::Constant || what.isStrict) // whose weights are 0 where there is nothing
    tile = select(sees(gate->reads, what.isStrict), tile, constant(tile.getType(), 0));
  return known = tile;
}

//===-- outputs and states -------------------------------------------------===//

/// The state before the part as its products need it.
FailureOr<Value> ChunkKernel::entering(Part &part, unsigned state, const Gate *gate) {
  Value before = part.before[state];
  if (gate->kind != Gate::Channel)
    return before;
  auto type = cast<RankedTensorType>(before.getType());
  Value factor = type.getRank() == 2 ? row(gate->enter, type.getDimSize(0)) : gate->enter;
  return op<arith::MulFOp>(before, factor);
}

/// A sum over the axis along which values run.
FailureOr<Value> ChunkKernel::acrossReadout(Part &part, unsigned state, const Readout &what) {
  const StateForm &how = form.states[state];
  const Gate *gate = gateOf(part, how);
  Type element = productType(how, what.parts);
  FailureOr<Value> p = scores(part, how, gate, what), q = operand(part, what.query, element, false);
  FailureOr<Value> before = entering(part, state, gate), k = key(part, how, gate, what.parts);
  if (failed(p) || failed(q) || failed(before) || failed(k))
    return failure();
  Value out = dot(*q, rounded(*before, element), {}, what.parts);
  auto shape = cast<RankedTensorType>(out.getType()).getShape();
  if (gate->kind == Gate::Constant || gate->kind == Gate::Token)
    out = op<arith::MulFOp>(out, spread(builder, loc, gate->start, shape));
  out = dot(rounded(*p, element), *k, out, what.parts);
  return gate->kind == Gate::Channel ? op<arith::MulFOp>(out, gate->start) : out;
}

FailureOr<Value> ChunkKernel::readout(Part &part, unsigned state, const Readout &what) {
  const StateForm &how = form.states[state];
  if (what.axis != how.axis)
    return acrossReadout(part, state, what);
  const Gate *gate = gateOf(part, how);
  Type element = productType(how, what.parts);
  FailureOr<Value> p = scores(part, how, gate, what), q = query(part, how, gate, what);
  FailureOr<Value> before = entering(part, state, gate);
  if (failed(p) || failed(q) || failed(before))
    return failure();
  bool isScaled = gate->kind == Gate::Constant || gate->kind == Gate::Token;
  if (!how.value) {
    FailureOr<Value> wide = gate->kind == Gate::Channel
                                ? weighted(part, what.query, gate->start, builder.getF32Type(), false)
                                : operand(part, what.query, builder.getF32Type(), false);
    if (failed(wide))
      return failure();
    Value old = sum(op<arith::MulFOp>(*wide, row(*before, rows)), 1);
    if (isScaled)
      old = op<arith::MulFOp>(old, gate->start);
    return op<arith::AddFOp>(sum(*p, 1), old);
  }
  FailureOr<Value> v = values(part, how, element);
  if (failed(v))
    return failure();
  Value out = dot(rounded(*before, element), transposed(*q), {}, what.parts);
  if (isScaled)
    out = op<arith::MulFOp>(out, row(gate->start, cast<RankedTensorType>(out.getType()).getDimSize(0)));
  out = dot(transposed(*v), transposed(rounded(*p, element)), out, what.parts);
  return transposed(out);
}

/// The state after the part.
FailureOr<Value> ChunkKernel::advance(Part &part, unsigned state) {
  const StateForm &how = form.states[state];
  const Gate *gate = gateOf(part, how);
  int64_t parts = how.parts();
  Type element = productType(how, parts), f32 = builder.getF32Type();
  FailureOr<Value> before = entering(part, state, gate);
  if (failed(before))
    return failure();
  bool isScaled = gate->kind == Gate::Constant || gate->kind == Gate::Token;
  Type type = before->getType();
  if (isScaled)
    *before = op<arith::MulFOp>(*before, splat(gate->whole, type));
  Value after;
  if (!how.value) {
    FailureOr<Value> k = gate->base ? softmaxKey(part, how, gate) : FailureOr<Value>(Value());
    if (succeeded(k) && !*k)
      k = gate->kind == Gate::None ? operand(part, how.key, f32, true)
                                   : weighted(part, how.key, gate->toEnd, f32, true);
    if (failed(k))
      return failure();
    after = op<arith::AddFOp>(*before, sum(*k, 0));
  } else {
    FailureOr<Value> k = key(part, how, gate, parts);
    FailureOr<Value> v = isScaled ? weighted(part, how.value, gate->toEnd, element, true) : values(part, how, element);
    if (failed(k) || failed(v))
      return failure();
    after = dot(transposed(*v), *k, *before, parts);
  }
  if (gate->kind == Gate::Channel) {
    auto shape = cast<RankedTensorType>(type);
    after = op<arith::MulFOp>(after, how.value ? row(gate->whole, shape.getDimSize(0)) : gate->whole);
  }
  return after;
}

/// A readout of the state after all tokens.
FailureOr<Value> ChunkKernel::ofFinal(Part &part, unsigned state, const Readout &what) {
  const StateForm &how = form.states[state];
  Value final = constants.lookup(newOf(state));
  if (!how.value) {
    FailureOr<Value> q = operand(part, what.query, builder.getF32Type(), false);
    if (failed(q))
      return failure();
    return sum(op<arith::MulFOp>(*q, row(final, rows)), 1);
  }
  Type element = productType(how, what.parts);
  FailureOr<Value> q = operand(part, what.query, element, false);
  if (failed(q))
    return failure();
  return what.axis == how.axis ? transposed(dot(rounded(final, element), transposed(*q), {}, what.parts))
                               : dot(*q, rounded(final, element), {}, what.parts);
}
