"""for and while."""

from __future__ import annotations

import ast
import builtins

from treadle import language
from treadle.frontend import indexmath
from treadle.frontend.carried import can_carry, flatten, kind_of, match, rebuild, types, with_names
from treadle.frontend.dtypes import index
from treadle.frontend.elementwise import index_value
from treadle.frontend.expressions import condition
from treadle.frontend.interpreter import Interpreter, Returned, statement
from treadle.frontend.liveness import assigned
from treadle.frontend.steprules import check_control
from treadle.frontend.values import Scalar, Unbound, Value, describe

MAX_UNROLL = 1024


@statement(ast.For)
def _for(it: Interpreter, node: ast.For) -> Returned | None:
    b = it.b
    if node.orelse:
        raise b.error(f"else of a for loop is not supported in {b.place}", None, node)
    if not isinstance(node.target, ast.Name):
        raise b.error("the target of a for loop must be a name", None, node.target)
    call = node.iter
    callee = it.eval(call.func) if isinstance(call, ast.Call) else None
    if not isinstance(call, ast.Call) or callee not in (builtins.range, language.static_range):
        raise b.error("a for loop runs over range(...) or td.static_range(...)", None, call)
    if call.keywords or not 1 <= len(call.args) <= 3 or any(isinstance(a, ast.Starred) for a in call.args):
        raise b.error("range takes 1 to 3 positional arguments", None, call)
    bounds = [it.eval(arg) for arg in call.args]
    if callee is language.static_range:
        return _unroll(it, node, call, bounds)
    check_control(b, "a run-time loop", "unroll it with td.static_range(...)", call)
    lo, hi, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    _runtime_for(it, node, call, (lo, hi, step))
    return None


def _unroll(it: Interpreter, node: ast.For, call: ast.Call, bounds: list[object]) -> Returned | None:
    for arg, bound in zip(call.args, bounds, strict=True):
        if not isinstance(bound, int) or isinstance(bound, bool):
            raise it.b.error(
                f"a bound of static_range is {describe(bound)}, not a constant integer",
                "use range(...) for a run-time loop",
                arg,
            )
    steps = [b for b in bounds if isinstance(b, int)]
    if len(steps) == 3 and steps[2] == 0:
        raise it.b.error("the step of static_range is 0", None, call.args[2])
    counter = range(*steps)
    if len(counter) > MAX_UNROLL:
        raise it.b.error(
            f"static_range unrolls {len(counter)} times, at most {MAX_UNROLL} are allowed",
            "use range(...) for a run-time loop",
            call,
        )
    assert isinstance(node.target, ast.Name)
    for value in counter:
        it.scope.bind(node.target.id, value, node)
        out = it.run(node.body)
        if out is not None:
            return out
    return None


def _bound(it: Interpreter, value: object, node: ast.AST) -> Value:
    it.b.at(node)
    if isinstance(value, float):
        raise it.b.error(f"a bound of range is {describe(value)}, not an integer")
    if isinstance(value, int) and not isinstance(value, bool):
        return indexmath.materialize(it.b, value)
    return index_value(it.b, value, "a bound of range")


def _runtime_for(it: Interpreter, node: ast.For, call: ast.Call, bounds: tuple[object, ...]) -> None:
    b, em = it.b, it.b.emitter
    if isinstance(bounds[2], int) and bounds[2] < 1:
        raise b.error(f"the step of range is {bounds[2]}, at least 1 is needed", "count up and flip the index", call)
    lo, hi, step = (_bound(it, v, call) for v in bounds)
    b.at(node)
    target = node.target
    assert isinstance(target, ast.Name)
    names = _carried_names(it, node.body, {target.id})
    before = dict(it.scope.names)
    inits = {name: flatten(b, before[name]) for name in names}
    flat = [leaf for leaves in inits.values() for leaf in leaves]
    counter = Scalar(em.fresh(), index, nonneg=lo.nonneg)
    args = [em.fresh() for _ in flat]
    loc = em.loc
    header = f"scf.for {counter.name} = {lo.name} to {hi.name} step {step.name}"
    if flat:
        pairs = ", ".join(f"{a} = {v.name}" for a, v in zip(args, flat, strict=True))
        header += f" iter_args({pairs}) -> ({types(flat)})"
    results = em.open_many(header + " {", len(flat))
    _bind_leaves(it, inits, before, args)
    it.scope.bind(target.id, counter, node)
    with it.inside(), em.indented():
        it.run(node.body)
        ends = _loop_ends(it, node, inits, before, {target.id})
        b.at(node)
        if flat:
            em.line(f"scf.yield {', '.join(v.name for v in ends)} : {types(ends)}")
    em.raw("}" + loc)
    _leave(it, node, inits, before, results, {target.id})


@statement(ast.While)
def _while(it: Interpreter, node: ast.While) -> None:
    b, em = it.b, it.b.emitter
    check_control(b, "a while loop", "what goes on from one token to the next is a state", node)
    if node.orelse:
        raise b.error(f"else of a while loop is not supported in {b.place}", None, node)
    b.at(node)
    names = _carried_names(it, node.body, set())
    before = dict(it.scope.names)
    inits = {name: flatten(b, before[name]) for name in names}
    flat = [leaf for leaves in inits.values() for leaf in leaves]
    loc = em.loc
    args = [em.fresh() for _ in flat]
    pairs = ", ".join(f"{a} = {v.name}" for a, v in zip(args, flat, strict=True))
    results = em.open_many(f"scf.while ({pairs}) : ({types(flat)}) -> ({types(flat)}) {{", len(flat))
    _bind_leaves(it, inits, before, args)
    with it.inside():
        with em.indented():
            test = condition(it, node.test, "while")
            if not isinstance(test, Scalar):
                raise b.error(
                    f"the condition of while is always {test}",
                    "it must depend on a value that the body changes",
                    node.test,
                )
            b.at(node)
            passed = f" {', '.join(args)} : {types(flat)}" if flat else ""
            em.line(f"scf.condition({test.name}){passed}")
        em.raw("} do {")
        inner = [em.fresh() for _ in flat]
        em.raw(f"^bb0({', '.join(f'{a}: {v.type}' for a, v in zip(inner, flat, strict=True))}):")
        _bind_leaves(it, inits, before, inner)
        with em.indented():
            it.run(node.body)
            ends = _loop_ends(it, node, inits, before, set())
            b.at(node)
            em.line(f"scf.yield {', '.join(v.name for v in ends)} : {types(ends)}" if flat else "scf.yield")
    em.raw("}" + loc)
    _leave(it, node, inits, before, results, set())


def _carried_names(it: Interpreter, body: list[ast.stmt], without: set[str]) -> list[str]:
    """Names the body assigns that have a value already: they go around the loop."""
    known = it.scope.names
    return [n for n in assigned(it, body) if n not in without and n in known and can_carry(known[n])]


def _bind_leaves(it: Interpreter, inits: dict[str, list[Value]], before: dict[str, object], names: list[str]) -> None:
    """Inside the loop, carried names stand for the region's arguments."""
    it.scope.names = dict(before)
    at = 0
    for name, leaves in inits.items():
        part = names[at : at + len(leaves)]
        at += len(leaves)
        it.scope.names[name] = rebuild(before[name], with_names(leaves, part))


def _loop_ends(
    it: Interpreter,
    node: ast.For | ast.While,
    inits: dict[str, list[Value]],
    before: dict[str, object],
    targets: set[str],
) -> list[Value]:
    """What carried names are at the end of the body, at the types they had before it."""
    b = it.b
    ends: list[Value] = []
    start = (b.source.location(node), "the loop starts here")
    for name, leaves in inits.items():
        value = it.scope.names[name]
        at = it.scope.assigned.get(name, node)
        b.at(at)
        found = None if isinstance(value, Unbound) else match(b, value, leaves, before[name])
        if found is None:
            what = value.reason if isinstance(value, Unbound) else f"becomes {kind_of(value)}"
            raise b.error(
                f"{name} changes type in the loop: it is {kind_of(before[name])} before and {what} here",
                "start it with the type it has in the loop, or use another name",
                at,
                [start],
            )
        ends += found
    for name, old in before.items():
        if (
            name not in inits
            and name not in targets
            and it.scope.names.get(name) is not old
            and not isinstance(old, Unbound)
        ):
            at = it.scope.assigned.get(name, node)
            if it.scope.names.get(name) == old and type(old) is type(it.scope.names.get(name)):
                continue
            raise b.error(f"{name} is {describe(old)} and changes in the loop", "use another name", at, [start])
    return ends


def _leave(
    it: Interpreter, node: ast.For | ast.While, inits: dict[str, list[Value]], before: dict[str, object],
    results: list[str], targets: set[str],
) -> None:  # fmt: skip
    """After the loop: carried names stand for its results, names born inside have no value."""
    inside = it.scope.names
    it.scope.names = dict(before)
    line = node.lineno
    for name in {*inside, *targets}:
        if name not in before or name in targets:
            it.scope.names[name] = Unbound(
                f"has a value inside the loop of line {line} only", "give it a value before the loop",
                it.scope.assigned.get(name),
            )  # fmt: skip
    at = 0
    for name, leaves in inits.items():
        part = results[at : at + len(leaves)]
        at += len(leaves)
        it.scope.names[name] = rebuild(before[name], with_names(leaves, part))
    it.b.at(node)
