"""A worker of xdist that is killed loses no cell: what it was at is an error in every report."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import cast

import pytest
from xdist.remote import Producer
from xdist.workermanage import WorkerController

from eqprop.faces.plugin_records import merged
from eqprop.faces.scheduling import ByPair
from eqprop.results import Outcome, code_of

NETS = """
import os
import signal

import jax.numpy as jnp

import eqprop
from eqprop import groups

PARAMS = {"a": jnp.ones((2, 3)), "b": jnp.ones((3, 1))}


def apply(params, x):
    return jnp.maximum(x @ params["a"], 0) @ params["b"]


def dying(params, x):
    if os.environ.get("PYTEST_XDIST_WORKER"):
        os.kill(os.getpid(), signal.SIGKILL)
    return apply(params, x)


def pairs():
    units = eqprop.hidden_units(groups.Scaling(3), writes={"a": 1}, reads={"b": 0})
    nets = {"one": apply, "two": apply, "dies": dying, "last": apply}
    return [eqprop.Pair(eqprop.Model(net, PARAMS, jnp.ones((2, 2))), units, name=name) for name, net in nets.items()]
"""


class Worker:
    """What a scheduler knows of a worker, and what it was told."""

    def __init__(self) -> None:
        self.gateway = SimpleNamespace(id="")
        self.given: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, tests: list[int]) -> None:
        self.given += tests

    def shutdown(self) -> None:
        self.shutting_down = True


class Crash:
    """As xdist reports a test with which a worker died."""

    when = "???"
    longrepr = "worker 'gw0' crashed while running"

    def __init__(self, nodeid: str) -> None:
        self.nodeid = nodeid


def test_the_cell_that_a_worker_died_with_is_an_error_with_its_code():
    (cell,) = merged([Crash("eqprop::my net::noether")])
    assert (cell.target, cell.verdict.cell, cell.verdict.outcome) == ("", ("my net", "noether"), Outcome.ERROR)
    assert code_of(cell.verdict) == "EQ402"


def test_a_test_of_somebody_else_that_dies_is_no_cell():
    assert merged([Crash("tests/test_other.py::test_it[a::b]")]) == ()


def test_the_next_worker_gets_what_is_left_but_not_what_the_last_one_died_with_and_hears_that_it_is_all():
    asked = SimpleNamespace(getvalue={"tx": ["2*popen"]}.get, option=SimpleNamespace(loadscopereorder=False))
    config = cast("pytest.Config", asked)
    scheduler, dead, other, replacing = ByPair(config, Producer("")), Worker(), Worker(), Worker()
    collected = ["eqprop::p::1", "eqprop::p::2", "eqprop::q::1"]
    for worker in (dead, other):
        scheduler.add_node(cast("WorkerController", worker))
        scheduler.add_node_collection(cast("WorkerController", worker), collected)
    scheduler.schedule()
    assert (dead.given, other.given) == ([0, 1], [2])
    assert scheduler.remove_node(cast("WorkerController", dead)) == "eqprop::p::1"
    scheduler.add_node(cast("WorkerController", replacing))
    scheduler.add_node_collection(cast("WorkerController", replacing), collected)
    scheduler.schedule()
    assert (replacing.given, replacing.shutting_down) == ([1], True)


@pytest.mark.slow
def test_a_run_whose_worker_is_killed_ends_with_the_other_cells(tmp_path):
    (tmp_path / "nets.py").write_text(NETS, encoding="utf-8")
    options = "-n 2 -p no:cacheprovider --eqprop nets:pairs --eqprop-property equivariance --eqprop-max-architectures 1"
    command = [sys.executable, "-m", "pytest", *options.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert "1 failed, 3 passed" in done.stdout
    assert "crashed while running 'eqprop::dies::equivariance'" in done.stdout
