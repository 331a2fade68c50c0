"""Order 0: a wrong K, or a wrong T."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.claims import Outputs, Pair, Params
from eqprop.engine import Array, Tree, leaf_paths
from eqprop.groups import Element
from eqprop.mutants.base import Change, Mutant, float_paths, leaf_at, slug, with_leaf
from eqprop.mutants.checking import checked

LeafRule = Callable[[Pair, Tree, Tree, str], Tree]


@checked
def acting_otherwise(path: str, rule: LeafRule) -> Change:
    """K with another result for the tensors that a glob pattern matches.

    Args:
        path: of the tensors, as in ``hidden_units``.
        rule: ``rule(pair, element, params, path) -> leaf`` of the image, for each of them.
    """

    def change(pair: Pair) -> Pair | None:
        chosen = [p for p in float_paths(pair.image.params) if fnmatchcase(p, path)]
        if not chosen:
            return None

        def on_params(element: Element, params: Params) -> Params:
            moved = pair.transformation.on_params(element, params)
            leaves, treedef = jax.tree.flatten(moved)
            for i, leaf_path in enumerate(leaf_paths(moved)):
                if leaf_path in chosen:
                    leaves[i] = rule(pair, element, params, leaf_path)
            return jax.tree.unflatten(treedef, leaves)

        return pair.replaced(transformation=replace(pair.transformation, on_params=on_params))

    return change


@checked
def forgets(path: str, *, name: str = "") -> Mutant:
    """K leaves the tensors of this path where they are. The group laws still hold."""
    return Mutant(
        name or f"forgets-{slug(path)}",
        0,
        f"K leaves {path} alone",
        acting_otherwise(path, lambda pair, element, params, p: leaf_at(params, p)),
    )


@checked
def forgets_part(path: str, *, name: str = "") -> Mutant:
    """K leaves the first entries along the first axis of these tensors where they are.

    For tensors that may be moved or not as a whole: a scale, or a shift, that is a symmetry of each tensor by itself.
    """

    def rule(pair: Pair, element: Element, params: Params, p: str) -> Array:
        moved, kept = leaf_at(pair.transformation.on_params(element, params), p), leaf_at(params, p)
        return jnp.concatenate([kept[:1], moved[1:]])

    return Mutant(
        name or f"forgets-part-of-{slug(path)}", 0, f"K leaves a part of {path} alone", acting_otherwise(path, rule)
    )


@checked
def slips(path: str, relative: float = 1e-9, *, name: str = "") -> Mutant:
    """K moves the tensors of this path too far: K θ + relative·(K θ − θ), so that what K leaves alone stays exact.

    Args:
        path: of a tensor, or a glob pattern of paths.
        relative: the size of the slip.
        name: of the mutant; made of its kind and the path by default.
    """

    def rule(pair: Pair, element: Element, params: Params, p: str) -> Array:
        moved, kept = leaf_at(pair.transformation.on_params(element, params), p), leaf_at(params, p)
        return moved + relative * (moved - kept)

    why = f"K is off by a relative {relative:g} in {path}"
    return Mutant(name or f"slips-in-{slug(path)}", 0, why, acting_otherwise(path, rule))


@checked
def misapplies(path: str, twist: Callable[[Tree, Tree], Tree], *, name: str, why: str) -> Mutant:
    """K moves the tensors of this path by another element: ``twist(group, element)``.

    Args:
        path: of a tensor, or a glob pattern of paths.
        twist: the element that acts in place of the right one.
        name: of the mutant.
        why: what is wrong, in one line.
    """

    def rule(pair: Pair, element: Element, params: Params, p: str) -> Array:
        transformation = pair.transformation
        return leaf_at(transformation.on_params(twist(transformation.group, element), params), p)

    return Mutant(name, 0, why, acting_otherwise(path, rule))


@checked
def wrong_inverse(path: str, *, name: str = "") -> Mutant:
    """K moves the tensors of this path by g⁻¹ in place of g. No defect for groups of involutions (Sign)."""
    return misapplies(
        path,
        lambda group, element: group.inverse(element),
        name=name or f"wrong-inverse-in-{slug(path)}",
        why=f"K moves {path} by the inverse of the element",
    )


@checked
def wrong_power(path: str, exponent: float = 2.0, *, name: str = "") -> Mutant:
    """K moves the tensors of this path by g^exponent; for groups with real powers (Scaling).

    Args:
        path: of a tensor, or a glob pattern of paths.
        exponent: of the element that acts.
        name: of the mutant; made of its kind and the path by default.
    """
    return misapplies(
        path,
        lambda group, element: group.power(element, exponent),
        name=name or f"wrong-power-in-{slug(path)}",
        why=f"K moves {path} by the element to the power {exponent:g}",
    )


@checked
def wrong_axis(path: str, *, name: str = "") -> Mutant:
    """K acts on the other axis of the square matrix of this path; other shapes cannot carry the defect."""

    def rule(pair: Pair, element: Element, params: Params, p: str) -> Array:
        turned = with_leaf(params, p, jnp.swapaxes(leaf_at(params, p), -1, -2))
        return jnp.swapaxes(leaf_at(pair.transformation.on_params(element, turned), p), -1, -2)

    def change(pair: Pair) -> Pair | None:
        shapes = [
            np.shape(leaf_at(pair.model.params, p)) for p in float_paths(pair.model.params) if fnmatchcase(p, path)
        ]
        square = all(len(shape) >= 2 and shape[-1] == shape[-2] > 1 for shape in shapes)
        return acting_otherwise(path, rule)(pair) if square else None

    return Mutant(name or f"wrong-axis-of-{slug(path)}", 0, f"K acts on the other axis of {path}", change)


@checked
def misapplies_to_outputs(twist: Callable[[Tree, Tree], Tree], *, name: str, why: str) -> Mutant:
    """T moves the outputs by another element: ``twist(group, element)``. Symmetries cannot carry the defect.

    Args:
        twist: the element that acts in place of the right one.
        name: of the mutant.
        why: what is wrong, in one line.
    """

    def change(pair: Pair) -> Pair | None:
        transformation = pair.transformation
        if not transformation.moves_outputs:
            return None

        def on_outputs(element: Element, outputs: Outputs) -> Outputs:
            return transformation.on_outputs(twist(transformation.group, element), outputs)

        return pair.replaced(transformation=replace(transformation, on_outputs=on_outputs))

    return Mutant(name, 0, why, change)
