"""Cells of several parts of a network as one."""

from __future__ import annotations

from collections.abc import Sequence

from eqprop.transformers.gains import short
from eqprop.transformers.rows import Cell


def merged(cells: Sequence[tuple[str, Cell]]) -> Cell:
    """One cell of those of each part, with the names of the parts where they differ."""
    told = [(place, cell) for place, cell in cells if cell.outcome != "absent"]
    if len(told) < 2 or len({(cell.outcome, cell.form) for _, cell in told}) == 1:
        return told[0][1] if told else cells[0][1]
    outcomes = {cell.outcome for _, cell in told}
    first = next(cell for _, cell in told if cell.outcome == min(outcomes, key=ORDER.index))
    if first.outcome != "holds":
        return first
    by_text: dict[str, list[str]] = {}
    for place, cell in told:
        text = cell.form if cell.outcome == "holds" else f"{MARKS[cell.outcome]} {cell.why or 'no form that is tried'}"
        by_text.setdefault(text.strip(), []).append(place or "layers")
    named = len({place for place, _ in told}) > 1
    texts = (f"{', '.join(dict.fromkeys(places))}: {text}" if named else text for text, places in by_text.items())
    return Cell(first.symmetry, "holds", "; ".join(texts))


ORDER = ("holds", "unsettled", "broken")
MARKS = {"broken": "no:", "unsettled": "?"}


def gains_together(cells: Sequence[Cell]) -> Cell:
    """The norms of a network as one cell: each with what it is traded against."""
    name = "norm gains"
    told = [cell for cell in cells if cell.outcome != "absent"]
    if not told:
        return Cell(name, "absent", why="no gains that a known tensor reads")
    names = short(cell.symmetry for cell in told)
    holding = [f"{place}: {cell.form}" for cell, place in zip(told, names, strict=True) if cell.outcome == "holds"]
    broken = [place for cell, place in zip(told, names, strict=True) if cell.outcome != "holds"]
    why = f"{', '.join(dict.fromkeys(broken))} traded with nothing" if broken else ""
    return Cell(name, "holds" if holding else told[0].outcome, "; ".join(holding), why)
