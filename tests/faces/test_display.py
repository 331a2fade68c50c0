"""Boards: what a run shows while it goes on."""

from __future__ import annotations

import time

from eqprop.faces import display
from eqprop.faces.display import PlainBoard
from eqprop.results import Progress


def test_a_run_that_says_nothing_for_a_while_tells_the_standard_error_what_it_is_doing(monkeypatch, capsys):
    monkeypatch.setattr(display, "SILENT", 0.02)
    lines: list[str] = []
    with PlainBoard(["net"], lines.append) as board:
        board(Progress("net", "searching", architectures=3, probes=192))
        time.sleep(0.2)
    assert len(lines) == 1  # the header
    assert "s: net (searching, 192 probes of 3 architectures)\n" in capsys.readouterr().err
