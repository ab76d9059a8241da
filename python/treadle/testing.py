"""Error bounds, cases and references of kernels: one definition for tests, docs, benchmarks and users.

A kernel's folder holds `reference.py` (the definition, in float64) and `cases.py` (what to run it on). This module
holds what they share and needs nothing but NumPy: the error metric with its bounds, rounding to the storage types,
the `Case` that `cases.py` derives from, and `check`, which runs one case through any runner and compares it. Cases of
`td.scan` derive from `treadle.scan_cases.ScanCase`.

Arrays are in *storage* form wherever a kernel sees them: `f32`, `f16` and the integers as NumPy has them, `bf16` as its
`uint16` bit patterns, which nothing else is: `.view(ml_dtypes.bfloat16)` makes them an array of numbers. `pack` and
`unpack` convert.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Constants = Mapping[str, int | float | str | bool]

# ---------------------------------------------------------------------------------------------------------------------
# Error metric and bounds
# ---------------------------------------------------------------------------------------------------------------------

TOLERANCES: Mapping[str, float] = MappingProxyType({"bf16": 5e-3, "f16": 2e-3, "tf32": 2e-3, "f32": 1e-5})
"""Largest `relative_error` of a forward result. `tf32`: f32 tensors whose products run in tf32."""

GRADIENT_TOLERANCES: Mapping[str, float] = MappingProxyType({"bf16": 8e-3, "f16": 4e-3, "f32": 5e-5})
"""Largest `relative_error` of a gradient, by the dtype of the outputs, whatever its own."""

DECAY_GRADIENT_TOLERANCES: Mapping[str, float] = MappingProxyType({"bf16": 2e-2, "f16": 1e-2, "f32": 2e-4})
"""That of what occurs in an exponent that multiplies a state: a sum of differences of like numbers."""

ABSOLUTE_TOLERANCE = 1e-6
"""A result this close everywhere passes whatever its relative error: the reference may be all but zero."""


def _rms(x: Array) -> float:
    return math.sqrt(float(np.mean(np.square(x)))) if x.size else 0.0


def _finite(result: Array, reference: Array) -> tuple[Array, Array]:
    """Both in float64, with 0 where they are the same infinity, as a state before the first token may be."""
    result, reference = np.asarray(result, np.float64), np.asarray(reference, np.float64)
    if result.shape != reference.shape:
        raise ValueError(f"shapes differ: result {result.shape}, reference {reference.shape}")
    same = np.isinf(reference) & (result == reference)
    return np.where(same, 0, result), np.where(same, 0, reference)


def relative_error(result: Array, reference: Array) -> float:
    """rms(result − reference) / (rms(reference) + 1e-8), over the whole tensor; NaN if the result holds a NaN.

    Infinities that both have at the same place are equal.
    """
    result, reference = _finite(result, reference)
    return _rms(result - reference) / (_rms(reference) + 1e-8)


def absolute_error(result: Array, reference: Array) -> float:
    """max |result − reference|; NaN if the result holds a NaN. Infinities as in `relative_error`."""
    result, reference = _finite(result, reference)
    return float(np.abs(result - reference).max()) if result.size else 0.0


def accepts(relative: float, absolute: float, tolerance: float) -> bool:
    """Whether a result with these errors passes. A NaN never does: every comparison with it is false."""
    return relative <= tolerance or absolute <= ABSOLUTE_TOLERANCE


# ---------------------------------------------------------------------------------------------------------------------
# Storage types
# ---------------------------------------------------------------------------------------------------------------------

_STORAGE: Mapping[str, Any] = MappingProxyType(
    {
        "f32": np.float32,
        "f16": np.float16,
        "bf16": np.uint16,
        "i64": np.int64,
        "i32": np.int32,
        "i16": np.int16,
        "i8": np.int8,
    }
)


def itemsize(dtype: str) -> int:
    """Bytes of one element."""
    return int(np.dtype(storage(dtype)).itemsize)


def storage(dtype: str) -> Any:
    """The NumPy type that stores `dtype`: `uint16` for `bf16`."""
    try:
        return _STORAGE[dtype]
    except KeyError:
        raise ValueError(f"unknown dtype {dtype!r}; expected one of {', '.join(_STORAGE)}") from None


def pack(x: npt.ArrayLike, dtype: str) -> Array:
    """`x` rounded to nearest, ties to even, in storage form. A NaN stays a NaN."""
    if dtype != "bf16":
        with np.errstate(over="ignore"):  # beyond f16 is ∞
            return np.asarray(x).astype(storage(dtype))
    single = np.asarray(x, np.float32)
    bits = np.ascontiguousarray(single).view(np.uint32).reshape(single.shape)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(single), np.uint16(0x7FC0), rounded)


def unpack(stored: Array, dtype: str) -> Array:
    """The values of an array in storage form: float64 for the floating types, the array itself for integers."""
    stored = np.asarray(stored, storage(dtype))
    if dtype == "bf16":
        wide = np.ascontiguousarray(stored).astype(np.uint32) << 16
        return wide.view(np.float32).reshape(stored.shape).astype(np.float64)
    return stored.astype(np.float64) if dtype in ("f32", "f16") else stored


def round_to(x: npt.ArrayLike, dtype: str) -> Array:
    """`x` rounded to `dtype`, as float64: what a reference must be given."""
    return unpack(pack(x, dtype), dtype)


def poisoned(shape: Sequence[int], dtype: str, align: int = 1) -> Array:
    """A fresh tensor, every element NaN (the largest value for integers), so that an element not written shows.

    Rows start at multiples of `align` bytes (at most 64), with NaN between them.
    """
    unit = max(1, align // itemsize(dtype))
    pitch = -(-shape[-1] // unit) * unit if shape else 1
    count = math.prod(shape[:-1]) * pitch
    buffer = np.empty(count + 64, storage(dtype))
    skip = -buffer.ctypes.data % 64 // itemsize(dtype)
    floating = dtype in ("bf16", "f16", "f32")
    buffer[:] = pack(np.float32(np.nan), dtype) if floating else np.iinfo(storage(dtype)).max
    return buffer[skip : skip + count].reshape(*shape[:-1], pitch)[..., : shape[-1]]


# ---------------------------------------------------------------------------------------------------------------------
# Cases
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kernel, compiled one way, on one set of sizes. `cases.py` derives a class per kernel and fills the
    properties.

    A tensor in `inputs` or `outputs` is a parameter of the kernel by that name, of type `dtype` unless `own_dtypes`
    says otherwise. Two cases with equal `variant` run the same compiled artefact.
    """

    dtype: str = "bf16"

    @property
    def kernel(self) -> str:
        """Name of the kernel function in `kernel.py`, and of its definition in `reference.py`."""
        raise NotImplementedError

    @property
    def constants(self) -> Constants:
        """Compile-time constants (`-D`)."""
        return {}

    @property
    def present(self) -> tuple[str, ...]:
        """The optional tensors that are passed, sorted."""
        return ()

    @property
    def scalars(self) -> Mapping[str, float]:
        """Scalar arguments of the launch."""
        return {}

    @property
    def parameters(self) -> Mapping[str, float]:
        """What the reference takes beside the tensors: scalars and those constants that enter the mathematics."""
        return self.scalars

    @property
    def own_dtypes(self) -> Mapping[str, str]:
        """Type of every tensor parameter whose type is fixed, whatever the case's `dtype`."""
        return {}

    @property
    def align(self) -> int:
        """Bytes of which every row of every tensor starts at a multiple: the kernel's `td.Align`, 1 if it has none."""
        return 1

    @property
    def accuracy(self) -> str:
        """Key into `TOLERANCES`."""
        return self.dtype

    @property
    def given(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of every input."""
        raise NotImplementedError

    def inputs(self, seed: int = 0) -> dict[str, Array]:
        """Fresh random inputs, not yet rounded: standard normal unless a kernel's class says otherwise."""
        rng = np.random.default_rng(seed)
        return {name: rng.standard_normal(shape, np.float32) for name, shape in self.given.items()}

    @property
    def outputs(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of every output that is compared."""
        raise NotImplementedError

    @property
    def scratch(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of every further tensor that `launches` needs, such as a state handed from one launch to the next."""
        return {}

    def launches(self, tensors: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The tensor arguments of each launch in turn. `tensors` may be of any library that slices as NumPy does."""
        return [dict(tensors)]

    def define(self, reference: Callable[..., Mapping[str, Array]], wide: Mapping[str, Array]) -> dict[str, Array]:
        """What the kernel should give, by its definition `reference`, of float64 inputs."""
        return dict(reference(**wide, **self.parameters))

    @property
    def tolerance(self) -> float:
        return TOLERANCES[self.accuracy]

    @property
    def variant(self) -> tuple[Any, ...]:
        """What must be compiled: equal for cases that one artefact serves."""
        return (self.kernel, tuple(sorted(self.constants.items())), self.dtype, self.present)

    @property
    def name(self) -> str:
        """The kernel, and the fields that differ from their default: `softmax-bf16-M5-N65`."""
        parts = [self.kernel, self.dtype]
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if f.name == "dtype" or value == f.default:
                continue
            if value is True:
                parts.append(f.name)
            elif isinstance(value, (int, float)):
                parts.append(f"{f.name}{value:g}")
            elif isinstance(value, tuple) and len(value) > 4:
                parts.append(f"{len(value)}{f.name}")
            elif isinstance(value, tuple):
                parts.append(f.name + "_".join(f"{v:g}" for v in value))
            else:
                parts.append(f"{f.name}_{value}")
        return "-".join(parts)

    def dtype_of(self, tensor: str) -> str:
        return self.own_dtypes.get(tensor, self.dtype)

    @property
    def elements(self) -> int:
        """Size of the largest output: orders cases from small to large without drawing inputs."""
        return max(math.prod(shape) for shape in self.outputs.values())


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A library's function for the same result. `call` imports the library when it is called, never before.

    `call(**inputs, **parameters)` takes the library's tensors and returns the outputs by name.
    """

    name: str
    call: Callable[..., Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A shape worth timing: its case, the operations that must be done if they are what costs, and the peer."""

    case: Case
    flops: float | None = None
    peer: Peer | None = None

    @property
    def bytes(self) -> int:
        """What must move: every tensor once."""
        shapes = dict(self.case.given) | dict(self.case.outputs)
        return sum(math.prod(shape) * itemsize(self.case.dtype_of(name)) for name, shape in shapes.items())


# ---------------------------------------------------------------------------------------------------------------------
# Running a case
# ---------------------------------------------------------------------------------------------------------------------


class Runner(Protocol):
    """Runs one launch on arrays in storage form; scalars are Python floats. Writes outputs in place or returns new
    ones."""

    def __call__(
        self, kernel: str, constants: Constants, dtype: str, present: tuple[str, ...], arrays: Mapping[str, Any], /
    ) -> Mapping[str, Array] | None: ...


@dataclass(frozen=True, kw_only=True)
class Record:
    """How one output of one case compared."""

    case: str
    output: str
    seed: int
    relative: float
    absolute: float
    tolerance: float

    @property
    def ok(self) -> bool:
        return accepts(self.relative, self.absolute, self.tolerance)

    def __str__(self) -> str:
        verdict = "ok" if self.ok else "FAIL"
        return (
            f"{verdict:4} {self.case} {self.output}: relative {self.relative:.2e} "
            f"(bound {self.tolerance:.0e}), absolute {self.absolute:.2e}, seed {self.seed}"
        )


@dataclass(frozen=True)
class Kernel:
    """A kernel's folder, loaded."""

    name: str
    folder: Path
    reference: ModuleType
    cases: ModuleType = field(repr=False)

    @property
    def has_steps(self) -> bool:
        """Whether `kernel.py` has steps (`td.scan`) rather than kernels (`td.kernel`)."""
        return hasattr(self.cases.DEMO, "scan")

    def expected(self, case: Case, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The definition, in float64, on inputs in storage form."""
        wide = {name: unpack(array, case.dtype_of(name)) for name, array in inputs.items()}
        return case.define(getattr(self.reference, case.kernel), wide)


def kernels_folder() -> Path:
    """`$TREADLE_KERNELS_DIR`, or `kernels/` of the checkout this file is in."""
    return Path(os.environ.get("TREADLE_KERNELS_DIR") or Path(__file__).resolve().parents[2] / "kernels")


def kernel_names(folder: Path | None = None) -> list[str]:
    """Every kernel folder that has cases."""
    return sorted(path.parent.name for path in (folder or kernels_folder()).glob("*/cases.py"))


def tile_names(folder: Path | None = None) -> list[str]:
    """Those of them whose kernels are written on tiles, with `td.kernel`."""
    return [name for name in kernel_names(folder) if not load(name, folder).has_steps]


def scan_names(folder: Path | None = None) -> list[str]:
    """Those of them whose kernels are derived from steps, with `td.scan`."""
    return [name for name in kernel_names(folder) if load(name, folder).has_steps]


def load_module(name: str, path: Path) -> ModuleType:
    """The module in the file `path`, registered under `name`."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses resolve their annotations through it
    spec.loader.exec_module(module)
    return module


def load(name: str, folder: Path | None = None) -> Kernel:
    """Load `reference.py` and `cases.py` of `kernels/<name>`, or of that name in another folder."""
    root = (folder or kernels_folder()) / name
    if not (root / "cases.py").exists():
        raise ValueError(f"no kernel {name!r} in {root.parent}; there are {', '.join(kernel_names(root.parent))}")
    prefix = f"treadle_{root.parent.name}.{name}"
    modules = {part: load_module(f"{prefix}.{part}", root / f"{part}.py") for part in ("reference", "cases")}
    return Kernel(name, root, modules["reference"], modules["cases"])


def variants(cases: Iterable[Case]) -> list[Case]:
    """One case, the smallest, per artefact that must be compiled, in order of first use."""
    found: dict[tuple[Any, ...], Case] = {}
    for case in cases:
        best = found.get(case.variant)
        if best is None or case.elements < best.elements:
            found[case.variant] = case
    return list(found.values())


def check(kernel: Kernel, case: Case, run: Runner, seed: int = 0) -> list[Record]:
    """Run one case and compare every output with the float64 reference of the inputs as rounded."""
    inputs: dict[str, Array] = {}
    for name, array in case.inputs(seed).items():
        inputs[name] = poisoned(array.shape, case.dtype_of(name), case.align)
        inputs[name][...] = pack(array, case.dtype_of(name))
    blank = dict(case.outputs) | dict(case.scratch)
    outputs = {name: poisoned(shape, case.dtype_of(name), case.align) for name, shape in blank.items()}

    for arrays in case.launches(inputs | outputs):
        written = run(case.kernel, case.constants, case.dtype, case.present, arrays | dict(case.scalars)) or {}
        for name, array in written.items():
            if array is not arrays[name]:
                arrays[name][...] = np.asarray(array).view(arrays[name].dtype)

    expected = kernel.expected(case, inputs)
    return [
        Record(
            case=case.name,
            output=name,
            seed=seed,
            relative=relative_error(result, expected[name]),
            absolute=absolute_error(result, expected[name]),
            tolerance=case.tolerance,
        )
        for name, result in ((name, unpack(outputs[name], case.dtype_of(name))) for name in case.outputs)
    ]
