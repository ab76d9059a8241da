"""if statements and conditional expressions."""

from __future__ import annotations

import ast

from treadle.frontend.builder import is_number
from treadle.frontend.carried import can_carry, flatten, kind_of, match, rebuild, types, with_names
from treadle.frontend.elementwise import where
from treadle.frontend.expressions import condition
from treadle.frontend.interpreter import Interpreter, Returned, statement
from treadle.frontend.liveness import assigned
from treadle.frontend.steprules import check_control
from treadle.frontend.values import Scalar, Unbound, Value

_NOTHING = object()


@statement(ast.If)
def _if(it: Interpreter, node: ast.If) -> Returned | None:
    test = condition(it, node.test, "if")
    if not isinstance(test, Scalar):
        return it.run(node.body if test else node.orelse)
    check_control(it.b, "a run-time if", "choose values with td.where(condition, a, b)", node.test)
    _runtime_if(it, node, test)
    return None


def _runtime_if(it: Interpreter, node: ast.If, test: Scalar) -> None:
    b, em = it.b, it.b.emitter
    before = dict(it.scope.names)
    names = assigned(it, node.body + node.orelse)
    sides: list[dict[str, object]] = []
    texts: list[list[str]] = []
    places: list[dict[str, ast.AST]] = []
    for body in (node.body, node.orelse):
        it.scope.names = dict(before)
        with it.inside(), em.captured() as lines:
            it.run(body)
        sides.append(it.scope.names)
        places.append(dict(it.scope.assigned))
        texts.append(lines)
    it.scope.names = before
    b.at(node)
    merged: dict[str, object] = {}
    yields: tuple[list[Value], list[Value]] = ([], [])
    for name in names:
        left, right = (side.get(name, _NOTHING) for side in sides)
        if left is right:
            before[name] = left if left is not _NOTHING else before.get(name, _NOTHING)
            continue
        born = (
            p[name] for s, p in zip(sides, places, strict=True) if s.get(name, _NOTHING) is not _NOTHING and name in p
        )
        place = next(born, node)
        missing = next((x for x in (left, right) if x is _NOTHING or isinstance(x, Unbound)), None)
        if missing is not None:
            before[name] = missing if isinstance(missing, Unbound) else Unbound(
                f"has a value in one branch of the if of line {node.lineno} only",
                "give it a value before the if, or in both branches", place,
            )  # fmt: skip
            continue
        if _same_constant(left, right):
            before[name] = left
            continue
        pair = _agree(it, left, right)
        if pair is None:
            raise b.error(
                f"{name} has different types in the branches: {kind_of(left)} and {kind_of(right)}",
                "give it the same dtype and shape in both",
                _last_change(places, sides, before, name) or place,
                [(b.source.location(node), "the branches start here")],
            )
        merged[name] = left if not is_number(left) else right
        yields[0].extend(pair[0])
        yields[1].extend(pair[1])
    results = _write(it, test, texts, yields, bool(node.orelse))
    leaves = with_names(yields[0], results)
    for name, shape in merged.items():
        before[name] = rebuild(shape, leaves)
        it.scope.assigned[name] = node
    it.scope.names = {k: v for k, v in before.items() if v is not _NOTHING}


def _last_change(
    places: list[dict[str, ast.AST]], sides: list[dict[str, object]], before: dict[str, object], name: str
) -> ast.AST | None:
    """Where the later branch that changes `name` assigns it."""
    for side, where_ in zip(reversed(sides), reversed(places), strict=True):
        if side.get(name, _NOTHING) is not before.get(name, _NOTHING):
            return where_.get(name)
    return None


def _same_constant(left: object, right: object) -> bool:
    return type(left) is type(right) and not isinstance(left, Value) and not can_carry_value(left) and left == right


def can_carry_value(value: object) -> bool:
    """True for a tuple with a run-time value in it."""
    return isinstance(value, tuple) and any(isinstance(v, Value) or can_carry_value(v) for v in value)


def _agree(it: Interpreter, left: object, right: object) -> tuple[list[Value], list[Value]] | None:
    """Both values as leaves of the same types; a number adapts to the scalar it meets."""
    b = it.b
    if not can_carry(left) or not can_carry(right):
        return None
    if is_number(left) and is_number(right) and isinstance(right, float) and not isinstance(left, bool):
        left = float(left)  # type: ignore[arg-type]
    if is_number(left) and isinstance(right, Value):
        other = flatten(b, right)
        found = match(b, left, other, right)
        return None if found is None else (found, other)
    mine = flatten(b, left)
    found = match(b, right, mine, left)
    return None if found is None else (mine, found)


def _write(
    it: Interpreter, test: Scalar, texts: list[list[str]], yields: tuple[list[Value], list[Value]], has_else: bool
) -> list[str]:
    """The `scf.if` itself; the names of its results."""
    em = it.b.emitter
    count = len(yields[0])
    loc = em.loc
    if not count and not texts[0] and not texts[1]:
        return []
    result_types = f" -> ({types(yields[0])})" if count else ""
    results = em.open_many(f"scf.if {test.name}{result_types} {{", count)
    for which, (text, values) in enumerate(zip(texts, yields, strict=True)):
        if which == 1:
            if not count and not (has_else and text):
                break
            em.raw("} else {")
        em.lines += text
        if count:
            with em.indented():
                em.line(f"scf.yield {', '.join(v.name for v in values)} : {types(values)}")
    em.raw("}" + loc)
    return results


def conditional(it: Interpreter, node: ast.IfExp) -> object:
    """`a if c else b`: a select when neither side takes an operation, else an `scf.if`."""
    b, em = it.b, it.b.emitter
    test = condition(it, node.test, "a conditional expression")
    if not isinstance(test, Scalar):
        return it.eval(node.body if test else node.orelse)
    check_control(b, "a run-time condition", "choose values with td.where(condition, a, b)", node.test)
    values: list[object] = []
    texts: list[list[str]] = []
    for side in (node.body, node.orelse):
        with it.inside(), em.captured() as lines:
            values.append(it.eval(side))
        texts.append(lines)
    b.at(node)
    left, right = values
    pair = _agree(it, left, right)
    if pair is None:
        raise b.error(
            f"the sides of a conditional expression have different types: {kind_of(left)} and {kind_of(right)}",
            "give them the same dtype and shape",
        )
    if not texts[0] and not texts[1] and len(pair[0]) == 1:
        return where(b, test, pair[0][0], pair[1][0])
    results = _write(it, test, texts, pair, True)
    return rebuild(right if is_number(left) else left, with_names(pair[0], results))
