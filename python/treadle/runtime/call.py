"""Calling a kernel on arrays: `scale(x, y, 2.0)`. It is compiled for what it is given, once per process."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from treadle.errors import LaunchError
from treadle.runtime import _rt, _tensors, plans

if TYPE_CHECKING:
    from treadle.compiler import CpuProgram
    from treadle.frontend.declared import Kernel
    from treadle.runtime.bundle import Bundle
    from treadle.runtime.report import Report

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

T = TypeVar("T")
Remembered = weakref.WeakKeyDictionary[Any, dict[Hashable, T]]
"""What was made of a kernel or a scan, by what it was made for."""
_cpu_programs: Remembered[CpuProgram] = weakref.WeakKeyDictionary()
_bundles: Remembered[Bundle] = weakref.WeakKeyDictionary()
_plans: Remembered[plans.Plan] = weakref.WeakKeyDictionary()


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
    fast_math: bool

    @property
    def key(self) -> Hashable:
        """What decides about the program, but for the architecture."""
        return (tuple(sorted(self.constants.items())), self.dtype, self.present, self.fast_math)


def call_kernel(kernel: Kernel, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Launch a kernel on arrays: on the CPU for NumPy's and others on the CPU, else on their CUDA device.

    Sizes, the dtype of tensors that are declared without one, and constants that name axes come from the arrays; other
    constants by name. `stream`, `dtype`, `fast_math`, `num_warps` and `num_stages` may be given as well.
    """
    like = plans.Likeness()
    for i, value in enumerate(args):
        like.add(i, value)
    for name, value in kwargs.items():
        if name != "stream":
            like.add(name, value)
    stream = kwargs.get("stream")
    known = _plans.setdefault(kernel, {})
    plan = known.get(like.key()) if like.known else None
    if plan is not None:
        plan.launch(like.pointers, stream)
        return
    call = _read_call(kernel, args, kwargs)
    if call.device < 0 or not like.known:
        _launch(kernel, call, stream)
        return
    bundle = _bundle(kernel, call, arch_of(call.device))
    prepared = bundle.prepare(**call.arguments)
    prepared.launch(stream)
    positions = {p.name: i for i, p in enumerate(kernel.parameters)}
    places = {name: like.places.get(name, like.places.get(positions[name], -1)) for name in call.arguments}
    plans.store(known, like.key(), plans.Plan(bundle, prepared, places))


@overload
def run(
    kernel: Kernel, *args: Any, on: Literal["sim"], arch: str | None = None, check: bool = True, **kwargs: Any
) -> Report: ...


@overload
def run(kernel: Kernel, *args: Any, on: Literal["cpu", "gpu"] | None = None, **kwargs: Any) -> None: ...


def run(
    kernel: Kernel,
    *args: Any,
    on: str | None = None,
    arch: str | None = None,
    check: bool = True,
    **kwargs: Any,
) -> Report | None:
    """Launch a kernel on arrays as `kernel(*args, **kwargs)` does, on "cpu", "gpu" or, checked, in the simulator.

    on="sim" compiles for `arch` (default: sm_90a), simulates its PTX on arrays on the CPU and returns the report. What
    the kernel does wrong there is a SimulationError; with check=False it is in the report alone.
    """
    if on not in (None, "cpu", "gpu", "sim"):
        raise LaunchError(f'{kernel.name}: expected on="cpu", "gpu" or "sim", found {on!r}')
    if on != "sim" and (arch is not None or not check):
        raise LaunchError(f'{kernel.name}: expected on="sim" with arch and check, found on={on!r}')
    call = _read_call(kernel, args, kwargs)
    if on is not None and (call.device >= 0) != (on == "gpu"):
        places = ("the CPU", "a CUDA device")
        raise LaunchError(
            f"{kernel.name}: expected tensors on {places[on == 'gpu']}, found them on {places[call.device >= 0]}"
        )
    if on == "sim":
        return _simulate(kernel, call, arch, check)
    _launch(kernel, call, kwargs.get("stream"))
    return None


def _launch(kernel: Kernel, call: Call, stream: Any) -> None:
    if call.device < 0:
        _cpu_program(kernel, call).launch(**call.arguments)
    else:
        _bundle(kernel, call, arch_of(call.device)).launch(**call.arguments, stream=stream)


def _simulate(kernel: Kernel, call: Call, arch: str | None, check: bool) -> Report:
    from treadle import compiler
    from treadle.runtime.sim import Simulator

    report = Simulator().run(_bundle(kernel, call, arch or compiler.DEFAULT_ARCH), **call.arguments)
    if check:
        report.check()
    return report


def _read_call(kernel: Kernel, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
    from treadle.frontend.params import ConstParam, ScalarParam, TensorParam

    settings = {name: kwargs[name] for name in _SETTINGS if name in kwargs}
    own = {name: value for name, value in kwargs.items() if name not in settings}
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
        name = dtype_name(value)
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
        device = max(device, device_of(value))
        arguments[p.name] = BFloat16(value) if name == "uint16" else value
    return Call(constants, dtype, tuple(sorted(present)), arguments, device, bool(settings.get("fast_math", False)))


def dtype_name(value: Any) -> str:
    """The name of an array's dtype; "" when it has none."""
    dtype = getattr(value, "dtype", "")
    return str(getattr(dtype, "name", dtype)).rpartition(".")[2]


def device_of(value: Any) -> int:
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


def _cpu_program(kernel: Kernel, call: Call) -> CpuProgram:
    """The kernel compiled for this machine's CPU."""
    from treadle import compiler

    def make() -> CpuProgram:
        text = kernel.to_mlir(call.constants, call.dtype, call.present, fast_math=call.fast_math)
        return compiler.CpuProgram(text, {"name": kernel.name})

    return remembered(_cpu_programs, kernel, call.key, make)


def _bundle(kernel: Kernel, call: Call, arch: str) -> Bundle:
    """The kernel compiled for a GPU."""
    from treadle import compiler

    def make() -> Bundle:
        return compiler.compile(
            kernel, call.constants, call.dtype, call.present, arch, fast_math=call.fast_math
        ).bundle()

    return remembered(_bundles, kernel, (call.key, arch), make)


def remembered(programs: Remembered[T], owner: object, key: Hashable, make: Callable[[], T]) -> T:
    """What was made for such a key before, in this process, or what `make` makes now."""
    own = programs.setdefault(owner, {})
    if key not in own:
        own[key] = make()
    return own[key]
