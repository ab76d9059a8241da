"""Bundles from Python: tensors of other libraries in, errors out, and launches on a stand-in for the driver.

Needs libtreadle_rt.so (see treadle.runtime._rt) and, for the launches, a C compiler.
"""

from __future__ import annotations

import copy
import ctypes
import gc
import json
import os
import shutil
import subprocess
import sys
import types
import weakref
from pathlib import Path
from typing import Any

import pytest
from treadle.errors import LaunchError, TreadleError
from treadle.runtime import Bundle, _rt, _streams

np = pytest.importorskip("numpy")
ml_dtypes = pytest.importorskip("ml_dtypes")

try:
    _rt.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
FAKE_SOURCE = ROOT / "test" / "unit" / "runtime" / "fake_cuda.c"

TENSOR = {"kind": "tensor", "dtype": "bf16", "shape": ["M", 64], "strides": [None, 1], "align": 16}
MANIFEST: dict[str, Any] = {
    "format": 1,
    "name": "scale",
    "arch": "sm_90a",
    "params": [
        {**TENSOR, "name": "x", "access": "read"},
        {**TENSOR, "name": "y", "access": "write"},
        {"kind": "scalar", "name": "a", "dtype": "f32", "default": 2.0},
        {"kind": "scalar", "name": "n", "dtype": "i32", "default": 7},
    ],
    "launches": [
        {
            "entry": "scale",
            "grid": [["ceildiv", "M", 4], 1, 1],
            "block": [128, 1, 1],
            "shared_bytes": 0,
            "args": [
                {"pointer": "x"},
                {"dim": "M"},
                {"stride": ["x", 0]},
                {"pointer": "y"},
                {"stride": ["y", 0]},
                {"scalar": "a"},
                {"scalar": "n"},
            ],
        }
    ],
}
CUBIN = b"\x7fELF" + bytes(60)


@pytest.fixture
def bundle() -> Bundle:
    return Bundle.from_memory(json.dumps(MANIFEST))


def bf16(*shape: int) -> Any:
    """An array of zeros, aligned to 64 bytes."""
    count = int(np.prod(shape))
    raw = np.zeros(2 * count + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + 2 * count].view(ml_dtypes.bfloat16).reshape(shape)


def values(prepared: Any, launch: int = 0) -> list[int]:
    """The parameters of a launch, zero-extended."""
    info = prepared.launches[launch]
    return [int.from_bytes(ctypes.string_at(info.params[i], size), sys.byteorder) for i, size in enumerate(info.sizes)]


# ---- Parameters and NumPy ----


def test_parameters(bundle: Bundle) -> None:
    assert bundle.name == "scale"
    assert bundle.arch == "sm_90a"
    x, y, a, n = bundle.params
    assert (x.name, x.kind, x.dtype, x.shape, x.strides, x.align, x.access) == (
        "x",
        "tensor",
        "bf16",
        ("M", 64),
        (None, 1),
        16,
        "read",
    )
    assert y.is_tensor
    assert y.access == "write"
    assert (a.kind, a.dtype, a.default) == ("scalar", "f32", 2.0)
    assert n.default == 7
    assert isinstance(n.default, int)
    assert repr(bundle) == "Bundle('scale', arch='sm_90a', params=[x, y, a, n])"


def test_numpy_arrays(bundle: Bundle) -> None:
    x, y = bf16(10, 128)[:, :64], bf16(10, 64)
    prepared = bundle.prepare(x, y, 0.5, n=-1)
    assert prepared.device == -1
    (launch,) = prepared.launches
    assert (launch.entry, launch.grid, launch.block, launch.shared_bytes) == ("scale", (3, 1, 1), (128, 1, 1), 0)
    assert launch.sizes == (8, 8, 8, 8, 8, 4, 4)
    assert values(prepared) == [x.ctypes.data, 10, 128, y.ctypes.data, 64, 0x3F000000, 0xFFFFFFFF]


def test_defaults_and_names(bundle: Bundle) -> None:
    x, y = bf16(4, 64), bf16(4, 64)
    assert values(bundle.prepare(y=y, x=x)) == [x.ctypes.data, 4, 64, y.ctypes.data, 64, 0x40000000, 7]
    assert values(bundle.prepare(x, y, n=np.int16(3), a=np.float32(1.0)))[-2:] == [0x3F800000, 3]
    assert values(bundle.prepare(x, y, True, True))[-2:] == [0x3F800000, 1]


def test_prepared_keeps_what_it_needs(bundle: Bundle) -> None:
    x, y = bf16(4, 64), bf16(4, 64)
    alive = weakref.ref(x)
    prepared = bundle.prepare(x, y)
    del x, bundle
    gc.collect()
    assert alive() is not None
    assert values(prepared)[1] == 4
    prepared.rebind([y.ctypes.data, y.ctypes.data])
    gc.collect()
    assert alive() is None
    assert values(prepared)[0] == y.ctypes.data


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": "f32"}, "scale: argument 'x': expected dtype bf16, found f32"),
        ({"x": "f16"}, "scale: argument 'x': expected dtype bf16, found f16"),
        ({"x": "u8"}, "scale: argument 'x': expected dtype bf16, found u8"),
        ({"x": "bool"}, "scale: argument 'x': expected dtype bf16, found bool"),
        ({"x": "big"}, "scale: argument 'x': expected an array of native numbers, found NumPy dtype >f4"),
        ({"x": "text"}, "scale: argument 'x': expected an array of native numbers, found NumPy dtype <U1"),
        ({"x": "rank"}, "scale: argument 'x': expected rank 2, found 1"),
        ({"x": "narrow"}, "scale: argument 'x': expected size 64 on axis 1, found 32"),
        ({"x": "transposed"}, "scale: argument 'x': expected stride 1 on axis 1, found 64"),
        ({"x": "fields"}, "scale: argument 'x': expected strides of whole elements (4 bytes), found (10,) bytes"),
        ({"x": 1.0}, "scale: argument 'x': expected a tensor, found float"),
        ({"x": None}, "scale: argument 'x': expected a tensor, found NoneType"),
        ({"x": [1.0]}, "scale: argument 'x': expected a tensor, found list"),
        (
            {"y": "short"},
            "scale: argument 'y': expected size 64 on axis 0 (dimension 'M', as axis 0 of argument 'x'), found 32",
        ),
        ({"y": "read_only"}, "scale: argument 'y': expected a tensor that may be written, found a read-only one"),
        ({"y": "repeated"}, "scale: argument 'y': expected elements of their own to write, found stride 0 on axis 0"),
        ({"a": "1"}, "scale: argument 'a': expected a number (f32), found str"),
        ({"a": "f32"}, "scale: argument 'a': expected a number (f32), found ndarray"),
        ({"a": 1e300}, "scale: argument 'a': expected a number that f32 can hold, found 1e+300"),
        ({"n": 1.5}, "scale: argument 'n': expected an integer (i32), found the number 1.5"),
        ({"n": 2**31}, "scale: argument 'n': expected a number that i32 can hold, found 2147483648"),
        ({"n": 2**80}, f"scale: argument 'n': expected a number that i32 can hold, found {2**80}"),
        ({"z": 1}, "scale: expected arguments named x, y, a, n, found 'z'"),
    ],
)
def test_arguments_that_do_not_fit(bundle: Bundle, change: dict[str, Any], message: str) -> None:
    read_only = bf16(64, 64)
    read_only.flags.writeable = False
    special = {
        "f32": np.zeros((64, 64), np.float32),
        "f16": np.zeros((64, 64), np.float16),
        "u8": np.zeros((64, 64), np.uint8),
        "bool": np.zeros((64, 64), bool),
        "big": np.zeros((64, 64), ">f4"),
        "text": np.array(["a"]),
        "rank": bf16(64),
        "narrow": bf16(64, 32),
        "transposed": bf16(64, 64).T,
        "short": bf16(32, 64),
        "read_only": read_only,
        "repeated": np.broadcast_to(bf16(1, 64), (64, 64)),
        "fields": np.zeros(4, [("a", "f4"), ("b", "S6")])["a"],
    }
    special["repeated"].flags.writeable = True
    arguments: dict[str, Any] = {"x": bf16(64, 64), "y": bf16(64, 64)}
    for name, value in change.items():
        arguments[name] = special.get(value, value) if isinstance(value, str) else value
    with pytest.raises(LaunchError) as caught:
        bundle.prepare(**arguments)
    assert str(caught.value) == message


def test_alignment(bundle: Bundle) -> None:
    x = bf16(2, 64 * 2).reshape(-1)[1:129].reshape(2, 64)
    with pytest.raises(LaunchError, match="argument 'x': expected a base address aligned to 16 bytes, found 0x"):
        bundle.prepare(x, bf16(2, 64))


def test_max_bytes() -> None:
    manifest = copy.deepcopy(MANIFEST)
    manifest["params"][0]["max_bytes"] = 4 * 64 * 2
    small = Bundle.from_memory(json.dumps(manifest))
    small.prepare(bf16(4, 64), bf16(4, 64))
    message = r"argument 'x': expected a tensor that spans at most 512 bytes \(max_bytes\), found 640"
    with pytest.raises(LaunchError, match=message):
        small.prepare(bf16(5, 64), bf16(5, 64))
    manifest["params"][0]["max_bytes"] = 0
    with pytest.raises(LaunchError, match=r"params\[0\].max_bytes: expected a positive integer, found 0"):
        Bundle.from_memory(json.dumps(manifest))


def test_counts(bundle: Bundle) -> None:
    x, y = bf16(4, 64), bf16(4, 64)
    for args, kwargs, message in [
        ((x,), {}, "scale: argument 'y': expected a tensor, found none"),
        ((x, y, 1.0, 2, 3), {}, "scale: expected at most 4 arguments, found 5"),
        ((x, y), {"x": x}, "scale: argument 'x': expected it once, found it by position and by name"),
    ]:
        with pytest.raises(LaunchError) as caught:
            bundle.prepare(*args, **kwargs)
        assert str(caught.value) == message


def test_launch_on_the_cpu_is_an_error(bundle: Bundle) -> None:
    message = "scale: argument 'x': expected a tensor on a CUDA device, found one on the CPU"
    with pytest.raises(LaunchError, match=message):
        bundle.launch(bf16(4, 64), bf16(4, 64))
    with pytest.raises(LaunchError, match=message):
        bundle.prepare(bf16(4, 64), bf16(4, 64)).launch()


def test_opening(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match=r"cannot read the manifest: No such file or directory$"):
        Bundle(tmp_path / "none.json")
    (tmp_path / "scale.json").write_text(json.dumps({**MANIFEST, "format": 9}))
    with pytest.raises(LaunchError, match=r"scale.json: \$\.format: expected format 1, found 9$"):
        Bundle(tmp_path)
    (tmp_path / "scale.json").write_text(json.dumps(MANIFEST))
    with Bundle(tmp_path) as bundle:
        assert bundle.name == "scale"
    with pytest.raises(LaunchError, match="scale: expected an open bundle, found a closed one"):
        bundle.prepare(bf16(4, 64), bf16(4, 64))
    bundle.close()


def test_the_library_is_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TREADLE_LIB_DIR", str(tmp_path))
    assert _rt.library_folders() == [tmp_path]
    monkeypatch.delenv("TREADLE_LIB_DIR")
    assert _rt.library_folders() == [ROOT / "python" / "treadle" / "_lib", ROOT / "build" / "lib"]
    _rt.library.cache_clear()
    monkeypatch.setenv("TREADLE_LIB_DIR", str(tmp_path))
    with pytest.raises(TreadleError, match=r"libtreadle_rt.so: expected it in .*, found none"):
        _rt.library()


def test_the_library_is_small_and_exports_its_abi_alone() -> None:
    path = Path(_rt.library()._name)
    assert path.stat().st_size <= 2 << 20
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("needs nm")
    names = subprocess.run([nm, "-D", "--defined-only", path], check=True, capture_output=True, text=True).stdout
    assert {line.split()[2][:11] for line in names.splitlines()} == {"treadle_rt_"}


# ---- DLPack without NumPy or PyTorch ----

capsule_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
    ("PyCapsule_New", ctypes.pythonapi)
)


class Producer:
    """An object that speaks DLPack, of version 0 or 1, and notes how it is asked."""

    def __init__(
        self, address: int, rows: int, *, version: int = 0, device: tuple[int, int] = (1, 0), read_only: bool = False
    ) -> None:
        self.asked: list[dict[str, Any]] = []
        self.device = device
        self.version = version
        self.shape = (ctypes.c_int64 * 2)(rows, 64)
        tensor = _rt.Tensor(
            data=address,
            device_type=device[0],
            device_id=device[1],
            ndim=2,
            dtype_code=_rt.BFLOAT,
            dtype_bits=16,
            dtype_lanes=1,
            shape=self.shape,
            strides=None,
        )
        header = b""
        if version:
            header = version.to_bytes(4, sys.byteorder) + bytes(4 + 16) + int(read_only).to_bytes(8, sys.byteorder)
        self.managed = ctypes.create_string_buffer(header + bytes(tensor) + bytes(16))

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, **kwargs: Any) -> Any:
        if not self.version and "max_version" in kwargs:
            raise TypeError("unexpected keyword argument 'max_version'")
        self.asked.append(kwargs)
        self.name = b"dltensor_versioned" if self.version else b"dltensor"
        return capsule_new(ctypes.addressof(self.managed), self.name, None)


@pytest.mark.parametrize("version", [0, 1])
def test_dlpack(bundle: Bundle, version: int) -> None:
    x, y = Producer(0x10000, 4, version=version), Producer(0x20000, 4, version=version)
    prepared = bundle.prepare(x, y)
    assert values(prepared)[:5] == [0x10000, 4, 64, 0x20000, 64]
    assert x.asked == [{"max_version": (1, 0)} if version else {}]


def test_dlpack_capsules(bundle: Bundle) -> None:
    x, y = Producer(0x10000, 4), Producer(0x20000, 4)
    assert values(bundle.prepare(x.__dlpack__(), y))[0] == 0x10000
    other = capsule_new(ctypes.addressof(x.managed), b"used_dltensor", None)
    with pytest.raises(LaunchError, match="argument 'x': expected a DLPack capsule, found one that is used up"):
        bundle.prepare(other, y)


def test_dlpack_flags_and_versions(bundle: Bundle) -> None:
    x, y = Producer(0x10000, 4, version=1, read_only=True), Producer(0x20000, 4, version=1, read_only=True)
    with pytest.raises(LaunchError, match="argument 'y': expected a tensor that may be written, found a read-only one"):
        bundle.prepare(x, y)
    with pytest.raises(LaunchError, match=r"argument 'x': expected DLPack of version 1, found 2\.0"):
        bundle.prepare(Producer(0x10000, 4, version=2), y)


def test_dlpack_streams(bundle: Bundle) -> None:
    x, y = Producer(0x10000, 4, device=(2, 1)), Producer(0x20000, 4, device=(2, 1))
    assert bundle.prepare(x, y).device == 1
    assert x.asked == [{"stream": 1}]
    with pytest.raises(LaunchError, match="argument 'x': expected a tensor on the CPU or a CUDA device"):
        bundle.prepare(Producer(0x10000, 4, device=(10, 0)), y)


def test_dlpack_exporters_that_fail(bundle: Bundle) -> None:
    class Broken:
        def __dlpack_device__(self) -> tuple[int, int]:
            return 1, 0

        def __dlpack__(self, **_: Any) -> Any:
            raise BufferError("it is on the moon")

    with pytest.raises(LaunchError, match=r"argument 'x': expected an object that exports DLPack.*on the moon"):
        bundle.prepare(Broken(), bf16(4, 64))


def test_numpy_through_dlpack() -> None:
    manifest = json.loads(json.dumps(MANIFEST).replace("bf16", "f32"))
    bundle = Bundle.from_memory(json.dumps(manifest))

    class Wrapped:
        def __init__(self, array: Any) -> None:
            self.array = array

        def __dlpack_device__(self) -> Any:
            return self.array.__dlpack_device__()

        def __dlpack__(self, **kwargs: Any) -> Any:
            return self.array.__dlpack__(**kwargs)

    array = np.zeros((4, 64), np.float32)
    references = sys.getrefcount(array)
    prepared = bundle.prepare(Wrapped(array), array)
    assert values(prepared)[0] == array.ctypes.data
    del prepared
    gc.collect()
    assert sys.getrefcount(array) == references, "the export was given back"


def test_neither_numpy_nor_torch_is_imported() -> None:
    code = "import sys, treadle.runtime as r; r._rt.library(); assert not {'numpy', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "python")})


# ---- Objects that look like PyTorch's tensors ----


class Device:
    """Like torch.device."""

    def __init__(self, kind: str, index: int | None = None) -> None:
        self.type = kind
        self.index = index

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __hash__(self) -> int:
        return hash(str(self))

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)


class Torch:
    """Like torch.Tensor."""

    def __init__(self, address: int, rows: int, device: str = "cuda:0", dtype: str = "torch.bfloat16") -> None:
        kind, _, index = device.partition(":")
        self.device = Device(kind, int(index) if index else None)
        self.dtype = dtype
        self.shape = (rows, 64)
        self.address = address

    def stride(self) -> tuple[int, ...]:
        return 64, 1

    def data_ptr(self) -> int:
        return self.address

    def __dlpack__(self, **_: Any) -> Any:
        raise AssertionError("the slow way")


def test_torch(bundle: Bundle) -> None:
    prepared = bundle.prepare(Torch(0x10000, 4, "cuda:1"), Torch(0x20000, 4, "cuda:1"))
    assert prepared.device == 1
    assert values(prepared)[:5] == [0x10000, 4, 64, 0x20000, 64]
    assert bundle.prepare(Torch(0x10000, 4, "cpu"), Torch(0x20000, 4, "cpu")).device == -1
    for x, message in [
        (Torch(0x10000, 4, dtype="torch.float32"), "scale: argument 'x': expected dtype bf16, found f32"),
        (Torch(0x10000, 4, dtype="torch.float8_e5m2"), "expected a dtype that kernels take, found torch.float8_e5m2"),
        (Torch(0x10000, 4, "meta"), "argument 'x': expected a tensor on the CPU or a CUDA device, found one on meta"),
        (
            Torch(0x10000, 4, "cuda:1"),
            "argument 'y': expected a tensor on cuda:1, as argument 'x', found one on cuda:0",
        ),
    ]:
        with pytest.raises(LaunchError) as caught:
            bundle.prepare(x, Torch(0x20000, 4))
        assert message in str(caught.value)


def test_current_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert _streams.current_stream(0) == 0
    torch: Any = types.ModuleType("torch")
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert _streams.current_stream(0) == 0  # still being imported, say
    started = False
    torch.cuda = types.SimpleNamespace(
        is_initialized=lambda: started, current_stream=lambda device: types.SimpleNamespace(cuda_stream=0xA0 + device)
    )
    assert _streams.current_stream(1) == 0
    started = True
    assert _streams.current_stream(1) == 0xA1
    torch._C = types.SimpleNamespace(_cuda_getCurrentRawStream=lambda device: 0xB0 + device)
    assert _streams.current_stream(1) == 0xB1
    assert _streams.current_stream(-1) == 0
    assert _streams.stream_address(None, 1) == 0xB1


def test_stream_objects() -> None:
    class Protocol:
        def __cuda_stream__(self) -> tuple[int, int]:
            return 0, 0xC0

    assert _streams.stream_address(5, 0) == 5
    assert _streams.stream_address(types.SimpleNamespace(cuda_stream=6), 0) == 6
    assert _streams.stream_address(types.SimpleNamespace(ptr=7), 0) == 7
    assert _streams.stream_address(Protocol(), 0) == 0xC0
    with pytest.raises(LaunchError, match="expected a CUDA stream, found str"):
        _streams.stream_address("0", 0)


# ---- Launches, on a driver that notes what it is asked ----


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("cc") or shutil.which("clang") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    if "TREADLE_LIBCUDA" in os.environ:
        pytest.skip("TREADLE_LIBCUDA is set")
    path = tmp_path_factory.mktemp("fake") / "libfake_cuda.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", path, FAKE_SOURCE], check=True)
    os.environ["TREADLE_LIBCUDA"] = str(path)
    lib = ctypes.CDLL(str(path))
    lib.fake_log.restype = ctypes.c_char_p
    lib.fake_set.argtypes = [ctypes.c_char_p, ctypes.c_long]
    return lib


@pytest.fixture
def loaded(fake: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    fake.fake_reset()
    fake.fake_set(b"params", 7)
    return Bundle.from_memory(json.dumps(MANIFEST), CUBIN)


def launches(fake: ctypes.CDLL) -> list[str]:
    lines = fake.fake_log().decode().splitlines()
    return [line.removeprefix("cuLaunchKernel ") for line in lines if line.startswith("cuLaunchKernel")]


def line(x: int, y: int, rows: int = 4, stream: str = "0", scalars: str = "0x40000000,0x7") -> str:
    return (
        f"scale grid={-(-rows // 4)},1,1 block=128,1,1 shared=0 stream={stream} device=0 "
        f"params={x:#x},{rows:#x},0x40,{y:#x},0x40,{scalars}"
    )


def test_launches(loaded: Bundle, fake: ctypes.CDLL) -> None:
    prepared = loaded.prepare(Torch(0x10000, 4), Torch(0x20000, 4))
    prepared.launch()
    prepared.launch(stream=0x77)
    prepared.launch_pointers([0x30000, 0x40000], 0x88)
    prepared.launch()
    assert launches(fake) == [
        line(0x10000, 0x20000),
        line(0x10000, 0x20000, stream="0x77"),
        line(0x30000, 0x40000, stream="0x88"),
        line(0x10000, 0x20000),
    ]
    with pytest.raises(LaunchError, match="argument 'y': expected a base address aligned to 16 bytes, found 0x40008"):
        prepared.launch_pointers([0x30000, 0x40008])
    with pytest.raises(LaunchError, match="scale: expected 2 addresses of tensors, found 1"):
        prepared.launch_pointers([0x30000])


def test_launch_remembers_plans_but_no_tensors(loaded: Bundle, fake: ctypes.CDLL) -> None:
    x, y = Torch(0x10000, 4), Torch(0x20000, 4)
    alive = weakref.ref(x)
    loaded.launch(x, y)
    loaded.launch(Torch(0x30000, 4), y, stream=0x5)
    loaded.launch(Torch(0x30000, 8), Torch(0x40000, 8))
    loaded.launch(x, y, 0.5)
    loaded.launch(x, y, -0.0)
    loaded.launch(x, y, 0.0)
    loaded.launch(x, y, a=1)
    loaded.launch(x, y, a=np.float32(1))
    assert launches(fake) == [
        line(0x10000, 0x20000),
        line(0x30000, 0x20000, stream="0x5"),
        line(0x30000, 0x40000, 8),
        line(0x10000, 0x20000, scalars="0x3f000000,0x7"),
        line(0x10000, 0x20000, scalars="0x80000000,0x7"),
        line(0x10000, 0x20000, scalars="0,0x7"),
        line(0x10000, 0x20000, scalars="0x3f800000,0x7"),
        line(0x10000, 0x20000, scalars="0x3f800000,0x7"),
    ]
    assert len(loaded._plans) == 6
    del x
    gc.collect()
    assert alive() is None
    with pytest.raises(LaunchError, match="argument 'x': expected a base address aligned to 16 bytes, found 0x10001"):
        loaded.launch(Torch(0x10001, 4), y)
    with pytest.raises(LaunchError, match="argument 'x': expected dtype bf16, found f32"):
        loaded.launch(Torch(0x10000, 4, dtype="torch.float32"), y)
    for i in range(600):
        loaded.launch(Torch(0x10000, i), Torch(0x20000, i))
    assert len(loaded._plans) <= 256


def test_launch_through_dlpack(loaded: Bundle, fake: ctypes.CDLL) -> None:
    x, y = Producer(0x10000, 4, device=(2, 0)), Producer(0x20000, 4, device=(2, 0))
    loaded.launch(x, y, stream=0x99)
    assert x.asked == [{"stream": 0x99}]
    assert launches(fake) == [line(0x10000, 0x20000, stream="0x99")]


def test_driver_errors(loaded: Bundle, fake: ctypes.CDLL) -> None:
    fake.fake_set(b"fail cuLaunchKernel", 1)
    with pytest.raises(LaunchError) as caught:
        loaded.launch(Torch(0x10000, 4), Torch(0x20000, 4))
    assert str(caught.value) == "scale: cuLaunchKernel: CUDA_ERROR_INVALID_VALUE: invalid argument"


def test_loading(loaded: Bundle, fake: ctypes.CDLL) -> None:
    loaded.load(0)
    loaded.unload()
    assert fake.fake_log().decode().split("\n")[:3] == [
        "cuModuleLoadDataEx cubin device=0",
        "cuCtxSynchronize",
        "cuModuleUnload",
    ]


def test_devices(loaded: Bundle) -> None:
    assert _rt.device_count() == 2
    assert _rt.device_name(0) == "Fake GPU 0"
    assert _rt.device_capability(1) == (10, 0)
    _rt.synchronize(0)
