"""The values and functions of a step in NumPy, in float64: what `scan.reference` runs the step on.

A value remembers how it was computed, so that it can be computed again with others in place of some of what it was
computed from (`replay`), and so that gradients can go back to what it was computed from (`gradients`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from treadle.errors import TreadleError
from treadle.frontend import dtypes
from treadle.frontend.dtypes import DType
from treadle.runtime.step_rules import OF_UFUNCS, RULES, Array, Rule


class Value(NDArrayOperatorsMixin):
    """A scalar or tile of a step: float64, int64 or bool."""

    __slots__ = ("array", "operands", "rule")

    def __init__(self, array: Any, rule: Rule | None = None, operands: tuple[Any, ...] = ()) -> None:
        self.array: Array = np.asarray(array)
        self.rule = rule
        """What made it of `operands`; None: it was given."""
        self.operands = operands

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs:
            return NotImplemented
        return apply(OF_UFUNCS.get(ufunc) or _without_rule(ufunc), *inputs)

    def __getitem__(self, key: Any) -> Value:
        if any(isinstance(item, Value) for item in (key if isinstance(key, tuple) else (key,))):
            raise TreadleError("the index of a tile is a compile-time constant; choose elements with td.where")
        return apply(RULES["part"], self, key)

    def __bool__(self) -> bool:
        raise TreadleError("a condition in a step is a compile-time constant; choose between values with td.where")

    def __repr__(self) -> str:
        return f"Value({self.array!r})"

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sizes."""
        return self.array.shape

    @property
    def dtype(self) -> DType:
        """As in the compiled step."""
        return {"f": dtypes.f32, "b": dtypes.i1}.get(self.array.dtype.kind, dtypes.i32)

    @property
    def T(self) -> Value:
        """The last two axes swapped."""
        return apply(RULES["swapped"], self)

    def to(self, dtype: DType) -> Value:
        """The same to another kind of numbers; floats of fewer bits stay float64."""
        kind = np.float64 if dtype.is_float else np.bool_ if dtype is dtypes.i1 else np.int64
        return apply(RULES["to"], self, kind)

    def sum(self, axis: int | None = None, keepdims: bool = False) -> Value:
        """Sum along an axis, or of all."""
        return apply(RULES["sum"], self, axis, keepdims)

    def max(self, axis: int | None = None, keepdims: bool = False) -> Value:
        """Maximum along an axis, or of all."""
        return apply(RULES["max"], self, axis, keepdims)

    def min(self, axis: int | None = None, keepdims: bool = False) -> Value:
        """Minimum along an axis, or of all."""
        return apply(RULES["min"], self, axis, keepdims)


def apply(rule: Rule, *operands: Any) -> Value:
    """What a rule makes of operands, some of them values."""
    return Value(rule.forward(*map(_array, operands)), rule, operands)


def _array(x: Any) -> Any:
    return x.array if isinstance(x, Value) else x


def _without_rule(ufunc: np.ufunc) -> Rule:
    """A function of NumPy that no step can call when it is compiled."""

    def pull(*arrays: Any) -> tuple[Array | None, ...]:
        raise TreadleError(f"the derivative of numpy.{ufunc.__name__} is not known")

    return Rule(ufunc, pull)


def in_order(values: Iterable[Value], known: Collection[int] = ()) -> list[Value]:
    """The values and what they were computed from, operands first; without those known (by identity), and theirs."""
    order, done = list[Value](), set(known)
    waiting = list(values)
    while waiting:
        node = waiting[-1]
        operands = [] if id(node) in done else [x for x in node.operands if isinstance(x, Value) and id(x) not in done]
        if operands:
            waiting += operands
            continue
        waiting.pop()
        if id(node) not in done:
            done.add(id(node))
            order.append(node)
    return order


def replay(value: Value, known: dict[int, Value | None]) -> Value | None:
    """`value`, with `known` (by identity) in place of the values it was computed from; None: it needs one that is None.

    What is found on the way is added to `known`.
    """
    for node in in_order([value], known):
        operands = [known[id(x)] if isinstance(x, Value) else x for x in node.operands]
        if any(isinstance(x, Value) and new is None for x, new in zip(node.operands, operands, strict=True)):
            known[id(node)] = None
        else:
            known[id(node)] = node if node.rule is None else apply(node.rule, *operands)
    return known[id(value)]


def gradients(results: Iterable[tuple[Value, Array]]) -> dict[int, Array]:
    """The gradients of Σ <value, weight>, by identity of `value` and all that it was computed from.

    Each has the shape of its value and is float64. Where there is none it is 0 throughout: those of integers and bools,
    and of what no value depends on.
    """
    found: dict[int, Array] = {}
    weighed = list(results)
    for value, weight in weighed:
        _add(found, value, weight)
    for node in reversed(in_order(value for value, _ in weighed)):
        if id(node) not in found or node.rule is None or node.rule.pull is None:
            continue
        parts = node.rule.pull(found[id(node)], node.array, *map(_array, node.operands))
        for operand, part in zip(node.operands, parts, strict=False):
            if isinstance(operand, Value) and part is not None:
                _add(found, operand, part)
    return found


def _add(found: dict[int, Array], value: Value, part: Array) -> None:
    """Add to the gradient of a value; part: of its shape, or of one that it was broadcast to."""
    if value.array.dtype.kind != "f":
        return
    part = np.asarray(part).sum(tuple(range(np.ndim(part) - value.array.ndim)))
    part = np.asarray(part.sum(tuple(axis for axis, size in enumerate(value.shape) if size == 1), keepdims=True))
    found[id(value)] = found[id(value)] + part if id(value) in found else part


# ---------------------------------------------------------------------------------------------------------------------
# The language's functions
# ---------------------------------------------------------------------------------------------------------------------


def _elementwise(name: str, on_host: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """A function of values; of numbers alone, a number."""
    rule = RULES[name]

    def call(*operands: Any) -> Any:
        if not any(isinstance(x, Value) for x in operands):
            return (on_host or rule.forward)(*operands)
        return apply(rule, *operands)

    return call


def _full(shape: int | Sequence[int], value: Any, dtype: DType) -> Value:
    return apply(RULES["broadcast_to"], value, shape).to(dtype)


def _arange(lo: int, hi: int | None = None) -> Value:
    return Value(np.arange(0 if hi is None else lo, lo if hi is None else hi))


def concat(xs: Sequence[Any], axis: int = 0) -> Value:
    """Tiles, scalars and numbers one after the other along an axis."""
    return apply(RULES["concat"], axis, *xs)


def _taylor(x: Value, order: int = 2) -> Value:
    return apply(RULES["taylor"], x, order)


def _position() -> Value:
    raise TreadleError("td.position is called through another name; write td.position() in the step itself")


def _powers(x: Any, highest: int, first: Any = 1.0) -> Value:
    return apply(RULES["powers"], x, first, highest)


def _factorials(highest: int) -> Value:
    return Value([float(math.factorial(n)) for n in range(highest + 1)])


def _transpose(x: Value, axes: Sequence[int] | None = None) -> Value:
    return x.T if axes is None else apply(RULES["transpose"], x, axes)


def _dot(a: Value, b: Value, acc: Any = None, precision: str = "ieee") -> Any:
    product: Value = apply(RULES["matmul"], a, b)
    return product if acc is None else product + acc


def _reduce(fn: Callable[..., Any], xs: Any, axis: int) -> Any:
    """The elements along an axis, combined from the first to the last."""
    several = isinstance(xs, tuple)
    tiles: tuple[Value, ...] = xs if several else (xs,)
    before = (slice(None),) * range(len(tiles[0].shape))[axis]
    rows = [tuple(t[(*before, i)] for t in tiles) for i in range(tiles[0].shape[axis])]
    total = rows[0]
    for row in rows[1:]:
        made = fn(*total, *row)
        total = made if several else (made,)
    return total if several else total[0]


def _static_assert(condition: object, message: str = "") -> None:
    if not condition:
        raise TreadleError(f"static assertion failed: {message}" if message else "static assertion failed")


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": _elementwise("absolute", abs),
    "arange": _arange,
    "argmax": lambda x, axis: apply(RULES["argmax"], x, axis),
    "broadcast_to": lambda x, shape: apply(RULES["broadcast_to"], x, shape),
    "cdiv": lambda a, b: -(-a // b),
    "concat": concat,
    "cos": _elementwise("cos", math.cos),
    "dot": _dot,
    "erf": _elementwise("erf", math.erf),
    "exp": _elementwise("exp", math.exp),
    "exp2": _elementwise("exp2", lambda x: 2.0**x),
    "factorials": _factorials,
    "full": _full,
    "log": _elementwise("log", math.log),
    "log1p": _elementwise("log1p", math.log1p),
    "log2": _elementwise("log2", math.log2),
    "logaddexp": _elementwise("logaddexp"),
    "maximum": _elementwise("maximum", max),
    "minimum": _elementwise("minimum", min),
    "next_power_of_two": lambda n: 1 << max(0, n - 1).bit_length(),
    "outer": lambda x, y: apply(RULES["outer"], x, y),
    "position": _position,
    "powers": _powers,
    "reduce": _reduce,
    "reshape": lambda x, shape: apply(RULES["reshape"], x, shape),
    "rsqrt": _elementwise("rsqrt"),
    "sigmoid": _elementwise("sigmoid"),
    "silu": _elementwise("silu"),
    "sin": _elementwise("sin", math.sin),
    "softplus": _elementwise("softplus"),
    "sqrt": _elementwise("sqrt", math.sqrt),
    "static_assert": _static_assert,
    "static_range": range,
    "stop_gradient": _elementwise("stop_gradient"),
    "tanh": _elementwise("tanh", math.tanh),
    "taylor": _taylor,
    "transpose": _transpose,
    "where": lambda condition, x, y: apply(RULES["where"], condition, x, y),
    "zeros": lambda shape, dtype: _full(shape, 0.0, dtype),
}
"""Every function that a step may call, by name; `position` is of a run."""
