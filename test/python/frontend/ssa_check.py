"""Checks the text of a kernel: every name defined once, before it is used, and used at the type it was defined with."""

from __future__ import annotations

import re

_NAME = re.compile(r"%[A-Za-z0-9_]+(?:#\d+)?")
_LOC = re.compile(r" loc\(.*\)$")


def _split(types: str) -> list[str]:
    """Types separated by commas, outside brackets."""
    out, depth, start = [], 0, 0
    for at, char in enumerate(types):
        depth += char in "<[("
        depth -= char in ">])" and types[at - 1] != "-"
        if char == "," and depth == 0:
            out.append(types[start:at].strip())
            start = at + 1
    last = types[start:].strip()
    return [*out, last] if last else out


class Checker:
    """Reads the text line by line, with a scope for each region."""

    def __init__(self, text: str) -> None:
        self.lines = text.rstrip("\n").split("\n")
        self.scopes: list[dict[str, str]] = [{}]
        self.seen: set[str] = set()
        self.pending: list[tuple[list[str], list[str]]] = []

    def run(self) -> None:
        """Raise AssertionError at the first mistake."""
        assert not any("xindex>" in line for line in self.lines), "a tile of index"
        header, attributes, *rest = self.lines
        assert header.startswith("func.func @") and "tile.grid = affine_map" in attributes
        for name, type_ in re.findall(r"(%\w+): ([^{]+?) \{tile\.name", header):
            self.define(name, type_)
        for line in rest:
            self.line(line.strip())
        assert len(self.scopes) == 0, "regions are balanced"

    def define(self, name: str, type_: str) -> None:
        assert name not in self.seen, f"{name} is defined twice"
        self.seen.add(name)
        self.scopes[-1][name] = type_

    def type_of(self, name: str) -> str:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        raise AssertionError(f"{name} is used before its definition")

    def expect(self, names: list[str], types: list[str], line: str) -> None:
        assert len(names) == len(types), line
        for name, type_ in zip(names, types, strict=True):
            assert self.type_of(name) == type_, f"{name} is {self.type_of(name)}, used as {type_}: {line}"

    def line(self, line: str) -> None:
        if line.startswith("^bb0("):
            for name, type_ in re.findall(r"(%\w+): ([^,)]+)", line):
                self.define(name, type_)
            return
        opens = line.endswith("{")
        text = _LOC.sub("", line)
        if text != line or not opens:
            assert text != line or line.startswith(("}", "tile.yield")), f"no location: {line}"
        if text.startswith("}"):
            self.close(text)
            if opens:
                self.scopes.append({})
            return
        results, operation = self.results(text)
        types = self.operation(operation, opens)
        if opens:
            self.pending.append((results, types))
            self.scopes.append({})
            for name, type_ in self.inside:
                self.define(name, type_)
        else:
            for name, type_ in zip(results, types, strict=True):
                self.define(name, type_)

    def close(self, text: str) -> None:
        self.scopes.pop()
        if text in ("} else {", "} do {") or not self.scopes:
            return
        if not self.pending:
            assert text == "}"
            return
        results, types = self.pending.pop()
        if text.startswith("} : "):
            operands, found = re.fullmatch(r"\} : \((.*)\) -> \((.*)\)", text).groups()  # type: ignore[union-attr]
            assert _split(operands) == types
            types = _split(found)
        for name, type_ in zip(results, types, strict=True):
            self.define(name, type_)

    def results(self, text: str) -> tuple[list[str], str]:
        match = re.match(r"(%\w+)(?::(\d+))? = (.*)", text)
        if not match:
            return [], text
        name, count, rest = match.groups()
        return [name] if count is None else [f"{name}#{k}" for k in range(int(count))], rest

    def operation(self, op: str, opens: bool) -> list[str]:
        """Check the operands; the types of the results."""
        self.inside: list[tuple[str, str]] = []
        if op == "return":
            return []
        if op in ("arith.constant true", "arith.constant false"):
            return ["i1"]
        if op.startswith("arith.constant"):
            return [op.rpartition(" : ")[2]]
        if op.startswith("tile.program_id"):
            return ["index"]
        if op.startswith("tile.iota"):
            return [op.partition(" : ")[2]]
        kind = re.match(r"[\w.]+", op)[0]  # type: ignore[index]
        if kind == "scf.for":
            return self.loop(op)
        if kind == "scf.if":
            condition, _, types = op.removesuffix(" {").partition(" -> ")
            self.expect(_NAME.findall(condition), ["i1"], op)
            return _split(types[1:-1]) if types else []
        if kind == "scf.while":
            pairs, types = re.fullmatch(r"scf\.while \((.*?)\) : \((.*)\) -> \(.*\) \{", op).groups()  # type: ignore[union-attr]
            return self.carried(pairs, _split(types), op)
        if kind in ("tile.reduce", "tile.scan"):
            names = _NAME.findall(op)
            return [self.type_of(name) for name in names]
        head, _, types = op.partition(" : ")
        if kind == "tile.load":
            if "other(" in op:
                name, type_, types = re.search(r"other\((%\w+) : (\w+)\) : (.*)", op).groups()  # type: ignore[union-attr]
                self.expect([name], [type_], op)
            view, _, result = types.partition(" -> ")
            names = _NAME.findall(head.partition(" other")[0])
            self.expect(names, [view] + ["index"] * (len(names) - 1), op)
            return [result]
        if kind == "tile.store":
            value, view = _split(types)
            names = _NAME.findall(head)
            self.expect(names, [value, view] + ["index"] * (len(names) - 2), op)
            return []
        return self.plain(kind, head, types, op)

    def plain(self, kind: str, head: str, types: str, op: str) -> list[str]:
        names = _NAME.findall(head)
        if kind == "tile.dot":
            operands, _, result = types.partition(" -> ")
            self.expect(names, [*_split(operands), result], op)
            return [result]
        if kind in ("tile.yield", "scf.yield", "scf.condition"):
            condition = ["i1"] if kind == "scf.condition" else []
            self.expect(names, condition + _split(types), op)
            return []
        if kind == "tile.dim":
            self.expect(names, [types], op)
            return ["index"]
        if kind == "treadle.concat":
            operands, result = re.fullmatch(r"\((.*)\) -> (.*)", types).groups()  # type: ignore[union-attr]
            self.expect(names, _split(operands), op)
            return [result]
        for arrow in (" -> ", " to "):
            if arrow in types:
                source, _, result = types.partition(arrow)
                self.expect(names, [source], op)
                return [result]
        if kind == "arith.select":
            *condition, type_ = _split(types)
            self.expect(names, [*(condition or ["i1"]), type_, type_], op)
            return [type_]
        self.expect(names, [types] * len(names), op)
        return [re.sub(r"(x|^)[a-z]+\d+(>|$)|^index$", r"\1i1\2", types) if kind.startswith("arith.cmp") else types]

    def loop(self, op: str) -> list[str]:
        match = re.fullmatch(
            r"scf\.for (%\w+) = (%\w+) to (%\w+) step (%\w+)(?: iter_args\((.*?)\) -> \((.*)\))? \{", op
        )
        assert match, op
        counter, *bounds, pairs, types = match.groups()
        self.expect(bounds, ["index"] * 3, op)
        result = self.carried(pairs, _split(types), op) if pairs else []
        self.inside.append((counter, "index"))
        return result

    def carried(self, pairs: str, types: list[str], op: str) -> list[str]:
        split = [pair.split(" = ") for pair in pairs.split(", ")] if pairs else []
        self.expect([init for _, init in split], types, op)
        self.inside = [(name, type_) for (name, _), type_ in zip(split, types, strict=True)]
        return types


def check(text: str) -> None:
    """Check a kernel's text."""
    Checker(text).run()
