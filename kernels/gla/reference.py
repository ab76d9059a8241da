"""Linear attention with a decay for each channel and token, one token at a time, in float64.

Math      S_t = diag(e^(g_t)) S_{t−1} + k_tᵀ v_t,   o_t = scale · q_t S_t,   S_{−1} = S or 0
          not causal: o_t = scale · q_t S_{T−1}
Shapes    q, k, g [B, T, H, K]; v, o [B, T, H, V]; S [B, H, K, V]
Dtypes    float64 throughout; the kernel takes q, k, v in bf16, f16 or f32, g and the state in f32
Units     g ≤ 0 is the natural logarithm of the decay of one token; the state includes token t; no denominator
Source    Yang et al.: Gated Linear Attention Transformers, 2023, arXiv:2312.06635
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def gla(
    q: Array, k: Array, v: Array, g: Array, S: Array | None = None, *, scale: float, causal: bool = True
) -> dict[str, Array]:
    """o and the final S."""
    B, T, H, K = q.shape
    S = np.zeros((B, H, K, v.shape[-1])) if S is None else S
    o = np.empty(v.shape)
    for t in range(T):
        S = np.exp(g[:, t, :, :, None]) * S + k[:, t, :, :, None] * v[:, t, :, None, :]
        o[:, t] = scale * np.einsum("bhk,bhkv->bhv", q[:, t], S)
    if not causal:
        o = scale * np.einsum("bthk,bhkv->bthv", q, S)
    return {"o": o, "S": S}
