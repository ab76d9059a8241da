"""The text of a scan, taken apart: its header, and its step, to check and to run with NumPy."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from interpret import Program, rounded
from ssa_check import Checker

_ARGUMENT = re.compile(
    r"%(\w+): !treadle\.field<([^>]*)> \{treadle\.name = \"(\w+)\"(?:, treadle\.align = (\d+) : i32)?\}"
)
_RESULT = re.compile(r"!treadle\.field<([^>]*)> \{treadle\.name = \"(\w+)\"(?:, treadle\.align = (\d+) : i32)?\}")
_SCAN = re.compile(r"%scan_r:(\d+) = treadle\.scan \((.*?)\) from \((.*?)\)( noncausal)?( reverse)? \{")
_TYPES = re.compile(r"\} : \((.*)\) from \((.*)\) -> \((.*)\)")


class _Step(Program):
    """The step of a scan."""

    def __init__(self, lines: list[str]) -> None:
        self.body = self.block(iter([*lines, "}"]))[0]


@dataclass
class Mixer:
    """What the text says. Arguments, fills and results are (name, field), in order."""

    arguments: list[tuple[str, str]] = field(default_factory=list)
    results: list[tuple[str, str]] = field(default_factory=list)
    aligned: dict[str, int] = field(default_factory=dict)
    attributes: list[str] = field(default_factory=list)
    fills: list[tuple[str, str, str]] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    fields: list[list[str]] = field(default_factory=list)
    """The types of inputs, states and results of the scan."""
    args: dict[str, str] = field(default_factory=dict)
    """The types of the step's arguments, by the parameter's name."""
    step: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    """The types of the step's outputs."""

    def operations(self) -> list[str]:
        """The names of the operations of the step, constants left out."""
        found = [re.sub(r"^%\S+ = ", "", line).split()[0] for line in self.step if line[0] not in "^}"]
        return [op for op in found if op not in ("arith.constant", "tile.yield", "treadle.yield")]

    def run(self, **values: Any) -> list[Any]:
        """Outputs and new states for one token."""
        names = {name: f"%{name}_t" for name in self.args}
        env = {names[name]: rounded(value, "f32") for name, value in values.items()}
        last = re.sub(r" : .*? next (.*) : .*", r", \1", self.step[-1]).replace("treadle.yield", "tile.yield")
        return _Step([*self.step[:-1], last]).execute(_Step([*self.step[:-1], last]).body, env)


def _fields(text: str) -> list[str]:
    return re.findall(r"!treadle\.field<([^>]*)>", text)


def take_apart(text: str) -> Mixer:
    """Parse a scan's text and check that it is consistent."""
    out = Mixer()
    lines = [line.strip() for line in text.replace("%scan.r", "%scan_r").rstrip("\n").split("\n")]
    lines = [re.sub(r"(%\w+)\.t\b", r"\1_t", re.sub(r"(%\w+)\.past\b", r"\1_past", line)) for line in lines]
    header, results, attributes, *body = lines
    assert re.match(r"func\.func @\w+\(", header)
    for _, type_, name, align in _ARGUMENT.findall(header):
        out.arguments.append((name, type_))
        out.aligned.update({name: int(align)} if align else {})
    for type_, name, align in _RESULT.findall(results):
        out.results.append((name, type_))
        out.aligned.update({f"{name}>": int(align)} if align else {})
    out.attributes = re.fullmatch(r"attributes \{(.*)\} \{", attributes)[1].split(", ")  # type: ignore[index]
    known = {ssa: type_ for ssa, type_, _, _ in _ARGUMENT.findall(header)}
    while " = treadle.fill " in body[0]:
        name, value, type_ = re.match(r"%(\w+) = treadle\.fill (\S+) : !treadle\.field<(.*?)> loc", body[0]).groups()  # type: ignore[union-attr]
        assert name not in known
        known[name] = type_
        out.fills.append((name, value, type_))
        body.pop(0)
    scan = _SCAN.fullmatch(body.pop(0))
    assert scan
    count, inputs, states, *flags = scan.groups()
    out.flags = [flag.strip() for flag in flags if flag]
    out.inputs, out.states = ([x.removeprefix("%") for x in part.split(", ")] for part in (inputs, states))
    end = next(k for k, line in enumerate(body) if " from (" in line)
    types = _TYPES.match(body[end])
    assert types and " loc(" in body[end]
    out.fields = [_fields(part) for part in types.groups()]
    assert [known[name] for name in out.inputs] == out.fields[0]
    assert [known[name] for name in out.states] == out.fields[1]
    assert len(out.fields[2]) == int(count) and out.fields[2][-len(out.states) :] == out.fields[1]
    block, *step = body[:end]
    out.args = dict(re.findall(r"%(\w+)_t: ([^,)]+)", block))
    for type_, found in zip([*out.fields[0], *out.fields[1]], out.args.values(), strict=True):
        value = re.sub(r"^[BTHG]+, ", "", type_)
        value = re.sub(r"b?f(16|32)$", "f32", value)
        assert found == (f"tensor<{value}>" if "x" in value else value)
    out.step = [re.sub(r" loc\(.*\)$", "", line) for line in step]
    _check(block, step, out)
    returned, last = body[end + 1 :]
    assert last.startswith("}") and returned.startswith("return %scan_r#0")
    assert _fields(returned) == [type_ for _, type_ in out.results]
    assert _fields(returned) == out.fields[2][: len(out.results)]
    return out


def _check(block: str, step: list[str], out: Mixer) -> None:
    """Names and types in the step agree."""
    checker = Checker("")
    for line in [block, *step[:-1]]:
        checker.line(line)
    assert len(checker.scopes) == 1, "regions are balanced"
    last = re.match(r"treadle\.yield (.*?) : (.*?) next (.*?) : (.*?) loc", step[-1])
    assert last
    outputs, output_types, new, new_types = (part.split(", ") for part in last.groups())
    checker.expect(outputs, output_types, step[-1])
    checker.expect(new, new_types, step[-1])
    out.outputs = output_types
    assert new_types == list(out.args.values())[-len(new) :], "states keep their types"
