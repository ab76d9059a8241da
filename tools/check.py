"""Run every check; the last line counts what passed and failed.

    python tools/check.py            what a change must pass: lint, unit tests, lit, pytest
    python tools/check.py --all      and what is slow: the wheel in a fresh environment, PyTorch with a training
    python tools/check.py lit ruff   only these

A check that reports its tests (in JUnit's XML) counts as many; any other counts as one. All run, whatever fails.

Exit status: 0 when nothing failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
REPORTS = BUILD / "reports"
BIN = Path(sys.executable).parent
LLVM_BIN = "/usr/lib/llvm-22/bin"
CORES = str(os.cpu_count() or 1)


@dataclass(frozen=True)
class Check:
    """One command. `report`: it writes its tests to build/reports/NAME.xml."""

    name: str
    command: Sequence[str | Path]
    group: str = "test"
    report: bool = False
    slow: bool = False

    @property
    def xml(self) -> Path:
        """Its report."""
        return REPORTS / f"{self.name}.xml"


@dataclass(frozen=True)
class Count:
    """How many tests did what."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


# ---------------------------------------------------------------------------------------------------------------------
# The checks
# ---------------------------------------------------------------------------------------------------------------------


def sources(*patterns: str) -> list[str]:
    """The files of the working tree, ignored ones left out, that match."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted({name for name in names if name and (ROOT / name).is_file()})


def changed(*patterns: str) -> list[str]:
    """Those that differ from the last commit, or from the one before it where nothing does."""
    for commit in ("HEAD", "HEAD~1"):
        command = ["git", "diff", "--name-only", "-z", "--diff-filter=d", commit, "--", *patterns]
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.split("\0")
        if found := [name for name in names if name]:
            return found
    return []


def checks() -> list[Check]:
    """Every check, in the order in which they run: the quick ones first."""
    cpp = sources("*.cpp", "*.h", "*.c")
    ctest: list[str | Path] = ["ctest", "--test-dir", BUILD, "-j", CORES, "--output-on-failure", "--no-tests=error"]
    lit: list[str | Path] = [BIN / "lit", "-s", "-v", "-j", CORES, BUILD / "test" / "lit"]
    pytest: list[str | Path] = [sys.executable, "-m", "pytest", "-q"]
    tidy: list[str | Path] = ["run-clang-tidy-22", "-quiet", "-p", BUILD, "-j", CORES]
    anchored = [f"^{ROOT / name}$" for name in changed("lib/*.cpp", "tools/*.cpp")]
    return [
        Check("clang-format", ["clang-format-22", "--dry-run", "-Werror", "--ferror-limit=1", *cpp], "lint"),
        Check("ruff", [BIN / "ruff", "check", "--quiet", "."], "lint"),
        Check("ruff-format", [BIN / "ruff", "format", "--check", "--quiet", "."], "lint"),
        Check("mypy", [BIN / "mypy"], "lint"),
        Check("ctest", [*ctest, "--output-junit", REPORTS / "ctest.xml"], report=True),
        Check("lit", [*lit, "--xunit-xml-output", REPORTS / "lit.xml"], report=True),
        Check("pytest", [*pytest, f"--junit-xml={REPORTS / 'pytest.xml'}"], report=True),
        Check("tidy-changed", [*tidy, *anchored] if anchored else ["true"], "tidy", slow=True),
        Check("tidy-all", [*tidy, f"^{ROOT}/(lib|tools)/.*"]),
        Check("wheel", [sys.executable, ROOT / "tools" / "check_wheel.py"], slow=True),
        Check("torch", [sys.executable, ROOT / "tools" / "check_torch.py"], slow=True),
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Running them
# ---------------------------------------------------------------------------------------------------------------------


def count(check: Check, status: int) -> Count:
    """The tests in the check's report. A check that failed without a failed test, or ran none, counts as a failure."""
    if not check.report:
        return Count(failed=1) if status else Count(passed=1)
    total = Count()
    try:
        for case in ElementTree.parse(check.xml).iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                total += Count(failed=1)
            elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
                total += Count(skipped=1)
            else:
                total += Count(passed=1)
    except (FileNotFoundError, ElementTree.ParseError):
        return Count(failed=1)
    if total.failed == 0 and (status or total.passed == 0):
        total += Count(failed=1)
    return total


def run(check: Check) -> Count:
    """Run one check with its output shown, and count."""
    print(f"\n== {check.name}", flush=True)
    check.xml.unlink(missing_ok=True)
    environment = os.environ | {
        "PATH": os.pathsep.join([str(BIN), os.environ.get("PATH", ""), LLVM_BIN]),
        "PYTHONPATH": str(ROOT / "python"),
        "TREADLE_BUILD_DIR": str(BUILD),
        "TREADLE_CACHE_DIR": str(BUILD / "cache"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(BUILD / "hypothesis"),
    }
    start = time.monotonic()
    try:
        status = subprocess.run(check.command, cwd=ROOT, env=environment).returncode
    except FileNotFoundError as error:
        print(f"{error.filename}: not found")
        status = 127
    result = count(check, status)
    print(f"{check.name}: {result} ({time.monotonic() - start:.0f} s)", flush=True)
    return result


def chosen(names: Sequence[str], slow: bool) -> list[Check]:
    """The checks with these names or in these groups; without any, all but the slow ones."""
    every = checks()
    if not names:
        return [check for check in every if check.group != "tidy" and (slow or not check.slow)]
    unknown = set(names) - {word for check in every for word in (check.name, check.group)}
    if unknown:
        sys.exit(f"check: no {', '.join(sorted(unknown))}; there are {', '.join(check.name for check in every)}")
    return [check for check in every if check.name in names or check.group in names]


def main() -> int:
    """Run the checks that the command line asks for; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="checks, or the groups lint, test and tidy")
    parser.add_argument("--all", action="store_true", help="the slow ones too")
    options = parser.parse_args()
    REPORTS.mkdir(parents=True, exist_ok=True)
    results = {check.name: run(check) for check in chosen(options.names, options.all)}
    total = sum(results.values(), Count())
    print()
    for name, result in results.items():
        print(f"{'FAIL' if result.failed else 'ok':5}{name}: {result}")
    print(total, flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
