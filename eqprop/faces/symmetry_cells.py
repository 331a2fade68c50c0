"""The symmetries of a project's models as cells: what is found is held to the ledger, as what is verified is.

``find = ["nets:model"]`` of ``[tool.eqprop]`` names the models. Each symmetry that the ledger has is a cell, and one
more says that there are no others: a refactoring that loses or gains one turns a run red.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from eqprop.kept import FIND, KeptLedger, is_model
from eqprop.results import Outcome, PairName, PropertyName, Verdict, missing

if TYPE_CHECKING:
    from eqprop.finding import Symmetries

OTHERS = "no other symmetry"
"""The name of the cell that holds where all that is found is kept."""


@dataclass(frozen=True)
class ModelCells:
    """The cells of one model; it is traced and looked at when the first of them is asked for.

    Attributes:
        model: ``module:attribute``.
        kept: what the ledger says of it; None where one is being written, and everything is as it should be.
        gone: whether the project no longer names it.
    """

    model: str
    kept: Collection[str] | None
    gone: bool = False

    @property
    def target(self) -> str:
        """As the ledger calls it."""
        return f"{FIND}{self.model}"

    @cached_property
    def found(self) -> tuple[str, ...]:
        """Its symmetries, in words; the same twice where two have the same."""
        from eqprop.finding import find
        from eqprop.runs import model_of

        return in_words(find(model_of(self.model).model, prove="premise"))

    @property
    def names(self) -> tuple[str, ...]:
        """Of all cells: what is kept, or is found where a ledger is written, and that there is no other."""
        known = {*(self.found if self.kept is None else self.kept)}
        return tuple(sorted(known)) if self.gone else (*sorted(known - {OTHERS}), OTHERS)

    def verdict(self, name: str) -> Verdict:
        """Of one cell."""
        if self.gone:
            return missing(self.model, name, 0)
        outcome, reason = self._others() if name == OTHERS else self._one(name)
        return Verdict(PairName(self.model), PropertyName(name, 0), outcome, reason)

    def _one(self, name: str) -> tuple[Outcome, str]:
        if name in self.found:
            return Outcome.HOLDS, ""
        return Outcome.MISSING, f"expected, and not found any more; `eqprop find {self.model}` says what is"

    def _others(self) -> tuple[Outcome, str]:
        more = [] if self.kept is None else sorted({*self.found} - {*self.kept})
        if not more:
            return Outcome.HOLDS, ""
        return Outcome.UNEXPECTED_PASS, f"found, and not in the ledger: {'; '.join(more)}"


@dataclass(frozen=True)
class SymmetryCase:
    """One cell of a model, as a test.

    Attributes:
        cells: all of that model.
        name: of this one.
    """

    cells: ModelCells
    name: str

    @property
    def pair(self) -> str:
        """The model."""
        return self.cells.model

    @property
    def target(self) -> str:
        """As the ledger calls it."""
        return self.cells.target

    @property
    def prop(self) -> PropertyName:
        """The symmetry: an order 0, because it is of f."""
        return PropertyName(self.name, 0)

    @property
    def id(self) -> str:
        """As that of a case of a pair."""
        return f"{self.pair}::{self.name}"

    @property
    def done(self) -> bool:
        """Whether the model was looked at."""
        return self.cells.gone or "found" in vars(self.cells)

    @property
    def place(self) -> str:
        """Nowhere: what is lost has no line."""
        return ""

    @property
    def verdict(self) -> Verdict:
        """What became of it."""
        return self.cells.verdict(self.name)

    def verify(self) -> Verdict:
        """Pass or fail.

        Raises:
            FailedCell: where it is lost, or others are found.
        """
        from eqprop.faces.cases import FailedCell

        if not self.verdict.accepted:
            raise FailedCell(self.verdict)
        return self.verdict


def in_words(symmetries: Symmetries) -> tuple[str, ...]:
    """Each symmetry as group and tensors, in alphabetical order; numbered where several say the same."""
    found: list[str] = []
    seen: Counter[str] = Counter()
    for one in symmetries.standing:
        said = f"{one.found.group} on {', '.join(one.found.tensors)}"
        seen[said] += 1
        found.append(said if seen[said] == 1 else f"{said} ({seen[said]})")
    return tuple(sorted(found))


def cells_of(models: Iterable[str], ledger: KeptLedger | None) -> Iterator[ModelCells]:
    """The models of a project, and those that only its ledger has.

    Args:
        models: that the project names.
        ledger: what is kept; None where one is being written.
    """
    named = dict.fromkeys(models)
    for model in named:
        yield ModelCells(model, None if ledger is None else ledger.found_in(model))
    for target in ledger.cells if ledger else ():
        model = target.removeprefix(FIND)
        if is_model(target) and model not in named:
            yield ModelCells(model, tuple(ledger.found_in(model)) if ledger else (), gone=True)


def cases_of(cells: Iterable[ModelCells]) -> list[SymmetryCase]:
    """Every cell as a test."""
    return [SymmetryCase(model, name) for model in cells for name in model.names]


def verdicts_of(cells: Iterable[ModelCells]) -> list[tuple[str, Verdict]]:
    """Target and verdict of every cell."""
    return [(model.target, model.verdict(name)) for model in cells for name in model.names]
