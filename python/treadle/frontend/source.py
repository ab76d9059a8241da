"""Source files: their syntax trees, and places in them."""

from __future__ import annotations

import ast
import linecache
from types import FunctionType
from typing import Any

from treadle.errors import KernelError, Location

_PARSED: dict[str, Source] = {}


class Source:
    """A parsed file."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.lines = text.splitlines()
        self._ascii = text.isascii()
        self.functions: dict[tuple[int, str], ast.FunctionDef] = {}
        for node in ast.walk(parse(file, text)):
            if isinstance(node, ast.FunctionDef):
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                self.functions[first, node.name] = node

    @classmethod
    def of(cls, file: str) -> Source:
        """The source of `file`, parsed once for each of its contents."""
        text = "".join(linecache.getlines(file))
        known = _PARSED.get(file)
        if known is None or known.text != text:
            known = _PARSED[file] = cls(file, text)
        return known

    def column(self, line: int, byte: int) -> int:
        """The 1-based character column of a UTF-8 offset."""
        if self._ascii or line > len(self.lines):
            return byte + 1
        return len(self.lines[line - 1].encode()[:byte].decode(errors="ignore")) + 1

    def location(self, node: ast.AST) -> Location:
        """Where a node is: its first line."""
        at: Any = node
        if isinstance(node, ast.FunctionDef):
            start = self.lines[node.lineno - 1].find(node.name, node.col_offset + 3) + 1
            return Location(self.file, node.lineno, start, start + len(node.name))
        end = None
        if at.end_lineno == at.lineno:
            end = self.column(at.lineno, at.end_col_offset)
        return Location(self.file, at.lineno, self.column(at.lineno, at.col_offset), end)

    def error(
        self, node: ast.AST, message: str, help: str | None = None, notes: list[tuple[Location, str]] | None = None
    ) -> KernelError:
        """An error at a node."""
        at = self.location(node)
        return KernelError(
            message, file=at.file, line=at.line, col=at.col, end_col=at.end_col, notes=notes or (), help=help
        )


def parse(file: str, text: str) -> ast.Module:
    """The tree of a file; a KernelError at its place when it is not Python."""
    try:
        return ast.parse(text, file)
    except SyntaxError as e:
        raise syntax_error(file, e) from None
    except (RecursionError, MemoryError):
        raise KernelError("this file is nested too deeply to parse", file=file, help="split its expressions") from None


def syntax_error(file: str, e: SyntaxError) -> KernelError:
    """Python's own syntax error as ours."""
    col = e.offset or 1
    same = e.end_lineno == e.lineno and e.end_offset is not None and e.end_offset > col
    return KernelError(
        e.msg[:1].lower() + e.msg[1:],
        file=e.filename or file,
        line=e.lineno or 1,
        col=col,
        end_col=e.end_offset if same else col + 1,
    )


def find(fn: FunctionType) -> tuple[Source, ast.FunctionDef]:
    """The source and tree of a function."""
    code = fn.__code__
    source = Source.of(code.co_filename)
    node = source.functions.get((code.co_firstlineno, fn.__name__))
    if node is None:
        raise KernelError(
            f"the source of {fn.__name__} is not available",
            file=code.co_filename,
            line=code.co_firstlineno,
            help="define it with `def` in a file",
        )
    return source, node
