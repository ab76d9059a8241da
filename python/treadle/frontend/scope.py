"""Names: the locals of a function being read, and the Python names around it."""

from __future__ import annotations

import ast
import builtins
from types import FunctionType, ModuleType

from treadle.frontend.source import Source

MISSING = object()


class Scope:
    """The names of one function. `assigned` remembers where each got its value."""

    def __init__(self, source: Source, fn: FunctionType) -> None:
        self.source = source
        self.fn = fn
        self.names: dict[str, object] = {}
        self.assigned: dict[str, ast.AST] = {}

    def lookup(self, name: str) -> object:
        """The value of a name, MISSING when it has none."""
        if name in self.names:
            return self.names[name]
        code = self.fn.__code__
        if name in code.co_freevars and self.fn.__closure__ is not None:
            cell = self.fn.__closure__[code.co_freevars.index(name)]
            try:
                return cell.cell_contents
            except ValueError:
                return MISSING
        if name in self.fn.__globals__:
            return self.fn.__globals__[name]
        return getattr(builtins, name, MISSING)

    def named(self, node: ast.expr) -> object:
        """What a name, or an attribute of a module, stands for; MISSING or None when it is neither."""
        if isinstance(node, ast.Name):
            return self.lookup(node.id)
        if isinstance(node, ast.Attribute):
            base = self.named(node.value)
            return getattr(base, node.attr, None) if isinstance(base, ModuleType) else None
        return None

    def bind(self, name: str, value: object, node: ast.AST) -> None:
        """Give a name a value."""
        self.names[name] = value
        self.assigned[name] = node

    def visible(self) -> list[str]:
        """Names to suggest when one is misspelt."""
        return [*self.names, *self.fn.__globals__, *self.fn.__code__.co_freevars]
