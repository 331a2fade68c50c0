"""Networks here are written as users write them, with biases that are added to batches."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture(autouse=True)
def as_users_write() -> Iterator[None]:
    """Ranks are promoted as they are by default."""
    with jax.numpy_rank_promotion("allow"):
        yield
