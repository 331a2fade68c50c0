"""What each pair written out by hand is seen to be."""

from __future__ import annotations

import eqprop
from eqprop.properties.traits import Traits, action_traits_of, traits_of
from eqprop.properties.traits.generators import Subspace
from tests.properties.traits.trait_pairs import (
    about_a_centre,
    conversion,
    cubic,
    general_linear,
    idle_factor,
    log_scale,
    margin,
    permutation,
    rescaling,
    rotation,
    sheared,
    shift_and_scale,
    stored_gain,
    translation,
    weight_norm,
)

ROUNDING = 1e-12
"""Orthonormal rows from an SVD of some twenty rows of size 1: a few hundred units in the last place."""

FLAGS = {
    #                  K affine, orthogonal; k affine, linear
    rescaling: (True, False, True, True),
    general_linear: (True, False, True, True),
    rotation: (True, True, True, True),
    translation: (True, True, True, False),
    shift_and_scale: (True, False, True, False),
    weight_norm: (True, False, True, True),
    cubic: (True, False, True, True),
    margin: (True, True, True, False),
    sheared: (False, False, False, False),
    about_a_centre: (True, False, True, False),
    stored_gain: (True, False, True, False),
    log_scale: (True, False, True, False),
    idle_factor: (True, True, True, False),
    permutation: (True, True, False, False),
    conversion: (False, False, False, False),
}

DIMENSIONS = {
    #                  of the algebra; constant, symmetric, antisymmetric
    rescaling: (3, 0, 3, 0),
    general_linear: (9, 0, 6, 3),
    rotation: (3, 0, 0, 3),
    translation: (2, 2, 2, 2),
    shift_and_scale: (5, 2, 5, 2),
    weight_norm: (1, 0, 1, 0),
    cubic: (1, 0, 1, 0),
    margin: (1, 1, 1, 1),
    sheared: (2, 0, 0, 0),
    about_a_centre: (1, 0, 1, 0),
    stored_gain: (1, 0, 1, 0),
    log_scale: (1, 0, 1, 0),
    idle_factor: (1, 1, 1, 1),
    permutation: (0, 0, 0, 0),
    conversion: (0, 0, 0, 0),
}

SPECIAL = {
    weight_norm: [("some", 0.0)],
    cubic: [("all", 3.0)],
    margin: [("none", -1.0)],
    about_a_centre: [("all", 0.0)],
    stored_gain: [("all", 2.0)],
    log_scale: [("some", 0.0)],
    idle_factor: [("none", 0.0)],
    translation: [("none", 0.0)] * 3,
    # The simple elements of the factors in turn.
    shift_and_scale: [("none", 0.0), ("some", 0.0)] * 3 + [("some", 0.0)],
    rescaling: [("each", 0.0)] * 4,
    general_linear: [("each", 0.0)] * 3,
    rotation: [],
    sheared: [],
    permutation: [],
    conversion: [],
}

LIE = [make for make, (size, *_) in DIMENSIONS.items() if size]


def flags(here: eqprop.Pair) -> tuple[bool, ...]:
    action, found = action_traits_of(here), traits_of(here)
    return (action.affine_action, action.orthogonal_action, found.affine_generator, found.linear_generator)


def subspaces(found: Traits) -> tuple[Subspace, ...]:
    return (found.constant, found.symmetric, found.antisymmetric)
