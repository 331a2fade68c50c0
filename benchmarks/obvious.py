"""The obvious harness, for comparison: the same identities as plain JAX code, one probe at a time, no rounding floors.

This is what one writes without a framework: a jitted function for each identity of a symmetry (T and X the identity),
called for each probe, and a tolerance picked by hand. It lives here and never in ``eqprop``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.claims import Pair
from eqprop.probes import SQUARED_ERROR, Probe

Sides = tuple[Any, Any]
TOLERANCE = 1e-6


def push(f: Callable[[Any], Any], at: Any, tangent: Any) -> Any:
    return jax.jvp(f, (at,), (tangent,))[1]


def pull(f: Callable[[Any], Any], at: Any, cotangent: Any) -> Any:
    return jax.vjp(f, at)[1](cotangent)[0]


def dot(a: Any, b: Any) -> Any:
    return sum(jnp.vdot(x, y) for x, y in zip(a, b, strict=True))


def zero(tree: Any) -> Any:
    return jax.tree.map(jnp.zeros_like, tree)


SHORT = 1e-4
NODES = ((0.5 - 0.15**0.5, 5 / 18), (0.5, 8 / 18), (0.5 + 0.15**0.5, 5 / 18))
"""Gauss's three points on [0, 1]."""


def increment(f: Callable[[Any], Any], at: Any, tangent: Any) -> Sides:
    """What a short step changes, and the integral of the derivative along it; over the length of the step."""

    def along(t: float) -> Any:
        return jax.tree.map(lambda a, u: a + SHORT * t * u, at, tangent)

    slopes = [jax.tree.map(lambda leaf, w=w: w * leaf, push(f, along(t), tangent)) for t, w in NODES]
    change = jax.tree.map(lambda a, b: (a - b) / SHORT, f(along(1.0)), f(at))
    return change, jax.tree.map(lambda *leaves: sum(leaves), *slopes)


class Identities:
    """Both sides of each identity that holds for a continuous symmetry of one model."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.split, self.join = pair.model.param_leaves.split, pair.model.param_leaves.join
        self.group: Any = pair.transformation.group

    def by_name(self) -> dict[str, Callable[[Probe], Sides]]:
        """By the names of their properties."""
        return {
            "group-laws": self.group_laws,
            "equivariance": lambda p: (self.model(p)(self.moved(p)), self.model(p)(p.params)),
            "jacobian-covariance": self.jacobian_covariance,
            "gradient-covariance": lambda p: (
                self.brought_back(p, self.gradient(p)(self.moved(p))),
                self.gradient(p)(p.params),
            ),
            "jacobian-generator": self.jacobian_generator,
            "noether": self.noether,
            "hessian-covariance": self.hessian_covariance,
            "model-second-order": self.model_second_order,
            "gauss-newton-covariance": self.gauss_newton_covariance,
            "hessian-generator": self.hessian_generator,
            "orbit-curvature": self.orbit_curvature,
            "gauss-newton-null": self.gauss_newton_null,
            "derivative": self.derivative,
            "input-derivative": self.input_derivative,
            "hessian-symmetry": self.hessian_symmetry,
            "input-covariance": self.input_covariance,
            "mixed-covariance": self.mixed_covariance,
            "data-sensitivity": self.data_sensitivity,
        }

    def act(self, element: Any, theta: Any) -> Any:
        return self.split(self.pair.transformation.on_params(element, self.join(theta)))

    def model(self, p: Probe) -> Callable[[Any], Any]:
        return lambda theta: self.pair.model.apply(self.join(theta), p.inputs)

    def gradient(self, p: Probe) -> Callable[[Any], Any]:
        return jax.grad(lambda theta: SQUARED_ERROR(self.model(p)(theta), p.targets))

    def moved(self, p: Probe) -> Any:
        return self.act(p.element, p.params)

    def field(self, algebra: Any, theta: Any) -> Any:
        return push(lambda element: self.act(element, theta), self.group.identity(), algebra)

    def carried(self, p: Probe, tangent: Any) -> Any:
        return push(lambda theta: self.act(p.element, theta), p.params, tangent)

    def brought_back(self, p: Probe, cotangent: Any) -> Any:
        return pull(lambda theta: self.act(p.element, theta), p.params, cotangent)

    def gauss_newton(self, p: Probe, at: Any, tangent: Any) -> Any:
        return pull(self.model(p), at, push(self.model(p), at, tangent))  # ∇²ℓ = 1 for the squared error

    def in_inputs(self, theta: Any) -> Callable[[Any], Any]:
        return lambda inputs: self.pair.model.apply(self.join(theta), inputs)

    def mixed(self, p: Probe, at: Any, u: Any) -> Any:
        def in_inputs(inputs: Any) -> Any:
            return push(lambda theta: SQUARED_ERROR(self.in_inputs(theta)(inputs), p.targets), at, u)

        return jax.grad(in_inputs)(p.inputs)

    def second(self, p: Probe, at: Any, u: Any, v: Any) -> Any:
        return push(lambda theta: push(self.model(p), theta, u), at, v)

    def group_laws(self, p: Probe) -> Sides:
        twice = self.act(p.element, self.act(p.element2, p.params))
        once = self.act(self.group.compose(p.element, p.element2), p.params)
        return (twice, self.act(self.group.identity(), p.params)), (once, p.params)

    def jacobian_covariance(self, p: Probe) -> Sides:
        there = push(self.model(p), self.moved(p), self.carried(p, p.tangent))
        back = self.brought_back(p, pull(self.model(p), self.moved(p), p.cotangent))
        return (there, back), (push(self.model(p), p.params, p.tangent), pull(self.model(p), p.params, p.cotangent))

    def hessian_covariance(self, p: Probe) -> Sides:
        there = push(self.gradient(p), self.moved(p), self.carried(p, p.tangent))
        bent = push(
            lambda theta: pull(lambda t: self.act(p.element, t), theta, self.gradient(p)(self.moved(p))),
            p.params,
            p.tangent,
        )
        lhs = jax.tree.map(jnp.add, self.brought_back(p, there), bent)
        return lhs, push(self.gradient(p), p.params, p.tangent)

    def model_second_order(self, p: Probe) -> Sides:
        lhs = self.second(p, self.moved(p), self.carried(p, p.tangent), self.carried(p, p.tangent2))
        bent = push(lambda theta: push(lambda t: self.act(p.element, t), theta, p.tangent), p.params, p.tangent2)
        return lhs + push(self.model(p), self.moved(p), bent), self.second(p, p.params, p.tangent, p.tangent2)

    def hessian_generator(self, p: Probe) -> Sides:
        hk = push(self.gradient(p), p.params, self.field(p.algebra, p.params))
        drift = pull(lambda theta: self.field(p.algebra, theta), p.params, self.gradient(p)(p.params))
        return hk, jax.tree.map(jnp.negative, drift)

    def orbit_curvature(self, p: Probe) -> Sides:
        hk, drift = self.hessian_generator(p)
        eta = self.field(p.algebra2, p.params)
        return dot(eta, hk), dot(eta, drift)

    def gauss_newton_covariance(self, p: Probe) -> Sides:
        lhs = self.brought_back(p, self.gauss_newton(p, self.moved(p), self.carried(p, p.tangent)))
        return lhs, self.gauss_newton(p, p.params, p.tangent)

    def gauss_newton_null(self, p: Probe) -> Sides:
        lhs = self.gauss_newton(p, p.params, self.field(p.algebra, p.params))
        return lhs, zero(lhs)

    def jacobian_generator(self, p: Probe) -> Sides:
        lhs = push(self.model(p), p.params, self.field(p.algebra, p.params))
        return lhs, zero(lhs)

    def noether(self, p: Probe) -> Sides:
        return dot(self.gradient(p)(p.params), self.field(p.algebra, p.params)), jnp.zeros(())

    def derivative(self, p: Probe) -> Sides:
        return increment(self.model(p), p.params, p.tangent)

    def input_derivative(self, p: Probe) -> Sides:
        return increment(self.in_inputs(p.params), p.inputs, jax.tree.map(jnp.ones_like, p.inputs))

    def hessian_symmetry(self, p: Probe) -> Sides:
        hu, hv = (push(self.gradient(p), p.params, tangent) for tangent in (p.tangent, p.tangent2))
        return dot(p.tangent2, hu), dot(p.tangent, hv)

    def input_covariance(self, p: Probe) -> Sides:
        there, here = (pull(self.in_inputs(theta), p.inputs, p.cotangent) for theta in (self.moved(p), p.params))
        return there, here

    def mixed_covariance(self, p: Probe) -> Sides:
        there = self.mixed(p, self.moved(p), self.carried(p, p.tangent))
        return there, self.mixed(p, p.params, p.tangent)

    def data_sensitivity(self, p: Probe) -> Sides:
        lhs = self.mixed(p, p.params, self.field(p.algebra, p.params))
        return lhs, zero(lhs)


class Harness:
    """The identities of one architecture, each jitted afresh."""

    def __init__(self, pair: Pair) -> None:
        self.jitted = {name: jax.jit(sides) for name, sides in Identities(pair).by_name().items()}

    def check(self, probe: Probe) -> bool:
        """Whether every identity holds at one probe, up to the tolerance."""
        verdicts = [close(*sides(probe)) for sides in self.jitted.values()]
        return all(verdicts)


def close(lhs: Any, rhs: Any) -> bool:
    """``np.allclose`` for every leaf."""
    leaves = zip(jax.tree.leaves(lhs), jax.tree.leaves(rhs), strict=True)
    return all(np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE) for a, b in leaves)
