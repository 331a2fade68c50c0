"""Failures that are known, and what is allowed to be inconclusive: the properties that are named must be there."""

from __future__ import annotations

from collections.abc import Iterable

from eqprop.arguments import suggestion
from eqprop.errors import InvalidInput
from eqprop.properties import KNOWN, Property
from eqprop.properties.optimizers import CHARGE, STEP, TRAJECTORY


def check_known_names(known: Iterable[str], asked: Iterable[Property], what: str) -> None:
    """Known failures are of properties that there are: a misspelt one would expect nothing of anything.

    Args:
        known: the names of the properties.
        asked: the properties of the run.
        what: where they are named, as a message begins: ``"pair 'p': known_failures"``.

    Raises:
        InvalidInput: for a name of no property, with the closest ones.
    """
    names = {*(prop.name for prop in (*KNOWN, *asked)), STEP, TRAJECTORY, CHARGE}
    for name in known:
        if name not in names:
            hint = suggestion(name.rpartition("::")[2], names, otherwise="`eqprop list` shows the properties.")
            msg = f"{what} names {name!r}, which is no property. {hint}"
            raise InvalidInput(msg)
