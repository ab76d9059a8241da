"""Retention: linear attention with one decay for each head, constant or for every token.

For each sequence and head, with a K by V state S and the decay a_t of token t,

    S_t = a_t S_{t-1} + k_t v_t^T,    o_t = scale * q_t^T S_t,    S_{-1} = 0 or given

`retention`: a_t = exp(g_gamma[h]), the same at every time. `simple_gla`: a_t = exp(g_t), a gate.

Shapes: q, k [B, T, H, K]; v, o [B, T, H, V]; g_gamma [H]; g [B, T, H]; S [B, H, K, V]. K, V are any sizes; k, v and g
may have fewer heads than q, by a divisor.
dtypes: q, k, v, o f32, f16 or bf16, all alike; g_gamma, g and S f32; computed in f32.
Limits: g_gamma, g <= 0 are logarithms of decays in (0, 1]; at -inf, and where exp underflows, what was before is
forgotten. Larger ones grow without bound. Wrong shapes and dtypes are a LaunchError.
Constants: scale, a factor on q; 1 unless given, where flash-linear-attention takes K^(-1/2).

Source: Sun et al., "Retentive Network", arXiv:2307.08621; gates: Yang et al., arXiv:2312.06635, section 4.4.
"""

import treadle as td


@td.scan
def retention(
    q: td.In["K"],
    k: td.In["K"],
    v: td.In["V"],
    g_gamma: td.PerHead,
    S: td.State["K", "V"],
    *,
    scale: td.Const = 1.0,
):
    """A decay for each head, the same at every time."""
    S = td.exp(g_gamma) * S + td.outer(k, v)
    return scale * (q @ S), S


@td.scan
def simple_gla(
    q: td.In["K"],
    k: td.In["K"],
    v: td.In["V"],
    g: td.In[td.f32],
    S: td.State["K", "V"],
    *,
    scale: td.Const = 1.0,
):
    """A decay for each head and token."""
    S = td.exp(g) * S + td.outer(k, v)
    return scale * (q @ S), S
