"""Each sketch over its grid, with the recurrence that defines it and random inputs for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import chunk_forms
import numpy as np
import numpy.typing as npt
import recurrences
from tiles import View

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

C = 64
B, H, K, V, V_TILE = 2, 3, 16, 16, 8
D, D_TILE = 8, 4


@dataclass(frozen=True)
class Sketch:
    """A chunk form: its program, its definition, its parameters in order, and the shapes of its states."""

    name: str
    definition: Callable[..., recurrences.Results]
    inputs: tuple[str, ...]
    result: str
    states: Mapping[str, tuple[int, ...]]
    tiled: bool = True
    orders: int = 0

    def run(self, arrays: Mapping[str, Array], dtype: npt.DTypeLike = np.float64, chunk: int = C) -> Arrays:
        """The sketch over all blocks, in `dtype`, outputs poisoned."""
        given = {name: View(np.asarray(arrays[name], dtype)) for name in (*self.inputs, *self.states)}
        blank = {self.result: arrays["v"].shape, **self.states}
        written = {name: np.full(shape, np.nan, dtype) for name, shape in blank.items()}
        views = (*given.values(), *(View(array) for array in written.values()))
        program = getattr(chunk_forms, self.name)
        if self.orders:
            for b, d in itertools.product(range(B), range(0, D, D_TILE)):
                program(*views, b=b, d=d, C=chunk, D=D_TILE, P=self.orders - 1)
        else:
            width = V_TILE if self.tiled else V
            for b, h, e in itertools.product(range(B), range(H), range(0, V, width)):
                program(*views, b=b, h=h, e=e, C=chunk, K=K, V=width)
        return written

    def define(self, arrays: Mapping[str, Array]) -> Arrays:
        """The recurrence, in float64."""
        return self.definition(**{name: np.asarray(array, np.float64) for name, array in arrays.items()})

    def draw(
        self, T: int, rng: np.random.Generator, *, decay: float = 0.1, spread: float = 1.0, state: bool = True
    ) -> Arrays:
        """Random inputs. `decay` scales the log-decays, `spread` the keys; without `state` the sequence starts
        afresh."""
        if self.orders:
            arrays = {name: rng.standard_normal((B, T, D)) for name in "qkv"}
        else:
            arrays = {name: rng.standard_normal((B, T, H, K if name != "v" else V)) for name in "qkv"}
        arrays["k"] *= spread
        if "slope" in self.inputs:
            arrays["slope"] = decay * np.arange(1.0, H + 1)
        if "g" in self.inputs:
            arrays["g"] = -decay * rng.exponential(size=arrays["q"].shape if self.name == "vector_decay" else (B, T, H))
        for name, shape in self.states.items():
            arrays[name] = rng.standard_normal(shape) if state else np.full(shape, EMPTY.get(name, 0.0))
        if state and self.name in ("element_wise", "based"):  # denominators come from keys, never from free numbers
            before = self.draw(5, rng, spread=spread, state=False)
            arrays.update({name: array for name, array in self.define(before).items() if name in self.states})
        return arrays

    def cut(self, arrays: Arrays, start: int, stop: int) -> Arrays:
        """The inputs of tokens start … stop."""
        return {name: a[:, start:stop] if name in "qkvg" else a for name, a in arrays.items()}


EMPTY = {"z": -np.inf, "mu": np.inf}
_STATE = {"S": (B, H, K, V)}
_F = 1 + K + K * K

SKETCHES = [
    Sketch("constant_decay", recurrences.constant_decay, ("q", "k", "v", "slope"), "o", _STATE),
    Sketch("scalar_decay", recurrences.scalar_decay, ("q", "k", "v", "g"), "o", _STATE),
    Sketch("vector_decay", recurrences.vector_decay, ("q", "k", "v", "g"), "o", _STATE),
    Sketch("lightnet", recurrences.lightnet, ("q", "k", "v"), "o", {**_STATE, "z": (B, H, K)}),
    Sketch(
        "element_wise", recurrences.element_wise, ("q", "k", "v"), "y",
        {"S": (B, 3, D), "Z": (B, 3, D), "mu": (B, D)}, orders=3,
    ),
    Sketch("based", recurrences.based, ("q", "k", "v"), "o", {"S": (B, H, _F, V), "n": (B, H, _F)}, tiled=False),
]  # fmt: skip
BY_NAME = {sketch.name: sketch for sketch in SKETCHES}
