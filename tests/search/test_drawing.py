"""What is drawn follows from the seed and the strategy, whatever else is imported."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers

import eqprop
from eqprop import groups
from eqprop.profiles import PROFILES
from eqprop.search import drive
from eqprop.search.constants import COLLECTOR, constants_of_modules_left_out
from eqprop.search.drawing import Drawn, Enough, Minimal

MOST = 10**6


def imported(folder: Path, monkeypatch, numbers: range) -> None:
    """A module of somebody's project that has nothing to do with the model; each test has numbers of its own."""
    name = f"numbers_from_{numbers.start}"
    lines = "\n".join(f"NUMBER_{n} = {n}" for n in numbers)
    (folder / f"{name}.py").write_text(lines, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    importlib.import_module(name)


def plain() -> eqprop.Pair:
    model = eqprop.Model(lambda p, x: x @ p, np.ones((2, 1)), np.ones((1, 2)), name="plain", trained=False)
    return eqprop.Pair(model, eqprop.Transformation(groups.Scaling(1), lambda c, p: p, name="rest"))


def drawn() -> list[int]:
    """Sizes of the architectures that a search comes across."""
    found, pair = list[int](), plain()
    sizes = st.integers(0, MOST).map(lambda n: found.append(n) or pair)
    profile = replace(PROFILES["gate"], examples=400)
    drive(sizes, lambda _: False, profile, Phase.generate, number=0, digest="plain")
    return found


def drawn_by_hypothesis() -> list[int]:
    found: list[int] = []

    @seed(0)
    @settings(database=None, max_examples=300)
    @given(st.integers(0, MOST))
    def seen(n: int) -> None:
        found.append(n)

    seen()
    return found


def test_a_module_that_is_imported_changes_nothing_of_what_is_drawn(tmp_path, monkeypatch):
    before = drawn()
    imported(tmp_path, monkeypatch, range(1000, 1400))
    assert drawn() == before


def test_a_hypothesis_test_of_ones_own_still_draws_its_constants(tmp_path, monkeypatch):
    numbers = range(2000, 2400)
    imported(tmp_path, monkeypatch, numbers)
    drawn()
    assert {*drawn_by_hypothesis()} & {*numbers}


def test_a_release_of_hypothesis_that_collects_no_constants_is_left_as_it_is(monkeypatch):
    monkeypatch.delattr(providers, COLLECTOR)
    with constants_of_modules_left_out():
        assert not hasattr(providers, COLLECTOR)


def test_a_body_that_has_nothing_more_to_ask_ends_the_search():
    asked: list[int] = []

    def third_is_enough(structure: Drawn) -> bool:
        asked.append(structure.seed)
        if len(asked) == 3:
            raise Enough
        return False

    pairs = st.integers(0, MOST).map(lambda _: plain())
    assert drive(pairs, third_is_enough, PROFILES["gate"], Phase.generate, number=0, digest="plain") is None
    assert len(asked) == 3


def test_nothing_is_built_to_recall_what_nobody_remembers(tmp_path, monkeypatch):
    monkeypatch.setenv("EQPROP_DATABASE", str(tmp_path))
    pairs = st.integers(0, MOST).map(lambda _: plain())

    def search(*phases: Phase) -> Minimal | None:
        return drive(pairs, lambda _: True, PROFILES["gate"], *phases, number=0, digest="plain")

    with monkeypatch.context() as patch:
        patch.setattr("eqprop.search.drawing.structures", lambda _: pytest.fail("a search is made"))
        assert search(Phase.reuse) is None
    assert search(Phase.generate, Phase.shrink) is not None
    assert search(Phase.reuse) is not None
