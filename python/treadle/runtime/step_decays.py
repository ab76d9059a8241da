"""What states decay by: the gradients of that are sums of differences of like numbers, less exact than others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from treadle.runtime.scan_reference import Token, run_of
from treadle.runtime.step_rules import RULES
from treadle.runtime.step_values import Value, in_order

if TYPE_CHECKING:
    from treadle.frontend.scans import Scan

_EXPONENTIALS = [RULES[name] for name in ("exp", "exp2", "sigmoid", "softplus", "logaddexp")]
_LINEAR = [
    RULES[name]
    for name in (
        "add", "broadcast_to", "divide", "multiply", "negative", "part", "positive", "reshape", "subtract", "swapped",
        "transpose",
    )
]  # fmt: skip
"""What makes a state, element by element, of a state."""
_CONSTANT = RULES["stop_gradient"]

Names = frozenset[str]


def decays(scan: Scan, arguments: Mapping[str, Any], head_first: bool = False) -> Names:
    """The inputs, and the states, of a call that occur in an exponent of what multiplies a state.

    The arguments are inputs, of one token or more, and constants.
    """
    token = _first(scan, arguments, head_first)
    states = {p.name: value for p, value in zip(scan.states, token.states, strict=True) if p.origin.declared}
    return _decays([*token.outputs, *token.new], {**token.inputs, **states}, states.values())


def has_stops(scan: Scan, arguments: Mapping[str, Any], head_first: bool = False) -> bool:
    """Whether a step calls td.stop_gradient; the arguments as above."""
    token = _first(scan, arguments, head_first)
    return any(node.rule is _CONSTANT for node in in_order([*token.outputs, *token.new]))


def _first(scan: Scan, arguments: Mapping[str, Any], head_first: bool) -> Token:
    """What the step makes of the first token."""
    return next(run_of(scan, (), arguments, None, None, False, True, head_first).walk(0, 0))


def _decays(results: Iterable[Value], named: Mapping[str, Value], states: Iterable[Value]) -> Names:
    none: Names = frozenset()
    of = {id(value): frozenset([name]) for name, value in named.items()}
    """What a value is computed from."""
    exponents: dict[int, Names] = {}
    """That of it which is in an exponent."""
    stateful = {id(state) for state in states}
    """The values whose elements are a state's, times and plus others."""
    found = none
    for node in in_order(results):
        operands = [x for x in node.operands if isinstance(x, Value)]
        if node.rule is None or node.rule is _CONSTANT:
            continue
        of[id(node)] = none.union(*(of.get(id(x), none) for x in operands))
        grown = of if node.rule in _EXPONENTIALS else exponents
        exponents[id(node)] = none.union(*(grown.get(id(x), none) for x in operands))
        if node.rule in _LINEAR and any(id(x) in stateful for x in operands):
            stateful.add(id(node))
        if node.rule is RULES["multiply"] and len(operands) == 2:
            for factor, other in (operands, operands[::-1]):
                if id(other) in stateful:
                    found |= exponents.get(id(factor), none)
    return found
