"""What the decorators make: kernels and functions."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any

from treadle.errors import TreadleError

if TYPE_CHECKING:
    from treadle.frontend.params import Param
    from treadle.frontend.specialize import Argument

Constant = int | float | bool | str


class Function:
    """A `@td.function`: inlined where a kernel calls it."""

    def __init__(self, fn: FunctionType) -> None:
        self.fn = fn
        functools.update_wrapper(self, fn)

    def __call__(self, *args: object, **kwargs: object) -> object:
        raise TreadleError(f"{self.fn.__name__} can only be called inside a kernel or a step")

    def __repr__(self) -> str:
        return f"<td.function {self.fn.__name__}>"


class Kernel:
    """A `@td.kernel`: compiled for constants and dtypes, launched by calling it with arrays."""

    def __init__(self, fn: FunctionType, dtype: str = "bf16", num_warps: int = 4, num_stages: int = 2) -> None:
        self.fn = fn
        self.name: str = fn.__name__
        self.path: str = fn.__code__.co_filename
        self.line: int = fn.__code__.co_firstlineno
        self.dtype = dtype
        self.num_warps = num_warps
        self.num_stages = num_stages
        functools.update_wrapper(self, fn)

    def __repr__(self) -> str:
        return f"<td.kernel {self.name}>"

    @functools.cached_property
    def parameters(self) -> tuple[Param, ...]:
        """The parameters as declared; a KernelError when an annotation is wrong."""
        from treadle.frontend.params import parse

        return parse(self.fn)

    @property
    def constants(self) -> dict[str, Constant]:
        """The compile-time constants and their defaults, num_warps and num_stages included."""
        from treadle.frontend.params import ConstParam

        own = {p.name: p.default for p in self.parameters if isinstance(p, ConstParam)}
        return {**own, "num_warps": self.num_warps, "num_stages": self.num_stages}

    @property
    def optional(self) -> tuple[str, ...]:
        """The names of tensors that may be absent."""
        from treadle.frontend.params import TensorParam

        return tuple(p.name for p in self.parameters if isinstance(p, TensorParam) and p.optional)

    def signature(
        self,
        constants: Mapping[str, Any] | None = None,
        dtype: str | None = None,
        present: Iterable[str] = (),
    ) -> tuple[Argument, ...]:
        """The arguments of the compiled function, in order; see `to_mlir` for the parameters."""
        from treadle.frontend.specialize import specialize

        return specialize(self, constants or {}, dtype, present).arguments

    def to_mlir(
        self,
        constants: Mapping[str, Any] | None = None,
        dtype: str | None = None,
        present: Iterable[str] = (),
        fast_math: bool = False,
    ) -> str:
        """The kernel as MLIR text of the `tile` dialect.

        `constants` overrides td.Const defaults, `num_warps` and `num_stages`; `dtype` is that of tensors without one;
        `present` names the optional tensors that are given. A mistake in the kernel is a KernelError.
        """
        from treadle.frontend.lowering import lower
        from treadle.frontend.specialize import specialize

        return lower(self, specialize(self, constants or {}, dtype, present), fast_math)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Launch on arrays; see treadle.runtime.call."""
        from treadle.runtime.call import call_kernel  # type: ignore[import-not-found, unused-ignore]

        return call_kernel(self, args, kwargs)
