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


def identities(pair: Pair) -> dict[str, Callable[[Probe], Sides]]:
    """Both sides of each identity that holds for a continuous symmetry of one model, by the name of its property."""
    split, join = pair.model.param_leaves.split, pair.model.param_leaves.join
    group: Any = pair.transformation.group

    def act(element: Any, theta: Any) -> Any:
        return split(pair.transformation.on_params(element, join(theta)))

    def model(p: Probe) -> Callable[[Any], Any]:
        return lambda theta: pair.model.apply(join(theta), p.inputs)

    def gradient(p: Probe) -> Callable[[Any], Any]:
        return jax.grad(lambda theta: SQUARED_ERROR(model(p)(theta), p.targets))

    def moved(p: Probe) -> Any:
        return act(p.element, p.params)

    def push(f: Callable[[Any], Any], at: Any, tangent: Any) -> Any:
        return jax.jvp(f, (at,), (tangent,))[1]

    def pull(f: Callable[[Any], Any], at: Any, cotangent: Any) -> Any:
        return jax.vjp(f, at)[1](cotangent)[0]

    def field(algebra: Any, theta: Any) -> Any:
        return push(lambda element: act(element, theta), group.identity(), algebra)

    def carried(p: Probe, tangent: Any) -> Any:
        return push(lambda theta: act(p.element, theta), p.params, tangent)

    def brought_back(p: Probe, cotangent: Any) -> Any:
        return pull(lambda theta: act(p.element, theta), p.params, cotangent)

    def dot(a: Any, b: Any) -> Any:
        return sum(jnp.vdot(x, y) for x, y in zip(a, b, strict=True))

    def gauss_newton(p: Probe, at: Any, tangent: Any) -> Any:
        return pull(model(p), at, push(model(p), at, tangent))  # ∇²ℓ = 1 for the squared error

    def second(p: Probe, at: Any, u: Any, v: Any) -> Any:
        return push(lambda theta: push(model(p), theta, u), at, v)

    def zero(tree: Any) -> Any:
        return jax.tree.map(jnp.zeros_like, tree)

    def group_laws(p: Probe) -> Sides:
        twice = act(p.element, act(p.element2, p.params))
        once = act(group.compose(p.element, p.element2), p.params)
        return (twice, act(group.identity(), p.params)), (once, p.params)

    def jacobian_covariance(p: Probe) -> Sides:
        there = push(model(p), moved(p), carried(p, p.tangent))
        back = brought_back(p, pull(model(p), moved(p), p.cotangent))
        return (there, back), (push(model(p), p.params, p.tangent), pull(model(p), p.params, p.cotangent))

    def hessian_covariance(p: Probe) -> Sides:
        there = push(gradient(p), moved(p), carried(p, p.tangent))
        bent = push(lambda theta: pull(lambda t: act(p.element, t), theta, gradient(p)(moved(p))), p.params, p.tangent)
        lhs = jax.tree.map(jnp.add, brought_back(p, there), bent)
        return lhs, push(gradient(p), p.params, p.tangent)

    def model_second_order(p: Probe) -> Sides:
        lhs = second(p, moved(p), carried(p, p.tangent), carried(p, p.tangent2))
        bent = push(lambda theta: push(lambda t: act(p.element, t), theta, p.tangent), p.params, p.tangent2)
        return lhs + push(model(p), moved(p), bent), second(p, p.params, p.tangent, p.tangent2)

    def hessian_generator(p: Probe) -> Sides:
        hk = push(gradient(p), p.params, field(p.algebra, p.params))
        drift = pull(lambda theta: field(p.algebra, theta), p.params, gradient(p)(p.params))
        return hk, jax.tree.map(jnp.negative, drift)

    def orbit_curvature(p: Probe) -> Sides:
        hk, drift = hessian_generator(p)
        eta = field(p.algebra2, p.params)
        return dot(eta, hk), dot(eta, drift)

    def gauss_newton_covariance(p: Probe) -> Sides:
        lhs = brought_back(p, gauss_newton(p, moved(p), carried(p, p.tangent)))
        return lhs, gauss_newton(p, p.params, p.tangent)

    def gauss_newton_null(p: Probe) -> Sides:
        lhs = gauss_newton(p, p.params, field(p.algebra, p.params))
        return lhs, zero(lhs)

    def jacobian_generator(p: Probe) -> Sides:
        lhs = push(model(p), p.params, field(p.algebra, p.params))
        return lhs, zero(lhs)

    def noether(p: Probe) -> Sides:
        return dot(gradient(p)(p.params), field(p.algebra, p.params)), jnp.zeros(())

    return {
        "group-laws": group_laws,
        "equivariance": lambda p: (model(p)(moved(p)), model(p)(p.params)),
        "jacobian-covariance": jacobian_covariance,
        "gradient-covariance": lambda p: (brought_back(p, gradient(p)(moved(p))), gradient(p)(p.params)),
        "jacobian-generator": jacobian_generator,
        "noether": noether,
        "hessian-covariance": hessian_covariance,
        "model-second-order": model_second_order,
        "gauss-newton-covariance": gauss_newton_covariance,
        "hessian-generator": hessian_generator,
        "orbit-curvature": orbit_curvature,
        "gauss-newton-null": gauss_newton_null,
    }


class Harness:
    """The identities of one architecture, each jitted afresh."""

    def __init__(self, pair: Pair) -> None:
        self.jitted = {name: jax.jit(sides) for name, sides in identities(pair).items()}

    def check(self, probe: Probe) -> bool:
        """Whether every identity holds at one probe, up to the tolerance."""
        verdicts = [close(*sides(probe)) for sides in self.jitted.values()]
        return all(verdicts)


def close(lhs: Any, rhs: Any) -> bool:
    """``np.allclose`` for every leaf."""
    leaves = zip(jax.tree.leaves(lhs), jax.tree.leaves(rhs), strict=True)
    return all(np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE) for a, b in leaves)
