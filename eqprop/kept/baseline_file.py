"""The baseline as a file: cells that are known to fail, each with a reason, a counterexample, and perhaps an end.

{"format": 1, "known": [{"target": "nets:pairs", "pair": "my-mlp", "property": "noether",
"reason": "ticket 7", "expires": "2027-01-31", "counterexample": "eqprop-known/….json"}]}
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from eqprop.arguments import short
from eqprop.errors import InvalidInput
from eqprop.kept.files import record_in, text_of, written_to

BASELINE = "eqprop-baseline.json"
"""The name of the file, in the folder of pyproject.toml, unless that says otherwise."""

COUNTEREXAMPLES = "eqprop-known"
"""The folder beside it, with the counterexamples."""

REMEDY = "`eqprop baseline add` writes it"
FIELDS = ("target", "pair", "property", "reason", "expires", "counterexample")


def today() -> date:
    """By the clock of Greenwich: a build expires everywhere at once."""
    return datetime.now(tz=UTC).date()


@dataclass(frozen=True)
class KnownFailure:
    """A cell that is known to fail. Plain data.

    Attributes:
        target: the address of the pair; empty for a Python object, as decorated tests have.
        pair: its name.
        property: the property's name.
        reason: why it may fail for now.
        expires: the last day of that, as ISO writes it; empty for no end.
        counterexample: its file.
    """

    target: str
    pair: str
    property: str
    reason: str
    expires: str
    counterexample: str

    @builtins.property
    def cell(self) -> tuple[str, str, str]:
        """What it is about."""
        return (self.target, self.pair, self.property)

    @builtins.property
    def expired(self) -> bool:
        """Whether its last day is over."""
        return bool(self.expires) and today() > date.fromisoformat(self.expires)

    @builtins.property
    def why(self) -> str:
        """The reason, with its end."""
        return f"{self.reason} (until {self.expires})" if self.expires else self.reason

    def __str__(self) -> str:
        return ": ".join(part for part in (*self.cell, self.why) if part)


def day(text: str, what: str) -> str:
    """A date as ISO writes it, if it is one.

    Raises:
        InvalidInput: otherwise.
    """
    try:
        return date.fromisoformat(text).isoformat()
    except (ValueError, TypeError) as error:
        msg = f"{what} is {short(text)}; expected a day such as 2027-01-31."
        raise InvalidInput(msg) from error


def baseline_in(path: Path) -> tuple[KnownFailure, ...]:
    """The known failures that a file holds; their counterexamples as paths that can be opened.

    Raises:
        InvalidInput: where it cannot be read, or what is in it is none.
    """
    known: Any = record_in(path, "the baseline", REMEDY).get("known")
    if not isinstance(known, list):
        msg = f"the baseline {str(path)!r} has known = {short(known)}; expected a list; {REMEDY}."
        raise InvalidInput(msg)
    every: list[Any] = known
    found = [_entry(entry, f"the baseline {str(path)!r}, entry {k}") for k, entry in enumerate(every, start=1)]
    return tuple(replace(e, counterexample=str(path.parent / e.counterexample)) for e in found)


def _entry(entry: Any, what: str) -> KnownFailure:
    whole = isinstance(entry, dict) and set(entry) == set(FIELDS)  # pyright: ignore[reportUnknownArgumentType]
    if not whole or not all(isinstance(value, str) for value in entry.values()):
        msg = f"{what} is {short(entry)}; expected texts for {', '.join(FIELDS)}; {REMEDY}."
        raise InvalidInput(msg)
    if not entry["reason"].strip():
        msg = f"{what} has no reason; expected why {entry['property']} of {entry['pair']} may fail for now."
        raise InvalidInput(msg)
    if entry["expires"]:
        day(entry["expires"], f"{what}: expires")
    return KnownFailure(**entry)


def write_baseline(path: Path, known: Iterable[KnownFailure]) -> None:
    """Write known failures, in the order of their cells, their counterexamples relative to the file.

    Raises:
        InvalidInput: where it cannot be written.
    """
    ordered = sorted(known, key=lambda entry: entry.cell)
    relative = [replace(e, counterexample=Path(e.counterexample).relative_to(path.parent).as_posix()) for e in ordered]
    written_to(path, text_of({"known": [asdict(entry) for entry in relative]}), "the baseline")
