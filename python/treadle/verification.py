"""Whether the forms of a scan agree: the definition, whole sequences, parts of them, token by token, packed, turned.

A form is a way to the same numbers. `verify` runs one case in every form that it has and compares each with the one
that it should equal, by the case's bound.
"""

from __future__ import annotations

import contextlib
import importlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from treadle.errors import KernelError, TreadleError
from treadle.scan_cases import ScanCase
from treadle.testing import (
    Array,
    Kernel,
    Record,
    absolute_error,
    itemsize,
    pack,
    poisoned,
    relative_error,
    unpack,
)

Arrays = Mapping[str, Array]
"""By the names that tensors have in a case, in storage form unless said otherwise."""

EDGES = (1, 2, 3, 16, 17, 63, 64, 65)
"""Lengths at which every step is verified, whatever its cases."""
STEPS = 65
"""The most tokens that `.step` takes one by one; those before them go together."""
IN_PYTHON = 300
"""The most tokens of all heads for which Python runs the step."""
DERIVED: Mapping[str, Mapping[str, Any]] = {"forward": {"chunked": True}, "step": {"initial": True}}
"""The kernels made of a step, and what `Scan.to_mlir` is told of each."""
SEGMENTS = 3
"""Into how many parts sequences are split that run at the same time."""
LARGE = 1 << 31
"""What offsets of 32 bits do not reach."""


@dataclass(frozen=True, kw_only=True)
class Verdict(Record):
    """How one output of a form compared with another form."""

    scan: str
    form: str
    against: str
    note: str = ""
    """What may be the matter if they disagree."""

    def __str__(self) -> str:
        verb = "agree" if self.ok else "disagree"
        return (
            f"{self.case}: {self.form} and {self.against} {verb} on {self.output}: relative error {self.relative:.2e} "
            f"(bound {self.tolerance:.0e}), absolute {self.absolute:.2e}, seed {self.seed}{self.note}"
        )


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A form that a case does not have, and why."""

    scan: str
    form: str
    why: str

    def __str__(self) -> str:
        return f"{self.scan}: not verified: {self.form}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A form that could not be compiled or run, and the error."""

    scan: str
    case: str
    form: str
    error: str

    def __str__(self) -> str:
        return f"{self.case}: {self.form} failed: {self.error}"


Finding = Verdict | Fault | Skipped


@dataclass(frozen=True)
class Comparison:
    """Two forms of the same outputs. What comes of a definition is in float64, all else in storage form."""

    form: str
    found: Arrays
    against: str
    wanted: Arrays


# ---------------------------------------------------------------------------------------------------------------------
# Where scans run
# ---------------------------------------------------------------------------------------------------------------------


class Place:
    """ "cpu" or "sim": calls on NumPy's arrays."""

    def __init__(self, on: str) -> None:
        self.on = on

    def call(self, case: ScanCase, arrays: Arrays, **settings: Any) -> dict[str, Array]:
        """All outputs of a case, those of the step into arrays that held NaN; settings: more keywords of the call."""
        own = case.outputs.keys() - {f"{name}_final" for name in case.states}
        blank = {name: poisoned(case.outputs[name], case.dtype) for name in own}
        return self.fetch(case.call(self.put({**arrays, **blank}, case), on=self.on, **settings))

    def step(self, case: ScanCase, arrays: Arrays) -> dict[str, Array]:
        """All outputs of one token."""
        return self.fetch(case.call_step(self.put(arrays, case), on=self.on))

    def gradients(self, case: ScanCase, arrays: Arrays, weights: Arrays, **settings: Any) -> dict[str, Array]:
        """Gradients of outputs that are weighed, of inputs and initial states."""
        return self.fetch(case.vjp(self.put(arrays, case), self.put(weights, case), on=self.on, **settings))

    def put(self, arrays: Arrays, case: ScanCase) -> dict[str, Any]:
        """Arrays as a call takes them."""
        return dict(arrays)

    def fetch(self, results: Mapping[str, Any]) -> dict[str, Array]:
        """Results in storage form."""
        return dict(results)


class Gpu(Place):
    """Calls on PyTorch's tensors on its current CUDA device."""

    def __init__(self) -> None:
        super().__init__("gpu")
        try:
            self.torch: Any = importlib.import_module("torch")
        except ImportError:
            raise TreadleError("a GPU is used through PyTorch, which is not installed") from None
        if not self.torch.cuda.is_available():
            raise TreadleError("expected a CUDA device that PyTorch can use, found none")

    def call(self, case: ScanCase, arrays: Arrays, **settings: Any) -> dict[str, Array]:
        """All outputs of a case, in memory that held NaN."""
        shapes = case.outputs.values()
        blank = [self.torch.full(shape, math.nan, dtype=self.torch.float32, device="cuda") for shape in shapes]
        del blank  # new tensors of these sizes come from here
        return super().call(case, arrays, **settings)

    def put(self, arrays: Arrays, case: ScanCase) -> dict[str, Any]:
        torch, made = self.torch, {}
        for name, array in arrays.items():
            bits = np.array(array, order="C")  # a copy: one token, reversed, has a negative stride
            if bits.dtype == np.uint16:
                made[name] = torch.from_numpy(bits.view(np.int16)).cuda().view(torch.bfloat16)
            else:
                made[name] = torch.from_numpy(bits).cuda()
        return made

    def fetch(self, results: Mapping[str, Any]) -> dict[str, Array]:
        torch, made = self.torch, {}
        for name, tensor in results.items():
            if tensor.dtype == torch.bfloat16:
                made[name] = tensor.contiguous().view(torch.int16).cpu().numpy().view(np.uint16)
            else:
                made[name] = tensor.cpu().numpy()
        return made


def place(on: str) -> Place:
    """Where `on` says: "cpu", "sim" or "gpu"; a TreadleError where there is none."""
    return Gpu() if on == "gpu" else Place(on)


# ---------------------------------------------------------------------------------------------------------------------
# Forms
# ---------------------------------------------------------------------------------------------------------------------


def inputs_of(case: ScanCase, seed: int) -> dict[str, Array]:
    """The inputs of a case, in storage form."""
    drawn = case.inputs(seed)
    return {name: np.asarray(pack(array, case.dtype_of(name)), order="C") for name, array in drawn.items()}


def during(case: ScanCase, arrays: Arrays, times: Any) -> dict[str, Array]:
    """Some times of what has times, [B, T, ...]; the rest as it is."""
    timed = {p.name for p in case.scan.inputs if "T" in p.indices}
    return {name: np.ascontiguousarray(x[:, times]) if name in timed else x for name, x in arrays.items()}


def outputs_of(case: ScanCase, results: Iterable[str]) -> list[str]:
    """The names of the outputs that are no states."""
    return [name for name in results if name.removesuffix("_final") not in case.states]


def joined(case: ScanCase, parts: list[dict[str, Array]]) -> dict[str, Array]:
    """Results of calls on times one after the other, as those of one call: [B, T, ...]."""
    names = outputs_of(case, parts[0])
    return {**parts[-1], **{name: np.concatenate([part[name] for part in parts], axis=1) for name in names}}


def resumed(arrays: Arrays, results: Arrays) -> dict[str, Array]:
    """Inputs with the final states of results as initial ones."""
    states = {name for name in results if name.endswith("_final")}
    return {**arrays, **{f"{name.removesuffix('_final')}_initial": results[name] for name in states}}


def in_parts(at: Place, case: ScanCase, arrays: Arrays, forward: Arrays) -> Iterator[Comparison]:
    """Split, the second call from the state of the first."""
    for cut in sorted({1, case.T // 2} & set(range(1, case.T))):
        before = at.call(replace(case, T=cut), during(case, arrays, slice(0, cut)))
        rest = during(case, arrays, slice(cut, None))
        after = at.call(replace(case, T=case.T - cut, initial=True), resumed(rest, before))
        yield Comparison(f"split at {cut}", joined(case, [before, after]), "forward", forward)


def in_segments(at: Place, case: ScanCase, arrays: Arrays, forward: Arrays) -> Iterator[Comparison]:
    """Segments of every sequence at the same time, then put together."""
    yield Comparison("in segments", at.call(case, arrays, segments=SEGMENTS), "forward", forward)


def token_by_token(at: Place, case: ScanCase, arrays: Arrays, forward: Arrays) -> Iterator[Comparison]:
    """`.step`, the state handed on."""
    start, parts = max(0, case.T - STEPS), []
    now = dict(arrays)
    if start:
        parts.append(at.call(replace(case, T=start), during(case, arrays, slice(0, start))))
        now = resumed(now, parts[-1])
    for t in range(start, case.T):
        found = at.step(case, during(case, now, t))
        now = resumed(now, found)
        parts.append({**found, **{name: found[name][:, None] for name in outputs_of(case, found)}})
    yield Comparison("token by token", joined(case, parts), "forward", forward)


def one_after_another(at: Place, case: ScanCase, arrays: Arrays, forward: Arrays) -> Iterator[Comparison]:
    """Packed, with an empty sequence before each and after the last."""
    ends = tuple(end for b in range(case.B + 1) for end in (b * case.T, b * case.T))
    timed = {p.name for p in case.scan.inputs if "T" in p.indices}
    packed = {name: x.reshape(1, case.B * case.T, *x.shape[2:]) if name in timed else x for name, x in arrays.items()}
    rows = [min(i // 2, case.B - 1) for i in range(2 * case.B + 1)]
    initial = {f"{name}_initial" for name in case.states} & arrays.keys()
    packed |= {name: arrays[name][rows] for name in initial}
    packed["cu_seqlens"] = np.array(ends, np.int64)
    found = at.call(replace(case, B=1, T=case.B * case.T, cu_seqlens=ends), packed)
    states = {f"{name}_final" for name in case.states}
    whole = {name: x[1::2] if name in states else x.reshape(forward[name].shape) for name, x in found.items()}
    yield Comparison("packed", whole, "forward", forward)
    first = {f"{p.name}_final": np.full_like(found[f"{p.name}_final"], p.initial) for p in case.scan.states}
    if case.initial:
        first = {f"{name}_final": packed[f"{name}_initial"] for name in case.states}
    kept = {name: found[name][::2] for name in states}
    yield Comparison("empty sequences", kept, "their initial states", {name: x[::2] for name, x in first.items()})


def turned(at: Place, case: ScanCase, arrays: Arrays, forward: Arrays) -> Iterator[Comparison]:
    """Reversed twice: the inputs, and the call."""
    back = slice(None, None, -1)
    found = at.call(replace(case, reverse=True), during(case, arrays, back))
    found |= {name: found[name][:, back] for name in outputs_of(case, found)}
    yield Comparison("reversed twice", found, "forward", forward)


def heads_first(at: Place, case: ScanCase, arrays: Arrays, forward: Arrays) -> Iterator[Comparison]:
    """Heads before time."""
    swapped = {p.name for p in case.scan.inputs if p.indices == "BTH"}
    given = {name: np.ascontiguousarray(x.swapaxes(1, 2)) if name in swapped else x for name, x in arrays.items()}
    found = at.call(replace(case, head_first=True), given)
    found |= {name: found[name].swapaxes(1, 2) for name in outputs_of(case, found)}
    yield Comparison("heads first", found, "forward", forward)


FORMS: Mapping[str, Callable[[Place, ScanCase, Arrays, Arrays], Iterator[Comparison]]] = {
    "split": in_parts,
    "in segments": in_segments,
    "token by token": token_by_token,
    "packed": one_after_another,
    "reversed twice": turned,
    "heads first": heads_first,
}
"""What should equal the whole sequences at once."""


def widened(case: ScanCase, arrays: Arrays) -> dict[str, Array]:
    """The numbers that arrays store, in float64."""
    return {name: unpack(x, case.dtype_of(name)) for name, x in arrays.items()}


# ---------------------------------------------------------------------------------------------------------------------
# Verifying
# ---------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def blaming(where: object) -> Iterator[None]:
    """What goes wrong in a user's file as a TreadleError that says where."""
    try:
        yield
    except TreadleError:
        raise
    except (Exception, SystemExit) as error:
        raise TreadleError(f"{where}: {type(error).__name__}: {error}") from error


def is_plain(case: ScanCase) -> bool:
    """Whether a case calls the scan in the first of its forms."""
    return case.causal and not (case.cu_seqlens or case.reverse or case.head_first)


def cases_of(package: Kernel, on: str) -> list[ScanCase]:
    """What a package is verified on: its cases for the place, and each of its steps at every edge length."""
    found = [case for case in (package.cases.GPU if on == "gpu" else package.cases.CPU) if isinstance(case, ScanCase)]
    first: dict[str, ScanCase] = {}
    for case in filter(is_plain, found):
        first.setdefault(case.kernel, case)
    with blaming(package.folder / "cases.py"):
        edges = [replace(case, T=T, dtype="f32") for case in first.values() for T in EDGES]
        return list({case.name: replace(case, final=True) for case in (*found, *edges)}.values())


def verify(package: Kernel, case: ScanCase, at: Place, seed: int = 0) -> Iterator[Finding]:
    """Run a case (with its final states) in every form, and compare.

    A form that cannot be compiled or run is a Fault among what is found. Inputs that cannot be drawn, and a definition
    that fails or gives something else than the case's outputs, are a TreadleError.
    """
    with blaming(f"{package.folder / 'cases.py'}, {case.name}"):
        arrays = inputs_of(case, seed)
    expected = defined(package, case, arrays)
    try:
        forward = at.call(case, arrays)
    except TreadleError as error:
        yield Fault(scan=case.kernel, case=case.name, form="forward", error=str(error))
        return
    yield from judged(case, seed, [Comparison("forward", forward, "the definition", expected)])
    if case.B * case.T * case.H <= IN_PYTHON:
        made = case.reference(widened(case, arrays))
        step = Comparison("the step run by Python", made, "the definition", expected)
        yield from judged(case, seed, [step])
    if not is_plain(case):
        return
    for name, form in FORMS.items():
        yield from attempted(case, seed, name, form(at, case, arrays, forward))
    seeing_all = noncausal(case, "not causal")
    if isinstance(seeing_all, Skipped):
        yield seeing_all
        return
    wanted = defined(package, seeing_all, arrays)

    def whole() -> Iterator[Comparison]:
        yield Comparison("not causal", at.call(seeing_all, arrays), "its definition", wanted)

    yield from attempted(case, seed, "not causal", whole())


def noncausal(case: ScanCase, form: str) -> ScanCase | Skipped:
    """A case with `causal=False`, or why its step has no such form."""
    try:
        case.scan.to_mlir(case.constants, case.dtype, causal=False)
    except KernelError as error:
        return Skipped(scan=case.kernel, form=form, why=error.message)
    return replace(case, causal=False)


def attempted(case: ScanCase, seed: int, form: str, comparisons: Iterable[Comparison]) -> Iterator[Verdict | Fault]:
    """What comes of a form, up to its fault."""
    try:
        yield from judged(case, seed, comparisons)
    except TreadleError as error:
        yield Fault(scan=case.kernel, case=case.name, form=form, error=str(error))


def defined(package: Kernel, case: ScanCase, arrays: Arrays) -> dict[str, Array]:
    """What the package's definition gives, checked to be the outputs of the case."""
    where = f"{package.folder / 'reference.py'}: {case.kernel}"
    if not callable(getattr(package.reference, case.kernel, None)):
        raise TreadleError(f"{where}: expected a function of that name, found none")
    with blaming(f"{where}, on {case.name}"), np.errstate(all="ignore"):
        found = package.expected(case, arrays)
    for name, shape in case.outputs.items():
        if name not in found:
            raise TreadleError(f"{where}: expected {name.removesuffix('_final')} in what it returns, found none")
        if found[name].shape != shape:
            raise TreadleError(f"{where}, on {case.name}: expected {name} of {shape}, found {found[name].shape}")
    return found


def check_step(package: Kernel, case: ScanCase, at: Place, seed: int = 0) -> list[Verdict]:
    """Run a case token by token, the last `STEPS` of them, and compare with the definition."""
    arrays = inputs_of(case, seed)
    expected = defined(package, case, arrays)
    (steps,) = token_by_token(at, case, arrays, expected)
    return list(judged(case, seed, [replace(steps, against="the definition")]))


def judged(case: ScanCase, seed: int, comparisons: Iterable[Comparison]) -> Iterator[Verdict]:
    """Every output of every comparison."""
    for both in comparisons:
        for output in both.wanted:
            found, wanted = (
                x if x.dtype == np.float64 else unpack(x, case.dtype_of(output))
                for x in (both.found[output], both.wanted[output])
            )
            with np.errstate(invalid="ignore", over="ignore"):
                errors = relative_error(found, wanted), absolute_error(found, wanted)
            yield verdict(case, seed, both.form, both.against, output, *errors)


def verdict(
    case: ScanCase, seed: int, form: str, against: str, output: str, relative: float, absolute: float
) -> Verdict:
    """The errors of one output, by the case's bound."""
    return Verdict(
        case=case.name,
        scan=case.kernel,
        form=form,
        against=against,
        output=output,
        seed=seed,
        relative=relative,
        absolute=absolute,
        tolerance=case.tolerance,
    )


# ---------------------------------------------------------------------------------------------------------------------
# Beyond 2^31 elements
# ---------------------------------------------------------------------------------------------------------------------


def repeated(case: ScanCase, tensors: Mapping[str, Any], times: int) -> dict[str, Any]:
    """PyTorch's inputs of a case, its sequences again and again."""
    batched = {p.name for p in case.scan.inputs if "B" in p.indices}
    return {name: x.repeat(times, *[1] * (x.dim() - 1)) if name in batched else x for name, x in tensors.items()}


def large(case: ScanCase, at: Place, form: str, copies: float) -> tuple[ScanCase, int] | Skipped:
    """A plain case on short sequences, and how often they are repeated for an output of more than 2^31 elements.

    copies: how often what the call is given and returns has to fit into memory.
    """
    if not isinstance(at, Gpu):
        return Skipped(scan=case.kernel, form=form, why="needs a GPU, and tens of gigabytes there")
    few = replace(case, B=8, T=1024, H=4, G=0, initial=False, final=True)
    times = LARGE // max(math.prod(shape) for shape in few.outputs.values()) + 1
    many = replace(few, B=few.B * times)
    shapes = {**many.given, **many.outputs}
    needed = copies * sum(math.prod(shape) * itemsize(many.dtype_of(name)) for name, shape in shapes.items())
    free = at.torch.cuda.mem_get_info()[0]
    if needed > 0.9 * free:
        why = f"needs {needed / 1e9:.0f} GB, and {free / 1e9:.0f} GB are free"
        return Skipped(scan=case.kernel, form=form, why=why)
    return few, times


def worst_part(at: Any, few: ScanCase, name: str, whole: Any, alone: Any) -> tuple[float, float]:
    """The largest errors of the parts of a tensor that should each be another."""
    errors = [(0.0, 0.0)]
    for part in whole.split(len(alone)) if whole.dim() else (whole,):
        if not at.torch.equal(part, alone):
            arrays = at.fetch({"found": part, "wanted": alone})
            one, other = (unpack(array, few.dtype_of(name)) for array in arrays.values())
            errors.append((relative_error(one, other), absolute_error(one, other)))
    relative, absolute = map(float, np.max(errors, axis=0))  # NaN, where one is
    return relative, absolute


def verify_large(case: ScanCase, at: Place, seed: int = 0) -> Iterator[Finding]:
    """Repeat sequences of a plain case until an output has more than 2^31 elements: each must give what it did."""
    form = "more than 2^31 elements"
    sizes = large(case, at, form, copies=1)
    if isinstance(sizes, Skipped):
        yield sizes
        return
    few, times = sizes
    many = replace(few, B=few.B * times)
    given = at.put(inputs_of(few, seed), few)
    try:
        alone = few.call(given, on="gpu", segments=1)  # as many are
        found = many.call(repeated(few, given, times), on="gpu")
    except TreadleError as error:
        yield Fault(scan=case.kernel, case=many.name, form=form, error=str(error))
        return
    for output, whole in found.items():
        yield verdict(many, seed, form, "few", output, *worst_part(at, few, output, whole, alone[output]))
