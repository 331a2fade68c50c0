"""Tensors that may be scaled as wholes, each to a power: what is divided by its own norm, or homogeneous together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from eqprop.finding.found import Found
from eqprop.finding.moments import Terms, null_space
from eqprop.finding.samples import Points
from eqprop.finding.scalings import HELD, plain
from eqprop.finding.subject import Subject
from eqprop.finding.writing import Call, Tensors


def whole_scalings(subject: Subject) -> Iterator[Found]:
    """Exponents for all tensors that are seen, for all independent scalings; others may contain them."""
    leaves = scaled_tensors(subject)
    held = [whole_terms(subject.held_out, leaf) for leaf in leaves]
    for powers in null_space([whole_terms(subject.points, leaf) for leaf in leaves]):
        total = sum(p * t.total for p, t in zip(powers, held, strict=True))
        size = sum(abs(p) * t.size for p, t in zip(powers, held, strict=True))
        if np.all(np.abs(total) <= HELD * size):
            yield whole_group(subject, leaves, powers)


def scaled_tensors(subject: Subject) -> list[int]:
    """Those that are no single number, and that are seen."""
    idle = {block.leaf for block in subject.idle}
    return [i for i, shape in enumerate(subject.shapes) if i not in idle and shape and np.prod(shape)]


def whole_terms(points: Points, leaf: int) -> Terms:
    """⟨g, θ⟩ of one tensor at each point."""
    products = (points.gradients[leaf] * points.params[leaf]).reshape(len(points.params[leaf]), -1)
    return Terms(products.sum(1), np.abs(products).sum(1))


def whole_group(subject: Subject, leaves: Sequence[int], exponents: np.ndarray) -> Found:
    """The finding."""
    moved = [(leaf, plain(p)) for leaf, p in zip(leaves, exponents, strict=True) if p]
    powers: dict[float, Tensors] = {}
    for leaf, power in sorted(moved, key=lambda item: -item[1]):
        powers.setdefault(power, {})[subject.paths[leaf]] = _one_unit(len(subject.shapes[leaf]))
    text = f"R₊ on whole tensors, powers {', '.join(f'{p:g}' for p in powers)}"
    blocks = [block for block in subject.blocks if block.leaf in dict(moved)]
    return subject.found("whole", text, blocks, 1, Call("scaled_units", (1, powers), {}))


def _one_unit(axes: int) -> str:
    """A pattern in which the whole tensor is one unit's."""
    first, *others = [f"d{axis}" for axis in range(axes)] or [""]
    return " ".join([f"(units {first})".replace(" )", ")"), *others])
