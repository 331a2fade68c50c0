"""Shapes that signatures promise are looked at wherever a test calls them, and nothing else is."""

from __future__ import annotations

import sys

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float, TypeCheckError

from eqprop import groups, rounding
from eqprop.groups.base import Matrix
from tests.shapes import ROOMS, checked, fits

VECTOR = Float[np.ndarray, " n"]


def test_sides_of_another_shape_than_their_scales_are_no_sides():
    sides, starts = np.ones((2, 3, 4)), np.array([0, 1, 4])
    rounding.measure(sides, sides, np.ones((2, 3, 2)), starts)
    with pytest.raises(TypeCheckError, match=r"parameters of eqprop\.rounding\.floors\.measure"):
        rounding.measure(sides, sides, np.ones((2, 4, 2)), starts)


def test_a_matrix_of_another_size_composes_with_none():
    group = groups.GeneralLinear(2)
    with pytest.raises(TypeCheckError, match=r"GeneralLinear|MatrixGroup"):
        group.compose(np.eye(2), np.ones((2, 3)))


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_with_shapes_was_imported_after_the_hook_was_set(room):
    __import__(room)
    assert type(sys.modules[room].__loader__).__name__ == "_JaxtypingLoader"


@pytest.mark.parametrize(
    ("value", "hint", "fitting"),
    [
        (np.ones(3), VECTOR, True),
        (np.ones((3, 1)), VECTOR, False),
        (np.ones(3, int), VECTOR, False),
        (None, VECTOR | None, True),
        ("3", VECTOR | None, False),
        ((np.ones(3), np.eye(2)), tuple[VECTOR, Matrix], True),
        ((np.eye(2), np.eye(2)), tuple[VECTOR, Matrix], False),
        ((np.ones(3), np.ones(4)), tuple[VECTOR, ...], True),
        ((np.ones(3),), tuple[VECTOR, Matrix], False),
        (jnp.ones((2, 2)), Matrix, True),
        (np.eye(2), Float[Array, "n n"], False),
        ("three", int, True),
    ],
    ids=str,
)
def test_a_value_fits_the_shape_that_an_annotation_asks_for(value, hint, fitting):
    assert fits(value, hint) == fitting


def test_results_are_looked_at_too():
    def promised(x: VECTOR) -> VECTOR:
        return x[None]

    promised.__annotations__ = {"x": VECTOR, "return": VECTOR}
    with pytest.raises(TypeError, match="the result is no"):
        checked(promised)(np.ones(3))
