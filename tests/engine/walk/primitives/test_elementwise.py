"""Arithmetic, comparisons, and what whole numbers do."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from jax import lax

from tests.engine.walk.conformance import (
    COMPLEX,
    FLOATS,
    TRUTH,
    WHOLE,
    bound,
    conforms,
    numbers,
    operands,
    primitives,
    sweep,
)

pytestmark = pytest.mark.usefixtures("float64")

REALS = (*FLOATS, *WHOLE)
ONE = {
    "neg": (*REALS, *COMPLEX),
    "sign": (*REALS, *COMPLEX),
    "abs": (*FLOATS, *COMPLEX, np.dtype(np.int32)),
    "floor": FLOATS,
    "ceil": FLOATS,
    "square": (*REALS, *COMPLEX),
    "is_finite": FLOATS,
    "real": COMPLEX,
    "imag": COMPLEX,
    "not": (*WHOLE, TRUTH),
    "population_count": WHOLE,
    "clz": WHOLE,
}
TWO = {
    **dict.fromkeys(("add", "add_any", "sub", "mul", "div"), (*REALS, *COMPLEX)),
    **dict.fromkeys(("max", "min", "rem", "lt", "le", "gt", "ge"), REALS),
    **dict.fromkeys(("eq", "ne"), (*REALS, *COMPLEX, TRUTH)),
    **dict.fromkeys(("eq_to", "lt_to", "le_to"), REALS),
    **dict.fromkeys(("and", "or", "xor"), (*WHOLE, TRUTH)),
    "nextafter": FLOATS,
}
SHIFTS = ("shift_left", "shift_right_logical", "shift_right_arithmetic")
SIZE = 40
"""Numbers to a row: many at once cost no more to compile."""


@pytest.mark.parametrize(("name", "dtype"), [(n, d) for n, dtypes in ONE.items() for d in dtypes], ids=str)
def test_operations_on_one_number_agree_with_xla(name, dtype):
    conforms(bound(name), numbers(1, dtype, (SIZE, 3)))


@pytest.mark.parametrize("dtype", [*FLOATS, *COMPLEX], ids=str)
def test_square_roots_agree_with_xla(dtype):
    conforms(lax.sqrt, numbers(2, dtype, (SIZE, 3)))


@pytest.mark.parametrize(("name", "dtype"), [(n, d) for n, dtypes in TWO.items() for d in dtypes], ids=str)
def test_operations_on_two_numbers_agree_with_xla(name, dtype):
    conforms(bound(name), numbers(1, dtype, (SIZE, 3)), numbers(2, dtype, (SIZE, 3)))


@pytest.mark.parametrize("name", ["add", "mul", "div", "max", "lt"])
def test_rows_that_are_all_the_same_meet_those_that_are_not(name, examples):
    shapes = st.sampled_from([((2, 3), (2, 3)), ((), (2, 3)), ((0, 3), (0, 3)), ((2, 3), ())])
    cases = shapes.flatmap(lambda s: operands((np.float64, s[0]), (np.float64, s[1])))
    sweep(cases, lambda given: conforms(bound(name), *given), examples)


@pytest.mark.parametrize("dtype", WHOLE, ids=str)
@pytest.mark.parametrize("name", SHIFTS)
def test_shifts_agree_with_xla_beyond_the_width_too(name, dtype):
    by = np.resize(np.array([0, 1, 7, 8, 31, 32, 33, 63, 64, 100]).astype(dtype), (SIZE, 3))
    conforms(bound(name), numbers(1, dtype, (SIZE, 3)), by)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32])
def test_the_upper_half_of_a_product_agrees_with_xla(dtype):
    if "mulhi" in primitives():  # newer releases of JAX have it
        conforms(bound("mulhi"), numbers(1, dtype, (SIZE, 3)), numbers(2, dtype, (SIZE, 3)))


@pytest.mark.parametrize("exponent", [-3, -2, -1, 0, 1, 2, 3, 5, 7, 10])
@pytest.mark.parametrize("dtype", [*FLOATS, *COMPLEX], ids=str)
def test_integer_powers_round_in_the_order_of_jax(dtype, exponent):
    conforms(lambda x: lax.integer_pow(x, exponent), numbers(3, dtype, (SIZE, 3)))


def test_integer_powers_of_whole_numbers_wrap_around():
    conforms(lambda x: lax.integer_pow(x, 5), numbers(3, np.int32, (SIZE, 3)))


@pytest.mark.parametrize("method", list(lax.RoundingMethod), ids=str)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_halves_are_rounded_as_asked(dtype, method):
    near = np.array([0.5, -0.5, 1.5, 2.5, -2.5, 0.49999999999999994, -0.3, 0.0, -0.0]).astype(dtype)
    x = np.concatenate([near, numbers(4, dtype, (SIZE,))])[:, None]
    conforms(lambda x: lax.round(x, method), x)


@pytest.mark.parametrize("dtype", [*FLOATS, np.dtype(np.int32)], ids=str)
def test_clamping_agrees_with_xla_where_the_bounds_cross(dtype):
    conforms(lax.clamp, *(numbers(seed, dtype, (SIZE, 3)) for seed in (1, 2, 3)))
    conforms(lax.clamp, numbers(1, dtype, (3,)), numbers(2, dtype, (SIZE, 3)), numbers(3, dtype, (1,)))


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.bool_, np.complex64])
def test_selection_takes_the_case_that_is_named(dtype, examples):
    kinds = st.sampled_from([(), (4,)]).flatmap(
        lambda shape: operands((TRUTH, shape), (dtype, (4,)), (dtype, (4,)))  # one flag for all, or each its own
    )
    sweep(kinds, lambda given: conforms(lax.select_n, *given), examples)


def test_selection_by_a_number_beyond_the_cases_takes_the_nearest():
    which = np.array([-7, -1, 0, 1, 2, 3, 99], np.int32)[:, None]
    conforms(lax.select_n, which, *(numbers(seed, np.float64, (7, 2)) for seed in (1, 2, 3)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_complex_numbers_are_put_together_and_taken_apart(dtype, examples):
    sweep(operands((dtype, (3,)), (dtype, (3,))), lambda given: conforms(lax.complex, *given), examples)
    conforms(lax.conj, numbers(1, dtype, (SIZE, 3)).astype(np.result_type(dtype, np.complex64)))
    conforms(lax.conj, numbers(1, dtype, (SIZE, 3)))


@pytest.mark.parametrize("name", ["one_minus_square", "polynomial"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_operations_of_newer_releases_agree_with_xla(name, dtype):
    if name in primitives():
        count = 1 if name == "one_minus_square" else 4
        given = [numbers(seed, dtype, (SIZE, 3), special=False) for seed in range(count)]
        conforms(bound(name, **({} if count == 1 else {"unroll": None})), *given)


def test_sums_and_differences_below_the_smallest_normal_number_are_kept():
    """XLA rounds them to zero, NumPy does as IEEE 754 says: stated here so that it cannot change unseen."""
    least = np.array([np.finfo(np.float64).smallest_subnormal])
    assert (least + least)[0] > 0
    assert float(lax.add(*(2 * [least]))[0]) == 0
