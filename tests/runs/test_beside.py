"""A second process that helps with a single pair: the same verdicts, whether it lives or dies."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from multiprocessing import Pipe
from textwrap import dedent
from types import SimpleNamespace

import pytest

import eqprop
from eqprop.engine import OutOfTime, until
from eqprop.runs import beside, make_options, run_tasks
from eqprop.runs.targets import resolve

NETS = """
    import os
    from multiprocessing import parent_process

    import jax
    import jax.numpy as jnp

    import eqprop
    from eqprop import groups

    def dying(x):
        if parent_process() is not None:
            os._exit(9)
        return jax.nn.relu(x)

    def net(act, name):
        params = {"w": jnp.ones((2, 3)), "a": jnp.ones((3, 2))}
        model = eqprop.Model(lambda p, x: act(x @ p["w"]) @ p["a"], params, jnp.ones((2, 2)), name=name)
        return eqprop.Pair(model, eqprop.hidden_units(groups.Scaling(3), writes={"w": 1}, reads={"a": 0}))

    sound = net(jax.nn.relu, "sound")
    dies = net(dying, "dies")
"""

OPTIONS = replace(
    make_options(properties=["equivariance", "noether", "charge-drift"]),
    profile=replace(eqprop.profiles.PROFILES["gate"], examples=8, probes=8),
)


@pytest.fixture
def nets(tmp_path, monkeypatch):
    (tmp_path / "beside_nets.py").write_text(dedent(NETS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("beside_nets", None)


@pytest.fixture
def heard(monkeypatch):
    """What is heard of the other process."""
    found = []
    answers = beside.Beside.answers

    def noted(self, *, wait):
        told = answers(self, wait=wait)
        found.extend(told)
        return told

    monkeypatch.setattr(beside.Beside, "answers", noted)
    return found


def verdicts(target: str, jobs: int) -> str:
    return repr([replace(v, seconds=0.0) for v in run_tasks(resolve(target), OPTIONS, jobs=jobs).verdicts])


@pytest.mark.parametrize("name", ["sound", "dies"])
def test_a_second_process_does_not_change_the_verdicts(name, nets, heard):
    alone = verdicts(f"beside_nets:{name}", 1)
    assert heard == []
    assert verdicts(f"beside_nets:{name}", 2) == alone
    assert bool(heard) == (name == "sound")
    assert all(told is not None for _, told in heard)


def test_a_target_that_another_process_cannot_import_is_judged_here(nets, heard, tmp_path, capfd):
    only_here = "from multiprocessing import parent_process\nif parent_process() is not None:\n    1 // 0\n"
    (tmp_path / "beside_nets.py").write_text(only_here + dedent(NETS))
    assert verdicts("beside_nets:sound", 2) == verdicts("beside_nets:sound", 1)
    assert heard == []
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("properties", [["equivariance"], ["noether", "derivative"]])
def test_nobody_is_asked_to_help_with_what_takes_no_time(properties, nets):
    (task,) = resolve("beside_nets:sound")
    with beside.helper_of(task, make_options(properties=properties)) as helper:
        assert helper is None


def test_nobody_is_asked_to_help_with_what_draws_another_pair_each_time():
    (task,) = resolve("relu-rescaling")
    with beside.helper_of(task, OPTIONS) as helper:
        assert helper is None


def test_who_waits_for_a_second_process_waits_no_longer_than_there_is_time():
    here, _there = Pipe()
    task = SimpleNamespace(address="nowhere:pair", name="pair")
    helper = beside.Beside(SimpleNamespace(pipe=here), task, OPTIONS)
    with until(time.monotonic() + 0.05), pytest.raises(OutOfTime, match="out of time"):
        helper.answers(wait=True)
