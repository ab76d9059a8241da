"""Scans whose states have kernels of their own, where one could not work in chunks, or where it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import separate_steps
import test_scan_random
import treadle as td
from scan_checks import same
from treadle import compiler
from treadle.errors import TreadleError
from treadle.frontend.scans import Scan

try:
    compiler.library()
except TreadleError as error:
    pytest.skip(str(error), allow_module_level=True)

HERE = Path(__file__).parent


def kernels(scan: Any, **constants: int) -> list[str]:
    """The kernels of a forward in chunks, and whether each is."""
    return compiler.kernels_of(scan.to_mlir(constants, "bf16", chunked=True, separate=True))


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forwards in chunks are compiled with separate=True."""
    whole = Scan.to_mlir

    def to_mlir(self: Scan, *args: Any, **settings: Any) -> str:
        separate = bool(settings.get("chunked")) and not settings.get("backward")
        return whole(self, *args, **{**settings, "separate": separate})

    monkeypatch.setattr(Scan, "to_mlir", to_mlir)


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.usefixtures("apart")
def test_random_steps(seed: int, tmp_path: Path) -> None:
    test_scan_random.test_random(seed, tmp_path)


@pytest.mark.parametrize("on", ["cpu", "sim"])
@pytest.mark.parametrize("T", [1, 40, 130])
def test_a_step_without_a_form_beside_one(T: int, on: str) -> None:
    """The second of two states is computed in chunks, without being asked for."""
    scan, rng = separate_steps.corrected, np.random.default_rng(T)
    text = scan.to_mlir({"K": 16, "V": 8}, "f32", chunked=True)
    tile = compiler.run(text, {"emit": "tile"}).artifacts["text"].decode()
    first, second = (part for part in tile.split("func.func @")[1:])
    assert first.startswith("corrected_piece_1(") and "chunk = 1 " in first
    assert second.startswith("corrected_piece_2(") and "chunk = 64 " in second
    q, k, v = (rng.standard_normal((2, T, 2, n)).astype(np.float32) for n in (16, 16, 8))
    inputs = {"q": q, "k": k / 4, "v": v, "beta": rng.random((2, T, 2)).astype(np.float32), "slow": -rng.random(2)}
    inputs["slow"] = inputs["slow"].astype(np.float32)
    states = tuple(rng.standard_normal((2, 2, 16, 8)).astype(np.float32) for _ in range(2))
    settings = {"initial_state": states, "output_final_state": True}
    same(scan(**inputs, **settings, chunk=64, on=on), scan.reference(**inputs, **settings), f"T {T} {on}")


def test_segments_of_pieces() -> None:
    scan, rng = separate_steps.corrected, np.random.default_rng(0)
    q, k, v = (rng.standard_normal((1, 200, 1, n)).astype(np.float32) for n in (16, 16, 8))
    beta, slow = rng.random((1, 200, 1)).astype(np.float32), np.full(1, -0.1, np.float32)
    arguments = {"q": q, "k": k / 4, "v": v, "beta": beta, "slow": slow, "output_final_state": True}
    same(scan(**arguments, segments=3, chunk=16), scan.reference(**arguments), "segments")


@pytest.mark.parametrize("name", ["both_ways", "matrices_both_ways", "queried"])
def test_states_that_change_with_each_other(name: str) -> None:
    scan, rng = getattr(separate_steps, name), np.random.default_rng(1)
    inputs = {p.name: rng.standard_normal((2, 40, 1, 8)).astype(np.float32) / 3 for p in scan.inputs}
    settings = {"output_final_state": True}
    same(scan(**inputs, **settings, chunk=16), scan.reference(**inputs, **settings), name)


def test_what_is_one_piece() -> None:
    assert kernels(separate_steps.queried, K=16) == ["queried"]
    assert kernels(separate_steps.both_ways, D=8) == ["both_ways"]


def test_pieces_in_the_order_in_which_they_need_each_other() -> None:
    mixers = td.load_scans(HERE / "mixer_steps.py")
    assert kernels(mixers["series"], K=16, V=16) == ["series_piece_1", "series_piece_2"]
    names = kernels(mixers["gated_lightnet"], K=16, V=16, W=4)
    assert names == [f"gated_lightnet_piece_{n}" for n in (1, 2, 3)]


def test_arrays_have_names_that_no_parameter_has(tmp_path: Path) -> None:
    path = tmp_path / "named.py"
    path.write_text(
        "import treadle as td\n\n@td.scan\n"
        'def f(kept_0: td.In["D"], x: td.State["D"] = 0, y: td.State["D"] = 0):\n'
        "    x = 0.5 * x + kept_0\n    y = 0.5 * y + td.tanh(x)\n    return y, x, y\n"
    )
    scan = td.load_scans(path)["f"]
    text = scan.to_mlir({"D": 4}, "f32", chunked=True, separate=True)
    tile = compiler.run(text, {"emit": "tile"}).artifacts["text"].decode()
    assert '"kept_1"' in tile and '"kept_2"' not in tile
