"""What a bad action, charge or group gets: one sentence that names the method and says how to mend it."""

from __future__ import annotations

import re

import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.validation import check_pair
from tests.validation.refusals import INPUTS, PARAMS, SCALING, net, pair_of, rescaled, said

pytestmark = pytest.mark.usefixtures("in_the_checkout")


def stores(a, p):
    p["w"] = p["w"] * a[None]
    return p


def multiplies_in_place(a, p):
    p["w"] *= a[None]
    return p


@pytest.mark.parametrize(
    ("act", "message"),
    [
        pytest.param(
            lambda a, p: {"w": p["w"]}, "changed the structure of the tree (missing: v; new: none)", id="structure"
        ),
        pytest.param(lambda a, p: None, "changed the structure of the tree (missing: v, w", id="none"),
        pytest.param(lambda a, p: {**p, "w": p["w"].T}, "changed the shape of 'w' from (2, 3) to (3, 2)", id="shape"),
        pytest.param(
            lambda a, p: {**p, "w": p["w"].astype(int)}, "changed the dtype of 'w' from float64 to int", id="int"
        ),
        pytest.param(
            lambda a, p: {**p, "w": p["w"].astype(jnp.float32)}, "from float64 to float32; expected the same", id="cast"
        ),
        pytest.param(stores, "changed its argument in place; return a new tree", id="stores"),
        pytest.param(multiplies_in_place, "changed its argument in place; return a new tree", id="in-place"),
        pytest.param(lambda a, p: {**p, "w": p["w"] * float(a[0])}, "cannot be traced by JAX", id="float"),
        pytest.param(
            lambda a, p: {**p, "w": p["w"] * np.random.random()}, "takes its randomness from the element", id="random"
        ),
    ],
)
def test_an_action_that_is_none_is_named_with_what_it_changed(act, message):
    found = said(pair_of(act=act))
    assert found.startswith("transformation 'rescaling': on_params")
    assert message in found


def test_an_action_whose_arguments_are_swapped_is_told_so():
    found = said(pair_of(act=lambda p, a: rescaled(a, p)))
    assert "on_params takes the element first: it is called as (element, params), and yours works as (params," in found
    assert "Swap its arguments (tests/validation/refusals.py:" in found


def test_an_action_that_raises_is_said_with_the_line_of_its_author():
    assert "raised KeyError: 'weights' (tests/validation/test_transformations.py:" in said(
        pair_of(act=lambda a, p: {**p, "w": p["weights"]})
    )


def test_a_wrong_declaration_is_said_once_and_in_its_own_words():
    misspelt = eqprop.hidden_units(SCALING, writes={"W": 1}, reads={"v": 0})
    model = eqprop.Model(net, PARAMS, INPUTS, name="net")
    found = said(eqprop.Pair(model, misspelt))
    assert found == "hidden_units('hidden-units'): no parameter matches 'W'. Did you mean w? The paths are: v, w."


@pytest.mark.parametrize(
    ("charge", "message"),
    [
        (lambda xi, p: xi * 2, "charge returned shape (3,), dtype float64; expected one floating-point number"),
        (lambda xi, p: None, "charge returned None"),
        (lambda xi, p: p["nope"], "charge(algebra, params) raised KeyError: 'nope' (tests/"),
        (lambda p, xi: p["w"], "charge(algebra, params) raised TypeError"),
    ],
)
def test_a_charge_that_is_none_is_named_with_what_it_returned(charge, message):
    moved = eqprop.Transformation(SCALING, rescaled, name="rescaling", charge=charge)
    assert message in said(pair_of().replaced(transformation=moved))


def test_a_group_of_the_wrong_size_is_told_by_its_elements_shape():
    assert "The element has shape (4,): check the group's size" in said(pair_of(group=groups.Scaling(4)))


class Own(eqprop.LieGroup):
    """A scaling of a user's own, of which one method is replaced at a time."""

    def __init__(self, **methods):
        for name, method in methods.items():
            setattr(self, name, method)

    def identity(self):
        return np.ones(3)

    def compose(self, first, second):
        return first * second

    def inverse(self, element):
        return 1 / element

    def sample(self, rng, reach):
        return np.exp(reach * rng.standard_normal(3))

    def exp(self, algebra):
        return jnp.exp(algebra)

    def zero(self):
        return np.zeros(3)

    def sample_algebra(self, rng):
        return rng.standard_normal(3)


def raises(*arguments):
    msg = "boom"
    raise ValueError(msg)


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        (
            {"sample": lambda rng, reach: None},
            "Own(): sample gives None; expected the structure, shapes",
        ),
        ({"sample": lambda rng, reach: [1.0, 2.0, 3.0]}, "sample gives [1.0, 2.0, 3.0]"),
        ({"sample": lambda rng, reach: np.exp(np.random.standard_normal(3))}, "take every number from rng"),
        ({"sample": raises}, "sample(rng, reach) raised ValueError: boom (tests/validation/test_transformations.py:"),
        ({"sample": lambda rng: np.ones(3)}, "sample(rng, reach) raised TypeError"),
        ({"sample": lambda rng, reach: np.ones(3 if reach < 0.5 else 4)}, "sample gives [1.0, 1.0, 1.0, 1.0]"),
        ({"sample": lambda rng, reach: np.ones(3)}, "all 16 elements that sample drew are the identity"),
        ({"sample": lambda rng, reach: np.full(3, np.nan)}, "expected finite numbers"),
        ({"sample": lambda rng, reach: "g"}, "sample gives g"),
        ({"compose": lambda g, h: None}, "compose(g, h) gives shapes None; expected what is like identity()"),
        ({"compose": lambda g, h: np.asarray(g) * h}, "compose(g, h) cannot be traced by JAX"),
        ({"compose": raises}, "compose(g, h) raised ValueError: boom"),
        ({"inverse": lambda g: 1 / g if g[0] > 0 else g}, "inverse(g) cannot be traced by JAX"),
        ({"identity": lambda: [1.0, 1.0, 1.0]}, "kinds of identity(), [1.0, 1.0, 1.0]"),
        ({"simple": lambda: None}, "simple() raised TypeError: 'NoneType' object is not iterable"),
        ({"simple": lambda: [np.ones(4)]}, "simple() gives [1.0, 1.0, 1.0, 1.0]"),
        (
            {"sample_algebra": lambda rng: np.ones(2)},
            "sample_algebra gives [1.0, 1.0]; expected the struct",
        ),
        ({"sample_algebra": lambda rng: np.array([1, 2, 3])}, "sample_algebra gives [1, 2, 3]"),
        ({"exp": lambda xi: np.exp(np.asarray(xi))}, "exp(xi) cannot be traced by JAX"),
        ({"exp": raises}, "exp(xi) raised ValueError: boom"),
        ({"tangent": lambda xi: None}, "tangent(xi) gives shapes None"),
        ({"zero": lambda: None}, "kinds of zero(), None"),
    ],
)
def test_a_group_whose_methods_give_something_else_is_named_with_the_method(methods, message):
    own = Own(**methods)
    assert message in said(pair_of(group=own))
    with pytest.raises(eqprop.InvalidInput, match=re.escape(message)):
        groups.check_laws(own, count=4)


def test_a_group_of_ones_own_is_accepted():
    check_pair(pair_of(group=Own()), "float64")
