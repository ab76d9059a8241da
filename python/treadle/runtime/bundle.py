"""Compiled bundles: their parameters, and launching them with tensors of other libraries."""

from __future__ import annotations

import ctypes
import json
import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from treadle.errors import LaunchError
from treadle.runtime import _rt, _streams, _tensors

_ACCESS = {1: "read", 2: "write", 3: "readwrite"}
_FLOATS = ("f32", "f16", "bf16")
_ELF = b"\x7fELF"
_PLAN_LIMIT = 256  # prepared launches a bundle remembers


@dataclass(frozen=True)
class Param:
    """A parameter of a kernel. Scalars have neither shape, strides, align nor access."""

    name: str
    kind: str  # "tensor" or "scalar"
    dtype: str
    shape: tuple[int | str, ...] = ()  # a name where the size is free
    strides: tuple[int | None, ...] = ()  # None where the stride is free
    align: int = 0
    access: str = ""
    default: int | float | None = None

    @property
    def is_tensor(self) -> bool:
        """Whether this is a tensor rather than a scalar."""
        return self.kind == "tensor"


@dataclass(frozen=True)
class LaunchInfo:
    """What one launch of a prepared bundle is given, for whoever runs it elsewhere than on a GPU.

    `params` is a `void **` to as many values as `sizes` has: addresses, dims and strides of 8 bytes, scalars of their
    own size. It belongs to the `Prepared` it comes from.
    """

    entry: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared_bytes: int
    params: Any
    sizes: tuple[int, ...]


class Prepared:
    """Arguments that were checked, and the launches computed from them. Keeps the arguments alive."""

    def __init__(self, handle: int, tensor_count: int, views: Sequence[_tensors.View] = ()) -> None:
        self._lib = _rt.library()
        self._handle: int | None = handle
        self.views = views
        """The tensors it was prepared with, in order; none after `rebind`."""
        self._tensor_count = tensor_count
        self._pointers = ctypes.c_void_p * tensor_count
        device = ctypes.c_int()
        _rt.check(self._lib.treadle_rt_launch_device(handle, ctypes.byref(device)))
        self.device = device.value
        """The CUDA device the arguments are on; -1 for the CPU."""

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self._lib.treadle_rt_release(self._handle)
            self._handle = None

    def launch(self, stream: Any = None) -> None:
        """Launch on a stream (an address or a stream object; None: PyTorch's current stream, or the default one)."""
        address = _streams.stream_address(stream, self.device)
        _rt.check(self._lib.treadle_rt_launch(self._handle, address))

    def launch_pointers(self, pointers: Sequence[int], stream: Any = None) -> None:
        """Launch with other base addresses, one for each tensor parameter, of tensors that are otherwise alike.

        Only the addresses are checked, for alignment.
        """
        count = len(pointers)
        array = self._array(pointers)
        address = _streams.stream_address(stream, self.device)
        status = self._lib.treadle_rt_launch_pointers(self._handle, array, count, address)
        if status:
            _rt.check(status)

    def rebind(self, pointers: Sequence[int]) -> None:
        """Replace the base addresses for good."""
        _rt.check(self._lib.treadle_rt_rebind(self._handle, self._array(pointers), len(pointers)))
        self.views = ()

    @property
    def launches(self) -> list[LaunchInfo]:
        """The launches, in order."""
        return [self._launch_info(i) for i in range(self._lib.treadle_rt_launch_count(self._handle))]

    def _array(self, pointers: Sequence[int]) -> Any:
        # A wrong number is the library's to complain about.
        count = len(pointers)
        kind = self._pointers if count == self._tensor_count else ctypes.c_void_p * count
        return kind(*pointers)

    def _launch_info(self, index: int) -> LaunchInfo:
        lib, handle = self._lib, self._handle
        entry = ctypes.c_char_p()
        grid, block = (ctypes.c_int64 * 3)(), (ctypes.c_int64 * 3)()
        shared = ctypes.c_int64()
        params = ctypes.POINTER(ctypes.c_void_p)()
        sizes = ctypes.POINTER(ctypes.c_uint8)()
        count = ctypes.c_int()
        _rt.check(lib.treadle_rt_launch_entry(handle, index, ctypes.byref(entry)))
        _rt.check(lib.treadle_rt_launch_grid(handle, index, grid))
        _rt.check(lib.treadle_rt_launch_block(handle, index, block))
        _rt.check(lib.treadle_rt_launch_shared_bytes(handle, index, ctypes.byref(shared)))
        _rt.check(lib.treadle_rt_launch_params(handle, index, ctypes.byref(params), ctypes.byref(count)))
        _rt.check(lib.treadle_rt_launch_param_sizes(handle, index, ctypes.byref(sizes), ctypes.byref(count)))
        return LaunchInfo(
            entry=(entry.value or b"").decode(),
            grid=(grid[0], grid[1], grid[2]),
            block=(block[0], block[1], block[2]),
            shared_bytes=shared.value,
            params=params,
            sizes=tuple(sizes[: count.value]),
        )


class Bundle:
    """An open bundle: `Bundle("out/scale").launch(x, y, a=2.0)`.

    The path is that of the bundle's folder or of its manifest. Arguments are given by position, in the manifest's
    order, or by name; scalars with a default may be left out. Tensors are NumPy arrays, PyTorch tensors, or anything
    else that speaks DLPack.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        handle = ctypes.c_void_p()
        _rt.check(_rt.library().treadle_rt_open(os.fsencode(path), ctypes.byref(handle)))
        self._adopt(handle, Path(os.fsdecode(path)))

    @classmethod
    def from_memory(cls, manifest: str | bytes, *images: bytes) -> Bundle:
        """A bundle from a manifest's text and any of its cubin and PTX."""
        text = manifest.encode() if isinstance(manifest, str) else bytes(manifest)
        handle = ctypes.c_void_p()
        _rt.check(_rt.library().treadle_rt_open_memory(text, len(text), None, 0, ctypes.byref(handle)))
        bundle = cls.__new__(cls)
        bundle._adopt(handle)
        for image in images:
            _rt.check(bundle._lib.treadle_rt_add_image(handle, bytes(image), len(image)))
        ptx = next((bytes(image) for image in images if not image.startswith(_ELF)), None)
        if ptx is not None:
            bundle._texts["ptx"] = (f"{bundle.name}.ptx", ptx.decode("utf-8", "surrogateescape").rstrip("\0"))
        return bundle

    def _adopt(self, handle: ctypes.c_void_p, path: Path | None = None) -> None:
        self._lib = _rt.library()
        self._handle: int | None = handle.value
        self.name: str = self._lib.treadle_rt_name(handle).decode()
        self.arch: str = self._lib.treadle_rt_arch(handle).decode()
        count = self._lib.treadle_rt_param_count(handle)
        self.params: tuple[Param, ...] = tuple(self._read_param(i) for i in range(count))
        self._names = {param.name: i for i, param in enumerate(self.params)}
        self._tensor_count = sum(param.is_tensor for param in self.params)
        self._args = _rt.Arg * count
        self._plans: dict[Any, Prepared] = {}
        self._path = path
        self._texts: dict[str, tuple[str, str]] = {}

    def _read_param(self, index: int) -> Param:
        info = _rt.ParamInfo()
        _rt.check(self._lib.treadle_rt_param_info(self._handle, index, ctypes.byref(info)))
        name, dtype = info.name.decode(), info.dtype.decode()
        if not info.is_tensor:
            value = info.default_value
            default = (value.value.f if value.kind == _rt.ARG_FLOAT else value.value.i) if info.has_default else None
            return Param(name, "scalar", dtype, default=default)
        axes = range(info.rank)
        return Param(
            name,
            "tensor",
            dtype,
            shape=tuple(info.dims[i].decode() if info.dims[i] else info.shape[i] for i in axes),
            strides=tuple(None if info.strides[i] == _rt.DYNAMIC else info.strides[i] for i in axes),
            align=info.align,
            access=_ACCESS[info.access],
        )

    def __repr__(self) -> str:
        return f"Bundle({self.name!r}, arch={self.arch!r}, params=[{', '.join(self._names)}])"

    def __enter__(self) -> Bundle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the bundle. Prepared launches stay valid, and modules stay loaded on the GPU (see `unload`)."""
        if getattr(self, "_handle", None) is not None:
            self._plans.clear()
            self._lib.treadle_rt_close(self._handle)
            self._handle = None

    def text(self, kind: str) -> tuple[str, str] | None:
        """The name and the content of the bundle's file of a kind, "ptx" or "mlir"; None where it has none."""
        if self._path is not None and kind not in self._texts:
            manifest = next(self._path.glob("*.json")) if self._path.is_dir() else self._path
            name = json.loads(manifest.read_bytes()).get("files", {}).get(kind, "")
            if not name or not (manifest.parent / name).is_file():
                return None
            path = manifest.parent / name
            self._texts[kind] = (str(path), path.read_text(encoding="utf-8", errors="surrogateescape"))
        return self._texts.get(kind)

    def load(self, device: int = 0) -> None:
        """Load the code on a device now, rather than at the first launch: before a graph capture, say."""
        _rt.check(self._lib.treadle_rt_load(self._handle, device))

    def unload(self) -> None:
        """Wait for the devices it was loaded on and unload the code: for programs that try many kernels."""
        _rt.check(self._lib.treadle_rt_unload(self._handle))

    def prepare(self, *args: Any, **kwargs: Any) -> Prepared:
        """Check the arguments, and compute everything that launching them needs."""
        values = self._bind(args, kwargs)
        handle, views = self._prepare(values, None)
        return Prepared(handle, self._tensor_count, views)

    def launch(self, *args: Any, stream: Any = None, **kwargs: Any) -> None:
        """Check the arguments and launch. What was checked is remembered for tensors that are alike."""
        values = self._bind(args, kwargs)
        key, pointers = self._plan_key(values)
        plan = self._plans.get(key) if key is not None else None
        if plan is not None:
            plan.launch_pointers(pointers, stream)
            return
        handle, views = self._prepare(values, stream)
        plan = Prepared(handle, self._tensor_count)
        plan.launch(stream)
        del views  # the tensors had to live until now
        if key is not None:
            if len(self._plans) >= _PLAN_LIMIT:
                self._plans.clear()
            self._plans[key] = plan

    def _fail(self, message: str, param: Param | None = None) -> LaunchError:
        where = f"argument '{param.name}': " if param else ""
        return LaunchError(f"{self.name}: {where}{message}")

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sequence[Any]:
        """One value for each parameter; `_MISSING` where none is given."""
        params = self.params
        if len(args) == len(params) and not kwargs:
            return args
        if len(args) > len(params):
            raise self._fail(f"expected at most {len(params)} arguments, found {len(args)}")
        values: list[Any] = [*args, *[_MISSING] * (len(params) - len(args))]
        for name, value in kwargs.items():
            index = self._names.get(name)
            if index is None:
                raise self._fail(f"expected arguments named {', '.join(self._names)}, found '{name}'")
            if values[index] is not _MISSING:
                raise self._fail("expected it once, found it by position and by name", params[index])
            values[index] = value
        for value, param in zip(values, params, strict=True):
            if value is _MISSING and param.default is None:
                raise self._fail(f"expected a {param.kind}, found none", param)
        return values

    def _plan_key(self, values: Sequence[Any]) -> tuple[Any, list[int]]:
        """What decides about launching these values, apart from base addresses; None if that is not cheap to say."""
        key: list[Any] = []
        pointers: list[int] = []
        for value, param in zip(values, self.params, strict=True):
            if not param.is_tensor:
                if type(value) not in (int, float, bool) and value is not _MISSING:
                    return None, pointers
                # Equal keys must mean equal bits: 0.0 == -0.0 and 1 == 1.0.
                key.append((type(value), repr(value)) if type(value) is float else (type(value), value))
                continue
            found = _tensors.signature(value)
            if found is None:
                return None, pointers
            key.append(found[0])
            pointers.append(found[1])
        return tuple(key), pointers

    def _prepare(self, values: Sequence[Any], stream: Any) -> tuple[int, list[_tensors.View]]:
        if self._handle is None:
            raise self._fail("expected an open bundle, found a closed one")
        args = self._args()
        views: list[_tensors.View] = []
        for arg, value, param in zip(args, values, self.params, strict=True):
            if value is _MISSING:
                arg.kind = _rt.ARG_DEFAULT
            elif param.is_tensor:
                view = self._view(value, param, stream)
                views.append(view)
                arg.kind = _rt.ARG_TENSOR
                arg.value.tensor = view.address
            else:
                self._set_scalar(arg, value, param)
        prepared = ctypes.c_void_p()
        _rt.check(self._lib.treadle_rt_prepare(self._handle, args, len(args), ctypes.byref(prepared)))
        assert prepared.value is not None
        return prepared.value, views

    def _view(self, value: Any, param: Param, stream: Any) -> _tensors.View:
        try:
            view = _tensors.view(value, stream)
        except LaunchError as error:
            raise self._fail(str(error), param) from error.__cause__
        if view.read_only and param.access != "read":
            raise self._fail("expected a tensor that may be written, found a read-only one", param)
        return view

    def _set_scalar(self, arg: _rt.Arg, value: Any, param: Param) -> None:
        is_float = param.dtype in _FLOATS
        try:
            if _tensors.is_tensor(value) or isinstance(value, str | bytes):
                raise TypeError
            if is_float:
                arg.kind = _rt.ARG_FLOAT
                arg.value.f = float(value)
                return
            integer = operator.index(value)
        except (TypeError, ValueError, OverflowError):
            found = f"the number {value}" if isinstance(value, int | float) else type(value).__name__
            expected = "a number" if is_float else "an integer"
            raise self._fail(f"expected {expected} ({param.dtype}), found {found}", param) from None
        if not -(2**63) <= integer < 2**63:
            raise self._fail(f"expected a number that {param.dtype} can hold, found {integer}", param)
        arg.kind = _rt.ARG_INT
        arg.value.i = integer


class _Missing:
    """The type of `_MISSING`: no value was given."""


_MISSING = _Missing()
