"""A short causal convolution of each channel, one token at a time, in float64.

Math      y_t = Σ_{j < W} taps_j x_{t−W+1+j} (+ bias);   o_t = silu(y_t) = y_t / (1 + e^(−y_t)), or y_t without silu
          x_t = x_initial or 0 for t < 0
Shapes    x, o [B, T, H, D]; taps [W, D]; bias [D]; x_initial and the final x, the last W − 1 tokens, [B, H, W − 1, D]
Dtypes    float64 throughout; the kernel takes x in bf16, f16 or f32, taps, bias and the state in f32
Units     taps_{W−1} is the current token's, taps_0 that of W − 1 tokens ago, as in a convolution's weights
Source    Fu et al.: Hungry Hungry Hippos, 2022, arXiv:2212.14052; Gu, Dao: Mamba, 2023, arXiv:2312.00752
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def short_conv(x: Array, taps: Array, x_initial: Array | None = None, *, silu: bool) -> dict[str, Array]:
    """o and the last W − 1 tokens."""
    return short_conv_bias(x, taps, np.zeros(x.shape[-1]), x_initial, silu=silu)


def short_conv_bias(
    x: Array, taps: Array, bias: Array, x_initial: Array | None = None, *, silu: bool
) -> dict[str, Array]:
    """The same, with a bias [D]."""
    B, T, H, D = x.shape
    past = np.zeros((B, H, len(taps) - 1, D)) if x_initial is None else x_initial
    o = np.empty(x.shape)
    for t in range(T):
        window = np.concatenate([past, x[:, t, :, None]], axis=2)
        y = (taps * window).sum(2) + bias
        o[:, t] = y / (1 + np.exp(-y)) if silu else y
        past = window[:, :, 1:]
    return {"o": o, "x": past}
