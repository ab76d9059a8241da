"""What the tools that simulate share: their flags, and what they do with a report."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from treadle.cli.common import UsageError
from treadle.compiler import write_files
from treadle.runtime.report import Report
from treadle.runtime.sim import Simulator

_FLAGS = ("counts", "report", "no_bounds", "no_uninitialised", "no_races", "threads", "max_findings")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of a simulation."""
    group = parser.add_argument_group("simulation")
    group.add_argument("--counts", action="store_true", help="print what every source line did")
    group.add_argument("--report", type=Path, metavar="FILE", help="write findings and counts as JSON")
    group.add_argument("--no-bounds", action="store_true", help="report no access outside a tensor")
    group.add_argument("--no-uninitialised", action="store_true", help="report no read of what nothing wrote")
    group.add_argument("--no-races", action="store_true", help="report no race")
    group.add_argument("--threads", type=int, metavar="N", default=0, help="of this machine (default: all cores)")
    group.add_argument("--max-findings", type=int, metavar="N", default=20, help="default: %(default)s")


def refuse_flags(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """An error where one of the flags is given though nothing is simulated."""
    for name in _FLAGS:
        if getattr(options, name) != parser.get_default(name):
            raise UsageError(f"--{name.replace('_', '-')} is for --on=sim")


def simulator(options: argparse.Namespace) -> Simulator:
    """The simulator that the flags ask for."""
    if options.threads < 0:
        raise UsageError(f"--threads={options.threads}: expected 0 or more")
    if options.max_findings < 1:
        raise UsageError(f"--max-findings={options.max_findings}: expected 1 or more")
    return Simulator(
        bounds=not options.no_bounds,
        uninitialised=not options.no_uninitialised,
        races=not options.no_races,
        counts=options.counts or options.report is not None,
        threads=options.threads,
        max_findings=options.max_findings,
    )


def finish(report: Report, options: argparse.Namespace) -> None:
    """Write and print what the flags ask for; findings are raised."""
    if options.report is not None:
        text = json.dumps(report.json, indent=1) + "\n"
        write_files(options.report.parent, {options.report.name: text.encode()})
    if options.counts:
        print(report.table())
    report.check()
