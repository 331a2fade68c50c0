"""A batch of probes of one structure, and what was said of each property there: in this process, or in another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from eqprop.engine import Roundoff
from eqprop.evaluation import LADDER, Climbed, Look, Program, Row, climbed
from eqprop.probes import Probe
from eqprop.properties import Property
from eqprop.results import Series
from eqprop.rounding import Judgement
from eqprop.search.drawing import Drawn


@dataclass(frozen=True)
class Violation:
    """Where a property was found to be violated.

    Attributes:
        structure: on which.
        probe: at which, without a leading axis.
        judged: what the last look said there, of this one probe.
        blob: rebuilds the structure, where that is known.
    """

    structure: Drawn
    probe: Probe
    judged: Judgement
    blob: str = ""


@dataclass(frozen=True)
class Facts:
    """What a search keeps of the program that judged a batch.

    Attributes:
        units: for each property, the lowest floating precision that its sides depend on.
        by_jax: the names of the operations that JAX did one by one.
        why_compiled: why it was not walked; empty where it was.
        needed: the fields of a probe that it reads.
        large: whether the model has so many parameters that sides are not kept whole.
    """

    units: Mapping[str, Roundoff]
    by_jax: tuple[str, ...]
    why_compiled: str
    needed: frozenset[str]
    large: bool

    @classmethod
    def of(cls, program: Program) -> Facts:
        """Of a program, once it has judged something."""
        return cls(dict(program.units), program.by_jax, program.why_compiled, program.needed, program.large)


class Batch(Protocol):
    """Probes of a structure, and what a program said of each property there.

    Attributes:
        structure: what was probed.
        properties: that were judged.
        facts: of the program.
        probes: drawn for them.
        judged: by property name.
    """

    @property
    def structure(self) -> Drawn: ...
    @property
    def properties(self) -> tuple[Property, ...]: ...
    @property
    def facts(self) -> Facts: ...
    @property
    def probes(self) -> Probe: ...
    @property
    def judged(self) -> Mapping[str, Judgement]: ...

    def climbed(self, name: str, looks: Sequence[Look]) -> Climbed:
        """What is left of the suspicions about one property after these looks."""
        ...

    def series(self, name: str, judged: Judgement) -> Series | None:
        """What a property about a trajectory was about, at the first probe that settled something."""
        ...

    def row(self, prop: Property) -> Callable[[], Row]:
        """What makes the row of one property; it keeps no program."""
        ...


def violation(batch: Batch, found: Climbed) -> Violation | None:
    """The first one in a batch, if there is any."""
    if not found.violations.size:
        return None
    which = found.violations[:1]
    return Violation(batch.structure, batch.probes.at(which[0]), found.judged.at(which))


@dataclass(frozen=True)
class Here:
    """A batch that was judged in this process.

    Attributes:
        program: of the properties.
        rng: draws what is still to be drawn.
    """

    structure: Drawn
    program: Program
    probes: Probe
    judged: Mapping[str, Judgement]
    rng: np.random.Generator

    @property
    def properties(self) -> tuple[Property, ...]:
        return self.program.properties

    @property
    def facts(self) -> Facts:
        return Facts.of(self.program)

    def climbed(self, name: str, looks: Sequence[Look]) -> Climbed:
        return climbed(self.program, name, self.probes, self.judged[name], self.rng, looks)

    def series(self, name: str, judged: Judgement) -> Series | None:
        conclusive = np.flatnonzero(~judged.inconclusive & ~judged.vacuous)
        if not conclusive.size:
            return None
        sides = self.program.compare(name, self.probes.at(conclusive[0]), first=True)
        found, predicted = (tuple(side[0].tolist()) for side in (sides.lhs, sides.rhs))
        return Series(sides.names[0], found, predicted)

    def row(self, prop: Property) -> Callable[[], Row]:
        whole = self.program.row
        return lambda: whole.of(prop)


@dataclass(frozen=True)
class Told:
    """What another process says of a batch in which nothing is violated.

    Attributes:
        facts: of its program.
        probes: that it drew.
        judged: by property name.
        found: what all looks left of the suspicions, by property name.
        series: of the properties about trajectories, by their names.
    """

    facts: Facts
    probes: Probe
    judged: Mapping[str, Judgement]
    found: Mapping[str, Climbed]
    series: Mapping[str, Series]

    @classmethod
    def of(cls, batch: Batch) -> Told | None:
        """What there is to tell of a batch; None where something is violated, which is for who reports it to see."""
        found = {prop.name: batch.climbed(prop.name, LADDER) for prop in batch.properties}
        if any(one.violations.size for one in found.values()):
            return None
        along = {p.name: batch.series(p.name, found[p.name].judged) for p in batch.properties if p.series}
        series = {name: one for name, one in along.items() if one is not None}
        return cls(batch.facts, batch.probes, dict(batch.judged), found, series)


@dataclass(frozen=True)
class Elsewhere:
    """A batch that another process has judged.

    Attributes:
        told: what it said.
        made: makes the row of a property on the structure.
    """

    structure: Drawn
    properties: tuple[Property, ...]
    told: Told
    made: Callable[[Property], Row]

    @property
    def facts(self) -> Facts:
        return self.told.facts

    @property
    def probes(self) -> Probe:
        return self.told.probes

    @property
    def judged(self) -> Mapping[str, Judgement]:
        return self.told.judged

    def climbed(self, name: str, looks: Sequence[Look]) -> Climbed:
        del looks  # all were taken
        return self.told.found[name]

    def series(self, name: str, judged: Judgement) -> Series | None:
        del judged
        return self.told.series.get(name)

    def row(self, prop: Property) -> Callable[[], Row]:
        return lambda: self.made(prop)
