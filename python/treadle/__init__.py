"""Treadle: kernels for GPUs and CPUs, written in Python on tiles.

    import treadle as td

    @td.kernel(num_warps=4)
    def scale(x: td.Tensor["M", "N"], y: td.Tensor["M", "N"], a: td.f32, *, R: td.Const = 32, C: td.Const = 64):
        M, N = x.shape
        i, j = td.grid(td.cdiv(M, R), td.cdiv(N, C))
        t = x[i * R : i * R + R, j * C : j * C + C].to(td.f32)
        y[i * R : i * R + R, j * C : j * C + C] = (t * a).to(y.dtype)

`treadle.language` documents every function a kernel can use.
"""

from treadle.compiler import CompiledKernel, compile
from treadle.errors import CompileError, InternalError, KernelError, LaunchError, SimulationError, TreadleError
from treadle.language import *  # noqa: F403
from treadle.language import __all__ as _language
from treadle.runtime.call import run

__all__ = [
    "CompileError",
    "CompiledKernel",
    "InternalError",
    "KernelError",
    "LaunchError",
    "SimulationError",
    "TreadleError",
    "compile",
    "run",
    *_language,
]
