"""What a name of a kernel can stand for. Anything else (int, str, dtype, function…) is a compile-time constant."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from treadle.frontend import symbolic
from treadle.frontend.axes import Size
from treadle.frontend.dtypes import DType, index

if TYPE_CHECKING:
    from treadle.frontend.scope import Scope


class Value:
    """A run-time value: its SSA name, dtype and MLIR type. `nonneg`: known to be zero or more."""

    __slots__ = ("dtype", "name", "nonneg", "type")

    def __init__(self, name: str, dtype: DType, type_: str, nonneg: bool = False) -> None:
        self.name = name
        self.dtype = dtype
        self.type = type_
        self.nonneg = nonneg

    @property
    def dims(self) -> tuple[int, ...]:
        """Its shape, () for a scalar."""
        return ()


class Scalar(Value):
    """A scalar; an index also knows itself as a polynomial."""

    __slots__ = ("poly",)

    def __init__(self, name: str, dtype: DType, poly: symbolic.Poly | None = None, nonneg: bool = False) -> None:
        super().__init__(name, dtype, dtype.name, nonneg)
        self.poly = poly if poly is not None or dtype is not index else symbolic.atom(name)


class Tile(Value):
    """A tile: static shape, every extent a power of two."""

    __slots__ = ("shape",)

    def __init__(self, name: str, dtype: DType, shape: tuple[int, ...], nonneg: bool = False) -> None:
        super().__init__(name, dtype, tile_type(shape, dtype), nonneg)
        self.shape = shape

    @property
    def dims(self) -> tuple[int, ...]:
        return self.shape


@dataclass(frozen=True, eq=False)
class TensorRef:
    """A tensor parameter: `axes` are names (dynamic) or extents (static)."""

    label: str
    name: str
    dtype: DType
    axes: tuple[str | int, ...]
    type: str


@dataclass(frozen=True, eq=False)
class LambdaRef:
    """A lambda given to td.reduce or td.scan, with the names it sees."""

    node: ast.Lambda
    scope: Scope


@dataclass(frozen=True)
class Unbound:
    """A name that has no value here: why, and where it was assigned."""

    reason: str
    help: str
    node: ast.AST | None = None


def tile_type(shape: tuple[int, ...], dtype: DType) -> str:
    """The MLIR type of a tile."""
    return f"tensor<{'x'.join(map(str, shape))}x{dtype.name}>"


def make(name: str, dtype: DType, shape: tuple[int, ...], nonneg: bool = False) -> Value:
    """A tile, or a scalar when `shape` is ()."""
    return Tile(name, dtype, shape, nonneg) if shape else Scalar(name, dtype, nonneg=nonneg)


def show_shape(shape: tuple[int, ...]) -> str:
    """`[64, 32]`; `[K=80, 32]` where an axis has a name."""
    return f"[{', '.join(map(_extent, shape))}]"


def _extent(n: int) -> str:
    named = isinstance(n, Size) and n.label != str(int(n))
    return f"{n.label}={n}" if named and isinstance(n, Size) else str(n)


def describe(value: object) -> str:
    """A value in an error message: `a bf16 tile [64, 32]`, `an index scalar`, `tensor x`, `3`."""
    if isinstance(value, Tile):
        return f"{_article(value.dtype.name)} tile {show_shape(value.shape)}"
    if isinstance(value, Scalar):
        return f"{_article(value.dtype.name)} scalar"
    if isinstance(value, TensorRef):
        return f"tensor {value.label}"
    if isinstance(value, LambdaRef):
        return "a lambda"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if isinstance(value, str):
        return f"the string {value!r}"
    if value is None or isinstance(value, (bool, int, float)):
        return f"the constant {value!r}"
    if isinstance(value, DType):
        return f"the dtype {value.name}"
    if isinstance(value, Mapping):
        return "a dict"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    name = getattr(value, "__name__", None)
    return f"{type(value).__name__} {name}" if name else f"a {type(value).__name__}"


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "aeiouf" else f"a {name}"
