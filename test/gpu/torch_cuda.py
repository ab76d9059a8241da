"""What only a GPU shows of treadle.torch.op: CUDA graphs, streams, devices, and that the host never waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch_compare import Report
from torch_operators import OPS, gradients, inputs, same

SLEEP = 200_000_000
"""Clock cycles for which a stream is held up: about a tenth of a second."""


def checks(report: Report, layers: Mapping[str, Any]) -> None:
    """All of them."""
    for name in OPS:
        report(f"CUDA graph: {name}", lambda name=name: _graph(name, False))
        report(f"CUDA graph: {name} packed", lambda name=name: _graph(name, True))
        report(f"another stream: {name}", lambda name=name: _stream(name))
        report(f"no waiting: {name}", lambda name=name: _no_waiting(name))
        if torch.cuda.device_count() > 1:
            report(f"another device: {name}", lambda name=name: _device(name))
    for name, layer in layers.items():
        report(f"CUDA graph: layer {name}", lambda layer=layer: _graphed_layer(layer))
    report("compile: CUDA graphs of torch.compile", _reduce_overhead)


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
    """torch.cuda.make_graphed_callables."""
    x = torch.randn(2, 40, 32, device="cuda", requires_grad=True)
    given = [x, *layer.parameters()]
    expected = layer(x)
    wanted = [expected.detach(), *gradients(expected, given)]
    plain = layer.forward
    try:
        graphed = torch.cuda.make_graphed_callables(layer, (torch.randn_like(x).requires_grad_(),))
        y = graphed(x)
        return same([y, *gradients(y, given)], wanted, 1e-5)
    finally:
        layer.forward = plain


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
