"""Steps of states that are large: blocks share an axis of them, or can not."""

import treadle as td


@td.scan
def fades(q: td.In["K"], k: td.In["K"], v: td.In["V"], S: td.State["K", "V"] = 0.5):
    """Nothing is added, neither along K nor along V."""
    S = td.sigmoid(k)[:, None] * S
    return q @ S + v, S


@td.scan
def fades_along_values(q: td.In["K"], k: td.In["K"], v: td.In["V"], S: td.State["K", "V"] = 0.5):
    """Nothing is added, and the decay is that of the other axis."""
    S = td.sigmoid(v) * S
    return (q + k) @ S, S


@td.scan
def alike_along_values(q: td.In["K"], k: td.In["K"], v: td.In["V"], S: td.State["K", "V"] = 0.5):
    """What is added is the same along V."""
    S = 0.5 * S + td.broadcast_to(k[:, None], (K, V))
    return q @ S + v, S


@td.scan
def counts(q: td.In["K"], k: td.In["K"], v: td.In["V"], S: td.State["K", "V"] = 0.5):
    """What is added is a number."""
    S = 0.5 * S + 1
    return (q - k) @ S + v, S


@td.scan
def ends(k: td.In["K"], v: td.In["V"], S: td.State["K", "V"] = 0.5, z: td.State["K"] = -td.inf):
    """Read at the end alone, so that what comes back through tokens only decays."""
    new = td.logaddexp(z, k)
    S = td.exp(z - new)[:, None] * S + td.outer(td.exp(k - new), v)
    return v, S, new


@td.scan
def gated(q: td.In["K"], k: td.In["K"], v: td.In["V"], S: td.State["K", "V"], Z: td.State["K", "V"]):
    """Matrices that change element by element, of each of which a segment has two; no axis can be shared."""
    gate = td.sigmoid(q[:, None] + v[None, :])
    S = gate * S + td.outer(k, v)
    Z = (1 - gate) * Z + td.outer(q, v)
    return q @ (S - Z) * td.tanh(k @ (S @ v)), S, Z


SCANS = (fades, fades_along_values, alike_along_values, counts, ends)
