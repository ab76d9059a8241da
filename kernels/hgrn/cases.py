"""Sizes on which `hgrn` and `ema` are checked and timed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import treadle as td
from treadle.scan_cases import PACKED, PACKED_SMALL, ScanCase
from treadle.testing import Array, Case, Peer, Timed

SCANS = td.load_scans(Path(__file__).with_name("kernel.py"))


@dataclass(frozen=True, kw_only=True)
class Hgrn(ScanCase):
    """Gates are sigmoids of normal numbers around `bias`. `gates`: "hard", 0 and 1 alone."""

    scan = SCANS["hgrn"]

    H: int = 1
    D: int = 64
    bias: float = 0.0
    gates: str = ""

    def draw(self, rng: np.random.Generator) -> dict[str, Array]:
        drawn = super().draw(rng)
        f = 1 / (1 + np.exp(-drawn["f"] - np.float32(self.bias)))
        return drawn | {"f": np.where(f < 0.5, np.float32(0), np.float32(1)) if self.gates == "hard" else f}


@dataclass(frozen=True, kw_only=True)
class Ema(ScanCase):
    """Decays from 0 to 1, both among them."""

    scan = SCANS["ema"]

    H: int = 1
    D: int = 64

    def draw(self, rng: np.random.Generator) -> dict[str, Array]:
        drawn = super().draw(rng)
        return drawn | {"decay": np.linspace(0, 1, self.H * self.D, dtype=np.float32).reshape(self.H, self.D)}


DTYPES = ("bf16", "f16", "f32")
LENGTHS = (1, 2, 31, 32, 33, 65, 1000, 8192)


def _fla(i: Any, f: Any) -> dict[str, Any]:
    from fla.ops.hgrn import chunk_hgrn  # type: ignore[import-not-found]

    x = ((1 - f) * i).to(i.dtype)
    o, _ = chunk_hgrn(x.flatten(2), f.log().to(i.dtype).flatten(2))
    return {"o": o.view(i.shape)}


def _fla_ema(x: Any, decay: Any) -> dict[str, Any]:
    from fla.ops.hgrn import chunk_hgrn

    g = decay.log().clamp(min=-100).to(x.dtype).expand_as(x)
    return {"o": chunk_hgrn(((1 - decay) * x).to(x.dtype).flatten(2), g.flatten(2))[0].view(x.shape)}


CPU: list[Case] = [
    *(Hgrn(dtype=dtype, B=1, T=T, D=20, initial=True) for dtype in DTYPES for T in (1, 2, 65)),
    *(Ema(dtype=dtype, B=1, T=T, D=20, initial=True) for dtype in DTYPES for T in (1, 2, 65)),
    *(Hgrn(dtype="f32", T=33, D=D, bias=4.0) for D in (1, 7, 64)),
    Hgrn(dtype="f32", T=33, D=16, gates="hard", initial=True),
    Hgrn(dtype="bf16", B=1, T=90, D=20, cu_seqlens=PACKED_SMALL, initial=True),
    Ema(dtype="f32", B=1, T=90, D=20, cu_seqlens=PACKED_SMALL),
    Hgrn(dtype="f32", T=20, H=4, G=2, D=20, reverse=True),
    Ema(dtype="f32", T=20, H=2, D=20, head_first=True, causal=False),
]
DEMO: Case = Hgrn(dtype="bf16", B=1, T=512, D=256)
GPU: list[Case] = [
    *(case(dtype=dtype, T=T, initial=True) for case in (Hgrn, Ema) for dtype in DTYPES for T in LENGTHS),
    *(case(dtype=dtype, T=33, D=D) for case in (Hgrn, Ema) for dtype in DTYPES for D in (1, 7, 768)),
    *(Hgrn(dtype=dtype, T=1000, bias=bias) for dtype in DTYPES for bias in (-4.0, 4.0, 12.0)),
    *(Hgrn(dtype=dtype, T=130, gates="hard", initial=True) for dtype in DTYPES),
    *(case(dtype=dtype, B=1, T=512, cu_seqlens=PACKED, initial=initial)
      for case in (Hgrn, Ema) for dtype in DTYPES for initial in (False, True)),
    *(Hgrn(dtype="bf16", T=130, H=4, G=G) for G in (1, 2)),
    *(case(dtype="bf16", T=130, H=2, head_first=True, reverse=True) for case in (Hgrn, Ema)),
    *(case(dtype="bf16", T=130, causal=False) for case in (Hgrn, Ema)),
    *(case(dtype="bf16", T=130, H=16, D=128, final=False) for case in (Hgrn, Ema)),
]  # fmt: skip
TIMED: list[Timed] = [
    Timed(case=Hgrn(B=8, T=8192, H=16, D=128, final=False), peer=Peer(name="fla chunk_hgrn", call=_fla)),
    Timed(case=Ema(B=8, T=8192, H=16, D=128, final=False), peer=Peer(name="fla chunk_hgrn", call=_fla_ema)),
]
