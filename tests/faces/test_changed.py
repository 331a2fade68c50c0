"""Only the pairs that changed since the ledger was written are searched; the others are said to be unchanged."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from eqprop.faces.cli import main

pytest_plugins = "pytester"

NETS = """
    import jax
    import jax.numpy as jnp
    import numpy as np
    import eqprop
    from eqprop import groups

    @jax.custom_vjp
    def square(x):
        return x * x

    square.defvjp(lambda x: (x * x, x), lambda x, g: (2 * x * g,))

    def pair(name, apply):
        moved = eqprop.Transformation(groups.Sign(1), on_params=lambda s, p: s * p)
        return eqprop.Pair(eqprop.Model(apply, np.ones(1), np.ones(1), name="m"), moved, name=name)

    first = pair("first", lambda p, x: x * square(p))
    second = pair("second", lambda p, x: x * jnp.abs(p))
    both = [first, second]
"""
TEST = """
    import eqprop, nets

    @eqprop.parametrize(nets.first, properties=["equivariance"])
    def test_first(case):
        case.verify()
"""
PROJECT = """
    [tool.eqprop]
    targets = ["nets:both"]
    properties = ["equivariance", "jacobian-covariance"]
    unseen = false
    max_architectures = 1
    probes = 8
"""


@pytest.fixture
def command(folder, capsys):
    """The command line, which reads the modules anew: exit code and output."""

    def call(*arguments: str) -> tuple[int, str]:
        sys.modules.pop("nets", None)
        importlib.invalidate_caches()
        with pytest.raises(SystemExit, match=r"^[012]$") as left:
            main(arguments)
        assert isinstance(left.value.code, int)
        return left.value.code, capsys.readouterr().out

    return call


def outcomes(said: str) -> dict[str, str]:
    record, _ = json.JSONDecoder().raw_decode(said)
    return {f"{v['pair']}::{v['property']}": v["outcome"] for v in record["verdicts"]}


CHANGED = ("verify", "--changed", "--format", "json", "--jobs", "1")


def break_rule(folder: Path) -> None:
    path = folder / "nets.py"
    assert "(2 * x * g,)" in path.read_text()
    path.write_text(path.read_text().replace("(2 * x * g,)", "((2 * x + 1) * g,)"))


def test_a_wrong_backward_rule_is_searched_and_what_nobody_touched_is_unchanged(folder, command):
    code, said = command("ledger", "update", "--jobs", "1")
    assert code == 0, said
    code, said = command("verify", "--changed", "--jobs", "1")
    assert (code, "2 pairs: 4 unchanged in " in said) == (0, True), said
    (folder / "nets.py").write_text("# moved by a line\n" + (folder / "nets.py").read_text())
    break_rule(folder)
    code, said = command(*CHANGED)
    assert code == 1, said
    found = outcomes(said)
    assert found["first::jacobian-covariance"] == "falsified"
    assert (found["second::equivariance"], found["second::jacobian-covariance"]) == ("unchanged", "unchanged")


def test_other_settings_are_searched(command):
    assert command("ledger", "update", "--jobs", "1")[0] == 0
    code, said = command(*CHANGED, "--seed", "3")
    assert (code, set(outcomes(said).values())) == (0, {"holds"})


def test_what_is_gone_is_missing_all_the_same(folder, command):
    assert command("ledger", "update", "--jobs", "1")[0] == 0
    path = folder / "nets.py"
    path.write_text(path.read_text().replace("both = [first, second]", "both = [first]"))
    code, said = command(*CHANGED)
    found = outcomes(said)
    assert code == 1
    assert (found["first::equivariance"], found["second::equivariance"]) == ("unchanged", "missing")


@pytest.mark.slow
def test_pytest_skips_what_is_unchanged_and_says_so(pytester, monkeypatch):
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(nets=dedent(NETS), test_nets=dedent(TEST))
    (pytester.path / "pyproject.toml").write_text(dedent(PROJECT))
    run = pytester.runpytest_subprocess
    options = ("-p", "no:cacheprovider", "-p", "no:randomly")
    run("--eqprop-changed", *options).stderr.fnmatch_lines(["*--eqprop-changed: there is no *eqprop-ledger.json*"])
    run("--eqprop-update-ledger", *options).assert_outcomes(passed=5)
    kept = json.loads((pytester.path / "eqprop-ledger.json").read_text())
    assert {target: list(pairs) for target, pairs in kept["digests"].items()} == {
        "nets:both": ["first", "second"],
        "test_nets.py::test_first": ["first"],
    }
    result = run("--eqprop-changed", "-rs", *options)
    result.assert_outcomes(skipped=5)
    result.stdout.fnmatch_lines(["*unchanged: its traced program, the settings and*"])
    break_rule(pytester.path)
    result = run("--eqprop-changed", "-n", "2", *options)
    result.assert_outcomes(passed=2, failed=1, skipped=2)
