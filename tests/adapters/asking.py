"""What tests of adapters ask of a pair, and what they call its outcomes."""

from __future__ import annotations

import numpy as np

import eqprop

X = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
"""Five samples of three features."""

PREMISE = ("equivariance",)
FIRST = ("equivariance", "derivative", "gradient-covariance")


def outcomes(model: eqprop.Model, move: eqprop.Transformation, properties: tuple[str, ...] = FIRST) -> set[str]:
    """The outcomes of these properties."""
    return set(by_property(model, move, properties).values())


def by_property(
    model: eqprop.Model, move: eqprop.Transformation, properties: tuple[str, ...] = FIRST
) -> dict[str, str]:
    """Property → outcome."""
    report = eqprop.run(
        eqprop.Pair(model, move), properties=properties, profile="quick", save=None, unseen=False, probes=32
    )
    return {verdict.property.name: str(verdict.outcome) for verdict in report.verdicts}
