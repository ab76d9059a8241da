"""Steps that the package has not, for checks with PyTorch."""

import treadle as td


@td.scan
def delta_rule(q: td.In["K"], k: td.In["K"], v: td.In["V"], S: td.State["K", "V"]):
    """A backward keeps a matrix of every token."""
    S = S + td.outer(k, v - k @ S)
    return q @ S, S
