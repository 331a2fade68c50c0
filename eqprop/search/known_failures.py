"""Failures that are known: what names them must be there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from eqprop.arguments import suggestion
from eqprop.errors import InvalidInput
from eqprop.properties import KNOWN, Property
from eqprop.properties.optimizers import CHARGE, STEP, TRAJECTORY


def check_known_names(known: Mapping[str, str], asked: Iterable[Property], what: str) -> None:
    """Known failures are of properties that there are: a misspelt one would expect nothing of anything.

    Args:
        known: property → reason.
        asked: the properties of the run.
        what: whose known failures they are, as a message begins.

    Raises:
        InvalidInput: for a name of no property, with the closest ones.
    """
    names = {*(prop.name for prop in (*KNOWN, *asked)), STEP, TRAJECTORY, CHARGE}
    for name in known:
        if name not in names:
            hint = suggestion(name.rpartition("::")[2], names, otherwise="`eqprop list` shows the properties.")
            msg = f"{what}: known_failures names {name!r}, which is no property. {hint}"
            raise InvalidInput(msg)
