"""The body of a step, read for given values: of the step that is compiled, and of those that a mixer calls."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from treadle.errors import KernelError
from treadle.frontend import dtypes
from treadle.frontend.axes import Size
from treadle.frontend.builder import Builder, is_number
from treadle.frontend.callbinding import Mismatch, bind
from treadle.frontend.declared import Constant
from treadle.frontend.dtypes import DType
from treadle.frontend.grid import Grid
from treadle.frontend.interpreter import Interpreter, Returned
from treadle.frontend.mixers import Call, CalledState, Mixer
from treadle.frontend.scans import Scan
from treadle.frontend.scope import Scope
from treadle.frontend.source import find
from treadle.frontend.stepparams import Field, StateParam
from treadle.frontend.stepstates import HiddenStates
from treadle.frontend.values import Value, describe, make, show_shape

Old = Callable[[StateParam, tuple[int, ...]], Value]
"""The old value of a state, which has this shape."""
_EVERY_TIME = "its states are there whether it runs or not: call it every time, and choose between values"


@dataclass
class Body:
    """A step being read."""

    scan: Scan
    old: Old
    new: dict[StateParam, Value] = field(default_factory=dict)
    """The new values of states that are known, those of calls."""


@dataclass(frozen=True)
class Made:
    """What a step makes: outputs, where each is written, the states' new values; and where the step ends."""

    outputs: list[Value]
    places: list[ast.AST]
    new: dict[StateParam, Value]
    end: ast.AST


def read(
    b: Builder, grid: Grid, scan: Scan, constants: Mapping[str, Constant], inputs: Mapping[str, Value], old: Old
) -> Made:
    """Read a step, in the builder's last frame."""
    source, tree = find(scan.fn)
    scope = Scope(source, scan.fn)
    body = b.frames[-1].body = Body(scan, old)
    own = [p for p in scan.parameters if isinstance(p, Field) and not isinstance(p, CalledState)]
    named = {name for p in own for axis in p.axes for name in axis.names}
    for name, x in constants.items():
        if name not in ("chunk", "num_warps"):
            scope.names[name] = Size(x, name) if name in named and isinstance(x, int) else x
    values = {p: old(p, p.shape(constants)) if isinstance(p, StateParam) else inputs[p.name] for p in own}
    declared = {p: v for p, v in values.items() if isinstance(p, StateParam) and p.declared}
    scope.names |= {**inputs, **{p.name: v for p, v in declared.items()}}
    hidden = HiddenStates(b)
    hidden.begin(scope, values, constants)
    out = Interpreter(b, scope, grid).run(tree.body)
    for site in scan.calls:
        if not all(p in body.new for p in site.states.values()):
            raise b.error(f"{site.callee.label} is not called: the step returns before", _EVERY_TIME, site.node)
    outputs, new, places = _returned(b, scan, tree, out, declared)
    return Made(outputs, places, new | hidden.end() | body.new, out.node if out else tree)


# ---------------------------------------------------------------------------------------------------------------------
# Calls
# ---------------------------------------------------------------------------------------------------------------------


def call(it: Interpreter, callee: Scan, args: list[object], kwargs: dict[str, object], node: ast.AST) -> object:
    """A scan called on values: its step, read in place, with states of this call."""
    b = it.b
    if not b.step:
        raise b.error(f"{callee.label} is called in {b.place}", "a scan is called on arrays", node)
    body = b.frames[-1].body
    if body is None or not isinstance(body.scan, Mixer):
        place = "a function" if body is None else b.place
        raise b.error(f"{callee.label} is called in {place}", "make it a @td.mixer, which calls scans", node)
    site = next((site for site in body.scan.calls if site.node is node), None)
    if site is None or site.callee is not callee:
        raise b.error(f"{callee.label} is called through another name", f"call {callee.name} by its own name", node)
    try:
        bound = bind(callee, args, kwargs)
    except Mismatch as e:
        raise _misfit(b, site, e) from None
    for p in callee.parameters:
        if isinstance(p, Field) and not isinstance(p, CalledState):
            try:
                p.shape(bound.constants)
            except KernelError as e:
                declared = [(e.location, f"{p.name} is declared here")]
                raise b.error(f"{callee.label}: {e.message}", e.help, node, declared) from None
    inputs = {p.name: _given(b, bound.inputs[p.name], p.computed, p.shape(bound.constants)) for p in callee.inputs}
    old, statement, position = body.old, b.statement, b.position
    source, _ = find(callee.fn)
    with b.call(source, callee.fn, node):
        made = read(b, it.grid, callee, bound.constants, inputs, lambda p, shape: old(site.states[p], shape))
    b.statement, b.position = statement, position
    body.new |= {site.states[p]: value for p, value in made.new.items()}
    outputs = tuple(_named(value, bound.constants) for value in made.outputs)
    return outputs[0] if len(outputs) == 1 else outputs


def _misfit(b: Builder, site: Call, e: Mismatch) -> KernelError:
    """The error for an argument, at the argument."""
    place: ast.AST = site.node
    if isinstance(e.at, int):
        place = site.node.args[e.at]
    elif e.at is not None:
        place = next(k for k in site.node.keywords if k.arg == e.at)
    notes = []
    if e.parameter is not None:
        notes = [(e.parameter.source.location(e.parameter.node), f"{e.parameter.name} is declared here")]
    return b.error(e.message, e.help, place, notes)


def _given(b: Builder, value: object, dtype: DType, shape: tuple[int, ...]) -> Value:
    """What an input is in the step: the same value, with axes as the step calls them."""
    if isinstance(value, Value):
        return make(value.name, value.dtype, shape, value.nonneg)
    return b.constant(value, dtype)


def _named(value: Value, constants: Mapping[str, object]) -> Value:
    """An output with axes as the mixer calls them."""
    names = {name: x for name, x in constants.items() if isinstance(x, int)}
    shape = tuple(names.get(n.label, int(n)) if isinstance(n, Size) else n for n in value.dims)
    return make(value.name, value.dtype, shape, value.nonneg)


# ---------------------------------------------------------------------------------------------------------------------
# What a step returns
# ---------------------------------------------------------------------------------------------------------------------


def _returned(
    b: Builder, scan: Scan, tree: ast.FunctionDef, out: Returned | None, states: Mapping[StateParam, Value]
) -> tuple[list[Value], dict[StateParam, Value], list[ast.AST]]:
    """The outputs, the new values of the declared states, and where each output is written. states: the old values."""
    after = ", ".join(p.name for p in states)
    hint = f"return the outputs{f', then the new values of {after}' if states else ''}"
    if out is None or out.value is None:
        raise b.error(f"the step of {scan.label} returns nothing", hint, out.node if out else tree)
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
