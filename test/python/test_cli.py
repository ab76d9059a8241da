"""treadlec and treadle-run as a user runs them: outputs, exit codes, messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import treadle as td
from treadle import compiler, testing
from treadle.cli import treadle_run, treadlec
from treadle.runtime.cache import Cache

KERNELS = """
import treadle as td

@td.kernel
def scale(x: td.Tensor["N"], y: td.Tensor["N"], a: td.f32 = 2.0, *, C: td.Const = 256, name: td.Const = "x"):
    (i,) = td.grid(td.cdiv(x.shape[0], C))
    y[i * C : i * C + C] = (x[i * C : i * C + C].to(td.f32) * a).to(y.dtype)

@td.kernel
def rows(x: td.Tensor["M", "D"], y: td.Tensor["M", "D"], b: td.Optional[td.Tensor["D"]] = None, *, D: td.Const = 64):
    (i,) = td.grid(x.shape[0])
    t = x[i, :].to(td.f32)
    if b is not None:
        t = t + b[:].to(td.f32)
    y[i, :] = t.to(y.dtype)
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path / "cache")
    monkeypatch.setattr(compiler, "default_cache", lambda: cache)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "kernels.py"
    path.write_text(KERNELS)
    return path


def run(*arguments: object) -> int:
    return treadlec.main([str(a) for a in arguments])


def test_bundle(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(source, "--kernel", "scale", "-D", "C=512", "--dtype=f32", "--arch=sm_80", "--no-ptxas", "-o", out) == 0
    assert sorted(p.name for p in out.iterdir()) == ["scale.h", "scale.json", "scale.mlir", "scale.ptx"]
    manifest = json.loads((out / "scale.json").read_text())
    assert manifest["arch"] == "sm_80"
    assert manifest["dtype"] == "f32"
    assert manifest["constants"] == {"C": 512, "name": "x", "num_warps": 4, "num_stages": 2}
    assert manifest["launches"][0]["grid"] == [["ceildiv", "N", 512], 1, 1]


def test_several_kernels_get_a_folder_each(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(source, "--no-ptxas", "-o", out) == 0
    assert sorted(p.name for p in out.iterdir()) == ["rows", "scale"]


def test_several_kernels_are_written_all_or_none(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    matmul = testing.kernels_folder() / "matmul" / "kernel.py"
    text = matmul.read_text().replace("num_stages=3", "num_stages=16")
    source.write_text(text + KERNELS.replace("import treadle as td", ""))
    assert run(source, "--arch=sm_80", "--no-ptxas", "-o", tmp_path / "out") == 1
    assert "kernel 'matmul' needs " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_optional_tensors(source: Path, tmp_path: Path) -> None:
    assert run(source, "--kernel=rows", "--with", "b", "--no-ptxas", "-o", tmp_path / "out") == 0
    manifest = json.loads((tmp_path / "out" / "rows.json").read_text())
    assert [p["name"] for p in manifest["params"]] == ["x", "y", "b"]


@pytest.mark.parametrize("phase", compiler.PHASES)
def test_every_phase_is_printed(source: Path, phase: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(source, "--kernel=scale", f"--emit={phase}") == 0
    assert b"scale" in capfdbinary.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["missing.py"], "missing.py: no such file"),
        (["missing.mlir"], "missing.mlir: no such file"),
        ([], "expected a file to compile"),
        (["KERNELS", "--kernel=none"], "has no kernel none; it has scale, rows"),
        (["KERNELS", "--emit=ptx"], "choose it with --kernel"),
        (["KERNELS", "--kernel=scale", "-D", "C"], "-D C: expected NAME=VALUE"),
        (["KERNELS", "--from=gpu"], "--from=gpu is for MLIR input"),
        (["a.mlir", "-D", "C=1"], "-D is for Python input"),
    ],
)
def test_usage_errors(arguments: list[str], expected: str, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*[source if a == "KERNELS" else a for a in arguments]) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--kernel=scale", "-D", "C=100"], "error: "),
        (["--kernel=scale", "-D", "Q=1"], "kernel scale has no constant Q"),
        (["--kernel=scale", "-D", "C=abc"], "constant C of kernel scale is 'abc'"),
        (["--kernel=scale", "--dtype=f8"], "unknown dtype"),
        (["--kernel=scale", "--arch=sm_75"], "unknown architecture 'sm_75'; expected one of sm_80, "),
        (["--kernel=scale", "--with=q"], "q is not an optional tensor"),
    ],
)
def test_errors_leave_nothing_behind(
    arguments: list[str], expected: str, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(source, *arguments, "-o", tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert expected in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text", ["def f(:", "import nothing_of_that_name", "1 / 0", "import sys; sys.exit(3)", "x = 1", "\0"]
)
def test_bad_python_files(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    assert run(path) == 1
    error = capsys.readouterr().err
    assert "bad.py" in error
    assert "internal error" not in error


def test_an_error_in_mlir_shows_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.mlir"
    path.write_text("func.func @f(%a: f32) {\n  %t = tile.splat %a : f32 -> tensor<9xf32>\n  return\n}\n")
    assert run(path, "--emit=tile") == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"{path}:2:8: error: 'tile.splat' op a tile's sizes are powers of two, found 9")
    assert lines[1] == "    2 |   %t = tile.splat %a : f32 -> tensor<9xf32>"
    assert lines[2] == "      |        ^"


def test_an_unwritable_folder_is_an_error(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert run(source, "--kernel=scale", "--no-ptxas", "-o", blocked / "out") == 1
    assert str(blocked) in capsys.readouterr().err


def test_exit_codes_of_the_process(source: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "TREADLE_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "treadle.cli.treadlec"]
    good = subprocess.run([*command, source, "--kernel=scale", "--emit=ptx"], env=environment, capture_output=True)
    assert good.returncode == 0
    assert b".visible .entry scale" in good.stdout
    assert subprocess.run([*command, "--no-such-flag"], env=environment, capture_output=True).returncode == 2
    assert subprocess.run([*command, tmp_path / "none.py"], env=environment, capture_output=True).returncode == 2
    closed = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m treadle.cli.treadlec {source} --kernel=scale --emit=ptx | true"],
        env=environment,
        capture_output=True,
    )
    assert b"Traceback" not in closed.stderr


# ---------------------------------------------------------------------------------------------------------------------
# treadle.compile
# ---------------------------------------------------------------------------------------------------------------------


def test_compile_comes_from_the_cache(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = td.load_kernels(source)["scale"]
    first = td.compile(kernel, ptxas=False)
    monkeypatch.setattr(compiler, "run", lambda *_: pytest.fail("compiled again"))
    assert td.compile(kernel, ptxas=False) == first
    with pytest.raises(pytest.fail.Exception):
        td.compile(kernel, {"C": 128}, ptxas=False)


def test_a_compiled_kernel_is_a_bundle(source: Path, tmp_path: Path) -> None:
    kernel = td.load_kernels(source)["scale"]
    compiled = td.compile(kernel, dtype="f32", out=tmp_path / "out", ptxas=False)
    assert compiled.path == tmp_path / "out"
    assert ".visible .entry scale(" in compiled.ptx
    bundle = compiled.bundle()
    assert [p.name for p in bundle.params] == ["x", "y", "a"]
    assert bundle.params[2].default == 2.0


# ---------------------------------------------------------------------------------------------------------------------
# Running on the CPU
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16"])
def test_a_kernel_is_called_on_arrays(source: Path, dtype: str) -> None:
    kernel = td.load_kernels(source)["scale"]
    x = testing.pack(np.random.default_rng(0).standard_normal(1000), dtype)
    y = testing.poisoned(x.shape, dtype)
    kernel(x, y, 3.0)
    expected = testing.round_to(testing.unpack(x, dtype) * 3, dtype)
    assert np.array_equal(testing.unpack(y, dtype), expected)


def test_constants_that_name_axes_come_from_the_arrays(source: Path) -> None:
    kernel = td.load_kernels(source)["rows"]
    x, b = np.ones((3, 48), np.float32), np.arange(48, dtype=np.float32)
    y = np.zeros_like(x)
    kernel(x, y, b)
    assert np.array_equal(y, x + b)
    kernel(x, y)
    assert np.array_equal(y, x)


def test_wrong_arguments_are_launch_errors(source: Path) -> None:
    kernel = td.load_kernels(source)["scale"]
    x = np.ones(8, np.float32)
    with pytest.raises(td.LaunchError, match="missing a required argument: 'y'"):
        kernel(x)
    with pytest.raises(td.LaunchError, match="argument 'y': expected a tensor, found int"):
        kernel(x, 1)
    with pytest.raises(td.LaunchError, match=r"expected size 8|found 9"):
        kernel(x, np.ones(9, np.float32))
    with pytest.raises(td.LaunchError, match="float64"):
        kernel(np.ones(8), np.ones(8))


def test_treadle_run_on_the_cpu(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(source, "--kernel=scale", "--no-ptxas", "-o", tmp_path / "out") == 0
    x = testing.pack(np.arange(300), "bf16")
    np.save(tmp_path / "x.npy", x)
    out = tmp_path / "y.npy"
    arguments = [str(tmp_path / "out"), "--on=cpu", "--arg", f"x={tmp_path / 'x.npy'}"]
    assert treadle_run.main([*arguments, "--arg", "a=0.5", "-o", f"y={out}"]) == 0
    assert np.array_equal(testing.unpack(np.load(out), "bf16"), testing.round_to(np.arange(300) * 0.5, "bf16"))
    assert treadle_run.main([*arguments, "--arg", "q=1"]) == 2
    assert "no parameter q; it has x, y, a" in capsys.readouterr().err
    assert treadle_run.main([*arguments, "--arg", "y=zeros:7"]) == 1
    assert "argument 'y'" in capsys.readouterr().err
    assert treadle_run.main([str(tmp_path / "none")]) == 2
