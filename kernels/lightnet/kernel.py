"""LightNet: attention whose decay is a ratio of running sums, so that weights over the past are a softmax of keys.

For each sequence, head and channel of the key, z_t = log sum_{u <= t} exp(k_u); with a K by V state S,

    S_t = diag(exp(z_{t-1} - z_t)) S_{t-1} + exp(k_t - z_t) v_t^T,    o_t = scale * silu(q_t)^T S_t

`lightnet`: z_{-1} = -inf, the first token weighs 1. `lightnet_from_zero`: z_{-1} = 0, a token of value 0 came before.
`lightnet_gated`: o is normalised over the head and gated by u: gate = "pre", rms_norm(o * sigmoid(u)) * w, or "post",
rms_norm(o) * w * silu(u). `lightnet_lrpe` and `lightnet_rotary`: keys and queries turn with positions, see README.md.

Shapes: q, k [B, T, H, K]; v, u, o [B, T, H, V]; w [H, V]; positions [B, T, A], A coordinates of a token; theta
[H, A, K], angles of a step along each; S [B, H, K, V]; z [B, H, K]. K, V, A are any sizes, for `lightnet_rotary` K is
even; k, v and u may have fewer heads than q, by a divisor.
dtypes: q, k, v, u, o f32, f16 or bf16, all alike; w, positions, theta, S and z f32; computed in f32.
Limits: k is finite; no exponent is positive, so none overflows. z is exact to 6e-8 of itself, which weights have as an
absolute error of their logarithms. Where there is no token (padding on the left), k is -1e4 and v is 0: o is 0, and the
tokens after it do not see it. Angles are exact to 6e-8 of themselves. Wrong shapes and dtypes are a LaunchError.
Constants: scale, a factor on q; 1 unless given, where flash-linear-attention takes K^(-1/2). eps of the normalisation.

Source: Qin et al., "You Only Scan Once", arXiv:2405.21022.
"""

import treadle as td


@td.function
def update(k, v, S, z):
    """The new S and z."""
    new = td.logaddexp(z, k)
    return td.exp(z - new)[:, None] * S + td.outer(td.exp(k - new), v), new


@td.scan
def lightnet(
    q: td.In["K"],
    k: td.In["K"],
    v: td.In["V"],
    S: td.State["K", "V"],
    z: td.State["K"] = -td.inf,
    *,
    scale: td.Const = 1.0,
):
    """From nothing."""
    S, z = update(k, v, S, z)
    return scale * (td.silu(q) @ S), S, z


@td.scan
def lightnet_from_zero(
    q: td.In["K"],
    k: td.In["K"],
    v: td.In["V"],
    S: td.State["K", "V"],
    z: td.State["K"] = 0.0,
    *,
    scale: td.Const = 1.0,
):
    """From a running sum of 1."""
    S, z = update(k, v, S, z)
    return scale * (td.silu(q) @ S), S, z


@td.scan
def lightnet_gated(
    q: td.In["K"],
    k: td.In["K"],
    v: td.In["V"],
    u: td.In["V"],
    w: td.PerHead["V"],
    S: td.State["K", "V"],
    z: td.State["K"] = -td.inf,
    *,
    scale: td.Const = 1.0,
    gate: td.Const = "pre",
    eps: td.Const = 1e-6,
):
    """With the layer's output gate and normalisation."""
    S, z = update(k, v, S, z)
    o = scale * (td.silu(q) @ S)
    if gate == "pre":
        o = o * td.sigmoid(u)
    o = o * td.rsqrt((o * o).sum() / o.shape[0] + eps) * w
    if gate == "post":
        o = o * td.silu(u)
    return o, S, z


@td.scan
def lightnet_lrpe(
    q: td.In["K"],
    k: td.In["K"],
    v: td.In["V"],
    positions: td.Shared["A", td.f32],
    theta: td.PerHead["A", "K"],
    S_cos: td.State["K", "V"],
    S_sin: td.State["K", "V"],
    z: td.State["K"] = -td.inf,
    *,
    scale: td.Const = 1.0,
):
    """Of channel d the weight is times cos(angle_i[d] - angle_j[d]): two channels for one, that share a decay."""
    new = td.logaddexp(z, k)
    decay, weight = td.exp(z - new)[:, None], td.exp(k - new)
    cos, sin = td.cos(positions @ theta), td.sin(positions @ theta)
    S_cos = decay * S_cos + td.outer(weight * cos, v)
    S_sin = decay * S_sin + td.outer(weight * sin, v)
    q = scale * td.silu(q)
    return (q * cos) @ S_cos + (q * sin) @ S_sin, S_cos, S_sin, new


@td.function
def turned(x, angle, K):
    """x with its pairs (d, d + K / 2) turned by an angle each."""
    i, d = td.arange(K)[:, None], td.arange(K)[None, :]
    quarter = td.where(d == i + K // 2, 1.0, td.where(i == d + K // 2, -1.0, 0.0))
    return td.cos(angle) * x + td.sin(angle) * (x @ quarter)


@td.scan
def lightnet_rotary(
    q: td.In["K"],
    k: td.In["K"],
    v: td.In["V"],
    positions: td.Shared["A", td.f32],
    theta: td.PerHead["A", "K"],
    S: td.State["K", "V"],
    z: td.State["K"] = -td.inf,
    *,
    scale: td.Const = 1.0,
):
    """Keys and queries turned in pairs of channels; both of a pair have one theta."""
    new = td.logaddexp(z, k)
    angle = positions @ theta
    S = td.exp(z - new)[:, None] * S + td.outer(turned(td.exp(k - new), angle, K), v)
    return scale * (turned(td.silu(q), angle, K) @ S), S, new
