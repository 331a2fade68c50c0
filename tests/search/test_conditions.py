"""Properties that are stated at some points only, and those about a trajectory."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.properties import by_name
from eqprop.properties.parts import of_numbers, only_where, part
from eqprop.results import Outcome
from tests.search.nets import holds, judged, planted

NOWHERE = "no point that was drawn is one of those"


def where(met, off=0.0):
    """A property that is stated where a condition on the first tensor is met, and is no number elsewhere."""

    def sides(point):
        total = jnp.sum(point.theta[2] ** 2)
        here = met(point.theta[2])
        return only_where(here, (of_numbers(total, jnp.where(here, total * (1 + off), jnp.nan), total),))

    return sides


def never(leaf):
    return jnp.sum(leaf**2) < 0


def sometimes(leaf):
    return leaf[0, 0] > 0


def test_a_property_whose_condition_failed_at_every_probe_does_not_apply_and_says_why():
    (verdict,) = judged(planted(where(never), reason_if_vacuous=NOWHERE), costly_batches=2, costly_probes=4)
    assert (verdict.outcome, verdict.reason) == (Outcome.NOT_APPLICABLE, NOWHERE)
    assert verdict.vacuous == verdict.probes > 8  # it is tried again on later batches


def test_without_such_a_text_there_is_nothing_to_compare():
    (verdict,) = judged(planted(where(never)), costly_batches=2, costly_probes=4)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "nothing to compare" in verdict.reason


def test_a_condition_that_is_met_at_some_probes_is_judged_there():
    (verdict,) = judged(planted(where(sometimes), reason_if_vacuous=NOWHERE), costly_batches=2, costly_probes=16)
    assert verdict.outcome is Outcome.HOLDS
    assert 0 < verdict.vacuous < verdict.probes
    assert verdict.inconclusive == 0
    (verdict,) = judged(planted(where(sometimes, 1e-6), reason_if_vacuous=NOWHERE), costly_batches=2, costly_probes=16)
    assert verdict.outcome is Outcome.FALSIFIED


def permuted():
    model = eqprop.Model(
        lambda p, x: jnp.tanh(x @ p["w"]) @ p["v"], {"v": np.ones((3, 1)), "w": np.ones((2, 3))}, np.ones((4, 2))
    )
    return eqprop.Pair(model, eqprop.hidden_units(groups.Permutation(3), writes={"w": 1}, reads={"v": 0}))


@pytest.mark.parametrize(
    ("element", "outcome"),
    [(np.arange(3), Outcome.NOT_APPLICABLE), (np.array([1, 0, 2]), Outcome.HOLDS)],
    ids=["identity", "transposition"],
)
@pytest.mark.parametrize("name", ["averaged-gradient", "averaged-hessian"])
def test_a_check_at_a_point_where_the_condition_fails_says_so(name, element, outcome):
    rng = np.random.default_rng(0)
    shapes = {"params": {"v": (3, 1), "w": (2, 3)}, "inputs": (4, 2), "targets": (4, 1)}
    numbers = jax.tree.map(rng.standard_normal, shapes, is_leaf=lambda shape: isinstance(shape, tuple))
    verdict = eqprop.check(permuted(), name, **numbers, element=element)
    assert verdict.outcome is outcome
    assert verdict.reason == (by_name(name).reason_if_vacuous if outcome is Outcome.NOT_APPLICABLE else "")


def along(point):
    total = jnp.sum(point.theta[2] ** 2)
    decay = total * 0.5 ** jnp.arange(4.0)
    return (part(["Q"], decay, decay * (1 + 1e-16), total, label="along"),)


def test_a_property_about_a_trajectory_leaves_one_in_its_verdict_and_others_leave_none():
    first, other = judged(planted(along, series=True), planted(holds, "other"), costly_batches=1, costly_probes=2)
    assert other.series is None
    assert first.series.name == "along: Q"
    assert len(first.series.found) == len(first.series.predicted) == 4
    np.testing.assert_allclose(np.array(first.series.found[1:]) / first.series.found[:-1], 0.5, rtol=1e-15)
    assert type(first).from_record(first.to_record()).series == first.series


def test_a_trajectory_that_says_nothing_is_not_kept():
    def reason_if_vacuous(point):
        return only_where(never(point.theta[2]), along(point))

    (verdict,) = judged(
        planted(reason_if_vacuous, series=True, reason_if_vacuous=NOWHERE), costly_batches=1, costly_probes=2
    )
    assert verdict.series is None
