"""What the tools share: arrays in .npy files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.cli.common import UsageError
from treadle.compiler import write_files
from treadle.errors import TreadleError

if TYPE_CHECKING:
    import numpy as np


def load(flag: str, path: str) -> np.ndarray[Any, Any]:
    """The array in an .npy file. `flag` is what the command line calls it."""
    import numpy as np

    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise UsageError(f"{flag}: no such file") from None
    except (ValueError, EOFError) as error:
        raise TreadleError(f"{path}: expected an .npy file, found one that says: {error}") from None
    if not isinstance(array, np.ndarray):
        raise TreadleError(f"{path}: expected an .npy file, found an archive")
    return array


def sizes(flag: str, text: str, example: str) -> list[int]:
    """Sizes as in 128,64."""
    try:
        found = [int(size) for size in text.split(",")]
    except ValueError:
        found = [-1]
    if min(found) < 0:
        raise UsageError(f"{flag}: expected sizes, as in {example}")
    return found


def aligned(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A copy as on a device: row-major, at a multiple of 256 bytes. What a kernel's accesses cost depends on it."""
    import numpy as np

    buffer = np.empty(array.nbytes + 256, np.uint8)
    skip = -buffer.ctypes.data % 256
    copy: np.ndarray[Any, Any] = buffer[skip : skip + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def save(path: str, array: np.ndarray[Any, Any]) -> None:
    """Write an .npy file; a reader never sees half of it."""
    import numpy as np

    data = io.BytesIO()
    np.save(data, array)
    write_files(Path(path).parent, {Path(path).name: data.getvalue()})
