"""The part of a group that leaves the loss: what is said of a symmetry is said of that part, and not of the rest."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop.probes import gaussian
from eqprop.properties import by_name
from eqprop.properties.traits import traits_of
from eqprop.properties.traits.still import Still
from tests.properties.judged import suspected
from tests.properties.still_pairs import (
    ALONG,
    X,
    cross_entropy,
    length_in_a_plane,
    of_positive,
    permuted_and_rescaled,
    rescaled_and_scaled,
    shifted,
    turned,
    two_layers,
)


def dimensions(still: Still) -> dict[str, int]:
    return {name: getattr(still, name).dimension for name in Still.__dataclass_fields__}


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (rescaled_and_scaled, (2, 2, 0, 2, 0)),
        (lambda: shifted(ALONG, cross_entropy), (1, 0, 1, 1, 1)),
        (lambda: shifted(ALONG[:1], cross_entropy), (1, 0, 1, 1, 1)),
        (lambda: shifted(ALONG, None), (0, 0, 0, 0, 0)),
        (lambda: shifted(ALONG, of_positive), (0, 0, 0, 0, 0)),
        (lambda: turned(length_in_a_plane), (1, 0, 0, 0, 1)),
        (permuted_and_rescaled, (2, 2, 0, 2, 0)),
    ],
    ids=["product", "part of translations", "all of them", "drawn loss", "not a number", "plane", "discrete factor"],
)
def test_the_parts_that_leave_loss_and_outputs_have_their_dimensions(make: Any, expected: tuple[int, ...]):
    names = ("loss", "outputs", "constant", "symmetric", "antisymmetric")
    assert dimensions(traits_of(make()).still) == dict(zip(names, expected, strict=True))


def test_the_part_is_the_one_that_was_meant():
    algebra = traits_of(rescaled_and_scaled()).still.loss.nearest((np.array([0.3, -2.0]), np.array([5.0])))
    np.testing.assert_allclose(np.concatenate(algebra), [0.3, -2.0, 0.0], atol=1e-12)
    (shift,) = [traits_of(shifted(ALONG, cross_entropy)).still.loss.nearest(np.array([0.7, 4.0]))]
    np.testing.assert_allclose(shift, [0.7, 0.0], atol=1e-12)


def test_where_t_is_the_identity_all_of_the_algebra_is_still():
    pair = rescaled_and_scaled(outputs=False)
    traits = traits_of(pair)
    assert traits.still.loss.basis is traits.still.outputs.basis is None
    assert traits.still.symmetric is traits.symmetric


ON_A_PART = [
    (
        rescaled_and_scaled,
        ["charge-decay", "noise-equilibrium", "minibatch-drift", "damped-gauss-newton", "critical-null-space"],
    ),
    (lambda: shifted(ALONG, cross_entropy), ["flat-translation", "charge-decay", "angular-momentum"]),
    (lambda: turned(length_in_a_plane), ["angular-momentum", "weight-decay-stationary"]),
    (permuted_and_rescaled, ["charge-decay", "noise-equilibrium", "critical-null-space", "weight-decay-stationary"]),
]
IDS = ["product", "translations", "plane", "discrete factor"]


@pytest.mark.parametrize(("make", "names"), ON_A_PART, ids=IDS)
def test_what_is_said_of_a_symmetry_holds_on_the_part_that_leaves_the_loss(make: Any, names: list[str]):
    assert suspected(make(), names) == dict.fromkeys(names, False)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: shifted(ALONG[1:], cross_entropy), ["flat-translation", "charge-decay", "angular-momentum"]),
        (lambda: shifted(ALONG, None), ["flat-translation", "damped-gauss-newton", "critical-null-space"]),
        (lambda: turned(None), ["angular-momentum", "weight-decay-stationary", "critical-null-space"]),
    ],
    ids=["seen direction", "drawn loss", "every turn seen"],
)
def test_it_does_not_apply_where_no_part_does(make: Any, names: list[str]):
    pair = make()
    reasons = [str(by_name(name).reason_if_not_applicable(pair)).partition(";")[0] for name in names]
    assert set(reasons) <= {"stated for s = 0", "stated for τ = 0"}


def test_a_network_that_lacks_the_part_is_falsified():
    names = ON_A_PART[0][1]
    assert suspected(rescaled_and_scaled(exponent=-1.01), names) == dict.fromkeys(names, True)


def test_off_the_part_the_statements_are_wrong(float64: None):
    """Of what scales the outputs: H k at a critical point, and ⟨k, (GGN + λ)⁻¹∇L⟩, with dense derivatives."""
    pair = rescaled_and_scaled()
    theta, tree = ravel_pytree(pair.model.params)
    f = lambda at: jnp.ravel(two_layers(tree(at), X))  # noqa: E731
    jacobian, y = np.asarray(jax.jacrev(f)(theta)), np.asarray(f(theta))
    k = {name: _generator(pair, tree, theta, xi) for name, xi in {"part": (1.0, -2.0, 0.0), "rest": (0, 0, 1)}.items()}
    hessian = jacobian.T @ jacobian  # of ½‖f − f(θ)‖²
    slope = jacobian.T @ (y - gaussian(np.random.default_rng(3), y.shape))
    step = np.linalg.solve(hessian + 0.3 * np.eye(theta.size), slope)
    for statement in (lambda k: np.linalg.norm(hessian @ k), lambda k: abs(k @ step)):
        assert statement(k["part"]) < 1e-10
        assert statement(k["rest"]) > 1e-3


def _generator(pair: eqprop.Pair, tree: Any, theta: Any, xi: tuple[float, ...]) -> np.ndarray:
    def along(t: Any) -> Any:
        element = (jnp.exp(t * jnp.array(xi[:2])), jnp.exp(t * jnp.array(xi[2:])))
        return ravel_pytree(pair.transformation.on_params(element, tree(theta)))[0]

    return np.asarray(jax.jvp(along, (0.0,), (1.0,))[1])
