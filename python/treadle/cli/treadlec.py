"""treadlec: compile kernels.

    treadlec kernel.py --arch=sm_90a -D D=1024 --dtype=bf16 -o out
    treadlec lightnet.py --derive=forward,step -D K=128 -D V=128 -o out
    treadlec kernel.mlir --emit=llvm

A kernel.py with one kernel, or one chosen with --kernel, becomes a bundle in the folder of -o (default: out); of
several kernels each becomes a bundle in a folder of its own below it. With --emit the program is printed at that phase
instead, or written to the file of -o.

From a @td.scan kernels are derived: NAME_forward runs over whole sequences, NAME_step goes on from given states by any
number of tokens, NAME_backward computes gradients from the same inputs. --derive chooses. Arrays are named as in the
step, its output o (several: o0, o1, ...), states NAME_initial and NAME_final, which are different arrays unless they
are pools (--state-indices); a gradient is named after its array, q_grad or S_final_grad. That of an input that is the
same for all times, batches or heads is one for each sequence and head, f32, to be summed. What the launches of a
backward hand on to each other are arrays kept_0 and so on. --emit=treadle prints the scan itself, before a kernel is
made of it; --emit=chunked the tile program that works on chunks of tokens, if there is one. --explain says what was
derived, and why.

Exit status: 0 when all went well, 1 when the program has errors, 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle import compiler
from treadle.cli import derived
from treadle.cli.common import OK, UsageError, guarded
from treadle.cli.explain import explanation
from treadle.errors import TreadleError

if TYPE_CHECKING:
    from treadle.frontend.declared import Kernel
    from treadle.frontend.scans import Scan


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; its exit status."""
    options = _parser().parse_args(arguments)
    return guarded("treadlec", lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    phases = ("treadle", "chunked", *compiler.PHASES)
    parser = argparse.ArgumentParser(
        prog="treadlec", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "input", nargs="?", type=Path, help="a .py file of kernels and scans, or MLIR text; - is standard input"
    )
    parser.add_argument("--arch", default=compiler.DEFAULT_ARCH, help="the GPU: sm_80 or later (default: %(default)s)")
    parser.add_argument("-D", dest="constants", metavar="NAME=VALUE", action="append", default=[],
                        help="a compile-time constant")  # fmt: skip
    parser.add_argument("--dtype", help="of the tensors that are declared without one")
    parser.add_argument("--kernel", metavar="NAME", help="compile this kernel or scan only")
    parser.add_argument("--with", dest="present", metavar="NAMES", default="",
                        help="the optional tensors that are given, separated by commas")  # fmt: skip
    parser.add_argument("-o", dest="out", type=Path, help="the bundle's folder; with --emit, a file")
    parser.add_argument("--emit", choices=phases, metavar="PHASE", help=f"print: {' '.join(phases)}")
    parser.add_argument("--from", dest="start", choices=compiler.PHASES[:-1], metavar="PHASE", default="tile",
                        help="the phase that MLIR input is at")  # fmt: skip
    parser.add_argument("--dump-phases", type=Path, metavar="DIR", help="write the program at every phase there")
    parser.add_argument("--explain", action="store_true", help="say what is derived from a scan, and why; no bundle")
    parser.add_argument("--locations", action="store_true", help="print MLIR with its source locations")
    parser.add_argument("--fast-math", action="store_true", help="use the approximate units, flush denormals")
    parser.add_argument("--no-ptxas", action="store_true", help="make no cubin")
    parser.add_argument("--no-cache", action="store_true", help="compile even what was compiled before")
    parser.add_argument("--time", action="store_true", help="print the milliseconds of every phase")
    parser.add_argument("--cache-info", action="store_true", help="what the compile cache holds")
    parser.add_argument("--cache-clear", action="store_true", help="empty the compile cache")
    parser.add_argument("--version", action="store_true", help="print the version")
    derived.add_flags(parser)
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
    from treadle.frontend.loading import load_all

    if options.start != "tile":
        raise UsageError(f"--from={options.start} is for MLIR input, and {options.input} is Python")
    if not options.input.is_file():
        raise UsageError(f"{options.input}: no such file")
    try:
        found = load_all(options.input)
    except SystemExit:
        raise TreadleError(f"{options.input}: the file ends the program when it is imported") from None
    chosen = list(found.values())
    if options.kernel is not None:
        if options.kernel not in found:
            raise UsageError(f"{options.input} has no kernel {options.kernel}; it has {', '.join(found) or 'none'}")
        chosen = [found[options.kernel]]
    if not chosen:
        raise TreadleError(f"{options.input}: expected a function with @td.kernel, @td.scan or @td.mixer, found none")
    programs = _programs(options, chosen)
    if options.explain:
        texts = [_explanation(options, text, values) for text, values in programs.values()]
        _print(options, "\n".join(texts).encode())
        return OK
    parts = {name if len(programs) > 1 else "": program for name, program in programs.items()}
    if options.emit is None and not options.time:
        _write_bundles(options, parts)
    else:
        for part, (text, values) in parts.items():
            _produce(options, text, values, part)
    return OK


def _programs(options: argparse.Namespace, chosen: Sequence[Kernel | Scan]) -> dict[str, tuple[str, dict[str, Any]]]:
    """The programs of kernels and scans, by name: their texts, and the compiler's options."""
    from treadle.frontend.scans import Scan

    scans = [declared for declared in chosen if isinstance(declared, Scan)]
    if options.explain and (options.emit or len(scans) != len(chosen)):
        other = f"--emit={options.emit}" if options.emit else "kernels"
        raise UsageError(f"--explain is for scans alone, found {other}")
    if not scans:
        source = options.input if options.kernel is None else f"kernel {options.kernel}"
        derived.refuse_flags(options, f"is for scans, and {source} has none")
        if options.emit in ("treadle", "chunked"):
            raise UsageError(f"--emit={options.emit} is for scans, and {source} has none")
    present = [name for name in options.present.split(",") if name]
    if present and len(scans) == len(chosen):
        raise UsageError("--with is for kernels, found scans only")
    wanted = derived.kernels(options) if scans else ()
    if options.emit and len(chosen) > 1:
        names = ", ".join(declared.name for declared in chosen)
        raise UsageError(f"--emit prints one kernel; choose it with --kernel: {names}")
    if options.emit and len(wanted) > 1:
        raise UsageError(f"--emit prints one kernel; choose it with --derive: {', '.join(wanted)}")
    programs: dict[str, tuple[str, dict[str, Any]]] = {}
    for declared in chosen:
        constants = _constants(declared, chosen, options.constants)
        values = {"arch": options.arch, "dtype": str(options.dtype or declared.dtype)}
        if not isinstance(declared, Scan):
            text = declared.to_mlir(constants, options.dtype, present, fast_math=options.fast_math)
            values |= {"name": declared.name, "constants": {**declared.constants, **constants}}
            programs[declared.name] = text, values
            continue
        for kernel in wanted:
            name = f"{declared.name}_{kernel}"
            if any(other.name == name for other in chosen):
                raise declared.error(f"two kernels are named {name}: one is derived from this scan", "rename one")
            text = derived.text(declared, kernel, constants, options)
            programs[name] = text, {**values, "name": name, "constants": declared.resolve(constants)}
    return programs


def _constants(declared: Kernel | Scan, chosen: Sequence[Kernel | Scan], items: Sequence[str]) -> dict[str, Any]:
    """The constants given to one of the kernels and scans: its own, and those that none of them has, for the error."""
    defaults = declared.constants
    foreign = {name for other in chosen for name in other.constants} - {*defaults}
    constants = {}
    for item in items:
        name, equals, text = item.partition("=")
        if not equals or not name:
            raise UsageError(f"-D {item}: expected NAME=VALUE")
        if name not in foreign:
            constants[name] = _value(text, type(defaults.get(name)))
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
    refused = {
        "-D": options.constants,
        "--dtype": options.dtype,
        "--with": options.present,
        "--kernel": options.kernel,
        "--explain": options.explain,
        "--emit=treadle": options.emit == "treadle",
        "--emit=chunked": options.emit == "chunked",
    }
    for flag, given in refused.items():
        if given:
            raise UsageError(f"{flag} is for Python input")
    derived.refuse_flags(options, "is for Python input")
    if str(options.input) == "-":
        name, data = "<stdin>", sys.stdin.buffer.read()
    else:
        if not options.input.is_file():
            raise UsageError(f"{options.input}: no such file")
        name, data = str(options.input), options.input.read_bytes()
    text = data.decode("utf-8", "surrogateescape")
    values = {"arch": options.arch, "file": name, "from": options.start, "fast_math": options.fast_math}
    if options.emit is None and not options.time:
        _write_bundles(options, {"": (text, values)})
    else:
        _produce(options, text, values)
    return OK


# ---------------------------------------------------------------------------------------------------------------------
# Outputs
# ---------------------------------------------------------------------------------------------------------------------


def _write_bundles(options: argparse.Namespace, parts: Mapping[str, tuple[str, dict[str, Any]]]) -> None:
    """Compile programs side by side, and write bundles below the folders that they are named for: all or none."""

    def compiled(part: str) -> compiler.CompiledKernel:
        text, values = parts[part]
        dump = options.dump_phases and options.dump_phases / part
        return compiler.compile_text(
            text, values, ptxas=not options.no_ptxas, dump_dir=dump, cache=not options.no_cache
        )

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        bundles = list(pool.map(compiled, parts))
    for part, bundle in zip(parts, bundles, strict=True):
        _warn(bundle.warnings)
        bundle.save((options.out or Path("out")) / part)


def _produce(options: argparse.Namespace, text: str, values: dict[str, Any], part: str = "") -> None:
    """Print the program at the phase asked for, or how long phases took. part: dumps are in the folder of that name."""
    dump = options.dump_phases and options.dump_phases / part
    if options.emit == "treadle":
        _print(options, (text if options.locations else derived.without_locations(text)).encode())
        return
    emit = "tile" if options.emit == "chunked" else options.emit or "ptx"
    if dump is not None:
        values["dump_dir"] = str(dump)
    wants_cubin = not options.no_ptxas and options.emit is None
    output = compiler.run(text, {**values, "emit": emit, "locations": options.locations, "ptxas": wants_cubin})
    _warn(output.warnings)
    if options.time:
        for phase, milliseconds in output.milliseconds.items():
            print(f"{phase:10} {milliseconds:8.2f} ms", file=sys.stderr)
    if options.emit == "chunked" and (how := _why_not_chunked(output.artifacts["text"].decode())):
        raise TreadleError(f"{values['name']} is computed token by token, not in chunks: {how}")
    if options.emit is not None:
        _print(options, output.artifacts["text"])


def _why_not_chunked(text: str) -> str:
    """The reason that a tile program gives for taking one token at a time; "" for one that takes chunks."""
    if "treadle.derivation" not in text:
        return "it was made for few tokens"
    found = re.search(r'treadle\.derivation = \{chunk = 1 : i64,.*?reason = "(.*?)"', text)
    return found[1] if found else ""


def _explanation(options: argparse.Namespace, text: str, values: dict[str, Any]) -> str:
    """What is derived from a scan, in words."""
    compiled = compiler.compile_text(text, values, ptxas=not options.no_ptxas, cache=not options.no_cache)
    _warn(compiled.warnings)
    return explanation(values["name"], {"dtype": values["dtype"], **compiled.manifest}) + "\n"


def _print(options: argparse.Namespace, data: bytes) -> None:
    if options.out is not None:
        compiler.write_files(options.out.parent, {options.out.name: data})
    else:
        sys.stdout.buffer.write(data)


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
