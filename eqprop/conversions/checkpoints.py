"""The weights that somebody converted, beside those that the mapping makes."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import numpy as np

from eqprop.claims import Model, Params
from eqprop.conversions.mapping import Conversion
from eqprop.engine import Array, leaf_paths, numbers, numbers_context
from eqprop.errors import InvalidInput
from eqprop.rounding import MARGIN

COPIES = 8
"""Sources whose numbers are moved by a unit in their last place, to see how far what is made of them moves."""


def check_checkpoint(source: Model, target: Model, convert: Conversion) -> None:
    """The target's parameters are what the mapping makes of the source's, up to rounding in the types that they have.

    Raises:
        InvalidInput: naming each tensor that is not, with the entry that differs most, and whether the target as it is
            gives the source's outputs, which says on which side the mistake is.
    """
    with numbers_context("float64"):
        wrong = list(_wrong(source, target, convert))
        if not wrong:
            return
        agrees = _agree(source, target)
    verdict = (
        "The target's weights give the source's outputs at the example: look for the mistake in the mapping"
        if agrees
        else "The target's weights do not give the source's outputs at the example: look for the mistake in them first"
    )
    msg = f"{convert.what}: {'; '.join(wrong)}. {verdict}. checkpoint=False verifies the mapping alone."
    raise InvalidInput(msg)


def _wrong(source: Model, target: Model, convert: Conversion) -> Iterator[str]:
    """A phrase for each tensor that differs by more than its floors."""
    made, *moved = (jax.tree.leaves(convert((), params)) for params in _copies(source))
    for i, (path, leaf) in enumerate(zip(leaf_paths(target.params), jax.tree.leaves(target.params), strict=True)):
        expected, found = numbers(made[i]), numbers(leaf)
        floor = max(float(np.max(np.abs(numbers(copy[i]) - expected), initial=0.0)) for copy in moved)
        floor += _unit(leaf) * float(np.max(np.abs(expected), initial=0.0))
        difference = np.abs(found - expected)
        if difference.size and not np.max(difference) <= MARGIN * floor:
            at = np.unravel_index(int(np.argmax(difference)), difference.shape)
            entry = list(map(int, at))
            paths = ", ".join(map(repr, convert.rules[path].paths))
            apart = np.abs(np.sort(found, axis=None) - np.sort(expected, axis=None))
            reordered = " (the same numbers in another order)" if np.max(apart) <= MARGIN * floor else ""
            yield (
                f"{path!r} is not what the mapping makes of {paths}: at {entry} it is {found[at]:.6g}, and the mapping "
                f"gives {expected[at]:.6g}{reordered}"
            )


def _copies(source: Model) -> Iterator[Params]:
    """The source's parameters, and copies moved by a unit in the last place."""
    rng = np.random.default_rng(0)
    leaves = source.param_leaves
    theta, carried = leaves.split(source.params), leaves.arrays
    exact = tuple(np.asarray(leaf, float) for leaf in theta)
    yield leaves.join(exact, carried)
    for _ in range(COPIES):
        signs = [rng.choice([-1.0, 1.0], np.shape(leaf)) * _unit(leaf) for leaf in theta]
        yield leaves.join(tuple(leaf * (1 + sign) for leaf, sign in zip(exact, signs, strict=True)), carried)


def _unit(leaf: Array | np.ndarray) -> float:
    """The unit roundoff of a tensor's type; of an integer none."""
    dtype = jax.numpy.result_type(leaf)
    return float(jax.numpy.finfo(dtype).eps) if jax.numpy.issubdtype(dtype, np.floating) else 0.0


def _agree(source: Model, target: Model) -> bool:
    """Whether both models give the same at their own parameters, to half the digits of the coarser of their types."""
    coarsest = max(_unit(leaf) for model in (source, target) for leaf in jax.tree.leaves(model.params))
    outputs = (jax.tree.leaves(model.apply(model.params, source.inputs)) for model in (source, target))
    return all(
        np.max(np.abs(numbers(a) - numbers(b)), initial=0.0)
        <= np.sqrt(coarsest) * np.max(np.abs(numbers(a)), initial=1.0)
        for a, b in zip(*outputs, strict=True)
    )
