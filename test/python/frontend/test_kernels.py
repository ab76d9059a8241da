"""The kernels of the repository on tiles: their text is consistent and, where treadle-opt is built, accepted by it."""

import itertools
import subprocess
import time
from pathlib import Path

import pytest
import ssa_check
import treadle as td
from oracles import kernel_files, load_tiles

ROOT = Path(__file__).resolve().parents[3]
OPT = ROOT / "build" / "bin" / "treadle-opt"
KERNELS = [(path.parent.name, name) for path in kernel_files() for name in td.load_kernels(path)]


def texts(folder: str, name: str) -> list[str]:
    kernel = td.load_kernels(load_tiles(folder).folder / "kernel.py")[name]
    flags: list[dict[str, object]] = [{}, {"REVERSE": True}] if "REVERSE" in kernel.constants else [{}]
    if "precision" in kernel.constants:
        flags.append({"precision": "tf32"})
    if "V" in kernel.constants:
        flags.append({"K": 16, "V": 32})
    if "ALIGN" in kernel.constants:
        flags.append({"ALIGN": 0})
    choices = itertools.product(("bf16", "f16", "f32"), ((), kernel.optional), flags)
    return [kernel.to_mlir(constants, dtype, present) for dtype, present, constants in choices]


@pytest.mark.parametrize(("folder", "name"), KERNELS)
def test_names_and_types_agree(folder: str, name: str) -> None:
    for text in texts(folder, name):
        ssa_check.check(text)


@pytest.mark.skipif(not OPT.exists(), reason="treadle-opt is not built")
@pytest.mark.parametrize(("folder", "name"), KERNELS)
def test_the_compiler_accepts_them(folder: str, name: str) -> None:
    for text in texts(folder, name):
        run = subprocess.run([OPT, "-"], input=text, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr


def test_every_kernel_is_there() -> None:
    names = {name for _, name in KERNELS}
    assert names >= {"cumsum_time", "cumsum_rows", "rms_norm", "softmax", "matmul", "lightning_attention"}


def test_emission_is_quick() -> None:
    kernel = td.load_kernels(load_tiles("lightning_attention").folder / "kernel.py")["lightning_attention"]
    kernel.to_mlir()
    start = time.perf_counter()
    for _ in range(10):
        kernel.to_mlir(present=kernel.optional)
    assert (time.perf_counter() - start) / 10 < 0.02
