"""Numbers and strings in MLIR's spelling."""

from __future__ import annotations

import math

from treadle.frontend.dtypes import DType

_INF = {"f32": 0x7F800000, "f16": 0x7C00, "bf16": 0x7F80}
_NAN = {"f32": 0x7FC00000, "f16": 0x7E00, "bf16": 0x7FC0}
_SIGN = {"f32": 0x80000000, "f16": 0x8000, "bf16": 0x8000}
# The smallest magnitude that rounds to infinity.
_OVERFLOW = {"f32": float.fromhex("0x1.ffffffp127"), "f16": 65520.0, "bf16": float.fromhex("0x1.ffp127")}


def float_text(value: float, dtype: DType) -> str:
    """`value` as a literal of `dtype`; OverflowError when a finite value rounds to infinity."""
    name = dtype.name
    if math.isnan(value):
        return f"0x{_NAN[name]:X}"
    if math.isinf(value):
        return f"0x{_INF[name] | (_SIGN[name] if value < 0 else 0):X}"
    if abs(value) >= _OVERFLOW[name]:
        raise OverflowError
    text = repr(float(value))
    mantissa, e, exponent = text.partition("e")
    if "." not in mantissa:
        mantissa += ".0"
    return mantissa + e + exponent


def int_text(value: int, dtype: DType) -> str:
    """`value` as a literal of `dtype`; OverflowError when it does not fit."""
    limit = 1 << (dtype.bits - 1)
    if not -limit <= value < limit:
        raise OverflowError
    return str(value)


def quote(text: str) -> str:
    """A string literal."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    out = []
    for byte in text.encode():
        char = chr(byte)
        out.append(char if 32 <= byte < 127 and char not in '"\\' else f"\\{byte:02X}")
    return '"' + "".join(out) + '"'
