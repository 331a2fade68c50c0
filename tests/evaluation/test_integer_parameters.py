"""Parameters that are integers or booleans: K moves them with the others, and f sees what they have become."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.errors import InvalidInput
from tests.properties.traits.trait_pairs import MASK, X, masked, pair

ASKED = ("group-laws", "equivariance", "gradient-covariance", "hessian-covariance")


def outcomes(here: eqprop.Pair, *properties: str) -> dict[str, str]:
    report = eqprop.run(here, properties=properties, profile="quick", save=None)
    return {verdict.property.name: str(verdict.outcome) for verdict in report.verdicts}


def tables(act: Any, *, group: Any = None) -> eqprop.Pair:
    """Rows of a table, which a table of integers puts in an order."""
    return pair(
        lambda p, x: x @ jnp.take(p["w"], p["order"], axis=1),
        {"order": np.array([2, 0, 1, 1]), "w": np.ones((2, 3))},
        group or groups.Permutation(3),
        act,
        name="tables",
    )


def renamed(s: Any, p: Any) -> Any:
    """Column i goes to place s[i], and so do the references to it."""
    return {"order": s[p["order"]], "w": jnp.zeros_like(p["w"]).at[:, s].set(p["w"])}


def test_a_mask_is_permuted_with_its_units():
    assert set(outcomes(masked(), *ASKED).values()) == {"holds"}


def test_a_mask_that_is_forgotten_is_seen():
    assert outcomes(masked(mask=False), "equivariance") == {"equivariance": "falsified"}


def test_integers_are_moved_by_what_they_index():
    assert set(outcomes(tables(renamed), *ASKED).values()) == {"holds"}


def test_integers_that_do_not_compose_break_the_group_laws():
    def twice(s: Any, p: Any) -> Any:
        moved = renamed(s, p)
        return {**moved, "order": s[moved["order"]]}

    report = eqprop.run(tables(twice), properties=["group-laws"], profile="quick", save=None)
    (verdict,) = report.verdicts
    assert str(verdict.outcome) == "falsified"
    assert "order" in str(verdict.counterexample)


def test_a_conversion_sees_the_integers_that_it_is_given():
    target = eqprop.Model(
        lambda p, x: x @ jnp.where(p["mask"], p["w"], 0.0), {"mask": np.ones((2, 3), bool), "w": np.ones((2, 3))}, X
    )

    def pruned(_: Any, p: Any) -> Any:
        return {"mask": p["mask"], "w": 2 * p["w"]}

    def apply(p: Any, x: Any) -> Any:
        return 2 * x @ (p["w"] * p["mask"])

    here = pair(apply, {"mask": MASK, "w": np.ones((2, 3))}, groups.Trivial(), pruned, target=target)
    assert set(outcomes(here, *ASKED[1:]).values()) == {"holds"}


def test_masks_are_declared_with_the_units_they_belong_to():
    declared = eqprop.hidden_units(groups.Permutation(3), writes={"w": 1, "mask": 1}, reads={"v": 0})
    assert set(outcomes(masked().replaced(transformation=declared), *ASKED).values()) == {"holds"}
    scaled = eqprop.hidden_units(groups.Scaling(3), writes={"w": 1, "mask": 1}, reads={"v": 0})
    with pytest.raises(InvalidInput, match="integers are moved by permutations only"):
        scaled.on_params(np.ones(3), masked().model.params)


def test_where_integers_move_no_model_lies_between_a_point_and_its_image():
    found = outcomes(masked(), "averaged-gradient", "fixed-point", "identical-units")
    assert set(found.values()) == {"not applicable"}


def test_integers_that_nothing_moves_are_those_of_the_example():
    here = pair(
        lambda p, x: x[:, p["column"]] * p["w"],
        {"column": np.array(1), "w": np.ones(())},
        groups.Sign(1),
        lambda s, p: {**p, "w": s[0] * p["w"]},
        lambda s, y: s[0] * y,
    )
    assert set(outcomes(here, "equivariance", "group-laws", "averaged-gradient").values()) == {"holds"}
