"""Sizes on which `lightning_attention` is checked and timed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import treadle as td
from treadle.scan_cases import PACKED, PACKED_SMALL, ScanCase
from treadle.testing import Array, Case, Peer, Timed

SCANS = td.load_scans(Path(__file__).with_name("kernel.py"))
DECAYS = (0.0, 1e-3, 0.5, 8.0, 40.0)
"""From none to one where e^(−64·s) underflows to 0 in f32 and must not become NaN."""


@dataclass(frozen=True, kw_only=True)
class Lightning(ScanCase):
    """`slopes`, minus the logarithms of decays, are dealt to the heads in turn."""

    scan = SCANS["lightning_attention"]

    H: int = 5
    K: int = 64
    V: int = 64
    scale: float = 1.0
    spread: float = 0.1
    slopes: tuple[float, ...] = DECAYS

    def draw(self, rng: np.random.Generator) -> dict[str, Array]:
        return super().draw(rng) | {"log_decay": -np.resize(np.array(self.slopes, np.float32), self.H)}


DTYPES = ("bf16", "f16", "f32")
LENGTHS = (1, 2, 63, 64, 65, 513, 913, 1213)


def published_slopes(H: int) -> tuple[float, ...]:
    """2^(−8 (h+1) / H): the slopes of the authors' released models, for H a power of two."""
    return tuple(2.0 ** (-8.0 * (h + 1) / H) for h in range(H))


def _fla(q: Any, k: Any, v: Any, log_decay: Any, *, scale: float) -> dict[str, Any]:
    from fla.ops.simple_gla import chunk_simple_gla  # type: ignore[import-not-found]

    return {"o": chunk_simple_gla(q=q, k=k, v=v, g_gamma=log_decay, scale=scale)[0]}


def _timed(case: Lightning) -> Timed:
    # The recurrence itself: k_tᵀ v_t into the state, and q_t S_t.
    steps = 4.0 * case.B * case.T * case.H * case.K * case.V
    return Timed(case=case, flops=steps, peer=Peer(name="fla chunk_simple_gla", call=_fla))


CPU: list[Case] = [
    *(Lightning(dtype=dtype, B=1, T=T, K=16, V=24, initial=True) for dtype in DTYPES for T in (1, 2, 63, 64, 65)),
    *(Lightning(dtype="f32", B=1, H=1, T=150, K=16, V=24, slopes=(s,), initial=True) for s in DECAYS),
    *(Lightning(dtype=dtype, B=1, H=2, T=65, K=K, V=V, slopes=(1e-3, 0.5))
      for dtype in ("bf16", "f32") for K, V in ((5, 7), (80, 96))),
    Lightning(dtype="f32", T=33, K=16, V=24, spread=1.0, scale=0.25, final=False),
    *(Lightning(dtype="bf16", B=1, T=90, K=16, V=24, cu_seqlens=PACKED_SMALL, initial=initial)
      for initial in (False, True)),
    Lightning(dtype="f32", T=20, H=4, G=2, K=16, V=24, reverse=True),
    Lightning(dtype="f32", T=20, K=16, V=24, causal=False, head_first=True),
]  # fmt: skip
DEMO: Case = Lightning(dtype="bf16", B=1, H=8, T=1024, slopes=published_slopes(8))
GPU: list[Case] = [
    *(Lightning(dtype=dtype, T=T, initial=True) for dtype in DTYPES for T in LENGTHS),
    *(Lightning(dtype="bf16", T=T, K=K, V=V, final=False) for T in LENGTHS for K, V in ((64, 64), (128, 128))),
    *(Lightning(dtype=dtype, B=1, H=2, T=T, slopes=(s,), initial=True)
      for dtype in DTYPES for s in DECAYS for T in (65, 300)),
    *(Lightning(dtype=dtype, T=T, spread=1.0, initial=True) for dtype in DTYPES for T in (65, 913)),
    *(Lightning(dtype="bf16", T=T, K=128, scale=0.125, initial=True) for T in (64, 513)),
    *(Lightning(dtype="bf16", H=3, T=T, K=K, V=V, initial=True)
      for T in (65, 513) for K, V in ((5, 7), (16, 200), (80, 96), (100, 72))),
    *(Lightning(dtype="bf16", H=12, T=T, slopes=published_slopes(16)[:12]) for T in (65, 1213)),
    *(Lightning(dtype=dtype, B=1, T=512, cu_seqlens=PACKED, initial=initial)
      for dtype in DTYPES for initial in (False, True)),
    *(Lightning(dtype="bf16", T=130, H=4, G=G) for G in (1, 2)),
    Lightning(dtype="bf16", T=130, head_first=True, reverse=True),
    Lightning(dtype="bf16", T=130, causal=False),
]  # fmt: skip
TIMED: list[Timed] = [
    _timed(Lightning(B=8, H=32, T=4096, slopes=published_slopes(32), final=False)),
    _timed(Lightning(B=4, H=16, T=8192, K=128, V=128, slopes=published_slopes(16), final=False)),
]
