"""Makes .venv: the Python packages that pyproject.toml pins for development, and this checkout's treadle.

    python3 tools/make_venv.py .venv

Run by the Makefile with the system's Python. Nothing is compiled: the tools in the environment run the sources, which
find the libraries in `build/lib`.
"""

import importlib
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = {
    "treadlec": "treadle.cli.treadlec",
    "treadle-run": "treadle.cli.treadle_run",
    "treadle-sim": "treadle.cli.treadle_sim",
    "treadle-verify": "treadle.cli.treadle_verify",
}


def pyproject() -> dict[str, Any]:
    """The project's metadata. Before 3.11 Python has no TOML reader of its own, but pip has."""
    name = "tomllib" if sys.version_info >= (3, 11) else "pip._vendor.tomli"
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return dict(importlib.import_module(name).loads(text))


def main(folder: Path) -> None:
    """Make the environment, or bring it up to date."""
    if sys.version_info < (3, 10):  # noqa: UP036
        sys.exit(f"tools/make_venv.py: expected Python 3.10 or later as python3, found {sys.version.split()[0]}")
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"== {folder}: making it with Python {sys.version.split()[0]}", flush=True)
        venv.create(folder, with_pip=True, clear=folder.exists())
    pins = pyproject()["project"]["optional-dependencies"]["dev"]
    print(f"== {folder}: installing what pyproject.toml pins", flush=True)
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run([python, "-m", "pip", "install", "--quiet", *pins], check=True, env=environment)

    site = subprocess.check_output([python, "-c", "import site; print(site.getsitepackages()[0])"], text=True).strip()
    Path(site, "treadle-checkout.pth").write_text(f"{ROOT / 'python'}\n", encoding="utf-8")
    for command, module in COMMANDS.items():
        script = folder / "bin" / command
        script.write_text(f'#!/bin/sh\nexec "{python.absolute()}" -m {module} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    link = folder / "bin" / "treadle-opt"
    link.unlink(missing_ok=True)
    link.symlink_to(ROOT / "build" / "bin" / "treadle-opt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
