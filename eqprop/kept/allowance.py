"""Which share of a cell's probes may settle nothing, and why: where kinks, say, are what a model is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from eqprop.arguments import got, is_finite, mapping_of, short
from eqprop.errors import InvalidInput


class Allowance(NamedTuple):
    """What is allowed to one cell.

    Attributes:
        share: of its probes, above 0 and below 1. At least one must settle something, whatever the share.
        reason: why.
    """

    share: float
    reason: str


EXPECTED = "expected the share of its probes that may settle nothing, above 0 and below 1, and why: (0.5, 'why')"


def allowances_in(given: object, what: str) -> dict[str, Allowance]:
    """Allowances by the name of what they are of, if they are some.

    Args:
        given: name → ``(share, reason)``, or a mapping with both as a file has it.
        what: they are of, as a message begins.

    Raises:
        InvalidInput: for what is no mapping, a share out of range, or a reason that is none.
    """
    every = mapping_of(given, "{'noether': (0.5, 'why')}", what)
    return {str(name): _allowance(value, f"{what}[{name!r}]") for name, value in every.items()}


def _allowance(value: Any, what: str) -> Allowance:
    if isinstance(value, Mapping) and set(value) == {*Allowance._fields}:
        value = (value["share"], value["reason"])
    if not isinstance(value, tuple | list) or len(value) != 2:  # pyright: ignore[reportUnknownArgumentType]
        msg = f"{what} is {got(value)}; {EXPECTED}."
        raise InvalidInput(msg)
    share: Any = value[0]
    reason: Any = value[1]
    if isinstance(share, bool) or not is_finite(share) or not 0 < share < 1:
        msg = f"{what}: share is {short(share)}; {EXPECTED}."
        raise InvalidInput(msg)
    if not isinstance(reason, str) or not reason.strip():
        msg = f"{what}: reason is {short(reason)}; {EXPECTED}."
        raise InvalidInput(msg)
    return Allowance(float(share), reason)
