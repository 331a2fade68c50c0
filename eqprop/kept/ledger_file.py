"""The ledger as a file: which properties apply to which pair of which target, as a run found it.

    {"format": 1, "settings": {"profile": "gate", …}, "cells": {"nets:pairs": {"my-mlp": ["equivariance", …]}},
     "digests": {"nets:pairs": {"my-mlp": "3f1c…"}}}

The digest of a pair is of all that its verdicts depend on, where that can be told.

A cell a line, in alphabetical order: what a change takes away is a line that a reviewer sees.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eqprop.arguments import short
from eqprop.errors import InvalidInput
from eqprop.kept.files import record_in, text_of, written_to
from eqprop.results import Applying, Outcome, Record, Verdict

LEDGER = "eqprop-ledger.json"
"""The name of the file, in the folder of pyproject.toml, unless that says otherwise."""

REMEDY = "`eqprop ledger update` writes it"
Cells = Mapping[str, Mapping[str, Collection[str]]]
"""Target → pair → the properties that apply."""

Digests = Mapping[str, Mapping[str, str]]
"""Target → pair → what it was, in a few characters."""


@dataclass(frozen=True)
class KeptLedger:
    """Which cells a run of a project must fill. Plain data.

    Attributes:
        cells: by target: what ``[tool.eqprop]`` names, or the id of a decorated test.
        settings: of the run that found them: profile, seed, precision.
        digests: of the pairs of which what they depend on can be told.
    """

    cells: Cells = field(default_factory=dict[str, dict[str, list[str]]])
    settings: Record = field(default_factory=Record)
    digests: Digests = field(default_factory=dict[str, dict[str, str]])

    def of(self, targets: Collection[str]) -> KeptLedger:
        """That of some targets."""
        digests = {t: pairs for t, pairs in self.digests.items() if t in targets}
        return KeptLedger({t: pairs for t, pairs in self.cells.items() if t in targets}, self.settings, digests)

    def without(self, targets: Collection[str]) -> KeptLedger:
        """That of all other targets."""
        return self.of(self.cells.keys() - set(targets))

    @property
    def of_pairs(self) -> KeptLedger:
        """That of pairs that targets name: neither of decorated tests nor of models."""
        return self.without([target for target in self.cells if is_test(target) or is_model(target)])

    def found_in(self, model: str) -> Collection[str]:
        """The symmetries that a model had, one cell each."""
        return self.cells.get(f"{FIND}{model}", {}).get(model, ())

    def applying(self) -> Applying:
        """Pair → the properties that apply to it."""
        return {pair: names for pairs in self.cells.values() for pair, names in pairs.items()}

    def digest_of(self, pair: str) -> str:
        """What a pair was; empty where nobody can tell."""
        return next((pairs[pair] for pairs in self.digests.values() if pair in pairs), "")

    def each(self) -> Iterator[tuple[str, str, str]]:
        """Target, pair and property of each cell, in the order of the file."""
        for target, pairs in sorted(self.cells.items()):
            for pair, names in sorted(pairs.items()):
                yield from ((target, pair, name) for name in sorted(names))

    def text(self) -> str:
        """As it is written."""
        cells: dict[str, dict[str, list[str]]] = {}
        for target, pair, name in self.each():
            cells.setdefault(target, {}).setdefault(pair, []).append(name)
        digests = {target: dict(sorted(pairs.items())) for target, pairs in sorted(self.digests.items()) if pairs}
        told = {"digests": digests} if digests else {}
        return text_of({"settings": dict(self.settings), "cells": cells, **told})


FIND = "find "
"""In front of the name of a model whose symmetries are cells: ``find nets:model``."""


def is_test(target: str) -> bool:
    """Whether a target of the ledger is a decorated test, which pytest alone can run."""
    return "::" in target


def is_model(target: str) -> bool:
    """Whether a target of the ledger is a model whose symmetries are found, each of them a cell."""
    return target.startswith(FIND)


def ledger_in(path: Path) -> KeptLedger:
    """The ledger that a file holds.

    Raises:
        InvalidInput: where there is none, or what is in it is none.
    """
    record = record_in(path, "the ledger", REMEDY)
    cells, settings, digests = record.get("cells"), record.get("settings"), record.get("digests", {})
    if not _are_digests(digests):
        msg = f"the ledger {str(path)!r} has digests = {short(digests)}; expected target → pair → text; {REMEDY}."
        raise InvalidInput(msg)
    if not _well_formed(cells) or not isinstance(settings, dict):
        wrong = cells if isinstance(settings, dict) else settings  # pyright: ignore[reportUnknownVariableType]
        msg = f"the ledger {str(path)!r} has {short(wrong)} in it; expected target → pair → properties; {REMEDY}."
        raise InvalidInput(msg)
    return KeptLedger(cells, settings, digests)  # pyright: ignore[reportArgumentType, reportUnknownArgumentType]


def _well_formed(cells: Any) -> bool:
    if not isinstance(cells, dict):
        return False
    every: list[Any] = list(cells.values())  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
    if not all(isinstance(pairs, dict) for pairs in every):
        return False
    rows: list[Any] = [names for pairs in every for names in pairs.values()]
    return all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in rows)  # pyright: ignore[reportUnknownVariableType]


def _are_digests(digests: Any) -> bool:
    pairs: list[Any] = list(digests.values()) if isinstance(digests, dict) else [None]  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
    return all(isinstance(of, dict) and all(isinstance(d, str) for d in of.values()) for of in pairs)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]


def ledger_of(found: Iterable[tuple[str, Verdict]], settings: Record, digests: Digests | None = None) -> KeptLedger:
    """The ledger of what a run without failures found to apply.

    Args:
        found: target and verdict of each cell.
        settings: of the run.
        digests: of its pairs; none by default.
    """
    cells: dict[str, dict[str, list[str]]] = {}
    for target, verdict in found:
        if verdict.outcome is not Outcome.NOT_APPLICABLE:
            pair, name = verdict.cell
            cells.setdefault(target, {}).setdefault(pair, []).append(name)
    return KeptLedger(cells, settings, digests or {})


def rewritten(path: Path, found: KeptLedger, *, tests: bool) -> list[str]:
    """Write what was found, and what changed by it: a line for each cell that came or went, and the number of all.

    Args:
        path: of the ledger, there or not.
        found: what applied.
        tests: whether decorated tests are among what was run, and models are not; what the file says of the others
            stays.

    Raises:
        InvalidInput: where the file is there and is no ledger, or cannot be written.
    """
    before = ledger_in(path) if path.is_file() else KeptLedger()
    others = is_model if tests else is_test
    stays = before.of([target for target in before.cells if others(target)])
    after = KeptLedger({**found.cells, **stays.cells}, found.settings, {**found.digests, **stays.digests})
    written_to(path, after.text(), "the ledger")
    return [*_changes(before, after), f"{path.name}: {len(list(after.each()))} cells"]


def _changes(before: KeptLedger, after: KeptLedger) -> list[str]:
    """As in a difference of texts."""
    old, new = set(before.each()), set(after.each())
    return [f"{'+' if cell in new else '-'} {': '.join(cell)}" for cell in sorted(old ^ new)]
