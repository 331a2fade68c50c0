"""What decides about an interface: for each of its occurrences the products of gradients with parameters.

Along an axis with n units, θ ↦ Aθ moves ⟨v, f⟩ by ⟨A, μ⟩ with μ = Σ g θᵀ, summed over all other axes; θ ↦ −Aᵀθ, as a
tensor that reads the units is moved, by −⟨A, μᵀ⟩. Beside each sum stands the sum of its terms' magnitudes: what is
below ``NULL`` of that is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from eqprop.finding.blocks import Interface, Occurrence
from eqprop.finding.samples import Leaves, Points

NULL = 1e-9
GAP = 1e3

View = Float[np.ndarray, "points copies units rest"]
Matrices = Float[np.ndarray, "points copies units units"]


class Terms(NamedTuple):
    """A sum, and the sum of the magnitudes of its terms."""

    total: np.ndarray
    size: np.ndarray

    @property
    def vanishes(self) -> Bool[np.ndarray, ...]:
        """Where the sum is rounding."""
        return np.abs(self.total) <= NULL * self.size


def view(leaves: Leaves, occurrence: Occurrence, shared: Sequence[int] = (), units: int | None = None) -> View:
    """A block of each row, with its copies along one axis and the units, or the first of them, along the next."""
    block, place = occurrence.block, occurrence.place
    flat = leaves[block.leaf].reshape(len(leaves[block.leaf]), -1)
    if units is None and block.in_order:
        values = flat[:, : block.positions.size].reshape(len(flat), *block.positions.shape)
    else:
        values = flat[:, np.take(block.positions, range(block.positions.shape[place])[:units], place)]
    roots = [root for root, _ in block.factors]
    front = [1 + roots.index(root) for root in shared]
    moved = np.moveaxis(values, [*front, 1 + place], range(1, len(front) + 2))
    copies = int(np.prod(moved.shape[1 : 1 + len(front)], dtype=int))
    return moved.reshape(len(flat), copies, moved.shape[1 + len(front)], -1)


def moment(points: Points, of: Occurrence, by: Occurrence, shared: Sequence[int], units: int | None = None) -> Terms:
    """μ at each point, in each copy: the gradient of one occurrence with the parameters of another, or of itself."""
    g, theta = view(points.gradients, of, shared, units), view(points.params, by, shared, units)
    turned = np.swapaxes(theta, -1, -2)
    return Terms(g @ turned, np.abs(g) @ np.abs(turned))


def matrix_condition(
    points: Points, interface: Interface, shared: Sequence[int], *, dual: bool, units: int | None = None
) -> Terms:
    """D, for which J·k_A = ⟨A, D⟩: with ``dual`` of the contragredient on what reads, without it of A on everything.

    Args:
        points: at which.
        interface: along which A acts.
        shared: along which A may differ.
        dual: whether what reads is moved by A⁻ᵀ.
        units: only for an A that mixes the first units, so many of them.
    """
    total: np.ndarray | float = 0.0
    size: np.ndarray | float = 0.0
    for occurrence in interface.occurrences:
        mu = moment(points, occurrence, occurrence, shared, units)
        if dual and occurrence.parity < 0:
            mu = Terms(-np.swapaxes(mu.total, -1, -2), np.swapaxes(mu.size, -1, -2))
        total, size = total + mu.total, size + mu.size
    return Terms(np.asarray(total), np.asarray(size))


def diagonal(points: Points, of: Occurrence, by: Occurrence, shared: Sequence[int]) -> Terms:
    """Σ g θ for each unit, the gradient of one occurrence with the parameters of another one of the same shape."""
    g, theta = view(points.gradients, of, shared), view(points.params, by, shared)
    products = g * theta
    return Terms(products.sum(-1), np.abs(products, out=products).sum(-1))


def null_space(columns: Sequence[Terms], least: float = NULL) -> Float[np.ndarray, "vectors columns"]:
    """The combinations of columns that vanish at every point, reduced to echelon form; none without a clear gap.

    A column is measured in the size of its terms, so that one that vanishes by itself is in the null space.

    Args:
        columns: sums at the same points.
        least: below this part of its terms a sum is zero. A larger one has no gap: it asks for what nearly vanishes.
    """
    totals = np.stack([c.total.reshape(-1) for c in columns], 1)
    sizes = np.stack([c.size.reshape(-1) for c in columns], 1)
    rows = sizes.sum(1)
    told = rows > 0
    scale = np.sqrt(np.mean((sizes[told] / rows[told, None]) ** 2, 0)) if told.any() else np.zeros(len(columns))
    used = np.flatnonzero(scale > 0)
    if told.sum() < len(used) + 2 or not len(used):
        return np.zeros((0, len(columns)))
    normed = totals[told][:, used] / rows[told, None] / scale[used]
    _, values, vectors = np.linalg.svd(normed, full_matrices=False)
    limit = least * np.sqrt(len(normed))
    null = values <= limit
    if (
        least == NULL
        and null.any()
        and not null.all()
        and values[~null].min() < GAP * max(values[null].max(), np.finfo(float).eps)
    ):
        return np.zeros((0, len(columns)))
    found = np.zeros((int(null.sum()), len(columns)))
    found[:, used] = vectors[null] / scale[used]
    return echelon(found, max(SMALLEST_PIVOT, least))


def echelon(rows: np.ndarray, pivots: float) -> np.ndarray:
    """Reduced row echelon form by the largest pivots, none below some part of its row; simple fractions made exact."""
    rows = rows / np.maximum(np.abs(rows).max(1, keepdims=True), np.finfo(float).tiny) if len(rows) else rows.copy()
    free = list(range(len(rows)))
    for column in range(rows.shape[1]):
        if not free:
            break
        pivot = max(free, key=lambda i: abs(rows[i, column]))
        if abs(rows[pivot, column]) < pivots:
            continue
        free.remove(pivot)
        rows[pivot] /= rows[pivot, column]
        for i in range(len(rows)):
            if i != pivot:
                rows[i] -= rows[i, column] * rows[pivot]
    near = np.round(rows * DENOMINATORS) / DENOMINATORS
    return np.where(np.abs(rows - near) < EXACT, near, rows)


SMALLEST_PIVOT = 1e-6
DENOMINATORS = 60
EXACT = 1e-6
