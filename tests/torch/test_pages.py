"""What pages show of PyTorch runs as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import eqprop
from tests.pages import python_of

torch = pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]

GIVEN = {
    "README.md": "import eqprop\nfrom eqprop import groups\n",
    "docs/torch.md": """
import functools
import torch
import eqprop
from eqprop import groups

x = torch.randn(3, 8)
net = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
swap = eqprop.hidden_units(groups.Permutation(4), writes={"0.weight": 0, "0.bias": 0}, reads={"2.weight": 1})
pair = eqprop.Pair(eqprop.torch.from_module(net, x), swap)
""",
}
GIVEN["docs/optimizers.md"] = GIVEN["docs/torch.md"]


@pytest.mark.parametrize("page", GIVEN)
def test_what_a_page_shows_of_torch_runs(page, monkeypatch):
    asked = {"profile": "quick", "probes": 8, "unseen": False, "save": None, "properties": ["equivariance"]}
    verify = eqprop.verify
    monkeypatch.setattr(eqprop, "verify", lambda pair, **options: verify(pair, **asked, **options))
    names: dict[str, Any] = {}
    exec(GIVEN[page], names)
    for text in python_of(ROOT / page, torch=True):
        exec(text, names)


def test_the_second_derivative_that_the_readme_shows_is_falsified():
    names: dict[str, Any] = {}
    exec(GIVEN["README.md"] + python_of(ROOT / "README.md", torch=True)[0], names)
    report = eqprop.run(eqprop.Pair(names["model"], names["scale"]), properties=["hessian-generator"], save=None)
    assert [str(verdict.outcome) for verdict in report.verdicts] == ["falsified"]
