"""Checks in processes of their own: what is said of each, whatever becomes of its process."""

import sys

from apart import apart

BODY = """
import os, sys
print("something else")
for name in sys.argv[1:]:
    if name == "crash":
        os._exit(3)
    print(f"ok   {name}: fine" if name != "bad" else f"FAIL {name}: wrong", flush=True)
    if name == "bad":
        sys.exit(1)
"""


def run(*names: str) -> tuple[list[tuple[str, bool]], list[list[str]], list[str]]:
    """What was found, what each process was to run, and what was said."""
    started: list[list[str]] = []

    def command(left: list[str]) -> list[str]:
        started.append(left[:])
        return [sys.executable, "-c", BODY, *left]

    found = list(apart(names, command))
    return [(name, good) for name, good, _ in found], started, [said for _, _, said in found]


def test_all_in_one_process() -> None:
    found, started, said = run("a", "a, too", "b")
    assert found == [("a", True), ("a, too", True), ("b", True)]
    assert started == [["a", "a, too", "b"]]
    assert said == ["ok   a: fine", "ok   a, too: fine", "ok   b: fine"]
    assert run() == ([], [], [])


def test_another_process_after_one_that_fails() -> None:
    found, started, said = run("a", "bad", "b", "c")
    assert found == [("a", True), ("bad", False), ("b", True), ("c", True)]
    assert started == [["a", "bad", "b", "c"], ["b", "c"]]
    assert said[1] == "FAIL bad: wrong"


def test_a_process_that_ends() -> None:
    found, started, said = run("a", "crash", "b")
    assert found == [("a", True), ("crash", False), ("b", True)]
    assert started == [["a", "crash", "b"], ["crash", "b"], ["b"]]
    assert said[1] == "FAIL crash: its process ended with status 3 and said nothing"
