"""Runs: every expected cell is accounted for, whatever becomes of the search."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import replace
from textwrap import dedent

import jax
import pytest
from hypothesis import strategies as st

import eqprop
from eqprop.engine import persistent_cache
from eqprop.engine.cache import cache_folder
from eqprop.properties import LIBRARY
from eqprop.results import Outcome, PairName, Progress, PropertyName, Verdict
from eqprop.runs import Interrupted, make_options, run_tasks, single
from eqprop.runs.targets import resolve
from eqprop.search import SearchTask

OPTIONS = make_options(properties=["equivariance", "noether"])
SUBJECTS = [SearchTask(name, st.nothing()) for name in ("first", "second")]


def holding(task, options, on_progress, helper=None):
    verdicts = tuple(
        Verdict(PairName(task.name), PropertyName(p.name, p.order), Outcome.HOLDS) for p in options.properties
    )
    on_progress(Progress(task.name, "finished", verdicts=verdicts))
    return verdicts


@pytest.fixture
def searching(monkeypatch):
    """Replaces the search."""
    return lambda search: monkeypatch.setattr(single, "search", search)


def test_verdicts_come_in_the_order_of_subjects_and_of_the_library(searching):
    searching(holding)
    report = run_tasks(SUBJECTS, OPTIONS)
    cells = [verdict.cell for verdict in report.verdicts]
    assert cells == [(pair, name) for pair in ("first", "second") for name in ("equivariance", "noether")]
    assert report.ok


def test_a_cell_that_the_search_forgets_fails_the_run(searching):
    searching(lambda *args: holding(*args)[:1])
    report = run_tasks(SUBJECTS, OPTIONS)
    assert report.missing == (("first", "noether"), ("second", "noether"))
    assert report.exit_code == 1


def test_a_cell_that_a_ledger_has_and_no_task_fills_fails_the_run(searching):
    searching(holding)
    report = run_tasks(SUBJECTS, OPTIONS, kept={"first": ["noether"], "gone": ["noether"]})
    assert report.missing == (("gone", "noether"),)
    assert (report.verdicts[-1].property.order, report.exit_code) == (1, 1)


def test_a_model_that_calls_exit_is_an_error_of_its_pair_only(searching):
    searching(lambda s, *rest: sys.exit(3) if s.name == "first" else holding(s, *rest))
    outcomes = [verdict.outcome for verdict in run_tasks(SUBJECTS, OPTIONS).verdicts]
    assert outcomes == [Outcome.ERROR, Outcome.ERROR, Outcome.HOLDS, Outcome.HOLDS]


def test_ctrl_c_keeps_what_is_finished(searching):
    def interrupted(task, *rest):
        if task.name == "second":
            raise KeyboardInterrupt
        return holding(task, *rest)

    searching(interrupted)
    with pytest.raises(Interrupted, match=r"^$") as caught:
        run_tasks(SUBJECTS, OPTIONS)
    report = caught.value.report
    assert {v.pair.name for v in report.verdicts if v.outcome is not Outcome.MISSING} == {"first"}
    assert {pair for pair, _ in report.missing} == {"second"}
    told = {v.reason for v in report.verdicts if v.outcome is Outcome.MISSING}
    assert told == {"expected, and nothing verified it: the run was interrupted before"}


def test_run_reports_progress_of_every_pair(searching):
    searching(holding)
    heard = []
    run_tasks(SUBJECTS, OPTIONS, heard.append)
    assert [progress.pair for progress in heard] == ["first", "second"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"profile": "fast"}, "the profiles are: quick, gate, wide, explore, deep"),
        ({"seed": -1}, "the seed is -1; expected a whole number from 0"),
        ({"precision": "float8"}, "the precision is 'float8'; expected 'float64' or 'model'"),
        ({"properties": ["noethr"]}, r"no property is called 'noethr'. Did you mean noether\?"),
        ({"properties": []}, "properties is empty"),
        ({"max_architectures": 0}, "the number of architectures is 0"),
    ],
)
def test_options_that_cannot_be_used_are_explained(arguments, message):
    with pytest.raises(eqprop.InvalidInput, match=message):
        make_options(**arguments)


def test_properties_are_put_in_the_order_of_the_library():
    names = [p.name for p in make_options(properties=["noether", "equivariance"]).properties]
    assert names == ["equivariance", "noether"]


def test_a_property_from_outside_the_library_comes_last():
    own = replace(LIBRARY[0], name="own")
    assert [p.name for p in make_options(properties=[own, "noether"]).properties] == ["noether", "own"]


@pytest.mark.parametrize("ci", ["", "true"])
def test_the_given_seed_wins(ci, monkeypatch):
    monkeypatch.setenv("CI", ci)
    assert make_options(profile="explore", seed=7).seed == 7


def test_profiles_that_explore_draw_another_seed_each_time():
    assert len({make_options(profile="explore").seed for _ in range(5)}) > 1


NETS = """
    import os
    from multiprocessing import parent_process
    import numpy as np
    import eqprop
    from eqprop import groups

    def pair(name, apply):
        signs = eqprop.Transformation(groups.Sign(2), on_params=lambda s, p: s * p, on_outputs=lambda s, y: s * y)
        return eqprop.Pair(eqprop.Model(apply, np.ones(2), np.ones(2)), signs, name=name)

    def dies(p, x):
        if parent_process() is not None:
            os._exit(9)
        return x * p

    pairs = [pair("odd", lambda p, x: x * p), pair("even", lambda p, x: x * p * p), pair("dies", dies)]
    alive = pairs[:2]
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text(dedent(NETS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("nets", None)


QUICK = make_options(properties=["equivariance"], max_architectures=1)


def test_a_worker_that_dies_costs_its_own_pair_only(nets):
    report = run_tasks(resolve("nets:pairs"), QUICK, jobs=2)
    assert [str(v.outcome) for v in report.verdicts] == ["holds", "falsified", "error"]
    assert "ended with exit code 9" in report.verdicts[2].reason
    assert report.exit_code == 2


def test_the_number_of_jobs_does_not_change_the_verdicts(nets, tmp_path, monkeypatch):
    def verdicts(jobs: int) -> list[eqprop.Verdict]:
        monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(tmp_path / str(jobs)))  # what was falsified is recalled
        return [replace(v, seconds=0.0) for v in run_tasks(resolve("nets:alive"), QUICK, jobs=jobs).verdicts]

    assert verdicts(1) == verdicts(2)


def test_verify_raises_an_assertion_error_with_the_counterexample(nets):
    module = importlib.import_module("nets")
    with pytest.raises(eqprop.Falsified, match="Falsified: equivariance") as caught:
        eqprop.verify(module.pairs[1], properties=["equivariance"])
    assert issubclass(eqprop.Falsified, AssertionError)
    assert not caught.value.report.ok


def test_run_gives_a_report_of_a_falsified_pair(nets):
    module = importlib.import_module("nets")
    assert eqprop.run(module.pairs[1], properties=["equivariance"]).exit_code == 1


def test_verify_needs_something_to_verify():
    with pytest.raises(eqprop.InvalidInput, match="there is nothing to verify"):
        eqprop.verify()


# ---- the compilation cache -------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EQPROP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("EQPROP_CACHE", raising=False)
    return tmp_path / "cache"


def compile_something() -> None:
    jax.jit(lambda x: x * 3 + 1).lower(1.0).compile()


def test_programs_are_kept_and_the_configuration_of_jax_is_left_as_it_was(folder):
    before = dict(jax.config.values)
    with persistent_cache():
        compile_something()
    assert list(folder.glob("*-cache"))
    assert dict(jax.config.values) == before


def test_the_configuration_is_restored_after_an_exception(folder):
    before = dict(jax.config.values)
    with pytest.raises(ZeroDivisionError, match="division by zero"), persistent_cache():
        _ = 1 / 0
    assert dict(jax.config.values) == before


def test_nothing_is_kept_outside_the_block(folder):
    with persistent_cache():
        pass
    compile_something()
    assert not list(folder.glob("*-cache"))


def test_a_broken_entry_is_compiled_again(folder):
    with persistent_cache():
        compile_something()
    for path in folder.glob("*-cache"):
        path.write_bytes(b"broken")
    jax.clear_caches()
    with persistent_cache():
        compile_something()


def test_a_folder_that_cannot_be_written_to_loses_the_cache_and_is_told_once(folder, capsys):
    folder.write_text("a file, where a folder should be")
    for _ in range(2):
        with persistent_cache():
            compile_something()
    assert capsys.readouterr().err.count("compiled programs are not kept") == 1


def test_the_cache_can_be_switched_off(folder, monkeypatch):
    monkeypatch.setenv("EQPROP_CACHE", "off")
    assert cache_folder() is None


def test_a_cache_that_the_user_configured_is_used_as_it_is(folder, tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "own"))
    try:
        with persistent_cache():
            assert jax.config.values["jax_compilation_cache_dir"] == str(tmp_path / "own")
    finally:
        jax.config.update("jax_compilation_cache_dir", None)
    assert not folder.exists()


def test_the_oldest_programs_go_first(folder, monkeypatch):
    monkeypatch.setattr("eqprop.engine.cache.LARGEST", 150)
    folder.mkdir()
    for age, name in enumerate(("new", "old")):
        path = folder / f"{name}-cache"
        path.write_bytes(b"x" * 100)
        os.utime(path, (1e9 - age, 1e9 - age))
    with persistent_cache():
        pass
    assert [path.name for path in folder.glob("*-cache")] == ["new-cache"]
