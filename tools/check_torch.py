"""PyTorch with the CPU target: the checks of operators and layers, and the example's training beside its definition.

    python tools/check_torch.py

PyTorch is that of the Python that $TREADLE_TORCH_PYTHON names; without it, one is installed into build/torch, once,
which takes 5 GB.

Exit status: 0 when all of it worked.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("torch==2.11.0", "numpy", "ml_dtypes")
APART = 5e-3
"""How far the losses of both trainings may be apart, in nats for each byte."""


def command(*words: str | Path, **settings: str) -> str:
    """Run a command that must succeed, with its output shown; the output."""
    print("+", *words, flush=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), **settings}
    lines = []
    with subprocess.Popen(
        words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        sys.exit(f"exit status {process.returncode}")
    return "".join(lines)


def with_torch() -> Path:
    """A Python that has PyTorch."""
    if given := os.environ.get("TREADLE_TORCH_PYTHON"):
        return Path(given)
    folder = ROOT / "build" / "torch"
    python, done = folder / "bin" / "python", folder / "made"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        command(python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *PACKAGES)
        done.touch()
    return python


def main() -> None:
    """Check, and train."""
    python = with_torch()
    checks = ("--device=cpu", "--backend=aot_eager", "--dtype=f32", "-k", "^(op|layer)")
    command(python, ROOT / "test" / "gpu" / "torch_ops.py", *checks)
    with tempfile.TemporaryDirectory(prefix="treadle-torch-") as out:
        said = command(python, ROOT / "examples" / "train_lm.py", "--device=cpu", "--tiny", f"--out={out}")
        assert {path.name for path in Path(out).iterdir()} == {"losses.csv", "losses.svg"}
    apart = re.search(r"at most ([0-9.e-]+) apart", said)
    if apart is None or not float(apart[1]) <= APART:
        sys.exit(f"expected losses of both trainings at most {APART} apart")


if __name__ == "__main__":
    main()
