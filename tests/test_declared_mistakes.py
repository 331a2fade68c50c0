"""Mistakes where an action or its group is declared: each is answered at once, in the words of its block."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import eqprop
from eqprop import actions, groups
from tests.mistakes import PARAMS, SCALING, refused, units

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


@pytest.mark.parametrize("size", [2**31, 2**70])
def test_more_entries_than_an_axis_can_have_are_refused(size: int):
    with pytest.raises(eqprop.InvalidInput, match=f"size is {size}; expected a whole number from 0 to 2147483647"):
        groups.Scaling(size)
