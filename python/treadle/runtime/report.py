"""What a simulated run did: findings at their places in the source, and counts by source line."""

from __future__ import annotations

import dataclasses
import linecache
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from treadle.errors import Location, SimulationError, snippet

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Place:
    """An instruction, and a thread that executed it. `line` is the source's, or the PTX text's where there is none."""

    file: str
    line: int
    column: int
    """From 1; 0 where the whole line is meant."""
    ptx_line: int
    instruction: str
    block: Triple | None
    thread: Triple | None

    @property
    def location(self) -> Location:
        """The place as messages show it: without a column, the line from its first character on."""
        if self.column:
            return Location(self.file, self.line, self.column, self.column + 1)
        text = linecache.getline(self.file, self.line)
        return Location(self.file, self.line, 1 + len(text) - len(text.lstrip()))


@dataclass(frozen=True)
class Finding:
    """Something wrong that a kernel did, found once for each pair of instructions."""

    kind: str
    """"out-of-bounds", "misaligned", "uninitialised", "race", "unwaited-copy", "divergent-barrier", "deadlock",
    "null-pointer", "invalid-operand" or "limit"."""
    message: str
    place: Place
    other: Place | None
    """The earlier access, of a race or an unwaited copy."""
    times: int

    def __str__(self) -> str:
        often = f" ({self.times} times)" if self.times > 1 else ""
        location = self.place.location
        lines = [f"{location}: error: [{self.kind}] {self.message}{often}", *snippet(location)]
        if self.other is not None:
            location = self.other.location
            by = f" of {_thread(self.other.thread, self.other.block)}" if self.other.thread else ""
            lines += [f"{location}: note: the other access{by}: {self.other.instruction}", *snippet(location)]
        return "\n".join(lines)


@dataclass(frozen=True)
class LineCounts:
    """Counts of the instructions of one source line, or of all."""

    file: str = ""
    line: int = 0
    """0: of no line in particular."""
    warps: int = 0
    """Instructions that warps executed."""
    lanes: int = 0
    """Instructions that threads executed."""
    classes: Mapping[str, int] = field(default_factory=dict)
    """Those by class: "integer", "float", "load", ..."""
    global_bytes_read: int = 0
    global_bytes_written: int = 0
    sectors_read: int = 0
    """Of 32 bytes of global memory, each once for a warp's instruction."""
    sectors_written: int = 0
    shared_wavefronts: int = 0
    bank_conflicts: int = 0
    """Those of the wavefronts that there would not be without conflicts."""
    multiply_adds: int = 0
    """Of tensor cores."""
    barriers: int = 0
    """Times that a warp came to a barrier of its block."""

    def __add__(self, other: LineCounts) -> LineCounts:
        sums = {name: getattr(self, name) + getattr(other, name) for name in _SUMMED}
        names = dict.fromkeys([*self.classes, *other.classes])
        classes = {name: self.classes.get(name, 0) + other.classes.get(name, 0) for name in names}
        return dataclasses.replace(self, classes=classes, **sums)


_SUMMED = [f.name for f in dataclasses.fields(LineCounts) if f.name not in ("file", "line", "classes")]


@dataclass(frozen=True)
class LaunchReport:
    """What one launch did."""

    kernel: str
    grid: Triple
    block: Triple
    shared_bytes: int
    seconds: float
    instructions: int
    """Instructions that threads executed."""
    findings: tuple[Finding, ...]
    findings_cut: bool
    """Whether there were more than the limit."""
    lines: tuple[LineCounts, ...]
    total: LineCounts
    json: Mapping[str, Any] = field(repr=False, compare=False)
    """All of it as the library wrote it."""

    @classmethod
    def parse(cls, json: Mapping[str, Any]) -> LaunchReport:
        """From what libtreadle_sim writes (toJson in lib/sim/Report.h)."""
        return cls(
            kernel=json["kernel"],
            grid=_triple(json["grid"]),
            block=_triple(json["block"]),
            shared_bytes=json["shared_bytes"],
            seconds=json["seconds"],
            instructions=json["instructions"],
            findings=tuple(_finding(entry) for entry in json["findings"]),
            findings_cut=json["findings_cut"],
            lines=tuple(LineCounts(**entry) for entry in json["lines"]),
            total=LineCounts(**json["total"]),
            json=json,
        )


@dataclass(frozen=True)
class Report:
    """What a run did: one launch after the other, on one memory."""

    launches: tuple[LaunchReport, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What all launches were found to do wrong."""
        return tuple(finding for launch in self.launches for finding in launch.findings)

    @property
    def findings_cut(self) -> bool:
        """Whether some launch had more than the limit."""
        return any(launch.findings_cut for launch in self.launches)

    @property
    def lines(self) -> tuple[LineCounts, ...]:
        """Counts by source line, of all launches together."""
        found: dict[tuple[str, int], LineCounts] = {}
        for line in (line for launch in self.launches for line in launch.lines):
            key = (line.file, line.line)
            found[key] = found[key] + line if key in found else line
        return tuple(found[key] for key in sorted(found))

    @property
    def total(self) -> LineCounts:
        """The counts of everything."""
        return sum((launch.total for launch in self.launches), LineCounts())

    @property
    def json(self) -> dict[str, Any]:
        """All of it: {"launches": [...]}, each as lib/sim/Report.h describes."""
        return {"launches": [launch.json for launch in self.launches]}

    def check(self) -> None:
        """Raise a SimulationError if there are findings."""
        if self.findings:
            raise SimulationError(self)

    def table(self) -> str:
        """The counts by source line and their sum, as text."""
        rows = [_TITLES, *(_row(line) for line in self.lines), _row(dataclasses.replace(self.total, file="total"))]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_TITLES))]
        return "\n".join(_aligned(row, widths) for row in rows)


def _triple(values: Iterable[int]) -> Triple:
    x, y, z = values
    return x, y, z


def _place(json: Mapping[str, Any]) -> Place:
    block, thread = json["block"], json["thread"]
    return Place(
        json["file"],
        json["line"],
        json["column"],
        json["ptx_line"],
        json["instruction"],
        _triple(block) if block else None,
        _triple(thread) if thread else None,
    )


def _finding(json: Mapping[str, Any]) -> Finding:
    other = _place(json["other"]) if json["other"] else None
    return Finding(json["kind"], json["message"], _place(json), other, json["times"])


def _thread(thread: Triple | None, block: Triple | None) -> str:
    def text(triple: Triple | None) -> str:
        return "({},{},{})".format(*(triple or ()))

    return f"thread {text(thread)}" + (f" of block {text(block)}" if block else "")


# ---------------------------------------------------------------------------------------------------------------------
# The table
# ---------------------------------------------------------------------------------------------------------------------

_TITLES = (
    "line",
    "instructions",
    "read B",
    "written B",
    "sectors",
    "conflicts",
    "multiply-adds",
    "barriers",
    "source, and below it instructions by class",
)


def _row(counts: LineCounts) -> tuple[str, ...]:
    numbers = (
        counts.lanes,
        counts.global_bytes_read,
        counts.global_bytes_written,
        counts.sectors_read + counts.sectors_written,
        counts.bank_conflicts,
        counts.multiply_adds,
        counts.barriers,
    )
    name = Path(counts.file).name + (f":{counts.line}" if counts.line else "")
    source = linecache.getline(counts.file, counts.line).strip() if counts.line else ""
    classes = ", ".join(f"{name} {count:,}" for name, count in counts.classes.items())
    return name, *(f"{number:,}" if number else "" for number in numbers), source, classes


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    """One row; the classes on a line of their own."""
    cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=False)]
    line = "  ".join([row[0].ljust(widths[0]), *cells[1:-1], row[len(widths) - 1]])
    return "\n".join([line.rstrip(), *("    " + text for text in row[len(widths) :])])
