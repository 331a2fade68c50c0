"""A model whose parameters are a module's tensors by their paths."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np

from eqprop.adapters.calling import initialised
from eqprop.adapters.statistics import kept_positive, spread
from eqprop.adapters.tensors import Named
from eqprop.arguments import flag
from eqprop.claims import Inputs, Model, Outputs
from eqprop.engine import Array, is_floating
from eqprop.errors import InvalidInput


def model_of(
    call: Callable[[Named, Inputs], Outputs],
    params: Named,
    state: Named,
    inputs: Inputs,
    *,
    loss: Callable[[Outputs], Array] | None,
    name: str,
    differentiate_state: bool,
    remedy: str = "",
) -> Model:
    """The model of a module: parameters and state in one dictionary, so that a transformation moves both.

    Args:
        call: the module's outputs, of all tensors by their paths and of the inputs.
        params: what is trained, and integers and masks that the module keeps.
        state: what the module remembers: running statistics, say. Those that are as a new module has them are spread
            (``spread``).
        inputs: an example batch.
        loss: the module's own, of the outputs; None where losses are drawn.
        name: of the model.
        differentiate_state: whether the state is taken for parameters: differentiated, and drawn, variances positive.
        remedy: what else mends a call that raises, as a sentence.

    Raises:
        InvalidInput: where a parameter and a state have one path, a first call raises, or whether state is
            differentiated is neither true nor false.
    """
    flag(differentiate_state, f"model {name!r}: differentiate_state")
    both = sorted(params.keys() & state.keys())
    if both:
        msg = f"model {name!r}: {both[0]!r} is the path of a parameter and of a state; rename one of the two."
        raise InvalidInput(msg)
    initialised(
        f"model {name!r}: a first call", lambda: jax.eval_shape(call, {**params, **state}, inputs), remedy=remedy
    )
    remembered = spread(state)
    floating = tuple(path for path, leaf in remembered.items() if is_floating(leaf))
    return Model(
        call,
        {path: np.asarray(leaf) for path, leaf in {**params, **remembered}.items()},
        inputs,
        loss=loss,
        name=name,
        domain=kept_positive(floating) if differentiate_state and floating else None,
        state=() if differentiate_state else floating,
    )
