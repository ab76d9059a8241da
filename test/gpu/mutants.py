"""What NVIDIA's compute-sanitizer says of the bugs in test/python/sim_mutants.py, beside what the simulator says.

Where the compiler and the simulator are:

    PYTHONPATH=python python test/gpu/mutants.py build build/mutants

Where the GPU is, with nothing but Python and compute-sanitizer:

    python test/gpu/mutants.py run build/mutants --out OUT

Writes OUT/mutants.md, and to OUT/mutants.json what was printed, from which `report` makes the table again. Every
mutant, and every program without a bug, runs once under each tool in a process of its own, since an error ends a
context. A tool finds a bug if it reports what it does not report of the program without the bug.
"""

from __future__ import annotations

import argparse
import ctypes
import datetime
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FORMAT = 1
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
AS_BEFORE = "as on the original"
KEPT = 32 << 10  # characters of what one run printed

# ---------------------------------------------------------------------------------------------------------------------
# Where the compiler is
# ---------------------------------------------------------------------------------------------------------------------


def span(array: Any) -> bytes:
    """The memory from an array's first element to its last, with what lies between rows."""
    import numpy as np

    last = sum((n - 1) * step for n, step in zip(array.shape, array.strides, strict=True))
    count = (last + array.itemsize) // array.itemsize
    return np.lib.stride_tricks.as_strided(array, (count,), (array.itemsize,)).tobytes()


def describe(program: Any, out: Path) -> dict[str, Any]:
    """A program's launch, and its tensors, whose contents go to files."""
    bundle = program.bundle(program.ptx)
    arrays = program.tensors()
    prepared = bundle.prepare(**program.arguments(arrays))  # keeps the launch's values alive
    (launch,) = prepared.launches
    tensors: dict[str, dict[str, Any]] = {}
    for param in bundle.params:
        if not param.is_tensor:
            continue
        data = span(arrays[param.name])
        tensors[param.name] = {"bytes": len(data), "file": None}
        if param.access != "write":
            tensors[param.name]["file"] = f"{program.name}.{param.name}.bin"
            (out / f"{program.name}.{param.name}.bin").write_bytes(data)
    addresses = {array.ctypes.data: name for name, array in arrays.items()}
    arguments: list[dict[str, str]] = []
    for pointer, size, passed in zip(
        launch.params[: len(launch.sizes)], launch.sizes, program.manifest["launches"][0]["args"], strict=True
    ):
        value = ctypes.string_at(pointer, size)
        if "pointer" in passed:
            assert addresses[int.from_bytes(value, "little")] == passed["pointer"]
            arguments.append({"tensor": passed["pointer"]})
        else:
            arguments.append({"value": value.hex()})
    return {
        "entry": launch.entry,
        "grid": launch.grid,
        "block": launch.block,
        "shared": launch.shared_bytes,
        "tensors": tensors,
        "arguments": arguments,
    }


def assemble(ptx: str, target: Path) -> None:
    """PTX to a cubin with line numbers."""
    from treadle.compiler import find_ptxas

    source = target.with_suffix(".ptx")
    source.write_text(ptx)
    command = [find_ptxas(), "-arch=sm_90a", "-lineinfo", "-o", str(target), str(source)]
    subprocess.run(command, check=True)


def build(out: Path) -> int:
    """Everything that `run` needs, in a folder."""
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "python" / "sim")]
    from sim_mutants import MUTANTS
    from sim_planting import simulate
    from sim_programs import PROGRAMS, program

    out.mkdir(parents=True, exist_ok=True)
    programs = {name: describe(program(name), out) for name in PROGRAMS}
    for name in PROGRAMS:
        assemble(program(name).ptx, out / f"{name}.cubin")
    mutants = []
    for mutant in MUTANTS:
        ptx = mutant.ptx()
        cubin = f"{mutant.name.replace('/', '.')}.cubin"
        assemble(ptx, out / cubin)
        found = simulate(program(mutant.program), ptx, mutant.shared).findings
        mutants.append(
            {
                "name": mutant.name,
                "what": mutant.what,
                "program": mutant.program,
                "cubin": cubin,
                "shared": mutant.shared,
                "simulator": list(dict.fromkeys(finding.kind for finding in found)),
            }
        )
    index = {"format": FORMAT, "programs": programs, "mutants": mutants}
    (out / "index.json").write_text(json.dumps(index, indent=1) + "\n")
    print(f"{len(programs)} programs and {len(mutants)} mutants in {out}")
    return 0


# ---------------------------------------------------------------------------------------------------------------------
# Where the GPU is: one launch
# ---------------------------------------------------------------------------------------------------------------------


class Driver:
    """The CUDA driver, on device 0. A failure ends the process."""

    def __init__(self) -> None:
        self._lib = ctypes.CDLL(os.environ.get("TREADLE_LIBCUDA") or "libcuda.so.1")
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self("cuInit", 0)
        self("cuDeviceGet", ctypes.byref(device), 0)
        self("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self("cuCtxPushCurrent_v2", context)

    def __call__(self, function: str, *arguments: Any) -> None:
        status = getattr(self._lib, function)(*arguments)
        if status:
            sys.exit(f"{function}: CUDA error {status}")

    def tensor(self, size: int, file: Path | None) -> int:
        """Device memory of exactly that size; without a file nothing is written there."""
        address = ctypes.c_uint64()
        self("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        if file is not None:
            self("cuMemcpyHtoD_v2", address, file.read_bytes(), ctypes.c_size_t(size))
        return address.value

    def launch(self, cubin: bytes, how: Mapping[str, Any], shared: int, params: Any) -> None:
        """Load, launch and wait."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self("cuModuleLoadDataEx", ctypes.byref(module), cubin, 0, None, None)
        self("cuModuleGetFunction", ctypes.byref(function), module, how["entry"].encode())
        if shared > 48 << 10:
            self("cuFuncSetAttribute", function, 8, shared)  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        self("cuLaunchKernel", function, *how["grid"], *how["block"], shared, None, params, None)
        self("cuCtxSynchronize")


def launch(folder: Path, name: str) -> int:
    """Launch a mutant, or a program without a bug, once."""
    index = json.loads((folder / "index.json").read_text())
    driver = Driver()
    program, cubin, more = name, f"{name}.cubin", 0
    for mutant in index["mutants"]:
        if mutant["name"] == name:
            program, cubin, more = mutant["program"], mutant["cubin"], mutant["shared"]
    how = index["programs"][program]
    addresses = {
        tensor: driver.tensor(made["bytes"], made["file"] and folder / made["file"])
        for tensor, made in how["tensors"].items()
    }
    values: list[Any] = [
        ctypes.c_uint64(addresses[argument["tensor"]])
        if "tensor" in argument
        else ctypes.create_string_buffer(bytes.fromhex(argument["value"]))
        for argument in how["arguments"]
    ]
    params = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
    driver.launch((folder / cubin).read_bytes(), how, how["shared"] + more, params)
    print(f"ran {program}", flush=True)
    return 0


# ---------------------------------------------------------------------------------------------------------------------
# Where the GPU is: every mutant under every tool
# ---------------------------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """A mutant or a program under a tool, and what was printed. `killed`: after so many seconds, or None if it ended by
    itself."""

    name: str
    tool: str
    seconds: float
    killed: float | None
    output: str


@dataclass(frozen=True)
class Report:
    """What a tool reports once: in words, and the lines of the source that it names."""

    words: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What a tool makes of a run, in a few words; none where it reports nothing and the program ended well."""

    words: str = ""
    found: bool = False


_SUMMARY = re.compile(r"(?:ERROR|RACECHECK) SUMMARY: (\d+) (?:error|hazard)")
_FRAME = re.compile(r"COMPUTE-SANITIZER|.* SUMMARY|Program hit|Target application|\s|$")
_DROPPED = re.compile(r"Warning: Error buffer overflow|\d+ errors were skipped")
_PLACE = re.compile(r" at \S+\+0x[0-9a-f]+(?: in \S+)?")
_LINE = re.compile(r" in (\S+:\d+)")
_DETAIL = re.compile(r"is (misaligned|out of bounds)")


def reports(output: str) -> list[Report]:
    """What a tool reports of a run."""
    said = [line.removeprefix("=========").removeprefix(" ") for line in output.splitlines() if line.startswith("==")]
    heads = [i for i, line in enumerate(said) if not _FRAME.match(line) and not _DROPPED.match(line)]
    found = []
    for head, end in zip(heads, [*heads, len(said)][1:], strict=True):
        text = "\n".join(said[head:end])
        detail = _DETAIL.search(text)
        words = _PLACE.sub("", said[head]) + (f", {detail[1]}" if detail else "")
        found.append(Report(words, tuple(_LINE.findall(text))))
    return found


def verdict(output: str, killed: float | None, before: Collection[Report] = ()) -> Verdict:
    """What a tool makes of a run. before: what it reports of the program without the bug."""
    all_reports = reports(output)
    new = [report.words for report in all_reports if report not in before]
    first = new[0] if new else AS_BEFORE if all_reports else ""
    summaries = [int(count) for count in _SUMMARY.findall(output)]
    failure = re.search(r"^cu\w+: CUDA error \d+", output, re.MULTILINE)
    if killed is not None:
        return Verdict("; ".join(filter(None, (first, f"hangs (killed after {killed:.0f} s)"))), bool(new))
    if not summaries:
        return Verdict(f"no summary: {(output.splitlines() or ['no output'])[-1]}", bool(new))
    if all_reports:
        return Verdict(first, bool(new))
    if failure:  # the program's own words: the tool has none
        return Verdict(failure[0])
    return Verdict(f"{max(summaries)} errors", True) if any(summaries) else Verdict()


def check(folder: Path, name: str, tool: str, limit: float, sanitizer: str) -> Run:
    """Run a mutant under a tool, for so many seconds at most."""
    options = ["--tool", tool, "--print-limit", "32", "--show-backtrace", "no"]
    command = [sanitizer, *options, sys.executable, __file__, "launch", str(folder), name]
    started = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True
    )
    killed = None
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the tool, and the program under it
        output, _ = process.communicate()
        killed = limit
    kept = output if len(output) <= KEPT else f"{output[: KEPT // 2]}\n...\n{output[-KEPT // 2 :]}"
    return Run(name, tool, time.monotonic() - started, killed, kept)


def table(index: Mapping[str, Any], about: Mapping[str, str], runs: Sequence[Run]) -> str:
    """The table, and how many bugs each tool found."""
    mutants: Sequence[Mapping[str, Any]] = index["mutants"]
    made = {(run.name, run.tool): run for run in runs}

    def judged(name: str, tool: str, program: str | None = None) -> Verdict:
        before = made.get((program, tool)) if program else None
        run = made.get((name, tool))
        return verdict(run.output, run.killed, reports(before.output) if before else ()) if run else Verdict("not run")

    said = {(m["name"], tool): judged(m["name"], tool, m["program"]) for m in mutants for tool in TOOLS}
    rows = [("mutant", "what", "simulator", *TOOLS)]
    for mutant in mutants:
        words = (said[mutant["name"], tool].words or "–" for tool in TOOLS)
        rows.append((mutant["name"], mutant["what"], ", ".join(mutant["simulator"]) or "–", *words))
    originals = []
    for tool in TOOLS:
        programs: dict[str, list[str]] = {}
        for program in index["programs"]:
            programs.setdefault(judged(program, tool).words, []).append(program)
        programs.pop("", None)
        originals.append("; ".join(f"{words} ({', '.join(names)})" for words, names in programs.items()) or "–")
    rows.append(("originals", f"{len(index['programs'])} programs without a bug", "–", *originals))
    lines = [
        f"{about['device']}, driver {about['driver']}, compute-sanitizer {about['sanitizer']}, {about['date']}.",
        "",
    ]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    lines.insert(3, "|" + "---|" * len(rows[0]))
    found = {tool: sum(said[m["name"], tool].found for m in mutants) for tool in TOOLS}
    some = sum(any(said[m["name"], tool].found for tool in TOOLS) for m in mutants)
    simulator = sum(bool(m["simulator"]) for m in mutants)
    counts = ", ".join(f"{tool} {count}" for tool, count in found.items())
    lines += ["", f"Of {len(mutants)} bugs: simulator {simulator}, {counts}; any of the tools {some}."]
    lines.append(f'Not counted: "{AS_BEFORE}", and hangs and CUDA errors of which the tool reports nothing.')
    return "\n".join(lines) + "\n"


def read_index(folder: Path) -> dict[str, Any]:
    """What `build` made."""
    index: dict[str, Any] = json.loads((folder / "index.json").read_text())
    if index["format"] != FORMAT:
        sys.exit(f"{folder}/index.json: expected format {FORMAT}, found {index['format']}")
    return index


def report(folder: Path, out: Path) -> int:
    """The table of runs that were made before."""
    made = json.loads((out / "mutants.json").read_text())
    text = table(read_index(folder), made["about"], [Run(**run) for run in made["runs"]])
    (out / "mutants.md").write_text(text)
    print(text)
    return 0


def said_by(*command: str) -> str:
    """What a command prints, if there is such a command."""
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def describe_machine(sanitizer: str) -> dict[str, str]:
    """What the runs are made with."""
    device, _, driver = said_by("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader").partition(
        ", "
    )
    version = re.search(r"[Vv]ersion (\S+)", said_by(sanitizer, "--version"))
    return {
        "device": device or "unknown",
        "driver": driver.partition("\n")[0] or "unknown",
        "sanitizer": version[1] if version else "unknown",
        "date": datetime.date.today().isoformat(),
    }


def run(folder: Path, out: Path, limit: float, budget: float, jobs: int, sanitizer: str) -> int:
    """Every program and every mutant under every tool; what there is no time for is not run."""
    index = read_index(folder)
    names = [*index["programs"], *(mutant["name"] for mutant in index["mutants"])]
    todo = [(name, tool) for name in names for tool in TOOLS]
    started = time.monotonic()

    def one(job: tuple[str, str]) -> Run | None:
        left = budget - (time.monotonic() - started)
        return check(folder, *job, min(limit, left), sanitizer) if left > 1 else None

    with ThreadPoolExecutor(jobs) as pool:
        runs = [run for run in pool.map(one, todo) if run is not None]
    out.mkdir(parents=True, exist_ok=True)
    made = {"about": describe_machine(sanitizer), "runs": [asdict(run) for run in runs]}
    (out / "mutants.json").write_text(json.dumps(made, indent=1) + "\n")
    status = report(folder, out)
    print(f"{len(runs)} of {len(todo)} runs in {time.monotonic() - started:.0f} s")
    return status


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("build", help="compile and simulate")
    verb.add_argument("folder", type=Path)
    verb = verbs.add_parser("launch", help="launch one mutant once")
    verb.add_argument("folder", type=Path)
    verb.add_argument("name")
    verb = verbs.add_parser("report", help="make the table again")
    verb.add_argument("folder", type=Path)
    verb.add_argument("--out", type=Path, required=True)
    verb = verbs.add_parser("run", help="run everything under compute-sanitizer")
    verb.add_argument("folder", type=Path)
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--limit", type=float, default=20, help="seconds of one run")
    verb.add_argument("--budget", type=float, default=280, help="seconds of all runs")
    verb.add_argument("--jobs", type=int, default=6)
    verb.add_argument("--sanitizer", default="compute-sanitizer")
    options = parser.parse_args(arguments)
    if options.verb == "build":
        return build(options.folder)
    if options.verb == "launch":
        return launch(options.folder, options.name)
    if options.verb == "report":
        return report(options.folder, options.out)
    return run(options.folder, options.out, options.limit, options.budget, options.jobs, options.sanitizer)


if __name__ == "__main__":
    sys.exit(main())
