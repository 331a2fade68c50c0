"""Gathers, scatters and dynamic slices, in bounds and beyond."""

from __future__ import annotations

import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from eqprop.engine.walk.primitives import indexing
from tests.engine.walk.both import ROWS, assert_equal_to_the_bit, integers
from tests.engine.walk.conformance import bound, conforms, numbers, rows, seeds, sweep

pytestmark = pytest.mark.usefixtures("float64")

MODES = ("clip", "fill", "promise_in_bounds")
GATHERS = {  # operand, indices, sizes of a slice, which axes are which
    "rows": ((5, 6), (4, 1), (1, 6), lax.GatherDimensionNumbers((1,), (0,), (0,))),
    "columns": ((5, 6), (4, 1), (5, 1), lax.GatherDimensionNumbers((0,), (1,), (1,))),
    "boxes": ((5, 6), (4, 2), (2, 3), lax.GatherDimensionNumbers((1, 2), (), (1, 0))),
    "own": ((3, 5, 6), (3, 4, 1), (1, 1, 6), lax.GatherDimensionNumbers((2,), (1,), (1,), (0,), (0,))),
    "split": ((5, 6), (2, 3, 1), (5, 2), lax.GatherDimensionNumbers((0, 2), (), (1,))),
    "entries": ((5, 6), (4, 2), (1, 1), lax.GatherDimensionNumbers((), (0, 1), (0, 1))),
    "none": ((5, 6), (0, 1), (1, 6), lax.GatherDimensionNumbers((1,), (0,), (0,))),
}
SCATTERS = {  # operand, indices, updates, which axes are which
    "rows": ((5, 6), (4, 1), (4, 6), lax.ScatterDimensionNumbers((1,), (0,), (0,))),
    "boxes": ((5, 6), (4, 2), (2, 4, 3), lax.ScatterDimensionNumbers((0, 2), (), (1, 0))),
    "own": ((3, 5, 6), (3, 4, 1), (3, 4, 6), lax.ScatterDimensionNumbers((2,), (1,), (1,), (0,), (0,))),
    "entries": ((5, 6), (4, 2), (4,), lax.ScatterDimensionNumbers((), (0, 1), (0, 1))),
}


@st.composite
def indexed(draw, mode, *shapes):
    """A seed, rows of each array, and indices that reach out where the mode allows for it."""
    count, seed, lazy = draw(rows), draw(seeds), [draw(st.booleans()) for _ in shapes]
    wide = [1 if same else count for same in lazy]
    low, high = (0, 3) if mode == "promise_in_bounds" else (-3, 8)
    starts = np.random.default_rng(seed).integers(low, high, (*shapes[1], wide[1])).astype(draw(st.sampled_from("il")))
    return seed, wide, starts


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", GATHERS)
@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.uint8, np.bool_])
def test_gathers_agree_with_xla(dtype, case, mode, examples):
    shape, indices, sizes, names = GATHERS[case]

    def check(drawn):
        seed, wide, starts = drawn
        gather = bound(
            "gather",
            dimension_numbers=names,
            slice_sizes=sizes,
            indices_are_sorted=False,
            unique_indices=False,
            mode=lax.GatherScatterMode.from_any(mode),
            fill_value=None,
        )
        conforms(gather, numbers(seed, dtype, (*shape, wide[0])), starts)

    sweep(indexed(mode, shape, indices), check, 1 if examples < 10 else examples // 4)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", SCATTERS)
@pytest.mark.parametrize("name", ["scatter", "scatter_add", "scatter_mul", "scatter_min", "scatter_max", "scatter_sub"])
def test_scatters_agree_with_xla(name, case, mode, examples):
    shape, indices, updates, names = SCATTERS[case]
    change = getattr(lax, name)

    def check(drawn):
        seed, wide, starts = drawn
        given = (
            numbers(seed, np.float64, (*shape, wide[0])),
            starts,
            numbers(seed + 1, np.float64, (*updates, wide[2])),
        )
        conforms(lambda x, i, new: change(x, i, new, names, mode=mode), *given)

    sweep(indexed(mode, shape, indices, updates), check, 1 if examples < 10 else examples // 4)


@pytest.mark.parametrize("others", [[], [(0, 1)], [(0, 7)], [(0, -1)]], ids=["none", "twice", "beyond", "before"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", ["scatter", "scatter_add", "scatter_max"])
def test_updates_of_a_whole_axis_agree_with_xla_whether_or_not_each_row_lists_every_place_once(name, axis, others):
    length, change = (5, 6)[axis], getattr(lax, name)
    places = np.random.default_rng(0).permuted(np.tile(np.arange(length), (ROWS, 1)), axis=1)
    for row, place in others:
        places[row, 2] = places[row, 0] if place == 1 else place
    names = lax.ScatterDimensionNumbers((1 - axis,), (axis,), (axis,))
    updates = numbers(2, np.float64, (5, 6, ROWS))
    for wide in (1, ROWS):
        given = numbers(1, np.float64, (5, 6, wide)), places.T[:, None], updates
        conforms(lambda x, i, new: change(x, i, new, names), *given)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float32, np.int32])
def test_sums_at_places_that_are_met_twice_round_as_by_xla(dtype):
    names = SCATTERS["rows"][-1]
    given = (numbers(1, dtype, (5, 6, 3)), np.array([[1, 1, 1, 4]]).T[..., None], numbers(2, dtype, (4, 6, 3)))
    conforms(lambda x, i, new: lax.scatter_add(x, i, new, names), *given)


@pytest.mark.parametrize("lazy", [True, False])
def test_boxes_are_moved_inside_as_by_xla(lazy, examples):
    def check(drawn):
        seed, wide, starts = drawn
        x, new = numbers(seed, np.float64, (4, 5, wide[0])), numbers(seed + 1, np.float64, (2, 3, wide[2]))
        corner = (starts[0, :, :1] if lazy else starts[0])[0], starts[1, 0, :1]
        conforms(bound("dynamic_slice", slice_sizes=(2, 3)), x, *corner)
        conforms(bound("dynamic_update_slice"), x, new, *corner)

    sweep(indexed("clip", (4, 5), (2, 1), (2, 3)), check, 2 * examples)


@pytest.mark.parametrize("alike", [True, False])
def test_many_entries_are_found_alike_whether_or_not_all_rows_begin_at_the_same_places(monkeypatch, alike):
    monkeypatch.setattr(indexing, "KEPT", 0)
    x, places = integers(5, 6), np.random.default_rng(0).permuted(np.tile(np.arange(5), (ROWS, 1)), axis=1)
    if alike:
        places[:] = places[0]
    assert_equal_to_the_bit(lambda x, at: (x[at], jnp.ones((5, 6)).at[at[:3]].mul(x[:3])), x, places)
