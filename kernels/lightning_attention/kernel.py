"""Lightning attention: linear attention with one decay per head, in chunks.

With lambda_h = exp(-slope[h]) and a K by V state S for each batch and head,

    S_t = lambda_h * S_{t-1} + k_t v_t^T            S_{-1} = s0, or 0
    o_t = scale * q_t^T S_t                         s1 = S_{T-1}

Chunks of C steps turn this into products. For steps i, j of a chunk of n steps with state S before it:

    o_i = scale * ( lambda^(i+1) q_i^T S + sum_{j <= i} lambda^(i-j) (q_i . k_j) v_j )
    S  <- lambda^n S + sum_j lambda^(n-1-j) k_j v_j^T

Shapes: q, k [B, T, H, K]; v, o [B, T, H, V]; slope [H]; s0, s1 [B, H, K, V], both optional. B, T, H are dynamic;
K and V are constants: K a power of two, V a multiple
of min(BV, V). T may be ragged: the last chunk is a tail of its own.
dtypes: q, k, v, o f32, f16 or bf16, all alike; slope, s0, s1 f32. State and accumulators are f32; operands of products
are rounded to the dtype of q. With f32, precision ("ieee", "tf32x3", "tf32") chooses how products are formed.
Limits: slope >= 0. Exponents are masked before exp2 and never positive, so decays lie in [0, 1]: a slope that makes
lambda^C underflow to 0 forgets the state and gives no inf or NaN.
Constants: K, V head sizes; C chunk; BV columns of v of a block (at most V); scale the factor on q.

The state is kept transposed, S^T [BV, K], so that it is an accumulator and a left operand in turn; o is computed
transposed as well. Factors that depend on the chunk only are computed once, before the loop.

Source: Qin et al., "Lightning Attention-2", arXiv:2401.04658; "Various Lengths, Constant Speed", arXiv:2405.17381.
"""
# ruff: noqa: F821

import math

import treadle as td

LOG2E = math.log2(math.e)


@td.function
def decay_to_end(a, n, C):
    """lambda^(n-1-r) for step r < n of a chunk of n steps, 0 for the others: [C] f32."""
    r = td.arange(C)
    live = r < n
    return td.where(live, td.exp2(a * td.where(live, n - 1 - r, 0).to(td.f32)), 0.0)


@td.function
def chunk(q, k, v, o, at, state, factors, C, BV, precision):
    """Write the outputs of one chunk and return the state after it (transposed, [BV, K] f32)."""
    b, t, h, c = at
    within, from_start, to_end, whole = factors
    qt = q[b, t : t + C, h, :]
    kt = k[b, t : t + C, h, :]
    vt = v[b, t : t + C, h, c : c + BV]
    p = (within * td.dot(qt, kt.T, precision=precision)).to(q.dtype)
    out = td.dot(state.to(q.dtype), qt.T, precision=precision) * from_start[None, :]
    out = td.dot(vt.T, p.T, out, precision=precision)
    o[b, t : t + C, h, c : c + BV] = out.T.to(o.dtype)
    decayed = (vt.to(td.f32) * to_end[:, None]).to(q.dtype)
    return td.dot(decayed.T, kt, state * whole, precision=precision)


@td.kernel(num_warps=4, num_stages=2)
def lightning_attention(
    q: td.Tensor["B", "T", "H", "K"],
    k: td.Tensor["B", "T", "H", "K"],
    v: td.Tensor["B", "T", "H", "V"],
    slope: td.Tensor["H", td.f32],
    o: td.Tensor["B", "T", "H", "V"],
    s0: td.Optional[td.Tensor["B", "H", "K", "V", td.f32]] = None,
    s1: td.Optional[td.Tensor["B", "H", "K", "V", td.f32]] = None,
    *,
    K: td.Const = 128,
    V: td.Const = 128,
    C: td.Const = 64,
    BV: td.Const = 64,
    scale: td.Const = 1.0,
    precision: td.Const = "ieee",
):
    """o and s1 from q, k, v, slope and s0: one block for BV columns of the state of one batch and head."""
    td.static_assert(td.next_power_of_two(K) == K, "K must be a power of two")
    BV = min(BV, V)
    td.static_assert(V % BV == 0, "V must be a multiple of BV")
    B, T, H, _ = q.shape
    j, h, b = td.grid(V // BV, H, B)
    c = j * BV
    a = slope[h] * -LOG2E  # log2 of lambda

    state = td.zeros((BV, K), td.f32)
    if s0 is not None:
        state = s0[b, h, :, c : c + BV].T

    i = td.arange(C)
    gap = i[:, None] - i[None, :]
    causal = gap >= 0
    within = td.where(causal, td.exp2(a * td.where(causal, gap, 0).to(td.f32)) * scale, 0.0)
    from_start = td.exp2(a * (i + 1).to(td.f32)) * scale

    full = T // C * C
    factors = (within, from_start, decay_to_end(a, C, C), td.exp2(a * C))
    for t in range(0, full, C):
        state = chunk(q, k, v, o, (b, t, h, c), state, factors, C, BV, precision)
    if full < T:
        n = T - full
        tail = (within, from_start, decay_to_end(a, n, C), td.exp2(a * n.to(td.f32)))
        state = chunk(q, k, v, o, (b, full, h, c), state, tail, C, BV, precision)

    if s1 is not None:
        s1[b, h, :, c : c + BV] = state.T
