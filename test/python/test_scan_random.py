"""Random steps and their gradients: compiled for the CPU, against the same step run by Python in float64.

    TREADLE_SCAN_CASES=2000 TREADLE_SCAN_SIMULATED=100 pytest test/python/test_scan_random.py

A step has one to three states, and may look back over a few tokens: some states are sums of products with every kind of
decay, read by sums; some decay and are added to, some run (a maximum, a logarithm of a sum), some are in no form that
could be done in chunks. Sequences are worked on token by token, in chunks and in segments. Values stay of order one, so
that f32 follows float64; conditions compare inputs alone, which are the same in both. Gradients are those of random
sums of all results.
"""

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import treadle as td
import vjp_checks
from scan_checks import same, stored
from treadle import compiler
from treadle.errors import TreadleError

try:
    compiler.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

CASES = int(os.environ.get("TREADLE_SCAN_CASES", "60"))
SIMULATED = int(os.environ.get("TREADLE_SCAN_SIMULATED", "6"))
"""How many of them run in the simulator as well."""
RACED = (47,)
"""Kernels in which the simulator found a barrier missing."""

INPUTS = {
    "q": ("K",),
    "k": ("K",),
    "v": ("V",),
    "s": (),
    "b": ("V",),  # td.Shared
    "g": (),  # td.PerHead
    "w": ("K",),  # td.Param
}
KINDS = {"b": "Shared", "g": "PerHead", "w": "Param"}
SHAPES: tuple[tuple[str, ...], ...] = ((), ("K",), ("V",), ("K", "V"), ("K", "P+1"))

Shape = tuple[str, ...]


class Step:
    """A random step, as text."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.known: dict[str, Shape] = dict(INPUTS)
        """What an expression may use."""
        self.causal = self.rng.random() < 0.7
        self.states: dict[str, tuple[Shape, str]] = {}
        """Shape and first value of every state."""
        self.lines: list[str] = []
        self.windows: dict[str, int] = {}
        """Inputs that are seen together with so many tokens, less one, before them."""
        if self.causal:
            self._look_back(random.Random(seed + 10**6))
        # One state in no form would keep the others from chunks as well.
        self.kinds = ["linear", "linear", "running"] if seed % 2 else ["sum", "sum", "sum", "running", "free"]
        new = [name for n in range(self.rng.randint(1, 3)) for name in self._state(f"S{n}")]
        if not self.causal:
            for name in [*self.states, *(f"{name}f" for name in self.states)]:
                self.known.pop(name, None)
        shapes = self.rng.sample(SHAPES, self.rng.choice([1, 1, 2]))
        self.result = ", ".join([*(self._expression(shape, 3) for shape in shapes), *new])

    def _look_back(self, rng: random.Random) -> None:
        """Make windows of some inputs, and vectors of these."""
        forms = ["{0}.sum(0) / {1}", "td.tanh({0}[-1]) - 0.5 * {0}[0]", "({0}[1:] * {0}[:-1]).sum(0)"]
        for name in "kvs":
            if rng.random() < 0.25:
                self.windows[name] = rng.choice([2, 3, 4, 7])
                self.lines.append(f"{name} = {rng.choice(forms).format(name, self.windows[name])}")

    @property
    def states_given(self) -> list[tuple[str | int, ...]]:
        """The shapes of the states that a call takes: those of windows first."""
        past = [(size - 1, *INPUTS[name]) for name, size in self.windows.items()]
        return [*past, *(shape for shape, _ in self.states.values())]

    @property
    def text(self) -> str:
        """The file."""
        inputs = [
            f"{name}: td.Window[{', '.join([*map(repr, shape), str(self.windows[name])])}]"
            if name in self.windows
            else f"{name}: td.{KINDS.get(name, 'In')}{_items(shape)}"
            for name, shape in INPUTS.items()
        ]
        states = [f"{name}: td.State{_items(shape)} = {first}" for name, (shape, first) in self.states.items()]
        return "\n".join(
            [
                "import treadle as td",
                "",
                "",
                "@td.scan",
                f"def step({', '.join([*inputs, *states])}, *, P: td.Const = 2):",
                *(f"    {line}" for line in self.lines),
                f"    return {self.result}",
                "",
            ]
        )

    def _state(self, name: str) -> list[str]:
        """Declare a state, or two, and write its new value; the name of that."""
        kind = self.rng.choice(self.kinds)
        if kind == "linear":
            return self._linear(name)
        shape: Shape = self.rng.choice(((), ("K",), ("V",)) if "linear" in self.kinds else SHAPES)
        new = f"{name}n"
        if kind == "running":
            self.states[name] = (shape, "-td.inf")
            function = self.rng.choice(["maximum", "logaddexp"])
            self.lines.append(f"{new} = td.{function}({name}, {self._expression(shape, 2)})")
            if self.rng.random() < 0.5:
                self.lines.append(f"{name}f = td.exp({name} - {new})")
                self.known[f"{name}f"] = shape
        else:
            self.states[name] = (shape, self.rng.choice(["0", "0.0", "0.5", "-1"]))
            if kind == "sum":
                self.lines.append(f"{new} = {self._decay(shape)} * {name} + {self._expression(shape, 2)}")
                self.known[name] = shape
            else:
                self.known[name] = shape
                self.lines.append(f"{new} = td.tanh({self._expression(shape, 3)} + 0.5 * {name})")
        self.known[new] = shape
        return [new]

    def _linear(self, name: str) -> list[str]:
        """A sum of products that is read by q @ S alone."""
        shape: Shape = self.rng.choice([("K", "V"), ("K", "V"), ("K",)])
        self.states[name] = (shape, self.rng.choice(["0", "0", "0.5"]))
        new = [f"{name}n"]
        key = f"td.tanh({self._expression(('K',), 1)})"
        strength = self.rng.choice(["0.1", "1", "40"])
        scalars = ["0.9", "td.exp(-td.abs(g))", f"td.exp(-{strength} * td.softplus({self._expression((), 1)}))"]
        vectors = [f"td.exp(-{strength} * td.softplus({self._expression(('K',), 1)}))",
                   f"td.sigmoid({self._expression(('K',), 1)})"]  # fmt: skip
        way = self.rng.choice(["none", "scalar", "vector", "softmax"])
        if way == "softmax":
            self.states[f"{name}z"] = (("K",), self.rng.choice(["-td.inf", "0.0"]))
            self.lines.append(f"{name}x = {self.rng.choice(['1', '10', '60'])} * {self._expression(('K',), 1)}")
            self.lines.append(f"{name}zn = td.logaddexp({name}z, {name}x)")
            vectors = [f"td.exp({name}z - {name}zn)"]
            key = self.rng.choice([f"td.exp({name}x - {name}zn)", f"{key} * td.exp({name}x - {name}zn)", key])
            new.append(f"{name}zn")
        decay = ""
        if way == "scalar":
            decay = f"{self.rng.choice(scalars)} * "
        elif way != "none":
            decay = f"{self.rng.choice(vectors)}{'[:, None]' if len(shape) == 2 else ''} * "
        added = f"td.outer({key}, {self._expression(('V',), 1)})" if len(shape) == 2 else key
        self.lines.append(f"{name}n = {decay}{name} + {added}")
        if self.causal:
            self.lines.append(f"{name}r = td.tanh({self._expression(('K',), 1)}) @ {name}n / K")
            self.known[f"{name}r"] = shape[1:]
        return new

    def _decay(self, shape: Shape) -> str:
        """A number in (0, 1), or one for some axes of the shape, as wide as it must be."""
        way = self.rng.randrange(4)
        if way == 0 or not shape:
            return self.rng.choice(["0.9", "td.exp(-td.abs(g))", f"td.sigmoid({self._expression((), 1)})"])
        if way == 1 and len(shape) == 2:
            return f"td.sigmoid({self._expression(shape[:1], 1)})[:, None]"
        if way == 2 and len(shape) == 2:
            return f"td.exp(-td.softplus({self._expression(shape[1:], 1)}))[None, :]"
        return f"td.sigmoid({self._expression(shape, 1)})"

    def _leaf(self, shape: Shape) -> str:
        names = [name for name, its in self.known.items() if its == shape]
        if not shape:
            names += ["0.25", "-1.5", "(1 / V)"]
        if shape == ("P+1",):
            return "(1 / td.factorials(P))"
        if shape == ("K", "P+1"):
            names += ["td.powers(td.tanh(q), P)", "td.powers(td.sin(k), P) / td.factorials(P)"]
        if not names:
            row, column = (self._leaf((axis,)) for axis in shape)
            return self.rng.choice([f"td.outer({row}, {column})", f"{row}[:, None] * {column}[None, :]"])
        return self.rng.choice(names)

    def _expression(self, shape: Shape, depth: int) -> str:
        """An expression of a shape, of order one."""
        if depth == 0 or shape == ("P+1",) or self.rng.random() < 0.15:
            return f"({self._leaf(shape)})"
        ways = [self._unary, self._binary, self._where, self._spread]
        return self.rng.choice([*ways, *([self._reduced] * 3 if shape != ("K", "P+1") else [])])(shape, depth - 1)

    def _unary(self, shape: Shape, depth: int) -> str:
        x = self._expression(shape, depth)
        forms = [
            "td.tanh({})", "td.sigmoid({})", "td.sin({})", "td.cos({})", "td.silu(td.tanh({}))", "-{}", "td.erf({})",
            "td.sqrt(td.abs({}) + 0.1)", "td.log1p(td.abs({}))", "td.rsqrt(1 + td.abs({}))", "td.stop_gradient({})",
            "td.exp(td.minimum({}, 1.0))", "td.log2(1.5 + td.abs({}))", "td.exp2(td.tanh({}))", "td.softplus({})",
        ]  # fmt: skip
        return self.rng.choice(forms).format(x)

    def _binary(self, shape: Shape, depth: int) -> str:
        x, y = self._expression(shape, depth), self._expression(shape, depth)
        forms = ["({} + {})", "({} - {})", "td.tanh({}) * td.cos({})", "td.maximum({}, {})", "td.minimum({}, {})",
                 "({} / (1.5 + td.abs({})))"]  # fmt: skip
        return self.rng.choice(forms).format(x, y)

    def _where(self, shape: Shape, depth: int) -> str:
        """A choice by inputs."""
        names = {("K",): ("q", "k"), ("V",): ("v", "b"), (): ("s", "g")}.get(shape[:1], ("s", "g"))
        left, right = names
        condition = self.rng.choice([f"{left} > {right}", f"{left} <= 0.25"])
        if len(shape) == 2:
            condition = f"({condition})[:, None]"
        return f"td.where({condition}, {self._expression(shape, depth)}, {self._expression(shape, depth)})"

    def _spread(self, shape: Shape, depth: int) -> str:
        """Something of fewer axes, broadcast."""
        if not shape:
            return f"td.tanh({self._expression((), depth)})"
        if len(shape) == 1:
            size = shape[0]
            forms = [f"{{}} * {self._leaf(shape)}", f"td.broadcast_to({{}} + 0 * s, ({size},))"]
            return f"({self.rng.choice(forms)})".format(f"td.sin({self._expression((), depth)})")
        row = f"td.tanh({self._expression(shape[:1], depth)})"
        if shape[1] == "P+1":
            return f"({row}[:, None] * {self._leaf(shape)})"
        return f"td.outer({row}, {self._expression(shape[1:], depth)})"

    def _reduced(self, shape: Shape, depth: int) -> str:
        """Something of more axes, reduced."""
        if not shape:
            x = self._expression(self.rng.choice([("K",), ("V",)]), depth)
            forms = [f"({x}).max()", f"({x}).sum(0) / 8", f"({x}).min(0)",
                     f"td.reduce(lambda a, b: td.maximum(a, b), {x}, 0)",
                     f"td.tanh(q @ ({self._expression(('K',), depth)}))",
                     f"td.reshape({self._expression(('K',), depth)}, (K, 1)).max(1).max(0)"]  # fmt: skip
            return f"({self.rng.choice(forms)})"
        x = self._expression(("K", "V"), depth)
        if shape == ("V",):
            forms = [f"({x}).max(0)", f"(k @ ({x})) / K", f"({x}).sum(0) / K", f"(({x}).T @ q) / K"]
            return f"({self.rng.choice(forms)})"
        if shape == ("K",):
            series = self._expression(("K", "P+1"), depth)
            forms = [f"({x}).min(1)", f"(({x}) @ v) / V", f"({x}).sum(1) / V", f"({series}).sum(1) / 3",
                     f"(({series}) @ td.factorials(P)) / 6", f"(b @ ({x}).T) / V"]  # fmt: skip
            return f"({self.rng.choice(forms)})"
        return f"(({x}) * ({self._expression(('K', 'V'), depth)}).sum(1, keepdims=True) / V)"


def _items(shape: Shape) -> str:
    return f"[{', '.join(repr(axis) for axis in shape)}]" if shape else ""


def call(step: Step, seed: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Random inputs and settings for a step, and how to compute it."""
    rng = np.random.default_rng(seed)
    B, T = int(rng.integers(1, 3)), int(rng.choice([0, 1, 2, 3, 5, 9, 16, 17, 40, 70]))
    H, G = ((1, 1), (3, 3), (4, 2), (2, 1))[rng.integers(4)]
    sizes = {"K": int(rng.choice([1, 2, 3, 5, 8, 16, 19])), "V": int(rng.choice([1, 2, 4, 7, 16, 33]))}
    if rng.random() < 0.2:  # several blocks share a state
        sizes = {"K": int(rng.choice([33, 70])), "V": int(rng.choice([96, 130]))}
    settings: dict[str, Any] = {"output_final_state": True, "reverse": bool(rng.integers(2)), "causal": step.causal}
    rows = B
    if rng.random() < 0.3:
        B, rows = 1, 3
        settings["cu_seqlens"] = np.array([0, *sorted(rng.integers(0, T + 1, 2)), T])
    if rng.random() < 0.5:
        # As far as a state goes: what runs may have seen anything, or nothing.
        settings["initial_state"] = tuple(
            rng.standard_normal(
                (rows, H, *(axis if isinstance(axis, int) else sizes.get(axis, 3) for axis in shape))
            ).astype(np.float32)
            for shape in step.states_given
        )
        if len(step.states_given) == 1:
            (settings["initial_state"],) = settings["initial_state"]
    dtype = str(rng.choice(["f32", "f32", "f16", "bf16"]))
    inputs = {}
    for name, shape in INPUTS.items():
        heads = G if name in "kvg" else H
        indices = {"b": (B, T), "g": (heads,), "w": ()}.get(name, (B, T, heads))
        array = rng.standard_normal((*indices, *(sizes[axis] for axis in shape)))
        inputs[name] = stored(array, "f32" if name in "gw" else dtype)
    how: dict[str, Any] = {"chunk": int(rng.choice([0, 1, 16, 32])), "num_warps": int(rng.choice([0, 0, 2, 8]))}
    if step.causal:
        how["segments"] = (None, 1, 2, 3)[rng.integers(4)]
    return inputs, settings, how


def drawn(seed: int, folder: Path) -> tuple[Any, tuple[dict[str, Any], ...], str]:
    """A scan, the inputs, settings and ways of a call, and what to say about it."""
    pytest.importorskip("ml_dtypes")
    step = Step(seed)
    path = folder / "step.py"
    path.write_text(step.text)
    inputs, settings, how = call(step, seed)
    shown = {name: x.shape if isinstance(x, np.ndarray) else x for name, x in {**inputs, **settings, **how}.items()}
    return td.load_scans(path)["step"], (inputs, settings, how), f"seed {seed}: {shown}\n{step.text}"


@pytest.mark.parametrize("seed", range(CASES))
def test_random(seed: int, tmp_path: Path) -> None:
    scan, (inputs, settings, how), where = drawn(seed, tmp_path)
    expected = scan.reference(**inputs, **settings)
    for on in ("cpu", *(("sim",) if seed < SIMULATED or seed in RACED else ())):
        same(scan(**inputs, **settings, **how, on=on), expected, f"{on}, {where}")


@pytest.mark.parametrize("seed", range(CASES))
def test_random_gradients(seed: int, tmp_path: Path) -> None:
    scan, (inputs, settings, how), where = drawn(seed, tmp_path)
    for on in ("cpu", *(("sim",) if seed < SIMULATED and settings["causal"] else ())):
        with np.errstate(all="ignore"):
            vjp_checks.check(scan, inputs, **settings, **how, on=on, what=f"{on}, {where}")
