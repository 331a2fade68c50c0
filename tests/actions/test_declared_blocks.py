"""Gated units, low ranks and experts: layers in plain NumPy stay as they are, and every refusal of a block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from eqprop import groups
from eqprop.actions import channels, combined, experts, glu, low_rank, softmax_shift, states
from eqprop.claims import Transformation
from eqprop.errors import InvalidInput
from tests.actions.layers import ROUNDING, Case, Layer, Params, error_of, moved, relu, silu, softmax

# -- gated units ------------------------------------------------------------------------------------------------------


HIDDEN = 3
GLU_SHAPES = {"gate": (2, HIDDEN), "up": (2, HIDDEN), "b_up": (HIDDEN,), "down": (HIDDEN, 2)}
UP, DOWN, GATE = {"up": 1, "b_up": 0}, {"down": 0}, {"gate": 1}


def gated(activation: Callable[[np.ndarray], np.ndarray]) -> Layer:
    return lambda p, x: (activation(x @ p["gate"]) * (x @ p["up"] + p["b_up"])) @ p["down"]


def glu_case(claim: Transformation, activation: Any = silu) -> Case:
    return Case(gated(activation), GLU_SHAPES, (4, 2), claim)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(glu_case(glu(HIDDEN, up=UP, down=DOWN)), id="scales"),
        pytest.param(glu_case(glu(HIDDEN, up=UP, down=DOWN, group=groups.Sign(HIDDEN))), id="signs"),
        pytest.param(
            glu_case(glu(HIDDEN, up=UP | GATE, down=DOWN, group=groups.Permutation(HIDDEN))), id="permutations"
        ),
        pytest.param(glu_case(glu(HIDDEN, up=UP, down=DOWN, gate=GATE), relu), id="two-scales-with-a-relu-gate"),
    ],
)
def test_gated_units_are_invariant(case: Case):
    assert error_of(case, reach=1.0) < ROUNDING


def test_a_gate_that_is_not_homogeneous_has_no_factor_of_its_own():
    assert error_of(glu_case(glu(HIDDEN, up=UP, down=DOWN, gate=GATE), silu)) > 1e-3


def test_the_two_factors_of_a_gated_unit_are_divided_out_together():
    claim = glu(2, up={"up": 0}, down={"down": 0}, gate={"gate": 0})
    ones = {name: np.ones(2) for name in ("up", "gate", "down")}
    image = moved(claim, (np.array([2.0, 1.0]), np.array([4.0, 8.0])), ones)
    np.testing.assert_array_equal(image["up"], [2.0, 1.0])
    np.testing.assert_array_equal(image["gate"], [4.0, 8.0])
    np.testing.assert_array_equal(image["down"], [1 / 8, 1 / 8])


# -- low rank ---------------------------------------------------------------------------------------------------------


def test_a_low_rank_update_keeps_its_product():
    case = Case(
        lambda p, x: x @ p["frozen"] + x @ p["a"] @ p["b"],
        {"frozen": (4, 3), "a": (4, 2), "b": (2, 3)},
        (5, 4),
        low_rank(2, writes={"a": 1}, reads={"b": 0}),
    )
    assert error_of(case) < ROUNDING


def test_a_symmetric_product_keeps_what_rotations_leave():
    case = Case(lambda p, x: x @ p["u"] @ p["u"].T, {"u": (4, 3)}, (5, 4), low_rank(3, writes={"u": 1}))
    assert case.claim.group == groups.Orthogonal(3)
    assert error_of(case, reach=1.0) < ROUNDING


def test_another_group_may_act_between_the_factors():
    claim = low_rank(2, writes={"u": 1}, reads={"v": 1}, group=groups.Scaling(2))
    image = moved(claim, np.array([2.0, 4.0]), {"u": np.ones((3, 2)), "v": np.ones((1, 2))})
    np.testing.assert_array_equal(image["u"], np.tile([2.0, 4.0], (3, 1)))
    np.testing.assert_array_equal(image["v"], [[0.5, 0.25]])


def test_deep_linear_layers_have_a_basis_change_at_each_interface():
    sizes = (2, 3, 4, 2)
    shapes = {f"w{i}": (sizes[i], sizes[i + 1]) for i in range(3)}
    claim = combined(*(low_rank(sizes[i + 1], writes={f"w{i}": 1}, reads={f"w{i + 1}": 0}) for i in range(2)))
    assert error_of(Case(lambda p, x: x @ p["w0"] @ p["w1"] @ p["w2"], shapes, (5, 2), claim), reach=0.2) < ROUNDING


# -- experts ----------------------------------------------------------------------------------------------------------


EXPERTS = {"router": (2, 4), "router_b": (4,), "w": (4, 2, 3), "a": (4, 3, 2)}
OF_EXPERTS = {"router": 1, "router_b": 0, "[wa]": 0}


def mixture(p: Params, x: np.ndarray) -> np.ndarray:
    each = np.einsum("beh,eho->beo", np.tanh(np.einsum("bi,eih->beh", x, p["w"])), p["a"])
    return np.einsum("be,beo->bo", softmax(x @ p["router"] + p["router_b"]), each)


def test_experts_trade_places_if_their_router_follows():
    assert error_of(Case(mixture, EXPERTS, (5, 2), experts(4, OF_EXPERTS)), reach=1.0) < ROUNDING


def test_a_router_that_stays_behind_shows():
    assert error_of(Case(mixture, EXPERTS, (5, 2), experts(4, {"[wa]": 0})), reach=1.0) > 1e-3


def test_experts_may_share_an_axis_of_a_tensor():
    """As in a fused kernel (d_in, experts × hidden)."""
    fused = np.arange(12.0).reshape(2, 6)
    image = moved(experts(3, {"w": "d_in (units hidden)"}), np.array([1, 2, 0]), {"w": fused})
    apart = moved(experts(3, {"w": 1}), np.array([1, 2, 0]), {"w": fused.reshape(2, 3, 2)})
    np.testing.assert_array_equal(image["w"], apart["w"].reshape(2, 6))
    assert not np.array_equal(image["w"], fused)


def test_a_softmax_router_forgets_a_common_shift():
    params = {name: np.zeros(shape) for name, shape in EXPERTS.items()}
    claim = softmax_shift(params, {"router": 1, "router_b": 0})
    assert claim.group == groups.Translation(3)
    assert error_of(Case(mixture, EXPERTS, (5, 2), claim)) < ROUNDING


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: glu(2, up={}, down=DOWN), r"glu\('glu'\): up is {}, .*; name tensors in each that is given"),
        (lambda: glu(2, up=UP, down={}), "down is {}"),
        (lambda: glu(2, up=UP, down=DOWN, gate={}), "gate is {}"),
        (
            lambda: glu(2, up=UP, down=DOWN, gate=GATE, group=groups.Sign(2)),
            r"with gate= the group is Scaling × Scaling; leave out group=Sign\(n=2\)",
        ),
        (lambda: low_rank(2, writes={}), r"'low-rank'\): no tensor is named by writes= or reads="),
        (lambda: experts(2, {}), r"'experts'\): no tensor is named by axes="),
        (lambda: channels(2, writes={}), r"'channels'\): no tensor"),
        (lambda: channels(2, writes={"w": 0}, group=groups.Sign(2), power=2), "Sign.* has no real powers"),
        (lambda: channels(2, writes={"w": 0}, group=groups.Translation(2)), "does not act on hidden units"),
        (lambda: states(groups.Scaling(2)), r"'states'\): no tensor is named by inputs= or recurrent= or outputs="),
        (lambda: states(groups.Scaling(2), recurrent={"a": 1}), r"recurrent\['a'\] is 1 \(int\); expected \(axis that"),  # pyright: ignore[reportArgumentType]
        (lambda: states(groups.Scaling(2), inputs={"a": 0}, recurrent={"a": (0, 1)}), "'a' is among recurrent and"),
        (lambda: states(groups.Scaling(2), outputs={"a": 0}, recurrent={"a": (0, 1)}), "'a' is among recurrent and"),
    ],
)
def test_a_wrong_declaration_is_refused_at_once(declare: Callable[[], Transformation], message: str):
    with pytest.raises(InvalidInput, match=message):
        declare()
