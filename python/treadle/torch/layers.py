"""Token mixers as layers, each as in its paper: projections by PyTorch, the recurrence by a derived kernel.

All have `forward(x, state=None, return_state=False, cu_seqlens=None)`, for training and for the tokens of a prompt, and
`step(x, state)`, for the next token, without gradients. Shapes:

x, y: [B, T, d_model]; in `step` [B, d_model]. The dtype is that of the parameters, or autocast's.
state: what `forward` with return_state=True and `step` return, f32, one tensor or a tuple; None is the beginning.
cu_seqlens: [N + 1] int64 or int32, where sequences in one row begin; B is then 1, and states are of N sequences.

Wrong sizes are a ValueError, tensors that do not fit a LaunchError.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from treadle import kernels
from treadle.torch.mixer import Mixer, divided, heads, low_rank, rms_norm, slopes
from treadle.torch.operators import Op, op

_LIGHTNING = op(kernels.step("lightning_attention"))
_LIGHTNET = op(kernels.step("lightnet"))
_LIGHTNET_LRPE = op(kernels.step("lightnet", "lightnet_lrpe"))
_ELEMENT_WISE = op(kernels.step("element_wise_attention"))
_BASED = op(kernels.step("based"))
_BASED_SUMS = op(kernels.step("based", "based_unnormalised"))


class LightningAttention(Mixer):
    """Lightning attention: linear attention with a constant decay for each head.

    q = silu(x W_q), k = silu(x W_k), v = x W_v; for each head S_t = lambda S_{t-1} + k_t v_t^T, o_t = q_t^T S_t; then
    y = (norm(o) * sigmoid(x W_1 W_2)) W_o. Head h of H in layer l of L decays by lambda = exp(-slope_h (1 - l / (L - 1)
    + 1e-5)), `slopes` has slope_h.

    head_dim: of queries and keys; value_dim: of values, each of a head; d_model / num_heads unless given. layer,
    num_layers: l and L. norm: "whole", of all heads together, or "head", of each. affine: whether the norm has weights;
    without, it is SimpleRMSNorm. gate_rank: of the output gate, value_dim unless given; 0: no gate.

    State: f32 [B, H, head_dim, value_dim].
    Source: Qin et al., "TransNormerLLM", arXiv:2307.14995; "Lightning Attention-2", arXiv:2401.04658.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        *,
        head_dim: int | None = None,
        value_dim: int | None = None,
        layer: int = 0,
        num_layers: int = 1,
        norm: str = "whole",
        affine: bool = False,
        gate_rank: int | None = None,
        eps: float = 1e-6,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where = {"device": device, "dtype": dtype}
        self.num_heads = num_heads
        if norm not in ("whole", "head"):
            raise ValueError(f"norm: expected 'whole' or 'head', found {norm!r}")
        if not 0 <= layer < num_layers:
            raise ValueError(f"layer: expected a number from 0, below num_layers = {num_layers}, found {layer}")
        K = head_dim or divided("d_model", d_model, num_heads)
        V = value_dim or divided("d_model", d_model, num_heads)
        self.norm, self.eps = norm, eps
        self.q = nn.Linear(d_model, num_heads * K, bias=False, **where)
        self.k = nn.Linear(d_model, num_heads * K, bias=False, **where)
        self.v = nn.Linear(d_model, num_heads * V, bias=False, **where)
        rank = V if gate_rank is None else gate_rank
        self.gate = low_rank(d_model, rank, num_heads * V, **where) if rank else None
        size = num_heads * V if norm == "whole" else V
        self.weight = nn.Parameter(torch.ones(size, **where)) if affine else None
        self.o = nn.Linear(num_heads * V, d_model, bias=False, **where)
        factor = (1 - layer / (num_layers - 1) if num_layers > 1 else 1.0) + 1e-5
        self.fix("log_decay", [-slope * factor for slope in slopes(num_heads)], device)

    def kernel(self) -> Op:
        return _LIGHTNING

    def inputs(self, x: Any) -> tuple[Any, ...]:
        q, k, v = (heads(y, self.num_heads) for y in (F.silu(self.q(x)), F.silu(self.k(x)), self.v(x)))
        return q, k, v, self.log_decay

    def output(self, o: Any, x: Any) -> Any:
        if self.norm == "whole":
            o = rms_norm(o.flatten(-2), self.weight, self.eps)
        else:
            o = rms_norm(o, self.weight, self.eps).flatten(-2)
        return self.o(o if self.gate is None else o * torch.sigmoid(self.gate(x)))


class LightNetAttention(Mixer):
    """LightNet: means of values whose weights are running softmaxes of keys.

    q = x W_q, k = x W_k, v = x W_v; for each head z_t = logaddexp(z_{t-1}, k_t), S_t = exp(z_{t-1} - z_t) S_{t-1} +
    exp(k_t - z_t) v_t^T, o_t = silu(q_t)^T S_t; then with u = x W_1 W_2, all heads together, and the weights w of the
    norm, gate "post": y = (rms_norm(o) * w * silu(u)) W_o; "pre": y = (rms_norm(o * sigmoid(u)) * w) W_o; "none":
    y = (rms_norm(o) * w) W_o.

    key_dim: of a head's queries and keys, d_model / num_heads unless given, as a head's values have. gate_rank: of W_1,
    key_dim unless given.
    axes: 0, or how many coordinates tokens have, with MD-LRPE by cosines: in channel d weights are multiplied by
    cos((s_i - s_j) theta_d), where channels are divided among the axes and theta_d = base ** (-2 j / n) in channel j of
    an axis' n. `positions` are then [B, T, axes], in `step` [B, axes]; with axes = 1 they may lack, and are the tokens'
    numbers in their sequence.

    State: (S, z), f32 [B, H, key_dim, V] and [B, H, key_dim]; with axes (S_cos, S_sin, z, count), the last int64 [B]:
    how many tokens there were.
    Source: Qin et al., "You Only Scan Once", arXiv:2405.21022.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        *,
        key_dim: int | None = None,
        gate: str = "post",
        gate_rank: int | None = None,
        axes: int = 0,
        base: float = 10000.0,
        scale: float = 1.0,
        eps: float = 1e-6,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where = {"device": device, "dtype": dtype}
        if gate not in ("pre", "post", "none"):
            raise ValueError(f"gate: expected 'pre', 'post' or 'none', found {gate!r}")
        K = key_dim or divided("d_model", d_model, num_heads)
        divided("d_model", d_model, num_heads)
        self.num_heads, self.gate_kind, self.axes, self.scale, self.eps = num_heads, gate, axes, scale, eps
        self.q = nn.Linear(d_model, num_heads * K, bias=False, **where)
        self.k = nn.Linear(d_model, num_heads * K, bias=False, **where)
        self.v = nn.Linear(d_model, d_model, bias=False, **where)
        self.gate: Any = None if gate == "none" else low_rank(d_model, gate_rank or K, d_model, **where)
        self.weight = nn.Parameter(torch.ones(d_model, **where))
        self.o = nn.Linear(d_model, d_model, bias=False, **where)
        if axes:
            n = divided("key_dim", K, axes)
            turns = [base ** (-2 * j / n) for j in range(n)]
            of_axes = [[0.0] * (n * a) + turns + [0.0] * (n * (axes - 1 - a)) for a in range(axes)]
            self.fix("theta", [of_axes] * num_heads, device)

    def kernel(self) -> Op:
        return _LIGHTNET_LRPE if self.axes else _LIGHTNET

    def constants(self) -> dict[str, Any]:
        return {"scale": self.scale}

    def output(self, o: Any, x: Any) -> Any:
        o = o.flatten(-2)
        if self.gate_kind == "pre":
            o = o * torch.sigmoid(self.gate(x))
        o = rms_norm(o, self.weight, self.eps)
        if self.gate_kind == "post":
            o = o * F.silu(self.gate(x))
        return self.o(o)

    def forward(
        self, x: Any, state: Any = None, return_state: bool = False, cu_seqlens: Any = None, positions: Any = None
    ) -> Any:
        """y, or (y, state) with return_state."""
        if not self.axes:
            return super().forward(x, state, return_state, cu_seqlens)
        *before, count = (None, None) if state is None else state
        if positions is None:
            positions = self._numbers(x, count, cu_seqlens)
        settings = {"output_final_state": return_state, "cu_seqlens": cu_seqlens, **self.constants()}
        initial = None if state is None else tuple(before)
        o, final = self.kernel()(
            *self.inputs(x), positions.to(torch.float32), self.theta, initial_state=initial, **settings
        )
        y = self.output(o, x)
        return (y, (*final, self._counted(x, count, cu_seqlens))) if return_state else y

    @torch.no_grad()
    def step(self, x: Any, state: Any = None, positions: Any = None) -> tuple[Any, Any]:
        """The output for the next token of each sequence, and the state after it."""
        if not self.axes:
            found: tuple[Any, Any] = super().step(x, state)
            return found
        *before, count = (None, None) if state is None else state
        if count is None:
            count = x.new_zeros(x.shape[0], dtype=torch.int64)
        if positions is None:
            positions = self._only_axis(count[:, None])
        o, final = self.kernel().scan.step(
            *self.inputs(x),
            positions.to(torch.float32),
            self.theta,
            state=None if state is None else tuple(before),
            **self.constants(),
        )
        return self.output(o, x), (*final, count + 1)

    def _numbers(self, x: Any, count: Any, cu_seqlens: Any) -> Any:
        """The tokens' numbers in their sequences [B, T, 1], those before the state included."""
        at = torch.arange(x.shape[1], device=x.device)
        if cu_seqlens is None:
            numbers = at.expand(x.shape[0], -1) if count is None else at + count[:, None]
        else:
            sequence = torch.searchsorted(cu_seqlens[1:].long(), at, right=True)
            numbers = (at - cu_seqlens[sequence] + (0 if count is None else count[sequence]))[None]
        return self._only_axis(numbers[..., None])

    def _only_axis(self, numbers: Any) -> Any:
        if self.axes != 1:
            raise ValueError(f"positions: expected those of tokens on {self.axes} axes, found none")
        return numbers

    def _counted(self, x: Any, count: Any, cu_seqlens: Any) -> Any:
        """How many tokens each sequence has had."""
        if cu_seqlens is None:
            new = x.new_full((x.shape[0],), x.shape[1], dtype=torch.int64)
        else:
            new = cu_seqlens[1:].long() - cu_seqlens[:-1].long()
        return new if count is None else count + new


class ElementWiseAttention(Mixer):
    """Element-wise attention: in every channel a softmax of -(q - k)^2, with a polynomial for exp(2 q k).

    q, k, v = x W_q, x W_k, x W_v; y = o W_o, or o without out_proj; kernels/element_wise_attention has the formula.
    order: the polynomial's, an even one, for which the denominator is positive. num_heads only divides channels.

    State: (S, Z, mu), f32 [B, H, D, order + 1] twice and [B, H, D], D = d_model / num_heads.
    Source: Feng, "Element-wise Attention Is All You Need", arXiv:2501.05730.
    """

    def __init__(
        self,
        d_model: int,
        *,
        order: int = 6,
        num_heads: int = 1,
        out_proj: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where = {"device": device, "dtype": dtype}
        divided("d_model", d_model, num_heads)
        self.num_heads, self.order = num_heads, order
        self.q = nn.Linear(d_model, d_model, **where)
        self.k = nn.Linear(d_model, d_model, **where)
        self.v = nn.Linear(d_model, d_model, **where)
        self.o = nn.Linear(d_model, d_model, **where) if out_proj else nn.Identity()

    def kernel(self) -> Op:
        return _ELEMENT_WISE

    def constants(self) -> dict[str, Any]:
        return {"P": self.order}


class BasedAttention(Mixer):
    """Based: linear attention whose weights are the second Taylor polynomial of the exponential.

    q, k, v = x W_q, x W_k, x W_v; for each head o_t is the mean of values with weights 1 + s + s ** 2 / 2, s = q_t .
    k_u / sqrt(feature_dim), or their sum where it is not normalised; y = o W_o.

    feature_dim: of a head's queries and keys, a power of two, 16 in the paper; values have d_model / num_heads.

    State: (S, n), f32 [B, H, F, V] and [B, H, F], F = 1 + feature_dim + feature_dim ** 2; where it is not normalised S.
    Source: Arora et al., "Simple linear attention language models balance the recall-throughput tradeoff",
    arXiv:2402.18668.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        *,
        feature_dim: int = 16,
        normalised: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where = {"device": device, "dtype": dtype}
        divided("d_model", d_model, num_heads)
        if feature_dim < 1 or feature_dim & (feature_dim - 1):
            raise ValueError(f"feature_dim: expected a power of two, found {feature_dim}")
        self.num_heads, self.normalised = num_heads, normalised
        self.q = nn.Linear(d_model, num_heads * feature_dim, bias=False, **where)
        self.k = nn.Linear(d_model, num_heads * feature_dim, bias=False, **where)
        self.v = nn.Linear(d_model, d_model, bias=False, **where)
        self.o = nn.Linear(d_model, d_model, bias=False, **where)

    def kernel(self) -> Op:
        return _BASED if self.normalised else _BASED_SUMS
