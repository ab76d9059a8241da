"""Cases of mixers: a `td.scan` on one set of sizes, called one way. `treadle.testing` checks them like any other case.

Shapes of tensors are those that the step declares. A package's `cases.py` derives a class for each step, with a field
for each axis and each constant that cases choose, and says how inputs that are not standard normal are drawn.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from treadle.runtime.scan_call import one_or_all
from treadle.testing import Array, Case, Constants, Runner

if TYPE_CHECKING:
    from treadle.frontend.scans import Output, Scan
    from treadle.frontend.stepparams import InputParam

PACKED = (0, 0, 1, 65, 200, 200, 512)
PACKED_SMALL = (0, 0, 1, 65, 65, 90)
"""`cu_seqlens` with empty sequences at the start and between others, and those of 1 and 64 tokens."""
WARM_UP = 3
"""Tokens that lead to the initial states of a case."""


@dataclass(frozen=True, kw_only=True)
class ScanCase(Case):
    """A call of a step on B sequences of T tokens with H heads.

    Tensors are named as in the step; of a state S, `S_initial` is the initial value and `S_final` the final one. Inputs
    are drawn, and given to the definition, as [B, T, H, ...]; the call gets them as it is made.
    """

    scan: ClassVar[Scan]
    """The step."""

    B: int = 2
    T: int
    H: int = 2
    G: int = 0
    """Heads of what `grouped` names; 0: as many as there are."""
    spread: float = 1.0
    """The standard deviation of normal inputs."""
    initial: bool = False
    """From states that `WARM_UP` tokens lead to, not from the defaults."""
    final: bool = True
    cu_seqlens: tuple[int, ...] = ()
    """Where sequences begin that lie one after the other, and where the last one ends; B is then 1."""
    reverse: bool = False
    causal: bool = True
    head_first: bool = False

    def __post_init__(self) -> None:
        if self.cu_seqlens and (self.B != 1 or self.cu_seqlens[-1] != self.T):
            raise ValueError("sequences one after the other need B = 1, and the last one ends at T")

    # -----------------------------------------------------------------------------------------------------------------
    # What is called
    # -----------------------------------------------------------------------------------------------------------------

    @property
    def kernel(self) -> str:
        return self.scan.name

    @property
    def constants(self) -> Constants:
        """The step's axes and constants that are fields of the class."""
        own = {f.name for f in fields(self)}
        return {name: getattr(self, name) for name in self.scan.constants if name in own}

    @property
    def parameters(self) -> Mapping[str, Any]:
        declared = {p.name for p in self.scan.parameters}
        return {name: value for name, value in self.constants.items() if name in declared}

    @property
    def grouped(self) -> tuple[str, ...]:
        """The inputs that may have fewer heads: all that have heads and time but the first."""
        return tuple(p.name for p in self.scan.inputs if p.indices == "BTH")[1:]

    @property
    def sequences(self) -> int:
        return len(self.cu_seqlens) - 1 if self.cu_seqlens else self.B

    @property
    def variant(self) -> tuple[Any, ...]:
        how = (self.initial, self.final, bool(self.cu_seqlens), self.reverse, self.causal, self.G not in (0, self.H))
        return (*super().variant, *how)

    # -----------------------------------------------------------------------------------------------------------------
    # Tensors
    # -----------------------------------------------------------------------------------------------------------------

    @property
    def own_dtypes(self) -> Mapping[str, str]:
        own = {p.name: str(p.dtype) for p in self.scan.inputs if p.dtype is not None}
        states = {f"{p.name}_{when}": "f32" for p in self.scan.states for when in ("initial", "final")}
        return {**own, **states, "cu_seqlens": "i64"}

    def shape(self, p: InputParam) -> tuple[int, ...]:
        """Of an input, as [B, T, H, ...]."""
        sizes = {"B": self.B, "T": self.T, "H": self.G if self.G and p.name in self.grouped else self.H}
        return (*(sizes[letter] for letter in p.indices), *map(int, p.shape(self._resolved)))

    @property
    def states(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of every state, [sequences, H, ...]."""
        rows = (self.sequences, self.H)
        return {p.name: (*rows, *map(int, p.shape(self._resolved))) for p in self.scan.states}

    @property
    def given(self) -> Mapping[str, tuple[int, ...]]:
        shapes = {p.name: self._axes(p.indices, self.shape(p)) for p in self.scan.inputs}
        if self.initial:
            shapes |= {f"{name}_initial": shape for name, shape in self.states.items()}
        return shapes | ({"cu_seqlens": (len(self.cu_seqlens),)} if self.cu_seqlens else {})

    @property
    def outputs(self) -> Mapping[str, tuple[int, ...]]:
        tokens = (self.B, self.T, self.H)
        declared = _outputs(self.scan, tuple(self.constants.items()))
        shapes = {o.name: self._axes("BTH", (*tokens, *map(int, o.shape))) for o in declared}
        return shapes | ({f"{name}_final": shape for name, shape in self.states.items()} if self.final else {})

    def draw(self, rng: np.random.Generator) -> dict[str, Array]:
        """Fresh inputs of the step, [B, T, H, ...]: normal unless a mixer's class says otherwise."""
        spread = np.float32(self.spread)
        return {p.name: np.asarray(spread * rng.standard_normal(self.shape(p), np.float32)) for p in self.scan.inputs}

    def inputs(self, seed: int = 0) -> dict[str, Array]:
        rng = np.random.default_rng(seed)
        drawn = self.draw(rng)
        made = {p.name: self._axes(p.indices, drawn[p.name]) for p in self.scan.inputs}
        if self.initial:
            short = replace(self, B=self.sequences, T=WARM_UP, initial=False, cu_seqlens=())
            _, reached = self.scan.reference(**short.draw(rng), **self.constants, output_final_state=True)
            made |= {f"{name}_initial": state for name, state in zip(self.states, several(reached), strict=True)}
        return made | ({"cu_seqlens": np.array(self.cu_seqlens, np.int64)} if self.cu_seqlens else {})

    # -----------------------------------------------------------------------------------------------------------------
    # Results
    # -----------------------------------------------------------------------------------------------------------------

    def define(self, reference: Callable[..., Mapping[str, Array]], wide: Mapping[str, Array]) -> dict[str, Array]:
        """What a call should give, of float64 inputs, in the layout of the call.

        `reference` has the inputs of the step as [B, T, H, ...], all with H heads, and states as [B, H, ...] by their
        names or not at all; from the first token to the last, `causal` or not. It returns outputs and states by name.
        The initial state of a window x is x_initial.
        """
        inputs = {p.name: self._heads(p, self._axes(p.indices, wide[p.name])) for p in self.scan.inputs}
        initial = {name: wide[f"{name}_initial"] for name in self.states if self.initial}
        causal = {} if self.causal else {"causal": False}
        results = []
        for rows, times in self._parts():
            part = {p.name: self._part(p, inputs[p.name], times) for p in self.scan.inputs}
            states = {f"{name}_initial" if name in part else name: state[rows] for name, state in initial.items()}
            results.append(dict(reference(**part, **states, **self.parameters, **causal)))
        found: dict[str, Array] = {}
        for name in results[0]:
            if name in self.states:
                found[f"{name}_final"] = np.concatenate([result[name] for result in results])
            else:
                whole = np.concatenate([self._turned(result[name]) for result in results], axis=1)
                found[name] = self._axes("BTH", whole)
        return found

    def call(self, arrays: Mapping[str, Any], **settings: Any) -> dict[str, Any]:
        """Call the step on the case's tensors, NumPy's in storage form or PyTorch's; the outputs by name.

        What `arrays` has of the outputs is written there. settings: further keywords of the call, such as `on`.
        """
        _, _, names = self._names
        made, final = self.scan(
            **self._arguments(arrays),
            **self._how(arrays),
            out=one_or_all([arrays[name] for name in names]) if names[0] in arrays else None,
            **settings,
        )
        return self._by_name(made, final)

    def runner(self, **settings: Any) -> Runner:
        """Runs `call` for `testing.check`."""

        def run(
            kernel: str, constants: Constants, dtype: str, present: tuple[str, ...], arrays: Mapping[str, Any], /
        ) -> Mapping[str, Array]:
            return self.call(arrays, **settings)

        return run

    def call_step(self, arrays: Mapping[str, Any], **settings: Any) -> dict[str, Any]:
        """`.step` on one token: inputs without T, from initial states where `arrays` has them; the outputs by name."""
        given = f"{next(iter(self.states))}_initial" in arrays
        state = self._states(arrays, "initial") if given else None
        return self._by_name(*self.scan.step(**self._arguments(arrays), state=state, **settings))

    def vjp(self, arrays: Mapping[str, Any], weights: Mapping[str, Any], **settings: Any) -> dict[str, Any]:
        """Gradients of the sum of the outputs, each weighed with what it has of its name in `weights`, compiled.

        Those of the input x and of the initial state S are `x` and `S_initial`.
        """
        return self._pull(self.scan.vjp, arrays, weights, **settings)

    def reference_vjp(self, arrays: Mapping[str, Any], weights: Mapping[str, Any]) -> dict[str, Array]:
        """Those of the step run by Python, of float64 arrays."""
        return self._pull(self.scan.reference_vjp, arrays, weights)

    def reference(self, arrays: Mapping[str, Any]) -> dict[str, Array]:
        """All outputs of the step run by Python, of float64 arrays."""
        return self._by_name(*self.scan.reference(**self._arguments(arrays), **self._how(arrays)))

    # -----------------------------------------------------------------------------------------------------------------

    def _pull(
        self, vjp: Callable[..., Any], arrays: Mapping[str, Any], weights: Mapping[str, Any], **settings: Any
    ) -> dict[str, Any]:
        """What the pullback of a call gives."""
        _, states, outputs = self._names
        _, pullback = vjp(**self._arguments(arrays), **self._how(arrays), **settings)
        final = one_or_all([weights[f"{name}_final"] for name in states]) if self.final and states else None
        found: dict[str, Any] = pullback(one_or_all([weights[name] for name in outputs]), final)
        if self.initial:
            found |= zip([f"{name}_initial" for name in states], several(found.pop("initial_state")), strict=True)
        return found

    def _how(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """How the step is called, beside its arguments."""
        return {
            "initial_state": self._states(arrays, "initial") if self.initial else None,
            "output_final_state": self.final,
            "cu_seqlens": arrays["cu_seqlens"] if self.cu_seqlens else None,
            "reverse": self.reverse,
            "causal": self.causal,
            "head_first": self.head_first,
        }

    @property
    def _resolved(self) -> Mapping[str, Any]:
        return {**self.scan.constants, **self.constants}

    @property
    def _names(self) -> tuple[list[str], list[str], list[str]]:
        """Of inputs, of states and of the step's outputs."""
        outputs = [o.name for o in _outputs(self.scan, tuple(self.constants.items()))]
        return [p.name for p in self.scan.inputs], list(self.states), outputs

    def _arguments(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        return {p.name: arrays[p.name] for p in self.scan.inputs} | dict(self.constants)

    def _states(self, arrays: Mapping[str, Any], when: str) -> Any:
        return one_or_all([arrays[f"{name}_{when}"] for name in self.states])

    def _by_name(self, made: Any, final: Any) -> dict[str, Any]:
        _, states, outputs = self._names
        found = dict(zip(outputs, several(made), strict=True))
        if final is not None:
            found |= {f"{name}_final": x for name, x in zip(states, several(final), strict=True)}
        return found

    def _axes(self, indices: str, value: Any) -> Any:
        """A shape or an array between [B, T, H, ...] and the layout of the call."""
        if not self.head_first or indices != "BTH":
            return value
        if isinstance(value, tuple):
            return (value[0], value[2], value[1], *value[3:])
        return value.swapaxes(1, 2)

    def _heads(self, p: InputParam, array: Array) -> Array:
        """An input with all its heads: those of a group are equal."""
        if "H" not in p.indices:
            return array
        axis = p.indices.index("H")
        return np.repeat(array, self.H // array.shape[axis], axis)

    def _parts(self) -> Iterator[tuple[slice, slice]]:
        """Rows of the states, and the tokens, that the definition takes at once."""
        if not self.cu_seqlens:
            yield slice(None), slice(None)
        for i, (start, stop) in enumerate(zip(self.cu_seqlens, self.cu_seqlens[1:], strict=False)):
            yield slice(i, i + 1), slice(start, stop)

    def _part(self, p: InputParam, array: Array, times: slice) -> Array:
        return self._turned(array[:, times]) if "T" in p.indices else array

    def _turned(self, array: Array) -> Array:
        """[B, T, ...] from the token that comes first."""
        return array[:, ::-1] if self.reverse else array


def several(values: Any) -> tuple[Any, ...]:
    """What a call of a scan returned, as a tuple of arrays."""
    return values if isinstance(values, tuple) else (values,)


@functools.lru_cache(maxsize=1024)
def _outputs(scan: Scan, constants: tuple[tuple[str, Any], ...]) -> tuple[Output, ...]:
    return scan.outputs(dict(constants))
