"""A worker of xdist that is killed loses no cell: what it was at is an error in every report."""

from __future__ import annotations

from eqprop.faces.plugin_report import merged
from eqprop.results import Outcome, code_of


class Crash:
    """As xdist reports a test with which a worker died."""

    when = "???"
    longrepr = "worker 'gw0' crashed while running"

    def __init__(self, nodeid: str) -> None:
        self.nodeid = nodeid


def test_the_cell_that_a_worker_died_with_is_an_error_with_its_code():
    ((target, verdict),) = merged([Crash("eqprop::my net::noether")]).cells
    assert (target, verdict.cell, verdict.outcome) == ("", ("my net", "noether"), Outcome.ERROR)
    assert code_of(verdict) == "EQ402"


def test_a_test_of_somebody_else_that_dies_is_no_cell():
    assert merged([Crash("tests/test_other.py::test_it[a::b]")]).cells == ()
