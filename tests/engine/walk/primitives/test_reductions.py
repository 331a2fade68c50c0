"""Axes that are folded, so far or whole, and windows."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from jax import lax

from tests.engine.walk.conformance import (
    FLOATS,
    TRUTH,
    bound,
    conforms,
    full_shapes,
    numbers,
    operands,
    primitives,
    shapes,
    sweep,
)

pytestmark = pytest.mark.usefixtures("float64")


def axes_of(shape):
    return st.lists(st.sampled_from(range(len(shape))), unique=True, max_size=len(shape)) if shape else st.just([])


def reduced(name, axes):
    extra = {"out_sharding": None} if name in ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min") else {}
    return bound(name, axes=tuple(axes), **extra)


@st.composite
def reductions(draw, dtype, *, special=True):
    shape = draw(shapes)
    return sorted(draw(axes_of(shape))), draw(operands((dtype, shape), special=special))


@pytest.mark.parametrize("name", ["reduce_sum", "reduce_prod", "reduce_max", "reduce_min"])
@pytest.mark.parametrize("dtype", [*FLOATS, np.dtype(np.int32)], ids=str)
def test_reductions_agree_with_xla(name, dtype, examples):
    cases = reductions(dtype)
    sweep(cases, lambda case: conforms(reduced(name, case[0]), *case[1]), examples)


@pytest.mark.parametrize("dtype", FLOATS[:2], ids=str)
@pytest.mark.parametrize("rows", [1, 2, 9])
@pytest.mark.parametrize("length", [33, 100, 1500])
def test_sums_over_long_axes_agree_with_xla(length, rows, dtype):
    beside = (((0,), (length, 9)), ((1,), (2, length, 9)))
    for axes, shape in (((0,), (length, 2)), ((1,), (2, length)), ((0, 1), (length, 3)), ((0,), (length,)), *beside):
        conforms(reduced("reduce_sum", axes), numbers(1, dtype, (*shape, rows), special=False))


@pytest.mark.parametrize("name", ["reduce_and", "reduce_or", "reduce_xor"])
@pytest.mark.parametrize("dtype", [TRUTH, np.dtype(np.int32)], ids=str)
def test_logical_reductions_agree_with_xla(name, dtype, examples):
    sweep(reductions(dtype), lambda case: conforms(reduced(name, case[0]), *case[1]), examples)


@pytest.mark.parametrize("find", [lax.argmax, lax.argmin])
@pytest.mark.parametrize("dtype", [*FLOATS, np.dtype(np.int32), TRUTH], ids=str)
def test_places_of_extremes_agree_with_xla(find, dtype):
    conforms(lambda x: find(x, 0, np.int32), np.round(numbers(1, dtype, (9, 3)) * (1 if dtype == TRUTH else 2), 0))


CUMULATIVE = ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", CUMULATIVE)
def test_cumulations_agree_with_xla(name, dtype, backwards):
    cumulate = getattr(lax, name)
    special = name in ("cummax", "cummin")
    for axis, shape in ((0, (9,)), (1, (2, 40))):
        given = numbers(1, dtype, (*shape, 3), special=special, scale=0.5)
        conforms(lambda x, axis=axis: cumulate(x, axis, reverse=backwards), given)


@pytest.mark.parametrize("name", CUMULATIVE[:4])
def test_cumulations_of_whole_numbers_wrap_around(name):
    conforms(lambda x: getattr(lax, name)(x, 0), numbers(1, np.int32, (9, 3)))


@pytest.mark.parametrize("name", ["reduce_sum", "reduce_prod", "reduce_max", "reduce_min"])
def test_one_axis_of_an_array_without_entries_is_folded_to_nothing(name: str):
    conforms(reduced(name, (0,)), numbers(0, np.float64, (2, 0, 3)))


@st.composite
def windows(draw):
    shape = draw(full_shapes)
    count = len(shape)

    def each(values):
        return tuple(draw(st.lists(values, min_size=count, max_size=count)))

    params = {
        "window_dimensions": each(st.integers(1, 3)),
        "window_strides": each(st.integers(1, 2)),
        "padding": each(st.tuples(st.integers(0, 2), st.integers(0, 2))),
    }
    dilations = {"base_dilation": each(st.integers(1, 2)), "window_dilation": each(st.integers(1, 2))}
    return shape, params, dilations, draw(st.integers(0, 99))


def fits(shape, params):
    return all(
        size + sum(pad) >= width
        for size, pad, width in zip(shape, params["padding"], params["window_dimensions"], strict=True)
    )


@pytest.mark.parametrize("name", ["sum", "max", "min"])
def test_windows_are_folded_as_by_xla(name, examples):
    def check(case):
        shape, params, dilations, seed = case
        given = numbers(seed, np.float64, (*shape, 2), special=name != "sum")
        conforms(bound(f"reduce_window_{name}", **params, **dilations), given)

    sweep(windows(), check, 2 * examples)


@pytest.mark.parametrize("name", ["sum", "max", "min"])
def test_a_window_that_is_wider_than_the_array_has_no_result(name: str):
    params = {"window_dimensions": (2,), "window_strides": (1,), "padding": ((0, 0),)}
    wide = bound(f"reduce_window_{name}", **params, base_dilation=(1,), window_dilation=(2,))
    conforms(wide, numbers(0, np.float64, (2, 2)))


@pytest.mark.parametrize("select", ["ge", "le"])
def test_tangents_of_extremes_of_windows_agree_with_xla(select, examples):
    def check(case):
        shape, params, dilations, seed = case
        chosen = {"select_prim": primitives()[select], **params}
        x = np.round(numbers(seed, np.float64, (*shape, 3)))
        tangents = numbers(seed + 1, np.float64, (*shape, 1), special=False)
        conforms(bound("select_and_gather_add", **chosen, **dilations), tangents, x)

    sweep(windows(), check, 2 * examples)


@pytest.mark.parametrize("select", ["ge", "le"])
def test_cotangents_of_extremes_of_windows_agree_with_xla(select, examples):
    def check(case):
        shape, params, _, seed = case
        x = np.round(numbers(seed, np.float64, (*shape, 3)))
        counts = [
            (size + sum(pad) - width) // stride + 1
            for size, pad, width, stride in zip(
                shape, params["padding"], params["window_dimensions"], params["window_strides"], strict=True
            )
        ]
        source = numbers(seed + 1, np.float64, (*counts, 3), special=False)
        conforms(bound("select_and_scatter_add", select_prim=primitives()[select], **params), source, x)

    sweep(windows().filter(lambda case: fits(case[0], case[1])), check, 2 * examples)
