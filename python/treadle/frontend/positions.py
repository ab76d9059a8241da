"""Whether a step asks for the position of its token, which takes a state."""

from __future__ import annotations

import ast
from types import FunctionType

from treadle import language
from treadle.errors import KernelError
from treadle.frontend.declared import Function
from treadle.frontend.scope import Scope
from treadle.frontend.source import find


def call_of_position(fn: FunctionType) -> ast.Call | None:
    """The call in a step that is one of td.position, or of a function that calls it."""
    return _search(fn, {fn})


def _search(fn: FunctionType, seen: set[FunctionType]) -> ast.Call | None:
    try:
        source, tree = find(fn)
    except KernelError:
        return None  # which the call of it will say
    scope = Scope(source, fn)
    for node in (node for statement in tree.body for node in ast.walk(statement)):
        if not isinstance(node, ast.Call):
            continue
        callee = scope.named(node.func)
        if callee is language.position:
            return node
        inner = callee.fn if isinstance(callee, Function) else callee
        if not isinstance(inner, FunctionType) or inner in seen or inner.__module__.startswith("treadle."):
            continue
        seen.add(inner)
        if _search(inner, seen) is not None:
            return node
    return None
