"""What is drawn follows from the seed and the strategy, whatever else is imported."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st

import eqprop
from eqprop import groups
from eqprop.profiles import PROFILES
from eqprop.search import drive

CONSTANTS = "\n".join(f"NUMBER_{n} = {n}" for n in range(1000, 1400))
"""A module of somebody's project that has nothing to do with the model."""


def imported(folder: Path, monkeypatch) -> None:
    (folder / "numbers_of_a_project.py").write_text(CONSTANTS, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    __import__("numbers_of_a_project")


def drawn() -> list[int]:
    """Sizes of the architectures that a search comes across."""
    model = eqprop.Model(lambda p, x: x @ p, np.ones((2, 1)), np.ones((1, 2)), name="plain", trained=False)
    pair = eqprop.Pair(model, eqprop.Transformation(groups.Scaling(1), lambda c, p: p, name="rest"))
    found: list[int] = []
    sizes = st.integers(0, 10**6).map(lambda n: found.append(n) or pair)
    profile = replace(PROFILES["gate"], examples=400)
    drive(sizes, lambda _: False, profile, Phase.generate, number=0, digest="plain")
    return found


def drawn_by_hypothesis() -> list[int]:
    found: list[int] = []

    @seed(0)
    @settings(database=None, max_examples=300)
    @given(st.integers(0, 10**6))
    def seen(n: int) -> None:
        found.append(n)

    seen()
    return found


def test_a_module_that_is_imported_changes_nothing_of_what_is_drawn(tmp_path, monkeypatch):
    before = drawn()
    imported(tmp_path, monkeypatch)
    assert drawn() == before


def test_a_hypothesis_test_of_ones_own_still_draws_its_constants(tmp_path, monkeypatch):
    imported(tmp_path, monkeypatch)
    drawn()
    assert {*drawn_by_hypothesis()} & {*range(1000, 1400)}
