"""Which properties can be asked of a pair: those whose hypotheses it meets, and that could be evaluated so far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Sequence

from eqprop.claims import Pair
from eqprop.engine import Precision
from eqprop.properties import Property
from eqprop.search.culprits import Failure
from eqprop.validation import first_unusable_order


class Askable:
    """What a search learns of which properties can be asked, pair by pair.

    Attributes:
        errors: property name → why it could not be evaluated on some pair.
    """

    def __init__(self) -> None:
        self.errors: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._applied: set[str] = set()
        self._refused: defaultdict[Hashable, set[str]] = defaultdict(set)  # by pair: what could not be evaluated
        self._unusable: tuple[Hashable, int, str] | None = None  # from which order on no derivative is usable, and why

    @property
    def reason_if_not_applicable(self) -> dict[str, str]:
        """Property name → why it applied to no pair."""
        return {name: reason for name, reason in self._reasons.items() if name not in self._applied}

    def look_at_example(self, pair: Pair, precision: Precision, missing: str) -> None:
        """Find out which derivatives are finite at a pair's own example.

        Args:
            pair: whose.
            precision: of the numbers.
            missing: why there is none, if that is so.
        """
        order, why = (1, missing) if missing else first_unusable_order(pair, precision) or (0, "")
        self._unusable = (pair.key, order, why) if why else None

    def why_unusable(self, pair: Pair, prop: Property) -> str:
        """Why a derivative that a property is about is missing or not finite at the pair's example; empty if not."""
        if self._unusable is None or "inputs" not in prop.needs:  # of the transformation alone
            return ""
        key, order, reason = self._unusable
        return reason if pair.key == key and prop.order >= order else ""

    def of(self, pair: Pair, asked: Sequence[Property]) -> tuple[Property, ...]:
        """The properties whose hypotheses the pair meets, without those that cannot be evaluated on it."""
        return tuple(prop for prop in asked if prop.name not in self._refused[pair.key] and self._meets(pair, prop))

    def _meets(self, pair: Pair, prop: Property) -> bool:
        unusable = self.why_unusable(pair, prop)
        if unusable:
            self.refuse(pair, prop.name, Failure(unusable))
            return False
        try:
            reason = prop.reason_if_not_applicable(pair)
        except Exception as error:  # noqa: BLE001 - whatever an action raises is said of this property alone
            self.refuse(pair, prop.name, Failure.of(error))
            return False
        if reason is None:
            self._applied.add(prop.name)
        else:
            self._reasons[prop.name] = reason
        return reason is None

    def refuse(self, pair: Pair, name: str, failure: Failure) -> None:
        """A property cannot be evaluated on a pair: it is not asked there again, and its cell says why."""
        self._refused[pair.key].add(name)
        if failure.undefined:
            self._applied.discard(name)
            self._reasons[name] = failure.reason
        else:
            # The example of the first pair raised nothing: of a drawn one it says which it was.
            self.errors[name] = f"{failure.reason}, for {pair!r}" if pair.architecture else failure.reason

    def refused(self, pair: Pair) -> Collection[str]:
        """The names of the properties that cannot be evaluated on a pair."""
        return self._refused[pair.key]
