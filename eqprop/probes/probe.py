"""A probe: one point to evaluate at."""

from __future__ import annotations

from dataclasses import dataclass, fields

import jax

from eqprop.claims import Inputs, Outputs, Params
from eqprop.engine import Tree
from eqprop.groups import Algebra, Element


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Probe:
    """Everything that the two sides of a property depend on. A batch is one Probe with a leading axis in each leaf.

    Attributes:
        params: the floating-point leaves of θ, in the order of ``jax.tree.leaves``.
        inputs: x, the whole pytree.
        element: g.
        element2: h, for the group laws.
        algebra: ξ.
        algebra2: η.
        tangent: u, like ``params``.
        tangent2: v, like ``params``.
        cotangent: w, like the outputs.
        targets: of a drawn loss, like the outputs.
        involution: an element that is its own inverse.
        rates: η, λ and β of a training step: the step size, the weight decay and the momentum.
        shortness: σ of a short segment, from 0 for the longest to 1 for the shortest.

    A field that no evaluated property needs is None.
    """

    params: Params = None
    inputs: Inputs = None
    element: Element = None
    element2: Element = None
    algebra: Algebra = None
    algebra2: Algebra = None
    tangent: Tree = None
    tangent2: Params = None
    cotangent: Outputs = None
    targets: Outputs = None
    involution: Element = None
    rates: Tree = None
    shortness: Tree = None

    def at(self, index: Tree) -> Probe:
        """One probe of a batch (or, for an array of indices, a smaller batch)."""
        return jax.tree.map(lambda leaf: leaf[index], self)

    def only(self, needed: frozenset[str]) -> Probe:
        """This probe without the fields that are not needed."""
        return Probe(**{f.name: getattr(self, f.name) if f.name in needed else None for f in fields(self)})

    @property
    def count(self) -> int:
        """How many probes the batch holds."""
        return int(jax.tree.leaves(self)[0].shape[0])
