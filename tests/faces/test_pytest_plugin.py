"""The pytest face, run on small projects by pytester."""

from __future__ import annotations

import re
from textwrap import dedent

import pytest

pytestmark = pytest.mark.installed

pytest_plugins = "pytester"

NETS = """
    import numpy as np
    import eqprop
    from eqprop import groups

    def pair(name, apply, **rest):
        signs = eqprop.Transformation(groups.Sign(1), on_params=lambda s, p: s * p, on_outputs=lambda s, y: s * y)
        return eqprop.Pair(eqprop.Model(apply, np.ones(1), np.ones(1), name="m"), signs, name=name, **rest)

    good = pair("good", lambda p, x: x * p)
    bad = pair("bad", lambda p, x: x * p * p)
    known = pair("known", lambda p, x: x * p * p, known_failures={"equivariance": "squares"})
    mended = pair("mended", lambda p, x: x * p, known_failures={"equivariance": "squares"})
    both = [good, bad]
"""

PREMISE = ("--eqprop-property", "equivariance")
TWO = (*PREMISE, "--eqprop-property", "noether")


@pytest.fixture
def project(pytester, monkeypatch):
    """A folder with a module ``nets`` and no test."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(nets=dedent(NETS))
    return pytester


@pytest.fixture
def run(project):
    """A pytest run of its own process, without xdist by default."""
    return lambda *arguments: project.runpytest_subprocess(*arguments, "-p", "no:cacheprovider", "-p", "no:randomly")


@pytest.fixture
def files(folder, monkeypatch):
    """Write pyproject.toml and modules, for runs in this process."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def write(pyproject: str | None = None, **modules: str) -> None:
        if pyproject is not None:
            (folder / "pyproject.toml").write_text(dedent(pyproject))
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(dedent(text))

    return write


def test_a_run_without_eqprop_imports_neither_jax_nor_hypothesis_nor_the_catalog(project):
    project.makeconftest(
        """
        import sys
        def pytest_sessionfinish(session):
            session.config.get_terminal_writer().line(
                f"imported: {sorted({'jax', 'eqprop.catalog', 'eqprop.faces.cases'} & set(sys.modules))}"
            )
        """
    )
    project.makepyfile(test_other="def test_other(): pass")
    # hypothesis and jaxtyping have plugins of their own, which import what they like.
    result = project.runpytest_subprocess("-p", "no:hypothesispytest", "-p", "no:jaxtyping")
    result.stdout.fnmatch_lines(["*imported: []*"])
    result.assert_outcomes(passed=1)


def test_a_target_gives_items_without_any_test_file(run_here):
    result = run_here("--eqprop", "nets:both", "--collect-only", "-q", *TWO)
    result.stdout.fnmatch_lines(
        ["eqprop::good::equivariance", "eqprop::good::noether", "eqprop::bad::equivariance", "eqprop::bad::noether"]
    )
    assert result.ret == 0


def test_a_counterexample_is_the_failure_without_a_traceback(run):
    result = run("--eqprop", "nets:both", *TWO)
    result.assert_outcomes(passed=1, failed=1, skipped=2)
    result.stdout.fnmatch_lines(
        [
            "*bad::equivariance*",
            "Falsified: equivariance (order 0) for bad",
            "*replay*eqprop replay .eqprop/*",
            "*= eqprop =*",
            "good *1/1*holds",
            "bad *0/1*falsified: equivariance",
            "FAILED eqprop::bad::equivariance - Falsified: equivariance*",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert "cases.py" not in result.stdout.str()


@pytest.mark.slow
def test_a_report_that_can_no_longer_be_written_is_one_line_and_exit_code_4(run, project):
    project.makeconftest("""
        import pathlib, pytest
        out = pathlib.Path("out")
        out.mkdir()

        def pytest_sessionfinish():
            out.rmdir()
    """)
    result = run("--eqprop", "nets:good", "--eqprop-report", "json=out/a.json", "--eqprop-property", "equivariance")
    result.stdout.fnmatch_lines(
        ["good *1/1*holds", "the report 'out/a.json' cannot be written: there is no folder 'out'."]
    )
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_a_pair_is_searched_by_one_worker_and_results_are_merged(run, project):
    result = run("--eqprop", "nets:both", "-n", "2", "-v", "--junitxml=j.xml", *TWO)
    result.assert_outcomes(passed=1, failed=1, skipped=2)
    workers = re.findall(r"\[(gw\d)\].*eqprop::(\w+)::", result.stdout.str())
    assert len({worker for worker, pair in workers if pair == "good"}) == 1
    assert len({worker for worker, pair in workers if pair == "bad"}) == 1
    result.stdout.fnmatch_lines(["*inputs = array(*", "*= eqprop =*"])
    result.stdout.fnmatch_lines_random(["good *holds", "bad *falsified: equivariance"])  # who is ready first is first
    assert '<property name="eqprop.outcome" value="falsified"' in (project.path / "j.xml").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("target", "helped"), [("nets:good", True), ("nets:both", False)])
def test_a_worker_that_has_nothing_to_do_leaves_room_for_a_second_process(target, helped, run, project):
    project.makeconftest(
        """
        from pathlib import Path
        def pytest_collection_finish(session):
            if hasattr(session.config, "workerinput"):
                flags = {item.case.search.helped for item in session.items}
                Path(session.config.workerinput["workerid"]).write_text(str(flags))
        """
    )
    run("--eqprop", target, "-n", "2", *PREMISE)
    assert (project.path / "gw0").read_text() == str({helped})


def test_last_failed_selects_the_failed_cell(project):
    arguments = ("--eqprop", "nets:both", *PREMISE)
    project.runpytest_subprocess(*arguments)
    result = project.runpytest_subprocess(*arguments, "--lf", "--collect-only", "-q")
    result.stdout.fnmatch_lines(["eqprop::bad::equivariance"])
    result.stdout.no_fnmatch_line("*good*")


@pytest.mark.parametrize("choice", [("-k", "good"), ("-m", "eqprop", "-k", "good"), ("eqprop::good",)], ids="-".join)
def test_items_are_chosen_like_others(run_here, choice):
    result = run_here("--eqprop", "nets:both", *PREMISE, "--collect-only", "-q", *choice)
    result.stdout.fnmatch_lines(["eqprop::good::equivariance"])
    result.stdout.no_fnmatch_line("*bad*")


@pytest.mark.parametrize("workers", [(), pytest.param(("-n", "1"), marks=pytest.mark.slow)], ids=["here", "xdist"])
def test_a_bad_target_is_one_line_and_exit_code_4(run, workers):
    result = run("--eqprop", "nets:nope", *workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: target 'nets:nope': 'nets' has no attribute 'nope'.*"])
    assert "INTERNALERROR" not in result.stdout.str()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--eqprop-property", "noethr"), "*no property is called 'noethr'*"),
        (("--eqprop-profile", "fast"), "*no profile is called 'fast'*"),
        (("eqprop::ugly",), "*no item is called eqprop::ugly*"),
    ],
)
def test_bad_options_are_usage_errors(run_here, arguments, message):
    result = run_here("--eqprop", "nets:both", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_pyproject_names_targets_and_known_failures(run, project):
    project.makepyprojecttoml(
        """
        [tool.eqprop]
        targets = ["nets:both"]
        properties = ["equivariance"]
        seed = 5
        [tool.eqprop.known_failures]
        "bad::equivariance" = "it squares its parameters"
        """
    )
    result = run("-rx")
    result.assert_outcomes(passed=1, xfailed=1)
    result.stdout.fnmatch_lines(["eqprop: seed 5, *", "XFAIL eqprop::bad::equivariance - *squares its parameters"])


def test_targets_of_pyproject_are_left_out_where_a_file_is_named(run_here, files):
    files('[tool.eqprop]\ntargets = ["nets:both"]')
    files(test_other="def test_other(): pass")
    run_here("test_other.py").assert_outcomes(passed=1)


@pytest.mark.parametrize("line", ["target = ['x']", "seed = 'x'", "known_failures = {a = 'b'}"])
def test_a_wrong_key_in_pyproject_is_a_usage_error(run_here, files, line):
    files(f"[tool.eqprop]\n{line}")
    result = run_here()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *pyproject.toml*tool.eqprop*expected*"])


@pytest.mark.parametrize("arguments", [(), ("test_nets.py",)], ids=["targets", "file"])
def test_a_known_failure_of_no_property_ends_the_run_with_the_closest_name(run, project, arguments):
    project.makepyprojecttoml(
        '[tool.eqprop]\ntargets = ["nets:both"]\n[tool.eqprop.known_failures]\n"bad::equivarianc" = "typo"'
    )
    project.makepyfile(test_nets="import eqprop, nets\n@eqprop.parametrize(nets.bad)\ndef test_it(case): case.verify()")
    result = run("--co", *arguments)
    assert result.ret != 0
    said = result.stdout.str() + result.stderr.str()
    assert "pair 'bad': known_failures names 'equivarianc', which is no property. Did you mean equivariance" in said
    assert "Traceback" not in said


def test_a_known_failure_of_no_pair_fails_a_whole_run(run_here, files):
    files(
        '[tool.eqprop]\ntargets = ["nets:good"]\nproperties = ["equivariance"]\n'
        '[tool.eqprop.known_failures]\n"god::equivariance" = "typo"'
    )
    for workers in ((), ("-n", "1")):
        result = run_here(*workers)
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(
            ["error *EQ305*known failure of nothing: *no pair is called 'god'. Did you mean good?"]
        )
    run_here("--eqprop", "nets:good").assert_outcomes(passed=1)


def test_known_failures_of_a_pair_xfail_and_unexpected_passes_fail(run_here):
    result = run_here("--eqprop", "nets:known", "--eqprop", "nets:mended", *PREMISE)
    result.assert_outcomes(xfailed=1, failed=1)
    result.stdout.fnmatch_lines(["unexpected pass ?EQ304?: equivariance for mended: *squares"])


def test_a_decorated_test_is_run_once_for_each_pair_and_property(run_here, files):
    files(
        test_nets="""
        import eqprop, nets

        @eqprop.parametrize(nets.both, properties=["equivariance", "noether"])
        def test_symmetries(case):
            case.verify()
        """
    )
    result = run_here("-v", "-rs")
    result.assert_outcomes(passed=1, failed=1, skipped=2)
    result.stdout.fnmatch_lines(
        [
            "test_nets.py::test_symmetries?good::equivariance? PASSED*",
            "test_nets.py::test_symmetries?bad::equivariance? FAILED*",
            "Falsified: equivariance (order 0) for bad",
            "SKIPPED * test_nets.py:*: not applicable: *discrete*",
        ]
    )


def test_the_cases_of_a_pair_share_one_search(run, project):
    project.makepyfile(
        test_nets="""
        import eqprop, nets
        from eqprop.faces import cases

        searched = []
        def counting(subject, options, search=cases.searched):
            searched.append(subject.name)
            return search(subject, options)
        cases.searched = counting

        @eqprop.parametrize(nets.good, properties=["equivariance", "gradient-covariance"])
        def test_symmetries(case):
            case.verify()

        def test_one_search():
            assert searched == ["good"]
        """
    )
    run().assert_outcomes(passed=3)


def test_a_test_with_two_decorators_is_refused_wherever_they_are(run_here, files):
    one, other = (f'@eqprop.parametrize(nets.{name}, properties=["equivariance"])' for name in ("bad", "good"))
    files(
        test_function=f"import eqprop, nets\n{one}\n{other}\ndef test_it(case): case.verify()",
        test_class=f"import eqprop, nets\n{one}\nclass TestNets:\n    {other}\n    def test_it(self, case): pass",
        test_module=f"import eqprop, nets\npytestmark = {one[1:]}\n{other}\ndef test_it(case): case.verify()",
    )
    result = run_here()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    text = "test_it: 2 @eqprop.parametrize (on the test, its class or its module); expected one with a list of all"
    assert [line.startswith(text) for line in result.outlines].count(True) == 3
    assert "pytest_plugin.py" not in result.stdout.str()


def test_a_test_that_never_verifies_its_case_fails(run_here, files):
    files(
        test_nets="""
        import eqprop, nets

        @eqprop.parametrize(nets.good, properties=["equivariance"])
        def test_symmetries(case):
            pass
        """
    )
    result = run_here()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*passed without verifying anything*"])


def test_the_seed_of_the_command_line_wins_also_under_ci(run_here, files, monkeypatch):
    monkeypatch.setenv("CI", "true")
    files("[tool.eqprop]\nseed = 5")
    files(
        test_nets="""
        import eqprop, nets

        @eqprop.parametrize(nets.good, properties=["equivariance"], seed=6)
        def test_seed(case):
            assert case.verify().probes
            assert case.search.options.seed == 7
        """
    )
    run_here("--eqprop-seed", "7").assert_outcomes(passed=1)


def test_what_is_unseen_is_left_alone_where_the_command_line_or_pyproject_says_so(run_here, files):
    files(
        test_nets="""
        import eqprop, nets

        @eqprop.parametrize(nets.good, properties=["equivariance"])
        def test_unseen(case):
            assert case.verify().probes
            assert case.search.options.unseen is False
        """
    )
    run_here("--eqprop-no-unseen").assert_outcomes(passed=1)
    run_here().assert_outcomes(failed=1)
    files("[tool.eqprop]\nunseen = false")
    run_here().assert_outcomes(passed=1)


def test_workers_agree_on_a_drawn_seed(run):
    result = run("--eqprop", "nets:good", "--eqprop-profile", "explore", "-n", "2", "--collect-only", "-q", *PREMISE)
    assert result.ret == 0
