"""What only a GPU shows of treadle.torch.op: CUDA graphs, streams, devices, and that the host never waits.

A capture that fails leaves its process with random numbers, a current stream and memory that are still those of a
capture: what captures runs in processes of its own.
"""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from apart import apart
from torch_compare import Report
from torch_operators import LIGHTNET, OPS, gradients, inputs, same

SLEEP = 200_000_000
"""Clock cycles for which a stream is held up: about a tenth of a second."""


def checks(report: Report, layers: Mapping[str, Any]) -> None:
    """All of them."""
    for name in OPS:
        report(f"another stream: {name}", lambda name=name: _stream(name))
        report(f"no waiting: {name}", lambda name=name: _no_waiting(name))
        if torch.cuda.device_count() > 1:
            report(f"another device: {name}", lambda name=name: _device(name))
    report("another stream: vjp", _stream_of_vjp)
    names = [name for name in _captures(layers) if re.search(report.pattern, name)]
    for found in apart(names, _process):
        report.count(*found)


def _process(names: list[str]) -> list[str]:
    """The command that runs some captures, up to the first that fails."""
    pattern = f"^({'|'.join(map(re.escape, names))})$"
    return [sys.executable, str(Path(__file__).with_name("torch_ops.py")), "--captures", "-k", pattern]


def captures(report: Report, layers: Mapping[str, Any]) -> None:
    """What captures, in this process, up to the first that fails."""
    for name, check in _captures(layers).items():
        report(name, check)
        if report.failed:
            return


def _captures(layers: Mapping[str, Any]) -> dict[str, Callable[[], str]]:
    """What captures, by name."""
    found: dict[str, Callable[[], str]] = {}
    for name in OPS:
        found[f"CUDA graph: {name}"] = lambda name=name: _graph(name, False)
        found[f"CUDA graph: {name} packed"] = lambda name=name: _graph(name, True)
    for name, layer in layers.items():
        found[f"CUDA graph: layer {name}"] = lambda layer=layer: _graphed_layer(layer)
    found["compile: CUDA graphs of torch.compile"] = _reduce_overhead
    return found


def _call(name: str, x: list[Any], cu_seqlens: Any = None) -> list[Any]:
    """The output and the gradients."""
    o, _ = OPS[name](*x, cu_seqlens=cu_seqlens)
    return [o, *gradients(o, x)]


def _graph(name: str, packed: bool) -> str:
    """Captured once, replayed on other numbers, and sequences that end elsewhere."""
    B = 1 if packed else 2
    x = inputs(name, "cuda", B=B)
    cu = torch.tensor([0, 7, 7, 40], device="cuda") if packed else None
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(2):
            _call(name, x, cu)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = _call(name, x, cu)
    other = inputs(name, "cuda", B=B)
    with torch.no_grad():
        for a, b in zip(x, other, strict=True):
            a.copy_(b)
        if cu is not None:
            cu.copy_(torch.tensor([0, 1, 30, 40]))
    graph.replay()
    torch.cuda.synchronize()
    return same(found, _call(name, other, cu), 1e-6)


def _stream(name: str) -> str:
    """Inputs that another stream makes late: the kernels wait for them, forward and backward."""
    x = inputs(name, "cuda")
    expected = _call(name, x)
    torch.cuda.synchronize()
    late = [torch.zeros_like(t).requires_grad_() for t in x]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        torch.cuda._sleep(SLEEP)
        with torch.no_grad():
            for a, b in zip(late, x, strict=True):
                a.copy_(b)
        found = _call(name, late)
    side.synchronize()
    return same(found, expected, 1e-6)


def _stream_of_vjp() -> str:
    """A stream that is given: all of the backward is on it, what adds up gradients and makes zeros as well."""
    q, k, v = (t.detach() for t in inputs("lightnet", "cuda", G=2))
    (o, (S, z)), pullback = LIGHTNET.vjp(q, k, v, output_final_state=True)
    given = torch.randn_like(o), (torch.randn_like(S), torch.randn_like(z))
    expected = [list(pullback(*some).values()) for some in (given, (None, given[1]))]
    late = [torch.zeros_like(t) for t in (q, k, v)]
    side = torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(side):
        torch.cuda._sleep(SLEEP)
        for a, b in zip(late, (q, k, v), strict=True):
            a.copy_(b)
    _, pullback = LIGHTNET.vjp(*late, output_final_state=True, stream=side)
    found = [list(pullback(*some).values()) for some in (given, (None, given[1]))]
    side.synchronize()
    return same([g for some in found for g in some], [g for some in expected for g in some], 1e-6)


def _no_waiting(name: str) -> str:
    """The host is done long before the stream."""
    x = inputs(name, "cuda")
    cu = torch.tensor([0, 7, 7, 40], device="cuda")
    packed = inputs(name, "cuda", B=1)
    _call(name, x), _call(name, packed, cu)
    torch.cuda.synchronize()
    done = torch.cuda.Event()
    torch.cuda._sleep(SLEEP)
    torch.cuda.set_sync_debug_mode("error")
    try:
        _call(name, x), _call(name, packed, cu)
        done.record()
        waited = done.query()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert not waited, "the host waited for the stream"
    torch.cuda.synchronize()
    return ""


def _device(name: str) -> str:
    """On the second device, while the first is current."""
    x = inputs(name, "cuda:0")
    there = [t.detach().to("cuda:1").requires_grad_() for t in x]
    found, expected = _call(name, there), _call(name, x)
    assert all(t.device.index == 1 for t in found)
    return same([t.to("cuda:0") for t in found], expected, 1e-6)


def _graphed_layer(layer: Any) -> str:
    """torch.cuda.make_graphed_callables, of a copy.

    While the graph of autograd of a call is there, as that of `expected`, calls after it share the nodes of its
    parameters, which stay on the stream of the first call. The default stream cannot be part of a capture.
    """
    x = torch.randn(2, 40, 32, device="cuda", requires_grad=True)
    expected = layer(x)
    wanted = [expected, *gradients(expected, [x, *layer.parameters()])]
    copied = copy.deepcopy(layer)
    graphed = torch.cuda.make_graphed_callables(copied, (torch.randn_like(x).requires_grad_(),))
    y = graphed(x)
    return same([y, *gradients(y, [x, *copied.parameters()])], wanted, 1e-5)


def _reduce_overhead() -> str:
    """mode="reduce-overhead", several times, so that the graphs are replayed."""
    torch._dynamo.reset()
    x = inputs("gla", "cuda")

    def function(*x: Any) -> Any:
        return OPS["gla"](x[0] * 2, *x[1:])[0].square().mean()

    compiled = torch.compile(function, mode="reduce-overhead", fullgraph=True)
    expected = function(*x)
    wanted = gradients(expected, x)
    for _ in range(4):
        value = compiled(*x)
        said = same([value.clone(), *(g.clone() for g in gradients(value, x))], [expected, *wanted], 1e-4)
    return said
