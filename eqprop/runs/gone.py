"""Targets that name nothing: a mistake, but where a ledger has them; then it is their cells that are missing."""

from __future__ import annotations

from eqprop.errors import InvalidInput


class Gone(InvalidInput):
    """A target that names nothing: its module or its attribute is not there, or has no pair."""


class Empty(Gone):
    """A target that is there, and has no pair."""


def raised(_target: str, error: Gone) -> None:
    """What is done about a target that is gone where no ledger has it."""
    raise error
