"""How long it takes from a step to PTX: forward and decode, and these and the backward.

    PYTHONPATH=python python benchmarks/compile_time.py [--kernel NAME ...] [--size 128] [--samples 5]

Prints a Markdown table of what `treadlec --derive=... --no-ptxas --no-cache` takes, called from Python: milliseconds,
the least of some samples. Every axis of a step has the same size.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "python")]

from treadle import testing  # noqa: E402
from treadle.cli import treadlec  # noqa: E402

STEPS: Mapping[str, str] = {
    "lightning_attention": "lightning_attention",
    "simple_gla": "retention",
    "gla": "gla",
    "lightnet": "lightnet",
    "linear_attention": "linear_attention",
    "element_wise_attention": "element_wise_attention",
    "hgrn": "hgrn",
}
"""Steps, with their packages."""


def once(step: str, derive: str, size: int) -> float:
    """Milliseconds of one run."""
    path = testing.kernels_folder() / STEPS[step] / "kernel.py"
    axes = [name for name, value in testing.load(STEPS[step]).cases.SCANS[step].constants.items() if value is None]
    sizes = [word for axis in axes for word in ("-D", f"{axis}={size}")]
    with tempfile.TemporaryDirectory() as out:
        flags = [f"--derive={derive}", "--dtype=bf16", "--no-ptxas", "--no-cache", "-o", out]
        began = time.perf_counter()
        status = treadlec.main([str(path), f"--kernel={step}", *flags, *sizes])
        took = time.perf_counter() - began
    if status:
        sys.exit(status)  # what is wrong was said
    return 1e3 * took


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", action="append", choices=STEPS, help="a step; repeat for several; default all")
    parser.add_argument("--size", type=int, default=128, help="of every axis (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=5, help="default: %(default)s")
    options = parser.parse_args()
    if options.samples < 1:
        parser.error(f"--samples: expected a number from 1, found {options.samples}")
    print("| step | forward and decode, ms | and backward, ms |\n| --- | ---: | ---: |")
    for step in options.kernel or STEPS:
        found = [
            min(once(step, derive, options.size) for _ in range(options.samples))
            for derive in ("forward,step", "forward,backward,step")
        ]
        print(f"| {step} | {found[0]:.0f} | {found[1]:.0f} |", flush=True)


if __name__ == "__main__":
    main()
