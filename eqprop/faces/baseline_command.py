"""``eqprop baseline``: the cells that are known to fail, each with a reason, a counterexample, and perhaps an end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from eqprop.errors import InvalidInput
from eqprop.faces.console import echo
from eqprop.faces.project import Project
from eqprop.faces.replay_command import told
from eqprop.kept import COUNTEREXAMPLES, KnownFailure, day, write_baseline
from eqprop.results import Answer, Replayed


@click.group()
def baseline() -> None:
    """Keep the failures that are known, until when and why: anything else about them turns a run red."""


@baseline.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--reason", required=True, metavar="TEXT", help="Why it may fail for now.")
@click.option("--expires", default="", metavar="DAY", help="The last day of that, as in 2027-01-31.")
def add(*, files: tuple[Path, ...], reason: str, expires: str) -> int:
    """Add the cells of counterexample FILEs that still fail, and keep the files beside the baseline."""
    from eqprop.counterexamples import copied, recipe_in
    from eqprop.runs import replay

    if not reason.strip():
        msg = "--reason is empty; say why it may fail for now."
        raise InvalidInput(msg)
    until = day(expires, "--expires") if expires else ""
    project = Project.of(Path.cwd())
    known = {entry.cell: entry for entry in project.baseline()}
    for file in files:
        recipe = recipe_in(file)
        cell = (recipe["target"], recipe["subject"], recipe["property"])
        found = replay(file) if recipe["target"] else Replayed(Answer.STILL_FAILS)  # of an object pytest will say it
        if found.answer is not Answer.STILL_FAILS:
            msg = f"{str(file)!r} is no known failure: {told(found)}."
            raise InvalidInput(msg)
        kept = copied(file, project.folder / COUNTEREXAMPLES)
        known[cell] = KnownFailure(*cell, reason=reason, expires=until, counterexample=str(kept))
        echo(f"+ {known[cell]}")
    write_baseline(project.baseline_file, known.values())
    return 0


@baseline.command()
def show() -> int:
    """Try each known failure again: exit code 0 where all still fail and none has expired, else 1."""
    answers = list(_answers(Project.of(Path.cwd()).baseline()))
    for entry, found in answers:
        expired = " EXPIRED" if entry.expired else ""
        echo(f"{told(found)}{expired}  {entry}")
    return int(any(entry.expired or found.answer is not Answer.STILL_FAILS for entry, found in answers))


@baseline.command()
def prune() -> int:
    """Take away what is fixed, and what is about nothing. What has expired and still fails stays, and stays red."""
    project = Project.of(Path.cwd())
    answers = list(_answers(project.baseline()))
    asked = _asked(project)
    over = [entry for entry, found in answers if found.answer is Answer.FIXED or _about_nothing(entry, asked)]
    write_baseline(project.baseline_file, [entry for entry, _ in answers if entry not in over])
    for entry in over:
        Path(entry.counterexample).unlink(missing_ok=True)
        echo(f"- {entry}")
    return 0


def _answers(known: Sequence[KnownFailure]) -> Iterator[tuple[KnownFailure, Replayed]]:
    from eqprop.engine import persistent_cache
    from eqprop.runs import replay

    for entry in known:
        with persistent_cache():
            yield entry, replay(entry.counterexample)


def _asked(project: Project) -> set[str]:
    """The names of the properties that the project asks for."""
    from eqprop.runs import make_options

    return {prop.name for prop in make_options(**project.configured).properties}


def _about_nothing(entry: KnownFailure, asked: set[str]) -> bool:
    """Whether its property, its pair or its target is gone; of a Python object nobody but pytest can tell the pair."""
    from eqprop.runs import resolve_all

    if entry.property not in asked:
        return True
    try:
        return bool(entry.target) and entry.pair not in {task.name for task in resolve_all([entry.target])}
    except InvalidInput:
        return True
