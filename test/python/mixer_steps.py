"""Mixers, and scans that they call: what tests of mixers run."""

import treadle as td
from treadle.kernels.lightnet.kernel import lightnet
from treadle.kernels.lightning_attention.kernel import lightning_attention
from treadle.kernels.short_conv.kernel import short_conv
from window_steps import rotary


@td.mixer
def gated_lightnet(
    q: td.In["K"],
    k: td.In["K"],
    v: td.In["V"],
    g: td.In["V"],
    taps: td.Param["W", "K"],
    *,
    scale: td.Const = 0.5,
):
    """Convolved keys, linear attention, a gate."""
    k = short_conv(k, taps)
    o = lightnet(td.silu(q), k, v, scale=scale)
    return o * td.sigmoid(g)


@td.mixer
def series(q: td.In["K"], k: td.In["K"], v: td.In["V"], r: td.In["V"], slow: td.PerHead, fast: td.PerHead):
    """What one attention reads is the key of the next."""
    o = lightning_attention(q, k, v, slow, scale=0.5)
    return o, lightning_attention(r, v=v, k=o, log_decay=fast)


@td.mixer
def side_by_side(q: td.In["K"], k: td.In["K"], v: td.In["V"], slow: td.PerHead):
    """Two decays of one attention; the second is computed, and one for all heads is a number."""
    near = lightning_attention(q, k, v, -0.5)
    return near - lightning_attention(q, k, v, 2 * slow)


@td.mixer
def convolved_twice(x: td.In["D"], first: td.Param["W", "D"], second: td.Param[3, "D"]):
    """A window over what a window made, of another width."""
    return x + short_conv(short_conv(x, first), second, silu=False)


@td.mixer
def layers(x: td.In["D"], w: td.Param[2, "D"], u: td.Param[3, "D"], slow: td.PerHead, fast: td.PerHead):
    """Mixers that a mixer calls, one of them twice."""
    y = convolved_twice(x, w, u)
    z = convolved_twice(td.sigmoid(y), w, u)
    a, b = series(y, z, x, z, slow, fast)
    return a + b


@td.scan
def smoothed(x: td.In["D"], bank: td.State["M", "D"]):
    """Sums of x with M decays: no input has the axis M."""
    rates = td.arange(1, M + 1).to(td.f32) / (M + 1)
    bank = rates[:, None] * bank + x[None, :]
    return bank.sum(0), bank


@td.scan
def prepared(x: td.Window["D", 3], b: td.Shared["D"], u: td.PerHead["D"], n: td.In[td.i32], m: td.State["D"] = -td.inf):
    """What `everything` does by itself."""
    m = td.maximum(m, x.max(0))
    return x[-1] * u + b, x[0] + n.to(td.f32), m, td.cos(td.position() / 8), m


@td.mixer
def everything(
    x: td.Window["D", 3],
    b: td.Shared["D"],
    u: td.PerHead["D"],
    n: td.In[td.i32],
    theta: td.Param["D//2"],
    m: td.State["D"] = -td.inf,
    *,
    M: td.Const = 3,
):
    """States of its own, a window and the position among them, and calls with each kind of inputs."""
    m = td.maximum(m, x.max(0))
    y = smoothed(x[-1] * u + b, M=M)
    return rotary(y, x[0] + n.to(td.f32), m, theta), y * td.cos(td.position() / 8), m
