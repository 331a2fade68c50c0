"""Recurrent cells compute what their equations say, and carry the group on every axis of their units."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from eqprop.strategies.recurrent import CellKind, Recurrent, gru_step

CELLS = [
    pytest.param(Recurrent(kind, d_in=2, steps=steps, biases=True, initial=True, variant=variant), id=name)
    for kind, steps, variant, name in (
        ("lstm", 2, False, "lstm"),
        ("lstm", 3, True, "lstm-with-peepholes-scanned"),
        ("gru", 2, True, "gru-reset-behind"),
        ("gru", 3, False, "gru-reset-before-scanned"),
    )
]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def lstm_oracle(p: dict[str, np.ndarray], xs: np.ndarray) -> np.ndarray:
    """The outputs of an LSTM on one sequence, gate by gate, in NumPy."""
    h, c, out = p["h0"], p["c0"], []
    peepholes = p.get("p", np.zeros((3, len(h))))
    for x in xs:
        i, f, o, g = (x @ p["w"][:, k] + h @ p["u"][:, k] + p["b"][k] for k in range(4))
        i, f = sigmoid(i + peepholes[0] * c), sigmoid(f + peepholes[1] * c)
        c = f * c + i * np.tanh(g)
        h = sigmoid(o + peepholes[2] * c) * np.tanh(c)
        out.append(h @ p["w_out"])
    return np.array(out)


def gru_oracle(p: dict[str, np.ndarray], xs: np.ndarray) -> np.ndarray:
    """The outputs of a GRU on one sequence; the reset gate acts behind the kernel where that has a bias d."""
    h, out = p["h0"], []
    for x in xs:
        r, z, n = (x @ p["w"][:, k] + p["b"][k] for k in range(3))
        r, z = sigmoid(r + h @ p["u"][:, 0]), sigmoid(z + h @ p["u"][:, 1])
        n = np.tanh(n + (r * (h @ p["u"][:, 2] + p["d"]) if "d" in p else (r * h) @ p["u"][:, 2]))
        h = (1 - z) * n + z * h
        out.append(h @ p["w_out"])
    return np.array(out)


def random_call(cell: Recurrent) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    params = {name: rng.standard_normal(shape) for name, shape in cell.block().shapes.items()}
    return params, rng.standard_normal((2, cell.steps, cell.d_in))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_computes_what_its_equations_say(cell: Recurrent):
    params, xs = random_call(cell)
    oracle = {"lstm": lstm_oracle, "gru": gru_oracle}[cell.kind]
    expected = np.stack([oracle(params, sequence) for sequence in xs])
    np.testing.assert_allclose(
        cell.block().apply(params, xs), expected, atol=1e-14
    )  # numbers of size 1, some dozen ops


@pytest.mark.usefixtures("float64")
def test_the_last_step_is_what_the_other_readout_ends_with():
    every, last = (Recurrent("gru", steps=3, readout=readout) for readout in ("every step", "last step"))
    params, xs = random_call(every)
    np.testing.assert_array_equal(last.block().apply(params, xs), every.block().apply(params, xs)[:, -1])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_state_that_is_no_parameter_starts_at_zero(kind: CellKind):
    given_state, zero_state = (Recurrent(kind, initial=initial) for initial in (True, False))
    params, xs = random_call(given_state)
    zeroed: dict[str, Any] = {name: leaf * (name not in ("h0", "c0")) for name, leaf in params.items()}
    without = {name: leaf for name, leaf in params.items() if name not in ("h0", "c0")}
    np.testing.assert_array_equal(zero_state.block().apply(without, xs), given_state.block().apply(zeroed, xs))


@pytest.mark.parametrize("cell", CELLS)
def test_every_tensor_of_a_cell_moves_and_the_recurrent_kernel_on_both_axes(cell: Recurrent):
    tensors = {f"block/{name}" for name in cell.block().shapes}
    assert cell.writes.keys() | cell.reads.keys() == tensors
    assert (cell.writes["block/u"], cell.reads["block/u"]) == (2, 0)


@pytest.mark.usefixtures("float64")
def test_backpropagation_truncated_between_steps_commutes_with_the_permutation_and_stays_unseen():
    """The pitfall that the entries name: a defect that all units share alike."""
    params, xs = random_call(Recurrent("gru", hidden=3, initial=True))
    turned = np.array([2, 0, 1])
    moved = {name: leaf[..., turned] for name, leaf in params.items() if name != "w_out"}
    moved |= {"u": moved["u"][turned], "w_out": params["w_out"][turned]}

    def gradient(at: Any, *, truncated: bool) -> Any:
        def total(p: Any) -> Any:
            state = (jax.numpy.broadcast_to(p["h0"], (2, 3)),)
            for x in np.moveaxis(xs, 1, 0):
                state = gru_step(
                    p, jax.lax.stop_gradient(state) if truncated else state, jax.numpy.tensordot(x, p["w"], 1)
                )
            return jax.numpy.sum(state[0] @ p["w_out"])

        return jax.grad(total)(at)["u"]

    here, there = (gradient(at, truncated=True) for at in (params, moved))
    np.testing.assert_allclose(here[..., turned][turned], there, atol=1e-14)
    assert np.abs(here - gradient(params, truncated=False)).max() > 1e-3
