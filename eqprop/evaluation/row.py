"""What every evaluator evaluates: the sides of some properties at one row, a probe or a perturbed copy of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr

from eqprop.claims import Outputs, Pair
from eqprop.engine import LARGE, Precision, Roundoff, Tree, coarsest, lowest_precisions
from eqprop.evaluation.batches import Layout, flat
from eqprop.probes import Loss, Probe, cast_probe, output_shapes, probes_of
from eqprop.properties import Point, Property
from eqprop.properties.traits import traits_of
from eqprop.rounding import Sides


class Row:
    """Both sides of some properties of a pair under one loss, as a function of one probe.

    Args:
        pair: what is verified.
        properties: those to evaluate; each must apply to the pair.
        loss: a drawn loss; the model's own takes precedence.
        precision: ``"float64"``, or ``"model"`` for the dtypes of the example parameters.
        reverse_only: whether the model is known to be reverse-only.

    Attributes:
        size: how many parameters the model has; 1 where it has none.
        large: whether these are so many that nothing as large as they are should be kept.
        needed: the fields of a probe that are read.
        outputs: shapes of the outputs.
        layouts: for each property, where the leaves of its sides lie; known once it was traced.
    """

    def __init__(
        self, pair: Pair, properties: Sequence[Property], loss: Loss, precision: Precision, *, reverse_only: bool
    ) -> None:
        self.pair = pair
        self.properties = tuple(properties)
        self.loss = loss
        self.precision: Precision = precision
        self.reverse_only = reverse_only
        self.size = max(pair.model.param_leaves.size, 1)
        self.large = self.size >= LARGE
        self.needed = frozenset[str]().union(*(p.reads(pair) for p in self.properties))
        self.outputs = output_shapes(pair, precision)
        self.layouts: dict[str, Layout] = {}
        if any(prop.costly for prop in self.properties):
            traits_of(pair)  # worked out here, and remembered: not inside of the trace
        # Shapes and types alone: a probe is as large as the model, several times.
        self._example = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), self.draw(np.random.default_rng(0), 1)
        )

    def of(self, prop: Property) -> Row:
        """The row of one of its properties alone."""
        return Row(self.pair, (prop,), self.loss, self.precision, reverse_only=self.reverse_only)

    def draw(self, rng: np.random.Generator, count: int) -> Probe:
        """A batch of probes with the fields that are read, in the precision."""
        generic = all(prop.costly for prop in self.properties)
        return self.cast(probes_of(self.pair, self.loss, self.outputs, self.needed, rng, count, generic=generic))

    def cast(self, probes: Probe) -> Probe:
        """The batch with the floating-point types of the precision."""
        return cast_probe(self.pair, probes, self.precision)

    def like(self, *axes: int) -> Probe:
        """Shapes and dtypes of a probe with some leading axes."""

        def like(leaf: jax.ShapeDtypeStruct) -> Tree:
            return jax.ShapeDtypeStruct((*axes, *leaf.shape), jax.dtypes.canonicalize_dtype(leaf.dtype))

        return jax.tree.map(like, self._example)

    def sides(self, probe: Probe, properties: Sequence[Property] = ()) -> Sides:
        """The leaves of both sides, the scales and the errors of every property (or of some) at one probe."""
        point = Point(self.pair, probe, self.loss, reverse_only=self.reverse_only)
        found: dict[str, tuple[list[Tree], ...]] = {}
        for prop in properties or self.properties:
            parts = prop.compared(point)
            lhs = [leaf for part in parts for leaf in part.lhs]
            rhs = [leaf for part in parts for leaf in part.rhs]
            names = tuple(name for part in parts for name in part.names)
            self.layouts[prop.name] = Layout.of(names, lhs)
            scales = [scale for part in parts for scale in part.scales]
            found[prop.name] = (lhs, rhs, scales, [error for part in parts for error in part.errors])
        return found

    def flat(self, probe: Probe, properties: Sequence[Property] = ()) -> dict[str, tuple[Tree, ...]]:
        """``sides``, each as one flat vector."""
        return {name: tuple(map(flat, sides)) for name, sides in self.sides(probe, properties).items()}

    @property
    def learnt(self) -> dict[str, Any]:
        """What tracing it has shown, in values that JSON has."""
        layouts = {name: layout.as_json() for name, layout in self.layouts.items()}
        return {"reverse_only": self.reverse_only, "layouts": layouts}

    def recall(self, facts: Mapping[str, Any]) -> None:
        """Know what was learnt when the same row was traced before."""
        self.reverse_only = facts["reverse_only"]
        self.layouts.update({name: Layout.from_json(layout) for name, layout in facts["layouts"].items()})

    def named(self, name: str) -> Property:
        """One of the properties."""
        return next(prop for prop in self.properties if prop.name == name)


def units_of(program: ClosedJaxpr, outputs: Outputs) -> dict[str, Roundoff]:
    """For each property, the lowest floating precision that its sides depend on.

    Args:
        program: a traced one, whose results are by property.
        outputs: a tree like its results.
    """
    found = jax.tree.unflatten(jax.tree.structure(outputs), lowest_precisions(program))
    return {name: coarsest(jax.tree.leaves(of_sides)) for name, of_sides in found.items()}
