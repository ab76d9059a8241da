"""Sizes on which `short_conv` and `short_conv_bias` are checked and timed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import treadle as td
from treadle.scan_cases import PACKED, PACKED_SMALL, ScanCase
from treadle.testing import Array, Case, Peer, Timed, round_to

SCANS = td.load_scans(Path(__file__).with_name("kernel.py"))


@dataclass(frozen=True, kw_only=True)
class ShortConv(ScanCase):
    """`only`: all taps are 0 but that one, which is 1; −1 is the current token's, and 0 that of W − 1 tokens ago."""

    scan = SCANS["short_conv"]

    H: int = 1
    D: int = 64
    W: int = 4
    silu: bool = True
    only: int | None = None

    def draw(self, rng: np.random.Generator) -> dict[str, Array]:
        drawn = super().draw(rng)
        taps = drawn["taps"] / np.float32(np.sqrt(self.W))
        if self.only is not None:
            taps = np.zeros_like(taps)
            taps[self.only] = 1
        return drawn | {"taps": taps}

    def inputs(self, seed: int = 0) -> dict[str, Array]:
        """What precedes is as long as the window, of numbers that inputs may be."""
        made = super().inputs(seed)
        if self.initial:
            past = np.random.default_rng((seed, 1)).standard_normal(self.states["x"], np.float32)
            made["x_initial"] = round_to(past, self.dtype).astype(np.float32)
        return made

    @property
    def tolerance(self) -> float:
        """Tokens that only move are not rounded."""
        return 1e-12 if self.only is not None and not self.silu else super().tolerance


@dataclass(frozen=True, kw_only=True)
class Biased(ShortConv):
    scan = SCANS["short_conv_bias"]


DTYPES = ("bf16", "f16", "f32")
WINDOWS = (2, 3, 4, 7, 16, 31)
LENGTHS = (1, 2, 3, 4, 5, 63, 64, 65, 255, 257, 1000)


def _torch(x: Any, taps: Any, *, silu: bool) -> dict[str, Any]:
    import torch

    return {"o": _compiled(torch)(x, taps, silu)}


def _compiled(torch: Any) -> Any:
    """A depthwise convolution, fused as far as the library can."""

    def convolution(x: Any, taps: Any, silu: bool) -> Any:
        _, T, H, D = x.shape
        W = len(taps)
        weight = taps.to(x.dtype).T.repeat(H, 1)[:, None]
        y = torch.nn.functional.conv1d(x.flatten(2).mT, weight, padding=W - 1, groups=H * D)[..., :T]
        return (torch.nn.functional.silu(y) if silu else y).mT.reshape(x.shape)

    if not hasattr(torch, "_treadle_short_conv"):
        torch._treadle_short_conv = torch.compile(convolution)
    return torch._treadle_short_conv


CPU: list[Case] = [
    *(ShortConv(dtype=dtype, B=1, T=T, D=20, initial=True) for dtype in DTYPES for T in (1, 2, 65)),
    *(Biased(dtype=dtype, B=1, T=T, D=20, initial=True) for dtype in DTYPES for T in (1, 65)),
    *(ShortConv(dtype="f32", B=1, T=T, D=7, W=W, initial=W % 2 > 0) for W in WINDOWS for T in (W - 1, W, W + 1)),
    *(ShortConv(dtype="f32", B=1, T=33, D=D, silu=False) for D in (1, 7, 64, 100)),
    *(ShortConv(dtype=dtype, B=1, T=33, D=7, W=W, silu=False, only=only, initial=True)
      for dtype, W in (("f32", 4), ("bf16", 3)) for only in (-1, 0)),
    *(ShortConv(dtype=dtype, B=1, T=90, D=20, cu_seqlens=PACKED_SMALL, initial=dtype == "bf16")
      for dtype in ("bf16", "f32")),
    ShortConv(dtype="bf16", B=1, T=17, D=20, W=7, cu_seqlens=(0, 3, 3, 4, 9, 17), initial=True),
    Biased(dtype="f32", B=1, T=90, D=20, cu_seqlens=PACKED_SMALL),
    ShortConv(dtype="f32", T=20, H=2, D=20, reverse=True),
    Biased(dtype="f32", T=20, H=3, D=20, silu=False, head_first=True),
]  # fmt: skip
DEMO: Case = ShortConv(dtype="bf16", B=1, T=512, D=256)
GPU: list[Case] = [
    *(case(dtype=dtype, T=T, initial=True) for case in (ShortConv, Biased) for dtype in DTYPES for T in LENGTHS),
    *(ShortConv(dtype=dtype, T=T, H=2, W=W, initial=initial) for dtype in DTYPES for W in WINDOWS
      for T in (W - 1, W, W + 1, 257) for initial in (False, True)),
    *(case(dtype=dtype, T=65, D=D, silu=silu) for case in (ShortConv, Biased) for dtype in DTYPES
      for D in (1, 7, 64, 100) for silu in (False, True)),
    *(ShortConv(dtype=dtype, T=257, W=W, silu=False, only=only, initial=True)
      for dtype in DTYPES for W in WINDOWS for only in (-1, 0)),
    *(case(dtype=dtype, B=1, T=512, cu_seqlens=PACKED, initial=initial)
      for case in (ShortConv, Biased) for dtype in DTYPES for initial in (False, True)),
    *(ShortConv(dtype="bf16", B=1, T=17, W=W, cu_seqlens=(0, 3, 3, 4, 9, 17), initial=True) for W in WINDOWS),
    *(case(dtype="bf16", T=130, H=2, head_first=True, reverse=True) for case in (ShortConv, Biased)),
    ShortConv(dtype="bf16", T=257, H=3, reverse=True, initial=True),
    ShortConv(dtype="bf16", T=130, D=1024, final=False),
]  # fmt: skip
TIMED: list[Timed] = [
    Timed(case=ShortConv(B=16, T=4096, D=1024, final=False), peer=Peer(name="torch.compile conv1d", call=_torch))
]
