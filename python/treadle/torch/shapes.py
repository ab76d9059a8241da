"""What the operators of a scan return, by the shapes of what they are given: sizes may be symbolic."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from treadle.errors import LaunchError

if TYPE_CHECKING:
    from treadle.frontend.scans import Scan


DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "i32": torch.int32}
"""How inputs can be stored."""


class Shapes:
    """The shapes and dtypes of results. B, T and the number of sequences may be symbolic; other sizes are numbers."""

    def __init__(self, scan: Scan, count: int) -> None:
        self.scan = scan
        self.count = count
        self.floats = tuple(p.name for p in scan.inputs if p.dtype is None or not p.dtype.is_int)
        """The inputs that have gradients."""
        self.values = functools.cache(self._values)

    def results(
        self, inputs: Sequence[Any], states: Sequence[Any], settings: Mapping[str, Any], constants: Mapping[str, Any]
    ) -> list[Any]:
        """New tensors like what a call returns: outputs, and final states, which are empty if not asked for."""
        scan, head_first = self.scan, settings["head_first"]
        known = dict(constants)
        sizes: dict[str, Any] = {"B": 1, "T": 1}
        heads = [1]
        for p, x in zip(scan.inputs, inputs, strict=True):
            letters = p.indices.replace("TH", "HT") if head_first else p.indices
            if x.dim() != len(letters) + len(p.axes):
                raise LaunchError(
                    f"{scan.name}: argument '{p.name}': expected {len(letters) + len(p.axes)} axes, found {x.dim()}"
                )
            for letter, size in zip(letters, x.shape, strict=False):
                if letter == "H":
                    heads.append(int(size))
                else:
                    sizes[letter] = size
            self._name_axes(p, x.shape[len(letters) :], known)
        for s, state in zip(scan.states, states, strict=False):
            self._name_axes(s, state.shape[2:], known)
        of_outputs, of_states = self.values(tuple(sorted(known.items())))
        B, T, H = sizes["B"], sizes["T"], max(heads)
        model = next((x for p, x in zip(scan.inputs, inputs, strict=True) if p.dtype is None), None)
        dtype = DTYPES[scan.dtype] if model is None else model.dtype
        tokens = (B, H, T) if head_first else (B, T, H)
        made = [inputs[0].new_empty((*tokens, *value), dtype=dtype) for value in of_outputs]
        rows = B if settings["cu_seqlens"] is None else settings["cu_seqlens"].shape[0] - 1
        final = [(rows, H, *value) if settings["output_final_state"] else (0,) for value in of_states]
        return [*made, *(inputs[0].new_empty(shape, dtype=torch.float32) for shape in final)]

    def gradients(self, inputs: Sequence[Any], states: Sequence[Any], head_first: bool) -> list[Any]:
        """New tensors like the gradients of the inputs that have them, and of the states."""
        made = []
        for p, x in zip(self.scan.inputs, inputs, strict=True):
            if p.name not in self.floats:
                continue
            if head_first and p.indices == "BTH":
                batch, head, time, *value = x.shape
                made.append(x.new_empty((batch, time, head, *value)).swapaxes(1, 2))
            else:
                made.append(x.new_empty(x.shape))
        if not states:
            return [*made, *(inputs[0].new_empty(0, dtype=torch.float32) for _ in self.scan.states)]
        return [*made, *(state.new_empty(state.shape) for state in states)]

    def laid_out(self, name: str, gradient: Any, head_first: bool) -> Any:
        """A gradient in memory as `gradients` has it: row-major, [B, T, H, ...] with head_first too."""
        p = next(p for p in self.scan.inputs if p.name == name)
        if head_first and p.indices == "BTH":
            return gradient.swapaxes(1, 2).contiguous().swapaxes(1, 2)
        return gradient.contiguous()

    def _name_axes(self, p: Any, sizes: Sequence[Any], known: dict[str, Any]) -> None:
        for axis, size in zip(p.axes, sizes, strict=True):
            if axis.is_name:
                known.setdefault(axis.text, int(size))

    def _values(self, constants: tuple[tuple[str, Any], ...]) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        """The shapes of one value of each output and each state."""
        given = dict(constants)
        resolved = self.scan.resolve(given)
        outputs = self.scan.outputs(given)
        if len(outputs) != self.count:
            raise LaunchError(
                f"{self.scan.name}: expected {self.count} outputs, as without these constants, found {len(outputs)}; "
                "give constants that change their number to treadle.torch.op"
            )
        return [tuple(map(int, o.shape)) for o in outputs], [
            tuple(map(int, p.shape(resolved))) for p in self.scan.states
        ]
