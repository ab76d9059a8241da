"""Compiled gradients of scans, on the CPU, against those of the definition in float64."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import shared_steps
import steps
import vjp_steps
import window_steps
from scan_checks import BY_NAME, SUBJECTS, listed, same, stored
from treadle import compiler
from treadle.errors import KernelError, LaunchError, TreadleError
from treadle.runtime.scan_call import one_or_all
from treadle.runtime.step_decays import decays
from vjp_checks import ALL, check, gradients, inputs_of, states_of, weights, wide, worst

ml_dtypes = pytest.importorskip("ml_dtypes")

try:
    compiler.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

SOME = (
    "gla", "lightnet", "element_wise_attention", "linear_attention", "delta_rule", "convolved_attention", "rotary",
    "every_kind_of_input", "extremes", "mixed_products", "old_states",
)  # fmt: skip
"""Steps of every kind: with decays of every kind, in no form for chunks, with windows, with several outputs."""
FEW = ("lightnet", "delta_rule", "every_kind_of_input", "mixed_products")
SIXTEEN = (
    *(name for name in SOME if name != "rotary"),
    "lightning_attention",
    "hgrn",
    "gated_delta",
    "two_decays",
    "series",
)
"""Without one whose gradients are sums over positions that all but cancel."""
ENDS = np.array([0, 17, 17, 18, 42])
"""Of packed sequences, one of them empty, one of one token."""

# ---------------------------------------------------------------------------------------------------------------------
# Every step
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("T", [1, 17, 64, 65])
@pytest.mark.parametrize("name", ALL)
def test_every_step(name: str, T: int) -> None:
    scan, H = ALL[name], 2 if T < 64 else 1
    check(scan, inputs_of(scan, T, B=1, H=H), initial_state=states_of(scan, 1, H=H))


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize("name", SIXTEEN)
def test_sixteen_bits(name: str, dtype: str) -> None:
    scan = ALL[name]
    check(scan, inputs_of(scan, 65, B=1, dtype=dtype), initial_state=states_of(scan, 1))


@pytest.mark.parametrize("strength", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
def test_decays(dtype: str, strength: float) -> None:
    """Of a head and of channels, over several chunks."""
    head = inputs_of(steps.lightning_attention, 150, dtype=dtype)
    check(steps.lightning_attention, {**head, "log_decay": np.full(2, -strength, np.float32)}, what="of a head")
    channels = inputs_of(steps.gla, 150, B=1, dtype=dtype)
    check(steps.gla, {**channels, "g": (strength * channels["g"]).astype(np.float32)}, what="of channels")


@pytest.mark.parametrize("strength", [8.0, 40.0])
@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
def test_strong_decays(dtype: str, strength: float) -> None:
    """All but nothing is left of a state: the gradient of a head's decay is a sum that cancels."""
    head = inputs_of(steps.lightning_attention, 150, dtype=dtype)
    head["log_decay"] = np.full(2, -strength, np.float32)
    found, expected = gradients(steps.lightning_attention, head)
    np.testing.assert_allclose(found.pop("log_decay"), expected.pop("log_decay"), rtol=1e-2, atol=1e-3)
    assert not worst(found, expected, dtype)
    channels = inputs_of(steps.gla, 150, B=1, dtype=dtype)
    check(steps.gla, {**channels, "g": (strength * channels["g"]).astype(np.float32)}, what="of channels")


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("name", FEW)
def test_from_the_defaults(name: str, final: bool) -> None:
    scan = ALL[name]
    check(scan, inputs_of(scan, 40), output_final_state=final)


@pytest.mark.parametrize("settings", [{"reverse": True}, {"segments": 3}], ids=["reverse", "segments"])
@pytest.mark.parametrize("name", FEW)
def test_settings(name: str, settings: dict[str, Any]) -> None:
    scan = ALL[name]
    check(scan, inputs_of(scan, 51, B=1), initial_state=states_of(scan, 1), **settings)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_shared_states_in_segments(subject: Any) -> None:
    """Blocks have parts of a state, and of its decay; the last segment is so short that most of a state survives it."""
    K, V = 72, 40
    initial = one_or_all(subject.states(1, K=K, V=V))
    check(subject.scan, subject.inputs(70, B=1, K=K, V=V), initial_state=initial, segments=3)


@pytest.mark.parametrize("segments", [1, 3])
@pytest.mark.parametrize("scan", shared_steps.SCANS, ids=lambda scan: scan.name)
def test_shared_states_of_constants(scan: Any, segments: int) -> None:
    """Blocks have parts of a state, of which what is added says nothing."""
    rng = np.random.default_rng(0)
    sizes = {"K": 33, "V": 96}
    inputs = {
        p.name: stored(rng.standard_normal((1, 40, 1, *(a.size(sizes) for a in p.axes))), "f32") for p in scan.inputs
    }
    result = scan(**inputs, output_final_state=True, segments=segments)
    same(result, scan.reference(**inputs, output_final_state=True))
    check(scan, inputs, segments=segments)


def test_quotients_that_are_not_causal() -> None:
    """Gradients are differences of what is read: as exact as where they are causal."""
    subject = BY_NAME["linear_attention"]
    check(subject.scan, subject.inputs(45, B=1, K=72, V=72, dtype="bf16"), causal=False)


@pytest.mark.parametrize("name", SOME)
def test_settings_together(name: str) -> None:
    scan = ALL[name]
    check(scan, inputs_of(scan, 51, B=1), initial_state=states_of(scan, 1), reverse=True, segments=3)


@pytest.mark.parametrize(
    ("name", "settings"), [*((name, {}) for name in SOME), *((name, {"segments": 3, "reverse": True}) for name in FEW)]
)
def test_packed(name: str, settings: dict[str, Any]) -> None:
    scan = ALL[name]
    found = check(
        scan, inputs_of(scan, 42, B=1), initial_state=states_of(scan, 4), cu_seqlens=ENDS, what="packed", **settings
    )
    empty = [state[1] for state in listed(found["initial_state"])]
    given = [w[1] for w in listed(weights(states_of(scan, 4), "f32", 6))]
    for g, w in zip(empty, given, strict=True):
        np.testing.assert_array_equal(g, w)


@pytest.mark.parametrize("name", FEW)
def test_heads_first(name: str) -> None:
    scan = ALL[name]
    turned = {p.name for p in scan.inputs if p.indices == "BTH"}
    inputs = {n: x.swapaxes(1, 2) if n in turned else x for n, x in inputs_of(scan, 33, H=3).items()}
    check(scan, inputs, initial_state=states_of(scan, H=3), head_first=True)


@pytest.mark.parametrize(
    ("name", "few"),
    [("lightnet", "kv"), ("lightning_attention", "log_decay"), ("convolved_attention", "k"), ("unused", "u")],
)
def test_groups_of_heads(name: str, few: str) -> None:
    scan = ALL[name]
    inputs = inputs_of(scan, 20, H=4)
    names = [few] if few in inputs else list(few)
    for n in names:
        axis = next(p.indices for p in scan.inputs if p.name == n).index("H")
        inputs[n] = np.ascontiguousarray(inputs[n].take([0, 1], axis))
    check(scan, inputs, initial_state=states_of(scan, H=4))


@pytest.mark.parametrize("chunk", [1, 32])
@pytest.mark.parametrize("name", FEW)
def test_chunks(name: str, chunk: int) -> None:
    scan = ALL[name]
    check(scan, inputs_of(scan, 50, B=1), initial_state=states_of(scan, 1), chunk=chunk)


@pytest.mark.parametrize("settings", [{}, {"segments": 3}], ids=["whole", "segments"])
@pytest.mark.parametrize("name", FEW)
def test_no_token(name: str, settings: dict[str, Any]) -> None:
    scan = ALL[name]
    found = check(scan, inputs_of(scan, 0), initial_state=states_of(scan), **settings)
    for g, w in zip(listed(found["initial_state"]), listed(weights(states_of(scan), "f32", 6)), strict=True):
        np.testing.assert_array_equal(g, w)


# ---------------------------------------------------------------------------------------------------------------------
# One way and another
# ---------------------------------------------------------------------------------------------------------------------


def equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Assert that gradients have the same bits."""
    assert one.keys() == other.keys()
    for name, g in one.items():
        for x, y in zip(listed(g), listed(other[name]), strict=True):
            assert x.dtype == y.dtype and x.tobytes() == y.tobytes(), name


def alike(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Assert that gradients, of f32 inputs, differ by their bound at most."""
    assert not (wrong := worst(one, {n: one_or_all(map(wide, listed(g))) for n, g in other.items()}, "f32")), wrong


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("name", FEW)
def test_the_same_bits_twice(name: str, dtype: str) -> None:
    scan = ALL[name]
    inputs, start = inputs_of(scan, 65, dtype=dtype), states_of(scan)
    results, pullback = scan.vjp(**inputs, initial_state=start, output_final_state=True)
    given = weights(results[0]), weights(results[1])
    first = pullback(*given)
    equal(pullback(*given), first)
    equal(scan.vjp(**inputs, initial_state=start, output_final_state=True)[1](*given), first)


@pytest.mark.parametrize("name", FEW)
def test_bf16_as_its_bits(name: str) -> None:
    scan = ALL[name]
    inputs = inputs_of(scan, 20, dtype="bf16")
    as_bits = {n: x.view(np.uint16) if x.dtype == ml_dtypes.bfloat16 else x for n, x in inputs.items()}
    (o, _), pullback = scan.vjp(**inputs)
    given = weights(o)
    found, bits = pullback(given), scan.vjp(**as_bits)[1](one_or_all(x.view(np.uint16) for x in listed(given)))
    assert {n: g.dtype for n, g in bits.items()} == {n: x.dtype for n, x in as_bits.items()}
    equal(bits, {n: g.view(as_bits[n].dtype) for n, g in found.items()})


@pytest.mark.parametrize("name", FEW)
def test_arrays_with_gaps(name: str) -> None:
    """Inputs and gradients that are parts of larger arrays, or turned."""

    def gaps(x: Any) -> Any:
        wide = np.full((*(2 * size + 1 for size in x.shape[:-1]), x.shape[-1] + 3), np.nan, x.dtype)
        part = wide[(*(slice(1, None, 2) for _ in x.shape[:-1]), slice(1, -2))]
        part[...] = x
        return part

    def turned(x: Any) -> Any:
        """Of what is copied."""
        return np.asfortranarray(gaps(x))

    scan = ALL[name]
    inputs, start = inputs_of(scan, 33), states_of(scan)
    results, pullback = scan.vjp(**inputs, initial_state=start, output_final_state=True)
    given = weights(results[0]), weights(results[1])
    timed = {p.name for p in scan.inputs if "T" in p.indices}
    apart = {n: gaps(x) if n in timed else x for n, x in inputs.items()}
    o, final = (one_or_all(map(turned, listed(w))) for w in given)
    found = scan.vjp(**apart, initial_state=start, output_final_state=True)[1](o, final)
    equal(found, pullback(*given))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", FEW)
def test_packed_or_apart(name: str, reverse: bool) -> None:
    scan = ALL[name]
    inputs, start = inputs_of(scan, 42, B=1), states_of(scan, 4)
    timed = {p.name for p in scan.inputs if "T" in p.indices}
    settings = {"output_final_state": True, "reverse": reverse}
    results, pullback = scan.vjp(**inputs, initial_state=start, cu_seqlens=ENDS, **settings)
    o, final = listed(weights(results[0])), listed(weights(results[1]))
    whole = pullback(one_or_all(o), one_or_all(final))
    total = {n: np.zeros(g.shape) for n, g in whole.items() if n != "initial_state"}
    states = [np.zeros(x.shape) for x in listed(start)]
    for i, (a, b) in enumerate(itertools.pairwise(ENDS)):
        part = {n: x[:, a:b] if n in timed else x for n, x in inputs.items()}
        first = one_or_all(x[i : i + 1] for x in listed(start))
        given = one_or_all(w[:, a:b] for w in o), one_or_all(w[i : i + 1] for w in final)
        found = scan.vjp(**part, initial_state=first, **settings)[1](*given)
        for state, g in zip(states, listed(found.pop("initial_state")), strict=True):
            state[i] = g[0]
        for n, g in found.items():
            total[n][(slice(None), slice(a, b)) if n in timed else ...] += g
    alike(whole, {**total, "initial_state": one_or_all(states)})


@pytest.mark.parametrize("cut", [1, 20])
@pytest.mark.parametrize("name", [*FEW, "gla"])
def test_through_the_state(name: str, cut: int) -> None:
    """Two calls, the second from the state of the first: what goes back through that state is what is missing."""
    scan = ALL[name]
    inputs, start = inputs_of(scan, 40), states_of(scan)
    timed = {p.name for p in scan.inputs if "T" in p.indices}
    before, after = (
        {n: x[:, times] if n in timed else x for n, x in inputs.items()} for times in (slice(cut), slice(cut, None))
    )
    results, pullback = scan.vjp(**inputs, initial_state=start, output_final_state=True)
    o, final = listed(weights(results[0])), weights(results[1])
    whole = pullback(one_or_all(o), final)
    (_, state), first = scan.vjp(**before, initial_state=start, output_final_state=True)
    _, second = scan.vjp(**after, initial_state=state, output_final_state=True)
    last = second(one_or_all(w[:, cut:] for w in o), final)
    found = first(one_or_all(w[:, :cut] for w in o), last["initial_state"])
    joined = {
        n: np.concatenate([found[n], last[n]], 1) if n in timed else found[n] + last[n] for n in found if n in inputs
    }
    alike(whole, {**joined, "initial_state": found["initial_state"]})


# ---------------------------------------------------------------------------------------------------------------------
# What is zero
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["old_states", "gla"])
def test_none_is_zeros(name: str) -> None:
    scan = ALL[name]
    inputs, start = inputs_of(scan, 20), states_of(scan)
    (o, final), pullback = scan.vjp(**inputs, initial_state=start, output_final_state=True)
    zeros = [one_or_all(np.zeros_like(x) for x in listed(part)) for part in (o, final)]
    given = weights(o), weights(final)
    for some, full in (
        ((None, given[1]), (zeros[0], given[1])),
        ((given[0], None), (given[0], zeros[1])),
        ((None, None), zeros),
    ):
        alike(pullback(*some), pullback(*full))
    if isinstance(o, tuple):
        alike(pullback((given[0][0], None, None)), pullback((given[0][0], *zeros[0][1:])))


@pytest.mark.parametrize("segments", [None, 3])
@pytest.mark.parametrize("T", [3, 20])
def test_inputs_without_a_gradient(T: int, segments: int | None) -> None:
    found = check(vjp_steps.unused, inputs_of(vjp_steps.unused, T), segments=segments)
    assert not any(found[name].any() for name in "yuw")
    counted = check(vjp_steps.chosen, inputs_of(vjp_steps.chosen, T), segments=segments)
    assert "n" not in counted


@pytest.mark.parametrize("name", ["gla", "two_decays", "every_kind_of_input"])
def test_some_gradients(name: str) -> None:
    scan = ALL[name]
    (o, final), pullback = scan.vjp(**inputs_of(scan, 20), initial_state=states_of(scan), output_final_state=True)
    given = weights(o), weights(final)
    every = pullback(*given)
    for names in ([], [scan.inputs[0].name], [p.name for p in scan.inputs[1:]]):
        found = pullback(*given, gradients=names)
        assert found.keys() == {*names, "initial_state"}
        alike(found, {n: every[n] for n in found})


def test_states_have_gradients_where_they_were_given() -> None:
    scan = steps.lightnet
    inputs, start = inputs_of(scan, 20), states_of(scan)
    assert "initial_state" not in check(scan, inputs)
    as_list = scan.vjp(**inputs, initial_state=list(start))[1](None)["initial_state"]
    assert isinstance(as_list, tuple) and not any(g.any() for g in as_list)


@pytest.mark.parametrize("name", ["lightnet", "extremes"])
def test_where_there_was_nothing(name: str) -> None:
    """States of -inf, as before the first token: no gradient is NaN."""
    scan = ALL[name]
    infinite = zip(listed(states_of(scan)), scan.states, strict=True)
    start = one_or_all(np.full_like(x, p.initial) for x, p in infinite)
    found, expected = gradients(scan, inputs_of(scan, 20), initial_state=start)
    for g, w in zip(listed(found.pop("initial_state")), listed(expected.pop("initial_state")), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-5, atol=1e-5)  # sums of what goes to inputs and comes from outputs
    assert not worst(found, expected, "f32")


# ---------------------------------------------------------------------------------------------------------------------
# Mistakes
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("T", [3, 20])
def test_wrong_gradients(T: int) -> None:
    scan = steps.lightnet
    inputs = inputs_of(scan, T)
    (o, (S, z)), pullback = scan.vjp(**inputs, output_final_state=True)
    shape = f"(2, {T}, 2, 5)"
    for given, message in [
        ((o[:1],), f"'o_grad': expected {shape}, found (1, {T}, 2, 5)"),
        (((o, o),), "'o_grad': expected one array, found 2"),
        ((o.astype(np.float16),), "'o_grad': expected f32, found f16"),
        (("o",), "'o_grad': expected an array of NumPy or PyTorch, found str"),
        ((o, S), "'final_state_grad': expected a tuple of 2 arrays (S, z), found one"),
        ((o, (S, z, z)), "'final_state_grad': expected a tuple of 2 arrays (S, z), found 3"),
        ((o, (S, z[:1])), "'final_state_grad[z]': expected [B, H, K] = (2, 2, 4), found (1, 2, 4)"),
        ((o, (S, z.astype(np.float16))), "'final_state_grad[z]': expected f32, found f16"),
        ((o, (S.astype(np.float64), z)), "'final_state_grad[S]': expected f32, found float64"),
    ]:
        with pytest.raises(LaunchError) as caught:
            pullback(*given)
        assert str(caught.value) == f"lightnet: argument {message}"
    (o, _), pullback = vjp_steps.old_states.vjp(**inputs_of(vjp_steps.old_states, T))
    for given, message in [
        (o[:2], "'o_grad': expected a tuple of 3 arrays, found 2"),
        (o[0], "'o_grad': expected a tuple of 3 arrays, found 1"),
        ((o[0], o[0], o[2]), f"'o_grad[o1]': expected (2, {T}, 2, 5), found (2, {T}, 2, 4)"),
    ]:
        with pytest.raises(LaunchError) as caught:
            pullback(given)
        assert str(caught.value) == f"old_states: argument {message}"


def test_wrong_calls() -> None:
    inputs = inputs_of(steps.lightnet, 3)
    for settings, message in [
        ({"out": np.zeros(3)}, "argument 'out': vjp does not take it"),
        ({"segments": 0}, "argument 'segments': expected a number from 1, or None, found 0"),
    ]:
        with pytest.raises(LaunchError) as caught:
            steps.lightnet.vjp(**inputs, **settings)
        assert str(caught.value) == f"lightnet: {message}"
    (o, _), pullback = steps.lightnet.vjp(**inputs)
    with pytest.raises(LaunchError, match="lightnet: argument 'gradients': expected some of q, k, v, found 'x'"):
        pullback(o, gradients=["q", "x"])
    with pytest.raises(LaunchError, match="expected arguments named q, k, v"):
        steps.lightnet.vjp(**inputs, colour="blue")
    with pytest.raises(LaunchError, match="lightnet: argument 'k': expected K = 4, found 3"):
        steps.lightnet.vjp(**{**inputs, "k": inputs["k"][..., :3]})


@pytest.mark.parametrize("T", [3, 20])
def test_what_has_no_rule_is_an_error_there(T: int) -> None:
    (o, _), pullback = vjp_steps.multiplied.vjp(stored(np.ones((1, T, 1, 4)), "f32"))
    with pytest.raises(KernelError, match="the gradient of this reduction is not known: of sums, maxima") as caught:
        pullback(o)
    line = vjp_steps.multiplied.line + 4
    assert f"{vjp_steps.__file__}:{line}:" in str(caught.value) and "td.reduce" in str(caught.value)


# ---------------------------------------------------------------------------------------------------------------------
# What the bounds are
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lightning_attention", ["log_decay"]), ("gla", ["g"]), ("lightnet", ["k", "z"]), ("hgrn", []),
        ("linear_attention", []), ("element_wise_attention", ["mu"]), ("gated_delta", ["g"]),
        ("every_kind_of_input", ["e"]), ("two_decays", ["a", "b", "c"]), ("decays_of_states", ["k", "m"]),
        ("mixed_products", []),
    ],
)  # fmt: skip
def test_which_inputs_are_decays(name: str, expected: list[str]) -> None:
    scan = ALL[name]
    assert sorted(decays(scan, inputs_of(scan, 1))) == expected


def test_wrong_gradients_are_seen() -> None:
    scan = window_steps.based
    found, expected = gradients(scan, inputs_of(scan, 3))
    assert not worst(found, expected, "f32")
    found["k"] = found["k"] * np.float32(1.0002)
    assert list(worst(found, expected, "f32")) == ["k"]
    found["q"][0, 0, 0, 0] = np.nan
    assert list(worst(found, expected, "f32")) == ["q", "k"]


@pytest.mark.parametrize(
    ("found", "expected", "good"),
    [
        (np.inf, 7e4, True), (-np.inf, -7e4, True), (65504, 65530, True),
        (np.inf, 6e4, False), (-np.inf, 7e4, False), (65504, 7e4, False), (np.nan, 7e4, False), (7e4, np.inf, False),
    ],
)  # fmt: skip
def test_what_f16_does_not_hold_is_infinite(found: float, expected: float, good: bool) -> None:
    kept, wanted = stored(np.array([1.0, found]), "f16" if found != 7e4 else "f32"), np.array([1.0, expected])
    assert (not worst({"x": kept}, {"x": wanted}, "f16")) == good
