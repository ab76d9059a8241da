"""Mixers whose states a kernel each can compute in chunks, though one for all can not."""

import treadle as td
from steps import delta_rule, lightning_attention


@td.mixer
def corrected(q: td.In["K"], k: td.In["K"], v: td.In["V"], beta: td.In, slow: td.PerHead):
    """A delta rule has no form; what it reads is the value of a linear state."""
    v = delta_rule(q, k, v, beta)
    return v + lightning_attention(q, k, v, slow)


@td.scan
def queried(q: td.In["K"], k: td.In["K"], v: td.In["K"], S: td.State["K", "K"], R: td.State["K", "K"]):
    """A state is read twice, once with what another gives that it changes: they are one piece."""
    S = 0.9 * S + td.outer(k, v)
    o = q @ S
    R = 0.8 * R + td.outer(td.tanh(o), v)
    return td.tanh(q @ R) @ S, S, R


@td.scan
def both_ways(x: td.In["D"], a: td.State["D"], b: td.State["D"]):
    """Each changes with the other."""
    new = 0.5 * a + td.tanh(b) + x
    return a + b, new, 0.5 * b + td.tanh(a)


@td.scan
def matrices_both_ways(q: td.In["K"], k: td.In["K"], S: td.State["K", "K"], R: td.State["K", "K"]):
    """Each matrix adds what is read of the other."""
    new = 0.9 * S + td.outer(k, q @ R)
    return q @ new, new, 0.8 * R + td.outer(k, td.tanh(q @ S))
