"""Strict numerics for every test: an array that broadcasts into a higher rank by accident is an error."""

from __future__ import annotations

import gc
import itertools
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import install_import_hook

# For examples/ and benchmarks/, which are not installed. Behind everything that is: the checkout's eqprop/ lacks the
# strategies and the catalog that the installed one has.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from tests import compiling, shapes

compiling.hurry()
install_import_hook(list(shapes.ROOMS), "tests.shapes.checked")

import eqprop  # noqa: E402 - what it imports is to be checked
from eqprop import groups  # noqa: E402
from eqprop.evaluation.evaluators import Evaluators  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was imported stays: every search collects garbage, and looked through all of it each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)


_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _nothing_recalled(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Searches remember failures by the names of pairs, which tests share: each has an example database of its own."""
    storage = tmp_path_factory.getbasetemp() / "hypothesis" / str(next(_numbers))
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(storage))


@pytest.fixture
def float64() -> Iterator[None]:
    """JAX in float64 for the length of one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def absorbing() -> eqprop.Pair:
    """A correct pair whose program absorbs digits: wx, which loses its last ones in (wx + a) − a for a large a.

    Moving w by a unit in its last place moves nothing that the sum keeps, so that no perturbation shows the rounding.
    """

    def absorbed(p, x):
        large = 1e6 * jnp.cosh(p["a"])
        return (p["w"] * x + large) - large

    params, inputs = {"a": np.zeros(1), "w": np.ones(3)}, np.ones(3)
    source = eqprop.Model(absorbed, params, inputs, name="absorbing", trained=False)
    target = eqprop.Model(lambda p, x: p["w"] * x, params, inputs, name="plain", trained=False)
    permuted = eqprop.Transformation(
        groups.Permutation(3), lambda s, p: {**p, "w": p["w"][s]}, lambda s, y: y[s], on_inputs=lambda s, x: x[s]
    )
    return eqprop.Pair(source, permuted, target=target, name="absorbing")


@pytest.fixture
def disputing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler whose programs violate nothing."""

    compiled_alone = Evaluators.compiled_alone

    class Clearing:
        def __init__(self, compiled):
            self.compiled = compiled

        def measured(self, rows, copies, rng):
            found = self.compiled.measured(rows, copies, rng)
            return {name: replace(one, residual=0 * one.residual) for name, one in found.items()}

    monkeypatch.setattr(Evaluators, "compiled_alone", lambda *asked: Clearing(compiled_alone(*asked)))
