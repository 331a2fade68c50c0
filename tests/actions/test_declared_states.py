"""States of recurrent layers in plain NumPy may be written in another basis, and what stays behind shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from eqprop import groups
from eqprop.actions import states
from tests.actions.layers import ROUNDING, Case, Layer, Params, error_of, moved, relu, sigmoid

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
