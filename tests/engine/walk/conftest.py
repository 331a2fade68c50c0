"""How many cases each test draws."""

from __future__ import annotations

import pytest

FEW, MANY = 3, 60


@pytest.fixture(params=[FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=["few", "many"])
def examples(request) -> int:
    """A few, or as many as show that more would find nothing."""
    return request.param
