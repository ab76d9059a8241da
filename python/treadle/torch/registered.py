"""Scans registered with PyTorch as operators: forward, backward, and what is known of them without running them."""

from __future__ import annotations

import hashlib
import linecache
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from treadle.errors import LaunchError
from treadle.runtime.scan_call import call_scan, one_or_all
from treadle.runtime.scan_vjp import Backward
from treadle.torch.shapes import Shapes

if TYPE_CHECKING:
    from treadle.frontend.scans import Scan

_SETTINGS = ("output_final_state", "reverse", "causal", "segments", "head_first", "fast_math")
_SCHEMA = "bool output_final_state, bool reverse, bool causal, int? segments, bool head_first, bool fast_math"

_names: set[str] = set()


class Operator:
    """A scan registered with PyTorch: its forward, and its backward, which is an operator of its own."""

    def __init__(self, scan: Scan, count: int) -> None:
        self.scan = scan
        self.shapes = Shapes(scan, count)
        self.inputs = tuple(p.name for p in scan.inputs)
        self.states = tuple(f"{p.name}_initial" for p in scan.states)
        self.constants = tuple(scan.constants)
        self.outputs = ("o",) if count == 1 else tuple(f"o{i}" for i in range(count))
        self.name = _unused_name(scan, count)
        self.tensors = len(self.inputs) + len(self.states) + 1
        """The first arguments, which are tensors or None: inputs, initial states, cu_seqlens."""
        finals = [f"{p.name}_final" for p in scan.states]
        self.weights = tuple(f"{x}_grad" for x in (*self.outputs, *finals))
        """What the backward takes beside them."""
        self._register()

    def _register(self) -> None:
        """Names in schemas are the step's own, so that graphs and errors show them."""
        given = [f"Tensor {_ascii(x)}" for x in self.inputs]
        given += [f"Tensor? {_ascii(x)}" for x in (*self.states, "cu_seqlens")]
        weights = [f"Tensor? {_ascii(x)}" for x in self.weights]
        rest = [_SCHEMA, *(f"{_schema_type(x)} {_ascii(name)}" for name, x in self.scan.constants.items())]
        forward = torch.library.custom_op(
            f"treadle::{self.name}",
            self._forward,
            mutates_args=(),
            schema=f"({', '.join([*given, *rest])}) -> {_types(len(self.weights))}",
        )
        backward = torch.library.custom_op(
            f"treadle::{self.name}_backward",
            self._backward,
            mutates_args=(),
            schema=f"({', '.join([*given, *weights, *rest, 'str gradients'])}) -> "
            f"{_types(len(self.shapes.floats) + len(self.states))}",
        )
        forward.register_fake(self._forward_fake)
        backward.register_fake(self._backward_fake)
        forward.register_autograd(self._differentiate, setup_context=self._remember)
        backward.register_autograd(self._no_second)
        self.forward = getattr(torch.ops.treadle, self.name).default
        self.backward = getattr(torch.ops.treadle, f"{self.name}_backward").default

    # -----------------------------------------------------------------------------------------------------------------
    # What the operators do
    # -----------------------------------------------------------------------------------------------------------------

    def _read(self, given: Sequence[Any], rest: Sequence[Any]) -> tuple[list[Any], Any, dict[str, Any], dict[str, Any]]:
        """Inputs, the initial state as scans take it, settings, constants."""
        inputs, states = list(given[: len(self.inputs)]), given[len(self.inputs) : -1]
        settings = dict(zip(_SETTINGS, rest, strict=False))
        settings["cu_seqlens"] = given[-1]
        constants = dict(zip(self.constants, rest[len(_SETTINGS) :], strict=True))
        initial = None if all(x is None for x in states) else one_or_all(states)
        return inputs, initial, settings, {name: x for name, x in constants.items() if x is not None}

    def _weights(self, flat: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        """What the backward takes after the forward's tensors: gradients of results, and the rest."""
        after = self.tensors + len(self.weights)
        return flat[self.tensors : after], flat[after:-1]

    def _forward(self, *flat: Any) -> Any:
        inputs, initial, settings, constants = self._read(flat[: self.tensors], flat[self.tensors :])
        with torch.no_grad():
            o, final = call_scan(self.scan, *inputs, initial_state=initial, **settings, **constants)
        if final is None:
            final = tuple(inputs[0].new_empty(0, dtype=torch.float32) for _ in self.states)
        return one_or_all([*several(o), *several(final)])

    def _forward_fake(self, *flat: Any) -> Any:
        inputs, initial, settings, constants = self._read(flat[: self.tensors], flat[self.tensors :])
        return one_or_all(self.shapes.results(inputs, several(initial), settings, constants))

    def _backward(self, *flat: Any) -> Any:
        weights, rest = self._weights(flat)
        inputs, initial, settings, constants = self._read(flat[: self.tensors], rest)
        settings["initial_state"] = initial
        backward = Backward(self.scan, tuple(inputs), constants, settings)
        o_grad, final_grad = weights[: len(self.outputs)], list(weights[len(self.outputs) :])
        if all(x is None for x in final_grad):
            final_grad = []
        elif any(x is None for x in final_grad):
            zeros = [torch.zeros_like(x) for x in backward.launch.new_states().values()]
            final_grad = [zero if x is None else x for x, zero in zip(final_grad, zeros, strict=True)]
        with torch.no_grad():
            found = backward.run(
                one_or_all(o_grad), one_or_all(final_grad) if final_grad else None, flat[-1].split(",")
            )
        states = several(found.get("initial_state"))
        if not states:
            states = tuple(inputs[0].new_empty(0, dtype=torch.float32) for _ in self.states)
        made = [
            self.shapes.laid_out(name, found[name], settings["head_first"]) if name in found else inputs[0].new_empty(0)
            for name in self.shapes.floats
        ]
        return one_or_all([*made, *states])

    def _backward_fake(self, *flat: Any) -> Any:
        inputs, initial, settings, _ = self._read(flat[: self.tensors], self._weights(flat)[1])
        made = list(self.shapes.gradients(inputs, several(initial), settings["head_first"]))
        for i, name in enumerate(self.shapes.floats):
            if name not in flat[-1].split(","):
                made[i] = inputs[0].new_empty(0)
        return one_or_all(made)

    # -----------------------------------------------------------------------------------------------------------------
    # Autograd
    # -----------------------------------------------------------------------------------------------------------------

    def _remember(self, ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[: self.tensors])
        ctx.rest = inputs[self.tensors :]

    def _differentiate(self, ctx: Any, *weights: Any) -> tuple[Any, ...]:
        """The gradients for all arguments of the forward."""
        given, rest = ctx.saved_tensors, ctx.rest
        none: tuple[Any, ...] = (None,) * (self.tensors + len(rest))
        settings = dict(zip(_SETTINGS, rest, strict=False))
        if not settings["output_final_state"]:
            weights = (*weights[: len(self.outputs)], *(None for _ in self.states))
        if all(x is None for x in weights):
            return none
        wanted = [name for name, asked in zip(self.inputs, ctx.needs_input_grad, strict=False) if asked]
        found = several(self.backward(*given, *weights, *rest, ",".join(wanted)))
        of_states = found[len(self.shapes.floats) :] if given[len(self.inputs)] is not None else ()
        by_name = dict(zip(self.shapes.floats, found, strict=False)) | dict(zip(self.states, of_states, strict=False))
        needed = zip((*self.inputs, *self.states), ctx.needs_input_grad, strict=False)
        gradients = [by_name.get(name) if wanted else None for name, wanted in needed]
        return (*gradients, *none[len(gradients) :])

    def _no_second(self, ctx: Any, *weights: Any) -> None:
        raise LaunchError(
            f"{self.scan.name}: expected gradients to be asked for once, found a gradient of a gradient; "
            "scans have first derivatives only"
        )


def several(values: Any) -> tuple[Any, ...]:
    """None, one or several, as a tuple."""
    return () if values is None else tuple(values) if isinstance(values, (tuple, list)) else (values,)


def _unused_name(scan: Scan, count: int) -> str:
    """The scan's name and a few digits of a hash of its source, and a number where several scans have the same."""
    text = "".join(linecache.getlines(scan.path)) or scan.path
    content = "\n".join(map(str, (scan.name, scan.line, scan.dtype, scan.chunk, scan.num_warps, count, text)))
    digits = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    first = name = f"{_ascii(scan.name)}_{digits}"
    number = 1
    while name in _names:
        number += 1
        name = f"{first}_{number}"
    _names.add(name)
    return name


def _ascii(name: str) -> str:
    """A name as PyTorch takes it: other letters as their numbers."""
    return re.sub(r"[^A-Za-z0-9_]", lambda letter: f"u{ord(letter[0]):x}", name)


def _schema_type(default: Any) -> str:
    """Of a constant, by its default; None: the size of an axis, which mostly comes from the arrays."""
    return "int?" if default is None else type(default).__name__


def _types(count: int) -> str:
    """Of what an operator returns."""
    return "Tensor" if count == 1 else f"({', '.join(['Tensor'] * count)})"
