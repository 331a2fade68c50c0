"""Mistakes where something is made: each is answered at once, in one line that says how to mend it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import actions, conversions, groups
from eqprop.mutants import Mutant
from eqprop.properties.parts import part

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


NAMES = [
    pytest.param(3, "name is 3 (int); expected a text", id="int"),
    pytest.param("", "name is '' (str); expected a text", id="empty"),
    pytest.param(" ", "name is ' ' (str)", id="blank"),
    pytest.param("a\nb", r"name is 'a\nb' (str); expected a text of printable characters", id="two-lines"),
    pytest.param("a\0b", r"name is 'a\x00b'", id="nul"),
    pytest.param("a\x1b[31mb", r"name is 'a\x1b[31mb'", id="escape"),
    pytest.param("a\ud800", r"name is 'a\ud800'", id="surrogate"),
]


@pytest.mark.parametrize(("name", "message"), NAMES)
def test_a_name_is_a_text_that_can_be_shown_in_a_line(name, message):
    refused(lambda: model(name=name), f"Model: {message}")
    refused(lambda: moved(name=name), f"Transformation: {message}")
    refused(lambda: units(name=name), f"hidden_units: {message}")
    if name:  # without a name a pair is called after its parts
        refused(lambda: pair(name=name), f"Pair: {message}")


@pytest.mark.parametrize("name", ["θ → x", "a/b", "..", "n" * 300, "CON"])
def test_a_name_may_be_whatever_can_be_shown(name):
    assert pair(name=name).name == name


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"apply": 3}, "model 'net': apply is 3 (int); expected a function of (params, inputs)"),
        ({"apply": PARAMS, "params": apply}, "apply is {'w': array("),
        ({"apply": None}, "apply is None; expected a function of (params, inputs)"),
        ({"apply": lambda p: p}, "apply cannot be called with (params, inputs): too many positional arguments"),
        ({"apply": lambda p, x, key: x}, "apply cannot be called with (params, inputs): missing a required argument"),
        ({"loss": "mse"}, "loss is 'mse' (str); expected a function of (outputs)"),
        ({"loss": lambda y, t: y}, "loss cannot be called with (outputs): missing a required argument: 't'"),
        ({"domain": 3}, "domain is 3 (int); expected a function of (params)"),
        ({"domain": lambda p, x: p}, "domain cannot be called with (params)"),
        ({"trained": "no"}, "trained is 'no' (str); expected True or False"),
        ({"trained": 1}, "trained is 1 (int); expected True or False"),
    ],
)
def test_a_model_of_the_wrong_parts_is_refused(wrong, message):
    refused(lambda: model(**wrong), message)


def test_what_takes_other_arguments_inside_a_wrapper_is_accepted():
    from functools import partial, wraps

    def configured(p, x, config):
        return x

    @wraps(configured)
    def wrapped(p, x):
        return configured(p, x, 3)

    for function in (wrapped, partial(configured, config=3), jnp.add, lambda *given: given[1]):
        model(apply=function)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"group": groups.Scaling}, "'moved': group is <class 'eqprop.groups.scaling.Scaling'>; expected a Group"),
        ({"group": 3}, "group is 3; expected a Group such as groups.Scaling(16)"),
        ({"on_params": None}, "on_params is None; expected a function of (element, params)"),
        ({"on_params": lambda p: p}, "on_params cannot be called with (element, params)"),
        ({"on_outputs": lambda y: y}, "on_outputs cannot be called with (element, outputs)"),
        ({"on_inputs": 3}, "on_inputs is 3 (int); expected a function of (element, inputs)"),
        ({"side": "Left"}, "side is 'Left'; expected 'left' or 'right'"),
        ({"side": None}, "side is None; expected 'left' or 'right'"),
        ({"isometry": "yes"}, "isometry is 'yes' (str); expected True or False"),
        ({"charge": "Q"}, "charge is 'Q' (str); expected a function of (algebra, params)"),
        ({"charge": lambda p: p}, "charge cannot be called with (algebra, params)"),
        ({"defect": 1e-3}, "defect is 0.001 (float); expected a function of (algebra, params, inputs)"),
    ],
)
def test_a_transformation_of_the_wrong_parts_is_refused(wrong, message):
    refused(lambda: moved(**wrong), message)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": moved(), "transformation": model()}, "Pair: model is Transformation('moved'"),
        ({"transformation": SCALING}, "Pair: transformation is Scaling(n=3); expected an eqprop.Transformation"),
        ({"target": SCALING}, "Pair: target is Scaling(n=3); expected an eqprop.Model or None"),
        (
            {"known_failures": {"noether"}},
            "known_failures is {'noether'} (set); expected a mapping such as {'noether':",
        ),
        ({"known_failures": ["noether"]}, "known_failures is ['noether'] (list); expected a mapping"),
        ({"known_failures": "noether"}, "known_failures is 'noether' (str); expected a mapping"),
        ({"known_failures": None}, "known_failures is None; expected a mapping"),
        ({"known_failures": {3: "x"}}, "known_failures has the key 3 (int); expected texts"),
        ({"known_failures": {"noether": ""}}, "known_failures['noether'] is '' (str); expected the reason"),
        ({"known_failures": {"noether": True}}, "known_failures['noether'] is True (bool); expected the reason"),
        ({"known_failures": {"noether": None}}, "known_failures['noether'] is None; expected the reason"),
        ({"architecture": None}, "architecture is None; expected a mapping such as {'width': 16}"),
        ({"architecture": "wide"}, "architecture is 'wide' (str); expected a mapping"),
        ({"architecture": {"w": [1, 2]}}, "architecture['w'] is [1, 2] (list), which has no hash; write a tuple"),
        ({"architecture": {"w": ([1],)}}, "architecture['w'] is ([1],) (tuple), which has no hash"),
        ({"architecture": {1: 2}}, "architecture has the key 1 (int); expected texts"),
    ],
)
def test_a_pair_of_the_wrong_parts_is_refused(wrong, message):
    refused(lambda: pair(**wrong), message)


ROLES = "expected a mapping such as {'w1': 1, 'b1': 0}"
AXIS = "expected the number of an axis, a pair of them (copies, units), or a pattern"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"writes": ["w", "b"]}, f"hidden_units('hidden-units'): writes is ['w', 'b'] (list); {ROLES}"),
        ({"writes": ("w",)}, f"writes is ('w',) (tuple); {ROLES}"),
        ({"writes": {"w"}}, f"writes is {{'w'}} (set); {ROLES}"),
        ({"writes": "w"}, f"writes is 'w' (str); {ROLES}"),
        ({"reads": ["v"]}, f"reads is ['v'] (list); {ROLES}"),
        ({"writes": {0: 1}}, "writes has the key 0 (int); expected texts"),
        ({"writes": {b"w": 1}}, "writes has the key b'w' (bytes); expected texts"),
        ({"writes": {"w": 1.0}}, f"writes['w'] is 1.0 (float); {AXIS}"),
        ({"writes": {"w": True}}, f"writes['w'] is True (bool); {AXIS}"),
        ({"writes": {"w": np.True_}}, f"writes['w'] is np.True_ (bool); {AXIS}"),
        ({"writes": {"w": None}}, f"writes['w'] is None; {AXIS}"),
        ({"writes": {"w": [1]}}, f"writes['w'] is [1] (list); {AXIS}"),
        ({"writes": {"w": (0, True)}}, f"writes['w'] is (0, True) (tuple); {AXIS}"),
        ({"writes": {"w": (0, 1, 2)}}, f"writes['w'] is (0, 1, 2) (tuple); {AXIS}"),
        ({"writes": {"w": {"axis": 1}}}, f"writes['w'] is {{'axis': 1}} (dict); {AXIS}"),
        ({"writes": None, "reads": {}}, "no tensor is named by writes= or reads=; nothing would move"),
        ({"group": groups.Scaling}, "group is <class 'eqprop.groups.scaling.Scaling'>; expected a Group"),
        ({"group": None}, "group is None; expected a Group"),
        ({"group": groups.Translation(3)}, "Translation(n=3) does not act on hidden units"),
        ({"power": "2"}, "power is '2' (str); expected a finite number"),
        ({"power": True}, "power is True (bool); expected a finite number"),
        ({"power": float("nan")}, "power is nan (float); expected a finite number"),
        ({"power": None}, "power is None; expected a finite number"),
    ],
)
def test_hidden_units_that_are_declared_wrongly_are_refused(wrong, message):
    refused(lambda: units(**wrong), message)


@pytest.mark.parametrize(
    ("axes", "power"), [({"w": np.int64(1), "b": np.int32(0)}, np.int64(1)), ({"w": np.array(1), "b": -1}, 1.0)]
)
def test_numbers_of_numpy_are_axes_and_degrees(axes, power):
    assert units(writes=axes, power=power).on_params(np.full(3, 2.0), PARAMS)["w"][0, 0] == 2


BOTH: Any = {"queries": {"w": (0, 1)}, "keys": {"v": (0, 1)}}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: actions.attention_heads(2, 2), "attention_heads('heads'): give queries= and keys=, or values="),
        (
            lambda: actions.attention_heads(2, 2, queries={"w": (0, 1)}, outputs={"v": (0, 1)}),
            "give queries= and keys=",
        ),
        (lambda: actions.attention_heads("2", 2, **BOTH), "heads is '2'; expected a whole number, 1 or more"),
        (lambda: actions.attention_heads(2.0, 2, **BOTH), "heads is 2.0; expected a whole number"),
        (lambda: actions.attention_heads(0, 2, **BOTH), "heads is 0; expected a whole number, 1 or more"),
        (lambda: actions.attention_heads(2, None, rotary="halves", **BOTH), "width is None; expected a whole number"),
        (lambda: actions.attention_heads(2, "4", rotary="halves", **BOTH), "width is '4'; expected a whole number"),
        (lambda: actions.attention_heads(2, 3, rotary="halves", **BOTH), "rotary= turns pairs of units"),
        (lambda: actions.attention_heads(2, 4, rotary="half", **BOTH), "rotary is 'half'; expected 'interleaved' or"),
        (lambda: actions.attention_heads(2, 2, queries=["w"], keys=["v"]), f"queries is ['w'] (list); {ROLES}"),
        (lambda: actions.attention_heads(2, 2, group=3, **BOTH), "groups.Power: the factor is 3; expected a group"),
        (lambda: actions.glu("3", up={"w": 1}, down={"v": 0}), "glu('glu'): hidden is '3'; expected a whole number"),
        (lambda: actions.glu(3, up=["w"], down=["v"]), f"glu('glu'): up is ['w'] (list); {ROLES}"),
        (lambda: actions.glu(3, up={"w": 1}, down={"v": 0}, gate=["b"]), f"gate is ['b'] (list); {ROLES}"),
        (
            lambda: actions.low_rank(None, writes={"w": 1}),
            "low_rank('low-rank'): rank is None; expected a whole number",
        ),
        (lambda: actions.low_rank(3, writes=["w"]), f"low_rank('low-rank'): writes is ['w'] (list); {ROLES}"),
        (lambda: actions.experts({"w": 1}, 3), "experts('experts'): count is {'w': 1}; expected a whole number"),
        (lambda: actions.experts(3, ["w"]), f"experts('experts'): axes is ['w'] (list); {ROLES}"),
        (
            lambda: actions.states(SCALING, recurrent=["a"]),
            "states('states'): recurrent is ['a'] (list); expected a map",
        ),
        (lambda: actions.states(SCALING, recurrent={"a": [0, 1]}), "recurrent['a'] is [0, 1] (list); expected (axis"),
        (lambda: actions.states(SCALING, inputs=["w"]), f"states('states'): inputs is ['w'] (list); {ROLES}"),
        (lambda: actions.states(3, inputs={"w": 1}), "states('states'): group is 3; expected a Group"),
        (
            lambda: actions.channels(None, writes={"w": 1}),
            "channels('channels'): count is None; expected a whole number",
        ),
        (lambda: actions.channels(3, writes="w"), f"channels('channels'): writes is 'w' (str); {ROLES}"),
        (lambda: actions.norm_gain("3", gains={"b": 0}, reads={"v": 0}), "norm_gain('norm-gain'): features is '3'"),
        (lambda: actions.norm_gain(3, gains=["b"], reads=["v"]), f"gains is ['b'] (list); {ROLES}"),
        (lambda: actions.norm_scale(3, writes={"w": 1}, epsilon=1e-5), f"epsilon is 1e-05 (float); {ROLES}"),
        (lambda: actions.norm_scale(True, writes={"w": 1}), "norm_scale('norm-scale'): factors is True"),
        (
            lambda: actions.residual_stream(3, writes={"w": 1}, norm="RMSNorm"),
            "norm is 'RMSNorm'; expected 'none', 'rms'",
        ),
        (
            lambda: actions.residual_stream(3, writes=["w"]),
            f"residual_stream('stream'): writes is ['w'] (list); {ROLES}",
        ),
        (lambda: actions.residual_stream("3", writes={"w": 1}), "residual_stream('stream'): width is '3'"),
        (lambda: actions.residual_stream(3, writes={"w": True}, norm="layer", params=PARAMS), "writes['w'] is True"),
        (
            lambda: actions.residual_stream(3, writes={"W": 1}, norm="layer", params=PARAMS),
            "matches 'W'. Did you mean w?",
        ),
        (lambda: actions.softmax_shift(PARAMS, ["w"]), "softmax_shift('softmax-shift'): the tensors is ['w'] (list)"),
        (lambda: actions.softmax_shift(PARAMS, None), "the tensors is None; expected a mapping"),
        (lambda: actions.softmax_shift(PARAMS, {"w": True}), "tensor 'w' of shape (2, 3) has no axis True"),
        (lambda: actions.softmax_shift(PARAMS, {"w": (1, 2, 3)}), "has no axis (1, 2, 3); expected a number, a pair"),
        (lambda: actions.softmax_shift(PARAMS, {"w": (1, True)}), "axis 1 does not split into True equal parts"),
        (lambda: actions.softmax_shift(PARAMS, {"w": 1.0}), "has no axis 1.0"),
        (lambda: actions.softmax_shift({"w": 1}, PARAMS), "is int"),
        (
            lambda: actions.translations(PARAMS, {"W": 1}),
            "translations('shift'): no parameter matches 'W'. Did you mean w?",
        ),
        (actions.combined, "combined('combined'): got nothing; expected one or more"),
        (lambda: actions.combined([units()]), "got [Transformation('hidden-units'"),
        (lambda: actions.combined(units(), SCALING), "got Scaling(n=3) (Scaling); expected one or more"),
    ],
)
def test_a_block_that_is_declared_wrongly_is_refused_in_its_own_words(make, message):
    refused(make, message)


@pytest.mark.parametrize(("axis", "size"), [(np.int64(1), 2), ((np.int64(1), np.int64(3)), 6)])
def test_shifts_take_axes_of_numpy(axis, size):
    assert actions.softmax_shift(PARAMS, {"w": axis}).group == groups.Translation(size)


@pytest.mark.parametrize("params", [{"q": PARAMS["w"], "w": PARAMS["w"]}, {**PARAMS, "w": np.ones((3, 3))}, {}])
def test_shifts_that_were_made_for_other_parameters_say_so(params):
    shift = actions.translations(PARAMS, {"w": 1})
    refused(lambda: shift.on_params(np.ones(2), params), "translations('shift') was made for other parameters, b (3,),")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: groups.Scaling("3"), "groups.Scaling: size is '3'; expected a whole number, 0 or more"),
        (lambda: groups.Scaling(3.0), "groups.Scaling: size is 3.0"),
        (lambda: groups.Scaling(-1), "groups.Scaling: size is -1"),
        (lambda: groups.Sign(True), "groups.Sign: size is True"),
        (lambda: groups.Permutation((2, 3)), "groups.Permutation: size is (2, 3)"),
        (lambda: groups.Orthogonal(None), "groups.Orthogonal: size is None"),
        (
            lambda: groups.ComplexScaling(2, "half"),
            "groups.ComplexScaling: layout is 'half'; expected 'interleaved' or",
        ),
        (lambda: groups.ComplexLinear(2, ["halves"]), "groups.ComplexLinear: layout is ['halves']; expected"),
        (lambda: groups.Power(3, groups.Scaling(3)), "groups.Power: the factor is 3; expected a group, and how many"),
        (lambda: groups.Power(groups.Scaling, 3), "the factor is <class 'eqprop.groups.scaling.Scaling'>"),
        (
            lambda: groups.Power(groups.Scaling(3), 2.0),
            "groups.Power: count is 2.0; expected a whole number, 1 or more",
        ),
        (lambda: groups.Power(groups.Scaling(3), 0), "groups.Power: count is 0; expected a whole number, 1 or more"),
        (lambda: groups.Product(3), "groups.Product: the factors are (3,); expected one or more groups"),
        (lambda: groups.Product([groups.Sign(2)]), "the factors are ([Sign(n=2)],); expected one or more groups, each"),
        (lambda: groups.DirectSum(groups.Translation(2)), "expected groups that act on hidden units"),
    ],
)
def test_a_group_of_the_wrong_size_or_parts_is_refused(make, message):
    refused(make, message)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mutant("A b", 0, "w", lambda p: p), "the name is 'A b'; expected kebab-case"),
        (lambda: Mutant("a", 4, "w", lambda p: p), "Mutant 'a': order is 4 (int); expected 0, 1, 2 or 3"),
        (lambda: Mutant("a", True, "w", lambda p: p), "order is True (bool)"),
        (lambda: Mutant("a", 0, "w", 3), "Mutant 'a': change is 3 (int); expected a function of (pair)"),
        (
            lambda: Mutant("a", 0, "w", lambda p: 3).broken(pair()),
            "Mutant 'a': change gave 3 (int); expected the broken",
        ),
    ],
)
def test_a_mutant_of_the_wrong_parts_is_refused(make, message):
    refused(make, message)


def sides(point: Any) -> Any:
    return (part(("a",), jnp.ones(2), jnp.ones(2)),)


def own(**other: Any) -> eqprop.Property:
    about: dict[str, Any] = {"name": "own", "order": 1, "statement": "s", "formula": "f", "sides": sides}
    return eqprop.Property(**{**about, "needs": {"params"}, **other})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": 3}, "Property: the name is 3; expected kebab-case"),
        ({"order": "1"}, "Property 'own': order is '1'; expected a whole number"),
        ({"order": None}, "order is None"),
        ({"sides": 3}, "sides is 3 (int); expected a function of (point)"),
        ({"needs": "params"}, "needs is 'params' (str); expected several"),
        ({"needs": {"theta"}}, "needs names theta; the fields of a probe are: algebra"),
        ({"rests_on": "equivariance"}, "rests_on is 'equivariance' (str); expected several"),
        ({"hypotheses": lambda pair: None}, "hypotheses is <function"),
        ({"hypotheses": (3,)}, "a hypothesis is 3 (int); expected a function of (pair)"),
    ],
)
def test_a_property_of_the_wrong_parts_is_refused(wrong, message):
    refused(lambda: own(**wrong), message)


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        (None, "property 'own': sides gave None; expected a tuple"),
        ((1, 2), "sides gave (1, 2) (tuple); expected a tuple of what `part` makes"),
        ((part(("a",), np.ones(2), np.ones(3)),), "shapes [(2,)] on the left and [(3,)] on the right"),
    ],
)
def test_sides_that_cannot_be_compared_are_refused(gives, message):
    refused(lambda: own(sides=lambda point: gives).compared(None), message)


def test_a_hypothesis_says_why_in_words():
    refused(
        lambda: own(hypotheses=(lambda pair: True,)).reason_if_not_applicable(pair()),
        "a hypothesis gave True (bool); expected why",
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: conversions.fused("x"), "fused: axis is 'x'; expected a whole number, such as 0, or -1"),
        (lambda: conversions.permuted(1, 0.5), "permuted: axis is 0.5; expected a whole number"),
        (lambda: conversions.permuted((1, 0)), "permuted: axis is (1, 0); expected a whole number"),
        (lambda: conversions.split_heads(0), "split_heads: heads is 0; expected a whole number, 1 or more"),
        (lambda: conversions.split_heads(2, True), "split_heads: axis is True; expected a whole number"),
        (lambda: conversions.fused_by_head("2"), "fused_by_head: heads is '2'; expected a whole number"),
        (lambda: conversions.rotary_halves(None), "rotary_halves: heads is None; expected a whole number"),
        (lambda: conversions.rotary_interleaved(2, None), "rotary_interleaved: axis is None; expected a whole number"),
        (lambda: conversions.merged("0.5"), "merged: scale is '0.5' (str); expected a number"),
        (lambda: conversions.merged(float("nan")), "merged: scale is nan (float); expected a number"),
        (lambda: conversions.folded_kernel(-1e-5), "folded_kernel: epsilon is -1e-05 (float); expected a number, 0 or"),
        (lambda: conversions.folded_bias(True), "folded_bias: epsilon is True (bool); expected a number, 0 or more"),
    ],
)
def test_a_layout_says_at_once_what_is_wrong_with_its_arguments(make, message):
    refused(make, message)


def test_numpys_numbers_are_numbers():
    np.testing.assert_array_equal(conversions.merged(np.float32(0.5))(1.0, np.eye(2), np.eye(2)), 1 + np.eye(2) / 2)
    np.testing.assert_array_equal(conversions.fused(np.int64(0))(np.ones(1), np.zeros(1)), [1, 0])


@pytest.mark.parametrize("size", [2**31, 2**70])
def test_more_entries_than_an_axis_can_have_are_refused(size: int):
    with pytest.raises(eqprop.InvalidInput, match=f"size is {size}; expected a whole number from 0 to 2147483647"):
        groups.Scaling(size)
