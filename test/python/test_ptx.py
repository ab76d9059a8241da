"""Every kernel on tiles as PTX: what must be in it, what must not, and what ptxas says of it.

Needs the compiler library (see treadle.compiler); the resource checks need ptxas.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "python") not in sys.path:
    sys.path.insert(0, str(ROOT / "python"))

import treadle as td  # noqa: E402
from oracles import kernel_files, load_tiles  # noqa: E402
from treadle import compiler  # noqa: E402
from treadle.errors import TreadleError  # noqa: E402

try:
    compiler.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

ARCHS = ("sm_80", "sm_90a")
PTXAS = compiler.find_ptxas()

COPY = r"cp\.async\.cg\.shared\.global"
PRODUCTS = (r"mma\.sync\.aligned\.m16n8k16\.row\.col\.f32\.bf16\.bf16\.f32", r"ldmatrix\.sync\.aligned\.m8n8", COPY)
WIDE = (r"ld\.global\.v4", r"st\.global\.v4")
READ_OR_COPY = rf"ld\.global\.v|{COPY}"
# name: folder, kernel, and patterns of what its PTX is made of.
KERNELS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "matmul": ("matmul", "matmul", (*PRODUCTS, r"st\.global\.v4")),
    "lightning_attention": ("lightning_attention", "lightning_attention", (*PRODUCTS, r"st\.global\.v4")),
    "softmax": ("softmax", "softmax", (*WIDE, r"shfl\.sync\.bfly", r"ex2\.approx")),
    "rms_norm": ("rms_norm", "rms_norm", (*WIDE, r"shfl\.sync\.bfly", r"rsqrt\.approx")),
    "cumsum_time": ("cumsum", "cumsum_time", (READ_OR_COPY, r"st\.global\.v")),
    "cumsum_rows": ("cumsum", "cumsum_rows", (READ_OR_COPY, r"st\.global\.v", r"shfl\.sync")),
}


@functools.cache
def source(
    name: str, dtype: str = "bf16", constants: tuple[tuple[str, Any], ...] = (), present: tuple[str, ...] = ()
) -> str:
    folder, kernel, _ = KERNELS[name]
    kernels = td.load_kernels(str(load_tiles(folder).folder / "kernel.py"))
    return str(kernels[kernel].to_mlir(constants=dict(constants), dtype=dtype, present=present))


@functools.cache
def ptx(name: str, arch: str, *variant: Any) -> str:
    return compiler.run(source(name, *variant), {"arch": arch, "ptxas": False}).artifacts["ptx"].decode()


def code(text: str) -> str:
    """The PTX without comments and debug directives."""
    return "\n".join(line for line in text.splitlines() if not line.strip().startswith(("//", ".loc", ".file")))


def test_every_kernel_on_tiles_is_here() -> None:
    assert {name for path in kernel_files() for name in td.load_kernels(str(path))} == set(KERNELS)


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("name", KERNELS)
def test_target_and_entry(name: str, arch: str) -> None:
    text = ptx(name, arch)
    assert f".target {arch}" in text
    assert re.search(rf"\.visible \.entry {name}\(", text)
    assert re.search(r"\.reqntid \d+", text)


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("name", KERNELS)
def test_instructions(name: str, arch: str) -> None:
    text = code(ptx(name, arch))
    missing = [needed for needed in KERNELS[name][2] if not re.search(needed, text)]
    assert not missing


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("name", KERNELS)
def test_no_local_memory(name: str, arch: str) -> None:
    text = code(ptx(name, arch))
    for banned in (".local .align", "ld.local", "st.local", "call.uni", "call (", ".func"):
        assert banned not in text, banned


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("name", KERNELS)
def test_no_double_precision_and_no_generic_accesses(name: str, arch: str) -> None:
    """Addresses are global or shared, never generic, and nothing is computed in f64."""
    text = code(ptx(name, arch))
    assert not re.search(r"\.f64\b", text)
    assert not re.search(r"\b(ld|st)\.(v\d\.)?[bufs]\d+", text)


@pytest.mark.parametrize("name", KERNELS)
def test_lines_of_the_kernel(name: str) -> None:
    """`.loc` names kernel.py, and at least as many lines as the kernel has statements that do work."""
    text = ptx(name, "sm_90a")
    path = load_tiles(KERNELS[name][0]).folder / "kernel.py"
    files = dict(re.findall(r'^\s*\.file\s+(\d+)\s+"([^"]+)"', text, re.M))
    kernel_files = {number for number, file in files.items() if file.endswith(f"{KERNELS[name][0]}/kernel.py")}
    assert kernel_files
    lines = {int(line) for number, line in re.findall(r"\.loc\s+(\d+)\s+(\d+)", text) if number in kernel_files}
    assert len(lines) >= 4
    assert max(lines) <= len(path.read_text().splitlines())


@pytest.mark.parametrize("name", ["softmax", "rms_norm"])
def test_elementwise_kernels_use_no_tensor_cores(name: str) -> None:
    text = code(ptx(name, "sm_90a"))
    assert "mma.sync" not in text
    assert "ldmatrix" not in text


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize(
    ("precision", "products"),
    [("tf32", 1), ("tf32x3", 3)],
)
def test_precision_of_f32_products(arch: str, precision: str, products: int) -> None:
    """tf32 makes one tensor-core product of a fragment, tf32x3 three."""
    variant = ("f32", (("BM", 64), ("BN", 64), ("precision", precision)))
    one = code(ptx("matmul", arch, "f32", (("BM", 64), ("BN", 64), ("precision", "tf32"))))
    text = code(ptx("matmul", arch, *variant))
    instruction = "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32"
    assert text.count(instruction) == products * one.count(instruction) > 0
    assert "cvt.rna.tf32.f32" in text


@pytest.mark.parametrize("arch", ARCHS)
def test_ieee_products_are_fused_multiply_adds(arch: str) -> None:
    text = code(ptx("matmul", arch, "f32", (("BM", 64), ("BN", 64), ("precision", "ieee"))))
    assert "mma.sync" not in text
    assert text.count("fma.rn.f32") >= 16


@pytest.mark.parametrize("arch", ARCHS)
def test_f16_products(arch: str) -> None:
    text = code(ptx("matmul", arch, "f16"))
    assert "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32" in text
    assert "bf16" not in text


# ---------------------------------------------------------------------------------------------------------------------
# ptxas
# ---------------------------------------------------------------------------------------------------------------------

VARIANTS: list[tuple[str, tuple[Any, ...]]] = [
    *((name, ("bf16",)) for name in KERNELS),
    *((name, ("f16",)) for name in KERNELS),
    ("softmax", ("f32",)),
    ("rms_norm", ("bf16", (), ("g",))),
    ("lightning_attention", ("bf16", (("K", 64), ("V", 64)), ("s0", "s1"))),
    ("lightning_attention", ("bf16", (("K", 128), ("V", 128)), ("s0", "s1"))),
    ("cumsum_time", ("f32", (("REVERSE", True),))),
    ("cumsum_rows", ("f32", (("REVERSE", True),))),
    ("matmul", ("bf16", (("ALIGN", 0),))),
]


def variant_id(value: Any) -> str:
    """A name, or "bf16-K=64-V=64-s0"."""
    if isinstance(value, str):
        return value
    dtype, constants, present = (*value, (), ())[:3]
    return "-".join([dtype, *(f"{key}={item}" for key, item in constants), *present])


@pytest.mark.skipif(not PTXAS, reason="needs ptxas")
@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize(("name", "variant"), VARIANTS, ids=variant_id)
def test_ptxas_spills_nothing(name: str, variant: tuple[Any, ...], arch: str, tmp_path: Path) -> None:
    file = tmp_path / "kernel.ptx"
    file.write_text(ptx(name, arch, *variant))
    run = subprocess.run(
        [PTXAS, f"-arch={arch}", "-O3", "-v", "-lineinfo", "-o", str(tmp_path / "kernel.cubin"), str(file)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", run.stderr)
    assert found, run.stderr
    assert found.groups() == ("0", "0", "0"), run.stderr
    assert "warning" not in run.stderr.lower(), run.stderr


@pytest.mark.skipif(not shutil.which("cuobjdump"), reason="needs cuobjdump")
def test_tensor_cores_in_machine_code(tmp_path: Path) -> None:
    """What ptxas makes of matmul really has the tensor-core instruction."""
    if not PTXAS:
        pytest.skip("needs ptxas")
    cubin = tmp_path / "matmul.cubin"
    cubin.write_bytes(compiler.run(source("matmul"), {"arch": "sm_90a", "ptxas": True}).artifacts["cubin"])
    dump = subprocess.run(
        ["cuobjdump", "-sass", str(cubin)], capture_output=True, text=True, timeout=120, check=True
    ).stdout
    assert "HMMA.16816.F32.BF16" in dump
    assert "LDSM" in dump
