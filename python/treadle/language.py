"""The language: what a kernel, and the step of a scan (td.scan), is written in.

Values are *tiles* (static shape, extents powers of two), *scalars* (index for integers, f32, i1…) and compile-time
constants (Python numbers, strings, dtypes, tuples). In a step tiles have any extents, and all values are f32, i32 or
i1. Numbers take the dtype of the other operand; two values of different dtypes are an error, `.to(dtype)` converts.
Shapes broadcast as in NumPy. Elementary functions take f32. Every function below raises KernelError, at the line of the
call, when its operands do not fit.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from treadle.errors import TreadleError
from treadle.frontend.annotations import (
    Align,
    Const,
    In,
    MaxBytes,
    Optional,
    Param,
    PerHead,
    Shared,
    State,
    Strides,
    Tensor,
    Window,
    strided,
)
from treadle.frontend.declared import Function, Kernel
from treadle.frontend.dtypes import DType, bf16, f16, f32, i1, i8, i16, i32, i64, index
from treadle.frontend.mixers import Mixer
from treadle.frontend.scans import Scan

if TYPE_CHECKING:
    import os

__all__ = [
    "Align",
    "Const",
    "DType",
    "Function",
    "In",
    "Kernel",
    "MaxBytes",
    "Mixer",
    "Optional",
    "Param",
    "PerHead",
    "Scan",
    "Shared",
    "State",
    "Strides",
    "Tensor",
    "Tile",
    "Window",
    "abs",
    "arange",
    "argmax",
    "bf16",
    "broadcast_to",
    "cdiv",
    "concat",
    "cos",
    "cummax",
    "cumsum",
    "dot",
    "erf",
    "exp",
    "exp2",
    "f16",
    "f32",
    "factorials",
    "full",
    "function",
    "grid",
    "i1",
    "i8",
    "i16",
    "i32",
    "i64",
    "index",
    "inf",
    "kernel",
    "load",
    "load_kernels",
    "load_scans",
    "log",
    "log1p",
    "log2",
    "logaddexp",
    "maximum",
    "minimum",
    "mixer",
    "next_power_of_two",
    "outer",
    "position",
    "powers",
    "reduce",
    "reshape",
    "rsqrt",
    "scan",
    "sigmoid",
    "silu",
    "sin",
    "softplus",
    "sqrt",
    "static_assert",
    "static_range",
    "stop_gradient",
    "strided",
    "tanh",
    "taylor",
    "transpose",
    "where",
    "zeros",
]  # fmt: skip

inf = float("inf")

BUILTINS: dict[Callable[..., Any], str] = {}
"""The functions below that only a kernel can call, by what stands for them here."""

_F = TypeVar("_F", bound=Callable[..., Any])


def _builtin(fn: _F) -> _F:
    @functools.wraps(fn)
    def outside(*args: object, **kwargs: object) -> Any:
        raise TreadleError(f"td.{fn.__name__} can only be called inside a kernel or a step")

    BUILTINS[outside] = fn.__name__
    return outside  # type: ignore[return-value]


def _also_on_host(fn: _F) -> _F:
    BUILTINS[fn] = fn.__name__
    return fn


@functools.cache
def signature_of(fn: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function, remembered."""
    return inspect.signature(fn)


@overload
def kernel(fn: Callable[..., Any], /) -> Kernel: ...
@overload
def kernel(
    *, dtype: str = ..., num_warps: int = ..., num_stages: int = ...
) -> Callable[[Callable[..., Any]], Kernel]: ...
def kernel(
    fn: Callable[..., Any] | None = None, /, *, dtype: str = "bf16", num_warps: int = 4, num_stages: int = 2
) -> Any:
    """Make a function a kernel: `@td.kernel` or `@td.kernel(num_warps=8, num_stages=3, dtype="f32")`.

    dtype: of tensors annotated without one; num_warps: warps of a block, a power of two up to 32; num_stages: depth of
    the software pipeline, 1 for none. All can be overridden when the kernel is compiled.
    """

    def make(function: Callable[..., Any]) -> Kernel:
        if not isinstance(function, FunctionType):
            raise TreadleError(f"td.kernel decorates a function, not {function!r}")
        return Kernel(function, str(dtype), num_warps, num_stages)

    return make if fn is None else make(fn)


def function(fn: Callable[..., Any]) -> Function:
    """Make a function that kernels inline: `@td.function`. Plain Python functions are inlined as well."""
    if not isinstance(fn, FunctionType):
        raise TreadleError(f"td.function decorates a function, not {fn!r}")
    return Function(fn)


def load_kernels(path: str | os.PathLike[str]) -> dict[str, Kernel]:
    """Import a Python file: its kernels by name, in the order of definition. Mistakes in it are KernelErrors."""
    from treadle.frontend.loading import load_kernels as load_file

    return load_file(path)


def load_scans(path: str | os.PathLike[str]) -> dict[str, Scan]:
    """Import a Python file: its scans by name, in the order of definition. Mistakes in it are KernelErrors."""
    from treadle.frontend.loading import load_scans as load_file

    return load_file(path)


class Tile:
    """The methods of tiles and scalars. Also `t.shape`, `t.dtype`, `t.T` (last two axes swapped), `t[:, None]`,
    `t[..., None]`.

    `t[16:32, :]` is a block: on every axis `:` or a slice with constant bounds, whose size is a power of two and whose
    start is a multiple of the size. A row is the block `t[15:16, :]`.

    In a step any constant index and slice without a step will do, on some axes or all, counted from the end where they
    are negative: `x[3]`, `x[-1]`, `x[1:5]`, `x[:, 0]`, `x[..., 1:]`. A single index leaves its axis out.
    """

    def to(self, dtype: DType) -> Any:
        """Convert to `dtype`: float to integer truncates, to i1 compares with 0. A tile cannot become index."""

    def sum(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """Sum along an axis (None: all, a scalar). f32 or integers; bf16 and f16 are an error."""

    def max(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """Maximum along an axis (None: all); NaN wins."""

    def min(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """Minimum along an axis (None: all); NaN wins."""


@_builtin
def grid(*axes: Any) -> Any:
    """Declare the launch grid, 1 to 3 axes, and return this block's index on each, as a tuple.

    Each axis is an expression over dimensions (`x.shape`) and constants, with + - * // % and td.cdiv. Once per kernel,
    outside control flow.
    """


@_builtin
def load(element: Any, *, other: Any = None) -> Any:
    """`td.load(x[i : i + 64, :], other=-td.inf)`: load, reading `other` out of bounds instead of 0."""


@_also_on_host
def cdiv(a: Any, b: Any) -> Any:
    """Integer quotient rounded up. Scalars or constants; also a Python function."""
    return -(-a // b)


@_also_on_host
def next_power_of_two(n: int) -> int:
    """The smallest power of two that is at least `n`, a constant; also a Python function."""
    return 1 << max(0, n - 1).bit_length()


@_builtin
def static_range(*bounds: int) -> Any:
    """`for i in td.static_range(4):` unrolls the loop; `i` is a constant. Like range, with constant bounds."""


@_builtin
def static_assert(condition: Any, message: str = "") -> None:
    """Stop compilation with `message` unless a compile-time condition holds."""


@_builtin
def zeros(shape: Any, dtype: DType) -> Any:
    """A tile of zeros. shape: an int or a tuple of constant powers of two."""


@_builtin
def full(shape: Any, value: Any, dtype: DType) -> Any:
    """A tile of `value`, a number or a scalar of `dtype`."""


@_builtin
def arange(lo: int, hi: int | None = None) -> Any:
    """lo, lo + 1, … hi - 1 (or 0 … lo - 1): i32, one axis. Constant bounds, a power of two apart."""


@_builtin
def where(condition: Any, x: Any, y: Any) -> Any:
    """x where condition (i1), else y, elementwise with broadcasting; both are computed."""


@_builtin
def maximum(x: Any, y: Any) -> Any:
    """Elementwise maximum with broadcasting; NaN wins."""


@_builtin
def minimum(x: Any, y: Any) -> Any:
    """Elementwise minimum with broadcasting; NaN wins."""


@_builtin
def abs(x: Any) -> Any:
    """Magnitude, of floats or integers."""


@_builtin
def exp(x: Any) -> Any:
    """e to the x. Like every elementary function: f32 scalar or tile; constants are computed by Python."""


@_builtin
def exp2(x: Any) -> Any:
    """2 to the x (f32)."""


@_builtin
def log(x: Any) -> Any:
    """Natural logarithm (f32)."""


@_builtin
def log1p(x: Any) -> Any:
    """log(1 + x), exact for small x (f32)."""


@_builtin
def log2(x: Any) -> Any:
    """Logarithm to base 2 (f32)."""


@_builtin
def sqrt(x: Any) -> Any:
    """Square root (f32)."""


@_builtin
def rsqrt(x: Any) -> Any:
    """1 / square root (f32)."""


@_builtin
def sin(x: Any) -> Any:
    """Sine (f32)."""


@_builtin
def cos(x: Any) -> Any:
    """Cosine (f32)."""


@_builtin
def tanh(x: Any) -> Any:
    """Hyperbolic tangent (f32)."""


@_builtin
def erf(x: Any) -> Any:
    """Error function (f32)."""


@_builtin
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), 0 and 1 at the infinities (f32)."""


@_builtin
def silu(x: Any) -> Any:
    """x * sigmoid(x) (f32)."""


@_builtin
def logaddexp(x: Any, y: Any) -> Any:
    """log(exp(x) + exp(y)) without overflow; exact when an operand is infinite (f32)."""


@_builtin
def softplus(x: Any) -> Any:
    """log(1 + exp(x)) without overflow (f32)."""


@_builtin
def outer(x: Any, y: Any) -> Any:
    """x[:, None] * y[None, :]: [K], [V] → [K, V]."""


@_builtin
def powers(x: Any, P: int, first: Any = 1.0) -> Any:
    """x[..., None] ** (0, 1, … P): [...] → [..., P + 1], products of f32; 0 ** 0 is 1. P: a constant.

    first: a number, or a tile of x's shape, that all are multiplied by: first, first x, first x², …
    """


@_builtin
def factorials(P: int) -> Any:
    """0!, 1!, … P! as an f32 tile [P + 1]. P: a constant, up to 34."""


@_builtin
def concat(xs: Any, axis: int = 0) -> Any:
    """Tiles one after the other along an axis: [3, K], [2, K] → [5, K]. In a step.

    xs: a list or tuple of tiles of one dtype, f32, i32 or i1, of any sizes along the axis and the same along others;
    among vectors, a number or scalar is one element. Parts that do not fit, and no parts, are errors.
    """


@_builtin
def taylor(x: Any, order: int = 2) -> Any:
    """1, x, and x[i] * x[j] / sqrt(2) for all i and j: f32 [K] → [1 + K + K * K]; of order 1: [1 + K]. In a step.

    taylor(q) @ taylor(k) is exp's Taylor polynomial 1 + s + s * s / 2 of s = q @ k. A state that such keys are written
    to is td.State["1+K+K*K", "V"]. Other orders, and operands of several axes, are errors; so is, when it is compiled,
    order 2 where K is no power of two.
    """


@_builtin
def position() -> Any:
    """The number of the token in its sequence, from 0: an f32 scalar, exact up to 2**24. In a causal step.

    It goes on from a state of the name "position", f32 [batch, heads], how many tokens there were. That is the last of
    the scan's states and not returned by the step. With reverse=True tokens count from the end.
    """


@_builtin
def stop_gradient(x: Any) -> Any:
    """x itself, which gradients take for a constant: they are right where results do not change with it.

    So it is with a scale that is divided out again. `treadle-verify` fails where results do.
    """


@_builtin
def dot(a: Any, b: Any, acc: Any = None, precision: str = "ieee") -> Any:
    """a · b + acc: [M, K] · [K, N] → f32 [M, N]; also `a @ b`.

    In a step, `@` takes a vector and a vector or matrix: [K] · [K, V] → [V], [V, K] · [K] → [V], [K] · [K] → a scalar.

    a and b: f32, f16 or bf16, both the same; acc: f32 [M, N], zero when None. precision, of f32 operands: "ieee",
    "tf32" or "tf32x3".
    """


@_builtin
def reduce(fn: Any, xs: Any, axis: int) -> Any:
    """Reduce along an axis with `fn(a, b)`, associative (which is tried: a KernelError) and commutative, on scalars.

    xs: a tile, or a tuple of tiles of one shape: then fn takes all earlier elements, then all later ones, and returns
    a tuple. fn: a lambda or function of its arguments and constants, returning the elements' dtypes.
    """


def tile_scan(fn: Any, xs: Any, axis: int, reverse: bool = False) -> Any:
    """What `td.scan` is in a kernel: its parameters there."""


@overload
def scan(fn: Callable[..., Any], /) -> Scan: ...
@overload
def scan(*, dtype: str = ..., num_warps: int = ..., chunk: int = ...) -> Callable[[Callable[..., Any]], Scan]: ...
@overload
def scan(fn: Callable[..., Any], xs: Any, axis: int, reverse: bool = ...) -> Any: ...
def scan(fn: Any = None, *tiles: Any, dtype: str = "bf16", num_warps: int = 0, chunk: int = 0, **more: Any) -> Any:
    """Make one time step a scan over a sequence: `@td.scan` or `@td.scan(dtype="f32", num_warps=8)`.

        @td.scan
        def lightning_attention(q: td.In["K"], k: td.In["K"], v: td.In["V"], decay: td.PerHead, S: td.State["K", "V"]):
            S = td.exp(decay) * S + td.outer(k, v)
            return q @ S, S

    A step is a pure function of what one head has of one token, and of the states. Its parameters are inputs (td.In,
    td.Window, td.Shared, td.PerHead, td.Param), then states (td.State), then, after a *, constants (td.Const); it
    returns the outputs, then the new value of every state, in the order of the parameters. Values are f32 scalars and
    tiles of any size; the names of axes are constants in it. td.outer, `@` of a vector and a vector or matrix,
    .sum(axis), td.where and the elementary functions make new values; what depends on memory, on other tokens or on
    run-time control flow is an error, and so is a call of another scan, which a td.mixer has.

    dtype: of outputs, and of inputs without one; chunk: tokens that kernels for whole sequences work on at once, 16 to
    256, or 1; num_warps: warps of a block. 0 leaves the choice to the compiler. All can be overridden.

    In a kernel, `td.scan(fn, xs, axis, reverse=False)` is something else: the inclusive scan along an axis of a tile,
    or of a tuple of tiles, with an associative `fn` as in td.reduce: earlier prefix, later element.
    """
    unknown = sorted(more.keys() - signature_of(tile_scan).parameters.keys())
    if unknown:
        raise TreadleError(f"td.scan has no option {unknown[0]}; it has dtype, chunk and num_warps")
    if tiles or more:
        raise TreadleError("td.scan of tiles can only be called inside a kernel; on a step it is a decorator")

    def make(function: Callable[..., Any]) -> Scan:
        if not isinstance(function, FunctionType):
            raise TreadleError(f"td.scan decorates a function, not {function!r}")
        return Scan(function, str(dtype), num_warps, chunk)

    return make if fn is None else make(fn)


BUILTINS[scan] = "scan"


@overload
def mixer(fn: Callable[..., Any], /) -> Mixer: ...
@overload
def mixer(*, dtype: str = ..., num_warps: int = ..., chunk: int = ...) -> Callable[[Callable[..., Any]], Mixer]: ...
def mixer(fn: Callable[..., Any] | None = None, /, *, dtype: str = "bf16", num_warps: int = 0, chunk: int = 0) -> Any:
    """Make a composition of scans one scan, whose kernels do all of it at once.

        @td.mixer
        def gated(q: td.In["K"], k: td.In["K"], v: td.In["V"], g: td.In["V"], w: td.Param["W", "K"]):
            k = short_conv(k, w)
            o = lightnet(td.silu(q), k, v, scale=0.5)
            return o * td.sigmoid(g)

    It is written as the step of a td.scan, states or none, and may call scans and other mixers on values: inputs of one
    token by position or keyword, each of the shape of the callee's annotation without batch, time and heads, f32 (i32
    for inputs of integers); numbers for scalars; td.Const by keyword. A call gives the outputs for the token, a value
    or a tuple. What a td.Window is given is the token's value, and what a td.PerHead or td.Param is given may be
    computed too. Values between calls are f32, not rounded. Axes of the callee have the sizes of the arguments; one
    that none has is given by keyword, as in slots(k, M=64), or has a default.

    Each call has states of its own, created here with the callee's first values. They come after those declared, in
    the order in which calls are made, arguments before what they are given to, and are named CALLEE_STATE, from the
    second call of a name on CALLEE_2_STATE; `[p.name for p in gated.states]` lists all. The step does not return them.

    What is made is a scan: it is called, derived, differentiated and verified as one. dtype, chunk and num_warps are
    its own; those of the scans that it calls do not count.

    Errors, at the line of the call: arguments that do not fit, keywords of calls on arrays (reverse, causal,
    initial_state, cu_seqlens...), which go to the mixer; calls inside if, loops, conditional expressions and lambdas,
    in functions, through another name, and of itself. A td.scan cannot call scans.
    """

    def make(function: Callable[..., Any]) -> Mixer:
        if not isinstance(function, FunctionType):
            raise TreadleError(f"td.mixer decorates a function, not {function!r}")
        return Mixer(function, str(dtype), num_warps, chunk)

    return make if fn is None else make(fn)


@_builtin
def cumsum(x: Any, axis: int = 0, reverse: bool = False) -> Any:
    """Running sum along an axis (f32 or integers); `reverse` runs from the far end."""


@_builtin
def cummax(x: Any, axis: int = 0, reverse: bool = False) -> Any:
    """Running maximum along an axis."""


@_builtin
def argmax(x: Any, axis: int) -> Any:
    """Index of the maximum along an axis, the first of equals: i32 (index for a scalar)."""


@_builtin
def transpose(x: Any, axes: Any = None) -> Any:
    """Permute axes: result axis k is operand axis axes[k]; without axes, swap the last two."""


@_builtin
def reshape(x: Any, shape: Any) -> Any:
    """The same elements in row-major order in another shape."""


@_builtin
def broadcast_to(x: Any, shape: Any) -> Any:
    """Repeat a tile or scalar to a shape."""
