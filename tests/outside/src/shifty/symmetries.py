"""Two symmetries: pairwise differences forget a common shift; a claim that is wrong, as a negative control."""

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

import eqprop
from eqprop.mutants import usual_of_shifts


def differences(params, inputs):
    """Features of the differences between the entries of a vector and its neighbours."""
    apart = params["v"] - jnp.roll(params["v"], 1)
    return jnp.tanh(inputs @ apart[:, None])


def tame(params):
    """Where tanh does not saturate: there both sides of every identity would vanish."""
    return {"v": np.clip(params["v"], -2, 2)}


def contrast(draw, width):
    """The model, of a drawn width and batch."""
    batch = draw(st.integers(1, 4))
    inputs = np.ones((batch, width))
    model = eqprop.Model(differences, {"v": np.ones(width)}, inputs, name="contrast", trained=False, domain=tame)
    return model, {"width": width, "batch": batch}


@eqprop.register(
    name="difference-shift",
    reference="own derivation",
    action="v ↦ v + s 1",
    charge="Σ v",
    mutants=usual_of_shifts("v"),
)
@st.composite
def difference_shift(draw):
    """Differences forget what is added to all entries."""
    model, drawn = contrast(draw, draw(st.integers(4, 9)))
    return eqprop.Pair(model, eqprop.softmax_shift(model.params, {"v": 0}), architecture=drawn)


@eqprop.register(
    name="difference-permutation",
    reference="negative control of difference-shift",
    control="differences between neighbours depend on who the neighbours are",
)
@st.composite
def difference_permutation(draw):
    """Entries trade places."""
    width = draw(st.integers(4, 9))
    model, drawn = contrast(draw, width)
    return eqprop.Pair(model, eqprop.experts(width, {"v": 0}), architecture=drawn)
