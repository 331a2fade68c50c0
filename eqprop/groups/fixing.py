"""Orthogonal matrices that leave the vector of ones where it is: what a norm that takes the mean away does not see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from eqprop.groups.base import Element, Matrix
from eqprop.groups.linear import UNWRITTEN, Orthogonal, Rotation


@dataclass(frozen=True)
class FixingOnes(Rotation):
    """O(n − 1) as the orthogonal n×n matrices Q with Q (1, …, 1) = (1, …, 1): they keep means and lengths.

    LayerNorm without a gain commutes with them, so that they act on a stream of n features between all that writes and
    all that reads it. Permutations are among them, changes of single signs are not. The algebra are the antisymmetric
    matrices A with A (1, …, 1) = 0. Of n = 2 there is one other than the identity, which exchanges the two.
    """

    @property
    def trivial(self) -> bool:
        return self.n < 2

    def expected(self, element: Element) -> str:
        moved = np.abs(np.asarray(element, dtype=float).sum(1) - 1).max(initial=0.0)
        good = moved <= UNWRITTEN and not Orthogonal(self.n).expected(element)
        return "" if good else "an orthogonal matrix, AᵀA = 1, of which each row sums to 1"

    def sample(self, rng: np.random.Generator, reach: float) -> Matrix:
        if self.n < 2:
            return np.eye(self.n)
        basis = across_ones(self.n)
        return 1 / self.n + basis @ Orthogonal(self.n - 1).sample(rng, reach) @ basis.T

    def simple(self) -> Iterable[Matrix]:
        """Exchanges of neighbours."""
        one = np.eye(self.n)
        for i in range(self.n - 1):
            yield one[[*range(i), i + 1, i, *range(i + 2, self.n)]]

    def sample_algebra(self, rng: np.random.Generator) -> Matrix:
        if self.n < 3:
            return np.zeros((self.n, self.n))
        basis = across_ones(self.n)
        inside = basis @ Rotation(self.n - 1).sample_algebra(rng) @ basis.T
        # Each entry of what is projected has (n − 2)/n of its variance. The difference is exactly antisymmetric.
        return (inside - inside.T) / 2 * np.sqrt(self.n / (self.n - 2))

    def simple_algebra(self) -> Iterable[Matrix]:
        """Turns about the ones of three coordinates, the first among them: a basis."""
        for last in range(2, self.n):
            for middle in range(1, last):
                turn = np.zeros((self.n, self.n))
                turn[[0, middle, last], [middle, last, 0]] = 1.0
                yield turn - turn.T


def across_ones(n: int) -> Float[np.ndarray, "{n} {n}-1"]:
    """Columns that are an orthonormal basis of what sums to 0: those of the mirror that exchanges e₁ and 1/√n.

    Args:
        n: 2 or more.
    """
    across = np.full(n, 1 / np.sqrt(n))
    across[0] -= 1
    return (np.eye(n) - 2 * np.outer(across, across) / (across @ across))[:, 1:]
