"""All that was found of a model: as data, as text, as a file of tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from eqprop.finding.near import Near
from eqprop.finding.proof import Proven
from eqprop.results import Record

DIFFERENTIATED = (
    "state is out of the derivatives: differentiate_state=True of from_module, or no state= of Model, has these judged"
)


class Row(NamedTuple):
    """What moves the same tensors: one line of the table of interfaces.

    Attributes:
        tensors: their paths.
        size: how many units.
        group: the groups that act, ``R₊^4 ⋊ S_4``.
        dimension: of their algebra, without what larger ones contain.
        members: the findings.
    """

    tensors: tuple[str, ...]
    size: int
    group: str
    dimension: int
    members: tuple[Proven, ...]


@dataclass(frozen=True)
class Symmetries:
    """What was found.

    Attributes:
        model: the name of the model.
        found: every symmetry, with the verdict of the property library.
        dimensions: how many dimensions each continuous one adds to the algebra, by its name.
        dimension: of the whole algebra.
        rank: of its fields at a generic point, the dimension of an orbit; None where they are too large to look at.
        charges: how many independent quantities gradient flow conserves because of it; None where there are too many to
            count.
        untouched: the tensors that none of them moves.
        unwritten: what was found and cannot be declared by a constructor, in words.
        hidden: what gradients take for a symmetry and f does not have, in words: some derivative is wrong, or stopped.
        carrying: what moves state continuously, in words: it is judged of a model that differentiates state.
        near: near-symmetries with their sizes: what misses by little, such as the ε of a norm.
        undeclared: the names of those that the pairs of ``--declared`` do not have; None where there were none.
        seconds: how long it took, without the proof.
    """

    model: str
    found: tuple[Proven, ...]
    dimensions: Mapping[str, int]
    dimension: int
    rank: int | None
    charges: int | None
    untouched: tuple[str, ...]
    unwritten: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    carrying: tuple[str, ...] = ()
    near: tuple[Near, ...] = ()
    undeclared: tuple[str, ...] | None = None
    seconds: float = 0.0

    @property
    def interfaces(self) -> tuple[Row, ...]:
        """The table: what moves the same units of the same tensors is one row, and what of it was refuted another."""
        rows: dict[tuple[tuple[str, ...], int, bool], list[Proven]] = {}
        for one in self.found:
            rows.setdefault((one.found.tensors, one.found.units, one.verdict == "refuted"), []).append(one)
        return tuple(self._row(tensors, size, tuple(members)) for (tensors, size, _), members in rows.items())

    def _row(self, tensors: tuple[str, ...], size: int, members: tuple[Proven, ...]) -> Row:
        dimension = sum(self.dimensions.get(one.found.name, 0) for one in members)
        return Row(tensors, size, _product(members), dimension, members)

    @property
    def standing(self) -> tuple[Proven, ...]:
        """All that was not refuted."""
        return tuple(one for one in self.found if one.verdict != "refuted")

    @property
    def defects(self) -> tuple[Proven, ...]:
        """Symmetries of f that some derivative of it does not have."""
        return tuple(one for one in self.found if one.verdict == "defect")

    @property
    def exit_code(self) -> int:
        """0 where all that stands is proven or was not asked about, and nothing is hidden from gradients; else 1."""
        held = all(one.verdict in ("proven", "") for one in self.standing)
        return 0 if held and not (self.undeclared or self.hidden) else 1

    def to_record(self) -> Record:
        """As nested dictionaries, lists, strings and numbers."""
        return {
            "model": self.model,
            "dimension": self.dimension,
            "rank": self.rank,
            "charges": self.charges,
            "interfaces": [
                {
                    "tensors": list(row.tensors),
                    "size": row.size,
                    "group": row.group,
                    "dimension": row.dimension,
                    "symmetries": [
                        {**one.found.to_record(), "verdict": one.verdict, "why": one.why} for one in row.members
                    ],
                }
                for row in self.interfaces
            ],
            "untouched": list(self.untouched),
            "unwritten": list(self.unwritten),
            "hidden": list(self.hidden),
            "carrying": list(self.carrying),
            "near": [{**near.found.to_record(), "missed_by": near.size} for near in self.near],
            "undeclared": None if self.undeclared is None else list(self.undeclared),
            "seconds": self.seconds,
        }

    def to_json(self) -> str:
        """The same as JSON text."""
        return json.dumps(self.to_record(), indent=2, ensure_ascii=False)

    def text(self) -> str:
        """A table, and what is to be said beside it."""
        lines = [f"{self.model}: {self._sums()}"]
        if self.found:
            lines += ["", *_table(self.interfaces)]
        alike: dict[tuple[str, str], list[str]] = {}
        for one in self.found:
            if one.verdict not in ("proven", ""):
                alike.setdefault((one.verdict, one.why), []).append(one.found.name)
        lines += [f"{', '.join(names)}: {VERDICTS[verdict]} ({why})" for (verdict, why), names in alike.items()]
        charges = dict.fromkeys(one.found.charge for one in self.standing if one.found.charge)
        lines += [f"conserved by gradient flow: {charge}" for charge in charges]
        if self.untouched:
            lines.append(f"no symmetry touches: {', '.join(self.untouched)}")
        lines += [f"found, and no constructor can declare it: {what}" for what in self.unwritten]
        lines += [
            f"no gradient sees it, and f changes: a derivative is wrong, or stopped: {what}" for what in self.hidden
        ]
        lines += [f"moves state as well: {what}" for what in self.carrying]
        lines += [DIFFERENTIATED] if self.carrying else []
        for near in self.near:
            lines.append(f"nearly, up to {near.size:.0e}: {near.found.group} on {', '.join(near.found.tensors)}")
        if self.undeclared is not None:
            lines.append(f"not declared: {', '.join(self.undeclared) or 'nothing, all that was found is declared'}")
        return "\n".join(lines)

    def _sums(self) -> str:
        charges = "" if self.charges is None else f", {self.charges} conserved by gradient flow"
        discrete = sum(not one.found.continuous for one in self.standing)
        orbits = "" if self.rank is None else f", orbits of dimension {self.rank}"
        return f"algebra of dimension {self.dimension}{orbits}{charges}; {discrete} discrete"

    def code(self, target: str = "", *, called: bool = False) -> str:
        """A file of tests that verifies all that was found and not refuted.

        Args:
            target: ``"package.module:attribute"`` of the model; without one the file leaves a place for it.
            called: whether the attribute is a function that returns the model.
        """
        module, _, attribute = target.partition(":")
        root = module.partition(".")[0]
        imported = f"\nimport {module}\n" if root else ""
        model = f"{module}.{attribute}{'()' if called else ''}" if root else "...  # the eqprop.Model"
        claimed = [one.found for one in self.standing]
        if not claimed:
            return (
                f'"""eqprop find has found no symmetry of {self.model}: there is nothing to verify."""\n\npairs = []\n'
            )
        lines = "".join(f"    eqprop.Pair(\n        model,\n        {f.call.code(8)},\n    ),\n" for f in claimed)
        groups = "from eqprop import groups\n" if "groups." in lines else ""
        return (
            f'"""Symmetries of {self.model}, found by eqprop find."""\n\nimport eqprop\n{groups}{imported}\n'
            f"model = {model}\n\npairs = [\n{lines}]\n\n\n@eqprop.parametrize(*pairs)\n"
            "def test_symmetries(case):\n    case.verify()\n"
        )


VERDICTS = {
    "defect": "a symmetry of f that its derivatives break: a defect",
    "refuted": "no symmetry: the premise is falsified at points that were not looked at",
    "unsettled": "not settled",
}


def _product(members: Sequence[Proven]) -> str:
    """Permutations act on the factors of what stands before them."""
    others = [one.found.group for one in members if one.found.kind != "permutation"]
    permuting = [one.found.group for one in members if one.found.kind == "permutation"]
    inner = " × ".join(others)
    if not permuting or not others:
        return inner or " × ".join(permuting)
    return f"{f'({inner})' if len(others) > 1 else inner} ⋊ {' × '.join(permuting)}"


def _table(rows: Sequence[Row]) -> list[str]:
    cells = [("tensors", "size", "group", "dim", "verdict")]
    for row in rows:
        verdicts = ", ".join(dict.fromkeys(one.verdict for one in row.members if one.verdict))
        cells.append((", ".join(row.tensors), str(row.size), row.group, str(row.dimension), verdicts))
    widths = [max(len(row[column]) for row in cells) for column in range(5)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells]
