"""Small PTX programs with inputs from a fixed seed, written as instructions between `get` and `put`.

A program is a body of PTX lines, run by every thread of a launch:

    get.f32 a                 declares nothing: loads the thread's next input, of that kind, into register a
    put.f32 d                 stores d as the thread's next result
    shl.b(16|32) d, a, b      a line with alternatives stands for as many lines, each with one of them

It may use in, out and memory (64 bits: where the thread's inputs, its results, and the memory that all threads share
begin), row (the thread's number in the launch), tid and lane, and the registers p0..15 (predicates), h0..31 (16 bits),
r0..63 (32 bits) and w0..15 (64 bits).

Inputs are edge values crossed with each other, then random ones: see `KINDS`.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SEED = 20261122
POISON = 0xCD

Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]

# ---------------------------------------------------------------------------------------------------------------------
# Values
# ---------------------------------------------------------------------------------------------------------------------


class Random:
    """Random numbers that are the same with every version of NumPy, which promises that of raw bits alone."""

    def __init__(self, *seed: int) -> None:
        self._raw = np.random.PCG64(np.random.SeedSequence(seed))

    def bits(self, n: int, width: int = 64) -> Words:
        """Numbers of that many bits."""
        return np.asarray(self._raw.random_raw(n) >> np.uint64(64 - width))

    def between(self, n: int, low: int, high: int) -> npt.NDArray[np.int64]:
        """Integers, from low to high."""
        return np.asarray((self.bits(n) % np.uint64(high - low + 1)).astype(np.int64) + low)

    def uniform(self, n: int, low: float, high: float) -> npt.NDArray[np.float64]:
        """Numbers from low to high."""
        return np.asarray(low + (high - low) * (self.bits(n, 53).astype(np.float64) * 2.0**-53))

    def scaled(self, n: int, low: int, high: int) -> npt.NDArray[np.float64]:
        """Numbers of both signs, with exponents from low to high."""
        signs = 1.0 - 2.0 * self.between(n, 0, 1)
        return np.asarray(signs * np.ldexp(self.uniform(n, 1, 2), self.between(n, low, high)))

    def among(self, n: int, values: Sequence[int]) -> Words:
        """Some of the values."""
        return np.array(values, np.uint64)[self.between(n, 0, len(values) - 1)]

    def subset(self, n: int, of: int) -> npt.NDArray[np.int64]:
        """n numbers below `of`, in order; different ones, unless they are few of very many."""
        if of > 1 << 20:
            return np.sort(self.between(n, 0, of - 1))
        return np.sort(np.argsort(self.bits(of), kind="stable")[:n])


Draw = Callable[[Random, int], Words]


@dataclass(frozen=True)
class Format:
    """A binary floating-point format: sign, exponent, fraction."""

    exponent: int
    fraction: int

    @property
    def bits(self) -> int:
        """Of a value."""
        return 1 + self.exponent + self.fraction

    @property
    def bias(self) -> int:
        """Of the exponent."""
        return (1 << (self.exponent - 1)) - 1

    def encode(self, values: npt.NDArray[np.float64]) -> Words:
        """The bits of the values, cut off towards zero where they do not fit; normal ones and zero only."""
        mantissa, exponent = np.frexp(np.abs(values))
        fraction = np.floor((2 * mantissa - 1) * 2.0**self.fraction).astype(np.int64)
        biased = exponent.astype(np.int64) - 1 + self.bias
        bits = np.where(values == 0, 0, (biased << self.fraction) + fraction)
        signs = np.signbit(values).astype(np.uint64) << np.uint64(self.bits - 1)
        return np.asarray(bits.astype(np.uint64) | signs)

    def decode(self, bits: Words) -> npt.NDArray[np.float64]:
        """The values."""
        fraction = (bits & np.uint64((1 << self.fraction) - 1)).astype(np.float64)
        exponent = ((bits >> np.uint64(self.fraction)) & np.uint64((1 << self.exponent) - 1)).astype(np.int64)
        last = (1 << self.exponent) - 1
        normal = np.ldexp(fraction + 2.0**self.fraction, np.minimum(exponent, last - 1) - self.bias - self.fraction)
        subnormal = np.ldexp(fraction, 1 - self.bias - self.fraction)
        special = np.where(fraction == 0, np.inf, np.nan)
        value = np.where(exponent == 0, subnormal, np.where(exponent == last, special, normal))
        return np.where((bits >> np.uint64(self.bits - 1)) != 0, -value, value)

    def ulp(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The distance to the next larger magnitude in the format."""
        exponent = np.where(np.isfinite(values) & (values != 0), np.frexp(values)[1] - 1, 1 - self.bias)
        return np.asarray(np.ldexp(1.0, np.maximum(exponent, 1 - self.bias) - self.fraction))

    def edges(self) -> list[int]:
        """Zero, subnormals, the smallest normal, around one, powers of two, the largest, infinity, NaNs; both signs."""
        unit, one, infinity = (
            1 << self.fraction,
            self.bias << self.fraction,
            ((1 << self.exponent) - 1) << self.fraction,
        )
        quiet = unit >> 1
        magnitudes = [0, 1, unit - 1, unit, one, one + 1, one - 1, one + quiet, one - unit, one + unit, infinity - 1]
        magnitudes += [infinity, infinity + quiet, infinity + quiet + 5, infinity + 1]
        return [sign | bits for bits in magnitudes for sign in (0, 1 << (self.bits - 1))]

    def draw(self, random: Random, n: int) -> Words:
        """One third any bits, one third of magnitudes near one, one third halves of small integers."""
        anything = random.bits(n, self.bits)
        near = self.encode(random.scaled(n, -4, 5))
        halves = self.encode(random.between(n, -80, 80) / 2)
        return np.choose(random.between(n, 0, 2), [anything, near, halves])


F16, BF16, F32, F64 = Format(5, 10), Format(8, 7), Format(8, 23), Format(11, 52)


@dataclass(frozen=True)
class Kind:
    """What an operand holds. `format`: of its parts, where they are floating-point numbers."""

    bits: int
    edges: tuple[int, ...]
    draw: Draw
    format: Format | None = None

    @property
    def register(self) -> str:
        """The type of a register that holds it."""
        return ".pred" if self.bits == 1 else f".b{self.bits}"

    @property
    def bytes(self) -> int:
        """In memory."""
        return 4 if self.bits == 1 else self.bits // 8

    def values(self, bits: Words) -> npt.NDArray[np.float64]:
        """The floating-point numbers, the parts of one operand in a row."""
        assert self.format
        size = self.format.bits
        parts = [(bits >> np.uint64(at)) & np.uint64(2**size - 1) for at in range(0, self.bits, size)]
        return np.stack([self.format.decode(part) for part in parts], -1)

    def absolute(self, bits: Words) -> Words:
        """Without the signs."""
        assert self.format
        size = self.format.bits
        mask = sum((2 ** (size - 1) - 1) << at for at in range(0, self.bits, size))
        return np.asarray(bits & np.uint64(mask))


def _integer(bits: int) -> Kind:
    top = 1 << (bits - 1)
    edges = (
        0,
        1,
        2,
        3,
        7,
        10,
        0x80,
        0xFF,
        1 << bits // 2,
        top - 1,
        top,
        top + 1,
        2 * top - 10,
        2 * top - 2,
        2 * top - 1,
    )

    def draw(random: Random, n: int) -> Words:  # of every length
        return np.asarray(random.bits(n, bits) >> random.between(n, 0, bits - 1).astype(np.uint64))

    return Kind(bits, edges, draw)


def _among(bits: int, edges: Iterable[int]) -> Kind:
    values = tuple(value % 2**bits for value in edges)
    return Kind(bits, values, lambda random, n: random.among(n, values))


def _float(format: Format, parts: int = 1, edges: Sequence[int] | None = None, draw: Draw | None = None) -> Kind:
    one = draw or format.draw
    single = list(format.edges() if edges is None else edges)

    def packed(random: Random, n: int) -> Words:
        words = one(random, n)
        for _ in range(1, parts):
            words = (words << np.uint64(format.bits)) | one(random, n)
        return words

    rest = single[7:] + single[:7]  # so that an edge value meets others in the same operand
    edge = tuple(functools.reduce(lambda a, b: a << format.bits | b, each) for each in zip(single, rest, strict=True))
    return Kind(format.bits * parts, tuple(single) if parts == 1 else edge, packed, format)


def _numbers(format: Format, parts: int, low: int, high: int, drop: int = 0) -> Kind:
    """Finite numbers with exponents from low to high, with the `drop` lowest bits 0."""

    def draw(random: Random, n: int) -> Words:
        return (format.encode(random.scaled(n, low, high)) >> np.uint64(drop)) << np.uint64(drop)

    return _float(format, parts, [], draw)


def _with_edges(format: Format, parts: int, drop: int = 0) -> Kind:
    """Numbers near one, and one in a hundred an infinity, a NaN, a zero or a subnormal number."""
    plain = _numbers(format, 1, -3, 3, drop)
    unit, infinity = 1 << format.fraction, ((1 << format.exponent) - 1) << format.fraction
    sign = 1 << (format.bits - 1)
    special = [0, sign, unit >> 1, infinity, infinity, infinity | sign, infinity + (unit >> 1)]

    def draw(random: Random, n: int) -> Words:
        return np.where(random.between(n, 1, 100) == 1, random.among(n, special), plain.draw(random, n))

    return _float(format, parts, [], draw)


def _uniform(low: float, high: float) -> Kind:
    def draw(random: Random, n: int) -> Words:
        return F32.encode(random.uniform(n, low, high))

    edges = [bits for bits in F32.edges() if not high < abs(F32.decode(np.array([bits], np.uint64))[0]) < math.inf]
    return _float(F32, 1, edges, draw)


def _divisor(random: Random, n: int) -> Words:
    bits = F32.draw(random, n)
    magnitude = np.abs(F32.decode(bits))
    return np.where((magnitude < 2.0**-126) | (magnitude > 2.0**126), np.uint64(0x40490FDB), bits)


_DIVISORS = [s | m for m in (0, 0x00800000, 0x3F800000, 0x3F800001, 0x40400000, 0x7E800000) for s in (0, 1 << 31)]
_COUNTS = [0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 127, 128, 255, 256, 259, 1 << 31, (1 << 32) - 1]

KINDS: dict[str, Kind] = {
    "pred": _among(1, (0, 1)),
    "b16": _integer(16),
    "b32": _integer(32),
    "b64": _integer(64),
    "f16": _float(F16),
    "bf16": _float(BF16),
    "f32": _float(F32),
    "f64": _float(F64),
    "f16x2": _float(F16, 2),
    "bf16x2": _float(BF16, 2),
    # Counts of shifts, positions and lengths of bit fields, beyond the width too.
    "count": Kind(32, tuple(_COUNTS), lambda random, n: random.between(n, 0, 71).astype(np.uint64)),
    "bit": _among(32, range(32)),
    "nth": _among(32, range(-34, 35)),
    "few": _among(32, range(3)),
    "zero": _among(32, (0,)),
    # Divisors: by zero, and the quotient that does not fit.
    "ends.32": _among(32, (0, 1, -1, 1 << 31)),
    "ends.64": _among(64, (0, 1, -1, 1 << 63)),
    # Integers as f32 and f16x2, small enough that sums are exact in any order.
    "whole": _float(F32, 1, [], lambda random, n: F32.encode(random.between(n, -200, 200).astype(float))),
    "whole16": _float(F16, 2, [], lambda random, n: F16.encode(random.between(n, -10, 10).astype(float))),
    "wholeb16": _float(BF16, 2, [], lambda random, n: BF16.encode(random.between(n, -4, 4).astype(float))),
    # Where the manual bounds an approximate instruction's error.
    "angle": _uniform(-math.pi, math.pi),
    "exponent": _uniform(-155.0, 130.0),
    "divisor": _float(F32, 1, [*_DIVISORS, 0x7F800000, 0xFF800000, 0x7FC00000], _divisor),
    # Operands of mma: near one; over many powers of two, but no sum of products overflows; with infinities and NaNs.
    "near.f16": _numbers(F16, 2, -3, 1),
    "near.bf16": _numbers(BF16, 2, -3, 1),
    "near.tf32": _numbers(F32, 1, -3, 1, drop=13),
    "near.f32": _numbers(F32, 1, -3, 3),
    "near.f64": _numbers(F64, 1, -3, 3),
    "wide.f16": _numbers(F16, 2, -14, 4),
    "wide.bf16": _numbers(BF16, 2, -30, 30),
    "wide.tf32": _numbers(F32, 1, -30, 30, drop=13),
    "wide.f32": _numbers(F32, 1, -30, 30),
    "wide.f64": _numbers(F64, 1, -300, 300),
    "edge.f16": _with_edges(F16, 2),
    "edge.bf16": _with_edges(BF16, 2),
    "edge.tf32": _with_edges(F32, 1, drop=13),
    "edge.f32": _with_edges(F32, 1),
}


def operands(kinds: Sequence[Kind], rows: int, random: Random) -> list[Words]:
    """Rows of operands: first edge values with edge values, all combinations if they fit, then random ones."""
    edges = [kind.edges or (0,) for kind in kinds]
    combinations = min(math.prod(map(len, edges)), 1 << 62) if all(kind.edges for kind in kinds) else 0
    crossed = min(combinations, rows * 5 // 8)
    chosen = random.subset(crossed, combinations)
    columns = []
    for kind, edge in zip(kinds, edges, strict=True):
        first = np.array(edge, np.uint64)[chosen % len(edge)]
        chosen = chosen // len(edge)
        columns.append(np.concatenate([first, kind.draw(random, rows - crossed)]))
    return columns


# ---------------------------------------------------------------------------------------------------------------------
# Bounds
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bound:
    """How far a result may be from the simulator's: the sum of the first three, or `least` where that is more. `terms`:
    relative to the sum of the operands' magnitudes, as mma's is, and not to the result."""

    absolute: float = 0
    relative: float = 0
    ulps: float = 0
    terms: bool = False
    least: float = 0

    def __str__(self) -> str:
        """As a table shows it."""
        parts = [f"2^{math.log2(self.absolute):.5g}"] if self.absolute else []
        if self.relative:
            parts.append(f"2^{math.log2(self.relative):.5g} {'of Σ|ab|+|c|' if self.terms else 'of it'}")
        if self.ulps:
            parts.append(f"{self.ulps:g} ulp")
        least = f", at least 2^{math.log2(self.least):.5g}" if self.least else ""
        return " + ".join(parts) + least


# ---------------------------------------------------------------------------------------------------------------------
# Programs
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """One input or result of every thread. `line`: the PTX that it comes from."""

    name: str
    kind: str
    offset: int
    line: str = ""

    def read(self, rows: Bytes) -> Words:
        """Its value in every row."""
        size = KINDS[self.kind].bytes
        part = np.ascontiguousarray(rows[:, self.offset : self.offset + size])
        return part.view(f"<u{size}")[:, 0].astype(np.uint64)

    def write(self, rows: Bytes, values: Words) -> None:
        """Set its value in every row."""
        size = KINDS[self.kind].bytes
        rows[:, self.offset : self.offset + size] = values.astype(f"<u{size}")[:, None].view(np.uint8)


Size = tuple[int, int, int]


@dataclass(frozen=True)
class Program:
    """One entry point, named as the program, and its launch. `memory`: the kind and the number of values that all
    threads share. `module`: variables of the module."""

    name: str
    family: str
    instructions: str
    body: str
    block: Size = (32, 1, 1)
    grid: Size = (1, 1, 1)
    memory: tuple[str, int] = ("b32", 2)
    module: str = ""
    bound: Bound | None = None

    @property
    def rows(self) -> int:
        """Threads of the launch."""
        return math.prod(self.block) * math.prod(self.grid)

    @property
    def entry_name(self) -> str:
        """In the PTX, where a name has no hyphens."""
        return self.name.replace("-", "_")

    @functools.cached_property
    def _assembled(self) -> tuple[str, list[Field], list[Field]]:
        return _assemble(self)

    @property
    def ptx(self) -> str:
        """The module."""
        return HEADER + self.entry

    @property
    def entry(self) -> str:
        """The module without its first lines."""
        return self._assembled[0]

    @property
    def inputs(self) -> list[Field]:
        """Of a thread."""
        return self._assembled[1]

    @property
    def results(self) -> list[Field]:
        """Of a thread."""
        return self._assembled[2]

    def input_rows(self) -> Bytes:
        """What the threads read, a row each."""
        rows = np.zeros((self.rows, _stride(self.inputs)), np.uint8)
        values = operands([KINDS[field.kind] for field in self.inputs], self.rows, self._random("in"))
        for field, column in zip(self.inputs, values, strict=True):
            field.write(rows, column)
        return rows

    def result_rows(self) -> Bytes:
        """What the results overwrite."""
        return np.full((self.rows, _stride(self.results)), POISON, np.uint8)

    def shared_memory(self) -> Bytes:
        """What all threads share, before the launch."""
        kind = KINDS[self.memory[0]]
        return kind.draw(self._random("memory"), self.memory[1]).astype(f"<u{kind.bytes}").view(np.uint8)

    def magnitudes(self, rows: Bytes) -> Bytes:
        """The inputs without the signs of the floating-point ones."""
        rows = rows.copy()
        for field in self.inputs:
            if KINDS[field.kind].format:
                field.write(rows, KINDS[field.kind].absolute(field.read(rows)))
        return rows

    def digest(self) -> str:
        """Of all that the results depend on."""
        parts = [self.ptx.encode(), self.input_rows().tobytes(), self.shared_memory().tobytes()]
        parts.append(repr((self.block, self.grid)).encode())
        return hashlib.sha256(b"".join(parts)).hexdigest()[:16]

    def _random(self, what: str) -> Random:
        return Random(SEED, zlib.crc32(f"{self.name}/{what}".encode()))


HEADER = ".version 8.0\n.target sm_90a\n.address_size 64\n"

# row: the thread's number, over all blocks.
_ENTRY = """
{module}
.visible .entry {name}(.param .u64 in_param, .param .u64 out_param, .param .u64 memory_param)
{{
.reg .b64 in, out, memory;
.reg .b32 row, tid, lane, count, flag;
.reg .pred p<16>;
.reg .b16 h<32>;
.reg .b32 r<64>;
.reg .b64 w<16>;
{declarations}
mov.u32 row, %ctaid.z;
mov.u32 count, %nctaid.y;
mov.u32 tid, %ctaid.y;
mad.lo.u32 row, row, count, tid;
mov.u32 count, %nctaid.x;
mov.u32 tid, %ctaid.x;
mad.lo.u32 row, row, count, tid;
mov.u32 count, %ntid.z;
mov.u32 tid, %tid.z;
mad.lo.u32 row, row, count, tid;
mov.u32 count, %ntid.y;
mov.u32 tid, %tid.y;
mad.lo.u32 row, row, count, tid;
mov.u32 count, %ntid.x;
mov.u32 tid, %tid.x;
mad.lo.u32 row, row, count, tid;
mov.u32 lane, %laneid;
ld.param.u64 in, [in_param];
ld.param.u64 out, [out_param];
ld.param.u64 memory, [memory_param];
mad.wide.u32 in, row, {inputs}, in;
mad.wide.u32 out, row, {results}, out;
{code}
ret;
}}
"""


def _alternatives(line: str) -> Iterator[str]:
    parts = re.split(r"\(([^()]*)\)", line)
    for chosen in itertools.product(*(part.split("|") if i % 2 else [part] for i, part in enumerate(parts))):
        yield "".join(chosen)


def _stride(fields: Sequence[Field]) -> int:
    end = max((field.offset + KINDS[field.kind].bytes for field in fields), default=0)
    return max(-(-end // 8) * 8, 8)


def _field(fields: list[Field], name: str, kind: str, line: str = "") -> Field:
    size = KINDS[kind].bytes
    end = fields[-1].offset + KINDS[fields[-1].kind].bytes if fields else 0
    fields.append(Field(name, kind, -(-end // size) * size, line))
    return fields[-1]


def _get(field: Field) -> str:
    if field.kind == "pred":
        return f"ld.global.b32 flag, [in+{field.offset}];\nsetp.ne.b32 {field.name}, flag, 0;"
    return f"ld.global{KINDS[field.kind].register} {field.name}, [in+{field.offset}];"


def _put(field: Field) -> str:
    if field.kind == "pred":
        return f"selp.b32 flag, 1, 0, {field.name};\nst.global.b32 [out+{field.offset}], flag;"
    return f"st.global{KINDS[field.kind].register} [out+{field.offset}], {field.name};"


def _assemble(program: Program) -> tuple[str, list[Field], list[Field]]:
    inputs: list[Field] = []
    results: list[Field] = []
    declarations, code = [], []
    source = ""
    for line in itertools.chain.from_iterable(map(_alternatives, program.body.splitlines())):
        for statement in filter(None, map(str.strip, line.split(";"))):
            if access := re.fullmatch(r"(get|put)\.([\w.]+) (\w+)", statement):
                verb, kind, name = access.groups()
                field = _field(inputs, name, kind) if verb == "get" else _field(results, name, kind, source)
                code.append(_get(field) if verb == "get" else _put(field))
            elif statement.startswith((".reg", ".shared", ".local")):
                declarations.append(f"{statement};")
            elif statement.endswith(":"):
                code.append(statement)
            else:
                code.append(f"{statement};")
                source = statement
    text = _ENTRY.format(
        name=program.entry_name,
        module=program.module,
        declarations="\n".join(declarations),
        inputs=_stride(inputs),
        results=_stride(results),
        code="\n".join(code),
    )
    return text, inputs, results


def each(
    name: str, family: str, signature: str, instructions: str, bound: Bound | None = None, rows: int = 256
) -> Program:
    """Every instruction of a list, all with the same operands. signature: "f32 <- f32 f32", or kinds of two results.
    Where the list gives no operands, they are d (or d|e), a, b, c."""
    results, sources = (side.split() for side in signature.split("<-"))
    d, s = ("d", "e")[: len(results)], ("a", "b", "c", "x")[: len(sources)]
    named = [*zip(results, d, strict=True), *zip(sources, s, strict=True)]
    lines = [f".reg {KINDS[kind].register} {register}" for kind, register in named]
    lines += [f"get.{kind} {register}" for kind, register in zip(sources, s, strict=True)]
    puts = "; ".join(f"put.{kind} {register}" for kind, register in zip(results, d, strict=True))
    listed = [instruction.strip() for instruction in instructions.split(";")]
    for instruction in listed:
        text = instruction if " " in instruction else f"{instruction} {'|'.join(d)}, {', '.join(s)}"
        lines.append(f"{text}; {puts}")
    return Program(name, family, "; ".join(listed), "\n".join(lines), (128, 1, 1), (-(-rows // 128), 1, 1), bound=bound)
