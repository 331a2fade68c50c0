"""Maps from arbitrary real parameters to where a model is defined and well-conditioned, for ``Model.domain``.

They work elementwise in NumPy, because the leaves carry a leading axis of probes.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np

from eqprop.claims import Params
from eqprop.engine import leaf_paths, matching

GOLDEN = (np.sqrt(5) - 1) / 2
"""Its multiples are spread evenly over the unit interval, fractions taken."""

Domain = Callable[[Params], Params]


def at_least_a_tenth(values: np.ndarray) -> np.ndarray:
    """Positive, for epsilons that are comparable with the variance beside them."""
    return np.maximum(np.abs(values), 0.1)


def moderate(values: np.ndarray) -> np.ndarray:
    """At most 3 in size, so that what is exponentiated later neither overflows nor vanishes."""
    return np.clip(values, -3.0, 3.0)


def small(values: np.ndarray) -> np.ndarray:
    """At most 1 in size."""
    return np.clip(values, -1.0, 1.0)


def balanced(values: np.ndarray) -> np.ndarray:
    """Sizes from about 0.3 to 3, signs kept; ±½, ±1 and ±2 stay as they are, and different numbers different.

    For transformations that add terms which cancel later: a rounding error of the larger term is then not large beside
    what is left. No perturbation of the inputs shows it, because the smaller term has been absorbed by then.
    """
    size = np.clip(np.abs(values), 1e-6, 1e6)
    beyond = np.where(size > 2, size / 2, np.where(size < 0.5, 2 * size, 1.0))
    return np.copysign(np.clip(size, 0.5, 2.0) * beyond**0.04, values)


def told_apart(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """The units along an axis scaled by different factors, so that they are never all equal by chance.

    A layer norm of equal numbers is 0/√ε: the families of simple numbers would hit that point in every eighth probe.
    """
    factors = 1.25 ** np.arange(values.shape[axis])
    return np.moveaxis(np.moveaxis(values, axis, -1) * factors, -1, axis)


def each_apart(values: np.ndarray) -> np.ndarray:
    """Every number of a tensor by a factor of its own from 1 to 2, so that no two are alike by chance.

    In a transposed convolution neighbouring pixels are multiples of the same one by different weights: where these are
    equal, max pooling has no largest.
    """
    shape = values.shape[1:]
    return values * (1 + np.arange(np.prod(shape, dtype=int)) * GOLDEN % 1).reshape(shape)


def skewed(values: np.ndarray) -> np.ndarray:
    """Matrices whose columns point in different directions, even where all of their numbers are drawn alike."""
    i, j = np.arange(values.shape[-2])[:, None], np.arange(values.shape[-1])[None, :]
    return values * 1.25 ** (i * j)


def domain(**of_leaves: Callable[[np.ndarray], np.ndarray]) -> Domain:
    """Applies each function to the block's parameter of that name, or to all of the model for ``all``, in order.

    A model without a block has its parameters at the top.
    """

    def apply(params: Params) -> Params:
        leaves, treedef = jax.tree.flatten(params)
        paths = leaf_paths(params)
        inside = "block/" if any(path.startswith("block/") for path in paths) else ""
        for name, function in of_leaves.items():
            for i in matching(paths, "*" if name == "all" else f"{inside}{name}", role="domain"):
                leaves[i] = function(np.asarray(leaves[i]))
        return jax.tree.unflatten(treedef, leaves)

    return apply
