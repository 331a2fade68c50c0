"""What the tests of the command line and of the plugin stand on: a project of a module's own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
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


@pytest.fixture
def run_here(folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., pytest.RunResult]]:
    """A run of pytest in this process, which has imported JAX already, on the project's modules as they are by now.

    Not by pytester, which afterwards forgets whatever was imported late, and so has it twice.
    """

    def forget() -> None:
        for file in folder.glob("*.py"):
            sys.modules.pop(file.stem, None)

    def run(*arguments: str) -> pytest.RunResult:
        forget()
        capsys.readouterr()
        started = time.perf_counter()
        code = pytest.main([*arguments, "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:faulthandler"])
        said = [text.splitlines() for text in capsys.readouterr()]
        return pytest.RunResult(code, *said, time.perf_counter() - started)

    yield run
    forget()
