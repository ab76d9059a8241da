"""Gated linear attention: a decay for each channel of the key and every token.

For each sequence and head, with a K by V state S,

    S_t = diag(exp(g_t)) S_{t-1} + k_t v_t^T,    o_t = scale * q_t^T S_t,    S_{-1} = 0 or given

Shapes: q, k, g [B, T, H, K]; v, o [B, T, H, V]; S [B, H, K, V]. K, V are any sizes; k, v and g may have fewer heads
than q, by a divisor.
dtypes: q, k, v, o f32, f16 or bf16, all alike; g and S f32; computed in f32.
Limits: g <= 0 is the logarithm of a decay in (0, 1]; at -inf, and where exp underflows, what was before is forgotten.
Larger ones grow without bound. Wrong shapes and dtypes are a LaunchError.
Constants: scale, a factor on q; 1 unless given, where flash-linear-attention takes K^(-1/2).

Source: Yang et al., "Gated Linear Attention Transformers with Hardware-Efficient Training", arXiv:2312.06635.
"""

import treadle as td


@td.scan
def gla(
    q: td.In["K"], k: td.In["K"], v: td.In["V"], g: td.In["K", td.f32], S: td.State["K", "V"], *, scale: td.Const = 1.0
):
    """A decay for each channel and token."""
    S = td.exp(g)[:, None] * S + td.outer(k, v)
    return scale * (q @ S), S
