"""Examples and probes in the floating-point types that a program is compiled for."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike

from eqprop.claims import Pair, functions_of
from eqprop.engine import Precision, Tree, numbers_context
from eqprop.probes.probe import Probe


def output_shapes(pair: Pair, precision: Precision) -> Tree:
    """The shapes and dtypes of the model's outputs, in a precision."""
    with numbers_context(precision):
        params, inputs = cast_example(pair, precision)
        return jax.eval_shape(functions_of(pair).f, pair.model.param_leaves.split(params), inputs)


def cast_example(pair: Pair, precision: Precision) -> tuple[Tree, Tree]:
    """The model's example parameters and inputs, in a precision."""
    model, common = pair.model, _float_of(pair, precision)
    leaves = model.param_leaves
    state = leaves.carried if precision == "model" else tuple(_cast(leaf, np.float64) for leaf in leaves.carried)
    params = leaves.join(_cast_like(leaves.split(model.params), pair, precision), state)
    return params, jax.tree.map(lambda leaf: _cast(leaf, common), model.inputs)


def cast_probe(pair: Pair, probes: Probe, precision: Precision) -> Probe:
    """Probes with parameter-like fields in the parameters' dtypes and every other float in their common dtype.

    Args:
        pair: whose example gives the dtypes.
        probes: a batch, in float64.
        precision: ``"float64"`` or ``"model"``.
    """
    common = _float_of(pair, precision)
    cast = {
        field: jax.tree.map(lambda leaf: _cast(leaf, common), getattr(probes, field))
        for field in (
            "inputs",
            "element",
            "element2",
            "algebra",
            "algebra2",
            "cotangent",
            "targets",
            "involution",
            "rates",
            "shortness",
        )
    }
    for field in ("params", "tangent", "tangent2"):
        value = getattr(probes, field)
        cast[field] = None if value is None else _cast_like(value, pair, precision)
    return Probe(**cast)


def _float_of(pair: Pair, precision: Precision) -> Tree:
    dtypes = pair.model.param_leaves.float_dtypes
    return np.dtype(np.float64) if precision == "float64" or not dtypes else np.dtype(jnp.result_type(*dtypes))


def _cast(leaf: ArrayLike, dtype: DTypeLike) -> np.ndarray:
    """A floating-point leaf in this dtype: what is beyond its range becomes infinite, as it would in the model."""
    leaf = np.asarray(leaf)
    with np.errstate(over="ignore"):
        return leaf.astype(dtype, copy=False) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf


def _cast_like(leaves: tuple[Tree, ...], pair: Pair, precision: Precision) -> tuple[np.ndarray, ...]:
    dtypes = pair.model.param_leaves.float_dtypes
    return tuple(
        _cast(leaf, np.float64 if precision == "float64" else dtype) for leaf, dtype in zip(leaves, dtypes, strict=True)
    )
