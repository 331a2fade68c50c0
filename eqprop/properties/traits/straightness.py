"""Whether a statement about second derivatives is empty for a pair, because what it is about is straight.

Seen from values alone and never from the derivatives in question: a second derivative that vanishes because somebody
cut it (``stop_gradient``) belongs to a function that bends.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.claims import Pair, functions_of
from eqprop.engine import Array, Tree, coarsest, each, jitted, lowest_precisions, numbers_context
from eqprop.probes import cast_example, output_shapes, params_of
from eqprop.rounding import bar_of

POINTS = 16
"""Where it is looked. A function with kinks may bend at some of them, near a kink; one that is curved does at most."""

BEYOND_ROUNDING = 100.0
"""Units of rounding that a second difference must exceed. It is 1/√eps of them for a function of curvature 1."""


def straight_loss(pair: Pair) -> str:
    """Why ∇²ℓ = 0, or an empty text; a drawn loss is curved."""
    loss = pair.model.loss
    if loss is None:
        return ""
    with numbers_context("float64"):
        rng = np.random.default_rng(0)
        outputs = jax.tree.map(
            lambda s: rng.standard_normal((2, POINTS, *s.shape)).astype(s.dtype), output_shapes(pair, "float64")
        )
        return "the loss is linear in the outputs, or piecewise: ∇²ℓ = 0" if _straight(loss, outputs) else ""


def straight_model(pair: Pair) -> str:
    """Why D²f = 0, or an empty text."""
    f = functions_of(pair).f
    with numbers_context("float64"):
        _, inputs = cast_example(pair, "float64")
        bends = not _straight(lambda theta: f(theta, inputs), _params(pair))
        return "" if bends else "the model is linear in its parameters, or piecewise: its second derivative is 0"


def straight_objective(pair: Pair) -> str:
    """Why H = 0, or an empty text."""
    loss, f = pair.model.loss, functions_of(pair).f
    if loss is None:
        return ""
    with numbers_context("float64"):
        _, inputs = cast_example(pair, "float64")
        bends = not _straight(lambda theta: loss(f(theta, inputs)), _params(pair))
        return "" if bends else "the loss is linear in the parameters, or piecewise: its Hessian is 0"


def _params(pair: Pair) -> Tree:
    """Points and directions in parameter space."""
    drawn = params_of(pair.model, "gaussian", np.random.default_rng(0), 2 * POINTS)
    return tuple(leaf.reshape(2, POINTS, *leaf.shape[1:]) for leaf in drawn)


def _straight(function: Callable[[Tree], Tree], points: Tree) -> bool:
    """Whether second differences vanish at most points; False where the precision is too low to tell.

    Args:
        function: of one tree.
        points: with two leading axes: the points and directions from them, and how many.
    """
    one = jax.tree.map(lambda leaf: leaf[0, 0], points)
    function = jitted(function)  # traced once for all of its values
    eps = coarsest(lowest_precisions(jax.make_jaxpr(function)(one))).eps
    if bar_of(eps).coarse:
        return False
    step = eps**0.25

    def bends(point: Tree) -> Array:
        at, direction = (jax.tree.map(lambda leaf, i=i: leaf[i], point) for i in (0, 1))
        ahead, here, behind = (
            jax.tree.leaves(function(jax.tree.map(lambda a, u, t=t: a + t * step * u, at, direction)))
            for t in (1.0, 0.0, -1.0)
        )
        return jnp.stack([_bent(*leaf, eps) for leaf in zip(ahead, here, behind, strict=True)]).any()

    rows = jax.tree.map(lambda leaf: np.moveaxis(leaf, 1, 0), points)
    return bool(np.mean(each("the model's second differences", bends, rows)) < 0.5)


def _bent(ahead: Tree, here: Tree, behind: Tree, eps: float) -> Array:
    difference = jnp.max(jnp.abs(ahead - 2 * here + behind), initial=0.0)
    terms = jnp.max(jnp.abs(ahead) + 2 * jnp.abs(here) + jnp.abs(behind), initial=0.0)
    return ~(difference <= BEYOND_ROUNDING * eps * terms)
