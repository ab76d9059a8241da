"""Calling a scan: what is bound, allocated and passed on, what is compiled anew, and every mistake's message.

Nothing here needs a device; tensors of PyTorch are stood in for by a class with the methods that are used.
"""

import contextlib
import sys
import types
import weakref
from typing import Any

import numpy as np
import pytest
import steps
import treadle as td
from scan_checks import BY_NAME, same
from torch_like import Tensor
from treadle import compiler
from treadle.errors import KernelError, LaunchError, TreadleError
from treadle.runtime import scan_arrays, scan_call
from treadle.runtime.scan_binding import bind

try:
    compiler.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)


def zeros(*shape: int, dtype: Any = np.float32) -> Any:
    return np.zeros(shape, dtype)


Q, K, V = zeros(2, 5, 4, 3), zeros(2, 5, 4, 3), zeros(2, 5, 4, 6)
S, Z = zeros(2, 4, 3, 6), zeros(2, 4, 3)
ONE_Q, ONE_K, ONE_V = Q[:1], K[:1], V[:1]


# ---------------------------------------------------------------------------------------------------------------------
# Mistakes
# ---------------------------------------------------------------------------------------------------------------------


@td.scan
def clash(x: td.In["D"], out: td.In["D"], h: td.State["D"]):
    h = h + x * out
    return h, h


@td.scan
def several(x: td.In["D"], h: td.State["D"]):
    h = h + x
    return h, h.sum(), h


@td.scan
def computed(x: td.In["D"], y: td.In["2*D"], n: td.In["D", td.i32], h: td.State["D"]):
    h = h + x + y.sum() + n.to(td.f32)
    return h, h


@td.scan
def shared(x: td.In["D"], b: td.Shared["N"], w: td.Param["N"], u: td.PerHead["D"], h: td.State["D"]):
    h = h + x * (b @ w) + u
    return h, h


@td.scan(dtype="f32")
def state_axis(x: td.In, h: td.State["D"]):
    h = h + x
    return h.sum(), h


N3 = np.zeros((2, 5, 4, 3), np.int32)
LIGHTNET = steps.lightnet

MISTAKES: list[tuple[Any, tuple[Any, ...], dict[str, Any], str]] = [
    # names and numbers of arguments
    (LIGHTNET, (Q, K), {}, "lightnet: argument 'v': expected an array, found none"),
    (LIGHTNET, (Q, K, V, S), {}, "lightnet: expected at most 3 inputs by position (q, k, v), found 4"),
    (LIGHTNET, (Q, K), {"q": Q}, "lightnet: argument 'q': expected it once, found it by position and by name"),
    (
        LIGHTNET,
        (Q, K, V),
        {"scale": 1.0},
        "lightnet: expected arguments named q, k, v, K, V, chunk, num_warps, arch, axis, causal, cu_seqlens, "
        "fast_math, head_first, initial_state, on, out, output_final_state, reverse, segments, stream, found 'scale'",
    ),
    (
        clash,
        (V, V),
        {},
        "clash: argument 'out': expected a name that is not an argument of every scan; rename the parameter",
    ),
    # segments
    (LIGHTNET, (Q, K, V), {"segments": 0}, "argument 'segments': expected a number from 1, or None, found 0"),
    (LIGHTNET, (Q, K, V), {"segments": 2.0}, "argument 'segments': expected a number from 1, or None, found 2.0"),
    (
        LIGHTNET,
        (Q, K, V),
        {"segments": 2, "causal": False},
        "argument 'segments': expected 1, or None, with causal=False, found 2",
    ),
    # what is no array
    (LIGHTNET, (Q, 3, V), {}, "lightnet: argument 'k': expected an array of NumPy or PyTorch, found int"),
    (LIGHTNET, ([[1.0]], K, V), {}, "lightnet: argument 'q': expected an array of NumPy or PyTorch, found list"),
    # shapes
    (LIGHTNET, (Q, K[0], V), {}, "lightnet: argument 'k': expected 4 axes [B, T, H, K], found 3: (5, 4, 3)"),
    (
        LIGHTNET,
        (Q, K[0], V),
        {"head_first": True},
        "lightnet: argument 'k': expected 4 axes [B, H, T, K], found 3: (5, 4, 3)",
    ),
    (
        steps.gla,
        (Q, K, V, Q[..., 0]),
        {},
        "gla: argument 'g': expected 4 axes [B, T, H, K], found 3: (2, 5, 4)",
    ),
    (
        steps.lightning_attention,
        (Q, K, V, zeros(2, 4)),
        {},
        "lightning_attention: argument 'log_decay': expected 1 axes [H], found 2: (2, 4)",
    ),
    (LIGHTNET, (Q, K[:1], V), {}, "lightnet: argument 'k': expected B = 2, as other inputs, found 1"),
    (LIGHTNET, (Q, K, V[:, :4]), {}, "lightnet: argument 'v': expected T = 5, as other inputs, found 4"),
    (LIGHTNET, (Q, K[..., :2], V), {}, "lightnet: argument 'k': expected K = 3, found 2"),
    (LIGHTNET, (Q, K, V), {"V": 7}, "lightnet: argument 'v': expected V = 7, found 6"),
    (computed, (Q, Q, N3), {}, "computed: argument 'y': expected 2*D = 6, found 3"),
    (
        shared,
        (Q, zeros(2, 5, 1, 6), zeros(6), zeros(4, 3)),
        {},
        "shared: argument 'b': expected 3 axes [B, T, N], found 4: (2, 5, 1, 6)",
    ),
    # heads
    (LIGHTNET, (Q, K[:, :, :3], V), {}, "lightnet: argument 'k': expected a number of heads that divides 4, found 3"),
    (LIGHTNET, (Q, K[:, :, :0], V), {}, "lightnet: argument 'k': expected a number of heads that divides 4, found 0"),
    (
        LIGHTNET,
        (Q, K[:, :, :2], V[:, :, :1]),
        {},
        "lightnet: argument 'v': expected 4 or 2 heads, as other inputs, found 1",
    ),
    # dtypes and places
    (LIGHTNET, (Q, K, V.astype("f2")), {}, "lightnet: argument 'v': expected f32, as 'q' is, found f16"),
    (LIGHTNET, (Q.astype("f8"), K, V), {}, "lightnet: argument 'q': expected f32, f16 or bf16, found float64"),
    (LIGHTNET, (N3, K, V), {}, "lightnet: argument 'q': expected f32, f16 or bf16, found i32"),
    (
        steps.gla,
        (Q.astype("f2"), K.astype("f2"), V.astype("f2"), Q.astype("f2")),
        {},
        "gla: argument 'g': expected f32, found f16",
    ),
    (computed, (Q, zeros(2, 5, 4, 6), Q), {}, "computed: argument 'n': expected i32, found f32"),
    # states
    (
        LIGHTNET,
        (Q, K, V),
        {"initial_state": S},
        "argument 'initial_state': expected a tuple of 2 arrays (S, z), found one",
    ),
    (
        LIGHTNET,
        (Q, K, V),
        {"initial_state": (S, Z, Z)},
        "argument 'initial_state': expected a tuple of 2 arrays (S, z), found 3",
    ),
    (
        LIGHTNET,
        (Q, K, V),
        {"initial_state": (S, None)},
        "argument 'initial_state[z]': expected an array of NumPy or PyTorch, found NoneType",
    ),
    (
        LIGHTNET,
        (Q, K, V),
        {"initial_state": (S[0], Z)},
        "argument 'initial_state[S]': expected 4 axes [B, H, K, V], found 3: (4, 3, 6)",
    ),
    (
        LIGHTNET,
        (Q, K, V),
        {"initial_state": (S[:1], Z)},
        "argument 'initial_state[S]': expected [B, H, K, V] = (2, 4, 3, 6), found (1, 4, 3, 6)",
    ),
    (
        LIGHTNET,
        (Q, K, V),
        {"initial_state": (S.swapaxes(2, 3), Z)},
        "argument 'initial_state[S]': expected [B, H, K, V] = (2, 4, 3, 6), found (2, 4, 6, 3)",
    ),
    (
        LIGHTNET,
        (Q, K, V),
        {"initial_state": (S, Z.astype("f2"))},
        "lightnet: argument 'initial_state[z]': expected f32, found f16",
    ),
    (
        steps.hgrn,
        (Q, Q),
        {"initial_state": Z[:, :2]},
        "hgrn: argument 'initial_state': expected [B, H, D] = (2, 4, 3), found (2, 2, 3)",
    ),
    (steps.hgrn, (Q, Q), {"initial_state": (Z, Z)}, "argument 'initial_state': expected one array (h), found 2"),
    # packed
    (
        LIGHTNET,
        (Q, K, V),
        {"cu_seqlens": np.array([0, 5])},
        "lightnet: argument 'cu_seqlens': expected inputs of batch 1, all sequences in T, found batch 2",
    ),
    (
        LIGHTNET,
        (ONE_Q, ONE_K, ONE_V),
        {"cu_seqlens": np.array([0.0, 5.0])},
        "lightnet: argument 'cu_seqlens': expected int64 or int32, found float64",
    ),
    (
        LIGHTNET,
        (ONE_Q, ONE_K, ONE_V),
        {"cu_seqlens": np.array([[0, 5]])},
        "lightnet: argument 'cu_seqlens': expected [N + 1], found (1, 2)",
    ),
    (
        LIGHTNET,
        (ONE_Q, ONE_K, ONE_V),
        {"cu_seqlens": np.array([], np.int64)},
        "lightnet: argument 'cu_seqlens': expected [N + 1], one number at least, found none",
    ),
    (
        LIGHTNET,
        (ONE_Q, ONE_K, ONE_V),
        {"cu_seqlens": [0, 5]},
        "lightnet: argument 'cu_seqlens': expected an array of NumPy or PyTorch, found list",
    ),
    *(
        (
            LIGHTNET,
            (ONE_Q, ONE_K, ONE_V),
            {"cu_seqlens": np.array(ends)},
            f"lightnet: argument 'cu_seqlens': expected numbers that rise from 0 to T = 5, found {shown}",
        )
        for ends, shown in (
            ([1, 5], "[1, 5]"),
            ([0, 6], "[0, 6]"),
            ([0, 4], "[0, 4]"),
            ([0, 3, 2, 5], "[0, 3, 2, 5]"),
            ([0, 7, 5], "[0, 7, 5]"),
            ([0] * 20, "[0, 0, 0, 0, 0, 0, 0, 0, 0, … 0]"),
        )
    ),
    (
        LIGHTNET,
        (ONE_Q, ONE_K, ONE_V),
        {"cu_seqlens": np.array([0, 2, 5]), "initial_state": (S[:1], Z[:1])},
        "argument 'initial_state[S]': expected [N, H, K, V] = (2, 4, 3, 6), found (1, 4, 3, 6)",
    ),
    # outputs
    (LIGHTNET, (Q, K, V), {"out": (V, V)}, "lightnet: argument 'out': expected one array, found 2"),
    (several, (Q,), {"out": Q}, "several: argument 'out': expected a tuple of 2 arrays, found 1"),
    (several, (Q,), {"out": (Q, Q)}, "several: argument 'out[o1]': expected (2, 5, 4), found (2, 5, 4, 3)"),
    (LIGHTNET, (Q, K, V), {"out": Q}, "lightnet: argument 'out': expected (2, 5, 4, 6), found (2, 5, 4, 3)"),
    (LIGHTNET, (Q, K, V), {"out": V.astype("f2")}, "lightnet: argument 'out': expected f32, found f16"),
    (LIGHTNET, (Q, K, V), {"out": 1}, "lightnet: argument 'out': expected an array of NumPy or PyTorch, found int"),
    # places
    (LIGHTNET, (Q, K, V), {"on": "tpu"}, 'lightnet: expected on="cpu", "gpu" or "sim", found \'tpu\''),
    (LIGHTNET, (Q, K, V), {"on": "gpu"}, "lightnet: expected arrays on a CUDA device, found them on the CPU"),
    (LIGHTNET, (Q, K, V), {"arch": "sm_80"}, 'lightnet: expected on="sim" with arch, found on=None'),
]

TOKEN = (Q[:, 0], K[:, 0], V[:, 0])
POOL = (zeros(7, 4, 3, 6), zeros(7, 4, 3))

STEP_MISTAKES: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((Q[:, 0], K, V), {}, "argument 'k': expected 3 axes [B, H, K], found 4: (2, 5, 4, 3)"),
    ((Q, K[:, 0], V), {}, "argument 'k': expected 4 axes [B, T, H, K], found 3: (2, 4, 3)"),
    ((Q, K), {}, "lightnet: argument 'v': expected an array, found none"),
    ((3, K, V), {}, "argument 'q': expected an array of NumPy or PyTorch, found int"),
    (TOKEN, {"state": (S[:1], Z)}, "argument 'state[S]': expected [B, H, K, V] = (2, 4, 3, 6), found (1, 4, 3, 6)"),
    (TOKEN, {"state": (S, Z.astype("f8"))}, "argument 'state[z]': expected f32, found float64"),
    (
        TOKEN,
        {"state": (S, Z), "out_state": (S, Z[:1])},
        "argument 'out_state[z]': expected [B, H, K] = (2, 4, 3), found (1, 4, 3)",
    ),
    (
        TOKEN,
        {"state": (S, Z), "out_state": (S, Z.astype("f2"))},
        "argument 'out_state[z]': expected f32, found f16",
    ),
    (
        TOKEN,
        {"state_indices": np.array([0, 1])},
        "argument 'state': expected pools of states with state_indices, found none",
    ),
    (
        TOKEN,
        {"state": POOL, "state_indices": np.array([0, 1, 2])},
        "argument 'state_indices': expected [B] = (2,), found (3,)",
    ),
    (
        TOKEN,
        {"state": POOL, "state_indices": np.array([0.0, 1.0])},
        "argument 'state_indices': expected int64 or int32, found float64",
    ),
    (
        TOKEN,
        {"state": POOL, "state_indices": np.array([0, 7])},
        "argument 'state_indices': expected entries of a pool of 7, from 0, found 7",
    ),
    (
        TOKEN,
        {"state": POOL, "state_indices": np.array([-1, 3])},
        "argument 'state_indices': expected entries of a pool of 7, from 0, found -1",
    ),
    (
        TOKEN,
        {"state": POOL, "state_indices": np.array([3, 3])},
        "argument 'state_indices': expected an entry for each sequence alone, found 3 twice",
    ),
    (
        TOKEN,
        {"state": (POOL[0][:, :2], POOL[1]), "state_indices": np.array([3, 4])},
        "argument 'state[S]': expected [P, H, K, V] = (7, 4, 3, 6), found (7, 2, 3, 6)",
    ),
    (TOKEN, {"reverse": True}, "out, out_state, state, state_indices, stream, found 'reverse'"),
    (TOKEN, {"out": V}, "lightnet: argument 'out': expected (2, 4, 6), found (2, 5, 4, 6)"),
]


@pytest.mark.parametrize(("scan", "args", "settings", "message"), MISTAKES, ids=[m[3][:60] for m in MISTAKES])
def test_mistakes(scan: Any, args: tuple[Any, ...], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(LaunchError) as caught:
        scan(*args, **settings)
    assert str(caught.value).startswith(f"{scan.name}: ")
    assert str(caught.value).endswith(message)


@pytest.mark.parametrize(("args", "settings", "message"), STEP_MISTAKES, ids=[m[2][:60] for m in STEP_MISTAKES])
def test_step_mistakes(args: tuple[Any, ...], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(LaunchError) as caught:
        LIGHTNET.step(*args, **settings)
    assert str(caught.value).startswith("lightnet: ")
    assert str(caught.value).endswith(message)


def test_pools_of_different_sizes() -> None:
    """An entry must be in every pool."""
    with pytest.raises(LaunchError, match="expected entries of a pool of 5, from 0, found 6"):
        LIGHTNET.step(*TOKEN, state=(POOL[0], POOL[1][:5]), state_indices=np.array([6, 0]))


def test_noncausal_without_the_old_value() -> None:
    @td.scan
    def uses_old(x: td.In["D"], h: td.State["D"]):
        return h, h + x

    with pytest.raises(KernelError, match="uses the old value of state h, which a noncausal scan has not kept"):
        uses_old(Q, causal=False)


def test_an_axis_that_only_a_state_has() -> None:
    x = np.ones((2, 5, 4), np.float32)
    with pytest.raises(KernelError, match="the size of axis D is not known"):
        state_axis(x)
    expected = np.broadcast_to(3 * np.arange(1, 6, dtype=np.float32)[None, :, None], x.shape)
    np.testing.assert_array_equal(state_axis(x, D=3)[0], expected)
    np.testing.assert_array_equal(state_axis(x, initial_state=zeros(2, 4, 3))[0], expected)


# ---------------------------------------------------------------------------------------------------------------------
# Results
# ---------------------------------------------------------------------------------------------------------------------


def test_what_is_returned() -> None:
    o, final = LIGHTNET(Q, K, V)
    assert o.shape == V.shape
    assert final is None
    _, final = LIGHTNET(Q, K, V, output_final_state=True)
    assert isinstance(final, tuple)
    assert [x.shape for x in final] == [S.shape, Z.shape]
    _, final = steps.hgrn(Q, Q, output_final_state=True)
    assert final.shape == Z.shape
    o, _ = several(Q)
    assert isinstance(o, tuple)
    assert [x.shape for x in o] == [Q.shape, Q.shape[:3]]
    o, state = several.step(Q[:, 0])
    assert [x.shape for x in o] == [(2, 4, 3), (2, 4)]
    assert state.shape == (2, 4, 3)


def test_every_kind_of_input() -> None:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    inputs = {"x": draw(2, 5, 4, 3), "b": draw(2, 5, 6), "w": draw(6), "u": draw(4, 3)}
    settings = {"output_final_state": True}
    same(shared(**inputs, **settings), shared.reference(**inputs, **settings))
    grouped = {**inputs, "u": draw(2, 3)}
    same(shared(**grouped, **settings), shared.reference(**grouped, **settings))
    turned = {**inputs, "x": inputs["x"].swapaxes(1, 2).copy()}
    same(shared(**turned, head_first=True), shared.reference(**turned, head_first=True))
    first = {**inputs, "x": inputs["x"][:, 0], "b": inputs["b"][:, 0]}
    np.testing.assert_allclose(shared.step(**first)[0], shared(**inputs)[0][:, 0], rtol=1e-5, atol=1e-6)
    n = rng.integers(-9, 9, (2, 5, 4, 3)).astype(np.int32)
    more = {"x": inputs["x"], "y": draw(2, 5, 4, 6), "n": n}
    same(computed(**more), computed.reference(**more))


@td.scan
def gate_first(g: td.In["D", td.f32], x: td.In["D"], h: td.State["D"]):
    h = g * h + x
    return h, h


@td.scan
def all_f32(x: td.In["D", td.f32], h: td.State["D"]):
    h = h + x
    return h, h


def test_the_dtype_of_outputs() -> None:
    """That of the inputs without one of their own; where there are none, the scan's."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    assert gate_first(Q, Q.astype(ml_dtypes.bfloat16))[0].dtype == ml_dtypes.bfloat16
    assert gate_first(Q, Q.astype(np.uint16))[0].dtype == np.uint16
    assert gate_first(Q, Q.astype(np.float16))[0].dtype == np.float16
    assert all_f32(Q)[0].dtype == np.uint16  # bf16


def test_no_head() -> None:
    empty = [x[:, :, :0] for x in (Q, K, V)]
    assert LIGHTNET(*empty)[0].shape == (2, 5, 0, 6)


def test_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each set of constants, dtypes and settings, whatever the other sizes, strides and addresses."""

    @td.scan
    def fresh(x: td.In["D"], h: td.State["D"], *, a: td.Const = 1.0):
        h = h + a * x
        return h, h

    compiled: list[Any] = []
    real = compiler.CpuProgram
    monkeypatch.setattr(compiler, "CpuProgram", lambda *args: compiled.append(args) or real(*args))
    for T in (1, 2, 5):
        fresh(Q[:, :T])
        fresh(zeros(3, T, 7, 3))
        fresh(Q[:, :T].swapaxes(1, 2).copy(), head_first=True)
    assert len(compiled) == 1
    for settings in ({"a": 2.0}, {"output_final_state": True}, {"reverse": True}, {"fast_math": True}):
        fresh(Q, **settings)
        fresh(Q, **settings)
    assert len(compiled) == 5
    fresh(Q.astype(np.float16))
    fresh(V)
    assert len(compiled) == 7
    fresh.step(Q)
    fresh.step(Q[:, 0])
    assert len(compiled) == 7  # as a call for the final state
    fresh(Q, num_warps=1)
    assert len(compiled) == 8


def test_alignment() -> None:
    """Of the base and of the strides between values; the axes of a value do not count, nor do those of size 1."""
    whole = np.zeros(4096, np.uint8)
    base = whole[-whole.ctypes.data % 64 :]

    def view(offset: int, dtype: Any, *shape: int) -> Any:
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return base[offset : offset + count].view(dtype).reshape(shape)

    assert scan_arrays.alignment(view(0, np.float32, 2, 3, 4, 8), 3) == 16
    assert scan_arrays.alignment(view(0, np.float32, 2, 3, 4, 6), 3) == 8
    assert scan_arrays.alignment(view(0, np.float32, 2, 3, 4, 5), 3) == 4
    assert scan_arrays.alignment(view(0, np.float16, 2, 3, 4, 5), 3) == 2
    assert scan_arrays.alignment(view(8, np.float32, 2, 3, 4, 8), 3) == 8
    assert scan_arrays.alignment(view(2, np.float16, 2, 3, 4, 8), 3) == 2
    assert scan_arrays.alignment(view(0, np.float32, 4), 1) == 4
    assert scan_arrays.alignment(view(0, np.float32, 1), 1) == 16
    assert scan_arrays.alignment(view(0, np.float32, 4), 0) == 16
    assert scan_arrays.alignment(view(0, np.float32, 2, 3, 4, 8)[:, :, 1:, :], 3) == 16
    assert scan_arrays.alignment(view(0, np.float32, 2, 3, 4, 8)[..., 1:], 3) == 4


# ---------------------------------------------------------------------------------------------------------------------
# PyTorch, or what looks like it
# ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module torch with what is used of it."""
    fake = types.SimpleNamespace(float32="torch.float32", cuda=types.SimpleNamespace(is_initialized=lambda: False))
    monkeypatch.setitem(sys.modules, "torch", fake)


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_torch(dtype: str) -> None:
    """Tensors in, tensors out: bf16 and f32, packed, one token, in another layout."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    subject = BY_NAME["lightnet"]

    def tensors(arrays: Any) -> Any:
        if dtype == "f32":
            return {name: Tensor(x) for name, x in arrays.items()}
        return {name: Tensor(x.view(np.uint16), name="bfloat16") for name, x in arrays.items()}

    def number(tensor: Any) -> Any:
        return tensor.array.view(ml_dtypes.bfloat16) if tensor.name else tensor.array

    inputs = subject.inputs(5, B=1, dtype=dtype)
    ends = np.array([0, 2, 5], np.int32)
    settings = {"output_final_state": True}
    o, final = subject.scan(**tensors(inputs), cu_seqlens=Tensor(ends), **settings)
    assert isinstance(o, Tensor)
    assert [x.dtype for x in final] == ["torch.float32"] * 2
    got = number(o), tuple(x.array for x in final)
    same(got, subject.scan.reference(**inputs, cu_seqlens=ends, **settings))
    token = {name: x[:, 0] for name, x in tensors(inputs).items()}
    state = tuple(Tensor(x) for x in subject.states(1))
    first = tuple(x.array.copy() for x in state)
    o, after = subject.scan.step(**token, state=state, out_state=state)
    expected = subject.scan.reference(**{name: x[:, :1] for name, x in inputs.items()}, initial_state=first, **settings)
    same((number(o)[:, None], tuple(x.array for x in after)), expected)
    assert o.shape == (1, 2, 7)
    turned = {name: x.swapaxes(1, 2) for name, x in tensors(inputs).items()}
    same((number(subject.scan(**turned, head_first=True)[0].swapaxes(1, 2)), None), subject.scan.reference(**inputs))


class Compiled:
    """Like an open bundle."""

    def __init__(self, launched: list[Any], grid: tuple[int, int, int]) -> None:
        self.launched, self.grid = launched, grid
        self.params: list[Any] = []

    def bundle(self) -> "Compiled":
        return self

    def prepare(self, **arguments: Any) -> Any:
        assert "stream" not in arguments
        self.params = [types.SimpleNamespace(name=name, is_tensor=True, shape=()) for name in arguments]

        def launch(stream: Any) -> None:
            self.launched.append({**arguments, "stream": stream})

        def launch_pointers(pointers: list[int], stream: Any) -> None:
            self.launched.append({**dict(zip(arguments, pointers, strict=True)), "stream": stream})

        return types.SimpleNamespace(
            launches=[types.SimpleNamespace(grid=self.grid)], launch=launch, launch_pointers=launch_pointers, views=()
        )


def at(tensor: Any) -> int:
    """The address of a tensor, or the address that stands for one."""
    return tensor if isinstance(tensor, int) else tensor.data_ptr()


def compiled_for(monkeypatch: pytest.MonkeyPatch, grid: tuple[int, int, int]) -> tuple[list[Any], list[Any]]:
    """What is compiled from now on, without a compiler for it, and what is launched."""
    asked: list[Any] = []
    launched: list[Any] = []

    def compile_text(text: str, options: Any) -> Any:
        asked.append((text, options))
        return Compiled(launched, grid)

    monkeypatch.setattr(compiler, "compile_text", compile_text)
    for remembered in ("_bundles", "_plans", "_several_blocks"):
        monkeypatch.setattr(scan_call, remembered, weakref.WeakKeyDictionary())
    monkeypatch.setattr(scan_call, "arch_of", lambda device: f"sm_{device}")
    return asked, launched


def cuda(array: Any) -> Tensor:
    return Tensor(array, "cuda:3")


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("blocks", [1, 2])
def test_in_place_on_a_gpu(blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where several blocks work on one head, states are read from copies, made on the stream of the launch."""
    _, launched = compiled_for(monkeypatch, (blocks, 4, 2))
    streams: list[Any] = []
    fake: Any = sys.modules["torch"]
    fake.cuda.ExternalStream = lambda address, device: (address, device)

    @contextlib.contextmanager
    def stream(which: Any) -> Any:
        streams.append(which)
        yield

    fake.cuda.stream = stream

    @td.scan
    def fresh(x: td.In["D"], h: td.State["D"], n: td.State):
        h = h + x
        return h * n, h, n + 1

    @td.scan
    def single(x: td.In["D"], h: td.State["D"]):
        h = h + x
        return h, h

    x, state = cuda(Q[:, 0]), (cuda(zeros(2, 4, 3)), cuda(zeros(2, 4)))
    fresh.step(x, state=state, out_state=state)
    fresh.step(x, state=state, out_state=state, stream=5)
    fresh.step(x, state=state)
    for arguments, in_place in zip(launched, (True, True, False), strict=True):
        for name, whole in zip(("h", "n"), state, strict=True):
            is_copied = at(arguments[f"{name}_initial"]) != at(whole)
            assert is_copied == (in_place and blocks > 1)
            assert (at(arguments[f"{name}_final"]) == at(whole)) == in_place
    assert streams == ([(5, 3)] * 2 if blocks > 1 else [])
    single.step(x, state=state[0], out_state=state[0])
    assert launched[-1]["h_initial"] is launched[-1]["h_final"] is state[0]


@pytest.mark.usefixtures("torch")
def test_calls_that_are_like_earlier_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read, compiled or prepared again; addresses and new arrays are those of the call."""
    asked, launched = compiled_for(monkeypatch, (1, 4, 2))
    bound: list[Any] = []
    monkeypatch.setattr(scan_call, "bind", lambda *args, **kwargs: bound.append(args) or bind(*args, **kwargs))

    def fresh() -> list[Tensor]:
        return [cuda(zeros(1, 5, 4, 8)) for _ in range(3)]

    one, two = fresh(), fresh()
    first, _ = LIGHTNET(*one)
    second, none = LIGHTNET(*two, stream=7)
    assert len(bound) == len(asked) == 1
    assert none is None
    assert second.shape == first.shape
    assert launched[1] == {**{n: at(x) for n, x in zip("qkvo", (*two, second), strict=True)}, "stream": 7}
    LIGHTNET(*two, output_final_state=True)
    o, state = LIGHTNET(*one, output_final_state=True)
    assert [at(x) for x in (o, *state)] == [launched[3][n] for n in ("o", "S_final", "z_final")]
    assert len(bound) == 2

    # The same array twice is not two arrays.
    LIGHTNET(one[0], one[0], one[1])
    LIGHTNET(*one)
    assert [launched[5][n] for n in "qkv"] == [at(x) for x in one]

    pools = [(cuda(zeros(3, 4, 8, 8)), cuda(zeros(3, 4, 8))) for _ in range(2)]
    entries = cuda(np.array([1]))
    for pool in pools:
        o, after = LIGHTNET.step(*(x[:, 0] for x in one), state=pool, state_indices=entries)
        assert all(a is b for a, b in zip(after, pool, strict=True))
    assert launched[7]["S_initial"] == launched[7]["S_final"] == at(pools[1][0])
    known = len(bound)

    # What is not like them: other sizes, alignments, dtypes, states changed in place or not.
    shorter, odd = [x[:, :3] for x in one], cuda(zeros(1, 5, 4, 9))[..., 1:]
    LIGHTNET(*shorter)
    LIGHTNET(one[0], one[1], odd)
    LIGHTNET.step(*(x[:, 0] for x in one), state=pools[0], out_state=pools[1], state_indices=entries)
    assert len(bound) == known + 3


@pytest.mark.usefixtures("torch")
def test_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled and launched: for the device's architecture, with alignments, on the stream; nothing is read."""
    asked, launched = compiled_for(monkeypatch, (1, 4, 2))
    q, k, v = (cuda(zeros(1, 5, 4, 8)) for _ in range(3))
    ends = cuda(np.array([9, 9, 9]))
    o, final = LIGHTNET(q, k, v, cu_seqlens=ends, output_final_state=True, stream=77)
    (text, options), (arguments,) = asked[0], launched
    assert options["arch"] == "sm_3"
    assert options["dtype"] == "f32"
    assert options["constants"] == {"K": 8, "V": 8, "chunk": 0, "num_warps": 0}
    assert "treadle.align = 16" in text
    assert "treadle.packed" in text
    assert arguments["stream"] == 77
    assert arguments["cu_seqlens"] is ends
    assert arguments["q"] is q
    assert set(arguments) == {"q", "k", "v", "o", "S_final", "z_final", "cu_seqlens", "stream"}
    assert [x.place for x in (o, *final)] == ["cuda:3"] * 3
    LIGHTNET(q, k, v, on="gpu", cu_seqlens=ends, output_final_state=True)
    assert len(asked) == 1
    assert len(launched) == 2

    pool = cuda(zeros(3, 4, 8, 8)), cuda(zeros(3, 4, 8))
    LIGHTNET.step(q[:, 0], k[:, 0], v[:, 0], state=pool, state_indices=cuda(np.array([99], np.int32)))
    assert launched[2]["state_indices"].array.dtype == np.int64
    assert launched[2]["S_initial"] is launched[2]["S_final"] is pool[0]
    assert "treadle.indexed" in asked[1][0]

    with pytest.raises(LaunchError, match="expected arrays on the CPU, found them on a CUDA device"):
        LIGHTNET(q, k, v, on="sim")
    wrong = [
        (V, "one of PyTorch on CUDA device 3, as 'q' is, found one of NumPy"),
        (Tensor(V), "one of PyTorch on CUDA device 3, as 'q' is, found one of PyTorch on the CPU"),
        (Tensor(V, "cuda:1"), "one of PyTorch on CUDA device 3, as 'q' is, found one of PyTorch on CUDA device 1"),
    ]
    for other, message in wrong:
        with pytest.raises(LaunchError, match=f"argument 'v': expected {message}"):
            LIGHTNET(q, k, other)
    with pytest.raises(LaunchError, match="argument 'cu_seqlens': expected one of PyTorch on CUDA device 3"):
        LIGHTNET(q, k, v, cu_seqlens=np.array([0, 5]))
