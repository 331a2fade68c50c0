"""Batches that another process judges while this one judges others: it says of them what would be said here.

Everything of a batch follows from its structure, and of a fixed pair all structures of a search are known before the
first one is judged. So they can be judged in any order, anywhere. They are settled in their own order all the same, and
what a violation ends is ended where one process would end it: nothing depends on who was faster.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

from eqprop.properties import Property, by_name
from eqprop.search.batch import Batch, Elsewhere, Told
from eqprop.search.drawing import Drawn, simplest
from eqprop.search.pool import ProgramPool
from eqprop.search.task import Options, SearchTask


class Ask(NamedTuple):
    """A batch, for a process that has the pair: what the structure has beside it, and the names of properties."""

    loss_index: int
    seed: int
    names: tuple[str, ...]

    @classmethod
    def of(cls, structure: Drawn, properties: Sequence[Property]) -> Ask:
        """The batch of these."""
        return cls(structure.loss_index, structure.seed, tuple(prop.name for prop in properties))


class HelperGone(Exception):  # noqa: N818 - it reads as what happened
    """The other process has ended."""


class Helper(Protocol):
    """Another process with the same pair."""

    def ask(self, asks: Sequence[Ask], *, reverse_only: bool) -> None:
        """Have batches judged, in this order.

        Args:
            asks: the batches.
            reverse_only: whether the model is known to be so.

        Raises:
            HelperGone: where there is nobody to ask.
        """
        ...

    def answers(self, *, wait: bool) -> list[tuple[Ask, Told | None]]:
        """What it has said since it was last heard; None of what this process had better judge itself.

        Args:
            wait: whether to wait for something.

        Raises:
            HelperGone: where nothing more will come.
            OutOfTime: where nothing has come in time.
        """
        ...

    def stop(self) -> None:
        """Let go of the process, whatever it is doing."""
        ...


@dataclass(frozen=True)
class Foreseen:
    """A batch that is going to be asked for.

    Attributes:
        structure: of it.
        properties: that are judged there.
        heavy: whether it takes as long as many others.
    """

    structure: Drawn
    properties: tuple[Property, ...]
    heavy: bool = False


class Ahead:
    """Judges batches here, or has them judged.

    Args:
        programs: judge what is judged here.
        helper: judges the others; None where there is none.
    """

    def __init__(self, programs: ProgramPool, helper: Helper | None) -> None:
        self._programs = programs
        self._helper = helper
        self._open: dict[Ask, Foreseen] = {}  # neither judged nor given away
        self._given: dict[Ask, Foreseen] = {}
        self._known: dict[Ask, Batch] = {}
        self._begun: set[Hashable] = set()  # whose programs are made here

    @property
    def helped(self) -> bool:
        """Whether there is somebody to judge what is foreseen."""
        return self._helper is not None

    def foresee(self, batches: Sequence[Foreseen]) -> None:
        """Say what is going to be asked for, in its order; what was said before need not be asked for any more."""
        said = {Ask.of(one.structure, one.properties): one for one in batches if one.properties}
        self._open = {ask: one for ask, one in said.items() if ask not in self._given and ask not in self._known}
        self._give()

    def judged(self, structure: Drawn, properties: Sequence[Property]) -> Batch:
        """What some properties say at the batch of a structure.

        What is given away waits, and what needs a program that is not made here, while there is something else to do:
        the longer a program is not begun, the sooner the other process takes it.
        """
        ask = Ask.of(structure, properties)
        while (other := self._before(ask)) is not None or ask in self._given:
            if other is not None:
                self._judge_early(other)
            self._hear(wait=other is None)
        known = self._known.pop(ask, None)
        if known is None:
            self._open.pop(ask, None)
            self._begin(structure, properties)
            known = self._programs.judged(structure, properties)
            self._hear(wait=False)
        return known

    def stop(self) -> None:
        """Have nothing judged elsewhere any more."""
        if self._helper is not None:
            self._helper.stop()
        self._lose()

    # -- here ---------------------------------------------------------------------------------------------------------

    def _program(self, one: Foreseen) -> Hashable:
        return self._programs.key(one.structure, one.properties)

    def _is_begun(self, one: Foreseen) -> bool:
        return self._program(one) in self._begun

    def _begin(self, structure: Drawn, properties: Sequence[Property]) -> None:
        if self.helped:
            self._begun.add(self._programs.key(structure, properties))

    def _before(self, ask: Ask) -> Ask | None:
        """What there is to do before a batch: one of a program that is made here, or else, if that waits, the next."""
        waits = ask in self._given
        if not waits and (ask not in self._open or self._is_begun(self._open[ask])):
            return None
        mine = next((other for other, one in self._open.items() if other != ask and self._is_begun(one)), None)
        return mine or (next(iter(self._open), None) if waits else None)

    def _judge_early(self, ask: Ask) -> None:
        one = self._open.pop(ask)
        self._begin(one.structure, one.properties)
        with suppress(Exception):  # it is judged once more in its turn, and raises there
            self._known[ask] = self._programs.judged(one.structure, one.properties)

    # -- elsewhere ----------------------------------------------------------------------------------------------------

    def _give(self) -> None:
        """Give away what is heavy; then all batches of the last program that is not begun, where little is left."""
        if self._helper is None or len(self._given) > 1:
            return
        heavy = [ask for ask, one in self._open.items() if one.heavy]
        last = [one for one in self._open.values() if not self._is_begun(one)][-1:]
        programs = {self._programs.key(one.structure, one.properties) for one in last}
        chosen = heavy or [
            a for a, o in self._open.items() if self._programs.key(o.structure, o.properties) in programs
        ]
        if not chosen:
            return
        self._given |= {ask: self._open.pop(ask) for ask in chosen}
        try:
            self._helper.ask(chosen, reverse_only=self._programs.reverse_only)
        except HelperGone:
            self._lose()

    def _hear(self, *, wait: bool) -> None:
        if self._helper is None:
            return
        try:
            answers = self._helper.answers(wait=wait)
        except HelperGone:
            self._lose()
            return
        for ask, told in answers:
            one = self._given.pop(ask)
            if told is not None:
                made = partial(self._programs.row, one.structure)
                self._known[ask] = Elsewhere(one.structure, one.properties, told, made)
        self._give()
        if answers and not (self._open or self._given):  # it takes a while to end
            self.stop()

    def _lose(self) -> None:
        """What nobody has judged yet is judged in its turn."""
        self._helper = None
        self._open.clear()
        self._given.clear()


class Judge:
    """What answers in the other process.

    Args:
        task: whose pair is fixed.
        options: of the search.
    """

    def __init__(self, task: SearchTask, options: Options) -> None:
        self._programs = ProgramPool(task, options)
        self._pair = simplest(task.pairs)

    def told(self, ask: Ask, *, reverse_only: bool) -> Told | None:
        """What is said of a batch; None where something is violated, or raises: that is for who reports it."""
        self._programs.reverse_only = reverse_only
        structure = Drawn(self._pair, ask.loss_index, ask.seed)
        try:
            return Told.of(self._programs.judged(structure, tuple(map(by_name, ask.names))))
        except Exception:  # noqa: BLE001 - who asked judges it once more, and says what it raises
            return None
