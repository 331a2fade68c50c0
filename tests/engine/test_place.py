"""Derivatives are taken, programs compiled, loops written in the engine alone: the linter names whoever else does."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
BANNED = tuple(SETTINGS["flake8-tidy-imports"]["banned-api"])

WRITTEN = {
    "as an attribute": "import jax\n\nfound = {0}",
    "under another name": "from {1} import {2} as other\n\nfound = other",
    "inside of a function": "def later():\n    import {1}\n\n    return {0}",
}


def lint(path: str, text: str) -> tuple[int, str]:
    """What ruff exits with and says of a file that is not there."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "TID251", "--stdin-filename", path, "-"]
    done = subprocess.run(command, cwd=ROOT, input=text, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def planted(name: str, written: str) -> str:
    module, _, last = name.rpartition(".")
    return f"{WRITTEN[written].format(name, module, last)}\n"


@pytest.mark.parametrize("written", WRITTEN)
def test_a_use_outside_of_the_engine_is_named_with_its_remedy(written: str):
    status, said = lint("eqprop/properties/planted.py", "".join(planted(name, written) for name in BANNED))
    assert status == 1, said
    for name in BANNED:
        assert f"`{name}` is banned: {SETTINGS['flake8-tidy-imports']['banned-api'][name]['msg']}" in said


@pytest.mark.parametrize(
    "room", ["groups", "properties/traits", "validation", "optimizers", "mutants", "search", "runs"]
)
def test_every_room_is_looked_at(room: str):
    assert lint(f"eqprop/{room}/planted.py", planted("jax.lax.scan", "as an attribute"))[0] == 1


def test_the_engine_and_models_may():
    for path in ("eqprop/engine/planted.py", "catalog/planted.py", "examples/planted.py", "tests/planted.py"):
        status, said = lint(path, planted("jax.lax.scan", "as an attribute"))
        assert status == 0, said


def test_what_is_banned_is_there():
    import jax

    for name in BANNED:
        found = jax
        for part in name.split(".")[1:]:
            found = getattr(found, part)
        assert callable(found)
