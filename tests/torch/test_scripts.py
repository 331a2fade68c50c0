"""A counterexample of a module of PyTorch as a script with torch alone, which fails until the module is mended."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

import eqprop
from eqprop.runs import script
from eqprop.runs.targets import resolve

torch = pytest.importorskip("torch")

NETS = """
    import torch
    from torch import nn

    import eqprop
    from eqprop import groups

    torch.manual_seed(0)


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(2, 2), nn.Linear(2, 1)

        def hidden(self, x, bias):
            return self.last(torch.relu(nn.functional.linear(x, self.first.weight, bias)))


    class Stopped(Net):
        def forward(self, x):
            return self.hidden(x, self.first.bias.detach())


    class Off(Net):
        def forward(self, x):
            return self.hidden(x, self.first.bias) * (1 + self.first.bias[0])


    stopped, off = Stopped(), Off()


    def pair(net):
        units = eqprop.hidden_units(
            groups.Scaling(2), writes={"first.weight": 0, "first.bias": 0}, reads={"last.weight": 1}
        )
        return eqprop.Pair(eqprop.torch.from_module(net, torch.ones(1, 2)), units)


    stopped_pair, off_pair = pair(stopped), pair(off)
    nameless_pair = pair(Off())
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(2, 1, bias=False))
    v = "parametrizations.weight.original1"
    scale = eqprop.Transformation(groups.Scaling(1), lambda c, p: {**p, v: p[v] * c[:, None]})
    normed_pair = eqprop.Pair(eqprop.torch.from_module(normed, torch.ones(1, 2)), scale)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "torch_nets.py").write_text(dedent(NETS), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield "torch_nets"
    sys.modules.pop("torch_nets", None)


def saved(target: str, name: str) -> str:
    report = eqprop.run(resolve(target), properties=[name], save="found", max_architectures=1, probes=64, unseen=False)
    return report.verdicts[0].counterexample.file


def exit_code(text: str) -> object:
    with pytest.raises(SystemExit, match=r"^[01]$") as left:
        exec(compile(text, "bug.py", "exec"), {"__name__": "bug"})
    return left.value.code


SHOWN = [
    ("off_pair", "equivariance", (" * (1 + self.first.bias[0])", "")),
    ("stopped_pair", "derivative", (".detach()", "")),
    ("stopped_pair", "noether", (".detach()", "")),
    ("stopped_pair", "jacobian-generator", (".detach()", "")),
]


BY_HAND = ("derivative", "jacobian-generator")
"""Searches of seconds; what their scripts are made of the others have, too."""

EVERY = [pytest.param(*each, id=each[1], marks=[pytest.mark.slow] if each[1] in BY_HAND else []) for each in SHOWN]


@pytest.mark.parametrize(("pair", "name", "mended"), EVERY)
def test_a_script_fails_until_the_module_in_it_is_mended(module, pair, name, mended):
    text = script(saved(f"{module}:{pair}", name))
    assert "eqprop" not in text
    assert "jax" not in text
    assert mended[0] in text
    assert exit_code(text) == 1
    assert exit_code(text.replace(*mended)) == 0


@pytest.mark.slow
def test_a_second_derivative_of_torch_itself_is_shown(module):
    text = script(saved(f"{module}:normed_pair", "hessian-generator"))
    assert "weight_norm(nn.Linear(2, 1, bias=False))" in text
    assert exit_code(text) == 1


def test_a_module_without_a_name_is_refused(module):
    with pytest.raises(eqprop.InvalidInput, match=r"the module is 'Off', which is no name of a module; .*: move it to"):
        script(saved(f"{module}:nameless_pair", "equivariance"))
