"""A share of a cell's probes that may settle nothing: a part of them, and a reason."""

from __future__ import annotations

import pytest

from eqprop.errors import InvalidInput
from eqprop.kept import Allowance, allowances_in


def test_a_pair_and_a_table_say_the_same():
    told = {"noether": (0.5, "why")}, {"noether": {"share": 0.5, "reason": "why"}}
    assert [allowances_in(each, "x") for each in told] == [{"noether": Allowance(0.5, "why")}] * 2


WRONG = [(0, "why"), (1, "why"), (True, "why"), ("0.5", "why"), (0.5, " "), (0.5, 3), (0.5,), 0.5, {"share": 0.5}, None]


@pytest.mark.parametrize("value", WRONG, ids=str)
def test_what_is_no_part_and_reason_is_refused(value):
    with pytest.raises(InvalidInput, match=r"^x\['noether'\].* expected the share of its probes that may settle noth"):
        allowances_in({"noether": value}, "x")


def test_what_is_no_mapping_is_refused():
    with pytest.raises(InvalidInput, match=r"^x is \['noether'\] \(list\); expected a mapping such as"):
        allowances_in(["noether"], "x")
