"""The arithmetic that stands for `math` functions on a GPU, run on the host: the same formulas, with libm's exp2."""

from __future__ import annotations

import ctypes
import math
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from treadle import compiler

CLANG = shutil.which("clang-22") or shutil.which("clang")
pytestmark = pytest.mark.skipif(CLANG is None, reason="needs clang")

Array = np.ndarray[Any, Any]
Function = Callable[[Array], Array]


def _vectorized(f: Callable[[float], float]) -> Function:
    return lambda x: np.array([f(float(v)) for v in x])


# Name: definition, interval, largest relative error, largest absolute error (whichever is met).
FUNCTIONS: dict[str, tuple[Function, tuple[float, float], float, float]] = {
    "exp": (np.exp, (-87, 88.7), 4e-7, 0),
    "exp2": (np.exp2, (-126, 127.9), 2e-7, 0),
    "expm1": (np.expm1, (-5, 80), 1e-6, 0),
    "log": (np.log, (1e-38, 3e38), 2e-7, 0),
    "log2": (np.log2, (1e-38, 3e38), 3e-7, 0),
    "log10": (np.log10, (1e-38, 3e38), 3e-7, 0),
    "log1p": (np.log1p, (-0.999, 1e9), 4e-7, 0),
    "sin": (np.sin, (-1e4, 1e4), 3e-7, 2e-7),
    "cos": (np.cos, (-1e4, 1e4), 3e-7, 2e-7),
    "tan": (np.tan, (-1.5, 1.5), 1e-6, 0),
    "tanh": (np.tanh, (-12, 12), 5e-7, 0),
    "erf": (_vectorized(math.erf), (-5, 5), 1e-6, 0),
    "erfc": (_vectorized(math.erfc), (-3, 3), 1e-6, 2e-7),
    "atan": (np.arctan, (-100, 100), 4e-6, 0),
    "asin": (np.arcsin, (-1, 1), 1e-6, 0),
    "acos": (np.arccos, (-1, 1), 1e-6, 2e-7),
    "sinh": (np.sinh, (-20, 20), 1e-6, 2e-7),
    "cosh": (np.cosh, (-20, 20), 1e-6, 0),
    "cbrt": (np.cbrt, (-1e6, 1e6), 2e-6, 0),
    "rsqrt": (lambda x: 1 / np.sqrt(x), (1e-30, 1e30), 3e-7, 0),
}

INFINITY, NAN = math.inf, math.nan
SPECIAL: dict[str, list[tuple[float, float]]] = {
    "exp": [(0, 1), (-INFINITY, 0), (INFINITY, INFINITY), (NAN, NAN), (-200, 0), (1000, INFINITY), (-104, 0)],
    "exp2": [(0, 1), (-INFINITY, 0), (INFINITY, INFINITY), (NAN, NAN)],
    "log": [(1, 0), (0, -INFINITY), (-0.0, -INFINITY), (-1, NAN), (INFINITY, INFINITY), (NAN, NAN), (-INFINITY, NAN)],
    "log2": [(1, 0), (0, -INFINITY), (-1, NAN), (INFINITY, INFINITY), (NAN, NAN)],
    "log1p": [(0, 0), (-1, -INFINITY), (-2, NAN), (INFINITY, INFINITY), (NAN, NAN), (1e-30, 1e-30)],
    "sin": [(0, 0), (INFINITY, NAN), (NAN, NAN)],
    "cos": [(0, 1), (INFINITY, NAN), (NAN, NAN)],
    "tanh": [(0, 0), (INFINITY, 1), (-INFINITY, -1), (NAN, NAN)],
    "erf": [(0, 0), (INFINITY, 1), (-INFINITY, -1), (NAN, NAN)],
}


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Function]:
    """Every function, compiled for the host from the LLVM IR that the GPU's code comes from."""
    program = "\n".join(
        f"""llvm.func @{name}_all(%x: !llvm.ptr, %y: !llvm.ptr, %n: i64) {{
              %lo = arith.constant 0 : i64
              %one = arith.constant 1 : i64
              scf.for %i = %lo to %n step %one : i64 {{
                %p = llvm.getelementptr %x[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
                %q = llvm.getelementptr %y[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
                %v = llvm.load %p : !llvm.ptr -> f32
                %r = math.{name} %v : f32
                llvm.store %r, %q : f32, !llvm.ptr
              }}
              llvm.return
            }}"""
        for name in FUNCTIONS
    )
    ir = compiler.run(program, {"from": "gpu", "emit": "llvmir"}).artifacts["text"].decode()
    ir = re.sub(r"^(target|source_filename).*\n", "", ir, flags=re.M)
    folder = tmp_path_factory.mktemp("math")
    (folder / "math.ll").write_text(ir)
    assert CLANG is not None
    flags = ["-O2", "-shared", "-fPIC", "-march=x86-64-v3", "-Wno-override-module"]
    subprocess.run([CLANG, *flags, "math.ll", "-o", "math.so", "-lm"], cwd=folder, check=True)
    library = ctypes.CDLL(str(Path(folder) / "math.so"))

    def get(name: str) -> Function:
        def call(x: Array) -> Array:
            y = np.empty_like(x)
            size = ctypes.c_int64(len(x))
            getattr(library, f"{name}_all")(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p), size)
            return y

        return call

    return get


def _samples(lo: float, hi: float) -> Array:
    rng = np.random.default_rng(0)
    even = rng.uniform(lo, hi, 50000)
    largest = max(abs(lo), abs(hi))
    small = np.exp(rng.uniform(math.log(max(1e-30, lo)), math.log(largest), 50000))
    mixed = np.concatenate([even, small, -small, 1 + rng.uniform(-0.01, 0.01, 1000)])
    return mixed[(mixed >= lo) & (mixed <= hi)].astype(np.float32)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error(name: str, functions: Callable[[str], Function]) -> None:
    definition, interval, relative, absolute = FUNCTIONS[name]
    x = _samples(*interval)
    expected = definition(x.astype(np.float64))
    error = np.abs(functions(name)(x).astype(np.float64) - expected)
    bad = ~((error <= relative * np.abs(expected)) | (error <= absolute))
    assert not bad.any(), f"{name}({x[bad][0]!r}): {np.max(error[bad] / np.abs(expected[bad])):.2e}"


@pytest.mark.parametrize("name", SPECIAL)
def test_special_values(name: str, functions: Callable[[str], Function]) -> None:
    x, expected = np.array(SPECIAL[name], np.float32).T
    found = functions(name)(np.ascontiguousarray(x))
    assert np.array_equal(found, expected, equal_nan=True), list(zip(x, found, strict=True))


def test_exp_of_small_results_is_subnormal_not_zero(functions: Callable[[str], Function]) -> None:
    x = np.array([-90, -95, -100], np.float32)
    assert np.allclose(functions("exp")(x), np.exp(x.astype(np.float64)), rtol=1e-2, atol=1.5e-45)
