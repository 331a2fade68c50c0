"""The numbers that users give for a probe, each field checked against what the pair needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.arguments import got, short
from eqprop.claims import Pair
from eqprop.counterexamples import LIKE_PARAMS, by_path
from eqprop.engine import leaf_paths
from eqprop.errors import InvalidInput
from eqprop.evaluation import Program
from eqprop.groups import Group
from eqprop.probes import Probe
from eqprop.properties import Property

ELEMENTS = frozenset({"element", "element2", "involution"})
"""The fields that hold an element of the group."""


def probe_with(program: Program, prop: Property, numbers: Mapping[str, Any]) -> Probe:
    """The probe with these numbers, each field checked against what the pair needs."""
    example = program.draw(np.random.default_rng(0), 1).at(0)
    unknown = set(numbers) - {f.name for f in fields(Probe)}
    read = prop.reads(program.pair)
    missing = read - set(numbers)
    if unknown or missing:
        msg = (
            f"{prop.name} reads {', '.join(sorted(read))}; "
            f"unknown: {', '.join(sorted(unknown)) or 'none'}, missing: {', '.join(sorted(missing)) or 'none'}."
        )
        raise InvalidInput(msg)
    filled = {field: _filled(field, program.pair, getattr(example, field), numbers[field]) for field in sorted(read)}
    for field in ELEMENTS & filled.keys():
        _check_element(program.pair.transformation.group, field, filled[field])
    return Probe(**filled)


def _check_element(group: Group, field: str, element: object) -> None:
    expected = group.expected(element)
    if expected:
        msg = (
            f"{field}: {short(element)} is no element of {group!r}; expected {expected}. A claim is about elements of "
            "its group only."
        )
        raise InvalidInput(msg)


def _filled(field: str, pair: Pair, example: Any, given: Any) -> Any:
    expected = by_path(pair, field, example)
    own = pair.model.params if field in LIKE_PARAMS else example
    found = _by_paths(given, own, expected.keys())
    if set(found) != set(expected):
        msg = f"{field}: the paths are {sorted(map(str, found))}; expected {sorted(expected)}{_or_whole(own)}."
        raise InvalidInput(msg)
    leaves = [_like(found[path], leaf, f"{field}, {path}") for path, leaf in expected.items()]
    return jax.tree.unflatten(jax.tree.structure(example), leaves)


def _by_paths(given: Any, own: Any, paths: Collection[str]) -> Mapping[str, Any]:
    """What was given for a field, by its paths: an array for each path, or a tree as the model takes it."""
    treedef = jax.tree.structure(own)
    if isinstance(given, Mapping) and (given.keys() == paths or jax.tree_util.treedef_is_leaf(treedef)):
        return given
    try:
        leaves = treedef.flatten_up_to(given)
    except (TypeError, ValueError):  # another tree; a list for a tuple has the same paths
        if isinstance(given, tuple | list):
            return {str(i): leaf for i, leaf in enumerate(given)}
        return given if isinstance(given, Mapping) else {".": given}
    return {path: leaf for path, leaf in zip(leaf_paths(own), leaves, strict=True) if path in paths}


def _or_whole(own: Any) -> str:
    """That a tree will do in place of its paths, where there is one."""
    treedef = jax.tree.structure(own)
    if jax.tree_util.treedef_is_leaf(treedef):
        return ""
    return f", or a tree as the model takes it, {short(jax.tree.unflatten(treedef, [...] * treedef.num_leaves))}"


def _like(given: Any, leaf: np.ndarray, what: str) -> np.ndarray:
    """The numbers in the type of the leaf that they stand for, if nothing is lost by that."""
    try:
        array = np.asarray(given)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf" and not jnp.issubdtype(array.dtype, jnp.floating):
        msg = f"{what}: got {got(given)}; expected real numbers of shape {leaf.shape}."
        raise InvalidInput(msg)
    if array.shape != leaf.shape:
        msg = f"{what}: the shape is {array.shape}; expected {leaf.shape}."
        raise InvalidInput(msg)
    cast = array.astype(leaf.dtype)
    if leaf.dtype.kind in "biu" and not np.array_equal(cast, array):
        msg = f"{what}: got {short(given)}; expected whole numbers of type {leaf.dtype}."
        raise InvalidInput(msg)
    return cast
