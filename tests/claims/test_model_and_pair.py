"""Models, transformations and pairs: what they hold, what they refuse, how they show."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups


def apply(p, x):
    return x @ p["w"]


def model(**more):
    return eqprop.Model(apply, {"w": np.ones((2, 3)), "n": 4}, np.ones((1, 2)), name="net", **more)


def scaling(**more):
    return eqprop.Transformation(groups.Scaling(3), on_params=lambda a, p: p, name="scaling", **more)


def test_a_model_knows_which_of_its_parameters_are_differentiated():
    leaves = model().param_leaves
    assert leaves.float_paths == ("w",)
    assert leaves.size == 6
    joined = leaves.join((np.zeros((2, 3)),))
    assert joined["n"] == 4


def test_reprs_say_what_matters_in_one_line():
    pair = eqprop.Pair(model(), scaling(), architecture={"hidden": 3})
    assert repr(model()) == "Model('net', 6 parameters in 2 tensors)"
    assert repr(scaling()) == "Transformation('scaling', Scaling(n=3), left action)"
    assert repr(scaling(on_outputs=lambda a, y: y, side="right")).endswith("right action, also on outputs)")
    assert repr(pair) == "Pair('net/scaling', hidden=3)"


def test_a_pair_is_named_after_its_parts_unless_it_has_a_name():
    assert eqprop.Pair(model(), scaling()).name == "net/scaling"
    assert eqprop.Pair(model(), scaling(), name="mine").name == "mine"


def test_the_image_of_a_conversion_is_its_target():
    source, target = model(), model()
    assert eqprop.Pair(source, scaling()).image is source
    assert eqprop.Pair(source, scaling(), target=target).image is target


def test_a_pair_that_is_gone_shares_its_key_with_none_that_is_made_after_it():
    keys = [eqprop.Pair(model(), scaling()).key for _ in range(20)]
    assert len(set(keys)) == 20


def test_pairs_of_one_architecture_share_a_key_and_pairs_without_do_not():
    drawn = [eqprop.Pair(model(), scaling(), architecture={"hidden": 3}) for _ in range(2)]
    assert drawn[0].key == drawn[1].key
    assert drawn[0].replaced(architecture={"hidden": 4}).key != drawn[0].key
    given = [eqprop.Pair(model(), scaling()) for _ in range(2)]
    assert given[0].key != given[1].key


@pytest.mark.parametrize("thing", [model(), scaling(), eqprop.Pair(model(), scaling())])
def test_core_types_are_frozen(thing):
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'name'"):
        thing.name = "other"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: eqprop.Pair("net", scaling()), "Pair: model is 'net'; expected an eqprop.Model"),
        (lambda: eqprop.Pair(model(), "scaling"), "expected an eqprop.Transformation"),
        (lambda: eqprop.Pair(model(), scaling(), target=3), "Pair: target is 3; expected an eqprop.Model or None"),
        (lambda: eqprop.Transformation(3, on_params=apply), "group is 3; expected a Group such as groups.Scaling"),
        (lambda: scaling(on_outputs=3), r"on_outputs is 3 \(int\); expected a function"),
        (lambda: scaling(side="both"), "side is 'both'; expected 'left' or 'right'"),
    ],
)
def test_what_is_of_the_wrong_type_is_refused(build, message):
    with pytest.raises(eqprop.InvalidInput, match=message):
        build()


def test_a_model_with_bfloat16_parameters_counts_them_as_floating():
    low = eqprop.Model(apply, {"w": jnp.ones((2, 3), jnp.bfloat16)}, np.ones((1, 2)))
    assert low.param_leaves.floating == (True,)


@pytest.mark.parametrize("field", ["params", "inputs"])
def test_a_dictionary_whose_keys_have_no_order_is_named(field):
    given = {"params": {"w": np.ones(2)}, "inputs": np.ones(2)} | {field: {"w": np.ones(2), 0: np.ones(2)}}
    with pytest.raises(eqprop.InvalidInput, match=f"model 'net': {field} is no pytree .*keys are all of one type"):
        eqprop.Model(lambda params, inputs: inputs, **given, name="net")
