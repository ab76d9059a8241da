"""Whether the gradients of a scan are right, and those of its forms agree: `treadle-verify`'s second half.

Compiled gradients are compared with those of the step run by Python in float64, which in turn are compared with
differences of the values of that step: of these alone nothing is derived.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from treadle.errors import TreadleError
from treadle.runtime.step_decays import decays, has_stops
from treadle.scan_cases import ScanCase
from treadle.testing import (
    DECAY_GRADIENT_TOLERANCES,
    GRADIENT_TOLERANCES,
    Array,
    Kernel,
    absolute_error,
    pack,
    relative_error,
    unpack,
)
from treadle.verification import (
    SEGMENTS,
    Arrays,
    Fault,
    Finding,
    Place,
    Skipped,
    Verdict,
    blaming,
    during,
    inputs_of,
    is_plain,
    large,
    noncausal,
    outputs_of,
    repeated,
    widened,
    worst_part,
)

TOKENS = 5
"""How many there are where differences are taken."""
DIRECTIONS = 3
"""Along so many, for each input."""
EPSILON = 1e-4
DIFFERENCES = 1e-5
"""The bound of differences."""
EXACT = 0.0
STOPPED = "; the step has td.stop_gradient: what it stops does not cancel, results change with it"
NOT_CAUSAL = ", not causal"
BY_PYTHON = "those of the step run by Python"


@dataclass(frozen=True)
class Subject:
    """A case whose gradients are verified."""

    case: ScanCase
    seed: int
    arrays: Arrays
    weights: Arrays
    """What its outputs are weighed with."""
    loose: frozenset[str]
    """The inputs and states that are decays."""

    def named(self, form: str) -> str:
        """The name of a form of this case."""
        return form if self.case.causal else form + NOT_CAUSAL

    def verdict(
        self, form: str, against: str, name: str, errors: tuple[float, float], bound: float, note: str = ""
    ) -> Verdict:
        """The errors of one gradient."""
        return Verdict(
            case=self.case.name,
            scan=self.case.kernel,
            form=self.named(form),
            against=against,
            output=f"d{name}",
            seed=self.seed,
            relative=errors[0],
            absolute=errors[1],
            tolerance=bound,
            note=note,
        )

    def judged(self, form: str, found: Arrays, against: str, wanted: Arrays) -> Iterator[Verdict]:
        """Every gradient, by its bound. What comes of Python is in float64, all else in storage form."""
        for name, gradient in wanted.items():
            x, y = (
                g if g.dtype == np.float64 else unpack(g, self.case.dtype_of(name)) for g in (found[name], gradient)
            )
            bounds = DECAY_GRADIENT_TOLERANCES if name.removesuffix("_initial") in self.loose else GRADIENT_TOLERANCES
            errors = relative_error(x, y), absolute_error(x, y)
            yield self.verdict(form, against, name, errors, bounds[self.case.dtype])


def subject(case: ScanCase, seed: int) -> Subject:
    """A case with its inputs, and random weights."""
    arrays, rng = inputs_of(case, seed), np.random.default_rng([seed, 1])
    weights = {n: pack(rng.standard_normal(shape), case.dtype_of(n)) for n, shape in case.outputs.items()}
    return Subject(case, seed, arrays, weights, decays(case.scan, _arguments(case, arrays)))


def _arguments(case: ScanCase, arrays: Arrays) -> dict[str, Any]:
    """The inputs, in float64, and the constants."""
    own = {p.name: arrays[p.name] for p in case.scan.inputs}
    return {**widened(case, own), **case.constants}


# ---------------------------------------------------------------------------------------------------------------------
# Forms
# ---------------------------------------------------------------------------------------------------------------------


def compiled(at: Place, of: Subject) -> Iterator[Verdict]:
    """What is compiled beside the step run by Python."""
    found = at.gradients(of.case, of.arrays, of.weights)
    wanted = of.case.reference_vjp(widened(of.case, of.arrays), widened(of.case, of.weights))
    yield from of.judged("gradients", found, BY_PYTHON, wanted)


def twice(at: Place, of: Subject) -> Iterator[Verdict]:
    """Two runs: of each gradient, how many elements differ in their bits, as a part and as a number."""
    first, second = (at.gradients(of.case, of.arrays, of.weights) for _ in range(2))
    for name, g in first.items():
        bits = [np.ascontiguousarray(x).view(f"u{x.itemsize}") for x in (g, second[name])]
        count = int(np.count_nonzero(bits[0] != bits[1]))
        yield of.verdict("gradients twice", "gradients", name, (count / max(g.size, 1), float(count)), EXACT)


def through_the_state(at: Place, of: Subject) -> Iterator[Verdict]:
    """Two calls, the second from the state of the first: that state's gradient goes back into the first."""
    case, cut = of.case, of.case.T // 2
    timed = {p.name for p in case.scan.inputs if "T" in p.indices}
    outputs = outputs_of(case, case.outputs)
    first, last = replace(case, T=cut), replace(case, T=case.T - cut, initial=True)
    early, late = (during(case, of.arrays, times) for times in (slice(cut), slice(cut, None)))
    before, after = (
        {n: np.ascontiguousarray(w[:, times]) if n in outputs else w for n, w in of.weights.items()}
        for times in (slice(cut), slice(cut, None))
    )
    made = at.call(first, early)
    second = at.gradients(last, {**late, **{f"{n}_initial": made[f"{n}_final"] for n in case.states}}, after)
    handed = {f"{n}_final": second[f"{n}_initial"] for n in case.states}
    found = at.gradients(first, early, {**before, **handed})
    joined: dict[str, Array] = {}
    for n, g in found.items():
        if n.endswith("_initial") and n.removesuffix("_initial") in case.states:
            joined[n] = g
        elif n in timed:
            joined[n] = np.concatenate([g, second[n]], axis=1)
        else:
            joined[n] = widened(case, {n: g})[n] + widened(case, {n: second[n]})[n]
    whole = at.gradients(case, of.arrays, of.weights)
    yield from of.judged("gradients through the state", joined, "gradients", whole)


def packed(at: Place, of: Subject) -> Iterator[Verdict]:
    """One sequence after another, with an empty one before each and after the last."""
    case = of.case
    ends = tuple(end for b in range(case.B + 1) for end in (b * case.T, b * case.T))
    rows = [min(i // 2, case.B - 1) for i in range(2 * case.B + 1)]
    timed = {p.name for p in case.scan.inputs if "T" in p.indices} | {*outputs_of(case, case.outputs)}

    def joined(arrays: Arrays) -> dict[str, Array]:
        return {n: x.reshape(1, -1, *x.shape[2:]) if n in timed else x for n, x in arrays.items()}

    arrays, weights = joined(of.arrays), joined(of.weights)
    arrays |= {f"{n}_initial": of.arrays[f"{n}_initial"][rows] for n in case.states if case.initial}
    weights |= {f"{n}_final": of.weights[f"{n}_final"][rows] for n in case.states}
    arrays["cu_seqlens"] = np.array(ends, np.int64)
    found = at.gradients(replace(case, B=1, T=case.B * case.T, cu_seqlens=ends), arrays, weights)
    whole = at.gradients(case, of.arrays, of.weights)
    states = {f"{n}_initial" for n in case.states}
    apart = {n: x[1::2] if n in states else x.reshape(whole[n].shape) for n, x in found.items()}
    yield from of.judged("gradients packed", apart, "gradients", whole)


def in_segments(at: Place, of: Subject) -> Iterator[Verdict]:
    """Segments of every sequence at the same time, then put together."""
    found = at.gradients(of.case, of.arrays, of.weights, segments=SEGMENTS)
    whole = at.gradients(of.case, of.arrays, of.weights)
    yield from of.judged("gradients in segments", found, "gradients", whole)


FORMS: Mapping[str, Callable[[Place, Subject], Iterator[Verdict]]] = {
    "gradients twice": twice,
    "gradients through the state": through_the_state,
    "gradients packed": packed,
}
CAUSAL_ALONE = {"gradients through the state"}
"""Where not causal, outputs of the first call would need the state of the second."""


def differences(of: Subject) -> Iterator[Verdict]:
    """Differences of the results of the step, run by Python, along random directions, beside their derivatives.

    Of steps that stop gradients, those of the outputs: their states may have a scale that is not differentiated.
    """
    case, stops = of.case, has_stops(of.case.scan, _arguments(of.case, of.arrays))
    arrays, weights = widened(case, of.arrays), widened(case, of.weights)
    chosen = {n: w * (0.0 if stops and n.endswith("_final") else 1.0) for n, w in weights.items()}
    rng = np.random.default_rng([of.seed, 2])

    def total(name: str, change: Array) -> float:
        made = case.reference({**arrays, name: np.asarray(arrays[name] + change)})
        return math.fsum(float(np.sum(made[n] * w)) for n, w in chosen.items() if w.any())

    for name, gradient in case.reference_vjp(arrays, chosen).items():
        found, wanted = [], []
        for to in (rng.standard_normal(gradient.shape) for _ in range(DIRECTIONS)):
            near, far = (total(name, e * to) - total(name, -e * to) for e in (EPSILON, 2 * EPSILON))
            found.append((8 * near - far) / (12 * EPSILON))
            wanted.append(float(np.sum(gradient * to)))
        pair = np.array(found), np.array(wanted)
        errors = relative_error(*pair), absolute_error(*pair)
        yield of.verdict("finite differences", BY_PYTHON, name, errors, DIFFERENCES, STOPPED if stops else "")


# ---------------------------------------------------------------------------------------------------------------------
# Verifying
# ---------------------------------------------------------------------------------------------------------------------


def verify_gradients(package: Kernel, cases: list[ScanCase], at: Place, seed: int = 0) -> Iterator[Finding]:
    """The gradients of every step that a package's cases call, on sizes of the first of them that is plain; those of
    calls with `causal=False`, where the step has them, on sizes of the first that is plain but for that. In segments,
    on the sizes with the largest states, which blocks share.
    """
    for kernel in dict.fromkeys(case.kernel for case in cases):
        plain = [case for case in cases if case.kernel == kernel and is_plain(replace(case, causal=True))]
        causal = [case for case in plain if case.causal]
        if causal:
            yield from _verified(package, causal[0], at, seed)
            with blaming(f"{package.folder / 'cases.py'}, {causal[0].name}"):
                largest = max(causal, key=lambda case: sum(map(math.prod, case.states.values())))
                of = subject(replace(largest, dtype="f32", B=1, T=34, initial=True, final=True), seed)
            yield from _attempted(of, "gradients in segments", lambda of=of: in_segments(at, of))  # type: ignore[misc]
        else:
            why = "no case calls the step from the first token to the last, causal, on arrays [B, T, H, ...]"
            yield Skipped(scan=kernel, form="gradients", why=why)
        if plain:
            found = noncausal(plain[0], f"gradients{NOT_CAUSAL}")
            yield from [found] if isinstance(found, Skipped) else _verified(package, found, at, seed)


def verify_large_gradients(case: ScanCase, at: Place, seed: int = 0) -> Iterator[Finding]:
    """Repeat sequences of a plain case until an output has more than 2^31 elements: the gradients of each must be what
    they were, and those of what all sequences share as many times as large.
    """
    form = "gradients of more than 2^31 elements"
    sizes = large(case, at, form, copies=2.5)
    if isinstance(sizes, Skipped):
        yield sizes
        return
    few, times = sizes
    many, of = replace(few, B=few.B * times), subject(few, seed)
    given, weights = at.put(of.arrays, few), at.put(of.weights, few)
    try:
        alone = few.vjp(given, weights, on="gpu", segments=1)  # as many are
        wide = {name: x.repeat(times, *[1] * (x.dim() - 1)) for name, x in weights.items()}
        found = many.vjp(repeated(few, given, times), wide, on="gpu")
    except at.torch.OutOfMemoryError:  # type: ignore[attr-defined]  # a Gpu, or there are no sizes
        yield Skipped(scan=case.kernel, form=form, why="needs more memory than is free")
        return
    except TreadleError as error:
        yield Fault(scan=case.kernel, case=many.name, form=form, error=str(error))
        return
    batched = {p.name for p in few.scan.inputs if "B" in p.indices}
    for name, whole in found.items():
        one = alone[name] if name in batched else alone[name] * times
        bounds = DECAY_GRADIENT_TOLERANCES if name in of.loose else GRADIENT_TOLERANCES
        errors = worst_part(at, few, name, whole, one)
        yield replace(of, case=many).verdict(form, "few", name, errors, bounds[few.dtype])


def _verified(package: Kernel, plain: ScanCase, at: Place, seed: int) -> Iterator[Finding]:
    """Every form of the gradients of one step, causal or not, as the case is."""
    with blaming(f"{package.folder / 'cases.py'}, {plain.name}"):
        one = replace(plain, dtype="f32", B=1, initial=True, final=True)
        lengths = (1, 17) if at.on == "sim" else (1, 17, 65)
        alone = [subject(replace(one, T=T), seed) for T in lengths]
        alone.append(subject(replace(one, T=17, dtype="bf16", initial=False, reverse=True), seed))
        few, several = subject(replace(one, T=TOKENS), seed), subject(replace(one, T=34, B=2), seed)
    for of in alone:
        yield from _attempted(of, "gradients", lambda of=of: compiled(at, of))  # type: ignore[misc]
    yield from _attempted(few, "finite differences", lambda: differences(few))
    for form, run in FORMS.items():
        if plain.causal or form not in CAUSAL_ALONE:
            yield from _attempted(several, form, lambda run=run: run(at, several))  # type: ignore[misc]


def _attempted(of: Subject, form: str, run: Callable[[], Iterator[Verdict]]) -> Iterator[Verdict | Fault]:
    """What comes of a form, up to its fault."""
    try:
        with np.errstate(all="ignore"):
            yield from list(run())
    except TreadleError as error:
        yield Fault(scan=of.case.kernel, case=of.case.name, form=of.named(form), error=str(error))
