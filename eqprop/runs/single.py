"""One task searched in this process, with the compilation cache on."""

from __future__ import annotations

from eqprop.engine import persistent_cache
from eqprop.results import Outcome, PairName, Progress, PropertyName, Verdict
from eqprop.runs.known import tried
from eqprop.search import Helper, Listener, Options, SearchTask, ignore, search


def searched(
    task: SearchTask, options: Options, on_progress: Listener = ignore, helper: Helper | None = None
) -> tuple[Verdict, ...]:
    """One task's verdicts, with the compilation cache on. A model that calls ``exit`` is an error like any other.

    Args:
        task: what is searched.
        options: how.
        on_progress: is told of every step.
        helper: see ``search``.
    """
    try:
        with persistent_cache():
            if task.baseline:
                return _beside_known(task, options, on_progress)
            return search(task, options, on_progress, helper)
    except SystemExit as error:
        reason = f"the model ended the process (SystemExit: {error.code}); apply and the actions may not call exit()."
        return failed(task.name, options, reason, on_progress)


def _beside_known(task: SearchTask, options: Options, on_progress: Listener) -> tuple[Verdict, ...]:
    """Known failures tried again, then the other properties searched."""
    on_progress(Progress(task.name, "started"))
    known = tried(task, options)

    def tell(progress: Progress) -> None:
        if progress.stage not in ("started", "finished"):
            on_progress(progress)

    others = search(known.task, known.options, tell) if known.options.properties else ()
    found = {**known.verdicts, **{verdict.property.name: verdict for verdict in others}}
    verdicts = tuple(found[prop.name] for prop in options.properties)
    on_progress(Progress(task.name, "finished", verdicts=verdicts))
    return verdicts


def failed(name: str, options: Options, reason: str, on_progress: Listener = ignore) -> tuple[Verdict, ...]:
    """The verdicts of a task whose search could not be finished.

    Args:
        name: of the task.
        options: with the properties that were asked for.
        reason: why.
        on_progress: is told that the task is finished.
    """
    verdicts = tuple(
        Verdict(PairName(name), PropertyName(p.name, p.order), Outcome.ERROR, reason) for p in options.properties
    )
    on_progress(Progress(name, "finished", verdicts=verdicts))
    return verdicts
