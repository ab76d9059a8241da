"""The text of kernels, run with NumPy: the repository's against their references, small ones also on the CPU target."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import treadle as td
from frontend_cases import compile_all, write
from interpret import Program
from oracles import load_tiles, tile_names
from treadle import compiler, testing
from treadle.errors import TreadleError
from treadle.runtime.call import BFloat16
from treadle.testing import Array, Constants

CASES = [(name, case) for name in tile_names() for case in load_tiles(name).cases.CPU]


@pytest.mark.parametrize(("name", "case"), CASES, ids=[case.name for _, case in CASES])
def test_kernel(name: str, case: Any) -> None:
    loaded = load_tiles(name)
    kernels = td.load_kernels(str(loaded.folder / "kernel.py"))

    def run(
        kernel: str, constants: Constants, dtype: str, present: tuple[str, ...], arrays: Mapping[str, Any], /
    ) -> Mapping[str, Array] | None:
        Program(kernels[kernel].to_mlir(constants, dtype, present)).run(arrays)
        return None

    for record in testing.check(loaded, case, run):
        assert record.ok, str(record)


SOURCE = """\
import treadle as td

@td.kernel(dtype="f32")
def f(x: td.Tensor["N"], y: td.Tensor["M"], n: td.index):
    (i,) = td.grid(1)
    v = td.load(x[0:8], other=-td.inf)
    r = td.arange(8)
{body}
"""
PROGRAMS = {
    "y[0] = (-7 // 2) * 1.0; y[1] = ((n - 12) // 2).to(td.f32); y[2] = ((n - 12) % 4).to(td.f32)": [-4, -4, 1],
    "y[0:8] = ((r - 4) // 3).to(td.f32)": [-2, -1, -1, -1, 0, 0, 0, 1],
    "y[0:8] = ((r - 4) % 3).to(td.f32)": [2, 0, 1, 2, 0, 1, 2, 0],
    "y[0:8] = td.cumsum(r, reverse=True).to(td.f32)": [28, 28, 27, 25, 22, 18, 13, 7],
    "y[0:8] = td.cummax(-v)": [1, 1, 1, 1, 2, 2, np.inf, np.inf],
    "y[0] = td.argmax(v, axis=0).to(td.f32)": [1],
    "y[0:8] = td.logaddexp(v, v)[None, :].sum(axis=0)": np.log(2) + np.array([-1, 5, 3, 5, -2, 0] + [-np.inf] * 2),
    "y[0:8] = td.logaddexp(v, 0.0)": np.logaddexp([-1, 5, 3, 5, -2, 0, -np.inf, -np.inf], 0),
    "y[0:8] = td.sigmoid(v * 100.0)": [0, 1, 1, 1, 0, 0.5, 0, 0],
    "k = n\nc = 0\nwhile k > 1:\n    k = k // 2\n    c += 1\ny[0] = c.to(td.f32)": [2],
    "s = 0\nfor k in range(1, n, 2):\n    if k > 1:\n        s = s + k\ny[0] = s.to(td.f32)": [3],
    "y[0] = 1.0 if n == 5 and not n > 5 or n < 0 else 2.0": [1],
    "y[0:8] = td.scan(lambda a, b, c, d: (a * c, c * b + d), (r.to(td.f32), v * 0 + 1), axis=0)[0]": [0.0] + [0] * 7,
    "y[0:8] = td.where(r < n, 1.0, 2.0)": [1, 1, 1, 1, 1, 2, 2, 2],
    "y[0:4] = td.reshape(r, (2, 4)).T.sum(axis=1).to(td.f32)": [4, 6, 8, 10],
    "y[0:2] = v[4:6] * 2.0; y[2:4] = v[:4][2:4]; y[4:8] = v[4:]": [-4, 0, 3, 5, -2, 0, -np.inf, -np.inf],
    "y[0] = v[5:6].sum(axis=0); y[1] = v[0:1].max(); y[2] = (v[0:4] + v[1:2]).sum()": [0, -1, 32],
    "m = td.reshape(r.to(td.f32), (4, 2))\ny[0:2] = m[3:4, :].sum(axis=0)": [6, 7],
    "m = td.reshape(r.to(td.f32), (4, 2))\ny[0:2] = m.T[1:2, 2:4].sum(axis=0)": [5, 7],
    "q = td.reshape(r, (2, 2, 2))[1:2, :, 0:1]\ny[0:2] = td.reshape(q, (2,)).to(td.f32)": [4, 6],
    "s = 0.0\nfor k in td.static_range(4):\n    s = s * 10.0 + r[2 * k : 2 * k + 2].sum().to(td.f32)\ny[0] = s": [1603],
    "y[0:2] = td.where(v[2:4][None, :] > 3.0, r[2:4][:, None], 0).sum(axis=0).to(td.f32)": [0, 5],
    "y[0] = td.cdiv(n, 2).to(td.f32); y[1] = min(n, 3, 9).to(td.f32); y[2] = max(n - 7, -9).to(td.f32)": [3, 3, -2],
}


def on_numpy(text: str, name: str, arrays: Mapping[str, Any]) -> None:
    Program(text).run(arrays)


def on_cpu(text: str, name: str, arrays: Mapping[str, Any]) -> None:
    try:
        compiler.library()
    except TreadleError as error:
        pytest.skip(str(error))
    arguments = {k: BFloat16(v) if getattr(v, "dtype", None) == "uint16" else v for k, v in arrays.items()}
    compiler.CpuProgram(text, {"name": name}).launch(**arguments)


EVERYWHERE = pytest.mark.parametrize("run", [on_numpy, on_cpu])


@EVERYWHERE
@pytest.mark.parametrize("body", PROGRAMS)
def test_program(body: str, run: Any, tmp_path: Any) -> None:
    indented = "\n".join("    " + line for line in body.split("\n"))
    text = compile_all(write(tmp_path, SOURCE.format(body=indented)))["f"]
    expected = np.asarray(PROGRAMS[body], np.float32)
    y = np.full(len(expected), np.nan, np.float32)
    x = np.array([-1, 5, 3, 5, -2, 0], np.float32)
    run(text, "f", {"x": x, "y": y, "n": 5})
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-30)


BLOCKS = """\
import treadle as td

@td.kernel(dtype="f32")
def blocks(x: td.Tensor[32, 64], h: td.Tensor[32, 64, td.bf16], y: td.Tensor[16, 16], z: td.Tensor[64, 32],
           w: td.Tensor[16, 64]):
    (i,) = td.grid(1)
    t = x[:, :]
    u = h[:, :]
    y[:, :] = (t[16:32, 32:64] * 2.0) @ t[0:16, 0:32].T + td.dot(u[16:32, :], u[0:16, :].T)
    e = td.exp(t).T
    for k in td.static_range(4):
        z[16 * k : 16 * k + 16, 0:32] = e[16 * k : 16 * k + 16, :] - e[63:64, :]
    for _ in range(3):
        t = td.where(t[15:16, :] > t[0:1, :], t, -t) + td.broadcast_to(t[31:32, 0:1], (32, 64))
    w[:, :] = t[16:32, :]
"""


@EVERYWHERE
def test_blocks(run: Any, tmp_path: Any) -> None:
    """In products, computed, turned, of another block, and of a tile that a loop carries."""
    text = compile_all(write(tmp_path, BLOCKS))["blocks"]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((32, 64)).astype(np.float32)
    h = testing.pack(rng.standard_normal((32, 64)), "bf16")
    u = testing.unpack(h, "bf16")
    e, t = np.exp(x).T, x
    for _ in range(3):
        t = np.where(t[15:16] > t[:1], t, -t) + t[31:, :1]
    y = 2 * x[16:, 32:] @ x[:16, :32].T + u[16:] @ u[:16].T
    expected = {"y": y, "z": e - e[63:], "w": t[16:]}
    found = {name: np.full(array.shape, np.nan, np.float32) for name, array in expected.items()}
    run(text, "blocks", {"x": x, "h": h, **found})
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=2e-5, atol=2e-5, err_msg=name)
