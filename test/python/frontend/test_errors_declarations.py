"""Errors in a kernel's declaration, its grid, the functions it calls, and its overrides."""

from pathlib import Path

import pytest
import treadle as td
from frontend_cases import body, check, compile_all, write

START = "import treadle as td\n"
CASES = {
    "missing annotation": """
@td.kernel
def f(x, y: td.Tensor["M"]):
      ^ parameter x has no annotation
      help: write its type, as in td.Tensor["M", "N"] or td.f32
    (i,) = td.grid(1)
""",
    "unknown annotation": """
@td.kernel
def f(x: int):
      ^^^^^^ unknown annotation of parameter x: int
      help: use td.Tensor[...], td.Optional[td.Tensor[...]], td.Const, td.f32, td.i32, td.i64 or td.index
    (i,) = td.grid(1)
""",
    "unknown item of a tensor": """
@td.kernel
def f(x: td.Tensor["M", 3.5]):
      ^^^^^^^^^^^^^^^^^^^^^^ tensor x has an unknown item 3.5
      help: axes are names or positive integers, then a dtype, td.Align, td.MaxBytes or td.Strides
    (i,) = td.grid(1)
""",
    "strides of another rank": """
@td.kernel
def f(x: td.Tensor["M", "N", td.Strides(1)]):
      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ tensor x has 2 axes and 1 strides
    (i,) = td.grid(1)
""",
    "constant not keyword-only": """
@td.kernel
def f(x: td.Tensor["M"], B: td.Const = 4):
                         ^^^^^^^^^^^ constant B is not keyword-only
                         help: write * before the constants
    (i,) = td.grid(1)
""",
    "constant without default": """
@td.kernel
def f(x: td.Tensor["M"], *, B: td.Const):
                            ^^^^^^^^^^^ constant B has no default
                            help: write = and a default value
    (i,) = td.grid(1)
""",
    "scalar of a storage dtype": """
@td.kernel
def f(x: td.Tensor["M"], a: td.bf16):
                         ^^^^^^^^^^ a scalar argument cannot be bf16
                         help: use td.f32, td.i32, td.i64 or td.index
    (i,) = td.grid(1)
""",
    "optional without None": """
@td.kernel
def f(x: td.Optional[td.Tensor["M"]]):
      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ optional tensor x has no default None
      help: write = None after it
    (i,) = td.grid(1)
""",
    "star parameter": """
@td.kernel
def f(*xs: td.Tensor["M"]):
       ^^^^^^^^^^^^^^^^^^ a kernel takes no star parameters
       help: name every parameter
    (i,) = td.grid(1)
""",
    "missing grid": """
@td.kernel
def f(x: td.Tensor["M"]):
    ^ kernel f declares no grid
    help: begin with (i,) = td.grid(td.cdiv(M, BLOCK))
    t = x[0:64]
""",
    "two grids": """
@td.kernel
def f(x: td.Tensor["M"]):
    (i,) = td.grid(1)
           ^^^^^^^^^^ note: first declared here
    (j,) = td.grid(2)
           ^^^^^^^^^^ the grid is declared twice
           help: keep one td.grid
""",
    "grid of a run-time value": """
@td.kernel
def f(x: td.Tensor["M"], n: td.index):
    (i,) = td.grid(td.cdiv(n, 4))
                   ^^^^^^^^^^^^^ an axis of the grid depends on more than dimensions and constants
                   help: use sizes from x.shape, constants, + - * // % and td.cdiv
""",
    "grid of a float": """
@td.kernel
def f(x: td.Tensor["M"]):
    (i,) = td.grid(1.5)
                   ^^^ an axis of the grid depends on more than dimensions and constants (the constant 1.5)
                   help: use sizes from x.shape, constants, + - * // % and td.cdiv
""",
    "empty grid": """
@td.kernel
def f(x: td.Tensor["M"], *, B: td.Const = 0):
    (i,) = td.grid(B)
                   ^ an axis of the grid has 0 blocks, at least 1 is needed
""",
    "grid of four axes": """
@td.kernel
def f(x: td.Tensor["M"]):
    i, j, k, l = td.grid(1, 2, 3, 4)
                 ^^^^^^^^^^^^^^^^^^^ a grid has 1 to 3 axes, this one has 4
                 help: fold axes into one and take them apart with // and %
""",
    "grid in a branch": """
@td.kernel
def f(x: td.Tensor["M"], n: td.index):
    if n > 0:
        (i,) = td.grid(1)
               ^^^^^^^^^^ td.grid is called inside control flow or an inlined function
               help: call it first in the kernel
""",
    "recursion": """
def g(t):
    return g(t)
           ^^^^ g calls itself
           help: inlined functions cannot recurse; write a loop

@td.kernel
def f(x: td.Tensor["M"]):
    (i,) = td.grid(1)
    t = g(x[0:64])
        ^^^^^^^^^^ note: called from here
""",
    "error in an inlined function": """
@td.function
def g(t):
    return td.exp(t)
           ^^^^^^^^^ td.exp takes f32, the operand is a bf16 tile [64]
           help: convert it first with .to(td.f32)

@td.function
def outer(t):
    return g(t) * 2.0
           ^^^^ note: called from here

@td.kernel
def f(x: td.Tensor["M"]):
    (i,) = td.grid(1)
    t = outer(x[0:64])
        ^^^^^^^^^^^^^^ note: called from here
""",
    "arguments of an inlined function": """
def g(t, scale=1.0):
    return t * scale

@td.kernel
def f(x: td.Tensor["M"]):
    (i,) = td.grid(1)
    t = g(x[0:64], 1.0, 2.0)
        ^^^^^^^^^^^^^^^^^^^^ g: too many positional arguments
        help: its parameters are (t, scale=1.0)
""",
    "kernel called in a kernel": """
@td.kernel
def g(x: td.Tensor["M"]):
    (i,) = td.grid(1)

@td.kernel
def f(x: td.Tensor["M"]):
    (i,) = td.grid(1)
    g(x)
    ^^^^ kernel g is called in a kernel
    help: share code with a @td.function
""",
}


@pytest.mark.parametrize("name", CASES)
def test_error(name: str, tmp_path: Path) -> None:
    check(tmp_path, START + CASES[name])


def test_carets_under_tabs_and_wide_characters(tmp_path: Path) -> None:
    source = START + '@td.kernel\ndef f(x: td.Tensor["M"]):\n\t(i,) = td.grid(1)\n\tp = ("幅", tt)\n'
    file = write(tmp_path, source)
    with pytest.raises(td.KernelError) as caught:
        compile_all(file)
    assert (
        str(caught.value) == f'{file}:5:12: error: unknown name tt\n    5 | \tp = ("幅", tt)\n      | \t           ^^'
    )


def overridden(tmp_path: Path, **options: object) -> td.KernelError:
    with pytest.raises(td.KernelError) as caught:
        compile_all(write(tmp_path, body("pass")), **options)
    return caught.value


@pytest.mark.parametrize(
    ("options", "message", "help_"),
    [
        ({"constants": {"Q": 1}}, "kernel f has no constant Q", "its constants are B, NAME, num_warps, num_stages"),
        ({"constants": {"B": 1.5}}, "constant B of kernel f is 1.5, of type float", "its default is 64, of type int"),
        ({"constants": {"num_warps": 3}}, "num_warps is 3", "it is a power of two from 1 to 32"),
        (
            {"constants": {"num_stages": 0}},
            "num_stages is 0",
            "it is an integer, at least 1 (1 means no pipelining)",
        ),
        ({"dtype": "f8"}, "unknown dtype 'f8' for kernel f", "dtypes are f32, f16, bf16, i64, i32, i16, i8"),
        ({"present": ["x"]}, "x is not an optional tensor of kernel f", "it has g"),
    ],
)
def test_overrides(options: dict[str, object], message: str, help_: str, tmp_path: Path) -> None:
    error = overridden(tmp_path, **options)
    assert (error.message, error.help, error.line, error.col, error.end_col) == (message, help_, 5, 5, 6)


def test_syntax_error(tmp_path: Path) -> None:
    file = write(tmp_path, "import treadle as td\nx = (1,\n")
    with pytest.raises(td.KernelError) as caught:
        td.load_kernels(file)
    assert str(caught.value) == f"{file}:2:5: error: '(' was never closed\n    2 | x = (1,\n      |     ^"


def test_exception_at_import(tmp_path: Path) -> None:
    file = write(tmp_path, "import treadle as td\nx = 1 + 1 / 0\n")
    with pytest.raises(td.KernelError) as caught:
        td.load_kernels(file)
    expected = f"{file}:2:9: error: ZeroDivisionError: division by zero\n    2 | x = 1 + 1 / 0\n      |         ^^^^^"
    assert str(caught.value) == expected


def test_missing_file() -> None:
    with pytest.raises(td.TreadleError, match=r"^/nowhere/kernel.py: no such file$"):
        td.load_kernels("/nowhere/kernel.py")


def test_builtin_outside_a_kernel() -> None:
    with pytest.raises(td.TreadleError, match=r"^td.exp can only be called inside a kernel or a step$"):
        td.exp(1.0)


def test_deep_nesting_of_operators(tmp_path: Path) -> None:
    file = write(tmp_path, body("p = " + " + ".join(["t"] * 900)))
    with pytest.raises(td.KernelError) as caught:
        compile_all(file)
    assert caught.value.line == 12
    assert caught.value.message == "this statement is nested too deeply to compile"
    assert caught.value.help == "split it with intermediate names"


def test_deep_nesting_of_parentheses(tmp_path: Path) -> None:
    file = write(tmp_path, body("p = " + "(" * 300 + "t" + ")" * 300))
    with pytest.raises(td.KernelError, match="too many nested parentheses"):
        compile_all(file)


def test_very_deep_file(tmp_path: Path) -> None:
    file = write(tmp_path, body("p = " + "-" * 100_000 + "t"))
    with pytest.raises(td.KernelError, match="nested too deeply"):
        compile_all(file)
