"""Lightning attention: linear attention with one decay per head, in chunks.

With lambda_h = exp(-slope[h]) and a K by V state S for each batch and head,

    S_t = lambda_h * S_{t-1} + k_t v_t^T            S_{-1} = s0, or 0
    o_t = scale * q_t^T S_t                         s1 = S_{T-1}

Chunks of C steps turn this into products. For steps i, j of a chunk of n steps with state S before it:

    o_i = scale * ( lambda^(i+1) q_i^T S + sum_{j <= i} lambda^(i-j) (q_i . k_j) v_j )
    S  <- lambda^n S + sum_j lambda^(n-1-j) k_j v_j^T

Shapes: q, k [B, T, H, K]; v, o [B, T, H, V]; slope [H]; s0, s1 [B, H, K, V], both optional. B, T, H are dynamic, K and
V constants; any of them may be ragged: tiles are padded to powers of two, with zeros.
dtypes: q, k, v, o f32, f16 or bf16, all alike; slope, s0, s1 f32. State and accumulators are f32; operands of products
are rounded to the dtype of q. With f32, precision ("ieee", "tf32x3", "tf32") chooses how products are formed.
Limits: slope >= 0. Exponents are masked before exp2 and never positive, so decays lie in [0, 1]: a slope that makes
lambda^C underflow to 0 forgets the state and gives no inf or NaN.
Constants: K, V head sizes; C chunk; BV columns of v of a block (at most V); scale the factor on q.

The state is kept transposed, S^T [BV, K], so that it is an accumulator and a left operand in turn; o is computed
transposed as well. Factors are computed once, before the loop; only the state after a ragged last chunk, which only s1
needs, asks for the number of steps that the chunk really has.

Source: Qin et al., "Lightning Attention-2", arXiv:2401.04658; "Various Lengths, Constant Speed", arXiv:2405.17381.
"""

import math

import treadle as td

LOG2E = math.log2(math.e)


@td.function
def decay_to_end(a, n, C):
    """lambda^(n-1-r) for step r < n of a chunk of n steps, 0 for the others: [C] f32."""
    r = td.arange(C)
    live = r < n
    return td.where(live, td.exp2(a * td.where(live, n - 1 - r, 0).to(td.f32)), 0.0)


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
    KP = max(16, td.next_power_of_two(K))
    BV = min(BV, max(16, td.next_power_of_two(V)))
    B, T, H, _ = q.shape
    j, h, b = td.grid(td.cdiv(V, BV), H, B)
    c = j * BV
    a = slope[h] * -LOG2E  # log2 of lambda

    state = td.zeros((BV, KP), td.f32)
    if s0 is not None:
        state = s0[b, h, 0:KP, c : c + BV].T

    i = td.arange(C)
    gap = i[:, None] - i[None, :]
    causal = gap >= 0
    within = td.where(causal, td.exp2(a * td.where(causal, gap, 0).to(td.f32)) * scale, 0.0)
    from_start = td.exp2(a * (i + 1).to(td.f32)) * scale
    to_end, whole = decay_to_end(a, C, C), td.exp2(a * C)

    for t in range(0, T, C):
        qt = q[b, t : t + C, h, 0:KP]
        kt = k[b, t : t + C, h, 0:KP]
        vt = v[b, t : t + C, h, c : c + BV]
        p = (within * td.dot(qt, kt.T, precision=precision)).to(q.dtype)
        out = td.dot(state.to(q.dtype), qt.T, precision=precision) * from_start[None, :]
        out = td.dot(vt.T, p.T, out, precision=precision)
        o[b, t : t + C, h, c : c + BV] = out.T.to(o.dtype)
        if s1 is not None:
            n = min(C, T - t)
            to_end, whole = decay_to_end(a, n, C), td.exp2(a * n.to(td.f32))
        decayed = (vt.to(td.f32) * to_end[:, None]).to(q.dtype)
        state = td.dot(decayed.T, kt, state * whole, precision=precision)

    if s1 is not None:
        s1[b, h, 0:KP, c : c + BV] = state.T
