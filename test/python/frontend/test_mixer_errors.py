"""Errors in a mixer: its declaration, its calls of scans; each at its place."""

import ast
from pathlib import Path
from typing import Any

import pytest
import treadle as td
from frontend_cases import check

HEADER = """\
import treadle as td

@td.scan
def sums(x: td.In["D"], s: td.State["D"]):
    return x + s, x + s

@td.scan
def pair(k: td.In["K"], v: td.In["V"], a: td.PerHead, S: td.State["K", "V"], *, scale: td.Const = 1.0, n: td.Const = 2):
    S = td.exp(a) * S + td.outer(k, v)
    return scale * (k @ S), S @ v, S

@td.scan
def conv(x: td.Window["D", "W"], taps: td.Param["W", "D"]):
    return (taps * x).sum(0)

@td.scan
def slots(k: td.In["K"], S: td.State["K", "M"]):
    return S.sum(1), S + k[:, None]

@td.scan
def halves(x: td.In["2*D"], y: td.In["D"], s: td.State):
    return x.sum(0) + s, s

@td.scan
def counted(n: td.In[td.i32], s: td.State):
    return s, s + n.to(td.f32)

@td.mixer
def twice(x: td.In["D"]):
    return sums(sums(x))

@td.mixer
def f(q: td.In["K"], k: td.In["K"], v: td.In["V"], a: td.PerHead, w: td.Param[4, "K"], *, N: td.Const = 3):
"""
CALLS = {
    "a keyword of calls on arrays": """
    y = sums(q, reverse=True)
                ^^^^^^^^^^^^ reverse is a keyword of calls on arrays, and scan sums is called on values
                help: the whole mixer is called with reverse, and all scans in it
    return y
""",
    "not causal": """
    return sums(q, causal=False)
                   ^^^^^^^^^^^^ causal is a keyword of calls on arrays, and scan sums is called on values
                   help: the whole mixer is called with causal, and all scans in it
""",
    "an initial state": """
    return sums(q, initial_state=k)
                   ^^^^^^^^^^^^^^^ initial_state is a keyword of calls on arrays, and scan sums is called on values
                   help: the whole mixer is called with initial_state, and all scans in it
""",
    "packed": """
    return sums(q, cu_seqlens=k)
                   ^^^^^^^^^^^^ cu_seqlens is a keyword of calls on arrays, and scan sums is called on values
                   help: the whole mixer is called with cu_seqlens, and all scans in it
""",
    "the state of a step": """
    return sums(q, state=k)
                   ^^^^^^^ state is a keyword of calls on arrays, and scan sums is called on values
                   help: the whole mixer is called with state, and all scans in it
""",
    "a chunk": """
    return sums(q, chunk=16)
                   ^^^^^^^^ chunk is not for one call
                   help: give it to the whole mixer, as in @td.mixer(chunk=…)
""",
    "a state by keyword": """
    return sums(q, s=k)
                   ^^^ s is a state of scan sums, not an input
                   help: each call has states of its own, which the mixer creates; its initial_state sets them
""",
    "a state by position": """
    return sums(q, k)
                   ^ scan sums takes 1 input by position, 2 are given
                   help: it takes the inputs x
""",
    "too many": """
    o, r = pair(q, v, a, k)
                         ^ scan pair takes 3 inputs by position, 4 are given
                         help: it takes the inputs k, v, a; by keyword, constants scale, n
    return o, r
""",
    "too few": """
    o, r = pair(q, a=a)
           ^^^^^^^^^^^^ scan pair is called without v
           help: it takes the inputs k, v, a; by keyword, constants scale, n
    return o, r
""",
    "an unknown keyword": """
    o, r = pair(q, v, a, decay=a)
                         ^^^^^^^ scan pair has no argument decay
                         help: it takes the inputs k, v, a; by keyword, constants scale, n
    return o, r
""",
    "twice": """
    return sums(q, x=k)
                   ^^^ scan sums: x is given by position and by keyword
""",
    "star arguments": """
    return sums(*(q,))
                ^^^^^ star arguments are not supported in a step
                help: pass arguments one by one
""",
    "a constant that is a value": """
    o, r = pair(q, v, a, scale=a)
                         ^^^^^^^ constant scale of scan pair: expected a compile-time constant, found an f32 scalar
                         help: give a number, or a td.Const of the mixer
    return o, r
""",
    "a constant of another type": """
    o, r = pair(q, v, a, n=0.5)
                         ^^^^^ constant n of scan pair is 0.5, of type float
                         help: its default is 2, of type int
    return o, r
""",
    "the size of an axis that is none": """
    return slots(k, M=0.5)
                    ^^^^^ constant M of scan slots is 0.5, of type float
                    help: it is the size of an axis, such as M=64
""",
    "the size of an axis that arguments have": """
    return sums(q, D=N)
                ^ argument x of scan sums: expected [D=3], found an f32 tile [K=80]
""",
    "an axis of no size": """
    return slots(k)
           ^^^^^^^^ the size of axis M of scan slots is not known
           help: no argument has it: give it by keyword, as in M=64
""",
    "more axes": """
    return sums(td.outer(q, v))
                ^^^^^^^^^^^^^^ argument x of scan sums: expected [D], found an f32 tile [K=80, V=64]
""",
    "fewer axes": """
    o, r = pair(q, v, q)
                      ^ argument a of scan pair: expected a scalar, found an f32 tile [K=80]
    return o, r
""",
    "a window of a window": """
    return conv(w, w)
                ^ argument x of scan conv: expected [D], found an f32 tile [4, K=80]
                help: a window takes the value of one token, and keeps those of the tokens before
""",
    "axes that differ": """
    return conv(v, w)
                   ^ argument taps of scan conv: expected [W=4, D=64], found an f32 tile [4, K=80]
                   help: D is that of x
""",
    "derived axes that differ": """
    return halves(q, v)
                  ^ argument x of scan halves: expected [2*D=128], found an f32 tile [K=80]
                  help: D is that of y
""",
    "a condition": """
    return sums(q > 0)
                ^^^^^ argument x of scan sums: expected f32, found an i1 tile [K=80]
                help: convert it with .to(td.f32)
""",
    "a number for an integer": """
    return counted(0.5)
                   ^^^ argument n of scan counted: expected i32, found the constant 0.5
""",
    "a value for an integer": """
    return counted(a)
                   ^ argument n of scan counted: expected i32, found an f32 scalar
                   help: convert it with .to(td.i32)
""",
    "two outputs for one": """
    return sums(pair(q, v, a))
                ^^^^^^^^^^^^^ argument x of scan sums: expected a value, found a tuple of 2
""",
    "two outputs for three names": """
    o, r, S = pair(q, v, a)
    ^^^^^^^ 2 values are unpacked into 3 names
    return o
""",
    "one output for two names": """
    o, s = sums(q)
    ^^^^ an f32 tile [K=80] cannot be unpacked into 2 names
    return o
""",
    "two outputs in a product": """
    return 2 * pair(q, v, a)
           ^^^^^^^^^^^^^^^^^ an operand of '*' is a tuple of 2, not a scalar or a tile
""",
    "in an if": """
    if N == 3:
        q = sums(q)
            ^^^^^^^ scan sums is called inside an if
            help: its states are there whether it runs or not: call it once, outside, and choose between values
    return q
""",
    "in a conditional expression": """
    return sums(q) if N == 3 else q
           ^^^^^^^ scan sums is called inside a conditional expression
           help: its states are there whether it runs or not: call it once, outside, and choose between values
""",
    "in a loop": """
    for _ in td.static_range(N):
        q = sums(q)
            ^^^^^^^ scan sums is called inside a loop
            help: its states are there whether it runs or not: call it once, outside, and choose between values
    return q
""",
    "after a return": """
    if N == 3:
        return q
    return sums(q)
           ^^^^^^^ scan sums is not called: the step returns before
           help: its states are there whether it runs or not: call it every time, and choose between values
""",
    "itself": """
    return f(q, k, v, a, w) + sums(q)
           ^^^^^^^^^^^^^^^^ mixer f calls itself
           help: a mixer calls scans and other mixers
""",
    "another name": """
    s = sums
    return s(q) + twice(k)
           ^^^^ scan sums is called through another name
           help: call sums by its own name
""",
    "the name of a value": """
    sums = sums(q)
           ^^^^ sums is a scan, and the name of a value
           help: rename the value
    return sums
""",
}
DECLARED = {
    "the size of an axis that arguments have": "sums.x",
    "more axes": "sums.x",
    "fewer axes": "pair.a",
    "a window of a window": "conv.x",
    "axes that differ": "conv.taps",
    "derived axes that differ": "halves.x",
    "a condition": "sums.x",
    "a number for an integer": "counted.n",
    "a value for an integer": "counted.n",
    "two outputs for one": "sums.x",
}
"""The parameters that notes of some errors show."""

WHOLE = {
    "a scan in a function": """
import treadle as td

@td.scan
def sums(x: td.In["D"], s: td.State["D"]):
    return x + s, x + s

@td.function
def helper(x):
    return sums(x)
           ^^^^^^^ scan sums is called in a function
           help: make it a @td.mixer, which calls scans

@td.mixer
def f(x: td.In["D"]):
    y = sums(x)
    return helper(y)
           ^^^^^^^^^ note: called from here
""",
    "a mistake in what is called": """
import treadle as td

@td.scan
def sums(x: td.In["D"], s: td.State["D"]):
    return x > s, x + s
           ^^^^^ the output is an i1 tile [D=80], not f32
           help: convert it with .to(td.f32)

@td.mixer
def inner(x: td.In["E"]):
    return sums(x)
           ^^^^^^^ note: called from here

@td.mixer
def f(x: td.In["K"]):
    return inner(x)
           ^^^^^^^^ note: called from here
""",
    "a window of one token": """
import treadle as td

@td.scan
def conv(x: td.Window["D", "W"], taps: td.Param["W", "D"]):
         ^^^^^^^^^^^^^^^^^^^^^^ note: x is declared here
    return (taps * x).sum(0)

@td.mixer
def f(x: td.In["D"], taps: td.Param[1, "D"]):
    return conv(x, taps)
           ^^^^^^^^^^^^^ scan conv: window x holds 1 token, at least 2 are needed
           help: write td.In for the current token alone
""",
    "one another": """
import treadle as td

@td.mixer
def g(x: td.In["D"]):
    return f(x)

@td.mixer
def f(x: td.In["D"]):
    return g(x)
           ^^^^ mixer g calls itself, through mixer f
           help: a mixer calls scans and other mixers
""",
    "no call": """
import treadle as td

@td.mixer
def f(x: td.In["D"]):
    ^ mixer f has no state
    return x
help: call scans in it, by their names; a step that calls none is a @td.scan with a td.State
""",
    "no input": """
import treadle as td

@td.mixer
def f():
    ^ mixer f has no input
    return 1.0
help: annotate one, as in q: td.In["K"]
""",
    "nothing returned": """
import treadle as td

@td.scan
def sums(x: td.In["D"], s: td.State["D"]):
    return x + s, x + s

@td.mixer
def f(x: td.In["D"]):
    ^ the step of mixer f returns nothing
    y = sums(x)
help: return the outputs
""",
    "a state of its own that is not returned": """
import treadle as td

@td.scan
def sums(x: td.In["D"], s: td.State["D"]):
    return x + s, x + s

@td.mixer
def f(x: td.In["D"], m: td.State["D"]):
    return sums(x + m)
           ^^^^^^^^^^^ the step returns 1 value, at least 2 are needed: an output, and the new value of m
           help: return the outputs, then the new values of m
""",
    "a size that no array tells": """
import treadle as td

@td.scan
def sums(x: td.In["D"], s: td.State["D"]):
    return x + s, x + s

@td.mixer
def f(x: td.In["E"]):
      ^^^^^^^^^^^^^ the size of axis E is not known
    return sums(x)
help: give it to mixer f, as in E=64
""",
}


def compiled(file: str, **options: Any) -> Any:
    """The text of the mixer f, of a file."""
    return td.load_scans(file)["f"].to_mlir(**options)


def with_note(header: str, place: str) -> str:
    """The header with a mark below a parameter."""
    function, name = place.split(".")
    tree = next(x for x in ast.walk(ast.parse(header + "    pass")) if getattr(x, "name", "") == function)
    assert isinstance(tree, ast.FunctionDef)
    arg = next(arg for arg in tree.args.args if arg.arg == name)
    lines = header.splitlines()
    mark = " " * arg.col_offset + "^" * (arg.end_col_offset - arg.col_offset)
    return "\n".join([*lines[: arg.lineno], f"{mark} note: {name} is declared here", *lines[arg.lineno :]])


@pytest.mark.parametrize("name", CALLS)
def test_calls(name: str, tmp_path: Path) -> None:
    header = with_note(HEADER, DECLARED[name]) if name in DECLARED else HEADER.rstrip()
    check(tmp_path, header + CALLS[name], compiled, constants={"K": 80, "V": 64})


@pytest.mark.parametrize("name", WHOLE)
def test_mixers(name: str, tmp_path: Path) -> None:
    sizes = {"a mistake in what is called": {"K": 80}, "a size that no array tells": {}, "no input": {}}
    check(tmp_path, WHOLE[name], compiled, constants=sizes.get(name, {"D": 80}))


@pytest.mark.parametrize(
    ("called", "what", "help"),
    [
        ("conv(x, w)", "window x", "take it in a causal scan, whose output is an input of this one"),
        ("turned(x)", "td.position()", "give positions as an input, as in t: td.In"),
    ],
)
def test_what_only_causal_mixers_call(called: str, what: str, help: str, tmp_path: Path) -> None:
    marked = f"""
import treadle as td

@td.scan
def conv(x: td.Window["D", 2], taps: td.Param[2, "D"]):
    return (taps * x).sum(0)

@td.scan
def turned(x: td.In["D"], s: td.State["D"]):
    return x * td.cos(td.position()) + s, s

@td.mixer
def f(x: td.In["D"], w: td.Param[2, "D"]):
    return {called}
           {"^" * len(called)} {what} in a noncausal scan, which supports none
           help: {help}
"""
    check(tmp_path, marked, compiled, constants={"D": 8}, causal=False)


def test_an_old_value_in_an_output_that_is_not_causal(tmp_path: Path) -> None:
    marked = """
import treadle as td

@td.scan
def before(x: td.In["D"], s: td.State["D"]):
    return x * s, x + s
           ^^^^^ note: the old value is used here

@td.mixer
def f(x: td.In["D"]):
    return before(x)
           ^^^^^^^^^ the output uses the old value of state before_s, which a noncausal scan has not kept
           help: use the new value of before_s: outputs see the states after all tokens
"""
    check(tmp_path, marked, compiled, constants={"D": 8}, causal=False)


def test_it_decorates_functions() -> None:
    with pytest.raises(td.TreadleError, match=r"^td.mixer decorates a function, not 3$"):
        td.mixer(3)  # type: ignore[call-overload]
