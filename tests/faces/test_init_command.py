"""``eqprop init``: the file of tests that it writes, what it prints beside, and what it refuses."""

from __future__ import annotations

import sys
from textwrap import dedent
from typing import Any

import pytest
from click.testing import CliRunner

import eqprop
from eqprop.errors import InvalidInput
from eqprop.faces.cli import cli

NETS = """
    import jax, numpy as np, eqprop

    params = {"w": np.ones((2, 3)), "u": np.ones((3, 2))}
    model = eqprop.Model(lambda p, x: jax.nn.relu(x @ p["w"]) @ p["u"], params, np.ones((4, 2)), name="net")
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    (tmp_path / "begun_nets.py").write_text(dedent(NETS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("begun_nets", None)


def run(*arguments: str):
    return CliRunner().invoke(cli, ["init", *arguments], standalone_mode=False)


@pytest.mark.slow
def test_a_file_of_tests_is_written_with_what_holds_and_the_tensors_are_shown(nets):
    done = run("begun_nets:model")
    assert done.return_value == 0, done.exception
    assert "wrote test_symmetries.py" in done.output
    assert "  w  (2, 3)         float64" in done.output
    assert done.output.rstrip().endswith("to run the tests: pytest test_symmetries.py")
    space: dict[str, Any] = {}
    exec(compile((nets / "test_symmetries.py").read_text(), "test_symmetries.py", "exec"), space)
    assert eqprop.run(space["pairs"], profile="quick", properties=["equivariance"]).ok


def test_a_file_that_is_there_is_left_as_it_is(nets):
    (nets / "mine.py").write_text("mine")
    done = run("begun_nets:model", "--to", "mine.py")
    assert isinstance(done.exception, eqprop.InvalidInput)
    assert "mine.py is there already; give another file with --to" in str(done.exception)
    assert (nets / "mine.py").read_text() == "mine"


def test_a_name_that_no_file_can_have_is_answered():
    result = CliRunner().invoke(cli, ["init", "nets:model", "--to", "x" * 300])
    assert isinstance(result.exception, InvalidInput)
    assert "no file can be called 'xxx" in str(result.exception)
