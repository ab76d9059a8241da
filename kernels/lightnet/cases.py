"""Sizes on which the steps of LightNet are checked and timed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import treadle as td
from treadle.scan_cases import PACKED, PACKED_SMALL, ScanCase
from treadle.testing import Array, Case, Peer, Timed

SCANS = td.load_scans(Path(__file__).with_name("kernel.py"))


@dataclass(frozen=True, kw_only=True)
class LightNet(ScanCase):
    """`sigma` is the standard deviation of keys.

    `keys`: "rise" or "fall", those of the token in the middle by 100; "constant", all equal; "padded", the first third
    of the tokens is not there.
    """

    scan = SCANS["lightnet"]

    K: int = 64
    V: int = 64
    scale: float = 1.0
    sigma: float = 1.0
    keys: str = ""

    def draw(self, rng: np.random.Generator) -> dict[str, Array]:
        drawn = super().draw(rng)
        k = drawn["k"] * np.float32(self.sigma)
        if self.keys == "constant":
            k[...] = 0.75
        if self.keys == "padded":
            k[:, : self.T // 3] = -1e4
            drawn["v"][:, : self.T // 3] = 0.0
        if self.keys in ("rise", "fall"):
            k[:, self.T // 2] += 100.0 if self.keys == "rise" else -100.0
        return drawn | {"k": k}


@dataclass(frozen=True, kw_only=True)
class FromZero(LightNet):
    """A running sum of 1 before the first token."""

    scan = SCANS["lightnet_from_zero"]


@dataclass(frozen=True, kw_only=True)
class Gated(LightNet):
    """Weights around 1."""

    scan = SCANS["lightnet_gated"]

    gate: str = "pre"
    eps: float = 1e-6

    def draw(self, rng: np.random.Generator) -> dict[str, Array]:
        drawn = super().draw(rng)
        return drawn | {"w": 1 + drawn["w"] / 4}


@dataclass(frozen=True, kw_only=True)
class Lrpe(LightNet):
    """Tokens of a grid of A axes, some 50 wide; theta as in rotary embeddings, of channels in A equal parts."""

    scan = SCANS["lightnet_lrpe"]

    A: int = 1

    def draw(self, rng: np.random.Generator) -> dict[str, Array]:
        drawn = super().draw(rng)
        at = np.unravel_index(np.arange(self.T) % 50**self.A, (50,) * self.A)
        channels = np.arange(self.K) % max(1, self.K // 2)
        theta = np.where(np.arange(self.K) * self.A // self.K == np.arange(self.A)[:, None], 1, 0)
        theta = theta * 10000.0 ** (-2 * channels / self.K)
        positions = np.broadcast_to(np.stack(at, -1), drawn["positions"].shape)
        theta = np.broadcast_to(theta, drawn["theta"].shape)
        return drawn | {"positions": positions.astype(np.float32), "theta": theta.astype(np.float32)}


@dataclass(frozen=True, kw_only=True)
class Rotary(Lrpe):
    """One axis, so that both channels of a pair have one theta."""

    scan = SCANS["lightnet_rotary"]


DTYPES = ("bf16", "f16", "f32")
LENGTHS = (1, 15, 16, 17, 63, 64, 65, 1000, 4096)
KEYS = ("rise", "fall", "constant", "padded")


def _fla(q: Any, k: Any, v: Any, *, scale: float) -> dict[str, Any]:
    from fla.ops.gla import chunk_gla  # type: ignore[import-not-found]

    z = k.float().logcumsumexp(1)
    g = (z.roll(1, 1) - z).index_fill(1, z.new_zeros(1).long(), 0.0)
    return {"o": chunk_gla(q * q.sigmoid(), (k - z).exp().to(k.dtype), v, g, scale=scale)[0]}


def _timed(case: LightNet) -> Timed:
    # The recurrence itself: the decay, the token into the state, and q_t S_t.
    steps = 5.0 * case.B * case.T * case.H * case.K * case.V
    return Timed(case=case, flops=steps, peer=Peer(name="torch logcumsumexp, fla chunk_gla", call=_fla))


CPU: list[Case] = [
    *(LightNet(dtype=dtype, B=1, T=T, K=16, V=24, initial=True) for dtype in DTYPES for T in (1, 2, 65)),
    *(FromZero(dtype=dtype, B=1, T=T, K=16, V=24, initial=T > 1) for dtype in DTYPES for T in (1, 65)),
    *(LightNet(dtype="f32", T=33, K=5, V=7, sigma=sigma, scale=0.25) for sigma in (0.1, 10.0)),
    *(case(dtype="f32", T=34, K=20, V=8, keys=keys) for case in (LightNet, FromZero) for keys in KEYS),
    *(Gated(dtype=dtype, T=33, K=16, V=24, gate=gate, initial=True) for dtype in DTYPES for gate in ("pre", "post")),
    *(Lrpe(dtype=dtype, T=33, K=16, V=24, initial=True) for dtype in DTYPES),
    *(Lrpe(dtype="f32", T=60, K=12, V=8, A=A) for A in (2, 3)),
    *(Rotary(dtype=dtype, T=33, K=16, V=24, initial=True) for dtype in DTYPES),
    LightNet(dtype="bf16", B=1, T=90, K=16, V=24, cu_seqlens=PACKED_SMALL, initial=True),
    LightNet(dtype="f32", B=1, T=90, K=16, V=24, cu_seqlens=PACKED_SMALL),
    LightNet(dtype="f32", T=20, H=4, G=2, K=16, V=24, reverse=True),
    LightNet(dtype="f32", T=20, K=16, V=24, causal=False, head_first=True),
]
DEMO: Case = LightNet(dtype="bf16", B=1, T=512, H=4)
GPU: list[Case] = [
    *(case(dtype=dtype, T=T, initial=True) for case in (LightNet, FromZero) for dtype in DTYPES for T in LENGTHS),
    *(LightNet(dtype=dtype, T=257, sigma=sigma) for dtype in DTYPES for sigma in (0.1, 10.0)),
    *(case(dtype=dtype, T=130, keys=keys) for case in (LightNet, FromZero) for dtype in DTYPES for keys in KEYS),
    *(LightNet(dtype="bf16", T=T, K=K, V=V) for T in (65, 1000)
      for K, V in ((100, 64), (128, 32), (5, 7), (128, 128))),
    *(Gated(dtype=dtype, T=257, gate=gate, eps=eps, initial=True) for dtype in DTYPES for gate in ("pre", "post")
      for eps in (1e-6, 1e-2)),
    *(Gated(dtype="bf16", T=65, K=64, V=100, gate=gate) for gate in ("pre", "post")),
    *(case(dtype=dtype, T=T, initial=True) for case in (Lrpe, Rotary) for dtype in DTYPES for T in (1, 65, 1000)),
    *(Lrpe(dtype="bf16", T=1000, K=96, V=64, A=A) for A in (2, 3)),
    *(case(dtype=dtype, B=1, T=512, cu_seqlens=PACKED, initial=initial)
      for case in (LightNet, FromZero, Lrpe) for dtype in DTYPES for initial in (False, True)),
    *(LightNet(dtype="bf16", T=130, H=4, G=G, scale=0.125) for G in (1, 2)),
    LightNet(dtype="bf16", T=130, head_first=True, reverse=True),
    *(case(dtype="bf16", T=130, causal=False) for case in (LightNet, FromZero, Gated, Lrpe, Rotary)),
    LightNet(dtype="bf16", T=130, K=128, V=128, final=False),
]  # fmt: skip
TIMED: list[Timed] = [_timed(LightNet(B=4, T=8192, H=16, K=128, V=128, final=False))]
