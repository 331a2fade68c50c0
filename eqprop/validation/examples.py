"""What is wrong with example parameters and inputs: every leaf by its path."""

from __future__ import annotations

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from eqprop.arguments import got, short
from eqprop.claims import Model
from eqprop.engine import ARRAYS, Array, Tree, is_floating, leaf_paths, numbers
from eqprop.errors import InvalidInput


def check_inputs(model: Model) -> None:
    """Every leaf of the inputs can be probed.

    Raises:
        InvalidInput: naming the leaf that cannot.
    """
    what = f"model {model.name!r}: input"
    _check_leaves(what, model.inputs)
    for path, leaf in zip(leaf_paths(model.inputs), jax.tree.leaves(model.inputs), strict=True):
        if jnp.issubdtype(jnp.result_type(leaf), jnp.complexfloating):
            msg = f"{what} {path!r} is {jnp.result_type(leaf)}; split it into a real and an imaginary part."
            raise InvalidInput(msg)
        if model.trained and is_floating(leaf) and not np.isfinite(numbers(leaf)).all():
            msg = (
                f"{what} {path!r} of the example has NaN or infinite entries; pass finite ones. Of a mask, pass where "
                "it is (booleans), and let apply put the infinities there."
            )
            raise InvalidInput(msg)


def _check_leaves(what: str, tree: Tree) -> None:
    """Every leaf is an array or a number that JAX can trace, and no new-style random key; no two have one path."""
    paths = leaf_paths(tree)
    twice = sorted(path for path, count in Counter(paths).items() if count > 1)
    if twice:
        msg = f"{what}s: several have the path {twice[0]!r}, so that nobody can say which one is meant. Rename a key."
        raise InvalidInput(msg)
    for path, leaf in zip(paths, jax.tree.leaves(tree), strict=True):
        _check_leaf(f"{what} {path!r}", leaf)


def _check_leaf(what: str, leaf: Array) -> None:
    if isinstance(leaf, Tracer):
        msg = (
            f"{what} is being traced by JAX ({short(leaf)}): eqprop needs numbers. Call it outside of jit, grad and "
            "vmap, and keep nothing of theirs."
        )
        raise InvalidInput(msg)
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        msg = (
            f"{what} is a random key of dtype {leaf.dtype}, which cannot be copied into a batch of probes. Pass "
            "jax.random.key_data(key) and call jax.random.wrap_key_data(data) inside apply."
        )
        raise InvalidInput(msg)
    if not isinstance(leaf, ARRAYS) or not _is_numeric(leaf):
        msg = (
            f"{what} is {got(leaf)}; expected an array or a number. Keep what is no number outside (for Equinox: "
            "params, static = eqx.partition(model, eqx.is_array))."
        )
        raise InvalidInput(msg)


def _is_numeric(leaf: Array) -> bool:
    dtype = leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype
    return bool(jnp.issubdtype(dtype, np.number) or jnp.issubdtype(dtype, np.bool_))


def check_params(model: Model) -> None:
    """There is something to differentiate, and the example is a point to do it at.

    Raises:
        InvalidInput: naming the parameter, or saying what there is none of.
    """
    what = f"model {model.name!r}"
    _check_leaves(f"{what}: parameter", model.params)
    leaves = model.param_leaves
    if not leaves.paths:
        msg = f"{what}: params is an empty pytree; expected at least one floating-point array."
        raise InvalidInput(msg)
    for path, dtype in zip(leaves.paths, leaves.dtypes, strict=True):
        if jnp.issubdtype(dtype, jnp.complexfloating):
            msg = f"{what}: parameter {path!r} is {dtype}; split it into a real and an imaginary part."
            raise InvalidInput(msg)
    if not any(leaves.floating):
        kinds = ", ".join(sorted({str(dtype) for dtype in leaves.dtypes}))
        msg = (
            f"{what}: params has no floating-point leaf (dtypes: {kinds}): nothing to differentiate. Convert the "
            "weights."
        )
        raise InvalidInput(msg)
    if leaves.size == 0:
        shapes = ", ".join(f"{p}: {s}" for p, s in zip(leaves.float_paths, leaves.float_shapes, strict=True))
        msg = f"{what}: every parameter has zero size ({shapes}); give the layers a width of at least 1."
        raise InvalidInput(msg)
    for path, leaf in zip(leaves.float_paths, leaves.split(model.params), strict=True):
        if model.trained and not np.isfinite(numbers(leaf)).all():
            msg = f"{what}: the example parameter {path!r} has NaN or infinite entries; pass finite weights."
            raise InvalidInput(msg)
