"""Loads and stores: `x[i, j : j + 64]`."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from treadle.frontend import dtypes, indexmath, symbolic
from treadle.frontend.casts import adapt, cast, settle
from treadle.frontend.elementwise import index_value
from treadle.frontend.interpreter import Interpreter
from treadle.frontend.shaping import check_extent, check_shape, next_power_of_two
from treadle.frontend.values import Scalar, TensorRef, Tile, Value, describe, show_shape, tile_type


@dataclass(frozen=True)
class Region:
    """Where a load or store goes: a start per axis of the tensor; the axes the tile runs along, and its shape."""

    tensor: TensorRef
    starts: list[str]
    along: list[int]
    shape: tuple[int, ...]

    @property
    def text(self) -> str:
        """`%x[%i, %j] along [1]`."""
        return f"{self.tensor.name}[{', '.join(self.starts)}] along {self.along}"


def region(it: Interpreter, tensor: TensorRef, node: ast.Subscript) -> Region:
    """Evaluate the indices of `tensor[...]`."""
    items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    b = it.b
    if len(items) != len(tensor.axes):
        raise b.error(
            f"tensor {tensor.label} has {_count(len(tensor.axes), 'axis', 'axes')} and is indexed with "
            f"{_count(len(items), 'index', 'indices')}",
            "give one index per axis: a scalar, start : start + constant, or : for a whole constant axis",
            node=node,
        )
    starts, along, shape = [], [], []
    for axis, item in enumerate(items):
        if isinstance(item, ast.Slice):
            start, extent = _slice(it, tensor, axis, item)
            along.append(axis)
            shape.append(extent)
        else:
            start = _plain(it, tensor, item)
        b.at(node)
        starts.append(indexmath.materialize(b, start).name)
    if shape:
        check_shape(b, tuple(shape), "the tile")
    return Region(tensor, starts, along, tuple(shape))


def _plain(it: Interpreter, tensor: TensorRef, item: ast.expr) -> Scalar | int:
    value = it.eval(item)
    it.b.at(item)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, Tile):
        raise it.b.error(
            f"an index of {tensor.label} is {describe(value)}: gathers are not supported",
            "index with scalars and slices start : start + constant",
        )
    if value is None or value is Ellipsis:
        raise it.b.error(
            f"an index of {tensor.label} is {'...' if value is Ellipsis else 'None'}",
            "load a tile first, then reshape it",
        )
    out = index_value(it.b, value, f"an index of {tensor.label}")
    assert isinstance(out, Scalar)
    return out


def _slice(it: Interpreter, tensor: TensorRef, axis: int, item: ast.Slice) -> tuple[Scalar | int, int]:
    """The start and extent of a slice."""
    b = it.b
    if item.step is not None:
        raise b.error(f"a slice of {tensor.label} has a step", "slices are start : start + constant", node=item)
    if item.lower is None and item.upper is None:
        size = tensor.axes[axis]
        if isinstance(size, str):
            raise b.error(
                f"':' on axis {axis} of {tensor.label}, whose size {size} is known at the launch only",
                f"slice it with start : start + constant, or make {size} a td.Const",
                node=item,
            )
        return 0, next_power_of_two(size)
    start = 0 if item.lower is None else _bound(it, tensor, item.lower)
    if item.upper is None:
        raise b.error(f"a slice of {tensor.label} has no end", "slices are start : start + constant", node=item)
    mark = b.emitter.mark()
    end = _bound(it, tensor, item.upper)
    extent = _difference(end, start)
    b.emitter.rollback(mark)
    b.at(item)
    if extent is None:
        raise b.error(f"the extent of a slice of {tensor.label} is not constant", "slices are start : start + constant")
    check_extent(b, extent, f"the extent of axis {axis} of the tile")
    return start, extent


def _bound(it: Interpreter, tensor: TensorRef, node: ast.expr) -> Scalar | int:
    value = it.eval(node)
    it.b.at(node)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    out = index_value(it.b, value, f"a bound of a slice of {tensor.label}")
    assert isinstance(out, Scalar)
    return out


def _difference(end: Scalar | int, start: Scalar | int) -> int | None:
    p, q = (v.poly if isinstance(v, Scalar) else symbolic.constant(v) for v in (end, start))
    return None if p is None or q is None else symbolic.constant_value(symbolic.add(p, q, -1))


def load(it: Interpreter, tensor: TensorRef, node: ast.Subscript, other: object = None) -> Value:
    """`tensor[...]` as a value; out of bounds reads `other` (0 when None)."""
    at = region(it, tensor, node)
    b = it.b
    pad = ""
    if other is not None:
        value = adapt(b, other, tensor.dtype, (), "other")
        if value.dtype is not tensor.dtype or value.dims:
            raise b.error(
                f"other is {describe(other)}, {tensor.label} holds {tensor.dtype}",
                f"use a constant, or convert with .to(td.{tensor.dtype})",
            )
        pad = f" other({value.name} : {value.type})"
    out = tile_type(at.shape, tensor.dtype) if at.shape else tensor.dtype.name
    return settle(b, b.emit(f"tile.load {at.text}{pad} : {tensor.type} -> {out}", tensor.dtype, at.shape))


def store(it: Interpreter, tensor: TensorRef, node: ast.Subscript, value: object) -> None:
    """`tensor[...] = value`, clipped to bounds."""
    at = region(it, tensor, node)
    b = it.b
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        v = adapt(b, value, tensor.dtype, at.shape, "the value")
    else:
        v = b.value(value, "the value")
        if not v.dims:
            if v.dtype is dtypes.index:
                v = cast(b, v, tensor.dtype) if tensor.dtype.is_int else v
            if v.dtype is tensor.dtype:
                v = adapt(b, v, tensor.dtype, at.shape, "the value")
    if v.dtype is not tensor.dtype:
        raise b.error(
            f"store of {describe(v)} to {tensor.label}, which holds {tensor.dtype}",
            f"convert it with .to({tensor.label}.dtype)",
        )
    if v.dims != at.shape:
        target = show_shape(at.shape) if at.shape else "one element"
        raise b.error(f"store of {describe(v)} to {tensor.label}[...] of shape {target}")
    b.emitter.line(f"tile.store {v.name}, {at.text} : {v.type}, {tensor.type}")


def _count(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"
