"""Linear attention with a denominator, one token at a time, in float64.

Math      f(x) = elu(x) + 1;   S_t = S_{t−1} + f(k_t)ᵀ v_t,   n_t = n_{t−1} + f(k_t)
          o_t = f(q_t) S_t / (f(q_t) · n_t + eps),   S_{−1}, n_{−1} = S, n or 0;   not causal: S_{T−1}, n_{T−1}
Shapes    q, k [B, T, H, K]; v, o [B, T, H, V]; S [B, H, K, V]; n [B, H, K]
Dtypes    float64 throughout; the kernel takes q, k, v in bf16, f16 or f32, states in f32
Units     no decay and no scale, which would cancel; o is a mean of values but for eps
Source    Katharopoulos et al.: Transformers are RNNs, 2020, arXiv:2006.16236
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def feature(x: Array) -> Array:
    """elu(x) + 1."""
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0))) + 1


def linear_attention(
    q: Array, k: Array, v: Array, S: Array | None = None, n: Array | None = None, *, eps: float, causal: bool = True
) -> dict[str, Array]:
    """o and the final S and n."""
    B, T, H, K = q.shape
    S = np.zeros((B, H, K, v.shape[-1])) if S is None else S
    n = np.zeros((B, H, K)) if n is None else n
    q, k = feature(q), feature(k)

    def read(q: Array, S: Array, n: Array) -> Array:
        return np.einsum("...k,...kv->...v", q, S) / (np.sum(q * n, -1) + eps)[..., None]

    o = np.empty(v.shape)
    for t in range(T):
        S = S + k[:, t, :, :, None] * v[:, t, :, None, :]
        n = n + k[:, t]
        o[:, t] = read(q[:, t], S, n)
    return {"o": o if causal else read(q, S[:, None], n[:, None]), "S": S, "n": n}
