"""treadlec on files with scans: the kernels it derives, their flags and messages, and that treadle-run runs them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import treadle as td
from treadle import compiler, testing
from treadle.cli import treadle_run, treadlec
from treadle.runtime.cache import Cache

SCAN = """
import treadle as td

@td.scan
def lightnet(q: td.In["K"], k: td.In["K"], v: td.In["V"], S: td.State["K", "V"], z: td.State["K"] = -td.inf):
    z1 = td.logaddexp(z, k)
    S = td.exp(z - z1)[:, None] * S + td.outer(td.exp(k - z1), v)
    return td.silu(q) @ S, S, z1
"""

KERNEL = """
@td.kernel
def scale(x: td.Tensor["N"], y: td.Tensor["N"], a: td.f32 = 2.0, *, C: td.Const = 256):
    (i,) = td.grid(td.cdiv(x.shape[0], C))
    y[i * C : i * C + C] = (x[i * C : i * C + C].to(td.f32) * a).to(y.dtype)
"""

MIXER = """
@td.scan
def short_conv(x: td.Window["D", 3], taps: td.Param[3, "D"]):
    return (taps * x).sum(0)

@td.mixer
def gated(q: td.In["K"], k: td.In["K"], v: td.In["V"], taps: td.Param[3, "K"]):
    return lightnet(q, short_conv(k, taps), v)
"""

SIZES = ("-D", "K=16", "-D", "V=8")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path / "cache")
    monkeypatch.setattr(compiler, "default_cache", lambda: cache)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return written(tmp_path / "lightnet.py", SCAN)


@pytest.fixture
def both(tmp_path: Path) -> Path:
    return written(tmp_path / "both.py", SCAN + KERNEL)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def run(*arguments: object) -> int:
    return treadlec.main([str(a) for a in arguments])


def params(folder: Path) -> dict[str, Any]:
    """The parameters in the manifest of the one bundle in a folder."""
    (manifest,) = folder.glob("*.json")
    return {p["name"]: p for p in json.loads(manifest.read_text())["params"]}


def compiled(scan: Path, out: Path, *flags: str) -> dict[str, Any]:
    """The parameters of the bundle that flags give."""
    assert run(scan, *SIZES, *flags, "--no-ptxas", "-o", out) == 0
    return params(out)


# ---------------------------------------------------------------------------------------------------------------------
# Bundles
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("derive", [[], ["--derive=forward,step"], ["--derive=step,forward,step"]])
def test_a_scan_becomes_a_folder_for_each_kernel(derive: list[str], scan: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(scan, *derive, "--arch=sm_80", *SIZES, "--dtype=f32", "--no-ptxas", "-o", out) == 0
    assert sorted(p.name for p in out.iterdir()) == ["lightnet_forward", "lightnet_step"]
    for folder in out.iterdir():
        assert sorted(p.name for p in folder.iterdir()) == [f"{folder.name}.{x}" for x in ("h", "json", "mlir", "ptx")]
        manifest = json.loads((folder / f"{folder.name}.json").read_text())
        assert (manifest["name"], manifest["arch"], manifest["dtype"]) == (folder.name, "sm_80", "f32")
        assert manifest["constants"] == {"K": 16, "V": 8, "chunk": 0, "num_warps": 0}
        names = ["q", "k", "v", "S_initial", "z_initial", "o", "S_final", "z_final"]
        assert [p["name"] for p in manifest["params"]] == names


def test_a_mixer_becomes_a_folder_for_each_kernel(tmp_path: Path) -> None:
    """Its states are those of the scans that it calls, and it is explained by their names."""
    path = written(tmp_path / "gated.py", SCAN + MIXER)
    flags = (path, "--kernel=gated", "--derive=forward,step,backward", "-D", "K=16", "-D", "V=8")
    assert run(*flags, "--dtype=f32", "--no-ptxas", "-o", tmp_path / "out") == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["gated_backward", "gated_forward", "gated_step"]
    states = ("short_conv_x", "lightnet_S", "lightnet_z")
    initial, final = ([f"{name}_{when}" for name in states] for when in ("initial", "final"))
    for kernel in ("forward", "step"):
        assert list(params(tmp_path / "out" / f"gated_{kernel}")) == ["q", "k", "v", "taps", *initial, "o", *final]
    gradients = {"q_grad", "k_grad", "v_grad", "taps_grad", *(f"{name}_grad" for name in initial)}
    assert gradients < {*params(tmp_path / "out" / "gated_backward")}
    assert run(*flags, "--explain", "--no-ptxas", "-o", tmp_path / "out.txt") == 0
    text = (tmp_path / "out.txt").read_text()
    assert "  state short_conv_x[0]: a delay" in text and "  state lightnet_S: linear" in text


def test_explain(scan: Path, tmp_path: Path) -> None:
    """What is derived and why, in words; no bundle."""
    out = tmp_path / "out.txt"
    assert run(scan, *SIZES, "--explain", "--no-ptxas", "--dtype=bf16", "-o", out) == 0
    text = out.read_text()
    assert "lightnet_forward, bf16, sm_90a: in chunks of 64 tokens, 4 warps a block" in text
    assert "  state S: linear: e^g S + key ⊗ value, read by sums over axis 0\n    log-decay: the change of z" in text
    assert "  state z: running log-sum-exp" in text
    assert "lightnet_step, bf16, sm_90a: token by token" in text
    assert "launch lightnet: grid (1, H, B)" in text
    assert "bytes that must move: 96 B·T·H + 1152 B·H" in text
    assert not (tmp_path / "out").exists()


def test_explain_what_is_in_no_form(tmp_path: Path) -> None:
    path = tmp_path / "tanh.py"
    path.write_text(
        "import treadle as td\n\n\n@td.scan\ndef f(x: td.In, h: td.State):\n    h = td.tanh(h + x)\n    return h, h\n"
    )
    assert run(path, "--explain", "--derive=forward", "--no-ptxas", "-o", tmp_path / "out.txt") == 0
    text = (tmp_path / "out.txt").read_text()
    assert f"used here other than in a product, a sum or a running function ({path}:6)" in text


def test_emit_chunked(scan: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The tile program that works on chunks, or why there is none."""
    assert run(scan, *SIZES, "--derive=forward", "--emit=chunked", "-o", tmp_path / "out.mlir") == 0
    text = (tmp_path / "out.mlir").read_text()
    assert "chunk = 64 : i64" in text and text.count("tile.dot") == 4
    assert run(scan, *SIZES, "--derive=step", "--emit=chunked", "-o", tmp_path / "step.mlir") == 1
    assert (
        "lightnet_step is computed token by token, not in chunks: it was made for few tokens" in capfd.readouterr().err
    )
    assert run(scan, *SIZES, "--derive=forward", "-D", "chunk=1", "--emit=chunked") == 1
    path = tmp_path / "tanh.py"
    path.write_text(
        "import treadle as td\n\n\n@td.scan\ndef f(x: td.In, h: td.State):\n    h = td.tanh(h + x)\n    return h, h\n"
    )
    assert run(path, "--derive=forward", "--emit=chunked") == 1
    assert "not in chunks: the state's old value is used here other than in a product" in capfd.readouterr().err
    assert not (tmp_path / "step.mlir").exists()


def test_one_kernel_lies_in_the_folder_itself(scan: Path, tmp_path: Path) -> None:
    assert run(scan, *SIZES, "--derive=step", "--no-ptxas", "-o", tmp_path / "out") == 0
    assert (tmp_path / "out" / "lightnet_step.json").is_file()


@pytest.mark.parametrize(
    ("flags", "absent"),
    [
        (["--no-initial-state"], {"S_initial", "z_initial"}),
        (["--no-final-state"], {"S_final", "z_final"}),
        (["--no-initial-state", "--no-final-state"], {"S_initial", "z_initial", "S_final", "z_final"}),
        (["--initial-state", "--final-state", "--no-packed", "--no-reverse", "--causal"], set()),
    ],
)
def test_states_of_forward(flags: list[str], absent: set[str], scan: Path, tmp_path: Path) -> None:
    found = compiled(scan, tmp_path / "out", "--derive=forward", *flags)
    states = {"S_initial", "z_initial", "S_final", "z_final"}
    assert found.keys() == {"q", "k", "v", "o"} | states - absent


def test_backward(scan: Path, tmp_path: Path) -> None:
    """Gradients of what the forward reads, from those of what it writes."""
    found = compiled(scan, tmp_path / "out", "--derive=backward", "--no-initial-state", "--no-final-state")
    kept = {name for name in found if name.startswith("kept_")}
    assert found.keys() - kept == {"q", "k", "v", "o_grad", "q_grad", "k_grad", "v_grad"}
    assert {found[name]["access"] for name in kept} == {"readwrite"}
    assert {found[f"{name}_grad"]["access"] for name in "qkv"} == {"write"}
    found = compiled(scan, tmp_path / "states", "--derive=backward", "--packed")
    states = {
        f"{name}_{when}_grad": ["N", "H", *shape]
        for name, shape in (("S", [16, 8]), ("z", [16]))
        for when in ("initial", "final")
    }
    assert {name: found[name]["shape"] for name in states} == states
    assert "cu_seqlens" in found and "S_initial" in found


def test_explain_backward(scan: Path, tmp_path: Path) -> None:
    flags = ("--derive=backward", "--no-initial-state", "--no-final-state", "--no-ptxas", "-o", tmp_path / "out.txt")
    assert run(scan, *SIZES, "--explain", *flags) == 0
    text = (tmp_path / "out.txt").read_text()
    assert "the walk of the forward once more, for gradients that need no later token: in chunks of" in text
    assert "the walk back: in chunks of" in text
    assert "kept for each token, for later walks: kept_0 [16], kept_1 [16]; all else is recomputed" in text
    assert "  workspace: kept_0, kept_1" in text


def test_no_backward_of_what_has_no_rule(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An error at the line of the step."""
    path = tmp_path / "product.py"
    path.write_text(
        "import treadle as td\n\n\n@td.scan\ndef f(x: td.In['D'], s: td.State):\n"
        "    s = s + td.reduce(lambda a, b: a * b, x, 0)\n    return s, s\n"
    )
    assert run(path, "--derive=backward", "-D", "D=4", "-o", tmp_path / "out") == 1
    error = capfd.readouterr().err
    assert f"{path}:6:" in error and "the gradient of this reduction is not known: of sums, maxima and minima" in error
    assert not (tmp_path / "out").exists()


def test_no_parameter_is_named_as_a_gradient(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The forward may; of a backward it would be two arrays."""
    path = tmp_path / "named.py"
    path.write_text(
        "import treadle as td\n\n\n@td.scan\ndef f(x: td.In, x_grad: td.In, s: td.State):\n"
        "    s = s + x * x_grad\n    return s, s\n"
    )
    assert run(path, "--derive=forward", "--no-ptxas", "-o", tmp_path / "forward") == 0
    assert run(path, "--derive=backward", "-o", tmp_path / "out") == 1
    error = capfd.readouterr().err
    assert f"{path}:5:" in error and "nor ends with _grad, found 'x_grad'; rename the parameter" in error
    assert not (tmp_path / "out").exists()


def test_packed(scan: Path, tmp_path: Path) -> None:
    found = compiled(scan, tmp_path / "out", "--derive=forward", "--packed")
    assert found["cu_seqlens"]["shape"] == ["N1"]
    assert found["S_initial"]["shape"] == ["N", "H", 16, 8]


def test_separate(scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The log-sum-exp of keys is a kernel of its own."""
    found = compiled(scan, tmp_path / "out", "--derive=forward", "--separate")
    assert found["kept_0"]["shape"] == ["B", "T", "H", 16]
    assert run(scan, *SIZES, "--derive=forward", "--separate", "--explain") == 0
    said = capsys.readouterr().out
    assert said.count("some of the states: ") == 2 and "state z: running log-sum-exp" in said
    assert "launch lightnet_piece_1: " in said and "launch lightnet_piece_2: " in said
    assert "for later walks: kept_0 [16]" in said


def test_grouped(scan: Path, tmp_path: Path) -> None:
    assert run(scan, *SIZES, "--grouped=k,v", "--no-ptxas", "-o", tmp_path / "out") == 0
    for name in ("forward", "step"):
        found = params(tmp_path / "out" / f"lightnet_{name}")
        assert [found[x]["shape"][2] for x in ("q", "k", "v", "o")] == ["H", "G", "G", "H"]


def test_state_indices(tmp_path: Path) -> None:
    source = """
import treadle as td

@td.scan
def sums(v: td.In["V"], S: td.State["V"]):
    return S + v, S + v
"""
    path = written(tmp_path / "sums.py", source)
    assert run(path, "-D", "V=64", "--derive=step", "--state-indices", "--no-ptxas", "-o", tmp_path / "out") == 0
    found = params(tmp_path / "out")
    assert (found["state_indices"]["shape"], found["S_initial"]["shape"]) == (["B"], ["P", "H", 64])


def test_arrays_without_gaps_are_aligned(scan: Path, tmp_path: Path) -> None:
    assert run(scan, "-D", "K=12", "-D", "V=5", "--derive=forward", "--no-ptxas", "-o", tmp_path / "out") == 0
    found = params(tmp_path / "out")
    aligned = {"q": 8, "v": 2, "o": 2, "S_initial": 16, "z_final": 16}
    assert {name: found[name]["align"] for name in aligned} == aligned


def test_kernels_and_scans_in_one_file(both: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert (
        run(both, *SIZES, "-D", "C=512", "--derive=step", "--dump-phases", tmp_path / "d", "--no-ptxas", "-o", out) == 0
    )
    assert sorted(p.name for p in out.iterdir()) == ["lightnet_step", "scale"]
    assert json.loads((out / "scale" / "scale.json").read_text())["constants"]["C"] == 512
    assert b"treadle.scan" not in (tmp_path / "d" / "lightnet_step" / "0-tile.mlir").read_bytes()
    assert (tmp_path / "d" / "scale" / "6-ptx.ptx").is_file()
    assert run(both, *SIZES, "--kernel=lightnet", "--derive=step", "--no-ptxas", "-o", tmp_path / "one") == 0
    assert (tmp_path / "one" / "lightnet_step.ptx").is_file()


# ---------------------------------------------------------------------------------------------------------------------
# Phases
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", compiler.PHASES)
def test_every_phase_is_printed(scan: Path, phase: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(scan, *SIZES, "--derive=step", f"--emit={phase}") == 0
    printed = capfdbinary.readouterr().out
    assert b"lightnet" in printed
    assert b"treadle.scan" not in printed
    assert phase != "tile" or (b"tile.kernel" in printed and b"scf.for" in printed)


def test_the_scan_itself_is_printed(scan: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    def emit(*flags: object) -> str:
        assert run(scan, *SIZES, "--derive=forward", "--emit=treadle", *flags) == 0
        return capfdbinary.readouterr().out.decode()

    plain = emit()
    assert plain.startswith("func.func @lightnet(%q: !treadle.field<BTH, 16xbf16>")
    assert " noncausal" not in plain and " reverse" not in plain and " loc(" not in plain
    assert ") noncausal reverse {" in emit("--no-causal", "--reverse")
    assert "treadle.fill" in emit("--no-initial-state")
    located = emit("--locations")
    assert f'loc("{scan}":7:' in located
    assert [line.split(" loc(")[0] for line in located.split("\n")] == plain.split("\n")

    emit("-o", tmp_path / "lightnet.mlir")
    assert (tmp_path / "lightnet.mlir").read_text() == plain
    ptx = []
    for arguments in ((tmp_path / "lightnet.mlir",), (scan, *SIZES, "--derive=forward")):
        assert run(*arguments, "--emit=tile") == 0
        ptx.append(capfdbinary.readouterr().out)
    assert ptx[0] == ptx[1]


# ---------------------------------------------------------------------------------------------------------------------
# Messages
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["SCAN", "--derive=sideways"],
            "--derive=sideways: expected some of forward, step, backward, found 'sideways'",
        ),
        (["SCAN", "--derive=forward,"], "--derive=forward,: expected some of forward, step, backward, found ''"),
        (["SCAN", "--derive=step", "--no-causal"], "--no-causal is for --derive=forward, found step"),
        (["SCAN", "--derive=step", "--packed"], "--packed is for --derive=forward, found step"),
        (["SCAN", "--derive=step", "--separate"], "--separate is for --derive=forward, found step"),
        (["SCAN", "--derive=forward", "--state-indices"], "--state-indices is for --derive=step, found forward"),
        (["SCAN", "--with=b"], "--with is for kernels, found scans only"),
        (["SCAN", "--emit=treadle"], "--emit prints one kernel; choose it with --derive: forward, step"),
        (["SCAN", "--kernel=lightnet_step"], "has no kernel lightnet_step; it has lightnet"),
        (["BOTH", "--emit=tile"], "--emit prints one kernel; choose it with --kernel: lightnet, scale"),
        (["BOTH", "--kernel=scale", "--derive=step"], "--derive is for scans, and kernel scale has none"),
        (["KERNEL", "--derive=step"], "--derive is for scans, and KERNEL has none"),
        (["KERNEL", "--no-final-state"], "--no-final-state is for scans, and KERNEL has none"),
        (["KERNEL", "--grouped=k"], "--grouped is for scans, and KERNEL has none"),
        (["KERNEL", "--emit=treadle"], "--emit=treadle is for scans, and KERNEL has none"),
        (["SCAN", "--explain", "--emit=ptx"], "--explain is for scans alone, found --emit=ptx"),
        (["BOTH", "--explain"], "--explain is for scans alone, found kernels"),
        (["a.mlir", "--explain"], "--explain is for Python input"),
        (["a.mlir", "--derive=step"], "--derive is for Python input"),
        (["a.mlir", "--emit=treadle"], "--emit=treadle is for Python input"),
        (["a.mlir", "--emit=chunked"], "--emit=chunked is for Python input"),
        (["KERNEL", "--emit=chunked"], "--emit=chunked is for scans, and KERNEL has none"),
    ],
)
def test_usage_errors(
    arguments: list[str], expected: str, scan: Path, both: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel = written(tmp_path / "scale.py", "import treadle as td\n" + KERNEL)
    files: Mapping[str, Path] = {"SCAN": scan, "BOTH": both, "KERNEL": kernel}
    assert run(*[files.get(a, a) for a in arguments]) == 2
    assert expected.replace("KERNEL", str(kernel)) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "place", "expected"),
    [
        (["-D", "V=8"], "5:14", "the size of axis K is not known\n"),
        (["-D", "K=16", "-D", "V=x"], "5:5", "constant V of scan lightnet is 'x', of type str\n"),
        ([*SIZES, "-D", "Q=1"], "5:5", "scan lightnet has no constant Q\n"),
        ([*SIZES, "--dtype=i32"], "5:5", "unknown dtype 'i32' for scan lightnet\n"),
        ([*SIZES, "--grouped=x"], "5:5", "grouped: x is no input of scan lightnet\n"),
    ],
)
def test_errors_have_a_place_and_leave_nothing_behind(
    arguments: list[str], place: str, expected: str, scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(scan, *arguments, "-o", tmp_path / "out") == 1
    assert capsys.readouterr().err.startswith(f"{scan}:{place}: error: {expected}")
    assert not (tmp_path / "out").exists()


def test_a_derived_name_that_is_taken(both: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "taken.py", both.read_text().replace("def scale(", "def lightnet_step("))
    assert run(path, *SIZES, "-o", tmp_path / "out") == 1
    expected = "two kernels are named lightnet_step: one is derived from this scan"
    assert capsys.readouterr().err.startswith(f"{path}:5:5: error: {expected}")
    assert run(path, *SIZES, "--derive=forward", "--no-ptxas", "-o", tmp_path / "out") == 0


def test_neither_kernels_nor_scans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(written(tmp_path / "none.py", "x = 1\n")) == 1
    assert "expected a function with @td.kernel, @td.scan or @td.mixer, found none" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------------------------
# Running
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on", ["cpu", "sim"])
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_treadle_run(on: str, dtype: str, scan: Path, tmp_path: Path) -> None:
    """Ten tokens by forward, from z = -inf, then two by step, as all twelve at once."""
    common = (scan, *SIZES, f"--dtype={dtype}", "--no-ptxas")
    assert run(*common, "-o", tmp_path / "out") == 0
    assert run(*common, "--derive=forward", "--no-initial-state", "-o", tmp_path / "fresh") == 0
    rng = np.random.default_rng(0)
    shapes = {"q": (2, 12, 3, 16), "k": (2, 12, 3, 16), "v": (2, 12, 3, 8)}
    inputs = {name: testing.pack(rng.standard_normal(shape), dtype) for name, shape in shapes.items()}

    def launch(bundle: Path, tokens: slice, states: Mapping[str, object]) -> dict[str, Any]:
        for name, array in inputs.items():
            np.save(tmp_path / f"{name}.npy", array[:, tokens])
        given = {**{name: tmp_path / f"{name}.npy" for name in inputs}, **states}
        written = {name: tmp_path / f"{name}.npy" for name in ("o", "S_final", "z_final")}
        arguments = [x for name, value in given.items() for x in ("--arg", f"{name}={value}")]
        arguments += [x for name, path in written.items() for x in ("-o", f"{name}={path}")]
        assert treadle_run.main([str(bundle), f"--on={on}", *arguments]) == 0
        return {name: np.load(path) for name, path in written.items()}

    first = launch(tmp_path / "fresh", slice(10), {})
    after = {f"{s}_initial": tmp_path / f"{s}_final.npy" for s in "Sz"}
    last = launch(tmp_path / "out" / "lightnet_step", slice(10, 12), after)
    o = testing.unpack(np.concatenate([first["o"], last["o"]], axis=1), dtype)
    step = td.load_scans(scan)["lightnet"]
    exact = {name: testing.unpack(array, dtype).astype("f4") for name, array in inputs.items()}
    expected, (S, z) = step.reference(**exact, output_final_state=True)
    rtol, atol = (2e-2, 1e-2) if dtype == "bf16" else (1e-4, 1e-5)
    np.testing.assert_allclose(o, expected, rtol=rtol, atol=atol)
    np.testing.assert_allclose(last["S_final"], S, rtol=rtol, atol=atol)
    np.testing.assert_allclose(last["z_final"], z, rtol=1e-4, atol=1e-5)

    zeros = {"S_initial": "zeros:2,3,16,8", "z_initial": "zeros:2,3,16"}
    found = launch(tmp_path / "out" / "lightnet_forward", slice(12), zeros)
    start = np.zeros((2, 3, 16, 8), "f4"), np.zeros((2, 3, 16), "f4")
    _, (S, z) = step.reference(**exact, initial_state=start, output_final_state=True)
    np.testing.assert_allclose(found["S_final"], S, rtol=rtol, atol=atol)
    np.testing.assert_allclose(found["z_final"], z, rtol=1e-4, atol=1e-5)


def test_treadle_run_on_packed_sequences(scan: Path, tmp_path: Path) -> None:
    compiled(scan, tmp_path / "out", "--derive=forward", "--packed", "--dtype=f32", "--no-initial-state")
    np.save(tmp_path / "cu.npy", np.array([0, 3, 3, 7]))
    arguments = ["--arg", f"cu_seqlens={tmp_path / 'cu.npy'}", "--arg", "S_final=zeros:3,2,16,8"]
    arguments += [x for name, size in (("q", 16), ("k", 16), ("v", 8)) for x in ("--arg", f"{name}=zeros:1,7,2,{size}")]
    arguments += ["-o", f"z_final={tmp_path / 'z.npy'}", "-o", f"o={tmp_path / 'o.npy'}"]
    expected = [np.log(3), -np.inf, np.log(4)]  # an empty sequence keeps what z is at first
    for on in ("cpu", "sim"):
        assert treadle_run.main([str(tmp_path / "out"), f"--on={on}", *arguments]) == 0
        np.testing.assert_allclose(np.load(tmp_path / "z.npy")[:, 1, 5], expected, rtol=1e-5)


def test_messages_of_a_launch_name_the_derived_kernel(
    scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled(scan, tmp_path / "out", "--derive=step")
    for on in ("cpu", "sim"):
        assert treadle_run.main([str(tmp_path / "out"), f"--on={on}", "--arg", "q=zeros:1,1,1,16"]) == 1
        assert "lightnet_step: argument 'k': expected a tensor" in capsys.readouterr().err
