"""Kernels derived from steps beside those written by hand on tiles: the same numbers, on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import treadle as td
from oracles import load_tiles, oracle_names, tile_names
from treadle import compiler, testing
from treadle.errors import TreadleError
from treadle.runtime.call import BFloat16
from treadle.testing import Array

try:
    compiler.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

ORACLE = load_tiles("lightning_attention")
STEP = testing.load("lightning_attention").cases.SCANS["lightning_attention"]
BY_HAND = td.load_kernels(ORACLE.folder / "kernel.py")["lightning_attention"]
Lightning = ORACLE.cases.Lightning
CASES = [
    *(Lightning(dtype=dtype, B=1, T=T, K=16, V=24, initial=True, final=True)
      for dtype in ("bf16", "f16", "f32") for T in (1, 2, 63, 64, 65, 130)),
    *(Lightning(dtype="f32", H=1, T=150, K=16, V=24, slopes=(s,), final=True) for s in ORACLE.cases.DECAYS),
    *(Lightning(dtype=dtype, T=65, K=K, V=V, scale=0.25, final=True)
      for dtype in ("bf16", "f32") for K, V in ((5, 7), (80, 96), (100, 72), (16, 200))),
    Lightning(dtype="bf16", B=1, H=12, T=513, K=16, V=24, slopes=ORACLE.cases.published_slopes(16)[:12], final=True),
    *(Lightning(dtype=dtype, T=130, K=16, V=24, spread=1.0, initial=True, final=True, split=split)
      for dtype in ("bf16", "f32") for split in (1, 64, 67, 129)),
]  # fmt: skip


def by_hand(case: Any, arrays: dict[str, Array]) -> dict[str, Array]:
    """What the oracle writes, in float64."""
    blank = {**case.outputs, **case.scratch}
    outputs = {name: testing.poisoned(shape, case.dtype_of(name)) for name, shape in blank.items()}
    program = compiler.CpuProgram(BY_HAND.to_mlir(case.constants, case.dtype, case.present), {"name": case.kernel})
    for launch in case.launches(arrays | outputs):
        program.launch(**{name: BFloat16(x) if x.dtype == np.uint16 else x for name, x in launch.items()})
    return {name: testing.unpack(outputs[name], case.dtype_of(name)) for name in case.outputs}


def derived(case: Any, arrays: dict[str, Array], step_by_step: bool) -> dict[str, Array]:
    """What the step gives, in float64: whole, in the two parts of a split case, or with its last token by `.step`."""
    state, parts = arrays.get("s0"), []
    fixed = {"log_decay": -arrays["slope"], "scale": case.scale}
    cut = case.T - 1 if step_by_step else case.split
    for times in (slice(0, cut), slice(cut, None)) if cut else (slice(0, None),):
        part = {name: np.ascontiguousarray(arrays[name][:, times]) for name in "qkv"}
        if step_by_step and times.stop is None:
            made, state = STEP.step(**{name: x[:, 0] for name, x in part.items()}, **fixed, state=state)
            made = made[:, None]
        else:
            made, state = STEP(**part, **fixed, initial_state=state, output_final_state=True)
        parts.append(testing.unpack(made, case.dtype))
    return {"o": np.concatenate(parts, axis=1), "s1": np.asarray(state, np.float64)}


@pytest.mark.parametrize("step_by_step", [False, True], ids=["forward", "step"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_lightning_attention(case: Any, step_by_step: bool) -> None:
    drawn = case.inputs(1)
    arrays = {name: testing.pack(x, case.dtype_of(name)) for name, x in drawn.items()}
    wanted, found = by_hand(case, arrays), derived(case, arrays, step_by_step)
    for name in case.outputs:
        errors = [f(found[name], wanted[name]) for f in (testing.relative_error, testing.absolute_error)]
        assert testing.accepts(*errors, case.tolerance), f"{case.name} {name}: {errors}"


def test_every_oracle_has_a_step() -> None:
    assert set(oracle_names()) <= set(testing.scan_names())
    assert len(set(tile_names())) == len(tile_names())
