"""Gated recurrences of one number for each channel: no keys, no queries.

`hgrn`: h_t = f_t h_{t-1} + (1 - f_t) i_t, a forget gate for each token. `ema`: h_t = decay h_{t-1} + (1 - decay) x_t,
an exponential moving average. h_{-1} = 0 or given, and o_t = h_t.

Shapes: i, f, x, o [B, T, H, D], where H only divides channels; decay [H, D]; h [B, H, D]. D is any size; f may have
fewer heads than i, by a divisor.
dtypes: i, x, o f32, f16 or bf16, alike; f, decay and h f32 (in bf16 a gate near 1 is rounded to 1); computed in f32.
Limits: f and decay in [0, 1] make h a mean of what came before; larger ones grow without bound. Wrong shapes and dtypes
are a LaunchError.

Source: Qin et al., "Hierarchically Gated Recurrent Neural Network", arXiv:2311.04823; the average is that of MD-TPE in
arXiv:2405.21022 but for a factor.
"""

import treadle as td


@td.scan
def hgrn(i: td.In["D"], f: td.In["D", td.f32], h: td.State["D"]):
    """A gate for each channel and token."""
    h = f * h + (1 - f) * i
    return h, h


@td.scan
def ema(x: td.In["D"], decay: td.PerHead["D"], h: td.State["D"]):
    """A decay for each channel, the same at every time."""
    h = decay * h + (1 - decay) * x
    return h, h
