"""Cells as test cases: one for each pair and property; those of a pair share one search."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike

import pytest

from eqprop.engine import Precision
from eqprop.errors import Falsified, InvalidInput
from eqprop.evaluation import Choice
from eqprop.kept import is_test
from eqprop.properties import KNOWN, Property
from eqprop.results import (
    EXPLAIN,
    NO_DIGESTS,
    NOTHING_KEPT,
    Applying,
    Digests,
    Outcome,
    PropertyName,
    Record,
    Report,
    Verdict,
    code_of,
    missing,
    vanished,
)
from eqprop.runs import Told, as_kept, as_tasks, digest, helper_of, make_options, place_of, searched
from eqprop.search import Options, SearchTask

MARK = "eqprop_cases"


class FailedCell(Falsified):
    """One cell with which a test cannot pass; its text is the counterexample, or else the outcome with its reason."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(Report((verdict,)))
        self.verdict = verdict

    def __str__(self) -> str:
        v = self.verdict
        code = code_of(v)
        if v.counterexample:
            return f"{v.counterexample}\n{EXPLAIN.format(code)}"
        return f"{v.outcome} [{code}]: {v.property.name} for {v.pair.name}: {v.reason}"


class SharedSearch:
    """One task's search, run when the first of its cases asks for it.

    Args:
        task: what is searched.
        options: how.
        kept: what the pair was when the ledger was written, where it is not searched if it is that still.
        applying: the properties that applied to it then.
        told: of models, for other pairs of theirs.

    Attributes:
        helped: whether a second process may judge a part of it.
    """

    def __init__(
        self,
        task: SearchTask,
        options: Options,
        kept: str = "",
        applying: Collection[str] = (),
        told: Told | None = None,
    ) -> None:
        self.task = task
        self.options = options
        self.kept = kept
        self.applying = applying
        self.told = told
        self.helped = False

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """By property name."""
        found = as_kept(self.task, self.options, self.kept, self.applying, self.told) or self._searched()
        return {verdict.property.name: verdict for verdict in found}

    def _searched(self) -> tuple[Verdict, ...]:
        if not self.helped:
            return searched(self.task, self.options)
        with helper_of(self.task, self.options) as helper:
            return searched(self.task, self.options, helper=helper)

    @cached_property
    def now(self) -> str:
        """What the pair is, for a ledger; empty where nobody can tell."""
        return digest(self.task, self.options, self.told)

    @property
    def done(self) -> bool:
        """Whether the search was run."""
        return "verdicts" in self.__dict__


@dataclass(frozen=True)
class Case:
    """One cell, as a test gets it.

    Attributes:
        search: what finds its verdict.
        prop: the property.
        target: what named the pair: a target, or the id of a decorated test.
        applying: whether the property is known to apply, by the ledger.
    """

    search: SharedSearch
    prop: Property
    target: str = ""
    applying: bool = False

    @property
    def pair(self) -> str:
        """The pair's name."""
        return self.search.task.name

    @property
    def id(self) -> str:
        """The test id: names, never a repr (which differs between processes)."""
        return f"{self.pair}::{self.prop.name}"

    @property
    def done(self) -> bool:
        """Whether its search was run."""
        return self.search.done

    @property
    def verdict(self) -> Verdict:
        """What was found; the first case of a pair runs the search."""
        found = self.search.verdicts[self.prop.name]
        return vanished(found) if self.applying else found

    @property
    def place(self) -> str:
        """``file:line`` of the model, where the cell fails."""
        return "" if self.verdict.accepted else place_of(self.search.task)

    def verify(self) -> Verdict:
        """Pass, skip, xfail or fail, as users of pytest read these words.

        - *passed*: the property holds.
        - *skipped*: it does not apply to the pair, with the reason: nothing was claimed, so nothing is wrong. Where the
          ledger has the cell, something was claimed once: it fails as missing.
          With ``--eqprop-changed`` it is skipped, too, where the pair is what it was when the ledger was written.
        - *xfailed*: a known failure, of a negative control too. An unexpected pass *fails*: xfail is always strict.
        - *failed*: everything else. A blocked property rests on one that was falsified. It is no skip: nobody has
          verified it, and a run in which only its test is selected must not be green. It fails in one line, so that
          the counterexample of its cause is what stands out. Inconclusive and error fail with their reason.

        Raises:
            FailedCell: an AssertionError (``eqprop.Falsified``).
        """
        verdict = self.verdict
        if verdict.outcome in (Outcome.NOT_APPLICABLE, Outcome.UNCHANGED):
            pytest.skip(f"{verdict.outcome}: {verdict.reason}")
        if verdict.outcome is Outcome.KNOWN_FAILURE:
            pytest.xfail(verdict.reason)  # goes on only under --runxfail
        if verdict.outcome is not Outcome.HOLDS:
            raise FailedCell(verdict)
        return verdict

    def __repr__(self) -> str:
        return f"Case({self.id!r})"


@dataclass(frozen=True)
class Absent:
    """A cell that is kept somewhere and that nothing verifies any more, as a test that fails."""

    verdict: Verdict
    target: str
    done: bool = True
    place: str = ""

    @property
    def pair(self) -> str:
        """The pair's name."""
        return self.verdict.pair.name

    @property
    def prop(self) -> PropertyName:
        """The property's name and order."""
        return self.verdict.property

    @property
    def id(self) -> str:
        """As that of a case."""
        return f"{self.pair}::{self.prop.name}"

    def verify(self) -> Verdict:
        """Fail.

        Raises:
            FailedCell: always.
        """
        raise FailedCell(self.verdict)


def cases_of(
    tasks: Iterable[SearchTask],
    options: Options,
    applying: Applying = NOTHING_KEPT,
    target: str = "",
    digests: Digests = NO_DIGESTS,
) -> Iterator[Case]:
    """The cells of all tasks, in the order of reports.

    Args:
        tasks: what is searched.
        options: how.
        applying: what the ledger says of their pairs.
        target: what named them, where that is no address of theirs.
        digests: of the pairs of the ledger, where what is unchanged is not to be searched.
    """
    told = Told()  # of these tasks only: those of another test may see other models by other fixtures
    for task in tasks:
        known = applying.get(task.name, ())
        search = SharedSearch(task, options, digests.get(task.name, ""), known, told)
        yield from (Case(search, p, target or task.address, p.name in known) for p in options.properties)


def absent(cases: Iterable[Case], kept: Iterable[tuple[str, str, str]], gone: Mapping[str, str]) -> Iterator[Absent]:
    """The cells of a ledger, as (target, pair, property), that are no case.

    A pair may move from target to target: its name is its own among them. Two decorated tests may have it, too.

    Args:
        cases: of a run.
        kept: the cells of the ledger.
        gone: target → what is said of it, of those that name nothing any more.
    """
    there = {_place(case.target, case.pair, case.prop.name) for case in cases}
    orders = {prop.name: prop.order for prop in KNOWN}
    for target, pair, name in kept:
        if _place(target, pair, name) not in there:
            yield Absent(missing(pair, name, orders.get(name, 0), gone.get(target, "")), target)


def _place(target: str, pair: str, name: str) -> tuple[str, str, str]:
    return (target if is_test(target) else "", pair, name)


def parametrize(
    *pairs: object,
    profile: str | None = None,
    seed: int | None = None,
    precision: Precision | None = None,
    properties: str | Property | Sequence[str | Property] | None = None,
    save: str | PathLike[str] | None = None,
    optimizer: object = None,
    unseen: bool | None = None,
    evaluator: Choice | None = None,
    max_architectures: int | None = None,
    probes: int | None = None,
    max_time: float | None = None,
) -> pytest.MarkDecorator:
    """Decorate a test to be run once for each pair and property, with an argument ``case``.

    Args:
        *pairs: a Pair, a strategy of pairs, a catalog entry, or an iterable or mapping of them.
        profile: as for ``verify``. For this and the following arguments the command line (``--eqprop-seed``, …) takes
            precedence, and ``[tool.eqprop]`` of pyproject.toml fills in what is not given here.
        seed: of the search.
        precision: ``"float64"`` or ``"model"``.
        properties: those to verify.
        save: a folder for counterexample files.
        optimizer: as for ``verify``; a case for each of its properties is added.
        unseen: whether what a claim that holds does not look at is found out and said.
        evaluator: as for ``verify``, and so are the following ones.
        max_architectures: how many distinct ones are probed.
        probes: how many are evaluated on each.
        max_time: after how many seconds the search of a pair ends, but for what was falsified by then.

    Raises:
        InvalidInput: for arguments that cannot be used.

    Example:
        >>> import eqprop
        >>> @eqprop.parametrize(pair_a, pair_b)  # doctest: +SKIP
        ... def test_symmetries(case):
        ...     case.verify()
    """
    every: Record = {"profile": profile, "seed": seed, "precision": precision, "properties": properties}
    every |= {"save": save, "optimizer": optimizer, "unseen": unseen, "evaluator": evaluator}
    every |= {"max_architectures": max_architectures, "probes": probes, "max_time": max_time}
    given = {k: v for k, v in every.items() if v is not None}
    __tracebackhide__ = True  # of pytest: with the traceback taken off, what is left is the user's line
    try:
        tasks = as_tasks(pairs[0] if len(pairs) == 1 else pairs)
        make_options(**given)  # what is wrong is said here, whatever the command line puts in its place
    except InvalidInput as error:
        raise error.with_traceback(None) from error.__cause__
    # The plugin turns the mark into tests, because only it knows the command line.
    return getattr(pytest.mark, MARK)(tasks=tasks, given=given)
