"""Batches that another process judges: the verdicts are those of one process, whenever it answers, or whether."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from hypothesis import strategies as st

import eqprop
from eqprop import groups
from eqprop.profiles import PROFILES
from eqprop.properties import by_name
from eqprop.results import Outcome, Verdict
from eqprop.search import Ask, HelperGone, Judge, Options, SearchTask, Told, ahead, search

NAMES = ("equivariance", "noether", "derivative", "charge-drift", "hessian-integral")
OPTIONS = Options(
    replace(PROFILES["gate"], name="small", examples=8, probes=8, costly_probes=4),
    properties=tuple(map(by_name, NAMES)),
    save=None,
)


def net(act: Any = jax.nn.relu) -> eqprop.Pair:
    params = {"w": jnp.ones((2, 3)), "a": jnp.ones((3, 2))}
    model = eqprop.Model(lambda p, x: act(x @ p["w"]) @ p["a"], params, jnp.ones((2, 2)), name="net")
    return eqprop.Pair(model, eqprop.hidden_units(groups.Scaling(3), writes={"w": 1}, reads={"a": 0}, name="units"))


def task_of(pair: eqprop.Pair) -> SearchTask:
    return SearchTask(pair.name, st.just(pair))


class Answering:
    """Judges in this process what it is asked, and answers when it is told to.

    Args:
        task: of the search.
        late: whether it answers only who waits.
        lasts: after how many answers it is gone.
        declines: whether it leaves everything to who asks.
    """

    def __init__(self, task: SearchTask, *, late: bool = False, lasts: int = 1000, declines: bool = False) -> None:
        self._judge = Judge(task, OPTIONS)
        self._asked: deque[tuple[Ask, bool]] = deque()
        self._late, self._lasts, self._declines = late, lasts, declines
        self.answered: list[Ask] = []
        self.stopped = False

    def ask(self, asks: Sequence[Ask], *, reverse_only: bool) -> None:
        self._asked.extend((ask, reverse_only) for ask in asks)

    def answers(self, *, wait: bool) -> list[tuple[Ask, Told | None]]:
        if len(self.answered) >= self._lasts:
            raise HelperGone
        if not self._asked or (self._late and not wait):
            return []
        ask, reverse_only = self._asked.popleft()
        self.answered.append(ask)
        return [(ask, None if self._declines else self._judge.told(ask, reverse_only=reverse_only))]

    def stop(self) -> None:
        self.stopped = True


def verdicts(pair: eqprop.Pair, helper: Answering | None = None, options: Options = OPTIONS) -> list[Verdict]:
    """Those of a search that remembers nothing."""
    with TemporaryDirectory() as empty, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", empty)
        return [replace(verdict, seconds=0.0) for verdict in search(task_of(pair), options, helper=helper)]


@pytest.mark.parametrize("how", [{}, {"late": True}, {"lasts": 2}, {"lasts": 0}, {"declines": True}], ids=str)
def test_the_verdicts_are_those_of_one_process(how):
    pair = net()
    helper = Answering(task_of(pair), **how)
    assert repr(verdicts(pair, helper)) == repr(verdicts(pair))
    assert len(helper.answered) == how.get("lasts", len(helper.answered))


def test_what_is_costly_is_given_away_and_so_are_the_programs_that_come_last():
    pair = net()
    helper = Answering(task_of(pair))
    assert all(verdict.outcome is Outcome.HOLDS for verdict in verdicts(pair, helper))
    names = [ask.names for ask in helper.answered]
    assert names[:2] == [("charge-drift",), ("hessian-integral",)]
    assert ("equivariance", "noether", "derivative") in names[2:]
    assert len(set(helper.answered)) == len(helper.answered)
    assert helper.stopped


@jax.custom_vjp
def steeper(x):
    return jax.nn.relu(x)


steeper.defvjp(lambda x: (jax.nn.relu(x), x), lambda x, g: (1.5 * g * (x > 0),))


def test_who_helps_is_let_go_once_something_is_falsified():
    pair = net(steeper)
    helper = Answering(task_of(pair), late=True)
    alone = verdicts(pair)
    assert any(verdict.outcome is Outcome.FALSIFIED for verdict in alone)
    assert repr(verdicts(pair, helper)) == repr(alone)
    assert helper.answered == []
    assert helper.stopped


def known_elsewhere(monkeypatch, changed):
    """Have the other process find this one by its name."""
    monkeypatch.setattr(ahead, "by_name", lambda name: changed if name == changed.name else by_name(name))


def test_what_another_process_finds_violated_is_judged_shrunk_and_told_here(monkeypatch):
    costly = by_name("hessian-integral")

    def doubled(point):
        return tuple(replace(one, rhs=[2 * leaf for leaf in one.rhs]) for one in costly.sides(point))

    wrong = replace(costly, sides=doubled)
    known_elsewhere(monkeypatch, wrong)
    options = replace(OPTIONS, properties=(*OPTIONS.properties[:-1], wrong))
    pair = net()
    helper = Answering(task_of(pair))
    alone, helped = (verdicts(pair, one, options)[-1] for one in (None, helper))
    assert helped.outcome is Outcome.FALSIFIED
    assert repr(helped) == repr(alone)
    assert (costly.name,) in [ask.names for ask in helper.answered]


def test_of_what_is_drawn_nothing_is_foreseen():
    pairs = st.builds(net)  # another pair each time
    helper = Answering(task_of(net()))
    found = search(SearchTask("nets", pairs), OPTIONS, helper=helper)
    assert all(verdict.outcome is Outcome.HOLDS for verdict in found)
    assert helper.answered == []
    assert helper.stopped


def test_where_a_failure_is_known_nothing_is_foreseen():
    pair = net().replaced(known_failures={"noether": "ticket 7"})
    helper = Answering(task_of(pair))
    search(task_of(pair), OPTIONS, helper=helper)
    assert helper.answered == []


def test_what_raises_when_it_is_judged_early_is_said_in_its_turn(monkeypatch):
    noether, first = by_name("noether"), set[str]()

    def refusing(point):
        first.update([] if first else [point._loss.name])
        if point._loss.name not in first:
            message = f"no {point._loss.name} here"
            raise ValueError(message)
        return noether.sides(point)

    pair = net()
    wrong = replace(noether, sides=refusing)
    known_elsewhere(monkeypatch, wrong)
    options = replace(OPTIONS, properties=(by_name("equivariance"), wrong, by_name("charge-drift")))
    alone, helped = (verdicts(pair, one, options) for one in (None, Answering(task_of(pair), late=True)))
    assert helped[1].outcome is Outcome.ERROR
    assert repr(helped) == repr(alone)
