"""Parameters of a model, for your own ``@given`` tests."""

from __future__ import annotations

import jax
import numpy as np
from hypothesis import strategies as st

from eqprop.arguments import got
from eqprop.claims import Model, Params
from eqprop.engine import Tree
from eqprop.errors import InvalidInput
from eqprop.probes import FAMILIES, GIVEN, NEARBY, params_of

SEEDS = st.integers(0, 2**32 - 1)
"""What numbers are generated from; shrinks to 0."""

SIMPLEST_FAMILIES = ("ones", "readable", "gaussian", "badly scaled")


def families(model: Model | None = None) -> st.SearchStrategy[str]:
    """Names of parameter families, simplest first; with ``given`` and ``nearby`` for a trained model."""
    if model is not None:
        check_model("families", model)
    assert set(SIMPLEST_FAMILIES) == set(FAMILIES)
    return st.sampled_from(SIMPLEST_FAMILIES + ((GIVEN, NEARBY) if model is not None and model.trained else ()))


@st.composite
def parameters(draw: st.DrawFn, model: Model) -> Params:
    """Parameters with the structure of the model's example: a family and a seed are drawn, numbers follow from them.

    Floating-point leaves are float64, whatever the example's precision; integer and boolean leaves are the example's.
    Shrinks to ones and minus ones.
    """
    check_model("parameters", model)
    family, seed = draw(families(model)), draw(SEEDS)
    drawn = params_of(model, family, np.random.default_rng(seed), 1)
    return model.param_leaves.join(at(drawn, 0))


def check_model(strategy: str, model: object) -> None:
    """Raise unless it is a model.

    Raises:
        InvalidInput: naming the strategy.
    """
    if not isinstance(model, Model):
        msg = f"{strategy}: model is {got(model)}; expected an eqprop.Model."
        raise InvalidInput(msg)


def at(batch: Tree, index: int) -> Tree:
    """One of a batch of trees."""
    return jax.tree.map(lambda leaf: leaf[index], batch)
