"""Scans along one of several axes of positions, compared with the reference of every line alone."""

import contextlib
import itertools
import sys
import types
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import steps
import treadle as td
from scan_checks import listed, same, stored
from torch_like import Tensor
from treadle import compiler
from treadle.errors import LaunchError, TreadleError
from treadle.runtime import scan_axes, scan_call
from treadle.runtime.scan_call import one_or_all
from vjp_checks import check, weights

try:
    compiler.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

SIZES = {1: (7,), 2: (3, 5), 3: (3, 2, 4)}
"""Of the axes of positions, by their number: small, and all different."""
ALONG = [(m, axis) for m in SIZES for axis in range(1, m + 1)]
B, H, K, V = 2, 4, 3, 5


def draw(*shape: int, seed: int = 0, dtype: str = "f32") -> Any:
    return stored(0.5 * np.random.default_rng([seed, *shape]).standard_normal(shape), dtype)


def zeros(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


@td.scan
def total(x: td.In["D"], h: td.State["D"]):
    h = h + x
    return h, h


@td.scan
def every_kind(x: td.In["D"], y: td.In["D"], b: td.Shared["N"], w: td.Param["N"], u: td.PerHead["D"], h: td.State["D"]):
    h = h / (1 + y * y) + x * (b @ w) + u
    return h, h.sum(), h


@td.scan
def short(x: td.In["D"], n: td.Window["D", 3], h: td.State["D"]):
    h = 0.5 * h + x
    return h * n.sum(0), h


@td.scan
def only_shared(b: td.Shared["N"], u: td.PerHead, h: td.State["N"]):
    h = u * h + b
    return h, h


@td.scan
def shares(x: td.In["D"], u: td.PerHead["D"], h: td.State["D"]):
    h = td.tanh(u) * h + x
    return u * h, h


@td.scan
def timeless(u: td.PerHead["D"], h: td.State["D"]):
    h = h + u
    return h, h


def retention(sizes: tuple[int, ...], dtype: str = "f32") -> dict[str, Any]:
    """Inputs of a step in normal form: grouped, with a decay for each group."""
    return {
        "q": draw(B, *sizes, H, K, seed=1, dtype=dtype),
        "k": draw(B, *sizes, 2, K, seed=2, dtype=dtype),
        "v": draw(B, *sizes, 2, V, seed=3, dtype=dtype),
        "log_decay": -np.abs(draw(2)),
    }


def lightnet(sizes: tuple[int, ...]) -> dict[str, Any]:
    return {name: draw(B, *sizes, H, size, seed=size) for name, size in (("q", K), ("k", K), ("v", V))}


def kinds(sizes: tuple[int, ...]) -> dict[str, Any]:
    return {
        "x": draw(B, *sizes, H, K, seed=1),
        "y": draw(B, *sizes, H, K, seed=2),
        "b": draw(B, *sizes, 6, seed=3),
        "w": draw(6),
        "u": draw(2, K),
    }


def window(sizes: tuple[int, ...]) -> dict[str, Any]:
    return {"x": draw(B, *sizes, H, K, seed=1), "n": draw(B, *sizes, H, K, seed=2)}


def shared(sizes: tuple[int, ...]) -> dict[str, Any]:
    return {"b": draw(B, *sizes, 6, seed=3), "u": draw(H, seed=4)}


CASES: list[tuple[Any, Any]] = [
    (steps.lightning_attention, retention),
    (steps.lightnet, lightnet),
    (steps.delta_rule, lambda sizes: {**lightnet(sizes), "beta": np.abs(draw(B, *sizes, H))}),
    (every_kind, kinds),
    (short, window),
    (only_shared, shared),
]


def others(sizes: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return sizes[: axis - 1] + sizes[axis:]


def line_by_line(
    scan: Any, axis: int, sizes: tuple[int, ...], inputs: dict[str, Any], initial_state: Any = None, **settings: Any
) -> tuple[Any, Any]:
    """The outputs and final states of a loop over all lines along an axis, each for itself."""
    params = {p.name: p for p in scan.inputs}
    outputs: list[Any] = []
    final: list[Any] = []
    for at in itertools.product(*map(range, others(sizes, axis))):
        line = (slice(None), *at[: axis - 1], slice(None), *at[axis - 1 :])
        mine = {name: x[line] if "T" in params[name].indices else x for name, x in inputs.items()}
        start = tuple(state[(slice(None), *at)] for state in listed(initial_state)) if initial_state else None
        o, states = scan.reference(**mine, initial_state=start, output_final_state=True, **settings)
        if not outputs:
            outputs = [np.empty((B, *sizes, *x.shape[2:])) for x in listed(o)]
            final = [np.empty((B, *others(sizes, axis), *x.shape[1:])) for x in listed(states)]
        for whole, part in zip(outputs, listed(o), strict=True):
            whole[line] = part
        for whole, part in zip(final, listed(states), strict=True):
            whole[(slice(None), *at)] = part
    return one_or_all(outputs), one_or_all(final)


def states_of(scan: Any, inputs: dict[str, Any], axis: int) -> tuple[Any, ...]:
    """States that the step could have reached, for every line."""
    _, final = scan.reference(**inputs, axis=axis, reverse=True, output_final_state=True)
    return tuple(state.astype(np.float32) for state in listed(final))


# ---------------------------------------------------------------------------------------------------------------------
# Results
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("m", "axis"), ALONG)
@pytest.mark.parametrize(("scan", "inputs"), CASES, ids=[case[0].name for case in CASES])
def test_every_line(scan: Any, inputs: Any, m: int, axis: int) -> None:
    sizes = SIZES[m]
    given = inputs(sizes)
    for reverse, started in ((False, False), (True, True)):
        settings: dict[str, Any] = {"reverse": reverse}
        if started:
            settings["initial_state"] = states_of(scan, given, axis)
        expected = line_by_line(scan, axis, sizes, given, **settings)
        for part, other in zip(
            scan.reference(**given, axis=axis, output_final_state=True, **settings), expected, strict=True
        ):
            for x, y in zip(listed(part), listed(other), strict=True):
                np.testing.assert_array_equal(x, y)
        result = scan(**given, axis=axis, output_final_state=True, **settings)
        same(result, expected, scan.name)
        assert all(x.flags.c_contiguous for x in (*listed(result[0]), *listed(result[1])))


@pytest.mark.parametrize(("m", "axis"), ALONG)
def test_noncausal(m: int, axis: int) -> None:
    given = lightnet(SIZES[m])
    settings: dict[str, Any] = {"causal": False, "reverse": True}
    expected = line_by_line(steps.lightnet, axis, SIZES[m], given, **settings)
    same((steps.lightnet(**given, axis=axis, **settings)[0], None), (expected[0], None))
    same((steps.lightnet(**given, axis=axis, **settings)[0], None),
         (steps.lightnet.reference(**given, axis=axis, **settings)[0], None))  # fmt: skip


@pytest.mark.parametrize("m", [2, 3])
def test_both_ways_along_every_axis(m: int) -> None:
    """Sums from both ends of every line, less what both have, against NumPy's."""
    x = draw(B, *SIZES[m], H, K)
    got, expected = np.zeros_like(x), np.zeros(x.shape)
    for axis in range(1, m + 1):
        got += total(x, axis=axis)[0] + total(x, axis=axis, reverse=True)[0] - x
        expected += x.sum(axis, keepdims=True, dtype=np.float64)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    last = total.reference(x, axis=m, output_final_state=True)[1]
    np.testing.assert_allclose(last, x.sum(m, dtype=np.float64), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_in_chunks(axis: int, dtype: str) -> None:
    """Lines that are long enough for kernels that work on chunks, in parts that run side by side."""
    sizes = [3, 3]
    sizes[axis - 1] = 40
    given = retention((sizes[0], sizes[1]), dtype)
    expected = line_by_line(steps.lightning_attention, axis, (sizes[0], sizes[1]), given)
    settings = {"axis": axis, "output_final_state": True, "chunk": 16}
    same(steps.lightning_attention(**given, **settings), expected)
    same(steps.lightning_attention(**given, **settings, segments=2), expected)


def test_simulated() -> None:
    given = retention((3, 5))
    for axis in (1, 2):
        o, _ = steps.lightning_attention(**given, axis=axis, on="sim", arch="sm_80")
        same((o, None), (steps.lightning_attention.reference(**given, axis=axis)[0], None))


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_any_strides(axis: int) -> None:
    """Arrays whose axes cannot be merged without a copy give what row-major ones give."""
    for scan, inputs in CASES:
        given = inputs(SIZES[3])
        expected = scan(**given, axis=axis)[0]
        turned = {}
        for name, x in given.items():
            spread = np.zeros([2 * size for size in x.shape[:-1]] + [x.shape[-1]], x.dtype)
            spread[tuple(slice(None, None, 2) for _ in x.shape[:-1])] = x
            turned[name] = spread[tuple(slice(None, None, 2) for _ in x.shape[:-1])]
        before = {name: x.copy() for name, x in turned.items()}
        for one, other in zip(listed(scan(**turned, axis=axis)[0]), listed(expected), strict=True):
            np.testing.assert_array_equal(one, other)
        assert all(np.array_equal(x, turned[name]) for name, x in before.items())


def test_what_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of row-major arrays nothing, unless there is a td.Shared and positions come after those of the axis."""

    def called(scan: Any, axis: int, given: dict[str, Any]) -> list[bool]:
        """Whether each input with positions is seen where it is."""
        lines = scan_axes.Lines(scan, axis, (), given)
        flat = lines.inputs(lines.flat)[1]
        return [np.shares_memory(flat[p.name], given[p.name]) for p in scan.inputs if "T" in p.indices]

    for m, axis in ALONG:
        assert all(called(steps.lightning_attention, axis, retention(SIZES[m])))
        assert all(called(every_kind, axis, kinds(SIZES[m]))) == (axis == m)
    one_image = {name: x[:1] if x.ndim > 2 else x for name, x in kinds((3, 5)).items()}
    assert all(called(every_kind, 1, one_image))


@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("empty", [0, 1, 2, 3])
def test_no_position(axis: int, empty: int) -> None:
    """No sequence, or no position on one of the axes."""
    sizes = [B, *SIZES[3]]
    sizes[empty] = 0
    x, b = zeros(*sizes, H, K), zeros(*sizes, 6)
    several = {"x": x, "y": x, "b": b, "w": zeros(6), "u": zeros(H, K)}
    for scan, given in ((total, {"x": x}), (every_kind, several)):
        for run in (scan, scan.reference):
            o, state = run(**given, axis=axis, output_final_state=True)
            assert listed(o)[0].shape == x.shape
            assert state.shape == (*sizes[:axis], *sizes[axis + 1 :], H, K)
            assert (state == 0).all()


def test_one_axis_is_as_without() -> None:
    given = lightnet((5,))
    for run in (steps.lightnet, steps.lightnet.reference):
        for one, other in zip(
            run(**given, axis=1, output_final_state=True), run(**given, output_final_state=True), strict=True
        ):
            for x, y in zip(listed(one), listed(other), strict=True):
                np.testing.assert_array_equal(x, y)


def test_by_position_and_by_name() -> None:
    given = retention((3, 5))
    names = list(given)
    several, rest = (given["q"], given["k"]), {n: given[n] for n in names[2:]}
    o, _ = steps.lightning_attention(**given, axis=2)
    np.testing.assert_array_equal(o, steps.lightning_attention(*several, **rest, axis=2)[0])
    found, expected = (
        steps.lightning_attention.vjp(*args, **named, axis=2)[1](o) for args, named in ((several, rest), ((), given))
    )
    for name in names:
        np.testing.assert_array_equal(found[name], expected[name])


# ---------------------------------------------------------------------------------------------------------------------
# Gradients
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("m", "axis"), ALONG)
@pytest.mark.parametrize(("scan", "inputs"), CASES, ids=[case[0].name for case in CASES])
def test_gradients(scan: Any, inputs: Any, m: int, axis: int) -> None:
    given = inputs(SIZES[m])
    check(scan, given, axis=axis)
    check(scan, given, axis=axis, reverse=True, initial_state=one_or_all(states_of(scan, given, axis)))


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_gradients_where_not_causal(axis: int) -> None:
    check(steps.lightnet, lightnet(SIZES[3]), axis=axis, causal=False)


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
def test_gradients_in_chunks(axis: int, dtype: str) -> None:
    """What all lines share has gradients that are added up in f32, and in a fixed order."""
    given = retention((40, 3) if axis == 1 else (3, 40), dtype)
    first = check(steps.lightning_attention, given, axis=axis, chunk=16)
    again = check(steps.lightning_attention, given, axis=axis, chunk=16)
    for name, g in first.items():
        np.testing.assert_array_equal(g, again[name])
    check(steps.lightning_attention, given, axis=axis, segments=2)
    several = kinds((40, 3) if axis == 1 else (3, 40))
    check(every_kind, {n: stored(x, dtype) if n in "xyb" else x for n, x in several.items()}, axis=axis)
    check(shares, {"x": draw(B, 7, 6, H, K, dtype=dtype), "u": draw(2, K, seed=2)}, axis=axis)


def test_some_gradients() -> None:
    given = kinds((3, 5))
    (o, h), pullback = every_kind.vjp(**given, axis=1, output_final_state=True)
    full = weights(o), weights(h)
    every = pullback(*full)
    assert {name: (g.shape, g.dtype) for name, g in every.items()} == {n: (x.shape, x.dtype) for n, x in given.items()}
    found = pullback(*full, gradients=["u", "b"])
    assert found.keys() == {"u", "b"}
    for name, g in found.items():
        np.testing.assert_allclose(g, every[name], rtol=1e-5, atol=1e-5)
    assert not any(g.any() for g in pullback(None).values())
    zeroed = (full[0][0], np.zeros_like(full[0][1])), np.zeros_like(full[1])
    for name, g in pullback((full[0][0], None)).items():
        np.testing.assert_allclose(g, pullback(*zeroed)[name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("empty", [0, 1, 2, 3])
def test_gradients_where_there_is_no_position(axis: int, empty: int) -> None:
    sizes = [B, *SIZES[3]]
    sizes[empty] = 0
    x = zeros(*sizes, H, K)
    for scan, given in ((total, {"x": x}), (shares, {"x": x, "u": zeros(2, K)})):
        (_, h), pullback = scan.vjp(**given, axis=axis, initial_state=states_of(scan, given, axis))
        assert h is None
        found = pullback(x)
        assert {name: g.shape for name, g in found.items() if name in given} == {n: y.shape for n, y in given.items()}
        assert not any(g.any() for g in found.values())


# ---------------------------------------------------------------------------------------------------------------------
# PyTorch, or what looks like it
# ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module torch with what is used of it."""
    fake = types.SimpleNamespace(float32="torch.float32", cuda=types.SimpleNamespace(is_initialized=lambda: False))
    monkeypatch.setitem(sys.modules, "torch", fake)
    return fake


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize(("scan", "inputs"), CASES, ids=[case[0].name for case in CASES])
def test_torch(scan: Any, inputs: Any) -> None:
    """Tensors in, tensors out."""
    for m, axis in ALONG:
        given = inputs(SIZES[m])
        start = states_of(scan, given, axis)
        tensors = {name: Tensor(x) for name, x in given.items()}
        settings = {"axis": axis, "output_final_state": True}
        got = scan(**tensors, **settings, initial_state=tuple(map(Tensor, start)))
        expected = scan(**given, **settings, initial_state=start)
        for part, other in zip(got, expected, strict=True):
            for x, y in zip(listed(part), listed(other), strict=True):
                assert isinstance(x, Tensor)
                np.testing.assert_array_equal(x.array, y)


@pytest.mark.parametrize(("scan", "inputs"), [(total, None), (every_kind, kinds)], ids=["total", "every_kind"])
def test_copies_are_made_on_the_stream(scan: Any, inputs: Any, torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is done with tensors on a GPU, launches as well, is on the stream that was given."""
    inside: list[Any] = []
    streams: list[Any] = []
    torch.cuda.ExternalStream = lambda address, device: (address, device)

    @contextlib.contextmanager
    def stream(which: Any) -> Iterator[None]:
        streams.append(which)
        inside.append(which)
        yield
        inside.pop()

    torch.cuda.stream = stream
    worked: list[bool] = []

    def noted(real: Any) -> Any:
        def method(self: Tensor, *args: Any) -> Any:
            worked.append(bool(inside))
            return real(self, *args)

        return method

    for name in ("reshape", "permute", "contiguous", "repeat"):
        monkeypatch.setattr(Tensor, name, noted(getattr(Tensor, name)))
    launched: list[Any] = []

    class Compiled:
        params = ()

        def bundle(self) -> Any:
            return self

        def prepare(self, **arguments: Any) -> Any:
            self.params = [types.SimpleNamespace(name=name, is_tensor=True, shape=()) for name in arguments]
            return types.SimpleNamespace(
                launch=launched.append, launch_pointers=lambda _, s: launched.append(s), views=()
            )

    monkeypatch.setattr(compiler, "compile_text", lambda *_: Compiled())
    monkeypatch.setattr(scan_call, "arch_of", lambda device: f"sm_{device}")
    for remembered in ("_bundles", "_plans"):
        monkeypatch.setattr(scan_call, remembered, weakref.WeakKeyDictionary())
    given = {"x": draw(B, 3, 5, H, K)} if inputs is None else inputs((3, 5))
    tensors = {name: Tensor(x, "cuda:3") for name, x in given.items()}
    for _ in range(2):  # prepared, then as before
        o, _ = scan(**tensors, axis=1, stream=77)
        assert listed(o)[0].shape == (B, 3, 5, H, K)
        assert listed(o)[0].place == "cuda:3"
    assert streams == [(77, 3)] * 2
    assert launched == [77, 77]
    assert worked
    assert all(worked)
    scan(**tensors, axis=1)
    assert len(streams) == 2
    assert launched == [77, 77, None]


# ---------------------------------------------------------------------------------------------------------------------
# Mistakes
# ---------------------------------------------------------------------------------------------------------------------


@td.scan
def clash(axis: td.In["D"], h: td.State["D"]):
    h = h + axis
    return h, h


LIGHTNET = steps.lightnet
Q, VALUES = zeros(2, 3, 5, 4, 3), zeros(2, 3, 5, 4, 6)
QKV = (Q, Q, VALUES)
S, Z = zeros(2, 5, 4, 3, 6), zeros(2, 5, 4, 3)  # of lines along axis 1
RANGE = "expected a number from 1 to 2, an axis of positions of [B, T1, T2, H, K], found "
KINDS = kinds((3, 5))

MISTAKES: list[tuple[Any, Any, dict[str, Any], str]] = [
    # the axis
    (LIGHTNET, QKV, {"axis": 0}, f"argument 'axis': {RANGE}0"),
    (LIGHTNET, QKV, {"axis": 3}, f"argument 'axis': {RANGE}3"),
    (LIGHTNET, QKV, {"axis": -1}, f"argument 'axis': {RANGE}-1"),
    (LIGHTNET, QKV, {"axis": True}, f"argument 'axis': {RANGE}True"),
    (LIGHTNET, QKV, {"axis": 1.0}, f"argument 'axis': {RANGE}1.0"),
    (
        LIGHTNET,
        tuple(x[:, 0] for x in QKV),
        {"axis": 2},
        "argument 'axis': expected 1, an axis of positions of [B, T, H, K], found 2",
    ),
    (timeless, (zeros(4, 3),), {}, "argument 'axis': expected None, where no input has positions, found 1"),
    (clash, (Q,), {}, "argument 'axis': expected a name that is not an argument of every scan; rename the parameter"),
    # what does not go with it
    (LIGHTNET, QKV, {"cu_seqlens": np.array([0, 3])}, "argument 'cu_seqlens': expected None with axis, found ndarray"),
    (LIGHTNET, QKV, {"head_first": True}, "argument 'head_first': expected False with axis, found True"),
    # what is no array
    (LIGHTNET, (Q, Q), {}, "argument 'v': expected an array, found none"),
    (LIGHTNET, (Q, 3, VALUES), {}, "argument 'k': expected an array of NumPy or PyTorch, found int"),
    (LIGHTNET, (3, Q, VALUES), {}, "argument 'q': expected an array of NumPy or PyTorch, found int"),
    (LIGHTNET, (*QKV, Q), {}, "expected at most 3 inputs by position (q, k, v), found 4"),
    (LIGHTNET, QKV, {"q": Q}, "argument 'q': expected it once, found it by position and by name"),
    (every_kind, (), {**KINDS, "u": 3}, "argument 'u': expected an array of NumPy or PyTorch, found int"),
    # shapes
    (LIGHTNET, (Q[0], Q, VALUES), {}, "argument 'k': expected 4 axes [B, T, H, K], found 5: (2, 3, 5, 4, 3)"),
    (LIGHTNET, (Q, Q[0], VALUES), {}, "argument 'k': expected 5 axes [B, T1, T2, H, K], found 4: (3, 5, 4, 3)"),
    (LIGHTNET, (zeros(2, 3), Q, VALUES), {}, "argument 'q': expected 4 axes [B, T, H, K], found 2: (2, 3)"),
    (LIGHTNET, (Q, Q[:, :2], VALUES), {}, "argument 'k': expected T1 = 3, as other inputs, found 2"),
    (LIGHTNET, (Q, Q, VALUES[:, :, :4]), {}, "argument 'v': expected T2 = 5, as other inputs, found 4"),
    (LIGHTNET, (Q, Q[:1], VALUES), {}, "argument 'k': expected B = 2, as other inputs, found 1"),
    (LIGHTNET, (Q, Q[..., :2], VALUES), {}, "argument 'k': expected K = 3, found 2"),
    (
        every_kind,
        (),
        {**KINDS, "b": zeros(2, 3, 6)},
        "argument 'b': expected 4 axes [B, T1, T2, N], found 3: (2, 3, 6)",
    ),
    (
        steps.lightning_attention,
        QKV,
        {"log_decay": zeros(2, 4)},
        "argument 'log_decay': expected 1 axes [H], found 2: (2, 4)",
    ),
    # heads, as many as the caller sees
    (LIGHTNET, (Q, Q[..., :3, :], VALUES), {}, "argument 'k': expected a number of heads that divides 4, found 3"),
    (
        steps.lightning_attention,
        QKV,
        {"log_decay": zeros(3)},
        "argument 'log_decay': expected a number of heads that divides 4, found 3",
    ),
    # dtypes
    (LIGHTNET, (Q, Q, VALUES.astype("f2")), {}, "argument 'v': expected f32, as 'q' is, found f16"),
    # states
    (LIGHTNET, QKV, {"initial_state": S}, "argument 'initial_state': expected a tuple of 2 arrays (S, z), found one"),
    (
        LIGHTNET,
        QKV,
        {"initial_state": (S, None)},
        "argument 'initial_state[z]': expected an array of NumPy or PyTorch, found NoneType",
    ),
    (
        LIGHTNET,
        QKV,
        {"initial_state": (S[:, 0], Z)},
        "argument 'initial_state[S]': expected 5 axes [B, T2, H, K, V], found 4: (2, 4, 3, 6)",
    ),
    (
        LIGHTNET,
        QKV,
        {"initial_state": (S, Z), "axis": 2},
        "argument 'initial_state[S]': expected T1 = 3, as inputs, found 5",
    ),
    (
        LIGHTNET,
        QKV,
        {"initial_state": (S[:1], Z)},
        "argument 'initial_state[S]': expected [B, H, K, V] = (2, 4, 3, 6), found (1, 4, 3, 6)",
    ),
    (
        LIGHTNET,
        QKV,
        {"initial_state": (S, Z[:, :, :2])},
        "argument 'initial_state[z]': expected [B, H, K] = (2, 4, 3), found (2, 2, 3)",
    ),
    (
        total,
        (Q,),
        {"initial_state": Z[0]},
        "argument 'initial_state': expected 4 axes [B, T2, H, D], found 3: (5, 4, 3)",
    ),
]

CALL_MISTAKES: list[tuple[Any, Any, dict[str, Any], str]] = [
    (LIGHTNET, QKV, {"out": VALUES}, "argument 'out': expected None with axis, found ndarray"),
    (LIGHTNET, QKV, {"initial_state": (S, Z.astype("f2"))}, "argument 'initial_state[z]': expected f32, found f16"),
    (LIGHTNET, QKV, {"segments": 0}, "argument 'segments': expected a number from 1, or None, found 0"),
    (LIGHTNET, QKV, {"scale": 1}, "reverse, segments, stream, found 'scale'"),
    (LIGHTNET, QKV, {"on": "gpu"}, "expected arrays on a CUDA device, found them on the CPU"),
    (LIGHTNET, QKV, {"axis": None}, "argument 'q': expected 4 axes [B, T, H, K], found 5: (2, 3, 5, 4, 3)"),
]


def fails(call: Any, scan: Any, args: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(LaunchError) as caught:
        call(*args, **{"axis": 1, **settings})
    assert str(caught.value).startswith(f"{scan.name}: ")
    assert str(caught.value).endswith(message)


@pytest.mark.parametrize(("scan", "args", "settings", "message"), MISTAKES, ids=[m[3][:60] for m in MISTAKES])
def test_mistakes(scan: Any, args: Any, settings: dict[str, Any], message: str) -> None:
    runs = [scan, scan.vjp]
    if "'v': expected f32" not in message:  # references take any dtype
        runs += [scan.reference, scan.reference_vjp]
    for run in runs:
        fails(run, scan, args, settings, message)


@pytest.mark.parametrize(("scan", "args", "settings", "message"), CALL_MISTAKES, ids=[m[3][:60] for m in CALL_MISTAKES])
def test_mistakes_of_calls(scan: Any, args: Any, settings: dict[str, Any], message: str) -> None:
    fails(scan, scan, args, settings, message)
    fails(scan.vjp, scan, args, settings, "argument 'out': vjp does not take it" if "out" in settings else message)


GRADIENT_MISTAKES: list[tuple[Any, Any, str]] = [
    (VALUES[:1], None, "'o_grad': expected (2, 3, 5, 4, 6), found (1, 3, 5, 4, 6)"),
    (VALUES.reshape(10, 3, 4, 6), None, "'o_grad': expected (2, 3, 5, 4, 6), found (10, 3, 4, 6)"),
    ((VALUES, VALUES), None, "'o_grad': expected one array, found 2"),
    (VALUES.astype("f2"), None, "'o_grad': expected f32, found f16"),
    ("o", None, "'o_grad': expected an array of NumPy or PyTorch, found str"),
    (VALUES, S, "'final_state_grad': expected a tuple of 2 arrays (S, z), found one"),
    (VALUES, (S, None), "'final_state_grad[z]': expected an array of NumPy or PyTorch, found NoneType"),
    (VALUES, (S[:, 0], Z), "'final_state_grad[S]': expected 5 axes [B, T2, H, K, V], found 4: (2, 4, 3, 6)"),
    (VALUES, (S[:, :3], Z), "'final_state_grad[S]': expected T2 = 5, as inputs, found 3"),
    (VALUES, (S, Z[:1]), "'final_state_grad[z]': expected [B, H, K] = (2, 4, 3), found (1, 4, 3)"),
    (VALUES, (S, Z.astype("f2")), "'final_state_grad[z]': expected f32, found f16"),
]


@pytest.mark.parametrize(("o", "final", "message"), GRADIENT_MISTAKES, ids=[m[2][:60] for m in GRADIENT_MISTAKES])
def test_wrong_gradients(o: Any, final: Any, message: str) -> None:
    _, pullback = LIGHTNET.vjp(*QKV, axis=1, output_final_state=True)
    with pytest.raises(LaunchError) as caught:
        pullback(o, final)
    assert str(caught.value) == f"lightnet: argument {message}"


def test_a_wrong_gradient_of_several() -> None:
    (o, _), pullback = every_kind.vjp(**KINDS, axis=2)
    with pytest.raises(LaunchError, match=r"every_kind: argument 'o_grad\[o1\]': expected \(2, 3, 5, 4\), found"):
        pullback((o[0], o[0]))
    with pytest.raises(LaunchError, match="argument 'gradients': expected some of x, y, b, w, u, found 'z'"):
        pullback(o, gradients=["z"])


def test_a_mistake_where_there_is_no_line() -> None:
    x = zeros(2, 3, 0, 4, 3)
    with pytest.raises(LaunchError, match="argument 'k': expected a number of heads that divides 4, found 3"):
        LIGHTNET(x, x[..., :3, :], x, axis=1)


@pytest.mark.usefixtures("torch")
def test_arrays_in_different_places() -> None:
    with pytest.raises(LaunchError, match="argument 'k': expected one of NumPy, as 'q' is, found one of PyTorch"):
        LIGHTNET(Q, Tensor(Q), VALUES, axis=1)


def test_a_step_has_no_axis() -> None:
    with pytest.raises(LaunchError, match="found 'axis'"):
        LIGHTNET.step(*(x[:, 0, 0] for x in QKV), axis=1)
