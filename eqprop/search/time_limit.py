"""How long a search may take."""

from __future__ import annotations

import time
from collections.abc import Callable

from eqprop.engine import OutOfTime, expect_time_left, until


class TimeLimit:
    """The end of a search that may take so long, which begins now.

    Args:
        seconds: how long; infinity where there is no end.

    Attributes:
        passed: why not all was judged that was to be; empty as long as there is time.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self.passed = ""

    def within(self, step: Callable[[], None]) -> bool:
        """Do something as long as there is time; whether it was done.

        Args:
            step: what; it ends inside of a walk, where it takes too long.
        """
        try:
            with until(self._end):
                expect_time_left()
                step()
        except OutOfTime:
            self.passed = f"out of time: the search was to end after {self._seconds:g} s"
        return not self.passed
