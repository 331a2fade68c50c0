"""The shrunk probe of a falsified property, able to print itself and to be replayed."""

from __future__ import annotations

import builtins
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from eqprop.results.records import Record, check_fields

WIDTH = 98
"""Of the lines that are wrapped."""

SWITCHED_OFF = frozenset({"False", "None", "'identity'"})
"""Drawn values that say of a part of the model that it is not there; they are left out of the text."""


@dataclass(frozen=True)
class Counterexample:
    """A violation that a person can read. Plain data.

    Attributes:
        pair: the pair's name.
        property: the property's name.
        order: of the property.
        statement: what was claimed, in words.
        formula: what was claimed, in symbols.
        residual: |lhs − rhs| of the leaf that disagrees most.
        floor: the rounding floor of that leaf.
        margin: how many floors rounding may make.
        leaf: what the leaf is called.
        index: the entry of the leaf that disagrees most.
        lhs: the left side there.
        rhs: the right side there.
        architecture: what was drawn to build the pair, each value as Python.
        code: the probe as runnable Python.
        numbers: how many numbers the probe has.
        shrunk: how it was shrunk, in words.
        notes: what else was noticed (a right action declared left, a low precision).
        replay: the command line that replays it.
        file: where it was saved; empty if nowhere.
        recipe: what a replay needs: target, pair, property, loss, precision, the drawn structure and the numbers.
        shape: of both sides of the leaf; of no side that is kept, where it has more than a few numbers.
        left: all of the left side there, row by row.
        right: likewise.
    """

    pair: str
    property: str
    order: int
    statement: str
    formula: str
    residual: float
    floor: float
    margin: float
    leaf: str
    index: tuple[int, ...]
    lhs: float
    rhs: float
    architecture: Mapping[str, str]
    code: str
    numbers: int
    shrunk: str
    notes: tuple[str, ...]
    replay: str
    file: str
    recipe: Record
    shape: tuple[int, ...] = ()
    left: tuple[float, ...] = ()
    right: tuple[float, ...] = ()

    @builtins.property
    def floors(self) -> float:
        """The residual in floors."""
        return self.residual / self.floor if self.floor else float("inf")

    def to_record(self) -> Record:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Record) -> Counterexample:
        """The counterexample that ``to_record`` wrote, also after a detour through JSON."""
        check_fields(cls, record)
        tuples = ("index", "notes", "shape", "left", "right")
        fields: Record = {**record, **{name: tuple(record[name]) for name in tuples if name in record}}
        return cls(**fields)

    def __str__(self) -> str:
        entry = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        drawn = ", ".join(f"{key}={value}" for key, value in self.architecture.items() if value not in SWITCHED_OFF)
        lines = [
            f"Falsified: {self.property} (order {self.order}) for {self.pair}",
            *_wrapped("claim", self.statement),
            f"            {self.formula}",
            f"  found     {self.leaf}{entry}: left {self.lhs:.17g}, right {self.rhs:.17g}",
            f"  residual  {self.residual:.3g} = {self.floors:.3g} rounding floors ({self.margin:.0f} are allowed)",
        ]
        lines += _wrapped("drawn", drawn) if drawn else []
        lines += [f"  shrunk    {self.shrunk}"] if self.shrunk else []
        lines += [line for note in self.notes for line in _wrapped("note", note)]
        lines += ["  at", *(f"    {line}".rstrip() for line in self.code.splitlines())]
        lines += [f"  replay    {self.replay}"] if self.replay else []
        return "\n".join(lines)


def _wrapped(label: str, text: str) -> list[str]:
    first, rest = f"  {label:<10}", " " * 12
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False, initial_indent=first, subsequent_indent=rest)
