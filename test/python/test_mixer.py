"""Mixers on the CPU target and by their references, against the references of the scans that they call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import mixer_steps
import numpy as np
import pytest
import vjp_checks
from mixer_steps import lightnet, lightning_attention, prepared, rotary, short_conv, smoothed
from scan_checks import agree, close, listed, same, stored
from treadle import compiler
from treadle.errors import LaunchError, TreadleError
from treadle.runtime.scan_call import one_or_all

ml_dtypes = pytest.importorskip("ml_dtypes")

try:
    compiler.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

Array = Any
Arrays = dict[str, Array]
Call = Callable[..., Any]
LENGTHS = (1, 2, 17, 33, 70)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


# ---------------------------------------------------------------------------------------------------------------------
# What mixers should return: calls of scans, with NumPy between them
# ---------------------------------------------------------------------------------------------------------------------


def gated_lightnet(call: Call, q: Array, k: Array, v: Array, g: Array, taps: Array) -> Array:
    k = call(short_conv, k, taps)
    return call(lightnet, q * sigmoid(q), k, v, scale=0.5) * sigmoid(g)


def series(call: Call, q: Array, k: Array, v: Array, r: Array, slow: Array, fast: Array) -> Any:
    o = call(lightning_attention, q, k, v, slow, scale=0.5)
    return o, call(lightning_attention, r, o, v, fast)


def side_by_side(call: Call, q: Array, k: Array, v: Array, slow: Array) -> Array:
    near = call(lightning_attention, q, k, v, np.full_like(slow, -0.5))
    return near - call(lightning_attention, q, k, v, 2 * slow)


def convolved_twice(call: Call, x: Array, first: Array, second: Array) -> Array:
    return x + call(short_conv, call(short_conv, x, first), second, silu=False)


def layers(call: Call, x: Array, w: Array, u: Array, slow: Array, fast: Array) -> Array:
    y = convolved_twice(call, x, w, u)
    z = convolved_twice(call, sigmoid(y), w, u)
    return sum(series(call, y, z, x, z, slow, fast))


def everything(call: Call, x: Array, b: Array, u: Array, n: Array, theta: Array) -> Any:
    first, old, m, turn = call(prepared, x, b, u, n)
    y = call(smoothed, first, M=3)
    return call(rotary, y, old, m, theta), y * turn[..., None]


@dataclass(frozen=True)
class Subject:
    """A mixer, what it should return, and the shapes of its inputs for (B, T) and heads."""

    mixer: Any
    definition: Callable[..., Any]
    shapes: Callable[[tuple[int, ...], int], dict[str, tuple[int, ...]]]

    def inputs(self, T: int, *, B: int = 2, H: int = 2, dtype: str = "f32", seed: int = 0) -> Arrays:
        """Random inputs in storage form."""
        rng = np.random.default_rng([seed, B, T, H])
        own = {p.name: None if p.dtype is None else p.dtype.name for p in self.mixer.inputs}
        found: Arrays = {}
        for name, shape in self.shapes((B, T), H).items():
            drawn = 0.7 * rng.standard_normal(shape)
            if name in ("slow", "fast"):
                drawn = -np.abs(drawn)
            found[name] = rng.integers(0, 3, shape, np.int32) if name == "n" else stored(drawn, own[name] or dtype)
        return found

    def states(self, N: int, *, H: int = 2) -> tuple[Array, ...]:
        """States that some tokens lead to."""
        final = self.mixer.reference(**self.inputs(6, B=N, H=H, seed=5), output_final_state=True)[1]
        return tuple(state.astype(np.float32) for state in final)

    def expected(
        self, inputs: Arrays, initial_state: Any = None, output_final_state: bool = True, **settings: Any
    ) -> tuple[Any, Any]:
        """(o, final_state) by the references of scans, in float64; their states are the mixer's, in order."""
        first, final = list(listed(initial_state)), list[Array]()

        def call(scan: Any, *args: Array, **constants: Any) -> Any:
            start = [first.pop(0) for _ in scan.states] if initial_state is not None else []
            state = one_or_all(start) if start else None
            o, end = scan.reference(*args, initial_state=state, output_final_state=True, **constants, **settings)
            final.extend(listed(end))
            return o

        wide = {name: x if name == "n" else np.asarray(x, np.float64) for name, x in inputs.items()}
        o = self.definition(call, **wide)
        assert not first
        return o, tuple(final) if output_final_state else None

    def check(self, inputs: Arrays, **settings: Any) -> tuple[Any, Any]:
        """Compare what is compiled, and the reference, with what it should be; returns what is compiled did."""
        expected = self.expected(inputs, **settings)
        reference = self.mixer.reference(**inputs, **settings)
        for a, b in zip(map(listed, reference), map(listed, expected), strict=True):
            for x, y in zip(a, b, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-12)
        result: tuple[Any, Any] = self.mixer(**inputs, **settings)
        same(result, expected, self.mixer.name)
        return result


def qkv(BT: tuple[int, ...], H: int, K: int, V: int) -> dict[str, tuple[int, ...]]:
    return {"q": (*BT, H, K), "k": (*BT, H, K), "v": (*BT, H, V)}


def subject_of(definition: Callable[..., Any], shapes: Callable[..., Any]) -> Subject:
    return Subject(getattr(mixer_steps, definition.__name__), definition, shapes)


SUBJECTS = {
    "gated lightnet": subject_of(
        gated_lightnet, lambda BT, H: {**qkv(BT, H, 8, 6), "g": (*BT, H, 6), "taps": (4, 8)}
    ),
    "series": subject_of(
        series, lambda BT, H: {**qkv(BT, H, 4, 8), "r": (*BT, H, 8), "slow": (H,), "fast": (H,)}
    ),
    "side by side": subject_of(side_by_side, lambda BT, H: {**qkv(BT, H, 5, 7), "slow": (H,)}),
    "convolved twice": subject_of(
        convolved_twice, lambda BT, H: {"x": (*BT, H, 5), "first": (2, 5), "second": (3, 5)}
    ),
    "layers": subject_of(
        layers, lambda BT, H: {"x": (*BT, H, 4), "w": (2, 4), "u": (3, 4), "slow": (H,), "fast": (H,)}
    ),
    "everything": subject_of(
        everything,
        lambda BT, H: {"x": (*BT, H, 6), "b": (*BT, 6), "u": (H, 6), "n": (*BT, H), "theta": (3,)},
    ),
}  # fmt: skip
every = pytest.mark.parametrize("name", SUBJECTS)


def sliced(inputs: Arrays, start: int, stop: int | None, subject: Subject) -> Arrays:
    """Some of the tokens, of what has tokens."""
    timed = {p.name for p in subject.mixer.inputs if "T" in p.indices}
    return {name: np.ascontiguousarray(x[:, start:stop]) if name in timed else x for name, x in inputs.items()}


def all_agree(found: Iterable[Array], expected: Iterable[Array]) -> None:
    for a, b in zip(found, expected, strict=True):
        agree(a, b)


# ---------------------------------------------------------------------------------------------------------------------
# Values
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@every
def test_lengths(name: str, dtype: str) -> None:
    for T in LENGTHS:
        SUBJECTS[name].check(SUBJECTS[name].inputs(T, dtype=dtype), output_final_state=True)


@pytest.mark.parametrize("chunk", [1, 16])
@every
def test_chunks(name: str, chunk: int) -> None:
    subject = SUBJECTS[name]
    inputs = subject.inputs(50)
    same(subject.mixer(**inputs, output_final_state=True, chunk=chunk), subject.expected(inputs))


@every
def test_from_a_state(name: str) -> None:
    subject = SUBJECTS[name]
    for T in (1, 33):
        subject.check(subject.inputs(T), initial_state=subject.states(2), output_final_state=True)
    subject.check(subject.inputs(5), initial_state=subject.states(2), output_final_state=False)


@every
def test_two_calls_are_one(name: str) -> None:
    subject = SUBJECTS[name]
    inputs = subject.inputs(40)
    whole, end = subject.mixer(**inputs, output_final_state=True)
    for cut in (1, 2, 23):
        o1, middle = subject.mixer(**sliced(inputs, 0, cut, subject), output_final_state=True)
        rest = sliced(inputs, cut, None, subject)
        o2, last = subject.mixer(**rest, initial_state=middle, output_final_state=True)
        all_agree((np.concatenate(parts, 1) for parts in zip(listed(o1), listed(o2), strict=True)), listed(whole))
        all_agree(last, end)


@every
def test_token_by_token(name: str) -> None:
    subject = SUBJECTS[name]
    inputs = subject.inputs(9)
    whole, end = subject.mixer(**inputs, output_final_state=True)
    state = None
    for t in range(9):
        token = sliced(inputs, t, t + 1, subject)
        timed = {p.name for p in subject.mixer.inputs if "T" in p.indices}
        token = {key: np.ascontiguousarray(x[:, 0]) if key in timed else x for key, x in token.items()}
        o, state = subject.mixer.step(**token, state=state)
        all_agree(listed(o), (x[:, t] for x in listed(whole)))
    all_agree(listed(state), end)


@pytest.mark.parametrize("initial", [False, True])
@every
def test_packed(name: str, initial: bool) -> None:
    subject = SUBJECTS[name]
    ends = np.array([0, 0, 1, 4, 21, 21, 40])
    start = {"initial_state": subject.states(6)} if initial else {}
    subject.check(subject.inputs(40, B=1), cu_seqlens=ends, output_final_state=True, **start)


@every
def test_reverse(name: str) -> None:
    subject = SUBJECTS[name]
    for T in (1, 33):
        subject.check(subject.inputs(T), reverse=True, output_final_state=True)


@every
def test_states_in_a_pool(name: str) -> None:
    subject = SUBJECTS[name]
    pools = tuple(np.repeat(state, 3, axis=0)[:5].copy() for state in subject.states(2))
    before, at = [pool.copy() for pool in pools], np.array([3, 1])
    inputs = subject.inputs(2)
    o, _ = subject.mixer.step(**inputs, state=pools, state_indices=at)
    expected, end = subject.expected(inputs, tuple(pool[at] for pool in before))
    same((o, None), (expected, None), name)
    for pool, old, new in zip(pools, before, end, strict=True):
        close(pool[at], new, name)
        np.testing.assert_array_equal(pool[[0, 2, 4]], old[[0, 2, 4]])


def test_heads_first() -> None:
    subject = SUBJECTS["everything"]
    inputs, heads = subject.inputs(18, H=3), {p.name for p in subject.mixer.inputs if p.indices == "BTH"}
    turned = {name: x.swapaxes(1, 2).copy() if name in heads else x for name, x in inputs.items()}
    o, state = subject.mixer(**turned, head_first=True, output_final_state=True)
    same((tuple(x.swapaxes(1, 2) for x in o), state), subject.expected(inputs))


def test_along_an_axis_of_images() -> None:
    """States have the other axis of positions, like arrays of more sequences."""
    subject = SUBJECTS["gated lightnet"]
    inputs = subject.inputs(4 * 5)
    wide = {name: x if name == "taps" else x.reshape(2, 4, 5, *x.shape[2:]) for name, x in inputs.items()}
    lines = {name: x if name == "taps" else x.reshape(8, 5, *x.shape[3:]) for name, x in wide.items()}
    o, state = subject.expected(lines)
    found = subject.mixer(**wide, axis=2, output_final_state=True)
    same(found, (o.reshape(2, 4, *o.shape[1:]), tuple(x.reshape(2, 4, *x.shape[1:]) for x in state)))


def test_fewer_heads_of_keys() -> None:
    subject = SUBJECTS["gated lightnet"]
    inputs = subject.inputs(20, H=4)
    few = {name: np.ascontiguousarray(inputs[name][:, :, :2]) for name in ("k", "v")}
    repeated = {name: np.repeat(x, 2, axis=2) for name, x in few.items()}
    same(subject.mixer(**{**inputs, **few}, output_final_state=True), subject.expected({**inputs, **repeated}))


@pytest.mark.parametrize("name", ["side by side", "series"])
def test_not_causal(name: str) -> None:
    """Every output is of the final states; where it is of another call's, that is what the whole step means."""
    subject = SUBJECTS[name]
    inputs = subject.inputs(20)
    found = subject.mixer(**inputs, causal=False, output_final_state=True)
    same(found, subject.mixer.reference(**inputs, causal=False, output_final_state=True))
    if name == "side by side":
        same(found, subject.expected(inputs, causal=False))


@pytest.mark.parametrize("name", ["gated lightnet", "series", "everything"])
def test_in_the_simulator(name: str) -> None:
    subject = SUBJECTS[name]
    for T in (1, 40):
        inputs = subject.inputs(T, B=1, H=1)
        same(subject.mixer(**inputs, output_final_state=True, on="sim"), subject.expected(inputs))


# ---------------------------------------------------------------------------------------------------------------------
# Gradients
# ---------------------------------------------------------------------------------------------------------------------


@every
def test_gradients(name: str) -> None:
    subject = SUBJECTS[name]
    for T in (1, 17):
        vjp_checks.check(subject.mixer, subject.inputs(T, seed=T))
    vjp_checks.check(subject.mixer, subject.inputs(6), initial_state=subject.states(2))


@every
def test_gradients_packed(name: str) -> None:
    subject = SUBJECTS[name]
    vjp_checks.check(subject.mixer, subject.inputs(12, B=1), cu_seqlens=np.array([0, 0, 5, 12]))


def test_gradients_are_those_of_the_parts() -> None:
    """Of calls in series, by the gradients of each, one after the other."""
    inputs = {name: x.astype(np.float64) for name, x in SUBJECTS["series"].inputs(9).items()}
    q, k, v, r, slow, fast = inputs.values()
    rng = np.random.default_rng(1)
    weights = tuple(rng.standard_normal((2, *v.shape)))
    (o, _), first = lightning_attention.reference_vjp(q, k, v, slow, scale=0.5)
    _, second = lightning_attention.reference_vjp(r, o, v, fast)
    last = second(weights[1])
    before = first(weights[0] + last["k"])
    expected = {
        "q": before["q"], "k": before["k"], "v": before["v"] + last["v"], "r": last["q"],
        "slow": before["log_decay"], "fast": last["log_decay"],
    }  # fmt: skip
    found = mixer_steps.series.reference_vjp(**inputs)[1](weights)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-12, atol=1e-12, err_msg=name)


# ---------------------------------------------------------------------------------------------------------------------
# Names
# ---------------------------------------------------------------------------------------------------------------------


def test_states_are_named_by_calls() -> None:
    names = {name: [p.name for p in subject.mixer.states] for name, subject in SUBJECTS.items()}
    assert names["gated lightnet"] == ["short_conv_x", "lightnet_S", "lightnet_z"]
    assert names["series"] == ["lightning_attention_S", "lightning_attention_2_S"]
    assert names["convolved twice"] == ["short_conv_x", "short_conv_2_x"]
    assert names["layers"] == [
        "convolved_twice_short_conv_x", "convolved_twice_short_conv_2_x",
        "convolved_twice_2_short_conv_x", "convolved_twice_2_short_conv_2_x",
        "series_lightning_attention_S", "series_lightning_attention_2_S",
    ]  # fmt: skip
    assert names["everything"] == ["x", "m", "position", "smoothed_bank", "rotary_S", "rotary_position"]


def test_states_keep_their_first_values_and_shapes() -> None:
    mixer = mixer_steps.gated_lightnet
    assert [p.initial for p in mixer.states] == [0.0, 0.0, -np.inf]
    sizes = mixer.resolve({"K": 8, "V": 6, "W": 4})
    assert [p.shape(sizes) for p in mixer.states] == [(3, 8), (8, 6), (8,)]
    assert mixer.constants == {"scale": 0.5, "K": None, "V": None, "W": None, "chunk": 0, "num_warps": 0}


def test_errors_of_array_calls_name_states() -> None:
    subject = SUBJECTS["gated lightnet"]
    inputs, state = subject.inputs(3), subject.states(2)
    with pytest.raises(LaunchError, match=r"a tuple of 3 arrays \(short_conv_x, lightnet_S, lightnet_z\), found 2"):
        subject.mixer(**inputs, initial_state=state[:2])
    with pytest.raises(LaunchError, match=r"initial_state\[lightnet_S\]': expected \[B, H, K, V\] = \(2, 2, 8, 6\)"):
        subject.mixer(**inputs, initial_state=(state[0], state[1][..., :3].copy(), state[2]))


def test_a_name_that_is_taken_gets_a_number(tmp_path: Any) -> None:
    import treadle as td

    path = tmp_path / "taken.py"
    path.write_text(
        'import treadle as td\n\n@td.scan\ndef f(x: td.In["D"], s: td.State["D"]):\n    return x + s, x + s\n\n'
        '@td.scan\ndef f_2(x: td.In["D"], s: td.State["D"]):\n    return x + s, x + s\n\n'
        '@td.mixer\ndef m(f_s: td.In["D"]):\n    return f(f_2(f(f_s)))\n'
    )
    assert [p.name for p in td.load_scans(path)["m"].states] == ["f_2_s", "f_2_2_s", "f_3_s"]


@pytest.mark.parametrize("size", [64, 128])
def test_chunks_are_chosen_again_where_shared_memory_is_too_little(size: int) -> None:
    """The estimate of the walk back's window and states is too low: the compiler takes fewer rows, without an error."""
    mixer = mixer_steps.gated_lightnet
    constants = {"K": size, "V": size, "W": 4}
    text = mixer.to_mlir(constants, "bf16", chunked=True, align=16, split=True, backward=True)
    compiled = compiler.compile_text(text, {"arch": "sm_90a", "name": mixer.name}, ptxas=False)
    assert max(launch["shared_bytes"] for launch in compiled.manifest["launches"]) <= 227 << 10
