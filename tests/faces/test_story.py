"""The story of a gate in a repository of its own, commit by commit: what turns it red, and what green again."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from textwrap import dedent

import pytest

from eqprop.faces.cli import main
from eqprop.kept import baseline_file

NETS = """
    import jax
    import jax.numpy as jnp
    import eqprop
    from eqprop import groups


    @jax.custom_vjp
    def fused_bias_relu(x, b):
        return jnp.maximum(x + b[None], 0)


    def backward(residuals, g):
        x, b = residuals
        g = jnp.where(x + b[None] > 0, g, 0)
        return g, jnp.sum(g, axis=0)


    fused_bias_relu.defvjp(lambda x, b: (fused_bias_relu(x, b), (x, b)), backward)


    def network(params, x):
        return fused_bias_relu(x @ params["w1"], params["b1"]) @ params["w2"]


    params = {"w1": jnp.eye(2), "b1": jnp.zeros(2), "w2": jnp.ones((2, 1))}
    rescaling = eqprop.hidden_units(groups.Scaling(2), writes={"w1": 1, "b1": 0}, reads={"w2": 0}, name="rescaling")
    pair = eqprop.Pair(eqprop.Model(network, params, jnp.ones((1, 2)), name="mlp"), rescaling, name="mlp")
    negated = eqprop.Transformation(groups.Sign(1), lambda s, p: s * p, lambda s, y: s * y)
    other = eqprop.Pair(eqprop.Model(lambda p, x: p * x, jnp.ones(1), jnp.ones(1), name="line"), negated, name="line")
    pairs = [pair, other]
"""
WRONG = ("jnp.where(x + b[None] > 0, g, 0)", "jnp.where(x > 0, g, 0)")
CONFIGURED = """
    [tool.eqprop]
    targets = ["story_nets:pairs"]
    ledger = "eqprop-ledger.json"
    properties = ["equivariance", "noether"]
    unseen = false
"""
CLOCK = """
    from datetime import date
    from pathlib import Path
    from eqprop.kept import baseline_file

    day = Path(__file__).with_name("today")
    if day.exists():
        baseline_file.today = lambda: date.fromisoformat(day.read_text())
"""


class Repository:
    """A repository with a gate, in the current folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("story_nets.py", NETS)
        self.write("pyproject.toml", CONFIGURED)
        self.write("conftest.py", CLOCK)
        self.write(".gitignore", ".eqprop/\n.hypothesis/\n*.json.part\n*.md\ntoday\n__pycache__/\n")
        self.git("init", "-q")
        self.commit("Begin")

    def write(self, file: str, text: str) -> None:
        (self.folder / file).write_text(dedent(text), encoding="utf-8")

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, *arguments], cwd=self.folder, check=True, capture_output=True)

    def commit(self, subject: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", subject)

    def change(self, file: str, old: str, new: str) -> None:
        text = (self.folder / file).read_text(encoding="utf-8")
        assert old in text
        self.write(file, text.replace(old, new))
        self.commit(f"Change {file}")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:cacheprovider")
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(tmp_path / ".hypothesis"))
    yield Repository(tmp_path)
    sys.modules.pop("story_nets", None)


@pytest.fixture
def eqprop(repository, capsys):
    """The command line, with modules as they are by now."""

    def run(*arguments: str) -> tuple[int, str]:
        sys.modules.pop("story_nets", None)
        with pytest.raises(SystemExit, match=r"^[012]$") as left:
            main(arguments)
        assert isinstance(left.value.code, int)
        return left.value.code, "".join(capsys.readouterr())

    return run


def by_command(eqprop, repository) -> tuple[int, str]:
    return eqprop("verify", "--ledger", "--jobs", "1", "--report", "github", "--report", "markdown=report.md")


def by_shards(eqprop, repository) -> tuple[int, str]:
    for shard in ("1", "2"):
        eqprop("verify", "--ledger", "--jobs", "1", "--shard", f"{shard}/2", "--report", f"json={shard}.json.part")
    return eqprop("merge", "1.json.part", "2.json.part", "--report", "github", "--report", "markdown=report.md")


def by_pytest(eqprop, repository, *workers: str) -> tuple[int, str]:
    reports = ("--eqprop-report", "github", "--eqprop-report", "markdown=report.md")
    command = [sys.executable, "-m", "pytest", "-q", *reports, *workers]
    done = subprocess.run(command, cwd=repository.folder, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def by_workers(eqprop, repository) -> tuple[int, str]:
    return by_pytest(eqprop, repository, "-n", "2")


FACES = [
    pytest.param(by_command, id="command", marks=pytest.mark.slow),
    pytest.param(by_shards, id="shards", marks=pytest.mark.slow),
    pytest.param(by_pytest, id="pytest", marks=pytest.mark.slow),
    pytest.param(by_workers, id="xdist", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("face", FACES)
def test_a_gate_turns_red_and_green_with_the_commits_of_a_repository(face, repository, eqprop, monkeypatch):
    def gate() -> tuple[int, str]:
        return face(eqprop, repository)

    def clock(day: str) -> None:
        (repository.folder / "today").write_text(day)
        monkeypatch.setattr(baseline_file, "today", lambda: date.fromisoformat(day))

    code, said = eqprop("ledger", "update", "--jobs", "1")
    assert code == 0, said
    repository.commit("Keep a ledger")
    assert gate()[0] == 0

    repository.change("story_nets.py", *WRONG)
    code, said = gate()
    assert code == 1
    assert "Falsified: noether (order 1) for mlp" in said
    line = 1 + dedent(NETS).splitlines().index("def network(params, x):")
    assert f"::error file=story_nets.py,line={line},title=EQ103 falsified%3A noether for mlp::" in said
    assert "[EQ103](#eq103) falsified: noether for mlp" in (repository.folder / "report.md").read_text("utf-8")
    found = sorted(map(str, Path(".eqprop").glob("*.json")))
    assert found

    repository.git("revert", "--no-edit", "HEAD")
    assert gate()[0] == 0

    repository.change("pyproject.toml", '["story_nets:pairs"]', "[]")
    code, said = gate()
    assert code == 1
    assert "EQ302" in said
    repository.git("revert", "--no-edit", "HEAD")

    clock("2030-01-31")
    repository.change("story_nets.py", *WRONG)
    code, said = eqprop("baseline", "add", *found, "--reason", "ticket 7", "--expires", "2030-01-31")
    assert code == 0, said
    repository.commit("Let the kernel wait")
    code, said = gate()
    assert code == 0, said
    assert "known failure" in said

    clock("2030-02-01")
    code, said = gate()
    assert code == 1
    assert "expired on 2030-01-31" in " ".join(said.split())
    clock("2030-01-31")

    repository.change("story_nets.py", *reversed(WRONG))
    code, said = gate()
    assert code == 1
    assert "unexpected pass [EQ304]" in said

    assert eqprop("baseline", "prune")[0] == 0
    repository.commit("Prune the baseline")
    code, said = gate()
    assert code == 0, said
    assert json.loads(Path("eqprop-baseline.json").read_text("utf-8"))["known"] == []


def test_shards_that_are_not_all_of_a_run_are_no_report(repository, eqprop):
    repository.write("pyproject.toml", "")
    quick = ("verify", "story_nets:other", "--property", "equivariance", "--jobs", "1", "--no-unseen")
    eqprop(*quick, "--shard", "1/2", "--report", "json=1.json.part")
    for files, said in (
        (["1.json.part"], "the reports are of the shards 1/2; expected each of 1/2, 2/2 once"),
        (["1.json.part", "1.json.part"], "of the shards 1/2, 1/2; expected"),
        (["pyproject.toml"], "is no report of eqprop"),
        (["nowhere.json"], "cannot be read"),
    ):
        code, out = eqprop("merge", *files)
        assert (code, said in out) == (2, True), out
