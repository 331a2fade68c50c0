"""The formulas of the properties written out with dense Jacobians and Hessians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import eqprop
from eqprop.groups import LieGroup
from eqprop.probes import Loss
from eqprop.properties import CORE, by_name
from eqprop.properties.parts import irregular
from tests.properties.bent_pairs import its_twin, reverse_only

OF_CALCULUS = {"derivative", "input-derivative", "hessian-symmetry"}
OF_DEFECTS = {"near-equivariance", "defect", "defect-curvature"}
COMPARED = (
    *(prop for prop in CORE if prop.name not in OF_CALCULUS | OF_DEFECTS),
    *(by_name(name) for name in ("bracket", "critical-orbit", "third-order", "order-4")),
)
"""The others are compared with dense matrices in test_derivatives.py, test_defects.py, test_consequences.py and
test_dynamics.py."""


class Dense:
    """f, f′, K, T, X, ℓ as functions of flat vectors at a probe; derivatives are whole matrices."""

    def __init__(self, pair: eqprop.Pair, probe: eqprop.Probe, loss: Loss) -> None:
        source, image, floats = pair.model.param_leaves, pair.image.param_leaves, pair.model.input_leaves
        t = pair.transformation
        self.pair, self.probe, self.group = pair, probe, t.group
        apply = its_twin if pair.model.apply is reverse_only else pair.model.apply
        self.theta, theta_tree = ravel_pytree(probe.params)
        self.x, x_tree = ravel_pytree(floats.split(probe.inputs))
        y_example = apply(source.join(probe.params), probe.inputs)
        y_tree = ravel_pytree(y_example)[1]
        integers = floats.treedef.flatten_up_to(probe.inputs)

        def inputs(x: Any) -> Any:
            given = iter(x_tree(x))
            leaves = [next(given) if f else leaf for leaf, f in zip(integers, floats.floating, strict=True)]
            return jax.tree.unflatten(floats.treedef, leaves)

        image_tree = ravel_pytree(image.split(pair.image.params))[1]
        self.F = lambda p, x: ravel_pytree(apply(source.join(theta_tree(p)), inputs(x)))[0]
        self.F_image = lambda p, x: ravel_pytree(pair.image.apply(image.join(image_tree(p)), inputs(x)))[0]
        self.K = lambda g, p: ravel_pytree(image.split(t.on_params(g, source.join(theta_tree(p)))))[0]
        self.T = lambda g, y: ravel_pytree(t.on_outputs(g, y_tree(y)))[0]
        self.X = lambda g, x: ravel_pytree(floats.split(t.on_inputs(g, inputs(x))))[0]
        self.y = self.F(self.theta, self.x)
        moved = self.T(probe.element, self.y) if t.moves_outputs else self.y
        largest = jnp.maximum(jnp.max(jnp.abs(self.y)), jnp.max(jnp.abs(moved)))
        scale = jax.lax.stop_gradient(jnp.where(largest > 8.0, largest, 1.0))
        own = pair.model.loss
        self.loss = (lambda y: own(y_tree(y))) if own else lambda y: loss(y_tree(y / scale), probe.targets)
        self.u, self.v, self.w = (ravel_pytree(f)[0] for f in (probe.tangent, probe.tangent2, probe.cotangent))

    def along(self, action: Callable[..., Any], algebra: Any, at: Any) -> Any:
        """d/dt action(exp(tξ), at) at t = 0."""
        assert isinstance(self.group, LieGroup)
        exp = self.group.exp
        return jax.jacfwd(lambda t: action(exp(t * algebra), at))(0.0)


def dense_sides(pair: eqprop.Pair, probe: eqprop.Probe, loss: Loss) -> dict[str, tuple[Any, Any]]:
    """The formulas of every property, in whole matrices."""
    d = Dense(pair, probe, loss)
    g, theta, x, y, u, v, w = probe.element, d.theta, d.x, d.y, d.u, d.v, d.w
    jac, hess = jax.jacrev, lambda f: jax.jacfwd(jax.jacrev(f))
    moved, moved_x = d.K(g, theta), d.X(g, x)

    def f_image(p):
        return d.F_image(p, moved_x)

    def f(p):
        return d.F(p, x)

    act, out = lambda p: d.K(g, p), lambda z: d.T(g, z)
    y_image, j, j_image, dk, dt = f_image(moved), jac(f)(theta), jac(f_image)(moved), jac(act)(theta), jac(out)(y)
    gradient_image = jac(lambda p: d.loss(f_image(p)))(moved)
    hessian_image = hess(lambda p: d.loss(f_image(p)))(moved)

    def expected(p):
        return d.loss(out(f(p)))

    ggn_moved = (dt @ j).T @ hess(d.loss)(out(y)) @ dt @ j
    ggn_image = j_image.T @ hess(d.loss)(y_image) @ j_image
    sides = {
        "equivariance": (y_image, out(y)),
        "jacobian-covariance": (
            jnp.concatenate([j_image @ dk @ u, dk.T @ j_image.T @ w]),
            jnp.concatenate([dt @ j @ u, j.T @ dt.T @ w]),
        ),
        "gradient-covariance": (dk.T @ gradient_image, jac(expected)(theta)),
        "hessian-covariance": (
            dk.T @ hessian_image @ dk @ u + jnp.einsum("i,ijk,k->j", gradient_image, hess(act)(theta), u),
            hess(expected)(theta) @ u,
        ),
        "model-second-order": (
            jnp.einsum("oij,i,j->o", hess(f_image)(moved), dk @ u, dk @ v)
            + j_image @ jnp.einsum("oij,i,j->o", hess(act)(theta), u, v),
            jnp.einsum("oij,i,j->o", hess(out)(y), j @ u, j @ v) + dt @ jnp.einsum("oij,i,j->o", hess(f)(theta), u, v),
        ),
        "gauss-newton-covariance": (dk.T @ ggn_image @ dk @ u, ggn_moved @ u),
        "tangent-kernel-covariance": (
            jnp.concatenate([j_image @ j_image.T @ w, dk @ dk.T @ dk @ u]),
            jnp.concatenate([dt @ j @ j.T @ dt.T @ w, dk @ u]),
        ),
    }
    sides |= dense_input_sides(d)
    if pair.target is not None:
        return sides
    sides["critical-orbit"] = dense_critical_orbit(d, f, f_image, act)
    return {**sides, **dense_generator_sides(d), **dense_higher_sides(d), **dense_laws(d)}


def dense_input_sides(d: Dense) -> dict[str, tuple[Any, Any]]:
    """Derivatives in the inputs, and in inputs and parameters: whole matrices of the loss as a function of both."""
    jac, g = jax.jacrev, d.probe.element
    act, move, out = (lambda at, a=a: a(g, at) for a in (d.K, d.X, d.T))
    theta, x, u, v = d.theta, d.x, d.u, irregular(d.x)
    dk, dx, dt = jac(act)(theta), jac(move)(x), jac(out)(d.y)
    there, here = jac(d.F_image, 1)(act(theta), move(x)), jac(d.F, 1)(theta, x)
    mixed = lambda of: jac(jac(of, 0), 1)  # noqa: E731
    m_there = mixed(lambda p, z: d.loss(d.F_image(p, z)))(act(theta), move(x))
    m_here = mixed(lambda p, z: d.loss(out(d.F(p, z))))(theta, x)
    return {
        "input-covariance": (
            jnp.concatenate([there @ dx @ v, dx.T @ there.T @ d.w]),
            jnp.concatenate([dt @ here @ v, here.T @ dt.T @ d.w]),
        ),
        "mixed-covariance": (
            jnp.concatenate([dk.T @ m_there @ dx @ v, dx.T @ m_there.T @ dk @ u, (u @ m_here @ v)[None]]),
            jnp.concatenate([m_here @ v, m_here.T @ u, (v @ m_here.T @ u)[None]]),
        ),
    }


def dense_critical_orbit(d: Dense, f: Any, f_image: Any, act: Any) -> tuple[Any, Any]:
    jac, targets = jax.jacrev, f(d.theta)
    hess = lambda g: jax.jacfwd(jax.jacrev(g))  # noqa: E731
    there, here = (lambda p, g=g: 0.5 * jnp.sum((g(p) - targets) ** 2) for g in (f_image, f))
    moved, dk = act(d.theta), jac(act)(d.theta)
    lhs = jnp.concatenate([dk.T @ jac(there)(moved), dk.T @ hess(there)(moved) @ dk @ d.u])
    return lhs, jnp.concatenate([jnp.zeros_like(d.u), hess(here)(d.theta) @ d.u])


def dense_higher_sides(d: Dense) -> dict[str, tuple[Any, Any]]:
    """Where X = id: derivatives of the Noether identity along u, of the whole product."""
    jac = jax.jacfwd
    xi, eta, u = d.probe.algebra, d.probe.algebra2, d.u

    def field(algebra, p):
        return d.along(d.K, algebra, p)

    def rate(algebra, z):
        return jac(d.loss)(z) @ d.along(d.T, algebra, z)

    def total(p):
        return d.loss(d.F(p, d.x))

    def defect(p):  # of the Noether identity; its gradient is that of the second order
        return jac(total)(p) @ field(xi, p)

    def along(g, times):
        for _ in range(times):
            g = lambda p, g=g: jac(g)(p) @ u  # noqa: E731
        return g(d.theta)

    k, k2 = field(xi, d.theta), field(eta, d.theta)
    commutator = jac(lambda p: field(eta, p))(d.theta) @ k - jac(lambda p: field(xi, p))(d.theta) @ k2
    turned = [jac(lambda z, a=a: rate(a, z))(d.y) @ d.along(d.T, b, d.y) for a, b in ((eta, xi), (xi, eta))]
    return {
        # Scalings commute: the algebra's bracket is 0.
        "bracket": (
            jnp.concatenate([commutator, (jac(total)(d.theta) @ commutator)[None]]),
            jnp.concatenate([jnp.zeros_like(commutator), (turned[0] - turned[1])[None]]),
        ),
        **{
            name: (along(jac(defect), times), along(jac(lambda p: rate(xi, d.F(p, d.x))), times))
            for name, times in (("third-order", 1), ("order-4", 2))
        },
    }


def dense_generator_sides(d: Dense) -> dict[str, tuple[Any, Any]]:
    theta, x, y = d.theta, d.x, d.y
    jac = jax.jacfwd
    xi, eta = d.probe.algebra, d.probe.algebra2
    k, k2, chi = d.along(d.K, xi, theta), d.along(d.K, eta, theta), d.along(d.X, xi, x)
    tau, tau2 = d.along(d.T, xi, y), d.along(d.T, eta, y)

    def total(p, z):
        return d.loss(d.F(p, z))

    gradient, hessian = jac(total)(theta, x), jac(jac(total))(theta, x)
    mixed = jac(jac(total), 1)(theta, x)
    j, j_x, dk = jac(d.F)(theta, x), jac(d.F, 1)(theta, x), jac(lambda p: d.along(d.K, xi, p))(theta)

    def rate(z):
        return jac(d.loss)(z) @ d.along(d.T, xi, z)

    dchi = jac(lambda z: d.along(d.X, xi, z))(x)
    bent = j.T @ jac(jac(d.loss))(y)
    return {
        "jacobian-generator": (j @ k + j_x @ chi, tau),
        "noether": (gradient @ k + jac(total, 1)(theta, x) @ chi, jac(d.loss)(y) @ tau),
        "hessian-generator": (hessian @ k + mixed @ chi + dk.T @ gradient, jac(lambda p: rate(d.F(p, x)))(theta)),
        "orbit-curvature": (k2 @ hessian @ k, jac(rate)(y) @ tau2 - gradient @ dk @ k2),
        "gauss-newton-null": (bent @ j @ k, bent @ tau),
        "data-sensitivity": (
            mixed.T @ k + jac(jac(total, 1), 1)(theta, x) @ chi + dchi.T @ jac(total, 1)(theta, x),
            jac(lambda z: rate(d.F(theta, z)))(x),
        ),
    }


def dense_laws(d: Dense) -> dict[str, tuple[Any, Any]]:
    t = d.pair.transformation
    g, h, e = d.probe.element, d.probe.element2, d.group.identity()
    product = g * h  # of scalings
    acting = [(d.K, d.theta)] + [(d.T, d.y)] * t.moves_outputs + [(t.on_inputs, d.probe.inputs)] * t.moves_inputs
    lhs = [side for act, at in acting for side in (act(e, at), act(g, act(h, at)))]
    rhs = [side for act, at in acting for side in (at, act(product, at))]
    unmoved = np.zeros(2)  # of the one integer, at the identity and composed: nothing differs
    lhs, rhs = ([*side[:2], unmoved, *side[2:]] for side in (lhs, rhs))
    return {"group-laws": (ravel_pytree(lhs)[0], ravel_pytree(rhs)[0])}
