"""Every chunk form equals its recurrence: in float64 to rounding, and in float32 where a wrong stabiliser would
show."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from launch import BY_NAME, SKETCHES, Array, Arrays, B, C, D, K, Sketch

EXACT = 1e-11
"""Relative rms error of a chunk form in float64: nothing but rounding."""
SINGLE = 1e-4
"""In float32: log-decays that sum to hundreds in a chunk lose their last digits in differences."""

LENGTHS = (1, 7, C - 1, C, C + 1, 131, 197)
every_sketch = pytest.mark.parametrize("sketch", SKETCHES, ids=lambda s: s.name)


def error(result: Array, reference: Array) -> float:
    difference = np.where(result == reference, 0.0, result - reference)  # ±∞ against itself
    size = np.sqrt(np.mean(np.where(np.isfinite(reference), reference, 0.0) ** 2))
    return float(np.sqrt(np.mean(difference**2)) / (size + 1e-8))


def agree(sketch: Sketch, arrays: Arrays, dtype: Any, bound: float) -> None:
    # The recurrence gets the inputs as rounded.
    rounded = {name: np.asarray(array, dtype) for name, array in arrays.items()}
    expected, written = sketch.define(rounded), sketch.run(rounded, dtype)
    assert {name: error(written[name], expected[name]) for name in expected} == {
        name: pytest.approx(0, abs=bound) for name in expected
    }


@every_sketch
@pytest.mark.parametrize("T", LENGTHS)
@pytest.mark.parametrize("state", [False, True], ids=["fresh", "state"])
def test_every_length(sketch: Sketch, T: int, state: bool) -> None:
    """One token, one less and one more than a chunk, lengths that divide by nothing, with and without an initial
    state."""
    arrays = sketch.draw(T, np.random.default_rng(T), state=state)
    agree(sketch, arrays, np.float64, EXACT)
    agree(sketch, arrays, np.float32, SINGLE)


@pytest.mark.parametrize("name", ["constant_decay", "scalar_decay", "vector_decay"])
@pytest.mark.parametrize("decay", [0.0, 1e-3, 0.5, 8.0, 40.0])
def test_every_decay(name: str, decay: float) -> None:
    """From none to one whose product over a chunk underflows: never an overflow, never 0 · ∞."""
    arrays = BY_NAME[name].draw(150, np.random.default_rng(1), decay=decay)
    agree(BY_NAME[name], arrays, np.float64, EXACT)
    agree(BY_NAME[name], arrays, np.float32, SINGLE)


def test_vector_decay_channels_apart() -> None:
    """Channels that keep everything beside channels that forget at once, where the plain factorisation overflows."""
    sketch = BY_NAME["vector_decay"]
    arrays = sketch.draw(150, np.random.default_rng(2), decay=1.0)
    arrays["g"] *= np.where(np.arange(K) % 2, 40.0, 0.0)
    agree(sketch, arrays, np.float32, SINGLE)


@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
def test_lightnet_keys_of_any_size(spread: float) -> None:
    """Weights between e^−40 and 1 in one chunk."""
    arrays = BY_NAME["lightnet"].draw(150, np.random.default_rng(3), spread=spread, state=False)
    agree(BY_NAME["lightnet"], arrays, np.float64, EXACT)
    agree(BY_NAME["lightnet"], arrays, np.float32, SINGLE)


@pytest.mark.parametrize("step", [100.0, -100.0])
@pytest.mark.parametrize("at", [0, 15, 16, 17, 64, 70])
def test_lightnet_a_step_of_the_keys(step: float, at: int) -> None:
    """A key 100 above all before takes all the weight; 100 below, none."""
    arrays = BY_NAME["lightnet"].draw(100, np.random.default_rng(4), state=False)
    arrays["k"][:, at:] += step
    agree(BY_NAME["lightnet"], arrays, np.float32, SINGLE)


def test_lightnet_constant_keys_average() -> None:
    """Equal keys: o is the sum of q times the running mean of v."""
    sketch = BY_NAME["lightnet"]
    arrays = sketch.draw(70, np.random.default_rng(5), state=False)
    arrays["k"][:] = 3.0
    mean = np.cumsum(arrays["v"], 1) / np.arange(1, 71)[:, None, None]
    np.testing.assert_allclose(
        sketch.run(arrays)["o"], arrays["q"].sum(-1, keepdims=True) * mean, rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("highest_order", [0, 2, 4, 6])
@pytest.mark.parametrize("T", [1, C - 1, C + 1])
def test_element_wise_every_order(highest_order: int, T: int) -> None:
    """P = 0 ignores q; a single token gives back its value at any order. The alternating sum costs up to two digits."""
    rows = highest_order + 1
    states = {"S": (B, rows, D), "Z": (B, rows, D), "mu": (B, D)}
    sketch = dataclasses.replace(BY_NAME["element_wise"], orders=rows, states=states)
    arrays = sketch.draw(T, np.random.default_rng(6), state=False)
    agree(sketch, arrays, np.float64, EXACT * 100)
    agree(sketch, arrays, np.float32, SINGLE)
    if T == 1:
        np.testing.assert_allclose(sketch.run(arrays)["y"], arrays["v"], rtol=1e-10)


@pytest.mark.parametrize("arrival", [0, 40, 64, 99])
def test_element_wise_large_keys(arrival: int) -> None:
    """Keys all beyond 12, whose weights underflow without the running minimum, then one small key that takes over."""
    sketch = BY_NAME["element_wise"]
    rng = np.random.default_rng(7)
    arrays = sketch.draw(100, rng, state=False)
    arrays["k"] = np.where(rng.random(arrays["k"].shape) < 0.5, -1, 1) * (12 + rng.random(arrays["k"].shape))
    arrays["q"] *= 0.05
    agree(sketch, arrays, np.float32, SINGLE * 10)
    arrays["k"][:, arrival] = 0.01
    agree(sketch, arrays, np.float32, SINGLE * 10)


@every_sketch
@settings(max_examples=8, deadline=None)
@given(T=st.integers(2, 150), share=st.floats(0, 1), seed=st.integers(0, 2**32 - 1), state=st.booleans())
def test_continuation(sketch: Sketch, T: int, share: float, seed: int, state: bool) -> None:
    """Two calls with the state handed on between them are one call, wherever the cut."""
    arrays = sketch.draw(T, np.random.default_rng(seed), state=state)
    cut = min(max(1, round(share * T)), T - 1)
    first = sketch.run(sketch.cut(arrays, 0, cut))
    handed_on = {name: first[name] for name in sketch.states}
    second = sketch.run(sketch.cut(arrays, cut, T) | handed_on)
    expected = sketch.define(arrays)
    both = np.concatenate([first[sketch.result], second[sketch.result]], 1)
    assert error(both, expected[sketch.result]) < EXACT
    assert all(error(second[name], expected[name]) < EXACT for name in sketch.states)


@every_sketch
@pytest.mark.parametrize("chunk", [16, 32, 128])
def test_chunk_length_does_not_matter(sketch: Sketch, chunk: int) -> None:
    """The chunk is a choice of the schedule, not of the mathematics."""
    arrays = sketch.draw(100, np.random.default_rng(8))
    expected, written = sketch.define(arrays), sketch.run(arrays, chunk=chunk)
    assert all(error(written[name], expected[name]) < EXACT for name in expected)


@every_sketch
def test_causal(sketch: Sketch) -> None:
    """A token changes nothing before it, to the bit."""
    arrays = sketch.draw(100, np.random.default_rng(9), state=False)
    before = sketch.run(arrays)[sketch.result]
    for name in "qkv":
        arrays[name][:, 70] += 1
    after = sketch.run(arrays)[sketch.result]
    np.testing.assert_array_equal(after[:, :70], before[:, :70])
    assert (after[:, 70] != before[:, 70]).any()
