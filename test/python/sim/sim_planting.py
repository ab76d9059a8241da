"""Planting bugs: mutants by name, what the simulator must say of them, and what their edits have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path[:0] = [path for path in (str(Path(__file__).parent),) if path not in sys.path]

from sim_programs import Program, program  # noqa: E402
from sim_ptx import Ptx  # noqa: E402
from treadle.runtime.report import Report  # noqa: E402
from treadle.runtime.sim import Simulator  # noqa: E402

# Instructions.
BARRIER = r"bar\.sync"
WAIT = r"cp\.async\.wait_group"
COMMIT = r"cp\.async\.commit_group"
COPY = r"cp\.async\.c[ag]\."
MATRIX = r"ldmatrix"
STORE_SHARED, LOAD_SHARED = r"st\.shared", r"ld\.shared"
STORE, LOAD = r"st\.global", r"ld\.global"


@dataclass(frozen=True)
class Mutant:
    """A bug: the simulator must report `kind`, and may report the kinds in `also`, of which it is the cause too."""

    name: str
    program: str
    what: str
    edit: Callable[[Ptx], None] | None
    kind: str
    also: frozenset[str] = frozenset()
    at: str = ""
    """Part of the kernel's line that a finding of `kind` must name."""
    shared: int = 0
    """Change of the launch's bytes of shared memory."""

    def ptx(self) -> str:
        """The program with the bug."""
        original = program(self.program)
        if self.edit is None:
            return original.ptx
        ptx = Ptx(original.ptx, original.manifest)
        self.edit(ptx)
        if ptx.text == original.ptx:
            raise AssertionError(f"{self.name}: expected a change, found none")
        return ptx.text


MUTANTS: list[Mutant] = []


def simulate(original: Program, ptx: str, shared: int = 0) -> Report:
    """What the simulator finds in this PTX in the place of a program's own."""
    simulator = Simulator(max_findings=200, max_instructions=1 << 22)
    return simulator.run(original.bundle(ptx, shared), **original.arguments(original.tensors()))


def mutant(name: str, kind: str, *also: str, at: str = "") -> Callable[[Callable[[Ptx], None]], Callable[[Ptx], None]]:
    """Register an edit of a program; its name and its docstring are the mutant's."""

    def register(edit: Callable[[Ptx], None]) -> Callable[[Ptx], None]:
        what = (edit.__doc__ or "").strip().rstrip(".")
        full = f"{name}/{edit.__name__.replace('_', '-')}"
        MUTANTS.append(Mutant(full, name, what, edit, kind, frozenset(also), at))
        return edit

    return register


def loop_wait(p: Ptx) -> int:
    """The wait at the top of a pipelined loop; the other one follows the loop."""
    waits = p.all(WAIT)
    assert len(waits) == 2
    return waits[0]


def loop_start(p: Ptx) -> int:
    """The label of a pipelined loop."""
    return p.find(r"^\$\S+:", before=loop_wait(p), nth=-1)


def half_of_the_warps(p: Ptx, i: int) -> None:
    """Let only threads 0 to 63 execute instruction i."""
    predicate, thread = p.register(".pred"), p.register(".b32")
    at = i + 2
    p.guard(at, predicate)
    p.insert(at, f"mov.u32 {thread}, %tid.x", f"setp.lt.u32 {predicate}, {thread}, 64")


def constant(p: Ptx, i: int, value: str) -> None:
    """Make the result of an instruction a constant."""
    register = p.group(i, r"(%[a-z]+\d+),")
    p.lines[i] = f"\tmov.b{64 if register.startswith('%rd') else 32} {register}, {value};"


def times(p: Ptx, argument: Mapping[str, Any]) -> int:
    """The 64-bit product of an argument of the launch, a stride, with an index."""
    register = p.group(p.load_of(argument), r"(%rd\d+),")
    return p.find(rf"mul\.lo\.s64\s.*{register}\b")
