"""What the tests of the command line and of the plugin stand on: a project of a module's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with the test module's ``NETS`` as nets.py and, if it has one, its ``PROJECT`` as pyproject.toml."""
    (tmp_path / "nets.py").write_text(dedent(request.module.NETS), encoding="utf-8")
    if project := getattr(request.module, "PROJECT", ""):
        (tmp_path / "pyproject.toml").write_text(dedent(project))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a module that is written anew is read anew
    yield tmp_path
    sys.modules.pop("nets", None)
