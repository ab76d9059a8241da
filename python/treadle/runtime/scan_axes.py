"""Scans along one of several position axes: arrays [B, T1, ..., Tm, H, ...] as those of sequences, and results back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from treadle.errors import LaunchError
from treadle.runtime import scan_arrays as arrays
from treadle.runtime.scan_binding import Bound, bind, wrong_rank

if TYPE_CHECKING:
    from treadle.frontend.scans import Scan
    from treadle.frontend.stepparams import Field, InputParam, StateParam


def along(
    call: Callable[..., tuple[Any, Any]],
    scan: Scan,
    axis: int,
    args: tuple[Any, ...],
    own: Mapping[str, Any],
    reserved: frozenset[str],
    initial_state: Any,
    *,
    stream: Any = None,
    cu_seqlens: Any = None,
    head_first: bool = False,
    out: Any = None,
) -> tuple[Any, Any]:
    """What `call`, for arrays of one position axis, returns for arrays of several, along one of them.

    stream: as for a launch; copies are made on it. The keywords after it are those that cannot be given with axis.
    """
    without = {"cu_seqlens": (cu_seqlens, None), "head_first": (bool(head_first), False), "out": (out, None)}
    for name, (value, expected) in without.items():
        if value is not expected:
            found = value if value is True else type(value).__name__
            raise Bound(scan).fail(name, f"expected {expected} with axis, found {found}")
    lines = Lines(scan, axis, args, own)
    with arrays.on_stream(lines.first, stream):
        flat, named = lines.inputs(lines.flat)
        start = lines.states(initial_state, lines.flat_state)
        try:
            o, final = call(*flat, initial_state=start, **named)
        except LaunchError:
            lines.check(reserved, "initial_state", initial_state)
            raise
        return _each(o, lines.output), _each(final, lines.final_state)


class Lines:
    """The lines along one axis, of all positions on the others, and how they become sequences.

    Those of different positions on the axes before it are different sequences. Positions on the axes after it count as
    heads: so arrays keep their order in memory. Inputs that heads share have no axis for that; where there are such,
    every line is a sequence, and arrays are copied where lines do not follow one another.
    """

    def __init__(self, scan: Scan, axis: int, args: tuple[Any, ...], own: Mapping[str, Any]) -> None:
        self.scan, self.args, self.own = scan, args, own
        self.bound = Bound(scan)
        timed = self._timed(axis)
        p, self.first = timed[0]
        shape = arrays.shape_of(self.first)
        count = max(1, len(shape) - len(p.indices) - len(p.axes) + 1)
        self.names = [f"T{i + 1}" for i in range(count)] if count > 1 else ["T"]
        self._check_axis(p, axis)
        for p, value in timed:
            self._check_positions(p, arrays.shape_of(value), shape)
        self.axis, self.batch = axis, shape[0]
        self.before, self.length, self.after = shape[1:axis], shape[axis], shape[axis + 1 : count + 1]
        shared = any(p.indices == "BT" for p in scan.inputs)
        self.in_heads = bool(self.after) and 0 not in self.after and not shared
        """Whether positions on the axes after the scanned one count as heads."""

    # -----------------------------------------------------------------------------------------------------------------
    # Checks
    # -----------------------------------------------------------------------------------------------------------------

    def _timed(self, axis: int) -> list[tuple[InputParam, Any]]:
        """The inputs with positions."""
        given = {**dict(zip([p.name for p in self.scan.inputs], self.args, strict=False)), **self.own}
        timed = [p for p in self.scan.inputs if "T" in p.indices]
        if not timed:
            raise self.bound.fail("axis", f"expected None, where no input has positions, found {axis!r}")
        for p in timed:
            if p.name not in given:
                raise self.bound.fail(p.name, "expected an array, found none")
            self.bound.check_array(p.name, given[p.name])
        return [(p, given[p.name]) for p in timed]

    def _axes(self, p: Field) -> list[str]:
        """The axes of an input with positions, in messages."""
        return ["B", *self.names, *p.indices[2:], *(axis.text for axis in p.axes)]

    def _check_axis(self, p: Field, axis: int) -> None:
        count = len(self.names)
        if type(axis) is not int or not 1 <= axis <= count:
            numbers = "1" if count == 1 else f"a number from 1 to {count}"
            raise self.bound.fail(
                "axis", f"expected {numbers}, an axis of positions of [{', '.join(self._axes(p))}], found {axis!r}"
            )

    def _check_positions(self, p: Field, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
        """Check that an input has the positions that the first one has."""
        axes = self._axes(p)
        if len(shape) != len(axes):
            raise self.bound.fail(p.name, wrong_rank(axes, shape))
        for name, size, other in zip(self.names, shape[1:], expected[1:], strict=False):
            if size != other:
                raise self.bound.fail(p.name, f"expected {name} = {other}, as other inputs, found {size}")

    def check(self, reserved: frozenset[str], argument: str, states: Any) -> None:
        """Say what is wrong with the arrays as the caller has them, if one line of each shows it."""
        if 0 in self.before or 0 in self.after:
            return
        args, own = self.inputs(self._line)
        bound = bind(self.scan, args, own, reserved)
        if states is not None:
            bound.states(argument, self.states(states, self._state_line, argument), bound.sequences, "B")

    def _line(self, p: Field, value: Any) -> Any:
        """The first line of an input."""
        if "T" not in p.indices:
            return value
        return value[(slice(None), *(0 for _ in self.before), slice(None), *(0 for _ in self.after))]

    def _state_line(self, p: StateParam, value: Any, label: str) -> Any:
        """The state of the first line."""
        return value[(slice(None), *(0 for _ in (*self.before, *self.after)))] if arrays.is_array(value) else value

    # -----------------------------------------------------------------------------------------------------------------
    # To sequences
    # -----------------------------------------------------------------------------------------------------------------

    def inputs(self, change: Callable[[InputParam, Any], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments by position and by name, the inputs among them changed."""
        params = {p.name: p for p in self.scan.inputs}
        args = tuple(change(p, value) for p, value in zip(self.scan.inputs, self.args, strict=False))
        own = {name: change(params[name], value) if name in params else value for name, value in self.own.items()}
        return args + self.args[len(args) :], own

    def states(self, given: Any, change: Callable[[StateParam, Any, str], Any], argument: str = "initial_state") -> Any:
        """States that are an argument, each changed; their number is checked elsewhere."""
        params = self.scan.states
        several = given if isinstance(given, (tuple, list)) else (given,)
        if given is None or len(several) != len(params):
            return given
        labels = [argument if len(params) == 1 else f"{argument}[{p.name}]" for p in params]
        return tuple(change(p, value, label) for p, value, label in zip(params, several, labels, strict=True))

    def flat(self, p: InputParam, value: Any) -> Any:
        """An input as one of sequences."""
        if "T" in p.indices:
            return self.flat_timed(value)
        if p.indices == "H" and self.in_heads and arrays.is_array(value) and len(value.shape) == 1 + len(p.axes):
            return arrays.tiled(value, math.prod(self.after))
        return value

    def flat_timed(self, value: Any) -> Any:
        """What has positions, [B, T1, ..., Tm, ...], as of sequences."""
        shape = arrays.shape_of(value)
        batch, rest = shape[0] * math.prod(self.before), shape[1 + len(self.names) :]
        if self.in_heads:
            return value.reshape((batch, self.length, math.prod(self.after) * rest[0], *rest[1:]))
        whole = arrays.permuted(value, self._order(len(shape)))
        return whole.reshape((batch * math.prod(self.after), self.length, *rest))

    def _order(self, rank: int) -> list[int]:
        """The axes of an array with the scanned one after all other positions."""
        end = 1 + len(self.names)
        return [*range(self.axis), *range(self.axis + 1, end), self.axis, *range(end, rank)]

    def flat_state(self, p: StateParam, value: Any, label: str) -> Any:
        """A state, [B, the other positions, H, ...], as one of sequences."""
        if not arrays.is_array(value):
            return value
        others = [name for i, name in enumerate(self.names) if i != self.axis - 1]
        axes = ["B", *others, "H", *(axis.text for axis in p.axes)]
        shape = arrays.shape_of(value)
        if len(shape) != len(axes):
            raise self.bound.fail(label, wrong_rank(axes, shape))
        for name, size, expected in zip(others, shape[1:], (*self.before, *self.after), strict=False):
            if size != expected:
                raise self.bound.fail(label, f"expected {name} = {expected}, as inputs, found {size}")
        batch, rest = shape[0] * math.prod(self.before), shape[1 + len(others) :]
        after = math.prod(self.after)
        if self.in_heads:
            return value.reshape((batch, after * rest[0], *rest[1:]))
        return value.reshape((batch * after, *rest))

    # -----------------------------------------------------------------------------------------------------------------
    # Results
    # -----------------------------------------------------------------------------------------------------------------

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of `output` of an array of this one."""
        rest = shape[2:]
        if self.in_heads:
            rest = (rest[0] // math.prod(self.after), *rest[1:])
        return (self.batch, *self.before, self.length, *self.after, *rest)

    def output(self, value: Any) -> Any:
        """What has times, of sequences, as [B, T1, ..., Tm, ...]."""
        shape = arrays.shape_of(value)
        if self.in_heads:
            return value.reshape(self.output_shape(shape))
        whole = value.reshape((self.batch, *self.before, *self.after, self.length, *shape[2:]))
        return arrays.contiguous(arrays.permuted(whole, _inverse(self._order(len(whole.shape)))))

    def gradient(self, p: InputParam, value: Any) -> Any:
        """The gradient of `flat(p, x)` as that of x."""
        if "T" in p.indices:
            return self.output(value)
        if p.indices == "H" and self.in_heads:
            heads, *rest = arrays.shape_of(value)
            count = math.prod(self.after)
            return value.reshape((count, heads // count, *rest)).sum(0)
        return value

    def final_state(self, value: Any) -> Any:
        """A state of sequences as [B, the other positions, H, ...]."""
        heads, *rest = arrays.shape_of(value)[1:]
        if self.in_heads:
            heads //= math.prod(self.after)
        return value.reshape((self.batch, *self.before, *self.after, heads, *rest))


def _each(values: Any, change: Callable[[Any], Any]) -> Any:
    """One array, several or none, each changed."""
    if values is None:
        return None
    return tuple(map(change, values)) if isinstance(values, tuple) else change(values)


def _inverse(order: Iterable[int]) -> list[int]:
    """The order of axes that undoes one."""
    axes = list(order)
    return sorted(range(len(axes)), key=axes.__getitem__)
