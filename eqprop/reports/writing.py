"""``KIND=FILE``: a report written in the form that somebody asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from eqprop.arguments import short, words_of
from eqprop.errors import InvalidInput
from eqprop.reports.annotations import github_annotations
from eqprop.reports.html import html
from eqprop.reports.junit import junit
from eqprop.reports.markdown import markdown
from eqprop.results import Report

KINDS: Mapping[str, Callable[[Report], str]] = {
    "json": Report.to_json,
    "junit": junit,
    "markdown": markdown,
    "html": html,
    "github": github_annotations,
}
"""The forms, and what writes each."""


def asked(text: str) -> tuple[str, str]:
    """The form and the file of ``KIND=FILE``; an empty file, for the standard output, of ``KIND``.

    Raises:
        InvalidInput: for a form that there is not, and before anything runs for a file that cannot be.
    """
    kind, _, file = text.partition("=")
    if kind not in KINDS:
        msg = f"the report is {short(text)}; expected KIND=FILE, or KIND for the output; KIND is {', '.join(KINDS)}."
        raise InvalidInput(msg)
    if file and (why := _hindrance(Path(file))):
        raise InvalidInput(_unwritten(file, why))
    return kind, file


def write(report: Report, wanted: Iterable[tuple[str, str]], echo: Callable[[str], None]) -> None:
    """Write a report in each of the forms. Markdown is added to what a file has, as steps of a build do with summaries.

    Args:
        report: of a run.
        wanted: forms and files.
        echo: takes what has no file.

    Raises:
        InvalidInput: where a file cannot be written.
    """
    for kind, file in wanted:
        text = KINDS[kind](report)
        if not file:
            echo(text)
            continue
        try:
            with Path(file).open("a" if kind == "markdown" else "w", encoding="utf-8") as out:
                out.write(text if text.endswith("\n") else f"{text}\n")
        except (OSError, ValueError) as error:  # ValueError: a name that the file system has no bytes for
            raise InvalidInput(_unwritten(file, words_of(error))) from error


def _hindrance(path: Path) -> str:
    """Why no file can be written there, as far as can be told without writing it; empty where nothing is seen."""
    try:
        if path.is_dir():
            return "it is a folder"
        return "" if path.parent.is_dir() else f"there is no folder {short(str(path.parent))}"
    except OSError as error:  # a name that is too long, say
        return words_of(error)


def _unwritten(file: str, why: str) -> str:
    return f"the report {short(file)} cannot be written: {why}."
