"""A form of a symmetry: one transformation that a network may have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from eqprop.claims import Params, Transformation
from eqprop.transformers.anatomy import Anatomy


@dataclass(frozen=True)
class Form:
    """What may hold.

    Attributes:
        text: the form in words.
        transformation: that.
        domain: what is fixed for it among the parameters, as in ``eqprop.Model``.
    """

    text: str
    transformation: Transformation
    domain: Callable[[Params], Params] | None = None


@dataclass(frozen=True)
class Family:
    """A symmetry, in all forms that networks have it.

    Attributes:
        name: in the table.
        forms: of a network, the largest group first; none where it has no such part.
        absent: said where there are no forms.
        why: what breaks it, read off the network; empty where that is not known.
    """

    name: str
    forms: Callable[[Anatomy], Iterable[Form]]
    absent: str
    why: Callable[[Anatomy], str]
