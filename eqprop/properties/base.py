"""What a property is: a statement with two sides, and the hypotheses under which it is implied."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields

import jax.numpy as jnp

from eqprop.arguments import function_of, got, kebab_case, short, whole_number
from eqprop.claims import Pair
from eqprop.errors import InvalidInput
from eqprop.probes import Probe
from eqprop.properties.parts import Part, Sides
from eqprop.properties.point import Point
from eqprop.properties.subgroups import Subgroup
from eqprop.properties.traits import Subspace

Hypothesis = Callable[[Pair], str | None]

PAPER = "Yang & Ziyin 2025, arXiv 2512.21447 (ICLR 2026 DeLTa workshop, OpenReview 056l1W1Rza)"
"""Whose abstract has equivariance, with coupled constraints of first and second order, discrete groups included.
The formulas are derived here and checked against dense derivatives; each source says so but that of the premise."""

INEXACT = "the transformation is claimed to hold up to a defect, and not exactly"

PROBED = frozenset(field.name for field in fields(Probe))


def _is_field(name: object) -> bool:
    return isinstance(name, str) and name in PROBED


@dataclass(frozen=True, eq=False)
class Property:
    """One prediction of the theory.

    Attributes:
        name: as in ``--property`` and test ids.
        order: of the highest derivative of the model that the statement is about; 0 for the premise.
        statement: what is claimed, in words.
        formula: what is claimed, in symbols; the two sides of the equation are what is compared.
        sides: computes both sides at a point.
        needs: the fields of a probe that the sides read.
        hypotheses: each says why the property does not apply to a pair, or None where it does.
        rests_on: names of properties without which this one is not implied: where one is falsified, this is blocked.
        smooth: what is asked of f where that is not as many continuous derivatives as the order.
        source: where the statement comes from.
        derivation: why it is implied, in two lines.
        consequence_of: names of the properties that together imply it, where it is no statement of its own: no defect
            is caught by it alone. It is verified because it says in one line what those mean for this case.
        costly: whether it is judged on a part of the architectures and probes only (``Profile.costly_*``): families
            that run a trajectory, a quadrature or a Krylov space.
        reason_if_vacuous: of a property with a hypothesis on the point itself: why it does not apply where no point met
            it.
        empty: says why the statement is about nothing for a pair (a second derivative that vanishes identically), or
            gives an empty text. Asked where both sides vanished at every probe.
        series: whether its sides are a quantity along a trajectory, which the verdict keeps.
        twofold: whether its sides are one program, of which NumPy evaluates the left one and XLA the right one.
        subgroup: of a statement about elements, which of them it is made of; None where all are (``subgroups.py``).
    """

    name: str
    order: int
    statement: str
    formula: str
    sides: Callable[[Point], Sides]
    needs: frozenset[str]
    hypotheses: tuple[Hypothesis, ...] = ()
    rests_on: tuple[str, ...] = ()
    smooth: str = ""
    source: str = ""
    derivation: str = ""
    consequence_of: tuple[str, ...] = ()
    costly: bool = False
    reason_if_vacuous: str = ""
    empty: Callable[[Pair], str] | None = None
    series: bool = False
    twofold: bool = False
    subgroup: Subgroup | None = None

    def __post_init__(self) -> None:
        what = f"Property {kebab_case(self.name, what='Property')!r}"
        whole_number(self.order, f"{what}: order is")
        function_of(self.sides, ("point",), f"{what}: sides")
        for field, values in (("needs", self.needs), ("rests_on", self.rests_on), ("hypotheses", self.hypotheses)):
            if isinstance(values, str) or not isinstance(values, Collection):
                msg = f"{what}: {field} is {got(values)}; expected several, as in a tuple or a set."
                raise InvalidInput(msg)
        unknown = sorted(name if isinstance(name, str) else short(name) for name in self.needs if not _is_field(name))
        if unknown:
            msg = f"{what}: needs names {', '.join(unknown)}; the fields of a probe are: {', '.join(sorted(PROBED))}."
            raise InvalidInput(msg)
        for hypothesis in self.hypotheses:
            function_of(hypothesis, ("pair",), f"{what}: a hypothesis")
        object.__setattr__(self, "needs", frozenset(self.needs))

    @property
    def exact(self) -> bool:
        """Whether it is the premise, or rests on it: nothing that is said of a claim that holds up to a defect only."""
        return "equivariance" in (self.name, *self.rests_on)

    def reads(self, pair: Pair) -> frozenset[str]:
        """The fields of a probe that its sides depend on for a pair; the element of a subgroup is made of ξ."""
        return self.needs if self.part_of_algebra(pair) is None else self.needs - {"element"} | {"algebra"}

    def part_of_algebra(self, pair: Pair) -> Subspace | None:
        """The ξ whose exponentials its sides take for elements; None where they take the probe's element."""
        return None if self.subgroup is None else self.subgroup.part(pair)

    def compared(self, point: Point) -> Sides:
        """Both sides at a point, if they can be compared.

        Raises:
            InvalidInput: for what is no tuple of parts, or sides of different shapes.
        """
        parts = self.sides(self._placed(point))
        if not isinstance(parts, tuple) or not all(isinstance(part, Part) for part in parts):
            msg = f"property {self.name!r}: sides gave {got(parts)}; expected a tuple of what `part` makes."
            raise InvalidInput(msg)
        for part in parts:
            left, right = ([jnp.shape(leaf) for leaf in side] for side in (part.lhs, part.rhs))
            if left != right or len(left) != len(part.names):
                shapes = f"{len(part.names)} names, shapes {left} on the left and {right} on the right"
                msg = f"property {self.name!r}: sides cannot be compared: {shapes}; expected the same."
                raise InvalidInput(msg)
        return parts

    def _placed(self, point: Point) -> Point:
        """The point with an element that the statement is about."""
        if self.subgroup is None:
            return point
        part = self.part_of_algebra(point.pair)
        if part is None:
            return point
        return point.once(f"element that {self.subgroup.what}", lambda: point.within(part))

    def reason_if_not_applicable(self, pair: Pair) -> str | None:
        """The reason why this property does not apply to the pair, or None.

        Raises:
            InvalidInput: for a hypothesis that answers with anything but a text or None.
        """
        if self.exact and pair.transformation.defect is not None:
            return INEXACT
        for hypothesis in self.hypotheses:
            reason = hypothesis(pair)
            if reason is not None and not isinstance(reason, str):
                msg = (
                    f"property {self.name!r}: a hypothesis gave {got(reason)}; expected why it does not apply, or None."
                )
                raise InvalidInput(msg)
            if reason:
                return reason
        return None

    def __repr__(self) -> str:
        return f"Property({self.name!r}, order {self.order})"
