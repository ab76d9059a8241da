"""Derived kernels of `td.scan` on a GPU, on torch tensors, against their definition in float64.

    PYTHONPATH=python:test/python TREADLE_LIB_DIR=build/lib python test/gpu/scans.py [--time] [--kernel NAME ...]

Every step of test/python/steps.py, each way it can be called: causal and not, reversed, from a state and to one,
packed, grouped heads, both layouts; gradients of every step that tests have, in most of these; and the GPU cases of
every package of kernels/ that has steps, into outputs that held NaN. Needs the compiler, and torch. With --time,
instead: how long a decode step and a whole sequence take beside the time of moving every tensor once, what a call costs
the host, and the packages' timed shapes beside their peers.
--kernel takes some packages alone, `steps` or `gradients`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "test" / "python")]

import check as gpu  # noqa: E402
import steps  # noqa: E402
import vjp_checks  # noqa: E402
from scan_checks import SUBJECTS, Subject, listed  # noqa: E402
from treadle import testing, verification  # noqa: E402
from treadle.scan_cases import ScanCase  # noqa: E402

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
SIZES = [{"K": 5, "V": 7}, {"K": 16, "V": 16}, {"K": 80, "V": 64}]
Arrays = dict[str, Any]


def ways(T: int) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """How to call: a name, the keywords, and what to draw the inputs with."""
    yield "causal", {"output_final_state": True}, {}
    yield "from a state", {"initial_state": True, "output_final_state": True}, {}
    yield "reversed", {"reverse": True, "output_final_state": True}, {}
    yield "not causal", {"causal": False}, {}
    yield "grouped", {}, {"G": 1}
    yield "heads first", {"head_first": True}, {}
    cuts = np.array([0, 0, 1, T // 2 + 1, T // 2 + 1, T])
    yield "packed", {"cu_seqlens": np.minimum(cuts, T), "output_final_state": True}, {"B": 1}


def on_gpu(arrays: Mapping[str, Any], dtype: str, own: Mapping[str, str]) -> tuple[Arrays, Arrays]:
    """Arrays as torch tensors of their storage types, and as NumPy has what was rounded."""
    tensors, rounded = {}, {}
    for name, array in arrays.items():
        stored = own.get(name, dtype)
        rounded[name] = testing.round_to(array, stored).astype(np.float32)
        tensors[name] = torch.from_numpy(rounded[name]).cuda().to(DTYPES[stored])
    return tensors, rounded


def worst(results: Any, expected: Any, dtype: str) -> tuple[float, bool]:
    """The largest relative error, and whether all are within tolerance."""
    largest, good = 0.0, True
    for got, wanted in zip(listed(results), listed(expected), strict=True):
        values = got.double().cpu().numpy()
        finite = np.isfinite(wanted)
        good &= np.array_equal(values[~finite], wanted[~finite], equal_nan=True)
        relative = testing.relative_error(values[finite], wanted[finite])
        good &= testing.accepts(
            relative, testing.absolute_error(values[finite], wanted[finite]), testing.TOLERANCES[dtype]
        )
        largest = max(largest, relative)
    return largest, good


def check(subject: Subject, way: str, keywords: Arrays, draw: Arrays, T: int, dtype: str, size: Arrays) -> bool:
    """One call, compared; prints a line."""
    rng = np.random.default_rng(T)
    B, G = draw.get("B", 2), draw.get("G", 2)
    tensors, rounded = on_gpu(subject.draw(rng, (B, T), 2, G, size["K"], size["V"]), dtype, subject.own)
    settings, wanted = dict(keywords), dict(keywords)
    if settings.pop("initial_state", False):
        states = subject.states(B, **size)
        settings["initial_state"] = one_or_all([torch.from_numpy(state).cuda() for state in states])
        wanted["initial_state"] = one_or_all(list(states))
    if "cu_seqlens" in settings:
        settings["cu_seqlens"] = torch.from_numpy(settings["cu_seqlens"]).cuda()
    if settings.get("head_first"):
        tensors = {n: t.transpose(1, 2).contiguous() if t.dim() >= 3 else t for n, t in tensors.items()}
        rounded = {n: np.swapaxes(a, 1, 2) if a.ndim >= 3 else a for n, a in rounded.items()}
    o, final = subject.scan(**tensors, **subject.constants, **settings)
    torch.cuda.synchronize()
    reference, last = subject.scan.reference(**rounded, **subject.constants, **wanted)
    error, good = worst(o, reference, dtype)
    error_of_state, good_state = worst(final, last, dtype)
    verdict = "ok  " if good and good_state else "FAIL"
    print(f"{verdict} {subject.name} {dtype} T{T} K{size['K']} V{size['V']} {way}: {error:.2e} {error_of_state:.2e}")
    return good and good_state


def one_or_all(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else tuple(values)


# ---------------------------------------------------------------------------------------------------------------------
# Gradients
# ---------------------------------------------------------------------------------------------------------------------


def ways_back(scan: Any) -> Iterator[tuple[str, str, int, int, dict[str, Any]]]:
    """How to call what has gradients: a name, the dtype, (B, T), and the keywords."""
    one, two = vjp_checks.states_of(scan, 1), vjp_checks.states_of(scan)
    for dtype, T in (("f32", 1), ("f32", 65), ("f16", 40), ("bf16", 40)):
        yield "from a state", dtype, 2 if T < 65 else 1, T, {"initial_state": one if T == 65 else two}
    yield "reversed, in segments", "f32", 1, 130, {"reverse": True, "segments": 3}
    ends = np.array([0, 0, 1, 36, 36, 70])
    yield "packed", "f32", 1, 70, {"cu_seqlens": ends, "initial_state": vjp_checks.states_of(scan, 5)}


def check_gradients(scan: Any, way: str, dtype: str, B: int, T: int, settings: Arrays) -> bool:
    """Gradients of one call, compared, and of a second one, which are the same; prints a line."""
    inputs, fields = vjp_checks.inputs_of(scan, T, B=B, dtype=dtype), {p.name for p in scan.inputs}
    tensors = {n: to_gpu(x) if n in fields else x for n, x in inputs.items()}
    how = {n: each(to_gpu, x) if n in ("initial_state", "cu_seqlens") else x for n, x in settings.items()}
    results, pullback = scan.vjp(**tensors, **how, output_final_state=True)
    torch.manual_seed(T)
    given = [each(torch.randn_like, part) if listed(part) else None for part in results]
    found, again = ({n: each(to_numpy, g) for n, g in pullback(*given).items()} for _ in range(2))
    own = {n: x for n, x in settings.items() if n != "segments"}
    _, by_python = scan.reference_vjp(**inputs, **own, output_final_state=True)
    wanted = by_python(*(None if x is None else each(to_numpy, x) for x in given))
    kind = dtype if any(p.dtype is None for p in scan.inputs) else "f32"
    loose = vjp_checks.decays_in(scan, inputs)
    wrong = vjp_checks.worst(found, wanted, kind, loose, [p.name for p in scan.states])
    pairs = [pair for n, g in found.items() for pair in zip(listed(g), listed(again[n]), strict=True)]
    if not all(np.array_equal(x, y, equal_nan=True) for x, y in pairs):
        wrong["two runs"] = "their bits differ"
    verdict = f"FAIL {wrong}" if wrong else "ok  "
    print(f"{verdict} gradients of {scan.name} {dtype} B{B} T{T} {way}")
    return not wrong


def each(change: Callable[[Any], Any], values: Any) -> Any:
    """One array or several, changed."""
    return one_or_all([change(x) for x in listed(values)])


def to_gpu(x: Any) -> torch.Tensor:
    """An array of NumPy's, bf16 as ml_dtypes has it."""
    bits = x.view(np.int16) if x.dtype.name == "bfloat16" else x
    tensor = torch.from_numpy(np.asarray(bits, order="C")).cuda()  # ascontiguousarray would give () an axis
    return tensor.view(torch.bfloat16) if x.dtype.name == "bfloat16" else tensor


def to_numpy(x: torch.Tensor) -> Any:
    """A tensor as NumPy has it, bf16 as f32."""
    return (x.float() if x.dtype == torch.bfloat16 else x).cpu().numpy()


# ---------------------------------------------------------------------------------------------------------------------
# Packages
# ---------------------------------------------------------------------------------------------------------------------


def check_package(package: testing.Kernel, at: verification.Place, seed: int) -> list[testing.Record]:
    """Every GPU case compared with float64; prints a line for each output."""
    records = []
    for number, case in enumerate(package.cases.GPU):

        def run(*what: Any, case: ScanCase = case) -> Mapping[str, Any]:
            return at.call(case, what[-1])

        with np.errstate(all="ignore"):
            found = testing.check(package, case, run, seed + number)
        print(*found, sep="\n", flush=True)
        records += found
    return records


def time_package(
    package: testing.Kernel, timed: testing.Timed, at: verification.Place, clock: Any, bandwidth: float, seed: int
) -> Any:
    """A timed shape: one sequence is drawn, and repeated. Two heads are compared with float64."""
    case: Any = timed.case
    one = replace(case, B=1)
    drawn = verification.inputs_of(one, seed)
    inputs = verification.repeated(one, at.put(drawn, one), case.B)

    def worst(result: Mapping[str, Any]) -> float:
        """The largest relative error of the first head of the first sequence, and the last of the last."""
        found = []
        for row, head in ((0, 0), (case.B - 1, case.H - 1)):
            alone = {p.name: of_head(drawn[p.name], p.indices, head) for p in case.scan.inputs}
            expected = package.expected(replace(case, B=1, H=1), alone)["o"]
            o = result["o"][row : row + 1, :, head : head + 1].double().cpu().numpy()
            found.append(testing.relative_error(o, expected))
        return float(np.max(found))  # NaN, where one is

    error = worst(case.call(inputs))
    time = clock(lambda: case.call(inputs))
    timing = gpu.Timing(case.name, time, timed.bytes / bandwidth, timed.bytes, timed.flops, error)
    gpu.time_peer(timed, inputs, clock, timing, worst)
    return timing


def of_head(array: Any, indices: str, head: int) -> Any:
    """One head of an input."""
    return array.take([head], indices.index("H")) if "H" in indices else array


def time_packages(packages: list[testing.Kernel], seed: int) -> int:
    """Prints Markdown; the number of results that are wrong."""
    at, clock, timings, wrong = verification.place("gpu"), gpu.Clock("cuda"), [], 0
    bandwidth = gpu.copy_bandwidth(clock, "cuda")
    for package in packages:
        for timed in package.cases.TIMED:
            timing = time_package(package, timed, at, clock, bandwidth, seed)
            if not timing.relative <= timed.case.tolerance:
                print(f"FAIL {timing.case}: relative error {timing.relative:.2e}")
                wrong += 1
            timings.append(timing)
            torch.cuda.empty_cache()
    print(*gpu.table(bandwidth, timings), sep="\n")
    return wrong


# ---------------------------------------------------------------------------------------------------------------------
# Times
# ---------------------------------------------------------------------------------------------------------------------


def on_device(call: Callable[[], object], samples: int = 50) -> float:
    """Milliseconds on the GPU, the median of calls that each begin with an empty L2 cache."""
    flush = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")
    found = []
    for _ in range(5):
        call()
    for _ in range(samples):
        flush.zero_()
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        found.append(start.elapsed_time(end))
    return median(found)


def on_host(call: Callable[[], object], calls: int = 400) -> float:
    """Microseconds until a call returns, at best."""
    best = float("inf")
    for _ in range(5):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(calls):
            call()
        best = min(best, (time.perf_counter() - start) / calls)
    return best * 1e6


def times() -> None:
    """Prints Markdown."""

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, device="cuda").mul(0.3).bfloat16()

    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    bandwidth = 2 * source.numel() / on_device(lambda: target.copy_(source))  # bytes a millisecond
    del source, target
    print(f"{torch.cuda.get_device_name()}; a copy runs at {bandwidth / 1e9:.2f} TB/s\n")
    print("| call | ms | floor, ms | of the floor |\n| --- | --- | --- | --- |")

    def row(name: str, call: Callable[[], object], moved: float) -> None:
        found, floor = on_device(call), moved / bandwidth
        print(f"| {name} | {found:.3f} | {floor:.3f} | {found / floor:.2f} |")

    B, H, D = 64, 32, 128
    q, k, v = (random(B, H, D) for _ in range(3))
    g, S, z = -torch.rand(H, device="cuda"), torch.zeros(B, H, D, D, device="cuda"), torch.zeros(B, H, D, device="cuda")
    into = torch.empty_like(S), torch.empty_like(z)
    step, light = steps.lightning_attention.step, steps.lightnet.step
    moved = 2 * S.nbytes + 4 * q.nbytes
    where = f"B{B} H{H} D{D}"
    row(f"lightning_attention.step, {where}, in place", lambda: step(q, k, v, g, state=S, out_state=S), moved)
    row(f"lightning_attention.step, {where}", lambda: step(q, k, v, g, state=S, out_state=into[0]), moved)
    row(f"lightnet.step, {where}", lambda: light(q, k, v, state=(S, z), out_state=into), moved + 2 * z.nbytes)
    B, T, H = 4, 8192, 16
    q, k, v = (random(B, T, H, D) for _ in range(3))
    where = f"B{B} T{T} H{H} D{D}"
    row(f"lightning_attention, {where}", lambda: steps.lightning_attention(q, k, v, g[:H]), 4 * q.nbytes)
    row(f"lightnet, {where}", lambda: steps.lightnet(q, k, v), 4 * q.nbytes)

    one, state = random(1, 1, 64), torch.zeros(1, 1, 64, 64, device="cuda")
    few = random(1, 8, 1, 64)
    print("\n| call | host, us |\n| --- | --- |")
    print(f"| step | {on_host(lambda: step(one, one, one, g[:1], state=state, out_state=state)):.1f} |")
    print(f"| forward | {on_host(lambda: steps.lightning_attention(few, few, few, g[:1])):.1f} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--time", action="store_true", help="measure instead of comparing")
    parser.add_argument(
        "--kernel", action="append", help="a package, `steps` or `gradients`; repeat for several; default all"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the packages' inputs")
    options = parser.parse_args()
    chosen = options.kernel or ["steps", "gradients", *testing.scan_names()]
    packages = [testing.load(name) for name in chosen if name not in ("steps", "gradients")]
    if options.time:
        if "steps" in chosen:
            times()
        return time_packages(packages, options.seed) > 0
    failed = count = 0
    for subject in SUBJECTS if "steps" in chosen else ():
        for dtype in DTYPES:
            for size in SIZES:
                for T in (1, 17, 130) if dtype == "bf16" else (33,):
                    for way, keywords, draw in ways(T):
                        count += 1
                        failed += not check(subject, way, keywords, draw, T, dtype, size)
    for scan in vjp_checks.ALL.values() if "gradients" in chosen else ():
        for way in ways_back(scan):
            count += 1
            with np.errstate(all="ignore"):
                failed += not check_gradients(scan, *way)
    for package in packages:
        records = check_package(package, verification.place("gpu"), options.seed)
        count += len(records)
        failed += sum(not record.ok for record in records)
    print(f"{torch.cuda.get_device_name()}: {count} results compared with float64, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
