"""XLA is asked to hurry where it knows how, and where nobody asked for something else."""

from __future__ import annotations

import os
from typing import Any

import jax
import pytest

from tests import compiling

LEVEL = "xla_backend_optimization_level"


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A process that has asked XLA for nothing yet; what it asks for is forgotten afterwards."""
    monkeypatch.setenv(compiling.VARIABLE, "")
    monkeypatch.delenv(compiling.VARIABLE)
    return monkeypatch


def test_xla_is_asked_for_the_options_that_it_knows_and_for_no_others(flags):
    flags.setattr(compiling, "OPTIONS", (("xla_nonesuch", True, False), (LEVEL, 0, 3)))
    compiling.hurry()
    assert os.environ[compiling.VARIABLE] == "--xla_backend_optimization_level=0"


def test_what_a_user_asks_for_stays(flags):
    flags.setenv(compiling.VARIABLE, "--xla_backend_optimization_level=1")
    compiling.hurry()
    assert os.environ[compiling.VARIABLE] == "--xla_backend_optimization_level=1"


@pytest.mark.parametrize(("named", "level"), [(None, 3), ({LEVEL: 1}, 1)], ids=["no", "some"])
def test_a_program_that_names_no_options_is_compiled_as_xla_does_unasked(monkeypatch, named, level):
    asked: list[Any] = []
    monkeypatch.setattr(
        jax.stages.Lowered, "compile", lambda self, compiler_options=None: asked.append(compiler_options)
    )
    compiling.unasked(monkeypatch)
    jax.jit(lambda: 0).lower().compile(named)
    assert asked[-1][LEVEL] == level
