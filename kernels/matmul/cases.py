"""Sizes on which `matmul` is checked and timed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from treadle.testing import Case, Constants, Peer, Timed


@dataclass(frozen=True, kw_only=True)
class Matmul(Case):
    """`precision` is that of the products of f32 inputs. `packed` takes rows as long as they are, aligned to
    nothing."""

    M: int
    N: int
    K: int
    precision: str = "ieee"
    packed: bool = False

    @property
    def kernel(self) -> str:
        return "matmul"

    @property
    def constants(self) -> Constants:
        fixed: dict[str, int | str] = {} if self.precision == "ieee" else {"precision": self.precision}
        return fixed | {"ALIGN": 0} if self.packed else fixed

    @property
    def align(self) -> int:
        return 1 if self.packed else 16

    @property
    def accuracy(self) -> str:
        return self.precision if self.precision == "tf32" else self.dtype

    @property
    def given(self) -> Mapping[str, tuple[int, ...]]:
        return {"a": (self.M, self.K), "b": (self.K, self.N)}

    @property
    def outputs(self) -> Mapping[str, tuple[int, ...]]:
        return {"c": (self.M, self.N)}


ARITHMETIC = (("bf16", "ieee"), ("f16", "ieee"), ("f32", "ieee"), ("f32", "tf32x3"), ("f32", "tf32"))


def _torch(a: Any, b: Any) -> dict[str, Any]:
    import torch

    return {"c": torch.matmul(a, b)}


def _timed(case: Matmul) -> Timed:
    return Timed(case=case, flops=2.0 * case.M * case.N * case.K, peer=Peer(name="torch.matmul", call=_torch))


CPU: list[Case] = [
    *(
        Matmul(dtype=dtype, precision=precision, M=M, N=N, K=K, packed=packed)
        for dtype, precision in ARITHMETIC
        for M, N, K, packed in ((1, 1, 1, True), (17, 33, 65, True), (17, 33, 65, False), (64, 64, 64, False))
    ),
    Matmul(dtype="bf16", M=130, N=70, K=100, packed=True),
]
DEMO: Case = Matmul(dtype="bf16", M=512, N=512, K=512)
GPU: list[Case] = [
    *(
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
    ),
    *(
        Matmul(dtype=dtype, M=M, N=N, K=K, packed=True)
        for dtype in ("bf16", "f16", "f32")
        for M, N, K in ((1, 1, 1), (2, 65, 63), (513, 913, 1213))
    ),
]
TIMED: list[Timed] = [_timed(Matmul(dtype="bf16", M=8192, N=8192, K=8192))]
