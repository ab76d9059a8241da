"""The simulator against what a GPU made of the same programs: test/gpu/instructions.py, recorded in test/gpu/data."""

from __future__ import annotations

import dataclasses
import functools
import json
import multiprocessing.pool
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "test" / "gpu"), str(ROOT / "python")]

import instructions  # noqa: E402
from instructions import PROGRAMS, Failure, Record, Verdict, judge, simulate  # noqa: E402
from ptx_programs import BF16, F16, F32, F64, KINDS, Bytes, Program, Random  # noqa: E402
from treadle.errors import TreadleError  # noqa: E402
from treadle.runtime import _sim  # noqa: E402

try:
    _sim.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

RECORD = ROOT / "test" / "gpu" / "data" / "instructions-h200.npz"


@functools.cache
def record() -> Record:
    return Record(RECORD)


def test_every_program_is_recorded() -> None:
    about = record().about
    assert about["failed"] == {}
    assert sorted(about["digests"]) == sorted(PROGRAMS)
    assert sorted(record().arrays) == sorted(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_gpu_agrees(name: str) -> None:
    verdict = instructions.compare(PROGRAMS[name], record(), simulate)
    assert verdict.passed, verdict.message
    assert verdict.values > 0


@pytest.mark.skipif(not shutil.which("ptxas"), reason="no ptxas")
def test_every_program_assembles() -> None:
    assert instructions.assemble(list(PROGRAMS), "ptxas") == ""


# ---------------------------------------------------------------------------------------------------------------------
# That the comparison can fail
# ---------------------------------------------------------------------------------------------------------------------


def judged(name: str, change: dict[int, int] | None = None, memory: dict[int, int] | None = None) -> Verdict:
    """The simulator's results against themselves, with some bytes of the first thread, or of the memory, changed."""
    program = PROGRAMS[name]
    inputs = program.input_rows()
    found = simulate(program, inputs)
    sums = simulate(program, program.magnitudes(inputs))[0] if program.bound and program.bound.terms else None
    results, cells = found[0].copy(), found[1].copy()
    for at, change_by in (change or {}).items():
        results[0, at] ^= change_by
    for at, change_by in (memory or {}).items():
        cells[at] ^= change_by
    return judge(program, (results, cells), found, sums)


def test_equal_results_agree() -> None:
    for name in ("int-divide-32", "approx-sine", "mma-m16n8k16-bf16-f32-edge", "reduce-global"):
        verdict = judged(name)
        assert verdict.passed and verdict.worst == 0 and verdict.wrong == 0


def test_one_bit_is_found() -> None:
    verdict = judged("int-divide-32", {4: 1})
    assert (verdict.passed, verdict.wrong) == (False, 1)
    assert verdict.message.startswith("1 of 1024 differ; `div.u32 d, a, b`, thread 0 (a=0x")


def test_one_bit_of_the_memory_is_found() -> None:
    verdict = judged("reduce-global", memory={4: 2})
    assert (verdict.passed, verdict.wrong) == (False, 1)
    assert "byte 4 of the memory: GPU 0x" in verdict.message


def test_bounds_hold_where_they_end() -> None:
    program = PROGRAMS["approx-reciprocal"]  # 1 ulp
    results, memory = simulate(program, program.input_rows())
    normal = np.flatnonzero(program.results[0].read(results) == 0x3F800000)[0]
    for ulps, passes in ((1, True), (2, False)):
        changed = results.copy()
        changed[normal, 0] ^= ulps
        verdict = judge(program, (changed, memory), (results, memory))
        assert verdict.passed == passes and verdict.worst == ulps
        assert (verdict.close, verdict.wrong) == (int(passes), int(not passes))


def test_a_bound_may_have_a_least_step() -> None:
    program = PROGRAMS["approx-exponential-f16"]
    results, memory = simulate(program, program.input_rows())
    least = np.flatnonzero(program.results[0].read(results) == 1)[0]
    for bits, passes in ((0, True), (2, True), (3, False)):
        changed = results.copy()
        program.results[0].write(changed[least : least + 1], np.array([bits], np.uint64))
        assert judge(program, (changed, memory), (results, memory)).passed == passes
    assert str(program.bound) == "2^-9.9 of it + 0.5 ulp, at least 2^-24"


def test_a_nan_is_not_a_number() -> None:
    program = PROGRAMS["approx-sine"]
    results, memory = simulate(program, program.input_rows())
    values = KINDS["f32"].values(program.results[0].read(results))[:, 0]
    nan, number = int(np.isnan(values).argmax()), int(np.isfinite(values).argmax())
    for row, bits, passes in ((nan, 0xFFC01234, True), (nan, 0, False), (number, 0x7FC00000, False)):
        changed = results.copy()
        program.results[0].write(changed[row : row + 1], np.array([bits], np.uint64))
        assert judge(program, (changed, memory), (results, memory)).passed == passes


def test_sums_are_bounded_by_their_terms() -> None:
    assert judged("mma-m16n8k16-bf16-f32-near", {0: 1}).passed  # the last bit of the fraction
    assert not judged("mma-m16n8k16-bf16-f32-near", {2: 1}).passed  # 2^-7 of the result


def test_a_changed_program_is_not_compared_with_its_old_record() -> None:
    program = PROGRAMS["int-shift-32"]
    made = Record.__new__(Record)
    results = simulate(program, program.input_rows())
    made.arrays = {program.name: instructions.pack(program, *results)}
    made.about = {"failed": {}, "digests": {program.name: program.digest()}}
    assert instructions.compare(program, made, simulate).passed
    changed = dataclasses.replace(program, body=program.body + "\nmov.u32 r0, 1")
    assert instructions.compare(changed, made, simulate).message == "changed since it was recorded"
    made.about["failed"] = {program.name: "no result in 20 s"}
    assert instructions.compare(program, made, simulate).message == "not on the GPU: no result in 20 s"
    made.about = {"failed": {}, "digests": {}}
    assert instructions.compare(program, made, simulate).message == "not recorded"


def test_findings_fail() -> None:
    def changed(body: str) -> Program:
        return Program("changed", "test", "", body)

    bad = changed("st.global.b32 [memory+4096], row")
    with pytest.raises(Failure, match=r"^the simulator finds: out-of-bounds: st\.global\.b32: "):
        simulate(bad, bad.input_rows())
    bad = changed("get.b32 r0; add.u33 r1, r0, r0")
    with pytest.raises(Failure, match=r"^not in the simulator: changed\.ptx:\d+: "):
        simulate(bad, bad.input_rows())


def test_the_command_tells_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["compare-16", "approx-sine"]
    arrays = {
        name: instructions.pack(PROGRAMS[name], *simulate(PROGRAMS[name], PROGRAMS[name].input_rows()))
        for name in names
    }
    digests = {name: PROGRAMS[name].digest() for name in names}
    about = {"device": "one", "driver": "1.2", "cuda": "13.0", "date": "today", "failed": {}, "digests": digests}
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    arguments = [
        "-k",
        "^(compare-16|approx-sine)$",
        "compare",
        str(tmp_path / "r.npz"),
        "--table",
        str(tmp_path / "t.md"),
    ]

    np.savez_compressed(tmp_path / "r.npz", allow_pickle=False, **arrays)
    assert instructions.main(arguments) == 0
    assert capsys.readouterr().out == "2 of 2 programs agree, 5120 values\n"
    assert (tmp_path / "t.md").read_text().splitlines() == [
        "one, driver 1.2, CUDA 13.0, today.",
        "",
        "2 of 2 programs agree, 5120 values compared.",
        "",
        "| family | programs | values | equal | within a bound | wrong | worst, of its bound |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| logic | 1 | 3584 | 3584 | 0 | 0 |  |",
        "| approximate | 1 | 1536 | 1536 | 0 | 0 |  |",
        "",
        "| program | family | instructions | values | verdict |",
        "| --- | --- | --- | --- | --- |",
        "| compare-16 | logic | `setp.{eq,ne,lt,le,gt,ge}.{s,u}16; setp.{eq,ne}.b16` | 3584 | equal |",
        "| approx-sine | approximate | `{sin,cos}.approx{,.ftz}.f32` | 1536 | within 2^-20.5 + 0.5 ulp; worst 0% |",
    ]

    arrays["compare-16"][: PROGRAMS["compare-16"].result_rows().size] ^= 1
    np.savez_compressed(tmp_path / "r.npz", allow_pickle=False, **arrays)
    assert instructions.main(arguments) == 1
    assert "compare-16: 3584 of 3584 differ; `setp.eq.s16 d, a, b`, thread 0 (a=0x" in capsys.readouterr().out
    text = (tmp_path / "t.md").read_text()
    assert "| 3584 of 3584 differ; " in text
    assert "| logic | 1 | 3584 | 0 | 0 | 3584 |  |" in text


def test_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Gpu:
        name, cuda_version = "NVIDIA H200 NVL", 13010
        launches = 0

        def launch(self, program: Program, inputs: Bytes) -> tuple[Bytes, Bytes]:
            Gpu.launches += 1
            results, memory = simulate(program, inputs)
            if program.name == "shuffle-partial":
                raise Failure("cuCtxSynchronize: CUDA_ERROR_ILLEGAL_ADDRESS (700)")
            if program.name == "shuffle-computed":
                results[0, 0] = Gpu.launches
            return results, memory

    monkeypatch.setattr(instructions, "Gpu", Gpu)
    monkeypatch.setattr(instructions, "start", lambda: multiprocessing.pool.ThreadPool(1))
    names = ["shuffle-segments", "shuffle-partial", "shuffle-computed", "reduce-global"]
    assert instructions.record(tmp_path, names) == 2
    assert "NVIDIA H200 NVL, driver " in capsys.readouterr().out

    made = Record(tmp_path / "instructions-h200.npz")
    assert (made.about["device"], made.about["cuda"]) == ("NVIDIA H200 NVL", "13.1")
    assert made.about == json.loads((tmp_path / "instructions-h200.json").read_text())
    verdicts = [str(instructions.compare(PROGRAMS[name], made, simulate)) for name in names]
    failed = "not on the GPU: cuCtxSynchronize: CUDA_ERROR_ILLEGAL_ADDRESS (700)"
    assert verdicts == ["equal", failed, "not on the GPU: results differ between runs", "equal"]


def test_what_does_not_assemble_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "ptxas"
    fake.write_text("#!/bin/sh\necho no such instruction >&2\nexit 255\n")
    fake.chmod(0o755)
    assert instructions.assemble(["compare-16"], str(fake)) == "no such instruction\n"


# ---------------------------------------------------------------------------------------------------------------------
# Formats
# ---------------------------------------------------------------------------------------------------------------------


def test_formats_read_as_numpy_does() -> None:
    random = Random(1)
    for format, integer, number in (
        (F16, np.uint16, np.float16),
        (F32, np.uint32, np.float32),
        (F64, np.uint64, float),
    ):
        bits = np.concatenate([np.array(format.edges(), np.uint64), format.draw(random, 2000)])
        expected = bits.astype(integer).view(number)
        with np.errstate(invalid="ignore"):  # signalling NaNs
            np.testing.assert_array_equal(format.decode(bits), expected.astype(np.float64))
        finite = np.isfinite(expected)
        finite &= np.abs(expected) < np.finfo(number).max
        spacing = np.spacing(np.abs(expected[finite])).astype(np.float64)
        np.testing.assert_array_equal(format.ulp(expected[finite].astype(np.float64)), spacing)
    bits = BF16.draw(random, 2000)
    expected = (bits << np.uint64(16)).astype(np.uint32).view(np.float32)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(BF16.decode(bits), expected.astype(np.float64))


def test_formats_write_what_they_read() -> None:
    random = Random(2)
    for format in (F16, BF16, F32, F64):
        bits = format.draw(random, 2000)
        value = format.decode(bits)
        normal = np.isfinite(value) & ((np.abs(value) >= 2.0 ** (1 - format.bias)) | (value == 0))
        assert normal.sum() > 1000
        np.testing.assert_array_equal(format.encode(value[normal]), bits[normal])
