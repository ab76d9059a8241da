"""Kernels and scans from a file."""

from __future__ import annotations

import importlib.util
import linecache
import os
import sys
import traceback
from pathlib import Path

from treadle.errors import KernelError, TreadleError
from treadle.frontend.declared import Kernel
from treadle.frontend.scans import Scan
from treadle.frontend.source import syntax_error


def load_kernels(path: str | os.PathLike[str]) -> dict[str, Kernel]:
    """The kernels defined in a Python file, by name in the order of definition.

    A mistake in the file (syntax, an exception while it is imported, an annotation) is a KernelError at its line.
    """
    return {name: value for name, value in _load(os.fspath(path), Kernel).items() if isinstance(value, Kernel)}


def load_scans(path: str | os.PathLike[str]) -> dict[str, Scan]:
    """The scans defined in a Python file, as `load_kernels`."""
    return {name: value for name, value in _load(os.fspath(path), Scan).items() if isinstance(value, Scan)}


def load_all(path: str | os.PathLike[str]) -> dict[str, Kernel | Scan]:
    """The kernels and scans defined in a Python file, as `load_kernels`."""
    return _load(os.fspath(path), Kernel, Scan)


def _load(file: str, *kinds: type[Kernel | Scan]) -> dict[str, Kernel | Scan]:
    if not Path(file).is_file():
        raise TreadleError(f"{file}: no such file")
    linecache.checkcache(file)
    name = f"treadle_kernels_{abs(hash(os.path.abspath(file))):x}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise TreadleError(f"{file}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    folder = os.path.dirname(os.path.abspath(file))
    sys.modules[name] = module
    sys.path.insert(0, folder)
    written = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        spec.loader.exec_module(module)
    except TreadleError:
        raise
    except Exception as e:
        del sys.modules[name]
        raise _user_error(file, e) from None
    finally:
        sys.dont_write_bytecode = written
        sys.path.remove(folder)
    found = {
        value.name: value
        for value in vars(module).values()
        if isinstance(value, kinds) and os.path.abspath(value.path) == os.path.abspath(file)
    }
    for value in found.values():
        _ = value.parameters
    return found


def _user_error(file: str, e: Exception) -> KernelError:
    """An exception of the user's file at its own line."""
    if isinstance(e, SyntaxError):
        return syntax_error(file, e)
    frames = [f for f in traceback.extract_tb(e.__traceback__) if f.filename == file]
    if isinstance(e, (RecursionError, MemoryError)) and not frames:
        return KernelError("this file is nested too deeply to compile", file=file, help="split its expressions")
    message = f"{type(e).__name__}: {e}" if str(e) else type(e).__name__
    if not frames:
        return KernelError(message, file=file)
    last = frames[-1]
    line = last.lineno or 1
    text = linecache.getline(file, line)
    start, end = last.colno, last.end_colno
    if start is None or end is None or last.end_lineno != last.lineno:
        return KernelError(message, file=file, line=line, col=len(text) - len(text.lstrip()) + 1)
    raw = text.encode()
    first, past = (len(raw[:byte].decode(errors="ignore")) + 1 for byte in (start, end))
    return KernelError(message, file=file, line=line, col=first, end_col=past)
