"""What failed in a run, as text: what has one cause is told once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from eqprop.results.codes import code_of
from eqprop.results.verdict import Outcome, Verdict

EXPLAIN = "  explain   eqprop explain {}"
NAMED = 3
"""How many properties of one cause are named where there are more than one further."""


OF_PAIRS = (Outcome.ERROR, Outcome.MISSING)
"""What befalls a pair as a whole, where it is the same for all cells: these are not named."""


def failure_blocks(verdicts: Sequence[Verdict]) -> list[str]:
    """Every counterexample; then the reasons of the other cells, those of one pair and reason together.

    Args:
        verdicts: all of a run.
    """
    failures = [v for v in verdicts if not v.accepted]
    blocks = [f"{v.counterexample}\n{EXPLAIN.format(code_of(v))}" for v in failures if v.counterexample]
    cells = Counter(v.pair.name for v in verdicts)
    grouped: dict[tuple[str, Outcome, str], list[Verdict]] = {}
    for v in failures:
        if not v.counterexample:
            grouped.setdefault((v.pair.name, v.outcome, v.reason), []).append(v)
    lines = [
        _line(alike[0], [] if outcome in OF_PAIRS and len(alike) == cells[pair] else [v.property.name for v in alike])
        for (pair, outcome, _), alike in grouped.items()
    ]
    return [*blocks, "\n".join(lines)] if lines else blocks


def _line(one: Verdict, names: Sequence[str]) -> str:
    """Of cells that are alike, of which this is one; without names it is about the pair as a whole."""
    parts = (f"{one.outcome} [{code_of(one)}]", one.pair.name, in_a_row(names), one.reason)
    return ": ".join(part for part in parts if part)


def in_a_row(names: Sequence[str]) -> str:
    """Names; of many the first ones and how many more there are."""
    if len(names) <= NAMED + 1:
        return ", ".join(names)
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} others"
