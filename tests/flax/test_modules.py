"""Modules of Flax, linen's and nnx's, as models: their paths, their state, their modes, and broken ones."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import eqprop
from eqprop import groups
from eqprop.errors import InvalidInput
from eqprop.flax import from_module
from tests.adapters.asking import FIRST, PREMISE, X, by_property, outcomes

UNITS = groups.Permutation(4)


class Linen(linen.Module):
    """Dense, batch norm, ReLU, dropout, dense."""

    @linen.compact
    def __call__(self, x: Any, *, train: bool) -> Any:
        x = linen.BatchNorm(use_running_average=not train)(linen.Dense(4)(x))
        return linen.Dense(2)(linen.Dropout(0.5, deterministic=not train)(linen.relu(x)))


class Nnx(nnx.Module):
    """The same."""

    def __init__(self, rngs: Any) -> None:
        self.first, self.last = nnx.Linear(3, 4, rngs=rngs), nnx.Linear(4, 2, rngs=rngs)
        self.norm, self.dropout = nnx.BatchNorm(4, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.last(self.dropout(nnx.relu(self.norm(self.first(x)))))


def linen_model(*, train: bool, **options: Any) -> eqprop.Model:
    return from_module(Linen(), X, train=train, **options)


def nnx_model(*, train: bool) -> eqprop.Model:
    module = Nnx(nnx.Rngs(0))
    getattr(module, "train" if train else "eval")()
    return from_module(module, X)


PATHS = {
    "linen": {
        "unit": {"Dense_0/kernel": 1, "Dense_0/bias": 0, "BatchNorm_0/*": 0, "batch_stats/*/mean": 0},
        "var": {"batch_stats/BatchNorm_0/var": 0},
        "gain": {"BatchNorm_0/scale": 0, "BatchNorm_0/bias": 0},
        "reads": {"Dense_1/kernel": 0},
    },
    "nnx": {
        "unit": {"first/kernel": 1, "first/bias": 0, "norm/scale": 0, "norm/bias": 0, "norm/mean": 0},
        "var": {"norm/var": 0},
        "gain": {"norm/scale": 0, "norm/bias": 0},
        "reads": {"last/kernel": 0},
    },
}
MODELS = {"linen": linen_model, "nnx": nnx_model}


@pytest.fixture(params=MODELS)
def kind(request):
    return request.param


def test_the_paths_are_those_that_printing_the_variables_shows():
    assert {"Dense_0/kernel", "batch_stats/BatchNorm_0/mean"} <= set(linen_model(train=True).params)
    assert {"first/kernel", "norm/mean"} <= set(nnx_model(train=True).params)


def test_running_statistics_move_with_their_units(kind):
    paths, model = PATHS[kind], MODELS[kind](train=False)
    whole = eqprop.hidden_units(UNITS, writes=paths["unit"] | paths["var"], reads=paths["reads"])
    assert outcomes(model, whole) == {"holds"}
    forgotten = eqprop.hidden_units(UNITS, writes=paths["unit"], reads=paths["reads"])
    assert outcomes(model, forgotten, PREMISE) == {"falsified"}


def test_in_train_mode_statistics_are_those_of_the_batch_and_dropout_draws_the_same_mask(kind):
    paths = PATHS[kind]
    gain = eqprop.hidden_units(groups.Scaling(4), writes=paths["gain"], reads=paths["reads"])
    assert outcomes(MODELS[kind](train=True), gain) == {"holds"}
    permuted = eqprop.hidden_units(UNITS, writes=paths["unit"] | paths["var"], reads=paths["reads"])
    assert outcomes(MODELS[kind](train=True), permuted, PREMISE) == {"falsified"}  # the mask stays where it is


def test_the_module_is_as_it_was_afterwards():
    module = Nnx(nnx.Rngs(0))
    before = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(module, nnx.Not(nnx.RngKey))))
    model = from_module(module, X)
    model.apply(model.params, X)
    after = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(module, nnx.Not(nnx.RngKey))))
    assert jax.tree.all(jax.tree.map(np.array_equal, before, after))


def shift(t: Any, p: Any) -> Any:
    """A bias and the mean behind it, in eval mode."""
    bias, mean = "Dense_0/bias", "batch_stats/BatchNorm_0/mean"
    return {**p, bias: p[bias] + t, mean: p[mean] + t}


def test_what_moves_state_continuously_is_refused_and_holds_once_state_is_differentiated():
    move = eqprop.Transformation(groups.Translation(4), shift)
    with pytest.raises(eqprop.Falsified, match="moves 'batch_stats/BatchNorm_0/mean' continuously"):
        eqprop.verify(eqprop.Pair(linen_model(train=False), move), save=None)
    model = linen_model(train=False, differentiate_state=True)
    assert outcomes(model, move, (*FIRST, "noether")) == {"holds"}


@jax.custom_vjp
def scaled(x: Any, b: Any) -> Any:
    return jnp.maximum(x + b[None], 0)


scaled.defvjp(lambda x, b: (scaled(x, b), x), lambda x, g: (jnp.where(x > 0, g, 0), jnp.sum(g, axis=0)))


class Broken(linen.Module):
    """A layer whose backward rule masks by the wrong sign, which nobody sees while biases are zero."""

    @linen.compact
    def __call__(self, x: Any) -> Any:
        bias = self.param("bias", linen.initializers.zeros, (4,))
        hidden = scaled(linen.Dense(4, use_bias=False)(x), bias)
        return linen.Dense(2)(hidden)


def test_a_module_with_a_broken_backward_rule_is_falsified():
    move = eqprop.hidden_units(groups.Scaling(4), writes={"Dense_0/kernel": 1, "bias": 0}, reads={"Dense_1/kernel": 0})
    found = by_property(from_module(Broken(), X), move, ("equivariance", "jacobian-generator", "noether"))
    assert found["equivariance"] == "holds"
    assert "falsified" in found.values()


def test_integers_are_redrawn_within_their_range_and_several_inputs_are_a_tuple():
    class Embedded(linen.Module):
        @linen.compact
        def __call__(self, tokens: Any, weights: Any) -> Any:
            return linen.Dense(2)(linen.Embed(7, 4)(tokens) * weights[..., None])

    model = from_module(Embedded(), (np.array([[0, 6], [3, 3]]), np.ones((2, 2))))
    move = eqprop.hidden_units(groups.Scaling(4), writes={"Embed_0/embedding": 1}, reads={"Dense_0/kernel": 0})
    assert outcomes(model, move) == {"holds"}


class Recurrent(nnx.Module):
    """A recurrent layer whose cell has a type of its own, and a dense one."""

    def __init__(self, rngs: Any) -> None:
        self.rnn, self.head = nnx.RNN(nnx.LSTMCell(3, 4, rngs=rngs)), nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.head(self.rnn(x))


@pytest.mark.parametrize(
    ("module", "cell", "head"),
    [
        (linen.Sequential([linen.RNN(linen.LSTMCell(4)), linen.Dense(2)]), "layers_0/cell", "layers_1"),
        (Recurrent(nnx.Rngs(0)), "rnn/cell", "head"),
    ],
    ids=["linen", "nnx"],
)
def test_a_recurrent_cell_begins_in_the_type_of_its_parameters(module: Any, cell: str, head: str):
    model = from_module(module, np.cos(np.arange(24, dtype=np.float32)).reshape(2, 4, 3))
    units = eqprop.states(
        UNITS,
        inputs={f"{cell}/i*/kernel": 1, f"{cell}/h?/bias": 0},
        recurrent={f"{cell}/h?/kernel": (1, 0)},
        outputs={f"{head}/kernel": 0},
    )
    assert outcomes(model, units, PREMISE) == {"holds"}
    assert {leaf.dtype for leaf in model.params.values()} == {np.dtype(np.float32)}
    assert model.apply(model.params, model.inputs).dtype == np.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: from_module("net", X), "module is 'net' .*expected a flax.linen.Module or a flax.nnx.Module"),
        (lambda: from_module(Linen(), X), "linen module 'Linen': init raised TypeError.*train.*train=False"),
        (lambda: from_module(Linen(), X, {"Dense_0": 1}, train=True), r"expected what module.init returned"),
        (lambda: from_module(Nnx(nnx.Rngs(0)), X, rngs=jax.random.key(0)), "rngs= is for linen; Nnx has its own"),
    ],
    ids=["no module", "an argument that is missing", "no params", "rngs of nnx"],
)
def test_what_cannot_be_adapted_is_said(call, message):
    with pytest.raises(InvalidInput, match=message):
        call()
