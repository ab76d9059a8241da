"""A kernel for given constants, dtype and optional tensors: its arguments."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from treadle.errors import KernelError
from treadle.frontend import dtypes
from treadle.frontend.declared import Constant, Kernel
from treadle.frontend.dtypes import DType
from treadle.frontend.params import ConstParam, ScalarParam, TensorParam
from treadle.frontend.shaping import is_power_of_two
from treadle.frontend.source import find

MAX_ALIGN = 16


@dataclass(frozen=True)
class Argument:
    """An argument of the compiled function. Scalars have no dims; `strides` None: contiguous rows, others dynamic."""

    name: str
    kind: str  # "tensor" or "scalar"
    dtype: DType
    dims: tuple[str | int, ...] = ()
    strides: tuple[int | None, ...] | None = None
    align: int = 0
    optional: bool = False
    default: int | float | None = None
    max_bytes: int | None = None

    @property
    def type(self) -> str:
        """Its MLIR type."""
        if self.kind == "scalar":
            return self.dtype.name
        sizes = "".join(f"{d}x" if isinstance(d, int) else "?x" for d in self.dims)
        strides = ""
        if self.strides is not None:
            strides = f", strides = [{', '.join('?' if s is None else str(s) for s in self.strides)}]"
        limit = f", max_bytes = {self.max_bytes}" if self.max_bytes else ""
        return f"!tile.view<{sizes}{self.dtype}{strides}, align = {self.align}{limit}>"


@dataclass(frozen=True)
class Specialization:
    """What a lowering starts from."""

    constants: dict[str, Constant]
    arguments: tuple[Argument, ...]
    absent: tuple[str, ...]
    num_warps: int
    num_stages: int


def specialize(
    kernel: Kernel, constants: Mapping[str, Any], dtype: str | None, present: Iterable[str]
) -> Specialization:
    """Resolve a kernel's parameters; a KernelError at its `def` for an override that does not fit."""
    values = _constants(kernel, constants)
    default = dtypes.BY_NAME.get(str(dtype or kernel.dtype))
    if default not in dtypes.MEMORY:
        names = ", ".join(t.name for t in dtypes.MEMORY)
        raise _error(kernel, f"unknown dtype {dtype or kernel.dtype!r} for kernel {kernel.name}", f"dtypes are {names}")
    given = set(present)
    for name in sorted(given - set(kernel.optional)):
        known = ", ".join(kernel.optional)
        raise _error(
            kernel, f"{name} is not an optional tensor of kernel {kernel.name}", f"it has {known}" if known else None
        )
    arguments: list[Argument] = []
    absent = []
    for p in kernel.parameters:
        if isinstance(p, ScalarParam):
            arguments.append(Argument(p.name, "scalar", p.dtype, default=p.default))
        elif isinstance(p, TensorParam):
            if p.optional and p.name not in given:
                absent.append(p.name)
            else:
                arguments.append(_tensor(kernel, p, values, p.dtype or default))
    warps, stages = cast(int, values.pop("num_warps")), cast(int, values.pop("num_stages"))
    return Specialization(values, tuple(arguments), tuple(absent), warps, stages)


def _error(kernel: Kernel, message: str, help: str | None = None, node: ast.AST | None = None) -> KernelError:
    source, tree = find(kernel.fn)
    return source.error(node or tree, message, help)


def _constants(kernel: Kernel, overrides: Mapping[str, Any]) -> dict[str, Constant]:
    values = kernel.constants
    for name, value in overrides.items():
        if name not in values:
            raise _error(
                kernel, f"kernel {kernel.name} has no constant {name}", f"its constants are {', '.join(values)}"
            )
        wanted = type(values[name])
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            raise _error(
                kernel,
                f"constant {name} of kernel {kernel.name} is {value!r}, of type {type(value).__name__}",
                f"its default is {values[name]!r}, of type {wanted.__name__}",
            )
        values[name] = value
    warps, stages = values["num_warps"], values["num_stages"]
    if not isinstance(warps, int) or not is_power_of_two(warps) or warps > 32:
        raise _error(kernel, f"num_warps is {warps!r}", "it is a power of two from 1 to 32")
    if not isinstance(stages, int) or stages < 1:
        raise _error(kernel, f"num_stages is {stages!r}", "it is an integer, at least 1 (1 means no pipelining)")
    return values


def _tensor(kernel: Kernel, p: TensorParam, constants: dict[str, Constant], dtype: DType) -> Argument:
    names = {q.name for q in kernel.parameters if isinstance(q, ConstParam)}
    dims: list[str | int] = []
    for axis in p.axes:
        size = constants[axis] if isinstance(axis, str) and axis in names else axis
        if not isinstance(size, str) and size < 1:
            raise _error(kernel, f"axis {axis} of tensor {p.name} has size {size}, at least 1 is needed", None, p.node)
        dims.append(cast("str | int", size))
    align = _alignment(kernel, p, constants) or dtype.size
    last = dims[-1]
    if p.align is None and isinstance(last, int) and p.strides is None:
        row = last * dtype.size
        align = min(MAX_ALIGN, row & -row)
    if align < dtype.size:
        raise _error(
            kernel, f"tensor {p.name} is aligned to {align} bytes, its elements are {dtype.size} bytes", None, p.node
        )
    return Argument(p.name, "tensor", dtype, tuple(dims), p.strides, align, p.optional, max_bytes=p.max_bytes)


def _alignment(kernel: Kernel, p: TensorParam, constants: dict[str, Constant]) -> int | None:
    """The declared alignment, from a constant when it is named; None for the default."""
    if not isinstance(p.align, str):
        return p.align
    value = constants.get(p.align)
    if not isinstance(value, int) or (value != 0 and not is_power_of_two(value)):
        raise _error(
            kernel,
            f"the alignment {p.align} of tensor {p.name} is {value!r}",
            "it is the name of a td.Const: a power of two, or 0 for the element's size",
            p.node,
        )
    return value
