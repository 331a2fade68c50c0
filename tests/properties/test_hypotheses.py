"""What each hypothesis of a property says of pairs that meet it and of pairs that do not."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.properties import hypotheses
from tests.properties.library_pairs import nearly_normalised, split_unit, two_degrees
from tests.properties.still_pairs import rescaled_and_scaled, turned_and_scaled
from tests.properties.traits.trait_pairs import (
    about_a_centre,
    conversion,
    cubic,
    general_linear,
    idle_factor,
    isometric_embedding,
    log_scale,
    made,
    margin,
    masked,
    of_degree,
    pair,
    permutation,
    reflected_sphere,
    rescaling,
    rotation,
    scaled_inputs,
    sheared,
    shift_and_scale,
    shifted_logits,
    stored_gain,
    translation,
    two_layers,
    weight_norm,
)


def declared_isometry() -> eqprop.Pair:
    here = rescaling()
    return here.replaced(transformation=replace(here.transformation, isometry=True))


def of_degree_one() -> eqprop.Pair:
    return of_degree(1.0)


def rotated_and_permuted() -> eqprop.Pair:
    """Two layers of units, one with a continuous symmetry and one with a discrete one."""
    group = groups.DirectSum(groups.Rotation(2), groups.Permutation(2))
    return two_layers(group, lambda z: jnp.concatenate([z[..., :2], jnp.tanh(z[..., 2:])], -1), n=4)


def with_charge() -> eqprop.Pair:
    here = weight_norm()
    act, charge = here.transformation.on_params, lambda xi, p: xi[0] * jnp.sum(p["v"] ** 2) / 2
    return here.replaced(transformation=eqprop.Transformation(groups.Scaling(1), act, charge=charge))


def turned_outputs() -> eqprop.Pair:
    """A last layer whose rows are permuted, and the outputs with them."""
    swap = groups.Permutation(2)
    model = eqprop.Model(lambda p, x: x @ p["w"], {"w": np.ones((3, 2))}, np.ones((4, 3)), trained=False)
    moved = eqprop.Transformation(
        swap, lambda s, p: {"w": swap.act(s, p["w"], 1)}, lambda s, y: swap.act(s, y, -1), name="outputs"
    )
    return eqprop.Pair(model, moved)


def degrees_apart() -> eqprop.Pair:
    """w ↦ c w, b ↦ c² b: homogeneous of degree 2, with biases."""
    model = eqprop.Model(
        lambda p, x: x @ p["w"] * jnp.sum(p["w"]) + p["b"], {"w": np.ones(2), "b": np.ones(())}, np.ones((3, 2))
    )
    move = eqprop.Transformation(
        groups.Scaling(1),
        lambda c, p: {"w": p["w"] * c[0], "b": p["b"] * c[0] ** 2},
        lambda c, y: y * c[0] ** 2,
        name="degrees",
    )
    return eqprop.Pair(model, move)


def centred() -> eqprop.Pair:
    """Every output depends on all samples."""
    here = turned_outputs()
    return here.replaced(model=replace(here.model, apply=lambda p, x: x @ p["w"] - jnp.mean(x @ p["w"], 0)[None]))


def two_units() -> eqprop.Pair:
    return two_layers(groups.Permutation(2), jnp.tanh, n=2)


def of_integers(params: Any, inputs: Any) -> eqprop.Pair:
    model = eqprop.Model(lambda p, x: jnp.sum(p["w"] * 1.0) * x, {"w": params}, inputs)
    return eqprop.Pair(model, eqprop.Transformation(groups.Trivial(), lambda _, p: p, name="nothing"))


def at_rest() -> eqprop.Pair:
    return pair(lambda p, x: x @ p, np.ones((2, 3)), groups.Scaling(2), lambda a, p: p)


def tokens() -> eqprop.Pair:
    return of_integers(np.ones(2), np.arange(3))


def whole_numbers() -> eqprop.Pair:
    return of_integers(np.arange(3), np.ones(2))


CASES: dict[Callable[[eqprop.Pair], str | None], tuple[list[Any], Any, str]] = {
    # hypothesis: (where it is met, where it is not, what is then said)
    hypotheses.continuous: (
        [rescaling, rotation, rotated_and_permuted],
        permutation,
        r"Permutation\(n=3\) is discrete",
    ),
    hypotheses.discrete: ([permutation, rotated_and_permuted], rescaling, r"Scaling\(n=3\) is continuous"),
    hypotheses.one_model: ([rescaling], conversion, "between two models"),
    hypotheses.symmetry: ([rescaling], cubic, "moves the outputs"),
    hypotheses.still_loss: ([rescaling, shifted_logits], cubic, "s = 0; this transformation moves the outputs"),
    hypotheses.drawn_loss: ([rescaling], shifted_logits, "its targets inside"),
    hypotheses.separate_samples: ([degrees_apart, turned_outputs], centred, "does not treat samples"),
    hypotheses.isometric_outputs: (
        [rescaling, shifted_logits, turned_outputs],
        cubic,
        "targets move with the outputs: T does not keep distances",
    ),
    hypotheses.still_inputs: ([cubic], scaled_inputs, "moves the inputs"),
    hypotheses.floating_params: ([tokens], whole_numbers, "no parameter is floating point"),
    hypotheses.floating_inputs: ([whole_numbers], tokens, "no input is floating point"),
    hypotheses.coisometric: (
        [rotation, permutation, translation, reflected_sphere, declared_isometry],
        isometric_embedding,
        "DK DKᵀ = 1",
    ),
    hypotheses.keeps_integers: ([rescaling, permutation], masked, "K moves integers"),
    hypotheses.closed_form: ([with_charge], weight_norm, "charge="),
    hypotheses.with_involutions: ([permutation], rescaling, r"of Scaling\(n=3\) is its own inverse"),
    hypotheses.finite_subgroup: ([permutation, reflected_sphere], rotation, "generate no small finite group"),
    hypotheses.permutes_units: ([permutation], two_units, r"three or more units; the group is Permutation\(n=2\)"),
    hypotheses.affine_action: ([rescaling, permutation, translation], sheared, "K is not affine"),
    hypotheses.orthogonal_action: ([rotation, permutation, translation], rescaling, "DK_g is not orthogonal"),
    hypotheses.affine_generator: ([rescaling, about_a_centre], sheared, "the generator is not affine"),
    hypotheses.changing_generator: ([rescaling, shift_and_scale], translation, "every generator is constant"),
    hypotheses.constant_generator: ([translation, shift_and_scale, idle_factor], rescaling, "Dk_ξ = 0 for no ξ"),
    hypotheses.moving: ([rescaling, cubic], at_rest, "no parameter is moved"),
    hypotheses.still_generator: ([rescaling, shifted_logits], cubic, "every ξ moves the outputs, and the loss sees it"),
    hypotheses.still_outputs: ([rescaling], shifted_logits, "every ξ moves the outputs"),
    hypotheses.elements_leaving_loss: (
        [rescaling, permutation, shifted_logits, rescaled_and_scaled],
        cubic,
        "s = 0; this transformation moves the outputs",
    ),
    hypotheses.elements_leaving_outputs: (
        [rescaling, permutation, rescaled_and_scaled],
        shifted_logits,
        "T = identity; this transformation moves the outputs",
    ),
    hypotheses.orthogonal_elements: (
        [rotation, permutation, shifted_logits, turned_and_scaled],
        rescaled_and_scaled,
        "s = 0; this transformation moves the outputs",
    ),
    hypotheses.still_translation: ([translation, shifted_logits], margin, "every translation moves the outputs"),
    hypotheses.still_charge: ([rescaling, shifted_logits], cubic, "every ξ with a charge moves the outputs"),
    hypotheses.still_turn: ([rotation, shifted_logits], margin, "every ξ that turns moves the outputs"),
    hypotheses.stretching: ([rescaling], rotation, "DK_g is orthogonal"),
    hypotheses.near: ([nearly_normalised], rescaling, "claimed to be exact"),
    hypotheses.two_models: ([split_unit], rescaling, "is of one model"),
    hypotheses.charged: ([rescaling, general_linear, translation], rotation, "symmetric for no ξ"),
    hypotheses.turning: ([rotation, general_linear, translation], rescaling, "antisymmetric for no ξ"),
    hypotheses.scale_invariant: (
        [weight_norm, shift_and_scale, about_a_centre],
        log_scale,
        "scales a block of parameters and leaves",
    ),
    hypotheses.centrally_scaled: ([weight_norm], about_a_centre, "scales a block of parameters about 0"),
    hypotheses.homogeneous: ([cubic, stored_gain, of_degree_one], weight_norm, "scales all parameters and multiplies"),
    hypotheses.quasi_homogeneous: ([cubic, degrees_apart], weight_norm, "scales each parameter by a power"),
    hypotheses.layered: ([two_degrees], cubic, "no two simple ξ that scale blocks apart"),
    hypotheses.exponential: ([margin], translation, "translates parameters and multiplies"),
    hypotheses.aligned: (
        [weight_norm, log_scale, cubic, margin],
        of_degree_one,
        "a degree other than 1.*, or multiplies the outputs",
    ),
    hypotheses.no_scaling: ([rescaling, cubic, log_scale, about_a_centre], weight_norm, "a scale-invariant block"),
    hypotheses.linear_or_constant: ([rescaling, translation], about_a_centre, "neither linear nor constant"),
}


def test_every_hypothesis_is_among_those_tested():
    of_module = {
        f for _, f in inspect.getmembers(hypotheses, inspect.isfunction) if f.__module__ == hypotheses.__name__
    }
    assert set(CASES) == of_module


@pytest.mark.parametrize("hypothesis", CASES)
def test_a_hypothesis_that_is_met_says_nothing_and_one_that_is_not_names_the_group_or_the_trait(
    hypothesis: Callable[[eqprop.Pair], str | None],
):
    met, unmet, reason = CASES[hypothesis]
    assert [hypothesis(made(make)) for make in met] == [None] * len(met)
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(hypothesis(made(unmet)))


@pytest.mark.parametrize("hypothesis", CASES)
def test_a_hypothesis_opens_with_what_explain_says_of_it(hypothesis: Callable[[eqprop.Pair], str | None]):
    assert str(hypothesis.__doc__).startswith("Hypothesis: ")


@pytest.mark.slow
def test_units_that_are_permuted_and_scaled_have_generators_and_discrete_steps():
    here = two_layers(groups.Monomial(3), jax.nn.relu)
    report = eqprop.run(here, properties=["group-laws", "noether", "averaged-gradient"], profile="quick", save=None)
    assert {str(verdict.outcome) for verdict in report.verdicts} == {"holds"}
