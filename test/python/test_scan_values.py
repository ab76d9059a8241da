"""Values of scans on the CPU target and in the simulator, against the step run by Python in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shared_steps
import steps
from scan_checks import BY_NAME, NAMES, agree, check, close, listed, same, stored
from treadle import compiler
from treadle.errors import TreadleError

ml_dtypes = pytest.importorskip("ml_dtypes")

try:
    compiler.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

SIZES = ((5, 7), (16, 16), (80, 24))
LENGTHS = (1, 2, 5, 17)
every = pytest.mark.parametrize("name", NAMES)


def parts(states: tuple[Any, ...]) -> Any:
    """States as a call takes them: one array alone."""
    return states[0] if len(states) == 1 else states


@pytest.mark.parametrize("K,V", SIZES)
@every
def test_lengths_and_sizes(name: str, K: int, V: int) -> None:
    for T in LENGTHS:
        for B, H in ((1, 1), (2, 3)):
            check(BY_NAME[name].scan, BY_NAME[name].inputs(T, B=B, H=H, K=K, V=V), output_final_state=True)


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@every
def test_dtypes(name: str, dtype: str) -> None:
    """Inputs are widened, outputs are rounded once, states stay f32."""
    o, final = check(BY_NAME[name].scan, BY_NAME[name].inputs(17, dtype=dtype), output_final_state=True)
    assert o.dtype == (np.float16 if dtype == "f16" else ml_dtypes.bfloat16)
    assert all(state.dtype == np.float32 for state in listed(final))


def test_bf16_as_uint16() -> None:
    subject = BY_NAME["lightnet"]
    inputs = subject.inputs(5, dtype="bf16")
    o, _ = subject.scan(**inputs)
    raw, _ = subject.scan(**{name: array.view(np.uint16) for name, array in inputs.items()})
    assert raw.dtype == np.uint16
    np.testing.assert_array_equal(raw, o.view(np.uint16))


@every
def test_grouped(name: str) -> None:
    """Fewer heads of keys and values than of queries: four heads read two, or one."""
    for G in (1, 2):
        check(BY_NAME[name].scan, BY_NAME[name].inputs(5, H=4, G=G), output_final_state=True)


@every
def test_head_first(name: str) -> None:
    inputs = BY_NAME[name].inputs(5, H=3)
    turned = {
        key: x.swapaxes(1, 2).copy() if isinstance(x, np.ndarray) and x.ndim >= 3 else x for key, x in inputs.items()
    }
    o, final = check(BY_NAME[name].scan, turned, head_first=True, output_final_state=True)
    straight, same_final = BY_NAME[name].scan(**inputs, output_final_state=True)
    np.testing.assert_array_equal(o.swapaxes(1, 2), straight)
    for a, b in zip(listed(final), listed(same_final), strict=True):
        np.testing.assert_array_equal(a, b)


@every
def test_initial_state(name: str) -> None:
    subject = BY_NAME[name]
    start = parts(subject.states(2))
    check(subject.scan, subject.inputs(5), initial_state=start, output_final_state=True)
    check(subject.scan, subject.inputs(5), initial_state=start)


@every
def test_split_and_resume(name: str) -> None:
    subject = BY_NAME[name]
    inputs = subject.inputs(17)
    whole, end = check(subject.scan, inputs, output_final_state=True)
    for cut in (1, 9):
        before, after = sliced(inputs, 0, cut), sliced(inputs, cut, 17)
        o1, middle = subject.scan(**before, output_final_state=True)
        o2, last = subject.scan(**after, initial_state=middle, output_final_state=True)
        agree(np.concatenate([o1, o2], 1), whole)
        for a, b in zip(listed(last), listed(end), strict=True):
            agree(a, b)


def sliced(inputs: dict[str, Any], start: int, stop: int) -> dict[str, Any]:
    """Some of the tokens, of what has tokens."""
    return {name: x[:, start:stop] if isinstance(x, np.ndarray) and x.ndim >= 3 else x for name, x in inputs.items()}


def token(inputs: dict[str, Any], t: int) -> dict[str, Any]:
    """One token, without its axis."""
    return {name: x[:, t] if isinstance(x, np.ndarray) and x.ndim >= 3 else x for name, x in inputs.items()}


@every
def test_step_by_step(name: str) -> None:
    """Token by token, then some at once, with the state handed on: what a call on all of them gives."""
    subject = BY_NAME[name]
    inputs = subject.inputs(5)
    whole, end = subject.scan(**inputs, output_final_state=True)
    state = None
    for t in range(3):
        o, state = subject.scan.step(**token(inputs, t), state=state)
        agree(o, whole[:, t])
    o, state = subject.scan.step(**sliced(inputs, 3, 5), state=state)
    agree(o, whole[:, 3:])
    for a, b in zip(listed(state), listed(end), strict=True):
        agree(a, b)


@every
def test_step_in_place(name: str) -> None:
    subject = BY_NAME[name]
    inputs = subject.inputs(4)
    whole, end = subject.scan(**inputs, output_final_state=True)
    _, state = subject.scan.step(**token(inputs, 0))
    for t in range(1, 4):
        o, returned = subject.scan.step(**token(inputs, t), state=state, out_state=state)
        agree(o, whole[:, t])
        assert all(a is b for a, b in zip(listed(returned), listed(state), strict=True))
    for a, b in zip(listed(state), listed(end), strict=True):
        agree(a, b)


@every
def test_step_in_a_pool(name: str) -> None:
    """Only the entries that are named change; the others keep what they had."""
    subject = BY_NAME[name]
    inputs = subject.inputs(1, B=3)
    pool = subject.states(5)
    indices = np.array([4, 0, 2])
    for integers in (np.int64, np.int32):
        mine = tuple(x.copy() for x in pool)
        o, returned = subject.scan.step(**token(inputs, 0), state=parts(mine), state_indices=indices.astype(integers))
        chosen = parts(tuple(x[indices] for x in pool))
        expected, after = subject.scan.reference(**inputs, initial_state=chosen, output_final_state=True)
        close(o, expected[:, 0], name)
        for whole, before, new, its in zip(mine, pool, listed(after), listed(returned), strict=True):
            assert its is whole
            close(whole[indices], new, name)
            np.testing.assert_array_equal(whole[[1, 3]], before[[1, 3]])


WIDE = {"K": 40, "V": 200}
"""So large that several blocks share a state."""


@every
def test_wide(name: str) -> None:
    subject = BY_NAME[name]
    inputs = subject.inputs(5, H=2, **WIDE)
    start = parts(subject.states(2, **WIDE))
    for causal in (True, False):
        check(subject.scan, inputs, initial_state=start, output_final_state=True, causal=causal)
    check(subject.scan, subject.inputs(11, B=1, **WIDE), cu_seqlens=ENDS, output_final_state=True)


@every
def test_wide_in_place(name: str) -> None:
    """A block may finish before another one of the same head begins."""
    subject = BY_NAME[name]
    inputs, pool = subject.inputs(1, B=2, **WIDE), subject.states(3, **WIDE)
    chosen = tuple(x[[2, 0]] for x in pool)
    expected = subject.scan.reference(**inputs, initial_state=parts(chosen), output_final_state=True)
    state, mine = parts(tuple(x.copy() for x in chosen)), parts(tuple(x.copy() for x in pool))
    o, after = subject.scan.step(**token(inputs, 0), state=state, out_state=state)
    same((o[:, None], after), expected, "in place")
    o, after = subject.scan.step(**token(inputs, 0), state=mine, state_indices=np.array([2, 0]))
    same((o[:, None], parts(tuple(x[[2, 0]] for x in listed(after)))), expected, "pool")
    assert all(a is b for a, b in zip(listed(after), listed(mine), strict=True))
    for x, before in zip(listed(mine), pool, strict=True):
        np.testing.assert_array_equal(x[1], before[1])


def test_step_into_another_pool() -> None:
    subject = BY_NAME["lightnet"]
    inputs, pool = subject.inputs(1, B=2), subject.states(3)
    before = tuple(x.copy() for x in pool)
    into = tuple(np.full_like(x, 7) for x in pool)
    _, returned = subject.scan.step(**token(inputs, 0), state=pool, state_indices=np.array([2, 1]), out_state=into)
    _, expected = subject.scan.reference(
        **inputs, initial_state=tuple(x[[2, 1]] for x in pool), output_final_state=True
    )
    for mine, old, new, wanted in zip(pool, before, into, expected, strict=True):
        np.testing.assert_array_equal(mine, old)
        close(new[[2, 1]], wanted, "into")
        assert (new[0] == 7).all()
    assert returned[0] is into[0]


def test_step_head_first() -> None:
    subject = BY_NAME["lightnet"]
    inputs = subject.inputs(2, H=3)
    o, _ = subject.scan.step(**inputs)
    turned, _ = subject.scan.step(**{name: x.swapaxes(1, 2) for name, x in inputs.items()}, head_first=True)
    np.testing.assert_array_equal(o, turned.swapaxes(1, 2))
    one, _ = subject.scan.step(**token(inputs, 0), head_first=True)
    np.testing.assert_array_equal(one, o[:, 0])


ENDS = np.array([0, 0, 3, 4, 4, 11, 11])


@pytest.mark.parametrize("with_state", [False, True])
@every
def test_packed(name: str, with_state: bool) -> None:
    """Sequences one after the other, some of them empty: each as if it were alone."""
    subject = BY_NAME[name]
    inputs = subject.inputs(11, B=1)
    start = parts(subject.states(6)) if with_state else None
    o, final = check(subject.scan, inputs, cu_seqlens=ENDS, initial_state=start, output_final_state=True)
    for n in range(6):
        own = sliced(inputs, ENDS[n], ENDS[n + 1])
        first = parts(tuple(x[n : n + 1] for x in listed(start))) if with_state else None
        alone, end = subject.scan(**own, initial_state=first, output_final_state=True)
        np.testing.assert_array_equal(o[:, ENDS[n] : ENDS[n + 1]], alone)
        for a, b in zip(listed(final), listed(end), strict=True):
            np.testing.assert_array_equal(a[n : n + 1], b)


def test_packed_int32_reverse_grouped_head_first() -> None:
    subject = BY_NAME["gla"]
    inputs = subject.inputs(11, B=1, H=4, G=2)
    turned = {key: x.swapaxes(1, 2) if isinstance(x, np.ndarray) else x for key, x in inputs.items()}
    check(
        subject.scan, turned, cu_seqlens=ENDS.astype(np.int32), reverse=True, head_first=True, output_final_state=True
    )


@every
def test_reverse(name: str) -> None:
    subject = BY_NAME[name]
    inputs = subject.inputs(5)
    o, final = check(subject.scan, inputs, reverse=True, output_final_state=True)
    backwards = {key: x[:, ::-1] if isinstance(x, np.ndarray) and x.ndim >= 3 else x for key, x in inputs.items()}
    turned, its = subject.scan(**backwards, output_final_state=True)
    agree(o, turned[:, ::-1])
    twice, _ = subject.scan(**backwards, reverse=True)
    agree(twice[:, ::-1], subject.scan(**inputs)[0])
    for a, b in zip(listed(final), listed(its), strict=True):
        agree(a, b)


@pytest.mark.parametrize("reverse", [False, True])
@every
def test_segments(name: str, reverse: bool) -> None:
    """More of them than fit, and as many as there are; packed sequences, some of them empty, from states."""
    subject = BY_NAME[name]
    for T, segments in ((40, 2), (33, 9), (100, 3)):
        inputs, settings = subject.inputs(T), {"output_final_state": True, "reverse": reverse}
        o, final = subject.scan(**inputs, **settings, segments=segments, chunk=16)
        same((o, final), subject.scan.reference(**inputs, **settings), f"{T} {segments}")
    packed = {"cu_seqlens": np.array([0, 0, 40, 41, 60]), "initial_state": parts(subject.states(4)), **settings}
    inputs = subject.inputs(60, B=1)
    result = subject.scan(**inputs, **packed, segments=2, chunk=16)
    same(result, subject.scan.reference(**inputs, **packed), "packed")


def test_segments_of_large_matrices() -> None:
    """Of these, segments are not loaded ahead of their turn: that would take more shared memory than there is."""
    rng = np.random.default_rng(0)
    inputs = {name: stored(rng.standard_normal((1, 40, 1, D)), "f32") for name, D in (("q", 16), ("k", 16), ("v", 260))}
    result = shared_steps.gated(**inputs, output_final_state=True, segments=2, on="sim")
    same(result, shared_steps.gated.reference(**inputs, output_final_state=True))


@pytest.mark.parametrize("settings", [{}, {"reverse": True}, {"causal": False}, {"output_final_state": True}])
def test_past_the_end(settings: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    q, k, v = (np.float32(1 + rng.random((2, 21, 3, size))) for size in (16, 16, 8))
    inputs = {"q": q, "k": k, "v": v, "decay": np.float32(rng.random(3))}
    check(steps.logarithms, inputs, **settings)
    check(steps.logarithms, {**inputs, "q": q[:1], "k": k[:1], "v": v[:1]}, cu_seqlens=np.array([0, 5, 21]), **settings)


def test_strong_decays() -> None:
    """A chunk in parts: log-decays that come to less than f32 can hold, -inf, and a growing state."""
    subject, rng = BY_NAME["gla"], np.random.default_rng(0)
    inputs = subject.inputs(70)
    for g in (-3.0, -40.0, -1000.0):
        inputs["g"] = (g * rng.random(inputs["g"].shape)).astype("f4")
        check(subject.scan, inputs, output_final_state=True)
    inputs["g"][:, ::9] = -np.inf
    check(subject.scan, inputs, output_final_state=True)
    inputs["g"] = rng.random(inputs["g"].shape).astype("f4")
    check(subject.scan, inputs, output_final_state=True)
    inputs["g"][:, 20] = np.nan
    o, _ = subject.scan(**inputs)
    assert np.isfinite(o[:, :20]).all() and np.isnan(o[:, 20:]).all()


@pytest.mark.parametrize("jump", [30.0, 49.0, 79.0, 100.0])
def test_keys_that_jump(jump: float) -> None:
    """Sums of terms that are far above what came before, times large values, stay in the range of f32."""
    subject = BY_NAME["lightnet"]
    inputs = subject.inputs(64)
    inputs["k"][:, 1:] += np.float32(jump)
    inputs["v"] *= np.float32(1e4)
    check(subject.scan, inputs, output_final_state=True)


@pytest.mark.parametrize("reverse", [False, True])
@every
def test_noncausal(name: str, reverse: bool) -> None:
    subject = BY_NAME[name]
    for T in (1, 6):
        check(subject.scan, subject.inputs(T), causal=False, reverse=reverse, output_final_state=True)
    check(subject.scan, subject.inputs(11, B=1), causal=False, reverse=reverse, cu_seqlens=ENDS)


@every
def test_no_token(name: str) -> None:
    """The state is passed on as it is."""
    subject = BY_NAME[name]
    start = subject.states(2)
    o, final = check(subject.scan, subject.inputs(0), initial_state=parts(start), output_final_state=True)
    assert o.shape[1] == 0
    for a, b in zip(listed(final), start, strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_sequence() -> None:
    subject = BY_NAME["lightnet"]
    o, (S, z) = subject.scan(**subject.inputs(5, B=0), output_final_state=True)
    assert (o.shape, S.shape, z.shape) == ((0, 5, 2, 7), (0, 2, 5, 7), (0, 2, 5))


def test_out() -> None:
    """Outputs go into arrays of the caller's, views of larger ones too; beside them nothing is written."""
    subject = BY_NAME["lightnet"]
    inputs = subject.inputs(5, H=3)
    expected, _ = subject.scan(**inputs)
    wide = np.full((4, 7, 5, 7), 9, np.float32)
    o, _ = subject.scan(**inputs, out=wide[1:3, 1:6, 2:])
    np.testing.assert_array_equal(o, expected)
    assert o.base is wide
    wide[1:3, 1:6, 2:] = 9
    assert (wide == 9).all()


def test_strides() -> None:
    """Views of larger arrays in any order of the axes, but the values' own."""
    subject = BY_NAME["lightnet"]
    inputs = subject.inputs(5, H=3)
    expected, _ = subject.scan(**inputs)
    views = {}
    for name, x in inputs.items():
        big = np.zeros((3, 11, 5, 2, x.shape[-1]), np.float32)  # H, 2 T + 1, ., B, K
        view = big[:, 1::2, 3].transpose(2, 1, 0, 3)
        view[...] = x
        views[name] = view
    np.testing.assert_array_equal(subject.scan(**views)[0], expected)


def test_decays_that_underflow() -> None:
    """A decay of e^-200 forgets and is no NaN."""
    subject = BY_NAME["lightning_attention"]
    check(subject.scan, {**subject.inputs(5), "log_decay": np.array([-200.0, 0.0], np.float32)})


def test_large_keys() -> None:
    """Running maxima keep exponentials in range."""
    inputs = BY_NAME["lightnet"].inputs(9)
    inputs["k"] = stored(200 * inputs["k"], "f32")
    check(BY_NAME["lightnet"].scan, inputs, output_final_state=True)


SIMULATED = [
    ("lightning_attention", {"dtype": "bf16", "H": 4, "G": 2, "K": 16, "V": 16}, {}),
    ("lightnet", {"dtype": "bf16"}, {}),
    ("element_wise_attention", {}, {"causal": False}),
    ("hgrn", {"dtype": "f16", "K": 80}, {"reverse": True}),
    ("delta_rule", {}, {}),
    ("linear_attention", {"K": 16, "V": 8}, {"head_first": True}),
]


@pytest.mark.parametrize(("name", "sizes", "settings"), SIMULATED)
def test_simulated(name: str, sizes: dict[str, Any], settings: dict[str, Any]) -> None:
    """The PTX: with an initial state and packed as well. Every access is checked."""
    subject = BY_NAME[name]
    shape = {key: size for key, size in sizes.items() if key in ("H", "K", "V")}
    inputs = subject.inputs(3, **sizes)
    if settings.get("head_first"):
        inputs = {key: x.swapaxes(1, 2) if isinstance(x, np.ndarray) else x for key, x in inputs.items()}
    start = parts(subject.states(2, **shape))
    check(subject.scan, inputs, on="sim", initial_state=start, output_final_state=True, **settings)
    if not settings:
        check(subject.scan, subject.inputs(11, B=1, **sizes), on="sim", cu_seqlens=ENDS, output_final_state=True)


def test_simulated_steps() -> None:
    subject = BY_NAME["lightnet"]
    inputs, pool = subject.inputs(1, B=2), subject.states(3)
    indices = np.array([2, 0])
    chosen = tuple(x[indices] for x in pool)
    expected = subject.scan.reference(**inputs, initial_state=chosen, output_final_state=True)
    for state, more in ((chosen, {}), (tuple(x.copy() for x in chosen), {"in_place": True}), (pool, {"pool": True})):
        settings: dict[str, Any] = {"out_state": state} if "in_place" in more else {}
        if "pool" in more:
            settings["state_indices"] = indices
        o, after = subject.scan.step(**token(inputs, 0), state=state, on="sim", arch="sm_80", **settings)
        new = tuple(x[indices] for x in after) if "pool" in more else after
        same((o[:, None], new), expected, str(more))


def test_fast_math() -> None:
    subject = BY_NAME["lightnet"]
    inputs = subject.inputs(5)
    same(subject.scan(**inputs, fast_math=True), subject.scan.reference(**inputs), tolerance=1e-4)
