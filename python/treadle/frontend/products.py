"""Matrix products."""

from __future__ import annotations

from treadle.frontend import dtypes
from treadle.frontend.builder import Builder
from treadle.frontend.values import Tile, describe, show_shape, tile_type

PRECISIONS = ("ieee", "tf32", "tf32x3")


def dot(b: Builder, a: object, c: object, acc: object = None, precision: object = "ieee") -> Tile:
    """td.dot: `a · c + acc` in f32."""
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


def _accumulator(b: Builder, acc: object, shape: tuple[int, int]) -> str:
    if acc is None:
        return b.constant(0.0, dtypes.f32, shape).name
    if not isinstance(acc, Tile) or acc.dtype is not dtypes.f32 or acc.shape != shape:
        raise b.error(
            f"acc of dot is {describe(acc)}, the product is an f32 tile {show_shape(shape)}",
            f"start it with td.zeros({shape}, td.f32)",
        )
    return acc.name
