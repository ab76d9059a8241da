"""Errors in expressions: message, place and remedy of each."""

from pathlib import Path

import pytest
from frontend_cases import body, check

CASES = {
    "wrong rank": """
        p = x[i]
            ^^^^ tensor x has 2 axes and is indexed with 1 index
            help: give one index per axis: a scalar, start : start + constant, or : for a whole constant axis
    """,
    "dtypes mixed": """
        p = t + u
            ^^^^^ operands of '+' have different dtypes: an f32 tile [64, 64] and a bf16 tile [64, 64]
            help: convert one of them, as in .to(td.f32)
    """,
    "index and f32": """
        p = t * n
            ^^^^^ operands of '*' have different dtypes: an f32 tile [64, 64] and an index scalar
            help: convert one of them, as in .to(td.f32)
    """,
    "float literal on integers": """
        p = td.arange(B) + 0.5
            ^^^^^^^^^^^^^^^^^^ the constant 0.5 is not a value of i32
            help: write an integer, or convert the other operand with .to(td.f32)
    """,
    "literal out of range": """
        p = u * 1e39
            ^^^^^^^^ 1e+39 does not fit in bf16
            help: use td.inf, or a wider dtype
    """,
    "integer literal out of range": """
        p = td.arange(B) + 2**40
            ^^^^^^^^^^^^^^^^^^^^ 1099511627776 does not fit in i32
            help: use a wider dtype
    """,
    "unknown name": """
        p = tt + 1.0
            ^^ unknown name tt
            help: did you mean t?
    """,
    "unknown function": """
        p = td.expp(t)
            ^^^^^^^ module treadle has no attribute expp
            help: did you mean exp?
    """,
    "run-time tile size": """
        p = td.zeros((n, 64), td.f32)
            ^^^^^^^^^^^^^^^^^^^^^^^^^ extent 0 of the shape is an index scalar, not a constant integer
            help: take tile sizes from td.Const parameters
    """,
    "size not a power of two": """
        p = td.zeros((48,), td.f32)
            ^^^^^^^^^^^^^^^^^^^^^^^ extent 0 of the shape is 48, not a power of two
            help: use 64: loads pad and stores clip what is out of bounds
    """,
    "slice not a power of two": """
        p = x[i : i + 48, 0]
              ^^^^^^^^^^ the extent of axis 0 of the tile is 48, not a power of two
              help: use 64: loads pad and stores clip what is out of bounds
    """,
    "tile too large": """
        p = td.zeros((4096, 4096), td.f32)
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a tile [4096, 4096] has 16777216 elements, at most 1048576 are allowed
            help: use smaller tiles and loop over them
    """,
    "dot shapes": """
        a = x[0:64, 0:32]
        q = td.dot(a, t)
            ^^^^^^^^^^^^ dot operands do not agree: a is [64, 32], b is [64, 64]
            help: transpose a with a.T
    """,
    "dot dtypes": """
        p = td.dot(t, u)
            ^^^^^^^^^^^^ dot operands have different dtypes: a is f32, b is bf16
            help: convert one of them with .to(...)
    """,
    "dot of integers": """
        p = t.to(td.i32) @ t.to(td.i32)
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^ dot takes f32, f16 or bf16: a and b are i32
            help: convert them with .to(td.f32)
    """,
    "dot of vectors": """
        p = td.dot(v, v)
            ^^^^^^^^^^^^ dot takes tiles of two axes: a is [32], b is [32]
            help: add an axis with x[None, :], or use (x * y).sum(axis=0)
    """,
    "dot accumulator": """
        p = td.dot(u, u, u)
            ^^^^^^^^^^^^^^^ acc of dot is a bf16 tile [64, 64], the product is an f32 tile [64, 64]
            help: start it with td.zeros((64, 64), td.f32)
    """,
    "dot precision": """
        p = td.dot(t, t, precision="fp8")
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ precision of dot is the string 'fp8'
            help: it is "ieee", "tf32" or "tf32x3"
    """,
    "store shape": """
        y[i * B : i * B + B, j] = t
        ^^^^^^^^^^^^^^^^^^^^^^^ store of an f32 tile [64, 64] to y[...] of shape [64]
    """,
    "store dtype": """
        h[i * B : i * B + B, j * B : j * B + B] = t
        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ store of an f32 tile [64, 64] to h, which holds bf16
        help: convert it with .to(h.dtype)
    """,
    "slice of run-time extent": """
        p = x[i : i + n, 0]
              ^^^^^^^^^ the extent of a slice of x is not constant
              help: slices are start : start + constant
    """,
    "slice without an end": """
        p = x[i:, 0]
              ^^ a slice of x has no end
              help: slices are start : start + constant
    """,
    "slice with a step": """
        p = x[0:64:2, 0]
              ^^^^^^ a slice of x has a step
              help: slices are start : start + constant
    """,
    "whole dynamic axis": """
        p = x[i, :]
                 ^ ':' on axis 1 of x, whose size N is known at the launch only
                 help: slice it with start : start + constant, or make N a td.Const
    """,
    "gather": """
        p = x[td.arange(B), 0]
              ^^^^^^^^^^^^ an index of x is an i32 tile [64]: gathers are not supported
              help: index with scalars and slices start : start + constant
    """,
    "float index": """
        p = x[a, 0]
              ^ an index of x is an f32 scalar, not an integer
              help: convert it with .to(td.index)
    """,
    "pad value": """
        p = td.load(h[0:64, 0], other=a)
                    ^^^^^^^^^^ other is an f32 scalar, h holds bf16
                    help: use a constant, or convert with .to(td.bf16)
    """,
    "load of a tile": """
        p = td.load(t[:, None])
                    ^^^^^^^^^^ td.load of an f32 tile [64, 64], not of a tensor
    """,
    "load form": """
        p = td.load(x, (i, j))
            ^^^^^^^^^^^^^^^^^^ td.load takes x[...] and other
            help: write td.load(x[i : i + 64], other=0.0)
    """,
    "unknown attribute": """
        p = t.size
            ^^^^^^ an f32 tile [64, 64] has no attribute size
            help: it has dtype, shape, T, to, sum, max, min
    """,
    "unknown method": """
        p = t.mean(axis=0)
            ^^^^^^ an f32 tile [64, 64] has no attribute mean
            help: it has dtype, shape, T, to, sum, max, min
    """,
    "method not called": """
        p = t.sum
            ^^^^^ method sum is not called
            help: write .sum(...)
    """,
    "tensor attribute": """
        p = x.strides
            ^^^^^^^^^ tensor x has no attribute strides
            help: a tensor has shape and dtype
    """,
    "unsupported function": """
        print(t)
        ^^^^^^^^ builtin_function_or_method print cannot be called in a kernel
    """,
    "too many arguments": """
        p = td.exp(t, t)
            ^^^^^^^^^^^^ td.exp: too many positional arguments
            help: its parameters are (x)
    """,
    "missing argument": """
        p = td.dot(t)
            ^^^^^^^^^ td.dot: missing a required argument: 'b'
            help: its parameters are (a, b, acc=None, precision='ieee')
    """,
    "unknown keyword": """
        p = t.sum(dim=0)
            ^^^^^^^^^^^^ .sum: got an unexpected keyword argument 'dim'
            help: its parameters are (axis=None, keepdims=False)
    """,
    "axis out of range": """
        p = t.sum(axis=2)
            ^^^^^^^^^^^^^ axis 2 of sum is out of range for an f32 tile [64, 64]
            help: axes of this tile are 0 to 1
    """,
    "sum of bf16": """
        p = u.sum(axis=0)
            ^^^^^^^^^^^^^ sum of a bf16 tile [64, 64] would round at every step
            help: convert it first with .to(td.f32)
    """,
    "exp of bf16": """
        p = td.exp(u)
            ^^^^^^^^^ td.exp takes f32, the operand is a bf16 tile [64, 64]
            help: convert it first with .to(td.f32)
    """,
    "log of a negative constant": """
        p = td.log(-1.0) * t
            ^^^^^^^^^^^^ td.log(-1.0): math domain error
    """,
    "combine of a wrong type": """
        p = td.reduce(lambda p, q: p < q, t, axis=0)
                      ^^^^^^^^^^^^^^^^^^ the combine function returns an i1 scalar where f32 is needed
    """,
    "combine of too few values": """
        p = td.reduce(lambda p, q: p + q, (t, t), axis=0)
                      ^^^^^^^^^^^^^^^^^^ the combine function takes 2 arguments, 4 are needed
                      help: it takes the earlier elements, then the later ones
    """,
    "combine sees a run-time value": """
        p = td.scan(lambda p, q: p + q * a, t, axis=0)
                                         ^ a is a run-time value outside the combine function
                                         help: it sees its arguments and constants only
    """,
    "combine that depends on grouping": """
        p = td.scan(lambda p, q: p - q, t, axis=0)
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ \
the combine function is not associative: of 1, 1.25, -1.75 it makes 1.5 from the first two on, -2 from the last two on
            help: elements are combined in groups; write a function f with f(f(a, b), c) = f(a, f(b, c))
    """,
    "combine of pairs that depends on grouping": """
        p = td.reduce(lambda a, b, c, d: (a * c, b + a * d + 1), (t, t), axis=0)
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ \
the combine function is not associative: of (-1, 0.25), (-1, -1.25), (0, -1) it makes (0, 2.5) from the first two \
on, (0, 0.5) from the last two on
            help: elements are combined in groups; write a function f with f(f(a, b), c) = f(a, f(b, c))
    """,
    "reduction of unequal shapes": """
        p = td.reduce(lambda p, q, r, s: (p + r, q + s), (t, v), axis=0)
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ \
operands of reduce have different shapes: [64, 64] and [32]
    """,
    "tensor as a value": """
        p = x * 2.0
            ^^^^^^^ an operand of '*' is tensor x, not a tile
            help: load a tile of it first, as in x[:, :]
    """,
    "integer division": """
        p = td.arange(B) / 2
            ^^^^^^^^^^^^^^^^ '/' of integers (i32) is not defined
            help: divide with //, or convert with .to(td.f32) first
    """,
    "index division": """
        p = n / 2
            ^^^^^ '/' of integers (index) is not defined
            help: divide with //, or convert with .to(td.f32) first
    """,
    "division by zero": """
        p = n // (B - 64)
            ^^^^^^^^^^^^^ division by zero
    """,
    "floor division of floats": """
        p = t // 2.0
            ^^^^^^^^ '//' is not defined for f32
            help: divide with / instead
    """,
    "power": """
        p = t**a
            ^^^^ the exponent of '**' is an f32 scalar, not a constant integer from 0 to 16
            help: use td.exp2(y * td.log2(x)), td.sqrt or td.rsqrt
    """,
    "broadcasting": """
        p = t + v
            ^^^^^ shapes of '+' do not broadcast: [64, 64] and [32]
            help: extents must be equal or 1; add an axis with x[:, None]
    """,
    "tile indexed": """
        p = t[0, :]
            ^^^^^^^ an f32 tile [64, 64] is indexed with more than slices and None
            help: index a tile with :, constant slices and None only, as in t[:, None] and t[16:32, :]
    """,
    "new axis of a tile": """
        p = t[:, None]
            ^^^^^^^^^^ an f32 tile [64, 64] is indexed with 1 ':'
            help: write : once for each axis
    """,
    "block and integer": """
        p = t[0:16, 3]
            ^^^^^^^^^^ a block of an f32 tile [64, 64] is indexed with more than slices
            help: write a slice for each axis, as in t[16:32, :] and t[15:16, :]
    """,
    "block and new axis": """
        p = v[0:16, None]
            ^^^^^^^^^^^^^ a block of an f32 tile [32] is indexed with more than slices
            help: take the block first, then add the axis: t[16:32, :] and then [:, None]
    """,
    "block with too few axes": """
        p = t[0:16]
            ^^^^^^^ an f32 tile [64, 64] is indexed with 1 slice
            help: write a slice for each axis, : for the whole
    """,
    "block with too many axes": """
        p = v[0:16, :]
            ^^^^^^^^^^ an f32 tile [32] is indexed with 2 slices
            help: write a slice for each axis, : for the whole
    """,
    "block with a step": """
        p = t[:, 0:32:2]
                 ^^^^^^ a slice of a tile has a step
                 help: slices are start : stop
    """,
    "block at a run-time place": """
        p = t[n : n + 16, :]
              ^ the bounds of a tile's slice are compile-time constants
              help: this is an index scalar; use numbers, td.Const parameters and counters of td.static_range
    """,
    "block of a run-time size": """
        p = t[0:a, :]
                ^ the bounds of a tile's slice are compile-time constants
                help: this is an f32 scalar; use numbers, td.Const parameters and counters of td.static_range
    """,
    "block not a power of two": """
        p = t[:, 0:48]
                 ^^^^ the size of a tile's slice is 48, not a power of two
                 help: take blocks of 1, 2, 4, 8, ...
    """,
    "block at no multiple of its size": """
        p = t[8:24, :]
              ^^^^ the slice starts at 8, not a multiple of its size 16
              help: blocks of 16 nearest to it are 0 : 16 and 16 : 32
    """,
    "block past the end": """
        p = t[B - 16 : B + 16, :]
              ^^^^^^^^^^^^^^^ the slice from 48 to 80 is not inside axis 0 of an f32 tile [64, 64]
              help: write start : stop with 0 <= start < stop <= 64
    """,
    "block counted from the end": """
        p = t[:, -16:]
                 ^^^^ the slice from -16 to 64 is not inside axis 1 of an f32 tile [64, 64]
                 help: write start : stop with 0 <= start < stop <= 64
    """,
    "empty block": """
        p = v[16:16]
              ^^^^^ the slice from 16 to 16 is not inside axis 0 of an f32 tile [32]
              help: write start : stop with 0 <= start < stop <= 32
    """,
    "reshape": """
        p = td.reshape(t, (64, 32))
            ^^^^^^^^^^^^^^^^^^^^^^^ reshape of [64, 64] to [64, 32] changes the number of elements from 4096 to 2048
    """,
    "permutation": """
        p = td.transpose(t, (0, 0))
            ^^^^^^^^^^^^^^^^^^^^^^^ (0, 0) is not a permutation of the axes of an f32 tile [64, 64]
            help: use 0 to 1 once each
    """,
    "transpose of a vector": """
        p = v.T
            ^^^ transpose of an f32 tile [32]: it has one axis only
            help: add an axis with x[:, None] or x[None, :]
    """,
    "unknown dtype": """
        p = t.to(float)
            ^^^^^^^^^^^ unknown dtype float
            help: dtypes are f32, f16, bf16, i64, i32, i16, i8, i1, index, as in td.f32
    """,
    "tile of index": """
        p = td.arange(B).to(td.index)
            ^^^^^^^^^^^^^^^^^^^^^^^^^ a tile cannot hold index values
            help: use td.i32 or td.i64
    """,
    "and of tiles": """
        p = t > 0.0 and t < 1.0
            ^^^^^^^^^^^^^^^^^^^ 'and' of an i1 tile [64, 64]: a tile has no single truth value
            help: use & for tiles
    """,
    "not of a tile": """
        p = not (t > 0.0)
            ^^^^^^^^^^^^^ 'not' of an i1 tile [64, 64]: a tile has no single truth value
            help: use ~ for tiles
    """,
    "chained comparison of tiles": """
        p = 0.0 < t < 1.0
            ^^^^^^^^^^^^^ a chained comparison of tiles
            help: write (a < b) & (b < c)
    """,
    "where needs i1": """
        p = td.where(t, t, 0.0)
            ^^^^^^^^^^^^^^^^^^^ the condition of where is an f32 tile [64, 64], not i1
            help: compare to get one, as in x != 0
    """,
    "float of a scalar": """
        p = float(n)
            ^^^^^^^^ float of an index scalar: it takes compile-time constants
            help: convert run-time values with .to(td.f32), .to(td.index)
    """,
    "math on a tile": """
        p = math.exp(t)
            ^^^^^^^^^^^ exp of an f32 tile [64, 64]: it takes compile-time constants
            help: use td.exp
    """,
    "max of tiles": """
        p = max(t, 0.0)
            ^^^^^^^^^^^ max of an f32 tile [64, 64]
            help: use td.maximum for elements, .max(axis) for a reduction
    """,
    "arange of a run-time length": """
        p = td.arange(n)
            ^^^^^^^^^^^^ a bound of arange is an index scalar, not a constant integer
            help: use constants and add the start: start.to(td.i32) + td.arange(n)
    """,
    "static assertion": """
        td.static_assert(B % 128 == 0, "B must be a multiple of 128")
        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ \
static assertion failed: B must be a multiple of 128
    """,
    "string in arithmetic": """
        p = t + NAME
            ^^^^^^^^ an operand of '+' is the string 's', not a scalar or a tile
    """,
    "tuple index": """
        p = x.shape[2]
            ^^^^^^^^^^ index 2 is out of range for a tuple of 2
    """,
    "wide characters": """
        p = ("幅", tt)
                   ^^ unknown name tt
                   help: did you mean t?
    """,
}


@pytest.mark.parametrize("name", CASES)
def test_error(name: str, tmp_path: Path) -> None:
    check(tmp_path, body(CASES[name]))
