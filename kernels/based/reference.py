"""Based, one token at a time, in float64.

Math      φ(x) = [1, y, vec(y yᵀ) / √2] with y = x / K^¼;   S_t = S_{t−1} + φ(k_t)ᵀ v_t,   n_t = n_{t−1} + φ(k_t)
          based               o_t = φ(q_t) S_t / (φ(q_t) · n_t)
          based_unnormalised  o_t = φ(q_t) S_t
          S_{−1}, n_{−1} = S, n or 0;   not causal: S_{T−1}, n_{T−1}
Shapes    q, k [B, T, H, K]; v, o [B, T, H, V]; S [B, H, 1 + K + K², V]; n [B, H, 1 + K + K²]
Dtypes    float64 throughout; the kernel takes q, k, v in bf16, f16 or f32, states in f32
Units     φ(q) · φ(k) = 1 + s + s² / 2 with s = q · k / √K: half of the scale is on each side; no decay
Source    Arora et al.: Simple linear attention language models balance the recall-throughput tradeoff, 2024,
          arXiv:2402.18668
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def feature(x: Array) -> Array:
    """φ, [..., K] → [..., 1 + K + K²]."""
    y = x * x.shape[-1] ** -0.25
    squares = (y[..., :, None] * y[..., None, :]).reshape(*y.shape[:-1], y.shape[-1] ** 2)
    return np.concatenate([np.ones((*y.shape[:-1], 1)), y, squares / np.sqrt(2)], axis=-1)


def based(
    q: Array, k: Array, v: Array, S: Array | None = None, n: Array | None = None, *, causal: bool = True
) -> dict[str, Array]:
    """o and the final S and n."""
    q, k = feature(q), feature(k)
    ones = np.ones((*v.shape[:-1], 1))
    above, below = sums(q, k, v, S, causal), sums(q, k, ones, None if n is None else n[..., None], causal)
    return {"o": above["o"] / below["o"], "S": above["S"], "n": below["S"][..., 0]}


def based_unnormalised(
    q: Array, k: Array, v: Array, S: Array | None = None, *, causal: bool = True
) -> dict[str, Array]:
    """o and the final S."""
    return sums(feature(q), feature(k), v, S, causal)


def sums(q: Array, k: Array, v: Array, S: Array | None, causal: bool) -> dict[str, Array]:
    """S_t = S_{t−1} + k_tᵀ v_t and o_t = q_t S_t, of features."""
    B, T, H, F = q.shape
    S = np.zeros((B, H, F, v.shape[-1])) if S is None else S
    o = np.empty(v.shape)
    for t in range(T):
        S = S + k[:, t, :, :, None] * v[:, t, :, None, :]
        o[:, t] = np.einsum("bhf,bhfv->bhv", q[:, t], S)
    return {"o": o if causal else np.einsum("bthf,bhfv->bthv", q, S), "S": S}
