"""Whether a combine function may be applied in any grouping: tried on numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import product

from treadle.errors import KernelError
from treadle.frontend.builder import Builder, is_number
from treadle.frontend.dtypes import DType

Numbers = tuple[float, ...]
Triple = tuple[Numbers, Numbers, Numbers]
_TRIALS = 40
_BOUND = 1e-6
"""Of the difference, relative to the numbers: they are computed in Python's floats."""


def check_associative(b: Builder, dtypes: Sequence[DType], combine: Callable[[list[object]], Sequence[object]]) -> None:
    """An error, with numbers that show it, for a combine function whose result depends on how it is grouped.

    A function that is right for numbers from 0 on may be meant for these. What cannot be computed at compile time is
    not checked.
    """

    def of(*groups: Numbers) -> Numbers | None:
        mark = b.emitter.mark()
        try:
            results = combine([x for group in groups for x in group])
        except (KernelError, ArithmeticError, ValueError):
            return None
        finally:
            b.emitter.rollback(mark)
        numbers = tuple(float(x) for x in results if is_number(x) and isinstance(x, (int, float)))
        return numbers if len(numbers) == len(dtypes) else None

    def differing(triple: Triple) -> tuple[Numbers, Numbers] | None:
        """What it makes from the first two on, and from the last two on, where these differ."""
        first, second, third = triple
        early, late = of(first, second), of(second, third)
        left, right = early and of(_like(early, dtypes), third), late and of(first, _like(late, dtypes))
        if left is None or right is None or all(map(_is_close, left, right)):
            return None
        return left, right

    node, triples = b.node, _triples(dtypes)
    found = next(((triple, made) for triple in triples if (made := differing(triple))), None)
    fails = found is not None and any(differing(_from_zero(triple)) for triple in triples)
    b.at(node)
    if found is not None and fails:
        triple, (left, right) = found
        raise b.error(
            f"the combine function is not associative: of {', '.join(map(_shown, triple))} it makes "
            f"{_shown(_like(left, dtypes))} from the first two on, {_shown(_like(right, dtypes))} from the last two on",
            "elements are combined in groups; write a function f with f(f(a, b), c) = f(a, f(b, c))",
        )


def _from_zero(triple: Triple) -> Triple:
    first, second, third = (tuple(x if isinstance(x, bool) else abs(x) for x in element) for element in triple)
    return first, second, third


def _triples(dtypes: Sequence[DType]) -> list[Triple]:
    """Elements to try, always the same: a few small ones of each dtype, of i1 all."""
    if all(dtype.name == "i1" for dtype in dtypes) and len(dtypes) == 1:
        return [((a,), (b,), (c,)) for a, b, c in product((False, True), repeat=3)]
    rng = random.Random(0)

    def element() -> Numbers:
        return tuple(_draw(rng, dtype) for dtype in dtypes)

    return [(element(), element(), element()) for _ in range(_TRIALS)]


def _draw(rng: random.Random, dtype: DType) -> float:
    if dtype.name == "i1":
        return rng.random() < 0.5
    return rng.randint(-3, 3) if dtype.is_int else rng.randint(-8, 8) / 4


def _like(values: Numbers, dtypes: Sequence[DType]) -> Numbers:
    """Numbers as they are of their dtypes."""
    return tuple(
        bool(x) if dtype.name == "i1" else int(x) if dtype.is_int else x
        for x, dtype in zip(values, dtypes, strict=True)
    )


def _is_close(x: float, y: float) -> bool:
    # Infinities and what is not a number say nothing.
    return not abs(x - y) > _BOUND * max(abs(x), abs(y), 1.0)


def _shown(values: Numbers) -> str:
    shown = [str(x) if isinstance(x, (bool, int)) else f"{x:.6g}" for x in values]
    return shown[0] if len(shown) == 1 else f"({', '.join(shown)})"
