"""treadle-sim: run PTX on the CPU, check every access, count.

    treadle-sim k.ptx --grid=4 --block=128 --arg x.npy --arg uninit:f32:128,64 --arg i64:128 -o 1=y.npy
    treadle-sim k.ptx --entry=scale --grid=4,2 --arg zeros:bf16:128,64 --arg f32:1.5 --counts --report=r.json

One --arg for each of the entry's parameters, in order: a tensor or a number. A tensor is an .npy file, or
zeros:DTYPE:SIZES, or uninit:DTYPE:SIZES, which the kernel must write before it reads; a number is DTYPE:VALUE. -o
writes what the kernel left in a tensor, numbered from 0. dtypes: f64 f32 f16 bf16 i64 i32 i16 i8 u64 u32 u16 u8; bf16
arrays are uint16 of their bits.

Whatever the kernel does wrong is printed with its source line, and no file of -o is written.

Exit status: 0 when nothing was wrong, 1 when something was or the launch is refused, 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.cli import arrays, simulation
from treadle.cli.common import OK, UsageError, guarded
from treadle.runtime import _sim
from treadle.runtime.report import Report

if TYPE_CHECKING:
    import numpy as np

_STORAGE = {"f64": "f8", "f32": "f4", "f16": "f2", "bf16": "u2"} | {
    f"{sign}{8 * size}": f"{sign}{size}" for sign in "iu" for size in (8, 4, 2, 1)
}
_LONGEST = 2**31 - 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; its exit status."""
    parser = argparse.ArgumentParser(
        prog="treadle-sim", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("ptx", type=Path, help="a file of PTX")
    parser.add_argument("--entry", metavar="NAME", help="default: the only one")
    parser.add_argument("--grid", metavar="X,Y,Z", default="1", help="blocks (default: %(default)s)")
    parser.add_argument("--block", metavar="X,Y,Z", help="threads of a block (default: those of .reqntid)")
    parser.add_argument("--shared", metavar="BYTES", type=int, default=0, help="dynamic shared memory")
    parser.add_argument("--arg", dest="args", metavar="VALUE", action="append", default=[])
    parser.add_argument("-o", dest="outputs", metavar="N=FILE", action="append", default=[])
    simulation.add_flags(parser)
    options = parser.parse_args(arguments)
    return guarded("treadle-sim", lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    import numpy as np

    if not options.ptx.is_file():
        raise UsageError(f"{options.ptx}: no such file")
    simulator = simulation.simulator(options)
    text = options.ptx.read_text(encoding="utf-8", errors="surrogateescape")
    module = _sim.Module(text, str(options.ptx))
    entry = _entry(options, module.describe()["entries"])
    grid = _dim("--grid", options.grid)
    block = _block(options.block, entry)
    if not 0 <= options.shared <= _LONGEST:
        raise UsageError(f"--shared={options.shared}: expected a number of bytes")

    given = [_argument(text) for text in options.args]
    _check_parameters(options.args, given, entry)
    outputs = _outputs(options.outputs, given)
    memory = _sim.Memory()
    values: list[np.ndarray[Any, Any]] = []
    for i, (array, initialised) in enumerate(given):
        if array.ndim:
            strides = [stride // array.itemsize for stride in array.strides]
            name = entry["params"][i]["name"]
            address = memory.map(array.ctypes.data, array.itemsize, array.shape, strides, name, initialised)
            values.append(np.array(address, np.uint64))
        else:
            values.append(array)
    params = (ctypes.c_void_p * len(values))(*(value.ctypes.data for value in values))
    launch = simulator.launch(module, entry["name"], memory, grid, block, options.shared, params, len(values))
    simulation.finish(Report((launch,)), options)
    for index, path in outputs.items():
        arrays.save(path, given[index][0])
    return OK


def _entry(options: argparse.Namespace, entries: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The entry to run, as treadle_sim_describe has it."""
    names = [entry["name"] for entry in entries]
    if options.entry is None and len(entries) != 1:
        raise UsageError(f"{options.ptx}: choose an entry with --entry: {', '.join(names) or 'there is none'}")
    if options.entry is not None and options.entry not in names:
        raise UsageError(f"{options.ptx} has no entry {options.entry}; it has {', '.join(names) or 'none'}")
    return entries[names.index(options.entry)] if options.entry is not None else entries[0]


def _dim(flag: str, text: str) -> list[int]:
    """One to three sizes."""
    found = arrays.sizes(f"{flag}={text}", text, f"{flag}=4,1,1")
    if len(found) > 3 or not all(0 < size <= _LONGEST for size in found):
        raise UsageError(f"{flag}={text}: expected sizes, as in {flag}=4,1,1")
    return [*found, 1, 1][:3]


def _block(text: str | None, entry: Mapping[str, Any]) -> list[int]:
    if text is not None:
        return _dim("--block", text)
    if entry["reqntid"] is None:
        raise UsageError(f"--block: expected the sizes of a block, since {entry['name']} has no .reqntid")
    return list(entry["reqntid"])


def _argument(text: str) -> tuple[np.ndarray[Any, Any], bool]:
    """A tensor, or a number as an array of no axes; and whether its memory counts as written."""
    import numpy as np

    flag = f"--arg {text}"
    kind, *rest = text.split(":")
    if kind in ("zeros", "uninit"):
        dtype, *shape = rest or [""]
        if dtype not in _STORAGE or len(shape) != 1:
            raise UsageError(f"{flag}: expected {kind}:DTYPE:SIZES, with a dtype of {', '.join(_STORAGE)}")
        sizes = arrays.sizes(flag, shape[0], f"{kind}:{dtype}:128,64")
        array = arrays.aligned(np.zeros(sizes, _STORAGE[dtype]))
        if kind == "uninit":
            array.view(f"u{array.itemsize}")[...] = -1 % 2 ** (8 * array.itemsize)  # NaN
        return array, kind == "zeros"
    if kind in _STORAGE and len(rest) == 1:
        return _number(flag, kind, rest[0]), True
    if not text.endswith(".npy"):
        raise UsageError(f"{flag}: expected an .npy file, zeros:DTYPE:SIZES, uninit:DTYPE:SIZES or DTYPE:VALUE")
    array = arrays.load(flag, text)
    if array.ndim == 0:
        raise UsageError(f"{flag}: expected an array with axes, found a number; give it as in f32:1.5")
    return arrays.aligned(array), True


def _number(flag: str, dtype: str, text: str) -> np.ndarray[Any, Any]:
    import numpy as np

    from treadle import testing

    try:
        if dtype == "bf16":
            return testing.pack(float(text), dtype)
        value = float(text) if dtype.startswith("f") else int(text, 0)
        return np.array(value, _STORAGE[dtype])
    except (ValueError, OverflowError):
        raise UsageError(f"{flag}: expected a number of type {dtype}") from None


def _check_parameters(
    texts: Sequence[str], given: Sequence[tuple[np.ndarray[Any, Any], bool]], entry: Mapping[str, Any]
) -> None:
    """As many values as the entry has parameters, each of its size."""
    params = entry["params"]
    if len(given) != len(params):
        listed = ", ".join(f"{param['name']} ({param['bytes']} bytes)" for param in params)
        raise UsageError(f"expected {len(params)} of --arg, for {listed or 'no parameters'}; found {len(given)}")
    for text, (array, _), param in zip(texts, given, params, strict=True):
        size = 8 if array.ndim else array.itemsize
        if size != param["bytes"]:
            what = "an address of 8 bytes" if array.ndim else f"{size} bytes"
            raise UsageError(f"--arg {text}: expected {param['bytes']} bytes for {param['name']}, found {what}")


def _outputs(items: Sequence[str], given: Sequence[tuple[np.ndarray[Any, Any], bool]]) -> dict[int, str]:
    outputs = {}
    for item in items:
        number, equals, path = item.partition("=")
        if not equals or not path or not number.isdigit():
            raise UsageError(f"-o {item}: expected N=FILE")
        if int(number) >= len(given) or not given[int(number)][0].ndim:
            tensors = [str(i) for i, (array, _) in enumerate(given) if array.ndim]
            raise UsageError(f"-o {item}: argument {number} is no tensor; tensors are {', '.join(tensors) or 'none'}")
        outputs[int(number)] = path
    return outputs


if __name__ == "__main__":
    sys.exit(main())
