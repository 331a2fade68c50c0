"""A project that is fed junk, and what is then to be seen of a command: an answer, every cell, and right verdicts."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections.abc import Generator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from eqprop.faces.cli import main
from tests.junk import LostResultError, WrongVerdictError

NETS = """
    import numpy as np
    import eqprop
    from eqprop import groups

    signs = eqprop.Transformation(groups.Sign(1), on_params=lambda s, p: s * p, on_outputs=lambda s, y: s * y)
    model = eqprop.Model(lambda p, x: x * p, np.ones(1), np.ones(1), name="m")
    wrong = eqprop.Model(lambda p, x: x * p + p * p, np.ones(1), np.ones(1), name="w")
    good, bad = eqprop.Pair(model, signs, name="good"), eqprop.Pair(wrong, signs, name="bad")
    both = [good, bad]
    number = 3
"""
FILES = {"bytes.json": b"\xff\xfe{", "deep.json": b"[" * 9999, "list.json": b"[1]", "empty.json": b"", "one.json": b"1"}
REPORT = "verified.json"
"""Where each run of the project tells what it found."""

CELLS = {"junk_nets:both": {"good": ["equivariance"], "bad": ["equivariance"]}}
LEDGER = {"format": 1, "settings": {}, "cells": CELLS}


@contextlib.contextmanager
def project(path: Path) -> Generator[Path]:
    """The project in a folder, which is the current one for as long as it lasts."""
    (path / "junk_nets.py").write_text(dedent(NETS), encoding="utf-8")
    (path / "folder").mkdir()
    for name, content in FILES.items():
        (path / name).write_bytes(content)
    before = sys.path.copy()
    with contextlib.chdir(path):
        yield path
    sys.path[:] = before
    sys.modules.pop("junk_nets", None)


def answered(arguments: list[str]) -> int:
    """Run a command as it is typed: it ends with a code of its own, and with one line where it could not run."""
    out, err = io.StringIO(), io.StringIO()
    Path(REPORT).unlink(missing_ok=True)
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit, match=r"^[012]$") as left,
    ):
        main(arguments)
    code = left.value.code
    refused = re.search(r"(^|\n)eqprop: error: [^\n]+\n\Z", err.getvalue())
    if code == 2:
        assert refused or not err.getvalue(), err.getvalue()
        assert refused or "error" in out.getvalue() or arguments[-1].isspace(), out.getvalue()
    if REPORT in " ".join(arguments) and not refused:
        look_at(Path(REPORT))
    return int(code)


def look_at(report: Path) -> None:
    """A report of the project is there, has a verdict for each cell that was asked for, and none that is wrong."""
    if not report.is_file():
        msg = f"{report} was not written"
        raise LostResultError(msg)
    verdicts: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["verdicts"]
    rows = {pair: {v["property"] for v in verdicts if v["pair"] == pair} for pair in ("good", "bad")}
    seen = [row for row in rows.values() if row]
    if any(row != seen[0] for row in seen):
        raise LostResultError(str(rows))
    for verdict in verdicts:
        cell, outcome = (verdict["pair"], verdict["property"]), verdict["outcome"]
        if outcome == ("holds" if cell == ("bad", "equivariance") else "falsified" if cell[0] == "good" else ""):
            raise WrongVerdictError(str(verdict))
        if outcome == "falsified" and not verdict["counterexample"]:
            raise LostResultError(str(verdict))
