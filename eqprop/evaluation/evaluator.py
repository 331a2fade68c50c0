"""What can evaluate the sides of properties at many rows: the interface."""

from __future__ import annotations

from typing import Literal, Protocol, get_args

import numpy as np

from eqprop.engine import Roundoff
from eqprop.probes import Probe
from eqprop.rounding import Measured

Choice = Literal["auto", "numpy", "xla"]
"""Which evaluator: NumPy, which walks the traced program, or XLA, which compiles it; ``auto`` decides (``Program``)."""

CHOICES: tuple[Choice, ...] = get_args(Choice)

NUMBERS_PER_CALL = 500_000
"""Keeps a call near the processor's cache: rows · parameters. A model with more parameters gets a row at a time."""


class Measures(Protocol):
    """Evaluates the sides of some properties at rows, for what they say at each probe."""

    def measured(self, rows: Probe, copies: int, rng: np.random.Generator) -> dict[str, Measured]:
        """What each property's sides say at every probe of the rows.

        Args:
            rows: probes, each followed by its copies.
            copies: of each probe.
            rng: of rounding errors.
        """
        ...


class Evaluator(Protocol):
    """Evaluates the sides of some properties, which it was made for, at rows: probes, each followed by its copies.

    Attributes:
        units: for each property, the lowest floating precision that its sides depend on.
        by_jax: the names of the operations of a walked program that JAX does, one by one.
        opaque: why rounding inside of what others evaluate is not all shown; empty where it is (``engine.Foreign``).
        rows: how many rows one call evaluates at most.
        calls_back: whether the program calls Python while it runs.
        rounds: whether the copies that ``measured`` reads have rounding errors inside of the program, too.
    """

    units: dict[str, Roundoff]
    by_jax: tuple[str, ...]
    opaque: str
    rows: int
    calls_back: bool
    rounds: bool

    def sides(self, rows: Probe, only: str = "", *, first: bool = False) -> dict[str, tuple[np.ndarray, ...]]:
        """Sides, scales and errors at every row: float64 arrays of shape (rows, numbers) and (rows, leaves).

        Args:
            rows: any.
            only: the name of a property, where the others need not be evaluated; all where it is empty.
            first: whether the first leaf of each is enough; others may be behind it.
        """
        ...

    def measured(
        self, rows: Probe, copies: int, rng: np.random.Generator, only: str = "", *, plain: bool = False
    ) -> dict[str, Measured]:
        """What each property's sides (or one's) say at every probe of the rows.

        Args:
            rows: probes, each followed by its copies.
            copies: of each probe.
            rng: of rounding errors.
            only: the name of a property; all where it is empty.
            plain: without rounding errors inside, whoever evaluates.
        """
        ...

    def measured_under_noise(self, name: str, rows: Probe, copies: int, rng: np.random.Generator) -> Measured:
        """What one property's sides say where every operation inside the program rounds at random, too."""
        ...
