"""`check` and `compile_artifacts` are scripts; their tests import them by plain name."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "python")]
