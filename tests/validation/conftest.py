"""Places in the user's code are said as they are seen from the current folder."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder is the one that the tests are in."""
    monkeypatch.chdir(Path(__file__).parents[2])
