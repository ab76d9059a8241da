"""Gradients of a scan: `(o, state), pullback = gla.vjp(q, k, v, g)`, then `pullback(o_grad)`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from treadle.errors import LaunchError
from treadle.runtime import scan_arrays as arrays
from treadle.runtime.scan_axes import Lines
from treadle.runtime.scan_binding import Bound, bind
from treadle.runtime.scan_call import CALL_SETTINGS, Launch, call_scan, f32_states, one_or_all
from treadle.runtime.scan_checkpoints import check_length, length_for, segment, segments_of

if TYPE_CHECKING:
    from treadle.frontend.scans import Scan
    from treadle.frontend.stepparams import InputParam

States = dict[str, Any]
Pullback = Callable[..., dict[str, Any]]


def vjp_scan(
    scan: Scan, /, *args: Any, checkpoint: int | None = None, **kwargs: Any
) -> tuple[tuple[Any, Any], Pullback]:
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

    checkpoint: on how many tokens the launches work together; 0: on all. With fewer, the states at the start of each
    segment of so many tokens come first, and then the gradients of each segment, from the last to the first: the same
    up to rounding, while what launches hand on to each other exists for one segment at a time. None: 0, but segments
    of about 2 sqrt(T) tokens, or as many as take 32 MiB, where they would hand on a matrix of every token, as of a
    delta rule, and these are more than 64 MiB and more than four times the inputs and outputs. With causal=False there
    are no segments.

    axis: as for a call; o_grad and final_state_grad have the shapes that results have with it. Not with out: an error.
    Gradients that are tensors of PyTorch require none themselves.
    """
    if kwargs.get("out") is not None:
        raise LaunchError(f"{scan.name}: argument 'out': vjp does not take it")
    check_length(Bound(scan), checkpoint, bool(kwargs.get("causal", True)))
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
            return Backward(scan, args, own, settings, checkpoint).run(o_grad, final_state_grad, gradients)

    return results, pullback


def _differentiable(scan: Scan) -> list[InputParam]:
    """The inputs that are no integers."""
    return [p for p in scan.inputs if p.dtype is None or not p.dtype.is_int]


class Backward:
    """The backward of one call."""

    def __init__(
        self,
        scan: Scan,
        args: tuple[Any, ...],
        own: Mapping[str, Any],
        settings: Mapping[str, Any],
        checkpoint: int | None = None,
    ) -> None:
        self.settings = settings
        self.checkpoint = checkpoint
        self.wanted: tuple[str, ...] | None = None
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
        self.wanted = None if gradients is None else tuple(p.name for p in self.scan.inputs if p.name in gradients)
        bound, launch, lines = self.bound, self.launch, self.lines
        initial = self._states("initial_state", self.settings.get("initial_state"))
        final = self._states("final_state_grad", final_state_grad)
        given = self._output_gradients(o_grad)
        length = self._length(given, initial, final)
        if 0 < length < bound.indices["T"]:
            made, before = self._in_segments(length, given, initial, final)
        else:
            made, before = self._launched(launch, given, initial, final)
            made = {p.name: self._summed(p, made[p.name]) for p in self._asked() if p.name in made}
        found = {p.name: self._of_input(p, made.get(p.name)) for p in self._asked()}
        if initial is not None:
            states = [before.get(name, arrays.zeros_like(state)) for name, state in initial.items()]
            found["initial_state"] = one_or_all(states if lines is None else map(lines.final_state, states))
        return found

    def _asked(self) -> list[InputParam]:
        """The inputs whose gradients are wanted."""
        return [p for p in _differentiable(self.scan) if self.wanted is None or p.name in self.wanted]

    # -----------------------------------------------------------------------------------------------------------------
    # Launches
    # -----------------------------------------------------------------------------------------------------------------

    def _launched(
        self, launch: Launch, given: Mapping[str, Any], initial: States | None, final: States | None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the backward writes: gradients of inputs, for every head and sequence, and of initial states, by name.

        given, final: gradients of outputs and of final states.
        """
        finals = {f"{name}_final_grad": arrays.contiguous(state) for name, state in (final or {}).items()}
        settings, fields = self._compiled_for(launch, initial, final)
        made = launch.backward(settings, fields, {**given, **finals}, self.settings.get("segments"))
        inputs, states = ([p.name for p in params] for params in (self.scan.inputs, self.scan.states))
        return (
            {name: made[f"{name}_grad"] for name in inputs if f"{name}_grad" in made},
            {name: made[f"{name}_initial_grad"] for name in states if f"{name}_initial_grad" in made},
        )

    def _compiled_for(
        self, launch: Launch, initial: States | None, final: States | None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The settings of a backward, and the forward's arrays."""
        settings = launch.backward_settings(
            initial=initial is not None,
            final=final is not None,
            reverse=bool(self.settings.get("reverse")),
            causal=bool(self.settings.get("causal", True)),
            wanted=self.wanted,
        )
        return settings, launch.bound.inputs | {f"{name}_initial": state for name, state in (initial or {}).items()}

    def _length(self, given: Mapping[str, Any], initial: States | None, final: States | None) -> int:
        """How many tokens a segment has; 0: all."""
        if self.checkpoint is not None:
            return self.checkpoint
        if not self.settings.get("causal", True) or not self.bound.indices["T"]:
            return 0
        kept = self.launch.kept(*self._compiled_for(self.launch, initial, final), self.settings.get("segments"))
        return length_for(self.bound, kept, sum(x.nbytes for x in (*self.bound.inputs.values(), *given.values())))

    def _in_segments(
        self, length: int, given: Mapping[str, Any], initial: States | None, final: States | None
    ) -> tuple[dict[str, Any], States]:
        """What all segments' backwards come to: gradients of inputs, as those are shared, and of initial states."""
        if initial is None:
            initial = self.launch.new_states()
            for state in self.scan.states:
                initial[state.name][...] = state.initial
        if final is None:
            final = {name: arrays.zeros_like(state) for name, state in initial.items()}
        segments = segments_of(self.bound, length)
        if self.settings.get("reverse"):
            segments.reverse()
        starts = [initial]
        for times in segments[:-1]:
            starts.append(self._walked(segment(self.launch, times), starts[-1]))
        found: dict[str, Any] = {}
        for times in reversed(segments):
            start, of_outputs = starts.pop(), {name: array[:, times] for name, array in given.items()}
            made, before = self._launched(segment(self.launch, times), of_outputs, start, final)
            final = {name: before[name] if name in before else arrays.zeros_like(x) for name, x in start.items()}
            for p in self._asked():
                gradient, like = made.pop(p.name, None), self.bound.inputs[p.name]
                if gradient is None:
                    continue
                if "T" not in p.indices:
                    found[p.name] = found[p.name] + gradient if p.name in found else gradient
                    continue
                if p.name not in found:
                    found[p.name] = arrays.zeros_like(like)
                found[p.name][:, times] = arrays.cast(self._summed(p, gradient), like)
        for p in self._asked():
            if "T" not in p.indices and p.name in found:
                found[p.name] = self._summed(p, found[p.name])
        return found, final

    def _walked(self, launch: Launch, initial: States) -> States:
        """The states after the tokens of a launch."""
        final = launch.new_states()
        reverse, segments = bool(self.settings.get("reverse")), self.settings.get("segments")
        launch.run(
            launch.outputs(None),
            initial,
            final,
            cu_seqlens=launch.bound.cu_seqlens,
            reverse=reverse,
            chunked=launch.chunked,
            segments=segments,
        )
        return final

    # -----------------------------------------------------------------------------------------------------------------
    # Arguments and results
    # -----------------------------------------------------------------------------------------------------------------

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
        """The gradient of an input in the shape in which it was given, from that of the bound one; None: zeros."""
        bound, given = self.bound, self.bound.inputs[p.name]
        found = arrays.zeros_like(given) if gradient is None else gradient
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
