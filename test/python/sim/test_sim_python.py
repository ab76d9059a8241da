"""The simulator from Python: td.run, Simulator, reports, and every complaint of its C ABI."""

from __future__ import annotations

import ctypes
import json
from ctypes import c_int64, c_void_p
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import treadle as td
from treadle import compiler, testing
from treadle.errors import InternalError, LaunchError, SimulationError, TreadleError
from treadle.runtime import Bundle, Simulator, _rt, _sim
from treadle.runtime.cache import Cache

HERE = Path(__file__).parent
FAULTS = HERE / "faults.ptx"

KERNELS = """
import treadle as td

@td.kernel
def scale(x: td.Tensor["N"], y: td.Tensor["N"], a: td.f32 = 2.0, *, C: td.Const = 256):
    (i,) = td.grid(td.cdiv(x.shape[0], C))
    y[i * C : i * C + C] = (x[i * C : i * C + C].to(td.f32) * a).to(y.dtype)

@td.kernel
def collide(x: td.Tensor["N"], y: td.Tensor["N"]):
    (i,) = td.grid(td.cdiv(x.shape[0], 64))
    y[0:64] = x[i * 64 : i * 64 + 64]

@td.kernel
def add_into(x: td.Tensor["M", "N"], y: td.Tensor["M", "N"]):
    (i,) = td.grid(x.shape[0])
    y[i, 0:64] = y[i, 0:64] + x[i, 0:64]
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path / "cache")
    monkeypatch.setattr(compiler, "default_cache", lambda: cache)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "kernels.py"
    path.write_text(KERNELS)
    return path


@pytest.fixture
def kernels(source: Path) -> Any:
    return td.load_kernels(source)


def numbers(count: int) -> np.ndarray:
    """Random ones, at a multiple of 64 bytes."""
    array = testing.poisoned((count,), "f32")
    array[:] = np.random.default_rng(0).standard_normal(count)
    return array


# ---------------------------------------------------------------------------------------------------------------------
# td.run
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
@pytest.mark.parametrize("arch", ["sm_80", "sm_90a"])
def test_run_in_the_simulator(kernels: Any, dtype: str, arch: str) -> None:
    x = testing.pack(numbers(1000), dtype)
    y = testing.poisoned(x.shape, dtype)
    report = td.run(kernels["scale"], x, y, 3.0, on="sim", arch=arch)
    assert np.array_equal(testing.unpack(y, dtype), testing.round_to(testing.unpack(x, dtype) * 3, dtype))
    assert report.findings == ()
    (launch,) = report.launches
    assert (launch.kernel, launch.grid, launch.block) == ("scale", (4, 1, 1), (128, 1, 1))
    assert (report.total.global_bytes_read, report.total.global_bytes_written) == (x.nbytes, y.nbytes)
    assert launch.seconds > 0
    assert launch.instructions == report.total.lanes > 0


def test_run_where_the_arrays_are(kernels: Any) -> None:
    x = numbers(300)
    for on in (None, "cpu"):
        y = np.zeros_like(x)
        assert td.run(kernels["scale"], x, y, 0.5, on=on) is None
        assert np.array_equal(y, x * np.float32(0.5))


class OnCuda:
    """Looks like a PyTorch tensor of a CUDA device."""

    class device:
        type = "cuda"
        index = 0

    dtype, shape = "torch.float32", (8,)

    def data_ptr(self) -> int:
        return 1 << 40

    def stride(self) -> tuple[int, ...]:
        return (1,)


def test_run_refuses_the_wrong_place(kernels: Any) -> None:
    scale, x = kernels["scale"], numbers(8)
    with pytest.raises(LaunchError, match=r"^scale: expected on=.cpu., .gpu. or .sim., found .gpus.$"):
        td.run(scale, x, x, on="gpus")
    with pytest.raises(LaunchError, match=r"^scale: expected tensors on a CUDA device, found them on the CPU$"):
        td.run(scale, x, x, on="gpu")
    for on in ("cpu", "sim"):
        with pytest.raises(LaunchError, match=r"^scale: expected tensors on the CPU, found them on a CUDA device$"):
            td.run(scale, OnCuda(), OnCuda(), on=on)
    for more in ({"arch": "sm_80"}, {"check": False}):
        with pytest.raises(LaunchError, match=r"^scale: expected on=.sim. with arch and check, found on='cpu'$"):
            td.run(scale, x, x, on="cpu", **more)


def test_run_checks_arguments_as_a_launch_does(kernels: Any) -> None:
    x = numbers(8)
    with pytest.raises(LaunchError, match=r"argument 'y': expected"):
        td.run(kernels["scale"], x, numbers(9), on="sim")
    with pytest.raises(LaunchError, match="missing a required argument: 'y'"):
        td.run(kernels["scale"], x, on="sim")
    with pytest.raises(TreadleError, match="sm_70"):
        td.run(kernels["scale"], x, x, on="sim", arch="sm_70")


def test_nothing_is_launched_on_an_empty_grid(kernels: Any) -> None:
    x = np.zeros(0, np.float32)
    report = td.run(kernels["scale"], x, x.copy(), on="sim")
    assert report.launches == ()
    assert report.total.lanes == 0


# ---------------------------------------------------------------------------------------------------------------------
# Findings
# ---------------------------------------------------------------------------------------------------------------------


def test_a_race_between_blocks_is_raised_at_its_line(kernels: Any, source: Path) -> None:
    x = numbers(128)
    with pytest.raises(SimulationError) as caught:
        td.run(kernels["collide"], x, np.zeros_like(x), on="sim")
    (finding,) = caught.value.findings
    assert finding.kind == "race"
    assert (finding.place.file, finding.place.line) == (str(source), 12)
    assert finding.other is not None
    assert {finding.place.block, finding.other.block} == {(0, 0, 0), (1, 0, 0)}
    assert finding.message.startswith(f"thread {str(finding.place.thread).replace(' ', '')} of block ")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{source}:12:")
    assert ": error: [race] thread (" in lines[0]
    assert lines[0].endswith(f" ({finding.times} times)")
    assert lines[1] == "   12 |     y[0:64] = x[i * 64 : i * 64 + 64]"
    assert lines[2].startswith("      | ")
    assert lines[2].endswith("^")
    assert f"{source}:12:" in lines[3]
    assert ": note: the other access of thread (" in lines[3]
    assert ": st.global" in lines[3]


def test_unchecked_the_report_has_the_findings(kernels: Any) -> None:
    x = numbers(128)
    report = td.run(kernels["collide"], x, np.zeros_like(x), on="sim", check=False)
    assert [finding.kind for finding in report.findings] == ["race"]
    with pytest.raises(SimulationError):
        report.check()


def test_checks_can_be_turned_off(kernels: Any) -> None:
    x = numbers(128)
    bundle = td.compile(kernels["collide"], dtype="f32", ptxas=False).bundle()
    assert Simulator(races=False).run(bundle, x, np.zeros_like(x)).findings == ()
    assert Simulator(counts=False).run(bundle, x, np.zeros_like(x)).total.lanes == 0


def test_results_do_not_depend_on_threads(kernels: Any) -> None:
    x = numbers(2000)
    bundle = td.compile(kernels["collide"], dtype="f32", ptxas=False).bundle()
    runs = [Simulator(threads=threads).run(bundle, x, np.zeros_like(x)) for threads in (1, 2, 5)]
    found = [[(f.kind, f.place.line, f.place.instruction, f.times) for f in run.findings] for run in runs]
    assert found[0] == found[1] == found[2]  # but for which of the blocks are named
    assert runs[0].lines == runs[1].lines == runs[2].lines


def test_findings_stop_at_the_limit() -> None:
    report = run_fault("out_of_bounds", Simulator(max_findings=20))
    assert not report.findings_cut
    two = FAULTS.read_text().replace("ld.global.b32 %r2, [%rd3+4];", "ld.global.b32 %r2, [%rd3+4];" * 3)
    report = run_fault("out_of_bounds", Simulator(max_findings=2), two)
    assert len(report.findings) == 2
    assert report.findings_cut
    with pytest.raises(SimulationError, match=r"note: more was found than is shown$"):
        report.check()


def run_fault(entry: str, simulator: Simulator, text: str | None = None) -> Any:
    """An entry of the file of faults, on 32 numbers."""
    module = _sim.Module(text or FAULTS.read_text(), "faults.ptx")
    memory, x = _sim.Memory(), np.zeros(32, np.uint32)
    address = np.array(memory.map(x.ctypes.data, 4, [32], [1], "x", True), np.uint64)
    params = (c_void_p * 1)(address.ctypes.data)
    (block,) = [e["reqntid"] for e in module.describe()["entries"] if e["name"] == entry]
    launch = simulator.launch(module, entry, memory, (1, 1, 1), block, 0, params, 1)
    return td.runtime.Report((launch,))


def test_a_tensor_that_is_only_written_begins_uninitialised(kernels: Any) -> None:
    """The same array as y, which is read and written, is initialised."""
    x, y = np.ones((2, 64), np.float32), np.ones((2, 64), np.float32)
    assert td.run(kernels["add_into"], x, y, on="sim").findings == ()
    assert np.array_equal(y, x + 1)
    compiled = td.compile(kernels["add_into"], dtype="f32", ptxas=False)
    manifest = json.loads(compiled.files["add_into.json"])
    manifest["params"][1]["access"] = "write"
    bundle = Bundle.from_memory(json.dumps(manifest), compiled.ptx.encode())
    report = Simulator().run(bundle, x, np.ones_like(y))
    assert {finding.kind for finding in report.findings} == {"uninitialised"}
    assert Simulator(uninitialised=False).run(bundle, x, np.ones_like(y)).findings == ()


def test_what_lies_between_rows_is_out_of_bounds(kernels: Any) -> None:
    """A kernel of 64 columns, told that they are fewer, on rows that are 64 apart."""
    compiled = td.compile(kernels["add_into"], dtype="f32", ptxas=False)
    bundle = compiled.bundle()
    x, y = np.ones((2, 64), np.float32), np.ones((2, 64), np.float32)
    assert Simulator().run(bundle, x[:, :48], y[:, :48]).findings == ()
    assert np.array_equal(y, np.where(np.arange(64) < 48, 2, 1) * np.ones((2, 1)))
    # Other values for N: what the kernel believes is 64.
    prepared = bundle.prepare(x, y)
    memory, module = _sim.Memory(), _sim.Module(compiled.ptx, "add_into.ptx")
    prepared.rebind([memory.map(a.ctypes.data, 4, (2, 48), (64, 1), n, True) for a, n in ((x, "x"), (y, "y"))])
    (info,) = prepared.launches
    found = Simulator().launch(module, info.entry, memory, info.grid, info.block, 0, info.params, len(info.sizes))
    assert {finding.kind for finding in found.findings} == {"out-of-bounds"}
    assert y[:, 48:].max() == 1  # nothing was written there
    assert y[:, :48].min() == 3
    unreported = Simulator(bounds=False)
    found = unreported.launch(module, info.entry, memory, info.grid, info.block, 0, info.params, len(info.sizes))
    assert found.findings == ()
    assert y[:, 48:].max() == 1


# ---------------------------------------------------------------------------------------------------------------------
# Reports
# ---------------------------------------------------------------------------------------------------------------------


def test_lines_add_up(kernels: Any, source: Path) -> None:
    x, y = numbers(1000), numbers(1000)
    report = td.run(kernels["scale"], x, y, on="sim")
    assert {line.file for line in report.lines} == {str(source)}
    assert {line.line for line in report.lines} >= {6, 7}
    total = report.total
    assert sum(line.lanes for line in report.lines) == total.lanes == sum(total.classes.values())
    assert sum(line.global_bytes_read for line in report.lines) == total.global_bytes_read == x.nbytes
    assert total.sectors_read == total.sectors_written == x.nbytes // 32
    assert (total.bank_conflicts, total.multiply_adds, total.barriers) == (0, 0, 0)
    assert total.classes["load"] > 0
    both = td.runtime.Report(report.launches * 2)
    assert both.total.lanes == 2 * total.lanes
    assert [line.lanes for line in both.lines] == [2 * line.lanes for line in report.lines]


def test_the_table_has_every_line_and_the_total(kernels: Any) -> None:
    x = numbers(1000)
    rows = td.run(kernels["scale"], x, np.zeros_like(x), on="sim").table().splitlines()
    assert rows[0].split()[:2] == ["line", "instructions"]
    (row,) = [i for i, row in enumerate(rows) if row.startswith("kernels.py:7 ")]
    assert "4,000" in rows[row]
    assert rows[row].endswith("y[i * C : i * C + C] = (x[i * C : i * C + C].to(td.f32) * a).to(y.dtype)")
    assert "store " in rows[row + 1]
    assert rows[-2].startswith("total ")


def test_a_bundle_from_files(kernels: Any, tmp_path: Path) -> None:
    td.compile(kernels["scale"], dtype="f32", out=tmp_path / "out", ptxas=False)
    x = numbers(300)
    for path in (tmp_path / "out", tmp_path / "out" / "scale.json"):
        y = np.zeros_like(x)
        assert Simulator().run(Bundle(path), x, y, a=0.5).findings == ()
        assert np.array_equal(y, x * np.float32(0.5))


def test_a_bundle_without_ptx_is_an_error(kernels: Any, tmp_path: Path) -> None:
    compiled = td.compile(kernels["scale"], dtype="f32", out=tmp_path / "out", ptxas=False)
    (tmp_path / "out" / "scale.ptx").unlink()
    x = numbers(8)
    message = "^scale: the bundle has no PTX, so it cannot be simulated; compile it again$"
    for bundle in (Bundle(tmp_path / "out"), Bundle.from_memory(compiled.files["scale.json"], b"\x7fELF")):
        with pytest.raises(TreadleError, match=message):
            Simulator().run(bundle, x, x)


def test_tensors_on_a_device_are_refused(kernels: Any) -> None:
    bundle = td.compile(kernels["scale"], dtype="f32", ptxas=False).bundle()
    with pytest.raises(LaunchError, match=r"argument 'x': expected a tensor on the CPU, found one on a CUDA device$"):
        Simulator().run(bundle, OnCuda(), OnCuda())


def test_a_missing_library_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_LIB_DIR", str(tmp_path))
    with pytest.raises(TreadleError, match=rf"^libtreadle_sim.so: expected it in {tmp_path}, found none$"):
        _rt.load(_sim.LIBRARY)
    (tmp_path / _sim.LIBRARY).write_text("")
    with pytest.raises(TreadleError, match="expected a library that loads, found: "):
        _rt.load(_sim.LIBRARY)


# ---------------------------------------------------------------------------------------------------------------------
# The C ABI
# ---------------------------------------------------------------------------------------------------------------------

PTX, LAUNCH, USAGE = 1, 2, 3
NOP = b"""
.version 8.0
.target sm_80
.address_size 64
.extern .shared .align 16 .b8 dynamic[];
.shared .align 4 .b8 s[64];
.visible .entry none() { ret; }
.visible .entry two(.param .u64 p, .param .u32 n)
.reqntid 32, 2, 1
{
  .reg .b32 %r<2>;
  mov.b32 %r1, dynamic;
  mov.b32 %r1, s;
  ret;
}
"""


def place() -> Any:
    return ctypes.byref(c_void_p())


def longs(*values: int) -> Any:
    return (c_int64 * len(values))(*values)


class Abi:
    """A module and a memory."""

    def __init__(self) -> None:
        self.lib = _sim.library()
        self.module, self.memory = c_void_p(), c_void_p()
        assert self.lib.treadle_sim_open(NOP, len(NOP), b"nop.ptx", ctypes.byref(self.module)) == 0
        assert self.lib.treadle_sim_memory_create(ctypes.byref(self.memory)) == 0

    def close(self) -> None:
        self.lib.treadle_sim_close(self.module)
        self.lib.treadle_sim_memory_destroy(self.memory)


@pytest.fixture
def abi() -> Any:
    made = Abi()
    yield made
    made.close()


def refused(abi: Abi, status: int, expected: int, message: str) -> None:
    assert status == expected
    assert abi.lib.treadle_sim_last_error().decode() == message


def test_abi_describe(abi: Abi) -> None:
    text = c_void_p()
    assert abi.lib.treadle_sim_describe(abi.module, ctypes.byref(text)) == 0
    found = json.loads(ctypes.string_at(text.value or 0))
    abi.lib.treadle_sim_free(text)
    assert found == {
        "target": "sm_80",
        "entries": [
            {"name": "none", "params": [], "reqntid": None, "static_shared": 0, "dynamic_shared": False},
            {
                "name": "two",
                "params": [{"name": "p", "bytes": 8}, {"name": "n", "bytes": 4}],
                "reqntid": [32, 2, 1],
                "static_shared": 64,
                "dynamic_shared": True,
            },
        ],
    }


def test_abi_null_handles(abi: Abi) -> None:
    lib = abi.lib
    abi.lib.treadle_sim_close(None)
    abi.lib.treadle_sim_memory_destroy(None)
    abi.lib.treadle_sim_free(None)
    refused(abi, lib.treadle_sim_open(None, 0, b"n", place()), USAGE, "expected PTX text, found null")
    refused(abi, lib.treadle_sim_open(b"", 0, None, place()), USAGE, "expected a name, found null")
    refused(abi, lib.treadle_sim_open(b"", 0, b"n", None), USAGE, "expected a place for the module, found null")
    refused(abi, lib.treadle_sim_describe(None, place()), USAGE, "expected a module, found null")
    refused(abi, lib.treadle_sim_describe(abi.module, None), USAGE, "expected a place for the text, found null")
    refused(abi, lib.treadle_sim_memory_create(None), USAGE, "expected a place for the memory, found null")


def map_status(abi: Abi, **changes: Any) -> int:
    data = np.zeros(6, np.float32)
    given = {
        "memory": abi.memory,
        "data": data.ctypes.data,
        "element_bytes": 4,
        "rank": 2,
        "shape": longs(2, 3),
        "strides": longs(3, 1),
        "name": b"x",
        "initialised": 1,
        "address": ctypes.byref(ctypes.c_uint64()),
    } | changes
    return int(abi.lib.treadle_sim_map(*given.values()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory": None}, "expected a memory, found null"),
        ({"name": None}, "expected a name, found null"),
        ({"address": None}, "expected a place for the address, found null"),
        ({"data": None}, "expected data, found null"),
        ({"shape": None}, "expected a shape, found null"),
        ({"strides": None}, "expected strides, found null"),
        ({"rank": -1}, "expected a rank of at least 0, found -1"),
        ({"element_bytes": 0}, "expected element_bytes of at least 1, found 0"),
        ({"shape": longs(2, -3)}, "expected sizes of at least 0, found -3"),
        *(
            ({name: value}, "expected an array of at most 2^47 bytes, found sizes and strides of more")
            for name, value in (
                ("shape", longs(1 << 62, 3)),
                ("shape", longs(1 << 24, 1 << 24)),
                ("strides", longs(1 << 62, 1)),
                ("strides", longs(-(1 << 63), 1)),
            )
        ),
    ],
)
def test_abi_map(abi: Abi, changes: dict[str, Any], message: str) -> None:
    assert map_status(abi) == 0
    assert map_status(abi, data=None, shape=longs(2, 0)) == 0
    refused(abi, map_status(abi, **changes), USAGE, message)


def launch_status(abi: Abi, **changes: Any) -> int:
    p, n = ctypes.c_uint64(0), ctypes.c_uint32(0)
    report = c_void_p()
    given = {
        "module": abi.module,
        "entry": b"two",
        "memory": abi.memory,
        "grid": longs(1, 1, 1),
        "block": longs(32, 2, 1),
        "dynamic_shared": 0,
        "params": (c_void_p * 2)(ctypes.addressof(p), ctypes.addressof(n)),
        "n": 2,
        "options": None,
        "report": ctypes.byref(report),
    } | changes
    status = int(abi.lib.treadle_sim_launch(*given.values()))
    abi.lib.treadle_sim_free(report)
    return status


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"module": None}, USAGE, "expected a module, found null"),
        ({"entry": None}, USAGE, "expected an entry's name, found null"),
        ({"entry": b"three"}, LAUNCH, "nop.ptx: expected an entry of none, two, found three"),
        ({"memory": None}, USAGE, "expected a memory, found null"),
        ({"grid": None}, USAGE, "expected grid, found null"),
        ({"grid": longs(1, 0, 1)}, USAGE, "expected grid sizes of at least 1, found 0"),
        ({"block": None}, USAGE, "expected block, found null"),
        ({"block": longs(-1, 1, 1)}, USAGE, "expected block sizes of at least 1, found -1"),
        ({"params": None}, USAGE, "expected parameters, found null"),
        ({"params": (c_void_p * 2)()}, USAGE, "expected parameter 0, found null"),
        ({"n": 1}, USAGE, "expected 2 parameters of two, found 1"),
        ({"n": -1}, USAGE, "expected a number of parameters of at least 0, found -1"),
        ({"report": None}, USAGE, "expected a place for the report, found null"),
        (
            {"options": ctypes.byref(_sim.Options(threads=-1))},
            USAGE,
            "expected threads of at least 0, found -1",
        ),
        (
            {"options": ctypes.byref(_sim.Options(max_findings=-1))},
            USAGE,
            "expected max_findings of at least 0, found -1",
        ),
    ],
)
def test_abi_launch(abi: Abi, changes: dict[str, Any], status: int, message: str) -> None:
    assert launch_status(abi) == 0
    assert launch_status(abi, entry=b"none", params=None, n=0) == 0
    refused(abi, launch_status(abi, **changes), status, message)


def test_abi_errors_of_programs_and_launches(abi: Abi) -> None:
    text = b".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry f() {\n  frobnicate.u32;\n}\n"
    assert abi.lib.treadle_sim_open(text, len(text), b"k.ptx", place()) == PTX
    assert abi.lib.treadle_sim_last_error().startswith(b"k.ptx:5: frobnicate.u32: ")
    assert launch_status(abi, block=longs(64, 1, 1)) == LAUNCH
    assert b"two" in abi.lib.treadle_sim_last_error()


def test_errors_become_exceptions() -> None:
    with pytest.raises(TreadleError, match=r"^k\.ptx:1: ") as caught:
        _sim.Module("hello", "k.ptx")
    assert type(caught.value) is TreadleError
    module, memory = _sim.Module(NOP.decode(), "nop.ptx"), _sim.Memory()
    with pytest.raises(LaunchError, match="expected an entry of none, two, found three"):
        module.launch("three", memory, (1, 1, 1), (1, 1, 1), 0, None, 0, _sim.Options())
    with pytest.raises(InternalError, match="expected 0 parameters of none, found 1"):
        module.launch("none", memory, (1, 1, 1), (1, 1, 1), 0, None, 1, _sim.Options())
