"""Verification as functions."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike

from eqprop.arguments import function_of
from eqprop.engine import Precision
from eqprop.errors import Falsified
from eqprop.evaluation import Choice
from eqprop.properties import Property
from eqprop.results import Report
from eqprop.runs import as_tasks, make_options, run_tasks
from eqprop.search import Listener, ignore


def run(
    pairs: object,
    *,
    profile: str = "gate",
    seed: int | None = None,
    precision: Precision = "float64",
    properties: str | Property | Iterable[str | Property] | None = None,
    save: str | PathLike[str] | None = None,
    optimizer: object = None,
    unseen: bool = True,
    evaluator: Choice = "auto",
    max_architectures: int | None = None,
    probes: int | None = None,
    max_time: float | None = None,
    on_progress: Listener = ignore,
) -> Report:
    """Search for violations; a falsified property is a verdict in the report, never an exception.

    Args:
        pairs: a Pair, a strategy of pairs, a catalog entry, or an iterable or mapping of them.
        profile: ``"quick"``, ``"gate"``, ``"wide"``, ``"explore"`` or ``"deep"``: how much is searched.
        seed: the same seed gives the same verdicts; without one, quick, gate and wide repeat themselves.
        precision: ``"float64"``, or ``"model"`` for the dtypes of the example parameters.
        properties: names of those to verify, or a single name; all by default.
        save: a folder for counterexample files; none are written by default.
        optimizer: anything with optax's ``init(params)`` and ``update(grads, state, params)``, or a class of
            ``torch.optim`` (with settings: ``functools.partial(torch.optim.Adam, lr=0.01)``): whether one step and a
            trajectory of it commute with the group is verified, too (``optimizer-step``, ``optimizer-trajectory``).
        unseen: whether what a claim that holds does not look at is found out (a second or so for each pair) and said.
        evaluator: ``"numpy"`` evaluates the traced program operation by operation, ``"xla"`` compiles it; ``"auto"``
            compiles what has run as long as that takes. What is falsified is compiled in any case.
        max_architectures: how many distinct ones are probed, instead of the profile's number.
        probes: how many are evaluated on each, instead of the profile's number; of costly properties at most so many.
        max_time: after how many seconds the search of a pair ends, but for what was falsified by then; what is not
            finished is inconclusive, with what was looked at. Without it a run takes as long as its profile does.
        on_progress: called with a ``Progress`` at every step.

    Raises:
        InvalidInput: for arguments that cannot be used. A model that cannot be verified is a verdict: an error.
    """
    options = make_options(
        profile=profile,
        seed=seed,
        precision=precision,
        properties=properties,
        save=save,
        optimizer=optimizer,
        unseen=unseen,
        evaluator=evaluator,
        max_architectures=max_architectures,
        probes=probes,
        max_time=max_time,
    )
    function_of(on_progress, ("progress",), "on_progress")
    return run_tasks(as_tasks(pairs), options, on_progress)


def verify(
    *pairs: object,
    profile: str = "gate",
    seed: int | None = None,
    precision: Precision = "float64",
    properties: str | Property | Iterable[str | Property] | None = None,
    save: str | PathLike[str] | None = None,
    optimizer: object = None,
    unseen: bool = True,
    evaluator: Choice = "auto",
    max_architectures: int | None = None,
    probes: int | None = None,
    max_time: float | None = None,
) -> Report:
    """As ``run``, and raise unless every cell holds, does not apply, or is a known failure.

    Args:
        *pairs: what ``run`` takes, or several pairs one by one.
        profile: as in ``run``, and so are all that follow.
        seed: of the search.
        precision: of the numbers.
        properties: that are asked.
        save: the folder of counterexamples.
        optimizer: whose steps are verified as well.
        unseen: whether what holds says what it does not look at.
        evaluator: of the programs.
        max_architectures: instead of the profile's.
        probes: likewise.
        max_time: likewise as in ``verify``.

    Raises:
        Falsified: an AssertionError with every counterexample in its message, and ``report``.
        InvalidInput: for arguments that cannot be used.
    """
    __tracebackhide__ = True  # of pytest: a violation is shown at the line of the test
    given: object = pairs[0] if len(pairs) == 1 else pairs
    report = run(
        given,
        profile=profile,
        seed=seed,
        precision=precision,
        properties=properties,
        save=save,
        optimizer=optimizer,
        unseen=unseen,
        evaluator=evaluator,
        max_architectures=max_architectures,
        probes=probes,
        max_time=max_time,
    )
    if not report.ok:
        raise Falsified(report)
    return report
