"""Python values as lists of SSA values, to carry them through regions and put them together again."""

from __future__ import annotations

from collections.abc import Iterator

from treadle.frontend.builder import Builder, is_number
from treadle.frontend.casts import renamed
from treadle.frontend.values import Value, describe


def can_carry(value: object) -> bool:
    """True for run-time values, numbers, and tuples of them."""
    if isinstance(value, tuple):
        return all(map(can_carry, value))
    return isinstance(value, Value) or is_number(value)


def flatten(b: Builder, value: object) -> list[Value]:
    """The leaves of a value; numbers become constants."""
    if isinstance(value, tuple):
        return [leaf for item in value for leaf in flatten(b, item)]
    return [b.value(value, "a carried value")]


def rebuild(value: object, leaves: Iterator[Value]) -> object:
    """A value shaped like `value` from new leaves."""
    if isinstance(value, tuple):
        return tuple(rebuild(item, leaves) for item in value)
    return next(leaves)


def with_names(leaves: list[Value], names: list[str]) -> Iterator[Value]:
    """Values of the same types under other names."""
    return iter([renamed(name, leaf) for leaf, name in zip(leaves, names, strict=True)])


def match(b: Builder, value: object, like: list[Value], example: object) -> list[Value] | None:
    """The leaves of `value` at the types of `like` (numbers adapt to a scalar), None when they differ."""
    if isinstance(example, tuple) or isinstance(value, tuple):
        if not isinstance(value, tuple) or not isinstance(example, tuple) or len(value) != len(example):
            return None
        out: list[Value] = []
        for item, model in zip(value, example, strict=True):
            part = match(b, item, like[len(out) :], model)
            if part is None:
                return None
            out += part
        return out
    target = like[0]
    if is_number(value) and not target.dims and _adapts(value, target):
        return [b.constant(value, target.dtype)]
    if isinstance(value, Value) and value.type == target.type:
        return [value]
    return None


def _adapts(value: object, target: Value) -> bool:
    if isinstance(value, bool) or target.dtype.kind == "bool":
        return isinstance(value, bool) and target.dtype.kind == "bool"
    return target.dtype.is_float or isinstance(value, int)


def kind_of(value: object) -> str:
    """A value's type in an error: numbers as what they become."""
    if is_number(value):
        name = "an i1" if isinstance(value, bool) else "an index" if isinstance(value, int) else "an f32"
        return f"{name} scalar"
    return describe(value)


def types(leaves: list[Value]) -> str:
    """`f32, index`."""
    return ", ".join(v.type for v in leaves)
