"""Errors a user of Treadle can meet, each with what was expected, what was found and what to do."""

from __future__ import annotations

import linecache
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.runtime.report import Finding, Report


@dataclass(frozen=True)
class Location:
    """A span of one line of source: 1-based line and character columns, `end_col` exclusive (None: to the end)."""

    file: str
    line: int
    col: int
    end_col: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.col}"


class TreadleError(Exception):
    """Base of every error Treadle raises on purpose."""


class KernelError(TreadleError):
    """A mistake in a kernel's source: `str()` shows the place, the line, a caret and the remedy."""

    def __init__(
        self,
        message: str,
        *,
        file: str = "<unknown>",
        line: int = 1,
        col: int = 1,
        end_col: int | None = None,
        notes: Iterable[tuple[Location, str]] = (),
        help: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.location = Location(file, line, col, end_col)
        self.notes = list(notes)
        self.help = help

    @property
    def file(self) -> str:
        """The file of the mistake."""
        return self.location.file

    @property
    def line(self) -> int:
        """Its line, from 1."""
        return self.location.line

    @property
    def col(self) -> int:
        """Its first column in characters, from 1."""
        return self.location.col

    @property
    def end_col(self) -> int | None:
        """The column after its last, or None when it runs to the end of the line."""
        return self.location.end_col

    def __str__(self) -> str:
        parts = [f"{self.location}: error: {self.message}", *snippet(self.location)]
        for location, text in self.notes:
            parts += [f"{location}: note: {text}", *snippet(location)]
        if self.help:
            parts.append(f"help: {self.help}")
        return "\n".join(parts)


class LaunchError(TreadleError):
    """The arguments of a launch break a promise of the kernel: shape, dtype, alignment, device."""


class CompileError(TreadleError):
    """The compiler could not build a valid program; the message carries its diagnostics."""


class SimulationError(TreadleError):
    """What a kernel was found to do wrong while it was simulated: `str()` shows each finding at its place."""

    def __init__(self, report: Report) -> None:
        super().__init__(f"{len(report.findings)} findings")
        self.report = report

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found, launch by launch in the order of the program."""
        return self.report.findings

    def __str__(self) -> str:
        more = ["note: more was found than is shown"] if self.report.findings_cut else []
        return "\n".join([*map(str, self.findings), *more])


class InternalError(TreadleError):
    """A bug in Treadle itself."""


def snippet(location: Location) -> list[str]:
    """The source line of `location` and a line of carets below it; nothing when the source is not at hand."""
    text = linecache.getline(location.file, location.line).rstrip("\r\n")
    if not text.strip():
        return []
    start = min(location.col - 1, len(text))
    end = len(text) if location.end_col is None else min(location.end_col - 1, len(text))
    pad = "".join("\t" if c == "\t" else " " * _width(c) for c in text[:start])
    carets = "^" * max(1, sum(_width(c) for c in text[start:end].rstrip()))
    return [f"{location.line:5} | {text}", f"      | {pad}{carets}"]


def _width(char: str) -> int:
    """Columns a character takes on a terminal."""
    if char.isascii():
        return 1
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
