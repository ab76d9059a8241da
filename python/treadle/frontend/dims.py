"""Sizes of tensors."""

from __future__ import annotations

from treadle.frontend import symbolic
from treadle.frontend.builder import Builder
from treadle.frontend.dtypes import index
from treadle.frontend.values import Scalar, TensorRef


def axis_size(b: Builder, tensor: TensorRef, axis: int) -> Scalar | int:
    """The size of an axis: constant, or one value for each dimension name."""
    size = tensor.axes[axis]
    if isinstance(size, int):
        return size
    name = b.emitter.shared(f"dim {size}", "", f"tile.dim {tensor.name}, {axis} : {tensor.type}")
    return Scalar(name, index, symbolic.atom(size), nonneg=True)
