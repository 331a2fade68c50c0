"""Probes judged by their perturbed copies, of a large model by few copies first and by some at a time."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np

from eqprop import rounding
from eqprop.probes import Probe
from eqprop.rounding import CONFIRMING_COPIES, COPIES, Judgement, Measured

NUMBERS_AT_ONCE = 1 << 25
"""Numbers of probes and of their copies, of a large model, that there are at once. A confirmation takes sixty copies,
and a copy of GPT-2 with a tangent is two gigabytes."""

Measuring = Callable[[Probe, int], dict[str, Measured]]
"""Measures rows, each probe followed by so many copies, by property name."""


def measured_at_copies(
    measure: Measuring, probes: Probe, copies: int, eps: float, rng: np.random.Generator, *, large: bool
) -> dict[str, Measured]:
    """What is measured at probes and at perturbed copies of each.

    Args:
        measure: of rows.
        probes: a batch.
        copies: of each, at least one.
        eps: one unit in the last place of 1, by which they are perturbed.
        rng: of the perturbations.
        large: whether the model is.
    """
    some = _at_once(probes, copies) if large else copies
    parts = [measure(rounding.perturbed(probes, some, eps, rng), some) for _ in range(copies // some)]
    return {name: rounding.merged([part[name] for part in parts]) for name in parts[0]}


def _at_once(probes: Probe, copies: int) -> int:
    """The largest part of the copies that fits, of equal parts: what is compiled is so for one number of rows."""
    numbers = sum(np.size(leaf) for leaf in jax.tree.leaves(probes))
    most = NUMBERS_AT_ONCE // max(numbers, 1) - 1
    return max((some for some in range(1, copies + 1) if copies % some == 0 and some <= most), default=1)


def closely(judged: Callable[[np.ndarray, int], Judgement], probes: int) -> Judgement:
    """Judged with a few copies of each probe, and with many where that leaves a suspicion in doubt.

    Args:
        judged: what is said of some of the probes, by their indices, with so many copies of each.
        probes: how many there are.
    """
    found = judged(np.arange(probes), COPIES)
    open_ = np.flatnonzero(found.suspect & ~found.beyond_doubt)
    return found.replaced(open_, judged(open_, CONFIRMING_COPIES)) if open_.size else found
