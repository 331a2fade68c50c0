"""What Equinox's stateful layers remember, by the paths of the layers."""

from __future__ import annotations

import jax

from eqprop.adapters import Module, Named, Tensors
from eqprop.engine import Tree, leaf_paths

STATISTICS = {
    f"{index}_state_index/{position}": word
    for index in ("batch", "ema")
    for position, word in enumerate(("mean", "var"))
}
"""Of a batch norm: the place of a statistic in what it remembers → what it is."""


class Remembered:
    """A ``State`` as tensors by their paths, and back.

    Args:
        eqx: the library.
        module: whose layers have a ``StateIndex`` each.
        state: their ``State``; None where the module is called without one.
    """

    def __init__(self, eqx: Module, module: Module, state: Tree) -> None:
        leaves, self._treedef = jax.tree.flatten(state)
        places = _places(eqx, module, jax.tree.unflatten(self._treedef, range(len(leaves)))) if leaves else {}
        named = {place: path for path, place in places.items()}
        self._tensors = Tensors.of({named.get(i, f"state/{i}"): leaf for i, leaf in enumerate(leaves)})
        self._names = [named.get(i, f"state/{i}") for i in range(len(leaves))]
        self._present = state is not None

    @property
    def by_path(self) -> Named:
        """Path → array."""
        return self._tensors.by_path

    def rebuilt(self, tensors: Named) -> tuple[Tree, ...]:
        """A state of these tensors, which a call may use up, as the argument that it is; none where there is none."""
        if not self._present:
            return ()
        by_name = self._tensors.rebuilt(tensors)
        return (jax.tree.unflatten(self._treedef, [by_name[name] for name in self._names]),)


def _places(eqx: Module, module: Module, numbered: Tree) -> dict[str, int]:
    """Path → number of a leaf of the state, where the numbered state has these numbers in place of its leaves."""

    def is_index(leaf: object) -> bool:
        return isinstance(leaf, eqx.nn.StateIndex)

    found = jax.tree_util.tree_leaves_with_path(module, is_leaf=is_index)
    indices = {path: leaf for path, leaf in found if is_index(leaf)}
    held = {jax.tree_util.keystr(path, simple=True, separator="/"): numbered.get(i) for path, i in indices.items()}
    return {_known(path): place for path, place in zip(leaf_paths(held), jax.tree.leaves(held), strict=True)}


def _known(path: str) -> str:
    """A path in which the statistics of a batch norm have their names."""
    for place, word in STATISTICS.items():
        if path == place or path.endswith(f"/{place}"):
            return path.removesuffix(place) + word
    return path
