"""treadle.fla on arrays of NumPy: outputs and final states against recurrences in float64, and every mistake's message.

Nothing here has PyTorch; test/gpu/torch_ops.py goes on with its tensors, and with gradients.
"""

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import treadle.fla
from treadle import compiler, kernels, testing
from treadle.errors import LaunchError, TreadleError
from treadle.fla import calls, steps

try:
    compiler.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

B, T, H, K, V = 2, 37, 3, 8, 5
ENDS = np.array([0, 0, 3, 20, 20, 37])
RNG = np.random.default_rng(0)


def new(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


def gate(*shape: int) -> Any:
    return -np.abs(new(*shape))


def split(arrays: dict[str, Any], cu_seqlens: Any, state: Any) -> list[tuple[dict[str, Any], Any]]:
    """Sequences, and the initial state of each; arrays with time are those of three axes and more."""
    if cu_seqlens is None:
        return [(arrays, state)]
    return [
        ({n: x[:, a:b] if x.ndim >= 3 else x for n, x in arrays.items()}, None if state is None else state[i : i + 1])
        for i, (a, b) in enumerate(itertools.pairwise(cu_seqlens))
    ]


def matrix(
    q: Any,
    k: Any,
    v: Any,
    rows: Any,
    columns: Any,
    scale: float,
    state: Any = None,
    reverse: bool = False,
    cu_seqlens: Any = None,
) -> tuple[Any, Any]:
    """S = exp(rows) S exp(columns) + k v^T, o = scale q S, in float64; rows [B, T, H, K or 1], columns alike."""
    outputs, finals = [], []
    whole = {"q": q, "k": k, "v": v, "rows": rows, "columns": columns}
    for part, first in split({n: x.astype(np.float64) for n, x in whole.items()}, cu_seqlens, state):
        rows, columns = np.exp(part["rows"])[..., None], np.exp(part["columns"])[..., None, :]
        S = np.zeros((len(part["q"]), H, K, v.shape[-1])) if first is None else first.astype(np.float64)
        o = np.zeros(part["v"].shape)
        times = range(o.shape[1])
        for t in reversed(times) if reverse else times:
            S = rows[:, t] * S * columns[:, t] + part["k"][:, t, :, :, None] * part["v"][:, t, :, None, :]
            o[:, t] = scale * np.einsum("bhk,bhkv->bhv", part["q"][:, t], S)
        outputs.append(o)
        finals.append(S)
    return np.concatenate(outputs, 1), np.concatenate(finals)


def close(found: Any, expected: Any, bound: float = 1e-5) -> None:
    assert testing.relative_error(found, expected) <= bound, testing.relative_error(found, expected)


def none(like: Any) -> Any:
    return np.zeros((*like.shape[:3], 1), np.float32)


def draw(packed: bool) -> tuple[Any, ...]:
    rows = 1 if packed else B
    return new(rows, T, H, K), new(rows, T, H, K), new(rows, T, H, V), new(len(ENDS) - 1 if packed else B, H, K, V)


WAYS: dict[str, dict[str, Any]] = {"whole": {}, "reverse": {"reverse": True}, "packed": {"cu_seqlens": ENDS}}
"""How functions of both kinds are called."""


def ways(name: str) -> list[str]:
    return [way for way in WAYS if way != "reverse" or name.startswith("fused_recurrent")]


def cases(*names: str) -> Any:
    return pytest.mark.parametrize(("name", "way"), [(name, way) for name in names for way in ways(name)])


# ---------------------------------------------------------------------------------------------------------------------
# Matrix states
# ---------------------------------------------------------------------------------------------------------------------


@cases("chunk_simple_gla", "fused_recurrent_simple_gla")
def test_simple_gla(name: str, way: str) -> None:
    function, settings = getattr(treadle.fla, name), {**WAYS[way], "output_final_state": True}
    q, k, v, S = draw(way == "packed")
    g, g_gamma = gate(*q.shape[:3]), gate(H)
    for gates, rows in (
        ({"g": g}, g[..., None]),
        ({"g_gamma": g_gamma}, none(q) + g_gamma[:, None]),
        ({"g": g, "g_gamma": g_gamma}, g[..., None] + g_gamma[:, None]),
        ({}, none(q)),
    ):
        o, final = function(q, k, v, **gates, initial_state=S, **settings)
        expected, last = matrix(q, k, v, rows, none(v), K**-0.5, S, **WAYS[way])
        close(o, expected)
        close(final, last)
        o, turned = function(q, k, v, **gates, initial_state=S.swapaxes(2, 3), state_v_first=True, **settings)
        close(o, expected)
        close(turned.swapaxes(2, 3), last)
    o, final = function(q, k, v, g, scale=1.0, **WAYS[way])
    assert final is None
    close(o, matrix(q, k, v, g[..., None], none(v), 1.0, **WAYS[way])[0])


@cases("chunk_retention", "fused_recurrent_retention", "chunk_lightning_attn", "fused_recurrent_lightning_attn")
def test_decays_of_heads(name: str, way: str) -> None:
    q, k, v, S = draw(way == "packed")
    heads = np.arange(H)
    if "retention" in name:
        given, decay = (), np.log(1 - 2.0 ** (-5.0 - heads))
    else:
        given, decay = (2, 6), -8 / H * (1 - 2 / 6) * heads
    function, settings = getattr(treadle.fla, name), {**WAYS[way], "output_final_state": True}
    o, final = function(q, k, v, *given, initial_state=S, **settings)
    expected, last = matrix(q, k, v, none(q) + decay[:, None], none(v), K**-0.5, S, **WAYS[way])
    close(o, expected)
    close(final, last)


@cases("chunk_gla", "fused_recurrent_gla")
def test_gla(name: str, way: str) -> None:
    q, k, v, S = draw(way == "packed")
    g, gv = gate(*q.shape), gate(*v.shape)
    settings = {"initial_state": S, "output_final_state": True, **WAYS[way]}
    for rows, columns in ((g, None), (None, gv), (g, gv), (None, None)):
        if name == "chunk_gla":
            if columns is not None or rows is None:
                continue
            o, final = treadle.fla.chunk_gla(q, k, v, rows, **settings)
        else:
            o, final = treadle.fla.fused_recurrent_gla(q, k, v, rows, columns, **settings)
        every = (none(q) if rows is None else rows, none(v) if columns is None else columns)
        expected, last = matrix(q, k, v, *every, K**-0.5, S, **WAYS[way])
        close(o, expected)
        close(final, last)


@cases("chunk_linear_attn", "fused_recurrent_linear_attn")
def test_linear_attention(name: str, way: str) -> None:
    function, settings = getattr(treadle.fla, name), {**WAYS[way], "output_final_state": True}
    q, k, v, S = draw(way == "packed")
    q, k = np.abs(q) + np.float32(0.1), np.abs(k)
    n = np.abs(new(len(S), 1, H, K))
    o, final = function(q, k, v, initial_state=S, normalize=False, **settings)
    expected, last = matrix(q, k, v, none(q), none(v), K**-0.5, S, **WAYS[way])
    close(o, expected)
    close(final, last)
    for initial, first in (((S, n), n), ((S, None), 0 * n), (S, 0 * n)):
        o, (found, sums) = function(q, k, v, initial_state=initial, normalize=True, **settings)
        below, after = matrix(
            q, k, np.ones_like(v), none(q), none(v), K**-0.5, first[:, 0, ..., None] + 0 * S, **WAYS[way]
        )
        close(o, expected / below)
        close(found, last)
        close(sums, after[..., 0][:, None])
    by_default = function(q, k, v, **WAYS[way])
    close(by_default[0], function(q, k, v, normalize=name == "chunk_linear_attn", **WAYS[way])[0], 0)
    assert by_default[1] is None


@pytest.mark.parametrize("name", ["parallel_based", "fused_chunk_based"])
def test_based(name: str) -> None:
    function = getattr(treadle.fla, name)
    q, k, v, _ = draw(False)
    for scale, use_norm in ((None, True), (None, False), (0.7, True)):
        s = np.einsum("bihk,bjhk->bhij", q, k) * (K**-0.5 if scale is None else scale)
        weights = np.tril(1 + s + s * s / 2)
        weights = weights / weights.sum(-1, keepdims=True) if use_norm else weights
        close(function(q, k, v, scale, use_norm), np.einsum("bhij,bjhv->bihv", weights, v))
    step = kernels.step("based")
    o, state = function(q[:, :20], k[:, :20], v[:, :20], output_final_state=True)
    rest = function(q[:, 20:], k[:, 20:], v[:, 20:], initial_state=state)
    close(np.concatenate([o, rest], 1), step.reference(q, k, v)[0])


# ---------------------------------------------------------------------------------------------------------------------
# Vector states
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["chunk_hgrn", "fused_recurrent_hgrn"])
def test_hgrn(name: str) -> None:
    x, g, h = new(B, T, K), gate(B, T, K), new(B, K)
    o, final = getattr(treadle.fla, name)(x, g, h, True)
    expected, last = steps.log_hgrn.reference(
        x[:, :, None], g[:, :, None], initial_state=h[:, None], output_final_state=True
    )
    close(o, expected[:, :, 0])
    close(final, last[:, 0])
    assert getattr(treadle.fla, name)(x, g)[1] is None


def test_hgrn_packed() -> None:
    x, g, h = new(1, T, K), gate(1, T, K), new(len(ENDS) - 1, K)
    o, final = treadle.fla.fused_recurrent_hgrn(x, g, h, True, ENDS)
    for i, (a, b) in enumerate(itertools.pairwise(ENDS)):
        part, last = treadle.fla.chunk_hgrn(x[:, a:b], g[:, a:b], h[i : i + 1], True)
        close(o[:, a:b], part)
        close(final[i : i + 1], last)


def convolved(x: Any, weight: Any, bias: Any, before: Any, activation: str | None) -> tuple[Any, Any]:
    """Of one sequence [T, D]: the output, and the last W tokens [D, W]."""
    W = weight.shape[1]
    tokens = np.concatenate([before.T, x]).astype(np.float64)
    y = np.array([(tokens[t + 1 : t + 1 + W].T * weight).sum(1) + bias for t in range(len(x))]).reshape(x.shape)
    return y / (1 + np.exp(-y)) if activation else y, tokens[len(tokens) - W :].T


@pytest.mark.parametrize("W", [1, 2, 4])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("bias", "residual", "activation"), [(False, False, None), (True, True, "silu")])
def test_causal_conv1d(W: int, packed: bool, bias: bool, residual: bool, activation: str | None) -> None:
    D, rows = 6, 1 if packed else B
    N = len(ENDS) - 1 if packed else B
    x, weight, before = new(rows, T, D), new(D, W), new(N, D, W)
    b, r = new(D) if bias else None, new(rows, T, D) if residual else None
    for initial in (None, before):
        o, final = treadle.fla.causal_conv1d(
            x, weight, b, r, initial, True, activation, cu_seqlens=ENDS if packed else None
        )
        for i in range(N):
            row, at = (0, slice(ENDS[i], ENDS[i + 1])) if packed else (i, slice(None))
            first = np.zeros((D, W)) if initial is None else before[i]
            y, last = convolved(x[row, at], weight, 0 if b is None else b, first, activation)
            close(o[row, at], y if r is None else y + r[row, at])
            assert np.array_equal(final[i], last)
    assert treadle.fla.causal_conv1d(x, weight)[1] is None


def test_convolution_of_several_axes() -> None:
    x, weight = new(B, T, 3, 2), new(6, 4)
    o, _ = treadle.fla.causal_conv1d(x, weight)
    close(o, treadle.fla.causal_conv1d(x.reshape(B, T, 6), weight)[0].reshape(x.shape), 0)


# ---------------------------------------------------------------------------------------------------------------------
# How arrays are stored, and mistakes
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_stored_dtypes(dtype: str) -> None:
    q, k, v, S = draw(False)
    g = gate(*q.shape)
    half = [testing.pack(x, dtype) for x in (q, k, v, g)]
    wide = [testing.unpack(x, dtype).astype(np.float32) for x in half]
    o, final = treadle.fla.chunk_gla(*half, initial_state=S, output_final_state=True)
    expected, last = treadle.fla.chunk_gla(*wide, initial_state=S, output_final_state=True)
    assert o.dtype == half[0].dtype and final.dtype == np.float32
    close(testing.unpack(o, dtype), expected, testing.TOLERANCES[dtype])
    close(final, last, testing.TOLERANCES[dtype])
    based = treadle.fla.parallel_based(*half[:3], scale=0.5)
    close(testing.unpack(based, dtype), treadle.fla.parallel_based(*wide[:3], scale=0.5), 2 * testing.TOLERANCES[dtype])
    taps = new(H * K, 4)
    y, last = treadle.fla.causal_conv1d(half[0], taps, residual=half[1], output_final_state=True)
    exact, _ = treadle.fla.causal_conv1d(wide[0], taps, residual=wide[1])
    assert y.dtype == last.dtype == half[0].dtype
    close(testing.unpack(y, dtype), exact, testing.TOLERANCES[dtype])


def test_arrays_without_rows_in_memory() -> None:
    q, k, v, S = draw(False)
    strided = [np.ascontiguousarray(x.swapaxes(2, 3)).swapaxes(2, 3) for x in (q, k, v)]
    o, _ = treadle.fla.chunk_simple_gla(*strided, initial_state=np.asfortranarray(S))
    close(o, treadle.fla.chunk_simple_gla(q, k, v, initial_state=S)[0], 0)


Q = np.zeros((1, 4, 2, 6), np.float32)
MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    ("chunk_gla", {"g": Q[:, :3]}, "gla: argument 'g': expected T = 4, as other inputs, found 3"),
    ("chunk_simple_gla", {"head_first": True}, "'head_first': expected none, arrays are [B, T, H, ...]"),
    ("chunk_retention", {"colour": 1}, "expected the arguments of flash-linear-attention, found 'colour'"),
    ("parallel_based", {}, "parallel_based: argument 'k': expected K a power of two, found 6"),
    (
        "fused_recurrent_gla",
        {"state_v_first": True, "transpose_state_layout": True},
        "fused_recurrent_gla: argument 'transpose_state_layout': expected none with state_v_first",
    ),
    ("causal_conv1d", {}, "causal_conv1d: argument 'weight': expected an array [D, W], found none"),
    (
        "causal_conv1d",
        {"weight": Q[0, 0], "activation": "relu"},
        "causal_conv1d: argument 'activation': expected None, 'silu' or 'swish', found 'relu'",
    ),
    ("causal_conv1d", {"weight": Q[0, 0], "cp_context": 1}, "argument 'cp_context': expected None, found int"),
]


@pytest.mark.parametrize(("name", "settings", "message"), MISTAKES)
def test_mistakes(name: str, settings: dict[str, Any], message: str) -> None:
    given = (Q[:, :, 0],) if name == "causal_conv1d" else (Q, Q, Q)
    with pytest.raises(LaunchError) as raised:
        getattr(treadle.fla, name)(*given, **settings)
    assert message in str(raised.value)


def test_every_function_has_steps() -> None:
    for name in (*calls._PACKAGES, *calls._OWN):
        assert calls.step(name).name == name


def test_kernels_are_modules() -> None:
    from treadle.kernels.gla.kernel import gla

    assert kernels.step("gla") is gla and kernels.step("retention", "simple_gla").name == "simple_gla"
    with pytest.raises(ImportError):
        kernels.step("no_such_package")


def test_imports_leave_torch_alone() -> None:
    code = "import sys, treadle, treadle.fla, treadle.kernels; assert 'torch' not in sys.modules"
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(root / "python")})
