"""Running sums, along time and along rows.

    cumsum_time:  y[b, t, d] = sum of x[b, s, d] for s <= t       (or s >= t with REVERSE)
    cumsum_rows:  y[m, n]    = sum of x[m, k] for k <= n          (or k >= n with REVERSE)

Shapes: x, y [B, T, D] and [M, N]; every size is dynamic and may be ragged.
dtypes: f32, f16 or bf16, x and y alike; sums are f32 and rounded once, when stored.
Alignment: base addresses and rows are multiples of ALIGN bytes; 16, the default, wants D or N to be a multiple of 8 for
16-bit elements and of 4 for f32; 0 takes any, with narrower accesses.
Constants: C, BD (cumsum_time) and R, BN (cumsum_rows) are tile sizes, powers of two; REVERSE sums from the far end.

Each block walks its axis in chunks: it scans a chunk, adds what came before, and carries the total on. Blocks run over
the other axes only, so there are B * ceil(D / BD) or ceil(M / R) of them.

Source: the definition; the chunks are those of Dakkak et al., arXiv:1811.09736, walked in turn.
"""
# ruff: noqa: F821

import treadle as td


@td.kernel(num_warps=4, num_stages=4)
def cumsum_time(
    x: td.Tensor["B", "T", "D", td.Align("ALIGN")],
    y: td.Tensor["B", "T", "D", td.Align("ALIGN")],
    *,
    C: td.Const = 128,
    BD: td.Const = 64,
    REVERSE: td.Const = False,
    ALIGN: td.Const = 16,
):
    """y = cumsum(x) along T: one block for BD columns of one batch, C steps at a time."""
    B, T, D = x.shape
    j, b = td.grid(td.cdiv(D, BD), B)
    carry = td.zeros((BD,), td.f32)
    chunks = td.cdiv(T, C)
    for k in range(chunks):
        t = (chunks - 1 - k) * C if REVERSE else k * C
        v = x[b, t : t + C, j * BD : j * BD + BD].to(td.f32)
        s = td.cumsum(v, axis=0, reverse=REVERSE) + carry[None, :]
        y[b, t : t + C, j * BD : j * BD + BD] = s.to(y.dtype)
        carry = carry + v.sum(axis=0)  # elements out of bounds read as 0


@td.kernel(num_warps=4, num_stages=3)
def cumsum_rows(
    x: td.Tensor["M", "N", td.Align("ALIGN")],
    y: td.Tensor["M", "N", td.Align("ALIGN")],
    *,
    R: td.Const = 4,
    BN: td.Const = 512,
    REVERSE: td.Const = False,
    ALIGN: td.Const = 16,
):
    """y = cumsum(x) along N: one block for R rows, BN columns at a time."""
    M, N = x.shape
    (i,) = td.grid(td.cdiv(M, R))
    carry = td.zeros((R,), td.f32)
    blocks = td.cdiv(N, BN)
    for k in range(blocks):
        n = (blocks - 1 - k) * BN if REVERSE else k * BN
        v = x[i * R : i * R + R, n : n + BN].to(td.f32)
        s = td.cumsum(v, axis=1, reverse=REVERSE) + carry[:, None]
        y[i * R : i * R + R, n : n + BN] = s.to(y.dtype)
        carry = carry + v.sum(axis=1)
