"""A symmetry that was found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from eqprop.claims import Model, Pair, Transformation
from eqprop.finding.charges import charge_of
from eqprop.finding.writing import Call
from eqprop.results import Record


@dataclass(frozen=True, eq=False)
class Found:
    """A symmetry that was found.

    Attributes:
        model: whose it is.
        kind: one word for what acts: ``linear``, ``scaling``, ``permutation``.
        group: as text, ``GL(4) in each of 2``.
        tensors: the paths of those that it moves.
        units: how many units, heads or classes the interface has.
        call: what declares it.
        continuous: whether it has an algebra.
    """

    model: Model
    kind: str
    group: str
    tensors: tuple[str, ...]
    units: int
    call: Call
    continuous: bool = True

    @property
    def name(self) -> str:
        """Of the transformation; what no name was given to yet goes by its kind."""
        return self.call.named.get("name", self.kind)

    def named(self, name: str) -> Found:
        """The same under a name."""
        return replace(self, call=replace(self.call, named={**self.call.named, "name": name}))

    @cached_property
    def claim(self) -> str:
        """As text, whatever its name: equal texts declare the same."""
        return replace(self.call, named={k: v for k, v in self.call.named.items() if k != "name"}).code()

    @cached_property
    def transformation(self) -> Transformation:
        """What it declares."""
        return self.call.made(self.model.params)

    @property
    def pair(self) -> Pair:
        """The claim that is made of it."""
        return Pair(self.model, self.transformation)

    @property
    def charge(self) -> str:
        """What gradient flow conserves because of it, in closed form; empty where that is nothing."""
        return charge_of(self.call) if self.continuous else ""

    def to_record(self) -> Record:
        """As JSON has it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "group": self.group,
            "tensors": list(self.tensors),
            "size": self.units,
            "continuous": self.continuous,
            "charge": self.charge,
            "code": self.call.code(),
        }
