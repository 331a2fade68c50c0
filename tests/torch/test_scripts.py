"""A counterexample of a module of PyTorch as a script with torch alone, which fails until the module is mended."""

from __future__ import annotations

import subprocess
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


    class Numb(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(2, 2), nn.Linear(2, 1)

        def forward(self, x):
            return self.last(torch.relu(self.first(0.5 * x + 0.5 * x.detach())))


    stopped, off, numb = Stopped(), Off(), Numb()


    def pair(net):
        units = eqprop.hidden_units(
            groups.Scaling(2), writes={"first.weight": 0, "first.bias": 0}, reads={"last.weight": 1}
        )
        return eqprop.Pair(eqprop.torch.from_module(net, torch.ones(1, 2)), units)


    stopped_pair, off_pair, numb_pair = pair(stopped), pair(off), pair(numb)
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
    ("numb_pair", "input-derivative", (".detach()", "")),
    ("stopped_pair", "jacobian-generator", (".detach()", "")),
]


BY_HAND = ("derivative", "input-derivative", "jacobian-generator")
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


@pytest.mark.slow
def test_derivatives_in_inputs_are_shown_where_eqprop_cannot_be_imported(module, tmp_path):
    text = script(saved(f"{module}:numb_pair", "input-derivative"))
    ban = "import sys\nsys.modules.update(dict.fromkeys(('eqprop', 'hypothesis', 'pytest', 'jax')))\n"
    for code, shown in ((1, text), (0, text.replace(".detach()", ""))):
        (tmp_path / "bug.py").write_text(ban + shown, encoding="utf-8")
        done = subprocess.run([sys.executable, "bug.py"], cwd=tmp_path, check=False, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        assert "difference" in done.stdout


def test_a_module_without_a_name_is_refused(module):
    with pytest.raises(eqprop.InvalidInput, match=r"the module is 'Off', which is no name of a module; .*: move it to"):
        script(saved(f"{module}:nameless_pair", "equivariance"))
