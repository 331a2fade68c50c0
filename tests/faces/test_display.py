"""Boards: what a run shows while it goes on."""

from __future__ import annotations

import time

from eqprop.faces import display
from eqprop.faces.display import PlainBoard, board, signs_of_life
from eqprop.results import Outcome, PairName, Progress, PropertyName, Verdict


def test_a_run_that_says_nothing_for_a_while_tells_the_standard_error_what_it_is_doing(monkeypatch, capsys):
    monkeypatch.setattr(display, "SILENT", 0.02)
    lines: list[str] = []
    with PlainBoard(["net"], lines.append) as board:
        board(Progress("net", "searching", architectures=3, probes=192))
        time.sleep(0.2)
    assert len(lines) == 1  # the header
    assert "s: net (searching, 192 probes of 3 architectures)\n" in capsys.readouterr().err


def test_beside_json_the_standard_error_hears_the_same_and_the_standard_output_nothing(monkeypatch, capsys):
    monkeypatch.setattr(display, "SILENT", 0.02)
    lines: list[str] = []
    with board(["net"], architectures=6, verbose=False, json=True, echo=lines.append) as shown:
        shown(Progress("net", "searching", architectures=3, probes=192))
        time.sleep(0.2)
        shown(Progress("net", "finished"))
    assert lines == []
    assert "s: net (searching, 192 probes of 3 architectures)\n" in capsys.readouterr().err


def test_a_command_without_lines_says_what_it_does_before_the_first_pair_and_at_one(monkeypatch, capsys):
    monkeypatch.setattr(display, "SILENT", 0.02)
    with signs_of_life("looking for symmetries", "; --no-proof leaves the proof out") as shown:
        time.sleep(0.1)
        shown(Progress("net", "searching", architectures=3, probes=192))
        time.sleep(0.1)
    said = capsys.readouterr()
    assert "s: looking for symmetries; --no-proof leaves the proof out\n" in said.err
    assert "s: net (searching, 192 probes of 3 architectures); --no-proof leaves the proof out\n" in said.err
    assert not said.out


def test_what_is_settled_has_its_line_before_the_pair_is_finished():
    lines: list[str] = []
    settled = Verdict(PairName("net"), PropertyName("noether", 1), Outcome.HOLDS, probes=64)
    PlainBoard(["net"], lines.append)(Progress("net", "settled", 1, 64, verdicts=(settled,)))
    assert lines[1:] == ["  noether                    1        - (worst     -)      64  holds so far, for net"]
