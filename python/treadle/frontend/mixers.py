"""What `@td.mixer` makes of a function that calls scans: one scan, whose states are those of all calls."""

from __future__ import annotations

import ast
import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from treadle.frontend.axes import Axis, Size
from treadle.frontend.params import ConstParam, Param
from treadle.frontend.scans import Scan
from treadle.frontend.scope import Scope
from treadle.frontend.stepparams import Field, StateParam, StepParser

_INSIDE: dict[type[ast.AST], str] = {
    ast.If: "an if",
    ast.IfExp: "a conditional expression",
    ast.BoolOp: "'and' or 'or'",
    ast.For: "a loop",
    ast.While: "a loop",
    ast.Lambda: "a lambda",
    ast.ListComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
}
"""What may run a call never, or more than once."""


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a scan in a mixer, and what the names of its states begin with."""

    node: ast.Call
    callee: Scan
    prefix: str
    states: dict[StateParam, CalledState]
    """The mixer's states by the callee's."""


@dataclass(frozen=True, eq=False)
class CalledState(StateParam):
    """A state of a call: as a state of the mixer, and of the callee. Its axes have the callee's names."""

    mixer: Mixer
    called: StateParam
    declared: ClassVar[bool] = False

    @property
    def origin(self) -> StateParam:
        return self.called.origin

    def shape(self, constants: Mapping[str, object]) -> tuple[Size, ...]:
        """The shape that the arguments of the call give it."""
        return self.mixer.state_shapes(constants)[self.name]


class Mixer(Scan):
    """A `@td.mixer`: a step that calls scans, whose states are its own."""

    word = "mixer"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reading = False
        """Its calls are being looked for."""
        self._shapes: dict[tuple[Any, ...], dict[str, tuple[Size, ...]]] = {}

    @functools.cached_property
    def _parsed(self) -> tuple[tuple[Param, ...], tuple[Call, ...]]:
        """The parameters and the calls."""
        parser = MixerParser(self)
        self.reading = True
        try:
            return parser.parse(), tuple(parser.calls)
        finally:
            self.reading = False

    @property
    def parameters(self) -> tuple[Param, ...]:
        """The parameters as declared, in order, and before the constants the states that are not declared.

        Those are of windows and td.position(), and then of the calls, in order.
        """
        return self._parsed[0]

    @property
    def calls(self) -> tuple[Call, ...]:
        """The scans that the step calls, in order."""
        return self._parsed[1]

    def state_shapes(self, constants: Mapping[str, Any]) -> dict[str, tuple[Size, ...]]:
        """The shapes of all states by name, for values of all constants."""
        from treadle.frontend.steplowering import lower_step

        key = tuple(sorted((name, x) for name, x in constants.items() if name not in ("chunk", "num_warps")))
        if key not in self._shapes:
            values = lower_step(self, constants).arguments[len(self.inputs) :]
            self._shapes[key] = {
                p.name: tuple(Size(n, axis.text) for n, axis in zip(v.dims, p.axes, strict=True))
                for p, v in zip(self.states, values, strict=True)
            }
        return self._shapes[key]


class MixerParser(StepParser):
    """Reads the parameters of a mixer, and finds its calls."""

    word = "mixer"
    stateless = "call scans in it, by their names; a step that calls none is a @td.scan with a td.State"

    def __init__(self, mixer: Mixer) -> None:
        super().__init__(mixer.fn)
        self.mixer = mixer
        self.calls: list[Call] = []
        self.taken: set[str] = set()
        """Names of parameters, axes and states."""

    def with_states(self, params: list[Param]) -> list[Param]:
        """And those of the calls."""
        own = super().with_states(params)
        self.taken = {p.name for p in own}
        self.taken |= {name for p in own if isinstance(p, Field) for axis in p.axes for name in axis.names}
        for statement in self.tree.body:
            self.find(statement, "")
        of_calls = [state for call in self.calls for state in call.states.values()]
        constants = [p for p in own if isinstance(p, ConstParam)]
        return [*(p for p in own if not isinstance(p, ConstParam)), *of_calls, *constants]

    def find(self, node: ast.AST, inside: str) -> None:
        """Add the calls in a tree in the order in which they are made: arguments first."""
        for child in ast.iter_child_nodes(node):
            self.find(child, inside or _INSIDE.get(type(node), ""))
        if not isinstance(node, ast.Call):
            return
        callee = Scope(self.source, self.fn).named(node.func)
        if not isinstance(callee, Scan):
            return
        if isinstance(node.func, ast.Name) and node.func.id in self.fn.__code__.co_varnames:
            name = node.func.id
            raise self.error(node.func, f"{name} is a {callee.word}, and the name of a value", "rename the value")
        if inside:
            raise self.error(
                node,
                f"{callee.label} is called inside {inside}",
                "its states are there whether it runs or not: call it once, outside, and choose between values",
            )
        if isinstance(callee, Mixer) and callee.reading:
            through = "" if callee is self.mixer else f", through {self.mixer.label}"
            raise self.error(node, f"{callee.label} calls itself{through}", "a mixer calls scans and other mixers")
        self.add(node, callee)

    def add(self, node: ast.Call, callee: Scan) -> None:
        """Add a call, whose states have its callee's name, and a number from the second call on, before theirs."""
        used = {call.prefix for call in self.calls}
        for number in itertools.count(1):
            prefix = callee.name if number == 1 else f"{callee.name}_{number}"
            names = [f"{prefix}_{p.name}" for p in callee.states]
            if prefix not in used and not self.taken.intersection(names):
                break
        states = {
            p: CalledState(name, node, self.source, p.indices, tuple(Axis(axis.text, ()) for axis in p.axes),
                           p.initial, self.mixer, p)
            for p, name in zip(callee.states, names, strict=True)
        }  # fmt: skip
        self.taken.update(names)
        self.calls.append(Call(node, callee, prefix, states))
