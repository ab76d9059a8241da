"""Shapes: expanding, broadcasting, transposing, reshaping, blocks."""

from __future__ import annotations

import math

from treadle.frontend import dtypes
from treadle.frontend.builder import Builder
from treadle.frontend.casts import adapt, check_dtype
from treadle.frontend.dtypes import DType
from treadle.frontend.values import Tile, describe, show_shape, tile_type

MAX_ELEMENTS = 1 << 20


def is_power_of_two(n: int) -> bool:
    """True for 1, 2, 4…"""
    return n > 0 and n & (n - 1) == 0


def next_power_of_two(n: int) -> int:
    """The smallest power of two that is at least `n`."""
    return 1 << max(0, n - 1).bit_length()


def check_shape(b: Builder, shape: object, what: str) -> tuple[int, ...]:
    """`shape` as a tile's shape: constant powers of two."""
    if isinstance(shape, int) and not isinstance(shape, bool):
        shape = (shape,)
    if not isinstance(shape, tuple):
        raise b.error(f"{what} is {describe(shape)}, not a shape", "write a tuple of constants, as in (64, 32)")
    if not shape:
        raise b.error(f"{what} is (), a tile has at least one axis")
    for axis, n in enumerate(shape):
        if not isinstance(n, int) or isinstance(n, bool):
            raise b.error(
                f"extent {axis} of {what} is {describe(n)}, not a constant integer",
                "take sizes from td.Const parameters and the names of axes"
                if b.step
                else "take tile sizes from td.Const parameters",
            )
        check_extent(b, n, f"extent {axis} of {what}")
    if math.prod(shape) > MAX_ELEMENTS:
        raise b.error(
            f"a tile {show_shape(shape)} has {math.prod(shape)} elements, at most {MAX_ELEMENTS} are allowed",
            None if b.step else "use smaller tiles and loop over them",
        )
    return shape


def check_extent(b: Builder, n: int, what: str) -> None:
    """An error unless `n` is a power of two; in a step, unless it is positive."""
    if b.step and n < 1:
        raise b.error(f"{what} is {n}, at least 1 is needed")
    if not b.step and not is_power_of_two(n):
        hint = f"use {next_power_of_two(n)}: loads pad and stores clip what is out of bounds" if n > 0 else None
        raise b.error(f"{what} is {n}, not a power of two", hint)


def check_axis(b: Builder, axis: object, x: Tile, what: str) -> int:
    """`axis` counted from the front."""
    rank = len(x.shape)
    if not isinstance(axis, int) or isinstance(axis, bool):
        raise b.error(f"axis of {what} is {describe(axis)}, not a constant integer")
    if not -rank <= axis < rank:
        raise b.error(
            f"axis {axis} of {what} is out of range for {describe(x)}", f"axes of this tile are 0 to {rank - 1}"
        )
    return axis % rank


def expand(b: Builder, x: Tile, axis: int) -> Tile:
    """Insert an axis of size 1."""
    shape = (*x.shape[:axis], 1, *x.shape[axis:])
    return _shaped(b, f"expand_dims {x.name}, {axis}", x, shape)


def broadcast(b: Builder, x: Tile, shape: tuple[int, ...]) -> Tile:
    """Repeat along new leading axes and axes of size 1; the shapes are known to agree."""
    while len(x.shape) < len(shape):
        x = expand(b, x, 0)
    return x if x.shape == shape else _shaped(b, f"broadcast {x.name}", x, shape)


def common_shape(b: Builder, shapes: list[tuple[int, ...]], what: str) -> tuple[int, ...]:
    """The shape several operands broadcast to."""
    rank = max(map(len, shapes))
    out = []
    for axis in range(-rank, 0):
        extents = {s[axis] for s in shapes if len(s) >= -axis} - {1}
        if len(extents) > 1:
            shown = " and ".join(show_shape(s) for s in shapes if s)
            raise b.error(
                f"shapes of {what} do not broadcast: {shown}",
                "extents must be equal or 1; add an axis with x[:, None]",
            )
        out.append(extents.pop() if extents else 1)
    return tuple(out)


def broadcast_to(b: Builder, x: object, shape: object) -> Tile:
    """td.broadcast_to."""
    target = check_shape(b, shape, "the shape")
    if not isinstance(x, Tile):
        v = b.value(x, "the operand of broadcast_to")
        dtype = dtypes.i32 if v.dtype is dtypes.index else v.dtype
        out = adapt(b, x, dtype, target, "the operand of broadcast_to")
        assert isinstance(out, Tile)
        return out
    pairs = zip(x.shape[::-1], target[::-1], strict=False)
    if len(x.shape) > len(target) or any(n not in (1, m) for n, m in pairs):
        raise b.error(f"{describe(x)} does not broadcast to {show_shape(target)}", "extents must be equal or 1")
    return broadcast(b, x, target)


def transpose(b: Builder, x: object, perm: object = None) -> Tile:
    """td.transpose and `.T`: by default the last two axes change places."""
    t = b.tile(x, "the operand of transpose")
    rank = len(t.shape)
    is_tuple_of_ints = isinstance(perm, tuple) and all(isinstance(p, int) for p in perm)
    if perm is None:
        if rank < 2:
            raise b.error(
                f"transpose of {describe(t)}: it has one axis only", "add an axis with x[:, None] or x[None, :]"
            )
        order = (*range(rank - 2), rank - 1, rank - 2)
    elif is_tuple_of_ints and isinstance(perm, tuple) and sorted(perm) == list(range(rank)):
        order = perm
    else:
        raise b.error(
            f"{perm if is_tuple_of_ints else describe(perm)} is not a permutation of the axes of {describe(t)}",
            f"use 0 to {rank - 1} once each",
        )
    if order == tuple(range(rank)):
        return t
    return _shaped(b, f"transpose {t.name}, {list(order)}", t, tuple(t.shape[p] for p in order))


def reshape(b: Builder, x: object, shape: object) -> Tile:
    """td.reshape."""
    t = b.tile(x, "the operand of reshape")
    target = check_shape(b, shape, "the shape")
    if math.prod(target) != math.prod(t.shape):
        raise b.error(
            f"reshape of {show_shape(t.shape)} to {show_shape(target)} changes the number of elements "
            f"from {math.prod(t.shape)} to {math.prod(target)}"
        )
    return t if target == t.shape else _shaped(b, f"reshape {t.name}", t, target)


def extract(b: Builder, x: Tile, offsets: list[int], shape: tuple[int, ...]) -> Tile:
    """The block of `shape` at `offsets`, known to fit."""
    return x if shape == x.shape else _shaped(b, f"extract {x.name}, {offsets}", x, shape)


def full(b: Builder, shape: object, value: object, dtype: object) -> Tile:
    """td.full."""
    target = check_shape(b, shape, "the shape")
    element = check_dtype(b, dtype)
    if element.kind == "index":
        raise b.error("a tile cannot hold index values", "use td.i32 or td.i64")
    v = adapt(b, value, element, target, "the value")
    if v.dtype is not element:
        raise b.error(f"the value is {describe(value)}, the tile is {element}", f"convert it with .to(td.{element})")
    if not isinstance(v, Tile) or v.shape != target:
        raise b.error(f"the value is {describe(value)}, not a scalar", "use td.broadcast_to for tiles")
    return v


def arange(b: Builder, lo: object, hi: object, dtype: DType) -> Tile:
    """td.arange: lo, lo + 1, … hi - 1 (0 … lo - 1 with one argument)."""
    start, stop = (0, lo) if hi is None else (lo, hi)
    for bound in (start, stop):
        if not isinstance(bound, int) or isinstance(bound, bool):
            raise b.error(
                f"a bound of arange is {describe(bound)}, not a constant integer",
                "take sizes from td.Const parameters and the names of axes"
                if b.step
                else "use constants and add the start: start.to(td.i32) + td.arange(n)",
            )
    assert isinstance(start, int) and isinstance(stop, int)
    check_extent(b, stop - start, "the length of arange")
    shape = (stop - start,)
    type_ = tile_type(shape, dtype)
    tile = Tile(b.emitter.op(f"tile.iota : {type_}"), dtype, shape, True)
    if start:
        offset = b.constant(start, dtype, shape)
        name = b.emitter.op(f"arith.addi {tile.name}, {offset.name} : {type_}")
        tile = Tile(name, dtype, shape, start >= 0)
    return tile


def _shaped(b: Builder, op: str, x: Tile, shape: tuple[int, ...]) -> Tile:
    name = b.emitter.op(f"tile.{op} : {x.type} -> {tile_type(shape, x.dtype)}")
    return Tile(name, x.dtype, shape, x.nonneg)
