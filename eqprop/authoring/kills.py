"""The kill matrix as it was last measured: which properties each mutant of the catalog falsified.

It is kept in ``kills.json``, which ``python -m benchmarks.power --write`` writes, a mutant a line.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from eqprop.properties import LIBRARY
from eqprop.registry import Entry, entries

FILE = "kills.json"
OWN = "eqprop.catalog"
"""The catalog that the matrix is of. What other packages register is theirs to measure."""


@dataclass(frozen=True)
class Kill:
    """What one mutant falsified.

    Attributes:
        entry: the catalog entry that it breaks.
        mutant: its name.
        order: the lowest order at which it must be caught.
        falsified: the names of the properties that caught it, blocked or not, sorted.
    """

    entry: str
    mutant: str
    order: int
    falsified: tuple[str, ...]

    @property
    def cell(self) -> tuple[str, str]:
        """What it is found by."""
        return self.entry, self.mutant

    @property
    def first(self) -> str:
        """The first property of the library that catches it; consequences of others come last. Empty for none."""
        caught = [prop for prop in LIBRARY if prop.name in self.falsified]
        return next((prop.name for prop in sorted(caught, key=lambda prop: bool(prop.consequence_of))), "")


@cache
def kills() -> tuple[Kill, ...]:
    """The matrix that the package carries."""
    return parsed(files("eqprop.authoring").joinpath(FILE).read_text(encoding="utf-8"))


def parsed(text: str) -> tuple[Kill, ...]:
    """A matrix from its text."""
    return tuple(
        Kill(entry, mutant, found["order"], tuple(found["falsified"]))
        for entry, mutants in json.loads(text).items()
        for mutant, found in mutants.items()
    )


def written(matrix: Iterable[Kill]) -> str:
    """A matrix as text, in alphabetical order, a mutant a line."""
    lines: dict[str, list[str]] = {}
    for kill in sorted(matrix, key=lambda kill: kill.cell):
        found = json.dumps({"order": kill.order, "falsified": sorted(kill.falsified)}, sort_keys=True)
        lines.setdefault(kill.entry, []).append(f"    {json.dumps(kill.mutant)}: {found}")
    sections = [f"  {json.dumps(entry)}: {{\n" + ",\n".join(of_entry) + "\n  }" for entry, of_entry in lines.items()]
    return "{\n" + ",\n".join(sections) + "\n}\n"


def updated(old: Iterable[Kill], new: Iterable[Kill], cells: Collection[tuple[str, str]]) -> tuple[Kill, ...]:
    """The old matrix with what was measured anew, without what is none of these cells any more."""
    found = {kill.cell: kill for kill in (*old, *new)}
    return tuple(kill for cell, kill in found.items() if cell in cells)


def own_entries() -> dict[str, Entry]:
    """The entries that the matrix is of."""
    return {name: entry for name, entry in entries().items() if entry.origin.startswith(OWN)}


def own_cells() -> frozenset[tuple[str, str]]:
    """Entry and mutant, for every mutant that the matrix should have."""
    return frozenset((entry.name, mutant.name) for entry in own_entries().values() for mutant in entry.mutants)
