"""Conversions between dtypes: `.to(dtype)`."""

from __future__ import annotations

from treadle.frontend import dtypes
from treadle.frontend.builder import Builder, is_number
from treadle.frontend.dtypes import DType
from treadle.frontend.steprules import check_computed
from treadle.frontend.values import Scalar, Tile, Value, make, tile_type


def to(b: Builder, value: object, dtype: object) -> Value:
    """`value` as `dtype`; the same value when it already is."""
    if isinstance(dtype, str) and dtype in dtypes.BY_NAME:
        dtype = dtypes.BY_NAME[dtype]
    target = check_dtype(b, dtype)
    if is_number(value):
        if target.is_int and isinstance(value, float):
            value = int(value)
        elif target.is_float and isinstance(value, bool):
            value = float(value)
        return b.constant(value, target)
    source = b.value(value, "the operand of to")
    if isinstance(source, Tile) and target is dtypes.index:
        raise b.error("a tile cannot hold index values", "use td.i32 or td.i64")
    return cast(b, source, target)


def check_dtype(b: Builder, dtype: object) -> DType:
    """`dtype` when it is one, else an error."""
    if isinstance(dtype, DType):
        check_computed(b, dtype)
        return dtype
    names = ", ".join(dtypes.BY_NAME)
    shown = repr(dtype) if isinstance(dtype, str) else getattr(dtype, "__name__", repr(dtype))
    raise b.error(f"unknown dtype {shown}", f"dtypes are {names}, as in td.f32")


def cast(b: Builder, v: Value, target: DType) -> Value:
    """A conversion, in as many operations as it takes."""
    source = v.dtype
    if source is target:
        return v
    if target is dtypes.i1:
        return _is_nonzero(b, v)
    if source.is_float and target.is_float:
        if source.bits == target.bits:
            return cast(b, cast(b, v, dtypes.f32), target)
        return _convert(b, "extf" if source.bits < target.bits else "truncf", v, target)
    if source.is_float:
        if target is dtypes.index:
            return cast(b, _convert(b, "fptosi", v, dtypes.i64), target)
        return _convert(b, "fptosi", v, target)
    if target.is_float:
        if source is dtypes.index:
            v = _convert(b, "index_cast", v, dtypes.i64)
        return _convert(b, "uitofp" if source is dtypes.i1 else "sitofp", v, target)
    return _integer(b, v, target)


def _integer(b: Builder, v: Value, target: DType) -> Value:
    source = v.dtype
    if dtypes.index in (source, target):
        op = "index_castui" if source is dtypes.i1 else "index_cast"
    elif source is dtypes.i1:
        op = "extui"
    else:
        op = "extsi" if source.bits < target.bits else "trunci"
    out = _convert(b, op, v, target)
    out.nonneg = source is dtypes.i1 or (v.nonneg and source.bits <= target.bits)
    return out


def _convert(b: Builder, op: str, v: Value, target: DType) -> Value:
    type_ = tile_type(v.dims, target) if v.dims else target.name
    return b.emit(f"arith.{op} {v.name} : {v.type} to {type_}", target, v.dims)


def _is_nonzero(b: Builder, v: Value) -> Value:
    zero = b.constant(0, v.dtype, v.dims)
    op = "cmpf une" if v.dtype.is_float else "cmpi ne"
    return b.emit(f"arith.{op}, {v.name}, {zero.name} : {v.type}", dtypes.i1, v.dims)


def splat(b: Builder, v: Value, shape: tuple[int, ...]) -> Value:
    """A scalar everywhere in a tile."""
    if not shape or v.dims:
        return v
    return b.emit(f"tile.splat {v.name} : {v.type} -> {tile_type(shape, v.dtype)}", v.dtype, shape, v.nonneg)


def adapt(b: Builder, value: object, dtype: DType, shape: tuple[int, ...], what: str) -> Value:
    """`value`, a number or a scalar or tile of `dtype`, as a tile of `shape` (or a scalar for ())."""
    if is_number(value):
        return b.constant(value, dtype, shape)
    v = b.value(value, what)
    if v.dtype is not dtype and isinstance(v, Scalar) and v.dtype is dtypes.index and dtype.kind == "int":
        v = cast(b, v, dtype)
    return splat(b, v, shape)


def settle(b: Builder, v: Value) -> Value:
    """A scalar that came out of a tensor or tile: integers become index, but not in a step."""
    return cast(b, v, dtypes.index) if not v.dims and v.dtype.kind == "int" and not b.step else v


def renamed(name: str, like: Value) -> Value:
    """A value of the same type under another name."""
    return make(name, like.dtype, like.dims)
