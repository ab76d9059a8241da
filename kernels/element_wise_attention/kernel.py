"""Element-wise attention: softmax of -(q - k)^2 in each channel, with exp(2 q k) as a polynomial of degree P.

For each sequence and channel, with c_n = 2^n / n! and w_t = exp(-k_t^2),

    S_n = sum_{u <= t} w_u k_u^n v_u,   Z_n = sum_{u <= t} w_u k_u^n,   o_t = sum_n c_n q_t^n S_n / sum_n c_n q_t^n Z_n

Sums are kept relative to the smallest k^2 so far, mu, so that they do not vanish where every |k| is large.

Shapes: q, k, v, o [B, T, H, D], where H only divides channels; S, Z [B, H, D, P + 1]; mu [B, H, D]. D is any size; k
and v may have fewer heads than q, by a divisor.
dtypes: q, k, v, o f32, f16 or bf16, all alike; S, Z, mu f32; computed in f32.
Limits: q^P and k^P do not overflow f32: |q|, |k| < 1e6 for P = 6. For even P the denominator is positive; for odd P it
may be 0 or negative, and o is what the formula says. Rounding errors of f32 are amplified where 2 q k < 0, up to 69
times for P = 6. Wrong shapes and dtypes are a LaunchError.
Constants: P, the highest power, 0 or more: P + 1 terms.

Source: Feng, "Element-wise Attention Is All You Need", arXiv:2501.05730.
"""

import treadle as td


@td.scan
def element_wise_attention(
    q: td.In["D"],
    k: td.In["D"],
    v: td.In["D"],
    S: td.State["D", "P+1"],
    Z: td.State["D", "P+1"],
    mu: td.State["D"] = td.inf,
    *,
    P: td.Const = 6,
):
    """The sums, then the polynomials in q. The smallest k^2 cancels in the result, so no gradient is of it."""
    m = td.stop_gradient(td.minimum(mu, k * k))
    w, r = td.exp(m - k * k), td.exp(m - mu)[:, None]
    moments = td.powers(k, P, first=w)
    S = r * S + moments * v[:, None]
    Z = r * Z + moments
    c = td.powers(2 * q, P) / td.factorials(P)
    return (c * S).sum(1) / (c * Z).sum(1), S, Z, m
