"""What a walk reads off a leaf is what is read off whole sides, however the leaf lies in memory."""

from __future__ import annotations

import numpy as np
import pytest

from eqprop import rounding

ENTRIES, COPIES, PROBES = 70, 3, 5


def sides(copies: int, special: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Of shape (entries, rows, probes)."""
    rng = np.random.default_rng(0)
    left = rng.standard_normal((ENTRIES, 1 + copies, PROBES))
    right = left + 1e-12 * rng.standard_normal(left.shape)
    if special is not None:
        right[7, copies, 2] = special
    return left, right


@pytest.mark.parametrize("lying", [(0, 1, 2), (1, 2, 0)], ids=["rows behind", "rows as wholes"])
@pytest.mark.parametrize("special", [None, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("copies", [1, COPIES])
def test_a_leaf_is_read_as_whole_sides_are(copies: int, special: float | None, lying: tuple[int, ...]):
    left, right = sides(copies, special)
    back = tuple(np.argsort(lying))
    lies = [np.ascontiguousarray(side.transpose(lying)).transpose(back) for side in (left, right)]
    residual, spread, size, finite = rounding.of_leaf(*lies, PROBES)
    whole = [side.transpose(2, 1, 0) for side in (left, right)]
    expected = rounding.measure(*whole, np.zeros((PROBES, 1 + copies, 1)), np.array([0, ENTRIES]))
    np.testing.assert_array_equal(finite > 0, expected.finite)
    settled = expected.finite
    for read, field in ((residual, expected.residual), (spread, expected.spread), (size, expected.size)):
        np.testing.assert_array_equal(read[settled], field[settled, 0])


def test_a_side_that_is_the_same_in_all_rows_may_have_one():
    left, right = sides(COPIES, None)
    one = right[:, :1, :1]
    found = rounding.of_leaf(left, one, PROBES)
    np.testing.assert_array_equal(found, rounding.of_leaf(left, np.broadcast_to(one, left.shape), PROBES))
