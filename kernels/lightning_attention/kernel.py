"""Lightning attention: linear attention with a constant decay for each head.

For each sequence and head, with a K by V state S,

    S_t = exp(log_decay[h]) S_{t-1} + k_t v_t^T,    o_t = scale * q_t^T S_t,    S_{-1} = 0 or given

Shapes: q, k [B, T, H, K]; v, o [B, T, H, V]; log_decay [H]; S [B, H, K, V]. K, V are any sizes; k and v may have fewer
heads than q, by a divisor.
dtypes: q, k, v, o f32, f16 or bf16, all alike; log_decay and S f32; computed in f32.
Limits: log_decay <= 0, minus the slope of the papers; at -inf, and where exp underflows, what was before is forgotten.
Larger ones grow without bound. Wrong shapes and dtypes are a LaunchError.
Constants: scale, a factor on q; 1 unless given, as in the papers.

Source: Qin et al., "Lightning Attention-2", arXiv:2401.04658; "Various Lengths, Constant Speed", arXiv:2405.17381.
"""

import treadle as td


@td.scan
def lightning_attention(
    q: td.In["K"],
    k: td.In["K"],
    v: td.In["V"],
    log_decay: td.PerHead,
    S: td.State["K", "V"],
    *,
    scale: td.Const = 1.0,
):
    """A decay for each head, the same at every time."""
    S = td.exp(log_decay) * S + td.outer(k, v)
    return scale * (q @ S), S
