"""Drawn losses: values against NumPy, targets, the scale of outputs, and derivatives that do not vanish."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop.probes import DRAWN_LOSSES, Loss, output_factor, suitable_losses, user_loss
from eqprop.probes.losses import CROSS_ENTROPY, HUBER, LARGE_OUTPUT

DENSE = {
    "squared error": lambda y, t: 0.5 * ((y - t) ** 2).sum(),
    "cross-entropy": lambda y, t: np.log(np.exp(y).sum(-1)).sum() - (t * y).sum(),
    "logistic": lambda y, t: np.log1p(np.exp(-t * y)).sum(),
    "exponential": lambda y, t: np.exp(-t * y).sum(),
    "Huber": lambda y, t: sum(r * r / 2 if r < 1 else r - 0.5 for r in np.abs(y - t).ravel()),
    "random smooth": lambda y, t: (np.sin(y + t) + t * y / 2).sum(),
}
each_loss = pytest.mark.parametrize("loss", DRAWN_LOSSES, ids=lambda loss: loss.name)


def drawn(loss: Loss, shape: tuple[int, ...] = (5, 3)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape), loss.draw(rng, shape)


@each_loss
@pytest.mark.usefixtures("float64")
def test_a_loss_is_its_formula_in_numpy(loss: Loss) -> None:
    outputs, targets = drawn(loss)
    # 15 terms of order one: a few dozen roundings of 1e-16 each.
    np.testing.assert_allclose(loss(outputs, targets), DENSE[loss.name](outputs, targets), rtol=1e-13)


@each_loss
@pytest.mark.usefixtures("float64")
def test_a_loss_of_several_outputs_is_the_sum_over_them(loss: Loss) -> None:
    outputs, targets = drawn(loss)
    both = loss({"a": outputs, "b": (outputs,)}, {"a": targets, "b": (targets,)})
    np.testing.assert_allclose(both, 2 * loss(outputs, targets), rtol=1e-15)


@each_loss
@pytest.mark.usefixtures("float64")
def test_gradient_and_curvature_of_a_loss_do_not_vanish(loss: Loss) -> None:
    outputs, targets = drawn(loss)
    assert np.abs(jax.grad(loss)(outputs, targets)).max() > 1e-2
    assert np.abs(jax.hessian(loss)(outputs, targets)).max() > 1e-2


@pytest.mark.usefixtures("float64")
def test_huber_is_quadratic_inside_and_linear_outside() -> None:
    zero = np.zeros(2)
    curvature = jax.hessian(HUBER)(np.array([0.5, 2.0]), zero)
    np.testing.assert_array_equal(np.diag(curvature), [1.0, 0.0])


def test_targets_of_cross_entropy_are_one_hot_and_meet_every_class() -> None:
    _, targets = drawn(CROSS_ENTROPY, (200, 4))
    assert (targets.sum(-1) == 1).all()
    assert targets.any(0).all()


@pytest.mark.parametrize("name", ["logistic", "exponential"])
def test_targets_of_margin_losses_are_both_signs_in_integers(name: str) -> None:
    loss = next(loss for loss in DRAWN_LOSSES if loss.name == name)
    targets = loss.draw(np.random.default_rng(0), (100,))
    assert set(targets.tolist()) == {-1, 1}
    assert targets.dtype == np.int32


@pytest.mark.parametrize(
    ("shapes", "suits"),
    [
        (((5, 3),), True),
        (((5, 1),), False),
        (((),), False),
        (((5, 3), (5, 1)), False),
        (((5, 3), (2,)), False),
        (((4,),), False),
    ],
)
def test_cross_entropy_needs_two_classes_on_an_axis_of_their_own_in_every_output(shapes: Any, *, suits: bool) -> None:
    assert (CROSS_ENTROPY in suitable_losses(shapes)) == suits
    assert len(suitable_losses(shapes)) == len(DRAWN_LOSSES) - (not suits)


@pytest.mark.parametrize(("largest", "factor"), [(0.0, 1.0), (LARGE_OUTPUT, 1.0), (64.0, 1 / 64), (-64.0, 1 / 64)])
def test_outputs_are_made_smaller_by_their_largest_magnitude_where_it_is_large(largest: float, factor: float) -> None:
    assert output_factor({"a": jnp.array([0.5, largest])}, (jnp.ones(2),)) == factor


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_factor_of_outputs_is_a_normal_number_however_large_they_are(dtype: Any) -> None:
    with jax.enable_x64(True):
        assert output_factor(jnp.full(2, np.finfo(dtype).max)) == np.finfo(dtype).smallest_normal


def test_the_factor_of_outputs_is_a_constant_of_the_probe() -> None:
    gradient = jax.grad(lambda y: output_factor(y) * 1.0)(jnp.array([100.0, 3.0]))
    np.testing.assert_array_equal(gradient, 0)


def test_the_factor_of_an_empty_output_is_one() -> None:
    assert output_factor(jnp.zeros((0, 3))) == 1


def test_a_users_loss_ignores_the_drawn_targets() -> None:
    assert user_loss(jnp.sum)(jnp.ones(3), jnp.full(3, jnp.nan)) == 3
