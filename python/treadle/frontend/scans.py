"""What `@td.scan` makes of a step: its parameters, and its text for given sizes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar

from treadle.errors import KernelError
from treadle.frontend import dtypes, stepparams
from treadle.frontend.declared import Constant
from treadle.frontend.dtypes import DType
from treadle.frontend.params import ConstParam, Param
from treadle.frontend.shaping import is_power_of_two
from treadle.frontend.source import find
from treadle.frontend.stepparams import Field, InputParam, StateParam

if TYPE_CHECKING:
    from treadle.frontend.mixers import Call

DTYPES = (dtypes.f32, dtypes.f16, dtypes.bf16)
"""What outputs, and inputs without a dtype of their own, can be stored as."""


@dataclass(frozen=True)
class Output:
    """An output: its name, and the shape of one value."""

    name: str
    shape: tuple[int, ...]


class Scan:
    """A `@td.scan`: a step, from the inputs of one token and the old states to the outputs and the new states."""

    word: ClassVar[str] = "scan"

    def __init__(self, fn: FunctionType, dtype: str = "bf16", num_warps: int = 0, chunk: int = 0) -> None:
        self.fn = fn
        self.name: str = fn.__name__
        self.path: str = fn.__code__.co_filename
        self.line: int = fn.__code__.co_firstlineno
        self.dtype = dtype
        self.num_warps = num_warps
        self.chunk = chunk
        functools.update_wrapper(self, fn)

    def __repr__(self) -> str:
        return f"<td.{self.label}>"

    @property
    def label(self) -> str:
        """What it is, and its name, for errors."""
        return f"{self.word} {self.name}"

    @functools.cached_property
    def parameters(self) -> tuple[Param, ...]:
        """The parameters as declared, in order, and before the constants the states that are not declared.

        Windows and td.position() have such. A KernelError when an annotation is wrong.
        """
        return stepparams.parse(self.fn)

    @functools.cached_property
    def inputs(self) -> tuple[InputParam, ...]:
        """The inputs, in order."""
        return tuple(p for p in self.parameters if isinstance(p, InputParam))

    @functools.cached_property
    def states(self) -> tuple[StateParam, ...]:
        """The states, in order: those of windows, those declared, and the position where the step calls for it."""
        return tuple(p for p in self.parameters if isinstance(p, StateParam))

    @property
    def calls(self) -> tuple[Call, ...]:
        """The scans that the step calls, in order: those of a mixer."""
        return ()

    @property
    def constants(self) -> dict[str, Constant | None]:
        """The compile-time constants and their defaults, chunk and num_warps included; None: an axis, without one.

        The step's own constants come first, then axes in the order in which they are written.
        """
        out: dict[str, Constant | None] = {p.name: p.default for p in self.parameters if isinstance(p, ConstParam)}
        for p in self.parameters:
            for axis in p.axes if isinstance(p, Field) else ():
                for name in axis.names:
                    out.setdefault(name, None)
        return {**out, "chunk": self.chunk, "num_warps": self.num_warps}

    def resolve(self, constants: Mapping[str, Any] | None = None) -> dict[str, Constant]:
        """Every constant's value, `constants` over the defaults; a KernelError for one that does not fit or lacks."""
        values = self.constants
        for name, value in (constants or {}).items():
            if name not in values:
                raise self.error(f"{self.label} has no constant {name}", f"its constants are {', '.join(values)}")
            try:
                values[name] = self.constant(name, value)
            except ValueError as e:
                raise self.error(f"constant {name} of {self.label} is {value!r}, of type {type(value).__name__}",
                                 str(e)) from None  # fmt: skip
        out = {name: value for name, value in values.items() if value is not None}
        missing = [name for name in values if name not in out]
        if missing:
            name = missing[0]
            user = next(p for p in self.parameters if isinstance(p, Field) and any(name in a.names for a in p.axes))
            raise user.source.error(
                user.node, f"the size of axis {name} is not known", f"give it to {self.label}, as in {name}=64"
            )
        warps = out["num_warps"]
        if not isinstance(warps, int) or (warps != 0 and not is_power_of_two(warps)) or warps > 32:
            raise self.error(f"num_warps is {warps!r}", "it is a power of two from 1 to 32, or 0: as the kernel needs")
        chunk = out["chunk"]
        if chunk not in (0, 1, 16, 32, 64, 128, 256):
            raise self.error(
                f"chunk is {chunk!r}",
                "it is 16, 32, 64, 128 or 256 tokens, or 1: one at a time, or 0: as fits the step",
            )
        for p in self.parameters:
            if isinstance(p, Field):
                p.shape(out)
        return out

    def constant(self, name: str, value: Any) -> Constant:
        """A value for one of the constants, an int for a float as a float; a ValueError that says what it should be."""
        default = self.constants[name]
        wanted = int if default is None else type(default)
        if wanted is float and type(value) is int:
            value = float(value)
        if not isinstance(value, wanted) or isinstance(value, bool) is not (wanted is bool):
            raise ValueError(
                f"it is the size of an axis, such as {name}=64" if default is None
                else f"its default is {default!r}, of type {wanted.__name__}"
            )  # fmt: skip
        return value

    def outputs(self, constants: Mapping[str, Any] | None = None) -> tuple[Output, ...]:
        """The outputs: "o", or "o0", "o1"… when there are more, and the shapes of their values."""
        from treadle.frontend.steplowering import lower_step

        step = lower_step(self, self.resolve(constants))
        return tuple(Output(name, v.dims) for name, v in zip(step.output_names, step.outputs, strict=True))

    def to_mlir(
        self,
        constants: Mapping[str, Any] | None = None,
        dtype: str | None = None,
        *,
        initial: bool = False,
        final: bool = True,
        packed: bool = False,
        indexed: bool = False,
        reverse: bool = False,
        causal: bool = True,
        chunked: bool = False,
        split: bool = False,
        grouped: Collection[str] = (),
        align: int | Mapping[str, int] | None = None,
        fast_math: bool = False,
        backward: bool = False,
        gradients: Collection[str] | None = None,
        separate: bool = False,
    ) -> str:
        """The scan as MLIR text of the `treadle` dialect. A mistake in the step is a KernelError at its line.

        constants: sizes of axes, values for td.Const, chunk, num_warps. dtype: of outputs and of inputs without one.
        initial: the states' first values are arguments, not the defaults; final: their last values are returned.
        packed: sequences lie one after the other; indexed: states live in a pool. reverse: from the last token to the
        first. causal: False, outputs see the states after all tokens. chunked: work on `chunk` tokens at once where the
        step allows it, not on one at a time; split: then by two kernels, on segments of sequences side by side.
        grouped: inputs with a value for each group of heads, not for each head. align: what addresses are multiples of,
        in bytes, of all arrays or of some by name ("q", "S_initial", "o", "S_final"). backward: the kernels are those
        of the gradients; initial: of initial states too, final: from gradients of final states too;
        gradients: the inputs whose gradients are wanted, None for all. separate: states that do not change with each
        other are computed by kernels of their own, even where one can compute all.
        """
        from treadle.frontend.steplowering import Options, text

        options = Options(
            self.element(dtype),
            initial,
            final,
            packed,
            indexed,
            reverse,
            causal,
            chunked,
            split,
            tuple(grouped),
            align,
            fast_math,
            backward,
            None if gradients is None else tuple(gradients),
            separate,
        )
        return text(self, self.resolve(constants), options)

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Run on arrays, (o, final_state) = scan(q, k, v, ...); see treadle.runtime.scan_call.call_scan."""
        from treadle.runtime.scan_call import call_scan

        return call_scan(self, *args, **kwargs)

    def vjp(self, *args: Any, **kwargs: Any) -> tuple[tuple[Any, Any], Callable[..., dict[str, Any]]]:
        """Run on arrays, and what gives the gradients, ((o, final_state), pullback); see scan_vjp.vjp_scan."""
        from treadle.runtime.scan_vjp import vjp_scan

        return vjp_scan(self, *args, **kwargs)

    def step(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Run on the next tokens, (o, state) = scan.step(q, k, v, ..., state=state); see scan_call.step_scan there."""
        from treadle.runtime.scan_call import step_scan

        return step_scan(self, *args, **kwargs)

    def check_causal(self, causal: bool) -> None:
        """A KernelError for what only causal scans have."""
        from treadle.frontend.noncausal import check_states

        if not causal:
            check_states(self.parameters)

    def reference(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """What a call should return, in float64, by running the step in Python; see treadle.runtime.scan_reference."""
        from treadle.runtime.scan_reference import reference

        return reference(self, *args, **kwargs)

    def reference_vjp(self, *args: Any, **kwargs: Any) -> tuple[tuple[Any, Any], Callable[..., dict[str, Any]]]:
        """What reference returns, and `pullback(grad_outputs, grad_final_state=None)`, a dict of the inputs' gradients.

        See treadle.runtime.scan_reference_vjp.
        """
        from treadle.runtime.scan_reference_vjp import reference_vjp

        return reference_vjp(self, *args, **kwargs)

    def element(self, dtype: str | None = None) -> DType:
        """The element type of outputs, and of inputs without one of their own; a KernelError when it cannot be."""
        found = dtypes.BY_NAME.get(str(dtype or self.dtype))
        if found not in DTYPES:
            names = ", ".join(t.name for t in DTYPES)
            raise self.error(f"unknown dtype {dtype or self.dtype!r} for {self.label}", f"dtypes are {names}")
        return found

    def error(self, message: str, help: str | None = None) -> KernelError:
        """An error at the step's `def`."""
        source, tree = find(self.fn)
        return source.error(tree, message, help)
