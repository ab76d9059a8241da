"""Calling a scan and comparing it with its reference; inputs for the steps in steps.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import steps
from treadle import testing

Array = Any
Arrays = dict[str, Array]


def tensors(arrays: Mapping[str, Array], dtype: str, own: Mapping[str, str]) -> Arrays:
    """Arrays rounded to how they are stored, bf16 as ml_dtypes has it."""
    return {name: stored(array, own.get(name, dtype)) for name, array in arrays.items()}


def stored(array: Array, dtype: str) -> Array:
    """An array as a dtype has it, bf16 as ml_dtypes has it."""
    packed = testing.pack(array, dtype)
    if dtype != "bf16":
        return packed
    import ml_dtypes

    return packed.view(ml_dtypes.bfloat16)


def dtype_of(array: Array) -> str:
    """The storage type of an array."""
    name = {"float32": "f32", "float16": "f16", "bfloat16": "bf16", "uint16": "bf16"}
    return name[array.dtype.name]


def close(result: Array, expected: Array, what: str, tolerance: float | None = None) -> None:
    """Assert that a result is what it should be, as exact as its type is."""
    dtype = dtype_of(result)
    values = testing.unpack(result.view(np.uint16) if dtype == "bf16" else result, dtype)
    assert values.shape == expected.shape, what
    finite = np.isfinite(expected)
    assert np.array_equal(values[~finite], expected[~finite], equal_nan=True), what
    relative = testing.relative_error(values[finite], expected[finite])
    absolute = testing.absolute_error(values[finite], expected[finite])
    bound = tolerance or testing.TOLERANCES[dtype]
    assert testing.accepts(relative, absolute, bound), f"{what}: relative {relative:.2e}, absolute {absolute:.2e}"


def agree(result: Array, other: Array) -> None:
    """Assert that two ways to one result, none of them exact, agree as well as each with the definition."""
    close(result, np.asarray(other, np.float64), "the other way")


def listed(values: Any) -> list[Array]:
    """One or several arrays as a list."""
    return [] if values is None else list(values) if isinstance(values, tuple) else [values]


def same(result: Any, expected: Any, what: str = "", tolerance: float | None = None) -> None:
    """Assert that (o, final_state) is what the reference says; states as exact as the type of the outputs is."""
    tolerance = tolerance or testing.TOLERANCES[dtype_of(listed(result[0])[0])]
    for part, got, wanted in zip(("o", "final_state"), result, expected, strict=True):
        assert (got is None) == (wanted is None), f"{what} {part}"
        for k, (a, b) in enumerate(zip(listed(got), listed(wanted), strict=True)):
            close(a, b, f"{what} {part} {k}", tolerance)


def check(scan: Any, inputs: Mapping[str, Array], on: str | None = None, **settings: Any) -> tuple[Any, Any]:
    """Call a scan, compare it with its reference, and return what it returned."""
    result: tuple[Any, Any] = scan(**inputs, **settings, on=on)
    same(result, scan.reference(**inputs, **settings), scan.name)
    return result


# ---------------------------------------------------------------------------------------------------------------------
# Inputs
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Subject:
    """A step, the shapes of its inputs for given sizes, and random states."""

    scan: Any
    draw: Callable[..., Arrays]
    """Of a generator, (B, T), heads, heads of what may be grouped, and two sizes."""
    own: Mapping[str, str]
    constants: Mapping[str, Any]

    @property
    def name(self) -> str:
        """That of the step."""
        return str(self.scan.name)

    def inputs(
        self, T: int, *, B: int = 2, H: int = 2, G: int = 0, K: int = 5, V: int = 7, dtype: str = "f32", seed: int = 0
    ) -> Arrays:
        """Random inputs, in storage form, with the constants. G: heads of those inputs that may have fewer."""
        rng = np.random.default_rng([seed, T, B, H, K, V])
        return {**tensors(self.draw(rng, (B, T), H, G or H, K, V), dtype, self.own), **self.constants}

    def states(self, N: int, *, H: int = 2, K: int = 5, V: int = 7, seed: int = 0) -> tuple[Array, ...]:
        """Random states that the step could have reached."""
        inputs = self.inputs(3, B=N, H=H, K=K, V=V, seed=seed + 77)
        final = self.scan.reference(**inputs, output_final_state=True)[1]
        return tuple(state.astype(np.float32) for state in listed(final))


def _qkv(rng: Any, BT: tuple[int, int], H: int, G: int, K: int, V: int) -> Arrays:
    return {
        "q": 0.5 * rng.standard_normal((*BT, H, K)),
        "k": 0.5 * rng.standard_normal((*BT, G, K)),
        "v": rng.standard_normal((*BT, G, V)),
    }


def _retention(rng: Any, BT: tuple[int, int], H: int, G: int, K: int, V: int) -> Arrays:
    return {**_qkv(rng, BT, H, G, K, V), "log_decay": -rng.random(H)}


def _gla(rng: Any, BT: tuple[int, int], H: int, G: int, K: int, V: int) -> Arrays:
    return {**_qkv(rng, BT, H, G, K, V), "g": -rng.random((*BT, G, K))}


def _delta(rng: Any, BT: tuple[int, int], H: int, G: int, K: int, V: int) -> Arrays:
    arrays = _qkv(rng, BT, H, G, K, V)
    arrays["k"] /= np.linalg.norm(arrays["k"], axis=-1, keepdims=True)
    return {**arrays, "beta": rng.random((*BT, H))}


def _channels(rng: Any, BT: tuple[int, int], H: int, G: int, K: int, V: int) -> Arrays:
    arrays = _qkv(rng, BT, H, G, K, K)
    return {name: 0.8 * array for name, array in arrays.items()}


def _hgrn(rng: Any, BT: tuple[int, int], H: int, G: int, K: int, V: int) -> Arrays:
    return {"i": rng.standard_normal((*BT, H, K)), "f": 1 / (1 + np.exp(-rng.standard_normal((*BT, G, K))))}


SUBJECTS = [
    Subject(steps.lightning_attention, _retention, {"log_decay": "f32"}, {}),
    Subject(steps.gla, _gla, {"g": "f32"}, {"scale": 0.25}),
    Subject(steps.lightnet, _qkv, {}, {}),
    Subject(steps.lightnet_from_one, _qkv, {}, {}),
    Subject(steps.element_wise_attention, _channels, {}, {"P": 4}),
    Subject(steps.hgrn, _hgrn, {}, {}),
    Subject(steps.linear_attention, _qkv, {}, {}),
    Subject(steps.delta_rule, _delta, {}, {}),
]
BY_NAME = {subject.name: subject for subject in SUBJECTS}
NAMES = list(BY_NAME)
