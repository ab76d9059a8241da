"""Every kernel on tiles in the simulator: nothing is found, values are within tolerance, and no more moves than must.

Run are all cases of `CPU` and `GPU` in each cases.py whose tensors have at most SMALL elements together, ragged ones
and those of one element among them, compiled for both architectures. Where the two programs are the same text but for
the header, the second is not run.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import treadle as td
from oracles import load_tiles, tile_names
from treadle import testing
from treadle.errors import KernelError
from treadle.runtime import Report, Simulator
from treadle.runtime.call import BFloat16
from treadle.testing import Case, Constants

SMALL = 2_000_000
ARCHS = ("sm_90a", "sm_80")
THREADS = 128  # of a block: four warps, in every kernel

PACKAGES = {name: load_tiles(name) for name in tile_names()}
KERNELS = {
    name: kernel
    for package in PACKAGES.values()
    for name, kernel in td.load_kernels(package.folder / "kernel.py").items()
}


def elements(case: Case) -> int:
    return sum(math.prod(shape) for shape in (*case.given.values(), *case.outputs.values()))


CASES = [
    pytest.param(name, case, id=case.name)
    for name, package in PACKAGES.items()
    for case in dict.fromkeys([*package.cases.CPU, *package.cases.GPU])
    if elements(case) <= SMALL
]

# ---------------------------------------------------------------------------------------------------------------------
# What must move
# ---------------------------------------------------------------------------------------------------------------------

Arrays = Mapping[str, Any]
OUTPUTS = ("y", "c", "o", "s1")
"""Written once each, no byte more."""


def rows_of(width: int) -> int:
    """Rows of a block of rms_norm and softmax."""
    return min(16, max(1, 4096 // td.next_power_of_two(width)))


def copies(array: Any) -> int:
    """How many threads ask for each element of a tile of rows: more than one where it has fewer than threads."""
    width = array.shape[-1]
    return max(1, THREADS // (rows_of(width) * td.next_power_of_two(width)))


def softmax_reads(arrays: Arrays, constants: Constants, blocks: int) -> int:
    """x once."""
    return int(arrays["x"].nbytes) * copies(arrays["x"])


def rms_norm_reads(arrays: Arrays, constants: Constants, blocks: int) -> int:
    """x and g once; w once a block by the threads of each row that the block holds side by side."""
    x, w = arrays["x"], arrays["w"]
    width = td.next_power_of_two(x.shape[1])
    vector = math.gcd(16 // x.itemsize, x.shape[1])  # elements of a load
    beside = max(1, THREADS * vector // width)
    rows = x.nbytes + (arrays["g"].nbytes if "g" in arrays else 0)
    return int(rows) * copies(x) + int(w.nbytes) * blocks * beside


def cumsum_reads(arrays: Arrays, constants: Constants, blocks: int) -> int:
    """x once. Asynchronous copies have 4 bytes at least, so 16-bit elements aligned to nothing are loaded where they
    are used: once to be scanned, once to be summed."""
    x = arrays["x"]
    return int(x.nbytes) * (2 if x.itemsize == 2 and constants.get("ALIGN") == 0 else 1)


def matmul_reads(arrays: Arrays, constants: Constants, blocks: int) -> int:
    """a once for each column of tiles of c, b once for each row of them."""
    (M, _), (_, N) = arrays["a"].shape, arrays["b"].shape
    return int(arrays["a"].nbytes) * -(-N // 128) + int(arrays["b"].nbytes) * -(-M // 128)


def lightning_attention_reads(arrays: Arrays, constants: Constants, blocks: int) -> int:
    """q and k once for each 64 columns of v; v once; a slope by every thread of a block; s0 once, but a state of 16 by
    16 is held by 64 threads with 4 elements each on tensor cores, by 16 with 16 each elsewhere, and by all others too.
    """
    q, v = arrays["q"], arrays["v"]
    K, V = q.shape[-1], v.shape[-1]
    on_tensor_cores = q.itemsize == 2 or constants.get("precision", "ieee") != "ieee"
    held = THREADS // (64 if on_tensor_cores else 16) if max(K, V) <= 16 else 1
    state = arrays["s0"].nbytes * held if "s0" in arrays else 0
    return int(2 * q.nbytes * -(-V // 64) + v.nbytes + state + blocks * THREADS * 4)


READS: Mapping[str, Callable[[Arrays, Constants, int], int]] = {
    "softmax": softmax_reads,
    "rms_norm": rms_norm_reads,
    "cumsum_time": cumsum_reads,
    "cumsum_rows": cumsum_reads,
    "matmul": matmul_reads,
    "lightning_attention": lightning_attention_reads,
}
"""The most bytes that a launch may read."""

# ---------------------------------------------------------------------------------------------------------------------
# Running
# ---------------------------------------------------------------------------------------------------------------------


@functools.cache
def compiled(name: str, constants: tuple[tuple[str, Any], ...], dtype: str, present: tuple[str, ...], arch: str) -> Any:
    """A kernel of the repository, with one stage of copies where no block has the shared memory for more."""
    for more in ({}, {"num_stages": 1}):
        try:
            return td.compile(KERNELS[name], {**dict(constants), **more}, dtype, present, arch, ptxas=False)
        except KernelError as error:
            if f"bytes of shared memory, but a block of {arch} has" not in error.message:
                raise
            too_large = error.message
    pytest.skip(too_large)


def body(ptx: str) -> str:
    """All but the header, which names the version and the target."""
    return ptx[ptx.index(".address_size") :]


def check_counts(case: Case, report: Report, arrays: Arrays) -> None:
    (launch,) = report.launches
    total = launch.total
    assert launch.block == (THREADS, 1, 1)
    assert total.global_bytes_read <= READS[case.kernel](arrays, case.constants, math.prod(launch.grid))
    assert total.global_bytes_written == sum(arrays[name].nbytes for name in OUTPUTS if name in arrays)
    assert total.bank_conflicts == 0


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize(("package", "case"), CASES)
def test_case(package: str, case: Case, arch: str) -> None:
    variant = (case.kernel, tuple(sorted(case.constants.items())), case.dtype, case.present)
    if arch != ARCHS[0] and body(compiled(*variant, arch).ptx) == body(compiled(*variant, ARCHS[0]).ptx):
        return
    bundle = compiled(*variant, arch).bundle()

    def run(kernel: str, constants: Constants, dtype: str, present: tuple[str, ...], arrays: Arrays, /) -> None:
        given = {n: BFloat16(a) if isinstance(a, np.ndarray) and a.dtype == np.uint16 else a for n, a in arrays.items()}
        report = Simulator().run(bundle, **given)
        report.check()
        check_counts(case, report, {n: a for n, a in arrays.items() if isinstance(a, np.ndarray)})

    records = testing.check(PACKAGES[package], case, run)
    assert records
    assert not [str(record) for record in records if not record.ok]
