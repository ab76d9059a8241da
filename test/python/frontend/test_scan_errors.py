"""Errors in a scan: its declaration, its step, what it is compiled for; each at its place."""

from pathlib import Path
from typing import Any

import pytest
import treadle as td
from frontend_cases import check

HEADER = """\
import treadle as td

@td.kernel
def kernel(x: td.Tensor["M"]):
    (i,) = td.grid(1)

@td.scan
def other(x: td.In, s: td.State):
    return x, s

@td.scan
def f(q: td.In["K"], k: td.In["K"], v: td.In["V"], a: td.In, S: td.State["K", "V"], z: td.State["K"], *,
      N: td.Const = 3):
"""
STEPS = {
    "states not returned": """
    return q @ S
           ^^^^^ the step returns 1 value, at least 3 are needed: an output, and the new values of S, z
           help: return the outputs, then the new values of S, z
""",
    "one state not returned": """
    return q @ S, S
           ^^^^^^^^ the step returns 2 values, at least 3 are needed: an output, and the new values of S, z
           help: return the outputs, then the new values of S, z
""",
    "return of nothing": """
    return
    ^^^^^^ the step of scan f returns nothing
    help: return the outputs, then the new values of S, z
""",
    "a tuple of states": """
    return q @ S, (S, z)
           ^^^^^^^^^^^^^ the step returns 2 values, at least 3 are needed: an output, and the new values of S, z
           help: return the outputs, then the new values of S, z
""",
    "a new state that is a condition": """
    return q @ S, S > 0, z
                  ^^^^^ the new value of state S is an i1 tile [K=80, V=64], not f32
                  help: convert it with .to(td.f32)
""",
    "an output of integers": """
    return td.arange(3), S, z
           ^^^^^^^^^^^^ the output is an i32 tile [3], not f32
           help: convert it with .to(td.f32)
""",
    "an output that is a tuple": """
    return (q, k), S, z
           ^^^^^^ the output is a tuple of 2, not a value of the step
           help: return scalars and tiles one by one
""",
    "an output that is None": """
    return None, S, z
           ^^^^ the output is the constant None, not a value of the step
           help: return scalars and tiles one by one
""",
    "a state as a shape": """
    x = td.zeros((S,), td.f32)
        ^^^^^^^^^^^^^^^^^^^^^^ extent 0 of the shape is an f32 tile [K=80, V=64], not a constant integer
        help: take sizes from td.Const parameters and the names of axes
    return x, S, z
""",
    "a state as a bound": """
    return td.arange(a), S, z
           ^^^^^^^^^^^^ a bound of arange is an f32 scalar, not a constant integer
           help: take sizes from td.Const parameters and the names of axes
""",
    "an empty shape": """
    return td.zeros((N - 3,), td.f32), S, z
           ^^^^^^^^^^^^^^^^^^^^^^^^^^ extent 0 of the shape is 0, at least 1 is needed
""",
    "axes that do not match": """
    return q * v, S, z
           ^^^^^ shapes of '*' do not broadcast: [K=80] and [V=64]
           help: extents must be equal or 1; add an axis with x[:, None]
""",
    "a product with a transposed matrix": """
    return v @ S, S, z
           ^^^^^ operands of '@' do not agree: a is [V=64], b is [K=80, V=64]
           help: transpose b with b.T
""",
    "a product of a transposed matrix": """
    return S @ q, S, z
           ^^^^^ operands of '@' do not agree: a is [K=80, V=64], b is [K=80]
           help: transpose a with a.T
""",
    "a product that fits neither way": """
    return q @ td.zeros((3, 4), td.f32), S, z
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ operands of '@' do not agree: a is [K=80], b is [3, 4]
""",
    "a product of matrices": """
    return S @ S.T, S, z
           ^^^^^^^ '@' in a step takes a vector and a vector or matrix: a is [K=80, V=64], b is [V=64, K=80]
           help: a step is one token; write (x * y).sum(axis) for other sums of products
""",
    "a product with a scalar": """
    return a @ S, S, z
           ^^^^^ '@' of an f32 scalar, not a vector or a matrix
           help: multiply by a scalar with *
""",
    "a product of conditions": """
    return q @ (S > 0), S, z
           ^^^^^^^^^^^ '@' takes f32: one operand is an i1 tile [K=80, V=64]
           help: convert it with .to(td.f32)
""",
    "dot with an accumulator": """
    return td.dot(q, S, v), S, z
           ^^^^^^^^^^^^^^^ td.dot in a step takes two operands
           help: write a @ b, and add to it
""",
    "load": """
    return td.load(q[0]), S, z
           ^^^^^^^^^^^^^ td.load in a step: a step has no tensors in memory
           help: its parameters are values already, as in q: td.In["K"]
""",
    "grid": """
    i = td.grid(3)
        ^^^^^^^^^^ td.grid in a step: a step is one token of one head
        help: how the work is divided is the compiler's choice
    return q, S, z
""",
    "cumsum": """
    return td.cumsum(q), S, z
           ^^^^^^^^^^^^ td.cumsum in a step: a step has no scans along an axis
           help: what runs along time is a state; .sum(axis) reduces an axis
""",
    "the other scan": """
    return td.scan(lambda x, y: x + y, q, 0), S, z
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ td.scan in a step: a step has no scans along an axis
           help: what runs along time is a state; .sum(axis) reduces an axis
""",
    "run-time if": """
    if a > 0:
       ^^^^^ a run-time if in a step: it does the same for every token
       help: choose values with td.where(condition, a, b)
        S = S * 2
    return q @ S, S, z
""",
    "run-time condition": """
    return q if a > 0 else k, S, z
                ^^^^^ a run-time condition in a step: it does the same for every token
                help: choose values with td.where(condition, a, b)
""",
    "while": """
    while a > 0:
    ^^^^^^^^^^^^ a while loop in a step: it does the same for every token
    help: what goes on from one token to the next is a state
        a = a - 1
    return q, S, z
""",
    "run-time loop": """
    for i in range(4):
             ^^^^^^^^ a run-time loop in a step: it does the same for every token
             help: unroll it with td.static_range(...)
        a = a + i
    return q, S, z
""",
    "break": """
    for i in td.static_range(2):
        break
        ^^^^^ break is not supported in a step
        help: choose what goes on with td.where
    return q, S, z
""",
    "lambda": """
    g = lambda x: x
        ^^^^^^^^^^^ lambda is not supported in a step
        help: a lambda is allowed as the first argument of td.reduce
    return q, S, z
""",
    "nested function": """
    def g(x):
        ^ a nested function is not supported in a step
        help: define it outside the step; it is inlined where it is called
        return x
    return q, S, z
""",
    "store": """
    S[0, :] = v
    ^^^^^^^ assignment to elements of an f32 tile [K=80, V=64]
    help: build a new tile, as in td.where(mask, a, b)
    return q, S, z
""",
    "an element updated": """
    S[0, :] += v
    ^^^^^^^ assignment to elements of an f32 tile [K=80, V=64]
    help: build a new tile, as in td.where(mask, a, b)
    return q, S, z
""",
    "a run-time index": """
    return S[a], S, z
             ^ the index of a tile is a compile-time constant
             help: this is an f32 scalar; use constants, sizes of axes and counters of td.static_range
""",
    "an index that is a vector": """
    return S[:, td.arange(3)], S, z
                ^^^^^^^^^^^^ the index of a tile is a compile-time constant
                help: this is an i32 tile [3]; use constants, sizes of axes and counters of td.static_range
""",
    "an index that is a fraction": """
    return S[V / 2], S, z
             ^^^^^ the index of a tile is a compile-time constant
             help: this is the constant 32.0; use constants, sizes of axes and counters of td.static_range
""",
    "a run-time slice": """
    return S[0 : a], S, z
                 ^ the bounds of a tile's slice are compile-time constants
                 help: this is an f32 scalar; use constants, sizes of axes and counters of td.static_range
""",
    "an index out of range": """
    return S[1, -V - 1], S, z
                ^^^^^^ index -65 is out of range for axis 1 of an f32 tile [K=80, V=64]
                help: it is from -64 to 63
""",
    "a slice out of range": """
    return S[:, 3:65], S, z
                ^^^^ the slice from 3 to 65 is not inside axis 1 of an f32 tile [K=80, V=64]
                help: write start : stop, with start before stop, from -64 to 64
""",
    "an empty slice": """
    return k[3:-77], S, z
             ^^^^^ the slice from 3 to -77 of axis 0 of an f32 tile [K=80] is empty
             help: write start : stop, with start before stop, from -80 to 80
""",
    "a slice with a step": """
    return k[0:8:2], S, z
             ^^^^^ a slice of a tile has a step
             help: slices are start : stop
""",
    "a part with a new axis": """
    return k[1:3, None], S, z
           ^^^^^^^^^^^^ a part of an f32 tile [K=80] is indexed with None
           help: take the part first, then add the axis: x[1:3] and then [:, None]
""",
    "too many indices": """
    return k[0, 1], S, z
           ^^^^^^^ an f32 tile [K=80] has 1 axis, 2 are indexed
""",
    "two ellipses": """
    return S[..., ...], S, z
           ^^^^^^^^^^^ an f32 tile [K=80, V=64] is indexed with more than one '...'
""",
    "concat of a tile": """
    return td.concat(q), S, z
           ^^^^^^^^^^^^ concat of an f32 tile [K=80], not of a list
           help: write td.concat([a, b])
""",
    "concat of nothing": """
    return td.concat([]), S, z
           ^^^^^^^^^^^^^ concat of an empty list
           help: write what to put together, as in td.concat([a, b])
""",
    "concat of a string": """
    return td.concat([q, "k"]), S, z
           ^^^^^^^^^^^^^^^^^^^ part 1 of concat is the string 'k', not a scalar or a tile
""",
    "concat of two dtypes": """
    return td.concat([q, td.arange(3)]), S, z
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ operands of concat have different dtypes: an f32 tile [K=80] and an i32 tile [3]
           help: convert one of them, as in .to(td.f32)
""",
    "concat of other sizes": """
    return td.concat([S, S[:, 1:]]), S, z
           ^^^^^^^^^^^^^^^^^^^^^^^^ part 1 of concat is [K=80, 63]: expected 64 along axis 1, as in part 0, found 63
           help: parts differ along axis 0 alone
""",
    "concat of a row": """
    return td.concat([q, S], axis=1), S, z
           ^^^^^^^^^^^^^^^^^^^^^^^^^ axis 1 of concat is out of range for an f32 tile [K=80]
           help: axes of this tile are 0 to 0
""",
    "concat of a row and a matrix": """
    return td.concat([S, v]), S, z
           ^^^^^^^^^^^^^^^^^ parts of concat have different axes: part 0 is [K=80, V=64], part 1 is [V=64]
           help: add an axis with x[None, :]
""",
    "concat of a number and a matrix": """
    return td.concat([0.0, S]), S, z
           ^^^^^^^^^^^^^^^^^^^ parts of concat have different axes: part 1 is [K=80, V=64], part 0 is a scalar
           help: a scalar is one element where the others are vectors
""",
    "concat along a run-time axis": """
    return td.concat([q, k], a), S, z
           ^^^^^^^^^^^^^^^^^^^^ axis of concat is an f32 scalar, not a constant integer
""",
    "concat of too much": """
    x = td.zeros(2**20, td.f32)
    return td.concat([x, 0]), S, z
           ^^^^^^^^^^^^^^^^^ concat has the shape [1048577], at most 1048576 elements are allowed
""",
    "a list elsewhere": """
    return td.stop_gradient([q]), S, z
                            ^^^ a list is not supported in a step
                            help: write a tuple
""",
    "taylor of a matrix": """
    return td.taylor(S), S, z
           ^^^^^^^^^^^^ taylor of an f32 tile [K=80, V=64], not of a vector
           help: take a row first, as in x[0]
""",
    "taylor of a number": """
    return td.taylor(a), S, z
           ^^^^^^^^^^^^ the operand of taylor is an f32 scalar, not a tile
           help: make a tile with td.full(shape, value, dtype)
""",
    "taylor of integers": """
    return td.taylor(td.arange(3)), S, z
           ^^^^^^^^^^^^^^^^^^^^^^^ td.taylor takes f32, the operand is an i32 tile [3]
           help: convert it first with .to(td.f32)
""",
    "taylor of another order": """
    return td.taylor(q, order=N), S, z
           ^^^^^^^^^^^^^^^^^^^^^ the order of taylor is the constant 3, not 1 or 2
""",
    "taylor of a run-time order": """
    return td.taylor(q, a), S, z
           ^^^^^^^^^^^^^^^ the order of taylor is an f32 scalar, not 1 or 2
""",
    "taylor of too much": """
    return td.taylor(td.zeros((1025,), td.f32)), S, z
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a tile [1050625] has 1050625 elements, at most 1048576 are allowed
""",
    "position of something": """
    return q * td.position(q), S, z
               ^^^^^^^^^^^^^^ td.position: too many positional arguments
               help: its parameters are ()
""",
    "position under another name": """
    where = td.position
    return q * where(), S, z
               ^^^^^^^ td.position is called through another name
               help: write td.position() in the step itself
""",
    "position in a combine function": """
    return q * td.reduce(lambda x, y: x + y + td.position(), k, 0), S, z
                                              ^^^^^^^^^^^^^ td.position() in a combine function
                                              help: call it before, and multiply or add what it gives
""",
    "a scalar indexed": """
    return a[:, None] * q, S, z
           ^^^^^^^^^^ an f32 scalar cannot be indexed
""",
    "a kernel called": """
    kernel(q)
    ^^^^^^^^^ kernel kernel is called in a step
    help: share code with a @td.function
    return q, S, z
""",
    "a scan called": """
    return other(a, a), S, z
           ^^^^^^^^^^^ scan other is called in a step
           help: make it a @td.mixer, which calls scans
""",
    "print": """
    print(q)
    ^^^^^^^^ builtin_function_or_method print cannot be called in a step
    return q, S, z
""",
    "rounding": """
    return q.to(td.bf16), S, z
           ^^^^^^^^^^^^^ bf16 in a step, which computes in f32, i32 and i1
           help: write td.f32: outputs are rounded when they are stored
""",
    "integers of 64 bits": """
    return td.zeros((3,), td.i64), S, z
           ^^^^^^^^^^^^^^^^^^^^^^ i64 in a step, which computes in f32, i32 and i1
           help: write td.i32
""",
    "powers of a run-time degree": """
    return td.powers(q, a), S, z
           ^^^^^^^^^^^^^^^ the degree of powers is an f32 scalar, not a constant integer from 0
           help: write a number, or a td.Const
""",
    "powers of integers": """
    return td.powers(td.arange(3), 2), S, z
           ^^^^^^^^^^^^^^^^^^^^^^^^^^ td.powers takes f32, the operand is an i32 tile [3]
           help: convert it first with .to(td.f32)
""",
    "too many powers": """
    return td.powers(S, 2**14), S, z
           ^^^^^^^^^^^^^^^^^^^ powers has the shape [K=80, V=64, 16385], at most 1048576 elements are allowed
""",
    "a combine that depends on grouping": """
    return td.reduce(lambda x, y: (x + y) / 2, q, 0), S, z
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the combine function is not associative: of 1, 1.25, -1.75 it \
makes -0.3125 from the first two on, 0.375 from the last two on
           help: elements are combined in groups; write a function f with f(f(a, b), c) = f(a, f(b, c))
""",
    "powers from another shape": """
    return td.powers(q, 2, first=v), S, z
           ^^^^^^^^^^^^^^^^^^^^^^^^ powers of an f32 tile [K=80] from an f32 tile [V=64]
           help: the first has the shape of what powers are taken of
""",
    "factorials of a negative": """
    return td.factorials(-1), S, z
           ^^^^^^^^^^^^^^^^^ the degree of factorials is the constant -1, not a constant integer from 0
           help: write a number, or a td.Const
""",
    "too large factorials": """
    return td.factorials(35), S, z
           ^^^^^^^^^^^^^^^^^ factorials up to 35!, which f32 cannot hold
           help: the last that fits is 34!
""",
    "outer of a matrix": """
    return td.outer(S, v), S, z
           ^^^^^^^^^^^^^^ outer takes vectors: the operands are [K=80, V=64] and [V=64]
           help: broadcast other shapes, as in x[:, :, None] * y[None, None, :]
""",
    "softplus of integers": """
    return td.softplus(td.arange(3)), S, z
           ^^^^^^^^^^^^^^^^^^^^^^^^^ td.softplus takes f32, the operand is an i32 tile [3]
           help: convert it first with .to(td.f32)
""",
    "unknown name": """
    return KK * q, S, z
           ^^ unknown name KK
           help: did you mean K?
""",
    "integers and floats": """
    return q + td.arange(K), S, z
           ^^^^^^^^^^^^^^^^ operands of '+' have different dtypes: an f32 tile [K=80] and an i32 tile [80]
           help: convert one of them, as in .to(td.f32)
""",
}
START = "import treadle as td\n"
DECLARATIONS = {
    "no annotation": """
@td.scan
def f(q: td.In["K"], S):
                     ^ parameter S has no annotation
                     help: write its type, as in td.In["K"] or td.State["K", "V"]
    return q, S
""",
    "unknown annotation": """
@td.scan
def f(q: int, S: td.State["K"]):
      ^^^^^^ unknown annotation of parameter q: int
      help: use td.In, td.Window, td.Shared, td.PerHead, td.Param, td.State (each with axes or without) or td.Const
    return q, S
""",
    "a dtype alone": """
@td.scan
def f(q: td.f32, S: td.State["K"]):
      ^^^^^^^^^ unknown annotation of parameter q: td.f32
      help: use td.In, td.Window, td.Shared, td.PerHead, td.Param, td.State (each with axes or without) or td.Const
    return q, S
""",
    "a tensor": """
@td.scan
def f(q: td.Tensor["M"], S: td.State["K"]):
      ^^^^^^^^^^^^^^^^^ parameter q is a tensor in memory, which only a @td.kernel has
      help: a step gets the values of one token, as in td.In["K"]
    return q, S
""",
    "no axis": """
@td.scan
def f(q: td.In["K V"], S: td.State["K"]):
      ^^^^^^^^^^^^^^^ td.In of q has an unknown item 'K V'
      help: an axis is a name, an expression over constants such as 'P+1', or a positive integer
    return q, S
""",
    "an empty axis": """
@td.scan
def f(q: td.In[""], S: td.State["K"]):
      ^^^^^^^^^^^^ td.In of q has an unknown item ''
      help: an axis is a name, an expression over constants such as 'P+1', or a positive integer
    return q, S
""",
    "a fraction": """
@td.scan
def f(q: td.In[3.5], S: td.State["K"]):
      ^^^^^^^^^^^^^ td.In of q has an unknown item 3.5
      help: an axis is a name, an expression over constants such as 'P+1', or a positive integer
    return q, S
""",
    "a size of 0": """
@td.scan
def f(q: td.In[0], S: td.State["K"]):
      ^^^^^^^^^^^ td.In of q has an unknown item 0
      help: an axis is a name, an expression over constants such as 'P+1', or a positive integer
    return q, S
""",
    "true division": """
@td.scan
def f(q: td.In["K"], S: td.State["K/2"]):
                     ^^^^^^^^^^^^^^^^^^ td.State of S has an unknown item 'K/2'
                     help: an expression for an axis has names, integers, + - * // and parentheses only
    return q, S
""",
    "a call in an axis": """
@td.scan
def f(q: td.In["max(K, 2)"], S: td.State["K"]):
      ^^^^^^^^^^^^^^^^^^^^^ td.In of q has an unknown item 'max(K, 2)'
      help: an expression for an axis has names, integers, + - * // and parentheses only
    return q, S
""",
    "too many axes": """
@td.scan
def f(q: td.In["A", "B", "C", "D", "E", "F"], S: td.State["K"]):
      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ td.In of q has 6 axes, at most 5 are allowed
    return q, S
""",
    "dtype before an axis": """
@td.scan
def f(q: td.In[td.f32, "K"], S: td.State["K"]):
      ^^^^^^^^^^^^^^^^^^^^^ the dtype of q is not last
      help: write it once, as in td.In["K", td.f32]
    return q, S
""",
    "an input of another dtype": """
@td.scan
def f(q: td.Shared["K", td.i64], S: td.State["K"]):
      ^^^^^^^^^^^^^^^^^^^^^^^^^ input q cannot be i64
      help: use td.f32, td.f16, td.bf16, td.i32
    return q, S
""",
    "a state of another dtype": """
@td.scan
def f(q: td.In["K"], S: td.State["K", td.bf16]):
                     ^^^^^^^^^^^^^^^^^^^^^^^^^ state S is bf16
                     help: states are f32; inputs can be stored otherwise
    return q, S
""",
    "an input after a state": """
@td.scan
def f(S: td.State["K"], q: td.In["K"]):
                        ^^^^^^^^^^^^^ input q comes after state S
                        help: write inputs first, then states
    return q, S
""",
    "a parameter after a state": """
@td.scan
def f(q: td.In["K"], S: td.State["K"], w: td.Param["K"]):
                                       ^^^^^^^^^^^^^^^^ input w comes after state S
                                       help: write inputs first, then states
    return q, S
""",
    "a default on an input": """
@td.scan
def f(q: td.In["K"] = 0, S: td.State["K"] = 0):
      ^^^^^^^^^^^^^ input q has a default
      help: a state can have one: its first value
    return q, S
""",
    "a default that is no number": """
@td.scan
def f(q: td.In["K"], S: td.State["K"] = "x"):
                     ^^^^^^^^^^^^^^^^ the default of state S is 'x'
                     help: its first value is a number, or td.inf or -td.inf
    return q, S
""",
    "a default too large": """
@td.scan
def f(q: td.In["K"], S: td.State["K"] = 1e39):
                     ^^^^^^^^^^^^^^^^ the default of state S is 1e+39, too large for f32
                     help: use td.inf
    return q, S
""",
    "a keyword-only state": """
@td.scan
def f(q: td.In["K"], *, S: td.State["K"]):
                        ^^^^^^^^^^^^^^^^ parameter S is keyword-only and not a td.Const
                        help: move it before the *
    return q, S
""",
    "a constant by position": """
@td.scan
def f(q: td.In["K"], S: td.State["K"], N: td.Const = 3):
                                       ^^^^^^^^^^^ constant N is not keyword-only
                                       help: write * before the constants
    return q, S
""",
    "a constant without default": """
@td.scan
def f(q: td.In["K"], S: td.State["K"], *, N: td.Const):
                                          ^^^^^^^^^^^ constant N has no default
                                          help: write = and a default value
    return q, S
""",
    "a constant that is a list": """
@td.scan
def f(q: td.In["K"], S: td.State["K"], *, N: td.Const = [1]):
                                          ^^^^^^^^^^^ the default of constant N is a list
                                          help: a constant is an int, float, bool or str
    return q, S
""",
    "an axis that is a fraction": """
@td.scan
def f(q: td.In["K"], S: td.State["K"], *, K: td.Const = 0.5):
                                          ^^^^^^^^^^^ constant K is an axis of S and its default is 0.5
                                          help: give it an integer
    return q, S
""",
    "num_warps": """
@td.scan
def f(q: td.In["K"], S: td.State["K"], *, num_warps: td.Const = 4):
                                          ^^^^^^^^^^^^^^^^^^^ num_warps is a name of its own
                                          help: set it with @td.scan and override it by name
    return q, S
""",
    "chunk": """
@td.scan
def f(q: td.In["K"], S: td.State["K"], *, chunk: td.Const = 64):
                                          ^^^^^^^^^^^^^^^ chunk is a name of its own
                                          help: set it with @td.scan and override it by name
    return q, S
""",
    "a parameter named as an axis": """
@td.scan
def f(q: td.In["K"], K: td.In, S: td.State["K"]):
                     ^^^^^^^^ parameter K has the name of an axis of S
                     help: an axis is named by a constant; rename one of them
    return q, S
""",
    "no input": """
@td.scan
def f(S: td.State["K"]):
    ^ scan f has no input
    help: annotate one, as in q: td.In["K"]
    return q, S
""",
    "no state": """
@td.scan
def f(q: td.In["K"]):
    ^ scan f has no state
    help: annotate what goes on from one token to the next, as in S: td.State["K", "V"] or x: td.Window["D", 4]
    return q, S
""",
    "a window without a size": """
@td.scan
def f(x: td.Window, S: td.State["K"]):
      ^^^^^^^^^^^^ td.Window of x has no number of tokens
      help: write it last, as in td.Window["D", 4]
    return x, S
""",
    "a window of a dtype alone": """
@td.scan
def f(x: td.Window[td.f32]):
      ^^^^^^^^^^^^^^^^^^^^ td.Window of x has no number of tokens
      help: write it last, as in td.Window["D", 4]
    return x
""",
    "a window of one token": """
@td.scan
def f(x: td.Window["K", 1]):
      ^^^^^^^^^^^^^^^^^^^^ window x holds 1 token, at least 2 are needed
      help: write td.In for the current token alone
    return x
""",
    "a window of integers": """
@td.scan
def f(x: td.Window["K", 4, td.i32]):
      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ window x cannot be i32
      help: what it holds is a state, in f32; use td.f32, td.f16, td.bf16
    return x
""",
    "a window's dtype before its size": """
@td.scan
def f(x: td.Window["K", td.f32, 4]):
      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the dtype of x is not last
      help: write it once, as in td.Window["D", 4, td.f32]
    return x
""",
    "a window of many axes": """
@td.scan
def f(x: td.Window["A", "B", "C", "D", "E", 4]):
      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ td.Window of x has 6 axes, at most 5 are allowed
    return x
""",
    "a window with a default": """
@td.scan
def f(x: td.Window["K", 4] = 0):
      ^^^^^^^^^^^^^^^^^^^^ input x has a default
      help: a state can have one: its first value
    return x
""",
    "a window after a state": """
@td.scan
def f(q: td.In["K"], S: td.State["K"], x: td.Window["K", 4]):
                                       ^^^^^^^^^^^^^^^^^^^^ input x comes after state S
                                       help: write inputs first, then states
    return x, S
""",
    "a window whose size is a fraction": """
@td.scan
def f(x: td.Window["K", "W"], *, W: td.Const = 4.0):
                                 ^^^^^^^^^^^ constant W is an axis of x and its default is 4.0
                                 help: give it an integer
    return x
""",
    "a parameter named as a window's size": """
@td.scan
def f(x: td.Window["K", "W"], W: td.In):
                              ^^^^^^^^ parameter W has the name of an axis of x
                              help: an axis is named by a constant; rename one of them
    return x
""",
    "a state named position": """
@td.scan
def f(q: td.In["K"], position: td.State):
                     ^^^^^^^^^^^^^^^^^^ parameter position has the name of the state of td.position()
                     help: rename the parameter
    return q * td.position(), position
""",
    "an input named position": """
@td.scan
def f(position: td.In):
      ^^^^^^^^^^^^^^^ parameter position has the name of the state of td.position()
      help: rename the parameter
    return position * td.position()
""",
    "star parameters": """
@td.scan
def f(q: td.In["K"], *S: td.State["K"]):
                      ^^^^^^^^^^^^^^^^ a scan takes no star parameters
                      help: name every parameter
    return q, S
""",
    "a bad annotation string": """
@td.scan
def f(q: "td.Inn", S: td.State["K"]):
      ^^^^^^^^^^^ annotation of parameter q: module 'treadle' has no attribute 'Inn'
    return q, S
""",
}
RESULTS = {
    "in a function": """
@td.function
def half(x):
    return x // 2
           ^^^^^^ '//' is not defined for f32
           help: divide with / instead
@td.scan
def f(x: td.In, S: td.State):
    return half(x), S
           ^^^^^^^ note: called from here
""",
    "no return": """
@td.scan
def f(x: td.In, S: td.State):
    ^ the step of scan f returns nothing
    help: return the outputs, then the new values of S
    S = S + x
""",
    "a window returned": """
@td.scan
def f(x: td.Window["V", 3], S: td.State["V"]):
                            ^^^^^^^^^^^^^^^^ note: S is declared here
    return x[0], S, x[1:]
                    ^^^^^ the new value of state S is an f32 tile [2, V=2], the state is [V=2]
                    help: of the 3 values returned, 2 outputs come first, then the new values of S
""",
    "only windows and no output": """
@td.scan
def f(x: td.Window["V", 3]):
    return ()
           ^^ the step returns no value, an output is needed
           help: return the outputs
""",
    "only windows and nothing": """
@td.scan
def f(x: td.Window["V", 3]):
    ^ the step of scan f returns nothing
    help: return the outputs
    y = x[0]
""",
    "a window of one token by name": """
@td.scan
def f(x: td.Window["V", "W - 1"], *, W: td.Const = 2):
      ^^^^^^^^^^^^^^^^^^^^^^^^^^ window x holds 1 token, at least 2 are needed
      help: write td.In for the current token alone
    return x[0]
""",
    "a window of no token": """
@td.scan
def f(x: td.Window["V", "W - 2"], *, W: td.Const = 2):
      ^^^^^^^^^^^^^^^^^^^^^^^^^^ axis W - 2 of x: its size is 0, at least 1 is needed
    return x[0]
""",
    "a window of unknown size": """
@td.scan
def f(x: td.Window["V", "W"]):
      ^^^^^^^^^^^^^^^^^^^^^^ the size of axis W is not known
      help: give it to scan f, as in W=64
    return x[0]
""",
    "a window too large": """
@td.scan
def f(x: td.Window["V", 1048576]):
      ^^^^^^^^^^^^^^^^^^^^^^^^^^ parameter x has 2097152 elements, at most 1048576 are allowed
    return x[0]
""",
    "an input named as a window's state": """
@td.scan
def f(x_final: td.In, x: td.Window[2]):
      ^^^^^^^^^^^^^^ two arrays are named x_final: that of state x, and that of an input
      help: rename the parameter
    return x.sum() + x_final
""",
    "a window named as an output": """
@td.scan
def f(o: td.Window[2]):
      ^^^^^^^^^^^^^^^ two arrays are named o: that of an output, and that of an input
      help: rename the parameter
    return o.sum()
""",
    "a noncausal window": """
@td.scan
def f(x: td.In, y: td.Window[2], s: td.State):
                ^^^^^^^^^^^^^^^ window y in a noncausal scan, which supports none
                help: take it in a causal scan, whose output is an input of this one
    return x * s, s + y.sum()
""",
    "a noncausal position": """
@td.scan
def f(x: td.In, s: td.State):
    s = s + td.position() * x
            ^^^^^^^^^^^^^ td.position() in a noncausal scan, which supports none
            help: give positions as an input, as in t: td.In
    return s, s
""",
    "a noncausal position in a function": """
@td.function
def g(x):
    return x * td.position()
@td.scan
def f(x: td.In, s: td.State):
    s = s + g(x)
            ^^^^ td.position() in a noncausal scan, which supports none
            help: give positions as an input, as in t: td.In
    return s, s
""",
    "a new state of another shape": """
@td.scan
def f(q: td.In["K"], v: td.In["V"], S: td.State["K", "V"], z: td.State["K"]):
                                    ^^^^^^^^^^^^^^^^^^^^^ note: S is declared here
    return v, z, S
              ^ the new value of state S is an f32 tile [K=3], the state is [K=3, V=2]
              help: of the 3 values returned, 1 output comes first, then the new values of S, z
""",
    "too many values": """
@td.scan
def f(v: td.In["V"], S: td.State["V"], z: td.State):
                     ^^^^^^^^^^^^^^^^ note: S is declared here
    return v, S, z, z, v
                    ^ the new value of state S is an f32 scalar, the state is [V=2]
                    help: of the 5 values returned, 3 outputs come first, then the new values of S, z
""",
    "a number for a state": """
@td.scan
def f(v: td.In["V"], S: td.State["V"]):
                     ^^^^^^^^^^^^^^^^ note: S is declared here
    return v, 0.5
              ^^^ the new value of state S is an f32 scalar, the state is [V=2]
              help: write td.full(S.shape, 0.5, td.f32)
""",
    "a vector for a scalar state": """
@td.scan
def f(v: td.In["V"], s: td.State):
                     ^^^^^^^^^^^ note: s is declared here
    return v, s + v
              ^^^^^ the new value of state s is an f32 tile [V=2], the state is a scalar
              help: of the 2 values returned, 1 output comes first, then the new values of s
""",
    "an input named as an output": """
@td.scan
def f(o: td.In, S: td.State):
      ^^^^^^^^ two arrays are named o: that of an output, and that of an input
      help: rename the parameter
    return o, S
""",
    "a state named as an output": """
@td.scan
def f(x: td.In, o1: td.State):
                ^^^^^^^^^^^^ two arrays are named o1: that of an output, and that of state o1
                help: rename the parameter
    return x, x, o1
""",
    "an input named as a final state": """
@td.scan
def f(S_final: td.In, S: td.State):
      ^^^^^^^^^^^^^^ two arrays are named S_final: that of state S, and that of an input
      help: rename the parameter
    return S, S
""",
    "an input named as the lengths": """
@td.scan
def f(cu_seqlens: td.In, S: td.State):
      ^^^^^^^^^^^^^^^^^ two arrays are named cu_seqlens: that of an input, and that of the lengths of packed sequences
      help: rename the parameter
    return S, S
""",
    "an input named as the entries": """
@td.scan
def f(state_indices: td.In, S: td.State):
      ^^^^^^^^^^^^^^^^^^^^ two arrays are named state_indices: that of an input, and that of the pool's entries
      help: rename the parameter
    return S, S
""",
    "noncausal with an old state": """
@td.scan
def f(x: td.In["K"], S: td.State["K"]):
    y = (S * x).sum()
         ^^^^^ note: the old value is used here
    T = S + x
    return T, T + y, T
              ^^^^^ output 1 uses the old value of state S, which a noncausal scan has not kept
              help: use the new value of S: outputs see the states after all tokens
""",
    "noncausal with a reduced old state": """
@td.scan
def f(x: td.In["K"], S: td.State["K"]):
    return S.sum(), S + x
           ^^^^^^^ the output uses the old value of state S, which a noncausal scan has not kept
           help: use the new value of S: outputs see the states after all tokens
           ^^^^^^^ note: the old value is used here
""",
    "noncausal that returns an old state": """
@td.scan
def f(x: td.In, S: td.State):
    return S, S + x
           ^ the output uses the old value of state S, which a noncausal scan has not kept
           help: use the new value of S: outputs see the states after all tokens
""",
}
RESULT_OPTIONS: dict[str, dict[str, Any]] = {
    "a new state of another shape": {"constants": {"K": 3, "V": 2}},
    "too many values": {"constants": {"V": 2}},
    "a number for a state": {"constants": {"V": 2}},
    "a vector for a scalar state": {"constants": {"V": 2}},
    "a window returned": {"constants": {"V": 2}},
    "only windows and no output": {"constants": {"V": 2}},
    "only windows and nothing": {"constants": {"V": 2}},
    "a window of one token by name": {"constants": {"V": 2}},
    "a window of no token": {"constants": {"V": 2}},
    "a window of unknown size": {"constants": {"V": 2}},
    "a window too large": {"constants": {"V": 2}},
    "a noncausal window": {"causal": False},
    "a noncausal position": {"causal": False},
    "a noncausal position in a function": {"causal": False},
    "an input named as the lengths": {"packed": True},
    "an input named as the entries": {"indexed": True},
    "noncausal with an old state": {"causal": False, "constants": {"K": 3}},
    "noncausal with a reduced old state": {"causal": False, "constants": {"K": 3}},
    "noncausal that returns an old state": {"causal": False},
}
KERNELS = {
    "a window": """
@td.kernel
def f(x: td.Window["K", 4]):
      ^^^^^^^^^^^^^^^^^^^^ parameter x is a td.Window, which only the step of a @td.scan has
      help: a kernel takes tensors, as in td.Tensor["M", "N"], and scalars, as in td.f32
    (i,) = td.grid(1)
""",
    "concat": """
@td.kernel
def f(x: td.Tensor["M", 4]):
    (i,) = td.grid(1)
    y = td.concat([x[i, :], x[i, :]])
        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ td.concat in a kernel: it is for the step of a @td.scan
        help: store the parts one by one, as in y[i : i + 16] = a
""",
    "taylor": """
@td.kernel
def f(x: td.Tensor["M", 4]):
    (i,) = td.grid(1)
    y = td.taylor(x[i, :])
        ^^^^^^^^^^^^^^^^^^ td.taylor in a kernel: it is for the step of a @td.scan
        help: compute 1 + s + s * s / 2 of the products s instead
""",
    "position": """
@td.kernel
def f(x: td.Tensor["M", 4]):
    (i,) = td.grid(1)
    y = td.position()
        ^^^^^^^^^^^^^ td.position in a kernel: it is for the step of a @td.scan
        help: compute it from the indices that td.grid returns
""",
    "an index of a tile": """
@td.kernel
def f(x: td.Tensor["M", 4]):
    (i,) = td.grid(1)
    y = x[i, :][0]
        ^^^^^^^^^^ a bf16 tile [4] is indexed with more than slices and None
        help: index a tile with :, constant slices and None only, as in t[:, None] and t[16:32, :]
""",
    "a field": """
@td.kernel
def f(x: td.In["K"]):
      ^^^^^^^^^^^^^ parameter x is a td.In, which only the step of a @td.scan has
      help: a kernel takes tensors, as in td.Tensor["M", "N"], and scalars, as in td.f32
    (i,) = td.grid(1)
""",
    "a state": """
@td.kernel
def f(x: td.State):
      ^^^^^^^^^^^ parameter x is a td.State, which only the step of a @td.scan has
      help: a kernel takes tensors, as in td.Tensor["M", "N"], and scalars, as in td.f32
    (i,) = td.grid(1)
""",
    "a scan called": """
@td.scan
def g(x: td.In, s: td.State):
    return x, s
@td.kernel
def f(x: td.Tensor["M"]):
    (i,) = td.grid(1)
    g(x[0], 0.0)
    ^^^^^^^^^^^^ scan g is called in a kernel
    help: a scan is called on arrays
""",
}
GIVEN = """\
@td.scan
def f(q: td.In["K"], b: td.Shared["V"], u: td.In["K//P"], S: td.State["K", "V"], *, P: td.Const = 1):
"""
OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown constant": (
        {"constants": {"K": 8, "V": 4, "Q": 3}},
        """
    ^ scan f has no constant Q
    help: its constants are P, K, V, chunk, num_warps
""",
    ),
    "a size that is a float": (
        {"constants": {"K": 8.0, "V": 4}},
        """
    ^ constant K of scan f is 8.0, of type float
    help: it is the size of an axis, such as K=64
""",
    ),
    "a size that is a bool": (
        {"constants": {"K": True, "V": 4}},
        """
    ^ constant K of scan f is True, of type bool
    help: it is the size of an axis, such as K=64
""",
    ),
    "a constant of another type": (
        {"constants": {"K": 8, "V": 4, "P": "x"}},
        """
    ^ constant P of scan f is 'x', of type str
    help: its default is 1, of type int
""",
    ),
    "a size of 0 given": (
        {"constants": {"K": 0, "V": 4}},
        """
      ^^^^^^^^^^^^^ axis K of q: its size is 0, at least 1 is needed
""",
    ),
    "an expression that is 0": (
        {"constants": {"K": 8, "V": 4, "P": 9}},
        """
                                        ^^^^^^^^^^^^^^^^ axis K//P of u: its size is 0, at least 1 is needed
""",
    ),
    "an expression that divides by 0": (
        {"constants": {"K": 8, "V": 4, "P": 0}},
        """
                                        ^^^^^^^^^^^^^^^^ axis K//P of u: it divides by zero
""",
    ),
    "too many elements": (
        {"constants": {"K": 2097152, "V": 1}},
        """
      ^^^^^^^^^^^^^ parameter q has 2097152 elements, at most 1048576 are allowed
""",
    ),
    "a size not given": (
        {"constants": {"K": 8}},
        """
                     ^^^^^^^^^^^^^^^^^ the size of axis V is not known
                     help: give it to scan f, as in V=64
""",
    ),
    "a dtype of integers": (
        {"dtype": "i32"},
        """
    ^ unknown dtype 'i32' for scan f
    help: dtypes are f32, f16, bf16
""",
    ),
    "an unknown dtype": (
        {"dtype": "f64"},
        """
    ^ unknown dtype 'f64' for scan f
    help: dtypes are f32, f16, bf16
""",
    ),
    "num_warps given": (
        {"constants": {"K": 8, "V": 4, "num_warps": 3}},
        """
    ^ num_warps is 3
    help: it is a power of two from 1 to 32, or 0: as the kernel needs
""",
    ),
    "chunk given": (
        {"constants": {"K": 8, "V": 4, "chunk": 24}},
        """
    ^ chunk is 24
    help: it is 16, 32, 64, 128 or 256 tokens, or 1: one at a time, or 0: as fits the step
""",
    ),
    "grouped of no input": (
        {"grouped": ("S",)},
        """
    ^ grouped: S is no input of scan f
    help: its inputs are q, b, u
""",
    ),
    "grouped of a shared input": (
        {"grouped": ("b",)},
        """
                     ^^^^^^^^^^^^^^^^^ grouped: input b is the same for all heads
                     help: inputs with a value for each head are q, u
""",
    ),
    "indexed without states": (
        {"indexed": True, "final": False},
        """
    ^ indexed: the states of the scan are neither arguments nor results
    help: set initial or final
""",
    ),
    "align of no array": (
        {"align": {"S_initial": 16}},
        """
    ^ align: S_initial is no array of scan f
    help: it has q, b, u, o, S_final
""",
    ),
    "align below the element": (
        {"align": {"S_final": 2}},
        """
    ^ align: S_final is aligned to 2 bytes, its elements are 4 bytes
    help: give a power of two, at least that
""",
    ),
    "align that is no power of two": (
        {"align": 24},
        """
    ^ align: q is aligned to 24 bytes, its elements are 2 bytes
    help: give a power of two, at least that
""",
    ),
}


def compile_scans(file: str, constants: dict[str, Any] | None = None, **options: Any) -> dict[str, str]:
    """The text of the scan `f` of a file."""
    return {"f": td.load_scans(file)["f"].to_mlir(constants, **options)}


@pytest.mark.parametrize("case", STEPS)
def test_steps(tmp_path: Path, case: str) -> None:
    check(tmp_path, HEADER + STEPS[case].strip("\n"), compile_scans, constants={"K": 80, "V": 64})


@pytest.mark.parametrize("case", DECLARATIONS)
def test_declarations(tmp_path: Path, case: str) -> None:
    check(tmp_path, START + DECLARATIONS[case].strip("\n"), compile_scans, constants={"K": 80})


@pytest.mark.parametrize("case", RESULTS)
def test_results(tmp_path: Path, case: str) -> None:
    check(tmp_path, START + RESULTS[case].strip("\n"), compile_scans, **RESULT_OPTIONS.get(case, {}))


@pytest.mark.parametrize("case", KERNELS)
def test_kernels(tmp_path: Path, case: str) -> None:
    check(tmp_path, START + KERNELS[case].strip("\n"))


@pytest.mark.parametrize("case", OPTIONS)
def test_options(tmp_path: Path, case: str) -> None:
    options, marks = OPTIONS[case]
    source = START + GIVEN + marks.strip("\n") + "\n    return q @ S, S\n"
    check(tmp_path, source, compile_scans, **{"constants": {"K": 8, "V": 4}, **options})
