"""Compile every kernel for two GPUs, run each on the CPU, and print what came out.

    python tools/demo.py [KERNEL ...]

Every kernel function under kernels/ is compiled as its folder's demonstration case says (those without one: as the
largest of the cases for the CPU), for sm_80 and sm_90a, and assembled where `ptxas` is found. The same program is then
compiled for this machine's CPU, run on that case, and compared with the definition in float64. Of a step (@td.scan) two
kernels are made: forward, which runs over whole sequences, and step, which goes on from a state by one token.

Exit status: 0 when everything compiled and every error is within its bound.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from treadle import compiler, testing, verification
from treadle.errors import TreadleError
from treadle.frontend.loading import load_all
from treadle.frontend.scans import Scan
from treadle.runtime.call import BFloat16
from treadle.scan_cases import ScanCase

TARGETS = ("sm_80", "sm_90a", "cpu")


@dataclass(frozen=True)
class Row:
    """One line of the table: a kernel on a target. What a target does not have is None."""

    kernel: str
    target: str
    milliseconds: float | None = None
    registers: int | None = None
    shared: int | None = None
    spills: int | None = None
    error: float | None = None
    problem: str = ""

    def cells(self) -> list[str]:
        """The line's text, cell by cell."""
        numbers = [
            "" if self.milliseconds is None else f"{self.milliseconds:.0f}",
            *("" if n is None else str(n) for n in (self.registers, self.shared, self.spills)),
            "" if self.error is None else f"{self.error:.1e}",
        ]
        return [self.kernel, self.target, *numbers, self.problem]


HEADER = ["kernel", "target", "compile ms", "registers", "shared bytes", "spills", "relative error", ""]


def show(cells: Sequence[str]) -> None:
    """Print a line of the table: words to the left, numbers to the right."""
    widths = [32, 8, *(max(9, len(title)) for title in HEADER[2:-1])]
    words = [cell.ljust(width) for cell, width in zip(cells[:2], widths[:2], strict=True)]
    numbers = [cell.rjust(width) for cell, width in zip(cells[2:-1], widths[2:], strict=True)]
    print("  ".join([*words, *numbers, cells[-1]]).rstrip(), flush=True)


@dataclass(frozen=True)
class Program:
    """A kernel to show: its text, what the compiler is told of it, and how it is compared with its definition."""

    name: str
    text: Callable[[], str]
    options: Mapping[str, Any]
    check: Callable[[compiler.CpuProgram], Sequence[testing.Record]]


def programs(folder: str) -> Iterator[Program]:
    """What every function of a folder becomes, for the case to show it on."""
    package = testing.load(folder)
    chosen = {package.cases.DEMO.kernel: package.cases.DEMO}
    usual = [case for case in package.cases.CPU if not isinstance(case, ScanCase) or verification.is_plain(case)]
    for case in sorted(usual, key=lambda case: case.elements, reverse=True):
        chosen.setdefault(case.kernel, case)
    for name, function in load_all(package.folder / "kernel.py").items():
        made = derived if isinstance(function, Scan) else as_written
        yield from made(package, function, chosen[name])


def as_written(package: testing.Kernel, kernel: Any, case: testing.Case) -> Iterator[Program]:
    """A kernel on tiles."""

    def check(program: compiler.CpuProgram) -> Sequence[testing.Record]:
        def run(_name: str, _constants: Any, _dtype: str, _present: Any, arrays: Mapping[str, Any]) -> None:
            arguments: dict[str, Any] = {
                name: BFloat16(array) if getattr(array, "dtype", None) == "uint16" else array
                for name, array in arrays.items()
            }
            program.launch(**arguments)

        return testing.check(package, case, run)

    text = functools.partial(kernel.to_mlir, case.constants, case.dtype, case.present)
    options = {"name": case.kernel, "dtype": case.dtype, "constants": {**kernel.constants, **case.constants}}
    yield Program(case.kernel, text, options, check)


def derived(package: testing.Kernel, scan: Any, case: Any) -> Iterator[Program]:
    """The kernels made of a step. They are compared by calls, which compile them for what they are given."""
    checks: dict[str, Callable[[Any], Sequence[testing.Record]]] = {
        "forward": lambda _: testing.check(package, case, case.runner()),
        "step": lambda _: verification.check_step(package, case, verification.place("cpu")),
    }
    for kernel, settings in verification.DERIVED.items():
        name = f"{scan.name}_{kernel}"
        options = {"name": name, "dtype": case.dtype, "constants": scan.resolve(case.constants)}
        text = functools.partial(scan.to_mlir, case.constants, case.dtype, **settings)
        yield Program(name, text, options, checks[kernel])


def compile_for_gpu(program: Program, arch: str) -> Row:
    """Compile, and assemble where there is `ptxas`."""
    start = time.perf_counter()
    compiled = compiler.compile_text(program.text(), {**program.options, "arch": arch}, cache=False)
    milliseconds = 1e3 * (time.perf_counter() - start)
    used = list(compiled.manifest.get("resources", {}).values())
    dynamic = max(launch.get("shared_bytes", 0) for launch in compiled.manifest["launches"])
    return Row(
        program.name,
        arch,
        milliseconds,
        registers=max(entry["registers"] for entry in used) if used else None,
        shared=dynamic + max((entry["static_shared"] for entry in used), default=0),
        spills=sum(entry["spill_loads"] + entry["spill_stores"] for entry in used) if used else None,
        problem="" if used else "no ptxas",
    )


def run_on_cpu(program: Program) -> Row:
    """Compile, run and compare every output; the largest error counts."""
    start = time.perf_counter()
    compiled = compiler.CpuProgram(program.text(), {"name": program.options["name"]})
    milliseconds = 1e3 * (time.perf_counter() - start)
    records = program.check(compiled)
    wrong = [str(record) for record in records if not record.ok]
    worst = max(record.relative for record in records)
    return Row(program.name, "cpu", milliseconds, error=worst, problem="; ".join(wrong))


def row(program: Program, target: str) -> tuple[Row, bool]:
    """One line of the table, and whether it is as it should be."""
    try:
        if target == "cpu":
            ran = run_on_cpu(program)
            return ran, not ran.problem
        return compile_for_gpu(program, target), True
    except TreadleError as error:
        return Row(program.name, target, problem=f"{type(error).__name__}: {str(error).splitlines()[0]}"), False


def main(folders: Sequence[str]) -> int:
    """Print the table; the exit status."""
    unknown = set(folders) - set(testing.kernel_names())
    if unknown:
        print(f"demo: no kernel {', '.join(sorted(unknown))}; there are {', '.join(testing.kernel_names())}")
        return 2
    print(f"ptxas: {compiler.find_ptxas() or 'none found, so PTX is not assembled'}")
    show(HEADER)
    failed = 0
    for folder in folders or testing.kernel_names():
        for program in programs(folder):
            for target in TARGETS:
                line, ok = row(program, target)
                failed += not ok
                show(line.cells())
    if failed:
        print(f"{failed} lines are not as they should be")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
