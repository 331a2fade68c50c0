"""A second process that is started before anything is imported: it helps, and runs nothing before it ran here."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from importlib import import_module
from textwrap import dedent

import pytest

import eqprop
from eqprop.faces import early
from eqprop.faces.early import started_early
from eqprop.runs import beside, make_options, run_tasks
from eqprop.runs.targets import resolve

LIBRARY = """
    import os
    from pathlib import Path

    with Path(__file__).with_suffix(".log").open("a") as log:
        log.write(f"{os.getpid()}\\n")
"""

NETS = """
    import early_library
    import jax
    import jax.numpy as jnp

    import eqprop
    from eqprop import groups

    params = {"w": jnp.ones((2, 3)), "a": jnp.ones((3, 2))}
    model = eqprop.Model(lambda p, x: jax.nn.relu(x @ p["w"]) @ p["a"], params, jnp.ones((2, 2)), name="net")
    pair = eqprop.Pair(model, eqprop.hidden_units(groups.Scaling(3), writes={"w": 1}, reads={"a": 0}))
"""

OPTIONS = replace(
    make_options(properties=["equivariance", "noether", "charge-drift"]),
    profile=replace(eqprop.profiles.PROFILES["gate"], examples=8, probes=8),
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "early_library.py").write_text(dedent(LIBRARY))
    (tmp_path / "early_nets.py").write_text(dedent(NETS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("early_library", "early_nets"):
        sys.modules.pop(name, None)


def verdicts(**how) -> str:
    return repr([replace(v, seconds=0.0) for v in run_tasks(resolve("early_nets:pair"), OPTIONS, **how).verdicts])


def test_it_helps_and_the_verdicts_are_those_of_one_process(folder, monkeypatch):
    heard, answers = [], beside.Beside.answers
    monkeypatch.setattr(beside.Beside, "answers", lambda *a, **k: heard.append(answers(*a, **k)) or heard[-1])
    alone = verdicts()
    with started_early() as process:
        assert verdicts(jobs=2, early=process) == alone
    assert any(heard)
    assert process.process.exitcode is not None


def test_libraries_are_imported_there_as_they_are_here_and_nothing_else(folder, monkeypatch):
    monkeypatch.setattr(early, "LIBRARIES", {"early_library"})
    (folder / "early_own.py").write_text(dedent(LIBRARY))
    with started_early() as process:
        import_module("early_library")
        import_module("early_own")
        process.pipe.send("json")
        process.pipe.send(("early_nowhere:pair", "net", replace(OPTIONS, properties=()), ()))  # it ends then
        process.process.join(60)
    assert len((folder / "early_library.log").read_text().split()) == 2
    assert (folder / "early_own.log").read_text().split() == [str(os.getpid())]


@pytest.mark.parametrize("how", [{"jobs": 1}, {"jobs": 2}])
def test_where_nobody_is_to_help_it_is_ended_before_anything_is_searched(folder, how, monkeypatch):
    codes = []
    plain = replace(OPTIONS, properties=OPTIONS.properties[:2])  # nothing costly
    with started_early() as process:
        tasks = resolve("early_nets:pair")
        run_tasks(tasks, plain, lambda _: codes.append(process.process.exitcode), early=process, **how)
    assert codes
    assert None not in codes


def test_modules_are_found_as_before_afterwards(folder):
    finders = list(sys.meta_path)
    with started_early():
        pass
    assert sys.meta_path == finders


def test_finders_that_are_replaced_meanwhile_stay_so(folder, monkeypatch):
    finders = list(sys.meta_path)
    with started_early() as process:
        monkeypatch.setattr(sys, "meta_path", finders)
    assert sys.meta_path is finders
    assert process.process.exitcode is not None
