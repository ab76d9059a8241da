"""treadle.fla on the shapes of flash-linear-attention's operator tests, by its metric: beside definitions in float64,
and beside flash-linear-attention itself.

The ratio rms(difference) / rms(reference) of results, states and gradients is at most 5e-3, of gradients of gates 1e-2.
Where it is more beside flash-linear-attention, both are compared with the definition in float64, and Treadle's must be
within the bound of that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import torch
import torch_definitions as definitions
import treadle.fla
from torch.nn import functional as F
from torch_compare import DTYPES, Report, differentiate, ratio

BOUND, GATE_BOUND = 5e-3, 1e-2
GATES = ("g", "gk")
Case = tuple[str, str, dict[str, Any], dict[str, Any]]
"""A function, what is said of the case, inputs that have gradients, and settings."""


def peers() -> Any:
    """The functions of flash-linear-attention by name."""
    from fla.ops import based, gla, hgrn, lightning_attn, linear_attn, retention, simple_gla

    try:
        from fla.modules.causal_conv1d import causal_conv1d
    except ImportError:
        from fla.modules.convolution import causal_conv1d
    modules = (based, gla, hgrn, lightning_attn, linear_attn, retention, simple_gla)
    found = {name: getattr(module, name) for module in modules for name in module.__all__}
    return SimpleNamespace(**found, causal_conv1d=causal_conv1d)


class Draw:
    """Random inputs, as its tests draw them."""

    def __init__(self, device: str, dtype: str) -> None:
        self.device, self.dtype = device, DTYPES[dtype]

    def normal(self, *shape: int, dtype: Any = None) -> Any:
        return torch.randn(shape, device=self.device).to(dtype or self.dtype)

    def uniform(self, *shape: int, dtype: Any = None) -> Any:
        return torch.rand(shape, device=self.device).to(dtype or self.dtype)

    def gate(self, *shape: int, divisor: float = 1.0, uniform: bool = False) -> Any:
        made = self.uniform(*shape, dtype=torch.float32) if uniform else self.normal(*shape, dtype=torch.float32)
        return (F.logsigmoid(made) / divisor).to(self.dtype)

    def ends(self, ends: list[int]) -> Any:
        return torch.tensor(ends, dtype=torch.int32, device=self.device)

    def attention(self, B: int, T: int, H: int, K: int, V: int, uniform: bool = False) -> dict[str, Any]:
        new = self.uniform if uniform else self.normal
        return {"q": new(B, T, H, K), "k": new(B, T, H, K), "v": new(B, T, H, V)}


def simple_gla(device: str) -> Iterator[Case]:
    for dtype, name in (("f16", "chunk_simple_gla"), ("f32", "fused_recurrent_simple_gla")):
        draw = Draw(device, dtype)
        shapes = [(T, 64, 1.0, 1.0) for T in (1, 15, 63, 300)]
        shapes += [(300, D, 0.1, divisor) for D in (32, 100, 256) for divisor in (0.1, 10.0)]
        for T, D, scale, divisor in shapes:
            inputs = draw.attention(2, T, 2, D, D)
            inputs |= {"g": draw.gate(2, T, 2, divisor=divisor).float()}
            inputs |= {"initial_state": draw.uniform(2, 2, D, D, dtype=torch.float32)}
            yield name, f"{dtype} T{T} D{D} gate{divisor:g}", inputs, {"scale": scale, "output_final_state": True}
        for T, D in ((63, 64), (286, 32), (300, 100), (512, 64)):
            inputs = draw.attention(1, T, 2, D, D)
            inputs |= {"g": draw.gate(1, T, 2), "initial_state": draw.normal(2, 2, D, D, dtype=torch.float32)}
            settings = {"cu_seqlens": draw.ends([0, T // 3 + 1, T]), "output_final_state": True}
            yield name, f"{dtype} T{T} D{D} packed", inputs, settings


def gla(device: str) -> Iterator[Case]:
    shapes = [(1, 63, 1, 64, 1.0), (2, 1024, 4, 60, 1.0), (4, 2048, 8, 64, 1.0)]
    shapes += [(2, 1024, 8, 128, divisor) for divisor in (0.1, 1.0, 10.0)]
    for name, gate, dtype, more in (
        ("chunk_gla", "g", "f16", [(1, 128, 4, 256, 1.0), (1, 64, 2, 320, 1.0)]),
        ("fused_recurrent_gla", "gk", "f32", []),
    ):
        draw = Draw(device, dtype)
        for B, T, H, D, divisor in shapes + more:
            inputs = draw.attention(B, T, H, D, D, uniform=True)
            inputs |= {gate: draw.gate(B, T, H, D, divisor=divisor, uniform=True)}
            inputs |= {"initial_state": draw.uniform(B, H, D, D, dtype=torch.float32)}
            yield name, f"{dtype} B{B} T{T} H{H} D{D} gate{divisor:g}", inputs, {"output_final_state": True}
        for D, ends in (
            (64, [0, 15]),
            (64, [0, 256, 500, 1000]),
            (100, [0, 15, 100, 300, 1200, 2000]),
            (64, [0, 1, 100, 300, 1200, 2048]),
        ):
            inputs = draw.attention(1, ends[-1], 4, D, D, uniform=True)
            inputs |= {gate: draw.gate(1, ends[-1], 4, D, uniform=True)}
            inputs |= {"initial_state": draw.uniform(len(ends) - 1, 4, D, D, dtype=torch.float32)}
            settings = {"cu_seqlens": draw.ends(ends), "output_final_state": True}
            yield name, f"{dtype} D{D} packed {ends}", inputs, settings
        inputs = draw.attention(2, 256, 4, 64, 64, uniform=True)
        inputs |= {gate: draw.gate(2, 256, 4, 64), "initial_state": draw.uniform(2, 4, 64, 64, dtype=torch.float32)}
        yield name, f"{dtype} values first", inputs, {"output_final_state": True, "state_v_first": True}


def of_heads(device: str) -> Iterator[Case]:
    draw = Draw(device, "f16")
    for name, settings in (
        ("chunk_retention", {}),
        ("fused_recurrent_retention", {}),
        ("chunk_lightning_attn", {"layer_idx": 1, "num_layers": 8}),
        ("fused_recurrent_lightning_attn", {"layer_idx": 1, "num_layers": 8}),
    ):
        for T, K, ratio_of_values in ((1, 64, 1), (15, 32, 2), (63, 100, 1), (300, 64, 2), (300, 100, 2)):
            V = K * ratio_of_values
            inputs = {**draw.attention(2, T, 2, K, V), "initial_state": draw.normal(2, 2, K, V, dtype=torch.float32)}
            yield name, f"f16 T{T} K{K} V{V}", inputs, {**settings, "output_final_state": True}
        inputs = {**draw.attention(1, 512, 2, 64, 64), "initial_state": draw.normal(2, 2, 64, 64, dtype=torch.float32)}
        packed = {**settings, "cu_seqlens": draw.ends([0, 100, 512]), "output_final_state": True}
        yield name, "f16 packed", inputs, packed


def undecayed(device: str) -> Iterator[Case]:
    for name, dtype in (("chunk_linear_attn", "f16"), ("fused_recurrent_linear_attn", "f32")):
        draw = Draw(device, dtype)
        for T, D in ((64, 64), (128, 32), (128, 128)):
            inputs = draw.attention(2, T, 2, D, D)
            inputs |= {"initial_state": draw.normal(2, 2, D, D, dtype=torch.float32)}
            settings = {"output_final_state": True, "normalize": False}
            yield name, f"{dtype} T{T} D{D}", inputs, settings
            features = {n: F.elu(x.float()).add(1).to(x.dtype) for n, x in draw.attention(2, T, 2, D, D).items()}
            yield name, f"{dtype} T{T} D{D} normalised", features, {"output_final_state": True, "normalize": True}
    for name in ("parallel_based", "fused_chunk_based"):
        for dtype in ("f32", "bf16"):
            for T, V in ((1, 50), (7, 64), (15, 100), (63, 200), (286, 256), (300, 64)):
                inputs = Draw(device, dtype).attention(2, T, 2, 16, V)
                yield name, f"{dtype} T{T} V{V}", inputs, {"use_norm": True}


def vectors(device: str) -> Iterator[Case]:
    for name, dtypes in (("fused_recurrent_hgrn", ("f32",)), ("chunk_hgrn", ("f32", "bf16"))):
        for dtype in dtypes:
            draw = Draw(device, dtype)
            for T, D in ((1, 500), (15, 500), (63, 1024), (300, 500), (300, 1024)):
                made = draw.normal(2, T, D, dtype=torch.float32)
                x = ((1 - made.sigmoid()) * draw.normal(2, T, D, dtype=torch.float32)).to(draw.dtype)
                inputs = {"x": x, "g": F.logsigmoid(made).to(draw.dtype)}
                if name == "fused_recurrent_hgrn":
                    inputs |= {"initial_state": draw.normal(2, D, dtype=torch.float32)}
                yield name, f"{dtype} T{T} D{D}", inputs, {"output_final_state": name != "chunk_hgrn"}
    for dtype, T, D, W, activation, bias, residual in (
        ("f32", 64, 128, 3, "swish", True, True),
        ("f32", 128, 128, 4, "swish", False, True),
        ("f32", 500, 1024, 3, None, True, True),
        ("f32", 1024, 1024, 4, None, False, False),
        ("f16", 64, 128, 3, None, True, False),
        ("f16", 128, 128, 4, None, False, False),
    ):
        draw = Draw(device, dtype)
        inputs = {"x": draw.normal(2, T, D), "weight": draw.normal(D, W)}
        inputs |= {"bias": draw.normal(D)} if bias else {}
        inputs |= {"residual": draw.normal(2, T, D)} if residual else {}
        said = f"{dtype} T{T} D{D} W{W} {activation}{' bias' if bias else ''}{' residual' if residual else ''}"
        yield "causal_conv1d", said, inputs, {"activation": activation}
    draw = Draw(device, "f32")
    inputs = {"x": draw.normal(1, 500, 128), "weight": draw.normal(128, 4), "initial_state": draw.normal(4, 128, 4)}
    packed = {"cu_seqlens": draw.ends([0, 2, 100, 101, 500]), "activation": "swish", "output_final_state": True}
    yield "causal_conv1d", "f32 packed", inputs, packed


def beside(peer: Any, name: str, inputs: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """One case, beside the definition where there is no peer; the largest ratio."""
    function, definition = getattr(treadle.fla, name), getattr(definitions, name)
    results, gradients, weights = differentiate(function, inputs, settings)
    others, derived = _as_many(peer or definition, inputs, settings, weights, wide=peer is None)
    found = {f"result {i}": (x, y) for i, (x, y) in enumerate(zip(results, others, strict=False))}
    found |= {f"d{key}": (g, derived[key]) for key, g in gradients.items()}
    # The gradient of a mean of one value is 0, of which there is no ratio: what is found is the rounding of its terms.
    vanishes = {key: theirs.abs().max() < 1e-12 and ours.abs().max() < 1e-5 for key, (ours, theirs) in found.items()}
    ratios = {key: 0.0 if vanishes[key] else ratio(ours, theirs) for key, (ours, theirs) in found.items()}
    bounds = {key: GATE_BOUND if key[1:] in GATES else BOUND for key in ratios}
    worst = max(ratios, key=lambda key: ratios[key] / bounds[key])
    said = f"at most {ratios[worst]:.1e}, {worst}"
    if ratios[worst] <= bounds[worst]:
        return said
    assert peer is not None, said
    exact, exactly = _as_many(definition, inputs, settings, weights, wide=True)
    wanted = {f"result {i}": x for i, x in enumerate(exact)} | {f"d{key}": g for key, g in exactly.items()}
    for key in ratios:
        if not ratios[key] <= bounds[key]:
            ours, theirs = (ratio(x, wanted[key]) for x in found[key])
            said += f"; {key} is off by {ours:.1e} from float64, flash-linear-attention's by {theirs:.1e}"
            assert ours <= bounds[key], said
    return said


def _as_many(
    other: Any, inputs: Mapping[str, Any], settings: Mapping[str, Any], weights: list[Any], wide: bool
) -> tuple[list[Any], dict[str, Any]]:
    """Another's first results, as many as have weights, and gradients. wide: in float64."""
    count = len(weights)

    def function(**given: Any) -> Any:
        results = other(**given)
        every = results if isinstance(results, tuple) else (results,)
        flat = [x for each in every if each is not None for x in (each if isinstance(each, tuple) else (each,))]
        return tuple(flat[:count])

    results, gradients, _ = differentiate(function, inputs, settings, weights, wide=wide)
    return results, gradients


def checks(report: Report, functions: Any = None, device: str = "cuda") -> None:
    """All cases, beside these functions, or the definitions."""
    said_of = "beside fla" if functions else "shapes of fla"
    for cases in (simple_gla, gla, of_heads, undecayed, vectors):
        for name, said, inputs, settings in cases(device):
            peer = getattr(functions, name) if functions else None
            report(
                f"{said_of}: {name} {said}",
                lambda peer=peer, name=name, inputs=inputs, settings=settings: beside(peer, name, inputs, settings),
            )
