"""treadle-run: run a compiled bundle on arrays.

    treadle-run out --on=cpu --arg x=x.npy --arg w=w.npy --arg eps=1e-6 -o y=y.npy
    treadle-run out --on=gpu --arg x=x.npy --arg y=zeros:128,1024 -o y=y.npy
    treadle-run out --on=sim --arg x=x.npy --arg w=w.npy -o y=y.npy --counts

An argument is a number, an .npy file, or zeros:SIZES. bf16 arrays are uint16 of their bits, or ml_dtypes.bfloat16. A
tensor that is not given but has -o is made as large as the other tensors' dimensions say, filled with NaN (integers:
the largest). -o also takes tensors that are given, and writes what the kernel left in them.

On sim the PTX runs on the CPU and every access is checked. Whatever the kernel does wrong is printed with its source
line, and no file of -o is written.

Exit status: 0 when all went well, 1 when the launch is refused or fails, 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.cli import arrays, simulation
from treadle.cli.common import OK, UsageError, guarded
from treadle.compiler import CpuProgram
from treadle.errors import LaunchError, TreadleError
from treadle.runtime import _rt
from treadle.runtime.bundle import Bundle, Param
from treadle.runtime.call import BFloat16

if TYPE_CHECKING:
    import numpy as np

_STORAGE = {"f32": "f4", "f16": "f2", "bf16": "u2", "i64": "i8", "i32": "i4", "i16": "i2", "i8": "i1"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; its exit status."""
    parser = argparse.ArgumentParser(
        prog="treadle-run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path, help="the bundle's folder, or its manifest")
    parser.add_argument("--on", choices=("cpu", "gpu", "sim"), default="gpu", help="default: %(default)s")
    parser.add_argument("--device", type=int, default=0, help="the GPU's number")
    parser.add_argument("--arg", dest="args", metavar="NAME=VALUE", action="append", default=[])
    parser.add_argument("-o", dest="outputs", metavar="NAME=FILE", action="append", default=[])
    simulation.add_flags(parser)
    options = parser.parse_args(arguments)
    return guarded("treadle-run", lambda: _run(options, parser))


def _run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    if options.on != "sim":
        simulation.refuse_flags(options, parser)
    if not options.bundle.exists():
        raise UsageError(f"{options.bundle}: no such bundle")
    bundle = Bundle(options.bundle)
    params = {param.name: param for param in bundle.params}
    given = _pairs("--arg", options.args, params)
    outputs = _pairs("-o", options.outputs, params)
    tensors = {n: _array(params[n], text) for n, text in given.items() if params[n].is_tensor}
    scalars = {n: _number(params[n], text) for n, text in given.items() if not params[n].is_tensor}
    for name in outputs:
        if not params[name].is_tensor:
            raise UsageError(f"-o {name}: expected a tensor, found a scalar")
        if name not in tensors:
            tensors[name] = _blank(params[name], _sizes(params, tensors))
    if options.on == "sim":
        tensors = {name: arrays.aligned(array) for name, array in tensors.items()}
    values: dict[str, Any] = {name: _tensor(array) for name, array in tensors.items()} | scalars
    if options.on == "cpu":
        CpuProgram(_program_text(bundle), {"name": bundle.name}).launch(**values)
    elif options.on == "sim":
        simulation.finish(simulation.simulator(options).run(bundle, **values), options)
    else:
        _launch_on_gpu(bundle, options.device, tensors, scalars)
    for name, path in outputs.items():
        arrays.save(path, tensors[name])
    return OK


def _pairs(flag: str, items: Sequence[str], params: Mapping[str, Param]) -> dict[str, str]:
    pairs = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not value:
            raise UsageError(f"{flag} {item}: expected NAME=VALUE")
        if name not in params:
            raise UsageError(f"{flag} {item}: the kernel has no parameter {name}; it has {', '.join(params)}")
        pairs[name] = value
    return pairs


def _number(param: Param, text: str) -> int | float:
    try:
        return float(text) if param.dtype.startswith("f") else int(text)
    except ValueError:
        raise UsageError(f"--arg {param.name}={text}: expected a number of type {param.dtype}") from None


def _array(param: Param, text: str) -> np.ndarray[Any, Any]:
    import numpy as np

    flag = f"--arg {param.name}={text}"
    if text.startswith("zeros:"):
        return np.zeros(arrays.sizes(flag, text[6:], "zeros:128,64"), _STORAGE[param.dtype])
    array = arrays.load(flag, text)
    if param.dtype == "bf16" and array.dtype.itemsize == 2 and array.dtype.kind == "V":
        array = array.view(np.uint16)  # ml_dtypes' bfloat16, loaded without it
    return array


def _sizes(params: Mapping[str, Param], tensors: Mapping[str, Any]) -> dict[str, int]:
    """The dimensions that the given arrays bind."""
    sizes: dict[str, int] = {}
    for name, array in tensors.items():
        if array.ndim == len(params[name].shape):
            sizes.update(
                (axis, size)
                for axis, size in zip(params[name].shape, array.shape, strict=True)
                if isinstance(axis, str)
            )
    return sizes


def _blank(param: Param, sizes: Mapping[str, int]) -> np.ndarray[Any, Any]:
    import numpy as np

    unknown = [axis for axis in param.shape if isinstance(axis, str) and axis not in sizes]
    if unknown:
        raise UsageError(
            f"-o {param.name}: no given tensor has the size {unknown[0]}; give one, as in --arg {param.name}=zeros:…"
        )
    shape = [axis if isinstance(axis, int) else sizes[axis] for axis in param.shape]
    dtype = np.dtype(_STORAGE[param.dtype])
    if param.dtype == "bf16":
        return np.full(shape, 0x7FC0, dtype)
    return np.full(shape, np.nan if dtype.kind == "f" else np.iinfo(dtype).max, dtype)


def _tensor(array: Any) -> Any:
    return BFloat16(array) if array.dtype.name == "uint16" else array


def _program_text(bundle: Bundle) -> str:
    """The MLIR text beside the manifest: what the CPU target compiles."""
    found = bundle.text("mlir")
    if found is None:
        raise TreadleError(f"{bundle.name}: the bundle has no MLIR text, so it cannot run on the CPU; compile it again")
    return found[1]


# ---------------------------------------------------------------------------------------------------------------------
# GPU
# ---------------------------------------------------------------------------------------------------------------------


class _Cuda:
    type = "cuda"

    def __init__(self, index: int) -> None:
        self.index = index


class _DeviceArray:
    """A NumPy array's copy on a GPU, dense, as a tensor that the runtime takes."""

    def __init__(self, array: Any, device: int) -> None:
        self._lib, self.host = _rt.library(), array
        self.dtype = "bfloat16" if array.dtype.name in ("uint16", "bfloat16") else array.dtype.name
        self.shape = array.shape
        self.device = _Cuda(device)
        self._address = ctypes.c_void_p()
        self._bytes = max(1, array.nbytes)
        _rt.check(self._lib.treadle_rt_alloc(device, ctypes.c_size_t(self._bytes), ctypes.byref(self._address)))
        self._copy("treadle_rt_copy_to_device", self._address, array.ctypes.data_as(ctypes.c_void_p))

    def _copy(self, function: str, to: Any, source: Any) -> None:
        size = ctypes.c_size_t(self.host.nbytes)
        if self.host.nbytes:
            _rt.check(getattr(self._lib, function)(self.device.index, to, source, size))

    def data_ptr(self) -> int:
        """The address on the GPU."""
        return self._address.value or 0

    def stride(self) -> tuple[int, ...]:
        """Row-major strides."""
        return tuple(math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape)))

    def fetch(self) -> None:
        """Copy back into the NumPy array."""
        self._copy("treadle_rt_copy_from_device", self.host.ctypes.data_as(ctypes.c_void_p), self._address)

    def free(self) -> None:
        """Free the memory."""
        self._lib.treadle_rt_free(self.device.index, self._address)


def _launch_on_gpu(bundle: Bundle, device: int, tensors: dict[str, Any], scalars: Mapping[str, int | float]) -> None:
    """Copy everything there, launch, and copy back what may have been written."""
    import numpy as np

    count = _rt.device_count()
    if not 0 <= device < count:
        raise LaunchError(f"expected a device from 0 to {count - 1}, found {device}")
    copies: dict[str, _DeviceArray] = {}
    try:
        for name, array in tensors.items():
            tensors[name] = np.asarray(array, order="C")
            copies[name] = _DeviceArray(tensors[name], device)
        bundle.launch(**copies, **scalars, stream=0)
        _rt.synchronize(device)
        for name, copy in copies.items():
            if next(param for param in bundle.params if param.name == name).access != "read":
                copy.fetch()
    finally:
        for copy in copies.values():
            copy.free()


if __name__ == "__main__":
    sys.exit(main())
