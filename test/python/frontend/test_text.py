"""The text of kernels, by their key lines."""

import re
from pathlib import Path

import pytest
import ssa_check
import treadle as td
from frontend_cases import compile_all, text_of, write


def without_locations(text: str) -> list[str]:
    return [re.sub(r" loc\(.*\)$", "", line).strip() for line in text.splitlines()]


def lines(tmp_path: Path, statements: str, **options: object) -> list[str]:
    """The checked text of statements, without what HEADER writes and without locations."""
    text = text_of(tmp_path, statements, **options)
    ssa_check.check(text)
    return without_locations(text)


def operations(tmp_path: Path, statements: str, **options: object) -> list[str]:
    """The names of the operations that statements add to HEADER's, constants left out."""
    base = len([x for x in lines(tmp_path, "pass") if "constant" not in x]) - 2
    found = [x for x in lines(tmp_path, statements, **options) if "constant" not in x][base:-2]
    return [re.sub(r"^%\S+ = ", "", x) for x in found]


def test_the_first_example(tmp_path: Path) -> None:
    source = '''\
import treadle as td

@td.kernel(num_warps=8)
def rms_norm(x: td.Tensor["M", "D"], w: td.Tensor["D"], y: td.Tensor["M", "D"], eps: td.f32 = 1e-6,
             *, D: td.Const = 1000, R: td.Const = 4):
    """docstring"""
    M, _ = x.shape
    (i,) = td.grid(td.cdiv(M, R))
    t = x[i * R : i * R + R, :].to(td.f32)
    r = td.rsqrt((t * t).sum(axis=1) / D + eps)
    y[i * R : i * R + R, :] = (t * r[:, None] * w[:].to(td.f32)[None, :]).to(y.dtype)
'''
    file = write(tmp_path, source)
    text = compile_all(file)["rms_norm"]
    ssa_check.check(text)
    view = "!tile.view<?x1000xbf16, align = 16>"
    assert without_locations(text) == [
        f'func.func @rms_norm(%x: {view} {{tile.name = "x", tile.dims = ["M", 1000]}}, '
        '%w: !tile.view<1000xbf16, align = 16> {tile.name = "w", tile.dims = [1000]}, '
        f'%y: {view} {{tile.name = "y", tile.dims = ["M", 1000]}}, '
        '%eps: f32 {tile.name = "eps", tile.default = 1.0e-06 : f32})',
        "attributes {tile.kernel, tile.num_warps = 8 : i32, tile.num_stages = 2 : i32, "
        'tile.grid = affine_map<()[M] -> (M ceildiv 4)>, tile.grid_dims = ["M"]} {',
        f"%0 = tile.dim %x, 0 : {view}",
        "%2 = arith.constant 4 : index",
        "%4 = arith.constant 0 : index",
        "%12 = arith.constant dense<1000.0> : tensor<4xf32>",
        "%1 = tile.program_id 0",
        "%3 = arith.muli %1, %2 : index",
        f"%5 = tile.load %x[%3, %4] along [0, 1] : {view} -> tensor<4x1024xbf16>",
        "%6 = arith.extf %5 : tensor<4x1024xbf16> to tensor<4x1024xf32>",
        "%7 = arith.mulf %6, %6 : tensor<4x1024xf32>",
        "%11 = tile.reduce (%7) along 1 {",
        "^bb0(%8: f32, %9: f32):",
        "%10 = arith.addf %8, %9 : f32",
        "tile.yield %10 : f32",
        "} : (tensor<4x1024xf32>) -> (tensor<4xf32>)",
        "%13 = arith.divf %11, %12 : tensor<4xf32>",
        "%14 = tile.splat %eps : f32 -> tensor<4xf32>",
        "%15 = arith.addf %13, %14 : tensor<4xf32>",
        "%16 = math.rsqrt %15 : tensor<4xf32>",
        "%17 = tile.expand_dims %16, 1 : tensor<4xf32> -> tensor<4x1xf32>",
        "%18 = tile.broadcast %17 : tensor<4x1xf32> -> tensor<4x1024xf32>",
        "%19 = arith.mulf %6, %18 : tensor<4x1024xf32>",
        "%20 = tile.load %w[%4] along [0] : !tile.view<1000xbf16, align = 16> -> tensor<1024xbf16>",
        "%21 = arith.extf %20 : tensor<1024xbf16> to tensor<1024xf32>",
        "%22 = tile.expand_dims %21, 0 : tensor<1024xf32> -> tensor<1x1024xf32>",
        "%23 = tile.broadcast %22 : tensor<1x1024xf32> -> tensor<4x1024xf32>",
        "%24 = arith.mulf %19, %23 : tensor<4x1024xf32>",
        "%25 = arith.truncf %24 : tensor<4x1024xf32> to tensor<4x1024xbf16>",
        "%26 = arith.muli %1, %2 : index",
        f"tile.store %25, %y[%26, %4] along [0, 1] : tensor<4x1024xbf16>, {view}",
        "return",
        "}",
    ]
    assert f'%16 = math.rsqrt %15 : tensor<4xf32> loc("{file}":10:9)' in text


EXPRESSIONS = {
    "p = n // 4 + n % 4": [
        "arith.floordivsi %n, %13 : index",
        "arith.floordivsi %n, %13 : index",
        "arith.muli %15, %13 : index",
        "arith.subi %n, %16 : index",
        "arith.addi %14, %17 : index",
    ],
    "p = M // 4": ["arith.divui %0, %13 : index"],
    "p = (i * 4 + 4) - i * 4 + B": [
        "arith.muli %2, %13 : index",
        "arith.addi %14, %13 : index",
        "arith.muli %2, %13 : index",
    ],
    "p = td.where(t > 0.0, t, 0.0)": [
        "arith.cmpf ogt, %7, %13 : tensor<64x64xf32>",
        "arith.select %14, %7, %13 : tensor<64x64xi1>, tensor<64x64xf32>",
    ],
    "p = td.load(x[i, 0:64], other=-td.inf)": [
        "tile.load %x[%2, %13] along [1] other(%14 : f32) : !tile.view<?x?xf32, align = 4> -> tensor<64xf32>"
    ],
    "p = x[i, j]": ["tile.load %x[%2, %3] along [] : !tile.view<?x?xf32, align = 4> -> f32"],
    "p = ids[i]": [
        "tile.load %ids[%2] along [] : !tile.view<?xi32, align = 4> -> i32",
        "arith.index_cast %13 : i32 to index",
    ],
    "y[i, j] = a": ["tile.store %a, %y[%2, %3] along [] : f32, !tile.view<?x?xf32, align = 4>"],
    "p = u.to(td.f16)": [
        "arith.extf %10 : tensor<64x64xbf16> to tensor<64x64xf32>",
        "arith.truncf %13 : tensor<64x64xf32> to tensor<64x64xf16>",
    ],
    "p = n.to(td.f32)": ["arith.index_cast %n : index to i64", "arith.sitofp %13 : i64 to f32"],
    "p = n + td.arange(B)": [
        "tile.iota : tensor<64xi32>",
        "arith.index_cast %n : index to i32",
        "tile.splat %14 : i32 -> tensor<64xi32>",
        "arith.addi %15, %13 : tensor<64xi32>",
    ],
    "p = td.sigmoid(v)": [
        "arith.negf %12 : tensor<32xf32>",
        "math.exp %13 : tensor<32xf32>",
        "arith.addf %15, %14 : tensor<32xf32>",
        "arith.divf %15, %16 : tensor<32xf32>",
    ],
    "p = v**3": ["arith.mulf %12, %12 : tensor<32xf32>", "arith.mulf %12, %13 : tensor<32xf32>"],
    "p = td.dot(t, t.T, precision='tf32')": [
        "tile.transpose %7, [1, 0] : tensor<64x64xf32> -> tensor<64x64xf32>",
        "tile.dot %7, %13, %14 precision tf32 : tensor<64x64xf32>, tensor<64x64xf32> -> tensor<64x64xf32>",
    ],
    "p = u @ u": ["tile.dot %10, %10, %13 : tensor<64x64xbf16>, tensor<64x64xbf16> -> tensor<64x64xf32>"],
    "p = td.cumsum(v, axis=0, reverse=True)": [
        "tile.scan (%12) along 0 reverse {",
        "^bb0(%13: f32, %14: f32):",
        "arith.addf %13, %14 : f32",
        "tile.yield %15 : f32",
        "} : (tensor<32xf32>) -> (tensor<32xf32>)",
    ],
    "p = -t if n > 0 else t": [
        "arith.cmpi sgt, %n, %13 : index",
        "scf.if %14 -> (tensor<64x64xf32>) {",
        "arith.negf %7 : tensor<64x64xf32>",
        "scf.yield %15 : tensor<64x64xf32>",
        "} else {",
        "scf.yield %7 : tensor<64x64xf32>",
        "}",
    ],
    "p = v if n > 0 else 2 * v if B == 0 else v": [
        "arith.cmpi sgt, %n, %13 : index",
        "arith.select %14, %12, %12 : tensor<32xf32>",
    ],
}


@pytest.mark.parametrize("statement", EXPRESSIONS)
def test_expression(statement: str, tmp_path: Path) -> None:
    assert operations(tmp_path, statement) == EXPRESSIONS[statement]


def test_for_carries_what_the_body_assigns(tmp_path: Path) -> None:
    source = """
acc = td.zeros((64,), td.f32)
count = 0
for k in range(0, n, 64):
    acc = acc + x[i, k : k + 64]
    count += 1
y[i, 0:64] = acc * count.to(td.f32)
"""
    found = operations(tmp_path, source)
    assert found[0].startswith("scf.for %") and found[0].endswith("-> (tensor<64xf32>, index) {")
    assert found[4].startswith("scf.yield %") and found[4].endswith(": tensor<64xf32>, index")


def test_while_carries_its_condition(tmp_path: Path) -> None:
    found = operations(tmp_path, "k = n\nwhile k > 1:\n    k = k // 2\ny[k, 0] = 1.0")
    assert found[0] == "scf.while (%13 = %n) : (index) -> (index) {"
    assert found[2] == "scf.condition(%16) %13 : index"
    assert found[3:5] == ["} do {", "^bb0(%17: index):"]


def test_if_merges_values(tmp_path: Path) -> None:
    source = "s = 0.0\nif n > 0:\n    s = a * 2.0\nelif n < -1:\n    s = 1\ny[i, j] = s"
    found = operations(tmp_path, source)
    assert found.count("} else {") == 2
    assert sum(line.startswith("scf.if") and line.endswith("-> (f32) {") for line in found) == 2


def test_constants_decide_branches(tmp_path: Path) -> None:
    source = "if g is not None:\n    y[i, j] = g[i, j]\nelse:\n    y[i, j] = a"
    absent = lines(tmp_path, source)
    present = lines(tmp_path, source, present=["g"])
    assert "%g" not in "".join(absent) and "%g: !tile.view<?x?xf32, align = 4>" in present[0]
    assert not any("scf.if" in line for line in absent + present)


def test_a_dead_branch_does_not_carry_its_names(tmp_path: Path) -> None:
    source = "k = 2\nfor q in range(n):\n    if g is not None:\n        k = 3\n    y[q, 0:k] = 0.0"
    assert not any("iter_args" in line for line in lines(tmp_path, source))


def test_unrolled_loops_and_tuples(tmp_path: Path) -> None:
    source = """
parts = ()
for k in td.static_range(3):
    parts = parts + (v * k,)
p, q, r = parts
y[0, 0:32] = p + q + r
"""
    assert sum("arith.mulf" in line for line in lines(tmp_path, source)) == 3


def test_reductions_of_tuples(tmp_path: Path) -> None:
    source = """
best, at = td.reduce(lambda p, k, q, l: (p if p > q else q, k if p > q else l), (v, td.arange(32)), axis=0)
y[at, 0] = best
y[td.argmax(v, axis=0), 0] = t.max()
"""
    found = lines(tmp_path, source)
    assert any(re.match(r"%\d+:2 = tile.reduce \(%\d+, %\d+\) along 0 \{", line) for line in found)
    assert "} : (tensor<32xf32>, tensor<32xi32>) -> (f32, i32)" in found


def test_inlined_functions_keep_their_call_sites(tmp_path: Path) -> None:
    source = """\
import treadle as td

def square(t):
    return t * t

@td.kernel
def f(x: td.Tensor["M", td.f32], y: td.Tensor["M", td.f32]):
    (i,) = td.grid(td.cdiv(x.shape[0], 64))
    y[i * 64 : i * 64 + 64] = square(x[i * 64 : i * 64 + 64])
"""
    file = write(tmp_path, source)
    text = compile_all(file)["f"]
    ssa_check.check(text)
    assert f'arith.mulf %3, %3 : tensor<64xf32> loc(callsite("{file}":4:12 at "{file}":9:31))' in text


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ("td.cdiv(M, 32), td.cdiv(N, 64)", "affine_map<()[M, N] -> (M ceildiv 32, N ceildiv 64)>"),
        ("M * N", "affine_map<()[M, N] -> (M * N)>"),
        ("td.cdiv(M, 4) * td.cdiv(N, 8)", "affine_map<()[M, N] -> ((M ceildiv 4) * (N ceildiv 8))>"),
        ("(M + 3) // 4", "affine_map<()[M] -> ((M + 3) floordiv 4)>"),
        ("2 * M - 1", "affine_map<()[M] -> (M * 2 + -1)>"),
        ("7", "affine_map<() -> (7)>"),
    ],
)
def test_grids(grid: str, expected: str, tmp_path: Path) -> None:
    source = f"""\
import treadle as td

@td.kernel
def f(x: td.Tensor["M", "N"]):
    M, N = x.shape
    ids = td.grid({grid})
"""
    text = compile_all(write(tmp_path, source))["f"]
    assert f"tile.grid = {expected}, " in text


def test_literals(tmp_path: Path) -> None:
    text = "\n".join(
        lines(tmp_path, "p = td.full((2,), -td.inf, td.bf16)\nq = t * 1e-30 + 3\nr = a * (td.inf - td.inf)")
    )
    for literal in ("dense<0xFF80> : tensor<2xbf16>", "dense<1.0e-30>", "dense<3.0>", "0x7FC00000 : f32"):
        assert literal in text


def test_views_and_signature(tmp_path: Path) -> None:
    source = """\
import treadle as td

@td.kernel(dtype="f16")
def f(x: td.Tensor["M", "D"], y: td.Tensor["M", 6, td.f32], z: td.Tensor["M", "M", td.strided],
      w: td.Tensor["M", "N", td.i64, td.Align("A"), td.Strides(None, 2)], n: td.i32 = 3, *, D: td.Const = 24,
      A: td.Const = 16):
    (i,) = td.grid(4)
"""
    kernel = td.load_kernels(write(tmp_path, source))["f"]
    assert [a.type for a in kernel.signature()] == [
        "!tile.view<?x24xf16, align = 16>",
        "!tile.view<?x6xf32, align = 8>",
        "!tile.view<?x?xf16, strides = [?, ?], align = 2>",
        "!tile.view<?x?xi64, strides = [?, 2], align = 16>",
        "i32",
    ]
    assert kernel.signature({"D": 7, "A": 0})[0].dims == ("M", 7)
    assert [a.align for a in kernel.signature({"D": 7, "A": 0})] == [2, 8, 2, 8, 0]
    assert kernel.signature()[4].default == 3
    assert kernel.constants == {"D": 24, "A": 16, "num_warps": 4, "num_stages": 2}
    text = kernel.to_mlir({"num_warps": 2}, fast_math=True)
    assert "tile.num_warps = 2 : i32, tile.num_stages = 2 : i32, tile.fast_math, " in text
    assert '%n: i32 {tile.name = "n", tile.default = 3 : i32}' in text


def test_string_annotations_and_nested_control_flow(tmp_path: Path) -> None:
    source = """\
from __future__ import annotations
import treadle as td
@td.kernel
def f(x: td.Tensor["M", "N"], y: td.Tensor["M"], s: td.Optional[td.Tensor["M"]] = None, *, B: td.Const = 64):
    M, N = x.shape
    (i,) = td.grid(td.cdiv(M, B))
    acc = td.zeros((B,), td.f32)
    m = 0.0
    for k in range(0, N, 32):
        t = x[i * B : (i + 1) * B, k : k + 32].to(td.f32)
        if k > 64:
            u = t.sum(1)
            acc += u
        elif s is not None and k > 3:
            acc = acc * 2
        for q in range(3):
            w = acc * 2
            acc = w
    for k in range(4):
        w = acc + 1.0
        for z in td.static_range(2):
            acc = w * z
    y[i * B : (i + 1) * B] = acc.to(y.dtype)
"""
    kernel = td.load_kernels(write(tmp_path, source))["f"]
    for present in ((), ("s",)):
        text = kernel.to_mlir(present=present)
        ssa_check.check(text)
        assert ("%s: !tile.view" in text) is bool(present)
