"""Matrix product.

    c[m, n] = sum_k a[m, k] * b[k, n]

Shapes: a [M, K], b [K, N], c [M, N]; any sizes, ragged ones are padded with zeros and clipped.
dtypes: f32, f16 or bf16, all alike; products and sums are f32 and rounded once, when stored. With f32, precision
chooses how products are formed: "ieee" (exact), "tf32x3" (three tensor-core products, near f32) or "tf32" (one).
Alignment: base addresses and rows are multiples of ALIGN bytes. 16, the default, wants K and N to be multiples of 8 for
16-bit elements and of 4 for f32; 0 takes any K and N, with narrower copies.
Constants: BM, BN, BK are the tile, powers of two; GROUP is the tile rows that neighbouring blocks share.

Blocks are numbered so that GROUP consecutive tile rows are walked column by column: the blocks that run at one time
then read few distinct rows of a and columns of b, which stay in the L2 cache.

Source: the definition; the block order is that of Triton's matmul tutorial (Tillet et al., MAPL 2019).
"""
# ruff: noqa: F821

import treadle as td


@td.kernel(num_warps=4, num_stages=3)
def matmul(
    a: td.Tensor["M", "K", td.Align("ALIGN")],
    b: td.Tensor["K", "N", td.Align("ALIGN")],
    c: td.Tensor["M", "N", td.Align("ALIGN")],
    *,
    BM: td.Const = 128,
    BN: td.Const = 128,
    BK: td.Const = 32,
    GROUP: td.Const = 8,
    ALIGN: td.Const = 16,
    precision: td.Const = "ieee",
):
    """c = a @ b: one block for a BM by BN tile of c."""
    M, K = a.shape
    _, N = b.shape
    rows, columns = td.cdiv(M, BM), td.cdiv(N, BN)
    (block,) = td.grid(rows * columns)
    first = block // (GROUP * columns) * GROUP
    height = min(rows - first, GROUP)  # the last group may be lower
    within = block % (GROUP * columns)
    m = (first + within % height) * BM
    n = within // height * BN
    acc = td.zeros((BM, BN), td.f32)
    for k in range(0, K, BK):
        acc = td.dot(a[m : m + BM, k : k + BK], b[k : k + BK, n : n + BN], acc, precision=precision)
    c[m : m + BM, n : n + BN] = acc.to(c.dtype)
