"""The C ABI of libtreadle_rt (lib/runtime/treadle_rt.h) in ctypes."""

from __future__ import annotations

import ctypes
import functools
import os
from ctypes import POINTER, c_char_p, c_double, c_int, c_int32, c_int64, c_size_t, c_uint8, c_uint16, c_uint64, c_void_p
from pathlib import Path

from treadle.errors import LaunchError, TreadleError

LIBRARY = "libtreadle_rt.so"

# DLPack device types and element type codes.
CPU, CUDA = 1, 2
INT, UINT, FLOAT, BFLOAT, COMPLEX, BOOL = 0, 1, 2, 4, 5, 6

# Kinds of treadle_rt_arg.
ARG_TENSOR, ARG_INT, ARG_FLOAT, ARG_DEFAULT = 0, 1, 2, 3

DYNAMIC = -(2**63)


class Tensor(ctypes.Structure):
    """A DLTensor."""

    _fields_ = [
        ("data", c_void_p),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("ndim", c_int32),
        ("dtype_code", c_uint8),
        ("dtype_bits", c_uint8),
        ("dtype_lanes", c_uint16),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
    ]


class ArgValue(ctypes.Union):
    """The value of an argument; its kind says which."""

    _fields_ = [("tensor", c_void_p), ("i", c_int64), ("f", c_double)]


class Arg(ctypes.Structure):
    """A treadle_rt_arg."""

    _fields_ = [("kind", c_int32), ("reserved", c_int32), ("value", ArgValue)]


class ParamInfo(ctypes.Structure):
    """A treadle_rt_param."""

    _fields_ = [
        ("name", c_char_p),
        ("dtype", c_char_p),
        ("is_tensor", c_int32),
        ("rank", c_int32),
        ("access", c_int32),
        ("element_bytes", c_int32),
        ("shape", POINTER(c_int64)),
        ("dims", POINTER(c_char_p)),
        ("strides", POINTER(c_int64)),
        ("align", c_int64),
        ("has_default", c_int32),
        ("reserved", c_int32),
        ("default_value", Arg),
    ]


_OUT = POINTER(c_void_p)
_INT_OUT = POINTER(c_int)
_LONG_OUT = POINTER(c_int64)

# Functions that return a status, and their parameters.
_FUNCTIONS: dict[str, list[object]] = {
    "open": [c_char_p, _OUT],
    "open_memory": [c_char_p, c_size_t, c_char_p, c_size_t, _OUT],
    "add_image": [c_void_p, c_char_p, c_size_t],
    "load": [c_void_p, c_int],
    "unload": [c_void_p],
    "param_info": [c_void_p, c_int, POINTER(ParamInfo)],
    "prepare": [c_void_p, POINTER(Arg), c_int, _OUT],
    "launch": [c_void_p, c_void_p],
    "launch_pointers": [c_void_p, _OUT, c_int, c_void_p],
    "rebind": [c_void_p, _OUT, c_int],
    "launch_device": [c_void_p, _INT_OUT],
    "launch_entry": [c_void_p, c_int, POINTER(c_char_p)],
    "launch_grid": [c_void_p, c_int, _LONG_OUT],
    "launch_block": [c_void_p, c_int, _LONG_OUT],
    "launch_shared_bytes": [c_void_p, c_int, _LONG_OUT],
    "launch_params": [c_void_p, c_int, POINTER(_OUT), _INT_OUT],
    "launch_param_sizes": [c_void_p, c_int, POINTER(POINTER(c_uint8)), _INT_OUT],
    "device_count": [_INT_OUT],
    "device_name": [c_int, c_char_p, c_size_t],
    "device_capability": [c_int, _INT_OUT, _INT_OUT],
    "synchronize": [c_int],
}


def library_folders() -> list[Path]:
    """Where to look for the library: $TREADLE_LIB_DIR alone if set, else the package, then the source tree's build."""
    if folder := os.environ.get("TREADLE_LIB_DIR"):
        return [Path(folder)]
    package = Path(__file__).resolve().parents[1]
    return [package / "_lib", package.parents[1] / "build" / "lib"]


def load(name: str) -> ctypes.CDLL:
    """A library of Treadle's by its file name."""
    folders = library_folders()
    path = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if path is None:
        raise TreadleError(f"{name}: expected it in {' or '.join(map(str, folders))}, found none")
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise TreadleError(f"{path}: expected a library that loads, found: {error}") from None


@functools.cache
def library() -> ctypes.CDLL:
    """The loaded library."""
    lib = load(LIBRARY)
    for name, parameters in _FUNCTIONS.items():
        function = getattr(lib, f"treadle_rt_{name}")
        function.argtypes = parameters
        function.restype = c_int
    for name in ("last_error", "version"):
        getattr(lib, f"treadle_rt_{name}").argtypes = []
        getattr(lib, f"treadle_rt_{name}").restype = c_char_p
    for name in ("name", "arch"):
        getattr(lib, f"treadle_rt_{name}").argtypes = [c_void_p]
        getattr(lib, f"treadle_rt_{name}").restype = c_char_p
    for name in ("param_count", "launch_count"):
        getattr(lib, f"treadle_rt_{name}").argtypes = [c_void_p]
        getattr(lib, f"treadle_rt_{name}").restype = c_int
    for name in ("close", "release"):
        getattr(lib, f"treadle_rt_{name}").argtypes = [c_void_p]
        getattr(lib, f"treadle_rt_{name}").restype = None
    return lib


def check(status: int) -> None:
    """Raise the library's last error unless the status is 0."""
    if status != 0:
        raise LaunchError(library().treadle_rt_last_error().decode("utf-8", "replace"))


def device_count() -> int:
    """The number of CUDA devices; an error when there is no driver or device."""
    count = c_int()
    check(library().treadle_rt_device_count(ctypes.byref(count)))
    return count.value


def device_name(device: int) -> str:
    """The name of a CUDA device."""
    name = ctypes.create_string_buffer(256)
    check(library().treadle_rt_device_name(device, name, len(name)))
    return name.value.decode("utf-8", "replace")


def device_capability(device: int) -> tuple[int, int]:
    """The compute capability of a CUDA device."""
    major, minor = c_int(), c_int()
    check(library().treadle_rt_device_capability(device, ctypes.byref(major), ctypes.byref(minor)))
    return major.value, minor.value


def synchronize(device: int) -> None:
    """Wait for everything on a CUDA device."""
    check(library().treadle_rt_synchronize(device))
