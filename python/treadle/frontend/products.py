"""Matrix products."""

from __future__ import annotations

from treadle.frontend import dtypes
from treadle.frontend.builder import Builder, is_number
from treadle.frontend.elementwise import binary
from treadle.frontend.reductions import fold_axis
from treadle.frontend.shaping import expand
from treadle.frontend.values import Scalar, Tile, Value, describe, show_shape, tile_type

PRECISIONS = ("ieee", "tf32", "tf32x3")


def dot(b: Builder, a: object, c: object, acc: object = None, precision: object = "ieee") -> Value:
    """td.dot: `a · c + acc` in f32."""
    if b.step:
        if acc is not None or precision != "ieee":
            raise b.error("td.dot in a step takes two operands", "write a @ b, and add to it")
        return step_product(b, a, c)
    left, right = b.tile(a, "operand a of dot"), b.tile(c, "operand b of dot")
    if len(left.shape) != 2 or len(right.shape) != 2:
        raise b.error(
            f"dot takes tiles of two axes: a is {show_shape(left.shape)}, b is {show_shape(right.shape)}",
            "add an axis with x[None, :], or use (x * y).sum(axis=0)",
        )
    if left.dtype is not right.dtype:
        raise b.error(
            f"dot operands have different dtypes: a is {left.dtype}, b is {right.dtype}",
            "convert one of them with .to(...)",
        )
    if not left.dtype.is_float:
        raise b.error(f"dot takes f32, f16 or bf16: a and b are {left.dtype}", "convert them with .to(td.f32)")
    (m, k), (k2, n) = left.shape, right.shape
    if k != k2:
        hint = "transpose b with b.T" if k == n else "transpose a with a.T" if m == k2 else None
        raise b.error(f"dot operands do not agree: a is {show_shape(left.shape)}, b is {show_shape(right.shape)}", hint)
    if precision not in PRECISIONS:
        raise b.error(f"precision of dot is {describe(precision)}", 'it is "ieee", "tf32" or "tf32x3"')
    out = tile_type((m, n), dtypes.f32)
    start = _accumulator(b, acc, (m, n))
    mode = f" precision {precision}" if left.dtype is dtypes.f32 and precision != "ieee" else ""
    name = b.emitter.op(f"tile.dot {left.name}, {right.name}, {start}{mode} : {left.type}, {right.type} -> {out}")
    return Tile(name, dtypes.f32, (m, n))


def step_product(b: Builder, a: object, c: object) -> Value:
    """`a @ b` of a vector and a vector or matrix, as products and a sum."""
    for x in (a, c):
        if is_number(x) or isinstance(x, Scalar):
            raise b.error(f"'@' of {describe(x)}, not a vector or a matrix", "multiply by a scalar with *")
    left, right = b.tile(a, "an operand of '@'"), b.tile(c, "an operand of '@'")
    for x in (left, right):
        if x.dtype is not dtypes.f32:
            raise b.error(f"'@' takes f32: one operand is {describe(x)}", "convert it with .to(td.f32)")
    ranks = (len(left.shape), len(right.shape))
    if ranks not in ((1, 1), (1, 2), (2, 1)):
        raise b.error(
            f"'@' in a step takes a vector and a vector or matrix: a is {show_shape(left.shape)}, "
            f"b is {show_shape(right.shape)}",
            "a step is one token; write (x * y).sum(axis) for other sums of products",
        )
    if left.shape[-1] != right.shape[0]:
        turned = left.shape[-1] == right.shape[-1], left.shape[0] == right.shape[0]
        hint = "transpose b with b.T" if ranks == (1, 2) and turned[0] else (
            "transpose a with a.T" if ranks == (2, 1) and turned[1] else None
        )  # fmt: skip
        raise b.error(
            f"operands of '@' do not agree: a is {show_shape(left.shape)}, b is {show_shape(right.shape)}", hint
        )
    if ranks == (1, 2):
        left = expand(b, left, 1)
    elif ranks == (2, 1):
        right = expand(b, right, 0)
    out = fold_axis(b, "sum", binary(b, "*", left, right), 1 if ranks == (2, 1) else 0)
    assert isinstance(out, Value)
    return out


def outer(b: Builder, x: object, y: object) -> object:
    """td.outer."""
    rows, columns = b.tile(x, "the first operand of outer"), b.tile(y, "the second operand of outer")
    if len(rows.shape) != 1 or len(columns.shape) != 1:
        raise b.error(
            f"outer takes vectors: the operands are {show_shape(rows.shape)} and {show_shape(columns.shape)}",
            "broadcast other shapes, as in x[:, :, None] * y[None, None, :]",
        )
    return binary(b, "*", expand(b, rows, 1), expand(b, columns, 0))


def _accumulator(b: Builder, acc: object, shape: tuple[int, int]) -> str:
    if acc is None:
        return b.constant(0.0, dtypes.f32, shape).name
    if not isinstance(acc, Tile) or acc.dtype is not dtypes.f32 or acc.shape != shape:
        raise b.error(
            f"acc of dot is {describe(acc)}, the product is an f32 tile {show_shape(shape)}",
            f"start it with td.zeros({shape}, td.f32)",
        )
    return acc.name
