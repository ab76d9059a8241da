//===-- SplitAxes.cpp - axes that are made of parts ------------------------===//
//
// A value along an axis that `concat` makes, or that `part` takes a piece of, becomes one value for each part:
//
//     S: [1 + K, V] = S + concat(1, k) ⊗ v        S0: [V] = S0 + v        S1: [K, V] = S1 + k ⊗ v
//     q @ S                                       q0 S0 + q1 @ S1
//
// Cuts spread to all axes that run together, so inputs, states and outputs are taken apart as well. A part of size 1
// has no axis. So no kernel has to put tiles together, and states of different kinds get forms of their own.
//
//===----------------------------------------------------------------------===//

#include "Mixer.h"
#include "Sharing.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "treadle/Transforms/Passes.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/TypeSwitch.h"
#include <set>

namespace treadle {
#define GEN_PASS_DEF_SPLITAXES
#include "treadle/Transforms/Passes.h.inc"
} // namespace treadle

using namespace mlir;
using namespace treadle;

namespace {

/// Which part of each axis.
using Place = SmallVector<unsigned>;

class Splitter {
public:
  explicit Splitter(ScanOp scan) : scan(scan), builder(scan) {}
  LogicalResult run();

private:
  // Where axes are cut.
  void number(Value value);
  unsigned classOf(Value value, unsigned axis) const { return classes[first.lookup(value) + axis]; }
  bool addCuts(unsigned axisClass, int64_t shift, const std::set<int64_t> &cuts, int64_t size);
  void findCuts();
  LogicalResult checkCuts();
  /// The bounds of an axis' parts, from 0 to its size.
  SmallVector<int64_t> boundsOf(Value value, unsigned axis) const;
  bool isCut(Value value, unsigned axis) const { return cuts.count(classOf(value, axis)) != 0; }

  // Parts of values.
  template <typename Action> void forParts(Value value, Action action);
  unsigned partAt(Value value, unsigned axis, int64_t offset);
  unsigned flat(Value value, ArrayRef<unsigned> place);
  SmallVector<int64_t> shapeAt(Value value, ArrayRef<unsigned> place);
  Type typeAt(Value value, ArrayRef<unsigned> place);
  /// The axis of a part, where it has one: those of size 1 are left out.
  std::optional<unsigned> axisAt(Value value, ArrayRef<unsigned> place, unsigned axis);
  Value get(Value value, ArrayRef<unsigned> place);
  void set(Value value, ArrayRef<unsigned> place, Value part);
  Value fit(Value value, Type type);

  // The new scan.
  void write(Operation *op);
  void writeElementwise(Operation *op);
  void writeReduce(tile::ReduceOp reduce);
  SmallVector<Value> combine(Region &region, ArrayRef<Value> a, ArrayRef<Value> b);
  void mapCaptured(Region &region, IRMapping &map);
  Value partOf(Value field, Value like, ArrayRef<unsigned> place);
  Value whole(Value like, ArrayRef<Value> fields);

  ScanOp scan;
  OpBuilder builder;
  DenseMap<Value, unsigned> first; ///< the number of a value's first axis
  llvm::IntEqClasses classes;
  unsigned count = 0;
  llvm::MapVector<unsigned, std::set<int64_t>> cuts; ///< of a class of axes, without its ends
  DenseMap<Value, SmallVector<Value>> parts;
};

} // namespace

static ArrayRef<int64_t> shapeOf(Value value) {
  auto tensor = dyn_cast<RankedTensorType>(value.getType());
  return tensor ? tensor.getShape() : ArrayRef<int64_t>();
}

static Type typeOf(ArrayRef<int64_t> shape, Type element) {
  return shape.empty() ? element : RankedTensorType::get(shape, element);
}

//===-- cuts ---------------------------------------------------------------===//

void Splitter::number(Value value) {
  if (!first.try_emplace(value, count).second)
    return;
  count += shapeOf(value).size();
  classes.grow(count);
}

/// Cuts at `cuts - shift`, as far as they are inside an axis of that size. Whether there was a new one.
bool Splitter::addCuts(unsigned axisClass, int64_t shift, const std::set<int64_t> &from, int64_t size) {
  bool isNew = false;
  for (int64_t cut : from)
    if (cut - shift > 0 && cut - shift < size)
      isNew |= cuts[axisClass].insert(cut - shift).second;
  return isNew;
}

void Splitter::findCuts() {
  Block &step = scan.getStep().front();
  for (Value argument : step.getArguments())
    number(argument);
  for (Operation &op : step)
    for (Value result : op.getResults())
      number(result);
  auto join = [&](Value a, unsigned i, Value b, unsigned j) { classes.join(first.at(a) + i, first.at(b) + j); };
  for (Operation &op : step.without_terminator())
    relateAxes(&op, join, [](Value, unsigned) {});
  for (auto [old, next] : llvm::zip(scan.getStateArguments(), scan.getYield().getStates()))
    for (unsigned axis = 0; axis < shapeOf(old).size(); ++axis)
      join(old, axis, next, axis);
  classes.compress();

  // A part of a whole from `offset` on: both have the other's cuts, and the whole has its ends.
  auto relate = [&](Value part, Value whole, unsigned axis, int64_t offset) {
    unsigned of = classOf(whole, axis);
    int64_t total = shapeOf(whole)[axis];
    bool hasAxis = shapeOf(part).size() == shapeOf(whole).size();
    int64_t size = hasAxis ? shapeOf(part)[axis] : 1;
    bool changed = addCuts(of, 0, {offset, offset + size}, total);
    if (hasAxis && cuts.count(of))
      changed |= addCuts(classOf(part, axis), offset, std::set<int64_t>(cuts[of]), size);
    if (hasAxis && isCut(part, axis))
      changed |= addCuts(of, -offset, std::set<int64_t>(cuts[classOf(part, axis)]), total);
    return changed;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (Operation &op : step.without_terminator()) {
      if (auto part = dyn_cast<PartOp>(op))
        changed |= relate(part, part.getOperand(), part.getAxis(), part.getOffset());
      if (auto concat = dyn_cast<ConcatOp>(op)) {
        int64_t offset = 0;
        for (Value part : concat.getParts()) {
          changed |= relate(part, concat, concat.getAxis(), offset);
          offset += shapeOf(part).size() == shapeOf(concat).size() ? shapeOf(part)[concat.getAxis()] : 1;
        }
      }
    }
  }
}

/// An axis that is cut cannot be joined with another, or split in another way.
LogicalResult Splitter::checkCuts() {
  for (Operation &op : scan.getStep().front().without_terminator()) {
    if (auto reshape = dyn_cast<tile::ReshapeOp>(op);
        reshape && !differInOnes(shapeOf(reshape.getOperand()), shapeOf(reshape)))
      for (Value value : {Value(reshape.getOperand()), Value(reshape)})
        for (unsigned axis = 0; axis < shapeOf(value).size(); ++axis)
          if (isCut(value, axis))
            return op.emitError() << "axis " << axis << " of " << value.getType()
                                  << " is made of parts, or taken apart, elsewhere; it cannot be reshaped";
    DenseElementsAttr constant;
    if (auto number = dyn_cast<arith::ConstantOp>(op))
      constant = dyn_cast<DenseElementsAttr>(number.getValue());
    if (constant && !constant.isSplat())
      return op.emitError() << "a constant tensor has one value everywhere; build others from tile.iota";
  }
  return success();
}

SmallVector<int64_t> Splitter::boundsOf(Value value, unsigned axis) const {
  SmallVector<int64_t> bounds{0};
  const auto *it = cuts.find(classOf(value, axis));
  if (it != cuts.end())
    bounds.append(it->second.begin(), it->second.end());
  bounds.push_back(shapeOf(value)[axis]);
  return bounds;
}

//===-- parts --------------------------------------------------------------===//

template <typename Action> void Splitter::forParts(Value value, Action action) {
  Place place(shapeOf(value).size(), 0);
  for (;;) {
    action(ArrayRef<unsigned>(place));
    int axis = int(place.size()) - 1;
    while (axis >= 0 && ++place[axis] + 1 == boundsOf(value, axis).size())
      place[axis--] = 0;
    if (axis < 0)
      return;
  }
}

/// The part of an axis that begins there.
unsigned Splitter::partAt(Value value, unsigned axis, int64_t offset) {
  SmallVector<int64_t> bounds = boundsOf(value, axis);
  return llvm::find(bounds, offset) - bounds.begin();
}

unsigned Splitter::flat(Value value, ArrayRef<unsigned> place) {
  unsigned number = 0;
  for (auto [axis, part] : llvm::enumerate(place))
    number = number * (boundsOf(value, axis).size() - 1) + part;
  return number;
}

std::optional<unsigned> Splitter::axisAt(Value value, ArrayRef<unsigned> place, unsigned axis) {
  unsigned before = 0;
  for (unsigned at = 0; at <= axis; ++at) {
    SmallVector<int64_t> bounds = boundsOf(value, at);
    bool isDropped = bounds.size() > 2 && bounds[place[at] + 1] - bounds[place[at]] == 1;
    if (at == axis)
      return isDropped ? std::nullopt : std::optional(before);
    before += !isDropped;
  }
  return std::nullopt;
}

SmallVector<int64_t> Splitter::shapeAt(Value value, ArrayRef<unsigned> place) {
  SmallVector<int64_t> shape;
  for (auto [axis, part] : llvm::enumerate(place)) {
    SmallVector<int64_t> bounds = boundsOf(value, axis);
    if (axisAt(value, place, axis))
      shape.push_back(bounds[part + 1] - bounds[part]);
  }
  return shape;
}

Type Splitter::typeAt(Value value, ArrayRef<unsigned> place) {
  return typeOf(shapeAt(value, place), getElementTypeOrSelf(value.getType()));
}

Value Splitter::get(Value value, ArrayRef<unsigned> place) { return parts[value][flat(value, place)]; }

void Splitter::set(Value value, ArrayRef<unsigned> place, Value part) {
  SmallVector<Value> &all = parts[value];
  unsigned number = flat(value, place);
  if (all.size() <= number)
    all.resize(number + 1);
  all[number] = part;
}

/// The one element of a tensor.
static Value onlyElement(OpBuilder &builder, Value value) {
  Location loc = value.getLoc();
  Type type = getElementTypeOrSelf(value.getType());
  if (shapeOf(value).size() > 1)
    value = tile::ReshapeOp::create(builder, loc, RankedTensorType::get({1}, type), value);
  auto reduce = tile::ReduceOp::create(builder, loc, TypeRange{type}, ValueRange{value}, 0u);
  OpBuilder::InsertionGuard guard(builder);
  Block *block = builder.createBlock(&reduce.getCombine(), {}, {type, type}, {loc, loc});
  Value a = block->getArgument(0), b = block->getArgument(1);
  Value either = isa<FloatType>(type) ? arith::AddFOp::create(builder, loc, a, b).getResult()
                                      : arith::OrIOp::create(builder, loc, a, b).getResult();
  tile::YieldOp::create(builder, loc, either);
  return reduce.getResult(0);
}

/// A value with axes of size 1 more, or fewer.
Value Splitter::fit(Value value, Type type) {
  Location loc = value.getLoc();
  if (value.getType() == type)
    return value;
  if (auto splat = value.getDefiningOp<tile::SplatOp>())
    return fit(splat.getValue(), type);
  DenseElementsAttr number;
  if (matchPattern(value, m_Constant(&number))) {
    auto element = number.getSplatValue<TypedAttr>();
    auto tensor = dyn_cast<RankedTensorType>(type);
    return arith::ConstantOp::create(builder, loc,
                                     tensor ? DenseElementsAttr::get(tensor, Attribute(element)) : element);
  }
  auto to = dyn_cast<RankedTensorType>(type);
  if (shapeOf(value).empty())
    return tile::SplatOp::create(builder, loc, type, value);
  if (auto expand = value.getDefiningOp<tile::ExpandDimsOp>(); expand && expand.getOperand().getType() == type)
    return expand.getOperand();
  if (!to)
    return onlyElement(builder, value);
  for (unsigned axis = 0; axis < to.getShape().size(); ++axis) {
    SmallVector<int64_t> shape(shapeOf(value));
    if (shape.size() == to.getShape().size())
      break;
    if (to.getShape()[axis] != 1 || (axis < shape.size() && shape[axis] == 1))
      continue;
    shape.insert(shape.begin() + axis, 1);
    value = tile::ExpandDimsOp::create(builder, loc, to.clone(shape), value, axis);
  }
  return value.getType() == type ? value : tile::ReshapeOp::create(builder, loc, type, value).getResult();
}

//===-- ops ----------------------------------------------------------------===//

void Splitter::writeElementwise(Operation *op) {
  Value like = op->getResult(0);
  forParts(like, [&](ArrayRef<unsigned> place) {
    IRMapping map;
    for (Value operand : op->getOperands())
      map.map(operand, get(operand, shapeOf(operand).empty() ? ArrayRef<unsigned>() : place));
    Operation *copy = builder.clone(*op, map);
    for (auto [result, made] : llvm::zip(op->getResults(), copy->getResults())) {
      made.setType(typeAt(result, place));
      set(result, place, made);
    }
  });
}

/// What a region uses from outside.
void Splitter::mapCaptured(Region &region, IRMapping &map) {
  region.walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (!region.isAncestor(operand.getParentRegion()))
        map.map(operand, get(operand, {}));
  });
}

/// What a reduction makes of two groups of values, element by element.
SmallVector<Value> Splitter::combine(Region &region, ArrayRef<Value> a, ArrayRef<Value> b) {
  Block &block = region.front();
  IRMapping map;
  mapCaptured(region, map);
  map.map(block.getArguments().take_front(a.size()), a);
  map.map(block.getArguments().drop_front(a.size()), b);
  ArrayRef<int64_t> shape = shapeOf(a.front());
  for (Operation &op : block.without_terminator()) {
    Operation *copy = builder.clone(op, map);
    if (shape.empty())
      continue;
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(copy);
    if (auto constant = dyn_cast<arith::ConstantOp>(copy))
      constant.setValueAttr(
          DenseElementsAttr::get(RankedTensorType::get(shape, constant.getType()), Attribute(constant.getValue())));
    for (OpOperand &operand : copy->getOpOperands())
      if (!isa<RankedTensorType>(operand.get().getType()))
        operand.set(tile::SplatOp::create(builder, op.getLoc(), typeOf(shape, operand.get().getType()), operand.get()));
    for (Value result : copy->getResults())
      result.setType(typeOf(shape, getElementTypeOrSelf(result.getType())));
  }
  return SmallVector<Value>(
      llvm::map_range(block.getTerminator()->getOperands(), [&](Value value) { return map.lookupOrDefault(value); }));
}

void Splitter::writeReduce(tile::ReduceOp reduce) {
  unsigned axis = reduce.getAxis();
  Value operand = reduce.getOperand(0);
  forParts(reduce.getResult(0), [&](ArrayRef<unsigned> place) {
    SmallVector<Value> results;
    for (unsigned part = 0; part + 1 < boundsOf(operand, axis).size(); ++part) {
      Place of(place);
      of.insert(of.begin() + axis, part);
      std::optional<unsigned> along = axisAt(operand, of, axis);
      SmallVector<Value> operands, made;
      for (Value each : reduce.getOperands())
        operands.push_back(get(each, of));
      if (along) {
        SmallVector<Type> types;
        for (Value result : reduce.getResults())
          types.push_back(typeAt(result, place));
        auto copy = tile::ReduceOp::create(builder, reduce.getLoc(), types, operands, *along);
        copy->setDiscardableAttrs(reduce->getDiscardableAttrDictionary());
        IRMapping map;
        mapCaptured(reduce.getCombine(), map);
        reduce.getCombine().cloneInto(&copy.getCombine(), map);
        made.assign(copy->result_begin(), copy->result_end());
      } else {
        made = operands;
      }
      results = results.empty() ? made : combine(reduce.getCombine(), results, made);
    }
    for (auto [result, value] : llvm::zip(reduce.getResults(), results))
      set(result, place, value);
  });
}

void Splitter::write(Operation *op) {
  Location loc = op->getLoc();
  if (op->getNumResults() == 0)
    return;
  Value result = op->getResult(0);
  auto offsetOf = [&](Value value, unsigned axis, unsigned part) { return boundsOf(value, axis)[part]; };
  llvm::TypeSwitch<Operation *>(op)
      .Case([&](arith::ConstantOp constant) {
        forParts(result, [&](ArrayRef<unsigned> place) {
          TypedAttr value = constant.getValue();
          if (auto dense = dyn_cast<DenseElementsAttr>(value)) {
            auto type = dyn_cast<RankedTensorType>(typeAt(result, place));
            value = type ? DenseElementsAttr::get(type, dense.getSplatValue<Attribute>())
                         : dense.getSplatValue<TypedAttr>();
          }
          set(result, place, arith::ConstantOp::create(builder, loc, value));
        });
      })
      .Case([&](tile::SplatOp splat) {
        forParts(result, [&](ArrayRef<unsigned> place) {
          set(result, place, fit(get(splat.getValue(), {}), typeAt(result, place)));
        });
      })
      .Case([&](tile::IotaOp iota) {
        forParts(result, [&](ArrayRef<unsigned> place) {
          Type type = typeAt(result, place);
          auto start = int32_t(offsetOf(result, 0, place[0]));
          TypedAttr offset = builder.getI32IntegerAttr(start);
          if (auto tensor = dyn_cast<RankedTensorType>(type))
            offset = DenseElementsAttr::get(tensor, Attribute(offset));
          Value from = arith::ConstantOp::create(builder, loc, offset);
          if (isa<RankedTensorType>(type))
            from = arith::AddIOp::create(builder, loc, tile::IotaOp::create(builder, loc, type), from);
          set(result, place, from);
        });
      })
      .Case([&](tile::ExpandDimsOp expand) {
        forParts(result, [&](ArrayRef<unsigned> place) {
          Place inner(place);
          inner.erase(inner.begin() + expand.getAxis());
          set(result, place, fit(get(expand.getOperand(), inner), typeAt(result, place)));
        });
      })
      .Case([&](tile::BroadcastOp broadcast) {
        Value operand = broadcast.getOperand();
        forParts(result, [&](ArrayRef<unsigned> place) {
          Place inner(place);
          SmallVector<int64_t> shape; // the operand's, with the axes that the result's part has
          for (unsigned axis = 0; axis < inner.size(); ++axis) {
            bool isOne = shapeOf(operand)[axis] != shapeOf(result)[axis];
            if (isOne)
              inner[axis] = 0;
            if (std::optional<unsigned> kept = axisAt(result, place, axis))
              shape.push_back(isOne ? 1 : shapeAt(result, place)[*kept]);
          }
          Type type = typeAt(result, place);
          Value part = fit(get(operand, inner), typeOf(shape, getElementTypeOrSelf(type)));
          if (auto splat = part.getDefiningOp<tile::SplatOp>())
            part = fit(splat.getValue(), type);
          set(result, place, part.getType() == type ? part : tile::BroadcastOp::create(builder, loc, type, part));
        });
      })
      .Case([&](tile::TransposeOp transpose) {
        forParts(result, [&](ArrayRef<unsigned> place) {
          Place inner(place.size());
          for (auto [to, from] : llvm::enumerate(transpose.getPerm()))
            inner[from] = place[to];
          SmallVector<int32_t> perm;
          for (int32_t from : transpose.getPerm())
            if (std::optional<unsigned> kept = axisAt(transpose.getOperand(), inner, from))
              perm.push_back(int32_t(*kept));
          Value part = get(transpose.getOperand(), inner);
          if (!llvm::is_sorted(perm))
            part = tile::TransposeOp::create(builder, loc, typeAt(result, place), part,
                                             builder.getDenseI32ArrayAttr(perm));
          set(result, place, part);
        });
      })
      .Case([&](tile::ReshapeOp reshape) {
        Value operand = reshape.getOperand();
        if (!differInOnes(shapeOf(operand), shapeOf(result))) {
          set(result, Place(shapeOf(result).size(), 0),
              tile::ReshapeOp::create(builder, loc, result.getType(), get(operand, Place(shapeOf(operand).size(), 0))));
          return;
        }
        forParts(result, [&](ArrayRef<unsigned> place) {
          Place inner;
          for (unsigned i = 0, j = 0; i < shapeOf(operand).size(); ++i) {
            if (shapeOf(operand)[i] == 1) {
              inner.push_back(0);
              continue;
            }
            while (shapeOf(result)[j] == 1)
              ++j;
            inner.push_back(place[j++]);
          }
          set(result, place, fit(get(operand, inner), typeAt(result, place)));
        });
      })
      .Case([&](tile::ReduceOp reduce) { writeReduce(reduce); })
      .Case([&](ConcatOp concat) {
        unsigned axis = concat.getAxis();
        forParts(result, [&](ArrayRef<unsigned> place) {
          int64_t offset = offsetOf(result, axis, place[axis]), start = 0;
          for (Value part : concat.getParts()) {
            bool hasAxis = shapeOf(part).size() == place.size();
            int64_t size = hasAxis ? shapeOf(part)[axis] : 1;
            if (offset < start + size) {
              Place inner(place);
              if (hasAxis)
                inner[axis] = partAt(part, axis, offset - start);
              else
                inner.erase(inner.begin() + axis);
              set(result, place, fit(get(part, inner), typeAt(result, place)));
              return;
            }
            start += size;
          }
        });
      })
      .Case([&](PartOp part) {
        Value operand = part.getOperand();
        unsigned axis = part.getAxis();
        forParts(result, [&](ArrayRef<unsigned> place) {
          Place inner(place);
          if (place.size() < shapeOf(operand).size())
            inner.insert(inner.begin() + axis, partAt(operand, axis, part.getOffset()));
          else
            inner[axis] = partAt(operand, axis, part.getOffset() + offsetOf(result, axis, place[axis]));
          set(result, place, fit(get(operand, inner), typeAt(result, place)));
        });
      })
      .Default([&](Operation *elementwise) { writeElementwise(elementwise); });
}

//===-- the scan -----------------------------------------------------------===//

/// The part of a field that belongs to a part of the step's value.
Value Splitter::partOf(Value field, Value like, ArrayRef<unsigned> place) {
  auto type = cast<FieldType>(field.getType());
  SmallVector<int64_t> shape(type.getShape());
  unsigned axis = 0;
  for (auto [at, part] : llvm::enumerate(place)) {
    SmallVector<int64_t> bounds = boundsOf(like, at);
    bool isKept = axisAt(like, place, at).has_value();
    if (bounds.size() > 2) {
      if (isKept)
        shape[axis] = bounds[part + 1] - bounds[part];
      else
        shape.erase(shape.begin() + axis);
      auto smaller = FieldType::get(type.getContext(), type.getIndices(), shape, type.getElementType());
      field = PartOp::create(builder, field.getLoc(), smaller, field, axis, uint32_t(bounds[part]));
    }
    axis += isKept;
  }
  return field;
}

/// The field of a step's value from those of its parts.
Value Splitter::whole(Value like, ArrayRef<Value> fields) {
  SmallVector<Value> left(fields);
  SmallVector<Place> places;
  forParts(like, [&](ArrayRef<unsigned> place) { places.emplace_back(place); });
  // The last axis first: its parts are neighbours.
  for (int axis = int(shapeOf(like).size()) - 1; axis >= 0; --axis) {
    unsigned each = boundsOf(like, axis).size() - 1;
    if (each == 1)
      continue;
    SmallVector<Value> joined;
    SmallVector<Place> begins;
    for (unsigned from = 0; from < left.size(); from += each) {
      const Place &place = places[from];
      SmallVector<int64_t> shape;
      unsigned at = 0;
      for (int before = 0; before < axis; ++before)
        if (std::optional<unsigned> kept = axisAt(like, place, before)) {
          shape.push_back(shapeAt(like, place)[*kept]);
          ++at;
        }
      llvm::append_range(shape, shapeOf(like).drop_front(axis));
      auto type = cast<FieldType>(left[from].getType());
      auto result = FieldType::get(type.getContext(), type.getIndices(), shape, type.getElementType());
      joined.push_back(ConcatOp::create(builder, scan.getLoc(), result, ArrayRef(left).slice(from, each), at));
      begins.push_back(place);
    }
    left = joined;
    places = begins;
  }
  return left.front();
}

LogicalResult Splitter::run() {
  findCuts();
  if (cuts.empty())
    return success();
  if (failed(checkCuts()))
    return failure();

  // Arguments: fields of parts for the scan, types for the step.
  SmallVector<Value> inputs, initials;
  SmallVector<Type> types;
  SmallVector<Location> locations;
  SmallVector<std::pair<Value, Place>> arguments;
  auto addArguments = [&](ValueRange fields, ArrayRef<BlockArgument> values, SmallVectorImpl<Value> &operands) {
    for (auto [field, value] : llvm::zip(fields, values))
      forParts(value, [&, field = field, value = Value(value)](ArrayRef<unsigned> place) {
        if (auto fill = field.getDefiningOp<FillOp>()) {
          auto type = cast<FieldType>(field.getType());
          operands.push_back(FillOp::create(
              builder, fill.getLoc(),
              FieldType::get(type.getContext(), type.getIndices(), shapeAt(value, place), type.getElementType()),
              fill.getValueAttr()));
        } else {
          operands.push_back(partOf(field, value, place));
        }
        types.push_back(typeAt(value, place));
        locations.push_back(value.getLoc());
        arguments.emplace_back(value, Place(place));
      });
  };
  addArguments(scan.getInputs(), scan.getInputArguments(), inputs);
  addArguments(scan.getInitials(), scan.getStateArguments(), initials);
  YieldOp yield = scan.getYield();
  SmallVector<Type> results;
  for (auto [type, value] : llvm::zip(scan.getOutputs().getTypes(), yield.getOutputs())) {
    auto field = cast<FieldType>(type);
    forParts(value, [&, value = value](ArrayRef<unsigned> place) {
      results.push_back(
          FieldType::get(field.getContext(), field.getIndices(), shapeAt(value, place), field.getElementType()));
    });
  }
  llvm::append_range(results, ValueRange(initials).getTypes());
  auto made = ScanOp::create(builder, scan.getLoc(), results, inputs, initials, scan.getNoncausal(), scan.getReverse());

  // The step.
  Block *block = builder.createBlock(&made.getStep(), {}, types, locations);
  for (auto [argument, from] : llvm::zip(block->getArguments(), arguments))
    set(from.first, from.second, argument);
  for (Operation &op : scan.getStep().front().without_terminator())
    write(&op);
  SmallVector<Value> outputs, states;
  for (Value value : yield.getOutputs())
    llvm::append_range(outputs, parts[value]);
  for (Value value : yield.getStates())
    llvm::append_range(states, parts[value]);
  YieldOp::create(builder, yield.getLoc(), outputs, states);

  builder.setInsertionPointAfter(made);
  auto next = made->result_begin();
  SmallVector<Value> values(yield.getOutputs());
  llvm::append_range(values, scan.getStateArguments());
  for (auto [old, value] : llvm::zip(scan.getResults(), values)) {
    SmallVector<Value> fields;
    forParts(value, [&](ArrayRef<unsigned>) { fields.push_back(*next++); });
    if (!old.use_empty())
      old.replaceAllUsesWith(whole(value, fields));
  }
  scan.erase();
  return success();
}

LogicalResult treadle::splitAxes(ScanOp scan) {
  bringConstants(scan);
  separateConstants(scan);
  scan.getStep().walk([](StopGradientOp op) {
    op.replaceAllUsesWith(op.getOperand());
    op.erase();
  });
  return Splitter(scan).run();
}

namespace {
struct SplitAxesPass : treadle::impl::SplitAxesBase<SplitAxesPass> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (!function->hasAttr("treadle.mixer"))
        continue;
      for (ScanOp scan : llvm::to_vector(function.getOps<ScanOp>()))
        if (failed(splitAxes(scan)))
          return signalPassFailure();
    }
  }
};
} // namespace
