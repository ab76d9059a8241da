"""The chunk form of five mixers, as the program of one block, in the primitives of `tiles` and nothing else.

Each function is what a derived kernel must come down to: one block owns a batch element, a head and a tile of the value
axis, walks the chunks of C tokens and carries the state in registers. Lengths need not divide: loads fill with
zero, and where zero is not neutral the text says what is. All exponents are ≤ 0 by construction.
"""

from __future__ import annotations

import math

from tiles import (
    Tile,
    View,
    across,
    add,
    broadcast,
    cast,
    dim,
    dot,
    down,
    exp,
    expand_dims,
    extract,
    iota,
    load,
    log,
    loop,
    maximum,
    minimum,
    reduce,
    reshape,
    scan,
    splat,
    store,
    transpose,
    where,
)

NEVER = -1e30
"""A log-weight whose exponential is 0, finite so that the difference of two is not NaN."""

SUB = 16
"""Rows of a sub-block."""


def constant_decay(
    q: View,
    k: View,
    v: View,
    slope: View,
    S0: View,
    o: View,
    S1: View,
    *,
    b: int,
    h: int,
    e: int,
    C: int,
    K: int,
    V: int,
) -> None:
    """Scalar decay e^{−s} per head: P1 with b_r = −(r + 1) s. The weights do not depend on the chunk, only its
    length does."""
    T = dim(q, 1)
    s = load(slope, [h], [], [])
    S = load(S0, [b, h, 0, e], [2, 3], [K, V])
    r = cast(iota(C), s)
    age = across(r, C) - down(r, C)
    M = exp(where(-age <= 0.0, -(age * splat(s, [C, C])), NEVER))
    since_start = exp(-((r + 1.0) * splat(s, [C])))
    for t in loop(0, T, C):
        n = cast(min(C, T - t), s)
        Q, Kt = (load(x, [b, t, h, 0], [1, 3], [C, K]) for x in (q, k))
        X = load(v, [b, t, h, e], [1, 3], [C, V])
        out = dot(dot(Q, transpose(Kt)) * M, X) + dot(Q * across(since_start, K), S)
        store(out, o, [b, t, h, e], [1, 3])
        to_end = splat(n - 1.0, [C]) - r  # from the true length: a ragged chunk decays less
        left = exp(where(-to_end <= 0.0, -(to_end * splat(s, [C])), NEVER))
        S = splat(exp(-(n * s)), [K, V]) * S + dot(transpose(Kt * across(left, K)), X)
    store(S, S1, [b, h, 0, e], [2, 3])


def scalar_decay(
    q: View, k: View, v: View, g: View, S0: View, o: View, S1: View, *, b: int, h: int, e: int, C: int, K: int, V: int
) -> None:
    """P1 with a log-decay per token. Rows past the end load g = 0, so the last row's sum is that of the true length."""
    T = dim(q, 1)
    S = load(S0, [b, h, 0, e], [2, 3], [K, V])
    r = iota(C)
    causal = down(r, C) <= across(r, C)
    for t in loop(0, T, C):
        Q, Kt = (load(x, [b, t, h, 0], [1, 3], [C, K]) for x in (q, k))
        X = load(v, [b, t, h, e], [1, 3], [C, V])
        gt = load(g, [b, t, h], [1], [C])
        (B,) = scan([gt], 0, add)
        (total,) = reduce([gt], 0, add)
        M = exp(where(causal, across(B, C) - down(B, C), NEVER))
        out = dot(dot(Q, transpose(Kt)) * M, X) + dot(Q * across(exp(B), K), S)
        store(out, o, [b, t, h, e], [1, 3])
        left = exp(splat(total, [C]) - B)
        S = splat(exp(total), [K, V]) * S + dot(transpose(Kt * across(left, K)), X)
    store(S, S1, [b, h, 0, e], [2, 3])


def vector_decay(
    q: View, k: View, v: View, g: View, S0: View, o: View, S1: View, *, b: int, h: int, e: int, C: int, K: int, V: int
) -> None:
    """P2: a log-decay per token and key channel.

    Scores between sub-blocks take as reference the sum at the first row of the query's sub-block, so that both
    factors are ≤ 1; inside a sub-block the weight of every (query, key, channel) is formed by itself.
    """
    T = dim(q, 1)
    S = load(S0, [b, h, 0, e], [2, 3], [K, V])
    for t in loop(0, T, C):
        Q, Kt, G = (load(x, [b, t, h, 0], [1, 3], [C, K]) for x in (q, k, g))
        X = load(v, [b, t, h, e], [1, 3], [C, V])
        (B,) = scan([G], 0, add)
        (total,) = reduce([G], 0, add)
        inter = dot(Q * exp(B), S)
        for i in range(0, C, SUB):
            Qi, Bi = (extract(x, [i, 0], [SUB, K]) for x in (Q, B))
            out = extract(inter, [i, 0], [SUB, V])
            if i > 0:
                ref = extract(B, [i, 0], [1, K])
                weighed = Kt * exp(where(_before(i, C, K), broadcast(ref, [C, K]) - B, NEVER))
                out = out + dot(dot(Qi * exp(Bi - broadcast(ref, [SUB, K])), transpose(weighed)), X)
            A = _pairs(Qi, extract(Kt, [i, 0], [SUB, K]), Bi, Bi)
            store(out + dot(A, extract(X, [i, 0], [SUB, V])), o, [b, t + i, h, e], [1, 3])
        S = across(exp(total), V) * S + dot(transpose(Kt * exp(down(total, C) - B)), X)
    store(S, S1, [b, h, 0, e], [2, 3])


def lightnet(
    q: View, k: View, v: View, S0: View, z0: View, o: View, S1: View, z1: View,
    *, b: int, h: int, e: int, C: int, K: int, V: int,
) -> None:  # fmt: skip
    """The key is its own gate: weights e^{k_j − z_i} with z the running log-sum-exp of k.

    The decay between two tokens telescopes to e^{z_u − z_i}, so no cumulative decay is formed; the reference of a
    sub-block is z just before it. Rows past the end load k = NEVER, which leaves every sum as it is. The state is
    normalised to z of the chunk's end; before the first token z is −∞ and the state 0.
    """
    T = dim(q, 1)
    S = load(S0, [b, h, 0, e], [2, 3], [K, V])
    start = load(z0, [b, h, 0], [2], [K])
    for t in loop(0, T, C):
        Q = load(q, [b, t, h, 0], [1, 3], [C, K])
        Kt = load(k, [b, t, h, 0], [1, 3], [C, K], other=NEVER)
        X = load(v, [b, t, h, e], [1, 3], [C, V])
        one = Kt * 0.0 + 1.0
        Z = _logaddexp(down(start, C), _log_of(*scan([Kt, one], 0, _sum_of_exp)))
        end = _logaddexp(start, _log_of(*reduce([Kt, one], 0, _sum_of_exp)))
        inter = dot(Q * exp(down(start, C) - Z), S)
        for i in range(0, C, SUB):
            Qi, Zi = (extract(x, [i, 0], [SUB, K]) for x in (Q, Z))
            out = extract(inter, [i, 0], [SUB, V])
            if i > 0:
                ref = extract(Z, [i - 1, 0], [1, K])
                weights = exp(where(_before(i, C, K), Kt - broadcast(ref, [C, K]), NEVER))
                out = out + dot(dot(Qi * exp(broadcast(ref, [SUB, K]) - Zi), transpose(weights)), X)
            key = extract(Kt, [i, 0], [SUB, K])
            A = _pairs(Qi, key * 0.0 + 1.0, Zi, key, sign=-1.0)
            store(out + dot(A, extract(X, [i, 0], [SUB, V])), o, [b, t + i, h, e], [1, 3])
        S = across(exp(start - end), V) * S + dot(transpose(exp(Kt - down(end, C))), X)
        start = end
    store(S, S1, [b, h, 0, e], [2, 3])
    store(start, z1, [b, h, 0], [2])


def element_wise(
    q: View, k: View, v: View, S0: View, Z0: View, mu0: View, y: View, S1: View, Z1: View, mu1: View,
    *, b: int, d: int, C: int, D: int, P: int,
) -> None:  # fmt: skip
    """Every channel by itself: a prefix scan of (μ, S_0 … S_P, Z_0 … Z_P), whose combine rescales both sides to the
    smaller μ as an online softmax does. A token alone is (k², kⁿ v, kⁿ). A row past the end has a huge μ, so its
    weight is 0."""
    T = dim(q, 1)
    N = range(P + 1)
    state = (
        load(mu0, [b, d], [1], [D]),
        *(load(S0, [b, n, d], [2], [D]) for n in N),
        *(load(Z0, [b, n, d], [2], [D]) for n in N),
    )
    r = across(iota(C), D)
    for t in loop(0, T, C):
        Q, Kt, X = (load(x, [b, t, d], [1, 2], [C, D]) for x in (q, k, v))
        powers = [Kt * 0.0 + 1.0]
        for _ in range(P):
            powers.append(powers[-1] * Kt)
        tokens = (where(r < (T - t), Kt * Kt, -NEVER), *(p * X for p in powers), *powers)
        inside = scan(tokens, 0, _to_smaller_mu)
        _, *sums = _to_smaller_mu(*(down(x, C) for x in state), *inside)
        p = [2.0**n / math.factorial(n) for n in N]
        store(_horner(p, sums[: P + 1], Q) / _horner(p, sums[P + 1 :], Q), y, [b, t, d], [1, 2])
        state = _to_smaller_mu(*state, *reduce(tokens, 0, _to_smaller_mu))
    mu, *sums = state
    store(mu, mu1, [b, d], [1])
    for n in N:
        store(sums[n], S1, [b, n, d], [2])
        store(sums[P + 1 + n], Z1, [b, n, d], [2])


def based(
    q: View, k: View, v: View, S0: View, n0: View, o: View, S1: View, n1: View,
    *, b: int, h: int, e: int, C: int, K: int, V: int,
) -> None:  # fmt: skip
    """φ(q)·φ(k) is the polynomial 1 + s + s²/2 of s = q·k: inside the chunk it is taken of the scores, and only the
    state holds features, of degree 0, 1 and 2 in the views' rows 0, 1 … K and K + 1 …. φ(0) is not 0: the count
    needs the true length.
    """
    T = dim(q, 1)
    half = math.sqrt(0.5)
    S = [load(S0, [b, h, at, e], [2, 3], [rows, V]) for at, rows in ((1, K), (1 + K, K * K))]
    count = load(n0, [b, h, 0], [], [])
    S_one = load(S0, [b, h, 0, e], [3], [V])
    n = [load(n0, [b, h, at], [2], [rows]) for at, rows in ((1, K), (1 + K, K * K))]
    r = iota(C)
    causal = down(r, C) <= across(r, C)
    for t in loop(0, T, C):
        Q, Kt = (load(x, [b, t, h, 0], [1, 3], [C, K]) for x in (q, k))
        X = load(v, [b, t, h, e], [1, 3], [C, V])
        s = dot(Q, transpose(Kt))
        A = where(causal, s * s * 0.5 + s + 1.0, 0.0)
        fq, fk = [Q, _squares(Q) * half], [Kt, _squares(Kt) * half]
        numerator = dot(A, X) + down(S_one, C)
        denominator = reduce([A], 1, add)[0] + splat(count, [C])
        for f, Sf, nf in zip(fq, S, n, strict=True):
            numerator = numerator + dot(f, Sf)
            denominator = denominator + reduce([f * down(nf, C)], 1, add)[0]
        store(numerator / across(denominator, V), o, [b, t, h, e], [1, 3])
        S = [Sf + dot(transpose(f), X) for f, Sf in zip(fk, S, strict=True)]
        n = [nf + reduce([f], 0, add)[0] for f, nf in zip(fk, n, strict=True)]
        S_one = S_one + reduce([X], 0, add)[0]
        count = count + cast(min(C, T - t), count)
    for (at, _), Sf, nf in zip(((1, K), (1 + K, K * K)), S, n, strict=True):
        store(Sf, S1, [b, h, at, e], [2, 3])
        store(nf, n1, [b, h, at], [2])
    store(S_one, S1, [b, h, 0, e], [3])
    store(count, n1, [b, h, 0], [])


# Pieces --------------------------------------------------------------------------------------------------------------


def _before(i: int, C: int, K: int) -> Tile:
    """Whether a row of the chunk lies before row i, [C, K]."""
    return across(iota(C), K) < i


def _pairs(q: Tile, k: Tile, bq: Tile, bk: Tile, sign: float = 1.0) -> Tile:
    """Scores inside a sub-block: Σ_d q_id k_jd e^{sign · (bq_id − bk_jd)} for j ≤ i, each weight formed by itself."""
    n, K = q.shape
    cube = [n, n, K]
    r = iota(n)
    causal = broadcast(expand_dims(down(r, n) <= across(r, n), 2), cube)

    def queries(x: Tile) -> Tile:
        return broadcast(expand_dims(x, 1), cube)

    def keys(x: Tile) -> Tile:
        return broadcast(expand_dims(x, 0), cube)

    weights = exp(where(causal, (queries(bq) - keys(bk)) * sign, NEVER))
    return reduce([queries(q) * keys(k) * weights], 2, add)[0]


def _sum_of_exp(m: Tile, s: Tile, m2: Tile, s2: Tile) -> tuple[Tile, ...]:
    """Combine of (maximum, sum of e^{x − maximum})."""
    most = maximum(m, m2)
    return most, s * exp(m - most) + s2 * exp(m2 - most)


def _log_of(m: Tile, s: Tile) -> Tile:
    return m + log(s)


def _logaddexp(x: Tile, y: Tile) -> Tile:
    """log(e^x + e^y) for a finite y; x may be −∞."""
    most = maximum(x, y)
    return most + log(exp(x - most) + exp(y - most))


def _to_smaller_mu(*parts: Tile) -> tuple[Tile, ...]:
    """Combine of (μ, sums scaled by e^μ)."""
    half = len(parts) // 2
    (mu, *sums), (mu2, *sums2) = parts[:half], parts[half:]
    least = minimum(mu, mu2)
    w, w2 = exp(least - mu), exp(least - mu2)
    return least, *(s * w + s2 * w2 for s, s2 in zip(sums, sums2, strict=True))


def _horner(p: list[float], sums: list[Tile], x: Tile) -> Tile:
    """Σ_n p_n s_n xⁿ."""
    value = sums[-1] * p[-1]
    for factor, s in zip(reversed(p[:-1]), reversed(sums[:-1]), strict=True):
        value = value * x + s * factor
    return value


def _squares(x: Tile) -> Tile:
    """x ⊗ x of every row, flattened: [n, K·K]."""
    n, K = x.shape
    outer = broadcast(expand_dims(x, 2), [n, K, K]) * broadcast(expand_dims(x, 1), [n, K, K])
    return reshape(outer, [n, K * K])
