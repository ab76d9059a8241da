"""Reductions and scans along an axis, with a combine region over scalars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from treadle.frontend import dtypes
from treadle.frontend.associativity import check_associative
from treadle.frontend.builder import Builder, is_number
from treadle.frontend.casts import cast, renamed, settle
from treadle.frontend.dtypes import DType
from treadle.frontend.elementwise import extremum_same, same
from treadle.frontend.shaping import arange, broadcast, check_axis, expand
from treadle.frontend.values import Scalar, Tile, Value, describe, make, show_shape

Combine = Callable[[list[Any]], Sequence[object]]
"""Earlier elements, then later ones, to their combination."""


def combine_op(b: Builder, op: str, x: Value, y: Value) -> Value:
    """sum, max or min of two scalars."""
    if op == "sum":
        return same(b, "+", x, y, x.dtype, ())
    return extremum_same(b, op, x, y, x.dtype, ())


def along(
    b: Builder, kind: str, tiles: list[Tile], axis: int, combine: Combine, reverse: bool = False
) -> list[Tile | Value]:
    """A `tile.reduce` or `tile.scan` (`kind`)."""
    args: list[Scalar] = [Scalar(b.emitter.fresh(), t.dtype) for t in (*tiles, *tiles)]
    loc = b.emitter.loc
    node = b.node
    with b.emitter.isolated() as body:
        results = [_as(b, r, t.dtype) for r, t in zip(combine(args), tiles, strict=True)]
        b.at(node)
        types = ", ".join(t.dtype.name for t in tiles)
        b.emitter.line(f"tile.yield {', '.join(r.name for r in results)} : {types}")
    shape = tiles[0].shape
    if kind == "reduce":
        shape = (*shape[:axis], *shape[axis + 1 :])
    operands = ", ".join(t.name for t in tiles)
    outs = [make("", t.dtype, shape) for t in tiles]
    names = b.emitter.open_many(f"tile.{kind} ({operands}) along {axis}{' reverse' if reverse else ''} {{", len(tiles))
    b.emitter.raw(f"^bb0({', '.join(f'{a.name}: {a.type}' for a in args)}):")
    b.emitter.lines += body
    signature = f"({', '.join(t.type for t in tiles)}) -> ({', '.join(o.type for o in outs)})"
    b.emitter.raw(f"}} : {signature}{loc}")
    return [renamed(name, out) for name, out in zip(names, outs, strict=True)]


def _as(b: Builder, result: object, dtype: DType) -> Value:
    """A result of the combine function, checked."""
    if is_number(result):
        return b.constant(result, dtype)
    if isinstance(result, Scalar) and result.dtype is dtypes.index and dtype.kind == "int":
        return cast(b, result, dtype)
    if not isinstance(result, Scalar) or result.dtype is not dtype:
        raise b.error(f"the combine function returns {describe(result)} where {dtype} is needed")
    return result


def reduce(b: Builder, xs: object, axis: object, combine: Combine) -> object:
    """td.reduce: a tile for a tile, a tuple for a tuple."""
    tiles = operands(b, xs, "reduce")
    k = check_axis(b, axis, tiles[0], "reduce")
    out = [settle(b, v) for v in along(b, "reduce", tiles, k, combine)]
    check_associative(b, [t.dtype for t in tiles], combine)
    return tuple(out) if isinstance(xs, tuple) else out[0]


def scan(b: Builder, xs: object, axis: object, combine: Combine, reverse: object) -> object:
    """td.scan."""
    tiles = operands(b, xs, "scan")
    k = check_axis(b, axis, tiles[0], "scan")
    out = along(b, "scan", tiles, k, combine, check_flag(b, reverse, "reverse"))
    check_associative(b, [t.dtype for t in tiles], combine)
    return tuple(out) if isinstance(xs, tuple) else out[0]


def check_flag(b: Builder, value: object, what: str) -> bool:
    """A constant bool."""
    if not isinstance(value, bool):
        raise b.error(f"{what} is {describe(value)}, not a constant bool")
    return value


def operands(b: Builder, xs: object, what: str) -> list[Tile]:
    """The operands of a reduction: one or more tiles of one shape."""
    items = xs if isinstance(xs, tuple) else (xs,)
    if not items:
        raise b.error(f"{what} of an empty tuple")
    tiles = [b.tile(x, f"an operand of {what}") for x in items]
    if len({t.shape for t in tiles}) > 1:
        shown = " and ".join(show_shape(t.shape) for t in tiles)
        raise b.error(f"operands of {what} have different shapes: {shown}")
    return tiles


def fold_axis(b: Builder, op: str, x: object, axis: object, keepdims: object = False) -> object:
    """`.sum`, `.max` and `.min`; without an axis, over all of them."""
    tile = b.tile(x, f"the operand of {op}")
    _check_element(b, op, tile)

    def combine(args: list[Scalar]) -> list[object]:
        return [combine_op(b, op, args[0], args[1])]

    keep = check_flag(b, keepdims, "keepdims")
    if axis is None:
        current: Value = tile
        for k in reversed(range(len(tile.shape))):
            assert isinstance(current, Tile)
            current = along(b, "reduce", [current], k, combine)[0]
        return settle(b, current)
    k = check_axis(b, axis, tile, op)
    out = along(b, "reduce", [tile], k, combine)[0]
    if keep and isinstance(out, Tile):
        return expand(b, out, k)
    return settle(b, out)


def cumulative(b: Builder, op: str, x: object, axis: object, reverse: object) -> object:
    """td.cumsum (`op` is "sum") and td.cummax."""
    tile = b.tile(x, f"the operand of cum{op}")
    _check_element(b, op, tile, f"cum{op}")
    k = check_axis(b, axis, tile, f"cum{op}")
    flag = check_flag(b, reverse, "reverse")
    return along(b, "scan", [tile], k, lambda args: [combine_op(b, op, args[0], args[1])], flag)[0]


def _check_element(b: Builder, op: str, tile: Tile, what: str | None = None) -> None:
    if tile.dtype is dtypes.i1:
        raise b.error(f"{what or op} of {describe(tile)}", "convert it first with .to(td.i32)")
    if op == "sum" and tile.dtype.is_float and tile.dtype is not dtypes.f32:
        raise b.error(
            f"{what or op} of {describe(tile)} would round at every step", "convert it first with .to(td.f32)"
        )


def argmax(b: Builder, x: object, axis: object) -> object:
    """td.argmax: the first index of the maximum, i32."""
    tile = b.tile(x, "the operand of argmax")
    if tile.dtype is dtypes.i1:
        raise b.error(f"argmax of {describe(tile)}", "convert it first with .to(td.i32)")
    k = check_axis(b, axis, tile, "argmax")
    positions = arange(b, tile.shape[k], None, dtypes.i32)
    for _ in range(k + 1, len(tile.shape)):
        positions = expand(b, positions, len(positions.shape))
    positions = broadcast(b, positions, tile.shape)

    def combine(args: list[Scalar]) -> list[object]:
        value, at, other, other_at = args
        kind = ("cmpf ogt", "cmpf oeq") if tile.dtype.is_float else ("cmpi sgt", "cmpi eq")
        above, equal = (b.emit(f"arith.{op}, {value.name}, {other.name} : {tile.dtype}", dtypes.i1) for op in kind)
        first = b.emit(f"arith.cmpi slt, {at.name}, {other_at.name} : i32", dtypes.i1)
        tie = b.emit(f"arith.andi {equal.name}, {first.name} : i1", dtypes.i1)
        left = b.emit(f"arith.ori {above.name}, {tie.name} : i1", dtypes.i1)
        return [
            b.emit(f"arith.select {left.name}, {p.name}, {q.name} : {p.type}", p.dtype)
            for p, q in ((value, other), (at, other_at))
        ]

    return settle(b, along(b, "reduce", [tile, positions], k, combine)[1])
