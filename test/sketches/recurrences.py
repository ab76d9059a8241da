"""The mixers one token at a time, in float64: what the sketches are compared with.

Arrays are q, k [B, T, H, K], v [B, T, H, V], states [B, H, ...]; element-wise attention has q, k, v [B, T, D].
Every function takes and returns its states by name, so that a sequence may be cut anywhere.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Results = dict[str, Array]


def scalar_decay(q: Array, k: Array, v: Array, g: Array, S: Array) -> Results:
    """S_t = e^{g_t} S_{t−1} + k_tᵀ v_t, o_t = q_t S_t; g [B, T, H]."""
    return vector_decay(q, k, v, np.broadcast_to(g[..., None], q.shape), S)


def constant_decay(q: Array, k: Array, v: Array, slope: Array, S: Array) -> Results:
    """As `scalar_decay` with g_t = −slope of the head."""
    return scalar_decay(q, k, v, np.broadcast_to(-slope, q.shape[:3]), S)


def vector_decay(q: Array, k: Array, v: Array, g: Array, S: Array) -> Results:
    """S_t = diag(e^{g_t}) S_{t−1} + k_tᵀ v_t, o_t = q_t S_t; g [B, T, H, K]."""
    o = np.empty(v.shape)
    for t in range(q.shape[1]):
        S = np.exp(g[:, t, :, :, None]) * S + k[:, t, :, :, None] * v[:, t, :, None, :]
        o[:, t] = np.einsum("bhk,bhkv->bhv", q[:, t], S)
    return {"o": o, "S": S}


def lightnet(q: Array, k: Array, v: Array, S: Array, z: Array) -> Results:
    """z_t = log(e^{z_{t−1}} + e^{k_t}), S_t = diag(e^{z_{t−1} − z_t}) S_{t−1} + (e^{k_t − z_t})ᵀ v_t, o_t = q_t
    S_t; z [B, H, K], −∞ at the start of a sequence."""
    o = np.empty(v.shape)
    for t in range(q.shape[1]):
        new = np.logaddexp(z, k[:, t])
        S = np.exp(z - new)[..., None] * S + np.exp(k[:, t] - new)[..., None] * v[:, t, :, None, :]
        z = new
        o[:, t] = np.einsum("bhk,bhkv->bhv", q[:, t], S)
    return {"o": o, "S": S, "z": z}


def element_wise(q: Array, k: Array, v: Array, S: Array, Z: Array, mu: Array) -> Results:
    """y = Σ_n p_n qⁿ S_n / Σ_n p_n qⁿ Z_n with S_n = Σ w kⁿ v, Z_n = Σ w kⁿ, w = e^{μ − k²}, μ = min k² so far, p_n
    = 2ⁿ/n!.

    S, Z [B, P + 1, D]; mu [B, D], +∞ at the start."""
    powers = np.arange(S.shape[1])[:, None]
    p = np.array([2.0**n / math.factorial(n) for n in range(S.shape[1])])[:, None]
    y = np.empty(v.shape)
    for t in range(q.shape[1]):
        least = np.minimum(mu, k[:, t] ** 2)
        w, rescale = np.exp(least - k[:, t] ** 2)[:, None], np.exp(least - mu)[:, None]
        kn = k[:, t, None] ** powers
        S, Z, mu = rescale * S + w * kn * v[:, t, None], rescale * Z + w * kn, least
        qn = p * q[:, t, None] ** powers
        y[:, t] = (qn * S).sum(1) / (qn * Z).sum(1)
    return {"y": y, "S": S, "Z": Z, "mu": mu}


def based(q: Array, k: Array, v: Array, S: Array, n: Array) -> Results:
    """o_t = φ(q_t) S_t / φ(q_t)·n_t, S_t = S_{t−1} + φ(k_t)ᵀ v_t, n_t = n_{t−1} + φ(k_t), φ(x) = (1, x, x⊗x/√2).

    S [B, H, 1 + K + K², V]; n [B, H, 1 + K + K²]."""
    fq, fk = _taylor(q), _taylor(k)
    o = np.empty(v.shape)
    for t in range(q.shape[1]):
        S, n = S + fk[:, t, :, :, None] * v[:, t, :, None, :], n + fk[:, t]
        o[:, t] = np.einsum("bhf,bhfv->bhv", fq[:, t], S) / np.einsum("bhf,bhf->bh", fq[:, t], n)[..., None]
    return {"o": o, "S": S, "n": n}


def _taylor(x: Array) -> Array:
    square = (x[..., :, None] * x[..., None, :]).reshape(*x.shape[:-1], -1)
    return np.concatenate([np.ones((*x.shape[:-1], 1)), x, square / math.sqrt(2)], -1)
