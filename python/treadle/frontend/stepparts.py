"""Tiles of a step put together, and parts of them."""

from __future__ import annotations

import ast
import math
from typing import TYPE_CHECKING

from treadle.frontend.builder import Builder, is_number
from treadle.frontend.elementwise import common_dtype
from treadle.frontend.shaping import MAX_ELEMENTS, check_axis
from treadle.frontend.values import Tile, Value, describe, show_shape, tile_type

if TYPE_CHECKING:
    from treadle.frontend.interpreter import Interpreter

_HOW = "use constants, sizes of axes and counters of td.static_range"


# ---------------------------------------------------------------------------------------------------------------------
# Parts
# ---------------------------------------------------------------------------------------------------------------------


def part(b: Builder, x: Tile, axis: int, start: int, size: int | None) -> Value:
    """What a tile has along an axis from `start` on, known to fit: `size` of it, or one element without the axis."""
    shape = (*x.shape[:axis], *(() if size is None else (size,)), *x.shape[axis + 1 :])
    if shape == x.shape:
        return x
    type_ = tile_type(shape, x.dtype) if shape else x.dtype.name
    return b.emit(f"treadle.part {x.name}, {axis}, {start} : {x.type} -> {type_}", x.dtype, shape, x.nonneg)


def are_parts(items: list[ast.expr]) -> bool:
    """Whether indices of a tile choose some of it, or nothing but the whole; not where they only add axes."""
    return not any(map(_is_none, items)) or not all(_is_none(item) or _is_whole(item) for item in items)


def index(it: Interpreter, tile: Tile, items: list[ast.expr], node: ast.Subscript) -> Value:
    """`x[3]`, `x[-1]`, `x[1:5, 0]`, axis by axis."""
    b = it.b
    if any(map(_is_none, items)):
        hint = "take the part first, then add the axis: x[1:3] and then [:, None]"
        raise b.error(f"a part of {describe(tile)} is indexed with None", hint, node)
    if any(isinstance(item, ast.Constant) and item.value is ... for item in items):
        raise b.error(f"{describe(tile)} is indexed with more than one '...'", None, node)
    if len(items) > len(tile.shape):
        axes = f"{len(tile.shape)} ax{'e' if len(tile.shape) > 1 else 'i'}s"
        raise b.error(f"{describe(tile)} has {axes}, {len(items)} are indexed", None, node)
    chosen = [_range(it, tile, axis, item) for axis, item in enumerate(items)]
    b.at(node)
    out: Value = tile
    axis = 0
    for start, size in chosen:
        assert isinstance(out, Tile)
        out = part(b, out, axis, start, size)
        axis += size is not None
    return out


def _is_none(item: ast.expr) -> bool:
    return isinstance(item, ast.Constant) and item.value is None


def _is_whole(item: ast.expr) -> bool:
    return isinstance(item, ast.Slice) and not (item.lower or item.upper or item.step)


def _range(it: Interpreter, tile: Tile, axis: int, item: ast.expr) -> tuple[int, int | None]:
    """Start and size of what an index chooses; no size: one element."""
    whole = tile.shape[axis]
    if not isinstance(item, ast.Slice):
        at = _integer(it, item, "the index of a tile is")
        if not -whole <= at < whole:
            raise it.b.error(
                f"index {at} is out of range for axis {axis} of {describe(tile)}",
                f"it is from {-whole} to {whole - 1}",
                item,
            )
        return at % whole, None
    if item.step is not None and _integer(it, item.step, "the step of a tile's slice is") != 1:
        raise it.b.error("a slice of a tile has a step", "slices are start : stop", item)
    start, stop = (
        default if bound is None or _is_none(bound) else _integer(it, bound, "the bounds of a tile's slice are")
        for bound, default in ((item.lower, 0), (item.upper, whole))
    )
    first, last = (bound + whole if bound < 0 else bound for bound in (start, stop))
    if not 0 <= first < last <= whole:
        raise it.b.error(
            f"the slice from {start} to {stop} is not inside axis {axis} of {describe(tile)}"
            if first < last
            else f"the slice from {start} to {stop} of axis {axis} of {describe(tile)} is empty",
            f"write start : stop, with start before stop, from {-whole} to {whole}",
            item,
        )
    return (first, last - first) if last - first < whole else (0, whole)


def _integer(it: Interpreter, node: ast.expr, what: str) -> int:
    """A constant integer."""
    value = it.eval(node)
    if not isinstance(value, int) or isinstance(value, bool):
        plural = what.endswith("are")
        constant = "compile-time constants" if plural else "a compile-time constant"
        raise it.b.error(f"{what} {constant}", f"this is {describe(value)}; {_HOW}", node)
    return int(value)


# ---------------------------------------------------------------------------------------------------------------------
# Concatenation
# ---------------------------------------------------------------------------------------------------------------------


def concat(b: Builder, xs: object, axis: object = 0) -> Tile:
    """td.concat."""
    if not isinstance(xs, tuple):
        raise b.error(f"concat of {describe(xs)}, not of a list", "write td.concat([a, b])")
    if not xs:
        raise b.error("concat of an empty list", "write what to put together, as in td.concat([a, b])")
    for k, x in enumerate(xs):
        if not is_number(x) and not isinstance(x, Value):
            raise b.not_a_value(x, f"part {k} of concat")
    dtype = common_dtype(b, list(xs), "concat")
    values = [x if isinstance(x, Value) else b.constant(x, dtype) for x in xs]
    tiles = [x for x in values if isinstance(x, Tile)]
    first = tiles[0] if tiles else Tile("", dtype, (len(xs),))
    k = check_axis(b, axis, first, "concat")
    for at, x in enumerate(values):
        _check_part(b, at, x, values.index(first) if tiles else 0, first, k)
    if len(tiles) == len(xs) == 1:
        return first
    size = sum(x.dims[k] if x.dims else 1 for x in values)
    return joined(b, values, k, (*first.shape[:k], size, *first.shape[k + 1 :]))


def joined(b: Builder, values: list[Value], axis: int, shape: tuple[int, ...]) -> Tile:
    """Values one after the other along an axis, known to fit; one that lacks the axis is one element."""
    if math.prod(shape) > MAX_ELEMENTS:
        raise b.error(f"concat has the shape {show_shape(shape)}, at most {MAX_ELEMENTS} elements are allowed")
    names, types = (", ".join(getattr(v, what) for v in values) for what in ("name", "type"))
    nonneg = all(v.nonneg for v in values)
    text = f"treadle.concat ({names}) along {axis} : ({types}) -> {tile_type(shape, values[0].dtype)}"
    out = b.emit(text, values[0].dtype, shape, nonneg)
    assert isinstance(out, Tile)
    return out


def _check_part(b: Builder, at: int, x: Value, first_at: int, first: Tile, axis: int) -> None:
    """An error for a part that does not have the axes of the first tile."""
    rank = len(first.shape)
    if not isinstance(x, Tile) and rank == 1:
        return
    if len(x.dims) != rank:
        other = f"part {at} is {show_shape(x.dims) if x.dims else 'a scalar'}"
        raise b.error(
            f"parts of concat have different axes: part {first_at} is {show_shape(first.shape)}, {other}",
            "add an axis with x[None, :]" if x.dims else "a scalar is one element where the others are vectors",
        )
    for k, (expected, found) in enumerate(zip(first.shape, x.dims, strict=True)):
        if k != axis and expected != found:
            raise b.error(
                f"part {at} of concat is {show_shape(x.dims)}: expected {expected} along axis {k}, as in part "
                f"{first_at}, found {found}",
                f"parts differ along axis {axis} alone",
            )


def stop_gradient(b: Builder, x: object) -> object:
    """td.stop_gradient: what the backward of a step takes for a constant."""
    if is_number(x):
        return x
    v = b.value(x, "the operand of stop_gradient")
    if not b.step or not v.dtype.is_float:
        return v
    return b.emit(f"treadle.stop_gradient {v.name} : {v.type}", v.dtype, v.dims, v.nonneg)
