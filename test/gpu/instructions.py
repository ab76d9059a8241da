"""Whether a GPU and the simulator execute PTX alike: small programs, recorded on the one and compared with the other.

    python test/gpu/instructions.py record --out DIR        on the GPU; needs NumPy and the driver
    python test/gpu/instructions.py compare RECORD.npz      in the simulator; --table FILE writes a table
    python test/gpu/instructions.py assemble                all programs with ptxas

`record` runs every program twice, in a process that a program which fails does not outlive, and writes
instructions-GPU.npz, with what the GPU made of every program, and instructions-GPU.json, with the device, the driver
and the programs that failed. Results must be equal bit for bit; those of approximate instructions, within the manual's
bound.
"""

from __future__ import annotations

import argparse
import ctypes
import datetime
import json
import multiprocessing
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from dataclasses import dataclass
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import numpy as np
import ptx_arithmetic
import ptx_memory
import ptx_threads
from ptx_programs import HEADER, KINDS, Bytes, Field, Program

FAMILIES: Sequence[Callable[[], list[Program]]] = (
    ptx_arithmetic.integers,
    ptx_arithmetic.logic,
    ptx_arithmetic.floats,
    ptx_arithmetic.approximations,
    ptx_arithmetic.halves,
    ptx_arithmetic.conversions,
    ptx_memory.loads_and_stores,
    ptx_memory.matrices,
    ptx_memory.copies,
    ptx_memory.atomics,
    ptx_threads.warps,
    ptx_threads.blocks,
    ptx_threads.control,
    ptx_threads.tensor_cores,
)
PROGRAMS: dict[str, Program] = {program.name: program for family in FAMILIES for program in family()}

# A launch: a program, its inputs; what it left in the results (a row each thread) and in the shared memory.
Launch = Callable[[Program, Bytes], tuple[Bytes, Bytes]]


class Failure(Exception):
    """A program that could not be run, or did what it must not."""


# ---------------------------------------------------------------------------------------------------------------------
# On the GPU
# ---------------------------------------------------------------------------------------------------------------------

PROGRAM_SECONDS = 20
RUNS = 2
JIT_ERROR_LOG, JIT_ERROR_LOG_BYTES = 5, 6


class Gpu:
    """The first CUDA device, through the driver's C interface."""

    def __init__(self) -> None:
        self.cuda = ctypes.CDLL("libcuda.so.1")
        device, context, version = c_int(), c_void_p(), c_int()
        name = ctypes.create_string_buffer(256)
        self._call("cuInit", c_uint(0))
        self._call("cuDeviceGet", byref(device), 0)
        self._call("cuDeviceGetName", name, len(name), device)
        self._call("cuDriverGetVersion", byref(version))
        self._call("cuDevicePrimaryCtxRetain", byref(context), device)
        self._call("cuCtxSetCurrent", context)
        self.name, self.cuda_version = name.value.decode(), version.value

    def _call(self, function: str, *arguments: Any) -> None:
        if status := getattr(self.cuda, function)(*arguments):
            text = c_char_p()
            self.cuda.cuGetErrorName(status, byref(text))
            raise Failure(f"{function}: {(text.value or b'unknown error').decode()} ({status})")

    def _load(self, program: Program) -> c_void_p:
        log = ctypes.create_string_buffer(8192)
        options = (c_int * 2)(JIT_ERROR_LOG, JIT_ERROR_LOG_BYTES)
        values = (c_void_p * 2)(ctypes.addressof(log), len(log))
        module = c_void_p()
        try:
            self._call("cuModuleLoadDataEx", byref(module), program.ptx.encode() + b"\0", 2, options, values)
        except Failure as failure:
            raise Failure(f"{failure}: {log.value.decode(errors='replace').strip()}") from None
        return module

    def launch(self, program: Program, inputs: Bytes) -> tuple[Bytes, Bytes]:
        """Run a program on the device."""
        module, function = self._load(program), c_void_p()
        host = [inputs, program.result_rows(), program.shared_memory()]
        device = [c_uint64() for _ in host]
        try:
            self._call("cuModuleGetFunction", byref(function), module, program.entry_name.encode())
            for array, address in zip(host, device, strict=True):
                self._call("cuMemAlloc_v2", byref(address), c_size_t(array.nbytes))
                self._call("cuMemcpyHtoD_v2", address, c_void_p(array.ctypes.data), c_size_t(array.nbytes))
            pointers = (c_void_p * 3)(*(ctypes.addressof(address) for address in device))
            sizes = [c_uint(n) for n in (*program.grid, *program.block, 0)]
            self._call("cuLaunchKernel", function, *sizes, c_void_p(), pointers, c_void_p())
            self._call("cuCtxSynchronize")
            for array, address in zip(host[1:], device[1:], strict=True):
                self._call("cuMemcpyDtoH_v2", c_void_p(array.ctypes.data), address, c_size_t(array.nbytes))
        finally:  # after a fault of the program these fail too, and the process ends
            for address in device:
                self.cuda.cuMemFree_v2(address)
            self.cuda.cuModuleUnload(module)
        return host[1], host[2]


def run_twice(name: str) -> tuple[Bytes, Bytes] | str:
    """What the GPU makes of a program; or what is wrong. Runs in a process of its own."""
    program = PROGRAMS[name]
    try:
        gpu = Gpu()
        runs = [gpu.launch(program, program.input_rows()) for _ in range(RUNS)]
    except (Failure, OSError) as failure:
        return str(failure)
    if any((a != b).any() for run in runs[1:] for a, b in zip(runs[0], run, strict=True)):
        return "results differ between runs"
    return runs[0]


def device() -> dict[str, str]:
    """What runs the programs. Runs in a process of its own."""
    gpu = Gpu()
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
    driver = "unknown"
    if shutil.which("nvidia-smi"):
        driver = subprocess.run(query, capture_output=True, text=True).stdout.strip() or driver
    cuda = f"{gpu.cuda_version // 1000}.{gpu.cuda_version % 1000 // 10}"
    return {"device": gpu.name, "driver": driver, "cuda": cuda, "date": datetime.date.today().isoformat()}


def start() -> Pool:
    """A process for programs. A GPU's context does not survive a program's fault, and a program may not end."""
    return multiprocessing.get_context("spawn").Pool(1)


def record(out: Path, names: Sequence[str]) -> int:
    """Run the programs and write what they did; the number that failed."""
    pool = start()
    about: dict[str, Any] = pool.apply_async(device).get(PROGRAM_SECONDS)
    arrays: dict[str, Bytes] = {}
    failed: dict[str, str] = {}
    for name in names:
        try:
            found = pool.apply_async(run_twice, (name,)).get(PROGRAM_SECONDS)
        except multiprocessing.TimeoutError:
            found = f"no result in {PROGRAM_SECONDS} s"
        if isinstance(found, str):
            failed[name] = found
            print(f"{name}: {found}", flush=True)
            pool.terminate()
            pool = start()
        else:
            arrays[name] = pack(PROGRAMS[name], *found)
    pool.terminate()
    about |= {"failed": failed, "digests": {name: PROGRAMS[name].digest() for name in names if name not in failed}}
    text = json.dumps(about, indent=1)
    short = re.sub(r"[^a-z0-9]+", "-", about["device"].lower().removeprefix("nvidia")).strip("-").split("-")[0]
    out.mkdir(parents=True, exist_ok=True)
    arrays["about"] = np.frombuffer(text.encode(), np.uint8)
    np.savez_compressed(out / f"instructions-{short}.npz", allow_pickle=False, **arrays)
    (out / f"instructions-{short}.json").write_text(text + "\n")
    size = (out / f"instructions-{short}.npz").stat().st_size
    print(f"{about['device']}, driver {about['driver']}: {len(names) - len(failed)} programs recorded, {size} bytes")
    print(f"{len(failed)} failed")
    return len(failed)


def pack(program: Program, results: Bytes, memory: Bytes) -> Bytes:
    """What a program did, as it compresses well: byte by byte of all threads, and what changed in the memory."""
    return np.concatenate([results.T.ravel(), memory ^ program.shared_memory()])


def unpack(program: Program, packed: Bytes) -> tuple[Bytes, Bytes]:
    """The results and the memory."""
    before = program.shared_memory()
    results, changed = np.split(packed, [len(packed) - len(before)])
    return results.reshape(-1, program.rows).T, changed ^ before


class Record:
    """What a GPU made of the programs."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as file:
            self.arrays: dict[str, Bytes] = dict(file)
        self.about: dict[str, Any] = json.loads(self.arrays.pop("about").tobytes())

    def find(self, program: Program) -> tuple[Bytes, Bytes]:
        """Of one program as it is now."""
        if reason := self.about["failed"].get(program.name):
            raise Failure(f"not on the GPU: {reason}")
        found = self.about["digests"].get(program.name)
        if found != program.digest():
            raise Failure("changed since it was recorded" if found else "not recorded")
        return unpack(program, self.arrays[program.name])


# ---------------------------------------------------------------------------------------------------------------------
# Comparison
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """What a comparison found. close: how many values are not equal but within their bound. worst: the largest
    difference, as a part of what is allowed."""

    program: Program
    values: int = 0
    close: int = 0
    wrong: int = 0
    worst: float = 0
    message: str = ""

    @property
    def passed(self) -> bool:
        """Whether the GPU and the simulator agree."""
        return not self.wrong and not self.message

    def __str__(self) -> str:
        if not self.passed:
            return self.message
        return f"within {self.program.bound}; worst {self.worst:.0%}" if self.program.bound else "equal"


def _differences(
    program: Program, field: Field, expected: Bytes, found: Bytes, sums: Bytes | None
) -> np.ndarray[Any, Any]:
    """How far each value is from the expected one, as a part of what is allowed: more than 1 is wrong."""
    a, b = field.read(expected), field.read(found)
    kind, bound = KINDS[field.kind], program.bound
    if bound is None or kind.format is None:
        return np.where(a == b, 0.0, np.inf)[:, None]
    x, y = kind.values(a), kind.values(b)
    scale = kind.values(field.read(sums)) if sums is not None else np.abs(y)
    finite = np.isfinite(x) & np.isfinite(y) & np.isfinite(scale)
    x_, y_, scale = (np.where(finite, values, 0) for values in (x, y, scale))
    allowed = bound.absolute + bound.relative * scale + bound.ulps * kind.format.ulp(y_)
    allowed = np.maximum(allowed, bound.least)
    difference = np.abs(x_ - y_)
    parts = np.where(difference == 0, 0, difference / np.where(allowed == 0, 1e-300, allowed))
    same = (np.isnan(x) & np.isnan(y)) | (x == y)
    return np.where(finite, parts, np.where(same, 0, np.inf))


def judge(
    program: Program, expected: tuple[Bytes, Bytes], found: tuple[Bytes, Bytes], sums: Bytes | None = None
) -> Verdict:
    """Compare a GPU's results with the simulator's. sums: for mma, the results on the inputs' magnitudes."""
    values = close = wrong = 0
    worst, message = 0.0, ""
    inputs = program.input_rows()
    for field in program.results:
        parts = _differences(program, field, expected[0], found[0], sums)
        bad = parts > 1
        values, wrong, worst = values + parts.size, wrong + int(bad.sum()), max(worst, float(parts.max()))
        close += int(((parts > 0) & ~bad).sum())
        if bad.any() and not message:
            row = int(bad.any(1).argmax())
            given = ", ".join(f"{each.name}={each.read(inputs)[row]:#x}" for each in program.inputs)
            gpu, simulator = field.read(expected[0])[row], field.read(found[0])[row]
            message = f"`{field.line}`, thread {row} ({given}): GPU {gpu:#x}, simulator {simulator:#x}"
    cells = np.flatnonzero(expected[1] != found[1])
    wrong += len(cells)
    if "memory" in program.body:
        values += program.memory[1]
    if len(cells) and not message:
        at = int(cells[0])
        message = f"byte {at} of the memory: GPU {expected[1][at]:#x}, simulator {found[1][at]:#x}"
    return Verdict(program, values, close, wrong, worst, f"{wrong} of {values} differ; {message}" if wrong else "")


def compare(program: Program, recorded: Record, simulate: Launch) -> Verdict:
    """Run a program in the simulator and compare with what was recorded."""
    try:
        expected = recorded.find(program)
        inputs = program.input_rows()
        found = simulate(program, inputs)
        terms = program.bound is not None and program.bound.terms
        sums = simulate(program, program.magnitudes(inputs))[0] if terms else None
    except Failure as failure:
        return Verdict(program, message=str(failure))
    return judge(program, expected, found, sums)


def _rows(*rows: Sequence[str]) -> list[str]:
    """A table in Markdown; its head comes first."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return [lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]


def _listed(instructions: str) -> str:
    """Alternatives in braces, which a table need not escape."""
    return re.sub(r"\(([^()]*)\)", lambda match: "{" + match[1].replace("|", ",") + "}", instructions)


def table(about: Mapping[str, Any], verdicts: Sequence[Verdict]) -> str:
    """The verdicts as Markdown: by family, then by program."""
    passed = sum(verdict.passed for verdict in verdicts)
    values = sum(verdict.values for verdict in verdicts)
    families = [("family", "programs", "values", "equal", "within a bound", "wrong", "worst, of its bound")]
    for family in dict.fromkeys(verdict.program.family for verdict in verdicts):
        of = [verdict for verdict in verdicts if verdict.program.family == family]
        total, close, wrong = (sum(getattr(v, name) for v in of) for name in ("values", "close", "wrong"))
        worst = f"{max(v.worst for v in of):.0%}" if close and not wrong else ""
        families.append((family, *map(str, (len(of), total, total - close - wrong, close, wrong)), worst))
    programs = [("program", "family", "instructions", "values", "verdict")]
    for verdict in verdicts:
        program = verdict.program
        shown = f"`{_listed(program.instructions)}`"
        programs.append((program.name, program.family, shown, str(verdict.values), str(verdict)))
    lines = [
        f"{about['device']}, driver {about['driver']}, CUDA {about['cuda']}, {about['date']}.",
        "",
        f"{passed} of {len(verdicts)} programs agree, {values} values compared.",
        "",
        *_rows(*families),
        "",
        *_rows(*programs),
    ]
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------------------------------------------------------------
# In the simulator
# ---------------------------------------------------------------------------------------------------------------------


def simulate(program: Program, inputs: Bytes) -> tuple[Bytes, Bytes]:
    """Run a program in the simulator, which must find nothing wrong with it."""
    from treadle.errors import TreadleError  # the GPU's machine has no such library
    from treadle.runtime import _sim

    host = {"in": aligned(inputs), "out": aligned(program.result_rows()), "memory": aligned(program.shared_memory())}
    try:
        module, memory = _sim.Module(program.ptx, f"{program.name}.ptx"), _sim.Memory()
        mapped = [memory.map(a.ctypes.data, 1, [a.size], [1], name, True) for name, a in host.items()]
        addresses = [c_uint64(address) for address in mapped]
        pointers = (c_void_p * 3)(*(ctypes.addressof(address) for address in addresses))
        report = module.launch(program.entry_name, memory, program.grid, program.block, 0, pointers, 3, _sim.Options())
    except TreadleError as error:
        raise Failure(f"not in the simulator: {error}") from None
    for finding in report["findings"]:
        raise Failure(f"the simulator finds: {finding['kind']}: {finding['instruction']}: {finding['message']}")
    return host["out"], host["memory"]


def aligned(array: Bytes) -> Bytes:
    """A copy that begins where a device's memory could: at a multiple of 256 bytes."""
    room = np.zeros(array.nbytes + 256, np.uint8)
    begin = -room.ctypes.data % 256
    copy = room[begin : begin + array.nbytes].reshape(array.shape)
    copy[...] = array
    return copy


# ---------------------------------------------------------------------------------------------------------------------
# The command
# ---------------------------------------------------------------------------------------------------------------------


def assemble(names: Sequence[str], ptxas: str) -> str:
    """Assemble the programs, as one module; what ptxas has to say."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "programs.ptx")
        path.write_text(HEADER + "".join(PROGRAMS[name].entry for name in names))
        command = [ptxas, "-arch=sm_90a", str(path), "-o", str(Path(folder, "programs.cubin"))]
        run = subprocess.run(command, capture_output=True, text=True)
        return "" if run.returncode == 0 else run.stderr or f"ptxas: status {run.returncode}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 when a program failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-k", metavar="REGEX", default="", help="only programs whose name or family matches")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("record", help="run the programs on the GPU").add_argument("--out", type=Path, required=True)
    comparing = commands.add_parser("compare", help="run them in the simulator and compare")
    comparing.add_argument("record", type=Path)
    comparing.add_argument("--table", type=Path, help="write what was found as Markdown")
    commands.add_parser("assemble", help="give them to ptxas").add_argument("--ptxas", default="ptxas")
    options = parser.parse_args(arguments)
    names = [p.name for p in PROGRAMS.values() if re.search(options.k, p.name) or re.search(options.k, p.family)]
    if options.command == "record":
        return 1 if record(options.out, names) else 0
    if options.command == "assemble":
        wrong = assemble(names, options.ptxas)
        print(wrong or f"{len(names)} programs")
        return 1 if wrong else 0
    recorded = Record(options.record)
    verdicts = [compare(PROGRAMS[name], recorded, simulate) for name in names]
    for verdict in verdicts:
        if not verdict.passed:
            print(f"{verdict.program.name}: {verdict}")
    passed = sum(verdict.passed for verdict in verdicts)
    print(f"{passed} of {len(verdicts)} programs agree, {sum(verdict.values for verdict in verdicts)} values")
    if options.table:
        options.table.write_text(table(recorded.about, verdicts))
    return 0 if passed == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
