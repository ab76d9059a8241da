"""Axes of a step's parameters: names, and expressions over constants such as "P+1"."""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}


class Size(int):
    """The size of an axis, an int that remembers what the axis is called."""

    label: str

    def __new__(cls, value: int, label: str) -> Size:
        """The size `value` of the axis `label`."""
        out = super().__new__(cls, value)
        out.label = label
        return out


@dataclass(frozen=True)
class Axis:
    """An axis as written, and the constants its size depends on."""

    text: str
    names: tuple[str, ...]

    @property
    def is_name(self) -> bool:
        """True when the size is a constant's value, not computed from some."""
        return self.names == (self.text,)

    def size(self, constants: Mapping[str, object]) -> Size:
        """Its size; a ValueError that says what is wrong."""
        for name in self.names:
            value = constants[name]
            if not isinstance(value, int) or isinstance(value, bool):
                raise ValueError(f"{name} is {value!r}, not an integer")
        try:
            value = _evaluate(_tree(self.text), constants)
        except ZeroDivisionError:
            raise ValueError("it divides by zero") from None
        if value < 1:
            raise ValueError(f"its size is {value}, at least 1 is needed")
        return Size(value, self.text)


def parse(item: object) -> Axis:
    """An axis from a string or an integer; a ValueError when it is neither, or has more than + - * // in it."""
    if isinstance(item, int) and not isinstance(item, bool) and item > 0:
        return Axis(str(item), ())
    if not isinstance(item, str):
        raise ValueError("an axis is a name, an expression over constants such as 'P+1', or a positive integer")
    text = item.strip()
    try:
        tree = _tree(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(
            "an axis is a name, an expression over constants such as 'P+1', or a positive integer"
        ) from None
    names: dict[str, None] = {}
    _check(tree, names)
    return Axis(text, tuple(names))


@functools.cache
def _tree(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _check(node: ast.expr, names: dict[str, None]) -> None:
    if isinstance(node, ast.Name) and node.id.isascii():
        names[node.id] = None
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        _check(node.left, names)
        _check(node.right, names)
    elif not (isinstance(node, ast.Constant) and type(node.value) is int):
        raise ValueError("an expression for an axis has names, integers, + - * // and parentheses only")


def _evaluate(node: ast.expr, constants: Mapping[str, object]) -> int:
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_evaluate(node.left, constants), _evaluate(node.right, constants))
    if isinstance(node, ast.Name):
        value = constants[node.id]
        assert isinstance(value, int)
        return int(value)
    assert isinstance(node, ast.Constant) and isinstance(node.value, int)
    return node.value
