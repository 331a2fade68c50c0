"""Rounding floors and outcomes: the only place that knows a tolerance.

Both sides of an identity are floating-point programs. The floor of a leaf is how far the two sides move when every
input number is moved by one unit in its last place at random, plus the unit roundoff times the size of the terms that
cancel. A residual is judged in floors. The unit in the last place is that of the lowest precision in the traced
program.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, Num

OfLeaves = Float[np.ndarray, "probes leaves"]
OfProbes = Float[np.ndarray, " probes"]
Flags = Bool[np.ndarray, " probes"]
"""What is said of the leaves of a property's sides, or of the whole, at each probe of a batch."""

Flat = Num[np.ndarray, "probes rows numbers"]
"""Sides: at each probe the rows, which are the probe itself and then its copies; their leaves one after the other."""

PerRow = Num[np.ndarray, "probes rows leaves"]
Starts = Int[np.ndarray, " leaves+1"]
"""Where each leaf starts among the numbers; the last entry is their total."""

MARGIN = 30.0
"""A residual of at most this many floors holds. Measured: correct code stays below 2 (docs/decisions/verdicts.md)."""

MARGIN_COARSE = 3.0
"""Likewise in half precision, where thirty floors would be more than there is to compare. Measured: correct code stays
below 0.6 floors once every operation rounds at random."""

COPIES = 4
"""How many perturbed copies of each probe set its floor in the search."""

COPIES_LARGE = 1
"""Likewise for models with many parameters: each copy costs what the probe does, leaves have entries enough for a
maximum over one, and a suspicion is looked at with more (docs/decisions/verdicts.md)."""

CONFIRMING_COPIES = 63
"""How many fresh perturbations a suspected violation must survive before it counts."""

BEYOND_DOUBT = 100.0
"""From so many margins on a residual needs no more than a few compiled copies, where the floor is a walk's with all of
them: the others raised it by 2.6 times at most (docs/decisions/verdicts.md)."""

GROSS = 0.1
"""Where MARGIN · floor exceeds this part of the sides' size, an error of ten percent would pass: inconclusive."""

GROSS_COARSE = 0.5
"""Likewise in half precision: a term that is left out or counted twice is still seen."""

UNSETTLED = 0.1
"""The part of a cell's probes that may settle nothing before the cell itself counts as inconclusive."""

UNSETTLED_LOW = 0.5
"""Likewise below float64, where simple and badly scaled numbers leave no digits: a cell is as good as its median."""

COARSE = 2.0**-12
"""From this unit roundoff on (float16, bfloat16) the margins of half precision are used."""

RECOGNISED = 1e-10
"""What is smaller than this part of its size is taken for zero where a transformation's traits are read off it."""

IN_CACHE = 1 << 16
"""How many numbers of a batch are gone through at a time."""


@dataclass(frozen=True)
class Bar:
    """What a residual has to stay below, and what must be told apart for a verdict.

    Attributes:
        margin: in floors.
        gross: the relative error that must not pass.
        unsettled: the part of a cell's probes at which it may pass all the same.
        coarse: whether a residual above the margin counts however little else would be seen: of a few bits even a
            dropped term is not many floors.
    """

    margin: float
    gross: float
    unsettled: float
    coarse: bool = False


def bar_of(eps: float) -> Bar:
    """The bar for a program of this unit roundoff."""
    if eps >= COARSE:
        return HALF
    return LOW if eps > FINEST_EPS else FINE


FINEST_EPS = float(np.finfo(np.float64).eps)
FINE = Bar(MARGIN, GROSS, UNSETTLED)
LOW = Bar(MARGIN, GROSS, UNSETTLED_LOW)
HALF = Bar(MARGIN_COARSE, GROSS_COARSE, UNSETTLED_LOW, coarse=True)
SMALLEST = {"float64": np.finfo(np.float64).tiny, "float32": np.finfo(np.float32).tiny, "float16": 2.0**-14}
"""The smallest normal numbers; below them a unit in the last place gets no smaller. bfloat16 has that of float32."""


def _smallest(eps: float) -> float:
    names = {float(jnp.finfo(name).eps): name for name in SMALLEST}
    return float(SMALLEST[names.get(eps, "float32")])


@dataclass(frozen=True)
class Measured:
    """What is read off one property's sides at each probe of a batch and at its copies (shape (probes, leaves)).

    Attributes:
        residual: |lhs − rhs|, the largest entry of each leaf.
        spread: how far the copies lie from the probe on both sides together, the largest entry of each leaf.
        size: the largest entry of both sides and of the terms that cancel in them.
        error: how far the sides may differ by other than rounding, as the property itself says.
        finite: whether every number on both sides is finite, for each probe.
    """

    residual: OfLeaves
    spread: OfLeaves
    size: OfLeaves
    error: OfLeaves
    finite: Flags


@dataclass(frozen=True)
class Judgement:
    """What one property's sides say at each probe of a batch (arrays with one entry, or row, per probe).

    Attributes:
        residual: |lhs − rhs|, the largest entry of each leaf.
        floor: of each leaf.
        size: of each leaf: the largest entry of both sides and of the terms that cancel in them.
        finite: whether every number on both sides is finite, and of a suspect in float16 those on the way to them.
        vacuous: whether both sides and all their terms vanish, exactly or but for rounding: nothing is compared.
        bar: for all of them.
    """

    residual: OfLeaves
    floor: OfLeaves
    size: OfLeaves
    finite: Flags
    vacuous: Flags
    bar: Bar = FINE

    @property
    def floors(self) -> OfProbes:
        """The residual in floors, of the worst leaf."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(self.residual > 0, self.residual / self.floor, 0.0)
        return np.where(self.finite, ratio.max(axis=1, initial=0.0), np.nan)

    @property
    def worst_leaf(self) -> Int[np.ndarray, " probes"]:
        """The leaf with the largest residual in floors, for each probe."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.argmax(np.where(self.residual > 0, self.residual / self.floor, 0.0), axis=1)

    @property
    def resolution(self) -> OfProbes:
        """The smallest relative error that would be noticed: margin · floor / size."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            value = self.bar.margin * np.linalg.norm(self.floor, axis=1) / np.linalg.norm(self.size, axis=1)
        return np.where(self.finite & ~self.vacuous, value, np.nan)

    @property
    def suspect(self) -> Flags:
        """Residual above the margin while a gross error would be seen: a violation, once confirmed."""
        telling = (self.resolution < self.bar.gross) | self.bar.coarse
        return self.finite & ~self.vacuous & (self.floors > self.bar.margin) & telling

    @property
    def beyond_doubt(self) -> Flags:
        """Suspect, and so far above the margin that more copies would not change it."""
        return self.suspect & (self.floors > BEYOND_DOUBT * self.bar.margin)

    @property
    def inconclusive(self) -> Flags:
        """Not a number, infinite, or so ill-conditioned that a gross error would pass."""
        return ~self.vacuous & (~self.finite | ~(self.resolution < self.bar.gross))

    def at(self, which: np.ndarray) -> Judgement:
        """What is said of some of the probes."""
        return replace(self, **{name: value[which] for name, value in self._arrays().items()})

    def replaced(self, which: np.ndarray, closer: Judgement) -> Judgement:
        """This judgement with another one in the place of what it says at some of the probes."""
        changed = {name: np.copy(value) for name, value in self._arrays().items()}
        for name, value in changed.items():
            value[which] = getattr(closer, name)
        return replace(self, **changed)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}


def judgement(measured: Measured, eps: float) -> Judgement:
    """Judge one property from what was read off its sides.

    Args:
        measured: at the probes of a batch.
        eps: unit roundoff of the lowest precision in the program.
    """
    tiny = np.finfo(np.float64 if eps < 1e-12 else np.float32).tiny / eps
    judged = Judgement(
        residual=measured.residual,
        floor=measured.spread + eps * np.maximum(measured.size, _smallest(eps)) + measured.error,
        size=measured.size,
        finite=measured.finite,
        vacuous=measured.finite & (measured.size.max(axis=1, initial=0.0) <= tiny),
        bar=bar_of(eps),
    )
    return replace(judged, vacuous=judged.vacuous | _cancelled(judged))


def _cancelled(judged: Judgement) -> Flags:
    """Where both sides are zero but for rounding: terms inside the model cancel and leave less than a floor.

    No floor could resolve such a side, and yet arithmetic is not to blame while that floor would show a gross error
    of the sides' usual size, the median over the probes of the batch that settle something: where floors are
    high at ordinary points, too, the probe stays inconclusive. The residual of such a probe is at most two floors.
    """
    telling = judged.resolution < judged.bar.gross
    if not telling.any():
        return np.zeros_like(judged.vacuous)
    sizes, floors = (each.max(axis=1, initial=0.0) for each in (judged.size, judged.floor))
    below = (judged.size <= judged.floor).all(axis=1)
    usual = np.median(sizes[telling])
    return judged.finite & below & (judged.bar.margin * floors < judged.bar.gross * usual)


def judge(lhs: Flat, rhs: Flat, scales: PerRow, leaves: Starts, eps: float) -> Judgement:
    """Judge one property; see ``measure`` and ``judgement``.

    Args:
        lhs: left sides, shape (probes, 1 + copies, numbers).
        rhs: right sides, likewise.
        scales: shape (probes, 1 + copies, leaves).
        leaves: where each leaf starts, and the total.
        eps: unit roundoff of the lowest precision in the program.
    """
    return judgement(measure(lhs, rhs, scales, leaves), eps)


def measure(lhs: Flat, rhs: Flat, scales: PerRow, leaves: Starts, errors: PerRow | None = None) -> Measured:
    """Read off one property's sides what its judgement needs.

    Args:
        lhs: left sides, shape (probes, 1 + copies, numbers); the first of each row is the probe itself.
        rhs: right sides, likewise.
        scales: sizes of cancelling terms, shape (probes, 1 + copies, leaves).
        leaves: where each leaf starts among the numbers; a final entry is the total.
        errors: how far the sides may differ by other than rounding, shaped like the scales; none by default.
    """
    errors = np.zeros_like(scales) if errors is None else errors
    per_leaf = _largest(lhs, rhs, leaves)
    # Every number went into a difference that is finite only if the number is; a difference alone may overflow, too.
    finite: np.ndarray = np.logical_and(
        np.isfinite(per_leaf[:2]).all(axis=(0, 2)), np.isfinite(scales + errors).all(axis=(1, 2))
    )
    for probe in np.flatnonzero(~finite):
        finite[probe] = all(np.isfinite(numbers[probe]).all() for numbers in (lhs, rhs, scales, errors))
    return Measured(per_leaf[0], per_leaf[1], np.maximum(per_leaf[2], scales[:, 0]), errors[:, 0], finite)


def _largest(lhs: Flat, rhs: Flat, leaves: Int[np.ndarray, " starts"]) -> Float[np.ndarray, "3 probes starts-1"]:
    """For each probe and leaf the largest |lhs − rhs|, the largest distance of the copies, and the largest entry.

    Shape (3, probes, leaves). The copies are gone through in pieces that stay in a processor's cache.
    """
    probes, rows, total = lhs.shape
    entries = np.empty((3, probes, total))
    piece = max(1, IN_CACHE // max(probes * rows, 1))
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, total, piece):
            here = slice(start, start + piece)
            left, right = lhs[..., here], rhs[..., here]
            residual, spread, size = entries[..., here]
            np.abs(np.subtract(left[:, 0], right[:, 0], out=residual), out=residual)
            np.add(_farthest(left), _farthest(right), out=spread)
            np.maximum(np.abs(left[:, 0]), np.abs(right[:, 0]), out=size)
    per_leaf = np.zeros((3, probes, len(leaves) - 1))
    filled = np.flatnonzero(np.diff(leaves))
    if filled.size:
        per_leaf[..., filled] = np.maximum.reduceat(entries, leaves[filled], axis=-1)
    return per_leaf


def _farthest(numbers: Num[np.ndarray, "probes rows piece"]) -> Num[np.ndarray, "probes piece"]:
    """How far the copies lie from the probe, entry by entry: shape (probes, entries)."""
    distances = numbers[:, 1:] - numbers[:, :1]
    return np.abs(distances, out=distances).max(axis=1, initial=0.0)
