"""The values and functions of a step in NumPy, in float64: what `scan.reference` runs the step on.

A value remembers how it was computed, so that it can be computed again with others in place of some of what it was
computed from (`replay`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.mixins import NDArrayOperatorsMixin

from treadle.errors import TreadleError
from treadle.frontend import dtypes
from treadle.frontend.dtypes import DType

Array = npt.NDArray[Any]


class Value(NDArrayOperatorsMixin):
    """A scalar or tile of a step: float64, int64 or bool."""

    __slots__ = ("array", "fn", "operands")

    def __init__(self, array: Any, fn: Callable[..., Any] | None = None, operands: tuple[Any, ...] = ()) -> None:
        self.array: Array = np.asarray(array)
        self.fn = fn
        """What made it of `operands`; None: it was given."""
        self.operands = operands

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs:
            return NotImplemented
        return apply(ufunc, *inputs)

    def __getitem__(self, key: Any) -> Value:
        if any(isinstance(item, Value) for item in (key if isinstance(key, tuple) else (key,))):
            raise TreadleError("the index of a tile is a compile-time constant; choose elements with td.where")
        return apply(lambda x: x[key], self)

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
        return apply(lambda x: x.swapaxes(-1, -2), self)

    def to(self, dtype: DType) -> Value:
        """The same to another kind of numbers; floats of fewer bits stay float64."""
        kind = np.float64 if dtype.is_float else np.bool_ if dtype is dtypes.i1 else np.int64
        return apply(lambda x: np.asarray(x).astype(kind), self)

    def sum(self, axis: int | None = None, keepdims: bool = False) -> Value:
        """Sum along an axis, or of all."""
        return apply(lambda x: np.sum(x, axis=axis, keepdims=keepdims), self)

    def max(self, axis: int | None = None, keepdims: bool = False) -> Value:
        """Maximum along an axis, or of all."""
        return apply(lambda x: np.max(x, axis=axis, keepdims=keepdims), self)

    def min(self, axis: int | None = None, keepdims: bool = False) -> Value:
        """Minimum along an axis, or of all."""
        return apply(lambda x: np.min(x, axis=axis, keepdims=keepdims), self)


def apply(fn: Callable[..., Any], *operands: Any) -> Value:
    """What `fn` makes of operands, some of them values."""
    return Value(fn(*(x.array if isinstance(x, Value) else x for x in operands)), fn, operands)


def replay(value: Value, known: dict[int, Array | None]) -> Array | None:
    """`value`, with `known` (by identity) in place of the values it was computed from; None: it needs one that is None.

    What is found on the way is added to `known`.
    """
    waiting = [value]
    while waiting:
        node = waiting[-1]
        unknown = [x for x in node.operands if isinstance(x, Value) and id(x) not in known]
        if unknown and id(node) not in known:
            waiting += unknown
            continue
        waiting.pop()
        if id(node) in known:
            continue
        arrays = [known[id(x)] if isinstance(x, Value) else x for x in node.operands]
        if any(isinstance(x, Value) and a is None for x, a in zip(node.operands, arrays, strict=True)):
            known[id(node)] = None
        else:
            known[id(node)] = node.array if node.fn is None else np.asarray(node.fn(*arrays))
    return known[id(value)]


# ---------------------------------------------------------------------------------------------------------------------
# The language's functions
# ---------------------------------------------------------------------------------------------------------------------


def _elementwise(fn: Callable[..., Any], on_host: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """A function of values; of numbers alone, a number."""

    def call(*operands: Any) -> Any:
        if not any(isinstance(x, Value) for x in operands):
            return (on_host or fn)(*operands)
        return apply(fn, *operands)

    return call


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _silu(x: Any) -> Any:
    return x * _sigmoid(x)


_erf = np.vectorize(math.erf, otypes=[np.float64])


def _full(shape: int | Sequence[int], value: Any, dtype: DType) -> Value:
    whole = Value(np.zeros(shape))
    return apply(lambda x, z: np.broadcast_to(x, z.shape), value, whole).to(dtype)


def _arange(lo: int, hi: int | None = None) -> Value:
    return Value(np.arange(0 if hi is None else lo, lo if hi is None else hi))


def _outer(x: Any, y: Any) -> Value:
    return apply(np.multiply.outer, x, y)


def concat(xs: Sequence[Any], axis: int = 0) -> Value:
    """Tiles, scalars and numbers one after the other along an axis."""
    return apply(lambda *parts: np.concatenate([np.atleast_1d(part) for part in parts], axis), *xs)


def _taylor(x: Value, order: int = 2) -> Value:
    def features(a: Array) -> Array:
        return np.concatenate([[1.0], a, *([np.outer(a, a).ravel() / math.sqrt(2)] if order == 2 else [])])

    return apply(features, x)


def _position() -> Value:
    raise TreadleError("td.position is called through another name; write td.position() in the step itself")


def _powers(x: Any, highest: int, first: Any = 1.0) -> Value:
    return apply(lambda a, f: np.asarray(f)[..., None] * np.asarray(a)[..., None] ** np.arange(highest + 1), x, first)


def _factorials(highest: int) -> Value:
    return Value([float(math.factorial(n)) for n in range(highest + 1)])


def _transpose(x: Value, axes: Sequence[int] | None = None) -> Value:
    return x.T if axes is None else apply(lambda a: np.transpose(a, axes), x)


def _dot(a: Value, b: Value, acc: Any = None, precision: str = "ieee") -> Any:
    product: Value = apply(np.matmul, a, b)
    return product if acc is None else product + acc


def _reduce(fn: Callable[..., Any], xs: Any, axis: int) -> Any:
    """The elements along an axis, combined from the first to the last."""
    several = isinstance(xs, tuple)
    tiles: tuple[Value, ...] = xs if several else (xs,)
    rows = [tuple(apply(lambda x, i=i: np.take(x, i, axis), t) for t in tiles) for i in range(tiles[0].shape[axis])]
    total = rows[0]
    for row in rows[1:]:
        made = fn(*total, *row)
        total = made if several else (made,)
    return total if several else total[0]


def _static_assert(condition: object, message: str = "") -> None:
    if not condition:
        raise TreadleError(f"static assertion failed: {message}" if message else "static assertion failed")


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": _elementwise(np.abs, abs),
    "arange": _arange,
    "argmax": lambda x, axis: apply(lambda a: np.argmax(a, axis), x),
    "broadcast_to": lambda x, shape: apply(lambda a: np.broadcast_to(a, shape), x),
    "cdiv": lambda a, b: -(-a // b),
    "concat": concat,
    "cos": _elementwise(np.cos, math.cos),
    "dot": _dot,
    "erf": _elementwise(_erf, math.erf),
    "exp": _elementwise(np.exp, math.exp),
    "exp2": _elementwise(np.exp2, lambda x: 2.0**x),
    "factorials": _factorials,
    "full": _full,
    "log": _elementwise(np.log, math.log),
    "log1p": _elementwise(np.log1p, math.log1p),
    "log2": _elementwise(np.log2, math.log2),
    "logaddexp": _elementwise(np.logaddexp),
    "maximum": _elementwise(np.maximum, max),
    "minimum": _elementwise(np.minimum, min),
    "next_power_of_two": lambda n: 1 << max(0, n - 1).bit_length(),
    "outer": _outer,
    "position": _position,
    "powers": _powers,
    "reduce": _reduce,
    "reshape": lambda x, shape: apply(lambda a: np.reshape(a, shape), x),
    "rsqrt": _elementwise(lambda x: 1 / np.sqrt(x)),
    "sigmoid": _elementwise(_sigmoid),
    "silu": _elementwise(_silu),
    "sin": _elementwise(np.sin, math.sin),
    "softplus": _elementwise(lambda x: np.logaddexp(x, 0.0)),
    "sqrt": _elementwise(np.sqrt, math.sqrt),
    "static_assert": _static_assert,
    "static_range": range,
    "stop_gradient": lambda x: x,
    "tanh": _elementwise(np.tanh, math.tanh),
    "taylor": _taylor,
    "transpose": _transpose,
    "where": lambda condition, x, y: apply(np.where, condition, x, y),
    "zeros": lambda shape, dtype: _full(shape, 0.0, dtype),
}
"""Every function that a step may call, by name; `position` is of a run."""
