"""check.py on the CPU, with a stand-in for compiled kernels: right ones pass, and every kind of wrong one is caught."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import check  # noqa: E402
import compile_artifacts  # noqa: E402
from oracles import load_tiles, tile_names  # noqa: E402
from treadle import testing  # noqa: E402

KERNELS = tile_names()
Fault = Callable[["Launch"], None]


class Launch:
    """A prepared launch that evaluates the definition, then does what a faulty kernel might."""

    fault: Fault | None = None
    count = 0

    def __init__(self, kernel: str, constants: dict[str, Any], tensors: dict[str, Any]) -> None:
        self.kernel, self.constants, self.tensors = kernel, constants, tensors

    def launch(self, stream: object = None) -> None:
        written = {"y", "c", "o", "s1"}
        given = {
            name: t.double() if torch.is_tensor(t) else t for name, t in self.tensors.items() if name not in written
        }
        given |= {p: self.constants[c] for c, p in (("scale", "scale"), ("REVERSE", "reverse")) if c in self.constants}
        for name, result in check.DEFINITIONS[self.kernel](**given).items():
            if name in self.tensors:
                self.tensors[name].copy_(result)
        Launch.count += 1
        if Launch.fault:
            Launch.fault(self)

    @property
    def output(self) -> Any:
        return next(self.tensors[name] for name in ("y", "c", "o") if name in self.tensors)


class Bundle:
    def __init__(self, manifest: Path) -> None:
        self.source = json.loads(manifest.read_text())
        self.params = [SimpleNamespace(name=name, is_tensor=True, align=16) for name in (*"xywgqkvoabc", "s0")]

    def prepare(self, **arguments: Any) -> Launch:
        given = {name for name, value in arguments.items() if torch.is_tensor(value)}
        assert set(self.source["present"]) == given & {"g", "s0", "s1"}
        for name in given:
            steps = [
                n for n, size in zip(arguments[name].stride()[:-1], arguments[name].shape, strict=False) if size > 1
            ]
            assert all(n * arguments[name].element_size() % 16 == 0 for n in steps), f"{name} is not aligned"
        return Launch(self.source["kernel"], self.source["constants"], arguments)


def compile_stand_in(job: compile_artifacts.Job, arch: str, out: Path) -> None:
    target = out / job.path
    target.mkdir(parents=True)
    (target / f"{job.kernel}.json").write_text(json.dumps(vars(job)))


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("artefacts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compile_artifacts, "compile_job", compile_stand_in)
        assert compile_artifacts.main([str(out), "--jobs", "1"]) == 0
    return out


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "open_bundle", Bundle)
    monkeypatch.setattr(check, "WARMUPS", 1)
    monkeypatch.setattr(check, "SAMPLES", 3)
    monkeypatch.setattr(check, "FLUSH_BYTES", 1 << 10)
    monkeypatch.setattr(check, "COPY_BYTES", 1 << 20)
    monkeypatch.setattr(Launch, "fault", None)
    monkeypatch.setattr(check, "load_tiles", small)
    # oneDNN's bf16 product is an illegal instruction on some hosts.
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)


def small(name: str) -> testing.Kernel:
    """The kernel with a few of its cases and its timed shapes cut to a size for the CPU."""
    kernel = load_tiles(name)
    cases: Any = kernel.cases
    cases.GPU = sorted(cases.GPU, key=lambda case: case.elements)[:: max(1, len(cases.GPU) // 5)]
    sizes: dict[str, Any] = {"B": 1, "T": 70, "H": 2, "M": 20, "slopes": (0.5,)}
    if name == "matmul":
        sizes |= {"N": 30, "K": 40}

    def cut(case: testing.Case) -> testing.Case:
        return replace(case, **{f: n for f, n in sizes.items() if hasattr(case, f)})

    cases.TIMED = [replace(timed, case=cut(timed.case)) for timed in cases.TIMED]
    return kernel


def run(artefacts: Path, out: Path, *options: str) -> tuple[int, dict[str, Any]]:
    status = check.main([str(artefacts), "--device", "cpu", "--out", str(out / "report"), "--seed", "7", *options])
    return status, json.loads((out / "report.json").read_text())


@pytest.mark.parametrize("name", KERNELS)
def test_torch_definitions_are_the_references(name: str) -> None:
    """Every CPU case: the definition on torch equals reference.py to float64 rounding."""
    kernel = load_tiles(name)
    for case in kernel.cases.CPU:
        inputs = {n: testing.pack(a, case.dtype_of(n)) for n, a in case.inputs(3).items()}
        wide = {n: torch.from_numpy(testing.unpack(a, case.dtype_of(n))) for n, a in inputs.items()}
        expected, found = kernel.expected(case, inputs), check.define(case, wide)
        assert expected.keys() == found.keys()
        for output in expected:
            np.testing.assert_allclose(found[output].numpy(), expected[output], rtol=1e-12, atol=1e-13)


def test_right_kernels_pass_and_are_timed(artefacts: Path, tmp_path: Path) -> None:
    status, report = run(artefacts, tmp_path, "--commit", "abc")
    assert status == 0 and all(record["ok"] for record in report["checked"])
    assert report["environment"]["commit"] == "abc"
    assert len(report["timings"]) == sum(len(load_tiles(name).cases.TIMED) for name in KERNELS)
    text = (tmp_path / "report.md").read_text()
    assert "peer not installed (fla)" in text and "0 failed" in text and "torch.matmul" in text


def wrong_value(launch: Launch) -> None:
    launch.output.mul_(1.02)


def last_element_missing(launch: Launch) -> None:
    launch.output[(-1,) * launch.output.ndim] = torch.nan


def writes_past_the_end(launch: Launch) -> None:
    y = launch.output
    last = y.storage_offset() + sum((n - 1) * step for n, step in zip(y.shape, y.stride(), strict=True))
    torch.as_strided(y, (1,), (1,), last + 1).fill_(1)


def differs_between_runs(launch: Launch) -> None:
    if Launch.count % 3 == 0:
        launch.output.mul_(1 + 2**-7)


def reads_past_the_end(launch: Launch) -> None:
    x = next(iter(launch.tensors.values()))
    launch.output.add_(torch.as_strided(x, (1,), (1,), x.storage_offset() - 1).to(launch.output.dtype))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (wrong_value, "wrong"),
        (last_element_missing, "wrong"),
        (reads_past_the_end, "wrong"),
        (writes_past_the_end, "wrote outside its output"),
        (differs_between_runs, "runs differ"),
    ],
)
@pytest.mark.parametrize("name", KERNELS)
def test_wrong_kernels_fail_and_are_not_timed(
    name: str, fault: Fault, reason: str, artefacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Launch, "fault", staticmethod(fault))
    status, report = run(artefacts, tmp_path, "--kernel", name)
    assert status == 1 and report["timings"] == []
    assert reason in (tmp_path / "report.md").read_text()


def test_a_missing_artefact_is_a_failure(artefacts: Path, tmp_path: Path) -> None:
    index = json.loads((artefacts / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps(index | {"artefacts": []}))
    status, report = run(tmp_path, tmp_path, "--kernel", "softmax", "--check-only")
    assert status == 1 and all("no artefact" in record["fault"] for record in report["checked"])


def test_sanitizer_cases_run_every_artefact_once(
    artefacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "load_tiles", load_tiles)
    monkeypatch.setattr(Launch, "count", 0)
    status, report = run(artefacts, tmp_path, "--sanitizer-cases")
    assert status == 0 and report["timings"] == []
    assert Launch.count == len(json.loads((artefacts / "index.json").read_text())["artefacts"])


def test_time_only_checks_the_timed_shapes(artefacts: Path, tmp_path: Path) -> None:
    status, report = run(artefacts, tmp_path, "--kernel", "softmax", "--time-only")
    assert status == 0 and len(report["checked"]) == len(report["timings"]) == 1


def test_artefacts_are_distinct_and_serve_every_case(artefacts: Path) -> None:
    index = json.loads((artefacts / "index.json").read_text())
    paths = [a["path"] for a in index["artefacts"]]
    assert len(set(paths)) == len(paths)
    served = {case for a in index["artefacts"] for case in a["cases"]}
    assert served == {case.name for name in KERNELS for case in compile_artifacts.cases_of(name)}
