"""td.grid: the blocks of a launch, as an affine map over dimensions."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from treadle.errors import Location
from treadle.frontend import symbolic
from treadle.frontend.dtypes import index
from treadle.frontend.interpreter import Interpreter
from treadle.frontend.literals import quote
from treadle.frontend.values import Scalar, describe

MAX_AXES = 3


@dataclass
class Grid:
    """The grid of a kernel, once declared."""

    axes: list[str] = field(default_factory=list)
    location: Location | None = None

    def attributes(self) -> str:
        """`tile.grid = …, tile.grid_dims = …`."""
        dims = list(dict.fromkeys(name for axis in self.axes for name in symbolic.names(axis)))
        symbols = f"[{', '.join(dims)}]" if dims else ""
        grid = f"affine_map<(){symbols} -> ({', '.join(self.axes)})>"
        return f"tile.grid = {grid}, tile.grid_dims = [{', '.join(map(quote, dims))}]"


def declare(it: Interpreter, node: ast.Call) -> tuple[Scalar, ...]:
    """Evaluate `td.grid(...)`: the ids of this block."""
    b, grid = it.b, it.grid
    if len(b.frames) > 1 or it.depth:
        raise b.error(
            "td.grid is called inside control flow or an inlined function", "call it first in the kernel", node
        )
    if grid.location is not None:
        raise b.error("the grid is declared twice", "keep one td.grid", node, [(grid.location, "first declared here")])
    if node.keywords:
        raise b.error("td.grid takes no keyword arguments", None, node)
    if not 1 <= len(node.args) <= MAX_AXES:
        raise b.error(
            f"a grid has 1 to {MAX_AXES} axes, this one has {len(node.args)}",
            "fold axes into one and take them apart with // and %" if node.args else None,
            node,
        )
    for arg in node.args:
        mark = b.emitter.mark()
        value = it.eval(arg)
        b.emitter.rollback(mark)
        b.at(arg)
        grid.axes.append(_axis(it, value))
    grid.location = b.source.location(node)
    b.at(node)
    return tuple(Scalar(b.emitter.op(f"tile.program_id {axis}"), index, nonneg=True) for axis in range(len(grid.axes)))


def _axis(it: Interpreter, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise it.b.error(f"an axis of the grid has {value} blocks, at least 1 is needed")
        return str(value)
    text = None
    if isinstance(value, Scalar) and value.dtype is index and value.poly is not None:
        text = symbolic.affine_text(value.poly)
    if text is None:
        what = f" ({describe(value)})" if not isinstance(value, Scalar) or value.dtype is not index else ""
        raise it.b.error(
            f"an axis of the grid depends on more than dimensions and constants{what}",
            "use sizes from x.shape, constants, + - * // % and td.cdiv",
        )
    return text
