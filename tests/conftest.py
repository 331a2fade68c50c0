"""Strict numerics for every test: an array that broadcasts into a higher rank by accident is an error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

# For examples/ and benchmarks/, which are not installed. Behind everything that is: the checkout's eqprop/ lacks the
# strategies and the catalog that the installed one has.
sys.path.append(str(Path(__file__).resolve().parents[1]))

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def float64() -> Iterator[None]:
    """JAX in float64 for the length of one test."""
    with jax.enable_x64(True):
        yield
