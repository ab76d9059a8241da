"""Which names a block of statements may assign."""

from __future__ import annotations

import ast

from treadle.frontend.interpreter import Interpreter
from treadle.frontend.scope import MISSING
from treadle.frontend.values import Unbound, Value


def assigned(it: Interpreter, body: list[ast.stmt]) -> list[str]:
    """Names assigned in `body`, in order; branches that constants rule out are left out."""
    found: dict[str, None] = {}
    every = _targets(body)
    _collect(it, body, every, found)
    return list(found)


def _targets(body: list[ast.stmt]) -> set[str]:
    return {
        node.id
        for root in body
        for node in ast.walk(root)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _collect(it: Interpreter, body: list[ast.stmt], every: set[str], found: dict[str, None]) -> None:
    for node in body:
        if isinstance(node, ast.If):
            known = _decided(it, node.test, every)
            if known is not False:
                _collect(it, node.body, every, found)
            if known is not True:
                _collect(it, node.orelse, every, found)
        elif isinstance(node, (ast.For, ast.While)):
            if isinstance(node, ast.For):
                _add(node.target, found)
            _collect(it, node.body, every, found)
        else:
            _add(node, found)


def _add(root: ast.AST, found: dict[str, None]) -> None:
    for node in ast.walk(root):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found[node.id] = None


_PURE = (
    ast.Name, ast.Constant, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Tuple, ast.operator, ast.unaryop,
    ast.cmpop, ast.boolop, ast.expr_context,
)  # fmt: skip


def _decided(it: Interpreter, test: ast.expr, every: set[str]) -> bool | None:
    """The value of a condition on constants that `body` does not assign, None for any other."""
    only_none = isinstance(test, ast.Compare) and all(isinstance(op, (ast.Is, ast.IsNot)) for op in test.ops)
    for node in ast.walk(test):
        if not isinstance(node, _PURE):
            return None
        if isinstance(node, ast.Name):
            value = it.scope.lookup(node.id)
            if node.id in every or value is MISSING or isinstance(value, Unbound):
                return None
            if isinstance(value, Value) and not only_none:
                return None
    value = it.eval(test)
    return bool(value) if isinstance(value, (bool, int, float, str, type(None), tuple)) else None
