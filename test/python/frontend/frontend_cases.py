"""Kernels with their expected error written into them.

    p = td.dot(t, u)
        ^^^^^^^^^^^^ the error's message
        help: its help
    ^^^ note: a note's text

A line of carets stands below the line it is about; `check` takes the marks out, compiles, and compares every part.
"""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import treadle as td
from treadle.errors import snippet

HEADER = """\
import math
import treadle as td

@td.kernel(dtype="f32")
def f(x: td.Tensor["M", "N"], y: td.Tensor["M", "N"], h: td.Tensor["M", "N", td.bf16], ids: td.Tensor["M", td.i32],
      n: td.index, a: td.f32, g: td.Optional[td.Tensor["M", "N"]] = None, *, B: td.Const = 64, NAME: td.Const = "s"):
    M, N = x.shape
    i, j = td.grid(td.cdiv(M, B), td.cdiv(N, B))
    t = x[i * B : i * B + B, j * B : j * B + B]
    u = h[i * B : i * B + B, j * B : j * B + B]
    v = x[i * B : i * B + 32, j]
"""
_MARK = re.compile(r"( *)(\^+) (note: )?(.*)")
_numbers = itertools.count()


@dataclass
class Expected:
    """What a marked source says about its error."""

    message: str = ""
    line: int = 0
    carets: str = ""
    help: str | None = None
    notes: list[tuple[int, str, str]] = field(default_factory=list)


def split(marked: str) -> tuple[str, Expected]:
    """The source without its marks, and the marks."""
    lines: list[str] = []
    expected = Expected()
    for line in marked.splitlines():
        mark = _MARK.fullmatch(line)
        if mark:
            pad, carets, note, text = mark.groups()
            if note:
                expected.notes.append((len(lines), pad + carets, text))
            else:
                expected.message, expected.line, expected.carets = text, len(lines), pad + carets
        elif line.strip().startswith("help: "):
            expected.help = line.strip()[len("help: ") :]
        else:
            lines.append(line)
    return "\n".join(lines) + "\n", expected


def body(text: str) -> str:
    """The statements of a kernel under HEADER."""
    return HEADER + textwrap.indent(textwrap.dedent(text).strip("\n"), "    ") + "\n"


def write(tmp_path: Path, source: str) -> str:
    """A new file of this source."""
    path = tmp_path / f"kernel{next(_numbers)}.py"
    path.write_text(source, encoding="utf-8")
    return str(path)


def compile_all(file: str, **options: object) -> dict[str, str]:
    """The MLIR text of every kernel of a file."""
    return {name: k.to_mlir(**options) for name, k in td.load_kernels(file).items()}  # type: ignore[arg-type]


def text_of(tmp_path: Path, statements: str, **options: object) -> str:
    """The MLIR text of a kernel with these statements under HEADER."""
    return compile_all(write(tmp_path, body(statements)), **options)["f"]


def check(tmp_path: Path, marked: str, compile: Callable[..., object] = compile_all, **options: object) -> None:
    """Compile a marked source and compare the error with its marks."""
    source, expected = split(marked)
    file = write(tmp_path, source)
    with pytest.raises(td.KernelError) as caught:
        compile(file, **options)
    error = caught.value
    assert error.message == expected.message
    assert (error.file, error.line) == (file, expected.line), str(error)
    source_line, carets = snippet(error.location)
    assert carets == "      | " + expected.carets, str(error)
    assert error.help == expected.help
    found = [(at.line, snippet(at)[1][8:], text) for at, text in error.notes]
    assert found == expected.notes, str(error)
    assert error.message[0].islower() or not error.message[0].isalpha()
    assert not error.message.endswith(".")
    shown = str(error).splitlines()
    assert shown[:3] == [f"{file}:{error.line}:{error.col}: error: {error.message}", source_line, carets]
