"""PyTorch with the CPU target: the checks of operators and layers, and the example's training beside its definition.

    python tools/check_torch.py

PyTorch is that of the Python that $TREADLE_TORCH_PYTHON names; without it, one is installed into build/torch, once,
which takes 5 GB.

Exit status: 0 when all of it worked.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import venv
from pathlib import Path

from check_wheel import command

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("torch==2.11.0", "numpy", "ml_dtypes")
APART = 5e-3
"""How far the losses of both trainings may be apart, in nats for each byte."""


def run(*words: str | Path) -> str:
    """Run a command in the checkout, which must succeed, and show its output; the output."""
    said = command(*words, cwd=ROOT, environment={**os.environ, "PYTHONPATH": str(ROOT / "python")})
    print(said, end="", flush=True)
    return said


def with_torch() -> Path:
    """A Python that has PyTorch."""
    if given := os.environ.get("TREADLE_TORCH_PYTHON"):
        return Path(given)
    folder = ROOT / "build" / "torch"
    python, done = folder / "bin" / "python", folder / "made"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        run(python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *PACKAGES)
        done.touch()
    return python


def main() -> None:
    """Check, and train."""
    python = with_torch()
    checks = ("--device=cpu", "--backend=aot_eager", "--dtype=f32", "-k", "^(op|layer)")
    run(python, ROOT / "test" / "gpu" / "torch_ops.py", *checks)
    with tempfile.TemporaryDirectory(prefix="treadle-torch-") as out:
        said = run(python, ROOT / "examples" / "train_lm.py", "--device=cpu", "--tiny", f"--out={out}")
        assert {path.name for path in Path(out).iterdir()} == {"losses.csv", "losses.svg"}
    apart = re.search(r"at most ([0-9.e-]+) apart", said)
    if apart is None or not float(apart[1]) <= APART:
        sys.exit(f"expected losses of both trainings at most {APART} apart")


if __name__ == "__main__":
    main()
