"""What a transformation is like, read off its own derivatives: which generators are constant, symmetric, a scaling.

Consequences of the theory are stated for cases: a translation, a scale invariance, a homogeneity. Which case a pair is
in is not asked of the user. The derivative Dk_ξ of the generator is linear in ξ, so the ξ for which it vanishes, is
symmetric or is antisymmetric are null spaces, found here with random vectors; what T does is seen at random outputs.

All of it is decided at random points to the rounding of float64 (``RECOGNISED``). A transformation that is off by more
is not recognised, and the properties that ask for the trait do not apply; one that is off by less cannot be told from
an exact one by any property either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from eqprop.batching import batched, one_by_one
from eqprop.calculus import generator, inner, norm, subtract, zeros_like
from eqprop.casting import output_shapes
from eqprop.compiling import LARGE, compiler_options
from eqprop.groups.base import LieGroup
from eqprop.pair import Pair
from eqprop.precision import numbers_context
from eqprop.rounding import RECOGNISED
from eqprop.sampling import gaussian, params_of, tangents_of

MOST_COORDINATES = 256
"""Of ξ, for which null spaces are computed. In a larger algebra a trait is had by every ξ or by none."""

CANDIDATES = 16
"""Simple algebra elements that are tried as generators of scalings and translations."""

SPARE_ROWS = 4
SEED = 20


@dataclass(frozen=True)
class Subspace:
    """Some of the algebra elements, in flat coordinates.

    Attributes:
        size: the dimension of the algebra (of the sampled part of one with more than ``MOST_COORDINATES``).
        basis: orthonormal rows in flat coordinates of ξ; None stands for all of the algebra.
    """

    size: int
    basis: np.ndarray | None = None

    @property
    def dimension(self) -> int:
        """How many independent elements there are."""
        return self.size if self.basis is None else len(self.basis)

    def nearest(self, algebra: Any) -> Any:
        """The orthogonal projection of an algebra element to the subspace."""
        if self.basis is None:
            return algebra
        flat, unravel = ravel_pytree(algebra)
        basis = self.basis.astype(flat.dtype)
        return unravel(jnp.asarray(basis.T @ (basis @ flat)))


@dataclass(frozen=True)
class Special:
    """One algebra element whose generator is a translation or a scaling of some parameters.

    Attributes:
        algebra: ξ.
        block: ``"none"`` for a translation (Dk = 0), ``"some"`` where Dk is an orthogonal projection, ``"all"`` where
            it is the identity.
        rate: c, where τ_ξ(y) = c y; None where T moves outputs in another way.
    """

    algebra: Any
    block: str
    rate: float | None


@dataclass(frozen=True)
class Traits:
    """What is known of a transformation.

    Attributes:
        affine_action: K_g θ is affine in θ.
        orthogonal_action: moreover DK_g is orthogonal.
        affine_generator: every k_ξ is affine in θ.
        linear_generator: moreover k_ξ(0) = 0.
        constant: the ξ with Dk_ξ = 0.
        symmetric: the ξ with Dk_ξ = Dk_ξᵀ, for which there is a charge.
        antisymmetric: the ξ with Dk_ξ = −Dk_ξᵀ, for which there is an angular momentum.
        special: generators that translate or scale, simplest first.
    """

    affine_action: bool
    orthogonal_action: bool
    affine_generator: bool = False
    linear_generator: bool = False
    constant: Subspace = field(default_factory=lambda: Subspace(0))
    symmetric: Subspace = field(default_factory=lambda: Subspace(0))
    antisymmetric: Subspace = field(default_factory=lambda: Subspace(0))
    special: tuple[Special, ...] = ()

    def translation(self) -> Special | None:
        """A translation that multiplies the outputs by e^(ct), c ≠ 0."""
        return self._first(lambda s: s.block == "none" and s.rate not in (None, 0.0))

    def scaling(self) -> Special | None:
        """A scaling of some or all parameters that leaves the outputs as they are."""
        return self._first(lambda s: s.block != "none" and s.rate == 0.0)

    def dilation(self) -> Special | None:
        """A scaling of all parameters that multiplies the outputs by a power of the factor."""
        return self._first(lambda s: s.block == "all" and s.rate is not None and s.rate != 0.0)

    def _first(self, wanted: Callable[[Special], bool]) -> Special | None:
        return next((special for special in self.special if wanted(special)), None)


_known: WeakKeyDictionary[Pair, Traits] = WeakKeyDictionary()


def traits_of(pair: Pair) -> Traits:
    """The traits of a pair's transformation, worked out once for each pair object."""
    if pair not in _known:
        with numbers_context("float64"):
            _known[pair] = _Survey(pair).traits()
    return _known[pair]


class _Survey:
    """The random points of one pair, and what its actions do there."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.group = pair.transformation.group
        self.rng = np.random.default_rng(SEED)
        self.source, self.image = pair.model.param_leaves, pair.image.param_leaves
        # Where rows are long they are taken one after the other.
        self.over_rows = one_by_one if self.source.size >= LARGE else batched

    def act(self, element: Any, theta: Any) -> Any:
        """K on the floating-point leaves."""
        return self.image.split(self.pair.transformation.on_params(element, self.source.join(theta)))

    def points(self, count: int) -> Any:
        """Random parameters, within the model's domain."""
        return params_of(self.pair.model, "gaussian", self.rng, count)

    def traits(self) -> Traits:
        """All of them."""
        affine, orthogonal = self._of_action()
        if not isinstance(self.group, LieGroup) or self.pair.target is not None or self.group.trivial:
            return Traits(affine, orthogonal)
        span = self._span(self.group)
        first, second, moved, origin = (rows @ span.T for rows in self._rows())
        scale = float(np.abs(first).max(initial=0.0))
        affine_generator = bool(np.abs(first - moved).max(initial=0.0) <= RECOGNISED * scale)
        return Traits(
            affine,
            orthogonal,
            affine_generator,
            linear_generator=affine_generator and not origin.any(),
            constant=_null_space(first, span, scale),
            symmetric=_null_space(first - second, span, scale),
            antisymmetric=_null_space(first + second, span, scale),
            special=self._special(self.group),
        )

    def _of_action(self) -> tuple[bool, bool]:
        """Whether DK_g is the same at two points, and whether it keeps lengths."""
        count = 4
        elements = self.group.sample_many(self.rng, np.linspace(0.1, 0.6, count))
        one, other = self.points(count), self.points(count)
        tangents = tangents_of(one, self.rng)

        def row(element: Any, one: Any, other: Any, u: Any) -> tuple[Any, ...]:
            du, dv = (jax.jvp(partial(self.act, element), (at,), (u,))[1] for at in (one, other))
            return norm(u), norm(du), norm(subtract(du, dv))

        length, pushed, changed = _run(self.over_rows(row), elements, one, other, tangents)
        affine = bool((changed <= RECOGNISED * pushed).all())
        # A conversion to a model of more parameters may keep lengths: DKᵀ DK = 1, and DK DKᵀ is a projection.
        square = self.source.size == self.image.size
        return affine, affine and square and bool((np.abs(pushed - length) <= RECOGNISED * length).all())

    def _span(self, group: LieGroup) -> np.ndarray:
        """The algebra in flat coordinates, of which it may be a part (antisymmetric matrices): orthonormal rows.

        Of an algebra with more coordinates than ``MOST_COORDINATES``, some elements.
        """
        size = ravel_pytree(group.zero())[0].size
        count = size + SPARE_ROWS if size <= MOST_COORDINATES else SPARE_ROWS
        drawn = jax.vmap(lambda algebra: ravel_pytree(algebra)[0])(group.sample_algebra_many(self.rng, count))
        _, values, vectors = np.linalg.svd(np.asarray(drawn, dtype=float), full_matrices=False)
        return vectors[values > np.sqrt(RECOGNISED) * values.max(initial=0.0)]

    def _rows(self) -> tuple[np.ndarray, ...]:
        """Coefficients in ξ of ⟨v, Dk_ξ u⟩ and ⟨u, Dk_ξ v⟩ at one point, ⟨v, Dk_ξ u⟩ at another, and ⟨v, k_ξ(0)⟩."""
        zero, unravel = ravel_pytree(self.group.zero())  # pyright: ignore[reportAttributeAccessIssue]
        count = min(zero.size, MOST_COORDINATES) + SPARE_ROWS
        one, other = self.points(count), self.points(count)
        u, v = (tangents_of(one, self.rng) for _ in range(2))

        def row(one: Any, other: Any, u: Any, v: Any) -> tuple[Any, ...]:
            def form(at: Any, left: Any, right: Any) -> Any:
                def value(flat: Any) -> Any:
                    return inner(left, jax.jvp(self._field(unravel(flat)), (at,), (right,))[1])

                return jax.grad(value)(zero)

            at_zero = jax.grad(lambda flat: inner(v, self._field(unravel(flat))(zeros_like(one))))(zero)
            return form(one, v, u), form(one, u, v), form(other, v, u), at_zero

        return _run(self.over_rows(row), one, other, u, v)

    def _field(self, algebra: Any) -> Callable[[Any], Any]:
        """k_ξ."""
        return generator(self.act, self._identity(), self.group.tangent(algebra))  # pyright: ignore[reportAttributeAccessIssue]

    def _identity(self) -> Any:
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), self.group.identity())

    def _special(self, group: LieGroup) -> tuple[Special, ...]:
        candidates = list(islice(group.simple_algebra(), CANDIDATES))
        if not candidates:
            return ()
        count = len(candidates)
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *candidates)
        theta = self.points(count)
        u = tangents_of(theta, self.rng)
        shapes = output_shapes(self.pair, "float64")
        # At two outputs: a single number is a multiple of any other.
        y = jax.tree.map(lambda s: gaussian(self.rng, (count, 2, *s.shape)), shapes)

        def row(algebra: Any, theta: Any, u: Any, y: Any) -> tuple[Any, ...]:
            field = self._field(algebra)
            once = jax.jvp(field, (theta,), (u,))[1]
            twice = jax.jvp(field, (theta,), (once,))[1]
            # A projection P is orthogonal where ⟨u − Pu, Pu⟩ = 0.
            skew = jnp.abs(inner(subtract(u, once), once))
            tau = jax.vmap(generator(self.pair.transformation.on_outputs, self._identity(), group.tangent(algebra)))(y)
            rate = inner(y, tau) / inner(y, y)
            off = norm(subtract(tau, jax.tree.map(lambda leaf: rate * leaf, y))) / norm(y)
            lengths = [norm(tree) for tree in (u, once, subtract(once, u), subtract(twice, once))]
            return (*lengths, jnp.sqrt(skew), rate, off, norm(field(theta)))

        found = _run(self.over_rows(row), stacked, theta, u, y)
        return tuple(
            filter(None, (_special_of(a, *row) for a, row in zip(candidates, np.stack(found, 1), strict=True)))
        )


def _special_of(algebra: Any, *lengths: Any) -> Special | None:
    whole, once, beside, again, skew, rate, off, moved = map(float, lengths)
    least = RECOGNISED * whole
    rate = round(rate, 9) if off <= RECOGNISED else None
    if moved == 0.0:
        return None
    if once <= least:
        return Special(algebra, "none", rate)
    if beside <= least:
        return Special(algebra, "all", rate)
    # The angle between Pu and u − Pu is seen to half the digits of float64 only.
    return Special(algebra, "some", rate) if again <= least and skew <= np.sqrt(RECOGNISED) * whole else None


def _null_space(rows: np.ndarray, span: np.ndarray, scale: float) -> Subspace:
    """The ξ in the span on which all rows vanish; the rows are in its coordinates."""
    size, coordinates = span.shape
    if np.abs(rows).max(initial=0.0) <= RECOGNISED * scale:
        return Subspace(size)
    if coordinates > MOST_COORDINATES:
        return Subspace(size, np.zeros((0, coordinates)))
    _, values, vectors = np.linalg.svd(rows)
    null = vectors[np.count_nonzero(values > RECOGNISED * np.sqrt(len(rows)) * scale) :]
    return Subspace(size, null @ span)


def _run(function: Callable[..., Any], *arguments: Any) -> tuple[np.ndarray, ...]:
    compiled = jax.jit(function, compiler_options=compiler_options())
    return tuple(np.asarray(found, dtype=float) for found in compiled(*arguments))
