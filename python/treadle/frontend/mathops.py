"""Elementary functions of f32 scalars and tiles; of constants, by Python."""

from __future__ import annotations

import math
from collections.abc import Callable

from treadle.frontend import dtypes
from treadle.frontend.builder import Builder, is_number
from treadle.frontend.elementwise import binary, compare, extremum, unify, where
from treadle.frontend.values import Value, describe

_OPS = {
    "exp": "math.exp", "exp2": "math.exp2", "log": "math.log", "log2": "math.log2", "sqrt": "math.sqrt",
    "rsqrt": "math.rsqrt", "sin": "math.sin", "cos": "math.cos", "tanh": "math.tanh", "erf": "math.erf",
    "log1p": "math.log1p",
}  # fmt: skip
_HOST: dict[str, Callable[[float], float]] = {
    "exp": math.exp, "exp2": lambda x: 2.0**x, "log": math.log, "log2": math.log2, "sqrt": math.sqrt,
    "rsqrt": lambda x: 1.0 / math.sqrt(x), "sin": math.sin, "cos": math.cos, "tanh": math.tanh, "erf": math.erf,
    "log1p": math.log1p, "sigmoid": lambda x: 1.0 / (1.0 + math.exp(-x)),
    "silu": lambda x: x / (1.0 + math.exp(-x)),
    "softplus": lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))),
}  # fmt: skip


def elementary(b: Builder, name: str, x: object) -> object:
    """td.exp and its like."""
    if isinstance(x, (int, float)) and is_number(x):
        return _on_host(b, name, x)
    v = f32_only(b, name, x)
    return b.emit(f"{_OPS[name]} {v.name} : {v.type}", v.dtype, v.dims)


def _on_host(b: Builder, name: str, x: float) -> float:
    try:
        return float(_HOST[name](x))
    except (ValueError, OverflowError, ZeroDivisionError) as e:
        raise b.error(f"td.{name}({x!r}): {e}") from None


def f32_only(b: Builder, name: str, x: object) -> Value:
    """`x` when it is f32, else an error with the conversion to write."""
    v = b.value(x, f"the operand of {name}")
    if v.dtype is not dtypes.f32:
        raise b.error(f"td.{name} takes f32, the operand is {describe(v)}", "convert it first with .to(td.f32)")
    return v


def absolute(b: Builder, x: object) -> object:
    """td.abs."""
    if isinstance(x, (int, float)) and is_number(x):
        return abs(x)
    v = b.value(x, "the operand of abs")
    if v.dtype is dtypes.i1:
        raise b.error("td.abs is not defined for i1", "convert with .to(td.i32) first")
    op = "absf" if v.dtype.is_float else "absi"
    return b.emit(f"math.{op} {v.name} : {v.type}", v.dtype, v.dims)  # the least integer stays negative


def sigmoid(b: Builder, x: object) -> object:
    """1 / (1 + exp(-x)): exp overflows to inf and the quotient to 0, as it should."""
    return _logistic(b, "sigmoid", x, 1.0)


def silu(b: Builder, x: object) -> object:
    """x * sigmoid(x), as x / (1 + exp(-x))."""
    return _logistic(b, "silu", x, x)


def _logistic(b: Builder, name: str, x: object, numerator: object) -> object:
    if isinstance(x, (int, float)) and is_number(x):
        return _on_host(b, name, x)
    v = f32_only(b, name, x)
    minus = b.emit(f"arith.negf {v.name} : {v.type}", v.dtype, v.dims)
    e = b.emit(f"math.exp {minus.name} : {v.type}", v.dtype, v.dims)
    return binary(b, "/", numerator, binary(b, "+", 1.0, e))


def softplus(b: Builder, x: object) -> object:
    """log(1 + exp(x)) as max(x, 0) + log1p(exp(-|x|))."""
    if isinstance(x, (int, float)) and is_number(x):
        return _on_host(b, "softplus", x)
    v = f32_only(b, "softplus", x)
    minus = binary(b, "-", 0.0, absolute(b, v))
    return binary(b, "+", extremum(b, "max", v, 0.0), elementary(b, "log1p", elementary(b, "exp", minus)))


def logaddexp(b: Builder, x: object, y: object) -> object:
    """log(exp(x) + exp(y)) as max + log1p(exp(-|x - y|)); equal operands (infinities too) give x + log 2."""
    for operand in (x, y):
        if not is_number(operand):
            f32_only(b, "logaddexp", operand)
    if is_number(x) and is_number(y):
        x = b.value(float(x), "x")  # type: ignore[arg-type]
    values, _, _ = unify(b, [x, y], "logaddexp")
    left, right = values
    if b.step:
        return b.emit(f"treadle.logaddexp {left.name}, {right.name} : {left.type}", left.dtype, left.dims)
    gap = absolute(b, binary(b, "-", left, right))
    minus = binary(b, "-", 0.0, gap)
    tail = elementary(b, "log1p", elementary(b, "exp", minus))
    apart = binary(b, "+", extremum(b, "max", left, right), tail)
    equal = binary(b, "+", left, math.log(2.0))
    return where(b, compare(b, "==", left, right), equal, apart)
