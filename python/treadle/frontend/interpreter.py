"""Reads a function's tree and writes its operations. Handlers for each kind of node register themselves here."""

from __future__ import annotations

import ast
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from treadle.frontend.builder import Builder
from treadle.frontend.scope import Scope
from treadle.frontend.steprules import STEP_HELP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treadle.frontend.grid import Grid


@dataclass(frozen=True)
class Returned:
    """A `return` was reached, with this value."""

    value: object
    node: ast.Return


Expression = Callable[["Interpreter", Any], object]
Statement = Callable[["Interpreter", Any], "Returned | None"]
EXPRESSIONS: dict[type[ast.AST], Expression] = {}
STATEMENTS: dict[type[ast.AST], Statement] = {}
_E = TypeVar("_E", bound=Expression)
_S = TypeVar("_S", bound=Statement)


def expression(*kinds: type[ast.AST]) -> Callable[[_E], _E]:
    """Register the handler of kinds of expressions."""

    def register(handler: _E) -> _E:
        EXPRESSIONS.update(dict.fromkeys(kinds, handler))
        return handler

    return register


def statement(*kinds: type[ast.AST]) -> Callable[[_S], _S]:
    """Register the handler of kinds of statements."""

    def register(handler: _S) -> _S:
        STATEMENTS.update(dict.fromkeys(kinds, handler))
        return handler

    return register


class Interpreter:
    """One function being read: the shared builder, its own names."""

    def __init__(self, b: Builder, scope: Scope, grid: Grid) -> None:
        self.b = b
        self.scope = scope
        self.grid = grid
        self.depth = 0
        """How many run-time loops and branches enclose the current statement."""

    def eval(self, node: ast.AST) -> object:
        """The value of an expression."""
        handler = EXPRESSIONS.get(type(node))
        if handler is None:
            raise unsupported(self.b, node)
        return handler(self, node)

    def run(self, body: list[ast.stmt]) -> Returned | None:
        """Statements in order, up to a return."""
        for node in body:
            self.b.statement = node
            handler = STATEMENTS.get(type(node))
            if handler is None:
                raise unsupported(self.b, node)
            out = handler(self, node)
            if out is not None:
                return out
        return None

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Within a run-time loop or branch."""
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1


_NAMES = {
    "Try": "try", "TryStar": "try", "With": "with", "ClassDef": "class", "FunctionDef": "a nested function",
    "AsyncFunctionDef": "async", "AsyncFor": "async", "AsyncWith": "async", "Await": "await", "Lambda": "lambda",
    "ListComp": "a list comprehension", "SetComp": "a set comprehension", "DictComp": "a dict comprehension",
    "GeneratorExp": "a generator", "Global": "global", "Nonlocal": "nonlocal", "Yield": "yield",
    "YieldFrom": "yield", "JoinedStr": "an f-string", "Raise": "raise", "Delete": "del", "Import": "import",
    "ImportFrom": "import", "Break": "break", "Continue": "continue", "Dict": "a dict", "Set": "a set",
    "List": "a list", "NamedExpr": "':='", "Starred": "a starred expression", "Match": "match",
    "Slice": "a slice here",
}  # fmt: skip
_HELP = {
    "Lambda": "a lambda is allowed as the first argument of td.reduce and td.scan",
    "FunctionDef": "define it outside the kernel; it is inlined where it is called",
    "Break": "carry a condition in a while loop",
    "Continue": "guard the rest of the body with if",
    "List": "write a tuple",
    "ListComp": "unroll with `for i in td.static_range(n):`",
    "Raise": "use td.static_assert for what is known at compile time",
    "Import": "import at the top of the file",
    "ImportFrom": "import at the top of the file",
}


def unsupported(b: Builder, node: ast.AST) -> Exception:
    """The error for syntax outside the language."""
    kind = type(node).__name__
    help = STEP_HELP.get(kind, _HELP.get(kind)) if b.step else _HELP.get(kind)
    return b.error(f"{_NAMES.get(kind, kind)} is not supported in {b.place}", help, node)
