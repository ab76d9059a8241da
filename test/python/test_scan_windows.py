"""Values of steps with windows, positions, parts and Taylor features on the CPU target, against their references."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import window_steps
from scan_checks import agree, check, close, listed, same, stored
from treadle import compiler
from treadle.errors import KernelError, TreadleError

ml_dtypes = pytest.importorskip("ml_dtypes")

try:
    compiler.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

Arrays = dict[str, Any]
LENGTHS = (1, 5, 40)


@dataclass(frozen=True)
class Subject:
    """A step, random inputs for it, and what is not drawn."""

    scan: Any
    shapes: Callable[[tuple[int, ...], int], dict[str, tuple[int, ...]]]
    """Of the inputs, for (B, T) and heads."""
    own: tuple[str, ...] = ()
    """What is f32 whatever the rest is."""
    chunk: int = 0

    def inputs(self, T: int, *, B: int = 2, H: int = 2, dtype: str = "f32", seed: int = 0) -> Arrays:
        """Random inputs in storage form."""
        rng = np.random.default_rng([seed, B, T, H])
        drawn = {name: 0.7 * rng.standard_normal(shape) for name, shape in self.shapes((B, T), H).items()}
        if "log_decay" in drawn:
            drawn["log_decay"] = -np.abs(drawn["log_decay"])
        arrays = {name: stored(x, "f32" if name in self.own else dtype) for name, x in drawn.items()}
        return {**arrays, **({"chunk": self.chunk} if self.chunk else {})}

    def states(self, N: int, *, H: int = 2, seed: int = 5) -> Any:
        """States that some tokens lead to."""
        final = self.scan.reference(**self.inputs(6, B=N, H=H, seed=seed), output_final_state=True)[1]
        found = tuple(state.astype(np.float32) for state in listed(final))
        return found[0] if len(found) == 1 else found


def convolution(W: int, D: int) -> Subject:
    return Subject(window_steps.short_convolution, lambda BT, H: {"x": (*BT, H, D), "f": (W, D)}, ("f",))


def convolved(K: int, V: int, W: int) -> Subject:
    return Subject(
        window_steps.convolved_attention,
        lambda BT, H: {
            "q": (*BT, H, K), "k": (*BT, H, K), "v": (*BT, H, V), "fk": (4, K), "fv": (W, V), "log_decay": (H,),
        },
        ("fk", "fv", "log_decay"),
    )  # fmt: skip


def rotary(K: int, V: int) -> Subject:
    return Subject(
        window_steps.rotary,
        lambda BT, H: {"q": (*BT, H, K), "k": (*BT, H, K), "v": (*BT, H, V), "theta": (K // 2,)},
        ("theta",),
    )


def weighted(scan: Any, K: int, V: int) -> Subject:
    return Subject(scan, lambda BT, H: {"q": (*BT, H, K), "k": (*BT, H, K), "v": (*BT, H, V)})


def joined(K1: int, K2: int, V: int) -> Subject:
    return Subject(
        window_steps.joined_keys,
        lambda BT, H: {
            "q": (*BT, H, K1 + K2), "k1": (*BT, H, K1), "k2": (*BT, K2), "v": (*BT, H, V), "g": (*BT, H),
        },
    )  # fmt: skip


SUBJECTS = {
    "convolution of 2": convolution(2, 16),
    "convolution of 4": convolution(4, 5),
    "convolution of 7": convolution(7, 80),
    "convolution of numbers": Subject(
        window_steps.convolution_of_numbers,
        lambda BT, H: {"x": (*BT, H), "f": (3,), "scale": (*BT, H)},
        ("x", "f"),
    ),
    "convolved attention": convolved(16, 24, 2),
    "convolved attention, odd sizes": convolved(5, 7, 3),
    "rotary": rotary(16, 16),
    "rotary, odd sizes": rotary(6, 5),
    "based": weighted(window_steps.based, 4, 8),
    "based of 16": weighted(window_steps.based, 16, 40),
    "linear features": weighted(window_steps.linear_features, 5, 7),
    "unequal keys": joined(16, 8, 24),
    "unequal keys, odd sizes": joined(3, 5, 7),
    "every part": Subject(window_steps.every_part, lambda BT, H: {"x": (*BT, H, 5), "y": (*BT, H, 2, 5)}),
}
SUBJECTS |= {f"{name}, token by token": replace(SUBJECTS[name], chunk=1) for name in ("convolved attention", "rotary")}
every = pytest.mark.parametrize("name", SUBJECTS)


def sliced(inputs: Arrays, start: int, stop: int | None, subject: Subject) -> Arrays:
    """Some of the tokens, of what has tokens."""
    timed = {p.name for p in subject.scan.inputs if "T" in p.indices}
    return {name: np.ascontiguousarray(x[:, start:stop]) if name in timed else x for name, x in inputs.items()}


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@every
def test_lengths(name: str, dtype: str) -> None:
    for T in LENGTHS:
        _, final = check(SUBJECTS[name].scan, SUBJECTS[name].inputs(T, dtype=dtype), output_final_state=True)
        assert all(state.dtype == np.float32 for state in listed(final))


@pytest.mark.parametrize("T", LENGTHS)
@every
def test_from_a_state(name: str, T: int) -> None:
    subject = SUBJECTS[name]
    check(subject.scan, subject.inputs(T), initial_state=subject.states(2), output_final_state=True)
    check(subject.scan, subject.inputs(T), initial_state=subject.states(2))


@every
def test_two_calls_are_one(name: str) -> None:
    """A window, and a position, go on through the state, also where the first part is shorter than the window."""
    subject = SUBJECTS[name]
    inputs = subject.inputs(40)
    whole, end = check(subject.scan, inputs, output_final_state=True)
    for cut in (1, 2, 23):
        o1, middle = subject.scan(**sliced(inputs, 0, cut, subject), output_final_state=True)
        o2, last = subject.scan(**sliced(inputs, cut, None, subject), initial_state=middle, output_final_state=True)
        for a, b, c in zip(listed(o1), listed(o2), listed(whole), strict=True):
            agree(np.concatenate([a, b], 1), c)
        for a, b in zip(listed(last), listed(end), strict=True):
            agree(a, b)


@every
def test_token_by_token(name: str) -> None:
    subject = SUBJECTS[name]
    inputs = subject.inputs(9)
    whole, end = subject.scan(**inputs, output_final_state=True)
    timed = {p.name for p in subject.scan.inputs if "T" in p.indices}
    state = None
    for t in range(9):
        token = {key: np.ascontiguousarray(x[:, t]) if key in timed else x for key, x in inputs.items()}
        o, state = subject.scan.step(**token, state=state)
        for a, b in zip(listed(o), listed(whole), strict=True):
            agree(a, b[:, t])
    for a, b in zip(listed(state), listed(end), strict=True):
        agree(a, b)


@pytest.mark.parametrize("initial", [False, True])
@every
def test_packed(name: str, initial: bool) -> None:
    """Sequences of different lengths, none and one token among them, each with what precedes it."""
    subject = SUBJECTS[name]
    ends = np.array([0, 0, 1, 4, 21, 21, 40])
    start = {"initial_state": subject.states(6)} if initial else {}
    check(subject.scan, subject.inputs(40, B=1), cu_seqlens=ends, output_final_state=True, **start)


@every
def test_reverse(name: str) -> None:
    subject = SUBJECTS[name]
    for T in LENGTHS:
        check(subject.scan, subject.inputs(T), reverse=True, output_final_state=True)
    check(subject.scan, subject.inputs(5), reverse=True, initial_state=subject.states(2), output_final_state=True)


@every
def test_head_first(name: str) -> None:
    subject = SUBJECTS[name]
    inputs, heads = subject.inputs(18, H=3), {p.name for p in subject.scan.inputs if p.indices == "BTH"}
    turned = {key: x.swapaxes(1, 2).copy() if key in heads else x for key, x in inputs.items()}
    check(subject.scan, turned, head_first=True, output_final_state=True)


def test_grouped() -> None:
    """Fewer heads of keys than of queries: each head has its own copy of the window's state."""
    subject = SUBJECTS["convolved attention"]
    inputs = subject.inputs(20, H=4)
    inputs |= {name: np.ascontiguousarray(inputs[name][:, :, :2]) for name in ("k", "v")}
    for T in LENGTHS[:2]:
        check(subject.scan, sliced(inputs, 0, T, subject), output_final_state=True)
    check(subject.scan, inputs, output_final_state=True)


@every
def test_states_in_a_pool(name: str) -> None:
    """Entries of a pool are read and written in place; the others stay."""
    subject = SUBJECTS[name]
    pools = [np.repeat(state, 3, axis=0)[:5].copy() for state in listed(subject.states(2))]
    before = [pool.copy() for pool in pools]
    at = np.array([3, 1])
    inputs = subject.inputs(2)
    given = tuple(pools) if len(pools) > 1 else pools[0]
    o, _ = subject.scan.step(**inputs, state=given, state_indices=at)
    start = tuple(pool[at] for pool in before)
    expected, end = subject.scan.reference(
        **inputs, initial_state=start if len(start) > 1 else start[0], output_final_state=True
    )
    same((o, None), (expected, None), name)
    for pool, old, new in zip(pools, before, listed(end), strict=True):
        close(pool[at], new, name)
        np.testing.assert_array_equal(pool[[0, 2, 4]], old[[0, 2, 4]])


@every
def test_states_in_place(name: str) -> None:
    subject = SUBJECTS[name]
    inputs, state = subject.inputs(1), subject.states(2)
    expected, end = subject.scan.step(**inputs, state=state)
    mine = tuple(x.copy() for x in listed(state))
    given = mine if len(mine) > 1 else mine[0]
    o, new = subject.scan.step(**inputs, state=given, out_state=given)
    for a, b in zip([*listed(o), *listed(new)], [*listed(expected), *listed(end)], strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_long_convolution() -> None:
    """Over many chunks, against NumPy's."""
    rng = np.random.default_rng(0)
    x, f = rng.standard_normal((1, 300, 1, 3)).astype(np.float32), rng.standard_normal((4, 3)).astype(np.float32)
    o, _ = window_steps.short_convolution(x, f)
    for d in range(3):
        y = np.convolve(x[0, :, 0, d].astype(np.float64), f[::-1, d])[:300]
        np.testing.assert_allclose(o[0, :, 0, d], y / (1 + np.exp(-y)), rtol=1e-4, atol=1e-5)


def test_positions_stay_exact() -> None:
    """A position far along is that number, not a sum of many roundings."""
    subject = SUBJECTS["every part"]
    past, h, _ = subject.states(2)
    start = (past, h, np.full((2, 2), 2.0**23, np.float32))
    _, (_, _, position) = check(subject.scan, subject.inputs(40), initial_state=start, output_final_state=True)
    np.testing.assert_array_equal(position, np.full((2, 2), 2.0**23 + 40))


def test_noncausal_is_an_error() -> None:
    for name, what in (("convolution of 4", "window x"), ("rotary", r"td\.position\(\)")):
        with pytest.raises(KernelError, match=f"{what} in a noncausal scan"):
            SUBJECTS[name].scan(**SUBJECTS[name].inputs(5), causal=False)


@pytest.mark.parametrize("initial", [False, True])
@pytest.mark.parametrize("name", ["convolution of 4", "convolved attention", "rotary", "based", "every part"])
def test_in_the_simulator(name: str, initial: bool) -> None:
    """As PTX, from the first token and from a state; every access is checked there."""
    subject = SUBJECTS[name]
    start = {"initial_state": subject.states(1, H=1)} if initial else {}
    for T in (1, 40):
        check(subject.scan, subject.inputs(T, B=1, H=1), on="sim", output_final_state=True, **start)


@pytest.mark.parametrize("chunk", [0, 1])
def test_noncausal_delay(chunk: int) -> None:
    """A state whose new value is no old one's: outputs see the last token's."""
    x = np.random.default_rng(7).standard_normal((2, 40, 1, 16)).astype(np.float32)
    expected, _ = window_steps.kept.reference(x, causal=False)
    found, _ = window_steps.kept(x, causal=False, chunk=chunk)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_no_tokens_hand_the_state_on() -> None:
    """In the kernel for whole sequences too, which a call takes from 16 tokens on."""
    text = window_steps.short_convolution.to_mlir({"D": 64, "W": 4}, "f32", initial=True, chunked=True)
    state, final = np.ones((1, 1, 3, 64), np.float32), np.full((1, 1, 3, 64), np.nan, np.float32)
    none = np.zeros((1, 0, 1, 64), np.float32)
    program = compiler.CpuProgram(text, {"name": "short_convolution"}, ("",))
    program.launch(x=none, f=np.zeros((4, 64), np.float32), x_initial=state, o=none.copy(), x_final=final)
    np.testing.assert_array_equal(final, state)


def test_combine_for_some_numbers() -> None:
    x = np.random.default_rng(8).standard_normal((1, 5, 1, 8)).astype(np.float32)
    expected, _ = window_steps.saturating.reference(x)
    found, _ = window_steps.saturating(x)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
