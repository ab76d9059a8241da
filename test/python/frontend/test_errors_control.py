"""Errors in statements, control flow, calls and the grid."""

from pathlib import Path

import pytest
from frontend_cases import body, check

CASES = {
    "carried type changes": """
        acc = td.zeros((64,), td.f32)
        for k in range(n):
        ^^^^^^^^^^^^^^^^^^ note: the loop starts here
            acc = acc.to(td.bf16)
            ^^^^^^^^^^^^^^^^^^^^^ \
acc changes type in the loop: it is an f32 tile [64] before and becomes a bf16 tile [64] here
            help: start it with the type it has in the loop, or use another name
    """,
    "carried shape changes": """
        acc = 0.0
        while n > 0:
        ^^^^^^^^^^^^ note: the loop starts here
            acc = acc + t
            ^^^^^^^^^^^^^ acc changes type in the loop: it is an f32 scalar before and becomes an f32 tile [64, 64] here
            help: start it with the type it has in the loop, or use another name
    """,
    "constant string changes in a loop": """
        mode = "a"
        for k in range(n):
        ^^^^^^^^^^^^^^^^^^ note: the loop starts here
            mode = "b"
            ^^^^^^^^^^ mode is the string 'a' and changes in the loop
            help: use another name
    """,
    "value of the loop only": """
        for k in range(n):
            s = k + 1
            ^^^^^^^^^ note: s is assigned here
        y[0, 0] = s.to(td.f32)
                  ^ s has a value inside the loop of line 12 only
                  help: give it a value before the loop
    """,
    "value of one branch only": """
        if n > 0:
            s = t * 2.0
            ^^^^^^^^^^^ note: s is assigned here
        y[i * B : i * B + B, j * B : j * B + B] = s
                                                  ^ s has a value in one branch of the if of line 12 only
                                                  help: give it a value before the if, or in both branches
    """,
    "branches of different types": """
        if n > 0:
        ^^^^^^^^^ note: the branches start here
            s = t
        else:
            s = u
            ^^^^^ s has different types in the branches: an f32 tile [64, 64] and a bf16 tile [64, 64]
            help: give it the same dtype and shape in both
    """,
    "if on a tile": """
        if t > 0.0:
           ^^^^^^^ the condition of if is an i1 tile [64, 64], not a scalar
           help: choose per element with td.where(condition, a, b)
            pass
    """,
    "if on a number": """
        if n:
           ^ the condition of if is an index scalar, not i1
           help: compare it, as in n != 0
            pass
    """,
    "while on a tile": """
        while t.sum(axis=0) > 0.0:
              ^^^^^^^^^^^^^^^^^^^ the condition of while is an i1 tile [64], not a scalar
              help: choose per element with td.where(condition, a, b)
            pass
    """,
    "while on a constant": """
        while True:
              ^^^^ the condition of while is always True
              help: it must depend on a value that the body changes
            pass
    """,
    "conditional expression": """
        p = t if n > 0 else v
            ^^^^^^^^^^^^^^^^^ \
the sides of a conditional expression have different types: an f32 tile [64, 64] and an f32 tile [32]
            help: give them the same dtype and shape
    """,
    "return of a value": """
        return t
        ^^^^^^^^ a kernel returns no value
        help: store results to a tensor, y[...] = value
    """,
    "return in a branch": """
        if n > 0:
            return
            ^^^^^^ return inside a run-time loop or branch
            help: assign a result there and return it at the end
    """,
    "static_range of a run-time bound": """
        for k in td.static_range(n):
                                 ^ a bound of static_range is an index scalar, not a constant integer
                                 help: use range(...) for a run-time loop
            pass
    """,
    "static_range too long": """
        for k in td.static_range(5000):
                 ^^^^^^^^^^^^^^^^^^^^^ static_range unrolls 5000 times, at most 1024 are allowed
                 help: use range(...) for a run-time loop
            pass
    """,
    "step not positive": """
        for k in range(n, 0, -1):
                 ^^^^^^^^^^^^^^^ the step of range is -1, at least 1 is needed
                 help: count up and flip the index
            pass
    """,
    "loop over a tuple": """
        for k in (1, 2):
                 ^^^^^^ a for loop runs over range(...) or td.static_range(...)
            pass
    """,
    "float bound": """
        for k in range(a):
                 ^^^^^^^^ a bound of range is an f32 scalar, not an integer
                 help: convert it with .to(td.index)
            pass
    """,
    "assignment to a tensor": """
        y = t
        ^ assignment to tensor y
        help: store to it with y[...] = value
    """,
    "assignment to elements of a tile": """
        t[0, 0] = 1.0
        ^^^^^^^ assignment to elements of an f32 tile [64, 64]
        help: build a new tile, as in td.where(mask, a, b)
    """,
    "augmented store": """
        y[i, j] += 1.0
        ^^^^^^^^^^^^^^ augmented assignment to elements of a tensor would not be atomic
        help: write x[...] = x[...] + value, where no other block writes the same elements
    """,
    "unpacking": """
        p, q, r = x.shape
        ^^^^^^^ 2 values are unpacked into 3 names
    """,
    "no effect": """
        t + 1.0
        ^^^^^^^ this expression has no effect
        help: assign it, or store it to a tensor
    """,
    "try": """
        try:
        ^^^^ try is not supported in a kernel
            pass
        except ValueError:
            pass
    """,
    "with": """
        with t:
        ^^^^^^^ with is not supported in a kernel
            pass
    """,
    "class": """
        class C:
        ^^^^^^^^ class is not supported in a kernel
            pass
    """,
    "nested function": """
        def inner(p):
            ^^^^^ a nested function is not supported in a kernel
            help: define it outside the kernel; it is inlined where it is called
            return p
    """,
    "lambda": """
        p = lambda q: q
            ^^^^^^^^^^^ lambda is not supported in a kernel
            help: a lambda is allowed as the first argument of td.reduce and td.scan
    """,
    "list comprehension": """
        p = [k for k in range(4)]
            ^^^^^^^^^^^^^^^^^^^^^ a list comprehension is not supported in a kernel
            help: unroll with `for i in td.static_range(n):`
    """,
    "global": """
        global counter
        ^^^^^^^^^^^^^^ global is not supported in a kernel
    """,
    "yield": """
        yield t
        ^^^^^^^ yield is not supported in a kernel
    """,
    "star argument": """
        p = td.dot(*(t, t))
                   ^^^^^^^ star arguments are not supported in a kernel
                   help: pass arguments one by one
    """,
    "starred name": """
        p, *q = x.shape
           ^^ a starred name is not supported in a kernel
           help: name every value
    """,
    "f-string": """
        p = f"{B}"
            ^^^^^^ an f-string is not supported in a kernel
    """,
    "walrus": """
        p = (q := t) * 2.0
             ^^^^^^ ':=' is not supported in a kernel
    """,
    "break": """
        for k in range(n):
            break
            ^^^^^ break is not supported in a kernel
            help: carry a condition in a while loop
    """,
    "raise": """
        raise ValueError
        ^^^^^^^^^^^^^^^^ raise is not supported in a kernel
        help: use td.static_assert for what is known at compile time
    """,
    "import": """
        import os
        ^^^^^^^^^ import is not supported in a kernel
        help: import at the top of the file
    """,
    "list": """
        p = [t, u]
            ^^^^^^ a list is not supported in a kernel
            help: write a tuple
    """,
    "run-time assert": """
        assert n > 0
               ^^^^^ assert of a run-time value
               help: assert on compile-time constants
    """,
}


@pytest.mark.parametrize("name", CASES)
def test_error(name: str, tmp_path: Path) -> None:
    check(tmp_path, body(CASES[name]))
