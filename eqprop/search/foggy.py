"""Where the digits of a search's unsettled probes went."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import jax
import numpy as np

from eqprop.claims import Model
from eqprop.engine import FINEST, Precision, Tree, Unsupported, coarsest, numbers, numbers_context, unexpected
from eqprop.evaluation import Fog, Row, fog_of
from eqprop.probes import Probe
from eqprop.properties import Property
from eqprop.rounding import Judgement
from eqprop.search.batch import Batch, Facts
from eqprop.search.tally import Tally

LOOKED_AT = 4
"""Probes of one batch that are looked into together; one of a model with many parameters."""

NEAR, SAME = 0.6, 0.02
"""By which part of the example's own others differ from them that are drawn nearby, or are cast to fewer bits."""

NEARLY_ALL, MOST = 0.9, 0.75
"""Of the probes that settle nothing, and of all: where so many of the first lie, and no more of all, is the reason."""


@dataclass(frozen=True)
class _Seen:
    """Probes of a property that settle nothing: not the batch, whose program would be kept with it."""

    row: Callable[[], Row]
    probes: Probe
    seed: int

    def fog(self, precision: Precision) -> Fog | str | None:
        """What makes the floor at these probes, or why that cannot be seen."""
        try:
            with numbers_context(precision):
                return fog_of(self.row(), self.probes, np.random.default_rng(self.seed))
        except Unsupported as error:
            return f"NumPy has nothing for {error}"
        except Exception as error:  # noqa: BLE001 - op by op a model may raise what it does not as a whole
            return unexpected(error)


@dataclass
class _Places:
    """How many probes of a property are the example's, of all and of those that settle nothing.

    Attributes:
        found: by what the example gives, the inputs or the parameters, the numbers of both.
        count: how many there are, likewise.
    """

    found: dict[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])
    count: np.ndarray = field(default_factory=lambda: np.zeros(2, int))

    def add(self, model: Model, probes: Probe, unsettled: np.ndarray) -> None:
        """Of a batch, some of which settle nothing.

        Args:
            model: whose example it is.
            probes: of the batch.
            unsettled: for each of them, whether it settles nothing.
        """
        self.count += [len(unsettled), int(unsettled.sum())]
        params = model.param_leaves.split(model.params)
        for what, given, example, part in (
            ("inputs", probes.inputs, model.inputs, SAME),
            ("parameters", probes.params, params, NEAR),
        ):
            if jax.tree.leaves(given):
                there = _around(given, example, part)
                counted = np.array([int(there.sum()), int((there & unsettled).sum())])
                self.found[what] = self.found.get(what, 0) + counted

    @property
    def remedy(self) -> str:
        """What to do where nearly all that settle nothing are the example's; empty where others settle nothing, too."""
        for what, (of_all, of_unsettled) in self.found.items():
            if of_unsettled >= NEARLY_ALL * self.count[1] and of_all <= MOST * self.count[0]:
                return (
                    f"{of_unsettled} of {self.count[1]} such probes are at the {what} of the example"
                    f"{' or nearby' if what == 'parameters' else ''}: pass others, numbers that are not all alike, or "
                    "trained=False where the example's mean nothing"
                )
        return ""


def _around(given: Tree, example: Tree, part: float) -> np.ndarray:
    """Which rows of a batch differ from an example by no more than a part of each number."""
    near: list[np.ndarray] = []
    for rows, leaf in zip(jax.tree.leaves(given), jax.tree.leaves(example), strict=True):
        apart = np.abs(numbers(rows) - numbers(leaf))
        near.append(np.asarray(np.all(apart <= part * np.abs(numbers(leaf)), axis=tuple(range(1, apart.ndim)))))
    return np.all(near, axis=0)


class Foggy:
    """The first probes at which each property was finite and settled nothing, and what is seen there."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._known: dict[str, Fog | str | None] = {}
        self._places: dict[str, _Places] = {}

    def note(self, batch: Batch, facts: Facts, prop: Property, judged: Judgement) -> None:
        """Keep probes of a batch, if they are the first ones of their property, and count where all of them lie."""
        foggy = judged.inconclusive & judged.finite
        unsettled = np.flatnonzero(foggy)
        if unsettled.size and batch.structure.pair.model.trained:
            self._places.setdefault(prop.name, _Places()).add(batch.structure.pair.model, batch.probes, foggy)
        if unsettled.size and prop.name not in self._seen and not prop.twofold:
            some = unsettled[: 1 if facts.large else LOOKED_AT]
            probes = batch.probes.at(some).only(prop.reads(batch.structure.pair))
            self._seen[prop.name] = _Seen(batch.row(prop), probes, batch.structure.seed)

    def diagnose(self, tallies: Mapping[str, Tally], precision: Precision) -> None:
        """Say what leaves no digits in the tallies that are inconclusive for it."""
        for name, tally in tallies.items():
            if name in self._seen and not tally.cause and tally.unsettled:
                if name not in self._known:
                    self._known[name] = self._seen[name].fog(precision)
                _tell(tally, self._known[name], self._places[name].remedy if name in self._places else "")


def _tell(tally: Tally, found: Fog | str | None, remedy: str) -> None:
    """What leaves no digits, and what to do about it: by where the probes lie, or else by what is seen there.

    Of a low precision a tally knows the reason itself, and needs the operation alone.
    """
    if isinstance(found, str):
        tally.cause = f"kinks, overflow or ill-conditioning leave no digits to compare; where cannot be seen ({found})"
    elif found is not None:
        tally.set_by = found.source
        if found.kink or coarsest(tally.units).eps <= FINEST.eps:
            tally.cause = f"{found.said}; {remedy or found.remedy}"
