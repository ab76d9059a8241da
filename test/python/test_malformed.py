"""Damaged programs through the compiler library, in process: always a result with diagnostics, never a crash.

The programs are the test inputs of test/lit and the shipped kernels, each damaged by one to three
deterministic mutations.
Every batch runs in a process of its own, whose exit code tells of what a result cannot.
"""

from __future__ import annotations

import functools
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "python") not in sys.path:
    sys.path.insert(0, str(ROOT / "python"))

import treadle as td  # noqa: E402
from oracles import kernel_files  # noqa: E402
from treadle import compiler  # noqa: E402
from treadle.errors import TreadleError  # noqa: E402

try:
    compiler.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

SEED = 20261122
BATCHES = 16
PER_BATCH = 40
SECONDS = 240

# What a diagnostic must not say: the words of crashes and of our own checks.
BANNED = (
    "the compiler crashed",
    "internal error",
    "code generation failed",
    "cannot be built",
    "the LLVM IR is not valid",
)

WORKER = r"""
import ctypes, json, sys
from treadle import compiler
lib = compiler.library()
for number, (target, text) in enumerate(json.load(sys.stdin)):
    data = text.encode("utf-8", "surrogateescape")
    print(json.dumps({"start": number}), flush=True)
    if target == "cpu":
        kernel = ctypes.c_void_p()
        result = lib.treadle_cpu_compile(data, len(data), b"{}", ctypes.byref(kernel))
        if kernel.value:
            lib.treadle_cpu_free(kernel)
    else:
        result = lib.treadle_compile(data, len(data), json.dumps({"arch": target, "ptxas": False}).encode())
    ok = bool(lib.treadle_result_ok(result))
    messages = json.loads(lib.treadle_result_diagnostics(result).decode())
    print(json.dumps({"number": number, "ok": ok, "messages": messages}), flush=True)
    lib.treadle_result_free(result)
"""

# ---------------------------------------------------------------------------------------------------------------------
# Programs
# ---------------------------------------------------------------------------------------------------------------------


@functools.cache
def programs() -> tuple[str, ...]:
    found: list[str] = []
    for path in sorted((ROOT / "test" / "lit").glob("**/*.mlir")):
        for part in path.read_text().split("// -----"):
            text = "\n".join(line for line in part.splitlines() if not line.strip().startswith("//"))
            if "func.func" in text:
                found.append(text.replace("STAGES", "2"))
    for path in kernel_files():
        for kernel in td.load_kernels(str(path)).values():
            for dtype in ("bf16", "f32"):
                # Without locations: mutations belong in the program.
                text = re.sub(r" loc\(\"[^\"]*\":\d+:\d+\)", "", kernel.to_mlir(dtype=dtype))
                found.append(text)
    return tuple(found)


# ---------------------------------------------------------------------------------------------------------------------
# Mutations
# ---------------------------------------------------------------------------------------------------------------------

TOKEN = re.compile(r"[%@#^!]?[A-Za-z_][\w.$-]*|%\d+|\d+(?:\.\d+)?|->|\S")
TYPES = ("f32", "bf16", "f16", "i32", "i64", "i16", "i8", "i1", "index", "f64", "i4", "i128", "none", "f8E4M3FN")
SIZES = ("0", "1", "2", "3", "-1", "7", "16", "64", "128", "1024", "?", "1048576", "4294967296", "9223372036854775807")
OPS = (
    "tile.program_id", "tile.dim", "tile.load", "tile.store", "tile.iota", "tile.splat", "tile.expand_dims",
    "tile.broadcast", "tile.transpose", "tile.reshape", "tile.extract", "tile.dot", "tile.reduce", "tile.scan",
    "tile.yield", "tile.convert_layout", "tile.alloc", "tile.slot", "tile.async_load", "tile.async_wait",
    "tile.local_load", "tile.local_store", "tile.barrier", "arith.addf", "arith.addi", "arith.divf", "arith.divsi",
    "arith.constant", "arith.truncf", "arith.extf", "arith.select", "arith.bitcast", "scf.for", "scf.if", "scf.while",
    "scf.yield", "func.call", "func.return", "cf.br", "math.exp2", "ub.poison",
)  # fmt: skip

Mutation = Callable[[random.Random, str], str]


def tokens(text: str) -> list[re.Match[str]]:
    return list(TOKEN.finditer(text))


def put(text: str, at: re.Match[str], new: str) -> str:
    return text[: at.start()] + new + text[at.end() :]


def pick(rng: random.Random, text: str, pattern: str) -> re.Match[str] | None:
    found = list(re.finditer(pattern, text))
    return rng.choice(found) if found else None


def delete_token(rng: random.Random, text: str) -> str:
    return put(text, rng.choice(tokens(text)), "")


def duplicate_token(rng: random.Random, text: str) -> str:
    at = rng.choice(tokens(text))
    return put(text, at, f"{at.group()} {at.group()}")


def swap_tokens(rng: random.Random, text: str) -> str:
    first, second = sorted(rng.sample(tokens(text), 2), key=lambda at: at.start())
    return put(put(text, second, first.group()), first, second.group())


def change_type(rng: random.Random, text: str) -> str:
    at = pick(rng, text, r"(?<![\w.])(bf16|f\d+|i\d+|index)(?![\w.])|(?<=x)(bf16|f\d+|i\d+)(?=[>,])")
    return put(text, at, rng.choice(TYPES)) if at else text


def change_size(rng: random.Random, text: str) -> str:
    at = pick(rng, text, r"(?<=[<x\[ ])\d+(?=[x\],)])")
    return put(text, at, rng.choice(SIZES)) if at else text


def change_number(rng: random.Random, text: str) -> str:
    at = pick(rng, text, r"(?<![\w.%])-?\d+(?:\.\d+)?")
    return put(text, at, rng.choice((*SIZES, "0.5", "1e40", "0xFF80"))) if at else text


def change_size_everywhere(rng: random.Random, text: str) -> str:
    at = pick(rng, text, r"(?<=[<x])\d+(?=x)")
    return re.sub(rf"(?<=[<x]){at.group()}(?=x)", rng.choice(SIZES), text) if at else text


def change_type_everywhere(rng: random.Random, text: str) -> str:
    old = rng.choice(("bf16", "f32", "i32", "f16", "i64"))
    return re.sub(rf"(?<![A-Za-z0-9_.]){old}(?![\w.])|(?<=x){old}(?=[>,])", rng.choice(TYPES), text)


def change_op(rng: random.Random, text: str) -> str:
    at = pick(rng, text, r"\b(tile|arith|math|scf)\.\w+")
    return put(text, at, rng.choice(OPS)) if at else text


def change_operand(rng: random.Random, text: str) -> str:
    at, other = pick(rng, text, r"%[\w#]+"), pick(rng, text, r"%[\w#]+")
    return put(text, at, other.group()) if at and other else text


def delete_line(rng: random.Random, text: str) -> str:
    lines = text.splitlines()
    del lines[rng.randrange(len(lines))]
    return "\n".join(lines)


def duplicate_line(rng: random.Random, text: str) -> str:
    lines = text.splitlines()
    lines.insert(rng.randrange(len(lines)), rng.choice(lines))
    return "\n".join(lines)


def swap_lines(rng: random.Random, text: str) -> str:
    lines = text.splitlines()
    first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return "\n".join(lines)


def truncate(rng: random.Random, text: str) -> str:
    return text[: rng.randrange(len(text))]


def delete_attribute(rng: random.Random, text: str) -> str:
    at = pick(rng, text, r"tile\.\w+(?: = (?:\"\w*\"|\d+ : i32|\[[^\]]*\]|affine_map<[^>]*>[^>]*>))?,? ?(?=[\w}])")
    return put(text, at, "") if at else text


def nesting_bomb(rng: random.Random, text: str) -> str:
    at = rng.choice(tokens(text))
    depth = rng.choice((50, 150, 5000))
    before, after = rng.choice(
        (("(", ")"), ("[", "]"), ("{", "}"), ("<", ">"), ("tensor<2x", ">"), ("tuple<", ">"), ('"a"({', "})"))
    )
    return text[: at.start()] + before * depth + at.group() + after * depth + text[at.end() :]


def odd_bytes(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text))
    return text[:at] + rng.choice(("\0", "\udcff", "é", "\x1b", '"', "\\", "\r\n", "\t")) + text[at:]


MUTATIONS: tuple[Mutation, ...] = (
    delete_token, duplicate_token, swap_tokens, change_type, change_size, change_number, change_size_everywhere,
    change_type_everywhere, change_op, change_operand,
    delete_line, duplicate_line, swap_lines, truncate, delete_attribute,
    nesting_bomb, odd_bytes,
)  # fmt: skip


# Damage that the parser and the verifiers may let through: other sizes, types, ops and schedules, all of them
# plausible.
POWERS = ("1", "2", "4", "8", "16", "32", "64", "128", "256", "512")
ELEMENTS = ("f32", "bf16", "f16", "i32", "i64", "i16", "i8")
ALIKE = (
    (
        "arith.addf",
        "arith.subf",
        "arith.mulf",
        "arith.divf",
        "arith.maximumf",
        "arith.minnumf",
        "arith.remf",
        "math.powf",
    ),
    (
        "math.exp2",
        "math.exp",
        "math.log",
        "math.rsqrt",
        "math.tanh",
        "math.erf",
        "arith.negf",
        "math.absf",
        "math.floor",
    ),
    (
        "arith.addi",
        "arith.subi",
        "arith.muli",
        "arith.divsi",
        "arith.remsi",
        "arith.minsi",
        "arith.ceildivsi",
        "arith.xori",
    ),
    ("tile.reduce", "tile.scan"),
    ("tile.expand_dims", "tile.broadcast", "tile.transpose", "tile.reshape"),
)


def plausible_size(rng: random.Random, text: str) -> str:
    at = pick(rng, text, r"(?<=[<x])\d+(?=x)")
    return re.sub(rf"(?<=[<x]){at.group()}(?=x)", rng.choice(POWERS), text) if at else text


def plausible_type(rng: random.Random, text: str) -> str:
    old = rng.choice(("bf16", "f32", "i32", "f16", "i64"))
    return re.sub(rf"(?<![A-Za-z0-9_.]){old}(?![\w.])|(?<=x){old}(?=[>,])", rng.choice(ELEMENTS), text)


def plausible_op(rng: random.Random, text: str) -> str:
    group = rng.choice(ALIKE)
    at = pick(rng, text, "|".join(rf"{re.escape(name)}\b" for name in group))
    return put(text, at, rng.choice(group)) if at else text


def plausible_operand(rng: random.Random, text: str) -> str:
    """An operand of the same type, as far as the ends of their lines tell."""
    lines = text.splitlines()
    defined = {m.group(1): m.group(2) for m in re.finditer(r"(%\w+) = .*?((?:tensor<[^>]*>|index|f32))$", text, re.M)}
    if not defined:
        return text
    name = rng.choice(sorted(defined))
    alike = sorted(other for other, kind in defined.items() if kind == defined[name])
    users = [i for i, line in enumerate(lines) if re.search(rf"[ (,]{name}\b(?! =)", line)]
    if users:
        i = rng.choice(users)
        lines[i] = re.sub(rf"(?<=[ (,]){name}\b(?! =)", rng.choice(alike), lines[i], count=1)
    return "\n".join(lines)


def plausible_warps(rng: random.Random, text: str) -> str:
    return re.sub(r"tile.num_warps = \d+", f"tile.num_warps = {rng.choice((1, 2, 4, 8, 16, 32))}", text)


def plausible_stages(rng: random.Random, text: str) -> str:
    return re.sub(r"tile.num_stages = \d+", f"tile.num_stages = {rng.choice((1, 2, 3, 5, 16))}", text)


def plausible_view(rng: random.Random, text: str) -> str:
    old = rng.choice((", align = 16", ", strides = [1, ?]", ">"))
    new = rng.choice(
        (
            "",
            ", align = 4",
            ", align = 8",
            ", align = 64",
            ", strides = [?, ?]",
            ", strides = [1, ?]",
            ", strides = [1, 1]",
        )
    )
    return text.replace(old, new) if old != ">" else re.sub(r"(!tile.view<[^,>]*)>", rf"\1{new}>", text)


def plausible_constant(rng: random.Random, text: str) -> str:
    at = pick(rng, text, r"(?<=arith.constant )-?\d+(?= : index)")
    return (
        put(text, at, rng.choice(("0", "1", "-1", "3", "64", "4096", "9223372036854775807", "-9223372036854775808")))
        if at
        else text
    )


def plausible_axis(rng: random.Random, text: str) -> str:
    at = pick(rng, text, r"(?<=along )(\d|\[[\d, ]*\])|\[1, 0\]|(?<=, )\d(?= :)")
    return put(text, at, rng.choice(("0", "1", "2", "[]", "[0]", "[1]", "[0, 1]", "[1, 0]", "[0, 2]"))) if at else text


def plausible_precision(rng: random.Random, text: str) -> str:
    new = rng.choice(("", " precision tf32", " precision tf32x3", " precision ieee"))
    return re.sub(r"(tile.dot [^:]*?)(?: precision \w+)?( :)", rf"\1{new}\2", text)


PLAUSIBLE: tuple[Mutation, ...] = (
    plausible_size, plausible_size, plausible_type, plausible_op, plausible_operand, plausible_operand, plausible_warps,
    plausible_stages, plausible_view, plausible_constant, plausible_axis, plausible_precision, swap_lines,
)  # fmt: skip


def mutants(batch: int) -> Iterator[tuple[str, str]]:
    """Target and text, the same in every run as long as the programs are. Every other batch has plausible damage."""
    rng = random.Random(SEED + batch)
    mutations, sources = MUTATIONS, programs()
    if batch % 2:
        mutations, sources = PLAUSIBLE, tuple(text for text in programs() if "tile.kernel" in text)
    for number in range(PER_BATCH):
        text = rng.choice(sources)
        for _ in range(rng.choice((1, 1, 2, 3))):
            if len(tokens(text)) > 1:
                text = rng.choice(mutations)(rng, text)
        # The CPU's compiles take the same front end; one in four goes there.
        yield "cpu" if number % 4 == 3 else rng.choice(("sm_80", "sm_90a")), text


# ---------------------------------------------------------------------------------------------------------------------
# Running
# ---------------------------------------------------------------------------------------------------------------------


def problems(batch: list[tuple[str, str]], folder: Path) -> list[str]:
    """What went wrong, with the file that shows it."""
    command = [sys.executable, "-c", WORKER]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "TMPDIR": str(folder)}
    code: int | None
    try:
        run = subprocess.run(
            command,
            input=json.dumps(batch),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env=environment,
        )
        output, errors, code = run.stdout, run.stderr, run.returncode
    except subprocess.TimeoutExpired as late:
        output, errors, code = (late.stdout or b"").decode(), f"no answer within {SECONDS} s", None

    def saved(number: int) -> str:
        path = folder / f"{number}.mlir"
        path.write_bytes(batch[number][1].encode("utf-8", "surrogateescape"))
        return f"{path} ({batch[number][0]})"

    found = []
    reports: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines()]
    for report in reports:
        if "number" not in report:
            continue
        text = " | ".join(all_text(report["messages"]))
        severe = [m for m in report["messages"] if m["severity"] == "error"]
        if not report["ok"] and not severe:
            found.append(f"{saved(report['number'])}: refused without an error")
        if report["ok"] and severe:
            found.append(f"{saved(report['number'])}: accepted with an error: {text[:200]}")
        if any(banned in text for banned in BANNED):
            found.append(f"{saved(report['number'])}: {text[:200]}")
    if code != 0:
        last = max((report["start"] for report in reports if "start" in report), default=0)
        found.append(f"{saved(last)}: exit code {code}: {errors[-300:]}")
    elif sum("number" in report for report in reports) != len(batch):
        found.append("results are missing")
    return found


def all_text(messages: list[dict[str, Any]]) -> Iterator[str]:
    for message in messages:
        yield message["message"]
        yield from all_text(message["notes"])


def test_there_is_enough() -> None:
    assert BATCHES * PER_BATCH >= 200
    assert len(programs()) >= 50


def test_the_undamaged_programs_crash_nothing(tmp_path: Path) -> None:
    assert not problems([("sm_90a", text) for text in programs()], tmp_path)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_damaged_programs(batch: int, tmp_path: Path) -> None:
    found = problems(list(mutants(batch)), tmp_path)
    assert not found, "\n".join(found)
