"""The language's functions and methods, by name, and what lowers each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from treadle.frontend import (
    dtypes,
    elementwise,
    indexmath,
    mathops,
    products,
    reductions,
    series,
    shaping,
    stepparts,
    stepstates,
)
from treadle.frontend.builder import Builder
from treadle.frontend.casts import to
from treadle.frontend.elementwise import is_constant
from treadle.frontend.values import Scalar, Value, describe

Lowering = Callable[..., object]


def _cdiv(b: Builder, a: object, b_: object) -> object:
    for v in (a, b_):
        is_int = isinstance(v, int) and not isinstance(v, bool)
        if not is_int and not (isinstance(v, Scalar) and v.dtype is dtypes.index):
            raise b.error(f"an operand of cdiv is {describe(v)}, not an integer scalar")
    assert isinstance(a, (int, Scalar)) and isinstance(b_, (int, Scalar))
    return indexmath.ceildiv(b, a, b_)


def _static_assert(b: Builder, condition: object, message: object) -> None:
    if not is_constant(condition):
        raise b.error(f"static_assert of {describe(condition)}", "it takes compile-time constants")
    if not condition:
        raise b.error(f"static assertion failed: {message}" if message else "static assertion failed")


def _next_power_of_two(b: Builder, n: object) -> int:
    if not isinstance(n, int) or isinstance(n, bool):
        raise b.error(f"next_power_of_two of {describe(n)}, not a constant integer")
    return shaping.next_power_of_two(n)


def _on(fn: Callable[..., object], names: tuple[str, ...]) -> Lowering:
    """A lowering called by position."""

    def lower(b: Builder, /, **bound: Any) -> object:
        return fn(b, *(bound[name] for name in names))

    return lower


LIBRARY: dict[str, Lowering] = {
    **{
        name: _on(partial(lambda b, x, name: mathops.elementary(b, name, x), name=name), ("x",))
        for name in ("exp", "exp2", "log", "log2", "sqrt", "rsqrt", "sin", "cos", "tanh", "erf", "log1p")
    },
    "abs": mathops.absolute,
    "sigmoid": mathops.sigmoid,
    "silu": mathops.silu,
    "softplus": mathops.softplus,
    "logaddexp": mathops.logaddexp,
    "maximum": _on(lambda b, x, y: elementwise.extremum(b, "max", x, y), ("x", "y")),
    "minimum": _on(lambda b, x, y: elementwise.extremum(b, "min", x, y), ("x", "y")),
    "where": elementwise.where,
    "zeros": _on(lambda b, shape, dtype: shaping.full(b, shape, 0, dtype), ("shape", "dtype")),
    "full": shaping.full,
    "arange": _on(lambda b, lo, hi: shaping.arange(b, lo, hi, dtypes.i32), ("lo", "hi")),
    "reshape": shaping.reshape,
    "broadcast_to": shaping.broadcast_to,
    "transpose": _on(shaping.transpose, ("x", "axes")),
    "dot": _on(products.dot, ("a", "b", "acc", "precision")),
    "outer": products.outer,
    "concat": stepparts.concat,
    "taylor": series.taylor,
    "position": stepstates.position,
    "powers": series.powers,
    "factorials": series.factorials,
    "stop_gradient": stepparts.stop_gradient,
    "argmax": reductions.argmax,
    "cumsum": _on(lambda b, x, axis, r: reductions.cumulative(b, "sum", x, axis, r), ("x", "axis", "reverse")),
    "cummax": _on(lambda b, x, axis, r: reductions.cumulative(b, "max", x, axis, r), ("x", "axis", "reverse")),
    "cdiv": _on(_cdiv, ("a", "b")),
    "next_power_of_two": _next_power_of_two,
    "static_assert": _static_assert,
}


def _fold(op: str) -> Lowering:
    def lower(b: Builder, base: Value, axis: object, keepdims: object) -> object:
        return reductions.fold_axis(b, op, base, axis, keepdims)

    return lower


METHOD_LIBRARY: dict[str, Lowering] = {
    "to": lambda b, base, dtype: to(b, base, dtype),
    "sum": _fold("sum"),
    "max": _fold("max"),
    "min": _fold("min"),
}
