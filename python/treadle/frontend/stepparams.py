"""The parameters of a step, read from its annotations: inputs, then states, then constants."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from treadle.frontend import axes, dtypes
from treadle.frontend.annotations import Const, FieldSpec, In, OptionalSpec, Shared, State, TensorSpec, is_field
from treadle.frontend.axes import Axis, Size
from treadle.frontend.dtypes import DType
from treadle.frontend.literals import float_text
from treadle.frontend.params import ConstParam, Param, Parser, field_name
from treadle.frontend.shaping import MAX_ELEMENTS
from treadle.frontend.source import Source

MAX_AXES = 5
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
        out = []
        for axis in self.axes:
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


@dataclass(frozen=True, eq=False)
class StateParam(Field):
    """A state, and what it is before the first token."""

    initial: float


class _StepParser(Parser):
    word = "scan"
    example = 'td.In["K"] or td.State["K", "V"]'
    reserved = ("chunk", "num_warps")

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
        self.names(out)
        if not any(isinstance(p, InputParam) for p in out):
            raise self.error(self.tree, f"scan {self.fn.__name__} has no input", 'annotate one, as in q: td.In["K"]')
        if not any(isinstance(p, StateParam) for p in out):
            raise self.error(
                self.tree,
                f"scan {self.fn.__name__} has no state",
                'annotate what goes on from one token to the next, as in S: td.State["K", "V"]',
            )
        return tuple(out)

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
        dtype = self.dtype(p.name, node, kind, items)
        if owner is State:
            if dtype not in (None, dtypes.f32):
                raise self.error(node, f"state {p.name} is {dtype}", "states are f32; inputs can be stored otherwise")
            return StateParam(p.name, node, self.source, "BH", found, self.initial(p, node))
        if p.default is not inspect.Parameter.empty:
            raise self.error(node, f"input {p.name} has a default", "a state can have one: its first value")
        if owner not in (In, Shared):
            dtype = dtype or dtypes.f32
        return InputParam(p.name, node, self.source, owner.indices, found, dtype)

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
            "use td.In, td.Shared, td.PerHead, td.Param, td.State (each with axes or without) or td.Const",
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

    def dtype(self, name: str, node: ast.arg, kind: str, items: tuple[Any, ...]) -> DType | None:
        """How it is stored, when that is written."""
        at = [k for k, item in enumerate(items) if isinstance(item, DType)]
        if not at:
            return None
        if at != [len(items) - 1]:
            raise self.error(node, f"the dtype of {name} is not last", f'write it once, as in td.{kind}["K", td.f32]')
        dtype: DType = items[-1]
        if kind != "State" and dtype not in STORED:
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
    return _StepParser(fn).parse()
