"""`scan.reference` runs the step: compared with formulas written by hand for whole sequences, and with itself."""

import inspect
import math
from typing import Any

import numpy as np
import pytest
import steps
import treadle as td
from treadle.errors import LaunchError, TreadleError
from treadle.language import BUILTINS
from treadle.runtime.step_values import FUNCTIONS

B, T, H, K, V = 2, 7, 3, 4, 5
EXACT = 1e-12


def draw(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def keys() -> tuple[Any, Any, Any]:
    return draw(B, T, H, K, seed=1), draw(B, T, H, K, seed=2), draw(B, T, H, V, seed=3)


# ---------------------------------------------------------------------------------------------------------------------
# Formulas for whole sequences
# ---------------------------------------------------------------------------------------------------------------------


def test_retention_in_parallel_form() -> None:
    """o_i = Σ_{j <= i} λ^(i-j) (q_i · k_j) v_j."""
    q, k, v = keys()
    log_decay = -np.abs(draw(H))
    gap = np.arange(T)[:, None] - np.arange(T)
    weights = np.where(gap >= 0, np.exp(log_decay[:, None, None] * np.maximum(gap, 0)), 0)
    expected = np.einsum("bihk,bjhk,hij,bjhv->bihv", q, k, weights, v)
    o, state = steps.lightning_attention.reference(q, k, v, log_decay)
    assert state is None
    np.testing.assert_allclose(o, expected, rtol=EXACT, atol=EXACT)

    left = np.exp(log_decay[:, None] * np.arange(T - 1, -1, -1))
    _, state = steps.lightning_attention.reference(q, k, v, log_decay, output_final_state=True)
    np.testing.assert_allclose(state, np.einsum("hj,bjhk,bjhv->bhkv", left, k, v), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("from_one", [False, True])
def test_lightnet_is_a_softmax_of_keys(from_one: bool) -> None:
    """S_t[k, v] = Σ_{j <= t} e^(k_j - z_t) v_j with z_t = log([z_0 = 0] + Σ_{j <= t} e^(k_j))."""
    q, k, v = keys()
    scan = steps.lightnet_from_one if from_one else steps.lightnet
    z = np.log(np.cumsum(np.exp(k), axis=1) + from_one)
    S = np.cumsum(np.exp(k)[..., None] * v[..., None, :], axis=1) / np.exp(z)[..., None]
    expected = np.einsum("bthk,bthkv->bthv", q / (1 + np.exp(-q)), S)
    o, (S_last, z_last) = scan.reference(q, k, v, output_final_state=True)
    np.testing.assert_allclose(o, expected, rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(S_last, S[:, -1], rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(z_last, z[:, -1], rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("causal", [True, False])
def test_element_wise_attention_in_parallel_form(causal: bool) -> None:
    """o_i = Σ_j e^(-k_j²) p(2 q_i k_j) v_j / Σ_j e^(-k_j²) p(2 q_i k_j), p the Taylor polynomial of exp."""
    q, k, v = (0.7 * draw(B, T, H, K, seed=s) for s in (1, 2, 3))
    P = 5
    x = 2 * q[:, :, None] * k[:, None]
    p = sum(x**n / math.factorial(n) for n in range(P + 1))
    weights = np.exp(-(k**2))[:, None] * p
    if causal:
        weights = weights * np.tri(T)[None, :, :, None, None]
    expected = (weights * v[:, None]).sum(2) / weights.sum(2)
    o, _ = steps.element_wise_attention.reference(q, k, v, P=P, causal=causal)
    np.testing.assert_allclose(o, expected, rtol=1e-10, atol=1e-10)


def test_hgrn_as_a_sum() -> None:
    """h_t = Σ_{j <= t} (Π_{j < u <= t} f_u) (1 - f_j) i_j + (Π_{u <= t} f_u) h_0."""
    i, h0 = draw(B, T, H, K), draw(B, H, K, seed=5)
    f = 1 / (1 + np.exp(-draw(B, T, H, K, seed=1)))
    expected = np.empty_like(i)
    for t in range(T):
        expected[:, t] = np.prod(f[:, : t + 1], axis=1) * h0
        for j in range(t + 1):
            expected[:, t] += np.prod(f[:, j + 1 : t + 1], axis=1) * (1 - f[:, j]) * i[:, j]
    o, h = steps.hgrn.reference(i, f, initial_state=h0, output_final_state=True)
    np.testing.assert_allclose(o, expected, rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(h, expected[:, -1], rtol=EXACT, atol=EXACT)


def test_noncausal_sees_all_tokens() -> None:
    q, k, v = keys()
    log_decay = -np.abs(draw(H))
    o, S = steps.lightning_attention.reference(q, k, v, log_decay, causal=False, output_final_state=True)
    np.testing.assert_allclose(o, np.einsum("bthk,bhkv->bthv", q, S), rtol=EXACT, atol=EXACT)
    forward = steps.lightning_attention.reference(q, k, v, log_decay, output_final_state=True)[1]
    np.testing.assert_array_equal(S, forward)
    backward = steps.lightning_attention.reference(
        q, k, v, log_decay, causal=False, reverse=True, output_final_state=True
    )
    np.testing.assert_allclose(backward[0], np.einsum("bthk,bhkv->bthv", q, backward[1]), rtol=EXACT, atol=EXACT)


# ---------------------------------------------------------------------------------------------------------------------
# The arguments of a call
# ---------------------------------------------------------------------------------------------------------------------


def test_reverse_is_the_sequence_backwards() -> None:
    q, k, v = keys()
    o, S = steps.lightnet.reference(q, k, v, reverse=True, output_final_state=True)
    turned, S1 = steps.lightnet.reference(q[:, ::-1], k[:, ::-1], v[:, ::-1], output_final_state=True)
    np.testing.assert_array_equal(o, turned[:, ::-1])
    np.testing.assert_array_equal(S[0], S1[0])


def test_head_first() -> None:
    q, k, v = keys()
    o, _ = steps.lightnet.reference(q, k, v)
    turned, _ = steps.lightnet.reference(*(x.swapaxes(1, 2) for x in (q, k, v)), head_first=True)
    np.testing.assert_array_equal(o, turned.swapaxes(1, 2))


def test_grouped() -> None:
    q, k, v = draw(B, T, 6, K), draw(B, T, 2, K), draw(B, T, 2, V)
    o, _ = steps.lightnet.reference(q, k, v)
    whole, _ = steps.lightnet.reference(q, k.repeat(3, axis=2), v.repeat(3, axis=2))
    np.testing.assert_array_equal(o, whole)


def test_packed_is_each_sequence_alone() -> None:
    q, k, v = (x[:1] for x in keys())
    start = (draw(4, H, K, V), draw(4, H, K))
    ends = np.array([0, 3, 3, 6, 7])
    o, final = steps.lightnet.reference(q, k, v, cu_seqlens=ends, initial_state=start, output_final_state=True)
    for n in range(4):
        part = slice(ends[n], ends[n + 1])
        alone, end = steps.lightnet.reference(
            q[:, part], k[:, part], v[:, part],
            initial_state=tuple(s[n : n + 1] for s in start), output_final_state=True,
        )  # fmt: skip
        np.testing.assert_array_equal(o[:, part], alone)
        for mine, its in zip(final, end, strict=True):
            np.testing.assert_array_equal(mine[n], its[0])


def test_stored_dtypes_are_widened() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    q, k, v = (x.astype(ml_dtypes.bfloat16) for x in keys())
    expected, _ = steps.lightnet.reference(*(x.astype(np.float64) for x in (q, k, v)))
    for given in ((q, k, v), [x.view(np.uint16) for x in (q, k, v)]):
        o, _ = steps.lightnet.reference(*given)
        assert o.dtype == np.float64
        np.testing.assert_array_equal(o, expected)


def test_no_token() -> None:
    o, (S, z) = steps.lightnet.reference(draw(B, 0, H, K), draw(B, 0, H, K), draw(B, 0, H, V), output_final_state=True)
    assert o.shape == (B, 0, H, V)
    assert (S == 0).all()
    assert (z == -np.inf).all()


def test_wrong_arguments_are_errors() -> None:
    q, k, v = keys()
    with pytest.raises(LaunchError, match=r"lightnet: argument 'k': expected K = 4, found 3"):
        steps.lightnet.reference(q, k[..., :3], v)


# ---------------------------------------------------------------------------------------------------------------------
# Steps
# ---------------------------------------------------------------------------------------------------------------------


@td.scan
def uses_old(x: td.In["D"], h: td.State["D"]):
    return h, h + x


@td.scan
def two_outputs(x: td.In["D"], h: td.State["D"]):
    h = h + x
    return h.sum(), td.reshape(h, (D // 2, 2)), h


@td.function
def inner(x, y):
    return outer(x) + y


@td.function
def outer(x):
    return CONSTANT * x


CONSTANT = 3


@td.scan
def nested(x: td.In["D"], h: td.State["D"]):
    h = inner(x, h)
    return h, h


def closed(factor: float) -> Any:
    @td.function
    def scaled(x):
        return factor * x

    @td.scan
    def step(x: td.In["D"], h: td.State["D"]):
        for _ in td.static_range(2):
            h = h + scaled(x)
        return h, h

    return step


def test_noncausal_needs_new_values() -> None:
    with pytest.raises(TreadleError, match="uses_old: with causal=False an output uses the old value of a state"):
        uses_old.reference(draw(1, 2, 1, 3), causal=False)


def test_outputs_of_any_shape() -> None:
    x = draw(B, T, H, 4)
    (total, pairs), _ = two_outputs.reference(x)
    np.testing.assert_allclose(total, np.cumsum(x, 1).sum(-1), rtol=EXACT, atol=EXACT)
    np.testing.assert_array_equal(pairs, np.cumsum(x, 1).reshape(B, T, H, 2, 2))


def test_functions_and_closures() -> None:
    x = draw(B, T, H, 4)
    np.testing.assert_allclose(nested.reference(x)[0], 3 * np.cumsum(x, 1), rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(closed(0.5).reference(x)[0], np.cumsum(x, 1), rtol=EXACT, atol=EXACT)


@td.scan
def branches(x: td.In["D"], h: td.State["D"]):
    h = h + x if x.sum() > 0 else h
    return h, h


@td.scan
def loads(x: td.In["D"], h: td.State["D"]):
    return td.load(x), h


@td.scan
def widens(x: td.In["D"], h: td.State["D"]):
    return h, x[None, :]


@td.scan
def returns_little(x: td.In["D"], h: td.State["D"]):
    return h + x


@td.scan
def asserts(x: td.In["D"], h: td.State["D"]):
    td.static_assert(D == 3, "three")
    return h, x


def test_what_a_step_cannot_do() -> None:
    with pytest.raises(TreadleError, match="a condition in a step is a compile-time constant"):
        branches.reference(draw(1, 1, 1, 3))
    with pytest.raises(TreadleError, match=r"widens: the new value of state h has the shape \(1, 3\), not \(3,\)"):
        widens.reference(draw(1, 1, 1, 3))
    with pytest.raises(TreadleError, match="returns_little: the step returns 1 values, outputs and new states"):
        returns_little.reference(draw(1, 1, 1, 3))
    with pytest.raises(TreadleError, match="static assertion failed: three"):
        asserts.reference(draw(1, 1, 1, 4))
    with pytest.raises(TreadleError, match=r"td\.load has no meaning in a step"):
        loads.reference(draw(1, 1, 1, 3))


def test_every_function_of_a_step_is_here() -> None:
    """What the language has and a step may use."""
    only_in_kernels = {"grid", "load", "scan", "cumsum", "cummax"}
    assert set(BUILTINS.values()) - only_in_kernels == set(FUNCTIONS)
    for fn, name in BUILTINS.items():
        if name in FUNCTIONS and inspect.isfunction(FUNCTIONS[name]) and FUNCTIONS[name].__name__ != "call":
            declared = list(inspect.signature(fn).parameters)
            assert len(declared) == len(inspect.signature(FUNCTIONS[name]).parameters), name
