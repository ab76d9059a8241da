"""Every planted bug is found, as what it is and where it is; the programs that they are planted in are clean.

    PYTHONPATH=python python test/python/test_sim_mutants.py [TABLE.md]

prints what the simulator finds in each, or writes it as a table.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [path for path in (str(ROOT / "python"), str(Path(__file__).parent)) if path not in sys.path]

from treadle import compiler  # noqa: E402
from treadle.errors import TreadleError  # noqa: E402
from treadle.runtime import _sim  # noqa: E402

try:
    compiler.library()
    _sim.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

from sim_mutants import MUTANTS  # noqa: E402
from sim_planting import Mutant, simulate  # noqa: E402
from sim_programs import PROGRAMS, program  # noqa: E402
from sim_ptx import EditError, Ptx, source_line  # noqa: E402
from treadle.runtime.report import Finding  # noqa: E402


def findings(mutant: Mutant) -> tuple[Finding, ...]:
    return simulate(program(mutant.program), mutant.ptx(), mutant.shared).findings


def lines(finding: Finding) -> list[str]:
    """The lines of the kernel that a finding names."""
    places = [finding.place, *([finding.other] if finding.other else [])]
    return [source_line(place.file, place.line) for place in places]


@pytest.mark.parametrize("name", PROGRAMS)
def test_original_is_clean(name: str) -> None:
    original = program(name)
    assert [str(finding) for finding in simulate(original, original.ptx).findings] == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_found(mutant: Mutant) -> None:
    found = findings(mutant)
    text = "\n".join(map(str, found))
    kinds = {finding.kind for finding in found}
    assert mutant.kind in kinds, text
    assert kinds <= {mutant.kind} | mutant.also, text
    assert any(mutant.at in line for f in found if f.kind == mutant.kind for line in lines(f)), text


def test_many_different_bugs() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 30
    assert {mutant.kind for mutant in MUTANTS} >= {
        "out-of-bounds",
        "misaligned",
        "uninitialised",
        "race",
        "unwaited-copy",
        "divergent-barrier",
        "deadlock",
        "null-pointer",
        "invalid-operand",
    }


PTX = """.visible .entry k(.param .u64 k_param_0)
{
	add.u32 %r1, %r2, %r3;
	bar.sync 0;
	sub.u32 %r4, %r1, 8;
	bar.sync 0;
}
"""


def test_edits_fail_where_they_do_not_fit() -> None:
    ptx = Ptx(PTX, {"launches": [{"entry": "k", "args": [{"pointer": "x"}]}]})
    assert ptx.lines[ptx.ancestor(ptx.find("sub"), "add")].strip() == "add.u32 %r1, %r2, %r3;"
    for wrong in (
        lambda: ptx.find("mul"),
        lambda: ptx.find("bar", nth=2),
        lambda: ptx.find("bar", line="a = b"),
        lambda: ptx.only("bar"),
        lambda: ptx.ancestor(ptx.find("sub"), "bar"),
        lambda: ptx.group(2, "sub (.*)"),
        lambda: ptx.drop(1),
        lambda: ptx.sub(2, "sub", "add"),
        lambda: ptx.sub(2, "%r", "%q"),
        lambda: ptx.sub(2, "add", "add"),
        lambda: ptx.unguard(2),
        lambda: ptx.load_of({"pointer": "x"}),
        lambda: ptx.parameter({"pointer": "y"}),
    ):
        with pytest.raises(EditError):
            wrong()
    assert ptx.text == PTX


def table() -> str:
    """What the simulator finds in every mutant."""
    rows = ["| mutant | what | findings |", "|---|---|---|"]
    for mutant in MUTANTS:
        found = dict.fromkeys(finding.kind for finding in findings(mutant))
        rows.append(f"| {mutant.name} | {mutant.what} | {', '.join(found)} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(table())
    else:
        for planted in MUTANTS:
            print(f"## {planted.name}: {planted.what}", *findings(planted), sep="\n")
