"""Derivatives near a point against dense Jacobians and Hessians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from eqprop import groups
from eqprop.engine import Local, bracket, calculus, generator, is_reverse_only
from eqprop.engine.calculus import allows_forward

pytestmark = pytest.mark.usefixtures("float64")

AT = (np.array([0.3, -0.8]), np.array([[0.5, 1.1, -0.2], [0.4, -0.6, 0.9]]))
U = (np.array([1.0, -2.0]), np.array([[0.3, 0.1, 0.7], [-0.9, 0.2, 0.5]]))
V = (np.array([0.4, 0.6]), np.array([[-0.2, 1.3, 0.8], [0.1, 0.9, -1.1]]))
W = {"y": np.array([0.7, -0.3, 1.9]), "z": np.array(-0.6)}


def cube(x: Any) -> Any:
    return x**3


@jax.custom_vjp
def reverse_cube(x: Any) -> Any:
    return x**3


reverse_cube.defvjp(lambda x: (x**3, x), lambda x, w: (3 * x**2 * w,))


@jax.custom_vjp
def self_calling_cube(x: Any) -> Any:
    return x**3


# A forward rule that calls the function itself, as fused kernels do: forward over reverse meets the rule again.
self_calling_cube.defvjp(lambda x: (self_calling_cube(x), x), lambda x, w: (3 * x**2 * w,))


@jax.custom_jvp
def forward_cube(x: Any) -> Any:
    return x**3


forward_cube.defjvp(lambda x, u: (x[0] ** 3, 3 * x[0] ** 2 * u[0]))

CUBES = [cube, reverse_cube, self_calling_cube, forward_cube]


def model(cubed: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of two tensors with two outputs, nonlinear in all of them."""

    def apply(at: Any) -> Any:
        a, b = at
        hidden = jnp.sin(a @ b) + cubed(b[0])
        return {"y": jax.jit(cubed)(hidden) * a[0], "z": jnp.sum(jnp.exp(0.3 * b)) * a[1] ** 2}

    return apply


def loss(y: Any) -> Any:
    return jnp.sum(jnp.cos(y["y"])) * y["z"] + y["z"] ** 3


def flat(tree: Any) -> Any:
    return ravel_pytree(tree)[0]


def same(found: Any, expected: Any) -> None:
    # Some twenty operations in float64 on numbers from 1 to 10: 1e-12 of the largest is 1e4 units in the last place.
    expected = np.asarray(expected)
    np.testing.assert_allclose(flat(found), expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def dense() -> dict[str, Any]:
    """Whole tensors of derivatives, in float64."""
    with jax.enable_x64(True):
        theta, unravel = ravel_pytree(AT)

        def f(at):
            return flat(model(cube)(unravel(at)))

        def total(at):
            return loss(model(cube)(unravel(at)))

        second = jax.jacfwd(jax.jacrev(f))
        functions = {
            "value": f,
            "jacobian": jax.jacrev(f),
            "second": second,
            "third": jax.jacfwd(second),
            "gradient": jax.grad(total),
            "hessian": jax.hessian(total),
        }
        return jax.jit(lambda at: {name: function(at) for name, function in functions.items()})(theta)


DENSE = dense()


@pytest.fixture(params=CUBES, ids=lambda f: getattr(f, "__name__", "cube"))
def near(request: pytest.FixtureRequest) -> Local:
    return Local(model(request.param), AT, reverse_only=True)


def test_push_is_the_jacobian_times_a_tangent(near: Local):
    same(near.push(U), DENSE["jacobian"] @ flat(U))


def test_pull_is_the_transposed_jacobian_times_a_cotangent(near: Local):
    same(near.pull(W), DENSE["jacobian"].T @ flat(W))


def test_value_is_the_function_at_the_point(near: Local):
    same(near.value, DENSE["value"])


def test_along_pushes_the_second_derivative(near: Local):
    same(near.along(U).value, DENSE["jacobian"] @ flat(U))
    same(near.along(U).push(V), jnp.einsum("oij,i,j->o", DENSE["second"], flat(U), flat(V)))


def test_against_pushes_the_weighted_sum_of_hessians(near: Local):
    same(near.against(W).value, DENSE["jacobian"].T @ flat(W))
    same(near.against(W).push(U), jnp.einsum("oij,o,j->i", DENSE["second"], flat(W), flat(U)))


def test_tangents_go_through_one_trace_that_is_not_linearized(monkeypatch: pytest.MonkeyPatch):
    # Which traces each operation of f by itself, and takes six times as long.
    monkeypatch.delattr(jax, "linearize")
    traced: list[Any] = []

    def counting(at: Any) -> Any:
        traced.append(at)
        return model(cube)(at)

    near = Local(counting, AT)
    same(near.push(U), DENSE["jacobian"] @ flat(U))
    same(near.push(V), DENSE["jacobian"] @ flat(V))
    assert len(traced) == 1


def test_gradient_of_a_loss_pushes_the_hessian(near: Local):
    gradient = near.gradient_of(loss)
    same(gradient.value, DENSE["gradient"])
    same(gradient.push(U), DENSE["hessian"] @ flat(U))


def test_third_derivatives_follow_the_same_way():
    for cubed in (cube, reverse_cube):
        near = Local(model(cubed), AT, reverse_only=True)
        expected = jnp.einsum("oijk,i,j,k->o", DENSE["third"], flat(U), flat(V), flat(U))
        same(jax.jit(lambda near=near: near.along(U).along(V).push(U))(), expected)


def test_a_function_that_allows_forward_mode_gives_the_same_numbers_careful_or_not():
    quick, reverse_only = (Local(model(cube), AT, reverse_only=reverse_only) for reverse_only in (False, True))
    for a, b in zip(flat(quick.along(U).push(V)), flat(reverse_only.along(U).push(V)), strict=True):
        assert a == b


@pytest.mark.parametrize(
    ("cubed", "allowed"), [(cube, True), (reverse_cube, False), (self_calling_cube, False), (forward_cube, True)]
)
def test_reverse_only_rules_are_found_also_inside_jit(cubed: Callable[[Any], Any], allowed: bool):
    assert allows_forward(model(cubed), AT) == allowed
    assert allows_forward(jax.jit(model(cubed)), AT) == allowed


def test_a_reverse_only_rule_that_the_tangents_do_not_meet_allows_forward_mode():
    assert allows_forward(lambda at: at * reverse_cube(jnp.ones(2)), np.ones(2))


def test_a_rule_that_calls_itself_refuses_forward_over_reverse_and_one_that_does_not_allows_it():
    def gradient(cubed):
        return jax.grad(lambda b: jnp.sum(cubed(b)))

    assert allows_forward(gradient(reverse_cube), np.ones(2))
    assert not allows_forward(gradient(self_calling_cube), np.ones(2))


def test_what_jax_says_about_a_reverse_only_rule_is_recognised_and_other_errors_are_not():
    def pushed(at: Any) -> Any:
        return jax.jvp(reverse_cube, (at,), (at,))[1]

    with pytest.raises((TypeError, NotImplementedError), match=r"forward-mode|custom_vjp") as caught:
        jax.jit(pushed)(np.ones(2))
    assert is_reverse_only(caught.value)
    with pytest.raises(TypeError, match="contracting dimensions") as other:
        _ = jnp.ones(2) @ jnp.ones(3)
    assert not is_reverse_only(other.value)


def test_double_vjp_gives_the_value_and_the_linear_map():
    value, push = calculus.double_vjp(model(self_calling_cube), AT)
    same(value, DENSE["value"])
    same(push(U), DENSE["jacobian"] @ flat(U))


def test_a_generator_is_the_derivative_of_the_action_along_the_tangent_of_exp():
    def action(g, at):
        return {"a": at["a"] * g, "b": at["b"] / g**2 + jnp.sin(g - 1)}

    at = {"a": np.array([2.0, 3.0]), "b": np.array([1.0, -4.0])}
    k = generator(action, np.ones(2), np.array([1.0, 0.5]))
    found = k(at)
    np.testing.assert_array_equal(found["a"], [2.0, 1.5])
    np.testing.assert_array_equal(found["b"], [-2 + 1, 4 + 0.5])


def test_the_derivative_of_a_generator_is_taken_like_any_other():
    field = Local(
        generator(lambda g, at: at * g + at**2 * (g - 1), np.ones(2), np.array([1.0, 2.0])), np.array([0.5, 3.0])
    )
    np.testing.assert_array_equal(field.push(np.ones(2)), [1 + 2 * 0.5, 2 * (1 + 2 * 3.0)])


def test_inner_products_and_sizes_run_over_all_leaves():
    a, b = {"x": np.array([1.0, -2.0]), "y": np.array(3.0)}, {"x": np.array([2.0, 2.0]), "y": np.array(-1.0)}
    assert calculus.inner(a, b) == 2 - 4 - 3
    assert calculus.inner_magnitude(a, b) == 2 + 4 + 3
    assert calculus.norm({"x": np.array([3.0]), "y": np.array(4.0)}) == 5
    assert calculus.inner((), ()) == 0


def test_trees_add_and_subtract_leaf_by_leaf():
    total, difference = calculus.add(U, V), calculus.subtract(U, V)
    for u, v, plus, minus, zero in zip(U, V, total, difference, calculus.zeros_like(U), strict=True):
        np.testing.assert_array_equal(plus, u + v)
        np.testing.assert_array_equal(minus, u - v)
        assert zero.shape == u.shape
        assert not zero.any()


def test_a_scaled_tree_is_scaled_leaf_by_leaf():
    for u, found in zip(U, calculus.scaled(U, -2.5), strict=True):
        np.testing.assert_array_equal(found, -2.5 * u)


# -- brackets ---------------------------------------------------------------------------------------------------------


def bracket_in(group: groups.LieGroup, xi: Any, eta: Any) -> Any:
    identity = jax.tree.map(jnp.asarray, group.identity())
    return bracket(group.compose, group.inverse, identity, group.tangent(xi), group.tangent(eta))


def two_algebra_elements(group: groups.LieGroup) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return group.sample_algebra(rng), group.sample_algebra(rng)


@pytest.mark.parametrize("group", [groups.GeneralLinear(3), groups.Rotation(3), groups.Orthogonal(4)], ids=repr)
def test_a_bracket_of_matrices_is_their_commutator(group: groups.LieGroup):
    xi, eta = two_algebra_elements(group)
    commutator = xi @ eta - eta @ xi
    assert np.abs(commutator).max() > 0.1
    same(bracket_in(group, xi, eta), commutator.ravel())
    same(bracket_in(group, eta, xi), -commutator.ravel())


@pytest.mark.parametrize("group", [groups.GeneralLinear(2), groups.Rotation(3)], ids=repr)
def test_the_bracket_is_that_of_products_of_exponentials(group: groups.LieGroup):
    """exp(sξ) exp(tη) exp(−sξ) exp(−tη) = 1 + st[ξ, η] + terms of third order."""
    xi, eta = two_algebra_elements(group)
    s = 1e-4
    there, back = (group.compose(group.exp(sign * s * xi), group.exp(sign * s * eta)) for sign in (1, -1))
    found = (group.compose(there, back) - np.eye(len(xi))) / s**2
    # The next term is s times products of three numbers below 3.
    np.testing.assert_allclose(found, bracket_in(group, xi, eta), atol=30 * s)


COMMUTATIVE = [groups.Scaling(3), groups.Translation(3), groups.ComplexScaling(2), groups.Rotation(2)]


@pytest.mark.parametrize("group", COMMUTATIVE, ids=repr)
def test_in_a_commutative_group_brackets_vanish(group: groups.LieGroup):
    # Sums of a few products of numbers of size 1.
    np.testing.assert_allclose(bracket_in(group, *two_algebra_elements(group)), 0, atol=1e-15)


def test_the_bracket_of_a_product_is_taken_factor_by_factor():
    group = groups.Product(groups.GeneralLinear(2), groups.Scaling(2))
    assert isinstance(group, groups.LieGroup)
    xi, eta = two_algebra_elements(group)
    matrices, factors = bracket_in(group, xi, eta)
    same(matrices, (xi[0] @ eta[0] - eta[0] @ xi[0]).ravel())
    np.testing.assert_allclose(factors, 0, atol=1e-15)  # as above


def test_a_bracket_needs_no_exp_any_curve_with_the_tangent_serves():
    """A group in other coordinates: the elements of GL(2) less the identity."""
    one = np.eye(2)

    def compose(g: Any, h: Any) -> Any:
        return (one + g) @ (one + h) - one

    def inverse(g: Any) -> Any:
        return jnp.linalg.inv(one + g) - one

    xi, eta = two_algebra_elements(groups.GeneralLinear(2))
    same(bracket(compose, inverse, jnp.zeros((2, 2)), xi, eta), (xi @ eta - eta @ xi).ravel())
