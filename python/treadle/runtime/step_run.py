"""A step run by Python on one token's values, in float64, and those that it calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from treadle.errors import TreadleError
from treadle.frontend.callbinding import bind
from treadle.frontend.mixers import Call
from treadle.frontend.params import ConstParam
from treadle.frontend.scans import Scan
from treadle.frontend.stepparams import PastParam, PositionParam, StateParam
from treadle.runtime.step_copy import on_numpy
from treadle.runtime.step_values import Value, concat


class Step:
    """A step for given constants: `outputs, new = step(inputs, states)`."""

    def __init__(self, scan: Scan, constants: Mapping[str, Any]) -> None:
        self.scan = scan
        self.position = Value(0.0)
        hidden = {}
        if any(isinstance(p, PositionParam) for p in scan.states):
            hidden["position"] = lambda: self.position
        self.run = on_numpy(scan.fn, constants, hidden, self._call)
        self.constants = {p.name: constants[p.name] for p in scan.parameters if isinstance(p, ConstParam)}
        self.called: dict[Call, Step] = {}
        self.waiting: Iterator[Call] = iter(())
        """The calls that are still to be made."""
        self.old: Mapping[StateParam, Value] = {}
        self.new: dict[StateParam, Value] = {}

    def __call__(
        self, inputs: Mapping[str, Value], states: Mapping[StateParam, Value]
    ) -> tuple[list[Value], dict[StateParam, Value]]:
        """The outputs and the new states of one token."""
        scan = self.scan
        seen = dict(inputs)
        self.old, self.new, self.waiting = states, {}, iter(scan.calls)
        for p, value in states.items():
            if isinstance(p, PastParam):
                seen[p.name] = concat([value, inputs[p.name][None]])
                self.new[p] = seen[p.name][1:]
            elif isinstance(p, PositionParam):
                self.position = value
                self.new[p] = value + 1
        own = [p for p in scan.states if p.declared]
        made = self.run(*(seen[p.name] for p in scan.inputs), *(states[p] for p in own), **self.constants)
        values = [_value(x) for x in (made if isinstance(made, tuple) else (made,))]
        count = len(values) - len(own)
        if count < 1:
            raise TreadleError(f"{scan.name}: the step returns {len(values)} values, outputs and new states")
        for p, value in zip(own, values[count:], strict=True):
            if value.shape != states[p].shape:
                raise TreadleError(
                    f"{scan.name}: the new value of state {p.name} has the shape {value.shape}, not {states[p].shape}"
                )
            self.new[p] = value
        return values[:count], self.new

    def _call(self, callee: Scan, *args: Any, **kwargs: Any) -> Any:
        """What the next call of a scan returns."""
        call = next(self.waiting, None)
        if call is None or call.callee is not callee:
            raise TreadleError(f"{self.scan.name}: {callee.label} is called through another name")
        bound = bind(callee, list(args), kwargs)
        if call not in self.called:
            self.called[call] = Step(callee, bound.constants)
        inputs = {name: _value(x) for name, x in bound.inputs.items()}
        outputs, new = self.called[call](inputs, {p: self.old[state] for p, state in call.states.items()})
        self.new.update((call.states[p], value) for p, value in new.items())
        return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _value(x: Any) -> Value:
    return x if isinstance(x, Value) else Value(x)
