"""Steps with windows, positions, and parts of values: what tests of those run."""

import treadle as td


@td.scan
def short_convolution(x: td.Window["D", "W"], f: td.Param["W", "D"]):
    """A filter of W tokens for each channel, then SiLU."""
    return td.silu((f * x).sum(0))


@td.scan
def convolution_of_numbers(x: td.Window[3, td.f32], f: td.Param[3], scale: td.In):
    """One number a token: a window that is a vector."""
    return scale * (f @ x)


@td.scan
def convolved_attention(
    q: td.In["K"],
    k: td.Window["K", 4],
    v: td.Window["V", "W"],
    fk: td.Param[4, "K"],
    fv: td.Param["W", "V"],
    log_decay: td.PerHead,
    S: td.State["K", "V"],
    *,
    W: td.Const = 2,
):
    """Linear attention whose keys and values are convolved, with different windows."""
    key = td.silu((fk * k).sum(0))
    S = td.exp(log_decay) * S + td.outer(key, (fv * v).sum(0))
    return q @ S + v[-1], S


@td.scan
def rotary(
    q: td.In["K"],
    k: td.In["K"],
    v: td.In["V"],
    theta: td.Param["K//2"],
    S: td.State["K", "V"],
):
    """Queries and keys rotated by how far in the sequence they are, in halves."""
    S = S + td.outer(_rotated(k, theta), v)
    return _rotated(q, theta) @ S, S


@td.function
def _rotated(x, theta):
    c, s = td.cos(td.position() * theta), td.sin(td.position() * theta)
    half = x.shape[0] // 2
    a, b = x[:half], x[half:]
    return td.concat([a * c - b * s, a * s + b * c])


@td.scan
def based(q: td.In["K"], k: td.In["K"], v: td.In["V"], S: td.State["1+K+K*K", "V"], n: td.State["1+K+K*K"]):
    """The second Taylor polynomial of exp for weights: arXiv:2402.18668."""
    fq, fk = td.taylor(q * K**-0.25), td.taylor(k * K**-0.25)
    S = S + td.outer(fk, v)
    n = n + fk
    return (fq @ S) / (fq @ n), S, n


@td.scan
def linear_features(q: td.In["K"], k: td.In["K"], v: td.In["V"], S: td.State["1+K", "V"]):
    """The first Taylor polynomial of exp for weights."""
    S = S + td.outer(td.taylor(k, order=1), v)
    return td.taylor(q, 1) @ S, S


@td.scan
def joined_keys(
    q: td.In["K1+K2"],
    k1: td.In["K1"],
    k2: td.Shared["K2"],
    v: td.In["V"],
    g: td.In,
    S: td.State["K1+K2", "V"],
):
    """Keys of two unequal parts, one of which all heads have."""
    S = td.sigmoid(g) * S + td.outer(td.concat([k1, k2]), v)
    return q @ S, S


@td.scan
def every_part(x: td.Window["D", 4], y: td.In[2, "D"], h: td.State["D"]):
    """Parts along both axes, single ones and joined again; a position without another use of time."""
    older, last = x[:-1], x[-1]
    rows = td.concat((older[1:], y, x[0:1, :]), axis=-2)
    columns = td.concat([rows[:, 1:], rows[:, :1], rows[:, 0:2]], axis=1)
    h = 0.5 * h + columns[-2, 1:-1] * last[0] + td.concat([td.position(), 2, x[..., 0].max(), last[1:]])[: h.shape[0]]
    return h, columns.sum(1), h


SIZES = {
    "short_convolution": {"D": 5, "W": 4},
    "convolution_of_numbers": {},
    "convolved_attention": {"K": 6, "V": 4},
    "rotary": {"K": 6, "V": 4},
    "based": {"K": 4, "V": 5},
    "linear_features": {"K": 4, "V": 5},
    "joined_keys": {"K1": 3, "K2": 4, "V": 5},
    "every_part": {"D": 5},
}
"""The scans above, and sizes for them."""
SCANS = {name: globals()[name] for name in SIZES}


@td.scan
def kept(x: td.In["K"], s: td.State["K"]):
    """A state that is what was computed at the token before."""
    e = td.exp(x)
    return e * x, e


@td.scan
def saturating(x: td.In["K"], s: td.State["K"]):
    """A combine function that may be grouped in any way for numbers from 0 on alone."""
    s = s + x
    return td.reduce(lambda a, b: td.minimum(a + b, 1.0), td.abs(s), 0), s
