"""``eqprop find``: the table, the tests that it prints and writes, JSON, exit codes, every refusal."""

from __future__ import annotations

import json
import sys
from textwrap import dedent
from typing import Any

import pytest
from click.testing import CliRunner

import eqprop
from eqprop.faces.cli import cli

NETS = """
    import jax, numpy as np, eqprop
    from eqprop import groups

    params = {"w": np.ones((2, 3)), "u": np.ones((3, 2))}
    model = eqprop.Model(lambda p, x: jax.nn.relu(x @ p["w"]) @ p["u"], params, np.ones((4, 2)), name="net")
    def build():
        return model
    units = {"writes": {"w": 1}, "reads": {"u": 0}}
    scaling = eqprop.Pair(model, eqprop.hidden_units(groups.Scaling(3), **units), name="scaling")
    other = eqprop.Pair(eqprop.Model(model.apply, params, np.ones((4, 2)), name="other"), scaling.transformation)
    two = [scaling, other]
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    (tmp_path / "found_nets.py").write_text(dedent(NETS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("found_nets", None)


def run(*arguments: str):
    return CliRunner().invoke(cli, ["find", *arguments], standalone_mode=False)


@pytest.mark.parametrize("attribute", ["model", "build"])
def test_a_model_and_a_function_that_returns_one_are_looked_at(attribute, nets):
    done = run(f"found_nets:{attribute}", "--no-proof")
    assert done.return_value == 0
    assert "net: algebra of dimension 3, orbits of dimension 3, 3 conserved by gradient flow; 1 discrete" in done.output
    assert f"model = found_nets.{attribute}{'()' if attribute == 'build' else ''}\n" in done.output


def test_the_tests_that_are_written_verify_what_was_found(nets):
    assert run("found_nets:model", "--no-proof", "--to", "test_symmetries.py").return_value == 0
    space: dict[str, Any] = {}
    exec(compile((nets / "test_symmetries.py").read_text(), "test_symmetries.py", "exec"), space)
    pairs: list[eqprop.Pair] = space["pairs"]
    assert eqprop.run(pairs, profile="quick", properties=["equivariance", "noether"]).ok


def test_tests_that_cannot_be_written_are_printed_and_the_file_is_named(nets):
    done = run("found_nets:model", "--no-proof", "--to", "no/such/folder/test_it.py")
    assert isinstance(done.exception, eqprop.InvalidInput)
    assert "cannot be written: No such file or directory" in str(done.exception)
    assert "model = found_nets.model\n" in done.stderr
    assert "net: algebra of dimension 3" in done.stdout


def test_json_has_the_dimension_the_rank_and_the_interfaces(nets):
    record = json.loads(run("found_nets:model", "--no-proof", "--format", "json").stdout)
    assert (record["dimension"], record["rank"], record["charges"]) == (3, 3, 3)
    (interface,) = record["interfaces"]
    assert (interface["tensors"], interface["size"], interface["dimension"]) == (["u", "w"], 3, 3)
    assert [one["kind"] for one in interface["symmetries"]] == ["scaling", "permutation"]


def test_what_no_pair_declares_is_said_and_fails(nets):
    done = run("found_nets:scaling", "--declared", "--no-proof")
    assert done.return_value == 1
    assert "not declared: permutation" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["found_nets:params"], "expected an eqprop.Model, or a function", id="no model"),
        pytest.param(["found_nets:scaling"], "expected an eqprop.Model, or a function", id="a pair"),
        pytest.param(["found_nets:two", "--declared"], "are of several models", id="several models"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(arguments, message, nets):
    refused = run(*arguments, "--no-proof").exception
    assert isinstance(refused, eqprop.InvalidInput)
    assert message in str(refused)
