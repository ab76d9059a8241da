"""Scans for the tests."""

import treadle as td


@td.scan
def lightning_attention(q: td.In["K"], k: td.In["K"], v: td.In["V"], log_decay: td.PerHead, S: td.State["K", "V"]):
    S = td.exp(log_decay) * S + td.outer(k, v)
    return q @ S, S


@td.scan
def lightnet(q: td.In["K"], k: td.In["K"], v: td.In["V"], S: td.State["K", "V"], z: td.State["K"] = -td.inf):
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
    m = td.stop_gradient(td.minimum(mu, k * k))
    w, r = td.exp(m - k * k), td.exp(m - mu)[:, None]
    S = r * S + td.powers(k, P) * (w * v)[:, None]
    Z = r * Z + td.powers(k, P) * w[:, None]
    c = td.powers(2 * q, P) / td.factorials(P)
    return (c * S).sum(1) / (c * Z).sum(1), S, Z, m


@td.scan(dtype="f32", num_warps=8)
def delta_rule(q: td.In["K"], k: td.In["K"], v: td.In["V"], beta: td.In, S: td.State["K", "V"]):
    """The error of what S remembers of k is what S learns."""
    S = learn(S, k, v, beta)
    return q @ S, S


@td.function
def learn(S, k, v, beta):
    return S + td.outer(k, beta * (v - k @ S))


@td.scan(dtype="f16")
def selective(
    x: td.In["P"],
    dt: td.In,
    b: td.Shared["N"],
    c: td.Shared["N", td.bf16],
    a: td.PerHead,
    d: td.PerHead["P"],
    bias: td.Param,
    scale: td.Param["P"],
    h: td.State["P", "N"],
):
    """A selective state space."""
    step = td.softplus(dt + bias)
    h = td.exp(-td.exp(a) * step) * h + td.outer(step * x, b)
    return (h @ c + d * x) * scale, h


@td.scan
def linear_recurrence(x: td.In, a: td.In, h: td.State = 1):
    h = td.sigmoid(a) * h + x
    return h, h


@td.scan
def counts(token: td.In[td.i32], n: td.State["C"], last: td.State = -1.0, *, N: td.Const = 5):
    is_token = td.arange(n.shape[0]) == token
    again = td.where(token.to(td.f32) == last, 1, 0)
    n = td.where(is_token, n + 1, n)
    best = td.argmax(n, axis=0).to(td.f32)
    if N > 3:
        n = td.minimum(n, N * 1.0)
    for i in td.static_range(2):
        best = best + i
    return n * again, best, n / td.maximum(n.sum(), 1), n, token.to(td.f32)


SIZES = {
    "lightning_attention": {"K": 80, "V": 64},
    "lightnet": {"K": 8, "V": 3},
    "element_wise_attention": {"D": 5},
    "delta_rule": {"K": 16, "V": 6},
    "selective": {"P": 6, "N": 7},
    "linear_recurrence": {},
    "counts": {"C": 9},
}
"""The scans above, and sizes for them."""
SCANS = {name: globals()[name] for name in SIZES}
