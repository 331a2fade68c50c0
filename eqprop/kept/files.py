"""Files that are kept: JSON in UTF-8, a number for their format; what is wrong with one is said in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eqprop.arguments import got, short, words_of
from eqprop.errors import InvalidInput

FORMAT = 1
"""Of the files that this version writes and reads."""


def record_in(path: Path, what: str, remedy: str) -> dict[str, Any]:
    """The mapping that a kept file holds.

    Args:
        path: of the file.
        what: it is, as in ``"the ledger"``.
        remedy: how to write one.

    Raises:
        InvalidInput: where it cannot be read, is no JSON, or of another format.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{what} {str(path)!r} cannot be read: {words_of(error)}; {remedy}."
        raise InvalidInput(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f"{what} {str(path)!r} is no JSON in UTF-8 ({error}); {remedy}."
        raise InvalidInput(msg) from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:  # pyright: ignore[reportUnknownMemberType]
        found = got(record) if not isinstance(record, dict) else f"format {short(record.get('format'))}"  # pyright: ignore[reportUnknownMemberType]
        msg = f"{what} {str(path)!r} is {found}; expected a mapping of format {FORMAT}; {remedy}."
        raise InvalidInput(msg)
    return record  # pyright: ignore[reportUnknownVariableType]


def text_of(record: dict[str, Any]) -> str:
    """A record as text that is reviewed well: a value a line, so that a difference names what it is about."""
    return f"{json.dumps({'format': FORMAT, **record}, indent=1, ensure_ascii=False)}\n"


def written_to(path: Path, text: str, what: str) -> None:
    """Write a kept file.

    Args:
        path: of the file.
        text: all of it.
        what: the file, as a message begins: ``"the ledger"``.

    Raises:
        InvalidInput: where it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        msg = f"{what} {str(path)!r} cannot be written: {words_of(error)}."
        raise InvalidInput(msg) from error
