"""Comparing functions of torch tensors that have gradients: results, gradients, and the lines that say how it went."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
RESULTS = {"f32": 1e-4, "f16": 5e-3, "bf16": 5e-3}
"""Largest relative error of results, by the dtype of the inputs."""
GRADIENTS = {"f32": 1e-4, "f16": 5e-3, "bf16": 1e-2}
GATES = {"f32": 1e-4, "f16": 1e-2, "bf16": 8e-2}
"""Of gradients, and of those of gates, which are sums of differences of like numbers; bf16 has 3 bits less than f16."""


@dataclass
class Report:
    """Runs checks, prints a line for each, and counts."""

    device: str
    pattern: str = ""
    passed: int = 0
    failed: list[str] = field(default_factory=list)

    def __call__(self, name: str, check: Callable[[], Any]) -> None:
        """Run a check: it returns what to print, and raises where something is wrong."""
        if not re.search(self.pattern, name):
            return
        began = time.perf_counter()
        try:
            said = check() or ""
            if self.device == "cuda":
                torch.cuda.synchronize()
        except Exception as e:
            self.count(name, False, f"FAIL {name}: {_shown(e)}")
        else:
            self.count(name, True, f"ok   {name}: {said} [{time.perf_counter() - began:.1f} s]")

    def count(self, name: str, good: bool, line: str) -> None:
        """Count a check that was run, and print its line."""
        print(line, flush=True)
        if good:
            self.passed += 1
        else:
            self.failed.append(name)

    def summary(self) -> int:
        """The last lines; the exit status."""
        for name in self.failed:
            print("failed:", name)
        print(f"{self.passed} passed, {len(self.failed)} failed")
        return 1 if self.failed else 0


def _shown(error: BaseException) -> str:
    """The first line of an error, and that of the one in whose handling it was raised: that of a capture, say."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    text = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
    line = text.strip().splitlines()[0] if text.strip() else where.line
    before = None if error.__suppress_context__ else error.__context__
    return f"{line} ({where.lineno})" + (f"; after {_shown(before)}" if before else "")


def ratio(result: Any, reference: Any) -> float:
    """rms(result - reference) / rms(reference); NaN if there is a NaN. Equal infinities are equal."""
    result, reference = result.double(), reference.double()
    assert result.shape == reference.shape, f"shapes {tuple(result.shape)} and {tuple(reference.shape)}"
    same = result == reference
    difference = torch.where(same, 0, result - reference)
    reference = torch.where(same & reference.isinf(), 0, reference)
    if difference.abs().max().item() < 1e-6 if difference.numel() else True:
        return 0.0
    return (difference.square().mean().sqrt() / (reference.square().mean().sqrt() + 1e-8)).item()


def leaves(values: Any) -> Iterator[Any]:
    """The tensors in tuples and dicts, in order."""
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from leaves(value)
    elif isinstance(values, (tuple, list)):
        for value in values:
            yield from leaves(value)


def _leaf(value: Any, wide: bool) -> Any:
    """A new leaf of a graph."""
    if isinstance(value, tuple):
        return tuple(_leaf(x, wide) for x in value)
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return value
    return (value.detach().double() if wide else value.detach().clone()).requires_grad_()


def differentiate(
    function: Callable[..., Any],
    inputs: Mapping[str, Any],
    settings: Mapping[str, Any],
    weights: Any = None,
    wide: bool | None = None,
) -> tuple[list[Any], dict[str, Any], list[Any]]:
    """(results, gradients by input, what the results were weighed with) of a function that returns tensors in tuples.

    weights None: drawn now, like the results; given: those of a call before, and everything is done in float64, unless
    not `wide`.
    """
    wide = weights is not None if wide is None else wide
    given = {name: _leaf(value, wide) for name, value in inputs.items()}
    results = list(leaves(function(**given, **settings)))
    if weights is None:
        weights = [torch.randn(x.shape, device=x.device, dtype=torch.float32).to(x.dtype) for x in results]
    names = [name for name, value in given.items() for x in leaves(value) if x.requires_grad]
    sources = [x for x in leaves(given) if x.requires_grad]
    weighed = [(x, w.to(x.dtype)) for x, w in zip(results, weights, strict=True) if x.requires_grad]
    found = torch.autograd.grad([x for x, _ in weighed], sources, [w for _, w in weighed], allow_unused=True)
    gradients = {}
    for i, (name, g, x) in enumerate(zip(names, found, sources, strict=True)):
        label = name if names.count(name) == 1 else f"{name}[{names[:i].count(name)}]"
        gradients[label] = torch.zeros_like(x) if g is None else g
    return results, gradients, weights


def compare(
    function: Callable[..., Any],
    definition: Callable[..., Any],
    inputs: Mapping[str, Any],
    settings: Mapping[str, Any],
    dtype: str,
    gates: tuple[str, ...] = (),
) -> str:
    """Check results and gradients against those of a definition in float64; the largest errors."""
    results, gradients, weights = differentiate(function, inputs, settings)
    expected, derived, _ = differentiate(definition, inputs, settings, weights)
    errors = {f"result {i}": ratio(x, y) for i, (x, y) in enumerate(zip(results, expected, strict=True))}
    errors |= {f"d{name}": ratio(g, derived[name]) for name, g in gradients.items()}
    for name, error in errors.items():
        bound = (RESULTS if name.startswith("result") else GATES if name[1:] in gates else GRADIENTS)[dtype]
        assert error <= bound, f"{name}: {error:.1e}, the bound is {bound:.0e}"
    for name, g in gradients.items():
        given = next(x for key, value in inputs.items() for x in leaves(value) if name.startswith(key))
        assert g.dtype == given.dtype, f"d{name} is {g.dtype}"
    worst = max(errors, key=lambda name: errors[name])
    return f"at most {errors[worst]:.1e}, {worst}"
