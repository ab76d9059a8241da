"""Kernels written by hand on tiles, with which tests compare the kernels that the compiler derives from steps.

Folders are as in kernels/. Tests of what becomes of tiles run on those of kernels/ and on these alike.
"""

from __future__ import annotations

from pathlib import Path

from treadle import testing
from treadle.testing import Kernel

FOLDER = Path(__file__).parent


def oracle_names() -> list[str]:
    """Every folder here."""
    return testing.kernel_names(FOLDER)


def tile_names() -> list[str]:
    """Every folder of kernels on tiles, those of kernels/ and those here."""
    return sorted([*testing.tile_names(), *oracle_names()])


def load_tiles(name: str) -> Kernel:
    """The kernels on tiles of that name, wherever they are."""
    return testing.load(name, FOLDER if name in oracle_names() else None)


def kernel_files() -> list[Path]:
    """Every `kernel.py` of kernels/ and of here, in the order of their folders' names."""
    found = [path for folder in (testing.kernels_folder(), FOLDER) for path in folder.glob("*/kernel.py")]
    return sorted(found, key=lambda path: (path.parent.name, path))
