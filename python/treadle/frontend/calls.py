"""Calls: the language's functions, methods of tiles, Python's own on constants, inlined functions."""

from __future__ import annotations

import ast
import builtins
import inspect
import math
from collections.abc import Callable
from types import BuiltinMethodType, FunctionType
from typing import Any

from treadle import language
from treadle.frontend import elementwise, grid, mathops, memory, reductions, stepbody
from treadle.frontend.declared import Function, Kernel
from treadle.frontend.elementwise import is_constant
from treadle.frontend.expressions import METHODS, attribute
from treadle.frontend.interpreter import Interpreter, expression
from treadle.frontend.library import LIBRARY, METHOD_LIBRARY
from treadle.frontend.scans import Scan
from treadle.frontend.scope import Scope
from treadle.frontend.source import find
from treadle.frontend.steprules import check_function
from treadle.frontend.values import LambdaRef, Scalar, TensorRef, Tile, Unbound, Value, describe

MAX_INLINING = 64
_ON_CONSTANTS = {int, float, bool, str, tuple, round, len, abs, pow, divmod, sum, min, max}


@expression(ast.Call)
def _call(it: Interpreter, node: ast.Call) -> object:
    for arg in node.args:
        if isinstance(arg, ast.Starred):
            raise it.b.error(f"star arguments are not supported in {it.b.place}", "pass arguments one by one", arg)
    for keyword in node.keywords:
        if keyword.arg is None:
            raise it.b.error(f"star arguments are not supported in {it.b.place}", "pass arguments one by one", keyword)
    if isinstance(node.func, ast.Attribute):
        base = it.eval(node.func.value)
        if isinstance(base, Value):
            return _method(it, base, node.func.attr, node)
        it.b.at(node.func)
        callee = attribute(it, base, node.func.attr)
    else:
        callee = it.eval(node.func)
    if isinstance(callee, FunctionType) and callee in language.BUILTINS:
        check_function(it.b, language.BUILTINS[callee], node)
    if callee is language.grid:
        return grid.declare(it, node)
    if callee is language.load:
        return _load(it, node)
    combines = callee is language.reduce or callee is language.scan
    kind = ast.Lambda if combines else ast.List if callee is language.concat else None
    args = [_argument(it, arg, kind if k == 0 else None) for k, arg in enumerate(node.args)]
    kwargs = {str(k.arg): _argument(it, k.value, kind if k.arg in ("fn", "xs") else None) for k in node.keywords}
    it.b.at(node)
    return apply(it, callee, args, kwargs, node)


def _argument(it: Interpreter, node: ast.expr, kind: type[ast.expr] | None) -> object:
    """An argument. kind: what it may be that is no expression elsewhere."""
    if kind is ast.Lambda and isinstance(node, ast.Lambda):
        return LambdaRef(node, it.scope)
    if kind is ast.List and isinstance(node, ast.List):
        return tuple(it.eval(item) for item in node.elts)
    return it.eval(node)


def apply(it: Interpreter, callee: object, args: list[object], kwargs: dict[str, object], node: ast.AST) -> object:
    """Call a value."""
    b = it.b
    if isinstance(callee, FunctionType) and callee in language.BUILTINS:
        name = language.BUILTINS[callee]
        if name not in LIBRARY and callee not in (language.reduce, language.scan):
            hint = "write `for i in td.static_range(n):`" if name == "static_range" else None
            raise b.error(f"td.{name} cannot be called here", hint, node)
        declared = language.tile_scan if callee is language.scan else callee
        bound = bind(it, f"td.{name}", declared, args, kwargs)
        if callee is language.reduce:
            return reductions.reduce(b, bound["xs"], bound["axis"], _combine(it, bound["fn"]))
        if callee is language.scan:
            return reductions.scan(b, bound["xs"], bound["axis"], _combine(it, bound["fn"]), bound["reverse"])
        return LIBRARY[name](b, **bound)
    if isinstance(callee, Function):
        return inline(it, callee.fn, args, kwargs, node)
    if isinstance(callee, Kernel):
        raise b.error(f"kernel {callee.name} is called in {b.place}", "share code with a @td.function", node)
    if isinstance(callee, Scan):
        return stepbody.call(it, callee, args, kwargs, node)
    if isinstance(callee, FunctionType) and not callee.__module__.startswith("treadle."):
        return inline(it, callee, args, kwargs, node)
    if callee is builtins.min or callee is builtins.max:
        return _extremum(it, "min" if callee is builtins.min else "max", args, kwargs)
    if callee is builtins.abs and len(args) == 1 and not kwargs:
        return mathops.absolute(b, args[0])
    return _native(it, callee, args, kwargs, node)


def bind(
    it: Interpreter, name: str, fn: Callable[..., Any], args: list[object], kwargs: dict[str, object],
    *, skip: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Arguments by parameter name, with defaults; `skip` leading parameters are given."""
    signature = language.signature_of(fn)
    try:
        bound = signature.bind(*([None] * skip), *args, **kwargs)
    except TypeError as e:
        plain = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()][skip:]
        shown = signature.replace(parameters=plain, return_annotation=inspect.Signature.empty)
        raise it.b.error(f"{name}: {e}", f"its parameters are {shown}") from None
    bound.apply_defaults()
    given = dict(bound.arguments)
    for key in list(given)[:skip]:
        del given[key]
    return given


def _method(it: Interpreter, base: Value, name: str, node: ast.Call) -> object:
    if name not in METHODS:
        it.b.at(node.func)
        value = attribute(it, base, name)
        raise it.b.error(f"{describe(value)} cannot be called")
    args = [it.eval(arg) for arg in node.args]
    kwargs = {str(k.arg): it.eval(k.value) for k in node.keywords}
    it.b.at(node)
    bound = bind(it, f".{name}", getattr(language.Tile, name), args, kwargs, skip=1)
    return METHOD_LIBRARY[name](it.b, base, **bound)


def _load(it: Interpreter, node: ast.Call) -> object:
    """`td.load(x[...], other=value)`."""
    names = [k.arg for k in node.keywords]
    if len(node.args) != 1 or not isinstance(node.args[0], ast.Subscript) or names not in ([], ["other"]):
        raise it.b.error("td.load takes x[...] and other", "write td.load(x[i : i + 64], other=0.0)", node)
    item = node.args[0]
    base = it.eval(item.value)
    it.b.at(item)
    if not isinstance(base, TensorRef):
        raise it.b.error(f"td.load of {describe(base)}, not of a tensor", None, item)
    other = it.eval(node.keywords[0].value) if node.keywords else None
    it.b.at(node)
    return memory.load(it, base, item, other)


def _extremum(it: Interpreter, op: str, args: list[object], kwargs: dict[str, object]) -> object:
    items = list(args[0]) if len(args) == 1 and isinstance(args[0], tuple) else args
    if kwargs or len(items) < 1:
        raise it.b.error(f"{op} takes two or more numbers")
    result = items[0]
    for item in items:
        if not isinstance(item, (Value, int, float)):
            raise it.b.not_a_value(item, f"an operand of {op}")
        if isinstance(item, Tile):
            hint = f"use td.{op}imum for elements, .{op}(axis) for a reduction"
            raise it.b.error(f"{op} of {describe(item)}", hint)
    for item in items[1:]:
        result = elementwise.extremum(it.b, op, result, item)
    return result


def _native(it: Interpreter, callee: Any, args: list[object], kwargs: dict[str, object], node: ast.AST) -> object:
    """Python's own functions, on constants."""
    b = it.b
    name = getattr(callee, "__name__", None)
    method = isinstance(callee, BuiltinMethodType) and isinstance(callee.__self__, (int, float, str, tuple))
    known = method or getattr(callee, "__module__", None) == "math"
    if not known and not (callee.__hash__ is not None and callee in _ON_CONSTANTS):
        raise b.error(f"{describe(callee)} cannot be called in {b.place}", None, node)
    if callee is len and len(args) == 1 and isinstance(args[0], tuple):
        return len(args[0])
    for arg in [*args, *kwargs.values()]:
        if not is_constant(arg):
            hint = None
            if callee in (int, float, bool):
                hint = "convert run-time values with .to(td.f32), .to(td.index)"
            elif getattr(math, str(name), None) is callee and hasattr(language, str(name)):
                hint = f"use td.{name}"
            raise b.error(f"{name} of {describe(arg)}: it takes compile-time constants", hint)
    try:
        return callee(*args, **kwargs)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError) as e:
        raise b.error(f"{name}: {e}") from None


def inline(it: Interpreter, fn: FunctionType, args: list[object], kwargs: dict[str, object], node: ast.AST) -> object:
    """The result of a function's body, read in place."""
    b = it.b
    if any(frame.fn is fn for frame in b.frames):
        raise b.error(f"{fn.__name__} calls itself", "inlined functions cannot recurse; write a loop", node)
    if len(b.frames) > MAX_INLINING:
        raise b.error(f"calls are nested more than {MAX_INLINING} deep", None, node)
    bound = bind(it, fn.__name__, fn, args, kwargs)
    source, tree = find(fn)
    scope = Scope(source, fn)
    statement = b.statement
    with b.call(source, fn, node):
        for name, value in bound.items():
            scope.bind(name, value, tree)
        out = Interpreter(b, scope, it.grid).run(tree.body)
    b.statement = statement
    return None if out is None else out.value


def _combine(it: Interpreter, fn: object) -> reductions.Combine:
    """A combine function as one on scalars."""
    node = it.b.node

    def combine(args: list[Scalar]) -> list[object]:
        values: list[object] = list(args)
        if isinstance(fn, LambdaRef):
            result = _call_lambda(it, fn, values)
        elif isinstance(fn, (Function, FunctionType)):
            result = apply(it, fn, values, {}, node)
        else:
            raise it.b.error(f"the combine function is {describe(fn)}", "use a lambda, as in lambda a, b: a + b")
        results = list(result) if isinstance(result, tuple) else [result]
        if len(results) != len(args) // 2:
            raise it.b.error(
                f"the combine function returns {len(results)} values, {len(args) // 2} are needed",
                "return one value for each operand",
            )
        return results

    return combine


def _call_lambda(it: Interpreter, ref: LambdaRef, args: list[object]) -> object:
    names = [a.arg for a in ref.node.args.args]
    if len(names) != len(args):
        raise it.b.error(
            f"the combine function takes {len(names)} arguments, {len(args)} are needed",
            "it takes the earlier elements, then the later ones",
            ref.node,
        )
    scope = Scope(ref.scope.source, ref.scope.fn)
    hidden = Unbound("is a run-time value outside the combine function", "it sees its arguments and constants only")
    for name, value in ref.scope.names.items():
        scope.names[name] = value if is_constant(value) else hidden
    scope.names.update(zip(names, args, strict=True))
    inner = Interpreter(it.b, scope, it.grid)
    inner.depth = 1
    out = inner.eval(ref.node.body)
    it.b.at(ref.node)
    return out
