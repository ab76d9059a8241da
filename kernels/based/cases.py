"""Sizes on which `based` and `based_unnormalised` are checked and timed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import treadle as td
from treadle.scan_cases import PACKED, PACKED_SMALL, ScanCase
from treadle.testing import Case, Peer, Timed

SCANS = td.load_scans(Path(__file__).with_name("kernel.py"))


@dataclass(frozen=True, kw_only=True)
class Based(ScanCase):
    scan = SCANS["based"]

    K: int = 16
    V: int = 64


@dataclass(frozen=True, kw_only=True)
class Unnormalised(Based):
    scan = SCANS["based_unnormalised"]


DTYPES = ("bf16", "f16", "f32")
LENGTHS = (1, 2, 15, 16, 17, 63, 64, 65, 130, 1000)


def _fla(q: Any, k: Any, v: Any) -> dict[str, Any]:
    from fla.ops.based import fused_chunk_based  # type: ignore[import-not-found]

    return {"o": fused_chunk_based(q, k, v)}


def _timed(case: Based) -> Timed:
    # The recurrence itself: phi(k_t)ᵀ v_t into the state, and phi(q_t) S_t.
    steps = 4.0 * case.B * case.T * case.H * (1 + case.K + case.K**2) * case.V
    return Timed(case=case, flops=steps, peer=Peer(name="fla fused_chunk_based", call=_fla))


CPU: list[Case] = [
    *(Based(dtype=dtype, B=1, T=T, H=1, V=16, initial=True) for dtype in DTYPES for T in (1, 2, 65)),
    *(Unnormalised(dtype=dtype, B=1, T=T, H=1, V=16, initial=True) for dtype in DTYPES for T in (1, 65)),
    *(Based(dtype="f32", B=1, T=T, H=1, V=16) for T in (15, 16, 17, 63, 64, 130)),
    *(case(dtype="f32", B=1, T=17, H=1, K=K, V=7) for case in (Based, Unnormalised) for K in (4, 8)),
    *(Based(dtype="f32", B=1, T=33, H=1, V=16, spread=spread) for spread in (0.1, 3.0)),
    Based(dtype="bf16", B=1, T=90, K=4, V=8, cu_seqlens=PACKED_SMALL),
    Based(dtype="bf16", B=1, T=90, V=16, cu_seqlens=PACKED_SMALL, initial=True),
    Unnormalised(dtype="f32", B=1, T=90, H=1, V=16, cu_seqlens=PACKED_SMALL),
    Based(dtype="f32", B=1, T=20, H=4, G=2, V=16, reverse=True),
    Based(dtype="f32", T=15, V=16, causal=False, head_first=True),
    Unnormalised(dtype="bf16", B=1, T=15, H=1, K=8, V=8, causal=False),
]
DEMO: Case = Based(dtype="bf16", B=1, T=512, H=4)
GPU: list[Case] = [
    *(Based(dtype=dtype, T=T, H=5, initial=True) for dtype in DTYPES for T in LENGTHS),
    *(Unnormalised(dtype=dtype, T=T, initial=True) for dtype in DTYPES for T in (1, 65, 1000)),
    *(case(dtype=dtype, T=T, K=K, V=V) for case in (Based, Unnormalised) for dtype in ("bf16", "f32") for T in (17, 130)
      for K, V in ((4, 64), (8, 7), (8, 100), (16, 128))),
    *(Based(dtype=dtype, T=257, spread=spread) for dtype in DTYPES for spread in (0.1, 3.0)),
    *(Based(dtype=dtype, B=1, T=512, cu_seqlens=PACKED, initial=initial)
      for dtype in DTYPES for initial in (False, True)),
    Unnormalised(dtype="bf16", B=1, T=512, cu_seqlens=PACKED, initial=True),
    *(Based(dtype="bf16", T=130, H=4, G=G) for G in (1, 2)),
    *(case(dtype="bf16", T=130, head_first=True, reverse=True) for case in (Based, Unnormalised)),
    *(case(dtype=dtype, T=130, causal=False) for case in (Based, Unnormalised) for dtype in DTYPES),
    Based(dtype="bf16", T=130, H=16, final=False),
]  # fmt: skip
TIMED: list[Timed] = [_timed(Based(B=8, T=8192, H=16, final=False))]
