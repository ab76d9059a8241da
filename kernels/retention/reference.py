"""Linear attention with one decay for each head, one token at a time, in float64.

Math      S_t = e^(g_t) · S_{t−1} + k_tᵀ v_t,   o_t = scale · q_t S_t,   S_{−1} = S or 0; retention: g_t = g_gamma_h
          not causal: o_t = scale · q_t S_{T−1}
Shapes    q, k [B, T, H, K]; v, o [B, T, H, V]; g_gamma [H]; g [B, T, H]; S [B, H, K, V]
Dtypes    float64 throughout; the kernel takes q, k, v in bf16, f16 or f32, decays and states in f32
Units     g, g_gamma ≤ 0 are natural logarithms of the decay of one token; the state includes token t; no denominator
Source    Sun et al.: Retentive Network, 2023, arXiv:2307.08621; Yang et al., 2023, arXiv:2312.06635
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def simple_gla(
    q: Array, k: Array, v: Array, g: Array, S: Array | None = None, *, scale: float, causal: bool = True
) -> dict[str, Array]:
    """o and the final S of a gate [B, T, H]."""
    B, T, H, K = q.shape
    S = np.zeros((B, H, K, v.shape[-1])) if S is None else S
    o = np.empty(v.shape)
    for t in range(T):
        S = np.exp(g[:, t, :, None, None]) * S + k[:, t, :, :, None] * v[:, t, :, None, :]
        o[:, t] = scale * np.einsum("bhk,bhkv->bhv", q[:, t], S)
    if not causal:
        o = scale * np.einsum("bthk,bhkv->bthv", q, S)
    return {"o": o, "S": S}


def retention(
    q: Array, k: Array, v: Array, g_gamma: Array, S: Array | None = None, *, scale: float, causal: bool = True
) -> dict[str, Array]:
    """o and the final S of a decay [H]."""
    return simple_gla(q, k, v, np.broadcast_to(g_gamma, q.shape[:3]), S, scale=scale, causal=causal)
