"""Compile every kernel for two GPUs, run each on the CPU, and print what came out.

    python tools/demo.py [KERNEL ...]

Every kernel function under kernels/ is compiled as its folder's demonstration case says (those without one: as the
largest of the cases for the CPU), for sm_80 and sm_90a, and assembled where `ptxas` is found. The same program is then
compiled for this machine's CPU, run on that case, and compared with the definition in float64.

Exit status: 0 when everything compiled and every error is within its bound.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from treadle import compiler, testing
from treadle.errors import TreadleError
from treadle.frontend.loading import load_kernels
from treadle.runtime.call import BFloat16

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
    widths = [24, 8, *(max(9, len(title)) for title in HEADER[2:-1])]
    words = [cell.ljust(width) for cell, width in zip(cells[:2], widths[:2], strict=True)]
    numbers = [cell.rjust(width) for cell, width in zip(cells[2:-1], widths[2:], strict=True)]
    print("  ".join([*words, *numbers, cells[-1]]).rstrip(), flush=True)


def cases(folder: str) -> Iterator[tuple[testing.Kernel, Any, testing.Case]]:
    """Every kernel function of a folder, with the case to show it on."""
    package = testing.load(folder)
    chosen = {package.cases.DEMO.kernel: package.cases.DEMO}
    for case in sorted(package.cases.CPU, key=lambda case: case.elements, reverse=True):
        chosen.setdefault(case.kernel, case)
    for name, function in load_kernels(package.folder / "kernel.py").items():
        yield package, function, chosen[name]


def compile_for_gpu(function: Any, case: testing.Case, arch: str) -> Row:
    """Compile, and assemble where there is `ptxas`."""
    start = time.perf_counter()
    compiled = compiler.compile(function, case.constants, case.dtype, case.present, arch, cache=False)
    milliseconds = 1e3 * (time.perf_counter() - start)
    used = list(compiled.manifest.get("resources", {}).values())
    dynamic = max(launch.get("shared_bytes", 0) for launch in compiled.manifest["launches"])
    return Row(
        case.kernel,
        arch,
        milliseconds,
        registers=max(entry["registers"] for entry in used) if used else None,
        shared=dynamic + max((entry["static_shared"] for entry in used), default=0),
        spills=sum(entry["spill_loads"] + entry["spill_stores"] for entry in used) if used else None,
        problem="" if used else "no ptxas",
    )


def run_on_cpu(package: testing.Kernel, function: Any, case: testing.Case) -> Row:
    """Compile, run and compare every output; the largest error counts."""
    start = time.perf_counter()
    text = function.to_mlir(case.constants, case.dtype, case.present)
    program = compiler.CpuProgram(text, {"name": case.kernel})
    milliseconds = 1e3 * (time.perf_counter() - start)

    def run(_name: str, _constants: Any, _dtype: str, _present: Any, arrays: Mapping[str, Any]) -> None:
        arguments: dict[str, Any] = {
            name: BFloat16(array) if getattr(array, "dtype", None) == "uint16" else array
            for name, array in arrays.items()
        }
        program.launch(**arguments)

    records = testing.check(package, case, run)
    wrong = [str(record) for record in records if not record.ok]
    worst = max(record.relative for record in records)
    return Row(case.kernel, "cpu", milliseconds, error=worst, problem="; ".join(wrong))


def row(package: testing.Kernel, function: Any, case: testing.Case, target: str) -> tuple[Row, bool]:
    """One line of the table, and whether it is as it should be."""
    try:
        if target == "cpu":
            ran = run_on_cpu(package, function, case)
            return ran, not ran.problem
        return compile_for_gpu(function, case, target), True
    except TreadleError as error:
        return Row(case.kernel, target, problem=f"{type(error).__name__}: {str(error).splitlines()[0]}"), False


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
        for package, function, case in cases(folder):
            for target in TARGETS:
                line, ok = row(package, function, case, target)
                failed += not ok
                show(line.cells())
    if failed:
        print(f"{failed} lines are not as they should be")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
