"""The states of a step that it does not declare: what windows hold, and the position."""

from __future__ import annotations

from collections.abc import Mapping

from treadle.frontend.builder import Builder
from treadle.frontend.elementwise import binary
from treadle.frontend.scope import Scope
from treadle.frontend.stepparams import Field, PastParam, PositionParam, StateParam
from treadle.frontend.stepparts import joined, part
from treadle.frontend.values import Tile, Value


class HiddenStates:
    """The states of one step that are not declared: what the step sees of them, and their new values."""

    def __init__(self, b: Builder) -> None:
        self.b = b
        self.windows: dict[PastParam, Tile] = {}
        self.new: dict[StateParam, Value] = {}

    def begin(self, scope: Scope, values: Mapping[Field, Value], constants: Mapping[str, object]) -> None:
        """Give windows their values, and td.position() one. `values`: of the step's arguments."""
        for p, old in values.items():
            if isinstance(p, PastParam):
                self.b.at(p.node)
                self.windows[p] = joined(self.b, [old, values[p.window]], 0, p.window.seen(constants))
                scope.names[p.name] = self.windows[p]
            elif isinstance(p, PositionParam):
                self.b.at(p.node)
                self.new[p] = _value(binary(self.b, "+", old, 1.0))
                # The new value of a running sum is known for many tokens at once, unlike the old one.
                self.b.position = _value(binary(self.b, "-", self.new[p], 1.0))

    def end(self) -> dict[StateParam, Value]:
        """Their new values, at the end of the step."""
        for p, window in self.windows.items():
            self.b.at(p.node)
            self.new[p] = part(self.b, window, 0, 1, window.shape[0] - 1)
        return self.new


def _value(x: object) -> Value:
    assert isinstance(x, Value)
    return x


def position(b: Builder) -> Value:
    """td.position."""
    if b.emitter.regions > 1:
        raise b.error("td.position() in a combine function", "call it before, and multiply or add what it gives")
    if b.position is None:
        raise b.error("td.position is called through another name", "write td.position() in the step itself")
    return b.position
