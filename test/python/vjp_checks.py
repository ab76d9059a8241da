"""Gradients of compiled scans beside those of the definition, and inputs for every step that tests have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import steps
import treadle as td
import vjp_steps
import window_steps
from scan_checks import BY_NAME, dtype_of, listed, stored
from treadle import testing
from treadle.runtime.scan_axes import Lines
from treadle.runtime.scan_call import one_or_all
from treadle.runtime.step_decays import decays

Array = Any
Arrays = dict[str, Array]
STEPS = {name: scan for name, scan in vars(steps).items() if isinstance(scan, td.Scan)}
WINDOWS = {**window_steps.SCANS, "kept": window_steps.kept}
ALL = {**STEPS, **WINDOWS, **vjp_steps.SCANS}
"""Every step, but one whose reduction the compiler cannot derive."""
ALONE = ("segments", "on", "arch", "stream", "fast_math", "chunk", "num_warps", "checkpoint")
"""Settings that only what is compiled has."""


def inputs_of(
    scan: Any, T: int, *, B: int = 2, H: int = 2, few: str = "", dtype: str = "f32", scale: float = 0.6, seed: int = 0
) -> Arrays:
    """Random inputs in storage form, and constants that no input tells; few: inputs of one head."""
    if scan.name in BY_NAME and not few:
        return BY_NAME[scan.name].inputs(T, B=B, H=H, K=4, V=5, dtype=dtype, seed=seed)
    rng = np.random.default_rng([seed, T, B, H])
    sizes = {**vjp_steps.SIZES, **window_steps.SIZES.get(scan.name, {})}
    found: Arrays = {}
    for p in scan.inputs:
        leading = [{"B": B, "T": T, "H": 1 if p.name in few else H}[letter] for letter in p.indices]
        shape = (*leading, *(axis.size(sizes) for axis in p.axes))
        if p.dtype is not None and p.dtype.is_int:
            found[p.name] = rng.integers(-1, 3, shape).astype(np.int32)
            continue
        drawn = scale * rng.standard_normal(shape)
        drawn = {"log_decay": -np.abs(drawn), "f": 1 / (1 + np.exp(-drawn))}.get(p.name, drawn)
        if scan is steps.logarithms and p.name == "v":
            drawn = 0.2 + np.abs(drawn)
        found[p.name] = stored(drawn, str(p.dtype or dtype))
    return found


def states_of(scan: Any, N: int = 2, *, H: int = 2, T: int = 3) -> Any:
    """States that some tokens lead to: one, or a tuple."""
    final = scan.reference(**inputs_of(scan, T, B=N, H=H, seed=77), output_final_state=True)[1]
    return one_or_all(state.astype(np.float32) for state in listed(final))


def weights(results: Any, dtype: str | None = None, seed: int = 5) -> Any:
    """Random gradients for one result or several, in their dtypes, or in one that is given."""
    rng = np.random.default_rng(seed)
    drawn = [stored(rng.standard_normal(x.shape), dtype or dtype_of(x)) for x in listed(results)]
    return one_or_all(drawn) if drawn else None


def wide(x: Array) -> Array:
    """The numbers in an array in storage form, float64."""
    return testing.unpack(x, "bf16") if x.dtype == np.uint16 else np.asarray(x, np.float64)


def beyond(x: Array, y: Array) -> Array:
    """The numbers y, infinite where x, in storage form, is because its dtype holds none so large."""
    kept = testing.round_to(y, dtype_of(x))
    return np.where(np.isinf(kept) & (kept == wide(x)), kept, y)


def worst(
    found: Mapping[str, Any], expected: Mapping[str, Any], dtype: str, loose: Any = (), states: Any = ()
) -> dict[str, str]:
    """What is not as exact as it should be: by name, its error and bound. loose: inputs and states that are decays."""
    wrong = {}
    assert found.keys() == expected.keys(), (found.keys(), expected.keys())
    for name, wanted in expected.items():
        several = listed(wanted)
        assert len(listed(found[name])) == len(several), name
        for k, (x, y) in enumerate(zip(listed(found[name]), several, strict=True)):
            y = beyond(x, y)
            own = states[k] if states and name == "initial_state" else name
            bounds = testing.DECAY_GRADIENT_TOLERANCES if own in loose else testing.GRADIENT_TOLERANCES
            relative, absolute = testing.relative_error(wide(x), y), testing.absolute_error(wide(x), y)
            if not testing.accepts(relative, absolute, bounds[dtype]):
                label = name if len(several) == 1 else f"{name}[{k}]"
                wrong[label] = f"{relative:.1e}, bound {bounds[dtype]:.0e}; absolute {absolute:.1e}"
    return wrong


def gradients(
    scan: Any, inputs: Arrays, *, output_final_state: bool = True, seed: int = 5, **settings: Any
) -> tuple[Any, Any]:
    """Gradients of random sums of the results: what is compiled, and the definition."""
    final = output_final_state
    own = {name: value for name, value in settings.items() if name not in ALONE}
    results, pullback = scan.vjp(**inputs, output_final_state=final, **settings)
    given = weights(results[0], seed=seed), weights(results[1], "f32", seed + 1) if final else None
    expected = scan.reference_vjp(**inputs, output_final_state=final, **own)[1]
    wide_given = [one_or_all(map(wide, listed(x))) if x is not None else None for x in given]
    return pullback(*given), expected(*wide_given)


def decays_in(scan: Any, inputs: Arrays, head_first: bool = False, axis: int | None = None) -> frozenset[str]:
    """The inputs and states whose gradients have the bound of decays; none where there is no token."""
    if any(np.size(x) == 0 for x in inputs.values()):
        return frozenset()
    if axis is not None:
        lines = Lines(scan, axis, (), inputs)
        _, inputs = lines.inputs(lines.flat)
    return decays(scan, inputs, head_first)


def check(scan: Any, inputs: Arrays, *, what: str = "", **settings: Any) -> dict[str, Any]:
    """Compare gradients with those of the definition, in value, shape and dtype; what is compiled returned them."""
    found, expected = gradients(scan, inputs, **settings)
    for name, g in found.items():
        if name in inputs:
            assert g.shape == inputs[name].shape and g.dtype == inputs[name].dtype, name
        else:
            start = settings["initial_state"]
            assert type(g) is type(start)
            assert [(x.shape, x.dtype) for x in listed(g)] == [(x.shape, np.float32) for x in listed(start)]
    fields = [x for p in scan.inputs if p.dtype is None for x in [inputs[p.name]]]
    dtype = dtype_of(fields[0]) if fields else "f32"
    loose = decays_in(scan, inputs, bool(settings.get("head_first")), settings.get("axis"))
    wrong = worst(found, expected, dtype, loose, [p.name for p in scan.states])
    assert not wrong, f"{scan.name} {what}: {wrong}"
    return found
