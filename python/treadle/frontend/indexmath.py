"""Arithmetic on index scalars, which also keeps their polynomials and folds what is constant."""

from __future__ import annotations

from treadle.frontend import symbolic
from treadle.frontend.builder import Builder
from treadle.frontend.dtypes import index
from treadle.frontend.symbolic import Poly
from treadle.frontend.values import Scalar, Value

Operand = Scalar | int


def _poly(v: Operand) -> Poly | None:
    return v.poly if isinstance(v, Scalar) else symbolic.constant(v)


def _nonneg(v: Operand) -> bool:
    return v.nonneg if isinstance(v, Scalar) else v >= 0


def materialize(b: Builder, v: Operand) -> Value:
    """An operand as a value."""
    return v if isinstance(v, Scalar) else b.constant(v, index)


def _emit(b: Builder, op: str, left: Operand, right: Operand, poly: Poly | None, nonneg: bool) -> Scalar:
    a, c = materialize(b, left), materialize(b, right)
    return Scalar(b.emitter.op(f"arith.{op} {a.name}, {c.name} : index"), index, poly, nonneg)


def _fold(poly: Poly | None) -> int | None:
    return None if poly is None else symbolic.constant_value(poly)


def add(b: Builder, left: Operand, right: Operand) -> Operand:
    """left + right."""
    if isinstance(right, int) and right == 0:
        return left
    if isinstance(left, int) and left == 0:
        return right
    p, q = _poly(left), _poly(right)
    poly = symbolic.add(p, q) if p is not None and q is not None else None
    known = _fold(poly)
    if known is not None:
        return known
    return _emit(b, "addi", left, right, poly, _nonneg(left) and _nonneg(right))


def sub(b: Builder, left: Operand, right: Operand) -> Operand:
    """left - right."""
    if isinstance(right, int) and right == 0:
        return left
    p, q = _poly(left), _poly(right)
    poly = symbolic.add(p, q, -1) if p is not None and q is not None else None
    known = _fold(poly)
    if known is not None:
        return known
    return _emit(b, "subi", left, right, poly, False)


def mul(b: Builder, left: Operand, right: Operand) -> Operand:
    """left * right."""
    for x, y in ((left, right), (right, left)):
        if isinstance(x, int) and x in (0, 1):
            return y if x else 0
    p, q = _poly(left), _poly(right)
    poly = symbolic.mul(p, q) if p is not None and q is not None else None
    return _emit(b, "muli", left, right, poly, _nonneg(left) and _nonneg(right))


def floordiv(b: Builder, left: Operand, right: Operand) -> Operand:
    """left // right, rounding down."""
    _check_divisor(b, right)
    if isinstance(right, int) and right == 1:
        return left
    both = _nonneg(left) and _nonneg(right)
    return _emit(b, "divui" if both else "floordivsi", left, right, _division("floordiv", left, right), both)


def mod(b: Builder, left: Operand, right: Operand) -> Operand:
    """left % right, with the sign of `right`."""
    _check_divisor(b, right)
    if isinstance(right, int) and right == 1:
        return 0
    if _nonneg(left) and _nonneg(right):
        return _emit(b, "remui", left, right, _division("mod", left, right), True)
    quotient = _emit(b, "floordivsi", left, right, None, False)
    out = _emit(b, "subi", left, _emit(b, "muli", quotient, right, None, False), None, _nonneg(right))
    out.poly = _division("mod", left, right) or out.poly
    return out


def ceildiv(b: Builder, left: Operand, right: Operand) -> Operand:
    """left / right, rounding up."""
    _check_divisor(b, right)
    if isinstance(left, int) and isinstance(right, int):
        return -(-left // right)
    if isinstance(right, int) and right == 1:
        return left
    poly = _division("ceildiv", left, right)
    if _nonneg(left) and _nonneg(right):
        total = add(b, left, sub(b, right, 1) if isinstance(right, Scalar) else right - 1)
        return _emit(b, "divui", total, right, poly, True)
    return _emit(b, "ceildivsi", left, right, poly, False)


def extremum(b: Builder, op: str, left: Operand, right: Operand) -> Operand:
    """min or max."""
    pick = any if op == "max" else all
    return _emit(b, f"{op}si", left, right, None, pick((_nonneg(left), _nonneg(right))))


def _division(op: str, left: Operand, right: Operand) -> Poly | None:
    p, q = _poly(left), _poly(right)
    return symbolic.divide(op, p, q) if p is not None and q is not None else None


def _check_divisor(b: Builder, right: Operand) -> None:
    if isinstance(right, int) and right == 0:
        raise b.error("division by zero")
