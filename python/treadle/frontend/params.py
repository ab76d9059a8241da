"""The parameters of a kernel, read from its annotations."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from treadle.errors import KernelError
from treadle.frontend import dtypes
from treadle.frontend.annotations import (
    Align,
    Const,
    FieldSpec,
    MaxBytes,
    OptionalSpec,
    Strides,
    TensorSpec,
    is_field,
    strided,
)
from treadle.frontend.dtypes import DType
from treadle.frontend.shaping import is_power_of_two
from treadle.frontend.source import Source, find


@dataclass(frozen=True, eq=False)
class Param:
    """A parameter, and where it is declared."""

    name: str
    node: ast.AST


@dataclass(frozen=True, eq=False)
class TensorParam(Param):
    """A tensor: axes as written; dtype, align and strides None where they are the default."""

    axes: tuple[str | int, ...]
    dtype: DType | None
    align: int | str | None
    strides: tuple[int | None, ...] | None
    optional: bool
    max_bytes: int | None = None


@dataclass(frozen=True, eq=False)
class ScalarParam(Param):
    """A scalar, with its default or None."""

    dtype: DType
    default: int | float | None


@dataclass(frozen=True, eq=False)
class ConstParam(Param):
    """A compile-time constant."""

    default: int | float | bool | str


class Parser:
    """Reads the parameters of a function; `parse` and `one` are those of a kernel."""

    word = "kernel"
    example = 'td.Tensor["M", "N"] or td.f32'
    reserved: tuple[str, ...] = ("num_warps", "num_stages")

    def __init__(self, fn: FunctionType) -> None:
        self.fn = fn
        self.source: Source
        self.source, self.tree = find(fn)
        args = self.tree.args
        self.nodes = {a.arg: a for a in [*args.posonlyargs, *args.args, *args.kwonlyargs]}

    def error(self, node: ast.AST, message: str, help: str | None = None) -> KernelError:
        """An error at a node."""
        return self.source.error(node, message, help)

    def signature(self) -> list[inspect.Parameter]:
        """The parameters as Python sees them; an error for star parameters."""
        for star in (self.tree.args.vararg, self.tree.args.kwarg):
            if star is not None:
                raise self.error(star, f"a {self.word} takes no star parameters", "name every parameter")
        return list(inspect.signature(self.fn).parameters.values())

    def parse(self) -> tuple[Param, ...]:
        """All of them."""
        out = [self.one(p) for p in self.signature()]
        consts = {p.name: p for p in out if isinstance(p, ConstParam)}
        for p in out:
            for axis in p.axes if isinstance(p, TensorParam) else ():
                const = consts.get(axis) if isinstance(axis, str) else None
                if const and (not isinstance(const.default, int) or isinstance(const.default, bool)):
                    raise self.error(p.node, f"axis {axis} of {p.name} is a td.Const that is not an integer")
        return tuple(out)

    def one(self, p: inspect.Parameter) -> Param:
        """One of them."""
        node = self.nodes[p.name]
        spec = self.annotation(p, node)
        default = None if p.default is inspect.Parameter.empty else p.default
        if spec is Const:
            return self.const(p, node)
        if p.kind is inspect.Parameter.KEYWORD_ONLY:
            raise self.error(node, f"parameter {p.name} is keyword-only and not a td.Const", "move it before the *")
        if isinstance(spec, DType):
            return self.scalar(p, node, spec, default)
        if isinstance(spec, OptionalSpec):
            if not isinstance(spec.inner, TensorSpec):
                raise self.error(node, f"td.MaxBytes, Optional of parameter {p.name} is not of a tensor",
                                 'write td.Optional[td.Tensor["M", "N"]] = None')  # fmt: skip
            if p.default is not None:
                raise self.error(node, f"optional tensor {p.name} has no default None", "write = None after it")
            return self.tensor(p.name, node, spec.inner, True)
        if isinstance(spec, TensorSpec):
            if p.default is not inspect.Parameter.empty:
                raise self.error(node, f"tensor {p.name} has a default", "write td.Optional[td.Tensor[...]] = None")
            return self.tensor(p.name, node, spec, False)
        if is_field(spec):
            raise self.error(
                node,
                f"parameter {p.name} is a td.{field_name(spec)}, which only the step of a @td.scan has",
                'a kernel takes tensors, as in td.Tensor["M", "N"], and scalars, as in td.f32',
            )
        shown = getattr(spec, "__name__", repr(spec))
        raise self.error(
            node,
            f"unknown annotation of parameter {p.name}: {shown}",
            "use td.Tensor[...], td.Optional[td.Tensor[...]], td.Const, td.f32, td.i32, td.i64 or td.index",
        )

    def annotation(self, p: inspect.Parameter, node: ast.arg) -> Any:
        """What a parameter is annotated with."""
        spec = p.annotation
        if spec is inspect.Parameter.empty:
            raise self.error(node, f"parameter {p.name} has no annotation", f"write its type, as in {self.example}")
        if isinstance(spec, str):
            free = {
                n: c.cell_contents for n, c in zip(self.fn.__code__.co_freevars, self.fn.__closure__ or (), strict=True)
            }
            try:
                return eval(spec, self.fn.__globals__, free)
            except Exception as e:
                raise self.error(node, f"annotation of parameter {p.name}: {e}") from None
        return spec

    def const(self, p: inspect.Parameter, node: ast.arg) -> ConstParam:
        """A td.Const."""
        if p.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise self.error(node, f"constant {p.name} is not keyword-only", "write * before the constants")
        if p.default is inspect.Parameter.empty:
            raise self.error(node, f"constant {p.name} has no default", "write = and a default value")
        if not isinstance(p.default, (int, float, bool, str)):
            raise self.error(node, f"the default of constant {p.name} is a {type(p.default).__name__}",
                             "a constant is an int, float, bool or str")  # fmt: skip
        if p.name in self.reserved:
            hint = f"set it with @td.{self.word} and override it by name"
            raise self.error(node, f"{p.name} is a name of its own", hint)
        return ConstParam(p.name, node, p.default)

    def scalar(self, p: inspect.Parameter, node: ast.arg, dtype: DType, default: Any) -> ScalarParam:
        if dtype not in dtypes.ARGUMENT:
            raise self.error(node, f"a scalar argument cannot be {dtype}", "use td.f32, td.i32, td.i64 or td.index")
        wanted = (int, float) if dtype.is_float else (int,)
        if default is not None and (not isinstance(default, wanted) or isinstance(default, bool)):
            raise self.error(node, f"the default of {p.name} is {default!r}, not a value of {dtype}")
        return ScalarParam(p.name, node, dtype, default)

    def tensor(self, name: str, node: ast.arg, spec: TensorSpec, optional: bool) -> TensorParam:
        axes: list[str | int] = []
        dtype: DType | None = None
        align: int | str | None = None
        steps: tuple[int | None, ...] | None = None
        is_strided = False
        max_bytes: int | None = None
        for item in spec.items:
            is_size = isinstance(item, int) and not isinstance(item, bool) and item > 0
            if is_size or (isinstance(item, str) and item.isidentifier() and item.isascii()):
                axes.append(item)
            elif isinstance(item, DType) and item in dtypes.MEMORY and dtype is None:
                dtype = item
            elif isinstance(item, Align) and (isinstance(item.bytes, str) or is_power_of_two(item.bytes)):
                align = item.bytes
            elif isinstance(item, MaxBytes) and isinstance(item.bytes, int) and item.bytes > 0:
                max_bytes = item.bytes
            elif isinstance(item, Strides):
                steps = item.steps
            elif item is strided:
                is_strided = True
            else:
                raise self.error(
                    node,
                    f"tensor {name} has an unknown item {item!r}",
                    "axes are names or positive integers, then a dtype, td.Align, td.MaxBytes or td.Strides",
                )
        if not axes:
            raise self.error(node, f"tensor {name} has no axes", 'name them, as in td.Tensor["M", "N"]')
        if is_strided:
            steps = (None,) * len(axes)
        if steps is not None and len(steps) != len(axes):
            raise self.error(node, f"tensor {name} has {len(axes)} axes and {len(steps)} strides")
        return TensorParam(name, node, tuple(axes), dtype, align, steps, optional, max_bytes)


def field_name(spec: Any) -> str:
    """`In` of `td.In` and of `td.In["K"]`."""
    return str((spec.owner if isinstance(spec, FieldSpec) else spec).__name__)


def parse(fn: FunctionType) -> tuple[Param, ...]:
    """The parameters of a kernel function."""
    return Parser(fn).parse()
