"""Treadle's kernels with the signatures of flash-linear-attention.

    from treadle.fla import chunk_gla

    o, final_state = chunk_gla(q, k, v, g, output_final_state=True)

Functions take its arguments, in its order and with its defaults (those of version 0.6), [B, T, H, ...], or [B, T, D]
for vectors, and return (o, final_state). Arrays are those of NumPy or of PyTorch; of the latter, tensors that require
gradients get them. o is in the dtype of q (x), states in f32. scale is K ** -0.5 unless given; gates and initial
states may be stored in any float type, and are computed in f32. final_state is None unless output_final_state.
"chunk", "fused" and "recurrent" do not matter: the same kernel is used, which works on one token at a time where there
are few. What is not supported, and arguments that do not fit, are a LaunchError.

torch.compile needs this module to be imported after torch, or one call before it traces.
"""

from treadle.fla.attention import (
    chunk_gla,
    chunk_lightning_attn,
    chunk_linear_attn,
    chunk_retention,
    chunk_simple_gla,
    fused_chunk_based,
    fused_recurrent_gla,
    fused_recurrent_lightning_attn,
    fused_recurrent_linear_attn,
    fused_recurrent_retention,
    fused_recurrent_simple_gla,
    parallel_based,
)
from treadle.fla.vectors import causal_conv1d, chunk_hgrn, fused_recurrent_hgrn

__all__ = [
    "causal_conv1d",
    "chunk_gla",
    "chunk_hgrn",
    "chunk_lightning_attn",
    "chunk_linear_attn",
    "chunk_retention",
    "chunk_simple_gla",
    "fused_chunk_based",
    "fused_recurrent_gla",
    "fused_recurrent_hgrn",
    "fused_recurrent_lightning_attn",
    "fused_recurrent_linear_attn",
    "fused_recurrent_retention",
    "fused_recurrent_simple_gla",
    "parallel_based",
]
