"""Expressions other than calls."""

from __future__ import annotations

import ast
import difflib
from types import ModuleType

from treadle.frontend import elementwise, memory, shaping, stepparts
from treadle.frontend.casts import cast
from treadle.frontend.dims import axis_size
from treadle.frontend.dtypes import i1
from treadle.frontend.elementwise import is_constant
from treadle.frontend.interpreter import Interpreter, expression
from treadle.frontend.scope import MISSING
from treadle.frontend.values import Scalar, TensorRef, Tile, Unbound, Value, describe

BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip
COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip


@expression(ast.Constant)
def _constant(it: Interpreter, node: ast.Constant) -> object:
    if isinstance(node.value, (bytes, complex)):
        it.b.at(node)
        raise it.b.error(f"a {type(node.value).__name__} constant is not supported in {it.b.place}")
    return node.value


@expression(ast.Name)
def _name(it: Interpreter, node: ast.Name) -> object:
    value = it.scope.lookup(node.id)
    if value is MISSING:
        near = difflib.get_close_matches(node.id, it.scope.visible(), 1)
        raise it.b.error(f"unknown name {node.id}", f"did you mean {near[0]}?" if near else None, node)
    if isinstance(value, Unbound):
        notes = [(it.b.source.location(value.node), f"{node.id} is assigned here")] if value.node else None
        raise it.b.error(f"{node.id} {value.reason}", value.help, node, notes)
    return value


@expression(ast.Tuple)
def _tuple(it: Interpreter, node: ast.Tuple) -> object:
    return tuple(it.eval(item) for item in node.elts)


@expression(ast.BinOp)
def _binop(it: Interpreter, node: ast.BinOp) -> object:
    left, right = it.eval(node.left), it.eval(node.right)
    it.b.at(node)
    return binop(it, node.op, left, right)


def binop(it: Interpreter, op: ast.operator, left: object, right: object) -> object:
    """An operator applied to values."""
    if isinstance(op, ast.MatMult):
        from treadle.frontend.products import dot, step_product

        return step_product(it.b, left, right) if it.b.step else dot(it.b, left, right)
    return elementwise.binary(it.b, BINARY[type(op)], left, right)


@expression(ast.UnaryOp)
def _unary(it: Interpreter, node: ast.UnaryOp) -> object:
    value = it.eval(node.operand)
    it.b.at(node)
    if isinstance(node.op, ast.Not):
        if is_constant(value):
            return not value
        return elementwise.binary(it.b, "^", truth(it, value, "'not'", "use ~ for tiles"), True)
    if is_constant(value):
        if not isinstance(value, (int, float)):
            raise it.b.not_a_value(value, "the operand")
        if isinstance(node.op, ast.Invert):
            return elementwise.fold(it.b, "^", value, -1)
        return -value if isinstance(node.op, ast.USub) else +value
    if isinstance(node.op, ast.USub):
        return elementwise.negate(it.b, value)
    if isinstance(node.op, ast.Invert):
        return elementwise.invert(it.b, value)
    return it.b.value(value, "the operand of '+'")


@expression(ast.Compare)
def _compare(it: Interpreter, node: ast.Compare) -> object:
    left = it.eval(node.left)
    result: object = True
    for op, item in zip(node.ops, node.comparators, strict=True):
        right = it.eval(item)
        it.b.at(node)
        one = _compare_once(it, op, left, right)
        if isinstance(one, Tile) and len(node.ops) > 1:
            raise it.b.error("a chained comparison of tiles", "write (a < b) & (b < c)")
        result = one if result is True else _and(it, result, one)
        left = right
    return result


def _compare_once(it: Interpreter, op: ast.cmpop, left: object, right: object) -> object:
    if isinstance(op, (ast.Is, ast.IsNot)):
        if not (left is None or right is None):
            raise it.b.error("'is' compares with None only", "compare values with ==")
        return (left is right) is isinstance(op, ast.Is)
    if isinstance(op, (ast.In, ast.NotIn)):
        if not is_constant(left) or not isinstance(right, (tuple, str)) or not is_constant(right):
            raise it.b.error("'in' is for compile-time constants", "compare values with ==")
        try:
            return (left in right) is isinstance(op, ast.In)
        except TypeError as e:
            raise it.b.error(str(e)) from None
    return elementwise.compare(it.b, COMPARE[type(op)], left, right)


@expression(ast.BoolOp)
def _boolop(it: Interpreter, node: ast.BoolOp) -> object:
    conjunction = isinstance(node.op, ast.And)
    word, use = ("'and'", "&") if conjunction else ("'or'", "|")
    result = it.eval(node.values[0])
    for item in node.values[1:]:
        if is_constant(result):
            if bool(result) is not conjunction:
                return result
            result = it.eval(item)
            continue
        it.b.at(node)
        left = truth(it, result, word, f"use {use} for tiles")
        value = it.eval(item)
        it.b.at(node)
        if is_constant(value):
            result = left if bool(value) is conjunction else value
            continue
        right = truth(it, value, word, f"use {use} for tiles")
        result = elementwise.binary(it.b, use, left, right)
    if isinstance(result, Value):
        it.b.at(node)
        return truth(it, result, word, f"use {use} for tiles")
    return result


def _and(it: Interpreter, left: object, right: object) -> object:
    if is_constant(left):
        return right if left else left
    if is_constant(right):
        return left if right else right
    return elementwise.binary(it.b, "&", left, right)


def truth(it: Interpreter, value: object, what: str, hint: str) -> Scalar:
    """`value` as a scalar i1."""
    b = it.b
    if isinstance(value, Tile):
        raise b.error(f"{what} of {describe(value)}: a tile has no single truth value", hint)
    v = b.value(value, f"the operand of {what}")
    if v.dtype is not i1:
        raise b.error(f"{what} of {describe(v)}", "compare to get a condition, as in n != 0")
    assert isinstance(v, Scalar)
    return v


@expression(ast.Attribute)
def _attribute(it: Interpreter, node: ast.Attribute) -> object:
    base = it.eval(node.value)
    it.b.at(node)
    return attribute(it, base, node.attr)


def attribute(it: Interpreter, base: object, name: str) -> object:
    """`base.name`, methods of values excepted."""
    b = it.b
    if isinstance(base, TensorRef):
        if name == "dtype":
            return base.dtype
        if name == "shape":
            return tuple(axis_size(b, base, k) for k in range(len(base.axes)))
        raise b.error(f"tensor {base.label} has no attribute {name}", "a tensor has shape and dtype")
    if isinstance(base, Value):
        if name == "dtype":
            return base.dtype
        if name == "shape":
            return base.dims
        if name == "T":
            return shaping.transpose(b, base)
        if name in METHODS:
            raise b.error(f"method {name} is not called", f"write .{name}(...)")
        raise b.error(
            f"{describe(base)} has no attribute {name}", f"it has {', '.join(('dtype', 'shape', 'T', *METHODS))}"
        )
    try:
        return getattr(base, name)
    except AttributeError:
        near = difflib.get_close_matches(name, dir(base), 1)
        what = f"module {base.__name__}" if isinstance(base, ModuleType) else describe(base)
        raise b.error(f"{what} has no attribute {name}", f"did you mean {near[0]}?" if near else None) from None


METHODS = ("to", "sum", "max", "min")


@expression(ast.Subscript)
def _subscript(it: Interpreter, node: ast.Subscript) -> object:
    base = it.eval(node.value)
    it.b.at(node)
    if isinstance(base, TensorRef):
        return memory.load(it, base, node)
    if isinstance(base, Tile):
        return _index_tile(it, base, node)
    if isinstance(base, (tuple, str)):
        return _item(it, base, node)
    raise it.b.error(f"{describe(base)} cannot be indexed", None, node)


def _item(it: Interpreter, base: tuple[object, ...] | str, node: ast.Subscript) -> object:
    if isinstance(node.slice, ast.Slice):
        bounds = (node.slice.lower, node.slice.upper, node.slice.step)
        parts = [None if p is None else it.eval(p) for p in bounds]
        known = [p for p in parts if p is None or isinstance(p, int)]
        if len(known) == len(parts):
            return base[slice(*known)]
        raise it.b.error("a slice of a tuple needs constant bounds", None, node)
    at = it.eval(node.slice)
    it.b.at(node)
    if not isinstance(at, int):
        raise it.b.error(f"the index of a tuple is {describe(at)}, not a constant integer")
    if not -len(base) <= at < len(base):
        raise it.b.error(f"index {at} is out of range for {describe(base)}")
    return base[at]


def _index_tile(it: Interpreter, tile: Tile, node: ast.Subscript) -> Value:
    """`t[:, None]`, `t[..., None]`, `t[16:32, :]`; in a step also `t[3]`, `t[:, -2:]`."""
    items = _without_ellipsis(tile, node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice])
    if it.b.step and stepparts.are_parts(items):
        return stepparts.index(it, tile, items, node)
    if any(isinstance(item, ast.Slice) and (item.lower or item.upper or item.step) for item in items):
        return _block(it, tile, items, node)
    hint = "index a tile with :, constant slices and None only, as in t[:, None] and t[16:32, :]"
    kinds = []
    for item in items:
        if isinstance(item, ast.Slice):
            kinds.append(":")
        elif isinstance(item, ast.Constant) and item.value is None:
            kinds.append("None")
        else:
            raise it.b.error(f"{describe(tile)} is indexed with more than slices and None", hint, node)
    if kinds.count(":") != len(tile.shape):
        raise it.b.error(f"{describe(tile)} is indexed with {kinds.count(':')} ':'", "write : once for each axis", node)
    for axis, kind in enumerate(kinds):
        if kind == "None":
            tile = shaping.expand(it.b, tile, axis)
    return tile


def _without_ellipsis(tile: Tile, items: list[ast.expr]) -> list[ast.expr]:
    """The indices with `...` written out."""
    at = [k for k, item in enumerate(items) if isinstance(item, ast.Constant) and item.value is ...]
    if len(at) != 1:
        return items
    others = sum(not (isinstance(item, ast.Constant) and item.value in (None, ...)) for item in items)
    return [*items[: at[0]], *[ast.Slice()] * (len(tile.shape) - others), *items[at[0] + 1 :]]


def _block(it: Interpreter, tile: Tile, items: list[ast.expr], node: ast.Subscript) -> Tile:
    """`t[16:32, :]`."""
    slices = [item for item in items if isinstance(item, ast.Slice)]
    if len(slices) < len(items):
        if any(isinstance(item, ast.Constant) and item.value is None for item in items):
            hint = "take the block first, then add the axis: t[16:32, :] and then [:, None]"
        else:
            hint = "write a slice for each axis, as in t[16:32, :] and t[15:16, :]"
        raise it.b.error(f"a block of {describe(tile)} is indexed with more than slices", hint, node)
    if len(slices) != len(tile.shape):
        raise it.b.error(
            f"{describe(tile)} is indexed with {len(slices)} slice{'s' if len(slices) > 1 else ''}",
            "write a slice for each axis, : for the whole",
            node,
        )
    offsets, shape = [], []
    for axis, item in enumerate(slices):
        offset, size = _extent(it, tile, axis, item)
        offsets.append(offset)
        shape.append(size)
    it.b.at(node)
    return shaping.extract(it.b, tile, offsets, tuple(shape))


def _extent(it: Interpreter, tile: Tile, axis: int, item: ast.Slice) -> tuple[int, int]:
    """The start and size of a slice of a tile."""
    b, whole = it.b, tile.shape[axis]
    if item.step is not None:
        raise b.error("a slice of a tile has a step", "slices are start : stop", item)
    bounds = [whole if k else 0 for k in range(2)]
    for k, part in enumerate((item.lower, item.upper)):
        if part is None:
            continue
        value = it.eval(part)
        if not isinstance(value, int) or isinstance(value, bool):
            raise b.error(
                "the bounds of a tile's slice are compile-time constants",
                f"this is {describe(value)}; use numbers, td.Const parameters and counters of td.static_range",
                part,
            )
        bounds[k] = value
    start, stop = bounds
    b.at(item)
    if not 0 <= start < stop <= whole:
        raise b.error(
            f"the slice from {start} to {stop} is not inside axis {axis} of {describe(tile)}",
            f"write start : stop with 0 <= start < stop <= {whole}",
        )
    size = stop - start
    if not shaping.is_power_of_two(size):
        raise b.error(f"the size of a tile's slice is {size}, not a power of two", "take blocks of 1, 2, 4, 8, ...")
    if start % size:
        low = start - start % size
        raise b.error(
            f"the slice starts at {start}, not a multiple of its size {size}",
            f"blocks of {size} nearest to it are {low} : {low + size} and {low + size} : {low + 2 * size}"
            if low + 2 * size <= whole
            else f"the block of {size} nearest to it is {low} : {low + size}",
        )
    return start, size


@expression(ast.IfExp)
def _conditional(it: Interpreter, node: ast.IfExp) -> object:
    from treadle.frontend.branches import conditional

    return conditional(it, node)


def condition(it: Interpreter, node: ast.expr, what: str) -> object:
    """The condition of an if or while: a constant, or a scalar i1."""
    value = it.eval(node)
    if is_constant(value):
        return bool(value)
    it.b.at(node)
    if isinstance(value, Tile):
        raise it.b.error(
            f"the condition of {what} is {describe(value)}, not a scalar",
            "choose per element with td.where(condition, a, b)",
        )
    v = it.b.value(value, f"the condition of {what}")
    if v.dtype is not i1:
        raise it.b.error(f"the condition of {what} is {describe(v)}, not i1", "compare it, as in n != 0")
    return v if v.dtype is i1 else cast(it.b, v, i1)
