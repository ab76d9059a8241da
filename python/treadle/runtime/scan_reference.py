"""What a scan means: its step, run by Python in float64 for every sequence, head and time."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from treadle.errors import TreadleError
from treadle.frontend.stepparams import InputParam
from treadle.runtime import scan_arrays as arrays
from treadle.runtime.scan_axes import along
from treadle.runtime.scan_binding import Bound, bind
from treadle.runtime.scan_call import one_or_all
from treadle.runtime.step_rules import RULES, Array
from treadle.runtime.step_run import Step
from treadle.runtime.step_values import Value, replay

if TYPE_CHECKING:
    from treadle.frontend.scans import Scan

SETTINGS = frozenset(("initial_state", "output_final_state", "cu_seqlens", "reverse", "causal", "axis", "head_first"))


def reference(
    scan: Scan,
    *args: Any,
    initial_state: Any = None,
    output_final_state: bool = False,
    cu_seqlens: Any = None,
    reverse: bool = False,
    causal: bool = True,
    axis: int | None = None,
    head_first: bool = False,
    **own: Any,
) -> tuple[Any, Any]:
    """What `scan(...)` with the same arguments should return, in float64 NumPy.

    The step itself is executed, one sequence, head and token after the other, on NumPy values: nothing is compiled, and
    no formula for many tokens at once is used. Arrays of any dtype are widened first.

    causal=False: the states run over the whole sequence, then the step is executed once more for every token. Every
    value of a step remembers how it was computed, so that what an output was computed from can be computed again with
    the final states in place of the states' new values. Where that still needs an old value of a state, which has no
    meaning then, it is an error.
    """
    if axis is not None:
        call = functools.partial(reference, scan, output_final_state=output_final_state, reverse=reverse, causal=causal)
        without = {"cu_seqlens": cu_seqlens, "head_first": head_first}
        return along(call, scan, axis, args, own, SETTINGS, initial_state, **without)
    run = run_of(scan, args, own, initial_state, cu_seqlens, reverse, causal, head_first)
    return run.results(output_final_state)


def run_of(
    scan: Scan,
    args: tuple[Any, ...],
    own: Mapping[str, Any],
    initial_state: Any,
    cu_seqlens: Any,
    reverse: bool,
    causal: bool,
    head_first: bool,
) -> Run:
    """A call of a reference, its arguments checked."""
    bound = bind(scan, args, own, SETTINGS, head_first)
    scan.check_causal(causal)
    letter = "B"
    if cu_seqlens is not None:
        bound.pack(cu_seqlens)
        letter = "N"
    initial = None
    if initial_state is not None:
        states = bound.states("initial_state", initial_state, bound.sequences, letter)
        initial = {name: arrays.to_numpy(state) for name, state in states.items()}
    return Run(bound, initial, reverse, causal)


@dataclass(frozen=True)
class Token:
    """What the step made of one token of one head."""

    at: tuple[int, int, int]
    """Its batch, time and head."""
    inputs: Mapping[str, Value]
    states: list[Value]
    """What the step had of them: the old ones, or the final ones where outputs see those."""
    outputs: list[Value]
    new: list[Value]


class Run:
    """One call of a reference."""

    def __init__(self, bound: Bound, initial: Mapping[str, Array] | None, reverse: bool, causal: bool) -> None:
        self.bound = bound
        constants = bound.scan.resolve(bound.constants)
        self.step = Step(bound.scan, constants)
        self.inputs = {name: arrays.to_numpy(value) for name, value in bound.inputs.items()}
        self.shapes = {p.name: bound.state_shape(p) for p in bound.scan.states}
        self.first = {p.name: p.initial for p in bound.scan.states}
        self.initial = initial
        self.reverse, self.causal = reverse, causal
        self.outputs: list[Array] = []

    def results(self, output_final_state: bool) -> tuple[Any, Any]:
        """The outputs and the final states in the layout of the call."""
        with np.errstate(all="ignore"):
            outputs, final = self._all()
        outputs = [self.bound.inner(output) for output in outputs]  # which is also the way back
        return one_or_all(outputs), one_or_all(final) if output_final_state else None

    def heads(self) -> Iterator[tuple[int, int]]:
        """Every sequence and head."""
        return itertools.product(range(self.bound.sequences), range(self.bound.indices["H"]))

    def _all(self) -> tuple[list[Array], list[Array]]:
        """The outputs, and the final states."""
        indices, rows = self.bound.indices, self.bound.sequences
        final = [np.empty((rows, indices["H"], *shape)) for shape in self.shapes.values()]
        for row, head in self.heads():
            for whole, state in zip(final, self._sequence(row, head), strict=True):
                whole[row, head] = state.array
        if not self.outputs:  # no token: shapes alone
            inputs = [(p, self.inputs[p.name]) for p in self.bound.scan.inputs]
            zeros = {p.name: Value(np.zeros(x.shape[len(p.indices) :], x.dtype)) for p, x in inputs}
            self._store(self._step(zeros, self._start(None, 0))[0], None)
        return self.outputs, final

    def _sequence(self, row: int, head: int) -> list[Value]:
        """Run one sequence of one head; its final states."""
        states = self._start(row, head)
        for token in self.walk(row, head):
            if self.causal:
                self._store(token.outputs, token.at)
            states = token.new
        if not self.causal:
            for token in self.look(row, head, states):
                self._store(token.outputs, token.at)
        return states

    def walk(self, row: int, head: int) -> Iterator[Token]:
        """The tokens of one sequence and head, each with the states that the one before left, as given values."""
        batch, times = self._times(row)
        states = self._start(row, head)
        for time in times[:: -1 if self.reverse else 1]:
            inputs = self._at(batch, time, head)
            outputs, new = self._step(inputs, states)
            yield Token((batch, time, head), inputs, states, outputs, new)
            states = [Value(value.array) for value in new]

    def look(self, row: int, head: int, final: list[Value]) -> Iterator[Token]:
        """The tokens of one sequence and head, with outputs of the final states where the step has their new values."""
        batch, times = self._times(row)
        start, states = self._start(row, head), [Value(value.array) for value in final]
        for time in times:
            inputs = self._at(batch, time, head)
            yield Token((batch, time, head), inputs, states, self._of_final(inputs, start, states), [])

    def _times(self, row: int) -> tuple[int, range]:
        """Where a sequence is: its batch and times."""
        if self.bound.cu_seqlens is None:
            return row, range(self.bound.indices["T"])
        ends = arrays.to_numpy(self.bound.cu_seqlens)
        return 0, range(int(ends[row]), int(ends[row + 1]))

    def _of_final(self, inputs: Mapping[str, Value], start: list[Value], final: list[Value]) -> list[Value]:
        """The outputs of one time with the final states where the step has their new values."""
        outputs, new = self._step(inputs, start)
        known: dict[int, Value | None] = {id(old): None for old in start}
        for value, state in zip(new, final, strict=True):
            while value.rule is RULES["stop_gradient"]:  # its operand is the same value
                (value,) = value.operands
                known[id(value)] = state
        known.update((id(value), state) for value, state in zip(new, final, strict=True))
        found = [replay(output, known) for output in outputs]
        if any(output is None for output in found):
            raise TreadleError(f"{self.bound.scan.name}: with causal=False an output uses the old value of a state")
        return [output for output in found if output is not None]

    def _step(self, inputs: Mapping[str, Value], states: list[Value]) -> tuple[list[Value], list[Value]]:
        """The outputs and the new states of one time."""
        params = self.bound.scan.states
        outputs, new = self.step(inputs, dict(zip(params, states, strict=True)))
        return outputs, [new[p] for p in params]

    def _start(self, row: int | None, head: int) -> list[Value]:
        """The states before the first token."""
        if self.initial is not None and row is not None:
            return [Value(self.initial[name][row, head]) for name in self.shapes]
        return [Value(np.full(shape, self.first[name])) for name, shape in self.shapes.items()]

    def _at(self, batch: int, time: int, head: int) -> dict[str, Value]:
        """The inputs of one time."""
        at = (batch, time, head)
        return {p.name: Value(self.inputs[p.name][self.index(p, at)]) for p in self.bound.scan.inputs}

    def index(self, p: InputParam, at: tuple[int, int, int]) -> tuple[int, ...]:
        """Where an input has the value for a batch, time and head."""
        batch, time, head = at
        heads = self.bound.indices["H"]
        group = head // (heads // self.bound.heads.get(p.name, heads))
        by_letter = {"B": batch, "T": time, "H": group}
        return tuple(by_letter[letter] for letter in p.indices)

    def _store(self, values: list[Value], at: tuple[int, int, int] | None) -> None:
        if not self.outputs:
            sizes = tuple(self.bound.indices[letter] for letter in "BTH")
            self.outputs = [np.empty((*sizes, *value.shape)) for value in values]
        if at is not None:
            for whole, value in zip(self.outputs, values, strict=True):
                whole[at] = value.array
