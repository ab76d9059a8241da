"""Linear attention: softmax's exponential replaced by a product of positive features, with their sum below.

For each sequence and head, with f(x) = elu(x) + 1,

    S_t = S_{t-1} + f(k_t) v_t^T,    n_t = n_{t-1} + f(k_t),    o_t = f(q_t)^T S_t / (f(q_t)^T n_t + eps)

from zero or given states.

Shapes: q, k [B, T, H, K]; v, o [B, T, H, V]; S [B, H, K, V]; n [B, H, K]. K, V are any sizes; k and v may have fewer
heads than q, by a divisor.
dtypes: q, k, v, o f32, f16 or bf16, all alike; S and n f32; computed in f32.
Limits: f(x) underflows to 0 below -103; where all features of q do, o is 0. Sums of f32 grow with the tokens: beyond
some 10^6 of them, what a token adds is rounded away. Wrong shapes and dtypes are a LaunchError.
Constants: eps, above 0, keeps the quotient finite.

Source: Katharopoulos et al., "Transformers are RNNs", arXiv:2006.16236.
"""

import treadle as td


@td.function
def feature(x):
    """elu(x) + 1."""
    return td.where(x > 0, x + 1, td.exp(td.minimum(x, 0.0)))


@td.scan
def linear_attention(
    q: td.In["K"], k: td.In["K"], v: td.In["V"], S: td.State["K", "V"], n: td.State["K"], *, eps: td.Const = 1e-6
):
    """The features, their products with values, and their sum."""
    q, k = feature(q), feature(k)
    S = S + td.outer(k, v)
    n = n + k
    return (q @ S) / (q @ n + eps), S, n
