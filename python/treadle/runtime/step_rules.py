"""What a step computes with: every operation on arrays of NumPy, and the rule by which its gradient is found.

A gradient of 0 stays 0, whatever the derivative is: where what is not chosen has an infinite one, nothing comes of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Rule:
    """An operation.

    forward: from operands to the result. pull: from the gradient of the result, the result, and the operands, to those
    of the operands, as many of the first as have one; each has the operand's shape, or one that it broadcasts to. None,
    for one or for all: there is no gradient.
    """

    forward: Callable[..., Any]
    pull: Callable[..., tuple[Array | None, ...]] | None = None


def times(g: Any, slope: Any) -> Array:
    """g * slope, 0 where g is."""
    return np.where(np.equal(g, 0), 0.0, g * slope)


def _each(forward: Callable[..., Any], *slopes: Callable[..., Any]) -> Rule:
    """Elementwise: the derivative by each operand, from the result and the operands."""
    return Rule(forward, lambda g, out, *xs: tuple(times(g, slope(out, *xs)) for slope in slopes))


# ---------------------------------------------------------------------------------------------------------------------
# Elementwise
# ---------------------------------------------------------------------------------------------------------------------


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _silu_slope(out: Any, x: Any) -> Any:
    return np.where(np.isinf(x), x > 0, _sigmoid(x) + out * _sigmoid(-x))


def _share(x: Any, y: Any) -> Any:
    """e^x / (e^x + e^y): half where they are equal, infinities too."""
    return np.where(np.equal(x, y), 0.5, 1 / (1 + np.exp(np.subtract(y, x))))


def _by_base(out: Any, x: Any, y: Any) -> Any:
    return np.where(np.equal(y, 0), 0.0, y * np.asarray(x, np.float64) ** np.subtract(y, 1))


def _by_exponent(out: Any, x: Any, y: Any) -> Any:
    return np.where(np.equal(x, 0) & np.greater_equal(y, 0), 0.0, out * np.log(x))


def _chosen(forward: Callable[..., Any]) -> Rule:
    """One of two operands; of equal ones, half each."""

    def pull(g: Array, out: Array, x: Any, y: Any) -> tuple[Array, ...]:
        equal = np.equal(x, y)
        taken = [np.equal(a, out) | np.isnan(out) for a in (x, y)]
        return tuple(np.where(equal, g / 2, np.where(is_taken, g, 0.0)) for is_taken in taken)

    return Rule(forward, pull)


def _where(g: Array, out: Array, condition: Any, x: Any, y: Any) -> tuple[Array | None, ...]:
    return None, np.where(condition, g, 0.0), np.where(condition, 0.0, g)


# ---------------------------------------------------------------------------------------------------------------------
# Along axes
# ---------------------------------------------------------------------------------------------------------------------


def _wide(x: Array, axis: int | None, keepdims: bool) -> Array:
    """The result of a reduction as it broadcasts to the operand."""
    return x if axis is None or keepdims else np.expand_dims(x, axis)


def _sum(g: Array, out: Array, x: Array, axis: int | None, keepdims: bool) -> tuple[Array, ...]:
    return (np.broadcast_to(_wide(g, axis, keepdims), x.shape),)


def _extreme(reduce: Callable[..., Any]) -> Rule:
    """The greatest or least along an axis; equal ones have equal parts of the gradient."""

    def pull(g: Array, out: Array, x: Array, axis: int | None, keepdims: bool) -> tuple[Array, ...]:
        taken = np.equal(x, _wide(out, axis, keepdims)) | np.not_equal(x, x)
        part = _wide(g, axis, keepdims) / taken.sum(axis=axis, keepdims=True)
        return (np.where(taken, part, 0.0),)

    return Rule(lambda x, axis, keepdims: reduce(x, axis=axis, keepdims=keepdims), pull)


def _matmul(g: Array, out: Array, a: Any, b: Any) -> tuple[Array, ...]:
    a, b = np.asarray(a), np.asarray(b)
    row, column = a.ndim == 1, b.ndim == 1
    a, b = a[None] if row else a, b[:, None] if column else b
    g = g[..., None] if column else g
    g = (g[..., None, :] if row else g)[..., :, None, :]
    left, right = times(g, b[..., None, :, :]).sum(-1), times(g, a[..., :, :, None]).sum(-3)
    return left[..., 0, :] if row else left, right[..., 0] if column else right


def _outer(g: Array, out: Array, x: Any, y: Any) -> tuple[Array, ...]:
    rank, rows = np.ndim(x), np.reshape(x, (*np.shape(x), *(1 for _ in np.shape(y))))
    return times(g, y).sum(tuple(range(rank, g.ndim))), times(g, rows).sum(tuple(range(rank)))


# ---------------------------------------------------------------------------------------------------------------------
# Parts and shapes
# ---------------------------------------------------------------------------------------------------------------------


def _part(g: Array, out: Array, x: Array, key: Any) -> tuple[Array, ...]:
    whole = np.zeros(x.shape)
    np.add.at(whole, key, g)
    return (whole,)


def _joined(axis: int, *parts: Any) -> Array:
    return np.concatenate([np.atleast_1d(part) for part in parts], axis)


def _parts(g: Array, out: Array, axis: int, *parts: Any) -> tuple[Array | None, ...]:
    ends = np.cumsum([np.atleast_1d(part).shape[axis] for part in parts])
    pieces = np.split(g, ends[:-1], axis)
    return None, *(np.reshape(piece, np.shape(part)) for piece, part in zip(pieces, parts, strict=True))


# ---------------------------------------------------------------------------------------------------------------------
# Powers
# ---------------------------------------------------------------------------------------------------------------------


def _powers(x: Any, first: Any, highest: int) -> Array:
    made: Array = np.asarray(first)[..., None] * np.asarray(x)[..., None] ** np.arange(highest + 1)
    return made


def _powers_pull(g: Array, out: Array, x: Any, first: Any, highest: int) -> tuple[Array, ...]:
    n, column = np.arange(highest + 1), np.asarray(x)[..., None]
    slope = np.where(n == 0, 0.0, np.asarray(first)[..., None] * n * column ** np.maximum(n - 1, 0))
    return times(g, slope).sum(-1), times(g, column**n).sum(-1)


def _taylor(x: Array, order: int) -> Array:
    squares = [np.outer(x, x).ravel() / math.sqrt(2)] if order == 2 else []
    return np.concatenate([[1.0], x, *squares])


def _taylor_pull(g: Array, out: Array, x: Array, order: int) -> tuple[Array, ...]:
    size = len(x)
    total = g[1 : 1 + size]
    if order == 2:
        squares = g[1 + size :].reshape(size, size) / math.sqrt(2)
        total = total + times(squares + squares.T, x).sum(-1)
    return (total,)


# ---------------------------------------------------------------------------------------------------------------------
# The table
# ---------------------------------------------------------------------------------------------------------------------

_WITHOUT = (
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal, np.floor_divide,
    np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift,
)  # fmt: skip
"""Operators that have no gradient."""

RULES: Mapping[str, Rule] = {
    **{fn.__name__: Rule(fn) for fn in _WITHOUT},
    "absolute": _each(np.absolute, lambda out, x: np.sign(x)),
    "add": _each(np.add, lambda out, x, y: 1.0, lambda out, x, y: 1.0),
    "argmax": Rule(np.argmax),
    "broadcast_to": Rule(np.broadcast_to, lambda g, out, x, shape: (g,)),
    "concat": Rule(_joined, _parts),
    "cos": _each(np.cos, lambda out, x: -np.sin(x)),
    "divide": _each(np.divide, lambda out, x, y: np.divide(1.0, y), lambda out, x, y: np.divide(-out, y)),
    "erf": _each(np.vectorize(math.erf, otypes=[np.float64]), lambda out, x: 2 / math.sqrt(math.pi) * np.exp(-x * x)),
    "exp": _each(np.exp, lambda out, x: out),
    "exp2": _each(np.exp2, lambda out, x: out * math.log(2)),
    "log": _each(np.log, lambda out, x: 1 / x),
    "log1p": _each(np.log1p, lambda out, x: 1 / (1 + x)),
    "log2": _each(np.log2, lambda out, x: 1 / (x * math.log(2))),
    "logaddexp": _each(np.logaddexp, lambda out, x, y: _share(x, y), lambda out, x, y: _share(y, x)),
    "matmul": Rule(np.matmul, _matmul),
    "max": _extreme(np.max),
    "maximum": _chosen(np.maximum),
    "min": _extreme(np.min),
    "minimum": _chosen(np.minimum),
    "multiply": _each(np.multiply, lambda out, x, y: y, lambda out, x, y: x),
    "negative": _each(np.negative, lambda out, x: -1.0),
    "outer": Rule(np.multiply.outer, _outer),
    "part": Rule(lambda x, key: x[key], _part),
    "positive": _each(np.positive, lambda out, x: 1.0),
    "power": _each(np.power, _by_base, _by_exponent),
    "powers": Rule(_powers, _powers_pull),
    "remainder": _each(np.remainder, lambda out, x, y: 1.0, lambda out, x, y: -np.floor_divide(x, y)),
    "reshape": Rule(np.reshape, lambda g, out, x, shape: (g.reshape(x.shape),)),
    "rsqrt": _each(lambda x: 1 / np.sqrt(x), lambda out, x: -0.5 * out**3),
    "sigmoid": _each(_sigmoid, lambda out, x: out * _sigmoid(-x)),
    "silu": _each(lambda x: x * _sigmoid(x), _silu_slope),
    "sin": _each(np.sin, lambda out, x: np.cos(x)),
    "softplus": _each(lambda x: np.logaddexp(x, 0.0), lambda out, x: _sigmoid(x)),
    "sqrt": _each(np.sqrt, lambda out, x: 0.5 / out),
    "stop_gradient": Rule(lambda x: x),
    "subtract": _each(np.subtract, lambda out, x, y: 1.0, lambda out, x, y: -1.0),
    "sum": Rule(lambda x, axis, keepdims: np.sum(x, axis=axis, keepdims=keepdims), _sum),
    "swapped": Rule(lambda x: x.swapaxes(-1, -2), lambda g, out, x: (g.swapaxes(-1, -2),)),
    "tanh": _each(np.tanh, lambda out, x: np.cosh(x) ** -2.0),
    "taylor": Rule(_taylor, _taylor_pull),
    "to": Rule(lambda x, kind: np.asarray(x).astype(kind), lambda g, out, x, kind: (g,)),
    "transpose": Rule(np.transpose, lambda g, out, x, axes: (g.transpose(np.argsort(np.mod(axes, x.ndim))),)),
    "where": Rule(np.where, _where),
}
"""Every operation by name. Some have operands that are no arrays: axes, shapes, indices, kinds of numbers."""

OF_UFUNCS: Mapping[Any, Rule] = {rule.forward: rule for rule in RULES.values() if isinstance(rule.forward, np.ufunc)}
"""Those that NumPy's functions and Python's operators are."""
