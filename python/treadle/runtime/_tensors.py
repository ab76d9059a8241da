"""Tensors of other libraries as DLTensors, without importing those libraries.

NumPy arrays (bfloat16 as ml_dtypes has it), objects that look like PyTorch's tensors, and anything that speaks DLPack.
Messages here are the complaint alone; the caller puts the kernel and the argument before it.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Hashable
from typing import Any

from treadle.errors import LaunchError
from treadle.runtime import _rt, _streams

_TORCH_DTYPES = {
    "float64": (_rt.FLOAT, 64),
    "float32": (_rt.FLOAT, 32),
    "float16": (_rt.FLOAT, 16),
    "bfloat16": (_rt.BFLOAT, 16),
    "int64": (_rt.INT, 64),
    "int32": (_rt.INT, 32),
    "int16": (_rt.INT, 16),
    "int8": (_rt.INT, 8),
    "uint64": (_rt.UINT, 64),
    "uint32": (_rt.UINT, 32),
    "uint16": (_rt.UINT, 16),
    "uint8": (_rt.UINT, 8),
    "bool": (_rt.BOOL, 8),
    "complex64": (_rt.COMPLEX, 64),
    "complex128": (_rt.COMPLEX, 128),
}
_NUMPY_KINDS = {"f": _rt.FLOAT, "i": _rt.INT, "u": _rt.UINT, "b": _rt.BOOL, "c": _rt.COMPLEX}

_READ_ONLY = 1  # DLPACK_FLAG_BITMASK_READ_ONLY


class _ManagedTensorVersioned(ctypes.Structure):
    """DLPack 1.x's DLManagedTensorVersioned."""

    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _rt.Tensor),
    ]


# Prototypes of our own: the function objects of ctypes.pythonapi are shared by everyone.
_capsule_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)
_capsule_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


class View:
    """The address of a DLTensor, and what must live while it or the tensor's data is used."""

    __slots__ = ("address", "keep", "read_only")

    def __init__(self, address: int, keep: object, read_only: bool = False) -> None:
        self.address = address
        self.keep = keep
        self.read_only = read_only

    @property
    def tensor(self) -> _rt.Tensor:
        """The DLTensor."""
        return _rt.Tensor.from_address(self.address)


def is_tensor(value: Any) -> bool:
    """Whether `view` would try to read this as a tensor."""
    return (
        callable(getattr(value, "data_ptr", None))
        or hasattr(value, "__dlpack__")
        or type(value).__name__ == "PyCapsule"
        or _is_numpy(value)
    )


def view(value: Any, stream: Any = None) -> View:
    """A tensor as a DLTensor. Producers on a CUDA device make the data ready for the stream, given as to `launch`."""
    if _is_numpy(value):
        return _view_numpy(value)
    if callable(getattr(value, "data_ptr", None)):
        return _view_torch(value)
    if hasattr(value, "__dlpack__"):
        return _view_dlpack(value, stream)
    if type(value).__name__ == "PyCapsule":
        return _view_capsule(value, value)
    raise LaunchError(f"expected a tensor, found {type(value).__name__}")


def signature(value: Any) -> tuple[Hashable, int] | None:
    """What decides whether a PyTorch tensor suits a prepared launch, and its address; None for other objects."""
    try:
        return (value.dtype, value.shape, value.stride(), value.device), value.data_ptr()
    except (AttributeError, TypeError, RuntimeError):
        return None


def _is_numpy(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _make(
    address: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    dtype: tuple[int, int],
    device: tuple[int, int],
    owner: object,
    read_only: bool = False,
) -> View:
    rank = len(shape)
    sizes = (ctypes.c_int64 * (2 * rank))(*shape, *strides)
    start = ctypes.addressof(sizes)
    tensor = _rt.Tensor(
        data=address,
        device_type=device[0],
        device_id=device[1],
        ndim=rank,
        dtype_code=dtype[0],
        dtype_bits=dtype[1],
        dtype_lanes=1,
        shape=ctypes.cast(start, ctypes.POINTER(ctypes.c_int64)),
        strides=ctypes.cast(start + 8 * rank, ctypes.POINTER(ctypes.c_int64)),
    )
    return View(ctypes.addressof(tensor), (tensor, sizes, owner), read_only)


def _view_numpy(array: Any) -> View:
    dtype = array.dtype
    if dtype.name == "bfloat16":
        code = _rt.BFLOAT
    elif dtype.kind in _NUMPY_KINDS and dtype.isnative:
        code = _NUMPY_KINDS[dtype.kind]
    else:
        raise LaunchError(f"expected an array of native numbers, found NumPy dtype {dtype}")
    size = dtype.itemsize
    if any(stride % size for stride in array.strides):
        raise LaunchError(f"expected strides of whole elements ({size} bytes), found {array.strides} bytes")
    strides = tuple(stride // size for stride in array.strides)
    return _make(
        array.ctypes.data, array.shape, strides, (code, 8 * size), (_rt.CPU, 0), array, not array.flags.writeable
    )


def _view_torch(tensor: Any) -> View:
    name = str(tensor.dtype).rpartition(".")[2]
    dtype = _TORCH_DTYPES.get(name)
    if dtype is None:
        raise LaunchError(f"expected a dtype that kernels take, found {tensor.dtype}")
    kind = tensor.device.type
    if kind not in ("cpu", "cuda"):
        raise LaunchError(f"expected a tensor on the CPU or a CUDA device, found one on {tensor.device}")
    device = (_rt.CUDA, tensor.device.index or 0) if kind == "cuda" else (_rt.CPU, 0)
    try:
        return _make(tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()), dtype, device, tensor)
    except RuntimeError as error:  # sparse and the like
        raise LaunchError(f"expected a dense tensor, found one that says: {error}") from None


def _view_dlpack(value: Any, stream: Any) -> View:
    try:
        kind, device = map(int, value.__dlpack_device__())
        # DLPack calls the legacy default stream 1.
        options = {"stream": _streams.stream_address(stream, device) or 1} if kind == _rt.CUDA else {}
        try:
            capsule = value.__dlpack__(max_version=(1, 0), **options)
        except TypeError:  # a producer of before DLPack 1.0
            capsule = value.__dlpack__(**options)
    except LaunchError:
        raise
    except Exception as error:
        raise LaunchError(f"expected an object that exports DLPack, found one that says: {error}") from error
    return _view_capsule(capsule, value)


def _view_capsule(capsule: Any, owner: object) -> View:
    # The capsule is not renamed: it stays the owner of the export and frees it when it dies.
    if _capsule_is_valid(capsule, b"dltensor_versioned"):
        managed = _ManagedTensorVersioned.from_address(_capsule_pointer(capsule, b"dltensor_versioned"))
        if managed.major != 1:
            raise LaunchError(f"expected DLPack of version 1, found {managed.major}.{managed.minor}")
        return View(ctypes.addressof(managed.tensor), (capsule, owner), bool(managed.flags & _READ_ONLY))
    if _capsule_is_valid(capsule, b"dltensor"):
        return View(_capsule_pointer(capsule, b"dltensor"), (capsule, owner))
    raise LaunchError("expected a DLPack capsule, found one that is used up or of another sort")
