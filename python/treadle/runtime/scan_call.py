"""Calling a scan on arrays: `o, state = gla(q, k, v, g)`, and on the next tokens with `.step`."""

from __future__ import annotations

import functools
import math
import sys
import weakref
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from treadle.errors import LaunchError
from treadle.runtime import plans
from treadle.runtime import scan_arrays as arrays
from treadle.runtime.call import BFloat16, Remembered, arch_of, remembered
from treadle.runtime.scan_axes import along
from treadle.runtime.scan_binding import Bound, bind

if TYPE_CHECKING:
    from treadle.compiler import CpuProgram
    from treadle.frontend.scans import Output, Scan
    from treadle.runtime.bundle import Bundle, Param, Prepared

_COMMON = ("head_first", "out", "stream", "on", "arch", "fast_math")
CALL_SETTINGS = frozenset(
    ("initial_state", "output_final_state", "cu_seqlens", "reverse", "causal", "segments", "axis", *_COMMON)
)
STEP_SETTINGS = frozenset(("state", "state_indices", "out_state", *_COMMON))

_SHORTEST_CHUNK = 16  # tokens: fewer are worked on one at a time
_SHORTEST_SEGMENT = 512  # tokens: below, starting a segment costs more than it saves
# Blocks of so few threads work on vectors: many share a multiprocessor, and segments start fast.
_SMALL_BLOCK, _SMALL_BLOCKS, _SHORTEST_OF_SMALL = 64, 8, 128
_MOST_SEGMENTS = 64

_cpu_programs: Remembered[CpuProgram] = weakref.WeakKeyDictionary()
_bundles: Remembered[Bundle] = weakref.WeakKeyDictionary()
_plans: Remembered[_Plan] = weakref.WeakKeyDictionary()
_several_blocks: Remembered[bool] = weakref.WeakKeyDictionary()
_outputs: Remembered[tuple[Output, ...]] = weakref.WeakKeyDictionary()


def call_scan(
    scan: Scan,
    /,
    *args: Any,
    initial_state: Any = None,
    output_final_state: bool = False,
    cu_seqlens: Any = None,
    reverse: bool = False,
    causal: bool = True,
    segments: int | None = None,
    axis: int | None = None,
    head_first: bool = False,
    out: Any = None,
    stream: Any = None,
    on: str | None = None,
    arch: str | None = None,
    fast_math: bool = False,
    **own: Any,
) -> tuple[Any, Any]:
    """Run a scan over whole sequences; returns (o, final_state).

    Inputs: arrays of NumPy (bf16 as ml_dtypes has it or as uint16) or PyTorch, all in one place, by position or name:
    td.In [B, T, H, ...], or [B, H, T, ...] with head_first (no copy is made), td.Shared [B, T, ...], td.PerHead
    [H, ...], td.Param [...]. Inputs may have fewer heads than others, by a divisor: head h reads group h // (H / G).
    Constants are given by name; those that name axes come from the arrays.

    o: [B, T, H, ...] ([B, H, T, ...] with head_first), in the dtype of the inputs; a tuple where the step has several.
    out: arrays to write instead of new ones; they may be views of larger arrays, not of the inputs.
    initial_state, final_state: f32 [B, H, ...]; a tuple where the scan has several states. initial_state=None starts
    from the states' defaults; final_state is None unless output_final_state.
    cu_seqlens: [N + 1] int64 or int32, where the inputs are. Sequence i of N is the tokens cu_seqlens[i] to
    cu_seqlens[i + 1] of a batch of 1; states are [N, H, ...]. On a GPU its content is not checked.
    reverse: from the last token to the first. causal=False: every output is of the final states.
    segments: into how many parts sequences are split, which run at the same time, where the step can be worked on in
    chunks; None: as many as a GPU has room for, where there are few sequences and heads, and 1 elsewhere.
    axis: along which axis of positions to scan where arrays have several, as images and videos do. td.In is then
    [B, T1, ..., Tm, H, ...], td.Shared [B, T1, ..., Tm, ...], and axis a number from 1 (T1) to m (Tm), never negative.
    Positions on the other axes are like more sequences, each with states of its own: [B, the other axes in order, H,
    ...]. o is [B, T1, ..., Tm, H, ...], row-major. Not with cu_seqlens, head_first or out.
    What is copied: of row-major inputs none, since axes before the scanned one join the batch and those after it the
    heads; others where their strides do not allow that. td.PerHead is repeated for all positions that join the heads.
    td.Shared has no heads: where there is one, and axes after the scanned one, those join the batch, and both inputs
    and o are copied. On a GPU the batch and the heads, with what joins each, are at most 65535.
    on: None for where the arrays are, "cpu", "gpu", or "sim": as PTX for `arch`, simulated and checked.
    stream: of the GPU; None: PyTorch's current one.
    Where tensors of PyTorch require gradients, o and final_state have them, through treadle.torch.op; then not with
    out, stream or on="sim".
    """
    if axis is not None:
        call = functools.partial(
            call_scan,
            scan,
            output_final_state=output_final_state,
            reverse=reverse,
            causal=causal,
            segments=segments,
            stream=stream,
            on=on,
            arch=arch,
            fast_math=fast_math,
        )
        without = {"cu_seqlens": cu_seqlens, "head_first": head_first, "out": out}
        return along(call, scan, axis, args, own, CALL_SETTINGS, initial_state, stream=stream, **without)
    settings = (output_final_state, reverse, causal, segments, head_first, on, arch, fast_math)
    like = _likeness(scan, args, own, "call", *map(str, settings))
    like.add_all("initial_state", initial_state, _state_names(scan, "initial"))
    arrays.refuse_tangents(scan.name, like.tensors)
    if like.tensors and _wants_gradients(like.tensors):
        from treadle.torch.operators import call_with_gradients

        return call_with_gradients(
            scan,
            args,
            own,
            {"out": out, "stream": stream, "on": on, "arch": arch},
            initial_state=initial_state,
            output_final_state=output_final_state,
            cu_seqlens=cu_seqlens,
            reverse=reverse,
            causal=causal,
            segments=segments,
            head_first=head_first,
            fast_math=fast_math,
        )
    like.add_all("out", out, _output_places(out))
    like.add("cu_seqlens", cu_seqlens)
    known = _plans.setdefault(scan, {})
    if like.known and (plan := known.get(_key(scan, like))) is not None:
        return plan.run(like, stream)
    bound = bind(scan, args, own, CALL_SETTINGS, head_first)
    if segments is not None and (type(segments) is not int or segments < 1):
        raise bound.fail("segments", f"expected a number from 1, or None, found {segments!r}")
    if segments not in (None, 1) and not causal:
        raise bound.fail("segments", f"expected 1, or None, with causal=False, found {segments}")
    launch = Launch(bound, on, arch, stream, fast_math)
    if cu_seqlens is not None:
        bound.pack(cu_seqlens)
    letter = "B" if cu_seqlens is None else "N"
    initial = f32_states(bound, "initial_state", initial_state, bound.sequences, letter)
    outputs = launch.outputs(out)
    final = launch.new_states() if output_final_state else None
    made = launch.run(
        outputs,
        initial,
        final,
        cu_seqlens=bound.cu_seqlens,
        reverse=bool(reverse),
        causal=bool(causal),
        chunked=launch.chunked,
        segments=segments,
    )
    if made is not None and like.known and bound.cu_seqlens is cu_seqlens:
        plans.store(known, _key(scan, like), _Plan(scan, like, launch, *made, outputs, final))
    return one_or_all(outputs), None if final is None else one_or_all(final.values())


def step_scan(
    scan: Scan,
    /,
    *args: Any,
    state: Any = None,
    state_indices: Any = None,
    out_state: Any = None,
    head_first: bool = False,
    out: Any = None,
    stream: Any = None,
    on: str | None = None,
    arch: str | None = None,
    fast_math: bool = False,
    **own: Any,
) -> tuple[Any, Any]:
    """Run a scan on the next tokens of sequences whose states are given; returns (o, the states after them).

    Inputs are as for a call, or of one token each, without T: td.In [B, H, ...], td.Shared [B, ...]; o then has no T.
    state: f32 [B, H, ...], or a tuple of several; None: the states' defaults. The new states go into `out_state`, which
    may be `state` itself, or into new arrays.
    state_indices: [B] int64 or int32, all different: states are pools [P, H, ...], of which sequence i uses entry
    state_indices[i]; it is written in place unless there is an `out_state`. On a GPU its content is not checked.
    """
    like = _likeness(scan, args, own, "step", *map(str, (head_first, on, arch, fast_math)))
    like.add_all("state", state, _state_names(scan, "initial"))
    arrays.refuse_tangents(scan.name, like.tensors)
    like.add_all("out_state", out_state, _state_names(scan, "final"))
    like.add_all("out", out, _output_places(out))
    like.add("state_indices", state_indices)
    known = _plans.setdefault(scan, {})
    if like.known and (plan := known.get(_key(scan, like))) is not None:
        return plan.run(like, stream)
    bound = bind(scan, args, own, STEP_SETTINGS, head_first, step=True)
    launch = Launch(bound, on, arch, stream, fast_math)
    rows: int | None = bound.sequences
    indices = None
    if state_indices is not None:
        if state is None:
            raise bound.fail("state", "expected pools of states with state_indices, found none")
        indices = bound.integers("state_indices", state_indices, rows, "B")
        rows = None
    letter = "B" if indices is None else "P"
    initial = f32_states(bound, "state", state, rows, letter)
    final = f32_states(bound, "out_state", out_state, rows, letter)
    if final is None:
        final = launch.new_states() if indices is None or initial is None else initial
    if indices is not None and initial is not None:
        bound.pool_entries(indices, [*initial.values(), *final.values()])
    outputs = launch.outputs(out)
    made = launch.run(outputs, initial, final, state_indices=indices)
    if made is not None and like.known and indices is state_indices:
        plans.store(known, _key(scan, like), _Plan(scan, like, launch, *made, outputs, final))
    return one_or_all(outputs), one_or_all(final.values())


def one_or_all(values: Iterable[Any]) -> Any:
    """The value alone where there is one, else a tuple."""
    every = tuple(values)
    return every[0] if len(every) == 1 else every


def f32_states(bound: Bound, argument: str, value: Any, rows: int | None, letter: str) -> dict[str, Any] | None:
    if value is None:
        return None
    states = bound.states(argument, value, rows, letter)
    for name, state in states.items():
        bound.check_dtype(argument if len(states) == 1 else f"{argument}[{name}]", state, "f32")
    return states


def _likeness(
    scan: Scan, args: tuple[Any, ...], own: Mapping[str, Any], method: str, *settings: Hashable
) -> plans.Likeness:
    """What decides about a call: so far, its settings and inputs."""
    like = plans.Likeness(method, *settings)
    for p, value in zip(scan.inputs, args, strict=False):
        like.add(p.name, value)
    like.known = len(args) <= len(scan.inputs)
    for name, value in own.items():
        like.add(name, value)
    return like


def _wants_gradients(tensors: Iterable[Any]) -> bool:
    """Whether PyTorch keeps track of gradients, and some of these require them."""
    enabled = getattr(sys.modules.get("torch"), "is_grad_enabled", None)
    if enabled is None or not enabled():
        return False
    return any(getattr(tensor, "requires_grad", False) for tensor in tensors)


def _state_names(scan: Scan, when: str) -> list[str]:
    """The kernel's arguments for the states."""
    return [f"{p.name}_{when}" for p in scan.states]


def _output_places(out: Any) -> list[str]:
    """Places of the arrays given for outputs."""
    return [f"out{i}" for i in range(len(out) if isinstance(out, (tuple, list)) else 1)]


def _key(scan: Scan, like: plans.Likeness) -> Hashable:
    """Kernels are made for how arrays are aligned, and launched for which states are changed in place."""
    places, pointers = like.places, like.pointers
    in_place = tuple(
        f"{p.name}_final" in places and pointers[places[f"{p.name}_final"]] == pointers[places[f"{p.name}_initial"]]
        for p in scan.states
        if f"{p.name}_initial" in places
    )
    return like.key(), in_place, tuple(pointer & 15 for pointer in pointers)


class _Plan:
    """A launch that calls alike share: arrays it has to make, and where its results are."""

    def __init__(
        self,
        scan: Scan,
        like: plans.Likeness,
        launch: Launch,
        bundle: Bundle,
        prepared: Prepared,
        outputs: list[Any],
        final: Mapping[str, Any] | None,
    ) -> None:
        places = {str(name): place for name, place in like.places.items()}
        self._made: list[tuple[tuple[int, ...], Any]] = []

        def place(known: int | None, name: str, array: Any) -> int:
            """Of an array that was given, or one that every call makes."""
            if known is None:
                known = len(like.tensors) + len(self._made)
                self._made.append((tuple(array.shape), array.dtype))
            places[name] = known
            return known

        self._outputs = [
            place(like.places.get(f"out{i}"), name, array)
            for i, (name, array) in enumerate(zip(launch.names, outputs, strict=True))
        ]
        for name, array in launch.workspace.items():
            place(None, name, array)
        in_pools = "state_indices" in like.places
        self._final: list[int] | None = None
        if final is not None:
            self._final = []
            for name, array in final.items():
                known = like.places.get(f"{name}_final")
                if known is None and in_pools:
                    known = like.places.get(f"{name}_initial")
                self._final.append(place(known, f"{name}_final", array))
        self._plan = plans.Plan(bundle, prepared, places)

    def run(self, like: plans.Likeness, stream: Any) -> tuple[Any, Any]:
        """Launch; the outputs and the final states."""
        first = like.tensors[0]
        made = [first.new_empty(shape, dtype=dtype) for shape, dtype in self._made]
        every = like.tensors + made
        self._plan.launch(like.pointers + [array.data_ptr() for array in made], stream)
        final = None if self._final is None else one_or_all(every[i] for i in self._final)
        return one_or_all(every[i] for i in self._outputs), final


class Launch:
    """One launch of a scan: what is compiled for it, and its arguments."""

    def __init__(self, bound: Bound, on: str | None, arch: str | None, stream: Any, fast_math: bool) -> None:
        self.bound = bound
        self.on = _place(bound, on, arch)
        self.arch = arch
        self.stream = stream
        self.fast_math = bool(fast_math)
        self.dtype = bound.dtype()
        self.names: list[str] = []
        self.workspace: dict[str, Any] = {}
        """Arrays that kernels share, or that a backward writes."""

    def of(self, bound: Bound) -> Launch:
        """One like this, of other arrays in the same place."""
        return Launch(bound, self.on, self.arch, self.stream, self.fast_math)

    @property
    def chunked(self) -> bool:
        """Whether there are tokens enough for a chunk."""
        return self.bound.indices["T"] >= _SHORTEST_CHUNK

    def output_shapes(self) -> dict[str, tuple[int, ...]]:
        """The outputs by name, as the caller sees them."""
        bound, scan = self.bound, self.bound.scan
        key = tuple(sorted(bound.constants.items()))
        declared = remembered(_outputs, scan, key, lambda: scan.outputs(bound.constants))
        return {output.name: bound.output_shape(tuple(map(int, output.shape))) for output in declared}

    def outputs(self, out: Any) -> list[Any]:
        """The arrays for the outputs, as the caller sees them: new ones, or those given."""
        bound, shapes = self.bound, self.output_shapes()
        self.names = list(shapes)
        if out is None:
            return [arrays.empty(shape, self.dtype, bound.model) for shape in shapes.values()]
        given = list(out) if isinstance(out, (tuple, list)) else [out]
        if len(given) != len(shapes):
            expected = "one array" if len(shapes) == 1 else f"a tuple of {len(shapes)} arrays"
            raise bound.fail("out", f"expected {expected}, found {len(given)}")
        for (name, shape), array in zip(shapes.items(), given, strict=True):
            label = "out" if len(shapes) == 1 else f"out[{name}]"
            bound.check_array(label, array)
            bound.check_dtype(label, array, self.dtype)
            if arrays.shape_of(array) != shape:
                raise bound.fail(label, f"expected {shape}, found {arrays.shape_of(array)}")
        return given

    def new_states(self) -> dict[str, Any]:
        """New arrays for the final states."""
        bound = self.bound
        rows = (bound.sequences, bound.indices["H"])
        return {p.name: arrays.empty((*rows, *bound.state_shape(p)), "f32", bound.first) for p in bound.scan.states}

    def run(
        self,
        outputs: list[Any],
        initial: Mapping[str, Any] | None,
        final: Mapping[str, Any] | None,
        *,
        cu_seqlens: Any = None,
        state_indices: Any = None,
        reverse: bool = False,
        causal: bool = True,
        chunked: bool = False,
        segments: int | None = 1,
    ) -> tuple[Bundle, Prepared] | None:
        """Compile, unless that was done before, and launch. What was launched, if other calls may launch it again."""
        fields = dict(self.bound.inputs)
        fields.update((name, self.bound.inner(array)) for name, array in zip(self.names, outputs, strict=True))
        fields.update((f"{name}_initial", state) for name, state in (initial or {}).items())
        fields.update((f"{name}_final", state) for name, state in (final or {}).items())
        settings = self._settings(initial, final, cu_seqlens, reverse)
        settings |= {"indexed": state_indices is not None, "causal": causal, "chunked": chunked}
        ready = _ready(fields, {"cu_seqlens": cu_seqlens, "state_indices": state_indices})
        program, bundle = self._compiled(settings, fields, ready, segments)
        in_place = [name for name, state in (final or {}).items() if _is_same(state, (initial or {}).get(name))]
        copied = bool(in_place) and self._needs_copies(bundle, ready)
        if copied:
            for name in in_place:
                ready[f"{name}_initial"] = arrays.copy(ready[f"{name}_initial"], self.stream)
        prepared = self._start(program, bundle, ready)
        return None if copied or prepared is None else (bundle, prepared)

    def backward_settings(
        self, *, initial: bool, final: bool, reverse: bool, causal: bool, wanted: tuple[str, ...] | None
    ) -> dict[str, Any]:
        """What a backward is compiled for. wanted: the inputs whose gradients are, None for all."""
        return self._settings(initial or None, final or None, self.bound.cu_seqlens, reverse) | {
            "chunked": self.chunked,
            "backward": True,
            "causal": causal,
            "gradients": wanted,
        }

    def backward(
        self,
        settings: dict[str, Any],
        fields: Mapping[str, Any],
        gradients: Mapping[str, Any],
        segments: int | None,
    ) -> dict[str, Any]:
        """Compile the backward, unless that was done before, and launch it; what it wrote, by name.

        fields: the forward's inputs and initial states; gradients: those of outputs and final states.
        """
        ready = _ready({**fields, **gradients}, {"cu_seqlens": self.bound.cu_seqlens})
        program, bundle = self._compiled(settings, fields, ready, segments)
        known = {param.name for param in bundle.params}
        self._start(program, bundle, {name: array for name, array in ready.items() if name in known})
        return {name: array for name, array in self.workspace.items() if name.endswith("_grad")}

    def kept(
        self, settings: dict[str, Any], fields: Mapping[str, Any], segments: int | None
    ) -> dict[str, tuple[int, ...]]:
        """The shapes of what a backward keeps, by name; compiles it, unless that was done before."""
        _, bundle = self._program({**settings, "split": segments not in (1, None)}, fields)
        return {param.name: self._shape(param, 1) for param in bundle.params if param.name.startswith("kept_")}

    def _settings(self, initial: Any, final: Any, cu_seqlens: Any, reverse: bool) -> dict[str, Any]:
        """What a call is compiled for."""
        return {
            "initial": initial is not None,
            "final": final is not None,
            "packed": cu_seqlens is not None,
            "reverse": reverse,
            "grouped": self.bound.grouped,
            "fast_math": self.fast_math,
        }

    def _compiled(
        self, settings: dict[str, Any], fields: Mapping[str, Any], ready: dict[str, Any], segments: int | None
    ) -> tuple[CpuProgram | None, Bundle]:
        """The kernels, on segments of sequences where that is asked for, or of use; adds their workspace to `ready`."""
        settings = {**settings, "split": segments not in (1, None)}
        program, bundle = self._program(settings, fields)
        self._add_workspace(bundle, ready, segments or 1)
        may_split = self.on == "gpu" and settings.get("causal", True)
        if segments is None and may_split and self.bound.indices["T"] >= 2 * _SHORTEST_SEGMENT:
            segments = self._room(bundle, ready)
            if segments > 1:
                bundle = self._bundle({**settings, "split": True}, fields)
                self._add_workspace(bundle, ready, segments)
        return program, bundle

    def _program(self, settings: dict[str, Any], fields: Mapping[str, Any]) -> tuple[CpuProgram | None, Bundle]:
        """The kernels, and on a CPU their program."""
        program = self._cpu_program(settings) if self.on == "cpu" else None
        return program, program.bundle if program is not None else self._bundle(settings, fields)

    def _start(self, program: CpuProgram | None, bundle: Bundle, ready: Mapping[str, Any]) -> Prepared | None:
        """Launch; on a GPU what was launched."""
        if program is not None:
            program.launch(threads=0, **ready)
        elif self.on == "gpu":
            prepared = bundle.prepare(**ready)
            prepared.launch(self.stream)
            return prepared
        else:
            from treadle.runtime.sim import Simulator

            Simulator().run(bundle, **ready).check()
        return None

    def _room(self, bundle: Bundle, ready: Mapping[str, Any]) -> int:
        """How often the blocks of the smallest launch fit on the multiprocessors, one block on each if it is large."""
        launch = min(bundle.prepare(**ready).launches, key=lambda each: math.prod(each.grid))
        small = math.prod(launch.block) <= _SMALL_BLOCK
        shortest = self.bound.indices["T"] // (_SHORTEST_OF_SMALL if small else _SHORTEST_SEGMENT)
        room = arrays.multiprocessors(self.bound.first) * (_SMALL_BLOCKS if small else 1)
        return max(1, min(room // max(1, math.prod(launch.grid)), shortest, _MOST_SEGMENTS))

    def _add_workspace(self, bundle: Bundle, ready: dict[str, Any], segments: int) -> None:
        """New arrays for what kernels hand on to each other, and for what a backward writes."""
        for param in bundle.params:
            if param.is_tensor and param.name not in ready:
                self.workspace[param.name] = arrays.empty(self._shape(param, segments), param.dtype, self.bound.first)
        ready.update(_ready(self.workspace, {}))

    def _shape(self, param: Param, segments: int) -> tuple[int, ...]:
        """The shape of an array of a kernel."""
        indices = {**self.bound.indices, "N": self.bound.sequences, "segments": segments}
        return tuple(size if isinstance(size, int) else indices[str(size)] for size in param.shape)

    def _needs_copies(self, bundle: Bundle, ready: Mapping[str, Any]) -> bool:
        """Whether states that are changed in place must be read from a copy.

        Where several blocks work on one head, each reads the whole of a state that they do not share, and one writes
        it, perhaps before others have read it. A scan of one state shares that one.
        """
        if len(self.bound.scan.states) == 1:
            return False

        def make() -> bool:
            launches = bundle.prepare(**ready).launches
            return len(launches) != 1 or launches[0].grid[0] != 1

        return remembered(_several_blocks, bundle, None, make)

    def _cpu_program(self, settings: Mapping[str, Any]) -> CpuProgram:
        from treadle import compiler

        scan = self.bound.scan

        def make() -> CpuProgram:
            text = scan.to_mlir(self.bound.constants, self.dtype, **settings)
            several = settings["split"] or "backward" in settings or (settings["chunked"] and len(scan.states) > 1)
            kernels = compiler.kernels_of(text) if several else ("",)
            return compiler.CpuProgram(text, {"name": scan.name}, kernels)

        return remembered(_cpu_programs, scan, self._key(settings), make)

    def _bundle(self, settings: Mapping[str, Any], fields: Mapping[str, Any]) -> Bundle:
        """For a GPU, which loads and stores more at once where arrays are known to be aligned."""
        from treadle import compiler

        scan = self.bound.scan
        arch = self.arch or (compiler.DEFAULT_ARCH if self.on == "sim" else arch_of(arrays.device_of(self.bound.first)))
        align = {name: arrays.alignment(array, self._index_axes(name)) for name, array in fields.items()}

        def make() -> Bundle:
            text = scan.to_mlir(self.bound.constants, self.dtype, align=align, **settings)
            constants = scan.resolve(self.bound.constants)
            options = {"arch": arch, "name": scan.name, "dtype": self.dtype, "constants": constants}
            return compiler.compile_text(text, options).bundle()

        return remembered(_bundles, scan, (*self._key(settings), arch, tuple(align.values())), make)

    def _key(self, settings: Mapping[str, Any]) -> tuple[Any, ...]:
        return (tuple(sorted(self.bound.constants.items())), self.dtype, *sorted(settings.items()))

    def _index_axes(self, name: str) -> int:
        """How many axes of an array are before those of its values."""
        indices = {p.name: len(p.indices) for p in self.bound.scan.inputs}
        return indices.get(name, 3 if name in self.names else 2)


def _ready(fields: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as kernels take them."""
    arguments = {**fields, **{name: x for name, x in others.items() if x is not None}}
    return {name: BFloat16(x) if arrays.dtype_name(x) == "uint16" else x for name, x in arguments.items()}


def _is_same(state: Any, other: Any) -> bool:
    """Whether two states lie at one place."""
    return other is not None and (state is other or arrays.address(state) == arrays.address(other))


def _place(bound: Bound, on: str | None, arch: str | None) -> str:
    """Where to run: "cpu", "gpu" or "sim"."""
    name, on_gpu = bound.scan.name, arrays.device_of(bound.first) >= 0
    if on not in (None, "cpu", "gpu", "sim"):
        raise LaunchError(f'{name}: expected on="cpu", "gpu" or "sim", found {on!r}')
    if on is not None and on_gpu != (on == "gpu"):
        places = ("the CPU", "a CUDA device")
        raise LaunchError(f"{name}: expected arrays on {places[on == 'gpu']}, found them on {places[on_gpu]}")
    if arch is not None and on != "sim":
        raise LaunchError(f'{name}: expected on="sim" with arch, found on={on!r}')
    return on or ("gpu" if on_gpu else "cpu")
