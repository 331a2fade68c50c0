"""A moment after which walks end: a loop of a model may go on for minutes, and nobody else can end it."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

_until: ContextVar[float] = ContextVar("eqprop_until", default=math.inf)


class OutOfTime(BaseException):
    """The moment has passed. No ``Exception``: it is nothing that a model raised, and who catches that lets it pass."""

    def __init__(self) -> None:
        super().__init__("out of time")


@contextmanager
def until(moment: float) -> Generator[None]:
    """Have walks end at a moment, by ``time.monotonic``.

    Args:
        moment: when; infinity for never.

    Raises:
        OutOfTime: inside, from the walk that was not done by then.
    """
    token = _until.set(moment)
    try:
        yield
    finally:
        _until.reset(token)


def seconds_left() -> float | None:
    """How many there are; None without end."""
    moment = _until.get()
    return None if moment == math.inf else max(moment - time.monotonic(), 0.0)


def expect_time_left() -> None:
    """Go on, or not.

    Raises:
        OutOfTime: where the moment has passed.
    """
    moment = _until.get()
    if moment < math.inf and time.monotonic() > moment:
        raise OutOfTime
