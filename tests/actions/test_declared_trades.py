"""What trades places: factors of a product, and parts with tensors of their own; in plain NumPy, and every refusal."""

from __future__ import annotations

import numpy as np
import pytest

from eqprop.actions import exchanged, factor_swap
from eqprop.errors import InvalidInput

pytestmark = pytest.mark.usefixtures("float64")

RNG = np.random.default_rng(0)
SHAPES = {"gate": (2, 3), "up": (2, 3), "bg": 3, "bu": 3, "down": (3, 2), "other": (2, 2)}
PARAMS = {name: RNG.standard_normal(shape) for name, shape in SHAPES.items()}
INPUTS = RNG.standard_normal((4, 2))


def bilinear(params):
    gate, up = (INPUTS @ np.asarray(params[w]) + np.asarray(params[b])[None] for w, b in (("gate", "bg"), ("up", "bu")))
    return (gate * up) @ np.asarray(params["down"])


def test_factors_of_a_product_trade_places_in_the_units_with_a_sign():
    swap = factor_swap(3, {"gate": ("up", 1), "bg": ("bu", 0)})
    moved = swap.on_params(np.array([1, -1, -1]), PARAMS)
    np.testing.assert_array_equal(moved["gate"][:, 0], PARAMS["gate"][:, 0])
    np.testing.assert_array_equal(moved["gate"][:, 1:], PARAMS["up"][:, 1:])
    np.testing.assert_array_equal(moved["bu"][1:], PARAMS["bg"][1:])
    np.testing.assert_array_equal(bilinear(moved), bilinear(PARAMS))


def test_parts_of_a_list_trade_places_with_all_of_their_tensors():
    params = {"towers": [{"w": RNG.standard_normal(2), "u": RNG.standard_normal((2, 3))} for _ in range(3)]}
    move = exchanged(*([f"towers/{i}/w", f"towers/{i}/u"] for i in range(3)))
    moved = move.on_params(np.array([2, 0, 1]), params)
    for place, source in enumerate((1, 2, 0)):
        for name in "wu":
            np.testing.assert_array_equal(moved["towers"][place][name], params["towers"][source][name])


@pytest.mark.parametrize(
    ("made", "message"),
    [
        pytest.param(lambda: factor_swap(3, {}), "trades names no tensor", id="no trades"),
        pytest.param(lambda: factor_swap(3, {"gate": "up"}), "expected the path of the tensor to trade", id="no axis"),
        pytest.param(lambda: exchanged(["gate"]), "expected two or more", id="one part"),
        pytest.param(lambda: exchanged("gate", "up"), "expected two or more", id="paths instead of parts"),
        pytest.param(lambda: exchanged(["gate"], ["up", "bu"]), "equally many tensors", id="unequal parts"),
    ],
)
def test_what_says_no_trade_is_refused(made, message):
    with pytest.raises(InvalidInput, match=message):
        made()


@pytest.mark.parametrize(
    ("move", "element"),
    [
        pytest.param(factor_swap(3, {"gate": ("down", 1)}), np.ones(3, int), id="factors"),
        pytest.param(exchanged(["gate"], ["other"]), np.arange(2), id="parts"),
    ],
)
def test_tensors_of_different_shapes_trade_no_places(move, element):
    with pytest.raises(InvalidInput, match="only tensors of one shape trade places"):
        move.on_params(element, PARAMS)
