"""What the functions of this package share: steps by name, and arrays of NumPy and PyTorch handled alike."""

from __future__ import annotations

import functools
import math
import sys
from typing import Any

import numpy as np

from treadle import kernels
from treadle.errors import LaunchError
from treadle.runtime import scan_arrays as arrays
from treadle.testing import unpack

_PACKAGES = {
    "lightning_attention": "lightning_attention",
    "retention": "retention",
    "simple_gla": "retention",
    "gla": "gla",
    "based": "based",
    "based_unnormalised": "based",
    "short_conv": "short_conv",
    "short_conv_bias": "short_conv",
}
"""Of steps that are in kernels/, the package."""
_OWN = ("undecayed", "normalised", "gla_values", "gla_both", "log_hgrn")

_operators: dict[str, Any] = {}


@functools.cache
def step(name: str) -> Any:
    """A step by its name."""
    if name in _PACKAGES:
        return kernels.step(_PACKAGES[name], name)
    from treadle.fla import steps

    return getattr(steps, name)


def prepare() -> None:
    """Register all steps with PyTorch, which has to be done before torch.compile traces."""
    from treadle.torch import op

    for name in (*_PACKAGES, *_OWN):
        _operators[name] = op(step(name))


def call(name: str, *inputs: Any, initial_state: Any = None, **settings: Any) -> tuple[Any, Any]:
    """Run a step on arrays of NumPy, or on tensors of PyTorch with their gradients; as kernels need them in memory."""
    ready = [_with_rows(x) for x in inputs]
    if isinstance(initial_state, tuple):
        settings["initial_state"] = tuple(contiguous(x) for x in initial_state)
    elif initial_state is not None:
        settings["initial_state"] = contiguous(initial_state)
    if is_torch(inputs[0]) and not _operators:
        prepare()
    run = _operators[name] if is_torch(inputs[0]) else step(name)
    return run(*ready, **settings)  # type: ignore[no-any-return]


def _with_rows(x: Any) -> Any:
    """An array whose last axis lies in memory without gaps: itself, or a copy."""
    gap = x.stride(-1) != 1 if is_torch(x) else x.strides[-1] != x.itemsize
    return contiguous(x) if gap else x


def unknown(function: str, keywords: dict[str, Any], ignored: tuple[str, ...] = ()) -> None:
    """A LaunchError for keywords that a function does not have; those ignored do not change results."""
    for name in keywords:
        if name == "head_first":
            raise LaunchError(f"{function}: argument 'head_first': expected none, arrays are [B, T, H, ...]")
        if name not in ignored:
            raise LaunchError(f"{function}: expected the arguments of flash-linear-attention, found '{name}'")


def values_first(function: str, keywords: dict[str, Any], state_v_first: bool) -> bool:
    """state_v_first, or what is given by its old name, transpose_state_layout, which goes out of the keywords."""
    if "transpose_state_layout" not in keywords:
        return state_v_first
    if state_v_first:
        raise LaunchError(
            f"{function}: argument 'transpose_state_layout': expected none with state_v_first, whose old name it is"
        )
    return bool(keywords.pop("transpose_state_layout"))


def scale_of(scale: float | None, k: Any) -> float:
    """The scale, K ** -0.5 unless given."""
    return 1.0 / math.sqrt(k.shape[-1]) if scale is None else float(scale)


def is_torch(x: Any) -> bool:
    """Whether an array is PyTorch's; torch.compile can follow this."""
    return not isinstance(x, np.ndarray)


def module_of(x: Any) -> Any:
    """torch or numpy."""
    return sys.modules["torch"] if is_torch(x) else np


def contiguous(x: Any) -> Any:
    """An array row-major in memory: itself, or a copy."""
    return x.contiguous() if is_torch(x) else np.ascontiguousarray(x)


def f32(x: Any) -> Any:
    """An array of numbers as f32; None stays None."""
    if x is None:
        return None
    if is_torch(x):
        return x.float()
    return (unpack(x, "bf16") if x.dtype == np.uint16 else x).astype(np.float32)


def stored_as(x: Any, like: Any) -> Any:
    """An array of floats in the dtype of another."""
    return x.to(like.dtype) if is_torch(x) else arrays.cast(x, like)


def scaled(x: Any, factor: float) -> Any:
    """An array of floats times a number, stored as before."""
    return x if factor == 1.0 else stored_as(f32(x) * factor, x)


def index(n: int, like: Any) -> Any:
    """0, 1, ... n - 1 as integers, where another array is."""
    return module_of(like).arange(n, device=like.device) if is_torch(like) else np.arange(n)


def zeros(shape: tuple[int, ...], like: Any) -> Any:
    """Zeros, stored and placed as another array is."""
    return like.new_zeros(shape) if is_torch(like) else np.zeros(shape, like.dtype)


def turned(state: Any, turn: bool) -> Any:
    """A state [N, H, K, V] as [N, H, V, K] or back, row-major, if asked; None stays None."""
    return state if state is None or not turn else contiguous(state.swapaxes(-1, -2))


if "torch" in sys.modules:
    prepare()
