"""treadle-verify: whether all forms of a mixer agree.

    treadle-verify kernels/gla
    treadle-verify kernels/gla --on=gpu -o certificate.json

A mixer's package is a folder with kernel.py (its steps, @td.scan), reference.py (the definition of each in float64) and
cases.py (sizes and inputs); kernels/README.md says what is in them. Each step is run on the package's cases and at the
lengths around those that are often wrong. These must agree, within the bound of each case:

    the definition; the step, run by Python in float64; the compiled forward; two calls, the state handed on; segments
    at the same time; token by token; sequences packed one after another, empty ones among them; reversed twice; heads
    first; causal=False and its definition, where a step has that form; on a GPU, outputs of more than 2^31 elements

and of gradients, within their bounds:

    differences of the step's values, along random directions; those of the step, run by Python; those that are
    compiled; of two calls, through the state between them; of segments at the same time, where states are largest; of
    sequences packed one after another; of two runs, the same bits; on a GPU, of more than 2^31 elements

td.stop_gradient is taken for a constant: where what it stops does not cancel, differences disagree.

--on chooses where what is compiled runs: cpu, sim (its PTX, simulated and checked) or gpu (through PyTorch). With -o a
certificate is written: hashes of the sources and of the PTX, versions, and every verdict with its error and bound.

Exit status: 0 when all agree, 1 when some do not or a step is not right, 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from treadle import compiler, testing
from treadle.cli import certificate
from treadle.cli.common import OK, UsageError, guarded
from treadle.errors import TreadleError
from treadle.testing import ABSOLUTE_TOLERANCE, Kernel
from treadle.verification import (
    Fault,
    Finding,
    Gpu,
    Place,
    Skipped,
    Verdict,
    blaming,
    cases_of,
    is_plain,
    place,
    verify,
    verify_large,
)
from treadle.verified_gradients import verify_gradients, verify_large_gradients

SHOWN = 20
"""The most disagreements that are printed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; its exit status."""
    parser = argparse.ArgumentParser(
        prog="treadle-verify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("package", type=Path, help="the mixer's folder")
    parser.add_argument("--on", choices=("cpu", "sim", "gpu"), default="cpu", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the inputs (default: %(default)s)")
    parser.add_argument("-o", dest="out", type=Path, metavar="FILE", help="write a certificate there")
    options = parser.parse_args(arguments)
    return guarded("treadle-verify", lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    if options.seed < 0:
        raise UsageError(f"--seed={options.seed}: expected 0 or more")
    package = _package(options.package)
    compiler.library()  # without which nothing can be said
    at = place(options.on)
    cases = cases_of(package, options.on)
    if not cases:
        raise TreadleError(f"{package.folder / 'cases.py'}: expected cases of a @td.scan, found none")
    print(f"{package.name}: {len(cases)} cases on {options.on}", flush=True)
    found: list[Finding] = []
    for case in cases:
        found += verify(package, case, at, options.seed)
    found += verify_gradients(package, cases, at, options.seed)
    for case in {case.kernel: case for case in filter(is_plain, [*cases, package.cases.DEMO])}.values():
        found += verify_large(case, at, options.seed)
        found += verify_large_gradients(case, at, options.seed)
    _summarise(found)
    if options.out is not None:
        certificate.write(options.out, certificate.certificate(package, at, _arch(at), cases, found))
    _judge(found)
    return OK


def _judge(found: Sequence[Finding]) -> None:
    """An error where forms disagree or fail."""
    verdicts = [x for x in found if isinstance(x, Verdict)]
    wrong = [x for x in verdicts if not x.ok]
    faults = [x for x in found if isinstance(x, Fault)]
    first = {fault.error: fault for fault in reversed(faults)}
    said = [f"{len(wrong)} of {len(verdicts)} comparisons disagree"] if wrong else []
    said += [f"{len(faults)} forms failed"] if faults else []
    lines = [*map(str, wrong), *map(str, reversed(first.values()))]
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    if lines:
        sys.stdout.flush()
        raise TreadleError("\n".join([", ".join(said), *lines[:SHOWN], *more]))


def _package(folder: Path) -> Kernel:
    """The package in a folder; what is wrong with it is an error."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    for name in certificate.SOURCES:
        if not (folder / name).is_file():
            raise UsageError(f"{folder}: expected a mixer's package, with {name} in it, found none")
    with blaming(folder):
        package = testing.load(folder.resolve().name, folder.resolve().parent)
    for name in ("CPU", "DEMO", "GPU"):
        if not hasattr(package.cases, name):
            raise TreadleError(f"{folder / 'cases.py'}: expected a list of cases {name}, found none")
    if not package.has_steps:
        raise UsageError(
            f"{folder}: expected steps (@td.scan) in kernel.py, found kernels on tiles: they have one form"
        )
    return package


def _arch(at: Place) -> str:
    """What PTX is for."""
    if not isinstance(at, Gpu):
        return compiler.DEFAULT_ARCH
    from treadle.runtime.call import arch_of

    return arch_of(at.torch.cuda.current_device())


def _ratio(error: float, bound: float) -> float:
    """Error over bound, which may be 0: then only no error is within it."""
    return error / bound if bound else math.inf if error else 0.0


def _summarise(found: Sequence[Finding]) -> None:
    """A line for every two forms of every scan."""
    groups: dict[tuple[str, str, str], list[Verdict]] = {}
    for verdict in (x for x in found if isinstance(x, Verdict)):
        form = re.sub(r" at \d+$", "", verdict.form)
        groups.setdefault((verdict.scan, form, verdict.against), []).append(verdict)
    for (scan, form, against), members in groups.items():
        worst = np.max([min(_ratio(x.relative, x.tolerance), x.absolute / ABSOLUTE_TOLERANCE) for x in members])
        wrong = sum(not x.ok for x in members)
        count = f"{len(members)} outputs" if not wrong else f"{wrong} of {len(members)} outputs"
        print(f"{'FAIL' if wrong else 'ok':4} {scan}: {form} = {against}: {count}, error / bound at most {worst:.2g}")
    for skipped in dict.fromkeys(x for x in found if isinstance(x, Skipped)):
        print(skipped)


if __name__ == "__main__":
    sys.exit(main())
