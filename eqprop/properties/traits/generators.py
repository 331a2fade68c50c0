"""What a transformation is like, read off its own derivatives: which generators are constant, symmetric, a scaling.

Consequences of the theory are stated for cases: a translation, a scale invariance, a homogeneity. Which case a pair is
in is not asked of the user. The derivative Dk_ξ of the generator is linear in ξ, so the ξ for which it vanishes, is
symmetric or is antisymmetric are null spaces, found here with random vectors; what T does is seen at random outputs.
The ξ that move no parameters (k_ξ = 0, the kernel of the action) are divided out first: they are no translations.

Each case is recognised by what its derivation needs, not by a sign of it: a dilation about another centre than 0 has
Dk = 1, too, and a block may be scaled while something beside it is translated.

All of it is decided at random points to the rounding of float64 (``RECOGNISED``). A transformation that is off by more
is not recognised, and the properties that ask for the trait do not apply; one that is off by less cannot be told from
an exact one by any property either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import islice
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from eqprop.claims import Pair
from eqprop.engine import (
    Array,
    Local,
    Tree,
    floats_as,
    generator,
    inner,
    jitted,
    norm,
    numbers_context,
    subtract,
    value_and_derivative,
    zeros_like,
)
from eqprop.groups import Algebra, Element, LieGroup
from eqprop.probes import gaussian, output_shapes, tangents_of
from eqprop.properties.traits.actions import Survey, lengths
from eqprop.properties.traits.losses import keeps_loss
from eqprop.properties.traits.still import Still, still_of
from eqprop.properties.traits.subspaces import SPARE_ROWS, Span, Subspace
from eqprop.rounding import RECOGNISED

MOST_NUMBERS = 20_000_000
"""Parameters times coordinates of ξ, for which null spaces are complete: what is drawn for that takes seconds."""

FEWEST = 9
"""Coordinates that are looked at of however large a model."""

CANDIDATES = 16
"""Simple algebra elements that are tried as generators of scalings and translations."""

EXACT_RATE = 1e-13
"""A rate that is so near to a simple fraction is that: it is read off to a few units in the last place."""

LARGEST_DENOMINATOR = 12


SCALED = ("some", "all")
"""Blocks that are scaled as one."""


@dataclass(frozen=True)
class Special:
    """One algebra element whose generator is a translation or a scaling of some parameters.

    Attributes:
        algebra: ξ.
        block: ``"none"`` for a translation (Dk = 0), ``"some"`` where Dk is an orthogonal projection, ``"all"`` where
            it is the identity, ``"each"`` where it is another diagonal matrix: each number has a degree of its own.
        rate: c, where τ_ξ(y) = c y; None where T moves outputs in another way.
        within: the generator lies in the block that it scales, Dk k = k: nothing else is translated meanwhile.
        central: k_ξ(0) = 0: the block is scaled about 0.
        still: s_ξ = 0: T leaves the outputs, or the loss does not see what it does to them.
    """

    algebra: Algebra
    block: str
    rate: float | None
    within: bool = True
    central: bool = True
    still: bool = False


@dataclass(frozen=True)
class Traits:
    """What is known of the generators of a transformation.

    Attributes:
        affine_generator: every k_ξ is affine in θ.
        linear_generator: moreover k_ξ(0) = 0.
        constant: the ξ with Dk_ξ = 0, without those with k_ξ = 0; likewise the next two.
        symmetric: the ξ with Dk_ξ = Dk_ξᵀ, for which there is a charge.
        antisymmetric: the ξ with Dk_ξ = −Dk_ξᵀ, for which there is an angular momentum.
        special: generators that translate or scale, simplest first.
        still: the ξ that leave the loss, or the outputs.
    """

    affine_generator: bool = False
    linear_generator: bool = False
    constant: Subspace = field(default_factory=lambda: Subspace(0))
    symmetric: Subspace = field(default_factory=lambda: Subspace(0))
    antisymmetric: Subspace = field(default_factory=lambda: Subspace(0))
    special: tuple[Special, ...] = ()
    still: Still = field(default_factory=Still)

    def translation(self) -> Special | None:
        """A translation that multiplies the outputs by e^(ct), c ≠ 0."""
        return self._first(lambda s: s.block == "none" and s.rate not in (None, 0.0))

    def projection(self) -> Special | None:
        """A scaling of some or all parameters, others perhaps translated with them, that leaves the loss."""
        return self._first(lambda s: s.block in SCALED and s.still)

    def scaling(self) -> Special | None:
        """A scaling of some or all parameters, about any centre and of nothing else, that leaves the loss."""
        return self._first(lambda s: s.block in SCALED and s.still and s.within)

    def central_scaling(self) -> Special | None:
        """A scaling of some or all parameters about 0 that leaves the loss: k = Pθ."""
        return self._first(lambda s: s.block in SCALED and s.still and s.within and s.central)

    def dilation(self, *, but: float = 0.0) -> Special | None:
        """A scaling of all parameters, about any centre, that multiplies the outputs by its power p ≠ 0, ``but``."""
        return self._first(lambda s: s.block == "all" and s.rate not in (None, 0.0, but))

    def stretch(self) -> Special | None:
        """A scaling about 0 of each number by a power of its own (1 or 0 perhaps) that multiplies the outputs."""
        return self._first(lambda s: s.block != "none" and s.central and s.rate not in (None, 0.0))

    def _first(self, wanted: Callable[[Special], bool]) -> Special | None:
        return next((special for special in self.special if wanted(special)), None)


_known: WeakKeyDictionary[Pair, Traits] = WeakKeyDictionary()


def traits_of(pair: Pair) -> Traits:
    """The traits of a pair's generators, worked out once for each pair object."""
    if pair not in _known:
        with numbers_context("float64"):
            _known[pair] = GeneratorSurvey(pair).traits()
    return _known[pair]


class GeneratorSurvey(Survey):
    """The random points of one pair, and what its generators are there."""

    def traits(self) -> Traits:
        """All of them."""
        if not isinstance(self.group, LieGroup) or self.pair.target is not None or self.group.trivial:
            return Traits()
        span = Span(self.group, self.rng, max(MOST_NUMBERS // max(self.source.size, 1), FEWEST))
        first, second, value, whole, changed, origin = self._rows(span)
        scale = max(float(np.abs(rows).max(initial=0.0)) for rows in (first, value))
        if not scale > RECOGNISED * whole.max():
            return Traits(affine_generator=True, linear_generator=True)
        kernel = span.kernel(value, scale)
        affine_generator = bool(np.abs(changed).max(initial=0.0) <= RECOGNISED * scale)
        kinds = {"constant": first, "symmetric": first - second, "antisymmetric": first + second}
        known = {name: span.null_space(forms, kernel, scale) for name, forms in kinds.items()}
        return Traits(
            affine_generator,
            linear_generator=affine_generator and bool(np.abs(origin).max(initial=0.0) <= RECOGNISED * scale),
            special=self._special(self.group),
            still=still_of(self.pair, span, kernel, {name: forms / scale for name, forms in kinds.items()}, known),
            **known,
        )

    def _rows(self, span: Span) -> tuple[np.ndarray, ...]:
        """What the coefficients in ξ are at several points.

        Returns:
            Of as many rows as tell the ξ apart: ⟨v, Dk_ξ u⟩, ⟨u, Dk_ξ v⟩, ⟨v, k_ξ⟩ and ‖u‖‖v‖. Of a few, each of which
            has all ξ: by how much the first differs elsewhere, and ⟨v, k_ξ(0)⟩.
        """
        none = np.zeros(span.size)
        field = jitted(lambda xi, at: self.field(span.element(xi))(at))

        def row(at: Tree, left: Tree, right: Tree) -> tuple[Array, Array]:
            def both(xi: Array) -> tuple[Array, Array]:
                k, turned = value_and_derivative(partial(field, xi), at, right)
                return inner(left, turned), inner(left, k)

            near = Local(both, none)
            return near.pull((1.0, 0.0)), near.pull((0.0, 1.0))

        example = tuple(np.broadcast_to(0.0, (1, *shape)) for shape in self.source.float_shapes)
        ask = self.traced(row, example, example, example)  # once, for all of its uses

        def drawn(part: slice) -> tuple[Tree, Tree, Tree]:
            theta = self.points(part.stop - part.start)
            return theta, tangents_of(theta, self.rng), tangents_of(theta, self.rng)

        def rows(part: slice) -> Tree:
            one, u, v = drawn(part)
            (first, value), (second, _) = ask(one, v, u), ask(one, u, v)
            return first, second, value, lengths(u) * lengths(v)

        def elsewhere(part: slice) -> Tree:
            one, u, v = drawn(part)
            other, zero = self.points(len(u[0])), jax.tree.map(np.zeros_like, one)
            (here, _), (there, _), (_, origin) = (ask(at, v, u) for at in (one, other, zero))
            return here - there, origin

        return *self.few_at_once(span.size + SPARE_ROWS, rows), *self.few_at_once(SPARE_ROWS, elsewhere)

    def field(self, algebra: Algebra) -> Callable[[Tree], Tree]:
        """k_ξ."""
        return generator(self.act, self._identity(), self.group.tangent(algebra))  # pyright: ignore[reportAttributeAccessIssue]

    def _identity(self) -> Element:
        return floats_as(jnp.float64, self.group.identity())

    def _special(self, group: LieGroup) -> tuple[Special, ...]:
        candidates = list(islice(group.simple_algebra(), CANDIDATES))
        if not candidates:
            return ()
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *candidates)
        shapes = output_shapes(self.pair, "float64")

        def row(algebra: Algebra, theta: Tree, u: Array, y: Array) -> dict[str, Tree]:
            near = Local(self.field(algebra), theta)
            k, once = near.value, near.push(u)
            rest = subtract(once, u)
            tau = jax.vmap(generator(self.pair.transformation.on_outputs, self._identity(), group.tangent(algebra)))(y)
            rate = _rate(y, tau)
            return {
                "u": norm(u),
                "θ": norm(theta),
                "k": norm(k),
                "Dk u": norm(once),
                "Dk u − u": norm(rest),
                "DkDk u − Dk u": norm(subtract(near.push(once), once)),
                "Dk u − Λu": norm(subtract(once, jax.tree.map(lambda a, b, c: a / b * c, k, theta, u))),
                # A projection P is orthogonal where ⟨u − Pu, Pu⟩ = 0.
                "skew": jnp.sqrt(jnp.abs(inner(rest, once))),
                "Dk k − k": norm(subtract(near.push(k), k)),
                "k(0)": norm(near.function(zeros_like(theta))),
                "c": rate,
                "τ − c y": norm(subtract(tau, jax.tree.map(lambda leaf: rate * leaf, y))) / norm(y),
            }

        def rows(part: slice) -> Tree:
            count = part.stop - part.start
            theta = self.points(count)
            u = tangents_of(theta, self.rng)
            # At two outputs: a single number is a multiple of any other.
            y = jax.tree.map(lambda s: gaussian(self.rng, (count, 2, *s.shape)), shapes)
            return self.run(row, jax.tree.map(lambda leaf: leaf[part], stacked), theta, u, y)

        found = self.few_at_once(len(candidates), rows)
        seen = ({name: float(numbers[i]) for name, numbers in found.items()} for i in range(len(candidates)))
        unseen = keeps_loss(self.pair)
        return tuple(filter(None, (_special_of(*each, unseen=unseen) for each in zip(candidates, seen, strict=True))))


def _special_of(algebra: Algebra, seen: dict[str, float], *, unseen: bool) -> Special | None:
    """What one generator is, by the sizes of what should vanish; ``unseen`` where the loss sees nothing of T."""
    if seen["k"] <= RECOGNISED * seen["θ"]:
        return None
    least = RECOGNISED * seen["u"]
    rate = _recognised(seen["c"]) if seen["τ − c y"] <= RECOGNISED else None
    more = {
        "within": seen["Dk k − k"] <= RECOGNISED * seen["k"],
        "central": seen["k(0)"] <= RECOGNISED * seen["k"],
        "still": unseen or rate == 0.0,
    }
    if seen["Dk u"] <= least:
        return Special(algebra, "none", rate, **more)
    if seen["Dk u − u"] <= least:
        return Special(algebra, "all", rate, **more)
    # The angle between Pu and u − Pu is seen to half the digits of float64 only.
    projects = seen["DkDk u − Dk u"] <= least and seen["skew"] <= np.sqrt(RECOGNISED) * seen["u"]
    if projects:
        return Special(algebra, "some", rate, **more)
    return Special(algebra, "each", rate, **more) if seen["Dk u − Λu"] <= least else None


def _rate(y: Tree, tau: Tree) -> Array:
    """c, where τ = c y: from the largest entry, where it is exact but for the rounding of this entry."""
    flat, moved = ravel_pytree(y)[0], ravel_pytree(tau)[0]
    largest = jnp.argmax(jnp.abs(flat))
    return moved[largest] / flat[largest]


def _recognised(rate: float) -> float:
    """The simple fraction that a rate is, or else the rate as it is."""
    simple = float(Fraction(rate).limit_denominator(LARGEST_DENOMINATOR))
    return simple if abs(rate - simple) <= EXACT_RATE * max(1.0, abs(rate)) else rate
