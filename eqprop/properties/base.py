"""What a property is: a statement with two sides, and the hypotheses under which it is implied."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields

import jax
import jax.numpy as jnp

from eqprop.arguments import function_of, got, kebab_case, short, whole_number
from eqprop.claims import Pair
from eqprop.engine import Array, Leaves, Local, Tree, add, leaf_paths, norm, subtract
from eqprop.errors import InvalidInput
from eqprop.probes import Probe
from eqprop.properties.point import Point
from eqprop.properties.subgroups import Subgroup
from eqprop.properties.traits import Subspace

Hypothesis = Callable[[Pair], str | None]

PAPER = "Yang & Ziyin 2025, arXiv 2512.21447 (ICLR 2026 DeLTa workshop, OpenReview 056l1W1Rza)"
"""Whose abstract has equivariance, with coupled constraints of first and second order, discrete groups included.
The formulas are derived here and checked against dense derivatives; each source says so but that of the premise."""

INEXACT = "the transformation is claimed to hold up to a defect, and not exactly"

PROBED = frozenset(field.name for field in fields(Probe))


@dataclass(frozen=True)
class Part:
    """One comparison of two trees, leaf by leaf.

    Attributes:
        names: what each leaf is called in a report.
        lhs: the leaves of the left side.
        rhs: the leaves of the right side.
        scales: for each leaf the size of the terms that cancel inside a side, where that may exceed both sides.
        errors: for each leaf how far the sides may differ by other than rounding: what a quadrature or an integrator
            says of its own error. It is added to the floor.
    """

    names: tuple[str, ...]
    lhs: Leaves
    rhs: Leaves
    scales: Leaves
    errors: Leaves


Sides = tuple[Part, ...]


def part(
    names: Sequence[str], lhs: Tree, rhs: Tree, scale: Tree = None, *, error: Tree = None, label: str = ""
) -> Part:
    """A comparison; ``scale`` and ``error`` are a number for all leaves or a tree of numbers like the sides."""
    left, right = tuple(jax.tree.leaves(lhs)), tuple(jax.tree.leaves(rhs))
    prefix = f"{label}: " if label else ""
    names = tuple(prefix + name for name in names)
    return Part(names, left, right, _for_leaves(scale, len(left)), _for_leaves(error, len(left)))


def _for_leaves(sizes: Tree, count: int) -> Leaves:
    if sizes is None:
        return (jnp.zeros(()),) * count
    given = tuple(jax.tree.leaves(sizes))
    return given * count if len(given) == 1 else given


def only_where(met: Array, parts: Sides) -> Sides:
    """The parts where a condition on the point is met; elsewhere nothing is compared, and the point counts as vacuous.

    For hypotheses on the point itself. What is not a number where the condition is not met does not get through.
    """

    def kept(leaves: Leaves) -> Leaves:
        return tuple(jnp.where(met, leaf, 0) for leaf in leaves)

    return tuple(Part(p.names, kept(p.lhs), kept(p.rhs), kept(p.scales), kept(p.errors)) for p in parts)


def affine_until(action: Local, theta: Tree, unit: float) -> Array:
    """Whether K is at θ the affine map that it is near the probe: K(θ) = K(θ₀) + DK (θ − θ₀), to half of the digits.

    For walks, as a condition of ``only_where``. Steps may leave the domain on which K was seen to be affine (a number
    that has to be positive becomes negative); what K makes of other points is not claimed.

    Args:
        action: K near the probe.
        theta: where a walk came to.
        unit: the unit roundoff of the precision.
    """
    expected = add(action.value, action.push(subtract(theta, action.at)))
    return _close(action.function(theta), expected, unit)


def acted_on(point: Point, theta: Tree) -> Array:
    """Whether K is an action at θ, K_e θ = θ, to half of the digits; likewise for walks, of generators that bend."""
    return _close(point.act(point.transformation.group.identity(), theta), theta, point.unit)


def _close(found: Tree, expected: Tree, unit: float) -> Array:
    return norm(subtract(found, expected)) <= jnp.sqrt(unit) * norm(expected)


def in_params(point: Point, lhs: Tree, rhs: Tree, scale: Tree = None, *, error: Tree = None, label: str = "") -> Part:
    """A comparison of vectors in the source's parameter space.

    Args:
        point: that is compared at.
        lhs: the floating-point leaves of the left side.
        rhs: of the right side.
        scale: as in ``part``.
        error: as in ``part``.
        label: as in ``part``.
    """
    return part(point.source.float_paths, lhs, rhs, scale, error=error, label=label)


def in_image(point: Point, lhs: Tree, rhs: Tree, scale: Tree = None, *, label: str = "") -> Part:
    """A comparison of vectors in the target model's parameter space.

    Args:
        point: that is compared at.
        lhs: the floating-point leaves of the left side.
        rhs: of the right side.
        scale: as in ``part``.
        label: as in ``part``.
    """
    return part(point.image.float_paths, lhs, rhs, scale, label=label)


def in_outputs(lhs: Tree, rhs: Tree, scale: Tree = None, *, label: str = "") -> Part:
    """A comparison of outputs.

    Args:
        lhs: like the outputs.
        rhs: likewise.
        scale: as in ``part``.
        label: as in ``part``.
    """
    return part([f"output {path}" for path in leaf_paths(rhs)], lhs, rhs, scale, label=label)


def of_numbers(lhs: Tree, rhs: Tree, scale: Tree, *, error: Tree = None, label: str = "") -> Part:
    """A comparison of two numbers (or of two arrays, under one name).

    Args:
        lhs: a number.
        rhs: likewise.
        scale: the size of the terms that cancel in them.
        error: as in ``part``.
        label: as in ``part``.
    """
    return part([label or "value"], lhs, rhs, scale, error=error)


def magnitudes(tree: Tree, factor: Array | float = 1.0) -> Tree:
    """max|leaf| · factor for each leaf."""
    return jax.tree.map(lambda leaf: jnp.max(jnp.abs(leaf), initial=0.0) * factor, tree)


def largest_of(sizes: Tree) -> Array:
    """The largest of the sizes, one for all leaves: K may move numbers from one tensor to another."""
    return jnp.max(jnp.stack([jnp.max(leaf) for leaf in jax.tree.leaves(sizes)]))


def uncancelled(push: Callable[[Tree], Tree], k: Tree, theta: Tree) -> Array:
    """The size, leaf by leaf, of the terms that cancel in push(k).

    It is taken from push at a fixed irregular direction of k's length plus k with that direction's signs. The one would
    miss a k that lies in a few small tensors, the other a k with a single number; their sum does not cancel, because
    the direction is irregular.

    The direction is no part of the probe, so that a counterexample has fewer numbers. Each of its tensors has the
    scale of the parameters', so that none is drowned, and its numbers differ: mere signs are themselves an orbit
    direction of networks with one unit, where the push vanishes.

    Args:
        push: a linear map of vectors like θ.
        k: a vector that it takes to something small.
        theta: θ, whose scales an irregular direction has.
    """
    wave = irregular(theta)
    length = norm(k) / norm(wave)
    return magnitudes(push(jax.tree.map(lambda a, w: jnp.where(w < 0, -a, a) + w * length, k, wave)))


def uncancelled_together(push: Callable[[Tree], Tree], vectors: tuple[Tree, ...], at: tuple[Tree, ...]) -> Tree:
    """Likewise for push((k, χ)), where parameters and inputs move: the terms of both, of which one may be zero.

    Args:
        push: a linear map of pairs (k, χ).
        vectors: such a pair.
        at: (θ, x).
    """
    zeros = tuple(jax.tree.map(jnp.zeros_like, vector) for vector in vectors)

    def sizes(i: int) -> Array:
        return uncancelled(lambda vector: push((*zeros[:i], vector, *zeros[i + 1 :])), vectors[i], at[i])

    moved = [sizes(i) for i, vector in enumerate(vectors) if jax.tree.leaves(vector)]
    return jax.tree.map(lambda *each: sum(each[1:], each[0]), *moved)


GOLDEN_ANGLE = 2.399963229728653

ZEROS = 8
"""A tensor of no more units in the last place of 1 than these is a perturbed tensor of zeros."""


def irregular(theta: Tree, unit: float = 0.0) -> Tree:
    """A direction like θ: cosines of multiples of the golden angle, each tensor at its own scale (1 for zeros).

    Args:
        theta: the point.
        unit: unit roundoff of the lowest precision in the program. In perturbed copies zeros are as large as that; they
            are zeros here as well, since a floor is what the same statement says at a point nearby, and not along
            another direction.
    """
    leaves, treedef = jax.tree.flatten(theta)
    start, found = 0, []
    for leaf in leaves:
        dtype = jnp.promote_types(leaf.dtype, jnp.float32)  # float16 does not count far
        angles = GOLDEN_ANGLE * (1 + start + jnp.arange(leaf.size, dtype=dtype)).reshape(leaf.shape)
        mean_square = jnp.mean(leaf**2) if leaf.size else jnp.ones((), leaf.dtype)
        least = ZEROS * max(unit, float(jnp.finfo(leaf.dtype).eps))
        positive = mean_square > least**2
        scale = jnp.where(positive, jnp.sqrt(jnp.where(positive, mean_square, 1)), 1)
        found.append(jnp.cos(angles).astype(leaf.dtype) * scale)
        start += leaf.size
    return jax.tree.unflatten(treedef, found)


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
