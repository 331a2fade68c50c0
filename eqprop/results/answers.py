"""What becomes of a counterexample that is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from eqprop.results.summaries import said_of
from eqprop.results.verdict import Outcome, Verdict


class Answer(StrEnum):
    """Of a replay. The words are capitals, because logs are searched for them."""

    FIXED = "FIXED"
    STILL_FAILS = "STILL FAILS"
    CANNOT_RUN = "CANNOT RUN"


EXIT_CODES = {Answer.FIXED: 0, Answer.STILL_FAILS: 1, Answer.CANNOT_RUN: 2}


@dataclass(frozen=True)
class Replayed:
    """A counterexample tried again.

    Attributes:
        answer: what became of it.
        reason: why it cannot run; empty otherwise.
        verdict: of the property there, where it ran.
    """

    answer: Answer
    reason: str = ""
    verdict: Verdict | None = None

    @classmethod
    def of(cls, verdict: Verdict) -> Replayed:
        """What a verdict at the counterexample's numbers amounts to: only one that settles something tells."""
        if verdict.outcome is Outcome.FALSIFIED:
            return cls(Answer.STILL_FAILS, verdict=verdict)
        if verdict.outcome is Outcome.HOLDS:
            return cls(Answer.FIXED, verdict=verdict)
        return cls(Answer.CANNOT_RUN, f"{verdict.outcome}: {said_of(verdict)}", verdict)

    @property
    def exit_code(self) -> int:
        """0 for fixed, 1 for still failing, 2 for what cannot run."""
        return EXIT_CODES[self.answer]
