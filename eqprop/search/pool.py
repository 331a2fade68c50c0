"""Judges structures: the compiled programs of one task, and what they say of a batch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import jax
import numpy as np

from eqprop.claims import Pair
from eqprop.evaluation import Program, Slot
from eqprop.probes import Loss, Probe, output_shapes
from eqprop.properties import KNOWN, Property
from eqprop.results import Unseen
from eqprop.search.drawing import Drawn
from eqprop.search.looking import unseen
from eqprop.search.suspicion import Batch, looked_into
from eqprop.search.task import Options, SearchTask

PROGRAMS_KEPT = 24
"""Compiled programs held at once: those of a search's recent architectures."""

SMALL = 10_000
"""Up to this many parameters a batch has the profile's number of probes; beyond, the work of a batch stays the same."""


@dataclass(frozen=True)
class Violation:
    """A confirmed violation: where it was found."""

    structure: Drawn
    probe: Probe
    blob: str = ""


class ProgramPool:
    """Compiled programs are remembered, so that hypothesis always gets the same answer about the same structure."""

    def __init__(self, task: SearchTask, options: Options) -> None:
        self.task = task
        self.options = options
        self._programs: OrderedDict[Hashable, Program] = OrderedDict()
        self._careful = False

    def batch(self, pair: Pair, properties: Sequence[Property]) -> int:
        """How many probes of a pair a batch has."""
        size = max(pair.model.param_leaves.size, 1)
        return max(1, self._probes(properties) * SMALL // max(size, SMALL))

    def _probes(self, properties: Sequence[Property]) -> int:
        profile = self.options.profile
        return profile.costly_probes if all(prop.costly for prop in properties) else profile.probes

    def _loss(self, structure: Drawn) -> Loss:
        shapes = output_shapes(structure.pair, self.options.precision)
        return structure.loss(tuple(leaf.shape for leaf in jax.tree.leaves(shapes)))

    def program(self, structure: Drawn, properties: Sequence[Property]) -> Program:
        """The compiled program of some properties on a structure."""
        loss = self._loss(structure)
        key = (structure.pair.key, loss.name, tuple(p.name for p in properties))
        if key not in self._programs:
            program = self._built(structure.pair, properties, loss, slot=self._slot(key, properties))
            self._careful = program.reverse_only
            self._programs[key] = program
            while len(self._programs) > PROGRAMS_KEPT:
                self._programs.popitem(last=False)
        self._programs.move_to_end(key)
        return self._programs[key]

    def _built(
        self, pair: Pair, properties: Sequence[Property], loss: Loss, *, slot: Slot | None = None, compiled: bool = True
    ) -> Program:
        return Program(
            pair,
            properties,
            loss,
            self.options.precision,
            reverse_only=self._careful,
            probes=self._probes(properties),
            slot=slot,
            compiled=compiled,
        )

    def unseen(self, structure: Drawn, properties: Sequence[Property]) -> Unseen | None:
        """The tensors whose derivatives only premises of calculus look at, of these properties, on a structure."""
        pair, loss, precision = structure.pair, self._loss(structure), self.options.precision
        return unseen(pair, properties, loss, precision, reverse_only=self._careful, seed=structure.seed)

    def trace(self, structure: Drawn, prop: Property) -> None:
        """Trace one property on a structure, for what that raises."""
        self._built(structure.pair, (prop,), self._loss(structure), compiled=False)

    def _slot(self, key: tuple[Hashable, ...], properties: Sequence[Property]) -> Slot | None:
        known = self.task.built_in and set(properties) <= set(KNOWN)
        return Slot((*key, self._probes(properties), self.options.precision)) if known else None

    def judged(self, structure: Drawn, properties: Sequence[Property]) -> Batch:
        """What some properties say at a batch of probes, in one program."""
        program = self.program(structure, properties)
        rng = np.random.default_rng(structure.seed)
        probes = program.draw(rng, self.batch(structure.pair, properties))
        return Batch(structure, program, probes, program.judge(probes, rng), rng)

    def violates(self, structure: Drawn, prop: Property) -> Violation | None:
        """Whether a batch on this structure violates one property; only that property is compiled."""
        batch = self.judged(structure, (prop,))
        _, found = looked_into(batch, prop.name, under_noise=False)
        return Violation(structure, batch.probes.at(found[0])) if found.size else None

    def stands_out(self, violation: Violation, prop: Property) -> bool:
        """Whether a violation is more than rounding inside the program makes."""
        program = self.program(violation.structure, (prop,))
        batch = jax.tree.map(lambda leaf: np.asarray(leaf)[None], violation.probe.only(prop.needs))
        return bool(program.under_noise(prop.name, batch, np.random.default_rng(self.options.seed)).suspect[0])
