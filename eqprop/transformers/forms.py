"""A form of a symmetry: one transformation that a network may have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from eqprop.claims import Params, Transformation
from eqprop.transformers.anatomy import Anatomy, Tensor


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


def nothing(anatomy: Anatomy) -> str:
    """No reason is known."""
    del anatomy
    return ""


@dataclass(frozen=True)
class Family:
    """A symmetry, in all forms that networks have it.

    Attributes:
        name: in the table.
        forms: of a network, the largest group first; none where it has no such part.
        absent: said where there are no forms.
        why: what breaks it, read off the network; empty where that is not known.
        unread: of a network, what of this part of it is not understood: a form that fails says nothing then. Empty
            where every tensor has its role.
        place: which part of it, where it has several.
    """

    name: str
    forms: Callable[[Anatomy], Iterable[Form]]
    absent: str
    why: Callable[[Anatomy], str]
    unread: Callable[[Anatomy], str] = nothing
    place: str = ""


def at_one(anatomy: Anatomy, gains: Iterable[Tensor]) -> Callable[[Params], Params]:
    """Parameters with these gains at 1, however they are stored; shifts stay as they are."""
    ones = {t.path: 1 - anatomy.offsets[t.path] for t in gains if t.path in anatomy.offsets}

    def domain(params: Params) -> Params:
        return {path: np.full_like(leaf, ones[path]) if path in ones else leaf for path, leaf in params.items()}

    return domain
