"""A model, a transformation and a pair of which any part may be a mistake, and the line that it is refused with."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import eqprop
from eqprop import groups

PARAMS = {"w": np.ones((2, 3)), "b": np.ones(3), "v": np.ones((3, 2))}
SCALING: Any = groups.Scaling(3)


def apply(p: Any, x: Any) -> Any:
    return (x @ p["w"] + p["b"][None]) @ p["v"]


def act(a: Any, p: Any) -> Any:
    return {"w": p["w"] * a, "b": p["b"] * a, "v": p["v"] / a[:, None]}


def model(**other: Any) -> eqprop.Model:
    return eqprop.Model(**{"apply": apply, "params": PARAMS, "inputs": np.ones((4, 2)), "name": "net", **other})


def moved(**other: Any) -> eqprop.Transformation:
    return eqprop.Transformation(**{"group": SCALING, "on_params": act, "name": "moved", **other})


def pair(**other: Any) -> eqprop.Pair:
    return eqprop.Pair(**{"model": model(), "transformation": moved(), **other})


def units(**other: Any) -> eqprop.Transformation:
    return eqprop.hidden_units(**{"group": SCALING, "writes": {"w": 1, "b": 0}, "reads": {"v": 0}, **other})


def refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(eqprop.InvalidInput, match=re.escape(message)) as caught:
        make()
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 400
