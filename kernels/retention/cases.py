"""Sizes on which `retention` and `simple_gla` are checked and timed."""

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
class Retention(ScanCase):
    """`slopes`, minus the logarithms of decays, are dealt to the heads in turn."""

    scan = SCANS["retention"]

    H: int = 5
    K: int = 64
    V: int = 64
    scale: float = 1.0
    spread: float = 0.1
    slopes: tuple[float, ...] = DECAYS

    def draw(self, rng: np.random.Generator) -> dict[str, Array]:
        return super().draw(rng) | {"g_gamma": -np.resize(np.array(self.slopes, np.float32), self.H)}


@dataclass(frozen=True, kw_only=True)
class SimpleGla(ScanCase):
    """Gates are log-sigmoids of normal numbers, over `normaliser`; `strong` makes every third token forget all."""

    scan = SCANS["simple_gla"]

    K: int = 64
    V: int = 64
    scale: float = 1.0
    spread: float = 0.1
    normaliser: float = 16.0
    strong: bool = False

    def draw(self, rng: np.random.Generator) -> dict[str, Array]:
        drawn = super().draw(rng)
        g = -np.logaddexp(0, rng.standard_normal(drawn["g"].shape, np.float32)) / np.float32(self.normaliser)
        if self.strong:
            g[:, ::3] = -200.0
        return drawn | {"g": g}


DTYPES = ("bf16", "f16", "f32")
LENGTHS = (1, 2, 63, 64, 65, 513, 913, 1213)


def published_slopes(H: int) -> tuple[float, ...]:
    """−log(1 − 2^(−5 − h)): the decays of the paper."""
    return tuple(float(-np.log1p(-(2.0 ** (-5 - h)))) for h in range(H))


def _retention(q: Any, k: Any, v: Any, g_gamma: Any, *, scale: float) -> dict[str, Any]:
    from fla.ops.simple_gla import chunk_simple_gla  # type: ignore[import-not-found]

    return {"o": chunk_simple_gla(q=q, k=k, v=v, g_gamma=g_gamma, scale=scale)[0]}


def _simple_gla(q: Any, k: Any, v: Any, g: Any, *, scale: float) -> dict[str, Any]:
    from fla.ops.simple_gla import chunk_simple_gla

    return {"o": chunk_simple_gla(q=q, k=k, v=v, g=g, scale=scale)[0]}


def _timed(case: Retention | SimpleGla) -> Timed:
    # The recurrence itself: k_tᵀ v_t into the state, and q_t S_t.
    steps = 4.0 * case.B * case.T * case.H * case.K * case.V
    call = _retention if isinstance(case, Retention) else _simple_gla
    return Timed(case=case, flops=steps, peer=Peer(name="fla chunk_simple_gla", call=call))


CPU: list[Case] = [
    *(Retention(dtype=dtype, B=1, T=T, K=16, V=24, initial=True) for dtype in DTYPES for T in (1, 2, 65)),
    *(SimpleGla(dtype=dtype, B=1, T=T, K=16, V=24, initial=True) for dtype in DTYPES for T in (1, 2, 65)),
    Retention(dtype="f32", T=33, K=5, V=7, spread=1.0, scale=0.25),
    SimpleGla(dtype="f32", T=33, K=5, V=7, spread=1.0, normaliser=0.1),
    SimpleGla(dtype="f32", T=33, K=80, V=40, strong=True),
    Retention(dtype="bf16", B=1, T=90, K=16, V=24, cu_seqlens=PACKED_SMALL, initial=True),
    SimpleGla(dtype="f32", B=1, T=90, K=16, V=24, cu_seqlens=PACKED_SMALL),
    SimpleGla(dtype="f32", T=20, H=4, G=2, K=16, V=24, reverse=True),
    Retention(dtype="f32", T=20, K=16, V=24, causal=False, head_first=True),
]
DEMO: Case = SimpleGla(dtype="bf16", B=1, T=512, H=4)
GPU: list[Case] = [
    *(case(dtype=dtype, T=T, initial=True) for case in (Retention, SimpleGla) for dtype in DTYPES for T in LENGTHS),
    *(case(dtype="bf16", T=T, K=K, V=V) for case in (Retention, SimpleGla) for T in (65, 913)
      for K, V in ((128, 64), (16, 64), (32, 64), (5, 7), (100, 72))),
    *(Retention(dtype="f32", B=1, H=1, T=300, slopes=(s,), initial=True) for s in DECAYS),
    *(case(dtype="bf16", T=257, spread=1.0, scale=0.125) for case in (Retention, SimpleGla)),
    *(case(dtype="bf16", T=257, H=12, initial=True) for case in (Retention, SimpleGla)),
    *(SimpleGla(dtype=dtype, T=300, strong=True) for dtype in DTYPES),
    *(case(dtype=dtype, B=1, T=512, cu_seqlens=PACKED, initial=initial)
      for case in (Retention, SimpleGla) for dtype in DTYPES for initial in (False, True)),
    *(case(dtype="bf16", T=130, H=4, G=G) for case in (Retention, SimpleGla) for G in (1, 2)),
    *(case(dtype="bf16", T=130, head_first=True, reverse=True) for case in (Retention, SimpleGla)),
    *(case(dtype="bf16", T=130, causal=False) for case in (Retention, SimpleGla)),
    *(case(dtype="bf16", T=130, K=128, V=128, final=False) for case in (Retention, SimpleGla)),
]  # fmt: skip
TIMED: list[Timed] = [
    _timed(Retention(B=4, T=8192, H=16, K=128, V=128, slopes=published_slopes(16), final=False)),
    _timed(SimpleGla(B=4, T=8192, H=16, K=128, V=128, final=False)),
]
