"""Pytrees: leaf paths, and the split into the leaves that derivatives act on and those that are carried along."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.arguments import suggestion
from eqprop.errors import InvalidInput

Array = jax.Array
Tree = Any
"""A pytree of arrays: parameters, inputs, outputs, tangents."""
Leaves = tuple[Array, ...]
"""The leaves of a tree that derivatives act on, in order."""

type_of_leaf = jnp.result_type

READABLE = 30
"""Paths that a message lists."""


def path_text(path: tuple[Tree, ...]) -> str:
    """The path of a leaf as users write it: ``layers/0/w``; the root of a bare array is ``.``."""
    return jax.tree_util.keystr(path, simple=True, separator="/") or "."


def leaf_paths(tree: Tree) -> tuple[str, ...]:
    """The paths of all leaves, in the order of ``jax.tree.leaves``."""
    return tuple(path_text(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree))


def tree_of(value: object, what: str) -> Tree:
    """The value, if JAX can take it apart into leaves.

    Args:
        value: that somebody gave.
        what: names it, for the error.

    Raises:
        InvalidInput: otherwise, as for a dictionary whose keys have no order.
    """
    try:
        jax.tree.structure(value)
    except Exception as error:
        msg = (
            f"{what} is no pytree ({type(error).__name__}: {error}); expected arrays in tuples, lists and dictionaries "
            "whose keys are all of one type, such as text."
        )
        raise InvalidInput(msg) from error
    return value


def container_changed(before: Tree, after: Tree, path: tuple[Tree, ...] = ()) -> str:
    """What differs in the first container of another type, or of other keys or static data, that has the same leaves.

    Empty where containers are alike, and where one has a leaf that the other has not: their paths tell more of that.

    Args:
        before: a tree.
        after: another one.
        path: where both are.
    """
    if jax.tree_util.all_leaves([before]) or jax.tree_util.all_leaves([after]):
        return ""
    place = repr(path_text(path)) if path else "the tree"
    kinds = ["None" if tree is None else type(tree).__name__ for tree in (before, after)]
    if jax.tree.structure(before).num_leaves != jax.tree.structure(after).num_leaves:
        return ""
    if type(before) is not type(after):
        return f"type of {place} from {kinds[0]} to {kinds[1]}"
    inside = [_children(tree) for tree in (before, after)]
    if sorted(map(str, inside[0])) != sorted(map(str, inside[1])):
        return ""
    if jax.tree.structure(before).node_data() != jax.tree.structure(after).node_data():
        return f"order or the static data of {place} ({kinds[0]})"
    found = (container_changed(child, inside[1][key], (*path, *key)) for key, child in inside[0].items())
    return next(filter(None, found), "")


def _children(tree: Tree) -> dict[tuple[Tree, ...], Tree]:
    """What a container holds, by its keys."""
    return dict(jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda inner: inner is not tree)[0])


def is_floating(leaf: object) -> bool:
    """Whether derivatives act on this leaf (real floating point; not integer, boolean or PRNG key)."""
    return bool(jnp.issubdtype(type_of_leaf(leaf), jnp.floating))


def matching(paths: tuple[str, ...], pattern: str, *, role: str) -> tuple[int, ...]:
    """Positions of the paths that a glob pattern matches; ``*`` also crosses ``/``, and every path matches itself.

    Args:
        paths: of all leaves.
        pattern: one of them, or a glob.
        role: what the pattern is for, as a message begins.

    Raises:
        InvalidInput: where nothing matches, so that a misspelt path is never a silent no-op; where a path with special
            characters in it matches others, too.
    """
    exact = tuple(i for i, path in enumerate(paths) if path == pattern)
    globbed = tuple(i for i, path in enumerate(paths) if fnmatchcase(path, pattern))
    others = [paths[i] for i in globbed if i not in exact]
    if exact and others:
        msg = (
            f"{role}: {pattern!r} is the path of a parameter and, as a pattern, matches {', '.join(others)} as well. "
            f"Write {_literal(pattern)!r} for the one; or rename it."
        )
        raise InvalidInput(msg)
    if not exact and not globbed:
        close = suggestion(pattern, paths)
        msg = (
            f"{role}: no parameter matches {pattern!r}.{f' {close}' if close else ''} The paths are: {_listed(paths)}."
        )
        raise InvalidInput(msg)
    return exact or globbed


def _listed(paths: tuple[str, ...]) -> str:
    """All of them where that can be read, else the first."""
    more = f", … ({len(paths)} in all; eqprop.inspect(model) prints them)" if len(paths) > READABLE else ""
    return ", ".join(paths[:READABLE]) + more or "(none)"


def _literal(path: str) -> str:
    """The pattern that matches this path only: special characters in brackets."""
    return re.sub(r"([*?\[])", r"[\1]", path)


@dataclass(frozen=True)
class Partition:
    """How a pytree splits into floating-point leaves (in order) and carried leaves (the rest, in order).

    Carried are integers and booleans, and what is called state. ``join(split(tree), rest(tree)) == tree`` for every
    tree of the example's structure; without a second argument the carried leaves are the example's, as JAX's arrays: an
    action may index them by a traced element.

    Attributes:
        treedef: of the whole tree.
        paths: of all leaves, in the order of ``jax.tree.leaves``.
        floating: for each of them whether derivatives act on it.
        carried: the leaves on which they do not, as the example has them, in order.
        shapes: of all leaves of the example; a batch has an axis of probes in front.
        dtypes: of all leaves, likewise.
    """

    treedef: Any
    paths: tuple[str, ...]
    floating: tuple[bool, ...]
    carried: tuple[Tree, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[Tree, ...]

    @classmethod
    def of(cls, tree: Tree, state: tuple[str, ...] = ()) -> Partition:
        """The split of a tree.

        Args:
            tree: the example.
            state: paths, or glob patterns of paths, of floating-point leaves that are carried all the same.

        Raises:
            InvalidInput: for a pattern that matches nothing.
        """
        leaves, treedef = jax.tree.flatten(tree)
        paths = leaf_paths(tree)
        kept = {i for pattern in state for i in matching(paths, pattern, role="state")}
        floating = tuple(is_floating(leaf) and i not in kept for i, leaf in enumerate(leaves))
        return cls(
            treedef=treedef,
            paths=paths,
            floating=floating,
            carried=tuple(np.asarray(leaf) for leaf, f in zip(leaves, floating, strict=True) if not f),
            shapes=tuple(np.shape(leaf) for leaf in leaves),
            dtypes=tuple(np.dtype(type_of_leaf(leaf)) for leaf in leaves),
        )

    def split(self, tree: Tree) -> tuple[Tree, ...]:
        """The floating-point leaves of a tree of this structure."""
        leaves = self.treedef.flatten_up_to(tree)
        return tuple(leaf for leaf, f in zip(leaves, self.floating, strict=True) if f)

    def rest(self, tree: Tree) -> tuple[Tree, ...]:
        """The carried leaves of a tree of this structure."""
        leaves = self.treedef.flatten_up_to(tree)
        return tuple(leaf for leaf, f in zip(leaves, self.floating, strict=True) if not f)

    def join(self, floats: tuple[Tree, ...], carried: tuple[Tree, ...] | None = None) -> Tree:
        """The tree with these floating-point leaves, and with these carried ones or the example's."""
        given, kept = iter(floats), iter(self.arrays if carried is None else carried)
        return jax.tree.unflatten(self.treedef, [next(given) if f else next(kept) for f in self.floating])

    @property
    def arrays(self) -> tuple[Tree, ...]:
        """The example's carried leaves as JAX's arrays, state as precise as the precision in force allows."""
        widest = jnp.result_type(float)
        wide = np.float64 if widest == np.float64 else None
        return tuple(jnp.asarray(leaf, wide if is_floating(leaf) else None) for leaf in self.carried)

    @property
    def carried_paths(self) -> tuple[str, ...]:
        return tuple(p for p, f in zip(self.paths, self.floating, strict=True) if not f)

    @property
    def float_paths(self) -> tuple[str, ...]:
        return tuple(p for p, f in zip(self.paths, self.floating, strict=True) if f)

    @property
    def float_shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(s for s, f in zip(self.shapes, self.floating, strict=True) if f)

    @property
    def float_dtypes(self) -> tuple[Tree, ...]:
        return tuple(d for d, f in zip(self.dtypes, self.floating, strict=True) if f)

    @property
    def size(self) -> int:
        """How many numbers derivatives act on."""
        return sum(int(np.prod(shape)) for shape in self.float_shapes)
