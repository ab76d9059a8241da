"""treadle.testing, and every kernel's cases: the metric, rounding, and that `check` lets no wrong result through."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import treadle as td
from hypothesis import given
from hypothesis import strategies as st
from oracles import load_tiles, tile_names
from treadle import testing
from treadle.frontend.params import ConstParam
from treadle.testing import Case, Kernel

KERNELS = [*map(load_tiles, tile_names()), *map(testing.load, testing.scan_names())]


def label(kernel: Kernel) -> str:
    """As in "oracles-lightning_attention"."""
    return f"{kernel.folder.parent.name}-{kernel.name}"


every_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=label)


def all_cases(kernel: Kernel) -> list[Case]:
    cases = kernel.cases
    return [*cases.CPU, cases.DEMO, *cases.GPU, *(timed.case for timed in cases.TIMED)]


def runner(kernel: Kernel, case: Case, spoil: Callable[[dict[str, Any]], None] = lambda arrays: None) -> testing.Runner:
    """Evaluates the definition, rounds it, and spoils the outputs."""

    def run(name: str, constants: Any, dtype: str, present: Any, arrays: Any) -> None:
        others = {*case.outputs, *case.scalars}
        given = {n: testing.unpack(a, case.dtype_of(n)) for n, a in arrays.items() if n not in others}
        for output, result in case.define(getattr(kernel.reference, name), given).items():
            if output in arrays:
                arrays[output][...] = testing.pack(result, case.dtype_of(output))
        spoil(arrays)

    return run


# The metric ----------------------------------------------------------------------------------------------------------


def test_relative_error_is_over_the_whole_tensor() -> None:
    assert testing.relative_error(np.array([1.0, 1.1]), np.array([1.0, 1.0])) == pytest.approx(0.1 / math.sqrt(2))


def test_near_zero_is_accepted_by_absolute_error() -> None:
    assert testing.accepts(relative=1.0, absolute=1e-6, tolerance=1e-5)
    assert not testing.accepts(relative=1.0, absolute=2e-6, tolerance=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_never_accepted(bad: float) -> None:
    result = np.array([1.0, bad])
    relative = testing.relative_error(result, np.ones(2))
    assert not testing.accepts(relative, testing.absolute_error(result, np.ones(2)), tolerance=1e9)


def test_the_same_infinity_is_no_error() -> None:
    """As a state has before the first token."""
    x = np.array([1.0, -np.inf])
    assert testing.relative_error(x, x) == testing.absolute_error(x, x) == 0.0
    for other in (np.inf, np.nan, 1.0):
        wrong = np.array([1.0, other])
        assert not testing.accepts(testing.relative_error(wrong, x), testing.absolute_error(wrong, x), tolerance=1e9)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        testing.relative_error(np.ones((2, 1)), np.ones(2))


# Rounding ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=1))
def test_bf16_rounds_as_ml_dtypes_does(values: list[float]) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.array(values, np.float32)
    expected = x.astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(testing.round_to(x, "bf16"), expected.astype(np.float64))
    np.testing.assert_array_equal(
        testing.pack(x, "bf16").view(ml_dtypes.bfloat16).astype(np.float64), expected.astype(np.float64)
    )


@pytest.mark.parametrize("dtype", ["bf16", "f16", "f32"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 5), (2, 3, 5)])
def test_pack_and_unpack_keep_shape_and_representable_values(dtype: str, shape: tuple[int, ...]) -> None:
    x = np.round(np.random.default_rng(0).uniform(-8, 8, shape))
    assert testing.pack(x, dtype).dtype == testing.storage(dtype)
    np.testing.assert_array_equal(testing.round_to(x, dtype), x)


def test_transposed_input_packs() -> None:
    x = np.arange(6.0).reshape(2, 3).T
    np.testing.assert_array_equal(testing.round_to(x, "bf16"), x)


@pytest.mark.parametrize("align", [1, 16, 64])
@pytest.mark.parametrize("dtype", ["bf16", "f16", "f32", "i32"])
def test_poisoned_rows_are_aligned(dtype: str, align: int) -> None:
    array = testing.poisoned((2, 3, 5), dtype, align)
    assert array.shape == (2, 3, 5) and array.ctypes.data % 64 == 0
    assert all(stride % align == 0 for stride in array.strides[:-1])
    values = testing.unpack(array, dtype)
    assert (values == np.iinfo(np.int32).max).all() if dtype == "i32" else np.isnan(values).all()


def test_unknown_dtype_is_named() -> None:
    with pytest.raises(ValueError, match="unknown dtype 'f64'"):
        testing.storage("f64")


# Cases ---------------------------------------------------------------------------------------------------------------


@every_kernel
def test_right_results_pass(kernel: Kernel) -> None:
    """The definition, rounded to the output's type, is within every bound, in one launch or in two."""
    for case in kernel.cases.CPU:
        for record in testing.check(kernel, case, runner(kernel, case), seed=5):
            assert record.ok, str(record)


def nothing_written(arrays: dict[str, Any]) -> None:
    for name in ("y", "c", "o"):
        if name in arrays:
            arrays[name][...] = testing.poisoned(arrays[name].shape, {2: "bf16", 4: "f32"}[arrays[name].itemsize])


def one_element_missing(arrays: dict[str, Any]) -> None:
    for name in ("y", "c", "o"):
        if name in arrays:
            arrays[name][(-1,) * arrays[name].ndim] = 0xFFFF if arrays[name].dtype.kind == "u" else np.nan


@every_kernel
@pytest.mark.parametrize("spoil", [nothing_written, one_element_missing])
def test_missing_results_fail(kernel: Kernel, spoil: Callable[[dict[str, Any]], None]) -> None:
    for case in kernel.cases.CPU:
        assert not all(record.ok for record in testing.check(kernel, case, runner(kernel, case, spoil)))


def test_a_returned_array_is_taken() -> None:
    """A runner may return new arrays rather than write in place."""
    kernel = testing.load("softmax")
    case = kernel.cases.CPU[0]

    def run(name: str, constants: Any, dtype: str, present: Any, arrays: Any) -> dict[str, Any]:
        runner(kernel, case)(name, constants, dtype, present, copied := {n: a.copy() for n, a in arrays.items()})
        return {"y": copied["y"]}

    assert all(record.ok for record in testing.check(kernel, case, run))


@every_kernel
def test_inputs_are_fresh_and_repeatable(kernel: Kernel) -> None:
    for case in kernel.cases.CPU:
        first, again, other = case.inputs(1), case.inputs(1), case.inputs(2)
        assert all((first[name] == again[name]).all() for name in first)
        assert any((first[name] != other[name]).any() for name in first)


@every_kernel
def test_names_tell_cases_apart(kernel: Kernel) -> None:
    for cases in (kernel.cases.CPU, kernel.cases.GPU):
        names = [case.name for case in cases]
        assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)


@every_kernel
def test_every_timed_artefact_is_also_checked_on_a_small_case(kernel: Kernel) -> None:
    checked = {case.variant for case in kernel.cases.GPU}
    assert [timed.case.name for timed in kernel.cases.TIMED if timed.case.variant not in checked] == []


@every_kernel
def test_inputs_are_as_given(kernel: Kernel) -> None:
    for case in kernel.cases.CPU:
        assert {name: array.shape for name, array in case.inputs(0).items()} == dict(case.given)


@every_kernel
def test_timed_shapes_are_larger_than_the_l2_cache(kernel: Kernel) -> None:
    for timed in kernel.cases.TIMED:
        assert timed.bytes > 256e6, timed.case.name


def test_every_package_is_of_one_kind() -> None:
    assert sorted(testing.tile_names() + testing.scan_names()) == testing.kernel_names()
    assert "softmax" in testing.tile_names() and "gla" in testing.scan_names()


@pytest.mark.parametrize("name", testing.scan_names())
def test_cases_fit_the_steps(name: str) -> None:
    """Each step is checked with every constant chosen, in every type, and in every way to call it."""
    kernel = testing.load(name)
    for scan in td.load_scans(kernel.folder / "kernel.py").values():
        axes = {name for p in (*scan.inputs, *scan.states) for axis in p.axes for name in axis.names}
        declared = axes | {p.name for p in scan.parameters if isinstance(p, ConstParam)}
        for cases in (kernel.cases.CPU, kernel.cases.GPU):
            mine = [case for case in cases if case.kernel == scan.name]
            assert {case.dtype for case in mine} == {"f32", "f16", "bf16"}
            assert all(declared <= set(case.constants) for case in mine)
            assert any(case.initial for case in mine)
    for cases in (kernel.cases.CPU, kernel.cases.GPU):
        ways = {(bool(c.cu_seqlens), c.reverse, c.causal, c.head_first, bool(c.G)) for c in cases}
        windows = all({p.name for p in c.scan.inputs} & set(c.states) for c in cases)  # which have no noncausal form
        needed = [
            k for k in range(5) if not (k == 2 and windows) and not (k == 4 and not any(c.grouped for c in cases))
        ]
        assert all(any(way[k] != (k == 2) for way in ways) for k in needed), ways


@pytest.mark.parametrize("kernel", [k for k in KERNELS if not k.has_steps], ids=lambda kernel: kernel.name)
def test_cases_fit_the_kernel(kernel: Kernel) -> None:
    """Tensors, scalars, optional tensors and constants of every case are parameters of the function in kernel.py."""
    tree = ast.parse((kernel.folder / "kernel.py").read_text())
    functions = {node.name: node.args for node in tree.body if isinstance(node, ast.FunctionDef)}
    for case in all_cases(kernel):
        arguments = functions[case.kernel]
        annotations = {a.arg: ast.unparse(a.annotation) for a in arguments.args if a.annotation}
        optional = {name for name, annotation in annotations.items() if "Optional" in annotation}
        shapes = {n for n in annotations if "Tensor" in annotations[n]} - (optional - set(case.present))
        assert set(case.present) <= optional
        assert set(case.scalars) <= set(annotations) - shapes
        assert set(case.constants) <= {a.arg for a in arguments.kwonlyargs}
        assert set(case.own_dtypes) - {"handed_on"} <= set(annotations)
        assert set(case.given) | set(case.outputs) == shapes, case.name
