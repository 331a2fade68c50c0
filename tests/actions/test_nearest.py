"""What does not fit is answered with what would."""

from __future__ import annotations

import re

import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.errors import InvalidInput

PARAMS = {
    "up": {"kernel": np.ones((3, 8)), "bias": np.ones(8)},
    "down": {"kernel": np.ones((8, 5)), "bias": np.ones(5)},
    "square": np.ones((5, 2, 5)),
}


@pytest.mark.parametrize(
    ("units", "writes", "answer"),
    [
        (8, {"up/kernel": 0}, "acts on 8 units there. Its axis 1 has that length."),
        (8, {"up/kernel": 2}, "has no axis 2. Its axis 1 has that length."),
        (5, {"square": 1}, "Its axis 0 or 2 has that length."),
        (
            5,
            {"down/bias": 0, "up/bias": 0},
            "Nearest with that length: 'down/bias' of shape (5,) along axis 0; 'square' of shape",
        ),
        (7, {"up/kernel": 1}, "No tensor has an axis of length 7."),
    ],
    ids=["another axis", "an axis that is not there", "two axes", "other tensors", "nowhere"],
)
def test_an_axis_that_does_not_fit_is_answered_with_those_that_would(units, writes, answer):
    with pytest.raises(InvalidInput, match=re.escape(answer)):
        eqprop.hidden_units(groups.Scaling(units), writes=writes).on_params(np.ones(units), PARAMS)


def test_of_many_paths_the_nearest_are_named_and_the_first_are_listed():
    many = {f"layer_{i}": np.ones(2) for i in range(100)}
    with pytest.raises(InvalidInput, match=r"Did you mean layer_9 or.*… \(100 in all; eqprop.inspect\(model\)"):
        eqprop.hidden_units(groups.Scaling(2), writes={"layer_9a": 0}).on_params(np.ones(2), many)
