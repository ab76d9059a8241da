"""Sizes on which `rms_norm` is checked and timed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from treadle.testing import Array, Case, Constants, Peer, Timed


@dataclass(frozen=True, kw_only=True)
class RMSNorm(Case):
    """`spread` is the standard deviation of x: at 1e-3, eps is as large as the mean square."""

    M: int
    D: int
    gate: bool = False
    spread: float = 1.0
    eps: float = 1e-6

    @property
    def kernel(self) -> str:
        return "rms_norm"

    @property
    def constants(self) -> Constants:
        return {"D": self.D}

    @property
    def present(self) -> tuple[str, ...]:
        return ("g",) if self.gate else ()

    @property
    def scalars(self) -> Mapping[str, float]:
        return {"eps": self.eps}

    @property
    def given(self) -> Mapping[str, tuple[int, ...]]:
        rows = (self.M, self.D)
        return {"x": rows, "w": (self.D,), "g": rows} if self.gate else {"x": rows, "w": (self.D,)}

    def inputs(self, seed: int = 0) -> dict[str, Array]:
        drawn = super().inputs(seed)
        drawn["x"] *= np.float32(self.spread)
        drawn["w"] = 1 + drawn["w"] / 4
        return drawn

    @property
    def outputs(self) -> Mapping[str, tuple[int, ...]]:
        return {"y": (self.M, self.D)}


DTYPES = ("bf16", "f16", "f32")


def _torch(x: Any, w: Any, g: Any = None, *, eps: float) -> dict[str, Any]:
    from torch.nn.functional import rms_norm, silu

    y = rms_norm(x, (x.shape[-1],), w, eps)
    return {"y": y if g is None else y * silu(g)}


def _timed(case: RMSNorm) -> Timed:
    name = "torch rms_norm, silu, *" if case.gate else "torch rms_norm"
    return Timed(case=case, peer=Peer(name=name, call=_torch))


CPU: list[Case] = [
    *(
        RMSNorm(dtype=dtype, M=M, D=D, gate=gate)
        for dtype in DTYPES
        for M, D in ((1, 64), (5, 65))
        for gate in (False, True)
    ),
    *(RMSNorm(dtype=dtype, M=7, D=64, spread=1e-3) for dtype in DTYPES),
    RMSNorm(dtype="f32", M=3, D=1),
]
DEMO: Case = RMSNorm(dtype="bf16", M=2048, D=1024, gate=True)
GPU: list[Case] = [
    *(
        RMSNorm(dtype=dtype, M=M, D=1024, gate=gate)
        for dtype in DTYPES
        for M in (1, 2, 65, 913)
        for gate in (False, True)
    ),
    RMSNorm(dtype="bf16", M=33, D=4096),
    *(RMSNorm(dtype=dtype, M=129, D=1024, spread=1e-3) for dtype in DTYPES),
    *(RMSNorm(dtype=dtype, M=33, D=D, gate=True) for dtype in DTYPES for D in (1, 63, 65, 513, 4096)),
    RMSNorm(dtype="f32", M=33, D=1024, eps=1e-2),
]
TIMED: list[Timed] = [
    _timed(RMSNorm(dtype="bf16", M=32768, D=4096)),
    _timed(RMSNorm(dtype="bf16", M=32768, D=4096, gate=True)),
]
