"""The text of scans: structure, names and types, what the step computes, and that treadle-opt accepts it."""

import itertools
import math
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scan_examples
import treadle as td
from frontend_cases import write
from scan_examples import SCANS, SIZES
from step_text import Mixer, take_apart
from treadle.frontend.scans import Output

ROOT = Path(__file__).resolve().parents[3]
OPT = ROOT / "build" / "bin" / "treadle-opt"
MODES: list[dict[str, Any]] = [
    {},
    {"initial": True},
    {"final": False, "reverse": True},
    {"packed": True, "initial": True, "fast_math": True},
    {"initial": True, "indexed": True, "align": 16},
]
START = "import treadle as td\n\n\n@td.scan\n"


def apart(name: str, constants: dict[str, Any] | None = None, dtype: str | None = None, **options: Any) -> Mixer:
    return take_apart(SCANS[name].to_mlir({**SIZES[name], **(constants or {})}, dtype, **options))


def scan_of(tmp_path: Path, source: str) -> td.Scan:
    """The scan `f` of a file."""
    return td.load_scans(write(tmp_path, START + source))["f"]


def one(tmp_path: Path, expression: str, **shapes: tuple[int, ...]) -> Mixer:
    """A scan whose output is an expression of inputs of these shapes."""
    inputs = ", ".join(f"{name}: td.In[{', '.join(map(str, shape))}]" if shape else f"{name}: td.In"
                       for name, shape in shapes.items())  # fmt: skip
    scan = scan_of(tmp_path, f"def f({inputs}, s: td.State):\n    return {expression}, s\n")
    return take_apart(scan.to_mlir())


def value(tmp_path: Path, expression: str, **inputs: Any) -> Any:
    """What an expression of inputs is."""
    arrays = {name: np.asarray(x, np.float32) for name, x in inputs.items()}
    return one(tmp_path, expression, **{k: a.shape for k, a in arrays.items()}).run(**arrays, s=0.0)[0]


def accept(texts: list[str]) -> None:
    """treadle-opt, where it is built, takes each of these texts."""
    if OPT.exists():
        command = [OPT, "--split-input-file"]
        done = subprocess.run(command, input="\n// -----\n".join(texts), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("name", "mode"), list(itertools.product(SCANS, MODES)))
def test_names_and_types_agree(name: str, mode: dict[str, Any]) -> None:
    mixer = apart(name, **mode)
    states = [p.name for p in SCANS[name].states]
    assert [name for name, _ in mixer.arguments] == mixer.inputs + (states if mode.get("initial") else [])
    assert [name for name, _, _ in mixer.fills] == ([] if mode.get("initial") else states)
    assert mixer.flags == (["reverse"] if mode.get("reverse") else [])
    names = [o.name for o in SCANS[name].outputs(SIZES[name])]
    assert [name for name, _ in mixer.results] == names + (states if mode.get("final", True) else [])


@pytest.mark.skipif(not OPT.exists(), reason="treadle-opt is not built")
@pytest.mark.parametrize("name", SCANS)
def test_the_compiler_accepts_them(name: str) -> None:
    scan = SCANS[name]
    texts = [scan.to_mlir(SIZES[name], dtype, **mode) for dtype in ("bf16", "f16", "f32") for mode in MODES]
    accept(texts)


def test_the_first_example() -> None:
    mixer = apart("lightning_attention")
    assert mixer.arguments == [
        ("q", "BTH, 80xbf16"), ("k", "BTH, 80xbf16"), ("v", "BTH, 64xbf16"), ("log_decay", "H, f32")
    ]  # fmt: skip
    assert mixer.results == [("o", "BTH, 64xbf16"), ("S", "BH, 80x64xf32")]
    assert mixer.fills == [("S", "0.0", "BH, 80x64xf32")]
    assert mixer.attributes == ["treadle.mixer"]
    assert mixer.args["q"] == "tensor<80xf32>" and mixer.args["log_decay"] == "f32"
    assert mixer.operations() == [
        "math.exp", "tile.splat", "arith.mulf",
        "tile.expand_dims", "tile.expand_dims", "tile.broadcast", "tile.broadcast", "arith.mulf", "arith.addf",
        "tile.expand_dims", "tile.broadcast", "arith.mulf", "tile.reduce", "arith.addf",
    ]  # fmt: skip


def test_initial_values() -> None:
    assert apart("lightnet").fills == [("S", "0.0", "BH, 8x3xf32"), ("z", "0xFF800000", "BH, 8xf32")]
    assert [v for _, v, _ in apart("element_wise_attention").fills] == ["0.0", "0.0", "0x7F800000"]
    assert apart("linear_recurrence").fills == [("h", "1.0", "BH, f32")]


def test_every_kind_of_input() -> None:
    assert apart("selective").arguments == [
        ("x", "BTH, 6xf16"), ("dt", "BTH, f16"), ("b", "BT, 7xf16"), ("c", "BT, 7xbf16"), ("a", "H, f32"),
        ("d", "H, 6xf32"), ("bias", "f32"), ("scale", "6xf32"),
    ]  # fmt: skip
    assert apart("selective", None, "f32").arguments[2:4] == [("b", "BT, 7xf32"), ("c", "BT, 7xbf16")]
    assert apart("counts").arguments == [("token", "BTH, i32")]
    assert apart("counts").args["token"] == "i32"


def test_axes(tmp_path: Path) -> None:
    source = """\
def f(x: td.In["2*K", 3], y: td.In["(K + 1)//2*K"], w: td.PerHead["K", td.bf16], S: td.State["K-1", "N"], *,
      N: td.Const = 7):
    return x.sum() + w.sum() * K / N + y.sum(), S
"""
    scan = scan_of(tmp_path, source)
    assert scan.constants == {"N": 7, "K": None, "chunk": 0, "num_warps": 0}
    mixer = take_apart(scan.to_mlir({"K": 5, "num_warps": 2}))
    assert mixer.arguments == [("x", "BTH, 10x3xbf16"), ("y", "BTH, 15xbf16"), ("w", "H, 5xbf16")]
    assert mixer.fills == [("S", "0.0", "BH, 4x7xf32")]
    assert "tile.num_warps = 2 : i32" in mixer.attributes
    assert take_apart(scan.to_mlir({"K": 2, "N": 1})).fills == [("S", "0.0", "BH, 1x1xf32")]


def test_outputs() -> None:
    assert SCANS["lightning_attention"].outputs({"K": 2, "V": 5}) == (Output("o", (5,)),)
    assert [(o.name, o.shape) for o in SCANS["counts"].outputs({"C": 4})] == [("o0", (4,)), ("o1", ()), ("o2", (4,))]
    assert [t for _, t in apart("counts", None, "f16").results[:3]] == ["BTH, 9xf16", "BTH, f16", "BTH, 9xf16"]


def test_options() -> None:
    assert apart("lightnet", causal=False).flags == ["noncausal"]
    assert apart("lightnet", causal=False, reverse=True).flags == ["noncausal", "reverse"]
    mixer = apart("lightning_attention", packed=True, indexed=True, fast_math=True, initial=True)
    assert mixer.attributes == ["treadle.mixer", "treadle.packed", "treadle.indexed", "tile.fast_math"]
    assert apart("lightnet", chunked=True).attributes == ["treadle.mixer", "treadle.chunk = 0 : i32"]
    whole = take_apart(SCANS["lightnet"].to_mlir({"K": 8, "V": 3, "chunk": 32}, chunked=True))
    assert whole.attributes == ["treadle.mixer", "treadle.chunk = 32 : i32"]
    one = take_apart(SCANS["lightnet"].to_mlir({"K": 8, "V": 3, "chunk": 1}, chunked=True))
    assert one.attributes == ["treadle.mixer"]
    mixer = apart("lightning_attention", grouped=("k", "v", "log_decay"))
    assert mixer.arguments[1:] == [("k", "BTG, 80xbf16"), ("v", "BTG, 64xbf16"), ("log_decay", "G, f32")]
    assert "tile.num_warps = 8 : i32" in apart("delta_rule").attributes


def test_alignment() -> None:
    every = apart("lightnet", align=16, initial=True).aligned
    assert every == dict.fromkeys(("q", "k", "v", "S", "z", "o>", "S>", "z>"), 16)
    some = apart("lightnet", align={"q": 8, "S_final": 16, "z_initial": 4}, initial=True).aligned
    assert some == {"q": 8, "S>": 16, "z": 4}


def test_a_scan_says_what_it_is() -> None:
    scan = SCANS["lightnet"]
    assert (scan.name, scan.dtype, scan.chunk, scan.num_warps) == ("lightnet", "bf16", 0, 0)
    assert scan.path == scan_examples.__file__ and repr(scan) == "<td.scan lightnet>"
    assert "def lightnet" in Path(scan.path).read_text().splitlines()[scan.line]
    assert [(p.name, p.indices, [a.text for a in p.axes], p.dtype) for p in scan.inputs] == [
        ("q", "BTH", ["K"], None), ("k", "BTH", ["K"], None), ("v", "BTH", ["V"], None)
    ]  # fmt: skip
    assert [(p.name, [a.text for a in p.axes], p.initial) for p in scan.states] == [
        ("S", ["K", "V"], 0.0), ("z", ["K"], -math.inf)
    ]  # fmt: skip
    assert scan.constants == {"K": None, "V": None, "chunk": 0, "num_warps": 0}
    assert scan.resolve({"K": 3, "V": 1}) == {"K": 3, "V": 1, "chunk": 0, "num_warps": 0}
    assert SCANS["element_wise_attention"].inputs[0].shape({"D": 3}) == (3,)
    assert SCANS["delta_rule"].__doc__ == "The error of what S remembers of k is what S learns."


def test_scan_is_two_things(tmp_path: Path) -> None:
    with pytest.raises(td.TreadleError, match="can only be called inside a kernel"):
        td.scan(lambda a, b: a + b, None, 0)
    with pytest.raises(td.TreadleError, match=r"td\.scan decorates a function"):
        td.scan(3)  # type: ignore[call-overload]
    with pytest.raises(td.TreadleError, match=r"^td\.scan has no option warps; it has dtype, chunk and num_warps$"):
        td.scan(warps=8)  # type: ignore[call-overload]
    source = """\
import treadle as td

@td.kernel(dtype="f32")
def k(x: td.Tensor["M", 16], y: td.Tensor["M", 16]):
    (i,) = td.grid(x.shape[0])
    y[i, :] = td.scan(fn=lambda a, b: a * b, xs=x[i, :], axis=0, reverse=True)

@td.scan(dtype="f16")
def s(x: td.In, h: td.State):
    return x + h, x + h
"""
    file = write(tmp_path, source)
    assert "tile.scan (%" in td.load_kernels(file)["k"].to_mlir()
    assert list(td.load_kernels(file)) == ["k"] and list(td.load_scans(file)) == ["s"]
    assert take_apart(td.load_scans(file)["s"].to_mlir()).results[0] == ("o", "BTH, f16")


def test_steps_from_other_places(tmp_path: Path) -> None:
    source = """\
from __future__ import annotations
import treadle as td

SCALE = 0.5

def make(power):
    @td.scan
    def inner(x: td.In["K"], s: td.State["K"] = -td.inf):
        '''docstring'''
        s = td.maximum(s, x ** power)
        return s * SCALE * K ** -0.5, s
    return inner

f = make(3)
"""
    mixer = take_apart(td.load_scans(write(tmp_path, source))["inner"].to_mlir({"K": 4}))
    out, _ = mixer.run(x=[1, 2, 3, -1], s=[2, 2, 2, 2])
    assert out.tolist() == [0.5, 2.0, 6.75, 0.5]


def test_names_that_are_not_ascii(tmp_path: Path) -> None:
    source = """\
import treadle as td

@td.scan
def naïve(σ: td.In["K"], ν: td.In, Σ: td.State["K"] = td.inf):
    return td.minimum(Σ, σ * ν), Σ
"""
    text = td.load_scans(write(tmp_path, source))["naïve"].to_mlir({"K": 3})
    assert text.startswith('func.func @"na\\C3\\AFve"(%arg.0: ')
    assert '{treadle.name = "\\CE\\A3"}' in text and "%arg.2.t: tensor<3xf32>" in text
    accept([text])


def test_locations(tmp_path: Path) -> None:
    text = SCANS["delta_rule"].to_mlir(SIZES["delta_rule"])
    lines = [line for line in text.splitlines() if "arith.mulf" in line]
    assert all('scan_examples.py":' in line for line in lines)
    assert "callsite(" in lines[0] and "callsite(" not in lines[-1]
    unnamed = ("^bb0", "func.func", "->", "attributes", "%scan.r:", "}", "%")
    for line in map(str.strip, text.splitlines()):
        opens = line.endswith("{")
        assert " loc(" in line or (line.startswith(unnamed) and (opens or line[0] != "%")), line


def test_kernels_have_the_new_functions_too(tmp_path: Path) -> None:
    source = """\
import treadle as td

@td.kernel(dtype="f32")
def k(x: td.Tensor["M"], y: td.Tensor["M", 8]):
    (i,) = td.grid(1)
    t = td.softplus(td.stop_gradient(x[0:4]))
    y[0:4, :] = td.powers(t, 7) / td.factorials(7)
    y[0:4, :] = td.outer(t, x[0:8])
"""
    text = td.load_kernels(write(tmp_path, source))["k"].to_mlir()
    assert "math.log1p" in text and "tensor<4x8xf32>" in text


# What steps compute


def normal(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_values_of_lightning_attention() -> None:
    mixer = apart("lightning_attention")
    q, k, v, S = normal(0, 80), normal(1, 80), normal(2, 64), normal(3, 80, 64)
    out, new = mixer.run(q=q, k=k, v=v, log_decay=-0.5, S=S)
    expected = np.exp(-0.5) * S + np.outer(k, v)
    np.testing.assert_allclose(new, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(out, q @ expected, rtol=1e-4, atol=1e-4)


def test_values_of_lightnet() -> None:
    mixer = apart("lightnet")
    q, k, v = normal(0, 4, 8), normal(1, 4, 8), normal(2, 4, 3)
    S, z = np.zeros((8, 3), np.float32), np.full(8, -np.inf, np.float32)
    for t in range(4):
        out, S, z = mixer.run(q=q[t], k=k[t], v=v[t], S=S, z=z)
    weights = np.exp(k) / np.exp(k).sum(0)
    np.testing.assert_allclose(out, (q[3] / (1 + np.exp(-q[3]))) @ (weights.T @ v), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(z, np.log(np.exp(k).sum(0)), rtol=1e-5, atol=1e-6)


def test_values_of_element_wise_attention() -> None:
    mixer = apart("element_wise_attention", {"P": 14})
    q, k, v = 0.5 * normal(0, 4, 5), 0.5 * normal(1, 4, 5), normal(2, 4, 5)
    states: list[Any] = [np.zeros((5, 15)), np.zeros((5, 15)), np.full(5, np.inf)]
    for t in range(4):
        out, *states = mixer.run(q=q[t], k=k[t], v=v[t], S=states[0], Z=states[1], mu=states[2])
    weights = np.exp(-((q[3] - k) ** 2))
    np.testing.assert_allclose(out, (weights * v).sum(0) / weights.sum(0), rtol=1e-3, atol=1e-4)


def test_values_of_counts() -> None:
    n = np.asarray([0, 2, 5, 0, 0, 0, 0, 0, 0])
    again, best, share, new, last = apart("counts").run(token=2, n=n, last=2.0)
    assert new.tolist() == [0, 2, 5, 0, 0, 0, 0, 0, 0] and float(best) == 3.0 and float(last) == 2.0
    assert again.tolist() == new.tolist()
    np.testing.assert_allclose(share, new / 7, rtol=1e-6)


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 6, 9, 20])
def test_values_of_powers(tmp_path: Path, degree: int) -> None:
    x = np.asarray([0, 1, -1.5, 2, 0.25, np.inf, 1e30])
    found = value(tmp_path, f"td.powers(x, {degree})", x=x)
    with np.errstate(over="ignore"):
        expected = x[:, None] ** np.arange(degree + 1)
        np.testing.assert_allclose(found, expected.astype(np.float32), rtol=1e-6)
    assert value(tmp_path, f"td.powers(x, {degree})", x=2).tolist() == [2.0**p for p in range(degree + 1)]


def test_values_of_factorials(tmp_path: Path) -> None:
    found = value(tmp_path, "td.factorials(34)", x=0)
    assert found.tolist() == [float(np.float32(math.factorial(p))) for p in range(35)]
    assert value(tmp_path, "td.factorials(0)", x=0).tolist() == [1]


def test_values_of_softplus_and_logaddexp(tmp_path: Path) -> None:
    x = np.asarray([-np.inf, -80, -1, 0, 1, 200, np.inf])
    with np.errstate(over="ignore"):
        expected = np.log1p(np.exp(np.minimum(x, 100))) + np.maximum(x - 100, 0)
    np.testing.assert_allclose(value(tmp_path, "td.softplus(x)", x=x), expected, rtol=1e-6)
    assert float(value(tmp_path, "x + td.softplus(0.0)", x=0)) == pytest.approx(math.log(2))
    y = np.asarray([-np.inf, 3, -np.inf, 0, 1, -200, np.inf])
    np.testing.assert_allclose(value(tmp_path, "td.logaddexp(x, y)", x=x, y=y), np.logaddexp(x, y), rtol=1e-6)


def test_values_of_products(tmp_path: Path) -> None:
    a, M, c = normal(0, 3), normal(1, 3, 5), normal(2, 5)
    for expression, expected in {
        "a @ M": a @ M, "M @ c": M @ c, "a @ a": a @ a, "td.dot(a, M)": a @ M, "td.outer(a, c)": np.outer(a, c),
        "M.T @ a": M.T @ a, "(M * c).sum(1)": (M * c).sum(1), "M.max(0)": M.max(0), "M.min()": M.min(),
        "M.sum(-1, keepdims=True)": M.sum(1)[:, None], "a[:, None] - M": a[:, None] - M,
        "a[..., None] * M": a[:, None] * M,
        "td.reduce(lambda p, q: p * q, M, 0)": M.prod(0), "td.broadcast_to(c, (3, 5))": np.broadcast_to(c, (3, 5)),
        "td.reshape(M, (15,))": M.reshape(15), "td.zeros(M.shape, td.f32) + td.full((5,), 2, td.f32)": M * 0 + 2,
        "td.where(M > 0, M, 0)": np.maximum(M, 0), "abs(a) + min(a.sum(), 1.5)": abs(a) + min(a.sum(), 1.5),
        "(td.arange(3) // 2 + 1).to(td.f32)": [1, 1, 2], "a * (td.arange(1, 4) > 2).to(td.f32)": a * [0, 0, 1],
    }.items():  # fmt: skip
        found = value(tmp_path, expression, a=a, M=M, c=c)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=expression)


def test_everything_declared_is_exported() -> None:
    for name in ("In", "Shared", "PerHead", "Param", "State", "Scan", "scan", "load_scans", "outer", "softplus",
                 "powers", "factorials", "stop_gradient", "logaddexp"):  # fmt: skip
        assert name in td.__all__ and getattr(td, name).__doc__
