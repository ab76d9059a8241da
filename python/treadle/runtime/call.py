"""Calling a kernel on arrays: `scale(x, y, 2.0)`. It is compiled for what it is given, once per process."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from treadle.errors import LaunchError
from treadle.runtime import _rt, _tensors

if TYPE_CHECKING:
    from treadle.compiler import CpuProgram
    from treadle.frontend.declared import Kernel
    from treadle.runtime.bundle import Bundle

_DTYPES = {
    "float32": "f32",
    "float16": "f16",
    "bfloat16": "bf16",
    "uint16": "bf16",  # NumPy's storage of it
    "int64": "i64",
    "int32": "i32",
    "int16": "i16",
    "int8": "i8",
}
_SETTINGS = ("stream", "dtype", "fast_math", "num_warps", "num_stages")
"""What a call takes beside the kernel's own parameters."""

_programs: weakref.WeakKeyDictionary[Kernel, dict[Hashable, Bundle | CpuProgram]] = weakref.WeakKeyDictionary()


class BFloat16:
    """A NumPy array of uint16 that holds bfloat16, as a tensor of that type."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.dtype = "bfloat16"
        self.shape = array.shape
        self.device = _Cpu

    def data_ptr(self) -> int:
        """The address of the first element."""
        return int(self.array.ctypes.data)

    def stride(self) -> tuple[int, ...]:
        """Strides in elements."""
        return tuple(step // 2 for step in self.array.strides)


class _Cpu:
    type = "cpu"
    index = None


@dataclass(frozen=True)
class Call:
    """What a call compiles and launches."""

    constants: Mapping[str, Any]
    dtype: str | None
    present: tuple[str, ...]
    arguments: Mapping[str, Any]
    device: int
    """-1: the CPU."""


def call_kernel(kernel: Kernel, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Launch a kernel on arrays: on the CPU for NumPy's and others on the CPU, else on their CUDA device.

    Sizes, the dtype of tensors that are declared without one, and constants that name axes come from the arrays; other
    constants by name. `stream`, `dtype`, `fast_math`, `num_warps` and `num_stages` may be given as well.
    """
    settings = {name: kwargs[name] for name in _SETTINGS if name in kwargs}
    own = {name: value for name, value in kwargs.items() if name not in settings}
    call = _read_call(kernel, args, own, settings)
    program = _program(kernel, call, bool(settings.get("fast_math", False)))
    if call.device < 0:
        program.launch(**call.arguments)
    else:
        program.launch(**call.arguments, stream=settings.get("stream"))


def _read_call(kernel: Kernel, args: tuple[Any, ...], own: Mapping[str, Any], settings: Mapping[str, Any]) -> Call:
    from treadle.frontend.params import ConstParam, ScalarParam, TensorParam

    try:
        given = inspect.signature(kernel.fn).bind(*args, **own).arguments
    except TypeError as error:
        raise LaunchError(f"{kernel.name}: {error}") from None
    names = {p.name for p in kernel.parameters if isinstance(p, ConstParam)}
    constants = {name: given[name] for name in given if name in names}
    constants.update((name, settings[name]) for name in ("num_warps", "num_stages") if name in settings)
    arguments: dict[str, Any] = {}
    present: list[str] = []
    dtype: str | None = settings.get("dtype")
    device = -1
    for p in kernel.parameters:
        value = given.get(p.name)
        if isinstance(p, ScalarParam) and p.name in given:
            arguments[p.name] = value
        if not isinstance(p, TensorParam) or (value is None and p.optional):
            continue
        if not _tensors.is_tensor(value):
            raise LaunchError(f"{kernel.name}: argument '{p.name}': expected a tensor, found {type(value).__name__}")
        if p.optional:
            present.append(p.name)
        name = _dtype_name(value)
        if dtype is None and p.dtype is None:
            dtype = _DTYPES.get(name)
            if dtype is None:
                raise LaunchError(
                    f"{kernel.name}: argument '{p.name}': expected {', '.join(_DTYPES)}, found {name or 'no dtype'}"
                )
        shape = tuple(getattr(value, "shape", ()))
        if len(shape) == len(p.axes):
            for axis, size in zip(p.axes, shape, strict=True):
                if isinstance(axis, str) and axis in names and axis not in constants:
                    constants[axis] = int(size)
        device = max(device, _device(value))
        arguments[p.name] = BFloat16(value) if name == "uint16" else value
    return Call(constants, dtype, tuple(sorted(present)), arguments, device)


def _dtype_name(value: Any) -> str:
    dtype = getattr(value, "dtype", "")
    return str(getattr(dtype, "name", dtype)).rpartition(".")[2]


def _device(value: Any) -> int:
    """The CUDA device of a tensor; -1 for the CPU."""
    device = getattr(value, "device", None)
    if getattr(device, "type", None) == "cuda":
        return int(getattr(device, "index", 0) or 0)
    if callable(getattr(value, "data_ptr", None)) or not hasattr(value, "__dlpack_device__"):
        return -1
    kind, index = value.__dlpack_device__()
    return int(index) if int(kind) == _rt.CUDA else -1


def arch_of(device: int) -> str:
    """The architecture to compile for, of a CUDA device: the one with its own instructions where there are any."""
    major, minor = _rt.device_capability(device)
    return f"sm_{major}{minor}" + ("a" if major >= 9 else "")


def _program(kernel: Kernel, call: Call, fast_math: bool) -> Bundle | CpuProgram:
    from treadle import compiler

    arch = arch_of(call.device) if call.device >= 0 else "cpu"
    key = (tuple(sorted(call.constants.items())), call.dtype, call.present, arch, fast_math)
    programs = _programs.setdefault(kernel, {})
    found = programs.get(key)
    if found is None:
        if arch == "cpu":
            text = kernel.to_mlir(call.constants, call.dtype, call.present, fast_math=fast_math)
            found = compiler.CpuProgram(text, {"name": kernel.name})
        else:
            compiled = compiler.compile(kernel, call.constants, call.dtype, call.present, arch, fast_math=fast_math)
            found = compiled.bundle()
        programs[key] = found
    return found
