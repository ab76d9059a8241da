"""The primitives have the rules of the dialect's ops, and the README's table of them is true."""

from __future__ import annotations

import numpy as np
import primitives_table
import pytest
import tiles


def test_table_is_current() -> None:
    """`python primitives_table.py` rewrites it."""
    found = primitives_table.SECTION.search(primitives_table.README.read_text())
    assert found and found.group() == primitives_table.table()


def test_every_primitive_is_needed() -> None:
    """None is defined that no sketch uses."""
    unused = [row for row in primitives_table.table().splitlines()[2:] if "x" not in row.split("|", 2)[2]]
    assert unused == []


def test_load_fills_on_every_side_and_store_leaves_the_rest() -> None:
    array = np.arange(6.0).reshape(2, 3)
    view = tiles.View(array)
    assert tiles.load(view, [-1, 2], [0, 1], [4, 2], other=9)._array.tolist() == [[9, 9], [2, 9], [5, 9], [9, 9]]
    assert tiles.load(view, [2, 0], [1], [2])._array.tolist() == [0, 0]
    assert tiles.load(view, [1, 1], [], [])._array == 4
    tiles.store(tiles.load(view, [0, 5], [0, 1], [2, 2], other=7), view, [1, 2], [0, 1])
    assert array.tolist() == [[0, 1, 2], [3, 4, 7]]


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_keeps_the_order_of_a_combine_that_does_not_commute(reverse: bool) -> None:
    """First-order recurrences x_t = a_t x_{t−1} + b_t."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 8, 2))

    def affine(a: tiles.Tile, b: tiles.Tile, a2: tiles.Tile, b2: tiles.Tile) -> tuple[tiles.Tile, ...]:
        return a * a2, b * a2 + b2

    _, x = tiles.scan([tiles.Tile(a), tiles.Tile(b)], 0, affine, reverse=reverse)
    expected, last = np.empty_like(b), np.zeros(2)
    for t in reversed(range(8)) if reverse else range(8):
        expected[t] = last = a[t] * last + b[t]
    np.testing.assert_allclose(x._array, expected)


def test_shapes_must_match_and_be_powers_of_two() -> None:
    """No broadcasting but the op's, no shape but the dialect's."""
    with pytest.raises(AssertionError, match="differ"):
        tiles.Tile(np.zeros(4)) + tiles.Tile(np.zeros((4, 4)))
    with pytest.raises(AssertionError, match="powers of two"):
        tiles.iota(3)
