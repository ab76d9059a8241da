"""Check and time compiled kernels on an NVIDIA GPU. Needs torch, NumPy and the runtime library; no compiler.

    PYTHONPATH=python TREADLE_LIB_DIR=... python test/gpu/check.py ARTEFACTS --out REPORT --commit HASH

ARTEFACTS comes from `compile_artifacts.py`. Every case runs on fresh random inputs into outputs that hold NaN
between guard bands, ten times, and is compared with the float64 definition; results must agree bit for bit between
runs. A kernel with all cases right is then timed at its timed shapes, which are compared too, beside its peer and
beside the time a copy takes for as many bytes, in the same process. Writes REPORT.md and REPORT.json.

Under compute-sanitizer, the smallest case of every artefact once, on tensors of exact size:

    PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer python test/gpu/check.py ARTEFACTS --sanitizer-cases
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
from treadle.testing import Case, Kernel, Timed, accepts, variants

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from oracles import load_tiles, tile_names

INDEX_FORMAT = 1
REPEATS = 10
WARMUPS, SAMPLES = 10, 60
FLUSH_BYTES = 256 << 20
COPY_BYTES = 1 << 30
GUARD_BYTES = 4096

TORCH = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
BITS = {"f32": torch.int32, "f16": torch.int16, "bf16": torch.int16}
Tensors = dict[str, torch.Tensor]

# ---------------------------------------------------------------------------------------------------------------------
# The definitions on torch: reference.py again, vectorised over everything but time. test_check.py compares the two.
# ---------------------------------------------------------------------------------------------------------------------


def _cumsum(x: torch.Tensor, *, reverse: bool = False) -> Tensors:
    return {"y": x.flip(1).cumsum(1).flip(1) if reverse else x.cumsum(1)}


def _rms_norm(x: torch.Tensor, w: torch.Tensor, g: torch.Tensor | None = None, *, eps: float) -> Tensors:
    y = x / torch.sqrt(torch.mean(x * x, -1, keepdim=True) + eps) * w
    return {"y": y if g is None else y * g / (1 + torch.exp(-g))}


def _softmax(x: torch.Tensor) -> Tensors:
    return {"y": torch.softmax(x, -1)}


def _matmul(a: torch.Tensor, b: torch.Tensor) -> Tensors:
    return {"c": a @ b}


def _lightning_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    slope: torch.Tensor,
    s0: torch.Tensor | None = None,
    *,
    scale: float,
) -> Tensors:
    B, T, H, K = q.shape
    o = torch.empty_like(v)
    S = v.new_zeros(B, H, K, v.shape[-1]) if s0 is None else s0.clone()
    decay = torch.exp(-slope)[:, None, None]
    for t in range(T):
        S.mul_(decay).addcmul_(k[:, t, :, :, None], v[:, t, :, None, :])
        o[:, t] = scale * (q[:, t, :, None, :] @ S)[:, :, 0]
    return {"o": o, "s1": S}


DEFINITIONS: Mapping[str, Callable[..., Tensors]] = {
    "cumsum_time": _cumsum,
    "cumsum_rows": _cumsum,
    "rms_norm": _rms_norm,
    "softmax": _softmax,
    "matmul": _matmul,
    "lightning_attention": _lightning_attention,
}


def define(case: Case, inputs: Tensors) -> Tensors:
    """The float64 result, of the inputs as rounded."""
    wide = {name: tensor.double() for name, tensor in inputs.items()}
    return DEFINITIONS[case.kernel](**wide, **case.parameters)


# ---------------------------------------------------------------------------------------------------------------------
# Artefacts and tensors
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Artefact:
    """A compiled bundle, and the alignment in bytes it asks of each tensor."""

    bundle: Any
    align: Mapping[str, int]


def open_bundle(manifest: Path) -> Any:
    from treadle.runtime import Bundle

    return Bundle(manifest)


class Index:
    """The artefacts in a folder, found by what they were compiled from and opened once."""

    def __init__(self, folder: Path) -> None:
        listed = json.loads((folder / "index.json").read_text())
        if listed["format"] != INDEX_FORMAT:
            raise ValueError(f"{folder}/index.json has format {listed['format']}; this script reads {INDEX_FORMAT}")
        self.arch: str = listed["arch"]
        self._folders = {
            (a["kernel"], tuple(sorted(a["constants"].items())), a["dtype"], tuple(a["present"])): folder / a["path"]
            for a in listed["artefacts"]
        }
        self._opened: dict[Path, Artefact] = {}

    def __getitem__(self, case: Case) -> Artefact:
        folder = self._folders.get(case.variant)
        if folder is None:
            raise LookupError(f"no artefact for {case.variant}")
        if folder not in self._opened:
            (manifest,) = folder.glob("*.json")
            bundle = open_bundle(manifest)
            align = {param.name: param.align for param in bundle.params if param.is_tensor}
            self._opened[folder] = Artefact(bundle, align)
        return self._opened[folder]


class Guarded:
    """A tensor of NaN, rows padded to the alignment the kernel asks for, between two bands that must stay as they
    are."""

    def __init__(self, shape: tuple[int, ...], dtype: str, align: int, guard: int, device: str) -> None:
        element = torch.empty((), dtype=TORCH[dtype]).element_size()
        unit = max(1, align // element)
        columns = shape[-1]
        pitch = -(-columns // unit) * unit if len(shape) > 1 else columns
        band, rows = guard // element, math.prod(shape[:-1])
        self._buffer = torch.full((rows * pitch + 2 * band,), math.nan, dtype=TORCH[dtype], device=device)
        inside = self._buffer[band : band + rows * pitch] if band else self._buffer
        self.tensor = inside.view(*shape[:-1], pitch)[..., :columns]
        self._bits = BITS[dtype]
        self._around: torch.Tensor | None = None

    def poison(self) -> None:
        self._buffer.fill_(math.nan)

    def bits(self) -> torch.Tensor:
        return self.tensor.view(self._bits)

    def strayed(self) -> bool:
        """Whether anything but the tensor was written since the last `poison`."""
        around = self._buffer.clone()
        bands = self._buffer.numel() - self.tensor.numel()
        inside = torch.as_strided(around, self.tensor.shape, self.tensor.stride(), self.tensor.storage_offset())
        inside.fill_(0)
        return int(torch.isnan(around).sum()) != bands


@dataclass
class Run:
    """A case's tensors, and its launches ready to go."""

    inputs: Tensors
    outputs: dict[str, Guarded]
    launches: list[Any]

    def __call__(self) -> None:
        for launch in self.launches:
            launch.launch()  # on torch's current stream

    def poison(self) -> None:
        for output in self.outputs.values():
            output.poison()


def set_up(artefact: Artefact, case: Case, seed: int, device: str, guard: int) -> Run:
    inputs: Tensors = {}
    for name, array in case.inputs(seed).items():
        held = Guarded(array.shape, case.dtype_of(name), artefact.align.get(name, 1), guard, device)
        held.tensor.copy_(torch.from_numpy(array))
        inputs[name] = held.tensor
    outputs = {
        name: Guarded(shape, case.dtype_of(name), artefact.align.get(name, 16), guard, device)
        for name, shape in (dict(case.outputs) | dict(case.scratch)).items()
    }
    tensors = inputs | {name: output.tensor for name, output in outputs.items()}
    launches = [artefact.bundle.prepare(**arguments, **case.scalars) for arguments in case.launches(tensors)]
    return Run(inputs, outputs, launches)


# ---------------------------------------------------------------------------------------------------------------------
# Correctness
# ---------------------------------------------------------------------------------------------------------------------


@dataclass
class Checked:
    """One output of one case: its errors, or the fault that kept it from having any."""

    case: str
    output: str
    seed: int
    relative: float = math.nan
    absolute: float = math.nan
    tolerance: float = math.nan
    identical: bool = False
    strayed: bool = False
    fault: str = ""

    @property
    def ok(self) -> bool:
        right = accepts(self.relative, self.absolute, self.tolerance)
        return right and self.identical and not self.strayed and not self.fault

    def __str__(self) -> str:
        reasons = [
            *([] if accepts(self.relative, self.absolute, self.tolerance) else ["wrong"]),
            *([] if self.identical else ["runs differ"]),
            *(["wrote outside its output"] if self.strayed else []),
        ]
        errors = f"relative {self.relative:.2e} (bound {self.tolerance:.0e}), absolute {self.absolute:.2e}"
        verdict = "ok" if self.ok else "FAIL"
        return f"{verdict:4} {self.case} {self.output}: {self.fault or ', '.join([errors, *reasons])}, seed {self.seed}"


def errors(result: torch.Tensor, reference: torch.Tensor) -> tuple[float, float]:
    """`treadle.testing.relative_error` and `absolute_error`, on the device."""
    difference = result.double().sub_(reference)
    absolute = float(difference.abs().max())
    relative = float(difference.square_().mean().sqrt()) / (float(reference.square().mean().sqrt()) + 1e-8)
    return relative, absolute


def check(case: Case, run: Run, seed: int, repeats: int) -> list[Checked]:
    """Run, compare with the definition, and run again for the same bits."""
    run.poison()
    run()
    expected = define(case, run.inputs)
    records = []
    for name in case.outputs:
        relative, absolute = errors(run.outputs[name].tensor, expected[name])
        records.append(Checked(case.name, name, seed, relative, absolute, case.tolerance, identical=True))
    del expected
    first = {name: run.outputs[name].bits().clone() for name in case.outputs}
    for _ in range(repeats - 1):
        run.poison()
        run()
        for record in records:
            record.identical &= torch.equal(run.outputs[record.output].bits(), first[record.output])
    for record in records:
        record.strayed = run.outputs[record.output].strayed()
    return records


def check_case(index: Index, case: Case, seed: int, device: str, repeats: int, guard: int) -> list[Checked]:
    try:
        return check(case, set_up(index[case], case, seed, device, guard), seed, repeats)
    except Exception as error:  # one case's fault is reported beside the others
        if not isinstance(error, LookupError):
            traceback.print_exc()
        return [Checked(case.name, "*", seed, fault=f"{type(error).__name__}: {error}")]


# ---------------------------------------------------------------------------------------------------------------------
# Time
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Time:
    """Milliseconds of one call: the median, and the ends of the middle 80 %."""

    median: float
    low: float
    high: float


class Clock:
    """Times calls one by one, each with the L2 cache flushed before it by writing over a large buffer."""

    def __init__(self, device: str, flush_bytes: int = FLUSH_BYTES) -> None:
        self._flush = torch.empty(flush_bytes, dtype=torch.uint8, device=device)
        self._cuda = device.startswith("cuda")

    def __call__(self, call: Callable[[], Any]) -> Time:
        for _ in range(WARMUPS):
            call()
        samples = self._on_gpu(call) if self._cuda else self._on_cpu(call)
        deciles = quantiles(samples, n=10)
        return Time(median(samples), deciles[0], deciles[-1])

    def _on_gpu(self, call: Callable[[], Any]) -> list[float]:
        event: Callable[..., Any] = torch.cuda.Event
        marks = [(event(enable_timing=True), event(enable_timing=True)) for _ in range(SAMPLES)]
        for start, stop in marks:
            self._flush.fill_(1)
            start.record()
            call()
            stop.record()
        torch.cuda.synchronize()
        return [start.elapsed_time(stop) for start, stop in marks]

    def _on_cpu(self, call: Callable[[], Any]) -> list[float]:
        samples = []
        for _ in range(SAMPLES):
            started = time.perf_counter()
            call()
            samples.append(1e3 * (time.perf_counter() - started))
        return samples


def copy_bandwidth(clock: Clock, device: str, size: int = COPY_BYTES) -> float:
    """Bytes per millisecond of a large copy, bytes read and bytes written both counted."""
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / clock(lambda: target.copy_(source)).median


@dataclass
class Timing:
    """One timed shape. `floor` is the time a copy takes for the bytes that must move, in milliseconds."""

    case: str
    ours: Time
    floor: float
    bytes: int
    flops: float | None
    relative: float
    peer: str = ""
    theirs: Time | None = None
    peer_relative: float | None = None
    note: str = ""


def time_peer(
    timed: Timed, inputs: Tensors, clock: Clock, timing: Timing, worst: Callable[[Mapping[str, Any]], float]
) -> None:
    """Time the peer, where there is one. worst: the largest relative error of its results."""
    if timed.peer is None:
        return
    timing.peer = timed.peer.name
    call = timed.peer.call
    arguments: dict[str, Any] = {**inputs, **timed.case.parameters}
    try:
        result = call(**arguments)
    except ImportError as missing:
        timing.note = f"peer not installed ({missing.name})"
        return
    except Exception as error:  # a peer that does not run is no fault of ours
        timing.note = f"peer failed: {type(error).__name__}: {error}"
        return
    timing.peer_relative = worst(result)
    del result
    timing.theirs = clock(lambda: call(**arguments))


def worst_error(case: Case, inputs: Tensors, result: Mapping[str, Any]) -> float:
    """The largest relative error of a case's outputs."""
    expected = define(case, inputs)
    return max(errors(result[name], expected[name])[0] for name in case.outputs)


def time_shape(
    index: Index, timed: Timed, seed: int, device: str, clock: Clock, bandwidth: float
) -> tuple[Timing | None, list[Checked]]:
    """Check a timed shape, then time it if it is right."""
    checked: list[Checked] = []
    try:
        run = set_up(index[timed.case], timed.case, seed, device, GUARD_BYTES)
        checked = check(timed.case, run, seed, 2)
        if not all(record.ok for record in checked):
            return None, checked
        worst = max(record.relative for record in checked)
        timing = Timing(timed.case.name, clock(run), timed.bytes / bandwidth, timed.bytes, timed.flops, worst)
        time_peer(timed, run.inputs, clock, timing, lambda result: worst_error(timed.case, run.inputs, result))
    except Exception as error:  # reported beside the others
        traceback.print_exc()
        return None, [*checked, Checked(timed.case.name, "*", seed, fault=f"{type(error).__name__}: {error}")]
    return timing, checked


# ---------------------------------------------------------------------------------------------------------------------
# Report
# ---------------------------------------------------------------------------------------------------------------------


def environment(index: Index, commit: str, device: str) -> dict[str, str]:
    found = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit,
        "arch": index.arch,
        "torch": torch.__version__,
        "gpu": device,
        "driver": "none",
    }
    if device.startswith("cuda"):
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        found["gpu"] = torch.cuda.get_device_name()
        found["driver"] = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split("\n")[0]
    return found


COLUMNS = [
    *("case", "ms", "GB/s", "TFLOP/s", "floor, ms", "floor / ours"),
    *("peer", "peer, ms", "peer / ours", "error", "peer's error"),
]


def markdown(where: Mapping[str, str], bandwidth: float, checked: list[Checked], timings: list[Timing]) -> str:
    failed = [record for record in checked if not record.ok]
    lines = [
        f"{where['gpu']}, driver {where['driver']}, {where['arch']}, torch {where['torch']}, "
        f"commit {where['commit']}, {where['date']}.",
        "",
        f"{len(checked)} outputs compared with float64, {len(failed)} failed.",
    ]
    if failed:
        lines += ["", *(f"- {record}" for record in failed)]
    if timings:
        lines += ["", *table(bandwidth, timings)]
    return "\n".join(lines) + "\n"


def table(bandwidth: float, timings: Iterable[Timing]) -> list[str]:
    """How it was timed, and a row for each shape."""
    return [
        f"Median of {SAMPLES} calls (middle 80 %), L2 flushed before each. A copy runs at {bandwidth / 1e9:.2f} "
        "TB/s, bytes read and written; *floor* is its time for the bytes that must move.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "| --- " * len(COLUMNS) + "|",
        *(_row(timing) for timing in timings),
    ]


def _row(t: Timing) -> str:
    ours = t.ours.median
    cells = [
        t.case,
        f"{ours:.3f} ({t.ours.low:.3f}–{t.ours.high:.3f})",
        f"{t.bytes / ours / 1e6:.0f}",
        f"{t.flops / ours / 1e9:.1f}" if t.flops else "",
        f"{t.floor:.3f}",
        f"{t.floor / ours:.0%}",
        t.note or t.peer or "none",
        f"{t.theirs.median:.3f}" if t.theirs else "",
        f"{t.theirs.median / ours:.2f}" if t.theirs else "",
        f"{t.relative:.1e}",
        f"{t.peer_relative:.1e}" if t.peer_relative is not None else "",
    ]
    return "| " + " | ".join(cells) + " |"


def _finite(value: Any) -> Any:
    """`value` with every NaN and infinity, which JSON has not, as None."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def gpu_cases(kernel: Kernel, smallest: bool) -> Iterable[Case]:
    cases: list[Case] = kernel.cases.GPU
    return variants([*cases, *(timed.case for timed in kernel.cases.TIMED)]) if smallest else cases


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artefacts", type=Path)
    parser.add_argument("--out", type=Path, default=Path("report"), help="report file, without suffix")
    parser.add_argument("--commit", default="unknown")
    parser.add_argument("--kernel", action="append", help="a folder, of kernels/ or oracles; repeat; default all")
    parser.add_argument("--seed", type=int, help="default: from the clock")
    parser.add_argument("--device", default="cuda")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--check-only", action="store_true")
    only.add_argument("--time-only", action="store_true", help="check the timed shapes alone")
    only.add_argument("--sanitizer-cases", action="store_true", help="the smallest case of every artefact, once")
    options = parser.parse_args(arguments)

    seed = options.seed if options.seed is not None else time.time_ns() % (1 << 32)
    index = Index(options.artefacts)
    kernels = [load_tiles(name) for name in options.kernel or tile_names()]
    where = environment(index, options.commit, options.device)
    checked: list[Checked] = []
    timings: list[Timing] = []
    red = set()

    if not options.time_only:
        repeats, guard = (1, 0) if options.sanitizer_cases else (REPEATS, GUARD_BYTES)
        for kernel in kernels:
            for number, case in enumerate(gpu_cases(kernel, options.sanitizer_cases)):
                records = check_case(index, case, seed + number, options.device, repeats, guard)
                checked += records
                red |= {kernel.name for record in records if not record.ok}
                print(*records, sep="\n", flush=True)

    bandwidth = math.nan
    if not options.check_only and not options.sanitizer_cases:
        clock = Clock(options.device)
        bandwidth = copy_bandwidth(clock, options.device)
        for kernel in kernels:
            if kernel.name in red:
                print(f"not timed, some of its cases fail: {kernel.name}")
                continue
            for timed in kernel.cases.TIMED:
                timing, records = time_shape(index, timed, seed, options.device, clock, bandwidth)
                checked += records
                print(*records, *([_row(timing)] if timing else []), sep="\n", flush=True)
                timings += [timing] if timing else []

    options.out.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "environment": where,
        "seed": seed,
        "copy_bytes_per_ms": bandwidth,
        "checked": [asdict(record) | {"ok": record.ok} for record in checked],
        "timings": [asdict(timing) for timing in timings],
    }
    options.out.with_suffix(".json").write_text(json.dumps(_finite(report), indent=1) + "\n")
    text = markdown(where, bandwidth, checked, timings)
    options.out.with_suffix(".md").write_text(text)
    print(text)
    return 0 if checked and all(record.ok for record in checked) else 1


if __name__ == "__main__":
    sys.exit(main())
