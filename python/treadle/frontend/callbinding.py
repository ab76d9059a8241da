"""What the arguments of a scan's call in a mixer are, by its parameters: values and constants of one token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from treadle.errors import TreadleError
from treadle.frontend.builder import is_number
from treadle.frontend.declared import Constant
from treadle.frontend.params import ConstParam
from treadle.frontend.stepparams import InputParam, WindowParam
from treadle.frontend.values import describe

if TYPE_CHECKING:
    from treadle.frontend.scans import Scan


class Mismatch(TreadleError):
    """An argument that does not fit; where it is one of several, which: a position or a keyword."""

    def __init__(
        self, message: str, help: str | None, at: int | str | None = None, parameter: InputParam | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.help, self.at, self.parameter = message, help, at, parameter


@dataclass(frozen=True)
class Arguments:
    """The inputs by name, values or numbers, and all constants."""

    inputs: dict[str, Any]
    constants: dict[str, Constant]


def bind(callee: Scan, args: list[object], kwargs: Mapping[str, object]) -> Arguments:
    """Arguments by parameter; a Mismatch where they do not fit.

    Values are those of the front end or of `runtime.step_values`. Axes that are names have the sizes of the first input
    with them, whatever they are called in the mixer; others are given by keyword or are the constants' defaults.
    """
    inputs = {p.name: p for p in callee.inputs}
    where, values = _by_name(callee, args, kwargs)
    given = {name: _constant(callee, name, value) for name, value in values.items() if name not in inputs}
    first: dict[str, InputParam] = {}
    for name, p in inputs.items():
        if name not in values:
            raise Mismatch(f"{callee.label} is called without {name}", _takes(callee))
        sizes = _check_value(callee, p, values[name], where[name])
        for axis, size in zip(p.axes, sizes, strict=True):
            if axis.is_name and axis.text not in given:
                given[axis.text] = size
                first[axis.text] = p
    defaults = {name: x for name, x in callee.constants.items() if name not in ("chunk", "num_warps")}
    constants = {name: x for name, x in {**defaults, **given}.items() if x is not None}
    for name in (name for name in defaults if name not in constants):
        hint = f"no argument has it: give it by keyword, as in {name}=64"
        raise Mismatch(f"the size of axis {name} of {callee.label} is not known", hint)
    for name, p in inputs.items():
        for axis, size in zip(p.axes, shape_of(values[name]), strict=True):
            try:
                expected = axis.size(constants)
            except ValueError as e:
                raise Mismatch(f"axis {axis.text} of {name} of {callee.label}: {e}", None, where[name], p) from None
            if expected != size:
                wanted = ", ".join(_sized(a.text, a.size(constants)) for a in p.axes)
                known = [f"{x} is that of {first[x].name}" for x in axis.names if x in first and first[x] is not p]
                raise Mismatch(
                    f"argument {name} of {callee.label}: expected [{wanted}], found {describe(values[name])}",
                    ", ".join(known) or None,
                    where[name],
                    p,
                )
    return Arguments({name: values[name] for name in inputs}, constants)


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of a value or number."""
    return tuple(getattr(value, "shape", ()))


def _by_name(
    callee: Scan, args: list[object], kwargs: Mapping[str, object]
) -> tuple[dict[str, int | str], dict[str, Any]]:
    """Where each argument is, and what it is."""
    names = [p.name for p in callee.inputs]
    if len(args) > len(names):
        plural = "s" if len(names) > 1 else ""
        message = f"{callee.label} takes {len(names)} input{plural} by position, {len(args)} are given"
        raise Mismatch(message, _takes(callee), len(names))
    where: dict[str, int | str] = {name: k for k, name in enumerate(names[: len(args)])}
    values = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name in values:
            raise Mismatch(f"{callee.label}: {name} is given by position and by keyword", None, name)
        if name not in names and (name not in callee.constants or name in ("chunk", "num_warps")):
            raise _unknown(callee, name)
        where[name], values[name] = name, value
    return where, values


def _unknown(callee: Scan, name: str) -> Mismatch:
    """The error for a keyword that is neither an input nor a constant."""
    from treadle.runtime.scan_call import CALL_SETTINGS, STEP_SETTINGS

    if name in ("chunk", "num_warps", "dtype"):
        return Mismatch(f"{name} is not for one call", f"give it to the whole mixer, as in @td.mixer({name}=…)", name)
    if name in CALL_SETTINGS | STEP_SETTINGS:
        hint = f"the whole mixer is called with {name}, and all scans in it"
        return Mismatch(f"{name} is a keyword of calls on arrays, and {callee.label} is called on values", hint, name)
    if any(name == p.name for p in callee.states):
        hint = "each call has states of its own, which the mixer creates; its initial_state sets them"
        return Mismatch(f"{name} is a state of {callee.label}, not an input", hint, name)
    return Mismatch(f"{callee.label} has no argument {name}", _takes(callee), name)


def _takes(callee: Scan) -> str:
    """What a scan takes, as a help."""
    constants = [p.name for p in callee.parameters if isinstance(p, ConstParam)]
    by_keyword = f"; by keyword, constants {', '.join(constants)}" if constants else ""
    return f"it takes the inputs {', '.join(p.name for p in callee.inputs)}{by_keyword}"


def _constant(callee: Scan, name: str, value: Any) -> Constant:
    """A constant, of the type of its default."""
    if not isinstance(value, (bool, int, float, str)):
        raise Mismatch(
            f"constant {name} of {callee.label}: expected a compile-time constant, found {describe(value)}",
            "give a number, or a td.Const of the mixer",
            name,
        )
    try:
        return callee.constant(name, value)
    except ValueError as e:
        raise Mismatch(f"constant {name} of {callee.label} is {value!r}, of type {type(value).__name__}",
                       str(e), name) from None  # fmt: skip


def _check_value(callee: Scan, p: InputParam, value: Any, at: int | str) -> tuple[int, ...]:
    """The shape of what an input gets, which has its dtype and as many axes as it."""
    what = f"argument {p.name} of {callee.label}"
    found = describe(value)
    if not is_number(value) and not hasattr(value, "dtype"):
        raise Mismatch(f"{what}: expected a value, found {found}", None, at, p)
    shape = shape_of(value)
    if len(shape) != len(p.axes):
        expected = f"[{', '.join(axis.text for axis in p.axes)}]" if p.axes else "a scalar"
        hint = None
        if isinstance(p, WindowParam):
            hint = "a window takes the value of one token, and keeps those of the tokens before"
        raise Mismatch(f"{what}: expected {expected}, found {found}", hint, at, p)
    if not is_number(value) and value.dtype is not p.computed:
        raise Mismatch(f"{what}: expected {p.computed}, found {found}", f"convert it with .to(td.{p.computed})", at, p)
    if is_number(value) and (isinstance(value, bool) or (p.computed.is_int and not isinstance(value, int))):
        raise Mismatch(f"{what}: expected {p.computed}, found {found}", None, at, p)
    return shape


def _sized(text: str, size: int) -> str:
    return str(int(size)) if text == str(int(size)) else f"{text}={int(size)}"
