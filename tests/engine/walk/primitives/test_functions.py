"""Functions of one or two numbers, over their domains."""

from __future__ import annotations

import numpy as np
import pytest
from jax import lax

from tests.engine.walk.conformance import COMPLEX, FLOATS, bound, conforms, numbers, primitives

pytestmark = pytest.mark.usefixtures("float64")

SIZE = 200
EVERYWHERE = (
    *("exp", "expm1", "log", "log1p", "logistic", "rsqrt", "cbrt", "sin", "cos", "tan", "atan", "tanh", "asinh"),
    *("acosh", "erf", "erfc", "bessel_i0e", "bessel_i1e", "exp2"),
)
BETWEEN_ONES = ("asin", "acos", "atanh", "erf_inv")
UP_TO_16 = ("sinh", "cosh")
OF_POSITIVE = ("lgamma", "digamma")
OF_COMPLEX = ("exp", "log", "logistic", "rsqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh", "asinh", "acosh")


def inside(dtype, low, high, seed=0):
    """Numbers between two, those themselves among them."""
    drawn = np.random.default_rng(seed).uniform(low, high, (SIZE, 3))
    drawn[0] = low, high, (low + high) / 2
    return drawn.astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", EVERYWHERE)
def test_functions_of_any_number_agree_with_xla(name, dtype):
    conforms(getattr(lax, name), numbers(1, dtype, (SIZE, 3)))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", BETWEEN_ONES)
def test_functions_of_numbers_between_minus_one_and_one_agree_with_xla(name, dtype):
    conforms(getattr(lax, name), inside(dtype, -1, 1))
    conforms(getattr(lax, name), np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 2], dtype)[:, None])


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", UP_TO_16)
def test_hyperbolic_functions_agree_with_xla_where_it_is_exact(name, dtype):
    conforms(getattr(lax, name), inside(dtype, -10, 10))
    conforms(getattr(lax, name), np.array([np.inf, -np.inf, np.nan, 0.0, -0.0], dtype)[:, None])


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", OF_POSITIVE)
def test_functions_of_positive_numbers_agree_with_xla(name, dtype):
    conforms(getattr(lax, name), inside(dtype, 0.01, 50))
    conforms(getattr(lax, name), np.array([np.inf, np.nan], dtype)[:, None])


def test_the_logarithm_of_gamma_is_infinite_at_its_poles():
    conforms(lax.lgamma, np.array([-np.inf, 0.0, -1, -2])[:, None])


@pytest.mark.parametrize("dtype", COMPLEX, ids=str)
@pytest.mark.parametrize("name", OF_COMPLEX)
def test_functions_of_complex_numbers_agree_with_xla(name, dtype):
    conforms(getattr(lax, name), numbers(1, dtype, (SIZE, 3)))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", ["pow", "atan2"])
def test_functions_of_two_numbers_agree_with_xla(name, dtype):
    conforms(getattr(lax, name), numbers(1, dtype, (SIZE, 3)), numbers(2, dtype, (SIZE, 3)))
    conforms(getattr(lax, name), numbers(1, dtype, (SIZE, 1)), numbers(2, dtype, (3,)))


def test_whole_exponents_are_converted_to_the_type_of_the_base():
    conforms(lax.pow, numbers(1, np.float32, (SIZE, 3)), np.resize(np.arange(-3, 4), (SIZE, 3)))


@pytest.mark.parametrize("dtype", FLOATS[:2], ids=str)
def test_special_functions_of_several_numbers_agree_with_xla(dtype):
    a, x = inside(dtype, 0.1, 20, 1), inside(dtype, 0, 20, 2)
    conforms(lax.igamma, a, x)
    conforms(lax.igammac, a, x)
    conforms(lax.zeta, inside(dtype, 1.5, 20, 1), inside(dtype, 0.1, 20, 2))
    conforms(lax.polygamma, np.resize(np.arange(4), (SIZE, 3)).astype(dtype), inside(dtype, 0.5, 20, 2))
    conforms(lax.betainc, inside(dtype, 0.5, 5, 1), inside(dtype, 0.5, 5, 2), inside(dtype, 0, 1, 3))


@pytest.mark.parametrize("dtype", FLOATS[:2], ids=str)
def test_logarithms_to_base_two_agree_with_xla(dtype):
    if "log2" in primitives():  # newer releases of JAX have it
        conforms(bound("log2", accuracy=None), inside(dtype, 0.01, 50))


@pytest.mark.parametrize("name", ["exp", "tanh", "pow"])
def test_numbers_that_lie_backwards_round_like_those_that_lie_forwards(name):
    """NumPy alone has it otherwise: its vector code does not run backwards."""
    x = np.abs(numbers(1, np.float64, (500, 3), special=False))
    given = (x, x + 1) if name == "pow" else (x,)
    conforms(getattr(lax, name), *given)
