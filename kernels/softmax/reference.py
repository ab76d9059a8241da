"""Softmax of every row, in float64.

Math      y[m, n] = e^(x[m, n] − c_m) / Σ_j e^(x[m, j] − c_m),   c_m = max_j x[m, j]
Shapes    x, y [M, N]
Dtypes    float64 throughout; the kernel takes bf16, f16, f32 and computes in f32
Units     natural exponential, no scale; an entry of −∞ has weight 0, a row of nothing else is NaN
Source    Milakov, Gimelshein: Online normalizer calculation for softmax, 2018, arXiv:1805.02867
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def softmax(x: Array) -> dict[str, Array]:
    weights = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return {"y": weights / np.sum(weights, axis=-1, keepdims=True)}
