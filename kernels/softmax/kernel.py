"""Softmax of rows.

    y[m, n] = exp(x[m, n] - max_n x[m, :]) / sum_n exp(x[m, n] - max_n x[m, :])

Shapes: x, y [M, N]. Any M; N constant, 1 to 16384, padded with -inf to a power of two.
dtypes: f32, f16 or bf16, x and y alike; everything between is f32. A row of -inf only gives NaN, as in NumPy.
Constants: N is the row length; R, a power of two, is the rows of a block. R = 0 takes as many as make 4096 elements, at
most 16, which is 32 a thread with 4 warps; above N = 4096 use 8 to 16 warps.

Source: the definition, stabilized by the row maximum (Milakov & Gimelshein, arXiv:1805.02867, section 2).
"""
# ruff: noqa: F821

import math

import treadle as td

LOG2E = math.log2(math.e)


@td.kernel(num_warps=4, num_stages=1)
def softmax(
    x: td.Tensor["M", "N"],
    y: td.Tensor["M", "N"],
    *,
    N: td.Const = 1024,
    R: td.Const = 0,
):
    """y = softmax(x) along the last axis: one block for a few rows."""
    rows = R if R > 0 else min(16, max(1, 4096 // td.next_power_of_two(N)))
    M, _ = x.shape
    (block,) = td.grid(td.cdiv(M, rows))
    i = block * rows
    t = td.load(x[i : i + rows, :], other=-td.inf).to(td.f32)
    e = td.exp2((t - t.max(axis=1)[:, None]) * LOG2E)  # padding: exp2(-inf) = 0
    y[i : i + rows, :] = (e * (1.0 / e.sum(axis=1))[:, None]).to(y.dtype)
