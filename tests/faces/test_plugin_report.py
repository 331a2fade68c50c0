"""What the pytest plugin tells of a run: its table and its reports."""

from __future__ import annotations

import json
import re
from textwrap import dedent
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.installed

NETS = """
    import numpy as np
    import eqprop
    from eqprop import groups

    def pair(name, apply, **rest):
        signs = eqprop.Transformation(groups.Sign(1), on_params=lambda s, p: s * p, on_outputs=lambda s, y: s * y)
        return eqprop.Pair(eqprop.Model(apply, np.ones(1), np.ones(1), name="m"), signs, name=name, **rest)
"""

PREMISE = ("--eqprop-property", "equivariance")


@pytest.fixture
def files(folder, monkeypatch):
    """Write modules, for runs in this process."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def write(**modules: str) -> None:
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(dedent(text))

    return write


def test_names_of_pairs_are_whole_where_the_output_is_no_terminal(run_here, files, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)  # workers of xdist have one
    names = ["transformer/attention-queries", "transformer/attention-values"]
    files(pairs=f"import nets\nboth = [nets.pair(name, lambda p, x: x * p) for name in {names}]")
    run_here("--eqprop", "pairs:both", *PREMISE).stdout.fnmatch_lines([f"{name} *1/1*holds" for name in names])


TWO_FILES = {
    "test_one": """
        import eqprop, nets

        @eqprop.parametrize(nets.pair("net", lambda p, x: x * p), properties=["equivariance"], profile="quick")
        def test_it(case):
            case.verify()
    """,
    "test_two": """
        import eqprop, nets, pytest

        @eqprop.parametrize(nets.pair("net", lambda p, x: x * p * p), properties=["equivariance"], seed=3)
        @pytest.mark.parametrize("k", [1, 2])
        def test_it(case, k):
            case.verify()
    """,
}


@pytest.fixture
def told(run_here, files, folder):
    """What a run of some test files says, and its reports as JSON and as JUnit's XML."""

    def run(*arguments: str, **tests: str):
        files(**tests)
        reports = [f"--eqprop-report={kind}={folder / kind}" for kind in ("json", "junit", "markdown")]
        result = run_here(*reports, *arguments)
        return result, json.loads((folder / "json").read_text()), ET.fromstring((folder / "junit").read_text())

    return run


def test_pairs_of_one_name_in_several_tests_are_told_apart_by_the_test(told):
    result, record, xml = told(**TWO_FILES)
    names = ["net in test_one.py::test_it", "net in test_two.py::test_it"]
    result.stdout.fnmatch_lines([f"{names[0]} *1/1*holds", f"{names[1]} *0/1*falsified: equivariance"])
    assert record["counts"] == {"holds": 1, "falsified": 1}  # though two tests were run of the second
    assert [verdict["pair"] for verdict in record["verdicts"]] == names
    assert list(record["places"]) == names[1:]
    assert [case.get("classname") for case in xml.iter("testcase")] == [f"eqprop.{name}" for name in names]


def test_a_pair_of_one_test_or_of_a_target_keeps_its_name(told):
    good = 'import nets\nnet = nets.pair("net", lambda p, x: x * p)\n'
    _, record, _ = told(test_two=TWO_FILES["test_two"])
    assert [verdict["pair"] for verdict in record["verdicts"]] == ["net"]
    arguments = ("--eqprop", "good:net", *PREMISE)
    _, record, _ = told(*arguments, good=good, test_two=TWO_FILES["test_two"])
    assert {verdict["pair"] for verdict in record["verdicts"]} == {"net", "net in test_two.py::test_it"}


def test_a_run_says_the_profiles_and_seeds_that_were_used(told):
    result, record, _ = told("test_one.py", **TWO_FILES)
    result.stdout.fnmatch_lines(["seed 0, profile quick, precision float64"])
    assert (record["profile"], record["seed"]) == ("quick", 0)
    result, record, _ = told("test_one.py", "test_two.py", **TWO_FILES)
    result.stdout.fnmatch_lines(["seeds 0, 3, profiles quick, gate, precision float64"])
    assert (record["profile"], record["seed"]) == ("quick, gate", 0)
    assert told("test_two.py", **TWO_FILES)[1]["seed"] == 3


def test_a_run_says_its_time_and_memory(told, folder):
    _, record, _ = told("test_one.py", **TWO_FILES)
    assert 0 < record["seconds"] < 600
    assert record["peak_memory"] > 2**20
    assert re.search(r"in (?!0\.0)\d+\.\d s, peak \d", (folder / "markdown").read_text())


MARKED = """
    import eqprop, nets, pytest

    @pytest.mark.xfail(reason="ticket 9", strict={strict})
    @eqprop.parametrize(nets.pair("net", lambda p, x: {f}), properties=["equivariance"], profile="quick")
    def test_it(case):
        case.verify()
"""


@pytest.mark.parametrize(
    ("f", "strict", "code", "outcome", "reason"),
    [
        ("x * p * p", False, 0, "known failure", "xfail: ticket 9"),
        ("x * p", False, 0, "holds", ""),
        ("x * p", True, 1, "unexpected pass", "expected to fail: ticket 9"),
    ],
)
def test_reports_say_of_a_test_that_is_marked_to_fail_what_pytest_does(told, f, strict, code, outcome, reason):
    result, record, xml = told(test_it=MARKED.format(f=f, strict=strict))
    assert (result.ret, record["exit_code"], record["ok"]) == (code, code, code == 0)
    (verdict,) = record["verdicts"]
    assert (verdict["outcome"], verdict["reason"], verdict["counterexample"]) == (outcome, reason, None)
    assert [suite.get("failures") for suite in xml] == [str(code)]


RAISES = """
    import unittest
    import eqprop, nets

    bad = nets.pair("bad", lambda p, x: x * p * p)

    def verified(*properties):
        eqprop.verify(bad, properties=properties, profile="quick")

    def test_violation():
        verified("equivariance")

    def test_argument():
        verified("noethr")

    class Test(unittest.TestCase):
        def test_violation(self):
            verified("equivariance")

        def test_numbers(self):
            eqprop.check(bad, "equivariance", params=[1.0], inputs=[1.0], element=[-1.0])
"""


def test_what_eqprop_raises_in_a_test_is_shown_at_the_line_of_the_test(run_here, files):
    files(test_raises=RAISES)
    result = run_here("test_raises.py")
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        [
            ">       eqprop.verify(bad, properties=properties, profile=?quick?)",
            "E       eqprop.errors.Falsified: Falsified: equivariance (order 0) for bad",
            "test_raises.py:8: Falsified",
            "E       eqprop.errors.InvalidInput: no property is called 'noethr'. Did you mean noether?",
            "test_raises.py:8: InvalidInput",
        ]
    )
    assert not re.search(r"eqprop/\w+/\w+\.py", result.stdout.str())
    assert "eqprop/faces/api.py" in run_here("test_raises.py", "--full-trace").stdout.str()


def test_what_a_decorator_raises_is_shown_at_its_line(run_here, files):
    files(
        test_it="""
        import eqprop, nets

        @eqprop.parametrize(nets.pair("net", lambda p, x: x * p), properties=["noethr"])
        def test_it(case):
            case.verify()
        """
    )
    result = run_here("test_it.py")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        ["test_it.py:4: in <module>", "E*InvalidInput: no property is called 'noethr'. Did you mean noether?"]
    )
    assert not re.search(r"eqprop/\w+/\w+\.py", result.stdout.str())
