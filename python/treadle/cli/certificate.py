"""What treadle-verify writes down: what was verified, with what, and every verdict. Equal runs give equal files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from treadle import compiler
from treadle.errors import TreadleError
from treadle.scan_cases import ScanCase
from treadle.testing import Kernel
from treadle.verification import DERIVED, Fault, Finding, Gpu, Place, Skipped, Verdict

FORMAT = 1
SOURCES = ("kernel.py", "reference.py", "cases.py")


def certificate(
    package: Kernel, at: Place, arch: str, cases: Sequence[ScanCase], found: Sequence[Finding]
) -> dict[str, Any]:
    """All of it, as JSON has it. A number that JSON has not, such as NaN, is its name."""
    verdicts = [x for x in found if isinstance(x, Verdict)]
    faults = [x for x in found if isinstance(x, Fault)]
    return {
        "format": FORMAT,
        "package": package.name,
        "ok": not faults and all(verdict.ok for verdict in verdicts),
        "on": at.on,
        "sources": {name: _sha256((package.folder / name).read_bytes()) for name in SOURCES},
        "compiler": {"version": compiler.version(), "build": compiler.library().treadle_build_id().decode()},
        "ptxas": ptxas_version(),
        "gpu": _gpu(at),
        "arch": arch,
        "ptx": dict(programs(cases, arch)),
        "verdicts": [_entry(verdict) for verdict in verdicts],
        "faults": [asdict(fault) for fault in faults],
        "skipped": [asdict(skipped) for skipped in dict.fromkeys(found) if isinstance(skipped, Skipped)],
    }


def write(path: Path, made: Mapping[str, Any]) -> None:
    """Write the file; a reader never sees half of it."""
    compiler.write_files(path.parent, {path.name: (json.dumps(made, indent=1) + "\n").encode()})


def programs(cases: Iterable[ScanCase], arch: str) -> Iterator[tuple[str, str | None]]:
    """Hashes of the PTX that the cases' steps become, for arrays aligned to their elements; None where it does not."""
    for case in {(case.kernel, case.dtype, *case.constants.items()): case for case in cases}.values():
        for name, settings in DERIVED.items():
            chosen = "-".join([case.dtype, *(f"{key}{value}" for key, value in case.constants.items())])
            options = {"arch": arch, "name": f"{case.kernel}_{name}"}
            digest = None
            with contextlib.suppress(TreadleError):  # a fault that some form has shown
                text = case.scan.to_mlir(case.constants, case.dtype, **settings)
                digest = _sha256(compiler.compile_text(text, options, ptxas=False).ptx.encode())
            yield f"{case.kernel}_{name}-{chosen}", digest


def ptxas_version() -> str | None:
    """As `ptxas --version` says it; None where there is none."""
    path = compiler.find_ptxas()
    if not path:
        return None
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    return next((line.strip() for line in said.splitlines() if "release" in line), said.strip())


def _gpu(at: Place) -> dict[str, str] | None:
    if not isinstance(at, Gpu):
        return None
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        driver = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split("\n")[0]
    except FileNotFoundError:
        driver = "unknown"
    return {"name": str(at.torch.cuda.get_device_name()), "driver": driver}


def _entry(verdict: Verdict) -> dict[str, Any]:
    numbers = {"relative": verdict.relative, "absolute": verdict.absolute}
    plain = {name: x if abs(x) < float("inf") else str(x) for name, x in numbers.items()}
    entry = asdict(verdict) | plain | {"ok": verdict.ok}
    return entry if verdict.note and not verdict.ok else {k: v for k, v in entry.items() if k != "note"}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
