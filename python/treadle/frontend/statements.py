"""Statements other than control flow."""

from __future__ import annotations

import ast

from treadle.errors import KernelError
from treadle.frontend import memory
from treadle.frontend.elementwise import is_constant
from treadle.frontend.expressions import binop
from treadle.frontend.interpreter import Interpreter, Returned, statement
from treadle.frontend.values import TensorRef, describe


@statement(ast.Pass)
def _pass(it: Interpreter, node: ast.Pass) -> None:
    return None


@statement(ast.Expr)
def _expr(it: Interpreter, node: ast.Expr) -> None:
    if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return
    value = it.eval(node.value)
    if not isinstance(node.value, ast.Call):
        raise it.b.error(
            "this expression has no effect", "assign it" if it.b.step else "assign it, or store it to a tensor", node
        )
    del value


@statement(ast.Assign)
def _assign(it: Interpreter, node: ast.Assign) -> None:
    value = it.eval(node.value)
    for target in node.targets:
        assign(it, target, value, node)


@statement(ast.AnnAssign)
def _annotated(it: Interpreter, node: ast.AnnAssign) -> None:
    if node.value is None:
        raise it.b.error("a declaration without a value", "give the name its first value here", node)
    assign(it, node.target, it.eval(node.value), node)


@statement(ast.AugAssign)
def _augmented(it: Interpreter, node: ast.AugAssign) -> None:
    if isinstance(node.target, ast.Subscript):
        if it.b.step:
            raise _no_elements(it, it.eval(node.target.value), node.target)
        raise it.b.error(
            "augmented assignment to elements of a tensor would not be atomic",
            "write x[...] = x[...] + value, where no other block writes the same elements",
            node,
        )
    if not isinstance(node.target, ast.Name):
        raise it.b.error("the target of an assignment must be a name", None, node.target)
    current = it.eval(ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target))
    value = it.eval(node.value)
    it.b.at(node)
    assign(it, node.target, binop(it, node.op, current, value), node)


def assign(it: Interpreter, target: ast.expr, value: object, node: ast.stmt) -> None:
    """Bind `value` to a target."""
    if isinstance(target, ast.Name):
        if isinstance(it.scope.names.get(target.id), TensorRef):
            raise it.b.error(f"assignment to tensor {target.id}", f"store to it with {target.id}[...] = value", target)
        it.scope.bind(target.id, value, node)
    elif isinstance(target, (ast.Tuple, ast.List)):
        _unpack(it, target, value, node)
    elif isinstance(target, ast.Subscript):
        base = it.eval(target.value)
        it.b.at(node)
        if not isinstance(base, TensorRef):
            raise _no_elements(it, base, target)
        memory.store(it, base, target, value)
    else:
        raise it.b.error("the target of an assignment must be a name, a tuple of names or x[...]", None, target)


def _no_elements(it: Interpreter, base: object, target: ast.AST) -> KernelError:
    """The error for `x[...] = value` where x is no tensor."""
    return it.b.error(
        f"assignment to elements of {describe(base)}", "build a new tile, as in td.where(mask, a, b)", target
    )


def _unpack(it: Interpreter, target: ast.Tuple | ast.List, value: object, node: ast.stmt) -> None:
    for item in target.elts:
        if isinstance(item, ast.Starred):
            raise it.b.error(f"a starred name is not supported in {it.b.place}", "name every value", item)
    if not isinstance(value, tuple):
        raise it.b.error(f"{describe(value)} cannot be unpacked into {len(target.elts)} names", None, target)
    if len(value) != len(target.elts):
        raise it.b.error(f"{len(value)} values are unpacked into {len(target.elts)} names", None, target)
    for item, part in zip(target.elts, value, strict=True):
        assign(it, item, part, node)


@statement(ast.Return)
def _return(it: Interpreter, node: ast.Return) -> Returned:
    if it.depth:
        raise it.b.error(
            "return inside a run-time loop or branch", "assign a result there and return it at the end", node
        )
    if len(it.b.frames) == 1 and not it.b.step and node.value is not None:
        raise it.b.error("a kernel returns no value", "store results to a tensor, y[...] = value", node)
    return Returned(None if node.value is None else it.eval(node.value), node)


@statement(ast.Assert)
def _assert(it: Interpreter, node: ast.Assert) -> None:
    value = it.eval(node.test)
    if not is_constant(value):
        raise it.b.error("assert of a run-time value", "assert on compile-time constants", node.test)
    if not value:
        message = it.eval(node.msg) if node.msg else None
        raise it.b.error(f"assertion failed: {message}" if message else "assertion failed", None, node)
