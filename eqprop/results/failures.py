"""What failed in a run, as text: what has one cause is told once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from eqprop.results.verdict import Outcome, Verdict

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
    blocks = [str(v.counterexample) for v in failures if v.counterexample]
    cells = Counter(v.pair.name for v in verdicts)
    grouped: dict[tuple[str, Outcome, str], list[str]] = {}
    for v in failures:
        if not v.counterexample:
            grouped.setdefault((v.pair.name, v.outcome, v.reason), []).append(v.property.name)
    lines = [
        _line(pair, outcome, reason, [] if outcome in OF_PAIRS and len(names) == cells[pair] else names)
        for (pair, outcome, reason), names in grouped.items()
    ]
    return [*blocks, "\n".join(lines)] if lines else blocks


def _line(pair: str, outcome: Outcome, reason: str, names: Sequence[str]) -> str:
    """Without names it is about the pair as a whole."""
    return ": ".join(part for part in (str(outcome), pair, in_a_row(names), reason) if part)


def in_a_row(names: Sequence[str]) -> str:
    """Names; of many the first ones and how many more there are."""
    if len(names) <= NAMED + 1:
        return ", ".join(names)
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} others"
