"""Build the wheel, install it into a fresh environment, and use it there: the tools, and a call on NumPy arrays.

    python tools/check_wheel.py

Exit status: 0 when all of it worked.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT_MB = 60

KERNEL = '''
import numpy as np
import treadle as td


@td.kernel
def scale(x: td.Tensor["N"], y: td.Tensor["N"], a: td.f32, *, C: td.Const = 128):
    """y = a x"""
    (N,) = x.shape
    (i,) = td.grid(td.cdiv(N, C))
    y[i * C : i * C + C] = (x[i * C : i * C + C].to(td.f32) * a).to(y.dtype)


if __name__ == "__main__":
    x = np.arange(1000, dtype=np.float32)
    y = np.empty_like(x)
    scale(x, y, 2.0)
    np.testing.assert_array_equal(y, 2 * x)
'''


def command(*words: str | Path, cwd: Path, environment: Mapping[str, str]) -> str:
    """Run a command that must succeed; its output."""
    print("+", *words, flush=True)
    done = subprocess.run(words, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}exit status {done.returncode}")
    return done.stdout


def main() -> None:
    """Build, install, use."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TREADLE_"))}
    with tempfile.TemporaryDirectory(prefix="treadle-wheel-") as temporary:
        here = Path(temporary)
        environment["TREADLE_CACHE_DIR"] = str(here / "cache")
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
        command(*pip, "wheel", "--no-deps", "--wheel-dir", here, ROOT, cwd=here, environment=environment)
        (wheel,) = here.glob("treadle-*.whl")
        size = wheel.stat().st_size / 1e6
        print(f"{wheel.name}: {size:.1f} MB")
        if size > LIMIT_MB:
            sys.exit(f"expected at most {LIMIT_MB} MB")

        venv.create(here / "venv", with_pip=True)
        tools = here / "venv" / "bin"
        environment["PATH"] = f"{tools}{os.pathsep}{environment.get('PATH', '')}"
        command(
            tools / "pip", "--disable-pip-version-check", "install", "--quiet", wheel, cwd=here, environment=environment
        )

        (here / "scale.py").write_text(KERNEL, encoding="utf-8")
        command("python", "scale.py", cwd=here, environment=environment)
        command("treadlec", "scale.py", "--arch=sm_80", "-o", "out", cwd=here, environment=environment)
        assert ".visible .entry scale" in (here / "out" / "scale.ptx").read_text(encoding="utf-8")
        command("treadle-run", "out", "--on=cpu", "--arg", "x=zeros:100", "--arg", "a=2", "-o", "y=y.npy",
                cwd=here, environment=environment)  # fmt: skip
        command("treadle-run", "out", "--on=sim", "--arg", "x=zeros:100", "--arg", "a=2", "-o", "y=s.npy",
                cwd=here, environment=environment)  # fmt: skip
        command("treadle-sim", "--help", cwd=here, environment=environment)
        command("treadle-verify", "--help", cwd=here, environment=environment)
        mlir = command("treadlec", "scale.py", "--emit=tile", cwd=here, environment=environment)
        (here / "scale.mlir").write_text(mlir, encoding="utf-8")
        assert "tile.kernel" in command("treadle-opt", "scale.mlir", cwd=here, environment=environment)
    print("the wheel works")


if __name__ == "__main__":
    main()
