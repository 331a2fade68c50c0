"""A small pair of which any part may be another one, and what it is then refused with."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.validation import check_pair

RNG = np.random.default_rng(0)
PARAMS = {"v": RNG.standard_normal((3, 2)), "w": RNG.standard_normal((2, 3))}
SCALING = groups.Scaling(3)
INPUTS = RNG.standard_normal((2, 2))


def net(p, x):
    return jax.nn.relu(x @ p["w"]) @ p["v"]


def rescaled(a, p):
    return {**p, "w": p["w"] * a[None], "v": p["v"] / a[:, None]}


def pair_of(apply=net, params=PARAMS, inputs=INPUTS, act=rescaled, group=SCALING, target=None, **model):
    moved = eqprop.Transformation(group, on_params=act, name="rescaling")
    return eqprop.Pair(eqprop.Model(apply, params, inputs, name="net", **model), moved, target=target, name="bad")


def said(pair, precision="float64"):
    """What a pair is refused with: one line of less than 500 characters, without what JAX notes of its own frames."""
    with pytest.raises(eqprop.InvalidInput, match=r"\A\S+ \S+") as caught:
        check_pair(pair, precision)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def raising(p, x):
    msg = "boom"
    raise RuntimeError(msg)
