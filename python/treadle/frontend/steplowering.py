"""A step as the text of a mixer: a `func.func` around one `treadle.scan`."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from treadle.frontend import (
    branches,  # noqa: F401  (registers its handlers, as do calls, expressions, loops and statements)
    calls,  # noqa: F401
    dtypes,
    expressions,  # noqa: F401
    loops,  # noqa: F401
    statements,  # noqa: F401
)
from treadle.frontend.builder import Builder
from treadle.frontend.carried import types
from treadle.frontend.declared import Constant
from treadle.frontend.dtypes import DType
from treadle.frontend.grid import Grid
from treadle.frontend.literals import float_text, quote
from treadle.frontend.noncausal import check_noncausal, check_states
from treadle.frontend.params import Param
from treadle.frontend.scans import Scan
from treadle.frontend.shaping import is_power_of_two
from treadle.frontend.source import Source, find
from treadle.frontend.stepbody import read
from treadle.frontend.stepparams import Field, InputParam, PastParam, StateParam
from treadle.frontend.values import Value, make


@dataclass(frozen=True)
class Options:
    """What a scan is compiled for; see `Scan.to_mlir`."""

    dtype: DType
    initial: bool = False
    final: bool = True
    packed: bool = False
    indexed: bool = False
    reverse: bool = False
    causal: bool = True
    chunked: bool = False
    split: bool = False
    grouped: tuple[str, ...] = ()
    align: int | Mapping[str, int] | None = None
    fast_math: bool = False
    backward: bool = False
    gradients: tuple[str, ...] | None = None
    separate: bool = False


@dataclass(frozen=True)
class Step:
    """A step that was read: the lines of its region, its arguments, what it yields."""

    lines: list[str]
    arguments: list[Value]
    outputs: list[Value]

    @property
    def output_names(self) -> list[str]:
        """`o`, or `o0`, `o1`…"""
        return ["o"] if len(self.outputs) == 1 else [f"o{k}" for k in range(len(self.outputs))]


@dataclass(frozen=True)
class _Array:
    """An argument or a result of the mixer: its name there, the name of the array that the kernel gets, its type."""

    name: str
    array: str
    ssa: str
    type: str
    size: int

    def declared(self, align: int | None) -> str:
        """The attributes of an argument or a result."""
        aligned = f", treadle.align = {align} : i32" if align else ""
        return f"{{treadle.name = {quote(self.name)}{aligned}}}"


def _fields(parameters: Sequence[Param]) -> list[Field]:
    return [p for p in parameters if isinstance(p, Field)]


def _ssa(p: Field, k: int) -> str:
    name = f"%{p.name}" if p.name.isascii() else f"%arg.{k}"
    return f"{name}.past" if isinstance(p, PastParam) else name


def lower_step(scan: Scan, constants: Mapping[str, Constant], causal: bool = True) -> Step:
    """Read a step."""
    source, tree = find(scan.fn)
    b = Builder(source, scan.fn, tree, step=True)
    fields = _fields(scan.parameters)
    names = {p: f"{_ssa(p, k)}.t" for k, p in enumerate(fields)}
    inputs = {p.name: make(names[p], p.computed, p.shape(constants)) for p in scan.inputs}
    states: dict[StateParam, Value] = {}

    def old(p: StateParam, shape: tuple[int, ...]) -> Value:
        return states.setdefault(p, make(names[p], dtypes.f32, shape))

    if not causal:
        check_states(fields)
    with b.emitter.isolated() as lines:
        try:
            made = read(b, Grid(), scan, constants, inputs, old)
        except RecursionError:
            deep = b.frames[-1].source.error(
                b.statement, "this statement is nested too deeply to compile", "split it with intermediate names"
            )
            raise deep from None
        outputs, following = made.outputs, [made.new[p] for p in scan.states]
        b.at(made.end)
        b.emitter.line(
            f"treadle.yield {_operands(outputs)} : {types(outputs)} next {_operands(following)} : {types(following)}"
        )
    if not causal:
        of = {v.name: p.name for p, v in states.items()}
        check_noncausal(b, lines, list(zip(outputs, made.places, strict=True)), of, {v.name for v in following})
    return Step(lines, [*inputs.values(), *(states[p] for p in scan.states)], outputs)


def _operands(values: list[Value]) -> str:
    return ", ".join(v.name for v in values)


def _type(indices: str, shape: tuple[int, ...], dtype: DType) -> str:
    return f"!treadle.field<{indices}{', ' if indices else ''}{''.join(f'{n}x' for n in shape)}{dtype}>"


def text(scan: Scan, constants: Mapping[str, Constant], options: Options) -> str:
    """The MLIR text of a scan."""
    source, tree = find(scan.fn)
    step = lower_step(scan, constants, options.causal)
    fields = _fields(scan.parameters)
    _check_options(source, tree, scan, options)
    b = Builder(source, scan.fn, tree, step=True)
    closing = b.emitter.loc
    inputs: list[_Array] = []
    states: list[_Array] = []
    for k, (p, value) in enumerate(zip(fields, step.arguments, strict=True)):
        if isinstance(p, InputParam):
            indices = p.indices.replace("H", "G") if p.name in options.grouped else p.indices
            dtype = p.dtype or options.dtype
            type_ = _type(indices, value.dims, dtype)
            inputs.append(_Array(p.name, p.name, _ssa(p, k), type_, dtype.size))
        else:
            type_ = _type(p.indices, value.dims, dtypes.f32)
            states.append(_Array(p.name, f"{p.name}_initial", _ssa(p, k), type_, 4))
            if not options.initial:
                assert isinstance(p, StateParam)
                b.at(p.node)
                b.emitter.line(f"{_ssa(p, k)} = treadle.fill {float_text(p.initial, dtypes.f32)} : {type_}")
    outputs = [
        _Array(name, name, "", _type("BTH", v.dims, options.dtype), options.dtype.size)
        for name, v in zip(step.output_names, step.outputs, strict=True)
    ]
    finals = [_Array(s.name, f"{s.name}_final", "", s.type, s.size) for s in states]
    b.at(tree)
    results = _scan(b, step, inputs, states, [*outputs, *finals], options)
    returned = [*outputs, *(finals if options.final else [])]
    b.emitter.line(f"return {', '.join(results[: len(returned)])} : {', '.join(r.type for r in returned)}")
    arguments = [*inputs, *(states if options.initial else [])]
    align = _alignment(source, tree, scan, [*arguments, *returned], options)
    _check_names(source, fields, tree, [*arguments, *returned], options)
    attributes = [
        "treadle.mixer",
        *(["treadle.packed"] if options.packed else []),
        *(["treadle.indexed"] if options.indexed else []),
        *(["treadle.split"] if options.split else []),
        *(["treadle.separate"] if options.separate else []),
        *(["treadle.backward", "treadle.apart"] if options.backward else []),
        *(
            [f"treadle.gradients = [{', '.join(map(quote, options.gradients))}]"]
            if options.gradients is not None
            else []
        ),
        *([f"treadle.chunk = {constants['chunk']} : i32"] if options.chunked and constants["chunk"] != 1 else []),
        *([f"tile.num_warps = {constants['num_warps']} : i32"] if constants["num_warps"] else []),
        *(["tile.fast_math"] if options.fast_math else []),
    ]
    name = scan.name if scan.name.isascii() else quote(scan.name)
    shown = ", ".join(f"{a.ssa}: {a.type} {a.declared(align.get(a.array))}" for a in arguments)
    return "\n".join(
        [
            f"func.func @{name}({shown})",
            f"    -> ({', '.join(f'{r.type} {r.declared(align.get(r.array))}' for r in returned)})",
            f"    attributes {{{', '.join(attributes)}}} {{",
            *b.emitter.lines,
            "}" + closing,
            "",
        ]
    )


def _scan(
    b: Builder, step: Step, inputs: list[_Array], states: list[_Array], results: list[_Array], options: Options
) -> list[str]:
    """The `treadle.scan`; the names of its results."""
    em = b.emitter
    loc = em.loc
    given, start = (", ".join(a.ssa for a in arrays) for arrays in (inputs, states))
    flags = f"{'' if options.causal else ' noncausal'}{' reverse' if options.reverse else ''}"
    em.raw(f"%scan.r:{len(results)} = treadle.scan ({given}) from ({start}){flags} {{")
    em.raw(f"^bb0({', '.join(f'{v.name}: {v.type}' for v in step.arguments)}):")
    em.lines += step.lines
    of_inputs, of_states, of_results = (", ".join(a.type for a in arrays) for arrays in (inputs, states, results))
    em.raw(f"}} : ({of_inputs}) from ({of_states}) -> ({of_results}){loc}")
    return [f"%scan.r#{k}" for k in range(len(results))]


def _check_options(source: Source, tree: ast.FunctionDef, scan: Scan, options: Options) -> None:
    """Errors for options that do not fit the parameters."""
    inputs = {p.name: p for p in scan.inputs}
    for name in options.grouped:
        p = inputs.get(name)
        if p is None:
            raise source.error(
                tree, f"grouped: {name} is no input of {scan.label}", f"its inputs are {', '.join(inputs)}"
            )
        if "H" not in p.indices:
            heads = [q.name for q in inputs.values() if "H" in q.indices]
            raise source.error(
                p.node, f"grouped: input {name} is the same for all heads",
                f"inputs with a value for each head are {', '.join(heads)}" if heads else None,
            )  # fmt: skip
    if options.indexed and not (options.initial or options.final):
        raise source.error(
            tree, "indexed: the states of the scan are neither arguments nor results", "set initial or final"
        )


def _check_names(
    source: Source, fields: list[Field], tree: ast.FunctionDef, arrays: list[_Array], options: Options
) -> None:
    """An error when two arrays of the kernel would have one name."""
    seen = {"cu_seqlens": "the lengths of packed sequences"} if options.packed else {}
    if options.indexed:
        seen["state_indices"] = "the pool's entries"
    places = {p.name: p.node for p in fields}
    states = [p for p in fields if isinstance(p, StateParam) and not isinstance(p, PastParam)]
    seen.update((p.name, f"state {p.name}") for p in states)
    for array in sorted(arrays, key=lambda a: a.array in places):
        what = "an output" if not array.ssa else "an input"
        if array.array != array.name:
            what = f"state {array.name}"
        if array.array in seen:
            raise source.error(
                places.get(array.array, tree),
                f"two arrays are named {array.array}: that of {what}, and that of {seen[array.array]}",
                "rename the parameter",
            )
        seen[array.array] = what


def _alignment(
    source: Source, tree: ast.FunctionDef, scan: Scan, arrays: list[_Array], options: Options
) -> dict[str, int]:
    """The promised alignment of arrays by name; none where it is the element's size."""
    if options.align is None:
        return {}
    sizes = {a.array: a.size for a in arrays}
    align = dict.fromkeys(sizes, options.align) if isinstance(options.align, int) else dict(options.align)
    for name, value in align.items():
        if name not in sizes:
            raise source.error(tree, f"align: {name} is no array of {scan.label}", f"it has {', '.join(sizes)}")
        if not is_power_of_two(value) or value < sizes[name]:
            raise source.error(
                tree,
                f"align: {name} is aligned to {value} bytes, its elements are {sizes[name]} bytes",
                "give a power of two, at least that",
            )
    return align
