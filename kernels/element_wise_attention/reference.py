"""Element-wise attention, one token at a time, in float64.

Math      S_n = Σ_{u ≤ t} e^(−k_u²) k_u^n v_u,   Z_n = Σ_{u ≤ t} e^(−k_u²) k_u^n,   n = 0 … P
          o_t = Σ_n 2^n/n! q_t^n S_n / Σ_n 2^n/n! q_t^n Z_n;   not causal: sums over all u
          kept are e^μ S_n, e^μ Z_n and μ = min_{u ≤ t} k_u², as the kernel returns them
Shapes    q, k, v, o [B, T, H, D]; S, Z [B, H, D, P + 1]; μ [B, H, D], ∞ before the first token
Dtypes    float64 throughout; the kernel takes q, k, v in bf16, f16 or f32, states in f32
Units     P is the highest power, so that there are P + 1 terms; channels do not meet, nor do heads
Source    Feng: Element-wise Attention Is All You Need, 2025, arXiv:2501.05730; its listing calls the number of terms t
"""

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def element_wise_attention(
    q: Array,
    k: Array,
    v: Array,
    S: Array | None = None,
    Z: Array | None = None,
    mu: Array | None = None,
    *,
    P: int,
    causal: bool = True,
) -> dict[str, Array]:
    """o and the sums after the last token."""
    B, T, H, D = q.shape
    S = np.zeros((B, H, D, P + 1)) if S is None else S.copy()
    Z = np.zeros((B, H, D, P + 1)) if Z is None else Z.copy()
    mu = np.full((B, H, D), np.inf) if mu is None else mu

    def read(q: Array, S: Array, Z: Array) -> Array:
        above = below = np.zeros(q.shape)
        for n in range(P + 1):
            c = 2.0**n / math.factorial(n) * q**n
            above, below = above + c * S[..., n], below + c * Z[..., n]
        return above / below

    o = np.empty(v.shape)
    for t in range(T):
        least = np.minimum(mu, k[:, t] ** 2)
        for n in range(P + 1):
            w = np.exp(least - k[:, t] ** 2) * k[:, t] ** n
            S[..., n] = np.exp(least - mu) * S[..., n] + w * v[:, t]
            Z[..., n] = np.exp(least - mu) * Z[..., n] + w
        mu = least
        o[:, t] = read(q[:, t], S, Z)
    return {"o": o if causal else read(q, S[:, None], Z[:, None]), "S": S, "Z": Z, "mu": mu}
