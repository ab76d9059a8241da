"""Powers, factorials and Taylor features along an axis of their own."""

from __future__ import annotations

import math

from treadle.frontend import dtypes
from treadle.frontend.builder import Builder, is_number
from treadle.frontend.elementwise import binary, compare, where
from treadle.frontend.mathops import f32_only
from treadle.frontend.products import outer
from treadle.frontend.shaping import MAX_ELEMENTS, arange, check_extent, check_shape, expand, reshape
from treadle.frontend.stepparts import joined
from treadle.frontend.values import Tile, Value, describe, show_shape

MAX_FACTORIAL = 34
"""The last whose factorial is an f32."""


MAX_PARTS = 16
"""Elements of a row of powers or factorials, up to which each is a value of its own in a step."""


def powers(b: Builder, x: object, P: object, first: object = 1.0) -> object:
    """td.powers: each x times the one before; in kernels, and where there are many, by squaring."""
    n = _degree(b, P, "powers")
    v = b.constant(x, dtypes.f32) if is_number(x) else f32_only(b, "powers", x)
    start = b.constant(first, dtypes.f32, v.dims) if is_number(first) else f32_only(b, "powers", first)
    if start.dims != v.dims:
        raise b.error(
            f"powers of {describe(v)} from {describe(start)}", "the first has the shape of what powers are taken of"
        )
    shape = (*v.dims, n + 1)
    if math.prod(shape) > MAX_ELEMENTS:
        raise b.error(f"powers has the shape {show_shape(shape)}, at most {MAX_ELEMENTS} elements are allowed")
    if b.step and 0 < n < MAX_PARTS:
        parts = [start]
        for _ in range(n):
            parts.append(v if first == 1.0 and len(parts) == 1 else b.value(binary(b, "*", parts[-1], v), "a power"))
        return joined(b, parts, len(v.dims), shape)
    result = _by_squaring(b, v, n, shape)
    if first == 1.0:
        return result
    return binary(b, "*", result, expand(b, start, len(start.shape)) if isinstance(start, Tile) else start)


def _by_squaring(b: Builder, v: Value, n: int, shape: tuple[int, ...]) -> object:
    """Powers, each square a factor of those that have its bit."""
    result: object = b.constant(1.0, dtypes.f32, shape)
    if n == 0:
        return result
    exponents = arange(b, n + 1, None, dtypes.i32)
    square: object = v
    bit = 1
    while bit <= n:
        has_bit = compare(b, "!=", binary(b, "&", exponents, bit), 0)
        column = expand(b, square, len(square.shape)) if isinstance(square, Tile) else square
        factor = where(b, has_bit, column, 1.0)
        result = factor if bit == 1 else binary(b, "*", result, factor)
        bit *= 2
        if bit <= n:
            square = binary(b, "*", square, square)
    return result


def factorials(b: Builder, P: object) -> object:
    """td.factorials: each number rounded once; in kernels, and where there are many, chosen where it begins."""
    n = _degree(b, P, "factorials")
    if n > MAX_FACTORIAL:
        raise b.error(f"factorials up to {n}!, which f32 cannot hold", f"the last that fits is {MAX_FACTORIAL}!")
    if b.step and 0 < n < MAX_PARTS:
        numbers = [b.constant(float(math.factorial(k)), dtypes.f32) for k in range(n + 1)]
        return joined(b, numbers, 0, (n + 1,))
    result: object = b.constant(1.0, dtypes.f32, (n + 1,))
    if n < 2:
        return result
    at = arange(b, n + 1, None, dtypes.i32)
    for k in range(2, n + 1):
        result = where(b, compare(b, ">=", at, k), float(math.factorial(k)), result)
    return result


def taylor(b: Builder, x: object, order: object) -> Tile:
    """td.taylor: 1, x, and the products of x with itself."""
    v = b.tile(x, "the operand of taylor")
    f32_only(b, "taylor", v)
    if len(v.shape) != 1:
        raise b.error(f"taylor of {describe(v)}, not of a vector", "take a row first, as in x[0]")
    if isinstance(order, bool) or order not in (1, 2):
        raise b.error(f"the order of taylor is {describe(order)}, not 1 or 2")
    (n,) = v.shape
    parts = [b.constant(1.0, dtypes.f32, (1,)), v]
    if order == 2:
        check_shape(b, (n * n,), "taylor's products")
        parts.append(reshape(b, binary(b, "*", outer(b, v, v), 1 / math.sqrt(2)), n * n))
    return joined(b, parts, 0, (sum(part.dims[0] for part in parts),))


def _degree(b: Builder, P: object, what: str) -> int:
    if not isinstance(P, int) or isinstance(P, bool) or P < 0:
        raise b.error(
            f"the degree of {what} is {describe(P)}, not a constant integer from 0", "write a number, or a td.Const"
        )
    check_extent(b, P + 1, f"the last axis of {what}")
    return int(P)
