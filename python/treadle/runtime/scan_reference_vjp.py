"""The gradients of what a scan means: reverse-mode differentiation of its step as Python runs it, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from treadle.runtime import scan_arrays as arrays
from treadle.runtime.scan_axes import along
from treadle.runtime.scan_binding import Bound
from treadle.runtime.scan_reference import SETTINGS, Run, Token, run_of
from treadle.runtime.step_rules import Array
from treadle.runtime.step_values import Value, gradients

if TYPE_CHECKING:
    from treadle.frontend.scans import Scan

Pullback = Callable[..., dict[str, Any]]


def reference_vjp(
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
) -> tuple[tuple[Any, Any], Pullback]:
    """((outputs, final_state), pullback): what `scan.reference` returns, and the function that derives it.

    pullback(grad_outputs, grad_final_state=None) returns the gradients of <outputs, grad_outputs> + <final_state,
    grad_final_state>: a dict with that of every floating-point input, by its name, and of "initial_state" where that
    was given, one array or a tuple as it was. Each is float64 NumPy, in the shape of what the caller passed, and summed
    over what shares an input: the heads of a group, times, sequences. Integers have none.

    grad_outputs, grad_final_state: one array or a tuple, as outputs and final_state are, in their shapes, of any dtype;
    None, for one or for all, is zero. Others are a LaunchError; so is grad_final_state without output_final_state=True.

    Nothing is compiled, and of the compiler nothing is used: each operation of the step has a rule, in `step_rules`,
    and what Python computed is walked back, one sequence and head at a time. td.stop_gradient is constant. Of equal
    operands of td.maximum and td.minimum each has half of the gradient, of equal elements in .max and .min each an
    equal part; td.abs has none at 0; of td.logaddexp the derivatives are half where both are -inf. A gradient of 0
    stays 0, where the derivative is infinite too: what td.where does not choose gets none.

    causal=False: gradients of outputs go to the inputs of their token, and to the final states. axis: as for a call.
    """
    settings = {"output_final_state": output_final_state, "reverse": reverse, "causal": causal}
    if axis is not None:
        without = {"cu_seqlens": cu_seqlens, "head_first": head_first}
        return _along(scan, axis, args, own, initial_state, without, settings)
    run = run_of(scan, args, own, initial_state, cu_seqlens, reverse, causal, head_first)
    results = run.results(output_final_state)

    def pullback(grad_outputs: Any, grad_final_state: Any = None) -> dict[str, Any]:
        weights, final = _weights(scan, results, grad_outputs, grad_final_state)
        with np.errstate(all="ignore"):
            return _Walk(run, [run.bound.inner(x) for x in weights], final).gradients(initial_state)

    return results, pullback


class _Walk:
    """The way back through one call."""

    def __init__(self, run: Run, weights: list[Array], final: list[Array]) -> None:
        self.run = run
        self.weights = weights
        """The gradients of the outputs, [B, T, H, ...]."""
        shapes = [(run.bound.sequences, run.bound.indices["H"], *shape) for shape in run.shapes.values()]
        self.states = [final[k] if final else np.zeros(shape) for k, shape in enumerate(shapes)]
        """The gradients of the final states; where the way back is done, those of the first."""
        floats = {name: x for name, x in run.inputs.items() if x.dtype.kind == "f"}
        self.inputs = {name: np.zeros(x.shape) for name, x in floats.items()}

    def gradients(self, initial_state: Any) -> dict[str, Any]:
        """Those of the inputs and the initial states, as the call has them."""
        for row, head in self.run.heads():
            last = self._sequence(row, head, [state[row, head] for state in self.states])
            for whole, state in zip(self.states, last, strict=True):
                whole[row, head] = state
        indices = {p.name: p.indices for p in self.run.bound.scan.inputs}
        found: dict[str, Any] = {name: self.run.bound.inner(g, indices[name]) for name, g in self.inputs.items()}
        if initial_state is not None:
            several = isinstance(initial_state, (tuple, list))
            found["initial_state"] = tuple(self.states) if several else self.states[0]
        return found

    def _sequence(self, row: int, head: int, states: list[Array]) -> list[Array]:
        """Walk back through one sequence of one head, from the gradients of its final states to those of its first."""
        tokens = list(self.run.walk(row, head))
        if tokens and not self.run.causal:
            for token in self.run.look(row, head, tokens[-1].new):
                states = [a + b for a, b in zip(states, self._back(token, token.outputs, []), strict=True)]
        while tokens:
            token = tokens.pop()
            states = self._back(token, token.outputs if self.run.causal else [], states)
        return states

    def _back(self, token: Token, outputs: list[Value], states: list[Array]) -> list[Array]:
        """Add to the gradients of a token's inputs; those of the states that it had, from those of the new ones."""
        weights = [weight[token.at] for weight in self.weights]
        found = gradients([*zip(outputs, weights, strict=False), *zip(token.new, states, strict=True)])
        for p in self.run.bound.scan.inputs:
            g = found.get(id(token.inputs[p.name]))
            if g is not None:
                self.inputs[p.name][self.run.index(p, token.at)] += g
        return [found.get(id(state), np.zeros(state.shape)) for state in token.states]


# ---------------------------------------------------------------------------------------------------------------------
# What a pullback is given
# ---------------------------------------------------------------------------------------------------------------------


def _weights(scan: Scan, results: tuple[Any, Any], grad_outputs: Any, grad_final_state: Any) -> list[list[Array]]:
    """The gradients of the outputs and of the final states, checked; of those, none where there is none."""
    o, final = map(_listed, results)
    if grad_final_state is not None and not final:
        found = type(grad_final_state).__name__
        raise Bound(scan).fail("grad_final_state", f"expected None, as output_final_state is False, found {found}")
    return [
        _checked(scan, "grad_outputs", grad_outputs, o, range(len(o))),
        _checked(scan, "grad_final_state", grad_final_state, final, [p.name for p in scan.states]),
    ]


def _checked(scan: Scan, argument: str, given: Any, results: list[Array], labels: Iterable[Any]) -> list[Array]:
    """One gradient for each result, in its shape, float64."""
    weights = [None for _ in results] if given is None else _listed(given)
    if len(weights) != len(results):
        expected = "one array" if len(results) == 1 else f"a tuple of {len(results)} arrays"
        found = len(weights) if isinstance(given, (tuple, list)) else "one"
        raise Bound(scan).fail(argument, f"expected {expected}, found {found}")
    return [
        _weight(scan, argument if len(results) == 1 else f"{argument}[{label}]", weight, result)
        for label, weight, result in zip(labels, weights, results, strict=False)
    ]


def _weight(scan: Scan, label: str, given: Any, result: Array) -> Array:
    if given is None:
        return np.zeros(result.shape)
    Bound(scan).check_array(label, given)
    if arrays.shape_of(given) != result.shape:
        raise Bound(scan).fail(label, f"expected {result.shape}, as the result has, found {arrays.shape_of(given)}")
    return np.array(arrays.to_numpy(given), np.float64)


def _listed(values: Any) -> list[Any]:
    """One value, several or none, as a list."""
    return [] if values is None else list(values) if isinstance(values, (tuple, list)) else [values]


# ---------------------------------------------------------------------------------------------------------------------
# Along one of several axes
# ---------------------------------------------------------------------------------------------------------------------


def _along(
    scan: Scan,
    axis: int,
    args: tuple[Any, ...],
    own: Mapping[str, Any],
    initial_state: Any,
    without: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> tuple[tuple[Any, Any], Pullback]:
    """`reference_vjp` for arrays of several position axes, along one of them.

    Their elements are chosen and put in another order to be those of sequences, and so are those of the results. What
    is chosen shows on arrays that hold the numbers of their elements; gradients go back to where elements came from.
    """
    calls: list[tuple[tuple[Any, Any], Pullback]] = []

    def call(*flat: Any, **named: Any) -> tuple[Any, Any]:
        calls.append(reference_vjp(scan, *flat, **named, **settings))
        return calls[0][0]

    results = along(call, scan, axis, args, own, SETTINGS, initial_state, **without)
    flat_results, flat_pullback = calls[0]
    names = [p.name for p in scan.inputs]
    own_inputs = {name: value for name, value in own.items() if name in names}
    inputs = {**dict(zip(names, args, strict=False)), **own_inputs}
    numbers: dict[str, Any] = {}

    def number(*flat: Any, **named: Any) -> tuple[Any, Any]:
        numbers.update(named, **dict(zip(names, flat, strict=False)))
        return _each(_numbers, flat_results[0]), _each(_numbers, flat_results[1])

    numbered = {**own, **{name: _numbers(value) for name, value in own_inputs.items()}}
    first = _each(_numbers, initial_state)
    placed = along(number, scan, axis, tuple(map(_numbers, args)), numbered, SETTINGS, first, **without)

    def pullback(grad_outputs: Any, grad_final_state: Any = None) -> dict[str, Any]:
        weights = _weights(scan, results, grad_outputs, grad_final_state)
        flat = [_each(_added, a, b, c) for a, b, c in zip(placed, weights, flat_results, strict=True)]
        found = flat_pullback(*flat)
        given = {**inputs, "initial_state": initial_state}
        return {name: _each(_added, numbers[name], g, given[name]) for name, g in found.items()}

    return results, pullback


def _numbers(x: Any) -> Array:
    """An array of the shape of another, with the numbers of its elements."""
    shape = arrays.shape_of(x)
    return np.arange(math.prod(shape)).reshape(shape)


def _added(numbers: Array, g: Array, whole: Any) -> Array:
    """Gradients of elements of an array, added up by the elements' numbers."""
    shape = arrays.shape_of(whole)
    return np.bincount(numbers.ravel(), g.ravel(), math.prod(shape)).astype(np.float64).reshape(shape)


def _each(change: Callable[..., Any], *values: Any) -> Any:
    """Of one array, several or none, each changed; several as the last of the values are."""
    if values[-1] is None:
        return None
    every = [change(*several) for several in zip(*map(_listed, values), strict=True)]
    return tuple(every) if isinstance(values[-1], (tuple, list)) else every[0]
