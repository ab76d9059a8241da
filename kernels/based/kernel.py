"""Based: linear attention whose weights are the second Taylor polynomial of the exponential.

For each sequence and head, with phi(x) = [1, x, vec(x x^T) / sqrt(2)] of x over K^(1/4), so that
phi(q) . phi(k) = 1 + s + s^2 / 2 with s = q . k / sqrt(K),

    S_t = S_{t-1} + phi(k_t) v_t^T,    n_t = n_{t-1} + phi(k_t),    o_t = phi(q_t)^T S_t / (phi(q_t)^T n_t)

from zero or given states. `based`: as above. `based_unnormalised`: o_t = phi(q_t)^T S_t, and there is no n.

Shapes: q, k [B, T, H, K]; v, o [B, T, H, V]; S [B, H, 1 + K + K^2, V]; n [B, H, 1 + K + K^2]. K is a small power of
two, 16 in the paper; V is any size; k and v may have fewer heads than q, by a divisor.
dtypes: q, k, v, o f32, f16 or bf16, all alike; S and n f32; computed in f32.
Limits: s^2 within f32. A weight is 1/2 at least, so the denominator is never small. Sums of f32 grow with the
tokens: beyond some 10^6 of them, what a token adds is rounded away. Wrong shapes and dtypes are a LaunchError.

Source: Arora et al., "Simple linear attention language models balance the recall-throughput tradeoff",
arXiv:2402.18668.
"""

import treadle as td


@td.scan
def based(q: td.In["K"], k: td.In["K"], v: td.In["V"], S: td.State["1+K+K*K", "V"], n: td.State["1+K+K*K"]):
    """The features, their products with values, and their sum."""
    q, k = td.taylor(q * K**-0.25), td.taylor(k * K**-0.25)
    S = S + td.outer(k, v)
    n = n + k
    return (q @ S) / (q @ n), S, n


@td.scan
def based_unnormalised(q: td.In["K"], k: td.In["K"], v: td.In["V"], S: td.State["1+K+K*K", "V"]):
    """Without the denominator."""
    q, k = td.taylor(q * K**-0.25), td.taylor(k * K**-0.25)
    S = S + td.outer(k, v)
    return q @ S, S
