"""A short causal convolution along time, of each channel by itself, then SiLU.

For each sequence and channel, with x_t = 0 before the first token or what the state has,

    y_t = sum_{j < W} taps_j x_{t-W+1+j},    o_t = y_t / (1 + exp(-y_t)),    or o_t = y_t where silu is False

`short_conv`: as above. `short_conv_bias`: bias is added to y_t.

Shapes: x, o [B, T, H, D], where H only divides channels; taps [W, D], the last for the current token; bias [D]; the
state, the last W - 1 tokens, [B, H, W - 1, D], the oldest first. D is any size, W is 2 or more.
dtypes: x, o f32, f16 or bf16, alike; taps, bias and the state f32; computed in f32.
Limits: y_t within f32. All heads have the same taps. There is no causal=False. Wrong shapes and dtypes are a
LaunchError.
Constants: silu, whether SiLU comes last.

Source: Fu et al., "Hungry Hungry Hippos", arXiv:2212.14052; Gu, Dao, "Mamba", arXiv:2312.00752.
"""

import treadle as td


@td.function
def filtered(x, taps):
    """What the taps make of the window."""
    return (taps * x).sum(0)


@td.scan
def short_conv(x: td.Window["D", "W"], taps: td.Param["W", "D"], *, silu: td.Const = True):
    """The taps alone."""
    y = filtered(x, taps)
    return td.silu(y) if silu else y


@td.scan
def short_conv_bias(x: td.Window["D", "W"], taps: td.Param["W", "D"], bias: td.Param["D"], *, silu: td.Const = True):
    """With a bias for each channel."""
    y = filtered(x, taps) + bias
    return td.silu(y) if silu else y
