"""Gated recurrences of one number for each channel, one token at a time, in float64.

Math      hgrn  h_t = f_t h_{t−1} + (1 − f_t) i_t;   ema  h_t = decay · h_{t−1} + (1 − decay) x_t
          o_t = h_t,   h_{−1} = h or 0;   not causal: o_t = h_{T−1}
Shapes    i, f, x, o [B, T, H, D]; decay [H, D]; h [B, H, D]
Dtypes    float64 throughout; the kernel takes i, x in bf16, f16 or f32, gates, decays and states in f32
Units     f, decay in [0, 1]: what remains of the past after one token
Source    Qin et al.: Hierarchically Gated Recurrent Neural Network, 2023, arXiv:2311.04823
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def hgrn(i: Array, f: Array, h: Array | None = None, *, causal: bool = True) -> dict[str, Array]:
    """o and the final h."""
    B, T, H, D = i.shape
    h = np.zeros((B, H, D)) if h is None else h
    o = np.empty(i.shape)
    for t in range(T):
        h = f[:, t] * h + (1 - f[:, t]) * i[:, t]
        o[:, t] = h
    return {"o": o if causal else np.broadcast_to(h[:, None], o.shape), "h": h}


def ema(x: Array, decay: Array, h: Array | None = None, *, causal: bool = True) -> dict[str, Array]:
    """o and the final h of a decay [H, D]."""
    return hgrn(x, np.broadcast_to(decay, x.shape), h, causal=causal)
