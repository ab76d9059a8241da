"""Scans in PyTorch on a GPU: treadle.torch.op, treadle.fla and the layers, against definitions in float64.

    PYTHONPATH=python TREADLE_LIB_DIR=build/lib python test/gpu/torch_ops.py [--device=cpu] [-k REGEX] [--fla]

Gradients of every function and layer; torch.library.opcheck; torch.compile beside eager, with lengths that change;
autocast; gradients that are added up, expanded, not contiguous, or of the final state alone; and on a GPU CUDA graphs,
other streams and devices, and that the host never waits: with --only-cuda these alone. There, the functions of
treadle.fla have the shapes of flash-linear-attention's tests, too. With --fla, or where `fla` can
be imported, the functions of treadle.fla beside flash-linear-attention's own, on the shapes of its tests. Needs the
compiler, and torch. A line for each check; exit status 1 where one fails.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import sys
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python")]

import torch_cuda  # noqa: E402
import torch_definitions as definitions  # noqa: E402
import torch_fla  # noqa: E402
import torch_operators  # noqa: E402
import treadle.fla  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch_compare import DTYPES, Report, compare  # noqa: E402
from treadle.torch import BasedAttention, ElementWiseAttention, LightNetAttention, LightningAttention  # noqa: E402

PACKED = (0, 0, 3, 20, 20, 37)


def draw(name: str, device: str, dtype: str, how: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs of a function of treadle.fla, and settings. how: "whole", "state", "packed" or "reverse"."""
    B, T, H, K, V = 2, 37, 3, 16, 8
    if how == "packed":
        B = 1
    N = len(PACKED) - 1 if how == "packed" else B
    element = DTYPES[dtype]

    def new(*shape: int, to: Any = element) -> Any:
        return torch.randn(shape, device=device).to(to)

    def gate(*shape: int) -> Any:
        return F.logsigmoid(torch.randn(shape, device=device))

    inputs: dict[str, Any] = {"q": new(B, T, H, K), "k": new(B, T, H, K), "v": new(B, T, H, V)}
    state: Any = new(N, H, K, V, to=torch.float32)
    settings: dict[str, Any] = {"output_final_state": True}
    if "simple_gla" in name:
        inputs["g"] = gate(B, T, H)
        if how == "state":  # its gradient is a sum of all tokens': of that only f32 says much
            (inputs if dtype == "f32" else settings)["g_gamma"] = gate(H)
    elif "retention" not in name and "gla" in name:
        inputs["g" if name == "chunk_gla" else "gk"] = gate(B, T, H, K)
        if name != "chunk_gla" and how != "whole":
            inputs["gv"] = gate(B, T, H, V)
    elif "lightning" in name:
        settings |= {"layer_idx": 1, "num_layers": 4}
    elif "linear_attn" in name:  # features, so that the sum of weights is not near 0
        inputs |= {n: x.abs() + 0.1 for n, x in inputs.items() if n != "v"}
        settings["normalize"] = how != "state" or name == "chunk_linear_attn"
        if settings["normalize"]:
            state = state, new(N, 1, H, K, to=torch.float32).abs()
    elif "hgrn" in name:
        inputs = {"x": new(B, T, K), "g": gate(B, T, K)}
        state = new(N, K, to=torch.float32)
    elif "conv" in name:
        inputs = {"x": new(B, T, K), "weight": new(K, 4, to=torch.float32)}
        state = new(N, K, 4)
        if how != "whole":
            inputs |= {"bias": new(K, to=torch.float32), "residual": new(B, T, K)}
            settings["activation"] = "silu"
    if how in ("state", "packed") and "based" not in name:
        inputs["initial_state"] = state
    if how == "state" and "gla" in name:
        settings |= {"scale": 0.3}
    if how == "packed":
        settings["cu_seqlens"] = torch.tensor(PACKED, device=device)
    if how == "reverse":
        settings["reverse"] = True
    return inputs, settings


def functions(report: Report, device: str, dtypes: list[str]) -> None:
    """Every function of treadle.fla, each way it can be called."""
    for name in treadle.fla.__all__:
        ways = ["whole", "state", "packed"]
        if name.startswith("fused_recurrent") and "hgrn" not in name:
            ways.append("reverse")
        if "based" in name:
            ways.remove("state")
        if name == "chunk_hgrn":
            ways.remove("packed")
        for how in ways:
            for dtype in dtypes:

                def check(name: str = name, how: str = how, dtype: str = dtype) -> str:
                    inputs, settings = draw(name, device, dtype, how)
                    function, definition = getattr(treadle.fla, name), getattr(definitions, name)
                    return compare(function, definition, inputs, settings, dtype, ("g", "g_gamma", "gk", "gv"))

                report(f"fla.{name} {how} {dtype}", check)


def layers(device: str) -> dict[str, tuple[Any, str]]:
    """Layers by name, and the definition of the kernel of each."""
    D, H = 32, 4
    made = {
        "lightning": (LightningAttention(D, H, layer=1, num_layers=4), "lightning_attention"),
        "lightning, norm of heads": (
            LightningAttention(D, H, norm="head", affine=True, gate_rank=0, head_dim=16, value_dim=8),
            "lightning_attention",
        ),
        "lightnet": (LightNetAttention(D, H), "lightnet"),
        "lightnet, gate before": (LightNetAttention(D, H, gate="pre", key_dim=16), "lightnet"),
        "lightnet, positions": (LightNetAttention(D, H, gate="none", axes=1), "lightnet_lrpe"),
        "element-wise": (ElementWiseAttention(D, num_heads=2), "element_wise_attention"),
        "based": (BasedAttention(D, H, feature_dim=8), "based"),
        "based, unnormalised": (BasedAttention(D, H, feature_dim=8, normalised=False), "based_unnormalised"),
    }
    return {name: (layer.to(device), kernel) for name, (layer, kernel) in made.items()}


def layer_checks(report: Report, device: str) -> None:
    """Gradients of layers, and that parts of sequences and tokens alone make what whole sequences make."""
    for name, (layer, kernel) in layers(device).items():
        for packed in (False, True):
            report(
                f"layer {name}{' packed' if packed else ''}",
                lambda layer=layer, kernel=kernel, packed=packed: whole(layer, kernel, packed, device),
            )
        report(f"layer {name}, in parts", lambda layer=layer: parts(layer, device))


def whole(layer: Any, kernel: str, packed: bool, device: str) -> str:
    """A layer beside itself in float64, with the kernel's definition."""
    exact = copy.deepcopy(layer).double()
    exact.kernel = lambda: getattr(definitions, kernel)
    x = torch.randn(1 if packed else 2, 37, 32, device=device)
    settings = {"cu_seqlens": torch.tensor(PACKED, device=device) if packed else None, "return_state": True}

    def call(module: Any) -> Any:
        def function(x: Any, cu_seqlens: Any, return_state: bool, **parameters: Any) -> Any:
            how = {"cu_seqlens": cu_seqlens, "return_state": return_state}
            y, state = torch.func.functional_call(module, parameters, (x,), how)
            return y, [s for s in torch_operators.several(state) if s.is_floating_point()]

        return function

    return compare(call(layer), call(exact), {"x": x, **dict(layer.named_parameters())}, settings, "f32")


def parts(layer: Any, device: str) -> str:
    """A sequence in two parts, and token by token, beside the whole."""
    x = torch.randn(2, 20, 32, device=device)
    whole, state = layer(x, return_state=True)
    first, between = layer(x[:, :7], return_state=True)
    second, last = layer(x[:, 7:], between, return_state=True)
    tokens, after = [], None
    for t in range(20):
        y, after = layer.step(x[:, t], after)
        tokens.append(y)
    error = max((torch.cat([first, second], 1) - whole).abs().max(), (torch.stack(tokens, 1) - whole).abs().max())
    for found in (last, after):
        for a, b in zip(torch_operators.several(found), torch_operators.several(state), strict=True):
            error = max(error, (a - b).abs().max() / (1 + b.abs().max()))
    assert error < 1e-4, f"{error:.1e}"
    return f"{error:.1e}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("-k", dest="pattern", default="", metavar="REGEX", help="only checks whose name has it")
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=list(DTYPES), help="of the functions' inputs")
    parser.add_argument("--backend", default="inductor", help="of torch.compile")
    parser.add_argument("--only-cuda", action="store_true", help="only what a CPU cannot show")
    parser.add_argument("--captures", action="store_true", help="only CUDA graphs, here, up to the first that fails")
    parser.add_argument("--fla", action="store_true", help="fail where flash-linear-attention is missing")
    options = parser.parse_args()
    if (options.only_cuda or options.captures) and options.device != "cuda":
        parser.error("--only-cuda and --captures are of --device=cuda")
    torch.manual_seed(0)
    report = Report(options.device, options.pattern)
    made = {name: layer for name, (layer, _) in layers(options.device).items()}
    if options.captures:
        torch_cuda.captures(report, made)
        return report.summary()
    if not options.only_cuda:
        functions(report, options.device, options.dtype)
        layer_checks(report, options.device)
        torch_operators.checks(report, options.device, options.backend, made)
        if options.device == "cuda" or options.pattern:  # large ones, for a CPU
            torch_fla.checks(report, device=options.device)
    if options.device == "cuda":
        torch_cuda.checks(report, made)
    if options.fla or (
        options.device == "cuda" and not options.only_cuda and importlib.util.find_spec("fla") is not None
    ):
        torch_fla.checks(report, torch_fla.peers())
    return report.summary()


if __name__ == "__main__":
    sys.exit(main())
