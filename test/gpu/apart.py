"""Checks in processes of their own, so that what a failed one leaves behind reaches no other."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence


def apart(names: Sequence[str], command: Callable[[list[str]], list[str]]) -> Iterator[tuple[str, bool, str]]:
    """Run checks by their names; for each its name, whether it passed, and what was said.

    command(names): of a process that runs these, in this order, and prints `ok   NAME: ...` or `FAIL NAME: ...` for
    each. It may end after one that fails: another goes on with the rest. One that ends without a word fails the first.
    """
    left = list(names)
    while left:
        before = len(left)
        with subprocess.Popen(command(left), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                name = next((n for n in left if line[5:].startswith(f"{n}: ")), "")
                if name and line[:5] in ("ok   ", "FAIL "):
                    left.remove(name)
                    yield name, line.startswith("ok"), line.rstrip()
        if len(left) == before:
            name = left.pop(0)
            yield name, False, f"FAIL {name}: its process ended with status {process.returncode} and said nothing"
