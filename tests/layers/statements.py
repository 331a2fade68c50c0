"""What tests of a library's layers share: inputs, and what a verdict must say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import eqprop
from eqprop.precision import Precision
from eqprop.profiles import PROFILES
from eqprop.properties import CORE, by_name
from eqprop.search import search
from eqprop.subject import Options, Subject
from eqprop.verdict import Outcome

Build = Callable[[], eqprop.Pair]
"""Makes a layer of the library and says its symmetry."""

BATCH, D_IN, UNITS, D_OUT, TIME, HEADS, WIDTH = 3, 2, 3, 2, 3, 2, 2

BRIEF = PROFILES["gate"].budgeted(1, name="layers", examples=2)
"""One architecture, two losses or scales: what a library's layer computes is not drawn."""

QUICK = {"dense, rescaled", "linear, rescaled", "layer norm, shift", "GRU, units"}
"""Those that run by default; recurrent ones do so in float32, which nothing else here does."""

_rng = np.random.default_rng(0)
FEATURES = _rng.standard_normal((BATCH, D_IN))
TOKENS = _rng.standard_normal((BATCH, TIME, D_IN))


def holds(pair: eqprop.Pair, precision: Precision = "float64") -> None:
    """All properties of first and second order that are judged at every probe hold, and compare something."""
    verdicts = search(Subject("layer", st.just(pair)), Options(BRIEF, precision=precision, properties=CORE))
    outcomes = {verdict.property.name: (verdict.outcome, verdict.reason) for verdict in verdicts}
    accepted = {Outcome.HOLDS, Outcome.NOT_APPLICABLE}
    assert all(outcome in accepted for outcome, _ in outcomes.values()), outcomes
    assert outcomes["equivariance"][0] is Outcome.HOLDS
    assert outcomes["gradient-covariance"][0] is Outcome.HOLDS


def breaks(pair: eqprop.Pair) -> float:
    """The premise is falsified; by how much, relative to the outputs."""
    (verdict,) = search(Subject("layer", st.just(pair)), Options(BRIEF, properties=(by_name("equivariance"),)))
    assert verdict.outcome is Outcome.FALSIFIED, (verdict.outcome, verdict.reason)
    found = verdict.counterexample
    assert found is not None
    assert f"residual  {found.residual:.3g}" in str(found)
    return found.residual / max(abs(found.lhs), abs(found.rhs))


def growth(sizes: Mapping[float, float]) -> float:
    """The power with which a size grows with ε, from the smallest to the largest."""
    (low, least), (high, most) = min(sizes.items()), max(sizes.items())
    return float(np.log(most / least) / np.log(high / low))


def cases(exact: Mapping[str, Build]) -> list[Any]:
    """The names of a library's cases; all but the quick ones are marked slow."""
    return [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in exact]


def keyed(params: Any) -> dict[str, Any]:
    """Parameters as a plain dictionary, where a library has mappings of its own."""
    return {name: keyed(leaf) if isinstance(leaf, Mapping) else leaf for name, leaf in params.items()}
