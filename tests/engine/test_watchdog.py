"""What stands still is an error of its own that names the property; what is slow, or waits for a while, is not hit."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

import eqprop
from eqprop import groups
from eqprop.engine import attended, watchdog
from eqprop.errors import Stalled
from eqprop.profiles import PROFILES
from eqprop.properties import Point, Property, by_name
from eqprop.properties.parts import Sides
from eqprop.properties.traits import keeps_loss
from eqprop.search import Options, SearchTask, search


@pytest.fixture(autouse=True)
def _limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LIMIT", 1.0)
    monkeypatch.setattr(watchdog, "POLL", 0.2)


@pytest.fixture
def never() -> Iterator[Event]:
    """What is waited for in vain, until the test is over; a thread that Python meets when it exits may abort it."""
    event = Event()
    yield event
    event.set()
    for thread in threading.enumerate():
        if thread.name == "eqprop-program":
            thread.join()


def busy(seconds: float) -> str:
    start = time.process_time()
    while time.process_time() - start < seconds:
        sum(range(1000))
    return "done"


def test_a_call_that_stands_still_is_given_up_by_name(never: Event):
    start = time.monotonic()
    with pytest.raises(Stalled, match="the program of noether, equivariance stood still"):
        attended(never.wait, "noether, equivariance")()
    assert time.monotonic() - start < 30


def test_a_call_that_works_longer_than_the_limit_is_not_hit():
    assert attended(busy, "it")(2.0) == "done"


def test_a_call_that_others_keep_from_the_processor_is_not_hit(never: Event, monkeypatch: pytest.MonkeyPatch):
    """One of low priority on a busy machine may have next to no processor for minutes."""
    monkeypatch.setattr(watchdog, "in_queue", time.monotonic)
    assert attended(lambda: never.wait(2.5) or "done", "it")() == "done"


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="only Linux keeps this account")
def test_time_that_a_thread_waits_for_a_processor_is_counted():
    mine, before = os.sched_getaffinity(0), watchdog.in_queue()
    os.sched_setaffinity(0, {min(mine)})
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])  # on the same processor
    try:
        busy(0.3)
    finally:
        os.sched_setaffinity(0, mine)
        other.kill()
        other.wait()
    assert watchdog.in_queue() - before > 0.05


def test_a_call_that_waits_for_less_than_the_limit_is_not_hit():
    assert attended(lambda: time.sleep(0.5) or "done", "it")() == "done"


def test_a_call_raises_what_it_raises():
    def fail() -> None:
        msg = "of its own"
        raise TimeoutError(msg)

    with pytest.raises(TimeoutError, match="of its own"):
        attended(fail, "it")()


@pytest.mark.parametrize("wide", [False, True])
def test_a_call_runs_in_its_callers_precision(wide: bool):
    with jax.enable_x64(wide):
        found = attended(lambda x: jnp.asarray(x).dtype, "it")(np.ones(1))
    assert found == (np.float64 if wide else np.float32)


def waiting_for(never: Event, leaf: Any) -> Any:
    """The leaf, which never arrives."""

    def wait(x: Any) -> Any:
        never.wait()
        return x

    return jax.pure_callback(wait, jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), leaf, vmap_method="expand_dims")


def test_a_trial_call_of_a_model_that_stands_still_is_an_error(never: Event):
    params = {"w": np.ones((2, 2), np.float32)}
    model = eqprop.Model(lambda p, x: x @ waiting_for(never, p["w"]), params, np.ones((3, 2), np.float32), name="waits")
    pair = eqprop.Pair(model, eqprop.Transformation(groups.Scaling(1), lambda a, p: p, name="none"))
    (verdict,) = eqprop.run(pair, precision="model", properties=["equivariance"]).verdicts
    assert verdict.outcome.value == "error"
    assert "the program of model 'waits': apply(params, inputs) stood still" in verdict.reason


def test_what_a_transformation_is_like_is_an_error_where_it_stands_still(never: Event):
    loss = lambda y: jnp.sum(y) + waiting_for(never, jax.lax.stop_gradient(jnp.sum(y)))  # noqa: E731
    model = eqprop.Model(lambda p, x: x @ p["w"], {"w": np.ones((2, 2))}, np.ones((3, 2)), loss=loss)
    moved = eqprop.Transformation(groups.Permutation(2), lambda s, p: {"w": p["w"][:, s]}, lambda s, y: y[:, s])
    with pytest.raises(Stalled, match="the program of what transformation 'transformation' is like stood still"):
        keeps_loss(eqprop.Pair(model, moved))


def standing_still(prop: Property, never: Event) -> Property:
    """The property, but for a left side that never arrives."""

    def sides(point: Point) -> Sides:
        return tuple(replace(part, lhs=[waiting_for(never, leaf) for leaf in part.lhs]) for part in prop.sides(point))

    return replace(prop, name="stands-still", sides=sides)


def test_a_property_that_stands_still_takes_no_other_cell_down(never: Event):
    params = {"w": np.ones((2, 2), np.float32), "a": np.ones((2, 1), np.float32)}
    model = eqprop.Model(
        lambda p, x: jax.nn.relu(x @ p["w"]) @ p["a"], params, np.ones((3, 2), np.float32), name="waits"
    )
    pair = eqprop.Pair(model, eqprop.hidden_units(groups.Scaling(2), writes={"w": 1}, reads={"a": 0}))
    asked = (by_name("equivariance"), standing_still(by_name("jacobian-generator"), never))
    profile = PROFILES["gate"].budgeted(1, name="watched", examples=1)
    held, stood = search(SearchTask("waits", st.just(pair)), Options(profile, precision="model", properties=asked))
    assert (held.outcome.value, held.reason) == ("holds", "")
    assert stood.outcome.value == "error"
    assert "the program of stands-still stood still" in stood.reason
