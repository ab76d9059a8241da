"""Sizes on which `lightning_attention` is checked and timed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from treadle.testing import Array, Case, Constants, Peer, Timed

DECAYS = (0.0, 1e-3, 0.5, 8.0, 40.0)
"""From none to one where e^(−64·s) underflows to 0 in f32 and must not become NaN."""


@dataclass(frozen=True, kw_only=True)
class Lightning(Case):
    """`slopes` are dealt to the heads in turn. `split` runs the tokens before and from it in two launches, the
    state handed on between them; the result must be that of one."""

    B: int = 2
    H: int = 5
    T: int
    K: int = 64
    V: int = 64
    slopes: tuple[float, ...] = DECAYS
    scale: float = 1.0
    spread: float = 0.1
    initial: bool = False
    final: bool = False
    split: int = 0
    precision: str = "ieee"

    def __post_init__(self) -> None:
        if self.split and not (self.initial and self.final and self.split < self.T):
            raise ValueError("a split case needs both states and a split inside the sequence")

    @property
    def kernel(self) -> str:
        return "lightning_attention"

    @property
    def constants(self) -> Constants:
        fixed: dict[str, int | float | str] = {"K": self.K, "V": self.V, "scale": self.scale}
        return fixed if self.precision == "ieee" else fixed | {"precision": self.precision}

    @property
    def present(self) -> tuple[str, ...]:
        return (*(("s0",) if self.initial else ()), *(("s1",) if self.final else ()))

    @property
    def parameters(self) -> Mapping[str, float]:
        return {"scale": self.scale}

    @property
    def own_dtypes(self) -> Mapping[str, str]:
        return {"slope": "f32", "s0": "f32", "s1": "f32", "handed_on": "f32"}

    @property
    def accuracy(self) -> str:
        return self.precision if self.precision == "tf32" else self.dtype

    @property
    def given(self) -> Mapping[str, tuple[int, ...]]:
        tokens = (self.B, self.T, self.H)
        shapes: dict[str, tuple[int, ...]] = {
            "q": (*tokens, self.K),
            "k": (*tokens, self.K),
            "v": (*tokens, self.V),
            "slope": (self.H,),
        }
        return shapes | ({"s0": self.state} if self.initial else {})

    def inputs(self, seed: int = 0) -> dict[str, Array]:
        drawn = {name: np.float32(self.spread) * array for name, array in super().inputs(seed).items()}
        return drawn | {"slope": np.resize(np.array(self.slopes, np.float32), self.H)}

    @property
    def state(self) -> tuple[int, ...]:
        return (self.B, self.H, self.K, self.V)

    @property
    def outputs(self) -> Mapping[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {"o": (self.B, self.T, self.H, self.V)}
        return shapes | ({"s1": self.state} if self.final else {})

    @property
    def scratch(self) -> Mapping[str, tuple[int, ...]]:
        return {"handed_on": self.state} if self.split else {}

    def launches(self, tensors: Mapping[str, Any]) -> list[dict[str, Any]]:
        if not self.split:
            return [dict(tensors)]
        given = {name: tensor for name, tensor in tensors.items() if name != "handed_on"}
        before = {name: given[name][:, : self.split] for name in "qkvo"} | {"s1": tensors["handed_on"]}
        after = {name: given[name][:, self.split :] for name in "qkvo"} | {"s0": tensors["handed_on"]}
        return [given | before, given | after]


ARITHMETIC = (("bf16", "ieee"), ("f16", "ieee"), ("f32", "ieee"), ("f32", "tf32x3"), ("f32", "tf32"))
LENGTHS = (1, 2, 63, 64, 65, 513, 913, 1213)


def published_slopes(H: int) -> tuple[float, ...]:
    """2^(−8 (h+1) / H): the slopes of the authors' released models, for H a power of two."""
    return tuple(2.0 ** (-8.0 * (h + 1) / H) for h in range(H))


def _fla(q: Any, k: Any, v: Any, slope: Any, s0: Any = None, *, scale: float) -> dict[str, Any]:
    from fla.ops.simple_gla import chunk_simple_gla  # type: ignore[import-not-found]

    o, s1 = chunk_simple_gla(
        q=q, k=k, v=v, g_gamma=-slope, scale=scale, initial_state=s0, output_final_state=s0 is not None
    )
    return {"o": o, "s1": s1}


def _timed(case: Lightning) -> Timed:
    # The recurrence itself: k_tᵀ v_t into the state, and q_t S_t.
    steps = 4.0 * case.B * case.T * case.H * case.K * case.V
    return Timed(case=case, flops=steps, peer=Peer(name="fla chunk_simple_gla", call=_fla))


CPU: list[Case] = [
    *(
        Lightning(dtype=dtype, precision=precision, B=1, T=T, K=16, V=32, initial=True, final=True)
        for dtype, precision in ARITHMETIC
        for T in (1, 2, 63, 64, 65, 130)
    ),
    *(Lightning(dtype=dtype, precision=precision, B=2, H=3, T=65, K=16, V=32) for dtype, precision in ARITHMETIC),
    *(Lightning(dtype="f32", B=1, H=1, T=150, K=16, V=32, slopes=(s,), initial=True, final=True) for s in DECAYS),
    Lightning(dtype="f32", B=1, T=130, K=16, V=32, spread=1.0, initial=True, final=True, split=67),
    Lightning(dtype="f32", B=1, T=65, K=16, V=32, scale=0.25, final=True),
    *(
        Lightning(dtype="f32", B=1, H=2, T=65, K=K, V=V, initial=True, final=True)
        for K, V in ((5, 7), (24, 40), (80, 96))
    ),
]
DEMO: Case = Lightning(dtype="bf16", B=1, H=8, T=1024, slopes=published_slopes(8))
GPU: list[Case] = [
    *(
        Lightning(dtype=dtype, precision=precision, T=T, initial=True, final=True)
        for dtype, precision in ARITHMETIC
        for T in LENGTHS
    ),
    *(Lightning(dtype="bf16", T=T, K=K, V=V) for T in LENGTHS for K, V in ((64, 64), (128, 128))),
    *(
        Lightning(dtype=dtype, precision=precision, B=1, H=2, T=T, slopes=(s,), initial=True, final=True)
        for dtype, precision in ARITHMETIC
        for s in DECAYS
        for T in (65, 300)
    ),
    *(
        Lightning(dtype=dtype, precision=precision, T=T, spread=1.0, initial=True, final=True)
        for dtype, precision in ARITHMETIC
        for T in (65, 913)
    ),
    *(
        Lightning(dtype=dtype, precision=precision, T=T, initial=True, final=True, split=split)
        for dtype, precision in ARITHMETIC
        for T, split in ((513, 256), (913, 65), (66, 65))
    ),
    *(Lightning(dtype="bf16", T=T, K=128, V=64, scale=0.125, initial=True, final=True) for T in (64, 513)),
    *(
        Lightning(dtype="bf16", B=2, H=3, T=T, K=K, V=V, initial=True, final=True)
        for T in (65, 513)
        for K, V in ((5, 7), (16, 200), (80, 96), (100, 72))
    ),
    *(Lightning(dtype="bf16", H=12, T=T, slopes=published_slopes(16)[:12], final=True) for T in (65, 1213)),
]
TIMED: list[Timed] = [
    _timed(Lightning(dtype="bf16", B=8, H=32, T=4096, K=64, V=64, slopes=published_slopes(32))),
    _timed(Lightning(dtype="bf16", B=4, H=16, T=8192, K=128, V=128, slopes=published_slopes(16))),
]
