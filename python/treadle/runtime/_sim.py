"""The C ABI of libtreadle_sim (lib/sim/treadle_sim.h) in ctypes."""

from __future__ import annotations

import ctypes
import functools
import json
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

from treadle.errors import InternalError, LaunchError, TreadleError
from treadle.runtime import _rt

LIBRARY = "libtreadle_sim.so"

# Statuses that are not the binding's own fault.
_ERRORS = {1: TreadleError, 2: LaunchError}


class Options(ctypes.Structure):
    """A treadle_sim_options."""

    _fields_ = [
        ("no_bounds", c_int32),
        ("no_uninitialised", c_int32),
        ("no_races", c_int32),
        ("no_counts", c_int32),
        ("threads", c_int32),
        ("max_findings", c_int32),
        ("max_instructions", c_uint64),
        ("shared_limit", c_uint32),
        ("reserved", c_uint32),
    ]


_LONGS = POINTER(c_int64)
_OUT = POINTER(c_void_p)

# Functions, what they return, and their parameters.
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "last_error": (c_char_p, []),
    "open": (c_int, [c_char_p, c_size_t, c_char_p, _OUT]),
    "close": (None, [c_void_p]),
    "describe": (c_int, [c_void_p, _OUT]),
    "memory_create": (c_int, [_OUT]),
    "memory_destroy": (None, [c_void_p]),
    "map": (c_int, [c_void_p, c_void_p, c_int, c_int, _LONGS, _LONGS, c_char_p, c_int, POINTER(c_uint64)]),
    "launch": (
        c_int,
        [c_void_p, c_char_p, c_void_p, _LONGS, _LONGS, c_uint32, c_void_p, c_int, POINTER(Options), _OUT],
    ),
    "free": (None, [c_void_p]),
}


@functools.cache
def library() -> ctypes.CDLL:
    """The loaded library."""
    lib = _rt.load(LIBRARY)
    for name, (result, parameters) in _FUNCTIONS.items():
        function = getattr(lib, f"treadle_sim_{name}")
        function.restype, function.argtypes = result, parameters
    return lib


def check(status: int) -> None:
    """Raise the library's last error unless the status is 0."""
    if status != 0:
        message = library().treadle_sim_last_error().decode("utf-8", "replace")
        raise _ERRORS.get(status, InternalError)(message)


def _take(text: c_void_p) -> Any:
    """The JSON in a text of the library's, which is freed."""
    try:
        return json.loads(ctypes.string_at(text))
    finally:
        library().treadle_sim_free(text)


class Memory:
    """Global memory: arrays of this process at addresses of the simulator's own."""

    def __init__(self) -> None:
        self._lib = library()
        self._handle: c_void_p | None = None
        handle = c_void_p()
        check(self._lib.treadle_sim_memory_create(ctypes.byref(handle)))
        self._handle = handle

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self._lib.treadle_sim_memory_destroy(self._handle)
            self._handle = None

    @property
    def handle(self) -> c_void_p | None:
        """The treadle_sim_memory."""
        return self._handle

    def map(
        self,
        data: int,
        element_bytes: int,
        shape: Sequence[int],
        strides: Sequence[int],
        name: str,
        initialised: bool,
    ) -> int:
        """Make a strided array accessible; its address. Strides are in elements; the data must outlive the memory."""
        rank = len(shape)
        sizes, steps = (c_int64 * rank)(*shape), (c_int64 * rank)(*strides)
        address = c_uint64()
        check(
            self._lib.treadle_sim_map(
                self._handle, data, element_bytes, rank, sizes, steps, name.encode(), initialised, ctypes.byref(address)
            )
        )
        return address.value


class Module:
    """PTX text, parsed and decoded. `name` is what messages call it."""

    def __init__(self, ptx: str, name: str) -> None:
        self._lib = library()
        self._handle: c_void_p | None = None
        text = ptx.encode("utf-8", "surrogateescape")
        handle = c_void_p()
        check(
            self._lib.treadle_sim_open(text, len(text), name.encode("utf-8", "surrogateescape"), ctypes.byref(handle))
        )
        self._handle = handle

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self._lib.treadle_sim_close(self._handle)
            self._handle = None

    def describe(self) -> Any:
        """The target and the entries, as treadle_sim_describe gives them."""
        text = c_void_p()
        check(self._lib.treadle_sim_describe(self._handle, ctypes.byref(text)))
        return _take(text)

    def launch(
        self,
        entry: str,
        memory: Memory,
        grid: Sequence[int],
        block: Sequence[int],
        shared_bytes: int,
        params: Any,
        count: int,
        options: Options,
    ) -> Any:
        """Run an entry over a grid; what it did, as toJson of lib/sim/Report.h gives it. params: a `void **`."""
        report = c_void_p()
        check(
            self._lib.treadle_sim_launch(
                self._handle,
                entry.encode(),
                memory.handle,
                (c_int64 * 3)(*grid),
                (c_int64 * 3)(*block),
                shared_bytes,
                params,
                count,
                ctypes.byref(options),
                ctypes.byref(report),
            )
        )
        return _take(report)
