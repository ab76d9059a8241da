"""What the functions of treadle.fla and the kernels of treadle.torch's layers mean: loops over tokens, on torch.

Functions are named as those that they define and take the same arguments, in any float type; they compute in float64,
and autograd derives them. States are f64, o too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional as F

Step = Callable[..., tuple[Any, tuple[Any, ...]]]


def scan(
    step: Step, inputs: Sequence[Any], states: Sequence[Any], cu_seqlens: Any = None, reverse: bool = False
) -> Any:
    """(outputs [B, T, ...], states [N, ...]) of a step on a token's inputs [B, ...] and the old states [N, ...]."""
    inputs = [x.double() for x in inputs]
    states = [x.double() for x in states]
    if cu_seqlens is None:
        return _one(step, inputs, states, reverse)
    ends = cu_seqlens.tolist()
    found = [
        _one(step, [x[:, a:b] for x in inputs], [s[i : i + 1] for s in states], reverse)
        for i, (a, b) in enumerate(itertools.pairwise(ends))
    ]
    final = tuple(torch.cat(several) for several in zip(*(s for _, s in found), strict=True))
    return torch.cat([o for o, _ in found if o is not None], 1), final


def _one(step: Step, inputs: Sequence[Any], states: Sequence[Any], reverse: bool) -> Any:
    times = range(inputs[0].shape[1])
    outputs, new = [], tuple(states)
    for t in reversed(times) if reverse else times:
        o, new = step([x[:, t] for x in inputs], new)
        outputs.append(o)
    return (torch.stack(outputs[::-1] if reverse else outputs, 1) if outputs else None), new


def _sequences(x: Any, cu_seqlens: Any) -> int:
    return x.shape[0] if cu_seqlens is None else len(cu_seqlens) - 1


def _matrix(
    q: Any,
    k: Any,
    v: Any,
    rows: Any = None,
    columns: Any = None,
    scale: float | None = None,
    initial_state: Any = None,
    cu_seqlens: Any = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """S = exp(rows) S exp(columns) + k v^T, o = scale * q S; rows [B, T, H, K] or [B, T, H, 1]."""
    scale = k.shape[-1] ** -0.5 if scale is None else scale
    rows = torch.zeros_like(k[..., :1]) if rows is None else rows
    columns = torch.zeros_like(v[..., :1]) if columns is None else columns
    if initial_state is None:
        initial_state = q.new_zeros(_sequences(q, cu_seqlens), q.shape[2], k.shape[-1], v.shape[-1])

    def step(x: Any, s: Any) -> Any:
        q, k, v, row, column = x
        S = s[0] * row.exp()[..., None] * column.exp()[..., None, :] + k[..., None] * v[..., None, :]
        return scale * (q[..., None, :] @ S)[..., 0, :], (S,)

    o, (S,) = scan(step, [q, k, v, rows, columns], [initial_state], cu_seqlens, reverse)
    return o, S


def _spread(decay: Any, q: Any) -> Any:
    """Decays [H] as [B, T, H, 1]."""
    return decay.double()[None, None, :, None].expand(q.shape[0], q.shape[1], -1, -1)


# ---------------------------------------------------------------------------------------------------------------------
# treadle.fla
# ---------------------------------------------------------------------------------------------------------------------


def fused_recurrent_simple_gla(
    q: Any,
    k: Any,
    v: Any,
    g: Any = None,
    g_gamma: Any = None,
    scale: float | None = None,
    initial_state: Any = None,
    output_final_state: bool = True,
    **how: Any,
) -> tuple[Any, Any]:
    turned = how.pop("state_v_first", False)
    rows = None if g_gamma is None else _spread(g_gamma, q)
    if g is not None:
        rows = g.double()[..., None] if rows is None else rows + g.double()[..., None]
    if turned and initial_state is not None:
        initial_state = initial_state.mT
    o, S = _matrix(q, k, v, rows, None, scale, initial_state, **how)
    return o, S.mT if turned else S


def fused_recurrent_retention(q: Any, k: Any, v: Any, **how: Any) -> tuple[Any, Any]:
    heads = torch.arange(q.shape[2], device=q.device, dtype=torch.float64)
    return fused_recurrent_simple_gla(q, k, v, g_gamma=torch.log1p(-(2.0 ** (-5 - heads))), **how)


def fused_recurrent_lightning_attn(
    q: Any, k: Any, v: Any, layer_idx: int, num_layers: int, **how: Any
) -> tuple[Any, Any]:
    heads = torch.arange(q.shape[2], device=q.device, dtype=torch.float64)
    decay = -8 * heads / q.shape[2] * (1 - layer_idx / num_layers)
    return fused_recurrent_simple_gla(q, k, v, g_gamma=decay, **how)


def fused_recurrent_gla(
    q: Any,
    k: Any,
    v: Any,
    gk: Any = None,
    gv: Any = None,
    scale: float | None = None,
    initial_state: Any = None,
    output_final_state: bool = True,
    **how: Any,
) -> tuple[Any, Any]:
    turned = how.pop("state_v_first", False)
    if turned and initial_state is not None:
        initial_state = initial_state.mT
    o, S = _matrix(q, k, v, gk, gv, scale, initial_state, **how)
    return o, S.mT if turned else S


def fused_recurrent_linear_attn(
    q: Any,
    k: Any,
    v: Any,
    scale: float | None = None,
    initial_state: Any = None,
    output_final_state: bool = True,
    reverse: bool = False,
    normalize: bool = False,
    cu_seqlens: Any = None,
) -> tuple[Any, Any]:
    if not normalize:
        return _matrix(q, k, v, None, None, scale, initial_state, cu_seqlens, reverse)
    S, n = initial_state if isinstance(initial_state, tuple) else (initial_state, None)
    ones = torch.ones_like(v[..., :1])
    rows = (_sequences(q, cu_seqlens), q.shape[2], k.shape[-1])
    S = q.new_zeros(*rows, v.shape[-1]) if S is None else S
    n = q.new_zeros(rows) if n is None else n[:, 0]
    both = torch.cat([S, n[..., None].to(S.dtype)], -1)
    o, state = _matrix(q, k, torch.cat([v, ones], -1), None, None, scale, both, cu_seqlens, reverse)
    return o[..., :-1] / (o[..., -1:] + 1e-10), (state[..., :-1], state[..., -1][:, None])


def chunk_linear_attn(q: Any, k: Any, v: Any, *, normalize: bool = True, **how: Any) -> tuple[Any, Any]:
    return fused_recurrent_linear_attn(q, k, v, normalize=normalize, **how)


def parallel_based(
    q: Any, k: Any, v: Any, scale: float | None = None, use_norm: bool = True, cu_seqlens: Any = None, **states: Any
) -> tuple[Any, Any]:
    """o, and the states of kernels/based, from none."""
    scale = 1 / math.sqrt(k.shape[-1]) if scale is None else scale
    q, k = q.double() * scale * math.sqrt(k.shape[-1]), k.double()
    return based(q, k, v, cu_seqlens=cu_seqlens) if use_norm else based_unnormalised(q, k, v, cu_seqlens=cu_seqlens)


def fused_recurrent_hgrn(
    x: Any, g: Any, initial_state: Any = None, output_final_state: bool = True, cu_seqlens: Any = None
) -> tuple[Any, Any]:
    if initial_state is None:
        initial_state = x.new_zeros(_sequences(x, cu_seqlens), x.shape[2])

    def step(xs: Any, s: Any) -> Any:
        h = xs[1].exp() * s[0] + xs[0]
        return h, (h,)

    o, (h,) = scan(step, [x, g], [initial_state], cu_seqlens)
    return o, h


def causal_conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    residual: Any = None,
    initial_state: Any = None,
    output_final_state: bool = True,
    activation: str | None = None,
    cu_seqlens: Any = None,
) -> tuple[Any, Any]:
    if initial_state is None:
        initial_state = x.new_zeros(_sequences(x, cu_seqlens), *weight.shape)

    def step(xs: Any, s: Any) -> Any:
        window = torch.cat([s[0][..., 1:], xs[0][..., None]], -1)
        y = (window * weight.double()).sum(-1)
        y = y if bias is None else y + bias.double()
        return y if activation is None else F.silu(y), (window,)

    o, (last,) = scan(step, [x], [initial_state], cu_seqlens)
    return o if residual is None else o + residual.double(), last


chunk_simple_gla = fused_recurrent_simple_gla
chunk_retention = fused_recurrent_retention
chunk_lightning_attn = fused_recurrent_lightning_attn
chunk_hgrn = fused_recurrent_hgrn
fused_chunk_based = parallel_based


def chunk_gla(q: Any, k: Any, v: Any, g: Any, **how: Any) -> tuple[Any, Any]:
    return fused_recurrent_gla(q, k, v, g, **how)


# ---------------------------------------------------------------------------------------------------------------------
# Kernels of layers
# ---------------------------------------------------------------------------------------------------------------------


def lightning_attention(
    q: Any, k: Any, v: Any, log_decay: Any, *, initial_state: Any = None, cu_seqlens: Any = None, **_: Any
) -> tuple[Any, Any]:
    return _matrix(q, k, v, _spread(log_decay, q), None, 1.0, initial_state, cu_seqlens)


def lightnet(
    q: Any,
    k: Any,
    v: Any,
    *,
    initial_state: Any = None,
    cu_seqlens: Any = None,
    scale: float = 1.0,
    **_: Any,
) -> tuple[Any, Any]:
    one = torch.ones(q.shape[0], q.shape[1], 1, device=q.device)
    zero = torch.zeros(q.shape[2], 1, k.shape[-1], device=q.device)
    if initial_state is not None:
        S, z = initial_state
        initial_state = S, torch.zeros_like(S), z
    settings = {"initial_state": initial_state, "cu_seqlens": cu_seqlens, "scale": scale}
    o, (S, _, z) = lightnet_lrpe(q, k, v, one, zero, **settings)
    return o, (S, z)


def lightnet_lrpe(
    q: Any,
    k: Any,
    v: Any,
    positions: Any,
    theta: Any,
    *,
    initial_state: Any = None,
    cu_seqlens: Any = None,
    scale: float = 1.0,
    **_: Any,
) -> tuple[Any, Any]:
    if initial_state is None:
        rows = (_sequences(q, cu_seqlens), q.shape[2], k.shape[-1])
        S = q.new_zeros(*rows, v.shape[-1])
        initial_state = S, S, q.new_full(rows, -torch.inf)

    def step(x: Any, s: Any) -> Any:
        q, k, v, positions = x
        angle = torch.einsum("ba,hak->bhk", positions, theta.double())
        z = torch.logaddexp(s[2], k)
        decay, weight = torch.exp(s[2] - z)[..., None], torch.exp(k - z)
        cos = decay * s[0] + (weight * angle.cos())[..., None] * v[..., None, :]
        sin = decay * s[1] + (weight * angle.sin())[..., None] * v[..., None, :]
        q = scale * F.silu(q)
        o = (q * angle.cos())[..., None, :] @ cos + (q * angle.sin())[..., None, :] @ sin
        return o[..., 0, :], (cos, sin, z)

    return scan(step, [q, k, v, positions], initial_state, cu_seqlens)


def element_wise_attention(
    q: Any, k: Any, v: Any, *, initial_state: Any = None, cu_seqlens: Any = None, P: int = 6, **_: Any
) -> tuple[Any, Any]:
    if initial_state is None:
        rows = (_sequences(q, cu_seqlens), *q.shape[2:])
        S = q.new_zeros(*rows, P + 1)
        initial_state = S, S, q.new_full(rows, torch.inf)
    n = torch.arange(P + 1, device=q.device)
    c = 2.0**n / torch.tensor([math.factorial(i) for i in range(P + 1)], dtype=torch.float64, device=q.device)

    def step(x: Any, s: Any) -> Any:
        q, k, v = x
        m = torch.minimum(s[2], k * k).detach()
        old = torch.exp(m - s[2])[..., None]
        moments = torch.exp(m - k * k)[..., None] * k[..., None] ** n
        S, Z = old * s[0] + moments * v[..., None], old * s[1] + moments
        powers = c * q[..., None] ** n
        return (powers * S).sum(-1) / (powers * Z).sum(-1), (S, Z, m)

    return scan(step, [q, k, v], initial_state, cu_seqlens)


def _taylor(x: Any) -> Any:
    """[1, y, y y^T / sqrt(2)] of y = x / K^(1/4)."""
    y = x.double() / x.shape[-1] ** 0.25
    pairs = (y[..., None] * y[..., None, :]).flatten(-2) / math.sqrt(2)
    return torch.cat([torch.ones_like(y[..., :1]), y, pairs], -1)


def based(
    q: Any, k: Any, v: Any, *, initial_state: Any = None, cu_seqlens: Any = None, **_: Any
) -> tuple[Any, tuple[Any, Any]]:
    if initial_state is not None:
        S, n = initial_state
        initial_state = torch.cat([S, n[..., None]], -1)
    v = torch.cat([v, torch.ones_like(v[..., :1])], -1)
    o, S = _matrix(_taylor(q), _taylor(k), v, None, None, 1.0, initial_state, cu_seqlens)
    return o[..., :-1] / o[..., -1:], (S[..., :-1], S[..., -1])


def based_unnormalised(
    q: Any, k: Any, v: Any, *, initial_state: Any = None, cu_seqlens: Any = None, **_: Any
) -> tuple[Any, Any]:
    return _matrix(_taylor(q), _taylor(k), v, None, None, 1.0, initial_state, cu_seqlens)
