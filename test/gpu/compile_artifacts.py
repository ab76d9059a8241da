"""Compile every kernel for every GPU case and timed shape: on a machine with the compiler, for `check.py` on one
with a GPU.

    python test/gpu/compile_artifacts.py build/gpu --arch sm_90a

One folder per distinct (kernel, constants, dtype, present tensors), and `index.json` which says what each is for.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from treadle.testing import Case, Constants, load_module

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from oracles import load_tiles, tile_names

INDEX_FORMAT = 1


@dataclass(frozen=True)
class Job:
    """One artefact to compile. `path` is where it goes, relative to the output folder."""

    folder: str
    kernel: str
    constants: Constants
    dtype: str
    present: tuple[str, ...]
    path: str
    cases: tuple[str, ...]


def cases_of(folder: str) -> list[Case]:
    cases = load_tiles(folder).cases
    return [*cases.GPU, *(timed.case for timed in cases.TIMED)]


def jobs(folders: list[str]) -> Iterator[Job]:
    """One job per distinct artefact of these kernel folders, in order of first use."""
    for folder in folders:
        served: dict[tuple[Any, ...], list[Case]] = {}
        for case in cases_of(folder):
            served.setdefault(case.variant, []).append(case)
        for cases in served.values():
            first = cases[0]
            choices = [f"{name}{value}" for name, value in sorted(first.constants.items())]
            path = f"{first.kernel}/{'-'.join([first.dtype, *choices, *first.present])}"
            names = tuple(case.name for case in cases)
            yield Job(folder, first.kernel, dict(first.constants), first.dtype, first.present, path, names)


def compile_job(job: Job, arch: str, out: Path) -> str | None:
    """Compile one artefact; what went wrong, if anything did."""
    try:
        import treadle as td

        source = load_module(f"tiles.{job.folder}.kernel", load_tiles(job.folder).folder / "kernel.py")
        target = out / job.path
        target.mkdir(parents=True, exist_ok=True)
        compiler: Any = td
        compiler.compile(
            getattr(source, job.kernel),
            constants=job.constants,
            dtype=job.dtype,
            present=job.present,
            arch=arch,
            out=target,
        )
    except Exception:  # a fault of one artefact is reported beside the others
        return traceback.format_exc()
    return None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--arch", default="sm_90a")
    parser.add_argument("--kernel", action="append", help="a folder, of kernels/ or oracles; repeat; default all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)

    todo = list(jobs(options.kernel or tile_names()))
    options.out.mkdir(parents=True, exist_ok=True)
    if options.jobs == 1:
        faults = [compile_job(job, options.arch, options.out) for job in todo]
    else:
        with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
            count = len(todo)
            faults = list(pool.map(compile_job, todo, [options.arch] * count, [options.out] * count))

    for job, fault in zip(todo, faults, strict=True):
        print(f"{'FAIL' if fault else 'ok':4} {job.path} ({len(job.cases)} cases)")
        if fault:
            print(fault, file=sys.stderr)
    artefacts = [vars(job) for job, fault in zip(todo, faults, strict=True) if fault is None]
    index = {"format": INDEX_FORMAT, "arch": options.arch, "artefacts": artefacts}
    (options.out / "index.json").write_text(json.dumps(index, indent=1) + "\n")
    return 1 if any(faults) else 0


if __name__ == "__main__":
    sys.exit(main())
