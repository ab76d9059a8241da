"""A step as the text of a mixer: a `func.func` around one `treadle.scan`."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType

from treadle.frontend import (
    branches,  # noqa: F401  (registers its handlers, as do calls, expressions, loops and statements)
    calls,  # noqa: F401
    dtypes,
    expressions,  # noqa: F401
    loops,  # noqa: F401
    statements,  # noqa: F401
)
from treadle.frontend.axes import Size
from treadle.frontend.builder import Builder, is_number
from treadle.frontend.carried import types
from treadle.frontend.declared import Constant
from treadle.frontend.dtypes import DType
from treadle.frontend.grid import Grid
from treadle.frontend.interpreter import Interpreter, Returned
from treadle.frontend.literals import float_text, quote
from treadle.frontend.noncausal import check_noncausal, check_states
from treadle.frontend.params import Param
from treadle.frontend.scope import Scope
from treadle.frontend.shaping import is_power_of_two
from treadle.frontend.source import Source, find
from treadle.frontend.stepparams import Field, InputParam, PastParam, StateParam
from treadle.frontend.stepstates import HiddenStates
from treadle.frontend.values import Value, describe, make, show_shape


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


def lower_step(
    fn: FunctionType, parameters: Sequence[Param], constants: Mapping[str, Constant], causal: bool = True
) -> Step:
    """Read a step."""
    source, tree = find(fn)
    b = Builder(source, fn, tree, step=True)
    scope = Scope(source, fn)
    fields = _fields(parameters)
    named = {name for p in fields for axis in p.axes for name in axis.names}
    for name, value in constants.items():
        if name not in ("chunk", "num_warps"):
            scope.names[name] = Size(value, name) if name in named and isinstance(value, int) else value
    arguments = []
    for k, p in enumerate(fields):
        # Integers stay what they are; floats are widened.
        integer = isinstance(p, InputParam) and p.dtype is not None and p.dtype.is_int
        arguments.append(make(f"{_ssa(p, k)}.t", dtypes.i32 if integer else dtypes.f32, p.shape(constants)))
        if not isinstance(p, StateParam) or p.declared:
            scope.names[p.name] = arguments[-1]
    it = Interpreter(b, scope, Grid())
    values = dict(zip(fields, arguments, strict=True))
    states = {p: v for p, v in values.items() if isinstance(p, StateParam)}
    if not causal:
        check_states(fields)
    with b.emitter.isolated() as lines:
        hidden = HiddenStates(b)
        hidden.begin(scope, values, constants)
        try:
            out = it.run(tree.body)
        except RecursionError:
            deep = b.frames[-1].source.error(
                b.statement, "this statement is nested too deeply to compile", "split it with intermediate names"
            )
            raise deep from None
        outputs, new, places = _returned(b, tree, out, {p: v for p, v in states.items() if p.declared})
        new |= hidden.end()
        following = [new[p] for p in states]
        b.at(out.node if out else tree)
        b.emitter.line(
            f"treadle.yield {_operands(outputs)} : {types(outputs)} next {_operands(following)} : {types(following)}"
        )
    if not causal:
        old = {v.name: p.name for p, v in states.items()}
        check_noncausal(b, lines, list(zip(outputs, places, strict=True)), old, {v.name for v in following})
    return Step(lines, arguments, outputs)


def _operands(values: list[Value]) -> str:
    return ", ".join(v.name for v in values)


def _returned(
    b: Builder, tree: ast.FunctionDef, out: Returned | None, states: Mapping[StateParam, Value]
) -> tuple[list[Value], dict[StateParam, Value], list[ast.AST]]:
    """The outputs, the new values of the declared states, and where each output is written. states: the old values."""
    after = ", ".join(p.name for p in states)
    hint = f"return the outputs{f', then the new values of {after}' if states else ''}"
    if out is None or out.value is None:
        raise b.error(f"the step of scan {tree.name} returns nothing", hint, out.node if out else tree)
    node = out.node.value
    assert node is not None
    values = list(out.value) if isinstance(out.value, tuple) else [out.value]
    written = isinstance(node, ast.Tuple) and len(node.elts) == len(values)
    places: list[ast.AST] = [*node.elts] if written and isinstance(node, ast.Tuple) else [node] * len(values)
    count = len(values) - len(states)
    if count < 1:
        found = f"{len(values)} value{'s' if len(values) > 1 else ''}"
        and_states = f"the new value{'s' if len(states) > 1 else ''} of {after}"
        needed = f"at least {len(states) + 1} are needed: an output, and {and_states}"
        if not states:
            found, needed = "no value", "an output is needed"
        raise b.error(f"the step returns {found}, {needed}", hint, node)
    outputs = []
    for k, (value, place) in enumerate(zip(values[:count], places, strict=False)):
        b.at(place)
        what = "the output" if count == 1 else f"output {k}"
        outputs.append(_f32(b, value, what))
    following = {}
    for (p, v), value, place in zip(states.items(), values[count:], places[count:], strict=True):
        b.at(place)
        what = f"the new value of state {p.name}"
        new = _f32(b, value, what)
        if new.dims != v.dims:
            split = f"{count} output{'s come' if count > 1 else ' comes'}"
            raise b.error(
                f"{what} is {describe(new)}, the state is {show_shape(v.dims) if v.dims else 'a scalar'}",
                f"of the {len(values)} values returned, {split} first, then the new values of {after}"
                if not is_number(value) else f"write td.full({p.name}.shape, {value}, td.f32)",
                notes=[(b.source.location(p.node), f"{p.name} is declared here")],
            )  # fmt: skip
        following[p] = new
    return outputs, following, places[:count]


def _f32(b: Builder, value: object, what: str) -> Value:
    """A returned value, which is f32."""
    if is_number(value) and not isinstance(value, bool):
        return b.constant(value, dtypes.f32)
    if not isinstance(value, Value):
        raise b.error(f"{what} is {describe(value)}, not a value of the step", "return scalars and tiles one by one")
    if value.dtype is not dtypes.f32:
        raise b.error(f"{what} is {describe(value)}, not f32", "convert it with .to(td.f32)")
    return value


def _type(indices: str, shape: tuple[int, ...], dtype: DType) -> str:
    return f"!treadle.field<{indices}{', ' if indices else ''}{''.join(f'{n}x' for n in shape)}{dtype}>"


def text(fn: FunctionType, parameters: Sequence[Param], constants: Mapping[str, Constant], options: Options) -> str:
    """The MLIR text of a scan."""
    source, tree = find(fn)
    step = lower_step(fn, parameters, constants, options.causal)
    fields = _fields(parameters)
    _check_options(source, tree, fields, options)
    b = Builder(source, fn, tree, step=True)
    closing = b.emitter.loc
    inputs: list[_Array] = []
    states: list[_Array] = []
    for k, p in enumerate(fields):
        if isinstance(p, InputParam):
            indices = p.indices.replace("H", "G") if p.name in options.grouped else p.indices
            dtype = p.dtype or options.dtype
            type_ = _type(indices, p.shape(constants), dtype)
            inputs.append(_Array(p.name, p.name, _ssa(p, k), type_, dtype.size))
        else:
            type_ = _type(p.indices, p.shape(constants), dtypes.f32)
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
    align = _alignment(source, tree, [*arguments, *returned], options)
    _check_names(source, fields, tree, [*arguments, *returned], options)
    attributes = [
        "treadle.mixer",
        *(["treadle.packed"] if options.packed else []),
        *(["treadle.indexed"] if options.indexed else []),
        *(["treadle.split"] if options.split else []),
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
    name = fn.__name__ if fn.__name__.isascii() else quote(fn.__name__)
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


def _check_options(source: Source, tree: ast.FunctionDef, fields: list[Field], options: Options) -> None:
    """Errors for options that do not fit the parameters."""
    inputs = {p.name: p for p in fields if isinstance(p, InputParam)}
    for name in options.grouped:
        p = inputs.get(name)
        if p is None:
            raise source.error(
                tree, f"grouped: {name} is no input of scan {tree.name}", f"its inputs are {', '.join(inputs)}"
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


def _alignment(source: Source, tree: ast.FunctionDef, arrays: list[_Array], options: Options) -> dict[str, int]:
    """The promised alignment of arrays by name; none where it is the element's size."""
    if options.align is None:
        return {}
    sizes = {a.array: a.size for a in arrays}
    align = dict.fromkeys(sizes, options.align) if isinstance(options.align, int) else dict(options.align)
    for name, value in align.items():
        if name not in sizes:
            raise source.error(tree, f"align: {name} is no array of scan {tree.name}", f"it has {', '.join(sizes)}")
        if not is_power_of_two(value) or value < sizes[name]:
            raise source.error(
                tree,
                f"align: {name} is aligned to {value} bytes, its elements are {sizes[name]} bytes",
                "give a power of two, at least that",
            )
    return align
