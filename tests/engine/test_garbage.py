"""Python's collector: kept from what lives on, and nothing is left uncollected."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Generator

import pytest

from eqprop.engine import garbage, garbage_kept, separated_caches


@pytest.fixture
def unfrozen() -> Generator[None]:
    """Frozen is what tests/conftest.py has frozen."""
    gc.unfreeze()
    yield
    gc.collect()
    gc.freeze()


@pytest.mark.usefixtures("unfrozen")
def test_what_was_there_before_is_frozen_inside_and_not_afterwards():
    with separated_caches("float64"):
        frozen = gc.get_freeze_count()
        with separated_caches("float64"):
            assert gc.get_freeze_count() == frozen > 10_000
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("unfrozen")
def test_what_somebody_has_frozen_stays_frozen():
    gc.freeze()
    with separated_caches("float64"):
        pass
    assert gc.get_freeze_count() > 10_000


@pytest.mark.parametrize(("before", "inside"), [(700, 7_000), (100_000, 100_000), (0, 0)])
def test_garbage_is_looked_for_less_often_inside_and_as_before_afterwards(before, inside):
    young, *older = gc.get_threshold()
    try:
        gc.set_threshold(before, *older)
        with separated_caches("float64"):
            assert gc.get_threshold() == (inside, *older)
        assert gc.get_threshold() == (before, *older)
    finally:
        gc.set_threshold(young, *older)


def programs(count: int) -> list[list[list[int]]]:
    """What is made while garbage is kept: so many programs of 1,000 objects."""
    made: list[list[list[int]]] = []
    for _ in range(count):
        with garbage_kept():
            made.append([[] for _ in range(1000)])
    return made


@pytest.mark.usefixtures("unfrozen")
def test_many_programs_are_frozen_and_few_are_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(garbage, "MANY", 10_000)
    with separated_caches("float64"):
        former = gc.get_freeze_count()
        few = programs(5)
        assert gc.get_freeze_count() <= former
        many = programs(15)
        assert gc.get_freeze_count() > former + 10_000
    assert gc.get_freeze_count() == 0
    assert len(few) + len(many) == 20


class Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.mark.usefixtures("unfrozen")
def test_garbage_that_was_frozen_goes_after_still_more_programs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(garbage, "MANY", 0)
    monkeypatch.setattr(garbage, "ALL", 20_000)
    with separated_caches("float64"):
        with garbage_kept():
            gone = weakref.ref(Cycle())
        gc.collect()
        assert gone() is not None
        programs(40)
        assert gone() is None


@pytest.mark.usefixtures("unfrozen")
def test_garbage_that_was_frozen_goes_at_the_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(garbage, "MANY", 0)
    with separated_caches("float64"), garbage_kept():
        gone = weakref.ref(Cycle())
    assert gone() is None


@pytest.mark.usefixtures("unfrozen")
def test_nothing_is_looked_through_where_the_process_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(garbage, "ends_with_this", lambda: True)
    with separated_caches("float64"):
        former = gc.get_freeze_count()
        with garbage_kept():
            left = weakref.ref(Cycle())
        assert gc.get_freeze_count() > former
    assert left() is not None
    gc.unfreeze()


@pytest.mark.usefixtures("unfrozen")
def test_much_is_looked_through_even_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(garbage, "ends_with_this", lambda: True)
    monkeypatch.setattr(garbage, "ALL", 20_000)
    with separated_caches("float64"):
        with garbage_kept():
            gone = weakref.ref(Cycle())
        programs(40)
        assert gone() is None
    gc.unfreeze()
