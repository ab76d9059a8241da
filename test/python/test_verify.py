"""treadle-verify: every package on the CPU, what it writes, every form that may disagree, and every mistake."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from treadle import compiler, testing, verification
from treadle.cli import certificate, treadle_verify
from treadle.errors import TreadleError
from treadle.frontend.scans import Scan
from treadle.scan_cases import ScanCase, several

try:
    compiler.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

KERNELS = testing.kernels_folder()

STEP = """\
import treadle as td


@td.scan(dtype="f32")
def mean(x: td.In["D"], decay: td.PerHead, h: td.State["D"]):
    h = td.exp(decay) * h + x
    return h, h
"""
REFERENCE = """\
import numpy as np


def mean(x, decay, h=None, *, causal=True):
    o, h = np.empty(x.shape), np.zeros(x[:, 0].shape) if h is None else h
    for t in range(x.shape[1]):
        h = np.exp(decay)[:, None] * h + x[:, t]
        o[:, t] = h
    return {"o": o if causal else np.broadcast_to(h[:, None], o.shape), "h": h}
"""
CASES = """\
from dataclasses import dataclass
from pathlib import Path

import treadle as td
from treadle.scan_cases import ScanCase


@dataclass(frozen=True, kw_only=True)
class Mean(ScanCase):
    scan = td.load_scans(Path(__file__).with_name("kernel.py"))["mean"]
    D: int = 3

    def draw(self, rng):
        drawn = super().draw(rng)
        return drawn | {"decay": -abs(drawn["decay"])}


CPU = GPU = [Mean(T=70, H=3), Mean(dtype="f32", T=5, initial=True)]
DEMO = CPU[0]
"""


NOT_CAUSAL = [
    "not causal = its definition",
    "gradients, not causal = those of the step run by Python",
    "finite differences, not causal = those of the step run by Python",
    "gradients packed, not causal = gradients",
    "gradients twice, not causal = gradients",
]
"""The forms of steps without windows, beside those of all."""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small mixer's folder."""
    folder = tmp_path / "mean"
    folder.mkdir()
    for name, text in (("kernel.py", STEP), ("reference.py", REFERENCE), ("cases.py", CASES)):
        (folder / name).write_text(text)
    return folder


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def run(*arguments: object) -> int:
    return treadle_verify.main([str(a) for a in arguments])


# ---------------------------------------------------------------------------------------------------------------------
# What agrees
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", testing.scan_names())
def test_every_package(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(KERNELS / name) == 0
    lines = capsys.readouterr().out.splitlines()
    for scan, step in testing.load(name).cases.SCANS.items():
        windows = {p.name for p in step.inputs} & {p.name for p in step.states}
        forms = {line.split(": ")[1] for line in lines if line.startswith(f"ok   {scan}:")}
        assert forms == {
            "forward = the definition",
            "the step run by Python = the definition",
            "split = forward",
            "in segments = forward",
            "token by token = forward",
            "packed = forward",
            "empty sequences = their initial states",
            "reversed twice = forward",
            "heads first = forward",
            "gradients = those of the step run by Python",
            "finite differences = those of the step run by Python",
            "gradients through the state = gradients",
            "gradients packed = gradients",
            "gradients twice = gradients",
            "gradients in segments = gradients",
            *([] if windows else NOT_CAUSAL),
        }
        for form in ("more", "gradients of more"):
            why = "elements: needs a GPU, and tens of gigabytes there"
            assert f"{scan}: not verified: {form} than 2^31 {why}" in lines
    assert not any(line.startswith("FAIL") for line in lines)


def test_in_the_simulator(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(package, "--on=sim", "--seed=3") == 0
    assert "mean: 10 cases on sim" in capsys.readouterr().out


def test_certificate(package: Path, tmp_path: Path) -> None:
    first, again = tmp_path / "new" / "first.json", tmp_path / "again.json"
    assert run(package, "-o", first) == run(package, "-o", again) == 0
    assert first.read_bytes() == again.read_bytes()
    made = json.loads(first.read_text())
    assert (made["format"], made["package"], made["ok"], made["on"], made["gpu"]) == (1, "mean", True, "cpu", None)
    for name in ("kernel.py", "reference.py", "cases.py"):
        assert made["sources"][name] == hashlib.sha256((package / name).read_bytes()).hexdigest()
    assert made["compiler"]["version"] == compiler.version() and made["arch"] == "sm_90a"
    assert set(made["ptx"]) == {f"mean_{k}-{t}-D3" for k in ("forward", "step") for t in ("bf16", "f32")}
    assert made["verdicts"] and all(v["ok"] for v in made["verdicts"])
    forms = {"forward", "packed", "split at 35", "token by token", "gradients", "finite differences", "gradients twice"}
    assert {v["form"] for v in made["verdicts"]} >= forms
    assert not any("note" in v for v in made["verdicts"])
    assert made["skipped"][0]["form"] == "more than 2^31 elements"


def test_certificate_follows_the_kernel(package: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.json"
    assert run(package, "-o", out) == 0
    before = json.loads(out.read_text())
    edit(package / "kernel.py", "* h + x", "* h + 1.0 * x + 0.0")
    assert run(package, "-o", out) == 0
    after = json.loads(out.read_text())
    assert before["sources"]["kernel.py"] != after["sources"]["kernel.py"]
    assert before["sources"]["cases.py"] == after["sources"]["cases.py"]
    assert all(before["ptx"][name] != after["ptx"][name] for name in before["ptx"])


def test_a_step_without_a_noncausal_form(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(package / "kernel.py", "    h = td.exp(decay) * h + x\n    return h, h", "    return h, td.exp(decay) * h + x")
    edit(package / "reference.py", "        h = np.exp(decay)", "        o[:, t] = h\n        h = np.exp(decay)")
    edit(package / "reference.py", "* h + x[:, t]\n        o[:, t] = h", "* h + x[:, t]")
    assert run(package) == 0
    out = capsys.readouterr().out
    for form in ("not causal", "gradients, not causal"):
        assert f"mean: not verified: {form}: the output uses the old value of state h" in out


# ---------------------------------------------------------------------------------------------------------------------
# What disagrees
# ---------------------------------------------------------------------------------------------------------------------


def test_a_wrong_definition(package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(package / "reference.py", "+ x[:, t]", "+ 1.1 * x[:, t]")
    assert run(package, "-o", tmp_path / "c.json") == 1
    printed = capsys.readouterr()
    assert "FAIL mean: forward = the definition: 20 of 20 outputs" in printed.out
    assert "ok   mean: packed = forward" in printed.out
    assert "treadle-verify: error: 52 of 240 comparisons disagree" in printed.err
    line = "mean-bf16-T70-H3: forward and the definition disagree on o: relative error 9."
    assert line in printed.err and "(bound 5e-03), absolute" in printed.err and ", seed 0" in printed.err
    assert "more" in printed.err.splitlines()[-1]
    made = json.loads((tmp_path / "c.json").read_text())
    assert not made["ok"] and not all(v["ok"] for v in made["verdicts"])


def spoil(results: Any) -> Any:
    o, final = results
    return np.asarray(o) * 1, tuple(state + 1 for state in several(final)) if isinstance(final, tuple) else final + 1


FAULTS: dict[str, tuple[str, Callable[[dict[str, Any]], bool]]] = {
    "token by token and forward": ("step", lambda keywords: True),
    "split at 35 and forward": ("__call__", lambda keywords: keywords["initial_state"] is not None),
    "in segments and forward": ("__call__", lambda keywords: "segments" in keywords),
    "packed and forward": ("__call__", lambda keywords: keywords["cu_seqlens"] is not None),
    "empty sequences and their initial states": ("__call__", lambda keywords: keywords["cu_seqlens"] is not None),
    "reversed twice and forward": ("__call__", lambda keywords: keywords["reverse"]),
    "heads first and forward": ("__call__", lambda keywords: keywords["head_first"]),
    "not causal and its definition": ("__call__", lambda keywords: not keywords["causal"]),
    "the step run by Python and the definition": ("reference", lambda keywords: True),
}


@pytest.mark.parametrize("said", FAULTS)
def test_a_wrong_form(
    said: str, package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    method, applies = FAULTS[said]
    right = getattr(Scan, method)

    def wrong(scan: Scan, *args: Any, **keywords: Any) -> Any:
        results = right(scan, *args, **keywords)
        return spoil(results) if applies(keywords) else results

    monkeypatch.setattr(Scan, method, wrong)
    assert run(package) == 1
    assert f"{said} disagree on h_final: relative error" in capsys.readouterr().err


def scaled(pullback: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """One that is wrong by a percent."""

    def wrong(*given: Any) -> dict[str, Any]:
        return {n: g if isinstance(g, tuple) else (g * g.dtype.type(1.01)) for n, g in pullback(*given).items()}

    return wrong


Applies = Callable[[dict[str, Any], int], bool]
WRONG_GRADIENTS: dict[str, tuple[str, Applies]] = {
    "gradients and those of the step run by Python": ("vjp", lambda keywords, calls: keywords["x"].dtype == np.float32),
    "finite differences and those of the step run by Python": ("reference_vjp", lambda keywords, calls: True),
    "gradients twice and gradients": ("vjp", lambda keywords, calls: calls % 2 == 0),
    "gradients through the state and gradients": ("vjp", lambda keywords, calls: keywords["x"].shape[:2] == (2, 17)),
    "gradients in segments and gradients": ("vjp", lambda keywords, calls: "segments" in keywords),
    "gradients packed and gradients": ("vjp", lambda keywords, calls: keywords["cu_seqlens"] is not None),
    "gradients, not causal and those of the step run by Python": (
        "vjp", lambda keywords, calls: not keywords["causal"],
    ),
    "finite differences, not causal and those of the step run by Python": (
        "reference_vjp", lambda keywords, calls: not keywords["causal"],
    ),
    "gradients twice, not causal and gradients": (
        "vjp", lambda keywords, calls: not keywords["causal"] and calls % 2 == 0,
    ),
    "gradients packed, not causal and gradients": (
        "vjp", lambda keywords, calls: not keywords["causal"] and keywords["cu_seqlens"] is not None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("said", WRONG_GRADIENTS)
def test_a_wrong_gradient(
    said: str, package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    method, applies = WRONG_GRADIENTS[said]
    right, calls = getattr(Scan, method), count()

    def wrong(scan: Scan, **keywords: Any) -> Any:
        results, pullback = right(scan, **keywords)
        return results, scaled(pullback) if applies(keywords, next(calls)) else pullback

    monkeypatch.setattr(Scan, method, wrong)
    assert run(package) == 1
    printed = capsys.readouterr()
    assert f"{said} disagree on ddecay: relative error" in printed.err
    assert "ok   mean: forward = the definition" in printed.out


def test_what_is_stopped_must_cancel(package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(package / "kernel.py", "* h + x", "* h + td.stop_gradient(x)")
    assert run(package, "-o", tmp_path / "c.json") == 1
    err = capsys.readouterr().err
    line = "mean-f32-B1-T5-H3-initial: finite differences and those of the step run by Python disagree on dx: relative"
    assert line in err and "the step has td.stop_gradient: what it stops does not cancel, results change with it" in err
    assert "treadle-verify: error: 2 of" in err
    wrong = [v for v in json.loads((tmp_path / "c.json").read_text())["verdicts"] if not v["ok"]]
    assert [v["form"] for v in wrong] == ["finite differences", "finite differences, not causal"]
    assert all(v["output"] == "dx" and "does not cancel" in v["note"] for v in wrong)


def test_what_is_stopped_may_cancel(package: Path) -> None:
    edit(package / "kernel.py", "    return h, h", "    m = td.stop_gradient(h * h)\n    return (h + m) - m, h")
    assert run(package) == 0


def test_gradients_of_what_is_not_causal(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(package / "cases.py", 'Mean(T=70, H=3), Mean(dtype="f32", T=5, initial=True)', "Mean(T=70, causal=False)")
    assert run(package) == 0
    out = capsys.readouterr().out
    assert "mean: not verified: gradients: no case calls the step from the first token to the last, causal" in out
    lines = out.splitlines()
    for form in NOT_CAUSAL[1:]:
        assert any(line.startswith(f"ok   mean: {form}: ") for line in lines)
    assert not any(line.startswith("ok   mean: gradients =") for line in lines)


def test_gradients_that_fail_where_not_causal(
    package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that cannot be compiled is a form that failed."""
    right = Scan.vjp

    def failing(scan: Scan, **keywords: Any) -> Any:
        if not keywords["causal"]:
            raise TreadleError("out of order")
        return right(scan, **keywords)

    monkeypatch.setattr(Scan, "vjp", failing)
    assert run(package) == 1
    printed = capsys.readouterr()
    assert "gradients, not causal failed: out of order" in printed.err
    assert "ok   mean: gradients = those of the step run by Python" in printed.out
    assert "ok   mean: finite differences, not causal = those of the step run by Python" in printed.out


def test_an_input_without_axes(package: Path) -> None:
    """It stays one: an array of NumPy's that is copied may get an axis."""
    edit(package / "kernel.py", "decay: td.PerHead,", "decay: td.PerHead, scale: td.Param,")
    edit(package / "kernel.py", "* h + x", "* h + scale * x")
    edit(package / "reference.py", "x, decay,", "x, decay, scale,")
    edit(package / "reference.py", "+ x[:, t]", "+ scale * x[:, t]")
    assert run(package) == 0


def test_a_step_without_a_gradient(package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The forms that need none are still compared."""
    edit(package / "kernel.py", "    return h, h", "    return h * td.reduce(lambda a, b: a * b, 0.0 * h + 1.0, 0), h")
    assert run(package, "-o", tmp_path / "c.json") == 1
    printed = capsys.readouterr()
    assert "4 forms failed" in printed.err or "forms failed" in printed.err
    assert "gradients failed: " in printed.err and "the gradient of this reduction is not known" in printed.err
    assert "ok   mean: finite differences = those of the step run by Python" in printed.out
    assert "ok   mean: packed = forward" in printed.out


def test_a_form_that_fails(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are still compared, and an error of several is told once."""
    right = Scan.__call__

    def failing(scan: Scan, *args: Any, **keywords: Any) -> Any:
        if keywords["cu_seqlens"] is not None:
            raise TreadleError("out of order")
        return right(scan, *args, **keywords)

    monkeypatch.setattr(Scan, "__call__", failing)
    assert run(package, "-o", tmp_path / "c.json") == 1
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [
        "treadle-verify: error: 10 forms failed",
        "mean-bf16-T70-H3: packed failed: out of order",
    ]
    assert "ok   mean: heads first = forward" in printed.out and "mean: packed" not in printed.out
    made = json.loads((tmp_path / "c.json").read_text())
    assert not made["ok"] and {fault["error"] for fault in made["faults"]} == {"out of order"}


def test_a_step_that_cannot_be_compiled(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*what: object, **how: object) -> None:
        raise TreadleError("too large")

    monkeypatch.setattr(compiler, "CpuProgram", failing)
    monkeypatch.setattr(compiler, "compile_text", failing)
    assert run(package, "-o", tmp_path / "c.json") == 1
    assert "mean-bf16-T70-H3: forward failed: too large" in capsys.readouterr().err
    made = json.loads((tmp_path / "c.json").read_text())
    assert {v["form"] for v in made["verdicts"]} == {"finite differences", "finite differences, not causal"}
    assert not made["ok"] and set(made["ptx"].values()) == {None}


def test_outputs_that_are_not_written_disagree(
    package: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = Scan.__call__

    def lazy(scan: Scan, *args: Any, **keywords: Any) -> Any:
        before = keywords["out"].copy()
        results = right(scan, *args, **keywords)
        keywords["out"][...] = before
        return results

    monkeypatch.setattr(Scan, "__call__", lazy)
    assert run(package, "-o", tmp_path / "c.json") == 1
    assert "forward and the definition disagree on o: relative error nan" in capsys.readouterr().err
    verdicts = json.loads((tmp_path / "c.json").read_text())["verdicts"]
    assert "nan" in {v["relative"] for v in verdicts}


# ---------------------------------------------------------------------------------------------------------------------
# Mistakes
# ---------------------------------------------------------------------------------------------------------------------

MISTAKES: list[tuple[str, str, str, int, str]] = [
    ("kernel.py", "td.exp(decay) * h", "td.exp(decay) * g", 1, "error: unknown name g"),
    ("kernel.py", "def mean(x", "def mean(x,", 1, "kernel.py:5"),
    ("kernel.py", "def mean", "def other", 1, "mean: KeyError: 'mean'"),
    ("reference.py", "def mean", "def other", 1, "reference.py: mean: expected a function of that name, found none"),
    ("reference.py", "np.empty(x.shape)", "np.blank(x.shape)", 1,
     "reference.py: mean, on mean-bf16-T70-H3: AttributeError: module 'numpy' has no attribute 'blank'"),
    ("reference.py", ', "h": h}', "}", 1, "reference.py: mean: expected h in what it returns, found none"),
    ("reference.py", '"h": h}', '"h": h[0]}', 1,
     "reference.py: mean, on mean-bf16-T70-H3: expected h_final of (2, 3, 3), found (3, 3)"),
    ("cases.py", "Mean(T=70, H=3)", "Mean(T=70, K=3)", 1,
     "mean: TypeError: Mean.__init__() got an unexpected keyword argument 'K'"),
    ("cases.py", "drawn = super", "wrong = super", 1,
     "cases.py, mean-bf16-T70-H3: NameError: name 'drawn' is not defined"),
    ("cases.py", "DEMO = CPU[0]", "", 1, "cases.py: expected a list of cases DEMO, found none"),
    ("cases.py", "CPU = GPU = [Mean(T=70, H=3), Mean(dtype=\"f32\", T=5, initial=True)]\nDEMO = CPU[0]",
     "CPU = GPU = []\nDEMO = Mean(T=3)", 1, "cases.py: expected cases of a @td.scan, found none"),
    ("cases.py", "import treadle as td", "import treadle as td\nraise SystemExit(0)", 1, "mean: SystemExit: 0"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "status", "message"), MISTAKES, ids=[m[-1][:40] for m in MISTAKES])
def test_mistakes_in_a_package(
    file: str, old: str, new: str, status: int, message: str, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(package / file, old, new)
    assert run(package) == status
    assert message in capsys.readouterr().err


def test_mistakes_in_the_command(tmp_path: Path, package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (package / "cases.py").rename(package / "other.py")
    for arguments, message in (
        ([tmp_path / "none"], f"{tmp_path}/none: no such folder"),
        ([package], f"{package}: expected a mixer's package, with cases.py in it, found none"),
        ([KERNELS / "softmax"], "expected steps (@td.scan) in kernel.py, found kernels on tiles: they have one form"),
        ([KERNELS / "gla", "--seed=-1"], "--seed=-1: expected 0 or more"),
    ):
        assert run(*arguments) == 2
        assert f"treadle-verify: error: {message}" in capsys.readouterr().err.replace(f"{KERNELS / 'softmax'}: ", "")
    with pytest.raises(SystemExit) as caught:
        run(package, "--on=tpu")
    assert caught.value.code == 2


def test_a_file_that_cannot_be_written(package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(package, "-o", package / "kernel.py" / "c.json") == 1
    assert "treadle-verify: error:" in capsys.readouterr().err


def test_gpus_that_are_not_there(
    package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(verification.importlib, "import_module", none)
    assert run(package, "--on=gpu") == 1
    assert "error: a GPU is used through PyTorch, which is not installed" in capsys.readouterr().err
    absent = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False))
    monkeypatch.setattr(verification.importlib, "import_module", lambda name: absent)
    assert run(package, "--on=gpu") == 1
    assert "error: expected a CUDA device that PyTorch can use, found none" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------------------------
# A GPU, with NumPy in PyTorch's place and the CPU in the device's
# ---------------------------------------------------------------------------------------------------------------------


class Tensor(np.ndarray[Any, Any]):
    """An array with those methods of a tensor that are used."""

    def same(self) -> Any:
        return self

    cuda = cpu = contiguous = same

    def numpy(self) -> Any:
        return np.asarray(self)

    def dim(self) -> int:
        return self.ndim

    def repeat(self, *times: Any) -> Any:
        return np.tile(np.asarray(self), times).view(Tensor)

    def split(self, rows: int) -> list[Any]:
        return [self[i : i + rows] for i in range(0, len(self), rows)]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    torch = SimpleNamespace(
        bfloat16=ml_dtypes.bfloat16,
        int16=np.int16,
        float32=np.float32,
        from_numpy=lambda array: array.view(Tensor),
        full=lambda shape, value, dtype, device: np.full(shape, value, dtype),
        equal=np.array_equal,
        OutOfMemoryError=MemoryError,
        cuda=SimpleNamespace(
            is_available=lambda: True, mem_get_info=lambda: (1 << 40, 1 << 40), get_device_name=lambda: "one GPU"
        ),
    )
    monkeypatch.setattr(verification.importlib, "import_module", lambda name: torch)
    monkeypatch.setattr(treadle_verify, "_arch", lambda at: "sm_90a")
    monkeypatch.setattr(verification, "LARGE", 1 << 17)

    def on_cpu(right: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def call(case: ScanCase, arrays: Any, on: str, **settings: Any) -> dict[str, Any]:
            assert on == "gpu"
            found = right(case, arrays, on="cpu", **settings)
            return {name: np.asarray(x).view(Tensor) for name, x in found.items()}

        return call

    right = ScanCase.vjp

    def vjp(case: ScanCase, arrays: Any, weights: Any, on: str, **settings: Any) -> dict[str, Any]:
        assert on == "gpu"
        found = right(case, arrays, weights, on="cpu", **settings)
        return {name: np.asarray(x).view(Tensor) for name, x in found.items()}

    monkeypatch.setattr(ScanCase, "vjp", vjp)
    monkeypatch.setattr(ScanCase, "call", on_cpu(ScanCase.call))
    monkeypatch.setattr(ScanCase, "call_step", on_cpu(ScanCase.call_step))
    return torch


def test_on_a_gpu(gpu: Any, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(package, "--on=gpu", "-o", tmp_path / "c.json") == 0
    out = capsys.readouterr().out
    assert "ok   mean: more than 2^31 elements = few: 2 outputs, error / bound at most 0" in out
    assert "ok   mean: gradients of more than 2^31 elements = few: 2 outputs, error / bound at most " in out
    made = json.loads((tmp_path / "c.json").read_text())
    assert made["on"] == "gpu" and made["gpu"]["name"] == "one GPU" and made["skipped"] == []
    (large,) = {v["case"] for v in made["verdicts"] if v["form"] == "more than 2^31 elements"}
    assert large == "mean-bf16-B16-T1024-H4"


def test_large_outputs_that_differ(
    gpu: Any, package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = ScanCase.call

    def wrong(case: ScanCase, arrays: Any, **settings: Any) -> dict[str, Any]:
        found = right(case, arrays, **settings)
        if case.B == 16:
            found["o"][-1, -1] = np.nan
        return found

    monkeypatch.setattr(ScanCase, "call", wrong)
    assert run(package, "--on=gpu") == 1
    err = capsys.readouterr().err
    assert "mean-bf16-B16-T1024-H4: more than 2^31 elements and few disagree on o: relative error nan" in err


@pytest.mark.parametrize("name", ["x", "decay"])
def test_large_gradients_that_differ(
    name: str, gpu: Any, package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = ScanCase.vjp

    def wrong(case: ScanCase, arrays: Any, weights: Any, **settings: Any) -> dict[str, Any]:
        found = right(case, arrays, weights, **settings)
        if case.B == 16:
            found[name][-1] *= 2
        return found

    monkeypatch.setattr(ScanCase, "vjp", wrong)
    assert run(package, "--on=gpu") == 1
    err = capsys.readouterr().err
    assert f"mean-bf16-B16-T1024-H4: gradients of more than 2^31 elements and few disagree on d{name}: relative" in err


def test_large_gradients_that_do_not_fit(
    gpu: Any, package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = ScanCase.vjp

    def failing(case: ScanCase, arrays: Any, weights: Any, **settings: Any) -> dict[str, Any]:
        if case.B == 16:
            raise gpu.OutOfMemoryError
        return right(case, arrays, weights, **settings)

    monkeypatch.setattr(ScanCase, "vjp", failing)
    assert run(package, "--on=gpu") == 0
    why = "needs more memory than is free"
    assert f"mean: not verified: gradients of more than 2^31 elements: {why}" in capsys.readouterr().out


def test_large_outputs_that_do_not_fit(gpu: Any, package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gpu.cuda.mem_get_info = lambda: (1 << 10, 1 << 10)
    assert run(package, "--on=gpu") == 0
    out = capsys.readouterr().out
    for form in ("more", "gradients of more"):
        assert f"mean: not verified: {form} than 2^31 elements: needs 0 GB, and 0 GB are free" in out


def test_ptxas_may_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "find_ptxas", lambda: "")
    assert certificate.ptxas_version() is None
