"""Modules of Equinox as models: as they are, with their state, and in the mode that they are in."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.equinox import from_module
from eqprop.errors import InvalidInput
from tests.adapters.asking import PREMISE, X, outcomes

KEY = jax.random.key(0)
UNITS = {"dense/weight": 0, "dense/bias": 0, "norm/weight": 0, "norm/bias": 0, "norm/mean": 0}
VARIANCE, GAIN = {"norm/var": 0}, {"norm/weight": 0, "norm/bias": 0}
READS = {"head/weight": 1}


class Net(eqx.Module):
    """Dense, batch norm, ReLU, dropout, dense."""

    dense: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    dropout: eqx.nn.Dropout
    head: eqx.nn.Linear

    def __init__(self, mode: Any) -> None:
        self.dense, self.head = eqx.nn.Linear(3, 4, key=KEY), eqx.nn.Linear(4, 2, key=KEY)
        self.norm, self.dropout = eqx.nn.BatchNorm(4, "batch", mode=mode), eqx.nn.Dropout()

    def __call__(self, x: Any, state: Any, *, key: Any = None) -> Any:
        x, state = self.norm(self.dense(x), state)
        return self.head(self.dropout(jax.nn.relu(x), key=key)), state


def test_a_module_of_one_sample_is_taken_as_it_is():
    model = from_module(eqx.nn.MLP(3, 2, 4, depth=1, key=KEY), X)
    assert model.name == "MLP"
    move = eqprop.hidden_units(
        groups.Scaling(4), writes={"layers/0/weight": 0, "layers/0/bias": 0}, reads={"layers/1/weight": 1}
    )
    assert outcomes(model, move) == {"holds"}


@pytest.mark.parametrize("mode", ["batch", pytest.param("ema", marks=pytest.mark.slow)])
def test_running_statistics_have_names_and_move_with_their_units(mode):
    net, state = eqx.nn.make_with_state(Net)(mode)
    model = from_module(eqx.nn.inference_mode(net), X, state)
    assert model.state == ("norm/mean", "norm/var")
    whole = eqprop.hidden_units(groups.Permutation(4), writes=UNITS | VARIANCE, reads=READS)
    assert outcomes(model, whole) == {"holds"}
    assert outcomes(model, eqprop.hidden_units(groups.Permutation(4), writes=UNITS, reads=READS), PREMISE) == {
        "falsified"
    }


@pytest.mark.slow
def test_in_train_mode_each_sample_has_a_mask_of_its_own_which_is_the_same_in_each_call():
    net, state = eqx.nn.make_with_state(Net)("batch")
    model = from_module(net, X, state, key=KEY)
    gain = eqprop.hidden_units(groups.Scaling(4), writes=GAIN, reads=READS)
    assert outcomes(model, gain) == {"holds"}
    alike = np.broadcast_to(X[:1], X.shape)
    assert len(np.unique(np.asarray(model.apply(model.params, alike)).round(5), axis=0)) > 1


def test_a_module_that_takes_a_batch_and_integers_that_it_keeps():
    class Pruned(eqx.Module):
        w: Any
        mask: Any
        v: Any

        def __call__(self, x: Any) -> Any:
            return jax.numpy.tanh(x @ (self.w * self.mask)) @ self.v

    mask = jax.numpy.asarray([True, False, True, True])[None].repeat(3, 0)
    model = from_module(Pruned(jax.numpy.ones((3, 4)), mask, jax.numpy.ones((4, 2))), X, per_sample=False)
    move = eqprop.hidden_units(groups.Permutation(4), writes={"w": 1, "mask": 1}, reads={"v": 0})
    assert outcomes(model, move) == {"holds"}
    forgotten = eqprop.hidden_units(groups.Permutation(4), writes={"w": 1}, reads={"v": 0})
    assert outcomes(model, forgotten, PREMISE) == {"falsified"}


@pytest.mark.parametrize("module", [jax.nn.relu, lambda x: x, "net"], ids=["a function", "a lambda", "a text"])
def test_what_is_no_module_is_refused(module):
    with pytest.raises(InvalidInput, match=r"expected an equinox.Module that can be called"):
        from_module(module, X)


@pytest.mark.parametrize("inputs", [3.0, None, (X, 2.0)], ids=["a number", "nothing", "a number beside a batch"])
def test_inputs_without_samples_are_refused(inputs):
    with pytest.raises(
        InvalidInput, match=r"inputs is (3\.0 \(float\)|None|\(array.*); expected arrays whose first axis"
    ):
        from_module(eqx.nn.Linear(2, 3, key=KEY), inputs)


def test_what_the_call_lacks_is_said_at_once_with_the_arguments_that_give_it():
    net, _ = eqx.nn.make_with_state(Net)("batch")
    with pytest.raises(
        InvalidInput, match=r"a first call raised TypeError: .*'state'.* A module with state needs state="
    ):
        from_module(net, X)


def test_a_state_that_is_none_of_equinox_is_refused():
    with pytest.raises(
        InvalidInput, match=r"state is \{None: 1, 'a': 2\} \(dict\); expected an equinox.nn.State, or N"
    ):
        from_module(eqx.nn.Linear(2, 3, key=KEY), np.ones((4, 2)), {None: 1, "a": 2})
