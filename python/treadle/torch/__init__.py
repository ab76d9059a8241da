"""Scans in PyTorch: as operators with gradients, and as layers. Needs torch.

    import treadle.torch

    attention = treadle.torch.op(gla)
    o, state = attention(q, k, v, g, output_final_state=True)
    o.sum().backward()

`op` is described there. Plain calls, `gla(q, k, v, g)`, go through it where tensors require gradients. Layers are
LightningAttention, LightNetAttention, ElementWiseAttention and BasedAttention.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treadle.torch.operators import Op, op

if TYPE_CHECKING:
    from treadle.torch.layers import BasedAttention, ElementWiseAttention, LightNetAttention, LightningAttention

__all__ = ["BasedAttention", "ElementWiseAttention", "LightNetAttention", "LightningAttention", "Op", "op"]


def __getattr__(name: str) -> Any:
    """The layers, whose kernels are read when the first one is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from treadle.torch import layers

    return getattr(layers, name)
