"""Gradients of a scan: `(o, state), pullback = gla.vjp(q, k, v, g)`, then `pullback(o_grad)`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from treadle.errors import LaunchError
from treadle.runtime import scan_arrays as arrays
from treadle.runtime.scan_axes import Lines
from treadle.runtime.scan_binding import bind
from treadle.runtime.scan_call import CALL_SETTINGS, Launch, call_scan, f32_states, one_or_all

if TYPE_CHECKING:
    from treadle.frontend.scans import Scan
    from treadle.frontend.stepparams import InputParam

Pullback = Callable[..., dict[str, Any]]


def vjp_scan(scan: Scan, /, *args: Any, **kwargs: Any) -> tuple[tuple[Any, Any], Pullback]:
    """Run a scan as `scan(...)` with the same arguments does; returns ((o, final_state), pullback).

    `pullback(o_grad, final_state_grad=None, gradients=None)` takes what the results are weighed with: for o, or every
    output in a tuple, an array of its shape and dtype or None for zeros; for the final states f32 arrays of theirs, one
    or a tuple. None for all of either is zeros too. It returns the gradients of the sum of all results so weighed, in a
    dict: by name of every input that is no integer, an array of its shape and dtype, and as "initial_state", if one was
    given, f32 arrays like those. `td.stop_gradient` is taken for a constant. gradients: names of the inputs whose
    gradients are wanted, None for all; without those of decays it is faster.

    The gradients are found by a few launches, along time and against it, from the inputs alone: of the forward nothing
    is kept. Sums over sequences, heads of a group, and whatever else an input is the same for, are in a fixed
    order: the same bits in every run.

    axis: as for a call; o_grad and final_state_grad have the shapes that results have with it. Not with out: an error.
    Gradients that are tensors of PyTorch require none themselves.
    """
    if kwargs.get("out") is not None:
        raise LaunchError(f"{scan.name}: argument 'out': vjp does not take it")
    results = call_scan(scan, *args, **kwargs)
    own = {name: value for name, value in kwargs.items() if name not in CALL_SETTINGS}
    settings = {name: value for name, value in kwargs.items() if name in CALL_SETTINGS}

    def pullback(
        o_grad: Any, final_state_grad: Any = None, *, gradients: Collection[str] | None = None
    ) -> dict[str, Any]:
        """The gradients; see vjp_scan."""
        names = [p.name for p in _differentiable(scan)]
        for name in () if gradients is None else gradients:
            if name not in names:
                raise LaunchError(
                    f"{scan.name}: argument 'gradients': expected some of {', '.join(names)}, found {name!r}"
                )
        one = next(x for x in (*args, *own.values()) if arrays.is_array(x))
        with arrays.on_stream(one, settings.get("stream")):
            return Backward(scan, args, own, settings).run(o_grad, final_state_grad, gradients)

    return results, pullback


def _differentiable(scan: Scan) -> list[InputParam]:
    """The inputs that are no integers."""
    return [p for p in scan.inputs if p.dtype is None or not p.dtype.is_int]


class Backward:
    """The backward of one call."""

    def __init__(self, scan: Scan, args: tuple[Any, ...], own: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        self.settings = settings
        self.scan = scan
        axis = settings.get("axis")
        self.lines = None if axis is None else Lines(scan, axis, args, own)
        if self.lines is not None:
            args, own = self.lines.inputs(self.lines.flat)
        self.bound = bound = bind(scan, args, own, CALL_SETTINGS, bool(settings.get("head_first")))
        on, arch, stream = (settings.get(name) for name in ("on", "arch", "stream"))
        self.launch = Launch(bound, on, arch, stream, bool(settings.get("fast_math")))
        self.letter = "B"
        if settings.get("cu_seqlens") is not None:
            bound.pack(settings["cu_seqlens"])
            self.letter = "N"

    def run(
        self, o_grad: Any, final_state_grad: Any = None, gradients: Collection[str] | None = None
    ) -> dict[str, Any]:
        """All gradients, or those of some inputs, and of the initial states."""
        wanted = None if gradients is None else tuple(p.name for p in self.scan.inputs if p.name in gradients)
        bound, launch, lines = self.bound, self.launch, self.lines
        initial = self._states("initial_state", self.settings.get("initial_state"))
        final = self._states("final_state_grad", final_state_grad)
        fields = dict(bound.inputs)
        fields.update((f"{name}_initial", state) for name, state in (initial or {}).items())
        given = self._output_gradients(o_grad)
        given.update((f"{name}_final_grad", arrays.contiguous(state)) for name, state in (final or {}).items())
        made = launch.backward(
            fields,
            given,
            initial=initial is not None,
            final=final is not None,
            cu_seqlens=bound.cu_seqlens,
            reverse=bool(self.settings.get("reverse")),
            causal=bool(self.settings.get("causal", True)),
            segments=self.settings.get("segments"),
            wanted=wanted,
        )
        found = {
            p.name: self._of_input(p, made.get(f"{p.name}_grad"))
            for p in _differentiable(self.scan)
            if wanted is None or p.name in wanted
        }
        if initial is not None:
            states = [made.get(f"{name}_initial_grad", arrays.zeros_like(state)) for name, state in initial.items()]
            found["initial_state"] = one_or_all(states if lines is None else map(lines.final_state, states))
        return found

    def _states(self, argument: str, value: Any) -> dict[str, Any] | None:
        """States that are an argument, by name, [sequences, H, ...]."""
        bound, lines = self.bound, self.lines
        flat = value if lines is None else lines.states(value, lines.flat_state, argument)
        try:
            return f32_states(bound, argument, flat, bound.sequences, self.letter)
        except LaunchError:
            if lines is not None:
                lines.check(CALL_SETTINGS, argument, value)
            raise

    def _output_gradients(self, value: Any) -> dict[str, Any]:
        """Arrays [B, T, H, ...] by name."""
        bound, launch, lines = self.bound, self.launch, self.lines
        shapes = launch.output_shapes()
        given = [None] * len(shapes) if value is None else list(value) if isinstance(value, (tuple, list)) else [value]
        if len(given) != len(shapes):
            expected = "one array" if len(shapes) == 1 else f"a tuple of {len(shapes)} arrays"
            raise bound.fail("o_grad", f"expected {expected}, found {len(given)}")
        found = {}
        for (name, shape), array in zip(shapes.items(), given, strict=True):
            label = "o_grad" if len(shapes) == 1 else f"o_grad[{name}]"
            seen = shape if lines is None else lines.output_shape(shape)
            if array is None:
                array = arrays.zeros(seen, launch.dtype, bound.model)
            bound.check_array(label, array)
            bound.check_dtype(label, array, launch.dtype)
            if arrays.shape_of(array) != seen:
                raise bound.fail(label, f"expected {seen}, found {arrays.shape_of(array)}")
            if lines is not None:
                array = lines.flat_timed(array)
            found[f"{name}_grad"] = bound.inner(arrays.contiguous(array))
        return found

    def _of_input(self, p: InputParam, gradient: Any) -> Any:
        """The gradient of an input in the shape in which it was given, from that for every head and sequence."""
        bound, given = self.bound, self.bound.inputs[p.name]
        found = arrays.zeros_like(given) if gradient is None else self._summed(p, gradient)
        if self.lines is not None:
            found = self.lines.gradient(p, found)
        return bound.inner(arrays.cast(found, given), p.indices)

    def _summed(self, p: InputParam, gradient: Any) -> Any:
        """A gradient for every head and sequence, added up over those that share the input."""
        bound = self.bound
        if p.name in bound.grouped:
            shape, axis = arrays.shape_of(gradient), 2 if "T" in p.indices else 1
            groups = bound.heads[p.name]
            gradient = gradient.reshape(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :]).sum(axis + 1)
            if axis == 1:
                gradient = gradient.sum(0)
        elif p.indices == "BT":
            gradient = gradient.sum(2)
        elif p.indices == "H":
            gradient = gradient.sum(0)
        elif p.indices == "":
            gradient = gradient.sum((0, 1))
        return gradient
