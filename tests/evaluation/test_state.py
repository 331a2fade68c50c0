"""Floating-point leaves that are state: K moves them, derivatives do not act on them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.errors import InvalidInput
from tests.properties.traits.trait_pairs import X

PARAMS = {"mean": np.array([0.5, -1.0, 2.0], np.float32), "v": np.ones((3, 1)), "w": np.ones((X.shape[1], 3))}


def remembering(p: Any, x: Any) -> Any:
    """Statistics that no derivative reaches, as in many a library."""
    return jnp.tanh(x @ p["w"] - jnp.broadcast_to(jax.lax.stop_gradient(p["mean"]), (len(x), 3))) @ p["v"]


def permuted(*paths: str) -> eqprop.Transformation:
    return eqprop.hidden_units(groups.Permutation(3), writes={"w": 1} | dict.fromkeys(paths, 0), reads={"v": 0})


def outcomes(model: eqprop.Model, move: eqprop.Transformation, *properties: str) -> dict[str, str]:
    report = eqprop.run(eqprop.Pair(model, move), properties=properties, profile="quick", save=None, unseen=False)
    return {verdict.property.name: str(verdict.outcome) for verdict in report.verdicts}


ASKED = ("group-laws", "equivariance", "derivative", "gradient-covariance", "hessian-covariance")


def test_state_is_permuted_with_its_units_and_no_derivative_acts_on_it():
    model = eqprop.Model(remembering, PARAMS, X, state=("mean",))
    assert set(outcomes(model, permuted("mean"), *ASKED).values()) == {"holds"}


def test_without_being_called_state_it_is_differentiated():
    model = eqprop.Model(remembering, PARAMS, X)
    assert outcomes(model, permuted("mean"), *ASKED)["derivative"] == "falsified"


def test_state_that_is_forgotten_is_seen():
    model = eqprop.Model(remembering, PARAMS, X, state=("m*",))
    assert outcomes(model, permuted(), "equivariance") == {"equivariance": "falsified"}


def test_state_is_as_precise_as_the_parameters():
    report = eqprop.run(
        eqprop.Pair(eqprop.Model(remembering, PARAMS, X, state=("mean",)), permuted("mean")),
        properties=["equivariance"],
        profile="quick",
        save=None,
        unseen=False,
    )
    assert [verdict.precision for verdict in report.verdicts] == ["float64"]


def test_the_laws_of_a_group_that_scales_state_are_held_to_rounding():
    def scaled(n: Any, p: Any) -> Any:
        return {**p, "mean": p["mean"] * 3.0**n}

    model = eqprop.Model(remembering, PARAMS, X, state=("mean",))
    assert outcomes(model, eqprop.Transformation(groups.Integers(1), scaled), "group-laws") == {"group-laws": "holds"}


def test_what_moves_state_continuously_is_refused():
    move = eqprop.hidden_units(groups.Monomial(3), writes={"w": 1, "mean": 0}, reads={"v": 0})
    with pytest.raises(eqprop.Falsified, match="on_params moves 'mean' continuously"):
        eqprop.verify(eqprop.Pair(eqprop.Model(remembering, PARAMS, X, state=("mean",)), move), save=None)


def test_a_pattern_that_matches_no_parameter_and_a_text_alone_are_refused():
    with pytest.raises(eqprop.Falsified, match=r"state: no parameter matches 'meen'. Did you mean mean"):
        eqprop.verify(eqprop.Pair(eqprop.Model(remembering, PARAMS, X, state=("meen",)), permuted("mean")))
    with pytest.raises(InvalidInput, match=r"state is 'mean' \(str\); expected a tuple of texts"):
        eqprop.Model(remembering, PARAMS, X, state="mean")
