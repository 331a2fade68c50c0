"""Codes: each way to fail has one, and the texts that tell them apart are those that are written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from eqprop.engine import FINEST, Roundoff
from eqprop.faces.known import Known
from eqprop.properties import LIBRARY
from eqprop.results import KINDS, Outcome, PairName, PropertyName, Verdict, code_of, missing, vanished
from eqprop.results.verdict import ACCEPTED
from eqprop.search import DISPUTED, Tally

DOCS = Path(__file__).parents[2] / "docs"


def cell(outcome: Outcome, reason: str = "", *, name: str = "noether", order: int = 1) -> Verdict:
    return Verdict(PairName("p"), PropertyName(name, order), outcome, reason)


@pytest.mark.parametrize("outcome", Outcome)
def test_what_fails_has_a_code_and_nothing_else_has(outcome):
    assert (code_of(cell(outcome)) == "") == (outcome in ACCEPTED)
    assert code_of(cell(outcome)) in {"", *KINDS}


@pytest.mark.parametrize("prop", LIBRARY, ids=lambda prop: prop.name)
def test_what_is_falsified_has_the_code_of_its_order_or_family(prop):
    code = code_of(cell(Outcome.FALSIFIED, name=prop.name, order=prop.order))
    families = {"group-laws": "EQ102"} | dict.fromkeys(
        ("derivative", "input-derivative", "hessian-symmetry", "hessian-integral"), "EQ104"
    )
    assert code == families.get(prop.name, ("EQ101", "EQ103", "EQ105", "EQ106")[prop.order])


def foggy(**counts: int) -> Tally:
    tally = Tally(probes=4, **counts)
    tally.units.add(FINEST)
    return tally


LOW = Tally(probes=4, inconclusive=4, units={Roundoff(float(np.finfo(np.float32).eps), "float32", "")})
REASONS = [
    pytest.param(Tally().why_inconclusive(), "EQ207", id="no probe"),
    pytest.param(foggy(vacuous=4).why_inconclusive(), "EQ204", id="vacuous"),
    pytest.param(foggy(inconclusive=4).why_inconclusive(), "EQ201", id="fog"),
    pytest.param(foggy(inconclusive=4, not_finite=4).why_inconclusive(), "EQ202", id="infinite"),
    pytest.param(LOW.why_inconclusive(), "EQ203", id="low precision"),
    pytest.param(DISPUTED, "EQ206", id="disputed"),
    pytest.param("out of time: the search was to end after 3 s; this was not judged at all", "EQ205", id="time"),
]


@pytest.mark.parametrize(("reason", "code"), REASONS)
def test_what_is_inconclusive_has_the_code_of_its_cause(reason, code):
    assert code_of(cell(Outcome.INCONCLUSIVE, reason)) == code


def test_other_failures_have_the_code_of_what_is_to_be_done():
    gone = vanished(cell(Outcome.NOT_APPLICABLE, "T moves"))
    (stray,) = (verdict for _, verdict in Known({"q::noether": "why"}).strays({("", "p")}, ()))
    found = [missing("p", "noether", 1), gone, stray, cell(Outcome.UNEXPECTED_PASS), cell(Outcome.BLOCKED)]
    assert [code_of(verdict) for verdict in found] == ["EQ302", "EQ303", "EQ305", "EQ304", "EQ301"]


def test_codes_are_those_that_are_documented():
    if not DOCS.is_dir():  # outside of the checkout there are no documents
        return
    assert re.findall(r"^## (EQ\d+)", (DOCS / "codes.md").read_text("utf-8"), re.MULTILINE) == list(KINDS)
