"""Element types."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class DType:
    """An element type: `kind` is "float", "int", "bool" or "index"; `bits` its width."""

    name: str
    kind: str
    bits: int

    @property
    def size(self) -> int:
        """Bytes of one element in memory."""
        return max(1, self.bits // 8)

    @property
    def is_float(self) -> bool:
        """True for f32, f16 and bf16."""
        return self.kind == "float"

    @property
    def is_int(self) -> bool:
        """True for i8 to i64 and index; False for i1."""
        return self.kind in ("int", "index")

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"td.{self.name}"


f32 = DType("f32", "float", 32)
f16 = DType("f16", "float", 16)
bf16 = DType("bf16", "float", 16)
i64 = DType("i64", "int", 64)
i32 = DType("i32", "int", 32)
i16 = DType("i16", "int", 16)
i8 = DType("i8", "int", 8)
i1 = DType("i1", "bool", 1)
index = DType("index", "index", 64)

BY_NAME = {t.name: t for t in (f32, f16, bf16, i64, i32, i16, i8, i1, index)}
MEMORY = (f32, f16, bf16, i64, i32, i16, i8)
"""What a tensor in memory can hold."""
ARGUMENT = (f32, i32, i64, index)
"""What a scalar argument can be."""
