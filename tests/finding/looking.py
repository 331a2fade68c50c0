"""What is found of a model where nothing is proven, as groups or of one kind."""

from __future__ import annotations

import eqprop
from eqprop.finding import Symmetries, find
from eqprop.finding.found import Found


def found(model: eqprop.Model) -> Symmetries:
    return find(model, prove=False)


def groups_of(symmetries: Symmetries) -> list[str]:
    return sorted(one.found.group for one in symmetries.found)


def of_kind(symmetries: Symmetries, kind: str) -> list[Found]:
    return [one.found for one in symmetries.found if one.found.kind == kind]
