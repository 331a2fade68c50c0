"""Whether a process of ours ends with what it is doing."""

from __future__ import annotations

from threading import Event

_LAST = Event()


def end_with_this() -> None:
    """Say that this process ends with what it is about to do: nobody needs to tidy up behind it."""
    _LAST.set()


def ends_with_this() -> bool:
    """Whether that was said."""
    return _LAST.is_set()
