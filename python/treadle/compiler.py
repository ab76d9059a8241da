"""Compiling kernels: `treadle.compile`, and the compiler library (lib/capi/treadle.h) in ctypes."""

from __future__ import annotations

import ctypes
import functools
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.errors import CompileError, KernelError, Location, TreadleError
from treadle.runtime import _rt
from treadle.runtime.cache import Cache, compile_key, default_cache

if TYPE_CHECKING:
    from treadle.frontend.declared import Kernel
    from treadle.runtime.bundle import Bundle

LIBRARY = "libtreadle.so"
PHASES = ("tile", "canonical", "scheduled", "gpu", "llvm", "llvmir", "ptx")
DEFAULT_ARCH = "sm_90a"

_SUFFIXES = {"manifest": "json", "ptx": "ptx", "cubin": "cubin", "header": "h", "mlir": "mlir"}
_MESSAGES = "messages.json"


@dataclass(frozen=True)
class Output:
    """What the compiler made: its artifacts (`text`, `ptx`, …), warnings, and milliseconds by phase."""

    artifacts: dict[str, bytes]
    warnings: list[str] = field(default_factory=list)
    milliseconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class CompiledKernel:
    """A compiled bundle in memory: the manifest, and every file of the bundle by name."""

    name: str
    manifest: dict[str, Any]
    files: dict[str, bytes]
    warnings: list[str]
    path: Path | None = None
    """The folder it was written to."""

    @property
    def ptx(self) -> str:
        """The PTX."""
        return self.files[self.manifest["files"]["ptx"]].decode()

    def save(self, folder: str | os.PathLike[str]) -> CompiledKernel:
        """Write the bundle into a folder; a reader never sees half of a file, and the manifest comes last."""
        target = Path(folder)
        write_files(target, self.files, last=f"{self.name}.json")
        return CompiledKernel(self.name, self.manifest, self.files, self.warnings, target)

    def bundle(self) -> Bundle:
        """The bundle, open for launching."""
        from treadle.runtime.bundle import Bundle

        names = self.manifest["files"]
        images = [self.files[names[kind]] for kind in ("cubin", "ptx") if kind in names]
        return Bundle.from_memory(self.files[f"{self.name}.json"], *images)


def compile(
    kernel: Kernel,
    constants: Mapping[str, Any] | None = None,
    dtype: str | None = None,
    present: Iterable[str] = (),
    arch: str = DEFAULT_ARCH,
    out: str | os.PathLike[str] | None = None,
    *,
    fast_math: bool = False,
    ptxas: bool = True,
    dump_dir: str | os.PathLike[str] | None = None,
    cache: Cache | bool = True,
) -> CompiledKernel:
    """Compile a kernel for a GPU; with `out`, also write the bundle into that folder.

    constants, dtype and present are those of `Kernel.to_mlir`. Mistakes in the kernel are KernelErrors at their line.
    What was compiled before comes from the cache on disk (`cache=False`: neither read nor written).
    """
    text = kernel.to_mlir(constants, dtype, present, fast_math=fast_math)
    options = {
        "arch": arch,
        "name": kernel.name,
        "dtype": str(dtype or kernel.dtype),
        "constants": {**kernel.constants, **dict(constants or {})},
    }
    compiled = compile_text(text, options, ptxas=ptxas, dump_dir=dump_dir, cache=cache)
    return compiled if out is None else compiled.save(out)


def compile_text(
    text: str,
    options: Mapping[str, Any],
    *,
    ptxas: bool = True,
    dump_dir: str | os.PathLike[str] | None = None,
    cache: Cache | bool = True,
) -> CompiledKernel:
    """Compile MLIR text to a bundle, through the cache. A dump of the phases is made anew each time."""
    store = default_cache() if cache is True else cache or None
    options = {**options, "ptxas": ptxas}
    key = compile_key(text, options, _identity(ptxas)) if store is not None else ""
    if store is not None and dump_dir is None and (files := store.get(key)) is not None:
        return _from_files(files)
    if dump_dir is not None:
        options["dump_dir"] = os.fspath(dump_dir)
    output = run(text, options)
    if "manifest" not in output.artifacts:
        raise CompileError("the program has no kernel: expected a func.func with tile.kernel")
    name = json.loads(output.artifacts["manifest"])["name"]
    files = {f"{name}.{_SUFFIXES[kind]}": data for kind, data in output.artifacts.items() if kind in _SUFFIXES}
    files[_MESSAGES] = json.dumps(output.warnings).encode()
    if store is not None:
        store.put(key, files)
    return _from_files(files)


def _from_files(files: Mapping[str, bytes]) -> CompiledKernel:
    own = dict(files)
    warnings = json.loads(own.pop(_MESSAGES))
    manifest = json.loads(next(data for name, data in own.items() if name.endswith(".json")))
    return CompiledKernel(manifest["name"], manifest, own, warnings)


def write_files(folder: Path, files: Mapping[str, bytes], last: str | None = None) -> None:
    """Write files into a folder, each aside first, then renamed; nothing is renamed before all are written."""
    order = sorted(files, key=lambda name: (name == last, name))
    aside = {name: folder / f".{name}.{os.getpid()}.tmp" for name in order}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in order:
            aside[name].write_bytes(files[name])
        for name in order:
            os.replace(aside[name], folder / name)
    except OSError as error:
        raise TreadleError(f"{error.filename or folder}: {error.strerror or error}") from None
    finally:
        for path in aside.values():
            path.unlink(missing_ok=True)


# ---------------------------------------------------------------------------------------------------------------------
# The library
# ---------------------------------------------------------------------------------------------------------------------


@functools.cache
def library() -> ctypes.CDLL:
    """The loaded compiler library."""
    lib = _rt.load(LIBRARY)
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "version": (c_char_p, []),
        "build_id": (c_char_p, []),
        "find_ptxas": (c_size_t, [c_char_p, c_size_t]),
        "compile": (c_void_p, [c_char_p, c_size_t, c_char_p]),
        "result_ok": (c_int, [c_void_p]),
        "result_diagnostics": (c_char_p, [c_void_p]),
        "result_artifact": (c_void_p, [c_void_p, c_char_p, POINTER(c_size_t)]),
        "result_timings": (c_char_p, [c_void_p]),
        "result_free": (None, [c_void_p]),
        "cpu_compile": (c_void_p, [c_char_p, c_size_t, c_char_p, POINTER(c_void_p)]),
        "cpu_launch": (None, [c_void_p, POINTER(c_int64), c_void_p, c_int]),
        "cpu_free": (None, [c_void_p]),
    }
    for name, (result, parameters) in signatures.items():
        function = getattr(lib, f"treadle_{name}")
        function.restype, function.argtypes = result, parameters
    return lib


def version() -> str:
    """The compiler's version."""
    return str(library().treadle_version().decode())


def find_ptxas() -> str:
    """The `ptxas` that is used: $TREADLE_PTXAS, or one on the PATH or in /usr/local/cuda/bin; "" for none."""
    path = ctypes.create_string_buffer(4096)
    library().treadle_find_ptxas(path, len(path))
    return os.fsdecode(path.value)


def _identity(ptxas: bool) -> str:
    """Differs between any two compilers that could make different bundles."""
    parts = [library().treadle_build_id().decode()]
    path = find_ptxas() if ptxas else ""
    if path:
        try:
            found = os.stat(path)
            parts += [path, str(found.st_size), str(found.st_mtime_ns)]
        except OSError:
            parts += [path]
    return " ".join(parts)


def run(text: str, options: Mapping[str, Any]) -> Output:
    """Compile MLIR text with the options of treadle.h; errors are raised."""
    data = text.encode("utf-8", "surrogateescape")
    return _read(library().treadle_compile(data, len(data), _json(options)))


def kernels_of(text: str) -> list[str]:
    """The names of a program's kernels, in the order in which they are launched."""
    return re.findall(r"^  func\.func @(\w+)\(", run(text, {"emit": "tile"}).artifacts["text"].decode(), re.MULTILINE)


class CpuProgram:
    """Kernels compiled for this machine's CPU: `CpuProgram(text).launch(x, y, a=2.0)` on NumPy arrays."""

    def __init__(self, text: str, options: Mapping[str, Any] | None = None, kernels: Sequence[str] = ("",)) -> None:
        """kernels: the names of the program's kernels, in order, if it has several."""
        from treadle.runtime.bundle import Bundle

        self._lib = library()
        self._handles: dict[str, int | None] = {}
        for kernel in kernels:
            self.output = self._compile(text, {**(options or {}), **({"kernel": kernel} if kernel else {})})
        self.bundle: Bundle = Bundle.from_memory(self.output.artifacts["manifest"])

    def _compile(self, text: str, options: Mapping[str, Any]) -> Output:
        """Compile the kernel that the options name, or the only one."""
        data = text.encode("utf-8", "surrogateescape")
        handle = c_void_p()
        output = _read(self._lib.treadle_cpu_compile(data, len(data), _json(options), ctypes.byref(handle)))
        self._handles[str(options.get("kernel", ""))] = handle.value
        return output

    def __del__(self) -> None:
        for handle in getattr(self, "_handles", {}).values():
            self._lib.treadle_cpu_free(handle)

    def launch(self, *args: Any, threads: int = 0, **kwargs: Any) -> None:
        """Check the arguments, as for a launch on a GPU, and run. threads: 0 for one per core."""
        prepared = self.bundle.prepare(*args, **kwargs)
        for info in prepared.launches:
            if 0 not in info.grid:
                self._lib.treadle_cpu_launch(
                    self._handles.get(info.entry, self._handles.get("")),
                    (c_int64 * 3)(*info.grid),
                    info.params,
                    threads,
                )


def _json(options: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(options)).encode()


def _read(result: int) -> Output:
    """Everything in a result, which is freed."""
    lib = library()
    try:
        messages = json.loads(lib.treadle_result_diagnostics(result))
        if not lib.treadle_result_ok(result):
            raise error_from(messages)
        artifacts = {}
        for name in ("text", *_SUFFIXES):
            size = c_size_t()
            address = lib.treadle_result_artifact(result, name.encode(), ctypes.byref(size))
            if address:
                artifacts[name] = ctypes.string_at(address, size.value)
        warnings = [_line(m) for m in messages if m["severity"] == "warning"]
        return Output(artifacts, warnings, json.loads(lib.treadle_result_timings(result)))
    finally:
        lib.treadle_result_free(result)


# ---------------------------------------------------------------------------------------------------------------------
# Messages
# ---------------------------------------------------------------------------------------------------------------------

_Message = dict[str, Any]


def _place(message: _Message) -> Location | None:
    if not message["file"] or not message["line"]:
        return None
    column = max(1, message["column"])
    return Location(message["file"], message["line"], column, column + 1)


def _line(message: _Message) -> str:
    place = _place(message)
    return f"{place}: {message['message']}" if place else str(message["message"])


def error_from(messages: list[_Message]) -> TreadleError:
    """The exception for a compile's messages: a KernelError where the first error has a place, else a CompileError."""
    errors = [m for m in messages if m["severity"] == "error"] or [
        {"message": "compiling failed", "file": "", "notes": []}
    ]
    first, *others = errors
    notes = [*first["notes"], *({**other, "message": f"also: {other['message']}"} for other in others[:8])]
    placed = [(place, note["message"]) for note in notes if (place := _place(note)) is not None]
    unplaced = [note["message"] for note in notes if _place(note) is None]
    place = _place(first)
    if place is None:
        lines = [first["message"], *(f"{where}: {text}" for where, text in placed), *unplaced]
        return CompileError("\n".join(lines))
    return KernelError(
        first["message"],
        file=place.file,
        line=place.line,
        col=place.col,
        end_col=place.end_col,
        notes=placed,
        help="; ".join(unplaced) or None,
    )
