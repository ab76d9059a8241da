"""Sizes on which `linear_attention` is checked and timed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import treadle as td
from treadle.scan_cases import PACKED, PACKED_SMALL, ScanCase
from treadle.testing import Array, Case, Peer, Timed

SCANS = td.load_scans(Path(__file__).with_name("kernel.py"))


@dataclass(frozen=True, kw_only=True)
class Linear(ScanCase):
    """`shift` moves queries and keys: at −8, features are small; at 8, large."""

    scan = SCANS["linear_attention"]

    K: int = 64
    V: int = 64
    eps: float = 1e-6
    shift: float = 0.0

    def draw(self, rng: np.random.Generator) -> dict[str, Array]:
        drawn = super().draw(rng)
        return drawn | {name: drawn[name] + np.float32(self.shift) for name in "qk"}


DTYPES = ("bf16", "f16", "f32")
LENGTHS = (1, 2, 63, 64, 65, 513, 1213)


def _fla(q: Any, k: Any, v: Any, *, eps: float) -> dict[str, Any]:
    from fla.ops.linear_attn import chunk_linear_attn  # type: ignore[import-not-found]
    from torch.nn.functional import elu

    return {"o": chunk_linear_attn(elu(q) + 1, elu(k) + 1, v, scale=1.0, normalize=True)[0]}


def _timed(case: Linear) -> Timed:
    # The recurrence itself: f(k_t)ᵀ v_t into the state, and f(q_t) S_t.
    steps = 4.0 * case.B * case.T * case.H * case.K * case.V
    return Timed(case=case, flops=steps, peer=Peer(name="fla chunk_linear_attn", call=_fla))


CPU: list[Case] = [
    *(Linear(dtype=dtype, B=1, T=T, K=16, V=24, initial=True) for dtype in DTYPES for T in (1, 2, 65)),
    *(Linear(dtype="f32", T=33, K=5, V=7, shift=shift) for shift in (-8.0, 8.0)),
    Linear(dtype="f32", T=33, K=80, V=40, eps=0.5),
    Linear(dtype="bf16", B=1, T=90, K=16, V=24, cu_seqlens=PACKED_SMALL, initial=True),
    Linear(dtype="f32", B=1, T=90, K=16, V=24, cu_seqlens=PACKED_SMALL),
    Linear(dtype="f32", T=20, H=4, G=2, K=16, V=24, reverse=True),
    Linear(dtype="f32", T=20, K=16, V=24, causal=False, head_first=True),
]
DEMO: Case = Linear(dtype="bf16", B=1, T=512, H=4)
GPU: list[Case] = [
    *(Linear(dtype=dtype, T=T, H=5, initial=True) for dtype in DTYPES for T in LENGTHS),
    *(Linear(dtype="bf16", T=T, K=K, V=V) for T in (65, 513)
      for K, V in ((128, 64), (16, 64), (32, 64), (5, 7), (100, 72))),
    *(Linear(dtype=dtype, T=257, shift=shift) for dtype in DTYPES for shift in (-8.0, 8.0)),
    Linear(dtype="f32", T=257, eps=0.5),
    *(Linear(dtype=dtype, B=1, T=512, cu_seqlens=PACKED, initial=initial)
      for dtype in DTYPES for initial in (False, True)),
    *(Linear(dtype="bf16", T=130, H=4, G=G) for G in (1, 2)),
    Linear(dtype="bf16", T=130, head_first=True, reverse=True),
    Linear(dtype="bf16", T=130, causal=False),
    Linear(dtype="bf16", T=130, K=128, V=128, final=False),
]  # fmt: skip
TIMED: list[Timed] = [_timed(Linear(B=4, T=8192, H=16, K=128, V=128, final=False))]
