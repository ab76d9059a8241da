"""Operators on scalars and tiles: dtype agreement, broadcasting, the operation."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeGuard

from treadle.frontend import dtypes, indexmath
from treadle.frontend.builder import Builder, is_number
from treadle.frontend.casts import adapt, cast
from treadle.frontend.dtypes import DType
from treadle.frontend.shaping import broadcast, common_shape
from treadle.frontend.values import LambdaRef, Scalar, TensorRef, Tile, Value, describe

FOLD: dict[str, Callable[[Any, Any], object]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": operator.pow, "&": operator.and_, "|": operator.or_, "^": operator.xor,
    "<<": operator.lshift, ">>": operator.rshift, "==": operator.eq, "!=": operator.ne, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_FLOAT = {"+": "addf", "-": "subf", "*": "mulf", "/": "divf"}
_INT = {"+": "addi", "-": "subi", "*": "muli", "&": "andi", "|": "ori", "^": "xori", "<<": "shli", ">>": "shrsi"}
_INDEX = {
    "+": indexmath.add,
    "-": indexmath.sub,
    "*": indexmath.mul,
    "//": indexmath.floordiv,
    "%": indexmath.mod,
}
_COMPARE_FLOAT = {"==": "oeq", "!=": "une", "<": "olt", "<=": "ole", ">": "ogt", ">=": "oge"}
_COMPARE_INT = {"==": "eq", "!=": "ne", "<": "slt", "<=": "sle", ">": "sgt", ">=": "sge"}
# Not + and *: they wrap.
_KEEPS_NONNEG = {"//", "%", "&", "|", ">>"}
_MAX_POWER = 16


def is_constant(value: object) -> bool:
    """True when `value` is known at compile time."""
    return not isinstance(value, (Value, TensorRef, LambdaRef)) and not (
        isinstance(value, tuple) and not all(map(is_constant, value))
    )


def unify(
    b: Builder, values: list[object], what: str, extra: tuple[int, ...] = ()
) -> tuple[list[Value], DType, tuple[int, ...]]:
    """Operands at one dtype and one shape, broadcast against `extra` too. Numbers take the dtype of the others."""
    for value in values:
        if not is_number(value) and not isinstance(value, Value):
            raise b.not_a_value(value, f"an operand of {what}")
    dtype = common_dtype(b, values, what)
    shape = common_shape(b, [v.dims for v in values if isinstance(v, Value)] + [extra], what)
    if shape and dtype is dtypes.index:
        dtype = dtypes.i32
    out: list[Value] = []
    for value in values:
        if isinstance(value, Tile):
            out.append(broadcast(b, value, shape) if value.shape != shape else value)
        else:
            out.append(adapt(b, value, dtype, shape, what))
    return out, dtype, shape


def common_dtype(b: Builder, values: list[object], what: str) -> DType:
    """The dtype that operands agree on: an index scalar takes that of an integer tile."""
    typed = [v for v in values if isinstance(v, Value)]
    if not typed:
        kinds = [b.literal_dtype(v) for v in values if isinstance(v, (int, float))]
        return next((k for k in kinds if k.is_float), kinds[0])
    fixed = [v for v in typed if not (isinstance(v, Scalar) and v.dtype is dtypes.index)]
    dtype = fixed[0].dtype if fixed else dtypes.index
    for v in typed:
        if v.dtype is dtype or (v.dtype is dtypes.index and isinstance(v, Scalar) and dtype.kind == "int"):
            continue
        anchor = next(x for x in typed if x.dtype is dtype)
        first, second = (x for x in typed if x is v or x is anchor)
        raise b.error(
            f"operands of {what} have different dtypes: {describe(first)} and {describe(second)}",
            f"convert one of them, as in .to(td.{_wider(first.dtype, second.dtype)})",
        )
    return dtype


def _wider(a: DType, c: DType) -> DType:
    floats = [t for t in (a, c) if t.is_float]
    if len(floats) == 2:
        return a if a.bits > c.bits else c if c.bits > a.bits else dtypes.f32
    if floats:
        return floats[0]
    return max((a, c), key=lambda t: t.bits if t is not dtypes.index else 0)


def fold(b: Builder, op: str, left: object, right: object) -> object:
    """An operator on constants, by Python."""
    try:
        out = FOLD[op](left, right)
    except ZeroDivisionError:
        raise b.error("division by zero") from None
    except (TypeError, ValueError, OverflowError) as e:
        raise b.error(f"'{op}' of {describe(left)} and {describe(right)}: {e}") from None
    if isinstance(out, complex):
        raise b.error(f"'{op}' of {describe(left)} and {describe(right)} is not a real number")
    if isinstance(out, int) and out.bit_length() > 4096:
        raise b.error(f"'{op}' of these constants is too large")
    return out


def binary(b: Builder, op: str, left: object, right: object) -> object:
    """`left op right` for an arithmetic or bitwise operator."""
    if (is_constant(left) and is_constant(right)) or (isinstance(left, tuple) and isinstance(right, tuple)):
        if op in ("**", "<<") and isinstance(right, int) and abs(right) > 4096:
            raise b.error(f"'{op}' by {right} is too large")
        return fold(b, op, left, right)
    if op == "**":
        return _power(b, left, right)
    if op in _INDEX and _is_index(left) and _is_index(right):
        return _INDEX[op](b, left, right)
    values, dtype, shape = unify(b, [left, right], f"'{op}'")
    return same(b, op, values[0], values[1], dtype, shape)


def _is_index(v: object) -> TypeGuard[int | Scalar]:
    """True for an integer constant and an index scalar."""
    if isinstance(v, Scalar):
        return v.dtype is dtypes.index
    return isinstance(v, int) and not isinstance(v, bool)


def same(b: Builder, op: str, x: Value, y: Value, dtype: DType, shape: tuple[int, ...]) -> Value:
    """An operator on two operands of one type."""
    if dtype.is_float:
        if op not in _FLOAT:
            hint = "divide with / instead" if op == "//" else "convert with .to(td.i32) first"
            raise b.error(f"'{op}' is not defined for {dtype}", hint)
        return b.emit(f"arith.{_FLOAT[op]} {x.name}, {y.name} : {x.type}", dtype, shape)
    if op == "/":
        raise b.error(f"'/' of integers ({dtype}) is not defined", "divide with //, or convert with .to(td.f32) first")
    if dtype is dtypes.i1 and op not in ("&", "|", "^"):
        raise b.error(f"'{op}' is not defined for i1", "convert with .to(td.i32) first")
    nonneg = op in _KEEPS_NONNEG and x.nonneg and y.nonneg
    if op in ("//", "%"):
        return _divide(b, op, x, y, nonneg)
    return b.emit(f"arith.{_INT[op]} {x.name}, {y.name} : {x.type}", dtype, shape, nonneg)


def _divide(b: Builder, op: str, x: Value, y: Value, nonneg: bool) -> Value:
    """`//` and `%` of integer tiles, rounding down like Python."""

    def emit(name: str, left: Value, right: Value) -> Value:
        return b.emit(f"arith.{name} {left.name}, {right.name} : {x.type}", x.dtype, x.dims, nonneg)

    if nonneg:
        return emit("divui" if op == "//" else "remui", x, y)
    quotient = emit("floordivsi", x, y)
    return quotient if op == "//" else emit("subi", x, emit("muli", quotient, y))


def _power(b: Builder, base: object, exponent: object) -> object:
    if not isinstance(exponent, int) or isinstance(exponent, bool) or not 0 <= exponent <= _MAX_POWER:
        raise b.error(
            f"the exponent of '**' is {describe(exponent)}, not a constant integer from 0 to {_MAX_POWER}",
            "use td.exp2(y * td.log2(x)), td.sqrt or td.rsqrt",
        )
    value = b.value(base, "the base of '**'")
    if exponent == 0:
        return b.constant(1, value.dtype, value.dims)
    result: object = None
    square: object = value
    while exponent:
        if exponent & 1:
            result = square if result is None else binary(b, "*", result, square)
        exponent >>= 1
        if exponent:
            square = binary(b, "*", square, square)
    return result


def compare(b: Builder, op: str, left: object, right: object) -> object:
    """A comparison: i1 of the common shape."""
    if is_constant(left) and is_constant(right):
        return fold(b, op, left, right)
    values, dtype, shape = unify(b, [left, right], f"'{op}'")
    x, y = values
    if dtype.is_float:
        text = f"cmpf {_COMPARE_FLOAT[op]}"
    else:
        if dtype is dtypes.i1 and op not in ("==", "!="):
            raise b.error(f"'{op}' is not defined for i1", "convert with .to(td.i32) first")
        text = f"cmpi {_COMPARE_INT[op]}"
    return b.emit(f"arith.{text}, {x.name}, {y.name} : {x.type}", dtypes.i1, shape)


def negate(b: Builder, x: object) -> object:
    """-x."""
    v = b.value(x, "the operand of '-'")
    if v.dtype.is_float:
        return b.emit(f"arith.negf {v.name} : {v.type}", v.dtype, v.dims)
    return binary(b, "-", 0, v)


def invert(b: Builder, x: object) -> object:
    """~x."""
    v = b.value(x, "the operand of '~'")
    if v.dtype.is_float:
        raise b.error(f"'~' is not defined for {v.dtype}")
    return binary(b, "^", v, True if v.dtype is dtypes.i1 else -1)


def where(b: Builder, condition: object, x: object, y: object) -> object:
    """td.where."""
    if isinstance(condition, bool):
        return x if condition else y
    mask = b.value(condition, "the condition of where")
    if mask.dtype is not dtypes.i1:
        raise b.error(f"the condition of where is {describe(mask)}, not i1", "compare to get one, as in x != 0")
    values, dtype, shape = unify(b, [x, y], "where", mask.dims)
    left, right = values
    if isinstance(mask, Tile):
        mask = broadcast(b, mask, shape)
    condition_type = f"{mask.type}, " if mask.dims else ""
    text = f"arith.select {mask.name}, {left.name}, {right.name} : {condition_type}{left.type}"
    return b.emit(text, dtype, shape, left.nonneg and right.nonneg)


def extremum(b: Builder, op: str, left: object, right: object) -> object:
    """Elementwise min or max (`op`); NaN wins."""
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return min(left, right) if op == "min" else max(left, right)
    if _is_index(left) and _is_index(right):
        return indexmath.extremum(b, op, left, right)
    values, dtype, shape = unify(b, [left, right], f"{op}imum")
    return extremum_same(b, op, values[0], values[1], dtype, shape)


def extremum_same(b: Builder, op: str, x: Value, y: Value, dtype: DType, shape: tuple[int, ...]) -> Value:
    """min or max of two operands of one type."""
    if dtype is dtypes.i1:
        raise b.error(f"{op}imum is not defined for i1", "use | or &")
    name = f"{op}imumf" if dtype.is_float else f"{op}si"
    nonneg = x.nonneg and y.nonneg if op == "min" else x.nonneg or y.nonneg
    return b.emit(f"arith.{name} {x.name}, {y.name} : {x.type}", dtype, shape, nonneg and not dtype.is_float)


def index_value(b: Builder, value: object, what: str) -> Value:
    """`value` as an index scalar."""
    v = b.value(value, what)
    if isinstance(v, Tile):
        raise b.error(f"{what} is {describe(v)}, not a scalar", None)
    if v.dtype.kind == "int":
        v = cast(b, v, dtypes.index)
    if v.dtype is not dtypes.index:
        raise b.error(f"{what} is {describe(value)}, not an integer", "convert it with .to(td.index)")
    return v
