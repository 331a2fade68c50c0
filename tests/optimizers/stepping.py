"""Optimisers of one's own, and the pairs of the table that they are verified on."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

import eqprop
from eqprop.optimizers.pairs import columns

COLUMNS = {column.name: column for column in columns()}
OF_OPTIMIZER = ["optimizer-step", "optimizer-trajectory"]
QUICK: dict[str, Any] = {"properties": OF_OPTIMIZER}


class Simple(NamedTuple):
    """A user's own optimiser, without optax."""

    init: Any
    update: Any


def stateless(step):
    return Simple(lambda params: (), lambda grads, state, params: (step(grads, params), state))


def plain_descent(grads, params):
    return jax.tree.map(lambda g: -0.1 * g, grads)


def pair(group="permutations"):
    return COLUMNS[group].pair


def outcomes(report):
    return {v.property.name: str(v.outcome) for v in report.verdicts}


def run(optimizer, group="permutations", **rest):
    return eqprop.run(pair(group), optimizer=optimizer, **(QUICK | rest))
