"""How much memory a run took is in its report."""

from __future__ import annotations

import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.engine import LARGE
from eqprop.results import Outcome, Progress
from eqprop.runs import peak


def pair(units: int) -> eqprop.Pair:
    params = {"a": np.ones((units, 2)), "w": np.ones((3, units))}
    model = eqprop.Model(lambda p, x: x @ p["w"] @ p["a"], params, np.ones((4, 3)), name="net", trained=False)
    return eqprop.Pair(model, eqprop.hidden_units(groups.Permutation(units), writes={"w": 1}, reads={"a": 0}))


def test_a_report_says_the_peak_of_memory_as_text_and_as_data():
    report = eqprop.run(pair(3), profile="quick", properties=["equivariance"])
    assert 2**26 < report.peak < 2**40
    assert f", peak {report.peak / 2**30:.2f} GiB (seed" in report.summary()
    assert report.to_record()["peak_memory"] == report.peak
    assert eqprop.Report.from_record(report.to_record()) == report


def test_a_report_of_nobody_who_looked_says_nothing_of_memory():
    assert "GiB" not in eqprop.Report(()).summary()
    record = eqprop.Report(()).to_record()
    del record["peak_memory"]
    assert eqprop.Report.from_record(record) == eqprop.Report(())


def test_where_the_system_does_not_say_there_is_no_figure(monkeypatch: pytest.MonkeyPatch):
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(peak, "import_module", absent)
    assert peak.peak_memory() == 0


def test_properties_of_a_large_model_are_heard_of_one_order_after_the_other():
    heard: list[Progress] = []
    large = pair(LARGE // 4)
    names = ["equivariance", "gradient-covariance", "derivative"]
    eqprop.run(large, profile="quick", properties=names, probes=4, max_time=600, unseen=False, on_progress=heard.append)
    settled = [step for step in heard if step.stage == "settled"]
    assert [[v.property.name for v in step.verdicts] for step in settled] == [names[:1], names[1:]]
    assert {v.outcome for step in settled for v in step.verdicts} == {Outcome.HOLDS}
    assert all(v.probes for step in settled for v in step.verdicts)


def test_small_models_are_heard_of_when_they_are_finished():
    heard: list[Progress] = []
    eqprop.run(pair(3), profile="quick", properties=["equivariance"], on_progress=heard.append)
    assert "settled" not in {step.stage for step in heard}
