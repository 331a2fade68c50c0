"""Declared blocks: layers in plain NumPy are invariant, a wrong declaration shows, and what cannot be meant is refused.

Models are NumPy functions, so that nothing of the actions is used to check them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from eqprop import groups
from eqprop.actions import channels, combined, experts, glu, hidden_units, low_rank, softmax_shift, states
from eqprop.claims import Transformation
from eqprop.errors import InvalidInput

Params = dict[str, Any]
Layer = Callable[[Params, np.ndarray], np.ndarray]

ROUNDING = 1e-13
"""Relative to the largest output, after a few dozen operations on numbers of size 1; the worst case here has 2e-15."""


class Case(NamedTuple):
    """A layer with parameters of these shapes and a transformation that is claimed of it."""

    layer: Layer
    shapes: dict[str, tuple[int, ...]]
    inputs: tuple[int, ...]
    claim: Transformation


def moved(claim: Transformation, element: Any, params: Params) -> Params:
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, claim.on_params(element, params))


def error_of(case: Case, seed: int = 0, reach: float = 0.4) -> float:
    """How far the outputs move, relative to their size; some tensor has to move, or nothing is shown."""
    rng = np.random.default_rng(seed)
    params = {name: rng.standard_normal(shape) for name, shape in case.shapes.items()}
    x = rng.standard_normal(case.inputs)
    image = moved(case.claim, case.claim.group.sample(rng, reach), params)
    assert any(not np.array_equal(image[name], params[name]) for name in params)
    before, after = case.layer(params, x), case.layer(image, x)
    return float(np.abs(after - before).max() / np.abs(before).max())


def relu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0)


def silu(z: np.ndarray) -> np.ndarray:
    return z / (1 + np.exp(-z))


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# -- channels ---------------------------------------------------------------------------------------------------------

CHANNELS, LENGTH, SIZE = 3, 6, 2
POOLED = (LENGTH - SIZE + 1) // 2


def convolution(activation: Callable[[np.ndarray], np.ndarray], order: str) -> Layer:
    """conv → σ → max pool of pairs → depthwise → dense on the flattened signal, channels last or first."""

    def layer(p: Params, x: np.ndarray) -> np.ndarray:
        windows = np.stack([x[:, i : i + SIZE] for i in range(LENGTH - SIZE + 1)], axis=1)
        z = activation(np.einsum("btki,kio->bto", windows, p["kernel"]) + p["bias"])
        z = z[:, : 2 * POOLED].reshape(len(x), POOLED, 2, CHANNELS).max(axis=2)
        z = z * p["depthwise"][0] + np.roll(z, 1, axis=1) * p["depthwise"][1]
        z = z if order == "last" else np.swapaxes(z, 1, 2)
        return z.reshape(len(x), -1) @ p["head"]

    return layer


CONV_SHAPES = {
    "kernel": (SIZE, 2, CHANNELS),
    "bias": (CHANNELS,),
    "depthwise": (2, CHANNELS),
    "head": (POOLED * CHANNELS, 2),
}
FLATTENED = {"last": "(pixels units) d_out", "first": "(units pixels) d_out"}


def conv_case(
    group: groups.Group | None = None,
    *,
    activation: Any = relu,
    order: str = "last",
    pattern: str = "",
    depthwise: bool = False,
) -> Case:
    writes: dict[str, Any] = {"kernel": 2, "bias": 0} | ({"depthwise": 1} if depthwise else {})
    claim = channels(CHANNELS, writes=writes, reads={"head": pattern or FLATTENED[order]}, group=group)
    return Case(convolution(activation, order), CONV_SHAPES, (4, LENGTH, 2), claim)


PERMUTED = groups.Permutation(CHANNELS)


@pytest.mark.parametrize("order", FLATTENED)
@pytest.mark.parametrize("seed", range(3))
def test_channels_are_rescaled_through_pooling_depthwise_layers_and_flattening(order: str, seed: int):
    assert error_of(conv_case(order=order), seed) < ROUNDING


@pytest.mark.parametrize("order", FLATTENED)
def test_channels_are_permuted_if_depthwise_kernels_follow(order: str):
    assert error_of(conv_case(PERMUTED, activation=np.tanh, order=order, depthwise=True), reach=1.0) < ROUNDING


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(conv_case(PERMUTED), id="permutation-without-the-depthwise-kernel"),
        pytest.param(conv_case(groups.Sign(CHANNELS), activation=np.tanh), id="signs-through-max-pooling"),
        pytest.param(conv_case(pattern=FLATTENED["first"]), id="channels-taken-to-be-first"),
        pytest.param(conv_case(activation=np.tanh), id="scales-through-tanh"),
    ],
)
def test_what_channels_do_not_have_shows(case: Case):
    assert error_of(case, reach=1.0) > 1e-3


def test_channels_take_the_power_of_what_lies_between():
    def layer(p: Params, x: np.ndarray) -> np.ndarray:
        return relu(x @ p["w"]) ** 2 @ p["a"]

    claim = channels(CHANNELS, writes={"w": 1}, reads={"a": 0}, power=2)
    assert error_of(Case(layer, {"w": (2, CHANNELS), "a": (CHANNELS, 1)}, (4, 2), claim)) < ROUNDING


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


# -- states -----------------------------------------------------------------------------------------------------------

N, STEPS = 4, 3


def recurrent(activation: Callable[[np.ndarray], np.ndarray]) -> Layer:
    """s' = σ(s A + x B), y = s C, from s₀ on; rows are states."""

    def layer(p: Params, x: np.ndarray) -> np.ndarray:
        state, seen = p["s0"], []
        for step in x:
            state = activation(state @ p["a"] + step @ p["b"])
            seen.append(state @ p["c"])
        return np.array(seen)

    return layer


def diagonal(p: Params, x: np.ndarray) -> np.ndarray:
    """s' = a ∘ s + x B with complex a, y = Re(conj(C) s); real and imaginary parts interleaved."""
    state, seen = np.zeros(N // 2, complex), []
    for step in x:
        state = (p["decay"][0] + 1j * p["decay"][1]) * state + (step @ p["b"]).view(complex)
        seen.append(state.view(float) @ p["c"])
    return np.array(seen)


STATE_SHAPES = {"a": (N, N), "b": (2, N), "s0": (N,), "c": (N, 2)}
IN, OUT, BY_SIMILARITY = {"b": 1, "s0": 0}, {"c": 0}, {"a": (1, 0)}


def state_case(activation: Any, group: groups.Group, inputs: Any = IN) -> Case:
    claim = states(group, inputs=inputs, outputs=OUT, recurrent=BY_SIMILARITY)
    return Case(recurrent(activation), STATE_SHAPES, (STEPS, 2), claim)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(state_case(lambda z: z, groups.GeneralLinear(N)), id="linear"),
        pytest.param(state_case(relu, groups.Scaling(N)), id="relu"),
        pytest.param(state_case(np.tanh, groups.SignedPermutation(N)), id="tanh"),
        pytest.param(
            Case(
                diagonal,
                {"decay": (2, N // 2), "b": (2, N), "c": (N, 2)},
                (STEPS, 2),
                states(groups.ComplexScaling(N // 2), inputs={"b": 1}, outputs={"c": 0}),
            ),
            id="complex-diagonal",
        ),
    ],
)
def test_states_may_be_written_in_another_basis(case: Case):
    assert error_of(case) < ROUNDING


def test_an_initial_state_that_stays_behind_shows():
    assert error_of(state_case(lambda z: z, groups.GeneralLinear(N), {"b": 1})) > 1e-3


def test_a_matrix_is_moved_by_similarity():
    """Rows are states: s ↦ s Mᵀ, A ↦ M⁻ᵀ A Mᵀ."""
    m, a = np.array([[2.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    image = moved(states(groups.GeneralLinear(2), recurrent={"a": (1, 0)}), m, {"a": a})
    np.testing.assert_allclose(image["a"], np.linalg.inv(m).T @ a @ m.T, rtol=1e-14)


H = 3


def torch_lstm(p: Params, x: np.ndarray) -> np.ndarray:
    """An LSTM with the gates stacked along the first axis, as PyTorch has its kernels: (4 H, d_in) and (4 H, H)."""
    h, c, seen = p["h0"], p["c0"], []
    for step in x:
        i, f, g, o = np.split(p["weight_ih"] @ step + p["weight_hh"] @ h + p["bias"], 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        seen.append(p["out"] @ h)
    return np.array(seen)


LSTM_SHAPES = {
    "weight_ih": (4 * H, 2),
    "weight_hh": (4 * H, H),
    "bias": (4 * H,),
    "h0": (H,),
    "c0": (H,),
    "out": (2, H),
}
LSTM_INPUTS = {"weight_ih": "(gates units) d_in", "bias": "(gates units)", "[hc]0": 0}


@pytest.mark.parametrize("order", ["(gates units) hidden", "(units gates) hidden"])
def test_gates_that_share_a_kernel_move_together_and_its_columns_too(order: str):
    claim = states(groups.Permutation(H), inputs=LSTM_INPUTS, outputs={"out": 1}, recurrent={"weight_hh": (order, 1)})
    error = error_of(Case(torch_lstm, LSTM_SHAPES, (STEPS, 2), claim), seed=2, reach=1.0)
    assert error < ROUNDING if order.startswith("(gates") else error > 1e-3


# -- patterns ---------------------------------------------------------------------------------------------------------


def test_a_pattern_moves_what_the_split_tensor_would():
    tensor = np.arange(24.0).reshape(6, 4)
    image = moved(
        hidden_units(groups.Scaling(3), writes={"w": "(a units) d"}), np.array([1.0, 2.0, 4.0]), {"w": tensor}
    )
    expected = tensor.reshape(2, 3, 4) * np.array([1.0, 2.0, 4.0])[:, None]
    np.testing.assert_array_equal(image["w"], expected.reshape(6, 4))


def test_copies_and_units_may_share_an_axis():
    group = groups.Power(groups.Scaling(2), 3)
    element = np.arange(1.0, 7.0).reshape(3, 2)
    image = moved(hidden_units(group, writes={"w": "d (copies units)"}), element, {"w": np.ones((2, 6))})
    np.testing.assert_array_equal(image["w"], np.tile(element.ravel(), (2, 1)))


def test_an_axis_of_one_may_be_written_as_1():
    image = moved(
        hidden_units(groups.Scaling(2), writes={"w": "1 (units d)"}), np.array([2.0, 3.0]), {"w": np.ones((1, 4))}
    )
    np.testing.assert_array_equal(image["w"], [[2.0, 2.0, 3.0, 3.0]])


def test_one_tensor_may_be_written_along_a_shared_axis_and_read_along_another():
    claim = hidden_units(groups.Scaling(2), writes={"w": "(gates units) d"}, reads={"w": 1})
    image = moved(claim, np.array([2.0, 4.0]), {"w": np.ones((4, 2))})
    np.testing.assert_array_equal(image["w"], [[1.0, 0.5], [2.0, 1.0], [1.0, 0.5], [2.0, 1.0]])


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


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("d subunits", r"names 'units' 0 times; Scaling\(n=3\) needs it once"),
        ("units units", "names 'units' 2 times"),
        ("... units", "leaves axes out; name every axis"),
        ("(units d", "does not fit the pattern .*parenthes"),
        ("units", r"'w' of shape \(6, 2\) does not fit the pattern 'units'"),
        ("(units a b) d", "Could not infer sizes"),
        ("a units", "does not fit the pattern"),
    ],
)
def test_a_pattern_that_does_not_fit_is_refused(pattern: str, message: str):
    claim = channels(3, writes={"w": pattern})
    with pytest.raises(InvalidInput, match=message):
        claim.on_params(np.ones(3), {"w": np.ones((6, 2))})


@pytest.mark.parametrize(
    ("writes", "reads"),
    [
        ({"w": "(a units) d"}, {"w": "(pixels units) d_out"}),
        ({"w": "(a units) d", "?": "(b units) c"}, None),
    ],
)
def test_the_same_units_of_a_shared_axis_are_not_moved_twice(writes: Any, reads: Any):
    claim = hidden_units(groups.Scaling(3), writes=writes, reads=reads)
    with pytest.raises(InvalidInput, match="axis 0 of 'w' is declared twice; name it once"):
        claim.on_params(np.ones(3), {"w": np.ones((6, 2))})


def test_an_axis_that_a_pattern_leaves_whole_is_the_same_as_its_number():
    claim = hidden_units(groups.Scaling(3), writes={"w": 1}, reads={"w": "d units"})
    with pytest.raises(InvalidInput, match="axis 1 of 'w' is declared twice"):
        claim.on_params(np.ones(3), {"w": np.ones((2, 3))})
