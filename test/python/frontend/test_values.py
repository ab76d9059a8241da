"""The text of the repository's kernels, run with NumPy, against their float64 references."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import treadle as td
from frontend_cases import compile_all, write
from interpret import Program
from treadle import testing
from treadle.testing import Array, Constants

CASES = [(name, case) for name in testing.kernel_names() for case in testing.load(name).cases.CPU]


@pytest.mark.parametrize(("name", "case"), CASES, ids=[case.name for _, case in CASES])
def test_kernel(name: str, case: Any) -> None:
    loaded = testing.load(name)
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
    "m = td.reshape(r, (4, 2)).to(td.f32)\ny[0:2] = m[3:4, :].sum(axis=0); y[2:4] = m.T[1:2, 2:4].sum(axis=0)": [6, 7, 5, 7],
    "q = td.reshape(r, (2, 2, 2))[1:2, :, 0:1]\ny[0:2] = td.reshape(q, (2,)).to(td.f32)": [4, 6],
    "s = 0.0\nfor k in td.static_range(4):\n    s = s * 10.0 + r[2 * k : 2 * k + 2].sum().to(td.f32)\ny[0] = s": [1643],
    "y[0:8] = td.where(v[2:4][None, :] > 3.0, r[2:4][:, None], 0).sum(axis=0).to(td.f32)[0:1] + v * 0.0": [0.0] * 6 + [np.nan] * 2,
    "y[0] = td.cdiv(n, 2).to(td.f32); y[1] = min(n, 3, 9).to(td.f32); y[2] = max(n - 7, -9).to(td.f32)": [3, 3, -2],
}


@pytest.mark.parametrize("body", PROGRAMS)
def test_program(body: str, tmp_path: Any) -> None:
    indented = "\n".join("    " + line for line in body.split("\n"))
    text = compile_all(write(tmp_path, SOURCE.format(body=indented)))["f"]
    expected = np.asarray(PROGRAMS[body], np.float32)
    y = np.full(len(expected), np.nan, np.float32)
    x = np.array([-1, 5, 3, 5, -2, 0], np.float32)
    Program(text).run({"x": x, "y": y, "n": 5})
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-30)
