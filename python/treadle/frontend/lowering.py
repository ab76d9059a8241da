"""A kernel as the text of a `func.func`."""

from __future__ import annotations

from treadle.frontend import (
    branches,  # noqa: F401  (registers its handlers, as do calls, expressions, loops and statements)
    calls,  # noqa: F401
    dtypes,
    expressions,  # noqa: F401
    loops,  # noqa: F401
    statements,  # noqa: F401
    symbolic,
)
from treadle.frontend.builder import Builder
from treadle.frontend.casts import cast
from treadle.frontend.declared import Kernel
from treadle.frontend.grid import Grid
from treadle.frontend.interpreter import Interpreter
from treadle.frontend.literals import float_text, quote
from treadle.frontend.scope import Scope
from treadle.frontend.source import find
from treadle.frontend.specialize import Argument, Specialization
from treadle.frontend.values import Scalar, TensorRef


def lower(kernel: Kernel, spec: Specialization, fast_math: bool = False) -> str:
    """The MLIR text of a kernel."""
    source, tree = find(kernel.fn)
    b = Builder(source, kernel.fn, tree)
    scope = Scope(source, kernel.fn)
    grid = Grid()
    it = Interpreter(b, scope, grid)
    scope.names.update(dict.fromkeys(spec.absent))
    scope.names.update(spec.constants)
    for k, argument in enumerate(spec.arguments):
        scope.names[argument.name] = _argument(b, argument, k)
    b.at(tree)
    closing = b.emitter.loc
    try:
        it.run(tree.body)
    except RecursionError:
        deep = b.frames[-1].source.error(
            b.statement, "this statement is nested too deeply to compile", "split it with intermediate names"
        )
        raise deep from None
    if grid.location is None:
        raise source.error(
            tree, f"kernel {kernel.name} declares no grid", "begin with (i,) = td.grid(td.cdiv(M, BLOCK))"
        )
    b.at(tree)
    b.emitter.line("return")
    arguments = ", ".join(_declaration(a, k) for k, a in enumerate(spec.arguments))
    attributes = [
        "tile.kernel",
        f"tile.num_warps = {spec.num_warps} : i32",
        f"tile.num_stages = {spec.num_stages} : i32",
        *(["tile.fast_math"] if fast_math else []),
        grid.attributes(),
    ]
    name = kernel.name if kernel.name.isascii() else quote(kernel.name)
    return "\n".join(
        [
            f"func.func @{name}({arguments})",
            f"    attributes {{{', '.join(attributes)}}} {{",
            *b.emitter.head,
            *b.emitter.lines,
            "}" + closing,
            "",
        ]
    )


def _ssa(argument: Argument, k: int) -> str:
    return f"%{argument.name}" if argument.name.isascii() else f"%arg{k}"


def _argument(b: Builder, argument: Argument, k: int) -> object:
    """What the argument's name stands for."""
    name = _ssa(argument, k)
    if argument.kind == "tensor":
        return TensorRef(argument.name, name, argument.dtype, argument.dims, argument.type)
    poly = symbolic.atom(name) if argument.dtype is dtypes.index else None
    scalar = Scalar(name, argument.dtype, poly)
    return cast(b, scalar, dtypes.index) if argument.dtype.is_int else scalar


def _declaration(argument: Argument, k: int) -> str:
    """The argument in the function's header."""
    attributes = [f"tile.name = {quote(argument.name)}"]
    if argument.kind == "tensor":
        dims = ", ".join(quote(d) if isinstance(d, str) else str(d) for d in argument.dims)
        attributes.append(f"tile.dims = [{dims}]")
    if argument.default is not None:
        literal = (
            float_text(float(argument.default), argument.dtype) if argument.dtype.is_float else str(argument.default)
        )
        attributes.append(f"tile.default = {literal} : {argument.dtype}")
    return f"{_ssa(argument, k)}: {argument.type} {{{', '.join(attributes)}}}"
