"""Group and algebra elements, for your own ``@given`` tests."""

from __future__ import annotations

from itertools import islice

import numpy as np
from hypothesis import strategies as st

from eqprop.arguments import got, positive
from eqprop.errors import InvalidInput
from eqprop.groups import Algebra, Element, Group, LieGroup
from eqprop.strategies.parameters import SEEDS

READABLE_ELEMENTS = 32


@st.composite
def elements(draw: st.DrawFn, group: Group, *, farthest: float = 1.0) -> Element:
    """Elements of a group: the identity, readable ones, and drawn ones from near the identity to far from it.

    Shrinks to the identity, then to the group's simplest elements.

    Args:
        draw: supplied by hypothesis.
        group: any group.
        farthest: the largest reach, between 0 and 1 (see ``Group.sample``).
    """
    _check_group("elements", group, Group)
    farthest = _reach(farthest)
    readable = [group.identity(), *islice(group.simple(), READABLE_ELEMENTS)]
    if draw(st.sampled_from(("readable", "drawn"))) == "readable":
        return readable[draw(st.integers(0, len(readable) - 1))]
    reach = draw(st.floats(0.0, farthest, exclude_min=True))
    return group.sample(np.random.default_rng(draw(SEEDS)), reach)


@st.composite
def algebra_elements(draw: st.DrawFn, group: LieGroup) -> Algebra:
    """Elements of a Lie algebra: readable ones, and normal ones by seed. Shrinks to the simplest."""
    _check_group("algebra_elements", group, LieGroup)
    readable = list(islice(group.simple_algebra(), READABLE_ELEMENTS))
    if readable and draw(st.sampled_from(("readable", "drawn"))) == "readable":
        return readable[draw(st.integers(0, len(readable) - 1))]
    return group.sample_algebra(np.random.default_rng(draw(SEEDS)))


def _check_group(strategy: str, group: object, kind: type[Group]) -> None:
    if not isinstance(group, kind):
        msg = f"{strategy}: group is {got(group)}; expected an eqprop.{kind.__name__} such as groups.Scaling(3)."
        raise InvalidInput(msg)


def _reach(farthest: float) -> float:
    reach = positive(farthest, "elements: farthest is")
    if reach > 1:
        msg = f"elements: farthest is {farthest}; expected a number above 0, at most 1."
        raise InvalidInput(msg)
    return reach
