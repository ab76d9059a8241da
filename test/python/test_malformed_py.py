"""Damaged kernels in Python are errors of the user's file, with a place; never a raw exception."""

from __future__ import annotations

import io
import random
import tokenize
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import treadle as td
from oracles import kernel_files
from treadle.errors import TreadleError

KERNELS = kernel_files()
COUNT, SEED = 60, 20260102  # mutants of each kernel

Tokens = list[str]
WORDS = (
    "x",
    "0",
    "-1",
    "3",
    "64",
    "td",
    "td.bf16",
    "None",
    '"M"',
    "(",
    ")",
    "[",
    "]",
    ":",
    ",",
    "for",
    "while",
    "if",
    "lambda",
)


def delete(tokens: Tokens, at: int, rng: random.Random) -> None:
    del tokens[at]


def duplicate(tokens: Tokens, at: int, rng: random.Random) -> None:
    tokens.insert(at, tokens[at])


def swap(tokens: Tokens, at: int, rng: random.Random) -> None:
    other = rng.randrange(len(tokens))
    tokens[at], tokens[other] = tokens[other], tokens[at]


def replace(tokens: Tokens, at: int, rng: random.Random) -> None:
    tokens[at] = rng.choice(WORDS)


MUTATIONS: tuple[Callable[[Tokens, int, random.Random], None], ...] = (delete, duplicate, swap, replace)


def pieces(text: str) -> Tokens:
    """The file cut at its tokens; joined again they are the file. Its docstring stays whole."""
    lines = text.splitlines(keepends=True)
    starts = [sum(map(len, lines[:i])) for i in range(len(lines) + 1)]
    cuts = {0, len(text)}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        cuts |= {
            starts[min(r, len(lines)) - 1] + c if r <= len(lines) else len(text) for r, c in (token.start, token.end)
        }
    ordered = sorted(cuts)
    return [text[a:b] for a, b in pairwise(ordered)]


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: "-".join(path.parts[-3:-1]))
def test_damaged_kernels(path: Path, tmp_path: Path) -> None:
    rng, text = random.Random(SEED), path.read_text()
    head = text.index("@td.")
    file, refused = tmp_path / "kernel.py", 0
    for _ in range(COUNT):
        tokens = pieces(text)
        first = next(i for i in range(len(tokens)) if sum(map(len, tokens[:i])) >= head)
        body = tokens[first:]
        for _ in range(rng.randint(1, 2)):
            rng.choice(MUTATIONS)(body, rng.randrange(len(body)), rng)
        file.write_text("".join(tokens[:first] + body))
        try:
            for kernel in td.load_kernels(file).values():
                kernel.to_mlir()
        except TreadleError as error:
            refused += 1
            assert str(error).strip()
    assert refused > COUNT // 4


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000,
        "x = " + "-" * 100_000 + "1",
        "x = " + "[" * 3000 + "]" * 3000,
        "\0",
        "def",
        "\xff",
        "import nowhere_at_all",
        "1 / 0",
    ],
    ids=["open", "minus", "brackets", "nul", "cut", "latin", "import", "raises"],
)
def test_hostile_files(text: str, tmp_path: Path) -> None:
    file = tmp_path / "kernel.py"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(TreadleError, match="kernel"):
        td.load_kernels(file)
