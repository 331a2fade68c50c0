"""Inputs of a model, for your own ``@given`` tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from eqprop.claims import Inputs, Model
from eqprop.probes import inputs_of
from eqprop.strategies.parameters import SEEDS, at, check_model


@st.composite
def inputs(draw: st.DrawFn, model: Model) -> Inputs:
    """Inputs like the model's example: normal where floating, redrawn within its range where integer (tokens).

    Half of a trained model's inputs are the example itself, to which they shrink.
    """
    check_model("inputs", model)
    fresh, seed = draw(st.booleans()), draw(SEEDS)
    example_then_fresh = inputs_of(model, np.random.default_rng(seed), 2)
    return at(example_then_fresh, 1 if fresh else 0)
