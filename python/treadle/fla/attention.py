"""Matrix states in flash-linear-attention's signatures; see treadle.fla."""

from __future__ import annotations

import math
from typing import Any

from treadle.errors import LaunchError
from treadle.fla.calls import call, f32, index, module_of, scale_of, scaled, turned, unknown, values_first

# ---------------------------------------------------------------------------------------------------------------------
# A decay for each head
# ---------------------------------------------------------------------------------------------------------------------


def chunk_simple_gla(
    q: Any,
    k: Any,
    v: Any,
    g: Any = None,
    g_gamma: Any = None,
    scale: float | None = None,
    initial_state: Any = None,
    output_final_state: bool = False,
    state_v_first: bool = False,
    cu_seqlens: Any = None,
    cu_seqlens_cpu: Any = None,
    **kwargs: Any,
) -> tuple[Any, Any]:
    """Linear attention with a decay for each head and token, exp(g), for each head, exp(g_gamma), both or none.

    q, k [B, T, H, K]; v [B, T, H, V]; g [B, T, H]; g_gamma [H]; states f32 [N, H, K, V], with state_v_first [N, H, V,
    K]. Yang et al., arXiv:2312.06635, section 4.4; with g_gamma, Sun et al., arXiv:2307.08621.
    """
    unknown("chunk_simple_gla", kwargs, ("chunk_size",))
    return _simple_gla(
        q,
        k,
        v,
        g,
        g_gamma,
        scale,
        initial_state,
        output_final_state,
        state_v_first=state_v_first,
        cu_seqlens=cu_seqlens,
    )


def fused_recurrent_simple_gla(
    q: Any,
    k: Any,
    v: Any,
    g: Any = None,
    g_gamma: Any = None,
    scale: float | None = None,
    initial_state: Any = None,
    output_final_state: bool = False,
    reverse: bool = False,
    state_v_first: bool = False,
    cu_seqlens: Any = None,
    **kwargs: Any,
) -> tuple[Any, Any]:
    """As chunk_simple_gla; reverse: from the last token to the first."""
    state_v_first = values_first("fused_recurrent_simple_gla", kwargs, state_v_first)
    unknown("fused_recurrent_simple_gla", kwargs)
    return _simple_gla(
        q, k, v, g, g_gamma, scale, initial_state, output_final_state, reverse, state_v_first, cu_seqlens
    )


def _simple_gla(
    q: Any,
    k: Any,
    v: Any,
    g: Any,
    g_gamma: Any,
    scale: float | None,
    initial_state: Any,
    output_final_state: bool,
    reverse: bool = False,
    state_v_first: bool = False,
    cu_seqlens: Any = None,
) -> tuple[Any, Any]:
    g, g_gamma = f32(g), f32(g_gamma)
    if g is not None:
        name, gates = "simple_gla", [g if g_gamma is None else g + g_gamma]
    else:
        name, gates = ("undecayed", []) if g_gamma is None else ("retention", [g_gamma])
    settings = {"output_final_state": output_final_state, "reverse": reverse, "cu_seqlens": cu_seqlens}
    initial = turned(f32(initial_state), state_v_first)
    o, final = call(name, q, k, v, *gates, initial_state=initial, scale=scale_of(scale, k), **settings)
    return o, turned(final, state_v_first)


def chunk_retention(
    q: Any,
    k: Any,
    v: Any,
    scale: float | None = None,
    initial_state: Any = None,
    output_final_state: bool = False,
    cu_seqlens: Any = None,
    **kwargs: Any,
) -> tuple[Any, Any]:
    """Retention with its paper's decays, 1 - 2 ** (-5 - h) for head h.

    q, k [B, T, H, K]; v [B, T, H, V]; states f32 [N, H, K, V]. Sun et al., arXiv:2307.08621.
    """
    unknown("chunk_retention", kwargs, ("chunk_size",))
    return _simple_gla(
        q, k, v, None, _retention_gates(q), scale, initial_state, output_final_state, cu_seqlens=cu_seqlens
    )


def fused_recurrent_retention(
    q: Any,
    k: Any,
    v: Any,
    scale: float | None = None,
    initial_state: Any = None,
    output_final_state: bool = False,
    reverse: bool = False,
    state_v_first: bool = False,
    cu_seqlens: Any = None,
    **kwargs: Any,
) -> tuple[Any, Any]:
    """As chunk_retention; reverse: from the last token to the first; state_v_first: states are [N, H, V, K]."""
    state_v_first = values_first("fused_recurrent_retention", kwargs, state_v_first)
    unknown("fused_recurrent_retention", kwargs)
    gates = _retention_gates(q)
    return _simple_gla(
        q, k, v, None, gates, scale, initial_state, output_final_state, reverse, state_v_first, cu_seqlens
    )


def _retention_gates(q: Any) -> Any:
    return module_of(q).log(1 - 2.0 ** (-5.0 - f32(index(q.shape[2], q))))


def chunk_lightning_attn(
    q: Any,
    k: Any,
    v: Any,
    layer_idx: int,
    num_layers: int,
    scale: float | None = None,
    initial_state: Any = None,
    output_final_state: bool = False,
    cu_seqlens: Any = None,
    **kwargs: Any,
) -> tuple[Any, Any]:
    """Lightning attention with the decays exp(-8 h / H (1 - layer_idx / num_layers)) for head h of H.

    q, k [B, T, H, K]; v [B, T, H, V]; states f32 [N, H, K, V]. Qin et al., arXiv:2401.04658.
    """
    unknown("chunk_lightning_attn", kwargs, ("chunk_size",))
    return fused_recurrent_lightning_attn(
        q, k, v, layer_idx, num_layers, scale, initial_state, output_final_state, cu_seqlens=cu_seqlens
    )


def fused_recurrent_lightning_attn(
    q: Any,
    k: Any,
    v: Any,
    layer_idx: int,
    num_layers: int,
    scale: float | None = None,
    initial_state: Any = None,
    output_final_state: bool = False,
    reverse: bool = False,
    cu_seqlens: Any = None,
) -> tuple[Any, Any]:
    """As chunk_lightning_attn; reverse: from the last token to the first."""
    heads = q.shape[2]
    log_decay = -(8 / heads * (1 - layer_idx / num_layers)) * f32(index(heads, q))
    settings = {"output_final_state": output_final_state, "reverse": reverse, "cu_seqlens": cu_seqlens}
    return call(
        "lightning_attention",
        q, k, v, log_decay,
        initial_state=f32(initial_state), scale=scale_of(scale, k), **settings,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# A decay for each channel
# ---------------------------------------------------------------------------------------------------------------------


def chunk_gla(
    q: Any,
    k: Any,
    v: Any,
    g: Any,
    scale: float | None = None,
    initial_state: Any = None,
    output_final_state: bool = False,
    state_v_first: bool = False,
    cu_seqlens: Any = None,
    cu_seqlens_cpu: Any = None,
) -> tuple[Any, Any]:
    """Gated linear attention with a decay exp(g) for each channel of the key and each token.

    q, k, g [B, T, H, K]; v [B, T, H, V]; states f32 [N, H, K, V], with state_v_first [N, H, V, K]. Yang et al.,
    arXiv:2312.06635.
    """
    return fused_recurrent_gla(
        q, k, v, g, None, scale, initial_state, output_final_state, False, state_v_first, cu_seqlens
    )


def fused_recurrent_gla(
    q: Any,
    k: Any,
    v: Any,
    gk: Any = None,
    gv: Any = None,
    scale: float | None = None,
    initial_state: Any = None,
    output_final_state: bool = False,
    reverse: bool = False,
    state_v_first: bool = False,
    cu_seqlens: Any = None,
    **kwargs: Any,
) -> tuple[Any, Any]:
    """As chunk_gla, with its g as gk, and a decay exp(gv), gv [B, T, H, V], for each channel of the value; or none.

    With gv the kernel works token by token.
    """
    state_v_first = values_first("fused_recurrent_gla", kwargs, state_v_first)
    unknown("fused_recurrent_gla", kwargs)
    name = "undecayed" if gk is None and gv is None else "gla" if gv is None else "gla_both"
    name = "gla_values" if gk is None and gv is not None else name
    gates = [f32(x) for x in (gk, gv) if x is not None]
    settings = {"output_final_state": output_final_state, "reverse": reverse, "cu_seqlens": cu_seqlens}
    initial = turned(f32(initial_state), state_v_first)
    o, final = call(name, q, k, v, *gates, initial_state=initial, scale=scale_of(scale, k), **settings)
    return o, turned(final, state_v_first)


# ---------------------------------------------------------------------------------------------------------------------
# No decay
# ---------------------------------------------------------------------------------------------------------------------


def chunk_linear_attn(
    q: Any,
    k: Any,
    v: Any,
    scale: float | None = None,
    initial_state: Any = None,
    output_final_state: bool = False,
    normalize: bool = True,
    cu_seqlens: Any = None,
) -> tuple[Any, Any]:
    """Linear attention of queries and keys that are features already, divided by their products' sum if normalize.

    q, k [B, T, H, K]; v [B, T, H, V]. States are f32 [N, H, K, V]; with normalize, a tuple of that and of the sum of
    keys [N, 1, H, K], of which the second may lack in initial_state. Katharopoulos et al., arXiv:2006.16236.
    """
    return fused_recurrent_linear_attn(q, k, v, scale, initial_state, output_final_state, False, normalize, cu_seqlens)


def fused_recurrent_linear_attn(
    q: Any,
    k: Any,
    v: Any,
    scale: float | None = None,
    initial_state: Any = None,
    output_final_state: bool = False,
    reverse: bool = False,
    normalize: bool = False,
    cu_seqlens: Any = None,
) -> tuple[Any, Any]:
    """As chunk_linear_attn, not normalised unless asked; reverse: from the last token to the first."""
    settings = {"output_final_state": output_final_state, "reverse": reverse, "cu_seqlens": cu_seqlens}
    settings["scale"] = scale_of(scale, k)
    if not normalize:
        return call("undecayed", q, k, v, initial_state=f32(initial_state), **settings)
    initial = initial_state
    if initial is not None:
        S, n = (f32(x) for x in initial) if isinstance(initial, tuple) else (f32(initial), None)
        initial = S, module_of(S).zeros_like(S[..., 0]) if n is None else n[:, 0]
    o, final = call("normalised", q, k, v, initial_state=initial, **settings)
    return o, None if final is None else (final[0], final[1][:, None])


# ---------------------------------------------------------------------------------------------------------------------
# Taylor features
# ---------------------------------------------------------------------------------------------------------------------


def parallel_based(
    q: Any,
    k: Any,
    v: Any,
    scale: float | None = None,
    use_norm: bool = True,
    *,
    initial_state: Any = None,
    output_final_state: bool = False,
    cu_seqlens: Any = None,
) -> Any:
    """Linear attention with the weights 1 + s + s ** 2 / 2, s = scale * q . k, divided by their sum if use_norm.

    q, k [B, T, H, K], K a power of two; v [B, T, H, V]. Returns o alone, as flash-linear-attention does; with
    output_final_state (o, state), the states being those of kernels/based: (S, n), or S without use_norm. Arora et al.,
    arXiv:2402.18668.
    """
    if k.shape[-1] & (k.shape[-1] - 1):
        raise LaunchError(f"parallel_based: argument 'k': expected K a power of two, found {k.shape[-1]}")
    q = scaled(q, 1.0 if scale is None else scale * math.sqrt(k.shape[-1]))
    name = "based" if use_norm else "based_unnormalised"
    settings = {"output_final_state": output_final_state, "cu_seqlens": cu_seqlens}
    o, final = call(name, q, k, v, initial_state=initial_state, **settings)
    return (o, final) if output_final_state else o


def fused_chunk_based(q: Any, k: Any, v: Any, scale: float | None = None, use_norm: bool = True, **states: Any) -> Any:
    """As parallel_based."""
    return parallel_based(q, k, v, scale, use_norm, **states)
