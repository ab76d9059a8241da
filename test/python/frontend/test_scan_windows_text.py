"""The text of steps with windows, positions, parts of values and values put together."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import treadle as td
from frontend_cases import write
from step_text import Mixer, take_apart
from window_steps import SCANS, SIZES

OPT = Path(__file__).resolve().parents[3] / "build" / "bin" / "treadle-opt"
MODES: list[dict[str, Any]] = [
    {},
    {"initial": True, "dtype": "f32"},
    {"final": False, "reverse": True},
    {"packed": True, "initial": True},
    {"initial": True, "indexed": True, "align": 4},
]


def scan_of(tmp_path: Path, source: str) -> td.Scan:
    """The scan `f` of a file."""
    return td.load_scans(write(tmp_path, f"import treadle as td\n\n\n@td.scan\n{source}"))["f"]


def value(tmp_path: Path, expression: str, **inputs: Any) -> Any:
    """What an expression of inputs is."""
    arrays = {name: np.asarray(x, np.float32) for name, x in inputs.items()}
    fields = [f"{k}: td.In[{', '.join(map(str, a.shape))}]" if a.shape else f"{k}: td.In" for k, a in arrays.items()]
    scan = scan_of(tmp_path, f"def f({', '.join(fields)}, old: td.State):\n    return {expression}, old\n")
    return take_apart(scan.to_mlir()).run(**arrays, old=0.0)[0]


def apart(name: str, **options: Any) -> Mixer:
    return take_apart(SCANS[name].to_mlir(SIZES[name], options.pop("dtype", None), **options))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SCANS)
def test_names_and_types_agree(name: str, mode: dict[str, Any]) -> None:
    scan, mixer = SCANS[name], apart(name, **mode)
    inputs, states = [p.name for p in scan.inputs], [p.name for p in scan.states]
    assert [name for name, _ in mixer.arguments] == inputs + (states if mode.get("initial") else [])
    fills = [name.removesuffix("_past") for name, _, _ in mixer.fills]
    assert fills == ([] if mode.get("initial") else states)
    outputs = [o.name for o in scan.outputs(SIZES[name])]
    assert [name for name, _ in mixer.results] == outputs + (states if mode.get("final", True) else [])


@pytest.mark.skipif(not OPT.exists(), reason="treadle-opt is not built")
@pytest.mark.parametrize("name", SCANS)
def test_the_compiler_accepts_them(name: str) -> None:
    texts = [
        SCANS[name].to_mlir(SIZES[name], **{"dtype": dtype, **mode}) for dtype in ("bf16", "f32") for mode in MODES
    ]
    command = [OPT, "--split-input-file"]
    done = subprocess.run(command, input="\n// -----\n".join(texts), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_short_convolution() -> None:
    mixer = apart("short_convolution", initial=True)
    assert mixer.arguments == [("x", "BTH, 5xbf16"), ("f", "4x5xf32"), ("x", "BH, 3x5xf32")]
    assert mixer.results == [("o", "BTH, 5xbf16"), ("x", "BH, 3x5xf32")]
    lines = [line for line in mixer.step if "treadle." in line]
    assert lines == [
        "%0 = treadle.concat (%x_past_t, %x_t) along 0 : (tensor<3x5xf32>, tensor<5xf32>) -> tensor<4x5xf32>",
        "%11 = treadle.part %0, 0, 1 : tensor<4x5xf32> -> tensor<3x5xf32>",
        "treadle.yield %10 : tensor<5xf32> next %11 : tensor<3x5xf32>",
    ]
    assert apart("short_convolution").fills == [("x_past", "0.0", "BH, 3x5xf32")]
    two = take_apart(SCANS["short_convolution"].to_mlir({"D": 5, "W": 2}))
    assert two.args["x_past"] == "tensor<1x5xf32>"


def test_windows_are_inputs_and_states() -> None:
    scan = SCANS["convolved_attention"]
    assert [(p.name, [a.text for a in p.axes]) for p in scan.inputs] == [
        ("q", ["K"]), ("k", ["K"]), ("v", ["V"]), ("fk", ["4", "K"]), ("fv", ["W", "V"]), ("log_decay", [])
    ]  # fmt: skip
    assert [(p.name, [a.text for a in p.axes], p.initial) for p in scan.states] == [
        ("k", ["3", "K"], 0.0), ("v", ["W-1", "V"], 0.0), ("S", ["K", "V"], 0.0)
    ]  # fmt: skip
    assert scan.constants == {"W": 2, "K": None, "V": None, "chunk": 0, "num_warps": 0}
    assert apart("convolved_attention").fields[1] == ["BH, 3x6xf32", "BH, 1x4xf32", "BH, 6x4xf32"]


def test_a_window_of_numbers() -> None:
    mixer = apart("convolution_of_numbers")
    assert mixer.arguments[0] == ("x", "BTH, f32")
    assert mixer.args["x"] == "f32" and mixer.args["x_past"] == "tensor<2xf32>"
    o, past = mixer.run(x=4, f=[1, 10, 100], scale=2, x_past=[2, 3])
    assert float(o) == 864 and past.tolist() == [3, 4]


def test_the_size_of_a_window(tmp_path: Path) -> None:
    source = """\
def f(x: td.Window["D", "2*N", td.f32], y: td.Window["D", "N + 1"], *, N: td.Const = 2):
    return x[-1] + y[0] + x.shape[0] + y.shape[0] * 10
"""
    scan = scan_of(tmp_path, source)
    assert [a.text for p in scan.states for a in p.axes] == ["(2*N)-1", "D", "(N + 1)-1", "D"]
    mixer = take_apart(scan.to_mlir({"D": 2}))
    assert mixer.arguments == [("x", "BTH, 2xf32"), ("y", "BTH, 2xbf16")]
    o, x, y = mixer.run(x=[7, 8], y=[0, 0], x_past=[[1, 2], [3, 4], [5, 6]], y_past=[[100, 200], [300, 400]])
    assert o.tolist() == [141, 242]
    assert x.tolist() == [[3, 4], [5, 6], [7, 8]] and y.tolist() == [[300, 400], [0, 0]]


def test_names_that_are_not_ascii(tmp_path: Path) -> None:
    text = scan_of(tmp_path, "def f(ξ: td.Window[3, 2]):\n    return ξ.sum(0)\n").to_mlir()
    assert "(%arg.1.past.t, %arg.0.t) along 0" in text and text.count("\\CE\\BE") == 2


def test_position() -> None:
    scan = SCANS["rotary"]
    assert [(p.name, p.axes, p.initial) for p in scan.states][1:] == [("position", (), 0.0)]
    mixer = apart("rotary", initial=True)
    assert mixer.arguments[-1] == ("position", "BH, f32") == mixer.results[-1]
    assert mixer.operations()[:2] == ["arith.addf", "arith.subf"]
    q, k, v, theta, S = np.ones(6), np.zeros(6), np.zeros(4), np.asarray([0.1, 0.2, 0.3]), np.eye(6)[:, :4]
    o, _, position = mixer.run(q=q, k=k, v=v, theta=theta, S=S, position=7)
    assert float(position) == 8
    c, s = np.cos(7 * theta), np.sin(7 * theta)
    np.testing.assert_allclose(o, np.concatenate([c - s, c + s])[:4], rtol=1e-5)


@pytest.mark.parametrize(
    "body",
    [
        "return x + td.position()",
        "return x * position()",
        "return x + helper()",
        "return x + outer(1.0)",
        "return x + (td.position() if K > 5 else 0.0)",
    ],
)
def test_a_position_is_found(tmp_path: Path, body: str) -> None:
    """It is a state wherever it is called, also where that depends on a constant."""
    source = f"""\
import treadle as td
from treadle import position

@td.function
def helper():
    return 2 * td.position()

def outer(scale):
    return scale * helper()

@td.scan
def f(x: td.In["K"]):
    {body}
"""
    scan = td.load_scans(write(tmp_path, source))["f"]
    assert [p.name for p in scan.states] == ["position"]
    assert take_apart(scan.to_mlir({"K": 3})).run(x=[1, 2, 3], position=4)[1] == 5


def test_no_position() -> None:
    assert [p.name for p in SCANS["based"].states] == ["S", "n"]


def numbers(*shape: int) -> Any:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


PARTS = [
    "x[3]", "x[-1]", "x[-5]", "x[1:5]", "x[1:]", "x[:-1]", "x[-3:-1]", "x[2:3]", "x[:, 2:4]", "x[:, 0]", "x[:, -1]",
    "x[..., 1:]", "x[..., 0]", "x[1, 2]", "x[1:3, 1]", "x[1, 1:3]", "x[-2:, -2:]", "x[2, ...]", "x[:]", "x[:, :]",
    "x[::1]", "x[0:5:1, 3]", "x[1:][0]", "x[1:3][:, None, :]", "x[None:2]",
]  # fmt: skip


@pytest.mark.parametrize("expression", PARTS)
def test_parts(tmp_path: Path, expression: str) -> None:
    x = numbers(5, 4)
    found = value(tmp_path, expression, x=x)
    expected = eval(expression, {"x": x})
    assert np.shape(found) == expected.shape
    np.testing.assert_array_equal(found, expected)


def test_parts_of_three_axes(tmp_path: Path) -> None:
    x = numbers(3, 4, 5)
    for expression in ("x[1]", "x[:, 1:3, 2]", "x[..., 4]", "x[0, :, 1:]", "x[-1, -1, -1]", "x[1, ..., 2]"):
        np.testing.assert_array_equal(value(tmp_path, expression, x=x), eval(expression, {"x": x}), expression)


def test_a_whole_axis_is_no_operation(tmp_path: Path) -> None:
    scan = scan_of(
        tmp_path,
        'def f(x: td.In["K", 4], s: td.State):\n    return x[:, 0:4][0:K][..., :][-K:, 1], s[...] if K < 0 else s\n',
    )
    assert take_apart(scan.to_mlir({"K": 3})).operations() == ["treadle.part"]


def test_indices_are_constants_of_any_kind(tmp_path: Path) -> None:
    source = """\
def f(x: td.In["K"], s: td.State, *, N: td.Const = 1):
    total = x[N] + x[K - 1]
    for i in td.static_range(2):
        total = total + x[i : i + 2].sum()
    return total, s
"""
    mixer = take_apart(scan_of(tmp_path, source).to_mlir({"K": 4}))
    assert float(mixer.run(x=[1, 10, 100, 1000], s=0)[0]) == 10 + 1000 + 11 + 110


def test_parts_of_integers_and_conditions(tmp_path: Path) -> None:
    found = value(
        tmp_path, "td.arange(7)[2:4].to(td.f32) + (x > 1)[1:].to(td.f32) + td.arange(7)[3].to(td.f32)", x=[1, 2, 3]
    )
    assert found.tolist() == [6, 7]


CONCATENATIONS = {
    "td.concat([x, y])": lambda x, y, s: np.concatenate([x, y]),
    "td.concat((x, y, x[:1]), axis=0)": lambda x, y, s: np.concatenate([x, y, x[:1]]),
    "td.concat([x.T, y.T], axis=1)": lambda x, y, s: np.concatenate([x.T, y.T], 1),
    "td.concat([x.T, y.T], -1)": lambda x, y, s: np.concatenate([x.T, y.T], 1),
    "td.concat(xs=[x])": lambda x, y, s: x,
    "td.concat([1, x[0], s, 2.5])": lambda x, y, s: np.asarray([1, *x[0], s, 2.5]),
    "td.concat([s])": lambda x, y, s: np.asarray([s]),
    "td.concat([1, 2.5, s * 2])": lambda x, y, s: np.asarray([1, 2.5, 2 * s]),
    "td.concat([1.0, 2])": lambda x, y, s: np.asarray([1.0, 2.0]),
    "td.concat([td.arange(2), 7]).to(td.f32)": lambda x, y, s: np.asarray([0, 1, 7]),
    "td.concat([x[0] > 1, True]).to(td.f32)": lambda x, y, s: np.asarray([*(x[0] > 1), 1]),
}


@pytest.mark.parametrize("expression", CONCATENATIONS)
def test_concat(tmp_path: Path, expression: str) -> None:
    x, y, s = numbers(2, 3), -numbers(4, 3), np.float32(5)
    found = value(tmp_path, expression, x=x, y=y, s=s)
    np.testing.assert_array_equal(found, CONCATENATIONS[expression](x, y, s))


def test_taylor(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    q, k = rng.standard_normal((2, 4)).astype(np.float32)
    s = q @ k
    products = value(tmp_path, "td.taylor(q) @ td.taylor(k)", q=q, k=k)
    np.testing.assert_allclose(products, 1 + s + s * s / 2, rtol=1e-5)
    np.testing.assert_allclose(value(tmp_path, "td.taylor(q, 1) @ td.taylor(k, order=1)", q=q, k=k), 1 + s, rtol=1e-5)
    expected = np.concatenate([[1], q, np.outer(q, q).ravel() / np.sqrt(2)])
    np.testing.assert_allclose(value(tmp_path, "td.taylor(q)", q=q), expected, rtol=1e-6)
    scan = scan_of(tmp_path, 'def f(q: td.In["K"], s: td.State):\n    return td.taylor(q), s\n')
    mixer = take_apart(scan.to_mlir({"K": 4}))
    assert mixer.operations()[-3:] == ["arith.mulf", "tile.reshape", "treadle.concat"]
    assert mixer.step[-2].endswith("(tensor<1xf32>, tensor<4xf32>, tensor<16xf32>) -> tensor<21xf32>")


def test_values_of_every_part() -> None:
    """The step of all of them, against the reference on one token."""
    scan, rng = SCANS["every_part"], np.random.default_rng(3)
    x, y, past, h = (rng.standard_normal(s).astype(np.float32) for s in ((5,), (2, 5), (3, 5), (5,)))
    found = apart("every_part").run(x=x, y=y, x_past=past, h=h, position=2)
    given = {"x": x[None, None, None], "y": y[None, None, None]}
    start = (past[None, None], h[None, None], np.full((1, 1), 2.0))
    outputs, states = scan.reference(**given, initial_state=start, output_final_state=True)
    for a, b in zip(found, [*outputs, *states], strict=True):
        np.testing.assert_allclose(a, b.reshape(a.shape), rtol=1e-5, atol=1e-5)


def test_everything_declared_is_exported() -> None:
    for name in ("Window", "concat", "taylor", "position"):
        assert name in td.__all__ and getattr(td, name).__doc__
