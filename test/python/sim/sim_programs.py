"""Kernels with arguments, small and ragged, that the simulator runs: shipped ones and handwritten ones."""

from __future__ import annotations

import copy
import functools
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = (ROOT / "python", ROOT / "test", Path(__file__).parent)
sys.path[:0] = [path for path in map(str, FOLDERS) if path not in sys.path]

import sim_handwritten  # noqa: E402
import treadle as td  # noqa: E402
from oracles import load_tiles  # noqa: E402
from treadle import testing  # noqa: E402
from treadle.runtime import Bundle  # noqa: E402
from treadle.runtime.call import BFloat16  # noqa: E402

Tensors = Mapping[str, testing.Array]


@dataclass(frozen=True)
class Program:
    """A kernel as it ships, and what makes fresh arguments for it: inputs, and outputs that hold NaN."""

    name: str
    ptx: str
    manifest: Mapping[str, Any]
    tensors: Callable[[], Tensors]
    scalars: Mapping[str, float]

    def arguments(self, tensors: Tensors) -> dict[str, Any]:
        """What a launch takes: these tensors, those of bf16 said to be, and the scalars."""
        wrapped = {name: BFloat16(array) if array.dtype == "uint16" else array for name, array in tensors.items()}
        return {**wrapped, **self.scalars}

    def bundle(self, ptx: str, shared: int = 0) -> Bundle:
        """Other PTX in the place of its own, launched with more bytes of shared memory or fewer."""
        manifest = copy.deepcopy(dict(self.manifest))
        manifest["launches"][0]["shared_bytes"] += shared
        return Bundle.from_memory(json.dumps(manifest), ptx.encode())


_CLASSES = {"cumsum_time": "Time", "cumsum_rows": "Rows", "rms_norm": "RMSNorm", "softmax": "Softmax"} | {
    "matmul": "Matmul",
    "lightning": "Lightning",
}


def shipped(name: str, folder: str, constants: Mapping[str, Any], sizes: Mapping[str, Any]) -> Program:
    """A kernel on tiles, compiled with these constants beside those of its case."""
    kernel = load_tiles(folder)
    case = getattr(kernel.cases, _CLASSES[name.partition("-")[0]])(**sizes)
    source = td.load_kernels(str(kernel.folder / "kernel.py"))[case.kernel]
    fixed = {**case.constants, **constants}
    compiled = td.compile(source, constants=fixed, dtype=case.dtype, present=case.present, ptxas=False)

    def tensors() -> Tensors:
        made = {}
        for tensor, array in case.inputs(1).items():
            made[tensor] = testing.poisoned(array.shape, case.dtype_of(tensor), case.align)
            made[tensor][...] = testing.pack(array, case.dtype_of(tensor))
        for tensor, shape in case.outputs.items():
            made[tensor] = testing.poisoned(shape, case.dtype_of(tensor), case.align)
        return made

    return Program(name, compiled.ptx, compiled.manifest, tensors, case.scalars)


_STATES = {"initial": True, "final": True}
# Short tiles keep the small ones quick; -default are the tiles that kernels ship with. Every size is ragged.
_SHIPPED: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, Any]]] = {
    "cumsum_time": ("cumsum", {"C": 32, "BD": 16}, {"B": 2, "T": 150, "D": 24}),
    "cumsum_time-default": ("cumsum", {}, {"B": 1, "T": 300, "D": 72}),
    "cumsum_rows": ("cumsum", {}, {"M": 5, "N": 1544}),
    "rms_norm": ("rms_norm", {}, {"M": 5, "D": 1024}),
    "rms_norm-row": ("rms_norm", {"R": 1}, {"M": 3, "D": 1024}),
    "rms_norm-ragged": ("rms_norm", {"R": 4}, {"dtype": "f32", "M": 6, "D": 65}),
    "softmax": ("softmax", {"R": 4}, {"dtype": "f32", "M": 6, "N": 65}),
    "matmul": ("matmul", {"BM": 32, "BN": 32, "BK": 32}, {"M": 33, "N": 72, "K": 132}),
    "matmul-default": ("matmul", {}, {"M": 130, "N": 136, "K": 132}),
    "lightning": ("lightning_attention", {"C": 16, "BV": 16}, {"B": 1, "H": 2, "T": 70, "K": 16, "V": 24} | _STATES),
    "lightning-default": ("lightning_attention", {}, {"B": 1, "H": 1, "T": 200} | _STATES),
}


@functools.cache
def program(name: str) -> Program:
    """A program by name."""
    if name in sim_handwritten.SOURCES:
        source = sim_handwritten.SOURCES[name]
        ptx, manifest = sim_handwritten.ptx(name, source), sim_handwritten.manifest(name, source)
        return Program(name, ptx, manifest, lambda: sim_handwritten.tensors(source), {})
    return shipped(name, *_SHIPPED[name])


PROGRAMS = (*_SHIPPED, *sim_handwritten.SOURCES)
