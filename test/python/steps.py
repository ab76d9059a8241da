"""Steps of published recurrences: what tests of `td.scan` run."""

import treadle as td


@td.scan
def lightning_attention(q: td.In["K"], k: td.In["K"], v: td.In["V"], log_decay: td.PerHead, S: td.State["K", "V"]):
    """A decay for each head, the same at every time: Lightning Attention-2, arXiv:2401.04658; RetNet, 2307.08621."""
    S = td.exp(log_decay) * S + td.outer(k, v)
    return q @ S, S


@td.scan
def gla(
    q: td.In["K"], k: td.In["K"], v: td.In["V"], g: td.In["K", td.f32], S: td.State["K", "V"], *, scale: td.Const = 1.0
):
    """A decay for each channel and time, its logarithm g <= 0: gated linear attention, arXiv:2312.06635."""
    S = td.exp(g)[:, None] * S + td.outer(k, v)
    return scale * (q @ S), S


@td.scan
def lightnet(q: td.In["K"], k: td.In["K"], v: td.In["V"], S: td.State["K", "V"], z: td.State["K"] = -td.inf):
    """Additive decay, a running softmax of keys: LightNet, arXiv:2405.21022."""
    z1 = td.logaddexp(z, k)
    S = td.exp(z - z1)[:, None] * S + td.outer(td.exp(k - z1), v)
    return td.silu(q) @ S, S, z1


@td.scan
def lightnet_from_one(q: td.In["K"], k: td.In["K"], v: td.In["V"], S: td.State["K", "V"], z: td.State["K"] = 0.0):
    """LightNet with z_0 = 0."""
    z1 = td.logaddexp(z, k)
    S = td.exp(z - z1)[:, None] * S + td.outer(td.exp(k - z1), v)
    return td.silu(q) @ S, S, z1


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
    """Softmax of -(q - k)^2 in each channel, with exp(2 q k) as a Taylor polynomial: arXiv:2501.05730."""
    m = td.stop_gradient(td.minimum(mu, k * k))
    w, r = td.exp(m - k * k), td.exp(m - mu)[:, None]
    S = r * S + td.powers(k, P) * (w * v)[:, None]
    Z = r * Z + td.powers(k, P) * w[:, None]
    c = td.powers(2 * q, P) / td.factorials(P)
    return (c * S).sum(1) / (c * Z).sum(1), S, Z, m


@td.scan
def hgrn(i: td.In["D"], f: td.In["D"], h: td.State["D"]):
    """A gated recurrence of one number for each channel: HGRN, arXiv:2311.04823. f in (0, 1)."""
    h = f * h + (1 - f) * i
    return h, h


@td.scan
def linear_attention(
    q: td.In["K"],
    k: td.In["K"],
    v: td.In["V"],
    S: td.State["K", "V"],
    n: td.State["K"],
    *,
    eps: td.Const = 1e-6,
):
    """Positive features and their sum below: Katharopoulos et al., arXiv:2006.16236."""
    q, k = _feature(q), _feature(k)
    S = S + td.outer(k, v)
    n = n + k
    return (q @ S) / (q @ n + eps), S, n


@td.function
def _feature(x):
    """elu(x) + 1."""
    return td.where(x > 0, x + 1, td.exp(td.minimum(x, 0.0)))


@td.scan
def delta_rule(q: td.In["K"], k: td.In["K"], v: td.In["V"], beta: td.In, S: td.State["K", "V"]):
    """What the state holds at k is replaced: DeltaNet, arXiv:2406.06484. The state is mixed along K: no chunked sum."""
    S = S + td.outer(k, beta * (v - k @ S))
    return q @ S, S


@td.scan
def logarithms(q: td.In["K"], k: td.In["K"], v: td.In["V"], decay: td.PerHead, S: td.State["K", "V"]):
    """Values that are computed, and infinite where there is no token."""
    S = td.exp(-td.abs(decay)) * S + td.outer(k, td.log(v))
    return q @ S, S
