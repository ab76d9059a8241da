"""Simulating bundles and PTX on the CPU: every access checked, everything counted. See lib/sim/README.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from treadle.errors import LaunchError, TreadleError
from treadle.runtime import _rt, _sim
from treadle.runtime.bundle import Bundle, LaunchInfo, Param
from treadle.runtime.report import LaunchReport, Report


@dataclass(frozen=True)
class Simulator:
    """`Simulator().run(bundle, x, y, a=2.0)` launches on NumPy arrays. The fields say what is checked.

    Whatever a kernel does wrong is in the report; `report.check()` raises it.
    """

    bounds: bool = True
    """Report accesses outside their tensor; they never happen."""
    uninitialised: bool = True
    """Report reads of what nothing wrote."""
    races: bool = True
    counts: bool = True
    threads: int = 0
    """Of this machine; 0: all cores. Results do not depend on it."""
    max_findings: int = 20
    max_instructions: int = 1 << 28
    """What the warps of one block may execute together."""
    shared_limit: int = 0
    """Bytes of shared memory that a block may have; 0: those of the PTX's target."""

    def run(self, bundle: Bundle, *args: Any, **kwargs: Any) -> Report:
        """Check the arguments as for a launch on a GPU, and simulate the launches one after the other.

        A tensor that the kernel only writes counts as uninitialised before.
        """
        prepared = bundle.prepare(*args, **kwargs)
        tensors = [param for param in bundle.params if param.is_tensor]
        if prepared.device >= 0:
            raise LaunchError(
                f"{bundle.name}: argument '{tensors[0].name}': expected a tensor on the CPU, found one on a CUDA device"
            )
        ptx = bundle.text("ptx")
        if ptx is None:
            raise TreadleError(f"{bundle.name}: the bundle has no PTX, so it cannot be simulated; compile it again")
        name, text = ptx
        module = _sim.Module(text, name)
        memory = _sim.Memory()
        views = prepared.views  # hold the arrays until the end
        prepared.rebind([_map(memory, param, view.tensor) for param, view in zip(tensors, views, strict=True)])
        return Report(tuple(self._launch(module, memory, info) for info in prepared.launches if 0 not in info.grid))

    def _launch(self, module: _sim.Module, memory: _sim.Memory, info: LaunchInfo) -> LaunchReport:
        return self.launch(
            module, info.entry, memory, info.grid, info.block, info.shared_bytes, info.params, len(info.sizes)
        )

    def launch(
        self,
        module: _sim.Module,
        entry: str,
        memory: _sim.Memory,
        grid: Sequence[int],
        block: Sequence[int],
        shared_bytes: int,
        params: Any,
        count: int,
    ) -> LaunchReport:
        """Simulate one launch of PTX. params: a `void **` to `count` values, as cuLaunchKernel takes them."""
        json = module.launch(entry, memory, grid, block, shared_bytes, params, count, self._options)
        return LaunchReport.parse(json)

    @property
    def _options(self) -> _sim.Options:
        return _sim.Options(
            no_bounds=not self.bounds,
            no_uninitialised=not self.uninitialised,
            no_races=not self.races,
            no_counts=not self.counts,
            threads=self.threads,
            max_findings=self.max_findings,
            max_instructions=self.max_instructions,
            shared_limit=self.shared_limit,
        )


def _map(memory: _sim.Memory, param: Param, tensor: _rt.Tensor) -> int:
    """Make an argument accessible; its address."""
    shape = tensor.shape[: tensor.ndim]
    strides = tensor.strides[: tensor.ndim] if tensor.strides else _dense(shape)
    start = (tensor.data or 0) + tensor.byte_offset
    return memory.map(start, tensor.dtype_bits // 8, shape, strides, param.name, param.access != "write")


def _dense(shape: Sequence[int]) -> list[int]:
    """Row-major strides."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
