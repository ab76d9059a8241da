"""Root-mean-square normalization of rows, with an optional gate.

    y[m, d] = x[m, d] / sqrt(mean_d(x[m, :]^2) + eps) * w[d] * silu(g[m, d])        (the last factor only with g)

Shapes: x, y, g [M, D]; w [D]. Any M; D constant, 1 to 16384 (rows are padded to a power of two, so D need not be one).
dtypes: f32, f16 or bf16, all tensors alike; sums and the result before rounding are f32.
Constants: D is the row length; R, a power of two, is the rows of a block. R = 0 takes as many as make 4096 elements, at
most 16, which is 32 a thread with 4 warps; above D = 4096 use 8 to 16 warps.

Source: Zhang & Sennrich, "Root Mean Square Layer Normalization", arXiv:1910.07467; the gate as in
reference.py.
"""
# ruff: noqa: F821

import treadle as td


@td.kernel(num_warps=4, num_stages=1)
def rms_norm(
    x: td.Tensor["M", "D"],
    w: td.Tensor["D"],
    y: td.Tensor["M", "D"],
    g: td.Optional[td.Tensor["M", "D"]] = None,
    eps: td.f32 = 1e-6,
    *,
    D: td.Const = 1024,
    R: td.Const = 0,
):
    """y = x * rsqrt(mean(x^2) + eps) * w, times silu(g) when g is given: one block for a few rows."""
    rows = R if R > 0 else min(16, max(1, 4096 // td.next_power_of_two(D)))
    M, _ = x.shape
    (block,) = td.grid(td.cdiv(M, rows))
    i = block * rows
    t = x[i : i + rows, :].to(td.f32)
    r = td.rsqrt((t * t).sum(axis=1) / D + eps)  # padding reads as 0 and adds nothing
    out = t * r[:, None] * w[:].to(td.f32)[None, :]
    if g is not None:
        out = out * td.silu(g[i : i + rows, :].to(td.f32))
    y[i : i + rows, :] = out.to(y.dtype)
