"""The README is a test: its blocks run in order in one folder, and every link in the documentation leads to a file."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SKIPPED = {
    "make demo": "the full set-up",
    "pip install .": "the full set-up; tools/check_wheel.py does it",
    "import torch": "needs a GPU",
}
"""Blocks that are not run, by how they begin, and why."""

TOOLS = {
    "python": "",
    "treadlec": "-m treadle.cli.treadlec",
    "treadle-run": "-m treadle.cli.treadle_run",
    "treadle-verify": "-m treadle.cli.treadle_verify",
}


@dataclass(frozen=True)
class Block:
    """A fenced block of the README."""

    line: int
    language: str
    code: str

    @property
    def file(self) -> str:
        """The name it is saved under: that of its first line, as in `# softmax.py`."""
        named = re.match(r"# (\w+\.py)\n", self.code)
        return named[1] if named else f"readme_{self.line}.py"


def blocks() -> list[Block]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(text.count("\n", 0, m.start()) + 2, m[1], m[2]) for m in found]


def without_registers(line: str) -> str:
    """A line of PTX, whatever numbers its registers have and however it is spaced."""
    return re.sub(r"%(rd|rs|r|p)\d+", r"%\1", " ".join(line.split()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the tools on its own `bin`, and the kernels."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "kernels").symlink_to(ROOT / "kernels")
    for tool, module in TOOLS.items():
        script = tmp_path / "bin" / tool
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        script.chmod(0o755)
    return tmp_path


def run(folder: Path, block: Block) -> None:
    environment = os.environ | {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "python"),
        "TREADLE_LIB_DIR": os.environ.get("TREADLE_LIB_DIR", str(ROOT / "build" / "lib")),
        "TREADLE_CACHE_DIR": str(folder / "cache"),
    }
    if block.language == "python":
        (folder / block.file).write_text(block.code)
        command = [sys.executable, block.file]
    else:
        command = ["bash", "-euo", "pipefail", "-c", block.code]
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, f"README.md:{block.line}: exit status {done.returncode}\n{done.stdout}"


def check_ptx(folder: Path, block: Block) -> None:
    """The lines are in the PTX of the command before, in this order."""
    rest = iter([without_registers(line) for line in (folder / "out" / "softmax.ptx").read_text().splitlines()])
    for line in block.code.splitlines():
        assert without_registers(line) in rest, f"README.md:{block.line}: not in the PTX, or not there: {line}"


def check_c(folder: Path, block: Block) -> None:
    """It compiles, where there is a cuda.h to compile it with."""
    compiler = shutil.which("clang-22") or shutil.which("cc")
    home = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "include"
    if compiler is None or not (home / "cuda.h").is_file():
        return
    source = folder / f"readme_{block.line}.c"
    source.write_text(block.code)
    subprocess.run([compiler, "-fsyntax-only", "-Wall", "-Werror", f"-I{home}", source], cwd=folder, check=True)


def test_readme_runs(folder: Path) -> None:
    checks = {"python": run, "bash": run, "ptx": check_ptx, "c": check_c}
    skipped = set()
    for block in blocks():
        assert block.language in checks, f"README.md:{block.line}: a block of {block.language or 'no language'}"
        begins = next((begin for begin in SKIPPED if block.code.startswith(begin)), None)
        if begins is None:
            checks[block.language](folder, block)
        skipped.add(begins)
    assert skipped - {None} == set(SKIPPED), "a block to skip is no longer there"


DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "dialect/**/*.md", "lib/**/*.md", "kernels/**/*.md", "test/**/*.md")
    for path in ROOT.glob(pattern)
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", (ROOT / document).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+://", target):
            continue
        name, _, heading = target.partition("#")
        path = (ROOT / document).parent / name if name else ROOT / document
        assert path.exists(), f"{document}: no {target}"
        if heading:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {h.lower().replace(" ", "-") for h in headings}, f"{document}: no {target}"
