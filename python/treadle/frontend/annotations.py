"""What a kernel's parameters are annotated with. Checked when the kernel is compiled, where errors have a place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Align:
    """`td.Align(16)`: base address and dynamic strides are multiples of this many bytes.

    `td.Align("A")` takes the number from the kernel's constant A; 0 then stands for the element's size.
    """

    bytes: int | str


@dataclass(frozen=True)
class MaxBytes:
    """`td.MaxBytes(2**31 - 1)`: from its base to its last element the tensor spans at most this many bytes.

    Up to 2**31 - 1, offsets are computed in 32 bits, which is faster; without it they take 64. The launch checks it.
    """

    bytes: int


class Strides:
    """`td.Strides(None, 1)`: the stride of each axis in elements, None where it is known at the launch only."""

    def __init__(self, *steps: int | None) -> None:
        self.steps: tuple[int | None, ...] = steps


class _Strided:
    """The type of `td.strided`."""

    def __repr__(self) -> str:
        return "td.strided"


strided = _Strided()


@dataclass(frozen=True)
class TensorSpec:
    """What `td.Tensor[...]` evaluates to: its items as written."""

    items: tuple[Any, ...]


@dataclass(frozen=True)
class OptionalSpec:
    """What `td.Optional[...]` evaluates to."""

    inner: Any


class Tensor:
    """`td.Tensor["M", "D", td.f32, td.Align(16)]`: a tensor in global memory.

    Axes are names of sizes known at the launch, integers, or names of the kernel's constants; equal names are equal
    sizes. Then, optionally: a dtype (default: the one the kernel is compiled for), `td.Align(bytes)`, and
    `td.strided` or `td.Strides(...)` (default: rows of the last axis are contiguous, other strides dynamic).

    In the kernel: `x.shape`, `x.dtype`, `x[...]` to load, `x[...] = t` to store. Each index is a scalar, a slice
    `start : start + constant` (a power of two), or `:` (a whole constant axis, padded to a power of two).
    """

    def __class_getitem__(cls, items: Any) -> TensorSpec:
        return TensorSpec(items if isinstance(items, tuple) else (items,))


class Optional:
    """`td.Optional[td.Tensor[...]] = None`: a tensor that may be absent; `if x is not None:` is decided at compile
    time."""

    def __class_getitem__(cls, inner: Any) -> OptionalSpec:
        return OptionalSpec(inner)


class Const:
    """`N: td.Const = 64`: a compile-time constant (int, float, bool or str), keyword-only and with a default."""


@dataclass(frozen=True)
class FieldSpec:
    """What `td.In["K"]`, `td.State["K", "V"]` and their like evaluate to: whose they are, and the items as written."""

    owner: type[_Field]
    items: tuple[Any, ...]


class _Field:
    """A parameter of a step: axes (names, expressions such as "P+1", integers), then a storage dtype if it matters."""

    indices: str
    """Of what there is one value each, see dialect/treadle/README.md."""

    def __class_getitem__(cls, items: Any) -> FieldSpec:
        return FieldSpec(cls, items if isinstance(items, tuple) else (items,))


class In(_Field):
    """`q: td.In["K"]`, `x: td.In["K", "V"]`, `dt: td.In`: one value for every token and head, [batch, time, heads, K].

    `td.In["K", td.f32]` fixes how it is stored; without a dtype that is the scan's. The step computes in f32.
    """

    indices = "BTH"


class Window(_Field):
    """`x: td.Window["D", 4]`, `x: td.Window["D", "W"]`: an input as td.In, with those of the tokens before it.

    The last size is how many tokens the step sees, the current one and those before, 2 at least. The array is
    [batch, time, heads, D] as for td.In["D"]; in the step x is [4, D], the oldest token first: x[-1] is the current
    token's. What precedes the first token is 0. The last 3 tokens are a state, [batch, heads, 3, D] in f32, which has
    the input's name and is not returned by the step. A dtype may follow, as in td.Window["D", 4, td.f32].
    """

    indices = "BTH"


class Shared(_Field):
    """`b: td.Shared["N"]`: one value for every token, the same for all heads, [batch, time, N]."""

    indices = "BT"


class PerHead(_Field):
    """`decay: td.PerHead`, `u: td.PerHead["K"]`: one value for every head, the same at every time, [heads, K], f32."""

    indices = "H"


class Param(_Field):
    """`w: td.Param["K"]`: one value for all, [K], f32."""

    indices = ""


class State(_Field):
    """`S: td.State["K", "V"]`, `z: td.State["K"] = -td.inf`: what a head remembers of the tokens before, f32.

    The default is its value before the first token, 0 without one. The step gets the old value and returns the new one.
    """

    indices = "BH"


def is_field(spec: Any) -> bool:
    """True for `td.In`, `td.In["K"]` and their like."""
    return isinstance(spec, FieldSpec) or (isinstance(spec, type) and issubclass(spec, _Field))
