"""The pytest face: ``--eqprop TARGET``, ``[tool.eqprop]`` in pyproject.toml, the tests of ``@eqprop.parametrize``.

A run that uses none of them pays nothing: JAX, hypothesis and the catalog are imported with the first item.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eqprop.errors import EqpropError, InvalidInput
from eqprop.faces.plugin_records import CELL, Cell, merged
from eqprop.faces.plugin_report import shorten, summarised, updated
from eqprop.faces.plugin_settings import SENT, SETTINGS, Settings

if TYPE_CHECKING:
    from eqprop.faces.cases import Absent, Case
    from eqprop.faces.symmetry_cells import SymmetryCase

ROOT = "eqprop"
"""First part of the ids of items without a file: ``eqprop::relu-rescaling::noether``."""

ONE_ONLY = "expected one with a list of all pairs, @eqprop.parametrize([pair_a, pair_b]), or a test for each of them."

FREE_TO_SCHEDULE = pytest.StashKey[bool]()

STARTED = pytest.StashKey[float]()
"""When the run began."""

SEEN = pytest.StashKey[set[tuple[str, str]]]()
"""Address and name of all pairs that were collected."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options; values of pyproject.toml are filled in by ``pytest_configure``."""
    group = parser.getgroup("eqprop", "verify the symmetries of models")
    text = "verify this: a catalog entry, 'catalog', or package.module:attribute (repeatable)"
    group.addoption("--eqprop", action="append", metavar="TARGET", help=text)
    group.addoption("--eqprop-seed", type=int, metavar="N", help="of the search; wins over everything, CI or not")
    group.addoption("--eqprop-profile", metavar="NAME", help="quick, gate (default), wide, explore or deep")
    group.addoption("--eqprop-precision", choices=("float64", "model"), help="float64 (default) or the model's own")
    text = "numpy walks the traced program, xla compiles it, auto (default) decides"
    group.addoption("--eqprop-evaluator", choices=("auto", "numpy", "xla"), help=text)
    text = "distinct architectures of each pair, instead of the profile's"
    group.addoption("--eqprop-max-architectures", type=int, metavar="N", help=text)
    group.addoption("--eqprop-probes", type=int, metavar="N", help="on each architecture, instead of the profile's")
    text = "for each pair; what is not finished by then is inconclusive"
    group.addoption("--eqprop-max-time", type=float, metavar="SECONDS", help=text)
    text = "do not find out what claims that hold do not look at"
    group.addoption("--eqprop-no-unseen", dest="eqprop_unseen", action="store_const", const=False, help=text)
    text = "write what applied to the ledger, where nothing fails"
    group.addoption("--eqprop-update-ledger", action="store_true", help=text)
    text = "search only the pairs that changed since the ledger was written"
    group.addoption("--eqprop-changed", action="store_true", help=text)
    text = "also as html, json, junit or markdown, or as annotations for github (repeatable)"
    group.addoption("--eqprop-report", action="append", metavar="KIND[=FILE]", help=text)
    group.addoption("--eqprop-property", action="append", metavar="NAME", help="only this property (repeatable)")


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Note whether ``--dist`` was given, before xdist turns ``-n 4`` into ``--dist load``."""
    try:
        config.stash[FREE_TO_SCHEDULE] = getattr(config.option, "dist", "") == "no" and Settings.wanted(config)
    except InvalidInput as error:
        raise pytest.UsageError(str(error)) from error
    return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """A hook of xdist: the cases of a pair go to one worker, unless ``--dist`` says otherwise."""
    if not config.stash[FREE_TO_SCHEDULE]:
        return None
    from eqprop.faces.scheduling import ByPair

    return ByPair(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, once; workers of xdist get them from their controller."""
    config.addinivalue_line("markers", "eqprop: a property of a model's symmetry, verified by eqprop")
    config.addinivalue_line("markers", "eqprop_cases(tasks, given): set by @eqprop.parametrize")
    config.stash[STARTED] = time.perf_counter()
    try:
        config.stash[SETTINGS] = Settings.of(config)
        config.stash[SEEN] = set()
    except InvalidInput as error:
        raise pytest.UsageError(str(error)) from error
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(BadTargets(), "eqprop-bad-targets")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """A hook of xdist in the controller: send the settings to a worker, a drawn seed among them."""
    node.workerinput[SENT] = node.config.stash[SETTINGS].to_worker()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """The resolved settings, where targets are given."""
    settings = config.stash[SETTINGS]
    return [f"eqprop: {settings.text}"] if settings.targets else []


# ---- collecting ------------------------------------------------------------------------------------------------------


class Cases(pytest.Collector):
    """All items of ``--eqprop``, below the session and without a file, and those of decorated tests that are gone."""

    def __init__(self, *, gone: list[Absent], **rest: Any) -> None:
        super().__init__(**rest)
        self.gone = gone

    def collect(self) -> Iterable[PairCases]:
        from eqprop.faces.cases import Case

        settings = self.config.stash[SETTINGS]
        try:
            cases = settings.cases() if settings.collects else []
        except InvalidInput as error:
            raise self.CollectError(str(error)) from error
        seen = self.config.stash[SEEN]
        seen.update((case.search.task.address, case.pair) for case in cases if isinstance(case, Case))
        for pair, cells in groupby(cases, key=lambda case: case.pair):
            yield PairCases.from_parent(self, name=pair, cases=list(cells))
        for (test, pair), cells in groupby(self.gone, key=lambda case: (case.target, case.pair)):
            yield PairCases.from_parent(self, name=f"{test}::{pair}", cases=list(cells))
        strays = settings.strays(seen) if settings.known.declared else []
        for pair, cells in groupby(strays, key=lambda case: case.pair):
            yield PairCases.from_parent(self, name=f"known failures::{pair}", cases=list(cells))


class PairCases(pytest.Collector):
    """The items of one pair. A level of its own, so that an id read back from a file has the same parts (``--lf``)."""

    def __init__(self, *, cases: list[Case | Absent | SymmetryCase], **rest: Any) -> None:
        super().__init__(**rest)
        self.cases = cases

    def collect(self) -> Iterable[CaseItem]:
        for case in self.cases:
            yield CaseItem.from_parent(self, name=case.prop.name, case=case)


class CaseItem(pytest.Function):
    """One cell as a test."""

    def __init__(self, *, case: Case | Absent | SymmetryCase, **rest: Any) -> None:
        def check() -> None:
            case.verify()

        super().__init__(callobj=check, **rest)  # pyright: ignore[reportArgumentType] - its annotation is that of its default
        self.case = case
        for mark in _marks(self.config, case):
            self.add_marker(mark)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.config.rootpath / ROOT, None, self.case.id


def _marks(config: pytest.Config, case: Case | Absent | SymmetryCase) -> list[pytest.MarkDecorator]:
    marks = [pytest.mark.eqprop]
    if config.pluginmanager.hasplugin("xdist"):  # else the mark is unknown, an error under --strict-markers
        marks.append(pytest.mark.xdist_group(case.pair))
    return marks


class BadTargets:
    """A target that cannot be used ends the run as a wrong option does: one line, exit code 4.

    Registered everywhere but in workers of xdist, where it would look like a crash; their controller hears of it too.
    """

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Look at the report of the node without a file."""
        if report.nodeid == ROOT and report.failed:
            raise pytest.UsageError(str(report.longrepr))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """Add the items of ``--eqprop``, before ``-k``, ``-m`` and ``--lf`` choose among all (hence a wrapper)."""
    settings = config.stash[SETTINGS]
    decorated = [case for item in items if (case := _decorated(item))]
    gone = settings.absent(decorated, tests=True) if settings.cells else []
    if settings.collects or gone or settings.known.declared:
        found = session.genitems(Cases.from_parent(session, name=ROOT, nodeid=ROOT, gone=gone))
        items.extend(item for item in found if settings.selects(item.nodeid))
    yield
    searches = {search for item in items if (search := getattr(_case_of(item), "search", None))}
    for search in searches:  # fewer than workers of xdist, some of which are idle: a second process helps
        search.helped = len(searches) < getattr(config, "workerinput", {}).get("workercount", 1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Turn the mark of ``@eqprop.parametrize`` into tests."""
    marks = list(metafunc.definition.iter_markers("eqprop_cases"))
    if not marks:
        return
    name = metafunc.function.__name__
    if len(marks) > 1:  # pytest refuses it of an argument of its own, too: one of them alone would be run
        msg = f"{name}: {len(marks)} @eqprop.parametrize (on the test, its class or its module); {ONE_ONLY}"
        raise pytest.Collector.CollectError(msg)
    if "case" not in metafunc.fixturenames:
        msg = f"{name}: @eqprop.parametrize passes an argument 'case'; expected def {name}(case): case.verify()."
        raise pytest.Collector.CollectError(msg)
    (mark,) = marks
    from eqprop.faces.cases import cases_of

    settings = metafunc.config.stash[SETTINGS]
    try:
        tasks = settings.known.given_to(mark.kwargs["tasks"])
        test = metafunc.definition.nodeid
        options, digests = settings.options(**mark.kwargs["given"]), settings.digests_of({test})
        cases = cases_of(tasks, options, settings.applying({test}), test, digests)
    except InvalidInput as error:
        raise pytest.Collector.CollectError(str(error)) from error
    metafunc.config.stash[SEEN].update((task.address, task.name) for task in tasks)
    params = [pytest.param(case, id=case.id, marks=_marks(metafunc.config, case)) for case in cases]
    metafunc.parametrize("case", params)


# ---- reporting -------------------------------------------------------------------------------------------------------


def _case_of(item: pytest.Item) -> Case | Absent | SymmetryCase | None:
    return item.case if isinstance(item, CaseItem) else _decorated(item)


def _decorated(item: pytest.Item) -> Case | None:
    """The case of a decorated test."""
    if item.get_closest_marker("eqprop_cases") is None:
        return None
    assert isinstance(item, pytest.Function), "pytest parametrizes functions only"
    case: Any = item.callspec.params["case"]
    return case


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the verdict; show a counterexample instead of a traceback; fail a test that verified nothing."""
    if call.excinfo is not None and not item.config.getoption("fulltrace"):
        shorten(call.excinfo)
    case = _case_of(item) if call.when == "call" else None
    report = yield
    if case is None:
        return report
    if case.done:
        cell = Cell.of(case, report, digests=bool(item.config.stash[SETTINGS].ledger_file))
        setattr(report, CELL, cell.to_record())
        item.user_properties += cell.properties  # for the report of the teardown, which JUnit files are written of
        report.user_properties += cell.properties
    from eqprop.faces.cases import FailedCell

    path, line, _ = item.location
    if call.excinfo is not None and isinstance(call.excinfo.value, FailedCell):
        text = call.excinfo.getrepr(style="value")
        if text.reprcrash is not None:  # what the short summary shows
            text.reprcrash.message = str(call.excinfo.value).splitlines()[0]
        report.longrepr = text
    elif report.skipped and not hasattr(report, "wasxfail") and isinstance(report.longrepr, tuple):
        report.longrepr = (path, (line or 0) + 1, report.longrepr[2])  # the test's place, not eqprop's
    elif report.passed and not case.done:
        report.outcome = "failed"
        report.longrepr = f"{item.name} passed without verifying anything: call case.verify() in it."
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line for each pair, merged from all workers; the ledger, where it is to be written."""
    if hasattr(config, "workerinput"):  # a worker of xdist has a summary, too, of its own part
        return
    cells = merged(report for reports in terminalreporter.stats.values() for report in reports)
    if not cells:
        return
    settings = config.stash[SETTINGS]
    try:
        summarised(cells, terminalreporter, settings, time.perf_counter() - config.stash[STARTED])
        if settings.ledger_file:
            updated(cells, terminalreporter, settings)
    except EqpropError as error:  # a file that cannot be written: pytest would end in a traceback
        terminalreporter.line(str(error), red=True)
        session = config.pluginmanager.get_plugin("session")
        assert isinstance(session, pytest.Session)
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
