"""What token mixers as layers share: how a kernel is called on whole sequences, and on the next token."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from treadle.torch.operators import Op


class Mixer(nn.Module, ABC):
    """What the layers share: how a kernel is called, on whole sequences and on the next token."""

    num_heads: int
    q: Any
    k: Any
    v: Any
    o: Any
    """Projections."""

    def __init__(self) -> None:
        super().__init__()
        self._fixed: dict[str, Any] = {}

    def fix(self, name: str, values: Any, device: Any) -> None:
        """Keep numbers as an f32 tensor that is no parameter, and is f32 whatever the layer is converted to."""
        self._fixed[name] = values
        self.register_buffer(name, torch.tensor(values, dtype=torch.float32, device=device), persistent=False)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        super()._apply(fn, recurse)
        for name, values in self._fixed.items():
            setattr(self, name, torch.tensor(values, dtype=torch.float32, device=getattr(self, name).device))
        return self

    @abstractmethod
    def kernel(self) -> Op:
        """The kernel."""

    def constants(self) -> dict[str, Any]:
        """The kernel's constants."""
        return {}

    def inputs(self, x: Any) -> tuple[Any, ...]:
        """What the kernel is given for tokens x [..., d_model]: tensors [..., H, ...]."""
        return tuple(heads(y, self.num_heads) for y in (self.q(x), self.k(x), self.v(x)))

    def output(self, o: Any, x: Any) -> Any:
        """The layer's output [..., d_model] from the kernel's [..., H, ...]."""
        return self.o(o.flatten(-2))

    def forward(self, x: Any, state: Any = None, return_state: bool = False, cu_seqlens: Any = None) -> Any:
        """y, or (y, state) with return_state."""
        settings = {"output_final_state": return_state, "cu_seqlens": cu_seqlens, **self.constants()}
        o, final = self.kernel()(*self.inputs(x), initial_state=state, **settings)
        y = self.output(o, x)
        return (y, final) if return_state else y

    @torch.no_grad()
    def step(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """The output for the next token of each sequence, and the state after it."""
        o, final = self.kernel().scan.step(*self.inputs(x), state=state, **self.constants())
        return self.output(o, x), final


def heads(x: Any, count: int) -> Any:
    """[..., H * D] as [..., H, D]."""
    return x.unflatten(-1, (count, -1))


def divided(what: str, size: int, by: int) -> int:
    """A quotient that must be whole."""
    if by < 1 or size % by:
        raise ValueError(f"{what}: expected a multiple of {by}, found {size}")
    return size // by


def rms_norm(x: Any, weight: Any, eps: float) -> Any:
    """x / rms(x) along the last axis, times the weight if there is one, in the dtype of x."""
    y = F.rms_norm(x, x.shape[-1:], None, eps)
    return y if weight is None else (y * weight).to(x.dtype)


def low_rank(d_model: int, rank: int, size: int, **where: Any) -> nn.Sequential:
    """The projection of a gate, of a rank."""
    return nn.Sequential(nn.Linear(d_model, rank, bias=False, **where), nn.Linear(rank, size, bias=False, **where))


def slopes(count: int) -> list[float]:
    """2 ** (-8 (h + 1) / H) for head h of H, a power of two; for other H as Press et al., arXiv:2108.12409, have it."""
    power = 1 << (count.bit_length() - 1)
    found = [2.0 ** (-8 * (h + 1) / power) for h in range(power)]
    return found if power == count else found + slopes(2 * power)[::2][: count - power]
