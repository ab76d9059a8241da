"""mutants.py without a GPU: what it makes of compute-sanitizer's words, and how it runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mutants
import pytest

FAKE_CUDA = Path(__file__).parents[1] / "unit" / "runtime" / "fake_cuda.c"
MEMCHECK = """========= COMPUTE-SANITIZER
========= Invalid __global__ read of size 16 bytes
=========     at k+0x1a0 in kernel.py:34
=========     by thread (0,0,0) in block (0,0,0)
=========     Address 0x7f1e is misaligned
=========         Host Frame: cuLaunchKernel [0x1]
========= Program hit CUDA_ERROR_LAUNCH_FAILED (error 719) due to "unspecified launch failure"
cuCtxSynchronize: CUDA error 719
========= Target application returned an error
========= ERROR SUMMARY: 129 errors
"""
RACECHECK = """========= COMPUTE-SANITIZER
========= Error: Race reported between Write access at k+0x130 in kernel.py:42 and Read access at k+0x2c0 [32 hazards]
=========
========= RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)
"""
SYNCCHECK = """========= COMPUTE-SANITIZER
========= Barrier error detected. Divergent thread(s) in warp
=========     at k+0x130
"""
CLEAN = "========= COMPUTE-SANITIZER\nran k\n========= ERROR SUMMARY: 0 errors\n"


READ = mutants.Report("Invalid __global__ read of size 16 bytes, misaligned", ("kernel.py:34",))


@pytest.mark.parametrize(
    ("output", "killed", "words", "found"),
    [
        (MEMCHECK, None, "Invalid __global__ read of size 16 bytes, misaligned", True),
        (RACECHECK, None, "Error: Race reported between Write access and Read access [32 hazards]", True),
        (SYNCCHECK, 20, "Barrier error detected. Divergent thread(s) in warp; hangs (killed after 20 s)", True),
        ("", 20, "hangs (killed after 20 s)", False),
        (CLEAN, None, "", False),
        (CLEAN.replace("ran k", "cuCtxSynchronize: CUDA error 700"), None, "cuCtxSynchronize: CUDA error 700", False),
        ("========= ERROR SUMMARY: 3 errors\n", None, "3 errors", True),
        ("========= COMPUTE-SANITIZER\nKilled\n", None, "no summary: Killed", False),
        ("", None, "no summary: no output", False),
    ],
)
def test_verdict(output: str, killed: float | None, words: str, found: bool) -> None:
    assert mutants.verdict(output, killed) == mutants.Verdict(words, found)


def test_what_the_original_has_too_is_not_found() -> None:
    assert mutants.reports(MEMCHECK) == [READ]
    assert mutants.verdict(MEMCHECK, None, [READ]) == mutants.Verdict("as on the original")
    assert mutants.verdict(MEMCHECK, 5, [READ]) == mutants.Verdict("as on the original; hangs (killed after 5 s)")
    elsewhere = MEMCHECK.replace("kernel.py:34", "kernel.py:35")
    assert mutants.verdict(elsewhere, None, [READ]).found
    both = MEMCHECK + elsewhere.replace("read of", "write of")
    assert mutants.verdict(both, None, [READ]).words == "Invalid __global__ write of size 16 bytes, misaligned"


def test_dropped_reports_are_no_report() -> None:
    dropped = "========= Warning: Error buffer overflow has been detected. Some records have been dropped\n"
    dropped += "========= 7 errors were skipped (error buffer overflow).\n"
    assert mutants.reports(MEMCHECK + dropped) == [READ]


def test_run_writes_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a stand-in that finds a race in "b", hangs on "c" under synccheck, and under memcheck says the same of "k"
    and of "c"."""
    sanitizer = tmp_path / "sanitizer"
    sanitizer.write_text(
        "#!/bin/sh\n"
        'for name; do :; done\ncase "$2 $name" in\n'
        f"racecheck\\ b) cat <<'END'\n{RACECHECK}END\n;;\n"
        f"memcheck\\ k|memcheck\\ c) cat <<'END'\n{MEMCHECK}END\n;;\n"
        "synccheck\\ c) sleep 60;;\n"
        "*--version) echo Version 1.2.3;;\n"
        f"*) cat <<'END'\n{CLEAN}END\n;;\nesac\n"
    )
    sanitizer.chmod(0o755)
    listed = [{"name": name, "what": f"Bug {name}", "program": "k", "simulator": ["race"]} for name in "abc"]
    (tmp_path / "index.json").write_text(json.dumps({"format": 1, "programs": {"k": {}}, "mutants": listed}))
    options = ["--out", str(tmp_path / "out"), "--limit", "2", "--sanitizer", str(sanitizer)]
    assert mutants.main(["run", str(tmp_path), *options]) == 0
    text = (tmp_path / "out" / "mutants.md").read_text()
    assert ", compute-sanitizer 1.2.3, 2" in text.splitlines()[0]
    assert "| a | Bug a | race | – | – | – | – |" in text
    assert (
        "| b | Bug b | race | – | Error: Race reported between Write access and Read access [32 hazards] | – | – |"
        in text
    )
    assert "| c | Bug c | race | as on the original | – | – | hangs (killed after 2 s) |" in text
    assert (
        "| originals | 1 programs without a bug | – |"
        " Invalid __global__ read of size 16 bytes, misaligned (k) | – | – | – |" in text
    )
    assert "Of 3 bugs: simulator 3, memcheck 0, racecheck 1, initcheck 0, synccheck 0; any of the tools 1." in text
    assert len(json.loads((tmp_path / "out" / "mutants.json").read_text())["runs"]) == 16
    assert "16 of 16 runs" in capsys.readouterr().out

    (tmp_path / "out" / "mutants.md").unlink()
    assert mutants.main(["report", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "mutants.md").read_text() == text

    assert mutants.main(["run", str(tmp_path), *options, "--budget", "1"]) == 0
    assert "| a | Bug a | race | not run |" in (tmp_path / "out" / "mutants.md").read_text()


def test_launch(tmp_path: Path) -> None:
    """Against a driver that notes what it is asked: arguments, tensors and the mutant's own shared memory."""
    compiler = shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("needs a C compiler")
    library = tmp_path / "libfake.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, FAKE_CUDA], check=True)
    how = {
        "entry": "k",
        "grid": [2, 3, 1],
        "block": [128, 1, 1],
        "shared": 49152,
        "tensors": {"x": {"bytes": 4, "file": "x.bin"}, "y": {"bytes": 4, "file": None}},
        "arguments": [{"tensor": "x"}, {"value": "2a00000000000000"}, {"tensor": "y"}],
    }
    listed = [{"name": "k/bug", "program": "k", "cubin": "bug.cubin", "shared": 16}]
    (tmp_path / "index.json").write_text(json.dumps({"format": 1, "programs": {"k": how}, "mutants": listed}))
    (tmp_path / "x.bin").write_bytes(b"\1\2\3\4")
    for name in ("k", "bug"):
        (tmp_path / f"{name}.cubin").write_bytes(b"\x7fELF")
    script = f"""
import ctypes, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import mutants
from pathlib import Path
lib = ctypes.CDLL({str(library)!r})
lib.fake_log.restype = ctypes.c_char_p
lib.fake_set.argtypes = [ctypes.c_char_p, ctypes.c_long]
lib.fake_set(b"params", 3)
mutants.launch(Path({str(tmp_path)!r}), sys.argv[1])
print(lib.fake_log().decode())
lib.fake_set(b"fail cuLaunchKernel", 719)
mutants.launch(Path({str(tmp_path)!r}), sys.argv[1])
"""

    def run(name: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"TREADLE_LIBCUDA": str(library)}
        return subprocess.run([sys.executable, "-c", script, name], capture_output=True, text=True, env=environment)

    done = run("k/bug")
    assert done.stderr == "cuLaunchKernel: CUDA error 719\n" and done.returncode == 1
    assert "cuFuncSetAttribute k 8=49168" in done.stdout and "cuCtxSynchronize\n" in done.stdout
    assert re.search(
        r"cuLaunchKernel k grid=2,3,1 block=128,1,1 shared=49168 stream=0 device=0 params=0x\w+,0x2a,0x\w+\n",
        done.stdout,
    )
    done = run("k")
    assert "shared=49152" in done.stdout and "FuncSet" not in done.stdout and "ran k\n" in done.stdout


def test_run_refuses_another_format(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"format": 0}')
    with pytest.raises(SystemExit, match=r"index\.json: expected format 1, found 0$"):
        mutants.main(["run", str(tmp_path), "--out", str(tmp_path)])
