"""What is asked of every entry of the catalog, on entries that lack just that."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from eqprop import groups, mutants
from eqprop.actions import hidden_units
from eqprop.authoring import LEAST_ARCHITECTURES, check_entry
from eqprop.claims import Model, Pair
from eqprop.errors import InvalidInput
from eqprop.registry import Entry


def apply(params: Any, inputs: Any) -> Any:
    return inputs @ params["w"] @ params["a"]


def linear(width: int, batch: int = 1, *, writes: int = 1, function: Any = apply, group: Any = None) -> Pair:
    params = {"w": np.ones((width, width)), "a": np.ones((width, 1))}
    model = Model(function, params, np.ones((batch, width)), name="linear", trained=False)
    move = hidden_units(group or groups.Scaling(width), writes={"w": writes}, reads={"a": 0})
    return Pair(model, move, name="linear", architecture={"width": width, "batch": batch})


def drawn(**options: Any) -> st.SearchStrategy[Pair]:
    return st.builds(lambda width, batch: linear(width, batch, **options), st.integers(1, 4), st.integers(1, 4))


def entry(pairs: st.SearchStrategy[Pair], *planted: mutants.Mutant, control: str = "") -> Entry:
    return Entry("linear", pairs, "Claim.", mutants=planted, control=control, origin="here:linear")


def test_a_sound_entry_is_described():
    planted = (mutants.forgets("a"), mutants.stopped("a"), mutants.second_derivative("w"))
    found = check_entry(entry(drawn(), *planted))
    assert found.architectures >= LEAST_ARCHITECTURES
    assert found.mutants == ("forgets-a", "stops-a", "bends-w")
    assert found.usable["equivariance"] >= 0.95
    assert str(found).startswith(f"linear: {found.architectures} architectures, at least ")
    assert str(found).endswith("3 mutants caught at their orders")


def test_only_the_mutants_that_are_named_are_judged():
    planted = (mutants.forgets("a"), mutants.slips("a", 0.0, name="harmless"))
    assert check_entry(entry(drawn(), *planted), mutants=["forgets-a"]).mutants == ("forgets-a",)


@pytest.mark.slow
def test_an_entry_is_found_by_its_name():
    assert check_entry("glu-rescaling", mutants=[]).entry == "glu-rescaling"


def test_too_few_architectures_are_refused():
    with pytest.raises(InvalidInput, match="36 draws gave 2 different architectures; expected at least 12"):
        check_entry(entry(st.builds(linear, st.integers(1, 2))))


class Broken(groups.Scaling):
    """Its inverse is none."""

    def inverse(self, element: Any) -> Any:
        return 2 / element


def test_a_group_that_is_none_is_refused():
    broken = st.builds(lambda w, b: linear(w, b, group=Broken(w)), st.integers(1, 4), st.integers(1, 4))
    with pytest.raises(InvalidInput, match="Broken"):
        check_entry(entry(broken))


def test_a_claim_that_is_wrong_is_refused():
    with pytest.raises(InvalidInput, match="equivariance is falsified for Pair"):
        check_entry(entry(drawn(function=lambda p, x: jnp.tanh(x @ p["w"]) @ p["a"])))


def test_a_claim_that_is_mostly_empty_is_refused():
    dead = drawn(function=lambda p, x: jnp.maximum(apply(p, x), 0))
    with pytest.raises(InvalidInput, match=r"says something at \d\d\.\d% of its probes .* expected at least 95%"):
        check_entry(entry(dead))


def test_a_mutant_that_nothing_catches_is_refused():
    with pytest.raises(InvalidInput, match=r"the mutant 'harmless' \(.*\) is not caught at all; expected at order 0"):
        check_entry(entry(drawn(), mutants.slips("a", 0.0, name="harmless")))


def test_a_mutant_that_is_caught_below_its_order_is_refused():
    late = mutants.Mutant("late", 2, "a forgotten tensor", mutants.forgets("a").change)
    with pytest.raises(InvalidInput, match=r"the mutant 'late' .* is caught at order 0, by .*expected at order 2"):
        check_entry(entry(drawn(), late))


def test_a_control_that_holds_is_refused():
    with pytest.raises(InvalidInput, match="the premise of the negative control was not falsified for"):
        check_entry(entry(drawn(), control="nothing is wrong with it"))


def test_a_control_that_fails_everywhere_passes():
    nonlinear = drawn(function=lambda p, x: jnp.cos(x @ p["w"]) @ p["a"])
    assert check_entry(entry(nonlinear, control="cos is not linear")).usable == {}
