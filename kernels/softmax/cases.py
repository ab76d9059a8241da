"""Sizes on which `softmax` is checked and timed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from treadle.testing import Array, Case, Constants, Peer, Timed


@dataclass(frozen=True, kw_only=True)
class Softmax(Case):
    """`shift` moves every logit (the result does not change); `masked` sets every third logit of a row to −∞."""

    M: int
    N: int
    spread: float = 1.0
    shift: float = 0.0
    masked: bool = False

    @property
    def kernel(self) -> str:
        return "softmax"

    @property
    def constants(self) -> Constants:
        return {"N": self.N}

    @property
    def given(self) -> Mapping[str, tuple[int, ...]]:
        return {"x": (self.M, self.N)}

    def inputs(self, seed: int = 0) -> dict[str, Array]:
        x = np.float32(self.spread) * super().inputs(seed)["x"] + np.float32(self.shift)
        if self.masked:
            x[:, 1::3] = -np.inf
        return {"x": x}

    @property
    def outputs(self) -> Mapping[str, tuple[int, ...]]:
        return {"y": (self.M, self.N)}


DTYPES = ("bf16", "f16", "f32")


def _torch(x: Any) -> dict[str, Any]:
    import torch

    return {"y": torch.softmax(x, dim=-1)}


def _timed(case: Softmax) -> Timed:
    return Timed(case=case, peer=Peer(name="torch.softmax", call=_torch))


CPU: list[Case] = [
    *(Softmax(dtype=dtype, M=M, N=N) for dtype in DTYPES for M, N in ((1, 64), (5, 65))),
    *(Softmax(dtype=dtype, M=4, N=64, spread=30, masked=True) for dtype in DTYPES),
    *(Softmax(dtype=dtype, M=4, N=65, shift=shift) for dtype in DTYPES for shift in (1000, -1000)),
    Softmax(dtype="f32", M=3, N=1),
]
DEMO: Case = Softmax(dtype="bf16", M=2048, N=1024)
GPU: list[Case] = [
    *(Softmax(dtype=dtype, M=M, N=1024) for dtype in DTYPES for M in (1, 2, 65, 913)),
    *(Softmax(dtype=dtype, M=37, N=N) for dtype in DTYPES for N in (1, 2, 63, 65, 513, 4096)),
    *(Softmax(dtype=dtype, M=65, N=1024, spread=30, masked=True) for dtype in DTYPES),
    *(Softmax(dtype=dtype, M=65, N=1024, shift=shift) for dtype in DTYPES for shift in (1000, -1000)),
]
TIMED: list[Timed] = [_timed(Softmax(dtype="bf16", M=32768, N=4096))]
