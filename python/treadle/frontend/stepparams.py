"""The parameters of a step, read from its annotations: inputs, then states, then constants."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any, ClassVar

from treadle.frontend import axes, dtypes
from treadle.frontend.annotations import (
    Const,
    FieldSpec,
    In,
    OptionalSpec,
    Shared,
    State,
    TensorSpec,
    Window,
    is_field,
)
from treadle.frontend.axes import Axis, Size
from treadle.frontend.dtypes import DType
from treadle.frontend.literals import float_text
from treadle.frontend.params import ConstParam, Param, Parser, field_name
from treadle.frontend.shaping import MAX_ELEMENTS
from treadle.frontend.source import Source

MAX_AXES = 5
POSITION = "position"
"""The name of the state of td.position()."""
STORED = (dtypes.f32, dtypes.f16, dtypes.bf16, dtypes.i32)
"""How an input can be stored."""


@dataclass(frozen=True, eq=False)
class Field(Param):
    """A parameter with a value: its source, the indices it has one value for ("BTH", "BT", "H", ""), its axes."""

    source: Source
    indices: str
    axes: tuple[Axis, ...]

    def shape(self, constants: Mapping[str, object]) -> tuple[Size, ...]:
        """The shape of one value; a KernelError when an axis has no size."""
        return self._sizes(self.axes, constants)

    def _sizes(self, axes: tuple[Axis, ...], constants: Mapping[str, object]) -> tuple[Size, ...]:
        out = []
        for axis in axes:
            try:
                out.append(axis.size(constants))
            except ValueError as e:
                raise self.source.error(self.node, f"axis {axis.text} of {self.name}: {e}") from None
        if math.prod(out) > MAX_ELEMENTS:
            raise self.source.error(
                self.node, f"parameter {self.name} has {math.prod(out)} elements, at most {MAX_ELEMENTS} are allowed"
            )
        return tuple(out)


@dataclass(frozen=True, eq=False)
class InputParam(Field):
    """An input; dtype None: the scan's."""

    dtype: DType | None

    @property
    def computed(self) -> DType:
        """The dtype in the step: integers stay what they are, floats are widened."""
        return dtypes.i32 if self.dtype is not None and self.dtype.is_int else dtypes.f32


@dataclass(frozen=True, eq=False)
class WindowParam(InputParam):
    """An input that the step sees with those of the tokens before: how many tokens that are."""

    width: Axis

    def tokens(self, constants: Mapping[str, object]) -> Size:
        """How many tokens it holds; a KernelError for a single one."""
        (count,) = self._sizes((self.width,), constants)
        if count < 2:
            raise self.source.error(
                self.node,
                f"window {self.name} holds {count} token, at least 2 are needed",
                "write td.In for the current token alone",
            )
        return count

    def seen(self, constants: Mapping[str, object]) -> tuple[Size, ...]:
        """The shape of what the step sees."""
        self.tokens(constants)
        return self._sizes((self.width, *self.axes), constants)


@dataclass(frozen=True, eq=False)
class StateParam(Field):
    """A state, and what it is before the first token."""

    initial: float
    declared: ClassVar[bool] = True
    """The step gets the old value as an argument, and returns the new one."""

    @property
    def origin(self) -> StateParam:
        """The state as the step has it whose state it is; of a call in a mixer, the called step."""
        return self


@dataclass(frozen=True, eq=False)
class PastParam(StateParam):
    """The inputs before the current one that a window holds, the oldest first."""

    window: WindowParam
    declared = False

    def shape(self, constants: Mapping[str, object]) -> tuple[Size, ...]:
        self.window.seen(constants)
        return super().shape(constants)


@dataclass(frozen=True, eq=False)
class PositionParam(StateParam):
    """How many tokens there were, for td.position()."""

    declared = False


class StepParser(Parser):
    """Reads the parameters of a step."""

    word = "scan"
    example = 'td.In["K"] or td.State["K", "V"]'
    reserved = ("chunk", "num_warps")
    stateless = 'annotate what goes on from one token to the next, as in S: td.State["K", "V"] or x: td.Window["D", 4]'

    def parse(self) -> tuple[Param, ...]:
        out: list[Param] = []
        for p in self.signature():
            param = self.one(p)
            last = next((q for q in reversed(out) if isinstance(q, StateParam)), None)
            if isinstance(param, InputParam) and last is not None:
                raise self.error(
                    param.node, f"input {param.name} comes after state {last.name}", "write inputs first, then states"
                )
            out.append(param)
        out = self.with_states(out)
        self.names(out)
        if not any(isinstance(p, InputParam) for p in out):
            message = f"{self.word} {self.fn.__name__} has no input"
            raise self.error(self.tree, message, 'annotate one, as in q: td.In["K"]')
        if not any(isinstance(p, StateParam) for p in out):
            raise self.error(self.tree, f"{self.word} {self.fn.__name__} has no state", self.stateless)
        return tuple(out)

    def with_states(self, params: list[Param]) -> list[Param]:
        """The parameters with the states that are not declared: windows' before the others, the position after."""
        inputs = [p for p in params if isinstance(p, InputParam)]
        states = [p for p in params if isinstance(p, StateParam)]
        constants = [p for p in params if isinstance(p, ConstParam)]
        past = [self.past(p) for p in inputs if isinstance(p, WindowParam)]
        return [*inputs, *past, *states, *self.position(params), *constants]

    def past(self, p: WindowParam) -> PastParam:
        """The state of a window."""
        before = axes.parse(f"{p.width.text}-1" if p.width.is_name else f"({p.width.text})-1")
        if not p.width.names:
            before = axes.parse(int(p.tokens({})) - 1)
        return PastParam(p.name, p.node, self.source, "BH", (before, *p.axes), 0.0, p)

    def position(self, params: list[Param]) -> list[PositionParam]:
        """The state of td.position(), if the step calls it."""
        from treadle.frontend.positions import call_of_position

        call = call_of_position(self.fn)
        if call is None:
            return []
        for p in params:
            if p.name == POSITION:
                raise self.error(
                    p.node, f"parameter {p.name} has the name of the state of td.position()", "rename the parameter"
                )
        return [PositionParam(POSITION, call, self.source, "BH", (), 0.0)]

    def names(self, params: list[Param]) -> None:
        """Constants and values have different names."""
        used = {name: p for p in params if isinstance(p, Field) for axis in p.axes for name in axis.names}
        for p in params:
            if isinstance(p, Field) and p.name in used:
                raise self.error(
                    p.node,
                    f"parameter {p.name} has the name of an axis of {used[p.name].name}",
                    "an axis is named by a constant; rename one of them",
                )
            if isinstance(p, ConstParam) and p.name in used and type(p.default) is not int:
                user = used[p.name].name
                raise self.error(p.node, f"constant {p.name} is an axis of {user} and its default is {p.default!r}",
                                 "give it an integer")  # fmt: skip

    def one(self, p: inspect.Parameter) -> Param:
        node = self.nodes[p.name]
        spec = self.annotation(p, node)
        if spec is Const:
            return self.const(p, node)
        if not is_field(spec):
            raise self.unknown(p, node, spec)
        kind = field_name(spec)
        if p.kind is inspect.Parameter.KEYWORD_ONLY:
            raise self.error(node, f"parameter {p.name} is keyword-only and not a td.Const", "move it before the *")
        owner, items = (spec.owner, spec.items) if isinstance(spec, FieldSpec) else (spec, ())
        found = self.axes(p.name, node, kind, [x for x in items if not isinstance(x, DType)])
        dtype = self.dtype(p.name, node, owner, items)
        if owner is State:
            if dtype not in (None, dtypes.f32):
                raise self.error(node, f"state {p.name} is {dtype}", "states are f32; inputs can be stored otherwise")
            return StateParam(p.name, node, self.source, "BH", found, self.initial(p, node))
        if p.default is not inspect.Parameter.empty:
            raise self.error(node, f"input {p.name} has a default", "a state can have one: its first value")
        if owner is Window:
            return self.window(p.name, node, found, dtype)
        if owner not in (In, Shared):
            dtype = dtype or dtypes.f32
        return InputParam(p.name, node, self.source, owner.indices, found, dtype)

    def window(self, name: str, node: ast.arg, found: tuple[Axis, ...], dtype: DType | None) -> WindowParam:
        """A td.Window, whose last axis is its number of tokens."""
        if not found:
            raise self.error(
                node, f"td.Window of {name} has no number of tokens", 'write it last, as in td.Window["D", 4]'
            )
        if dtype is not None and not dtype.is_float:
            hint = "what it holds is a state, in f32; use td.f32, td.f16, td.bf16"
            raise self.error(node, f"window {name} cannot be {dtype}", hint)
        return WindowParam(name, node, self.source, Window.indices, found[:-1], dtype, found[-1])

    def unknown(self, p: inspect.Parameter, node: ast.arg, spec: Any) -> Exception:
        """The error for an annotation that is none of a step's."""
        if isinstance(spec, (TensorSpec, OptionalSpec)):
            return self.error(
                node,
                f"parameter {p.name} is a tensor in memory, which only a @td.kernel has",
                'a step gets the values of one token, as in td.In["K"]',
            )
        shown = f"td.{spec}" if isinstance(spec, DType) else getattr(spec, "__name__", repr(spec))
        return self.error(
            node,
            f"unknown annotation of parameter {p.name}: {shown}",
            "use td.In, td.Window, td.Shared, td.PerHead, td.Param, td.State (each with axes or without) or td.Const",
        )

    def axes(self, name: str, node: ast.arg, kind: str, items: list[Any]) -> tuple[Axis, ...]:
        """The axes of a parameter."""
        out = []
        if len(items) > MAX_AXES:
            raise self.error(node, f"td.{kind} of {name} has {len(items)} axes, at most {MAX_AXES} are allowed")
        for item in items:
            try:
                out.append(axes.parse(item))
            except ValueError as e:
                raise self.error(node, f"td.{kind} of {name} has an unknown item {item!r}", str(e)) from None
        return tuple(out)

    def dtype(self, name: str, node: ast.arg, owner: type, items: tuple[Any, ...]) -> DType | None:
        """How it is stored, when that is written."""
        at = [k for k, item in enumerate(items) if isinstance(item, DType)]
        if not at:
            return None
        if at != [len(items) - 1]:
            example = '"D", 4' if owner is Window else '"K"'
            hint = f"write it once, as in td.{owner.__name__}[{example}, td.f32]"
            raise self.error(node, f"the dtype of {name} is not last", hint)
        dtype: DType = items[-1]
        if owner is not State and dtype not in STORED:
            raise self.error(node, f"input {name} cannot be {dtype}", f"use {', '.join(f'td.{t}' for t in STORED)}")
        return dtype

    def initial(self, p: inspect.Parameter, node: ast.arg) -> float:
        """The first value of a state."""
        value = 0.0 if p.default is inspect.Parameter.empty else p.default
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise self.error(
                node, f"the default of state {p.name} is {value!r}", "its first value is a number, or td.inf or -td.inf"
            )
        try:
            float_text(float(value), dtypes.f32)
        except OverflowError:
            raise self.error(
                node, f"the default of state {p.name} is {value}, too large for f32", "use td.inf"
            ) from None
        return float(value)


def parse(fn: FunctionType) -> tuple[Param, ...]:
    """The parameters of a step."""
    return StepParser(fn).parse()
