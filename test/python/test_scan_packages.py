"""The packages of kernels/ that are steps: their cases on the CPU target and in the simulator, and their definitions.

Definitions go token by token; here they are compared with what they are known to equal, written in one formula.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import treadle as td
from treadle import compiler, testing
from treadle.errors import TreadleError
from treadle.scan_cases import ScanCase
from treadle.testing import Array

try:
    compiler.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

PACKAGES = {name: testing.load(name) for name in testing.scan_names()}
PLACES: dict[str, dict[str, str]] = {
    "cpu": {"on": "cpu"},
    "sm_90a": {"on": "sim", "arch": "sm_90a"},
    "sm_80": {"on": "sim", "arch": "sm_80"},
}
RUNS = [
    pytest.param(name, case, place, id=f"{case.name}-{place}")
    for name, package in PACKAGES.items()
    for case in package.cases.CPU
    for place in PLACES
    if place != "sm_80" or case.dtype == "bf16"  # which has other products there
]


@pytest.mark.parametrize(("name", "case", "place"), RUNS)
def test_case(name: str, case: ScanCase, place: str) -> None:
    with np.errstate(invalid="ignore", over="ignore"):
        records = testing.check(PACKAGES[name], case, case.runner(**PLACES[place]))
    assert records and not [str(record) for record in records if not record.ok]


@pytest.mark.parametrize("name", PACKAGES)
def test_demo(name: str) -> None:
    """What `make demo` shows."""
    case = PACKAGES[name].cases.DEMO
    assert not [str(r) for r in testing.check(PACKAGES[name], case, case.runner()) if not r.ok]


# ---------------------------------------------------------------------------------------------------------------------
# Cases
# ---------------------------------------------------------------------------------------------------------------------


def test_wrong_packed_cases_are_refused() -> None:
    Gla = PACKAGES["gla"].cases.Gla
    for wrong in ({"B": 2, "T": 4, "cu_seqlens": (0, 4)}, {"B": 1, "T": 5, "cu_seqlens": (0, 4)}):
        with pytest.raises(ValueError, match="sequences one after the other need B = 1, and the last one ends at T"):
            Gla(**wrong)


def definition(name: str, case: ScanCase, seed: int = 0) -> tuple[dict[str, Array], dict[str, Array]]:
    """Inputs in float64 and what the definition makes of them."""
    inputs = {n: testing.pack(a, case.dtype_of(n)) for n, a in case.inputs(seed).items()}
    wide = {n: testing.unpack(a, case.dtype_of(n)) for n, a in inputs.items()}
    return wide, PACKAGES[name].expected(case, inputs)


@pytest.mark.parametrize("name", PACKAGES)
def test_definitions_of_calls(name: str) -> None:
    """Reversed, packed, heads first and grouped mean what they should, whatever the step."""
    first = next(c for c in PACKAGES[name].cases.CPU if c.T > 2 and c.dtype == "f32" and not c.cu_seqlens)
    case = replace(first, B=1, T=7, H=4, G=0, initial=True, final=True, causal=True, reverse=False, head_first=False)
    wide, plain = definition(name, case)
    reference = getattr(PACKAGES[name].reference, case.kernel)

    def defined(other: ScanCase, inputs: dict[str, Array]) -> dict[str, Array]:
        return other.define(reference, inputs)

    timed = {p.name: "BTH".index("T") for p in case.scan.inputs if "T" in p.indices}
    back = {n: x[:, ::-1] if n in timed else x for n, x in wide.items()}
    turned = defined(replace(case, reverse=True), back)
    np.testing.assert_array_equal(turned["o"][:, ::-1], plain["o"])
    heads = {p.name for p in case.scan.inputs if p.indices == "BTH"}
    swapped = {n: x.swapaxes(1, 2) if n in heads else x for n, x in wide.items()}
    np.testing.assert_array_equal(defined(replace(case, head_first=True), swapped)["o"].swapaxes(1, 2), plain["o"])
    two = {n: np.concatenate([x, x], 1) if n in timed else x for n, x in wide.items()}
    two |= {n: np.concatenate([x, x]) for n, x in wide.items() if n.endswith("_initial")}
    packed = defined(replace(case, T=14, cu_seqlens=(0, 7, 14)), two)
    np.testing.assert_array_equal(packed["o"], np.concatenate([plain["o"], plain["o"]], 1))
    for state in case.states:
        np.testing.assert_array_equal(packed[f"{state}_final"][1:], plain[f"{state}_final"])
    few = {n: x[:, :, ::2] if n in case.grouped else x for n, x in wide.items()}
    many = {n: np.repeat(few[n], 2, 2) if n in case.grouped else x for n, x in wide.items()}
    np.testing.assert_array_equal(defined(replace(case, G=2), few)["o"], defined(case, many)["o"])


# ---------------------------------------------------------------------------------------------------------------------
# Definitions
# ---------------------------------------------------------------------------------------------------------------------


def same(found: Array, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def before(T: int) -> Array:
    """Which tokens a token sees."""
    return np.tril(np.ones((T, T)))


def test_gla_is_attention_with_products_of_decays() -> None:
    cases = PACKAGES["gla"].cases
    x, found = definition("gla", cases.Gla(T=9, K=3, V=2, normaliser=1.0, scale=0.5))
    b = np.cumsum(x["g"], 1)
    weights = np.einsum("bthd,bthd,buhd,buhd->bhtu", x["q"], np.exp(b), x["k"], np.exp(-b)) * before(9)
    same(found["o"], 0.5 * np.einsum("bhtu,buhv->bthv", weights, x["v"]))


@pytest.mark.parametrize(
    ("name", "kind", "decay"),
    [
        ("lightning_attention", "Lightning", "log_decay"),
        ("retention", "Retention", "g_gamma"),
        ("retention", "SimpleGla", "g"),
    ],
)
def test_a_decay_for_each_head_is_attention_with_distances(name: str, kind: str, decay: str) -> None:
    case = getattr(PACKAGES[name].cases, kind)(T=9, H=3, K=3, V=2)
    x, found = definition(name, case)
    b = np.cumsum(np.broadcast_to(x[decay], (2, 9, 3)), 1)
    gap = np.where(before(9)[None, :, :, None] > 0, b[:, :, None] - b[:, None], -np.inf)
    weights = np.einsum("bthd,buhd->btuh", x["q"], x["k"]) * np.exp(gap)
    same(found["o"], np.einsum("btuh,buhv->bthv", weights, x["v"]))


def silu(x: Array) -> Array:
    return x / (1 + np.exp(-x))


def lightnet_weights(x: dict[str, Array], z0: float) -> Array:
    """What token t gives to token u, [B, T, U, H, K], of keys alone: the softmax of the keys so far."""
    T = x["k"].shape[1]
    powers = np.exp(x["k"])[:, None] * before(T)[None, :, :, None, None]
    return powers / (powers.sum(2, keepdims=True) + np.exp(z0))


@pytest.mark.parametrize(("kind", "z0"), [("LightNet", -np.inf), ("FromZero", 0.0)])
def test_lightnet_is_a_softmax_of_keys(kind: str, z0: float) -> None:
    case = getattr(PACKAGES["lightnet"].cases, kind)(T=9, K=3, V=2, scale=0.5)
    x, found = definition("lightnet", case)
    same(found["o"], 0.5 * np.einsum("bthd,btuhd,buhv->bthv", silu(x["q"]), lightnet_weights(x, z0), x["v"]))
    x, all_seeing = definition("lightnet", replace(case, causal=False))
    same(all_seeing["o"][:, -1], found["o"][:, -1])
    whole = np.einsum("bthd,buhd,buhv->bthv", silu(x["q"]), lightnet_weights(x, z0)[:, -1], x["v"])
    same(all_seeing["o"], 0.5 * whole)


def test_lightnet_known_results() -> None:
    cases = PACKAGES["lightnet"].cases
    x, found = definition("lightnet", cases.LightNet(T=1, K=5, V=3))
    same(found["o"], silu(x["q"]).sum(-1, keepdims=True) * x["v"])
    x, found = definition("lightnet", cases.FromZero(T=1, K=5, V=3, sigma=0.0))
    same(found["o"], silu(x["q"]).sum(-1, keepdims=True) * x["v"] / 2)
    x, found = definition("lightnet", cases.LightNet(T=9, K=5, V=3, keys="constant"))
    mean = np.cumsum(x["v"], 1) / np.arange(1, 10)[None, :, None, None]
    same(found["o"], silu(x["q"]).sum(-1, keepdims=True) * mean)
    x, found = definition("lightnet", cases.LightNet(T=9, K=5, V=3, keys="rise"))
    same(found["o"][:, 4], silu(x["q"][:, 4]).sum(-1, keepdims=True) * x["v"][:, 4])
    x, found = definition("lightnet", cases.LightNet(T=9, K=5, V=3, keys="padded"))
    assert not found["o"][:, :3].any()
    rest = PACKAGES["lightnet"].reference.lightnet(*(x[name][:, 3:] for name in "qkv"), scale=1.0)
    same(found["o"][:, 3:], rest["o"])


def test_gates_of_lightnet() -> None:
    cases = PACKAGES["lightnet"].cases
    for gate in ("pre", "post"):
        x, found = definition("lightnet", cases.Gated(T=5, K=4, V=6, gate=gate))
        o = PACKAGES["lightnet"].reference.lightnet(x["q"], x["k"], x["v"], scale=1.0)["o"]
        inner = o / (1 + np.exp(-x["u"])) if gate == "pre" else o
        normal = inner / np.sqrt((inner**2).mean(-1, keepdims=True) + 1e-6) * x["w"]
        same(found["o"], normal if gate == "pre" else normal * silu(x["u"]))


def test_cosine_positions_are_relative() -> None:
    """Weights have the cosines of differences of angles; where all positions are moved, nothing changes."""
    case = PACKAGES["lightnet"].cases.Lrpe(T=9, K=6, V=2, A=2)
    x, found = definition("lightnet", case)
    angle = np.einsum("bta,hak->bthk", x["positions"], x["theta"])
    turns = np.cos(angle[:, :, None] - angle[:, None])
    weights = lightnet_weights(x, -np.inf) * turns
    same(found["o"], np.einsum("bthd,btuhd,buhv->bthv", silu(x["q"]), weights, x["v"]))
    reference = PACKAGES["lightnet"].reference.lightnet_lrpe
    moved = reference(**{**x, "positions": x["positions"] + 17.0}, scale=1.0, causal=False)
    same(moved["o"], reference(**x, scale=1.0, causal=False)["o"])


def test_rotary_positions_turn_pairs() -> None:
    """As complex numbers. With equal keys decays are alike, and then only differences of positions matter."""
    case = PACKAGES["lightnet"].cases.Rotary(T=9, K=6, V=2, keys="constant")
    x, found = definition("lightnet", case)
    angle = np.einsum("bta,hak->bthk", x["positions"], x["theta"])[..., :3]
    q = silu(x["q"])
    q = (q[..., :3] + 1j * q[..., 3:]) * np.exp(1j * angle)
    k = (1 + 1j) * np.exp(1j * angle)
    weights = np.einsum("bthd,buhd->btuh", q, k.conj()).real * before(9)[None, :, :, None]
    mean = np.einsum("btuh,buhv->bthv", weights, x["v"]) / np.arange(1, 10)[None, :, None, None]
    same(found["o"], mean)
    moved = PACKAGES["lightnet"].reference.lightnet_rotary(**{**x, "positions": x["positions"] + 17.0}, scale=1.0)
    same(moved["o"], found["o"])


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("P", [0, 2, 5, 6])
def test_element_wise_attention_is_a_polynomial(P: int, causal: bool) -> None:
    case = PACKAGES["element_wise_attention"].cases.ElementWise(T=9, D=5, P=P, causal=causal)
    x, found = definition("element_wise_attention", case)
    product = 2 * x["q"][:, :, None] * x["k"][:, None]
    weights = np.exp(-(x["k"] ** 2))[:, None] * sum(product**n / math.factorial(n) for n in range(P + 1))
    weights = weights * (before(9) if causal else np.ones((9, 9)))[None, :, :, None, None]
    same(found["o"], np.einsum("btuhd,buhd->bthd", weights, x["v"]) / weights.sum(2))


def test_element_wise_attention_known_results() -> None:
    ElementWise = PACKAGES["element_wise_attention"].cases.ElementWise
    x, found = definition("element_wise_attention", ElementWise(T=1, D=5, keys="large"))
    same(found["o"], x["v"])
    x, found = definition("element_wise_attention", ElementWise(T=9, D=5, keys="zero"))
    same(found["o"], np.cumsum(x["v"], 1) / np.arange(1, 10)[None, :, None, None])
    x, found = definition("element_wise_attention", ElementWise(T=9, D=5, keys="late"))
    same(found["o"][:, 4:], np.repeat(x["v"][:, 4:5], 5, 1))


def test_poles_of_odd_polynomials_stay() -> None:
    """1 + 2 q k is 0: the result is 0 / 0, and is not made anything else."""
    scan = PACKAGES["element_wise_attention"].cases.SCANS["element_wise_attention"]
    q = np.ones((1, 1, 1, 1), np.float32)
    with np.errstate(invalid="ignore"):
        assert np.isnan(scan(q, -q / 2, q, P=1)[0]).all() and np.isnan(scan.reference(q, -q / 2, q, P=1)[0]).all()


def test_hgrn_is_a_mean() -> None:
    cases = PACKAGES["hgrn"].cases
    x, found = definition("hgrn", cases.Hgrn(T=9, D=5))
    kept = np.cumprod(x["f"], 1)
    weights = kept[:, :, None] / kept[:, None] * (1 - x["f"])[:, None] * before(9)[None, :, :, None, None]
    same(found["o"], np.einsum("btuhd,buhd->bthd", weights, x["i"]))
    x, found = definition("hgrn", cases.Ema(T=9, D=5))
    away = np.maximum(np.arange(9)[:, None] - np.arange(9), 0)[:, :, None, None]
    weights = x["decay"] ** away * (1 - x["decay"]) * before(9)[:, :, None, None]
    same(found["o"], np.einsum("tuhd,buhd->bthd", weights, x["x"]))


def test_linear_attention_is_attention() -> None:
    x, found = definition("linear_attention", PACKAGES["linear_attention"].cases.Linear(T=9, K=3, V=2, eps=0.5))
    q, k = (np.where(x[n] > 0, x[n] + 1, np.exp(np.minimum(x[n], 0))) for n in "qk")
    weights = np.einsum("bthd,buhd->btuh", q, k) * before(9)[None, :, :, None]
    expected = np.einsum("btuh,buhv->bthv", weights, x["v"]) / (weights.sum(2) + 0.5)[..., None]
    same(found["o"], expected)


# ---------------------------------------------------------------------------------------------------------------------
# Blocks
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gla", "lightnet"])
def test_states_are_shared_by_more_blocks_where_shared_memory_is_little(name: str) -> None:
    """On a GPU with 99 KB for a block, heads of 128 are in chunks too, forward and backward."""
    scan = td.load_scans(testing.kernels_folder() / name / "kernel.py")[name]
    for backward in (False, True):
        text = scan.to_mlir(
            {"K": 128, "V": 128}, "bf16", final=False, chunked=True, split=True, align=16, backward=backward
        )
        manifest = compiler.compile_text(text, {"arch": "sm_89", "name": name}, ptxas=False).manifest
        found = manifest["derivation"]
        walks = found if isinstance(found, list) else [found]
        assert all(walk["chunk"] >= 16 for walk in walks), walks
        assert max(launch["shared_bytes"] for launch in manifest["launches"]) <= 99 << 10


def test_chunks_of_segments_are_chosen_again_where_shared_memory_is_too_little() -> None:
    """The estimate is too low for the kernel of segments alone, which is compiled beside the other."""
    hgrn = td.load_scans(testing.kernels_folder() / "hgrn" / "kernel.py")["hgrn"]
    text = hgrn.to_mlir({"D": 64}, "f32", final=False, chunked=True, split=True, align=16)
    manifest = compiler.compile_text(text, {"arch": "sm_89", "name": "hgrn"}, ptxas=False).manifest
    assert manifest["derivation"]["chunk"] == 32
    assert max(launch["shared_bytes"] for launch in manifest["launches"]) <= 99 << 10
