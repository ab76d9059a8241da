"""Gradients found in segments of time, on the CPU, against those of the definition and of all tokens at once."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from scan_checks import listed
from treadle import compiler
from treadle.errors import LaunchError, TreadleError
from treadle.runtime import scan_checkpoints, scan_vjp
from treadle.runtime.scan_binding import bind
from treadle.runtime.scan_call import CALL_SETTINGS, one_or_all
from vjp_checks import ALL, check, inputs_of, states_of, weights, wide, worst

pytest.importorskip("ml_dtypes")

try:
    compiler.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

MATRICES = ("delta_rule", "gated_delta", "joined_keys", "old_states", "handed_on")
"""Steps of which a backward keeps a matrix of every token."""
OTHERS = ("every_kind_of_input", "powers_of_a_matrix", "extremes", "convolved_attention")
"""Steps that have windows, positions, parameters, states of infinity, in no form for chunks."""
NORMAL = ("gla", "lightnet", "linear_attention", "element_wise_attention", "hgrn")
ENDS = np.array([0, 17, 17, 118, 130])
"""Of packed sequences, one of them empty, one in three segments."""


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> list[list[slice]]:
    """The segments of every backward that has some, where little is free."""
    found: list[list[slice]] = []

    def recorded(*args: Any) -> list[slice]:
        found.append(scan_checkpoints.segments_of(*args))
        return list(found[-1])

    monkeypatch.setattr(scan_vjp, "segments_of", recorded)
    monkeypatch.setattr(scan_checkpoints, "FREE", 0)
    monkeypatch.setattr(scan_checkpoints, "MOST", 0)
    return found


def pulled(scan: Any, inputs: dict[str, Any], *, gradients: Any = None, **settings: Any) -> dict[str, Any]:
    """Gradients of random sums of the results."""
    (o, final), pullback = scan.vjp(**inputs, output_final_state=True, **settings)
    found: dict[str, Any] = pullback(weights(o), weights(final, "f32", 6), gradients=gradients)
    return found


def alike(one: dict[str, Any], other: dict[str, Any], dtype: str = "f32") -> None:
    """Assert that gradients differ by their bound at most."""
    expected = {name: one_or_all(map(wide, listed(g))) for name, g in other.items()}
    assert not (wrong := worst(one, expected, dtype)), wrong


def equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Assert that gradients have the same bits."""
    assert one.keys() == other.keys()
    for name, g in one.items():
        for x, y in zip(listed(g), listed(other[name]), strict=True):
            assert x.dtype == y.dtype and x.tobytes() == y.tobytes(), name


# ---------------------------------------------------------------------------------------------------------------------
# Right gradients
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize(("T", "length"), [(1, 64), (64, 64), (130, 64), (200, 96)])
@pytest.mark.parametrize("name", [*MATRICES, *OTHERS])
def test_beside_the_definition(name: str, T: int, length: int, dtype: str) -> None:
    scan = ALL[name]
    check(scan, inputs_of(scan, T, B=1, H=1, dtype=dtype), initial_state=states_of(scan, 1, H=1), checkpoint=length)


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", [*MATRICES, *OTHERS, *NORMAL])
def test_beside_all_at_once(name: str, reverse: bool, dtype: str) -> None:
    scan = ALL[name]
    inputs, settings = inputs_of(scan, 150, dtype=dtype), {"initial_state": states_of(scan), "reverse": reverse}
    found = pulled(scan, inputs, checkpoint=64, **settings)
    equal(pulled(scan, inputs, checkpoint=64, **settings), found)
    alike(found, pulled(scan, inputs, checkpoint=0, **settings), dtype)


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("name", ["delta_rule", "extremes", "lightnet"])
def test_from_the_defaults(name: str, final: bool) -> None:
    scan = ALL[name]
    check(scan, inputs_of(scan, 40), output_final_state=final, checkpoint=15)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ["delta_rule", "every_kind_of_input"])
def test_packed(name: str, reverse: bool) -> None:
    scan = ALL[name]
    inputs, start = inputs_of(scan, 130, B=1), states_of(scan, 4)
    check(scan, inputs, initial_state=start, checkpoint=50, cu_seqlens=ENDS, reverse=reverse)


@pytest.mark.parametrize("settings", [{"segments": 3}, {"head_first": True}, {"axis": 2}, {"axis": 1}], ids=str)
def test_settings(settings: dict[str, Any]) -> None:
    scan = ALL["delta_rule"]
    inputs = inputs_of(scan, 40)
    if "axis" in settings:
        inputs = {name: x.reshape(2, 5, 8, *x.shape[2:]) for name, x in inputs.items()}
    if "head_first" in settings:
        inputs = {name: x.swapaxes(1, 2) for name, x in inputs.items()}
    check(scan, inputs, checkpoint=3, **settings)


@pytest.mark.parametrize(("name", "few"), [("gated_delta", "qk"), ("every_kind_of_input", "u")])
def test_groups_of_heads(name: str, few: str) -> None:
    scan = ALL[name]
    check(scan, inputs_of(scan, 40, few=few), initial_state=states_of(scan), checkpoint=16)


def test_some_gradients() -> None:
    scan = ALL["every_kind_of_input"]
    inputs, start = inputs_of(scan, 40), states_of(scan)
    every = pulled(scan, inputs, initial_state=start, checkpoint=16)
    for names in ([], ["x"], ["u", "y"]):
        found = pulled(scan, inputs, initial_state=start, checkpoint=16, gradients=names)
        assert found.keys() == {*names, "initial_state"}
        alike(found, {name: every[name] for name in found})


@pytest.mark.parametrize("name", ["delta_rule", "unused"])
def test_what_is_zero(name: str) -> None:
    scan = ALL[name]
    inputs, start = inputs_of(scan, 20), states_of(scan)
    found = scan.vjp(**inputs, initial_state=start, checkpoint=8)[1](None)
    assert found.keys() == {*inputs, "initial_state"} and not any(np.any(g) for g in found.values())
    check(scan, inputs, initial_state=start, checkpoint=8)


def test_in_the_simulator() -> None:
    """What is loaded and stored at once on a GPU fits parts of arrays too, of any length."""
    scan = ALL["delta_rule"]
    inputs = inputs_of(scan, 20, B=1, H=1, dtype="bf16")
    whole = pulled(scan, inputs, on="sim", checkpoint=0)
    for length in (7, 16):
        alike(pulled(scan, inputs, on="sim", checkpoint=length), whole, "bf16")


# ---------------------------------------------------------------------------------------------------------------------
# When, and how long
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MATRICES)
def test_matrices_of_every_token_are_checkpointed(name: str, cut: list[list[slice]]) -> None:
    scan = ALL[name]
    inputs = inputs_of(scan, 200, H=1)
    found = pulled(scan, inputs)
    assert cut == [[slice(0, 64), slice(64, 128), slice(128, 192), slice(192, 200)]]
    alike(found, pulled(scan, inputs, checkpoint=0))
    assert len(cut) == 1


@pytest.mark.parametrize("name", NORMAL)
def test_other_steps_are_not(name: str, cut: list[list[slice]]) -> None:
    scan = ALL[name]
    pulled(scan, inputs_of(scan, 200, H=1))
    assert not cut


def test_what_is_little_or_noncausal_is_not(cut: list[list[slice]], monkeypatch: pytest.MonkeyPatch) -> None:
    scan = ALL["delta_rule"]
    inputs = inputs_of(scan, 200, H=1)
    pulled(scan, inputs, causal=False)
    for name, value in (("FREE", 4 * 2 * 200 * 4 * 5), ("MOST", 2)):  # a matrix of every token; 19 numbers, and 20
        with monkeypatch.context() as patch:
            patch.setattr(scan_checkpoints, name, value)
            pulled(scan, inputs)
    pulled(scan, {name: x[:, :0] for name, x in inputs.items()})
    assert not cut


def test_some_tokens_are_one_segment(cut: list[list[slice]]) -> None:
    scan = ALL["delta_rule"]
    for T, length in ((64, 64), (20, 100)):
        pulled(scan, inputs_of(scan, T, H=1), checkpoint=length)
    assert not cut


@pytest.mark.parametrize(
    ("B", "H", "T", "length"), [(4, 16, 8192, 192), (4, 16, 1 << 20, 2048), (1, 1, 8192, 2048), (1, 1, 4096, 0)]
)
def test_lengths(B: int, H: int, T: int, length: int) -> None:
    """Near 2 sqrt(T), or as many as are half of what is free."""
    x, beta = (np.broadcast_to(np.float16(0), shape) for shape in ((B, T, H, 64), (B, T, H)))
    bound = bind(ALL["delta_rule"], (x, x, x, beta), {}, CALL_SETTINGS)
    kept = {"kept_0": (B, T, H, 64, 64)}
    assert scan_checkpoints.length_for(bound, kept, 4 * x.nbytes) == length
    assert scan_checkpoints.length_for(bound, {"kept_0": (B, T, H, 64)}, 0) == 0


def test_how_much_is_kept(cut: list[list[slice]]) -> None:
    """Matrices of 128 tokens, and 32 states, not matrices of 4096 tokens; beside them little."""
    scan, T, K = ALL["delta_rule"], 4096, 16
    rng = np.random.default_rng(0)
    q, k, v = 0.2 * rng.standard_normal((3, 1, T, 1, K)).astype(np.float32)
    beta = np.full((1, T, 1), 0.5, np.float32)
    peaks = {}
    for checkpoint in (0, None):
        (o, _), pullback = scan.vjp(q, k, v, beta, checkpoint=checkpoint)
        pullback(o)  # which compiles
        tracemalloc.start()
        pullback(o)
        peaks[checkpoint] = tracemalloc.get_traced_memory()[1] - sum(x.nbytes for x in (q, k, v, beta))
        tracemalloc.stop()
    token = 4 * K * K
    assert [len(segments) for segments in cut] == [32, 32]
    assert peaks[0] > T * token
    assert peaks[None] < (128 + 32 + 96) * token, peaks


# ---------------------------------------------------------------------------------------------------------------------
# Mistakes
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-1, 64.0, True, "64"])
def test_wrong_lengths(value: Any) -> None:
    with pytest.raises(LaunchError) as caught:
        ALL["delta_rule"].vjp(**inputs_of(ALL["delta_rule"], 3), checkpoint=value)
    expected = f"expected a number of tokens from 0, or None, found {value!r}"
    assert str(caught.value) == f"delta_rule: argument 'checkpoint': {expected}"


def test_no_segments_of_noncausal_scans() -> None:
    scan = ALL["linear_attention"]
    inputs = inputs_of(scan, 20)
    for length in (None, 0):
        check(scan, inputs, causal=False, checkpoint=length)
    with pytest.raises(LaunchError) as caught:
        scan.vjp(**inputs, causal=False, checkpoint=8)
    expected = "expected 0, or None, with causal=False, found 8"
    assert str(caught.value) == f"linear_attention: argument 'checkpoint': {expected}"
