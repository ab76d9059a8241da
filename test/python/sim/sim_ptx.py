"""Editing PTX by what its instructions do: every edit says what it expects to find, and fails if it is not there."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class EditError(Exception):
    """The PTX is not what an edit was written for."""


@functools.cache
def source_line(path: str, line: int) -> str:
    """A line of a source file; "" if there is none."""
    file = Path(path)
    lines = file.read_text().splitlines() if file.is_file() else []
    return lines[line - 1].strip() if 0 < line <= len(lines) else ""


class Ptx:
    """The PTX of one entry, as lines. Positions are indices of lines; they change with every edit."""

    def __init__(self, text: str, manifest: Mapping[str, Any]) -> None:
        self.lines = text.splitlines()
        self._launch = manifest["launches"][0]
        self._files = dict(re.findall(r'^\s*\.file\s+(\d+)\s+"([^"]*)"', text, re.MULTILINE))
        self._fresh = 0

    @property
    def text(self) -> str:
        """The PTX."""
        return "\n".join(self.lines) + "\n"

    # Finding

    def places(self) -> list[str]:
        """For each line, the line of the kernel's source it comes from."""
        found, here = [], ""
        for line in self.lines:
            if match := re.match(r"\s*\.loc\s+(\d+)\s+(\d+)", line):
                path, number = self._files.get(match[1], ""), int(match[2])
                here = source_line(path, number) if number else here
            found.append(here)
        return found

    def all(self, pattern: str, line: str = "", after: int = -1, before: int | None = None) -> list[int]:
        """Instructions that match; `line`: only those from a line of the kernel that holds this."""
        end = len(self.lines) if before is None else before
        places = self.places()
        return [
            i
            for i in range(after + 1, end)
            if not self.lines[i].lstrip().startswith(("//", ".loc", ".file"))
            and line in places[i]
            and re.search(pattern, self.lines[i])
        ]

    def find(self, pattern: str, line: str = "", after: int = -1, before: int | None = None, nth: int = 0) -> int:
        """The nth instruction that matches (-1: the last)."""
        found = self.all(pattern, line, after, before)
        if not -len(found) <= nth < len(found):
            raise EditError(f"expected match {nth} of {pattern!r} on lines with {line!r}, found {len(found)}")
        return found[nth]

    def only(self, pattern: str, line: str = "", after: int = -1, before: int | None = None) -> int:
        """The one instruction that matches."""
        found = self.all(pattern, line, after, before)
        if len(found) != 1:
            raise EditError(f"expected one match of {pattern!r} on lines with {line!r}, found {len(found)}")
        return found[0]

    def group(self, i: int, pattern: str, which: int = 1) -> str:
        """A group of a pattern in one line."""
        match = re.search(pattern, self.lines[i])
        if match is None:
            raise EditError(f"expected {pattern!r}, found {self.lines[i].strip()!r}")
        return match[which]

    def parameter(self, argument: Mapping[str, Any]) -> str:
        """The name of the PTX parameter that is passed this argument of the manifest's launch."""
        if argument not in self._launch["args"]:
            raise EditError(f"expected an argument {argument}, found none")
        return f"{self._launch['entry']}_param_{self._launch['args'].index(argument)}"

    def load_of(self, argument: Mapping[str, Any]) -> int:
        """Where that parameter is loaded."""
        return self.only(rf"ld\.param\S*\s.*\[{self.parameter(argument)}\]")

    def definition(self, register: str, before: int) -> int:
        """The last instruction before a position that writes a register as its first operand."""
        return self.find(rf"^\s*[a-z][\w.]*\s+{re.escape(register)},", before=before, nth=-1)

    def ancestors(self, i: int) -> list[int]:
        """The instructions that what instruction i reads comes from, in order."""
        found: set[int] = set()
        todo = [(i, r) for r in re.findall(r"%[a-z]+\d+", self.lines[i])]
        while todo:
            at, register = todo.pop()
            try:
                definition = self.definition(register, at)
            except EditError:
                continue  # a special register, a loop's own, or one of several results
            if definition not in found:
                found.add(definition)
                operands = self.lines[definition].split(",", 1)[1]
                todo += [(definition, r) for r in re.findall(r"%[a-z]+\d+", operands)]
        return sorted(found)

    def ancestor(self, i: int, pattern: str, nth: int = 0) -> int:
        """The nth of them that matches, counted from i backwards."""
        found = [a for a in reversed(self.ancestors(i)) if re.search(pattern, self.lines[a])]
        if not 0 <= nth < len(found):
            raise EditError(f"expected match {nth} of {pattern!r} behind {self.lines[i].strip()!r}, found {len(found)}")
        return found[nth]

    # Editing

    def drop(self, i: int) -> None:
        """Remove an instruction of one line."""
        if not self.lines[i].rstrip().endswith(";"):
            raise EditError(f"expected an instruction, found {self.lines[i].strip()!r}")
        del self.lines[i]

    def insert(self, i: int, *instructions: str) -> None:
        """Insert instructions before a position."""
        self.lines[i:i] = [f"\t{text};" for text in instructions]

    def move(self, i: int, to: int) -> None:
        """Move an instruction to before a position."""
        instruction = self.lines[i]
        self.drop(i)
        self.lines.insert(to - (to > i), instruction)

    def sub(self, i: int, pattern: str, text: str) -> None:
        """Replace what matches once in a line by something else."""
        changed, count = re.subn(pattern, text, self.lines[i])
        if count != 1 or changed == self.lines[i]:
            raise EditError(f"expected {pattern!r} once in {self.lines[i].strip()!r}, found it {count} times")
        self.lines[i] = changed

    def guard(self, i: int, predicate: str) -> None:
        """Let only threads for which a predicate holds execute an unguarded instruction."""
        self.sub(i, r"^\s*", f"\t@{predicate} ")

    def unguard(self, i: int) -> None:
        """Let every thread execute a guarded instruction."""
        self.sub(i, r"@!?%\w+\s+", "")

    def register(self, kind: str) -> str:
        """A new register of a type (".pred", ".b32", ".b64")."""
        self._fresh += 1
        name = f"%planted{self._fresh}"
        body = next(i for i, line in enumerate(self.lines) if line.strip() == "{")
        self.insert(body + 1, f".reg {kind} {name}")
        return name
