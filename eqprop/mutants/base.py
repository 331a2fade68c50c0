"""Mutants: pairs broken on purpose. A check that cannot fail is a defect, so every catalog entry ships its own.

A defect of order 0 sits in K (``actions``). One of a higher order sits in a derivative rule (``derivatives``): an
identity operation is put on some parameters where they enter the forward pass, whose value is exact and whose
derivative of that order is not. Nothing is asked of the model: its ``apply`` is wrapped. What a transformation says of
its own generator may be wrong as well (``generators``).

A defect that commutes with the group is invisible to covariance: a gradient scaled by one factor everywhere commutes
with scalings and permutations, one scaled by a factor per unit still with sign flips. The factors here differ from
entry to entry, and ``straight_through`` depends on the value as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import jax
from hypothesis.strategies import SearchStrategy
from jax.typing import ArrayLike

from eqprop.arguments import function_of, got, kebab_case
from eqprop.claims import Pair
from eqprop.engine import Array, Tree, is_floating, leaf_paths
from eqprop.errors import InvalidInput

Change = Callable[[Pair], Pair | None]


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
        if isinstance(self.order, bool) or not isinstance(self.order, int) or self.order not in (0, 1, 2, 3):
            msg = f"Mutant {self.name!r}: order is {got(self.order)}; expected 0, 1, 2 or 3."
            raise InvalidInput(msg)
        function_of(self.change, ("pair",), f"Mutant {self.name!r}: change")

    def broken(self, pair: Pair) -> Pair | None:
        """The pair with this defect, renamed, its architecture kept; None where it cannot carry the defect."""
        changed = self.change(pair)
        if changed is not None and not isinstance(changed, Pair):
            msg = f"Mutant {self.name!r}: change gave {got(changed)}; expected the broken eqprop.Pair, or None."
            raise InvalidInput(msg)
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


def float_paths(tree: Tree) -> list[str]:
    """The paths of the floating-point leaves."""
    return [p for p, leaf in zip(leaf_paths(tree), jax.tree.leaves(tree), strict=True) if is_floating(leaf)]


def leaf_at(tree: Tree, path: str) -> Array:
    """The leaf with this exact path."""
    return jax.tree.leaves(tree)[leaf_paths(tree).index(path)]


def with_leaf(tree: Tree, path: str, leaf: ArrayLike) -> Tree:
    """The tree with another leaf at this exact path.

    Args:
        tree: any pytree.
        path: of one of its leaves.
        leaf: what stands there in the new tree.
    """
    leaves, treedef = jax.tree.flatten(tree)
    leaves[leaf_paths(tree).index(path)] = leaf
    return jax.tree.unflatten(treedef, leaves)
