"""The packages of kernels/ as modules: `from treadle.kernels.gla.kernel import gla`, or `step("gla")`.

They are written once, in the repository's folder kernels/. The wheel has that folder's packages here; in a checkout,
where this folder has none, they are found there.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

_CHECKOUT = Path(__file__).resolve().parents[3] / "kernels"

if _CHECKOUT.is_dir() and not any(Path(__file__).parent.glob("*/kernel.py")):
    __path__.append(str(_CHECKOUT))


def step(package: str, name: str = "") -> Any:
    """A step (or kernel) of a package; without a name, the one that is called as the package is.

    An ImportError where there is no such package, an AttributeError where it has no such step.
    """
    return getattr(importlib.import_module(f"{__name__}.{package}.kernel"), name or package)
