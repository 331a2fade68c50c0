"""Judges structures: the compiled programs of one task, and what they say of a batch and of a violation."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Generator, Hashable, Sequence
from contextlib import contextmanager
from dataclasses import replace

import jax
import numpy as np

from eqprop.claims import Pair
from eqprop.engine import has_no_derivative, unexpected
from eqprop.errors import EqpropError, InvalidInput
from eqprop.evaluation import REPORTED, WITHOUT_COMPILING, Look, Program, Row, Slot, last_word
from eqprop.probes import Loss, Probe, output_shapes
from eqprop.properties import KNOWN, Property
from eqprop.results import Unseen
from eqprop.search.batch import Batch, Here, Violation, violation
from eqprop.search.drawing import Drawn
from eqprop.search.looking import unseen
from eqprop.search.task import Options, SearchTask
from eqprop.validation import check_repeatable, has_callbacks, where_raised

PROGRAMS_KEPT = 24
"""Compiled programs held at once: those of a search's recent architectures."""

SMALL = 10_000
"""Up to this many parameters a batch has the profile's number of probes; beyond, the work of a batch stays the same."""


class ProgramPool:
    """Compiled programs are remembered, so that hypothesis always gets the same answer about the same structure.

    Attributes:
        reverse_only: whether the latest program showed the model to be so; the next one need not find out.
    """

    def __init__(self, task: SearchTask, options: Options) -> None:
        self.task = task
        self.options = options
        self._programs: OrderedDict[Hashable, Program] = OrderedDict()
        self.reverse_only = False
        self._called_back: dict[Hashable, bool] = {}
        self._outputs: dict[Hashable, tuple[tuple[int, ...], ...]] = {}

    def forget(self) -> None:
        """Let go of the programs: hypothesis has cycles with the search in them, which are garbage to be looked for."""
        self._programs.clear()

    def batch(self, pair: Pair, properties: Sequence[Property]) -> int:
        """How many probes of a pair a batch has."""
        size = max(pair.model.param_leaves.size, 1)
        return max(1, self._probes(properties) * SMALL // max(size, SMALL))

    def _probes(self, properties: Sequence[Property]) -> int:
        profile = self.options.profile
        return profile.costly_probes if all(prop.costly for prop in properties) else profile.probes

    def _loss(self, structure: Drawn) -> Loss:
        key = structure.pair.key
        if key not in self._outputs:
            leaves = jax.tree.leaves(output_shapes(structure.pair, self.options.precision))
            self._outputs[key] = tuple(leaf.shape for leaf in leaves)
        return structure.loss(self._outputs[key])

    def key(self, structure: Drawn, properties: Sequence[Property]) -> tuple[Hashable, ...]:
        """Equal where a structure and some properties have the same program."""
        return (structure.pair.key, self._loss(structure).name, tuple(prop.name for prop in properties))

    def program(self, structure: Drawn, properties: Sequence[Property]) -> Program:
        """The compiled program of some properties on a structure."""
        key = self.key(structure, properties)
        if key not in self._programs:
            slot = self._slot(key, properties)
            program = self._built(structure.pair, properties, self._loss(structure), slot=slot)
            self.reverse_only = program.reverse_only
            self._programs[key] = program
            while len(self._programs) > PROGRAMS_KEPT:
                self._programs.popitem(last=False)
        self._programs.move_to_end(key)
        return self._programs[key]

    def _built(self, pair: Pair, properties: Sequence[Property], loss: Loss, *, slot: Slot | None = None) -> Program:
        return Program(
            pair,
            properties,
            loss,
            self.options.precision,
            evaluator=self.options.evaluator,
            reverse_only=self.reverse_only,
            probes=self._probes(properties),
            slot=slot,
        )

    def unseen(self, structure: Drawn, properties: Sequence[Property], doubtful: Collection[str]) -> Unseen | None:
        """The tensors whose derivatives only premises of calculus look at, of these properties, on a structure."""
        return unseen(
            structure.pair,
            properties,
            self._loss(structure),
            self.options.precision,
            reverse_only=self.reverse_only,
            seed=structure.seed,
            doubtful=doubtful,
            evaluator=self.options.evaluator,
        )

    def row(self, structure: Drawn, prop: Property) -> Row:
        """The row of one property on a structure."""
        loss, precision = self._loss(structure), self.options.precision
        return Row(structure.pair, (prop,), loss, precision, reverse_only=self.reverse_only)

    def trace(self, structure: Drawn, prop: Property) -> None:
        """Trace one property on a structure, for what that raises."""
        self._built(structure.pair, (prop,), self._loss(structure))

    def _slot(self, key: tuple[Hashable, ...], properties: Sequence[Property]) -> Slot | None:
        known = self.task.built_in and set(properties) <= set(KNOWN)
        return Slot((*key, self._probes(properties), self.options.precision)) if known else None

    def judged(self, structure: Drawn, properties: Sequence[Property]) -> Here:
        """What some properties say at a batch of probes, in one program."""
        program = self.program(structure, properties)
        rng = np.random.default_rng(structure.seed)
        probes = program.draw(rng, self.batch(structure.pair, properties))
        with self._callbacks_watched(program, probes):
            return Here(structure, program, probes, program.judge(probes, rng), rng)

    @contextmanager
    def _callbacks_watched(self, program: Program, probes: Probe) -> Generator[None]:
        """For the numbers of a batch: callbacks repeat themselves there, and what they raise is told with the probe.

        Raises:
            InvalidInput: where they do not, and what one raises where a single property is asked, as ``separated`` does
                in the end.
        """
        pair, order = program.pair, max(prop.order for prop in program.properties)
        try:
            yield
        except Exception as error:
            if len(program.properties) > 1 or has_no_derivative(error) or not self.calls_back(pair):
                raise
            said = str(error) if isinstance(error, EqpropError) else unexpected(error)
            msg = f"{said}; {where_raised(pair, self.options.precision, probes, order)}"
            raise InvalidInput(msg) from error
        if program.calls_back:
            check_repeatable(pair, self.options.precision, probes, order)

    def calls_back(self, pair: Pair) -> bool:
        """Whether the model or its gradient call back into Python."""
        if pair.key not in self._called_back:
            self._called_back[pair.key] = has_callbacks(pair, self.options.precision)
        return self._called_back[pair.key]

    def opaque(self, batch: Batch, prop: Property) -> str:
        """Why what a batch violates of one property may be rounding that cannot be shown; empty where all is."""
        whole = self.program(batch.structure, batch.properties).opaque
        return self.program(batch.structure, (prop,)).opaque if whole else ""

    def violates(self, structure: Drawn, prop: Property) -> Violation | None:
        """What a batch on this structure violates of one property, but for the last word: nothing else is compiled."""
        batch = self.judged(structure, (prop,))
        return violation(batch, batch.climbed(prop.name, WITHOUT_COMPILING))

    def last_word(self, violation: Violation, prop: Property, looks: Sequence[Look] = REPORTED) -> Violation | None:
        """The violation as the last look at its probe judges it; None where that clears it."""
        program = self.program(violation.structure, (prop,))
        batch = jax.tree.map(lambda leaf: np.asarray(leaf)[None], violation.probe.only(prop.reads(program.pair)))
        judged = last_word(program, prop.name, batch, np.random.default_rng(self.options.seed), looks)
        return replace(violation, judged=judged) if judged.suspect[0] else None
