"""LightNet, one token at a time, in float64.

Math      z_t = log(e^(z_{t−1}) + e^(k_t)),   S_t = diag(e^(z_{t−1} − z_t)) S_{t−1} + (e^(k_t − z_t))ᵀ v_t
          o_t = scale · silu(q_t) S_t,   S_{−1} = S or 0,   z_{−1} = z, or −∞ (from_zero: 0);   not causal: S_{T−1}
          gated, with rms(x) = x / √(mean x² + eps):  pre: w · rms(o · σ(u)),   post: w · rms(o) · silu(u)
          lrpe, rotary: e^(k_t − z_t) and silu(q_t) turn by Θ_t = Σ_a positions_t[a] · theta[a], as
            lrpe    x → [x cos Θ, x sin Θ], twice the channels, with the decays of one
            rotary  x_d → x_d cos Θ_d − x_{d+K/2} sin Θ_d,   x_{d+K/2} → x_{d+K/2} cos Θ + x_d sin Θ
Shapes    q, k [B, T, H, K]; v, u, o [B, T, H, V]; w [H, V]; positions [B, T, A]; theta [H, A, K]; S [B, H, K, V];
          z [B, H, K]
Dtypes    float64 throughout; the kernel takes q, k, v, u in bf16, f16 or f32, all else in f32
Units     k is a logarithm; angles in radians; every row of S is a mean of values
Source    Qin et al.: You Only Scan Once, 2024, arXiv:2405.21022
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def silu(x: Array) -> Array:
    """x σ(x)."""
    return x / (1 + np.exp(-x))


def run(q: Array, k: Array, v: Array, turn: Array, S: Array, z: Array, causal: bool) -> tuple[Array, Array, Array]:
    """What activated queries read, S and z. Keys and queries of token t become `x @ turn[:, t]`, of C channels each.

    turn [B, T, H, K, C]; S [B, H, C, V]. The decays of K channels serve C = n K of them, one copy after the other.
    """
    K, C = turn.shape[3:]
    o = np.empty(v.shape)
    q = np.einsum("bthk,bthkc->bthc", q, turn)
    for t in range(v.shape[1]):
        new = np.logaddexp(z, k[:, t])
        weight = np.einsum("bhk,bhkc->bhc", np.exp(k[:, t] - new), turn[:, t])
        S = np.tile(np.exp(z - new), C // K)[..., None] * S + weight[..., None] * v[:, t, :, None, :]
        z = new
        o[:, t] = np.einsum("bhc,bhcv->bhv", q[:, t], S)
    return (o if causal else np.einsum("bthc,bhcv->bthv", q, S)), S, z


def still(q: Array) -> Array:
    """What turns nothing."""
    return np.broadcast_to(np.eye(q.shape[-1]), (*q.shape, q.shape[-1]))


def start(state: Array | None, value: float, q: Array, *sizes: int) -> Array:
    """The state, or `value` everywhere: [B, H, *sizes]."""
    return np.full((q.shape[0], q.shape[2], *sizes), value, np.float64) if state is None else state


def lightnet(
    q: Array, k: Array, v: Array, S: Array | None = None, z: Array | None = None, *, scale: float, causal: bool = True
) -> dict[str, Array]:
    """From nothing."""
    K, V = q.shape[-1], v.shape[-1]
    S, z = start(S, 0, q, K, V), start(z, -np.inf, q, K)
    o, S, z = run(scale * silu(q), k, v, still(q), S, z, causal)
    return {"o": o, "S": S, "z": z}


def lightnet_from_zero(
    q: Array, k: Array, v: Array, S: Array | None = None, z: Array | None = None, *, scale: float, causal: bool = True
) -> dict[str, Array]:
    """From a running sum of 1."""
    return lightnet(q, k, v, S, start(z, 0, q, q.shape[-1]), scale=scale, causal=causal)


def lightnet_gated(
    q: Array,
    k: Array,
    v: Array,
    u: Array,
    w: Array,
    S: Array | None = None,
    z: Array | None = None,
    *,
    scale: float,
    gate: str,
    eps: float,
    causal: bool = True,
) -> dict[str, Array]:
    """With the gate and the normalisation over a head."""
    found = lightnet(q, k, v, S, z, scale=scale, causal=causal)
    o = found["o"] / (1 + np.exp(-u)) if gate == "pre" else found["o"]
    o = w * o / np.sqrt(np.mean(o * o, -1, keepdims=True) + eps)
    return {**found, "o": o if gate == "pre" else o * silu(u)}


def lightnet_lrpe(
    q: Array,
    k: Array,
    v: Array,
    positions: Array,
    theta: Array,
    S_cos: Array | None = None,
    S_sin: Array | None = None,
    z: Array | None = None,
    *,
    scale: float,
    causal: bool = True,
) -> dict[str, Array]:
    """With cosines of differences of angles."""
    K, V = q.shape[-1], v.shape[-1]
    angle = np.einsum("bta,hak->bthk", positions, theta)[..., None]
    turn = np.concatenate([np.eye(K) * np.cos(angle), np.eye(K) * np.sin(angle)], -1)
    S = np.concatenate([start(S_cos, 0, q, K, V), start(S_sin, 0, q, K, V)], 2)
    o, S, z = run(scale * silu(q), k, v, turn, S, start(z, -np.inf, q, K), causal)
    return {"o": o, "S_cos": S[:, :, :K], "S_sin": S[:, :, K:], "z": z}


def lightnet_rotary(
    q: Array,
    k: Array,
    v: Array,
    positions: Array,
    theta: Array,
    S: Array | None = None,
    z: Array | None = None,
    *,
    scale: float,
    causal: bool = True,
) -> dict[str, Array]:
    """With pairs of channels turned."""
    K, V = q.shape[-1], v.shape[-1]
    angle = np.einsum("bta,hak->bthk", positions, theta)[..., None, :]
    turn = np.eye(K) * np.cos(angle) + (np.eye(K, k=K // 2) - np.eye(K, k=-(K // 2))) * np.sin(angle)
    S, z = start(S, 0, q, K, V), start(z, -np.inf, q, K)
    o, S, z = run(scale * silu(q), k, v, turn, S, z, causal)
    return {"o": o, "S": S, "z": z}
