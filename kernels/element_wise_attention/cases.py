"""Sizes on which `element_wise_attention` is checked and timed."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import treadle as td
from treadle.scan_cases import PACKED, PACKED_SMALL, ScanCase
from treadle.testing import Array, Case, Peer, Timed

SCANS = td.load_scans(Path(__file__).with_name("kernel.py"))


@dataclass(frozen=True, kw_only=True)
class ElementWise(ScanCase):
    """`keys`: "large", all beyond 12, where exp(-k^2) is 0 in f32; "late", the same but for a small one in the middle;
    "zero". `queries`: "zero"; "large", 50 and −50."""

    scan = SCANS["element_wise_attention"]

    H: int = 1
    D: int = 64
    P: int = 6
    spread: float = 0.5
    keys: str = ""
    queries: str = ""

    def draw(self, rng: np.random.Generator) -> dict[str, Array]:
        drawn = super().draw(rng)
        q, k = drawn["q"], drawn["k"]
        if self.queries:
            q = np.copysign(np.float32({"zero": 0.0, "large": 50.0}[self.queries]), q)
        if self.keys == "zero":
            k = np.zeros_like(k)
        elif self.keys:
            k = k + np.copysign(np.float32(12), k)
        if self.keys == "late":
            k[:, self.T // 2] /= 100
        return drawn | {"q": q, "k": k, "v": drawn["v"] / np.float32(self.spread)}

    @property
    def tolerance(self) -> float:
        """Alternating sums amplify the rounding of f32."""
        return 1e-4 if self.dtype == "f32" else super().tolerance


DTYPES = ("bf16", "f16", "f32")
LENGTHS = (1, 2, 31, 32, 33, 1000, 8192)
ODD = tuple({"keys": keys} for keys in ("large", "late", "zero")) + tuple({"queries": q} for q in ("zero", "large"))


def _torch(q: Any, k: Any, v: Any, *, P: int) -> dict[str, Any]:
    import torch

    return {"o": _compiled(torch)(q, k, v, P)}


def _compiled(torch: Any) -> Any:
    """The authors' form: sums along time of everything, fused as far as the library can."""

    def series(q: Any, k: Any, v: Any, P: int) -> Any:
        q, k = q.float(), k.float()
        w, above, below = torch.exp(-k * k), 0.0, 0.0
        for n in range(P + 1):
            c, s = 2.0**n / math.factorial(n) * q**n, w * k**n
            above, below = above + c * torch.cumsum(s * v, 1), below + c * torch.cumsum(s, 1)
        return (above / below).to(v.dtype)

    if not hasattr(torch, "_treadle_series"):
        torch._treadle_series = torch.compile(series)
    return torch._treadle_series


CPU: list[Case] = [
    *(ElementWise(dtype=dtype, B=1, T=T, D=20, initial=True) for dtype in DTYPES for T in (1, 2, 65)),
    *(ElementWise(dtype="f32", T=33, D=D, P=P) for D, P in ((1, 0), (7, 2), (64, 4), (7, 8))),
    ElementWise(dtype="f32", T=33, D=7, P=1, spread=0.2),
    *(ElementWise(dtype="f32", T=34, D=9, **odd) for odd in ODD),
    *(ElementWise(dtype="f32", T=34, D=9, P=P, **odd) for odd in ODD for P in (0, 2)),
    *(ElementWise(dtype=dtype, T=33, D=9, P=P, causal=False) for dtype in DTYPES for P in (2, 6)),
    ElementWise(dtype="bf16", B=1, T=90, D=20, cu_seqlens=PACKED_SMALL, initial=True),
    ElementWise(dtype="f32", B=1, T=90, D=20, cu_seqlens=PACKED_SMALL, P=2),
    ElementWise(dtype="f32", T=20, H=4, G=2, D=20, reverse=True),
    ElementWise(dtype="f32", T=20, H=2, D=20, head_first=True),
]
DEMO: Case = ElementWise(dtype="bf16", B=1, T=512, D=256)
GPU: list[Case] = [
    *(ElementWise(dtype=dtype, T=T, initial=True) for dtype in DTYPES for T in LENGTHS),
    *(ElementWise(dtype=dtype, T=33, D=D, P=P, causal=causal) for dtype in DTYPES for causal in (True, False)
      for D, P in ((1, 6), (7, 6), (64, 0), (64, 2), (64, 4), (64, 6), (64, 8), (768, 6), (768, 2))),
    *(ElementWise(dtype=dtype, T=130, P=P, **odd) for dtype in DTYPES for P in (0, 2, 6) for odd in ODD),
    ElementWise(dtype="f32", T=130, P=1, spread=0.2),
    *(ElementWise(dtype=dtype, B=1, T=512, cu_seqlens=PACKED, initial=initial)
      for dtype in DTYPES for initial in (False, True)),
    *(ElementWise(dtype="bf16", T=130, H=4, G=G) for G in (1, 2)),
    ElementWise(dtype="bf16", T=130, H=2, head_first=True, reverse=True),
    *(ElementWise(dtype="bf16", T=130, H=12, P=P, final=False) for P in (2, 6)),
]  # fmt: skip
TIMED: list[Timed] = [
    Timed(case=ElementWise(B=8, T=8192, H=12, P=P, final=False), peer=Peer(name="torch.compile cumsum", call=_torch))
    for P in (2, 6)
]
