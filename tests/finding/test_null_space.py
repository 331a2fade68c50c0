"""What is found is all that there is: beside every free matrix on every axis of every tensor, solved for at once.

No template, no interface and no trace: θ ↦ θ + ε Σ (A along an axis) leaves f as it is where ⟨g, k⟩ = 0 for every
gradient g. That is a null space of some hundred unknowns, too slow for more than the smallest networks.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.finding import find
from tests.finding.networks import gated, layered, low_rank, normed, numbers, recurrent, streaming, symmetric

ZERO = 1e-9
"""Singular values, relative to the largest: rounding leaves 5e-16 of them here, what is no symmetry 5e-3 and more."""


def dense_dimension(model):
    """How many independent fields k(θ) = Σ (A along an axis of θ) change no output to first order."""
    rng = np.random.default_rng(0)
    leaves, treedef = jax.tree.flatten(model.params)
    places = [(leaf, axis) for leaf, given in enumerate(leaves) for axis in range(np.ndim(given))]
    sizes = [np.shape(leaves[leaf])[axis] for leaf, axis in places]
    unknowns = sum(n * n for n in sizes)

    def fields(theta):
        """k for each single entry of each A, all tensors side by side."""
        rows = []
        for (place, axis), n in zip(places, sizes, strict=True):
            moved = np.moveaxis(theta[place], axis, 0)
            for i in range(n):
                for j in range(n):
                    own = np.zeros_like(moved)
                    own[i] = moved[j]
                    k = [np.zeros(leaf.shape) for leaf in theta]
                    k[place] = np.moveaxis(own, 0, axis)
                    rows.append(np.concatenate([leaf.ravel() for leaf in k]))
        return np.array(rows)

    @jax.jit
    def gradient(theta, x, v):
        def along(at):
            return jnp.vdot(v, model.apply(jax.tree.unflatten(treedef, at), x))

        return jnp.concatenate([leaf.ravel() for leaf in jax.grad(along)(theta)])

    equations, points = [], []
    shape = jax.eval_shape(model.apply, model.params, model.inputs).shape
    for _ in range(unknowns + 8):
        theta = [rng.standard_normal(np.shape(leaf)) for leaf in leaves]
        x, v = rng.standard_normal(np.shape(model.inputs)), rng.standard_normal(shape)
        points.append(fields(theta))
        row = points[-1] @ np.asarray(gradient(theta, x, v))
        equations.append(row / np.linalg.norm(row))
    _, values, vectors = np.linalg.svd(np.array(equations))
    null = vectors[int((values > ZERO * values[0]).sum()) :]
    # Matrices that differ may be one field: A on one axis of a tensor and −A on the other, where A is a number.
    spanned = np.concatenate([null @ point for point in points[: 1 + unknowns // 8]], 1)
    return int(np.linalg.matrix_rank(spanned, tol=ZERO * max(1.0, np.linalg.norm(spanned)))) if len(null) else 0


def blocks():
    """Two residual blocks of ReLU units."""
    draw = numbers()
    params = {"e": draw(2, 2), "a": draw(2, 2), "b": draw(2, 2), "c": draw(2, 2), "d": draw(2, 2), "u": draw(2, 2)}

    def apply(p, x):
        stream = x @ p["e"]
        stream = stream + jax.nn.relu(stream @ p["a"]) @ p["b"]
        return (stream + jax.nn.relu(stream @ p["c"]) @ p["d"]) @ p["u"]

    return eqprop.Model(apply, params, draw(5, 2), name="blocks")


@pytest.mark.parametrize(
    ("model", "dimension"),
    [
        pytest.param(layered((2, 3, 2), jax.nn.relu, bias=True), 3, id="relu"),
        pytest.param(layered((2, 3, 2), jnp.tanh, bias=True), 0, id="tanh"),
        pytest.param(layered((2, 3, 2), lambda z: jax.nn.relu(z) ** 2), 3, id="squared relu"),
        pytest.param(layered((2, 3, 2, 2)), 9 + 4, id="linear"),
        pytest.param(blocks(), 4 + 2 * 2, id="residual"),
        pytest.param(gated(jax.nn.silu), 3, id="swiglu"),
        pytest.param(low_rank(), 4, id="low rank"),
        pytest.param(symmetric(), 3, id="symmetric factorisation"),
        pytest.param(recurrent(lambda z: z), 9, id="recurrent linear"),
        pytest.param(normed(), 3, id="norm gain"),
        pytest.param(streaming("rms", width=3), 3, id="stream behind RMSNorm"),
    ],
)
def test_a_null_space_over_all_matrices_has_the_dimension_of_what_is_found(model, dimension):
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        dense = dense_dimension(model)
    assert dense == find(model, prove=False).dimension == dimension
