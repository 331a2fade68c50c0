"""Parts of a Lie algebra: the elements that are looked at, and the null spaces of what is linear in them.

A null space is found from random rows, as many as there are coordinates. Of an algebra with more than
``MOST_COORDINATES``, or than so many rows of a large model can be worked out for, its first simple elements are looked
at, and a few random ones beside them: what holds of those holds of all; else there is what holds within the span of the
simple ones. Groups list simple elements such that the first ones are an algebra themselves (gl(20) within gl(64), equal
parts of each factor), with traits like the whole's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from eqprop.engine import Array
from eqprop.groups import Algebra, LieGroup
from eqprop.rounding import RECOGNISED

MOST_COORDINATES = 400
"""Of ξ, for which null spaces are complete: so many rows are decomposed in half a second."""

SPARE_ROWS = 4

FRACTIONS = 12
"""Whole multiples of 1 over this are what coordinates of generators usually are."""


@dataclass(frozen=True)
class Subspace:
    """Some of the algebra elements, in flat coordinates.

    Attributes:
        size: the dimension of the algebra, less that of the elements that move nothing (of a large algebra, of the part
            that is looked at).
        basis: independent rows in flat coordinates of ξ; None stands for all of the algebra.
        support: the flat coordinates that the rows are about; None stands for all of them, in order.
    """

    size: int
    basis: np.ndarray | None = None
    support: np.ndarray | None = None

    @property
    def dimension(self) -> int:
        """How many independent elements there are (known of, in a large algebra)."""
        return self.size if self.basis is None else len(self.basis)

    def nearest(self, algebra: Algebra) -> Algebra:
        """The orthogonal projection of an algebra element to the subspace."""
        if self.basis is None:
            return algebra
        flat, unravel = ravel_pytree(algebra)
        basis, coefficients = (rows.astype(flat.dtype) for rows in (self.basis, np.linalg.pinv(self.basis.T)))
        if self.support is None:
            return unravel(jnp.asarray(basis.T @ (coefficients @ flat)))
        kept = basis.T @ (coefficients @ flat[self.support])
        return unravel(jnp.zeros_like(flat).at[self.support].set(kept))


class Span:
    """The algebra elements that are looked at: combinations of orthonormal rows, and some random ones beside these.

    Args:
        group: whose algebra it is.
        rng: of the random elements.
        most: coordinates, where they are fewer than ``MOST_COORDINATES``.

    Attributes:
        rows: orthonormal, over the coordinates ``support``.
        support: flat coordinates; None for all.
        beside: random elements, whole, where the rows do not span the algebra.
    """

    def __init__(self, group: LieGroup, rng: np.random.Generator, most: int) -> None:
        most = min(most, MOST_COORDINATES)
        zero, self._unravel = ravel_pytree(group.zero())
        self._zero = np.zeros(zero.size)
        whole = zero.size <= most
        self.beside = _drawn(group, rng, zero.size + SPARE_ROWS if whole else SPARE_ROWS)
        simple = [] if whole else _simple(group, most)
        if simple:
            self.support = np.unique(np.concatenate([positions for positions, _ in simple]))
            self.rows = _orthonormal(_dense(simple, self.support))
        else:
            self.support, self.rows = None, _orthonormal(self.beside)
        if whole or self._complete():
            self.beside = self.beside[:0]

    def _complete(self) -> bool:
        """Whether the random elements lie in the span of the rows."""
        if self.support is None or len(self.support) < self._zero.size:
            return False
        left = self.beside - self.beside @ self.rows.T @ self.rows
        return bool(np.abs(left).max(initial=0.0) <= RECOGNISED * np.abs(self.beside).max(initial=0.0))

    @cached_property
    def size(self) -> int:
        """How many coefficients an element has here."""
        return len(self.rows) + len(self.beside)

    def element(self, coefficients: Array) -> Algebra:
        """The algebra element with these coefficients: of the rows, then of the random ones."""
        known = len(self.rows)
        within = coefficients[:known] @ self.rows
        flat = within if self.support is None else jnp.asarray(self._zero).at[self.support].set(within)
        if len(self.beside):
            flat = flat + coefficients[known:] @ self.beside
        return self._unravel(flat)

    def null_space(self, forms: np.ndarray, kernel: np.ndarray, scale: float) -> Subspace:
        """The elements for which all forms vanish, without those of the kernel, which move nothing.

        Args:
            forms: of shape (forms, coefficients).
            kernel: orthonormal rows in the coefficients of the rows.
            scale: the size of numbers in forms that do not vanish.
        """
        size = self.size - len(kernel)
        if not len(kernel) and np.abs(forms).max(initial=0.0) <= RECOGNISED * scale:
            return Subspace(size)
        within = forms[:, : len(self.rows)]
        # The kernel's elements are moved out of the null space by forms of their own.
        null = _null(np.concatenate([within, scale * kernel]), scale * np.sqrt(len(forms)))
        return Subspace(size, _as_meant(null @ self.rows), self.support)

    def kernel(self, forms: np.ndarray, scale: float) -> np.ndarray:
        """The elements for which all forms vanish, as coefficients of the rows."""
        return _null(forms[:, : len(self.rows)], scale * np.sqrt(len(forms)))


def _drawn(group: LieGroup, rng: np.random.Generator, count: int) -> np.ndarray:
    elements = [ravel_pytree(group.sample_algebra(rng))[0] for _ in range(count)]
    return np.asarray(elements, dtype=float)


def _simple(group: LieGroup, most: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The first simple algebra elements: where their flat coordinates are not zero, and these."""
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for algebra in islice(group.simple_algebra(), most):
        flat = np.asarray(ravel_pytree(algebra)[0], dtype=float)
        positions = np.flatnonzero(flat)
        found.append((positions, flat[positions]))
    return found


def _dense(sparse: list[tuple[np.ndarray, np.ndarray]], support: np.ndarray) -> np.ndarray:
    rows = np.zeros((len(sparse), len(support)))
    for row, (positions, values) in zip(rows, sparse, strict=True):
        row[np.searchsorted(support, positions)] = values
    return rows


def _orthonormal(rows: np.ndarray) -> np.ndarray:
    """Orthonormal rows with the same span."""
    _, values, vectors = np.linalg.svd(rows, full_matrices=False)
    return vectors[values > np.sqrt(RECOGNISED) * values.max(initial=0.0)]


def _null(rows: np.ndarray, scale: float) -> np.ndarray:
    """Orthonormal rows: what the given rows take to at most ``RECOGNISED`` of the scale."""
    rank = np.count_nonzero(np.linalg.svd(rows, compute_uv=False) > RECOGNISED * scale)
    if rank == rows.shape[1]:  # most often, and five times cheaper to see than vectors are to find
        return np.zeros((0, rank))
    return np.linalg.svd(rows)[2][rank:]


def _as_meant(rows: np.ndarray) -> np.ndarray:
    """The echelon form without its rounding errors, where it has small fractions only; else the rows as they are.

    An error of 1e-16 in a coordinate that should be 0 moves tensors that should stand still, the same way at each copy
    of a probe, so that no floor knows of it. Where they are large and those that should move are small it is seen.
    """
    reduced = rows.copy()
    for i in range(len(rows)):
        pivot = np.argmax(np.abs(reduced[i]))
        reduced[i] /= reduced[i, pivot]
        others = np.arange(len(rows)) != i
        reduced[others] -= np.outer(reduced[others, pivot], reduced[i])
    meant = np.round(FRACTIONS * reduced) / FRACTIONS
    return meant if np.abs(reduced - meant).max(initial=0.0) <= RECOGNISED else rows
