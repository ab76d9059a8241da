"""Recurrences of flash-linear-attention that are no packages of kernels/.

For each sequence and head, from zero or given states, with a K by V state S:

`undecayed`: S_t = S_{t-1} + k_t v_t^T, o_t = scale * q_t^T S_t.
`normalised`: n_t = n_{t-1} + k_t too, and o_t = scale * q_t^T S_t / (scale * q_t^T n_t + eps).
`gla_values`: S_t = S_{t-1} diag(exp(gv_t)) + k_t v_t^T. `gla_both`: S_t = diag(exp(g_t)) S_{t-1} diag(exp(gv_t)) +
k_t v_t^T. o_t as for `undecayed`.
`log_hgrn`: for each channel, h_t = exp(g_t) h_{t-1} + x_t, o_t = h_t.

Shapes: q, k, g [B, T, H, K]; v, gv, o [B, T, H, V]; S [B, H, K, V]; n [B, H, K]; of `log_hgrn` all [B, T, H, D], h
[B, H, D]. dtypes: q, k, v, x, o f32, f16 or bf16, all alike; gates and states f32; computed in f32.
Limits: gates <= 0 are logarithms of decays in (0, 1]; larger ones grow without bound.

Sources: Katharopoulos et al., "Transformers are RNNs", arXiv:2006.16236; Yang et al., "Gated Linear Attention
Transformers with Hardware-Efficient Training", arXiv:2312.06635; Qin et al., "Hierarchically Gated Recurrent Neural
Network", arXiv:2311.04823.
"""

import treadle as td


@td.scan
def undecayed(q: td.In["K"], k: td.In["K"], v: td.In["V"], S: td.State["K", "V"], *, scale: td.Const = 1.0):
    """Running sums."""
    S = S + td.outer(k, v)
    return scale * (q @ S), S


@td.scan
def normalised(
    q: td.In["K"],
    k: td.In["K"],
    v: td.In["V"],
    S: td.State["K", "V"],
    n: td.State["K"],
    *,
    scale: td.Const = 1.0,
    eps: td.Const = 1e-10,
):
    """Running sums, and the sum of keys to divide by."""
    S = S + td.outer(k, v)
    n = n + k
    return scale * (q @ S) / (scale * (q @ n) + eps), S, n


@td.scan
def gla_values(
    q: td.In["K"],
    k: td.In["K"],
    v: td.In["V"],
    gv: td.In["V", td.f32],
    S: td.State["K", "V"],
    *,
    scale: td.Const = 1.0,
):
    """A decay for each channel of the value."""
    S = S * td.exp(gv)[None, :] + td.outer(k, v)
    return scale * (q @ S), S


@td.scan
def gla_both(
    q: td.In["K"],
    k: td.In["K"],
    v: td.In["V"],
    g: td.In["K", td.f32],
    gv: td.In["V", td.f32],
    S: td.State["K", "V"],
    *,
    scale: td.Const = 1.0,
):
    """A decay for each channel of the key and of the value."""
    S = td.exp(g[:, None] + gv[None, :]) * S + td.outer(k, v)
    return scale * (q @ S), S


@td.scan
def log_hgrn(x: td.In["D"], g: td.In["D", td.f32], h: td.State["D"]):
    """A gate for each channel, as a logarithm, and an input that is already weighed."""
    h = td.exp(g) * h + x
    return h, h
