"""Steps that have gradients of every kind: what tests of `scan.vjp` run."""

import treadle as td

SIZES = {"K": 5, "V": 4, "D": 5, "N": 3, "P": 3, "W": 3, "A": 2, "M": 4}


@td.scan
def mixed_products(x: td.In["D"], y: td.In["D"], g: td.In["D"], a: td.State["D"] = 1.0, b: td.State["D"] = 0.5):
    """States times states, and both read."""
    a1 = td.tanh(a * x + b)
    b1 = 0.5 * a * b + td.sigmoid(g) * y * a1
    return a1 * b1 + a * b, b1 - a, a1, b1


@td.scan
def gated_delta(q: td.In["K"], k: td.In["K"], v: td.In["V"], beta: td.In, g: td.In, S: td.State["K", "V"]):
    """A decay, and a write that depends on the decayed state: arXiv:2412.06464."""
    S = td.exp(-td.softplus(g)) * S
    S = S + td.outer(k, td.sigmoid(beta) * (v - k @ S)) / K
    return q @ S, S


@td.scan
def powers_of_a_matrix(x: td.In["D"], M: td.PerHead["D", "D"], h: td.State["D"]):
    """A state that is mixed by a matrix that is a parameter."""
    h = td.tanh(0.5 * (h @ M) + x)
    return h, h


@td.scan
def extremes(
    x: td.In["D"],
    y: td.In["D"],
    most: td.State["D"] = -td.inf,
    least: td.State["D"] = td.inf,
    all_of_them: td.State = -td.inf,
    total: td.State["D"] = -td.inf,
):
    """What runs: maxima, minima, logarithms of sums."""
    above = td.maximum(most, x)
    below = td.minimum(least, x * y)
    largest = td.maximum(all_of_them, td.reduce(lambda a, b: td.maximum(a, b), x + y, 0))
    total = td.logaddexp(total, 3 * y)
    return above - below + y * td.exp(x - above), largest, td.tanh(total), above, below, largest, total


@td.scan
def reductions(x: td.In["K", "V"], y: td.In["V"], h: td.State["V"], m: td.State["K", "V"] = -td.inf):
    """Reductions of every kind, along every axis, of inputs and states."""
    m = td.maximum(m, x)
    least = td.reduce(lambda a, b: td.minimum(a, b), m * y, 1)
    total = td.reduce(lambda a, b: a + b, td.sin(x), 0)
    h = 0.9 * h + m.max(0) - x.min(0) + total / K
    return h.sum() + x.max() - m.min(), least, (x * h).sum(1, keepdims=True), td.exp(x - x.max(1)[:, None]), h, m


@td.scan
def chosen(x: td.In["D"], y: td.In["D"], n: td.In[td.i32], h: td.State["D"], c: td.State = 0.25):
    """Choices by inputs, by an integer, and by what a state is."""
    h1 = td.where(x > y, h + x, 0.5 * h * y)
    h1 = td.where(n > 0, h1, td.where(h < 0.1, x, h))
    c1 = td.where(n == 1, c + y.sum(), td.abs(c) * 0.5)
    return td.where(c1 > 0.0, h1, td.sqrt(td.abs(x) + 1)), td.where(n % 2 == 0, c, c1) * h1[0], h1, c1


@td.scan
def series(
    q: td.In["M"],
    k: td.In["M"],
    v: td.In["M"],
    S: td.State["M", "P+1"],
    t: td.State["1+M+M*M"],
    *,
    P: td.Const = 3,
):
    """Powers of inputs, of states and of numbers, and Taylor features."""
    S = 0.5 * S + td.powers(td.tanh(k), P, first=v) / td.factorials(P)
    t = 0.9 * t + td.taylor(0.5 * k)
    o = (td.powers(td.sin(q), P) * S).sum(1)
    return o**2 + td.powers(td.tanh(S[:, 0]), 2).sum(1), td.taylor(q, 2) @ t, td.tanh(v) ** 3, S, t


@td.scan
def functions(x: td.In["D"], y: td.In["D"], h: td.State["D"]):
    """Every function of a number, of what depends on a state."""
    h = td.tanh(0.5 * h + x)
    p = h * h + 0.5
    a = td.exp(h) + td.exp2(h) + td.log(p) + td.log1p(p) + td.log2(p) + td.sqrt(p) + td.rsqrt(p)
    b = td.sin(h) * td.cos(y) + td.erf(h) + td.sigmoid(y * h) - td.silu(3 * h) + td.softplus(5 * h) + td.abs(h)
    return a / (1 + y * y), b, h


@td.scan
def shapes(x: td.In["K", "V"], y: td.In["V"], w: td.In["M", 2], h: td.State["K", "V"], r: td.State["V", 2]):
    """Values reshaped, transposed, joined, taken apart and broadcast."""
    z = td.reshape(td.transpose(w, (1, 0)), (8,))
    turned = td.transpose(h, (1, 0)) @ td.tanh(x[:, 0])
    r = 0.5 * r + td.concat([y[:, None], turned[:, None]], axis=1)
    h = 0.5 * h + td.outer(td.tanh(td.reshape(z, (4, 2)) @ w.sum(0)).sum() * h.sum(1), y) + x.T.T
    joined = td.concat([y[1:], r[0], h.sum(1), 1.0, h[0, 0]])
    wide = td.broadcast_to(y[None, :], (K, V)) * h
    return joined, td.reshape(z, (2, 2, 2)), wide, r[-1:, 0], td.full((2,), y[0], td.f32), h, r


@td.scan
def every_kind_of_input(
    x: td.Window["D", 3],
    y: td.In["D", td.f32],
    b: td.Shared["N"],
    w: td.Param["N"],
    u: td.PerHead["D"],
    e: td.PerHead,
    c: td.Param,
    h: td.State["D"],
):
    """Windows, what heads share, what is the same at all times, and where in the sequence a token is."""
    h = td.exp(-td.abs(e)) * h + (x[0] - x[2]) * (b @ w) + u * td.cos(td.position() * y)
    return h * c, h.sum() + x[1].sum() * td.position(), h


@td.scan
def old_states(q: td.In["K"], k: td.In["K"], v: td.In["V"], g: td.In["K"], S: td.State["K", "V"], z: td.State["K"]):
    """Outputs, and the state of another, are of what was before."""
    new = td.exp(-td.softplus(g))[:, None] * S + td.outer(k, v)
    return q @ S, new @ v, z, new, S[:, 0] + k


@td.scan
def old_matrix(k: td.In["K"], v: td.In["V"], g: td.In["K"], S: td.State["K", "V"]):
    """The old state itself is an output."""
    return S, td.exp(-td.softplus(g))[:, None] * S + td.outer(k, v)


@td.scan
def decayed_matrix(k: td.In["K"], v: td.In["V"], g: td.In["V"], S: td.State["K", "V"]):
    """What the decay has made of it is."""
    kept = td.exp(-td.softplus(g))[None, :] * S
    return kept, kept + td.outer(k, v)


@td.scan
def handed_on(k: td.In["K"], v: td.In["V"], g: td.In, S: td.State["K", "V"], R: td.State["K", "V"]):
    """A state that is the old value of another."""
    return k @ R, td.exp(-td.softplus(g)) * S + td.outer(k, v), S


@td.scan
def swapped(x: td.In["D"], a: td.State["D"], b: td.State["D"] = 1.0):
    """States change places, and one is as it was."""
    return a * b * x, b, a + x


@td.scan
def constant_and_given(x: td.In["D"], y: td.In["D"], h: td.State["D"], s: td.State["D"] = 2.0):
    """Outputs that are inputs, states, numbers or stopped."""
    return x, h, 2.0 * y.sum(), td.stop_gradient(h) * x, td.zeros((2,), td.f32), x + 1, s


@td.scan
def unused(x: td.In["D"], y: td.In["D"], u: td.PerHead["D"], w: td.Param["N"], h: td.State["D"]):
    """Inputs without gradients."""
    return h + x, h + td.stop_gradient(y) * 0.5


@td.scan
def without_state(x: td.In["D"], b: td.Window["D", 2], w: td.Param["D"], u: td.PerHead["D"]):
    """A window alone."""
    n = td.rsqrt((x * x).sum() / D + 1e-3)
    return x * n * w + b[0] * u, td.silu(x) @ w


@td.scan
def two_decays(
    q: td.In["K"], k: td.In["K"], v: td.In["V"], a: td.In["K"], b: td.In["V"], c: td.PerHead, S: td.State["K", "V"]
):
    """Decays along both axes, and of a head; a difference."""
    S = td.exp(-td.abs(a))[:, None] * td.exp(-td.abs(b))[None, :] * td.exp(-td.abs(c)) * S - td.outer(k, v)
    return q @ S, S @ v, S


@td.scan
def one_decay_twice(
    q: td.In["K"], k: td.In["K"], v: td.In["V"], g: td.In["K"], S: td.State["K", "V"], z: td.State["K"]
):
    """Two states share a decay; keys have it too."""
    a = td.exp(-td.abs(g))
    S = a[:, None] * S + td.outer((1 - a) * k, v)
    z = a * z + k
    return (q @ S) / (1.5 + td.abs((q * z).sum())), S, z


@td.scan
def decays_of_states(q: td.In["K"], k: td.In["K"], v: td.In["V"], m: td.State["K"], S: td.State["K", "V"]):
    """A decay that another state decides about."""
    m1 = 0.5 * m + td.tanh(k)
    S = td.exp(-td.abs(m1))[:, None] * S + td.outer(td.exp(m1 - m) * k, v)
    return q @ S, m1, S


@td.scan
def summed_vector(q: td.In["K"], k: td.In["K"], g: td.In["K"], n: td.State["K"]):
    """A vector that is read by sums alone."""
    n = td.exp(-td.softplus(g)) * n + k
    return (q * n).sum(), n


@td.scan
def vector_and_its_sum(q: td.In["K"], k: td.In["K"], g: td.In["K"], n: td.State["K"]):
    """A vector that is an output, and read by sums."""
    n = td.exp(-td.softplus(g)) * n + k
    return n, (q * n).sum(), n


@td.scan
def cube(x: td.In["A", "K", "V"], g: td.In["K"], T: td.State["A", "K", "V"]):
    """Three axes."""
    T = td.exp(-td.softplus(g))[None, :, None] * T + x
    return T.sum(0), T.max(2).sum(1), T


@td.scan
def ties(x: td.In["D"], h: td.State["D"] = 1.0):
    """Equal operands and elements, at every token."""
    h1 = td.maximum(td.minimum(h, 1.0), 1.0) * 0.5 + 0.5 * h
    y = td.maximum(x, x) + td.minimum(x, 0.0 * x + x)
    return y + td.maximum(h, 1.0), td.broadcast_to(x[:1], (D,)).max() + td.abs(x - x).sum(), h1


@td.scan
def spread(x: td.In["D"], s: td.In, h: td.State, r: td.State[1, "D"]):
    """Axes of one element."""
    h = 0.5 * h + (x * s).sum()
    r = 0.9 * r + td.tanh(x)[None, :] * h
    return r.sum(0), td.broadcast_to(h + 0 * s, (3,)), r.max(1, keepdims=True), h, r


SCANS = {name: scan for name, scan in globals().items() if isinstance(scan, td.Scan)}


@td.scan(dtype="f32")
def multiplied(x: td.In["D"], h: td.State["D"]):
    """Without a gradient: that of a product of elements is not known."""
    h = 0.5 * h + x
    return td.reduce(lambda a, b: a * b, h, 0), h
