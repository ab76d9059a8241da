"""Index values as polynomials, to know at compile time that `i * R + R - i * R` is `R` and what a grid depends on.

A polynomial maps a sorted tuple of atoms to its coefficient. An atom is the SSA name of a value (`%3`) or an affine
expression over dimension names (`M`, `(M ceildiv 4)`): an atom without `%` may appear in the grid's affine map.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Poly = Mapping[tuple[str, ...], int]
_MAX_TERMS = 16


def atom(text: str) -> Poly:
    """The polynomial of one atom."""
    return {(text,): 1}


def constant(value: int) -> Poly:
    """A constant polynomial."""
    return {(): value} if value else {}


def constant_value(p: Poly) -> int | None:
    """The value of a constant polynomial, None for any other."""
    if not p:
        return 0
    return p[()] if len(p) == 1 and () in p else None


def add(p: Poly, q: Poly, sign: int = 1) -> Poly:
    """p + sign * q."""
    out = dict(p)
    for key, c in q.items():
        total = out.get(key, 0) + sign * c
        if total:
            out[key] = total
        else:
            out.pop(key, None)
    return out


def mul(p: Poly, q: Poly) -> Poly | None:
    """p * q, or None when it would grow large."""
    if len(p) * len(q) > _MAX_TERMS:
        return None
    out: dict[tuple[str, ...], int] = {}
    for a, c in p.items():
        for b, d in q.items():
            key = tuple(sorted(a + b))
            out[key] = out.get(key, 0) + c * d
    return {key: c for key, c in out.items() if c}


def affine_text(p: Poly) -> str | None:
    """`p` in the syntax of an affine map, None when it depends on more than dimensions."""
    if any(a.startswith("%") for key in p for a in key):
        return None
    terms = []
    for key, c in p.items():
        factors = list(key) if c == 1 and key else [*key, str(c)]
        terms.append(" * ".join(factors))
    if not terms:
        return "0"
    text = " + ".join(terms)
    return _strip(text) if len(terms) == 1 else text


def divide(op: str, p: Poly, q: Poly) -> Poly | None:
    """The atom `(p op q)` of an affine division, None when an operand is not affine."""
    left, right = affine_text(p), affine_text(q)
    if left is None or right is None:
        return None
    return atom(f"({_wrap(left)} {op} {_wrap(right)})")


def names(text: str) -> list[str]:
    """The dimension names in an affine expression, in order of appearance."""
    found = re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text)
    return list(dict.fromkeys(n for n in found if n not in ("ceildiv", "floordiv", "mod")))


def _wrap(text: str) -> str:
    return text if re.fullmatch(r"\w+", text) else f"({text})"


def _strip(text: str) -> str:
    """`text` without one pair of parentheses around all of it."""
    if not text.startswith("("):
        return text
    depth = 0
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return text[1:-1] if at == len(text) - 1 else text
    return text
