"""Causal linear attention with a constant decay per head, one token at a time, in float64.

Math      S_t = e^(−slope_h) · S_{t−1} + k_tᵀ v_t,   o_t = scale · q_t S_t,   S_{−1} = s0 or 0,   s1 = S_{T−1}
          equivalently o_t = scale · (e^(−slope_h (t+1)) q_t s0 + Σ_{u ≤ t} e^(−slope_h (t−u)) (q_t · k_u) v_u)
Shapes    q, k [B, T, H, K]; v, o [B, T, H, V]; slope [H]; s0, s1 [B, H, K, V]
Dtypes    float64 throughout; the kernel takes q, k, v in bf16, f16 or f32, slope and the states in f32, and sums in f32
Units     slope ≥ 0 is minus the natural log of the decay of one token; scale multiplies the scores and the reading
          of the state alike and is 1 in the paper; the state includes token t; T in tokens; no denominator
Source    Qin et al.: Lightning Attention-2, 2024, arXiv:2401.04658; slope is an input here because published
          definitions of it differ
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def lightning_attention(
    q: Array, k: Array, v: Array, slope: Array, s0: Array | None = None, *, scale: float
) -> dict[str, Array]:
    B, T, H, K = q.shape
    V = v.shape[-1]
    o = np.empty((B, T, H, V))
    S = np.zeros((B, H, K, V)) if s0 is None else s0.copy()
    decay = np.exp(-slope)[:, None, None]
    for t in range(T):
        S = decay * S + k[:, t, :, :, None] * v[:, t, :, None, :]
        o[:, t] = scale * (q[:, t, :, None, :] @ S)[:, :, 0]
    return {"o": o, "s1": S}
