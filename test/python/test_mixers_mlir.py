"""Mixers as MLIR text, lowered by treadle-sequential: values on the CPU target and in the simulator against float64.

Needs libtreadle.so and libtreadle_sim.so (`ninja -C build`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from treadle import compiler
from treadle.errors import TreadleError
from treadle.runtime import Simulator

try:
    compiler.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

Array = np.ndarray[Any, Any]
Arrays = Mapping[str, Array]
DTYPES = {"f32": np.float32, "f16": np.float16, "i32": np.int32}


# ---------------------------------------------------------------------------------------------------------------------
# Text
# ---------------------------------------------------------------------------------------------------------------------


def tensor(shape: tuple[int, ...], element: str = "f32") -> str:
    return f"tensor<{'x'.join(map(str, shape))}x{element}>" if shape else element


def field_type(indices: str, shape: tuple[int, ...], element: str = "f32") -> str:
    value = "x".join([*map(str, shape), element])
    return f"!treadle.field<{indices}, {value}>" if indices else f"!treadle.field<{value}>"


def columns(result: str, operand: str, k: int, v: int, element: str = "f32") -> str:
    """A vector of k, repeated along a second axis of v."""
    one, two = tensor((k, 1), element), tensor((k, v), element)
    return (
        f"{result}.c = tile.expand_dims {operand}, 1 : {tensor((k,), element)} -> {one}\n"
        f"{result} = tile.broadcast {result}.c : {one} -> {two}"
    )


def rows(result: str, operand: str, k: int, v: int) -> str:
    """A vector of v, repeated along a first axis of k."""
    one = tensor((1, v))
    return (
        f"{result}.r = tile.expand_dims {operand}, 0 : {tensor((v,))} -> {one}\n"
        f"{result} = tile.broadcast {result}.r : {one} -> {tensor((k, v))}"
    )


def reduce(result: str, operand: str, axis: int, shape: tuple[int, ...], op: str = "addf", element: str = "f32") -> str:
    left, right, both = f"{result}.a", f"{result}.b", f"{result}.s"
    reduced = tensor(tuple(n for i, n in enumerate(shape) if i != axis), element)
    return (
        f"{result} = tile.reduce ({operand}) along {axis} {{\n^bb0({left}: {element}, {right}: {element}):\n"
        f"{both} = arith.{op} {left}, {right} : {element}\ntile.yield {both} : {element}\n}}"
        f" : ({tensor(shape, element)}) -> {reduced}"
    )


@dataclass(frozen=True)
class Value:
    """An input: its indices, shape and element."""

    indices: str
    shape: tuple[int, ...]
    element: str = "f32"


@dataclass(frozen=True)
class State:
    shape: tuple[int, ...]
    fill: str | None = None
    """A constant to begin with; else an argument."""
    returned: bool = True


@dataclass(frozen=True)
class Mixer:
    """The reference takes inputs of one head of one sequence, over time, and its states."""

    inputs: Mapping[str, Value]
    states: Mapping[str, State]
    outputs: Mapping[str, Value]
    step: str
    reference: Callable[[dict[str, Array], dict[str, Array]], tuple[dict[str, Array], dict[str, Array]]]
    flags: str = ""
    attributes: tuple[str, ...] = field(default=())

    def text(self) -> str:
        args = [
            f'%{n}: {field_type(v.indices, v.shape, v.element)} {{treadle.name = "{n}"}}'
            for n, v in self.inputs.items()
        ]
        args += [
            f'%{n}.i: {field_type("BH", s.shape)} {{treadle.name = "{n}"}}'
            for n, s in self.states.items()
            if not s.fill
        ]
        fills = [
            f"%{n}.i = treadle.fill {s.fill} : {field_type('BH', s.shape)}" for n, s in self.states.items() if s.fill
        ]
        outputs = {n: field_type("BTH", v.shape, v.element) for n, v in self.outputs.items()}
        finals = {n: field_type("BH", s.shape) for n, s in self.states.items()}
        names = [*(f"%{n}.o" for n in outputs), *(f"%{n}.f" for n in finals)]
        returned = [(f"%{n}.o", t, n) for n, t in outputs.items()]
        returned += [(f"%{n}.f", finals[n], n) for n, s in self.states.items() if s.returned]
        formal = [f"%{n}1: {tensor(v.shape, 'i32' if v.element == 'i32' else 'f32')}" for n, v in self.inputs.items()]
        formal += [f"%{n}0: {tensor(s.shape)}" for n, s in self.states.items()]
        results = ", ".join(f'{t} {{treadle.name = "{n}"}}' for _, t, n in returned)
        body = self.step
        if outputs or finals:
            outs = (
                ", ".join(f"%{n}" for n in outputs) + " : " + ", ".join(tensor(v.shape) for v in self.outputs.values())
            )
            nexts = (
                ", ".join(f"%{n}" for n in finals) + " : " + ", ".join(tensor(s.shape) for s in self.states.values())
            )
            body += f"\ntreadle.yield {outs if outputs else ''} {'next ' + nexts if finals else ''}"
        return "\n".join(
            [
                f"func.func @mixer({', '.join(args)}) -> ({results})",
                f"attributes {{{', '.join(['treadle.mixer', *self.attributes])}}} {{",
                *fills,
                f"{', '.join(names)} = treadle.scan ({', '.join(f'%{n}' for n in self.inputs)})"
                f" from ({', '.join(f'%{n}.i' for n in self.states)}) {self.flags} {{",
                f"^bb0({', '.join(formal)}):",
                body,
                f"}} : ({', '.join(field_type(v.indices, v.shape, v.element) for v in self.inputs.values())})"
                f" from ({', '.join(finals.values())}) -> ({', '.join([*outputs.values(), *finals.values()])})",
                f"return {', '.join(n for n, _, _ in returned)} : {', '.join(t for _, t, _ in returned)}",
                "}",
            ]
        )


# ---------------------------------------------------------------------------------------------------------------------
# Running
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shape:
    batch: int = 2
    time: int = 9
    heads: int = 2
    groups: int = 1
    lengths: tuple[int, ...] = ()
    """Of packed sequences."""
    entries: tuple[int, ...] = ()
    """Of the pool of states, for each sequence."""


def arguments(mixer: Mixer, shape: Shape, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    packed = "treadle.packed" in mixer.attributes
    sizes = {"B": 1 if packed else shape.batch, "T": shape.time, "H": shape.heads, "G": shape.groups}
    sequences = len(shape.lengths) if packed else shape.batch
    pool = max(shape.entries) + 2 if shape.entries else sequences
    arrays: dict[str, Array] = {}
    for name, value in mixer.inputs.items():
        full = (*(sizes[i] for i in value.indices), *value.shape)
        if value.element == "i32":
            arrays[name] = rng.integers(1, 4, full).astype(np.int32)
        else:
            arrays[name] = np.asarray(rng.normal(0, 1, full)).astype(DTYPES[value.element])
    for name, state in mixer.states.items():
        if state.fill is None:
            arrays[f"{name}_initial"] = rng.normal(0, 1, (pool, shape.heads, *state.shape)).astype(np.float32)
    for name, value in mixer.outputs.items():
        full = (sizes["B"], shape.time, shape.heads, *value.shape)
        arrays[name] = np.full(full, 77, DTYPES[value.element])
    for name, state in mixer.states.items():
        if state.returned:
            arrays[f"{name}_final"] = np.full((pool, shape.heads, *state.shape), 77, np.float32)
    if packed:
        arrays["cu_seqlens"] = np.cumsum([0, *shape.lengths]).astype(np.int64)
    if shape.entries:
        arrays["state_indices"] = np.array(shape.entries, np.int64)
    return arrays


def expected(mixer: Mixer, shape: Shape, arrays: Arrays) -> dict[str, Array]:
    results = {n: arrays[n].astype(np.float64) for n in mixer.outputs}
    results |= {f"{n}_final": arrays[f"{n}_final"].astype(np.float64) for n, s in mixer.states.items() if s.returned}
    packed = "treadle.packed" in mixer.attributes
    for sequence in range(len(shape.lengths) if packed else shape.batch):
        batch = 0 if packed else sequence
        begin = sum(shape.lengths[:sequence]) if packed else 0
        times = slice(begin, begin + shape.lengths[sequence] if packed else shape.time)
        entry = shape.entries[sequence] if shape.entries else sequence
        for head in range(shape.heads):
            group = head // (shape.heads // shape.groups)
            inputs = {}
            for name, value in mixer.inputs.items():
                index = {"B": batch, "T": times, "H": head, "G": group}
                one = arrays[name][tuple(index[i] for i in value.indices)].astype(np.float64)
                inputs[name] = one if "T" in value.indices else np.broadcast_to(one, (times.stop - begin, *value.shape))
            states = {
                name: np.full(
                    state.shape,
                    float(np.frombuffer(bytes.fromhex(state.fill[2:]), ">f4")[0])
                    if state.fill.startswith("0x")
                    else float(state.fill),
                )
                if state.fill
                else arrays[f"{name}_initial"][entry, head].astype(np.float64)
                for name, state in mixer.states.items()
            }
            if mixer.flags.endswith("reverse"):
                inputs = {name: value[::-1] for name, value in inputs.items()}
            outputs, finals = mixer.reference(inputs, states)
            for name, value in outputs.items():
                results[name][batch, times, head] = value[::-1] if mixer.flags.endswith("reverse") else value
            for name, value in finals.items():
                if mixer.states[name].returned:
                    results[f"{name}_final"][entry, head] = value
    return results


def check(found: Arrays, wanted: Arrays, tolerance: float) -> None:
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name].astype(np.float64), values, rtol=tolerance, atol=tolerance, err_msg=name)


def run(mixer: Mixer, shape: Shape, tolerance: float = 2e-5) -> None:
    """On the CPU and in the simulator."""
    text = mixer.text()
    arrays = arguments(mixer, shape)
    wanted = expected(mixer, shape, arrays)
    compiler.CpuProgram(text).launch(**arrays)
    check(arrays, wanted, tolerance)
    arrays = arguments(mixer, shape)
    report = Simulator().run(compiler.compile_text(text, {}, ptxas=False, cache=False).bundle(), **arrays)
    report.check()
    check(arrays, wanted, tolerance)


# ---------------------------------------------------------------------------------------------------------------------
# Mixers
# ---------------------------------------------------------------------------------------------------------------------


def unrolled(step: Callable[..., dict[str, Array]], outputs: tuple[str, ...], causal: bool = True) -> Any:
    """A reference from one step: outputs by name, then states."""

    def reference(inputs: dict[str, Array], states: dict[str, Array]) -> Any:
        times = range(len(next(iter(inputs.values()))))
        found: dict[str, list[Array]] = {name: [] for name in outputs}

        def at(t: int) -> dict[str, Array]:
            return {name: value[t] for name, value in inputs.items()}

        for t in times:
            new = step(**at(t), **states)
            states = {name: new[name] for name in states}
            if causal:
                for name in outputs:
                    found[name].append(new[name])
        if not causal:
            for t in times:
                new = step(**at(t), **states, final=True)
                for name in outputs:
                    found[name].append(new[name])
        return {name: np.array(values) for name, values in found.items() if values}, states

    return reference


def running_sum(flags: str = "", fill: str | None = "0.0", **more: Any) -> Mixer:
    return Mixer(
        {"x": Value("BTH", ())}, {"s": State((), fill)}, {"y": Value("BTH", ())},
        "%s = arith.addf %s0, %x1 : f32\n%one = arith.constant 1.0 : f32\n%y = arith.mulf %s, %one : f32",
        unrolled(lambda x, s: {"s": s + x, "y": s + x}, ("y",)), flags, **more,
    )  # fmt: skip


def retention(k: int, v: int, *, element: str = "f32", keys: str = "BTH", flags: str = "", fill: str | None = None,
              attributes: tuple[str, ...] = ()) -> Mixer:  # fmt: skip
    both = tensor((k, v))
    step = "\n".join(
        [
            "%d = math.exp %g1 : f32",
            f"%dd = tile.splat %d : f32 -> {both}",
            f"%old = arith.mulf %dd, %S0 : {both}",
            columns("%kk", "%k1", k, v),
            rows("%vv", "%v1", k, v),
            f"%kv = arith.mulf %kk, %vv : {both}",
            f"%S = arith.addf %old, %kv : {both}",
            columns("%qq", "%q1", k, v),
            f"%p = arith.mulf %qq, %S : {both}",
            reduce("%o", "%p", 0, (k, v)),
        ]
    )

    def once(q: Array, k: Array, v: Array, g: Array, S: Array, final: bool = False) -> dict[str, Array]:
        S = S if final else np.exp(g) * S + np.outer(k, v)
        return {"o": q @ S, "S": S}

    return Mixer(
        {"q": Value("BTH", (k,), element), "k": Value(keys, (k,), element), "v": Value(keys, (v,), element),
         "g": Value("H", ())},
        {"S": State((k, v), fill)}, {"o": Value("BTH", (v,), element)}, step,
        unrolled(once, ("o",), "noncausal" not in flags), flags, attributes,
    )  # fmt: skip


def lightnet(k: int, v: int, attributes: tuple[str, ...] = ()) -> Mixer:
    one, both = tensor((k,)), tensor((k, v))
    step = "\n".join(
        [
            f"%high = arith.maximumf %z0, %k1 : {one}",
            f"%za = arith.subf %z0, %high : {one}\n%zb = math.exp %za : {one}",
            f"%ka = arith.subf %k1, %high : {one}\n%kb = math.exp %ka : {one}",
            f"%sum = arith.addf %zb, %kb : {one}\n%log = math.log %sum : {one}",
            f"%z = arith.addf %high, %log : {one}",
            f"%ra = arith.subf %z0, %z : {one}\n%r = math.exp %ra : {one}",
            columns("%rr", "%r", k, v),
            f"%old = arith.mulf %rr, %S0 : {both}",
            f"%wa = arith.subf %k1, %z : {one}\n%w = math.exp %wa : {one}",
            columns("%ww", "%w", k, v),
            rows("%vv", "%v1", k, v),
            f"%kv = arith.mulf %ww, %vv : {both}",
            f"%S = arith.addf %old, %kv : {both}",
            columns("%qq", "%q1", k, v),
            f"%p = arith.mulf %qq, %S : {both}",
            reduce("%o", "%p", 0, (k, v)),
            reduce("%top", "%z", 0, (k,), "maximumf"),
        ]
    )

    def once(q: Array, k: Array, v: Array, S: Array, z: Array) -> dict[str, Array]:
        z1 = np.logaddexp(z, k)
        S = np.exp(z - z1)[:, None] * S + np.outer(np.exp(k - z1), v)
        return {"o": q @ S, "top": z1.max(), "S": S, "z": z1}

    return Mixer(
        {"q": Value("BTH", (k,)), "k": Value("BTH", (k,)), "v": Value("BTH", (v,))},
        {"S": State((k, v), "0.0"), "z": State((k,), "0xff800000")},
        {"o": Value("BTH", (v,)), "top": Value("BTH", ())}, step, unrolled(once, ("o", "top")), "", attributes,
    )  # fmt: skip


def powers(d: int, count: int) -> Mixer:
    """Of what padding could break: an integer division, and a minimum and a product over padded axes."""
    both = tensor((d, count))
    step = "\n".join(
        [
            f"%i = tile.iota : {tensor((count,), 'i32')}",
            f"%i1 = arith.constant dense<1> : {tensor((count,), 'i32')}",
            f"%f1 = arith.addi %i, %i1 : {tensor((count,), 'i32')}",
            f"%f = arith.sitofp %f1 : {tensor((count,), 'i32')} to {tensor((count,))}",
            rows("%ff", "%f", d, count),
            columns("%xx", "%x1", d, count),
            f"%t = arith.mulf %xx, %ff : {both}",
            f"%S = arith.addf %S0, %t : {both}",
            columns("%nn", "%n1", d, count, "i32"),
            f"%j = tile.expand_dims %i, 0 : {tensor((count,), 'i32')} -> {tensor((1, count), 'i32')}",
            f"%jj = tile.broadcast %j : {tensor((1, count), 'i32')} -> {tensor((d, count), 'i32')}",
            f"%m = arith.remsi %jj, %nn : {tensor((d, count), 'i32')}",
            f"%mf = arith.sitofp %m : {tensor((d, count), 'i32')} to {both}",
            f"%u = arith.addf %S, %mf : {both}",
            f"%flat = tile.transpose %u, [1, 0] : {both} -> {tensor((count, d))}",
            reduce("%low", "%flat", 0, (count, d), "minimumf"),
            reduce("%y", "%low", 0, (d,), "mulf"),
        ]
    )

    def once(x: Array, n: Array, S: Array) -> dict[str, Array]:
        S = S + x[:, None] * np.arange(1.0, count + 1)
        return {"y": (S + np.arange(count) % n[:, None]).min(1).prod(), "S": S}

    return Mixer(
        {"x": Value("BTH", (d,)), "n": Value("BT", (d,), "i32")}, {"S": State((d, count))}, {"y": Value("BTH", ())},
        step, unrolled(once, ("y",)),
    )  # fmt: skip


def reductions(n: int) -> Mixer:
    """Every kind of reduction over a padded axis, of inputs over any indices."""
    one = tensor((n,), "i32")
    kinds = {"maxnumf": "f32", "minnumf": "f32", "maxsi": "i32", "minsi": "i32", "addi": "i32", "muli": "i32"}
    lines = [
        f"%sum1 = arith.addf %a1, %b1 : {tensor((n,))}",
        f"%sum2 = arith.addf %sum1, %c1 : {tensor((n,))}",
        f"%sum3 = arith.addf %sum2, %g1 : {tensor((n,))}",
        f"%ds = tile.splat %d1 : f32 -> {tensor((n,))}",
        f"%f = arith.addf %sum3, %ds : {tensor((n,))}",
        f"%two = arith.constant dense<2> : {one}",
        f"%odd = arith.cmpi slt, %i1, %two : {one}",
        "%total = arith.constant 0.0 : f32",
    ]
    for op, element in kinds.items():
        lines.append(reduce(f"%{op}", "%f" if element == "f32" else "%i1", 0, (n,), op, element))
        if element == "i32":
            lines.append(f"%{op}.f = arith.sitofp %{op} : i32 to f32")
    for op in ("andi", "ori"):
        lines.append(reduce(f"%{op}", "%odd", 0, (n,), op, "i1"))
        lines.append(f"%{op}.f = arith.uitofp %{op} : i1 to f32")
    terms = [*(f"%{op}" + (".f" if e == "i32" else "") for op, e in kinds.items()), "%andi.f", "%ori.f"]
    total = "%total"
    for k, term in enumerate(terms):
        lines.append(f"%weight{k} = arith.constant {k + 1}.0 : f32\n%term{k} = arith.mulf {term}, %weight{k} : f32")
        lines.append(f"%total{k} = arith.addf {total}, %term{k} : f32")
        total = f"%total{k}"
    lines.append(f"%s = arith.addf %s0, {total} : f32\n%y = arith.subf %s, %s0 : f32")

    def once(a: Array, b: Array, c: Array, g: Array, d: Array, i: Array, s: Array) -> dict[str, Array]:
        f, odd = a + b + c + g + d, i < 2
        all_of = [f.max(), f.min(), i.max(), i.min(), i.sum(), i.prod(), odd.all(), odd.any()]
        y = np.array(sum((k + 1) * v for k, v in enumerate(all_of)))
        return {"y": y, "s": s + y}

    return Mixer(
        {"a": Value("BT", (n,)), "b": Value("", (n,)), "c": Value("TH", (n,)), "g": Value("BG", (n,)),
         "d": Value("", ()), "i": Value("BTH", (n,), "i32")},
        {"s": State((), returned=False)}, {"y": Value("BTH", ())}, "\n".join(lines), unrolled(once, ("y",)),
    )  # fmt: skip


PACKED = Shape(time=14, lengths=(5, 0, 1, 8, 0))

CASES: dict[str, tuple[Mixer, Shape]] = {
    "sum": (running_sum(), Shape()),
    "sum-from": (running_sum(fill=None), Shape()),
    "sum-reverse": (running_sum("reverse"), Shape()),
    "sum-no-time": (running_sum(fill=None), Shape(time=0)),
    "sum-packed": (running_sum(fill=None, attributes=("treadle.packed",)), PACKED),
    "sum-packed-reverse": (running_sum("reverse", fill=None, attributes=("treadle.packed",)), PACKED),
    "retention-5x7": (retention(5, 7), Shape()),
    "retention-f16": (retention(8, 16, element="f16"), Shape()),
    "retention-fill": (retention(5, 7, fill="0.5"), Shape()),
    "retention-grouped": (retention(5, 8, keys="BTG"), Shape(heads=6, groups=2)),
    "retention-reverse": (retention(5, 7, flags="reverse"), Shape()),
    "retention-noncausal": (retention(5, 7, flags="noncausal"), Shape()),
    "retention-noncausal-reverse": (retention(5, 7, flags="noncausal reverse"), Shape()),
    "retention-packed": (retention(5, 7, attributes=("treadle.packed",)), PACKED),
    "retention-indexed": (retention(5, 7, attributes=("treadle.indexed",)), Shape(batch=3, entries=(4, 0, 2))),
    "retention-packed-indexed": (
        retention(5, 7, attributes=("treadle.packed", "treadle.indexed")),
        Shape(time=14, lengths=(5, 0, 1, 8, 0), entries=(3, 6, 0, 1, 2)),
    ),
    "retention-wide": (retention(128, 128), Shape(batch=1, time=3, heads=1)),
    "retention-wide-80x200": (retention(80, 200), Shape(batch=1, time=3, heads=1)),
    "lightnet": (lightnet(6, 10), Shape()),
    "lightnet-wide": (lightnet(20, 130), Shape(batch=1, time=3)),
    "lightnet-wide-indexed": (
        lightnet(20, 130, ("treadle.indexed",)), Shape(batch=2, time=3, heads=1, entries=(1, 0)),
    ),
    "powers": (powers(5, 6), Shape(time=3)),
    "reductions-5": (reductions(5), Shape(time=3, heads=4, groups=2)),
    "reductions-12": (reductions(12), Shape(batch=1, time=2, heads=1)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values(name: str) -> None:
    mixer, shape = CASES[name]
    run(mixer, shape, 2e-2 if name.endswith("f16") else 5e-5)


def test_pool_in_place() -> None:
    """Initial and final states in one pool; what no sequence uses stays."""
    mixer, shape = CASES["retention-indexed"]
    arrays = arguments(mixer, shape)
    wanted = expected(mixer, shape, {**arrays, "S_final": arrays["S_initial"].copy()})
    arrays["S_final"] = arrays["S_initial"]
    compiler.CpuProgram(mixer.text()).launch(**arrays)
    check(arrays, wanted, 5e-5)


def test_blocks_share_wide_states() -> None:
    def grid(mixer: Mixer) -> Any:
        compiled = compiler.compile_text(mixer.text(), {}, ptxas=False, cache=False)
        return compiled.manifest["launches"][0]["grid"][0]

    assert grid(retention(128, 128)) == 4
    assert grid(retention(256, 256)) == 8
    assert grid(retention(5, 7)) == 1
    assert grid(lightnet(20, 130)) == 3
    assert grid(lightnet(20, 130, ("treadle.indexed",))) == 1


@pytest.mark.parametrize("groups", [0, 3])
def test_groups_that_do_not_divide_heads(groups: int) -> None:
    """What is computed means nothing, but nothing is divided by 0 and nothing outside the arrays touched."""
    mixer, shape = CASES["retention-grouped"]
    compiler.CpuProgram(mixer.text()).launch(**arguments(mixer, replace(shape, heads=2, groups=groups)))


def test_places_outside() -> None:
    """Sequences and entries that are not there read zeros and write nothing."""
    mixer, shape = CASES["retention-packed-indexed"]
    arrays = arguments(mixer, shape)
    arrays["cu_seqlens"][:] = [-3, 2, 2, 99, 40, 7]
    arrays["state_indices"][:] = [-1, 99, 0, -7, 8]
    compiler.CpuProgram(mixer.text()).launch(**arrays)
    assert (arrays["S_final"][1:] == 77).all()
    assert (arrays["S_final"][0] != 77).all()


def test_packed_needs_one_batch() -> None:
    mixer, shape = CASES["sum-packed"]
    arrays = {name: np.repeat(a, 2, 0) if name in ("x", "y") else a for name, a in arguments(mixer, shape).items()}
    with pytest.raises(TreadleError, match="expected"):
        compiler.CpuProgram(mixer.text()).launch(**arrays)
