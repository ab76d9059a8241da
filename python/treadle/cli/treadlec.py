"""treadlec: compile kernels.

    treadlec kernel.py --arch=sm_90a -D D=1024 --dtype=bf16 -o out
    treadlec kernel.mlir --emit=llvm

A kernel.py with one kernel, or one chosen with --kernel, becomes a bundle in the folder of -o (default: out); of
several kernels each becomes a bundle in a folder of its own below it. With --emit the program is printed at that phase
instead, or written to the file of -o.

Exit status: 0 when all went well, 1 when the program has errors, 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle import compiler
from treadle.cli.common import OK, UsageError, guarded
from treadle.errors import TreadleError

if TYPE_CHECKING:
    from treadle.frontend.declared import Kernel


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; its exit status."""
    options = _parser().parse_args(arguments)
    return guarded("treadlec", lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="treadlec", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("input", nargs="?", type=Path, help="a .py file of kernels, or MLIR text; - is standard input")
    parser.add_argument("--arch", default=compiler.DEFAULT_ARCH, help="the GPU: sm_80 or later (default: %(default)s)")
    parser.add_argument("-D", dest="constants", metavar="NAME=VALUE", action="append", default=[],
                        help="a compile-time constant")  # fmt: skip
    parser.add_argument("--dtype", help="of the tensors that are declared without one")
    parser.add_argument("--kernel", metavar="NAME", help="compile this kernel only")
    parser.add_argument("--with", dest="present", metavar="NAMES", default="",
                        help="the optional tensors that are given, separated by commas")  # fmt: skip
    parser.add_argument("-o", dest="out", type=Path, help="the bundle's folder; with --emit, a file")
    parser.add_argument("--emit", choices=compiler.PHASES, metavar="PHASE", help=f"print: {' '.join(compiler.PHASES)}")
    parser.add_argument("--from", dest="start", choices=compiler.PHASES[:-1], metavar="PHASE", default="tile",
                        help="the phase that MLIR input is at")  # fmt: skip
    parser.add_argument("--dump-phases", type=Path, metavar="DIR", help="write the program at every phase there")
    parser.add_argument("--locations", action="store_true", help="print MLIR with its source locations")
    parser.add_argument("--fast-math", action="store_true", help="use the approximate units, flush denormals")
    parser.add_argument("--no-ptxas", action="store_true", help="make no cubin")
    parser.add_argument("--no-cache", action="store_true", help="compile even what was compiled before")
    parser.add_argument("--time", action="store_true", help="print the milliseconds of every phase")
    parser.add_argument("--cache-info", action="store_true", help="what the compile cache holds")
    parser.add_argument("--cache-clear", action="store_true", help="empty the compile cache")
    parser.add_argument("--version", action="store_true", help="print the version")
    return parser


def _run(options: argparse.Namespace) -> int:
    if options.version:
        print(f"treadlec {compiler.version()}")
        return OK
    if options.cache_info or options.cache_clear:
        _cache(options.cache_clear)
        return OK
    if options.input is None:
        raise UsageError("expected a file to compile")
    if options.input.suffix == ".py":
        return _compile_python(options)
    return _compile_mlir(options)


def _cache(clear: bool) -> None:
    from treadle.runtime.cache import default_cache

    cache = default_cache()
    if clear:
        cache.clear()
    info = cache.info()
    print(f"{info.root}: {info.entries} entries, {info.bytes / 1e6:.1f} of {info.limit / 1e6:.0f} MB")


# ---------------------------------------------------------------------------------------------------------------------
# Inputs
# ---------------------------------------------------------------------------------------------------------------------


def _compile_python(options: argparse.Namespace) -> int:
    from treadle.frontend.loading import load_kernels

    if options.start != "tile":
        raise UsageError(f"--from={options.start} is for MLIR input, and {options.input} is Python")
    if not options.input.is_file():
        raise UsageError(f"{options.input}: no such file")
    try:
        kernels = load_kernels(options.input)
    except SystemExit:
        raise TreadleError(f"{options.input}: the file ends the program when it is imported") from None
    chosen = list(kernels.values())
    if options.kernel is not None:
        if options.kernel not in kernels:
            raise UsageError(f"{options.input} has no kernel {options.kernel}; it has {', '.join(kernels) or 'none'}")
        chosen = [kernels[options.kernel]]
    if not chosen:
        raise TreadleError(f"{options.input}: expected a function with @td.kernel, found none")
    present = [name for name in options.present.split(",") if name]
    if options.emit and len(chosen) > 1:
        raise UsageError(f"--emit prints one kernel; choose it with --kernel: {', '.join(kernels)}")
    for kernel in chosen:
        constants = _constants(kernel, options.constants)
        text = kernel.to_mlir(constants, options.dtype, present, fast_math=options.fast_math)
        values = {
            "arch": options.arch,
            "name": kernel.name,
            "dtype": str(options.dtype or kernel.dtype),
            "constants": {**kernel.constants, **constants},
        }
        folder = options.out or Path("out")
        _produce(options, text, values, folder if len(chosen) == 1 else folder / kernel.name)
    return OK


def _constants(kernel: Kernel, items: Sequence[str]) -> dict[str, Any]:
    constants = {}
    for item in items:
        name, equals, text = item.partition("=")
        if not equals or not name:
            raise UsageError(f"-D {item}: expected NAME=VALUE")
        wanted = type(kernel.constants.get(name))
        constants[name] = _value(text, wanted)
    return constants


def _value(text: str, wanted: type) -> Any:
    """The text as the type of the constant's default; as it looks where it is no such value."""
    if wanted is str:
        return text
    lowered = text.lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _compile_mlir(options: argparse.Namespace) -> int:
    for flag, given in (("-D", options.constants), ("--dtype", options.dtype), ("--with", options.present),
                        ("--kernel", options.kernel)):  # fmt: skip
        if given:
            raise UsageError(f"{flag} is for Python input")
    if str(options.input) == "-":
        name, data = "<stdin>", sys.stdin.buffer.read()
    else:
        if not options.input.is_file():
            raise UsageError(f"{options.input}: no such file")
        name, data = str(options.input), options.input.read_bytes()
    text = data.decode("utf-8", "surrogateescape")
    values = {"arch": options.arch, "file": name, "from": options.start, "fast_math": options.fast_math}
    _produce(options, text, values, options.out or Path("out"))
    return OK


# ---------------------------------------------------------------------------------------------------------------------
# Outputs
# ---------------------------------------------------------------------------------------------------------------------


def _produce(options: argparse.Namespace, text: str, values: dict[str, Any], folder: Path) -> None:
    """Print the program at the phase asked for, or write a bundle."""
    dump = options.dump_phases
    if options.emit is None and not options.time:
        compiled = compiler.compile_text(
            text, values, ptxas=not options.no_ptxas, dump_dir=dump, cache=not options.no_cache
        )
        _warn(compiled.warnings)
        compiled.save(folder)
        return
    emit = options.emit or "ptx"
    if dump is not None:
        values["dump_dir"] = str(dump)
    wants_cubin = not options.no_ptxas and options.emit is None
    output = compiler.run(text, {**values, "emit": emit, "locations": options.locations, "ptxas": wants_cubin})
    _warn(output.warnings)
    if options.time:
        for phase, milliseconds in output.milliseconds.items():
            print(f"{phase:10} {milliseconds:8.2f} ms", file=sys.stderr)
    if options.emit is None:
        return
    data = output.artifacts["text"]
    if options.out is not None:
        compiler.write_files(options.out.parent, {options.out.name: data})
    else:
        sys.stdout.buffer.write(data)


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
