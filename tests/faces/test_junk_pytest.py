"""Whatever the plugin's options are given, pytest ends with a code of its own and one line; no cell is lost."""

from __future__ import annotations

import contextlib
import io
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import strategies as st

from eqprop.faces import pytest_plugin
from tests.faces.commands import REPORT, look_at, project
from tests.faces.test_junk import texts
from tests.junk import Fed

pytestmark = pytest.mark.installed

USUAL = {
    "--eqprop": "junk_nets:both",
    "--eqprop-property": "equivariance",
    "--eqprop-max-architectures": "1",
    "--eqprop-probes": "4",
    "--eqprop-max-time": "2",
    "--eqprop-report": f"json={REPORT}",
}
QUIET = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist", "-p", "no:hypothesispytest", "--capture=no")


class Options:
    """What takes the place of pytest's parser: the plugin's options, by name."""

    def __init__(self) -> None:
        self.flags: dict[str, bool] = {}

    def getgroup(self, *_: str) -> Options:
        return self

    def addoption(self, name: str, **how: object) -> None:
        self.flags[name] = str(how.get("action", "")).startswith("store_")


def options() -> dict[str, bool]:
    """The plugin's options, and whether each is a flag."""
    found = Options()
    pytest_plugin.pytest_addoption(found)  # pyright: ignore[reportArgumentType]
    return found.flags


def run_one(option: str, text: str) -> None:
    """A run of the project in this process, with one option junk."""
    given = [f"{option}={text}"]
    usual = [f"{name}={value}" for name, value in USUAL.items() if name != option or name == "--eqprop-report"]
    out = io.StringIO()
    Path(REPORT).unlink(missing_ok=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = pytest.main(["--rootdir", ".", *QUIET, *usual, *given])
    said = out.getvalue()
    assert code in (*range(3), pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED), said
    assert "Traceback" not in said, said
    assert "INTERNALERROR" not in said, said
    if code == pytest.ExitCode.USAGE_ERROR:
        assert "ERROR: " in said or "error: " in said, said
    elif code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        look_at(Path(REPORT))


OF_PYTEST = Fed("options of the plugin", list(options()), st.sampled_from([*texts, "3", "-1", "1.5"]), run_one)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with project(tmp_path_factory.mktemp("junk")) as path:
        yield path


def test_every_option_is_fed():
    listed = tomllib.loads((Path(__file__).parents[1] / "public_names.toml").read_text(encoding="utf-8"))
    assert {*OF_PYTEST.places} == {*listed["pytest"]["options"]}


def test_what_the_plugin_is_given_is_answered(folder):
    OF_PYTEST.fed(5)


@pytest.mark.slow
def test_much_more_that_the_plugin_is_given_is_answered(folder):
    OF_PYTEST.fed(300)
