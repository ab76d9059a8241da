"""What a step cannot use, and why: it is a pure function of one token's values."""

from __future__ import annotations

import ast

from treadle.frontend import dtypes
from treadle.frontend.builder import Builder
from treadle.frontend.dtypes import DType

COMPUTED = (dtypes.f32, dtypes.i32, dtypes.i1)
"""The dtypes of values in a step."""

STEP_HELP = {
    "Lambda": "a lambda is allowed as the first argument of td.reduce",
    "FunctionDef": "define it outside the step; it is inlined where it is called",
    "Break": "choose what goes on with td.where",
    "Continue": "choose what goes on with td.where",
}
"""Help for syntax outside the language, where it differs from a kernel's."""

_FUNCTIONS = {
    "grid": ("a step is one token of one head", "how the work is divided is the compiler's choice"),
    "load": ("a step has no tensors in memory", 'its parameters are values already, as in q: td.In["K"]'),
    "scan": ("a step has no scans along an axis", "what runs along time is a state; .sum(axis) reduces an axis"),
    "cumsum": ("a step has no scans along an axis", "what runs along time is a state; .sum(axis) reduces an axis"),
    "cummax": ("a step has no scans along an axis", "what runs along time is a state; .max(axis) reduces an axis"),
}


_IN_STEPS = {
    "concat": "store the parts one by one, as in y[i : i + 16] = a",
    "position": "compute it from the indices that td.grid returns",
    "taylor": "compute 1 + s + s * s / 2 of the products s instead",
}


def check_function(b: Builder, name: str, node: ast.AST | None = None) -> None:
    """An error for a function of the language that only kernels, or only steps, have."""
    if b.step and name in _FUNCTIONS:
        why, help = _FUNCTIONS[name]
        raise b.error(f"td.{name} in a step: {why}", help, node)
    if not b.step and name in _IN_STEPS:
        raise b.error(f"td.{name} in a kernel: it is for the step of a @td.scan", _IN_STEPS[name], node)


def check_control(b: Builder, what: str, help: str, node: ast.AST) -> None:
    """An error for control flow that depends on run-time values."""
    if b.step:
        raise b.error(f"{what} in a step: it does the same for every token", help, node)


def check_computed(b: Builder, dtype: DType) -> None:
    """An error for a dtype that values of a step cannot have."""
    if b.step and dtype not in COMPUTED:
        help = "write td.f32: outputs are rounded when they are stored" if dtype.is_float else "write td.i32"
        raise b.error(f"{dtype} in a step, which computes in f32, i32 and i1", help)
