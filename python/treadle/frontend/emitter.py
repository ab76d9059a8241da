"""The text being written: lines, SSA names, constants at the head of the function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class _Head:
    """Lines that go before a body, and the values they define."""

    indent: str
    lines: list[str] = field(default_factory=list)
    known: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mark:
    """A point to roll back to."""

    lines: int
    count: int
    head_lines: int
    known: int


class Emitter:
    """Writes operations in order; `loc` is appended to each."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.loc = ""
        self._heads = [_Head("  ")]
        self._indent = "  "
        self._count = 0

    @property
    def head(self) -> list[str]:
        """The lines at the head of the function."""
        return self._heads[0].lines

    @property
    def regions(self) -> int:
        """How many regions with constants of their own the current line is in."""
        return len(self._heads) - 1

    def fresh(self) -> str:
        """A new SSA name."""
        self._count += 1
        return f"%{self._count - 1}"

    def line(self, text: str) -> None:
        """An operation without results."""
        self.lines.append(f"{self._indent}{text}{self.loc}")

    def op(self, text: str) -> str:
        """An operation with one result; its name."""
        name = self.fresh()
        self.lines.append(f"{self._indent}{name} = {text}{self.loc}")
        return name

    def op_many(self, text: str, count: int) -> list[str]:
        """An operation that ends on `text`, with `count` results; their names."""
        return self.open_many(text, count, self.loc)

    def open_many(self, text: str, count: int, loc: str = "") -> list[str]:
        """The first line of an operation with regions and `count` results; their names."""
        if count == 0:
            self.lines.append(f"{self._indent}{text}{loc}")
            return []
        name = self.fresh()
        bound = name if count == 1 else f"{name}:{count}"
        self.lines.append(f"{self._indent}{bound} = {text}{loc}")
        return [name] if count == 1 else [f"{name}#{i}" for i in range(count)]

    def shared(self, text: str, type_: str, full: str | None = None) -> str:
        """The value of an operation that is written once at the head: a constant, a dimension.

        Equal `text` and `type_` are one value; `full` is the operation, by default `text : type_`.
        """
        head = self._heads[-1]
        name = head.known.get((text, type_))
        if name is None:
            name = self.fresh()
            head.known[text, type_] = name
            head.lines.append(f"{head.indent}{name} = {full or f'{text} : {type_}'}{self.loc}")
        return name

    def constant(self, literal: str, type_: str) -> str:
        """An `arith.constant`; `true` and `false` carry no type."""
        text = f"arith.constant {literal}"
        return self.shared(text, type_, text if type_ == "i1" else None)

    def raw(self, text: str) -> None:
        """A line as it is (a label, a closing brace)."""
        self.lines.append(self._indent + text)

    @contextmanager
    def indented(self) -> Iterator[None]:
        """Indent the lines of a region."""
        saved = self._indent
        self._indent = saved + "  "
        try:
            yield
        finally:
            self._indent = saved

    @contextmanager
    def captured(self) -> Iterator[list[str]]:
        """Write the lines of a region, indented, into a list of their own."""
        saved = self.lines
        self.lines = []
        try:
            with self.indented():
                yield self.lines
        finally:
            self.lines = saved

    @contextmanager
    def isolated(self) -> Iterator[list[str]]:
        """Like `captured`, with the constants of the region at its own head."""
        with self.captured() as lines:
            head = _Head(self._indent)
            self._heads.append(head)
            try:
                yield lines
            finally:
                self._heads.pop()
                lines[:0] = head.lines

    def mark(self) -> Mark:
        """The point reached, for `rollback` in the same region."""
        head = self._heads[-1]
        return Mark(len(self.lines), self._count, len(head.lines), len(head.known))

    def rollback(self, mark: Mark) -> None:
        """Forget all that was written since `mark`."""
        head = self._heads[-1]
        del self.lines[mark.lines :]
        del head.lines[mark.head_lines :]
        while len(head.known) > mark.known:
            head.known.popitem()
        self._count = mark.count
