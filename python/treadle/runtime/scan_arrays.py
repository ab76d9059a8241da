"""What calling a scan needs of arrays, NumPy's or PyTorch's, without importing PyTorch."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from treadle.errors import LaunchError
from treadle.runtime import _streams, _tensors
from treadle.runtime.call import device_of, dtype_name

__all__ = [
    "address", "alignment", "cast", "contiguous", "copy", "device_of", "dtype_name", "dtype_of", "empty", "is_array",
    "is_integer", "is_torch", "multiprocessors", "on_stream", "permuted", "place_of", "shape_of", "shown_dtype",
    "tiled", "to_int64", "to_numpy", "zeros", "zeros_like",
]  # fmt: skip

DTYPES = {
    "float32": "f32",
    "float16": "f16",
    "bfloat16": "bf16",
    "uint16": "bf16",  # NumPy's storage of it
    "int32": "i32",
}
"""What a field of a scan can be stored as, by the array's dtype."""

_ALIGNMENTS = (16, 8, 4)


def is_array(value: Any) -> bool:
    """Whether this is an array of NumPy, or a tensor of PyTorch."""
    return _tensors.is_tensor(value) and hasattr(value, "swapaxes") and hasattr(value, "shape")


def is_torch(value: Any) -> bool:
    """Whether an array is a tensor of PyTorch rather than NumPy's."""
    return callable(getattr(value, "data_ptr", None))


def dtype_of(value: Any) -> str:
    """The dtype of an array as fields have it; "" for any other."""
    return DTYPES.get(dtype_name(value), "")


def shown_dtype(value: Any) -> str:
    """The dtype of an array in messages."""
    return dtype_of(value) or dtype_name(value) or "no dtype"


def place_of(value: Any) -> str:
    """Where an array is, for messages and for telling places apart."""
    device = device_of(value)
    if not is_torch(value):
        return "NumPy"
    return "PyTorch on the CPU" if device < 0 else f"PyTorch on CUDA device {device}"


def shape_of(value: Any) -> tuple[int, ...]:
    """Its shape, as plain integers."""
    return tuple(int(size) for size in value.shape)


def is_integer(value: Any) -> bool:
    """Whether an array has elements of int32 or int64."""
    return dtype_name(value) in ("int32", "int64")


def to_int64(value: Any) -> Any:
    """An array of integers as int64, where it is."""
    if dtype_name(value) == "int64":
        return value
    return value.long() if is_torch(value) else value.astype("int64")


def to_numpy(value: Any) -> Any:
    """An array as NumPy's float64 or int64, whatever it is stored as."""
    name = dtype_name(value)
    floating = name.startswith(("float", "bfloat"))
    if is_torch(value):
        value = value.detach().cpu()
        return (value.double() if floating else value.long()).numpy()
    if name == "uint16":
        from treadle.testing import unpack

        return unpack(value, "bf16")
    return value.astype("float64" if floating else "int64")


def refuse_tangents(name: str, tensors: Iterable[Any]) -> None:
    """An error if PyTorch's forward mode differentiates by one of these: nothing would come of it, silently."""
    forward_ad = sys.modules.get("torch.autograd.forward_ad")
    if forward_ad is None or getattr(forward_ad, "_current_level", 0) < 0:
        return
    if any(is_torch(tensor) and forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors):
        raise LaunchError(
            f"{name}: expected tensors without tangents, as scans have no derivatives in forward mode, found one with; "
            "loss.backward() and .vjp(...) give gradients"
        )


def empty(shape: Sequence[int], dtype: str, like: Any) -> Any:
    """A new array of the kind of another and where it is."""
    if dtype_of(like) == dtype:
        name: Any = like.dtype
    elif is_torch(like):
        name = getattr(sys.modules["torch"], next(n for n, short in DTYPES.items() if short == dtype))
    else:
        name = next(n for n, short in reversed(DTYPES.items()) if short == dtype)
    if is_torch(like):
        return like.new_empty(tuple(shape), dtype=name)
    import numpy

    return numpy.empty(tuple(shape), name)


def zeros(shape: Sequence[int], dtype: str, like: Any) -> Any:
    """A new array of zeros of the kind of another and where it is."""
    made = empty(shape, dtype, like)
    made[...] = 0
    return made


def zeros_like(value: Any) -> Any:
    """An array of zeros of that shape and dtype."""
    return zeros(value.shape, dtype_of(value), value)


def cast(value: Any, like: Any) -> Any:
    """An array of floats as another is stored."""
    if dtype_name(value) == dtype_name(like):
        return value
    if is_torch(value):
        return value.to(like.dtype)
    if dtype_of(value) == dtype_of(like):
        return value.view(like.dtype)
    if dtype_name(like) == "uint16":
        from treadle.testing import pack

        return pack(value, "bf16")
    return value.astype(like.dtype)


def alignment(value: Any, axes: int) -> int:
    """What the base address and the strides of the first axes are multiples of, at most 16 bytes."""
    size, strides = _layout(value)
    steps = [stride * size for stride, extent in zip(strides[:axes], value.shape, strict=False) if extent > 1]
    return next((n for n in _ALIGNMENTS if n > size and all(step % n == 0 for step in (address(value), *steps))), size)


def address(value: Any) -> int:
    """Of its first element."""
    return int(value.data_ptr() if is_torch(value) else value.ctypes.data)


def multiprocessors(value: Any) -> int:
    """Of the GPU that a tensor of PyTorch is on."""
    properties = sys.modules["torch"].cuda.get_device_properties(device_of(value))
    return int(properties.multi_processor_count)


def on_stream(value: Any, stream: Any) -> AbstractContextManager[Any]:
    """Where work on arrays goes to a stream as `launch` takes it, if they are, as this one, on a GPU."""
    if stream is None or not is_torch(value) or device_of(value) < 0:
        return nullcontext()
    cuda, device = sys.modules["torch"].cuda, device_of(value)
    found: AbstractContextManager[Any] = cuda.stream(
        cuda.ExternalStream(_streams.stream_address(stream, device), device)
    )
    return found


def copy(value: Any, stream: Any) -> Any:
    """A copy, made on a stream as `launch` takes it if it is on a GPU."""
    with on_stream(value, stream):
        return value.clone() if is_torch(value) else value.copy()


def permuted(value: Any, order: Sequence[int]) -> Any:
    """The array with its axes in another order, without a copy."""
    return value.permute(tuple(order)) if is_torch(value) else value.transpose(tuple(order))


def contiguous(value: Any) -> Any:
    """The array row-major in memory: itself, or a copy."""
    if is_torch(value):
        return value.contiguous()
    import numpy

    return numpy.asarray(value, order="C")


def tiled(value: Any, times: int) -> Any:
    """The array several times along its first axis, a copy."""
    counts = (times, *(1 for _ in value.shape[1:]))
    if is_torch(value):
        return value.repeat(counts)
    import numpy

    return numpy.tile(value, counts)


def _layout(value: Any) -> tuple[int, tuple[int, ...]]:
    """Bytes of an element, and the strides in elements."""
    if is_torch(value):
        return int(value.element_size()), tuple(value.stride())
    return value.itemsize, tuple(step // value.itemsize for step in value.strides)
