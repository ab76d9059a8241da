"""Sizes on which `gla` is checked and timed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import treadle as td
from treadle.scan_cases import PACKED, PACKED_SMALL, ScanCase
from treadle.testing import Array, Case, Peer, Timed

SCANS = td.load_scans(Path(__file__).with_name("kernel.py"))


@dataclass(frozen=True, kw_only=True)
class Gla(ScanCase):
    """Gates are log-sigmoids of normal numbers, over `normaliser`.

    `gates`: "strong", every third token forgets all in every other channel, and the others nothing; "none", no decay.
    """

    scan = SCANS["gla"]

    K: int = 64
    V: int = 64
    scale: float = 1.0
    spread: float = 0.1
    normaliser: float = 16.0
    gates: str = ""

    def draw(self, rng: np.random.Generator) -> dict[str, Array]:
        drawn = super().draw(rng)
        g = -np.logaddexp(0, rng.standard_normal(drawn["g"].shape, np.float32)) / np.float32(self.normaliser)
        if self.gates:
            g[...] = 0.0
        if self.gates == "strong":
            g[:, ::3, :, ::2] = -200.0
        return drawn | {"g": g}


DTYPES = ("bf16", "f16", "f32")
LENGTHS = (1, 2, 15, 16, 17, 63, 64, 65, 513, 1213)


def _fla(q: Any, k: Any, v: Any, g: Any, *, scale: float) -> dict[str, Any]:
    from fla.ops.gla import chunk_gla  # type: ignore[import-not-found]

    return {"o": chunk_gla(q, k, v, g, scale=scale)[0]}


def _timed(case: Gla) -> Timed:
    # The recurrence itself: the decay, k_tᵀ v_t into the state, and q_t S_t.
    steps = 5.0 * case.B * case.T * case.H * case.K * case.V
    return Timed(case=case, flops=steps, peer=Peer(name="fla chunk_gla", call=_fla))


CPU: list[Case] = [
    *(Gla(dtype=dtype, B=1, T=T, K=16, V=24, initial=True) for dtype in DTYPES for T in (1, 2, 65)),
    *(Gla(dtype="f32", T=33, K=5, V=7, spread=1.0, scale=0.25, normaliser=n) for n in (0.1, 16.0)),
    *(Gla(dtype="f32", T=33, K=80, V=40, gates=gates) for gates in ("", "strong", "none")),
    Gla(dtype="bf16", B=1, T=90, K=16, V=24, cu_seqlens=PACKED_SMALL, initial=True),
    Gla(dtype="f32", T=20, H=4, G=2, K=16, V=24, reverse=True),
    Gla(dtype="f32", T=20, K=16, V=24, causal=False, head_first=True),
]
DEMO: Case = Gla(dtype="bf16", B=1, T=512, H=4)
GPU: list[Case] = [
    *(Gla(dtype=dtype, T=T, H=5, initial=True) for dtype in DTYPES for T in LENGTHS),
    *(Gla(dtype="bf16", T=T, K=K, V=V) for T in (65, 913)
      for K, V in ((128, 64), (16, 64), (32, 64), (5, 7), (100, 72))),
    *(Gla(dtype=dtype, T=300, gates=gates, initial=True) for dtype in DTYPES for gates in ("strong", "none")),
    *(Gla(dtype=dtype, T=257, spread=1.0, scale=0.125, normaliser=n) for dtype in DTYPES for n in (0.1, 16.0)),
    *(Gla(dtype=dtype, B=1, T=512, cu_seqlens=PACKED, initial=initial)
      for dtype in DTYPES for initial in (False, True)),
    *(Gla(dtype="bf16", T=130, H=4, G=G) for G in (1, 2)),
    Gla(dtype="bf16", T=130, head_first=True, reverse=True),
    Gla(dtype="bf16", T=130, causal=False),
    Gla(dtype="bf16", T=130, K=128, V=128, final=False),
]  # fmt: skip
TIMED: list[Timed] = [_timed(Gla(B=4, T=8192, H=16, K=128, V=128, final=False))]
