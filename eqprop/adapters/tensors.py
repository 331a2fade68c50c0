"""A library's tree as tensors by their paths, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.engine import Array, Tree, leaf_paths

Named = Mapping[str, Array | np.ndarray]
"""Tensors by their paths."""


@dataclass(frozen=True)
class Tensors:
    """The tensors of a tree, by their paths; what is no array of numbers (a random key, a function) stays inside.

    Attributes:
        by_path: path → array.
        paths: of all leaves, in the order of ``jax.tree.leaves``.
        leaves: likewise, as the tree has them.
        treedef: of the tree.
    """

    by_path: Named
    paths: tuple[str, ...]
    leaves: tuple[Tree, ...]
    treedef: Any

    @classmethod
    def of(cls, tree: Tree, named: Callable[[str], str] = lambda path: path) -> Tensors:
        """The tensors of a tree, their paths in the words of ``named``."""
        leaves, treedef = jax.tree.flatten(tree)
        paths = tuple(map(named, leaf_paths(tree)))
        found = {path: leaf for path, leaf in zip(paths, leaves, strict=True) if _is_tensor(leaf)}
        return cls(found, paths, tuple(leaves), treedef)

    def rebuilt(self, tensors: Named) -> Tree:
        """The tree with these tensors, of which there may be more than it has, as JAX's arrays."""
        pairs = zip(self.paths, self.leaves, strict=True)
        leaves = [jnp.asarray(tensors[path]) if path in self.by_path else leaf for path, leaf in pairs]
        return jax.tree.unflatten(self.treedef, leaves)


def _is_tensor(leaf: object) -> bool:
    array = isinstance(leaf, jax.Array | np.ndarray | np.generic)
    return array and not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
