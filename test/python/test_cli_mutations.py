"""Damaged MLIR is an error with an exit code; never a crash, a signal or a traceback."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

COUNT = 240
SEED = 20260101

PROGRAM = """\
func.func @row_max(%x: !tile.view<?x64xbf16, align = 16> {tile.name = "x", tile.dims = ["M", 64]},
                   %y: !tile.view<?xf32> {tile.name = "y", tile.dims = ["M"]}, %a: f32 {tile.name = "a"})
    attributes {tile.kernel, tile.num_warps = 4 : i32, tile.num_stages = 2 : i32,
                tile.grid = affine_map<()[M] -> (M ceildiv 32)>, tile.grid_dims = ["M"]} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %c32 = arith.constant 32 : index
  %zero = arith.constant dense<0.0> : tensor<32x32xf32>
  %i = tile.program_id 0
  %r = arith.muli %i, %c32 : index
  %acc = scf.for %k = %c0 to %c4 step %c1 iter_args(%s = %zero) -> (tensor<32x32xf32>) {
    %t = tile.load %x[%r, %c0] along [0, 1] : !tile.view<?x64xbf16, align = 16> -> tensor<32x64xbf16>
    %u = tile.transpose %t, [1, 0] : tensor<32x64xbf16> -> tensor<64x32xbf16>
    %d = tile.dot %t, %u, %s : tensor<32x64xbf16>, tensor<64x32xbf16> -> tensor<32x32xf32>
    scf.yield %d : tensor<32x32xf32>
  }
  %p = tile.splat %a : f32 -> tensor<32x32xf32>
  %q = arith.mulf %acc, %p : tensor<32x32xf32>
  %e = math.exp %q : tensor<32x32xf32>
  %m = tile.reduce (%e) along 1 {
  ^bb0(%f: f32, %g: f32):
    %h = arith.maximumf %f, %g : f32
    tile.yield %h : f32
  } : (tensor<32x32xf32>) -> (tensor<32xf32>)
  tile.store %m, %y[%r] along [0] : tensor<32xf32>, !tile.view<?xf32>
  return
}
"""

Mutation = Callable[[random.Random, str], str]


def _drop(rng: random.Random, text: str) -> str:
    start = rng.randrange(len(text))
    return text[:start] + text[start + rng.randint(1, 40) :]


def _truncate(rng: random.Random, text: str) -> str:
    return text[: rng.randrange(len(text))]


def _repeat(rng: random.Random, text: str) -> str:
    start = rng.randrange(len(text))
    piece = text[start : start + rng.randint(1, 60)]
    return text[:start] + piece * rng.randint(2, 50) + text[start:]


def _byte(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text))
    return text[:at] + rng.choice('(){}[]<>%#!@^"\\:,=-?x0987\0é\n') + text[at + 1 :]


def _number(rng: random.Random, text: str) -> str:
    found = list(re.finditer(r"\d+", text))
    at = rng.choice(found)
    value = rng.choice(["0", "-1", "3", "7", "128", "65536", str(2**31), str(2**63 - 1), "9" * 20])
    return text[: at.start()] + value + text[at.end() :]


def _word(rng: random.Random, text: str) -> str:
    words = list(re.finditer(r"[A-Za-z_.]{2,}", text))
    one, other = rng.choice(words), rng.choice(words)
    return text[: one.start()] + other.group() + text[one.end() :]


def _type(rng: random.Random, text: str) -> str:
    found = list(re.finditer(r"bf16|f32|index|i32", text))
    at = rng.choice(found)
    other = rng.choice(["f16", "f64", "i1", "i64", "index", "bf16", "f32", "none"])
    return text[: at.start()] + other + text[at.end() :]


def _line(rng: random.Random, text: str) -> str:
    lines = text.splitlines(keepends=True)
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    choice = rng.randrange(3)
    if choice == 0:
        del lines[one]
    elif choice == 1:
        lines[one], lines[other] = lines[other], lines[one]
    else:
        lines.insert(one, lines[other])
    return "".join(lines)


MUTATIONS: tuple[Mutation, ...] = (_drop, _truncate, _repeat, _byte, _number, _word, _type, _line)


def mutants() -> list[str]:
    """The same damaged programs each time."""
    rng = random.Random(SEED)
    texts = []
    for i in range(COUNT):
        text = PROGRAM
        for _ in range(1 + i // len(MUTATIONS) % 3):
            text = MUTATIONS[i % len(MUTATIONS)](rng, text) or PROGRAM
        texts.append(text)
    return texts


DRIVER = """
import json, sys
from treadle import compiler
from treadle.errors import TreadleError
for number, text in enumerate(json.load(sys.stdin)):
    try:
        compiler.run(text, {"ptxas": False})
        outcome = "ok"
    except TreadleError as error:
        outcome = str(error)
    print(json.dumps([number, outcome]), flush=True)
"""


@pytest.fixture(scope="module")
def outcomes() -> list[tuple[int, str]]:
    """What compiling each mutant says: all in one process, so that one may not spoil the next."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], input=json.dumps(mutants()), capture_output=True, text=True, timeout=600
    )
    found = [(n, outcome) for n, outcome in map(json.loads, done.stdout.splitlines())]
    assert done.returncode == 0, f"mutant {len(found)} ended the process ({done.returncode}): {done.stderr[-2000:]}"
    return found


def test_no_mutant_ends_the_process(outcomes: list[tuple[int, str]]) -> None:
    assert len(outcomes) == COUNT


def test_no_mutant_crashes_the_compiler(outcomes: list[tuple[int, str]]) -> None:
    crashed = [(n, text) for n, text in outcomes if "the compiler crashed" in text or "code generation failed" in text]
    assert not crashed


def test_errors_say_where(outcomes: list[tuple[int, str]]) -> None:
    errors = [text for _, text in outcomes if text != "ok"]
    assert len(errors) > COUNT // 2
    placed = [text for text in errors if re.match(r"kernel\.mlir:\d+:\d+: error: \S", text)]
    unplaced = [text for text in errors if text not in placed]
    assert all("has no kernel" in text or "expected" in text for text in unplaced), unplaced[:5]


def test_exit_codes(tmp_path: Path, outcomes: list[tuple[int, str]]) -> None:
    texts = mutants()
    for number, outcome in outcomes[:: COUNT // 12]:
        path = tmp_path / f"{number}.mlir"
        path.write_text(texts[number])
        done = subprocess.run(
            [sys.executable, "-m", "treadle.cli.treadlec", path, "--emit=ptx"], capture_output=True, text=True
        )
        assert done.returncode == (0 if outcome == "ok" else 1)
        assert "Traceback" not in done.stderr
