"""Runs the text of a kernel with NumPy, block by block: what the text means, with no compiler in between.

Floats of every width are held as float64 or float32 values rounded where the text rounds; index and integers as int64.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from treadle.testing import pack, unpack

Value = Any
_NAME = re.compile(r"%[A-Za-z0-9_]+(?:#\d+)?")
_LOC = re.compile(r" loc\(.*\)$")
_COMPARE = {
    "eq": np.equal, "oeq": np.equal, "ne": np.not_equal, "une": np.not_equal, "slt": np.less, "olt": np.less,
    "sle": np.less_equal, "ole": np.less_equal, "sgt": np.greater, "ogt": np.greater, "sge": np.greater_equal,
    "oge": np.greater_equal,
}  # fmt: skip
_BINARY: dict[str, Callable[..., Value]] = {
    "addf": np.add, "addi": np.add, "subf": np.subtract, "subi": np.subtract, "mulf": np.multiply,
    "muli": np.multiply, "divf": np.divide, "divui": np.floor_divide, "floordivsi": np.floor_divide,
    "remui": np.remainder, "andi": np.bitwise_and, "ori": np.bitwise_or, "xori": np.bitwise_xor,
    "maximumf": np.maximum, "minimumf": np.minimum, "maxsi": np.maximum, "minsi": np.minimum,
    "ceildivsi": lambda a, b: -(-a // b), "logaddexp": np.logaddexp,
}  # fmt: skip
_MATH: dict[str, Callable[..., Value]] = {
    "exp": np.exp, "exp2": np.exp2, "log": np.log, "log2": np.log2, "sqrt": np.sqrt, "absf": np.abs, "absi": np.abs,
    "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "log1p": np.log1p, "rsqrt": lambda x: 1 / np.sqrt(x),
}  # fmt: skip


def element(type_: str) -> str:
    """`bf16` of `tensor<4xbf16>`."""
    return re.sub(r"^tensor<(?:\d+x)*|>$", "", type_)


def shape(type_: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"(\d+)x", type_))


def rounded(value: Value, dtype: str) -> Value:
    """`value` as `dtype`, held in a wider type."""
    if dtype in ("bf16", "f16"):
        return unpack(pack(np.asarray(value, np.float32), dtype), dtype).astype(np.float32)
    if dtype == "f32":
        return np.asarray(value, np.float32)
    if dtype == "i1":
        return np.asarray(value, bool)
    return np.asarray(value, np.int64)


def literal(text: str, dtype: str) -> Value:
    if text in ("true", "false"):
        return np.asarray(text == "true")
    if text.startswith("0x"):
        bits = int(text, 16)
        if dtype == "f16":
            return np.float32(struct.unpack("<e", struct.pack("<H", bits))[0])
        return np.float32(struct.unpack("<f", struct.pack("<I", bits << (16 if dtype == "bf16" else 0)))[0])
    return rounded(float(text) if dtype[0] in "fb" else int(text), dtype)


class Program:
    """The parsed text of a kernel."""

    def __init__(self, text: str) -> None:
        header, attributes, *rest = text.rstrip("\n").split("\n")
        self.arguments = re.findall(r"%(\w+): ([^{]+?) \{tile\.name = \"(\w+)\"(?:, tile\.dims = \[(.*?)\])?", header)
        grid = re.search(r"affine_map<\(\)(?:\[.*?\])? -> \((.*)\)>", attributes)
        assert grid
        self.grid = re.sub(r"ceildiv", "|ceil|", grid[1]).replace("floordiv", "//").replace("mod", "%")
        self.body = self.block(iter([_LOC.sub("", line.strip()) for line in rest]))[0]

    def block(self, lines: Any) -> tuple[list[Any], str]:
        """Lines up to a closing brace, with regions nested."""
        out: list[Any] = []
        for line in lines:
            if line.startswith("}"):
                return out, line
            if line.endswith("{"):
                regions, end = [], "{"
                while end.endswith("{"):
                    region, end = self.block(lines)
                    regions.append(region)
                out.append((line, regions))
            else:
                out.append((line, []))
        raise AssertionError("a region is not closed")

    def run(self, arrays: Mapping[str, Any]) -> None:
        """Run every block on arrays in storage form; views of bf16 are unpacked and packed again."""
        self.memory: dict[str, Value] = {}
        env: dict[str, Value] = {}
        dims: dict[str, Any] = {"ceil": _Ceil()}
        for name, type_, label, names in self.arguments:
            if not type_.startswith("!tile.view"):
                env["%" + name] = rounded(arrays[label], type_)
                continue
            dtype = re.search(r"x([a-z]+\d+)[,>]", type_)[1]  # type: ignore[index]
            self.memory["%" + name] = (arrays[label], dtype)
            for axis, dim in enumerate(names.replace('"', "").split(", ")):
                dims.setdefault(dim, arrays[label].shape[axis])
        extents = eval(f"({self.grid},)", {}, dims)
        for ids in np.ndindex(*extents):
            self.ids = ids
            self.execute(self.body, dict(env))

    def execute(self, body: list[Any], env: dict[str, Value]) -> list[Value]:
        """Run a region; the operands of its terminator."""
        for line, regions in body:
            if line.startswith("^bb0") or line == "return":
                continue
            match = re.match(r"(%\w+)(?::(\d+))? = (.*)", line)
            name, count, op = match.groups() if match else (None, None, line)
            if op.startswith(("scf.yield", "tile.yield", "scf.condition")):
                return [env[n] for n in _NAME.findall(op)]
            results = self.one(op, regions, env)
            if name is not None:
                names = [name] if count is None else [f"{name}#{k}" for k in range(int(count))]
                env.update(zip(names, results, strict=True))
        return []

    def one(self, op: str, regions: list[Any], env: dict[str, Value]) -> list[Value]:
        kind = re.match(r"[\w.]+", op)[0]  # type: ignore[index]
        dialect, name = kind.split(".")
        if dialect == "scf":
            method: Callable[..., list[Value]] = getattr(self, name + "_")
            return method(op, regions, env)
        if name in ("reduce", "scan"):
            return self.combine(name, op, regions[0], env)
        head, _, types = op.partition(" : ")
        operands = [env[n] for n in _NAME.findall(head) if n in env]
        result = re.split(r" -> | to ", types)[-1].split(", ")[-1]
        if dialect == "tile" or name in ("concat", "part"):
            method = getattr(self, name)
            return method(head, types, result, operands, env)
        if name == "constant":
            text = head.split(" ", 1)[1]
            inner = re.fullmatch(r"dense<(.*)>", text)
            value = literal(inner[1] if inner else text, element(types or "i1"))
            return [np.broadcast_to(value, shape(types))]
        if name == "select":
            return [np.where(*operands)]
        if name in ("cmpf", "cmpi"):
            return [_COMPARE[head.split()[1].rstrip(",")](*operands)]
        if name == "negf":
            return [-operands[0]]
        with np.errstate(all="ignore"):
            table: dict[str, Callable[..., Value]] = _MATH if dialect == "math" else _BINARY
            value = table[name](*operands) if name in table else operands[0]
            return [rounded(value, element(result))]

    def program_id(self, head: str, *_: Any) -> list[Value]:
        return [np.int64(self.ids[int(head.split()[-1])])]

    def dim(self, head: str, *_: Any) -> list[Value]:
        array, _dtype = self.memory[_NAME.findall(head)[0]]
        return [np.int64(array.shape[int(head.split(", ")[-1])])]

    def region(self, head: str, extents: tuple[int, ...], env: dict[str, Value]) -> tuple[Any, str, Any, Any]:
        """The array, its dtype, the indices of the tile clipped to it, and which of them lie inside."""
        view, indices, along = re.search(r"(%\w+)\[(.*?)\] along \[(.*?)\]", head).groups()  # type: ignore[union-attr]
        array, dtype = self.memory[view]
        axes = [int(a) for a in along.split(", ")] if along else []
        index: list[Any] = [env[n] for n in _NAME.findall(indices)]
        for k, axis in enumerate(axes):
            place = [1] * len(axes)
            place[k] = extents[k]
            index[axis] = index[axis] + np.arange(extents[k]).reshape(place)
        inside: Any = np.ones(extents, bool)
        for at, size in zip(index, array.shape, strict=True):
            inside = inside & (at >= 0) & (at < size)
        clipped = tuple(
            np.broadcast_to(np.clip(at, 0, n - 1), extents) for at, n in zip(index, array.shape, strict=True)
        )
        return array, dtype, clipped, inside

    def load(self, head: str, types: str, result: str, operands: Any, env: dict[str, Value]) -> list[Value]:
        array, dtype, index, inside = self.region(head, shape(result), env)
        other = re.search(r"other\((%\w+)", head + " : " + types)
        pad = env[other[1]] if other else 0
        return [rounded(np.where(inside, rounded(unpack(array[index], dtype), dtype), pad), dtype)]

    def store(self, head: str, types: str, result: str, operands: Any, env: dict[str, Value]) -> list[Value]:
        extents = shape(types.split(", ")[0]) if types.startswith("tensor") else ()
        array, dtype, index, inside = self.region(head, extents, env)
        value = pack(np.broadcast_to(np.asarray(operands[0]), extents), dtype)
        array[tuple(at[inside] for at in index)] = value[inside]
        return []

    def iota(self, head: str, types: str, *_: Any) -> list[Value]:
        return [np.arange(shape(types)[0])]

    def splat(self, head: str, types: str, result: str, operands: Any, env: Any) -> list[Value]:
        return [np.broadcast_to(operands[0], shape(result))]

    broadcast = splat

    def reshape(self, head: str, types: str, result: str, operands: Any, env: Any) -> list[Value]:
        return [operands[0].reshape(shape(result))]

    expand_dims = reshape

    def transpose(self, head: str, types: str, result: str, operands: Any, env: Any) -> list[Value]:
        return [operands[0].transpose([int(k) for k in re.search(r"\[(.*)\]", head)[1].split(", ")])]  # type: ignore[index]

    def concat(self, head: str, types: str, result: str, operands: Any, env: Any) -> list[Value]:
        axis, whole = int(head.split()[-1]), shape(result)
        return [np.concatenate([x if np.ndim(x) == len(whole) else np.expand_dims(x, axis) for x in operands], axis)]

    def part(self, head: str, types: str, result: str, operands: Any, env: Any) -> list[Value]:
        axis, start = map(int, head.split(", ")[1:])
        whole = np.moveaxis(operands[0], axis, 0)
        if len(shape(result)) < whole.ndim:
            return [whole[start]]
        return [np.moveaxis(whole[start : start + shape(result)[axis]], 0, axis)]

    def extract(self, head: str, types: str, result: str, operands: Any, env: Any) -> list[Value]:
        starts = [int(k) for k in re.search(r"\[(.*)\]", head)[1].split(", ")]  # type: ignore[index]
        return [operands[0][tuple(slice(s, s + n) for s, n in zip(starts, shape(result), strict=True))]]

    def dot(self, head: str, types: str, result: str, operands: Any, env: Any) -> list[Value]:
        a, b, c = operands
        return [(a.astype(np.float64) @ b + c).astype(np.float32)]

    def combine(self, kind: str, op: str, region: list[Any], env: dict[str, Value]) -> list[Value]:
        operands = [env[n] for n in _NAME.findall(op)]
        axis = int(re.search(r"along (\d+)", op)[1])  # type: ignore[index]
        args = re.findall(r"(%\w+):", region[0][0])
        steps = range(operands[0].shape[axis])
        order = list(reversed(steps)) if op.endswith("reverse {") else list(steps)
        slices = [[x.take(k, axis) for x in operands] for k in order]
        current, rows = slices[0], [slices[0]]
        for later in slices[1:]:
            current = self.execute(region, {**env, **dict(zip(args, [*current, *later], strict=True))})
            rows.append(current)
        if kind == "reduce":
            return current
        rows = rows[::-1] if op.endswith("reverse {") else rows
        return [np.stack(column, axis) for column in zip(*rows, strict=True)]

    def for_(self, op: str, regions: list[Any], env: dict[str, Value]) -> list[Value]:
        head, _, carried = op.partition(" iter_args(")
        counter, lo, hi, step = _NAME.findall(head)
        pairs = _NAME.findall(carried)
        names, values = pairs[::2], [env[n] for n in pairs[1::2]]
        for k in range(int(env[lo]), int(env[hi]), int(env[step])):
            inner = {**env, counter: np.int64(k), **dict(zip(names, values, strict=True))}
            values = self.execute(regions[0], inner)
        return values

    def while_(self, op: str, regions: list[Any], env: dict[str, Value]) -> list[Value]:
        pairs = _NAME.findall(op)
        names, values = pairs[::2], [env[n] for n in pairs[1::2]]
        args = re.findall(r"(%\w+):", regions[1][0][0])
        for _ in range(10_000):
            go, *values = self.execute(regions[0], {**env, **dict(zip(names, values, strict=True))})
            if not go:
                return values
            values = self.execute(regions[1], {**env, **dict(zip(args, values, strict=True))})
        raise AssertionError("the loop does not end")

    def if_(self, op: str, regions: list[Any], env: dict[str, Value]) -> list[Value]:
        condition = env[_NAME.findall(op)[0]]
        if condition:
            return self.execute(regions[0], dict(env))
        return self.execute(regions[1], dict(env)) if len(regions) > 1 else []


class _Ceil:
    """`a |ceil| b` is a divided by b, rounded up."""

    def __init__(self, left: int = 0) -> None:
        self.left = left

    def __ror__(self, left: int) -> _Ceil:
        return _Ceil(left)

    def __or__(self, right: int) -> int:
        return math.ceil(self.left / right)
