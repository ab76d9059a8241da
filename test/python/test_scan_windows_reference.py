"""`scan.reference` of windows, positions, parts and Taylor features: compared with formulas for whole sequences."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import treadle as td
import window_steps
from treadle import scan_cases, verification
from treadle.errors import KernelError, LaunchError, TreadleError

B, T, H, K, V = 2, 7, 3, 6, 5
EXACT = {"rtol": 1e-11, "atol": 1e-11}


def draw(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def windows(x: Any, W: int, past: Any = None) -> Any:
    """[B, T, H, ...] → [B, T, H, W, ...], the oldest first; past: [B, H, W - 1, ...]."""
    before = np.zeros((x.shape[0], W - 1, *x.shape[2:])) if past is None else past.swapaxes(1, 2)
    whole = np.concatenate([before, x], axis=1)
    return np.stack([whole[:, i : i + x.shape[1]] for i in range(W)], axis=3)


def silu(x: Any) -> Any:
    return x / (1 + np.exp(-x))


def attention(q: Any, k: Any, v: Any, log_decay: Any = None) -> Any:
    """Σ_{j <= i} e^((i - j) log_decay) (q_i · k_j) v_j."""
    gap = np.arange(q.shape[1])[:, None] - np.arange(q.shape[1])
    decay = np.zeros(q.shape[2]) if log_decay is None else log_decay
    weights = np.where(gap >= 0, np.exp(decay[:, None, None] * np.maximum(gap, 0)), 0)
    return np.einsum("bihk,bjhk,hij,bjhv->bihv", q, k, weights, v)


@pytest.mark.parametrize("W", [2, 4, 7, 9])
def test_short_convolution(W: int) -> None:
    """Taps lie as those of a causal convolution: the last one is the current token's."""
    x, f = draw(B, T, H, K), draw(W, K, seed=1)
    expected = silu(np.einsum("wk,bthwk->bthk", f, windows(x, W)))
    o, past = window_steps.short_convolution.reference(x, f, output_final_state=True)
    np.testing.assert_allclose(o, expected, **EXACT)
    padded = np.concatenate([np.zeros((B, W - 1, H, K)), x], axis=1)
    np.testing.assert_array_equal(past, padded[:, -(W - 1) :].swapaxes(1, 2))
    one = np.convolve(x[0, :, 0, 0], f[::-1, 0])[:T]
    np.testing.assert_allclose(o[0, :, 0, 0], silu(one), **EXACT)


def test_what_precedes() -> None:
    W = 4
    x, f, past = draw(B, T, H, K), draw(W, K, seed=1), draw(B, H, W - 1, K, seed=2)
    o, _ = window_steps.short_convolution.reference(x, f, initial_state=past)
    np.testing.assert_allclose(o, silu(np.einsum("wk,bthwk->bthk", f, windows(x, W, past))), **EXACT)


def test_a_window_of_numbers() -> None:
    x, f, scale = draw(B, T, H), draw(3, seed=1), draw(B, T, H, seed=2)
    x = x.astype(np.float32)
    o, past = window_steps.convolution_of_numbers.reference(x, f, scale, output_final_state=True)
    np.testing.assert_allclose(o, scale * (windows(x, 3) @ f), **EXACT)
    np.testing.assert_array_equal(past, x[:, -2:].swapaxes(1, 2))


@pytest.mark.parametrize("W", [2, 3])
def test_convolved_attention(W: int) -> None:
    q, k, v, fk, fv = draw(B, T, H, K), draw(B, T, H, K, seed=1), draw(B, T, H, V), draw(4, K), draw(W, V)
    log_decay = -np.abs(draw(H))
    keys = silu(np.einsum("wk,bthwk->bthk", fk, windows(k, 4)))
    values = np.einsum("wk,bthwk->bthk", fv, windows(v, W))
    o, (pk, pv, S) = window_steps.convolved_attention.reference(q, k, v, fk, fv, log_decay, output_final_state=True)
    np.testing.assert_allclose(o, attention(q, keys, values, log_decay) + v, **EXACT)
    np.testing.assert_array_equal(pk, k[:, -3:].swapaxes(1, 2))
    np.testing.assert_array_equal(pv, v[:, 1 - W :].swapaxes(1, 2))
    assert S.shape == (B, H, K, V)


@pytest.mark.parametrize("reverse", [False, True])
def test_rotary(reverse: bool) -> None:
    q, k, v, theta = draw(B, T, H, K), draw(B, T, H, K, seed=1), draw(B, T, H, V), draw(K // 2)
    back = slice(None, None, -1 if reverse else 1)

    def rotated(x: Any) -> Any:
        a, b = x[..., : K // 2], x[..., K // 2 :]
        z = (a + 1j * b) * np.exp(1j * np.arange(T)[:, None, None] * theta)
        return np.concatenate([z.real, z.imag], -1)

    o, (_, position) = window_steps.rotary.reference(q, k, v, theta, reverse=reverse, output_final_state=True)
    expected = attention(rotated(q[:, back]), rotated(k[:, back]), v[:, back])[:, back]
    np.testing.assert_allclose(o, expected, **EXACT)
    np.testing.assert_array_equal(position, np.full((B, H), T))


def test_based() -> None:
    q, k, v = draw(B, T, H, 4), draw(B, T, H, 4, seed=1), draw(B, T, H, V)
    s = np.einsum("bihk,bjhk->bhij", q, k) / 2
    weights = (1 + s + s * s / 2) * np.tri(T)
    expected = np.einsum("bhij,bjhv->bihv", weights, v) / weights.sum(-1).swapaxes(1, 2)[..., None]
    o, (S, n) = window_steps.based.reference(q, k, v, output_final_state=True)
    np.testing.assert_allclose(o, expected, **EXACT)
    assert S.shape == (B, H, 21, V) and n.shape == (B, H, 21)


def test_linear_features() -> None:
    q, k, v = draw(B, T, H, K), draw(B, T, H, K, seed=1), draw(B, T, H, V)
    o, _ = window_steps.linear_features.reference(q, k, v)
    np.testing.assert_allclose(o, attention(q, k, v) + np.cumsum(v, axis=1), **EXACT)


def test_joined_keys() -> None:
    k1, k2 = draw(B, T, H, 2), draw(B, T, 4)
    q, v, g = draw(B, T, H, K), draw(B, T, H, V), np.full((B, T, H), 2.0)
    k = np.concatenate([k1, np.broadcast_to(k2[:, :, None], (B, T, H, 4))], -1)
    o, _ = window_steps.joined_keys.reference(q, k1, k2, v, g)
    np.testing.assert_allclose(o, attention(q, k, v, np.full(H, -np.log1p(np.exp(-2.0)))), **EXACT)


def test_every_part() -> None:
    x, y = draw(B, T, H, K), draw(B, T, H, 2, K)
    (h, sums), states = window_steps.every_part.reference(x, y, output_final_state=True)
    seen, expected = windows(x, 4), np.zeros((B, H, K))
    for t in range(T):
        w = seen[:, t]
        rows = np.concatenate([w[:, :, 1:3], y[:, t], w[:, :, :1]], axis=2)
        columns = np.concatenate([rows[..., 1:], rows[..., :1], rows[..., :2]], axis=3)
        numbers = [np.full((B, H), t), np.full((B, H), 2), w[..., 0].max(-1), *np.moveaxis(x[:, t, :, 1:], -1, 0)]
        added = columns[:, :, 3, 1:-1] * x[:, t, :, :1] + np.stack(numbers, -1)[..., :K]
        expected = 0.5 * expected + added
        np.testing.assert_allclose(h[:, t], expected, **EXACT)
        np.testing.assert_allclose(sums[:, t], columns.sum(-1), **EXACT)
    assert [state.shape for state in states] == [(B, H, 3, K), (B, H, K), (B, H)]


# ---------------------------------------------------------------------------------------------------------------------
# The arguments of a call
# ---------------------------------------------------------------------------------------------------------------------


def every_part() -> dict[str, Any]:
    return {"x": draw(B, T, H, K), "y": draw(B, T, H, 2, K)}


def test_two_calls_are_one() -> None:
    scan, given = window_steps.every_part, every_part()
    whole, end = scan.reference(**given, output_final_state=True)
    for cut in (1, 2, 5):
        first, middle = scan.reference(**{n: x[:, :cut] for n, x in given.items()}, output_final_state=True)
        rest = {n: x[:, cut:] for n, x in given.items()}
        second, last = scan.reference(**rest, initial_state=middle, output_final_state=True)
        for a, b, c in zip(first, second, whole, strict=True):
            np.testing.assert_array_equal(np.concatenate([a, b], 1), c)
        for a, b in zip(last, end, strict=True):
            np.testing.assert_array_equal(a, b)


def test_packed_is_each_sequence_alone() -> None:
    """Neither windows nor positions go on from one sequence to the next."""
    scan, given = window_steps.every_part, {n: x[:1] for n, x in every_part().items()}
    ends = np.array([0, 3, 3, 5, 7])
    o, final = scan.reference(**given, cu_seqlens=ends, output_final_state=True)
    for n in range(4):
        part = {name: x[:, ends[n] : ends[n + 1]] for name, x in given.items()}
        alone, end = scan.reference(**part, output_final_state=True)
        for mine, its in zip(o, alone, strict=True):
            np.testing.assert_array_equal(mine[:, ends[n] : ends[n + 1]], its)
        for mine, its in zip(final, end, strict=True):
            np.testing.assert_array_equal(mine[n], its[0])


def test_reverse_is_the_sequence_backwards() -> None:
    scan, given = window_steps.every_part, every_part()
    o, final = scan.reference(**given, reverse=True, output_final_state=True)
    turned, end = scan.reference(**{n: x[:, ::-1] for n, x in given.items()}, output_final_state=True)
    for a, b in zip(o, turned, strict=True):
        np.testing.assert_array_equal(a, b[:, ::-1])
    for a, b in zip(final, end, strict=True):
        np.testing.assert_array_equal(a, b)


def test_grouped() -> None:
    """Of an input with fewer heads, every head has its window as a state."""
    x, f = draw(B, T, 2, K), draw(4, K)
    q, v, fv = draw(B, T, 6, K), draw(B, T, 6, V), draw(2, V)
    log_decay = -np.abs(draw(6))
    scan = window_steps.convolved_attention
    o, (past, *_) = scan.reference(q, x, v, f, fv, log_decay, output_final_state=True)
    whole, (each, *_) = scan.reference(q, x.repeat(3, 2), v, f, fv, log_decay, output_final_state=True)
    np.testing.assert_array_equal(o, whole)
    np.testing.assert_array_equal(past, each)


def test_no_token() -> None:
    (h, sums), (past, _, position) = window_steps.every_part.reference(
        draw(B, 0, H, K), draw(B, 0, H, 2, K), output_final_state=True
    )
    assert h.shape == (B, 0, H, K) and sums.shape == (B, 0, H, 5)
    assert past.shape == (B, H, 3, K) and not past.any() and not position.any()


def test_wrong_arguments_are_errors() -> None:
    x, f = draw(B, T, H, K), draw(4, K)
    scan = window_steps.short_convolution
    with pytest.raises(LaunchError, match=r"'initial_state': expected \[B, H, W-1, D\] = .*, found \(2, 3, 4, 6\)"):
        scan.reference(x, f, initial_state=draw(B, H, 4, K))
    with pytest.raises(LaunchError, match=r"'x': expected 4 axes \[B, T, H, D\], found 5"):
        scan.reference(draw(B, T, H, 4, K), f)
    with pytest.raises(LaunchError, match=r"expected a tuple of 3 arrays \(x, h, position\), found one"):
        window_steps.every_part.reference(**every_part(), initial_state=draw(B, H))
    with pytest.raises(KernelError, match="window x holds 1 token, at least 2 are needed"):
        scan.reference(x, f[:1])
    with pytest.raises(KernelError, match="window x in a noncausal scan"):
        scan.reference(x, f, causal=False)
    with pytest.raises(KernelError, match=r"td\.position\(\) in a noncausal scan"):
        window_steps.rotary.reference(x, x, x, draw(K // 2), causal=False)


@td.scan
def renamed(x: td.In["D"], h: td.State["D"]):
    number = td.position
    return x * number(), h


@td.scan
def indexed(x: td.In["D"], h: td.State["D"]):
    return x[td.argmax(x, 0)], h


def test_what_a_step_cannot_do() -> None:
    with pytest.raises(TreadleError, match=r"td\.position is called through another name"):
        renamed.reference(draw(1, 1, 1, 3))
    with pytest.raises(TreadleError, match="the index of a tile is a compile-time constant"):
        indexed.reference(draw(1, 1, 1, 3))


# ---------------------------------------------------------------------------------------------------------------------
# Cases
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Convolution(scan_cases.ScanCase):
    """The short convolution, called one way."""

    scan = window_steps.short_convolution
    D: int = 3
    W: int = 4


def by_hand(x: Any, f: Any, x_initial: Any = None) -> dict[str, Any]:
    """A definition as those of mixers: the initial state of a window has a name of its own."""
    W = f.shape[0]
    seen = windows(x, W, x_initial)
    before = np.zeros((len(x), x.shape[2], W - 1, x.shape[3])) if x_initial is None else x_initial
    last = np.concatenate([before, x.swapaxes(1, 2)], axis=2)[:, :, 1 - W :]
    return {"o": silu(np.einsum("wk,bthwk->bthk", f, seen)), "x": last}


class InPython(verification.Place):
    """Calls are run by Python."""

    def call(self, case: scan_cases.ScanCase, arrays: Any) -> dict[str, Any]:
        return case.reference(verification.widened(case, arrays))


@pytest.mark.parametrize("initial", [False, True])
def test_cases(initial: bool) -> None:
    """An input and a state of one name are told apart."""
    for more in ({}, {"reverse": True}, {"head_first": True}, {"B": 1, "cu_seqlens": (0, 0, 4, T)}):
        case = Convolution(T=T, dtype="f32", initial=initial, **more)
        arrays = case.inputs(1)
        assert list(arrays)[:2] == ["x", "f"] and ("x_initial" in arrays) == initial
        found = case.reference(verification.widened(case, arrays))
        expected = case.define(by_hand, {name: np.asarray(x, np.float64) for name, x in arrays.items()})
        assert found.keys() == expected.keys() == {"o", "x_final"}
        for name in found:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("initial", [False, True])
def test_cases_in_parts_and_packed(initial: bool) -> None:
    case = Convolution(T=T, dtype="f32", initial=initial)
    arrays = case.inputs(2)
    whole = case.reference(verification.widened(case, arrays))
    for compare in (verification.in_parts, verification.one_after_another):
        for comparison in compare(InPython("cpu"), case, arrays, whole):
            assert comparison.found.keys() == comparison.wanted.keys()
            for name in comparison.found:
                np.testing.assert_allclose(comparison.found[name], comparison.wanted[name], rtol=1e-6, atol=1e-6)
