"""What is first asked for inside of a loop stays there: nothing that is kept is a tracer of a trace that is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop import Model, Pair, groups, hidden_units
from eqprop.engine import Local, batched, in_a_scope, jitted, one_by_one, remembered, repeated, scanned, traced
from eqprop.probes import SQUARED_ERROR, Probe
from eqprop.properties import Point

pytestmark = pytest.mark.usefixtures("float64")

X = np.array([0.3, -0.4, 0.5])

INSIDE: dict[str, Callable[[Callable[[], Any]], Any]] = {
    "scanned": lambda ask: scanned(lambda state, _: (ask(), None), jnp.zeros(3), 2),
    "scanned over rows": lambda ask: scanned(lambda state, row: (ask() * row, row), jnp.zeros(3), jnp.ones(2)),
    "repeated": lambda ask: repeated(range(1, 3), lambda i, state: ask(), jnp.zeros(3)),
    "one by one": lambda ask: one_by_one(lambda row: row * ask())(jnp.ones(2)),
    "batched": lambda ask: batched(lambda row: row * ask())(jnp.ones(2)),
    "jitted": lambda ask: jitted(lambda row: row * ask())(jnp.ones(3)),
    "traced": lambda ask: traced(lambda row: row * ask(), jnp.ones(3)),
    "shapes": lambda ask: jax.eval_shape(in_a_scope(ask)),
}
"""How what is asked for is asked for inside of another trace."""


def local() -> Local:
    return Local(lambda at: jnp.sin(at) * at[0], X)


ASKED: dict[str, Callable[[Local], Any]] = {
    "value": lambda here: here.value,
    "push": lambda here: here.push(jnp.ones(3)),
    "pull": lambda here: here.pull(jnp.ones(3)),
}


@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize("asked", ASKED)
def test_what_is_first_asked_for_inside_is_right_outside(asked: str, inside: str):
    here = local()
    INSIDE[inside](lambda: ASKED[asked](here))
    np.testing.assert_array_equal(ASKED[asked](here), ASKED[asked](local()))


class Counted:
    def __init__(self) -> None:
        self.times = 0

    @remembered
    def value(self) -> Any:
        """It."""
        self.times += 1
        return jnp.sin(X)


@pytest.mark.parametrize("inside", INSIDE)
def test_what_was_asked_for_before_is_known_inside(inside: str):
    counted = Counted()
    assert counted.value is counted.value
    INSIDE[inside](lambda: counted.value)
    assert counted.times == 1


def test_inside_it_is_worked_out_once_in_a_trace_of_the_body():
    counted, bodies = Counted(), 0

    def body(state: Any, _: None) -> tuple[Any, None]:
        nonlocal bodies
        bodies += 1
        return counted.value + counted.value, None

    scanned(body, jnp.zeros(3), 4)
    assert counted.times == bodies


def test_a_loop_in_a_loop_knows_what_the_outer_one_asked_for():
    here = local()

    def outer(state: Any, _: None) -> tuple[Any, None]:
        return here.push(state) + repeated(range(2), lambda _, inner: here.push(inner), state), None

    found = scanned(outer, jnp.ones(3), 2)[0]
    step = lambda state: here.push(state) + here.push(here.push(state))  # noqa: E731
    np.testing.assert_allclose(found, step(step(jnp.ones(3))), rtol=1e-14)  # a few units in the last place


def test_a_property_of_a_class_tells_what_it_is():
    assert Counted.value.__doc__ == "It."


def point() -> Point:
    params = {"w": X[None], "v": X[:, None]}
    model = Model(lambda p, x: jnp.tanh(x @ p["w"]) @ p["v"], params, np.ones((2, 1)))
    pair = Pair(model, hidden_units(groups.Sign(3), writes={"w": 1}, reads={"v": 0}))
    probe = Probe(
        params=(X[:, None], X[None]), inputs=np.ones((2, 1)), element=np.array([1, -1, 1]), targets=np.ones((2, 1))
    )
    return Point(pair, probe, SQUARED_ERROR)


@pytest.mark.parametrize("asked", ["here", "there", "action", "gradient", "gradient_there"])
def test_what_a_point_is_first_asked_for_in_a_loop_is_right_behind_it(asked: str):
    here = point()
    repeated(range(2), lambda _, state: jax.tree.map(jnp.add, state, getattr(here, asked).value), zeros(asked))
    found, expected = getattr(here, asked).value, getattr(point(), asked).value
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def zeros(asked: str) -> Any:
    return jax.tree.map(jnp.zeros_like, getattr(point(), asked).value)


def test_what_properties_share_may_be_asked_for_in_a_loop_first():
    here = point()
    share = lambda: here.once("share", lambda: jnp.sin(here.gradient.value[0]))  # noqa: E731
    repeated(range(2), lambda _, state: state + share(), jnp.zeros((3, 1)))
    np.testing.assert_array_equal(share(), jnp.sin(point().gradient.value[0]))
