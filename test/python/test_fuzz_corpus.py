"""The inputs that the fuzzers keep (test/fuzz), through the libraries that users have: an error or none, no crash."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "python") not in sys.path:
    sys.path.insert(0, str(ROOT / "python"))

from treadle import compiler  # noqa: E402
from treadle.errors import TreadleError  # noqa: E402
from treadle.runtime import _sim  # noqa: E402

CORPUS = ROOT / "test" / "fuzz" / "corpus"
SECONDS = 240

# What an error of the compiler must not say.
BANNED = ("the compiler crashed", "internal error", "the program cannot be parsed")

MLIR_WORKER = r"""
import json, pathlib, sys
from treadle import compiler
lib = compiler.library()
for path in sys.argv[1:]:
    text = pathlib.Path(path).read_bytes()
    phase = "scheduled" if b"#tile.layout" in text else "tile"
    print(json.dumps({"path": path}), flush=True)
    result = lib.treadle_compile(text, len(text), json.dumps({"from": phase, "emit": phase}).encode())
    messages = json.loads(lib.treadle_result_diagnostics(result).decode())
    errors = [message["message"] for message in messages if message["severity"] == "error"]
    print(json.dumps({"path": path, "ok": bool(lib.treadle_result_ok(result)), "errors": errors}), flush=True)
    lib.treadle_result_free(result)
"""

PTX_WORKER = r"""
import ctypes, json, pathlib, sys
from treadle.runtime import _sim
lib = _sim.library()
for path in sys.argv[1:]:
    text = pathlib.Path(path).read_bytes()
    print(json.dumps({"path": path}), flush=True)
    module = ctypes.c_void_p()
    status = lib.treadle_sim_open(text, len(text), b"fuzz.ptx", ctypes.byref(module))
    errors = [f"{status}: {lib.treadle_sim_last_error().decode()}"] if status else []
    print(json.dumps({"path": path, "ok": status == 0, "errors": errors}), flush=True)
    if status == 0:
        lib.treadle_sim_close(module)
"""


def replay(worker: str, folder: str) -> list[dict[str, Any]]:
    """What became of each file, in a process of its own, whose exit code tells of a crash."""
    paths = sorted(str(path) for path in (CORPUS / folder).iterdir())
    run = subprocess.run(
        [sys.executable, "-c", worker, *paths],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "python")},
    )
    reports = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, f"{reports[-1:]}: {run.stderr[-300:]}"
    found = [report for report in reports if "ok" in report]
    assert [report["path"] for report in found] == paths
    for report in found:
        assert report["ok"] == (not report["errors"]), report
    return found


def available(library: Any) -> bool:
    try:
        library()
    except (TreadleError, AttributeError):
        return False
    return True


@pytest.mark.skipif(not available(compiler.library), reason="libtreadle is not built")
def test_mlir() -> None:
    found = replay(MLIR_WORKER, "mlir")
    assert not [report for report in found if any(banned in error for error in report["errors"] for banned in BANNED)]
    accepted = sum(report["ok"] for report in found)
    assert 10 < accepted < len(found)


@pytest.mark.skipif(not available(_sim.library), reason="libtreadle_sim is not built")
def test_ptx() -> None:
    found = replay(PTX_WORKER, "ptx")
    assert not [report for report in found if any(not error.startswith("1: ") for error in report["errors"])]
    assert 0 < sum(report["ok"] for report in found) < len(found)
