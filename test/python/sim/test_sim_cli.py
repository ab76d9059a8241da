"""treadle-sim, and treadle-run --on=sim, as a user runs them: outputs, exit codes, messages."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import treadle as td
from treadle import testing
from treadle.cli import treadle_run, treadle_sim

ROOT = Path(__file__).resolve().parents[3]
FAULTS = Path(__file__).parent / "faults.ptx"

# y = a x, by one thread an element, and what it takes from whom.
SCALE = """
.version 8.0
.target sm_80
.address_size 64
.visible .entry scale(.param .u64 x, .param .u64 y, .param .u64 n, .param .f32 a)
{
  .reg .pred %p<2>;
  .reg .b32 %r<5>;
  .reg .f32 %f<4>;
  .reg .b64 %rd<8>;
  ld.param.b64 %rd1, [x];
  ld.param.b64 %rd2, [y];
  ld.param.b64 %rd3, [n];
  ld.param.f32 %f1, [a];
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mad.lo.s32 %r4, %r1, %r2, %r3;
  cvt.u64.u32 %rd4, %r4;
  setp.ge.s64 %p1, %rd4, %rd3;
  @%p1 bra $end;
  shl.b64 %rd5, %rd4, 2;
  add.s64 %rd6, %rd1, %rd5;
  add.s64 %rd7, %rd2, %rd5;
  ld.global.f32 %f2, [%rd6];
  mul.rn.f32 %f3, %f2, %f1;
  st.global.f32 [%rd7], %f3;
$end:
  ret;
}
"""
OTHER = """
.visible .entry other()
.reqntid 64, 1, 1
{
  ret;
}
"""


@pytest.fixture
def ptx(tmp_path: Path) -> Path:
    path = tmp_path / "scale.ptx"
    path.write_text(SCALE)
    return path


@pytest.fixture
def x(tmp_path: Path) -> Path:
    path = tmp_path / "x.npy"
    np.save(path, np.arange(100, dtype=np.float32))
    return path


def sim(*arguments: object) -> int:
    return treadle_sim.main([str(a) for a in arguments])


def launch(ptx: Path, x: Path, *more: object, scalar: str = "f32:0.5", n: str = "i64:100") -> int:
    arrays = ("--arg", x, "--arg", "uninit:f32:100", "--arg", n, "--arg", scalar)
    return sim(ptx, "--grid=2", "--block=64", *arrays, *more)


# ---------------------------------------------------------------------------------------------------------------------
# treadle-sim
# ---------------------------------------------------------------------------------------------------------------------


def test_outputs_counts_and_report(ptx: Path, x: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "r.json"
    assert launch(ptx, x, "-o", f"1={tmp_path / 'y.npy'}", "--counts", f"--report={report}") == 0
    assert np.array_equal(np.load(tmp_path / "y.npy"), np.load(x) / 2)
    printed = capsys.readouterr()
    assert printed.err == ""
    rows = printed.out.splitlines()
    load = SCALE.splitlines().index("  ld.global.f32 %f2, [%rd6];") + 1
    (row,) = [row for row in rows if row.startswith(f"scale.ptx:{load} ")]
    assert row.split()[1:4] == ["100", "400", "13"]  # threads, bytes, sectors
    assert row.endswith("ld.global.f32 %f2, [%rd6];")
    assert [row for row in rows if row.startswith("total ")]
    (found,) = json.loads(report.read_text())["launches"]
    assert list(found)[:7] == ["kernel", "grid", "block", "shared_bytes", "seconds", "instructions", "findings"]
    assert (found["kernel"], found["grid"], found["block"]) == ("scale", [2, 1, 1], [64, 1, 1])
    assert found["findings"] == []
    (line,) = [line for line in found["lines"] if line["line"] == load]
    assert (line["file"], line["lanes"], line["global_bytes_read"], line["sectors_read"]) == (str(ptx), 100, 400, 13)
    assert line["classes"] == {"load": 100}
    assert found["total"]["global_bytes_written"] == 400


def test_nothing_is_printed_without_counts(ptx: Path, x: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch(ptx, x) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_numbers_of_every_type(dtype: str, tmp_path: Path) -> None:
    store = {"f32": "st.global.b32 [%rd1], %r1;", "bf16": "st.global.b16 [%rd1], %rs1;"}[dtype]
    load = {"f32": "ld.param.b32 %r1, [a];", "bf16": "ld.param.b16 %rs1, [a];"}[dtype]
    size = {"f32": "b32", "bf16": "b16"}[dtype]
    path = tmp_path / "k.ptx"
    path.write_text(
        f".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 x, .param .{size} a)\n"
        f"{{ .reg .b32 %r<2>; .reg .b16 %rs<2>; .reg .b64 %rd<2>; ld.param.b64 %rd1, [x]; {load} {store} ret; }}\n"
    )
    out = tmp_path / "x.npy"
    assert sim(path, "--block=1", "--arg", f"uninit:{dtype}:1", "--arg", f"{dtype}:-1.5", "-o", f"0={out}") == 0
    assert testing.unpack(np.load(out), dtype) == [-1.5]


def test_an_entry_is_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two.ptx"
    path.write_text(SCALE + OTHER)
    assert sim(path) == 2
    assert capsys.readouterr().err == f"treadle-sim: error: {path}: choose an entry with --entry: scale, other\n"
    assert sim(path, "--entry=none") == 2
    assert capsys.readouterr().err == f"treadle-sim: error: {path} has no entry none; it has scale, other\n"
    assert sim(path, "--entry=other") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grid=0"], "--grid=0: expected sizes, as in --grid=4,1,1"),
        (["--grid=1,2,3,4"], "--grid=1,2,3,4: expected sizes, as in --grid=4,1,1"),
        (["--grid=many"], "--grid=many: expected sizes, as in --grid=4,1,1"),
        (["--block=3000000000"], "--block=3000000000: expected sizes, as in --block=4,1,1"),
        ([], "--block: expected the sizes of a block, since scale has no .reqntid"),
        (["--block=1", "--shared=-1"], "--shared=-1: expected a number of bytes"),
        (["--block=1", "--threads=-1"], "--threads=-1: expected 0 or more"),
        (["--block=1", "--max-findings=0"], "--max-findings=0: expected 1 or more"),
        (
            ["--block=1", "--arg", "i64:1"],
            "expected 4 of --arg, for x (8 bytes), y (8 bytes), n (8 bytes), a (4 bytes); found 1",
        ),
        (["--block=1", "--arg", "zeros:f33:1"], "--arg zeros:f33:1: expected zeros:DTYPE:SIZES, with a dtype of f64"),
        (["--block=1", "--arg", "uninit:f32"], "--arg uninit:f32: expected uninit:DTYPE:SIZES, with a dtype of f64, f"),
        (["--block=1", "--arg", "zeros:f32:2,x"], "--arg zeros:f32:2,x: expected sizes, as in zeros:f32:128,64"),
        (["--block=1", "--arg", "zeros:f32:-2"], "--arg zeros:f32:-2: expected sizes, as in zeros:f32:128,64"),
        (["--block=1", "--arg", "none.npy"], "--arg none.npy: no such file"),
        (
            ["--block=1", "--arg", "1.5"],
            "--arg 1.5: expected an .npy file, zeros:DTYPE:SIZES, uninit:DTYPE:SIZES or DTYPE:VALUE",
        ),
        (["--block=1", "--arg", "i8:300"], "--arg i8:300: expected a number of type i8"),
        (["--block=1", "--arg", "u8:-1"], "--arg u8:-1: expected a number of type u8"),
        (["--block=1", "--arg", "i64:1.5"], "--arg i64:1.5: expected a number of type i64"),
        (["--block=1", "--arg", "bf16:x"], "--arg bf16:x: expected a number of type bf16"),
    ],
)  # fmt: skip
def test_wrong_command_lines(ptx: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sim(ptx, *arguments) == 2
    assert capsys.readouterr().err.startswith(f"treadle-sim: error: {message}")


def test_values_and_outputs_fit_the_parameters(ptx: Path, x: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch(ptx, x, scalar="f64:0.5") == 2
    assert capsys.readouterr().err.endswith("--arg f64:0.5: expected 4 bytes for a, found 8 bytes\n")
    assert launch(ptx, x, scalar="zeros:f32:1") == 2
    assert capsys.readouterr().err.endswith("--arg zeros:f32:1: expected 4 bytes for a, found an address of 8 bytes\n")
    for output in ("y=f.npy", "1", "1="):
        assert launch(ptx, x, "-o", output) == 2
        assert capsys.readouterr().err.endswith(f"-o {output}: expected N=FILE\n")
    for number in (2, 4):
        assert launch(ptx, x, "-o", f"{number}=f.npy") == 2
        message = f"-o {number}=f.npy: argument {number} is no tensor; tensors are 0, 1\n"
        assert capsys.readouterr().err.endswith(message)


def test_files_that_are_not_what_they_should_be(
    ptx: Path, x: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sim(tmp_path / "none.ptx") == 2
    assert capsys.readouterr().err == f"treadle-sim: error: {tmp_path / 'none.ptx'}: no such file\n"
    bad = tmp_path / "bad.npy"
    bad.write_bytes(b"hello")
    assert launch(ptx, bad) == 1
    assert f"{bad}: expected an .npy file, found one that says: " in capsys.readouterr().err
    with bad.open("wb") as file:
        np.savez(file, a=np.ones(3))
    assert launch(ptx, bad) == 1
    assert capsys.readouterr().err == f"treadle-sim: error: {bad}: expected an .npy file, found an archive\n"
    np.save(bad, np.float32(3))
    assert launch(ptx, bad) == 2
    assert "expected an array with axes, found a number; give it as in f32:1.5\n" in capsys.readouterr().err
    text = tmp_path / "text.ptx"
    for content in ("", "hello", SCALE.replace("mul.rn.f32", "mul.rn.f128"), "\udc80"):
        text.write_text(content, errors="surrogateescape")
        assert launch(text, x) in (1, 2)
        error = capsys.readouterr().err
        assert "internal error" not in error
        assert error.startswith(f"treadle-sim: error: {text}")


def test_a_launch_that_does_not_fit_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.ptx"
    path.write_text(SCALE.split(".visible")[0] + OTHER)
    assert sim(path) == 0
    assert sim(path, "--block=65") == 1
    assert "64" in capsys.readouterr().err
    assert sim(path, "--shared=300000") == 1
    assert "300000" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------------------------
# Findings
# ---------------------------------------------------------------------------------------------------------------------

ENTRIES = re.findall(r"\.entry (\w+)", FAULTS.read_text())


def fault(entry: str, *more: object) -> int:
    """Run an entry of the file of faults. It would take long to find that one never ends."""
    kind = "uninit" if entry == "uninitialised" else "zeros"
    return sim(FAULTS, f"--entry={entry}", "--arg", f"{kind}:f32:32", *more)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    from treadle.cli import simulation

    made = simulation.simulator
    monkeypatch.setattr(
        simulation, "simulator", lambda options: dataclasses.replace(made(options), max_instructions=10000)
    )


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.usefixtures("impatient")
def test_every_kind_is_found(entry: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, report = tmp_path / "x.npy", tmp_path / "r.json"
    assert fault(entry, "-o", f"0={out}", f"--report={report}") == 1
    assert not out.exists()
    found, *others = json.loads(report.read_text())["launches"][0]["findings"]
    assert {finding["kind"] for finding in (found, *others)} == {entry.replace("_", "-")}
    printed = capsys.readouterr().err.splitlines()
    assert printed[0].startswith(f"{FAULTS}:{found['line']}:")
    assert f": error: [{found['kind']}] {found['message']}" in printed[0]
    assert printed[1].endswith(FAULTS.read_text().splitlines()[found["line"] - 1])
    assert set(printed[2]) == set(" |^")


@pytest.mark.parametrize(
    ("entry", "flag"),
    [("out_of_bounds", "--no-bounds"), ("uninitialised", "--no-uninitialised"), ("race", "--no-races")],
)
def test_checks_can_be_turned_off(entry: str, flag: str) -> None:
    assert fault(entry) == 1
    assert fault(entry, flag) == 0


@pytest.mark.usefixtures("impatient")
def test_the_documented_messages_are_the_real_ones(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/simulator.md shows one message of each kind."""
    shown = {}
    text = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")
    for block in re.findall(r"^```text\n(faults\.ptx:.*?)^```$", text, re.MULTILINE | re.DOTALL):
        shown[re.findall(r"\[([a-z-]+)\]", block)[0]] = block
    assert sorted(shown) == sorted(entry.replace("_", "-") for entry in ENTRIES)
    for entry in ENTRIES:
        fault(entry)
        printed = capsys.readouterr().err.replace(str(FAULTS), FAULTS.name)
        assert printed == shown[entry.replace("_", "-")]


# ---------------------------------------------------------------------------------------------------------------------
# treadle-run --on=sim
# ---------------------------------------------------------------------------------------------------------------------

KERNELS = """
import treadle as td

@td.kernel
def collide(x: td.Tensor["N"], y: td.Tensor["N"]):
    (i,) = td.grid(td.cdiv(x.shape[0], 64))
    y[0:64] = x[i * 64 : i * 64 + 64]
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., int]:
    """treadle-run on a folder with a bundle."""
    return lambda *arguments: treadle_run.main([str(tmp_path / "out"), *map(str, arguments)])


def test_treadle_run_in_the_simulator(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel = td.load_kernels(ROOT / "kernels" / "rms_norm" / "kernel.py")["rms_norm"]
    td.compile(kernel, {"D": 65}, dtype="bf16", out=tmp_path / "out", ptxas=False)
    package = testing.load("rms_norm")
    case = package.cases.RMSNorm(dtype="bf16", M=5, D=65)
    arguments = []
    inputs = {name: testing.pack(array, "bf16") for name, array in case.inputs().items()}
    for name, array in inputs.items():
        np.save(tmp_path / f"{name}.npy", array)
        arguments += ["--arg", f"{name}={tmp_path / name}.npy"]
    out, report = tmp_path / "y.npy", tmp_path / "r.json"
    assert run("--on=sim", *arguments, "-o", f"y={out}", "--counts", f"--report={report}") == 0
    result = testing.unpack(np.load(out), "bf16")
    assert testing.relative_error(result, package.expected(case, inputs)["y"]) <= case.tolerance
    assert "total " in capsys.readouterr().out
    (launch,) = json.loads(report.read_text())["launches"]
    assert launch["kernel"] == "rms_norm"
    assert {Path(line["file"]).name for line in launch["lines"]} == {"kernel.py"}


def test_treadle_run_prints_findings_and_writes_nothing(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "kernels.py"
    source.write_text(KERNELS)
    td.compile(td.load_kernels(source)["collide"], dtype="f32", out=tmp_path / "out", ptxas=False)
    arguments = ["--on=sim", "--arg", "x=zeros:128", "-o", f"y={tmp_path / 'y.npy'}"]
    assert run(*arguments) == 1
    assert not (tmp_path / "y.npy").exists()
    assert capsys.readouterr().err.startswith(f"{source}:7:")
    assert run(*arguments, "--no-races") == 0
    assert (tmp_path / "y.npy").exists()


def test_treadle_run_takes_the_flags_in_the_simulator_only(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for flag in ("--counts", "--report=r.json", "--no-bounds", "--no-uninitialised", "--no-races", "--threads=2",
                 "--max-findings=3"):  # fmt: skip
        assert run("--on=cpu", flag) == 2
        name = flag.partition("=")[0]
        assert capsys.readouterr().err == f"treadle-run: error: {name} is for --on=sim\n"


def test_treadle_run_needs_the_files_of_the_bundle(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "kernels.py"
    source.write_text(KERNELS)
    td.compile(td.load_kernels(source)["collide"], dtype="f32", out=tmp_path / "out", ptxas=False)
    for suffix in ("ptx", "mlir"):
        (tmp_path / "out" / f"collide.{suffix}").unlink()
    arrays = ("--arg", "x=zeros:64", "--arg", "y=zeros:64")
    assert run("--on=sim", *arrays) == 1
    message = "treadle-run: error: collide: the bundle has no PTX, so it cannot be simulated; compile it again\n"
    assert capsys.readouterr().err == message
    assert run("--on=cpu", *arrays) == 1
    message = "collide: the bundle has no MLIR text, so it cannot run on the CPU; compile it again\n"
    assert capsys.readouterr().err == f"treadle-run: error: {message}"
