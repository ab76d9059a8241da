"""Root-mean-square normalisation of rows, with an optional SiLU gate, in float64.

Math      y[m, d] = x[m, d] · (mean_d x[m, d]² + eps)^(−1/2) · w[d], then · silu(g[m, d]) if g is given;
          silu(g) = g / (1 + e^(−g))
Shapes    x, y [M, D]; w [D]; g [M, D] or absent
Dtypes    float64 throughout; the kernel takes bf16, f16, f32 and computes in f32
Units     eps is added to the mean square, not to its root; the gate comes after the norm
Source    Zhang, Sennrich: Root Mean Square Layer Normalization, 2019, arXiv:1910.07467;
          the gate after the norm: Sun et al.: Retentive Network, 2023, arXiv:2307.08621
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def rms_norm(x: Array, w: Array, g: Array | None = None, *, eps: float) -> dict[str, Array]:
    y = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * w
    return {"y": y if g is None else y * g / (1 + np.exp(-g))}
