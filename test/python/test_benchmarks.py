"""The scripts of benchmarks run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from treadle import compiler
from treadle.errors import TreadleError

ROOT = Path(__file__).resolve().parents[2]

try:
    compiler.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)


def test_compile_time() -> None:
    command = [sys.executable, ROOT / "benchmarks" / "compile_time.py", "--kernel=hgrn", "--size=16", "--samples=1"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ, cwd=ROOT).stdout
    header, _, row = said.splitlines()
    assert header == "| step | forward and decode, ms | and backward, ms |"
    name, forward, backward = row.strip("| ").split(" | ")
    assert name == "hgrn" and int(forward) > 0 and int(backward) > 0
