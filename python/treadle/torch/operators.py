"""Scans as functions of PyTorch tensors, which autograd and torch.compile know."""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from treadle.errors import KernelError, LaunchError
from treadle.runtime.scan_arrays import refuse_tangents
from treadle.runtime.scan_binding import bind
from treadle.runtime.scan_call import CALL_SETTINGS, one_or_all
from treadle.torch.registered import Operator, several
from treadle.torch.shapes import DTYPES

if TYPE_CHECKING:
    from treadle.frontend.scans import Scan

_AUTOCAST = ("cuda", "cpu")
"""Kinds of devices that have autocast and kernels."""
_SIZES = (16, 4, 64)
"""Sizes of axes for which a step is read to see how many outputs it has."""

_lock = threading.Lock()
_operators: dict[tuple[Scan, int], Operator] = {}


class Op:
    """A scan as a function of PyTorch tensors that has gradients; see `op`."""

    def __init__(self, operator: Operator, constants: Mapping[str, Any]) -> None:
        scan = operator.scan
        self.__name__ = scan.name
        self.__doc__ = scan.fn.__doc__
        self.scan = scan
        self.operator = operator
        """What is registered."""
        self._forward = operator.forward
        self._inputs = operator.inputs
        self._own = tuple(None if p.dtype is None else DTYPES[p.dtype.name] for p in scan.inputs)
        self._states = tuple(p.name for p in scan.states)
        self._outputs = len(operator.outputs)
        self._constants = {**scan.constants, **constants}

    def __repr__(self) -> str:
        return f"<treadle.torch.op {self.operator.name}>"

    def __deepcopy__(self, memo: Any) -> Op:
        return self

    def __call__(
        self,
        *args: Any,
        initial_state: Any = None,
        output_final_state: bool = False,
        cu_seqlens: Any = None,
        reverse: bool = False,
        causal: bool = True,
        segments: int | None = None,
        head_first: bool = False,
        fast_math: bool = False,
        **own: Any,
    ) -> tuple[Any, Any]:
        """Run the scan; returns (o, final_state), as `scan(...)` does with these arguments."""
        values = dict(zip(self._inputs, args, strict=False))
        constants = dict(self._constants)
        good = len(args) <= len(self._inputs)
        for name, value in own.items():
            if name in self._inputs and name not in values:
                values[name] = value
            elif name in constants:
                constants[name] = value
            else:
                good = False
        if not good or len(values) < len(self._inputs):
            bind(self.scan, args, own, CALL_SETTINGS, head_first)  # says what is wrong
        inputs = [values[name] for name in self._inputs]
        states = self._initial(initial_state)
        self._check_tensors((*self._inputs, *("initial_state" for _ in states)), (*inputs, *states))
        self._check_tensors(("cu_seqlens",), (cu_seqlens,))
        if not torch.compiler.is_compiling():
            refuse_tangents(self.scan.name, (x for x in (*inputs, *states) if x is not None))
        kind = inputs[0].device.type
        if kind in _AUTOCAST and torch.is_autocast_enabled(kind):
            inputs, states = self._cast(inputs, states, torch.get_autocast_dtype(kind))
        results = self._forward(
            *inputs,
            *states,
            cu_seqlens,
            bool(output_final_state),
            bool(reverse),
            bool(causal),
            segments,
            bool(head_first),
            bool(fast_math),
            *constants.values(),
        )
        o, final = results[: self._outputs], results[self._outputs :]
        return one_or_all(o), one_or_all(final) if output_final_state else None

    def _check_tensors(self, names: tuple[str, ...], values: tuple[Any, ...]) -> None:
        for name, value in zip(names, values, strict=True):
            if value is not None and not isinstance(value, torch.Tensor):
                found = type(value).__name__
                raise LaunchError(f"{self.scan.name}: argument '{name}': expected a tensor of PyTorch, found {found}")

    def _initial(self, value: Any) -> tuple[Any, ...]:
        """The initial states, or as many times None."""
        if value is None:
            return (None,) * len(self._states)
        states = several(value)
        if len(states) != len(self._states):
            expected = "one array" if len(self._states) == 1 else f"a tuple of {len(self._states)} arrays"
            raise LaunchError(
                f"{self.scan.name}: argument 'initial_state': expected {expected} ({', '.join(self._states)}), "
                f"found {len(states)}"
            )
        return states

    def _cast(self, inputs: list[Any], states: tuple[Any, ...], dtype: Any) -> tuple[list[Any], tuple[Any, ...]]:
        """As autocast has it: inputs without a dtype of their own in its dtype, others and states in theirs."""
        cast = []
        for x, own in zip(inputs, self._own, strict=True):
            to = dtype if own is None else own
            cast.append(x.to(to) if x.is_floating_point() and to.is_floating_point else x)
        return cast, tuple(x if x is None else x.to(torch.float32) for x in states)


def op(scan: Scan, /, **constants: Any) -> Op:
    """A scan as a function of PyTorch tensors that autograd and torch.compile know.

    The function takes what `scan(...)` takes: inputs by position or name, initial_state, output_final_state,
    cu_seqlens, reverse, causal, segments, head_first, fast_math, and constants, for which `constants` are defaults; and
    returns (o, final_state). It runs on the tensors' device, on PyTorch's current stream there, and never waits for it.

    Gradients are of all inputs and initial states that require them, first derivatives only, and are computed from
    those alone: nothing else is kept. Under autocast, inputs without a dtype of their own are cast to autocast's, the
    others and states to f32.

    It is registered as treadle::NAME_HASH, of the scan's name and source, and the backward as
    treadle::NAME_HASH_backward. Call `op` before torch.compile traces, not inside what it traces.
    """
    with _lock:
        count = _count_outputs(scan, tuple(sorted(constants.items())))
        key = (scan, count)
        if key not in _operators:
            _operators[key] = Operator(scan, count)
    return Op(_operators[key], constants)


def call_with_gradients(
    scan: Scan, args: tuple[Any, ...], own: Mapping[str, Any], where: Mapping[str, Any], **settings: Any
) -> tuple[Any, Any]:
    """A plain call, `scan(...)`, of tensors that require gradients. where: keywords that operators do not have."""
    for name, value in where.items():
        if value is not None and (name != "on" or value == "sim"):
            found = repr(value) if isinstance(value, str) else type(value).__name__
            raise LaunchError(
                f"{scan.name}: argument '{name}': expected None where gradients are required, found {found}; "
                "without gradients, call it under torch.no_grad()"
            )
    results: tuple[Any, Any] = _plain_call(scan, args, {**own, **settings})
    return results


@functools.cache
def _of_plain_calls(scan: Scan) -> Op:
    return op(scan)


@torch.compiler.disable
def _plain_call(scan: Scan, args: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, Any]:
    """Not in what torch.compile traces, which would not find the operator."""
    return _of_plain_calls(scan)(*args, **named)


@functools.cache
def _count_outputs(scan: Scan, constants: tuple[tuple[str, Any], ...]) -> int:
    """How many outputs the step has, whatever the sizes of its axes."""
    given = dict(constants)
    axes = [name for name, value in scan.constants.items() if value is None and name not in given]
    error: KernelError | None = None
    for size in _SIZES:
        try:
            return len(scan.outputs({**given, **dict.fromkeys(axes, size)}))
        except KernelError as e:
            error = error or e
    assert error is not None
    raise error
