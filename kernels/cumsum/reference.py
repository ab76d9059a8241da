"""Running sums along time and along rows, in float64.

Math      cumsum_time: y[b, t, d] = Σ_{u ≤ t} x[b, u, d];   cumsum_rows: y[m, n] = Σ_{j ≤ n} x[m, j];
          reverse: the sums are over u ≥ t and j ≥ n
Shapes    cumsum_time: x, y [B, T, D];   cumsum_rows: x, y [M, N]
Dtypes    float64 throughout; the kernels take bf16, f16, f32 and sum in f32
Units     T, N in elements; the sum includes the element itself
Source    Dakkak, Li, Gelado, Xiong, Hwu: Accelerating Reduction and Scan Using Tensor Core Units, 2018,
          arXiv:1811.09736 (the blocked scan); the definition here is the plain sum
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def cumsum_time(x: Array, *, reverse: bool = False) -> dict[str, Array]:
    y = np.empty_like(x)
    total = np.zeros_like(x[:, 0])
    for t in reversed(range(x.shape[1])) if reverse else range(x.shape[1]):
        y[:, t] = total = total + x[:, t]
    return {"y": y}


def cumsum_rows(x: Array, *, reverse: bool = False) -> dict[str, Array]:
    return cumsum_time(x, reverse=reverse)
