"""Lets the tests import treadle from the checkout, and keeps hypothesis from writing into it."""

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
for folder in (ROOT / "python", ROOT / "test" / "python", Path(__file__).resolve().parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir()) / "treadle-hypothesis"))
