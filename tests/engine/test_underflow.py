"""Results that underflow: nothing is infinite or moves with the inputs, and what comes out may be off by all of it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.engine import TABLE, with_rounding_noise
from eqprop.engine.walk import Walk

pytestmark = pytest.mark.usefixtures("float64")

SIGNS = np.random.default_rng(0).choice([-1.0, 1.0], (64, TABLE))
SIGNS[0] = 0


def rows_of(function: Any, *arguments: Any, walked: bool) -> Any:
    """The function of full arrays under random rounding, a row for each row of signs; the first has none."""
    given = [np.full(3, argument) for argument in arguments]
    if walked:
        (found,) = Walk(jax.make_jaxpr(function)(*given))([each[:, None] for each in given], SIGNS.T)
        return np.broadcast_to(found, (3, 64)).T
    noisy = with_rounding_noise(lambda those: function(*those), given)
    return np.asarray(jax.jit(jax.vmap(noisy, in_axes=(None, 0)))(given, SIGNS))


both = pytest.mark.parametrize("walked", [True, False], ids=["walked", "compiled"])
LOST = [
    (lambda y: y**-2, [1e200]),
    (lambda y: y**-3, [-1e150]),
    (lambda y: y**-3.5, [1e200]),
    (lambda x, y: x * y, [1e-200, -1e-200]),
    (lambda x, y: x / y, [1e-200, 1e200]),
    (lambda y: y**-2, [np.float32(1e30)]),
    (lambda x, y: x * y, [1e-200, 1e-200j]),
]


@both
@pytest.mark.parametrize(("function", "arguments"), LOST)
def test_what_underflows_is_off_by_up_to_the_smallest_normal_number(function: Any, arguments: Any, walked: bool):
    found = rows_of(function, *arguments, walked=walked)
    sizes, tiny = np.maximum(abs(found.real), abs(found.imag)), float(np.finfo(found.dtype).tiny)
    np.testing.assert_allclose(np.unique(np.round(sizes / tiny)), [0, 1])
    np.testing.assert_array_equal(sizes[0], 0)
    assert 0.2 < np.mean(sizes > 0) < 0.8


@both
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (lambda y: y**-2, [np.inf]),
        (lambda x, y: x * y, [0.0, 1e-200]),
        (lambda x, y: x / y, [1.0, np.inf]),
        (lambda x, y: x / y, [0.0, 3.0]),
    ],
)
def test_what_is_made_of_zero_or_by_infinity_stays_zero(function: Any, arguments: Any, walked: bool):
    np.testing.assert_array_equal(rows_of(function, *arguments, walked=walked), 0)


@both
def test_a_square_that_underflows_is_not_negative(walked: bool):
    found = rows_of(lambda x: jnp.sqrt(x * x), 1e-170, walked=walked)
    assert (found >= 0).all()
    assert len(np.unique(found)) > 1


@both
def test_a_row_without_signs_keeps_the_sign_of_zero(walked: bool):
    found = rows_of(lambda y: y**-3, -1e150, walked=walked)
    assert np.signbit(found[0]).all()


@pytest.mark.parametrize("ahead", [True, False])
def test_what_underflows_in_one_row_leaves_the_others_as_they_were(ahead: bool):
    x = np.full((2, 3, 8), 1.5)
    x[1, 2, 5] = 1e-200
    walk = Walk(jax.make_jaxpr(lambda x: x * x)(x[..., 0]), ahead=ahead)
    (found,) = walk([x], SIGNS[1:9].T)
    assert found.shape == x.shape
    (plain,) = walk([x])
    np.testing.assert_allclose(found, plain, rtol=1e-15, atol=1e-300)
    np.testing.assert_array_less(0.5, np.abs(np.delete(found.reshape(-1), 45)))


def scaled(divide: Any) -> eqprop.Pair:
    """tanh of x w / exp(t), which does not see w ↦ e^c w, t ↦ t + c."""
    model = eqprop.Model(
        lambda p, x: jnp.tanh(divide(x @ p["w"], jnp.exp(p["t"]))),
        {"w": np.ones((3, 2), np.float32), "t": np.float32(0)},
        np.ones((2, 3), np.float32),
        name="temperature",
    )
    action = eqprop.Transformation(
        groups.Translation(1), lambda c, p: {"w": p["w"] * jnp.exp(c[0]), "t": p["t"] + c[0]}, name="scale"
    )
    return eqprop.Pair(model, action)


@pytest.mark.parametrize(
    "divide",
    [lambda h, y: h / y, lambda h, y: h / jnp.sqrt(y * y), lambda h, y: h * jax.lax.rsqrt(y * y)],
    ids=["quotient", "root", "reciprocal root"],
)
@pytest.mark.parametrize("prop", ["noether", "hessian-generator"])
def test_dividing_by_a_large_exponential_is_no_false_alarm(divide: Any, prop: str):
    found = eqprop.check(
        scaled(divide),
        prop,
        loss="squared error",
        params={"t": np.array(306.6031333465618), "w": np.array([[0.0, 1.0], [0.0, 0.0], [0.0, 0.0]])},
        inputs=np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]),
        algebra=np.array([1.0]),
        targets=np.array([[0.0, 0.0], [0.0, 1.0]]),
    )
    assert found.outcome is not eqprop.Outcome.FALSIFIED


def test_a_log_density_with_a_large_scale_is_no_false_alarm():
    model = eqprop.Model(
        lambda p, x: jax.scipy.stats.norm.logpdf(x, p["mu"], jnp.exp(p["log_std"])),
        {"mu": np.zeros((1, 1), np.float32), "log_std": np.zeros((1, 1), np.float32)},
        np.ones((1, 1), np.float32),
    )
    units = eqprop.Transformation(
        groups.Scaling(1),
        lambda c, p: {"mu": p["mu"] * c[0], "log_std": p["log_std"] + jnp.log(c[0])},
        lambda c, y: y - jnp.log(c[0]),
        lambda c, x: x * c[0],
    )
    found = eqprop.check(
        eqprop.Pair(model, units),
        "hessian-generator",
        loss="squared error",
        params={"mu": np.zeros((1, 1)), "log_std": np.array([[230.35193368598505]])},
        inputs=np.zeros((1, 1)),
        algebra=np.ones(1),
        targets=np.zeros((1, 1)),
    )
    assert found.outcome is not eqprop.Outcome.FALSIFIED


@jax.custom_vjp
def misdivided(h: Any, y: Any) -> Any:
    return h / y


misdivided.defvjp(lambda h, y: (h / y, (h, y)), lambda kept, w: (w / kept[1], -w * kept[0] / kept[1] ** 2 * (1 + 1e-6)))


@pytest.mark.parametrize("t", [0.5, 100.0])
def test_a_derivative_of_a_quotient_that_is_off_by_a_millionth_is_falsified(t: float):
    def divide(h: Any, y: Any) -> Any:
        return misdivided(h, jnp.broadcast_to(y, h.shape))

    with pytest.raises(eqprop.Falsified, match="noether"):
        eqprop.check(
            scaled(divide),
            "noether",
            loss="squared error",
            params={"t": np.array(t), "w": np.exp(t) * np.array([[0.3, 1.0], [0.5, -0.2], [0.1, 0.4]])},
            inputs=np.array([[0.3, 0.2, 0.5], [1.0, -0.7, 0.4]]),
            algebra=np.array([1.0]),
            targets=np.array([[0.0, 0.5], [0.2, 1.0]]),
        )
