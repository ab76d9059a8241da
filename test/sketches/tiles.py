"""The tile primitives a sketch may use, as NumPy.

One function per op of the `tile` dialect, with its rules: shapes are powers of two, operands of an elementwise op have
equal shapes, out-of-bounds elements read as `other` and are not written. A tile shows no array, so a sketch has no
way round the primitives; every use is recorded. `scan` and `reduce` combine in tree order, so a combine that is not
associative fails.

A Python `for` over `range` is unrolled at compile time; `loop` is a loop of the program (`scf.for`).
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

PRIMITIVES = (
    *("dim", "load", "store", "iota", "splat", "expand_dims", "broadcast", "transpose", "reshape", "extract"),
    *("dot", "reduce", "scan"),
    *("constant", "add", "sub", "mul", "div", "neg", "exp", "log", "min", "max", "compare", "select", "cast"),
    "for",
)

_records: list[Counter[str]] = []


@contextlib.contextmanager
def record() -> Iterator[Counter[str]]:
    """Count the primitives used inside the `with` block."""
    used: Counter[str] = Counter()
    _records.append(used)
    try:
        yield used
    finally:
        _records.remove(used)


def _use(primitive: str) -> None:
    assert primitive in PRIMITIVES, primitive
    for used in _records:
        used[primitive] += 1


class View:
    """A tensor in global memory."""

    def __init__(self, array: Array) -> None:
        self._array = array


class Tile:
    """A value of static shape; rank 0 is a scalar."""

    def __init__(self, array: Array) -> None:
        self._array = np.asarray(array)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    def __add__(self, other: Operand) -> Tile:
        return _elementwise("add", np.add, self, other)

    def __sub__(self, other: Operand) -> Tile:
        return _elementwise("sub", np.subtract, self, other)

    def __rsub__(self, other: float) -> Tile:
        return _constant(other, self) - self

    def __mul__(self, other: Operand) -> Tile:
        return _elementwise("mul", np.multiply, self, other)

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other: Operand) -> Tile:
        return _elementwise("div", np.divide, self, other)

    def __neg__(self) -> Tile:
        return _elementwise("neg", np.negative, self)

    def __le__(self, other: Operand) -> Tile:
        return _elementwise("compare", np.less_equal, self, other)

    def __lt__(self, other: Operand) -> Tile:
        return _elementwise("compare", np.less, self, other)


Operand = Tile | float


def _made(array: Array) -> Tile:
    """A result of a tile op: its shape must be one the dialect has."""
    assert all(n > 0 and n & (n - 1) == 0 for n in array.shape), f"shape {array.shape} is not of powers of two"
    return Tile(array)


def _constant(value: float, like: Tile) -> Tile:
    _use("constant")
    return Tile(np.full(like.shape, value, like._array.dtype))


def _elementwise(name: str, function: Callable[..., Array], *operands: Operand) -> Tile:
    like = next(x for x in operands if isinstance(x, Tile))
    tiles = [x if isinstance(x, Tile) else _constant(x, like) for x in operands]
    assert all(t.shape == like.shape for t in tiles), f"{name}: shapes {[t.shape for t in tiles]} differ"
    assert all(t._array.dtype == like._array.dtype for t in tiles), f"{name}: types differ"
    _use(name)
    with np.errstate(all="ignore"):
        return Tile(function(*(t._array for t in tiles)))


# Elementwise ---------------------------------------------------------------------------------------------------------


def exp(x: Tile) -> Tile:
    return _elementwise("exp", np.exp, x)


def log(x: Tile) -> Tile:
    return _elementwise("log", np.log, x)


def minimum(x: Operand, y: Operand) -> Tile:
    return _elementwise("min", np.minimum, x, y)


def maximum(x: Operand, y: Operand) -> Tile:
    return _elementwise("max", np.maximum, x, y)


def where(condition: Tile, x: Tile, y: Operand) -> Tile:
    other = y if isinstance(y, Tile) else _constant(y, x)
    assert condition.shape == x.shape == other.shape, f"select: {condition.shape}, {x.shape}, {other.shape}"
    _use("select")
    return Tile(np.where(condition._array, x._array, other._array))


def cast(x: Tile | int, like: Tile) -> Tile:
    """Integers as the floating type of `like`."""
    _use("cast")
    return Tile(np.asarray(x._array if isinstance(x, Tile) else x).astype(like._array.dtype))


# Shape ---------------------------------------------------------------------------------------------------------------


def iota(n: int) -> Tile:
    _use("iota")
    return _made(np.arange(n))


def splat(x: Tile, shape: Sequence[int]) -> Tile:
    assert x.shape == ()
    _use("splat")
    return _made(np.full(shape, x._array))


def zeros(shape: Sequence[int], like: Tile) -> Tile:
    _use("constant")
    return _made(np.zeros(shape, like._array.dtype))


def expand_dims(x: Tile, axis: int) -> Tile:
    _use("expand_dims")
    return _made(np.expand_dims(x._array, axis))


def broadcast(x: Tile, shape: Sequence[int]) -> Tile:
    assert len(shape) == len(x.shape) and all(m in (1, n) for m, n in zip(x.shape, shape, strict=True))
    _use("broadcast")
    return _made(np.broadcast_to(x._array, shape))


def transpose(x: Tile) -> Tile:
    _use("transpose")
    return _made(x._array.T)


def reshape(x: Tile, shape: Sequence[int]) -> Tile:
    assert math.prod(shape) == math.prod(x.shape)
    _use("reshape")
    return _made(x._array.reshape(shape))


def extract(x: Tile, start: Sequence[int], shape: Sequence[int]) -> Tile:
    """The sub-block of `shape` at the compile-time position `start`, wholly inside; starts are multiples of sizes."""
    assert all(s % n == 0 and 0 <= s <= m - n for s, n, m in zip(start, shape, x.shape, strict=True))
    _use("extract")
    return _made(x._array[tuple(slice(s, s + n) for s, n in zip(start, shape, strict=True))])


# Memory --------------------------------------------------------------------------------------------------------------


def dim(view: View, axis: int) -> int:
    _use("dim")
    return int(view._array.shape[axis])


def _window(view: View, index: Sequence[int], along: Sequence[int], shape: Sequence[int]) -> tuple[Any, Any, bool]:
    """Where the tile meets the view, as an index of the view and one of the tile; and whether it does at all."""
    assert len(index) == view._array.ndim and list(along) == sorted(along) and len(along) == len(shape)
    inside, part, meets = list[Any](index), [], True
    for axis in range(view._array.ndim):
        size = view._array.shape[axis]
        if axis in along:
            start, length = index[axis], shape[list(along).index(axis)]
            low, high = max(start, 0), min(start + length, size)
            inside[axis] = slice(low, high)
            part.append(slice(low - start, high - start))
            meets = meets and low < high
        else:
            meets = meets and 0 <= index[axis] < size
    return tuple(inside), tuple(part), meets


def load(view: View, index: Sequence[int], along: Sequence[int], shape: Sequence[int], other: float = 0) -> Tile:
    _use("load")
    result = np.full(shape, other, view._array.dtype)
    inside, part, meets = _window(view, index, along, shape)
    if meets:
        result[part] = view._array[inside]
    return _made(result)


def store(tile: Tile, view: View, index: Sequence[int], along: Sequence[int]) -> None:
    _use("store")
    inside, part, meets = _window(view, index, along, tile.shape)
    assert tile._array.dtype == view._array.dtype
    if meets:
        view._array[inside] = tile._array[part]


# Products, reductions, scans -----------------------------------------------------------------------------------------


def dot(a: Tile, b: Tile) -> Tile:
    assert len(a.shape) == len(b.shape) == 2 and a.shape[1] == b.shape[0], f"dot: {a.shape}, {b.shape}"
    _use("dot")
    with np.errstate(all="ignore"):
        return _made(a._array @ b._array)


Combine = Callable[..., tuple[Tile, ...]]
"""Takes the parts of the earlier element, then those of the later one; its operations are those of the region."""


def _cut(x: Tile, axis: int, start: int, stop: int) -> Tile:
    return Tile(x._array[(slice(None),) * axis + (slice(start, stop),)])


def reduce(tiles: Sequence[Tile], axis: int, combine: Combine) -> tuple[Tile, ...]:
    _use("reduce")
    parts = tuple(tiles)
    n = parts[0].shape[axis]
    while n > 1:
        n //= 2
        parts = combine(*(_cut(x, axis, 0, n) for x in parts), *(_cut(x, axis, n, 2 * n) for x in parts))
    return tuple(_made(x._array.squeeze(axis)) for x in parts)


def scan(tiles: Sequence[Tile], axis: int, combine: Combine, reverse: bool = False) -> tuple[Tile, ...]:
    """Inclusive; with `reverse` from the far end, which then holds the earliest element."""
    _use("scan")
    n = tiles[0].shape[axis]
    parts = tuple(Tile(np.flip(x._array, axis)) if reverse else x for x in tiles)
    step = 1
    while step < n:
        later = combine(*(_cut(x, axis, 0, n - step) for x in parts), *(_cut(x, axis, step, n) for x in parts))
        parts = tuple(
            Tile(np.concatenate([_cut(x, axis, 0, step)._array, y._array], axis))
            for x, y in zip(parts, later, strict=True)
        )
        step *= 2
    return tuple(_made(np.flip(x._array, axis) if reverse else x._array) for x in parts)


def add(x: Tile, y: Tile) -> tuple[Tile, ...]:
    """The combine of sums."""
    return (x + y,)


# Control -------------------------------------------------------------------------------------------------------------


def loop(start: int, stop: int, step: int) -> Iterator[int]:
    _use("for")
    yield from range(start, stop, step)


# Shorthands: a row or a column repeated -------------------------------------------------------------------------------


def across(column: Tile, n: int) -> Tile:
    """x[i] at [i, j]."""
    return broadcast(expand_dims(column, 1), (*column.shape, n))


def down(row: Tile, n: int) -> Tile:
    """x[j] at [i, j]."""
    return broadcast(expand_dims(row, 0), (n, *row.shape))
