"""What lowering needs at hand: the emitter, the place in the source, constants and errors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from treadle.errors import KernelError, Location
from treadle.frontend import dtypes
from treadle.frontend.dtypes import DType
from treadle.frontend.emitter import Emitter
from treadle.frontend.literals import float_text, int_text, quote
from treadle.frontend.source import Source
from treadle.frontend.values import Scalar, TensorRef, Tile, Value, describe, make, tile_type

if TYPE_CHECKING:
    from treadle.frontend.stepbody import Body


class Frame:
    """A function being read: its source, and where it was called from."""

    def __init__(self, source: Source, fn: object, caller: Location | None, outer: str) -> None:
        self.source = source
        self.fn = fn
        self.caller = caller
        self.prefix = f"{quote(source.file)}:"
        self.outer = outer
        self.body: Body | None = None
        """What is known of the step that it is; None: it is a function."""

    def loc(self, line: int, col: int) -> str:
        """An MLIR location, without `loc()`."""
        here = f"{self.prefix}{line}:{col}"
        return f"callsite({here} at {self.outer})" if self.outer else here


class Builder:
    """State of one lowering. `step`: of a @td.scan's step, not of a kernel."""

    def __init__(self, source: Source, fn: object, node: ast.AST, *, step: bool = False) -> None:
        self.step = step
        self.emitter = Emitter()
        self.frames = [Frame(source, fn, None, "")]
        self.node = node
        self.statement = node
        self.places: dict[str, Location] = {}
        """Where operations come from, by the text of their location."""
        self.position: Value | None = None
        """What td.position() is, in a step that has it as a state."""
        self.at(node)

    @property
    def place(self) -> str:
        """What is being read, for errors."""
        return "a step" if self.step else "a kernel"

    @property
    def source(self) -> Source:
        """The file of the function being read."""
        return self.frames[-1].source

    def at(self, node: ast.AST) -> None:
        """Operations and errors that follow belong to `node`."""
        self.node = node
        self.emitter.loc = f" loc({self._loc(node)})"
        if self.step:
            self.places[self.emitter.loc] = self.source.location(node)

    def _loc(self, node: ast.AST) -> str:
        at: Any = node
        frame = self.frames[-1]
        return frame.loc(at.lineno, frame.source.column(at.lineno, at.col_offset))

    @contextmanager
    def call(self, source: Source, fn: object, node: ast.AST) -> Iterator[None]:
        """Read the body of an inlined function."""
        self.frames.append(Frame(source, fn, self.source.location(node), self._loc(node)))
        try:
            yield
        finally:
            self.frames.pop()
            self.at(node)

    def error(
        self,
        message: str,
        help: str | None = None,
        node: ast.AST | None = None,
        notes: list[tuple[Location, str]] | None = None,
    ) -> KernelError:
        """An error at `node` (default: the current one), with a note for each call that led here."""
        calls = [(f.caller, "called from here") for f in reversed(self.frames) if f.caller is not None]
        return self.source.error(node or self.node, message, help, [*(notes or []), *calls])

    def emit(self, text: str, dtype: DType, shape: tuple[int, ...] = (), nonneg: bool = False) -> Value:
        """An operation with one result."""
        return make(self.emitter.op(text), dtype, shape, nonneg)

    def constant(self, value: object, dtype: DType, shape: tuple[int, ...] = ()) -> Value:
        """A Python number as a value of `dtype`, everywhere in a tile when `shape` is given."""
        literal = self.literal(value, dtype)
        nonneg = isinstance(value, (int, float)) and value >= 0
        if shape:
            literal = f"dense<{literal}>"
            return Tile(self.emitter.constant(literal, tile_type(shape, dtype)), dtype, shape, nonneg)
        scalar = Scalar(self.emitter.constant(literal, dtype.name), dtype, nonneg=nonneg)
        if dtype is dtypes.index and isinstance(value, int):
            scalar.poly = {(): value} if value else {}
        return scalar

    def literal(self, value: object, dtype: DType) -> str:
        """The literal of a Python number; an error when it is not a value of `dtype`."""
        if dtype is dtypes.i1:
            if isinstance(value, bool) or value in (0, 1):
                return "true" if value else "false"
        elif dtype.is_int and isinstance(value, int) and not isinstance(value, bool):
            try:
                return int_text(value, dtype)
            except OverflowError:
                raise self.error(f"{value} does not fit in {dtype}", "use a wider dtype") from None
        elif dtype.is_float and isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                return float_text(float(value), dtype)
            except OverflowError:
                raise self.error(f"{value} does not fit in {dtype}", "use td.inf, or a wider dtype") from None
        hint = "write an integer, or convert the other operand with .to(td.f32)" if dtype.is_int else None
        if isinstance(value, bool):
            hint = "write a number, or compare to get a condition"
        raise self.error(f"{describe(value)} is not a value of {dtype}", hint)

    def literal_dtype(self, value: bool | int | float) -> DType:
        """The dtype of a Python number on its own; a step has no index values."""
        if isinstance(value, bool):
            return dtypes.i1
        return dtypes.index if isinstance(value, int) and not self.step else dtypes.f32

    def value(self, value: object, what: str) -> Value:
        """A run-time value: numbers become constants of their own dtype. `what` names the operand in errors."""
        if isinstance(value, Value):
            return value
        if isinstance(value, (bool, int, float)):
            return self.constant(value, self.literal_dtype(value))
        raise self.not_a_value(value, what)

    def not_a_value(self, value: object, what: str) -> KernelError:
        """The error for an operand that is no number, scalar or tile."""
        if isinstance(value, TensorRef):
            index = ", ".join([":"] * len(value.axes))
            return self.error(
                f"{what} is tensor {value.label}, not a tile", f"load a tile of it first, as in {value.label}[{index}]"
            )
        return self.error(f"{what} is {describe(value)}, not a scalar or a tile")

    def tile(self, value: object, what: str) -> Tile:
        """`value` as a tile, else an error."""
        if isinstance(value, Tile):
            return value
        if isinstance(value, (Scalar, int, float)):
            raise self.error(
                f"{what} is {describe(value)}, not a tile", "make a tile with td.full(shape, value, dtype)"
            )
        raise self.not_a_value(value, what)


def is_number(value: object) -> bool:
    """True for a Python int, float or bool."""
    return isinstance(value, (bool, int, float))
