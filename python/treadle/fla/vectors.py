"""Vector states in flash-linear-attention's signatures; see treadle.fla."""

from __future__ import annotations

from typing import Any

from treadle.errors import LaunchError
from treadle.fla.calls import call, contiguous, f32, index, module_of, stored_as, unknown, zeros


def chunk_hgrn(x: Any, g: Any, initial_state: Any = None, output_final_state: bool = False) -> tuple[Any, Any]:
    """h_t = exp(g_t) h_{t-1} + x_t in each channel, o = h.

    x, g [B, T, D]; states f32 [N, D]. Qin et al., arXiv:2311.04823.
    """
    return fused_recurrent_hgrn(x, g, initial_state, output_final_state)


def fused_recurrent_hgrn(
    x: Any, g: Any, initial_state: Any = None, output_final_state: bool = False, cu_seqlens: Any = None
) -> tuple[Any, Any]:
    """As chunk_hgrn."""
    initial = None if initial_state is None else f32(initial_state)[:, None]
    settings = {"output_final_state": output_final_state, "cu_seqlens": cu_seqlens}
    o, final = call("log_hgrn", x[:, :, None], f32(g)[:, :, None], initial_state=initial, **settings)
    return o[:, :, 0], None if final is None else final[:, 0]


def causal_conv1d(
    x: Any,
    weight: Any = None,
    bias: Any = None,
    residual: Any = None,
    initial_state: Any = None,
    output_final_state: bool = False,
    activation: str | None = None,
    backend: str | None = "triton",
    cu_seqlens: Any = None,
    cu_seqlens_cpu: Any = None,
    chunk_indices: Any = None,
    cp_context: Any = None,
    **kwargs: Any,
) -> tuple[Any, Any]:
    """A causal convolution of each channel by itself, then the activation, then the residual added.

    x, residual [B, T, D], or more axes that make D; weight [D, W], the last tap for the current token; bias [D];
    activation None, "silu" or "swish"; states [N, D, W], the last W tokens, the oldest first, in the dtype of x.
    backend, cu_seqlens_cpu, chunk_indices and seq_idx are ignored, cp_context must be None. Fu et al.,
    arXiv:2212.14052.
    """
    unknown("causal_conv1d", kwargs, ("seq_idx",))
    for name, good, wanted, found in (
        ("weight", weight is not None, "an array [D, W]", "none"),
        ("activation", activation in (None, "silu", "swish"), "None, 'silu' or 'swish'", repr(activation)),
        ("cp_context", cp_context is None, "None", type(cp_context).__name__),
    ):
        if not good:
            raise LaunchError(f"causal_conv1d: argument '{name}': expected {wanted}, found {found}")
    W = weight.shape[1]
    tokens = x.reshape(x.shape[0], x.shape[1], weight.shape[0])
    taps, initial = contiguous(f32(weight).swapaxes(0, 1)), initial_state
    if W == 1:  # a window holds two tokens at least, and the first does not count
        taps, initial = module_of(x).concatenate([0 * taps, taps]), None
    if initial is not None:
        initial = f32(initial)[:, None, :, 1:].swapaxes(2, 3)
    name, more = ("short_conv", []) if bias is None else ("short_conv_bias", [f32(bias)])
    settings = {"cu_seqlens": cu_seqlens, "silu": activation is not None}
    o, _ = call(name, tokens[:, :, None], taps, *more, initial_state=initial, **settings)
    o = o.reshape(x.shape)
    if residual is not None:
        o = stored_as(f32(o) + f32(residual), o)
    return o, _last_tokens(tokens, W, initial_state, cu_seqlens) if output_final_state else None


def _last_tokens(x: Any, W: int, initial: Any, cu_seqlens: Any) -> Any:
    """The last W tokens of each sequence, those of the initial state where it has fewer: [N, D, W]."""
    xp = module_of(x)
    rows = x.shape[0] if cu_seqlens is None else cu_seqlens.shape[0] - 1
    before = zeros((rows, W, x.shape[2]), x) if initial is None else stored_as(initial, x).swapaxes(1, 2)
    if cu_seqlens is None:
        return contiguous(xp.concatenate([before, x], 1)[:, x.shape[1] :].swapaxes(1, 2))
    start, end = cu_seqlens[:-1, None], cu_seqlens[1:, None]
    at = end - W + index(W, x)
    inside = at >= start
    tokens = xp.concatenate([x[0], zeros((1, x.shape[2]), x)])
    of_x = tokens[xp.where(inside, at, x.shape[1])]
    of_before = before[index(rows, x)[:, None], xp.where(inside, 0, W + at - start)]
    return contiguous(xp.where(inside[..., None], of_x, of_before).swapaxes(1, 2))
