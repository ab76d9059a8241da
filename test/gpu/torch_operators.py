"""What treadle.torch.op promises beside right gradients, on any device: opcheck, torch.compile, autocast."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from unittest import mock

import torch
import torch._dynamo
import torch._dynamo.testing
import torch.autograd.forward_ad as forward_ad
import treadle.fla
from torch_compare import Report, ratio
from torch_steps import delta_rule
from treadle import kernels
from treadle.errors import LaunchError
from treadle.runtime import scan_checkpoints
from treadle.torch import op

LIGHTNET = kernels.step("lightnet")
LIGHTNING = kernels.step("lightning_attention")
GLA = kernels.step("gla")
CONV = kernels.step("short_conv", "short_conv_bias")
LRPE = kernels.step("lightnet", "lightnet_lrpe")
OPS = {scan.name: op(scan) for scan in (LIGHTNET, LIGHTNING, GLA, CONV, LRPE)}


def several(values: Any) -> tuple[Any, ...]:
    """One or several, as a tuple."""
    return values if isinstance(values, tuple) else (values,)


def inputs(name: str, device: str, B: int = 2, T: int = 40, H: int = 4, G: int = 0, dtype: Any = None) -> list[Any]:
    """Inputs that require gradients. G: heads of keys and values, if fewer than H."""
    K, V = 16, 8
    shapes = {
        "lightnet": [(B, T, H, K), (B, T, G or H, K), (B, T, G or H, V)],
        "lightning_attention": [(B, T, H, K), (B, T, G or H, K), (B, T, G or H, V), (H,)],
        "gla": [(B, T, H, K), (B, T, G or H, K), (B, T, G or H, V), (B, T, G or H, K)],
        "short_conv_bias": [(B, T, H, K), (4, K), (K,)],
        "lightnet_lrpe": [(B, T, H, K), (B, T, G or H, K), (B, T, G or H, V), (B, T, 2), (H, 2, K)],
    }[name]
    made = [torch.randn(shape, device=device) for shape in shapes]
    if name in ("gla", "lightning_attention"):
        made[3] = -made[3].abs()
    own = {"gla": [3], "lightning_attention": [3], "short_conv_bias": [1, 2], "lightnet_lrpe": [3, 4]}.get(name, [])
    return [(x if i in own or dtype is None else x.to(dtype)).requires_grad_() for i, x in enumerate(made)]


def gradients(o: Any, given: list[Any], weight: Any = None) -> list[Any]:
    """Those of an output, weighed or added up."""
    return list(torch.autograd.grad(o, given, torch.ones_like(o) if weight is None else weight))


def same(found: Any, expected: Any, bound: float = 1e-5) -> str:
    """Check lists of tensors against others; the largest error."""
    error = max((ratio(a, b) for a, b in zip(found, expected, strict=True)), default=0.0)
    assert error <= bound, f"{error:.1e}, the bound is {bound:.0e}"
    return f"{error:.1e}"


def raises(words: str, call: Callable[[], Any]) -> str:
    """Check that a call raises a LaunchError that has these words."""
    try:
        call()
    except LaunchError as e:
        assert words in str(e), str(e)
        return str(e)
    raise AssertionError(f"expected an error with '{words}', found none")


def checks(report: Report, device: str, backend: str, layers: Mapping[str, Any]) -> None:
    """All of them."""
    _cotangents(report, device)
    _errors(report, device)
    _forms(report, device)
    _registered(report, device)
    _autocast(report, device)
    _compiled(report, device, backend, layers)


def _cotangents(report: Report, device: str) -> None:
    f = OPS["lightnet"]

    def expanded() -> str:
        x = inputs("lightnet", device)
        f(*x)[0].sum().backward()
        return same([t.grad for t in x], gradients(f(*x)[0], x))

    def strided() -> str:
        x = inputs("lightnet", device)
        o, _ = f(*x)
        weight = torch.randn(o.shape[::-1], device=device).permute(3, 2, 1, 0)
        return same(gradients(o, x, weight), gradients(f(*x)[0], x, weight.contiguous()))

    def of_states() -> str:
        x = inputs("lightnet", device)
        _, (S, _) = f(*x, output_final_state=True)
        o, (S2, z2) = f(*x, output_final_state=True)
        one = torch.autograd.grad(S.sum(), x, allow_unused=True)
        every = torch.autograd.grad([S2, z2, o], x, [torch.ones_like(S2), torch.zeros_like(z2), torch.zeros_like(o)])
        assert (one[0] is None or not one[0].any()) and not every[0].any(), "queries do not reach states"
        return same(one[1:], every[1:])

    def accumulated() -> str:
        x = inputs("gla", device)
        for _ in range(2):
            OPS["gla"](*x)[0].sum().backward()
        return same([t.grad for t in x], [2 * g for g in gradients(OPS["gla"](*x)[0], x)])

    def some() -> None:
        q, k, v = inputs("lightnet", device)
        f(q.detach(), k, v.detach())[0].sum().backward()
        assert q.grad is None and v.grad is None and k.grad is not None
        state = [torch.randn(2, 4, 16, 8, device=device, requires_grad=True), torch.randn(2, 4, 16, device=device)]
        f(q.detach(), k.detach(), v.detach(), initial_state=tuple(state))[0].sum().backward()
        assert state[0].grad is not None and state[1].grad is None

    report("op: expanded cotangents", expanded)
    report("op: cotangents that are not contiguous", strided)
    report("op: gradients of the final state alone", of_states)
    report("op: gradients are added up", accumulated)
    report("op: gradients only where required", some)


def _errors(report: Report, device: str) -> None:
    f = OPS["lightnet"]

    def second(function: Callable[..., Any]) -> str:
        """A penalty on gradients: never zeros for what is not known."""
        x = inputs("lightnet", device)
        y = function(*x).square().sum()
        (g,) = torch.autograd.grad(y, x[1:2], create_graph=True)
        return raises("gradient of a gradient", lambda: (y + g.square().sum()).backward())

    def of_weights() -> str:
        x = inputs("lightnet", device)
        o, _ = f(*x)
        weight = torch.ones_like(o).requires_grad_()
        (g,) = torch.autograd.grad(o, x[:1], weight, create_graph=True)
        return raises("gradient of a gradient", lambda: torch.autograd.grad(g.sum(), weight))

    def forward_mode(function: Callable[..., Any]) -> str:
        """Never zeros for what is not known."""
        q, k, v = (x.detach() for x in inputs("lightnet", device))
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(k, torch.ones_like(k))
            return raises("expected tensors without tangents", lambda: function(q, dual, v))

    def by_transform() -> str:
        q, k, v = (x.detach() for x in inputs("lightnet", device))
        wrong = "expected tensors without tangents"
        return raises(wrong, lambda: torch.func.jvp(lambda k: f(q, k, v)[0], (k,), (torch.ones_like(k),)))

    def noncausal() -> str:
        """The last output is that of the causal one, and so are its gradients."""
        x = inputs("lightnet", device)
        last = [gradients(f(*x, causal=causal)[0][:, -1], x) for causal in (False, True)]
        return same(*last)

    def wrong() -> str:
        x = inputs("lightnet", device)
        raises("expected arguments named q, k, v", lambda: f(*x, colour=1))
        raises("argument 'v': expected an array", lambda: f(*x[:2]))
        raises("argument 'initial_state'", lambda: f(*x, initial_state=x[0]))
        raises("argument 'out'", lambda: LIGHTNET(*x, out=torch.empty_like(x[2])))
        return raises("argument 'k'", lambda: f(x[0], x[1][:, :3], x[2]))

    for name, function in {
        "an operator": lambda *x: f(*x)[0],
        "a final state": lambda *x: f(*x, output_final_state=True)[1][0],
        "a plain call": lambda *x: LIGHTNET(*x)[0],
        "a call along an axis": lambda *x: LIGHTNET(*(t.unflatten(1, (5, 8)) for t in x), axis=2)[0],
    }.items():
        report(f"op: no second derivatives of {name}", lambda function=function: second(function))
    report("op: no second derivatives by cotangents", of_weights)
    for name, function in {
        "an operator": lambda *x: f(*x)[0],
        "a plain call": lambda *x: LIGHTNET(*x)[0],
        "a step": lambda *x: LIGHTNET.step(*(t[:, 0] for t in x))[0],
    }.items():
        report(f"op: no forward mode of {name}", lambda function=function: forward_mode(function))
    report("op: no forward mode by torch.func", by_transform)
    report("op: gradients with causal=False", noncausal)
    report("op: wrong arguments", wrong)


def _forms(report: Report, device: str) -> None:
    def plain() -> str:
        x = inputs("gla", device)
        o, state = GLA(*x, output_final_state=True, scale=0.5)
        p, other = OPS["gla"](*x, output_final_state=True, scale=0.5)
        with torch.no_grad():
            assert not GLA(*x)[0].requires_grad
        return same([o, state, *gradients(o, x)], [p, other, *gradients(p, x)], 0)

    def along_an_axis() -> str:
        x = [t.detach().unflatten(1, (5, 8)).requires_grad_() for t in inputs("lightnet", device)]
        rows = [t.detach().transpose(1, 2).flatten(0, 1).requires_grad_() for t in x]
        o, p = LIGHTNET(*x, axis=1)[0], OPS["lightnet"](*rows)[0]
        back = [g.unflatten(0, (2, 8)).transpose(1, 2) for g in (p, *gradients(p, rows))]
        return same([o, *gradients(o, x)], back)

    def pulled_back() -> str:
        """`scan.vjp` along an axis beside autograd."""
        x = [t.detach().unflatten(1, (5, 8)).requires_grad_() for t in inputs("lightnet", device)]
        o, (S, z) = LIGHTNET(*x, axis=2, output_final_state=True)
        given = [torch.randn_like(t) for t in (o, S, z)]
        wanted = torch.autograd.grad([o, S, z], x, given)
        found = LIGHTNET.vjp(*(t.detach() for t in x), axis=2, output_final_state=True)[1](given[0], tuple(given[1:]))
        return same(list(found.values()), wanted)

    def grouped() -> str:
        x = inputs("gla", device, G=2)
        whole = [x[0].detach().requires_grad_(), *(t.detach().repeat_interleave(2, 2).requires_grad_() for t in x[1:])]
        o, p = OPS["gla"](*x)[0], OPS["gla"](*whole)[0]
        wide = gradients(p, whole)
        folded = [wide[0], *(g.unflatten(2, (2, 2)).sum(3) for g in wide[1:])]
        return same([o, *gradients(o, x)], [p, *folded])

    def heads_first() -> str:
        x = inputs("gla", device)
        turned = [t.detach().transpose(1, 2).contiguous().requires_grad_() for t in x]
        o, p = OPS["gla"](*x)[0], OPS["gla"](*turned, head_first=True)[0]
        return same([o, *gradients(o, x)], [t.transpose(1, 2) for t in (p, *gradients(p, turned))])

    def in_segments() -> str:
        x = inputs("gla", device, T=1100)
        o, p = OPS["gla"](*x)[0], OPS["gla"](*x, segments=3)[0]
        return same([p, *gradients(p, x)], [o, *gradients(o, x)], 1e-4)

    def checkpointed() -> str:
        """A backward in segments of time, where little is free, beside one of all tokens."""
        given = [t.detach().mul(0.3).requires_grad_() for t in inputs("lightnet", device, T=200)]
        call = {"cu_seqlens": torch.tensor([0, 150, 150, 400], device=device), "reverse": True}
        packed = [t.detach().flatten(0, 1)[None].requires_grad_() for t in given]
        found, expected = [], []
        for x, settings in ((given, {}), (packed, call)):
            for f, free in ((delta_rule, 1 << 30), (delta_rule, 0), (op(delta_rule), 0)):
                o, state = f(*x, output_final_state=True, **settings)
                cut = mock.Mock(wraps=scan_checkpoints.segment)
                with (
                    mock.patch.multiple(scan_checkpoints, FREE=free, MOST=0),
                    mock.patch("treadle.runtime.scan_vjp.segment", cut),
                ):
                    made = torch.autograd.grad([o, state], x, [torch.ones_like(o), torch.ones_like(state)])
                assert bool(cut.called) == (not free)
                found += made
                expected += made if free else expected[-len(x) :]
        return same(found, expected)

    def no_tokens() -> None:
        x = inputs("lightnet", device, T=0)
        o, state = OPS["lightnet"](*x, output_final_state=True)
        (o.sum() + state[0].sum()).backward()
        assert o.shape == (2, 0, 4, 8) and x[0].grad.shape == x[0].shape

    report("op: plain calls", plain)
    report("op: along an axis", along_an_axis)
    report("op: vjp along an axis", pulled_back)
    report("op: grouped heads", grouped)
    report("op: heads first", heads_first)
    report("op: in segments", in_segments)
    report("op: a checkpointed backward", checkpointed)
    report("op: no tokens", no_tokens)


def _registered(report: Report, device: str) -> None:
    for name, f in OPS.items():
        rest = list(f.scan.constants.values())
        for how in ("whole", "state", "packed", "heads first"):

            def opcheck(name: str = name, f: Any = f, how: str = how, rest: list[Any] = rest) -> str:
                x = inputs(name, device, B=1 if how == "packed" else 2)
                cu = torch.tensor([0, 7, 7, 40], device=device) if how == "packed" else None
                with torch.no_grad():
                    _, state = f(*x, output_final_state=True, cu_seqlens=cu)
                if how == "heads first":
                    x = [t.detach().transpose(1, 2).contiguous().requires_grad_() if t.dim() == 4 else t for t in x]
                states = [None] * len(several(state))
                if how == "state":
                    states = [torch.randn_like(s).requires_grad_() for s in several(state)]
                settings = [how != "whole", False, True, None, how == "heads first", False, *rest]
                done = torch.library.opcheck(f.operator.forward, (*x, *states, cu, *settings))
                given = [None if t is None else t.detach() for t in (*x, *states)]
                results = several(f.operator.forward(*given, cu, *settings))
                weights = [r if r.numel() else None for r in results]
                names = ",".join(f.operator.inputs)
                torch.library.opcheck(f.operator.backward, (*given, cu, *weights, *settings, names))
                assert set(done.values()) == {"SUCCESS"}
                return ", ".join(done)

            report(f"opcheck: {name}, {how}", opcheck)


def _autocast(report: Report, device: str) -> None:
    for name in ("gla", "lightnet"):

        def check(name: str = name) -> str:
            x = inputs(name, device)
            half = [
                t.detach().bfloat16().requires_grad_() if i < 3 else t.detach().requires_grad_()
                for i, t in enumerate(x)
            ]
            with torch.autocast(device, dtype=torch.bfloat16):
                o, state = OPS[name](*x, output_final_state=True)
                plain = (GLA if name == "gla" else LIGHTNET)(*x)[0]
            assert o.dtype == plain.dtype == torch.bfloat16 and several(state)[0].dtype == torch.float32
            p, _ = OPS[name](*half)
            found = gradients(o, x)
            assert all(g.dtype == torch.float32 for g in found)
            return same([o, *found], [p, *(g.float() for g in gradients(p, half))], 1e-6)

        report(f"autocast: {name}", check)


def _compiled(report: Report, device: str, backend: str, layers: Mapping[str, Any]) -> None:
    for name, f in OPS.items():

        def whole(name: str = name, f: Any = f) -> str:
            torch._dynamo.reset()

            def function(*x: Any) -> Any:
                o, state = f(x[0] * 2, *x[1:], output_final_state=True)
                return (o * o).sum() + sum(s.sum() for s in several(state))

            x = inputs(name, device)
            value, expected = torch.compile(function, fullgraph=True, backend=backend)(*x), function(*x)
            return same([value, *gradients(value, x)], [expected, *gradients(expected, x)], 1e-4)

        report(f"compile: {name}", whole)

    def lengths() -> str:
        torch._dynamo.reset()
        counter = torch._dynamo.testing.CompileCounter()
        compiled = torch.compile(lambda *x: OPS["gla"](*x)[0], backend=counter, fullgraph=True, dynamic=True)
        for T in (40, 50, 60):
            x = inputs("gla", device, T=T)
            same([compiled(*x)], [OPS["gla"](*x)[0]], 0)
        assert counter.frame_count == 1, f"compiled {counter.frame_count} times"
        return "compiled once"

    report("compile: several lengths", lengths)

    def functions() -> str:
        torch._dynamo.reset()
        x = inputs("gla", device)

        def function(q: Any, k: Any, v: Any, g: Any) -> Any:
            a, _ = treadle.fla.chunk_gla(q, k, v, g)
            b, _ = treadle.fla.chunk_lightning_attn(q, k, v, 1, 4)
            c, _ = treadle.fla.causal_conv1d(q[:, :, 0], k[0, :4, 0].T, activation="silu")
            return a.sum() + b.square().sum() + c.sum() + treadle.fla.parallel_based(q, k, v).sum()

        value, expected = torch.compile(function, fullgraph=True, backend=backend)(*x), function(*x)
        return same([value, *gradients(value, x)], [expected, *gradients(expected, x)], 1e-4)

    report("compile: treadle.fla", functions)
    for name, layer in layers.items():

        def one(layer: Any = layer) -> str:
            torch._dynamo.reset()
            x = torch.randn(2, 40, 32, device=device, requires_grad=True)
            given = [x, *layer.parameters()]
            y, expected = torch.compile(layer, fullgraph=True, backend=backend)(x), layer(x)
            return same([y, *gradients(y, given)], [expected, *gradients(expected, given)], 1e-4)

        report(f"compile: layer {name}", one)
