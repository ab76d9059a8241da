"""Sizes on which `cumsum_time` and `cumsum_rows` are checked and timed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from treadle.testing import Case, Constants, Peer, Timed


def _constants(dtype: str, width: int, reverse: bool) -> Constants:
    """Rows that are no multiple of 16 bytes need a kernel that does not count on it."""
    fixed: dict[str, bool | int] = {"REVERSE": True} if reverse else {}
    return fixed if width * (4 if dtype == "f32" else 2) % 16 == 0 else fixed | {"ALIGN": 0}


@dataclass(frozen=True, kw_only=True)
class Time(Case):
    """Along the middle axis of x[B, T, D]."""

    B: int
    T: int
    D: int
    reverse: bool = False

    @property
    def kernel(self) -> str:
        return "cumsum_time"

    @property
    def constants(self) -> Constants:
        return _constants(self.dtype, self.D, self.reverse)

    @property
    def parameters(self) -> Mapping[str, float]:
        return {"reverse": self.reverse}

    @property
    def given(self) -> Mapping[str, tuple[int, ...]]:
        return {"x": (self.B, self.T, self.D)}

    @property
    def outputs(self) -> Mapping[str, tuple[int, ...]]:
        return {"y": (self.B, self.T, self.D)}


@dataclass(frozen=True, kw_only=True)
class Rows(Case):
    """Along the last axis of x[M, N]."""

    M: int
    N: int
    reverse: bool = False

    @property
    def kernel(self) -> str:
        return "cumsum_rows"

    @property
    def constants(self) -> Constants:
        return _constants(self.dtype, self.N, self.reverse)

    @property
    def parameters(self) -> Mapping[str, float]:
        return {"reverse": self.reverse}

    @property
    def given(self) -> Mapping[str, tuple[int, ...]]:
        return {"x": (self.M, self.N)}

    @property
    def outputs(self) -> Mapping[str, tuple[int, ...]]:
        return {"y": (self.M, self.N)}


DTYPES = ("bf16", "f16", "f32")
LENGTHS = (1, 2, 63, 64, 65, 513, 913, 1213)


def _torch(x: Any, *, reverse: bool = False) -> dict[str, Any]:
    import torch

    return {"y": torch.cumsum(x.flip(1), dim=1).flip(1) if reverse else torch.cumsum(x, dim=1)}


def _timed(case: Time | Rows) -> Timed:
    return Timed(case=case, peer=Peer(name="torch.cumsum", call=_torch))


CPU: list[Case] = [
    *(Time(dtype=dtype, B=2, T=T, D=D) for dtype in DTYPES for T, D in ((1, 1), (65, 7), (130, 64))),
    *(Rows(dtype=dtype, M=M, N=N) for dtype in DTYPES for M, N in ((1, 1), (3, 65), (33, 700))),
    Time(dtype="f32", B=2, T=130, D=5, reverse=True),
    Rows(dtype="f32", M=3, N=700, reverse=True),
]
DEMO: Case = Time(dtype="bf16", B=2, T=2048, D=256)
GPU: list[Case] = [
    *(Time(dtype="bf16", B=2, T=T, D=96) for T in LENGTHS),
    *(Time(dtype=dtype, B=3, T=T, D=D) for dtype in DTYPES for T, D in ((65, 1), (913, 7), (513, 200))),
    *(Rows(dtype="bf16", M=37, N=N) for N in LENGTHS),
    *(Rows(dtype=dtype, M=M, N=N) for dtype in DTYPES for M, N in ((1, 4096), (5, 913), (129, 257))),
    *(Time(dtype="bf16", B=2, T=T, D=96, reverse=True) for T in LENGTHS),
    *(Rows(dtype="bf16", M=37, N=N, reverse=True) for N in LENGTHS),
]
TIMED: list[Timed] = [
    _timed(Time(dtype="bf16", B=8, T=16384, D=1024)),
    _timed(Rows(dtype="bf16", M=32768, N=4096)),
]
