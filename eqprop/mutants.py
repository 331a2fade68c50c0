"""Mutants: pairs broken on purpose. A check that cannot fail is a defect, so every catalog entry ships its own.

A defect of order 0 sits in K. One of order 1 or 2 sits in a derivative rule: an identity operation is put on some
parameters where they enter the forward pass, whose value is exact and whose first or second derivative is not.
Nothing is asked of the model: its ``apply`` is wrapped.

A defect that commutes with the group is invisible to covariance: a gradient scaled by one factor everywhere commutes
with scalings and permutations, one scaled by a factor per unit still with sign flips. The factors here differ from
entry to entry, and ``straight_through`` depends on the value as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis.strategies import SearchStrategy

from eqprop.errors import InvalidInput
from eqprop.pair import Pair
from eqprop.trees import is_floating, leaf_paths

Change = Callable[[Pair], Pair | None]
LeafRule = Callable[[Pair, Any, Any, str], Any]
Operation = Callable[[Any], Any]
KEBAB_CASE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def kebab_case(name: object, *, what: str) -> str:
    """The name, if it is words of lower-case letters and digits joined by hyphens.

    Raises:
        InvalidInput: otherwise. Names are test ids and command-line arguments.
    """
    if not isinstance(name, str) or not KEBAB_CASE.fullmatch(name):
        msg = (
            f"{what}: the name is {name!r}; expected kebab-case such as 'relu-rescaling' (a-z, 0-9 and single hyphens)."
        )
        raise InvalidInput(msg)
    return name


@dataclass(frozen=True)
class Mutant:
    """A defect, with the lowest order at which it must be caught (and below which everything must hold).

    Attributes:
        name: kebab-case, shown in brackets behind the pair's name.
        order: 0, 1, 2 or 3.
        why: what is wrong, in one line.
        change: the broken pair, or None where this architecture cannot carry the defect.
    """

    name: str
    order: Literal[0, 1, 2, 3]
    why: str
    change: Change

    def __post_init__(self) -> None:
        kebab_case(self.name, what="Mutant")
        if self.order not in (0, 1, 2, 3):
            msg = f"Mutant {self.name!r}: order is {self.order!r}; expected 0, 1, 2 or 3."
            raise InvalidInput(msg)

    def broken(self, pair: Pair) -> Pair | None:
        """The pair with this defect, renamed, its architecture kept; None where it cannot carry the defect."""
        changed = self.change(pair)
        return None if changed is None else changed.replaced(name=f"{pair.name}[{self.name}]")

    def only(self, carries: Callable[[Pair], bool]) -> Mutant:
        """This mutant restricted to the pairs that the defect shows in."""
        return replace(self, change=lambda pair: self.change(pair) if carries(pair) else None)

    def of(self, pairs: SearchStrategy[Pair]) -> SearchStrategy[Pair]:
        """Broken pairs, drawn like the given ones; architectures that cannot carry the defect are left out."""
        return pairs.map(self.broken).filter(lambda pair: pair is not None)  # pyright: ignore[reportReturnType]


def slug(path: str) -> str:
    """A path or glob pattern as part of a name: ``block/w_out`` is ``w-out``."""
    words = re.findall(r"[a-z0-9]+", path.lower().removeprefix("block/"))
    return "-".join(words) or "everything"


# -- order 0: a wrong K -----------------------------------------------------------------------------------------------


def acting_otherwise(path: str, rule: LeafRule) -> Change:
    """K with another result for the tensors that a glob pattern matches.

    Args:
        path: of the tensors, as in ``hidden_units``.
        rule: ``rule(pair, element, params, path) -> leaf`` of the image, for each of them.
    """

    def change(pair: Pair) -> Pair | None:
        chosen = [p for p in _float_paths(pair.image.params) if fnmatchcase(p, path)]
        if not chosen:
            return None

        def on_params(element: Any, params: Any) -> Any:
            moved = pair.transformation.on_params(element, params)
            leaves, treedef = jax.tree.flatten(moved)
            for i, leaf_path in enumerate(leaf_paths(moved)):
                if leaf_path in chosen:
                    leaves[i] = rule(pair, element, params, leaf_path)
            return jax.tree.unflatten(treedef, leaves)

        return pair.replaced(transformation=replace(pair.transformation, on_params=on_params))

    return change


def forgets(path: str, *, name: str = "") -> Mutant:
    """K leaves the tensors of this path where they are. The group laws still hold."""
    return Mutant(
        name or f"forgets-{slug(path)}",
        0,
        f"K leaves {path} alone",
        acting_otherwise(path, lambda pair, element, params, p: leaf_at(params, p)),
    )


def slips(path: str, relative: float = 1e-9, *, name: str = "") -> Mutant:
    """K moves the tensors of this path too far: K θ + relative·(K θ − θ), so that what K leaves alone stays exact."""

    def rule(pair: Pair, element: Any, params: Any, p: str) -> Any:
        moved, kept = leaf_at(pair.transformation.on_params(element, params), p), leaf_at(params, p)
        return moved + relative * (moved - kept)

    why = f"K is off by a relative {relative:g} in {path}"
    return Mutant(name or f"slips-in-{slug(path)}", 0, why, acting_otherwise(path, rule))


def misapplies(path: str, twist: Callable[[Any, Any], Any], *, name: str, why: str) -> Mutant:
    """K moves the tensors of this path by another element: ``twist(group, element)``."""

    def rule(pair: Pair, element: Any, params: Any, p: str) -> Any:
        transformation = pair.transformation
        return leaf_at(transformation.on_params(twist(transformation.group, element), params), p)

    return Mutant(name, 0, why, acting_otherwise(path, rule))


def wrong_inverse(path: str, *, name: str = "") -> Mutant:
    """K moves the tensors of this path by g⁻¹ in place of g. No defect for groups of involutions (Sign)."""
    return misapplies(
        path,
        lambda group, element: group.inverse(element),
        name=name or f"wrong-inverse-in-{slug(path)}",
        why=f"K moves {path} by the inverse of the element",
    )


def wrong_power(path: str, exponent: float = 2.0, *, name: str = "") -> Mutant:
    """K moves the tensors of this path by g^exponent; for groups with real powers (Scaling)."""
    return misapplies(
        path,
        lambda group, element: group.power(element, exponent),
        name=name or f"wrong-power-in-{slug(path)}",
        why=f"K moves {path} by the element to the power {exponent:g}",
    )


def wrong_axis(path: str, *, name: str = "") -> Mutant:
    """K acts on the other axis of the square matrix of this path; other shapes cannot carry the defect."""

    def rule(pair: Pair, element: Any, params: Any, p: str) -> Any:
        turned = with_leaf(params, p, jnp.swapaxes(leaf_at(params, p), -1, -2))
        return jnp.swapaxes(leaf_at(pair.transformation.on_params(element, turned), p), -1, -2)

    def change(pair: Pair) -> Pair | None:
        shapes = [
            np.shape(leaf_at(pair.model.params, p)) for p in _float_paths(pair.model.params) if fnmatchcase(p, path)
        ]
        square = all(len(shape) >= 2 and shape[-1] == shape[-2] > 1 for shape in shapes)
        return acting_otherwise(path, rule)(pair) if square else None

    return Mutant(name or f"wrong-axis-of-{slug(path)}", 0, f"K acts on the other axis of {path}", change)


def misapplies_to_outputs(twist: Callable[[Any, Any], Any], *, name: str, why: str) -> Mutant:
    """T moves the outputs by another element: ``twist(group, element)``. Symmetries cannot carry the defect."""

    def change(pair: Pair) -> Pair | None:
        transformation = pair.transformation
        if not transformation.moves_outputs:
            return None

        def on_outputs(element: Any, outputs: Any) -> Any:
            return transformation.on_outputs(twist(transformation.group, element), outputs)

        return pair.replaced(transformation=replace(transformation, on_outputs=on_outputs))

    return Mutant(name, 0, why, change)


# -- orders 1 and 2: a wrong derivative rule --------------------------------------------------------------------------


def entering_through(path: str, operation: Operation) -> Change:
    """The model with an operation on the tensors of this path where they enter its forward pass.

    In a conversion between two models only the source is changed.
    """

    def change(pair: Pair) -> Pair | None:
        model = pair.model
        chosen = [p for p in _float_paths(model.params) if fnmatchcase(p, path) and np.size(leaf_at(model.params, p))]
        if not chosen:
            return None

        def apply(params: Any, inputs: Any) -> Any:
            leaves, treedef = jax.tree.flatten(params)
            for i, leaf_path in enumerate(leaf_paths(params)):
                if leaf_path in chosen:
                    leaves[i] = operation(jnp.asarray(leaves[i]))
            return model.apply(jax.tree.unflatten(treedef, leaves), inputs)

        return pair.replaced(model=replace(model, apply=apply))

    return change


def stopped(path: str, *, name: str = "") -> Mutant:
    """No gradient reaches the tensors of this path.

    Gradient covariance alone cannot see it where K maps each tensor to itself linearly; the Noether identity does.
    """
    why = f"the gradient of {path} is stopped"
    return Mutant(name or f"stops-{slug(path)}", 1, why, entering_through(path, jax.lax.stop_gradient))


def scaled_gradient(path: str, delta: float = 1e-3, *, name: str = "") -> Mutant:
    """The derivative is multiplied by 1 + δ·r, with r from 1/n to 1 over the n entries of the tensor."""

    def derivative(x: Any, t: Any) -> Any:
        return t * (1 + delta * ramp(x))

    why = f"the derivative in {path} is scaled by up to 1 + {delta:g}, entry by entry"
    return Mutant(
        name or f"scales-gradient-of-{slug(path)}", 1, why, entering_through(path, with_derivative(derivative))
    )


def straight_through(path: str, delta: float = 1e-2, *, name: str = "") -> Mutant:
    """The derivative of w + ½δ·r·w² behind the value w, as a straight-through estimator has; r as before."""

    def derivative(x: Any, t: Any) -> Any:
        return t * (1 + delta * ramp(x) * x)

    why = f"the derivative in {path} is that of another function than the forward pass computes"
    return Mutant(name or f"straight-through-{slug(path)}", 1, why, entering_through(path, with_derivative(derivative)))


def second_derivative(path: str, delta: float = 1e-2, *, name: str = "") -> Mutant:
    """Value and first derivative exact; the second derivative of each entry is δ·r in place of 0."""
    why = f"value and gradient are exact, the second derivative in {path} is not"
    return Mutant(name or f"bends-{slug(path)}", 2, why, entering_through(path, with_derivative(_bent(delta))))


def backward_drops_term(path: str, *, name: str = "") -> Mutant:
    """A reverse-only rule (``jax.custom_vjp``) that drops the first entry's term."""

    def derivative(x: Any, t: Any) -> Any:
        return t * np.not_equal(np.arange(x.size), 0).reshape(x.shape)

    why = f"a custom backward rule drops the first entry of {path}"
    return Mutant(name or f"backward-drops-{slug(path)}", 1, why, entering_through(path, with_backward(derivative)))


def backward_scales(path: str, delta: float = 1e-3, *, name: str = "") -> Mutant:
    """As ``scaled_gradient``, in a reverse-only rule."""

    def derivative(x: Any, t: Any) -> Any:
        return t * (1 + delta * ramp(x))

    why = f"a custom backward rule scales the gradient of {path} by up to 1 + {delta:g}, entry by entry"
    return Mutant(name or f"backward-scales-{slug(path)}", 1, why, entering_through(path, with_backward(derivative)))


def backward_bends(path: str, delta: float = 1e-2, *, name: str = "") -> Mutant:
    """As ``second_derivative``, in a reverse-only rule."""
    why = f"a custom backward rule for {path} is exact, its own derivative is not"
    return Mutant(name or f"backward-bends-{slug(path)}", 2, why, entering_through(path, with_backward(_bent(delta))))


# -- identity operations with a derivative of one's own ---------------------------------------------------------------


def ramp(x: Any) -> np.ndarray:
    """1/n, 2/n, …, 1 over the n entries of an array: no two units of a layer alike."""
    return (np.arange(1, x.size + 1) / x.size).reshape(x.shape)


def _bent(delta: float) -> Callable[[Any, Any], Any]:
    """t·(1 + δ·r·(x − x₀)) at x = x₀: equal to t there, with derivative δ·r·t in x."""
    return lambda x, t: t * (1 + delta * ramp(x) * (x - jax.lax.stop_gradient(x)))


def with_derivative(derivative: Callable[[Any, Any], Any]) -> Operation:
    """The identity map with ``derivative(x, t)``, linear in t, as its derivative in forward and reverse mode."""

    @jax.custom_jvp
    def operation(x: Any) -> Any:
        return x

    @operation.defjvp
    def rule(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:  # pyright: ignore[reportUnusedFunction]
        return operation(primals[0]), derivative(primals[0], tangents[0])

    return operation


def with_backward(derivative: Callable[[Any, Any], Any]) -> Operation:
    """The identity map with ``derivative(x, ct)`` as its backward rule; forward mode is refused."""

    @jax.custom_vjp
    def operation(x: Any) -> Any:
        return x

    operation.defvjp(lambda x: (x, x), lambda x, cotangent: (derivative(x, cotangent),))
    return operation


# -- leaves by path ---------------------------------------------------------------------------------------------------


def _float_paths(tree: Any) -> list[str]:
    return [p for p, leaf in zip(leaf_paths(tree), jax.tree.leaves(tree), strict=True) if is_floating(leaf)]


def leaf_at(tree: Any, path: str) -> Any:
    """The leaf with this exact path."""
    return jax.tree.leaves(tree)[leaf_paths(tree).index(path)]


def with_leaf(tree: Any, path: str, leaf: Any) -> Any:
    """The tree with another leaf at this exact path."""
    leaves, treedef = jax.tree.flatten(tree)
    leaves[leaf_paths(tree).index(path)] = leaf
    return jax.tree.unflatten(treedef, leaves)
