"""The language's ops on a GPU: small kernels against NumPy, for what the shipped kernels do not use.

    python test/gpu/ops.py build build/ops            where the compiler is
    python test/gpu/ops.py run build/ops              where the GPU is, with torch

Every kernel takes tensors x (and w) and writes y; integers and reductions of them must be exact.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import treadle as td


@td.function
def first_largest(a, i, b, j):
    take = (b > a) | ((b == a) & (j < i))
    return td.where(take, b, a), td.where(take, j, i)


@td.function
def affine(a, b, c, d):
    return a * c, b * c + d


@td.kernel(dtype="f32")
def argmax_rows(x: td.Tensor["M", 200], y: td.Tensor["M", td.i32]):
    (i,) = td.grid(td.cdiv(x.shape[0], 4))
    t = td.load(x[i * 4 : i * 4 + 4, :], other=-td.inf)
    columns = td.broadcast_to(td.arange(256)[None, :], (4, 256))
    _, at = td.reduce(first_largest, (t, columns), axis=1)
    y[i * 4 : i * 4 + 4] = at


@td.kernel(dtype="f32", num_warps=2)
def decayed_sum(x: td.Tensor[64, 32], w: td.Tensor[64, 32], y: td.Tensor[64, 32]):
    td.grid(1)
    _, s = td.scan(affine, (w[:, :], x[:, :]), axis=0)
    y[:, :] = s


@td.kernel(dtype="f32", num_warps=2)
def decayed_sum_rows_reverse(x: td.Tensor[8, 512], w: td.Tensor[8, 512], y: td.Tensor[8, 512]):
    td.grid(1)
    _, s = td.scan(affine, (w[:, :], x[:, :]), axis=1, reverse=True)
    y[:, :] = s


@td.kernel(dtype="f32")
def sub_blocks(x: td.Tensor[64, 64], y: td.Tensor[16, 64]):
    td.grid(1)
    t = x[:, :]
    y[:, :] = t[16:32, :] + 2.0 * t[48:64, :] + t[31:32, :]


@td.kernel(dtype="bf16")
def block_of_product(x: td.Tensor[64, 64], y: td.Tensor[16, 64, td.f32]):
    td.grid(1)
    t = x[:, :]
    y[:, :] = td.dot(t, t.T)[32:48, :]


@td.kernel(dtype="f32")
def outer_features(x: td.Tensor[16, 8], y: td.Tensor[16, 64]):
    td.grid(1)
    t = x[:, :]
    y[:, :] = td.reshape(t[:, :, None] * t[:, None, :], (16, 64))


@td.kernel(dtype="f32")
def window(x: td.Tensor["T", 64], y: td.Tensor["T", 64]):
    (i,) = td.grid(td.cdiv(x.shape[0], 16))
    acc = td.zeros((16, 64), td.f32)
    for s in td.static_range(4):
        acc = acc + x[i * 16 - s : i * 16 - s + 16, :]
    y[i * 16 : i * 16 + 16, :] = acc


@td.kernel(dtype="f32")
def halve_while(x: td.Tensor["M", 128], y: td.Tensor["M", 128]):
    (i,) = td.grid(x.shape[0])
    t = x[i, :]
    while t.max() > 1.0:
        t = t * 0.5
    if i % 2 == 1:
        t = -t
    y[i, :] = t


@td.kernel(dtype="f32", num_warps=8)
def transpose(x: td.Tensor["M", "N", td.MaxBytes(2**31 - 1)], y: td.Tensor["N", "M", td.MaxBytes(2**31 - 1)]):
    M, N = x.shape
    i, j = td.grid(td.cdiv(M, 32), td.cdiv(N, 64))
    y[j * 64 : j * 64 + 64, i * 32 : i * 32 + 32] = x[i * 32 : i * 32 + 32, j * 64 : j * 64 + 64].T


@td.kernel(dtype="f32")
def scalars(x: td.Tensor["M"], y: td.Tensor["M"]):
    (i,) = td.grid(x.shape[0])
    y[i] = x[i] * 2.0 + 1.0


@td.kernel(dtype="i64")
def integers(x: td.Tensor["M", 32], y: td.Tensor["M", 32]):
    (i,) = td.grid(x.shape[0])
    t = x[i, :]
    y[i, :] = td.cumsum(t * t - 3, axis=0)


@td.kernel(dtype="f32")
def functions(x: td.Tensor["M", 64], y: td.Tensor["M", 64]):
    (i,) = td.grid(x.shape[0])
    t = x[i, :]
    y[i, :] = td.tanh(t) + td.erf(t) + td.sin(t) * td.cos(t) + td.log1p(td.abs(t)) + td.silu(t) + td.exp(-t * t)


def _recurrence(x: Any, w: Any) -> Any:
    out, s = np.zeros_like(x), np.zeros_like(x[0])
    for t in range(len(x)):
        s = w[t] * s + x[t]
        out[t] = s
    return out


def _while(x: Any) -> Any:
    out = x.copy()
    for i, row in enumerate(out):
        while row.max() > 1.0:
            row *= 0.5
        if i % 2 == 1:
            row *= -1
    return out


def _functions(x: Any) -> Any:
    from math import erf

    return (
        np.tanh(x)
        + np.vectorize(erf)(x)
        + np.sin(x) * np.cos(x)
        + np.log1p(abs(x))
        + x / (1 + np.exp(-x))
        + np.exp(-x * x)
    )


def _window(x: Any) -> Any:
    return sum(np.pad(x, ((s, 0), (0, 0)))[: len(x)] for s in range(4))


# Kernel, shapes of the inputs, shape of y and its dtype, and the definition.
OPS: list[tuple[Any, dict[str, tuple[int, ...]], tuple[int, ...], str, Callable[..., Any]]] = [
    (argmax_rows, {"x": (37, 200)}, (37,), "int32", lambda x: x.argmax(1)),
    (decayed_sum, {"x": (64, 32), "w": (64, 32)}, (64, 32), "float32", _recurrence),
    (
        decayed_sum_rows_reverse,
        {"x": (8, 512), "w": (8, 512)},
        (8, 512),
        "float32",
        lambda x, w: _recurrence(x.T[::-1], w.T[::-1])[::-1].T,
    ),
    (sub_blocks, {"x": (64, 64)}, (16, 64), "float32", lambda x: x[16:32] + 2 * x[48:64] + x[31:32]),
    (block_of_product, {"x": (64, 64)}, (16, 64), "float32", lambda x: (x @ x.T)[32:48]),
    (outer_features, {"x": (16, 8)}, (16, 64), "float32", lambda x: (x[:, :, None] * x[:, None, :]).reshape(16, 64)),
    (window, {"x": (53, 64)}, (53, 64), "float32", _window),
    (halve_while, {"x": (9, 128)}, (9, 128), "float32", _while),
    (transpose, {"x": (77, 131)}, (131, 77), "float32", lambda x: x.T),
    (scalars, {"x": (19,)}, (19,), "float32", lambda x: 2 * x + 1),
    (integers, {"x": (5, 32)}, (5, 32), "int64", lambda x: np.cumsum(x * x - 3, axis=1)),
    (functions, {"x": (33, 64)}, (33, 64), "float32", _functions),
]


def build(folder: Path, arch: str) -> None:
    for kernel, *_ in OPS:
        td.compile(kernel, arch=arch, out=folder / kernel.name)
        print("built", kernel.name)


def run(folder: Path) -> int:
    import torch
    from treadle.runtime import Bundle

    rng, failed = np.random.default_rng(), 0
    for kernel, shapes, shape, dtype, definition in OPS:
        given: dict[str, Any] = {}
        for name, size in shapes.items():
            if dtype == "int64":
                given[name] = rng.integers(-(2**33), 2**20, size)
            else:
                given[name] = rng.uniform(0, 0.99, size) if name == "w" else rng.normal(size=size) * 2
        element = {"i64": torch.int64, "bf16": torch.bfloat16, "f32": torch.float32}[str(kernel.dtype)]
        held = {name: torch.from_numpy(array).to(element).cuda() for name, array in given.items()}
        exact = {
            name: tensor.cpu().to(torch.int64 if dtype == "int64" else torch.float64).numpy()
            for name, tensor in held.items()
        }
        expected = np.asarray(definition(**exact))
        y = torch.full(shape, -1, dtype=getattr(torch, dtype), device="cuda")
        Bundle(folder / kernel.name).launch(**held, y=y)
        found = y.cpu().numpy()
        if dtype.startswith("int"):
            good, error = bool((found == expected).all()), 0.0
        else:
            error = float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
            good = error < 2e-6
        failed += not good
        print("ok  " if good else "FAIL", kernel.name, f"{error:.1e}")
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("build", "run"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--arch", default="sm_90a")
    options = parser.parse_args()
    if options.action == "build":
        build(options.folder, options.arch)
        return 0
    return 1 if run(options.folder) else 0


if __name__ == "__main__":
    sys.exit(main())
