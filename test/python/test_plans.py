"""Calling a kernel again on tensors like those before."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import treadle as td
from treadle.runtime import call


@td.kernel
def scale(x: td.Tensor["M", 64], y: td.Tensor["M", 64], w: td.Optional[td.Tensor[64]] = None, a: td.f32 = 2.0):
    (i,) = td.grid(x.shape[0])
    t = x[i, :].to(td.f32) * a
    if w is not None:
        t = t * w[:].to(td.f32)
    y[i, :] = t.to(y.dtype)


@dataclass(frozen=True)
class Device:
    """Like torch.device."""

    type: str = "cuda"
    index: int = 0


class Tensor:
    """Like torch.Tensor, on a GPU."""

    device = Device()

    def __init__(self, address: int, *shape: int) -> None:
        self.address, self.shape, self.dtype = address, shape, "torch.bfloat16"

    def data_ptr(self) -> int:
        return self.address

    def stride(self) -> tuple[int, ...]:
        return (64, 1)[-len(self.shape) :]

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is launched: the arguments by name where they were read, else addresses in the bundle's order."""
    found: list[Any] = []

    def bundle(kernel: Any, asked: call.Call, arch: str) -> Any:
        names = [name for name in ("x", "y", "w") if name in asked.arguments]

        def prepare(**arguments: Any) -> Any:
            return SimpleNamespace(
                launch=lambda stream: found.append((arguments, stream)),
                launch_pointers=lambda pointers, stream: found.append((pointers, stream)),
            )

        params = [SimpleNamespace(name=name, is_tensor=True) for name in names]
        return SimpleNamespace(params=[*params, SimpleNamespace(name="a", is_tensor=False)], prepare=prepare)

    monkeypatch.setattr(call, "_bundle", bundle)
    monkeypatch.setattr(call, "arch_of", lambda device: "sm_90a")
    call._plans.pop(scale, None)
    return found


def test_alike(launched: list[Any]) -> None:
    x, y, w = Tensor(0x1000, 5, 64), Tensor(0x2000, 5, 64), Tensor(0x3000, 64)
    scale(x, y)
    assert launched == [({"x": x, "y": y}, None)]
    scale(Tensor(0x5000, 5, 64), Tensor(0x6000, 5, 64), stream=9)
    assert launched[1] == ([0x5000, 0x6000], 9)
    scale(y=y, x=x, w=w, a=0.5)
    scale(y=x, x=y, w=w, a=0.5)
    assert launched[2][0] == {"x": x, "y": y, "w": w, "a": 0.5}
    assert launched[3] == ([0x2000, 0x1000, 0x3000], None)
    scale(x, y, None)
    scale(x, y, None)
    assert launched[5] == ([0x1000, 0x2000], None)


def test_not_alike(launched: list[Any]) -> None:
    """Other sizes, values, types of values and settings are read again."""
    x, y = Tensor(0x1000, 5, 64), Tensor(0x2000, 5, 64)
    scale(x, y, a=0.0)
    for again in (
        lambda: scale(x, y, a=-0.0),
        lambda: scale(x, y, a=0),
        lambda: scale(x, y, a=0.0, num_warps=2),
        lambda: scale(x, y, a=0.0, fast_math=True),
        lambda: scale(Tensor(0x1000, 6, 64), Tensor(0x2000, 6, 64), a=0.0),
        lambda: scale(x=x, y=y, a=0.0),
    ):
        again()
        assert isinstance(launched[-1][0], dict)


def test_plans_are_forgotten(launched: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from treadle.runtime import plans

    monkeypatch.setattr(plans, "_LIMIT", 3)
    for rows in (1, 2, 3, 4, 1):
        scale(Tensor(0x1000, rows, 64), Tensor(0x2000, rows, 64))
        assert isinstance(launched[-1][0], dict)
    assert len(call._plans[scale]) == 2
