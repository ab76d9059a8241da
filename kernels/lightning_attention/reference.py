"""Linear attention with a constant decay for each head, one token at a time, in float64.

Math      S_t = e^(log_decay_h) · S_{t−1} + k_tᵀ v_t,   o_t = scale · q_t S_t,   S_{−1} = S or 0
          not causal: o_t = scale · q_t S_{T−1}
Shapes    q, k [B, T, H, K]; v, o [B, T, H, V]; log_decay [H]; S [B, H, K, V]
Dtypes    float64 throughout; the kernel takes q, k, v in bf16, f16 or f32, log_decay and the state in f32
Units     log_decay ≤ 0 is the natural logarithm of the decay of one token, minus the slope of the paper; scale is 1
          there; the state includes token t; T in tokens; no denominator
Source    Qin et al.: Lightning Attention-2, 2024, arXiv:2401.04658; log_decay is an input because published
          definitions of slopes differ
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def lightning_attention(
    q: Array, k: Array, v: Array, log_decay: Array, S: Array | None = None, *, scale: float, causal: bool = True
) -> dict[str, Array]:
    """o and the final S."""
    B, T, H, K = q.shape
    S = np.zeros((B, H, K, v.shape[-1])) if S is None else S
    o = np.empty(v.shape)
    decay = np.exp(log_decay)[:, None, None]
    for t in range(T):
        S = decay * S + k[:, t, :, :, None] * v[:, t, :, None, :]
        o[:, t] = scale * np.einsum("bhk,bhkv->bhv", q[:, t], S)
    if not causal:
        o = scale * np.einsum("bthk,bhkv->bthv", q, S)
    return {"o": o, "S": S}
