"""What a project allows to be inconclusive: for one cell, with a reason, and never of nothing."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

import eqprop
from eqprop.faces.cli import main

NETS = """
    import jax.numpy as jnp
    import numpy as np
    import eqprop
    from eqprop import groups

    def kinked(p, x):
        y = x * p
        return jnp.where(y * 3 / 3 > y, y, 2 * y)

    moved = eqprop.Transformation(groups.Scaling(1), on_params=lambda s, p: s * p, on_outputs=lambda s, y: s * y)
    net = eqprop.Pair(eqprop.Model(kinked, np.ones(1), np.ones(1), name="m"), moved, name="net")
"""
PROJECT = """
    [tool.eqprop]
    targets = ["nets:net"]
    properties = ["equivariance", "noether"]
    unseen = false
    max_architectures = 1
    probes = 64
"""
ALLOWED = """
    [tool.eqprop.allow_inconclusive]
    "{}" = {{share = {}, reason = "a threshold"}}
"""


@pytest.fixture
def folder(folder):
    kept = {"format": 1, "settings": {}, "cells": {"nets:net": {"net": ["equivariance"]}}}
    (folder / "eqprop-ledger.json").write_text(json.dumps(kept))
    return folder


@pytest.fixture
def verified(folder, capsys):
    def run(*allowances: tuple[str, float]) -> tuple[int, dict[str, str]]:
        said = "".join(dedent(ALLOWED.format(*each)) for each in allowances)
        (folder / "pyproject.toml").write_text(dedent(PROJECT) + said)
        with pytest.raises(SystemExit, match=r"^[012]$") as left:
            main(("verify", "--ledger", "--format", "json", "--jobs", "1"))
        record, _ = json.JSONDecoder().raw_decode(capsys.readouterr().out)
        assert isinstance(left.value.code, int)
        return left.value.code, {v["property"]: f"{v['outcome']}: {v['reason']}" for v in record["verdicts"]}

    return run


def test_a_share_of_the_probes_of_one_cell_may_settle_nothing(verified):
    code, said = verified()
    assert code == 1
    assert said["equivariance"].startswith("inconclusive: ")
    code, said = verified(("net::equivariance", 0.9))
    assert code == 0, said
    assert said["equivariance"].startswith("holds: ")
    assert said["equivariance"].endswith("probes settle nothing, and 90% of them may: a threshold")
    code, said = verified(("net::equivariance", 0.01))
    assert code == 1
    assert said["equivariance"].endswith("(1% are allowed: a threshold)")


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (
            "nett::noether",
            "[tool.eqprop.allow_inconclusive] has it, and no pair is called 'nett'.",
        ),
        ("net::hessian-symmetry", "has it, and nobody asks for 'hessian-symmetry'."),
    ],
)
def test_an_allowance_of_nothing_is_an_error(verified, cell, said):
    code, found = verified((cell, 0.9))
    assert code == 2
    assert any("allowance of nothing: " in text for text in found.values())
    assert any(said in text for text in found.values()), found


def test_a_misspelt_property_is_refused(folder, capsys):
    (folder / "pyproject.toml").write_text(dedent(PROJECT) + dedent(ALLOWED.format("net::noethr", 0.5)))
    with pytest.raises(SystemExit, match="2"):
        main(("verify", "--ledger", "--jobs", "1"))
    said = capsys.readouterr().err
    assert (
        "[tool.eqprop.allow_inconclusive], pair 'net': allow_inconclusive names 'noethr', which is no property" in said
    )


def test_a_pair_says_it_in_python(folder):
    net = eqprop.load("nets:net").replaced(allow_inconclusive={"equivariance": (0.9, "a threshold")})
    (found,) = eqprop.run(net, properties="equivariance", max_architectures=1, probes=64, unseen=False).verdicts
    assert found.outcome == "holds"
    assert "90% of them may: a threshold" in found.reason
    wrong = net.replaced(allow_inconclusive={"equivarianc": (0.9, "a threshold")})
    (found,) = eqprop.run(wrong, properties="equivariance", max_architectures=1, probes=64).verdicts
    assert "pair 'net': allow_inconclusive names 'equivarianc', which is no property" in found.reason
