"""What a claim does not look at: whose derivatives none of its properties constrains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eqprop.results.records import Record, check_fields

MOST_NAMED = 4


@dataclass(frozen=True)
class Unseen:
    """Parameters and inputs whose derivatives the symmetry's own properties do not tell from wrong ones. Plain data.

    The premises of calculus look at all derivatives; that is one witness, where two are better.

    Attributes:
        never: tensors in which no error was noticed.
        up_to_a_factor: tensors in which an error was noticed, but not a constant factor.
        of: how many tensors there are, the inputs among them.
        unknown: why nothing could be found out; else empty.
        unasked: the premises of calculus that apply and were not asked for, as the costly one in ``quick``.
        alone: whether none of them was asked for.
    """

    never: tuple[str, ...]
    up_to_a_factor: tuple[str, ...]
    of: int
    unknown: str = ""
    unasked: tuple[str, ...] = ()
    alone: bool = False

    def line(self, pair: str) -> str:
        """For a report; empty where everything is looked at."""
        if self.unknown:
            return f"{pair}: what its claims do not look at could not be found out ({self.unknown})"
        said: list[str] = []
        if self.never:
            said.append(f"the derivatives in {_named(self.never)} ({len(self.never)} of {self.of} tensors)")
        if self.up_to_a_factor:
            said.append(f"a constant factor in those in {_named(self.up_to_a_factor)}")
        if not said:
            return ""
        return (
            f"{pair}: {self._who} {', and at '.join(said)}; {self._else}a further symmetry that moves them would, too"
        )

    @property
    def _who(self) -> str:
        if self.alone:
            return "nothing that was asked looks at"
        without = f", without {', '.join(self.unasked)} (not asked)," if self.unasked else ""
        return f"only the premises of calculus{without} look at"

    @property
    def _else(self) -> str:
        return f"the premises of calculus ({', '.join(self.unasked)}) would; " if self.alone else ""

    @classmethod
    def from_record(cls, record: Record) -> Unseen:
        """What ``dataclasses.asdict`` made of it."""
        check_fields(cls, record)
        never, factor, unasked = (tuple(record.get(name, ())) for name in ("never", "up_to_a_factor", "unasked"))
        return cls(never, factor, record["of"], record.get("unknown", ""), unasked, record.get("alone", False))


def _named(tensors: Sequence[str]) -> str:
    more = f" and {len(tensors) - MOST_NAMED} more" if len(tensors) > MOST_NAMED else ""
    return ", ".join(tensors[:MOST_NAMED]) + more
