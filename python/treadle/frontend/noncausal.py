"""Scans whose outputs see the states after all tokens: no output may use a state's old value."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

from treadle.frontend.builder import Builder
from treadle.frontend.params import Param
from treadle.frontend.stepparams import PastParam, PositionParam, StateParam
from treadle.frontend.values import Value

_NAME = re.compile(r"%[A-Za-z0-9_.$-]+")
_LINE = re.compile(r"\s*(%[A-Za-z0-9_.$-]+)(?::\d+)? = (.*?)( loc\(.*\))?$")


def check_states(parameters: Sequence[Param]) -> None:
    """An error for the first window or position: what they are after all tokens says nothing about one."""
    for p in parameters:
        if not isinstance(p, StateParam):
            continue
        if isinstance(p.origin, PastParam):
            what, help = f"window {p.origin.name}", "take it in a causal scan, whose output is an input of this one"
        elif isinstance(p.origin, PositionParam):
            what, help = "td.position()", "give positions as an input, as in t: td.In"
        else:
            continue
        raise p.source.error(p.node, f"{what} in a noncausal scan, which supports none", help)


def check_noncausal(
    b: Builder,
    lines: Sequence[str],
    outputs: Sequence[tuple[Value, ast.AST]],
    old: Mapping[str, str],
    new: set[str],
) -> None:
    """An error for the first output that is computed from a state's old value other than through new values.

    `lines` are the step's operations, `outputs` its outputs and where they are written, `old` the states by the name of
    their old value, `new` the names of the new ones.
    """
    operands: dict[str, list[str]] = {}
    places: dict[str, str] = {}
    ends: list[str] = []
    for line in lines:
        found = _LINE.match(line)
        if found:
            name, rest, place = found.groups()
            operands[name] = _NAME.findall(rest)
            places[name] = place or ""
            if place is None:
                ends.append(name)
        elif line.lstrip().startswith("}") and ends:
            # The operation with a region that ends here has its place after the closing brace.
            places[ends.pop()] = line[line.index(" loc(") :]
    for k, (value, node) in enumerate(outputs):
        user = _user(value.name, operands, old, new)
        if user is None:
            continue
        through, state = user
        at = b.places.get(places.get(through, ""))
        what = "the output" if len(outputs) == 1 else f"output {k}"
        raise b.error(
            f"{what} uses the old value of state {old[state]}, which a noncausal scan has not kept",
            f"use the new value of {old[state]}: outputs see the states after all tokens",
            node,
            [(at, "the old value is used here")] if at else None,
        )


def _user(
    start: str, operands: Mapping[str, list[str]], old: Mapping[str, str], new: set[str]
) -> tuple[str, str] | None:
    """An operation that uses an old value on the way to `start`, and that value."""
    if start in old and start not in new:
        return "", start
    waiting = [start]
    seen = set(new)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for operand in operands.get(name, ()):
            base = operand.split("#")[0]
            if base in old and base not in new:
                return name, base
            waiting.append(base)
    return None
