"""Sizes on which `matmul` is checked and timed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from treadle.testing import Array, Case, Constants, Peer, Timed, bytes_of


@dataclass(frozen=True, kw_only=True)
class Matmul(Case):
    """`precision` is that of the products of f32 inputs."""

    M: int
    N: int
    K: int
    precision: str = "ieee"

    @property
    def kernel(self) -> str:
        return "matmul"

    @property
    def constants(self) -> Constants:
        return {} if self.precision == "ieee" else {"PRECISION": self.precision}

    @property
    def align(self) -> int:
        return 16

    @property
    def accuracy(self) -> str:
        return self.precision if self.precision == "tf32" else self.dtype

    def inputs(self, seed: int = 0) -> dict[str, Array]:
        rng = np.random.default_rng(seed)
        return {
            "a": rng.standard_normal((self.M, self.K), np.float32),
            "b": rng.standard_normal((self.K, self.N), np.float32),
        }

    @property
    def outputs(self) -> Mapping[str, tuple[int, ...]]:
        return {"c": (self.M, self.N)}


ARITHMETIC = (("bf16", "ieee"), ("f16", "ieee"), ("f32", "ieee"), ("f32", "tf32x3"), ("f32", "tf32"))


def _torch(a: Any, b: Any) -> dict[str, Any]:
    import torch

    return {"c": torch.matmul(a, b)}


def _timed(case: Matmul) -> Timed:
    M, N, K = case.M, case.N, case.K
    moved = bytes_of([((M, K), case.dtype), ((K, N), case.dtype), ((M, N), case.dtype)])
    return Timed(case=case, bytes=moved, flops=2.0 * M * N * K, peer=Peer(name="torch.matmul", call=_torch))


CPU: list[Case] = [
    Matmul(dtype=dtype, precision=precision, M=M, N=N, K=K)
    for dtype, precision in ARITHMETIC
    for M, N, K in ((1, 1, 1), (17, 33, 65), (64, 64, 64), (130, 70, 100))
]
DEMO: Case = Matmul(dtype="bf16", M=512, N=512, K=512)
GPU: list[Case] = [
    Matmul(dtype=dtype, precision=precision, M=M, N=N, K=K)
    for dtype, precision in ARITHMETIC
    for M, N, K in (
        (1, 1, 1),
        (1, 4096, 64),
        (2, 65, 63),
        (63, 64, 65),
        (128, 128, 128),
        (513, 913, 1213),
        (1000, 8, 2),
        (256, 384, 4096),
    )
]
TIMED: list[Timed] = [_timed(Matmul(dtype="bf16", M=8192, N=8192, K=8192))]
